/*
 * What a channel may be declared with: presets, rate, size limit, expiry,
 * retry schedule.  The clock is virtual; rates keep real time, so a test moves
 * the time of the last claim instead of waiting.
 */
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
RESET client_min_messages;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET search_path = public, journey_orch;

CREATE TABLE customer (id bigint PRIMARY KEY, name text, email text, phone text, device_token text);
INSERT INTO customer
SELECT i, 'c' || i, 'c' || i || '@example.com', '+49' || i, NULL FROM generate_series(1, 9) AS i;
SELECT bind_customer('public.customer', 'id');
SELECT set_clock('2026-03-01 12:00+00');

/* ---- presets: one call each ---- */
SELECT preset, kind, drain, max_attempts, retry_after, retry_max, expires_after, size_limit, consent, opt_out FROM channel_preset ORDER BY preset;
SELECT count(*) FROM channel_preset WHERE source IS NULL;
SELECT add_preset_channel('email');
SELECT add_preset_channel('sms', 'customer.phone', settings => '{"rate": 0.001, "size_limit": 20, "unit_cost": 0.05, "currency": "EUR"}');
SELECT add_preset_channel('push', channel => 'apns', settings => '{"max_attempts": 2}');
/* again is no change, another value replaces */
SELECT add_preset_channel('email');
SELECT add_preset_channel('push', channel => 'apns', settings => '{"max_attempts": 3}');
SELECT channel, kind, address_sql, rate, unit_cost, currency, max_attempts, retry_after, retry_max, expires_after, size_limit
  FROM channel ORDER BY channel;
