#!/bin/sh
# Usage: scripts/with26.sh COMMAND...: runs it with OpenLDAP 2.6 (make slapd26) where tests, demo and
# bench have the installed slapd otherwise (docs/building.md).
top=$(cd "$(dirname "$0")/.." && pwd)
inst=$top/build/openldap26/inst
export SLAPD="$inst/libexec/slapd" SLAPD_MODULES="$inst/libexec/ldap" SLAPD_SCHEMAS="$inst/etc/ldap/schema"
export PROVISION_SO="$top/build/26/provision.so"
exec "$@"
