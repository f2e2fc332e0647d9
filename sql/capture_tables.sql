-- capture_tables: keys of any type, payloads of every type, foreign keys,
-- deferred constraints, tables without a key.
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
CREATE TABLE looked (event_id bigint);
INSERT INTO looked VALUES (0);
CREATE FUNCTION captured() RETURNS TABLE (event text, customer text, payload jsonb) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    SELECT l.event, l.customer_id, l.payload FROM journey_orch.event_log l
     WHERE l.event_id > (SELECT max(k.event_id) FROM looked k) ORDER BY l.event_id;
  INSERT INTO looked SELECT max(event_id) FROM journey_orch.event_log;
END $$;

-- Customers of every kind of key
CREATE TYPE pair AS (country text, number int);
CREATE DOMAIN code AS text CHECK (value <> '');
CREATE TABLE k_bigint (id bigint PRIMARY KEY);
CREATE TABLE k_uuid (id uuid PRIMARY KEY);
CREATE TABLE k_text (id text PRIMARY KEY);
CREATE TABLE k_char (id char(5) PRIMARY KEY);
CREATE TABLE k_domain (id code PRIMARY KEY);
CREATE TABLE k_two (country text, number int, PRIMARY KEY (country, number));
CREATE TABLE k_composite (id pair PRIMARY KEY);
SELECT t, journey_orch.watch(t::regclass, 'seen', CASE t WHEN 'k_two' THEN $$NEW.country || '-' || NEW.number$$ ELSE 'NEW.id' END)
  FROM unnest('{k_bigint,k_uuid,k_text,k_char,k_domain,k_two,k_composite}'::text[]) WITH ORDINALITY AS u(t, n) ORDER BY n;
INSERT INTO k_bigint VALUES (9223372036854775807);
INSERT INTO k_uuid VALUES ('00000000-0000-0000-0000-0000000000ff');
INSERT INTO k_text VALUES ('Zoë'), (' x ');
INSERT INTO k_char VALUES ('ab');
INSERT INTO k_domain VALUES ('d');
INSERT INTO k_two VALUES ('de', 7);
INSERT INTO k_composite VALUES (ROW('fr', 8));
SELECT * FROM captured();
SELECT count(*) AS in_wrong_lane FROM journey_orch.event_log WHERE lane <> journey_orch.lane_of(customer_id);

-- Payloads: a listed row is what jsonb_build_object() makes of it (in UTC)
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TABLE typed (id int PRIMARY KEY, b boolean, i2 smallint, i8 bigint, f4 real, f8 float8, n numeric, t text, v varchar(10),
  c char(4), by bytea, d date, tm time, ttz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb,
  arr int[], tarr text[], comp pair, m mood, ip inet, rng int4range, "quoted ""name" text, dropped int, dom code,
  x01 int, x02 int, x03 int, x04 int, x05 int, x06 int, x07 int, x08 int, x09 int, x10 int);
