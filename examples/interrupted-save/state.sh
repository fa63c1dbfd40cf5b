#!/bin/sh
# A program that saves its state, in two ways, and what an experiment needs to kill it and to look at the state.
set -eu
state="${TMPDIR:-/tmp}/kubectl-chaos-example-state"

# Ten lines, the last one says so. Slow enough to be killed half way.
write() {
	for line in 1 2 3 4 5 6 7 8 9; do
		echo "line $line"
		sleep 0.1
	done
	echo "the end"
}

save() {
	case "$1" in
	in-place) write >"$state" ;;
	atomic) write >"$state.new" && mv "$state.new" "$state" ;;
	*) echo "a writer is in-place or atomic, not $1" >&2 && exit 2 ;;
	esac
}

case "$1" in
save)
	save "$2"
	;;
die-half-way)
	sh "$0" save "$2" &
	writer=$!
	sleep 0.45
	# this fails, and so does the action, when there was nothing left to kill
	kill -9 "$writer"
	wait "$writer" || echo "killed"
	;;
check)
	if [ ! -e "$state" ]; then
		echo "whole: nothing was ever saved"
	elif [ "$(tail -n 1 "$state")" = "the end" ]; then
		echo "whole: $(wc -l <"$state") lines"
	else
		echo "torn: $(wc -l <"$state") lines"
	fi
	;;
remove)
	rm -f "$state" "$state.new"
	;;
esac
