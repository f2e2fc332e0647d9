# test/tap/simulated.pl: simulate() says what really happens.
#
# Random histories are played in the engine; then simulate() replays their event
# log, for all journeys and customers at once and for some customers alone, and
# its rows are compared with the step log and the messages (test/model).  These
# are some of the histories of "make model-simulated".  Would catch: a second
# way to compute what a step does, a chunk that changes a result, an event left
# out of the replay or counted twice.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Which histories: of one batch, which share a clock.
use constant FIRST => 600;
use constant HISTORIES => 80;

my $tree = $ENV{JO_TREE} // '.';
my $node = PostgreSQL::Test::Cluster->new('simulated');
$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'journey_orch'
journey_orch.autostart = off
max_locks_per_transaction = 256
synchronous_commit = off
jit = off
});
$node->start;

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
my $said = '';
my $equal = IPC::Run::run([ 'python3', "$tree/test/model/simulated.py", '--first', FIRST, '--histories', HISTORIES ],
	'>&', \$said);
diag($said) unless $equal;
note($said);
ok($equal, 'simulate() replays ' . HISTORIES . ' histories as they were');
like($said, qr/^# ${\ HISTORIES} histories, [1-9]\d{3,} simulated rows, 0 differ/m, 'with thousands of rows');

$node->stop;
done_testing();
