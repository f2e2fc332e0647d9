/* content: functions and views */

CREATE OR REPLACE FUNCTION journey_orch.set_template(
  name text,
  channel text,
  body text,
  subject text DEFAULT NULL,
  html text DEFAULT NULL,
  locale text DEFAULT NULL,
  headers jsonb DEFAULT '{}')
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_template';
REVOKE ALL ON FUNCTION journey_orch.set_template(text, text, text, text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_template(text, text, text, text, text, text, jsonb) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.set_template(text, text, text, text, text, text, jsonb) IS
'Declares a message template of one channel and locale; returns its current version, a new one when the content differs. Holes {{ sql }} escape for their part, {{{ sql }}} do not; they run with the caller''s rights.';

CREATE OR REPLACE FUNCTION journey_orch.render(
  template text,
  customer text,
  event jsonb DEFAULT '{}',
  context jsonb DEFAULT '{}',
  channel text DEFAULT NULL,
  locale text DEFAULT NULL,
  topic text DEFAULT NULL,
  OUT channel text,
  OUT locale text,
  OUT subject text,
  OUT body text,
  OUT html text,
  OUT headers jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_render';
REVOKE ALL ON FUNCTION journey_orch.render(text, text, jsonb, jsonb, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.render(text, text, jsonb, jsonb, text, text, text)
  TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.render(text, text, jsonb, jsonb, text, text, text) IS
'Previews a template as a customer: one row a channel, at the given locale or the customer''s. Raises JO007 when a hole raises.';

COMMENT ON TYPE journey_orch.message_variable IS 'What a template sees as "message".';

CREATE OR REPLACE FUNCTION journey_orch.set_sender(
  name text,
  postal_address text DEFAULT NULL,
  base_url text DEFAULT NULL,
  topic text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_sender';
REVOKE ALL ON FUNCTION journey_orch.set_sender(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_sender(text, text, text, text)
  TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_sender(text, text, text, text) IS
'Says who messages come from, all of them or those about a topic: name, postal address, and the https URL before the paths of unsubscribe and preference links. Returns created, replaced or unchanged.';

CREATE OR REPLACE VIEW journey_orch.sender AS
SELECT NULLIF(s.topic, '') AS topic, s.version,
       s.version = pg_catalog.max(s.version) OVER (PARTITION BY s.topic) AS is_current,
       s.name, s.postal_address, s.base_url, s.created_at, s.created_by
FROM journey_orch.message_sender AS s;
REVOKE ALL ON journey_orch.sender FROM PUBLIC;
GRANT SELECT ON journey_orch.sender TO journey_orch_analyst, journey_orch_author, journey_orch_operator;
COMMENT ON VIEW journey_orch.sender IS 'One row a version of a sender of messages.';
COMMENT ON COLUMN journey_orch.sender.topic IS 'Topic whose messages he sends; NULL: the default sender.';
COMMENT ON COLUMN journey_orch.sender.version IS '1, 2, 3 … of the topic; a version never changes.';
COMMENT ON COLUMN journey_orch.sender.is_current IS 'True for the newest version, which messages name.';
COMMENT ON COLUMN journey_orch.sender.name IS 'Name of the sender.';
COMMENT ON COLUMN journey_orch.sender.postal_address IS 'His address on paper; NULL: the default sender''s.';
COMMENT ON COLUMN journey_orch.sender.base_url IS 'What stands before the paths of unsubscribe and preference links; NULL: the default sender''s.';
COMMENT ON COLUMN journey_orch.sender.created_at IS 'Real time at which the version was declared.';
COMMENT ON COLUMN journey_orch.sender.created_by IS 'Session user who declared it.';

CREATE OR REPLACE VIEW journey_orch.template AS
SELECT t.name, t.channel, t.locale, t.version,
       t.version = pg_catalog.max(t.version) OVER (PARTITION BY t.name, t.channel, t.locale) AS is_current,
       t.subject, t.body, t.html, t.headers, t.owner, t.created_at,
       t.created_by, t.approved_by, t.approved_at, t.approval_note
FROM journey_orch.message_template AS t;
REVOKE ALL ON journey_orch.template FROM PUBLIC;
GRANT SELECT ON journey_orch.template TO journey_orch_analyst, journey_orch_author, journey_orch_operator;
COMMENT ON VIEW journey_orch.template IS 'One row a version of a message template.';
COMMENT ON COLUMN journey_orch.template.name IS 'Name of the template.';
COMMENT ON COLUMN journey_orch.template.channel IS 'Channel it is written for.';
COMMENT ON COLUMN journey_orch.template.locale IS 'Locale in canonical form, such as fr-CA; the empty string is the default locale.';
COMMENT ON COLUMN journey_orch.template.version IS '1, 2, 3 … of name, channel and locale; a version never changes.';
COMMENT ON COLUMN journey_orch.template.is_current IS 'True for the newest version, which is rendered; under journey_orch.require_review the newest approved one is.';
COMMENT ON COLUMN journey_orch.template.subject IS 'Subject with its holes, or NULL.';
COMMENT ON COLUMN journey_orch.template.body IS 'Text part with its holes.';
COMMENT ON COLUMN journey_orch.template.html IS 'HTML part with its holes, or NULL.';
COMMENT ON COLUMN journey_orch.template.headers IS 'Object of header values with their holes.';
COMMENT ON COLUMN journey_orch.template.owner IS 'Role with whose rights the holes run.';
COMMENT ON COLUMN journey_orch.template.created_at IS 'Real time at which the version was declared.';
COMMENT ON COLUMN journey_orch.template.created_by IS 'Session user who declared it.';
COMMENT ON COLUMN journey_orch.template.approved_by IS 'Session user who approved it; NULL: nobody.';
COMMENT ON COLUMN journey_orch.template.approved_at IS 'Real time of the approval.';
COMMENT ON COLUMN journey_orch.template.approval_note IS 'What the approver noted.';

CREATE OR REPLACE FUNCTION journey_orch.approve_template(
  name text,
  channel text,
  note text DEFAULT NULL,
  locale text DEFAULT NULL,
  version integer DEFAULT NULL)
RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_approve_template';
REVOKE ALL ON FUNCTION journey_orch.approve_template(text, text, text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.approve_template(text, text, text, text, integer)
  TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.approve_template(text, text, text, text, integer) IS
'The second person''s approval of a version of a template (the current one unless given); returns its number. Refused to its author.';

/* ---- for holes that build HTML or an address ---- */

CREATE OR REPLACE FUNCTION journey_orch.html_escape(value text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_html_escape';
REVOKE ALL ON FUNCTION journey_orch.html_escape(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.html_escape(text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.html_escape(text) IS
'The text with what means something in HTML as entities, and without control characters but line ends and tabs.';

CREATE OR REPLACE FUNCTION journey_orch.html_list(
  items text[],
  before text DEFAULT '<li>',
  after text DEFAULT '</li>')
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_html_list';
REVOKE ALL ON FUNCTION journey_orch.html_list(text[], text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.html_list(text[], text, text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.html_list(text[], text, text) IS
'HTML of a list: every item escaped, between two texts that are not; NULL items are left out.';

CREATE OR REPLACE FUNCTION journey_orch.url_encode(value text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_url_encode';
REVOKE ALL ON FUNCTION journey_orch.url_encode(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.url_encode(text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.url_encode(text) IS
'The text as it may stand in a component of a URL: percent-encoded UTF-8, all but letters, digits and -._~.';
