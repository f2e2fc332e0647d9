/* bench/journey.sql: enter, send one rendered message, exit. */
CREATE TABLE bench.customer (id text PRIMARY KEY, email text NOT NULL, first_name text NOT NULL);
INSERT INTO bench.customer
SELECT i::text, 'customer' || i || '@example.com', 'Customer ' || i
  FROM generate_series(1, greatest(100000, :journeys, 3 * :messages)) AS i;
VACUUM ANALYZE bench.customer;

CREATE TABLE bench.signup (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, amount integer NOT NULL);
SELECT journey_orch.bind_customer('bench.customer', id_sql => 'id');
SELECT journey_orch.watch('bench.signup', 'signed_up', customer_sql => 'NEW.customer', columns => '{id,amount}');
SELECT journey_orch.set_topic('service');
SELECT journey_orch.set_channel('email', address_sql => 'customer.email');
SELECT journey_orch.set_template('welcome', 'email', subject => 'Welcome, {{ customer.first_name }}',
  body => '{{ event->>''id'' }}: you have {{ event->>''amount'' }} points, good to have you, and here is what to do next.');
SELECT journey_orch.define('{
  "journey": "welcome", "timezone": "UTC",
  "entry": {"on": "signed_up", "reentry": {"policy": "any"}},
  "start": "greet",
  "steps": {
    "greet": {"send": {"channels": ["email"], "template": "welcome", "topic": "service"}, "next": "done"},
    "done":  {"exit": "completed"}}}');
SELECT journey_orch.publish('welcome');
