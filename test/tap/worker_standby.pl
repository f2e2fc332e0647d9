# test/tap/worker_standby.pl: nothing runs in recovery, everything after it.
#
# Would catch: workers on a standby, views that fail there, a promotion after
# which nobody advances the lanes, and a promoted server taken for a copy.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $primary = new_node('primary', streaming => 1);
use_database($primary, 'postgres');
wait_workers($primary, 'postgres', 2);
emit($primary, 'postgres', 99);
wait_applied($primary, 'postgres', 100);

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', q{
SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'journey_orch %'}), 0, 'nothing runs on a standby');
is($standby->safe_psql('postgres', 'SELECT sum(applied), sum(lag_events) FROM journey_orch.lane_status'),
	'100|0', 'lane_status on a standby');
is($standby->safe_psql('postgres', 'SELECT process, state FROM journey_orch.worker_status ORDER BY 1'),
	"launcher|missing\nsupervisor|stopped", 'worker_status on a standby');
my ($status, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT journey_orch.start_worker()");
like($err, qr/ERROR:  55000: workers cannot run during recovery/, 'start_worker() on a standby');
($status, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nCALL journey_orch.run()");
like($err, qr/ERROR:  25006/, 'run() on a standby');

# Events that the primary could not advance any more are the new primary's.
$primary->safe_psql('postgres', 'SELECT journey_orch.stop_worker()');
emit($primary, 'postgres', 100);
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;
wait_workers($standby, 'postgres', 2, 'workers after the promotion');
wait_applied($standby, 'postgres', 200, 'nothing lost, nothing twice');
unlike(slurp_file($standby->logfile), qr/is a copy/, 'a failover is no copy');

$standby->stop('fast');
done_testing();
