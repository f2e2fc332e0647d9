/*
 * test/cdnow/shop.sql
 *    The watched tables, the channel, the templates and the journey of the
 *    CDNOW test; needs load.sql before it, and -v journey=PATH of cycle.json.
 */
CREATE EXTENSION journey_orch;

CREATE TABLE public.customer (id text PRIMARY KEY, email text NOT NULL);
INSERT INTO public.customer
SELECT DISTINCT customer, customer || '@example.com' FROM cdnow.purchase;
ANALYZE public.customer;

CREATE TABLE public.purchase
(
  line     bigint PRIMARY KEY,
  customer text NOT NULL,
  amount   numeric NOT NULL
);

-- The clock stands before the first purchase, so the journey is live for all.
SELECT journey_orch.set_clock(min(day)::timestamp AT TIME ZONE 'UTC' - interval '1 day') FROM cdnow.purchase;
SELECT journey_orch.bind_customer('public.customer', id_sql => 'id');
SELECT journey_orch.watch('public.purchase', 'purchased', customer_sql => 'NEW.customer', columns => '{amount}');
SELECT journey_orch.set_topic('service');
SELECT journey_orch.set_channel('email', address_sql => 'customer.email');
SELECT journey_orch.set_template('thanks', 'email', subject => 'Thank you',
  body => 'Your order of {{ journey.entry_event->>''amount'' }} dollars is on its way.');
SELECT journey_orch.set_template('winback', 'email', subject => 'We miss you',
  body => 'A month ago you spent {{ journey.entry_event->>''amount'' }} dollars. Come back!');
\set definition `cat :journey`
SELECT journey_orch.define(:'definition'::jsonb);
SELECT journey_orch.publish('cycle');
