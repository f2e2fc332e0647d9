-- capture_errors: the user's statement never fails because of a watch; what
-- could not become an event is recorded.
SET client_min_messages = warning;
CREATE EXTENSION journey_orch;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
CREATE FUNCTION captured(like_what text DEFAULT '%') RETURNS TABLE (event text, customer text, payload jsonb) LANGUAGE sql AS
  $$SELECT event, customer_id, payload FROM journey_orch.event_log WHERE event LIKE like_what ORDER BY event_id$$;
CREATE VIEW error AS SELECT relation, event, operation, row_key, sqlstate, message FROM journey_orch.capture_error ORDER BY error_id;

CREATE TABLE purchase (id bigint, line int, customer text, amount numeric, note jsonb, PRIMARY KEY (id, line));

-- A NULL, empty or overlong customer
SELECT journey_orch.watch('purchase', 'plain', 'NEW.customer', columns => '{id}');
INSERT INTO purchase VALUES (1, 1, 'a'), (1, 2, NULL), (1, 3, ''), (1, 4, repeat('x', 1001)), (1, 5, 'b');
SELECT * FROM captured();
SELECT * FROM error;

-- Expressions that raise: only their rows are lost, in the middle of a large statement too
SELECT journey_orch.watch('purchase', 'raising', 'NEW.customer', condition_sql => 'NEW.amount > 0',
  payload_sql => $$jsonb_build_object('id', NEW.id, 'share', 100 / NEW.amount, 'as_int', (NEW.note->>'n')::int)$$);
SELECT journey_orch.unwatch('purchase', 'plain');
TRUNCATE journey_orch.capture_failure;
INSERT INTO purchase SELECT 2, i, 'c' || i, 10, jsonb_build_object('n', CASE i WHEN 300 THEN 'three hundred' WHEN 601 THEN '99999999999' ELSE i::text END)
  FROM generate_series(1, 1000) i;
SELECT count(*) AS captured, sum((payload->>'as_int')::int) = 500500 - 300 - 601 AS sum_is_right FROM captured('raising');
SELECT * FROM error;
INSERT INTO purchase VALUES (3, 1, 'd', 1, '{"n": "x"}');
UPDATE purchase SET amount = 0 WHERE id = 2 AND line = 1;
SELECT * FROM captured('raising') WHERE customer IN ('c1', 'd');
SELECT event, operation, row_key, sqlstate, message FROM error WHERE row_key LIKE '3,%';

-- The other watches of the same rows are not disturbed
SELECT journey_orch.watch('purchase', 'steady', 'NEW.customer', columns => '{line}');
INSERT INTO purchase VALUES (4, 1, 'e', 5, '{"n": "1"}'), (4, 2, 'e', 5, '{"n": "two"}'), (4, 3, 'e', 5, '{"n": "3"}');
SELECT event, customer, coalesce(payload->'line', payload->'as_int') AS line FROM captured() WHERE customer = 'e';

-- Functions of the author: their errors, their writes, their rights
CREATE TABLE secret (v text);
INSERT INTO secret VALUES ('top');
CREATE ROLE capture_errors_owner;
CREATE SCHEMA shop;
GRANT ALL ON SCHEMA shop TO capture_errors_owner;
CREATE TABLE shop.basket (id int PRIMARY KEY, what text);
ALTER TABLE shop.basket OWNER TO capture_errors_owner;
CREATE FUNCTION shop.look(what text) RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
  IF what = 'secret' THEN RETURN (SELECT v FROM public.secret); END IF;
  IF what = 'raise' THEN RAISE 'no % today', what USING ERRCODE = 'XX123'; END IF;
  IF what = 'write' THEN INSERT INTO shop.basket VALUES (99, 'written'); END IF;
  IF what = 'user' THEN RETURN current_user; END IF;
  RETURN what;
END $$;
ALTER FUNCTION shop.look OWNER TO capture_errors_owner;
GRANT journey_orch_author TO capture_errors_owner;
SET ROLE capture_errors_owner;
SELECT journey_orch.watch('shop.basket', 'looked', 'shop.look(NEW.what)', columns => '{id}');
RESET ROLE;
INSERT INTO shop.basket VALUES (1, 'secret'), (2, 'raise'), (3, 'write'), (4, 'user'), (5, 'fine');
SELECT * FROM captured('looked');
SELECT event, row_key, sqlstate, message FROM error WHERE event = 'looked';
SELECT * FROM shop.basket ORDER BY id;
-- the role of the session is back
SELECT current_user = session_user AS unchanged;

