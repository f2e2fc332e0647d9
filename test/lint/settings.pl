#!/usr/bin/perl
# test/lint/settings.pl: every setting defined in src/ has a section in
# docs/settings.md and a line in README.md, and no document names one that is
# not there.
#
# When it fails: document why somebody would change it, its default and when it
# takes effect (docs/settings.md: "## journey_orch.NAME"; README: the table).
use strict;
use warnings;

sub slurp { local (@ARGV, $/) = @_; my $text = <>; return $text // '' }

my $bad = 0;
sub complain { print "@_\n"; $bad = 1 }

my %defined;
for my $file (glob 'src/*/*.c')
{
	my $text = slurp($file);
	$defined{$1} = $file
	  while $text =~ /DefineCustom\w+Variable\s*\(\s*"(journey_orch\.\w+)"/g;
}
my $settings = slurp('docs/settings.md');
my $readme   = slurp('README.md');
for my $name (sort keys %defined)
{
	complain("$defined{$name}: $name has no section in docs/settings.md")
	  unless $settings =~ /^##+ `?\Q$name\E`?\s*$/m;
	complain("$defined{$name}: $name is not in README.md")
	  unless $readme =~ /`\Q$name\E`/;
}
complain("docs/settings.md: $_ is not defined in src/")
  for grep { !$defined{$_} } $settings =~ /^##+ `?(journey_orch\.\w+)/mg;
exit $bad;
