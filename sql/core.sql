-- core: roles, lanes, buckets, leaves, the clock
CREATE EXTENSION IF NOT EXISTS journey_orch;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

-- Lanes: the vectors of docs/concepts.md.  They never change.
SELECT left(customer, 40) AS customer, length(customer), journey_orch.lane_of(customer)
  FROM unnest(ARRAY['', '0', '1', 'a', 'cust-1', 'cust-2', 'customer@example.com',
    'Zoë', '00000000-0000-0000-0000-000000000001', repeat('x', 1000)]) WITH ORDINALITY AS t(customer, n)
  ORDER BY n;
-- every lane gets its share of consecutive numbers
SELECT count(*) AS lanes, min(customers) > 5900 AS not_too_few, max(customers) < 6600 AS not_too_many
  FROM (SELECT count(*) AS customers FROM generate_series(1, 100000) AS i
    GROUP BY journey_orch.lane_of(i::text)) AS t;
SELECT journey_orch.lane_of(NULL) IS NULL AS null_of_null;

-- Buckets: SHA-256 of experiment:salt:unit
SELECT unit, journey_orch.bucket('welcome', 's1', unit)
  FROM unnest(ARRAY['cust-1', 'cust-2', 'cust-3', '', 'Zoë']) WITH ORDINALITY AS t(unit, n)
  ORDER BY n;
