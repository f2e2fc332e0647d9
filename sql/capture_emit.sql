-- capture_emit: emit(), emit_many() and idempotency keys
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
CREATE VIEW log AS
  SELECT row_number() OVER (ORDER BY event_id) AS n, event, kind, customer_id, payload, occurred_at, trace, relation
    FROM journey_orch.event_log;

-- One event
SELECT journey_orch.emit('signed_up', 'c1') > 0 AS has_id;
SELECT journey_orch.emit('signed_up', 'c2', '{"plan": "pro"}', '2024-01-01 10:00+02') > 0 AS has_id;
SELECT journey_orch.emit(event => 'signed_up', customer => 'Zoë', payload => NULL) > 0 AS has_id;
SELECT * FROM log ORDER BY n;
-- ids grow, and are those of the log
WITH e AS MATERIALIZED (SELECT journey_orch.emit('grow', i::text) AS id, i FROM generate_series(1, 5) i)
SELECT count(*) AS out_of_order FROM e a JOIN e b ON a.i < b.i WHERE a.id >= b.id;
SELECT count(*) AS known FROM journey_orch.event_log WHERE event_id = (SELECT max(event_id) FROM journey_orch.event_log);

-- In the caller's transaction
BEGIN;
SELECT journey_orch.emit('undone', 'c1') > 0 AS has_id;
ROLLBACK;
SELECT count(*) AS undone FROM journey_orch.event_log WHERE event = 'undone';

-- What is refused
SELECT journey_orch.emit(NULL, 'c1');
SELECT journey_orch.emit('e', NULL);
SELECT journey_orch.emit('', 'c1');
SELECT journey_orch.emit('e', '');
SELECT journey_orch.emit('e', repeat('x', 1001));
SELECT journey_orch.emit('$leave', 'c1');
SELECT journey_orch.emit('message.delivered', 'c1');
SELECT journey_orch.emit('e', 'c1', '[]');
SELECT journey_orch.emit('e', 'c1', '"text"');
SELECT journey_orch.emit('e', 'c1', '{', NULL);
SELECT journey_orch.emit('e', 'c1', '{}', NULL, '');
BEGIN READ ONLY;
SELECT journey_orch.emit('e', 'c1');
ROLLBACK;

-- Idempotency keys: the first id again, unless the body is another
SELECT journey_orch.emit('paid', 'c1', '{"a": 1, "b": 2}', NULL, 'k1') AS first_id \gset
SELECT journey_orch.emit('paid', 'c1', '{"b": 2, "a": 1}', NULL, 'k1') = :first_id AS same;
SELECT journey_orch.emit('paid', 'c1', '{"a": 1, "b": 3}', NULL, 'k1');
SELECT journey_orch.emit('paid', 'c2', '{"a": 1, "b": 2}', NULL, 'k1');
SELECT journey_orch.emit('paid', 'c1', '{"a": 1, "b": 2}', '2024-01-01 00:00+00', 'k1');
SELECT journey_orch.emit('refunded', 'c1', '{"a": 1, "b": 2}', NULL, 'k1') > :first_id AS keys_are_per_event;
BEGIN;
SELECT journey_orch.emit('paid', 'c1', '{}', NULL, 'k2') > 0 AS has_id;
ROLLBACK;
SELECT journey_orch.emit('paid', 'c9', '{}', NULL, 'k2') > 0 AS key_of_a_rollback_is_free;
SELECT event, customer_id, payload FROM log WHERE event IN ('paid', 'refunded') ORDER BY n;
-- ... for the horizon
UPDATE journey_orch.idempotency SET created_at = created_at - interval '8 days';
SELECT journey_orch.emit('paid', 'c3', '{}', NULL, 'k1') > :first_id AS new_again;
SELECT journey_orch.emit('paid', 'c3', '{}', NULL, 'k1') > :first_id AS known_again;
SELECT count(*) AS events FROM journey_orch.event_log WHERE event = 'paid' AND customer_id = 'c3';
SET journey_orch.idempotency_horizon = '1 h';
UPDATE journey_orch.idempotency SET created_at = created_at - interval '2 hours';
SELECT journey_orch.emit('paid', 'c4', '{}', NULL, 'k1') > 0 AS new_again;
RESET journey_orch.idempotency_horizon;

-- Many at once, in order, with CloudEvents among them
CREATE TABLE marks (mark bigint);
CREATE VIEW latest AS SELECT event, customer_id, payload, occurred_at, trace FROM journey_orch.event_log
  WHERE event_id > (SELECT max(mark) FROM marks) ORDER BY event_id;
