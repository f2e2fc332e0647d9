# test/tap/fan_out.pl: audiences are told while workers are killed.
#
# One event enters 20,000 customers in chunks of 100; workers are killed with
# SIGKILL while it is under way, and a second event for the same audience comes
# beside it.  In the end every customer has entered exactly once by each, settle()
# has waited for all of it, and every law holds.
#
# Would catch: a chunk whose commands commit without its position, a fan-out
# that nobody takes up after a kill, two workers at one, a slow audience that
# keeps a worker for ever.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $node = new_node('fan_out', conf => "journey_orch.workers = 3\njourney_orch.fan_out_chunk = 100\n");
use_database($node, 'postgres');
wait_workers($node, 'postgres', 3, 'three workers are there');
my $customers = 20_000;

$node->safe_psql('postgres', qq{
CREATE TABLE member (id int PRIMARY KEY);
INSERT INTO member SELECT generate_series(1, $customers);
SELECT journey_orch.define('{"journey": "all", "entry": {"on": "told", "key": "event->>''n''", "reentry": {"policy": "after_exit"},
  "audience": "SELECT id FROM public.member UNION ALL SELECT id FROM public.member WHERE id < 500"},
  "start": "rest", "steps": {"rest": {"delay": "1 hour", "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('all');
SELECT journey_orch.emit('told', 'everybody', '{"n": 1}');
SELECT journey_orch.emit('told', 'everybody else', '{"n": 2}')});

for my $kill (1 .. 4)
{
	my $least = $kill * 1500;
	$node->poll_query_until('postgres', "SELECT coalesce(sum(customers), 0) > $least FROM journey_orch.fan_out_status")
	  or die "the audience is not told";
	my @pids = worker_pids($node, 'postgres');
	kill_hard($node, $pids[$kill % @pids]) if @pids;
}
ok($node->poll_query_until('postgres', "SELECT count(*) = 2 AND bool_and(state <> 'running') FROM journey_orch.fan_out_status"), 'both audiences were told');
is($node->safe_psql('postgres', q{SELECT journey_orch.settle('3 minutes')}), 't', 'and those told have entered');
is( $node->safe_psql('postgres', q{SELECT state, customers, chunks FROM journey_orch.fan_out_status ORDER BY event_id}),
	"done|$customers|200\ndone|$customers|200", 'each customer was told once, in chunks');
is( $node->safe_psql('postgres', q{SELECT key, count(*), count(DISTINCT customer_id) FROM journey_orch.enrollment_status GROUP BY 1 ORDER BY 1}),
	"1|$customers|$customers\n2|$customers|$customers", 'and entered once by each event');
is($node->safe_psql('postgres', q{SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds}), '', 'the laws hold');

# An audience that takes too long is given up, and its worker goes on.
$node->append_conf('postgresql.conf', "journey_orch.batch_timeout = 500ms\n");
$node->reload;
$node->safe_psql('postgres', q{
SELECT journey_orch.define('{"journey": "slow", "entry": {"on": "slow", "audience": "SELECT a.id FROM public.member a, public.member b, public.member c WHERE a.id + b.id + c.id < 0"},
  "start": "done", "steps": {"done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('slow');
SELECT journey_orch.emit('slow', 'x')});
ok($node->poll_query_until('postgres', q{SELECT state = 'failed' AND sqlstate = '57014' FROM journey_orch.fan_out_status WHERE journey = 'slow'}), 'a slow audience fails');
$node->safe_psql('postgres', q{SELECT journey_orch.emit('told', 'everybody', '{"n": 3}')});
is($node->safe_psql('postgres', q{SELECT journey_orch.settle('3 minutes')}), 't', 'and others go on');
is($node->safe_psql('postgres', q{SELECT count(*) FROM journey_orch.enrollment_status WHERE key = '3'}), $customers, 'for everybody');
$node->stop('fast');
done_testing();
