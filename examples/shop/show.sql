/*
 * examples/shop/show.sql
 *    What came of the ten days.
 */
\pset footer off
\pset null '-'
\echo
\echo '== A message as it was sent'
SELECT 'To:      ' || address || E'\nSubject: ' || subject || E'\n\n' || body
  FROM shop.mailbox
 WHERE subject LIKE 'Your cart%'
 ORDER BY sent_at, message_id
 LIMIT 1
\g (tuples_only=on format=unaligned)
\echo
\echo '== The journeys'
SELECT journey, version, state, entered, active, ended, converted, parked FROM journey_orch.journey_status ORDER BY journey;
\echo '== The funnel of abandoned_cart'
SELECT step, entered, departed, waiting, round(100 * share_of_start, 1) AS "% of start"
  FROM journey_orch.funnel WHERE journey = 'abandoned_cart' ORDER BY position;
\echo '== How runs ended'
SELECT journey, reason, enrollments FROM journey_orch.exit_reason ORDER BY journey, enrollments DESC;
\echo '== What each arm of abandoned_cart brought'
SELECT coalesce(arm, '(no split)') AS arm, conversions, customers, value, currency
  FROM journey_orch.conversion WHERE journey = 'abandoned_cart' ORDER BY arm;
\echo '== The flow of abandoned_cart, as Mermaid'
SELECT journey_orch.mermaid('abandoned_cart') \g (tuples_only=on format=unaligned)
\echo
\echo '== Lag: what the lanes have not yet applied'
SELECT count(*) AS lanes, sum(lag_events) AS events_behind, max(lag_seconds) AS seconds_behind, max(last_batch_at) AS last_batch
  FROM journey_orch.lane_status;
\echo '== Health'
SELECT level, name, value, hint FROM journey_orch.health() ORDER BY level, name;
