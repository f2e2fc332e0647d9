# test/tap/schedule.pl: schedules woken by the real pg_cron.
#
# Would catch: a schedule whose job pg_cron does not know or that it may not run,
# a planned time that two wakes make twice, missed times that are forgotten or
# all told at once, a job that stays when its last schedule has gone, workers
# that under the virtual clock go past a planned time.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use JoWorker;

my $libraries = `pg_config --pkglibdir`;
chomp $libraries;
plan skip_all => 'pg_cron is not installed' unless -f "$libraries/pg_cron.so";

my $node = new_node('schedule', preload => 0, conf => q{
shared_preload_libraries = 'journey_orch, pg_cron'
cron.database_name = 'postgres'
cron.use_background_workers = on
journey_orch.workers = 2
});
sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

use_database($node, 'postgres');
wait_workers($node, 'postgres', 2, 'two workers are there');
my $define = q{SELECT journey_orch.define('{"journey": "j", "entry": {"api": true, "reentry": {"policy": "any"}}, "start": "done", "steps": {"done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('j')};
sql(qq{CREATE TABLE member (id int PRIMARY KEY); INSERT INTO member SELECT generate_series(1, 100); $define});
my $audience = q{'SELECT id FROM public.member'};

# Without pg_cron here nobody would wake us.
my ($result, $out, $error) = $node->psql('postgres', "SELECT journey_orch.schedule('minutely', 'j', '* * * * *', $audience)");
like($error, qr/pg_cron does not wake database "postgres"/, 'without pg_cron a schedule is refused');
sql('CREATE EXTENSION pg_cron');
is(sql("SELECT journey_orch.schedule('minutely', 'j', '* * * * *', $audience)"), 'created', 'with it, it is taken');
is(sql(q{SELECT jobname, schedule, command, database FROM cron.job}),
	'journey_orch postgres|* * * * *|SELECT journey_orch.run_schedules()|postgres', 'and there is one job');

# Times that were missed; the last one was half an hour ago.
my $minute = (1 + sql(q{SELECT extract(minute FROM now())::int}) + 29) % 60;
for my $missed ('skip', 'once', 'all')
{
	sql("SELECT journey_orch.schedule('$missed', 'j', '$minute * * * *', $audience, missed => '$missed')");
}
is(sql('SELECT count(*) FROM cron.job'), 1, 'still one job');
sql(q{UPDATE journey_orch.schedule SET since = now() - interval '5 hours 45 minutes' WHERE name <> 'minutely'});

# Many see them at once, pg_cron among them.
my @wakes = map { IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', 'SELECT journey_orch.run_schedules()', '-d', $node->connstr('postgres') ],
		'>', '/dev/null', IPC::Run::timeout(60)) } 1 .. 8;
finish $_ or fail('a wake failed') for @wakes;
is( sql(q{SELECT schedule, occurrences, left_out FROM journey_orch.schedule_status WHERE schedule <> 'minutely' ORDER BY 1}),
	"all|6|0\nonce|1|5\nskip|0|6", 'what was missed is all made up for, once, or left out');
is(sql(q{SELECT count(*), count(DISTINCT (schedule, planned_at)) FROM journey_orch.fan_out WHERE schedule <> 'minutely'}), '7|7', 'and nothing twice');

# pg_cron itself, within a minute or so.
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM journey_orch.schedule_occurrence WHERE schedule = 'minutely' AND state = 'done' AND left_out = 0}),
	'pg_cron wakes us, and the audience is told');
is(sql(q{SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'}), 0, 'no run of the job failed');
is(sql(q{SELECT bool_and(unschedule) FROM unnest('{minutely,skip,once}'::text[]) AS name, journey_orch.unschedule(name)}), 't', 'they are taken back');
is(sql('SELECT count(*) FROM cron.job'), 1, 'the job stays for the last one');
sql(q{SELECT journey_orch.unschedule('all')});
is(sql('SELECT count(*) FROM cron.job'), 0, 'and goes with it');
is(sql(q{SELECT journey_orch.settle('1 minute')}), 't', 'everybody told has entered');
is( sql(q{SELECT count(DISTINCT n) FROM (SELECT customer_id, count(*) AS n FROM journey_orch.enrollment_status GROUP BY 1) AS c}), 1, 'each as often');
is(sql(q{SELECT law, detail FROM journey_orch.verify('full') WHERE NOT holds}), '', 'the laws hold');

# A journey that enters by a schedule, by workers, under the virtual clock.
sql(q{SELECT journey_orch.set_clock('2030-01-01 00:00+00', force => true);
SELECT journey_orch.define('{"journey": "daily", "entry": {"schedule": {"cron": "0 12 * * *", "audience": "SELECT id FROM public.member"}, "reentry": {"policy": "after_exit"}},
  "start": "rest", "steps": {"rest": {"delay": "23 hours", "next": "done"}, "done": {"exit": "done"}}}');
SELECT count(*) FROM journey_orch.publish('daily');
SELECT journey_orch.advance_clock('10 days')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 10 FROM journey_orch.schedule_occurrence WHERE schedule = '$daily' AND state = 'done'}), 'workers let ten days pass');
is(sql(q{SELECT journey_orch.settle('2 minutes')}), 't', 'settled');
is( sql(q{SELECT count(*), count(DISTINCT entered_at), bool_and(to_char(entered_at AT TIME ZONE 'UTC', 'HH24:MI') = '12:00') FROM journey_orch.enrollment_status WHERE journey = 'daily'}),
	'1000|10|t', 'everybody enters each day at noon');

# pg_cron in another database: whoever rules there makes the job.
sql('CREATE DATABASE shop');
sql("CREATE EXTENSION journey_orch; CREATE TABLE member (id int); $define", 'shop');
($result, $out, $error) = $node->psql('shop', "SELECT journey_orch.schedule('far', 'j', '* * * * *', $audience)");
like($error, qr/cron\.schedule_in_database\('journey_orch shop'/, 'a schedule elsewhere says what to do');
sql('SELECT journey_orch.run_schedules()', 'shop');
is(sql("SELECT journey_orch.schedule('far', 'j', '* * * * *', $audience)", 'shop'), 'created', 'and is taken when we are woken');
$node->stop('fast');
done_testing();
