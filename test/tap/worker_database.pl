# test/tap/worker_database.pl: commands that need a database without us.
#
# Would catch: DROP DATABASE, RENAME, SET TABLESPACE and CREATE DATABASE ...
# TEMPLATE that fail or wait because workers are connected; workers that do not
# come back after a failure or a rename, or that run on in a copy; DROP
# EXTENSION that hangs, deadlocks or leaves a process; a loop that does not
# answer a barrier and so blocks DROP DATABASE of any database.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

# Nobody polls: whatever is not rung never happens.
my $node = new_node('database', conf => "journey_orch.poll_interval = 1h\n");
use_database($node, 'postgres');
use_database($node, 'shop');
wait_workers($node, 'postgres', 2);
wait_workers($node, 'shop', 2);

sub state_of
{
	my ($db) = @_;
	return $node->safe_psql('postgres',
		"SELECT state FROM journey_orch.worker_status WHERE process = 'supervisor' AND database = '$db'");
}

sub no_process_in
{
	my ($db, $what) = @_;
	is($node->safe_psql('postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE datname = '$db' AND backend_type LIKE 'journey_orch %'"),
		0, $what);
}

# A copy by template, while events come in: the copy is refused, the original
# goes on.
emit($node, 'shop', 99);
within(5, 'CREATE DATABASE ... TEMPLATE', sub {
	$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
});
ok($node->poll_query_until('postgres', q{
SELECT state = 'copied' AND pid IS NULL FROM journey_orch.worker_status
WHERE process = 'supervisor' AND database = 'copy'}), 'the copy is idle and says so');
no_process_in('copy', 'nothing runs in the copy');
for my $call ('SELECT journey_orch.start_worker()', 'CALL journey_orch.run()', 'SELECT journey_orch.settle()')
{
	my ($status, $out, $err) = $node->psql('copy', "\\set VERBOSITY verbose\n$call");
	like($err, qr/ERROR:  JO006/, "$call is refused in the copy");
}
wait_workers($node, 'shop', 2, 'the workers of the original are back');
wait_applied($node, 'shop', 100);
within(5, 'DROP DATABASE of the copy', sub { $node->safe_psql('postgres', 'DROP DATABASE copy') });

# RENAME, and a transaction that takes it back.
within(5, 'ALTER DATABASE ... RENAME', sub {
	$node->safe_psql('postgres', 'ALTER DATABASE shop RENAME TO store');
});
wait_workers($node, 'store', 2, 'workers after a rename');
$node->safe_psql('postgres', 'BEGIN; ALTER DATABASE store RENAME TO bazaar; ROLLBACK');
wait_workers($node, 'store', 2, 'workers after a rename that was rolled back');

# SET TABLESPACE.
my $directory = PostgreSQL::Test::Utils::tempdir;
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$directory'");
within(5, 'ALTER DATABASE ... SET TABLESPACE', sub {
	$node->safe_psql('postgres', 'ALTER DATABASE store SET TABLESPACE elsewhere');
});
wait_workers($node, 'store', 2, 'workers in the other tablespace');
emit($node, 'store', 100);
wait_applied($node, 'store', 200);

# A command that fails, and one by somebody who may not, leave workers running.
$node->safe_psql('postgres', 'CREATE ROLE builder LOGIN CREATEDB');
my ($status, $out, $err) = $node->psql('postgres', 'ALTER DATABASE store RENAME TO postgres');
like($err, qr/already exists/, 'a rename that fails');
wait_workers($node, 'store', 2, 'workers after a rename that failed');
my $before = join ' ', worker_pids($node, 'store');
($status, $out, $err) = $node->psql('postgres', 'DROP DATABASE store', extra_params => [ '-U', 'builder' ]);
like($err, qr/must be owner/, 'DROP DATABASE by a stranger');
is(join(' ', worker_pids($node, 'store')), $before, 'does not touch the workers');

# A database that takes no connections, or became a template, is left alone.
$node->safe_psql('postgres', 'ALTER DATABASE store IS_TEMPLATE true');
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'store'}), 'workers leave a template');
$node->safe_psql('postgres', 'ALTER DATABASE store IS_TEMPLATE false');
wait_workers($node, 'store', 2, 'and come back');

# DROP DATABASE of a database without us, with idle workers elsewhere: they
# answer the barrier.
$node->safe_psql('postgres', 'CREATE DATABASE other');
within(5, 'DROP DATABASE of another one', sub { $node->safe_psql('postgres', 'DROP DATABASE other') });

# DROP EXTENSION while the workers have a lot to do: it waits for the batches
# under way and no longer.
$node->safe_psql('store', 'SELECT journey_orch.stop_worker()');
emit($node, 'store', 30000);
$node->safe_psql('store', 'SELECT journey_orch.start_worker()');
ok($node->poll_query_until('store', 'SELECT sum(applied) > 200 FROM journey_orch.lane_status'), 'busy workers');
within(5, 'DROP EXTENSION with busy workers', sub {
	$node->safe_psql('store', 'DROP EXTENSION journey_orch');
});
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'store'}), 'no process is left');
$node->safe_psql('store', 'CREATE EXTENSION journey_orch');
emit($node, 'store', 100);
wait_workers($node, 'store', 2, 'CREATE EXTENSION again');
wait_applied($node, 'store', 100);

# DROP and CREATE EXTENSION at once, and DROP that is rolled back.
$node->safe_psql('store', 'BEGIN; DROP EXTENSION journey_orch; CREATE EXTENSION journey_orch; COMMIT');
emit($node, 'store', 100);
wait_applied($node, 'store', 100, 'the new extension is served');
$node->safe_psql('store', 'BEGIN; DROP EXTENSION journey_orch; ROLLBACK');
emit($node, 'store', 100);
wait_applied($node, 'store', 200, 'the old one after a rollback too');

within(5, 'DROP DATABASE', sub { $node->safe_psql('postgres', 'DROP DATABASE store') });
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 0 FROM journey_orch.worker_status WHERE database IS NULL AND process <> 'launcher'}),
	'its slot is free again');
emit($node, 'postgres', 99);
wait_applied($node, 'postgres', 100, 'the others never noticed');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|deadlock detected/, 'no crash, no deadlock');

$node->stop('fast');
done_testing();
