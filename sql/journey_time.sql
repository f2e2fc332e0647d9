-- journey: hours, weekdays, windows, dates and their policies.  Expected
-- instants are by hand, from the rules of the zones: none is computed by the server.
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, zone text, trial_ends_at timestamptz);
SELECT journey_orch.bind_customer('shop.customer', 'id', 'zone');
-- what is expected: an instant, or that the run is gone at once
CREATE TABLE shop.vector (name text PRIMARY KEY, zone text, came timestamptz, delay jsonb, due timestamptz);

-- the clock change is on 8 March at 07:00Z and on 1 November at 06:00Z
INSERT INTO shop.vector VALUES
  ('gap_forward',      'America/New_York', '2026-03-08 05:00+00', '{"at": "02:30"}', '2026-03-08 07:30+00'),
  ('gap_skip',         'America/New_York', '2026-03-08 05:00+00', '{"at": "02:30", "gap": "skip"}', '2026-03-09 06:30+00'),
  ('second',           'America/New_York', '2026-11-01 04:00+00', '{"at": "01:30"}', '2026-11-01 06:30+00'),
  ('first',            'America/New_York', '2026-11-01 04:00+00', '{"at": "01:30", "overlap": "first"}', '2026-11-01 05:30+00'),
  ('between_second',   'America/New_York', '2026-11-01 05:45+00', '{"at": "01:30"}', '2026-11-01 06:30+00'),
  ('between_first',    'America/New_York', '2026-11-01 05:45+00', '{"at": "01:30", "overlap": "first"}', '2026-11-02 06:30+00'),
  ('on_the_hour',      'America/New_York', '2026-01-05 14:00+00', '{"weekdays": ["monday"], "at": "09:00"}', NULL),
  ('after_the_hour',   'America/New_York', '2026-01-05 14:00:01+00', '{"weekdays": ["monday"], "at": "09:00"}', '2026-01-12 14:00+00'),
  ('missed',           'America/New_York', '2026-01-05 14:00:01+00', '{"weekdays": ["monday"], "at": "09:00", "missed": "continue"}', NULL),
  ('missed_other_day', 'America/New_York', '2026-01-06 15:00+00', '{"weekdays": ["monday"], "at": "09:00", "missed": "continue"}', '2026-01-12 14:00+00'),
  ('missed_not_yet',   'America/New_York', '2026-01-05 13:59+00', '{"at": "09:00", "missed": "continue"}', '2026-01-05 14:00+00'),
  ('missed_no_hour',   'America/New_York', '2026-03-08 12:00+00', '{"at": "02:30", "gap": "skip", "missed": "continue"}', '2026-03-09 06:30+00');

-- half an hour; negative daylight time; two changes within five weeks; a change at midnight
INSERT INTO shop.vector VALUES
  ('lord_howe_second', 'Australia/Lord_Howe', '2026-04-04 12:00+00', '{"at": "01:45"}', '2026-04-04 15:15+00'),
  ('lord_howe_first',  'Australia/Lord_Howe', '2026-04-04 12:00+00', '{"at": "01:45", "overlap": "first"}', '2026-04-04 14:45+00'),
  ('lord_howe_gap',    'Australia/Lord_Howe', '2026-10-03 12:00+00', '{"at": "02:15"}', '2026-10-03 15:45+00'),
  ('lord_howe_skip',   'Australia/Lord_Howe', '2026-10-03 12:00+00', '{"at": "02:15", "gap": "skip"}', '2026-10-04 15:15+00'),
  ('dublin_gap',       'Europe/Dublin', '2026-03-28 22:00+00', '{"at": "01:30"}', '2026-03-29 01:30+00'),
  ('dublin_second',    'Europe/Dublin', '2026-10-24 22:00+00', '{"at": "01:30"}', '2026-10-25 01:30+00'),
  ('dublin_first',     'Europe/Dublin', '2026-10-24 22:00+00', '{"at": "01:30", "overlap": "first"}', '2026-10-25 00:30+00'),
  ('casablanca_back',  'Africa/Casablanca', '2026-02-14 22:00+00', '{"at": "02:30"}', '2026-02-15 02:30+00'),
  ('casablanca_first', 'Africa/Casablanca', '2026-02-14 22:00+00', '{"at": "02:30", "overlap": "first"}', '2026-02-15 01:30+00'),
  ('casablanca_gap',   'Africa/Casablanca', '2026-03-21 22:00+00', '{"at": "02:30"}', '2026-03-22 02:30+00'),
  ('casablanca_skip',  'Africa/Casablanca', '2026-03-21 22:00+00', '{"at": "02:30", "gap": "skip"}', '2026-03-23 01:30+00'),
  ('beirut_midnight',  'Asia/Beirut', '2026-03-28 12:00+00', '{"at": "00:00"}', '2026-03-28 22:00+00'),
  ('beirut_skip',      'Asia/Beirut', '2026-03-28 12:00+00', '{"at": "00:00", "gap": "skip"}', '2026-03-29 21:00+00'),
  ('beirut_sunday',    'Asia/Beirut', '2026-03-27 12:00+00', '{"weekdays": ["sunday"]}', '2026-03-28 22:00+00'),
  ('cairo_friday',     'Africa/Cairo', '2026-04-22 12:00+00', '{"weekdays": ["friday"]}', '2026-04-23 22:00+00'),
  ('santiago_sunday',  'America/Santiago', '2026-09-04 12:00+00', '{"weekdays": ["sunday"]}', '2026-09-06 04:00+00');

