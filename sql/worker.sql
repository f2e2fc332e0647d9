-- The worker room as a transcript: a server with workers switched off
-- (journey_orch.autostart = off), and CALL run() in their place.
\set VERBOSITY terse
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- Nothing is there yet, and everything says so.
SELECT process, database = current_database() AS here, pid, state FROM journey_orch.worker_status
WHERE database = current_database() ORDER BY process;
SELECT count(*) AS lanes, count(owner) AS owned, sum(lag_events) AS lag, max(last_batch_at) AS last_batch_at
FROM journey_orch.lane_status;
SELECT * FROM journey_orch.health();
SELECT journey_orch.settle();
SELECT journey_orch.stop_worker();
CALL journey_orch.run();

-- Events wait until somebody runs.
SELECT journey_orch.set_clock('2030-01-01 00:00:00+00');
SELECT journey_orch.define('{"journey": "greet", "entry": {"on": "signed_up"}, "start": "pause",
  "steps": {"pause": {"delay": "1 day", "next": "done"}, "done": {"exit": "greeted"}}}');
SELECT journey_orch.publish('greet') IS NOT NULL AS published;
SELECT count(journey_orch.emit('signed_up', i::text)) FROM generate_series(1, 40) i;
SELECT sum(lag_events) AS lag, sum(applied) AS applied, max(lag_seconds) < 60 AS is_young FROM journey_orch.lane_status;
SELECT journey_orch.settle('0 s');
SELECT level, name, hint FROM journey_orch.health();

-- max_batches bounds the work, until the timers.
CALL journey_orch.run(max_batches => 3);
SELECT count(*) AS lanes FROM journey_orch.lane_status WHERE applied > 0;
CALL journey_orch.run();
SELECT sum(lag_events) AS lag, sum(applied) AS applied, sum(entered) AS entered, sum(ended) AS ended,
  max(clock) AS clock FROM journey_orch.lane_status;
SELECT journey_orch.settle('0 s');
SELECT journey_orch.set_clock('2030-01-03 00:00:00+00');
SELECT journey_orch.settle('0 s');
CALL journey_orch.run(until => '2030-01-01 12:00:00+00');
SELECT sum(ended) AS ended FROM journey_orch.lane_status;
SELECT journey_orch.settle('0 s');
CALL journey_orch.run();
SELECT sum(ended) AS ended FROM journey_orch.lane_status;
SELECT journey_orch.settle('0 s');

-- settle() never waits for what only its own transaction has written.
BEGIN;
SELECT journey_orch.emit('signed_up', 'mine') IS NOT NULL AS emitted;
SELECT journey_orch.settle('0 s');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT journey_orch.emit('signed_up', 'mine') IS NOT NULL AS emitted;
SELECT journey_orch.settle('0 s');
ROLLBACK;

-- Errors.
SELECT journey_orch.settle(NULL);
CALL journey_orch.run(max_batches => 0);
CALL journey_orch.run(max_batches => -1);
BEGIN;
CALL journey_orch.run();
ROLLBACK;
DO $$ BEGIN CALL journey_orch.run(); END $$;
CREATE FUNCTION public.sneaky() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL journey_orch.run(); END $$;
SELECT public.sneaky();
SET default_transaction_isolation = 'serializable';
CALL journey_orch.run();
SET default_transaction_isolation = 'read committed';
SET default_transaction_read_only = on;
CALL journey_orch.run();
RESET default_transaction_read_only;

-- Who may.
CREATE ROLE worker_test_nobody;
GRANT USAGE ON SCHEMA journey_orch TO worker_test_nobody;
SET ROLE worker_test_nobody;
SELECT journey_orch.start_worker();
SELECT journey_orch.stop_worker();
CALL journey_orch.run();
SELECT journey_orch.settle();
SELECT * FROM journey_orch.health();
SELECT * FROM journey_orch.worker_status;
SELECT * FROM journey_orch.lane_status;
SET ROLE journey_orch_operator;
SELECT journey_orch.stop_worker();
CALL journey_orch.run();
SELECT journey_orch.settle();
SELECT level, name FROM journey_orch.health();
SELECT count(*) FROM journey_orch.lane_status;
RESET ROLE;
SELECT sum(applied) AS applied FROM journey_orch.lane_status;

DROP OWNED BY worker_test_nobody;
DROP ROLE worker_test_nobody;
