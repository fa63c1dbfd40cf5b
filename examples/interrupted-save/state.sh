#!/bin/sh
# A program that saves its state in two ways, and commands of the experiment: kill it, check the state, remove the state.
set -eu
state="${TMPDIR:-/tmp}/kubectl-chaos-example-state"

# Writes ten lines, slowly enough to be killed in between. The last line marks the end.
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
	*) echo "invalid writer '$1': expected in-place or atomic" >&2 && exit 2 ;;
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
	# fails, and so does the action, if the writer already ended
	kill -9 "$writer"
	wait "$writer" || echo "killed"
	;;
check)
	if [ ! -e "$state" ]; then
		echo "whole: no state was saved"
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
