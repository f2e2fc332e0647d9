#!/bin/bash
# test/model/run.sh: play HISTORIES histories from FIRST on in the engine and in
# the model, on a private server; SEED=n plays history n and shrinks it.
#
# make model runs this, and wants every cell of the table 100 times if it plays
# them all; make model-simulated, with PLAYER=simulated.py, plays in the engine
# and in simulate().  The table at the end says what was covered; the exit status
# is 1 when a history differs or a cell is thin.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/private.sh"

clean_up()
{
	stop_all_servers
	rm -rf "$work"
}

"$top/scripts/packages.sh"
private_begin
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
user_env=("PYTHONDONTWRITEBYTECODE=1" ${SEED:+"SEED=$SEED"})
server_port=5432
private_build
private_install
mkdir -p "$work/model"
cp "$top"/test/model/*.py "$work/model/"
chmod -R a+rX "$work/model"
server_start engine "$top/test/regress.conf"
wanted=()
[ -n "${PLAYER:-}${HISTORIES:-}${SEED:-}" ] || wanted=(--least 100)
as_user python3 "$work/model/${PLAYER:-runner.py}" --first "${FIRST:-0}" \
	--histories "${HISTORIES:-10000}" --shrink "${SHRINK:-3}" "${wanted[@]}"
