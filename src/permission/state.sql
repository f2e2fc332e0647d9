/* permission: may this message go out now? */

/* ---- topics ---- */

/* Topics that messages are about and consent is given for. */
CREATE TABLE journey_orch.message_topic
(
  topic       text NOT NULL,
  class       text NOT NULL,
  consent     text NOT NULL,
  description text,
  changed_at  timestamptz NOT NULL,
  CONSTRAINT message_topic_pkey PRIMARY KEY (topic),
  CONSTRAINT message_topic_class CHECK (class IN ('marketing', 'transactional', 'service', 'legal')),
  CONSTRAINT message_topic_consent CHECK (consent IN ('opt_in', 'opt_out', 'none'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.message_topic', '');

/* ---- consent ---- */

/* ---- suppression ---- */

/* ---- halts, quiet hours, caps ---- */

/* Kill switches: who pulled or released one, when and why.  The newest act of a
   scope and name says how it stands.  Insert-only. */
CREATE TABLE journey_orch.halt_act
(
  seq         bigint NOT NULL,
  scope       text NOT NULL,
  name        text,                          -- of the channel, journey or topic; NULL: global
  act         text NOT NULL,
  reason      text,
  at          timestamptz NOT NULL,          -- engine clock
  recorded_at timestamptz NOT NULL,          -- real clock
  actor       name NOT NULL,                 -- session user
  CONSTRAINT halt_act_pkey PRIMARY KEY (seq),
  CONSTRAINT halt_act_scope CHECK (scope IN ('global', 'channel', 'journey', 'topic')),
  CONSTRAINT halt_act_name CHECK ((name IS NULL) = (scope = 'global')),
  CONSTRAINT halt_act_act CHECK (act IN ('halt', 'unhalt'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.halt_act', '');

CREATE SEQUENCE journey_orch.halt_act_seq;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.halt_act_seq', '');

/* ---- erasure ---- */

/* ---- decisions ---- */

/* What a gate has answered when it did not allow: a message was withheld, or
   deferred.  Insert-only; leaf gate_decision_LL_S. */
CREATE TABLE journey_orch.gate_decision
(
  message_id    uuid NOT NULL,
  enrollment_id uuid NOT NULL,
  until         timestamptz,                 -- of defer: not before it; engine clock
  decided_at    timestamptz NOT NULL,        -- engine clock
  recorded_at   timestamptz NOT NULL,        -- real clock
  journey_id    integer NOT NULL,
  version       integer NOT NULL,
  visit         integer NOT NULL,            -- ordinal of the step visit in its run
  attempt       integer NOT NULL,            -- at the claim the one that was offered, else the one that was to be
  lane          smallint NOT NULL,
  segment       smallint NOT NULL,
  customer_id   text COLLATE "C" NOT NULL,
  step          text COLLATE "C" NOT NULL,
  channel       text COLLATE "C" NOT NULL,
  template      text COLLATE "C" NOT NULL,
  topic         text COLLATE "C",
  arm           text COLLATE "C",
  stage         text NOT NULL,               -- enqueue, claim
  answer        text NOT NULL,               -- defer, withhold
  gate          text NOT NULL,
  rule          text,                        -- name of the halt, cap, hours …; NULL: the gate has no names
  reason        text NOT NULL,
  evidence      jsonb                        -- what the gate saw
) PARTITION BY RANGE (lane, segment);
