/*
 * Channels of kind audience: whoever was handed the add of a customer is handed
 * the remove, however the run ended; an add that nobody was handed needs none.
 */
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
RESET client_min_messages;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET search_path = public, journey_orch;
SET journey_orch.claim_freshness = 0;

CREATE TABLE customer (id bigint PRIMARY KEY, ad_id text);
INSERT INTO customer SELECT i, 'ad-' || i FROM generate_series(1, 40) AS i;
SELECT bind_customer('public.customer', 'id');
SELECT set_clock('2026-03-01 12:00+00');
SELECT add_preset_channel('social', 'customer.ad_id', settings => '{"max_attempts": 2, "retry_after": "1 minute"}');
SELECT set_template('looked', 'social', 'looked_around');
SELECT define('{
  "journey": "retarget", "timezone": "UTC",
  "entry": {"on": "looked"}, "start": "add", "exit": [{"on": "opted_out", "reason": "opted_out"}],
  "goal": {"on": "ordered", "within": "30 days", "exit": false},
  "steps": {
    "add":  {"send": {"channels": ["social"], "template": "looked", "expires_after": "5 days"}, "next": "stay"},
    "stay": {"delay": "3 days", "next": "gone"},
    "gone": {"exit": "gone"}}}') > 0 AS defined;
SELECT count(*) FROM publish('retarget');

/* what relays were handed, in order */
CREATE TABLE handed (number int GENERATED ALWAYS AS IDENTITY, customer_id text, operation text, audience text, address text);
CREATE PROCEDURE drain(acks boolean DEFAULT true) LANGUAGE plpgsql AS $$
DECLARE
  claimed bigint;
BEGIN
  WITH c AS MATERIALIZED (SELECT * FROM journey_orch.claim('social', 'r')),
       h AS (INSERT INTO public.handed (customer_id, operation, audience, address)
             SELECT customer_id, payload->>'operation', payload->>'audience', address FROM c ORDER BY customer_id::int)
  SELECT max(claim_id) INTO claimed FROM c;
  IF acks AND claimed IS NOT NULL THEN
    PERFORM journey_orch.ack(claimed);
  END IF;
END $$;
CREATE VIEW trail AS
SELECT customer_id::int AS id, string_agg(operation, ', ' ORDER BY number) AS handed FROM handed GROUP BY 1 ORDER BY 1;

/* ---- 1 leaves by time, 2 by an exit rule, 3 by its goal, 4 by leave() ---- */
SELECT count(emit('looked', i::text)) FROM generate_series(1, 4) AS i;
CALL run();
CALL drain();
CALL run();
SELECT DISTINCT operation, audience, address = 'ad-' || customer_id AS addressed FROM handed;
SELECT customer_id, state FROM message ORDER BY 1;
SELECT count(emit('opted_out', '2')), count(emit('ordered', '3')), count(leave('retarget', '4'));
CALL run();
CALL drain();
CALL run();
SELECT * FROM trail;
SELECT advance_clock('3 days');
CALL run();
CALL drain();
CALL run();
SELECT * FROM trail;
SELECT customer_id, state FROM message ORDER BY 1;
SELECT customer_id, exit_reason FROM enrollment_status ORDER BY 1;

/* ---- 5: withdrawn before the add was claimed: neither; 6: claimed, not acknowledged: both ---- */
SELECT count(emit('looked', '6'));
CALL run();
CALL drain(false);
SELECT count(emit('looked', '5'));
CALL run();
SELECT count(emit('opted_out', i::text)) FROM generate_series(5, 6) AS i;
CALL run();
SELECT customer_id, state FROM message ORDER BY 1;
CALL drain();
CALL run();
SELECT customer_id, state FROM message ORDER BY 1;
/* the lease of 6 runs out: the relay may have done it, or not */
SELECT count(extend(claim_id, '1 microsecond')) FROM claim WHERE held <> '{}' AND NOT EXISTS
  (SELECT FROM claim_outcome o WHERE o.claim_id = claim.claim_id);
CALL drain();
CALL run();
CALL drain();
CALL run();
SELECT * FROM trail WHERE id IN (5, 6);
SELECT count(*) FROM message WHERE state <> 'dead';

/* their adds are claimed by hand, so the trail has only the removes */
/* ---- 7: acknowledged after the run had ended: both; 8 and 9: the relay failed, for a time and for good ---- */
SELECT count(emit('looked', i::text)) FROM generate_series(7, 9) AS i;
CALL run();
SELECT claim_id AS c, array_agg(message_id) FILTER (WHERE customer_id = '7') AS m7, max(message_id::text) FILTER (WHERE customer_id = '8') AS m8,
       max(message_id::text) FILTER (WHERE customer_id = '9') AS m9 FROM claim('social', 'r') GROUP BY 1 \gset
SELECT nack(:c, :'m8', 'busy'), nack(:c, :'m9', 'unknown', permanent => true);
CALL run();
SELECT customer_id, state FROM message WHERE customer_id IN ('7', '8', '9') ORDER BY 1;
SELECT count(emit('opted_out', i::text)) FROM generate_series(7, 9) AS i;
CALL run();
SELECT outcome FROM ack(:c, :'m7');
CALL run();
CALL drain();
SELECT * FROM trail WHERE id BETWEEN 7 AND 9;

/* ---- a remove stops at nothing: not at a pause, nor at a customer who is no more, nor at a failure ---- */
SELECT count(emit('looked', '10'));
CALL run();
CALL drain();
CALL run();
SELECT count(emit('opted_out', '10'));
CALL run();
DELETE FROM customer WHERE id = 10;
SELECT count(*) FROM pause('retarget');
CALL run();
SELECT claim_id AS c, max(message_id::text) AS m, max(payload->>'operation') AS operation, max(address) AS address
  FROM claim('social', 'r') GROUP BY 1 \gset
SELECT :'operation' AS operation, :'address' AS address;
SELECT nack(:c, :'m', 'busy');
CALL run();
SELECT state, payload->>'operation' AS operation FROM message WHERE customer_id = '10';
SELECT advance_clock('2 minutes');
CALL run();
CALL drain();
CALL run();
SELECT * FROM trail WHERE id = 10;
SELECT count(*) FROM resume('retarget');

/* ---- one that expires before anybody takes it: neither ---- */
SELECT count(emit('looked', '11'));
CALL run();
SELECT advance_clock('6 days');
CALL run();
CALL drain();
CALL run();
CALL drain();
SELECT * FROM trail WHERE id = 11;

/* ---- many at once, ended at any point of their way: neither or both, never one ---- */
SELECT count(emit('looked', i::text)) FROM generate_series(12, 40) AS i;
CALL run();
SELECT count(emit('opted_out', i::text)) FROM generate_series(12, 40, 3) AS i;
CALL run();
CALL drain();
SELECT count(emit('opted_out', i::text)) FROM generate_series(13, 40, 3) AS i;
CALL run();
CALL drain();
CALL run();
SELECT advance_clock('3 days');
CALL run();
CALL drain();
CALL run();
CALL drain();
SELECT CASE id % 3 WHEN 0 THEN 'before the claim' WHEN 1 THEN 'after it' ELSE 'in time' END AS ended, handed, count(*)
  FROM generate_series(12, 40) AS id LEFT JOIN trail USING (id) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT state, count(*) FROM message GROUP BY 1;
SELECT law, detail FROM verify() WHERE NOT holds;
