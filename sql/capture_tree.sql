-- capture_tree: partitions, children, foreign tables.  A row is captured once,
-- whichever table the statement names.
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';

CREATE TABLE looked (event_id bigint);
INSERT INTO looked VALUES (0);
CREATE FUNCTION captured() RETURNS TABLE (event text, customer text, payload jsonb) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    SELECT l.event, l.customer_id, l.payload FROM journey_orch.event_log l
     WHERE l.event_id > (SELECT max(k.event_id) FROM looked k) ORDER BY l.event_id;
  INSERT INTO looked SELECT max(event_id) FROM journey_orch.event_log;
END $$;
CREATE VIEW trigger_of AS
SELECT tgrelid::regclass AS relation, tgname, tgenabled, tgparentid <> 0 AS is_clone
  FROM pg_trigger WHERE tgfoid = 'journey_orch.capture'::regproc;

-- Partitions, one with another column order, one below another
CREATE TABLE sale (id bigint, region text, customer bigint, amount int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE sale_a PARTITION OF sale FOR VALUES IN ('a');
CREATE TABLE sale_b (amount int, dropped int, customer bigint, region text NOT NULL, id bigint NOT NULL);
ALTER TABLE sale_b DROP COLUMN dropped;
ALTER TABLE sale ATTACH PARTITION sale_b FOR VALUES IN ('b');
CREATE TABLE sale_c PARTITION OF sale FOR VALUES IN ('c', 'd') PARTITION BY LIST (region);
CREATE TABLE sale_d PARTITION OF sale_c FOR VALUES IN ('d');

SELECT journey_orch.watch('sale', 'sold', 'NEW.customer', columns => '{id,region,amount}');
SELECT journey_orch.watch('sale', 'sale_changed', 'NEW.customer', operations => '{update}',
  payload_sql => $$jsonb_build_object('old', to_jsonb(OLD), 'new', to_jsonb(NEW))$$);
SELECT journey_orch.watch('sale', 'sale_gone', 'OLD.customer', operations => '{delete}', columns => '{id,region}');
SELECT * FROM trigger_of ORDER BY 1, 2;

-- through the parent, and through leaves at every level
INSERT INTO sale VALUES (1, 'a', 7, 10), (2, 'b', 8, 20), (3, 'd', 9, 30);
INSERT INTO sale_a VALUES (4, 'a', 7, 40);
INSERT INTO sale_b (id, region, customer, amount) VALUES (5, 'b', 8, 50);
INSERT INTO sale_c VALUES (6, 'd', 9, 60);
INSERT INTO sale_d VALUES (7, 'd', 9, 70);
COPY sale (id, region, customer, amount) FROM stdin;
8	b	8	80
\.
SELECT * FROM captured();
UPDATE sale SET amount = amount + 1 WHERE id IN (1, 2, 3);
UPDATE sale_b SET amount = amount + 1 WHERE id = 5;
DELETE FROM sale WHERE id IN (6, 7);
DELETE FROM sale_a WHERE id = 4;
SELECT * FROM captured();

-- A row that moves to another partition is one update, with its OLD row
UPDATE sale SET region = CASE region WHEN 'a' THEN 'b' ELSE 'a' END, amount = 0 WHERE id IN (1, 2);
SELECT * FROM captured();

-- ... also when a trigger of the new partition drops some of the moved rows
INSERT INTO sale SELECT i, 'a', i, i FROM generate_series(11, 16) i;
SELECT count(*) FROM captured();
CREATE FUNCTION drop_even() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN RETURN CASE WHEN NEW.id % 2 = 1 THEN NEW END; END$$;
CREATE TRIGGER drop_even BEFORE INSERT ON sale_d FOR EACH ROW EXECUTE FUNCTION drop_even();
UPDATE sale SET region = CASE WHEN id > 12 THEN 'd' ELSE region END, amount = -amount WHERE id BETWEEN 11 AND 16;
SELECT customer, payload->'old'->>'id' AS old_id, payload->'old'->>'region' AS was, payload->'old'->>'amount' AS old_amount,
       payload->'new'->>'id' AS new_id, payload->'new'->>'region' AS became, payload->'new'->>'amount' AS new_amount
  FROM captured();
DROP TRIGGER drop_even ON sale_d;

-- Partitions that come later: created, attached with rows, and in CREATE SCHEMA
CREATE TABLE sale_e PARTITION OF sale FOR VALUES IN ('e');
CREATE TABLE sale_f (LIKE sale INCLUDING ALL);
INSERT INTO sale_f VALUES (20, 'f', 7, 1);
ALTER TABLE sale ATTACH PARTITION sale_f FOR VALUES IN ('f');
CREATE SCHEMA parts CREATE TABLE sale_g PARTITION OF public.sale FOR VALUES IN ('g');
INSERT INTO sale_e VALUES (21, 'e', 7, 2);
INSERT INTO sale_f VALUES (22, 'f', 7, 3);
INSERT INTO parts.sale_g VALUES (23, 'g', 7, 4);
INSERT INTO sale VALUES (24, 'e', 7, 5), (25, 'f', 7, 6), (26, 'g', 7, 7);
SELECT * FROM captured();
SELECT level, name, value FROM journey_orch._capture_health();

-- A detached partition is no longer watched
ALTER TABLE sale DETACH PARTITION sale_f;
INSERT INTO sale_f VALUES (27, 'f', 7, 8);
SELECT count(*) FROM captured();
SELECT count(*) AS triggers_left FROM trigger_of WHERE relation = 'sale_f'::regclass;

-- TRUNCATE: one control event for a tree, one for a leaf
TRUNCATE sale;
TRUNCATE sale_a;
SELECT * FROM captured();

-- A watch on a partition sees the rows that come through the parent: row mode
SELECT journey_orch.watch('sale_a', 'sold_in_a', 'NEW.customer', operations => '{insert,update,delete}', columns => '{id}',
  condition_sql => 'true');
SELECT relation, event, mode, state, relations FROM journey_orch.watch_status ORDER BY 1, 2;
INSERT INTO sale VALUES (30, 'a', 7, 1), (31, 'b', 7, 1);
INSERT INTO sale_a VALUES (32, 'a', 7, 1);
SELECT * FROM captured() ORDER BY payload->>'id', event;
SELECT journey_orch.unwatch('sale_a', 'sold_in_a');
SELECT DISTINCT tgname FROM trigger_of WHERE relation = 'sale_a'::regclass ORDER BY 1;

-- Plain inheritance; children have more columns, payloads have the parent's
CREATE TABLE person (id bigint PRIMARY KEY, name text);
CREATE TABLE worker (salary int, PRIMARY KEY (id)) INHERITS (person);
SELECT journey_orch.watch('person', 'person_changed', 'NEW.id', operations => '{insert,update}');
INSERT INTO person VALUES (1, 'p');
INSERT INTO worker VALUES (2, 'w', 100);
UPDATE person SET name = upper(name);
UPDATE ONLY person SET name = 'only';
CREATE TABLE boss (salary int, id bigint PRIMARY KEY, name text);
ALTER TABLE boss INHERIT person;
INSERT INTO boss VALUES (100, 3, 'b');
ALTER TABLE boss NO INHERIT person;
INSERT INTO boss VALUES (100, 4, 'c');
SELECT * FROM captured();

-- Foreign tables have no transition tables: row mode
CREATE EXTENSION postgres_fdw;
DO $$
BEGIN
  EXECUTE format('CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
    split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database());
END $$;
CREATE USER MAPPING FOR CURRENT_USER SERVER here;
CREATE TABLE remote (id bigint PRIMARY KEY, region text, customer bigint, amount int);
CREATE FOREIGN TABLE far (id bigint, region text, customer bigint, amount int) SERVER here OPTIONS (table_name 'remote');
SELECT journey_orch.watch('far', 'far_changed', 'coalesce(NEW.customer, OLD.customer)', operations => '{insert,update,delete}',
  payload_sql => $$jsonb_build_object('old', OLD.amount, 'new', NEW.amount)$$);
INSERT INTO far VALUES (1, 'z', 7, 1), (2, 'z', 8, 2);
UPDATE far SET amount = amount * 10;
DELETE FROM far WHERE id = 1;
SELECT * FROM captured();

-- A foreign partition turns the whole tree to row mode, and back when it leaves
CREATE TABLE mixed (id bigint, region text, customer bigint, amount int) PARTITION BY LIST (region);
CREATE TABLE mixed_a PARTITION OF mixed FOR VALUES IN ('a');
CREATE TABLE mixed_b (amount int, customer bigint, region text, id bigint);
ALTER TABLE mixed ATTACH PARTITION mixed_b FOR VALUES IN ('b');
SELECT journey_orch.watch('mixed', 'mixed', 'coalesce(NEW.customer, OLD.customer)', operations => '{insert,update,delete}',
  payload_sql => $$jsonb_build_object('old', OLD.amount, 'new', NEW.amount)$$);
SELECT relation, event, mode, state FROM journey_orch.watch_status WHERE relation = 'mixed'::regclass;
CREATE FOREIGN TABLE mixed_z PARTITION OF mixed FOR VALUES IN ('z') SERVER here OPTIONS (table_name 'remote');
SELECT relation, event, mode, state FROM journey_orch.watch_status WHERE relation = 'mixed'::regclass;
SELECT * FROM trigger_of WHERE relation::text LIKE 'mixed%' ORDER BY 1, 2;
INSERT INTO mixed VALUES (40, 'a', 7, 1), (41, 'b', 8, 2), (42, 'z', 9, 3);
INSERT INTO mixed_b (id, region, customer, amount) VALUES (43, 'b', 8, 4);
UPDATE mixed SET amount = 50 WHERE id IN (41, 42);
SELECT * FROM captured();
-- ... in which a row that moves is a DELETE and an INSERT, as for every row trigger
UPDATE mixed SET region = 'a' WHERE id = 41;
DELETE FROM mixed WHERE id >= 40;
SELECT * FROM captured();
-- a watch of its own on a partition: its own trigger beside the clone
SELECT journey_orch.watch('mixed_b', 'in_b', 'NEW.customer', columns => '{id}');
SELECT tgname, is_clone FROM trigger_of WHERE relation = 'mixed_b'::regclass ORDER BY 1;
INSERT INTO mixed VALUES (44, 'b', 8, 5), (45, 'a', 7, 6);
SELECT * FROM captured() ORDER BY event, payload;
SELECT journey_orch.unwatch('mixed_b', 'in_b');
ALTER TABLE mixed DETACH PARTITION mixed_z;
SELECT relation, event, mode, state FROM journey_orch.watch_status WHERE relation = 'mixed'::regclass;
SELECT * FROM trigger_of WHERE relation::text LIKE 'mixed%' ORDER BY 1, 2;
INSERT INTO mixed VALUES (50, 'a', 7, 1), (51, 'b', 8, 2);
UPDATE mixed SET region = 'b' WHERE id = 50;
SELECT * FROM captured();

-- Dropped tables take their watches with them
DROP TABLE sale, mixed;
DROP FOREIGN TABLE far;
SELECT relation, event FROM journey_orch.watch_status ORDER BY 1, 2;
SELECT count(*) AS errors FROM journey_orch.capture_error;
SELECT level, name, value FROM journey_orch._capture_health();