-- Samoa went from 29 December 2011 to the 31st
INSERT INTO shop.vector VALUES
  ('apia_friday',      'Pacific/Apia', '2011-12-29 12:00+00', '{"weekdays": ["friday"]}', '2012-01-05 10:00+00'),
  ('apia_friday_hour', 'Pacific/Apia', '2011-12-29 12:00+00', '{"weekdays": ["friday"], "at": "10:00"}', '2012-01-05 20:00+00'),
  ('apia_daily',       'Pacific/Apia', '2011-12-29 21:00+00', '{"at": "10:00"}', '2011-12-30 20:00+00'),
  ('apia_day',         'Pacific/Apia', '2011-12-29 21:00+00', '{"for": "1 day"}', '2011-12-30 21:00+00'),
  ('apia_two_days',    'Pacific/Apia', '2011-12-29 21:00+00', '{"for": "2 days"}', '2011-12-30 21:00+00'),
  ('apia_window',      'Pacific/Apia', '2011-12-29 21:00+00', '{"window": {"from": "08:00", "to": "10:00"}}', '2011-12-30 18:00+00'),
  ('apia_date',        'Pacific/Apia', '2011-12-29 21:00+00', '{"until": "date ''2011-12-30''", "at": "09:00"}', '2011-12-30 19:00+00'),
  ('apia_date_skip',   'Pacific/Apia', '2011-12-29 21:00+00', '{"until": "date ''2011-12-30''", "gap": "skip"}', '2011-12-30 10:00+00');

