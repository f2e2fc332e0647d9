/* permission: functions and views */

/* ---- topics ---- */

CREATE OR REPLACE FUNCTION journey_orch.set_topic(
  topic text,
  class text DEFAULT 'service',
  consent text DEFAULT 'none',
  description text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_topic';
REVOKE ALL ON FUNCTION journey_orch.set_topic(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_topic(text, text, text, text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.set_topic(text, text, text, text) IS
'Declares a topic of messages: class marketing, transactional, service or legal; consent opt_in, opt_out or none. Returns created, replaced or unchanged.';

CREATE OR REPLACE VIEW journey_orch.topic AS
SELECT t.topic, t.class, t.consent, t.description, t.changed_at
FROM journey_orch.message_topic AS t;
REVOKE ALL ON journey_orch.topic FROM PUBLIC;
GRANT SELECT ON journey_orch.topic TO journey_orch_analyst, journey_orch_author;
COMMENT ON VIEW journey_orch.topic IS 'One row a declared topic of messages.';
COMMENT ON COLUMN journey_orch.topic.topic IS 'Name of the topic.';
COMMENT ON COLUMN journey_orch.topic.class IS 'marketing, transactional, service or legal.';
COMMENT ON COLUMN journey_orch.topic.consent IS 'Consent a message about it needs: opt_in, opt_out or none.';
COMMENT ON COLUMN journey_orch.topic.description IS 'What the author wrote about it.';
COMMENT ON COLUMN journey_orch.topic.changed_at IS 'Real time of the last change.';

/* ---- consent ---- */

/* ---- suppression ---- */

/* ---- halts, quiet hours, caps ---- */

/* Asks one gate about one message, for tests (ask.c). */
CREATE OR REPLACE FUNCTION journey_orch._ask_gate(
  gate text, question jsonb, clock timestamptz, stage text DEFAULT 'claim',
  OUT answer text, OUT rule text, OUT reason text, OUT until timestamptz, OUT ends_run boolean, OUT evidence jsonb)
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_ask_gate';
REVOKE ALL ON FUNCTION journey_orch._ask_gate(text, jsonb, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._ask_gate(text, jsonb, timestamptz, text) IS 'Asks one gate about one message, for tests.';

CREATE OR REPLACE FUNCTION journey_orch.halt(
  scope text,
  name text DEFAULT NULL,
  reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_halt';
REVOKE ALL ON FUNCTION journey_orch.halt(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.halt(text, text, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.halt(text, text, text) IS
'Kill switch: from commit on no message of the scope (global, channel, journey or topic) goes out. Returns halted or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.unhalt(
  scope text,
  name text DEFAULT NULL,
  reason text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_unhalt';
REVOKE ALL ON FUNCTION journey_orch.unhalt(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.unhalt(text, text, text) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.unhalt(text, text, text) IS
'Takes a halt back. What waited goes on: of a channel at the next claim, of a journey or topic within 15 minutes. Returns unhalted or unchanged.';

CREATE OR REPLACE VIEW journey_orch.halt_status AS
SELECT DISTINCT ON (a.scope, a.name)
  a.scope, a.name, a.act = 'halt' AS is_halted, a.reason, a.actor, a.at
FROM journey_orch.halt_act AS a
ORDER BY a.scope, a.name, a.seq DESC;
REVOKE ALL ON journey_orch.halt_status FROM PUBLIC;
GRANT SELECT ON journey_orch.halt_status TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.halt_status IS 'One row a scope and name that was ever halted: how it stands now.';
COMMENT ON COLUMN journey_orch.halt_status.scope IS 'global, channel, journey or topic.';
COMMENT ON COLUMN journey_orch.halt_status.name IS 'Name of the channel, journey or topic; NULL: global.';
COMMENT ON COLUMN journey_orch.halt_status.is_halted IS 'Does nothing of it go out now?';
COMMENT ON COLUMN journey_orch.halt_status.reason IS 'What the last halt() or unhalt() gave as reason.';
COMMENT ON COLUMN journey_orch.halt_status.actor IS 'Session user of the last halt() or unhalt().';
COMMENT ON COLUMN journey_orch.halt_status.at IS 'Engine clock then.';

/* ---- erasure ---- */

/* ---- decisions ---- */

COMMENT ON TABLE journey_orch.gate_decision IS
  'What a gate has answered when it did not allow a message: withhold it, or defer it until an instant.';
