/* outbox: channels, attempts, claims and reports */

CREATE TABLE journey_orch.channel
(
  channel     text COLLATE "C" NOT NULL,
  kind        text NOT NULL,
  drain       text NOT NULL,
  address_sql text NOT NULL,                 -- over customer, event, context, journey
  owner       regrole NOT NULL,              -- address_sql runs with these rights
  rate        numeric,                       -- messages a second; NULL: no limit
  send_window jsonb,                         -- NULL: none
  unit_cost   numeric,
  currency    text,
  max_attempts integer NOT NULL,             -- transient failures, then dead letter
  retry_after interval NOT NULL,             -- first back-off; doubles
  retry_max   interval NOT NULL,             -- up to this
  expires_after interval,                    -- of messages whose step says nothing
  size_limit  integer,                       -- bytes of subject, body and html
  consent     text NOT NULL,                 -- what a message needs, beside its topic
  dispositions text[],                       -- how a task may end
  opt_out     text NOT NULL,                 -- how a marketing message must let people out
  changed_at  timestamptz NOT NULL,
  CONSTRAINT channel_pkey PRIMARY KEY (channel),
  CONSTRAINT channel_kind CHECK (kind IN ('push', 'inbox', 'audience', 'task')),
  CONSTRAINT channel_drain CHECK (drain IN ('claim', 'stream')),
  CONSTRAINT channel_max_attempts CHECK (max_attempts BETWEEN 1 AND 100),
  CONSTRAINT channel_consent CHECK (consent IN ('topic', 'opt_in', 'none')),
  CONSTRAINT channel_opt_out CHECK (opt_out IN ('none', 'link', 'stop'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.channel', '');

/* Which roles may drain a channel. */
CREATE TABLE journey_orch.channel_grant
(
  channel text COLLATE "C" NOT NULL,
  role    regrole NOT NULL,
  CONSTRAINT channel_grant_pkey PRIMARY KEY (channel, role),
  CONSTRAINT channel_grant_channel FOREIGN KEY (channel) REFERENCES journey_orch.channel
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.channel_grant', '');

/* One attempt of a message, ready to be sent now.  Insert-only; leaf
   outbox_LL_S.  The first five columns have the names and meaning of
   Debezium's outbox event router. */
CREATE TABLE journey_orch.outbox
(
  id            uuid NOT NULL,               -- message_id, the same in all attempts
  aggregatetype text COLLATE "C" NOT NULL,   -- channel
  aggregateid   text COLLATE "C" NOT NULL,   -- customer_id
  type          text COLLATE "C" NOT NULL,   -- template
  payload       jsonb NOT NULL,              -- address, subject, body, html, headers
  position      bigint NOT NULL,             -- 1, 2, 3 … of the lane, plus 2^46 times the queue
  enrollment_id uuid NOT NULL,
  event_id      bigint,                      -- the event that caused it, if one did
  enqueued_at   timestamptz NOT NULL,        -- engine clock
  recorded_at   timestamptz NOT NULL,        -- real clock
  expires_at    timestamptz,                 -- engine clock; NULL: never
  journey_id    integer NOT NULL,
  version       integer NOT NULL,
  visit         integer NOT NULL,            -- ordinal of the step visit in its run; 0: a test message
  attempt       integer NOT NULL,            -- from 1
  lane          smallint NOT NULL,
  segment       smallint NOT NULL,
  priority      smallint NOT NULL,
  is_awaited    boolean NOT NULL,            -- its run stands at the send step until it settles
  step          text COLLATE "C" NOT NULL,
  topic         text COLLATE "C",
  arm           text COLLATE "C",
  failures      smallint NOT NULL DEFAULT 0, -- of the channel's attempts before this one
  timezone      text,                        -- the customer's; NULL: no rule asked for it when this was written
  region        text                         -- likewise
) PARTITION BY RANGE (lane, segment);

/* Messages of an enrollment that must not be sent any more: those with a
   smaller position.  Insert-only; leaf withdrawal_LL_S. */
CREATE TABLE journey_orch.withdrawal
(
  enrollment_id   uuid NOT NULL,
  before_position bigint NOT NULL,           -- the lane's outbox position when it was withdrawn
  at              timestamptz NOT NULL,      -- engine clock
  lane            smallint NOT NULL,
  segment         smallint NOT NULL,
  reason          text NOT NULL
) PARTITION BY RANGE (lane, segment);

/* A message that waits for a retry, or whose run waits for its outcome.  Live
   rows; leaf message_LL. */
CREATE TABLE journey_orch.message
(
  customer_id   text COLLATE "C" NOT NULL,
  message_id    uuid NOT NULL,
  enrollment_id uuid NOT NULL,
  due_at        timestamptz,                 -- next attempt; NULL: an attempt is out
  enqueued_at   timestamptz NOT NULL,
  expires_at    timestamptz,
  event_id      bigint,
  journey_id    integer NOT NULL,
  version       integer NOT NULL,
  visit         integer NOT NULL,
  attempt       integer NOT NULL,            -- the last one that was enqueued
  lane          smallint NOT NULL,
  priority      smallint NOT NULL,
  is_awaited    boolean NOT NULL,            -- its run stands at the send step until it settles
  state         text NOT NULL,
  channel       text COLLATE "C" NOT NULL,
  template      text COLLATE "C" NOT NULL,
  step          text COLLATE "C" NOT NULL,
  topic         text COLLATE "C",
  arm           text COLLATE "C",
  payload       jsonb NOT NULL,
  error         text,
  failures      smallint NOT NULL,           -- of attempts on this channel; a deferral is none
  CONSTRAINT message_state CHECK (state IN ('enqueued', 'deferred', 'withheld', 'dead', 'live', 'member', 'leaving'))
) PARTITION BY LIST (lane);

/* A relay's lease.  One row a claim, holding also the channel's positions
   after it: the newest row of a channel is its cursor.  Insert-only. */
CREATE TABLE journey_orch.claim
(
  claim_id    bigint NOT NULL,
  claimed_at  timestamptz NOT NULL,          -- engine clock
  recorded_at timestamptz NOT NULL,          -- real clock
  lease_until timestamptz NOT NULL,          -- real clock; an outcome "extended" overrides it
  incarnation integer NOT NULL,
  claimed_by  regrole NOT NULL,
  channel     text COLLATE "C" NOT NULL,
  relay       text NOT NULL,                 -- what the relay calls itself
  tokens      double precision,              -- left in the channel's bucket after it; NULL: no rate
  positions   bigint[] NOT NULL,             -- by queue and lane: the next position to hand out; queue 0 alone if no other was used
  open_claims bigint[] NOT NULL,             -- earlier claims that still held messages then
  lanes       smallint[] NOT NULL,           -- the ranges that what it holds lies in:
  starts      bigint[] NOT NULL,             --   first position
  stops       bigint[] NOT NULL,             --   position after the last
  tries       smallint[] NOT NULL,           --   claims of this range that ran out before
  held        uuid[] NOT NULL,               -- the messages handed out
  attempts    smallint[],                    -- attempt of each of held; NULL: all 1
  awaited     uuid[]                         -- those of held whose run waits for the outcome
);
ALTER TABLE journey_orch.claim ALTER COLUMN held SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX claim_channel_claim_id ON journey_orch.claim (channel, claim_id);
CREATE UNIQUE INDEX claim_claim_id ON journey_orch.claim (claim_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.claim', '');

CREATE SEQUENCE journey_orch.claim_seq;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.claim_seq', '');

/* What became of messages of a claim.  Insert-only. */
CREATE TABLE journey_orch.claim_outcome
(
  claim_id    bigint NOT NULL,
  at          timestamptz NOT NULL,          -- engine clock
  recorded_at timestamptz NOT NULL,          -- real clock
  lease_until timestamptz,                   -- of extended
  outcome     text NOT NULL,
  message_ids uuid[],                        -- NULL: all that were still held
  detail      jsonb,                         -- receipts, error, reason
  CONSTRAINT claim_outcome_outcome CHECK (outcome IN ('acked', 'failed', 'withdrawn', 'expired', 'withheld', 'deferred', 'reoffered', 'dead', 'extended'))
);
ALTER TABLE journey_orch.claim_outcome ALTER COLUMN message_ids SET STORAGE EXTERNAL;
CREATE INDEX claim_outcome_claim_id ON journey_orch.claim_outcome (claim_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.claim_outcome', '');

/* Messages of channels of kind task that somebody has taken. */
CREATE TABLE journey_orch.task
(
  message_id   uuid NOT NULL,
  channel      text COLLATE "C" NOT NULL,
  customer_id  text COLLATE "C" NOT NULL,
  enrollment_id uuid NOT NULL,
  assignee     text COLLATE "C" NOT NULL,    -- a person or a queue
  address      text NOT NULL,
  subject      text,
  body         text,
  journey      text,
  step         text NOT NULL,
  topic        text,
  expires_at   timestamptz,
  taken_at     timestamptz NOT NULL,         -- engine clock
  completed_at timestamptz,                  -- engine clock; NULL: open
  disposition  text,                         -- one of the channel's
  note         text,
  CONSTRAINT task_pkey PRIMARY KEY (message_id)
);
CREATE INDEX task_assignee ON journey_orch.task (assignee) WHERE completed_at IS NULL;
CREATE INDEX task_customer_id ON journey_orch.task (customer_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.task', '');

/* A report about a message.  Insert-only. */
CREATE TABLE journey_orch.delivery
(
  message_id  uuid NOT NULL,
  status      text NOT NULL,
  at          timestamptz NOT NULL,          -- engine clock, or what the provider said
  recorded_at timestamptz NOT NULL,          -- real clock
  event_id    bigint NOT NULL,
  channel     text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  detail      jsonb NOT NULL,
  amount      numeric,                       -- of converted and redeemed, from detail
  currency    text COLLATE "C",              -- of amount: three capital letters
  is_machine  boolean NOT NULL,              -- it was no person who opened or clicked
  machine_agent text COLLATE "C"             -- the rule that said so, or that it was one
);
CREATE INDEX delivery_message_id ON journey_orch.delivery (message_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.delivery', '');

/* What a provider said when it took a message: its own id, and the price.
   Insert-only. */
CREATE TABLE journey_orch.receipt
(
  channel             text COLLATE "C" NOT NULL,
  provider_message_id text COLLATE "C",      -- NULL: it gave none
  message_id          uuid NOT NULL,
  at                  timestamptz NOT NULL,  -- engine clock of the ack
  recorded_at         timestamptz NOT NULL,  -- real clock
  cost                numeric,               -- NULL: the channel's unit_cost
  currency            text COLLATE "C"       -- of cost
);
CREATE INDEX receipt_provider ON journey_orch.receipt (channel, provider_message_id);
CREATE INDEX receipt_message_id ON journey_orch.receipt (message_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.receipt', '');

/* A report by a provider's id that no ack has brought yet: the ack takes it. */
CREATE TABLE journey_orch.early_report
(
  channel             text COLLATE "C" NOT NULL,
  provider_message_id text COLLATE "C" NOT NULL,
  status              text NOT NULL,
  at                  timestamptz NOT NULL,  -- what the provider said, or the engine clock
  recorded_at         timestamptz NOT NULL,  -- real clock
  detail              jsonb NOT NULL
);
CREATE INDEX early_report_provider ON journey_orch.early_report (channel, provider_message_id);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.early_report', '');

/* By which reports machines are known: an operator's own rules, which come
   before shipped ones of the same name (view machine_agent has both). */
CREATE TABLE journey_orch.machine_rule
(
  agent      text COLLATE "C" NOT NULL,
  is_active  boolean NOT NULL,               -- false: a shipped rule that is switched off
  is_machine boolean NOT NULL,               -- false: what looks so is a person
  statuses   text[] NOT NULL,                -- of the reports that it is about
  user_agent text,                           -- regular expression; NULL here and below: any
  network    cidr,
  within     interval,                       -- after sending; with links: of each other
  links      integer,                        -- different ones reported so close together
  source     text,                           -- where it is from
  checked_on date,                           -- when somebody looked there
  changed_at timestamptz NOT NULL,
  CONSTRAINT machine_rule_pkey PRIMARY KEY (agent)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.machine_rule', '');
