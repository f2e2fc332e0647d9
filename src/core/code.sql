/* core: roles, clock, lanes, buckets */

/* Roles belong to the cluster: another database may have made them already,
   and DROP EXTENSION leaves them.  A role that somebody prepared with other
   attributes, or put members into the engine's, is refused: it would lend
   them the engine's rights. */
DO $$
DECLARE
  role_name name;
  found_role pg_catalog.pg_roles;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['journey_orch_author', 'journey_orch_operator',
    'journey_orch_app', 'journey_orch_relay', 'journey_orch_analyst',
    'journey_orch_privacy', 'journey_orch_engine']::name[]
  LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
        EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS'
          ' NOCREATEROLE NOCREATEDB NOREPLICATION', role_name);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- made by another database meanwhile; looked at below
    END;

    SELECT * INTO STRICT found_role FROM pg_catalog.pg_roles WHERE rolname = role_name;
    IF found_role.rolcanlogin OR found_role.rolsuper OR found_role.rolbypassrls
      OR found_role.rolcreaterole OR found_role.rolcreatedb OR found_role.rolreplication
    THEN
      RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = pg_catalog.format('role "%s" exists with other attributes than journey_orch needs', role_name),
        DETAIL = 'It must be NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION.',
        HINT = pg_catalog.format('Find out who made it, then drop it or run ALTER ROLE %I with these attributes.', role_name);
    END IF;
    IF role_name = 'journey_orch_engine'
      AND EXISTS (SELECT FROM pg_catalog.pg_auth_members
        WHERE found_role.oid IN (roleid, member))
    THEN
      RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = 'role "journey_orch_engine" has members or is a member of another role',
        DETAIL = 'The workers run as this role, so nobody may be able to become it, nor it anybody else.',
        HINT = 'Find out who granted it, then REVOKE the membership.';
    END IF;
  END LOOP;
END
$$;

GRANT USAGE ON SCHEMA journey_orch TO journey_orch_author, journey_orch_operator,
  journey_orch_app, journey_orch_relay, journey_orch_analyst, journey_orch_privacy,
  journey_orch_engine;

COMMENT ON TABLE journey_orch.clock IS 'The engine clock: one row once it was ever set; a NULL instant is the real clock.';
COMMENT ON TABLE journey_orch.incarnation IS 'Which cluster and database wrote the log rows that carry this number.';
COMMENT ON TABLE journey_orch.segment IS 'Which segment of a log writers append to (no row: segment 0), and which is about to be truncated.';

CREATE OR REPLACE FUNCTION journey_orch.lane_of(customer text)
RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_lane_of';
REVOKE ALL ON FUNCTION journey_orch.lane_of(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.lane_of(text) TO journey_orch_author,
  journey_orch_operator, journey_orch_app, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.lane_of(text) IS
  'Lane (0 to 15) of a customer id: a documented hash of its UTF-8 bytes, the same on every machine and for ever.';

CREATE OR REPLACE FUNCTION journey_orch.bucket(experiment text, salt text, unit text)
RETURNS integer
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_bucket';
REVOKE ALL ON FUNCTION journey_orch.bucket(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.bucket(text, text, text) TO journey_orch_author,
  journey_orch_operator, journey_orch_app, journey_orch_analyst;
COMMENT ON FUNCTION journey_orch.bucket(text, text, text) IS
  'Bucket (0 to 9999) of an experiment''s unit: the first 8 bytes of SHA-256 of experiment:salt:unit, mod 10,000.';

CREATE OR REPLACE FUNCTION journey_orch.clock()
RETURNS timestamptz
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_clock';
REVOKE ALL ON FUNCTION journey_orch.clock() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.clock() TO journey_orch_author, journey_orch_operator,
  journey_orch_app, journey_orch_relay, journey_orch_analyst, journey_orch_privacy;
COMMENT ON FUNCTION journey_orch.clock() IS
  'The engine clock: the virtual instant where one is set, else the real time of the call.';

CREATE OR REPLACE FUNCTION journey_orch.set_clock(at timestamptz, force boolean DEFAULT false)
RETURNS timestamptz
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_set_clock';
REVOKE ALL ON FUNCTION journey_orch.set_clock(timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.set_clock(timestamptz, boolean) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.set_clock(timestamptz, boolean) IS
  'Sets a virtual engine clock for this database, at commit; force sets it back, or leaves the real clock after messages were claimed under it.';

CREATE OR REPLACE FUNCTION journey_orch.advance_clock(by interval, force boolean DEFAULT false)
RETURNS timestamptz
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_advance_clock';
REVOKE ALL ON FUNCTION journey_orch.advance_clock(interval, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.advance_clock(interval, boolean) TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.advance_clock(interval, boolean) IS
  'Advances the engine clock by an interval, added in UTC; from the real clock it starts at the real now.';

CREATE OR REPLACE FUNCTION journey_orch.reset_clock()
RETURNS timestamptz
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_reset_clock';
REVOKE ALL ON FUNCTION journey_orch.reset_clock() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.reset_clock() TO journey_orch_operator;
COMMENT ON FUNCTION journey_orch.reset_clock() IS
  'Returns to the real engine clock; nothing happens when it is real already.';
