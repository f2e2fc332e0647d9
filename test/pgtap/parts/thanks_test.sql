/*
 * test/pgtap/parts/thanks_test.sql
 *    The test that somebody would write of the journey of parts/thanks_shop.sql,
 *    in one transaction that is rolled back.  It must pass beside workers that
 *    are busy with the same lanes and customers (test/tap/run_here.pl), so it looks
 *    at its own orders only.
 */
BEGIN;
SELECT plan(7);
INSERT INTO shop.orders (customer, source, amount) SELECT id, 'test', 20 FROM shop.customer WHERE id::int <= 100;
CREATE TEMP VIEW run AS
  SELECT e.* FROM journey_orch.enrollment_status AS e JOIN shop.orders AS o ON o.id::text = e.key WHERE o.source = 'test';
CREATE TEMP VIEW sent AS
  SELECT m.* FROM journey_orch.message_status AS m JOIN run USING (enrollment_id);
CREATE TEMP VIEW tally AS
  SELECT string_agg(template || ' ' || people, ', ' ORDER BY template) AS tally
  FROM (SELECT template, count(DISTINCT customer_id) AS people FROM sent GROUP BY 1) AS t;

SELECT is(count(DISTINCT journey_orch.lane_of(customer)), 16::bigint, 'the orders are in all lanes') FROM shop.orders WHERE source = 'test';
SELECT is(count(*), 0::bigint, 'before the engine runs nobody was written to') FROM sent;
SELECT cmp_ok(journey_orch.run_here(), '>=', 200::bigint, 'everybody enters and is thanked');
SELECT is(tally, 'thanks 100', 'with one message each') FROM tally;

SELECT journey_orch.advance_clock('1 day 1 minute', force => true) \gset _
SELECT journey_orch.run_here() \gset _
SELECT is(tally, 'how_was_it 100, thanks 100', 'a day later all are asked how it was') FROM tally;
SELECT is(count(*), 100::bigint, 'and have come to the end') FROM run WHERE state = 'ended' AND exit_reason = 'completed';
SELECT journey_orch.run_here() \gset _
SELECT is(tally, 'how_was_it 100, thanks 100', 'nothing comes twice') FROM tally;
SELECT * FROM finish();
ROLLBACK;
