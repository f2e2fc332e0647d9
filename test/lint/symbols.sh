#!/bin/bash
# test/lint/symbols.sh: the library exports journey_orch_* (SQL functions and
# worker entries), jo_* (between files) and what PostgreSQL looks up; no more.
#
# When it fails: make the symbol static, or give it the prefix of its room.
set -euo pipefail
[ -f journey_orch.so ] || { echo "journey_orch.so is not built: make"; exit 1; }
bad=$(nm -D --defined-only journey_orch.so | awk '{print $3}' |
	grep -vE '^(journey_orch_[a-z0-9_]+|jo_[a-z0-9_]+|_PG_init|Pg_magic_func|pg_finfo_journey_orch_[a-z0-9_]+)$' || true)
[ -z "$bad" ] || { echo "exported without a prefix of ours:"; echo "$bad"; exit 1; }
