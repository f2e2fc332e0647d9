/*
 * examples/shop/relay.sql
 *    One round of a relay: claim, send, acknowledge, report.
 *
 * A relay that sends in earnest does the same four things: claim() in a
 * transaction of its own, the provider's call outside any transaction, then
 * ack() and report().  Here the provider is the table shop.mailbox, and people
 * click on every fourth message.  Prints how many messages it sent.
 */
INSERT INTO shop.mailbox (message_id, claim_id, customer_id, address, subject, body, sent_at)
SELECT message_id, claim_id, customer_id, address, subject, body, journey_orch.clock()
  FROM journey_orch.claim('email', 'demo relay', max_messages => 1000)
    ON CONFLICT (message_id) DO NOTHING;
SELECT max(claim_id) AS claim, count(*) AS sent, count(*) > 0 AS is_any
  FROM shop.mailbox WHERE sent_at = journey_orch.clock() \gset
\if :is_any
BEGIN;
SELECT count(*) FROM journey_orch.ack(:claim) \g /dev/null
UPDATE shop.mailbox SET is_clicked = true
 WHERE claim_id = :claim AND shop.draw('clicks', hashtextextended(customer_id || subject || sent_at, 0), 4) = 0;
SELECT journey_orch.report(message_id, 'clicked') FROM shop.mailbox WHERE claim_id = :claim AND is_clicked \g /dev/null
COMMIT;
\endif
\echo :sent
