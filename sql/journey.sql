-- journey: define, publish, versions, ownership, pictures
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

CREATE ROLE jo_test_journey_a IN ROLE journey_orch_author;
CREATE ROLE jo_test_journey_b IN ROLE journey_orch_author;
SELECT journey_orch.set_channel('email', '''a@example.com''');
SELECT journey_orch.set_template('hello', 'email', 'Hello') AS version;
SELECT journey_orch.set_topic('news', 'marketing', 'none');

-- Errors of every call have their SQLSTATE and name.
CREATE FUNCTION pg_temp.raises(command text)
RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE command;
  RETURN QUERY SELECT 'no error', NULL, NULL, NULL;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
    detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN NEXT;
END
$$;
\pset format unaligned
SELECT * FROM unnest(ARRAY[
  'SELECT journey_orch.define(NULL)',
  'SELECT journey_orch.define(''[]'')',
  'SELECT journey_orch.define(''{"journey": "x", "entry": {"on": "e"}, "start": "a", "steps": {"a": {"exit": 1}, "b": {}}}'')',
  'SELECT journey_orch.define(''{"journey": "x", "entry": {"on": "e"}, "start": "a", "steps": {"a": {"decide": {"model": "churn", "arms": {"low": 0, "high": 0.7}}, "next": {"low": "b", "high": "b"}}, "b": {"exit": "done"}}}'')',
  'SELECT journey_orch.publish(NULL)',
  'SELECT journey_orch.publish(''nobody'')',
  'SELECT journey_orch.definition(''nobody'')',
  'SELECT journey_orch.definition(NULL)',
  'SELECT journey_orch.mermaid(''nobody'')',
  'SELECT journey_orch.mermaid(NULL)'
  ]) AS command CROSS JOIN LATERAL pg_temp.raises(command);
\pset format aligned
-- nothing of it was stored
SELECT count(*) AS journeys FROM journey_orch.journey;

-- the canonical form decides: the same definition is the same version
SELECT journey_orch.define('{"journey": "welcome", "entry": {"on": "signed_up", "reentry": {"policy": "never"}}, "start": "hello",
  "steps": {"hello": {"send": {"channels": ["email"], "template": "hello", "topic": "news"}, "next": "done"}, "done": {"exit": "completed"}}}');
SELECT journey_orch.define('{"steps": {"done": {"exit": "completed"}, "hello": {"next": "done", "send": {"topic": "news", "template": "hello", "channels": ["email"]}}},
  "start": "hello", "entry": {"reentry": {"policy": "never"}, "on": "signed_up"}, "journey": "welcome"}');
SELECT journey_orch.define('{"journey": "welcome", "entry": {"on": "signed_up"}, "start": "settle",
  "steps": {"settle": {"delay": "1 day", "next": "hello"}, "hello": {"send": {"channels": ["email"], "template": "hello", "topic": "letters"}, "next": "done"}, "done": {"exit": "completed"}}}');
SELECT journey, version, state, owner, published_at IS NOT NULL AS was_published FROM journey_orch.journey_definition ORDER BY journey, version;

-- publish: the newest, a chosen one, again, only looking
SELECT * FROM journey_orch.publish('welcome', preview => true);
SELECT count(*) AS acts FROM journey_orch.publication;
SELECT * FROM journey_orch.publish('welcome', 1);
SELECT * FROM journey_orch.publish('welcome', 1);
SELECT * FROM journey_orch.publish('welcome');
SELECT act, version, policy, actor FROM journey_orch.publication ORDER BY seq;
SELECT journey, version, state, published_at IS NOT NULL AS was_published FROM journey_orch.journey_definition ORDER BY journey, version;
SELECT journey_orch.definition('welcome', 1) -> 'start' AS first, journey_orch.definition('welcome') -> 'start' AS newest;
\pset format unaligned
SELECT * FROM unnest(ARRAY[
  'SELECT journey_orch.publish(''welcome'', 3)',
  'SELECT journey_orch.publish(''welcome'', 0)',
  'SELECT journey_orch.publish(''welcome'', existing => ''soon'')',
  'SELECT journey_orch.publish(''welcome'', inflight => NULL)',
  'SELECT journey_orch.publish(''welcome'', preview => NULL)',
  'SELECT journey_orch.definition(''welcome'', 3)',
  'SELECT journey_orch.definition(''welcome'', -1)'
  ]) AS command CROSS JOIN LATERAL pg_temp.raises(command);
-- publish looks again: the world may have changed since define
BEGIN;
DELETE FROM journey_orch.message_template;
SELECT * FROM pg_temp.raises('SELECT journey_orch.publish(''welcome'', 1)');
ROLLBACK;
\pset format aligned

