# test/tap/steps.pl: how often the engine gets its turn changes nothing.
#
# The same month of events (test/steps/journeys.sql) is applied in small steps
# of the virtual clock, in one big one, by bounded runs after the fact, and in
# batches of 1, 3 and 1000 events.  Every advance, message, run and memory must
# be the same, with the same instants.
#
# Would catch: a timer that overtakes an event of its own or an earlier instant,
# a due time that is counted from the batch instead of the input, an order of
# customers that leaks into results, an event that is lost where a window is
# cut, a hint that is looked at before the run that it is for.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = $ENV{JO_TREE} // '.';
my $node = PostgreSQL::Test::Cluster->new('steps');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'journey_orch'
journey_orch.autostart = off
synchronous_commit = off
});
$node->start;

# Statements, one a row: the clock and the events of an instant, and run()
# whenever "hours" have passed (0: not before the end).
my $live = q{
SELECT statement FROM history_step, unnest(ARRAY[
  format('SELECT journey_orch.set_clock(%L)', instant), format('SELECT journey_orch.emit_many(%L)', events),
  CASE WHEN :hours > 0 AND extract(epoch FROM instant)::bigint / 3600 % greatest(:hours, 1) = 0 THEN 'CALL journey_orch.run()' END]) WITH ORDINALITY AS u (statement, o)
WHERE statement IS NOT NULL ORDER BY instant, o \gexec
};

# What is applied how: name, batch_size, hours between runs, what follows the
# last event.
my $end = "SELECT journey_orch.set_clock('2026-06-01 00:00+00');";
my @ways = (
	[ 'small_steps', 1000, 3, "$end\nCALL journey_orch.run();" ],
	[ 'one_step', 1000, 0, "$end\nCALL journey_orch.run();" ],
	[ 'daily_batches_of_3', 3, 24, "$end\nCALL journey_orch.run();" ],
	[ 'batches_of_1', 1, 0, "$end\nCALL journey_orch.run();" ],
	[ 'bounded_runs', 3, 0, qq{$end
SELECT format('CALL journey_orch.run(until => %L)', t) FROM generate_series(timestamptz '2026-03-15 00:00+00', '2026-06-01 00:00+00', '33 hours') AS t \\gexec
CALL journey_orch.run();} ]);

my (%outcome, $first);
for my $way (@ways)
{
	my ($db, $batch, $hours, $last) = @$way;

	$node->safe_psql('postgres', "ALTER SYSTEM SET journey_orch.batch_size = $batch");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('journey_orch.batch_size') = '$batch'");
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->command_ok([ 'psql', '-qXAt', '-o', '/dev/null', '-d', $node->connstr($db), '-f', "$tree/test/steps/journeys.sql" ], "$db: set up");
	my ($out, $err) = ('', '');
	my $status = $node->psql($db, qq{
\\set hours $hours
\\o /dev/null
CREATE TEMP VIEW history_step AS SELECT instant, jsonb_agg(event ORDER BY i) AS events FROM public.history GROUP BY instant;
$live
$last
}, stdout => \$out, stderr => \$err, on_error_stop => 1, timeout => 200);
	is($status, 0, "$db: a month has passed") or diag($err);
	is($node->safe_psql($db, 'SELECT law, detail FROM journey_orch.verify(\'full\') WHERE NOT holds'), '', "$db: every law holds");
	$outcome{$db} = $node->safe_psql($db, 'SET timezone = UTC; SELECT what, line FROM public.outcome ORDER BY what, line COLLATE "C"');
	if (!defined $first)
	{
		$first = $db;
		my %count;
		$count{$1}++ while $outcome{$db} =~ /^(\w+)\|/mg;
		cmp_ok($count{log}, '>', 8000, 'many advances');
		cmp_ok($count{attempt}, '>', 500, 'many messages');
		cmp_ok($count{withdrawal}, '>', 10, 'some withdrawn');
		is($node->safe_psql($db, "SELECT string_agg(DISTINCT outcome, ' ' ORDER BY outcome) FROM journey_orch.step_log"),
			'advanced converted ended entered parked refused restarted', 'of every outcome');
		next;
	}
	next if ok($outcome{$db} eq $outcome{$first}, "$db: the same as $first");
	my %seen = map { $_ => 1 } split /\n/, $outcome{$first};
	my @more = grep { !delete $seen{$_} } split /\n/, $outcome{$db};
	diag("only in $db:\n" . join("\n", @more[ 0 .. ($#more < 5 ? $#more : 5) ]));
	my @less = sort keys %seen;
	diag("only in $first:\n" . join("\n", @less[ 0 .. ($#less < 5 ? $#less : 5) ]));
}

done_testing();
