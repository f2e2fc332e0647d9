#!/bin/bash
# test/lint/bugs.sh: every planted bug still fits the engine, and says what it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

status=0
for patch in test/model/bugs/*.patch; do
	if ! git apply --check "$patch" 2>/dev/null; then
		echo "$patch does not apply any more"
		status=1
	fi
	if ! head -n 1 "$patch" | grep -q '\.$'; then
		echo "$patch does not begin with a sentence"
		status=1
	fi
done
exit $status
