#!/bin/bash
# test/run.sh [lint] [regress] [isolation] [pgtap] [tap]: run tests; all kinds
# by default.  ONLY="name ..." limits a kind to the tests named.
#
# Builds, installs into a private copy of PostgreSQL (scripts/private.sh), and
# runs what test/schedule lists, JOBS at a time (as many as there are cores).
# Every regress, isolation and pgTAP test gets an empty database of its own, on
# a private server that no other test uses at that time; TAP tests make their
# own servers, and those marked "alone" have the machine for themselves.  A failing test shows its differences; what
# it left behind is kept in .build/check/.  Ends with "N passed, N failed".
# INSTALLED=1 tests the extension that is installed already (make installcheck).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/private.sh"

kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(lint regress isolation pgtap tap)
passed=0
failed=0
started=$SECONDS

clean_up()
{
	jobs -p | xargs -r kill 2>/dev/null || true
	stop_all_servers
	rm -rf "$work"
}

# verdict KIND NAME STATUS FILE: count one test, show FILE when it failed.
verdict()
{
	if [ "$3" = 0 ]; then
		passed=$((passed + 1))
		kind_passed=$((kind_passed + 1))
		return
	fi
	failed=$((failed + 1))
	kind_failed=$((kind_failed + 1))
	echo "--- $1 $2 failed"
	if [ -s "$4" ]; then
		head -n 200 "$4"
	fi
}

# phase NAME COMMAND...: run, print one line with the time it took.
phase()
{
	local name=$1 from=$SECONDS slow

	shift
	kind_passed=0
	kind_failed=0
	: >"$work/took"
	"$@"
	slow=$(sort -k1,1nr -s "$work/took" | sed -n '1,3s/\(.*\) \(.*\)/\2 \1/p' | paste -sd, | sed 's/,/, /g')
	printf '%s %s: %d passed, %d failed (%d s%s)\n' "$(date +%T)" "$name" \
		$kind_passed $kind_failed $((SECONDS - from)) "${slow:+; longest: $slow}"
}

# scheduled KIND [alone]: the names of the scheduled tests of one kind that may
# share the machine, or must not; those in ONLY if it is set.
scheduled()
{
	sed -n "s/^$1 \+\([A-Za-z0-9_]\+\)${2:+ \+$2} *\(#.*\)\?\$/\1/p" "$top/test/schedule" |
		while read -r name; do
			case " ${ONLY:-$name} " in
				*" $name "*) echo "$name" ;;
			esac
		done
}

