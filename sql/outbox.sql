-- outbox: channels, claim, ack, nack, extend, report, and the states of a message
--
-- The engine is not needed: attempts are written as it would write them, and
-- lanes with events that nobody applies are not waited for.
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
CREATE ROLE outbox_relay LOGIN;
CREATE ROLE outbox_other LOGIN;
GRANT journey_orch_relay TO outbox_relay, outbox_other;
RESET client_min_messages;
SET journey_orch.claim_freshness = -1;

-- ---- declaring a channel ----
SELECT journey_orch.set_channel('email', 'event->>''email''');
SELECT journey_orch.set_channel('email', 'event->>''email''');
SELECT journey_orch.set_channel('email', 'event->>''mail''', max_attempts => 3);
SELECT channel, kind, drain, address_sql, max_attempts, retry_after FROM journey_orch.channel;
SELECT journey_orch.set_channel(NULL, '''x''');
SELECT journey_orch.set_channel('sms', NULL);
SELECT journey_orch.set_channel('', '''x''');
SELECT journey_orch.set_channel('E-Mail', '''x''');
SELECT journey_orch.set_channel(repeat('x', 51), '''x''');
SELECT journey_orch.set_channel('sms', 'event->>''phone''; DROP TABLE x');
SELECT journey_orch.set_channel('sms', '(SELECT phone FROM nowhere)');
SELECT journey_orch.set_channel('sms', 'event->>''phone''', kind => 'pigeon');
SELECT journey_orch.set_channel('sms', 'event->>''phone''', drain => 'sink');
SELECT journey_orch.set_channel('sms', 'event->>''phone''', rate => 0);
SELECT journey_orch.set_channel('sms', 'event->>''phone''', send_window => '{}');
SELECT journey_orch.set_channel('sms', 'event->>''phone''', unit_cost => 1);
SELECT journey_orch.set_channel('sms', 'event->>''phone''', unit_cost => -1, currency => 'EUR');
SELECT journey_orch.set_channel('sms', 'event->>''phone''', unit_cost => 1, currency => 'euro');
SELECT journey_orch.set_channel('sms', 'event->>''phone''', max_attempts => 0);
SELECT journey_orch.set_channel('sms', 'event->>''phone''', retry_after => '0');
SELECT journey_orch.set_channel('feed', 'NULL', drain => 'stream');

-- ---- who may drain it ----
SELECT journey_orch.grant_channel('email', 'outbox_relay');
SELECT journey_orch.grant_channel('email', 'outbox_relay');
SELECT journey_orch.grant_channel('email', 'nobody_at_all');
SELECT journey_orch.grant_channel('post', 'outbox_relay');
SELECT journey_orch.grant_channel(NULL, 'outbox_relay');
SELECT journey_orch.grant_channel('email', NULL);
CREATE ROLE outbox_outsider;
SELECT journey_orch.grant_channel('email', 'outbox_outsider');
SELECT journey_orch.revoke_channel('email', 'outbox_outsider');
SELECT journey_orch.revoke_channel('email', 'outbox_outsider');
DROP ROLE outbox_outsider;
SET ROLE outbox_other;
SELECT * FROM journey_orch.claim('email', 'r1');
SELECT journey_orch.set_channel('mine', '''x''');
SELECT count(*) FROM journey_orch.outbox;
SELECT count(*) FROM journey_orch.claim;
RESET ROLE;

-- ---- arguments of claim ----
SELECT * FROM journey_orch.claim(NULL, 'r1');
SELECT * FROM journey_orch.claim('email', NULL);
SELECT * FROM journey_orch.claim('email', '');
SELECT * FROM journey_orch.claim('post', 'r1');
SELECT * FROM journey_orch.claim('feed', 'r1');
SELECT * FROM journey_orch.claim('email', 'r1', 0);
SELECT * FROM journey_orch.claim('email', 'r1', 10001);
SELECT * FROM journey_orch.claim('email', 'r1', 1, '0');
SELECT * FROM journey_orch.claim('email', 'r1', 1, '2 days');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM journey_orch.claim('email', 'r1');
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM journey_orch.claim('email', 'r1');
ROLLBACK;

-- ---- claim, ack, nack ----
-- Attempt n of a message of customer c<i>, at the next position of its lane.
CREATE SEQUENCE positions;
CREATE FUNCTION enqueue(customer text, attempt int = 1, awaited boolean = false,
                        expires_at timestamptz = NULL, id uuid = NULL)
