/*
 * test/pgtap/goal.sql
 *    A goal with "within" counts from entry, also after the run has ended by
 *    other means (docs/decisions/0009).  Each case has a journey and an event
 *    name of its own.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;
SET search_path = public, journey_orch;

CREATE TABLE customer (id text PRIMARY KEY, name text);
INSERT INTO customer SELECT c, 'name of ' || c FROM unnest('{a,b,c,d,e}'::text[]) AS c;

-- A run that ends a day after its entry; "more" has the goal.
CREATE FUNCTION make(name text, more jsonb, entry jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
  SELECT define(jsonb_build_object('journey', name, 'entry', jsonb_build_object('on', 'start_' || name) || entry, 'start', 'd', 'steps',
    '{"d": {"delay": "1 day", "next": "x"}, "x": {"exit": "done"}}'::jsonb) || more);
  SELECT publish(name);
$$;
CREATE FUNCTION trail(name text, customer text DEFAULT '%') RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat_ws(' ', l.key, l.outcome, coalesce(l.reason, l.to_step), l.value), ', ' ORDER BY l.clock, l.batch, l.ctid)
    FROM step_log AS l JOIN journey USING (journey_id) WHERE journey.name = trail.name AND l.customer_id LIKE trail.customer
$$;
-- Rows that are kept for a goal.
CREATE FUNCTION kept(name text) RETURNS bigint LANGUAGE sql AS
  $$SELECT count(*) FROM enrollment JOIN journey USING (journey_id) WHERE journey.name = kept.name AND state = 'ended'$$;

SELECT plan(31);
SELECT bind_customer('customer', 'id') \gset _
SELECT set_channel('email', 'customer.id') \gset _
SELECT set_template('t', 'email', 'Hello') \gset _
SELECT set_clock('2026-01-01 00:00+00') \gset _

-- In time, too late, at the last instant; a second time; without within
SELECT make('late', '{"goal": {"on": "won", "value": "(event->>''n'')::numeric", "within": "3 days"}}'), make('plain', '{"goal": {"on": "won"}}', '{"on": "start_late"}'),
  make('each', '{"goal": {"on": "won", "within": "3 days", "exit": false}}', '{"on": "start_late"}') \gset _
SELECT emit('start_late', c) FROM unnest('{a,b,c,d}'::text[]) AS c \g /dev/null
CALL run();
SELECT set_clock('2026-01-03 00:00+00') \gset _
CALL run();
SELECT is(kept('late'), 4::bigint, 'ended runs whose goal is open are kept');
SELECT is(kept('plain'), 0::bigint, 'those of a goal without within are not');
SELECT is((SELECT array_agg(DISTINCT (state, due_at IS NULL, exit_reason)::text) FROM enrollment_status), '{"(ended,t,done)"}', 'the views call them ended');
SELECT is((SELECT (entered, active, ended, converted) FROM journey_status WHERE journey = 'late')::text, '(4,0,4,0)', 'and count them so');
SELECT emit('won', 'a', '{"n": 5}'), emit('won', 'a', '{"n": 6}') \g /dev/null
CALL run();
SELECT is(trail('late', 'a'), 'entered d, advanced x, ended done, converted goal 5', 'an event in time is a conversion, and the last');
SELECT is(trail('plain', 'a'), 'entered d, advanced x, ended done', 'none without within');
SELECT is(trail('each', 'a'), 'entered d, advanced x, ended done, converted goal, converted goal', 'each of them with exit false');
SELECT is(kept('late'), 3::bigint, 'the row goes with the conversion');
SELECT is(kept('each'), 4::bigint, 'it stays with exit false');
SELECT stop('each', inflight => 'exit') \gset _
CALL run();
SELECT is(kept('each'), 4::bigint, 'nor does it end with the journey');
BEGIN;
SELECT set_clock('2026-01-04 00:00+00'), emit('won', 'b', '{"n": 7}') \g /dev/null
COMMIT;
BEGIN;
SELECT set_clock('2026-01-04 00:00:00.000001+00'), emit('won', 'c', '{"n": 8}') \g /dev/null
COMMIT;
SELECT is_empty($$SELECT * FROM verify('full') WHERE NOT holds$$, 'every law holds while the windows are open');
CALL run();
SELECT is(trail('late', 'b'), 'entered d, advanced x, ended done, converted goal 7', 'an event at the last instant counts');
SELECT is(trail('late', 'c'), 'entered d, advanced x, ended done', 'one a microsecond later does not');
SELECT is(kept('late') + kept('each'), 0::bigint, 'when the window closes nothing is kept');
SELECT is((SELECT converted FROM journey_status WHERE journey = 'late'), 2::bigint, 'two of four have converted');

-- Ended by the goal, by an exit rule; the conditions see the run as it ended
SELECT make('ways', '{"goal": {"on": "won", "when": "journey.step = ''x'' OR event ? ''early''", "within": "3 days"}, "exit": [{"on": "left", "reason": "quit"}]}') \gset _
SELECT emit('start_ways', c) FROM unnest('{a,b,c}'::text[]) AS c \g /dev/null
CALL run();
SELECT emit('won', 'a', '{"early": 1}'), emit('won', 'a', '{"early": 1}'), emit('left', 'b') \g /dev/null
CALL run();
SELECT is(trail('ways', 'a'), 'entered d, converted goal, ended goal', 'a run that its goal ended is not watched');
SELECT advance_clock('2 days') \gset _
SELECT emit('won', c) FROM unnest('{a,b,c}'::text[]) AS c \g /dev/null
CALL run();
SELECT is(trail('ways', 'b'), 'entered d, ended quit', 'journey.step is where the run ended');
SELECT is(trail('ways', 'c'), 'entered d, advanced x, ended done, converted goal', 'there the condition holds');
SELECT emit('won', 'b', '{"early": 1}') \g /dev/null
CALL run();
SELECT is(trail('ways', 'b'), 'entered d, ended quit, converted goal', 'a run that a rule ended is watched');

-- The next run of the key beside the one that ended; keys
SELECT make('keys', '{"goal": {"on": "won", "match_key": "event->>''k''", "within": "10 days"}}', '{"key": "event->>''k''", "reentry": {"policy": "after_exit"}}') \gset _
SELECT emit('start_keys', 'a', '{"k": "1"}'), emit('start_keys', 'a', '{"k": "2"}') \g /dev/null
CALL run();
SELECT advance_clock('2 days'), emit('start_keys', 'a', '{"k": "1"}') \g /dev/null
CALL run();
SELECT emit('won', 'a', '{"k": "1"}') \g /dev/null
CALL run();
SELECT is((SELECT string_agg(concat_ws(' ', outcome, reason), ', ' ORDER BY clock, batch, l.ctid) FROM step_log AS l JOIN journey USING (journey_id) WHERE name = 'keys' AND key = '1'),
  'entered, advanced, ended done, entered, converted goal, converted goal, ended goal', 'an ended run does not hinder the next, and both of the key are credited');
SELECT is(kept('keys'), 1::bigint, 'the other key is still open');

-- Messages that are still to be claimed are taken back
SELECT define('{"journey": "mail", "entry": {"on": "start_mail"}, "goal": {"on": "won", "within": "3 days"}, "start": "s",
  "steps": {"s": {"send": {"channels": ["email"], "template": "t"}, "next": "x"}, "x": {"exit": "done"}}}'), publish('mail') \g /dev/null
SELECT emit('start_mail', 'a'), emit('start_mail', 'b') \g /dev/null
CALL run();
SELECT emit('won', 'a') \g /dev/null
CALL run();
SELECT is((SELECT array_agg(customer_id) FROM claim('email', 'test')), '{b}', 'the goal takes back what nobody has claimed');

-- An expression that raises; a deleted customer; erring journeys
SELECT make('raise', '{"goal": {"on": "won", "value": "(event->>''n'')::numeric", "within": "9 days"}}') \gset _
SELECT emit('start_raise', 'a'), emit('start_raise', 'e') \g /dev/null
CALL run();
SELECT advance_clock('2 days') \gset _
SELECT emit('won', 'a', '{"n": "many"}') \g /dev/null
CALL run();
SELECT is(trail('raise', 'a'), 'entered d, advanced x, ended done, refused goal_error', 'a goal that raises after the end is recorded');
SELECT is((SELECT decision ->> 'sqlstate' FROM step_log WHERE reason = 'goal_error'), '22P02', 'with its error');
SELECT is((SELECT refused FROM journey_status WHERE journey = 'raise'), 0::bigint, 'and is no refused entry');
SELECT emit('won', 'a', '{"n": 9}') \g /dev/null
CALL run();
SELECT is(trail('raise', 'a'), 'entered d, advanced x, ended done, refused goal_error', 'it is watched no longer');
DELETE FROM customer WHERE id = 'e';
SELECT emit('anything', 'e') \g /dev/null
CALL run();
SELECT is(kept('raise'), 0::bigint, 'a deleted customer''s run is kept no longer');

-- On trial, and in one batch with the entry
BEGIN;
SELECT emit('start_mail', 'b') \g /dev/null
SELECT run_here() \g /dev/null
SELECT emit('won', 'b', '{"n": 1}') \g /dev/null
SELECT run_here() \g /dev/null
SELECT is((SELECT count(*) FROM step_log JOIN journey USING (journey_id) WHERE name = 'mail' AND customer_id = 'b' AND outcome = 'converted'), 1::bigint, 'a trial credits an ended run');
ROLLBACK;
SELECT emit('start_mail', 'c'), emit('won', 'c') \g /dev/null
CALL run();
SELECT is(trail('mail', 'c'), 'entered s, advanced enqueued, ended done, converted goal', 'entry, end and goal in one batch');

-- A clock that is set back and goes on: the window still closes
SELECT emit('start_late', 'd') \g /dev/null
CALL run();
SELECT advance_clock('2 days') \gset _
CALL run();
SELECT set_clock(clock() - interval '1 day', force => true) \gset _
CALL run();
SELECT advance_clock('30 days') \gset _
CALL run();
SELECT is((SELECT count(*) FROM enrollment), 0::bigint, 'in the end nothing is kept');
SELECT is_empty($$SELECT * FROM verify('full') WHERE NOT holds$$, 'every law holds');
SELECT * FROM finish();
