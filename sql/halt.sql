-- halts: kill switches for everything, a channel, a journey, a topic
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET search_path = public, journey_orch;
\set SHOW_CONTEXT never
\pset format unaligned

CREATE TABLE person (id text PRIMARY KEY, email text);
INSERT INTO person VALUES ('ada', 'ada@example.com'), ('bob', 'bob@example.com');
SELECT bind_customer('person', 'id');
SELECT set_channel('email', 'customer.email');
SELECT set_template('hello', 'email', 'Hello') > 0 AS template;
SELECT set_topic('news', 'marketing');
SELECT set_clock('2027-03-01 12:00+00') > '2027-01-01';
SELECT define('{"journey": "welcome", "entry": {"on": "signed_up"}, "start": "a",
  "steps": {"a": {"send": {"channels": ["email"], "template": "hello", "topic": "news"}, "next": "b"}, "b": {"exit": "done"}}}') AS version;
SELECT enrollments_existing IS NOT NULL AS published FROM (SELECT count(*) AS enrollments_existing FROM publish('welcome')) AS p;

-- What a gate of each stage says of an email of the journey, after so much time.
CREATE FUNCTION ask(after interval, change jsonb DEFAULT '{}', stage text DEFAULT 'claim') RETURNS TABLE (answer text, rule text, reason text, until timestamptz, evidence jsonb)
LANGUAGE sql AS $$
  SELECT a.answer, a.rule, a.reason, a.until, a.evidence
  FROM _ask_gate('halt', '{"customer_id": "ada", "channel": "email", "journey": "welcome", "topic": "news"}'::jsonb || change,
                 timestamptz '2027-03-01 12:00+00' + after, stage) AS a
$$;

SELECT * FROM ask('0');
SELECT count(*) AS rows FROM halt_status;

-- A journey: deferred, and asked again after as long as the halt has lasted, 1 to 15 minutes.
SELECT halt('journey', 'welcome', reason => 'wrong price');
SELECT halt('journey', 'welcome', reason => 'wrong price');
SELECT * FROM ask('0');
SELECT after, until FROM unnest('{30 s,5 min,3 days}'::interval[]) AS after, ask(after);
SELECT * FROM ask('0', stage => 'enqueue');
SELECT * FROM ask('0', '{"journey": "other"}');
SELECT * FROM ask('0', '{"journey": null}');
SELECT unhalt('journey', 'welcome', 'price corrected');
SELECT unhalt('journey', 'welcome');
SELECT * FROM ask('0');
SELECT scope, name, is_halted, reason, actor = session_user AS is_mine, at FROM halt_status;

-- A topic, declared or not.
SELECT halt('topic', 'news'), halt('topic', 'undeclared');
SELECT answer, rule FROM ask('0');
SELECT answer, rule FROM ask('0', '{"topic": "undeclared"}');
SELECT answer, rule FROM ask('0', '{"topic": null}');
SELECT unhalt('topic', 'news'), unhalt('topic', 'undeclared');

-- A channel, everything: no message is asked, because claim() hands out nothing; one of a stream is held back when it is enqueued.
SELECT emit('signed_up', 'ada') > 0 AS event;
CALL run();
SELECT halt('channel', 'email', 'provider is down');
SELECT answer, rule FROM ask('0', stage => 'enqueue');
SELECT answer, rule FROM ask('0', '{"is_stream": true}', 'enqueue');
SELECT answer, rule FROM ask('0', '{"channel": "sms", "is_stream": true}', 'enqueue');
SELECT count(*) AS claimed FROM claim('email', 'r');
SELECT halt('global', reason => 'stop everything');
SELECT unhalt('channel', 'email');
SELECT answer, rule FROM ask('0', '{"channel": "sms", "is_stream": true}', 'enqueue');
SELECT count(*) AS claimed FROM claim('email', 'r');
SELECT level, name, value, hint FROM health() WHERE name = 'halted';
SELECT unhalt('global');
SELECT count(*) AS halted FROM health() WHERE name = 'halted';
SELECT customer_id, attempt FROM claim('email', 'r');

-- Every act stays, with who did it.
SELECT scope, name, act, reason, at, actor = session_user AS is_mine FROM halt_act ORDER BY seq;

SELECT halt('global', 'email');
SELECT halt('channel');
SELECT halt('channel', 'nope');
SELECT halt('journey', 'nope');
SELECT halt('everything');
SELECT unhalt('channel', 'nope');

SELECT law, detail FROM verify('full') WHERE NOT holds;
