#!/bin/sh
# A program with settings, and commands of the experiment: program.sh COMMAND DIRECTORY [RETRIES]
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
