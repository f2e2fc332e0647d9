/*
 * An error concerns one run, whatever raised it: the others of its lane go on.
 */
CREATE EXTENSION journey_orch;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET search_path = public, journey_orch;
SELECT set_clock('2026-03-01 12:00+00');

/* Customers of one lane, so that each could stop the others. */
CREATE TABLE neighbour AS
SELECT row_number() OVER (ORDER BY i)::int AS n, i::text AS id
FROM generate_series(1, 1000) AS i WHERE lane_of(i::text) = 3;

/* An author's function that imitates an interrupt is an error as any other. */
CREATE FUNCTION imitate(code text) RETURNS boolean LANGUAGE plpgsql AS
$$BEGIN IF code IS NULL THEN RETURN true; END IF; RAISE 'not really' USING ERRCODE = code; END$$;
ALTER FUNCTION imitate(text) STABLE;
SELECT define('{
  "journey": "imitating", "timezone": "UTC", "entry": {"on": "imitated"}, "start": "ask",
  "steps": {"ask":  {"branch": [{"when": "public.imitate(event->>''code'')", "next": "wait"}], "else": "done"},
            "wait": {"wait": {"for": [{"on": "more", "when": "public.imitate(event->>''code'')", "next": "done"}]}},
            "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('imitating');
SELECT count(emit('imitated', id, jsonb_build_object('code', ('{57014,57P01,57P02,53200,40001}'::text[])[n])))
FROM neighbour WHERE n <= 10;
CALL run();
SELECT count(emit('more', id, jsonb_build_object('code', CASE n WHEN 7 THEN '57014' END)))
FROM neighbour WHERE n IN (7, 8);
CALL run();
SELECT n, state, step, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message
FROM enrollment JOIN neighbour ON id = customer_id ORDER BY n;
SELECT law, detail FROM verify('full') WHERE NOT holds;
