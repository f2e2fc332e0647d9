-- digest: what is collected, when it ends, look-back, bound, and what becomes of
-- the rows.  The clock is virtual; times are by hand.
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned

CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, zone text);
SELECT journey_orch.bind_customer('shop.customer', 'id', 'zone');
INSERT INTO shop.customer VALUES ('a', 'UTC'), ('b', 'UTC'), ('c', 'UTC'), ('d', 'Europe/Berlin');
-- A journey "name" whose first step digests: (entry, digest, more top-level keys); what it collected is in the log.
CREATE FUNCTION shop.make(name text, entry jsonb, digest jsonb, more jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
  SELECT journey_orch.define(jsonb_build_object('journey', name, 'entry', entry || '{"reentry": {"policy": "after_exit"}}', 'start', 'd',
    'steps', jsonb_build_object('d', jsonb_build_object('digest', digest, 'into', 'list', 'next', 'x'), 'x', '{"exit": "done"}'::jsonb)) || more)::text
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
CREATE VIEW shop.log AS
  SELECT l.customer_id AS who, l.key, to_char(l.clock, 'DD HH24:MI') AS at, l.outcome, l.from_step, l.to_step, to_char(l.due_at, 'DD HH24:MI') AS due, l.reason, l.context
    FROM journey_orch.step_log AS l ORDER BY l.clock, l.customer_id, l.key, l.visit, l.batch, l.outcome = 'ended';

-- The event that brought the run here is the first; "when" and "match_key" choose; another name brings nothing.
SELECT shop.make('plain', '{"on": "said", "key": "event->>''post''"}', '{"on": "said", "for": "1 hour"}');
SELECT shop.make('chosen', '{"on": "began"}', '{"on": "said", "when": "(event->>''n'')::int > 1", "for": "1 hour"}');
SELECT shop.make('keyed', '{"on": "opened", "key": "event->>''post''"}', '{"on": "said", "match_key": "event->>''post''", "for": "1 hour"}');
SELECT count(p.*) FROM unnest('{plain,chosen,keyed}'::text[]) AS j, journey_orch.publish(j) AS p;
CALL shop.at('02 09:00', 'said a {"post":"p","n":1}', 'began b {"n":5}', 'opened c {"post":"p"}', 'opened c {"post":"q"}');
CALL journey_orch.run();
SELECT sum(generation) AS generations FROM journey_orch.enrollment;
CALL shop.at('02 09:10', 'said a {"post":"p","n":2}', 'said a {"post":"q","n":3}', 'said b {"n":1}', 'said b {"n":2}', 'said b {"n":null}', 'said c {"post":"q","n":4}', 'said c {"n":9}');
CALL journey_orch.run();
SELECT customer_id, visit, ordinal, payload FROM journey_orch.digest_event ORDER BY customer_id, payload, ordinal;
-- collecting does not touch the run's row (the others are new), and at the instant of the end the event comes first
SELECT sum(generation) - count(*) AS rewritten FROM journey_orch.enrollment;
CALL shop.at('02 10:00', 'said b {"n":3}', 'said a {"post":"p","n":6}');
CALL shop.at('02 12:00', 'nothing a');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE outcome <> 'entered';
SELECT count(*) AS rows_left FROM journey_orch.digest_event;

-- Nothing came: the list is empty.  A local time: the digest ends then, in the customer's zone; at once when that is now.
SELECT shop.make('daily', '{"on": "began_daily"}', '{"on": "daily", "for": {"at": "09:00"}}');
SELECT shop.make('for_at', '{"on": "began_daily"}', '{"on": "daily", "for": {"for": "1 day", "at": "18:00"}}');
SELECT count(p.*) FROM unnest('{daily,for_at}'::text[]) AS j, journey_orch.publish(j) AS p;
CALL shop.at('03 07:30', 'began_daily a', 'began_daily d');
CALL shop.at('03 08:00', 'daily d {"n":1}', 'began_daily d');
CALL shop.at('03 09:00', 'began_daily b');
CALL shop.at('05 00:00', 'daily a {"n":9}');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE at >= '03' AND outcome = 'advanced';

-- The bound: it goes on when so many are collected, also within one batch, or with the event that brought it.
SELECT shop.make('three', '{"on": "began_three"}', '{"on": "three", "for": "1 hour", "max": 3}');
SELECT shop.make('one', '{"on": "one"}', '{"on": "one", "for": "1 hour", "max": 1}');
SELECT count(p.*) FROM unnest('{three,one}'::text[]) AS j, journey_orch.publish(j) AS p;
CALL shop.at('06 09:00', 'began_three a', 'began_three b', 'one c {"n":1}');
CALL shop.at('06 09:01', 'three a {"n":1}', 'three b {"n":1}', 'one c {"n":2}');
CALL journey_orch.run();
CALL shop.at('06 09:02', 'three a {"n":2}', 'three a {"n":3}', 'three a {"n":4}');
CALL journey_orch.run();
CALL shop.at('06 09:03', 'three b {"n":2}');
CALL journey_orch.run();
CALL shop.at('06 09:04', 'three b {"n":3}');
CALL shop.at('06 12:00', 'nothing a');
CALL journey_orch.run();
SELECT * FROM shop.log WHERE at >= '06' AND outcome = 'advanced';

-- In a circle: the event that fills a digest is not the first of the next one.
SELECT shop.make('circle', '{"on": "round"}', '{"on": "round", "for": "1 hour", "max": 2}',
  '{"steps": {"d": {"digest": {"on": "round", "for": "1 hour", "max": 2}, "next": "n"}, "n": {"branch": [{"when": "jsonb_array_length(context->''d'') = 0", "next": "x"}], "else": "d"}, "x": {"exit": "quiet"}}}');
SELECT count(p.*) FROM journey_orch.publish('circle') AS p;
CALL shop.at('07 09:00', 'round a {"n":1}', 'round a {"n":2}', 'round a {"n":3}');
CALL journey_orch.run();
CALL shop.at('07 09:30', 'round a {"n":4}', 'round a {"n":5}');
CALL shop.at('07 12:00', 'nothing a');
CALL journey_orch.run();
SELECT who, at, from_step, to_step, due, reason, context FROM shop.log WHERE at >= '07' AND outcome = 'advanced' AND from_step = 'd';

-- Look-back: the first goes on at once, its repeats are collected; quiet for as long as the look-back, at once again.  By key; what it looks at is in the entry memory.
SELECT shop.make('back', '{"on": "comment", "key": "event->>''post''"}', '{"on": "comment", "for": "1 hour", "look_back": "30 minutes"}');
SELECT count(p.*) FROM journey_orch.publish('back') AS p;
CALL shop.at('08 09:00', 'comment a {"post":"p","n":1}');
CALL shop.at('08 09:29', 'comment a {"post":"p","n":2}', 'comment a {"post":"q","n":3}');
CALL journey_orch.run();
SELECT customer_id, key, digests FROM journey_orch.entry_memory WHERE digests IS NOT NULL AND last_entered >= '2026-03-08' ORDER BY 1, 2;
CALL shop.at('08 10:00', 'comment a {"post":"p","n":4}');
CALL journey_orch.run();
CALL shop.at('08 10:58', 'comment a {"post":"p","n":5}');
CALL journey_orch.run();
CALL shop.at('08 11:58', 'comment a {"post":"p","n":6}');
CALL shop.at('08 13:00', 'comment a {"post":"p","n":7}');
CALL shop.at('08 15:00', 'nothing a');
CALL journey_orch.run();
SELECT who, key, at, outcome, to_step, due, reason, context FROM shop.log WHERE at >= '08' AND outcome IN ('entered', 'advanced');

-- With a look-back and no event that brought the run, the first one that comes goes on; and when none comes, the time does.
SELECT shop.make('later', '{"on": "began_later"}', '{"on": "late", "for": "1 hour", "look_back": "1 day"}');
SELECT count(p.*) FROM journey_orch.publish('later') AS p;
CALL shop.at('10 09:00', 'began_later a', 'began_later b');
CALL shop.at('10 09:20', 'late a {"n":1}');
CALL shop.at('10 09:21', 'late a {"n":2}', 'began_later a');
CALL shop.at('10 09:22', 'late a {"n":3}');
CALL shop.at('10 12:00', 'nothing a');
CALL journey_orch.run();
SELECT who, at, from_step, to_step, due, reason, context FROM shop.log WHERE at >= '10' AND outcome = 'advanced';
-- the look-back is of the calendar where it has days, and has an end: at its instant it is over
CALL shop.at('11 10:20', 'began_later a', 'began_later b');
CALL shop.at('11 10:21', 'late a {"n":4}', 'late b {"n":5}');
CALL shop.at('11 12:00', 'nothing a');
CALL journey_orch.run();
SELECT who, at, from_step, to_step, due, reason, context FROM shop.log WHERE at >= '11' AND outcome = 'advanced';

-- A run that ends while it collects leaves nothing behind: a goal, an exit rule, its customer's row, a stop.
SELECT shop.make('ends', '{"on": "began_ends"}', '{"on": "piece", "for": "1 day"}', '{"goal": {"on": "won"}, "exit": [{"on": "lost"}]}');
SELECT count(p.*) FROM journey_orch.publish('ends') AS p;
CALL shop.at('12 09:00', 'began_ends a', 'began_ends b', 'began_ends c', 'began_ends d');
CALL shop.at('12 09:01', 'piece a', 'piece b', 'piece c', 'piece d', 'piece d');
CALL journey_orch.run();
SELECT count(*) AS rows FROM journey_orch.digest_event;
CALL shop.at('12 09:02', 'piece a', 'won a', 'piece b', 'lost b', 'piece c');
DELETE FROM shop.customer WHERE id = 'c';
CALL journey_orch.run();
SELECT customer_id, ordinal FROM journey_orch.digest_event ORDER BY 1, 2;
SELECT journey_orch.stop('ends', inflight => 'exit') AS inside;
CALL journey_orch.run();
SELECT who, at, outcome, from_step, reason FROM shop.log WHERE at >= '12' AND outcome = 'ended';
SELECT count(*) AS rows FROM journey_orch.digest_event;

-- A condition that raises parks the run; what it has is kept for the operator.  In a pause it collects, and is held when it is over.
SELECT shop.make('raises', '{"on": "began_raises"}', '{"on": "number", "when": "(event->>''n'')::int > 0", "for": "1 day", "max": 3}');
SELECT count(p.*) FROM journey_orch.publish('raises') AS p;
CALL shop.at('13 09:00', 'began_raises a', 'began_raises b', 'began_raises d');
CALL shop.at('13 09:01', 'number a {"n":1}', 'number b {"n":1}', 'number a {"n":"x"}', 'number a {"n":2}');
CALL journey_orch.run();
SELECT journey_orch.pause('raises') AS inside;
CALL shop.at('13 09:02', 'number b {"n":2}');
CALL shop.at('13 09:03', 'number b {"n":3}');
CALL journey_orch.run();
SELECT e.customer_id, e.state, e.step, e.context, (SELECT count(*) FROM journey_orch.digest_event AS i WHERE i.enrollment_id = e.enrollment_id) AS rows
  FROM journey_orch.enrollment AS e WHERE e.entered_at >= '2026-03-13' ORDER BY 1;
SELECT journey_orch.resume('raises') AS held;
CALL journey_orch.run();
-- A held run stands by the event that brought it: after the pause that is the first one.
SELECT shop.make('paused', '{"on": "began_paused"}', '{"on": "go", "for": "1 day"}',
  '{"start": "w", "steps": {"w": {"wait": {"for": [{"on": "go", "next": "d"}]}}, "d": {"digest": {"on": "go", "for": "1 hour"}, "next": "x"}, "x": {"exit": "done"}}}');
SELECT count(p.*) FROM journey_orch.publish('paused') AS p;
CALL shop.at('14 09:00', 'began_paused a', 'began_paused b');
CALL journey_orch.run();
SELECT journey_orch.pause('paused') AS inside;
CALL shop.at('14 09:01', 'go a {"n":1}', 'go b {"n":1}');
CALL journey_orch.run();
CALL shop.at('14 09:02', 'go a {"n":2}');
CALL journey_orch.run();
SELECT journey_orch.resume('paused', rate => 1) AS held;
CALL journey_orch.run();
CALL shop.at('14 09:10', 'go a {"n":3}');
CALL shop.at('14 12:00', 'nothing a');
CALL journey_orch.run();
SELECT who, at, outcome, from_step, to_step, due, reason, context FROM shop.log WHERE at >= '14' AND from_step = 'd' ORDER BY who, at;

-- A trial sees what was collected and what it collects itself; nothing of it stays.
SELECT shop.make('trial', '{"on": "began_trial"}', '{"on": "try", "for": "1 hour"}',
  '{"steps": {"d": {"digest": {"on": "try", "for": "1 hour"}, "next": "n"}, "n": {"digest": {"on": "try", "for": "1 hour"}, "next": "x"}, "x": {"exit": "done"}}}');
SELECT count(p.*) FROM journey_orch.publish('trial') AS p;
CALL shop.at('15 09:00', 'began_trial a');
CALL shop.at('15 09:01', 'try a {"n":1}');
CALL journey_orch.run();
BEGIN;
CALL shop.at('15 09:02', 'try a {"n":2}');
SELECT journey_orch.run_here() AS advances;
CALL shop.at('15 10:01', 'try a {"n":3}');
SELECT journey_orch.run_here() AS advances;
CALL shop.at('15 11:30', 'nothing a');
SELECT journey_orch.run_here() AS advances;
SELECT who, at, from_step, to_step, context FROM shop.log WHERE at >= '15' AND outcome = 'advanced';
SELECT visit, ordinal, payload FROM journey_orch.digest_event ORDER BY visit, ordinal;
ROLLBACK;
SELECT visit, ordinal, payload FROM journey_orch.digest_event WHERE payload ? 'n' AND customer_id = 'a' ORDER BY visit, ordinal;
CALL shop.at('15 12:00', 'nothing a');
CALL journey_orch.run();
SELECT who, at, from_step, to_step, context FROM shop.log WHERE at >= '15' AND outcome = 'advanced';

-- A version with a smaller bound: what there is already is more than that; the newest are kept.  A holdout run digests as well.
SELECT shop.make('bound', '{"on": "began_bound", "holdout": 1}', '{"on": "more", "for": "1 hour", "max": 10}');
SELECT count(p.*) FROM journey_orch.publish('bound') AS p;
CALL shop.at('16 09:00', 'began_bound a', 'began_bound b');
CALL shop.at('16 09:01', 'more a {"n":1}', 'more a {"n":2}', 'more a {"n":3}', 'more b {"n":1}', 'more b {"n":2}', 'more b {"n":3}');
CALL journey_orch.run();
SELECT shop.make('bound', '{"on": "began_bound", "holdout": 1}', '{"on": "more", "for": "1 hour", "max": 2}');
SELECT sum(moving) AS moving FROM journey_orch.publish('bound', inflight => 'move');
CALL shop.at('16 09:02', 'more a {"n":4}');
CALL shop.at('16 12:00', 'nothing a');
CALL journey_orch.run();
SELECT who, at, from_step, to_step, reason, context FROM shop.log WHERE at >= '16' AND outcome = 'advanced';

-- A careful batch, one customer at a time, does the same: here "b" writes a context that cannot be stored.
SELECT shop.make('careful', '{"on": "began_careful"}', '{"on": "bit", "for": "1 hour"}',
  '{"steps": {"d": {"digest": {"on": "bit", "for": "1 hour"}, "next": "n"}, "n": {"branch": [{"when": "customer.id = ''b''", "next": "big"}], "else": "x"},
    "big": {"update": {"a": "repeat(''x'', 200000000)", "b": "repeat(''y'', 200000000)"}, "next": "big2"}, "big2": {"update": {"c": "jsonb_array_length(context->''d'')"}, "next": "x"}, "x": {"exit": "done"}}}');
