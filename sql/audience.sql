-- audience: which relation is "customer", how its rows are found, topics
CREATE EXTENSION journey_orch;
CREATE ROLE regress_audience_author;
CREATE ROLE regress_audience_owner;
GRANT journey_orch_author TO regress_audience_author;
GRANT CREATE ON SCHEMA public TO regress_audience_author;

-- What a template sees of a customer, or why it sees nothing.
CREATE FUNCTION look(id text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  SELECT * INTO STRICT r FROM journey_orch.render('whole', id, channel => 'test');
  RETURN r.body;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- What looking at a customer scans: the relation, and its indexes.
CREATE FUNCTION scans(relation regclass, id text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  seen text;
  tables bigint := pg_stat_get_xact_numscans(relation);
  indexes bigint := sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index WHERE indrelid = relation;
BEGIN
  seen := look(id);
  RETURN format('%s; %s sequential, %s by index', seen,
    pg_stat_get_xact_numscans(relation) - tables,
    (SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index WHERE indrelid = relation) - indexes);
END $$;

-- The SQLSTATE, message and hint of a statement that must fail.
CREATE FUNCTION bad(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN SQLSTATE || ' ' || SQLERRM || coalesce(' / ' || nullif(hint, ''), '');
END $$;

-- Before any binding a customer is a bare id.
SELECT journey_orch.set_template('bare', 'test', '{{ journey.customer_id }} {{ journey.timezone }}');
SELECT body FROM journey_orch.render('bare', 'anybody');
SELECT journey_orch.set_template('whole', 'test', '{{ customer }}');

-- A table with a bigint key.
CREATE TABLE shopper (id bigint PRIMARY KEY, name text, zone text, language text);
INSERT INTO shopper SELECT g, 'name ' || g, 'Europe/Paris', 'fr_CA.UTF-8' FROM generate_series(1, 20000) AS g;
INSERT INTO shopper VALUES (-3, 'minus three', 'Nowhere/Town', ''), (9223372036854775807, 'last', NULL, NULL);
VACUUM ANALYZE shopper;

-- Expressions that cannot be bound: the position is one in the expression.
\set SHOW_CONTEXT always
SELECT journey_orch.bind_customer('shopper', 'nothing');
SELECT journey_orch.bind_customer('shopper', 'id', 'zone || nothing');
SELECT journey_orch.bind_customer('shopper', 'id', locale_sql => 'upper(language');
SELECT journey_orch.bind_customer('shopper', 'id', region_sql => 'state');
SELECT journey_orch.bind_customer('shopper', 'id; SELECT 1');
SELECT journey_orch.bind_customer('shopper', 'id) OR (true');
SELECT journey_orch.bind_customer('shopper', 'shopper.id');
SELECT journey_orch.bind_customer('shopper', 'id', '$1');
\set SHOW_CONTEXT errors
SELECT argument, bad(format('SELECT journey_orch.bind_customer(''shopper'', %s)', argument))
FROM unnest(ARRAY['NULL', $$''$$, $$'id FROM shopper'$$, $$'id, name'$$, $$'id AS key'$$, $$'*'$$, $$'DISTINCT id'$$,
                  $$'max(id)'$$, $$'row_number() OVER ()'$$, $$'generate_series(1, id)'$$, $$'(SELECT 1)'$$,
                  $$'id + random()'$$, $$'42'$$, $$'id', 'public.look(name)'$$, $$'id', '(SELECT ''UTC'')'$$]) AS argument;
-- Relations that cannot be bound.
CREATE TEMPORARY TABLE fleeting (id int);
SELECT relation, bad(format('SELECT journey_orch.bind_customer(%s, ''id'')', relation))
FROM unnest(ARRAY['NULL', $$'fleeting'$$, $$'shopper_pkey'$$, $$'journey_orch.clock'$$, $$'pg_class'$$,
                  '4000000000::oid']) AS relation;
SET ROLE regress_audience_author;
SELECT bad($$SELECT journey_orch.bind_customer('shopper', 'id')$$);
RESET ROLE;
SET ROLE regress_audience_owner;
SELECT bad($$SELECT journey_orch.bind_customer('shopper', 'id')$$);
RESET ROLE;

-- Nothing was bound, and nothing half done.
SELECT count(*) FROM journey_orch.customer_binding;
SELECT journey_orch.bind_customer('shopper', 'id');
SELECT journey_orch.bind_customer('shopper', 'id');
SELECT journey_orch.bind_customer('shopper', 'id', 'zone', 'language');
SELECT journey_orch.bind_customer('shopper', 'id', 'zone', 'language');
SELECT journey_orch.bind_customer('shopper', 'id', 'zone', 'language', $$'us-' || 'fl'$$);
SELECT journey_orch.bind_customer('shopper', 'id', 'zone', 'language', region_sql => $$'us-' || 'fl'$$);
SELECT relation, id_sql, timezone_sql, locale_sql, region_sql, owner = current_user::regrole AS is_mine
FROM journey_orch.customer_binding;

SELECT journey_orch.set_template('whole', 'test', '{{ customer }} {{ pg_typeof(customer) }} {{ journey.timezone }}');
SELECT journey_orch.set_template('whole', 'test', 'francais {{ customer.id }}', locale => 'fr');
-- Ids of rows, of none, and of the wrong type; a zone that does not exist counts as none.
SELECT id, look(id) FROM unnest(ARRAY['1', '20000', '-3', '9223372036854775807']) AS id;
SELECT id, look(id)
FROM unnest(ARRAY['0', '20001', '007', '+1', ' 1', '1 ', '-0', '-', '', 'abc', '1e3', '1.0', '9223372036854775808',
                  '-9223372036854775808', '123456789012345678901234567890', 'Zoë']) AS id;

-- One index scan, no sequential one.
SELECT scans('shopper', '17');
SELECT journey_orch.bind_customer('shopper', 'id::text');
SELECT scans('shopper', '17');
SELECT scans('shopper', '017');

-- A composite key, by an expression with an index.
CREATE TABLE member (tenant text, number integer, name text, PRIMARY KEY (tenant, number));
INSERT INTO member SELECT 't' || g % 7, g, 'name ' || g FROM generate_series(1, 5000) AS g;
CREATE INDEX ON member ((tenant || '/' || number));
VACUUM ANALYZE member;
SELECT journey_orch.bind_customer('member', $$tenant || '/' || number$$);
SELECT journey_orch.set_template('whole', 'test', '{{ customer }} {{ pg_typeof(customer) }}');
SELECT scans('member', 't3/3');
SELECT id, look(id) FROM unnest(ARRAY['t3/3', 't3/4', 't3/', '/']) AS id;

-- A view that joins three tables, with columns that could hide our names.
CREATE TABLE address (shopper_id bigint PRIMARY KEY, city text);
CREATE TABLE total (shopper_id bigint PRIMARY KEY, amount numeric);
INSERT INTO address SELECT g, 'city ' || g FROM generate_series(1, 20000) AS g;
INSERT INTO total SELECT g, g / 4.0 FROM generate_series(1, 10000) AS g;
VACUUM ANALYZE address, total;
CREATE VIEW everything AS
  SELECT s.id, s.name, a.city, t.amount, s.id AS k, 0 AS n, 'x' AS jo_row, 'y' AS jo_row_, 'z' AS jo_key, s.zone
  FROM shopper AS s JOIN address AS a ON a.shopper_id = s.id LEFT JOIN total AS t ON t.shopper_id = s.id;
SELECT journey_orch.bind_customer('everything', 'k', 'zone');
SELECT journey_orch.set_template('whole', 'test', '{{ customer }} {{ pg_typeof(customer) }} {{ customer.jo_row_ }} {{ journey.timezone }}');
SELECT id, look(id) FROM unnest(ARRAY['8', '15000', '-3', 'x']) AS id;
SELECT scans(relation, '9') FROM unnest('{shopper,address,total}'::regclass[]) AS relation;

-- A uuid key: only its own spelling is an id.
CREATE TABLE visitor (key uuid PRIMARY KEY, note varchar(20));
INSERT INTO visitor VALUES ('00112233-4455-6677-8899-aabbccddeeff', 'first');
INSERT INTO visitor SELECT md5(g::text)::uuid, g::text FROM generate_series(1, 5000) AS g;
VACUUM ANALYZE visitor;
SELECT journey_orch.bind_customer('visitor', 'key');
SELECT journey_orch.set_template('whole', 'test', '{{ customer }}');
SELECT scans('visitor', '00112233-4455-6677-8899-aabbccddeeff');
SELECT id, look(id)
FROM unnest(ARRAY['00112233-4455-6677-8899-aabbccddeeff', '00112233-4455-6677-8899-AABBCCDDEEFF',
                  '{00112233-4455-6677-8899-aabbccddeeff}', '00112233445566778899aabbccddeeff',
                  '00112233-4455-6677-8899-aabbccddeefg', '00112233-4455-6677-8899-aabbccddeeff0', '']) AS id;

-- Other types of keys.
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN account AS integer CHECK (VALUE > 0);
CREATE TABLE key_kind (s smallint, i integer, d account, v varchar(10), c char(5), n numeric(8,2), e mood, t timestamp);
INSERT INTO key_kind VALUES (1, 2, 3, 'vé', 'c', 1.5, 'glad', '2026-01-02 03:04');
SELECT kind.key_sql, journey_orch.bind_customer('key_kind', kind.key_sql), kind.id, look(kind.id)
FROM (VALUES ('s', '1'), ('s', '70000'), ('i', '2'), ('d', '3'), ('v', 'vé'), ('c', 'c'), ('c', 'c    '), ('n', '1.5'),
             ('n', '1.50'), ('e', 'glad'), ('e', 'sad'), ('t', '2026-01-02 03:04:00'), ('i::smallint::varchar', '2'),
             ('v::varchar(1)', 'v'), ('v::varchar(1)', 'vé'), ('-i', '-2'), ('s = 1', 'true')) AS kind (key_sql, id);

-- Partitioned table, materialized view, foreign table.
CREATE TABLE divided (id integer, more text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE divided_high (more text, id integer NOT NULL);
ALTER TABLE divided ATTACH PARTITION divided_high FOR VALUES FROM (100) TO (200);
CREATE TABLE divided_low PARTITION OF divided FOR VALUES FROM (0) TO (100);
INSERT INTO divided VALUES (7, 'low'), (107, 'high');
CREATE MATERIALIZED VIEW stored AS SELECT id AS number, 'stored ' || more AS more FROM divided;
SELECT journey_orch.bind_customer('divided', 'id');
SELECT id, look(id) FROM unnest(ARRAY['7', '107', '50']) AS id;
SELECT journey_orch.bind_customer('stored', 'number');
SELECT look('107');
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE far (id integer, name text) SERVER files OPTIONS (program 'printf "1,one\n2,two\n"', format 'csv');
SELECT journey_orch.bind_customer('far', 'id');
SELECT look('2'), look('3');

-- Several rows with one id are an error of that customer: he enters nothing, and
-- a run of his is parked.
CREATE TABLE twice (id integer, name text);
INSERT INTO twice VALUES (1, 'b'), (1, 'a'), (1, 'c'), (2, 'd'), (3, 'e');
SELECT journey_orch.bind_customer('twice', 'id');
SELECT look('1'), look('2');
SELECT * FROM journey_orch.render('whole', '1', channel => 'test');
SELECT journey_orch.set_clock('2026-03-01 12:00+00') IS NOT NULL AS is_set;
SELECT journey_orch.define('{"journey": "stay", "entry": {"on": "come"}, "start": "rest",
  "steps": {"rest": {"wait": {"for": [{"on": "go", "next": "done"}]}}, "done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('stay');
SELECT count(journey_orch.emit('come', c)) FROM unnest('{1,2,3}'::text[]) c;
CALL journey_orch.run();
INSERT INTO twice VALUES (3, 'f');
SELECT count(journey_orch.emit('go', c)) FROM unnest('{1,2,3}'::text[]) c;
CALL journey_orch.run();
SELECT customer_id, state, step, exit_reason FROM journey_orch.enrollment_status ORDER BY 1;
SELECT customer_id, reason, decision FROM journey_orch.step_log WHERE outcome = 'refused';
SELECT customer_id, sqlstate, error FROM journey_orch.parked_enrollment;
SELECT level, name, value FROM journey_orch.health() WHERE name = 'parked';
SELECT sum(parked) AS parked FROM journey_orch.lane_status;
SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds;

-- The transaction's own writes are seen; what it rolled back is not.
BEGIN;
INSERT INTO twice VALUES (4, 'mine');
SELECT look('4');
ROLLBACK;
SELECT look('4');

-- Columns that come, go, and change their type.
ALTER TABLE twice ADD COLUMN extra text DEFAULT 'new';
SELECT look('2');
ALTER TABLE twice DROP COLUMN name;
SELECT look('2');
ALTER TABLE twice ALTER COLUMN id TYPE text;
SELECT look('2'), look('02');
ALTER TABLE twice RENAME COLUMN id TO ident;
SELECT look('2');
DROP TABLE twice;
SELECT look('2');
SELECT relation::oid::regclass::text = relation::oid::text AS is_gone FROM journey_orch.customer_binding;

-- The binding reads with the rights of its owner, also below row security.
SET ROLE regress_audience_author;
CREATE TABLE guarded (id integer PRIMARY KEY, name text);
INSERT INTO guarded VALUES (1, 'seen'), (2, 'hidden');
SELECT journey_orch.bind_customer('guarded', 'id');
RESET ROLE;
SELECT look('1'), look('2');
ALTER TABLE guarded OWNER TO regress_audience_owner;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY only_seen ON guarded USING (name = 'seen');
SELECT look('1');
GRANT SELECT ON guarded TO regress_audience_author;
SELECT look('1'), look('2');

-- A row that raises concerns nobody else.
CREATE VIEW ratio AS SELECT id, 6 / (id - 3) AS value FROM shopper;
SELECT journey_orch.bind_customer('ratio', 'id');
SELECT look('3'), look('4');

-- A view that writes is stopped.
CREATE FUNCTION note_read(integer) RETURNS text LANGUAGE sql AS
  $$ INSERT INTO public.address VALUES (-$1, 'written') RETURNING city $$;
CREATE VIEW writes AS SELECT 1 AS id, note_read(1) AS noted;
SELECT journey_orch.bind_customer('writes', 'id');
SELECT look('1');
SELECT count(*) FROM address WHERE shopper_id < 0;

-- Topics.
SELECT journey_orch.set_topic('news', 'marketing', 'opt_in', 'What is new');
SELECT journey_orch.set_topic('news', 'marketing', 'opt_in', 'What is new');
SELECT journey_orch.set_topic('news', 'marketing', 'opt_out');
SELECT journey_orch.set_topic('orders');
SELECT topic, class, consent, description FROM journey_orch.topic ORDER BY topic;
SELECT arguments, bad(format('SELECT journey_orch.set_topic(%s)', arguments))
FROM unnest(ARRAY['NULL', $$''$$, $$'news', NULL$$, $$'news', 'spam'$$, $$'news', consent => 'maybe'$$,
                  $$'news', consent => NULL$$]) AS arguments;

-- Everybody else may not.
SELECT p.proname, a.grantee::regrole
FROM pg_proc AS p, aclexplode(p.proacl) AS a
WHERE p.pronamespace = 'journey_orch'::regnamespace AND p.proname IN ('bind_customer', 'set_topic')
  AND a.grantee <> p.proowner
ORDER BY 1, 2;
DROP TABLE guarded;
DROP EXTENSION journey_orch;
DROP OWNED BY regress_audience_author, regress_audience_owner;
DROP ROLE regress_audience_author, regress_audience_owner;
