# test/tap/run_here.pl: a test suite that uses run_here() beside busy workers.
#
# Clients order for customers of all lanes, now and then for those that the test is
# about, as fast as four workers apply it.  Meanwhile test/pgtap/parts/thanks_test.sql
# is run again and again, and one such transaction is held open until every lane
# has gone on.
#
# Would catch: a trial that waits for a worker or makes one wait, a trial's row
# or clock that somebody else sees, an event that the rollback loses or that is
# applied twice.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $tree = $ENV{JO_TREE} // '.';
my $node = new_node('run_here', conf => "journey_orch.workers = 4\nlog_lock_waits = on\ndeadlock_timeout = 100ms\n");
my @psql = ('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'));

sub sql { return $node->safe_psql('postgres', $_[0]) }

use_database($node, 'postgres');
sql('CREATE EXTENSION pgtap');
wait_workers($node, 'postgres', 4, 'four workers are there');
is($node->psql('postgres', "\\i $tree/test/pgtap/parts/thanks_shop.sql"), 0, 'the shop is open');
sql(q{INSERT INTO shop.customer SELECT n, n || '@example.com' FROM generate_series(101, 2000) AS n});
sql('CREATE TABLE public.before (lane int, applied bigint)');
my $laws = q{SELECT law, holds, detail FROM journey_orch.verify('full') ORDER BY law};
my $before = sql($laws);
unlike($before, qr/\|f\|/, 'the laws hold before');

# The clients: orders in transactions of twenty, until the shop is closed.
my $clients = q{
DO $$
BEGIN
  LOOP
    INSERT INTO shop.orders (customer, source, amount) SELECT CASE WHEN random() < 0.002 THEN (1 + random() * 99)::int ELSE (101 + random() * 1899)::int END, 'client', 5 FROM generate_series(1, 20);
    COMMIT;
    PERFORM journey_orch.settle('1 minute');
    EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'closing_time');
  END LOOP;
END
$$};
my @clients = map { IPC::Run::start([ @psql, '-c', $clients ], IPC::Run::timeout(150)) } 1 .. 2;
my $moved = q{SELECT count(*) = 16 FROM journey_orch.lane_status AS s JOIN public.before AS b USING (lane) WHERE s.applied > b.applied};
my $look = 'TRUNCATE public.before; INSERT INTO public.before SELECT lane, applied FROM journey_orch.lane_status';
sql($look);
ok($node->poll_query_until('postgres', $moved), 'every lane is busy');

# One transaction, held open after it has written in every lane.
my ($in, $out, $err) = ('', '', '');
my $session = IPC::Run::start([ @psql ], '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(150));
$in = q{BEGIN;
INSERT INTO shop.orders (customer, source, amount) SELECT id, 'held', 20 FROM shop.customer WHERE id::int <= 100;
SELECT journey_orch.advance_clock('2 days', force => true) > now();
SELECT 'ran', journey_orch.run_here() > 0;
};
$session->pump until $out =~ /ran\|t/ || $err ne '';
is($err, '', 'the trial has run in all lanes');
sql($look);
ok($node->poll_query_until('postgres', $moved), 'and while it is open every lane goes on');
is(sql(q{SELECT count(*) FROM journey_orch.trial_enrollment}), '0', 'nobody else sees its rows');
is(sql(q{SELECT journey_orch.clock() < now() + interval '1 hour'}), 't', 'or its clock');
$in = q{SELECT 'sent', count(DISTINCT m.template), count(DISTINCT m.customer_id) FROM journey_orch.message_status AS m
  JOIN journey_orch.enrollment_status AS e USING (enrollment_id) JOIN shop.orders AS o ON o.id::text = e.key WHERE o.source = 'held';
ROLLBACK;
\echo over
};
$session->pump until $out =~ /over/ || $err ne '';
like($out, qr/sent\|2\|100/, 'it still sees what it sent, of two days');
$in = "\\q\n";
finish $session;

# The test itself, as a suite would run it.
my $failed = 0;
for my $round (1 .. 5)
{
	my ($said, $wrong) = ('', '');
	my $status = IPC::Run::run([ @psql, '-f', "$tree/test/pgtap/parts/thanks_test.sql" ], '>', \$said, '2>', \$wrong,
		IPC::Run::timeout(60));
	$failed++ unless $status && $wrong eq '' && (() = $said =~ /^ok /mg) == 7 && $said !~ /^not ok/m;
	diag($said . $wrong) if $failed == 1;
}
is($failed, 0, 'the test passes five times beside the clients');

sql('CREATE TABLE public.closing_time ()');
finish $_ or fail('a client failed') for @clients;
ok($node->poll_query_until('postgres', 'SELECT sum(lag_events) = 0 FROM journey_orch.lane_status'), 'everything is applied');
is(sql($laws), $before, 'the laws hold as before');
is(sql(q{SELECT count(*) FROM shop.orders WHERE source <> 'client'}), '0', 'no order of a test is left');
is( sql(q{SELECT count(*) FROM (SELECT id::text FROM shop.orders EXCEPT ALL
          (SELECT l.key FROM journey_orch.step_log AS l WHERE l.outcome = 'entered')) AS lost}) . ' '
	  . sql(q{SELECT count(*) FROM (SELECT l.key FROM journey_orch.step_log AS l WHERE l.outcome = 'entered'
          EXCEPT ALL SELECT id::text FROM shop.orders) AS more}),
	'0 0', 'each order of a client was thanked for once, and nothing else was');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'nobody has waited for somebody who waits');
$node->stop('fast');
done_testing();
