/* bench/bulk.sql: one INSERT … SELECT into bench.:table; prints microseconds a
   row, wall and CPU. */
SELECT clock_timestamp() AS started, bench.cpu(pg_backend_pid()) AS used \gset
INSERT INTO bench.:table (customer, amount, note) SELECT customer, amount, note FROM bench.source;
SELECT round(extract(epoch FROM clock_timestamp() - :'started') * 1000000 / :rows, 4),
       round((bench.cpu(pg_backend_pid()) - :used) * 1000000 / :rows, 4);
