-- capture: declaring watches, what is refused, and how watches live and die
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, amount numeric, status text);

-- created, unchanged, replaced
SELECT journey_orch.watch('orders', 'order_placed', 'NEW.customer_id');
SELECT journey_orch.watch('orders', 'order_placed', 'NEW.customer_id');
SELECT journey_orch.watch('orders', 'order_placed', 'NEW.customer_id', operations => '{update,insert,insert}');
SELECT journey_orch.watch('orders', 'order_placed', 'NEW.customer_id', operations => '{insert,update}');
SELECT journey_orch.watch('orders', 'order_placed', 'NEW.customer_id', condition_sql => 'NEW.amount > 0');
SELECT relation, event, operations, mode, state, relations, errors, customer_sql, condition_sql, payload_sql, columns
  FROM journey_orch.watch_status;
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'orders'::regclass ORDER BY tgname;

-- Arguments that are refused, each by name
SELECT journey_orch.watch(NULL, 'e', 'NEW.id');
SELECT journey_orch.watch('orders', NULL, 'NEW.id');
SELECT journey_orch.watch('orders', '', 'NEW.id');
SELECT journey_orch.watch('orders', '$enter', 'NEW.id');
SELECT journey_orch.watch('orders', 'message.opened', 'NEW.id');
SELECT journey_orch.watch('orders', 'journey.ended', 'NEW.id');
SELECT journey_orch.watch('orders', repeat('x', 201), 'NEW.id');
SELECT journey_orch.watch('orders', 'e', NULL);
SELECT journey_orch.watch('orders', 'e', '');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', operations => NULL);
SELECT journey_orch.watch('orders', 'e', 'NEW.id', operations => '{}');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', operations => '{truncate}');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', operations => '{insert,NULL}');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', columns => '{}');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', columns => '{id,nothing}');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', columns => '{ctid}');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', columns => '{id,id}');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', columns => '{id}', payload_sql => '''{}''');
SELECT journey_orch.watch('nowhere', 'e', 'NEW.id');

-- Expressions that are refused, with the argument and the position
SELECT journey_orch.watch('orders', 'e', 'NEW.nothing');
SELECT journey_orch.watch('orders', 'e', 'customer_id');
SELECT journey_orch.watch('orders', 'e', 'NEW.id; DROP TABLE orders');
SELECT journey_orch.watch('orders', 'e', '(SELECT 1)');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', condition_sql => 'NEW.amount');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', condition_sql => 'NEW.amount >');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', condition_sql => 'count(*) > 1');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', condition_sql => 'random() > 0.5');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', payload_sql => 'NEW.amount');
SELECT journey_orch.watch('orders', 'e', 'NEW.id', condition_sql => 'OLD.amount < NEW.amount');
SELECT journey_orch.watch('orders', 'e', 'OLD.id', operations => '{delete}', condition_sql => 'NEW.amount > 0');

-- Relations that cannot be watched
CREATE VIEW some_view AS SELECT * FROM orders;
CREATE MATERIALIZED VIEW some_matview AS SELECT * FROM orders;
CREATE TEMPORARY TABLE some_temp (id int);
CREATE SEQUENCE some_sequence;
SELECT journey_orch.watch('some_view', 'e', 'NEW.id');
SELECT journey_orch.watch('some_matview', 'e', 'NEW.id');
SELECT journey_orch.watch('some_temp', 'e', 'NEW.id');
SELECT journey_orch.watch('some_sequence', 'e', 'NEW.last_value');
SELECT journey_orch.watch('pg_class', 'e', 'NEW.oid');
SELECT journey_orch.watch('journey_orch.watch', 'e', 'NEW.watch_id');
SELECT journey_orch.watch('orders_pkey', 'e', 'NEW.id');

-- Nothing half-done came of all that
SELECT count(*) AS watches FROM journey_orch.watch;

-- Only the owner
CREATE ROLE capture_author;
GRANT journey_orch_author TO capture_author;
SET ROLE capture_author;
SELECT journey_orch.watch('orders', 'e', 'NEW.id');
SELECT journey_orch.unwatch('orders', 'order_placed');
RESET ROLE;
GRANT CREATE ON SCHEMA public TO capture_author;
SET ROLE capture_author;
CREATE TABLE mine (id int PRIMARY KEY);
SELECT journey_orch.watch('mine', 'mine', 'NEW.id');
INSERT INTO mine VALUES (1);
SELECT count(*) FROM journey_orch.event_log;
RESET ROLE;
SELECT event, customer_id FROM journey_orch.event_log WHERE event = 'mine';
SELECT owner FROM journey_orch.watch_status WHERE event = 'mine';

-- unwatch
SELECT journey_orch.unwatch('orders', 'nothing');
SELECT journey_orch.unwatch(NULL, 'nothing');
SELECT journey_orch.watch('orders', 'order_gone', 'OLD.customer_id', operations => '{delete}');
SELECT journey_orch.unwatch('orders', 'order_placed');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass ORDER BY 1;
INSERT INTO orders VALUES (1, 7, 10, 'new');
DELETE FROM orders;
SELECT event, customer_id, payload FROM journey_orch.event_log WHERE event LIKE 'order%';
SELECT journey_orch.unwatch('orders', 'order_gone');
SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid = 'orders'::regclass;

-- A transaction that rolls back leaves neither watch nor trigger, nor a stale cache
BEGIN;
SELECT journey_orch.watch('orders', 'undone', 'NEW.customer_id');
INSERT INTO orders VALUES (2, 7, 10, 'new');
SELECT count(*) AS captured FROM journey_orch.event_log WHERE event = 'undone';
ROLLBACK;
INSERT INTO orders VALUES (3, 7, 10, 'new');
SELECT count(*) AS captured FROM journey_orch.event_log WHERE event = 'undone';
SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid = 'orders'::regclass;

-- Somebody drops the trigger: health says so, watch() repairs it
SELECT journey_orch.watch('orders', 'order_placed', 'NEW.customer_id');
DROP TRIGGER journey_orch_insert ON orders;
SELECT level, name, value FROM journey_orch._capture_health();
SELECT journey_orch.watch('orders', 'order_placed', 'NEW.customer_id');
SELECT level, name, value FROM journey_orch._capture_health();

-- Renaming the table is nothing to a watch; dropping it ends the watch
ALTER TABLE orders RENAME TO purchases;
INSERT INTO purchases VALUES (4, 8, 10, 'new');
SELECT event, customer_id, relation FROM journey_orch.event_log WHERE event = 'order_placed';
DROP TABLE purchases CASCADE;
SELECT relation, event FROM journey_orch.watch_status ORDER BY 1;
SELECT event, customer_id, relation FROM journey_orch.event_log WHERE event = 'order_placed';

-- The trigger function refuses to be used otherwise
SELECT journey_orch.capture();
CREATE TABLE other (id int);
CREATE TRIGGER wrong BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION journey_orch.capture();
INSERT INTO other VALUES (1);
CREATE TRIGGER wrong_too AFTER INSERT ON mine FOR EACH STATEMENT EXECUTE FUNCTION journey_orch.capture();
INSERT INTO mine VALUES (2);
DROP TRIGGER wrong_too ON mine;
DROP TABLE other;

-- DROP EXTENSION says what is in the way, and takes it along with CASCADE
\set VERBOSITY terse
DROP EXTENSION journey_orch;
DROP EXTENSION journey_orch CASCADE;
INSERT INTO mine VALUES (3);
SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid = 'mine'::regclass;
DROP TABLE mine;
REVOKE CREATE ON SCHEMA public FROM capture_author;
REVOKE journey_orch_author FROM capture_author;
DROP ROLE capture_author;
