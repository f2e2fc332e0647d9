/*
 * test/pgtap/run_here.sql
 *    A test suite's test with run_here(): nothing is left of it, so it passes
 *    as often as it is run, and the laws hold as before.
 */
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION journey_orch;
\ir parts/thanks_shop.sql
CREATE TABLE before AS SELECT * FROM journey_orch.verify('full');
\ir parts/thanks_test.sql

DO $$
BEGIN
  ASSERT NOT EXISTS (SELECT law, holds, detail FROM journey_orch.verify('full') EXCEPT ALL TABLE before), 'the laws hold as before';
  ASSERT (SELECT count(*) FROM journey_orch.event) + (SELECT count(*) FROM journey_orch.step_log)
    + (SELECT count(*) FROM journey_orch.outbox) + (SELECT count(*) FROM journey_orch.trial_enrollment) = 0, 'nothing is left';
  ASSERT journey_orch.clock() BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp(), 'the clock is the real one';
END
$$;
