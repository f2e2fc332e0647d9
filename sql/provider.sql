-- provider: receipts of an ack, report_provider, reports that come too early,
-- twice, late or in any order
--
-- The engine is not needed: attempts are written as it would write them.
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
CREATE ROLE provider_mailer LOGIN;
CREATE ROLE provider_texter LOGIN;
GRANT journey_orch_relay TO provider_mailer, provider_texter;
SELECT journey_orch.set_channel('email', '''x''', unit_cost => 0.0005, currency => 'EUR');
SELECT journey_orch.set_channel('sms', '''x''');
SELECT journey_orch.grant_channel('email', 'provider_mailer');
SELECT journey_orch.grant_channel('sms', 'provider_texter');
RESET client_min_messages;
SET journey_orch.claim_freshness = -1;
SET timezone = 'UTC';

CREATE SEQUENCE positions;
CREATE FUNCTION enqueue(customer text, channel text = 'email', expires_at timestamptz = NULL)
RETURNS uuid LANGUAGE sql AS $$
  WITH p AS (SELECT nextval('positions') AS position, journey_orch.lane_of(customer) AS lane)
  INSERT INTO journey_orch.outbox
  SELECT (lpad(to_hex(position), 12, '0') || '8' || to_hex(lane) || substr(md5(customer), 15, 18))::uuid,
         channel, customer, 'welcome', '{"body": "Hello"}', position, md5('run of ' || customer)::uuid, NULL,
         now(), now(), expires_at, 1, 1, 1, 1, lane, 0, 5, false, 'hello', 'service', NULL, 0
    FROM p RETURNING id
$$;
CREATE FUNCTION message(customer text) RETURNS uuid LANGUAGE sql SECURITY DEFINER AS
  $$ SELECT id FROM journey_orch.outbox WHERE aggregateid = customer $$;
CREATE FUNCTION receipt(customer text, receipt jsonb) RETURNS jsonb LANGUAGE sql AS
  $$ SELECT jsonb_build_object(message(customer), receipt) $$;
