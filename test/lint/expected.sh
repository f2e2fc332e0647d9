#!/bin/bash
# test/lint/expected.sh: no expected file was copied from a failed run.
#
# When it fails: read the expected file at that line.  If the error is what the
# test is about, add "file: text of the line" to test/lint/expected.allowed.
set -euo pipefail
signs='relation "[^"]*" does not exist|schema "[^"]*" does not exist|function [^ ]* does not exist|extension "[^"]*" (is not available|already exists)|setup failed|teardown failed|syntax error|could not (load|access) (library|file)|server closed the connection|connection to server|test process exited|current transaction is aborted|^not ok'
allowed=test/lint/expected.allowed
found=$(
	shopt -s nullglob
	for file in expected/*.out test/isolation/expected/*.out; do
		grep -E "$signs" "$file" | sed "s|^|$file: |" || true
	done
)
[ -z "$found" ] || found=$(grep -vxFf <(grep -v '^#' $allowed 2>/dev/null || true) <<<"$found" || true)
[ -z "$found" ] || { echo "$found"; exit 1; }