-- A watch that no longer compiles says so at every statement, and in health
ALTER TABLE purchase DROP COLUMN note;
INSERT INTO purchase VALUES (5, 1, 'f', 5), (5, 2, 'f', 5);
SELECT event, payload FROM captured() WHERE customer = 'f';
SELECT relation, event, operation, row_key, sqlstate, message FROM error WHERE sqlstate = '42703';
SELECT level, name, value FROM journey_orch._capture_health() WHERE name = 'watch_expression';
ALTER TABLE purchase RENAME line TO position;
INSERT INTO purchase VALUES (6, 1, 'g', 5);
SELECT event, message FROM error WHERE event = 'steady';
SELECT event, errors, last_error FROM journey_orch.watch_status WHERE relation = 'purchase'::regclass ORDER BY event;
SELECT journey_orch.watch('purchase', 'steady', 'NEW.customer', columns => '{position}');
SELECT journey_orch.unwatch('purchase', 'raising');
INSERT INTO purchase VALUES (7, 1, 'h', 5);
SELECT event, payload FROM captured() WHERE customer = 'h';

-- The owner is gone
ALTER TABLE shop.basket OWNER TO CURRENT_USER;
ALTER FUNCTION shop.look OWNER TO CURRENT_USER;
REVOKE ALL ON SCHEMA shop FROM capture_errors_owner;
REVOKE journey_orch_author FROM capture_errors_owner;
DROP ROLE capture_errors_owner;
INSERT INTO shop.basket VALUES (10, 'fine');
SELECT regexp_replace(message, '\d+', 'N') AS message, sqlstate FROM error WHERE event = 'looked' ORDER BY message DESC LIMIT 1;

-- An UPDATE whose rows lose their partner, and no key to find it: said so
CREATE TABLE moving (id int, part text, customer text) PARTITION BY LIST (part);
CREATE TABLE moving_a PARTITION OF moving FOR VALUES IN ('a');
CREATE TABLE moving_b PARTITION OF moving FOR VALUES IN ('b');
CREATE FUNCTION drop_even() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN RETURN CASE WHEN NEW.id % 2 = 1 THEN NEW END; END$$;
CREATE TRIGGER drop_even BEFORE INSERT ON moving_b FOR EACH ROW EXECUTE FUNCTION drop_even();
SET client_min_messages = notice;
SELECT journey_orch.watch('moving', 'moved', 'NEW.customer', operations => '{update}',
  payload_sql => $$jsonb_build_object('old', OLD.id, 'new', NEW.id)$$);
INSERT INTO moving SELECT i, 'a', i FROM generate_series(1, 4) i;
UPDATE moving SET customer = customer || '!';
UPDATE moving SET part = 'b';
SELECT * FROM captured('moved');
SELECT event, operation, message FROM error WHERE event = 'moved';

-- Values that live out of line in the user's table are copied, not pointed to
CREATE TABLE document (id int PRIMARY KEY, owner_name text, body jsonb);
ALTER TABLE document ALTER owner_name SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL;
SELECT journey_orch.watch('document', 'filed', 'left(NEW.owner_name, 10)', operations => '{insert,update}', payload_sql => 'NEW.body');
INSERT INTO document VALUES (1, repeat('o', 5000), jsonb_build_object('text', repeat('t', 50000)));
UPDATE document SET id = 2;
TRUNCATE document;
SELECT customer, length(payload->>'text') FROM captured('filed');

-- A rolled-back statement leaves no failure either
TRUNCATE journey_orch.capture_failure;
BEGIN;
INSERT INTO purchase VALUES (8, 1, NULL, 5);
ROLLBACK;
SELECT count(*) AS errors FROM error;

-- Cancel is not swallowed
CREATE FUNCTION slow(text) RETURNS text STABLE LANGUAGE plpgsql AS $$BEGIN LOOP NULL; END LOOP; END$$;
SELECT journey_orch.watch('purchase', 'slow', 'public.slow(NEW.customer)');
SET statement_timeout = '200ms';
INSERT INTO purchase VALUES (9, 1, 'i', 5);
RESET statement_timeout;
SELECT count(*) AS rows FROM purchase WHERE id = 9;
SELECT count(*) AS errors FROM error;
SELECT journey_orch.unwatch('purchase', 'slow');

-- A function that only imitates a cancel, a shutdown, lack of memory or a
-- serialization failure fails its own row, and not the user's statement
CREATE FUNCTION imitate(text) RETURNS text STABLE LANGUAGE plpgsql AS
  $$BEGIN RAISE 'no % here', $1 USING ERRCODE = $1; END$$;
SELECT journey_orch.watch('purchase', 'imitated', 'public.imitate(NEW.customer)');
INSERT INTO purchase SELECT 10 + n, 1, code, 5 FROM unnest('{57014,57P01,53200,53100,40001}'::text[]) WITH ORDINALITY AS c (code, n);
SELECT row_key, sqlstate, message FROM error WHERE event = 'imitated';
