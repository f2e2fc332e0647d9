-- expression: what an author's SQL may be, who it runs as, what it may do.
-- A template's hole is the shortest way to compile and evaluate one.
CREATE EXTENSION IF NOT EXISTS journey_orch;
SET timezone = 'Asia/Tokyo';
SET datestyle = 'German';
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_expression_author;
GRANT journey_orch_author TO regress_expression_author;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO regress_expression_author;
CREATE TABLE shop.customer (gone int, id bigint PRIMARY KEY, name text, spent numeric, address jsonb, secret text);
ALTER TABLE shop.customer DROP COLUMN gone;
INSERT INTO shop.customer SELECT i, 'n' || i, i * 100, '{"city": "Oslo"}', 's' FROM generate_series(1, 20) AS i;
CREATE TABLE shop.orders AS
  SELECT i AS id, (i % 20 + 1)::bigint AS customer_id, i AS amount, 'column' || i AS event FROM generate_series(1, 200) AS i;
CREATE TABLE shop.private (a int);
GRANT SELECT ON shop.orders TO regress_expression_author;
GRANT SELECT (id, name, spent, address) ON shop.customer TO regress_expression_author;
SELECT journey_orch.bind_customer('shop.customer', 'id::text');

-- the value of an expression for customer 2, or its error
CREATE FUNCTION value(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
  hint text;
BEGIN
  PERFORM journey_orch.set_template('t', 'email', '{{{' || sql || E'\n}}}');
  RETURN (SELECT coalesce(r.body, '(null)') FROM journey_orch.render('t', '2', '{"items": "5", "word": "six"}') AS r);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN left(concat_ws(' | ', sqlstate, sqlerrm, nullif(detail, ''), nullif(hint, '')), 400);
END $$;

-- One expression, whatever the text does to look like more
SELECT value('1 + 1');
SELECT value('1 -- one');
SELECT value('(SELECT 1) /* one */ -- one');
SELECT value('1) + (2');
SELECT value('1; SELECT 2');
SELECT value('1, 2');
SELECT value('1 AS one');
SELECT value('1 FROM shop.orders');
SELECT value('1 ORDER BY 1');
SELECT value('*');
SELECT value('SELECT 1');
SELECT value('$1');
SELECT left(value(repeat('(', 10000) || '1' || repeat(')', 10000)), 100);
SELECT left(value(repeat('1+', 32000) || '1'), 60);
SELECT left(value(repeat('x', 70000)), 60);

-- Variables, and what hides them
SELECT value('customer.name || customer.spent');
SELECT value('customer.id');
SELECT value('event->>''word''');
SELECT value('(event->>''items'')::int * 2');
SELECT value('journey.now IS NULL OR journey.now > ''2000-01-01''');
SELECT value('(SELECT event FROM shop.orders WHERE id = 7)');
SELECT value('(SELECT event->>''word'' FROM (VALUES (1)) AS v)');
SELECT value('(SELECT customer.id FROM (VALUES (5)) AS customer (id))');
SELECT value('(SELECT customer.name FROM (VALUES (5)) AS customer (id))');
SELECT value('(SELECT sum(o.amount) FROM shop.orders AS o WHERE o.customer_id = customer.id)');
SELECT value('(WITH RECURSIVE r(n) AS (SELECT customer.id UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT sum(n) FROM r)');
SELECT value('(SELECT sum(o.amount) FROM (SELECT * FROM shop.orders AS i WHERE i.customer_id = customer.id) AS o, LATERAL (SELECT customer.spent) AS l)');
SELECT value('ARRAY(SELECT o.id FROM shop.orders AS o WHERE o.customer_id = customer.id ORDER BY o.id LIMIT 3)');
SELECT value('customer.nam');
SELECT value('''ü'' || customer.nam');
SELECT value('spent > 3');
SELECT value('customer.gone');
SELECT value('customer.*');
SELECT value('event.items');
SELECT value('customer.address.city');
SELECT value('nothing');
SELECT value('(SELECT count(*) FROM _jo_rows)');

-- Rules
SELECT value('count(*)');
SELECT value('(SELECT max(customer.spent) FROM shop.orders)');
SELECT value('rank() OVER ()');
SELECT value('generate_series(1, 2)');
SELECT clock, value(clock) FROM unnest(ARRAY['now()', 'current_date', 'current_timestamp', 'localtime',
  'clock_timestamp()', 'statement_timestamp()', 'transaction_timestamp()', 'timeofday()', 'random()',
  'gen_random_uuid()', 'pg_sleep(1)', 'txid_current()', 'age(journey.now)', '''today''::date',
  'timestamptz '' Now''', '$$tomorrow$$::date', '(SELECT now() FROM shop.orders LIMIT 1)',
  'set_config(''a.b'', ''c'', false)', 'pg_notify(''a'', ''b'')', 'lo_create(1)', 'pg_advisory_lock(1)'])
  WITH ORDINALITY AS t(clock, n) ORDER BY n;
