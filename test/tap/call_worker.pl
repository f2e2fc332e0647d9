# test/tap/call_worker.pl: workers execute calls that write to a watched table,
# across lanes, while applications write to it too, and leave a lock behind.
#
# Would catch: a call that the engine role's rights limit or lend to, a batch
# that waits for itself, events of a call that are lost, doubled or that nobody
# is rung for, an order or a deal without the other.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

# Nobody polls: whatever is not rung never happens.
my $node = new_node('call', conf => "journey_orch.poll_interval = 1h\n");
use_database($node, 'postgres');
wait_workers($node, 'postgres', 2, 'workers are there');

my $customers = 400;
$node->safe_psql('postgres', qq{
CREATE ROLE seller;
GRANT journey_orch_author TO seller;
CREATE SCHEMA shop AUTHORIZATION seller;
CREATE TABLE shop.customer (id int PRIMARY KEY, credit int NOT NULL DEFAULT 0);
CREATE TABLE shop.orders (id bigint GENERATED ALWAYS AS IDENTITY, customer int, kind text, by_whom name DEFAULT current_user);
INSERT INTO shop.customer SELECT generate_series(1, $customers);
ALTER TABLE shop.customer OWNER TO seller;
ALTER TABLE shop.orders OWNER TO seller;
SELECT journey_orch.bind_customer('shop.customer', 'id');
SET ROLE seller;
CREATE FUNCTION shop.gift(who int) RETURNS bigint LANGUAGE plpgsql AS \$\$
DECLARE
  made bigint;
BEGIN
  -- forgotten: the worker must let go of it, or the others wait for ever
  PERFORM pg_advisory_lock(4711);
  INSERT INTO shop.orders (customer, kind) VALUES (who, 'gift') RETURNING id INTO made;
  INSERT INTO shop.orders (customer, kind) VALUES (who % $customers + 1, 'referral');
  UPDATE shop.customer SET credit = credit + 1 WHERE id = who;
  RETURN made;
END \$\$;
SELECT journey_orch.watch('shop.orders', 'ordered', 'NEW.customer', columns => '{kind}');
SELECT journey_orch.define('{"journey": "thanks", "entry": {"on": "ordered", "when": "event->>''kind'' = ''sale''", "reentry": {"policy": "any"}}, "start": "give", "steps": {
  "give": {"call": "shop.gift(customer.id)", "next": "hear"},
  "hear": {"wait": {"for": [{"on": "ordered", "when": "event->>''kind'' = ''gift''", "next": "done"}]}}, "done": {"exit": "done"}}}');
SELECT journey_orch.define('{"journey": "referred", "entry": {"on": "ordered", "when": "event->>''kind'' = ''referral''", "reentry": {"policy": "any"}}, "start": "a", "steps": {"a": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('thanks');
SELECT count(*) FROM journey_orch.publish('referred');
});

# Applications buy, and also lock rows that the calls want, for a moment.
my @clients;
for my $client (0 .. 1)
{
	my $sql = join '', map {
		"BEGIN; UPDATE shop.customer SET credit = credit WHERE id = $_; INSERT INTO shop.orders (customer, kind) VALUES ($_, 'sale'); COMMIT;\n"
	} grep { $_ % 2 == $client } 1 .. $customers;
	push @clients, IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \$sql, IPC::Run::timeout(120));
}
finish $_ or fail('a client failed') for @clients;

ok( $node->poll_query_until('postgres', qq{
SELECT count(*) FILTER (WHERE journey = 'thanks') = $customers AND count(*) FILTER (WHERE journey = 'referred') = $customers
FROM journey_orch.enrollment_status WHERE state = 'ended'}),
	'every sale made a gift that its run heard of, and a referral in another lane');
is($node->safe_psql('postgres', 'SELECT journey_orch.settle()'), 't', 'settled');
is( $node->safe_psql('postgres', q{SELECT kind, count(*), count(DISTINCT customer), string_agg(DISTINCT by_whom::text, ' ') FROM shop.orders WHERE kind <> 'sale' GROUP BY 1 ORDER BY 1}),
	"gift|$customers|$customers|seller\nreferral|$customers|$customers|seller",
	'each call was executed once, by its owner');
is($node->safe_psql('postgres', 'SELECT min(credit), max(credit) FROM shop.customer'), '1|1', 'and each update');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711}), '0', 'no lock is left behind');
is($node->safe_psql('postgres', 'SELECT count(*) FROM journey_orch.parked_enrollment'), '0', 'nobody is parked');
is($node->safe_psql('postgres', q{SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds}), '', 'the laws hold');
$node->stop('fast');
done_testing();