run_lint()
{
	local script status

	for script in "$top"/test/lint/*.sh "$top"/test/lint/*.pl; do
		[ -x "$script" ] || continue
		case " ${ONLY:-$(basename "$script")} " in
			*" $(basename "$script") "*) ;;
			*) continue ;;
		esac
		status=0
		(cd "$top" && PG_CONFIG=$PG_CONFIG "$script") >"$work/lint.out" 2>&1 || status=1
		verdict lint "$(basename "$script")" $status "$work/lint.out"
	done
}

# at_place KIND RUNNER PLACE NAME...: one of the places where tests of a kind
# run at the same time.  It takes the next test that nobody has taken yet.  Every
# place has a server of its own (TAP tests make theirs), so that two tests never
# share anything that outlives a database, nor see each other's transactions.
at_place()
{
	local kind=$1 runner=$2 place=$3 name from status

	shift 3
	if [ "$kind" != tap ]; then
		server_port=$((5432 + place))
		user_env=("PGPORT=$server_port")
		server_start "$kind$place" "$top/test/regress.conf" 2>"$work/taken/start$place" || return 0
	fi
	for name; do
		mkdir "$work/taken/$name" 2>/dev/null || continue
		from=$SECONDS
		status=0
		"$runner" "$name" || status=1
		echo "$((SECONDS - from)) $name" >"$work/taken/$name/took"
		echo "$status" >"$work/taken/$name/status"
	done
	if [ "$kind" != tap ]; then
		server_stop "$kind$place" || echo "the server did not stop" >>"$work/taken/start$place"
		grep -aE 'PANIC|was terminated by signal|TRAP:' "$work/$kind$place.log" >>"$work/taken/start$place" || true
	fi
}

# in_places KIND RUNNER PLACES NAME...: run RUNNER NAME for each test, so many
# at a time; verdicts come when all are done, in the order of the names.
in_places()
{
	local kind=$1 runner=$2 places=$3 place name status

	shift 3
	[ $# -gt 0 ] || return 0
	[ "$places" -le $# ] || places=$#
	as_user mkdir -p "$out/$kind"
	rm -rf "$work/taken"
	mkdir "$work/taken"
	for ((place = 0; place < places; place++)); do
		at_place "$kind" "$runner" $place "$@" &
	done
	wait
	for name; do
		status=$(cat "$work/taken/$name/status" 2>/dev/null || echo 1)
		cat "$work/taken/$name/took" >>"$work/took" 2>/dev/null || true
		verdict "$kind" "$name" "$status" "$out/$kind/$name.out"
	done
	for ((place = 0; place < places; place++)); do
		[ ! -s "$work/taken/start$place" ] || verdict "$kind" "(server $place)" 1 "$work/taken/start$place"
	done
}

run_files()
{
	local names

	names=$(scheduled "$1")
	# the names are words
	# shellcheck disable=SC2086
	in_places "$1" "$2" "$jobs" $names
}

# pg_regress NAME DIRECTORY PROGRAM KIND: one test, its diff in $out/KIND/NAME.out
one_regress()
{
	local kind=$1 name=$2 input=$3 program=$4 dir=$out/$1/$2.d status=0

	as_user mkdir -p "$dir"
	as_user timeout -k 10 "${TEST_TIMEOUT:-240}" "$program" --inputdir="$input" \
		--outputdir="$dir" --bindir="$bin" --host="$work/s" --port="$server_port" \
		--user=postgres --dbname="jo_$name" "$name" </dev/null >"$work/taken/$name/said" 2>&1 || status=$?
	if [ $status != 0 ]; then
		{
			[ $status != 124 ] || echo "timed out"
			if [ -s "$dir/regression.diffs" ]; then
				cat "$dir/regression.diffs"
			else
				cat "$work/taken/$name/said"
			fi
		} >"$out/$kind/$name.out"
	else
		as_user dropdb --force "jo_$name" >/dev/null 2>&1
	fi
	return $status
}

one_sql() { one_regress regress "$1" "$work/tree" "$pgxs_test/regress/pg_regress"; }
one_spec() { one_regress isolation "$1" "$work/tree/test/isolation" "$pgxs_test/isolation/pg_isolation_regress"; }

one_pgtap()
{
	as_user createdb "jo_$1" >"$out/pgtap/$1.out" 2>&1 &&
		as_user timeout -k 10 "${TEST_TIMEOUT:-240}" pg_prove --verbose -d "jo_$1" \
			"$work/tree/test/pgtap/$1.sql" </dev/null >"$out/pgtap/$1.out" 2>&1 &&
		as_user dropdb --force "jo_$1" >/dev/null 2>&1
}

one_tap()
{
	local name=$1 dir=$out/tap/$1 status=0

	as_user mkdir -p "$dir"
	user_env=("TESTDIR=$dir" "PG_REGRESS=$pgxs_test/regress/pg_regress" "PG_TEST_PORT_DIR=$work/ports"
		"PERL5LIB=$(cd "$pgxs_test/perl" && pwd):$work/tree/test/tap" "JO_TREE=$work/tree"
		"CDNOW=$work/cdnow.txt" "JO_PREFIX=$work/pg")
	as_user timeout -k 10 "${TEST_TIMEOUT:-600}" prove --nocolor --verbose \
		"$work/tree/test/tap/$name.pl" </dev/null >"$out/tap/$name.out" 2>&1 || status=1
	stop_all_servers "$dir"
	[ $status != 0 ] || rm -rf "$dir"
	return $status
}

# Those with a limit on the time that something takes run by themselves.
run_tap()
{
	# the names are words
	# shellcheck disable=SC2046
	in_places tap one_tap "$jobs" $(scheduled tap)
	# shellcheck disable=SC2046
	in_places tap one_tap 1 $(scheduled tap alone)
	cat "$out"/tap/*.out 2>/dev/null | grep -hE '^# cdnow|skipped: ' || true
}

# Every database has a thousand files.  A file system in memory makes and drops
# them in a seventh of the system time of ext4; it must have room, and be one
# from which programs may be started.
memory_is_there()
{
	local room try

	room=$(df -Pm /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
	[ "${room:-0}" -ge 3000 ] || return 1
	[ "$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)" -ge 6000 ] || return 1
	try=$(mktemp -p /dev/shm 2>/dev/null) || return 1
	chmod +x "$try"
	if "$try" 2>/dev/null; then
		rm -f "$try"
	else
		rm -f "$try"
		return 1
	fi
}

# The ordinary user may not be able to read the tree: give it a copy.
copy_tree()
{
	local data=${CDNOW:-$top/../shared/data/cdnow_sample.txt}

	mkdir -p "$work/tree"
	(cd "$top" && tar -cf - --exclude='./.git' --exclude='./.build' --exclude='./.demo' \
		--exclude='*.o' --exclude='*.bc' --exclude='./node_modules' .) | tar -C "$work/tree" -xf - --no-same-owner
	if [ -r "$data" ]; then
		cp "$data" "$work/cdnow.txt"
		chmod a+r "$work/cdnow.txt"
	elif [ -n "${CDNOW:-}" ]; then
		die "CDNOW names a file that cannot be read: $CDNOW"
	fi
	chmod -R a+rX "$work/tree"
}

"$top/scripts/packages.sh" check
[ -n "${TMPDIR:-}" ] || ! memory_is_there || export TMPDIR=/dev/shm
private_begin
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
user_env=()
server_port=5432
jobs=${JOBS:-$(nproc)}
out=$work/out
as_user mkdir -p "$out"

if [ -z "${INSTALLED:-}" ]; then
	from=$SECONDS
	if ! private_build; then
		echo "0 passed, 1 failed"
		exit 1
	fi
	private_install
	printf '%s build: installed into a private PostgreSQL (%d s)\n' "$(date +%T)" $((SECONDS - from))
else
	bin=$bindir
fi
copy_tree

for kind in "${kinds[@]}"; do
	case $kind in
		lint) phase lint run_lint ;;
		regress) phase regress run_files regress one_sql ;;
		isolation) phase isolation run_files isolation one_spec ;;
		pgtap) phase pgtap run_files pgtap one_pgtap ;;
		tap) phase tap run_tap ;;
		*) die "unknown kind of test: $kind" ;;
	esac
done

if [ $failed -gt 0 ]; then
	mkdir -p "$top/.build"
	rm -rf "$top/.build/check"
	cp -r "$out" "$top/.build/check"
	for log in "$work"/*.log; do
		[ ! -f "$log" ] || cp "$log" "$top/.build/check/"
	done
	echo "what the failed tests left is in .build/check ($((SECONDS - started)) s)"
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
