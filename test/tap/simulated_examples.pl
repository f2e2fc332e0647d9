# test/tap/simulated_examples.pl: simulate() on the three journeys of examples/.
#
# An example's story is played, for its events.  Conditions read the tables live,
# and the story changes them all the time, which no replay of a log can know; so
# the events are then played once more, day by day, in a world that stands still:
# nobody has bought yet and everybody who exists is there.  What the engine did
# there is compared with what simulate() says of that log, row by row and message
# by message: instant, step, reason, due time, channel, subject, body.
#
# Would catch: a step of a real journey that is computed in another way in a
# simulation, a report on a message that the replay does not find, a child that
# does not run along.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = $ENV{JO_TREE} // '.';
# Each example, what makes its world stand still, and the fewest rows and
# messages that make a comparison worth it.  One line is one example more.
my @examples = (
	[ 'retail_acquisition', 'TRUNCATE retail.purchase', 150, 30 ],
	[ 'saas_onboarding', 'TRUNCATE saas.subscription', 150, 30 ],
	[ 'financial_cross_sell', 'TRUNCATE bank.holding, bank.lead', 100, 20 ],
);
my $node = PostgreSQL::Test::Cluster->new('simulated_examples');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'journey_orch'
journey_orch.autostart = off
max_locks_per_transaction = 256
synchronous_commit = off
});
$node->start;

# The turn of the engine and a relay at one stop.
my $turn = q{
CALL journey_orch.run();
SELECT journey_orch.ack(claim_id) FROM (SELECT DISTINCT m.claim_id FROM journey_orch.channel_status AS c,
  journey_orch.claim(c.channel, 'relay', max_messages => 1000) AS m) AS claimed;
CALL journey_orch.run();
};
my $stops = q{
SELECT format('SELECT journey_orch.set_clock(%L);', at) || string_agg(statement, '' ORDER BY seq) || '@'
FROM (SELECT instant AS at, seq, format('SELECT journey_orch.emit(%L, %L, %L);', name, customer_id, payload) AS statement FROM public.past
      UNION ALL SELECT at, 0, '' FROM generate_series((SELECT min(instant) FROM public.past),
        (SELECT max(instant) + interval '120 days' FROM public.past), '1 day') AS at) AS stop
GROUP BY at ORDER BY at};
# Both as rows of text that can be compared.
my %views = (
	real => q{SELECT clock, customer_id, j.name, l.version, key, enrollment_id, visit, outcome, from_step, to_step, reason, due_at, arm,
  value, currency, context - 'lead' AS context, decision FROM journey_orch.step_log AS l JOIN journey_orch.journey AS j USING (journey_id)},
	told => q{SELECT at, customer, of_journey, of_version, key, enrollment_id, visit, outcome, from_step, to_step, reason, due_at, arm,
  value, currency, context - 'lead', decision FROM simulated WHERE outcome NOT IN ('message', 'called')},
	sent => q{SELECT enqueued_at, aggregateid, enrollment_id, visit, step, aggregatetype, type, payload->>'subject' AS subject,
  payload->>'body' AS body FROM journey_orch.outbox},
	foretold => q{SELECT at, customer, enrollment_id, visit, from_step, channel, template, subject, body FROM simulated
  WHERE outcome = 'message'});

for (@examples)
{
	my ($example, $stand_still, $rows, $messages) = @$_;
	my $dir = "$tree/examples/$example";
	my ($bind) = slurp_file("$dir/schema.sql") =~ /^(SELECT journey_orch\.bind_customer\(.*?\);)/ms;
	my ($out, $err) = ('', '');

	$node->safe_psql('postgres', "CREATE DATABASE $example");
	$node->safe_psql($example, 'CREATE EXTENSION journey_orch');
	for my $file (qw(schema.sql journey.sql story.sql))
	{
		IPC::Run::run([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($example), '-f', "$dir/$file" ],
			'>', \$out, '2>', \$err) or BAIL_OUT("$example: $file: $err");
	}
	$node->safe_psql($example, qq{
CREATE TABLE public.past AS SELECT seq, instant, name, customer_id, payload FROM journey_orch.event WHERE kind = 'e';
SET client_min_messages = warning;
DROP EXTENSION journey_orch CASCADE;
CREATE EXTENSION journey_orch;
$stand_still;
$bind});
	IPC::Run::run([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($example), '-f', "$dir/journey.sql" ],
		'>', \$out, '2>', \$err) or BAIL_OUT("$example: again: $err");
	my $script = $node->safe_psql($example, $stops);
	$script =~ s/@/$turn/g;
	$node->safe_psql($example, $script);

	my $journey = $node->safe_psql($example, 'SELECT min(journey) FROM journey_orch.journey_status');
	my $define = "CREATE TEMP TABLE simulated AS SELECT * FROM journey_orch.simulate('$journey', others => true);"
	  . join('', map { "CREATE TEMP VIEW $_ AS $views{$_};" } sort keys %views);
	for my $pair ([ 'real', 'told', $rows, 'rows of the log' ], [ 'sent', 'foretold', $messages, 'messages' ])
	{
		my ($this, $that, $least, $what) = @$pair;
		my ($n, $differ) = split /\|/, $node->safe_psql($example,
			"SET client_min_messages = warning; $define SELECT (SELECT count(*) FROM \"$this\"),
			  (SELECT count(*) FROM ((TABLE \"$this\" EXCEPT ALL TABLE $that) UNION ALL (TABLE $that EXCEPT ALL TABLE \"$this\")) AS d)");
		is($differ, 0, "$example: simulate() says the same $n $what")
		  or diag($node->safe_psql($example, "$define (TABLE \"$this\" EXCEPT ALL TABLE $that) UNION ALL
			(TABLE $that EXCEPT ALL TABLE \"$this\") ORDER BY 2, 1 LIMIT 20"));
		cmp_ok($n, '>=', $least, "$example: and that is many");
	}
	is($node->safe_psql($example, "SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds"), '',
		"$example: the laws hold");
}

$node->stop;
done_testing();
