#!/usr/bin/perl
# test/lint/objects.pl: every public function, procedure and view of a code.sql
# (name without a leading underscore) has a COMMENT ON, and a heading in
# docs/sql-reference.md; functions fix their search_path and are revoked from
# PUBLIC; CREATE OR REPLACE stands at column 1.
#
# When it fails: write what is missing beside the CREATE, and the entry in
# docs/sql-reference.md: "### name(arguments)" or "### view name".
use strict;
use warnings;

sub slurp { local (@ARGV, $/) = @_; my $text = <>; return $text // '' }

my $bad = 0;
sub complain { print "@_\n"; $bad = 1 }

my $reference = slurp('docs/sql-reference.md');
my %headings = map { $_ => 1 } $reference =~ /^###+ (?:view )?`?(?:CALL )?(\w+)/mg;
my %seen;

for my $file (glob 'src/*/code.sql')
{
	my $text = slurp($file);
	complain("$file: CREATE without OR REPLACE: $1")
	  while $text =~ /^(CREATE (?:FUNCTION|PROCEDURE|VIEW)[^\n]*)/mg;
	complain("$file: CREATE OR REPLACE is not at column 1: $1")
	  while $text =~ /^[ \t]+(CREATE OR REPLACE (?:FUNCTION|PROCEDURE|VIEW)[^\n]*)/mg;
	while ($text =~ /^CREATE OR REPLACE (FUNCTION|PROCEDURE|VIEW)\s+journey_orch\.(\w+)(.*?);[ \t]*$/msg)
	{
		my ($kind, $name, $rest) = ($1, $2, $3);
		if ($kind ne 'VIEW')
		{
			# a body in quotes may hold semicolons: the options stand before AS or after it
			my ($declaration) = substr($text, $-[0]) =~ /\A(.*?(?:AS '[^']*'(?:,\s*'[^']*')?[^;]*;|AS (\$\w*\$).*?\2[^;]*;))/s;
			$declaration //= $rest;
			complain("$file: $name does not set search_path")
			  unless $declaration =~ /SET search_path = pg_catalog, pg_temp/
			  || $kind eq 'PROCEDURE' || $declaration =~ /RETURNS (?:event_)?trigger/i;
			complain("$file: $name is not revoked from PUBLIC")
			  unless $text =~ /REVOKE [^;]*\bjourney_orch\.\Q$name\E\b[^;]*FROM PUBLIC/s;
		}
		next if $name =~ /^_/;
		$seen{$name} = 1;
		complain("$file: $name has no COMMENT ON $kind")
		  unless $text =~ /^COMMENT ON (?:$kind|ROUTINE) journey_orch\.\Q$name\E\b/m;
		complain("$file: $name has no heading in docs/sql-reference.md")
		  unless $headings{$name};
	}
}
complain("docs/sql-reference.md: $_ does not exist")
  for grep { !$seen{$_} } sort keys %headings;
exit $bad;
