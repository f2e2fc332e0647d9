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

CREATE OR REPLACE FUNCTION journey_orch.publish(
  journey text,
  version integer DEFAULT NULL,
  existing text DEFAULT 'future',
  inflight text DEFAULT 'finish',
  preview boolean DEFAULT false)
RETURNS TABLE (of_version integer, step text, entering bigint, inside bigint, finishing bigint, exiting bigint, moving bigint)
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_publish';
REVOKE ALL ON FUNCTION journey_orch.publish(text, integer, text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.publish(text, integer, text, text, boolean) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.publish(text, integer, text, text, boolean) IS
'Makes a version (the newest unless given) the one that customers enter from now on. Returns, by version and step, the people who enter at once, those inside, and how many of these finish on their version, leave, or move to the new one; preview changes nothing.';

CREATE OR REPLACE FUNCTION journey_orch.pause(
  journey text,
  newcomers text DEFAULT 'queue',
  waits text DEFAULT 'run')
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_pause';
REVOKE ALL ON FUNCTION journey_orch.pause(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.pause(text, text, text) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.pause(text, text, text) IS
'Holds everybody in a journey before the next step, and its messages that no relay has claimed; goal and exit rules stay alive. Returns the people inside.';

CREATE OR REPLACE FUNCTION journey_orch.resume(journey text, rate numeric DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_resume';
REVOKE ALL ON FUNCTION journey_orch.resume(text, numeric) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.resume(text, numeric) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.resume(text, numeric) IS
'Lets a paused journey go on, at most "rate" held runs a second (all at once unless given). Returns how many were held.';

CREATE OR REPLACE FUNCTION journey_orch.stop(journey text, inflight text DEFAULT 'finish')
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_stop';
REVOKE ALL ON FUNCTION journey_orch.stop(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.stop(text, text) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.stop(text, text) IS
'Closes a journey to newcomers; the people inside finish or leave at once. publish() opens it again. Returns the people inside.';

CREATE OR REPLACE FUNCTION journey_orch.archive(journey text)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_archive';
REVOKE ALL ON FUNCTION journey_orch.archive(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.archive(text) TO journey_orch_author, journey_orch_operator;
COMMENT ON FUNCTION journey_orch.archive(text) IS
'Lays a stopped journey without people inside aside for good: it can be looked at, but not published any more.';

CREATE OR REPLACE VIEW journey_orch.event_error AS
SELECT f.failure_id AS error_id, f.event_id, f.event, f.customer_id, f.lane, f.sqlstate, f.message, f.clock, f.at
FROM journey_orch.event_failure f;
GRANT SELECT ON journey_orch.event_error TO journey_orch_analyst, journey_orch_operator;
COMMENT ON VIEW journey_orch.event_error IS
'One row an event that could not be applied and was set aside; its customer''s other events were.';
COMMENT ON COLUMN journey_orch.event_error.error_id IS 'Number of the error.';
COMMENT ON COLUMN journey_orch.event_error.event_id IS 'The event, as in view event_log.';
COMMENT ON COLUMN journey_orch.event_error.event IS 'Its name.';
COMMENT ON COLUMN journey_orch.event_error.customer_id IS 'The customer, as text.';
COMMENT ON COLUMN journey_orch.event_error.lane IS '0 to 15.';
COMMENT ON COLUMN journey_orch.event_error.sqlstate IS 'SQLSTATE of the error.';
COMMENT ON COLUMN journey_orch.event_error.message IS 'Its primary message.';
COMMENT ON COLUMN journey_orch.event_error.clock IS 'Instant of the event (engine clock).';
COMMENT ON COLUMN journey_orch.event_error.at IS 'Real time when it was set aside.';

COMMENT ON TABLE journey_orch.event_failure IS
'Events that lanes could not apply and went past. Read view event_error instead.';
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
