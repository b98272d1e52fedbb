#!/bin/sh
# The Debian package of this tree, for the slapd that is installed here: build/deb/*.deb.
# debian/ is made for dpkg-buildpackage as usual; this gives it a copy of the tree, and slapd's
# source that is there already.
set -eu
cd "$(dirname "$0")/.."

version=$(cat VERSION)
packed=$(dpkg-parsechangelog -S Version)
[ "$packed" = "$version" ] || { echo "deb: debian/changelog is at $packed, VERSION at $version" >&2; exit 1; }

out=$(pwd)/build/deb
tree=$out/slapo-provision-$version
rm -rf "$out"
mkdir -p "$tree"
tar -c --exclude=./build --exclude=./.git --exclude=__pycache__ . | tar -x -C "$tree"
LDAP_SRC=$(realpath build/openldap/src)
LDAP_BUILD=$(realpath build/openldap/build)
export LDAP_SRC LDAP_BUILD
echo "deb: packing $version for slapd $(dpkg-query -W -f '${Version}' slapd) (log: build/deb/build.log)"
(cd "$tree" && MAKEFLAGS='' dpkg-buildpackage -b -us -uc -j"$(nproc)") >"$out/build.log" 2>&1 ||
	{ tail -20 "$out/build.log" >&2; exit 1; }
rm -rf "$tree"
ls "$out"/*.deb
