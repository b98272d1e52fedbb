#!/bin/sh
# An OpenLDAP 2.6 to build and test against: source and patches of Debian 13, built and
# installed below build/openldap26/. Nothing outside of it is touched; Debian 12 has 2.5.
# Keeps what is there when it is that version already. See docs/building.md.
set -eu
cd "$(dirname "$0")/.."

version=2.6.10+dfsg-1
suite=trixie
dir=$(pwd)/build/openldap26
log=$dir/build.log

fail()
{
	echo "slapd 2.6: $*" >&2
	exit 1
}

[ "$(cat "$dir/stamp" 2>/dev/null)" != "$version" ] || exit 0
command -v apt-get >/dev/null || fail "cannot fetch its source here: apt-get is missing"
scripts/deps.sh --small # its packages are those of 2.5's source
rm -rf "$dir"
mkdir -p "$dir/build"
echo "http://deb.debian.org/debian $suite" | scripts/apt-source.sh "$dir" "openldap=$version" ||
	fail "the archive has no source of openldap $version (any more?)"

# Schemas are Debian's, as in its rules.
echo "slapd 2.6: building, some minutes (log: build/openldap26/build.log)"
cp "$dir"/src/debian/schema/*.schema "$dir"/src/debian/schema/*.ldif "$dir/src/servers/slapd/schema/"
CFLAGS="-g -O2 -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE" \
	scripts/slapd-build.sh "$dir/src" "$dir" "$version" --enable-null=mod --with-tls=openssl >"$log" 2>&1 ||
	{ tail -5 "$log" >&2; fail "it could not be built"; }
"$dir/inst/libexec/slapd" -VV 2>&1 | grep -q "slapd ${version%%+*}" || fail "what was built is not $version"
echo "$version" >"$dir/stamp"
echo "slapd 2.6: $version in build/openldap26/inst"
