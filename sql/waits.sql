-- waits: conditions, ranked waits, restarts with a bound, and what happens at one
-- instant.  Times are by hand; the clock is virtual, so that every one is exact.
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, zone text, plan text, points integer, call_at timestamptz);
SELECT journey_orch.bind_customer('shop.customer', 'id', 'zone');
SELECT journey_orch.set_channel('email', 'customer.id');
SELECT journey_orch.set_template('note', 'email', 'Hello') > 0 AS template;
CREATE VIEW shop.log AS
  SELECT l.customer_id AS who, to_char(l.clock, 'DD HH24:MI') AS at, l.outcome, l.from_step, l.to_step, to_char(l.due_at, 'DD HH24:MI') AS due, l.reason, l.visit
    FROM journey_orch.step_log AS l ORDER BY l.clock, l.customer_id, l.visit, l.batch, l.outcome = 'ended';
-- A journey "name" that every event begin_name enters; exits are named by their letter.
CREATE FUNCTION shop.make(name text, steps jsonb, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
  SELECT journey_orch.define(jsonb_build_object('journey', name, 'entry', jsonb_build_object('on', 'begin_' || name, 'reentry', '{"policy": "any"}'::jsonb),
    'start', 'w', 'steps', steps || '{"x": {"exit": "x"}, "y": {"exit": "y"}, "z": {"exit": "z"}}') || more)::text
$$;
CREATE PROCEDURE shop.at(clock text, VARIADIC happened text[]) LANGUAGE plpgsql AS $$
DECLARE
  event text;
BEGIN
  PERFORM journey_orch.set_clock(('2026-03-' || clock || '+00')::timestamptz);
  FOREACH event IN ARRAY happened LOOP
    PERFORM journey_orch.emit(split_part(event, ' ', 1), split_part(event, ' ', 2), coalesce(nullif(split_part(event, ' ', 3), ''), '{}')::jsonb);
  END LOOP;
END
$$;
SELECT journey_orch.set_clock('2026-03-01 00:00+00');
INSERT INTO shop.customer VALUES ('pro', 'UTC', 'pro', 1), ('free', 'UTC', 'free', 1), ('rich', 'UTC', 'free', 900), ('both', 'UTC', 'pro', 900), ('null', 'UTC', NULL, NULL);

-- Already true on arrival: taken at once, the first in array order, whatever events stand before it; else tested at the events named, never in between.
SELECT shop.make('cond', '{"w": {"wait": {"for": [{"on": "bought", "next": "z"}, {"when": "customer.points > 500", "next": "y"}, {"when": "customer.plan = ''pro''", "retest_on": ["plan_changed", "told"], "next": "x"}],
  "until": {"after": "10 days", "next": "z"}}}}');
SELECT count(p.*) FROM journey_orch.publish('cond') AS p;
CALL shop.at('02 09:00', 'begin_cond pro', 'begin_cond rich', 'begin_cond both', 'begin_cond free', 'begin_cond null');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE outcome <> 'entered';
UPDATE shop.customer SET plan = 'pro' WHERE id IN ('free', 'null');
-- what is not named does not test "plan", but tests "points", which names nothing
CALL shop.at('03 09:00', 'looked free', 'looked null');
CALL journey_orch.run();
SELECT customer_id, state, step, progress FROM journey_orch.enrollment ORDER BY customer_id;
CALL shop.at('04 09:00', 'told free');
CALL journey_orch.run();
UPDATE shop.customer SET points = 501 WHERE id = 'null';
-- an event is tried in array order: its own branch, the first condition, the second
CALL shop.at('05 09:00', 'plan_changed null');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE at >= '03';

-- In one event the first that matches wins, events and conditions mixed; the condition sees that event.
SELECT shop.make('mixed', '{"w": {"wait": {"for": [{"when": "(event->>''n'')::int > 5", "retest_on": ["bought"], "next": "x"}, {"on": "bought", "when": "(event->>''n'')::int > 3", "next": "y"}, {"when": "event->>''n'' = ''4''", "next": "z"}]}}}');
SELECT count(p.*) FROM journey_orch.publish('mixed') AS p;
CALL shop.at('06 09:00', 'begin_mixed pro', 'begin_mixed free', 'begin_mixed rich', 'begin_mixed both', 'begin_mixed null {"n":9}');
CALL shop.at('06 10:00', 'bought pro {"n":6}', 'bought free {"n":4}', 'other rich {"n":4}', 'other both {"n":6}', 'bought both {"n":3}');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE at >= '06' AND outcome <> 'entered';
-- a condition that raises parks the run
CALL shop.at('06 11:00', 'bought both {"n":"many"}');
CALL journey_orch.run();
SELECT customer_id, state, error ->> 'message' AS error FROM journey_orch.enrollment ORDER BY customer_id;

