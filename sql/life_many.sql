-- life_many: acts that reach more people than a batch takes
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
SET search_path = journey_orch, public;
CREATE TABLE public.customer (id integer PRIMARY KEY, points integer);
INSERT INTO public.customer SELECT i, i % 2 FROM generate_series(1, 60000) AS i;
SELECT bind_customer('public.customer', 'id');
SELECT set_clock('2026-01-01 09:00+00');
CREATE TABLE public.visit (customer_id integer);
SELECT watch('public.visit', 'came', 'NEW.customer_id');
INSERT INTO public.visit SELECT i FROM generate_series(1, 60000) AS i;
CREATE FUNCTION public.definition(reason text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('journey', 'many', 'entry', '{"on": "came", "when": "customer.points = 1"}'::jsonb, 'start', 'hear', 'steps',
    '{"hear": {"wait": {"for": [{"on": "heard", "next": "nap"}], "until": {"after": "1 day", "next": "nap"}}}, "nap": {"delay": "1 hour", "next": "done"}}'::jsonb
    || jsonb_build_object('done', jsonb_build_object('exit', reason))) $$;
CREATE VIEW public.status AS
  SELECT version, state, entered, moved_in, active, held, ended, moved_out FROM journey_status;

SELECT define(public.definition('one'));
SELECT of_version, step, entering FROM publish('many', existing => 'now', preview => true);
SELECT of_version, step, entering FROM publish('many', existing => 'now');
CALL run();
SELECT * FROM public.status;
-- everybody is held
SELECT pause('many');
SELECT advance_clock('1 day');
CALL run();
SELECT * FROM public.status;
-- moves
SELECT define(public.definition('two'));
SELECT * FROM publish('many', inflight => 'move');
CALL run();
SELECT * FROM public.status ORDER BY version;
SELECT law, detail FROM verify() WHERE NOT holds;
-- and goes on at a rate: 1000 a second
SELECT resume('many', 1000);
CALL run();
SELECT held FROM public.status WHERE version = 2;
SELECT advance_clock('10 seconds');
CALL run();
SELECT held FROM public.status WHERE version = 2;
SELECT max(count) AS most_a_second FROM (SELECT count(*) FROM step_log WHERE outcome = 'released' GROUP BY date_trunc('second', clock)) AS s;
SELECT advance_clock('19 seconds');
CALL run();
SELECT held FROM public.status WHERE version = 2;
SELECT count(*), count(DISTINCT clock), min(clock), max(clock) FROM step_log WHERE outcome = 'released';
SELECT bool_and(clock >= previous) AS in_order FROM (
  SELECT r.clock, lag(r.clock) OVER (ORDER BY h.clock, e.event_id) AS previous
  FROM step_log AS r JOIN step_log AS h USING (enrollment_id) JOIN step_log AS e USING (enrollment_id)
  WHERE r.outcome = 'released' AND h.outcome = 'held' AND e.outcome = 'entered') AS o;
-- until they are told to leave
SELECT stop('many', 'exit');
CALL run();
SELECT * FROM public.status ORDER BY version;
SELECT reason, count(*) FROM step_log WHERE outcome = 'ended' GROUP BY 1;
SELECT archive('many');
SELECT law, detail FROM verify('full') WHERE NOT holds;
