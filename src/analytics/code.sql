/* analytics: views over the step log and the live rows, one stated grain each */

CREATE OR REPLACE VIEW journey_orch.enrollment_status AS
WITH live AS
(
  SELECT e.enrollment_id, e.journey_id, e.version, e.customer_id, e.key,
         e.step, e.state, e.entered_at, e.arrived_at, e.due_at, e.context,
         e.error
  FROM journey_orch.enrollment AS e
  WHERE e.state <> 'ended'
    AND NOT EXISTS (SELECT FROM journey_orch.trial_enrollment AS t
                    WHERE t.enrollment_id = e.enrollment_id)
  UNION ALL
  SELECT t.enrollment_id, t.journey_id, t.version, t.customer_id, t.key,
         t.step, t.state, t.entered_at, t.arrived_at, t.due_at, t.context,
         t.error
  FROM (SELECT DISTINCT ON (enrollment_id) *
        FROM journey_orch.trial_enrollment
        ORDER BY enrollment_id, generation DESC) AS t
  WHERE NOT t.is_ended
)
SELECT live.enrollment_id, j.name AS journey, live.version, live.customer_id,
       live.key, live.step, live.state, live.entered_at, live.arrived_at,
       live.due_at, NULL::timestamptz AS ended_at, NULL::text AS exit_reason,
       live.context, live.error,
       CASE WHEN live.state IN ('waiting', 'delayed') THEN
         CASE s.verb WHEN 'wait' THEN 'event' WHEN 'digest' THEN 'event'
           WHEN 'approve' THEN 'approval' WHEN 'enter' THEN 'journey'
           WHEN 'call' THEN 'lock' ELSE 'time' END
         WHEN live.state = 'sending' THEN 'message'
         WHEN live.state = 'held' THEN 'resume'
         WHEN live.state = 'parked' THEN 'operator' END AS waits_for
FROM live
JOIN journey_orch.journey AS j USING (journey_id)
LEFT JOIN journey_orch.journey_step AS s USING (journey_id, version, step)
UNION ALL
SELECT ended.enrollment_id, j.name, ended.version, ended.customer_id,
       ended.key, ended.from_step, 'ended', ended.entered_at, ended.arrived_at,
       NULL, ended.clock, ended.reason, NULL, NULL, NULL
FROM journey_orch.step_log AS ended
JOIN journey_orch.journey AS j ON j.journey_id = ended.journey_id
WHERE ended.outcome = 'ended';

COMMENT ON VIEW journey_orch.enrollment_status IS
'One row per enrollment, live or ended (while the step log keeps it).';
COMMENT ON COLUMN journey_orch.enrollment_status.enrollment_id IS 'Id of the run; computed from journey and entry event, so it is the same after a replay.';
COMMENT ON COLUMN journey_orch.enrollment_status.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.enrollment_status.version IS 'Version of the definition that the run follows.';
COMMENT ON COLUMN journey_orch.enrollment_status.customer_id IS 'The customer, as text.';
COMMENT ON COLUMN journey_orch.enrollment_status.key IS 'Business key of the run (entry.key), NULL without one.';
COMMENT ON COLUMN journey_orch.enrollment_status.step IS 'Step where the run stands, or stood when it ended.';
COMMENT ON COLUMN journey_orch.enrollment_status.state IS 'waiting, delayed, sending, held, parked or ended.';
COMMENT ON COLUMN journey_orch.enrollment_status.entered_at IS 'Engine clock of the entry.';
COMMENT ON COLUMN journey_orch.enrollment_status.arrived_at IS 'Engine clock of the arrival at the step.';
COMMENT ON COLUMN journey_orch.enrollment_status.due_at IS 'Engine clock at which a timer moves the run; NULL when only an event can.';
COMMENT ON COLUMN journey_orch.enrollment_status.ended_at IS 'Engine clock of the end; NULL while live.';
COMMENT ON COLUMN journey_orch.enrollment_status.exit_reason IS 'Why it ended: the exit step''s reason, goal, or the exit rule''s reason.';
COMMENT ON COLUMN journey_orch.enrollment_status.context IS 'What steps have put into the context; NULL when ended.';
COMMENT ON COLUMN journey_orch.enrollment_status.error IS 'Of a parked run, or of a call that was blocked: sqlstate, message, expression, attempts.';
COMMENT ON COLUMN journey_orch.enrollment_status.waits_for IS 'event, time, message, journey (a child), approval, lock (a call that was blocked), resume (held), operator (parked); NULL when ended.';