-- weekdays and windows; hours of law from 47 CFR 64.1200 and of three states
INSERT INTO shop.vector VALUES
  ('saturday',         'Europe/Berlin', '2026-01-07 12:00+00', '{"weekdays": ["saturday"]}', '2026-01-09 23:00+00'),
  ('saturday_is_now',  'Europe/Berlin', '2026-01-10 12:00+00', '{"weekdays": ["saturday"]}', NULL),
  ('quiet_spring_1',   'America/New_York', '2026-03-08 11:59+00', '{"window": {"from": "08:00", "to": "21:00"}}', '2026-03-08 12:00+00'),
  ('quiet_spring_2',   'America/New_York', '2026-03-08 12:00+00', '{"window": {"from": "08:00", "to": "21:00"}}', NULL),
  ('quiet_autumn_1',   'America/New_York', '2026-11-01 12:59+00', '{"window": {"from": "08:00", "to": "21:00"}}', '2026-11-01 13:00+00'),
  ('quiet_autumn_2',   'America/New_York', '2026-11-01 13:00+00', '{"window": {"from": "08:00", "to": "21:00"}}', NULL),
  ('quiet_phoenix_1',  'America/Phoenix', '2026-07-01 14:59+00', '{"window": {"from": "08:00", "to": "21:00"}}', '2026-07-01 15:00+00'),
  ('quiet_phoenix_2',  'America/Phoenix', '2026-07-01 15:00+00', '{"window": {"from": "08:00", "to": "21:00"}}', NULL),
  ('quiet_west_1',     'America/Los_Angeles', '2026-01-15 02:00+00', '{"window": {"from": "08:00", "to": "21:00"}}', NULL),
  ('quiet_west_2',     'America/Los_Angeles', '2026-01-15 05:00+00', '{"window": {"from": "08:00", "to": "21:00"}}', '2026-01-15 16:00+00'),
  ('connecticut',      'America/New_York', '2026-06-01 12:30+00', '{"window": {"from": "09:00", "to": "20:00"}}', '2026-06-01 13:00+00'),
  ('texas_sunday_1',   'America/Chicago', '2026-06-07 16:59+00', '{"window": {"from": "12:00", "to": "21:00", "weekdays": ["sunday"]}}', '2026-06-07 17:00+00'),
  ('texas_sunday_2',   'America/Chicago', '2026-06-07 17:00+00', '{"window": {"from": "12:00", "to": "21:00", "weekdays": ["sunday"]}}', NULL),
  ('louisiana_sunday', 'America/Chicago', '2026-06-07 15:00+00', '{"window": {"from": "08:00", "to": "20:00", "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]}}', '2026-06-08 13:00+00'),
  ('night_opens',      'America/New_York', '2026-03-07 20:00+00', '{"window": {"from": "22:00", "to": "06:00", "weekdays": ["saturday"]}}', '2026-03-08 03:00+00'),
  ('night_of_change',  'America/New_York', '2026-03-08 09:59+00', '{"window": {"from": "22:00", "to": "06:00", "weekdays": ["saturday"]}}', NULL),
  ('night_is_over',    'America/New_York', '2026-03-08 10:00+00', '{"window": {"from": "22:00", "to": "06:00", "weekdays": ["saturday"]}}', '2026-03-15 02:00+00'),
  ('night_of_sunday',  'America/New_York', '2026-03-08 04:00+00', '{"weekdays": ["sunday"], "window": {"from": "22:00", "to": "06:00", "weekdays": ["saturday"]}}', '2026-03-08 05:00+00'),
  ('night_hour',       'America/New_York', '2026-03-04 12:00+00', '{"at": "03:00", "window": {"from": "22:00", "to": "06:00", "weekdays": ["saturday"]}}', '2026-03-08 07:00+00'),
  ('repeated_inside',  'America/New_York', '2026-11-01 05:45+00', '{"window": {"from": "01:30", "to": "03:00"}}', NULL),
  ('repeated_before',  'America/New_York', '2026-11-01 06:15+00', '{"window": {"from": "01:30", "to": "03:00"}}', '2026-11-01 06:30+00'),
  ('window_in_gap',    'America/New_York', '2026-03-08 06:00+00', '{"window": {"from": "02:15", "to": "02:45"}}', '2026-03-09 06:15+00'),
  ('window_from_gap',  'America/New_York', '2026-03-08 06:00+00', '{"window": {"from": "02:30", "to": "05:00"}}', '2026-03-08 07:00+00');

-- a duration first
INSERT INTO shop.vector VALUES
  ('day_at_nine',      'Europe/Berlin', '2026-03-28 09:00+00', '{"for": "1 day", "at": "09:00"}', '2026-03-30 07:00+00'),
  ('day_at_eleven',    'Europe/Berlin', '2026-03-28 09:00+00', '{"for": "1 day", "at": "11:00"}', '2026-03-29 09:00+00'),
  ('day_half_past',    'Europe/Berlin', '2026-03-28 09:00+00', '{"for": "1 day", "at": "10:30"}', '2026-03-29 08:30+00'),
  ('hours_half_past',  'Europe/Berlin', '2026-03-28 09:00+00', '{"for": "24 hours", "at": "10:30"}', '2026-03-30 08:30+00'),
  ('day_at_same_hour', 'Europe/Berlin', '2026-03-28 08:00+00', '{"for": "1 day", "at": "09:00"}', '2026-03-29 07:00+00'),
  ('hour_then_window', 'Europe/Berlin', '2026-01-09 16:30+00', '{"for": "1 hour", "window": {"from": "09:00", "to": "18:00", "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"]}}', '2026-01-12 08:00+00'),
  ('day_gap_skip',     'Europe/Berlin', '2026-03-28 01:30+00', '{"for": "1 day", "gap": "skip"}', '2026-03-30 00:30+00'),
  ('day_first',        'America/New_York', '2026-10-31 05:30+00', '{"for": "1 day", "overlap": "first"}', '2026-11-01 05:30+00'),
  ('month_at_nine',    'Asia/Kolkata', '2026-01-31 03:00+00', '{"for": "1 month", "at": "09:00"}', '2026-02-28 03:30+00'),
  ('month_and_day',    'Europe/Berlin', '2026-01-31 12:00+00', '{"for": "1 month 1 day"}', '2026-03-01 12:00+00'),
  ('day_and_hours',    'America/New_York', '2026-03-07 17:00+00', '{"for": "1 day 2 hours", "weekdays": ["sunday", "monday"]}', '2026-03-08 18:00+00');