ALTER TABLE typed DROP COLUMN dropped;
SELECT journey_orch.watch('typed', 'by_columns', 'NEW.id');
SELECT journey_orch.watch('typed', 'by_expression', 'NEW.id', payload_sql => 'to_jsonb(NEW)');
INSERT INTO typed VALUES
  (1, true, -2, 8000000000, 1.5, 1e-300, 123.4500, E'tab\tquote"ü', 'vc', 'c', '\xdeadbeef', '2024-02-29', '10:00:01.5',
   '10:00+02', '2024-02-29 10:00:00.123456', '2024-02-29 10:00:00+02', '1 day 2 hours', '00000000-0000-0000-0000-000000000001',
   '{"b": 1, "a": [1, 2]}', '{"z": {"y": [true, null, "x", 1.10]}}', '{1,2}', '{a,NULL}', ROW('de', 1), 'happy', '10.0.0.1',
   '[1,5)', 'q', 'dom', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
  (2, false, 0, -1, 'NaN', 'Infinity', 'NaN', '', '', '', '', 'infinity', '24:00', NULL, '-infinity', 'infinity', '-1 mon', NULL,
   'null', 'null', '{}', '{{a,b},{c,d}}', NULL, 'sad', '::1', 'empty', NULL, 'x', NULL, 2, NULL, 4, NULL, 6, NULL, 8, NULL, 10);
INSERT INTO typed (id, n, d, ts, j, jb) VALUES
  (3, 'Infinity', '0001-01-01 BC', '0001-01-01 BC', '"s"', '"scalar string"'),
  (4, 1e-20, NULL, NULL, '[]', '12.50'),
  (5, 12345678901234567890123456789.000, NULL, NULL, 'true', 'false');
SELECT e.customer_id, e.payload = t.payload AS same, e.payload::text = t.payload::text AS same_text,
       e.payload::text::jsonb = e.payload AS well_formed, (SELECT count(*) FROM jsonb_object_keys(e.payload)) AS members
  FROM journey_orch.event_log e JOIN journey_orch.event_log t USING (customer_id)
 WHERE e.event = 'by_columns' AND t.event = 'by_expression' ORDER BY 1;
-- every member can be found by its name, which needs its keys in order
SELECT count(*) AS not_found FROM journey_orch.event_log, jsonb_object_keys(payload) AS k
 WHERE event = 'by_columns' AND (payload->k IS NULL OR NOT payload ? k);
SELECT payload->'tstz' AS tstz, payload->'jb' AS jb, payload->'c' AS c FROM journey_orch.event_log WHERE event = 'by_columns' ORDER BY event_id;
-- ... whole numbers to the byte
CREATE TABLE whole (n bigint PRIMARY KEY, small smallint, middle integer);
SELECT journey_orch.watch('whole', 'whole', 'NEW.n');
INSERT INTO whole (n, small, middle)
SELECT n, CASE WHEN abs(n) < 32768 THEN n END, CASE WHEN abs(n) < 2147483648 THEN n END
  FROM (SELECT DISTINCT sign * (10::numeric ^ power + delta)
          FROM generate_series(0, 18) power, generate_series(-1, 1) delta, unnest(ARRAY[-1, 1]) sign
        UNION VALUES (12340000), (-9223372036854775808), (9223372036854775807)) AS numbers (n);
SELECT count(*) AS numbers, count(*) FILTER (WHERE payload IS DISTINCT FROM made OR payload::text <> made::text
                                          OR pg_column_size(payload - '') <> pg_column_size(made - '')) AS wrong
  FROM journey_orch.event_log
  JOIN (SELECT *, jsonb_build_object('n', n, 'small', small, 'middle', middle) AS made FROM whole) w ON n::text = customer_id
 WHERE event = 'whole';

-- The row of an event, formed by hand, is what SQL makes of the same values:
-- texts with short and long headers, large payloads
CREATE TABLE sized (customer text, note text);
SELECT journey_orch.watch('sized', repeat('e', length), 'NEW.customer', columns => '{note}')
  FROM unnest(ARRAY[1, 126, 127]) length;
INSERT INTO sized
SELECT repeat('c', customer), repeat('n', note)
  FROM unnest(ARRAY[1, 2, 3, 4, 125, 126, 127, 128, 1000]) customer, unnest(ARRAY[0, 1, 2, 3, 90, 95, 96, 97, 98, 99, 100, 1000, 9000]) note;
CREATE TABLE copied (LIKE journey_orch.event INCLUDING STORAGE);
INSERT INTO copied SELECT * FROM journey_orch.event WHERE name ~ '^e+$';
SELECT count(*) AS rows, count(DISTINCT (length(e.name), e.customer_id, e.payload->>'note')) AS shapes,
       count(*) FILTER (WHERE c IS DISTINCT FROM e) AS wrong,
       count(*) FILTER (WHERE pg_column_size(c.*) <> pg_column_size(e.*)) AS of_another_size
  FROM copied c JOIN journey_orch.event e USING (seq);
DROP TABLE whole, sized, copied;
-- ... whatever the settings of the session
BEGIN;
SET LOCAL timezone = 'Asia/Tokyo';
SET LOCAL datestyle = 'German';
SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL bytea_output = 'escape';
UPDATE looked SET event_id = (SELECT max(event_id) FROM journey_orch.event_log);
INSERT INTO typed (id, ts, tstz, iv, by) VALUES (6, '2024-02-29 10:00', '2024-02-29 10:00+00', '1 day 2 hours', '\001');
SELECT event, payload->'tstz' AS tstz, payload->'ts' AS ts, payload->'iv' AS iv, payload->'by' AS by FROM captured();
SELECT current_setting('timezone') AS timezone, current_setting('datestyle') AS datestyle;
COMMIT;

-- The choice of columns
CREATE TABLE wide (id int PRIMARY KEY, a int, b text, "select" text);
SELECT journey_orch.watch('wide', 'w', 'NEW.id', columns => '{b,select}');
INSERT INTO wide VALUES (1, 2, 'x', 'y'), (2, 3, NULL, 'z');
SELECT * FROM captured();
SELECT journey_orch.watch('wide', 'w', 'NEW.id', payload_sql => 'CASE WHEN NEW.a > 3 THEN jsonb_build_object(''a'', NEW.a) END');
INSERT INTO wide VALUES (3, 4), (4, 1);
SELECT * FROM captured();
ALTER TABLE wide ADD COLUMN late int DEFAULT 5;
SELECT journey_orch.watch('wide', 'w', 'NEW.id');
INSERT INTO wide VALUES (5, 1, 'b', 's', 6);
ALTER TABLE wide ADD COLUMN later int DEFAULT 7;
INSERT INTO wide VALUES (6, 1, 'b', 's', 6);
SELECT * FROM captured();

-- Foreign keys: what a cascade does is captured too
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL);
SELECT journey_orch.watch('child', 'child', 'coalesce(NEW.id, OLD.id)', operations => '{update,delete}',
  payload_sql => $$jsonb_build_object('was', OLD.parent, 'is', NEW.parent)$$);
