/*
 * examples/eight_channels/shop.sql
 *    A furniture shop with a showroom, an app, a web shop, a call centre and
 *    tills: its tables, who the customer is, what happens, and its eight
 *    channels, each by one call.
 */
CREATE SCHEMA shop;

CREATE TABLE shop.customer
(
  customer_id  bigint PRIMARY KEY,
  name         text NOT NULL,
  email        text,
  phone        text,
  device_token text,                          -- of the app, where it is installed
  ad_id        text,                          -- what the advertising network knows them by
  timezone     text NOT NULL DEFAULT 'Europe/Berlin',
  opted_out    boolean NOT NULL DEFAULT false
);

CREATE TABLE shop.visit
(
  visit_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES shop.customer,
  product     text NOT NULL
);

CREATE TABLE shop.purchase
(
  purchase_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES shop.customer,
  amount      numeric(10,2) NOT NULL,
  currency    char(3) NOT NULL
);

SELECT journey_orch.bind_customer('shop.customer', id_sql => 'customer_id', timezone_sql => 'timezone');
SELECT journey_orch.watch('shop.visit', 'showroom_visited', customer_sql => 'NEW.customer_id', columns => '{product}');
SELECT journey_orch.watch('shop.purchase', 'order_placed', customer_sql => 'NEW.customer_id', columns => '{amount,currency}');
SELECT journey_orch.watch('shop.customer', 'opted_out', customer_sql => 'NEW.customer_id', operations => '{update}',
  condition_sql => 'NEW.opted_out AND NOT OLD.opted_out', payload_sql => $$jsonb_build_object()$$);

-- The channels.  Mail and calls have their price, text messages also the speed agreed with the provider.
SELECT journey_orch.add_preset_channel('email', settings => '{"unit_cost": 0.001, "currency": "EUR"}');
SELECT journey_orch.add_preset_channel('sms', settings => '{"rate": 10, "unit_cost": 0.07, "currency": "EUR"}');
SELECT journey_orch.add_preset_channel('push');
SELECT journey_orch.add_preset_channel('in_app');
SELECT journey_orch.add_preset_channel('web');
SELECT journey_orch.add_preset_channel('social', 'customer.ad_id');
SELECT journey_orch.add_preset_channel('call_centre', settings => '{"unit_cost": 2.5, "currency": "EUR"}');
SELECT journey_orch.add_preset_channel('retail', settings => '{"expires_after": "14 days"}');
