#!/bin/bash
# test/lint/sleep.sh: tests wait for a condition, they never sleep.
#
# When it fails: in TAP poll_query_until(), in SQL journey_orch.settle() or the
# virtual clock, in isolation specs the locks themselves.
set -euo pipefail
found=$(grep -rnE '(^|[^'"'"'a-z_])(pg_sleep\w*|usleep|nanosleep|sleep) *(\(|[0-9])|select *\( *undef' \
	sql test/pgtap test/tap test/isolation/specs test/cdnow 2>/dev/null || true)
[ -z "$found" ] || { echo "$found"; exit 1; }
