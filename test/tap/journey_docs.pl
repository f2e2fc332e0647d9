# test/tap/journey_docs.pl: docs/journeys.md is true.
#
# Runs its SQL blocks in order, checks that each of its JSON blocks is a
# definition without an error, lets a customer arrive for each row of the table
# of due times, and compares the table of findings in
# docs/errors.md with the one in the source.  Would catch: an example that
# nobody ran, a code that was added or renamed without its line.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = $ENV{JO_TREE} // '.';
my $node = PostgreSQL::Test::Cluster->new('journey_docs');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION journey_orch');

my $text = slurp_file("$tree/docs/journeys.md");
my ($sql, $json) = (0, 0);
while ($text =~ /^```(sql|json)\n(.*?)^```/msg)
{
	my ($kind, $block) = ($1, $2);
	if ($kind eq 'sql')
	{
		$node->safe_psql('postgres', $block);
		$sql++;
		next;
	}
	$json++;
	my ($title) = $block =~ /"journey": "(\w+)"/;
	is($node->safe_psql('postgres', 'SELECT severity, code, path, message FROM'
			. " journey_orch.check_definition(\$json\$$block\$json\$)"),
		'', "definition $title has no finding");
}
cmp_ok($sql, '>=', 2, 'the SQL blocks ran');
cmp_ok($json, '>=', 9, 'the definitions were found');

# "| zone | arrival | delay | due |"
my @rows = $text =~ /^\| ([\w\/]+) \| (\d{4}-\d\d-\d\d [^|]+?) \| `(.+?)` \| ([^|]+?) \|$/mg;
my ($n, $wrong) = (1000, '');
my %row;
while (my ($zone, $arrival, $delay, $due) = splice @rows, 0, 4)
{
	$row{ ++$n } = { arrival => $arrival, delay => $delay, due => $due };
	$node->safe_psql('postgres', qq{
INSERT INTO shop.customer (id, timezone) VALUES ($n, '$zone');
SELECT journey_orch.define(jsonb_build_object('journey', 'row_$n', 'entry', '{"on": "row_$n"}'::jsonb, 'start', 'a', 'steps',
  jsonb_build_object('a', jsonb_build_object('delay', \$d\$$delay\$d\$::jsonb, 'next', 'b'), 'b', '{"exit": "done"}'::jsonb)));
SELECT * FROM journey_orch.publish('row_$n')});
}
for my $i (sort { $a <=> $b } keys %row)
{
	my ($arrival, $due) = @{ $row{$i} }{qw(arrival due)};

	$due = $arrival if $due eq 'at once';
	my $found = $node->safe_psql('postgres', qq{
SELECT journey_orch.set_clock('$arrival', force => true);
SELECT journey_orch.emit('row_$i', '$i');
CALL journey_orch.run();
SELECT journey_orch.set_clock(timestamptz '$due' - interval '1 microsecond', force => true) WHERE timestamptz '$due' > '$arrival';
CALL journey_orch.run();
SELECT journey_orch.set_clock('$due');
CALL journey_orch.run();
SELECT 'due ' || (clock = '$due') FROM journey_orch.step_log WHERE customer_id = '$i' AND from_step = 'a' AND outcome = 'advanced'});
	$wrong .= "row $i: $row{$i}{delay} from $arrival\n" unless $found =~ /^due true$/m;
}
is($wrong, '', 'the due times are those of the table');
cmp_ok(scalar keys %row, '>=', 30, 'rows: ' . keys %row);

my %documented = slurp_file("$tree/docs/errors.md") =~ /^\| `([a-z_]+)` \| (\w+) \|/mg;
my %source = map { split /\|/ }
  split /\n/, $node->safe_psql('postgres', 'SELECT code, severity FROM journey_orch._finding_codes()');
is_deeply(\%documented, \%source, 'docs/errors.md lists the codes of the source');

$node->stop;
done_testing();
