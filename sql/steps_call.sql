/*
 * sql/steps_call.sql
 *    The call step: its value, its rights, its failures, what its writes cause;
 *    and "on_failure" of every other step.  Locks are in
 *    test/isolation/specs/call_lock.spec.
 */
CREATE EXTENSION journey_orch;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET client_min_messages = warning;
SET search_path = public, journey_orch;

CREATE TABLE customer (id bigint PRIMARY KEY, name text, points int NOT NULL DEFAULT 0);
INSERT INTO customer SELECT i, 'c' || i, i FROM generate_series(1, 9) AS i;
CREATE SCHEMA crm;
CREATE TABLE crm.deal (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id bigint, amount int CHECK (amount > 0), at timestamptz);
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


CREATE ROLE steps_author IN ROLE journey_orch_author;
GRANT USAGE ON SCHEMA crm TO steps_author;
GRANT SELECT ON customer TO steps_author;
GRANT ALL ON crm.deal TO steps_author;
GRANT USAGE ON SCHEMA public TO steps_author;
CREATE TABLE crm.forbidden (id int);

CREATE FUNCTION crm.open_deal(customer bigint, amount int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO crm.deal (customer_id, amount, at) VALUES (customer, amount, journey_orch.clock());
  RETURN jsonb_build_object('by', current_user, 'amount', amount, 'deals', (SELECT count(*) FROM crm.deal));
END $$;
CREATE FUNCTION crm.nothing(customer bigint) RETURNS void LANGUAGE sql AS $$ UPDATE crm.deal SET amount = amount + 1 WHERE customer_id = customer $$;
CREATE FUNCTION crm.peek() RETURNS int LANGUAGE sql AS $$ SELECT count(*)::int FROM crm.forbidden $$;
GRANT EXECUTE ON FUNCTION journey_orch.clock() TO steps_author;

SET SESSION AUTHORIZATION steps_author;
SELECT define('{"journey": "caller", "entry": {"on": "call", "reentry": {"policy": "any"}}, "start": "one", "steps": {
  "one":   {"call": "crm.open_deal(customer.id, (event->>''amount'')::int)", "into": "deal", "next": "two", "on_failure": "sorry"},
  "two":   {"call": "crm.nothing(customer.id)", "next": "three"},
  "three": {"branch": [{"when": "(SELECT max(d.amount) FROM crm.deal AS d WHERE d.customer_id = customer.id) > 10", "next": "big"}], "else": "small"},
  "big":   {"exit": "big"}, "small": {"exit": "small"}, "sorry": {"exit": "sorry"}}}');
SELECT count(*) FROM publish('caller');
RESET SESSION AUTHORIZATION;
SELECT count(emit('call', c::text, format('{"amount": %s}', c * 5 - 5)::jsonb)) FROM generate_series(1, 3) AS c;
SELECT emit('call', '4', '{"amount": "many"}') IS NOT NULL;
CALL run();
SELECT who, outcome, from_step, to_step, reason, context - 'deal' AS context, context -> 'deal' ->> 'by' AS by, sqlstate FROM trail ORDER BY who, visit, outcome DESC;
SELECT customer_id, amount FROM crm.deal ORDER BY customer_id;

/* without on_failure the run is parked, with nothing left of what it wrote; a function that the owner may not use */
CREATE FUNCTION crm.secret() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION crm.secret() FROM PUBLIC;
SET SESSION AUTHORIZATION steps_author;
SELECT code, path, message FROM check_definition('{"journey": "no_right", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"call": "crm.secret()", "next": "b"}, "b": {"exit": "done"}}}');
SELECT define('{"journey": "write_then_fail", "entry": {"on": "half"}, "start": "a", "steps": {"a": {"call": "jsonb_build_array(crm.open_deal(customer.id, 7), crm.peek())", "next": "b"}, "b": {"exit": "done"}}}');
SELECT count(*) FROM publish('write_then_fail');
RESET SESSION AUTHORIZATION;
SELECT emit('half', '5') IS NOT NULL;
CALL run();
SELECT customer_id, step, sqlstate, error FROM parked_enrollment;
SELECT count(*) FROM crm.deal WHERE amount = 7;
/* one expression, and no statement */
SELECT severity, code, path, message FROM check_definition('{"journey": "q", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"call": "INSERT INTO crm.deal VALUES (1)", "next": "b"}, "b": {"call": "1; SELECT 2", "next": "c"}, "c": {"call": "crm.nope()", "next": "d"}, "d": {"call": "now()", "next": "e"}, "e": {"exit": "done"}}}');

