/*
 * test/pgtap/parts/refusal.sql
 *    For files that call functions with bad input; include it with \ir.
 *
 * A case is one call that must be refused.  try_case() makes it and returns one
 * line of TAP: the SQLSTATE and the message are those of the case, a hint
 * exists where the case says so, the class is not XX (which means "cannot
 * happen"), and no table of the schema has changed, committed or not.
 */
CREATE TABLE refusal
(
  n        integer GENERATED ALWAYS AS IDENTITY,
  function text NOT NULL,
  args     text NOT NULL,
  sqlstate text NOT NULL,         -- one, or several with | between them
  message  text NOT NULL,          -- regular expression over message and detail
  has_hint boolean NOT NULL DEFAULT false
);

-- State of every table: all rows of those that declare, the number of rows of the logs.
DO $do$
BEGIN
  EXECUTE (SELECT 'CREATE FUNCTION state() RETURNS text[] LANGUAGE sql AS $$SELECT ARRAY[' || string_agg(
                    CASE WHEN relkind = 'p' OR relname = 'trial_enrollment'
                         THEN format('(SELECT %L || count(*) FROM %s)', relname || ' ', oid::regclass)
                         ELSE format('(SELECT %L || md5(coalesce(string_agg(t::text, '','' ORDER BY t::text), '''')) FROM %s t)', relname || ' ', oid::regclass)
                    END, ', ' ORDER BY relname) || ']$$'
             FROM pg_class
            WHERE relnamespace = 'journey_orch'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition);
END
$do$;

CREATE FUNCTION try_case(refusal) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  statement text := CASE (SELECT prokind FROM pg_proc WHERE pronamespace = 'journey_orch'::regnamespace AND proname = $1.function LIMIT 1)
                      WHEN 'p' THEN 'CALL ' ELSE 'SELECT * FROM ' END || format('journey_orch.%s(%s)', $1.function, $1.args);
  title text := $1.function || '(' || CASE WHEN length($1.args) > 90 THEN left($1.args, 87) || '...' ELSE $1.args END || ')';
  before text[] := state();
  faults text[] := '{}';
  after text[];
  code text; message text; detail text; hint text;
BEGIN
  BEGIN
    EXECUTE statement;
    faults := ARRAY['it was not refused'];
  EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    IF code !~ ('^(' || $1.sqlstate || ')$') THEN faults := faults || format('SQLSTATE %s, not %s', code, $1.sqlstate); END IF;
    IF code LIKE 'XX%' THEN faults := faults || 'an error that cannot happen'::text; END IF;
    IF message || E'\n' || detail !~ $1.message THEN faults := faults || format('it does not match %L', $1.message); END IF;
    IF $1.has_hint AND hint = '' THEN faults := faults || 'no hint'::text; END IF;
    IF length(message) > 1000 THEN faults := faults || format('a message of %s characters', length(message)); END IF;
  END;
  after := state();
  IF after <> before THEN
    faults := faults || ('changed: ' || array_to_string(ARRAY(SELECT unnest(after) EXCEPT SELECT unnest(before)), '; '));
  END IF;
  RETURN ok(faults = '{}', title)
    || CASE WHEN faults <> '{}' THEN E'\n' || diag(array_to_string(faults, '; ') || E'\n' || coalesce(left(message || E'\n' || detail, 500), '')) ELSE '' END;
END
$$;
