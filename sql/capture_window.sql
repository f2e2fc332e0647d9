-- capture_window: whatever wrote the log, a reader gets every committed event
-- once, and none that was rolled back.
--
-- An index entry stands for the rows that one flush put on a page.  So the log
-- is filled with flushes that share pages, fill several, are rolled back beside
-- others of the same transaction, and are vacuumed away.
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
CREATE TABLE t (id int PRIMARY KEY, customer int, filler text);
SELECT journey_orch.watch('t', 'written', 'NEW.customer');

-- many events of one lane in one statement, over several pages
INSERT INTO t SELECT i, 1, 'bulk' FROM generate_series(1, 1500) i;
-- all lanes in one statement
INSERT INTO t SELECT 10000 + i, i, 'lanes' FROM generate_series(1, 3000) i;
-- many statements of one transaction on one page, with others in between
DO $$
BEGIN
  FOR i IN 1 .. 300 LOOP
    INSERT INTO t VALUES (20000 + i, i % 3, 'single');
  END LOOP;
END $$;
-- savepoints: flushes that live and flushes that die, of one transaction
DO $$
BEGIN
  FOR i IN 1 .. 200 LOOP
    BEGIN
      INSERT INTO t SELECT 30000 + i * 10 + j, 1, 'kept or not' FROM generate_series(1, 5) j;
      IF i % 2 = 0 THEN RAISE division_by_zero; END IF;
    EXCEPTION WHEN division_by_zero THEN
      NULL;
    END;
  END LOOP;
END $$;
-- rows of every size
INSERT INTO t SELECT 40000 + i, 1, repeat('x', (i * 97) % 9000) FROM generate_series(1, 300) i;
-- a transaction that is rolled back whole
BEGIN;
INSERT INTO t SELECT 50000 + i, i, 'undone' FROM generate_series(1, 1000) i;
ROLLBACK;
-- dead rows go, and others take their place on the pages
DO $$
DECLARE leaf regclass;
BEGIN
  FOR leaf IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'journey_orch.event'::regclass LOOP
    PERFORM set_config('capture.leaves', concat_ws(', ', nullif(current_setting('capture.leaves', true), ''), leaf), false);
  END LOOP;
END $$;
SELECT 'VACUUM ' || current_setting('capture.leaves') AS vacuum \gset
:vacuum;
INSERT INTO t SELECT 60000 + i, 1, 'after vacuum' FROM generate_series(1, 700) i;
DO $$
BEGIN
  FOR i IN 1 .. 100 LOOP
    INSERT INTO t VALUES (70000 + i, 1, 'single after vacuum');
  END LOOP;
END $$;
-- the planner does not take the index for an index of all rows
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(*) = (SELECT count(*) FROM t) AS all_rows FROM journey_orch.event WHERE xid > '0';
RESET enable_seqscan;
RESET enable_bitmapscan;
CREATE TABLE expected AS SELECT count(*) AS events FROM journey_orch.event;
SELECT count(*) AS captured, count(*) = (SELECT count(*) FROM t) AS all_rows FROM journey_orch.event;
-- and it is as small as it was meant to be
CREATE EXTENSION pageinspect;
SELECT sum(live_items) < 0.3 * (SELECT count(*) FROM journey_orch.event WHERE customer_id = '1') AS has_few_entries
  FROM generate_series(1, pg_relation_size(format('journey_orch.event_%s_0_xid_seq', to_char(journey_orch.lane_of('1'), 'FM00'))) / 8192 - 1) b,
       bt_page_stats(format('journey_orch.event_%s_0_xid_seq', to_char(journey_orch.lane_of('1'), 'FM00')), b) WHERE type = 'l';

-- read, with more events coming in between
CALL journey_orch.run(max_batches => 20);
INSERT INTO t SELECT 80000 + i, i % 5, 'between' FROM generate_series(1, 100) i;
CALL journey_orch.run();
SELECT sum(applied) AS applied, sum(applied) = (SELECT count(*) FROM journey_orch.event) AS every_event_once
  FROM (SELECT DISTINCT ON (lane) applied FROM journey_orch.lane_cursor ORDER BY lane, batch DESC) c;
SELECT count(*) = (SELECT events + 100 FROM expected) AS none_came_or_went FROM journey_orch.event;
CALL journey_orch.run();
SELECT sum(applied) AS applied_again
  FROM (SELECT DISTINCT ON (lane) applied FROM journey_orch.lane_cursor ORDER BY lane, batch DESC) c;
