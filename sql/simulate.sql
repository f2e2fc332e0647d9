-- simulate: what would happen, and nothing happens
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set VERBOSITY terse
CREATE TABLE public.customer (id int PRIMARY KEY, plan text, tz text, email text);
INSERT INTO public.customer VALUES
  (1, 'free', 'Europe/Berlin', 'one@example.com'), (2, 'pro', 'America/New_York', 'two@example.com'), (3, 'free', NULL, NULL);
CREATE TABLE public.deal (customer int);
CREATE FUNCTION public.open_deal(customer int) RETURNS jsonb LANGUAGE sql AS
  $$ INSERT INTO public.deal VALUES (customer); SELECT '{"deal": 9}'::jsonb $$;
SELECT journey_orch.bind_customer('public.customer', 'id', timezone_sql => 'tz');
SELECT journey_orch.set_channel('email', 'customer.email');
SELECT journey_orch.set_channel('sms', '''+1''');
SELECT journey_orch.set_template('hello', 'email', 'Dear {{ customer.id }}', subject => 'Hello, {{ customer.plan }} {{ event->>''n'' }}');
SELECT journey_orch.set_template('hello', 'sms', 'Hi {{ customer.id }}');
SELECT journey_orch.set_template('broken', 'email', '{{ 1 / (event->>''n'')::int }}');

-- a draft: nobody could enter it
SELECT journey_orch.define($$ {
  "journey": "welcome", "entry": {"on": "came", "key": "event->>'key'"}, "start": "hello",
  "goal": {"on": "bought", "exit": true, "value": "(event->>'amount')::numeric"},
  "steps": {
    "hello": {"send": {"channels": ["email"], "template": "hello"}, "next": "rest"},
    "rest": {"delay": {"for": "1 day", "at": "09:00"}, "next": "wait"},
    "wait": {"wait": {"for": [{"on": "clicked", "when": "event->>'link' = 'deal'", "next": "deal"}], "until": {"after": "2 days", "next": "bye"}}},
    "deal": {"call": "public.open_deal(customer.id)", "simulated": {"deal": 1}, "into": "opened", "next": "tell"},
    "tell": {"emit": "deal_opened", "next": "done"},
    "bye": {"send": {"channels": ["email", "sms"], "template": "hello"}, "next": "done", "on_failure": "lost"},
    "lost": {"exit": "lost"},
    "done": {"exit": "completed"}
  } } $$) AS version;
CREATE VIEW public.asked AS
  SELECT * FROM journey_orch.simulate('welcome', customers => '{2,1,3,nobody}', since => '2026-01-01 12:00+00', events => $$[
    {"event": "clicked", "customer": "1", "at": "2026-01-03 10:00+00", "payload": {"link": "deal"}},
    {"event": "came", "payload": {"n": 5}},
    {"event": "clicked", "customer": "2", "after": "2 days", "payload": {"link": "none"}},
    {"event": "bought", "customer": "3", "after": "30 hours", "payload": {"amount": 12.5}}]$$);
SELECT at, customer, outcome, from_step, to_step, reason, event, due_at, channel, subject, body FROM public.asked;
SELECT customer, visit, outcome, of_journey, of_version, arm, value, context, decision FROM public.asked
WHERE coalesce(context, decision) IS NOT NULL OR value IS NOT NULL;

-- nothing was written: not even a ticket was drawn, or a transaction numbered
BEGIN READ ONLY;
SELECT last_value AS ticket FROM journey_orch.event_seq \gset
SELECT count(*) FROM public.asked;
SELECT pg_current_xact_id_if_assigned() IS NULL AS unnumbered, last_value = :ticket AS same
FROM journey_orch.event_seq;
COMMIT;
SELECT count(*) FROM public.deal;
SELECT count(*) FROM journey_orch.step_log;
SELECT count(*) FROM journey_orch.event;