RETURNS uuid LANGUAGE sql AS $$
  WITH p AS (SELECT nextval('positions') AS position, journey_orch.lane_of(customer) AS lane)
  INSERT INTO journey_orch.outbox
  SELECT coalesce(id, (lpad(to_hex(position), 12, '0') || '8' || to_hex(lane) ||
                       substr(md5(customer), 15, 18))::uuid),
         'email', customer, 'welcome',
         jsonb_build_object('address', customer || '@example.com', 'subject', 'Hello',
                            'body', 'Dear ' || customer, 'headers', '{"X-Tag": "a"}'::jsonb),
         position, md5('run of ' || customer)::uuid, NULL, now(), now(), expires_at,
         1, 1, 1, attempt, lane, 0, 5, awaited, 'hello', 'service', NULL, 0
    FROM p RETURNING id
$$;
CREATE FUNCTION message(customer text) RETURNS uuid LANGUAGE sql AS
  $$ SELECT id FROM journey_orch.outbox WHERE aggregateid = customer ORDER BY attempt LIMIT 1 $$;
SELECT count(enqueue('c' || i)) FROM generate_series(1, 8) i;

SET SESSION AUTHORIZATION outbox_relay;
SELECT claim_id, customer_id, channel, address, subject, body, html, headers, payload->>'body' AS payload_body,
       attempt, expires_at, journey, step, topic, template
  FROM journey_orch.claim('email', 'r1', 3) ORDER BY customer_id COLLATE "C";
SELECT claim_id, count(*) FROM journey_orch.claim('email', 'r1', 3) GROUP BY 1;
SELECT claim_id, count(*) FROM journey_orch.claim('email', 'r2', 10) GROUP BY 1;
SELECT claim_id, count(*) FROM journey_orch.claim('email', 'r2', 10) GROUP BY 1;
-- the first claim as a whole, and again
SELECT outcome, count(*) FROM journey_orch.ack(1) GROUP BY 1;
SELECT outcome, count(*) FROM journey_orch.ack(1) GROUP BY 1;
RESET SESSION AUTHORIZATION;
SELECT outcome, message_ids IS NULL AS is_rest FROM journey_orch.claim_outcome;
-- one of the second, another fails
SELECT outcome FROM journey_orch.ack(2, ARRAY[(SELECT held[1] FROM journey_orch.claim WHERE claim_id = 2)],
  (SELECT jsonb_build_object(held[1], '{"id": "p-17", "cost": 0.001, "currency": "EUR"}'::jsonb) FROM journey_orch.claim WHERE claim_id = 2));
SELECT detail->'receipts' <> '{}' AS has_receipts FROM journey_orch.claim_outcome WHERE detail IS NOT NULL;
SELECT journey_orch.nack(2, (SELECT held[2] FROM journey_orch.claim WHERE claim_id = 2), 'mailbox full', retry_after => '90 s');
SELECT journey_orch.nack(2, (SELECT held[2] FROM journey_orch.claim WHERE claim_id = 2), 'mailbox full');
SELECT journey_orch.nack(2, (SELECT held[1] FROM journey_orch.claim WHERE claim_id = 2), 'too late');
SELECT name, kind, payload - '{message_id,enrollment_id,enqueued_at,payload}'::text[] AS payload,
       payload->'payload'->>'subject' AS subject
  FROM journey_orch.event ORDER BY seq;
SELECT outcome, count(*) FROM journey_orch.ack(2) GROUP BY 1 ORDER BY 1;

-- ---- wrong answers ----
SELECT * FROM journey_orch.ack(NULL);
SELECT * FROM journey_orch.ack(4711);
SELECT * FROM journey_orch.ack(3, ARRAY['00000000-0000-0000-0000-000000000000']::uuid[]);
SELECT * FROM journey_orch.ack(3, ARRAY[NULL]::uuid[]);
SELECT * FROM journey_orch.ack(3, (SELECT ARRAY[held[1], NULL] FROM journey_orch.claim WHERE claim_id = 3));
SELECT * FROM journey_orch.ack(3, NULL, '[]');
SELECT * FROM journey_orch.ack(3, NULL, '{"x": 1}');
SELECT * FROM journey_orch.ack(3, NULL, '{"00000000-0000-0000-0000-000000000000": 1}');
SELECT journey_orch.nack(3, NULL, 'x');
SELECT journey_orch.nack(3, '00000000-0000-0000-0000-000000000000', NULL);
SELECT journey_orch.nack(3, '00000000-0000-0000-0000-000000000000', 'x', permanent => NULL);
SELECT journey_orch.nack(3, '00000000-0000-0000-0000-000000000000', 'x', retry_after => '-1 s');
SELECT journey_orch.nack(3, '00000000-0000-0000-0000-000000000000', 'x', true, '1 s');
SELECT journey_orch.nack(3, '00000000-0000-0000-0000-000000000000', 'x');
SELECT journey_orch.nack(4711, '00000000-0000-0000-0000-000000000000', 'x');
SELECT journey_orch.extend(3, NULL);
SELECT journey_orch.extend(3, '-1 s');
SELECT journey_orch.extend(4711, '1 s');
SELECT journey_orch.extend(1, '1 s');
SELECT journey_orch.grant_channel('email', 'outbox_other');
SET SESSION AUTHORIZATION outbox_other;
SELECT * FROM journey_orch.ack(3);
SELECT journey_orch.extend(3, '1 s');
RESET SESSION AUTHORIZATION;

