#!/bin/sh
# scripts/slapd-configure.sh SOURCE [OPTION...]: configure OpenLDAP in the current directory with
# Debian's own options (debian/configure.options), as far as they shape structures (slap.h): SLAPI, TLS,
# DYNACL, IPv6, SASL. Backends and overlays do not, and would need many more packages; what the
# callers want of them, and where it goes, they say. CFLAGS and LDFLAGS are the caller's.
set -eu
src=$1
shift
exec "$src/configure" --with-subdir=ldap \
	--enable-debug --enable-dynamic --enable-syslog --enable-ipv6 --enable-local \
	--enable-slapd --enable-dynacl --enable-aci --enable-cleartext --enable-crypt \
	--enable-spasswd --enable-modules --enable-rlookups --enable-slapi --disable-slp \
	--enable-wrappers --enable-backends=no --enable-mdb=mod \
	--disable-autoca --disable-balancer --with-cyrus-sasl --without-systemd \
	--with-threads "$@"
