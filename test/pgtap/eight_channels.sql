/*
 * test/pgtap/eight_channels.sql
 *    examples/eight_channels: one run uses all eight channels, each message
 *    leaves by the way of its kind and reports back; a run that is ended in the
 *    middle takes back what it can.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;
SET TimeZone = 'UTC';
SET journey_orch.claim_freshness = 0;
SELECT journey_orch.set_clock('2026-03-02 09:00+00') \g /dev/null
\o /dev/null
\ir ../../examples/eight_channels/shop.sql
\ir ../../examples/eight_channels/journey.sql
\o
INSERT INTO shop.customer (customer_id, name, email, phone, device_token, ad_id) VALUES
  (1, 'Ada', 'ada@example.com', '+491', 'token-1', 'ad-1'),
  (2, 'Ben', 'ben@example.com', NULL, NULL, 'ad-2'),
  (3, 'Cleo', 'cleo@example.com', '+493', 'token-3', 'ad-3'),
  (4, 'Dan', 'dan@example.com', '+494', 'token-4', 'ad-4');

-- A relay for every channel that has one; what it was handed.
CREATE TABLE sent (number int GENERATED ALWAYS AS IDENTITY, customer_id text, channel text, message_id uuid, address text, subject text, body text, payload jsonb);
CREATE PROCEDURE relay() LANGUAGE plpgsql AS $$
DECLARE
  c text;
  claimed bigint;
BEGIN
  FOREACH c IN ARRAY '{email,sms,push,social}'::text[] LOOP
    WITH m AS MATERIALIZED (SELECT * FROM journey_orch.claim(c, 'relay')),
         s AS (INSERT INTO public.sent (customer_id, channel, message_id, address, subject, body, payload)
               SELECT customer_id, c, message_id, address, subject, body, payload FROM m ORDER BY customer_id)
    SELECT max(claim_id) INTO claimed FROM m;
    IF claimed IS NOT NULL THEN
      PERFORM journey_orch.ack(claimed);
    END IF;
  END LOOP;
END $$;
CREATE FUNCTION told(customer text, channel text) RETURNS uuid LANGUAGE sql AS
  $$ SELECT s.message_id FROM public.sent AS s WHERE s.customer_id = told.customer AND s.channel = told.channel ORDER BY number LIMIT 1 $$;
CREATE FUNCTION step_of(customer text) RETURNS text LANGUAGE sql AS
  $$ SELECT coalesce(exit_reason, step) FROM journey_orch.enrollment_status WHERE customer_id = step_of.customer $$;

SELECT plan(36);

-- ---- the audience, a mail and a text leave at once ----
INSERT INTO shop.visit (customer_id, product) VALUES (1, 'armchair'), (2, 'rug'), (4, 'table');
CALL journey_orch.run();
CALL relay();
CALL journey_orch.run();
SELECT is((SELECT array_agg(channel ORDER BY channel) FROM sent WHERE customer_id = '1'), '{email,sms,social}', 'audience, mail and text have left');
SELECT is((SELECT payload FROM sent WHERE customer_id = '1' AND channel = 'social'),
  '{"operation": "add", "audience": "showroom_visitors", "address": "ad-1"}', 'social: added to the audience');
SELECT is((SELECT address || ': ' || body FROM sent WHERE customer_id = '1' AND channel = 'email'),
  'ada@example.com: You looked at: armchair. What do you like best? https://shop.example/like', 'email: rendered and addressed');
SELECT is((SELECT array_agg(channel ORDER BY channel) FROM sent WHERE customer_id = '2'), '{email,social}', 'who has no phone gets no text');
SELECT is(step_of('1'), 'answer', 'and waits for an answer');

-- ---- a click on the text ends the wait that began with the mail; what it brought is in the push ----
SELECT isnt(journey_orch.report(told('1', 'email'), 'opened'), NULL, 'email: reports back');
SELECT isnt(journey_orch.report(told('1', 'sms'), 'clicked', detail => '{"product": "rocking chair"}'), NULL, 'sms: reports back');
CALL journey_orch.run();
SELECT is((SELECT context->>'by' FROM journey_orch.enrollment WHERE customer_id = '1'), 'sms', 'the click on the text has ended the wait');
CALL relay();
SELECT is((SELECT address || ': ' || body FROM sent WHERE customer_id = '1' AND channel = 'push'),
  'token-1: The rocking chair is yours for 48 hours, Ada.', 'push: what the text brought is in it');
SELECT isnt(journey_orch.report(told('1', 'push'), 'opened'), NULL, 'push: reports back');
SELECT isnt(journey_orch.report(told('1', 'email'), 'clicked', detail => '{"product": "armchair"}'), NULL, 'a late click on the mail ...');
CALL journey_orch.run();
SELECT is((SELECT context->>'choice' FROM journey_orch.enrollment WHERE customer_id = '1'), 'rocking chair', '... changes nothing');

-- ---- in the app and on the web: live without a relay, shown, clicked ----
SELECT is((SELECT subject || ': ' || body FROM journey_orch.inbox('1', 'in_app')),
  'See it in your room: Point the camera at the wall: rocking chair', 'in_app: live');
SELECT is((SELECT body FROM journey_orch.inbox('1', 'web')), 'Welcome back, Ada', 'web: live');
SELECT isnt_empty($$SELECT journey_orch.report(message_id, 'dismissed') FROM journey_orch.inbox('1', 'web')$$, 'web: reports back');
CALL journey_orch.run();
SELECT isnt_empty($$SELECT journey_orch.report(message_id, s) FROM journey_orch.inbox('1', 'in_app'), unnest('{shown,clicked}'::text[]) AS s$$, 'in_app: reports back');
CALL journey_orch.run();
SELECT is_empty($$SELECT FROM journey_orch.inbox('1', 'web')$$, 'what was dismissed is gone');
SELECT isnt_empty($$SELECT FROM journey_orch.inbox('1', 'in_app')$$, 'what was clicked is still there');

-- ---- the call centre: taken, done, and its disposition branches the run ----
SELECT is((SELECT customer_id || ': ' || subject || '. ' || body FROM journey_orch.take_task('call_centre', 'ann')),
  '1: Advise Ada. Looked at rocking chair; may have 10 %.', 'call_centre: somebody takes it');
SELECT is((SELECT journey_orch.complete_task(message_id, 'reached', 'will come by') FROM journey_orch.tasks('ann')), 'ok', 'call_centre: reports back');
CALL journey_orch.run();
SELECT is(step_of('1'), 'till', 'the disposition has branched the run');

-- ---- the till: looked up, redeemed once; the order is the goal, and leaves the audience ----
SELECT is((SELECT offer FROM journey_orch.offers('1')), '10 % off', 'retail: looked up at the till');
SELECT message_id AS offer FROM journey_orch.offers('1') \gset
SELECT is(journey_orch.redeem(:'offer', '{"amount": 34.90, "currency": "EUR"}'), 'ok', 'retail: redeemed ...');
SELECT is(journey_orch.redeem(:'offer'), 'already', '... once');
INSERT INTO shop.purchase (customer_id, amount, currency) VALUES (1, 314.10, 'EUR');
CALL journey_orch.run();
CALL relay();
CALL journey_orch.run();
SELECT is((SELECT array_agg(payload->>'operation' ORDER BY number) FROM sent WHERE customer_id = '1' AND channel = 'social'), '{add,remove}', 'social: removed again');
SELECT is((SELECT value || ' ' || currency FROM journey_orch.step_log WHERE customer_id = '1' AND outcome = 'converted'), '314.10 EUR', 'and the order is the goal');
SELECT is((SELECT count(DISTINCT channel)::int FROM journey_orch.message_status WHERE customer_id = '1'), 8, 'all eight channels were used');
SELECT is((SELECT array_agg(DISTINCT d.channel || ' ' || d.status ORDER BY d.channel || ' ' || d.status) FROM journey_orch.delivery AS d WHERE d.customer_id = '1'),
  '{"call_centre disposition","email clicked","email opened","in_app clicked","in_app shown","push opened","retail redeemed","sms clicked","web dismissed"}',
  'and reported back; the audience by its acknowledgement');

-- ---- Ben gives no sign: everything goes by time ----
SELECT journey_orch.set_clock('2026-03-04 09:00+00') \g /dev/null
CALL journey_orch.run();
SELECT is(step_of('2'), 'look', 'who does not answer goes on after two days');
SELECT journey_orch.set_clock('2026-03-12 09:00+00') \g /dev/null
CALL journey_orch.run();
SELECT is(step_of('2'), 'silent', 'and to the end');

-- ---- Cleo opts out while messages are live and a task is open: all is taken back ----
SELECT set_eq($$SELECT state FROM journey_orch.message_status WHERE customer_id = '4' AND channel IN ('in_app', 'web')$$, '{enqueued}'::text[], 'Dan has messages in app and web');
INSERT INTO shop.visit (customer_id, product) VALUES (3, 'sofa');
CALL journey_orch.run();
CALL relay();
CALL journey_orch.run();
SELECT journey_orch.advance_clock('2 days') \g /dev/null
CALL journey_orch.run();
SELECT isnt_empty($$SELECT FROM journey_orch.inbox('3', 'in_app')$$, 'Cleo sees one in the app');
UPDATE shop.customer SET opted_out = true WHERE customer_id = 3;
SELECT is_empty($$SELECT FROM journey_orch.inbox('3', 'in_app')$$, 'from the commit of her objection on she does not');
CALL journey_orch.run();
CALL relay();
CALL journey_orch.run();
SELECT is_empty($$SELECT FROM journey_orch.message WHERE customer_id = '3'$$, 'nothing of it is left ...');
SELECT is((SELECT payload->>'operation' FROM sent WHERE customer_id = '3' ORDER BY number DESC LIMIT 1), 'remove', '... and she has left the audience');
SELECT is_empty($$SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds$$, 'the laws hold');
SELECT * FROM finish();
