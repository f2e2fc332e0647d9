/* audience: which relation is "customer" */

/* One row: the binding of this database.  No row: customers are bare ids. */
CREATE TABLE journey_orch.customer_binding
(
  singleton    boolean NOT NULL DEFAULT true,
  relation     regclass NOT NULL,
  id_sql       text NOT NULL,                -- over the relation's columns
  timezone_sql text,
  locale_sql   text,
  region_sql   text,
  owner        regrole NOT NULL,             -- reads the relation with these rights
  changed_at   timestamptz NOT NULL,
  CONSTRAINT customer_binding_pkey PRIMARY KEY (singleton),
  CONSTRAINT customer_binding_singleton CHECK (singleton)
);
SELECT pg_catalog.pg_extension_config_dump('journey_orch.customer_binding', '');
