/* operation: is the house in order */

/* Newest cursor of each lane. */
CREATE OR REPLACE VIEW journey_orch._lane_position AS
SELECT DISTINCT ON (lane) *
FROM journey_orch.lane_cursor
ORDER BY lane, batch DESC;

COMMENT ON VIEW journey_orch._lane_position IS
'One row per lane that has run: its newest cursor.';

/* Each law is one row: holds, or detail says what does not.  One statement, so
   one snapshot: it may run beside busy workers. */
CREATE OR REPLACE FUNCTION journey_orch.verify(depth text DEFAULT 'quick')
RETURNS TABLE (law text, holds boolean, detail text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF depth IS NULL OR depth NOT IN ('quick', 'full') THEN
    RAISE EXCEPTION 'verify() knows no depth %', coalesce('"' || depth || '"', 'NULL')
      USING ERRCODE = CASE WHEN depth IS NULL THEN '22004' ELSE '22023' END,
            HINT = 'Use ''quick'' or ''full''.';
  END IF;
  RETURN QUERY
  WITH position AS MATERIALIZED (SELECT * FROM journey_orch._lane_position),
  captured AS
  (
    SELECT e.lane, count(*) AS events,
           count(*) FILTER (WHERE e.kind NOT BETWEEN 'A' AND 'Z'
                              AND NOT coalesce(pg_visible_in_snapshot(e.xid, p.s1), false)
                              AND NOT coalesce(p.s2 IS NOT NULL AND e.seq <= p.seq
                                               AND pg_visible_in_snapshot(e.xid, p.s2), false)) AS pending
    FROM journey_orch.event AS e
    LEFT JOIN position AS p USING (lane)
    GROUP BY e.lane
  ),
  entered AS MATERIALIZED
  (
    SELECT l.enrollment_id, count(*) FILTER (WHERE l.outcome = 'entered') AS entries,
           count(*) FILTER (WHERE l.outcome = 'ended') AS ends,
           max(l.visit) FILTER (WHERE l.outcome IN ('entered', 'advanced')) AS visit,
           count(*) FILTER (WHERE l.outcome IN ('entered', 'advanced')) AS visits
    FROM journey_orch.step_log AS l
    WHERE l.enrollment_id IS NOT NULL
    GROUP BY l.enrollment_id
  ),
  finding AS
  (
    SELECT 1 AS n, 'captured = applied + pending' AS law, 'lane' AS thing, count(*) AS broken,
           min(format('lane %s: %s captured, %s applied, %s pending', c.lane, c.events,
                      coalesce(p.applied, 0), c.pending)) AS example
    FROM captured AS c
    LEFT JOIN position AS p USING (lane)
    WHERE c.events <> coalesce(p.applied, 0) + c.pending
    UNION ALL
    SELECT 2, 'entered = active + ended', 'lane', count(*),
           min(format('lane %s: %s entered, %s ended, %s active, of these %s parked, where %s were counted', p.lane,
                      p.entered, p.ended, coalesce(a.active, 0), coalesce(a.parked, 0), p.parked))
    FROM position AS p
    LEFT JOIN (SELECT lane, count(*) AS active, count(*) FILTER (WHERE state = 'parked') AS parked
               FROM journey_orch.enrollment WHERE state <> 'ended' GROUP BY lane) AS a USING (lane)
    WHERE p.entered <> p.ended + coalesce(a.active, 0) OR p.parked <> coalesce(a.parked, 0)
    UNION ALL
    SELECT 3, 'one entry, at most one end', 'enrollment', count(*), min(e.enrollment_id::text)
    FROM entered AS e
    WHERE e.entries <> 1 OR e.ends > 1
    UNION ALL
    SELECT 4, 'visits are numbered without a gap', 'enrollment', count(*), min(e.enrollment_id::text)
    FROM entered AS e
    WHERE e.visit <> e.visits
    UNION ALL
    SELECT 5, 'the step log folds into the enrollments', 'enrollment', count(*),
           min(coalesce(r.enrollment_id, e.enrollment_id)::text)
    FROM entered AS e
    FULL JOIN journey_orch.enrollment AS r USING (enrollment_id)
    WHERE CASE WHEN r.enrollment_id IS NULL THEN e.ends = 0
               ELSE e.enrollment_id IS NULL OR e.visit <> r.visit
                    OR (e.ends > 0) <> (r.state = 'ended') END
    UNION ALL
    SELECT 6, 'one row per message and attempt', 'attempt', count(*), min(d.id::text)
    FROM (SELECT o.id, o.attempt FROM journey_orch.outbox AS o
          GROUP BY o.id, o.attempt HAVING count(*) > 1) AS d
    UNION ALL
    SELECT 7, 'everything due has a timer to come', 'enrollment', count(*), min(r.enrollment_id::text)
    FROM journey_orch.enrollment AS r
    LEFT JOIN position AS p USING (lane)
    WHERE r.due_at IS NOT NULL AND r.state IN ('waiting', 'delayed', 'held', 'ended')
      AND NOT EXISTS (SELECT FROM journey_orch.timer AS t
                      WHERE t.lane = r.lane AND t.customer_id = r.customer_id
                        AND (t.due_at <= r.due_at OR t.due_at = p.timer_due)
                        AND (t.due_at, t.timer_id) > (p.timer_due, p.timer_id))
      /* in some pauses the time of a wait stands still; the resume finds whom it has passed */
      AND NOT (r.state IN ('waiting', 'delayed') AND r.due_at <= p.timer_due AND EXISTS
               (SELECT FROM journey_orch.publication AS a
                WHERE a.journey_id = r.journey_id AND a.act = 'pause' AND a.policy ->> 'waits' = 'extend'
                  AND NOT EXISTS (SELECT FROM journey_orch.publication AS b
                                  WHERE b.journey_id = a.journey_id AND b.act = 'resume'
                                    AND b.seq > a.seq AND b.seq <= r.acted)))
    UNION ALL
    SELECT 10, 'acts have reached everybody they change', 'enrollment', count(*), min(r.enrollment_id::text)
    FROM journey_orch.enrollment AS r
    JOIN journey_orch.publication AS a ON a.journey_id = r.journey_id AND a.seq > r.acted
    WHERE r.state <> 'ended' AND CASE a.act WHEN 'stop' THEN a.policy ->> 'inflight' = 'exit'
                     WHEN 'publish' THEN a.policy ->> 'inflight' IN ('exit', 'move')
                       AND a.version <> r.version
                     WHEN 'resume' THEN r.state = 'held' OR r.state IN ('waiting', 'delayed')
                       AND r.due_at < (SELECT p.timer_due FROM position AS p WHERE p.lane = r.lane)
                     ELSE false END
      /* and no lane still has to be told, or has told them */
      AND r.lane NOT IN (SELECT e.lane FROM journey_orch.event AS e
                         LEFT JOIN position AS p ON p.lane = e.lane
                         WHERE e.kind = 'c' AND e.name = '$act'
                           AND NOT coalesce(pg_visible_in_snapshot(e.xid, p.s1), false)
                           AND NOT coalesce(p.s2 IS NOT NULL AND e.seq <= p.seq
                                            AND pg_visible_in_snapshot(e.xid, p.s2), false))
    UNION ALL
    SELECT 12, 'what digests collected waits for its run', 'enrollment', count(DISTINCT i.enrollment_id), min(i.enrollment_id::text)
    FROM journey_orch.digest_event AS i
    LEFT JOIN journey_orch.enrollment AS r USING (enrollment_id)
    WHERE r.enrollment_id IS NULL OR r.state = 'ended' OR r.visit <> i.visit
    UNION ALL
    SELECT 13, 'caps count who is there and who ever entered', 'journey and lane', count(*),
           min(format('journey_id %s, lane %s: %s active where %s were counted, %s entered where %s were counted',
                      coalesce(c.journey_id, t.journey_id), coalesce(c.lane, t.lane), t.active, c.active, t.total, c.total - c.erased))
    FROM journey_orch.entry_count AS c
    FULL JOIN (SELECT i.journey_id, i.lane, sum(i.active) AS active, sum(i.total) AS total
               FROM (SELECT r.journey_id, r.lane, 1 AS active, 0 AS total FROM journey_orch.enrollment AS r WHERE r.state <> 'ended'
                     UNION ALL
                     SELECT m.journey_id, m.lane, 0, m.runs FROM journey_orch.entry_memory AS m) AS i
               GROUP BY i.journey_id, i.lane) AS t USING (journey_id, lane)
    WHERE (c.active, c.total - c.erased) IS DISTINCT FROM (coalesce(t.active, 0), coalesce(t.total, 0))
    UNION ALL
    SELECT 14, 'an audience is told once', 'audience', count(*),
           min(format('journey_id %s, event %s: %s customers where %s were counted, by %s commands', f.journey_id, f.event_id,
                      coalesce(t.customers, 0), f.customers, coalesce(t.commands, 0)))
    FROM journey_orch.fan_out AS f
    LEFT JOIN (SELECT (e.payload ->> 'fan_out')::bigint AS event_id, (e.payload ->> 'journey_id')::integer AS journey_id,
                      count(*) AS commands, count(DISTINCT e.customer_id) AS customers
               FROM journey_orch.event AS e
               WHERE verify.depth = 'full' AND e.kind = 'c' AND e.name = '$existing' AND e.payload ? 'fan_out'
               GROUP BY 1, 2) AS t USING (event_id, journey_id)
    WHERE verify.depth = 'full' AND (f.customers <> coalesce(t.customers, 0) OR f.customers <> coalesce(t.commands, 0))
    UNION ALL
    SELECT 15, 'entries by a date have a timer to come', 'planned entry', count(*),
           min(format('journey_id %s, customer %s', e.journey_id, e.customer_id))
    FROM (SELECT e.lane, e.customer_id, e.journey_id, e.due_at,
                 count(*) OVER (PARTITION BY e.lane, e.customer_id, e.journey_id) AS plans
          FROM journey_orch.planned_entry AS e) AS e
    LEFT JOIN position AS p USING (lane)
    WHERE e.plans > 1
       OR e.due_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM journey_orch.timer AS t
                          WHERE t.lane = e.lane AND t.customer_id = e.customer_id
                            AND (t.due_at <= e.due_at OR t.due_at = p.timer_due)
                            AND (t.due_at, t.timer_id) > (p.timer_due, p.timer_id))
    UNION ALL
    SELECT 16, 'a planned time comes once', 'planned time', count(*), min(format('%s at %s', f.schedule, f.planned_at))
    FROM (SELECT f.schedule, f.planned_at, count(*) AS n, min(f.event_id) AS event_id
          FROM journey_orch.fan_out AS f WHERE f.schedule IS NOT NULL GROUP BY 1, 2) AS f
    LEFT JOIN journey_orch.occurrence AS o ON o.schedule = f.schedule AND o.planned_at = f.planned_at
    WHERE verify.depth = 'full' AND (f.n > 1 OR o.event_id IS DISTINCT FROM f.event_id)
    UNION ALL
    SELECT 8, 'steps follow one another', 'advance', count(*), min(b.enrollment_id::text)
    FROM journey_orch.step_log AS b
    JOIN journey_orch.step_log AS a
      ON a.enrollment_id = b.enrollment_id AND a.lane = b.lane AND a.visit = b.visit - 1
     AND a.outcome IN ('entered', 'advanced')
    WHERE depth = 'full' AND b.outcome = 'advanced'
      AND a.to_step IS DISTINCT FROM b.from_step
    UNION ALL
    SELECT 9, 'live runs stand where the log left them', 'enrollment', count(*), min(r.enrollment_id::text)
    FROM journey_orch.enrollment AS r
    JOIN journey_orch.step_log AS l
      ON l.enrollment_id = r.enrollment_id AND l.lane = r.lane AND l.visit = r.visit
     AND l.outcome IN ('entered', 'advanced')
    WHERE depth = 'full' AND (l.to_step <> r.step OR l.clock <> r.arrived_at)
    UNION ALL
    SELECT 11, 'who waits for a child has one', 'enrollment', count(*), min(r.enrollment_id::text)
    FROM journey_orch.enrollment AS r
    JOIN journey_orch.journey_step AS s
      ON s.journey_id = r.journey_id AND s.version = r.version AND s.step = r.step AND s.verb = 'enter'
    WHERE depth = 'full' AND r.state = 'waiting'
      AND NOT EXISTS (SELECT FROM journey_orch.enrollment AS c
                      WHERE c.lane = r.lane AND c.customer_id = r.customer_id AND c.state <> 'ended'
                        AND c.parent_id = r.enrollment_id AND c.parent_visit = r.visit)
  )
  SELECT f.law, f.broken = 0,
         CASE WHEN f.broken > 0 THEN format('%s %s(s), for example %s', f.broken, f.thing, f.example) END
  FROM finding AS f
  WHERE depth = 'full' OR f.n NOT IN (8, 9, 11, 14, 16)
  ORDER BY f.n;
