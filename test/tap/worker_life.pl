# test/tap/worker_life.pl: workers start, are ended in every way, and go on.
#
# Would catch: workers that do not start with CREATE EXTENSION or at boot, run
# as a superuser, are not restarted, lose or repeat events when one is killed,
# swallow a cancel, ignore a reload, let one bad lane stop the others, or hang
# at shutdown.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

# Nobody polls: whatever is not rung, and no timer's, never happens.
my $node = new_node('life', conf => "journey_orch.poll_interval = 1h\n");

# A session that holds a lock until it is told otherwise.
sub holder
{
	my ($db, $sql) = @_;
	my ($in, $out, $err) = ("BEGIN;\n$sql;\n\\echo held\n", '', '');
	my $timer = IPC::Run::timeout(60);
	my $run = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db) ],
		'<', \$in, '>', \$out, '2>', \$err, $timer);

	pump $run until $out =~ /held/;
	return sub { $in .= "ROLLBACK;\n\\q\n"; finish $run; };
}

# CREATE EXTENSION in a transaction that is rolled back starts nothing.
$node->safe_psql('postgres', 'BEGIN; CREATE EXTENSION journey_orch; ROLLBACK');
use_database($node, 'postgres');
wait_workers($node, 'postgres', 2, 'CREATE EXTENSION starts two workers');
emit($node, 'postgres', 99);
wait_applied($node, 'postgres', 100);
is($node->safe_psql('postgres', 'SELECT journey_orch.settle()'), 't', 'settled');

is( $node->safe_psql('postgres', q{
SELECT string_agg(DISTINCT backend_type || ' ' || usename, ', ' ORDER BY backend_type || ' ' || usename)
FROM pg_stat_activity WHERE backend_type LIKE 'journey_orch %' AND datname IS NOT NULL}),
	'journey_orch supervisor journey_orch_engine, journey_orch worker journey_orch_engine',
	'whoever is connected to the database is the engine role');
is( $node->safe_psql('postgres', q{
SELECT process, database, state, lanes FROM journey_orch.worker_status WHERE process <> 'worker'
UNION ALL
SELECT process, database, NULL, lanes FROM journey_orch.worker_status WHERE process = 'worker'
ORDER BY 1, 4}),
	"launcher||running|\nsupervisor|postgres|running|\n"
	  . "worker|postgres||{0,2,4,6,8,10,12,14}\nworker|postgres||{1,3,5,7,9,11,13,15}",
	'worker_status');

# Terminated workers, supervisor and launcher come back within 5 s.
my $before = join ' ', worker_pids($node, 'postgres');
within(5, 'the restart of terminated workers', sub {
	is(terminate($node, "backend_type = 'journey_orch worker'"), 2, 'two workers terminated');
	ok( $node->poll_query_until('postgres', qq{
SELECT count(*) = 2 FROM journey_orch.worker_status
WHERE process = 'worker' AND pid IS NOT NULL AND pid <> ALL (string_to_array('$before', ' ')::int[])}),
		'two new workers');
});
within(5, 'the restart of a terminated supervisor', sub {
	is(terminate($node, "backend_type = 'journey_orch supervisor'"), 1, 'supervisor terminated');
	wait_workers($node, 'postgres', 2);
});
within(5, 'the restart of a terminated launcher', sub {
	is(terminate($node, "backend_type = 'journey_orch launcher'"), 1, 'launcher terminated');
	ok( $node->poll_query_until('postgres', q{
SELECT count(*) = 1 FROM journey_orch.worker_status WHERE process = 'launcher' AND pid IS NOT NULL}),
		'a new launcher');
});
emit($node, 'postgres', 100);
wait_applied($node, 'postgres', 200);

# kill -9 of a worker: the server restarts, the events are applied once.
my ($victim) = worker_pids($node, 'postgres');
emit($node, 'postgres', 100);
kill_hard($node, $victim);
wait_workers($node, 'postgres', 2, 'workers after a crash');
emit($node, 'postgres', 100);
wait_applied($node, 'postgres', 400, 'nothing lost, nothing applied twice');

# A reload changes the number of workers.
$node->safe_psql('postgres', 'ALTER SYSTEM SET journey_orch.workers = 4');
$node->reload;
wait_workers($node, 'postgres', 4, 'reload to 4 workers');
$node->safe_psql('postgres', 'ALTER SYSTEM SET journey_orch.workers = 1');
$node->reload;
wait_workers($node, 'postgres', 1, 'reload to 1 worker');
emit($node, 'postgres', 100);
wait_applied($node, 'postgres', 500);
$node->safe_psql('postgres', 'ALTER SYSTEM RESET journey_orch.workers');
$node->reload;
wait_workers($node, 'postgres', 2, 'reload to 2 workers');

