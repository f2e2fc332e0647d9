# scripts/private.sh: a private PostgreSQL for tests, demo and bench; sourced.
#
# Nothing here touches the PostgreSQL that is installed: its programs are
# copied to a directory of our own (PostgreSQL finds its files relative to its
# own place), and the extension is installed into the copy.  Servers listen on
# a Unix socket in that directory only.  PostgreSQL refuses to run as root, so
# as root everything but the build runs as user postgres (or JO_USER).
#
# The caller sets -euo pipefail, calls private_begin [DIR], and gets:
#   $work   the private directory     $bin    its PostgreSQL programs
#   as_user COMMAND...                run as the ordinary user, clean environment
#   private_build                     build with warnings as errors
#   private_install                   copy PostgreSQL, install the extension
#   server_start NAME CONF...         socket directory $work/s, database postgres
#   server_stop NAME

export PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Settings of the caller's own PostgreSQL must not reach ours.
for variable in $(compgen -e PG || true); do
	case $variable in
		PG_CONFIG | PG_CFLAGS) ;;
		*) unset "$variable" ;;
	esac
done

if [ -z "${PG_CONFIG:-}" ]; then
	PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
	[ -x $PG_CONFIG ] || PG_CONFIG=pg_config
fi
strict_flags='-Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers -Werror'

die()
{
	echo "$*" >&2
	exit 1
}

private_begin()
{
	if [ "$(id -u)" = 0 ]; then
		run_user=${JO_USER:-postgres}
		if ! id "$run_user" >/dev/null 2>&1; then
			run_user=journey_orch_test
			id $run_user >/dev/null 2>&1 || useradd --system $run_user
		fi
	else
		run_user=
	fi
	if [ $# -gt 0 ]; then
		work=$1
		mkdir -p "$work"
	else
		work=$(mktemp -d "${TMPDIR:-/tmp}/journey_orch.XXXXXX")
	fi
	mkdir -p "$work/s" "$work/home"
	if [ -n "$run_user" ]; then
		chown "$run_user" "$work" "$work/s" "$work/home"
	fi
	bindir=$("$PG_CONFIG" --bindir) || die "pg_config does not work: $PG_CONFIG"
	pgxs_test=$(dirname "$("$PG_CONFIG" --pgxs)")/../test
	bin=$work/pg$bindir
}

as_user()
{
	local clean=(env -i "PATH=$bin:/usr/local/bin:/usr/bin:/bin" "HOME=$work/home"
		"LC_ALL=C.UTF-8" "TMPDIR=/tmp" "PGHOST=$work/s" "PGPORT=5432"
		"PGUSER=postgres" "PGDATABASE=postgres" ${user_env[@]+"${user_env[@]}"})

	if [ -n "$run_user" ]; then
		(cd "$work" && exec runuser -u "$run_user" -- "${clean[@]}" "$@")
	else
		(cd "$work" && exec "${clean[@]}" "$@")
	fi
}

private_build()
{
	mkdir -p "$top/.build"
	if ! make -s -C "$top" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" with_llvm=no \
		PG_CFLAGS="${PG_CFLAGS:-$strict_flags}" all >"$top/.build/build.log" 2>&1; then
		cat "$top/.build/build.log" >&2
		return 1
	fi
}

private_install()
{
	local directory

	for directory in bindir pkglibdir sharedir; do
		directory=$("$PG_CONFIG" --$directory)
		mkdir -p "$work/pg$(dirname "$directory")"
		rm -rf "$work/pg$directory"
		cp -a "$directory" "$work/pg$directory"
	done
	make -s -C "$top" PG_CONFIG="$PG_CONFIG" with_llvm=no DESTDIR="$work/pg" \
		PG_CFLAGS="${PG_CFLAGS:-$strict_flags}" install >"$top/.build/install.log" 2>&1 || {
		cat "$top/.build/install.log" >&2
		return 1
	}
}

# server_start NAME CONF...: data directory $work/NAME, made when it is absent;
# the CONF files are appended to postgresql.conf then.  $server_port, if set, is
# its port.
server_start()
{
	local name=$1 data=$work/$1

	shift
	if [ ! -d "$data" ]; then
		as_user initdb -D "$data" -U postgres -A trust --locale=C.UTF-8 -E UTF8 -N \
			>"$work/$name.initdb" || return 1
		cat "$@" /dev/fd/3 3<<-END | as_user tee -a "$data/postgresql.conf" >/dev/null
			listen_addresses = ''
			unix_socket_directories = '$work/s'
			port = ${server_port:-5432}
		END
	fi
	if ! as_user pg_ctl -D "$data" -l "$data.log" -w -t 60 start >/dev/null; then
		tail -n 20 "$data.log" >&2
		return 1
	fi
}

server_stop()
{
	as_user pg_ctl -D "$work/$1" -m "${2:-fast}" -w -t 60 stop >/dev/null
}

# stop_all_servers [DIR]: every server whose data directory lies below DIR, or
# $work, ours alone.
stop_all_servers()
{
	local pidfile

	find "${1:-$work}" -name postmaster.pid 2>/dev/null | while read -r pidfile; do
		as_user pg_ctl -D "$(dirname "$pidfile")" -m immediate -w -t 30 stop \
			>/dev/null 2>&1 || true
	done
}
