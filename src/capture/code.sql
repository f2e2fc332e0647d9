/* capture: watches, emit, the event log as seen from outside */

CREATE OR REPLACE FUNCTION journey_orch.capture()
RETURNS trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'journey_orch_capture';
REVOKE ALL ON FUNCTION journey_orch.capture() FROM PUBLIC;
COMMENT ON FUNCTION journey_orch.capture() IS
  'Trigger function of watched tables: turns changed rows into events. watch() makes the triggers.';

/* Predicate of the index on each leaf of the event log (event.c). */
CREATE OR REPLACE FUNCTION journey_orch._leads_page(seq bigint)
RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_leads_page';
REVOKE ALL ON FUNCTION journey_orch._leads_page(bigint) FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._leads_page(bigint) IS
  'Marks the index of the event log as partial: it has an entry for each page a transaction wrote, not for each row.';

/* No search_path of its own: it resolves the names of the user's statement. */
CREATE OR REPLACE FUNCTION journey_orch._follow_ddl()
RETURNS event_trigger
LANGUAGE C
AS 'MODULE_PATHNAME', 'journey_orch_follow_ddl';
REVOKE ALL ON FUNCTION journey_orch._follow_ddl() FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._follow_ddl() IS
  'Event trigger function: keeps triggers and watches right when tables come, move and go.';

CREATE EVENT TRIGGER journey_orch_follow_ddl ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'CREATE FOREIGN TABLE', 'ALTER TABLE', 'ALTER FOREIGN TABLE',
    'CREATE SCHEMA', 'CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION', 'DROP SUBSCRIPTION')
  EXECUTE FUNCTION journey_orch._follow_ddl();
COMMENT ON EVENT TRIGGER journey_orch_follow_ddl IS
  'Gives new, attached and inheriting tables the triggers that the watches above them ask for.';

CREATE EVENT TRIGGER journey_orch_follow_drop ON sql_drop
  EXECUTE FUNCTION journey_orch._follow_ddl();
COMMENT ON EVENT TRIGGER journey_orch_follow_drop IS
  'Deletes the watches of relations that were dropped.';