CREATE OR REPLACE VIEW journey_orch.parked_enrollment AS
SELECT e.enrollment_id, e.journey, e.version, e.customer_id, e.key, e.step,
       e.error ->> 'message' AS error,
       e.error ->> 'sqlstate' AS sqlstate,
       e.error ->> 'expression' AS expression,
       1 AS attempts,
       p.parked_at
FROM journey_orch.enrollment_status AS e
JOIN LATERAL (SELECT max(l.clock) AS parked_at
              FROM journey_orch.step_log AS l
              WHERE l.enrollment_id = e.enrollment_id
                AND l.outcome = 'parked') AS p ON true
WHERE e.state = 'parked';

COMMENT ON VIEW journey_orch.parked_enrollment IS
'One row per enrollment that an error has stopped and that waits for an operator.';
COMMENT ON COLUMN journey_orch.parked_enrollment.enrollment_id IS 'Id of the run.';
COMMENT ON COLUMN journey_orch.parked_enrollment.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.parked_enrollment.version IS 'Version that the run follows.';
COMMENT ON COLUMN journey_orch.parked_enrollment.customer_id IS 'The customer.';
COMMENT ON COLUMN journey_orch.parked_enrollment.key IS 'Business key of the run.';
COMMENT ON COLUMN journey_orch.parked_enrollment.step IS 'Step where it stands.';
COMMENT ON COLUMN journey_orch.parked_enrollment.error IS 'The error''s message.';
COMMENT ON COLUMN journey_orch.parked_enrollment.sqlstate IS 'The error''s SQLSTATE.';
COMMENT ON COLUMN journey_orch.parked_enrollment.expression IS 'The expression that raised it, if one did.';
COMMENT ON COLUMN journey_orch.parked_enrollment.attempts IS 'How often the step was tried.';
COMMENT ON COLUMN journey_orch.parked_enrollment.parked_at IS 'Engine clock of the error.';

CREATE OR REPLACE VIEW journey_orch.journey_status AS
SELECT d.journey, d.version, d.state,
       COALESCE(l.entered, 0) AS entered,
       COALESCE(e.active, 0) AS active,
       COALESCE(l.ended, 0) AS ended,
       COALESCE(l.converted, 0) AS converted,
       COALESCE(e.parked, 0) AS parked,
       COALESCE(l.refused, 0) AS refused,
       d.published_at,
       COALESCE(e.held, 0) AS held,
       COALESCE(l.moved_in, 0) AS moved_in,
       COALESCE(l.moved_out, 0) AS moved_out
FROM journey_orch.journey_definition AS d
JOIN journey_orch.journey AS j ON j.name = d.journey
LEFT JOIN (SELECT journey_id, version,
                  count(*) FILTER (WHERE outcome = 'entered') AS entered,
                  count(*) FILTER (WHERE outcome = 'ended') AS ended,
                  count(*) FILTER (WHERE outcome = 'refused'
                                     AND enrollment_id IS NULL) AS refused,
                  count(*) FILTER (WHERE outcome = 'moved'
                                     AND to_step IS NOT NULL) AS moved_in,
                  count(*) FILTER (WHERE outcome = 'moved'
                                     AND to_step IS NULL) AS moved_out,
                  count(DISTINCT enrollment_id)
                    FILTER (WHERE outcome = 'converted') AS converted
           FROM journey_orch.step_log
           GROUP BY journey_id, version) AS l
  ON l.journey_id = j.journey_id
 AND l.version = d.version
LEFT JOIN (SELECT journey_id, version, count(*) AS active,
                  count(*) FILTER (WHERE state = 'parked') AS parked,
                  count(*) FILTER (WHERE state = 'held') AS held
           FROM journey_orch.enrollment
           WHERE state <> 'ended'
           GROUP BY journey_id, version) AS e
  ON e.journey_id = j.journey_id
 AND e.version = d.version;

