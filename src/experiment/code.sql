/* experiment: the global holdout */

CREATE OR REPLACE FUNCTION journey_orch.set_global_holdout(share numeric)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_global_holdout';
REVOKE ALL ON FUNCTION journey_orch.set_global_holdout(numeric) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_global_holdout(numeric) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_global_holdout(numeric) IS
'Reserves a share of the customers, the same in every journey, who run journeys without their sends; messages about transactional and legal topics are exempt. Returns created, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.in_global_holdout(customer text)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN customer IS NOT NULL THEN
    journey_orch.bucket('$global_holdout', '', customer)
      < coalesce((SELECT s.share FROM journey_orch.holdout_setting AS s ORDER BY s.seq DESC LIMIT 1), 0) * 10000
  END
$$;
REVOKE ALL ON FUNCTION journey_orch.in_global_holdout(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.in_global_holdout(text)
  TO journey_orch_analyst, journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.in_global_holdout(text) IS
'Is the customer in the global holdout as it is now? To compare him with others over any table.';

CREATE OR REPLACE VIEW journey_orch.global_holdout AS
SELECT s.share, s.since, s.actor,
       s.seq = max(s.seq) OVER () AS is_current
FROM journey_orch.holdout_setting AS s;
REVOKE ALL ON journey_orch.global_holdout FROM PUBLIC;
GRANT SELECT ON journey_orch.global_holdout TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.global_holdout IS 'One row a setting of the global holdout, past ones included.';
COMMENT ON COLUMN journey_orch.global_holdout.share IS 'Share of the customers, 0 to 1.';
COMMENT ON COLUMN journey_orch.global_holdout.since IS 'Engine clock of the setting: runs that enter later meet it.';
COMMENT ON COLUMN journey_orch.global_holdout.actor IS 'Session user who set it.';
COMMENT ON COLUMN journey_orch.global_holdout.is_current IS 'True for the newest setting.';
