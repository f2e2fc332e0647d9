-- dead_letter: when a failed message is tried again, when it is given up, and
-- what an operator makes of it then
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
CREATE ROLE dead_letter_ops LOGIN;
GRANT journey_orch_operator TO dead_letter_ops;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';

SELECT journey_orch.set_clock('2026-03-02 09:00+00');
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id text PRIMARY KEY);
INSERT INTO shop.customer SELECT c FROM unnest('{ann,bob,cat,dan,eve,fay,gus}'::text[]) c;
SELECT journey_orch.bind_customer('shop.customer', 'id');
SELECT journey_orch.set_channel('email', 'customer.id', max_attempts => 4, retry_after => '10 minutes');
SELECT journey_orch.set_channel('sms', 'customer.id');
SELECT journey_orch.set_topic('service');
SELECT journey_orch.set_template('hello', 'email', 'Hello') > 0 AND journey_orch.set_template('hello', 'sms', 'Hello') > 0 AS templates;
-- the run goes on when its message is given up, and stays to see whether the customer buys
SELECT journey_orch.define('{"journey": "hello", "entry": {"on": "signed_up", "reentry": {"policy": "any"}}, "goal": {"on": "bought", "exit": true},
  "start": "send", "steps": {
  "send": {"send": {"channels": ["email"], "template": "hello", "topic": "service"}, "next": "stay", "on_failure": "stay"},
  "stay": {"delay": "30 days", "next": "done"}, "done": {"exit": "done"}}}');
SELECT journey_orch.define('{"journey": "brief", "entry": {"on": "asked"}, "start": "send", "steps": {
  "send": {"send": {"channels": ["email"], "template": "hello", "topic": "service", "expires_after": "2 hours"}, "next": "done"}, "done": {"exit": "done"}}}');
