/*
 * sql/reference.sql
 *    The examples of docs/sql-reference.md, word for word (test/lint/readme.pl
 *    compares).
 */
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

CREATE EXTENSION journey_orch;
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id bigint PRIMARY KEY, name text, email text, timezone text);
CREATE TABLE shop.sale (id bigint GENERATED ALWAYS AS IDENTITY, customer_id bigint, amount numeric, currency text);
INSERT INTO shop.customer VALUES (1, 'Ada', 'ada@example.com', 'Europe/Lisbon'), (2, 'Ben', 'ben@example.com', 'UTC'),
  (3, 'Chloé', 'chloe@example.com', 'America/Toronto');
SELECT journey_orch.set_clock('2026-03-02 09:00+00');

SELECT journey_orch.bind_customer('shop.customer', id_sql => 'id', timezone_sql => 'timezone');

SELECT journey_orch.watch('shop.sale', 'order_placed', customer_sql => 'NEW.customer_id', columns => '{amount,currency}');
SELECT journey_orch.watch('shop.sale', 'order_changed', customer_sql => 'NEW.customer_id', operations => '{update}',
  condition_sql => 'NEW.amount IS DISTINCT FROM OLD.amount',
  payload_sql => $$jsonb_build_object('from', OLD.amount, 'to', NEW.amount)$$);

SELECT journey_orch.unwatch('shop.sale', 'order_changed');

SELECT journey_orch.set_topic('service', description => 'About what the customer did');

SELECT journey_orch.halt('topic', 'service', reason => 'the wrong price list');
SELECT scope, name, is_halted, reason FROM journey_orch.halt_status;

SELECT journey_orch.unhalt('topic', 'service', 'corrected');

SELECT journey_orch.set_quiet_hours('night', '21:00', '08:00', '{"class": "marketing"}', source => 'our own policy');
SELECT name, scope, from_time, to_time, action, is_reviewed FROM journey_orch.quiet_hours;

SELECT journey_orch.review_rule('night', 'decided on 2 May');

SELECT journey_orch.drop_quiet_hours('night');

SELECT journey_orch.set_cap('pressure', '{"class": "marketing"}', 3, '24 hours', action => 'defer');
SELECT name, scope, max_messages, per, calendar, action FROM journey_orch.cap;

SELECT journey_orch.drop_cap('pressure');

SELECT journey_orch.install_rule_set('us_tcpa');
SELECT count(*) FROM journey_orch.quiet_hours WHERE NOT is_reviewed;
SELECT count(journey_orch.drop_quiet_hours(name)) FROM journey_orch.quiet_hours;

SELECT journey_orch.set_phone_zone('+1808', '{Pacific/Honolulu}', source => 'Hawaii', region => 'US-HI');

SELECT journey_orch.set_holiday('DE-BE', '2027-03-08', 'Frauentag');

SELECT journey_orch.drop_holiday('DE-BE', '2027-03-08');

SELECT journey_orch.add_business_days('2026-11-20', 10, 'US');

SELECT journey_orch.set_channel('email', address_sql => 'customer.email', max_attempts => 3);

SELECT journey_orch.add_preset_channel('sms', 'customer.email', channel => 'text', settings => '{"rate": 10}');

SELECT preset, kind, size_limit, source FROM journey_orch.channel_preset ORDER BY preset;

CREATE ROLE reference_relay IN ROLE journey_orch_relay;
SELECT journey_orch.grant_channel('email', 'reference_relay');

SELECT journey_orch.revoke_channel('email', 'reference_relay');

SELECT journey_orch.set_template('thanks', 'email', subject => 'Thank you, {{ customer.name }}',
  body => 'We have your order of {{ event->>''amount'' }} {{ event->>''currency'' }}.');

SELECT journey_orch.set_sender('The Shop', postal_address => '1 Main St, 12345 Springfield', base_url => 'https://shop.example/mail');
SELECT topic, version, name, base_url FROM journey_orch.sender;

SELECT journey_orch.html_escape('<b>');

SELECT journey_orch.html_list('{a,<b>}');

SELECT journey_orch.url_encode('a b/ü');

SELECT step FROM journey_orch.last_message('1', 'email');

