/*
 * The state machine at its edges: what hostile or unlucky definitions, rows and
 * reports may not do.
 */
CREATE EXTENSION journey_orch;
\set VERBOSITY terse
SET TimeZone = 'UTC';
SET search_path = public, journey_orch;

CREATE TABLE customer (id bigint PRIMARY KEY, email text);
INSERT INTO customer SELECT n, format('c%s@example.com', n) FROM generate_series(1, 20) AS n;
SELECT bind_customer('public.customer', 'id');
SELECT set_channel('email', 'customer.email');
SELECT set_template('hello', 'email', 'Hello', 'Welcome');
SELECT set_clock('2026-03-01 12:00+00');

/* A cast to json that an author made runs as its journey's owner, read-only. */
CREATE ROLE regress_jo_author IN ROLE journey_orch_author;
GRANT CREATE ON SCHEMA public TO regress_jo_author;
CREATE TABLE cast_call (caller name);
GRANT INSERT ON cast_call TO regress_jo_author;
SET ROLE regress_jo_author;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE FUNCTION mood_writes(mood) RETURNS json LANGUAGE plpgsql AS
$$BEGIN INSERT INTO public.cast_call VALUES (current_user); RETURN '"written"'; END$$;
CREATE FUNCTION mood_tells(mood) RETURNS json LANGUAGE sql AS $$SELECT to_json(current_user)$$;
CREATE CAST (mood AS json) WITH FUNCTION mood_tells(mood);
SELECT define('{
  "journey": "mood", "timezone": "UTC",
  "entry": {"on": "moody", "reentry": {"policy": "any"}},
  "start": "note",
  "steps": {"note": {"update": {"plain": "''glad''::public.mood", "asked": "(SELECT ''sad''::public.mood)",
                                "none": "NULL", "number": "1.50", "list": "ARRAY[1, 2]", "same": "event",
                                "query": "(SELECT jsonb_agg(n) FROM generate_series(1, 3) AS n)"}, "next": "rest"},
            "rest": {"delay": "1 day", "next": "done"},
            "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('mood');
RESET ROLE;
SELECT emit('moody', '1', '{"a": {}}') > 0 AS emitted;
CALL run();
SELECT state, context FROM enrollment;
SET ROLE regress_jo_author;
DROP CAST (mood AS json);
CREATE CAST (mood AS json) WITH FUNCTION mood_writes(mood);
RESET ROLE;
SELECT emit('moody', '2') > 0 AS emitted;
CALL run();
SELECT state, error ->> 'message' AS error FROM enrollment WHERE customer_id = '2';
SELECT count(*) FROM cast_call;

SELECT law, detail FROM verify('full') WHERE NOT holds;

DROP OWNED BY regress_jo_author CASCADE;
DROP ROLE regress_jo_author;
