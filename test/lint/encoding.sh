#!/bin/bash
# test/lint/encoding.sh: every text file of the tree is valid UTF-8.
#
# When it fails: a tool garbled a character beyond ASCII; git log -p shows what
# stood there before.
set -euo pipefail
bad=0
while read -r file; do
	iconv -f UTF-8 -t UTF-8 "$file" >/dev/null 2>&1 || { echo "$file"; bad=1; }
done < <(find src sql expected docs test examples bench scripts ./*.md -type f \
	! -name '*.o' ! -name '*.bc' ! -name '*.so')
exit $bad