# A lane that cannot go on does not stop the others, even with one worker for
# both; a cancel by somebody who is no superuser ends the batch only.
$node->safe_psql('postgres', q{
CREATE ROLE guard LOGIN IN ROLE pg_signal_backend;
ALTER SYSTEM SET journey_orch.batch_timeout = '200ms'});
$node->reload;
my $release = holder('postgres', 'LOCK TABLE journey_orch.lane_cursor_00_0');
my $customers = $node->safe_psql('postgres', q{
SELECT count(*) FILTER (WHERE journey_orch.lane_of(i::text) <> 0) FROM generate_series(1, 100) i});
emit($node, 'postgres', 100);
ok( $node->poll_query_until('postgres', q{
SELECT count(*) = 1 FROM journey_orch.worker_status
WHERE failing_lanes = '{0}' AND last_error ~ '^lane 0: .*statement timeout'}),
	'the batch is canceled by its own timeout, and the worker says which');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM journey_orch._lane_owner() WHERE pid IS NOT NULL"),
	16, 'every lane still has an owner');
$release->();
wait_applied($node, 'postgres', 600, 'the lane goes on when the lock is gone');
ok( $node->poll_query_until('postgres', q{
SELECT bool_and(failing_lanes = '{}') FROM journey_orch.worker_status WHERE process = 'worker'}),
	'and fails no more');
like(slurp_file($node->logfile), qr/while advancing lane 0/, 'the log names the lane');

$node->safe_psql('postgres', 'ALTER SYSTEM RESET journey_orch.batch_timeout');
$node->reload;
$before = join ' ', worker_pids($node, 'postgres');
$release = holder('postgres', 'LOCK TABLE journey_orch.lane_cursor_00_0');
emit($node, 'postgres', 100);
ok( $node->poll_query_until('postgres', q{
SELECT count(*) = 1 FROM pg_stat_activity
WHERE backend_type = 'journey_orch worker' AND wait_event_type = 'Lock'}), 'a batch is stuck');
my $stuck = $node->safe_psql('postgres', q{
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'journey_orch worker' AND wait_event_type = 'Lock'});
is( $node->safe_psql('postgres', "SELECT pg_cancel_backend($stuck)", extra_params => [ '-U', 'guard' ]),
	't', 'canceled by a role with pg_signal_backend');
ok( $node->poll_query_until('postgres', q{
SELECT count(*) = 1 FROM journey_orch.worker_status WHERE last_error ~ 'due to user request'}),
	'the worker says so');
$release->();
wait_applied($node, 'postgres', 700, 'the canceled batch is done again');
is(join(' ', worker_pids($node, 'postgres')), $before, 'by the same workers');

# stop_worker() and start_worker() steer the launcher.
is($node->safe_psql('postgres', 'SELECT journey_orch.stop_worker()'), '2', 'stop_worker() stops two');
is($node->safe_psql('postgres', 'SELECT journey_orch.stop_worker()'), '0', 'and then none');
emit($node, 'postgres', 100);
is($node->safe_psql('postgres', "SELECT journey_orch.settle('0.2 s')"), 'f', 'nothing settles without workers');
terminate($node, "backend_type = 'journey_orch launcher'");
is( $node->safe_psql('postgres',
		"SELECT state FROM journey_orch.worker_status WHERE process = 'supervisor'"),
	'stopped', 'it stays stopped');
cmp_ok($node->safe_psql('postgres', 'SELECT journey_orch.start_worker()'), '>=', 1, 'start_worker()');
cmp_ok($node->safe_psql('postgres', 'SELECT journey_orch.start_worker()'), '>=', 1, 'again');
wait_workers($node, 'postgres', 2);
wait_applied($node, 'postgres', 800);

# A timer fires by itself under the real clock, and when a virtual one moves.
$node->safe_psql('postgres', q{
SELECT journey_orch.define('{"journey": "soon", "entry": {"on": "started"}, "start": "pause",
  "steps": {"pause": {"delay": "200 milliseconds", "next": "done"}, "done": {"exit": "done"}}}');
SELECT journey_orch.publish('soon')});
$node->safe_psql('postgres', q{SELECT journey_orch.emit('started', 'early')});
ok($node->poll_query_until('postgres', 'SELECT sum(entered) = 1 AND sum(ended) = 1 FROM journey_orch.lane_status'),
	'a delay ends by the real clock');
