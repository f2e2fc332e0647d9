/*
 * maintain(): what it leaves behind, truncates and keeps, of cursors and timers.
 * Segments are tiny here.  A snapshot of another session (ANALYZE by autovacuum)
 * may delay a truncation, so the tests go on until nothing is drained any more.
 */
CREATE EXTENSION journey_orch;
\set VERBOSITY terse
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = public, journey_orch;
SET journey_orch.segment_size = '8kB';

CREATE PROCEDURE reclaim() LANGUAGE plpgsql AS $$
BEGIN
  LOOP
    PERFORM maintain();
    COMMIT;
    EXIT WHEN NOT EXISTS (SELECT FROM segment WHERE drained IS NOT NULL);
  END LOOP;
END $$;
CREATE VIEW laws AS SELECT law, detail FROM verify('full') WHERE NOT holds;
/* where the rows of the lane of customer 1 are */
CREATE VIEW cursors AS
SELECT c.segment, count(*) > 1 AS many, max(c.batch) = max(max(c.batch)) OVER () AS has_newest
FROM lane_cursor AS c WHERE c.lane = lane_of('1') GROUP BY c.segment ORDER BY c.segment;
CREATE VIEW timers AS
SELECT t.segment, count(*) AS hints, count(*) FILTER (WHERE (t.due_at, t.timer_id) > (p.timer_due, p.timer_id)) AS to_come
FROM timer AS t JOIN _lane_position AS p USING (lane)
WHERE t.lane = lane_of('1') GROUP BY t.segment ORDER BY t.segment;
CREATE VIEW state AS
SELECT s.family, s.current, s.drained, s.dropped_to
FROM segment AS s WHERE s.lane = lane_of('1') ORDER BY s.family;

-- nothing is there yet, then nothing to do
SELECT * FROM maintain();
CREATE TABLE customer (id text PRIMARY KEY);
/* a thousand customers of one lane, 1 among them */
INSERT INTO customer
SELECT g::text FROM generate_series(1, 20000) AS g WHERE lane_of(g::text) = lane_of('1') ORDER BY g LIMIT 1000;
SELECT bind_customer('public.customer', 'id');
SELECT set_clock('2026-03-01 12:00+00');
SELECT * FROM maintain();

-- cursors: the newest row is copied, the others go
DO $$
BEGIN
  FOR i IN 1 .. 100 LOOP
    PERFORM emit('noise', '1');
    COMMIT;
    CALL run();
  END LOOP;
END $$;
SELECT * FROM cursors;
SELECT family, lane = lane_of('1') AS lane, act FROM maintain();
SELECT * FROM cursors;
SELECT * FROM state;
/* batches go on in the new segment, also before the old one is truncated */
SELECT count(emit('noise', '1'));
CALL run();
SELECT * FROM laws;
CALL reclaim();
SELECT * FROM cursors;
SELECT * FROM state;
SELECT * FROM maintain();
SELECT batch, applied FROM _lane_position WHERE lane = lane_of('1');
SELECT count(emit('noise', '1'));
CALL run();
SELECT batch, applied FROM _lane_position WHERE lane = lane_of('1');
SELECT * FROM laws;

-- timers: those who come back within the hour, and one in a hundred after a day
SELECT define('{
  "journey": "rest", "timezone": "UTC",
  "entry": {"on": "tired", "reentry": {"policy": "any"}},
  "exit": [{"on": "woken", "reason": "woken"}],
  "start": "which",
  "steps": {"which": {"branch": [{"when": "event ? ''long''", "next": "long"}], "else": "short"},
            "short": {"delay": "1 hour", "next": "done"}, "long": {"delay": "1 day", "next": "done"},
            "done": {"exit": "rested"}}}');
