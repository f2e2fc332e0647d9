# test/tap/frequency_cap.pl: fifty relays claim from five channels at once, and
# no customer is given more than a cap over all of them allows.
#
# Would catch: claims that count with a snapshot from before the lock, an
# allowance that is lost or given twice, relays that wait for each other
# crosswise.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $node = new_node('frequency_cap', conf => "journey_orch.autostart = off\nmax_connections = 80\njourney_orch.claim_freshness = 0\nmax_prepared_transactions = 1\ndeadlock_timeout = 100ms\n");
$node->safe_psql('postgres', q{
CREATE EXTENSION journey_orch;
SELECT journey_orch.set_channel('c' || n, '''x''') FROM generate_series(1, 5) AS n;
SELECT journey_orch.set_cap('three', '{}', 3, '24 hours');
INSERT INTO journey_orch.outbox
SELECT md5(n::text || c || m)::uuid, 'c' || n, 'p' || c, 'hello', jsonb_build_object('address', 'x'), m * 100 + c * 5 + n, md5('e' || n || c || m)::uuid, NULL,
  now(), now(), NULL, 1, 1, 1, 1, journey_orch.lane_of('p' || c), 0, 5, false, 'send', NULL, NULL, 0
FROM generate_series(1, 5) AS n, generate_series(1, 10) AS c, generate_series(1, 4) AS m});

# All begin at the same time: they wait for a lock of a prepared transaction.
$node->safe_psql('postgres', q{BEGIN; SELECT pg_advisory_xact_lock(1); PREPARE TRANSACTION 'gun'});
my @relays;
for my $relay (1 .. 50)
{
	my $channel = 'c' . (1 + $relay % 5);
	my ($out, $err) = ('', '');
	my @claims = map { ('-c', "SELECT count(*) FROM journey_orch.claim('$channel', 'r$relay', 3)") } 1 .. 4;
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
		'-c', 'SELECT pg_advisory_xact_lock_shared(1)', @claims ], '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	push @relays, { run => $run, err => \$err };
}
ok($node->poll_query_until('postgres', q{SELECT count(*) = 50 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}), 'fifty relays are there');
$node->safe_psql('postgres', q{COMMIT PREPARED 'gun'});
my @errors = map { $_->{run}->finish; ${ $_->{err} } } @relays;
is(join('', @errors), '', 'fifty relays have claimed, and none was refused');

my $counts = q{SELECT string_agg(DISTINCT n::text, ' ') || ' of ' || count(*) FROM (
  SELECT o.aggregateid, count(*) AS n FROM journey_orch.claim AS c, unnest(c.held) AS m JOIN journey_orch.outbox AS o ON o.id = m GROUP BY 1) AS x};
is($node->safe_psql('postgres', $counts), '3 of 10', 'each of ten customers was given three messages, none more');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT message_id) FROM journey_orch.cap_use'), '30|30', 'each was counted once');
$node->stop('fast');
done_testing();
