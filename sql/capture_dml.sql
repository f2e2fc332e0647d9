-- capture_dml: exactly the committed changes become events, in order, whatever
-- statement made them.
--
-- Beside the watch every table has a witness: a plain row trigger that writes
-- what it sees into table "witness".  At the end the two must agree.
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';

CREATE TABLE account (id bigint PRIMARY KEY, customer bigint, amount numeric NOT NULL, state text,
  doubled numeric GENERATED ALWAYS AS (amount * 2) STORED);
CREATE TABLE witness (n bigserial, change jsonb);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO witness (change) VALUES (jsonb_build_object('op', lower(TG_OP), 'old', to_jsonb(OLD), 'new', to_jsonb(NEW)));
  RETURN NULL;
END $$;
CREATE TRIGGER a_witness AFTER INSERT OR UPDATE OR DELETE ON account FOR EACH ROW EXECUTE FUNCTION witness();

SELECT journey_orch.watch('account', 'changed', 'coalesce(NEW.customer, OLD.customer)',
  operations => '{update,insert,delete}',
  payload_sql => $$jsonb_build_object('old', CASE WHEN NOT OLD IS NULL THEN to_jsonb(OLD) END,
                                      'new', CASE WHEN NOT NEW IS NULL THEN to_jsonb(NEW) END)$$);

-- What was captured since the last look.
CREATE TABLE looked (event_id bigint);
INSERT INTO looked VALUES (0);
CREATE FUNCTION captured() RETURNS TABLE (event text, customer text, old text, new text) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    SELECT l.event, l.customer_id, concat_ws(' ', l.payload->'old'->>'id', l.payload->'old'->>'amount', l.payload->'old'->>'state'),
           concat_ws(' ', l.payload->'new'->>'id', l.payload->'new'->>'amount', l.payload->'new'->>'state')
      FROM journey_orch.event_log l
     WHERE l.event_id > (SELECT max(k.event_id) FROM looked k) ORDER BY l.event_id;
  INSERT INTO looked SELECT max(event_id) FROM journey_orch.event_log;
END $$;

-- INSERT, multi-row INSERT, INSERT SELECT; a statement without rows
INSERT INTO account VALUES (1, 7, 10, 'new');
INSERT INTO account VALUES (2, 8, 20, 'new'), (3, 7, 30, 'new');
INSERT INTO account SELECT i, i % 2, i, 'bulk' FROM generate_series(4, 6) i;
INSERT INTO account SELECT 99, 1, 1, 'none' WHERE false;
SELECT * FROM captured();

-- UPDATE: OLD and NEW belong together; a key that changes
UPDATE account SET amount = amount + 1, state = 'up' WHERE id <= 3;
UPDATE account SET id = id + 100 WHERE id IN (4, 5);
UPDATE account SET id = 211 - id WHERE id IN (104, 105) AND false;
SELECT * FROM captured();

-- DELETE
DELETE FROM account WHERE id > 100;
SELECT * FROM captured();

-- COPY
COPY account (id, customer, amount, state) FROM stdin;
10	7	1.50	copied
11	8	2.50	copied
\.
SELECT * FROM captured();

-- ON CONFLICT: the row that was inserted and the row that was updated
INSERT INTO account VALUES (10, 7, 99, 'ignored') ON CONFLICT DO NOTHING;
INSERT INTO account VALUES (11, 8, 7, 'conflict'), (12, 9, 8, 'fresh')
  ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, state = excluded.state;
SELECT * FROM captured();

-- MERGE: all three at once
MERGE INTO account a
USING (VALUES (10, 7, 100), (11, 8, 0), (13, 9, 300)) AS v (id, customer, amount) ON a.id = v.id
WHEN MATCHED AND v.amount = 0 THEN DELETE
WHEN MATCHED THEN UPDATE SET amount = v.amount, state = 'merged'
WHEN NOT MATCHED THEN INSERT (id, customer, amount, state) VALUES (v.id, v.customer, v.amount, 'merged');
SELECT * FROM captured() ORDER BY event, new, old;

-- Writable CTE: one statement, three changes of one table
WITH gone AS (DELETE FROM account WHERE id = 13 RETURNING *),
     up AS (UPDATE account SET state = 'cte' WHERE id = 12 RETURNING *)
INSERT INTO account (id, customer, amount, state) SELECT id + 1, customer, amount, 'cte' FROM gone;
SELECT * FROM captured() ORDER BY new, old;

-- Savepoints: what was rolled back never happened
BEGIN;
INSERT INTO account VALUES (20, 7, 1, 'kept');
SAVEPOINT a;
INSERT INTO account VALUES (21, 7, 1, 'undone');
SAVEPOINT b;
INSERT INTO account VALUES (22, 7, 1, 'undone too');
RELEASE b;
ROLLBACK TO a;
INSERT INTO account VALUES (23, 7, 1, 'kept');
SAVEPOINT c;
UPDATE account SET amount = 2 WHERE id = 23;
RELEASE c;
COMMIT;
SELECT * FROM captured();
BEGIN;
INSERT INTO account VALUES (24, 7, 1, 'undone');
ROLLBACK;
INSERT INTO account VALUES (25, 7, 1, 'undone'), (20, 7, 1, 'duplicate');
DO $$
BEGIN
  INSERT INTO account VALUES (26, 7, 1, 'undone');
  RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
  INSERT INTO account VALUES (27, 7, 1, 'kept');
