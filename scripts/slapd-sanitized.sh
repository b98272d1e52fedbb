#!/bin/sh
# scripts/slapd-sanitized.sh asan|tsan: a slapd with the sanitizers for addresses and undefined behaviour
# (for tests/asan) or the one for threads (tests/tsan). The source is what scripts/slapd-source.sh has fetched
# (the installed version); it is built in build/openldap-asan/ or -tsan/, and nothing outside of it is
# touched. Keeps what is there when it is that version already.
#
# It goes on after a report (with halt_on_error=0), so that what is OpenLDAP's own can be told from ours
# (tests/asan/known, tests/tsan/slapd.supp).
#
# SLAP_NO_SL_MALLOC: each operation's memory comes from malloc, so that the sanitizer sees it.
# What slapd gives back only with the whole slab is lost then, so leaks are not looked for.
set -eu
cd "$(dirname "$0")/.."

case ${1:-} in
asan) flags=-fsanitize=address,undefined more="-fno-omit-frame-pointer -fsanitize-recover=address" ;;
tsan) flags=-fsanitize=thread more= ;;
*) echo "usage: scripts/slapd-sanitized.sh asan|tsan" >&2; exit 2 ;;
esac
what="slapd with $1"
src=$(realpath build/openldap/src)
dir=$(pwd)/build/openldap-$1
log=$dir/build.log
want=$(cut -d' ' -f1 build/openldap/stamp)

[ "$(cat "$dir/stamp" 2>/dev/null)" != "$want" ] || exit 0
rm -rf "$dir"
mkdir -p "$dir/build"
echo "$what: building, some minutes (log: build/openldap-$1/build.log)"
# The programs that configure and make run have leaks, and races.
ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=report_bugs=0 \
	CFLAGS="-g -O1 $flags $more -D_FILE_OFFSET_BITS=64 -D_GNU_SOURCE -DSLAP_NO_SL_MALLOC" \
	LDFLAGS="$flags" \
	scripts/slapd-build.sh "$src" "$dir" "$want" --with-tls=gnutls >"$log" 2>&1 || {
	tail -5 "$log" >&2
	echo "$what: it could not be built" >&2
	exit 1
}
echo "$want" >"$dir/stamp"
echo "$what: $want in build/openldap-$1/inst"
