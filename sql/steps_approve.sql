/*
 * sql/steps_approve.sql
 *    The approve step: who may decide, what he may say, when it is too late;
 *    timeout, an early end, holdout, a parked run.
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



CREATE ROLE steps_sales LOGIN;
CREATE ROLE steps_rep LOGIN IN ROLE steps_sales, journey_orch_app;
CREATE ROLE steps_clerk LOGIN IN ROLE journey_orch_app;
CREATE ROLE steps_boss LOGIN IN ROLE journey_orch_operator;
SELECT code, path, message FROM check_definition('{"journey": "q", "entry": {"on": "x"}, "start": "a", "steps": {"a": {"approve": {"role": "nobody_at_all"}, "next": {"yes": "b"}}, "b": {"exit": "done"}}}');
SELECT live('{"journey": "discount", "entry": {"on": "asked", "reentry": {"policy": "any"}}, "exit": [{"on": "bought"}, {"on": "broken", "when": "1 / (customer.points - customer.points) = 1"}], "start": "ask", "steps": {
  "ask":  {"approve": {"role": "steps_sales", "question": "Offer a discount?", "until": {"after": "2 days", "next": "late"}}, "into": "deal", "next": {"approved": "yes", "rejected": "no"}},
  "yes":  {"update": {"who": "context->''deal''->>''actor''", "e": "event"}, "next": "done"},
  "done": {"exit": "offered"}, "no": {"exit": "rejected"}, "late": {"exit": "late"}}}');
SELECT live('{"journey": "any_boss", "entry": {"on": "boss"}, "start": "ask", "steps": {"ask": {"approve": {}, "next": {"go": "done"}}, "done": {"exit": "done"}}}');
SELECT count(emit('asked', c::text, '{"n": 1}')) FROM generate_series(1, 6) AS c;
SELECT emit('boss', '7') IS NOT NULL;
CALL run();
SELECT journey, customer_id, step, role, question, decisions, asked_at, due_at FROM approval ORDER BY customer_id;
SELECT customer_id, state, step, waits_for FROM enrollment_status ORDER BY customer_id;
SELECT enrollment_id AS run1 FROM approval WHERE customer_id = '1' \gset
SELECT enrollment_id AS run2 FROM approval WHERE customer_id = '2' \gset
SELECT enrollment_id AS run3 FROM approval WHERE customer_id = '3' \gset
SELECT enrollment_id AS run4 FROM approval WHERE customer_id = '4' \gset
SELECT enrollment_id AS run5 FROM approval WHERE customer_id = '5' \gset
SELECT enrollment_id AS run7 FROM approval WHERE customer_id = '7' \gset

/* who, and what */
CREATE FUNCTION said(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'done';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN regexp_replace(concat_ws(' / ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, '')), '[0-9a-f]{8}-[-0-9a-f]{27}', 'ID', 'g');
END $$;
SET SESSION AUTHORIZATION steps_clerk;
SELECT said(format('SELECT journey_orch.approve(%L, %L)', :'run1', 'approved'));
SET SESSION AUTHORIZATION steps_boss;
SELECT said(format('SELECT journey_orch.approve(%L, %L)', :'run1', 'approved'));
SET SESSION AUTHORIZATION steps_rep;
SELECT said(format('SELECT journey_orch.approve(%L, %L)', :'run7', 'go'));
SELECT said(format('SELECT journey_orch.approve(%L, %L)', :'run1', 'perhaps'));
SELECT journey_orch.approve(:'run1', 'approved', 'a good customer') AS first, journey_orch.approve(:'run1', 'rejected') AS second \gset
SELECT count(*) FROM journey_orch.approve_many(ARRAY[:'run2', :'run3']::uuid[], 'rejected', 'too many');
SET SESSION AUTHORIZATION steps_boss;
SELECT journey_orch.approve(:'run7', 'go') IS NOT NULL;
RESET SESSION AUTHORIZATION;
SELECT emit('bought', '4') IS NOT NULL;
SELECT emit('broken', '5') IS NOT NULL;
CALL run();
SELECT status, rule, reason FROM command_status(:first) UNION ALL SELECT status, rule, reason FROM command_status(:second);
SELECT who, outcome, from_step, to_step, reason, context, sqlstate FROM trail WHERE visit > 1 OR outcome IN ('ended', 'parked');
/* too late: decided, ended, parked, never; all or nothing */
SELECT said(format('SELECT journey_orch.approve(%L, %L)', run, 'approved'))
FROM unnest(ARRAY[:'run1', :'run4', :'run5', '00000000-0000-0000-0000-000000000000']) AS run;
SELECT enrollment_id AS run6 FROM approval WHERE customer_id = '6' \gset
SELECT said(format('SELECT * FROM journey_orch.approve_many(ARRAY[%s]::uuid[], %L)', runs, 'approved'))
FROM unnest(ARRAY[format('%L, %L', :'run6', :'run5'), format('%L, NULL', :'run6')]) AS runs;
SELECT count(*) FROM event_log WHERE event = '$approve' AND customer_id = '6';
/* a decision that comes after the run has gone is refused by its lane */
SELECT leave('discount', '6') IS NOT NULL;
SELECT approve(:'run6', 'approved') AS late \gset
CALL run();
SELECT status, rule, reason FROM command_status(:late);
/* allowed by the version that he saw, but the run was moved before */
SELECT live('{"journey": "moved", "entry": {"on": "move"}, "start": "ask", "steps": {
  "ask": {"approve": {"role": "steps_sales"}, "next": {"yes": "done"}}, "done": {"exit": "done"}}}');
SELECT emit('move', '8') IS NOT NULL;
CALL run();
SELECT enrollment_id AS run8 FROM approval WHERE customer_id = '8' \gset
SELECT define('{"journey": "moved", "entry": {"on": "move"}, "start": "ask", "steps": {
  "ask": {"approve": {}, "next": {"yes": "done"}}, "done": {"exit": "done"}}}');
SELECT sum(moving) FROM publish('moved', inflight => 'move');
SET SESSION AUTHORIZATION steps_rep;
SELECT journey_orch.approve(:'run8', 'yes') AS old_role \gset
RESET SESSION AUTHORIZATION;
CALL run();
SELECT status, rule, reason FROM command_status(:old_role);
SELECT approve(:'run8', 'yes') AS boss \gset
CALL run();
SELECT status, rule FROM command_status(:boss);
/* nobody decides: the timeout */
SELECT emit('asked', '9') IS NOT NULL;
CALL run();
SELECT advance_clock('2 days');
CALL run();
SELECT outcome, from_step, to_step, reason, at FROM trail WHERE who = '9';
SELECT count(*) FROM approval;
/* in a trial */
BEGIN;
SELECT emit('asked', '9') IS NOT NULL;
SELECT run_here() > 0;
SELECT approve(enrollment_id, 'approved') IS NOT NULL FROM approval;
SELECT run_here() > 0;
SELECT count(*) FROM approval;
SELECT exit_reason FROM enrollment_status WHERE customer_id = '9' ORDER BY entered_at DESC LIMIT 1;
ROLLBACK;
/* nobody is asked about a held-out run: it goes the way of approved, or the first one */
SELECT live('{"journey": "held", "entry": {"on": "held", "holdout": 1}, "start": "a", "steps": {
  "a": {"approve": {}, "next": {"rejected": "b", "approved": "c"}}, "b": {"exit": "lost"},
  "c": {"approve": {}, "next": {"yes": "d", "never": "b"}}, "d": {"exit": "done"}}}');
SELECT emit('held', '1') IS NOT NULL;
CALL run();
SELECT outcome, from_step, to_step, reason FROM trail WHERE journey = 'held';
SELECT law, detail FROM verify('full') WHERE NOT holds;
DROP ROLE steps_rep, steps_clerk, steps_boss, steps_sales;
