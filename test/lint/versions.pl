#!/usr/bin/perl
# test/lint/versions.pl: the version is written in journey_orch.control; the
# others repeat it: META.json (as three numbers) and CHANGELOG's newest release.
#
# When it fails: correct META.json or CHANGELOG.md, not the control file, unless
# you are making a release (CONTRIBUTING.md has the list).
use strict;
use warnings;
use JSON::PP;

sub slurp { local (@ARGV, $/) = @_; my $text = <>; return $text // '' }

my $bad = 0;
sub complain { print "@_\n"; $bad = 1 }

my ($control) = slurp('journey_orch.control') =~ /^default_version = '([^']+)'/m
  or die "journey_orch.control has no default_version\n";
my $full = join '.', (split(/\./, $control), 0, 0)[0 .. 2];
my $meta = decode_json(slurp('META.json'));
complain("META.json: version is $meta->{version}, the control file says $full")
  if $meta->{version} ne $full;
my $provided = $meta->{provides}{journey_orch}{version} // 'missing';
complain("META.json: provides.journey_orch.version is $provided, expected $full")
  if $provided ne $full;
my @releases = slurp('CHANGELOG.md') =~ /^## (\d[\d.]*)/mg;
complain("CHANGELOG.md: the newest release is "
	  . ($releases[0] // 'missing') . ", the control file says $control")
  if ($releases[0] // '') ne $control;
exit $bad;
