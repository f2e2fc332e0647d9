#!/bin/bash
# bench/run.sh [capture] [engine] [latency] [drain]: measure, one line a measure.
#
# Prints "name value unit ratio target verdict".  Every ratio is against a
# reference measured in the same run on the same server, interleaved with the
# measure where both can alternate; bench/README.md says what each one means.
# ROUNDS (5), ROWS (200000), JOURNEYS (100000), EVENTS (5000) and MESSAGES
# (50000) set the size.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/private.sh"

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(capture engine latency drain)
rounds=${ROUNDS:-5}
rows=${ROWS:-200000}
journeys=${JOURNEYS:-100000}
events=${EVENTS:-5000}
messages=${MESSAGES:-50000}
seconds=${SECONDS_EACH:-5}

clean_up()
{
	stop_all_servers
	rm -rf "$work"
}

sql()
{
	as_user psql -qXAt -v ON_ERROR_STOP=1 -v rows="$rows" -v journeys="$journeys" -v messages="$messages" "$@"
}

run_file()
{
	local file=$1
	shift
	sql "$@" -f - <"$top/bench/$file"
}

# line NAME VALUE UNIT RATIO TARGET: TARGET is "ratio>=N", "value>=N" or
# "value<=N"; the verdict follows from it.
line()
{
	local verdict=-

	case $5 in
		ratio'>='*) verdict=$(awk "BEGIN { print ($4 + 0 >= ${5#*=}) ? \"ok\" : \"MISSED\" }") ;;
		value'>='*) verdict=$(awk "BEGIN { print ($2 + 0 >= ${5#*=}) ? \"ok\" : \"MISSED\" }") ;;
		value'<='*) verdict=$(awk "BEGIN { print ($2 + 0 <= ${5#*=}) ? \"ok\" : \"MISSED\" }") ;;
	esac
	printf '%-28s %10s %-12s %7s %-14s %s\n' "$1" "$2" "$3" "$4" "$5" "$verdict"
}