COMMENT ON VIEW journey_orch.journey_status IS
'One row per journey and version: how many people went where. entered + moved_in = active + ended + moved_out.';
COMMENT ON COLUMN journey_orch.journey_status.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.journey_status.version IS 'Version of the definition.';
COMMENT ON COLUMN journey_orch.journey_status.state IS 'State of this version; see view journey_definition.';
COMMENT ON COLUMN journey_orch.journey_status.entered IS 'Enrollments started.';
COMMENT ON COLUMN journey_orch.journey_status.active IS 'Enrollments live now, parked ones included.';
COMMENT ON COLUMN journey_orch.journey_status.ended IS 'Enrollments ended.';
COMMENT ON COLUMN journey_orch.journey_status.converted IS 'Enrollments with at least one conversion.';
COMMENT ON COLUMN journey_orch.journey_status.parked IS 'Live enrollments that wait for an operator.';
COMMENT ON COLUMN journey_orch.journey_status.refused IS 'Entries refused by policy (re-entry, cool-down, absent customer, a paused, stopped or closed journey) or by an error.';
COMMENT ON COLUMN journey_orch.journey_status.published_at IS 'Real time of the version''s newest publication; NULL: never.';
COMMENT ON COLUMN journey_orch.journey_status.held IS 'Live enrollments that a pause holds before a step, and that a paced resume has not released yet.';
COMMENT ON COLUMN journey_orch.journey_status.moved_in IS 'Enrollments that came from another version (publish with inflight => move).';
COMMENT ON COLUMN journey_orch.journey_status.moved_out IS 'Enrollments that went on to another version.';

CREATE OR REPLACE VIEW journey_orch.funnel AS
SELECT f.journey, f.version, f.step, f.position, f.entered, f.departed,
       f.entered - f.departed AS waiting,
       f.entered::numeric /
         NULLIF(first_value(f.entered) OVER w, 0) AS share_of_start,
       f.entered::numeric /
         NULLIF(lag(f.entered) OVER w, 0) AS share_of_previous
FROM (SELECT j.name AS journey, s.version, s.step, s.position,
             COALESCE(a.entered, 0) AS entered,
             COALESCE(b.departed, 0) AS departed
      FROM journey_orch.journey AS j
      JOIN journey_orch.journey_step AS s USING (journey_id)
      LEFT JOIN (SELECT journey_id, version, to_step, count(*) AS entered
                 FROM journey_orch.step_log
                 WHERE outcome = ANY ('{entered,advanced,moved}')
                 GROUP BY journey_id, version, to_step) AS a
        ON a.journey_id = s.journey_id
       AND a.version = s.version
       AND a.to_step = s.step
      LEFT JOIN (SELECT journey_id, version, from_step, count(*) AS departed
                 FROM journey_orch.step_log
                 WHERE outcome = ANY ('{advanced,ended,moved}')
                 GROUP BY journey_id, version, from_step) AS b
        ON b.journey_id = s.journey_id
       AND b.version = s.version
       AND b.from_step = s.step) AS f
WINDOW w AS (PARTITION BY f.journey, f.version ORDER BY f.position);

COMMENT ON VIEW journey_orch.funnel IS
'One row per journey, version and step, in breadth-first order from the start: entered = departed + waiting.';
COMMENT ON COLUMN journey_orch.funnel.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.funnel.version IS 'Version of the definition.';
COMMENT ON COLUMN journey_orch.funnel.step IS 'Name of the step.';
COMMENT ON COLUMN journey_orch.funnel.position IS 'Place of the step, breadth-first from the start, from 0.';
COMMENT ON COLUMN journey_orch.funnel.entered IS 'Arrivals at the step, those from the same step of another version included; a loop counts each one.';
COMMENT ON COLUMN journey_orch.funnel.departed IS 'Departures from the step, ends and those to another version included.';
COMMENT ON COLUMN journey_orch.funnel.waiting IS 'Runs that stand at the step now: entered - departed.';
COMMENT ON COLUMN journey_orch.funnel.share_of_start IS 'entered / entered of the first step.';
COMMENT ON COLUMN journey_orch.funnel.share_of_previous IS 'entered / entered of the step one position before.';

CREATE OR REPLACE VIEW journey_orch.step_flow AS
SELECT j.name AS journey, l.version, l.from_step, l.to_step,
       count(*) AS advances,
       count(DISTINCT l.customer_id) AS customers,
       percentile_cont(0.5) WITHIN GROUP
         (ORDER BY l.clock - l.arrived_at) AS median_dwell,
       count(*) FILTER (WHERE l.decision ? 'late') AS late
FROM journey_orch.step_log AS l
JOIN journey_orch.journey AS j USING (journey_id)
WHERE l.outcome = ANY ('{entered,advanced,ended}')
GROUP BY j.name, l.version, l.from_step, l.to_step;

