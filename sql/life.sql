-- life: publish, pause, resume, stop and archive with people at every kind of step
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

-- finish: those inside stay on the version they entered
SELECT define(shop.definition('finish'));
SELECT * FROM publish('finish');
CALL shop.enter_all();
CALL run();
SELECT define(shop.definition('finish', '{"last": {"exit": "short"}}'));
SELECT * FROM publish('finish');
SELECT who, v, step, state FROM shop.inside ORDER BY who;
SELECT advance_clock('3 hours');
SELECT emit('heard', 'hearer') > 0 AS heard;
CALL run();
SELECT who, v, step, state, exit_reason FROM shop.inside ORDER BY who;
SELECT journey, version, state, entered, active, ended, parked FROM journey_status ORDER BY 1, 2;
SELECT stop('finish', 'exit');
CALL run();
SELECT archive('finish');

-- exit: everybody on another version leaves, and takes his message with him
SELECT define(shop.definition('exit'));
SELECT count(*) FROM publish('exit');
CALL shop.enter_all();
CALL run();
SELECT define(shop.definition('exit', '{"last": {"exit": "short"}}'));
SELECT * FROM publish('exit', inflight => 'exit', preview => true);
SELECT who, state FROM shop.inside WHERE journey = 'exit' ORDER BY who;
SELECT * FROM publish('exit', inflight => 'exit');
-- who is told meanwhile is on the new version, and stays
SELECT emit('came', 'late', '{"to": "hear"}') > 0 AS came;
CALL run();
SELECT who, v, step, state, exit_reason FROM shop.inside WHERE journey = 'exit' ORDER BY who;
SELECT who, step, state FROM shop.message WHERE journey = 'exit' ORDER BY who;
-- the version is live, but others may still be told to leave: nobody is
SELECT * FROM publish('exit', inflight => 'exit');
SELECT count(*) FROM publish('exit');
CALL run();
SELECT who, v, step, state FROM shop.inside WHERE journey = 'exit' AND state <> 'ended' ORDER BY who;
SELECT stop('exit', 'exit');
CALL run();

-- move: same name and verb go on there, at the due time they have
SELECT define(shop.definition('move'));
SELECT count(*) FROM publish('move');
CALL shop.enter_all();
CALL run();
SELECT define(shop.definition('move', '{"nap": {"delay": "1 minute", "next": "done"}, "sum": {"update": {"share": "1"}, "next": "done"},
  "tell": {"delay": "1 hour", "next": "last"}, "last": {"exit": "short"}}'));
SELECT advance_clock('1 hour');
SELECT * FROM publish('move', inflight => 'move', preview => true);
SELECT * FROM publish('move', inflight => 'move');
CALL run();
SELECT who, v, step, state, due_at FROM shop.inside WHERE journey = 'move' ORDER BY who;
SELECT who, v, outcome, from_step, to_step FROM shop.trail WHERE journey = 'move' AND outcome = 'moved' ORDER BY who, v;
-- met once: what a later version says of the step left does not count for who stayed
SELECT * FROM publish('move', preview => true);
SELECT advance_clock('1 hour');
SELECT emit('heard', 'hearer') > 0 AS heard;
CALL run();
SELECT who, v, step, state, exit_reason FROM shop.inside WHERE journey = 'move' ORDER BY who;
SELECT journey, version, state, entered, moved_in, active, ended, moved_out, parked FROM journey_status WHERE journey = 'move' ORDER BY 2;
SELECT version, step, entered, departed, waiting FROM funnel WHERE journey = 'move' AND entered + departed > 0 ORDER BY 1, 2;
SELECT stop('move', 'exit');
CALL run();

-- a wait for ever gets the timeout of the version it moves to, and the reverse
SELECT define('{"journey": "ever", "entry": {"on": "ever"}, "start": "hear", "steps": {"hear": {"wait": {"for": [{"on": "heard", "next": "done"}]}}, "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('ever');
SELECT emit('ever', 'napper') > 0 AS came;
CALL run();
SELECT define('{"journey": "ever", "entry": {"on": "ever"}, "start": "hear", "steps": {"hear": {"wait": {"for": [{"on": "heard", "next": "done"}], "until": {"after": "1 hour", "next": "done"}}}, "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('ever', inflight => 'move');
CALL run();
SELECT who, v, step, due_at - clock() AS due_in FROM shop.inside WHERE journey = 'ever';
SELECT * FROM publish('ever', 1, inflight => 'move');
CALL run();
SELECT who, v, step, due_at FROM shop.inside WHERE journey = 'ever';
SELECT stop('ever');

-- existing: who meets the entry now
SELECT define(shop.definition('now'));
SELECT emit('came', 'old', '{"to": "hear"}') > 0 AS first, emit('came', 'buyer', '{"to": "hear"}') > 0 AS second, emit('came', 'buyer', '{"to": "nowhere"}') > 0 AS newest;
SELECT * FROM publish('now', existing => 'now', preview => true);
SELECT count(*) FROM step_log AS l JOIN journey AS j USING (journey_id) WHERE j.name = 'now';
SELECT * FROM publish('now', existing => 'now');
SELECT emit('came', 'buyer', '{"to": "nap"}') > 0 AS too_late;
CALL run();
SELECT who, v, step, state FROM shop.inside WHERE journey = 'now' ORDER BY who;
SELECT who, outcome, reason FROM shop.trail WHERE journey = 'now' AND outcome = 'refused';
-- again, for both: re-entry rules hold, and the closed door is open
SELECT of_version, step, entering FROM publish('now', existing => 'both') WHERE entering > 0;
SELECT emit('came', 'late', '{"to": "nap"}') > 0 AS newcomer;
CALL run();
SELECT who, step, state FROM shop.inside WHERE journey = 'now' ORDER BY who;
SELECT who, reason FROM shop.trail WHERE journey = 'now' AND outcome = 'refused' ORDER BY clock, who, reason;
SELECT stop('now', 'exit');
CALL run();

-- what is so already is a notice; what cannot be is an error
SELECT define(shop.definition('words'));
SELECT pause('words');
SELECT resume('words');
SELECT stop('words');
SELECT archive('words');
SELECT count(*) FROM publish('words');
SELECT archive('words');
SELECT resume('words');
SELECT pause('words');
SELECT pause('words', 'ignore', 'extend');
SELECT count(*) FROM publish('words');
SELECT stop('words');
SELECT stop('words');
SELECT journey, version, state FROM journey_status WHERE journey = 'words';
SELECT resume('words');
SELECT journey, version, state FROM journey_status WHERE journey = 'words';
SELECT count(*) FROM publish('words');
SELECT emit('came', 'buyer', '{"to": "hear"}') > 0 AS came;
CALL run();
SELECT stop('words');
SELECT archive('words');
SELECT stop('words', 'exit');
CALL run();
SELECT archive('words');
SELECT archive('words');
SELECT pause('words');
SELECT publish('words');
SELECT journey, version, state, entered, active, ended FROM journey_status WHERE journey = 'words';
SELECT act, version, policy FROM publication AS p JOIN journey AS j USING (journey_id) WHERE j.name = 'words' ORDER BY seq;
SELECT * FROM verify('full') WHERE NOT holds;
