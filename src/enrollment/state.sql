/* enrollment: live runs, their memory, timers and log */

/* One live passage of a customer through a journey.  Deleted when it ends; in
   state ended while the goal's "within" is not over, which due_at tells.
   Only customer_id is indexed, and no indexed column ever changes: updates are
   HOT.  Leaf enrollment_LL. */
CREATE TABLE journey_orch.enrollment
(
  customer_id    text COLLATE "C" NOT NULL,
  enrollment_id  uuid NOT NULL,
  entry_event_id bigint NOT NULL,
  acted          bigint NOT NULL,            -- ticket of the last act that changed it; at first of the newest before its entry
  entered_at     timestamptz NOT NULL,       -- engine clock
  arrived_at     timestamptz NOT NULL,       -- at the current step; engine clock
  due_at         timestamptz,                -- NULL: waits without a timer
  hint_at        timestamptz,                -- due_at of the newest timer row for this run; NULL: none
  journey_id     integer NOT NULL,
  version        integer NOT NULL,
  generation     integer NOT NULL,           -- grows with every write of the row
  visit          integer NOT NULL,           -- ordinal of this step visit, from 1
  lane           smallint NOT NULL,
  is_holdout     boolean NOT NULL,           -- runs without its sends
  is_global_holdout boolean NOT NULL,        -- because of the global one: exempt topics are sent
  was_absent     boolean NOT NULL,           -- the customer had no row at the entry
  has_messages   boolean NOT NULL,           -- a message may still be unclaimed
  state          text NOT NULL,
  step           text COLLATE "C" NOT NULL,
  key            text COLLATE "C",
  context        jsonb NOT NULL,
  entry_event    jsonb NOT NULL,             -- snapshot of the entry event's payload
  event          jsonb,                      -- of the event that caused the arrival; NULL: the entry event
  entry_name     text COLLATE "C" NOT NULL,
  event_name     text COLLATE "C",           -- of "event"
  error          jsonb,                      -- of a parked run, or a call to be tried again: sqlstate, message, expression, attempts
  parent_id      uuid,                       -- the run that waits for the end of this one; NULL: none
  parent_visit   integer,                    -- and at which of its visits
  progress       jsonb,                      -- what this visit has counted: restarts, paused, branch, event_name, event, branch_spent, spent; NULL: nothing
  entry_order    bigint,                     -- among those that began at one instant; NULL: entry_event_id
  CONSTRAINT enrollment_state CHECK (state IN ('waiting', 'delayed', 'sending', 'held', 'parked', 'ended'))
) PARTITION BY LIST (lane);

/* Rows written by run_here() in this transaction; never committed. */
CREATE TABLE journey_orch.trial_enrollment
(
  LIKE journey_orch.enrollment,
  is_ended boolean NOT NULL
);
CREATE INDEX trial_enrollment_customer_id ON journey_orch.trial_enrollment (customer_id);

/* What a customer's earlier runs leave behind: re-entry rules outlive every
   log.  HOT.  Leaf entry_memory_LL. */
CREATE TABLE journey_orch.entry_memory
(
  customer_id  text COLLATE "C" NOT NULL,
  last_entered timestamptz NOT NULL,         -- engine clock
  last_ended   timestamptz,                  -- engine clock; NULL: never
  journey_id   integer NOT NULL,
  runs         integer NOT NULL,             -- started so far
  lane         smallint NOT NULL,
  key          text COLLATE "C",
  digests      jsonb,                        -- {step: when a digest there last ended, engine clock}; NULL: none did
  recent       timestamptz[]                 -- entries that a cap per customer may count; NULL: none counts
) PARTITION BY LIST (lane);

/* An event that the digest at which a run stands has collected; deleted when
   the run goes on.  Leaf digest_event_LL. */
CREATE TABLE journey_orch.digest_event
(
  enrollment_id uuid NOT NULL,
  event_id      bigint NOT NULL,
  visit         integer NOT NULL,            -- the run's, of the digest step
  ordinal       integer NOT NULL,            -- 1, 2, 3 … of the visit
  lane          smallint NOT NULL,
  customer_id   text COLLATE "C" NOT NULL,
  payload       jsonb NOT NULL
) PARTITION BY LIST (lane);

/* How many are in a journey and how many ever entered it, for caps: one row a
   journey and lane, written by the lane's one writer.  HOT. */
CREATE TABLE journey_orch.entry_count
(
  journey_id integer NOT NULL,
  lane       smallint NOT NULL,
  active     bigint NOT NULL,                -- rows of enrollment that have not ended
  total      bigint NOT NULL,                -- runs started so far
  erased     bigint NOT NULL DEFAULT 0,      -- of these, of customers who have been erased since
  CONSTRAINT entry_count_pkey PRIMARY KEY (journey_id, lane)
) WITH (fillfactor = 50);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.entry_count', '');

/* What run_here() in this transaction adds to them; never committed. */
CREATE TABLE journey_orch.trial_entry_count
(
  LIKE journey_orch.entry_count
);