CREATE OR REPLACE FUNCTION journey_orch.watch(
  relation      regclass,
  event         text,
  customer_sql  text,
  operations    text[] DEFAULT '{insert}',
  condition_sql text DEFAULT NULL,
  payload_sql   text DEFAULT NULL,
  columns       name[] DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_watch';
REVOKE ALL ON FUNCTION journey_orch.watch(regclass, text, text, text[], text, text, name[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.watch(regclass, text, text, text[], text, text, name[]) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.watch(regclass, text, text, text[], text, text, name[]) IS
  'Turns row changes of a relation into events of one name, from commit on; needs ownership of the relation. Returns created, replaced or unchanged.';

CREATE OR REPLACE FUNCTION journey_orch.unwatch(relation regclass, event text)
RETURNS void
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_unwatch';
REVOKE ALL ON FUNCTION journey_orch.unwatch(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.unwatch(regclass, text) TO journey_orch_author;
COMMENT ON FUNCTION journey_orch.unwatch(regclass, text) IS
  'Ends a watch and drops the triggers no other watch needs; events already captured stay.';

CREATE OR REPLACE FUNCTION journey_orch.emit(
  event           text,
  customer        text,
  payload         jsonb DEFAULT '{}',
  occurred_at     timestamptz DEFAULT NULL,
  idempotency_key text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_emit';
REVOKE ALL ON FUNCTION journey_orch.emit(text, text, jsonb, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.emit(text, text, jsonb, timestamptz, text) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.emit(text, text, jsonb, timestamptz, text) IS
  'Appends an event in the caller''s transaction and returns its event_id; a repeated idempotency key returns the first one.';

CREATE OR REPLACE FUNCTION journey_orch.emit_many(events jsonb)
RETURNS bigint
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_emit_many';
REVOKE ALL ON FUNCTION journey_orch.emit_many(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION journey_orch.emit_many(jsonb) TO journey_orch_app;
COMMENT ON FUNCTION journey_orch.emit_many(jsonb) IS
  'Appends an array of events, or of CloudEvents 1.0 envelopes; returns how many were appended, repeated idempotency keys not counted.';

COMMENT ON TABLE journey_orch.watch IS 'Rules that turn row changes of one relation into events.';
COMMENT ON TABLE journey_orch.event IS 'Everything that happened to a customer; leaves event_LL_S by lane and segment.';
COMMENT ON TABLE journey_orch.lane_cursor IS 'How far each lane has read the event log: the newest row of a lane counts.';
COMMENT ON TABLE journey_orch.capture_failure IS 'Row changes that could not become events.';
COMMENT ON TABLE journey_orch.idempotency IS 'Keys of callers and the events they stand for.';
COMMENT ON SEQUENCE journey_orch.event_seq IS 'Capture tickets, drawn in blocks of 64 by each capturing statement.';

CREATE OR REPLACE VIEW journey_orch.event_log AS
SELECT e.seq AS event_id,
       e.name AS event,
       e.customer_id,
       CASE lower(e.kind::text) WHEN 'e' THEN 'event' WHEN 'c' THEN 'command' WHEN 'm' THEN 'message' END AS kind,
       e.payload,
       e.instant,
       e.occurred_at,
       e.recorded_at,
       w.relation,
       e.trace,
       e.lane,
       e.xid,
       e.incarnation
  FROM journey_orch.event e
  LEFT JOIN journey_orch.watch w USING (watch_id);
GRANT SELECT ON journey_orch.event_log TO journey_orch_analyst;
COMMENT ON VIEW journey_orch.event_log IS 'One row an event that is still retained.';
COMMENT ON COLUMN journey_orch.event_log.event_id IS 'Capture ticket: the order of events of one customer.';
COMMENT ON COLUMN journey_orch.event_log.event IS 'Name of the event.';
COMMENT ON COLUMN journey_orch.event_log.customer_id IS 'Customer it happened to; empty for a control event.';
COMMENT ON COLUMN journey_orch.event_log.kind IS 'event (from a watch or emit), command (a call or control event), message (a report on a message).';
COMMENT ON COLUMN journey_orch.event_log.payload IS 'What the watch or the caller said about it.';
COMMENT ON COLUMN journey_orch.event_log.instant IS 'Engine clock at capture.';
COMMENT ON COLUMN journey_orch.event_log.occurred_at IS 'When it happened, as the caller said; data, never an order.';
COMMENT ON COLUMN journey_orch.event_log.recorded_at IS 'Real time at capture.';
COMMENT ON COLUMN journey_orch.event_log.relation IS 'Watched relation it comes from; NULL for emit, or when the watch is gone.';
COMMENT ON COLUMN journey_orch.event_log.trace IS 'W3C traceparent of the caller; depth=N where a run of the engine caused the event.';
COMMENT ON COLUMN journey_orch.event_log.lane IS 'Lane of the customer, 0 to 15.';
COMMENT ON COLUMN journey_orch.event_log.xid IS 'Top-level transaction that wrote it.';
COMMENT ON COLUMN journey_orch.event_log.incarnation IS 'Cluster and database that wrote it (table incarnation).';

CREATE OR REPLACE VIEW journey_orch.capture_error AS
SELECT failure_id AS error_id, relation, event, operation, row_key, sqlstate, message, at
  FROM journey_orch.capture_failure;
GRANT SELECT ON journey_orch.capture_error TO journey_orch_analyst;
COMMENT ON VIEW journey_orch.capture_error IS 'One row a row change that could not become an event.';
COMMENT ON COLUMN journey_orch.capture_error.error_id IS 'Number of the error.';
COMMENT ON COLUMN journey_orch.capture_error.relation IS 'Relation whose row changed.';
COMMENT ON COLUMN journey_orch.capture_error.event IS 'Event it would have become; empty when the watches themselves could not be read.';
COMMENT ON COLUMN journey_orch.capture_error.operation IS 'insert, update, delete, truncate, or ddl.';
COMMENT ON COLUMN journey_orch.capture_error.row_key IS 'Primary key (or replica identity) of the row; NULL without one, or when the error is of the whole statement.';
COMMENT ON COLUMN journey_orch.capture_error.sqlstate IS 'SQLSTATE of the error.';
COMMENT ON COLUMN journey_orch.capture_error.message IS 'Its primary message.';
COMMENT ON COLUMN journey_orch.capture_error.at IS 'Real time of the change.';

/* Relations that a watch covers, with the triggers each needs and has.  A
   trigger counts where it fires for ordinary sessions. */
CREATE OR REPLACE VIEW journey_orch._watch_trigger AS
WITH RECURSIVE member AS (
  SELECT w.watch_id, w.relation::oid AS relid, w.mode, w.operations, true AS is_declared
    FROM journey_orch.watch w
  UNION
  SELECT m.watch_id, i.inhrelid, m.mode, m.operations, false
    FROM member m
    JOIN pg_catalog.pg_inherits i ON i.inhparent = m.relid AND NOT i.inhdetachpending
)
SELECT m.watch_id, m.relid::regclass AS relation, o.operation,
       bool_or(t.tgenabled IN ('O', 'A')) IS TRUE AS fires,
       count(t.oid) > 0 AS is_present
  FROM member m
  JOIN pg_catalog.pg_class c ON c.oid = m.relid
 CROSS JOIN LATERAL unnest(m.operations) AS o(operation)
  LEFT JOIN pg_catalog.pg_trigger t
    ON t.tgrelid = m.relid
   AND t.tgfoid = 'journey_orch.capture'::regproc
   AND (t.tgtype & 1 <> 0) = (m.mode = 'row')
   AND t.tgtype & CASE o.operation WHEN 'insert' THEN 4 WHEN 'delete' THEN 8 ELSE 16 END <> 0
   AND (m.mode = 'statement' OR NOT c.relispartition OR (t.tgparentid <> 0) <> m.is_declared)
 GROUP BY m.watch_id, m.relid, o.operation;
COMMENT ON VIEW journey_orch._watch_trigger IS 'Triggers that the watches need on each relation of their trees.';

CREATE OR REPLACE VIEW journey_orch.watch_status AS
SELECT w.relation, w.event, w.operations, w.mode,
       CASE WHEN c.oid IS NULL THEN 'relation dropped'
            WHEN t.missing > 0 THEN 'trigger missing'
            WHEN t.silent > 0 THEN 'trigger disabled'
            ELSE 'enabled' END AS state,
       t.relations,
       f.errors, f.last_error_at, f.last_error,
       w.customer_sql, w.condition_sql, w.payload_sql, w.columns, w.owner, w.changed_at
  FROM journey_orch.watch w
  LEFT JOIN pg_catalog.pg_class c ON c.oid = w.relation
  LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE NOT is_present) AS missing,
           count(*) FILTER (WHERE is_present AND NOT fires) AS silent,
           count(DISTINCT n.relation) AS relations
      FROM journey_orch._watch_trigger n WHERE n.watch_id = w.watch_id) t ON true
  LEFT JOIN LATERAL (
    SELECT count(*) AS errors, max(e.at) AS last_error_at,
           (array_agg(e.message ORDER BY e.failure_id DESC))[1] AS last_error
      FROM journey_orch.capture_failure e
     WHERE e.event = w.event
       AND (e.relation = w.relation OR e.relation IN (
         SELECT n.relation FROM journey_orch._watch_trigger n WHERE n.watch_id = w.watch_id))) f ON true;
GRANT SELECT ON journey_orch.watch_status TO journey_orch_analyst;
COMMENT ON VIEW journey_orch.watch_status IS 'One row a watch.';
COMMENT ON COLUMN journey_orch.watch_status.relation IS 'Watched relation.';
COMMENT ON COLUMN journey_orch.watch_status.event IS 'Event its changes become.';
COMMENT ON COLUMN journey_orch.watch_status.operations IS 'insert, update, delete.';
COMMENT ON COLUMN journey_orch.watch_status.mode IS 'statement (transition tables) or row; chosen by journey_orch.';
COMMENT ON COLUMN journey_orch.watch_status.state IS 'enabled, trigger disabled, trigger missing, relation dropped.';
COMMENT ON COLUMN journey_orch.watch_status.relations IS 'Relations covered: itself and everything below it.';
COMMENT ON COLUMN journey_orch.watch_status.errors IS 'Row changes that could not become this event.';
COMMENT ON COLUMN journey_orch.watch_status.last_error_at IS 'Real time of the newest of them.';
COMMENT ON COLUMN journey_orch.watch_status.last_error IS 'Message of the newest of them.';
COMMENT ON COLUMN journey_orch.watch_status.customer_sql IS 'Expression that yields the customer id.';
COMMENT ON COLUMN journey_orch.watch_status.condition_sql IS 'Expression that a row must meet; NULL: every row.';
COMMENT ON COLUMN journey_orch.watch_status.payload_sql IS 'Expression that yields the payload; NULL: columns.';
COMMENT ON COLUMN journey_orch.watch_status.columns IS 'Columns of the payload; NULL without payload_sql: all.';
COMMENT ON COLUMN journey_orch.watch_status.owner IS 'Role whose rights the expressions have.';
COMMENT ON COLUMN journey_orch.watch_status.changed_at IS 'Real time of the last declaration.';

CREATE OR REPLACE FUNCTION journey_orch._watch_findings()
RETURNS TABLE (relation regclass, event text, sqlstate text, message text)
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'journey_orch_watch_findings';
REVOKE ALL ON FUNCTION journey_orch._watch_findings() FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._watch_findings() IS 'Watches whose expressions no longer compile.';

/* What health() asks this room. */
CREATE OR REPLACE FUNCTION journey_orch._capture_health()
RETURNS TABLE (level text, name text, value text, hint text)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'error', 'watch_trigger', pg_catalog.format('%s: %s', s.relation, s.state),
         CASE s.state WHEN 'trigger disabled'
           THEN 'Its changes are not captured. ALTER TABLE ... ENABLE TRIGGER, then rescan the table.'
           ELSE 'Its changes are not captured. Call journey_orch.watch() again, then rescan the table.' END
    FROM (SELECT DISTINCT n.relation,
                 CASE WHEN n.is_present THEN 'trigger disabled' ELSE 'trigger missing' END AS state
            FROM journey_orch._watch_trigger n WHERE NOT n.fires) s
  UNION ALL
  SELECT 'error', 'watch_expression', pg_catalog.format('%s on %s: %s', c.event, c.relation, c.message),
         'The watch captures nothing. Declare it again with expressions that fit the table.'
    FROM journey_orch._watch_findings() c
  UNION ALL
  SELECT 'warning', 'capture_error',
         pg_catalog.format('%s in the last 24 hours, on %s', pg_catalog.count(*), pg_catalog.string_agg(DISTINCT f.relation::text, ', ')),
         'View capture_error names the rows and errors.'
    FROM journey_orch.capture_failure f
   WHERE f.at > pg_catalog.now() - interval '24 hours'
  HAVING pg_catalog.count(*) > 0
$$;
REVOKE ALL ON FUNCTION journey_orch._capture_health() FROM PUBLIC;
COMMENT ON FUNCTION journey_orch._capture_health() IS 'Findings about capture, for health().';
