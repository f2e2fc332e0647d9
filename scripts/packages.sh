#!/bin/bash
# scripts/packages.sh [check]: install the Debian packages that demo and bench
# need, with "check" also those of the tests.  Does nothing when they are there;
# says what is missing when it may not install them.
set -euo pipefail

wanted=(gcc make perl postgresql-15 postgresql-server-dev-15 libssl-dev postgresql-15-cron)
tools=(libipc-run-perl postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl
	pg-bsd-indent graphviz python3 tzdata)

# Debian's, unless another Node.js is there.
command -v node >/dev/null || tools+=(nodejs)
command -v npm >/dev/null || tools+=(npm)

[ "${1:-}" != check ] || wanted+=("${tools[@]}")

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "packages: not a Debian system; taking what is installed" >&2
	exit 0
fi

missing=()
for package in "${wanted[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root=(sudo -n)
else
	echo "packages: missing: ${missing[*]}" >&2
	echo "packages: install them, or run this as root or with sudo" >&2
	exit 1
fi

echo "packages: installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get -qq update &&
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		--no-install-recommends install "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
	tail -n 20 "$log" >&2
	echo "packages: apt-get could not install ${missing[*]}" >&2
	exit 1
fi
