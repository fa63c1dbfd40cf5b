#!/usr/bin/env bash
# The first step of action.yml: finds the binary that the other steps start, and says which one it is.
#
# It downloads the archive of a release and believes it only when checksums.txt beside this file has its checksum, or
# takes a binary that is on the machine already. Nothing of a download is unpacked or started before that.
# Writes the outputs `binary` (its path) and `sha256` (of the binary itself: each later step looks again before it starts it).
set -euo pipefail

where=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
table=$where/checksums.txt
releases=https://github.com/kubectl-chaos/kubectl-chaos/releases/download

# Ends the step with an error that GitHub shows where it is seen.
refuse() {
	local text=${1//'%'/%25}
	text=${text//$'\r'/%0D}
	echo "::error title=kubectl chaos::${text//$'\n'/%0A}"
	exit 1
}

sha256() {
	if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}

# The path without links and without `..`, so that it can be compared.
real() {
	local path=$1 next tries=0
	while [ -L "$path" ]; do
		tries=$((tries + 1))
		[ "$tries" -le 40 ] || return 1
		next=$(readlink "$path")
		case $next in /*) path=$next ;; *) path=$(dirname "$path")/$next ;; esac
	done
	printf '%s/%s\n' "$(cd "$(dirname "$path")" && pwd -P)" "$(basename "$path")"
}

# Windows says D:\a\b where this shell says /d/a/b.
unix_path() {
	if command -v cygpath >/dev/null; then cygpath -u "$1"; else printf '%s\n' "$1"; fi
}

# A binary that is on the machine already. A pull request must not be able to put it there.
given() {
	local path workspace
	case $1 in
	*[[:cntrl:]]*) refuse "binary: the path has a control character in it" ;;
	esac
	path=$(unix_path "$1")
	case $path in
	/*) ;;
	*) refuse "binary: '$1' is not an absolute path; give one that is, such as \${{ runner.temp }}/kubectl-chaos" ;;
	esac
	[ -f "$path" ] || refuse "binary: there is no file $1"
	[ -x "$path" ] || refuse "binary: $1 cannot be executed; make it executable, for instance with chmod +x"
	path=$(real "$path") || refuse "binary: $1 is a link that leads nowhere"
	workspace=$(cd "$(unix_path "${GITHUB_WORKSPACE:?}")" && pwd -P)
	case $(lower "$path")/ in
	"$(lower "$workspace")"/*)
		refuse "binary: $1 is in the workspace, where a pull request could have put it; build or copy it to \${{ runner.temp }}"
		;;
	esac
	binary=$path
}

# Systems that do not tell upper case from lower case must not be fooled; the others are only stricter.
lower() {
	printf '%s' "$1" | tr '[:upper:]' '[:lower:]'
}

# The words that the names of archives have for this runner.
platform() {
	local os arch
	case ${RUNNER_OS:-} in
	Linux) os=linux ;;
	macOS) os=darwin ;;
	Windows) os=windows ;;
	*) os=${RUNNER_OS:-unknown} ;;
	esac
	case ${RUNNER_ARCH:-} in
	X64) arch=amd64 ;;
	ARM64) arch=arm64 ;;
	*) arch=${RUNNER_ARCH:-unknown} ;;
	esac
	case $os-$arch in
	linux-amd64 | linux-arm64 | darwin-amd64 | darwin-arm64) end=.tar.gz program=kubectl-chaos ;;
	windows-amd64) end=.zip program=kubectl-chaos.exe ;;
	*) refuse "there is no release for $os on $arch; build kubectl-chaos there, and give its path as binary:" ;;
	esac
	platform=$os-$arch
}

# The archive of the version asked for, or of the newest in the table, and its checksum: sets archive, tag and sum.
choose() {
	local version=${1#v} names sums
	names=$(awk '/^[^#]/ {print $2}' "$table")
	if [ -z "$version" ]; then
		archive=$(printf '%s\n' "$names" | grep -E "^kubectl-chaos-v[^/]+-$platform\\$end\$" | head -n 1 || true)
		[ -n "$archive" ] || refuse "checksums.txt of this action has no archive for $platform; use the action at a released tag, such as v1, or give the path of a kubectl-chaos as binary:"
		version=${archive#kubectl-chaos-v}
		version=${version%"-$platform$end"}
	fi
	local form='^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$'
	[[ $version =~ $form ]] ||
		refuse "version: '$version' is no version, such as 0.1.0; leave it out for the one that belongs to this action"
	tag=v$version
	archive=kubectl-chaos-$tag-$platform$end
	sums=$(awk -v name="$archive" '$2 == name {print $1}' "$table")
	[ -n "$sums" ] ||
		refuse "version: this action does not know the checksum of $archive, and downloads nothing without one; use the action at the tag of a later release, leave version: out, or give the path of a kubectl-chaos as binary:"
	[[ $sums =~ ^[0-9a-f]{64}$ ]] || refuse "checksums.txt: the line of $archive is broken"
	case $sums in
	*[!0]*) ;;
	*) refuse "$tag is not released yet as far as this action knows: its checksum is all zeros; use the action at the tag v1, or give the path of a kubectl-chaos as binary:" ;;
	esac
	sum=$sums
}

# Downloads it, and unpacks its program when it is the one that was released.
download() {
	local url=${1:-$releases} folder found protocol='=https' follow=(--location --proto-redir '=https')
	local here='^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/[^[:cntrl:][:space:]]*)?$'
	local secure='^https://[^/@[:space:]]+(/[^[:cntrl:][:space:]]*)?$'
	if [[ $url =~ $here ]]; then
		# this machine itself, which sends nowhere else
		protocol='=http' follow=()
	elif ! [[ $url =~ $secure ]]; then
		refuse "download-url: '$url' is not an https address; http is for this machine itself"
	fi
	url=${url%/}/$tag/$archive
	folder=$(mktemp -d "$(unix_path "${RUNNER_TEMP:?}")/kubectl-chaos-XXXXXXXX")
	echo "downloading $url"
	curl --proto "$protocol" --tlsv1.2 --fail --silent --show-error --retry 3 --max-time 300 ${follow[@]+"${follow[@]}"} \
		--output "$folder/$archive" -- "$url" ||
		refuse "$url could not be downloaded; where GitHub cannot be reached, give the address of a mirror as download-url: or the path of a kubectl-chaos as binary:"
	found=$(sha256 "$folder/$archive")
	if [ "$found" != "$sum" ]; then
		rm -rf "$folder"
		refuse "$url is not what was released: its SHA-256 is $found, and that of the release $sum; nothing of it was started"
	fi
	mkdir "$folder/bin"
	binary=$folder/bin/$program
	# the one file, by its content: whatever else is in the archive, nothing of it is written
	case $end in
	.zip) unzip -p "$folder/$archive" "$program" >"$binary" ;;
	*) tar -xzOf "$folder/$archive" "$program" >"$binary" ;;
	esac || refuse "$archive could not be unpacked"
	rm "$folder/$archive"
	[ -s "$binary" ] || refuse "$archive has no $program"
	chmod 0755 "$binary"
}

case ${KUBECTL_CHAOS_MODE:-} in
run | publish) ;;
*) refuse "mode: '${KUBECTL_CHAOS_MODE:-}' is neither run nor publish" ;;
esac

binary=
if [ -n "${KUBECTL_CHAOS_GIVEN:-}" ]; then
	[ -z "${KUBECTL_CHAOS_VERSION:-}" ] || refuse "binary: and version: exclude each other; leave one of them out"
	given "$KUBECTL_CHAOS_GIVEN"
else
	platform
	choose "${KUBECTL_CHAOS_VERSION:-}"
	download "${KUBECTL_CHAOS_DOWNLOAD_URL:-}"
	echo "$archive has the SHA-256 $sum, as released"
fi

sum=$(sha256 "$binary")
printf 'binary=%s\nsha256=%s\n' "$binary" "$sum" >>"$GITHUB_OUTPUT"
