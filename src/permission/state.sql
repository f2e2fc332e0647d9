/* permission: may this message go out now? */

/* ---- topics ---- */

/* Topics that messages are about and consent is given for. */
CREATE TABLE journey_orch.message_topic
(
  topic       text NOT NULL,
  class       text NOT NULL,
  consent     text NOT NULL,
  description text,
  changed_at  timestamptz NOT NULL,
  CONSTRAINT message_topic_pkey PRIMARY KEY (topic),
  CONSTRAINT message_topic_class CHECK (class IN ('marketing', 'transactional', 'service', 'legal')),
  CONSTRAINT message_topic_consent CHECK (consent IN ('opt_in', 'opt_out', 'none'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.message_topic', '');

/* ---- consent ---- */

/* ---- suppression ---- */

/* ---- halts, quiet hours, caps ---- */

/* ---- erasure ---- */

/* ---- decisions ---- */
