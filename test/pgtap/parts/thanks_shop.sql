/*
 * test/pgtap/parts/thanks_shop.sql
 *    A shop with one journey, for parts/thanks_test.sql: who orders is thanked,
 *    and asked how it was a day later.  Its 100 customers are in all lanes.
 */
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, email text NOT NULL);
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, source text NOT NULL, amount numeric NOT NULL);
INSERT INTO shop.customer SELECT n, n || '@example.com' FROM generate_series(1, 100) AS n;
SELECT journey_orch.bind_customer('shop.customer', 'id') \gset _
SELECT journey_orch.set_channel('email', 'customer.email') \gset _
SELECT journey_orch.set_template('thanks', 'email', 'Thank you for {{ event->>''amount'' }}.', subject => 'Thank you') \gset _
SELECT journey_orch.set_template('how_was_it', 'email', 'How was it?', subject => 'How was it?') \gset _
SELECT journey_orch.watch('shop.orders', 'ordered', 'NEW.customer') \gset _
SELECT journey_orch.define($$ {
  "journey": "thanks", "entry": {"on": "ordered", "key": "event->>'id'", "reentry": {"policy": "any"}}, "start": "thank",
  "steps": {
    "thank": {"send": {"channels": ["email"], "template": "thanks"}, "next": "rest"},
    "rest": {"delay": "1 day", "next": "ask"},
    "ask": {"send": {"channels": ["email"], "template": "how_was_it"}, "next": "done"},
    "done": {"exit": "completed"}
  } } $$) \gset _
SELECT count(*) FROM journey_orch.publish('thanks') \gset _
