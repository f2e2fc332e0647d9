-- gates: a message is allowed, deferred or withheld, when it is enqueued and when it is claimed
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
RESET client_min_messages;
SET search_path = journey_orch, public;
SET timezone = 'UTC';

CREATE TABLE public.customer (id text PRIMARY KEY, email text, phone text, zone text);
INSERT INTO public.customer VALUES ('ann', 'ann@example.com', '+1', 'UTC'), ('bob', 'bob@example.com', '+2', 'UTC'),
  ('cid', NULL, '+3', 'UTC');
SELECT bind_customer('public.customer', 'id', timezone_sql => 'zone');
SELECT set_channel('email', 'customer.email', max_attempts => 2);
SELECT set_channel('sms', 'customer.phone');
SELECT set_template('hi', 'email', 'Hi {{ customer.id }}', subject => 'Hi');
SELECT set_template('hi', 'sms', 'Hi {{ customer.id }}');
SELECT set_topic('offers', 'marketing');
SELECT set_topic('orders', 'transactional');

CREATE FUNCTION public.journey(name text, send jsonb, more jsonb DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM define(jsonb_build_object('journey', name, 'entry', jsonb_build_object('on', name), 'start', 'wait', 'steps',
    jsonb_build_object('wait', '{"delay": "1 hour", "next": "send"}'::jsonb,
      'send', jsonb_build_object('send', '{"template": "hi", "topic": "offers"}'::jsonb || send, 'next', 'done') || more,
      'done', '{"exit": "done"}'::jsonb)
    || CASE WHEN more ? 'on_withheld' THEN '{"stopped": {"exit": "stopped"}}' ELSE '{}' END::jsonb
    || CASE WHEN more ? 'on_failure' THEN '{"lost": {"exit": "lost"}}' ELSE '{}' END::jsonb));
  PERFORM publish(name);
  RETURN name;
END $$;
CREATE VIEW public.moves AS
  SELECT customer_id, from_step, to_step, outcome, reason, decision - 'due' AS decision FROM step_log WHERE outcome <> 'entered' ORDER BY customer_id, clock, visit, outcome, to_step, reason;
CREATE VIEW public.status AS
  SELECT journey, customer_id, channel, state, attempt, gate, rule, reason FROM message_status ORDER BY journey, customer_id, channel;

-- ---- withheld at the claim ----
SELECT set_clock('2026-01-05 09:00Z');
SELECT public.journey('plain', '{"channels": ["email"]}');
SELECT public.journey('both', '{"channels": ["email", "sms"]}', '{"on_withheld": "stopped", "on_failure": "lost", "into": "sent"}');
SELECT public.journey('owed', '{"channels": ["email"], "topic": "orders"}');
SELECT count(emit(name, 'ann')) FROM unnest('{plain,both,owed}'::text[]) AS name;
SELECT advance_clock('1 hour');
CALL run();
SELECT * FROM public.status;
SELECT set_global_holdout(1);
SELECT journey, customer_id, topic FROM claim('email', 'r1');
SELECT * FROM public.status;
SELECT journey, channel, gate, rule, reason, evidence, decided_at, stage, attempt FROM withheld_message ORDER BY 1;
SELECT name, payload - '{message_id,enrollment_id,journey_id,event_id,enqueued_at,expires_at}'::text[] AS payload FROM event WHERE name LIKE 'message.%' ORDER BY seq;
CALL run();
SELECT * FROM public.moves;
SELECT journey, exit_reason FROM enrollment_status ORDER BY 1;
SELECT outcome, count(*) FROM claim_outcome GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM message;

-- ---- withheld when it is enqueued: the run had entered before the setting ----
SELECT set_global_holdout(0);
SELECT count(emit(name, id)) FROM unnest('{plain,both,owed}'::text[]) AS name, public.customer WHERE id IN ('bob', 'cid');
CALL run();
SELECT set_global_holdout(1);
SELECT advance_clock('1 hour');
CALL run();
SELECT * FROM public.status WHERE customer_id <> 'ann';
SELECT * FROM public.moves WHERE customer_id <> 'ann';
SELECT customer_id, journey, channel, gate, reason, stage, attempt FROM withheld_message WHERE stage = 'enqueue' ORDER BY 1, 2, 3;
SELECT customer_id, kind, event, payload->>'channel' AS channel, payload->>'gate' AS gate, payload->>'reason' AS reason
  FROM event_log WHERE event = 'message.withheld' AND customer_id <> 'ann' ORDER BY 1, event_id;

-- ---- deferred: by a halt of the journey, at the claim and when it is enqueued ----
SELECT set_global_holdout(0);
INSERT INTO public.customer VALUES ('dan', 'dan@example.com', '+4', 'UTC'), ('eve', 'eve@example.com', NULL, 'UTC'), ('fay', 'fay@example.com', NULL, 'UTC');
SELECT count(emit(name, 'dan')) FROM unnest('{plain,both}'::text[]) AS name;
SELECT advance_clock('1 hour');
CALL run();
SELECT halt('journey', 'plain', 'typo') IS NOT NULL AS is_halted, halt('journey', 'both', 'typo') IS NOT NULL AS is_halted;
SELECT journey FROM claim('email', 'r1');
CALL run();
SELECT * FROM public.status WHERE customer_id = 'dan';
SELECT count(emit('both', 'eve')), count(emit('plain', 'eve'));
SELECT advance_clock('1 hour');
CALL run();
SELECT * FROM public.status WHERE customer_id = 'eve';
SELECT journey, state, step FROM enrollment_status WHERE customer_id IN ('dan', 'eve') ORDER BY customer_id, journey;
SELECT customer_id, channel, state, attempt, failures, error, due_at > clock() AS is_later FROM message ORDER BY customer_id, template, step, state;
SELECT unhalt('journey', 'plain') IS NOT NULL AS is_over, unhalt('journey', 'both') IS NOT NULL AS is_over;
SELECT advance_clock('1 day');
CALL run();
SELECT journey, customer_id, attempt FROM claim('email', 'r1') ORDER BY 1, 2;
SELECT m.customer_id, m.journey, report(m.message_id, 'delivered') > 0 AS is_reported FROM message_status AS m WHERE m.state = 'claimed' AND m.customer_id IN ('dan', 'eve') ORDER BY 1, 2;
SELECT count(nack(c.claim_id, h, 'busy')) FROM claim AS c, unnest(c.held) AS h WHERE c.claim_id = (SELECT max(claim_id) FROM claim);
CALL run();
SELECT customer_id, channel, attempt, failures, error FROM message ORDER BY customer_id, attempt, is_awaited;
SELECT * FROM public.status WHERE customer_id IN ('dan', 'eve');
SELECT * FROM public.moves WHERE customer_id IN ('dan', 'eve');
SELECT stage, answer, gate, rule, reason, evidence IS NOT NULL AS has_evidence, count(*) FROM gate_decision GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5;
-- ---- the next channel, for the reasons that are named ----
SELECT set_topic('news', 'marketing', consent => 'opt_in');
INSERT INTO public.customer VALUES ('gil', 'gil@example.com', '+7', 'UTC');
SELECT grant_consent('gil', 'sms', 'news', source => 'form', evidence => '{"text_version": "1", "method": "checkbox"}') > 0 AS is_granted;
SELECT public.journey('any', '{"channels": ["email", "sms"], "topic": "news"}', '{"into": "sent"}');
SELECT public.journey('fails', '{"channels": ["email", "sms"], "topic": "news", "fallback_on": ["no_address", "failed"]}', '{"on_withheld": "stopped"}');
SELECT public.journey('lacks', '{"channels": ["email", "sms"], "topic": "orders", "fallback_on": ["failed"]}', '{"on_failure": "lost"}');
UPDATE public.customer SET email = NULL WHERE id = 'fay';
SELECT count(emit('any', 'gil')), count(emit('fails', 'gil')), count(emit('lacks', 'fay'));
SELECT advance_clock('1 hour');
CALL run();
SELECT * FROM public.status WHERE customer_id IN ('gil', 'fay');
SELECT * FROM public.moves WHERE customer_id IN ('gil', 'fay');
SELECT channel, gate, reason, stage FROM withheld_message WHERE customer_id = 'gil' ORDER BY 1;
SELECT law, detail FROM verify('full') WHERE NOT holds;
