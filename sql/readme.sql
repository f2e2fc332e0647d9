/*
 * sql/readme.sql
 *    The examples of README.md, word for word (test/lint/readme.pl compares).
 */
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id bigint PRIMARY KEY, name text, email text);
CREATE TABLE shop.cart (id bigint PRIMARY KEY, customer_id bigint, items int, total numeric);
CREATE TABLE shop.sale (id bigint PRIMARY KEY, customer_id bigint, cart_id bigint, amount numeric);
INSERT INTO shop.customer VALUES (1, 'Ada', 'ada@example.com'), (2, 'Ben', 'ben@example.com');

CREATE EXTENSION journey_orch;
SELECT journey_orch.bind_customer('shop.customer', id_sql => 'id');
SELECT journey_orch.watch('shop.cart', 'cart_updated', customer_sql => 'NEW.customer_id', operations => '{insert,update}');
SELECT journey_orch.watch('shop.sale', 'order_placed', customer_sql => 'NEW.customer_id');
SELECT journey_orch.set_topic('service');
SELECT journey_orch.set_channel('email', address_sql => 'customer.email');
SELECT journey_orch.set_template('reminder', 'email',
  subject => 'Your cart, {{ customer.name }}',
  body => 'There is {{ event->>''total'' }} EUR worth of things in your cart.');

SELECT journey_orch.define('{
  "journey": "abandoned_cart",
  "entry": {"on": "cart_updated", "when": "(event->>''items'')::int > 0", "key": "event->>''id''",
            "reentry": {"policy": "after_exit"}},
  "goal":  {"on": "order_placed", "match_key": "event->>''cart_id''", "value": "(event->>''amount'')::numeric",
            "within": "7 days", "exit": true},
  "start": "settle",
  "steps": {
    "settle": {"delay": "1 hour", "restart_on": "cart_updated", "next": "remind"},
    "remind": {"send": {"channels": ["email"], "template": "reminder", "topic": "service"}, "next": "think"},
    "think":  {"delay": "3 days", "next": "gone"},
    "gone":   {"exit": "not_bought"}}}') AS version;
SELECT journey_orch.publish('abandoned_cart');

SELECT journey_orch.set_clock('2026-03-02 09:00+00');
INSERT INTO shop.cart VALUES (71, 1, 2, 39.80), (72, 2, 1, 12.50);
INSERT INTO shop.sale VALUES (501, 2, 72, 12.50);
SELECT journey_orch.advance_clock('1 hour');
CALL journey_orch.run();

SELECT claim_id, customer_id, address, subject, body FROM journey_orch.claim('email', 'my relay');

SELECT outcome FROM journey_orch.ack(1);
INSERT INTO shop.sale VALUES (502, 1, 71, 39.80);
CALL journey_orch.run();
SELECT customer_id, key, state, entered_at, ended_at, exit_reason FROM journey_orch.enrollment_status ORDER BY key;

SELECT law, detail FROM journey_orch.verify() WHERE holds IS NOT TRUE;
