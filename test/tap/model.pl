# test/tap/model.pl: the engine does what docs/journeys.md says.
#
# Random journeys are published, random histories happen to random customers in
# many time zones, and the step log and the messages are compared with those of
# an interpreter in Python that was written from the documentation alone
# (test/model).  These are some of the histories of "make model", enough of them
# to touch every row of its table; SEED=n plays history n and shrinks it.  Would
# catch: a rule that the page states and the engine does otherwise, an event lost
# or offered twice, a wrong due time.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Which histories: of one batch, which share a clock.
use constant FIRST => 144;
use constant HISTORIES => 246;

my $tree = $ENV{JO_TREE} // '.';
my $first = $ENV{MODEL_FIRST} // FIRST;
my $histories = $ENV{MODEL_HISTORIES} // HISTORIES;
my $node = PostgreSQL::Test::Cluster->new('model');
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
my $equal = IPC::Run::run([ 'python3', "$tree/test/model/runner.py", '--first', $first, '--histories', $histories,
		'--shrink', 1 ], '>&', \$said);
diag($said) unless $equal;
note($said);
ok($equal, "the model and the engine agree (seeds $first to " . ($first + $histories - 1) . ')');
like($said, qr/^# $histories histories, 0 differ/m, 'every history was played') unless $ENV{SEED};

$node->stop;
done_testing();