-- Conditions come before the timeout is computed, and a past date does not hide them.
SELECT shop.make('dated', '{"w": {"wait": {"for": [{"when": "customer.plan = ''pro'' AND customer.points > 1000", "next": "x"}], "until": {"date": "customer.call_at", "past": {"skip_to": "z"}, "missing": "exit", "next": "y"}}}}');
SELECT count(p.*) FROM journey_orch.publish('dated') AS p;
UPDATE shop.customer SET points = 2000 WHERE id = 'both';
UPDATE shop.customer SET call_at = '2026-03-06 11:30+00' WHERE id = 'rich';
UPDATE shop.customer SET call_at = '2026-03-06 14:00+00' WHERE id = 'free';
CALL shop.at('06 12:00', 'begin_dated both', 'begin_dated rich', 'begin_dated null', 'begin_dated free');
CALL shop.at('06 15:00', 'nothing free');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE at >= '06 12' AND outcome <> 'entered';

-- Ranked: everybody stays until the timeout, then the first branch in array order that happened is taken, with the event with which it happened.
SELECT shop.make('rank', '{"w": {"wait": {"ranked": true, "for": [{"on": "gold", "next": "n1"}, {"when": "customer.points > 5000", "retest_on": ["silver", "poll"], "next": "n2"}, {"on": "silver", "when": "(event->>''n'')::int > 1", "next": "n3"}, {"on": "bronze", "next": "n4"}],
  "until": {"after": "2 days", "next": "n0"}}}, "n0": {"update": {"n": "0", "event": "event"}, "next": "x"}, "n1": {"update": {"n": "1", "event": "event"}, "next": "x"}, "n2": {"update": {"n": "2", "event": "event"}, "next": "x"},
  "n3": {"update": {"n": "3", "event": "event"}, "next": "x"}, "n4": {"update": {"n": "4", "event": "event"}, "next": "x"}}');
SELECT count(p.*) FROM journey_orch.publish('rank') AS p;
INSERT INTO shop.customer SELECT 'r' || n, 'UTC', 'free', 1 FROM generate_series(1, 8) AS n;
UPDATE shop.customer SET points = 6000 WHERE id = 'r7';
CALL shop.at('10 09:00', 'begin_rank r1 {"b":1}', 'begin_rank r2', 'begin_rank r3', 'begin_rank r4', 'begin_rank r5', 'begin_rank r6', 'begin_rank r7 {"b":7}', 'begin_rank r8 {"b":8}');
CALL journey_orch.run();
-- r1 all in turn, r2 the other way round, r3 one that does not count, r4 the same branch twice, r5 at the instant of the timeout, r6 just after it, r7 true on arrival
CALL shop.at('10 10:00', 'bronze r1 {"n":4}', 'gold r2 {"n":1}', 'silver r3 {"n":1}', 'bronze r4 {"n":41}', 'bronze r5 {"n":4}');
CALL journey_orch.run();
SELECT customer_id, progress - 'branch' AS progress, progress ? 'branch' AS noted, event FROM journey_orch.enrollment WHERE step = 'w' AND customer_id LIKE 'r_' ORDER BY customer_id;
CALL shop.at('10 11:00', 'silver r1 {"n":3}', 'silver r2 {"n":3}', 'bronze r3 {"n":4}', 'bronze r4 {"n":42}', 'bronze r7 {"n":4}');
CALL journey_orch.run();
CALL shop.at('10 12:00', 'gold r1 {"n":1}', 'bronze r2 {"n":4}');
CALL journey_orch.run();
CALL shop.at('12 09:00', 'gold r5 {"n":1}');
CALL shop.at('12 09:01', 'gold r6 {"n":1}');
CALL journey_orch.run();
SELECT l.customer_id, to_char(l.clock, 'DD HH24:MI') AS at, l.to_step, l.reason, l.event_id IS NULL AS by_timer, n.context FROM journey_orch.step_log AS l
  JOIN journey_orch.step_log AS n ON n.enrollment_id = l.enrollment_id AND n.from_step = l.to_step WHERE l.from_step = 'w' AND l.customer_id LIKE 'r_' ORDER BY 1;

