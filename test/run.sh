#!/bin/bash
# test/run.sh [lint] [regress] [isolation] [pgtap] [tap]: run tests; all kinds
# by default.  ONLY="name ..." limits a kind to the tests named.
#
# Builds, installs into a private copy of PostgreSQL (scripts/private.sh), and
# runs what test/schedule lists, in its order.  Every regress, isolation and
# pgTAP test gets an empty database of its own on one private server a kind;
# TAP tests make their own servers.  A failing test shows its differences; what
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
	local name=$1 from=$SECONDS

	shift
	kind_passed=0
	kind_failed=0
	"$@"
	printf '%s %s: %d passed, %d failed (%d s)\n' "$(date +%T)" "$name" \
		$kind_passed $kind_failed $((SECONDS - from))
}

# The names of the scheduled tests of one kind, those in ONLY if it is set.
scheduled()
{
	sed -n "s/^$1 \+\([A-Za-z0-9_]\+\) *\(#.*\)\?$/\1/p" "$top/test/schedule" |
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

# run_files KIND RUNNER: a server for the kind, then RUNNER NAME for each test.
run_files()
{
	local kind=$1 runner=$2 name names status

	names=$(scheduled "$kind")
	[ -n "$names" ] || return 0
	if ! server_start "$kind" "$top/test/regress.conf" 2>"$work/start.out"; then
		verdict "$kind" "(server start)" 1 "$work/start.out"
		return 0
	fi
	as_user mkdir -p "$out/$kind"
	for name in $names; do
		status=0
		$runner "$name" || status=1
		verdict "$kind" "$name" $status "$out/$kind/$name.out"
		[ $status = 0 ] && as_user dropdb --if-exists --force "jo_$name" >/dev/null 2>&1
	done
	server_stop "$kind" || verdict "$kind" "(server stop)" 1 /dev/null
	if grep -aE 'PANIC|was terminated by signal|TRAP:' "$work/$kind.log" >"$work/crash.out"; then
		verdict "$kind" "(server log)" 1 "$work/crash.out"
	fi
}

# pg_regress NAME DIRECTORY PROGRAM KIND: one test, its diff in $out/KIND/NAME.out
one_regress()
{
	local kind=$1 name=$2 input=$3 program=$4 dir=$out/$1/$2.d status=0

	as_user mkdir -p "$dir"
	as_user timeout -k 10 "${TEST_TIMEOUT:-240}" "$program" --inputdir="$input" \
		--outputdir="$dir" --bindir="$bin" --host="$work/s" --port=5432 \
		--user=postgres --dbname="jo_$name" "$name" </dev/null >"$work/said" 2>&1 || status=$?
	if [ $status != 0 ]; then
		{
			[ $status != 124 ] || echo "timed out"
			if [ -s "$dir/regression.diffs" ]; then
				cat "$dir/regression.diffs"
			else
				cat "$work/said"
			fi
		} >"$out/$kind/$name.out"
	fi
	return $status
}

one_sql() { one_regress regress "$1" "$work/tree" "$pgxs_test/regress/pg_regress"; }
one_spec() { one_regress isolation "$1" "$work/tree/test/isolation" "$pgxs_test/isolation/pg_isolation_regress"; }

one_pgtap()
{
	as_user createdb "jo_$1" >"$out/pgtap/$1.out" 2>&1 &&
		as_user timeout -k 10 "${TEST_TIMEOUT:-240}" pg_prove --verbose -d "jo_$1" \
			"$work/tree/test/pgtap/$1.sql" </dev/null >"$out/pgtap/$1.out" 2>&1
}

run_tap()
{
	local name status perl

	perl=$(cd "$pgxs_test/perl" && pwd)
	for name in $(scheduled tap); do
		as_user mkdir -p "$out/tap/$name"
		user_env=("TESTDIR=$out/tap/$name" "PG_REGRESS=$pgxs_test/regress/pg_regress"
			"PERL5LIB=$perl:$work/tree/test/tap" "JO_TREE=$work/tree" "CDNOW=$work/cdnow.txt"
			"JO_PREFIX=$work/pg")
		status=0
		as_user timeout -k 10 "${TEST_TIMEOUT:-600}" prove --nocolor --verbose \
			"$work/tree/test/tap/$name.pl" </dev/null >"$out/tap/$name.out" 2>&1 || status=1
		user_env=()
		verdict tap "$name" $status "$out/tap/$name.out"
		grep -hE '^# cdnow|skipped: ' "$out/tap/$name.out" || true
		stop_all_servers
	done
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

"$top/scripts/packages.sh"
private_begin
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
user_env=()
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
