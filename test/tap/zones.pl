# test/tap/zones.pl: the hour is right in every zone of the server.
#
# Every time zone that the server lists, around every change of its offset in
# two years: dates, calendar durations, hours, windows and weekdays, with both
# policies for skipped and for repeated local times, and the times of cron.  What
# has to come out is computed by Python's zoneinfo (test/zones/reference.py and
# cron.py), which shares nothing with PostgreSQL but the zone files.
#
# Would catch: a gap or overlap read the other way round, a change at midnight
# or of half an hour, a search that begins a day late, a window that is opened
# by a skipped or closed by a repeated hour, a zone whose name is not found.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = $ENV{JO_TREE} // '.';
my $node = PostgreSQL::Test::Cluster->new('zones');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'journey_orch'
journey_orch.autostart = off
synchronous_commit = off
});
$node->start;

# posixrules is a link of the C library; its posix/ and right/ are copies.
my @zones = split /\n/, $node->safe_psql('postgres',
	q{SELECT name FROM pg_timezone_names WHERE name !~ '^(posix|right)/' AND name <> 'posixrules' ORDER BY name COLLATE "C"});
cmp_ok(scalar @zones, '>', 400, 'zones of the server: ' . scalar @zones);

# 2026: changes from February (Morocco) to November; 2011: Samoa leaves out a day.
for my $year (2026, 2011)
{
	my $cases = "$PostgreSQL::Test::Utils::tmp_check/zones_$year.tsv";
	my @names = $year == 2026 ? @zones : ('Pacific/Apia', 'Europe/Moscow', 'Africa/Cairo', 'America/St_Johns', 'Asia/Gaza');

	ok(system("python3 '$tree/test/zones/reference.py' $year @names >'$cases'") == 0, "$year: Python has computed")
	  or BAIL_OUT('python3 with its module zoneinfo is needed');
	$node->safe_psql('postgres', "CREATE DATABASE y$year");
	my ($begin, $finish) = ($year - 1 . '-11-20', $year + 1 . '-02-20');
	ok(system("psql -qXAt -o /dev/null -v ON_ERROR_STOP=1 -v begin=$begin -v finish=$finish -d '"
			. $node->connstr("y$year") . "' -f '$tree/test/zones/load.sql' <'$cases'") == 0, "$year: the engine has run");
	my ($runs, $zones, $moments) = split /\|/, $node->safe_psql("y$year",
		'SELECT count(*), count(DISTINCT zone), count(DISTINCT expected) FROM zone_result');
	is($zones, scalar @names, "$year: every zone took part");
	cmp_ok($runs, '>', 100 * @names, "$year: $runs runs, due at $moments different instants");
	is($node->safe_psql("y$year", 'SET timezone = UTC; SELECT zone, journey, to_timestamp(start), local, expected, found FROM zone_result'
			. ' WHERE found IS DISTINCT FROM expected ORDER BY id LIMIT 20'), '', "$year: each at the second that Python says");

	# cron, by the same zones: where zones change alike, one of them
	ok(system("python3 '$tree/test/zones/cron.py' $year @names >'$cases'") == 0, "$year: Python has computed the times of cron");
	$node->safe_psql("y$year", "CREATE TABLE cron_case (zone text, cron text, since bigint, times bigint[]); COPY cron_case FROM '$cases'");
	my ($crons, $times) = split /\|/, $node->safe_psql("y$year", 'SELECT count(*), sum(cardinality(times)) FROM cron_case');
	cmp_ok($times, '>', 500, "$year: $times times of $crons cases of cron");
	is($node->safe_psql("y$year", q{
SET timezone = UTC;
SELECT c.zone, c.cron, to_timestamp(c.since), c.times, o.found FROM cron_case c,
       LATERAL (SELECT coalesce(array_agg(extract(epoch FROM t)::bigint) FILTER (WHERE t <= to_timestamp(c.since + 3 * 86400)), '{}') AS found
                  FROM journey_orch.schedule_times(c.cron, c.zone, to_timestamp(c.since), 250) AS t) AS o
 WHERE o.found IS DISTINCT FROM c.times LIMIT 20}), '', "$year: each at the minute that Python says");
	is($node->safe_psql("y$year", "SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds"), '', "$year: every law holds");
}

$node->stop;
done_testing();
