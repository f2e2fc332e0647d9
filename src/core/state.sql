/* core: the clock, the incarnations, the keys, the current segments */

/* The engine clock.  No row: the real clock. */
CREATE TABLE journey_orch.clock
(
  singleton  boolean NOT NULL DEFAULT true,
  virtual_at timestamptz,                    -- NULL: the real clock (after a reset)
  epoch      integer NOT NULL DEFAULT 0,     -- grows when the clock becomes virtual or real, or is set back
  changed_at timestamptz NOT NULL,           -- real time of the change
  changed_by name NOT NULL,
  CONSTRAINT clock_pkey PRIMARY KEY (singleton),
  CONSTRAINT clock_singleton CHECK (singleton)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.clock', '');

/* Which cluster and database wrote the rows that carry this number.  xids and
   snapshots are comparable within one incarnation only. */
CREATE TABLE journey_orch.incarnation
(
  incarnation       integer NOT NULL,
  system_identifier bigint NOT NULL,
  database_oid      oid NOT NULL,
  lanes             integer NOT NULL,        -- fixed for the life of the installation
  started_at        timestamptz NOT NULL,
  CONSTRAINT incarnation_pkey PRIMARY KEY (incarnation)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.incarnation', '');

/* Secret keys of this database (key.c).  Only the extension's owner reads them;
   a dump carries them, so that hashes and tokens made before a restore are good
   after it. */
CREATE TABLE journey_orch.secret_key
(
  key_id      integer NOT NULL,
  purpose     text NOT NULL,                 -- address: one for ever; token: the newest signs
  secret      bytea NOT NULL,                -- 32 random bytes
  reads_since integer NOT NULL,              -- tokens of keys before this one are refused; 0: of none
  created_at  timestamptz NOT NULL,
  CONSTRAINT secret_key_pkey PRIMARY KEY (key_id),
  CONSTRAINT secret_key_purpose CHECK (purpose IN ('address', 'token')),
  CONSTRAINT secret_key_length CHECK (pg_catalog.octet_length(secret) = 32)
);
REVOKE ALL ON journey_orch.secret_key FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('journey_orch.secret_key', '');

/* The segment that writers of a log append to; no row: segment 0.  The row's
   xmin tells which snapshots still need what "drained" holds (segment.c). */
CREATE TABLE journey_orch.segment
(
  family     name NOT NULL,
  lane       smallint NOT NULL,
  current    smallint NOT NULL,
  changed_at timestamptz NOT NULL,
  drained    smallint,                       -- everything live in it has been copied; NULL: no such segment
  dropped_to timestamptz,                    -- rows due up to here may be gone; NULL: none
  CONSTRAINT segment_pkey PRIMARY KEY (family, lane)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.segment', '');

/* One row a change of a definition (journeys, templates, channels, watches, the
   binding), so that a snapshot can tell whether it sees one.  Insert-only; of
   no use in a restored copy, so not dumped. */
CREATE TABLE journey_orch.definition_change
(
  xid         xid8 NOT NULL,                 -- top-level transaction of the change
  recorded_at timestamptz NOT NULL
);
CREATE INDEX definition_change_xid ON journey_orch.definition_change (xid);
