#!/bin/bash
# test/lint/indent.sh: the C sources are laid out by pg_bsd_indent.
#
# When it fails: run "make indent" and commit what it did.
set -euo pipefail
scripts/indent --check
