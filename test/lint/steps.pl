#!/usr/bin/perl
# test/lint/steps.pl: the steps of the engine (src/enrollment/step_*.c) open no
# relation, read no clock and draw no random number: neither the headers nor
# the functions for that may stand there.
#
# When it fails: return a request ("evaluate E for rows R") that the batch
# answers between waves, or take the instant as an argument.
use strict;
use warnings;

my $header = qr{^(?:access/(?:table|heapam|relation|tableam|genam|xact)|executor/spi|core/(?:clock|append|leaf|run_as)
	|common/pg_prng|utils/(?:rel|snapmgr|relcache|backend_random)|catalog/indexing|time|sys/time|stdlib)\.h$}x;
my $call = qr{\b(?:GetCurrent\w*Timestamp|GetCurrentTimestamp|jo_clock\w*|time|gettimeofday|clock_gettime|random|rand|drand48
	|pg_prng_\w+|pg_strong_random|pg_global_prng\w*|SPI_\w+|table_open\w*|relation_open\w*|heap_\w+insert|systable_\w+|jo_append_\w+|jo_leaf_\w+)\s*\(}x;
my $bad = 0;

for my $file (glob 'src/enrollment/step_*.c')
{
	my $text = do { local (@ARGV, $/) = $file; <> };
	$text =~ s{/\*.*?\*/}{ my $c = $&; $c =~ s/[^\n]//g; $c }gse;
	my $line = 0;
	for (split /\n/, $text)
	{
		$line++;
		my ($included) = /^\s*#\s*include\s+["<]([^">]+)/;
		if (defined $included && $included =~ $header)
		{
			print "$file:$line: a step may not include $included\n";
			$bad = 1;
		}
		elsif (/($call)/)
		{
			print "$file:$line: a step may not call $1...)\n";
			$bad = 1;
		}
	}
}
exit $bad;