SELECT channel, subject, body FROM journey_orch.render('thanks', '1', event => '{"amount": 20, "currency": "EUR"}');

SELECT severity, code, path, message FROM journey_orch.check_definition('{
  "journey": "welcome", "entry": {"on": "order_placed", "when": "customer.nmae IS NOT NULL"},
  "start": "hello", "steps": {"hello": {"exit": "done"}}}');

SELECT journey_orch.define('{
  "journey": "after_sale",
  "entry": {"on": "order_placed", "reentry": {"policy": "after_exit"}},
  "start": "thanks",
  "steps": {
    "thanks": {"send": {"channels": ["email"], "template": "thanks", "topic": "service"}, "next": "wait"},
    "wait":   {"wait": {"for": [{"on": "order_placed", "next": "again"}], "until": {"after": "30 days", "next": "once"}}},
    "again":  {"exit": "came_back", "convert": {"value": "(event->>''amount'')::numeric", "currency": "event->>''currency''"}},
    "once":   {"exit": "bought_once"}}}');

BEGIN;
SELECT channel, address, subject, decision FROM journey_orch.send_test('after_sale', 'thanks', '1', '{qa@shop.example}', event => '{"amount": 20}');
ROLLBACK;

SELECT * FROM journey_orch.publish('after_sale');

SELECT journey_orch.pause('after_sale', waits => 'extend');

SELECT journey_orch.resume('after_sale', rate => 50);

SELECT journey_orch.define('{"journey": "spring", "entry": {"on": "order_placed"}, "start": "done", "steps": {"done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('spring');
SELECT journey_orch.stop('spring', inflight => 'exit');

SELECT journey_orch.archive('spring');

SELECT journey_orch.approve_version('after_sale', 1, 'looks good to me');

SELECT journey_orch.approve_template('thanks', 'email', version => 1);

SELECT journey_orch.definition('after_sale')->'entry' AS entry;

SELECT journey_orch.mermaid('after_sale');

SELECT journey_orch.dot('after_sale') LIKE 'digraph "after_sale" {%' AS for_graphviz;

SELECT substring(journey_orch.definition_svg('after_sale') FROM '<title>[^<]*</title>') AS title;

SELECT journey_orch.definition_schema()->>'$schema' AS dialect;

SELECT journey_orch.emit('order_placed', '1', payload => '{"amount": 12.50, "currency": "EUR"}', idempotency_key => 'web-4711');
SELECT journey_orch.emit('order_placed', '1', payload => '{"amount": 12.50, "currency": "EUR"}', idempotency_key => 'web-4711');

SELECT journey_orch.emit_many('[
  {"event": "order_placed", "customer": "2", "payload": {"amount": 30, "currency": "EUR"}},
  {"specversion": "1.0", "source": "/shop", "id": "e-9", "type": "order_placed", "subject": "3", "data": {"amount": 45, "currency": "EUR"}}]');

CALL journey_orch.run();
SELECT claim_id, customer_id, address, subject, attempt FROM journey_orch.claim('email', 'my relay', max_messages => 2) ORDER BY customer_id;

SELECT outcome FROM journey_orch.ack(1, receipts => (SELECT jsonb_object_agg(message_id, '{"id": "p-4711", "cost": 0.001, "currency": "EUR"}'::jsonb)
                                                       FROM journey_orch.message_status WHERE customer_id = '1'));
SELECT outcome FROM journey_orch.ack(1);

SELECT claim_id, message_id FROM journey_orch.claim('email', 'my relay') \gset
SELECT journey_orch.extend(:claim_id, '5 minutes') > clock_timestamp() AS is_held;

SELECT journey_orch.nack(:claim_id, :'message_id', 'mailbox is full', retry_after => '1 hour');

SELECT message_id FROM journey_orch.message_status WHERE state = 'sent' ORDER BY customer_id LIMIT 1 \gset
SELECT journey_orch.report(:'message_id', 'opened') > 0 AS reported;

SELECT count(*) FROM journey_orch.report_provider('email', 'p-4711', 'delivered', at => '2026-03-02 09:04+00') AS event_id WHERE event_id > 0;

SELECT journey_orch.report_many(jsonb_build_array(
  jsonb_build_object('message_id', :'message_id', 'status', 'clicked', 'at', '2026-03-02T09:05:00Z')));

SELECT journey_orch.set_machine_agent('our_office', network => '192.0.2.0/24', source => 'our own network', checked_on => '2026-03-01');

CALL journey_orch.wait_for_messages('{email}', timeout => '0');

CALL journey_orch.run();
SELECT customer_id, step, state, due_at FROM journey_orch.enrollment_status ORDER BY customer_id;

BEGIN;
INSERT INTO shop.sale (customer_id, amount, currency) VALUES (1, 80, 'EUR');
SELECT journey_orch.run_here() > 0 AS moved;
SELECT customer_id, state, exit_reason FROM journey_orch.enrollment_status WHERE customer_id = '1' ORDER BY state;
ROLLBACK;

SELECT at, customer, outcome, from_step, reason, subject
FROM journey_orch.simulate('after_sale', customers => '{1,2}', since => '2026-05-01 09:00+00', events => $$[
  {"event": "order_placed", "payload": {"amount": 20}},
  {"event": "order_placed", "customer": "2", "after": "3 days", "payload": {"amount": 50}}]$$);

SELECT outcome, reason, count(*)
FROM journey_orch.simulate_definition('{"journey": "coin", "entry": {"on": "toss"}, "start": "side", "steps": {
  "side": {"split": {"arms": {"head": 50, "tail": 50}}, "next": {"head": "won", "tail": "lost"}},
  "won": {"exit": "won"}, "lost": {"exit": "lost"}}}', virtual_customers => 100, events => '[{"event": "toss"}]')