COMMENT ON VIEW journey_orch.step_flow IS
'One row per journey, version and edge that was taken. from_step NULL: entry. to_step NULL: end.';
COMMENT ON COLUMN journey_orch.step_flow.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.step_flow.version IS 'Version of the definition.';
COMMENT ON COLUMN journey_orch.step_flow.from_step IS 'Step that was left; NULL: the entry.';
COMMENT ON COLUMN journey_orch.step_flow.to_step IS 'Step that was reached; NULL: the run ended.';
COMMENT ON COLUMN journey_orch.step_flow.advances IS 'How often the edge was taken.';
COMMENT ON COLUMN journey_orch.step_flow.customers IS 'Different customers who took it.';
COMMENT ON COLUMN journey_orch.step_flow.median_dwell IS 'Median time between arrival at from_step and this advance (engine clock).';
COMMENT ON COLUMN journey_orch.step_flow.late IS 'Advances by a timer that fired later than the journey''s late_after.';

CREATE OR REPLACE VIEW journey_orch.exit_reason AS
SELECT j.name AS journey, l.version, l.reason,
       count(*) AS enrollments
FROM journey_orch.step_log AS l
JOIN journey_orch.journey AS j USING (journey_id)
WHERE l.outcome = 'ended'
GROUP BY j.name, l.version, l.reason;

COMMENT ON VIEW journey_orch.exit_reason IS
'One row per journey, version and reason for which enrollments ended.';
COMMENT ON COLUMN journey_orch.exit_reason.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.exit_reason.version IS 'Version of the definition.';
COMMENT ON COLUMN journey_orch.exit_reason.reason IS 'Reason of the exit step, goal, or the exit rule''s reason.';
COMMENT ON COLUMN journey_orch.exit_reason.enrollments IS 'Enrollments that ended so.';

CREATE OR REPLACE VIEW journey_orch.conversion AS
SELECT j.name AS journey, l.version, a.arm, l.currency,
       COALESCE(n.entered, 0) AS entered,
       count(*) AS conversions,
       count(DISTINCT l.customer_id) AS customers,
       sum(l.value) AS value,
       count(DISTINCT l.enrollment_id)::numeric
         / NULLIF(n.entered, 0) AS rate
FROM journey_orch.step_log AS l
JOIN journey_orch.journey AS j USING (journey_id)
LEFT JOIN (SELECT DISTINCT ON (enrollment_id) enrollment_id, arm
           FROM journey_orch.step_log
           WHERE arm IS NOT NULL
           ORDER BY enrollment_id, visit DESC) AS a
  ON a.enrollment_id = l.enrollment_id
LEFT JOIN (SELECT journey_id, version, count(*) AS entered
           FROM journey_orch.step_log
           WHERE outcome = 'entered'
           GROUP BY journey_id, version) AS n
  ON n.journey_id = l.journey_id
 AND n.version = l.version
WHERE l.outcome = 'converted'
GROUP BY j.name, l.version, a.arm, l.currency, n.entered;

COMMENT ON VIEW journey_orch.conversion IS
'One row per journey, version, arm and currency with at least one conversion. Amounts of different currencies are never added.';
COMMENT ON COLUMN journey_orch.conversion.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.conversion.version IS 'Version of the definition.';
COMMENT ON COLUMN journey_orch.conversion.arm IS 'Newest arm of the run; NULL: it met no split.';
COMMENT ON COLUMN journey_orch.conversion.currency IS 'Currency of value; NULL: none was given.';
COMMENT ON COLUMN journey_orch.conversion.entered IS 'Enrollments of the journey and version, all arms.';
COMMENT ON COLUMN journey_orch.conversion.conversions IS 'Conversions; a run may convert more than once.';
COMMENT ON COLUMN journey_orch.conversion.customers IS 'Different customers who converted.';
COMMENT ON COLUMN journey_orch.conversion.value IS 'Sum of the conversions'' values.';
COMMENT ON COLUMN journey_orch.conversion.rate IS 'Enrollments that converted / entered.';

GRANT SELECT ON journey_orch.enrollment_status, journey_orch.parked_enrollment,
  journey_orch.journey_status, journey_orch.funnel, journey_orch.step_flow,
  journey_orch.exit_reason, journey_orch.conversion
TO journey_orch_analyst, journey_orch_operator;