-- dates
INSERT INTO shop.vector VALUES
  ('date',             'Europe/Berlin', '2026-03-01 12:00+00', '{"until": "date ''2026-03-29''"}', '2026-03-28 23:00+00'),
  ('date_midnight_gap', 'Asia/Beirut', '2026-03-01 12:00+00', '{"until": "date ''2026-03-29''"}', '2026-03-28 22:00+00'),
  ('date_gap_hour',    'Asia/Beirut', '2026-03-01 12:00+00', '{"until": "date ''2026-03-29''", "gap": "skip", "at": "09:00"}', '2026-03-29 06:00+00'),
  ('date_gap_skip',    'America/New_York', '2026-03-01 12:00+00', '{"until": "date ''2026-03-08''", "at": "02:30", "gap": "skip"}', '2026-03-09 06:30+00'),
  ('local_gap',        'America/New_York', '2026-03-01 12:00+00', '{"until": "timestamp ''2026-03-08 02:30''"}', '2026-03-08 07:30+00'),
  ('local_second',     'America/New_York', '2026-03-01 12:00+00', '{"until": "timestamp ''2026-11-01 01:30''"}', '2026-11-01 06:30+00'),
  ('local_first',      'America/New_York', '2026-03-01 12:00+00', '{"until": "timestamp ''2026-11-01 01:30''", "overlap": "first"}', '2026-11-01 05:30+00'),
  ('instant',          'America/New_York', '2026-03-01 12:00+00', '{"until": "timestamptz ''2026-11-01 05:30+00''"}', '2026-11-01 05:30+00'),
  ('instant_at',       'America/New_York', '2026-03-01 12:00+00', '{"until": "timestamptz ''2026-03-08 02:00+00''", "at": "09:00"}', '2026-03-07 14:00+00'),
  ('three_days_before', 'Europe/Berlin', '2026-03-01 12:00+00', '{"until": "timestamptz ''2026-03-31 20:00+00''", "offset": "-3 days", "at": "09:00"}', '2026-03-28 08:00+00'),
  ('offset_days',      'America/New_York', '2026-03-01 12:00+00', '{"until": "timestamptz ''2026-03-10 14:00+00''", "offset": "-3 days"}', '2026-03-07 15:00+00'),
  ('offset_hours',     'America/New_York', '2026-03-01 12:00+00', '{"until": "timestamptz ''2026-03-10 14:00+00''", "offset": "-72 hours"}', '2026-03-07 14:00+00'),
  ('offset_of_date',   'Europe/Berlin', '2026-03-01 12:00+00', '{"until": "date ''2026-03-29''", "offset": "3 hours"}', '2026-03-29 02:00+00'),
  ('offset_across',    'Europe/Berlin', '2026-03-01 12:00+00', '{"until": "date ''2026-03-29''", "offset": "-1 hour", "at": "09:00"}', '2026-03-28 08:00+00'),
  ('is_now',           'Europe/Berlin', '2026-03-01 12:00+00', '{"until": "timestamptz ''2026-03-01 12:00+00''", "past": "exit"}', NULL),
  ('leap_day_2026',    'Europe/Berlin', '2026-02-28 07:00+00', '{"until": "date ''2024-02-29''", "at": "09:00", "past": "next"}', '2026-02-28 08:00+00'),
  ('leap_day_now',     'Europe/Berlin', '2026-02-28 08:00+00', '{"until": "date ''2024-02-29''", "at": "09:00", "past": "next"}', NULL),
  ('leap_day_2027',    'Europe/Berlin', '2026-03-01 12:00+00', '{"until": "date ''2024-02-29''", "at": "09:00", "past": "next"}', '2027-02-28 08:00+00'),
  ('leap_day_2028',    'Europe/Berlin', '2027-03-01 12:00+00', '{"until": "date ''2024-02-29''", "at": "09:00", "past": "next"}', '2028-02-29 08:00+00'),
  ('week_before',      'Europe/Berlin', '2026-02-27 12:00+00', '{"until": "date ''1990-03-05''", "offset": "-7 days", "at": "09:00", "past": "next"}', '2027-02-26 08:00+00'),
  ('month_end',        'UTC', '2026-04-01 12:00+00', '{"until": "date ''2026-01-31''", "every": "1 month", "past": "next"}', '2026-04-30 00:00+00'),
  ('month_end_leap',   'UTC', '2026-02-15 12:00+00', '{"until": "date ''2026-01-31''", "every": "1 month", "past": "next"}', '2026-02-28 00:00+00'),
  ('month_end_1990',   'UTC', '2026-02-01 12:00+00', '{"until": "timestamp ''1990-03-30 10:30''", "every": "1 month", "past": "next"}', '2026-02-28 10:30+00'),
  ('every_24_hours',   'America/New_York', '2026-03-10 10:00:01+00', '{"until": "timestamptz ''2026-03-01 10:00+00''", "every": "24 hours", "past": "next"}', '2026-03-11 10:00+00'),
  ('every_day',        'America/New_York', '2026-03-10 10:00:01+00', '{"until": "timestamptz ''2026-03-01 10:00+00''", "every": "1 day", "past": "next"}', '2026-03-11 09:00+00'),
  ('every_second',     'America/New_York', '2026-03-10 10:00:00.5+00', '{"until": "timestamptz ''1800-03-01 10:00+00''", "every": "1 second", "past": "next"}', '2026-03-10 10:00:01+00'),
  ('every_7_hours',    'Europe/Berlin', '2026-03-10 12:00+00', '{"until": "timestamptz ''2026-03-10 00:00+00''", "every": "7 hours", "past": "next"}', '2026-03-10 14:00+00'),
  ('since_bc',         'UTC', '2026-03-01 12:00+00', '{"until": "date ''0044-03-15 BC''", "past": "next"}', '2026-03-15 00:00+00');

