-- journey: versions as text and picture, and what is different between two
CREATE EXTENSION journey_orch;
\set SHOW_CONTEXT never
\pset format unaligned
\pset null -
CREATE TABLE customer (id text PRIMARY KEY, plan text, email text);
SELECT journey_orch.bind_customer('customer', 'id');
SELECT journey_orch.set_channel('email', 'customer.email');
SELECT journey_orch.set_template('hello', 'email', 'Hello') > 0 AS template;

-- nothing an author wrote gets out of its quotes
SELECT journey_orch.define(jsonb_build_object(
  'journey', 'hostile',
  'entry', jsonb_build_object('on', E'x"; select 1;--\\'),
  'goal', jsonb_build_object('on', E'a"]\n}\tdigraph {', 'when', 'true'),
  'exit', jsonb_build_array(jsonb_build_object('on', '<b>&amp;</b>', 'reason', 'bold')),
  'start', 'hear',
  'steps', jsonb_build_object(
    'hear', jsonb_build_object('wait', jsonb_build_object(
      'for', jsonb_build_array(
        jsonb_build_object('on', E'\\N\\G\\l', 'next', 'ask'),
        jsonb_build_object('on', U&'caf\00e9 \+01F600 \4F60\597D', 'next', 'ask'),
        jsonb_build_object('on', E'-->|"end"| s9\r\n]]></svg>', 'next', 'hear')),
      'until', '{"after": "1 day", "next": "done"}'::jsonb)),
    'ask', jsonb_build_object('branch', jsonb_build_array(
      jsonb_build_object('when', $$customer.plan = '"\" ; } <script>alert(1)</script> -- ' || 'and a condition that is far too long for a label of a picture'$$, 'next', 'done')), 'else', 'hear'),
    'done', '{"exit": "completed"}'::jsonb)));
\pset tuples_only
SELECT journey_orch.dot('hostile');
SELECT journey_orch.mermaid('hostile');
-- one well-formed document, in ASCII, with a name and a description
\pset tuples_only off
SELECT xml_is_well_formed_document(svg) AS well_formed, svg ~ '^[\x20-\x7e\n]+$' AS ascii, svg ~ '<script' AS script,
    (xpath('/s:svg/s:title/text()', svg::xml, ns))[1] AS title, (xpath('/s:svg/@role', svg::xml, ns))[1] AS role,
    (xpath('/s:svg/s:desc/text()', svg::xml, ns))[1]::text AS description
  FROM journey_orch.definition_svg('hostile') AS svg, (VALUES (ARRAY[ARRAY['s', 'http://www.w3.org/2000/svg']])) AS n(ns);
-- what was cut is whole in a tooltip
SELECT journey_orch.definition_svg('hostile') LIKE '%<title>%far too long for a label of a picture''</title>%' AS whole;

-- without a version: the one published last, of a draft the newest
SELECT journey_orch.define('{"journey": "j", "description": "first", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"exit": "one"}}}');
SELECT journey_orch.define('{"journey": "j", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"exit": "two"}}}');
SELECT journey_orch.definition('j') #>> '{steps,a,exit}' AS draft;
SELECT count(*) AS inside FROM journey_orch.publish('j', 1);
SELECT journey_orch.definition('j') #>> '{steps,a,exit}' AS definition, journey_orch.mermaid('j') ~ 'exit one' AS mermaid,
  journey_orch.dot('j') ~ 'exit one' AS dot, journey_orch.definition_svg('j') ~ 'version 1<.*>one<' AS svg;
SELECT count(*) AS inside FROM journey_orch.publish('j', 2);
SELECT count(*) AS inside FROM journey_orch.publish('j', 1);
SELECT journey_orch.definition('j') #>> '{steps,a,exit}' AS published_last;
-- and diff() says what publish() would change
SELECT * FROM journey_orch.diff('j');
SELECT * FROM journey_orch.diff('j', 2, 1);
SELECT count(*) AS rows FROM journey_orch.diff('j', 1, 1);

-- every kind of difference, in the order of the newer definition
SELECT journey_orch.define('{"journey": "d", "priority": 10, "entry": {"on": "x", "when": "true", "reentry": {"policy": "never"}},
  "goal": {"on": "bought"}, "exit": [{"on": "left", "reason": "left_us"}, {"on": "moved"}],
  "start": "hello",
  "steps": {
    "hello": {"send": {"channels": ["email"], "template": "hello"}, "next": "pause"},
    "pause": {"delay": "1 day", "next": "ask"},
    "ask": {"branch": [{"when": "customer.plan = ''a''", "next": "old_a"}, {"when": "customer.plan = ''b''", "next": "gone"}], "else": "done"},
    "old_a": {"update": {"n": "1", "m": "2"}, "next": "done"},
    "gone": {"delay": "2 days", "next": "done"},
    "done": {"exit": "completed"}}}');
SELECT journey_orch.define('{"journey": "d", "timezone": "Europe/Berlin", "entry": {"on": "y", "reentry": {"policy": "never", "cooldown": "1 day"}},
  "exit": [{"on": "blocked"}, {"on": "left", "reason": "left_us"}],
  "start": "hello",
  "steps": {
    "hello": {"send": {"channels": ["email"], "template": "hello", "priority": 7}, "next": "pause"},
    "pause": {"wait": {"for": [{"on": "z", "next": "ask"}], "until": {"after": "1 day", "next": "ask"}}},
    "ask": {"branch": [{"when": "customer.plan = ''c''", "next": "fresh"}, {"when": "customer.plan = ''a''", "next": "new_a"}, {"when": "customer.plan = ''b''", "next": "done"}], "else": "done"},
    "new_a": {"update": {"n": "1", "m": "2"}, "next": "done"},
    "fresh": {"delay": "3 days", "next": "done"},
    "done": {"exit": "completed"}}}');
SELECT * FROM journey_orch.diff('d', 1, 2);
-- the way back has as many rows, with before and after changed
SELECT (SELECT jsonb_agg(r ORDER BY r) FROM (SELECT jsonb_build_array(before, after) FROM journey_orch.diff('d', 1, 2) WHERE kind <> 'renamed') AS a(r)) =
       (SELECT jsonb_agg(r ORDER BY r) FROM (SELECT jsonb_build_array(after, before) FROM journey_orch.diff('d', 2, 1) WHERE kind <> 'renamed') AS b(r)) AS mirrored;
-- two that look alike are not one with a new name
SELECT journey_orch.define('{"journey": "twins", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"branch": [{"when": "true", "next": "b"}], "else": "c"},
  "b": {"exit": "done"}, "c": {"exit": "done"}}}');
SELECT journey_orch.define('{"journey": "twins", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"branch": [{"when": "true", "next": "d"}], "else": "e"},
  "d": {"exit": "done"}, "e": {"exit": "done"}}}');
SELECT * FROM journey_orch.diff('twins', 1, 2);

SELECT * FROM journey_orch.verify() WHERE NOT holds;
