#!/bin/sh
# The headers of slapd: source of exactly the installed version, unpacked and
# configured in build/openldap/. Keeps what is there when it matches already.
#
# LDAP_SRC and LDAP_BUILD name another configured tree; then nothing is fetched. In
# every case the tree's version must be that of $SLAPD, else this fails and says so.
# build/openldap/src and build/openldap/build then lead to the tree to use;
# build/openldap/stamp names it, and is only written when that changes.
set -eu
cd "$(dirname "$0")/.."

top=$(pwd)
dir=$top/build/openldap
slapd=${SLAPD:-/usr/sbin/slapd}

fail()
{
	echo "slapd source: $*" >&2
	exit 1
}

# "2.5.13+dfsg-5" from slapd itself; Debian puts its own version there, others just 2.5.13.
running=$("$slapd" -VV 2>&1 | sed -n 's/.*slapd \([0-9][^ ]*\) .*/\1/p' | head -1)
[ -n "$running" ] || fail "cannot ask $slapd for its version (SLAPD= names another)"

# The version that a configured tree's portable.h names: without the packager's part.
tree_version()
{
	sed -n 's/^#define OPENLDAP_VERSION "\(.*\)"/\1/p' "$1/include/portable.h" | head -1
}

check_tree()
{
	for file in include/portable.h include/ldap_features.h include/lber_types.h include/ldap_config.h; do
		[ -f "$2/$file" ] || fail "$2 is not configured: $file is missing" \
			"(run ./configure, then make -C include)"
	done
	[ -f "$1/servers/slapd/slap.h" ] || fail "$1 is not a source tree of OpenLDAP"
	version=$(tree_version "$2")
	case $version in
	2.5.* | 2.6.*) ;;
	*) fail "$2 is version $version; only 2.5 and 2.6 are supported" ;;
	esac
	[ "$version" = "${running%%[+-]*}" ] || fail "$2 is version $version, but $slapd is $running;" \
		"the module must be built for the slapd that loads it"
}

stamp()
{
	line="$running $1 $2"
	mkdir -p "$dir"
	[ "$(cat "$dir/stamp" 2>/dev/null)" = "$line" ] && [ -e "$dir/src" ] && return
	ln -sfn "$(realpath "$1")" "$dir/src"
	ln -sfn "$(realpath "$2")" "$dir/build"
	echo "$line" >"$dir/stamp"
	echo "slapd source: $running ($1)"
}

if [ -n "${LDAP_SRC:-}" ] || [ -n "${LDAP_BUILD:-}" ]; then
	src=${LDAP_SRC:-}
	build=${LDAP_BUILD:-$src}
	[ -n "$src" ] || fail "LDAP_BUILD is given, LDAP_SRC is not"
	check_tree "$src" "$build"
	stamp "$src" "$build"
	exit 0
fi

src=$dir/$running/src
build=$dir/$running/build
if [ -f "$dir/$running/done" ]; then
	check_tree "$src" "$build"
	stamp "$src" "$build"
	exit 0
fi

command -v apt-get >/dev/null ||
	fail "cannot fetch it here: give LDAP_SRC= and LDAP_BUILD=, a configured tree of $running"

# The package that $slapd came from; a rebuild without source change (+b1) has the same source.
# shellcheck disable=SC2016 # dpkg-query expands it
version=$(dpkg-query -W -f '${source:Version}' slapd 2>/dev/null) ||
	fail "the package slapd is not installed (make deps installs it)"

work=$dir/$running
rm -rf "$work"
mkdir -p "$work"

# The places this machine gets slapd and its like from; the distribution's own servers
# where there are none.
{
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		grep -E '/(debian|debian-security|ubuntu)[^ ]*/? ' | sort -u || true
	# shellcheck source=/dev/null
	. /etc/os-release
	if [ "${ID:-}" = debian ]; then
		echo "http://deb.debian.org/debian $VERSION_CODENAME"
		echo "http://deb.debian.org/debian $VERSION_CODENAME-updates"
		echo "http://deb.debian.org/debian-security $VERSION_CODENAME-security"
	fi
} | sed 's|/ | |' | scripts/apt-source.sh "$work" "openldap=$version" ||
	fail "the archive has no source of openldap $version (any more?);" \
		"upgrade slapd, or give LDAP_SRC= and LDAP_BUILD="

echo "slapd source: configuring (log: build/openldap/$running/configure.log)"
mkdir -p "$build"
(
	cd "$build"
	CFLAGS="-g -O2 -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE" "$top/scripts/slapd-configure.sh" "$src" \
		--prefix=/usr --libexecdir='${prefix}/lib' --enable-overlays=no --with-tls=gnutls
	make -C include
) >"$work/configure.log" 2>&1 || { tail -5 "$work/configure.log" >&2; fail "configure failed"; }
check_tree "$src" "$build"
: >"$work/done"
stamp "$src" "$build"
