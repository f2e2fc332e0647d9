/*
 * test/pgtap/timers.sql
 *    What is due: several runs at one instant, the event that a timer's exit
 *    rule sees, time that stands still or starts again in a pause, due times
 *    of runs that are moved.  Found by the model (test/model); each case has a
 *    journey and event names of its own.
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

CREATE FUNCTION make(name text, entry jsonb, steps jsonb, more jsonb DEFAULT '{}', inflight text DEFAULT 'finish') RETURNS void LANGUAGE sql AS $$
  SELECT define(jsonb_build_object('journey', name, 'entry', entry, 'start', 'w', 'steps', steps || '{"x": {"exit": "x"}}') || more);
  SELECT publish(name, inflight => make.inflight);
$$;
CREATE FUNCTION happened(event text, customer text, payload jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS
  $$SELECT emit(event, customer, payload)$$;
-- What happened to the runs of a journey, in order.
CREATE FUNCTION trail(name text, customer text DEFAULT '%') RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat_ws(' ', l.key, l.outcome, coalesce(l.reason, l.to_step)), ', ' ORDER BY l.clock, l.batch, l.ctid)
    FROM step_log AS l JOIN journey USING (journey_id) WHERE journey.name = trail.name AND l.customer_id LIKE trail.customer
$$;
-- Where its only run stands, and until when.
CREATE FUNCTION place(name text) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', e.step, e.state, to_char(e.due_at, 'MM-DD HH24:MI')) FROM enrollment AS e JOIN journey USING (journey_id) WHERE journey.name = place.name
$$;
-- The due times that its log tells.
CREATE FUNCTION told(name text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat_ws(' ', l.outcome, to_char(l.due_at, 'MM-DD HH24:MI')), ', ' ORDER BY l.batch, l.ctid)
    FROM step_log AS l JOIN journey USING (journey_id) WHERE journey.name = told.name AND due_at IS NOT NULL
$$;

SELECT plan(42);
SELECT set_clock('2026-01-01 00:00+00') \gset _

-- Runs that are due at one instant: what the first causes comes before the next
SELECT make('told', '{"on": "asked", "reentry": {"policy": "any"}}', '{"w": {"wait": {"for": [{"on": "hint", "next": "x"}], "until": {"after": "1 day", "next": "say"}}},
  "say": {"emit": "hint", "next": "x"}}') \gset _
SELECT count(happened('asked', 'a')) FROM generate_series(1, 3) \gset _
SELECT count(happened('asked', 'many')) FROM generate_series(1, 40) \gset _
CALL run();
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT is(trail('told', 'a'), 'entered w, entered w, entered w, advanced timeout, advanced x, ended x, advanced hint, advanced hint, ended x, ended x',
  'the event of the first run comes before the timeout of the others');
SELECT is((SELECT count(*) FROM step_log WHERE customer_id = 'many' AND reason = 'timeout'), 1::bigint, 'of many runs too');

SELECT make('inner', '{"journey": true, "reentry": {"policy": "any"}}', '{"w": {"delay": "1 hour", "next": "x"}}'),
  make('outer', '{"on": "out", "reentry": {"policy": "any"}}', '{"w": {"enter": {"journey": "inner", "key": "event->>''k''", "wait": true, "until": {"after": "1 hour", "next": "late"}}, "next": "x"}, "late": {"exit": "late"}}') \gset _
SELECT happened('out', 'a', '{"k": "1"}') \gset _
CALL run();
SELECT advance_clock('1 hour') \gset _
CALL run();
SELECT is(trail('outer'), 'entered w, advanced timeout, ended late', 'the parent is the older run, so its timeout comes before the end of its child');

SELECT make('one_of', '{"on": "both"}', '{"w": {"delay": "1 day", "next": "e"}, "e": {"emit": "from_one", "next": "x"}}', '{"priority": 20}'),
  make('two_of', '{"on": "both"}', '{"w": {"delay": "1 day", "next": "e"}, "e": {"emit": "from_two", "next": "x"}}', '{"priority": 70}') \gset _
SELECT count(happened('both', 'c' || n)) FROM generate_series(1, 20) AS n \gset _
CALL run();
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT is((SELECT array_agg(DISTINCT l.events) FROM (SELECT string_agg(event, ' ' ORDER BY event_id) AS events FROM event_log WHERE event LIKE 'from%' GROUP BY customer_id) AS l), '{from_two from_one}',
  'runs that one event began go in the order in which the journeys took it');

-- What one event makes several runs cause comes in the order of the runs, however much each has to ask before
SELECT make('asks', '{"on": "same"}', '{"w": {"emit": {"event": "told_first", "payload": "jsonb_build_object(''n'', event->''n'')"}, "next": "x"}}', '{"priority": 70}'),
  make('asks_not', '{"on": "same"}', '{"w": {"emit": "told_second", "next": "x"}}', '{"priority": 20}') \gset _
SELECT count(happened('same', 'c' || n)) FROM generate_series(1, 20) AS n \gset _
CALL run();
SELECT is((SELECT array_agg(DISTINCT l.events) FROM (SELECT string_agg(event, ' ' ORDER BY event_id) AS events FROM event_log WHERE event LIKE 'told_%' GROUP BY customer_id) AS l), '{told_first told_second}',
  'what runs cause side by side comes in their order');

-- A run that an event causes is older than one that the next event of the same instant begins
SELECT make('wards', '{"journey": true, "reentry": {"policy": "any"}}', '{"w": {"delay": "1 day", "next": "e"}, "e": {"emit": {"event": "rang", "payload": "jsonb_build_object(''by'', ''ward'')"}, "next": "x"}}'),
  make('guard', '{"on": "bell"}', '{"w": {"enter": "wards", "next": "x"}}'),
  make('bells', '{"on": "bell", "reentry": {"policy": "any"}}', '{"w": {"delay": "1 day", "next": "e"}, "e": {"emit": {"event": "rang", "payload": "jsonb_build_object(''by'', ''bell'')"}, "next": "x"}}') \gset _
SELECT happened('bell', 'a'), happened('bell', 'a'), happened('bell', 'b') \gset _
CALL run();
SELECT happened('bell', 'b') \gset _
CALL run();
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT is((SELECT string_agg(payload->>'by', ' ' ORDER BY event_id) FROM event_log WHERE event = 'rang' AND customer_id = c), 'bell ward bell', 'the child of the first event goes before the run of the second: ' || c)
  FROM unnest('{a,b}'::text[]) AS c;

-- What a timer causes meets other journeys as they stood then, though they were acted on since
SELECT make('kid', '{"journey": true}', '{"w": {"update": {"n": "1"}, "next": "x"}}'), make('mum', '{"on": "bore"}', '{"w": {"delay": "1 day", "next": "e"}, "e": {"enter": "kid", "next": "x"}}') \gset _
SELECT make('hears', '{"on": "cry"}', '{"w": {"exit": "one"}}'), make('cries', '{"on": "bore"}', '{"w": {"delay": "1 day", "next": "e"}, "e": {"emit": "cry", "next": "x"}}') \gset _
SELECT make('later', '{"on": "cry"}', '{"w": {"exit": "later"}}'), make('waker', '{"on": "bore"}', '{"w": {"update": {"n": "1"}, "next": "e"}, "e": {"emit": "woke", "next": "x"}}') \gset _
SELECT make('woken', '{"on": "woke"}', '{"w": {"exit": "x"}}') \gset _
SELECT pause('waker') \gset _
SELECT happened('bore', 'a') \gset _
CALL run();
SELECT pause('kid'), stop('later') \gset _
SELECT advance_clock('25 hours') \gset _
SELECT resume('kid') \gset _
SELECT make('hears', '{"on": "cry"}', '{"w": {"exit": "two"}}') \gset _
SELECT publish('later'), stop('woken'), resume('waker') \gset _
CALL run();
SELECT is(trail('kid'), 'entered w, held paused, released resumed, advanced x, ended x', 'a child is held by the pause of that time');
SELECT is(trail('hears'), 'entered w, ended one', 'an event enters the version of that time');
SELECT is(trail('later'), 'refused stopped', 'and is refused by what was stopped then');
SELECT is(trail('woken'), 'refused stopped', 'what a resume releases meets what stands at the resume');

-- A ranked wait: a branch that has happened keeps those behind it from being tested, by the same event too
SELECT make('ranked', '{"on": "rank"}', '{"w": {"wait": {"ranked": true, "for": [{"on": "never", "next": "x"}, {"on": "place", "next": "x"}, {"on": "place", "when": "(event->>''n'')::int = 1", "next": "x"}], "until": {"after": "1 day", "next": "x"}}}}') \gset _
SELECT happened('rank', 'a'), happened('place', 'a', '{"n": "none"}') \gset _
CALL run();
SELECT is(place('ranked'), 'w waiting ' || to_char(clock() + interval '1 day', 'MM-DD HH24:MI'), 'the branch behind is not asked, and cannot raise');

-- A digest behind a ranked wait: the event with which the run goes on is the one that brought it there
SELECT make('gathers', '{"on": "gather"}', '{"w": {"wait": {"ranked": true, "for": [{"on": "place", "next": "g"}, {"when": "event ? ''first''", "retest_on": ["never"], "next": "g"}], "until": {"after": "1 day", "next": "x"}}},
  "g": {"digest": {"on": "gather", "for": "1 hour"}, "next": "x"}}') \gset _
SELECT make('gathers_late', '{"on": "gather"}', '{"w": {"delay": "1 day", "next": "r"}, "r": {"wait": {"ranked": true, "for": [{"when": "true", "next": "g"}], "until": {"after": "1 day", "next": "x"}}},
  "g": {"digest": {"on": "gather", "for": "1 hour"}, "next": "x"}}') \gset _
SELECT make('gathers_now', '{"on": "gather"}', '{"w": {"wait": {"ranked": true, "for": [{"when": "true", "next": "g"}], "until": {"date": "journey.now", "next": "x"}}},
  "g": {"digest": {"on": "gather", "for": "1 hour"}, "next": "x"}}') \gset _
SELECT happened('gather', 'a', '{"first": 1}') \gset _
CALL run();
SELECT advance_clock('3 days') \gset _
CALL run();
SELECT is((SELECT l.context->'g' FROM step_log AS l JOIN journey USING (journey_id) WHERE name = j AND from_step = 'g' AND outcome = 'advanced'), want, what)
  FROM (VALUES ('gathers', '[{"first": 1}]'::jsonb, 'the event at whose arrival the condition was true is collected'), ('gathers_now', '[{"first": 1}]', 'also where the wait is over on arrival'),
    ('gathers_late', '[]', 'a timer had brought no event')) AS v(j, want, what);

-- A goal counts to its very last instant, also what a timer then causes
SELECT make('counted', '{"on": "both_2"}', '{"w": {"exit": "x"}}', '{"goal": {"on": "from_timer", "within": "1 day"}}'),
  make('causes', '{"on": "both_2"}', '{"w": {"delay": "1 day", "next": "e"}, "e": {"emit": "from_timer", "next": "x"}}') \gset _
SELECT happened('both_2', 'a') \gset _
CALL run();
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT is(trail('counted'), 'entered w, ended x, converted goal', 'an event that a timer causes at the end of within is in time');

-- The exit rule at a timer sees the event that brought the run to its step
SELECT make('sees', '{"on": "began"}', '{"w": {"wait": {"for": [{"on": "next", "next": "d"}]}}, "d": {"delay": "1 day", "next": "e"}, "e": {"delay": "1 day", "next": "x"}}',
  '{"exit": [{"when": "(event->>''n'')::int > 5 AND journey.event_name = ''next''", "reason": "more"}, {"when": "(event->>''n'')::int = 3 AND journey.now > journey.entered_at", "reason": "entry"}]}') \gset _
SELECT happened('began', 'a', '{"n": 3}'), happened('began', 'b', '{"n": 4}'), happened('began', 'c', '{"n": 3}'), happened('began', 'd', '{"n": 2}') \gset _
CALL run();
SELECT happened('next', 'b', '{"n": 4}'), happened('next', 'c', '{"n": 4}'), happened('next', 'd', '{"n": 5}') \gset _
CALL run();
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT is(trail('sees', 'c'), 'entered w, advanced next, advanced e', 'not the entry event, where another one came after it');
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT is(trail('sees', 'c'), 'entered w, advanced next, advanced e, ended entry', 'the entry event where a timer brought it');
SELECT is(trail('sees', 'd'), 'entered w, advanced next, advanced e, advanced x, ended x', 'a rule that is not met changes nothing');

-- A late timer is late also where an exit rule takes it
SELECT make('tardy', '{"on": "tarried"}', '{"w": {"delay": "1 day", "next": "x"}}', '{"exit": [{"when": "journey.customer_id = ''a'' AND journey.now > journey.entered_at", "reason": "rule"}]}') \gset _
SELECT happened('tarried', 'a'), happened('tarried', 'b') \gset _
CALL run();
SELECT clock() AS entered \gset
SELECT reset_clock() \gset _
CALL run();
SELECT is((SELECT string_agg(concat_ws(' ', customer_id, outcome, reason), ', ' ORDER BY customer_id) FROM step_log JOIN journey USING (journey_id)
             WHERE name = 'tardy' AND (decision->'late'->>'due_at')::timestamptz = :'entered'::timestamptz + interval '1 day'), 'a ended rule, b advanced',
  'an end by an exit rule at a late timer is recorded as late, as an advance is');
SELECT set_clock('2030-03-01 00:00+00') \gset _

-- Time that stands still in a pause, and starts again in it
SELECT make('still', '{"on": "stood"}', '{"w": {"wait": {"for": [{"on": "never", "next": "x"}], "until": {"after": "3 days", "next": "x"}}, "restart_on": "again"}}') \gset _
SELECT happened('stood', 'a') \gset _
CALL run();
SELECT advance_clock('2 days') \gset _
SELECT pause('still', waits => 'extend') \gset _
SELECT advance_clock('2 days') \gset _
CALL run();
SELECT is(place('still'), 'w waiting 03-04 00:00', 'the due time passes in the pause');
SELECT happened('again', 'a') \gset _
CALL run();
SELECT is(told('still'), 'entered 03-04 00:00, restarted 03-08 00:00', 'the log tells the due time that the restart began');
SELECT make('still', '{"on": "stood"}', '{"w": {"wait": {"for": [{"on": "never", "next": "x"}], "until": {"after": "3 days", "next": "x"}}, "restart_on": "again"}}', '{"description": "2"}', 'move') \gset _
CALL run();
SELECT is(told('still'), 'entered 03-04 00:00, restarted 03-08 00:00, moved 03-08 00:00', 'and does so again where the run is moved in the pause');
SELECT is_empty($$SELECT * FROM verify('full') WHERE NOT holds$$, 'the laws hold in the pause');
SELECT advance_clock('1 hour') \gset _
SELECT resume('still') \gset _
CALL run();
SELECT advance_clock('3 days') \gset _
CALL run();
SELECT is(trail('still'), 'entered w, restarted again, moved, moved w, advanced timeout, ended x', 'three days after the resume the run goes on');
SELECT is((SELECT ended_at FROM enrollment_status WHERE journey = 'still'), '2030-03-08 01:00+00', 'neither earlier nor later');

SELECT set_clock('2030-04-01 00:00+00') \gset _
SELECT make('dated', '{"on": "dated"}', '{"w": {"delay": {"until": "(event->>''at'')::timestamptz"}, "restart_on": "again_2", "next": "x"}}') \gset _
SELECT happened('dated', 'a', '{"at": "2030-04-10T00:00Z"}') \gset _
CALL run();
SELECT pause('dated', waits => 'extend') \gset _
SELECT advance_clock('3 days'), happened('again_2', 'a', '{"at": "2030-04-20T00:00Z"}') \gset _
CALL run();
SELECT advance_clock('2 days') \gset _
SELECT resume('dated') \gset _
SELECT set_clock('2030-04-21 23:59+00') \gset _
CALL run();
SELECT is(told('dated'), 'entered 04-10 00:00, restarted 04-20 00:00', 'a date in the log is the date');
SELECT is(trail('dated'), 'entered w, restarted again_2', 'it moves on by what is left of the pause');
SELECT advance_clock('1 minute') \gset _
CALL run();
SELECT is(trail('dated'), 'entered w, restarted again_2, advanced x, ended x', 'and no further');

-- Moved: steps that had no due time, or have none any more
SELECT set_clock('2030-05-01 00:00+00') \gset _
SELECT make('timeless', '{"on": "moved"}', '{"w": {"wait": {"for": [{"on": "yes", "next": "x"}, {"when": "journey.version = 2", "next": "x"}]}}}') \gset _
SELECT make('asking', '{"on": "moved"}', '{"w": {"approve": {"question": "?"}, "next": {"yes": "x", "no": "x"}}}') \gset _
SELECT make('guest', '{"journey": true}', '{"w": {"wait": {"for": [{"on": "never", "next": "x"}]}}}') \gset _
SELECT make('hosting', '{"on": "moved"}', '{"w": {"enter": {"journey": "guest", "wait": true}, "next": "x"}}') \gset _
SELECT make('endless', '{"on": "moved"}', '{"w": {"delay": {"until": "timestamptz ''infinity''"}, "next": "x"}}') \gset _
SELECT happened('moved', 'a') \gset _
CALL run();
SELECT advance_clock('1 day') \gset _
SELECT pause('timeless') \gset _
SELECT make('timeless', '{"on": "moved"}', '{"w": {"wait": {"for": [{"on": "yes", "next": "x"}, {"when": "journey.version = 2", "next": "x"}], "until": {"after": "2 days", "next": "x"}}}}', inflight => 'move') \gset _
SELECT make('asking', '{"on": "moved"}', '{"w": {"approve": {"question": "?", "until": {"after": "2 days", "next": "x"}}, "next": {"yes": "x", "no": "x"}}}', inflight => 'move') \gset _
SELECT make('hosting', '{"on": "moved"}', '{"w": {"enter": {"journey": "guest", "wait": true, "until": {"after": "2 days", "next": "x"}}, "next": "x"}}', inflight => 'move') \gset _
SELECT make('endless', '{"on": "moved"}', '{"w": {"delay": "2 days", "next": "x"}}', inflight => 'move') \gset _
CALL run();
SELECT is(place(j), want, 'moved to a due time: ' || j) FROM (VALUES ('timeless', 'w waiting 05-04 00:00'), ('asking', 'w waiting 05-04 00:00'), ('hosting', 'w waiting 05-04 00:00'), ('endless', 'w delayed 05-04 00:00')) AS v(j, want);
SELECT is((SELECT count(*) FROM approval WHERE journey = 'asking'), 1::bigint, 'nobody is asked twice');
SELECT is((SELECT entered FROM journey_status WHERE journey = 'guest'), 1::bigint, 'and no child entered twice');
SELECT advance_clock('1 day') \gset _
SELECT make('timeless', '{"on": "moved"}', '{"w": {"wait": {"for": [{"on": "yes", "next": "x"}]}}}', '{"description": "3"}', 'move') \gset _
SELECT make('asking', '{"on": "moved"}', '{"w": {"approve": {"question": "?"}, "next": {"yes": "x", "no": "x"}}}', '{"description": "3"}', 'move') \gset _
SELECT make('hosting', '{"on": "moved"}', '{"w": {"enter": {"journey": "guest", "wait": true}, "next": "x"}}', '{"description": "3"}', 'move') \gset _
SELECT advance_clock('5 days') \gset _
CALL run();
SELECT is(place(j), 'w waiting', 'moved to a step that waits for ever: ' || j) FROM unnest('{timeless,asking,hosting}'::text[]) AS j;
SELECT happened('yes', 'a') \gset _
SELECT resume('timeless') \gset _
CALL run();
SELECT is(trail('timeless'), 'entered w, moved, moved w, moved, moved w, advanced yes, held paused, released resumed, ended x', 'who waits is not held by a move in a pause, and hears what comes');

-- A held run has not begun its step: it moves also where the verb is another
SELECT make('kind', '{"on": "kind"}', '{"w": {"delay": "1 day", "next": "x"}}') \gset _
SELECT pause('kind'), happened('kind', 'a') \gset _
SELECT make('kind', '{"on": "kind"}', '{"w": {"update": {"n": "1"}, "next": "x"}}', inflight => 'move') \gset _
CALL run();
SELECT resume('kind') \gset _
CALL run();
SELECT is(trail('kind'), 'entered w, held paused, moved, moved w, released resumed, advanced x, ended x', 'a held run moves to a step of another kind');

-- What a digest has collected is not the first of the next one, also after a pause
SELECT make('twice', '{"on": "one"}', '{"w": {"digest": {"on": "one", "for": "1 day", "max": 2}, "next": "u"}, "u": {"update": {"n": "1"}, "next": "second"},
  "second": {"digest": {"on": "one", "for": "1 day"}, "next": "x"}}') \gset _
SELECT happened('one', 'a', '{"n": 1}') \gset _
CALL run();
SELECT pause('twice'), happened('one', 'a', '{"n": 2}') \gset _
CALL run();
SELECT resume('twice') \gset _
CALL run();
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT is((SELECT string_agg(l.context::text, ' ' ORDER BY visit) FROM step_log AS l JOIN journey USING (journey_id) WHERE name = 'twice'), '{"w": [{"n": 1}, {"n": 2}]} {"n": 1} {"second": []}', 'an event is collected once, also where a pause lies between');

SELECT is_empty($$SELECT * FROM verify('full') WHERE NOT holds$$, 'the laws hold');
SELECT finish();
