/* bench/capture.sql: a bare table, one with a watch that matches no row, one
   with a watch that matches every row; about 40 bytes of payload. */
CREATE TABLE bench.source AS
SELECT (i % 100000)::text AS customer, i % 500 AS amount, 'twelve bytes'::text AS note
  FROM generate_series(1, :rows) AS i;
ANALYZE bench.source;

CREATE TABLE bench.bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, amount integer NOT NULL, note text);
CREATE TABLE bench.ignored (LIKE bench.bare INCLUDING ALL);
CREATE TABLE bench.matched (LIKE bench.bare INCLUDING ALL);
SELECT journey_orch.watch('bench.ignored', 'ignored', customer_sql => 'NEW.customer', condition_sql => 'NEW.amount > 1000', columns => '{amount,note}');
SELECT journey_orch.watch('bench.matched', 'matched', customer_sql => 'NEW.customer', columns => '{amount,note}');
