/*
 * examples/saas_onboarding/story.sql
 *    Nine members in London and Sydney, and what they do from March to May 2026.
 *    messages.txt says what each of them is sent.
 *
 * London puts its clocks forward on Sunday 29 March, Sydney back on Sunday 5
 * April.  A trial lasts 21 days.
 */
\set from '2026-03-22 00:00+00'
\set until '2026-05-10 00:00+00'
SELECT journey_orch.set_clock(:'from') \g /dev/null

INSERT INTO saas.feature (position, feature, title, pitch) VALUES
  (1, 'boards', 'See all work at a glance', 'drag a task to where it belongs.'),
  (2, 'automations', 'Let it do the dull part', 'make rules for what you do every day.'),
  (3, 'timesheets', 'Know where the hours go', 'one click starts the clock.'),
  (4, 'guests', 'Bring your clients in', 'guests see what you share, and nothing else.');

CREATE SCHEMA story;
CREATE TABLE story.person AS
SELECT id::text AS customer_id, who, timezone
  FROM (VALUES (201, 'olivia', 'Europe/London'), (202, 'liam', 'Australia/Sydney'), (203, 'mia', 'Europe/London'),
               (204, 'noah', 'Australia/Sydney'), (205, 'ruby', 'Europe/London'), (206, 'leo', 'Australia/Sydney'),
               (207, 'zoe', 'Europe/London'), (208, 'amy', 'Australia/Sydney'), (209, 'max', 'Australia/Sydney')) AS person (id, who, timezone);