SELECT journey_orch.define('{"journey": "both", "entry": {"on": "tried"}, "start": "send", "steps": {
  "send": {"send": {"channels": ["email", "sms"], "template": "hello", "topic": "service"}, "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(p.*) FROM unnest('{hello,brief,both}'::text[]) j, journey_orch.publish(j) p;
CREATE FUNCTION message(customer text) RETURNS uuid LANGUAGE sql SECURITY DEFINER AS
  $$ SELECT coalesce((SELECT message_id FROM journey_orch.message WHERE customer_id = customer),
                     (SELECT id FROM journey_orch.outbox WHERE aggregateid = customer ORDER BY position DESC LIMIT 1)) $$;
-- Claim everything and fail it.
CREATE PROCEDURE fail(error text, permanent boolean = false, retry_after interval = NULL, channel text = 'email') LANGUAGE plpgsql AS $$
BEGIN
  PERFORM journey_orch.nack(c.claim_id, c.message_id, error, permanent, retry_after) FROM journey_orch.claim(channel, 'r1') c;
  COMMIT;
  CALL journey_orch.run();
END
$$;
CREATE VIEW waiting AS
  SELECT m.customer_id, m.state, m.attempt, m.error, date_trunc('second', m.due_at - journey_orch.clock()) AS due_in FROM journey_orch.message m ORDER BY 1;

-- ---- the schedule of retries ----
-- ten minutes, doubled each time, and up to a tenth more
SELECT journey_orch.emit('signed_up', 'ann') > 0 AS begun;
CALL journey_orch.run();
CALL fail('mailbox full');
SELECT customer_id, state, attempt, error, due_in BETWEEN '10 min' AND '11 min' AS is_first FROM waiting;
-- not before its time
SELECT journey_orch.advance_clock('9 minutes 59 seconds');
CALL journey_orch.run();
SELECT count(*) FROM journey_orch.claim('email', 'r1');
SELECT journey_orch.advance_clock('1 minute 1 second');
CALL journey_orch.run();
CALL fail('mailbox full');
SELECT customer_id, state, attempt, due_in BETWEEN '20 min' AND '22 min' AS is_doubled FROM waiting;
SELECT journey_orch.advance_clock('22 minutes');
CALL journey_orch.run();
-- the provider said when: by the engine clock, to the second, and no jitter
CALL fail('slow down', retry_after => '90 minutes');
SELECT customer_id, state, attempt, error, due_in FROM waiting;
SELECT journey_orch.advance_clock('89 minutes 59 seconds');
CALL journey_orch.run();
SELECT state FROM waiting;
SELECT journey_orch.advance_clock('1 second');
CALL journey_orch.run();
SELECT message_id = message('ann') AS is_same, state, attempt FROM journey_orch.message_status WHERE customer_id = 'ann';
-- the fourth failure is the last
CALL fail('mailbox full');
SELECT * FROM waiting;
SELECT customer_id, channel, attempt, error FROM journey_orch.dead_letter;
SELECT state FROM journey_orch.message_status WHERE customer_id = 'ann';
SELECT customer_id, step, state FROM journey_orch.enrollment_status WHERE customer_id = 'ann';
-- whatever the provider says, a day at most; and what failed for good is not tried again
SELECT journey_orch.emit('signed_up', c) > 0 AS begun FROM unnest('{bob,cat}'::text[]) c;
CALL journey_orch.run();
CALL fail('come back next week', retry_after => '7 days');
SELECT customer_id, state, attempt, due_in FROM waiting;
SELECT journey_orch.advance_clock('1 day');
CALL journey_orch.run();
CALL fail('no such user', permanent => true);
SELECT customer_id, state, attempt, error, due_in FROM waiting;

-- ---- sent again ----
SET SESSION AUTHORIZATION dead_letter_ops;
SELECT journey_orch.redeliver(message('ann'), 'the mailbox was emptied') AS command \gset
SELECT command, status, rule FROM journey_orch.command_status(:command);
CALL journey_orch.run();
SELECT command, status, rule FROM journey_orch.command_status(:command);
RESET SESSION AUTHORIZATION;
-- the same message, the next attempt; once only
SELECT message_id = message('ann') AS is_same, state, attempt, error FROM journey_orch.message_status WHERE customer_id = 'ann';
SELECT count(*) FROM journey_orch.dead_letter WHERE customer_id = 'ann';
\set VERBOSITY sqlstate
SELECT journey_orch.redeliver(message('ann')) IS NULL AS never;
\set VERBOSITY default
SELECT claim_id, customer_id, attempt FROM journey_orch.claim('email', 'r1') \gset
SELECT :'customer_id' AS customer_id, :attempt AS attempt, outcome FROM journey_orch.ack(:claim_id);
CALL journey_orch.run();
SELECT state, attempt FROM journey_orch.message_status WHERE customer_id = 'ann';
SELECT count(*) FROM journey_orch.message WHERE customer_id = 'ann';
-- the run has gone its own way long ago
SELECT customer_id, step, state FROM journey_orch.enrollment_status WHERE customer_id = 'ann';
-- who did it
SELECT c.command, c.actor, e.payload->>'note' AS note, e.payload->>'actor' AS actor
  FROM journey_orch.command c JOIN journey_orch.event e ON e.seq = c.command_id;
-- it may fail again: the schedule begins anew
SELECT journey_orch.redeliver(message('bob')) > 0 AS given;
CALL journey_orch.run();
CALL fail('mailbox full');
SELECT customer_id, state, attempt, error, due_in BETWEEN '10 min' AND '11 min' AS is_first FROM waiting WHERE customer_id = 'bob';
SELECT journey_orch.advance_clock('11 minutes');
CALL journey_orch.run();
CALL fail('no such user', permanent => true);
SELECT customer_id, state, attempt, error FROM waiting;

-- ---- many ----
SELECT r.customer_id, r.rule, r.command_id FROM journey_orch.redeliver_many($$error = 'no such user' AND attempt > 2$$, preview => true) r ORDER BY 1;
SELECT r.customer_id, r.rule, r.command_id FROM journey_orch.redeliver_many(preview => true) r ORDER BY 1;
SELECT r.customer_id, r.rule, r.command_id > 0 AS given FROM journey_orch.redeliver_many($$customer_id = 'bob' -- only him$$) r ORDER BY 1;
-- in the same transaction or before the lane has come to it: the second command finds no dead letter
SELECT command_id AS command FROM journey_orch.redeliver_many($$customer_id = 'bob'$$) \gset
CALL journey_orch.run();
SELECT status, rule, reason FROM journey_orch.command_status(:command);
SELECT customer_id, state, attempt FROM waiting;
SELECT * FROM journey_orch.redeliver_many('false');
\set VERBOSITY sqlstate
SELECT * FROM journey_orch.redeliver_many('true) OR (true');
SELECT * FROM journey_orch.redeliver_many('true; DELETE FROM shop.customer');
\set VERBOSITY default
SELECT * FROM journey_orch.redeliver_many('true FROM shop.customer');
SELECT * FROM journey_orch.redeliver_many('nothing > 1');
SELECT * FROM journey_orch.redeliver_many('1');
SELECT * FROM journey_orch.redeliver_many('');
SELECT * FROM journey_orch.redeliver_many(preview => NULL);
-- a filter has the rights of who gives it
SET SESSION AUTHORIZATION dead_letter_ops;
SELECT * FROM journey_orch.redeliver_many('EXISTS (SELECT FROM journey_orch.message)');
RESET SESSION AUTHORIZATION;

-- ---- settled by hand ----
SELECT journey_orch.discard(message('cat'), 'moved away') AS command \gset
CALL journey_orch.run();
SELECT command, status, rule FROM journey_orch.command_status(:command);
SELECT count(*) FROM journey_orch.dead_letter;
SELECT state, error FROM journey_orch.message_status WHERE customer_id = 'cat';
\set VERBOSITY sqlstate
SELECT journey_orch.discard('00000000-0000-0000-0000-000000000000');
SELECT journey_orch.redeliver('00000000-0000-0000-0000-000000000000');
SELECT journey_orch.redeliver(NULL);
SELECT journey_orch.discard(NULL);
\set VERBOSITY default
\set VERBOSITY sqlstate
SELECT journey_orch.discard(message('bob')) IS NULL AS never;
\set VERBOSITY default

-- ---- what is not sent again ----
-- dan buys: his run ends by its goal, and with it the dead letter
SELECT journey_orch.emit('signed_up', 'dan') > 0 AS begun;
CALL journey_orch.run();
CALL fail('no such user', permanent => true);
SELECT message('dan') AS dan \gset
BEGIN;
SELECT journey_orch.emit('bought', 'dan') > 0 AS bought;
SELECT journey_orch.redeliver(:'dan') AS command \gset
COMMIT;
CALL journey_orch.run();
SELECT status, rule, reason FROM journey_orch.command_status(:command);
SELECT count(*) FROM journey_orch.dead_letter;
\set VERBOSITY sqlstate
SELECT journey_orch.redeliver(:'dan');
\set VERBOSITY default
-- eve's message was only good for two hours
SELECT journey_orch.emit('asked', 'eve') > 0 AS begun;
CALL journey_orch.run();
CALL fail('no such user', permanent => true);
SELECT journey_orch.redeliver(message('eve')) AS command \gset
SELECT journey_orch.set_clock('2026-03-05 09:00+00');
CALL journey_orch.run();
SELECT status FROM journey_orch.command_status(:command);
SELECT state FROM journey_orch.message_status WHERE customer_id = 'eve';
SELECT journey_orch.emit('asked', 'fay') > 0 AS begun;
CALL journey_orch.run();
CALL fail('no such user', permanent => true);
SELECT journey_orch.set_clock('2026-03-05 11:00+00');
\set VERBOSITY sqlstate
SELECT journey_orch.redeliver(message('fay')) IS NULL AS never;
\set VERBOSITY default
SELECT customer_id, rule, command_id FROM journey_orch.redeliver_many($$customer_id = 'fay'$$);
-- gus' run still tries the other channel, once its journey is resumed
SELECT journey_orch.emit('tried', 'gus') > 0 AS begun;
CALL journey_orch.run();
SELECT claim_id FROM journey_orch.claim('email', 'r1') \gset
SELECT journey_orch.pause('both') > 0 AS paused;
SELECT journey_orch.nack(:claim_id, message('gus'), 'no such user', permanent => true);
CALL journey_orch.run();
SELECT customer_id, state, attempt, error FROM waiting WHERE customer_id = 'gus';
SELECT journey_orch.redeliver(message('gus')) AS command \gset
CALL journey_orch.run();
SELECT status, rule, reason FROM journey_orch.command_status(:command);
SELECT journey_orch.resume('both') > 0 AS resumed;
CALL journey_orch.run();
SELECT customer_id, channel, state, attempt FROM journey_orch.message_status WHERE customer_id = 'gus';

SELECT * FROM journey_orch.verify() WHERE NOT holds;
SET client_min_messages = warning;
DROP ROLE dead_letter_ops;
