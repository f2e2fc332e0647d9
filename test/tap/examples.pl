# test/tap/examples.pl: the journeys of examples/, day by day under the virtual
# clock.
#
# Loads each example's own files into a database, plays its story with a turn a
# day, and compares every message (instant, channel, template, state, address,
# subject, body), conversion and end of a run (instant, reason, steps) with the
# messages.txt of the example, whose instants Python's zoneinfo computes
# (test/examples/expected.py).  Then plays it again with shorter steps, to the
# same end.  The pictures in the README are those that mermaid() draws.
#
# Would catch: a message an hour off after a clock change, or sent to somebody
# who has bought or opted out; a run that takes another way; an example that no
# longer loads; a result that depends on how often the engine gets its turn.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = $ENV{JO_TREE} // '.';
# Each example with its second length of a step, and how many people it has.
my @examples = (
	[ 'retail_acquisition', '12 hours', 13 ],
	[ 'saas_onboarding', '1 hour', 9 ],
	[ 'financial_cross_sell', '1 week', 13 ],
);
my $node = PostgreSQL::Test::Cluster->new('examples');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'journey_orch'
journey_orch.autostart = off
synchronous_commit = off
});
$node->start;

# Run a file of an example as its README says; returns what it printed.
sub run_file
{
	my ($db, $example, $file, @options) = @_;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', @options, '-d', $node->connstr($db),
			'-f', "$tree/examples/$example/$file" ], '>', \$out, '2>', \$err);

	ok($ok && $err eq '', "$db: $file") or diag($err);
	return $out;
}

# The story from the first day to the last; returns its lines, sorted.
sub play
{
	my ($db, $example, $step) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, 'CREATE EXTENSION journey_orch');
	run_file($db, $example, $_) for qw(schema.sql journey.sql);
	my $out = run_file($db, $example, 'story.sql', '-v', "step=$step");
	is($node->safe_psql($db, "SELECT law, detail FROM journey_orch.verify('full') WHERE holds IS NOT TRUE"), '',
		"$db: the laws hold");
	is($node->safe_psql($db, 'SELECT sum(active), sum(parked) FROM journey_orch.journey_status'), '0|0',
		"$db: nobody is left inside");
	return sort grep { $_ ne '' } split /\n/, $out;
}

# A message that a run waits for is acknowledged when the relay comes, so these
# ends do depend on how often it does.
sub without_relay
{
	return map { s/^(\w+) \|.*?\|.*?\| (\w+ ends: removed)/$1 | $2/r } @_;
}

for (@examples)
{
	my ($example, $step, $people) = @$_;
	my ($expected, $err) = ('', '');
	my $readme = slurp_file("$tree/examples/$example/README.md");

	IPC::Run::run([ 'python3', "$tree/test/examples/expected.py", "$tree/examples/$example/messages.txt" ],
		'>', \$expected, '2>', \$err) or BAIL_OUT($err);
	my @expected = sort split /\n/, $expected;
	my @found = play($example, $example, '1 day');
	my @names = split /\n/, $node->safe_psql($example, 'SELECT who FROM story.person ORDER BY who');
	is(scalar @names, $people, "$example: people in the story");
	for my $name (@names)
	{
		my @lines = grep { /^\Q$name\E \|/ } @found;
		is(join("\n", @lines), join("\n", grep { /^\Q$name\E \|/ } @expected),
			"$example: $name, " . (scalar grep { !/ (converts|ends: .*) \| / } @lines) . ' messages');
	}
	is(scalar @found, scalar @expected, "$example: every line belongs to somebody in the story");

	my @other = play("${example}_again", $example, $step);
	is(join("\n", without_relay(@other)), join("\n", without_relay(@found)), "$example: the same in steps of $step");

	for my $journey (split /\n/, $node->safe_psql($example, 'SELECT journey FROM journey_orch.journey_status ORDER BY journey'))
	{
		my $picture = $node->safe_psql($example, "SELECT journey_orch.mermaid('$journey')");
		$picture =~ s{\s+\z}{};
		ok(index($readme, "```mermaid\n$picture\n```") >= 0, "$example: the README has the picture of $journey")
		  or diag($picture);
	}
}

$node->stop;
done_testing();
