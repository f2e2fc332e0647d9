/*
 * test/pgtap/consent.sql
 *    The state of consent that C reads from the rows of evidence is what one
 *    SQL statement over the same rows says, for random statements of random
 *    customers, at random instants; and the gate says the same as the state.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;
BEGIN;
SELECT plan(5);
SELECT setseed(0.25) \gset _
SELECT journey_orch.set_clock('2026-01-31 00:00+00') \gset _
SELECT journey_orch.set_topic('x', 'marketing', 'opt_in'), journey_orch.set_topic('y', 'marketing', 'opt_out'), journey_orch.set_topic('z', 'service') \gset _

CREATE FUNCTION one_of(choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT nullif(choices[1 + floor(random() * cardinality(choices))::int], '') $$;
-- instants collide, so that the order of rows counts too
INSERT INTO journey_orch.consent (customer_id, channel, topic, state, basis, at, expires_at, source, evidence, actor, recorded_at)
SELECT 'c' || s.n % 100, one_of('{"",a,b}'), one_of('{"",x,y,z}'), s.state,
       CASE s.state WHEN 'granted' THEN one_of('{consent,consent,purchase}') ELSE 'consent' END, s.at,
       CASE WHEN s.state = 'pending' OR random() < 0.5 AND s.state = 'granted' THEN s.at + random() * interval '15 days' END,
       'test', '{}', 'nobody', now()
FROM (SELECT n, one_of('{granted,granted,pending,denied,withdrawn}') AS state, '2026-01-01'::timestamptz + floor(random() * 30) * interval '1 day' AS at
      FROM generate_series(1, 700) AS n) AS s;

CREATE FUNCTION model(who text, on_channel text, about text, instant timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  WITH said AS (
    SELECT c.*, row_number() OVER (ORDER BY c.at DESC, c.consent_id DESC) AS age, c.expires_at <= instant AS is_over
    FROM journey_orch.consent AS c
    WHERE c.customer_id = who AND c.at <= instant AND coalesce(c.channel = on_channel, c.channel IS NULL)
      AND coalesce(c.topic = about, c.topic IS NULL)),
  stop AS (SELECT state, age FROM said WHERE state IN ('denied', 'withdrawn') ORDER BY age LIMIT 1),
  since AS (SELECT * FROM said WHERE age < coalesce((SELECT age FROM stop), 1000)
            AND NOT (basis <> 'consent' AND EXISTS (SELECT FROM stop)))
  SELECT coalesce(
    (SELECT 'granted' FROM since WHERE state = 'granted' AND is_over IS NOT TRUE LIMIT 1),
    (SELECT CASE state WHEN 'pending' THEN 'pending' ELSE 'expired' END FROM since
     WHERE NOT (state = 'pending' AND is_over) ORDER BY age LIMIT 1),
    (SELECT state FROM stop), 'unknown') $$;

CREATE TEMP TABLE compared AS
SELECT who, c, t, instant, journey_orch.consent_state(who, c, t, instant) AS is, model(who, c, t, instant) AS should_be
FROM (SELECT DISTINCT customer_id AS who FROM journey_orch.consent) AS w,
     (VALUES (NULL), ('a'), ('b')) AS channels (c), (VALUES (NULL), ('x'), ('y'), ('z')) AS topics (t),
     (VALUES ('2026-01-05 12:00+00'::timestamptz), ('2026-01-15 00:00+00'), ('2026-01-31 00:00+00')) AS instants (instant);
SELECT is_empty('SELECT * FROM compared WHERE "is" <> should_be', 'the state is what the rows say');
SELECT is((SELECT count(DISTINCT "is") FROM compared), 6::bigint, 'and every state came');
SELECT is((SELECT count(*) FROM compared), 3600::bigint, 'for every customer, channel, topic and instant');

-- At the clock the gate agrees: opt_in needs a grant; what was denied, withdrawn or not yet confirmed stops opt_out.
SELECT is_empty($$
  SELECT who, c, t, should_be, g.decision FROM compared, journey_orch.ask_gates(who, c, t) AS g
  WHERE instant = '2026-01-31 00:00+00' AND c IS NOT NULL
    AND CASE t WHEN 'x' THEN (should_be = 'granted') <> (g.decision = 'allow')
               WHEN 'y' THEN (should_be IN ('denied', 'withdrawn', 'pending') AND g.decision = 'allow')
                          OR (should_be IN ('granted', 'unknown') AND g.decision <> 'allow') END$$,
  'the gate agrees with the state');
SELECT is_empty($$
  SELECT who, c, g.evidence FROM compared, journey_orch.ask_gates(who, c, t) AS g
  WHERE instant = '2026-01-31 00:00+00' AND c IS NOT NULL AND t = 'z' AND g.decision = 'withhold'
    AND NOT EXISTS (SELECT FROM journey_orch.consent AS s WHERE s.consent_id = (g.evidence->>'consent_id')::bigint AND s.topic = 'z')$$,
  'a topic that needs no consent is stopped by what names it only');
SELECT * FROM finish();
ROLLBACK;
