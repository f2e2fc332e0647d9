/* enrollment: what SQL may ask of the engine */

CREATE OR REPLACE FUNCTION journey_orch.run_here(until timestamptz DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_run_here';

REVOKE ALL ON FUNCTION journey_orch.run_here(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.run_here(timestamptz) TO journey_orch_operator;

COMMENT ON FUNCTION journey_orch.run_here(timestamptz) IS
'Applies, on trial and inside the caller''s transaction, what is pending for the customers that this transaction touched, with timers due up to "until" (default: the engine clock). Returns the number of advances. Blocks nobody and moves no lane; COMMIT afterwards is refused with JO003.';

COMMENT ON TABLE journey_orch.enrollment IS
'One row per live passage of a customer through a journey. Read view enrollment_status instead.';
COMMENT ON TABLE journey_orch.trial_enrollment IS
'Rows of run_here() within its own transaction; never committed.';
COMMENT ON TABLE journey_orch.entry_memory IS
'What earlier runs of a customer leave behind for re-entry rules.';
COMMENT ON TABLE journey_orch.timer IS
'Hints that a customer has something due; the truth is the live row''s due_at.';
COMMENT ON TABLE journey_orch.step_log IS
'One row per advance, conversion, refusal and parking. Insert-only.';
