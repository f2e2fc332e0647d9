/*
 * forget(): canaries are planted through every way in for two persons; one is
 * erased.  Then no table of the schema holds one of his, and all of the
 * other's stay.
 */
CREATE EXTENSION journey_orch;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET search_path = public, journey_orch;
SELECT set_clock('2026-03-01 12:00+00');

-- every table is registered, and in each that is rewritten every column of text
SELECT c.relname AS unregistered
FROM pg_class AS c LEFT JOIN _personal_table() AS p ON p.relation = c.relname
WHERE c.relnamespace = 'journey_orch'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND p.place IS NULL;
SELECT p.relation AS no_such_table FROM _personal_table() AS p
WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.relname = p.relation AND c.relnamespace = 'journey_orch'::regnamespace);
SELECT relation, count(*) FROM _personal_table() GROUP BY 1 HAVING count(*) > 1;
SELECT p.relation, a.attname AS forgotten_column
FROM _personal_table() AS p
JOIN pg_attribute AS a ON a.attrelid = format('journey_orch.%I', p.relation)::regclass AND a.attnum > 0 AND NOT a.attisdropped
WHERE p.act = 'rewrite' AND a.attname <> ALL (p.kept)
  AND a.atttypid IN ('text'::regtype, 'jsonb'::regtype, 'text[]'::regtype, 'jsonb[]'::regtype, 'bytea'::regtype, 'json'::regtype,
                     'name'::regtype, 'varchar'::regtype, 'inet'::regtype, 'xml'::regtype)
  AND p.change !~ format('(^|[\s,])%s = ', a.attname);
SELECT p.relation, a.attname AS names_somebody
FROM _personal_table() AS p
JOIN pg_attribute AS a ON a.attrelid = format('journey_orch.%I', p.relation)::regclass AND a.attname ~ 'customer|aggregateid|address'
WHERE p.act = 'none' AND p.customer IS DISTINCT FROM a.attname AND (p.relation, a.attname) NOT IN
    (('channel', 'address_sql'), ('watch', 'customer_sql'), ('suppressed_address', 'address_hash'), ('do_not_call', 'address_hash'),
     ('message_sender', 'postal_address'))
ORDER BY 1, 2;

/* where canaries of a person are; tables as their parents */
CREATE TYPE place AS ("table" text, rows bigint);
CREATE FUNCTION places(person text) RETURNS SETOF place LANGUAGE plpgsql AS $$
DECLARE
  t record;
  found place;
BEGIN
  FOR t IN
    SELECT c.oid::regclass AS name, coalesce(p.relname, c.relname) AS parent
    FROM pg_class AS c LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid LEFT JOIN pg_class AS p ON p.oid = i.inhparent
    WHERE c.relnamespace = 'journey_orch'::regnamespace AND c.relkind = 'r' AND pg_relation_size(c.oid) > 0
  LOOP
    EXECUTE format('SELECT %L, count(*) FROM %s AS t WHERE t::text LIKE %L', t.parent, t.name, '%canary-' || person || '%') INTO found;
    IF found.rows > 0 THEN
      RETURN NEXT found;
    END IF;
  END LOOP;
END $$;
CREATE PROCEDURE finish() LANGUAGE plpgsql AS $$
BEGIN
  FOR round IN 1 .. 100000 LOOP
    PERFORM journey_orch.maintain();
    COMMIT;
    EXIT WHEN NOT EXISTS (SELECT FROM journey_orch.tombstone);
  END LOOP;
END $$;
CREATE VIEW laws AS SELECT law, detail FROM verify('full') WHERE NOT holds;

CREATE TABLE person (name text PRIMARY KEY, id text UNIQUE, email text, birthday date);
INSERT INTO person
SELECT p, 'canary-' || p, 'canary-' || p || '@example.com', '1990-03-20' FROM unnest('{subject,other}'::text[]) AS p;
CREATE TABLE purchase (number int PRIMARY KEY, buyer text, note text, amount text);
SELECT bind_customer('public.person', 'id');
SELECT watch('public.purchase', 'bought', 'NEW.buyer', payload_sql => 'jsonb_build_object(''note'', NEW.note, ''amount'', NEW.amount::int)');
SELECT set_channel('email', 'customer.email', max_attempts => 3);
SELECT set_template('hello', 'email', 'Hello {{ customer.email }}, {{ event ->> ''note'' }}', subject => 'For {{ customer.id }}',
                    html => '<p>{{ customer.email }}</p>', headers => '{"X-Who": "{{ customer.id }}"}');
