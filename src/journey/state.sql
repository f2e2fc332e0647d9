/* journey: definitions, versions, and when each was live */

CREATE TABLE journey_orch.journey
(
  journey_id integer GENERATED ALWAYS AS IDENTITY,
  name       text NOT NULL,
  owner      regrole NOT NULL,               -- expressions run with these rights
  created_at timestamptz NOT NULL,
  CONSTRAINT journey_pkey PRIMARY KEY (journey_id),
  CONSTRAINT journey_name UNIQUE (name)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.journey', '');
SELECT pg_catalog.pg_extension_config_dump('journey_orch.journey_journey_id_seq', '');

/* What a version says never changes. */
CREATE TABLE journey_orch.journey_version
(
  journey_id     integer NOT NULL,
  version        integer NOT NULL,           -- 1, 2, 3 … of the journey
  definition     jsonb NOT NULL,
  canonical_hash bytea NOT NULL,             -- SHA-256 of the canonical form: its identity
  created_at     timestamptz NOT NULL,
  created_by     name NOT NULL,              -- session user
  approved_by    name,                       -- session user; NULL: not approved
  approved_at    timestamptz,                -- real clock
  approval_note  text,
  CONSTRAINT journey_version_pkey PRIMARY KEY (journey_id, version),
  CONSTRAINT journey_version_hash UNIQUE (journey_id, canonical_hash),
  CONSTRAINT journey_version_journey FOREIGN KEY (journey_id) REFERENCES journey_orch.journey
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.journey_version', '');

/* The steps of a version, for the views: derived from the definition when it
   is stored. */
CREATE TABLE journey_orch.journey_step
(
  journey_id integer NOT NULL,
  version    integer NOT NULL,
  position   integer NOT NULL,               -- breadth-first from the start, from 0
  step       text COLLATE "C" NOT NULL,
  verb       text NOT NULL,
  CONSTRAINT journey_step_pkey PRIMARY KEY (journey_id, version, position),
  CONSTRAINT journey_step_version FOREIGN KEY (journey_id, version) REFERENCES journey_orch.journey_version
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.journey_step', '');

/* What was done to a journey and when, by capture ticket: an event with ticket
   seq meets the last act before it.  Insert-only. */
CREATE TABLE journey_orch.publication
(
  journey_id integer NOT NULL,
  seq        bigint NOT NULL,                -- capture ticket of the act
  act        text NOT NULL,
  version    integer,                        -- of publish
  policy     jsonb NOT NULL,                 -- arguments of the call
  at         timestamptz NOT NULL,           -- engine clock
  recorded_at timestamptz NOT NULL,          -- real clock
  actor      name NOT NULL,
  CONSTRAINT publication_pkey PRIMARY KEY (journey_id, seq),
  CONSTRAINT publication_journey FOREIGN KEY (journey_id) REFERENCES journey_orch.journey,
  CONSTRAINT publication_act CHECK (act IN ('publish', 'pause', 'resume', 'stop', 'archive'))
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.publication', '');

/* What an expression sees as "journey". */
CREATE TYPE journey_orch.journey_variable AS
(
  name          text,
  version       integer,
  step          text,
  now           timestamptz,                 -- the only clock of an expression
  entered_at    timestamptz,
  entry_event   jsonb,
  event_name    text,                        -- name of "event"
  key           text,
  enrollment_id uuid,
  customer_id   text,
  timezone      text
);
