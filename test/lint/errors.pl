#!/usr/bin/perl
# test/lint/errors.pl: the codes of class JO in src/core/errors.h are those of
# the table in docs/errors.md, and each is raised somewhere.
#
# When it fails: write the missing row ("| JO001 | condition | hint |"), or
# remove a code that nothing raises.
use strict;
use warnings;

sub slurp { local (@ARGV, $/) = @_; my $text = <>; return $text // '' }

my $bad = 0;
sub complain { print "@_\n"; $bad = 1 }

my (%code, %name);
my $header = slurp('src/core/errors.h');
while ($header =~ /#define (ERRCODE_JO_\w+)\s+MAKE_SQLSTATE\('(.)',\s*'(.)',\s*'(.)',\s*'(.)',\s*'(.)'\)/g)
{
	complain("src/core/errors.h: $2$3$4$5$6 stands twice") if $code{"$2$3$4$5$6"};
	$code{"$2$3$4$5$6"} = $1;
}
my %documented = map { $_ => 1 } slurp('docs/errors.md') =~ /^\|\s*`?(JO\w{3})`?\s*\|/mg;
complain("docs/errors.md: $_ ($code{$_}) is missing")
  for grep { !$documented{$_} } sort keys %code;
complain("docs/errors.md: $_ is not in src/core/errors.h")
  for grep { !$code{$_} } sort keys %documented;
my $sources = join '', map { slurp($_) } glob 'src/*/*.c';
complain("src/core/errors.h: nothing raises $code{$_} ($_)")
  for grep { $sources !~ /\b$code{$_}\b/ } sort keys %code;
exit $bad;