INSERT INTO marks SELECT max(event_id) FROM journey_orch.event_log;
SELECT journey_orch.emit_many('[
  {"event": "a", "customer": "c1"},
  {"event": "b", "customer": "c1", "payload": {"x": [1, {"y": null}]}, "occurred_at": "2024-02-29T23:59:60Z", "trace": "t1"},
  {"event": "c", "customer": "c1", "idempotency_key": "m1", "payload": null, "occurred_at": null},
  {"specversion": "1.0", "type": "d", "source": "/shop", "id": "17", "subject": "c1", "time": "2024-02-29T10:00:00.1234567-05:30",
   "datacontenttype": "application/json", "data": {"z": 1}, "traceparent": "00-4bf9-01", "extension": {"any": "thing"}},
  {"event": "e", "customer": "c1"}
]');
SELECT * FROM latest;
INSERT INTO marks SELECT max(event_id) FROM journey_orch.event_log;
-- what the engine itself writes
SELECT journey_orch.emit_many('[{"event": "a", "customer": "c1", "trace": "depth=-99"}]');
SELECT journey_orch.emit_many('[{"specversion": "1.0", "type": "d", "source": "/", "id": "1", "subject": "c1", "traceparent": "depth=-99"}]');
-- repeated: the ones with a key are known
SELECT journey_orch.emit_many('[
  {"event": "c", "customer": "c1", "idempotency_key": "m1"},
  {"specversion": "1.0", "type": "d", "source": "/shop", "id": "17", "subject": "c1", "time": "2024-02-29T15:30:00.123456Z", "data": {"z": 1}},
  {"event": "f", "customer": "c1", "idempotency_key": "m2"},
  {"event": "f", "customer": "c1", "idempotency_key": "m2"}
]');
SELECT * FROM latest;
INSERT INTO marks SELECT max(event_id) FROM journey_orch.event_log;
SELECT journey_orch.emit_many('[]');
SELECT journey_orch.emit_many((SELECT jsonb_agg(jsonb_build_object('event', 'bulk', 'customer', (i % 100)::text, 'payload', jsonb_build_object('i', i)))
  FROM generate_series(1, 1000) i));
SELECT count(*) AS events, count(DISTINCT customer_id) AS customers FROM latest;
SELECT count(*) AS out_of_order FROM (SELECT (payload->>'i')::int - lag((payload->>'i')::int) OVER (ORDER BY event_id) AS step
  FROM journey_orch.event_log WHERE event = 'bulk') s WHERE step <> 1;

-- All that is wrong with the first bad element; nothing half-done
INSERT INTO marks SELECT max(event_id) FROM journey_orch.event_log;
SELECT journey_orch.emit_many(NULL);
SELECT journey_orch.emit_many('{"event": "a", "customer": "c1"}');
SELECT journey_orch.emit_many('"text"');
SELECT journey_orch.emit_many('[{"event": "a", "customer": "c1"}, 7]');
SELECT journey_orch.emit_many('[{"event": "a", "customer": "c1", "idempotency_key": "n1"}, {"event": "message.x", "customer": 7, "payload": [],
  "occurred_at": "yesterday", "idempotency_key": "", "custmer": "c1"}]');
SELECT journey_orch.emit_many('[{}]');
SELECT journey_orch.emit_many('[{"specversion": "0.3", "type": "$x", "subject": "", "data": 1, "data_base64": "eA==", "time": "2024-02-30T00:00:00Z"}]');
SELECT journey_orch.emit_many('[{"specversion": 1, "type": "a", "subject": "s", "source": "/s", "id": "1"}]');
SELECT journey_orch.emit_many(jsonb_build_array(jsonb_build_object('event', 'a', 'customer', 'c', 'trace', repeat('x', 513))));
SELECT t, journey_orch.emit_many(jsonb_build_array(jsonb_build_object('event', 'a', 'customer', 'c', 'occurred_at', t)))
  FROM unnest('{2024-01-01T00:00:00}'::text[]) t;
SELECT journey_orch.emit_many('[{"event": "a", "customer": "c", "occurred_at": "now"}]');
SELECT journey_orch.emit_many('[{"event": "a", "customer": "c", "occurred_at": "2024-13-01T00:00:00Z"}]');
SELECT journey_orch.emit_many('[{"event": "c", "customer": "c1", "idempotency_key": "m9"}, {"event": "c", "customer": "other", "idempotency_key": "m9"}]');
SELECT * FROM latest;
SELECT count(*) AS claimed FROM journey_orch.idempotency WHERE key IN ('n1', 'm9');

-- Who may call
CREATE ROLE capture_emit_app;
SET ROLE capture_emit_app;
SELECT journey_orch.emit('e', 'c1');
RESET ROLE;
GRANT journey_orch_app TO capture_emit_app;
SET ROLE capture_emit_app;
SELECT journey_orch.emit('by_app', 'c1', '{}', NULL, 'key') > 0 AS may;
SELECT journey_orch.emit_many('[{"event": "by_app", "customer": "c1", "idempotency_key": "key"}]');
SELECT count(*) FROM journey_orch.event;
RESET ROLE;
REVOKE journey_orch_app FROM capture_emit_app;
DROP ROLE capture_emit_app;
