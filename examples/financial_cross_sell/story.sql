/*
 * examples/financial_cross_sell/story.sql
 *    Thirteen clients in Madrid and Chicago, and what they do from November 2025
 *    to August 2026.  messages.txt says what each of them is sent.
 *
 * The salaries of most are booked at one instant, 03:30 UTC on 1 February: in
 * Madrid that is Sunday the 1st, in Chicago still Saturday, 31 January.  Chicago
 * puts its clocks forward on 8 March, Madrid on 29 March.
 */
\set from '2025-11-30 00:00+00'
\set until '2026-10-01 00:00+00'
SELECT journey_orch.set_clock(:'from') \g /dev/null

CREATE SCHEMA story;
CREATE TABLE story.person AS
SELECT id::text AS customer_id, who, zone AS timezone, score, risk, is_homeowner
  FROM (VALUES (301, 'sofia', 'Europe/Madrid', 700, 'growth', true), (302, 'james', 'America/Chicago', 780, 'balanced', false),
               (303, 'lucia', 'Europe/Madrid', 650, 'cautious', false), (304, 'emily', 'America/Chicago', 600, 'growth', false),
               (305, 'mateo', 'Europe/Madrid', 790, 'growth', false), (306, 'grace', 'America/Chicago', 765, 'growth', false),
               (307, 'pablo', 'Europe/Madrid', 690, 'balanced', false), (308, 'carter', 'America/Chicago', 640, 'growth', false),
               (309, 'nora', 'Europe/Madrid', 640, 'balanced', false), (310, 'wyatt', 'America/Chicago', 690, 'growth', false),
               (311, 'elena', 'Europe/Madrid', 720, 'growth', false), (312, 'owen', 'America/Chicago', 720, 'growth', false),
               (313, 'diego', 'Europe/Madrid', 500, 'growth', true))
       AS person (id, who, zone, score, risk, is_homeowner);

INSERT INTO bank.client (client_id, first_name, email, timezone, locale, credit_score, risk_profile, is_homeowner, accepts_offers, is_on_hold, adviser)
SELECT customer_id::bigint, initcap(who), who || '@example.com', timezone, CASE timezone WHEN 'Europe/Madrid' THEN 'es-ES' ELSE 'en-US' END,
       score, risk, is_homeowner, who <> 'elena', who = 'owen', 'adviser@' || lower(split_part(timezone, '/', 2)) || '.example.com'
  FROM story.person;
INSERT INTO bank.checking_account (account_id, client_id, salaries) SELECT 7000 + client_id, client_id, 2 FROM bank.client;
INSERT INTO bank.holding VALUES (302, 'savings', 55, 'USD'), (313, 'fund', 90, 'EUR');

-- $1 is the client's id.
CREATE TABLE story.act (number integer GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, who text NOT NULL, does text NOT NULL);
INSERT INTO story.act (at, who, does) VALUES
  -- The third salary: Lucia's on the last day of November, Emily's on 30 January, all others in one booking.  Elena has
  -- said before that she wants no offers; Owen is on hold already.
  ('2025-11-30 12:00 Europe/Madrid', 'lucia', 'UPDATE bank.checking_account SET salaries = 3 WHERE client_id = $1'),
  ('2026-01-30 09:00 America/Chicago', 'emily', 'UPDATE bank.checking_account SET salaries = 3 WHERE client_id = $1'),
  ('2026-02-01 03:30 UTC', 'sofia', 'UPDATE bank.checking_account SET salaries = 3 WHERE salaries = 2'),

  -- Sofia is early: savings the day after the lesson, a fund before the seminar, so that nobody need call her when she
  -- clicks.  Her house is paid for.
  ('2026-02-10 18:00 Europe/Madrid', 'sofia', $$INSERT INTO bank.holding VALUES ($1, 'savings', 42, 'EUR')$$),
  ('2026-05-13 12:00 Europe/Madrid', 'sofia', $$INSERT INTO bank.holding VALUES ($1, 'fund', 130, 'EUR')$$),
  ('2026-05-14 12:00 Europe/Madrid', 'sofia', $$SELECT story.report($1, 'fund_seminar', 'clicked')$$),

  -- James is early: he saves already, an officer lets him have the large card at the end of the office hours, and he asks about funds.
  ('2026-03-03 18:00 America/Chicago', 'james', $$SELECT journey_orch.approve(enrollment_id, 'approved', 'Your income has been checked') FROM journey_orch.approval WHERE customer_id = $1$$),
  ('2026-03-04 12:00 America/Chicago', 'james', $$INSERT INTO bank.holding VALUES ($1, 'card', 180, 'USD')$$),
  ('2026-05-02 09:00 America/Chicago', 'james', $$SELECT story.report($1, 'fund_brochure', 'clicked')$$),

  -- Lucia and Emily are late: each takes the mortgage after the journey has said its last word, within seven months.
  -- Lucia clicks two days after she has opened savings, and is called; Emily clicks when her two weeks
  -- are over.
  ('2026-03-04 12:00 Europe/Madrid', 'lucia', $$INSERT INTO bank.holding VALUES ($1, 'savings', 35, 'EUR')$$),
  ('2026-03-06 18:00 Europe/Madrid', 'lucia', $$SELECT story.report($1, 'fund_brochure', 'clicked')$$),
  ('2026-05-15 09:00 America/Chicago', 'emily', $$SELECT story.report($1, 'fund_brochure', 'clicked')$$),
  ('2026-06-12 12:00 Europe/Madrid', 'lucia', $$INSERT INTO bank.holding VALUES ($1, 'mortgage', 1150, 'EUR')$$),
  ('2026-08-17 09:30 America/Chicago', 'emily', $$INSERT INTO bank.holding VALUES ($1, 'mortgage', 1400, 'USD')$$),

  -- Mateo and Grace take nothing; what Mateo opens on the day after the seven months is not counted.  No officer looks at
  -- his card within three days; Grace's is refused in the evening, so she hears of the other card in the morning.
  ('2026-09-02 12:00 Europe/Madrid', 'mateo', $$INSERT INTO bank.holding VALUES ($1, 'savings', 40, 'EUR')$$),
  ('2026-03-02 18:40 America/Chicago', 'grace', $$SELECT journey_orch.approve(enrollment_id, 'rejected', 'Too new') FROM journey_orch.approval WHERE customer_id = $1$$),

  -- Diego has a fund and a house already, and no score for a card: all that he gets is the lesson.

  -- Pablo opts out in the third week, and opens savings by himself later; Carter opts out the day after the brochure.
  ('2026-02-21 12:00 Europe/Madrid', 'pablo', 'UPDATE bank.client SET accepts_offers = false WHERE client_id = $1'),
  ('2026-03-10 12:00 Europe/Madrid', 'pablo', $$INSERT INTO bank.holding VALUES ($1, 'savings', 38, 'EUR')$$),
  ('2026-05-01 09:00 America/Chicago', 'carter', 'UPDATE bank.client SET accepts_offers = false WHERE client_id = $1'),

  -- Nora closes the account.  Wyatt is put on hold on a Sunday, a day before the offer of a card.
  ('2026-03-15 11:00 Europe/Madrid', 'nora', 'UPDATE bank.checking_account SET is_open = false WHERE client_id = $1'),
  ('2026-03-01 12:00 America/Chicago', 'wyatt', 'UPDATE bank.client SET is_on_hold = true WHERE client_id = $1');

\ir ../play.sql