SELECT count(*) FILTER (WHERE journey_orch.bucket('e', 's', i::text) <>
    (('x' || encode(substr(sha256(convert_to('e:s:' || i, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint::numeric
     + CASE WHEN ('x' || encode(substr(sha256(convert_to('e:s:' || i, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint < 0
         THEN 18446744073709551616 ELSE 0 END) % 10000) AS differences
  FROM generate_series(1, 1000) AS i;
SELECT journey_orch.bucket(NULL, 's', 'u') IS NULL AS null_of_null;

-- Nothing is made before the first declaring call
SELECT count(*) AS leaves FROM pg_inherits AS i
  JOIN pg_class AS c ON c.oid = i.inhrelid
  WHERE c.relnamespace = 'journey_orch'::regnamespace AND c.relkind = 'r';
SELECT count(*) AS incarnations FROM journey_orch.incarnation;
SELECT journey_orch.clock() BETWEEN now() - interval '1 minute' AND now() + interval '1 minute' AS clock_is_real;

-- A rollback takes the leaves with it, a savepoint too
BEGIN;
SELECT journey_orch.set_clock('2000-01-01 00:00+00');
ROLLBACK;
SELECT count(*) AS leaves FROM pg_inherits AS i
  JOIN pg_class AS c ON c.oid = i.inhrelid
  WHERE c.relnamespace = 'journey_orch'::regnamespace AND c.relkind = 'r';
SELECT journey_orch.clock() > '2020-01-01' AS clock_is_real;
BEGIN;
SAVEPOINT s;
SELECT journey_orch.set_clock('2000-01-01 00:00+00');
ROLLBACK TO s;
SELECT journey_orch.set_clock('2001-01-01 00:00+00');
COMMIT;

-- Leaves: names, bounds, options, indexes; none is an extension member
SELECT p.relname AS family, count(*) AS leaves, min(c.relname) AS first, max(c.relname) AS last,
    min(pg_get_expr(c.relpartbound, c.oid)) AS bound, string_agg(DISTINCT c.reloptions::text, ' ') AS options,
    min(x.relname) AS index, count(x.relname) AS indexes
  FROM pg_inherits AS i
  JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relkind = 'r'
  JOIN pg_class AS p ON p.oid = i.inhparent
  LEFT JOIN pg_index AS k ON k.indrelid = c.oid
  LEFT JOIN pg_class AS x ON x.oid = k.indexrelid
  WHERE c.relnamespace = 'journey_orch'::regnamespace
  GROUP BY p.relname ORDER BY p.relname;
SELECT count(*) AS leaves_that_are_members FROM pg_depend AS d
  JOIN pg_class AS c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
  WHERE d.deptype = 'e' AND c.relispartition;
SELECT incarnation, lanes, database_oid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS is_ours
  FROM journey_orch.incarnation;

-- The clock
SELECT journey_orch.clock();
SELECT journey_orch.set_clock('2001-01-01 00:00+00');
SELECT journey_orch.set_clock('2001-01-02 12:00+00');
SELECT journey_orch.set_clock(NULL);
\echo :SQLSTATE
SELECT journey_orch.set_clock('2001-01-03', force => NULL);
SELECT journey_orch.set_clock('infinity');
\echo :SQLSTATE
SELECT journey_orch.set_clock('-infinity', force => true);
SELECT journey_orch.set_clock('2001-01-02 11:59:59.999999+00');
\echo :SQLSTATE
SELECT journey_orch.advance_clock(by => '1 month 1 day');
SELECT journey_orch.advance_clock(NULL);
\echo :SQLSTATE
SELECT journey_orch.advance_clock('1 day', force => NULL);
SELECT journey_orch.advance_clock('-1 microsecond');
\echo :SQLSTATE
SELECT journey_orch.advance_clock('300000 years');
\echo :SQLSTATE
SELECT journey_orch.advance_clock('0');
SELECT virtual_at, epoch, changed_by = session_user AS by_me FROM journey_orch.clock;
SELECT journey_orch.advance_clock('-1 day', force => true);
SELECT journey_orch.set_clock('2001-01-01 00:00+00', force => true);
SELECT virtual_at, epoch FROM journey_orch.clock;

-- An interval is added in UTC: a day is 24 hours also where clocks change
SET timezone = 'Europe/Berlin';
SELECT journey_orch.set_clock('2001-03-24 23:00+00') AT TIME ZONE 'UTC' AS utc;
SELECT journey_orch.advance_clock('1 day') AT TIME ZONE 'UTC' AS utc;
SET timezone = 'UTC';

-- Transactional, and seen at once by the transaction itself
BEGIN;
SELECT journey_orch.advance_clock('1 hour'), journey_orch.clock();
SELECT journey_orch.clock();
SAVEPOINT s;
SELECT journey_orch.advance_clock('1 hour');
ROLLBACK TO s;
SELECT journey_orch.clock();
ROLLBACK;
SELECT journey_orch.clock();
BEGIN READ ONLY;
SELECT journey_orch.clock();
SELECT journey_orch.advance_clock('1 hour');
ROLLBACK;

-- Two-phase: not changed until the second phase
BEGIN;
SELECT journey_orch.advance_clock('1 hour');
PREPARE TRANSACTION 'jo_core';
SELECT journey_orch.clock();
COMMIT PREPARED 'jo_core';
SELECT journey_orch.clock();

-- Reset grows the epoch once; advancing from the real clock starts at now
SELECT journey_orch.reset_clock() > '2020-01-01' AS clock_is_real;
SELECT journey_orch.reset_clock() > '2020-01-01' AS clock_is_real;
SELECT virtual_at, epoch FROM journey_orch.clock;
SELECT at - now() BETWEEN interval '23:59' AND interval '24:01' AS from_now FROM journey_orch.advance_clock('1 day') AS at;
SELECT epoch FROM journey_orch.clock;

-- Not away from the real clock once a message was claimed under it
SELECT journey_orch.reset_clock() IS NOT NULL AS reset;
INSERT INTO journey_orch.claim (claim_id, channel, relay, claimed_by, claimed_at, recorded_at, lease_until,
    incarnation, positions, open_claims, lanes, starts, stops, tries, held)
  VALUES (1, 'email', 'r', 'postgres', '2001-01-01', now(), now(), 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT journey_orch.set_clock('2001-01-01 00:00+00');
SELECT journey_orch.reset_clock() IS NOT NULL AS reset;
INSERT INTO journey_orch.claim (claim_id, channel, relay, claimed_by, claimed_at, recorded_at, lease_until,
    incarnation, positions, open_claims, lanes, starts, stops, tries, held)
  VALUES (2, 'email', 'r', 'postgres', now(), now(), now(), 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT journey_orch.set_clock('2001-01-01 00:00+00');
\echo :SQLSTATE
SELECT journey_orch.advance_clock('1 day');
SELECT journey_orch.set_clock('2001-01-01 00:00+00', force => true);

-- Who may
SELECT rolname, rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication AS has_attributes,
    has_function_privilege(rolname, 'journey_orch.set_clock(timestamptz, boolean)', 'EXECUTE') AS set_clock,
    has_function_privilege(rolname, 'journey_orch.clock()', 'EXECUTE') AS clock,
    has_function_privilege(rolname, 'journey_orch.lane_of(text)', 'EXECUTE') AS lane_of,
    has_table_privilege(rolname, 'journey_orch.clock', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') AS clock_table,
    has_schema_privilege(rolname, 'journey_orch', 'CREATE') AS create_in_schema
  FROM pg_roles WHERE rolname LIKE 'journey\_orch\_%' ORDER BY rolname;
CREATE ROLE jo_core_nobody;
CREATE ROLE jo_core_operator IN ROLE journey_orch_operator;
SET ROLE jo_core_nobody;
SELECT journey_orch.clock();
RESET ROLE;
SET ROLE journey_orch_app;
SELECT journey_orch.clock();
SELECT journey_orch.set_clock('2001-01-02');
\echo :SQLSTATE
SELECT journey_orch.advance_clock('1 day');
SELECT journey_orch.reset_clock();
RESET ROLE;
SET ROLE jo_core_operator;
SELECT journey_orch.advance_clock('1 day');
SELECT virtual_at FROM journey_orch.clock;
RESET ROLE;

-- DROP EXTENSION takes the leaves and the schema, and leaves the roles
DROP EXTENSION journey_orch;
SELECT to_regnamespace('journey_orch') AS schema, count(*) AS relations FROM pg_class WHERE relname ~ '^(event|enrollment)_';
SELECT count(*) AS roles FROM pg_roles WHERE rolname LIKE 'journey\_orch\_%';

-- ... but not what somebody put into it
CREATE EXTENSION journey_orch;
SELECT journey_orch.set_clock('2001-01-01 00:00+00');
CREATE TABLE journey_orch.mine (a int);
DROP EXTENSION journey_orch;
DROP TABLE journey_orch.mine;
DROP EXTENSION journey_orch;

-- What somebody prepared is refused
CREATE SCHEMA journey_orch AUTHORIZATION jo_core_nobody;
CREATE EXTENSION journey_orch;
\echo :SQLSTATE
DROP SCHEMA journey_orch;
ALTER ROLE journey_orch_app LOGIN;
CREATE EXTENSION journey_orch;
\echo :SQLSTATE
ALTER ROLE journey_orch_app NOLOGIN;
GRANT journey_orch_engine TO jo_core_nobody;
CREATE EXTENSION journey_orch;
REVOKE journey_orch_engine FROM jo_core_nobody;

-- An operator who is nobody else can set up a database by setting the clock
CREATE EXTENSION journey_orch;
SET ROLE jo_core_operator;
SELECT journey_orch.set_clock('2001-01-01 00:00+00');
RESET ROLE;
SELECT DISTINCT c.relowner = e.extowner AS owned_by_the_extension_owner
  FROM pg_class AS c, pg_extension AS e
  WHERE c.relispartition AND c.relkind = 'r' AND e.extname = 'journey_orch';

DROP ROLE jo_core_operator;
DROP ROLE jo_core_nobody;
