-- schedule: audiences that enter at recurring times, under the virtual clock
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
CREATE FUNCTION public.times(cron text, zone text, since timestamptz, n int DEFAULT 4) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(to_char(t AT TIME ZONE zone, 'Dy DD Mon YY HH24:MI') || to_char(t AT TIME ZONE 'UTC', ' (HH24:MI)'), ', ' ORDER BY t) FROM journey_orch.schedule_times(cron, zone, since, n) AS t $$;
-- every form of a field
SELECT cron, public.times(cron, 'UTC', '2026-01-01 00:00+00') FROM (VALUES
  ('30 9 * * *'), ('0,30 9-10 * * *'), ('*/20 9 * * *'), ('5-59/25 0 * * *'), ('0 */8 * * *'), ('0 9 * * mon-fri'), ('0 9 * * 0'), ('0 9 * * 7'),
  ('0 0 1 jan,JUL *'), ('0 12 $ * *'), ('0 12 $ 2 *'), ('0 0 29 2 *'), ('0 0 13 * fri'), ('0 0 */2 * mon'), ('0 0 1-7 * *'), ('0 0 31 4-6 *')) AS c(cron);
-- clock changes: fixed hours come once a day, moved by the gap, or at their second occurrence
SELECT cron, public.times(cron, 'Europe/Berlin', '2026-03-28 00:00+00', 3) AS spring, public.times(cron, 'Europe/Berlin', '2026-10-24 00:00+00', 3) AS autumn
FROM (VALUES ('30 2 * * *'), ('30 1,2,3 * * *')) AS c(cron);
-- with any hour they follow one another in elapsed time
SELECT public.times('30 * * * *', 'Europe/Berlin', '2026-03-28 23:45+00', 3) AS spring, public.times('30 */2 * * *', 'Europe/Berlin', '2026-10-24 23:45+00', 4) AS autumn;
SELECT public.times('15 2 * * *', 'Australia/Lord_Howe', '2026-10-02 20:00+00', 3) AS half_an_hour;
-- what is none
SELECT schedule_times('0 9 * *');
SELECT schedule_times('0 9 * * * *');
SELECT schedule_times('60 9 * * *');
SELECT schedule_times('0 9 * * mo');
SELECT schedule_times('5/10 9 * * *');
SELECT schedule_times('0 9-8 * * *');
SELECT schedule_times('0 9 30 2 *');
SELECT schedule_times('@daily');
SELECT schedule_times('0 9 * * *', 'Mars');

