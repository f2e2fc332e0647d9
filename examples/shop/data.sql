/*
 * examples/shop/data.sql
 *    What is in the shop on the first morning, and the plan of the ten days.
 *
 * All of it is made by generate_series and a hash of the row's number, so every
 * run of the demo has the same data.  shop.plan says what people do and when;
 * tick.sql does it.
 */
CREATE FUNCTION shop.draw(what text, number bigint, sides integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (abs(hashtextextended(what || number, 42)::numeric) % sides)::integer;

INSERT INTO shop.product (product_id, name, price)
SELECT number, (ARRAY['Walnut', 'Linen', 'Copper', 'Cobalt', 'Amber'])[1 + (number - 1) % 5]
       || ' ' || (ARRAY['lamp', 'chair', 'teapot', 'notebook'])[1 + (number - 1) / 5],
       9.90 + 10 * shop.draw('price', number, 20)
  FROM generate_series(1, 20) AS number;

CREATE FUNCTION shop.new_customers(first bigint, last bigint, at timestamptz) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO shop.customer (customer_id, first_name, email, city, timezone, joined_at)
  SELECT number, name, lower(name) || number || '@example.com', place[1], place[2], at
    FROM (SELECT number,
                 (ARRAY['Ada', 'Ben', 'Chloé', 'Dmitri', 'Elif', 'Farid', 'Grace', 'Hana', 'Ivo', 'Júlia',
                        'Kofi', 'Lena', 'Mateo', 'Noor', 'Olu', 'Priya'])[1 + shop.draw('name', number, 16)] AS name,
                 CASE shop.draw('city', number, 4)
                   WHEN 0 THEN ARRAY['Lisbon', 'Europe/Lisbon']
                   WHEN 1 THEN ARRAY['Berlin', 'Europe/Berlin']
                   WHEN 2 THEN ARRAY['Toronto', 'America/Toronto']
                   ELSE ARRAY['Seoul', 'Asia/Seoul']
                 END AS place
            FROM generate_series(first, last) AS number) AS drawn
   ORDER BY number;
END;

-- 400 customers of old, a quarter of them with sales behind them.
SELECT shop.new_customers(1, 400, '2026-01-01 00:00:00+00');
INSERT INTO shop.cart (cart_id, customer_id, product_id, items, total, changed_at)
SELECT number, 1 + shop.draw('old customer', number, 400), 1 + shop.draw('old product', number, 20), 1, 0, '2026-02-01 00:00:00+00'
  FROM generate_series(1, 150) AS number;
UPDATE shop.cart SET total = price FROM shop.product WHERE product.product_id = cart.product_id;
INSERT INTO shop.sale (cart_id, customer_id, amount, placed_at)
SELECT cart_id, customer_id, total, changed_at FROM shop.cart ORDER BY cart_id;

-- Ten days: 30 people join each day; 60 carts are filled, some changed again an
-- hour or so later; two in five are bought within the day, some emptied.
CREATE TABLE shop.plan
(
  at          timestamptz NOT NULL,
  action      text NOT NULL,                 -- join, fill, change, empty, buy
  number      bigint NOT NULL,               -- customer of join, else cart
  PRIMARY KEY (action, number)
);
INSERT INTO shop.plan
SELECT timestamptz '2026-03-02 06:00:00+00' + (number - 401) / 30 * interval '1 day'
       + shop.draw('join', number, 900) * interval '1 minute', 'join', number
  FROM generate_series(401, 700) AS number;
INSERT INTO shop.plan
SELECT timestamptz '2026-03-02 08:00:00+00' + (number - 151) / 60 * interval '1 day'
       + shop.draw('fill', number, 700) * interval '1 minute', 'fill', number
  FROM generate_series(151, 750) AS number;
INSERT INTO shop.plan
SELECT at + shop.draw('change', number, 100) * interval '1 minute', 'change', number
  FROM shop.plan WHERE action = 'fill' AND shop.draw('changes', number, 3) = 0;
INSERT INTO shop.plan
SELECT at + (100 + shop.draw('buy', number, 600)) * interval '1 minute', 'buy', number
  FROM shop.plan WHERE action = 'fill' AND shop.draw('buys', number, 5) < 2;
INSERT INTO shop.plan
SELECT at + (100 + shop.draw('empty', number, 600)) * interval '1 minute', 'empty', number
  FROM shop.plan WHERE action = 'fill' AND shop.draw('buys', number, 20) = 19;

-- The mailbox of the relay's provider: where messages end in this demo.
CREATE TABLE shop.mailbox
(
  message_id  uuid PRIMARY KEY,
  claim_id    bigint NOT NULL,
  customer_id text NOT NULL,
  address     text NOT NULL,
  subject     text,
  body        text,
  sent_at     timestamptz NOT NULL,
  is_clicked  boolean NOT NULL DEFAULT false
);
