# test/tap/caps.pl: four workers let customers of all lanes into journeys whose
# caps bound all lanes together.
#
# Would catch: one entry more than the cap because two lanes did not see each
# other's, a place that stays empty, counts that drift, batches that wait for
# each other crosswise, a customer who is blamed because his lane had to wait, the
# cap of one version that lets in more than another allows.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $node = new_node('caps', conf => "journey_orch.workers = 4\njourney_orch.batch_size = 20\ndeadlock_timeout = 100ms\n");
use_database($node, 'postgres');
wait_workers($node, 'postgres', 4, 'four workers are there');

my $stay = q{"start": "stay", "steps": {"stay": {"wait": {"for": [{"on": "went", "next": "done"}]}}, "done": {"exit": "done"}}};
my %caps = (
	first => '{"total": 501}',
	other => '{"total": 307}',
	room => '{"at_once": 53}',
	wide => '{"total": 1000000, "at_once": 900000}');
for my $name (sort keys %caps)
{
	# two orders in which the events of a batch ask for the caps
	$node->safe_psql('postgres', qq{
SELECT journey_orch.define('{"journey": "$name", "entry": {"on": "$name", "reentry": {"policy": "after_exit"}, "caps": $caps{$name}}, $stay}');
SELECT count(*) FROM journey_orch.publish('$name')});
}

# More active runs than the cap, in any snapshot?
my $over = q{SELECT count(*) > 53 FROM journey_orch.enrollment r JOIN journey_orch.journey j USING (journey_id) WHERE j.name = 'room' AND r.state <> 'ended'};

my $customers = 2000;
my @clients;
for my $client (0 .. 2)
{
	my $sql = '';
	for my $i (grep { $_ % 3 == $client } 1 .. $customers)
	{
		my @names = ('first', 'other', 'room', 'wide');
		@names = reverse @names if $i % 2;
		$sql .= join('', map { "SELECT journey_orch.emit('$_', '$i');\n" } @names);
		$sql .= "SELECT journey_orch.emit('went', '" . (1 + $i * 7 % $customers) . "');\n" if $i % 5 == 0;
	}
	my $file = PostgreSQL::Test::Utils::tempdir . "/client$client.sql";
	append_to_file($file, $sql);
	push @clients, IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $file, '-d', $node->connstr('postgres') ],
		IPC::Run::timeout(180));
}
my $seen = 0;
for my $look (1 .. 20)
{
	$seen++ if $node->safe_psql('postgres', $over) eq 't';
}
finish $_ or fail('a client failed') for @clients;
ok($node->poll_query_until('postgres', 'SELECT sum(lag_events) = 0 FROM journey_orch.lane_status'), 'everything is applied');
is($seen, 0, 'the room never held more than its cap');

is( $node->safe_psql('postgres', q{SELECT j.name, sum(c.total) FROM journey_orch.entry_count c JOIN journey_orch.journey j USING (journey_id)
WHERE j.name IN ('first', 'other') GROUP BY 1 ORDER BY 1}),
	"first|501\nother|307", 'as many entered as the caps allow, and not one more');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM journey_orch.enrollment r JOIN journey_orch.journey j USING (journey_id) WHERE j.name = 'room'}),
	'53', 'the room is full');
is( $node->safe_psql('postgres', q{SELECT j.name, l.reason, count(*) > 0 FROM journey_orch.step_log l JOIN journey_orch.journey j USING (journey_id)
WHERE l.outcome = 'refused' AND l.reason LIKE 'cap%' GROUP BY 1, 2 ORDER BY 1}),
	"first|cap_total|t\nother|cap_total|t\nroom|cap_at_once|t", 'the others were refused by name, and nobody where there was room');
