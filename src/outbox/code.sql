/* outbox: channels, and what relays call */

CREATE OR REPLACE FUNCTION journey_orch.set_channel(
  channel text, address_sql text, kind text DEFAULT 'push', drain text DEFAULT 'claim',
  rate numeric DEFAULT NULL, send_window jsonb DEFAULT NULL, unit_cost numeric DEFAULT NULL,
  currency text DEFAULT NULL, max_attempts integer DEFAULT 5, retry_after interval DEFAULT '1 minute')
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_channel';
REVOKE ALL ON FUNCTION journey_orch.set_channel(text, text, text, text, numeric, jsonb, numeric, text, integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_channel(text, text, text, text, numeric, jsonb, numeric, text, integer, interval)
  TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_channel(text, text, text, text, numeric, jsonb, numeric, text, integer, interval) IS
  'Declares a channel: where its messages go (address_sql: text, over customer, event, context, journey), how it is drained (claim, stream), and how often a failed message is tried again. The same call twice changes nothing.';

CREATE OR REPLACE FUNCTION journey_orch.grant_channel(channel text, role regrole)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_grant_channel';
REVOKE ALL ON FUNCTION journey_orch.grant_channel(text, regrole) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.grant_channel(text, regrole) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.grant_channel(text, regrole) IS
  'Lets a role drain a channel; it must also be a member of journey_orch_relay.';

CREATE OR REPLACE FUNCTION journey_orch.revoke_channel(channel text, role regrole)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_revoke_channel';
REVOKE ALL ON FUNCTION journey_orch.revoke_channel(text, regrole) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.revoke_channel(text, regrole) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.revoke_channel(text, regrole) IS
  'Takes back what grant_channel() gave; claims that the role holds stay valid.';

CREATE OR REPLACE FUNCTION journey_orch.claim(
  channel text, relay text, max_messages integer DEFAULT 100, lease interval DEFAULT '1 minute')
RETURNS TABLE (claim_id bigint, message_id uuid, customer_id text, channel text, address text,
  subject text, body text, html text, headers jsonb, payload jsonb, attempt integer,
  expires_at timestamptz, enqueued_at timestamptz, enrollment_id uuid, journey text, step text,
  topic text, template text)
LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_claim';
REVOKE ALL ON FUNCTION journey_orch.claim(text, text, integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.claim(text, text, integer, interval)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.claim(text, text, integer, interval) IS
  'Hands out at most max_messages messages of a channel, held for the lease; nobody else is given them meanwhile. READ COMMITTED only, meant for a transaction of its own.';

CREATE OR REPLACE FUNCTION journey_orch.ack(
  claim_id bigint, message_ids uuid[] DEFAULT NULL, receipts jsonb DEFAULT NULL)
RETURNS TABLE (message_id uuid, outcome text)
LANGUAGE C VOLATILE ROWS 100
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_ack';
REVOKE ALL ON FUNCTION journey_orch.ack(bigint, uuid[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.ack(bigint, uuid[], jsonb)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.ack(bigint, uuid[], jsonb) IS
  'Says that messages of a claim were sent (NULL: all of it). Outcome of each: ok; already, settled before; stale, the lease ran out and it was offered again. receipts is an object by message id.';

CREATE OR REPLACE FUNCTION journey_orch.nack(
  claim_id bigint, message_id uuid, error text, permanent boolean DEFAULT false,
  retry_after interval DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_nack';
REVOKE ALL ON FUNCTION journey_orch.nack(bigint, uuid, text, boolean, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.nack(bigint, uuid, text, boolean, interval)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.nack(bigint, uuid, text, boolean, interval) IS
  'Says that a message of a claim could not be sent; the engine decides what comes of it. Outcome as of ack().';

CREATE OR REPLACE FUNCTION journey_orch.extend(claim_id bigint, lease interval)
RETURNS timestamptz
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_extend';
REVOKE ALL ON FUNCTION journey_orch.extend(bigint, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.extend(bigint, interval)
  TO journey_orch_relay, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.extend(bigint, interval) IS
  'Makes the lease of a claim end this long after now (real clock), and returns when that is.';
