/*
 * examples/retail_acquisition/story.sql
 *    Thirteen shoppers in Berlin and New York, and what they do from March to May
 *    2026.  messages.txt says what each of them is sent.
 *
 * New York puts its clocks forward on Sunday 8 March, Berlin on Sunday 29 March.
 */
\set from '2026-03-01 00:00+00'
\set until '2026-05-10 00:00+00'
SELECT journey_orch.set_clock(:'from') \g /dev/null

-- The advertising network does not know Emma on 9 March, so that she cannot be removed at first.
\set refused ad-109
\set refused_during '[2026-03-09 12:00+00,2026-03-10 00:30+00)'

INSERT INTO retail.product VALUES
  (1, 'Armchair', 349), (2, 'Floor lamp', 89.90), (3, 'Dining table', 520), (4, 'Rug', 129), (5, 'Wall clock', 39.50);

INSERT INTO retail.shopper (shopper_id, first_name, email, phone, ad_id, timezone, locale, currency)
SELECT id, name, lower(name) || '@example.com', phone, 'ad-' || id, zone, locale, currency
  FROM (VALUES (101, 'Anna', '+4930101', 'Europe/Berlin'), (102, 'Ben', '+1212102', 'America/New_York'),
               (103, 'Clara', '+4930103', 'Europe/Berlin'), (104, 'Dan', '+1212104', 'America/New_York'),
               (105, 'Greta', '+4930105', 'Europe/Berlin'), (106, 'Henry', '+1212106', 'America/New_York'),
               (107, 'Ida', '+4930107', 'Europe/Berlin'), (108, 'Jack', '+1212108', 'America/New_York'),
               (109, 'Emma', '+4930109', 'Europe/Berlin'), (110, 'Frank', NULL, 'America/New_York'),
               (111, 'Kim', '+1212111', 'America/New_York'), (112, 'Lea', '+4930112', 'Europe/Berlin'),
               (113, 'Nick', '+1212113', 'America/New_York')) AS person (id, name, phone, zone)
  JOIN (VALUES ('Europe/Berlin', 'de-DE', 'EUR'), ('America/New_York', 'en-US', 'USD')) AS country (zone, locale, currency) USING (zone);

CREATE SCHEMA story;
CREATE TABLE story.person AS
SELECT shopper_id::text AS customer_id, lower(first_name) AS who, timezone FROM retail.shopper;