INSERT INTO shop.customer SELECT name, zone FROM shop.vector;
SELECT count(journey_orch.define(jsonb_build_object('journey', name, 'entry', jsonb_build_object('on', 'e_' || name), 'start', 'a',
    'steps', jsonb_build_object('a', jsonb_build_object('delay', delay, 'next', 'b'), 'b', '{"exit": "done"}'::jsonb)))) AS defined
  FROM shop.vector;
SELECT count(p.*) AS published FROM shop.vector AS v, journey_orch.publish(v.name) AS p;
\set ECHO none
\o /dev/null
SELECT format('SELECT journey_orch.set_clock(%L, force => true)', came),
  format('SELECT journey_orch.emit(%L, %L)', 'e_' || name, name), 'CALL journey_orch.run()'
  FROM shop.vector ORDER BY came, name
\gexec
\o
\set ECHO all
CREATE VIEW shop.log AS
  SELECT j.name AS journey, l.customer_id, l.visit, l.clock, l.outcome, l.from_step, l.to_step, l.due_at, l.reason, l.decision
    FROM journey_orch.step_log AS l JOIN journey_orch.journey AS j USING (journey_id);
SELECT v.name, l.due_at, v.due AS expected
  FROM shop.vector AS v LEFT JOIN shop.log AS l ON l.journey = v.name AND l.to_step = 'a'
  WHERE l.due_at IS DISTINCT FROM v.due OR l.clock IS DISTINCT FROM v.came ORDER BY v.name;
SELECT v.name, g.clock
  FROM shop.vector AS v LEFT JOIN shop.log AS g ON g.journey = v.name AND g.outcome = 'ended'
  WHERE v.due IS NULL AND g.clock IS DISTINCT FROM v.came ORDER BY v.name;
-- and goes on then
SELECT journey_orch.set_clock('2030-01-01 00:00+00');
CALL journey_orch.run();
SELECT count(*) AS vectors, count(*) FILTER (WHERE l.clock = v.due) AS went_on_when_due, count(*) FILTER (WHERE v.due IS NULL) AS at_once
  FROM shop.vector AS v JOIN shop.log AS l ON l.journey = v.name AND l.from_step = 'a' AND l.to_step = 'b';

