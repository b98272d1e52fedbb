#!/usr/bin/python3
"""What an administrator writes in an afternoon: three checks of provctl scan, with python3-ldap.

    naive_scan.py URI BINDDN PASSWORD SUFFIX CSV

ORPHAN_SOURCE, DANGLING_MEMBER and UNEXPLAINED; for make bench-scan to compare with. It asks
nothing again, so it tells more than there is while somebody writes.
"""
import csv
import sys

import ldap
from ldap.controls import SimplePagedResultsControl


def entries(conn, base, text, attrs):
    page = SimplePagedResultsControl(True, size=1000, cookie="")
    while True:
        _, data, _, controls = conn.result3(conn.search_ext(base, ldap.SCOPE_SUBTREE, text, attrs, serverctrls=[page]))
        yield from data
        page.cookie = next(c.cookie for c in controls if c.controlType == page.controlType)
        if not page.cookie:
            return


def main():
    uri, who, password, suffix, source = sys.argv[1:]
    conn = ldap.initialize(uri)
    conn.simple_bind_s(who, password)
    with open(source, encoding="utf-8") as f:
        keys = {row["nr"].lower() for row in csv.DictReader(f)}
    found, grants = 0, {}
    for dn, a in entries(conn, "ou=people," + suffix, "(objectClass=inetOrgPerson)",
                         ["employeeNumber", "provState", "provType", "provGrant"]):
        key = [v.decode().lower() for v in a.get("employeeNumber", [])]
        groups = {v.decode().split("$")[-1].lower() for v in a.get("provGrant", []) if v.startswith(b"group$")}
        left = a.get("provState", [b""])[0] in (b"terminated", b"archived")
        grants[dn.lower()] = None if left else groups
        if not left and not a.get("provType") and not any(k in keys for k in key):
            found += 1
    known = set(grants)
    for dn, a in entries(conn, suffix, "(objectClass=groupOfNames)", ["member"]):
        group = dn.lower()
        for member in a.get("member", []):
            who = member.decode().lower()
            if who not in known:
                try:
                    conn.search_s(who, ldap.SCOPE_BASE, attrlist=["1.1"])
                except ldap.NO_SUCH_OBJECT:
                    found += 1
            elif grants[who] is not None and group not in grants[who]:
                found += 1
    print(found, "findings")


main()
