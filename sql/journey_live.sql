-- journey: versions, arms and due times as the engine meets them
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, zone text, plan text);
INSERT INTO shop.customer SELECT 'c' || i, 'UTC', 'pro' FROM generate_series(1, 100) AS i;
SELECT journey_orch.bind_customer('shop.customer', 'id', 'zone');
SELECT journey_orch.set_clock('2026-01-01 09:00+00');

CREATE VIEW shop.run AS
  SELECT customer_id, version, state, step, due_at, exit_reason
    FROM journey_orch.enrollment_status;

-- An event meets the version that was live at its ticket, whenever a lane reads it.
SELECT journey_orch.define('{"journey": "v", "entry": {"on": "came"}, "start": "a", "steps": {"a": {"wait": {"for": [{"on": "go", "next": "b"}], "until": {"after": "1 day", "next": "b"}}}, "b": {"exit": "old"}}}');
SELECT journey_orch.emit('came', 'c1') > 0 AS before_any;
SELECT * FROM journey_orch.publish('v');
SELECT journey_orch.emit('came', 'c2') > 0 AS at_version_1;
SELECT journey_orch.define('{"journey": "v", "entry": {"on": "came"}, "start": "a", "steps": {"a": {"wait": {"for": [{"on": "go", "next": "b"}], "until": {"after": "1 day", "next": "b"}}}, "b": {"exit": "new"}}}');
SELECT * FROM journey_orch.publish('v');
SELECT journey_orch.emit('came', 'c3') > 0 AS at_version_2;
CALL journey_orch.run();
SELECT customer_id, version, step FROM shop.run ORDER BY 1;
SELECT * FROM journey_orch.publish('v', preview => true);
-- and finishes on it
SELECT count(journey_orch.emit('go', c)) FROM unnest(ARRAY['c2', 'c3']) AS c;
CALL journey_orch.run();
SELECT customer_id, version, exit_reason FROM shop.run ORDER BY 1;
-- a version that enters on another event leaves the first alone
SELECT journey_orch.define('{"journey": "v", "entry": {"on": "arrived"}, "start": "b", "steps": {"b": {"exit": "third"}}}');
SELECT * FROM journey_orch.publish('v');
SELECT count(journey_orch.emit(e, 'c4')) FROM unnest(ARRAY['came', 'arrived']) AS e;
CALL journey_orch.run();
SELECT customer_id, version, exit_reason FROM shop.run WHERE customer_id = 'c4';