-- virtual customers: the same seed, the same people; whatever the chunks
PREPARE people AS SELECT * FROM journey_orch.simulate('welcome', virtual_customers => 300, seed => $1, since => '2026-01-01',
  customer_sql => $$jsonb_build_object('id', 1000 + (event->>'n')::int, 'email', 'v@example.com',
    'plan', CASE WHEN (event#>>'{dice,0}')::numeric < 0.3 THEN 'pro' ELSE 'free' END)$$,
  events_sql => $$jsonb_build_array(
    jsonb_build_object('event', 'came', 'after', (event#>>'{dice,1}')::numeric * 30 || ' days', 'payload', jsonb_build_object('plan', customer.plan)),
    jsonb_build_object('event', 'bought', 'after', '20 days', 'payload', '{"amount": 10}'::jsonb))$$);
CREATE TEMP TABLE first AS EXECUTE people(1);
CREATE TEMP TABLE again AS EXECUTE people(1);
CREATE TEMP TABLE other AS EXECUTE people(2);
SELECT count(DISTINCT customer), min(customer), max(customer), count(DISTINCT enrollment_id) FROM first;
SELECT count(*) FROM (SELECT row(f)::text FROM first AS f EXCEPT ALL SELECT row(a)::text FROM again AS a) AS d;
SELECT (SELECT count(*) FROM first) = (SELECT count(*) FROM again) AS same,
       (SELECT count(*) FROM (SELECT at, customer, outcome, subject FROM first EXCEPT SELECT at, customer, outcome, subject FROM other) AS d) > 0 AS differs;
SELECT count(DISTINCT customer) BETWEEN 60 AND 120 AS three_in_ten FROM first WHERE subject LIKE 'Hello, pro%';
-- without a row of their own they are numbered
SELECT DISTINCT customer, outcome, reason FROM journey_orch.simulate('welcome', virtual_customers => 2, events => '[{"event": "came"}]',
  since => '2026-01-01', until => '2026-01-02') ORDER BY 1, 2;
SELECT * FROM journey_orch.simulate('welcome', virtual_customers => 2, customer_sql => $$'{"id": 1}'::jsonb$$, events => '[]');

-- what raises is a row, and stops nobody
SELECT journey_orch.define($$ {
  "journey": "fragile", "entry": {"on": "came", "when": "10 / (event->>'m')::int > 0"}, "start": "a",
  "steps": {"a": {"branch": [{"when": "10 / (event->>'n')::int > 0", "next": "b"}], "else": "b"},
            "b": {"send": {"channels": ["email"], "template": "broken"}, "next": "c"}, "c": {"exit": "completed"}} } $$);
SELECT customer, outcome, from_step, reason, decision->>'message' AS message FROM journey_orch.simulate('fragile', customers => '{1,2}', since => '2026-01-01', events => $$[
  {"event": "came", "customer": "1", "payload": {"m": 0}}, {"event": "came", "customer": "1", "payload": {"m": 1, "n": 0}},
  {"event": "came", "customer": "2", "payload": {"m": 1, "n": 2}}]$$);
-- also a customer whose row raises
BEGIN;
CREATE VIEW public.person AS SELECT id / (id - 1) AS x, id, plan, tz, email FROM public.customer;
SELECT journey_orch.bind_customer('public.person', 'id', timezone_sql => 'tz');
SELECT customer, outcome, reason, decision->>'message' AS message FROM journey_orch.simulate('welcome', customers => '{1,2}',
  since => '2026-01-01', until => '2026-01-01', events => '[{"event": "came"}]');
ROLLBACK;

-- definitions that are nowhere; children are as they are published, drafts their newest
SELECT journey_orch.define('{"journey": "child", "entry": {"journey": true, "reentry": {"policy": "any"}}, "start": "w", "steps": {"w": {"delay": "1 hour", "next": "e"}, "e": {"exit": "grown"}}}');
CREATE FUNCTION public.parent() RETURNS jsonb LANGUAGE sql AS $$ SELECT '{
  "journey": "parent", "entry": {"on": "came", "reentry": {"policy": "any"}}, "start": "a",
  "steps": {"a": {"enter": {"journey": "child", "wait": true}, "next": "b"}, "b": {"emit": "came", "next": "c"}, "c": {"exit": "completed"}}}'::jsonb $$;
SELECT of_journey, of_version, at, outcome, from_step, to_step, reason FROM journey_orch.simulate_definition(public.parent(),
  customers => '{1}', events => '[{"event": "came"}]', since => '2026-01-01', until => '2026-01-01 01:30');
-- it enters itself every hour of a year: a bound ends that
SELECT count(*) FROM journey_orch.simulate_definition(public.parent(), customers => '{1}', events => '[{"event": "came"}]', since => '2026-01-01', max_rows => 5000);
-- a child that is closed; then nothing takes time, and the engine's own bound ends it
SELECT count(*) FROM journey_orch.publish('child');
SELECT journey_orch.stop('child');
SELECT of_journey, count(*), count(DISTINCT at), count(*) FILTER (WHERE reason = 'spin') AS spins FROM journey_orch.simulate_definition(public.parent(),
  customers => '{1}', events => '[{"event": "came"}]', since => '2026-01-01') GROUP BY 1;
SELECT count(*) FROM journey_orch.simulate_definition(jsonb_set(public.parent(), '{start}', '"nowhere"'), customers => '{1}', events => '[]');
-- a command enters, with key and context
SELECT customer, key, outcome, from_step, to_step, context FROM journey_orch.simulate('welcome', customers => '{1}', since => '2026-01-01', until => '2026-01-02',
  events => '[{"enter": {"key": "k", "context": {"a": 1}}, "after": "1 hour"}]');

-- what people do with messages, once they have them
SELECT at, outcome, from_step, to_step, reason, event FROM journey_orch.simulate_definition('{
  "journey": "clicks", "entry": {"on": "came"}, "start": "one", "steps": {
    "one": {"send": {"channels": ["email"], "template": "hello"}, "next": "look"},
    "look": {"wait": {"for": [{"on": "message.clicked", "of": "one", "when": "event#>>''{detail,url}'' = ''a''", "next": "two"}], "until": {"after": "1 day", "next": "lost"}}},
    "two": {"send": {"channels": ["sms"], "template": "hello"}, "next": "last", "on_failure": "lost"},
    "last": {"wait": {"for": [{"on": "message.replied", "of": "two", "next": "won"}], "until": {"after": "1 day", "next": "lost"}}},
    "lost": {"exit": "lost"}, "won": {"exit": "won"}}}', customers => '{1,2}', since => '2026-01-01', events => $$[
  {"event": "came"}, {"event": "came", "customer": "2", "after": "3 days"},
  {"event": "message.clicked", "of": "one", "after": "2 hours", "payload": {"url": "a"}},
  {"event": "message.clicked", "of": "one", "after": "1 hour", "payload": {"url": "b"}},
  {"event": "message.replied", "of": "two", "after": "23:59", "customer": "1"}]$$);

-- versions: the one published last, of a draft the newest, or the one named
SELECT journey_orch.define(jsonb_set(journey_orch.definition('welcome'), '{steps,done,exit}', '"finished"')) AS version;
SELECT DISTINCT of_version FROM public.asked WHERE of_version IS NOT NULL;
SELECT count(*) FROM journey_orch.publish('welcome', 1);
SELECT DISTINCT of_version FROM public.asked;
SELECT DISTINCT of_version FROM journey_orch.simulate('welcome', 2, customers => '{1}', events => '[{"event": "came"}]');

-- history: the log again, the rows those of the step log
SELECT journey_orch.set_clock('2026-02-01 12:00+00');
SELECT journey_orch.emit('came', '1', '{"n": 1}') > 0;
SELECT journey_orch.emit('came', '2', '{"n": 2, "key": "k"}') > 0;
SELECT journey_orch.advance_clock('2 days');
CALL journey_orch.run();
SELECT journey_orch.emit('bought', '2', '{"amount": 3}') > 0;
SELECT journey_orch.advance_clock('5 days');
CALL journey_orch.run();
-- one channel fails for good, the next one does not
SELECT claim_id, message_id FROM journey_orch.claim('email', 'me') AS c JOIN journey_orch.message_status AS m USING (message_id) WHERE m.step = 'bye' \gset
SELECT journey_orch.nack(:claim_id, :'message_id', 'no such mailbox', permanent => true);
CALL journey_orch.run();
SELECT claim_id FROM journey_orch.claim('sms', 'me') \gset
SELECT outcome FROM journey_orch.ack(:claim_id);
CALL journey_orch.run();
CREATE VIEW public.real AS
  SELECT clock, customer_id, j.name, l.version, key, enrollment_id, visit, outcome, from_step, to_step, reason, due_at, arm, value, currency, context, decision
  FROM journey_orch.step_log AS l JOIN journey_orch.journey AS j USING (journey_id);
CREATE VIEW public.replayed AS
  SELECT at, customer, of_journey, of_version, key, enrollment_id, visit, outcome, from_step, to_step, reason, due_at, arm, value, currency, context, decision
  FROM journey_orch.simulate('welcome') WHERE outcome <> 'message';
SELECT count(*) FROM public.real;
TABLE public.real EXCEPT ALL TABLE public.replayed;
TABLE public.replayed EXCEPT ALL TABLE public.real;
SELECT customer, at, channel, from_step FROM journey_orch.simulate('welcome') WHERE outcome = 'message';
SELECT customer, count(*) FROM journey_orch.simulate('welcome', customers => '{2,3}') GROUP BY 1;
SELECT customer, count(*) FROM journey_orch.simulate('welcome', until => '2026-02-01 13:00+00') GROUP BY 1;
SELECT count(*) FROM journey_orch.simulate('welcome', since => '2026-02-02');
-- what would the other version have done with them
SELECT customer, reason FROM journey_orch.simulate('welcome', 2) WHERE outcome = 'ended';

-- rights: one's own journeys, or an operator's; others' along with them for operators
CREATE ROLE simulate_author; GRANT journey_orch_author TO simulate_author;
GRANT USAGE ON SCHEMA public TO simulate_author;
SET ROLE simulate_author;
SELECT count(*) FROM journey_orch.simulate('welcome');
SELECT count(*) FROM journey_orch.simulate_definition(journey_orch.definition('welcome'));
SELECT journey_orch.define('{"journey": "mine", "entry": {"on": "came"}, "start": "e", "steps": {"e": {"exit": "completed"}}}');
SELECT customer, outcome FROM journey_orch.simulate('mine');
SELECT customer, outcome FROM journey_orch.simulate('mine', others => true);
SELECT * FROM journey_orch.simulate('mine', virtual_customers => 1, events_sql => $$(SELECT jsonb_agg(d.customer) FROM public.deal AS d)$$);
SET ROLE postgres;
SELECT of_journey, count(*) FROM journey_orch.simulate('mine', others => true) GROUP BY 1 ORDER BY 1;
DROP OWNED BY simulate_author;
SELECT * FROM journey_orch.verify('full') WHERE NOT holds;
