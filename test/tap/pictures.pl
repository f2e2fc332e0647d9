# test/tap/pictures.pl: pictures can be read, by programs and by people.
#
# Graphviz takes what dot() writes, names and conditions from the worst author
# included, and finds every step and way.  In the SVG of a journey of 3, 40 and
# 200 steps, with branches, joins, loops and failures, no card or label covers
# another, no line runs through a card that is not its own, text has a contrast
# of 4.5 and lines of 3 (WCAG AA); the same definition gives the same bytes; and
# ten thousand steps can be drawn, and interrupted.  Would catch: a quote that
# ends a string too early, a layout that breaks, a colour nobody can read.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('pictures');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION journey_orch;
	CREATE TABLE customer (id text PRIMARY KEY, plan text, email text);
	SELECT journey_orch.bind_customer('customer', 'id');
	SELECT journey_orch.set_channel('email', 'customer.email');
	SELECT journey_orch.set_template('hello', 'email', 'Hello')});

sub picture
{
	my ($function, $journey) = @_;
	return $node->safe_psql('postgres', "SELECT journey_orch.$function('$journey')");
}

# A journey of $n steps: chains, branches, joins, loops back, failures; the same
# each time.  $label goes into every condition and event.
sub define
{
	my ($name, $n, $label) = @_;
	my $state = 12345 + $n;
	my $random = sub {
		$state = ($state * 1103515245 + 12345) % 2147483648;
		return int($state / 65536) % $_[0];
	};
	my $at = sub { my $i = shift; $i = 0 if $i < 0; $i = $n - 1 if $i > $n - 1; return "step_$i" };
	my @steps;
	for my $i (0 .. $n - 2)
	{
		my $kind = $random->(10);
		my ($next, $far, $back) = ($at->($i + 1), $at->($i + 1 + $random->(6)), $at->($i - $random->(5)));
		push @steps, "\"step_$i\": " . (
			  $kind < 3 ? qq({"send": {"channels": ["email"], "template": "hello"}, "next": "$next")
			. ($random->(2) ? qq(, "on_failure": "step_@{[$n - 1]}"}) : '}')
			: $kind < 5 ? qq({"delay": "1 day", "next": "$next"})
			: $kind < 7 ? qq({"wait": {"for": [{"on": "$label bought", "next": "$far"}, {"on": "left", "next": "$next"}],
				"until": {"after": "2 days", "next": "$back"}}})
			: $kind < 9 ? qq({"branch": [{"when": "customer.plan = '$label $i'", "next": "$far"},
				{"when": "customer.plan = 'b'", "next": "$next"}], "else": "$next"})
			: qq({"split": {"arms": {"a": 1, "b": 1}}, "next": {"a": "$next", "b": "$far"}}));
	}
	push @steps, qq("step_@{[$n - 1]}": {"exit": "completed"});
	$node->safe_psql('postgres', "SELECT journey_orch.define(\$json\$"
		. qq({"journey": "$name", "entry": {"on": "$label came"}, "goal": {"on": "$label goal", "when": "true"},
			"exit": [{"on": "$label end", "reason": "ended"}, {"when": "customer.plan = '$label'"}], "start": "step_0",
			"steps": {) . join(",\n", @steps) . "}}\$json\$)");
}

# ---- DOT

sub check_dot
{
	my ($journey) = @_;
	my $dot = picture('dot', $journey);
	my ($out, $err) = ('', '');
	my $result = IPC::Run::run([ qw(dot -Gsplines=line -Gnslimit=1 -Gmclimit=0.1 -Tplain) ], '<', \$dot, '>', \$out, '2>', \$err);
	ok($result, "graphviz draws $journey") or diag($err);
	is($err, '', "$journey: without a warning");
	my ($boxes, $steps) = (scalar(() = $out =~ /^node /mg),
		$node->safe_psql('postgres', "SELECT 1 + (d ? 'goal')::int + jsonb_array_length(coalesce(d->'exit', '[]')) + count(*)
			FROM journey_orch.definition('$journey') AS d, jsonb_object_keys(d->'steps') GROUP BY d"));
	is($boxes, $steps, "$journey: a node for entry, goal, each exit rule and step");
	my $mermaid = picture('mermaid', $journey);
	is(scalar(() = $out =~ /^edge /mg), scalar(() = $mermaid =~ /^  \w+ -->/mg),
		"$journey: as many edges as in Mermaid");
}

# ---- SVG

# Relative luminance, then the ratio of WCAG 2.
sub luminance
{
	my ($colour) = @_;
	my @part = map { my $c = hex($_) / 255; $c <= 0.03928 ? $c / 12.92 : (($c + 0.055) / 1.055)**2.4 }
	  $colour =~ /^#(..)(..)(..)$/ or die "no colour: $colour";
	return 0.2126 * $part[0] + 0.7152 * $part[1] + 0.0722 * $part[2];
}

sub contrast
{
	my ($a, $b) = sort { $b <=> $a } map { luminance($_) } @_;
	return ($a + 0.05) / ($b + 0.05);
}

sub overlaps
{
	my ($a, $b) = @_;
	return $a->{x} < $b->{x} + $b->{w} && $b->{x} < $a->{x} + $a->{w}
	  && $a->{y} < $b->{y} + $b->{h} && $b->{y} < $a->{y} + $a->{h};
}

# Pairs of rectangles that overlap; sorted by y, so that near ones are compared.
sub count_overlaps
{
	my @boxes = sort { $a->{y} <=> $b->{y} } @_;
	my $n = 0;
	for my $i (0 .. $#boxes)
	{
		for my $j ($i + 1 .. $#boxes)
		{
			last if $boxes[$j]{y} >= $boxes[$i]{y} + $boxes[$i]{h};
			next unless overlaps($boxes[$i], $boxes[$j]);
			diag("$boxes[$i]{name} and $boxes[$j]{name} overlap") if $n++ < 3;
		}
	}
	return $n;
}

# Points along a path of M, V and C.
sub points_of
{
	my ($path) = @_;
	my ($x, $y, @points);
	while ($path =~ /([MVC])([-0-9. ]+)/g)
	{
		my ($command, @n) = ($1, split ' ', $2);
		($x, $y) = @n if $command eq 'M';
		if ($command eq 'V')
		{
			push @points, map { [ $x, $y + ($n[0] - $y) * $_ / 20 ] } 0 .. 20;
			$y = $n[0];
		}
		if ($command eq 'C')
		{
			for my $t (map { $_ / 20 } 0 .. 20)
			{
				my @b = ((1 - $t)**3, 3 * $t * (1 - $t)**2, 3 * $t**2 * (1 - $t), $t**3);
				push @points, [ $b[0] * $x + $b[1] * $n[0] + $b[2] * $n[2] + $b[3] * $n[4],
					$b[0] * $y + $b[1] * $n[1] + $b[2] * $n[3] + $b[3] * $n[5] ];
			}
			($x, $y) = @n[ 4, 5 ];
		}
	}
	return @points;
}

sub check_svg
{
	my ($journey, $steps) = @_;
	my $svg = picture('definition_svg', $journey);
	is(picture('definition_svg', $journey), $svg, "$journey: the same definition gives the same bytes");
	is($node->safe_psql('postgres', "SELECT xml_is_well_formed_document(journey_orch.definition_svg('$journey'))"),
		't', "$journey: well-formed");
	my ($flow) = $svg =~ m{<g transform="translate\([^)]*\)">\n(.*)</g>\n</svg>}s;
	my $rect = qr/x="([-0-9.]+)" y="([-0-9.]+)" width="([0-9.]+)" height="([0-9.]+)"/;
	my (@cards, @labels, %contrast);
	while ($svg =~ m{<g data-kind="([^"]+)" data-name="([^"]*)">(?:<title>[^<]*</title>)?<rect $rect rx="\d+" fill="(#\w+)" stroke="(#\w+)"(.*)}g)
	{
		my ($kind, $name, $x, $y, $w, $h, $fill, $border, $rest) = ($1, $2, $3, $4, $5, $6, $7, $8, $9);
		push @cards, { name => $name, x => $x, y => $y, w => $w, h => $h, kind => $kind };
		$contrast{"$kind: border"} = [ contrast($border, '#ffffff'), 3 ];
		$contrast{"$kind: icon $1"} = [ contrast($1, $fill), 3 ] if $rest =~ /fill="none" stroke="(#\w+)"/;
		$contrast{"$kind: text $1"} = [ contrast($1, $fill), 4.5 ] while $rest =~ /<g fill="(#\w+)"/g;
	}
	my @flow = grep { $_->{kind} !~ /^(goal|exit rule)$/ } @cards;
	is(scalar @flow, $steps + 1, "$journey: a card for the entry and each step");
	is(scalar @cards, $steps + 4, "$journey: and for the goal and the exit rules");
	while ($flow =~ m{<g(?: fill="(#\w+)")?>(?:<title>[^<]*</title>)?<rect $rect rx="4" fill="(#\w+)"/?[^>]*>(.*)}g)
	{
		push @labels, { name => $7, x => $2, y => $3, w => $4, h => $5 };
		$contrast{'label ' . ($1 // '#374151')} = [ contrast($1 // '#374151', $6), 4.5 ];
	}
	cmp_ok(scalar @labels, '>=', $steps / 2, "$journey: labels on the ways") if $steps > 3;
	is(count_overlaps(@flow, @labels), 0, "$journey: nothing covers a card or a label");
	is(count_overlaps(grep { $_->{kind} =~ /^(goal|exit rule)$/ } @cards), 0, "$journey: nor a rule");

	my ($lines, $through) = (0, 0);
	while ($flow =~ m{<path data-from="([^"]*)" data-to="([^"]*)" d="([^"]*)"(?: stroke="(#\w+)")?}g)
	{
		my ($from, $to, $path) = ($1, $2, $3);
		$contrast{'line ' . ($4 // '#4b5563')} = [ contrast($4 // '#4b5563', '#ffffff'), 3 ];
		$lines++;
		my @points = points_of($path);
		my ($top, $end) = (sort { $a <=> $b } map { $_->[1] } @points)[ 0, -1 ];
		for my $card (grep { $_->{y} < $end && $_->{y} + $_->{h} > $top } @flow)
		{
			my ($x, $y, $right, $bottom) = ($card->{x} + 0.1, $card->{y} + 0.1,
				$card->{x} + $card->{w} - 0.1, $card->{y} + $card->{h} - 0.1);
			next unless grep { $_->[0] > $x && $_->[0] < $right && $_->[1] > $y && $_->[1] < $bottom } @points;
			diag("the line from $from to $to runs through $card->{name}") if $through++ < 3;
		}
	}
	is($through, 0, "$journey: no line through a card");
	my $mermaid = picture('mermaid', $journey);
	is($lines, scalar(() = $mermaid =~ /^  \w+ -->/mg), "$journey: a line for each way");
	is_deeply([ grep { $contrast{$_}[0] < $contrast{$_}[1] } sort keys %contrast ], [],
		"$journey: enough contrast in " . keys(%contrast) . ' places');
	my ($width, $height) = $svg =~ /viewBox="0 0 (\d+) (\d+)"/;
	is(scalar(grep { $_->{x} + $_->{w} > $width || $_->{y} + $_->{h} > $height || $_->{x} < 0 } @cards, @labels),
		0, "$journey: all of it in the picture");
	note("$journey: $width by $height, " . length($svg) . ' bytes');
}

define('three', 3, 'plain');
define('forty', 40, 'plain');
define('two_hundred', 200, 'plain');
define('hostile', 20, q(x\\"; select 1;--</script>&amp;\\\\N -->));
define('unicode', 20, "\\u202e\\u4f60\\u597d caf\\u00e9 \\ud83d\\ude00\\u0007");
for my $journey (qw(three forty two_hundred hostile unicode))
{
	check_dot($journey);
	check_svg($journey, { three => 3, forty => 40, two_hundred => 200 }->{$journey} // 20);
}

# Several arrows of a step to itself do not share a place.
$node->safe_psql('postgres', q{SELECT journey_orch.define('{"journey": "loops", "entry": {"on": "x"}, "goal": {"on": "g"},
	"exit": [{"on": "a"}, {"on": "b"}], "start": "w", "steps": {"w": {"wait": {"for": [{"on": "one", "next": "w"},
	{"on": "two", "next": "w"}, {"on": "three", "next": "w"}, {"on": "four", "next": "w"}],
	"until": {"after": "1 day", "next": "e"}}}, "e": {"exit": "done"}}}')});
check_dot('loops');
check_svg('loops', 2);

# ---- ten thousand steps

$node->safe_psql('postgres', q{SELECT journey_orch.define(jsonb_build_object('journey', 'large', 'entry', '{"on": "x"}'::jsonb,
	'start', 's1', 'steps', jsonb_object_agg('s' || i, CASE WHEN i = 10000 THEN '{"exit": "done"}'::jsonb ELSE
	jsonb_build_object('wait', jsonb_build_object('for', jsonb_build_array(jsonb_build_object('on', 'e' || i, 'next', 's' || i + 1)),
		'until', jsonb_build_object('after', '1 day', 'next', 's' || 1 + (i * 7919) % 10000))) END)))
	FROM generate_series(1, 10000) AS i});
my $from = time;
my $counts = $node->safe_psql('postgres', q{SELECT string_agg(((length(svg) - length(replace(svg, word, ''))) / length(word))::text, ' ')
	FROM journey_orch.definition_svg('large') AS svg, unnest(ARRAY['data-kind="wait"', '<path data-from']) AS word});
my $seconds = time - $from;
note(sprintf '10,000 steps: %.1f s', $seconds);
is($counts, '9999 19999', 'ten thousand steps are drawn, with every way between them');
for my $percent (5, 15)
{
	my ($status, $out, $err) = $node->psql('postgres',
		sprintf(q{SET statement_timeout = '%dms'; }, 10 * $percent * $seconds)
		. q{SELECT length(journey_orch.definition_svg('large'))});
	like($err, qr/canceling statement due to statement timeout/, "interrupted at $percent %");
}

$node->stop;
done_testing();