SELECT journey_orch.watch('parent', 'parent', 'OLD.id', operations => '{delete}');
INSERT INTO parent VALUES (1), (2), (3);
INSERT INTO child VALUES (10, 1), (11, 1), (12, 2), (13, 3);
DELETE FROM parent WHERE id IN (1, 3);
UPDATE parent SET id = 20 WHERE id = 2;
SELECT * FROM captured();

-- A deferred constraint that fails at commit takes the events with it
CREATE TABLE late (id int PRIMARY KEY, parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
SELECT journey_orch.watch('late', 'late', 'NEW.id');
BEGIN;
INSERT INTO late VALUES (1, 999);
COMMIT;
BEGIN;
INSERT INTO late VALUES (2, 999);
INSERT INTO parent VALUES (999);
COMMIT;
SELECT * FROM captured();

-- Without a key: pairs in the order of the tables
CREATE TABLE keyless (customer int, n int);
SELECT journey_orch.watch('keyless', 'keyless', 'NEW.customer', operations => '{update}',
  payload_sql => $$jsonb_build_object('was', OLD.n, 'is', NEW.n)$$);
INSERT INTO keyless SELECT i % 3, i FROM generate_series(1, 6) i;
UPDATE keyless SET n = n * 100 WHERE n <> 3;
SELECT * FROM captured();
-- Keys that change, or swap: OLD is the row that was, as in a row trigger
CREATE TABLE swap (id int PRIMARY KEY DEFERRABLE, v text);
SELECT journey_orch.watch('swap', 'swap', 'NEW.v', operations => '{update}',
  payload_sql => $$jsonb_build_object('was', OLD.id, 'is', NEW.id, 'v', OLD.v)$$);
INSERT INTO swap VALUES (1, 'one'), (2, 'two'), (3, 'three');
UPDATE swap SET id = 3 - id WHERE id < 3;
UPDATE swap SET id = id + 1;
SELECT * FROM captured();
SELECT count(*) AS errors FROM journey_orch.capture_error;
