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
                      coalesce(c.journey_id, t.journey_id), coalesce(c.lane, t.lane), t.active, c.active, t.total, c.total))
    FROM journey_orch.entry_count AS c
    FULL JOIN (SELECT i.journey_id, i.lane, sum(i.active) AS active, sum(i.total) AS total
               FROM (SELECT r.journey_id, r.lane, 1 AS active, 0 AS total FROM journey_orch.enrollment AS r WHERE r.state <> 'ended'
                     UNION ALL
                     SELECT m.journey_id, m.lane, 0, m.runs FROM journey_orch.entry_memory AS m) AS i
               GROUP BY i.journey_id, i.lane) AS t USING (journey_id, lane)
    WHERE (c.active, c.total) IS DISTINCT FROM (t.active, t.total)
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