$node->safe_psql('postgres', q{
SELECT journey_orch.set_clock(now() + interval '1 day'); SELECT journey_orch.emit('started', 'late')});
is($node->safe_psql('postgres', 'SELECT journey_orch.settle()'), 't', 'settled at a virtual instant');
is($node->safe_psql('postgres', 'SELECT sum(entered), sum(ended) FROM journey_orch.lane_status'), '2|1',
	'a delay does not end while the virtual clock stands');
$node->safe_psql('postgres', q{SELECT journey_orch.advance_clock(interval '199 milliseconds')});
is($node->safe_psql('postgres', 'SELECT journey_orch.settle()'), 't', 'settled just before');
is($node->safe_psql('postgres', 'SELECT sum(ended) FROM journey_orch.lane_status'), '1', 'nor a moment too early');
$node->safe_psql('postgres', q{SELECT journey_orch.advance_clock(interval '1 millisecond')});
is($node->safe_psql('postgres', 'SELECT journey_orch.settle()'), 't', 'settled at the instant');
is($node->safe_psql('postgres', 'SELECT sum(ended) FROM journey_orch.lane_status'), '2', 'it ends to the moment');

# Without the privilege, nothing.
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
my ($status, $out, $err) = $node->psql('postgres', 'SELECT journey_orch.stop_worker()',
	extra_params => [ '-U', 'nobody' ]);
like($err, qr/permission denied/, 'stop_worker() is for operators');

# CALL run() works beside busy workers, and nowhere else than it should.
emit($node, 'postgres', 100);
$node->safe_psql('postgres', 'CALL journey_orch.run()');
wait_applied($node, 'postgres', 902, 'run() beside workers');
for my $case (
	[ 'BEGIN; CALL journey_orch.run()', 'inside a transaction block' ],
	[ 'DO $$ BEGIN PERFORM 1; EXCEPTION WHEN others THEN NULL; END $$; CALL journey_orch.run(max_batches => 0)', 'max_batches must be at least 1' ],
	[ "SET default_transaction_isolation = 'repeatable read'; CALL journey_orch.run()", 'READ COMMITTED' ])
{
	my ($sql, $message) = @$case;
	($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	like($err, qr/ERROR:\s+(25001|22023): .*\Q$message\E/, "run(): $message");
}

# Whatever the database's settings are, the workers pin their own.
$node->safe_psql('postgres', 'CREATE DATABASE hostile');
$node->safe_psql('hostile', 'CREATE EXTENSION journey_orch');
for my $setting ("default_transaction_isolation = 'serializable'", 'default_transaction_read_only = on',
	"search_path = ''", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'", "TimeZone = 'Asia/Kathmandu'",
	"bytea_output = 'escape'", 'extra_float_digits = -15', 'standard_conforming_strings = off',
	'row_security = off', "statement_timeout = '1ms'", "lock_timeout = '1ms'", "session_replication_role = 'replica'")
{
	$node->safe_psql('postgres', "ALTER DATABASE hostile SET $setting");
}
terminate($node, "datname = 'hostile'");
{
	local $ENV{PGOPTIONS} = '-c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0';
	emit($node, 'hostile', 100);
	wait_applied($node, 'hostile', 100, 'workers under hostile settings');
}
$node->safe_psql('postgres', 'DROP DATABASE hostile');

# Nothing hangs at shutdown: neither a batch that waits for a lock, nor a worker
# whose commits no standby confirms.
$release = holder('postgres', 'LOCK TABLE journey_orch.lane_cursor');
emit($node, 'postgres', 100);
ok( $node->poll_query_until('postgres', q{
SELECT count(*) > 0 FROM pg_stat_activity
WHERE backend_type = 'journey_orch worker' AND wait_event_type = 'Lock'}), 'a batch is stuck');
within(5, 'a fast shutdown', sub { $node->stop('fast') });
eval { $release->() };
$node->start;
wait_workers($node, 'postgres', 2, 'workers start at boot');
wait_applied($node, 'postgres', 1002);
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'absent'");
$node->reload;
$node->safe_psql('postgres', "SET synchronous_commit = local; SELECT journey_orch.emit('happened', '1')");
wait_applied($node, 'postgres', 1003, 'without the synchronous standby');
within(5, 'a fast shutdown of idle workers', sub { $node->stop('fast') });

done_testing();
