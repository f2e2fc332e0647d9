#!/bin/bash
# test/lint/tests.sh: test/schedule names exactly the tests that exist.
#
# When it fails: add the test to test/schedule (kind, then name), or remove the
# line of a test that is gone.
set -euo pipefail
have()
{
	local file
	for file in $2; do
		[ ! -f "$file" ] || echo "$1 $(basename "${file%.*}")"
	done
}
listed=$(sed -n 's/^\([a-z]\+\) \+\([A-Za-z0-9_]\+\)\( \+alone\)\? *\(#.*\)\?$/\1 \2/p' test/schedule)
files=$(
	have regress 'sql/*.sql'
	have isolation 'test/isolation/specs/*.spec'
	have pgtap 'test/pgtap/*.sql'
	have tap 'test/tap/*.pl'
)
bad=0
if ! difference=$(diff <(sort <<<"$listed") <(sort <<<"$files")); then
	echo "$difference" | sed -n 's/^< \(..*\)/test\/schedule lists what does not exist: \1/p; s/^> \(..*\)/not in test\/schedule: \1/p'
	bad=1
fi
for file in expected/*.out; do
	[ ! -f "$file" ] || [ -f "sql/$(basename "${file%.out}" | sed 's/_[0-9]$//').sql" ] || {
		echo "$file belongs to no test"
		bad=1
	}
done
exit $bad