END $$;
SELECT * FROM captured();

-- Two-phase commit
BEGIN;
INSERT INTO account VALUES (30, 7, 1, 'prepared');
PREPARE TRANSACTION 'capture_dml_1';
BEGIN;
INSERT INTO account VALUES (31, 7, 1, 'prepared, undone');
PREPARE TRANSACTION 'capture_dml_2';
SELECT * FROM captured();
COMMIT PREPARED 'capture_dml_1';
ROLLBACK PREPARED 'capture_dml_2';
SELECT * FROM captured();

-- BEFORE triggers change NEW or suppress the row; AFTER triggers change rows again
CREATE FUNCTION shape() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state = 'unwanted' THEN RETURN NULL; END IF;
  NEW.state := upper(NEW.state);
  RETURN NEW;
END $$;
CREATE TRIGGER shape BEFORE INSERT OR UPDATE ON account FOR EACH ROW EXECUTE FUNCTION shape();
INSERT INTO account VALUES (40, 7, 1, 'shaped'), (41, 7, 1, 'unwanted');
UPDATE account SET state = CASE id WHEN 40 THEN 'unwanted' ELSE 'seen' END WHERE id IN (30, 40);
DROP TRIGGER shape ON account;
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE account SET amount = amount + 1 WHERE id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER b_again AFTER INSERT ON account FOR EACH ROW EXECUTE FUNCTION again();
INSERT INTO account VALUES (42, 7, 1, 'twice'), (43, 8, 1, 'twice');
DROP TRIGGER b_again ON account;
SELECT * FROM captured() ORDER BY event, new, old;

-- Views, rules of their own: the table below is what counts
CREATE VIEW simple AS SELECT id, customer, amount, state FROM account;
INSERT INTO simple VALUES (50, 7, 5, 'through a view');
CREATE VIEW instead AS SELECT id, amount FROM account;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO account VALUES (NEW.id, 9, NEW.amount, 'instead');
  RETURN NEW;
END $$;
CREATE TRIGGER instead INSTEAD OF INSERT ON instead FOR EACH ROW EXECUTE FUNCTION instead();
INSERT INTO instead VALUES (51, 6), (52, 6);
SELECT * FROM captured();

-- TRUNCATE is one control event without a customer
TRUNCATE looked;
INSERT INTO looked SELECT max(event_id) FROM journey_orch.event_log;
BEGIN;
TRUNCATE account;
ROLLBACK;
SELECT count(*) FROM captured();
CREATE TABLE truncated (id int PRIMARY KEY);
SELECT journey_orch.watch('truncated', 'truncated', 'NEW.id');
INSERT INTO truncated VALUES (1), (2);
TRUNCATE truncated;
INSERT INTO truncated VALUES (1);
SELECT event, kind, customer_id, payload, lane = 0 AS in_lane_0 FROM journey_orch.event_log
 WHERE event_id > (SELECT max(event_id) FROM looked) ORDER BY event_id;
INSERT INTO looked SELECT max(event_id) FROM journey_orch.event_log;

-- The witness saw the same changes (statement order aside)
SELECT count(*) AS changes FROM witness;
WITH seen AS (SELECT payload AS change FROM journey_orch.event_log WHERE event = 'changed')
SELECT 'only captured' AS what, change FROM (SELECT change FROM seen EXCEPT ALL SELECT change - 'op' FROM witness) a
UNION ALL
SELECT 'only witnessed', change FROM (SELECT change - 'op' AS change FROM witness EXCEPT ALL SELECT change FROM seen) b;
-- ... and per row in the same order.  Rows 42 and 43 are left out: an AFTER ROW
-- trigger changed them while their INSERT was under way, and a statement's events
-- come when it ends, after those of the statements it ran.
SELECT count(*) AS rows_in_another_order FROM (
  SELECT coalesce(payload->'new'->>'id', payload->'old'->>'id') AS id,
         array_agg(payload ORDER BY event_id) AS changes
    FROM journey_orch.event_log WHERE event = 'changed' GROUP BY 1) c
  JOIN (
  SELECT coalesce(change->'new'->>'id', change->'old'->>'id') AS id,
         array_agg(change - 'op' ORDER BY n) AS changes
    FROM witness GROUP BY 1) w USING (id)
 WHERE c.changes <> w.changes AND id NOT IN ('42', '43');
SELECT count(*) AS errors FROM journey_orch.capture_error;

-- session_replication_role = replica: not captured, and said so by health only while triggers are disabled
SET session_replication_role = replica;
INSERT INTO account VALUES (60, 7, 1, 'replica');
RESET session_replication_role;
SELECT * FROM captured();
ALTER TABLE account DISABLE TRIGGER journey_orch_insert;
INSERT INTO account VALUES (61, 7, 1, 'disabled');
SELECT * FROM captured();
SELECT level, name, value FROM journey_orch._capture_health();
SELECT relation, event, state FROM journey_orch.watch_status ORDER BY 1, 2;
ALTER TABLE account ENABLE TRIGGER journey_orch_insert;
SELECT level, name, value FROM journey_orch._capture_health();