WHERE outcome = 'ended' GROUP BY 1, 2 ORDER BY 2;

SELECT journey_orch.settle();

SELECT journey_orch.start_worker() > 0 AS has_workers;

SELECT journey_orch.stop_worker() > 0 AS had_workers;

SELECT level, name, value FROM journey_orch.health() ORDER BY name;

SELECT journey_orch.clock();

SELECT journey_orch.set_clock('2026-04-05 12:00+00');

SELECT journey_orch.advance_clock('30 days');
CALL journey_orch.run();

BEGIN;
SELECT journey_orch.reset_clock() <= clock_timestamp() AS is_real;
ROLLBACK;

SELECT law FROM journey_orch.verify() WHERE holds;

SELECT count(*) AS acts FROM journey_orch.maintain();

SELECT journey_orch.lane_of('1');

SELECT journey_orch.bucket('offer_copy', '', '1');

SELECT journey, version, state, entered, active, ended, converted FROM journey_orch.journey_status;

SELECT step, entered, departed, waiting, round(share_of_start, 2) AS share_of_start FROM journey_orch.funnel WHERE journey = 'after_sale' ORDER BY position;

SELECT from_step, to_step, advances, customers, median_dwell FROM journey_orch.step_flow WHERE journey = 'after_sale' ORDER BY from_step NULLS FIRST, to_step;

SELECT journey, reason, enrollments FROM journey_orch.exit_reason ORDER BY reason;

SELECT customer_id, template, state, attempt, error FROM journey_orch.message_status ORDER BY customer_id;

SELECT journey_orch.enter('after_sale', '2', '{"source": "support"}', key => 'case 7') AS command \gset
SELECT status, rule FROM journey_orch.command_status(:command);
CALL journey_orch.run();
SELECT status, rule FROM journey_orch.command_status(:command);

SELECT journey_orch.leave('after_sale', '2', reason => 'refunded') AS command \gset
CALL journey_orch.run();
SELECT command, status FROM journey_orch.command_status(:command);

SELECT journey_orch.enter('after_sale', '99') AS command \gset
CALL journey_orch.run();
SELECT status, rule, reason FROM journey_orch.command_status(:command);

SELECT journey_orch.define('{
  "journey": "refund", "entry": {"api": true, "reentry": {"policy": "any"}}, "start": "ask", "steps": {
    "ask":  {"approve": {"question": "Pay it back?", "until": {"after": "7 days", "next": "no"}}, "next": {"yes": "pay", "no": "no"}},
    "pay":  {"exit": "paid"}, "no": {"exit": "refused"}}}');