-- What is declared for dates that passed, are missing or are infinite.
CREATE TABLE shop.policy (name text PRIMARY KEY, delay jsonb);
INSERT INTO shop.policy VALUES
  ('past_continue',    '{"until": "journey.now - interval ''1 second''"}'),
  ('past_exit',        '{"until": "journey.now - interval ''1 second''", "past": "exit"}'),
  ('past_exit_named',  '{"until": "journey.now - interval ''1 second''", "past": {"exit": "too_late"}}'),
  ('past_skip',        '{"until": "journey.now - interval ''1 second''", "past": {"skip_to": "c"}}'),
  ('past_next',        '{"until": "journey.now - interval ''1 second''", "past": "next"}'),
  ('past_by_offset',   '{"until": "journey.now + interval ''2 days''", "offset": "-3 days", "past": {"skip_to": "c"}}'),
  ('missing_continue', '{"until": "NULL::date"}'),
  ('missing_exit',     '{"until": "NULL::timestamp", "past": {"exit": "too_late"}, "missing": "exit"}'),
  ('missing_named',    '{"until": "NULL::timestamptz", "missing": {"exit": "no_trial"}}'),
  ('missing_skip',     '{"until": "(SELECT c.trial_ends_at FROM shop.customer AS c WHERE c.id = customer.id)", "missing": {"skip_to": "c"}}'),
  ('never',            '{"until": "timestamptz ''infinity''", "past": "exit"}'),
  ('never_date',       '{"until": "date ''infinity''", "offset": "-3 days", "at": "09:00", "jitter": "1 hour"}'),
  ('ever',             '{"until": "date ''-infinity''", "past": {"exit": "too_late"}}'),
  ('ever_next',        '{"until": "timestamp ''-infinity''", "past": "next"}'),
  ('out_of_range',     '{"until": "date ''5000000-01-01''"}'),
  ('sum_out_of_range', '{"until": "date ''294276-12-31''", "offset": "1 year"}'),
  ('raises',           '{"until": "(''2026-02-'' || (30 + 0 * length(customer.id)))::date"}');
INSERT INTO shop.customer VALUES ('p', 'Europe/Berlin');
SELECT journey_orch.set_clock('2026-06-01 12:00+00', force => true);
SELECT count(journey_orch.define(jsonb_build_object('journey', name, 'entry', '{"on": "policy"}'::jsonb, 'start', 'a',
    'steps', jsonb_build_object('a', jsonb_build_object('delay', delay, 'next', 'b'), 'b', '{"exit": "done"}'::jsonb)
      || CASE WHEN delay::text ~ 'skip_to' THEN '{"c": {"exit": "skipped"}}'::jsonb ELSE '{}' END))) AS defined FROM shop.policy;
SELECT count(p.*) AS published FROM shop.policy AS v, journey_orch.publish(v.name) AS p;
SELECT journey_orch.emit('policy', 'p') > 0 AS emitted;
CALL journey_orch.run();
SELECT p.name, coalesce(l.reason, '') AS reason, s.state, s.due_at, s.exit_reason
  FROM shop.policy AS p JOIN journey_orch.enrollment_status AS s ON s.journey = p.name
    LEFT JOIN shop.log AS l ON l.journey = p.name AND l.from_step = 'a' AND l.outcome <> 'parked' ORDER BY p.name;
SELECT journey, decision ->> 'sqlstate' AS sqlstate, decision ->> 'message' AS message FROM shop.log WHERE outcome = 'parked' ORDER BY journey;
SELECT journey, decision FROM shop.log WHERE journey IN ('past_continue', 'past_exit', 'past_next', 'missing_exit') AND decision IS NOT NULL ORDER BY journey;

-- The same for the timeout of a wait; "next" is a year later there.
SELECT count(journey_orch.define(jsonb_build_object('journey', 'w_' || name, 'entry', '{"on": "waits"}'::jsonb, 'start', 'a',
    'steps', jsonb_build_object('a', jsonb_build_object('wait', jsonb_build_object('for', '[{"on": "bought", "next": "b"}]'::jsonb,
        'until', (delay - 'until') || jsonb_build_object('date', delay -> 'until', 'next', 't'))),
      'b', '{"exit": "bought"}'::jsonb, 't', '{"exit": "timeout"}'::jsonb)
      || CASE WHEN delay::text ~ 'skip_to' THEN '{"c": {"exit": "skipped"}}'::jsonb ELSE '{}' END))) AS defined
  FROM shop.policy WHERE NOT delay ? 'jitter' AND name <> 'raises';
SELECT count(p.*) AS published FROM shop.policy AS v, journey_orch.publish('w_' || v.name) AS p WHERE NOT delay ? 'jitter' AND name <> 'raises';
SELECT journey_orch.emit('waits', 'p') > 0 AS emitted;
CALL journey_orch.run();
SELECT journey, coalesce((SELECT l.reason FROM shop.log AS l WHERE l.journey = s.journey AND l.from_step = 'a' AND l.outcome <> 'parked'), '') AS reason, state, due_at, exit_reason
  FROM journey_orch.enrollment_status AS s WHERE journey LIKE 'w\_%' ORDER BY journey;
SELECT journey_orch.emit('bought', 'p') > 0 AS emitted;
CALL journey_orch.run();
SELECT journey, exit_reason FROM journey_orch.enrollment_status WHERE journey IN ('w_never', 'w_past_next') ORDER BY journey;

