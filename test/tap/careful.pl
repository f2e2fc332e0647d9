# test/tap/careful.pl: workers get past what fails for one customer.
#
# Would catch: a lane that one slow function, one malformed event or one
# author's RAISE stops for all its customers; a slow step that parks anybody
# else; a cancel in the middle taken for the customer's fault; a crash in the
# middle that loses or repeats events; a log that tells what a customer wrote.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $node = new_node('careful', conf => q{
journey_orch.poll_interval = 1h
journey_orch.workers = 1
journey_orch.batch_timeout = 500ms
max_prepared_transactions = 1
});
use_database($node, 'postgres');
wait_workers($node, 'postgres', 1);

# Customers of one lane, and a journey whose functions do as an event says.  One
# is stuck for ever: the lock is a prepared transaction's and survives a crash.
$node->safe_psql('postgres', q{
SET search_path = public, journey_orch;
CREATE TABLE neighbour AS
SELECT row_number() OVER (ORDER BY i)::int AS n, i::text AS id
FROM generate_series(1, 2000) AS i WHERE lane_of(i::text) = 3;
CREATE FUNCTION act(how text) RETURNS boolean STABLE LANGUAGE plpgsql AS $$
BEGIN
  IF how = 'stick' THEN PERFORM FROM public.gate; END IF;
  IF how = 'cancel' THEN RAISE 'imitated' USING ERRCODE = '57014'; END IF;
  RETURN true;
END$$;
CREATE FUNCTION inject(member int, payload jsonb) RETURNS bigint LANGUAGE sql AS
$$INSERT INTO journey_orch.event (seq, xid, instant, recorded_at, incarnation, lane, segment, kind, customer_id, name, payload)
  SELECT nextval('journey_orch.event_seq'), pg_current_xact_id(), now(), now(), 1, 3, 0, 'm', id, 'message.failed', payload
  FROM public.neighbour WHERE n = member RETURNING 1$$;
SELECT define('{
  "journey": "j", "timezone": "UTC",
  "entry": {"on": "came", "when": "public.act(event->>''enter'')", "reentry": {"policy": "any"}}, "start": "look",
  "steps": {"look": {"branch": [{"when": "public.act(event->>''look'')", "next": "rest"}], "else": "rest"},
            "rest": {"wait": {"for": [{"on": "left", "when": "public.act(event->>''leave'')", "next": "done"}]}},
            "done": {"exit": "done"}}}');
SELECT count(*) FROM publish('j');
CREATE TABLE gate ();
BEGIN;
LOCK TABLE gate;
PREPARE TRANSACTION 'gate'});

# Apply what was emitted to the lane, and return its runs that are parked.
sub parked
{
	my ($from, $what) = @_;

	ok($node->poll_query_until('postgres', q{
SELECT lag_events = 0 AND NOT is_careful FROM journey_orch.lane_status WHERE lane = 3}), $what);
	is($node->safe_psql('postgres', q{SELECT count(*) FROM journey_orch.verify('full') WHERE NOT holds}),
		0, "$what: verify()");
	return $node->safe_psql('postgres', qq{
SELECT n, step, error->>'sqlstate', error->>'message'
FROM journey_orch.enrollment JOIN neighbour ON id = customer_id
WHERE state = 'parked' AND n >= $from ORDER BY n});
}

$node->safe_psql('postgres', q{
SELECT count(journey_orch.emit('came', id, CASE n
  WHEN 3 THEN '{"look": "stick"}' WHEN 4 THEN '{"look": "cancel"}'
  WHEN 6 THEN '{"enter": "stick"}' WHEN 7 THEN '{"enter": "cancel"}' END::jsonb))
FROM neighbour WHERE n <= 10});
is(parked(1, 'slow and imitating functions'),
	"3|look|57014|step \"look\" took longer than 500 ms\n4|look|57014|imitated",
	'park their runs, and nobody else\'s');
is($node->safe_psql('postgres', q{
SELECT string_agg(n::text, ' ' ORDER BY n) FROM journey_orch.enrollment JOIN neighbour ON id = customer_id
WHERE state = 'waiting'}), '1 2 5 8 9 10', 'the others wait at their step');
is($node->safe_psql('postgres', q{
SELECT n, outcome, reason, decision->>'message' FROM journey_orch.step_log JOIN neighbour ON id = customer_id
WHERE n IN (6, 7) ORDER BY n}),
	"6|refused|entry_error|the entry of journey \"j\" took longer than 500 ms\n7|refused|entry_error|imitated",
	'an entry is refused');

