#!/usr/bin/perl
# test/lint/rooms.pl: a room includes only itself and rooms to its left in the
# Makefile's ROOMS.
#
# When it fails: pass the thing as an argument, or move the code to the room
# that owns it.  Changing the order of ROOMS is a decision (docs/decisions).
use strict;
use warnings;

open my $makefile, '<', 'Makefile' or die "Makefile: $!\n";
my ($rooms) = map { /^ROOMS = (.*)/ ? $1 : () } <$makefile>;
my (%place, $bad);
$place{$_} = keys %place for split ' ', $rooms;

for my $file (glob 'src/*/*.[ch]')
{
	my ($room) = $file =~ m{^src/(\w+)/};
	print("$file: room $room is not in ROOMS\n"), $bad = 1
	  unless exists $place{$room};
	open my $in, '<', $file or die "$file: $!\n";
	while (<$in>)
	{
		next unless m{^\s*#\s*include\s+"((\w+)/[^"]+)"} && -d "src/$2";
		next if exists $place{$2} && $place{$2} <= ($place{$room} // -1);
		print "$file:$.: $room may not include $1: $2 stands to its right\n";
		$bad = 1;
	}
}
for my $room (glob 'src/*/')
{
	$room =~ s{^src/|/$}{}g;
	next if exists $place{$room} || $room eq 'versions';
	print "src/$room: not in ROOMS\n";
	$bad = 1;
}
exit($bad ? 1 : 0);
