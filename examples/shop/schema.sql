/*
 * examples/shop/schema.sql
 *    A small shop: customers, products, carts and orders, as any shop has them.
 *
 * Nothing here knows of journey_orch.  shop.profile is the view that journeys
 * will see as "customer".
 */
CREATE SCHEMA shop;

CREATE TABLE shop.customer
(
  customer_id bigint PRIMARY KEY,
  first_name  text NOT NULL,
  email       text NOT NULL UNIQUE,
  city        text NOT NULL,
  timezone    text NOT NULL,
  joined_at   timestamptz NOT NULL
);

CREATE TABLE shop.product
(
  product_id integer PRIMARY KEY,
  name       text NOT NULL,
  price      numeric(10,2) NOT NULL
);

CREATE TABLE shop.cart
(
  cart_id     bigint PRIMARY KEY,
  customer_id bigint NOT NULL REFERENCES shop.customer,
  product_id  integer NOT NULL REFERENCES shop.product,
  items       integer NOT NULL,
  total       numeric(10,2) NOT NULL,
  changed_at  timestamptz NOT NULL
);
CREATE INDEX ON shop.cart (customer_id);

CREATE TABLE shop.sale
(
  sale_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  cart_id     bigint NOT NULL UNIQUE REFERENCES shop.cart,
  customer_id bigint NOT NULL REFERENCES shop.customer,
  amount      numeric(10,2) NOT NULL,
  currency    text NOT NULL DEFAULT 'EUR',
  placed_at   timestamptz NOT NULL
);
CREATE INDEX ON shop.sale (customer_id);

CREATE VIEW shop.profile AS
SELECT customer.customer_id, customer.first_name, customer.email, customer.city, customer.timezone,
       customer.joined_at, coalesce(spent.amount, 0) AS lifetime_value, coalesce(spent.sales, 0) AS sales
  FROM shop.customer
  LEFT JOIN LATERAL (SELECT sum(amount) AS amount, count(*) AS sales
                       FROM shop.sale
                      WHERE sale.customer_id = customer.customer_id) AS spent ON true;
