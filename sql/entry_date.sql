-- entry_date: entries by a date that the customer holds
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
SELECT set_clock('2026-01-01 09:00+00');
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, timezone text, born_on date, trial_ends_at timestamptz, starts timestamp, plan text, visits int);
SELECT bind_customer('shop.customer', 'id', timezone_sql => 'timezone');

-- A run that ends at once, and says what it knows of its entry.
CREATE FUNCTION public.definition(name text, date jsonb, entry jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('journey', name, 'timezone', 'Europe/Berlin', 'entry', jsonb_build_object('date', date) || entry,
    'start', 'note', 'steps', '{"note": {"update": {"entry": "event || jsonb_build_object(''name'', journey.event_name)"}, "next": "done"}, "done": {"exit": "done"}}'::jsonb) $$;
CREATE VIEW public.trail AS
  SELECT j.name AS journey, l.customer_id AS who, l.clock, l.outcome, l.reason, l.context -> 'entry' AS entry, l.version AS v
  FROM step_log AS l JOIN journey AS j USING (journey_id)
  WHERE outcome IN ('refused', 'parked') OR to_step = 'done' ORDER BY l.clock, j.name, l.customer_id;
CREATE VIEW public.plan AS
  SELECT j.name AS journey, p.customer_id AS who, p.due_at, p.times, p.taken, p.last_at, p.basis, p.error
  FROM planned_entry AS p JOIN journey AS j USING (journey_id) ORDER BY 1, 2;

-- what the grammar and its checks say
CREATE FUNCTION public.findings(date jsonb, entry jsonb DEFAULT '{}')
RETURNS TABLE (severity text, code text, path text, message text) LANGUAGE sql AS $$
  SELECT severity, code, path, message FROM journey_orch.check_definition(public.definition('x', date, entry)) $$;
SELECT * FROM public.findings('{"value": "customer.born_on", "offset": "-7 days", "at": "09:00", "every": "1 year", "gap": "skip", "overlap": "first", "jitter": "1 hour"}');
SELECT * FROM public.findings('{"value": "customer.plan", "every": "0", "past": "next", "jitter": "-1 hour"}');
SELECT * FROM public.findings('{"value": "event->>''born_on''"}');
SELECT * FROM public.findings('{"value": "journey.now"}');
SELECT * FROM public.findings('{"offset": "1 day"}');
SELECT * FROM public.findings('{"value": "customer.born_on", "every": "1 year", "past": "enter"}', '{"reentry": {"policy": "never"}}');
SELECT * FROM public.findings('{"value": "customer.born_on", "every": "1 year"}', '{"reentry": {"policy": "never"}, "key": "event->>''occurrence''"}');
SELECT * FROM public.findings('{"value": "customer.born_on"}', '{"on": "x"}');

-- Existing customers are planned when the journey is published: a birthday in two zones, one on 29 February, one in the
-- journey's zone, one whose week before is over by an hour, one without.
INSERT INTO shop.customer (id, timezone, born_on) VALUES ('berlin', 'Europe/Berlin', '1990-03-31'), ('new york', 'America/New_York', '1990-03-15'),
  ('leap', 'UTC', '2000-02-29'), ('journey', NULL, '1985-06-08'), ('late', 'UTC', '1980-01-08'), ('none', 'UTC', NULL);
UPDATE shop.customer SET born_on = '1980-01-08', timezone = 'Asia/Tokyo' WHERE id = 'late';
SELECT define(public.definition('birthday', '{"value": "customer.born_on", "offset": "-7 days", "at": "09:00", "every": "1 year"}'));
SELECT entering, inside FROM publish('birthday');
SELECT event, customer_sql, condition_sql, state FROM watch_status;
SELECT publish('birthday', existing => 'now');
CALL run();
SELECT who, due_at, due_at AT TIME ZONE 'Europe/Berlin' AS berlin, times, taken, basis FROM public.plan;
SELECT journey, count(*) AS lanes, sum(customers) AS customers, count(*) FILTER (WHERE state = 'finished') AS finished FROM planning_status GROUP BY journey;
SELECT * FROM upcoming_entry WHERE customer_id = 'leap';
-- a year and a leap year: every birthday once, whatever the steps of the clock
SELECT advance_clock('2 months', force => true);
CALL run();
SELECT advance_clock('26 months', force => true);
CALL run();
SELECT who, clock, entry FROM public.trail WHERE who IN ('leap', 'berlin', 'late');
SELECT who, count(*) FROM public.trail GROUP BY who ORDER BY who;
SELECT who, due_at, times, taken, last_at FROM public.plan;

-- A row that changes: only what the date is made of is an event. A customer who had no date gets one, one who moves from
-- zone to zone takes his entry along, one goes, one comes.
SELECT set_clock('2028-06-01 12:00+00', force => true);
UPDATE shop.customer SET visits = 1;
UPDATE shop.customer SET born_on = '1999-06-30' WHERE id = 'none';
UPDATE shop.customer SET timezone = 'Asia/Tokyo' WHERE id = 'berlin';
DELETE FROM shop.customer WHERE id = 'leap';
INSERT INTO shop.customer (id, born_on) VALUES ('new', '2001-06-18'), ('new without', NULL);
SELECT customer_id, name, kind FROM event WHERE watch_id IS NOT NULL ORDER BY seq;
CALL run();
SELECT who, due_at, times, taken FROM public.plan;
-- by that instant the date is another, and another is gone: nobody noticed
SET session_replication_role = replica;
UPDATE shop.customer SET born_on = '2001-06-20' WHERE id = 'new';
UPDATE shop.customer SET born_on = NULL WHERE id = 'none';
RESET session_replication_role;
SELECT advance_clock('30 days', force => true);
CALL run();
SELECT who, clock, entry ->> 'date' AS date FROM public.trail WHERE clock > '2028-06-01' AND who IN ('new', 'none');
SELECT * FROM verify() WHERE NOT holds;

-- stopped: nothing is to come, and what was taken is remembered; published again: nobody enters twice
SELECT stop('birthday');
CALL run();
SELECT count(*), count(due_at), count(last_at) FROM planned_entry;
SELECT count(*) FROM watch;
SELECT entering FROM publish('birthday');
CALL run();
SELECT who, due_at, taken, last_at FROM public.plan WHERE who IN ('new', 'berlin');
SELECT stop('birthday');
CALL run();
SELECT archive('birthday');
SELECT count(*) FROM planned_entry;

-- The end of a trial, three days before: moved later, moved earlier, moved into the past, removed, and put back.
SELECT define(public.definition('trial', '{"value": "customer.trial_ends_at", "offset": "-3 days", "at": "10:00"}', '{"when": "customer.plan IS DISTINCT FROM ''paid''"}'));
SELECT define(public.definition('over', '{"value": "customer.trial_ends_at", "past": "enter"}'));
DELETE FROM shop.customer;
SELECT set_clock('2030-05-01 00:00+00', force => true);
INSERT INTO shop.customer (id, timezone, trial_ends_at) VALUES ('over already', 'UTC', '2030-04-20 12:00+00'), ('later', 'UTC', '2030-05-10 12:00+00'),
  ('earlier', 'UTC', '2030-05-20 12:00+00'), ('into the past', 'UTC', '2030-05-20 12:00+00'), ('removed', 'UTC', '2030-05-20 12:00+00'), ('paid', 'UTC', '2030-05-20 12:00+00');
SELECT count(*) FROM publish('trial');
SELECT count(*) FROM publish('over');
CALL run();
SELECT journey, who, due_at, taken FROM public.plan;
SELECT set_clock('2030-05-04 00:00+00');
UPDATE shop.customer SET trial_ends_at = '2030-05-12 12:00+00' WHERE id = 'later';
UPDATE shop.customer SET trial_ends_at = '2030-05-09 12:00+00' WHERE id = 'earlier';
UPDATE shop.customer SET trial_ends_at = '2030-05-03 12:00+00' WHERE id = 'into the past';
UPDATE shop.customer SET trial_ends_at = NULL WHERE id = 'removed';
UPDATE shop.customer SET plan = 'paid' WHERE id = 'paid';
SELECT advance_clock('1 month', force => true);
CALL run();
SELECT journey, who, clock, outcome, reason FROM public.trail WHERE journey IN ('trial', 'over');
-- once for each value: the same again, a value that was taken, another one
UPDATE shop.customer SET trial_ends_at = trial_ends_at WHERE id = 'earlier';
UPDATE shop.customer SET trial_ends_at = '2030-06-10 12:00+00' WHERE id IN ('earlier', 'later');
CALL run();
UPDATE shop.customer SET trial_ends_at = '2030-05-09 12:00+00' WHERE id = 'earlier';
CALL run();
SELECT journey, who, due_at, taken, last_at FROM public.plan WHERE who IN ('earlier', 'later');
SELECT advance_clock('1 month', force => true);
CALL run();
SELECT journey, who, clock FROM public.trail WHERE journey IN ('trial', 'over') AND clock >= '2030-06-04';
-- a new version with another offset: what it makes past has passed, who was taken is not again
UPDATE shop.customer SET trial_ends_at = '2030-07-10 12:00+00' WHERE id = 'removed';
CALL run();
SELECT who, due_at FROM public.plan WHERE journey = 'trial' AND due_at IS NOT NULL;
SELECT define(public.definition('trial', '{"value": "customer.trial_ends_at", "offset": "-14 days"}'));
SELECT count(*) FROM publish('trial');
CALL run();
SELECT who, due_at, taken, last_at FROM public.plan WHERE journey = 'trial';
-- and one that no date enters any more
SELECT define('{"journey": "trial", "entry": {"api": true}, "start": "done", "steps": {"done": {"exit": "done"}}}');
SELECT count(*) FROM publish('trial');
SELECT stop('over');
CALL run();
SELECT journey, who, due_at FROM public.plan WHERE due_at IS NOT NULL;
SELECT count(*) FROM watch;

-- Clock changes and ends of months. New York goes forward on 14 March 2032 and back on 7 November; the last day of each month.
DELETE FROM shop.customer;
SELECT set_clock('2032-01-10 00:00+00', force => true);
INSERT INTO shop.customer (id, timezone, starts, born_on) VALUES ('gap', 'America/New_York', '2032-03-14 02:30', NULL),
  ('overlap', 'America/New_York', '2032-11-07 01:30', NULL), ('month', 'UTC', NULL, '2031-12-31');
SELECT define(public.definition('forward', '{"value": "customer.starts"}')), define(public.definition('skipped', '{"value": "customer.starts", "gap": "skip", "overlap": "first"}')),
  define(public.definition('monthly', '{"value": "customer.born_on", "every": "1 month", "at": "08:00", "jitter": "1 hour"}'));
SELECT count(*) FROM publish('forward');
SELECT count(*) FROM publish('skipped');
SELECT count(*) FROM publish('monthly');
CALL run();
SELECT journey, who, due_at AT TIME ZONE 'America/New_York' AS local, due_at FROM public.plan WHERE who <> 'month';
SELECT advance_clock('6 months', force => true);
CALL run();
SELECT date_trunc('hour', clock) AS clock, clock - date_trunc('hour', clock) < interval '1 hour' AS in_time, entry ->> 'occurrence' AS occurrence
  FROM public.trail WHERE journey = 'monthly' AND clock > '2032-01-10';
SELECT count(DISTINCT clock - date_trunc('hour', clock)) FROM public.trail WHERE journey = 'monthly';
SELECT stop('forward'), stop('skipped'), stop('monthly');
CALL run();

-- A date that raises for one: recorded once, and no other customer is the worse for it. Infinity never comes; neither does what
-- is out of range.
DELETE FROM shop.customer;
SELECT set_clock('2034-01-01 00:00+00', force => true);
INSERT INTO shop.customer (id, born_on, visits) VALUES ('fine', '2034-01-05', 1), ('raises', '2034-01-05', 0), ('for ever', 'infinity', 1), ('never', '-infinity', 1),
  ('far', '5874897-12-31', 20);
SELECT define(public.definition('raising', '{"value": "customer.born_on + 10 / customer.visits"}'));
SELECT count(*) FROM publish('raising');
CALL run();
UPDATE shop.customer SET visits = 0 WHERE id = 'raises';
UPDATE shop.customer SET born_on = born_on + 1 WHERE id = 'raises';
CALL run();
SELECT who, clock, outcome, reason FROM public.trail WHERE journey = 'raising';
SELECT who, due_at, taken, basis, error FROM public.plan WHERE journey = 'raising';
SELECT journey, customer_id, due_at, date, error FROM upcoming_entry WHERE journey = 'raising' ORDER BY 2;
UPDATE shop.customer SET visits = 5 WHERE id = 'raises';
-- by the time he would enter it raises for another
SET session_replication_role = replica;
UPDATE shop.customer SET visits = 0 WHERE id = 'fine';
RESET session_replication_role;
SELECT advance_clock('1 month', force => true);
CALL run();
SELECT who, clock, outcome, reason FROM public.trail WHERE journey = 'raising';
SELECT who, due_at, taken, last_at, basis, error FROM public.plan WHERE journey = 'raising';
SELECT stop('raising');
CALL run();

-- Re-entry, caps and holdout are those of any entry; a run that is still there refuses the next recurrence.
DELETE FROM shop.customer;
SELECT set_clock('2035-01-01 00:00+00', force => true);
INSERT INTO shop.customer (id, born_on) VALUES ('a', '2035-01-02'), ('b', '2035-01-02'), ('c', '2035-01-02');
SELECT define(jsonb_set(public.definition('long', '{"value": "customer.born_on", "every": "10 days"}', '{"caps": {"total": 4}, "key": "customer.id || (event->>''occurrence'')", "holdout": 1}'),
  '{steps,note}', '{"delay": "15 days", "next": "done"}'));
SELECT define(jsonb_set(public.definition('twice', '{"value": "customer.born_on", "every": "10 days"}', '{"when": "customer.id = ''a''"}'), '{steps,note}', '{"delay": "15 days", "next": "done"}'));
SELECT count(*) FROM publish('long');
SELECT count(*) FROM publish('twice');
CALL run();
SELECT advance_clock('31 days', force => true);
CALL run();
SELECT j.name AS journey, l.customer_id, l.key, l.clock, l.outcome, l.reason FROM step_log AS l JOIN journey AS j USING (journey_id)
 WHERE j.name IN ('long', 'twice') AND outcome IN ('entered', 'refused') ORDER BY 1, 4, 2;
SELECT stop('long', 'exit'), stop('twice', 'exit');
CALL run();

-- A pause queues who would enter, or refuses him.
DELETE FROM shop.customer;
SELECT set_clock('2036-01-01 00:00+00', force => true);
INSERT INTO shop.customer (id, born_on) VALUES ('first', '2036-01-02'), ('second', '2036-01-12'), ('third', '2036-01-22');
SELECT define(public.definition('paused', '{"value": "customer.born_on"}'));
SELECT count(*) FROM publish('paused');
CALL run();
SELECT pause('paused');
SELECT advance_clock('5 days', force => true);
CALL run();
SELECT customer_id, state FROM enrollment_status WHERE journey = 'paused' AND ended_at IS NULL;
SELECT resume('paused');
SELECT pause('paused', newcomers => 'ignore');
SELECT advance_clock('10 days', force => true);
SELECT resume('paused');
SELECT advance_clock('20 days', force => true);
CALL run();
SELECT l.customer_id, l.clock, l.outcome, l.reason FROM step_log AS l JOIN journey AS j USING (journey_id) WHERE j.name = 'paused' ORDER BY l.clock, l.customer_id, l.visit, l.outcome;

-- the same in one's own transaction, for who was touched in it
BEGIN;
INSERT INTO shop.customer (id, born_on) VALUES ('trial', '2036-03-01');
SELECT run_here();
SELECT who, due_at FROM public.plan WHERE who = 'trial';
SELECT advance_clock('2 months', force => true);
SELECT run_here() > 0;
SELECT customer_id, entered_at, exit_reason FROM enrollment_status WHERE customer_id = 'trial';
ROLLBACK;
SELECT count(*) FROM planned_entry WHERE customer_id = 'trial';
SELECT stop('paused');
CALL run();

-- Changes that are not seen: a view, and a date of another table. Everybody is looked at again by maintain().
DELETE FROM shop.customer;
SELECT set_clock('2040-01-01 00:00+00', force => true);
CREATE TABLE shop.contract (customer_id text, ends_on date);
INSERT INTO shop.customer (id) SELECT 'c' || n FROM generate_series(1, 40) AS n;
INSERT INTO shop.contract VALUES ('c1', '2040-02-01'), ('c2', '2040-02-01');
CREATE VIEW shop.person AS SELECT id, timezone, plan FROM shop.customer;
SELECT bind_customer('shop.person', 'id', timezone_sql => 'timezone');
SELECT define(public.definition('contract', '{"value": "(SELECT max(c.ends_on) FROM shop.contract AS c WHERE c.customer_id = customer.id)"}'));
SELECT count(*) FROM publish('contract');
SELECT count(*) FROM watch;
CALL run();
SELECT who, due_at FROM public.plan WHERE journey = 'contract';
SELECT journey, state, sum(customers) FROM planning_status WHERE journey = 'contract' GROUP BY 1, 2;
SELECT act, detail FROM maintain() WHERE act = 'announced';
CALL run();
SELECT act, detail FROM maintain() WHERE act = 'announced';
UPDATE shop.contract SET ends_on = '2040-03-01' WHERE customer_id = 'c2';
INSERT INTO shop.contract VALUES ('c3', '2040-01-15'), ('c4', '2039-12-01');
SELECT advance_clock('20 days', force => true);
CALL run();
UPDATE plan_pass SET started_at = started_at - interval '1 hour' WHERE journey_id = 0;
SELECT act, detail FROM maintain() WHERE act = 'announced';
CALL run();
SELECT who, clock FROM public.trail WHERE journey = 'contract';
SELECT who, due_at, last_at FROM public.plan WHERE journey = 'contract';
-- a relation that raises ends the look, and it is begun again
CREATE OR REPLACE VIEW shop.person AS SELECT id, timezone, (1 / (length(plan) - 4))::text AS plan FROM shop.customer WHERE plan IS NULL OR 1 / (length(plan) - 4) IS NOT NULL;
UPDATE shop.customer SET plan = 'four' WHERE id = 'c9';
UPDATE plan_pass SET started_at = started_at - interval '1 hour' WHERE journey_id = 0;
SELECT act FROM maintain() WHERE act = 'announced';
CALL run();
SELECT journey, state, error, count(*) FROM planning_status GROUP BY 1, 2, 3 ORDER BY 1, 2;
UPDATE shop.customer SET plan = NULL WHERE id = 'c9';

-- bound to the table again: a date that cannot be told any more stops nobody, and the watch is there again
SELECT bind_customer('shop.customer', 'id', timezone_sql => 'timezone');
SELECT define(public.definition('contract', '{"value": "customer.born_on"}'));
SELECT count(*) FROM publish('contract');
SELECT relation, event, condition_sql FROM watch;
INSERT INTO shop.customer (id, born_on) VALUES ('z', '2040-05-01');
CALL run();
SELECT who, due_at FROM public.plan WHERE journey = 'contract' AND due_at IS NOT NULL;
-- a column that the date reads is gone: its entries are refused with the error
ALTER TABLE shop.customer RENAME COLUMN born_on TO birthday;
SELECT advance_clock('6 months', force => true);
CALL run();
SELECT who, outcome, reason FROM public.trail WHERE who = 'z';
SELECT who, due_at, left(error, 40) AS error FROM public.plan WHERE who = 'z';
ALTER TABLE shop.customer RENAME COLUMN birthday TO born_on;
SELECT stop('contract');
CALL run();

-- A draft, simulated: the dates become known at "since".
INSERT INTO shop.customer (id, timezone, born_on) VALUES ('sim', 'Asia/Tokyo', '2000-02-29'), ('sim without', NULL, NULL);
SELECT define(public.definition('draft', '{"value": "customer.born_on", "offset": "-7 days", "at": "09:00", "every": "1 year"}'));
SELECT at, customer, outcome, to_step, reason, context -> 'entry' ->> 'occurrence' AS occurrence
  FROM simulate('draft', customers => '{sim,sim without,nobody}', since => '2027-01-01', until => '2028-12-31', events => '[]');

-- Many: each lane looks at them a page at a time, and goes on where it was.
CREATE TABLE shop.member (id bigint PRIMARY KEY, born_on date);
SELECT bind_customer('shop.member', 'id');
SELECT set_clock('2041-01-01 00:00+00', force => true);
INSERT INTO shop.member SELECT n, date '2041-02-01' + (n % 300)::int FROM generate_series(1, 34000) AS n;
SELECT define(public.definition('many', '{"value": "customer.born_on"}'));
SELECT count(*) FROM publish('many');
CALL run(max_batches => 8);
SELECT count(*) FILTER (WHERE state = 'running') > 0 AS are_running, sum(customers) BETWEEN 1 AND 33999 AS are_partly_seen, count(position) > 0 AS have_a_place
  FROM planning_status WHERE journey = 'many';
CALL run();
SELECT count(*) AS lanes, sum(customers) AS customers, count(*) FILTER (WHERE state = 'finished') AS finished FROM planning_status WHERE journey = 'many';
SELECT count(*), count(DISTINCT who), count(due_at), min(due_at), max(due_at) FROM public.plan WHERE journey = 'many';
SELECT mermaid('many') ~ 'on date customer.born_on' AS is_drawn;
SELECT * FROM verify('full') WHERE NOT holds;
