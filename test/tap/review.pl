# test/tap/review.pl: journey_orch.require_review, with people who share roles.
#
# Would catch: an author who approves himself by SET ROLE, through another role,
# or as a superuser under another session authorization; two people who are
# taken for one because they share a role; a version or template that is live
# without a second person; a template that changes under a live journey without
# one; the setting switched off in a session.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $node = new_node('review', conf => q{
journey_orch.autostart = off
journey_orch.require_review = on
});
my $definition = '{"journey": "hello", "entry": {"on": "came", "reentry": {"policy": "any"}}, "start": "hello",
  "steps": {"hello": {"send": {"channels": ["email"], "template": "hello"}, "next": "done"}, "done": {"exit": "%s"}}}';

$node->safe_psql('postgres', q{
CREATE EXTENSION journey_orch;
CREATE ROLE review_marketing IN ROLE journey_orch_author;
CREATE ROLE review_editing IN ROLE journey_orch_author;
CREATE ROLE review_alice LOGIN IN ROLE review_marketing, review_editing;
CREATE ROLE review_bob LOGIN IN ROLE review_marketing;
SELECT journey_orch.set_channel('email', '''someone@example.com''');
});

# Do something as a session user in a role; returns what it says, or the error.
sub as
{
	my ($user, $role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SET ROLE $role; $sql",
		connstr => $node->connstr('postgres') . " user=$user",
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	return $status == 0 ? $out : $err;
}
my $publish = "SELECT of_version FROM journey_orch.publish('hello')";
my $version = "SELECT journey_orch.approve_version('hello', 1, 'read')";
my $template = "SELECT journey_orch.approve_template('hello', 'email', 'read')";

is(as('review_alice', 'review_marketing', "SELECT journey_orch.set_template('hello', 'email', 'Hello')"), 1, 'alice writes a template');
is(as('review_alice', 'review_marketing', sprintf("SELECT journey_orch.define('$definition')", 'one')), 1, 'and a journey');
like(as('review_alice', 'review_marketing', $publish), qr/55000.*version 1 of journey "hello" is not approved.*review_alice/s, 'it cannot be published');
is(as('review_alice', 'review_marketing', "SELECT of_version FROM journey_orch.publish('hello', preview => true)"), 1, 'but previewed');
like(as('review_alice', 'review_marketing', $version), qr/42501.*cannot be approved by its author/s, 'alice cannot approve it');
like(as('review_alice', 'review_editing', $version), qr/42501/, 'nor in another role');
like(as('review_alice', 'review_editing', $template), qr/42501.*version 1 of template "hello" cannot be approved/s, 'nor the template');
like(as('review_bob', 'review_marketing', $publish), qr/55000/, 'bob cannot publish it either');

is(as('review_bob', 'review_marketing', $version), '', 'bob, in the same role, approves it');
like(as('review_alice', 'review_marketing', $publish), qr/55000.*templates that are not approved.*template "hello" of channel "email"/s, 'the template is still missing');
is(as('review_bob', 'review_marketing', $template), 1, 'bob approves it');
is(as('review_alice', 'review_marketing', $publish), 1, 'alice publishes');
is($node->safe_psql('postgres', "SELECT created_by, approved_by, approval_note FROM journey_orch.journey_definition"),
	'review_alice|review_bob|read', 'who did what is on record');

# what is written later is not approved
is(as('review_alice', 'review_marketing', sprintf("SELECT journey_orch.define('$definition')", 'two')), 2, 'another version');
like(as('review_alice', 'review_marketing', $publish), qr/version 2 of journey "hello" is not approved/, 'needs an approval of its own');
is(as('review_alice', 'review_marketing', "SELECT of_version FROM journey_orch.publish('hello', 1)"), 1, 'the first one still has its');

# a template that changes under the live journey
sub body
{
	return $node->safe_psql('postgres', q{
SELECT count(journey_orch.emit('came', '1')) \gset
CALL journey_orch.run();
SELECT body FROM journey_orch.claim('email', 'relay')});
}
is(as('review_alice', 'review_marketing', "SELECT journey_orch.set_template('hello', 'email', 'Buy now')"), 2, 'alice changes the template');
is(body(), 'Hello', 'the approved one is sent');
is($node->safe_psql('postgres', "SELECT body FROM journey_orch.render('hello', '1')"), 'Buy now', 'the new one can be looked at');
like(as('review_bob', 'review_marketing', "SELECT journey_orch.approve_template('hello', 'email', version => 3)"), qr/42704/, 'bob approves what he has read');
is(as('review_bob', 'review_marketing', "SELECT journey_orch.approve_template('hello', 'email', version => 2)"), 2, 'by its number');
is(body(), 'Buy now', 'and it is sent');

# a locale that nobody has approved waits, whoever speaks it
is(as('review_alice', 'review_marketing', "SELECT journey_orch.set_template('hello', 'email', 'Kauf jetzt', locale => 'de')"), 1, 'alice adds a locale');
is($node->safe_psql('postgres', q{
CREATE TABLE customer (id text, locale text);
INSERT INTO customer VALUES ('1', 'de-AT');
SELECT journey_orch.bind_customer('customer', 'id', locale_sql => 'locale')}), 'bound', 'for a customer who reads it');
is(body(), 'Buy now', 'he gets the approved default');
is(as('review_bob', 'review_marketing', "SELECT journey_orch.approve_template('hello', 'email', locale => 'de')"), 1, 'bob approves the locale');
is(body(), 'Kauf jetzt', 'and it is sent');

# a locale that is older than all approvals goes on as it is, whatever is written since
$node->safe_psql('postgres', q{
UPDATE journey_orch.message_template SET approved_by = NULL, created_at = '2020-01-01' WHERE locale = 'de';
SELECT journey_orch.set_template('hello', 'email', 'Kauf sofort', locale => 'de')});
is(body(), 'Kauf jetzt', 'a draft of an old locale takes nothing away');

# superusers too
my ($status, $out, $err) = $node->psql('postgres', sprintf("SELECT journey_orch.define('$definition')", 'three') . ";
SELECT journey_orch.approve_version('hello', 3)");
like($err, qr/cannot be approved by its author/, 'a superuser is an author like any other');
($status, $out, $err) = $node->psql('postgres', "SET SESSION AUTHORIZATION review_bob; SELECT journey_orch.approve_version('hello', 3)");
like($err, qr/cannot be approved by its author/, 'also under another session authorization');
($status, $out, $err) = $node->psql('postgres', "SET journey_orch.require_review = off");
like($err, qr/cannot be changed now/, 'and cannot switch the setting off in a session');
($status, $out, $err) = $node->psql('postgres', "SELECT count(*) FROM journey_orch.publish('hello', 3)");
like($err, qr/version 3 of journey "hello" is not approved/, 'so nothing is published');
is($node->safe_psql('postgres', "SELECT count(*) FROM journey_orch.verify('full') WHERE NOT holds"), 0, 'the laws hold');
$node->stop;
done_testing();
