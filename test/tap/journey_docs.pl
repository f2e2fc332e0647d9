# test/tap/journey_docs.pl: docs/journeys.md is true.
#
# Runs its SQL blocks in order, checks that each of its JSON blocks is a
# definition without an error, and compares the table of findings in
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

my %documented = slurp_file("$tree/docs/errors.md") =~ /^\| `([a-z_]+)` \| (\w+) \|/mg;
my %source = map { split /\|/ }
  split /\n/, $node->safe_psql('postgres', 'SELECT code, severity FROM journey_orch._finding_codes()');
is_deeply(\%documented, \%source, 'docs/errors.md lists the codes of the source');

$node->stop;
done_testing();
