/*
 * examples/shop/tick.sql
 *    Sets the clock to :now and does in the shop's tables what shop.plan says
 *    for the time since :before: one transaction, plain INSERT and UPDATE.
 */
BEGIN;
SELECT journey_orch.set_clock(:'now') \g /dev/null

SELECT shop.new_customers(number, number, at)
  FROM shop.plan
 WHERE action = 'join' AND at > :'before' AND at <= :'now'
 ORDER BY number \g /dev/null

-- Every second cart is a newcomer's.
INSERT INTO shop.cart (cart_id, customer_id, product_id, items, total, changed_at)
SELECT cart, customer, product_id, items, items * price, at
  FROM (SELECT number AS cart, at, 1 + shop.draw('items', number, 3) AS items,
               CASE number % 2
                 WHEN 0 THEN 1 + shop.draw('customer', number, 400)
                 ELSE (SELECT customer_id FROM shop.customer
                        ORDER BY customer_id DESC OFFSET shop.draw('customer', number, 60) LIMIT 1)
               END AS customer,
               1 + shop.draw('product', number, 20) AS product
          FROM shop.plan WHERE action = 'fill' AND at > :'before' AND at <= :'now') AS filled
  JOIN shop.product ON product_id = product
 ORDER BY at, cart;

UPDATE shop.cart
   SET items = items + 1, total = total / items * (items + 1), changed_at = at
  FROM shop.plan
 WHERE action = 'change' AND number = cart_id AND at > :'before' AND at <= :'now';

UPDATE shop.cart
   SET items = 0, total = 0, changed_at = at
  FROM shop.plan
 WHERE action = 'empty' AND number = cart_id AND at > :'before' AND at <= :'now';

INSERT INTO shop.sale (cart_id, customer_id, amount, placed_at)
SELECT cart_id, customer_id, total, at
  FROM shop.plan
  JOIN shop.cart ON cart_id = number
 WHERE action = 'buy' AND items > 0 AND at > :'before' AND at <= :'now'
 ORDER BY at, cart_id
    ON CONFLICT (cart_id) DO NOTHING;

-- One in three of those who clicked a reminder since the last tick comes back
-- and buys what is in the cart.
INSERT INTO shop.sale (cart_id, customer_id, amount, placed_at)
SELECT cart_id, cart.customer_id, total, :'now'
  FROM shop.mailbox
  JOIN shop.cart ON cart.customer_id = mailbox.customer_id::bigint AND items > 0
 WHERE is_clicked AND sent_at > timestamptz :'before' - interval '1 day'
   AND shop.draw('comes back', cart_id, 3) = 0
   AND changed_at < :'now'
 ORDER BY cart_id
    ON CONFLICT (cart_id) DO NOTHING;
COMMIT;
