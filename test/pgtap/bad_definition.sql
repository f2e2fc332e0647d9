/*
 * test/pgtap/bad_definition.sql
 *    What definitions and expressions may not be made of: each place that takes
 *    an expression is given each kind of bad one; and definitions of the wrong
 *    shape, with extreme numbers, or of 10,000 steps.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;
\ir parts/refusal.sql

CREATE TABLE customer (id text PRIMARY KEY, plan text, email text);
INSERT INTO customer VALUES ('1', 'free', 'a@example.com');
CREATE TABLE orders (id int PRIMARY KEY, customer_id text);
CREATE SEQUENCE number;

-- A small definition with some keys replaced; with its first step replaced.
CREATE FUNCTION def(patch jsonb) RETURNS jsonb LANGUAGE sql AS
  $$SELECT '{"journey": "j", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"delay": "1 day", "next": "b"}, "b": {"exit": "done"}}}'::jsonb || patch$$;
CREATE FUNCTION step(step jsonb) RETURNS jsonb LANGUAGE sql AS
  $$SELECT def(jsonb_build_object('steps', jsonb_build_object('a', step, 'b', '{"exit": "done"}'::jsonb)))$$;
CREATE FUNCTION large(n int) RETURNS jsonb LANGUAGE sql AS $$
  SELECT def(jsonb_build_object('journey', 'large', 'start', 's1', 'steps', jsonb_object_agg('s' || i, CASE i WHEN n THEN '{"exit": "done"}'::jsonb
           ELSE jsonb_build_object('branch', jsonb_build_array(jsonb_build_object('when', format('customer.plan = %L', i), 'next', 's' || i + 1)), 'else', 's' || i + 1) END)))
    FROM generate_series(1, n) AS i $$;

-- Places of expressions: %s is one, quoted; where each kind of error gets the code of the place.
CREATE TABLE place (n integer GENERATED ALWAYS AS IDENTITY, function text, args text, code text, hole text);
INSERT INTO place (function, args, code, hole) VALUES
  ('define', $$step(jsonb_build_object('branch', jsonb_build_array(jsonb_build_object('when', %s, 'next', 'b')), 'else', 'b'))$$, 'JO001', '%s'),
  ('define', $$def(jsonb_build_object('entry', jsonb_build_object('on', 'x', 'when', %s)))$$, 'JO001', '%s'),
  ('define', $$def(jsonb_build_object('entry', jsonb_build_object('on', 'x', 'key', %s)))$$, 'JO001', '%s'),
  ('define', $$def(jsonb_build_object('goal', jsonb_build_object('on', 'x', 'value', %s)))$$, 'JO001', '%s'),
  ('define', $$def(jsonb_build_object('exit', jsonb_build_array(jsonb_build_object('when', %s))))$$, 'JO001', '%s'),
  ('define', $$step(jsonb_build_object('update', jsonb_build_object('u', %s), 'next', 'b'))$$, 'JO001', '%s'),
  ('set_channel', $$'c', %s$$, NULL, '%s'),
  ('set_template', $$'t', 'email', %s$$, NULL, '{{ %s }}'),
  ('watch', $$'orders', 'x', %s$$, NULL, '%s'),
  ('watch', $$'orders', 'x', 'NEW.customer_id', condition_sql => %s$$, NULL, '%s'),
  ('bind_customer', $$'customer', %s$$, NULL, '%s');

CREATE TABLE expression (n integer GENERATED ALWAYS AS IDENTITY, sql text, codes text, message text);
INSERT INTO expression (sql, codes, message) VALUES
  ('true; SELECT 1', '42601', ';'), ('true; DROP TABLE public.customer', '42601', ';'), ('(SELECT true; SELECT false)', '42601', ';'),
  ('(WITH gone AS (DELETE FROM public.customer RETURNING true) SELECT * FROM gone)', '0A000', 'data-modifying'),
  ('(INSERT INTO public.orders VALUES (1))', '42601', 'INTO'), ('$1', '42P02', '\$1'), ('$1::boolean', '42P02', '\$1'),
  ('''', '42601', 'unterminated|not closed'), ('"', '42601', 'unterminated|not closed'), ('$$', '42601', 'unterminated|not closed'), ('(true', '42601', 'end of input|syntax error|not closed'),
  ('true) OR (true', '42601', '\)'), ('true /* and', '42601', 'unterminated|not closed'), ('/* nothing */', 'JO002|42601', 'empty|one expression'), ('-- nothing', 'JO002|42601', 'empty|one expression|not closed'),
  ('true, true', 'JO002', 'one expression'), ('true FROM public.customer', 'JO002', 'FROM|one expression'), ('true AS x', 'JO002', 'alias|one expression'), ('*', 'JO002|42601', '\*|one expression'),
  ('true UNION SELECT true', '42601|JO002', 'UNION|one expression'), ('true INTO TEMP t', '42601', 'INTO|one expression'), ('true LIMIT 1', 'JO002', 'LIMIT|one expression'),
  ('count(*) > 0', 'JO002', 'aggregate'), ('row_number() OVER () > 0', 'JO002', 'window'), ('generate_series(1, 2) > 0', 'JO002', 'set-returning'),
  ('nope', '42703', 'nope'), ('nope.nope', '42P01|42703', 'nope'), ('nope(1)', '42883', 'nope'), ('1 + ''a'' = 1', '22P02', 'a'), ('true = 1', '42883', '='),
  ('''' || repeat('x', 70000) || '''', '54000|JO002', 'long|characters|bytes|no column'), (repeat('(', 20000) || 'true' || repeat(')', 20000), '54000|54001|42601', 'long|characters|bytes|memory|depth');
INSERT INTO refusal (function, args, sqlstate, message)
SELECT p.function, format(p.args, quote_literal(format(p.hole, e.sql))), coalesce(p.code, e.codes), CASE WHEN p.code IS NULL THEN e.message ELSE '/' END
  FROM place AS p, expression AS e ORDER BY p.n, e.n;

INSERT INTO refusal (function, args, sqlstate, message, has_hint)
SELECT 'define', args, coalesce(code, 'JO001'), message, true
  FROM (VALUES
  ('''null''', NULL, 'must be an object'), ('''1''', NULL, 'must be an object'), ('''{}''', NULL, '"journey" is missing'), ('def(''{"journey": ""}'')', NULL, '/journey'), ('def(''{"journey": "J"}'')', NULL, '"J"'),
  ('def(jsonb_build_object(''journey'', repeat(''j'', 64)))', NULL, '/journey'), ('def(jsonb_build_object(''journey'', repeat(''j'', 100000)))', NULL, '/journey'),
  ('def(''{"nope": 1}'')', NULL, '/nope'), ('def(''{"start": "nope"}'')', NULL, '"nope"'), ('def(''{"steps": []}'')', NULL, '/steps'), ('def(''{"steps": {}}'')', NULL, '/steps'),
  ('def(''{"timezone": "Mars/Base"}'')', NULL, 'Mars/Base'), ('def(''{"priority": 1e300}'')', NULL, '/priority'), ('def(''{"priority": 1.5}'')', NULL, '/priority'), ('def(''{"priority": -1}'')', NULL, '/priority'),
  ('def(''{"entry": {}}'')', NULL, '/entry'), ('def(''{"entry": {"on": "$x"}}'')', NULL, '\$x'), ('def(''{"entry": {"on": "x", "holdout": 2}}'')', NULL, '/entry/holdout'),
  ('def(''{"entry": {"on": "x", "reentry": {"policy": "often"}}}'')', NULL, '"often"'), ('def(''{"entry": {"on": "x", "reentry": {"cooldown": "178000000 years"}}}'')', NULL, 'cooldown'),
  ('def(''{"goal": {}}'')', NULL, '/goal'), ('def(''{"goal": {"on": "y", "of": "nope"}}'')', NULL, '"nope"'), ('def(''{"goal": {"on": "y", "within": "-1 day"}}'')', NULL, '/goal/within'), ('def(''{"exit": [{}]}'')', NULL, '/exit/0'), ('def(''{"exit": {}}'')', NULL, '/exit'),
  ('step(''{}'')', NULL, '/steps/a'), ('step(''[]'')', NULL, '/steps/a'), ('step(''{"fly": 1, "next": "b"}'')', NULL, '/steps/a'), ('step(''{"delay": "1 day", "exit": "x", "next": "b"}'')', NULL, '"delay" and "exit"'),
  ('step(''{"delay": "1 day"}'')', NULL, '"next"'), ('step(''{"delay": "1 day", "next": "nope"}'')', NULL, '"nope"'), ('step(''{"delay": "0", "next": "b"}'')', NULL, '"0"'), ('step(''{"delay": "soon", "next": "b"}'')', NULL, '"soon"'),
  ('step(''{"delay": "infinity", "next": "b"}'')', NULL, '"infinity"'), ('step(''{"delay": "101 years", "next": "b"}'')', NULL, '"101 years"'), ('step(''{"delay": 1, "next": "b"}'')', NULL, '/steps/a/delay'),
  ('step(''{"wait": {"for": []}}'')', NULL, '/steps/a/wait/for'), ('step(''{"wait": {"for": [{"on": "y", "next": "nope"}]}}'')', NULL, '"nope"'), ('step(''{"wait": {"for": [{"on": "y", "next": "b"}], "until": {"after": "1 day"}}}'')', NULL, '/steps/a/wait'),
  ('step(''{"branch": [], "else": "b"}'')', NULL, '/steps/a/branch'), ('step(''{"split": {"arms": {}}, "next": {}}'')', NULL, '/steps/a/split/arms'), ('step(''{"split": {"arms": {"a": 1}}, "next": {"b": "b"}}'')', NULL, 'arm "a"'),
  ('step(''{"split": {"arms": {"a": -1}}, "next": {"a": "b"}}'')', NULL, '/steps/a/split/arms/a'), ('step(''{"split": {"arms": {"a": 1e300}}, "next": {"a": "b"}}'')', NULL, '/steps/a/split/arms/a'), ('step(''{"update": {}, "next": "b"}'')', NULL, '/steps/a/update'),
  ('step(''{"send": {"channels": ["email"], "template": "nope"}, "next": "b"}'')', NULL, '"nope"'), ('step(''{"send": {"channels": ["nope"], "template": "t"}, "next": "b"}'')', NULL, '"nope"'), ('step(''{"send": {"channels": [], "template": "t"}, "next": "b"}'')', NULL, '/steps/a/send/channels'),
  ('step(''{"call": "1; 2", "next": "b"}'')', NULL, '/steps/a/call'), ('step(''{"call": "DELETE FROM customer", "next": "b"}'')', NULL, '/steps/a/call'), ('step(''{"call": "1"}'')', NULL, '"next"'), ('step(''{"call": 1, "next": "b"}'')', NULL, '/steps/a/call'),
  ('step(''{"emit": "$enter", "next": "b"}'')', NULL, '\$enter'), ('step(''{"emit": "message.sent", "next": "b"}'')', NULL, '/steps/a/emit'), ('step(''{"emit": {"event": "x", "payload": "1"}, "next": "b"}'')', NULL, 'integer'), ('step(''{"emit": {}, "next": "b"}'')', NULL, '/steps/a/emit'),
  ('step(''{"enter": "j", "next": "b"}'')', NULL, 'no time passes'), ('step(''{"enter": {"journey": "k", "context": "1"}, "next": "b"}'')', NULL, 'integer'), ('step(''{"enter": {"journey": "k", "when_cancelled": "explode"}, "next": "b"}'')', NULL, '"explode"'), ('step(''{"enter": {}, "next": "b"}'')', NULL, '/steps/a/enter'),
  ('step(''{"approve": {"role": "nobody at all"}, "next": {"yes": "b"}}'')', NULL, 'nobody at all'), ('step(''{"approve": {}, "next": {}}'')', NULL, '/steps/a/next'), ('step(''{"approve": {}, "next": "b"}'')', NULL, '/steps/a/next'), ('step(''{"approve": {"until": {"after": "0", "next": "b"}}, "next": {"yes": "b"}}'')', NULL, '"0"'),
  ('step(''{"delay": "1 day", "next": "b", "on_failure": "nope"}'')', NULL, '"nope"'), ('def(''{"entry": {"api": false}}'')', NULL, '/entry'), ('def(''{"entry": {"journey": []}}'')', NULL, '/entry'), ('def(''{"entry": {"api": true, "when": "true"}}'')', NULL, 'when'),
  ('def(''{"steps": {"a": {"branch": [{"when": "true", "next": "a"}], "else": "a"}}}'')', NULL, 'no time passes'), ('large(10001)', NULL, '/steps'),
  ('(SELECT def(jsonb_build_object(''entry'', (repeat(''{"a":'', 5000) || ''1'' || repeat(''}'', 5000))::jsonb)))', NULL, '/entry')) AS c (args, code, message);

BEGIN;
SELECT plan(5 + (SELECT count(*)::int FROM refusal));
SELECT journey_orch.bind_customer('customer', 'id'), journey_orch.set_channel('email', 'customer.email') \gset _
SELECT try_case(refusal) FROM refusal ORDER BY n;

-- check_definition() never raises for a bad definition, and finds an error wherever define() raises
CREATE FUNCTION findings(args text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  EXECUTE format('SELECT count(*) FILTER (WHERE severity = ''error'') FROM journey_orch.check_definition(%s)', args) INTO n;
  RETURN n;
EXCEPTION WHEN others THEN
  RETURN -1;
END
$$;
SELECT is_empty($$SELECT left(args, 100), errors FROM refusal, findings(args) AS errors WHERE function = 'define' AND errors < 1$$,
  'check_definition() has rows where define() raises');

-- 10,000 steps with a condition each
SET LOCAL statement_timeout = '60s';
SELECT is(journey_orch.define(large(10000)), 1, 'a journey of 10,000 steps is defined');
SELECT isnt_empty($$SELECT * FROM journey_orch.publish('large')$$, 'published');
SELECT journey_orch.set_clock('2026-01-01 00:00+00'), journey_orch.emit('x', '1') \gset _
SELECT journey_orch.run_here() \gset _
SELECT is((SELECT array_agg(state) FROM journey_orch.enrollment_status), '{parked}', 'and stops a run of so many moves at one instant');
SELECT is((SELECT sqlstate FROM journey_orch.parked_enrollment), '54001', 'with an error');
SELECT * FROM finish();
ROLLBACK;
