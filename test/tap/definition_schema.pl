# test/tap/definition_schema.pl: schema.json accepts exactly what the checker does.
#
# The grammar of definitions is published as JSON Schema 2020-12, for editors and
# other tools, and walked by our own code.  Here ajv, which is neither, judges
# the same definitions: those of the documentation, the schema's examples, and
# 1,000 mutations, other ones each time (SEED=n repeats a run).  A definition
# fits the grammar when check_definition() has no finding of a structural code,
# one listed before "not_built".  Would catch: a keyword that the checker
# overlooks, a length counted in bytes, a pattern read otherwise, a number
# rounded.  Skipped where npm cannot fetch ajv.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant AJV => 'ajv@8.17.1';
use constant MUTATIONS => 1000;

my $tree = $ENV{JO_TREE} // '.';
my $dir = PostgreSQL::Test::Utils::tempdir();
my $seed = $ENV{SEED} // time % 1_000_000_000;

# npm trusts whom the system trusts, as curl and apt do.
$ENV{NODE_OPTIONS} = '--use-openssl-ca';
my $said = '';
for my $program (qw(node npm))
{
	plan skip_all => "$program is not installed" unless eval { IPC::Run::run([ $program, '--version' ], '&>', \my $ignored) };
}
IPC::Run::run([ qw(npm install --no-audit --no-fund --no-package-lock --no-update-notifier --fetch-retries=1 --fetch-timeout=20000),
		'--cache', "$dir/cache", '--prefix', $dir, AJV ], '&>', \$said, IPC::Run::timeout(90))
  or plan skip_all => 'npm cannot fetch ' . AJV . ': ' . join(' ', grep { /code|ENOTFOUND|ETIMEDOUT|EAI_AGAIN/ } split /\n/, $said);

my $node = PostgreSQL::Test::Cluster->new('definition_schema');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION journey_orch');

# Definitions of the documentation, one a line.
my $bases = '';
for my $file (glob "$tree/docs/*.md $tree/README.md $tree/examples/*/*.sql")
{
	next unless -r $file;
	my $text = slurp_file($file);
	while ($text =~ /^```json\n(\{.*?"journey":.*?)^```/msg)
	{
		(my $line = $1) =~ s/\s*\n\s*/ /g;
		$bases .= "$line\n";
	}
	while ($text =~ /journey_orch\.define\((?:\$(\w*)\$|')(\{.*?\})\s*(?:\$\1\$|')\)/gs)
	{
		(my $line = $2) =~ s/\s*\n\s*/ /g;
		$line =~ s/''/'/g unless defined $1;
		$bases .= "$line\n";
	}
}
cmp_ok(($bases =~ tr/\n//), '>=', 10, 'the definitions of the documentation were found');
append_to_file("$dir/bases", $bases);
# the schema as users get it
append_to_file("$dir/schema.json", $node->safe_psql('postgres', 'SELECT journey_orch.definition_schema()'));

note("seed $seed");
$ENV{NODE_PATH} = "$dir/node_modules";
my $errors = '';
ok(IPC::Run::run([ 'node', "$tree/test/schema/judge.cjs", "$dir/schema.json", "$dir/bases", $seed, MUTATIONS ],
		'>', "$dir/judged", '2>', \$errors), 'ajv judged') or diag($errors);

# COPY in its csv form with a quote and delimiter that do not occur: JSON.stringify
# escapes control characters, so a line is a row.
$node->safe_psql('postgres', q{
	CREATE TABLE judged (n int GENERATED ALWAYS AS IDENTITY, accepted boolean, origin text, definition jsonb);
	CREATE TABLE structural AS SELECT code FROM journey_orch._finding_codes() WITH ORDINALITY AS c(code, severity, meaning, hint, n)
	  WHERE n < (SELECT n FROM journey_orch._finding_codes() WITH ORDINALITY AS d(code, severity, meaning, hint, n) WHERE code = 'not_built')});
$node->safe_psql('postgres', qq{COPY judged (accepted, origin, definition) FROM '$dir/judged' (FORMAT csv, DELIMITER E'\\t', QUOTE E'\\x01')});
$node->safe_psql('postgres', q{
	SET client_min_messages = error;
	CREATE TABLE verdict AS SELECT j.*, f.codes IS NULL AS fits, f.codes FROM judged AS j CROSS JOIN LATERAL (
	  SELECT string_agg(DISTINCT f.code, ' ') AS codes FROM journey_orch.check_definition(j.definition) AS f JOIN structural USING (code)) AS f});
note($node->safe_psql('postgres', q{SELECT split_part(origin, ' ', 1) || ': ' || count(*) || ', accepted ' || count(*) FILTER (WHERE accepted)
	FROM verdict GROUP BY split_part(origin, ' ', 1) ORDER BY 1}));
is($node->safe_psql('postgres', q{SELECT origin, left(definition::text, 2000), CASE WHEN accepted THEN 'ajv accepts, we say ' || codes ELSE 'we accept, ajv refuses' END
	FROM verdict WHERE accepted <> fits ORDER BY length(definition::text) LIMIT 5}), '', "one verdict each (seed $seed)");
is($node->safe_psql('postgres', q{SELECT count(*) FROM verdict WHERE origin = 'mutation'}), MUTATIONS, 'all mutations were judged');
is($node->safe_psql('postgres', q{SELECT string_agg(origin, ', ') FROM verdict WHERE origin NOT IN ('mutation', 'made') AND NOT fits}), '',
	'the documentation and the examples are accepted');
is($node->safe_psql('postgres', q{SELECT min(n) >= 50 FROM (SELECT count(*) FROM verdict WHERE origin = 'mutation' GROUP BY fits) AS c(n)}), 't',
	'both verdicts are common');
is($node->safe_psql('postgres', q{SELECT string_agg(code, ' ' ORDER BY code) FROM structural WHERE NOT EXISTS (
	SELECT FROM verdict WHERE code = ANY (string_to_array(codes, ' ')))}), '', 'every structural code occurred');

$node->stop;
done_testing();
