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
FROM generate_series(1, 2000) AS i WHERE lane_of(i::text) = 3;

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

/* A version whose row is gone parks its runs and nobody else's. */
CREATE VIEW parked AS
SELECT n, step, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message
FROM enrollment JOIN neighbour ON id = customer_id WHERE state = 'parked';
SET session_replication_role = replica;
DELETE FROM journey_version;
RESET session_replication_role;
SELECT define('{
  "journey": "plain", "timezone": "UTC", "entry": {"on": "came", "reentry": {"policy": "any"}}, "start": "done",
  "steps": {"done": {"exit": "done"}}}');
SELECT count(*) FROM publish('plain');
\c
SET search_path = public, journey_orch;
SELECT count(emit(e, id)) FROM neighbour, unnest('{more,came}'::text[]) AS e WHERE n IN (6, 20);
CALL run();
SELECT * FROM parked WHERE n = 6;
SELECT journey, n, exit_reason FROM enrollment_status JOIN neighbour ON id = customer_id WHERE journey = 'plain' ORDER BY n;
SELECT law, detail FROM verify('full') WHERE NOT holds;

/* Nobody is to blame for a malformed report on a message: it is set aside. */
CREATE FUNCTION inject(member int, payload jsonb) RETURNS bigint LANGUAGE sql AS
$$INSERT INTO journey_orch.event (seq, xid, instant, recorded_at, incarnation, lane, segment, kind, customer_id, name, payload)
  SELECT pg_catalog.nextval('journey_orch.event_seq'), pg_catalog.pg_current_xact_id(), '2026-03-01 12:00+00', pg_catalog.now(),
         1, 3, 0, 'm', id, 'message.failed', payload FROM public.neighbour WHERE n = member RETURNING 1$$;
SELECT count(emit('came', id)) FROM neighbour WHERE n BETWEEN 30 AND 32;
SELECT inject(30, '{"message_id": "not-a-uuid-although-it-is-as-long-as"}');
SELECT inject(31, jsonb_build_object('message_id', repeat('0', 36)));
SELECT inject(31, format('{"message_id": "%s", "enrollment_id": "%s", "attempt": 1e30}', id, id)::jsonb)
FROM gen_random_uuid() AS id;
SELECT inject(32, format('{"message_id": "%s", "enrollment_id": "%s", "expires_at": "soon"}', id, id)::jsonb)
FROM gen_random_uuid() AS id;
SELECT count(emit('came', id)) FROM neighbour WHERE n BETWEEN 30 AND 33;
CALL run();
SELECT n, count(*) AS runs FROM enrollment_status JOIN neighbour ON id = customer_id
WHERE journey = 'plain' AND n >= 30 GROUP BY n ORDER BY n;
SELECT n, event, sqlstate, message FROM event_error JOIN neighbour ON id = customer_id ORDER BY error_id;
SELECT level, name, value FROM health() WHERE name IN ('event_error', 'careful_lanes');
SELECT law, detail FROM verify('full') WHERE NOT holds;

/* A context that grows past what jsonb holds parks its run, at the step that
   made it so; what the run did before stays. */
SELECT define('{
  "journey": "hoarder", "timezone": "UTC", "entry": {"on": "hoards"}, "start": "first",
  "steps": {"first":  {"update": {"a": "repeat(''x'', 135000000)"}, "next": "second"},
            "second": {"update": {"b": "repeat(''y'', 135000000)"}, "next": "done"},
            "done":   {"exit": "done"}}}');
SELECT count(*) FROM publish('hoarder');
SELECT emit('came', id) > 0 AS emitted FROM neighbour WHERE n = 40;
SELECT emit('hoards', id) > 0 AS emitted FROM neighbour WHERE n = 41;
SELECT emit('came', id) > 0 AS emitted FROM neighbour WHERE n = 42;
CALL run();
SELECT p.*, length(context ->> 'a') AS kept
FROM parked AS p JOIN enrollment ON customer_id = (SELECT id FROM neighbour WHERE n = 41) WHERE p.n = 41;
SELECT outcome, from_step, to_step, reason FROM step_log WHERE customer_id = (SELECT id FROM neighbour WHERE n = 41) ORDER BY visit, outcome;
SELECT n FROM enrollment_status JOIN neighbour ON id = customer_id WHERE journey = 'plain' AND n >= 40 ORDER BY n;

/* A row that cannot be written parks its run as it is stored, a run that
   cannot even be parked is not let in, and what remains is set aside. */
