/*
 * sql/steps_enter.sql
 *    The enter step: a child with and without waiting, its outcome, refusals,
 *    timeout, an early end of the parent, holdout, circles.
 */
CREATE EXTENSION journey_orch;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET client_min_messages = warning;
SET search_path = public, journey_orch;

CREATE TABLE customer (id bigint PRIMARY KEY, name text, points int NOT NULL DEFAULT 0);
INSERT INTO customer SELECT i, 'c' || i, i FROM generate_series(1, 9) AS i;
SELECT bind_customer('public.customer', 'id');
SELECT set_clock('2026-03-01 12:00+00');

/* what happened, one line an advance */
CREATE VIEW trail AS
SELECT l.customer_id AS who, j.name AS journey, l.key, l.visit, l.outcome, l.from_step, l.to_step, l.reason,
       to_char(l.clock, 'MM-DD HH24:MI:SS') AS at, l.context, l.decision ->> 'sqlstate' AS sqlstate
FROM journey_orch.step_log AS l JOIN journey_orch.journey AS j USING (journey_id)
ORDER BY l.clock, l.customer_id, l.batch, l.ctid;
/* define and publish */
CREATE FUNCTION live(definition jsonb) RETURNS text LANGUAGE sql AS $$
  SELECT journey_orch.define(definition) IS NOT NULL;
  SELECT max(p.step) FROM journey_orch.publish(definition ->> 'journey') AS p WHERE p.inside = 0;
$$;



/* a child that takes its time, and one that ends at once */
SELECT live('{"journey": "slow", "entry": {"journey": true, "reentry": {"policy": "any"}}, "start": "ask", "steps": {
  "ask": {"wait": {"for": [{"on": "answered", "next": "note"}], "until": {"after": "10 days", "next": "silent"}}},
  "note": {"update": {"answer": "event->''text''"}, "next": "done"}, "done": {"exit": "answered"}, "silent": {"exit": "silent"}}}');
SELECT live('{"journey": "quick", "entry": {"journey": ["parent", "free"], "reentry": {"policy": "any"}}, "start": "a", "steps": {
  "a": {"update": {"seen": "context->''given''", "key": "journey.key"}, "next": "b"}, "b": {"exit": "seen"}}}');