-- Arms are those of the hash, in proportion, and the same in every journey that
-- names the experiment.
SELECT journey_orch.define(format('{"journey": "%s", "entry": {"on": "split"}, "start": "s",
  "steps": {"s": {"split": {"arms": {"a": 1, "b": 2, "zz": 1}, "experiment": "shared", "salt": "x"}, "next": {"a": "a", "b": "b", "zz": "z"}},
    "a": {"exit": "a"}, "b": {"exit": "b"}, "z": {"exit": "z"}}}', name)::jsonb) FROM unnest(ARRAY['s1', 's2']) AS name;
SELECT count(*) FROM unnest(ARRAY['s1', 's2']) AS name, journey_orch.publish(name);
SELECT count(journey_orch.emit('split', id)) FROM shop.customer;
CALL journey_orch.run();
SELECT count(*) AS runs, count(*) FILTER (WHERE exit_reason IS DISTINCT FROM
    CASE WHEN journey_orch.bucket('shared', 'x', customer_id) < 2500 THEN 'a'
      WHEN journey_orch.bucket('shared', 'x', customer_id) < 7500 THEN 'b' ELSE 'z' END) AS differences
  FROM journey_orch.enrollment_status WHERE journey IN ('s1', 's2');

-- Due times.  Expected by hand: no arithmetic of the server is repeated here.
CREATE TABLE shop.delay (name text, zone text, came timestamptz, delay text, due timestamptz);
INSERT INTO shop.delay VALUES
  ('berlin_day_spring',  'Europe/Berlin',    '2026-03-28 12:00+00', '1 day',    '2026-03-29 11:00+00'),
  ('berlin_24h_spring',  'Europe/Berlin',    '2026-03-28 12:00+00', '24 hours', '2026-03-29 12:00+00'),
  ('berlin_day_autumn',  'Europe/Berlin',    '2026-10-24 12:00+00', '1 day',    '2026-10-25 13:00+00'),
  ('berlin_gap',         'Europe/Berlin',    '2026-03-28 01:30+00', '1 day',    '2026-03-29 01:30+00'),
  ('new_york_gap',       'America/New_York', '2026-03-07 07:30+00', '1 day',    '2026-03-08 07:30+00'),
  ('new_york_twice',     'America/New_York', '2026-10-31 05:30+00', '1 day',    '2026-11-01 06:30+00'),
  ('new_york_day_hours', 'America/New_York', '2026-03-07 17:00+00', '1 day 2 hours', '2026-03-08 18:00+00'),
  ('kolkata_month',      'Asia/Kolkata',     '2026-01-30 20:00+00', '1 month',  '2026-02-27 20:00+00'),
  ('lord_howe_day',      'Australia/Lord_Howe', '2026-04-04 00:00+00', '1 day', '2026-04-05 00:30+00'),
  ('unknown_zone',       'Mars/Olympus',     '2026-03-28 12:00+00', '1 day',    '2026-03-29 12:00+00'),
  ('no_zone',            NULL,               '2026-03-28 12:00+00', '1 week',   '2026-04-04 12:00+00');
INSERT INTO shop.customer SELECT name, zone, 'free' FROM shop.delay;
SELECT count(journey_orch.define(jsonb_build_object('journey', name, 'entry', jsonb_build_object('on', 'e_' || name), 'start', 'a',
    'steps', jsonb_build_object('a', jsonb_build_object('delay', delay, 'next', 'b'), 'b', '{"exit": "done"}'::jsonb)))) AS defined
  FROM shop.delay;
SELECT count(p.*) AS published FROM shop.delay AS d, journey_orch.publish(d.name) AS p;
\o /dev/null
SELECT format('SELECT journey_orch.set_clock(%L, force => true)', came),
  format('SELECT journey_orch.emit(%L, %L)', 'e_' || name, name), 'CALL journey_orch.run()'
  FROM shop.delay ORDER BY came, name
\gexec
\o
SELECT d.name, s.journey IS NOT NULL AS came, s.due_at IS NOT DISTINCT FROM d.due AS is_right,
    CASE WHEN s.due_at IS DISTINCT FROM d.due THEN s.due_at END AS wrong
  FROM shop.delay AS d LEFT JOIN (SELECT l.customer_id, j.name AS journey, l.due_at FROM journey_orch.step_log AS l
    JOIN journey_orch.journey AS j USING (journey_id) WHERE l.to_step = 'a') AS s ON s.journey = d.name
  ORDER BY d.name;

-- A version that no longer compiles parks its own runs, and nobody else's.
SELECT journey_orch.define('{"journey": "plan", "entry": {"on": "p"}, "start": "a", "steps": {"a": {"delay": "1 hour", "next": "b"},
  "b": {"branch": [{"when": "customer.plan = ''pro''", "next": "c"}], "else": "c"}, "c": {"exit": "done"}}}');
SELECT journey_orch.define('{"journey": "plain", "entry": {"on": "p"}, "start": "a", "steps": {"a": {"delay": "1 hour", "next": "c"}, "c": {"exit": "done"}}}');
SELECT count(*) FROM unnest(ARRAY['plan', 'plain']) AS name, journey_orch.publish(name);
SELECT journey_orch.emit('p', 'c9') > 0 AS emitted;
CALL journey_orch.run();
ALTER TABLE shop.customer DROP COLUMN plan;
SELECT journey_orch.advance_clock('2 hours') IS NOT NULL AS advanced;
CALL journey_orch.run();
SELECT journey, state, step, exit_reason FROM journey_orch.enrollment_status WHERE journey LIKE 'pla%' ORDER BY 1;
SELECT severity, code, path, message FROM journey_orch.check_definition(journey_orch.definition('plan'));
SELECT law, holds FROM journey_orch.verify() WHERE NOT holds;
