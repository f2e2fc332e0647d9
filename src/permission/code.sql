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

/* ---- erasure ---- */

/* ---- decisions ---- */

COMMENT ON TABLE journey_orch.gate_decision IS
  'What a gate has answered when it did not allow a message: withhold it, or defer it until an instant.';
