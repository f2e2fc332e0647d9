# test/tap/capture_replication.pl: what a subscription applies is captured.
#
# Its initial copy, and INSERT, UPDATE, DELETE and TRUNCATE after it.  Apply
# workers fire row triggers only, and only those that are ENABLE ALWAYS, so a
# watched table changes its mode when a subscription comes and when it goes.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
$publisher->safe_psql('postgres', q(
	CREATE TABLE t (id int PRIMARY KEY, customer int);
	CREATE TABLE other (id int PRIMARY KEY, customer int);
	INSERT INTO t VALUES (1, 1);
	CREATE PUBLICATION p FOR TABLE t;
));

my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init(allows_streaming => 'logical');
$subscriber->append_conf('postgresql.conf', q(
shared_preload_libraries = 'journey_orch'
journey_orch.autostart = off
));
$subscriber->start;
$subscriber->safe_psql('postgres', q(
	CREATE EXTENSION journey_orch;
	CREATE TABLE t (id int PRIMARY KEY, customer int);
	CREATE TABLE other (id int PRIMARY KEY, customer int);
	SELECT journey_orch.watch('t', 't', 'coalesce(NEW.customer, OLD.customer)', operations => '{insert,update,delete}',
	  payload_sql => $$jsonb_build_object('old', OLD.id, 'new', NEW.id)$$);
	SELECT journey_orch.watch('other', 'other', 'NEW.customer');
));

sub modes
{
	return $subscriber->safe_psql('postgres',
		q(SELECT relation, mode, state FROM journey_orch.watch_status ORDER BY relation::text));
}

is(modes(), "other|statement|enabled\nt|statement|enabled", 'statement mode before the subscription');

my $conninfo = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$conninfo' PUBLICATION p");
is(modes(), "other|statement|enabled\nt|row|enabled", 'row mode for its target, and for nothing else');
is( $subscriber->safe_psql('postgres',
		q(SELECT string_agg(DISTINCT tgenabled::text, '') FROM pg_trigger WHERE tgrelid = 't'::regclass)),
	'A', 'its triggers are ENABLE ALWAYS');

$subscriber->wait_for_subscription_sync($publisher, 's');
$publisher->safe_psql('postgres', q(
	INSERT INTO t VALUES (2, 2), (3, 3);
	UPDATE t SET customer = 9 WHERE id = 2;
	UPDATE t SET id = 30 WHERE id = 3;
	DELETE FROM t WHERE id = 1;
	BEGIN; INSERT INTO t VALUES (4, 4); ROLLBACK;
	TRUNCATE t;
	INSERT INTO t VALUES (5, 5);
));
$publisher->wait_for_catchup('s');
# ... and what the subscriber's own users change
$subscriber->safe_psql('postgres', 'INSERT INTO t VALUES (6, 6)');

is( $subscriber->safe_psql('postgres',
		q(SELECT event, customer_id, payload FROM journey_orch.event_log ORDER BY event_id)),
	q(t|1|{"new": 1, "old": null}
t|2|{"new": 2, "old": null}
t|3|{"new": 3, "old": null}
t|9|{"new": 2, "old": 2}
t|3|{"new": 30, "old": 3}
t|1|{"new": null, "old": 1}
$truncate||{"relation": "public.t"}
t|5|{"new": 5, "old": null}
t|6|{"new": 6, "old": null}), 'the initial copy and every applied change, in order');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM journey_orch.capture_error'), '0', 'no error');

# A table that joins the publication later
$publisher->safe_psql('postgres', 'ALTER PUBLICATION p ADD TABLE other');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION s REFRESH PUBLICATION');
is(modes(), "other|row|enabled\nt|row|enabled", 'a table that joins later changes its mode too');

$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');
is(modes(), "other|statement|enabled\nt|statement|enabled", 'statement mode again when the subscription goes');
is( $subscriber->safe_psql('postgres',
		q(SELECT string_agg(DISTINCT tgenabled::text, '') FROM pg_trigger WHERE tgrelid = 't'::regclass)),
	'O', 'with ordinary triggers');

$subscriber->stop;
$publisher->stop;
done_testing();
