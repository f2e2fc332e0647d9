/* content: message templates */

/* A template of one channel and locale; what a version says never changes, the
   highest is current. */
CREATE TABLE journey_orch.message_template
(
  name       text NOT NULL,
  channel    text NOT NULL,
  locale     text NOT NULL DEFAULT '',       -- '' is the default locale
  version    integer NOT NULL,
  subject    text,
  body       text NOT NULL,                  -- text part
  html       text,                           -- HTML part
  headers    jsonb NOT NULL,
  owner      regrole NOT NULL,               -- holes run with these rights
  created_at timestamptz NOT NULL,
  created_by name NOT NULL,                  -- session user
  approved_by name,                          -- session user; NULL: not approved
  approved_at timestamptz,
  approval_note text,
  CONSTRAINT message_template_pkey PRIMARY KEY (name, channel, locale, version)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.message_template', '');

/* Who messages come from.  A row never changes: the highest version of a topic
   is current, and what it leaves out is taken from the default sender's. */
CREATE TABLE journey_orch.message_sender
(
  topic      text COLLATE "C" NOT NULL,      -- '' is the default sender
  version    integer NOT NULL,
  name       text NOT NULL,
  postal_address text,
  base_url   text,                           -- of the pages behind the links
  created_at timestamptz NOT NULL,
  created_by name NOT NULL,                  -- session user
  CONSTRAINT message_sender_pkey PRIMARY KEY (topic, version)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.message_sender', '');

/* What a hole sees as "message". */
CREATE TYPE journey_orch.message_variable AS
(
  channel         text,
  topic           text,
  class           text,                      -- of the topic
  sender          text,                      -- name of the sender
  postal_address  text,
  unsubscribe_url text,                      -- ends this topic on this channel, at once
  preferences_url text                       -- everything the customer may choose
);
