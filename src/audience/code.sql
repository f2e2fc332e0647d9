/* audience: functions and views */

CREATE OR REPLACE FUNCTION journey_orch.bind_customer(
  relation regclass,
  id_sql text,
  timezone_sql text DEFAULT NULL,
  locale_sql text DEFAULT NULL,
  region_sql text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_bind_customer';
REVOKE ALL ON FUNCTION journey_orch.bind_customer(regclass, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.bind_customer(regclass, text, text, text, text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.bind_customer(regclass, text, text, text, text) IS
'Declares which table or view is "customer". id_sql, over its columns, must be unique; timezone_sql, locale_sql and region_sql give a zone name, a locale and a region of ISO 3166-2. The caller''s rights read it. Returns bound, replaced or unchanged.';
