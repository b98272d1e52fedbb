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

# Debian's own options (debian/configure.options), less backends that would need more packages,
# and what nobody looks at here. Schemas are Debian's, as in its rules.
echo "slapd 2.6: building, some minutes (log: build/openldap26/build.log)"
(
	set -e
	cp "$dir"/src/debian/schema/*.schema "$dir"/src/debian/schema/*.ldif "$dir/src/servers/slapd/schema/"
	# what it says of itself
	DEB_MAINTAINER=$(sed -n 's/^Maintainer: *//p' "$dir/src/debian/control")
	DEB_VERSION=$version
	export DEB_MAINTAINER DEB_VERSION
	cd "$dir/build"
	CFLAGS="-g -O2 -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE" \
		../src/configure --prefix="$dir/inst" --with-subdir=ldap \
		--enable-debug --enable-dynamic --enable-syslog --enable-ipv6 --enable-local \
		--enable-slapd --enable-dynacl --enable-aci --enable-cleartext --enable-crypt \
		--enable-spasswd --enable-modules --enable-rlookups --enable-slapi --disable-slp \
		--enable-wrappers --enable-backends=no --enable-mdb=mod --enable-null=mod --enable-overlays=mod \
		--disable-autoca --disable-balancer --with-cyrus-sasl --without-systemd \
		--with-threads --with-tls=openssl
	make depend
	for part in include libraries servers; do
		make -j"$(nproc)" -C "$part"
	done
	make -C libraries install STRIP_OPTS=
	make -C servers install STRIP_OPTS=
) >"$log" 2>&1 || { tail -5 "$log" >&2; fail "it could not be built"; }
"$dir/inst/libexec/slapd" -VV 2>&1 | grep -q "slapd ${version%%+*}" || fail "what was built is not $version"
echo "$version" >"$dir/stamp"
echo "slapd 2.6: $version in build/openldap26/inst"
