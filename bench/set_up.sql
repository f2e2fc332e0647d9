/* bench/set_up.sql: what every part has. */
CREATE EXTENSION journey_orch;
CREATE SCHEMA bench;

-- CPU seconds this backend, or another process of the server, has used.
CREATE FUNCTION bench.cpu(pid integer) RETURNS numeric
LANGUAGE sql VOLATILE
RETURN (SELECT (field[12]::numeric + field[13]::numeric) / 100
          FROM (SELECT string_to_array(regexp_replace(pg_read_file(format('/proc/%s/stat', pid)), '^.*\) ', ''), ' ') AS field) AS stat);