/* a channel of one's own needs no preset */
SELECT set_channel('fax', '''+1'' || customer.phone', rate => 5, retry_after => '1 hour', retry_max => '1 hour', expires_after => '2 hours', size_limit => 40);

SELECT add_preset_channel(NULL);
SELECT add_preset_channel('pigeon');
SELECT add_preset_channel('email', settings => NULL);
SELECT add_preset_channel('email', settings => '[]');
SELECT add_preset_channel('email', settings => '{"colour": "red"}');
SELECT add_preset_channel('email', settings => '{"kind": "pigeon"}');
SELECT set_channel('x', '''x''', rate => 1e-400);
SELECT set_channel('x', '''x''', rate => 'NaN');
SELECT set_channel('x', '''x''', rate => 1000001);
SELECT set_channel('x', '''x''', retry_max => '1 second');
SELECT set_channel('x', '''x''', retry_max => '31 days');
SELECT set_channel('x', '''x''', expires_after => '0');
SELECT set_channel('x', '''x''', expires_after => '11 years');
SELECT set_channel('x', '''x''', size_limit => 0);
SELECT set_channel('x', '''x''', consent => 'maybe');
SELECT set_channel('x', '''x''', consent => NULL);
SELECT set_channel('x', '''x''', dispositions => '{reached}');

/* ---- what is too large goes to the next channel, and at last the declared way ---- */
SELECT set_template('long', 'sms', 'Dear {{ customer.name }}, {{ event->>''text'' }}');
SELECT set_template('long', 'fax', '{{ event->>''text'' }}', 'From us');
SELECT define('{
  "journey": "tell", "timezone": "UTC", "entry": {"on": "tell"}, "start": "say",
  "steps": {
    "say":  {"send": {"channels": ["sms", "fax"], "template": "long"}, "on_failure": "lost", "next": "done"},
    "lost": {"exit": "lost"},
    "done": {"exit": "said"}}}') > 0 AS defined;
SELECT count(*) FROM publish('tell');
SELECT count(emit('tell', '1', '{"text": "thirty-three bytes of text, so it"}')),    -- 20 are too few, 40 are not
       count(emit('tell', '2', '{"text": "thirty-four bytes of text, so it i"}')),
       count(emit('tell', '3', '{"text": "short"}'));
CALL run();
SELECT customer_id, step, state, exit_reason FROM enrollment_status ORDER BY 1;
SELECT l.customer_id, l.from_step, l.outcome, l.reason FROM step_log AS l WHERE l.from_step = 'say' ORDER BY 1;
SELECT aggregatetype, aggregateid, payload->>'body' AS body, expires_at FROM outbox ORDER BY 2;

/* ---- back-off: doubles, up to the longest ---- */
CREATE FUNCTION fail(channel text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  m record;
BEGIN
  SELECT * INTO STRICT m FROM journey_orch.claim(channel, 'r');
  PERFORM journey_orch.nack(m.claim_id, m.message_id, 'line busy');
END $$;
SELECT fail('fax');
CALL run();
SELECT state, attempt, due_at BETWEEN '2026-03-01 13:00' AND '2026-03-01 13:06' AS in_an_hour FROM message WHERE channel = 'fax';
SELECT set_clock('2026-03-01 13:06+00');
CALL run();
SELECT fail('fax');
CALL run();
SELECT state, attempt, due_at BETWEEN '2026-03-01 14:06' AND '2026-03-01 14:12' AS in_an_hour FROM message WHERE channel = 'fax';

/* ---- rate ---- */
SELECT set_template('hello', 'sms', 'Hello'), set_template('hello', 'fax', 'Hello');
SELECT define(format('{"journey": "hello_%s", "entry": {"on": "%1$s"}, "start": "say",
  "steps": {"say": {"send": {"channels": ["%1$s"], "template": "hello"}, "next": "done"}, "done": {"exit": "said"}}}', c)::jsonb) > 0 AS defined
  FROM unnest('{sms,fax}'::text[]) AS c;
SELECT count(p) FROM unnest('{sms,fax}'::text[]) AS c, publish('hello_' || c) AS p;
SELECT count(emit(c, i::text)) FROM unnest('{sms,fax}'::text[]) AS c, generate_series(1, 9) AS i;
CALL run();
SELECT channel, ready, rate, unit_cost, currency FROM channel_status ORDER BY 1;
/* one in 1000 seconds: one at once, and then no other */
SELECT count(*) FROM claim('sms', 'r');
SELECT count(*) FROM claim('sms', 'r');
CALL wait_for_messages('{sms}', '0');
/* nor does another relay get one, nor what a lease that ran out gives back */
SELECT count(*) FROM claim('sms', 'r2');
SELECT count(extend(claim_id, '1 microsecond')) FROM journey_orch.claim WHERE channel = 'sms';
SELECT count(*) FROM claim('sms', 'r');
CALL wait_for_messages('{sms}', '0');
/* the bucket has been filling for an hour, but holds only one second's worth, and at least one */
UPDATE journey_orch.claim SET recorded_at = recorded_at - interval '1 hour' WHERE channel = 'sms';
CALL wait_for_messages('{sms}', '0');
SELECT count(*), min(attempt) FROM claim('sms', 'r');
SELECT round(tokens) AS tokens FROM journey_orch.claim WHERE channel = 'sms' ORDER BY claim_id;
/* five a second; a clock that is set back fills nothing */
UPDATE journey_orch.claim SET recorded_at = clock_timestamp() - interval '1 hour' WHERE channel = 'fax';
SELECT count(*) FROM claim('fax', 'r', 3);
UPDATE journey_orch.claim SET recorded_at = clock_timestamp() + interval '1 hour' WHERE channel = 'fax';
SELECT count(*) FROM claim('fax', 'r');
UPDATE journey_orch.claim SET recorded_at = clock_timestamp() + interval '1 hour' WHERE channel = 'fax';
SELECT count(*) FROM claim('fax', 'r');
/* without a rate nothing is kept, and all goes out */
SET client_min_messages = warning;
SELECT set_channel('fax', '''+1'' || customer.phone');
RESET client_min_messages;
SELECT count(*) FROM claim('fax', 'r');
SELECT tokens IS NULL AS has_none FROM journey_orch.claim WHERE channel = 'fax' ORDER BY claim_id DESC LIMIT 1;

/* ---- priority: three queues of a channel; what is urgent overtakes a backlog ---- */
SELECT set_channel('letter', 'customer.email'), set_template('news', 'letter', '{{ event->>''what'' }}');
SELECT define(format('{"journey": "letter_%s", "entry": {"on": "letter_%1$s"}, "start": "say", "exit": [{"on": "stop", "reason": "stopped"}],
  "steps": {"say": {"send": {"channels": ["letter"], "template": "news", "priority": %1$s}, "next": "stay"}, "stay": {"delay": "1 day", "next": "done"},
            "done": {"exit": "said"}}}', p)::jsonb) > 0 AS defined FROM unnest('{0,5,9}'::int[]) AS p;
SELECT count(a) FROM unnest('{0,5,9}'::text[]) AS p, publish('letter_' || p) AS a;
SELECT count(emit('letter_0', i::text, '{"what": "low"}')), count(emit('letter_5', i::text, '{"what": "normal"}')) FROM generate_series(1, 9) AS i;
CALL run();
SELECT count(*), min(body) FROM claim('letter', 'r', 4);
/* two urgent ones come behind what is there, and go before it */
SELECT count(emit('letter_9', i::text, '{"what": "urgent"}')) FROM generate_series(1, 3) AS i;
CALL run();
SELECT channel, ready, in_flight FROM channel_status WHERE channel = 'letter';
CALL wait_for_messages('{letter}', '0');
SELECT body, count(*) FROM claim('letter', 'r', 4) GROUP BY 1 ORDER BY 1;
SELECT body, count(*) FROM claim('letter', 'r', 7) GROUP BY 1 ORDER BY 1;
/* one position a queue and lane: none is lost, none is given twice */
SELECT count(emit('letter_9', '4', '{"what": "urgent"}'));
CALL run();
SELECT body, count(*) FROM claim('letter', 'r', 100) GROUP BY 1 ORDER BY 1;
SELECT count(*), count(DISTINCT h) FROM journey_orch.claim, unnest(held) AS h WHERE channel = 'letter';
SELECT count(*) FROM claim('letter', 'r', 100);
SELECT channel, ready, in_flight FROM channel_status WHERE channel = 'letter';
/* a lease that ran out: urgent ones are given again too */
SELECT count(extend(claim_id, '1 microsecond')) FROM journey_orch.claim WHERE channel = 'letter' AND held <> '{}';
SELECT count(*) > 0 AS again FROM claim('letter', 'r', 100);
/* the id tells the place also of an urgent one */
SELECT count(report(id, 'delivered')) FROM outbox WHERE aggregatetype = 'letter' AND priority = 9;
/* an exit rule withdraws an urgent one as any other */
SELECT count(emit('letter_9', '5', '{"what": "urgent"}'));
CALL run();
SELECT count(emit('stop', '5'));
CALL run();
SELECT state, count(*) FROM message_status WHERE channel = 'letter' AND customer_id = '5' AND journey = 'letter_9' GROUP BY 1;
SELECT count(*) FROM claim('letter', 'r', 100) WHERE customer_id = '5';
SELECT cardinality(positions) FROM journey_orch.claim WHERE channel = 'letter' ORDER BY claim_id;

/* ---- rights ---- */
SET ROLE journey_orch_author;
SELECT add_preset_channel('email');
SELECT count(*) FROM channel_preset;
RESET ROLE;
SELECT law, detail FROM verify() WHERE NOT holds;
