/*
 * test/pgtap/expression.sql
 *    Properties of expressions over generated texts: rubbish is refused with
 *    an ordinary SQLSTATE, and an expression has the same value whether it is
 *    evaluated on slots or, inside a sub-select, by a statement.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;

BEGIN;
SET client_min_messages = warning;
SELECT plan(5);

CREATE TABLE customer (id bigint PRIMARY KEY, name text, spent numeric);
INSERT INTO customer SELECT i, 'n' || i, i * 10 FROM generate_series(1, 10) AS i;
CREATE TABLE orders AS SELECT i AS id, (i % 10)::bigint AS customer_id FROM generate_series(1, 100) AS i;
SELECT journey_orch.bind_customer('customer', 'id::text') \g /dev/null

-- the value of an expression for customer 2, or the SQLSTATE, the row's own if there is one
CREATE FUNCTION value(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  PERFORM journey_orch.set_template('t', 'email', '{{{' || sql || E'\n}}}');
  RETURN (SELECT 'value ' || r.body FROM journey_orch.render('t', '2', '{"items": "5", "word": "six"}') AS r);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN 'error ' || coalesce(substring(detail FROM ' raised (.....):'), sqlstate);
END $$;

CREATE FUNCTION one_of(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
  'SELECT choices[1 + floor(random() * cardinality(choices))::int]';

CREATE FUNCTION rubbish() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT string_agg(one_of('(', ')', '1', '''a''', 'customer', 'customer.id', '.', 'customer.spent', 'event',
    'event->>''word''', 'context', 'journey.now', '->>', '+', '/', '||', 'and', 'not', 'is null', '::int', '::text', '::date',
    'case when', 'then', 'else', 'end', '--', '/*', '*/', E'\n', '(select', 'from public.orders o', 'where', 'o.customer_id', '=',
    'count(*)', 'max(', 'exists', 'in', 'array[', ']', ',', '$1', '$' || '$', '''', '"', ';', 'new', 'null', 'coalesce(', '::jsonb',
    '''now''', 'now()', '*', 'limit 1', 'union all', 'with x as', 'as x', 'values (1)', 'row(', 'generate_series(1, 3)', 'over ()',
    'collate "C"', 'like', 'any', 'E''\', 'U&"', '%'), ' ')
    FROM generate_series(0, floor(random() * 9)::int)
$$;

-- a well-formed expression of type int or text
CREATE FUNCTION number(depth int) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF depth > 0 THEN
    CASE floor(random() * 8)
      WHEN 0 THEN RETURN format('(%s + %s)', number(depth - 1), number(depth - 1));
      WHEN 1 THEN RETURN format('(%s / %s)', number(depth - 1), number(depth - 1));
      WHEN 2 THEN RETURN format('coalesce(%s, %s)', number(depth - 1), number(depth - 1));
      WHEN 3 THEN RETURN format('case when %s > %s then %s end', number(depth - 1), number(depth - 1), number(depth - 1));
      WHEN 4 THEN RETURN format('(select max(o.id) from public.orders o where o.customer_id = %s)', number(depth - 1));
      WHEN 5 THEN RETURN format(E'(select count(*)::int from (values (%s), (1)) v (id) where v.id > %s) -- x\n', number(depth - 1), number(depth - 1));
      WHEN 6 THEN RETURN format('length(concat(%s, %s::text))', number(depth - 1), number(depth - 1));
      ELSE NULL;
    END CASE;
  END IF;
  RETURN one_of('1', '0', '-3', 'customer.id::int', 'customer.spent::int', '(event->>''items'')::int', 'length(event->>''word'')',
    'length(customer.name)', '(event->>''word'')::int', 'null::int');
END $$;

SELECT setseed(0.42) \g /dev/null
CREATE TABLE rubbish AS SELECT sql, value(sql) AS outcome FROM (SELECT rubbish() AS sql FROM generate_series(1, 1500)) AS r;
SELECT is_empty($$SELECT sql, outcome FROM rubbish WHERE outcome LIKE 'error XX%' OR outcome LIKE 'error 57%' OR outcome IS NULL$$,
  'no random text is an internal error');
SELECT cmp_ok((SELECT count(*) FROM rubbish WHERE outcome LIKE 'value %'), '>', 20::bigint, 'some random texts have values');
SELECT cmp_ok((SELECT count(DISTINCT outcome) FROM rubbish WHERE outcome LIKE 'error %'), '>', 8::bigint, 'and the others many kinds of error');

CREATE TABLE pair AS
  SELECT sql, value(sql) AS plain, value('(select ' || sql || E'\n)') AS grouped
    FROM (SELECT number(1 + i % 4) AS sql FROM generate_series(1, 500) AS i) AS g;
-- the planner may fold a constant error away, or meet it early: only values are compared
SELECT is_empty($$SELECT * FROM pair WHERE plain LIKE 'value %' AND grouped LIKE 'value %' AND plain <> grouped$$,
  'slots and statements agree');
SELECT cmp_ok((SELECT count(*) FROM pair WHERE plain LIKE 'value %' AND grouped LIKE 'value %'), '>', 200::bigint, 'on many values');

SELECT * FROM finish();
ROLLBACK;
