-- quiet hours: windows over clock changes, zones that are not known, regions, holidays, reviewed rules, business days
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = public, journey_orch;
\set SHOW_CONTEXT never
\pset format unaligned
\pset null '-'

SELECT set_topic('news', 'marketing'), set_topic('receipt', 'transactional'), set_topic('recall', 'legal');
-- What the gate says of a marketing text at an instant, to somebody whose place is known.
CREATE FUNCTION ask(at timestamptz, zone text DEFAULT NULL, region text DEFAULT NULL, change jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', a.answer, a.rule, to_char(a.until AT TIME ZONE coalesce(zone, 'UTC'), 'Dy YYYY-MM-DD HH24:MI:SS'))
  FROM _ask_gate('quiet_hours', jsonb_build_object('customer_id', 'ada', 'channel', 'sms', 'topic', 'news', 'address', '(212) 555-0100', 'has_place', true,
                                                   'timezone', zone, 'region', region) || change, at) AS a
$$;
CREATE FUNCTION evidence(at timestamptz, zone text DEFAULT NULL, region text DEFAULT NULL, change jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
  SELECT a.evidence
  FROM _ask_gate('quiet_hours', jsonb_build_object('customer_id', 'ada', 'channel', 'sms', 'topic', 'news', 'address', '(212) 555-0100', 'has_place', true,
                                                   'timezone', zone, 'region', region) || change, at) AS a
$$;
-- Nothing declared, nothing asked.
SELECT ask('2026-01-01 03:00+00');

-- The federal window is [08:00, 21:00) where the called party is (C05).
SELECT set_quiet_hours('federal', '21:00', '08:00', '{"channel": ["sms", "call_centre"], "class": "marketing"}', region => 'US', source => '47 CFR 64.1200(c)(1)');
SELECT at, zone, ask(at, zone, 'US') FROM (VALUES
  ('2026-03-08 11:59+00'::timestamptz, 'America/New_York'), ('2026-03-08 12:00+00', 'America/New_York'),
  ('2026-11-01 12:59+00', 'America/New_York'), ('2026-11-01 13:00+00', 'America/New_York'),
  ('2026-07-01 14:59+00', 'America/Phoenix'), ('2026-07-01 15:00+00', 'America/Phoenix'),
  ('2026-01-15 02:00+00', 'America/Los_Angeles'), ('2026-01-15 05:00+00', 'America/Los_Angeles'),
  ('2026-01-15 04:59:59.999999+00', 'America/Los_Angeles'), ('2026-03-08 02:00+00', 'America/New_York'), ('2026-11-01 01:00+00', 'America/New_York')) AS v (at, zone);

-- A zone that is not known: open in all that the number may be in (C06). In July 15:00Z to 01:00Z, in January 16:00Z to 02:00Z.
SELECT at, ask(at, change => '{"address": "+1 (212) 555-0100"}') FROM unnest(ARRAY[
  '2026-07-01 14:59+00', '2026-07-01 15:00+00', '2026-07-02 00:59+00', '2026-07-02 01:00+00',
  '2026-01-15 15:59+00', '2026-01-15 16:00+00', '2026-01-16 01:59+00', '2026-01-16 02:00+00']::timestamptz[]) AS at;
SELECT evidence('2026-07-02 01:00+00', change => '{"address": "tel:+12125550100"}');
SELECT prefix, zones, region FROM phone_zone;
-- All states: from 18:00Z.
SELECT set_phone_zone('+1', '{America/New_York,America/Chicago,America/Denver,America/Phoenix,America/Los_Angeles,America/Anchorage,Pacific/Honolulu}', 'all states', 'us');
SELECT set_phone_zone('+1', '{America/New_York,America/Chicago,America/Denver,America/Phoenix,America/Los_Angeles,America/Anchorage,Pacific/Honolulu}', 'all states', 'us');
SELECT at, ask(at, change => '{"address": "+12125550100"}') FROM unnest(ARRAY['2026-07-01 17:59+00', '2026-07-01 18:00+00', '2026-01-15 17:59+00', '2026-01-15 18:00+00']::timestamptz[]) AS at;
-- The longest prefix counts, the customer's own zone before any.
SELECT set_phone_zone('+1808', '{Pacific/Honolulu}');
SELECT ask('2026-07-02 02:00+00', change => '{"address": "+1-808-555-0100"}'), ask('2026-07-02 02:00+00', 'America/New_York', change => '{"address": "+1-808-555-0100"}');
SELECT prefix, region, source FROM phone_zone ORDER BY prefix;
-- Neither zone nor number: the journey's zone, else UTC, and the evidence says so.
SELECT define('{"journey": "berlin", "timezone": "Europe/Berlin", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"exit": "done"}}}') AS version;
SELECT count(*) AS published FROM publish('berlin');
SELECT ask('2026-07-01 06:00+00', change => '{"journey": "berlin"}'), ask('2026-07-01 06:00+00', change => '{"journey": "other"}'), ask('2026-07-01 06:00+00');
SELECT e->'zones' AS zones, e->>'zones_from' AS zones_from FROM (VALUES (evidence('2026-07-01 05:00+00', change => '{"journey": "berlin"}')), (evidence('2026-07-01 06:00+00'))) AS v (e);
-- The customer's row tells his place.
CREATE TABLE person (id text PRIMARY KEY, zone text, state text);
INSERT INTO person VALUES ('ada', 'Europe/Paris', 'fr'), ('bob', 'America/Chicago', 'us-il'), ('eve', 'nowhere', 'Illinois');
SELECT bind_customer('person', 'id', timezone_sql => 'zone', region_sql => 'state');
SELECT id, ask('2026-07-01 12:59+00', change => jsonb_build_object('has_place', false, 'customer_id', id)) FROM unnest('{ada,bob,eve}'::text[]) AS id;

-- A rule of a country is also about whom nothing is known of; one of a state is not.
SELECT drop_quiet_hours('federal'), drop_quiet_hours('federal');
SELECT set_quiet_hours('country', '00:00', '24:00', region => 'US', action => 'withhold');
SELECT set_quiet_hours('state', '00:00', '24:00', region => 'us-ct');
SELECT region, ask('2026-07-01 12:00+00', 'UTC', region), evidence('2026-07-01 12:00+00', 'UTC', region)->'quiet_rules' AS quiet FROM unnest('{US,US-CT,US-NY,FR,NULL}'::text[]) AS region;
SELECT ask('2026-07-01 12:00+00', 'UTC', change => '{"address": "+12125550100"}'), ask('2026-07-01 12:00+00', 'UTC', change => '{"address": "+33 1 23"}');
SELECT drop_quiet_hours('country');
-- It never opens: withheld, though the rule says defer.
SELECT ask('2026-07-01 12:00+00', 'UTC', 'US-CT');
SELECT drop_quiet_hours('state');

-- Scopes: a rule without a class is about marketing and service; nothing stops legal.
SELECT set_quiet_hours('night', '22:00', '07:00');
SELECT topic, ask('2026-07-01 23:00+00', 'UTC', change => jsonb_build_object('topic', topic)) FROM unnest('{news,receipt,recall,undeclared,NULL}'::text[]) AS topic;
SELECT set_quiet_hours('night', '22:00', '07:00', '{"class": ["transactional", "marketing"], "channel": "sms", "journey": "j", "topic": ["receipt", "news"]}', action => 'withhold');
SELECT change, ask('2026-07-01 23:00+00', 'UTC', change => '{"topic": "receipt", "journey": "j"}'::jsonb || change)
FROM unnest(ARRAY['{}', '{"topic": "news"}', '{"topic": "recall"}', '{"channel": "email"}', '{"journey": "k"}', '{"journey": null}', '{"topic": null}']::jsonb[]) AS change;
SELECT drop_quiet_hours('night');

-- Over midnight: weekdays are those of the evening. Half-open to the microsecond.
SELECT set_quiet_hours('weekend', '20:00', '10:00', weekdays => '{friday,Saturday}');
SELECT at, ask(at, 'UTC') FROM unnest(ARRAY['2026-07-02 21:00+00', '2026-07-03 19:59:59.999999+00', '2026-07-03 20:00+00', '2026-07-04 09:59:59.999999+00', '2026-07-04 10:00+00',
  '2026-07-04 21:00+00', '2026-07-05 09:00+00', '2026-07-05 21:00+00']::timestamptz[]) AS at;
SELECT drop_quiet_hours('weekend');
-- Clock changes inside the window, and a window that a gap swallows: 02:00 to 03:00 is not on 2026-03-29 in Berlin, and is there twice on 2026-10-25.
SELECT set_quiet_hours('small', '02:00', '03:00');
SELECT at, ask(at, 'Europe/Berlin') FROM unnest(ARRAY['2026-03-29 00:59:59+00', '2026-03-29 01:00+00', '2026-10-24 23:59+00', '2026-10-25 00:00+00', '2026-10-25 00:30+00', '2026-10-25 01:59+00', '2026-10-25 02:00+00']::timestamptz[]) AS at;
SELECT drop_quiet_hours('small');
-- Dated: from the first day, until before the last.
SELECT set_quiet_hours('law', '20:00', '08:00', valid_from => '2026-07-02', valid_until => '2026-07-04');
SELECT at, ask(at, 'UTC') FROM unnest(ARRAY['2026-07-01 21:00+00', '2026-07-02 07:00+00', '2026-07-02 21:00+00', '2026-07-04 07:00+00', '2026-07-04 21:00+00']::timestamptz[]) AS at;
SELECT drop_quiet_hours('law');

-- The rule set: every state of the table (C07); the strictest wins.
SELECT install_rule_set('us_tcpa'), install_rule_set('us_tcpa');
SELECT name, region, from_time, to_time, weekdays, holidays, is_reviewed, source LIKE '%as read on 2026-11-23%' AS is_dated FROM quiet_hours ORDER BY name;
SELECT ask('2026-06-03 12:30+00', 'America/New_York', 'US-CT'), ask('2026-06-03 12:30+00', 'America/New_York', 'US-NY');
SELECT ask('2026-06-07 16:59+00', 'America/Chicago', 'US-TX'), ask('2026-06-07 17:00+00', 'America/Chicago', 'US-TX');
SELECT ask('2026-06-07 18:00+00', 'America/Chicago', 'US-LA');
-- First opening after midnight, and the last minute, of a Wednesday, Saturday, Sunday and holiday in each state, on its own clock.
CREATE TABLE state (region text, zone text);
INSERT INTO state VALUES ('US', 'America/New_York'), ('US-AL', 'America/Chicago'), ('US-CT', 'America/New_York'), ('US-FL', 'America/New_York'), ('US-KY', 'America/New_York'), ('US-LA', 'America/Chicago'),
  ('US-MA', 'America/New_York'), ('US-MD', 'America/New_York'), ('US-MI', 'America/New_York'), ('US-MN', 'America/Chicago'), ('US-MS', 'America/Chicago'), ('US-NJ', 'America/New_York'),
  ('US-NM', 'America/Denver'), ('US-NV', 'America/Los_Angeles'), ('US-OK', 'America/Chicago'), ('US-RI', 'America/New_York'), ('US-TX', 'America/Chicago');
CREATE FUNCTION open_hours(zone text, region text, day date) RETURNS text LANGUAGE sql AS $$
  SELECT coalesce(min(t)::text || '-' || (max(t) + interval '30 minutes')::text, 'closed')
  FROM generate_series(0, 47) AS n, LATERAL (SELECT (n * interval '30 minutes')::time AS t) AS time
  WHERE ask((day + t) AT TIME ZONE zone, zone, region) LIKE 'allow%'
$$;
SELECT region, open_hours(zone, region, '2026-06-03') AS wednesday, open_hours(zone, region, '2026-06-06') AS saturday, open_hours(zone, region, '2026-06-07') AS sunday,
  open_hours(zone, region, '2026-07-03') AS observed FROM state ORDER BY region;
-- Friday is the observed holiday, then Saturday the real one, then Sunday: until Monday.
SELECT ask('2026-07-03 15:00+00', 'America/Chicago', 'US-AL');
SELECT evidence('2026-07-03 15:00+00', 'America/Chicago', 'US-AL');

-- Reviewed by whom, until it is changed.
SELECT review_rule('us_ct', 'statute read');
SELECT name, is_reviewed, reviewed_by = session_user AS by_me, review_note FROM quiet_hours WHERE name = 'us_ct';
SELECT evidence('2026-06-03 12:30+00', 'America/New_York', 'US-CT')->'reviewed' AS reviewed;
SELECT set_quiet_hours('us_ct', '20:00', '09:30', region => 'US-CT');
SELECT name, is_reviewed, reviewed_by, review_note FROM quiet_hours WHERE name = 'us_ct';

-- Business days (C01, C23): Thanksgiving and the observed Independence Day are left out.
SELECT day, name FROM holiday_calendar WHERE region = 'US' ORDER BY day;
SELECT add_business_days('2026-11-20', 10, 'US') AS opt_out, add_business_days('2026-06-26', 10, 'US') AS over_independence_day, add_business_days('2026-11-20', 15, 'us-ca') AS sale;
SELECT add_business_days('2026-11-20', 10), add_business_days('2026-11-21', 0, 'US'), add_business_days('2026-11-21', 1, 'US');
SELECT set_holiday('us-ca', '2026-11-27', 'Day after Thanksgiving'), set_holiday('US-CA', '2026-11-27', 'The day after'), set_holiday('US-CA', '2026-11-27', 'The day after');
SELECT add_business_days('2026-11-20', 10, 'US-CA'), add_business_days('2026-11-20', 10, 'US-NV');
SELECT drop_holiday('US-CA', '2026-11-27'), drop_holiday('US-CA', '2026-11-27');
-- A rule of a holiday only.
SELECT set_quiet_hours('christmas', '00:00', '24:00', weekdays => '{}', holidays => true);
SELECT ask('2026-12-25 15:00+00', 'UTC', 'US-CA', '{"channel": "email"}'), ask('2026-12-24 15:00+00', 'UTC', 'US-CA', '{"channel": "email"}'), ask('2026-12-25 15:00+00', 'UTC', 'FR', '{"channel": "email"}');

SELECT set_quiet_hours('bad', '08:00', '08:00');
SELECT set_quiet_hours('bad', '08:00', '09:00', weekdays => '{mon}');
SELECT set_quiet_hours('bad', '08:00', '09:00', weekdays => '{}');
SELECT set_quiet_hours('bad', '08:00', '09:00', region => 'Florida');
SELECT set_quiet_hours('bad', '08:00', '09:00', action => 'exit');
SELECT set_quiet_hours('bad', '08:00', '09:00', '{"chanel": "sms"}');
SELECT set_quiet_hours('bad', '08:00', '09:00', '{"channel": []}');
SELECT set_quiet_hours('bad', '08:00', '09:00', '{"class": "legal"}');
SELECT set_quiet_hours('bad', '08:00', '09:00', '[]');
SELECT set_quiet_hours('bad', '08:00', '09:00', valid_from => '2026-01-02', valid_until => '2026-01-02');
SELECT review_rule('nope');
SELECT install_rule_set('eu');
SELECT set_phone_zone('1', '{UTC}');
SELECT set_phone_zone('+1', '{Mars/Olympus}');
SELECT set_holiday('Florida', '2026-01-01', 'x');
SELECT count(*) AS bad FROM quiet_hours WHERE name = 'bad';

SELECT law, detail FROM verify('full') WHERE NOT holds;
