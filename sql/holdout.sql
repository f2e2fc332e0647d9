-- holdout: one slice of the customers whom no journey writes to
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
SELECT set_clock('2026-01-01 09:00+00');
SELECT set_channel('email', address_sql => $$'x@example.com'$$);
SELECT set_template('news', 'email', 'News'), set_template('receipt', 'email', 'Receipt');
SELECT set_topic('offers', 'marketing'), set_topic('orders', 'transactional'), set_topic('terms', 'legal');
-- Sends about all kinds of topics, one of them not declared.
CREATE FUNCTION public.definition(name text, entry jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('journey', name, 'entry', jsonb_build_object('on', name, 'reentry', '{"policy": "any"}'::jsonb) || entry, 'start', 'offer',
    'goal', '{"on": "bought", "within": "1 year", "exit": false}'::jsonb,
    'steps', '{"offer":   {"send": {"channels": ["email"], "template": "news", "topic": "offers"}, "next": "receipt"},
               "receipt": {"send": {"channels": ["email"], "template": "receipt", "topic": "orders"}, "next": "terms"},
               "terms":   {"send": {"channels": ["email"], "template": "receipt", "topic": "terms"}, "next": "other"},
               "other":   {"send": {"channels": ["email"], "template": "news", "topic": "unheard_of"}, "next": "tell"},
               "tell":    {"emit": "told", "next": "done"},
               "done":    {"exit": "done"}}'::jsonb) $$;
SELECT define(public.definition('first')), define(public.definition('second')), define(public.definition('own', '{"holdout": 0.3}'));
SELECT count(*) FROM (VALUES ('first'), ('second'), ('own')) AS j(name), publish(j.name);

-- before there is one nobody is in it
SELECT in_global_holdout('c1'), in_global_holdout(NULL) IS NULL AS of_nobody;
SELECT set_global_holdout(0.1);
SELECT set_global_holdout(0.10);
SELECT share, since, actor = session_user AS is_mine, is_current FROM global_holdout;

-- 10,000 customers: as many as a fair draw would give, four deviations either way
CREATE TABLE public.customer AS SELECT 'c' || n AS id FROM generate_series(1, 10000) AS n;
SELECT count(emit(j.name, c.id)) FROM public.customer AS c, (VALUES ('first'), ('second')) AS j(name);
CALL run();
CREATE VIEW public.held AS
  SELECT j.name AS journey, l.customer_id AS id FROM step_log AS l JOIN journey AS j USING (journey_id)
  WHERE l.outcome = 'entered' AND l.reason = 'global_holdout';
SELECT journey, abs(count(*) - 1000) < 4 * sqrt(10000 * 0.1 * 0.9) AS is_fair FROM public.held GROUP BY 1 ORDER BY 1;

-- the same people in every journey, and those whom the function names
SELECT count(*) FILTER (WHERE a.id IS NULL OR b.id IS NULL) AS differ
FROM (SELECT id FROM public.held WHERE journey = 'first') AS a FULL JOIN (SELECT id FROM public.held WHERE journey = 'second') AS b USING (id);
SELECT count(*) FROM public.customer AS c WHERE in_global_holdout(c.id) <> EXISTS (SELECT FROM public.held AS h WHERE h.id = c.id);

-- they get what is owed to them, and nothing else; others get everything
SELECT in_global_holdout(m.customer_id) AS is_held, step, count(*) = count(DISTINCT (journey, customer_id)) AS one_each, count(*) = 2 * min(c.n) AS is_all
FROM message_status AS m JOIN (SELECT in_global_holdout(id) AS is_held, count(*) AS n FROM public.customer GROUP BY 1) AS c ON c.is_held = in_global_holdout(m.customer_id)
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT DISTINCT from_step, reason FROM step_log AS l WHERE outcome = 'advanced' AND in_global_holdout(l.customer_id) ORDER BY 1, 2;
SELECT count(*) FROM event_log WHERE event = 'told' AND in_global_holdout(customer_id);

-- a larger share only adds people, and counts from its ticket on: what was captured before meets the old one
CREATE TABLE public.before AS SELECT id FROM public.customer WHERE in_global_holdout(id);
SELECT id AS added FROM public.customer WHERE NOT in_global_holdout(id) AND bucket('$global_holdout', '', id) < 2500 ORDER BY id LIMIT 1 \gset
SELECT count(emit('first', :'added'));
SELECT set_global_holdout(0.25);
SELECT count(*) FROM public.before WHERE NOT in_global_holdout(id);
SELECT in_global_holdout(:'added');
SELECT count(emit('first', :'added'));
CALL run();
SELECT reason FROM step_log WHERE customer_id = :'added' AND outcome = 'entered' ORDER BY event_id DESC LIMIT 2;
SELECT abs(count(*) - 2500) < 4 * sqrt(10000 * 0.25 * 0.75) AS is_fair FROM public.customer WHERE in_global_holdout(id);

-- the journey's own holdout comes first, and exempts nothing
SELECT count(emit('own', id)) FROM public.customer WHERE id IN (SELECT 'c' || n FROM generate_series(1, 500) AS n);
CALL run();
SELECT CASE WHEN bucket('own/$holdout', '', l.customer_id) < 3000 THEN 'own' WHEN in_global_holdout(l.customer_id) THEN 'global' ELSE 'none' END AS holdout,
       l.reason, count(*) > 50 AS are_many, bool_and(m.steps IS NOT DISTINCT FROM CASE coalesce(l.reason, '')
         WHEN 'holdout' THEN NULL WHEN 'global_holdout' THEN '{receipt,terms}'::text[] ELSE '{offer,other,receipt,terms}' END) AS sends_rightly
FROM step_log AS l JOIN journey AS j USING (journey_id)
LEFT JOIN (SELECT customer_id, array_agg(step::text ORDER BY step) AS steps FROM message_status WHERE journey = 'own' GROUP BY 1) AS m USING (customer_id)
WHERE j.name = 'own' AND l.outcome = 'entered' GROUP BY 1, 2 ORDER BY 1;

-- the class is that of now: a topic that becomes service is not exempt any more
SELECT set_topic('orders', 'service');
SELECT id AS held FROM public.before ORDER BY id LIMIT 1 \gset
SELECT count(emit('second', :'held'));
CALL run();
SELECT from_step, reason FROM step_log WHERE customer_id = :'held' AND event_id = (SELECT max(event_id) FROM event_log WHERE customer_id = :'held') AND outcome = 'advanced' ORDER BY visit;

-- measured: who was left out buys less
SELECT count(emit('bought', id)) FROM public.customer WHERE in_global_holdout(id) AND bucket('sale', '', id) < 1000 OR NOT in_global_holdout(id) AND bucket('sale', '', id) < 2000;
CALL run();
SELECT journey, version, holdout, entered > 0 AS has_entered, round(rate, 1) AS rate FROM holdout_result WHERE journey = 'second' ORDER BY 1, 2, 3;

-- back to nobody; a run inside keeps what it was
SELECT set_global_holdout(0);
SELECT count(*) FROM public.customer WHERE in_global_holdout(id);
SELECT share, is_current FROM global_holdout ORDER BY since, share;
SELECT set_global_holdout(1.5);
SELECT set_global_holdout(0.00001);
SELECT set_global_holdout(NULL);
SELECT law, detail FROM verify('full') WHERE NOT holds;