CREATE FUNCTION mine(id text) RETURNS jsonb LANGUAGE sql AS $$SELECT jsonb_build_object('of', id)$$;
CREATE FUNCTION fails(id text) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN RAISE 'not for %', id; END$$;

CREATE FUNCTION live(definition jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM journey_orch.define(definition);
  PERFORM journey_orch.publish(definition ->> 'journey');
END $$;
SELECT live('{"journey": "writes", "entry": {"on": "bought", "key": "event->>''note''"}, "goal": {"on": "paid", "within": "60 days"}, "start": "send",
  "steps": {"send": {"send": {"channels": ["email"], "template": "hello"}, "next": "note", "on_failure": "note"},
            "note": {"update": {"mail": "customer.email"}, "next": "ask"},
            "ask":  {"call": "public.mine(customer.id)", "into": "mine", "next": "tell"},
            "tell": {"emit": {"event": "told", "payload": "jsonb_build_object(''to'', customer.email)"}, "next": "wait"},
            "wait": {"wait": {"for": [{"on": "go", "next": "done"}], "until": {"after": "40 days", "next": "done"}}},
            "done": {"exit": "done"}}}');
SELECT live('{"journey": "parks", "entry": {"on": "parked"}, "start": "call", "steps": {"call": {"call": "public.fails(customer.id)", "next": "x"}, "x": {"exit": "done"}}}');
SELECT live('{"journey": "asks", "entry": {"on": "api"}, "start": "ask", "steps": {"ask": {"approve": {}, "next": {"yes": "x"}}, "x": {"exit": "done"}}}');
SELECT live('{"journey": "collects", "entry": {"on": "first"}, "start": "d", "steps": {"d": {"digest": {"on": "more", "for": "5 days"}, "next": "x"}, "x": {"exit": "done"}}}');
SELECT live('{"journey": "dated", "entry": {"date": {"value": "customer.birthday", "every": "1 year"}}, "start": "x", "steps": {"x": {"exit": "done"}}}');
SELECT live('{"journey": "everybody", "entry": {"on": "news", "audience": "SELECT p.id FROM public.person AS p"}, "start": "x", "steps": {"x": {"exit": "done"}}}');
CALL run();

INSERT INTO purchase SELECT row_number() OVER (), id, 'canary-' || name || ' note', '5' FROM person;
/* a payload that raises, after the customer is known */
INSERT INTO purchase SELECT 10 + row_number() OVER (), id, 'x', 'canary-' || name FROM person;
SELECT count(emit('parked', id, jsonb_build_object('x', id), idempotency_key => id || ' key')) FROM person;
SELECT count(enter('asks', id, jsonb_build_object('c', 'canary-' || name || ' context'), key => id || ' case', idempotency_key => id)) FROM person;
SELECT count(emit('first', id)) FROM person;
SELECT count(emit('news', id, jsonb_build_object('about', 'all'))) FROM person WHERE name = 'subject';
CALL run();
SELECT count(emit('more', id, jsonb_build_object('what', id))) FROM person;
CALL run();
SELECT count(grant_consent(id, 'email', 'news', 'form of ' || name, evidence => jsonb_build_object('ip', id, 'method', 'checkbox', 'text_version', 'v1'))) FROM person;
SELECT count(record_objection(id, 'sale', 'mail', evidence => jsonb_build_object('by', id))) FROM person;
SELECT count(inbound('sms', '+1555' || length(name) || '1234567', 'help', customer => id)) FROM person;
/* refused: he is inside already */
SELECT count(enter('asks', id, key => id || ' case')) FROM person;
CALL run();

/* what relays say: a failure that is tried again, an ack with receipts, reports */
SELECT claim_id, count(*) FROM claim('email', 'relay') GROUP BY 1;
SELECT nack(1, message_id, 'no mailbox for ' || customer_id) FROM message_status WHERE state = 'claimed' ORDER BY 1;
CALL run();
SELECT advance_clock('1 hour') IS NOT NULL;
CALL run();
SELECT claim_id, count(*) FROM claim('email', 'relay') GROUP BY 1;
SELECT count(*) FROM ack(2, receipts => (SELECT jsonb_object_agg(message_id, jsonb_build_object('id', 'provider-' || customer_id))
                                         FROM message_status WHERE state = 'claimed'));
SELECT count(report(message_id, 'opened', detail => jsonb_build_object('agent', customer_id))) FROM message_status WHERE state = 'sent';
CALL run();
/* one more message each, which nobody claims */
INSERT INTO purchase SELECT 20 + row_number() OVER (), id, 'canary-' || name || ' again', '6' FROM person;
CALL run();
/* what takes a broken lane, or a gate, to come about */
INSERT INTO event_failure (event_id, batch, lane, customer_id, event, sqlstate, message, clock, at)
SELECT 1, 1, lane_of(id), id, 'x', 'XX000', 'it says ' || id, clock(), now() FROM person;
INSERT INTO gate_decision
SELECT s.message_id, s.enrollment_id, NULL, clock(), now(), 1, 1, 1, 1, lane_of(customer_id), 0, customer_id, s.step, s.channel, s.template,
       NULL, NULL, 'claim', 'defer', 'quiet_hours', NULL, 'quiet_hours', jsonb_build_object('seen', customer_id)
FROM message_status AS s WHERE state = 'sent';
SELECT * FROM laws;

SELECT "table", sum(rows) AS rows FROM places('subject') GROUP BY 1 ORDER BY 1;
CREATE TABLE before AS SELECT 'other' AS who, * FROM places('other');
CREATE TABLE counts AS
SELECT 'entered ' || journey AS what, entered AS n FROM journey_status UNION ALL
SELECT 'events', count(*) FROM event UNION ALL
SELECT 'attempts', count(*) FROM outbox UNION ALL
SELECT 'reports', count(*) FROM delivery UNION ALL
SELECT 'advances', count(*) FROM step_log WHERE outcome <> 'ended';

-- who may, and whom
SELECT forget(NULL, 'x');
SELECT forget('canary-subject', NULL);
SELECT forget('', 'x');
SELECT forget(repeat('x', 1001), 'x');
SELECT hold_customer('canary-subject', 'tax law'), hold_customer('canary-subject', 'tax law'), hold_customer('canary-subject', 'court order');
SELECT forget('canary-subject', 'he asked');
SELECT release_customer('canary-subject'), release_customer('canary-subject');
SELECT * FROM erasure;

-- his lane ends him; the event that it finds there is a new person's
CREATE VIEW asked AS
SELECT p.name, m.answer, m.reason FROM person AS p
JOIN LATERAL (SELECT s.message_id FROM message_status AS s WHERE s.customer_id = p.id AND s.state = 'enqueued' ORDER BY 1 LIMIT 1) AS s ON true
CROSS JOIN LATERAL _ask_gate('erasure', jsonb_build_object('message_id', s.message_id, 'customer_id', p.id, 'channel', 'email'), clock()) AS m
ORDER BY p.name;
SELECT forget('canary-subject', 'he asked') AS erasure \gset
/* no lane has run, and already no claim gives his message */
SELECT * FROM asked;
SELECT state, actor = session_user AS is_mine, reason, customer_hash = erasure_hash('canary-subject') AS is_his, counts FROM erasure;
SELECT count(emit('first', id, jsonb_build_object('self', 'new'))) FROM person WHERE name = 'subject';
CALL run();
SELECT state, counts FROM erasure;
SELECT journey, step, state FROM enrollment_status WHERE customer_id = 'canary-subject' AND ended_at IS NULL ORDER BY 1;
SELECT exit_reason, count(*) FROM enrollment_status WHERE exit_reason = 'customer_erased' GROUP BY 1;
/* a new person's message to a new address, beside the old one's */
UPDATE person SET email = 'new@example.com' WHERE name = 'subject';
INSERT INTO purchase SELECT 30, id, 'new', '7' FROM person WHERE name = 'subject';
CALL run();
SELECT p.name, count(*), count(m.reason) AS withheld FROM person AS p JOIN message_status AS s ON s.customer_id = p.id AND s.attempt = 1
CROSS JOIN LATERAL _ask_gate('erasure', jsonb_build_object('message_id', s.message_id, 'customer_id', p.id, 'channel', 'email'), clock()) AS m
GROUP BY 1 ORDER BY 1;
CALL finish();
SELECT state, jsonb_pretty(counts) AS counts FROM erasure;
/* only the new person */
SELECT "table", sum(rows) AS rows FROM places('subject') GROUP BY 1 ORDER BY 1;
SELECT name, payload FROM event WHERE customer_id = 'canary-subject';

/* whoever brings his address back may not use it for marketing */
SELECT reason, source, count(*) FROM suppressed_address WHERE source = 'erasure' GROUP BY 1, 2;

-- erased again, and nothing is left; the other has lost nothing
DELETE FROM person WHERE name = 'subject';
SELECT forget('canary-subject', 'he asked again') > :erasure AS is_later;
SELECT forget('nobody', 'was never here') > 0 AS done;
CALL run();
CALL finish();
SELECT state, count(*), bool_and(done_at >= applied_at AND applied_at >= requested_at) AS in_order FROM erasure GROUP BY 1;
SELECT "table", sum(rows) FROM places('subject') GROUP BY 1;
(SELECT "table", sum(rows) FROM places('other') GROUP BY 1) EXCEPT ALL (SELECT "table", sum(rows) FROM before GROUP BY 1);
(SELECT "table", sum(rows) FROM before GROUP BY 1) EXCEPT ALL (SELECT "table", sum(rows) FROM places('other') GROUP BY 1);
/* counts stay: what was there before, and what came since */
SELECT what, n AS was, CASE WHEN what LIKE 'entered %' THEN (SELECT entered FROM journey_status WHERE 'entered ' || journey = what)
  ELSE CASE what WHEN 'events' THEN (SELECT count(*) FROM event WHERE name <> '$forget') WHEN 'attempts' THEN (SELECT count(*) FROM outbox)
    WHEN 'reports' THEN (SELECT count(*) FROM delivery) ELSE (SELECT count(*) FROM step_log WHERE outcome <> 'ended') END END AS "is"
FROM counts ORDER BY what COLLATE "C";
SELECT count(DISTINCT customer_id) AS pseudonyms, bool_and(lane_of(customer_id) = lane) AS in_their_lane
FROM event WHERE customer_id LIKE 'erased:%';
SELECT * FROM laws;

-- what comes late of the erased: a report, an ack, a failure, a published journey
SELECT message_id AS late FROM message_status WHERE customer_id LIKE 'erased:%' AND state = 'sent' LIMIT 1 \gset
SELECT report(:'late', 'clicked', detail => '{"agent": "canary-subject"}') > 0 AS reported;
SELECT live('{"journey": "clicks", "entry": {"on": "message.clicked"}, "start": "x", "steps": {"x": {"exit": "done"}}}');
SELECT define('{"journey": "olds", "entry": {"on": "first"}, "start": "x", "steps": {"x": {"exit": "done"}}}');
SELECT entering FROM publish('olds', existing => 'now');
CALL run();
SELECT journey, entered FROM journey_status WHERE journey IN ('clicks', 'olds') ORDER BY 1;
SELECT "table", sum(rows) FROM places('subject') GROUP BY 1;
SELECT * FROM laws;

-- whoever may not
CREATE ROLE erasure_app IN ROLE journey_orch_app, journey_orch_operator, journey_orch_author, journey_orch_relay;
SET ROLE erasure_app;
SELECT journey_orch.forget('canary-other', 'x');
SELECT journey_orch.erasure_hash('canary-other');
SELECT journey_orch.hold_customer('canary-other', 'x');
SELECT count(*) FROM journey_orch.tombstone;
RESET ROLE;
DROP ROLE erasure_app;
CREATE ROLE erasure_dpo IN ROLE journey_orch_privacy;
SET ROLE erasure_dpo;
SELECT journey_orch.forget('canary-other', 'x') > 0 AS asked;
SELECT state, reason FROM journey_orch.erasure WHERE customer_hash = journey_orch.erasure_hash('canary-other');
RESET ROLE;
DROP ROLE erasure_dpo;
CALL run();
CALL finish();
SELECT "table", sum(rows) FROM places('other') GROUP BY 1;
SELECT * FROM laws;