-- What the sign-up form of the application does.
CREATE FUNCTION story.sign_up(member text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO saas.member (member_id, first_name, email, timezone, locale, trial_ends_on)
  SELECT customer_id::bigint, initcap(who), who || '@example.com', timezone,
         CASE timezone WHEN 'Europe/London' THEN 'en-GB' ELSE 'en-AU' END,
         (journey_orch.clock() AT TIME ZONE timezone)::date + 21
    FROM story.person
   WHERE customer_id = member
$$;

-- $1 is the member's id.
CREATE TABLE story.act (number integer GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, who text NOT NULL, does text NOT NULL);
INSERT INTO story.act (at, who, does) VALUES
  -- Olivia subscribes early: her seats are full on day 2, she buys on day 4.
  ('2026-03-23 14:10 Europe/London', 'olivia', 'SELECT story.sign_up($1)'),
  ('2026-03-23 14:12 Europe/London', 'olivia', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-03-23 14:25 Europe/London', 'olivia', $$SELECT journey_orch.emit('tutorial_finished', $1)$$),
  ('2026-03-23 14:30 Europe/London', 'olivia', $$INSERT INTO saas.feature_use VALUES ($1, 'boards')$$),
  ('2026-03-23 14:40 Europe/London', 'olivia', $$INSERT INTO saas.milestone VALUES ($1, 'first_project')$$),
  ('2026-03-25 15:55 Europe/London', 'olivia', $$INSERT INTO saas.milestone VALUES ($1, 'team_of_three')$$),
  ('2026-03-25 15:55 Europe/London', 'olivia', 'UPDATE saas.member SET seats_used = 3 WHERE member_id = $1'),
  ('2026-03-25 16:00 Europe/London', 'olivia', 'UPDATE saas.member SET seats_used = 5 WHERE member_id = $1'),
  ('2026-03-27 11:00 Europe/London', 'olivia', $$INSERT INTO saas.subscription VALUES ($1, 'team', 60, 'GBP')$$),

  -- Liam subscribes early: a habit after five days, on a Saturday evening; he is asked on Monday and buys on Tuesday.
  -- His hundredth task is of the night in which the clocks go back.
  ('2026-03-23 09:05 Australia/Sydney', 'liam', 'SELECT story.sign_up($1)'),
  ('2026-03-23 09:06 Australia/Sydney', 'liam', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-03-23 09:20 Australia/Sydney', 'liam', $$SELECT journey_orch.emit('tutorial_finished', $1)$$),
  ('2026-03-23 09:30 Australia/Sydney', 'liam', $$INSERT INTO saas.feature_use VALUES ($1, 'boards')$$),
  ('2026-03-24 08:50 Australia/Sydney', 'liam', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-03-24 09:00 Australia/Sydney', 'liam', $$INSERT INTO saas.feature_use VALUES ($1, 'automations')$$),
  ('2026-03-25 08:55 Australia/Sydney', 'liam', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-03-26 08:45 Australia/Sydney', 'liam', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-03-28 20:00 Australia/Sydney', 'liam', $$INSERT INTO saas.feature_use VALUES ($1, 'timesheets')$$),
  ('2026-03-31 15:30 Australia/Sydney', 'liam', $$INSERT INTO saas.subscription VALUES ($1, 'solo', 17, 'AUD')$$),
  ('2026-04-04 22:00 Australia/Sydney', 'liam', $$INSERT INTO saas.milestone VALUES ($1, 'hundred_tasks')$$),

  -- Mia comes late: first login on day 8, the tutorial waved away and offered again, the subscription half an hour
  -- before the trial ends.
  ('2026-03-24 22:40 Europe/London', 'mia', 'SELECT story.sign_up($1)'),
  ('2026-04-01 09:15 Europe/London', 'mia', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-04-01 09:16 Europe/London', 'mia', $$SELECT story.report($1, 'tutorial', 'dismissed')$$),
  ('2026-04-03 10:00 Europe/London', 'mia', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-04-03 10:20 Europe/London', 'mia', $$INSERT INTO saas.feature_use VALUES ($1, 'boards')$$),
  ('2026-04-13 23:30 Europe/London', 'mia', $$INSERT INTO saas.subscription VALUES ($1, 'solo', 9, 'GBP')$$),

  -- Noah subscribes late: in the ten days by which his trial was extended.
  ('2026-03-24 07:30 Australia/Sydney', 'noah', 'SELECT story.sign_up($1)'),
  ('2026-03-24 07:31 Australia/Sydney', 'noah', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-04-09 12:00 Australia/Sydney', 'noah', 'UPDATE saas.member SET trial_ends_on = trial_ends_on + 10 WHERE member_id = $1'),
  ('2026-04-23 18:00 Australia/Sydney', 'noah', $$INSERT INTO saas.subscription VALUES ($1, 'solo', 17, 'AUD')$$),

  -- Ruby uses it and never subscribes: it is a habit at 17:00, too late for that day's office hours.  Leo never even
  -- logs in, though he is given three weeks more.
  ('2026-03-25 08:00 Europe/London', 'ruby', 'SELECT story.sign_up($1)'),
  ('2026-03-25 08:05 Europe/London', 'ruby', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-03-25 08:30 Europe/London', 'ruby', $$SELECT journey_orch.emit('tutorial_finished', $1)$$),
  ('2026-03-25 09:00 Europe/London', 'ruby', $$INSERT INTO saas.feature_use VALUES ($1, 'boards')$$),
  ('2026-03-25 09:00 Europe/London', 'ruby', $$INSERT INTO saas.milestone VALUES ($1, 'first_project')$$),
  ('2026-03-26 09:00 Europe/London', 'ruby', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-04-02 11:00 Europe/London', 'ruby', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-04-02 11:05 Europe/London', 'ruby', $$INSERT INTO saas.feature_use VALUES ($1, 'automations')$$),
  ('2026-04-07 12:00 Europe/London', 'ruby', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-04-07 17:00 Europe/London', 'ruby', $$INSERT INTO saas.feature_use VALUES ($1, 'timesheets')$$),
  ('2026-03-25 23:55 Australia/Sydney', 'leo', 'SELECT story.sign_up($1)'),
  ('2026-04-14 09:00 Australia/Sydney', 'leo', 'UPDATE saas.member SET trial_ends_on = trial_ends_on + 21 WHERE member_id = $1'),

  -- Zoe opts out of email on day 5: what she does inside the product is still celebrated there.
  ('2026-03-23 10:00 Europe/London', 'zoe', 'SELECT story.sign_up($1)'),
  ('2026-03-23 10:02 Europe/London', 'zoe', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-03-23 10:30 Europe/London', 'zoe', $$SELECT journey_orch.emit('tutorial_finished', $1)$$),
  ('2026-03-28 09:00 Europe/London', 'zoe', 'UPDATE saas.member SET wants_email = false WHERE member_id = $1'),
  ('2026-04-07 18:00 Europe/London', 'zoe', $$INSERT INTO saas.milestone VALUES ($1, 'hundred_tasks')$$),

  -- Amy opts out two hours before the email of day 7; the tutorial waits for her first login all the same.
  ('2026-03-23 12:00 Australia/Sydney', 'amy', 'SELECT story.sign_up($1)'),
  ('2026-03-30 08:00 Australia/Sydney', 'amy', 'UPDATE saas.member SET wants_email = false WHERE member_id = $1'),
  ('2026-04-02 09:00 Australia/Sydney', 'amy', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-04-02 09:10 Australia/Sydney', 'amy', $$SELECT journey_orch.emit('tutorial_finished', $1)$$),

  -- Max cancels on day 1: everything ends.
  ('2026-03-24 11:00 Australia/Sydney', 'max', 'SELECT story.sign_up($1)'),
  ('2026-03-24 11:05 Australia/Sydney', 'max', 'INSERT INTO saas.login (member_id) VALUES ($1)'),
  ('2026-03-25 20:00 Australia/Sydney', 'max', 'UPDATE saas.member SET is_cancelled = true WHERE member_id = $1');

\ir ../play.sql