SELECT live('{"journey": "once", "entry": {"journey": true}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT live('{"journey": "only_api", "entry": {"api": true}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT live('{"journey": "parent", "entry": {"on": "begin", "reentry": {"policy": "any"}}, "exit": [{"on": "stop"}, {"when": "customer.points < 0", "reason": "blocked"}], "start": "first", "steps": {
  "first":  {"enter": {"journey": "quick", "context": "jsonb_build_object(''given'', event->''n'')", "key": "''k'' || customer.id", "wait": true, "until": {"after": "1 hour", "next": "lost"}}, "into": "q", "next": "second"},
  "second": {"enter": {"journey": "slow", "wait": true, "until": {"after": "5 days", "next": "late"}}, "next": "third", "on_failure": "lost"},
  "third":  {"branch": [{"when": "context->''second''->>''reason'' = ''answered''", "next": "happy"}], "else": "sad"},
  "happy":  {"exit": "happy"}, "sad": {"exit": "sad"}, "late": {"delay": "20 days", "next": "sad"}, "lost": {"exit": "lost"}}}');
SELECT count(emit('begin', c::text, '{"n": 42}')) FROM generate_series(1, 5) AS c;
CALL run();
SELECT journey, key, outcome, from_step, to_step, reason, context FROM trail WHERE who = '1';
SELECT journey, step, state, due_at FROM enrollment_status WHERE customer_id = '1' AND state <> 'ended' ORDER BY 1;
/* 1: answered. 2: never. 3: the parent leaves early, so does the child. 4: an exit rule of the parent. 5: both at the same instant */
SELECT emit('answered', '1', '{"text": "fine"}') IS NOT NULL;
SELECT leave('parent', '3') IS NOT NULL;
SELECT emit('stop', '4') IS NOT NULL;
UPDATE customer SET points = -1 WHERE id = 5;
SELECT emit('answered', '5', '{"text": "too late"}') IS NOT NULL;
CALL run();
SELECT customer_id, journey, state, step, exit_reason FROM enrollment_status WHERE journey IN ('parent', 'slow') ORDER BY 1, 2;
SELECT journey, outcome, from_step, to_step, reason, context FROM trail WHERE who = '1' AND visit > 1 AND journey = 'parent';
SELECT advance_clock('30 days');
CALL run();
SELECT journey, outcome, from_step, to_step, reason, at FROM trail WHERE who = '2' AND journey <> 'quick';
SELECT law, detail FROM verify('full') WHERE NOT holds;

/* refused: by re-entry, by the entry's kind, unknown, a draft; with and without on_failure */
SELECT define('{"journey": "draft", "entry": {"journey": true}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT severity, code, path, message FROM check_definition('{"journey": "refused", "entry": {"on": "knock"}, "start": "a", "steps": {
  "a": {"enter": {"journey": "once", "wait": true}, "next": "b"}, "b": {"enter": {"journey": "only_api", "wait": true, "until": {"after": "1 day", "next": "c"}}, "next": "c"},
  "c": {"enter": "nowhere", "next": "d"}, "d": {"enter": "draft", "next": "e"}, "e": {"enter": "quick", "next": "f"}, "f": {"exit": "done"}}}');
SELECT live('{"journey": "refused", "entry": {"on": "knock", "reentry": {"policy": "any"}}, "start": "a", "steps": {
  "a": {"enter": {"journey": "once", "wait": true}, "into": "first", "next": "b", "on_failure": "b2"},
  "b2": {"update": {"b2": "true"}, "next": "b"},
  "b": {"enter": {"journey": "once", "wait": true}, "into": "second", "next": "lost", "on_failure": "c"},
  "c": {"enter": {"journey": "only_api", "wait": true}, "next": "d"},
  "d": {"enter": {"journey": "nowhere", "wait": true}, "next": "e"},
  "e": {"enter": {"journey": "draft", "wait": true}, "next": "f"},
  "f": {"enter": {"journey": "quick", "wait": true}, "next": "g"},
  "g": {"enter": {"journey": "slow", "context": "to_jsonb(1)"}, "next": "lost", "on_failure": "h"},
  "h": {"enter": {"journey": "slow", "key": "(1 / (customer.points - customer.points))::text"}, "next": "lost", "on_failure": "done"},
  "done": {"exit": "done"}, "lost": {"exit": "lost"}}}');
SELECT emit('knock', '6') IS NOT NULL;
CALL run();
SELECT journey, outcome, from_step, to_step, reason, context, sqlstate FROM trail WHERE who = '6';

/* without waiting the parent goes on at once; when_cancelled: continue */
SELECT live('{"journey": "free", "entry": {"on": "free"}, "start": "a", "steps": {"a": {"enter": "slow", "next": "b"}, "b": {"enter": {"journey": "quick"}, "next": "c"}, "c": {"exit": "gone"}}}');
SELECT live('{"journey": "loose", "entry": {"on": "loose"}, "start": "a", "steps": {"a": {"enter": {"journey": "slow", "wait": true, "when_cancelled": "continue"}, "next": "c"}, "c": {"exit": "done"}}}');
SELECT emit('free', '7') IS NOT NULL;
SELECT emit('loose', '8') IS NOT NULL;
CALL run();
SELECT leave('loose', '8') IS NOT NULL;
CALL run();
SELECT customer_id, journey, state, exit_reason FROM enrollment_status WHERE customer_id IN ('7', '8') ORDER BY 1, 2;
SELECT event, kind, payload - 'parent_id' AS payload FROM event_log WHERE customer_id = '7' ORDER BY event_id;

/* a parent that is ended by what it caused itself, before its child begins: no child */
SELECT live('{"journey": "hasty", "entry": {"on": "hasty"}, "exit": [{"on": "oops"}], "start": "a", "steps": {"a": {"emit": "oops", "next": "b"}, "b": {"enter": {"journey": "slow", "wait": true}, "next": "c"}, "c": {"exit": "done"}}}');
SELECT emit('hasty', '9') IS NOT NULL;
CALL run();
SELECT journey, outcome, from_step, to_step, reason FROM trail WHERE who = '9';

/* a held-out run enters nobody */
SELECT live('{"journey": "held", "entry": {"on": "held", "holdout": 1}, "start": "a", "steps": {"a": {"enter": {"journey": "slow", "wait": true}, "next": "b"}, "b": {"exit": "done"}}}');
SELECT emit('held', '9') IS NOT NULL;
CALL run();
SELECT journey, outcome, from_step, reason FROM trail WHERE journey = 'held';

/* forty micro-journeys one after the other are no circle */
SELECT live(format('{"journey": "forty", "entry": {"on": "forty"}, "start": "s1", "steps": {%s, "s41": {"exit": "done"}}}',
  (SELECT string_agg(format('"s%s": {"enter": {"journey": "bit", "wait": true}, "next": "s%s"}', i, i + 1), ', ') FROM generate_series(1, 40) AS i))::jsonb);
SELECT live('{"journey": "bit", "entry": {"journey": true, "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT emit('forty', '9') IS NOT NULL;
CALL run();
SELECT journey, reason, count(*) FROM trail WHERE journey IN ('forty', 'bit') AND outcome = 'ended' GROUP BY 1, 2;

/* circles: seen at publish, with a delay allowed, hidden ones stopped */
SELECT live('{"journey": "egg", "entry": {"on": "lay", "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"delay": "1 day", "next": "b"}, "b": {"enter": "hen", "next": "c"}, "c": {"exit": "done"}}}');
SELECT live('{"journey": "hen", "entry": {"journey": true, "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"enter": "egg", "next": "b"}, "b": {"exit": "done"}}}');
\set VERBOSITY default
SELECT define('{"journey": "egg", "entry": {"on": "lay"}, "start": "a", "steps": {"a": {"branch": [{"when": "customer.points > 3", "next": "b"}], "else": "c"}, "b": {"enter": "hen", "next": "c"}, "c": {"exit": "done"}}}');
SELECT define('{"journey": "self", "entry": {"on": "lay"}, "start": "b", "steps": {"b": {"enter": {"journey": "self", "wait": true, "until": {"after": "1 day", "next": "c"}}, "next": "c"}, "c": {"exit": "done"}}}');
\set VERBOSITY terse
/* hidden: the circle goes through an event */
SELECT live('{"journey": "sly_a", "entry": {"on": "sly", "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"enter": {"journey": "sly_b", "wait": true}, "next": "b"}, "b": {"exit": "done"}}}');
SELECT live('{"journey": "sly_b", "entry": {"journey": true, "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"emit": "sly", "next": "b"}, "b": {"exit": "done"}}}');
SELECT emit('sly', '9') IS NOT NULL;
CALL run();
SELECT journey, reason, count(*) FROM trail WHERE journey LIKE 'sly%' AND outcome = 'ended' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT law, detail FROM verify('full') WHERE NOT holds;
