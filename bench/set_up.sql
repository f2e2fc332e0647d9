/* bench/set_up.sql: what every part has. */
CREATE EXTENSION journey_orch;
CREATE SCHEMA bench;

-- CPU seconds this backend, or another process of the server, has used.
CREATE FUNCTION bench.cpu(pid integer) RETURNS numeric
LANGUAGE sql VOLATILE
RETURN split_part(pg_read_file(format('/proc/%s/schedstat', pid)), ' ', 1)::numeric / 1000000000;
