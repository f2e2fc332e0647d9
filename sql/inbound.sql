-- inbound: what customers send back
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
SELECT set_clock('2026-01-01 09:00+00');
SELECT set_topic('news', 'marketing', 'opt_in'), set_topic('offers', 'marketing', 'opt_out'), set_topic('tips', 'marketing', 'opt_in'),
       set_topic('receipts', 'transactional');
\set shown '{"text_version": "2026-01", "method": "checkbox"}'

-- C09: the words, with their variants, and what only looks like one.
SELECT left(body, 30) AS body, action, word FROM unnest(ARRAY['stop', 'quit', 'end', 'revoke', 'opt out', 'cancel', 'unsubscribe', ' Stop. ', 'STOPALL', 'Stop all', 'STOP!!!',
  'OPT-OUT', 'optout', E'\tstop\n', 'please STOP', 'Stop texting me, please', 'S T O P', 'st.op', 'Arrêt', 'ARRÊTEZ SVP', 'Stopp bitte', 'Abbestellen', 'KÜNDIGEN', 'Baja',
  'Help', 'HILFE', 'start', 'Unstop', 'don''t stop', 'nonstop', 'when does this end?', 'cancel my order 17', 'Yes', 'stop stop', 'Stop, unsubscribe!', '', '   ', '👍', repeat('stop ', 400)])
  WITH ORDINALITY AS b (body, place), _read_keyword(body) ORDER BY place;

-- STOP: everything to the address, on every channel; who is known has withdrawn too.
SELECT grant_consent('1', NULL, 'news', 'form', :'shown', given_at => '2025-12-01') > 0 AS granted;
CREATE FUNCTION public.decisions(who text, address text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(concat_ws(' ', c, t, (a).decision, (a).gate), ', ' ORDER BY c, t)
  FROM unnest('{sms,voice}'::text[]) AS c, unnest('{news,offers,tips,receipts}'::text[]) AS t, journey_orch.ask_gates(who, c, t, address) AS a $$;
SELECT public.decisions('1', '+1 555 010 7000');
SELECT action, word, may_confirm, inbound_id AS stop FROM inbound('sms', '+1 (555) 010-7000', ' Stop. ', customer => '1') \gset
SELECT :'action' AS action, :'word' AS word, :'may_confirm' AS may_confirm;
SELECT public.decisions('1', '+1 555 010 7000');
SELECT public.decisions('unknown', '+15550107000');
SELECT consent_state('1', 'sms', 'news') AS sms, consent_state('1', 'email', 'news') AS email;
SELECT name, payload->>'source' AS source FROM event WHERE customer_id = '1' ORDER BY seq;

-- One confirmation, within five minutes; a second STOP gives none.
SELECT action, may_confirm FROM inbound('sms', '+15550107000', 'STOP', customer => '1');
SELECT set_clock('2026-01-01 09:05+00');
SELECT confirm_inbound(:stop);
SELECT confirm_inbound(:stop);
SELECT inbound_id AS late FROM inbound('sms', '+15550108000', 'STOPALL') \gset
SELECT set_clock('2026-01-01 09:11+00');
SELECT confirm_inbound(:late), confirm_inbound(-1);

-- START gives back what STOP took, and nothing that was never given.
SELECT action, may_confirm FROM inbound('sms', '+15550107000', 'start', customer => '1');
SELECT public.decisions('1', '+1 555 010 7000');
SELECT suppress('sms', '+15550107000', 'complaint') > 0 AS suppressed;
SELECT action FROM inbound('sms', '+15550107000', 'start', customer => '1');
SELECT decision, rule FROM ask_gates('1', 'sms', 'news', '+15550107000');
-- HELP and anything else change nothing
SELECT action, word, may_confirm FROM unnest('{HELP,what?}'::text[]) AS body, inbound('sms', '+15550109000', body, customer => '2');
SELECT count(*) AS said FROM consent WHERE customer_id = '2';

-- Narrower, where the law allows it.
SELECT action FROM inbound('sms', '+15550110000', 'stop', customer => '3', scope => 'channel');
SELECT public.decisions('3', '+15550110000');
SELECT action FROM inbound('sms', '+15550111000', 'stop', customer => '4', scope => 'topic', topic => 'offers');
SELECT public.decisions('4', '+15550111000');

-- Words of your own, in place of a preset, and no body or address is kept.
SELECT set_keyword('Ende!', 'de', 'stop'), set_keyword('ende', 'de', 'stop'), set_keyword('end', 'en', 'filler');
SELECT body, action FROM unnest('{ENDE,end}'::text[]) AS body, _read_keyword(body);
SELECT word, language, action, is_preset FROM keyword WHERE word ~ '^ende?$' ORDER BY 1;
SELECT count(*) AS with_an_address FROM inbound_message AS i WHERE i::text ~ '555.?.?010.?[78]000';
SELECT channel, action, word, customer_id, confirm_until, confirmed_at FROM inbound_message ORDER BY inbound_id;
SELECT * FROM verify() WHERE NOT holds;
