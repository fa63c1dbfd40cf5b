#!/usr/bin/env bash
# The first step of action.yml: provides the binary that the other steps start.
#
# It downloads the archive of a release and accepts it only if its checksum is in checksums.txt beside this file, or it uses a
# binary that is already on the machine. It unpacks and starts nothing before that check.
# Writes the outputs `binary` (the path) and `sha256` (of the binary: each later step verifies it before it starts it).
set -euo pipefail

where=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
table=$where/checksums.txt
releases=https://github.com/kubectl-chaos/kubectl-chaos/releases/download

# Ends the step with an error annotation.
refuse() {
	local text=${1//'%'/%25}
	text=${text//$'\r'/%0D}
	echo "::error title=kubectl chaos::${text//$'\n'/%0A}"
	exit 1
}

sha256() {
	if command -v sha256sum >/dev/null; then sha256sum <"$1"; else shasum -a 256 <"$1"; fi | cut -d ' ' -f 1
}

# The canonical path, without links and `..`, for comparison.
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

# Converts D:\a\b to /d/a/b on Windows.
unix_path() {
	if command -v cygpath >/dev/null; then cygpath -u "$1"; else printf '%s\n' "$1"; fi
}

# Uses a binary that is already on the machine. A pull request must not be able to supply it.
given() {
	local path workspace
	case $1 in
	*[[:cntrl:]]*) refuse "binary: the path contains a control character" ;;
	esac
	path=$(unix_path "$1")
	case $path in
	/*) ;;
	*) refuse "binary: '$1' is not an absolute path: expected a path such as \${{ runner.temp }}/kubectl-chaos" ;;
	esac
	[ -f "$path" ] || refuse "binary: $1 is not a file"
	[ -x "$path" ] || refuse "binary: $1 is not executable; use chmod +x"
	path=$(real "$path") || refuse "binary: $1 is a broken link"
	workspace=$(cd "$(unix_path "${GITHUB_WORKSPACE:?}")" && pwd -P)
	case $(lower "$path")/ in
	"$(lower "$workspace")"/*)
		refuse "binary: $1 is in the workspace, which a pull request can modify; build or copy it to \${{ runner.temp }}"
		;;
	esac
	binary=$path
}

# Compares paths without case, for case-insensitive file systems; on other systems this is only stricter.
lower() {
	printf '%s' "$1" | tr '[:upper:]' '[:lower:]'
}

# Sets platform, end and program: the parts of archive names for this runner.
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
	*) refuse "no release for $os on $arch; build kubectl-chaos and pass its path as binary:" ;;
	esac
	platform=$os-$arch
}

# Sets archive, tag and sum: the archive of the requested version, or of the newest in the table, and its checksum.
choose() {
	local version=${1#v} names sums
	names=$(awk '/^[^#]/ {print $2}' "$table")
	if [ -z "$version" ]; then
		archive=$(printf '%s\n' "$names" | grep -E "^kubectl-chaos-v[^/]+-$platform\\$end\$" | head -n 1 || true)
		[ -n "$archive" ] || refuse "checksums.txt lists no archive for $platform; use the action at a released tag, such as v1, or pass binary:"
		version=${archive#kubectl-chaos-v}
		version=${version%"-$platform$end"}
	fi
	local form='^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$'
	[[ $version =~ $form ]] ||
		refuse "version: invalid version '$version': expected a version such as 0.1.0, or none for the version of this action"
	tag=v$version
	archive=kubectl-chaos-$tag-$platform$end
	sums=$(awk -v name="$archive" '$2 == name {print $1}' "$table")
	[ -n "$sums" ] ||
		refuse "version: no checksum for $archive; use the action at the tag of a later release, omit version:, or pass binary:"
	[[ $sums =~ ^[0-9a-f]{64}$ ]] || refuse "checksums.txt: invalid line for $archive"
	case $sums in
	*[!0]*) ;;
	*) refuse "$tag is not released yet: its checksum is all zeros; use the action at the tag v1, or pass binary:" ;;
	esac
	sum=$sums
}

# Downloads the archive, verifies its checksum, and unpacks the program.
download() {
	local url=${1:-$releases} folder found protocol='=https' follow=(--location --proto-redir '=https')
	local here='^http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?(/[^[:cntrl:][:space:]]*)?$'
	local secure='^https://[^/@[:space:]]+(/[^[:cntrl:][:space:]]*)?$'
	if [[ $url =~ $here ]]; then
		# loopback: plain HTTP, and no redirects
		protocol='=http' follow=()
	elif ! [[ $url =~ $secure ]]; then
		refuse "download-url: invalid address '$url': expected https (http only for this machine)"
	fi
	url=${url%/}/$tag/$archive
	folder=$(mktemp -d "$(unix_path "${RUNNER_TEMP:?}")/kubectl-chaos-XXXXXXXX")
	echo "downloading $url"
	curl --proto "$protocol" --tlsv1.2 --fail --silent --show-error --retry 3 --max-time 300 ${follow[@]+"${follow[@]}"} \
		--output "$folder/$archive" -- "$url" ||
		refuse "failed to download $url; if GitHub is not reachable, pass a mirror as download-url: or a path as binary:"
	found=$(sha256 "$folder/$archive")
	if [ "$found" != "$sum" ]; then
		rm -rf "$folder"
		refuse "$url is not the released archive: its SHA-256 is $found, expected $sum; it was not started"
	fi
	mkdir "$folder/bin"
	binary=$folder/bin/$program
	# extracts only this file; ignores everything else in the archive
	case $end in
	.zip) unzip -p "$folder/$archive" "$program" >"$binary" ;;
	*) tar -xzOf "$folder/$archive" "$program" >"$binary" ;;
	esac || refuse "failed to unpack $archive"
	rm "$folder/$archive"
	[ -s "$binary" ] || refuse "$archive does not contain $program"
	chmod 0755 "$binary"
}

case ${KUBECTL_CHAOS_MODE:-} in
run | publish) ;;
*) refuse "mode: invalid mode '${KUBECTL_CHAOS_MODE:-}': expected run or publish" ;;
esac

binary=
if [ -n "${KUBECTL_CHAOS_GIVEN:-}" ]; then
	[ -z "${KUBECTL_CHAOS_VERSION:-}" ] || refuse "binary: and version: cannot be combined"
	given "$KUBECTL_CHAOS_GIVEN"
else
	platform
	choose "${KUBECTL_CHAOS_VERSION:-}"
	download "${KUBECTL_CHAOS_DOWNLOAD_URL:-}"
	echo "$archive: SHA-256 $sum verified"
fi

sum=$(sha256 "$binary")
printf 'binary=%s\nsha256=%s\n' "$binary" "$sum" >>"$GITHUB_OUTPUT"