-- Ranked, and the timeout is there on arrival: what is true then is taken all the same.
SELECT shop.make('rankdate', '{"w": {"wait": {"ranked": true, "for": [{"on": "gold", "next": "x"}, {"when": "customer.plan = ''pro''", "next": "y"}], "until": {"date": "journey.now", "next": "z"}}}}');
SELECT count(p.*) FROM journey_orch.publish('rankdate') AS p;
CALL shop.at('13 09:00', 'begin_rankdate pro', 'begin_rankdate rich');
CALL journey_orch.run();
SELECT who, at, to_step, reason FROM shop.log WHERE at >= '13' AND from_step = 'w';

-- What has happened survives a move to a version where the branch stands elsewhere, but not one without it.
CALL shop.at('14 09:00', 'begin_rank r1', 'begin_rank r2', 'begin_rank r3');
CALL shop.at('14 10:00', 'bronze r1 {"n":4}', 'silver r2 {"n":2}');
CALL journey_orch.run();
SELECT shop.make('rank', '{"w": {"wait": {"ranked": true, "for": [{"on": "bronze", "next": "n4"}, {"on": "gold", "next": "n1"}], "until": {"after": "2 days", "next": "n0"}}},
  "n0": {"update": {"n": "0"}, "next": "x"}, "n1": {"update": {"n": "1"}, "next": "x"}, "n4": {"update": {"n": "4", "event": "event"}, "next": "x"}}');
SELECT sum(moving) AS moving FROM journey_orch.publish('rank', inflight => 'move');
CALL shop.at('14 11:00', 'gold r1 {"n":1}', 'gold r3 {"n":1}');
CALL shop.at('17 09:00', 'nothing r1');
CALL journey_orch.run();
SELECT who, at, to_step, reason FROM shop.log WHERE at >= '14' AND from_step = 'w' AND outcome = 'advanced';

-- Restarts: the event, its condition, and no more than the bound; the count is of the visit.
SELECT shop.make('again', '{"w": {"delay": "1 hour", "restart_on": {"on": "cart", "when": "(event->>''n'')::int > 0", "max": 2}, "next": "v"},
  "v": {"wait": {"for": [{"on": "bought", "next": "x"}], "until": {"after": "1 hour", "next": "z"}}, "restart_on": {"on": "cart", "max": 1}}}');
SELECT count(p.*) FROM journey_orch.publish('again') AS p;
CALL shop.at('18 09:00', 'begin_again pro', 'begin_again free');
CALL journey_orch.run();
CALL shop.at('18 09:30', 'cart pro {"n":1}', 'cart pro {"n":0}');
CALL journey_orch.run();
SELECT customer_id, due_at, progress FROM journey_orch.enrollment WHERE customer_id IN ('pro', 'free') AND journey_id = (SELECT journey_id FROM journey_orch.journey WHERE name = 'again') ORDER BY 1;
CALL shop.at('18 10:20', 'cart pro {"n":1}');
CALL shop.at('18 11:00', 'cart pro {"n":1}');
CALL shop.at('18 11:30', 'cart pro {"n":1}');
CALL shop.at('18 12:00', 'cart pro {"n":1}');
CALL shop.at('18 14:00', 'nothing pro');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE at >= '18' AND outcome <> 'entered';

-- The short form is bounded too: a hundred times.
SELECT shop.make('often', '{"w": {"delay": "1 hour", "restart_on": "cart", "next": "x"}}');
SELECT count(p.*) FROM journey_orch.publish('often') AS p;
CALL shop.at('19 09:00', 'begin_often free');
SELECT journey_orch.set_clock(timestamptz '2026-03-19 09:00+00' + n * interval '1 minute'), journey_orch.emit('cart', 'free') > 0 AS emitted FROM generate_series(1, 150) AS n \g /dev/null
CALL shop.at('19 15:00', 'nothing free');
CALL journey_orch.run();
SELECT outcome, count(*), max(at) AS last, max(due) AS due FROM shop.log WHERE at >= '19' GROUP BY outcome ORDER BY last, outcome;

