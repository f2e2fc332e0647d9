# test/tap/crash.pl: the server dies again and again while everything is busy.
#
# Three clients insert into a watched table, two workers advance journeys with
# timers and messages, a relay claims.  Ten times a worker is killed, three times
# the server is stopped at once.  In the end every order that was committed has
# been applied exactly once, every run has gone all the way, every message that
# the relay was ever given exists, and every law holds.
#
# Would catch: a batch that is redone over what its first try left, a cursor that
# commits without its output, an event behind the position after a restart, a
# timer that is lost with the batch that armed it, a message handed out before
# the batch that wrote it was flushed, workers that do not come back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;
use POSIX ();

my $node = new_node('crash', conf => q{
journey_orch.workers = 2
journey_orch.batch_size = 100
max_connections = 30
});
my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';
my $given = PostgreSQL::Test::Utils::tempdir() . '/given';
my $script = PostgreSQL::Test::Utils::tempdir() . '/shop.pgbench';
my @children;

# Run the command again and again, whatever comes of it, until the end.
sub keep_running
{
	my ($out, @command) = @_;
	my $pid = fork() // die "fork: $!";

	if ($pid == 0)
	{
		open STDOUT, '>>', $out or POSIX::_exit(1);
		open STDERR, '>', '/dev/null' or POSIX::_exit(1);
		until (-e $stop) { system @command }
		POSIX::_exit(0);
	}
	push @children, $pid;
}

sub end_children
{
	append_to_file($stop, 'stop');
	waitpid $_, 0 for splice @children;
}
END { my $status = $?; end_children() if @children; $? = $status }

# Wait until so many more events were applied than there were.
sub wait_progress
{
	my ($events) = @_;
	my $applied = 'SELECT coalesce(sum(applied), 0) FROM journey_orch._lane_position';

	my $from = $node->safe_psql('postgres', $applied);
	return $node->poll_query_until('postgres', "SELECT ($applied) >= $from + $events");
}

$node->safe_psql('postgres', q{
CREATE EXTENSION journey_orch;
CREATE TABLE customer (id int PRIMARY KEY, name text);
INSERT INTO customer SELECT i, 'name ' || i FROM generate_series(1, 100) i;
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL, client int);
SELECT journey_orch.bind_customer('customer', 'id');
SELECT journey_orch.watch('orders', 'ordered', 'NEW.customer');
SELECT journey_orch.set_channel('email', 'customer.name');
SELECT journey_orch.set_template('thanks', 'email', 'Thanks for {{ event->>''id'' }}');
SELECT journey_orch.define('{"journey": "order", "entry": {"on": "ordered", "reentry": {"policy": "any"}}, "start": "rest",
  "steps": {"rest": {"delay": "20 milliseconds", "next": "thanks"}, "thanks": {"send": {"channels": ["email"], "template": "thanks"}, "next": "wait"},
            "wait": {"wait": {"for": [{"on": "never", "next": "done"}], "until": {"after": "100 milliseconds", "next": "done"}}}, "done": {"exit": "done"}}}');
SELECT journey_orch.publish('order')});
append_to_file($script, q{
\set customer random(1, 100)
\set rows random(1, 5)
BEGIN;
INSERT INTO orders (customer, client) SELECT 1 + (:customer + i) % 100, :client_id FROM generate_series(1, :rows) i;
SAVEPOINT s;
INSERT INTO orders (customer, client) VALUES (:customer, -1);
ROLLBACK TO SAVEPOINT s;
COMMIT;
});
my @psql = ('psql', '-XAtq', '-d', $node->connstr('postgres'));
keep_running('/dev/null', 'pgbench', '-n', '-c', '1', '-R', '60', '-T', '3', '-f', $script, $node->connstr('postgres')) for 1 .. 3;
keep_running($given, @psql, '-c', "SELECT message_id FROM journey_orch.claim('email', 'relay', 100, '1 hour')");

for my $round (1 .. 13)
{
	ok(wait_progress(100), "round $round: events are applied");
	if ($round % 4 == 0)
	{
		$node->stop('immediate');
		$node->start;
		next;
	}
	my ($victim) = worker_pids($node, 'postgres');
	kill_hard($node, $victim) if $victim;
}

ok(wait_progress(100), 'and once more');
end_children();
is($node->safe_psql('postgres', "SELECT journey_orch.settle('60 s')"), 't', 'settled');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM journey_orch.enrollment'), 'every run has ended');

is( $node->safe_psql('postgres', q{
SELECT count(*) FROM public.orders o FULL JOIN journey_orch.event e ON (e.payload->>'id')::bigint = o.id WHERE o.id IS NULL OR e.seq IS NULL}),
	'0', 'an event for each committed order, and for no other');
is( $node->safe_psql('postgres', q{
SELECT count(*) FROM journey_orch.event e LEFT JOIN (SELECT event_id, count(*) AS n FROM journey_orch.step_log WHERE outcome = 'entered' GROUP BY event_id) AS l
  ON l.event_id = e.seq WHERE l.n IS DISTINCT FROM 1}),
	'0', 'each was applied exactly once');
is( $node->safe_psql('postgres', q{
SELECT string_agg(DISTINCT path, '; ') FROM (SELECT string_agg(outcome || ' ' || coalesce(to_step, reason), ', ' ORDER BY visit, outcome = 'ended') AS path
  FROM journey_orch.step_log GROUP BY enrollment_id) AS p}),
	'entered rest, advanced thanks, advanced wait, advanced done, ended done', 'every run took every step once');
is( $node->safe_psql('postgres', q{
SELECT count(*) = count(DISTINCT id) AND count(*) = count(DISTINCT enrollment_id) AND count(*) = (SELECT count(*) FROM public.orders) FROM journey_orch.outbox}),
	't', 'a message for each order, with an id of its own');
is($node->safe_psql('postgres', q{SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds}), '', 'every law holds');

$node->safe_psql('postgres', "CREATE TABLE given (message_id uuid); COPY given FROM '$given'");
is( $node->safe_psql('postgres', q{
SELECT count(*) FROM given WHERE NOT EXISTS (SELECT FROM journey_orch.outbox o WHERE o.id = message_id)}),
	'0', 'every message that the relay was given exists');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM given'), '>', 100, 'and it was given many');
note($node->safe_psql('postgres', "SELECT count(*) || ' orders' FROM public.orders"));
done_testing();
