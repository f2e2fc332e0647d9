/* bench/reference.sql: rows a second of batch INSERTs of 1000 rows from arrays,
   as wide as an outbox row: the ceiling of anything that writes rows by SQL. */
CREATE TABLE bench.plain (id uuid PRIMARY KEY, customer text, template text, payload jsonb, at timestamptz);
SELECT clock_timestamp() AS started \gset
DO $$
BEGIN
  FOR batch IN 1 .. 100 LOOP
    INSERT INTO bench.plain
    SELECT * FROM unnest(
      (SELECT array_agg(gen_random_uuid()) FROM generate_series(1, 1000)),
      (SELECT array_agg('customer' || i) FROM generate_series(1, 1000) AS i),
      (SELECT array_agg('welcome'::text) FROM generate_series(1, 1000)),
      (SELECT array_agg(jsonb_build_object('address', 'customer' || i || '@example.com', 'subject', 'Welcome, Customer ' || i,
                                           'body', i || ': you have ' || i || ' points, good to have you, and here is what to do next.'))
         FROM generate_series(1, 1000) AS i),
      (SELECT array_agg(now()) FROM generate_series(1, 1000)));
    COMMIT;
  END LOOP;
END $$;
SELECT round(100 * 1000 / extract(epoch FROM clock_timestamp() - :'started'));
