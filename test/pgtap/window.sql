/*
 * test/pgtap/window.sql
 *    The window a lane reads, where rolled-back savepoints leave holes in it.
 *
 * Their rows carry a committed xid and stay in the index until VACUUM takes
 * them away, so a window that was cut before them may later yield nothing, or
 * find another row in their place.  Would catch: a lane that never gets past
 * such a window, an event that is applied twice because it took the place of a
 * rolled-back one, a timer that overtakes an event behind such a hole.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;
CREATE EXTENSION dblink;
SET search_path = public, journey_orch;
SET statement_timeout = '20s';   -- a lane that is stuck is a failure, not a hang

SELECT plan(9);

SELECT define('{"journey": "answer", "entry": {"on": "asked", "reentry": {"policy": "any"}}, "start": "listen",
  "steps": {"listen": {"wait": {"for": [{"on": "yes", "next": "told"}], "until": {"after": "1 day", "next": "silent"}}},
            "told": {"exit": "told"}, "silent": {"exit": "silent"}}}') \gset _
SELECT count(*) FROM publish('answer') \gset _
SELECT define('{"journey": "count", "entry": {"on": "counted", "reentry": {"policy": "any"}}, "start": "done",
  "steps": {"done": {"exit": "done"}}}') \gset _
SELECT count(*) FROM publish('count') \gset _
SELECT set_clock('2026-01-01 00:00+00') \gset _
SELECT 'journey_orch.event_' || lpad(lane_of('1')::text, 2, '0') || '_0' AS leaf \gset
SELECT current_setting('journey_orch.batch_size') AS batch \gset

-- The place of a rolled-back event is taken by a later one.
BEGIN;
SELECT count(emit('noise', '1')) FROM generate_series(1, :batch) \gset _
SAVEPOINT a;
SELECT emit('noise', '1') AS seq \gset hole_
SELECT ctid FROM event WHERE seq = :hole_seq \gset hole_
ROLLBACK TO a;
SELECT emit('noise', '1') \gset _
COMMIT;
CALL run(max_batches => 1);
SELECT ok(s2 IS NOT NULL, 'the window is cut before the hole') FROM _lane_position;
VACUUM :leaf;
SELECT emit('counted', '1') AS seq \gset taker_
SELECT is(ctid, :'hole_ctid'::tid, 'a later event takes the place') FROM event WHERE seq = :taker_seq;
CALL run();
SELECT is((SELECT count(*) FROM step_log WHERE outcome = 'entered'), 1::bigint, 'and is applied once');

-- VACUUM removes all that was left of a window, and its reader is gone.
BEGIN;
SELECT count(emit('noise', '1')) FROM generate_series(1, :batch) \gset _
SAVEPOINT a;
SELECT emit('noise', '1') \gset _
ROLLBACK TO a;
COMMIT;
SELECT dblink_exec(format('host=%s port=%s dbname=%s', split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()), 'CALL journey_orch.run(max_batches => 1)') \gset _
SELECT ok(s2 IS NOT NULL, 'the window is cut before the hole') FROM _lane_position;
VACUUM :leaf;
SELECT emit('counted', '1') \gset _
CALL run();
SELECT is((SELECT count(*) FROM step_log WHERE outcome = 'entered'), 2::bigint, 'the lane goes on in another session');

-- A cut window that yields nothing: the clock moves on before the next event is read.
SELECT emit('asked', '1') \gset _
CALL run();
BEGIN;
SELECT count(emit('noise', '1')) FROM generate_series(1, :batch) \gset _
SAVEPOINT a;
SELECT emit('noise', '1') \gset _
ROLLBACK TO a;
COMMIT;
CALL run(max_batches => 1);
SELECT ok(s2 IS NOT NULL, 'the window is cut before the hole') FROM _lane_position;
SELECT advance_clock('1 hour') \gset _
SELECT emit('yes', '1') \gset _
SELECT advance_clock('10 days') \gset _
CALL run();
SELECT is(array_agg(exit_reason::text), '{told}', 'no timer overtakes an event that is still to be read')
  FROM enrollment_status WHERE journey = 'answer';

SELECT is((SELECT sum(applied) FROM lane_status), (SELECT count(*)::numeric FROM event), 'every event is applied');
SELECT is_empty($$SELECT * FROM verify('full') WHERE NOT holds$$, 'every law holds');
SELECT * FROM finish();