/* a deferred constraint is checked as the owner, before the run moves on */
CREATE TABLE crm.pair (a int, b int);
CREATE FUNCTION crm.who() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO crm.witness VALUES (current_user); IF NEW.b IS NULL THEN RAISE EXCEPTION 'b is missing' USING ERRCODE = '23502'; END IF; RETURN NULL; END $$;
CREATE TABLE crm.witness (who name);
CREATE CONSTRAINT TRIGGER complete AFTER INSERT ON crm.pair DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm.who();
CREATE FUNCTION crm.pair(b int) RETURNS int LANGUAGE sql AS $$ INSERT INTO crm.pair VALUES (1, b) RETURNING a $$;
CREATE FUNCTION crm.sly() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN crm.pair(NULL); END $$;
GRANT ALL ON crm.pair, crm.witness TO steps_author;
SET SESSION AUTHORIZATION steps_author;
SELECT define('{"journey": "deferred", "entry": {"on": "pair"}, "start": "a", "steps": {
  "a": {"call": "crm.pair(2)", "next": "b"},
  "b": {"call": "crm.pair(NULL)", "next": "lost", "on_failure": "c"},
  "c": {"call": "crm.sly()", "next": "lost", "on_failure": "done"},
  "done": {"exit": "done"}, "lost": {"exit": "lost"}}}');
SELECT count(*) FROM publish('deferred');
RESET SESSION AUTHORIZATION;
SELECT emit('pair', '6') IS NOT NULL;
CALL run();
SELECT outcome, from_step, to_step, reason, sqlstate FROM trail WHERE journey = 'deferred';
SELECT * FROM crm.witness;
SELECT * FROM crm.pair;

/* writes to a watched table are captured at the run's instant; a run waits for its own, and timers do not overtake them */
SELECT watch('crm.deal', 'deal_opened', 'NEW.customer_id', columns => '{amount}');
SELECT live('{"journey": "sees", "entry": {"on": "go"}, "start": "rest", "steps": {
  "rest": {"delay": "1 day", "next": "open"},
  "open": {"call": "crm.open_deal(customer.id, 100)", "next": "hear"},
  "hear": {"wait": {"for": [{"on": "deal_opened", "next": "heard"}], "until": {"after": "1 hour", "next": "deaf"}}},
  "heard": {"exit": "heard"}, "deaf": {"exit": "deaf"}}}');
