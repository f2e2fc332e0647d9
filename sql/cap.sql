-- frequency caps: rolling to the second, calendar over clock changes, what gives an allowance back, what was claimed before
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = public, journey_orch;
\set SHOW_CONTEXT never
\pset format unaligned
\pset null '-'

SELECT set_topic('news', 'marketing'), set_topic('receipt', 'transactional'), set_topic('recall', 'legal');
CREATE SEQUENCE number;
-- A message asks at an instant and goes out where it may; "change" may say {"count": false}.
CREATE FUNCTION ask(at timestamptz, change jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', a.answer, a.rule, a.reason, a.until, CASE WHEN a.ends_run THEN 'ends the run' END)
  FROM _ask_gate('cap', jsonb_build_object('customer_id', 'ada', 'channel', 'sms', 'topic', 'news', 'journey', 'j', 'has_place', true, 'count', true,
                                           'message_id', md5(nextval('number')::text)::uuid) || change, at) AS a
$$;
SELECT ask('2027-03-01 12:00+00'), (SELECT count(*) FROM cap_use) AS counted;

-- Three in 24 hours: the fourth waits for the first to be 24 hours old (C08), to the second.
SELECT set_cap('three', '{"class": "marketing"}', 3, '24 hours', action => 'defer');
SELECT set_cap('three', '{"class": "marketing"}', 3, '24 hours', action => 'defer');
SELECT at, ask(at) FROM unnest(ARRAY['2027-03-01 12:00+00', '2027-03-01 15:00+00', '2027-03-01 18:00+00', '2027-03-02 11:59:59+00', '2027-03-02 12:00+00', '2027-03-02 12:00:01+00', '2027-03-02 15:00+00']::timestamptz[]) AS at;
SELECT evidence FROM _ask_gate('cap', '{"customer_id": "ada", "channel": "sms", "topic": "news"}', '2027-03-02 16:00+00');
-- Another customer, class or stage does not matter; transactional and legal are neither stopped nor counted.
SELECT ask('2027-03-02 16:00+00', '{"customer_id": "bob"}'), ask('2027-03-02 16:00+00', '{"topic": "receipt"}'), ask('2027-03-02 16:00+00', '{"topic": "recall"}'), ask('2027-03-02 16:00+00', '{"topic": null}');
SELECT count(*) AS counted FROM cap_use WHERE topic IS DISTINCT FROM 'news';
SELECT answer FROM _ask_gate('cap', '{"customer_id": "ada", "channel": "sms", "topic": "news"}', '2027-03-02 16:00+00', 'enqueue');
SELECT answer FROM _ask_gate('cap', '{"customer_id": "ada", "channel": "sms", "topic": "news", "is_stream": true}', '2027-03-02 16:00+00', 'enqueue');
-- An attempt that is offered again does not count against itself, nor twice.
SELECT message_id AS again FROM cap_use WHERE customer_id = 'ada' ORDER BY at DESC LIMIT 1 \gset
SELECT ask('2027-03-02 16:00+00', jsonb_build_object('message_id', :'again')), count(*) AS counted FROM cap_use WHERE message_id = :'again';
-- Other actions; what withholds comes before what defers, and of these the longest counts.
SELECT set_cap('long', '{"channel": "sms"}', 1, '48 hours', action => 'defer');
SELECT ask('2027-03-02 16:00+00');
SELECT set_cap('stop', '{"channel": ["sms", "push"], "topic": "news"}', 3, '24 hours', action => 'continue');
SELECT ask('2027-03-02 16:00+00');
SELECT set_cap('stop', '{"channel": ["sms", "push"], "topic": "news"}', 3, '24 hours', action => 'exit');
SELECT ask('2027-03-02 16:00+00'), ask('2027-03-02 16:00+00', '{"channel": "email"}');
SELECT name, scope, max_messages, per, calendar, action, is_reviewed FROM cap ORDER BY name;
SELECT drop_cap('stop'), drop_cap('long'), drop_cap('three'), drop_cap('three');
SELECT ask('2027-03-02 16:00+00');

-- A day of the customer's own: midnight in New York, 23 and 25 hours apart around clock changes.
SELECT set_cap('daily', '{"topic": "news"}', 1, '1 day', calendar => true, action => 'defer');
SELECT at, ask(at, '{"customer_id": "cal", "timezone": "America/New_York"}') FROM unnest(ARRAY[
  '2027-03-13 05:00+00', '2027-03-14 04:59:59+00', '2027-03-14 05:00+00', '2027-03-15 03:59:59+00', '2027-03-15 04:00+00',
  '2027-11-07 04:00+00', '2027-11-08 04:59:59+00', '2027-11-08 05:00+00']::timestamptz[]) AS at;
SELECT evidence FROM _ask_gate('cap', '{"customer_id": "cal", "channel": "sms", "topic": "news", "has_place": true, "timezone": "America/New_York"}', '2027-11-08 06:00+00');
SELECT drop_cap('daily');
-- A week begins on Monday, a month with its first day.
SELECT set_cap('weekly', '{"topic": "news"}', 1, '1 week', calendar => true, action => 'defer');
SELECT at, ask(at, '{"customer_id": "week", "timezone": "Europe/Berlin"}') FROM unnest(ARRAY['2027-03-21 22:59:59+00', '2027-03-21 23:00+00', '2027-03-28 21:59:59+00', '2027-03-28 22:00+00']::timestamptz[]) AS at;
SELECT drop_cap('weekly');
SELECT set_cap('monthly', '{"topic": "news"}', 1, '1 month', calendar => true, action => 'defer');
SELECT at, ask(at, '{"customer_id": "month", "timezone": "Pacific/Auckland"}') FROM unnest(ARRAY['2027-02-28 10:59:59+00', '2027-02-28 11:00+00', '2027-03-31 10:59:59+00', '2027-03-31 11:00+00']::timestamptz[]) AS at;
SELECT drop_cap('monthly');
-- Where no zone is known, UTC's day.
SELECT set_cap('daily', '{"topic": "news"}', 1, '1 day', calendar => true);
SELECT at, ask(at, '{"customer_id": "utc"}') FROM unnest(ARRAY['2027-03-13 23:59:59+00', '2027-03-14 00:00+00', '2027-03-14 00:00+00']::timestamptz[]) AS at;
SELECT drop_cap('daily');

-- Through claim(): acked and held count, what failed does not, and what was claimed before the cap does.
CREATE TABLE person (id text PRIMARY KEY, email text);
INSERT INTO person SELECT 'p' || g, 'p@example.com' FROM generate_series(1, 3) AS g;
SELECT bind_customer('person', 'id');
SELECT set_channel('email', 'customer.email'), set_channel('push', 'customer.email');
SELECT set_template('hello', 'email', 'Hello') + set_template('hello', 'push', 'Hello') > 0 AS templates;
SELECT set_clock('2028-01-10 12:00+00') > '2028-01-01' AS set;
SELECT define(format('{"journey": "by_%1$s", "entry": {"on": "%1$s", "reentry": {"policy": "any"}}, "start": "a",
  "steps": {"a": {"send": {"channels": ["%1$s"], "template": "hello", "topic": "offers"}, "next": "b"}, "b": {"exit": "done"}}}', channel)::jsonb) AS version FROM unnest('{email,push}'::text[]) AS channel;
SELECT count(*) AS published FROM unnest('{by_email,by_push}'::text[]) AS j, publish(j);
SELECT count(emit('email', 'p1')) FROM generate_series(1, 4);
CALL run();
-- Four before the cap: one acked, one failed for good, one to be tried again, one held.
SELECT count(*) AS claimed, max(claim_id) AS claim_id FROM claim('email', 'r') \gset first_
SELECT array_agg(m ORDER BY m) AS ids FROM journey_orch.claim AS c, unnest(c.held) AS m WHERE claim_id = :first_claim_id \gset
SELECT outcome FROM ack(:first_claim_id, (:'ids'::uuid[])[1:1]);
SELECT nack(:first_claim_id, (:'ids'::uuid[])[2], 'no such user', permanent => true), nack(:first_claim_id, (:'ids'::uuid[])[3], 'busy');
SELECT set_cap('pressure', '{}', 3, '1 day', action => 'defer');
SELECT count(*) AS counted, count(DISTINCT message_id) AS messages FROM cap_use WHERE customer_id = 'p1';
-- So one more of three: by another channel, and not two.
SELECT count(emit('push', 'p1')) FROM generate_series(1, 2);
CALL run();
SELECT count(*) AS claimed FROM claim('push', 'r') AS c;
SELECT channel, answer, gate, rule, reason, until, evidence - 'oldest' AS evidence FROM gate_decision;
-- The one that is held fails: its allowance is free at once, for the next one.
SELECT nack(:first_claim_id, (:'ids'::uuid[])[4], 'no such user', permanent => true);
SELECT is_return, count(*) FROM cap_use WHERE customer_id = 'p1' GROUP BY 1 ORDER BY 1;

SELECT count(emit('push', 'p1'));
CALL run();
SELECT count(*) AS claimed FROM claim('push', 'r') AS c;
-- A day after the first the deferred one goes out.
SELECT advance_clock('1 day') IS NOT NULL AS advanced;
CALL run();
SELECT count(*) AS claimed FROM claim('push', 'r') AS c;

-- Upkeep forgets what no cap looks back to.
SELECT count(*) AS before, count(*) FILTER (WHERE customer_id = 'p1') AS recent FROM cap_use;
SELECT count(*) > 0 AS said FROM maintain() WHERE lane IS NULL;
SELECT customer_id, count(*) FROM cap_use GROUP BY 1;

SELECT set_cap('bad', '{}', 0, '1 day');
SELECT set_cap('bad', '{}', 1, '0');
SELECT set_cap('bad', '{}', 1, '1 month');
SELECT set_cap('bad', '{}', 1, '2 days', calendar => true);
SELECT set_cap('bad', '{}', 1, '500 days');
SELECT set_cap('bad', '{"class": "legal"}', 1, '1 day');
SELECT set_cap('bad', '{}', 1, '1 day', action => 'stop');

SELECT law, detail FROM verify('full') WHERE NOT holds;
