#!/bin/sh
# A slapd with the address and undefined-behaviour sanitizers, for tests/asan: the source that
# scripts/slapd-source.sh has fetched (the installed version), built in build/openldap-asan/.
# Nothing outside of it is touched. Keeps what is there when it is that version already.
#
# It goes on after a report (with halt_on_error=0), so that what is OpenLDAP's own can be told from ours
# (tests/asan/known); the module itself is compiled to end at its first one.
#
# SLAP_NO_SL_MALLOC: each operation's memory comes from malloc, so that the sanitizer sees it.
# What slapd gives back only with the whole slab is lost then, so leaks are not looked for.
set -eu
cd "$(dirname "$0")/.."

src=$(realpath build/openldap/src)
dir=$(pwd)/build/openldap-asan
log=$dir/build.log
want=$(cut -d' ' -f1 build/openldap/stamp)

[ "$(cat "$dir/stamp" 2>/dev/null)" != "$want" ] || exit 0
rm -rf "$dir"
mkdir -p "$dir/build"
echo "slapd with sanitizers: building, some minutes (log: build/openldap-asan/build.log)"
# The programs that configure and make run have leaks.
ASAN_OPTIONS=detect_leaks=0 \
	CFLAGS="-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fsanitize-recover=address -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE -DSLAP_NO_SL_MALLOC" \
	LDFLAGS="-fsanitize=address,undefined" \
	scripts/slapd-build.sh "$src" "$dir" "$want" --with-tls=gnutls >"$log" 2>&1 || {
	tail -5 "$log" >&2
	echo "slapd with sanitizers: it could not be built" >&2
	exit 1
}
echo "$want" >"$dir/stamp"
echo "slapd with sanitizers: $want in build/openldap-asan/inst"