-- ---- leases that run out ----
SELECT journey_orch.extend(3, '1 hour') > clock_timestamp() + interval '59 minutes' AS is_long;
SELECT count(*) FROM journey_orch.claim('email', 'r1');
SELECT journey_orch.extend(3, '1 microsecond') < clock_timestamp() AS has_run_out;
-- an ack that comes late, but before anybody else asked, still counts
SELECT outcome FROM journey_orch.ack(3, ARRAY[(SELECT held[1] FROM journey_orch.claim WHERE claim_id = 3)]);
SELECT claim_id, count(*), min(attempt), max(attempt) FROM journey_orch.claim('email', 'r1') GROUP BY 1;
SELECT outcome, count(*) FROM journey_orch.ack(3) GROUP BY 1 ORDER BY 1;
SELECT journey_orch.extend(3, '1 s');
-- the third lease that runs out is the last
SET journey_orch.max_expired_claims = 3;
SELECT journey_orch.extend(4, '1 microsecond') < clock_timestamp() AS has_run_out;
SELECT claim_id, count(*) FROM journey_orch.claim('email', 'r1') GROUP BY 1;
SELECT journey_orch.extend(5, '1 microsecond') < clock_timestamp() AS has_run_out;
SELECT claim_id, count(*) FROM journey_orch.claim('email', 'r1') GROUP BY 1;
SELECT claim_id, tries FROM journey_orch.claim ORDER BY 1;
SELECT name, payload->>'error' AS error, payload->'permanent' AS permanent
  FROM journey_orch.event WHERE payload->>'error' LIKE 'lease%';
SELECT outcome FROM journey_orch.ack(5);
RESET journey_orch.max_expired_claims;

-- ---- gates ----
SELECT count(enqueue('g' || i, expires_at => CASE i WHEN 2 THEN now() - interval '1 minute' END, awaited => i = 2))
  FROM generate_series(1, 4) i;
INSERT INTO journey_orch.withdrawal
SELECT md5('run of g1')::uuid, currval('positions') + 1, now(), journey_orch.lane_of('g1'), 0, 'goal';
-- a withdrawal that came before the message was enqueued does not concern it
INSERT INTO journey_orch.withdrawal
SELECT md5('run of g3')::uuid, 1, now(), journey_orch.lane_of('g3'), 0, 'goal';
SELECT customer_id FROM journey_orch.claim('email', 'r1') ORDER BY 1;
SELECT outcome, cardinality(message_ids) FROM journey_orch.claim_outcome WHERE outcome IN ('withdrawn', 'expired') ORDER BY 1;
SELECT name, customer_id FROM journey_orch.event WHERE name = 'message.expired';
SELECT customer_id, state FROM journey_orch.message_status WHERE customer_id LIKE 'g%' ORDER BY 1;

-- a run that waits for the outcome is told of the ack
SELECT enqueue('w1', awaited => true) = message('w1') AS same, enqueue('w2') = message('w2') AS same;
SELECT customer_id FROM journey_orch.claim('email', 'r1') ORDER BY 1;
SELECT outcome FROM journey_orch.ack((SELECT max(claim_id) FROM journey_orch.claim));
SELECT name, customer_id, payload->>'step' AS step FROM journey_orch.event WHERE name = 'message.sent';
-- the second attempt of a message has the id of the first
SELECT enqueue('c7', attempt => 2, id => message('c7')) = message('c7') AS same;
SELECT customer_id, attempt FROM journey_orch.claim('email', 'r1');
SELECT attempts FROM journey_orch.claim ORDER BY claim_id DESC LIMIT 1;
SELECT journey_orch.nack((SELECT max(claim_id) FROM journey_orch.claim), message('c7'), 'gone', permanent => true);
SELECT payload->'attempt' AS attempt, payload->'permanent' AS permanent
  FROM journey_orch.event WHERE customer_id = 'c7' ORDER BY seq DESC LIMIT 1;

-- ---- claiming nothing writes nothing ----
SELECT count(*) AS claims FROM journey_orch.claim \gset before_
SELECT last_value FROM journey_orch.claim_seq \gset before_
SELECT count(*) FROM journey_orch.claim('email', 'r1');
SELECT count(*) = :before_claims AS same_claims FROM journey_orch.claim;
SELECT last_value = :before_last_value AS same_sequence FROM journey_orch.claim_seq;