CREATE FUNCTION try_receipt(receipt jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  PERFORM * FROM journey_orch.ack(1, ARRAY[message('dan')], receipt('dan', receipt));
  RETURN 'taken';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || ' ' || detail;
END
$$;

-- ---- a receipt names the provider's id ----
SELECT count(enqueue(c)) FROM unnest('{ann,bob,cat,dan,eve}'::text[]) c;
SET SESSION AUTHORIZATION provider_mailer;
SELECT claim_id, count(*) FROM journey_orch.claim('email', 'r1') GROUP BY 1;
SELECT outcome FROM journey_orch.ack(1, ARRAY[message('ann')], receipt('ann', '{"id": "p-1", "cost": 0.001, "currency": "USD"}'));
SELECT outcome FROM journey_orch.ack(1, ARRAY[message('bob')], receipt('bob', '{"id": 4711}'));
SELECT outcome FROM journey_orch.ack(1, ARRAY[message('cat')], receipt('cat', '{"cost": "0.25", "currency": "EUR", "queue": "fast"}'));
-- the same ack again costs nothing more
SELECT outcome FROM journey_orch.ack(1, ARRAY[message('ann')], receipt('ann', '{"id": "p-1", "cost": 0.001, "currency": "USD"}'));
SELECT outcome FROM journey_orch.ack(1, ARRAY[message('cat')], receipt('cat', '{"cost": "0.25", "currency": "EUR"}'));
RESET SESSION AUTHORIZATION;
SELECT channel, provider_message_id, cost, currency FROM journey_orch.receipt ORDER BY recorded_at;

-- what is no receipt: nothing is acknowledged then
SET SESSION AUTHORIZATION provider_mailer;
SELECT * FROM journey_orch.ack(1, ARRAY[message('dan')], jsonb_build_object('dan', '{"id": "x"}'::jsonb));
SELECT r AS receipt, try_receipt(r::jsonb)
  FROM unnest(ARRAY['{"id": ""}', '{"id": true}', '{"id": {"a": 1}}', '{"cost": 1}', '{"cost": "much", "currency": "EUR"}',
                    '{"cost": "1e5", "currency": "EUR"}', '{"cost": "NaN", "currency": "EUR"}', '{"cost": 1, "currency": "euro"}',
                    '{"cost": 1, "currency": 978}', '{"cost": 1e60, "currency": "EUR"}']) r;
SELECT try_receipt(jsonb_build_object('id', repeat('x', 501)));
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM journey_orch.receipt;

-- ---- report_provider ----
SET SESSION AUTHORIZATION provider_mailer;
SELECT journey_orch.report_provider('email', 'p-1', 'delivered', '2026-01-05 10:00') AS first \gset
SELECT journey_orch.report_provider('email', 'p-1', 'delivered', '2026-01-05 10:00') = :first AS same;
SELECT journey_orch.report(message('ann'), 'delivered', '2026-01-05 10:00') = :first AS same;
SELECT journey_orch.report_provider('email', '4711', 'opened', '2026-01-05 09:00') > :first AS reported;
SELECT journey_orch.report_provider(NULL, 'p-1', 'opened');
SELECT journey_orch.report_provider('email', NULL, 'opened');
SELECT journey_orch.report_provider('email', 'p-1', NULL);
SELECT journey_orch.report_provider('email', 'p-1', 'opened', detail => NULL);
SELECT journey_orch.report_provider('email', 'p-1', 'sent');
SELECT journey_orch.report_provider('email', '', 'opened');
SELECT journey_orch.report_provider('post', 'p-1', 'opened');
SELECT journey_orch.report_provider('sms', 'p-1', 'opened');
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION provider_texter;
SELECT journey_orch.report_provider('email', 'p-1', 'opened');
SELECT journey_orch.report(message('ann'), 'opened');
-- unknown, and no relay holds messages of the channel that an ack could name
SELECT journey_orch.report_provider('sms', 'p-1', 'opened');
RESET SESSION AUTHORIZATION;

-- ---- before the ack ----
-- dan and eve are still held, so the report may be about one of them
SET SESSION AUTHORIZATION provider_mailer;
SELECT journey_orch.report_provider('email', 'p-dan', 'delivered', '2026-01-05 11:00') IS NULL AS waits;
SELECT journey_orch.report_provider('email', 'p-dan', 'converted', '2026-01-05 12:00', '{"amount": 5, "currency": "EUR"}') IS NULL AS waits;
SELECT journey_orch.report_many('[{"channel": "email", "provider_message_id": "p-eve", "status": "opened", "at": "2026-01-05 13:00Z"},
                                  {"channel": "email", "provider_message_id": "p-1", "status": "clicked", "at": "2026-01-05 13:00Z"}]');
RESET SESSION AUTHORIZATION;
SELECT provider_message_id, status, at FROM journey_orch.early_report ORDER BY 1, 3;
-- the right to the channel was asked when they came
SELECT journey_orch.revoke_channel('email', 'provider_mailer');
SET SESSION AUTHORIZATION provider_mailer;
SELECT outcome FROM journey_orch.ack(1, NULL, receipt('dan', '{"id": "p-dan"}') || receipt('eve', '{"id": "p-eve"}'));
RESET SESSION AUTHORIZATION;
SELECT journey_orch.grant_channel('email', 'provider_mailer');
SELECT count(*) FROM journey_orch.early_report;
SELECT customer_id, status, at, amount, currency FROM journey_orch.delivery WHERE customer_id IN ('dan', 'eve') ORDER BY 1, 3;
SELECT customer_id, name, occurred_at FROM journey_orch.event WHERE customer_id IN ('dan', 'eve') ORDER BY seq;
-- now nothing is held any more
SELECT journey_orch.report_provider('email', 'p-nobody', 'opened');
SELECT journey_orch.report_provider('email', 'p-dan', 'delivered', '2026-01-05 11:00') = event_id AS same
  FROM journey_orch.delivery WHERE customer_id = 'dan' AND status = 'delivered';

-- ---- one id for two messages ----
SELECT count(enqueue(c)) FROM unnest('{fay,gus}'::text[]) c;
SELECT claim_id, count(*) FROM journey_orch.claim('email', 'r1') GROUP BY 1;
SELECT outcome FROM journey_orch.ack(2, NULL, receipt('fay', '{"id": "batch-9"}') || receipt('gus', '{"id": "batch-9"}'));
SELECT journey_orch.report_provider('email', 'batch-9', 'opened');

-- ---- what was sent twice has cost twice ----
SELECT count(enqueue('hal'));
SELECT claim_id FROM journey_orch.claim('email', 'r1');
SELECT journey_orch.extend(3, '1 microsecond') < clock_timestamp() AS has_run_out;
SELECT claim_id FROM journey_orch.claim('email', 'r2');
SELECT outcome FROM journey_orch.ack(3, NULL, receipt('hal', '{"id": "p-hal-1", "cost": 1, "currency": "EUR"}'));
SELECT outcome FROM journey_orch.ack(4, NULL, receipt('hal', '{"id": "p-hal-2", "cost": 1, "currency": "EUR"}'));
SELECT provider_message_id, cost FROM journey_orch.receipt WHERE message_id = message('hal') ORDER BY 1;
SELECT journey_orch.report_provider('email', 'p-hal-1', 'delivered') > 0 AND journey_orch.report_provider('email', 'p-hal-2', 'delivered') > 0 AS both;

-- ---- late, repeated, in any order ----
-- clicked before delivered, then bounced after all; the message stays sent
SELECT journey_orch.report(message('cat'), s, t::timestamptz) > 0 AS reported
  FROM (VALUES ('clicked', '2026-01-05 10:05'), ('delivered', '2026-01-05 10:00'), ('bounced', '2026-01-05 10:10')) v (s, t);
SELECT status, at FROM journey_orch.delivery WHERE customer_id = 'cat' ORDER BY event_id;
SELECT state FROM journey_orch.message_status WHERE customer_id = 'cat';
-- of a message that was withdrawn, and one that has expired: a provider may know better
SELECT count(enqueue('ida')), count(enqueue('jon', expires_at => now() - interval '1 hour'));
INSERT INTO journey_orch.withdrawal
SELECT md5('run of ida')::uuid, currval('positions') + 1, now(), journey_orch.lane_of('ida'), 0, 'goal';
SELECT count(*) FROM journey_orch.claim('email', 'r1');
SELECT journey_orch.report(message(c), 'delivered', '2026-01-06') > 0 AS reported FROM unnest('{ida,jon}'::text[]) c;
SELECT customer_id, state FROM journey_orch.message_status WHERE customer_id IN ('ida', 'jon') ORDER BY 1;
-- of one whose segment was emptied
SELECT message('ann') AS ann \gset
DELETE FROM journey_orch.outbox WHERE aggregateid = 'ann';
\set VERBOSITY sqlstate
SELECT journey_orch.report(:'ann', 'clicked');
SELECT journey_orch.report_provider('email', 'p-1', 'clicked');
\set VERBOSITY default

-- ---- amounts ----
SELECT journey_orch.report(message('bob'), 'converted', '2026-01-07', '{"amount": 12.50, "currency": "EUR"}') > 0 AS reported;
SELECT journey_orch.report(message('bob'), 'converted', '2026-01-08', '{"amount": "-2.50", "currency": "USD"}') > 0 AS reported;
SELECT journey_orch.report(message('bob'), 'redeemed', '2026-01-08', '{"amount": 3, "currency": "EUR", "offer": "x"}') > 0 AS reported;
SELECT journey_orch.report(message('bob'), 'converted', '2026-01-09') > 0 AS reported;
SELECT journey_orch.report(message('bob'), 'converted', '2026-01-10', '{"amount": null}') > 0 AS reported;
-- of another status it is nobody's amount
SELECT journey_orch.report(message('bob'), 'clicked', '2026-01-10', '{"amount": "all"}') > 0 AS reported;
SELECT journey_orch.report(message('bob'), 'converted', NULL, '{"amount": 1}');
SELECT journey_orch.report(message('bob'), 'converted', NULL, '{"amount": "much", "currency": "EUR"}');
SELECT journey_orch.report(message('bob'), 'converted', NULL, '{"amount": {}, "currency": "EUR"}');
SELECT journey_orch.report(message('bob'), 'redeemed', NULL, '{"amount": 1, "currency": "eur"}');
SELECT journey_orch.report_many(jsonb_build_array(jsonb_build_object('message_id', message('bob'), 'status', 'converted', 'detail', '{"amount": 1}'::jsonb)));
SELECT status, at, amount, currency FROM journey_orch.delivery WHERE customer_id = 'bob' ORDER BY event_id;

-- ---- rights ----
SET SESSION AUTHORIZATION provider_mailer;
SELECT count(*) FROM journey_orch.receipt;
SELECT count(*) FROM journey_orch.early_report;
RESET SESSION AUTHORIZATION;
SELECT * FROM journey_orch.verify() WHERE NOT holds;
SET client_min_messages = warning;
SELECT journey_orch.revoke_channel('email', 'provider_mailer'), journey_orch.revoke_channel('sms', 'provider_texter');
DROP ROLE provider_mailer, provider_texter;