SELECT step FROM publish('rest');
SELECT count(emit('tired', id)) FROM customer;
SELECT count(emit('tired', id, '{"long": true}')) FROM (SELECT id FROM customer ORDER BY id::int LIMIT 10) AS c;
CALL run();
SELECT * FROM timers;
/* all of it lives: the writers go on elsewhere */
SELECT family, act FROM maintain();
SELECT family, act FROM maintain();
SELECT * FROM state;
SELECT count(emit('tired', id, '{"long": true}')) FROM (SELECT id FROM customer ORDER BY id::int LIMIT 5) AS c;
CALL run();
SELECT * FROM timers;
SELECT advance_clock('1 hour');
CALL run();
/* most of it is passed: the rest is copied, and exists twice until the truncation */
SELECT family, act, split_part(detail, ': ', 2) AS detail FROM maintain();
SELECT * FROM timers;
SELECT * FROM state;
SELECT * FROM laws;
CALL reclaim();
SELECT * FROM timers;
SELECT * FROM state;
SELECT * FROM laws;
SELECT advance_clock('1 day');
CALL run();
SELECT entered, active, ended FROM journey_status;
SELECT * FROM timers;

-- a hint whose customer has nothing live is dropped before its time
SELECT count(emit('tired', id, '{"long": true}')) FROM customer;
CALL run();
SELECT count(emit('woken', id)) FROM customer WHERE id <> '1';
CALL run();
SELECT family, act FROM maintain();
CALL reclaim();
SELECT * FROM timers;
SELECT * FROM laws;

-- as many segments as live hints need, and no more when they are gone
SELECT count(emit('tired', id, '{"long": true}')) FROM customer;
CALL run();
SELECT family, act FROM maintain();
SELECT count(emit('tired', id, '{"long": true}')) FROM customer, generate_series(1, 2);
CALL run();
SELECT family, act FROM maintain();
SELECT * FROM timers;
SELECT pg_get_expr(relpartbound, oid) = format('FOR VALUES FROM (''%s'', ''2'') TO (''%1$s'', ''3'')', lane_of('1')) AS bound,
       (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) AS indexes,
       (SELECT count(*) FROM pg_depend WHERE objid = c.oid AND deptype = 'e') AS memberships
FROM pg_class AS c WHERE oid = format('timer_%s_2', to_char(lane_of('1'), 'fm00'))::regclass;
SELECT count(emit('tired', id, '{"long": true}')) FROM customer LIMIT 1;
CALL run();
SELECT * FROM laws;
SELECT advance_clock('1 day');
CALL run();
CALL reclaim();
CALL reclaim();
CALL reclaim();
SELECT * FROM timers;
SELECT * FROM laws;
SELECT entered, active, ended FROM journey_status;

-- the clock is set back: a run does not wait for a hint that was passed and dropped
SELECT define('{
  "journey": "patient", "timezone": "UTC",
  "entry": {"on": "begun"},
  "start": "first",
  "steps": {"first": {"delay": "1 hour", "next": "pause"},
            "pause": {"wait": {"for": [{"on": "asked", "next": "second"}]}},
            "second": {"delay": "2 hours", "next": "done"},
            "done": {"exit": "patient"}}}');
SELECT step FROM publish('patient');
SELECT count(emit('begun', '1'));
CALL run();
SELECT advance_clock('1 hour');
CALL run();
SELECT count(emit('tired', id)) FROM customer;
CALL run();
SELECT advance_clock('2 hours');
CALL run();
SELECT family, act FROM maintain();
CALL reclaim();
SELECT step, state, due_at, hint_at FROM enrollment WHERE customer_id = '1';
SELECT * FROM timers;
SELECT set_clock('2026-03-01 00:00+00', true);
SELECT count(emit('asked', '1'));
CALL run();
SELECT * FROM timers;
SELECT * FROM laws;
SELECT set_clock('2026-03-10 00:00+00');
CALL run();
SELECT customer_id, exit_reason FROM enrollment_status WHERE journey = 'patient';