-- A restart keeps what a ranked wait has noted, and is no arrival: conditions are not tested again by it.
SELECT shop.make('rankagain', '{"w": {"wait": {"ranked": true, "for": [{"when": "customer.plan = ''gone''", "retest_on": ["never"], "next": "x"}, {"on": "cart", "next": "y"}], "until": {"after": "1 hour", "next": "z"}}, "restart_on": "cart"}}');
SELECT count(p.*) FROM journey_orch.publish('rankagain') AS p;
CALL shop.at('20 09:00', 'begin_rankagain pro', 'begin_rankagain free');
CALL journey_orch.run();
UPDATE shop.customer SET plan = 'gone' WHERE id = 'pro';
CALL shop.at('20 09:30', 'cart pro {"n":1}');
CALL journey_orch.run();
CALL shop.at('20 12:00', 'nothing pro');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE at >= '20' AND outcome <> 'entered';

-- A restart by key; and one event that is a branch too: it is taken, nothing restarts.
SELECT shop.make('keyed', '{"w": {"wait": {"for": [{"on": "paid", "match_key": "event->>''o''", "next": "x"}], "until": {"after": "1 hour", "next": "z"}}, "restart_on": {"on": "touched", "match_key": "event->>''o''"}}}',
  '{"entry": {"on": "ordered", "key": "event->>''o''", "reentry": {"policy": "any"}}}');
SELECT count(p.*) FROM journey_orch.publish('keyed') AS p;
CALL shop.at('21 09:00', 'ordered free {"o":"a"}', 'ordered free {"o":"b"}', 'ordered free');
CALL shop.at('21 09:30', 'touched free {"o":"b"}');
CALL shop.at('21 10:00', 'touched free', 'paid free {"o":"c"}');
CALL shop.at('21 10:15', 'paid free {"o":"b"}');
CALL shop.at('21 12:00', 'nothing free');
CALL journey_orch.run();
SELECT to_char(l.clock, 'DD HH24:MI') AS at, l.key, l.outcome, l.to_step, to_char(l.due_at, 'DD HH24:MI') AS due, l.reason FROM journey_orch.step_log AS l WHERE l.clock >= '2026-03-21' ORDER BY l.clock, l.key, l.visit, l.outcome = 'ended';

-- Several runs of one customer wait for the same event: each takes it.  In a holdout a wait waits as ever, and "of" finds no message there.
SELECT shop.make('several', '{"w": {"send": {"channels": ["email"], "template": "note"}, "next": "v"}, "v": {"wait": {"for": [{"on": "message.opened", "of": "w", "next": "x"}, {"on": "bought", "next": "y"}]}}}');
SELECT shop.make('held', '{"w": {"send": {"channels": ["email"], "template": "note"}, "next": "v"}, "v": {"wait": {"for": [{"on": "message.opened", "of": "w", "next": "x"}, {"on": "bought", "next": "y"}], "until": {"after": "1 day", "next": "z"}}}}',
  '{"entry": {"on": "begin_held", "holdout": 1, "reentry": {"policy": "any"}}}');
SELECT count(p.*) FROM journey_orch.publish('several') AS p;
SELECT count(p.*) FROM journey_orch.publish('held') AS p;
CALL shop.at('22 09:00', 'begin_several free', 'begin_several free', 'begin_held free', 'begin_held pro', 'begin_several pro', 'begin_several pro');
CALL journey_orch.run();
SELECT claim_id, message_id FROM journey_orch.claim('email', 'relay') WHERE customer_id = 'pro' LIMIT 1 \gset
SELECT a.outcome FROM journey_orch.ack(:claim_id, ARRAY[:'message_id']::uuid[]) AS a;
SELECT journey_orch.report(:'message_id', 'opened') AS reported;
CALL shop.at('22 10:00', 'bought free');
CALL shop.at('24 10:00', 'nothing free');
CALL journey_orch.run();
SELECT who, at, to_step, reason, count(*) FROM shop.log WHERE at >= '22' AND from_step = 'v' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3;
SELECT customer_id, state, step, due_at FROM journey_orch.enrollment WHERE customer_id = 'pro' ORDER BY 1;

SELECT journey_orch.mermaid('rank', 1);
SELECT * FROM journey_orch.verify('full') WHERE NOT holds;