SELECT value('(SELECT id FROM shop.orders LIMIT 1 FOR UPDATE)');
SELECT value('(SELECT count(*) FROM shop.orders TABLESAMPLE system (10))');
SELECT value('(WITH d AS (DELETE FROM shop.orders RETURNING 1) SELECT count(*) FROM d)');
CREATE TEMPORARY TABLE mine (a int);
SELECT value('(SELECT count(*) FROM mine)');

-- It runs as its owner, who sees what he may see
SELECT value('current_user = session_user');
SET ROLE regress_expression_author;
SELECT value('current_user');
SELECT value('(SELECT current_user)');
SELECT value('customer.name');
SELECT value('customer.secret');
SELECT value('to_jsonb(customer)');
SELECT value('(SELECT count(*) FROM shop.private)');
RESET ROLE;

-- It changes nothing, also through a function that says it only reads
CREATE FUNCTION shop.writes() RETURNS int LANGUAGE sql AS 'INSERT INTO shop.private VALUES (1) RETURNING a';
CREATE FUNCTION shop.sneaks() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN shop.writes(); END';
CREATE FUNCTION shop.draws() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN nextval(''shop.number''); END';
CREATE SEQUENCE shop.number;
CREATE FUNCTION shop.sets() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN set_config(''work_mem'', ''77MB'', false); END';
CREATE FUNCTION shop.stores() RETURNS oid LANGUAGE plpgsql STABLE AS 'BEGIN RETURN lo_create(4711); END';
SELECT value('shop.writes()');
SELECT value('shop.sneaks()');
SELECT value('(SELECT shop.sneaks())');
SELECT value('shop.draws()');
SELECT value('shop.sets()'), current_setting('work_mem') = '77MB';
SELECT value('shop.stores()'), count(*) FROM pg_largeobject_metadata WHERE oid = 4711;
SELECT count(*) FROM shop.private;

-- The session's settings do not change what it means
SELECT value('''2024-03-01 12:00+00''::timestamptz::text');
SELECT value('''01/02/2024''::date::text');
SELECT value('(SELECT ''2024-03-01 12:00+00''::timestamptz::text)');
SET transform_null_equals = on;
SELECT value('coalesce((event->>''nothing'' = NULL)::text, ''unknown'')');

-- Errors of a row keep their SQLSTATE; NULLs pass
SELECT value('10 / (customer.id - 2)');
SELECT value('10 / (customer.id - 2) + (SELECT 0)');
SELECT value('(event->>''word'')::int');
SELECT value('event->>''nothing''');
SELECT value('(SELECT NULL)');
SET statement_timeout = '100ms';
SELECT value('(SELECT count(*) FROM generate_series(1, 100000000))');
RESET statement_timeout;

-- Tables change below it
SELECT value('customer.spent + (SELECT count(*) FROM shop.orders)');
ALTER TABLE shop.customer ADD COLUMN later int DEFAULT 7;
SELECT body FROM journey_orch.render('t', '2');
ALTER TABLE shop.orders RENAME TO purchases;
SELECT body FROM journey_orch.render('t', '2');
ALTER TABLE shop.purchases RENAME TO orders;
SELECT body FROM journey_orch.render('t', '2');
ALTER TABLE shop.customer DROP COLUMN spent;
SELECT body FROM journey_orch.render('t', '2');

DROP OWNED BY regress_expression_author;
DROP ROLE regress_expression_author;