END
$$;

REVOKE ALL ON FUNCTION journey_orch.verify(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.verify(text) TO journey_orch_operator;

COMMENT ON FUNCTION journey_orch.verify(text) IS
'Checks the conservation laws: one row per law, "holds", and in "detail" how many things break it, with an example. "quick" counts; "full" also follows every run through the step log.';

CREATE OR REPLACE FUNCTION journey_orch.maintain()
RETURNS TABLE (family text, lane integer, act text, detail text)
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_maintain';
REVOKE ALL ON FUNCTION journey_orch.maintain() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.maintain() TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.maintain() IS
'One round of upkeep, without waiting for anybody: leaves full segments of the lanes'' cursors and timers, and truncates what earlier rounds left. One row per act; none when there was nothing to do.';

CREATE OR REPLACE FUNCTION journey_orch.simulate(
  journey text,
  version integer DEFAULT NULL,
  customers text[] DEFAULT NULL,
  virtual_customers integer DEFAULT NULL,
  customer_sql text DEFAULT NULL,
  events jsonb DEFAULT NULL,
  events_sql text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  until timestamptz DEFAULT NULL,
  seed bigint DEFAULT 0,
  others boolean DEFAULT false,
  max_rows integer DEFAULT 1000000)
RETURNS TABLE (at timestamptz, customer text, of_journey text, of_version integer, key text, enrollment_id uuid,
  visit integer, outcome text, from_step text, to_step text, reason text, event text, due_at timestamptz,
  channel text, template text, subject text, body text, arm text, value numeric, currency text,
  context jsonb, decision jsonb)
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_simulate';
REVOKE ALL ON FUNCTION journey_orch.simulate(text, integer, text[], integer, text, jsonb, text, timestamptz, timestamptz, bigint, boolean, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.simulate(text, integer, text[], integer, text, jsonb, text, timestamptz, timestamptz, bigint, boolean, integer) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.simulate(text, integer, text[], integer, text, jsonb, text, timestamptz, timestamptz, bigint, boolean, integer) IS
'What a version of a journey (the one published last, of a draft the newest) would do: the engine run over chosen customers, virtual ones or the event log, with nothing written. One row per row of the step log, and one per message ("message") and per call not executed ("called"), in order of customer.';

CREATE OR REPLACE FUNCTION journey_orch.simulate_definition(
  definition jsonb,
  customers text[] DEFAULT NULL,
  virtual_customers integer DEFAULT NULL,
  customer_sql text DEFAULT NULL,
  events jsonb DEFAULT NULL,
  events_sql text DEFAULT NULL,
  since timestamptz DEFAULT NULL,
  until timestamptz DEFAULT NULL,
  seed bigint DEFAULT 0,
  others boolean DEFAULT false,
  max_rows integer DEFAULT 1000000)
RETURNS TABLE (at timestamptz, customer text, of_journey text, of_version integer, key text, enrollment_id uuid,
  visit integer, outcome text, from_step text, to_step text, reason text, event text, due_at timestamptz,
  channel text, template text, subject text, body text, arm text, value numeric, currency text,
  context jsonb, decision jsonb)
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_simulate_definition';
REVOKE ALL ON FUNCTION journey_orch.simulate_definition(jsonb, text[], integer, text, jsonb, text, timestamptz, timestamptz, bigint, boolean, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.simulate_definition(jsonb, text[], integer, text, jsonb, text, timestamptz, timestamptz, bigint, boolean, integer) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.simulate_definition(jsonb, text[], integer, text, jsonb, text, timestamptz, timestamptz, bigint, boolean, integer) IS
'The same of a definition that is not stored.';

/* ---- erasure ---- */

/* Ordinal of a message's first attempt in its lane (docs/decisions/0006, 0017). */
CREATE OR REPLACE FUNCTION journey_orch._message_position(message_id uuid)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT ('x' || substr(replace(message_id::text, '-', ''), 1, 12))::bit(48)::bigint & 70368744177663 $$;
REVOKE ALL ON FUNCTION journey_orch._message_position(uuid) FROM PUBLIC;

/* Every table of ours, and what an erasure and an export do with it: a table
   that is not here, or has a column of text that nobody thought of, fails
   sql/erasure.sql.

     act       rewrite, delete; lane: its lane deletes what it has; own: about
               erasure itself; none: nothing of a customer is in it
     customer  the column that names him; NULL: "matches" finds the rows
     matches   is row r of the erased self of tombstone t
     needed    and does somebody still need it: the erasure waits
     change    of rewrite
     kept      columns of text that say nothing of a person; NULL: all
     collects  what of a rewritten row is noted in the tombstone, and where

   In order of the walk: outbox first, because reports, acks and claims copy
   from it. */
CREATE OR REPLACE FUNCTION journey_orch._personal_table()
RETURNS TABLE (place integer, relation name, act text, customer name, matches text, needed text, change text,
  kept text[], collects text, noted text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
VALUES
  (1, 'outbox'::name, 'rewrite', 'aggregateid'::name, '(r.position & 70368744177663) < t.before_position', NULL,
   $c$aggregateid = t.pseudonym, payload = '{}', timezone = NULL, region = NULL$c$,
   '{aggregatetype,type,step,topic,arm}'::text[], 'message_ids', 'r.id'),
  (2, 'event', 'rewrite', 'customer_id',
   $c$CASE WHEN r.kind BETWEEN 'A' AND 'Z'
           THEN (r.incarnation, r.xid) <= (t.incarnation, t.applied_xid)
           ELSE r.seq <= t.erasure_id OR r.xid = t.xid OR pg_visible_in_snapshot(r.xid, t.s1)
             OR coalesce(t.s2 IS NOT NULL AND r.seq <= t.seq AND pg_visible_in_snapshot(r.xid, t.s2), false)
             OR r.kind = 'm' AND CASE WHEN r.payload ->> 'message_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                                      THEN journey_orch._message_position((r.payload ->> 'message_id')::uuid) < t.before_position
                                      ELSE false END END$c$,
   $c$r.kind NOT BETWEEN 'A' AND 'Z' AND NOT coalesce(pg_visible_in_snapshot(r.xid, $5), false)
      AND NOT coalesce($6 IS NOT NULL AND r.seq <= $7 AND pg_visible_in_snapshot(r.xid, $6), false)$c$,
   $c$customer_id = t.pseudonym, trace = substring(r.trace FROM '^depth=[0-9]+$'),
      payload = CASE WHEN r.name = '$existing' AND r.payload ? 'fan_out'
                     THEN jsonb_build_object('fan_out', r.payload -> 'fan_out', 'journey_id', r.payload -> 'journey_id') END$c$,
   '{name}', 'event_ids', 'r.seq'),
  (3, 'step_log', 'rewrite', 'customer_id', 'r.batch <= t.batch', NULL,
   $c$customer_id = t.pseudonym, key = NULL, context = NULL,
      decision = CASE WHEN r.decision ? 'late' THEN jsonb_build_object('late', r.decision -> 'late') END$c$,
   '{outcome,from_step,to_step,reason,arm,currency}', NULL, NULL),
  (4, 'timer', 'rewrite', 'customer_id', 'r.timer_id < t.before_timer', NULL,
   'customer_id = t.pseudonym', '{}', NULL, NULL),
  (5, 'claim_outcome', 'rewrite', NULL,
   $c$r.detail IS NOT NULL AND t.message_ids <> '{}'
      AND (r.message_ids && t.message_ids
           OR r.message_ids IS NULL AND r.claim_id IN (SELECT c.claim_id FROM journey_orch.claim AS c
                                                       WHERE c.held && t.message_ids))$c$, NULL,
   $c$detail = CASE WHEN r.detail ? 'receipts'
                    THEN jsonb_set(r.detail, '{receipts}', (r.detail -> 'receipts') - t.message_ids::text[])
                    ELSE r.detail - 'error' END$c$,
   '{outcome}', NULL, NULL),
  (13, 'receipt', 'rewrite', NULL, 'r.message_id = ANY (t.message_ids)', NULL,
   'provider_message_id = NULL', '{channel,currency}', NULL, NULL),
  (14, 'gate_decision', 'rewrite', 'customer_id', 'journey_orch._message_position(r.message_id) < t.before_position', NULL,
   'customer_id = t.pseudonym, evidence = NULL',
   '{step,channel,template,topic,arm,stage,answer,gate,rule,reason}', NULL, NULL),
  (6, 'delivery', 'rewrite', 'customer_id', 'journey_orch._message_position(r.message_id) < t.before_position', NULL,
   $c$customer_id = t.pseudonym, detail = '{}'$c$, '{status,channel,currency,machine_agent}', NULL, NULL),
  (7, 'approval_request', 'rewrite', 'customer_id',
   $c$NOT EXISTS (SELECT FROM journey_orch.enrollment AS e
                  WHERE e.lane = t.lane AND e.customer_id = t.customer_id AND e.enrollment_id = r.enrollment_id)$c$, NULL,
   'customer_id = t.pseudonym', '{step}', NULL, NULL),
  (8, 'event_failure', 'rewrite', 'customer_id', 'r.lane = t.lane AND r.batch <= t.batch', NULL,
   $c$customer_id = t.pseudonym, message = ''$c$, '{event,sqlstate}', NULL, NULL),
  (9, 'idempotency', 'delete', NULL, 'r.event_id = ANY (t.event_ids)', NULL, NULL, NULL, NULL, NULL),
  (10, 'fan_out', 'rewrite', NULL, 'r.last_customer = t.customer_id OR r.event_id = ANY (t.event_ids)', $c$r.state = 'running'$c$,
   $c$last_customer = CASE WHEN r.last_customer = t.customer_id THEN '' ELSE r.last_customer END,
      state = CASE WHEN r.last_customer = t.customer_id AND r.state = 'failed' THEN 'stopped' ELSE r.state END,
      payload = CASE WHEN r.event_id = ANY (t.event_ids) THEN '{}' ELSE r.payload END,
      message = NULL$c$,
   '{event,schedule,audience,sqlstate}', NULL, NULL),
  (11, 'plan_pass', 'rewrite', NULL, 'r.position = t.customer_id', 'r.finished_at IS NULL',
   'position = NULL', '{error}', NULL, NULL),
  (12, 'capture_failure', 'rewrite', NULL,
   'r.customer_id = t.customer_id OR r.customer_id IS NULL AND r.row_key = t.customer_id', NULL,
   $c$customer_id = t.pseudonym, row_key = NULL, message = ''$c$, '{event,operation,sqlstate}', NULL, NULL),
  (18, 'task', 'delete', 'customer_id', 'journey_orch._message_position(r.message_id) < t.before_position', NULL, NULL, NULL, NULL, NULL),
  (19, 'cap_use', 'rewrite', 'customer_id', 'journey_orch._message_position(r.message_id) < t.before_position', NULL,
   'customer_id = t.pseudonym', '{channel,topic,journey}', NULL, NULL),
  (15, 'consent', 'rewrite', 'customer_id', 'r.recorded_at <= t.recorded_at', NULL,
   $c$customer_id = t.pseudonym, evidence = '{}'$c$,
   '{channel,topic,state,basis,source,method,text_version,actor}', NULL, NULL),
  (16, 'objection', 'rewrite', 'customer_id', 'r.recorded_at <= t.recorded_at', NULL,
   $c$customer_id = t.pseudonym, evidence = '{}'$c$, '{kind,source,actor}', NULL, NULL),
  (17, 'inbound_message', 'rewrite', 'customer_id', 'r.recorded_at <= t.recorded_at', NULL,
   $c$customer_id = t.pseudonym, address_hash = '\x'$c$, '{channel,action,word}', NULL, NULL),
  (100, 'enrollment', 'lane', 'customer_id', NULL, NULL, NULL, NULL, NULL, NULL),
  (101, 'entry_memory', 'lane', 'customer_id', NULL, NULL, NULL, NULL, NULL, NULL),
  (102, 'message', 'lane', 'customer_id', NULL, NULL, NULL, NULL, NULL, NULL),
  (103, 'digest_event', 'lane', 'customer_id', NULL, NULL, NULL, NULL, NULL, NULL),
  (104, 'planned_entry', 'lane', 'customer_id', NULL, NULL, NULL, NULL, NULL, NULL),
  (200, 'tombstone', 'own', 'customer_id', NULL, NULL, NULL, NULL, NULL, NULL),
  (201, 'legal_hold', 'own', 'customer_id', NULL, NULL, NULL, NULL, NULL, NULL),
  (202, 'erasure_certificate', 'own', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (203, 'erasure_walk', 'own', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  /* of nobody, until an ack brings the receipt that it waits for; gone after 30 days */
  (204, 'early_report', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  /* keyed hashes of addresses, which outlive an erasure: that is what they are for */
  (205, 'suppressed_address', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (206, 'do_not_call', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  /* never committed */
  (300, 'trial_enrollment', 'none', 'customer_id', NULL, NULL, NULL, NULL, NULL, NULL),
  (301, 'trial_entry_count', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  /* ids and counts */
  (310, 'claim', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (311, 'withdrawal', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (312, 'command', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (313, 'command_outcome', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (314, 'entry_count', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (315, 'lane_cursor', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (316, 'occurrence', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (317, 'schedule_wake', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (318, 'segment', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (319, 'definition_change', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (320, 'incarnation', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (321, 'clock', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (322, 'secret_key', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  /* what authors and operators declared */
  (400, 'journey', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (401, 'journey_version', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (402, 'journey_step', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (403, 'publication', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (404, 'schedule', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (405, 'message_template', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (406, 'message_topic', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (407, 'channel', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (412, 'machine_rule', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (414, 'message_sender', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (415, 'keyword_preset', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (417, 'own_keyword', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (418, 'quiet_hours_rule', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (419, 'holiday', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (421, 'frequency_cap', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (420, 'phone_prefix', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (416, 'do_not_call_list', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (413, 'halt_act', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (408, 'channel_grant', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (409, 'watch', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (410, 'customer_binding', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (411, 'holdout_setting', 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL)
$$;
REVOKE ALL ON FUNCTION journey_orch._personal_table() FROM PUBLIC;

/* Take one piece of one table for the erasures of the walk; returns how many
   rows were changed. */
CREATE OR REPLACE FUNCTION journey_orch._erase_piece(walk journey_orch.erasure_walk, lane integer, from_block bigint, to_block bigint)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  p record;
  reader record;
  whom bigint[];
  waiting bigint[];
  piece text;
  n bigint;
  total bigint := 0;
BEGIN
  SELECT * INTO STRICT p FROM journey_orch._personal_table() AS x WHERE x.place = walk.place;
  SELECT c.s1, c.s2, c.seq INTO reader FROM journey_orch.lane_cursor AS c
  WHERE c.lane = _erase_piece.lane ORDER BY c.batch DESC LIMIT 1;
  piece := format(' r.ctid >= $2 AND r.ctid < $3 AND (%s) AND (%s)', p.matches,
                  CASE WHEN p.customer IS NULL THEN 'true' ELSE format('r.%I = t.customer_id', p.customer) END);
  /* he wants nothing from us, even if somebody brings his address back */
  IF p.relation = 'outbox' THEN
    EXECUTE format('SELECT count(journey_orch.suppress(NULL, a.address, %L, source => %L)) FROM (SELECT DISTINCT r.payload ->> %L'
                   ' FROM journey_orch.%I AS r JOIN journey_orch.tombstone AS t ON t.erasure_id = ANY ($1) WHERE %s) AS a (address)'
                   ' WHERE octet_length(btrim(a.address)) BETWEEN 1 AND 2000',
                   'unsubscribed', 'erasure', 'address', walk.relation, piece)
    INTO n
    USING walk.erasures, format('(%s,0)', from_block)::tid, format('(%s,0)', to_block)::tid;
  END IF;
  /* where no column names him, several may have to do with one row */
  FOR whom IN
    SELECT array_agg(t.erasure_id) FROM journey_orch.tombstone AS t
    WHERE t.erasure_id = ANY (walk.erasures) AND (_erase_piece.lane IS NULL OR t.lane = _erase_piece.lane)
    GROUP BY CASE WHEN p.customer IS NULL THEN t.erasure_id END
  LOOP
    EXECUTE format('WITH t AS (SELECT * FROM journey_orch.tombstone WHERE erasure_id = ANY ($1)),'
                   ' changed AS (%s RETURNING t.erasure_id, %s AS id),'
                   ' tally AS (SELECT erasure_id, count(*) AS n, array_agg(id) AS ids FROM changed GROUP BY 1),'
                   ' counted AS (UPDATE journey_orch.erasure_certificate AS c'
                   '  SET counts = c.counts || jsonb_build_object($4::text, coalesce((c.counts ->> $4)::bigint, 0) + y.n)'
                   '  FROM tally AS y WHERE c.erasure_id = y.erasure_id)%s'
                   ' SELECT coalesce(sum(n), 0) FROM tally',
                   CASE p.act WHEN 'delete' THEN format('DELETE FROM journey_orch.%I AS r USING t WHERE %s', walk.relation, piece)
                     ELSE format('UPDATE journey_orch.%I AS r SET %s FROM t WHERE %s', walk.relation, p.change, piece) END
                   || CASE WHEN p.needed IS NULL THEN '' ELSE format(' AND NOT (%s)', p.needed) END,
                   coalesce(p.noted, 'NULL::text'),
                   CASE WHEN p.collects IS NULL THEN ''
                     ELSE format(', noted AS (UPDATE journey_orch.tombstone AS d SET %I = d.%I || y.ids'
                                 ' FROM tally AS y WHERE d.erasure_id = y.erasure_id)', p.collects, p.collects) END)
    INTO n
    USING whom, format('(%s,0)', from_block)::tid, format('(%s,0)', to_block)::tid, p.relation, reader.s1, reader.s2, reader.seq;
    total := total + n;
    CONTINUE WHEN p.needed IS NULL;
    EXECUTE format('WITH t AS (SELECT * FROM journey_orch.tombstone WHERE erasure_id = ANY ($1))'
                   ' SELECT array_agg(DISTINCT t.erasure_id) FROM journey_orch.%I AS r, t WHERE %s AND (%s)',
                   walk.relation, piece, p.needed)
    INTO waiting
    USING whom, format('(%s,0)', from_block)::tid, format('(%s,0)', to_block)::tid, p.relation, reader.s1, reader.s2, reader.seq;
    UPDATE journey_orch.erasure_walk SET missed = missed || waiting WHERE waiting IS NOT NULL;
  END LOOP;
  RETURN total;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._erase_piece(journey_orch.erasure_walk, integer, bigint, bigint) FROM PUBLIC;

/* Begin a walk for the erasures that are ready: their lanes have met them, and
   whoever may have written of them before is over.  Returns none when there is
   nobody to walk for. */
CREATE OR REPLACE FUNCTION journey_orch._erase_begin()
RETURNS SETOF journey_orch.erasure_walk
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  now_in integer := (SELECT max(i.incarnation) FROM journey_orch.incarnation AS i);
BEGIN
  /* in a restored copy the fence of the original means nothing */
  DELETE FROM journey_orch.erasure_walk AS w WHERE w.incarnation <> now_in;
  INSERT INTO journey_orch.erasure_walk (erasures, incarnation)
  SELECT array_agg(t.erasure_id ORDER BY t.erasure_id), now_in
  FROM journey_orch.tombstone AS t
  WHERE t.batch IS NOT NULL
    AND (t.incarnation <> now_in OR t.applied_xid < pg_snapshot_xmin(pg_current_snapshot()))
    AND NOT EXISTS (SELECT FROM journey_orch.erasure_walk)
  HAVING count(*) > 0;
  RETURN QUERY SELECT * FROM journey_orch.erasure_walk;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._erase_begin() FROM PUBLIC;

/* The walk is over: what nobody needs any more is done, and forgotten. */
CREATE OR REPLACE FUNCTION journey_orch._erase_end()
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH walk AS (DELETE FROM journey_orch.erasure_walk RETURNING erasures, missed),
  gone AS (DELETE FROM journey_orch.tombstone AS t USING walk AS w
           WHERE t.erasure_id = ANY (w.erasures) AND t.erasure_id <> ALL (w.missed)
           RETURNING t.erasure_id)
  UPDATE journey_orch.erasure_certificate AS c SET done_at = clock_timestamp()
  FROM gone WHERE c.erasure_id = gone.erasure_id
$$;
REVOKE ALL ON FUNCTION journey_orch._erase_end() FROM PUBLIC;

/* The next "budget" blocks of the walk over all tables, in the caller's
   transaction, under the lock of upkeep.  What a crash interrupts is done again
   from the last commit on.  more: another call gets further at once. */
CREATE OR REPLACE FUNCTION journey_orch._erase(budget bigint, OUT changed bigint, OUT more boolean)
RETURNS record
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  walk journey_orch.erasure_walk;
  leaf record;
  blocks bigint;
  until_block bigint;
BEGIN
  changed := 0;
  more := false;
  SELECT * INTO walk FROM journey_orch._erase_begin();
  IF walk.erasures IS NULL OR walk.fence >= pg_snapshot_xmin(pg_current_snapshot()) THEN
    RETURN;
  END IF;
  WHILE budget > 0 LOOP
    SELECT p.place, l.name, l.lane INTO leaf
    FROM journey_orch._personal_table() AS p
    JOIN pg_class AS c ON c.relname = p.relation AND c.relnamespace = 'journey_orch'::regnamespace
    CROSS JOIN LATERAL (SELECT c.relname::text, NULL::integer
                        WHERE c.relkind = 'r'
                        UNION ALL
                        SELECT i.relname::text, substring(i.relname FROM length(c.relname) + 2 FOR 2)::integer
                        FROM pg_inherits AS h JOIN pg_class AS i ON i.oid = h.inhrelid
                        WHERE h.inhparent = c.oid) AS l (name, lane)
    WHERE p.act IN ('rewrite', 'delete')
      AND (l.lane IS NULL OR l.lane IN (SELECT t.lane FROM journey_orch.tombstone AS t WHERE t.erasure_id = ANY (walk.erasures)))
      AND (p.place, l.name COLLATE "C", walk.block > 0) >= (walk.place, walk.relation COLLATE "C", true)
    ORDER BY p.place, l.name COLLATE "C"
    LIMIT 1;
    IF NOT FOUND THEN
      PERFORM journey_orch._erase_end();
      RETURN;
    END IF;
    IF leaf.place > 1 AND walk.fence IS NULL THEN
      UPDATE journey_orch.erasure_walk SET fence = pg_current_xact_id();
      more := true;
      RETURN;
    END IF;
    walk.place := leaf.place;
    walk.relation := leaf.name;
    blocks := pg_relation_size(format('journey_orch.%I', leaf.name)) / current_setting('block_size')::bigint;
    until_block := least(walk.block + budget, blocks);
    IF until_block > walk.block THEN
      changed := changed + journey_orch._erase_piece(walk, leaf.lane, walk.block, until_block);
      budget := budget - (until_block - walk.block);
    END IF;
    walk.block := CASE WHEN until_block < blocks THEN until_block ELSE 0 END;
    UPDATE journey_orch.erasure_walk SET place = walk.place, relation = walk.relation, block = walk.block;
  END LOOP;
  more := true;
END
$$;
REVOKE ALL ON FUNCTION journey_orch._erase(bigint) FROM PUBLIC;