-- a table that somebody dropped comes back, empty
DROP TABLE event_15_1;
SELECT family, act FROM maintain();
SELECT to_regclass('event_15_1') IS NOT NULL AS is_back;
-- ... and an index, of one column and of two, and by page
CREATE FUNCTION index_of(leaf regclass) RETURNS text LANGUAGE sql
RETURN (SELECT regexp_replace(pg_get_indexdef(indexrelid), '^.* USING', '') FROM pg_index WHERE indrelid = leaf);
DO $$
DECLARE
  lost regclass;
BEGIN
  FOR lost IN SELECT indexrelid::regclass FROM pg_index
               WHERE indrelid IN (to_regclass('enrollment_' || to_char(lane_of('1'), 'FM00')),
                                  to_regclass('event_' || to_char(lane_of('1'), 'FM00') || '_0'), 'timer_15_1'::regclass) LOOP
    EXECUTE format('DROP INDEX %s', lost);
  END LOOP;
END $$;
SELECT emit('asked', '1') > 0 AS is_appended;
CALL run();
SELECT regexp_replace(detail, '_[0-9]+', '_NN') AS detail, act FROM maintain() WHERE family IS NULL ORDER BY 1;
SELECT index_of('timer_15_1'), index_of(('enrollment_' || to_char(lane_of('1'), 'FM00'))::regclass) AS enrollment,
       index_of(('event_' || to_char(lane_of('1'), 'FM00') || '_0')::regclass) AS event;
SELECT * FROM maintain() WHERE family IS NULL;
CALL run();
SELECT * FROM laws;

-- what is over long ago goes: keys, commands that were answered, questions that nobody can answer; what is open stays
SET client_min_messages = warning;
SELECT define('{"journey": "ask", "entry": {"api": true, "reentry": {"policy": "any"}}, "start": "ask", "steps": {
  "ask": {"approve": {"question": "?"}, "next": {"yes": "done", "no": "done"}}, "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('ask');
SELECT count(enter('ask', id, key => id, idempotency_key => id)) FROM customer WHERE id <> '1' AND id::int <= 200;
CALL run();
SELECT count(approve(enrollment_id, 'yes')) FROM approval WHERE customer_id::int <= 100;
CALL run();
SELECT enter('ask', '1', key => 'pending', idempotency_key => 'pending') AS pending \gset
UPDATE command SET recorded_at = recorded_at - interval '31 days';
UPDATE idempotency SET created_at = created_at - interval '8 days' WHERE key <> 'pending';
UPDATE approval_request SET asked_at = asked_at - interval '31 days';
SELECT (SELECT count(*) FROM command) AS commands, (SELECT count(*) FROM command_outcome) AS outcomes,
       (SELECT count(*) FROM approval_request) AS questions, (SELECT count(*) FROM idempotency) AS keys;
SELECT act, detail FROM maintain() WHERE act = 'pruned' ORDER BY detail COLLATE "C";
SELECT (SELECT count(*) FROM command) AS commands, (SELECT count(*) FROM command_outcome) AS outcomes,
       (SELECT count(*) FROM approval_request) AS questions, (SELECT count(*) FROM approval) AS open, (SELECT count(*) FROM idempotency) AS keys;
SELECT act FROM maintain() WHERE act = 'pruned';
CALL run();
SELECT status FROM command_status(:pending);
/* an answer is kept as long as a key */
SET journey_orch.idempotency_horizon = '32d';
SELECT act FROM maintain() WHERE act = 'pruned';
RESET journey_orch.idempotency_horizon;
SELECT act, detail FROM maintain() WHERE act = 'pruned';
SELECT * FROM laws;
RESET client_min_messages;

-- who may, and when
SELECT grantee FROM information_schema.routine_privileges
WHERE routine_schema = 'journey_orch' AND routine_name = 'maintain' AND grantee <> current_user;
CREATE ROLE upkeep_operator;
GRANT journey_orch_operator TO upkeep_operator;
SET ROLE upkeep_operator;
SELECT count(*) >= 0 AS may FROM maintain();
RESET ROLE;
DROP ROLE upkeep_operator;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM maintain();
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM maintain();
ROLLBACK;
SET journey_orch.segment_size = 0;
