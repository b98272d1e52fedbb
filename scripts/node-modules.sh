#!/bin/sh
# The packages of tests/node/package-lock.json, into build/node, with the programs that use
# them: exactly those versions, checked against the hashes in the lock file.
set -eu
cd "$(dirname "$0")/.."
rm -rf build/node
mkdir -p build/node
cp tests/node/package.json tests/node/package-lock.json tests/node/*.mjs build/node/
cd build/node
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
touch stamp
