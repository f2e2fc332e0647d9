#!/usr/bin/perl
# test/lint/readme.pl: the examples of README.md, docs/sql-reference.md,
# docs/templates.md, docs/channels.md and docs/consent.md are run by the regress
# tests: every "sql" block stands word for word in sql/readme.sql, reference.sql,
# templates.sql, consent_journey.sql, or for channels.md in channel.sql, inbox.sql or task.sql, every
# "text" block after one in the expected output; and every function of the
# reference has one.
#
# When it fails: run make check-regress ONLY="readme reference", read what came,
# and copy statements and output both ways until they agree.
use strict;
use warnings;

sub slurp { local (@ARGV, $/) = @_; my $text = <>; return $text // '' }

my $bad = 0;
my %pair = ('README.md' => 'readme', 'docs/sql-reference.md' => 'reference',
	'docs/templates.md' => 'templates', 'docs/channels.md' => 'channel inbox task',
	'docs/consent.md' => 'consent_journey', 'docs/privacy.md' => 'reference');
for my $document (sort keys %pair)
{
	next unless -f $document;
	my $name  = $pair{$document};
	my $input  = join '', map { -f "sql/$_.sql"      ? slurp("sql/$_.sql")      : '' } split ' ', $name;
	my $output = join '', map { -f "expected/$_.out" ? slurp("expected/$_.out") : '' } split ' ', $name;
	my $text = slurp($document);
	my $after_sql = 0;

	while ($text =~ /^```(\w*)\n(.*?)^```$|^(#.*)$/msg)
	{
		my ($language, $block, $heading) = ($1, $2, $3);
		if (defined $heading) { $after_sql = 0; next }
		my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
		if ($language eq 'sql')
		{
			$after_sql = 1;
			next if index($input, $block) >= 0;
			print "$document:$line: this example is not in sql/$name.sql\n";
			$bad = 1;
		}
		elsif ($language eq 'text' && $after_sql)
		{
			next if index($output, $block) >= 0;
			print "$document:$line: this output is not in expected/$name.out\n";
			$bad = 1;
		}
	}
}

# Every function of the reference has an example; nobody calls capture().
for my $section (split /^(?=#{2,3} )/m, slurp('docs/sql-reference.md'))
{
	my ($function) = $section =~ /^### (?:CALL )?(\w+)\(/ or next;
	next if $function eq 'capture' || $section =~ /^```sql$/m;
	print "docs/sql-reference.md: $function() has no example\n";
	$bad = 1;
}
exit $bad;
