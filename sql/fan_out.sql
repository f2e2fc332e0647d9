-- fan_out: one business event enters many customers
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
SELECT set_clock('2026-01-01 09:00+00');
CREATE TABLE public.customer (id text PRIMARY KEY, plan text NOT NULL);
INSERT INTO public.customer SELECT 'c' || n, CASE WHEN n % 2 = 0 THEN 'pro' ELSE 'free' END FROM generate_series(1, 20) AS n;
CREATE TABLE public.wish (customer_id text, product int NOT NULL);
INSERT INTO public.wish SELECT 'c' || n, 1 FROM generate_series(1, 10) AS n;
-- twice, nobody's, and of somebody who has gone
INSERT INTO public.wish VALUES ('c3', 1), ('c3', 1), (NULL, 1), ('', 1), (repeat('x', 1001), 1), ('gone', 1), ('c11', 2);
SELECT bind_customer('public.customer', 'id');
SELECT set_channel('email', address_sql => $$customer.id || '@example.com'$$);
SELECT set_template('drop', 'email', 'Product {{ event->>''product'' }} costs {{ event->>''price'' }}');
SELECT set_topic('offers');
CREATE FUNCTION public.definition(name text, entry jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('journey', name, 'entry',
    jsonb_build_object('on', 'price_dropped', 'audience', 'SELECT w.customer_id, ''and more'' FROM public.wish AS w WHERE w.product = (event->>''product'')::int -- a comment',
                       'key', 'event->>''product''', 'reentry', '{"policy": "after_exit"}'::jsonb) || entry, 'start', 'note',
    'steps', '{"note": {"send": {"channels": ["email"], "template": "drop", "topic": "offers"}, "next": "rest"}, "rest": {"delay": "1 day", "next": "done"}, "done": {"exit": "done"}}'::jsonb) $$;
CREATE VIEW public.trail AS
  SELECT j.name AS journey, l.version AS v, l.customer_id AS who, l.key, l.outcome, l.reason, l.clock
  FROM step_log AS l JOIN journey AS j USING (journey_id) WHERE outcome IN ('entered', 'refused');
CREATE VIEW public.told AS
  SELECT journey, version AS v, event, state, customers, chunks, last_customer, sqlstate, message FROM fan_out_status ORDER BY started_at, event_id, journey;

SELECT define(public.definition('drops'));
SELECT mermaid('drops', 1);
SELECT count(*) FROM publish('drops');
-- everybody once, with the business event, at its instant; the customer of the event is nobody
SELECT emit('price_dropped', 'product 1', '{"product": 1, "price": 9}') > 0;
CALL run();
SELECT * FROM public.told;
SELECT who, key, outcome, reason, clock FROM public.trail ORDER BY who COLLATE "C";
SELECT subject IS NULL AS no_subject, count(*), min(body) FROM (SELECT payload->>'subject' AS subject, payload->>'body' AS body FROM outbox) AS m GROUP BY 1;
SELECT count(*) FROM journey_status WHERE journey = 'drops' AND entered = 10;

-- re-entry counts for each of them; another product is another key
SELECT emit('price_dropped', 'product 1', '{"product": 1, "price": 8}') > 0, emit('price_dropped', 'product 2', '{"product": 2, "price": 8}') > 0;
CALL run();
SELECT outcome, reason, count(*) FROM public.trail GROUP BY 1, 2 ORDER BY 1, 2;
SELECT * FROM public.told;

-- an audience of nobody, and one that raises: the lane goes on, and a repair lets it go on
SELECT emit('price_dropped', 'product 3', '{"product": 3}') > 0;
SELECT emit('price_dropped', 'product 3', '{"product": "none"}') AS failing \gset
SELECT emit('price_dropped', 'product 2', '{"product": 2}') > 0;
CALL run();
SELECT event, state, customers, sqlstate, message FROM fan_out_status ORDER BY event_id OFFSET 3;
SELECT retry_fan_out('drops', :failing);
CALL run();
SELECT state, sqlstate FROM fan_out_status WHERE event_id = :failing;
SELECT retry_fan_out('drops', 1);
SELECT retry_fan_out('nope', :failing);

-- "when" is asked of each; holdouts and caps as ever
SELECT define(public.definition('pros', '{"on": "news", "audience": "SELECT id FROM public.customer", "when": "customer.plan = ''pro'' AND event->>''about'' = ''pros''", "caps": {"total": 4}}'));
SELECT count(*) FROM publish('pros');
SELECT emit('news', 'x', '{"about": "pros"}') > 0;
CALL run();
SELECT outcome, reason, count(*) FROM public.trail WHERE journey = 'pros' GROUP BY 1, 2 ORDER BY 1, 2;

-- in chunks: pages by id, each a transaction
SELECT define(public.definition('paged', '{"on": "page", "audience": "SELECT n FROM generate_series(1, 50) AS n", "key": "event->>''x''"}') || '{"absent_customer": "enter"}');
SELECT count(*) FROM publish('paged');
SET journey_orch.fan_out_chunk = 7;
SELECT emit('page', 'x') > 0;
CALL run(max_batches => 4);
SELECT state, customers < 50 AS is_part FROM fan_out_status WHERE journey = 'paged';
-- publish meanwhile: the event goes on with the version that it met
SELECT define(public.definition('paged', '{"on": "page", "audience": "SELECT 1", "key": "event->>''x''"}') || '{"absent_customer": "enter"}');
SELECT count(*) FROM publish('paged');
CALL run();
SELECT version, state, customers, chunks, last_customer FROM fan_out_status WHERE journey = 'paged';
SELECT v, count(*), count(DISTINCT who) FROM public.trail WHERE journey = 'paged' GROUP BY 1;
-- paused: they are held; stopped: the rest is not told; a stopped journey refuses the event
SELECT pause('paged');
SELECT emit('page', 'x', '{"x": 2}') > 0;
CALL run();
SELECT state, count(*) FROM enrollment_status WHERE journey = 'paged' AND key = '2' GROUP BY 1;
SELECT resume('paged');
SELECT count(*) FROM publish('paged', 1);
CALL run();
SELECT emit('page', 'x', '{"x": 3}') > 0;
CALL run(max_batches => 4);
SELECT stop('paged') > 0;
-- also when it is published again before anybody has looked
SELECT count(*) > 0 AS published FROM publish('paged', 1);
CALL run();
SELECT state FROM fan_out_status WHERE journey = 'paged' ORDER BY event_id DESC LIMIT 1;
SELECT stop('paged') > 0;
SELECT emit('page', 'x', '{"x": 4}') > 0;
CALL run();
SELECT state, customers BETWEEN 1 AND 49 AS is_part, message FROM fan_out_status WHERE journey = 'paged' ORDER BY event_id OFFSET 2;
RESET journey_orch.fan_out_chunk;

-- here: on trial, at once
BEGIN;
INSERT INTO public.wish VALUES ('c20', 9);
SELECT emit('price_dropped', 'product 9', '{"product": 9}') > 0;
SELECT run_here() > 0;
SELECT who, outcome FROM public.trail WHERE key = '9';
SELECT run_here();
SELECT count(*) FROM public.trail WHERE key = '9';
ROLLBACK;
SELECT count(*) FROM public.trail WHERE key = '9';
BEGIN;
SELECT emit('price_dropped', 'product', '{"product": "none"}') > 0;
SELECT run_here();
ROLLBACK;

-- it is its owner's query: no more than he may read, and nothing written
CREATE ROLE fan_out_author IN ROLE journey_orch_author;
CREATE TABLE public.secret (id text);
SET ROLE fan_out_author;
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "SELECT id FROM public.secret"}'));
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "SELECT id FROM nowhere"}'));
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "SELECT customer.plan"}'));
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "SELECT context->>''after''"}'));
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "SELECT 1) OR EXISTS(SELECT 2"}'));
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "DELETE FROM public.secret RETURNING id"}'));
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "SELECT now()"}'));
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "SELECT id FROM public.secret;"}'));
SELECT code, path, message, hint FROM check_definition(public.definition('spy', '{"audience": "SELECT"}'));
RESET ROLE;
-- existing customers have had no event of their own
SELECT count(*) FROM publish('drops', existing => 'now');
-- runs that fan out to themselves come to an end
SELECT define('{"journey": "echo", "absent_customer": "enter", "entry": {"on": "shout", "audience": "SELECT ''echo''", "reentry": {"policy": "any"}}, "start": "again",
  "steps": {"again": {"emit": "shout", "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('echo');
SELECT emit('shout', 'mountain') > 0;
CALL run();
SELECT state, message, count(*) > 5 AS many FROM fan_out_status WHERE journey = 'echo' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT reason, enrollments > 5 AS many FROM exit_reason WHERE journey = 'echo' ORDER BY 1;
SELECT law, detail FROM verify('full') WHERE NOT holds;
-- what ended long ago goes
UPDATE fan_out SET changed_at = changed_at - interval '31 days' WHERE state IN ('done', 'failed');
SELECT act, regexp_replace(detail, '\d+', 'n') FROM maintain() WHERE act = 'pruned';
SELECT state, count(*) FROM fan_out GROUP BY 1 ORDER BY 1;
SELECT law, detail FROM verify('full') WHERE NOT holds;
DROP OWNED BY fan_out_author;
DROP ROLE fan_out_author;
