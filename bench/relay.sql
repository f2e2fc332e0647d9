/* bench/relay.sql: claims and acks until :events messages came, noting for each
   how long after its event's commit it was in the relay's hands. */
CREATE TABLE bench.latency (ms double precision NOT NULL);
CREATE TABLE bench.received (id bigint NOT NULL, at timestamptz NOT NULL);
SELECT set_config('bench.events', :'events', false) \g /dev/null
DO $$
DECLARE
  received integer := 0;
  found_now integer;
  last_claim bigint;
  give_up timestamptz := clock_timestamp() + interval '5 minutes';
BEGIN
  WHILE received < current_setting('bench.events')::integer AND clock_timestamp() < give_up LOOP
    WITH claimed AS MATERIALIZED (SELECT claim_id, split_part(body, ':', 1)::bigint AS id FROM journey_orch.claim('email', 'bench', 1000)),
         noted AS (INSERT INTO bench.received SELECT id, clock_timestamp() FROM claimed)
    SELECT max(claim_id), count(*) INTO last_claim, found_now FROM claimed;
    COMMIT;
    IF found_now > 0 THEN
      PERFORM journey_orch.ack(last_claim);
      COMMIT;
      received := received + found_now;
    END IF;
  END LOOP;
END $$;
INSERT INTO bench.latency
SELECT extract(epoch FROM received.at - pg_xact_commit_timestamp(signup.xmin)) * 1000
  FROM bench.received
  JOIN bench.signup USING (id);
