-- enrollment: send_test(): the real message to other addresses, marked and counted nowhere
CREATE EXTENSION journey_orch;
SET client_min_messages = warning;
CREATE TABLE customer (id bigint PRIMARY KEY, name text, email text, phone text);
INSERT INTO customer VALUES (1, 'Ann', 'ann@example.com', '+1'), (2, 'Ben', 'ben@example.com', NULL);
SELECT journey_orch.bind_customer('customer', 'id');
SELECT journey_orch.add_preset_channel('email'), journey_orch.set_channel('sms', 'customer.phone'), journey_orch.set_channel('push', 'customer.phone'), journey_orch.add_preset_channel('in_app');
SELECT journey_orch.set_topic('news', 'marketing', 'opt_in'), journey_orch.set_sender('Shop', '1 Main St', 'https://shop.example');
SELECT journey_orch.set_template('offer', 'email', $$Hello {{ customer.name }}, {{ event->>'what' }} {{ context->>'n' }} {{ message.postal_address }} {{ message.unsubscribe_url }}$$, 'News for {{ customer.name }}', headers => '{"X-Shop": "1"}');
SELECT journey_orch.set_template('offer', 'sms', 'Hello {{ customer.name }}'), journey_orch.set_template('offer', 'push', '{"title": "Hello"}'), journey_orch.set_template('offer', 'in_app', 'Hello');
SELECT journey_orch.define('{"journey": "offers", "entry": {"on": "joined"}, "start": "mail", "steps": {
  "mail": {"send": {"channels": ["email", "sms", "push", "in_app"], "template": "offer", "topic": "news"}, "next": "rest"},
  "rest": {"delay": "1 day", "next": "inside"},
  "inside": {"send": {"channels": ["in_app"], "template": "offer"}, "next": "done"}, "done": {"exit": "done"}}}');
-- Whoever clicks a message enters this one; nobody does by a test.
SELECT journey_orch.define('{"journey": "clickers", "entry": {"on": "message.clicked"}, "start": "done", "steps": {"done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('clickers');
SELECT journey_orch.set_clock('2026-03-02 09:00+00') IS NOT NULL AS clock;
SET client_min_messages = notice;

-- A draft is tested as well as a live one.  Nobody has consented, so the real message would be withheld; the test goes out.
SELECT channel, address, event_id > 0 AS event, subject, decision, jsonb_path_query_array(gates, '$[*] ? (@.answer != "allow")') AS objections
FROM journey_orch.send_test('offers', 'mail', '1', '{qa@shop.example,boss@shop.example}', event => '{"what": "chairs"}', context => '{"n": 3}');
SELECT channel, address, subject FROM unnest('{sms,push}'::text[]) AS c, journey_orch.send_test('offers', 'mail', '1', '{+49123}', channel => c);
SELECT DISTINCT jsonb_path_query_array(gates, '$[*].gate') ? 'consent' AS all_gates FROM journey_orch.send_test('offers', 'mail', '2', '{x}');
CALL journey_orch.run();
SELECT aggregatetype AS channel, aggregateid AS customer, visit, attempt, topic, payload FROM journey_orch.outbox WHERE aggregateid = '1' ORDER BY position;

-- Through claim and ack, as any message; reports on it steer nothing, and a failed one is not tried again.
SELECT address, subject, attempt, payload->'is_test' AS is_test, headers FROM journey_orch.claim('email', 'me', 10) WHERE customer_id = '1' ORDER BY address;
SELECT outcome FROM journey_orch.ack((SELECT max(claim_id) FROM journey_orch.claim), ARRAY(SELECT message_id FROM journey_orch.message_status WHERE channel = 'email' AND customer_id = '1'));
SELECT journey_orch.report(message_id, 'clicked') > 0 AS reported FROM journey_orch.message_status WHERE channel = 'email' AND customer_id = '1' ORDER BY event_id LIMIT 1;
CALL journey_orch.run();
SELECT count(*) AS claimed FROM journey_orch.claim('sms', 'me', 10);
SELECT journey_orch.nack((SELECT max(claim_id) FROM journey_orch.claim), message_id, 'no such number') FROM journey_orch.message_status WHERE channel = 'sms' AND customer_id = '1' ORDER BY event_id LIMIT 1;
CALL journey_orch.run();
SELECT journey_orch.advance_clock('2 days') IS NOT NULL AS later;
CALL journey_orch.run();
SELECT customer_id, channel, state, attempt, is_test, count(*) FROM journey_orch.message_status GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3;
SELECT event, payload->>'status' AS status, count(*) FROM journey_orch.event_log WHERE event LIKE 'message%' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT journey, entered, active FROM journey_orch.journey_status ORDER BY 1;
SELECT count(*) AS message_rows FROM journey_orch.message;
SELECT (journey_orch.last_message('1')).message_id IS NULL AS no_last_message;

-- A pause holds real messages back and no test.
SELECT journey_orch.set_topic('news', 'marketing', 'none');
SELECT count(*) FROM journey_orch.publish('offers');
SELECT journey_orch.emit('joined', '1') > 0 AS emitted;
CALL journey_orch.run();
SELECT count(*) FROM journey_orch.pause('offers');
SELECT channel, decision FROM journey_orch.send_test('offers', 'mail', '1', '{qa@shop.example}');
CALL journey_orch.run();
SELECT customer_id, address, payload ? 'is_test' AS is_test FROM journey_orch.claim('email', 'me', 10);

-- Nothing is left of a test that is rolled back.
BEGIN;
SELECT count(*) FROM journey_orch.send_test('offers', 'mail', '1', '{a,b}');
ROLLBACK;
SELECT count(*) AS commands FROM journey_orch.event_log WHERE event = '$test';

-- What is refused.
SELECT journey_orch.send_test('nope', 'mail', '1', '{a}');
SELECT journey_orch.send_test('offers', 'nope', '1', '{a}');
SELECT journey_orch.send_test('offers', 'rest', '1', '{a}');
SELECT journey_orch.send_test('offers', 'inside', '1', '{a}');
SELECT journey_orch.send_test('offers', 'mail', '1', '{a}', channel => 'in_app');
SELECT journey_orch.send_test('offers', 'mail', '1', '{a}', channel => 'nope');
SELECT journey_orch.send_test('offers', 'mail', '9', '{a}');
SELECT journey_orch.send_test('offers', 'mail', '1', '{}');
SELECT journey_orch.send_test('offers', 'mail', '1', '{a,NULL}');
SELECT journey_orch.send_test('offers', 'mail', '1', '{a}', version => 9);
SELECT * FROM journey_orch.verify() WHERE NOT holds;
