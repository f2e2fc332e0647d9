/*
 * test/pgtap/many_runs.sql
 *    One customer with many runs: whatever happens to 100 keys of one customer
 *    must happen to 100 customers with one key each.  The one is looked up in
 *    indexes, the others in short lists (enrollment/member.c, due.c, memory.c,
 *    route.c).  And nothing may cost more than his runs.
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

SELECT plan(9);
SELECT set_channel('email', '''a@example.org''') \gset _
SELECT set_template('t', 'email', 'Hello') \gset _
SELECT set_clock('2026-01-01 00:00+00') \gset _

SELECT define('{"journey": "many", "entry": {"on": "start", "key": "event->>''k''", "when": "event->>''k'' <> ''0''", "reentry": {"policy": "after_exit", "cooldown": "3 days", "cooldown_scope": "key"}},
  "goal": {"on": "won", "match_key": "event->>''k''", "within": "10 days"}, "exit": [{"on": "left", "match_key": "event->>''k''", "reason": "quit"}],
  "start": "d", "steps": {
  "d": {"delay": "1 day", "restart_on": "start", "next": "s"},
  "s": {"send": {"channels": ["email"], "template": "t"}, "next": "w", "on_failure": "failed"},
  "w": {"wait": {"for": [{"on": "message.clicked", "of": "s", "next": "clicked"}, {"on": "ping", "when": "(event->>''n'')::int % 7 = journey.key::int % 7", "next": "pinged"}],
        "until": {"after": "5 days", "next": "late"}}, "restart_on": "start"},
  "clicked": {"exit": "clicked"}, "pinged": {"exit": "pinged"}, "late": {"exit": "late"}, "failed": {"exit": "failed"}}}'), publish('many') \gset _

-- The same for key k of "all" and for customer "one k".
CREATE FUNCTION on_both(event text, k int) RETURNS void LANGUAGE sql AS $$
  SELECT emit(event, customer, jsonb_build_object('k', k::text, 'n', k)) FROM unnest(ARRAY['all', 'one ' || k]) AS customer
$$;
-- What a relay says of every message, by the key of its run.
CREATE FUNCTION told(claimed_key int) RETURNS text LANGUAGE sql AS $$
  SELECT CASE claimed_key % 5 WHEN 0 THEN 'dead' WHEN 1 THEN 'again' ELSE 'sent' END
$$;
CREATE PROCEDURE relay() LANGUAGE plpgsql AS $$
DECLARE m record;
BEGIN
  FOR m IN SELECT c.claim_id, c.message_id, e.key::int AS k, c.attempt FROM claim('email', 'test', 1000) AS c JOIN message_status AS s USING (message_id) JOIN enrollment_status AS e ON e.enrollment_id = s.enrollment_id
  LOOP
    IF m.attempt = 1 AND told(m.k) <> 'sent' THEN
      PERFORM nack(m.claim_id, m.message_id, 'no', told(m.k) = 'dead', CASE WHEN told(m.k) = 'again' THEN m.k * interval '1 minute' END);
    ELSE
      PERFORM ack(m.claim_id, ARRAY[m.message_id]);
    END IF;
  END LOOP;
END
$$;

SELECT on_both('start', k) FROM generate_series(1, 100) AS k \g /dev/null
CALL run();
SELECT is((SELECT count(*) FROM enrollment WHERE customer_id = 'all'), 100::bigint, 'one customer has a hundred runs');
SELECT advance_clock(k * interval '1 minute'), on_both('start', k) FROM generate_series(1, 100, 3) AS k \g /dev/null
SELECT on_both('left', k) FROM generate_series(5, 100, 19) AS k \g /dev/null
SELECT on_both('won', k) FROM generate_series(7, 100, 23) AS k \g /dev/null
CALL run();
SELECT advance_clock('1 day') \gset _
CALL run();
SELECT advance_clock('5 days') \gset _
SELECT is((SELECT count(*) FROM message WHERE customer_id = 'all') > 50, true, 'many messages await their fate');
CALL relay();
CALL run();
SELECT advance_clock('3 hours') \gset _
CALL run();
CALL relay();
CALL run();
SELECT report(message_id, 'clicked') FROM message_status AS s JOIN enrollment_status AS e USING (enrollment_id) WHERE e.key::int % 11 = 3 \g /dev/null
SELECT emit('ping', customer, '{"n": 3}') FROM (SELECT DISTINCT customer_id FROM step_log) AS c (customer) \g /dev/null
SELECT on_both('start', k) FROM generate_series(1, 100, 2) AS k \g /dev/null
CALL run();
SELECT on_both('won', k) FROM generate_series(1, 100, 4) AS k \g /dev/null
CALL run();
SELECT advance_clock('4 days'), on_both('start', k) FROM generate_series(1, 100, 6) AS k \g /dev/null
CALL run();
SELECT on_both('won', k) FROM generate_series(1, 100) AS k \g /dev/null
SELECT advance_clock('1 year') \gset _
CALL run();
CALL relay();
CALL run();

CREATE VIEW trail AS
SELECT customer_id, key, string_agg(concat_ws(' ', clock, outcome, reason, to_step), ', ' ORDER BY clock, batch, l.ctid) AS trail
FROM step_log AS l GROUP BY customer_id, key;
SELECT is((SELECT count(*) FROM trail WHERE customer_id = 'all'), 100::bigint, 'every key has its history');
SELECT is_empty($$SELECT a.key, a.trail, o.trail FROM trail AS a JOIN trail AS o ON o.customer_id = 'one ' || a.key WHERE a.customer_id = 'all' AND a.trail IS DISTINCT FROM o.trail$$,
  'which is that of a customer with this key alone');
SELECT set_eq($$SELECT DISTINCT reason FROM step_log WHERE outcome = 'ended'$$, '{clicked,pinged,late,failed,goal,quit}'::text[], 'runs ended in every way');
SELECT set_eq($$SELECT DISTINCT reason FROM step_log WHERE outcome = 'refused'$$, '{reentry_active,cooldown}'::text[], 'and entries were refused for every reason');

-- Ten thousand runs of one customer: quadratic work would take minutes
SELECT define('{"journey": "cost", "entry": {"on": "open", "key": "event->>''k''"}, "goal": {"on": "close", "match_key": "event->>''k''"},
  "start": "w", "steps": {"w": {"wait": {"for": [{"on": "shut", "match_key": "event->>''k''", "next": "x"}], "until": {"after": "1 day", "next": "x"}}, "restart_on": "open"}, "x": {"exit": "x"}}}'), publish('cost') \gset _
SET statement_timeout = '60s';
SELECT count(emit('open', 'crowd', jsonb_build_object('k', k::text))) FROM generate_series(1, 10000) AS k \gset _
CALL run();
SELECT count(emit(e, 'crowd', jsonb_build_object('k', k::text))) FROM unnest('{open,shut,close,other}'::text[]) AS e, generate_series(1, 1000) AS k \gset _
CALL run();
SELECT is((SELECT count(*) FROM enrollment WHERE customer_id = 'crowd'), 9000::bigint, 'events find their runs among ten thousand');
RESET statement_timeout;
SELECT is((SELECT count(*) FROM step_log WHERE customer_id = 'crowd' AND outcome = 'restarted'), 1000::bigint, 'each one its own');
SELECT is_empty($$SELECT * FROM verify('full') WHERE NOT holds$$, 'every law holds');
SELECT * FROM finish();
