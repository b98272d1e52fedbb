#!/bin/sh
# Fetch the source of a Debian package: scripts/apt-source.sh DIR PACKAGE[=VERSION] <lines
# Lines are "URI SUITE": where it may come from. Unpacks, with Debian's patches, into DIR/src;
# DIR/apt.log says how. The machine's own lists and sources stay as they are.
set -eu
work=$1
package=$2

mkdir -p "$work/lists/partial" "$work/cache"
sort -u | sed 's|^|deb-src |; s|$| main|' >"$work/sources.list"

apt="apt-get -q -o Dir::Etc::sourcelist=$work/sources.list -o Dir::Etc::sourceparts=-
	-o Dir::State::lists=$work/lists -o Dir::Cache=$work/cache
	-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=
	-o APT::Get::List-Cleanup=0 -o Acquire::Languages=none"
# As a user other than root apt cannot write its own logs and locks; ours are all below DIR.
echo "slapd source: fetching ${package%%=*} ${package#*=}"
# shellcheck disable=SC2086 # words on purpose
$apt update >"$work/apt.log" 2>&1 || {
	tail -5 "$work/apt.log" >&2
	echo "slapd source: apt-get update failed" >&2
	exit 1
}
# shellcheck disable=SC2086
(cd "$work" && $apt source "$package") >>"$work/apt.log" 2>&1 || {
	tail -5 "$work/apt.log" >&2
	exit 1
}
rm -rf "$work/src"
for tree in "$work/${package%%=*}"-*/; do
	mv "$tree" "$work/src"
done
rm -rf "$work/lists" "$work/cache" "$work/${package%%=*}"_*
