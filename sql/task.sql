/*
 * Channels of kind task: a message is work for a person, and how it ended, a
 * word of the channel's list, branches the run.
 */
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
CREATE ROLE task_app;
GRANT journey_orch_app TO task_app;
RESET client_min_messages;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET search_path = public, journey_orch;
SET journey_orch.claim_freshness = 0;

CREATE TABLE customer (id bigint PRIMARY KEY, name text, phone text);
INSERT INTO customer SELECT i, 'c' || i, '+49' || i FROM generate_series(1, 9) AS i;
SELECT bind_customer('public.customer', 'id');
SELECT set_clock('2026-03-01 12:00+00');
SELECT add_preset_channel('call_centre', settings => '{"dispositions": ["reached", "no_answer", "refused"]}');
SELECT dispositions FROM channel;
SELECT set_template('call', 'call_centre', 'Ask {{ customer.name }} about the delivery.', 'Call {{ customer.name }}');
SELECT define('{
  "journey": "calls", "timezone": "UTC",
  "entry": {"on": "complained"}, "start": "call", "exit": [{"on": "solved", "reason": "solved"}],
  "steps": {
    "call":   {"send": {"channels": ["call_centre"], "template": "call"}, "on_failure": "nobody", "next": "talk"},
    "talk":   {"wait": {"for": [{"on": "message.disposition", "of": "call", "next": "how"}],
                        "until": {"after": "2 days", "next": "open"}}},
    "how":    {"branch": [{"when": "event->''detail''->>''disposition'' = ''reached''", "next": "happy"},
                          {"when": "event->''detail''->>''disposition'' = ''no_answer''", "next": "call"}], "else": "lost"},
    "happy":  {"exit": "happy"}, "lost": {"exit": "lost"}, "open": {"exit": "open"}, "nobody": {"exit": "nobody"}}}') > 0 AS defined;
SELECT count(*) FROM publish('calls');
SELECT count(emit('complained', i::text)) FROM generate_series(1, 4) AS i;
CALL run();

/* ---- taking: nobody else is given it ---- */
SET ROLE task_app;
SELECT customer_id AS first, message_id AS t1 FROM take_task('call_centre', 'ann') \gset
SELECT customer_id AS second, message_id AS t2 FROM take_task('call_centre', 'ann') \gset
SELECT customer_id AS third, message_id AS t3 FROM take_task('call_centre', 'bob') \gset
SELECT :'first' <> :'second' AND :'second' <> :'third' AND :'first' <> :'third' AS are_different;
SELECT assignee, count(*), bool_and(address = '+49' || customer_id), bool_and(subject = 'Call c' || customer_id),
       bool_and(body LIKE 'Ask c%'), bool_or(is_withdrawn) AS withdrawn FROM tasks() GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM tasks('ann');
SELECT count(*) FROM tasks('ann', 'nope');
SELECT count(*) FROM tasks('queue');
RESET ROLE;
SELECT state, count(*) FROM message_status GROUP BY 1 ORDER BY 1;
/* the run waited for somebody to take it, and now for how it ends */
CALL run();
SELECT step, count(*) FROM enrollment_status GROUP BY 1 ORDER BY 1;

/* ---- completing: once, with a word of the list ---- */
SET ROLE task_app;
SELECT complete_task(:'t1', 'reached', 'will call back');
SELECT complete_task(:'t1', 'refused');
SELECT complete_task(:'t2', 'whatever');
SELECT complete_task(:'t2', 'no_answer');
SELECT assign_task(:'t3', 'cleo');
SELECT assign_task(:'t1', 'cleo');
SELECT assignee, count(*) FROM tasks() GROUP BY 1;
RESET ROLE;
CALL run();
SELECT step, state, exit_reason FROM enrollment_status WHERE customer_id IN (:'first', :'second') ORDER BY exit_reason;
SELECT status, detail FROM delivery ORDER BY detail->>'disposition';
SELECT disposition, note, assignee, completed_at FROM task WHERE completed_at IS NOT NULL ORDER BY disposition;

/* ---- a task whose run was ended is seen to be so; an untaken one is gone ---- */
SELECT count(emit('solved', i::text)) FROM generate_series(1, 4) AS i;
SET ROLE task_app;
SELECT count(*) FROM take_task('call_centre', 'ann');
RESET ROLE;
CALL run();
SET ROLE task_app;
SELECT count(*) FROM take_task('call_centre', 'ann');
SELECT assignee, is_withdrawn FROM tasks();
SELECT complete_task(:'t3', 'refused');
RESET ROLE;
CALL run();
SELECT exit_reason, count(*) FROM enrollment_status GROUP BY 1 ORDER BY 1;
/* one that nobody takes in time takes the declared way */
SELECT count(emit('complained', '5'));
CALL run();
SELECT advance_clock('7 days');
SELECT count(*) FROM take_task('call_centre', 'ann');
CALL run();
SELECT step, exit_reason FROM enrollment_status WHERE customer_id = '5';

/* ---- wrong arguments ---- */
SELECT take_task(NULL, 'ann');
SELECT take_task('call_centre', NULL);
SELECT take_task('call_centre', '');
SELECT take_task('nope', 'ann');
SELECT complete_task(NULL, 'reached');
SELECT complete_task(:'t3', NULL);
SELECT complete_task('00000000-0000-0000-0000-000000000000', 'reached');
SELECT assign_task(NULL, 'ann');
SELECT assign_task(:'t3', NULL);
SELECT assign_task(:'t3', repeat('x', 201));
SELECT assign_task('00000000-0000-0000-0000-000000000000', 'ann');
SELECT set_channel('x', '''x''', kind => 'task');
SELECT set_channel('x', '''x''', kind => 'task', dispositions => '{}');
SELECT set_channel('x', '''x''', kind => 'task', dispositions => '{a,NULL}');
SELECT set_channel('x', '''x''', kind => 'task', dispositions => ARRAY['']);
SELECT law, detail FROM verify() WHERE NOT holds;
DROP ROLE task_app;
