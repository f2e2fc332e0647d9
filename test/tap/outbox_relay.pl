# test/tap/outbox_relay.pl: relays that die, wait, listen and compete, and a
# server that crashes under them.
#
# Would catch: a claim that hands out messages which a crash takes back (lanes
# commit asynchronously); a claim or a claim_id that is forgotten in a way that
# lets two relays hold one message; a wait that holds a snapshot, or is not
# woken; a notification that comes before its messages can be claimed; two
# relays that are given one message, or a message that is given to nobody.
use strict;
use warnings;
use IPC::Run qw(start finish timeout);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $node = new_node('relay', conf => q{
journey_orch.autostart = off
journey_orch.claim_freshness = 0
});

# Drains what is ready now.
my $drain = q{
DO $$
DECLARE
  claimed bigint;
BEGIN
  LOOP
    SELECT max(claim_id) INTO claimed FROM journey_orch.claim('email', 'drain', 10000);
    EXIT WHEN claimed IS NULL;
    PERFORM journey_orch.ack(claimed);
  END LOOP;
END
$$;
};

# Every customer that an event happens to is sent one message.
$node->safe_psql('postgres', q{
CREATE EXTENSION journey_orch;
SELECT journey_orch.set_channel('email', '''someone@example.com''');
SELECT journey_orch.set_template('hello', 'email', 'Hello');
SELECT journey_orch.define('{"journey": "greet", "entry": {"on": "happened", "reentry": {"policy": "any"}}, "start": "hello",
  "steps": {"hello": {"send": {"channels": ["email"], "template": "hello"}, "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('greet');
});

# ---- a crash after a claim ----

# Without its walwriter nobody but the claim flushes what the lanes committed.
my $walwriter = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
emit($node, 'postgres', 100);
kill 'STOP', $walwriter;
my $out = $node->safe_psql('postgres', q{
CALL journey_orch.run();
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn()) > 0;
SELECT claim_id || ' ' || message_id FROM journey_orch.claim('email', 'crashed', 40, '1 hour');
});
my ($unflushed, @handed_out) = grep { $_ ne '' } split /\n/, $out;
is($unflushed, 't', 'some of the log is not on disk before the claim');
is(scalar @handed_out, 40, 'forty messages are handed out');
kill_hard($node, $walwriter);
is($node->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 'f', 'the server is back');
my ($claim_id) = split / /, $handed_out[0];
my $ids = join ',', map { "'" . (split / /)[1] . "'" } @handed_out;
is($node->safe_psql('postgres', "SELECT count(*) FROM journey_orch.outbox WHERE id IN ($ids)"),
	40, 'every message that was handed out has survived');
$node->safe_psql('postgres', 'CALL journey_orch.run()');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), count(DISTINCT aggregateid) FROM journey_orch.outbox'),
	'100|100|100', 'the lanes did the rest again');
my $next = $node->safe_psql('postgres', "SELECT max(claim_id) FROM journey_orch.claim('email', 'next', 1)");
cmp_ok($next, '>', $claim_id, 'a claim_id is not given twice, even if the claim was forgotten');
$node->safe_psql('postgres', "SELECT count(*) FROM journey_orch.claim c, journey_orch.ack(c.claim_id)");

# ---- waiting and listening ----

$node->safe_psql('postgres', $drain);

my ($in, $said, $err) = ("SET application_name = 'waiter'; CALL journey_orch.wait_for_messages('{email}', '3 minutes');\n", '', '');
my $waiter = start [ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], \$in, \$said, \$err, timeout(180);
my ($listener_in, $listener_said, $listener_err) = ("LISTEN \"journey_orch.email\";\nSELECT 'listening';\n", '', '');
my $listener = start [ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
  \$listener_in, \$listener_said, \$listener_err, timeout(180);
$listener->pump until $listener_said =~ /listening/;
# psql executes once the input is there
$waiter->pump_nb;
ok($node->poll_query_until('postgres', q{
SELECT count(*) = 1 FROM pg_stat_activity
WHERE application_name = 'waiter' AND wait_event_type = 'Extension' AND backend_xmin IS NULL AND backend_xid IS NULL}),
	'a waiting relay holds no snapshot');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE application_name = 'waiter' AND l.relation IS NOT NULL}), 0, '... and no lock on a table');