CREATE FUNCTION refuse_secret(value jsonb) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN IF value ? 'secret' THEN RAISE 'too large' USING ERRCODE = '54000'; END IF; RETURN 0; END$$;
SELECT define('{
  "journey": "keeper", "timezone": "UTC", "entry": {"on": "kept", "reentry": {"policy": "any"}}, "start": "rest",
  "steps": {"rest": {"wait": {"for": [{"on": "tells", "next": "tell"}]}},
            "tell": {"update": {"secret": "event->>''secret''"}, "next": "more"},
            "more": {"wait": {"for": [{"on": "ends", "next": "done"}]}},
            "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('keeper');
SELECT count(emit('kept', id)) FROM neighbour WHERE n BETWEEN 50 AND 52;
CALL run();
CREATE INDEX no_secret ON enrollment_03 (refuse_secret(context));
SELECT count(emit('tells', id, '{"secret": "s"}')) FROM neighbour WHERE n BETWEEN 50 AND 52;
SELECT emit('came', id) > 0 AS emitted FROM neighbour WHERE n = 50;
CALL run();
SELECT * FROM parked WHERE n >= 50 ORDER BY n;
SELECT n, step, context FROM enrollment JOIN neighbour ON id = customer_id WHERE n = 50;
CREATE FUNCTION refuse_entry(value jsonb) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN IF value ? 'bad' THEN RAISE 'too large' USING ERRCODE = '54000'; END IF; RETURN 0; END$$;
CREATE INDEX no_entry ON enrollment_03 (refuse_entry(entry_event));
SELECT emit('kept', id, CASE n WHEN 54 THEN '{"bad": 1}' END::jsonb) > 0 AS emitted FROM neighbour WHERE n BETWEEN 53 AND 55;
CALL run();
SELECT n, outcome, reason, decision FROM step_log JOIN neighbour ON id = customer_id WHERE n BETWEEN 53 AND 55 ORDER BY n;
/* … also by a command, which is told */
SELECT define('{"journey": "open", "entry": {"api": true, "reentry": {"policy": "any"}}, "start": "rest",
  "steps": {"rest": {"wait": {"for": [{"on": "ends", "next": "done"}]}}, "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('open');
SELECT enter('open', id, '{"secret": 1}') AS spoiled FROM neighbour WHERE n = 54 \gset
SELECT enter('open', id, '{"open": 1}') AS good FROM neighbour WHERE n = 54 \gset
SELECT emit('kept', id) > 0 AS emitted FROM neighbour WHERE n = 54;
CALL run();
SELECT command, status, rule, reason, enrollment_id IS NOT NULL AS inside FROM command_status(:spoiled)
UNION ALL SELECT command, status, rule, reason, enrollment_id IS NOT NULL FROM command_status(:good);
CREATE FUNCTION refuse_log(id text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN IF id = (SELECT n.id FROM public.neighbour n WHERE n = 57) THEN RAISE 'too large' USING ERRCODE = '54000'; END IF; RETURN 0; END$$;
SELECT leaf FROM (SELECT format('step_log_03_%s', segment) AS leaf FROM step_log WHERE lane = 3 ORDER BY batch DESC LIMIT 1) AS l \gset
CREATE INDEX no_log ON :leaf (refuse_log(customer_id));
SELECT count(emit('kept', id)) FROM neighbour WHERE n BETWEEN 56 AND 58;
SELECT enter('open', id) AS aside FROM neighbour WHERE n = 57 \gset
CALL run();
SELECT command, status, rule, reason FROM command_status(:aside);
SELECT n, outcome FROM step_log JOIN neighbour ON id = customer_id WHERE n BETWEEN 56 AND 58 ORDER BY n;
SELECT n, event, sqlstate, message FROM event_error JOIN neighbour ON id = customer_id WHERE n > 50 ORDER BY error_id;

/* What would happen to anybody is nobody's fault: the lane waits. */
CREATE FUNCTION refuse_all(id text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN RETURN 0; END$$;
CREATE INDEX no_room ON enrollment_03 (refuse_all(customer_id));
CREATE OR REPLACE FUNCTION refuse_all(id text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN RAISE 'no room' USING ERRCODE = '54000'; END$$;
SELECT count(emit('kept', id)) FROM neighbour WHERE n BETWEEN 60 AND 61;
CALL run();
SELECT lag_events FROM lane_status WHERE lane = 3;
SELECT law, detail FROM verify('full') WHERE NOT holds;
DROP INDEX no_room;
CALL run();
SELECT n, state FROM enrollment JOIN neighbour ON id = customer_id WHERE n >= 60 ORDER BY n;
SELECT law, detail FROM verify('full') WHERE NOT holds;
