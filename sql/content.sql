-- content: templates, their holes, escaping, locales, previews
CREATE EXTENSION journey_orch;
CREATE ROLE regress_content_author;
CREATE ROLE regress_content_reader;
GRANT journey_orch_author TO regress_content_author;
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'SQL, DMY';

CREATE TABLE buyer (id integer PRIMARY KEY, name text, language text, joined timestamptz, born date, score float8);
INSERT INTO buyer VALUES
  (1, 'Ann', NULL, '2026-01-02 03:04:05+00', '1990-12-31', 0.1),
  (2, $$<b>"Bob" & 'Co'</b>$$, 'fr-CA', NULL, NULL, NULL),
  (3, E'Eve\r\nBcc: all@example.com\x7f\x01\tend', 'fr_BE.UTF-8', NULL, NULL, 1e300);
SELECT journey_orch.bind_customer('buyer', 'id', locale_sql => 'language');

-- The SQLSTATE, message and detail of a statement that must fail.
CREATE FUNCTION bad(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  d text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' / ' || nullif(d, ''), '');
END $$;

-- The text that one body gives, for a customer and an event.
CREATE FUNCTION show(body text, customer text DEFAULT '1', event jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  d text;
  result text;
BEGIN
  SET LOCAL client_min_messages = warning;
  PERFORM journey_orch.set_template('show', 'test', body);
  SELECT r.body INTO STRICT result FROM journey_orch.render('show', customer, event) AS r;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' / ' || nullif(d, ''), '');
END $$;

-- Versions: the same content is none, another is the next.
SELECT journey_orch.set_template('welcome', 'email', 'Hello {{ customer.name }}');
SELECT journey_orch.set_template('welcome', 'email', 'Hello {{ customer.name }}');
SELECT journey_orch.set_template('welcome', 'email', 'Hello {{ customer.name }}', subject => 'Welcome', headers => '{"X-A": "1"}');
SELECT journey_orch.set_template('welcome', 'email', 'Hello {{ customer.name }}', subject => 'Welcome', headers => '{"X-A": "2"}');
SELECT journey_orch.set_template('welcome', 'email', 'Hello {{ customer.name }}');
SELECT journey_orch.set_template('welcome', 'email', 'Hi', locale => 'en');
SELECT name, channel, locale, version, is_current, subject, body, html, headers FROM journey_orch.template ORDER BY 1, 2, 3, 4;

