-- consent_journey: the examples of docs/consent.md, in its order
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SELECT journey_orch.set_clock('2026-03-02 09:00+00');

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, email text);
INSERT INTO shop.customer VALUES ('ada', 'ada@example.com'), ('ben', 'ben@example.com');
SELECT journey_orch.bind_customer('shop.customer', 'id');
SELECT journey_orch.set_channel('email', address_sql => 'customer.email');
SELECT journey_orch.set_topic('newsletter', 'marketing', 'opt_in'), journey_orch.set_topic('confirmations', 'transactional');
SELECT journey_orch.set_template('confirm', 'email', subject => 'One click, please',
  body => 'https://shop.example/confirm/{{ event->>''token'' }}');
SELECT journey_orch.set_sender('The Shop', '1 Main St, 12345 Springfield', 'https://shop.example/mail');
SELECT journey_orch.set_template('welcome', 'email', subject => 'Welcome',
  body => 'Once a month. {{ message.sender }}, {{ message.postal_address }}. Stop: {{ message.unsubscribe_url }}');

SELECT journey_orch.define('{
  "journey": "double_opt_in", "start": "confirm",
  "entry": {"on": "consent.requested", "when": "event->>''topic'' = ''newsletter''", "reentry": {"policy": "any"}},
  "exit":  [{"on": "consent.withdrawn"}],
  "steps": {
    "confirm": {"send": {"channels": ["email"], "template": "confirm", "topic": "confirmations"}, "next": "answer"},
    "answer":  {"wait": {"for": [{"on": "consent.granted", "next": "welcome"}], "until": {"after": "7 days", "next": "silent"}}},
    "welcome": {"send": {"channels": ["email"], "template": "welcome", "topic": "newsletter"}, "next": "done"},
    "done":    {"exit": "subscribed"},
    "silent":  {"exit": "not_confirmed"}}}');
SELECT count(*) FROM journey_orch.publish('double_opt_in');

SELECT journey_orch.request_consent('ada', 'email', 'newsletter', 'footer of the shop',
                                    '{"text_version": "2026-03", "method": "checkbox"}') AS token \gset
CALL journey_orch.run();
SELECT customer_id, subject, body = 'https://shop.example/confirm/' || :'token' AS has_link FROM journey_orch.claim('email', 'my relay');

SELECT journey_orch.confirm_consent(:'token', '{"ip": "192.0.2.1"}');
CALL journey_orch.run();
SELECT customer_id, subject, body ~ '/unsubscribe/[A-Za-z0-9_-]{70,}$' AS can_stop FROM journey_orch.claim('email', 'my relay');

SELECT consent_id, state, method, source, text_version, evidence->>'ip' AS ip FROM journey_orch.consent ORDER BY consent_id;

-- who does not answer, who says no
SELECT journey_orch.request_consent('ben', 'email', 'newsletter', 'footer of the shop', '{"text_version": "2026-03", "method": "checkbox"}') AS token \gset
CALL journey_orch.run();
SELECT journey_orch.withdraw_consent('ben') > 0 AS withdrawn;
CALL journey_orch.run();
SELECT customer_id, state, exit_reason FROM journey_orch.enrollment_status ORDER BY customer_id;

-- a channel that asks for consent by itself: at the send, and at the claim
SELECT journey_orch.set_channel('chat', address_sql => 'customer.email', consent => 'opt_in'), journey_orch.set_topic('visits');
SELECT journey_orch.set_template('visit', 'chat', 'We come.');
SELECT journey_orch.define('{"journey": "visit", "entry": {"api": true}, "start": "tell", "steps": {
  "tell": {"send": {"channels": ["chat"], "template": "visit", "topic": "visits"}, "next": "done"}, "done": {"exit": "told"}}}');
SELECT count(*) FROM journey_orch.publish('visit');
SELECT journey_orch.grant_consent('ada', 'chat', 'visits', 'desk', '{"text_version": "7", "method": "written"}') > 0 AS granted;
SELECT count(journey_orch.enter('visit', c)) FROM unnest('{ada,ben}'::text[]) AS c;
CALL journey_orch.run();
SELECT customer_id, stage, gate, evidence->>'needed' AS needed, evidence->>'state' AS state FROM journey_orch.gate_decision;
SELECT journey_orch.withdraw_consent('ada', 'chat') > 0 AS withdrawn;
CALL journey_orch.run();
SELECT count(*) FROM journey_orch.claim('chat', 'my relay');
SELECT customer_id, stage, gate, evidence->>'needed' AS needed, evidence->>'state' AS state FROM journey_orch.gate_decision ORDER BY customer_id;
SELECT * FROM journey_orch.verify() WHERE NOT holds;
