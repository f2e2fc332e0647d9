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

/* Indexes that an administrator adds are kept up, and never read by mistake. */
CREATE INDEX a_step ON enrollment (version, arrived_at);
CREATE INDEX a_seq ON event (seq);
CREATE INDEX a_reason ON step_log (lower(reason)) WHERE reason IS NOT NULL;
CREATE INDEX a_batch ON lane_cursor_06_0 (batch DESC);
REINDEX INDEX CONCURRENTLY enrollment_06_customer_id;
REINDEX INDEX CONCURRENTLY event_06_0_xid_seq;
REINDEX INDEX CONCURRENTLY lane_cursor_06_0_batch;
SELECT define('{
  "journey": "loop", "timezone": "UTC",
  "entry": {"on": "looped"},
  "start": "rest",
  "steps": {"rest": {"delay": "1 hour", "next": "note"},
            "note": {"update": {"note": "repeat(journey.now::text, 20)"}, "next": "rest"}}}');
SELECT count(*) FROM publish('loop');
SELECT count(emit('looped', n::text)) FROM generate_series(1, 20) AS n;
CALL run();
SELECT advance_clock('3 hours');
CALL run();
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM enrollment_06 WHERE version = 1 AND arrived_at > '2026-03-01 14:30+00';
SELECT count(*) FROM enrollment WHERE version = 1 AND arrived_at > '2026-03-01 14:30+00';
SELECT count(*) FROM step_log WHERE lower(reason) = 'no_reason' AND reason IS NOT NULL;
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP INDEX a_step, a_seq, a_reason, a_batch;

/* A message that nobody took before it expired has failed for its run, on every channel. */
SELECT set_channel('sms', 'customer.email');
SELECT set_template('hello', 'sms', 'Hello');
SELECT define('{
  "journey": "offer", "timezone": "UTC",
  "entry": {"on": "offered"},
  "start": "tell",
  "steps": {"tell": {"send": {"channels": ["email", "sms"], "template": "hello", "expires_after": "1 hour"},
                     "on_failure": "call", "next": "told"},
            "told": {"exit": "told"}, "call": {"exit": "call"}}}');
SELECT count(*) FROM publish('offer');
SELECT emit('offered', '3') > 0 AS emitted;
CALL run();
SELECT advance_clock('2 hours');
CALL run();
SELECT count(*) FROM claim('email', 'relay');
CALL run();
SELECT type, aggregatetype, attempt FROM outbox ORDER BY position;
SELECT exit_reason FROM enrollment_status WHERE journey = 'offer';

/* The longest back-off is a day, whatever a relay asks for. */
SELECT emit('offered', '4') > 0 AS emitted;
CALL run();
SELECT claim_id, message_id FROM claim('email', 'relay') \gset
SELECT nack(:claim_id, :'message_id', 'busy', retry_after => '170000000 years');
CALL run();
SELECT state, due_at FROM message WHERE customer_id = '4';

/* A clock whose due times would be out of range is refused. */
SELECT set_clock('294276-12-31 23:59+00');
SELECT set_clock('4000-01-01 00:00+00 BC', true);
INSERT INTO customer VALUES (21, 'late@example.com');
SELECT emit('looped', '21') > 0 AS emitted;
CALL run();
SELECT state, entered_at, due_at FROM enrollment WHERE customer_id = '21';

/* Large payloads make small batches. */
SELECT count(emit('looped', '22', jsonb_build_object('text', repeat('x', 1000000)))) FROM generate_series(1, 40);
SELECT sum(applied) AS applied FROM _lane_position \gset
CALL run(max_batches => 1);
SELECT sum(applied) - :applied BETWEEN 1 AND 39 AS is_cut FROM _lane_position;
CALL run();
SELECT sum(applied) - :applied AS applied FROM _lane_position;

SELECT law, detail FROM verify('full') WHERE NOT holds;

DROP OWNED BY regress_jo_author CASCADE;
DROP ROLE regress_jo_author;
