/*
 * sql/steps_emit.sql
 *    Commands of applications (enter, leave), entries by them, and the emit
 *    step: what it tells, that it is told at once, and that it cannot spin.
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

/* ---- enter(), leave(), command_status() ---- */

SELECT define('{
  "journey": "asked", "entry": {"api": true, "reentry": {"policy": "after_exit", "cooldown": "1 hour", "cooldown_scope": "key"}},
  "goal": {"on": "won", "match_key": "event->>''k''"},
  "start": "rest", "steps": {"rest": {"delay": "1 day", "next": "done"}, "done": {"exit": "done"}}}');
SELECT enter('asked', '1') AS draft \gset
CALL run();
SELECT command, status, rule, reason, at FROM command_status(:draft);
SELECT count(*) FROM publish('asked');
SELECT enter('asked', '1', '{"source": "shop"}', 'k1') AS first,
       enter('asked', '1', '{"source": "shop"}', 'k1') AS twice,
       enter('asked', '1', key => 'k2') AS other,
       enter('asked', '77') AS nobody \gset
SELECT status FROM command_status(:first);
CALL run();
SELECT n, command, status, rule, enrollment_id IS NOT NULL AS has_run
FROM unnest(ARRAY[:first, :twice, :other, :nobody]) WITH ORDINALITY AS c (id, n), command_status(c.id) ORDER BY n;
SELECT customer_id, key, step, context FROM enrollment_status ORDER BY key;
/* an idempotency key stands for one command */
SELECT enter('asked', '2', '{"n": 1}', idempotency_key => 'web-1') = enter('asked', '2', '{"n": 1}', idempotency_key => 'web-1') AS same;
SELECT enter('asked', '2', '{"n": 2}', idempotency_key => 'web-1');
/* keys route: the goal of k2 is not k1's; leave with a key, without, of nobody */
SELECT emit('won', '1', '{"k": "k2"}') IS NOT NULL;
SELECT leave('asked', '1', 'k9') AS none, leave('asked', '1', 'k1', 'bored') AS one, leave('asked', '2') AS every \gset
CALL run();
SELECT n, status, rule FROM unnest(ARRAY[:none, :one, :every]) WITH ORDINALITY AS c (id, n), command_status(c.id) ORDER BY n;
SELECT customer_id, key, exit_reason FROM enrollment_status ORDER BY 1, 2;
SELECT enter('asked', '1', key => 'k1') AS cooling \gset
CALL run();
SELECT status, rule FROM command_status(:cooling);
SELECT command_status(0);
/* every entry but "journey" takes enter(), which decides itself: "when" is not asked */
SELECT live('{"journey": "by_event", "entry": {"on": "x", "when": "false"}, "start": "a", "steps": {"a": {"update": {"e": "event", "n": "journey.event_name"}, "next": "b"}, "b": {"exit": "done"}}}');
SELECT live('{"journey": "by_journey", "entry": {"journey": ["mother"]}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT enter('by_event', '3', '{"a": 1}') AS event, enter('by_journey', '3') AS journey \gset
CALL run();
SELECT status, rule FROM command_status(:event) UNION ALL SELECT status, rule FROM command_status(:journey);
SELECT outcome, to_step, reason, context FROM trail WHERE journey = 'by_event';
SELECT event, kind, payload - 'journey_id' AS payload FROM event_log WHERE customer_id = '3' ORDER BY event_id;

/* ---- emit ---- */

SELECT live('{"journey": "teller", "entry": {"on": "tell", "holdout": 0},
  "start": "note", "steps": {
    "note":  {"update": {"n": "(event->>''n'')::int"}, "next": "short"},
    "short": {"emit": "told", "next": "long"},
    "long":  {"emit": {"event": "told_more", "payload": "jsonb_build_object(''twice'', (context->>''n'')::int * 2)"}, "next": "bad"},
    "bad":   {"emit": {"event": "never", "payload": "to_jsonb(1)"}, "next": "lost", "on_failure": "hear"},
    "hear":  {"wait": {"for": [{"on": "told_more", "next": "done"}], "until": {"after": "1 day", "next": "lost"}}},
    "done":  {"exit": "heard_myself"}, "lost": {"exit": "lost"}}}');
SELECT live('{"journey": "listener", "entry": {"on": "told", "reentry": {"policy": "any"}}, "start": "a",
  "steps": {"a": {"update": {"heard": "event"}, "next": "b"}, "b": {"exit": "done"}}}');
SELECT emit('tell', '4', '{"n": 21}') IS NOT NULL;
CALL run();
SELECT journey, outcome, from_step, to_step, reason, context, sqlstate FROM trail WHERE who = '4';
SELECT event, kind, payload, instant FROM event_log WHERE customer_id = '4' ORDER BY event_id;
SELECT law, detail FROM verify('full') WHERE NOT holds;

/* small steps of the clock and a big one give the same: an event emitted on the way is heard on the way */
SELECT live('{"journey": "late_teller", "entry": {"on": "begin"}, "start": "a", "steps": {"a": {"delay": "1 day", "next": "b"}, "b": {"emit": "halfway", "next": "c"}, "c": {"delay": "1 day", "next": "d"}, "d": {"exit": "done"}}}');
SELECT live('{"journey": "late_listener", "entry": {"on": "halfway"}, "start": "a", "steps": {"a": {"delay": "1 hour", "next": "b"}, "b": {"exit": "done"}}}');
SELECT emit('begin', '7') IS NOT NULL;
SELECT advance_clock('10 days');
CALL run();
SELECT journey, outcome, from_step, at FROM trail WHERE who = '7';
/* a held-out run tells nothing */
SELECT live('{"journey": "mute", "entry": {"on": "mute", "holdout": 1}, "start": "a", "steps": {"a": {"emit": "halfway", "next": "b"}, "b": {"exit": "done"}}}');
SELECT emit('mute', '8') IS NOT NULL;
CALL run();
SELECT journey, outcome, from_step, reason FROM trail WHERE who = '8';

/* two journeys that feed each other without time passing */
SELECT live('{"journey": "ping", "entry": {"on": "ping", "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"emit": "pong", "next": "b"}, "b": {"exit": "done"}}}');
SELECT live('{"journey": "pong", "entry": {"on": "pong", "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"emit": "ping", "next": "b"}, "b": {"exit": "done"}}}');
SELECT emit('ping', '5') IS NOT NULL;
CALL run();
SELECT outcome, reason, count(*) FROM trail WHERE who = '5' GROUP BY 1, 2 ORDER BY 1, 2;
/* and one that doubles */
SELECT live('{"journey": "twins", "entry": {"on": "twin", "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"emit": "twin", "next": "b"}, "b": {"emit": "twin", "next": "c"}, "c": {"exit": "done"}}}');
SELECT emit('twin', '6') IS NOT NULL;
CALL run();
SELECT outcome, reason, count(*) FROM trail WHERE journey = 'twins' AND outcome = 'ended' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM event_log WHERE customer_id = '6';
SELECT law, detail FROM verify('full') WHERE NOT holds;