is($node->safe_psql('postgres', q{SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'}), '0', 'nobody waited crosswise');

# Near a cap lanes wait for each other, longer than a batch may take.
$node->safe_psql('postgres', q{
CREATE FUNCTION public.think() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  until timestamptz := clock_timestamp() + interval '100 ms';
BEGIN
  WHILE clock_timestamp() < until LOOP END LOOP;
END $$;
SELECT journey_orch.define('{"journey": "slow", "entry": {"on": "slow", "caps": {"at_once": 10000}}, "start": "think",
  "steps": {"think": {"call": "public.think()", "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('slow');
ALTER SYSTEM SET journey_orch.batch_timeout = '1s';
SELECT pg_reload_conf();
SELECT count(journey_orch.emit('slow', i::text)) FROM generate_series(1, 48) AS i});
ok($node->poll_query_until('postgres', 'SELECT sum(lag_events) = 0 FROM journey_orch.lane_status'), 'slow steps are applied');
is( $node->safe_psql('postgres', q{SELECT l.outcome, l.reason, count(*) FROM journey_orch.step_log l JOIN journey_orch.journey j USING (journey_id)
WHERE j.name = 'slow' AND l.outcome <> 'advanced' GROUP BY 1, 2 ORDER BY 1}),
	"ended|done|48\nentered||48", 'nobody is to blame for waiting');

# A version with less room, met by the batches that meet the wide one.
$node->safe_psql('postgres', q{
SELECT journey_orch.stop_worker();
SELECT journey_orch.define('{"journey": "less", "entry": {"on": "less", "caps": {"total": 1000000}}, "start": "done", "steps": {"done": {"exit": "wide"}}}');
SELECT count(*) FROM journey_orch.publish('less');
SELECT count(journey_orch.emit('less', i::text)) FROM generate_series(1, 50) AS i;
SELECT journey_orch.define('{"journey": "less", "entry": {"on": "less", "caps": {"total": 120}}, "start": "done", "steps": {"done": {"exit": "narrow"}}}');
SELECT count(*) FROM journey_orch.publish('less');
SELECT count(journey_orch.emit('less', i::text)) FROM generate_series(51, 1000) AS i;
ALTER SYSTEM SET journey_orch.batch_size = 1000;
SELECT pg_reload_conf();
SELECT journey_orch.start_worker()});
ok($node->poll_query_until('postgres', 'SELECT sum(lag_events) = 0 FROM journey_orch.lane_status'), 'both versions are applied');
is( $node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE reason = 'wide'), count(*) FILTER (WHERE reason = 'narrow') BETWEEN 70 AND 120
FROM journey_orch.step_log l JOIN journey_orch.journey j USING (journey_id) WHERE j.name = 'less' AND l.outcome = 'ended'}),
	'50|t', 'each version lets in what its own cap allows');

# A version with more room, when the other is full.
$node->safe_psql('postgres', q{
SELECT journey_orch.stop_worker();
SELECT journey_orch.define('{"journey": "more", "entry": {"on": "more", "caps": {"total": 100}}, "start": "done", "steps": {"done": {"exit": "full"}}}');
SELECT count(*) FROM journey_orch.publish('more');
SELECT count(journey_orch.emit('more', i::text)) FROM generate_series(1, 500) AS i;
SELECT journey_orch.define('{"journey": "more", "entry": {"on": "more", "caps": {"total": 130}}, "start": "done", "steps": {"done": {"exit": "more"}}}');
SELECT count(*) FROM journey_orch.publish('more');
SELECT count(journey_orch.emit('more', i::text)) FROM generate_series(1, 1000) AS i;
SELECT journey_orch.start_worker()});
ok($node->poll_query_until('postgres', 'SELECT sum(lag_events) = 0 FROM journey_orch.lane_status'), 'both versions are applied');
is( $node->safe_psql('postgres', q{SELECT sum(c.total) FROM journey_orch.entry_count c JOIN journey_orch.journey j USING (journey_id) WHERE j.name = 'more'}),
	'130', 'the larger cap is filled, and not exceeded');
is($node->safe_psql('postgres', q{SELECT count(*) FROM journey_orch.event_error}), '0', 'no event was set aside');
is($node->safe_psql('postgres', q{SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds}), '', 'the laws hold');
$node->stop('fast');
done_testing();