-- $1 is the shopper's id.
CREATE TABLE story.act (number integer GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, who text NOT NULL, does text NOT NULL);
INSERT INTO story.act (at, who, does) VALUES
  -- Anna buys early: on day 1, after the email.  What she looks at later that evening is another visit.
  ('2026-03-02 19:40 Europe/Berlin', 'anna', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 1)'),
  ('2026-03-02 19:52 Europe/Berlin', 'anna', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 2)'),
  ('2026-03-02 22:30 Europe/Berlin', 'anna', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 5)'),
  ('2026-03-03 12:05 Europe/Berlin', 'anna', $$SELECT story.report($1, 'viewed_products', 'clicked')$$),
  ('2026-03-03 12:10 Europe/Berlin', 'anna', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 349, 'EUR')$$),

  -- Ben buys early: on day 4, and leaves the audience that he has joined in the morning.
  ('2026-03-02 21:15 America/New_York', 'ben', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 4)'),
  ('2026-03-06 20:05 America/New_York', 'ben', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 116.10, 'USD')$$),

  -- Clara buys late: won back on day 39.  She clicks and then looks at a clock; the look is the better signal.
  ('2026-03-01 10:05 Europe/Berlin', 'clara', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 2)'),
  ('2026-03-03 21:00 Europe/Berlin', 'clara', 'INSERT INTO retail.basket VALUES ($1, 1, 89.90)'),
  ('2026-03-31 12:00 Europe/Berlin', 'clara', $$SELECT story.report($1, 'we_miss_you', 'clicked')$$),
  ('2026-04-02 20:00 Europe/Berlin', 'clara', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 5)'),
  ('2026-04-09 18:45 Europe/Berlin', 'clara', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 31.60, 'EUR')$$),

  -- Dan buys late: on day 12, after the last offer.  His visit goes past midnight; it counts from the day it began.
  ('2026-03-02 23:50 America/New_York', 'dan', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 2)'),
  ('2026-03-03 00:30 America/New_York', 'dan', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 3)'),
  ('2026-03-04 20:00 America/New_York', 'dan', 'INSERT INTO retail.basket VALUES ($1, 1, 520)'),
  ('2026-03-14 11:20 America/New_York', 'dan', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 390, 'USD')$$),

  -- Nick buys on day 30, three hours into the win-back and ten before the month is over: the order is the win-back's.
  ('2026-03-04 22:00 America/New_York', 'nick', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 4)'),
  ('2026-04-03 12:00 America/New_York', 'nick', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 103.20, 'USD')$$),

  -- Emma and Frank never buy.  Emma gives no sign; Frank, who has no phone and whose day 10 is a Saturday, clicks
  -- on day 30.  That he looks around again in May is too soon for another run.
  ('2026-03-02 20:00 Europe/Berlin', 'emma', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 3), ($1, 4)'),
  ('2026-03-04 08:30 America/New_York', 'frank', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 1)'),
  ('2026-04-03 12:00 America/New_York', 'frank', $$SELECT story.report($1, 'we_miss_you', 'clicked')$$),
  ('2026-05-05 10:00 America/New_York', 'frank', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 1)'),

  -- Greta opts out on day 2.  That she buys a week later is still counted.
  ('2026-03-02 11:00 Europe/Berlin', 'greta', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 5)'),
  ('2026-03-04 07:15 Europe/Berlin', 'greta', 'UPDATE retail.shopper SET accepts_marketing = false WHERE shopper_id = $1'),
  ('2026-03-11 12:00 Europe/Berlin', 'greta', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 39.50, 'EUR')$$),

  -- Henry opts out on day 5, and Jack deletes his account on day 6: both are in the audience then.  What Henry buys six
  -- hours after the thirty days are over is nobody's merit.
  ('2026-03-03 12:00 America/New_York', 'henry', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 5)'),
  ('2026-03-08 14:00 America/New_York', 'henry', 'UPDATE retail.shopper SET accepts_marketing = false WHERE shopper_id = $1'),
  ('2026-04-02 18:00 America/New_York', 'henry', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 39.50, 'USD')$$),
  ('2026-03-03 13:00 America/New_York', 'jack', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 1)'),
  ('2026-03-09 08:00 America/New_York', 'jack', 'DELETE FROM retail.shopper WHERE shopper_id = $1'),

  -- Kim fills the basket again in the win-back week, and opts out two days after the answer.
  ('2026-03-04 22:00 America/New_York', 'kim', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 2)'),
  ('2026-03-06 19:00 America/New_York', 'kim', 'INSERT INTO retail.basket VALUES ($1, 2, 179.80)'),
  ('2026-04-04 09:30 America/New_York', 'kim', 'UPDATE retail.basket SET items = 3, total = 219.30 WHERE shopper_id = $1'),
  ('2026-04-05 09:30 America/New_York', 'kim', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 4)'),
  ('2026-04-12 10:00 America/New_York', 'kim', 'UPDATE retail.shopper SET accepts_marketing = false WHERE shopper_id = $1'),

  -- Ida buys in her first visit, Lea has bought before: nobody writes to them.
  ('2026-03-03 18:00 Europe/Berlin', 'ida', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 1)'),
  ('2026-03-03 18:40 Europe/Berlin', 'ida', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 349, 'EUR')$$),
  ('2026-03-01 09:00 Europe/Berlin', 'lea', $$INSERT INTO retail.purchase (shopper_id, amount, currency) VALUES ($1, 129, 'EUR')$$),
  ('2026-03-02 09:00 Europe/Berlin', 'lea', 'INSERT INTO retail.page_view (shopper_id, product_id) VALUES ($1, 2)');

\ir ../play.sql
