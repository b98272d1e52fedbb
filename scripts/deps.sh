#!/bin/sh
# Make this machine able to build and test: the packages of packages.txt, then the
# source of the slapd that is installed (scripts/slapd-source.sh).
# With --small, able to build and to play the demo: the packages before "tests only".
# With --deb, those and packages-deb.txt: able to make and try the Debian package.
#
# apt is touched only when something is missing. Elsewhere than on Debian it says
# what is missing, by name, and fails.
set -eu
cd "$(dirname "$0")/.."

more=
case "${1:-}" in
--deb)
	last='/^# -- tests only/Q'
	more=$(sed 's/#.*//' packages-deb.txt)
	;;
--small) last='/^# -- tests only/Q' ;;
*) last= ;;
esac
wanted="$(sed "$last; s/#.*//" packages.txt) $more"

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	missing=
	for program in slapd:slapd ldapsearch:ldap-utils gcc:gcc python3:python3 node:nodejs npm:npm chromedriver:chromium-driver \
		ns-slapd:389-ds-base certutil:libnss3-tools samba:samba nats-server:nats-server \
		openssl:openssl setpriv:util-linux systemd-analyze:systemd \
		mandoc:mandoc clang-format:clang-format clang-tidy:clang-tidy cppcheck:cppcheck; do
		PATH=$PATH:/usr/sbin:/usr/libexec command -v "${program%%:*}" >/dev/null ||
			missing="$missing ${program##*:}"
	done
	for header in lmdb.h:liblmdb-dev jansson.h:libjansson-dev csv.h:libcsv-dev \
		unistr.h:libunistring-dev curl/curl.h:libcurl4-openssl-dev ldap.h:libldap-dev \
		sasl/sasl.h:libsasl2-dev librdkafka/rdkafka.h:librdkafka-dev openssl/evp.h:libssl-dev cmocka.h:libcmocka-dev microhttpd.h:libmicrohttpd-dev \
		systemd/sd-daemon.h:libsystemd-dev gnutls/gnutls.h:libgnutls28-dev \
		ltdl.h:libltdl-dev; do
		echo "#include <${header%%:*}>" |
			${CC:-cc} -include stddef.h -include stdarg.h -include setjmp.h \
				-include stdint.h -E - >/dev/null 2>&1 ||
			missing="$missing ${header##*:}"
	done
	for module in ldap:python3-ldap pytest:python3-pytest xdist:python3-pytest-xdist samba:samba jsonschema:python3-jsonschema lmdb:python3-lmdb \
		seccomp:python3-seccomp prometheus_client:python3-prometheus-client; do
		"${PYTHON:-/usr/bin/python3}" -c "import ${module%%:*}" 2>/dev/null ||
			missing="$missing ${module##*:}"
	done
	if [ -n "$missing" ]; then
		echo "deps: this is not Debian; please install what Debian calls:$missing" >&2
		exit 1
	fi
	exec scripts/slapd-source.sh
fi

missing=
for package in $wanted; do
	# a nodejs from elsewhere than Debian brings npm along, and conflicts with Debian's
	[ "$package" = npm ] && command -v npm >/dev/null && continue
	# shellcheck disable=SC2016 # dpkg-query expands it
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
		missing="$missing $package"
done
if [ -n "$missing" ]; then
	sudo=
	if [ "$(id -u)" != 0 ]; then
		sudo=sudo
		if ! command -v sudo >/dev/null; then
			echo "deps: not root and no sudo; as root: apt-get install$missing" >&2
			exit 1
		fi
	fi
	echo "deps: installing$missing"
	$sudo apt-get update -q
	# shellcheck disable=SC2086 # a list of names
	$sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends $missing
else
	echo "deps: all packages that are needed are installed"
fi
exec scripts/slapd-source.sh