/* When a customer enters a journey by a date that he holds, and what he has
   entered by already.  HOT: only customer_id is indexed.  Leaf
   planned_entry_LL. */
CREATE TABLE journey_orch.planned_entry
(
  customer_id text COLLATE "C" NOT NULL,
  due_at      timestamptz,                   -- engine clock; NULL: nothing is to come
  hint_at     timestamptz,                   -- due_at of the newest timer row for it; NULL: none
  last_at     timestamptz,                   -- the due_at that was taken last; NULL: none was
  journey_id  integer NOT NULL,
  times       integer NOT NULL,              -- how often the date has recurred at due_at
  taken       integer NOT NULL,              -- up to this recurrence of "basis" all is taken or has passed; -1: none
  generation  integer NOT NULL,              -- grows with every write of the row
  lane        smallint NOT NULL,
  basis       text,                          -- the date, and its recurrence, from which due_at was computed
  error       text                           -- why the date could not be told; NULL: it could
) PARTITION BY LIST (lane);

/* A lane's look at the dates of all customers, a page a batch; journey_id 0:
   for all journeys. */
CREATE TABLE journey_orch.plan_pass
(
  journey_id  integer NOT NULL,
  lane        smallint NOT NULL,
  ticket      bigint NOT NULL,               -- of the request
  since       timestamptz NOT NULL,          -- a date before it has passed; engine clock
  clock       timestamptz NOT NULL,          -- of the request; engine clock
  started_at  timestamptz NOT NULL,          -- real time
  finished_at timestamptz,                   -- real time; NULL: under way
  customers   bigint NOT NULL,               -- of the lane, looked at so far
  position    text,                          -- key of the last customer looked at; NULL: at the beginning
  error       text,                          -- why it ended early; NULL: it did not
  CONSTRAINT plan_pass_pkey PRIMARY KEY (journey_id, lane)
) WITH (fillfactor = 50);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.plan_pass', '');

/* Look at this customer at due_at.  A hint: the truth is the row's own
   due_at, so nothing is ever deleted.  Insert-only; leaf timer_LL_S. */
CREATE TABLE journey_orch.timer
(
  due_at      timestamptz NOT NULL,
  timer_id    bigint NOT NULL,               -- 1, 2, 3 … of the lane
  lane        smallint NOT NULL,
  segment     smallint NOT NULL,
  customer_id text COLLATE "C" NOT NULL
) PARTITION BY RANGE (lane, segment);

