/* capture: watches, the event log and the lanes' positions in it */

/* A rule that turns row changes of one relation into events. */
CREATE TABLE journey_orch.watch
(
  watch_id      integer GENERATED ALWAYS AS IDENTITY,
  relation      regclass NOT NULL,
  event         text NOT NULL,
  customer_sql  text NOT NULL,               -- over NEW and OLD
  operations    text[] NOT NULL,             -- subset of insert, update, delete
  condition_sql text,
  payload_sql   text,                        -- yields jsonb; wins over columns
  columns       name[],                      -- payload columns; NULL: all of the row
  owner         regrole NOT NULL,            -- the relation's owner; expressions run as him
  mode          text NOT NULL,               -- how rows are read; follows from the relation
  changed_at    timestamptz NOT NULL,
  CONSTRAINT watch_pkey PRIMARY KEY (watch_id),
  CONSTRAINT watch_relation_event UNIQUE (relation, event),
  CONSTRAINT watch_operations CHECK (operations <> '{}' AND operations <@ '{insert,update,delete}'),
  CONSTRAINT watch_mode CHECK (mode IN ('statement', 'row'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.watch', '');
SELECT pg_catalog.pg_extension_config_dump('journey_orch.watch_watch_id_seq', '');

/* The capture ticket, drawn in blocks of 64 when the capturing statement runs:
   its order is the order of conflicting statements, which xids are not. */
CREATE SEQUENCE journey_orch.event_seq INCREMENT BY 64 MINVALUE 64 START 64;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.event_seq', '');

/* Everything that happened to a customer.  Insert-only; leaf event_LL_S. */
CREATE TABLE journey_orch.event
(
  seq         bigint NOT NULL,               -- capture ticket; the event_id of the API
  xid         xid8 NOT NULL,                 -- top-level transaction that wrote the row
  instant     timestamptz NOT NULL,          -- engine clock at capture
  recorded_at timestamptz NOT NULL,          -- real clock at capture
  occurred_at timestamptz,                   -- said by the caller; data, never an order
  incarnation integer NOT NULL,
  watch_id    integer,                       -- NULL: not from a watch
  lane        smallint NOT NULL,
  segment     smallint NOT NULL,
  kind        "char" NOT NULL,               -- e event, c command, m report on a message; upper case: its own batch has applied it
  customer_id text COLLATE "C" NOT NULL,     -- '' for a control event of the whole lane
  name        text COLLATE "C" NOT NULL,
  payload     jsonb,
  trace       text                           -- traceparent of the caller; depth=N: caused by the engine
) PARTITION BY RANGE (lane, segment);

/* How far a lane has got: one row a batch, the newest counts.  Insert-only;
   leaf lane_cursor_LL_S. */
CREATE TABLE journey_orch.lane_cursor
(
  batch       bigint NOT NULL,               -- 1, 2, 3 … of this lane
  seq         bigint NOT NULL,               -- position inside window (s1, s2); 0: at its start
  clock       timestamptz NOT NULL,          -- the lane's own clock; grows within an epoch
  timer_due   timestamptz NOT NULL,          -- timers up to here have been looked at …
  timer_id    bigint NOT NULL,               -- … and, at that instant, up to this id
  next_timer  bigint NOT NULL,               -- the next timer_id to give
  next_outbox bigint NOT NULL,               -- the next outbox position to give
  applied     bigint NOT NULL,               -- events applied so far, ever
  entered     bigint NOT NULL,               -- enrollments started so far, ever
  ended       bigint NOT NULL,               -- enrollments ended so far, ever
  advances    bigint NOT NULL,               -- advances so far, ever
  parked      bigint NOT NULL,               -- enrollments parked now, so that nobody has to count them
  recorded_at timestamptz NOT NULL,          -- real time of the batch
  clock_epoch integer NOT NULL,
  incarnation integer NOT NULL,
  worker      integer NOT NULL,              -- pid of the writer
  lane        smallint NOT NULL,
  segment     smallint NOT NULL,
  s1          pg_snapshot NOT NULL,          -- everything finished here is applied
  s2          pg_snapshot                    -- window under way; NULL: none
) PARTITION BY RANGE (lane, segment);

/* A row change that could not become an event. */
CREATE TABLE journey_orch.capture_failure
(
  failure_id bigint GENERATED ALWAYS AS IDENTITY,
  relation   regclass NOT NULL,
  event      text NOT NULL,
  operation  text NOT NULL,
  row_key    text,                           -- primary key of the row as text, or NULL
  sqlstate   text NOT NULL,
  message    text NOT NULL,
  at         timestamptz NOT NULL,           -- real time
  customer_id text COLLATE "C",              -- whose row it is; NULL: that could not be told
  CONSTRAINT capture_failure_pkey PRIMARY KEY (failure_id)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.capture_failure', '');
SELECT pg_catalog.pg_extension_config_dump('journey_orch.capture_failure_failure_id_seq', '');

/* What a caller's key produced. */
CREATE TABLE journey_orch.idempotency
(
  name       text COLLATE "C" NOT NULL,      -- event name, or $enter:journey
  key        text COLLATE "C" NOT NULL,
  body_hash  bytea NOT NULL,                 -- SHA-256 of customer and body
  event_id   bigint NOT NULL,
  created_at timestamptz NOT NULL,           -- real time
  CONSTRAINT idempotency_pkey PRIMARY KEY (name, key)
);
CREATE INDEX idempotency_created_at ON journey_orch.idempotency (created_at);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.idempotency', '');