-- ---- reports ----
SET SESSION AUTHORIZATION outbox_relay;
SELECT journey_orch.report(NULL, 'delivered');
RESET SESSION AUTHORIZATION;
SELECT message('c1') AS c1, message('c2') AS c2 \gset
SET SESSION AUTHORIZATION outbox_relay;
SELECT journey_orch.report(:'c1', 'delivered', '2026-01-01 10:00+00') AS first \gset
SELECT journey_orch.report(:'c1', 'delivered', '2026-01-01 10:00+00') = :first AS same;
SELECT journey_orch.report(:'c1', 'delivered', '2026-01-01 10:01+00') = :first AS same;
SELECT journey_orch.report(:'c1', 'redeemed', '2026-01-02') AS first \gset
SELECT journey_orch.report(:'c1', 'redeemed', '2026-01-03') = :first AS same;
SELECT journey_orch.report_many(jsonb_build_array(
  jsonb_build_object('message_id', :'c1', 'status', 'clicked', 'at', '2026-01-02', 'detail', '{"url": "https://example.com"}'::jsonb),
  jsonb_build_object('message_id', :'c2', 'status', 'bounced'),
  jsonb_build_object('message_id', :'c1', 'status', 'clicked', 'at', '2026-01-02')));
SELECT journey_orch.report_many('[]');
SELECT journey_orch.report(:'c1', NULL);
SELECT journey_orch.report(:'c1', 'sent');
SELECT journey_orch.report(:'c1', 'opened', detail => NULL);
SELECT journey_orch.report(:'c1', 'opened', detail => '[]');
SELECT journey_orch.report(:'c1', 'opened', 'infinity');
SELECT journey_orch.report('00000000-0000-0000-0000-000000000000', 'opened');
SELECT journey_orch.report('000000000001800000000000000000ff', 'opened');
SELECT journey_orch.report_many(NULL);
SELECT journey_orch.report_many('{}');
SELECT journey_orch.report_many('[1]');
SELECT journey_orch.report_many('[{"status": "opened"}]');
SELECT journey_orch.report_many('[{"message_id": "x", "status": "opened"}]');
SELECT journey_orch.report_many('[{"message_id": 1, "status": "opened"}]');
RESET SESSION AUTHORIZATION;
SELECT customer_id, status, channel, detail FROM journey_orch.delivery ORDER BY event_id;
SELECT d.status, e.name, e.kind, e.occurred_at = d.at AS same_time, e.payload->>'step' AS step, e.payload->'detail' AS detail
  FROM journey_orch.delivery d JOIN journey_orch.event e ON e.seq = d.event_id ORDER BY e.seq;
SELECT journey_orch.revoke_channel('email', 'outbox_relay');
SET SESSION AUTHORIZATION outbox_relay;
SELECT journey_orch.report(:'c2', 'opened');
RESET SESSION AUTHORIZATION;

-- ---- waiting ----
CALL journey_orch.wait_for_messages(NULL, '1 s');
CALL journey_orch.wait_for_messages('{email}', NULL);
CALL journey_orch.wait_for_messages('{}', '0');
CALL journey_orch.wait_for_messages('{email,NULL}', '0');
CALL journey_orch.wait_for_messages('{post}', '0');
CALL journey_orch.wait_for_messages('{email}', '-1 s');
CALL journey_orch.wait_for_messages('{email,feed}', '0');
BEGIN;
CALL journey_orch.wait_for_messages('{email}', '0');
ROLLBACK;
CALL journey_orch.wait_for_messages('{email}', '0');
SELECT enqueue('x1') = message('x1') AS same;
CALL journey_orch.wait_for_messages('{email}', '1 minute');
SET SESSION AUTHORIZATION outbox_relay;
CALL journey_orch.wait_for_messages('{email}', '0');
RESET SESSION AUTHORIZATION;

-- ---- views ----
SELECT channel, ready, in_flight, deferred, dead, oldest_age > '0' AS has_age, kind, drain, last_relay
  FROM journey_orch.channel_status ORDER BY 1;
SELECT customer_id, state, attempt, claimed_at IS NOT NULL AS was_claimed, sent_at IS NOT NULL AS was_sent,
       failed_at IS NOT NULL AS has_failed, error
  FROM journey_orch.message_status ORDER BY customer_id COLLATE "C";
SELECT count(*) FROM journey_orch.dead_letter;

-- ---- insert-only ----
BEGIN;
SELECT customer_id FROM journey_orch.claim('email', 'r1');
SELECT outcome FROM journey_orch.ack((SELECT max(claim_id) FROM journey_orch.claim));
SELECT relname FROM pg_stat_xact_user_tables
 WHERE schemaname = 'journey_orch' AND relname ~ '^(claim|outbox|withdrawal|delivery|event)' AND n_tup_upd + n_tup_del > 0;
COMMIT;

SET client_min_messages = warning;
DROP ROLE outbox_relay, outbox_other;
