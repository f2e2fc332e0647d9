# test/tap/worker_dynamic.pl: without preload, and without free slots.
#
# Would catch: start_worker() that needs shared_preload_libraries, starts twice
# or returns before a worker runs; stop_worker() that leaves one behind; workers
# that do not survive a crash of the server; lanes nobody serves when not all
# workers could be started; a shortage nobody is told about, or told too often.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $node = new_node('dynamic', preload => 0, conf => "journey_orch.poll_interval = 50ms\n");

sub processes
{
	return $node->safe_psql('postgres', q{
SELECT count(*) FILTER (WHERE backend_type = 'journey_orch supervisor') || ' '
  || count(*) FILTER (WHERE backend_type = 'journey_orch worker') FROM pg_stat_activity});
}

use_database($node, 'postgres');
is(processes(), '0 0', 'nothing runs by itself');
is($node->safe_psql('postgres', 'SELECT process, state, pid FROM journey_orch.worker_status'),
	'supervisor|stopped|', 'worker_status says so');
cmp_ok($node->safe_psql('postgres', 'SELECT journey_orch.start_worker()'), '>=', 1, 'start_worker()');
cmp_ok($node->safe_psql('postgres', 'SELECT journey_orch.start_worker()'), '>=', 1, 'again');
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 2 FROM journey_orch.worker_status WHERE process = 'worker' AND pid IS NOT NULL}), 'two workers');
is(processes(), '1 2', 'one supervisor, two workers');
emit($node, 'postgres', 99);
wait_applied($node, 'postgres', 100);
is($node->safe_psql('postgres', 'SELECT journey_orch.settle()'), 't', 'settle()');

# A worker that is terminated comes back; a crash of the server is survived.
my ($victim) = worker_pids($node, 'postgres');
within(5, 'the restart of a worker', sub {
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($victim)");
	ok($node->poll_query_until('postgres', qq{
SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'journey_orch worker' AND pid <> $victim}),
		'the worker is back');
});
($victim) = worker_pids($node, 'postgres');
kill_hard($node, $victim);
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'journey_orch worker'}), 'workers after a crash');
emit($node, 'postgres', 100);
wait_applied($node, 'postgres', 200);

$node->append_conf('postgresql.conf', 'journey_orch.workers = 3');
$node->reload;
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type = 'journey_orch worker'}), 'reload to 3 workers');

within(5, 'stop_worker()', sub {
	is($node->safe_psql('postgres', 'SELECT journey_orch.stop_worker()'), '3', 'stop_worker() stops three');
});
is(processes(), '0 0', 'nothing is left');
is($node->safe_psql('postgres', 'SELECT journey_orch.stop_worker()'), '0', 'and then none');
$node->safe_psql('postgres', 'SELECT journey_orch.start_worker()');
within(5, 'DROP EXTENSION', sub { $node->safe_psql('postgres', 'DROP EXTENSION journey_orch') });
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE 'journey_orch %'}), 'workers leave with the extension');

# No slot at all: the logical replication launcher has the only one.
$node->append_conf('postgresql.conf', 'max_worker_processes = 1');
$node->restart;
use_database($node, 'postgres');
my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT journey_orch.start_worker()");
like($err, qr/ERROR:  JO008: .*\nDETAIL:  .*slot.*\nHINT:  .*max_worker_processes/s, 'start_worker() says what is missing');
$node->safe_psql('postgres', 'CALL journey_orch.run()');
wait_applied($node, 'postgres', 1, 'run() needs no slot');

# Preloaded, and one worker too few: the one serves every lane.
$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'journey_orch'
max_worker_processes = 4
journey_orch.workers = 2
});
$node->restart;
wait_workers($node, 'postgres', 1, 'one of two workers');
emit($node, 'postgres', 100);
wait_applied($node, 'postgres', 101, 'serves every lane');
is( $node->safe_psql('postgres', q{
SELECT state || ': ' || last_error FROM journey_orch.worker_status WHERE process = 'supervisor'}),
	'running: only 1 of 2 workers run: no background worker slot is free, increase max_worker_processes',
	'worker_status says what is missing');
my $log = slurp_file($node->logfile);
is(scalar(() = $log =~ /could not start journey_orch worker 2 of 2/g), 1, 'the log says it once');
like($log, qr/HINT:  Increase max_worker_processes/, 'with a hint');

# A slot becomes free: it is used without anybody asking.
$node->append_conf('postgresql.conf', 'max_worker_processes = 5');
$node->restart;
wait_workers($node, 'postgres', 2);
is($node->safe_psql('postgres', q{
SELECT last_error IS NULL FROM journey_orch.worker_status WHERE process = 'supervisor'}), 't', 'nothing is missing');

$node->stop('fast');
done_testing();