-- under the real clock somebody has to wake us
CREATE TABLE public.customer (id text PRIMARY KEY, plan text NOT NULL);
INSERT INTO public.customer VALUES ('a', 'pro'), ('b', 'free'), ('c', 'pro');
SELECT bind_customer('public.customer', 'id');
SELECT define('{"journey": "report", "timezone": "Europe/Berlin", "entry": {"schedule": {"cron": "0 9 * * mon", "audience": "SELECT id FROM public.customer WHERE plan = ''pro''"},
  "when": "event->>''schedule'' = ''$report''", "reentry": {"policy": "any"}}, "start": "note", "steps": {"note": {"update": {"planned": "event->''planned_at''"}, "next": "rest"},
  "rest": {"delay": "3 days", "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('report');
SELECT set_clock('2027-01-01 09:00+00');
SELECT mermaid('report', 1);
SELECT count(*) FROM publish('report');
CREATE VIEW public.trail AS
  SELECT j.name AS journey, l.customer_id AS who, l.outcome, l.reason, l.clock, l.context FROM step_log AS l JOIN journey AS j USING (journey_id);

-- each Monday at nine in Berlin, one by one, at its instant, however far the clock goes
SELECT advance_clock('17 days');
CALL run();
SELECT who, outcome, clock, context FROM public.trail WHERE outcome IN ('entered', 'refused') ORDER BY clock, who;
SELECT who, reason, clock FROM public.trail WHERE outcome = 'ended' ORDER BY clock, who;
SELECT schedule, planned_at, left_out, state, customers FROM schedule_occurrence ORDER BY 2;
-- the audience is asked when the lanes have come that far: whoever is inside is not told again
CREATE TABLE public.visit (id text, at timestamptz);
CREATE FUNCTION public.note_visit(who text, at timestamptz) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.visit VALUES (who, at) $$;
SELECT define('{"journey": "follow_up", "entry": {"schedule": {"cron": "0 0 */2 * *", "audience": "SELECT c.id FROM public.customer AS c WHERE NOT EXISTS (SELECT FROM public.visit AS v WHERE v.id = c.id AND v.at > journey.now - interval ''3 days'')"},
  "reentry": {"policy": "after_exit"}}, "start": "rest", "steps": {"rest": {"delay": "1 day", "next": "visit"}, "visit": {"call": "public.note_visit(customer.id, journey.now)", "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('follow_up');
SELECT advance_clock('10 days', force => true);
CALL run();
SELECT planned_at, customers FROM schedule_occurrence WHERE schedule = '$follow_up' ORDER BY 1;
SELECT id, at FROM public.visit ORDER BY at, id;
SELECT stop('follow_up') >= 0;

-- schedule(): into any journey, with an audience of its own, of the caller
SELECT define('{"journey": "survey", "entry": {"on": "asked", "when": "false", "reentry": {"policy": "any"}}, "start": "done", "steps": {"done": {"exit": "done"}}}');
SELECT schedule('nightly', 'survey', '0 2 * * *', 'SELECT id FROM public.customer WHERE plan = ''free''', timezone => 'Asia/Tokyo');
SELECT schedule('nightly', 'survey', '0 2 * * *', 'SELECT id FROM public.customer WHERE plan = ''free''', timezone => 'Asia/Tokyo');
SELECT schedule('nightly', 'survey', '0 2 * * *', 'SELECT id FROM public.customer WHERE plan = ''free''', timezone => 'Asia/Tokyo', missed => 'all');
SELECT advance_clock('1 day');
CALL run();
SELECT count(*) FROM publish('survey');
SELECT advance_clock('2 days');
CALL run();
SELECT planned_at, state, customers, message FROM schedule_occurrence WHERE schedule = 'nightly' ORDER BY 1;
SELECT who, outcome, clock FROM public.trail WHERE journey = 'survey' AND outcome = 'entered' ORDER BY clock;
SELECT schedule, journey, cron, timezone, missed, since, last_planned_at, occurrences, left_out FROM schedule_status ORDER BY 1;
-- paused, stopped
SELECT pause('survey', newcomers => 'ignore');
SELECT advance_clock('1 day');
CALL run();
SELECT resume('survey');
SELECT stop('survey');
SELECT advance_clock('1 day');
CALL run();
SELECT planned_at, state, customers, message FROM schedule_occurrence WHERE schedule = 'nightly' ORDER BY 1 DESC LIMIT 2;
-- an audience that raises fails its own occurrence
SELECT schedule('broken', 'survey', '30 * * * *', 'SELECT 1 / (length(id) - 1) FROM public.customer');
SELECT count(*) FROM publish('survey');
SELECT advance_clock('2 hours');
CALL run();
SELECT planned_at, state, sqlstate, message FROM schedule_occurrence WHERE schedule = 'broken' ORDER BY 1;
SELECT unschedule('broken'), unschedule('broken');
SELECT unschedule('nightly');
SELECT run_schedules();

-- whose it is
CREATE ROLE schedule_author IN ROLE journey_orch_author;
SET ROLE schedule_author;
SELECT schedule('mine', 'survey', '0 2 * * *', 'SELECT ''a''');
RESET ROLE;
SELECT schedule('mine', 'survey', '0 2 * * *', 'SELECT ''a''');
SET ROLE schedule_author;
SELECT unschedule('mine');
RESET ROLE;
SELECT schedule('Mine', 'survey', '0 2 * * *', 'SELECT ''a''');
SELECT schedule('mine', 'nope', '0 2 * * *', 'SELECT ''a''');
SELECT schedule('mine', 'survey', 'daily', 'SELECT ''a''');
SELECT schedule('mine', 'survey', '0 2 * * *', 'SELECT a');
SELECT schedule('mine', 'survey', '0 2 * * *', 'SELECT ''a''', missed => 'maybe');
SELECT schedule('mine', 'survey', '0 2 * * *', 'SELECT ''a''', timezone => 'CEST');
SELECT law, detail FROM verify('full') WHERE NOT holds;
DROP OWNED BY schedule_author;
DROP ROLE schedule_author;
