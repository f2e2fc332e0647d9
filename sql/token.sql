-- tokens: what a link says to who has the key, and nothing to anybody else
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
SET search_path = journey_orch, public;
SELECT unsubscribe_token('ada', 'email', 'news');
SELECT set_clock('2026-01-01 09:00+00');
SELECT set_topic('news', 'marketing', 'opt_in', 'What is new'), set_topic('offers', 'marketing', 'opt_out'), set_topic('tips'),
       set_topic('orders', 'transactional'), set_topic('terms', 'legal');
\set shown '{"text_version": "2026-01", "method": "checkbox"}'
CREATE FUNCTION public.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
  EXECUTE statement INTO result;
  RETURN result;
EXCEPTION WHEN others THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION public.bytes(token text) RETURNS bytea LANGUAGE sql AS $$
  SELECT decode(rpad(translate(token, '-_', '+/'), (length(token) + 3) / 4 * 4, '='), 'base64') $$;
CREATE FUNCTION public.token(bytes bytea) RETURNS text LANGUAGE sql AS $$
  SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=') $$;

-- The same content is the same text, all day long, and the text is opaque.
SELECT unsubscribe_token('ada@example.com', 'email', 'news') AS token \gset
SELECT advance_clock('10 hours');
SELECT unsubscribe_token('ada@example.com', 'email', 'news') = :'token' AS is_same;
SELECT :'token' ~ '^[A-Za-z0-9_-]+$' AS is_url_safe, public.token(public.bytes(:'token')) = :'token' AS is_base64url, length(:'token') AS length,
       position('ada' IN encode(public.bytes(:'token'), 'escape')) AS customer, position('email' IN encode(public.bytes(:'token'), 'escape')) AS channel;
-- names as long as they may be, and letters of any alphabet
SELECT public.outcome(format('SELECT journey_orch.unsubscribe(%L)', unsubscribe_token(repeat(U&'\00e9', 500), repeat('c', 200), repeat('t', 200))));
SELECT customer_id = repeat(U&'\00e9', 500) AS is_his FROM consent;
-- ids of a length tell little of their length
SELECT count(DISTINCT length(unsubscribe_token(repeat('x', n), 'email', 'news'))) AS lengths FROM generate_series(1, 16) AS n;
SELECT count(DISTINCT substr(public.bytes(unsubscribe_token(n::text, 'email', 'news')), 6, 16)) AS tags FROM generate_series(1, 500) AS n;

-- A changed bit, a lost or added character, a guess: all refused (S20).
SELECT public.outcome(format('SELECT journey_orch.preferences(%L)', public.token(set_bit(public.bytes(:'token'), bit, 1 - get_bit(public.bytes(:'token'), bit))))) AS outcome,
       count(*) = octet_length(public.bytes(:'token')) * 8 AS is_every_bit
FROM generate_series(0, octet_length(public.bytes(:'token')) * 8 - 1) AS bit GROUP BY 1;
SELECT public.outcome(format('SELECT journey_orch.preferences(%L)', left(:'token', n))) AS outcome, count(*) = length(:'token') AS is_every_length
FROM generate_series(0, length(:'token') - 1) AS n GROUP BY 1;
SELECT public.outcome(format('SELECT journey_orch.preferences(%L)', t)) FROM unnest(ARRAY[:'token' || 'A', :'token' || '=', ' ' || :'token', 'A' || :'token']) AS t;
SELECT public.outcome(format('SELECT journey_orch.preferences(%L)', public.token(substr(public.bytes(:'token'), 1, 5) || sha256(n::text::bytea) || sha256((-n)::text::bytea)))) AS outcome, count(*)
FROM generate_series(1, 1000) AS n GROUP BY 1;
-- the tag of one, the content of another
SELECT public.outcome(format('SELECT journey_orch.preferences(%L)', public.token(substr(public.bytes(:'token'), 1, 21) || substr(public.bytes(unsubscribe_token('bob@example.com', 'email', 'news')), 22))));

