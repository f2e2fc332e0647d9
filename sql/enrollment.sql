/*
 * The state machine as a transcript: entry, re-entry, every verb, goal, exit
 * rules, restart, errors.  The clock is virtual; CALL run() stands for a worker.
 */
CREATE EXTENSION journey_orch;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET search_path = public, journey_orch;

CREATE TABLE customer (id bigint PRIMARY KEY, name text, email text, plan text, visits int, timezone text);
INSERT INTO customer VALUES
  (1, 'Ada',  'ada@example.com',  'free', 3, 'UTC'),
  (2, 'Bob',  NULL,               'free', 0, 'UTC'),
  (3, 'Cleo', 'cleo@example.com', 'pro',  9, 'Europe/Berlin');
SELECT bind_customer('public.customer', 'id', 'timezone');
SELECT set_channel('email', 'customer.email');
SELECT set_template('hello', 'email', 'Hello {{ customer.name }}, {{ event->>''what'' }}', 'Welcome');
SELECT set_topic('news');
SELECT set_clock('2026-03-01 12:00+00');

/* what happened to everybody, one line an advance */
CREATE VIEW trail AS
SELECT l.customer_id AS who, j.name AS journey, l.visit, l.outcome, l.from_step, l.to_step, l.reason, l.arm,
       to_char(l.clock, 'MM-DD HH24:MI') AS at, to_char(l.due_at, 'MM-DD HH24:MI') AS due, l.context
FROM journey_orch.step_log AS l JOIN journey_orch.journey AS j USING (journey_id)
ORDER BY l.clock, l.customer_id, j.name, l.visit, l.batch, l.ctid;

/* enter, send, delay, branch, update, exit */
SELECT define('{
  "journey": "greet", "timezone": "UTC",
  "entry": {"on": "signed_up", "when": "event->>''what'' IS NOT NULL"},
  "start": "hi",
  "steps": {
    "hi":    {"send": {"channels": ["email"], "template": "hello", "topic": "news"}, "next": "rest"},
    "rest":  {"delay": "1 day", "next": "which"},
    "which": {"branch": [{"when": "customer.plan = ''pro''", "next": "note"},
                         {"when": "customer.visits > (SELECT 2)", "next": "keen"}], "else": "cold"},
    "note":  {"update": {"plan": "customer.plan", "seen": "journey.now", "score": "customer.visits * 2"}, "next": "done"},
    "keen":  {"exit": "keen"},
    "cold":  {"exit": "cold"},
    "done":  {"exit": "completed"}}}');
SELECT count(*) FROM publish('greet');
SELECT count(emit('signed_up', c::text, '{"what": "you made it"}')) FROM generate_series(1, 3) AS c;
SELECT count(emit('signed_up', '1'));
CALL run();
SELECT * FROM trail;
SELECT customer_id, step, state, entered_at, due_at FROM enrollment_status ORDER BY 1;
SELECT aggregateid, payload FROM outbox ORDER BY 1;
SELECT advance_clock('1 day');
CALL run();
SELECT * FROM trail WHERE at > '03-02';
SELECT customer_id, state, exit_reason FROM enrollment_status ORDER BY 1;
/* once only is the default */
SELECT count(emit('signed_up', '1', '{"what": "again"}'));
CALL run();
SELECT who, outcome, reason FROM trail WHERE outcome = 'refused';

/* a customer that does not exist is refused, one that is deleted exits */
SELECT count(emit('signed_up', '99', '{"what": "who"}'));
INSERT INTO customer VALUES (4, 'Dan', 'dan@example.com', 'free', 0, 'UTC');
SELECT count(emit('signed_up', '4', '{"what": "late"}'));
CALL run();
DELETE FROM customer WHERE id = 4;
SELECT advance_clock('1 day');
CALL run();
SELECT who, outcome, from_step, to_step, reason FROM trail WHERE who IN ('4', '99');