SELECT count(*) FROM journey_orch.publish('refund');
SELECT count(journey_orch.enter('refund', c)) FROM unnest('{1,2,3}'::text[]) AS c;
CALL journey_orch.run();
SELECT customer_id, step, question, decisions, due_at FROM journey_orch.approval ORDER BY customer_id;
SELECT journey_orch.approve(enrollment_id, 'yes', 'a good customer') > 0 AS given FROM journey_orch.approval WHERE customer_id = '1';
CALL journey_orch.run();

SELECT count(*) FROM journey_orch.approve_many((SELECT array_agg(enrollment_id) FROM journey_orch.approval), 'no');
CALL journey_orch.run();
SELECT customer_id, exit_reason FROM journey_orch.enrollment_status WHERE journey = 'refund' ORDER BY customer_id;

SELECT count(journey_orch.nack(m.claim_id, m.message_id, 'no such user', permanent => true)) AS failed FROM journey_orch.claim('email', 'my relay') AS m;
CALL journey_orch.run();
SELECT d.customer_id, d.error, journey_orch.redeliver(d.message_id, 'the address was corrected') > 0 AS given
FROM journey_orch.dead_letter AS d ORDER BY d.customer_id LIMIT 1;

SELECT customer_id, rule, command_id FROM journey_orch.redeliver_many($$error = 'no such user' AND channel = 'email'$$, preview => true);

CALL journey_orch.run();
SELECT count(journey_orch.discard(message_id)) AS discarded FROM journey_orch.dead_letter;

SELECT journey_orch.set_global_holdout(0.05);
SELECT share, is_current FROM journey_orch.global_holdout;

SELECT journey_orch.in_global_holdout(c.id::text) AS is_held_out, count(DISTINCT c.id) AS customers, count(s.id) AS sales,
       round(coalesce(sum(s.amount), 0) / count(DISTINCT c.id), 2) AS a_customer
FROM shop.customer AS c LEFT JOIN shop.sale AS s ON s.customer_id = c.id
GROUP BY 1 ORDER BY 1;

SELECT journey, holdout, entered, converted, round(rate, 2) AS rate FROM journey_orch.holdout_result ORDER BY 1, 2;

SELECT journey_orch.schedule('monday', 'refund', '0 9 * * mon', 'SELECT id FROM shop.customer', timezone => 'Europe/Berlin');
SELECT schedule, journey, cron, timezone, missed, occurrences FROM journey_orch.schedule_status;

SELECT journey_orch.unschedule('monday');

SELECT t AT TIME ZONE 'Europe/Berlin' AS berlin, t AS utc FROM journey_orch.schedule_times('30 2 * * *', 'Europe/Berlin', '2026-03-27 12:00+00', 3) AS t;

SELECT journey_orch.run_schedules();

SELECT count(journey_orch.retry_fan_out(journey, event_id)) FROM journey_orch.fan_out_status WHERE state = 'failed';

SELECT journey, event, state, customers, sqlstate, message FROM journey_orch.fan_out_status ORDER BY event_id;

SELECT journey_orch.add_preset_channel('in_app');
SELECT journey_orch.set_template('hint', 'in_app', 'Did you know?', 'A hint');
SELECT journey_orch.define('{"journey": "hint", "entry": {"on": "asked"}, "start": "say", "steps": {
  "say": {"send": {"channels": ["in_app"], "template": "hint"}, "next": "done"}, "done": {"exit": "said"}}}');
SELECT count(*) AS published FROM journey_orch.publish('hint');
SELECT journey_orch.emit('asked', '1') > 0 AS asked;
CALL journey_orch.run();
SELECT subject, body FROM journey_orch.inbox('1', 'in_app');

SELECT offer, body FROM journey_orch.offers('1', 'in_app');

SELECT journey_orch.redeem(message_id, '{"till": 7}') FROM journey_orch.offers('1', 'in_app');

SELECT journey_orch.add_preset_channel('call_centre', 'customer.email');
SELECT customer_id, subject FROM journey_orch.take_task('call_centre', 'ann');

SELECT customer_id, subject, is_withdrawn FROM journey_orch.tasks('ann');

