-- consent: evidence of what customers said, and the gates that read it
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
CREATE TABLE public.customer (id text PRIMARY KEY, zone text);
INSERT INTO public.customer VALUES ('toronto', 'America/Toronto'), ('berlin', 'Europe/Berlin');
SELECT bind_customer('public.customer', 'id', timezone_sql => 'zone');
SELECT set_clock('2026-01-01 09:00+00');
SELECT set_topic('news', 'marketing', 'opt_in'), set_topic('offers', 'marketing', 'opt_out'), set_topic('sales', 'marketing'),
       set_topic('visits', 'service', 'opt_in'), set_topic('tips', 'service'), set_topic('orders', 'transactional', 'opt_in'),
       set_topic('terms', 'legal', 'opt_in');
\set shown '{"text_version": "2026-01", "method": "checkbox", "ip": "192.0.2.1"}'
CREATE FUNCTION public.states(who text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat_ws(' ', c, t, journey_orch.consent_state(who, c, t)), ', ' ORDER BY c, t)
  FROM unnest('{email,sms}'::text[]) AS c, unnest('{news,offers}'::text[]) AS t $$;
CREATE FUNCTION public.decisions(who text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(t || ' ' || (a).decision, ', ' ORDER BY place)
  FROM unnest('{news,offers,sales,visits,tips,orders,terms,undeclared}'::text[]) WITH ORDINALITY AS x (t, place),
       journey_orch.ask_gates(who, 'email', t) AS a $$;

-- Nobody said anything: opt_in stops, but not what is owed.
SELECT public.states('1'), public.decisions('1');
SELECT decision, gate, rule, reason, evidence FROM ask_gates('1', 'email', 'news');

-- What is missing from the evidence is refused (C12).
CREATE FUNCTION public.refusal(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN
  EXECUTE statement;
  RETURN 'accepted';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' / ', SQLSTATE || ' ' || SQLERRM, nullif(hint, ''));
END $$;
SELECT rest, public.refusal('SELECT journey_orch.grant_consent(''1'', ''email'', ''news'', ' || rest || ')')
FROM unnest(ARRAY['''form''', '''form'', ''{"method": "checkbox"}''', '''form'', ''{"text_version": "v1"}''', '''form'', ''{"text_version": "", "method": "x"}''',
  '''form'', ''{"text_version": 1, "method": "x"}''', 'NULL, ''{"text_version": "v1", "method": "x"}''', '''form'', ''{}'', basis => ''purchase''',
  '''form'', ''{"text_version": "v1", "method": "x"}'', basis => ''hearsay''',
  '''form'', ''{"text_version": "v1", "method": "x"}'', given_at => ''2027-01-01''',
  '''form'', ''{"text_version": "v1", "method": "x"}'', expires_at => ''2026-01-01''']) AS rest;

-- The newest word counts, general or not.
SELECT grant_consent('1', 'email', 'news', 'form', :'shown') > 0 AS granted;
SELECT public.states('1'), public.decisions('1');
SELECT set_clock('2026-02-01 00:00+00');
SELECT withdraw_consent('1', source => 'phone') > 0 AS withdrawn;
SELECT public.states('1'), public.decisions('1');
SELECT set_clock('2026-03-01 00:00+00');
SELECT grant_consent('1', NULL, 'offers', 'shop', :'shown') > 0 AS granted;
SELECT public.states('1'), public.decisions('1');
SELECT set_clock('2026-04-01 00:00+00');
SELECT withdraw_consent('1', 'sms', 'offers') AS id \gset
-- said twice is said once
SELECT withdraw_consent('1', 'sms', 'offers') = :id AS is_same;
SELECT public.states('1'), public.decisions('1');
SELECT withdraw_consent('1', 'email', 'tips') > 0 AS withdrawn;
SELECT public.decisions('1');

-- As of any time.
SELECT at, consent_state('1', 'email', 'news', at) AS news, consent_state('1', 'email', 'offers', at) AS offers, consent_state('1', 'sms', 'offers', at) AS sms_offers
FROM unnest('{2025-12-31,2026-01-01 08:59:59.999999+00,2026-01-01 09:00+00,2026-01-31 23:59:59+00,2026-02-01 00:00+00,2026-03-01 00:00+00,2026-04-01 00:00+00,infinity}'::timestamptz[]) AS at;

-- A consent of earlier does not bring back what was withdrawn later, and events tell only what changed.
SELECT grant_consent('1', 'email', 'news', 'import', :'shown', given_at => '2025-06-01 00:00+00') > 0 AS granted;
SELECT consent_state('1', 'email', 'news'), consent_state('1', 'email', 'news', '2025-07-01');
SELECT name, payload - 'consent_id' AS payload FROM event WHERE customer_id = '1' ORDER BY seq;

-- Evidence never changes.
UPDATE consent SET source = 'x';
DELETE FROM consent;
TRUNCATE consent;
INSERT INTO consent SELECT * FROM consent LIMIT 1;

-- What ends by itself: C11, at local midnight, whatever the length of the month.
SELECT who, grant_consent(who, 'email', 'news', 'counter', '{"reference": "r1"}', basis => basis, given_at => given_at::timestamptz, timezone => zone) > 0 AS granted
FROM (VALUES ('toronto', 'inquiry', '2024-01-31 12:00-05', NULL), ('berlin', 'inquiry', '2024-01-31 12:00+01', NULL),
             ('utc', 'inquiry', '2024-01-31 12:00+00', NULL), ('given', 'inquiry', '2024-01-31 02:00+00', 'America/Toronto'),
             ('august', 'inquiry', '2024-08-31 12:00+00', 'UTC'), ('leap', 'purchase', '2024-02-29 12:00+00', 'UTC')) AS v (who, basis, given_at, zone);
SELECT customer_id, basis, at, expires_at, consent_state(customer_id, 'email', 'news', expires_at - interval '1 microsecond') AS before, consent_state(customer_id, 'email', 'news', expires_at) AS after
FROM consent_status WHERE customer_id IN ('toronto', 'berlin', 'utc', 'given', 'august', 'leap') ORDER BY customer_id COLLATE "C";
-- an implied consent shortens no express one, and revives nothing
SELECT grant_consent('2', 'email', 'news', 'form', :'shown') > 0 AS granted, grant_consent('2', 'email', 'news', 'counter', '{"reference": "order 1"}', basis => 'purchase') > 0 AS implied;
SELECT consent_state('2', 'email', 'news', '2040-01-01');
SELECT withdraw_consent('2') > 0 AS withdrawn, grant_consent('2', 'email', 'news', 'counter', '{"reference": "order 2"}', basis => 'purchase') > 0 AS implied;
SELECT consent_state('2', 'email', 'news');
-- an express one that has ended does not leave opt_out open where it was withdrawn before
SELECT grant_consent('2', 'email', 'offers', 'form', :'shown', expires_at => '2026-05-01') > 0 AS granted;
SELECT decision FROM ask_gates('2', 'email', 'offers');
SELECT set_clock('2026-05-01 00:00+00');
SELECT consent_state('2', 'email', 'offers'), decision, evidence->>'state' AS state FROM ask_gates('2', 'email', 'offers');

-- Double opt-in (C14).
SELECT request_consent('3', 'email', 'news', 'form', :'shown', valid => '3 days') AS token \gset
SELECT request_consent('3', 'email', 'news', 'form', :'shown') = :'token' AS is_same;
SELECT consent_state('3', 'email', 'news'), decision, evidence->>'state' AS state FROM ask_gates('3', 'email', 'news');
SELECT count(*) AS asked, bool_and(payload->>'token' = :'token') AS has_token FROM event WHERE name = 'consent.requested';
SELECT confirm_consent(:'token', '{"ip": "192.0.2.7"}'), confirm_consent(:'token');
SELECT state, method, text_version, evidence - 'request_id' AS evidence FROM consent_status WHERE customer_id = '3';
SELECT public.refusal('SELECT journey_orch.request_consent(''3'', ''email'', ''news'', ''form'', ''{"text_version": "v", "method": "m"}'')');
-- late by no time at all
SELECT request_consent('4', 'email', 'news', 'form', :'shown', valid => '3 days') AS token \gset
SELECT set_clock('2026-05-04 00:00+00');
SELECT public.refusal(format('SELECT journey_orch.confirm_consent(%L)', :'token')), consent_state('4', 'email', 'news');
-- a link that was opened after the customer had said no
SELECT request_consent('5', 'email', 'news', 'form', :'shown') AS token \gset
SELECT withdraw_consent('5') > 0 AS withdrawn;
SELECT confirm_consent(:'token'), consent_state('5', 'email', 'news');
-- asked while he had withdrawn, and never answered: still withdrawn
SELECT request_consent('5', 'email', 'news', 'form', :'shown') = :'token' AS is_same;
SELECT consent_state('5', 'email', 'news');
SELECT set_clock('2026-06-01 00:00+00');
SELECT consent_state('5', 'email', 'news');

-- A clock that was set back does not make an old word the newest.
SELECT set_clock('2026-01-15 00:00+00', force => true);
SELECT withdraw_consent('3', 'email', 'news') > 0 AS withdrawn;
SELECT consent_state('3', 'email', 'news');
SELECT set_clock('2026-06-01 00:00+00');

-- Objection to direct marketing is absolute: no consent stands against it, and it stops marketing only.
SELECT grant_consent('6', NULL, NULL, 'form', :'shown') > 0 AS granted;
SELECT public.decisions('6');
SELECT record_objection('6', source => 'letter') AS id \gset
SELECT record_objection('6') = :id AS is_same;
SELECT public.decisions('6');
SELECT grant_consent('6', NULL, NULL, 'form', :'shown') > 0 AS granted;
SELECT decision, gate, rule, reason, evidence - 'objection_id' AS evidence FROM ask_gates('6', 'email', 'sales');
SELECT may_ask('6', 'marketing'), lift_objection('6', 'marketing', 'letter', '{"text_version": "letter 7", "method": "written"}') > 0 AS lifted;
SELECT public.decisions('6');

-- A channel may ask for more than the topic, or for nothing.
SELECT decision, gate FROM ask_gates('10', 'chat', 'offers');
SELECT set_channel('chat', '''x''', consent => 'opt_in'), set_channel('screen', '''x''', kind => 'inbox', consent => 'none');
SELECT t, a.decision, a.evidence->>'needed' AS needed, b.decision AS on_screen
FROM unnest('{news,offers,tips,orders,undeclared}'::text[]) WITH ORDINALITY AS x (t, place), ask_gates('10', 'chat', t) AS a, ask_gates('10', 'screen', t) AS b ORDER BY place;
SELECT grant_consent('10', 'chat', NULL, 'form', :'shown') > 0 AS granted;
SELECT decision FROM ask_gates('10', 'chat', 'tips');

-- Sale and sharing (C23): nothing goes to an audience; no question for 12 months.
SELECT set_clock('2026-01-15 10:00+00', force => true);
SELECT record_objection('7', 'sale', 'global_privacy_control') AS id \gset
SELECT record_objection('7', 'sale', 'global_privacy_control') = :id AS is_same;
SELECT kind, decision, gate, rule, reason FROM unnest('{push,audience}'::text[]) AS kind, ask_gates('7', 'ads', 'tips', kind => kind);
SELECT set_clock('2027-01-14 10:00+00', force => true);
SELECT may_ask('7'), may_ask('8');
SELECT set_clock('2027-01-15 09:59:59.999999+00', force => true);
SELECT may_ask('7');
SELECT set_clock('2027-01-15 10:00+00', force => true);
SELECT may_ask('7');
SELECT customer_id, kind, is_raised, at, source FROM objection_status ORDER BY 1, 2;
UPDATE objection SET is_raised = false;

-- Do-not-call lists (C10).
SELECT set_do_not_call('national', '{voice,sms}'), set_do_not_call('national', '{voice,sms}');
CREATE FUNCTION public.calls(who text, address text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat_ws(' ', c, t, (a).decision, (a).reason, (a).evidence->>'fault'), ', ' ORDER BY c, t)
  FROM unnest('{email,voice}'::text[]) AS c, unnest('{sales,orders}'::text[]) AS t, journey_orch.ask_gates(who, c, t, address) AS a $$;
SELECT public.calls('9', '+1 555 010 2000');
SELECT import_do_not_call('national', '{"+1 (555) 010-1000", "15550103000", ""}', clock(), source => 'download 1');
SELECT public.calls('9', '+1 555 010 2000');
SELECT public.calls('9', '+1-555-010-1000');
SELECT set_clock('2027-02-15 10:00+00', force => true);
SELECT public.calls('9', '+1 555 010 2000');
SELECT is_stale, numbers, listed_at FROM do_not_call_status;
SELECT set_clock('2027-02-16 10:00+00', force => true);
SELECT public.calls('9', '+1 555 010 2000');
SELECT is_stale FROM do_not_call_status;
SELECT grant_consent('9', 'voice', 'sales', 'form', '{"text_version": "v1", "method": "checkbox"}') > 0 AS granted;
SELECT public.calls('9', '+1 555 010 2000');
SELECT grant_consent('9', 'voice', 'sales', 'form', '{"text_version": "v1", "method": "written"}') > 0 AS granted;
SELECT public.calls('9', '+1 555 010 1000');
SELECT import_do_not_call('national', '{"+15550102000"}', clock(), replaces => false), import_do_not_call('national', '{"+15550104000"}', clock());
SELECT numbers FROM do_not_call_status;

SELECT customer_id, channel, topic, state, said, basis, source, method FROM consent_status ORDER BY customer_id COLLATE "C", consent_id;
SELECT * FROM verify() WHERE NOT holds;
