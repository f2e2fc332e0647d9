-- caps: entries of one customer, runs at once, and entries in all
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
SELECT set_clock('2026-01-01 09:00+00');

-- A run stays until its customer leaves.
CREATE FUNCTION public.definition(name text, caps jsonb, entry jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('journey', name,
    'entry', '{"on": "came", "key": "event->>''key''", "reentry": {"policy": "any"}}'::jsonb || jsonb_build_object('caps', caps) || entry,
    'start', 'stay', 'steps', '{"stay": {"wait": {"for": [{"on": "went", "match_key": "event->>''key''", "next": "done"}]}}, "done": {"exit": "done"}}'::jsonb) $$;
CREATE FUNCTION public.come(journey text, who text, key text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
  SELECT journey_orch.enter(journey, who, key => key) $$;
CREATE VIEW public.trail AS
  SELECT j.name AS journey, l.customer_id AS who, l.key, l.version AS v, l.outcome, l.reason, l.clock
  FROM step_log AS l JOIN journey AS j USING (journey_id) WHERE outcome IN ('entered', 'refused', 'ended') ORDER BY l.clock, l.event_id, l.outcome;

-- two entries in thirty days, whatever their key
SELECT define(public.definition('often', '{"per_customer": {"max": 2, "per": "30 days"}}'));
SELECT count(*) FROM publish('often');
SELECT emit('came', 'a', '{"key": "1"}') > 0;
SELECT advance_clock('10 days');
SELECT emit('came', 'a', '{"key": "2"}') > 0;
SELECT advance_clock('10 days');
SELECT emit('came', 'a', '{"key": "3"}') > 0;
SELECT emit('came', 'b', '{"key": "3"}') > 0;
SELECT advance_clock('10 days', force => true);
SELECT emit('came', 'a', '{"key": "4"}') > 0;
SELECT emit('came', 'a', '{"key": "5"}') > 0;
CALL run();
SELECT who, key, outcome, reason, clock FROM public.trail WHERE journey = 'often';
SELECT customer_id, key, runs, recent FROM entry_memory ORDER BY 1, 2;
-- the same key: what does not count any more is forgotten
SELECT emit('went', 'a', '{"key": "1"}') > 0;
SELECT advance_clock('40 days', force => true);
SELECT emit('came', 'a', '{"key": "1"}') > 0;
CALL run();
SELECT customer_id, key, runs, recent FROM entry_memory WHERE customer_id = 'a' ORDER BY 1, 2;

-- a version without the cap keeps only the last entry of a key, which counts once there is a cap again
SELECT define(public.definition('often', '{"at_once_per_customer": 50}'));
SELECT count(*) FROM publish('often');
SELECT emit('went', 'b', '{"key": "3"}') > 0;
SELECT emit('came', 'b', '{"key": "3"}') > 0;
SELECT emit('came', 'c') > 0;
CALL run();
SELECT count(*) FROM publish('often', 1);
SELECT emit('came', 'c', '{"key": "1"}') > 0;
SELECT emit('came', 'c', '{"key": "2"}') > 0;
CALL run();
SELECT who, key, v, outcome, reason FROM public.trail WHERE journey = 'often' AND who IN ('b', 'c');
SELECT customer_id, key, runs, recent FROM entry_memory WHERE customer_id IN ('b', 'c') ORDER BY 1, 2;
SELECT stop('often', 'exit');
CALL run();

-- two runs of a customer at once; a run that ends makes room, in the same batch too
SELECT define(public.definition('pair', '{"at_once_per_customer": 2}'));
SELECT count(*) FROM publish('pair');
SELECT emit('came', 'a', jsonb_build_object('key', k)) > 0 FROM generate_series(1, 3) AS k;
SELECT emit('went', 'a', '{"key": "1"}') > 0;
SELECT emit('came', 'a', jsonb_build_object('key', k)) > 0 FROM generate_series(4, 5) AS k;
CALL run();
SELECT who, key, outcome, reason FROM public.trail WHERE journey = 'pair';
SELECT stop('pair', 'exit');
CALL run();

-- three at once, of all lanes; here too a run that ends makes room
SELECT define(public.definition('room', '{"at_once": 3}'));
SELECT count(*) FROM publish('room');
SELECT count(emit('came', 'r' || n)) FROM generate_series(1, 20) AS n;
CALL run();
SELECT outcome, reason, count(*) FROM public.trail WHERE journey = 'room' GROUP BY 1, 2 ORDER BY 1;
SELECT sum(active) AS active, sum(total) AS total FROM entry_count JOIN journey USING (journey_id) WHERE name = 'room';
SELECT count(emit('went', customer_id)) FROM enrollment_status WHERE state <> 'ended' AND journey = 'room';
CALL run();
SELECT public.come('room', 'x' || n) FROM generate_series(1, 5) AS n;
CALL run();
SELECT outcome, reason, count(*) FROM public.trail WHERE journey = 'room' AND who LIKE 'x%' GROUP BY 1, 2 ORDER BY 1;
SELECT status, rule, count(*) FROM command_outcome GROUP BY 1, 2 ORDER BY 1;
-- full, and then the batch itself makes room for another customer of its lane
SELECT customer_id AS inside FROM enrollment_status WHERE state <> 'ended' AND journey = 'room' ORDER BY 1 LIMIT 1 \gset
SELECT min('y' || n) AS early, max('y' || n) AS late FROM generate_series(1, 99) AS n WHERE lane_of('y' || n) = lane_of(:'inside') \gset
SELECT emit('came', :'early') > 0, emit('went', :'inside') > 0, emit('came', :'early') > 0, emit('came', :'late') > 0;
CALL run();
SELECT outcome, reason, count(*) FROM public.trail WHERE journey = 'room' AND who LIKE 'y%' GROUP BY 1, 2 ORDER BY 1;
SELECT sum(active) AS active, sum(total) AS total FROM entry_count JOIN journey USING (journey_id) WHERE name = 'room';
SELECT stop('room', 'exit');
CALL run();

-- four in all, whatever became of them
SELECT define(public.definition('first', '{"total": 4, "at_once": 3}'));
SELECT count(*) FROM publish('first');
SELECT count(emit('came', 'f' || n)) FROM generate_series(1, 3) AS n;
CALL run();
SELECT count(emit('went', 'f' || n)) FROM generate_series(1, 3) AS n;
CALL run();
SELECT count(emit('came', 'g' || n)) FROM generate_series(1, 3) AS n;
CALL run();
SELECT outcome, reason, count(*) FROM public.trail WHERE journey = 'first' AND outcome <> 'ended' GROUP BY 1, 2 ORDER BY 1, 2;
-- a new version with a higher cap goes on counting
SELECT define(public.definition('first', '{"total": 6}'));
SELECT count(*) FROM publish('first');
SELECT count(emit('came', 'h' || n)) FROM generate_series(1, 3) AS n;
CALL run();
SELECT outcome, reason, count(*) FROM public.trail WHERE journey = 'first' AND v = 2 GROUP BY 1, 2 ORDER BY 1, 2;

-- a trial counts too, and nobody waits for it
SELECT define(public.definition('tried', '{"total": 2}'));
SELECT count(*) FROM publish('tried');
BEGIN;
SELECT count(emit('came', 't' || n)) FROM generate_series(1, 2) AS n;
SELECT run_here() > 0;
SELECT emit('came', 't3') > 0;
SELECT run_here() > 0;
SELECT outcome, reason, count(*) FROM public.trail WHERE journey = 'tried' GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 8;
ROLLBACK;
SELECT count(*) FROM trial_entry_count;

-- what caps are not
SELECT code, path, message FROM check_definition(public.definition('bad', '{"per_customer": {"max": 0, "per": "1 day"}}'));
SELECT code, path, message FROM check_definition(public.definition('bad', '{"per_customer": {"max": 1001, "per": "1 day"}}'));
SELECT code, path, message FROM check_definition(public.definition('bad', '{"per_customer": {"max": 1, "per": "-1 day"}}'));
SELECT code, path, message FROM check_definition(public.definition('bad', '{}'));
SELECT code, path, message FROM check_definition(public.definition('bad', '{"at_once": 0, "total": 2.5}'));

-- the counts are checked
SELECT * FROM verify('full') WHERE NOT holds;
BEGIN;
UPDATE entry_count SET active = active + 1 WHERE (journey_id, lane) = (SELECT journey_id, lane FROM entry_count ORDER BY 1, 2 LIMIT 1);
SELECT law, holds FROM verify() WHERE law LIKE 'caps%';
ROLLBACK;
SELECT * FROM verify('full') WHERE NOT holds;