# A wait: the run that stands there, and the other runs of the same customer.
$node->safe_psql('postgres', q{
SELECT journey_orch.emit('came', id) FROM neighbour WHERE n = 8;
SELECT count(journey_orch.emit('left', id, CASE n WHEN 8 THEN '{"leave": "stick"}' END::jsonb))
FROM neighbour WHERE n IN (1, 8, 9)});
is(parked(5, 'a slow function of a wait'),
	join("\n", ('8|rest|57014|step "rest" took longer than 500 ms') x 2), 'parks each run that it is slow for');
is($node->safe_psql('postgres', q{
SELECT string_agg(n::text, ' ' ORDER BY n) FROM journey_orch.enrollment_status JOIN neighbour ON id = customer_id
WHERE state = 'ended'}), '1 9', 'the others leave');

# A report that nothing of ours wrote.
$node->safe_psql('postgres', q{
SELECT count(inject(n, '{"message_id": "confidential-confidential-confidenti"}')) FROM neighbour WHERE n IN (2, 12);
SELECT count(journey_orch.emit('came', id)) FROM neighbour WHERE n BETWEEN 11 AND 13});
is(parked(11, 'a malformed event'), '', 'parks nobody');
is($node->safe_psql('postgres', q{
SELECT n, event, sqlstate FROM journey_orch.event_error JOIN neighbour ON id = customer_id ORDER BY n}),
	"2|message.failed|22P02\n12|message.failed|22P02", 'but is set aside');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM journey_orch.enrollment JOIN neighbour ON id = customer_id WHERE n BETWEEN 11 AND 13}),
	3, 'its customer\'s next event is applied');
my $log = slurp_file($node->logfile);
like($log, qr/lane 3 goes on one customer at a time/, 'the log says that a lane is careful');
unlike($log, qr{journey_orch worker .*confidential}, 'and not what a customer wrote');

# A cancel and a crash in the middle of care.
$node->safe_psql('postgres', q{ALTER SYSTEM SET journey_orch.batch_timeout = '4s'});
$node->reload;
$node->safe_psql('postgres', q{
SELECT count(journey_orch.emit('came', id, CASE n WHEN 25 THEN '{"look": "stick"}' END::jsonb))
FROM neighbour WHERE n BETWEEN 20 AND 30});

# The pid of the worker that is stuck in a careful batch.
my $stuck = q{
SELECT a.pid FROM pg_stat_activity AS a, journey_orch.lane_status AS s
WHERE s.lane = 3 AND s.is_careful AND a.pid = s.owner AND a.wait_event_type = 'Lock'};
ok($node->poll_query_until('postgres', "SELECT EXISTS ($stuck)"), 'a careful batch is under way');
is($node->safe_psql('postgres', q{
SELECT level || ' ' || name FROM journey_orch.health() WHERE name IN ('careful_lanes', 'failing_lanes')}),
	'warning careful_lanes', 'and shows in health');
is($node->safe_psql('postgres', q{
SELECT careful_lanes FROM journey_orch.worker_status WHERE process = 'worker'}), '{3}', 'and in worker_status');
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM ($stuck) AS s");
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 1 FROM journey_orch.worker_status WHERE last_error ~ 'due to user request'}),
	'a cancel ends the batch');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM journey_orch.enrollment JOIN neighbour ON id = customer_id WHERE n = 25}),
	0, 'and is not the customer\'s fault');
ok($node->poll_query_until('postgres', "SELECT EXISTS ($stuck)"), 'it is done again');
kill 'KILL', $node->safe_psql('postgres', $stuck);
$node->poll_query_until('postgres', 'SELECT true');
wait_workers($node, 'postgres', 1, 'a worker after the crash');
is(parked(11, 'a crash in the middle of care'),
	'25|look|57014|step "look" took longer than 4000 ms', 'the slow run is parked');
is($node->safe_psql('postgres', q{
SELECT count(*), count(DISTINCT customer_id) FROM journey_orch.enrollment JOIN neighbour ON id = customer_id
WHERE n BETWEEN 20 AND 30}), '11|11', 'nobody is lost, nobody came twice');
$node->stop;
done_testing();