SELECT journey_orch.assign_task(message_id, 'bob') FROM journey_orch.tasks('ann');

SELECT journey_orch.complete_task(message_id, 'reached', 'will call back') FROM journey_orch.tasks('ann');

DROP ROLE reference_relay;

SELECT journey_orch.define(jsonb_set(journey_orch.definition('after_sale'), '{steps,wait,wait,until,after}', '"14 days"'));
SELECT kind, path, before, after FROM journey_orch.diff('after_sale');

SELECT journey_orch.set_topic('offers', 'marketing', 'opt_in');
SELECT decision, gate, reason, evidence->>'state' AS state FROM journey_orch.ask_gates('1', 'email', 'offers', 'ada@example.com');

SELECT journey_orch.grant_consent('1', 'email', 'offers', 'signup form', '{"text_version": "2026-03", "method": "checkbox"}');

SELECT journey_orch.withdraw_consent('1', channel => 'sms');

SELECT journey_orch.consent_state('1', 'email', 'offers') AS email, journey_orch.consent_state('1', 'sms', 'offers') AS sms,
       journey_orch.consent_state('1', 'email', 'offers', as_of => '2026-01-01') AS in_january;

SELECT journey_orch.request_consent('2', 'email', 'offers', 'signup form', '{"text_version": "2026-03", "method": "checkbox"}') AS token \gset
SELECT journey_orch.consent_state('2', 'email', 'offers');

SELECT journey_orch.confirm_consent(:'token', '{"ip": "192.0.2.1"}');

SELECT customer_id, channel, topic, state, said, method FROM journey_orch.consent_status ORDER BY consent_id;

SELECT journey_orch.record_objection('3', 'sale', source => 'global_privacy_control');

SELECT journey_orch.lift_objection('1', 'marketing', 'letter', '{"text_version": "letter of 2 March", "method": "written"}');

SELECT journey_orch.may_ask('3') AS three, journey_orch.may_ask('1') AS one;

SELECT journey_orch.set_do_not_call('national', channels => '{voice}');

SELECT journey_orch.import_do_not_call('national', '{"+1 555 010 1000", "+1 555 010 1001"}', listed_at => '2026-03-01');

SELECT journey_orch.suppress('email', 'Ben@Example.com', 'complaint', source => 'support');
SELECT decision, gate, rule FROM journey_orch.ask_gates('2', 'email', 'offers', 'ben@example.com');

SELECT journey_orch.import_suppressions('email', ARRAY[sha256('eve@example.com')], 'legal', source => 'partner list');

SELECT journey_orch.unsuppress('email', 'ben@example.com', 'complaint');

SELECT scope, channel, reason, is_live FROM journey_orch.suppression ORDER BY suppression_id;

SELECT journey_orch.unsubscribe_token('1', 'email', 'offers') AS token \gset
SELECT :'token' ~ '^[A-Za-z0-9_-]{70,120}$' AS fits_a_link;

SELECT journey_orch.unsubscribe(:'token'), journey_orch.unsubscribe(:'token') AS again;

SELECT journey_orch.preference_token('1', 'email') AS token \gset

SELECT topic, state, is_wanted FROM journey_orch.preferences(:'token');

SELECT journey_orch.set_preference(:'token', 'offers', true, '{"text_version": "2026-03"}');

SELECT action, word, may_confirm FROM journey_orch.inbound('sms', '+1 555 010 4000', ' Stop. ', customer => '2');
SELECT decision, gate, rule FROM journey_orch.ask_gates('2', 'sms', 'offers', '+15550104000');

SELECT journey_orch.confirm_inbound(1), journey_orch.confirm_inbound(1) AS again;

SELECT journey_orch.set_keyword('Schluss!', 'de', 'stop');

SELECT journey_orch.rotate_token_key();
SELECT journey_orch.forget('3', 'request of 5 May') > 0 AS asked;
CALL journey_orch.run();
SELECT state, reason, counts FROM journey_orch.erasure;

SELECT reason FROM journey_orch.erasure WHERE customer_hash = journey_orch.erasure_hash('3');

SELECT journey_orch.hold_customer('2', 'tax audit 2026');
SELECT journey_orch.release_customer('2');
