#!/bin/bash
# scripts/demo.sh start|stop: a small shop and its journeys on a private server.
#
# start installs what is missing, builds, starts a server of its own with
# pg_cron and journey_orch preloaded, lets ten virtual days pass in the shop of
# examples/shop/, and shows what came of them.  The server stays until "stop";
# "start" again begins anew.  Everything lies in .demo/ of the tree, or, where
# the server's user may not write there, in a directory under /tmp that
# .demo.path names.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/private.sh"

user_env=()
shop=$top/examples/shop

# Where the demo lives: a Unix socket's path has room for 107 bytes.
place()
{
	if [ -f "$top/.demo.path" ]; then
		place=$(cat "$top/.demo.path")
	else
		place=$top/.demo
	fi
}

stop_demo()
{
	place
	if [ -d "$place" ]; then
		private_begin "$place"
		stop_all_servers
		rm -rf "$place"
	fi
	rm -f "$top/.demo.path"
}

choose_place()
{
	mkdir -p "$top/.demo"
	private_begin "$top/.demo"
	if [ ${#top} -gt 80 ] || ! as_user test -w "$top/.demo" 2>/dev/null; then
		rm -rf "$top/.demo"
		private_begin "$(mktemp -d /tmp/journey_orch_demo.XXXXXX)"
		echo "$work" >"$top/.demo.path"
	fi
	chmod 700 "$work"
}

# sql OPTION...: psql in the shop's database; scripts come on standard input.
sql()
{
	as_user psql -qX -v ON_ERROR_STOP=1 -d shop "$@"
}

seconds()
{
	printf '%3d s  ' $((SECONDS - started))
}

run_days()
{
	local before='2026-03-02 00:00:00+00' now day hour sent total=0 state

	for day in 1 2 3 4 5 6 7 8 9 10; do
		sent=0
		for hour in 3 6 9 12 15 18 21 24; do
			now=$(date -u -d "2026-03-02 00:00:00 UTC + $((24 * (day - 1) + hour)) hours" '+%F %T+00')
			state=$(sql -At -v now="$now" -v before="$before" -f - <"$shop/tick.sql" &&
				sql -At -c "SELECT journey_orch.settle('60 s')")
			[ "$state" = t ] || die "demo: the workers did not settle: $state"
			sent=$((sent + $(sql -At -f - <"$shop/relay.sql")))
			before=$now
		done
		total=$((total + sent))
		seconds
		sql -At -F ' ' -v day=$day -v sent=$sent -f - <<-'END'
			SELECT format('day %s: %s carts and %s orders in the shop, %s people in a journey, %s messages sent',
			  lpad(:'day', 2), (SELECT count(*) FROM shop.cart), (SELECT count(*) FROM shop.sale),
			  (SELECT sum(active) FROM journey_orch.journey_status), :'sent');
		END
	done
}

start_demo()
{
	"$top/scripts/packages.sh"
	stop_demo
	choose_place
	trap 'status=$?; [ $status = 0 ] || { echo "demo: failed; what there is lies in $work, make demo-stop ends it" >&2; }' EXIT
	seconds; echo "building"
	PG_CFLAGS=" " private_build
	private_install
	seconds; echo "starting a server"
	cat >"$work/demo.conf" <<-'END'
		shared_preload_libraries = 'pg_cron,journey_orch'
		cron.database_name = 'shop'
		cron.use_background_workers = on
		max_worker_processes = 24
		max_locks_per_transaction = 256
		timezone = 'UTC'
		log_min_messages = warning
	END
	chmod a+r "$work/demo.conf"
	server_start data "$work/demo.conf"
	as_user createdb shop
	seconds; echo "making the shop, its journeys and their watches"
	sql -f - <"$shop/schema.sql" >/dev/null
	sql -f - <"$shop/data.sql" >/dev/null
	sql >/dev/null <<-'END'
		CREATE EXTENSION pg_cron;
		CREATE EXTENSION journey_orch;
		SELECT journey_orch.set_clock('2026-03-02 00:00:00+00');
	END
	sql -f - <"$shop/journeys.sql" >/dev/null
	run_days
	sql -f - <"$shop/show.sql"
	echo "The server runs until \"make demo-stop\".  Look around with"
	echo
	echo "    $bin/psql -h $work/s -U postgres shop"
	echo
}

started=$SECONDS
case ${1:-start} in
	start) start_demo ;;
	stop)
		stop_demo
		echo "demo: stopped"
		;;
	*) die "usage: scripts/demo.sh start|stop" ;;
esac