SELECT emit('go', '7') IS NOT NULL;
CALL run();
SELECT advance_clock('30 days');
CALL run();
SELECT outcome, from_step, to_step, reason, at FROM trail WHERE journey = 'sees';
SELECT customer_id, event, instant, trace FROM event_log WHERE event = 'deal_opened';
/* journeys that feed each other through a table are stopped too */
SELECT live('{"journey": "pump", "entry": {"on": "deal_opened", "when": "(event->>''amount'')::int = 1000", "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"call": "crm.open_deal(customer.id, 1000)", "next": "b"}, "b": {"exit": "done"}}}');
INSERT INTO crm.deal (customer_id, amount) VALUES (8, 1000);
CALL run();
SELECT outcome, reason, count(*) FROM trail WHERE journey = 'pump' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM crm.deal WHERE amount = 1000;
/* for another customer, in another lane, earlier in the round */
SELECT live('{"journey": "other", "entry": {"on": "refer"}, "start": "a", "steps": {"a": {"call": "crm.open_deal((event->>''whom'')::int, 55)", "next": "b"}, "b": {"exit": "done"}}}');
SELECT live('{"journey": "referred", "entry": {"on": "deal_opened", "when": "(event->>''amount'')::int = 55"}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT count(emit('refer', c::text, format('{"whom": %s}', 10 - c)::jsonb)) FROM generate_series(1, 9) AS c;
CALL run();
SELECT count(*) FROM trail WHERE journey = 'referred' AND outcome = 'ended';

/* the customer's row is read again after a call */
CREATE FUNCTION crm.add_points(who bigint) RETURNS void LANGUAGE sql AS $$ UPDATE public.customer SET points = points + 1000 WHERE id = who $$;
SELECT live('{"journey": "fresh", "entry": {"on": "fresh"}, "start": "a", "steps": {"a": {"call": "crm.add_points(customer.id)", "next": "b"}, "b": {"update": {"points": "customer.points"}, "next": "c"}, "c": {"exit": "done"}}}');
SELECT emit('fresh', '9') IS NOT NULL;
CALL run();
SELECT from_step, context FROM trail WHERE journey = 'fresh' AND context IS NOT NULL ORDER BY visit;

/* run_here() executes calls inside the caller's transaction, and the rollback undoes them */
SELECT live('{"journey": "tried", "entry": {"on": "try"}, "start": "a", "steps": {"a": {"call": "crm.open_deal(customer.id, 77)", "next": "b"}, "b": {"wait": {"for": [{"on": "deal_opened", "next": "c"}], "until": {"after": "1 hour", "next": "d"}}}, "c": {"exit": "heard"}, "d": {"exit": "deaf"}}}');
BEGIN;
SELECT emit('try', '9') IS NOT NULL;
SELECT run_here() > 0;
SELECT exit_reason FROM enrollment_status WHERE journey = 'tried';
SELECT count(*) FROM crm.deal WHERE amount = 77;
ROLLBACK;
SELECT count(*) FROM crm.deal WHERE amount = 77;
SELECT count(*) FROM enrollment_status WHERE journey = 'tried';

/* what the caller himself has deferred is his: no run is to blame */
BEGIN;
SELECT crm.pair(NULL);
SELECT emit('try', '9') IS NOT NULL;
SELECT run_here();
ROLLBACK;
BEGIN;
SELECT crm.pair(3);
SELECT emit('try', '9') IS NOT NULL;
SELECT run_here() > 0;
SELECT exit_reason FROM enrollment_status WHERE journey = 'tried';
ROLLBACK;
/* nor does a call change the settings of the next one, or of the session */
CREATE FUNCTION crm.patient() RETURNS text LANGUAGE sql AS $$ SELECT set_config('lock_timeout', '1h', false) $$;
SELECT live('{"journey": "patient", "entry": {"on": "patience"}, "start": "a", "steps": {
  "a": {"call": "crm.patient()", "next": "b"}, "b": {"call": "current_setting(''lock_timeout'')", "into": "timeout", "next": "c"}, "c": {"exit": "done"}}}');
SELECT count(emit('patience', c::text)) FROM generate_series(1, 9) AS c;
CALL run();
SELECT DISTINCT context -> 'timeout' AS timeout FROM trail WHERE journey = 'patient' AND context ? 'timeout';
SHOW lock_timeout;
/* a held-out run calls nothing */
SELECT live('{"journey": "held", "entry": {"on": "held", "holdout": 1}, "start": "a", "steps": {"a": {"call": "crm.open_deal(customer.id, 66)", "next": "b"}, "b": {"exit": "done"}}}');
SELECT emit('held', '1') IS NOT NULL;
CALL run();
SELECT outcome, from_step, to_step, reason FROM trail WHERE journey = 'held';
SELECT count(*) FROM crm.deal WHERE amount = 66;

