/* journey: define, check, publish, look at */

COMMENT ON TABLE journey_orch.journey IS 'A journey: its name and the role with whose rights its expressions run.';
COMMENT ON TABLE journey_orch.journey_version IS 'A definition as it was stored; a version never changes.';
COMMENT ON TABLE journey_orch.publication IS 'What was done to a journey and when, by capture ticket: an event meets the last act before it.';
COMMENT ON TYPE journey_orch.journey_variable IS 'What an expression sees as "journey".';

CREATE OR REPLACE FUNCTION journey_orch.check_definition(definition jsonb)
RETURNS TABLE (severity text, code text, path text, message text, hint text)
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_check_definition';
REVOKE ALL ON FUNCTION journey_orch.check_definition(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.check_definition(jsonb) TO journey_orch_author,
  journey_orch_operator;
COMMENT ON FUNCTION journey_orch.check_definition(jsonb) IS
  'All findings about a definition: errors first, each with a stable code, a JSON pointer and a hint; never raises for a bad definition.';

CREATE OR REPLACE FUNCTION journey_orch.define(definition jsonb)
RETURNS integer
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_define';
REVOKE ALL ON FUNCTION journey_orch.define(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.define(jsonb) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.define(jsonb) IS
  'Stores a definition as a new version of its journey and returns the number; a definition that is stored already returns its version.';

CREATE OR REPLACE FUNCTION journey_orch.approve_version(journey text, version integer, note text DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_approve_version';
REVOKE ALL ON FUNCTION journey_orch.approve_version(text, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.approve_version(text, integer, text) TO journey_orch_author,
  journey_orch_operator;
COMMENT ON FUNCTION journey_orch.approve_version(text, integer, text) IS
  'The second person''s approval of a version of a journey. Refused to its author.';

CREATE OR REPLACE FUNCTION journey_orch.definition(journey text, version integer DEFAULT NULL)
RETURNS jsonb
LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_definition';
REVOKE ALL ON FUNCTION journey_orch.definition(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.definition(text, integer) TO journey_orch_author,
  journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.definition(text, integer) IS
  'Definition of a version of a journey, the one published last unless given (of a draft the newest).';

CREATE OR REPLACE FUNCTION journey_orch.mermaid(journey text, version integer DEFAULT NULL)
RETURNS text
LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_mermaid';
REVOKE ALL ON FUNCTION journey_orch.mermaid(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.mermaid(text, integer) TO journey_orch_author,
  journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.mermaid(text, integer) IS
  'A version of a journey, the one published last unless given (of a draft the newest), as a Mermaid flowchart.';

CREATE OR REPLACE FUNCTION journey_orch.dot(journey text, version integer DEFAULT NULL)
RETURNS text
LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_dot';
REVOKE ALL ON FUNCTION journey_orch.dot(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.dot(text, integer) TO journey_orch_author,
  journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.dot(text, integer) IS
  'A version of a journey, the one published last unless given (of a draft the newest), as text for Graphviz.';

CREATE OR REPLACE FUNCTION journey_orch.definition_svg(journey text, version integer DEFAULT NULL)
RETURNS text
LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_definition_svg';
REVOKE ALL ON FUNCTION journey_orch.definition_svg(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.definition_svg(text, integer) TO journey_orch_author,
  journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.definition_svg(text, integer) IS
  'A version of a journey, the one published last unless given (of a draft the newest), as a standalone SVG.';

CREATE OR REPLACE FUNCTION journey_orch.diff(
  journey text,
  a integer DEFAULT NULL,
  b integer DEFAULT NULL)
RETURNS TABLE (kind text, step text, path text, before jsonb, after jsonb)
LANGUAGE C STABLE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_diff';
REVOKE ALL ON FUNCTION journey_orch.diff(text, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.diff(text, integer, integer) TO journey_orch_author,
  journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.diff(text, integer, integer) IS
  'What is different in version b (the newest unless given) from version a (the one published last unless given): added, removed, changed, and steps renamed.';

CREATE OR REPLACE FUNCTION journey_orch.definition_schema()
RETURNS jsonb
LANGUAGE C IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_definition_schema';
REVOKE ALL ON FUNCTION journey_orch.definition_schema() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.definition_schema() TO journey_orch_author,
  journey_orch_operator, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.definition_schema() IS
  'The grammar of definitions as JSON Schema 2020-12; "x-not-built" marks what this release refuses.';

CREATE OR REPLACE FUNCTION journey_orch._finding_codes()
RETURNS TABLE (code text, severity text, meaning text, hint text)
LANGUAGE C IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch__finding_codes';
REVOKE ALL ON FUNCTION journey_orch._finding_codes() FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._finding_codes() IS
  'Every code that check_definition() can return.';

CREATE OR REPLACE VIEW journey_orch.journey_definition AS
  SELECT j.name AS journey,
    v.version,
    CASE
      WHEN p.published_at IS NULL THEN 'draft'
      WHEN l.version IS DISTINCT FROM v.version THEN 'superseded'
      WHEN n.archived THEN 'archived'
      WHEN n.paused > COALESCE(n.resumed, 0) THEN 'paused'
      WHEN n.stopped > n.published THEN 'stopped'
      ELSE 'live'
    END AS state,
    pg_catalog.pg_get_userbyid(j.owner) AS owner,
    v.created_at,
    v.created_by,
    p.published_at,
    v.definition,
    v.approved_by,
    v.approved_at,
    v.approval_note
  FROM journey_orch.journey j
    JOIN journey_orch.journey_version v USING (journey_id)
    LEFT JOIN LATERAL (
      SELECT pg_catalog.max(a.at) AS published_at
        FROM journey_orch.publication a
        WHERE a.journey_id = v.journey_id AND a.version = v.version AND a.act = 'publish') p ON true
    LEFT JOIN LATERAL (
      SELECT a.version
        FROM journey_orch.publication a
        WHERE a.journey_id = v.journey_id AND a.act = 'publish'
        ORDER BY a.seq DESC LIMIT 1) l ON true
    LEFT JOIN LATERAL (
      SELECT pg_catalog.max(a.seq) FILTER (WHERE a.act = 'publish') AS published,
          pg_catalog.max(a.seq) FILTER (WHERE a.act = 'pause') AS paused,
          pg_catalog.max(a.seq) FILTER (WHERE a.act = 'resume') AS resumed,
          pg_catalog.max(a.seq) FILTER (WHERE a.act = 'stop') AS stopped,
          pg_catalog.bool_or(a.act = 'archive') AS archived
        FROM journey_orch.publication a
        WHERE a.journey_id = v.journey_id) n ON true;
REVOKE ALL ON journey_orch.journey_definition FROM PUBLIC;
GRANT SELECT ON journey_orch.journey_definition TO journey_orch_author, journey_orch_operator,
  journey_orch_analyst;
COMMENT ON VIEW journey_orch.journey_definition IS 'Versions of journeys: one row a journey and version.';
COMMENT ON COLUMN journey_orch.journey_definition.journey IS 'Name of the journey.';
COMMENT ON COLUMN journey_orch.journey_definition.version IS 'Number of the version, from 1.';
COMMENT ON COLUMN journey_orch.journey_definition.state IS 'draft: never published; live: customers enter it; paused; stopped: nobody enters; archived; superseded: another version was published after it.';
COMMENT ON COLUMN journey_orch.journey_definition.owner IS 'Role with whose rights the expressions run.';
COMMENT ON COLUMN journey_orch.journey_definition.created_at IS 'When define() stored it (real clock).';
COMMENT ON COLUMN journey_orch.journey_definition.created_by IS 'Session user who stored it.';
COMMENT ON COLUMN journey_orch.journey_definition.published_at IS 'When it was last published (engine clock); NULL: never.';
COMMENT ON COLUMN journey_orch.journey_definition.definition IS 'The definition.';
COMMENT ON COLUMN journey_orch.journey_definition.approved_by IS 'Session user who approved the version; NULL: nobody.';
COMMENT ON COLUMN journey_orch.journey_definition.approved_at IS 'Real time of the approval.';
COMMENT ON COLUMN journey_orch.journey_definition.approval_note IS 'What the approver noted.';
