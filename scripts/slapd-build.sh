#!/bin/sh
# scripts/slapd-build.sh SOURCE DIR VERSION [OPTION...]: build slapd with all its overlays, and nothing else, in
# DIR/build, and install it in DIR/inst. VERSION is what it says of itself. Options: slapd-configure.sh.
set -eu
scripts=$(realpath "$(dirname "$0")")
src=$1 dir=$2
DEB_VERSION=$3
DEB_MAINTAINER=$(sed -n 's/^Maintainer: *//p' "$src/debian/control")
export DEB_MAINTAINER DEB_VERSION
shift 3

mkdir -p "$dir/build"
cd "$dir/build"
"$scripts/slapd-configure.sh" "$src" --prefix="$dir/inst" --enable-overlays=mod "$@"
make depend
for part in include libraries servers; do
	make -j"$(nproc)" -C "$part"
done
make -C libraries install STRIP_OPTS=
make -C servers install STRIP_OPTS=