-- Where a hole ends.
SELECT body, show(body)
FROM unnest(ARRAY[
  'no hole', '', '{', '}}', 'a { b } c }} d', '{ { x } }',
  '{{customer.name}}', '{{ customer.name }}}', '{{{customer.name}}}', '{{{ customer.name }}}}', '{{ customer.name }} {{customer.id}}',
  $${{ '{{' }} and {{ '}}' }}$$, $${{ '}}' || '{' }}$$, $${{ 'it''s }} ' }}$$, $${{ E'\'}} ' }}$$, $${{ e'\\' }}$$, $${{ '\' }}$$,
  $${{ E'a'
     '\'}}' }}$$,
  '{{ $$ }} '' $$ }}', '{{ $q$ }} $$ $q$ }}', '{{ $a$ $q$ }} $a$ }}', '{{ "pg_catalog"."upper"(''}}'') }}',
  '{{ /* }} */ 1 }}', '{{ /* /* }} */ }} '' */ 2 }}', E'{{ 3 -- }} it''s\n }}', '{{ 5 -1 }}', '{{ 7 / 2 * 3 }}',
  '{{ (SELECT string_agg(x, ''}}'') FROM (VALUES (''a''), (''b'')) AS v (x)) }}', $${{ '{"a": {"b": 1}}'::jsonb #>> '{a,b}' }}$$,
  '{{ ARRAY[1,2] }} {{ ROW(1, ''}}'') }}', 'é{{ ''é}}'' }}ü', '{{{ ''{{{ }}}'' }}}']) AS body;
SELECT body, show(body)
FROM unnest(ARRAY[
  '{{', 'a {{ b', '{{ }}', '{{{ }}}', '{{ customer.name }', '{{{ customer.name }}', $${{ 'a }}$$, '{{ "a }}', '{{ $$ }}', '{{ /* }}',
  '{{ 1 -- }}', '{{{{ 1 }}}}', '{{ 1; SELECT 2 }}', '{{ 1, 2 }}', '{{ 1 AS x }}', '{{ * }}', '{{ customer.* }}', '{{ SELECT 1 }}',
  '{{ 1) || (2 }}', '{{ $1 }}', '{{ count(*) }}', '{{ generate_series(1, 2) }}', '{{ now() }}', '{{ random() }}',
  '{{ nobody.name }}', '{{ customer.nam }}', '{{ no_such(1) }}', '{{ 1 + }}']) AS body;

-- The error names the part and points into it, in characters.
SELECT journey_orch.set_template('bad', 'email', E'Zoë, ë\n  this is {{ customer.name }}\n and {{ upper(customer.nam) }} too');
SELECT journey_orch.set_template('bad', 'email', 'b', subject => 'Dear {{ 1 + ''x'' }}');
SELECT journey_orch.set_template('bad', 'email', 'b', html => '<p>{{ no_such(1) }}</p>');
SELECT journey_orch.set_template('bad', 'email', 'b', headers => '{"X-Ok": "1", "X-Bad": "é {{ evnt }}"}');
SELECT count(*) FROM journey_orch.template WHERE name = 'bad';

-- Other arguments.
SELECT arguments, bad(format('SELECT journey_orch.set_template(%s)', arguments))
FROM unnest(ARRAY[
  $$NULL, 'c', 'b'$$, $$'n', NULL, 'b'$$, $$'n', 'c', NULL$$, $$'', 'c', 'b'$$, $$'n', '', 'b'$$,
  $$'n', 'c', 'b', headers => NULL$$, $$'n', 'c', 'b', headers => '[]'$$, $$'n', 'c', 'b', headers => '"x"'$$,
  $$'n', 'c', 'b', headers => '{"a": 1}'$$, $$'n', 'c', 'b', headers => '{"a": null}'$$, $$'n', 'c', 'b', headers => '{"a": {"b": "c"}}'$$,
  $$'n', 'c', 'b', headers => '{"a b": "c"}'$$, $$'n', 'c', 'b', headers => '{"": "c"}'$$, $$'n', 'c', 'b', headers => '{"a:\nb": "c"}'$$,
  $$'n', 'c', 'b', locale => 'f'$$, $$'n', 'c', 'b', locale => 'fr-'$$, $$'n', 'c', 'b', locale => 'fr CA'$$,
  $$'n', 'c', 'b', locale => 'franco-canadian-x'$$]) AS arguments;

-- Values: settings of the session make no difference; NULL is the empty string.
SELECT hole, show('[{{ ' || hole || ' }}]', event => '{"s": "a\"b", "n": 1.50, "t": true, "z": null, "l": [1, "x"], "o": {"k": "v"}}')
FROM unnest(ARRAY[
  'NULL', '''x''', '1.50', 'customer.score', '1/3.0', 'true', '1 > 2', 'customer.joined', 'customer.born', '''1 day 02:03''::interval',
  '''ab''::bytea', 'customer.joined::text', '''x''::char(5)', '''x ''::varchar(5)', '''"q"''::json', '''[1, "q"]''::json', '''"\u0000"''::json',
  '''null''::json', 'event->''s''', 'event->>''s''', 'event->''n''', 'event->''t''', 'event->''z''', 'event->''l''', 'event->''o''',
  'event->''none''', 'event', 'context', 'journey.customer_id', 'journey.entry_event = event', 'journey.name', 'customer.id',
  '''buyer''::name', 'pg_typeof(customer)', '''{1,2}''::int[]']) AS hole;

-- Escaping, by part.
SELECT journey_orch.set_template('escape', 'email', E'T {{ customer.name }} R {{{ customer.name }}}\t<&>',
  subject => E'S {{ customer.name }}\r\nX-Lit: 1 {{{ customer.name }}}',
  html => '<i class="{{ customer.name }}">{{ customer.name }}</i>{{{ customer.name }}}&amp;',
  headers => '{"Reply-To": "{{ customer.name }}", "X-Raw": "{{{ customer.name }}}", "X-Lit": "a\r\n\tb\u2028c\u0085d"}');
SELECT c.id, r.subject, r.body, r.html, r.headers
FROM buyer AS c, journey_orch.render('escape', c.id::text) AS r ORDER BY c.id;
-- Every ASCII character, some controls of Unicode, and separators of lines.
CREATE FUNCTION corpus() RETURNS text LANGUAGE sql IMMUTABLE AS
  $$ SELECT string_agg(chr(i), '' ORDER BY i) || E'\u0080\u0085\u009f\u00a0\u2027\u2028\u2029\u202a\U0001f600' FROM generate_series(1, 127) AS i $$;
SELECT journey_orch.set_template('corpus', 'email', '{{ public.corpus() }}', '{{{ public.corpus() }}}', '{{ public.corpus() }}',
  headers => '{"X": "{{ public.corpus() }}"}');
SELECT r.body = regexp_replace(corpus(), '[\x01-\x08\x0b-\x1f\x7f-\u009f]', '', 'g') AS body,
       r.subject = substr(corpus(), 32, 95) || E' \u00a0\u2027 \u202a\U0001f600' AS subject,
       r.html = replace(replace(replace(replace(replace(r.body, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;') AS html,
       r.headers = jsonb_build_object('X', r.subject) AS headers
FROM journey_orch.render('corpus', '1') AS r;

-- Locales: fr-CA falls back to fr, fr to the default.
SELECT journey_orch.set_template('local', 'email', 'default');
SELECT journey_orch.set_template('local', 'email', 'fr', locale => 'FR');
SELECT journey_orch.set_template('local', 'email', 'fr-CA', locale => 'fr_ca.UTF-8@euro');
SELECT journey_orch.set_template('local', 'email', 'zh-Hant', locale => 'zh-hANT');
SELECT journey_orch.set_template('local', 'sms', 'court', locale => 'fr');
SELECT locale FROM journey_orch.template WHERE name = 'local' AND channel = 'email' ORDER BY 1;
SELECT l AS wanted, string_agg(r.channel || ' ' || r.locale || ' ' || r.body, ', ' ORDER BY r.channel) AS got
FROM unnest(ARRAY[NULL, '', 'fr', 'fr-CA', 'FR_ca', 'fr-BE', 'fr-CA-x-old', 'zh-Hant-TW', 'zh-Hans', 'zh', 'de', 'C', 'no locale', 'frx']) WITH ORDINALITY AS l (l, n),
     journey_orch.render('local', '1', locale => l) AS r GROUP BY n, l ORDER BY n;
SELECT c.id, r.channel, r.locale FROM buyer AS c, journey_orch.render('local', c.id::text) AS r ORDER BY 1, 2;
SELECT * FROM journey_orch.render('local', '1', channel => 'email', locale => 'fr-CA');

-- Previews that fail.
SELECT arguments, bad(format('SELECT * FROM journey_orch.render(%s)', arguments))
FROM unnest(ARRAY[$$NULL, '1'$$, $$'local', NULL$$, $$'local', '1', NULL$$, $$'local', '1', context => NULL$$, $$'none', '1'$$,
  $$'local', '99'$$, $$'local', 'abc'$$, $$'local', '1', channel => 'push'$$, $$'local', '1', channel => 'sms'$$,
  $$'local', '1', channel => 'sms', locale => 'de'$$]) AS arguments;
SELECT journey_orch.set_template('failing', 'email', 'ok {{ customer.id }}', html => '<p>{{ 10 / (customer.id - 1) }}</p>');
SELECT body, html FROM journey_orch.render('failing', '2');
SELECT body FROM journey_orch.render('failing', '1');

-- 100 holes, among them repeated ones.
SELECT show(string_agg(format('{{ customer.id + %s }}', i % 60), ' ' ORDER BY i)) FROM generate_series(1, 100) AS i;

-- Holes run with the rights of who declared the template.
CREATE TABLE secret (word text);
INSERT INTO secret VALUES ('xyzzy');
CREATE FUNCTION password() RETURNS text LANGUAGE sql STABLE AS $$ SELECT word FROM public.secret $$;
SELECT journey_orch.set_template('mine', 'email', '{{ (SELECT word FROM public.secret) }} {{ public.password() }}');
SET ROLE regress_content_author;
SELECT body FROM journey_orch.render('mine', '1');
SELECT journey_orch.set_template('his', 'email', '{{ public.password() }}');
SELECT body FROM journey_orch.render('his', '1');
RESET ROLE;
SELECT body FROM journey_orch.render('his', '1');
SELECT name, owner FROM journey_orch.template WHERE owner = 'regress_content_author'::regrole;
-- A hole cannot write.
CREATE FUNCTION deface() RETURNS text LANGUAGE plpgsql STABLE AS
  $$ BEGIN EXECUTE 'UPDATE public.buyer SET name = ''x'''; RETURN 'done'; END $$;
SELECT show('{{ public.deface() }}');
SELECT count(*) FROM buyer WHERE name = 'x';

-- What a template depends on changes.
SELECT journey_orch.set_template('dependent', 'email', '{{ customer.score }} {{ public.password() }}');
SELECT body FROM journey_orch.render('dependent', '1');
CREATE OR REPLACE FUNCTION password() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'changed'::text $$;
ALTER TABLE buyer ALTER COLUMN score TYPE numeric USING round(score::numeric, 1) * 2;
SELECT body FROM journey_orch.render('dependent', '1');
ALTER TABLE buyer DROP COLUMN score;
SELECT body FROM journey_orch.render('dependent', '1');
CREATE TABLE shopper AS SELECT 5 AS number, 7 AS score;
SELECT journey_orch.bind_customer('shopper', 'number');
SELECT body FROM journey_orch.render('dependent', '5');
-- The owner goes.
GRANT SELECT ON secret TO regress_content_author;
SET ROLE regress_content_author;
SELECT journey_orch.set_template('orphan', 'email', 'no hole');
SELECT journey_orch.set_template('orphan', 'sms', '{{ customer.score }}');
RESET ROLE;
SELECT channel, body FROM journey_orch.render('orphan', '5');
DROP OWNED BY regress_content_author;
DROP ROLE regress_content_author;
SELECT bad($$SELECT * FROM journey_orch.render('orphan', '5', channel => $$ || quote_literal(channel) || ')') ~ '^JO007.*42704: ' AS says_so
FROM unnest(ARRAY['email', 'sms']) AS channel;
SELECT journey_orch.set_template('orphan', 'sms', '{{ customer.score }}');

-- A rolled back template is not rendered from the cache.
BEGIN;
SELECT journey_orch.set_template('local', 'email', 'not for long');
SELECT body FROM journey_orch.render('local', '5');
ROLLBACK;
SELECT body FROM journey_orch.render('local', '5');

-- Everybody else may not.
SET ROLE regress_content_reader;
SELECT bad($$SELECT * FROM journey_orch.render('local', '5')$$);
RESET ROLE;
SELECT p.proname, a.grantee::regrole
FROM pg_proc AS p, aclexplode(p.proacl) AS a
WHERE p.pronamespace = 'journey_orch'::regnamespace AND p.proname IN ('set_template', 'render')
  AND a.grantee <> p.proowner
ORDER BY 1, 2::text;
DROP ROLE regress_content_reader;
