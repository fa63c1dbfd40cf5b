#!/bin/sh
# A program with settings, and what an experiment needs to take them away: program.sh COMMAND FOLDER [TRIES]
set -eu
settings="$2/kubectl-chaos-example-settings"

tries() {
	if [ -r "$settings" ]; then cat "$settings"; else echo 3; fi
}

case "$1" in
answer) printf '{"tries": %s}\n' "$(tries)" ;;
tries) tries ;;
settings) echo "$3" >"$settings" ;;
lose) mv "$settings" "$settings.lost" ;;
restore) rm -f "$settings" "$settings.lost" ;;
esac