CREATE OR REPLACE VIEW journey_orch.holdout_result AS
SELECT j.name AS journey, l.version,
       CASE l.reason WHEN 'holdout' THEN 'journey' WHEN 'global_holdout' THEN 'global' ELSE 'none' END AS holdout,
       count(*) AS entered, count(c.enrollment_id) AS converted,
       count(c.enrollment_id)::numeric / count(*) AS rate
FROM journey_orch.step_log AS l
JOIN journey_orch.journey AS j USING (journey_id)
LEFT JOIN (SELECT DISTINCT enrollment_id
           FROM journey_orch.step_log
           WHERE outcome = 'converted') AS c
  ON c.enrollment_id = l.enrollment_id
WHERE l.outcome = 'entered'
GROUP BY j.name, l.version, l.reason;
REVOKE ALL ON journey_orch.holdout_result FROM PUBLIC;
GRANT SELECT ON journey_orch.holdout_result TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.holdout_result IS
'One row per journey, version and holdout (none: everybody else) with at least one entry: what the journey''s sends change.';
COMMENT ON COLUMN journey_orch.holdout_result.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.holdout_result.version IS 'Version that was entered.';
COMMENT ON COLUMN journey_orch.holdout_result.holdout IS 'none, journey (its own holdout) or global.';
COMMENT ON COLUMN journey_orch.holdout_result.entered IS 'Enrollments started.';
COMMENT ON COLUMN journey_orch.holdout_result.converted IS 'Of these, with at least one conversion.';
COMMENT ON COLUMN journey_orch.holdout_result.rate IS 'converted / entered.';

/* ---- channels ---- */

/* What happened with messages, one row a fact.  A count belongs to the currency
   of its channel, an amount to its own. */
CREATE OR REPLACE VIEW journey_orch._channel_fact AS
WITH sent AS
(
  SELECT m.channel, m.outcome_at AS at, m.message_id
  FROM journey_orch._message_claim AS m
  WHERE m.outcome = 'acked'
  UNION ALL
  SELECT o.aggregatetype, o.enqueued_at, o.id
  FROM journey_orch.outbox AS o
  JOIN journey_orch.channel AS c ON c.channel = o.aggregatetype
  WHERE c.drain = 'stream'
)
SELECT s.channel, s.at, c.currency, 'sent' AS fact, s.message_id, NULL::numeric AS amount
FROM sent AS s
LEFT JOIN journey_orch.channel AS c ON c.channel = s.channel
UNION ALL
SELECT d.channel, d.at, CASE WHEN d.amount IS NULL THEN c.currency ELSE d.currency END, d.status, d.message_id, d.amount
FROM journey_orch.delivery AS d
LEFT JOIN journey_orch.channel AS c ON c.channel = d.channel
WHERE NOT d.is_machine
UNION ALL
SELECT r.channel, r.at, r.currency, 'cost', r.message_id, r.cost
FROM journey_orch.receipt AS r
WHERE r.cost IS NOT NULL
UNION ALL
SELECT s.channel, s.at, c.currency, 'cost', s.message_id, c.unit_cost
FROM sent AS s
JOIN journey_orch.channel AS c ON c.channel = s.channel
WHERE c.unit_cost IS NOT NULL
  AND NOT EXISTS (SELECT FROM journey_orch.receipt AS r
                  WHERE r.message_id = s.message_id AND r.cost IS NOT NULL);
REVOKE ALL ON journey_orch._channel_fact FROM PUBLIC;
COMMENT ON VIEW journey_orch._channel_fact IS
'Private: what happened with messages, one row a fact.';

CREATE OR REPLACE VIEW journey_orch.channel_performance AS
SELECT f.channel, (f.at AT TIME ZONE 'UTC')::date AS day, f.currency,
       count(DISTINCT f.message_id) FILTER (WHERE f.fact = 'sent') AS sent,
       count(DISTINCT f.message_id) FILTER (WHERE f.fact = 'delivered') AS delivered,
       count(DISTINCT f.message_id) FILTER (WHERE f.fact = 'opened') AS opened,
       count(DISTINCT f.message_id) FILTER (WHERE f.fact = 'clicked') AS clicked,
       count(DISTINCT f.message_id) FILTER (WHERE f.fact = 'bounced') AS bounced,
       count(DISTINCT f.message_id) FILTER (WHERE f.fact = 'complained') AS complained,
       count(*) FILTER (WHERE f.fact = 'converted') AS converted,
       sum(f.amount) FILTER (WHERE f.fact = 'cost') AS cost,
       sum(f.amount) FILTER (WHERE f.fact IN ('converted', 'redeemed')) AS revenue,
       count(*) FILTER (WHERE f.fact = 'redeemed') AS redeemed,
       count(DISTINCT f.message_id) FILTER (WHERE f.fact = 'unsubscribed') AS unsubscribed
