/*
 * test/pgtap/order.sql
 *    The rules that decide results: who is offered an event, in which order,
 *    at which instant, and who may enter (DESIGN: Order and instants; Rules
 *    that decide results).  Each case has a journey and an event name of its
 *    own.
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

-- Define and publish: entry, steps from a wait "w" on, anything else.
CREATE FUNCTION make(name text, entry jsonb, steps jsonb, more jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
  SELECT define(jsonb_build_object('journey', name, 'entry', entry, 'start', 'w', 'steps', steps) || more);
  SELECT publish(name);
$$;
CREATE FUNCTION happened(event text, customer text, payload jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS
  $$SELECT emit(event, customer, payload)$$;
-- What happened to the runs of a journey, in order.
CREATE FUNCTION trail(name text, customer text DEFAULT '%') RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat_ws(' ', l.key, l.outcome, coalesce(l.reason, l.to_step)), ', ' ORDER BY l.clock, l.batch, l.ctid)
    FROM step_log AS l JOIN journey USING (journey_id) WHERE journey.name = trail.name AND l.customer_id LIKE trail.customer
$$;
CREATE FUNCTION entries(name text) RETURNS bigint LANGUAGE sql AS
  $$SELECT count(*) FROM step_log JOIN journey USING (journey_id) WHERE journey.name = entries.name AND outcome = 'entered'$$;

SELECT plan(64);
SELECT bind_customer('customer', 'id') \gset _
SELECT set_channel('email', 'customer.id') \gset _
SELECT set_template('t', 'email', 'Hello') \gset _
SELECT set_clock('2026-01-01 00:00+00') \gset _

-- The instant of a timer
SELECT make('instant', '{"on": "asked"}', '{"w": {"wait": {"for": [{"on": "yes", "next": "told"}], "until": {"after": "1 day", "next": "silent"}}},
  "told": {"exit": "told"}, "silent": {"exit": "silent"}}') \gset _
SELECT happened('asked', 'a'), happened('asked', 'b'), happened('asked', 'c') \gset _
CALL run();
BEGIN;
SELECT set_clock('2026-01-01 23:59:59.999999+00'), happened('yes', 'a') \gset _
COMMIT;
BEGIN;
SELECT set_clock('2026-01-02 00:00+00'), happened('yes', 'b') \gset _
COMMIT;
BEGIN;
SELECT set_clock('2026-01-02 00:00:00.000001+00'), happened('yes', 'c') \gset _
COMMIT;
CALL run();
SELECT is(trail('instant', 'a'), 'entered w, advanced yes, ended told', 'an event a microsecond before the timer');
SELECT is(trail('instant', 'b'), 'entered w, advanced yes, ended told', 'an event at the same instant comes first');
SELECT is(trail('instant', 'c'), 'entered w, advanced timeout, ended silent', 'a microsecond later the timer comes first');
SELECT is((SELECT ended_at FROM enrollment_status WHERE journey = 'instant' AND customer_id = 'c'), '2026-01-02 00:00+00', 'and at its own instant');

-- Order within a statement; the events of one run
SELECT make('sequence', '{"on": "begun"}', '{"w": {"wait": {"for": [{"on": "next", "next": "u1"}]}}, "u1": {"update": {"first": "event->''n''"}, "next": "w2"},
  "w2": {"wait": {"for": [{"on": "next", "next": "u2"}]}}, "u2": {"update": {"second": "event->''n''"}, "next": "w3"}, "w3": {"wait": {"for": [{"on": "never", "next": "x"}]}}, "x": {"exit": "x"}}') \gset _
SELECT happened('begun', 'a') \gset _
SELECT count(emit('next', 'a', jsonb_build_object('n', n))) FROM generate_series(3, 1, -1) AS n \gset _
CALL run();
SELECT is((SELECT context FROM enrollment_status WHERE journey = 'sequence'), '{"first": 3, "second": 2}', 'events of one statement are applied in its order');
SELECT happened('begun', 'b') \gset _
SELECT emit_many('[{"event": "next", "customer": "b", "payload": {"n": 7}}, {"event": "next", "customer": "c"}, {"event": "next", "customer": "b", "payload": {"n": 5}}]') \gset _
CALL run();
SELECT is((SELECT context FROM enrollment_status WHERE journey = 'sequence' AND customer_id = 'b'), '{"first": 7, "second": 5}', 'those of emit_many() too');

-- The entering event, and the one that ends a run
SELECT make('again', '{"on": "bought", "reentry": {"policy": "after_exit"}}', '{"w": {"wait": {"for": [{"on": "bought", "next": "x"}]}}, "x": {"exit": "back"}}') \gset _
SELECT count(happened('bought', 'a')) FROM generate_series(1, 3) \gset _
CALL run();
SELECT is(trail('again'), 'entered w, advanced bought, ended back, entered w, advanced bought, ended back, entered w',
  'the entering event is not offered to its run, and one that ends a run starts the next');
SELECT make('goal_again', '{"on": "won", "reentry": {"policy": "after_exit"}}', '{"w": {"wait": {"for": [{"on": "never", "next": "x"}]}}, "x": {"exit": "x"}}', '{"goal": {"on": "won"}}') \gset _
SELECT count(happened('won', 'a')) FROM generate_series(1, 2) \gset _
CALL run();
SELECT is(trail('goal_again'), 'entered w, converted goal, ended goal, entered w', 'nor does it meet the goal of its run');

-- Routing by key, match_key, of
SELECT make('routed', '{"on": "cart", "key": "event->>''k''", "reentry": {"policy": "any"}}', '{"w": {"wait": {"for": [{"on": "cart", "next": "again"}, {"on": "ping", "match_key": "event->>''k''", "next": "pinged"}, {"on": "all", "next": "all"}]}},
  "again": {"exit": "again"}, "pinged": {"exit": "pinged"}, "all": {"exit": "all"}}') \gset _
SELECT count(happened('cart', 'a', format('{"k": "%s"}', k)::jsonb)) FROM unnest('{1,2,3,4}'::text[]) AS k \gset _
SELECT happened('cart', 'a') \gset _
CALL run();
SELECT is(entries('routed'), 5::bigint, 'a run for each key, and one for no key');
SELECT happened('cart', 'a', '{"k": "2"}'), happened('ping', 'a', '{"k": "3"}'), happened('ping', 'a', '{"k": "nobody"}') \gset _
CALL run();
SELECT is((SELECT string_agg(concat_ws(' ', key, exit_reason), ', ' ORDER BY key) FROM enrollment_status WHERE journey = 'routed' AND state = 'ended'), '2 again, 3 pinged',
  'an event of entry.on goes to the run with its key, match_key to the run it names');
SELECT is((SELECT count(*) FROM enrollment_status WHERE journey = 'routed' AND key = '2' AND state = 'waiting'), 1::bigint, 'and starts the next run of that key');
SELECT happened('ping', 'a') \gset _
CALL run();
SELECT is((SELECT string_agg(concat_ws(' ', coalesce(key, 'none'), exit_reason), ', ') FROM enrollment_status WHERE journey = 'routed' AND key IS NULL), 'none pinged', 'no key equals no key');
SELECT happened('all', 'a') \gset _
CALL run();
SELECT is((SELECT count(*) FROM enrollment_status WHERE journey = 'routed' AND state <> 'ended'), 0::bigint, 'without match_key an event goes to all the runs of the customer');
SELECT is((SELECT count(*) FROM enrollment_status WHERE journey = 'routed' AND exit_reason = 'all'), 3::bigint, 'each of them');

SELECT make('clicks', '{"on": "mailed", "reentry": {"policy": "any"}}', '{"w": {"send": {"channels": ["email"], "template": "t"}, "next": "two"}, "two": {"send": {"channels": ["email"], "template": "t"}, "next": "wait"},
  "wait": {"wait": {"for": [{"on": "message.clicked", "of": "two", "next": "second"}, {"on": "message.clicked", "next": "any"}]}}, "second": {"exit": "second"}, "any": {"exit": "any"}}') \gset _
SELECT count(happened('mailed', 'a')) FROM generate_series(1, 2) \gset _
CALL run();
SELECT array_agg(enrollment_id ORDER BY enrollment_id) AS ids FROM enrollment_status WHERE journey = 'clicks' \gset
SELECT report(message_id, 'clicked') FROM message_status WHERE enrollment_id = (:'ids'::uuid[])[1] AND step = 'two' \gset _
CALL run();
SELECT is((SELECT array_agg(exit_reason ORDER BY enrollment_id) FROM enrollment_status WHERE journey = 'clicks'), '{second,any}', 'of takes only reports on the run''s own message of that step');

-- Goal before exit rules before the step; the first branch wins
SELECT make('ranks', '{"on": "ranked", "reentry": {"policy": "any"}}', '{"w": {"wait": {"for": [{"on": "e", "when": "(event->>''n'')::int > 1", "next": "one"}, {"on": "e", "next": "two"}]}}, "one": {"exit": "one"}, "two": {"exit": "two"}}',
  '{"goal": {"on": "e", "when": "event ? ''goal''", "exit": false}, "exit": [{"on": "e", "when": "event ? ''stop''", "reason": "stop"}, {"on": "e", "when": "event ? ''stop'' OR event ? ''end''", "reason": "end"}]}') \gset _
CREATE TABLE rank (n int, payload jsonb, want text);
INSERT INTO rank VALUES
  (1, '{"goal": 1, "stop": 1, "n": 2}', 'entered w, converted goal, ended stop'), (2, '{"stop": 1, "end": 1}', 'entered w, ended stop'), (3, '{"end": 1, "n": 2}', 'entered w, ended end'),
  (4, '{"goal": 1, "n": 2}', 'entered w, converted goal, advanced e, ended one'), (5, '{"n": 1}', 'entered w, advanced e, ended two'), (6, '{"n": 2}', 'entered w, advanced e, ended one');
INSERT INTO customer SELECT 'r' || n FROM rank;
SELECT count(happened('ranked', 'r' || n)) FROM rank \gset _
SELECT count(happened('e', 'r' || n, payload)) FROM rank \gset _
CALL run();
SELECT is(trail('ranks', 'r' || n), want, 'ranks of ' || payload::text) FROM rank ORDER BY n;

-- Goal and exit rules come before the step that awaits its message, too
SELECT count(make('fate_' || n, '{"on": "fated"}', '{"w": {"send": {"channels": ["email"], "template": "t"}, "next": "x", "on_failure": "y"}, "x": {"exit": "x"}, "y": {"exit": "y"}}', more))
  FROM (VALUES ('rule', '{"exit": [{"on": "message.sent", "of": "w", "reason": "sent"}, {"on": "message.failed", "reason": "failed"}]}'::jsonb), ('goal', '{"goal": {"on": "message.sent"}}'),
    ('count', '{"goal": {"on": "message.sent", "of": "w", "exit": false}}'), ('raise', '{"exit": [{"on": "message.sent", "of": "w", "when": "(event->>''channel'')::int > 0"}]}')) AS v (n, more) \gset _
SELECT happened('fated', 'a'), happened('fated', 'b') \gset _
CALL run();
CREATE TABLE claimed AS SELECT * FROM claim('email', 'test');
SELECT count(a.outcome) FROM claimed AS c, ack(c.claim_id, ARRAY[c.message_id]) AS a WHERE c.customer_id = 'a' \gset _
SELECT count(nack(claim_id, message_id, 'gone', permanent => true)) FROM claimed WHERE customer_id = 'b' \gset _
CALL run();
SELECT is(trail('fate_rule', 'a'), 'entered w, ended sent', 'an exit rule takes message.sent before the step');
SELECT is(trail('fate_rule', 'b'), 'entered w, ended failed', 'and message.failed');
SELECT is(trail('fate_goal', 'a'), 'entered w, converted goal, ended goal', 'so does a goal');
SELECT is(trail('fate_count', 'a'), 'entered w, converted goal, advanced sent, ended x', 'one that does not end the run leaves the answer to the step');
SELECT is(trail('fate_count', 'b'), 'entered w, advanced failed, ended y', 'as does an event that meets nothing');
SELECT is(trail('fate_raise', 'a'), 'entered w, parked 22P02', 'a rule that raises parks the run where it stands');
SELECT is((SELECT count(*) FROM message WHERE customer_id = 'a'), 0::bigint, 'a message that was sent is settled whatever became of its run');

-- The next channel's message is about the same event, and none goes out after its time
SELECT set_channel('second', 'customer.id') \gset _
SELECT set_template('about', c, '{{ event->>''n'' }} {{ journey.event_name }}') FROM unnest('{email,second}'::text[]) AS c \g /dev/null
SELECT make('fallback', '{"on": "first"}', '{"w": {"wait": {"for": [{"on": "then", "next": "s"}]}},
  "s": {"send": {"channels": ["email", "second"], "template": "about", "expires_after": "1 day"}, "next": "u", "on_failure": "lost"},
  "u": {"update": {"n": "event->''n''", "by": "journey.event_name"}, "next": "x"}, "x": {"exit": "x"}, "lost": {"exit": "lost"}}') \gset _
SELECT count(happened('first', c)), count(happened('then', c, '{"n": 7}')) FROM unnest('{a,b}'::text[]) AS c \gset _
CALL run();
CREATE TABLE first AS SELECT * FROM claim('email', 'test');
SELECT count(nack(claim_id, message_id, 'gone', permanent => true)) FROM first WHERE customer_id = 'a' \gset _
SELECT happened('first', 'c'), happened('then', 'c') \gset _
CALL run();
CREATE TABLE second AS SELECT * FROM claim('second', 'test');
SELECT is((SELECT payload->>'body' FROM second), '7 then', 'the fallback sees the event that brought the run to the send');
SELECT count(a.*) FROM second, ack(claim_id, ARRAY[message_id]) AS a \gset _
CALL run();
SELECT is((SELECT l.context FROM step_log AS l JOIN journey AS j USING (journey_id) WHERE j.name = 'fallback' AND l.from_step = 'u' AND l.outcome = 'advanced'), '{"n": 7, "by": "then"}', 'and so does the step after it');
SELECT advance_clock('1 day') \gset _
SELECT count(nack(claim_id, message_id, 'gone', permanent => true)) FROM first WHERE customer_id = 'b' \gset _
SELECT count(*) FROM claim('email', 'test') \gset _
CALL run();
SELECT is(trail('fallback', 'b'), 'entered w, advanced then, advanced failed, ended lost', 'when the time of the message is over no other channel is tried');
SELECT is(trail('fallback', 'c'), 'entered w, advanced then, advanced failed, ended lost', 'nor when no relay has taken it in time');

-- A pause holds a run before another channel; where none is left the run has gone on, and is held there
SELECT count(make('only_' || name, '{"on": "only"}', jsonb_build_object('w', jsonb_build_object('send', jsonb_build_object('template', 'about', 'channels', channels, 'expires_after', '2 hours'), 'next', 'x', 'on_failure', 'lost'),
  'x', '{"exit": "x"}'::jsonb, 'lost', '{"exit": "lost"}'::jsonb))) FROM (VALUES ('one', '["email"]'::jsonb), ('two', '["email", "second"]')) AS v(name, channels) \gset _
SELECT happened('only', 'a'), happened('only', 'b') \gset _
CALL run();
CREATE TABLE given AS SELECT * FROM claim('email', 'test') WHERE journey LIKE 'only%';
SELECT pause('only_one'), pause('only_two') \gset _
SELECT count(nack(claim_id, message_id, 'gone', permanent => customer_id = 'a', retry_after => CASE customer_id WHEN 'b' THEN interval '1 day' END)) FROM given \gset _
CALL run();
SELECT is(trail('only_one', 'a'), 'entered w, advanced failed, held paused', 'a send without another channel has ended: held where that led');
SELECT is(trail('only_two', 'a'), 'entered w, held paused', 'one with another channel is held before it');
SELECT advance_clock('1 hour 59 minutes') \gset _
SELECT is((SELECT string_agg(DISTINCT state, ' ') FROM message_status WHERE journey LIKE 'only%' AND customer_id = 'b'), 'deferred', 'a message waits for its next attempt');
SELECT advance_clock('1 minute') \gset _
SELECT is((SELECT string_agg(DISTINCT state, ' ') FROM message_status WHERE journey LIKE 'only%' AND customer_id = 'b'), 'expired', 'until its time is over');

-- Attempts are those of the channel: the one before it and a pause use up none
SELECT set_channel(c, 'customer.id', max_attempts => 2, retry_after => '1 hour') FROM unnest('{short,other}'::text[]) AS c \g /dev/null
SELECT set_template('brief', c, 'Hello') FROM unnest('{short,other}'::text[]) AS c \g /dev/null
SELECT make('tried_one', '{"on": "tried"}', '{"w": {"send": {"channels": ["short"], "template": "brief"}, "next": "x"}, "x": {"exit": "x"}}'),
  make('tried_two', '{"on": "tried"}', '{"w": {"send": {"channels": ["other", "short"], "template": "brief"}, "next": "x"}, "x": {"exit": "x"}}') \gset _
SELECT happened('tried', 'a') \gset _
CALL run();
SELECT pause('tried_one') \gset _
SELECT count(*) FROM claim('short', 'test') \gset _
CALL run();
SELECT count(nack(claim_id, message_id, 'gone', permanent => true)) FROM claim('other', 'test') \gset _
CALL run();
SELECT resume('tried_one') \gset _
CALL run();
SELECT is((SELECT string_agg(concat_ws(' ', journey, channel, attempt), ', ' ORDER BY journey) FROM message_status WHERE journey LIKE 'tried%'), 'tried_one short 2, tried_two short 2', 'one was deferred by a pause, one failed on another channel');
SELECT count(nack(claim_id, message_id, 'busy')) AS given FROM claim('short', 'test') \gset
CALL run();
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', state, due_at - clock() BETWEEN '1 hour' AND '66 minutes'), ', ') FROM message JOIN journey USING (journey_id) WHERE name LIKE 'tried%'), 'deferred t', 'the first failure here: the first back-off, and another attempt');
SELECT advance_clock('66 minutes') \gset _
CALL run();
SELECT count(nack(claim_id, message_id, 'busy')) AS again FROM claim('short', 'test') \gset
CALL run();
SELECT is(:given + :again, 4, 'each was handed out twice');
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', state, attempt), ', ') FROM message_status WHERE journey LIKE 'tried%'), 'dead 3', 'the second failure was the last');

-- Who may enter: k1, k1, k2, then all end, k1, k2
CREATE TABLE policy (name text, policy text, key text, want bigint);
INSERT INTO policy VALUES ('never', 'never', NULL, 1), ('never_k', 'never', 'event->>''k''', 2), ('after', 'after_exit', NULL, 2), ('after_k', 'after_exit', 'event->>''k''', 4),
  ('any', 'any', NULL, 5), ('any_k', 'any', 'event->>''k''', 4);
SELECT count(make('enter_' || name, jsonb_strip_nulls(jsonb_build_object('on', 'knock', 'key', key, 'reentry', jsonb_build_object('policy', policy))),
  '{"w": {"wait": {"for": [{"on": "leave", "next": "x"}]}}, "x": {"exit": "gone"}}')) FROM policy \gset _
SELECT happened('knock', 'a', '{"k": "1"}'), happened('knock', 'a', '{"k": "1"}'), happened('knock', 'a', '{"k": "2"}'), happened('leave', 'a'), happened('knock', 'a', '{"k": "1"}'), happened('knock', 'a', '{"k": "2"}') \gset _
CALL run();
SELECT is(entries('enter_' || name), want, 'entries with ' || policy || coalesce(' by ' || key, '')) FROM policy;

-- A date that has passed when it becomes known enters by the input that tells it, before an act of the same instant
SELECT make('passed', '{"date": {"value": "substring(customer.name FROM ''^2[0-9-]+$'')::date", "past": "enter"}}', '{"w": {"exit": "x"}}') \gset _
CALL run();
UPDATE customer SET name = '2025-05-05' WHERE id = 'a';
SELECT pause('passed', newcomers => 'ignore') \gset _
UPDATE customer SET name = '2025-05-05' WHERE id = 'b';
CALL run();
SELECT is(trail('passed', 'a') || '; ' || trail('passed', 'b'), 'entered w, ended x; refused paused', 'acts count from their ticket also for a date that has passed');

-- Cool-down by customer and by key: hours after the first entry of key 1
SELECT make('cool', '{"on": "cool", "key": "event->>''k''", "reentry": {"policy": "any", "cooldown": "2 hours"}}', '{"w": {"exit": "x"}}'),
  make('cool_k', '{"on": "cool", "key": "event->>''k''", "reentry": {"policy": "any", "cooldown": "2 hours", "cooldown_scope": "key"}}', '{"w": {"exit": "x"}}') \gset _
SELECT happened('cool', 'a', '{"k": "1"}') \gset _
SELECT advance_clock('1 hour'), happened('cool', 'a', '{"k": "1"}'), happened('cool', 'a', '{"k": "2"}') \gset _
SELECT advance_clock('59 minutes 59 seconds'), happened('cool', 'a', '{"k": "3"}') \gset _
SELECT advance_clock('1 second'), happened('cool', 'a', '{"k": "1"}') \gset _
CALL run();
SELECT is(trail('cool'), '1 entered w, 1 ended x, 1 refused cooldown, 2 refused cooldown, 3 refused cooldown, 1 entered w, 1 ended x', 'a cool-down is the customer''s');
SELECT is(trail('cool_k'), '1 entered w, 1 ended x, 1 refused cooldown, 2 entered w, 2 ended x, 3 entered w, 3 ended x, 1 entered w, 1 ended x', 'or the key''s');

-- Customers who are absent, or deleted during a run
SELECT count(make('there_' || a || '_' || d, '{"on": "came"}', '{"w": {"delay": "1 day", "next": "x"}, "x": {"branch": [{"when": "customer.name IS NULL", "next": "unknown"}], "else": "known"}, "unknown": {"exit": "unknown"}, "known": {"exit": "known"}}',
  jsonb_build_object('absent_customer', a, 'deleted_customer', d))) FROM unnest('{refuse,enter}'::text[]) AS a, unnest('{exit,continue}'::text[]) AS d \gset _
SELECT happened('came', 'd'), happened('came', 'nobody') \gset _
CALL run();
DELETE FROM customer WHERE id = 'd';
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT is(trail('there_refuse_exit', 'd'), 'entered w, ended customer_deleted', 'a deleted customer''s run exits');
SELECT is(trail('there_refuse_continue', 'd'), 'entered w, advanced x, advanced branch 1, ended unknown', 'or continues');
SELECT is(trail('there_refuse_exit', 'nobody'), 'refused customer_absent', 'an absent customer is refused');
SELECT is(trail('there_enter_exit', 'd'), 'entered w, ended customer_deleted', 'a row that was there is missed, also where one may be absent');
SELECT is(trail('there_enter_exit', 'nobody'), 'entered w, advanced x, advanced branch 1, ended unknown', 'one that was not there is not');
SELECT is(trail('there_enter_continue', 'nobody'), 'entered w, advanced x, advanced branch 1, ended unknown', 'or enters');

-- Value and currency of a conversion are each recorded where they are given
SELECT count(make('worth_' || n, '{"on": "sold"}', jsonb_build_object('w', jsonb_build_object('exit', 'sold', 'convert', convert)))) FROM (VALUES (1, '{"currency": "''EUR''"}'::jsonb), (2, '{"value": "5"}'), (3, '{"value": "NULL::numeric", "currency": "''EUR''"}'), (4, '{}')) AS v(n, convert) \gset _
SELECT happened('sold', 'a') \gset _
CALL run();
SELECT is((SELECT string_agg(concat_ws(' ', j.name, l.reason, l.value, l.currency), ', ' ORDER BY j.name) FROM step_log AS l JOIN journey AS j USING (journey_id) WHERE l.outcome = 'converted' AND j.name LIKE 'worth%'),
  'worth_1 sold EUR, worth_2 sold 5, worth_3 sold EUR, worth_4 sold', 'an exit step converts with what it is given');

-- Publishing is a point among the events
SELECT happened('early', 'a') \gset _
SELECT make('late_born', '{"on": "early"}', '{"w": {"exit": "x"}}') \gset _
CALL run();
SELECT is(entries('late_born'), 0::bigint, 'an event captured before a journey was published does not enter it');
SELECT happened('early', 'a') \gset _
CALL run();
SELECT is(entries('late_born'), 1::bigint, 'one after it does');

SELECT make('versions', '{"on": "v", "reentry": {"policy": "any"}}', '{"w": {"wait": {"for": [{"on": "fin", "next": "x"}]}}, "x": {"exit": "one"}}') \gset _
SELECT happened('v', 'a'), happened('v', 'b') \gset _
SELECT make('versions', '{"on": "v", "reentry": {"policy": "any"}}', '{"w": {"wait": {"for": [{"on": "fin", "next": "x"}]}}, "x": {"exit": "two"}}') \gset _
SELECT happened('v', 'c') \gset _
SELECT count(happened('fin', c)) FROM unnest('{a,b,c}'::text[]) AS c \gset _
CALL run();
SELECT is((SELECT string_agg(concat_ws(' ', customer_id, version, exit_reason), ', ' ORDER BY customer_id) FROM enrollment_status WHERE journey = 'versions'),
  'a 1 one, b 1 one, c 2 two', 'runs stay on the version that they entered, also when they entered late');

-- What run() and run_here() refuse, and how
\set ON_ERROR_STOP off
BEGIN;
SELECT happened('early', 'b'), run_here() \gset _
COMMIT;
SELECT is(:'SQLSTATE'::text, 'JO003', 'a trial cannot be committed');
BEGIN;
SELECT happened('early', 'b'), run_here() \gset _
PREPARE TRANSACTION 'trial';
SELECT is(:'SQLSTATE'::text, 'JO003', 'nor prepared');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT run_here();
\set code :SQLSTATE
ROLLBACK;
SELECT is(:'code'::text, '25001', 'run_here() needs READ COMMITTED');
CALL run(max_batches => 0);
SELECT is(:'SQLSTATE'::text, '22023', 'run() needs a batch');
\set ON_ERROR_STOP on

SELECT is_empty($$SELECT * FROM verify('full') WHERE NOT holds$$, 'every law holds');
SELECT * FROM finish();
