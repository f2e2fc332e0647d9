-- content: variable "message", senders, the headers of RFC 8058, and what a marketing message must say
CREATE EXTENSION journey_orch;
SET client_min_messages = warning;
CREATE ROLE regress_message_author;
GRANT journey_orch_author TO regress_message_author;
CREATE TABLE customer (id bigint PRIMARY KEY, name text, email text, phone text, locale text);
INSERT INTO customer VALUES (1, 'Ann', 'ann@example.com', '+1', 'en'), (2, 'Ben', 'ben@example.com', '+2', 'fr-CA');
GRANT SELECT ON customer TO regress_message_author;
SELECT journey_orch.bind_customer('customer', 'id', locale_sql => 'locale');
SELECT journey_orch.add_preset_channel('email'), journey_orch.add_preset_channel('sms'), journey_orch.set_channel('push', 'customer.phone');
SELECT journey_orch.set_topic('news', 'marketing'), journey_orch.set_topic('receipt', 'transactional'), journey_orch.set_topic('tips', 'service');
SET client_min_messages = notice;

-- Links without their tokens.
CREATE FUNCTION plain(value text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(value, '(/(unsubscribe|preferences)/)[-_A-Za-z0-9]{60,}', '\1TOKEN', 'g') $$;
CREATE FUNCTION bad(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  d text;
  h text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
  RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' / ' || nullif(d, ''), '') || coalesce(' / ' || nullif(h, ''), '');
END $$;

-- Without a sender what depends on him is empty; an unknown topic is of class service.
SELECT journey_orch.set_template('all', 'email', $$channel={{ message.channel }} topic={{ message.topic }} class={{ message.class }} sender={{ message.sender }}
address={{ message.postal_address }}
out={{ message.unsubscribe_url }} choose={{ message.preferences_url }}$$);
SELECT body FROM journey_orch.render('all', '1', topic => 'nope');

-- A sender, and one of a topic, who takes from the default what he leaves out.
SET ROLE regress_message_author;
SELECT journey_orch.set_sender(E' Shop & Söhne \n', E'1 Main St\nSpringfield', 'https://shop.example:8443/mail/');
SELECT journey_orch.set_sender('Shop & Söhne', E'1 Main St\nSpringfield', 'https://shop.example:8443/mail');
SELECT journey_orch.set_sender('The Daily Shop', topic => 'news');
SELECT journey_orch.set_sender('Daily Shop', topic => 'news');
RESET ROLE;
SELECT topic, version, is_current, name, postal_address, base_url, created_by = session_user AS mine FROM journey_orch.sender ORDER BY topic NULLS FIRST, version;
SELECT t, r.body FROM unnest('{news,receipt}'::text[]) AS t, journey_orch.render('all', '1', topic => t) AS r;
-- A change is there at once, in the transaction that makes it, and gone when it is rolled back.
BEGIN;
SELECT journey_orch.set_sender('Shop', '2 New St', 'https://new.example');
SELECT body FROM journey_orch.render('all', '1', topic => 'news');
ROLLBACK;
SELECT body FROM journey_orch.render('all', '1', topic => 'news');

-- The whole row, a field that does not exist, and places that know no message.
SELECT journey_orch.set_template('row', 'email', '{{ to_jsonb(message)->>''sender'' }} {{ (SELECT message.channel || c.name FROM public.customer AS c WHERE c.id = customer.id) }}');
SELECT body FROM journey_orch.render('row', '1');
SELECT bad($$SELECT journey_orch.set_template('row', 'email', '{{ message.unsubscribe_ur }}')$$);
SELECT bad($$SELECT journey_orch.set_channel('x', 'message.channel')$$);
SELECT bad($$SELECT journey_orch.set_template('row', 'email', '{{ message.channel.x }}')$$);

-- Senders that are none.
SELECT args, bad(format('SELECT journey_orch.set_sender(%s)', args)) FROM unnest(ARRAY[
  'NULL', $$''$$, $$E' \n'$$, $$repeat('x', 201)$$, $$E'a\nb'$$, $$E'a\x01'$$, $$'a', ''$$, $$'a', repeat('x', 501)$$, $$'a', E'b\rc'$$,
  $$'a', 'b', ''$$, $$'a', 'b', 'http://shop.example'$$, $$'a', 'b', 'https://'$$, $$'a', 'b', 'https:///mail'$$, $$'a', 'b', 'https://-a.example'$$,
  $$'a', 'b', 'https://shop.example?x=1'$$, $$'a', 'b', 'https://shop.example/a b'$$, $$'a', 'b', 'https://shop.example>,<https://evil.example'$$,
  $$'a', 'b', 'https://me@shop.example'$$, $$'a', 'b', E'https://shop.example\nX: 1'$$, $$'a', 'b', 'https://' || repeat('a', 300)$$,
  $$'a', topic => ''$$, $$'a', topic => repeat('x', 201)$$]) AS args;

-- What a journey sends.  A marketing message by mail has the two headers of RFC 8058, whatever the template says under their names.
SET client_min_messages = warning;
SELECT journey_orch.set_template('offer', 'email', $$Hello {{ customer.name }}
{{ message.sender }}, {{ message.postal_address }}
{{ message.unsubscribe_url }}$$, 'News', '<p>{{ message.sender }}, {{ message.postal_address }} <a href="{{ message.unsubscribe_url }}">Stop</a> <a href="{{ message.preferences_url }}">Choose</a></p>',
  headers => '{"X-Topic": "{{ message.topic }}", "LIST-unsubscribe": "<https://evil.example>", "List-Unsubscribe-Post": "no"}');
SELECT journey_orch.set_template('offer', 'sms', 'Offers! Reply STOP to end.'), journey_orch.set_template('offer', 'push', 'Offers!');
SELECT journey_orch.set_template('receipt', 'email', 'Paid. {{ message.class }}', headers => '{"List-Unsubscribe": "<https://lists.example>"}');
SELECT journey_orch.define('{"journey": "offers", "entry": {"on": "joined", "reentry": {"policy": "after_exit"}}, "start": "mail", "steps": {
  "mail": {"send": {"channels": ["email"], "template": "offer", "topic": "news"}, "next": "text"},
  "text": {"send": {"channels": ["sms"], "template": "offer", "topic": "news"}, "next": "push"},
  "push": {"send": {"channels": ["push"], "template": "offer", "topic": "news"}, "next": "receipt"},
  "receipt": {"send": {"channels": ["email"], "template": "receipt", "topic": "receipt"}, "next": "done"},
  "done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('offers');
SELECT journey_orch.set_clock('2026-03-02 09:00+00');
SELECT journey_orch.emit('joined', '1') > 0 AS emitted;
CALL journey_orch.run();
SELECT aggregatetype AS channel, step, plain(payload->>'body') AS body, plain(payload->>'html') AS html FROM journey_orch.outbox ORDER BY step;
-- The golden form of the headers.
SELECT step, plain(h.value) AS header FROM (SELECT step, key || ': ' || value AS value FROM journey_orch.outbox, jsonb_each_text(payload->'headers')) AS h ORDER BY step, h.value COLLATE "C";
-- One token in text, HTML and header; another for preferences; nothing of the customer in clear; another customer has another.
SELECT count(DISTINCT m[1]) AS tokens, bool_and(position('example' IN m[1]) = 0 AND length(m[1]) > 60) AS opaque
FROM journey_orch.outbox, regexp_matches(payload::text, '/unsubscribe/([-_A-Za-z0-9]+)', 'g') AS m;
CREATE FUNCTION tokens(customer_id text) RETURNS text[] LANGUAGE sql AS $$ SELECT array_agg(DISTINCT m[1]) FROM journey_orch.outbox, regexp_matches(payload::text, '/unsubscribe/([-_A-Za-z0-9]+)', 'g') AS m WHERE aggregateid = customer_id $$;
SELECT journey_orch.set_clock('2026-03-02 21:00+00');
SELECT journey_orch.emit('joined', '1') > 0, journey_orch.emit('joined', '2') > 0;
CALL journey_orch.run();
SELECT cardinality(tokens('1')) AS ann_same_day, tokens('1') && tokens('2') AS shared;
SELECT journey_orch.set_clock('2026-03-03 00:00+00');
SELECT journey_orch.emit('joined', '1') > 0 AS emitted;
CALL journey_orch.run();
SELECT cardinality(tokens('1')) AS ann_next_day;

-- The last message, in a hole: of any channel, of one, of a customer who had none.
SELECT channel, journey, step, template, topic, enqueued_at FROM journey_orch.last_message('1', 'email');
SELECT journey_orch.set_template('last', 'email', $$Since {{ (journey_orch.last_message(customer.id::text, 'sms')).enqueued_at }}: {{ coalesce((SELECT step FROM journey_orch.last_message(customer.id::text, 'push')), 'none') }}{{ (journey_orch.last_message('nobody')).message_id }}$$);
SELECT body FROM journey_orch.render('last', '2');
SELECT (journey_orch.last_message('1')).enqueued_at = max(enqueued_at) AS newest FROM journey_orch.outbox WHERE aggregateid = '1';
SELECT * FROM journey_orch.last_message('1', 'nope');

-- A live journey's template may not lose what it must show; a draft's may, and publish() refuses.
SELECT bad($$SELECT journey_orch.set_template('offer', 'email', 'Hello')$$);
SELECT bad($$SELECT journey_orch.set_template('offer', 'email', '{{ message.postal_address }}', locale => 'fr')$$);
SELECT bad($$SELECT journey_orch.set_template('offer', 'sms', 'Offers! Don''t stop, NONSTOP, STOPS.')$$);
SELECT bad($$SELECT journey_orch.set_template('offer', 'sms', 'Offers! {{ ''Reply STOP'' }}')$$), bad($$SELECT journey_orch.set_template('offer', 'sms', 'Offers! Out: {{ message.unsubscribe_url }}')$$),
  bad($$SELECT journey_orch.set_template('offer', 'push', 'Offers!!')$$), bad($$SELECT journey_orch.set_template('receipt', 'email', 'Paid!')$$);
SELECT journey_orch.define('{"journey": "draft", "entry": {"on": "left"}, "start": "mail", "steps": {
  "mail": {"send": {"channels": ["email"], "template": "draft", "topic": "tips"}, "next": "done"}, "done": {"exit": "done"}}}')
FROM journey_orch.set_template('draft', 'email', 'Tips');
SELECT journey_orch.set_topic('tips', 'marketing');
SELECT bad($$SELECT journey_orch.publish('draft')$$);
SELECT journey_orch.set_topic('tips', 'service');
SELECT count(*) FROM journey_orch.publish('draft');
-- The topic becomes one of marketing while the journey is live: nothing unlawful leaves, the run parks with the reason.
SELECT journey_orch.set_topic('tips', 'marketing');
SELECT journey_orch.emit('left', '1') > 0 AS emitted;
CALL journey_orch.run();
SELECT journey, step, state FROM journey_orch.enrollment_status WHERE journey = 'draft';
SELECT sqlstate, error FROM journey_orch.parked_enrollment;
SELECT count(*) FROM journey_orch.outbox WHERE aggregateid = '1' AND type = 'draft';
-- With the parts in place messages leave.
SELECT journey_orch.set_template('draft', 'email', 'Tips {{ message.postal_address }} {{ message.unsubscribe_url }}');
SELECT journey_orch.emit('left', '2') > 0 AS emitted;
CALL journey_orch.run();
SELECT plain(payload->>'body') AS body FROM journey_orch.outbox WHERE type = 'draft';

SELECT * FROM journey_orch.verify() WHERE NOT holds;