FROM journey_orch._channel_fact AS f
GROUP BY f.channel, (f.at AT TIME ZONE 'UTC')::date, f.currency;
REVOKE ALL ON journey_orch.channel_performance FROM PUBLIC;
GRANT SELECT ON journey_orch.channel_performance TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.channel_performance IS
'One row per channel, day and currency. Amounts of different currencies are never added; a count stands in one row only: that of the channel''s currency, of conversions that of their amount.';
COMMENT ON COLUMN journey_orch.channel_performance.channel IS 'Name of the channel.';
COMMENT ON COLUMN journey_orch.channel_performance.day IS 'Day in UTC of when it happened: sent by the engine clock, reports by their time.';
COMMENT ON COLUMN journey_orch.channel_performance.currency IS 'Currency of cost and revenue; NULL: the channel has none, and no amount is in this row.';
COMMENT ON COLUMN journey_orch.channel_performance.sent IS 'Messages acknowledged; of a stream, enqueued.';
COMMENT ON COLUMN journey_orch.channel_performance.delivered IS 'Messages reported delivered.';
COMMENT ON COLUMN journey_orch.channel_performance.opened IS 'Messages opened by people; machines do not count.';
COMMENT ON COLUMN journey_orch.channel_performance.clicked IS 'Messages clicked by people; machines do not count.';
COMMENT ON COLUMN journey_orch.channel_performance.bounced IS 'Messages reported bounced.';
COMMENT ON COLUMN journey_orch.channel_performance.complained IS 'Messages complained about.';
COMMENT ON COLUMN journey_orch.channel_performance.converted IS 'Conversions reported.';
COMMENT ON COLUMN journey_orch.channel_performance.cost IS 'What receipts say that messages have cost, else the channel''s unit_cost as it is now.';
COMMENT ON COLUMN journey_orch.channel_performance.revenue IS 'Sum of the amounts of conversions and redemptions.';
COMMENT ON COLUMN journey_orch.channel_performance.redeemed IS 'Redemptions reported.';
COMMENT ON COLUMN journey_orch.channel_performance.unsubscribed IS 'Messages by which somebody unsubscribed.';

/* Who sends is read from the header From of each message. */
CREATE OR REPLACE VIEW journey_orch.complaint_share AS
SELECT s.channel, s.domain, count(*) AS sent, count(c.message_id) AS complained,
       count(c.message_id)::numeric / count(*) AS share,
       count(*) >= 1000 AND count(c.message_id) * 1000 >= count(*) * 3 AS is_over
FROM (SELECT m.channel, m.message_id,
             lower(substring(o.payload -> 'headers' ->> 'From' FROM '@([^>[:space:]]+)')) AS domain
      FROM journey_orch._message_claim AS m
      JOIN journey_orch.outbox AS o ON o.id = m.message_id AND o.attempt = m.attempt
      WHERE m.outcome = 'acked'
        AND m.outcome_at > journey_orch.clock() - interval '30 days') AS s
LEFT JOIN (SELECT DISTINCT d.message_id
           FROM journey_orch.delivery AS d
           WHERE d.status = 'complained') AS c
  ON c.message_id = s.message_id
GROUP BY s.channel, s.domain;
REVOKE ALL ON journey_orch.complaint_share FROM PUBLIC;
GRANT SELECT ON journey_orch.complaint_share TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.complaint_share IS
'One row per channel and sending domain: complaints about the messages sent in the last 30 days (engine clock).';
COMMENT ON COLUMN journey_orch.complaint_share.channel IS 'Name of the channel.';
COMMENT ON COLUMN journey_orch.complaint_share.domain IS 'Domain of the header From, in lower case; NULL: the message has none.';
COMMENT ON COLUMN journey_orch.complaint_share.sent IS 'Messages acknowledged in the last 30 days.';
COMMENT ON COLUMN journey_orch.complaint_share.complained IS 'Of these, complained about.';
COMMENT ON COLUMN journey_orch.complaint_share.share IS 'complained / sent.';
COMMENT ON COLUMN journey_orch.complaint_share.is_over IS 'At least 1,000 messages were sent and 0.3 % of them complained about: mailbox providers begin to refuse.';
