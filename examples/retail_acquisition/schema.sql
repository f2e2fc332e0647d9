/*
 * examples/retail_acquisition/schema.sql
 *    An online shop that sells furniture: shoppers, products, what they look at,
 *    their baskets and orders.
 *
 * Nothing up to the last part knows of journey_orch.  retail.profile is the
 * view that journeys see as "customer".
 */
CREATE SCHEMA retail;

CREATE TABLE retail.shopper
(
  shopper_id        bigint PRIMARY KEY,
  first_name        text NOT NULL,
  email             text NOT NULL UNIQUE,
  phone             text,                      -- E.164; not everybody gives one
  ad_id             text NOT NULL,             -- what the advertising network knows them by
  timezone          text NOT NULL,
  locale            text NOT NULL,
  currency          char(3) NOT NULL,
  accepts_marketing boolean NOT NULL DEFAULT true,
  joined_at         timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE retail.product
(
  product_id integer PRIMARY KEY,
  name       text NOT NULL,
  price      numeric(10,2) NOT NULL
);

CREATE TABLE retail.page_view
(
  view_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  shopper_id bigint NOT NULL REFERENCES retail.shopper ON DELETE CASCADE,
  product_id integer NOT NULL REFERENCES retail.product,
  viewed_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE retail.basket
(
  shopper_id bigint PRIMARY KEY REFERENCES retail.shopper ON DELETE CASCADE,
  items      integer NOT NULL,
  total      numeric(10,2) NOT NULL
);

CREATE TABLE retail.purchase
(
  purchase_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  shopper_id  bigint NOT NULL REFERENCES retail.shopper ON DELETE CASCADE,
  amount      numeric(10,2) NOT NULL,
  currency    char(3) NOT NULL,
  placed_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON retail.purchase (shopper_id);

CREATE VIEW retail.profile AS
SELECT shopper.*, coalesce(basket.total, 0) AS basket_total,
       (SELECT count(*) FROM retail.purchase WHERE purchase.shopper_id = shopper.shopper_id) AS purchases
  FROM retail.shopper
  LEFT JOIN retail.basket USING (shopper_id);

-- Who a customer is, and which changes of these tables are events.
SELECT journey_orch.bind_customer('retail.profile', id_sql => 'shopper_id', timezone_sql => 'timezone', locale_sql => 'locale');

SELECT journey_orch.watch('retail.page_view', 'product_viewed', customer_sql => 'NEW.shopper_id', columns => '{product_id}');
SELECT journey_orch.watch('retail.basket', 'basket_filled', customer_sql => 'NEW.shopper_id',
  operations => '{insert,update}', condition_sql => 'NEW.items > 0', columns => '{items,total}');
SELECT journey_orch.watch('retail.purchase', 'order_placed', customer_sql => 'NEW.shopper_id', columns => '{amount,currency}');
SELECT journey_orch.watch('retail.shopper', 'opted_out', customer_sql => 'NEW.shopper_id', operations => '{update}',
  condition_sql => 'OLD.accepts_marketing AND NOT NEW.accepts_marketing', payload_sql => $$jsonb_build_object()$$);
SELECT journey_orch.watch('retail.shopper', 'account_deleted', customer_sql => 'OLD.shopper_id', operations => '{delete}',
  payload_sql => $$jsonb_build_object()$$);
