# test/tap/JoWorker.pm: what the tests of the worker room share.
package JoWorker;
use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(new_node use_database emit wait_workers wait_applied
  worker_pids within terminate kill_hard);

# A server with the library preloaded, unless "preload" says otherwise.
sub new_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => $options{streaming} // 0);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'journey_orch'")
	  unless exists $options{preload} && !$options{preload};
	$node->append_conf('postgresql.conf', qq{
max_worker_processes = 12
restart_after_crash = on
log_line_prefix = '%m [%p] %b %d '
} . ($options{conf} // ''));
	$node->start;
	return $node;
}

# A database with the extension and one event in its log.
sub use_database
{
	my ($node, $db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db") unless $db eq 'postgres';
	$node->safe_psql($db, 'CREATE EXTENSION journey_orch');
	emit($node, $db, 1);
}

# One event for each of the customers 1 to n; they fall into every lane.
sub emit
{
	my ($node, $db, $customers) = @_;

	$node->safe_psql($db,
		"SELECT count(journey_orch.emit('happened', i::text)) FROM generate_series(1, $customers) i");
}

# Wait until n lane workers run in the database and every lane has an owner.
sub wait_workers
{
	my ($node, $db, $n, $what) = @_;

	ok($node->poll_query_until($db, qq{
SELECT (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'journey_orch worker' AND datname = '$db') = $n
  AND (SELECT count(*) FROM journey_orch._lane_owner() WHERE pid IS NOT NULL) = }
			. ($n > 0 ? 16 : 0)), $what // "$n workers in $db");
}

# Wait until all events are applied and none is pending.
sub wait_applied
{
	my ($node, $db, $n, $what) = @_;

	ok($node->poll_query_until($db,
			"SELECT sum(applied) = $n AND sum(lag_events) = 0 FROM journey_orch.lane_status"),
		$what // "$n events applied in $db");
}

sub worker_pids
{
	my ($node, $db) = @_;

	return split /\n/, $node->safe_psql('postgres', qq{
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'journey_orch worker' AND datname = '$db' ORDER BY pid});
}

# Kill a process of the server with SIGKILL; returns when the server has started
# again.  Before the postmaster notices, everything looks as if nothing happened.
sub kill_hard
{
	my ($node, $pid) = @_;
	my $log_end = -s $node->logfile;

	kill 'KILL', $pid or return;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_end);
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server is gone';
}

# Run the code and require that it takes at most this many seconds.
sub within
{
	my ($seconds, $what, $code) = @_;
	my $from = time;

	$code->();
	my $took = time - $from;
	cmp_ok($took, '<', $seconds, sprintf '%s takes less than %g s', $what, $seconds);
}

# Terminate every process that the condition on pg_stat_activity selects.
sub terminate
{
	my ($node, $condition) = @_;

	return $node->safe_psql('postgres',
		"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE $condition");
}

1;
