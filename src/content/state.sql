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
