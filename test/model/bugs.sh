#!/bin/bash
# test/model/bugs.sh: plant each bug of test/model/bugs in the engine and see
# that the model finds it, in HISTORIES histories (1,000) from FIRST (0) on.
# ONLY="name ..." plants some.
#
# The engine as it is must agree with the model on them: else everything would
# be found.
#
# make model-bugs runs this.  A patch begins with what is wrong in words.  Every
# bug is built in a copy of the sources and gets a server of its own, one bug a
# core at a time; what the model says of it is in .build/bugs/.  Ends with
# "N found, N not found"; the exit status is 1 when one was not.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/private.sh"

clean_up()
{
	jobs -p | xargs -r kill 2>/dev/null || true
	stop_all_servers
	rm -rf "$work"
}

# plant PLACE NAME: the engine with the bug, installed at the place.
plant()
{
	local tree=$work/$1/tree

	(cd "$tree" && git apply "$sources/test/model/bugs/$2.patch")
	make -s -C "$tree" PG_CONFIG="$PG_CONFIG" with_llvm=no PG_CFLAGS="$quick" all
	make -s -C "$tree" PG_CONFIG="$PG_CONFIG" with_llvm=no PG_CFLAGS="$quick" DESTDIR="$work/$1/pg" install
}

# play PLACE: the histories, on a server of the place; as runner.py answers.
play()
{
	local work=$work/$1 server_port=5432 status=0
	local bin=$work/pg$bindir

	rm -rf "$work/model"
	server_start model "$sources/test/regress.conf" || return 3
	as_user python3 "$model/runner.py" --first "$first" --histories "$histories" --shrink 0 --stop || status=$?
	server_stop model immediate
	return $status
}

# look PLACE NAME: does the model find the bug?
look()
{
	local place=$1 name=$2 from=$SECONDS status=0

	if plant "$place" "$name" >"$found/$name.build" 2>&1; then
		play "$place" >"$found/$name" 2>&1 || status=$?
	else
		cat "$found/$name.build"
	fi
	(cd "$work/$place/tree" && git apply -R "$sources/test/model/bugs/$name.patch") 2>/dev/null || true

	# a runner that breaks down has found nothing
	if [ $status = 1 ] && grep -q '^--- seed' "$found/$name"; then
		printf 'found     %-24s %s (%d s)\n' "$name" "$(grep -m1 -o '^--- seed [-0-9]*' "$found/$name")" $((SECONDS - from))
		touch "$work/found.$name"
	else
		printf 'NOT FOUND %-24s %s (%d s)\n' "$name" "$(head -n 1 "$sources/test/model/bugs/$name.patch")" $((SECONDS - from))
	fi
}

# at_place PLACE NAME...: look for those bugs that no other place has taken.
at_place()
{
	local place=$1 name

	shift
	for name; do
		mkdir "$work/taken.$name" 2>/dev/null || continue
		look "$place" "$name"
	done
}

"$top/scripts/packages.sh"
private_begin
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
sources=$top
found=$top/.build/bugs
first=${FIRST:-0}
histories=${HISTORIES:-1000}
quick="-O0 -w"
model=$work/programs
rm -rf "$found"
mkdir -p "$found" "$model"
cp "$top"/test/model/*.py "$model/"
chmod -R a+rX "$work" "$model"

names=()
for patch in "$top"/test/model/bugs/*.patch; do
	name=$(basename "$patch" .patch)
	case " ${ONLY:-$name} " in
		*" $name "*) names+=("$name") ;;
	esac
done

# A clean build that every place begins with.
places=${JOBS:-$(nproc)}
for place in $(seq "$places"); do
	mkdir -p "$work/$place/tree" "$work/$place/s" "$work/$place/home"
	(cd "$top" && git ls-files -z | xargs -0 cp --parents -t "$work/$place/tree")
	if [ "$place" = 1 ]; then
		make -s -C "$work/1/tree" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" with_llvm=no PG_CFLAGS="$quick" all
		(top=$work/1/tree work=$work/1 && mkdir -p "$top/.build" && PG_CFLAGS=$quick private_install)
	else
		cp -a "$work/1/tree/." "$work/$place/tree/"
		cp -a "$work/1/pg" "$work/$place/"
	fi
	[ -z "$run_user" ] || chown "$run_user" "$work/$place" "$work/$place/s" "$work/$place/home"
done
play 1 >"$found/clean" 2>&1 || { cat "$found/clean"; die "The engine without a bug does not agree with the model."; }
for place in $(seq "$places"); do
	at_place "$place" "${names[@]}" &
done
wait
not_found=0
for name in "${names[@]}"; do
	[ -e "$work/found.$name" ] || not_found=$((not_found + 1))
done
echo "$((${#names[@]} - not_found)) found, $not_found not found"
[ $not_found = 0 ]