-- The zone: the customer's where it is one, else the journey's, else UTC.
SELECT journey_orch.define('{"journey": "zone", "timezone": "Asia/Tokyo", "entry": {"on": "zoned"}, "start": "a",
  "steps": {"a": {"delay": {"at": "09:00"}, "next": "b"}, "b": {"delay": "1 day", "next": "c"}, "c": {"delay": "24 hours", "next": "d"}, "d": {"exit": "done"}}}') AS version;
SELECT journey_orch.define('{"journey": "zoneless", "entry": {"on": "zoned"}, "start": "a",
  "steps": {"a": {"delay": {"at": "09:00"}, "next": "b"}, "b": {"exit": "done"}}}') AS version;
SELECT count(p.*) AS published FROM unnest(ARRAY['zone', 'zoneless']) AS j, journey_orch.publish(j) AS p;
INSERT INTO shop.customer VALUES ('z1', 'europe/berlin'), ('z2', NULL), ('z3', ''), ('z4', 'Mars/Olympus'), ('z5', 'UTC3'), ('z6', 'CEST'), ('z7', 'Etc/GMT+3');
SELECT count(journey_orch.emit('zoned', id)) FROM shop.customer WHERE id LIKE 'z%';
CALL journey_orch.run();
SELECT customer_id, journey, due_at, decision -> 'due' AS decision FROM shop.log WHERE to_step = 'a' AND journey LIKE 'zone%' ORDER BY customer_id, journey;
-- a due time is computed once: another zone counts from the next step on
UPDATE shop.customer SET zone = 'America/New_York' WHERE id = 'z1';
SELECT journey_orch.set_clock('2026-06-10 00:00+00');
CALL journey_orch.run();
SELECT clock, to_step, due_at, decision FROM shop.log WHERE customer_id = 'z1' AND journey = 'zone' ORDER BY visit, clock;

-- Jitter: a stable part, within the duration, never past the window.
SELECT journey_orch.define('{"journey": "spread", "entry": {"on": "spread"}, "start": "a", "steps": {
  "a": {"delay": {"at": "09:00", "jitter": "1 hour"}, "next": "b"},
  "b": {"delay": {"window": {"from": "10:30", "to": "11:00"}, "jitter": "1 day"}, "next": "c"},
  "c": {"delay": {"for": "12 hours", "weekdays": ["thursday"], "jitter": "90 minutes"}, "next": "d"}, "d": {"exit": "done"}}}') AS version;
SELECT count(p.*) AS published FROM journey_orch.publish('spread') AS p;
INSERT INTO shop.customer SELECT 's' || i, 'Europe/Berlin' FROM generate_series(1, 200) AS i;
SELECT count(journey_orch.emit('spread', id)) FROM shop.customer WHERE id ~ '^s\d';
CALL journey_orch.run();
SELECT journey_orch.set_clock('2026-07-01 00:00+00');
CALL journey_orch.run();
-- 2026-06-10 is a Wednesday
SELECT l.to_step, count(*), count(DISTINCT l.due_at) > 190 AS differ, count(*) FILTER (WHERE l.due_at <> e.start + interval '1 microsecond'
      * floor(extract(epoch FROM e.span) * 1000000 * h.part)::bigint) AS wrong, min(l.due_at) < e.start + e.span * 0.05 AS early, max(l.due_at) > e.start + e.span * 0.95 AS late
  FROM shop.log AS l, LATERAL (SELECT encode(sha256(convert_to(format('jitter:spread:%s:%s', l.to_step, l.customer_id), 'UTF8')), 'hex') AS hex) AS x,
    LATERAL (SELECT (('x' || substr(hex, 1, 8))::bit(32)::bigint::numeric * 4294967296 + ('x' || substr(hex, 9, 8))::bit(32)::bigint) / 18446744073709551616 AS part) AS h,
    (VALUES ('a', timestamptz '2026-06-10 07:00+00', interval '1 hour'), ('b', '2026-06-10 08:30+00', '30 minutes'), ('c', '2026-06-10 22:00+00', '90 minutes')) AS e (step, start, span)
  WHERE l.journey = 'spread' AND e.step = l.to_step GROUP BY l.to_step, e.start, e.span ORDER BY 1;

-- The time of a step starts again with another date.
SELECT journey_orch.define('{"journey": "trial", "entry": {"on": "tried"}, "start": "a", "steps": {
  "a": {"delay": {"until": "coalesce((event->>''ends'')::timestamptz, customer.trial_ends_at)", "offset": "-3 days", "past": {"skip_to": "late"}}, "restart_on": "extended", "next": "soon"},
  "soon": {"exit": "soon"}, "late": {"exit": "late"}}}') AS version;