median() { sort -g | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
quotient() { awk "BEGIN { printf \"%.2f\", $1 / $2 }"; }
# ratio_of A B: the median of the rounds' quotients of two files of numbers.
ratio_of() { paste -d' ' "$1" "$2" | awk '{ print $1 / $2 }' | median | xargs printf '%.2f'; }
whole() { printf '%.0f' "$1"; }

# bulk TABLE: microseconds a row of one INSERT … SELECT, wall and server CPU.
bulk()
{
	run_file bulk.sql -d "$db" -v table="$1"
}

single()
{
	as_user pgbench -n -c 8 -j 2 -T "$seconds" -f "$work/single_$1.sql" "$db" 2>/dev/null |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

new_database()
{
	db=$1
	as_user createdb "$db"
	run_file set_up.sql -d "$db" >/dev/null
}

bench_capture()
{
	local round table

	new_database capture
	run_file capture.sql -d "$db" >/dev/null
	for table in bare ignored matched; do
		cat >"$work/single_$table.sql" <<-END
			\set customer random(1, 100000)
			INSERT INTO bench.$table (customer, amount, note) VALUES (:customer::text, :customer % 500, 'twelve bytes');
		END
		chmod a+r "$work/single_$table.sql"
		: >"$work/bulk_$table" >"$work/tps_$table"
	done
	for round in $(seq "$rounds"); do
		for table in bare ignored matched; do
			bulk $table >>"$work/bulk_$table"
			single $table >>"$work/tps_$table"
		done
	done
	for table in bare ignored matched; do
		cut -d'|' -f1 "$work/bulk_$table" >"$work/wall_$table"
		cut -d'|' -f2 "$work/bulk_$table" >"$work/cpu_$table"
		declare "wall_$table=$(median <"$work/wall_$table")" "cpu_$table=$(median <"$work/cpu_$table")" \
			"tps_$table=$(median <"$work/tps_$table")"
	done
	line insert_bulk "$(whole "$(quotient 1000000 $wall_bare)")" rows/s 1.00 -
	line capture_bulk_ignored "$(whole "$(quotient 1000000 $wall_ignored)")" rows/s "$(ratio_of "$work/wall_bare" "$work/wall_ignored")" 'ratio>=0.90'
	line capture_bulk_ignored_cpu "$(awk "BEGIN { printf \"%.2f\", $cpu_ignored - $cpu_bare }")" us/row "$(ratio_of "$work/cpu_ignored" "$work/cpu_bare")" 'value<=0.5'
	line capture_bulk_matched "$(whole "$(quotient 1000000 $wall_matched)")" rows/s "$(ratio_of "$work/wall_bare" "$work/wall_matched")" 'ratio>=0.60'
	line capture_bulk_matched_cpu "$(awk "BEGIN { printf \"%.2f\", $cpu_matched - $cpu_bare }")" us/row "$(ratio_of "$work/cpu_matched" "$work/cpu_bare")" -
	line insert_single "$(whole "$tps_bare")" rows/s 1.00 -
	line capture_single_ignored "$(whole "$tps_ignored")" rows/s "$(ratio_of "$work/tps_ignored" "$work/tps_bare")" 'ratio>=0.95'
	line capture_single_matched "$(whole "$tps_matched")" rows/s "$(ratio_of "$work/tps_matched" "$work/tps_bare")" 'ratio>=0.85'
}

# Journeys of one worker: all events are captured while no worker runs.
bench_engine()
{
	local reference wall cpu rate bytes result

	new_database engine
	run_file journey.sql -d "$db" >/dev/null
	reference=$(run_file reference.sql -d "$db")
	sql -d "$db" -c "INSERT INTO bench.signup (customer, amount) SELECT i::text, i % 500 FROM generate_series(1, $journeys) AS i" \
		-c 'CHECKPOINT'
	result=$(run_file engine.sql -d "$db")
	IFS='|' read -r wall cpu bytes <<<"$result"
	rate=$(awk "BEGIN { printf \"%.0f\", $journeys / $wall }")
	line batch_insert "$(whole "$reference")" rows/s 1.00 -
	line journeys_one_worker "$rate" journeys/s "$(quotient "$rate" "$reference")" 'value>=10000'
	line journeys_one_worker_cpu "$(awk "BEGIN { printf \"%.1f\", 1000000 * $cpu / $journeys }")" us/journey - -
	line journeys_one_worker_wal "$(awk "BEGIN { printf \"%.0f\", $bytes / $journeys }")" B/journey - -
}

# latency RATE COUNT: p50|p99|events a second of COUNT events at RATE a second
# (0: as fast as they go), each through worker and relay.
latency()
{
	local relay result throttle=()

	[ "$1" = 0 ] || throttle=(-R "$1")
	new_database latency
	run_file journey.sql -d "$db" >/dev/null
	sql -d "$db" -c 'SELECT journey_orch.start_worker()' >/dev/null
	run_file relay.sql -d "$db" -v events="$2" >/dev/null &
	relay=$!
	as_user pgbench -n -c 4 -j 1 -t $(($2 / 4)) ${throttle[@]+"${throttle[@]}"} -f "$work/signup.sql" "$db" >/dev/null 2>&1
	wait $relay
	result=$(sql -d "$db" -c "SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 2),
		round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 2),
		round(count(*) / (SELECT extract(epoch FROM max(at) - min(pg_xact_commit_timestamp(signup.xmin)))
		                    FROM bench.received JOIN bench.signup USING (id))), count(*) FROM bench.latency")
	[ "${result##*|}" = "$2" ] || die "latency: ${result##*|} messages of $2 events"
	sql -d "$db" -c 'SELECT journey_orch.stop_worker()' >/dev/null
	as_user dropdb --force "$db"
	echo "${result%|*}"
}

bench_latency()
{
	local p50 p99 capacity rate=${RATE:-1000}

	cat >"$work/signup.sql" <<-'END'
		\set customer random(1, 100000)
		INSERT INTO bench.signup (customer, amount) VALUES (:customer::text, 1);
	END
	chmod a+r "$work/signup.sql"
	IFS='|' read -r p50 p99 capacity < <(latency "$rate" "$events")
	line "commit_to_claim_p50@$rate/s" "$p50" ms - 'value<=10'
	line "commit_to_claim_p99@$rate/s" "$p99" ms - -
	IFS='|' read -r p50 p99 capacity < <(latency 0 $((4 * events)))
	line commit_to_claim_capacity "$capacity" events/s - -
	IFS='|' read -r p50 p99 capacity < <(latency $((capacity / 2)) $((4 * events)))
	line commit_to_claim_p50@half "$p50" ms - -
	line commit_to_claim_p99@half "$p99" ms - -
}

# drain BATCH COUNT SCRIPT: messages a second of one client.
drain()
{
	local tps

	tps=$(as_user pgbench -n -c 1 -t $(($2 / $1)) -D batch="$1" -f "$work/$3" "$db" 2>/dev/null |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p')
	awk "BEGIN { printf \"%.0f\", $tps * $1 }"
}

bench_drain()
{
	local batch count ours plain target left

	new_database drain
	run_file journey.sql -d "$db" >/dev/null
	run_file queue.sql -d "$db" >/dev/null
	sql -d "$db" -c "INSERT INTO bench.signup (customer, amount) SELECT i::text, i % 500 FROM generate_series(1, 3 * $messages) AS i" \
		-c 'CALL journey_orch.run()' -c 'CHECKPOINT'
	cp "$top/bench/claim.sql" "$top/bench/skip_locked.sql" "$work/"
	chmod a+r "$work/claim.sql" "$work/skip_locked.sql"
	for batch in 1000 100 1; do
		count=$messages
		[ $batch != 1 ] || count=$((messages / 20))
		plain=$(drain $batch $count skip_locked.sql)
		ours=$(drain $batch $count claim.sql)
		line "skip_locked_batch_$batch" "$plain" messages/s 1.00 -
		line "drain_batch_$batch" "$ours" messages/s "$(quotient "$ours" "$plain")" 'ratio>=1.00'
	done
	left=$(sql -d "$db" -c "SELECT sum(ready) FROM journey_orch.channel_status WHERE channel = 'email'")
	[ "$left" = $((messages - messages / 20)) ] || die "drain: $left messages are left, not $((messages - messages / 20))"
}

"$top/scripts/packages.sh"
private_begin
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
user_env=()
PG_CFLAGS=" " private_build
private_install
cp "$top/bench/server.conf" "$work/server.conf"
chmod a+r "$work/server.conf"
server_start data "$work/server.conf"
echo "# $(nproc) cores, load average $(cut -d' ' -f1-3 /proc/loadavg), $(as_user postgres --version)"
printf '%-28s %10s %-12s %7s %-14s %s\n' name value unit ratio target verdict
for part in "${parts[@]}"; do
	case $part in
		capture | engine | latency | drain) "bench_$part" ;;
		*) die "unknown part: $part" ;;
	esac
	as_user dropdb --if-exists --force "$part" 2>/dev/null
done