-- a draft that is rolled back was never there
BEGIN;
SELECT journey_orch.define('{"journey": "fleeting", "entry": {"on": "e"}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT * FROM journey_orch.publish('fleeting');
ROLLBACK;
SELECT count(*) FROM journey_orch.journey WHERE name = 'fleeting';

-- only the owner, or a member of it, goes on with a journey
SET ROLE jo_test_journey_a;
SELECT journey_orch.define('{"journey": "mine", "entry": {"on": "e"}, "start": "a", "steps": {"a": {"exit": "done"}}}');
RESET ROLE;
SET ROLE jo_test_journey_b;
SELECT * FROM pg_temp.raises('SELECT journey_orch.define(''{"journey": "mine", "entry": {"on": "other"}, "start": "a", "steps": {"a": {"exit": "done"}}}'')');
SELECT * FROM pg_temp.raises('SELECT journey_orch.publish(''mine'')');
SELECT journey_orch.definition('mine') -> 'entry' AS anybody_may_look;
RESET ROLE;
GRANT jo_test_journey_a TO jo_test_journey_b;
SET ROLE jo_test_journey_b;
SELECT journey_orch.define('{"journey": "mine", "entry": {"on": "other"}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT * FROM journey_orch.publish('mine');
RESET ROLE;
SELECT journey, version, state, owner, created_by FROM journey_orch.journey_definition WHERE journey = 'mine' ORDER BY version;

-- nobody else may even look
CREATE ROLE jo_test_journey_c;
GRANT USAGE ON SCHEMA journey_orch TO jo_test_journey_c;
SET ROLE jo_test_journey_c;
SELECT * FROM pg_temp.raises('SELECT journey_orch.definition(''mine'')');
SELECT * FROM pg_temp.raises('SELECT * FROM journey_orch.journey_definition');
SELECT * FROM pg_temp.raises('SELECT * FROM journey_orch.check_definition(''{}'')');
RESET ROLE;
REVOKE USAGE ON SCHEMA journey_orch FROM jo_test_journey_c;

-- a picture: nothing an author wrote gets out of its quotes
SELECT journey_orch.define('{"journey": "picture", "entry": {"on": "ordered", "key": "event->>''id''"},
  "goal": {"on": "paid", "when": "(event->>''a'')::int > 1 AND ''\"]<script>'' <> ''#''"},
  "exit": [{"on": "cancelled", "reason": "cancelled"}],
  "start": "choose",
  "steps": {
    "choose": {"branch": [{"when": "journey.key LIKE ''a%'' || ''\";|''", "next": "halves"}], "else": "put"},
    "halves": {"split": {"arms": {"a": 1, "b": 3}}, "next": {"a": "put", "b": "rest"}},
    "put": {"update": {"x": "1", "y": "2"}, "next": "rest"},
    "rest": {"delay": "2 hours", "next": "hear"},
    "hear": {"wait": {"for": [{"on": "message.opened", "next": "done"}], "until": {"after": "1 day", "next": "hello"}}},
    "hello": {"send": {"channels": ["email"], "template": "hello", "topic": "news"}, "next": "done", "on_failure": "lost"},
    "done": {"exit": "completed"},
    "lost": {"exit": "lost"}}}');
\pset format unaligned
\pset tuples_only
SELECT journey_orch.mermaid('picture');
\pset tuples_only off

-- the schema that everybody sees is the one that decides
SELECT jsonb_array_length(s #> '{$defs,step,oneOf}') AS verbs, jsonb_array_length(s #> '{$defs,entry,oneOf}') AS entries,
  s ->> '$schema' AS dialect FROM journey_orch.definition_schema() AS s;
-- every verb and entry kind has an example, and it is a well-formed definition
SELECT count(*) AS examples, count(*) FILTER (WHERE codes IS NOT NULL) AS malformed
  FROM journey_orch.definition_schema() AS s
    CROSS JOIN LATERAL jsonb_each(s -> '$defs') AS d
    CROSS JOIN LATERAL jsonb_array_elements(d.value -> 'examples') AS example
    CROSS JOIN LATERAL (SELECT '{"journey": "j", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"exit": "done"}}}'::jsonb
      || CASE WHEN d.key LIKE 'step\_%' THEN jsonb_build_object('steps', jsonb_build_object('a', example))
           ELSE jsonb_build_object('entry', example) END AS definition) AS x
    CROSS JOIN LATERAL (SELECT string_agg(f.code, ' ') AS codes FROM journey_orch.check_definition(x.definition) AS f
      WHERE f.code IN ('wrong_type', 'wrong_value', 'bad_name', 'wrong_length', 'wrong_count', 'out_of_range', 'duplicate',
        'missing_key', 'unknown_key', 'no_verb', 'two_verbs', 'wrong_form')) AS f
  WHERE d.key ~ '^(step|entry)_' AND d.key NOT IN ('entry_when', 'entry_key');
SELECT d.key AS without_example FROM journey_orch.definition_schema() AS s CROSS JOIN LATERAL jsonb_each(s -> '$defs') AS d
  WHERE d.key ~ '^(step|entry)_' AND d.key NOT IN ('entry_when', 'entry_key') AND d.value -> 'examples' IS NULL;
-- a definition may never be in two states, nor change
SELECT count(*) AS definitions_that_changed FROM journey_orch.journey_version
  WHERE canonical_hash <> sha256(convert_to(definition::text, 'UTF8'));

DROP ROLE jo_test_journey_c;
REVOKE jo_test_journey_a FROM jo_test_journey_b;
DROP ROLE jo_test_journey_b;
DROP ROLE jo_test_journey_a;
