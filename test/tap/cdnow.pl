# test/tap/cdnow.pl: a year and a half of real purchases, four ways.
#
# Loads the CDNOW purchases day by day under the virtual clock into a watched
# table, with the journey test/cdnow/cycle.json published before the first one,
# and compares every enrollment, message and converted value with the plain SQL
# of test/cdnow/reference.sql.  How often the engine gets its turn, and whether
# CALL run or one worker or four do the work, must make no difference.
#
# Would catch: an event lost or applied twice at a window's edge, a timer that
# fires before the purchase of its own instant, a re-entry that misses the
# purchase that ended the last run, two same-day purchases in the wrong order.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $file = $ENV{CDNOW} // '';
plan skip_all => 'cdnow: the purchases are absent; name the file with CDNOW=path'
  unless -r $file;
my $tree = $ENV{JO_TREE} // '.';

# One server each for CALL run, for one worker and for four.
sub new_node
{
	my ($name, $workers) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	$node->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'journey_orch'
journey_orch.autostart = @{[ $workers ? 'on' : 'off' ]}
journey_orch.workers = @{[ $workers || 1 ]}
max_worker_processes = 16
synchronous_commit = off
});
	$node->start;
	return $node;
}

# The whole load as one psql script: a transaction a day, and "turn" after
# every "days" of them and at the end.
sub script
{
	my ($node, $db, $days, $turn) = @_;
	my @days = split /\n/, $node->safe_psql($db, 'SELECT DISTINCT day FROM cdnow.purchase ORDER BY day');
	my @lines = ('SET timezone = UTC;');
	my $n = 0;

	for my $day (@days)
	{
		push @lines, 'BEGIN;', "SELECT journey_orch.set_clock('$day 00:00:00+00');",
		  'INSERT INTO public.purchase (line, customer, amount) SELECT line, customer, amount'
		  . " FROM cdnow.purchase WHERE day = '$day' ORDER BY line;",
		  'COMMIT;';
		push @lines, $turn if ++$n % $days == 0;
	}
	push @lines, "SELECT journey_orch.set_clock(timestamptz '$days[-1] 00:00:00+00' + interval '120 days');", $turn;
	return join "\n", @lines;
}

sub run_once
{
	my ($node, $db, $days, $turn) = @_;
	my $set_up = sub {
		my ($script, @variables) = @_;
		$node->command_ok([ 'psql', '-qXAt', '-v', 'ON_ERROR_STOP=1', (map { ('-v', $_) } @variables),
			'-d', $node->connstr($db), '-f', "$tree/test/cdnow/$script" ], "$db: $script");
		BAIL_OUT("$script failed") unless Test::More->builder->is_passing;
	};

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$set_up->('load.sql', "file=$file");
	$set_up->('reference.sql');
	$set_up->('shop.sql', "journey=$tree/test/cdnow/cycle.json");
	$set_up->('compare.sql');

	my $from = time;
	my ($stdout, $stderr) = ('', '');
	my $status = $node->psql($db, script($node, $db, $days, $turn), stdout => \$stdout, stderr => \$stderr,
		on_error_stop => 1, timeout => 400);
	is($status, 0, "$db: every day was loaded") or diag($stderr);
	unlike($stdout, qr/^f$/m, "$db: settle() always came back in time");

	is($node->safe_psql($db, 'SELECT count(*) FROM public.purchase'),
		$node->safe_psql($db, 'SELECT count(*) FROM cdnow.purchase'), "$db: every purchase is there");
	is($node->safe_psql($db, 'SELECT * FROM cdnow.difference ORDER BY customer, kind, at LIMIT 20'),
		'', "$db: engine and reference agree, customer by customer");
	is($node->safe_psql($db, 'SELECT law, detail FROM journey_orch.verify() WHERE holds IS NOT TRUE'),
		'', "$db: the laws hold");
	is($node->safe_psql($db, 'SELECT sum(active), sum(parked) FROM journey_orch.journey_status'),
		'0|0', "$db: nobody is left inside");
	note("cdnow $db (" . (time - $from) . " s) $_")
	  for split /\n/, $node->safe_psql($db, q{SELECT kind || ' ' || what || ': engine '
		|| coalesce(sum(number) FILTER (WHERE side = 'engine'), 0) || coalesce(' of ' || sum(value) FILTER (WHERE side = 'engine'), '')
		|| ', reference '
		|| coalesce(sum(number) FILTER (WHERE side = 'reference'), 0) || coalesce(' of ' || sum(value) FILTER (WHERE side = 'reference'), '')
		FROM cdnow.total GROUP BY kind, what ORDER BY kind, what});
	return $node->safe_psql($db, q{SELECT md5(string_agg(h::text, ',' ORDER BY kind, customer, what, since, at, value)) FROM cdnow.happened AS h});
}

my $call = 'CALL journey_orch.run();';
my $settle = q{SELECT journey_orch.settle('60 s');};
my @results;

my $node = new_node('call', 0);
push @results, run_once($node, 'run_daily', 1, $call);
push @results, run_once($node, 'run_weekly', 7, $call);
$node->stop;
$node = new_node('one', 1);
push @results, run_once($node, 'one_worker', 7, $settle);
$node->stop;
$node = new_node('four', 4);
push @results, run_once($node, 'four_workers', 7, $settle);
$node->stop;

is($results[$_], $results[0], "run $_ gives what run 0 gave") for 1 .. 3;

done_testing();
