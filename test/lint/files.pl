#!/usr/bin/perl
# test/lint/files.pl: every room has a README.md; every C file begins with a
# comment that gives its name; no file is longer than 700 lines, no function
# longer than 100; no "//" comment, no TODO; an ereport of ERROR or above has an
# errcode; a primary message begins with a small letter and has no full stop.
#
# When it fails: AESTHETICS in CONTRIBUTING.md's words: say at the top what the
# file owns; split at a noun; give the error its SQLSTATE (core/errors.h).
use strict;
use warnings;

sub slurp { local (@ARGV, $/) = @_; my $text = <>; return $text // '' }

my $bad = 0;
sub complain { print "@_\n"; $bad = 1 }

for my $room (glob 'src/*/')
{
	$room =~ s{/$}{};
	next if $room eq 'src/versions';
	complain("$room/README.md is missing or says too little")
	  if length(slurp_if("$room/README.md")) < 200;
}

for my $file (glob 'src/*/*.[ch]')
{
	my $text = slurp($file);
	my ($short) = $file =~ m{^src/(.*)};
	my @lines = split /\n/, $text;

	complain("$file: does not begin with \"/*\\n * $short\"")
	  unless $text =~ m{\A/\*\n \* \Q$short\E\n \*\t};
	complain("$file: " . @lines . " lines") if @lines > 700;
	complain("$file:$_: TODO or FIXME")
	  for map { $lines[ $_ - 1 ] =~ /\b(TODO|FIXME|XXX)\b/ ? $_ : () } 1 .. @lines;

	# From here on strings and comments are blanked, lines stay where they are.
	my $bare = $text;
	$bare =~ s{("(?:[^"\\\n]|\\.)*")|('(?:[^'\\\n]|\\.)+')|(/\*.*?\*/)}
		{ my $s = $&; my $c = $3; $s =~ s/[^\n]/defined $c ? ' ' : 's'/ge; $s }gse;
	my @bare = split /\n/, $bare;
	for my $i (0 .. $#bare)
	{
		complain("$file:" . ($i + 1) . ': comment with //') if $bare[$i] =~ m{//};
	}
	my $start;
	for my $i (0 .. $#bare)
	{
		$start = $i if $bare[$i] =~ /^\{/;
		if (defined $start && $bare[$i] =~ /^\}/)
		{
			my $length = $i - $start + 1;
			my ($name) = $start > 0 ? "$bare[$start - 1] $bare[$start > 1 ? $start - 2 : 0]" =~ /(\w+)\(/ : ();
			complain("$file:" . ($start + 1) . ": $length lines in one function" . ($name ? " ($name)" : ''))
			  if $length > 100 && $bare[$i] !~ /^\}\s*\w*;/;
			undef $start;
		}
	}
	while ($bare =~ /\bereport(_domain)?\s*\(\s*(ERROR|FATAL|PANIC)\b/g)
	{
		my $from = $-[0];
		my $line = 1 + (substr($text, 0, $from) =~ tr/\n//);
		my ($depth, $end) = (0, $from);
		for my $c (split //, substr($bare, $from))
		{
			$end++;
			$depth++ if $c eq '(';
			last if $c eq ')' && --$depth == 0;
		}
		my $call = substr($text, $from, $end - $from);
		complain("$file:$line: ereport without errcode")
		  unless $call =~ /\berrcode\w*\s*\(/;
		complain("$file:$line: primary message: $1")
		  if $call =~ /\berrmsg(?:_internal|_plural)?\s*\(\s*("[A-Z][a-z](?:[^"\\]|\\.)*")/
		  || $call =~ /\berrmsg(?:_internal)?\s*\(\s*("(?:[^"\\]|\\.)*\.")/;
	}
}
exit $bad;

sub slurp_if { my ($file) = @_; return -f $file ? slurp($file) : '' }