SELECT count(p.*) AS published FROM journey_orch.publish('trial') AS p;
INSERT INTO shop.customer VALUES ('t1', 'Europe/Berlin', '2026-08-01 12:00+00'), ('t2', 'Europe/Berlin', '2026-08-01 12:00+00'), ('t3', 'Europe/Berlin', '2026-08-01 12:00+00');
SELECT count(journey_orch.emit('tried', id)) FROM shop.customer WHERE id ~ '^t\d';
CALL journey_orch.run();
UPDATE shop.customer SET trial_ends_at = '2026-09-01 12:00+00' WHERE id = 't1';
SELECT journey_orch.emit('extended', 't1') > 0 AND journey_orch.emit('extended', 't2', '{"ends": "2026-10-01 12:00+00"}') > 0
  AND journey_orch.emit('extended', 't3', '{"ends": "2026-07-02 12:00+00"}') > 0 AS emitted;
SELECT journey_orch.set_clock('2026-07-05 00:00+00');
CALL journey_orch.run();
SELECT customer_id, outcome, to_step, visit, due_at, reason FROM shop.log WHERE journey = 'trial' ORDER BY customer_id, clock, visit, outcome;

-- Late: by the real clock, because a virtual one is never late.  A timer that is
-- in time lets the next hour count from its due time, here yesterday's 09:00.
SELECT journey_orch.define(format('{"journey": "%s", "late_after": "%s", "entry": {"on": "lately"}, "start": "a", "steps": {
  "a": {"delay": "1 hour", "next": "b"}, "b": {"delay": {"for": "1 day", "at": "09:00"}, "next": "c"}, "c": {"exit": "done"}}}', name, late_after)::jsonb) AS version
  FROM (VALUES ('late', '2 hours'), ('in_time', '10 days')) AS v(name, late_after);
SELECT count(p.*) AS published FROM unnest(ARRAY['late', 'in_time']) AS j, journey_orch.publish(j) AS p;
SELECT date_trunc('day', clock_timestamp()) - interval '2 days' + interval '8 hours' AS start \gset
SELECT journey_orch.set_clock(:'start', force => true) = :'start' AS is_set;
INSERT INTO shop.customer VALUES ('l', 'UTC');
SELECT journey_orch.emit('lately', 'l') > 0 AS emitted;
CALL journey_orch.run();
SELECT journey_orch.reset_clock() > :'start' AS is_real;
CALL journey_orch.run();
SELECT journey, to_step, (decision -> 'late' ->> 'due_at')::timestamptz = :'start'::timestamptz + interval '1 hour' AS late_since,
    abs((decision -> 'late' ->> 'seconds')::numeric - extract(epoch FROM clock - :'start'::timestamptz) + 3600) < 0.001 AS late_by,
    due_at > clock + interval '1 day' AS counts_from_now, decision -> 'passed' AS passed
  FROM shop.log WHERE journey IN ('late', 'in_time') AND outcome IN ('entered', 'advanced') ORDER BY journey, visit;

-- In pictures and views every way out is seen; one that ends the run has no arrow.
SELECT journey_orch.define('{"journey": "picture", "entry": {"on": "seen"}, "start": "a", "steps": {
  "a": {"delay": {"for": "1 day", "at": "09:00", "weekdays": ["sunday", "monday"], "jitter": "1 hour"}, "next": "b"},
  "b": {"delay": {"until": "customer.trial_ends_at", "offset": "-3 days", "past": {"skip_to": "d"}, "missing": "exit"}, "next": "c"},
  "c": {"wait": {"for": [{"on": "bought", "next": "e"}], "until": {"date": "customer.trial_ends_at", "at": "12:00", "past": {"skip_to": "d"}, "missing": {"skip_to": "f"}, "next": "e"}}},
  "d": {"delay": {"window": {"from": "22:00", "to": "06:00", "weekdays": ["friday"]}}, "next": "e"}, "e": {"exit": "done"}, "f": {"exit": "none"}}}') AS version;
SELECT journey_orch.mermaid('picture');
SELECT s.position, s.step, s.verb FROM journey_orch.journey_step AS s JOIN journey_orch.journey AS j USING (journey_id) WHERE j.name = 'picture' ORDER BY 1;
SELECT from_step, to_step, advances, late FROM journey_orch.step_flow WHERE journey = 'late' AND from_step IS NOT NULL ORDER BY from_step;

SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds;
