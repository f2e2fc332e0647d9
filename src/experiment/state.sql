/* experiment: arms are computed; what is stored is who is left out of all */

/* How large the global holdout is, from a ticket on.  Insert-only. */
CREATE TABLE journey_orch.holdout_setting
(
  seq   bigint NOT NULL,                     -- capture ticket: later events meet it
  share numeric NOT NULL,
  since timestamptz NOT NULL,                -- engine clock
  actor name NOT NULL,                       -- session user
  CONSTRAINT holdout_setting_pkey PRIMARY KEY (seq),
  CONSTRAINT holdout_setting_share CHECK (share BETWEEN 0 AND 1)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.holdout_setting', '');
