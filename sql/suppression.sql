-- suppression: nothing goes to an address, whatever was consented to
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
SELECT set_clock('2026-01-01 09:00+00');
SELECT set_topic('offers', 'marketing'), set_topic('tips', 'marketing'), set_topic('visits', 'service'),
       set_topic('orders', 'transactional'), set_topic('terms', 'legal');

-- Reasons by class (C27): what was not wanted does not stop what is owed.
SELECT reason, suppress('email', reason || '@example.com', reason) > 0 AS suppressed
FROM unnest('{hard_bounce,complaint,manual,legal,role_account,unsubscribed,erased}'::text[]) AS reason;
SELECT why, string_agg(topic || ' ' || a.decision, ', ' ORDER BY place) AS answers
FROM unnest('{hard_bounce,complaint,manual,legal,role_account,unsubscribed,erased}'::text[]) AS why,
     unnest('{offers,visits,orders,terms}'::text[]) WITH ORDINALITY AS t (topic, place),
     ask_gates('1', 'email', topic, why || '@example.com') AS a
GROUP BY why ORDER BY why;

-- Scopes by reason: global, a channel, a topic, a topic on a channel.
CREATE TABLE public.scope (place int, channel text, topic text);
INSERT INTO public.scope VALUES (1, NULL, NULL), (2, 'email', NULL), (3, NULL, 'tips'), (4, 'email', 'tips');
SELECT place, count(suppress(channel, concat(reason, place, '@example.com'), reason, topic)) AS suppressed
FROM public.scope, unnest('{hard_bounce,complaint,manual,legal,role_account,unsubscribed,erased}'::text[]) AS reason
GROUP BY place ORDER BY place;
SELECT s.channel, s.topic, why, string_agg(concat_ws(' ', w.channel, w.topic), ', ' ORDER BY w.channel, w.topic) AS stopped
FROM public.scope AS s, unnest('{hard_bounce,complaint,manual,legal,role_account,unsubscribed,erased}'::text[]) AS why,
     (VALUES ('email', 'offers'), ('email', 'tips'), ('sms', 'offers'), ('sms', 'tips')) AS w (channel, topic),
     ask_gates('1', w.channel, w.topic, concat(why, s.place, '@example.com')) AS a
WHERE a.decision = 'withhold' GROUP BY s.place, s.channel, s.topic, why ORDER BY s.place, why;
SELECT scope, channel, topic, count(*) FROM suppression GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- It wins over consent, and says why.
SELECT grant_consent('1', 'email', 'offers', 'form', '{"text_version": "v1", "method": "checkbox"}') > 0 AS granted;
SELECT decision, gate, rule, reason, evidence - 'suppression_id' AS evidence FROM ask_gates('1', 'email', 'offers', 'complaint@example.com');
SELECT decision FROM ask_gates('1', 'email', 'offers', 'free@example.com');
-- a message without an address is not stopped here
SELECT decision FROM ask_gates('1', 'email', 'offers');

-- One address in many forms.
SELECT suppress('sms', '+1 (555) 010-4477', 'manual') > 0 AS suppressed, suppress('push', 'Device-77', 'manual') > 0 AS suppressed;
SELECT channel, address, decision FROM (VALUES ('email', ' MANUAL@Example.COM '), ('email', E'manual@example.com\n'), ('sms', '+15550104477'),
  ('sms', '+1.555.010.4477'), ('sms', '15550104477'), ('push', 'Device-77 '), ('push', 'device-77'), ('push', ' ')) AS a (channel, address),
  ask_gates('1', channel, 'orders', address) ORDER BY 1, 2;

-- Until an instant of the engine clock; then from another one.
SELECT suppress('email', 'soft@example.com', 'hard_bounce', expires_at => '2026-01-03') AS id \gset
SELECT suppress('email', 'soft@example.com', 'hard_bounce', expires_at => '2026-01-02') = :id AS is_same;
SELECT expires_at, is_live FROM suppression WHERE suppression_id = :id;
SELECT decision FROM ask_gates('1', 'email', 'orders', 'soft@example.com');
SELECT set_clock('2026-01-03 00:00+00');
SELECT decision FROM ask_gates('1', 'email', 'orders', 'soft@example.com');
SELECT expires_at, is_live FROM suppression WHERE suppression_id = :id;
SELECT suppress('email', 'soft@example.com', 'hard_bounce') = :id AS is_same;
SELECT decision FROM ask_gates('1', 'email', 'orders', 'soft@example.com');

-- Lifted: exactly this channel, topic and reason; the row stays.
SELECT unsuppress(NULL, 'soft@example.com'), unsuppress('email', 'soft@example.com', 'manual'), unsuppress('email', 'SOFT@example.com');
SELECT decision FROM ask_gates('1', 'email', 'orders', 'soft@example.com');
SELECT expires_at, lifted_at, lifted_by IS NOT NULL AS has_actor, is_live FROM suppression WHERE suppression_id = :id;
SELECT suppress('email', 'soft@example.com', 'hard_bounce') > :id AS is_new;

-- A list of which nobody sees the addresses.
SELECT import_suppressions('email', ARRAY[sha256('handed@example.com'), sha256('over@example.com'), sha256('handed@example.com')], 'legal', source => 'partner');
SELECT import_suppressions('email', ARRAY[sha256('handed@example.com')], 'legal', source => 'partner');
SELECT decision, rule FROM ask_gates('1', 'email', 'orders', 'Handed@Example.com');
SELECT import_suppressions('email', ARRAY['short'::bytea], 'legal');

-- Nothing but keyed hashes is stored, and the key is nobody's but the owner's.
SELECT count(*) AS with_an_address FROM suppressed_address AS s WHERE s::text ~* '@|5550104477|device';
SELECT count(*) AS plain FROM suppressed_address WHERE address_hash = sha256('handed@example.com');
SELECT r.rolname, c.relname FROM pg_roles AS r, pg_class AS c
WHERE r.rolname ~ '^journey_orch_' AND c.oid IN ('secret_key'::regclass, 'suppressed_address'::regclass)
  AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE');
SELECT purpose, count(*), bool_and(octet_length(secret) = 32) AS is_long FROM secret_key GROUP BY purpose ORDER BY purpose;

SELECT * FROM verify() WHERE NOT holds;
