/* bench/queue.sql: a plain queue: claim by UPDATE of rows locked with SKIP
   LOCKED, ack by DELETE. */
CREATE TABLE bench.queue
(
  id        bigint PRIMARY KEY,
  body      jsonb NOT NULL,
  held_till timestamptz
);
INSERT INTO bench.queue (id, body)
SELECT i, jsonb_build_object('address', 'customer' || i || '@example.com', 'subject', 'Welcome, Customer ' || i,
                             'body', i || ': you have ' || i || ' points, good to have you, and here is what to do next.')
  FROM generate_series(1, 3 * :messages) AS i;
VACUUM ANALYZE bench.queue;
