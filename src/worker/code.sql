/* worker: starting and stopping, run, settle, and what runs now */

CREATE OR REPLACE FUNCTION journey_orch.start_worker()
RETURNS integer
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_start_worker';
REVOKE ALL ON FUNCTION journey_orch.start_worker() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.start_worker() TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.start_worker() IS
  'Starts the workers of this database, now and not at commit; returns how many run. Running ones are left alone.';

CREATE OR REPLACE FUNCTION journey_orch.stop_worker()
RETURNS integer
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_stop_worker';
REVOKE ALL ON FUNCTION journey_orch.stop_worker() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.stop_worker() TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.stop_worker() IS
  'Stops the workers of this database, waits until they are gone, and returns how many ran. They stay stopped until start_worker() or a restart of the server.';

/* Commits after each batch, so it cannot carry SET search_path: PostgreSQL
   makes such a procedure atomic.  Its C code runs no SQL under the caller's
   path. */
CREATE OR REPLACE PROCEDURE journey_orch.run(
  until timestamptz DEFAULT NULL,
  max_batches integer DEFAULT NULL)
LANGUAGE C
AS 'MODULE_PATHNAME', 'journey_orch_run';
REVOKE ALL ON PROCEDURE journey_orch.run(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE journey_orch.run(timestamptz, integer) TO journey_orch_operator;
COMMENT ON PROCEDURE journey_orch.run(timestamptz, integer) IS
  'Does what the workers do, in this session, until nothing is pending or due; commits each batch. until bounds the timers (engine clock), max_batches the work.';

CREATE OR REPLACE FUNCTION journey_orch.settle(timeout interval DEFAULT '10 seconds')
RETURNS boolean
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_settle';
REVOKE ALL ON FUNCTION journey_orch.settle(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.settle(interval) TO journey_orch_app, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.settle(interval) IS
  'Waits until the workers have applied every event committed before the call and every timer due by then; false when that takes longer than timeout.';

/* The last thing a script of ours does for the workers: once it commits, the
   launcher looks at this database. */
CREATE OR REPLACE FUNCTION journey_orch._announce()
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_announce';
REVOKE ALL ON FUNCTION journey_orch._announce() FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._announce() IS
  'Asks the launcher to look at this database when this transaction commits.';
SELECT journey_orch._announce();

CREATE OR REPLACE FUNCTION journey_orch._worker_status(
  OUT process text, OUT database name, OUT pid integer, OUT state text, OUT lanes integer[],
  OUT failing_lanes integer[], OUT careful_lanes integer[], OUT batches bigint, OUT started_at timestamptz,
  OUT last_batch_at timestamptz, OUT last_error_at timestamptz, OUT last_error text)
RETURNS SETOF record
LANGUAGE C VOLATILE ROWS 8
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_worker_status';
REVOKE ALL ON FUNCTION journey_orch._worker_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch._worker_status() TO journey_orch_analyst, journey_orch_operator;
COMMENT ON FUNCTION journey_orch._worker_status() IS 'Rows of view worker_status.';

CREATE OR REPLACE FUNCTION journey_orch._lane_owner(
  OUT lane integer, OUT pid integer, OUT is_failing boolean, OUT is_careful boolean)
RETURNS SETOF record
LANGUAGE C VOLATILE ROWS 16
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_lane_owner';
REVOKE ALL ON FUNCTION journey_orch._lane_owner() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch._lane_owner() TO journey_orch_analyst, journey_orch_operator;
COMMENT ON FUNCTION journey_orch._lane_owner() IS 'Which worker owns a lane, as shared memory has it.';

CREATE OR REPLACE VIEW journey_orch.worker_status AS
SELECT process, database, pid, state, lanes, failing_lanes, careful_lanes, batches, started_at,
  last_batch_at, last_error_at, last_error
FROM journey_orch._worker_status();
GRANT SELECT ON journey_orch.worker_status TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.worker_status IS
  'One row a process of journey_orch: the launcher of the server, and the supervisor and lane workers of each database (of this one, when the library is not preloaded).';
COMMENT ON COLUMN journey_orch.worker_status.process IS 'launcher, supervisor or worker';
COMMENT ON COLUMN journey_orch.worker_status.database IS 'database it serves; NULL: the launcher';
COMMENT ON COLUMN journey_orch.worker_status.pid IS 'process id; NULL: it does not run';
COMMENT ON COLUMN journey_orch.worker_status.state IS
  'supervisor: unknown, starting, running, absent, mismatched, copied, stopped, failed; worker: missing, idle, busy, failing; launcher: running, missing';
COMMENT ON COLUMN journey_orch.worker_status.lanes IS 'lanes it owns; NULL: not a worker, or the library is not preloaded';
COMMENT ON COLUMN journey_orch.worker_status.failing_lanes IS 'lanes that back off after an error';
COMMENT ON COLUMN journey_orch.worker_status.careful_lanes IS 'lanes that go on one customer at a time, because a batch failed';
COMMENT ON COLUMN journey_orch.worker_status.batches IS 'batches it committed since the server started';
COMMENT ON COLUMN journey_orch.worker_status.started_at IS 'when the process started';
COMMENT ON COLUMN journey_orch.worker_status.last_batch_at IS 'when it last committed a batch';
COMMENT ON COLUMN journey_orch.worker_status.last_error_at IS 'when a batch last failed';
COMMENT ON COLUMN journey_orch.worker_status.last_error IS 'worker: lane and message of the last error; supervisor: why there are no workers, or fewer';

/* A lane's pending events are those not finished in its S1 and, of the window
   under way, those behind its position (capture/window.c). */
CREATE OR REPLACE VIEW journey_orch.lane_status AS
SELECT owner.lane,
  owner.pid AS owner,
  owner.is_failing,
  owner.is_careful,
  pending.events AS lag_events,
  COALESCE(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pending.oldest), 0) AS lag_seconds,
  newest.recorded_at AS last_batch_at,
  COALESCE(newest.batch, 0) AS batches,
  COALESCE(newest.applied, 0) AS applied,
  COALESCE(newest.entered, 0) AS entered,
  COALESCE(newest.ended, 0) AS ended,
  COALESCE(newest.advances, 0) AS advances,
  newest.clock,
  COALESCE(newest.parked, 0) AS parked
FROM journey_orch._lane_owner() owner
LEFT JOIN LATERAL (
  SELECT *
  FROM journey_orch.lane_cursor c
  WHERE c.lane = owner.lane
  ORDER BY c.batch DESC
  LIMIT 1) newest ON true
CROSS JOIN LATERAL (
  SELECT pg_catalog.count(*) AS events, pg_catalog.min(e.recorded_at) AS oldest
  FROM journey_orch.event e
  WHERE e.lane = owner.lane
    AND e.kind NOT BETWEEN 'A' AND 'Z'
    AND e.xid >= COALESCE(pg_catalog.pg_snapshot_xmin(newest.s1), '0'::xid8)
    AND pg_catalog.pg_visible_in_snapshot(e.xid, newest.s1) IS NOT TRUE
    AND (pg_catalog.pg_visible_in_snapshot(e.xid, newest.s2) AND e.seq <= newest.seq) IS NOT TRUE) pending;
GRANT SELECT ON journey_orch.lane_status TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.lane_status IS 'One row a lane: who advances it, how far it is and what is pending.';
COMMENT ON COLUMN journey_orch.lane_status.lane IS '0 to 15';
COMMENT ON COLUMN journey_orch.lane_status.owner IS 'pid of the worker that owns it; NULL: none, or the library is not preloaded';
COMMENT ON COLUMN journey_orch.lane_status.is_failing IS 'its batches fail and it backs off; NULL: no owner';
COMMENT ON COLUMN journey_orch.lane_status.is_careful IS 'it goes on one customer at a time, because a batch failed; NULL: no owner';
COMMENT ON COLUMN journey_orch.lane_status.lag_events IS 'committed events that are not applied yet';
COMMENT ON COLUMN journey_orch.lane_status.lag_seconds IS 'age of the oldest of them, real time';
COMMENT ON COLUMN journey_orch.lane_status.last_batch_at IS 'real time of the last batch that did something';
COMMENT ON COLUMN journey_orch.lane_status.batches IS 'batches that did something, ever';
COMMENT ON COLUMN journey_orch.lane_status.applied IS 'events applied, ever';
COMMENT ON COLUMN journey_orch.lane_status.entered IS 'enrollments started, ever';
COMMENT ON COLUMN journey_orch.lane_status.ended IS 'enrollments ended, ever';
COMMENT ON COLUMN journey_orch.lane_status.advances IS 'advances, ever';
COMMENT ON COLUMN journey_orch.lane_status.parked IS 'enrollments parked now';
COMMENT ON COLUMN journey_orch.lane_status.clock IS 'the lane''s own engine clock; NULL: it has not begun';

/* Levels: ok, warning (somebody should look), error (something does not move). */
CREATE OR REPLACE FUNCTION journey_orch.health(
  OUT level text, OUT name text, OUT value text, OUT hint text)
RETURNS SETOF record
LANGUAGE sql VOLATILE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
  WITH lanes AS MATERIALIZED (
    SELECT pg_catalog.sum(s.lag_events) AS lag_events, pg_catalog.max(s.lag_seconds) AS lag_seconds,
      pg_catalog.sum(s.parked) AS parked
    FROM journey_orch.lane_status s)
  SELECT CASE
      WHEN pg_catalog.pg_is_in_recovery() THEN 'ok'
      WHEN w.state = 'running' AND w.last_error IS NULL THEN 'ok'
      WHEN w.state IN ('mismatched', 'copied', 'failed') THEN 'error'
      ELSE 'warning'
    END,
    'workers',
    pg_catalog.concat_ws(': ', w.state, w.last_error),
    CASE
      WHEN pg_catalog.pg_is_in_recovery() THEN 'Nothing runs in recovery; workers start when this server is promoted.'
      WHEN w.state = 'stopped' THEN 'Start them with journey_orch.start_worker(), or CALL journey_orch.run() regularly.'
      WHEN w.state = 'mismatched' THEN 'ALTER EXTENSION journey_orch UPDATE, or restart the server with the new library.'
      WHEN w.state = 'copied' THEN 'Nothing moves in a copy until journey_orch.adopt() says which it is.'
      WHEN w.state IN ('starting', 'unknown') THEN 'They are about to start.'
      WHEN w.state <> 'running' OR w.last_error IS NOT NULL THEN 'Look at the server log and at max_worker_processes.'
    END
  FROM journey_orch.worker_status w
  WHERE w.process = 'supervisor' AND w.database = pg_catalog.current_database()
  UNION ALL
  SELECT 'error', 'failing_lanes',
    pg_catalog.format('%s: %s', pg_catalog.array_to_string(w.failing_lanes, ', '), w.last_error),
    'These lanes back off; the others go on. The server log has the whole error.'
  FROM journey_orch.worker_status w
  WHERE w.process = 'worker' AND w.database = pg_catalog.current_database()
    AND pg_catalog.cardinality(w.failing_lanes) > 0
  UNION ALL
  SELECT 'warning', 'careful_lanes',
    pg_catalog.format('%s: %s', pg_catalog.array_to_string(w.careful_lanes, ', '), w.last_error),
    'These lanes go on one customer at a time until they are past what failed; see parked and event_error then.'
  FROM journey_orch.worker_status w
  WHERE w.process = 'worker' AND w.database = pg_catalog.current_database()
    AND pg_catalog.cardinality(w.careful_lanes) > 0
  UNION ALL
  SELECT 'warning', 'event_error',
    pg_catalog.format('%s in the last 24 hours', pg_catalog.count(*)),
    'These events were not applied. View event_error names them and their errors.'
  FROM journey_orch.event_failure f
  WHERE f.at > pg_catalog.now() - interval '24 hours'
  HAVING pg_catalog.count(*) > 0
  UNION ALL
  SELECT CASE WHEN l.lag_seconds > 600 THEN 'error' WHEN l.lag_seconds > 60 THEN 'warning' ELSE 'ok' END,
    'lag',
    CASE WHEN l.lag_events = 0 THEN 'no events'
      ELSE pg_catalog.format('%s events, the oldest %s s old', l.lag_events, pg_catalog.round(l.lag_seconds, 1)) END,
    CASE WHEN l.lag_seconds > 60
      THEN 'See which lanes in view lane_status; more workers help while there are cores (journey_orch.workers).' END
  FROM lanes l
  UNION ALL
  SELECT CASE WHEN l.parked > 0 THEN 'warning' ELSE 'ok' END,
    'parked', l.parked::text,
    CASE WHEN l.parked > 0 THEN 'View enrollment_status shows them, with state parked.' END
  FROM lanes l
  UNION ALL
  SELECT 'warning', 'halted',
    pg_catalog.string_agg(pg_catalog.concat_ws(' ', h.scope, h.name), ', ' ORDER BY h.scope, h.name),
    'Nothing of it goes out until journey_orch.unhalt(). View halt_status tells who halted it and why.'
  FROM journey_orch.halt_status h
  WHERE h.is_halted
  HAVING pg_catalog.count(*) > 0
  UNION ALL
  SELECT 'warning', 'complaints',
    pg_catalog.string_agg(pg_catalog.format('%s%s: %s of %s', s.channel, ' from ' || s.domain, s.complained, s.sent), ', '
                          ORDER BY s.channel, s.domain),
    'More than 0.3 % are complained about. View complaint_share tells of whose messages; journey_orch.halt() stops a channel.'
  FROM journey_orch.complaint_share s
  WHERE s.is_over
    -- without complaints nothing is counted
    AND EXISTS (SELECT FROM journey_orch.suppressed_address a
                WHERE a.reason = 'complaint' AND a.at > journey_orch.clock() - interval '30 days')
  HAVING pg_catalog.count(*) > 0
  UNION ALL
  SELECT 'error', 'copy',
    pg_catalog.format('written by database %s of system %s', newest.database_oid, newest.system_identifier),
    'This database is a copy that nobody adopted: nothing is advanced or handed out. Say which it is with journey_orch.adopt().'
  FROM (
    SELECT i.system_identifier, i.database_oid
    FROM journey_orch.incarnation i
    ORDER BY i.incarnation DESC
    LIMIT 1) newest,
    pg_catalog.pg_control_system() control
  WHERE newest.system_identifier <> control.system_identifier
    OR newest.database_oid <> (
      SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  UNION ALL
  SELECT c.level, c.name, c.value, c.hint
  FROM journey_orch._capture_health() c
$$;
REVOKE ALL ON FUNCTION journey_orch.health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.health() TO journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.health() IS
  'State of the house, one row a matter: level ok, warning or error, what it is, its value, and what to do.';