emit($node, 'postgres', 1);
is($said, '', 'an event alone wakes nobody');
$node->safe_psql('postgres', 'CALL journey_orch.run()');
$waiter->pump until $said =~ /\n/;
like($said, qr/^\{email\}/, 'a message does');
$waiter->kill_kill;
# psql tells of a notification after a command, perhaps only after the next one
for (my $asked = 1; $listener_said !~ /Asynchronous/ && $asked <= 100; $asked++)
{
	$listener_in .= "SELECT 'heard ' || $asked;\n";
	$listener->pump until $listener_said =~ /heard $asked\n/;
}
like($listener_said, qr/Asynchronous notification "journey_orch\.email" received/, 'one is notified');
unlike($listener_said, qr/with payload/, '... with an empty payload');
$listener_in .= "SELECT count(a.outcome) || ' claimed' FROM journey_orch.claim('email', 'listener') c, journey_orch.ack(c.claim_id) a;\n";
$listener->pump until $listener_said =~ /claimed/;
like($listener_said, qr/1 claimed/, '... and can claim at once');
$listener_in .= "\\q\n";
finish $listener;

# ---- many relays, some of which die ----

emit($node, 'postgres', 3000);
$node->safe_psql('postgres', 'CALL journey_orch.run()');
$node->safe_psql('postgres', 'ALTER SYSTEM SET journey_orch.max_expired_claims = 1000');
$node->reload;
# One claim in four is never acknowledged, one in four when its lease is over.
my $script = PostgreSQL::Test::Utils::tempdir . '/relay.sql';
append_to_file($script, q{
\set size random(1, 60)
\set fate random(1, 4)
SELECT coalesce(max(claim_id), 0) AS id FROM journey_orch.claim('email', 'relay-' || :client_id, :size,
  CASE WHEN :fate > 2 THEN '1 millisecond' ELSE '1 minute' END::interval) \gset
\if :fate < 4 and :id > 0
SELECT count(*) FROM journey_orch.ack(:id);
\endif
});
$node->command_ok([ 'pgbench', '-n', '-c', '6', '-j', '2', '-t', '150', '-f', $script, 'postgres' ],
	'six relays compete');
# What the dead ones held comes again when their leases are over.
$node->safe_psql('postgres', $drain);
ok($node->poll_query_until('postgres', "SELECT ready = 0 AND in_flight = 0 FROM journey_orch.channel_status"),
	'nothing is left');
is($node->safe_psql('postgres', 'SELECT state, count(*) FROM journey_orch.message_status GROUP BY 1'),
	'sent|3101', 'every message is sent');
# A message may be in many claims, one after the other, but is acknowledged in one.
is($node->safe_psql('postgres', q{
SELECT count(*) FROM (
  SELECT message_id FROM journey_orch.claim c, unnest(held) message_id
  WHERE EXISTS (SELECT FROM journey_orch.claim_outcome o WHERE o.claim_id = c.claim_id AND outcome = 'acked'
                AND (message_ids IS NULL OR message_id = ANY (message_ids)))
    AND NOT EXISTS (SELECT FROM journey_orch.claim_outcome o WHERE o.claim_id = c.claim_id AND outcome = 'reoffered'
                    AND (message_id = ANY (message_ids)))
  GROUP BY 1 HAVING count(*) > 1) twice}), 0, 'no message is acknowledged twice');
is($node->safe_psql('postgres', "SELECT string_agg(law, ' ') FROM journey_orch.verify() WHERE NOT holds"), '',
	'the laws hold');

done_testing();