-- One click, and again; only the function changes something.
SELECT grant_consent('ada@example.com', 'email', 'news', 'form', :'shown') > 0 AS granted, grant_consent('ada@example.com', 'sms', 'news', 'form', :'shown') > 0 AS too;
SELECT topic, description, channel, class, consent, state, is_wanted FROM preferences(:'token');
SELECT count(*) AS said FROM consent WHERE customer_id LIKE 'ada%';
SELECT unsubscribe(:'token');
SELECT unsubscribe(:'token');
SELECT consent_state('ada@example.com', 'email', 'news') AS email, consent_state('ada@example.com', 'sms', 'news') AS sms, consent_state('ada@example.com', 'email', 'offers') AS offers;
SELECT decision, gate FROM ask_gates('ada@example.com', 'email', 'news');
SELECT name, payload->>'source' AS source FROM event WHERE customer_id LIKE 'ada%' ORDER BY seq;
-- who consents anew may click anew
SELECT grant_consent('ada@example.com', 'email', 'news', 'form', :'shown') > 0 AS granted;
SELECT unsubscribe(:'token');
-- everything
SELECT unsubscribe(:'token', everything => true);
SELECT consent_state('ada@example.com', 'sms', 'news') AS sms, unsubscribe(:'token', everything => true) AS again;

-- A link that stops may not start, and is for nothing else.
SELECT public.outcome(format('SELECT journey_orch.set_preference(%L, ''news'', true, %L)', :'token', :'shown'));
SELECT public.outcome(format('SELECT journey_orch.confirm_consent(%L)', :'token'));
SELECT set_preference(:'token', 'offers', false);
SELECT request_consent('bob', 'email', 'news', 'form', :'shown') AS asked \gset
SELECT public.outcome(format('SELECT journey_orch.unsubscribe(%L)', :'asked'));

-- The preference centre.
SELECT preference_token('ada@example.com', 'email') AS centre \gset
SELECT public.outcome(format('SELECT journey_orch.set_preference(%L, ''news'', true)', :'centre'));
SELECT set_preference(:'centre', 'news', true, '{"text_version": "2026-02"}'), set_preference(:'centre', 'tips', false);
SELECT set_preference(:'centre', 'news', true, '{"text_version": "2026-02"}');
SELECT topic, state, is_wanted FROM preferences(:'centre');
SELECT channel, topic, state, source, method FROM consent_status WHERE customer_id LIKE 'ada%' ORDER BY consent_id;
SELECT set_preference(:'centre', 'news', false), set_preference(:'centre', 'nope', false);
SELECT set_preference(:'centre', 'news', false);

-- Good for 60 days and many more; then it says so.
SELECT set_clock('2027-02-05 23:59:59+00');
SELECT public.outcome(format('SELECT journey_orch.unsubscribe(%L)', :'token'));
SELECT set_clock('2027-02-06 00:00+00');
SELECT public.outcome(format('SELECT journey_orch.unsubscribe(%L)', :'token'));

-- Keys: a new one signs, the old ones read on, unless they are revoked.
SELECT unsubscribe_token('carl', 'email', 'news') AS first \gset
SELECT rotate_token_key();
SELECT unsubscribe_token('carl', 'email', 'news') AS second \gset
SELECT :'first' = :'second' AS is_same, unsubscribe(:'first'), unsubscribe(:'second');
SELECT rotate_token_key(revoke_older => true);
SELECT public.outcome(format('SELECT journey_orch.unsubscribe(%L)', t)) FROM unnest(ARRAY[:'first', :'second', unsubscribe_token('carl', 'email', 'news')]) AS t;
SELECT key_id, purpose, reads_since FROM secret_key ORDER BY key_id;
-- another database has other keys
SELECT unsubscribe_token('carl', 'email', 'news') AS third \gset
SELECT public.outcome(format('SELECT journey_orch.unsubscribe(%L)', :'third'));
UPDATE secret_key SET secret = sha256('another') WHERE key_id = 4;
SELECT _rule_changed('secret_key');
SELECT public.outcome(format('SELECT journey_orch.unsubscribe(%L)', :'third'));

-- A dump carries keys and evidence; a restored database makes no keys of its own, and what was made before is good.
SELECT c.relname FROM pg_extension AS e, unnest(e.extconfig) AS t (oid) JOIN pg_class AS c ON c.oid = t.oid
WHERE e.extname = 'journey_orch' AND c.relname ~ '^(secret_key|consent|objection|do_not_call|suppress|inbound|own_keyword)' ORDER BY 1;
SELECT unsubscribe_token('dora', 'email', 'news') AS kept, encode(_address_hash('dora@example.com'), 'hex') AS hash \gset
CREATE TABLE public.dump AS TABLE secret_key;
SET client_min_messages = warning;
DROP EXTENSION journey_orch CASCADE;
CREATE EXTENSION journey_orch;
SELECT count(*) AS keys FROM secret_key;
INSERT INTO secret_key SELECT * FROM public.dump;
SELECT set_clock('2027-02-06 00:00+00');
SELECT unsubscribe(:'kept'), encode(_address_hash(' Dora@example.com'), 'hex') = :'hash' AS is_same;
SELECT count(*) AS keys FROM secret_key;
