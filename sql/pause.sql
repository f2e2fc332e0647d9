-- pause: people at every kind of step, newcomers and messages while a journey is paused
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY, email text, zero integer);
INSERT INTO shop.customer SELECT c, c || '@example.com', 0 FROM unnest('{napper,hearer,teller,parked,late,buyer,old}'::text[]) AS c;
SET search_path = journey_orch, public;
SELECT bind_customer('shop.customer', 'id');
SELECT set_clock('2026-01-01 09:00+00');
SELECT set_channel('email', 'customer.email');
SELECT set_template('hello', 'email', 'Hello {{ journey.version }}');

-- A customer goes to the step that the event names.  "extra" replaces steps.
CREATE FUNCTION shop.definition(name text, extra jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('journey', name,
    'entry', '{"on": "came", "when": "event->>''to'' <> ''nowhere''", "reentry": {"policy": "after_exit"}}'::jsonb,
    'goal', '{"on": "bought"}'::jsonb, 'start', 'way',
    'steps', '{
    "way":  {"branch": [{"when": "event->>''to'' = ''nap''", "next": "nap"}, {"when": "event->>''to'' = ''hear''", "next": "hear"},
                        {"when": "event->>''to'' = ''tell''", "next": "tell"}], "else": "sum"},
    "nap":  {"delay": "2 hours", "next": "last"},
    "hear": {"wait": {"for": [{"on": "heard", "next": "last"}], "until": {"after": "1 day", "next": "done"}}},
    "tell": {"send": {"channels": ["email"], "template": "hello"}, "next": "last", "on_failure": "done"},
    "sum":  {"update": {"share": "1 / customer.zero"}, "next": "done"},
    "last": {"send": {"channels": ["email"], "template": "hello"}, "next": "done"},
    "done": {"exit": "completed"}}'::jsonb || extra) $$;
-- Everybody to his step, and what there is to see.
CREATE PROCEDURE shop.enter_all() LANGUAGE sql AS $$
  SELECT count(emit('came', c, jsonb_build_object('to', s)))
  FROM (VALUES ('napper', 'nap'), ('hearer', 'hear'), ('teller', 'tell'), ('parked', 'sum')) AS v(c, s) $$;
CREATE VIEW shop.inside AS
  SELECT customer_id AS who, journey, version AS v, step, state, due_at, exit_reason FROM enrollment_status;
CREATE VIEW shop.trail AS
  SELECT l.customer_id AS who, j.name AS journey, l.version AS v, l.outcome, l.from_step, l.to_step, l.reason, l.clock
  FROM step_log AS l JOIN journey AS j USING (journey_id);
CREATE VIEW shop.message AS
  SELECT m.customer_id AS who, m.journey, m.version AS v, m.step, m.state, m.attempt FROM message_status AS m;

SELECT define(shop.definition('p'));
SELECT count(*) FROM publish('p');
CALL shop.enter_all();
CALL run();
SELECT who, step, state, due_at FROM shop.inside ORDER BY who;

-- Waits run: what ends one counts, and the run is held where that leads.  Goals stay alive.
SELECT pause('p');
SELECT emit('came', 'late', '{"to": "tell"}') > 0 AS newcomer, emit('came', 'buyer', '{"to": "hear"}') > 0 AS another;
SELECT emit('heard', 'hearer') > 0 AS heard;
SELECT advance_clock('3 hours');
CALL run();
SELECT emit('bought', 'buyer') > 0 AS bought;
CALL run();
SELECT who, step, state, due_at, exit_reason FROM shop.inside ORDER BY who;
SELECT journey, version, state, entered, active, ended, held, parked FROM journey_status;
-- none of its messages is handed out
SELECT count(*) FROM claim('email', 'relay');
CALL run();
SELECT who, step, state, attempt FROM shop.message ORDER BY who;
SELECT act, count FROM (SELECT outcome AS act, sum(cardinality(message_ids)) AS count FROM claim_outcome GROUP BY 1) AS o;
-- the past counts for a preview only
SELECT count(*) FROM publish('p', existing => 'both', preview => true);
SELECT * FROM verify('full') WHERE NOT holds;

-- one every 10 seconds, in the order of arrival
SELECT resume('p', 0.1);
CALL run();
SELECT who, step, state, due_at FROM shop.inside WHERE state <> 'ended' ORDER BY due_at, who;
SELECT min(claim_id) AS claim_id, string_agg(customer_id, ', ' ORDER BY customer_id) AS handed_out FROM claim('email', 'relay') \gset
SELECT :'handed_out' AS handed_out;
SELECT count(*) FROM ack(:claim_id);
CALL run();
SELECT advance_clock('10 seconds');
CALL run();
SELECT who, step, state, due_at, exit_reason FROM shop.inside WHERE who IN ('hearer', 'late', 'napper', 'teller') ORDER BY who;
-- paused again: the last one has not had his turn
SELECT pause('p');
SELECT advance_clock('1 hour');
CALL run();
SELECT who, step, state, due_at FROM shop.inside WHERE state = 'held' ORDER BY who;
SELECT resume('p');
CALL run();
SELECT who, step, state, due_at, exit_reason FROM shop.inside WHERE who IN ('late', 'napper', 'hearer') ORDER BY who;
SELECT who, outcome, from_step, reason, clock FROM shop.trail WHERE outcome IN ('held', 'released') ORDER BY clock, who, outcome;
SELECT stop('p', 'exit');
CALL run();
SELECT * FROM verify('full') WHERE NOT holds;

-- Waits extended: due times move on by the length of the pause; newcomers are refused
SELECT define(shop.definition('q', '{"hear": {"wait": {"for": [{"on": "heard", "next": "last"}], "until": {"after": "1 day", "next": "done"}}, "restart_on": "again"}}'));
SELECT count(*) FROM publish('q');
CALL shop.enter_all();
CALL run();
SELECT who, step, due_at - clock() AS due_in FROM shop.inside WHERE journey = 'q' AND due_at IS NOT NULL ORDER BY who;
SELECT advance_clock('1 hour');
SELECT pause('q', newcomers => 'ignore', waits => 'extend');
SELECT emit('came', 'late', '{"to": "hear"}') > 0 AS newcomer;
SELECT advance_clock('3 hours');
CALL run();
/* past the due time of the nap */
SELECT who, step, state, due_at - clock() AS due_in FROM shop.inside WHERE journey = 'q' AND due_at IS NOT NULL ORDER BY who;
SELECT who, outcome, reason FROM shop.trail WHERE journey = 'q' AND outcome = 'refused';
SELECT * FROM verify('full') WHERE NOT holds;
/* restarted while its time stands still: the whole day is left */
SELECT emit('again', 'hearer') > 0 AS again;
SELECT advance_clock('1 hour');
SELECT resume('q');
CALL run();
SELECT who, step, state, due_at - clock() AS due_in FROM shop.inside WHERE journey = 'q' AND state <> 'ended' ORDER BY who;
SELECT advance_clock('1 hour');
CALL run();
SELECT who, step, state, exit_reason FROM shop.inside WHERE journey = 'q' ORDER BY who;
SELECT stop('q', 'exit');
CALL run();

-- Many small steps of the clock and a big one: the same, also where nothing ran in between
CREATE PROCEDURE shop.story(name text, runs boolean) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM journey_orch.set_clock('2026-02-01 09:00+00');
  PERFORM journey_orch.define(shop.definition(name));
  PERFORM FROM journey_orch.publish(name);
  CALL shop.enter_all();
  COMMIT; IF runs THEN CALL journey_orch.run(); END IF;
  PERFORM journey_orch.advance_clock('1 hour'); PERFORM journey_orch.pause(name);
  COMMIT; IF runs THEN CALL journey_orch.run(); END IF;
  PERFORM journey_orch.advance_clock('90 minutes');
  PERFORM journey_orch.emit('heard', 'hearer');
  COMMIT; IF runs THEN CALL journey_orch.run(); END IF;
  PERFORM journey_orch.advance_clock('30 minutes'); PERFORM journey_orch.resume(name);
  COMMIT; IF runs THEN CALL journey_orch.run(); END IF;
  PERFORM journey_orch.advance_clock('2 hours'); PERFORM journey_orch.stop(name, 'exit');
  COMMIT; CALL journey_orch.run();
  PERFORM journey_orch.archive(name);
END $$;
SELECT set_clock('2026-02-01 09:00+00');
CALL shop.story('small', true);
SELECT reset_clock() IS NOT NULL AS reset;
CALL shop.story('big', false);
SELECT who, outcome, from_step, to_step, reason, clock FROM shop.trail WHERE journey = 'small' ORDER BY who, clock, outcome;
SELECT count(*) AS differences FROM (
  (SELECT who, outcome, from_step, to_step, reason, clock FROM shop.trail WHERE journey = 'small'
   EXCEPT ALL SELECT who, outcome, from_step, to_step, reason, clock FROM shop.trail WHERE journey = 'big')
  UNION ALL
  (SELECT who, outcome, from_step, to_step, reason, clock FROM shop.trail WHERE journey = 'big'
   EXCEPT ALL SELECT who, outcome, from_step, to_step, reason, clock FROM shop.trail WHERE journey = 'small')) AS d;
SELECT * FROM verify('full') WHERE NOT holds;
