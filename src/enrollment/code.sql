/* enrollment: what SQL may ask of the engine */

CREATE OR REPLACE FUNCTION journey_orch.run_here(until timestamptz DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_run_here';

REVOKE ALL ON FUNCTION journey_orch.run_here(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.run_here(timestamptz) TO journey_orch_operator;

COMMENT ON FUNCTION journey_orch.run_here(timestamptz) IS
'Applies, on trial and inside the caller''s transaction, what is pending for the customers that this transaction touched, with timers due up to "until" (default: the engine clock). Returns the number of advances. Blocks nobody and moves no lane; COMMIT afterwards is refused with JO003.';

CREATE OR REPLACE FUNCTION journey_orch.publish(
  journey text,
  version integer DEFAULT NULL,
  existing text DEFAULT 'future',
  inflight text DEFAULT 'finish',
  preview boolean DEFAULT false)
RETURNS TABLE (of_version integer, step text, entering bigint, inside bigint, finishing bigint, exiting bigint, moving bigint)
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_publish';
REVOKE ALL ON FUNCTION journey_orch.publish(text, integer, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.publish(text, integer, text, text, boolean) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.publish(text, integer, text, text, boolean) IS
'Makes a version (the newest unless given) the one that customers enter from now on. Returns, by version and step, the people who enter at once, those inside, and how many of these finish on their version, leave, or move to the new one; preview changes nothing.';

CREATE OR REPLACE FUNCTION journey_orch.pause(
  journey text,
  newcomers text DEFAULT 'queue',
  waits text DEFAULT 'run')
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_pause';
REVOKE ALL ON FUNCTION journey_orch.pause(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.pause(text, text, text) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.pause(text, text, text) IS
'Holds everybody in a journey before the next step, and its messages that no relay has claimed; goal and exit rules stay alive. Returns the people inside.';

CREATE OR REPLACE FUNCTION journey_orch.resume(journey text, rate numeric DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_resume';
REVOKE ALL ON FUNCTION journey_orch.resume(text, numeric) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.resume(text, numeric) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.resume(text, numeric) IS
'Lets a paused journey go on, at most "rate" held runs a second (all at once unless given). Returns how many were held.';

CREATE OR REPLACE FUNCTION journey_orch.stop(journey text, inflight text DEFAULT 'finish')
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_stop';
REVOKE ALL ON FUNCTION journey_orch.stop(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.stop(text, text) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.stop(text, text) IS
'Closes a journey to newcomers; the people inside finish or leave at once. publish() opens it again. Returns the people inside.';

CREATE OR REPLACE FUNCTION journey_orch.archive(journey text)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_archive';
REVOKE ALL ON FUNCTION journey_orch.archive(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.archive(text) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.archive(text) IS
'Lays a stopped journey without people inside aside for good: it can be looked at, but not published any more.';

CREATE OR REPLACE VIEW journey_orch.event_error AS
SELECT f.failure_id AS error_id, f.event_id, f.event, f.customer_id, f.lane, f.sqlstate, f.message, f.clock, f.at
FROM journey_orch.event_failure f;
GRANT SELECT ON journey_orch.event_error TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.event_error IS
'One row an event that could not be applied and was set aside; its customer''s other events were.';
COMMENT ON COLUMN journey_orch.event_error.error_id IS 'Number of the error.';
COMMENT ON COLUMN journey_orch.event_error.event_id IS 'The event, as in view event_log.';
COMMENT ON COLUMN journey_orch.event_error.event IS 'Its name.';
COMMENT ON COLUMN journey_orch.event_error.customer_id IS 'The customer, as text.';
COMMENT ON COLUMN journey_orch.event_error.lane IS '0 to 15.';
COMMENT ON COLUMN journey_orch.event_error.sqlstate IS 'SQLSTATE of the error.';
COMMENT ON COLUMN journey_orch.event_error.message IS 'Its primary message.';
COMMENT ON COLUMN journey_orch.event_error.clock IS 'Instant of the event (engine clock).';
COMMENT ON COLUMN journey_orch.event_error.at IS 'Real time when it was set aside.';

CREATE OR REPLACE VIEW journey_orch.upcoming_entry AS
SELECT j.name AS journey, p.customer_id, p.due_at, p.basis AS date, p.last_at, p.error
FROM journey_orch.planned_entry AS p
JOIN journey_orch.journey AS j USING (journey_id)
WHERE p.due_at IS NOT NULL OR p.error IS NOT NULL;
GRANT SELECT ON journey_orch.upcoming_entry TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.upcoming_entry IS
'One row a customer and journey that a date of his will enter, or would if it could be told.';
COMMENT ON COLUMN journey_orch.upcoming_entry.journey IS 'The journey.';
COMMENT ON COLUMN journey_orch.upcoming_entry.customer_id IS 'The customer, as text.';
COMMENT ON COLUMN journey_orch.upcoming_entry.due_at IS 'When he enters, as his row stands (engine clock); NULL: the date cannot be told.';
COMMENT ON COLUMN journey_orch.upcoming_entry.date IS 'The date that was read from his row, and its recurrence.';
COMMENT ON COLUMN journey_orch.upcoming_entry.last_at IS 'When a date last entered him; NULL: never.';
COMMENT ON COLUMN journey_orch.upcoming_entry.error IS 'Why the date could not be told; NULL: it could.';

CREATE OR REPLACE VIEW journey_orch.planning_status AS
SELECT j.name AS journey, p.lane::integer AS lane,
       CASE WHEN p.finished_at IS NULL THEN 'running' WHEN p.error IS NULL THEN 'finished' ELSE 'failed' END AS state,
       p.customers, p.position, p.started_at, p.finished_at, p.error
FROM journey_orch.plan_pass AS p
LEFT JOIN journey_orch.journey AS j USING (journey_id);
GRANT SELECT ON journey_orch.planning_status TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.planning_status IS
'One row a journey and lane: its last look at the dates of all customers.';
COMMENT ON COLUMN journey_orch.planning_status.journey IS 'The journey that was published; NULL: all, because changes of the customers are not seen.';
COMMENT ON COLUMN journey_orch.planning_status.lane IS '0 to 15.';
COMMENT ON COLUMN journey_orch.planning_status.state IS 'running, finished, failed.';
COMMENT ON COLUMN journey_orch.planning_status.customers IS 'Customers of the lane looked at so far.';
COMMENT ON COLUMN journey_orch.planning_status.position IS 'Key of the last customer looked at; NULL: none yet, or finished.';
COMMENT ON COLUMN journey_orch.planning_status.started_at IS 'Real time.';
COMMENT ON COLUMN journey_orch.planning_status.finished_at IS 'Real time; NULL: running.';
COMMENT ON COLUMN journey_orch.planning_status.error IS 'Why it failed; it is begun again after 15 minutes.';

COMMENT ON TABLE journey_orch.planned_entry IS
'When customers enter journeys by their dates, and by which they have. Read view upcoming_entry instead.';
COMMENT ON TABLE journey_orch.plan_pass IS
'Looks at the dates of all customers. Read view planning_status instead.';
COMMENT ON TABLE journey_orch.event_failure IS
'Events that lanes could not apply and went past. Read view event_error instead.';
COMMENT ON TABLE journey_orch.enrollment IS
'One row per live passage of a customer through a journey. Read view enrollment_status instead.';
COMMENT ON TABLE journey_orch.trial_enrollment IS
'Rows of run_here() within its own transaction; never committed.';
COMMENT ON TABLE journey_orch.entry_memory IS
'What earlier runs of a customer leave behind for re-entry rules.';
COMMENT ON TABLE journey_orch.digest_event IS
'Events that digests have collected for runs that still stand there.';
COMMENT ON TABLE journey_orch.timer IS
'Hints that a customer has something due; the truth is the live row''s due_at.';
COMMENT ON TABLE journey_orch.step_log IS
'One row per advance, conversion, refusal and parking. Insert-only.';
COMMENT ON TABLE journey_orch.command IS
'Commands that applications and operators gave. Ask command_status() instead.';
COMMENT ON TABLE journey_orch.command_outcome IS
'What became of each command. Insert-only.';

CREATE OR REPLACE FUNCTION journey_orch.enter(
  journey         text,
  customer        text,
  context         jsonb DEFAULT '{}',
  key             text DEFAULT NULL,
  idempotency_key text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_enter';
REVOKE ALL ON FUNCTION journey_orch.enter(text, text, jsonb, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.enter(text, text, jsonb, text, text) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.enter(text, text, jsonb, text, text) IS
'Asks the customer''s lane, at commit, to start a run of a journey with this context and key; returns the id of the command. A repeated idempotency key returns the first one.';

CREATE OR REPLACE FUNCTION journey_orch.leave(
  journey  text,
  customer text,
  key      text DEFAULT NULL,
  reason   text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_leave';
REVOKE ALL ON FUNCTION journey_orch.leave(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.leave(text, text, text, text) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.leave(text, text, text, text) IS
'Asks the customer''s lane, at commit, to end his runs of a journey (those with this key, all without one) with a reason, "left" unless given; returns the id of the command.';

/* ---- test messages ---- */

CREATE OR REPLACE FUNCTION journey_orch.send_test(
  journey   text,
  step      text,
  customer  text,
  seed_list text[],
  event     jsonb DEFAULT '{}',
  context   jsonb DEFAULT '{}',
  version   integer DEFAULT NULL,
  channel   text DEFAULT NULL,
  OUT channel    text,
  OUT address    text,
  OUT event_id   bigint,
  OUT subject    text,
  OUT decision   text,
  OUT gates      jsonb)
RETURNS SETOF record
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_send_test';
REVOKE ALL ON FUNCTION journey_orch.send_test(text, text, text, text[], jsonb, jsonb, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.send_test(text, text, text, text[], jsonb, jsonb, integer, text)
  TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.send_test(text, text, text, text[], jsonb, jsonb, integer, text) IS
'Sends the message of a step, as this customer would get it, to other addresses: through outbox and relay, marked, and counted nowhere. Shows what each gate would say of the real one.';

/* Why a rule refuses, in words. */
CREATE OR REPLACE FUNCTION journey_orch._refusal_reason(rule text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE rule
    WHEN 'journey_unknown'  THEN 'The journey does not exist.'
    WHEN 'journey_draft'    THEN 'The journey was never published.'
    WHEN 'paused'           THEN 'The journey is paused and takes no newcomers.'
    WHEN 'stopped'          THEN 'The journey was stopped.'
    WHEN 'closed'           THEN 'The journey was published for existing customers only.'
    WHEN 'journey_error'    THEN 'The live version no longer compiles.'
    WHEN 'entry_by_api'     THEN 'Only enter() starts a run of the journey.'
    WHEN 'entry_by_journey' THEN 'Only enter steps of the journeys it names start a run of the journey.'
    WHEN 'entry_error'      THEN 'The run could not be written; the step log has the error.'
    WHEN 'event_error'      THEN 'The command could not be applied; view event_error says why.'
    WHEN 'customer_error'   THEN 'The customer''s row could not be read.'
    WHEN 'customer_absent'  THEN 'The customer has no row.'
    WHEN 'reentry_never'    THEN 'The customer was in the journey before, with this key.'
    WHEN 'reentry_active'   THEN 'The customer is in the journey, with this key.'
    WHEN 'cooldown'         THEN 'The cool-down after the last entry or end is not over.'
    WHEN 'cap_per_customer' THEN 'The customer entered the journey as often as its cap allows in the period.'
    WHEN 'cap_at_once_per_customer' THEN 'The customer has as many active runs in the journey as its cap allows.'
    WHEN 'cap_at_once'      THEN 'As many are in the journey as its cap allows.'
    WHEN 'cap_total'        THEN 'As many have entered the journey as its cap allows.'
    WHEN 'parent_ended'     THEN 'The run that wanted to wait for it has ended.'
    WHEN 'not_waiting'      THEN 'The run does not wait for this decision any more.'
    WHEN 'not_allowed'      THEN 'The run was moved to a version that asks another role.'
    WHEN 'parked'           THEN 'The run is parked.'
    WHEN 'not_dead'         THEN 'The message is no dead letter any more.'
    WHEN 'being_tried'      THEN 'The run has not given the message up: it still tries other channels.'
    WHEN 'withdrawn'        THEN 'The run that sent the message was ended by a goal, an exit rule or an operator.'
    WHEN 'expired'          THEN 'The time of the message is over.'
    WHEN 'not_inside'       THEN 'The customer has no active run of the journey, or none with this key.'
  END
$$;
REVOKE ALL ON FUNCTION journey_orch._refusal_reason(text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._refusal_reason(text) IS
'The meaning of a rule that refused an entry or a command.';

CREATE OR REPLACE FUNCTION journey_orch.command_status(id bigint)
RETURNS TABLE (command text, status text, rule text, reason text, enrollment_id uuid, at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF id IS NULL THEN
    RAISE EXCEPTION 'argument "id" must not be NULL' USING ERRCODE = '22004';
  END IF;
  RETURN QUERY
  SELECT c.command, coalesce(o.status, f.status, 'pending'), coalesce(o.rule, f.rule),
         journey_orch._refusal_reason(coalesce(o.rule, f.rule)), o.enrollment_id, coalesce(o.at, f.clock)
  FROM journey_orch.command AS c
  LEFT JOIN journey_orch.command_outcome AS o USING (command_id)
  LEFT JOIN (SELECT e.event_id, 'refused' AS status, 'event_error' AS rule, e.clock
             FROM journey_orch.event_failure AS e) AS f ON f.event_id = c.command_id
  WHERE c.command_id = id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'command % does not exist', id
      USING ERRCODE = '42704', HINT = 'Ask with the number that enter() or leave() returned.';
  END IF;
END
$$;
REVOKE ALL ON FUNCTION journey_orch.command_status(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.command_status(bigint) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.command_status(bigint) IS
'What became of a command: pending, entered, left, decided, redelivered, discarded or refused, with the rule that refused it and what that means.';

CREATE OR REPLACE FUNCTION journey_orch.approve(enrollment_id uuid, decision text, note text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_approve';
REVOKE ALL ON FUNCTION journey_orch.approve(uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.approve(uuid, text, text) TO journey_orch_operator, journey_orch_app;
COMMENT ON FUNCTION journey_orch.approve(uuid, text, text) IS
'Decides for a run that waits at an approve step, as the current user if he has the step''s role; returns the id of the command.';

CREATE OR REPLACE FUNCTION journey_orch.approve_many(enrollment_ids uuid[], decision text, note text DEFAULT NULL)
RETURNS TABLE (enrollment_id uuid, command_id bigint)
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_approve_many';
REVOKE ALL ON FUNCTION journey_orch.approve_many(uuid[], text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.approve_many(uuid[], text, text) TO journey_orch_operator, journey_orch_app;
COMMENT ON FUNCTION journey_orch.approve_many(uuid[], text, text) IS
'The same for many runs: all of them or, when one is refused, none.';

/* ---- dead letters ---- */

CREATE OR REPLACE FUNCTION journey_orch.redeliver(message_id uuid, note text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_redeliver';
REVOKE ALL ON FUNCTION journey_orch.redeliver(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.redeliver(uuid, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.redeliver(uuid, text) IS
'Asks the customer''s lane, at commit, to send a dead letter again, as a new attempt of the same message that meets the gates; returns the id of the command.';

CREATE OR REPLACE FUNCTION journey_orch.redeliver_many(
  filter_sql text DEFAULT NULL, preview boolean DEFAULT false, note text DEFAULT NULL)
RETURNS TABLE (message_id uuid, customer_id text, rule text, command_id bigint)
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_redeliver_many';
REVOKE ALL ON FUNCTION journey_orch.redeliver_many(text, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.redeliver_many(text, boolean, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.redeliver_many(text, boolean, text) IS
'redeliver() for the dead letters of which filter_sql, over the columns of view dead_letter, is true (all without one). A rule says why one is left out. preview does nothing but list.';

CREATE OR REPLACE FUNCTION journey_orch.discard(message_id uuid, note text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_discard';
REVOKE ALL ON FUNCTION journey_orch.discard(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.discard(uuid, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.discard(uuid, text) IS
'Asks the customer''s lane, at commit, to settle a dead letter for good; returns the id of the command.';

COMMENT ON TABLE journey_orch.approval_request IS
'Questions that runs have asked. Read view approval instead.';

CREATE OR REPLACE VIEW journey_orch.approval AS
WITH asked AS
(
  SELECT e.enrollment_id, e.journey_id, e.version, e.customer_id, e.key, e.step, e.arrived_at, e.due_at, e.context
  FROM journey_orch.approval_request AS q
  JOIN journey_orch.enrollment AS e
    ON e.customer_id = q.customer_id AND e.enrollment_id = q.enrollment_id AND e.visit = q.visit
  WHERE e.state = 'waiting'
    AND NOT EXISTS (SELECT FROM journey_orch.trial_enrollment AS t WHERE t.enrollment_id = e.enrollment_id)
  UNION ALL
  SELECT t.enrollment_id, t.journey_id, t.version, t.customer_id, t.key, t.step, t.arrived_at, t.due_at, t.context
  FROM (SELECT DISTINCT ON (enrollment_id) *
        FROM journey_orch.trial_enrollment
        ORDER BY enrollment_id, generation DESC) AS t
  JOIN journey_orch.approval_request AS q USING (enrollment_id, visit)
  WHERE t.state = 'waiting' AND NOT t.is_ended
)
SELECT a.enrollment_id, j.name AS journey, a.version, a.customer_id, a.key, a.step,
       v.definition #>> ARRAY['steps', a.step, 'approve', 'role'] AS role,
       v.definition #>> ARRAY['steps', a.step, 'approve', 'question'] AS question,
       ARRAY(SELECT d FROM pg_catalog.jsonb_object_keys(v.definition #> ARRAY['steps', a.step, 'next']) AS d) AS decisions,
       a.arrived_at AS asked_at, a.due_at, a.context
FROM asked AS a
JOIN journey_orch.journey AS j USING (journey_id)
JOIN journey_orch.journey_version AS v ON v.journey_id = a.journey_id AND v.version = a.version;
GRANT SELECT ON journey_orch.approval TO journey_orch_operator, journey_orch_app, journey_orch_analyst;
COMMENT ON VIEW journey_orch.approval IS
'One row per run that waits for a person''s decision.';
COMMENT ON COLUMN journey_orch.approval.enrollment_id IS 'Id of the run, for approve().';
COMMENT ON COLUMN journey_orch.approval.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.approval.version IS 'Version that the run follows.';
COMMENT ON COLUMN journey_orch.approval.customer_id IS 'The customer.';
COMMENT ON COLUMN journey_orch.approval.key IS 'Business key of the run.';
COMMENT ON COLUMN journey_orch.approval.step IS 'Step that asks.';
COMMENT ON COLUMN journey_orch.approval.role IS 'Role whose members may decide; NULL: journey_orch_operator.';
COMMENT ON COLUMN journey_orch.approval.question IS 'What is asked; NULL where the step says nothing.';
COMMENT ON COLUMN journey_orch.approval.decisions IS 'The words that may be given to approve().';
COMMENT ON COLUMN journey_orch.approval.asked_at IS 'Engine clock of the arrival at the step.';
COMMENT ON COLUMN journey_orch.approval.due_at IS 'Engine clock of the timeout; NULL: none.';
COMMENT ON COLUMN journey_orch.approval.context IS 'What the run''s steps have put into its context.';

COMMENT ON TABLE journey_orch.fan_out IS
'Audiences that an event has to enter. Read view fan_out_status instead.';

CREATE OR REPLACE VIEW journey_orch.fan_out_status AS
SELECT j.name AS journey, f.version, f.event_id, f.event, f.at, f.state, f.customers, f.chunks,
       NULLIF(f.last_customer, '') AS last_customer, f.started_at, f.changed_at, f.sqlstate, f.message, f.schedule
FROM journey_orch.fan_out AS f
JOIN journey_orch.journey AS j USING (journey_id);
REVOKE ALL ON journey_orch.fan_out_status FROM PUBLIC;
GRANT SELECT ON journey_orch.fan_out_status TO journey_orch_operator, journey_orch_analyst;
COMMENT ON VIEW journey_orch.fan_out_status IS 'One row per event, or planned time of a schedule, that enters an audience, and journey: how far it was told.';
COMMENT ON COLUMN journey_orch.fan_out_status.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.fan_out_status.version IS 'Version that the event met.';
COMMENT ON COLUMN journey_orch.fan_out_status.event_id IS 'Id of the event.';
COMMENT ON COLUMN journey_orch.fan_out_status.event IS 'Name of the event.';
COMMENT ON COLUMN journey_orch.fan_out_status.at IS 'Instant of the event; engine clock.';
COMMENT ON COLUMN journey_orch.fan_out_status.state IS 'running; done; failed: the audience raised an error; refused: the journey took no newcomers at the event; stopped: nor did it later.';
COMMENT ON COLUMN journey_orch.fan_out_status.customers IS 'Customers told so far; whom the entry''s rules refuse included.';
COMMENT ON COLUMN journey_orch.fan_out_status.chunks IS 'Transactions that told them.';
COMMENT ON COLUMN journey_orch.fan_out_status.last_customer IS 'The last one told: they are told in the order of the bytes of their ids.';
COMMENT ON COLUMN journey_orch.fan_out_status.started_at IS 'Real time at which the event was applied.';
COMMENT ON COLUMN journey_orch.fan_out_status.changed_at IS 'Real time of the last chunk.';
COMMENT ON COLUMN journey_orch.fan_out_status.sqlstate IS 'SQLSTATE of the audience''s error.';
COMMENT ON COLUMN journey_orch.fan_out_status.schedule IS 'Schedule whose planned time it is; NULL: an event''s.';
COMMENT ON COLUMN journey_orch.fan_out_status.message IS 'Its message; of a refused one, the rule.';

CREATE OR REPLACE FUNCTION journey_orch.retry_fan_out(journey text, event_id bigint)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_retry_fan_out';
REVOKE ALL ON FUNCTION journey_orch.retry_fan_out(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.retry_fan_out(text, bigint) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.retry_fan_out(text, bigint) IS
'Goes on telling an audience that had failed, after the last customer told.';

COMMENT ON TABLE journey_orch.schedule IS 'What schedule() has declared. Read view schedule_status instead.';
COMMENT ON TABLE journey_orch.occurrence IS 'Planned times of schedules that have come. Read view schedule_occurrence instead.';

/* Every schedule: of schedule(), and of journeys that enter by one, which are
   known as "$" and their name. */
CREATE OR REPLACE VIEW journey_orch._schedule AS
SELECT s.name, s.journey_id, s.cron, s.audience,
       coalesce(s.timezone, (SELECT v.definition ->> 'timezone'
                             FROM journey_orch.publication AS p
                             JOIN journey_orch.journey_version AS v USING (journey_id, version)
                             WHERE p.journey_id = s.journey_id AND p.act = 'publish'
                             ORDER BY p.seq DESC LIMIT 1), 'UTC') AS timezone,
       s.missed, s.owner, s.since
FROM journey_orch.schedule AS s
UNION ALL
SELECT '$' || j.name, j.journey_id, v.definition #>> '{entry,schedule,cron}', NULL,
       coalesce(v.definition #>> '{entry,schedule,timezone}', v.definition ->> 'timezone', 'UTC'),
       coalesce(v.definition #>> '{entry,schedule,missed}', 'skip'), NULL, p.at
FROM journey_orch.journey AS j
CROSS JOIN LATERAL (SELECT a.version, a.at, a.seq
                    FROM journey_orch.publication AS a
                    WHERE a.journey_id = j.journey_id AND a.act = 'publish'
                    ORDER BY a.seq DESC LIMIT 1) AS p
JOIN journey_orch.journey_version AS v ON v.journey_id = j.journey_id AND v.version = p.version
WHERE v.definition #> '{entry,schedule}' IS NOT NULL
  AND NOT EXISTS (SELECT FROM journey_orch.publication AS a
                  WHERE a.journey_id = j.journey_id AND a.seq > p.seq AND a.act IN ('stop', 'archive'));
COMMENT ON VIEW journey_orch._schedule IS
'One row per schedule that may have planned times to come.';

CREATE OR REPLACE VIEW journey_orch.schedule_status AS
SELECT s.name AS schedule, j.name AS journey, s.cron, s.timezone, s.missed, s.owner::text AS owner, s.since,
       o.last_planned_at, coalesce(o.occurrences, 0) AS occurrences, coalesce(o.missed, 0) AS left_out
FROM journey_orch._schedule AS s
JOIN journey_orch.journey AS j USING (journey_id)
LEFT JOIN (SELECT c.schedule, max(c.planned_at) AS last_planned_at, count(c.event_id) AS occurrences, sum(c.missed) AS missed
           FROM journey_orch.occurrence AS c GROUP BY c.schedule) AS o ON o.schedule = s.name;
REVOKE ALL ON journey_orch.schedule_status FROM PUBLIC;
GRANT SELECT ON journey_orch.schedule_status TO journey_orch_analyst, journey_orch_author, journey_orch_operator;
COMMENT ON VIEW journey_orch.schedule_status IS 'One row per schedule; that of a journey that enters by one is "$" and its name.';
COMMENT ON COLUMN journey_orch.schedule_status.schedule IS 'Name of the schedule.';
COMMENT ON COLUMN journey_orch.schedule_status.journey IS 'Journey that its audience enters.';
COMMENT ON COLUMN journey_orch.schedule_status.cron IS 'Its times: minute, hour, day of the month, month, weekday.';
COMMENT ON COLUMN journey_orch.schedule_status.timezone IS 'Zone of the times.';
COMMENT ON COLUMN journey_orch.schedule_status.missed IS 'What becomes of missed times: skip, once, all.';
COMMENT ON COLUMN journey_orch.schedule_status.owner IS 'Role whose rights the audience has; NULL: the journey''s owner.';
COMMENT ON COLUMN journey_orch.schedule_status.since IS 'Engine clock from which on its times count.';
COMMENT ON COLUMN journey_orch.schedule_status.last_planned_at IS 'Last planned time that has come; NULL: none.';
COMMENT ON COLUMN journey_orch.schedule_status.occurrences IS 'Planned times at which the audience was told.';
COMMENT ON COLUMN journey_orch.schedule_status.left_out IS 'Planned times that were missed and left out.';

CREATE OR REPLACE VIEW journey_orch.schedule_occurrence AS
SELECT o.schedule, o.planned_at, o.made_at, o.missed AS left_out, f.state, f.customers, f.sqlstate, f.message
FROM journey_orch.occurrence AS o
LEFT JOIN journey_orch.fan_out AS f USING (event_id);
REVOKE ALL ON journey_orch.schedule_occurrence FROM PUBLIC;
GRANT SELECT ON journey_orch.schedule_occurrence TO journey_orch_analyst, journey_orch_author, journey_orch_operator;
COMMENT ON VIEW journey_orch.schedule_occurrence IS 'One row per planned time that has come, or per row of those that were left out.';
COMMENT ON COLUMN journey_orch.schedule_occurrence.schedule IS 'Name of the schedule.';
COMMENT ON COLUMN journey_orch.schedule_occurrence.planned_at IS 'The planned time; of several that were left out, the last one.';
COMMENT ON COLUMN journey_orch.schedule_occurrence.made_at IS 'Real time at which it was seen.';
COMMENT ON COLUMN journey_orch.schedule_occurrence.left_out IS 'Planned times that were missed and left out; 0 for one that came.';
COMMENT ON COLUMN journey_orch.schedule_occurrence.state IS 'How far its audience is: as in fan_out_status.';
COMMENT ON COLUMN journey_orch.schedule_occurrence.customers IS 'Customers told so far.';
COMMENT ON COLUMN journey_orch.schedule_occurrence.sqlstate IS 'SQLSTATE of the audience''s error.';
COMMENT ON COLUMN journey_orch.schedule_occurrence.message IS 'Its message; of a refused one, the rule.';

CREATE OR REPLACE FUNCTION journey_orch.schedule(
  name text, journey text, cron text, audience_sql text, timezone text DEFAULT NULL, missed text DEFAULT 'skip')
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_schedule';
REVOKE ALL ON FUNCTION journey_orch.schedule(text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.schedule(text, text, text, text, text, text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.schedule(text, text, text, text, text, text) IS
'Lets an audience enter a journey at recurring times. Five fields of cron in a zone; needs pg_cron, but under the virtual clock. Returns created, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.unschedule(name text)
RETURNS boolean
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_unschedule';
REVOKE ALL ON FUNCTION journey_orch.unschedule(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.unschedule(text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.unschedule(text) IS
'Takes back what schedule() has declared; false when there was nothing of this name.';

CREATE OR REPLACE FUNCTION journey_orch.run_schedules()
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_run_schedules';
REVOKE ALL ON FUNCTION journey_orch.run_schedules() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.run_schedules() TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.run_schedules() IS
'Lets planned times of schedules come that are due: what pg_cron calls each minute. Returns how many audiences are to be told; 0 under the virtual clock, where the engine does it.';

CREATE OR REPLACE FUNCTION journey_orch.schedule_times(
  cron text, timezone text DEFAULT 'UTC', since timestamptz DEFAULT NULL, max integer DEFAULT 5)
RETURNS SETOF timestamptz
LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_schedule_times';
REVOKE ALL ON FUNCTION journey_orch.schedule_times(text, text, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.schedule_times(text, text, timestamptz, integer)
  TO journey_orch_author, journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.schedule_times(text, text, timestamptz, integer) IS
'The next times of five fields of cron in a zone, after an instant (NULL: the engine clock).';
