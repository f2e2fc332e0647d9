-- feedback: what reports mean for messages to come, what channels cost and
-- bring, and how many complain
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';

SELECT journey_orch.set_clock('2026-03-02 09:00+00');
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY);
INSERT INTO shop.customer SELECT c FROM unnest('{ann,bob,cat,dan,eve,fay}'::text[]) c;
SELECT journey_orch.bind_customer('shop.customer', 'id');
SELECT journey_orch.set_channel('email', 'customer.id || ''@example.com''', unit_cost => 0.002, currency => 'EUR');
SELECT journey_orch.set_channel('sms', 'customer.id');
SELECT journey_orch.set_topic('news', 'service', 'opt_out');
SELECT count(journey_orch.set_template('news', c, 'Hello')) FROM unnest('{email,sms}'::text[]) c;
SELECT count(journey_orch.define(format('{"journey": "%1$s", "entry": {"on": "%1$s", "reentry": {"policy": "any"}}, "start": "send", "steps": {
  "send": {"send": {"channels": ["%1$s"], "template": "news", "topic": "news"}, "next": "done"}, "done": {"exit": "done"}}}', c)::jsonb)) FROM unnest('{email,sms}'::text[]) c;
SELECT count(p.*) FROM unnest('{email,sms}'::text[]) j, journey_orch.publish(j) p;
CREATE FUNCTION message(customer text, channel text = 'email') RETURNS uuid LANGUAGE sql AS
  $$ SELECT id FROM journey_orch.outbox WHERE aggregateid = customer AND aggregatetype = channel ORDER BY enqueued_at DESC LIMIT 1 $$;
-- Send everybody a message; who is given one.
CREATE PROCEDURE send(channel text) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM journey_orch.emit(channel, id) FROM shop.customer;
  COMMIT;
  CALL journey_orch.run();
END
$$;
CALL send('email');
SELECT claim_id, array_agg(customer_id ORDER BY customer_id) AS customers FROM journey_orch.claim('email', 'r1') GROUP BY 1;
SELECT journey_orch.nack(1, message('fay'), 'no such user', hard_bounce => true);
SELECT count(*) FROM journey_orch.ack(1);

-- ---- suppressed, or withdrawn ----
SELECT journey_orch.report(message('ann'), 'bounced', '2026-03-02 10:00+00', '{"type": "Hard"}') > 0 AS reported;
SELECT journey_orch.report(message('bob'), 'bounced', '2026-03-02 10:00+00', '{"type": "soft"}') > 0 AS reported;
SELECT journey_orch.report_many(jsonb_build_array(
  jsonb_build_object('message_id', message('dan'), 'status', 'unsubscribed', 'at', '2026-03-02T11:00:00Z'),
  jsonb_build_object('message_id', message('cat'), 'status', 'complained', 'at', '2026-03-02T11:00:00Z'),
  jsonb_build_object('message_id', message('dan'), 'status', 'unsubscribed', 'at', '2026-03-02T11:00:00Z')));
SELECT channel, reason, source, detail->>'message_id' IN (message('ann')::text, message('cat')::text, message('fay')::text) AS is_ours, is_live
  FROM journey_orch.suppression ORDER BY suppression_id;
SELECT customer_id, channel, topic, state, source FROM journey_orch.consent ORDER BY consent_id;
-- again, and another of the same: nothing new
SELECT journey_orch.report(message('cat'), 'complained', '2026-03-02 12:00+00') > 0 AS reported;
SELECT journey_orch.report(message('dan'), 'unsubscribed', '2026-03-02 12:00+00') > 0 AS reported;
SELECT (SELECT count(*) FROM journey_orch.suppression) AS suppressions, (SELECT count(*) FROM journey_orch.consent) AS consents;
-- what the gates say of the next one; on the other channel nothing has changed
SELECT c.id, channel, decision, gate, reason, evidence->>'reason' AS why
  FROM unnest('{email,sms}'::text[]) channel, shop.customer c, journey_orch.ask_gates(c.id, channel, 'news', CASE channel WHEN 'email' THEN c.id || '@example.com' ELSE c.id END)
 ORDER BY channel, c.id;
CALL send('sms');
SELECT count(*) AS claimed, max(claim_id) AS claim FROM journey_orch.claim('sms', 'r1') \gset

-- ---- what a channel costs and brings ----
SELECT count(*) FROM journey_orch.ack(:claim, receipts => jsonb_build_object(
  message('ann', 'sms'), '{"cost": 0.07, "currency": "EUR"}'::jsonb, message('bob', 'sms'), '{"cost": "0.05", "currency": "USD"}'::jsonb));
SELECT journey_orch.report(message(c, 'sms'), s, at::timestamptz, d::jsonb) > 0 AS reported
  FROM (VALUES ('ann', 'delivered', '2026-03-02 20:00+00', '{}'), ('ann', 'delivered', '2026-03-02 20:01+00', '{}'), ('bob', 'delivered', '2026-03-03 01:00+00', '{}'),
               ('ann', 'clicked', '2026-03-02 21:00+00', '{}'), ('bob', 'clicked', '2026-03-03 21:00+00', '{"machine": true}'),
               ('ann', 'converted', '2026-03-03 08:00+00', '{"amount": 10, "currency": "EUR"}'), ('ann', 'converted', '2026-03-03 09:00+00', '{"amount": 2.5, "currency": "EUR"}'),
               ('bob', 'converted', '2026-03-03 10:00+00', '{"amount": 7, "currency": "USD"}'), ('bob', 'redeemed', '2026-03-03 11:00+00', '{"amount": 1, "currency": "USD"}'),
               ('cat', 'converted', '2026-03-03 12:00+00', '{}')) v (c, s, at, d);
SELECT channel, day, currency, sent, delivered, opened, clicked, bounced, complained, converted, cost, revenue, redeemed, unsubscribed
  FROM journey_orch.channel_performance ORDER BY channel, day, currency;

-- ---- too many complaints ----
SELECT channel, domain, sent, complained, round(share, 4) AS share, is_over FROM journey_orch.complaint_share ORDER BY 1, 2;
SELECT level, name, value FROM journey_orch.health() WHERE name = 'complaints';
-- ten thousand messages as the engine would write them, all acknowledged
INSERT INTO journey_orch.outbox
SELECT (lpad(to_hex(100000 + i), 12, '0') || '8' || to_hex(journey_orch.lane_of('m' || i)) || substr(md5('m' || i), 15, 18))::uuid, 'email', 'm' || i, 'news',
       jsonb_build_object('address', 'm' || i || '@example.org', 'headers', '{"From": "The shop <news@Shop.example>"}'::jsonb), 100000 + i, md5(i::text)::uuid, NULL,
       journey_orch.clock(), now(), NULL, 1, 1, 1, 1, journey_orch.lane_of('m' || i), 0, 5, false, 'send', 'news', NULL, 0
  FROM generate_series(1, 10000) i;
SET journey_orch.claim_freshness = -1;
SELECT count(*) AS claimed, min(claim_id) AS claim FROM journey_orch.claim('email', 'r1', 10000) \gset
SELECT :claimed AS claimed, count(*) AS acked FROM journey_orch.ack(:claim);
-- 29 complaints are no reason yet, 31 are; nothing is halted unless an operator wants it
SELECT journey_orch.report_many((SELECT jsonb_agg(jsonb_build_object('message_id', message('m' || i), 'status', 'complained')) FROM generate_series(1, 29) i));
SELECT domain, sent, complained, share, is_over FROM journey_orch.complaint_share WHERE domain IS NOT NULL;
SELECT journey_orch.report_many((SELECT jsonb_agg(jsonb_build_object('message_id', message('m' || i), 'status', 'complained')) FROM generate_series(30, 31) i));
SELECT domain, sent, complained, share, is_over FROM journey_orch.complaint_share WHERE domain IS NOT NULL;
SELECT level, name, value, hint FROM journey_orch.health() WHERE name = 'complaints';
SELECT count(*) FROM journey_orch.halt_status;
SET journey_orch.complaint_halt = on;
SELECT journey_orch.report(message('m32'), 'complained') > 0 AS reported;
SELECT scope, name, is_halted, reason FROM journey_orch.halt_status;
-- it is halted already: nothing is counted again
SELECT journey_orch.report_many((SELECT jsonb_agg(jsonb_build_object('message_id', message('m' || i), 'status', 'complained')) FROM generate_series(33, 40) i));
SELECT scope, name, is_halted, reason FROM journey_orch.halt_status;
SELECT * FROM journey_orch.verify() WHERE NOT holds;
