/* bench/engine.sql: starts the one worker and waits until it has applied all;
   prints wall seconds, the worker's CPU seconds, bytes of WAL. */
SELECT clock_timestamp() AS started, pg_current_wal_insert_lsn() AS lsn \gset
SELECT journey_orch.start_worker() \g /dev/null
SELECT journey_orch.settle('600 s') AS settled \gset
SELECT extract(epoch FROM clock_timestamp() - :'started') AS wall, pg_current_wal_insert_lsn() - :'lsn' AS bytes \gset
SELECT coalesce(sum(bench.cpu(pid)), 0) AS cpu FROM pg_stat_activity WHERE backend_type LIKE 'journey_orch%' AND datname = current_database() \gset
SELECT journey_orch.stop_worker() \g /dev/null
SELECT :wall, :cpu, :bytes
 WHERE :'settled' = 't'
   AND (SELECT entered = :journeys AND ended = :journeys FROM journey_orch.journey_status WHERE journey = 'welcome')
   AND (SELECT count(*) = :journeys FROM journey_orch.message_status);