/* An event that a lane could not apply and went past.  Insert-only. */
CREATE TABLE journey_orch.event_failure
(
  failure_id  bigint GENERATED ALWAYS AS IDENTITY,
  event_id    bigint NOT NULL,
  batch       bigint NOT NULL,               -- lane_cursor.batch
  lane        smallint NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  event       text COLLATE "C" NOT NULL,
  sqlstate    text NOT NULL,
  message     text NOT NULL,
  clock       timestamptz NOT NULL,          -- instant of the event; engine clock
  at          timestamptz NOT NULL,          -- real time
  CONSTRAINT event_failure_pkey PRIMARY KEY (failure_id)
);
CREATE INDEX event_failure_event_id ON journey_orch.event_failure (event_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.event_failure', '');
SELECT pg_catalog.pg_extension_config_dump('journey_orch.event_failure_failure_id_seq', '');

/* One advance.  Insert-only; leaf step_log_LL_S. */
CREATE TABLE journey_orch.step_log
(
  enrollment_id uuid,                        -- NULL: a refused entry; not: a goal that could not be asked
  clock         timestamptz NOT NULL,        -- engine clock of the advance
  arrived_at    timestamptz,                 -- at from_step; NULL for an entry
  due_at        timestamptz,                 -- armed on arrival at to_step
  event_id      bigint,                      -- the event that caused it; NULL: a timer
  batch         bigint NOT NULL,             -- lane_cursor.batch
  journey_id    integer NOT NULL,
  version       integer NOT NULL,
  visit         integer NOT NULL,            -- ordinal of the visit of to_step; of from_step when it ends there
  lane          smallint NOT NULL,
  segment       smallint NOT NULL,
  outcome       text NOT NULL,               -- entered, refused, advanced, parked, restarted, retried, held, released, moved, ended, converted
  customer_id   text COLLATE "C" NOT NULL,
  key           text COLLATE "C",
  from_step     text COLLATE "C",            -- NULL: entry
  to_step       text COLLATE "C",            -- NULL: ended without an exit step
  entered_at    timestamptz,                 -- of the run; only in the row that ends it
  reason        text COLLATE "C",            -- why: event, timeout, branch number, arm, exit reason, refusal rule
  arm           text COLLATE "C",
  value         numeric,                     -- of a conversion
  currency      text COLLATE "C",
  context       jsonb,                       -- what the advance added to context
  decision      jsonb                        -- the values its decisions read
) PARTITION BY RANGE (lane, segment);

/* An audience that a lane's event has to enter, and how far it was told.  HOT. */
CREATE TABLE journey_orch.fan_out
(
  event_id      bigint NOT NULL,             -- the event
  at            timestamptz NOT NULL,        -- its instant; engine clock
  started_at    timestamptz NOT NULL,        -- real time
  changed_at    timestamptz NOT NULL,        -- real time
  customers     bigint NOT NULL,             -- told so far
  journey_id    integer NOT NULL,
  version       integer NOT NULL,            -- that the event meets
  chunks        integer NOT NULL,            -- transactions so far
  depth         smallint NOT NULL,           -- of what it causes (JoEvent)
  state         text NOT NULL,
  last_customer text COLLATE "C" NOT NULL,   -- everybody up to this one was told
  event         text COLLATE "C" NOT NULL,   -- its name
  payload       jsonb NOT NULL,
  schedule      text COLLATE "C",            -- that planned it; NULL: an event did
  planned_at    timestamptz,                 -- by the schedule
  owner         regrole,                     -- of schedule(); NULL: the journey's
  audience      text,                        -- of schedule(); NULL: the definition's
  sqlstate      text,                        -- why it failed
  message       text,                        -- why it failed or was refused
  CONSTRAINT fan_out_pkey PRIMARY KEY (event_id, journey_id),
  CONSTRAINT fan_out_state CHECK (state IN ('running', 'done', 'failed', 'refused', 'stopped'))
) WITH (fillfactor = 50);
CREATE INDEX fan_out_running ON journey_orch.fan_out (event_id) WHERE state = 'running';
SELECT pg_catalog.pg_extension_config_dump('journey_orch.fan_out', '');

/* What schedule() has declared.  A journey whose entry is a schedule has none:
   view _schedule shows both. */
CREATE TABLE journey_orch.schedule
(
  name       text COLLATE "C" NOT NULL,
  journey_id integer NOT NULL,
  cron       text NOT NULL,
  audience   text NOT NULL,
  timezone   text,                           -- NULL: the journey's
  missed     text NOT NULL,
  owner      regrole NOT NULL,               -- runs the audience
  since      timestamptz NOT NULL,           -- engine clock: later times count
  changed_at timestamptz NOT NULL,           -- real time
  CONSTRAINT schedule_pkey PRIMARY KEY (name),
  CONSTRAINT schedule_missed CHECK (missed IN ('skip', 'once', 'all'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.schedule', '');

/* A planned time that has come.  Insert-only: there is one of a schedule and
   time, whoever sees it first. */
CREATE TABLE journey_orch.occurrence
(
  schedule   text COLLATE "C" NOT NULL,
  planned_at timestamptz NOT NULL,
  made_at    timestamptz NOT NULL,           -- real time
  event_id   bigint,                         -- of its fan_out; NULL: missed
  missed     integer NOT NULL,               -- times that it stands for and that were left out
  CONSTRAINT occurrence_pkey PRIMARY KEY (schedule, planned_at)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.occurrence', '');

/* One row: when somebody looked at the schedules last, in real time. */
CREATE TABLE journey_orch.schedule_wake
(
  at timestamptz NOT NULL
);

/* A command of an application or an operator; its event is in the log. */
CREATE TABLE journey_orch.command
(
  command_id  bigint NOT NULL,               -- event_id of its event
  recorded_at timestamptz NOT NULL,          -- real clock
  command     text NOT NULL,                 -- enter, leave, approve, redeliver, discard
  actor       name NOT NULL,                 -- session user
  CONSTRAINT command_pkey PRIMARY KEY (command_id)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.command', '');

/* What became of it, by the lane that applied it.  Insert-only.  The index is
   not unique: a trial must make no worker wait. */
CREATE TABLE journey_orch.command_outcome
(
  command_id    bigint NOT NULL,
  at            timestamptz NOT NULL,        -- engine clock
  enrollment_id uuid,                        -- the run it concerned; the oldest of several
  status        text NOT NULL,               -- entered, left, decided, redelivered, discarded, refused
  rule          text                         -- that refused; NULL: none did
);
CREATE INDEX command_outcome_command_id ON journey_orch.command_outcome (command_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.command_outcome', '');

/* A run asks a person.  Insert-only; it is open while the run stands at this
   visit.  Finds a run by its id. */
CREATE TABLE journey_orch.approval_request
(
  enrollment_id uuid NOT NULL,
  asked_at      timestamptz NOT NULL,        -- engine clock
  journey_id    integer NOT NULL,
  version       integer NOT NULL,
  visit         integer NOT NULL,
  customer_id   text COLLATE "C" NOT NULL,
  step          text COLLATE "C" NOT NULL
);
CREATE INDEX approval_request_enrollment_id ON journey_orch.approval_request (enrollment_id);
CREATE INDEX approval_request_asked_at ON journey_orch.approval_request (asked_at);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.approval_request', '');
