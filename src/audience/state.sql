/* audience: which relation is "customer" */

/* One row: the binding of this database.  No row: customers are bare ids. */
CREATE TABLE journey_orch.customer_binding
(
  singleton    boolean NOT NULL DEFAULT true,
  relation     regclass NOT NULL,
  id_sql       text NOT NULL,                -- over the relation's columns
  timezone_sql text,
  locale_sql   text,
  owner        regrole NOT NULL,             -- reads the relation with these rights
  changed_at   timestamptz NOT NULL,
  CONSTRAINT customer_binding_pkey PRIMARY KEY (singleton),
  CONSTRAINT customer_binding_singleton CHECK (singleton)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.customer_binding', '');

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