/* keys, goal, exit rules, wait, restart */
SELECT define('{
  "journey": "cart", "timezone": "UTC",
  "entry": {"on": "cart_updated", "key": "event->>''cart''", "reentry": {"policy": "any"}},
  "goal":  {"on": "ordered", "match_key": "event->>''cart''", "value": "(event->>''amount'')::numeric", "currency": "event->>''currency''"},
  "exit":  [{"on": "emptied", "match_key": "event->>''cart''", "reason": "emptied"},
            {"when": "customer.plan = ''blocked''", "reason": "blocked"}],
  "start": "settle",
  "steps": {
    "settle": {"delay": "1 hour", "restart_on": "cart_updated", "next": "remind"},
    "remind": {"send": {"channels": ["email"], "template": "hello", "topic": "news"}, "next": "react"},
    "react":  {"wait": {"for": [{"on": "opened", "when": "(event->>''n'')::int > 1", "next": "warm"},
                                {"on": "opened", "next": "cool"}],
                        "until": {"after": "2 days", "next": "lost"}}},
    "warm":   {"exit": "warm"}, "cool": {"exit": "cool"}, "lost": {"exit": "lost"}}}');
SELECT count(*) FROM publish('cart');
SELECT count(emit('cart_updated', '1', format('{"cart": "%s"}', c)::jsonb)) FROM unnest('{a,b,c}'::text[]) AS c;
SELECT count(emit('cart_updated', '3', '{"cart": "d"}'));
CALL run();
SELECT advance_clock('30 minutes');
/* restarts only its own cart's delay */
SELECT count(emit('cart_updated', '1', '{"cart": "a"}'));
CALL run();
SELECT customer_id, key, step, due_at FROM enrollment_status WHERE journey = 'cart' ORDER BY 1, 2;
/* emptied ends b only; ordered ends c as a conversion */
SELECT count(emit('emptied', '1', '{"cart": "b"}'));
SELECT count(emit('ordered', '1', '{"cart": "c", "amount": 12.5, "currency": "EUR"}'));
CALL run();
SELECT advance_clock('1 hour');
CALL run();
SELECT who, journey, visit, outcome, from_step, to_step, reason FROM trail WHERE journey = 'cart' AND who = '1';
/* the first branch that matches, in array order */
SELECT count(emit('opened', '1', '{"n": 1}'));
SELECT count(emit('opened', '3', '{"n": 2}'));
CALL run();
SELECT customer_id, key, exit_reason FROM enrollment_status WHERE journey = 'cart' ORDER BY 1, 2;
SELECT journey, currency, conversions, customers, value, rate FROM conversion;
/* a bare condition is tested at every event */
SELECT count(emit('cart_updated', '3', '{"cart": "e"}'));
CALL run();
UPDATE customer SET plan = 'blocked' WHERE id = 3;
SELECT count(emit('anything', '3'));
CALL run();
SELECT customer_id, key, exit_reason FROM enrollment_status WHERE journey = 'cart' AND key = 'e';

/* an error parks one run and nobody else */
SELECT define('{
  "journey": "divide", "timezone": "UTC",
  "entry": {"on": "number", "reentry": {"policy": "any"}},
  "start": "calculate",
  "steps": {"calculate": {"update": {"share": "100 / (event->>''n'')::int"}, "next": "done"},
            "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('divide');
SELECT count(emit('number', '1', format('{"n": %s}', n)::jsonb)) FROM generate_series(0, 2) AS n;
CALL run();
SELECT outcome, from_step, to_step, reason, context FROM trail WHERE journey = 'divide' ORDER BY outcome, context;
SELECT customer_id, step, sqlstate, error, expression FROM parked_enrollment;

/* two arms, always the same one for a customer */
SELECT define('{
  "journey": "halves", "timezone": "UTC",
  "entry": {"on": "tossed", "reentry": {"policy": "after_exit", "cooldown": "1 day"}},
  "start": "toss",
  "steps": {"toss": {"split": {"arms": {"a": 50, "b": 50}, "experiment": "welcome", "salt": "s1"}, "next": {"a": "one", "b": "two"}},
            "one": {"exit": "one"}, "two": {"exit": "two"}}}');
SELECT count(*) FROM publish('halves');
SELECT count(emit('tossed', '1')) FROM generate_series(1, 2);
CALL run();
SELECT outcome, reason FROM trail WHERE journey = 'halves' AND outcome IN ('ended', 'refused');
SELECT advance_clock('1 day');
SELECT count(emit('tossed', '1'));
CALL run();
SELECT outcome, reason, arm FROM trail WHERE journey = 'halves' AND (outcome = 'ended' OR arm IS NOT NULL);

SELECT journey, version, entered, active, ended, converted, parked, refused FROM journey_status ORDER BY 1;
SELECT step, position, entered, departed, waiting, round(share_of_start, 2) AS share FROM funnel WHERE journey = 'cart' ORDER BY position;
SELECT law, holds, detail FROM verify('full');
