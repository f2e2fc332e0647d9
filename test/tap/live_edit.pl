# test/tap/live_edit.pl: a live journey is edited, paused, resumed and stopped
# again and again while customers come and four workers run them.
#
# Would catch: a run that an act misses or reaches twice, because it entered or
# moved in a batch beside the act; a customer who enters twice or never; a second
# message of one visit; people who stay held, or inside a stopped journey; a
# message that a relay is given while the journey is paused.
use strict;
use warnings;
use IPC::Run qw(start finish timeout);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $node = new_node('live_edit', conf => q{
journey_orch.workers = 4
journey_orch.batch_size = 50
});
my $customers = 4000;

# Version n: two sends with waits between them; every version ends differently.
$node->safe_psql('postgres', qq{
CREATE EXTENSION journey_orch;
CREATE TABLE customer (id integer PRIMARY KEY, email text);
INSERT INTO customer SELECT i, i || '\@example.com' FROM generate_series(1, $customers) AS i;
SELECT journey_orch.bind_customer('customer', 'id');
SELECT journey_orch.set_channel('email', 'customer.email');
SELECT journey_orch.set_template('hello', 'email', 'Hello');
CREATE TABLE visit (customer_id integer);
SELECT journey_orch.watch('visit', 'came', 'NEW.customer_id');
CREATE FUNCTION definition(n integer) RETURNS jsonb LANGUAGE sql AS \$\$
  SELECT jsonb_build_object('journey', 'edited', 'entry', '{"on": "came"}'::jsonb, 'start', 'first', 'steps',
    '{"first": {"send": {"channels": ["email"], "template": "hello"}, "next": "nap"}, "nap": {"delay": "200 milliseconds", "next": "hear"},
      "hear": {"wait": {"for": [{"on": "heard", "next": "last"}], "until": {"after": "500 milliseconds", "next": "last"}}},
      "last": {"send": {"channels": ["email"], "template": "hello"}, "next": "done"}}'::jsonb
    || jsonb_build_object('done', jsonb_build_object('exit', 'version_' || n))) \$\$;
CREATE TABLE claimed (customer_id text, at timestamptz);
SELECT journey_orch.define(definition(1));
SELECT count(*) FROM journey_orch.publish('edited');
});

# Customers come, four a transaction, and some are heard of.
my ($in, $out, $err) = ('', '', '');
my $shop = start [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', qq{
DO \$\$
BEGIN
  FOR i IN 1 .. $customers / 4 LOOP
    INSERT INTO visit SELECT (i - 1) * 4 + j FROM generate_series(1, 4) AS j;
    PERFORM journey_orch.emit('heard', (1 + i % 7)::text);
    COMMIT;
  END LOOP;
END
\$\$} ], '<', \$in, '>', \$out, '2>', \$err, timeout(240);

# Meanwhile, until they have all come: a version with each policy, and pauses.
my $version = 1;
my $paused_claims = 0;
my $rounds = 0;
while ($shop->pumpable || $rounds < 6)
{
	my $inflight = qw(finish move exit move)[$rounds++ % 4];

	$version++;
	$node->safe_psql('postgres', "SELECT journey_orch.define(definition($version));
SELECT count(*) FROM journey_orch.publish('edited', inflight => '$inflight')");
	$node->safe_psql('postgres', "SELECT journey_orch.pause('edited', waits => '" . ($rounds % 2 ? 'run' : 'extend') . "')");
	$paused_claims += $node->safe_psql('postgres', "SELECT count(*) FROM journey_orch.claim('email', 'relay')");
	$node->safe_psql('postgres', "SELECT journey_orch.resume('edited'" . ($rounds % 3 ? '' : ', 5000') . ")");
	$node->safe_psql('postgres', q{
WITH c AS (SELECT * FROM journey_orch.claim('email', 'relay', 1000)), i AS (INSERT INTO claimed SELECT customer_id, clock_timestamp() FROM c)
SELECT count(*) FROM (SELECT max(claim_id) AS id FROM c HAVING count(*) > 0) AS k, LATERAL journey_orch.ack(k.id) AS a});
	$shop->pump_nb if $shop->pumpable;
	last if $rounds > 200;
}
ok(finish($shop), 'the customers came') or diag $err;
cmp_ok($version, '>', 5, "$version versions were published meanwhile");
is($paused_claims, 0, 'no message was handed out while the journey was paused');

ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM journey_orch.enrollment WHERE state <> 'held' OR due_at IS NOT NULL}),
	'everybody got through');
is($node->safe_psql('postgres', 'SELECT journey_orch.settle()'), 't', 'and the lanes are at rest');
is($node->safe_psql('postgres', 'SELECT count(*) FROM journey_orch.enrollment'), 0, 'nobody is left inside');
is($node->safe_psql('postgres', q{SELECT count(*) || ' ' || count(DISTINCT customer_id) FROM journey_orch.step_log WHERE outcome = 'entered'}),
	"$customers $customers", 'everybody entered once');
is($node->safe_psql('postgres', q{SELECT count(*) FROM journey_orch.step_log WHERE outcome = 'ended' AND reason NOT IN ('superseded', 'version_' || version)}),
	0, 'and ended on a version of his own, or was told to leave');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM (SELECT customer_id FROM claimed GROUP BY 1 HAVING count(*) > 2) AS c}), 0, 'nobody was given a message twice');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM (SELECT enrollment_id FROM journey_orch.step_log WHERE outcome = 'ended' GROUP BY 1 HAVING count(*) > 1) AS e}), 0,
	'nobody ended twice');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM journey_orch.journey_status WHERE entered + moved_in <> active + ended + moved_out}), 0, 'the counts add up by version');
is($node->safe_psql('postgres', "SELECT string_agg(law || ': ' || detail, E'\\n') FROM journey_orch.verify('full') WHERE NOT holds"), '', 'the laws hold');
is($node->safe_psql('postgres', "SELECT journey_orch.stop('edited'); SELECT journey_orch.archive('edited')"), "0\n", 'and it can be archived');
$node->stop;
done_testing();
