#!/bin/sh
# Builds an older version of this tree: scripts/old-version.sh REF [DIR]
#
# Its module, programs and schema are then in DIR, for make check-versions. REF is a commit or a tag of
# this repository; slapd's source is the one that this tree has in build/openldap.
set -eu
cd "$(dirname "$0")/.."

top=$(pwd)
ref=${1:-}
dir=${2:-build/versions/old}
[ -n "$ref" ] || { echo "old version: name a commit or a tag, as in make check-versions OLD=HEAD~50" >&2; exit 2; }
commit=$(git rev-parse --verify --quiet "$ref^{commit}") ||
	{ echo "old version: there is no $ref in this repository (a shallow clone has no history)" >&2; exit 2; }

[ "$(cat "$dir/commit" 2>/dev/null)" = "$commit" ] && exit 0
rm -rf "$dir"
mkdir -p "$dir/src"
git archive "$commit" | tar -x -C "$dir/src"
make -C "$dir/src" --no-print-directory LDAP_SRC="$top/build/openldap/src" LDAP_BUILD="$top/build/openldap/build" all
cp "$dir/src/build/provision.so" "$dir/src/build/provd" "$dir/src/build/provctl" "$dir/src/schema/provision.schema" "$dir"
echo "$commit" >"$dir/commit"