/* ---- acts on journeys are not for a call: the batch's caches are not of now ---- */
CREATE FUNCTION crm.act(sql text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE sql; END$$;
SELECT live('{"journey": "acting", "entry": {"on": "act"}, "start": "act", "steps": {
  "act": {"call": "crm.act(event->>''sql'')", "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(emit('act', n::text, jsonb_build_object('sql', sql)))
FROM unnest(ARRAY[$$SELECT journey_orch.define('{"journey": "fresh", "entry": {"on": "act"}, "start": "done", "steps": {"done": {"exit": "done"}}}');
                    SELECT journey_orch.publish('fresh', existing => 'both')$$,
                  $$SELECT journey_orch.pause('acting')$$, $$SELECT journey_orch.resume('acting')$$,
                  $$SELECT journey_orch.stop('acting')$$, $$SELECT journey_orch.archive('acting')$$]) WITH ORDINALITY AS a (sql, n);
CALL run();
SELECT customer_id, state, error->>'sqlstate' AS sqlstate, error->>'message' AS message
FROM enrollment JOIN journey USING (journey_id) WHERE name = 'acting' ORDER BY 1;

/* ---- an event that waits behind a timer of a run that has called ---- */
SELECT live('{"journey": "calling", "entry": {"on": "ring"}, "start": "act", "steps": {
  "act": {"call": "1", "next": "rest"}, "rest": {"delay": "27 hours", "next": "done"}, "done": {"exit": "done"}}}');
SELECT emit('ring', '1') IS NOT NULL;
SELECT advance_clock('4 days') IS NOT NULL;
SELECT emit('ring', '1') IS NOT NULL;
CALL run();
SELECT outcome, from_step, to_step, reason FROM trail WHERE journey = 'calling';


/* ---- on_failure of the other steps; branches that join ---- */
SELECT live('{"journey": "failing", "entry": {"on": "fail"}, "start": "note", "steps": {
  "note":   {"update": {"kept": "1", "x": "1 / (customer.points - customer.points)"}, "next": "lost", "on_failure": "which"},
  "which":  {"branch": [{"when": "1 / (customer.points - customer.points) = 1", "next": "lost"}], "else": "lost", "on_failure": "hear"},
  "hear":   {"wait": {"for": [{"on": "said", "when": "(event->>''n'')::int > 0", "next": "lost"}], "until": {"after": "1 day", "next": "lost"}}, "on_failure": "joined"},
  "joined": {"exit": "joined"}, "lost": {"exit": "lost"}}}');
SELECT emit('fail', '1') IS NOT NULL;
CALL run();
SELECT emit('said', '1', '{"n": "two"}') IS NOT NULL;
CALL run();
SELECT visit, outcome, from_step, to_step, reason, context, sqlstate FROM trail WHERE journey = 'failing' ORDER BY visit;
SELECT live('{"journey": "joining", "entry": {"on": "join"}, "start": "half", "steps": {
  "half":  {"split": {"arms": {"a": 1, "b": 1}}, "next": {"a": "left", "b": "right"}},
  "left":  {"update": {"way": "''left''"}, "next": "same"},
  "right": {"update": {"way": "''right''"}, "next": "which"},
  "which": {"branch": [{"when": "customer.points % 2 = 0", "next": "same"}], "else": "same"},
  "same":  {"update": {"went": "context->''way''"}, "next": "done"},
  "done":  {"exit": "done"}}}');
SELECT count(emit('join', c::text)) FROM generate_series(1, 9) AS c;
CALL run();
SELECT from_step, to_step, sum(advances) FROM step_flow WHERE journey = 'joining' AND (from_step = 'same' OR to_step = 'same') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*), bool_and(context->'went' IS NOT NULL) FROM trail WHERE journey = 'joining' AND from_step = 'same';
SELECT law, detail FROM verify('full') WHERE NOT holds;
DROP OWNED BY steps_author;
DROP ROLE steps_author;