SELECT count(p.*) FROM journey_orch.publish('careful') AS p;
CALL shop.at('17 09:00', 'began_careful a', 'began_careful b', 'began_careful d');
CALL shop.at('17 09:01', 'bit a {"n":1}', 'bit b {"n":1}', 'bit d {"n":1}');
CALL journey_orch.run();
CALL shop.at('17 09:02', 'bit a {"n":2}', 'bit b {"n":2}', 'bit d {"n":2}');
CALL shop.at('17 12:00', 'nothing a');
CALL journey_orch.run();
SELECT who, at, outcome, from_step, to_step, context FROM shop.log WHERE at >= '17' AND from_step = 'd';
SELECT customer_id, state, step, error ->> 'message' AS error FROM journey_orch.enrollment WHERE entered_at >= '2026-03-17';
SELECT customer_id, ordinal FROM journey_orch.digest_event WHERE payload ? 'n' AND enrollment_id IN (SELECT enrollment_id FROM journey_orch.enrollment WHERE entered_at >= '2026-03-17') ORDER BY 1, 2;

SELECT journey_orch.mermaid('for_at'), journey_orch.mermaid('back');
SELECT * FROM journey_orch.verify('full') WHERE NOT holds;
-- and it would say so
INSERT INTO journey_orch.digest_event SELECT gen_random_uuid(), 1, 1, 1, lane, customer_id, '{}' FROM journey_orch.enrollment LIMIT 1;
SELECT law FROM journey_orch.verify() WHERE NOT holds;
