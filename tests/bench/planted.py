#!/usr/bin/python3
"""A company with defects of every kind that provctl scan looks for, and the list of them.

    planted.py [--people N] [--seed N] DIR

writes into DIR, the same for the same seed:
  company.ldif   for slapadd, operational attributes included, as a directory is after years
  hr.csv         the authoritative source (columns nr, name, status)
  logins.csv     last logins of some at an SSO (user, last)
  passwd         accounts of a machine
  expected.json  [[check, dn, related or null], ...]: what a scan must find, and nothing else

Each kind of defect is planted into max(3, N / 1000) people of its own, chosen by the seed, and
beside each are as many near misses: people who look like it and are in order. Names are those of
company.py. UNDELIVERED is not in the files, since it takes a running server: the accounts of
plan()["told"] are for it. Those of plan()["busy"] are in order, and for writers that
change them while a scan reads.
"""

import argparse
import base64
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import company  # noqa: E402

SUFFIX = company.SUFFIX
PEOPLE, GROUPS, POLICY = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}", f"ou=provisioning,{SUFFIX}"
NOBODY = f"cn=nobody,{SUFFIX}"
DAY = 86400
KINDS = ["orphan", "left", "disputed", "rest_grant", "rest_member", "dormant", "never", "unexplained", "drift_group",
         "drift_value", "twin_mail", "twin_birth", "stale", "expired", "number", "incomplete", "no_manager", "sod_pair", "sod_set",
         "told"]
TRIO = ("clerk", "till", "audit")  # of these one may have two
NEAR = ["suspended_left", "keyless", "rest_default", "fresh", "late_login", "given", "recent_stale", "soon", "sod_near", "sod_left",
        "gone_row"]


def stamp(at):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at))


def role_dn(cn):
    return f"cn={cn},ou=roles,{POLICY}"


def group_dn(cn):
    return f"cn={cn},{GROUPS}"


def person_dn(uid):
    return f"uid={uid},{PEOPLE}"


class Planted:
    def __init__(self, people=3000, seed=1, now=None):
        self.n, self.seed = people, seed
        self.now = int(now or time.time())
        self.k = max(3, people // 1000)
        self.departments = max(4, min(50, people // 50))
        self.expected = []
        numbers = list(range(1, people))  # 0 is the head: everybody's manager at last
        random.Random(seed).shuffle(numbers)
        self.who, at = {}, 0
        for kind in KINDS + NEAR:
            self.who[kind] = numbers[at:at + self.k]
            at += self.k
        self.busy = sorted(numbers[at:at + 20 * self.k])
        self.kind = {i: kind for kind, some in self.who.items() for i in some}
        assert at + 20 * self.k < people, f"too few people for so many defects: {people}"

    def plan(self):
        return {"told": [self.uid(i) for i in self.who["told"]], "busy": [self.uid(i) for i in self.busy]}

    def uid(self, i):
        return f"zoë{i}" if i % 97 == 5 else f"u{i}"

    def dn(self, i):
        return person_dn(self.uid(i))

    def want(self, check, dn, related=None):
        self.expected.append([check, dn, related])

    # -- entries: (dn, [(attribute, value), ...]) ---------------------------------------------

    def tree(self):
        c = company.Company(0, self.seed)
        yield SUFFIX, [("objectClass", "dcObject"), ("objectClass", "organization"), ("dc", "example"), ("o", "Planted")]
        for dn in (PEOPLE, GROUPS, POLICY, f"ou=roles,{POLICY}", f"ou=connectors,{POLICY}"):
            yield c.folder(dn)
        yield NOBODY, [("objectClass", "organizationalRole"), ("cn", "nobody")]
        for d in range(self.departments):
            yield role_dn(f"d{d}"), [("objectClass", "provRole"), ("cn", f"d{d}"), ("provAssignFilter", f"(departmentNumber=d{d})"),
                                     ("provGroup", group_dn(f"d{d}")), ("provTemplate", f"add description: in d{d}")]

        # rules that are younger than what they forbid
        for r in ("pay", "order", *TRIO):
            yield role_dn(r), [("objectClass", "provRole"), ("cn", r), ("provEntitlement", r)] + (
                [("provConflict", role_dn("order"))] if r == "pay" else [])
        yield role_dn("trio"), [("objectClass", "provSodSet"), ("cn", "trio"), ("provSodLimit", "2"),
                                *(("provSodRole", role_dn(r)) for r in TRIO)]

    def grant(self, kind, d, what):
        return f"{kind}$new${stamp(self.now - 300 * DAY)}$01900000-0000-7000-8000-000000000000${role_dn(f'd{d}')}$" + (
            "" if kind == "group" else "00000000") + f"${what}"

    def hold(self, a, *roles):
        a["provAssignedRole"] = [role_dn(r) for r in roles]
        a["provEffectiveRole"] += a["provAssignedRole"]
        for n, r in enumerate(roles):
            a["provGrant"].append(f"entitlement$new${stamp(self.now - (200 - n) * DAY)}$01900000-0000-7000-8000-000000000000$"
                                  f"{role_dn(r)}$${r}")

    def person(self, i, rng):
        kind, uid, d = self.kind.get(i), self.uid(i), i % self.departments
        given, sn, _ = company.Company.name(rng)
        a = {"objectClass": ["inetOrgPerson", "posixAccount", "provAccount"], "uid": [uid], "cn": [f"{given} {sn} {i}"],
             "givenName": [given], "sn": [sn], "mail": [f"{i}@example.com"], "employeeNumber": [f"E{i}"], "l": ["Berlin"],
             "carLicense": [f"1980-01-{i}"], "departmentNumber": [f"d{d}"], "description": [f"in d{d}"],
             "uidNumber": [str(10000 + i)], "gidNumber": ["100"], "homeDirectory": [f"/home/{i}"],
             "provEffectiveRole": [role_dn(f"d{d}")], "provStateSince": [stamp(self.now - 300 * DAY)],
             "provGrant": [self.grant("group", d, group_dn(f"d{d}")), self.grant("add", d, f"description: in d{d}")],
             "createTimestamp": [stamp(self.now - 400 * DAY)], "pwdLastSuccess": [stamp(self.now - rng.randrange(80) * DAY)]}
        member = True
        if i:  # mostly somebody who came before, now and then somebody who comes later
            a["manager"] = [self.dn(rng.choice(self.steady) if rng.random() < 0.2 else 0)]
        if kind:
            member = getattr(self, "do_" + kind)(i, a, d)
        return a, member

    def leave(self, a, state="terminated", days=10):
        a.update(provState=[state], provStateSince=[stamp(self.now - days * DAY)])
        for name in ("provEffectiveRole", "provGrant", "description"):
            a.pop(name)

    def pair(self, kind, i):
        """The one before or after it among its kind; of an odd number the last one stays alone."""
        some = self.who[kind]
        at = some.index(i) ^ 1
        return some[at] if at < len(some) else None

    # what each kind does to its person; the answer: is it a member of its department's group?

    def do_orphan(self, i, a, d):
        self.want("ORPHAN_SOURCE", self.dn(i))
        return True

    def do_left(self, i, a, d):
        self.want("LEAVER_ACTIVE", self.dn(i), f"E{i}")
        return True

    def do_suspended_left(self, i, a, d):
        a.update(provState=["suspended"], provStateSince=[stamp(self.now - 10 * DAY)])
        return True

    def do_disputed(self, i, a, d):
        """Two without a key, and with the name of one record."""
        other = self.pair("disputed", i)
        del a["employeeNumber"]
        if other is not None:
            a["cn"] = [f"Disputed {min(i, other)}"]
            self.want("DISPUTED", self.dn(i), f"E{min(i, other)}")
        return True

    def do_keyless(self, i, a, d):
        del a["employeeNumber"]
        return True

    def do_rest_grant(self, i, a, d):
        self.leave(a)
        a["provGrant"] = [self.grant("entitlement", d, "vpn")]
        self.want("LEAVER_LEFTOVER", self.dn(i))
        return False

    def do_rest_member(self, i, a, d):
        self.leave(a)
        self.want("LEAVER_LEFTOVER", self.dn(i), group_dn(f"d{d}"))
        return True

    def do_rest_default(self, i, a, d):
        self.leave(a, "archived")
        a["provGrant"] = [self.grant("default", d, "mail: x@example.com")]
        return False

    def do_dormant(self, i, a, d):
        a["pwdLastSuccess"] = [stamp(self.now - 92 * DAY)]
        self.want("DORMANT", self.dn(i))
        return True

    def do_late_login(self, i, a, d):
        a["pwdLastSuccess"] = [stamp(self.now - 92 * DAY)]
        return True

    def do_never(self, i, a, d):
        del a["pwdLastSuccess"]
        self.want("NEVER_USED", self.dn(i))
        return True

    def do_fresh(self, i, a, d):
        del a["pwdLastSuccess"]
        a["createTimestamp"] = [stamp(self.now - 88 * DAY)]
        return True

    def do_unexplained(self, i, a, d):
        self.extra.setdefault((d + 1) % self.departments, []).append(self.dn(i))
        self.want("UNEXPLAINED", self.dn(i), group_dn(f"d{(d + 1) % self.departments}"))
        return True

    def do_given(self, i, a, d):
        self.extra.setdefault((d + 1) % self.departments, []).append(self.dn(i))
        a["provGrant"].append(self.grant("group", d, group_dn(f"d{(d + 1) % self.departments}").upper()))
        return True

    def do_drift_group(self, i, a, d):
        self.want("MISSING_GRANT", self.dn(i), group_dn(f"d{d}"))
        return False

    def do_drift_value(self, i, a, d):
        a["description"] = ["something else"]
        self.want("MISSING_GRANT", self.dn(i), f"description: in d{d}")
        return True

    def do_twin_mail(self, i, a, d):
        other = self.pair("twin_mail", i)
        if other is not None:
            a["mail"] = [f"Twin{min(i, other)}@example.com" if i < other else f"twin{min(i, other)}@EXAMPLE.com"]
            self.want("DUPLICATE", self.dn(i), self.dn(other))
        return True

    def do_twin_birth(self, i, a, d):
        other = self.pair("twin_birth", i)
        a.update(carLicense=["2000-12-24"], givenName=["Twin"], sn=[f"Alone {i}"])
        if other is not None:
            a["sn"] = [f"Þórsson-Ångström {min(i, other)}" if i < other else f"þórsson angstrom {min(i, other)}"]
            self.want("DUPLICATE", self.dn(i), self.dn(other))
        return True

    def do_stale(self, i, a, d):
        a.update(provState=["suspended"], provStateSince=[stamp(self.now - 182 * DAY)])
        self.want("STALE_SUSPENDED", self.dn(i))
        return True

    def do_recent_stale(self, i, a, d):
        a.update(provState=["suspended"], provStateSince=[stamp(self.now - 178 * DAY)])
        return True

    def do_expired(self, i, a, d):
        a["provEndTime"] = [stamp(self.now - DAY)]
        self.want("EXPIRED_ACTIVE", self.dn(i))
        return True

    def do_soon(self, i, a, d):
        a["provEndTime"] = [stamp(self.now + 30 * DAY)]
        return True

    def do_number(self, i, a, d):
        other = self.pair("number", i)
        if other is not None:
            a["uidNumber"] = [str(10000 + min(i, other))]
            self.want("ID_COLLISION", self.dn(i), self.dn(other))
        return True

    def do_incomplete(self, i, a, d):
        del a["l"]
        self.want("INCOMPLETE", self.dn(i))
        return True

    def do_no_manager(self, i, a, d):
        a["manager"] = [person_dn(f"ghost{i}")]
        self.want("DANGLING_REFERENCE", self.dn(i), person_dn(f"ghost{i}"))
        return True

    def do_sod_pair(self, i, a, d):
        self.hold(a, "pay", "order")
        self.want("SOD_VIOLATION", self.dn(i), f"{role_dn('order')} + {role_dn('pay')}")
        return True

    def do_sod_set(self, i, a, d):
        self.hold(a, *TRIO)
        self.want("SOD_VIOLATION", self.dn(i), role_dn("trio"))
        return True

    def do_sod_near(self, i, a, d):
        self.hold(a, "pay", "clerk", "till")
        return True

    def do_sod_left(self, i, a, d):
        """A leaver; what is left to him is one finding, not two."""
        self.leave(a)
        a["provEffectiveRole"], a["provGrant"] = [], []
        self.hold(a, "pay", "order")
        del a["provAssignedRole"]
        self.want("LEAVER_LEFTOVER", self.dn(i))
        return False

    def do_told(self, i, a, d):
        a["title"] = ["Told"]
        return True

    def do_gone_row(self, i, a, d):
        self.leave(a, days=40)
        return False

    def machines(self):
        """Accounts that no source knows: owned by somebody who is here, or not."""
        leaver, here = self.who["gone_row"][0], self.who["suspended_left"][0]
        for n in range(4 * self.k):
            dn = person_dn(f"svc{n}")
            a = {"objectClass": ["inetOrgPerson", "provAccount"], "uid": [f"svc{n}"], "cn": [f"svc{n}"], "sn": ["svc"],
                 "provType": ["service"], "createTimestamp": [stamp(self.now - 400 * DAY)],
                 "pwdLastSuccess": [stamp(self.now - 100 * DAY)]}
            if n % 4 == 0:
                self.want("OWNERLESS", dn)
            elif n % 4 == 1:
                a["manager"] = [self.dn(leaver)]
                self.want("OWNERLESS", dn, self.dn(leaver))
            else:
                a["manager"] = [self.dn(here if n % 4 == 2 else 0)]
            yield dn, a

    def groups(self, members):
        for d in range(self.departments):
            yield group_dn(f"d{d}"), {"objectClass": ["groupOfNames"], "cn": [f"d{d}"],
                                      "member": [NOBODY, *members[d], *self.extra.get(d, [])]}
        for n in range(self.k):
            ghost = person_dn(f"left{n}")
            yield group_dn(f"project{n}"), {"objectClass": ["groupOfNames"], "cn": [f"project{n}"], "owner": [ghost],
                                            "member": [NOBODY, ghost, group_dn("d0")]}
            self.want("DANGLING_MEMBER", group_dn(f"project{n}"), ghost)
            self.want("DANGLING_REFERENCE", group_dn(f"project{n}"), ghost)
            for half in "ab":
                yield group_dn(f"unix{n}{half}"), {"objectClass": ["posixGroup"], "cn": [f"unix{n}{half}"],
                                                   "gidNumber": [str(90000 + n)]}
                self.want("ID_COLLISION", group_dn(f"unix{n}{half}"), group_dn(f"unix{n}{'ab'[half == 'a']}"))

    # -- files ------------------------------------------------------------------------------

    def write(self, where):
        self.expected, self.extra = [], {}
        self.steady = [i for i in range(self.n) if i not in self.kind][:1000]
        rng = random.Random(self.seed)
        members = [[] for _ in range(self.departments)]
        names = {}
        # written long ago: what is new to a scan comes from writers
        old = [("entryCSN", f"{stamp(self.now - 30 * DAY)[:-1]}.000000Z#000000#000#000000")]
        with open(os.path.join(where, "company.ldif"), "w") as out:
            for dn, pairs in self.tree():
                put(out, dn, pairs)
            for i in range(self.n):
                a, member = self.person(i, rng)
                names[i] = a["cn"][0]
                if member:
                    members[i % self.departments].append(self.dn(i))
                put(out, self.dn(i), [(name, v) for name, values in a.items() for v in values] + old)
            for dn, a in (*self.machines(), *self.groups(members)):
                put(out, dn, [(name, v) for name, values in a.items() for v in values])
        self.write_source(where, names)
        with open(os.path.join(where, "logins.csv"), "w") as out:
            out.write("user,last\n")
            for i in self.who["late_login"]:
                out.write(f"{self.uid(i).upper()},{self.now - 5 * DAY}\n")
        with open(os.path.join(where, "passwd"), "w") as out:
            out.write("root:x:0:0:root:/root:/bin/sh\n")
            for i in range(0, self.n, 10):
                if self.kind.get(i) not in ("rest_grant", "rest_member", "rest_default", "sod_left", "gone_row", "told") and i not in self.busy:
                    out.write(f"{self.uid(i)}:x:{10000 + i}:100::/:/bin/sh\n")
            for n in range(self.k):
                out.write(f"ghost{n}:x:{5000 + n}:100::/:/bin/sh\n")
                self.want("ORPHAN_TARGET", f"ghost{n}")
        with open(os.path.join(where, "expected.json"), "w") as out:
            json.dump(self.expected, out)
        return self

    def write_source(self, where, names):
        left = {i for kind in ("left", "suspended_left", "gone_row") for i in self.who[kind]}
        with open(os.path.join(where, "hr.csv"), "w") as out:
            out.write("nr,name,status\n")
            for i in range(self.n):
                if self.kind.get(i) == "disputed":
                    other = self.pair("disputed", i)
                    if other is not None and i > other:
                        continue
                if self.kind.get(i) != "orphan":
                    out.write(f'E{i},"{names[i]}",{"left" if i in left else "here"}\n')
            for n in range(self.k):
                out.write(f"N{n},New {n},here\nO{n},Old {n},left\n")
                self.want("MISSING_ACCOUNT", f"employeeNumber=N{n}")


def put(out, dn, pairs):
    out.write(line("dn", dn))
    for name, value in pairs:
        out.write(line(name, value))
    out.write("\n")


def line(name, value):
    if value.isascii() and value[:1] not in (" ", ":", "<", "") and value[-1:] != " ":
        return f"{name}: {value}\n"
    return f"{name}:: {base64.b64encode(value.encode()).decode()}\n"


def options(where):
    """How provctl is to be asked for all of it."""
    return ["--source", f"csv:{where}/hr.csv?key=employeeNumber&column=nr&status=status&left=left", "--match", "cn=name",
            "--logins", f"csv:{where}/logins.csv?key=uid&column=user&time=last", "--birth-date", "carLicense",
            "--require", "l", "--target", f"passwd:{where}/passwd", "--undelivered", "0"]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--people", type=int, default=3000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("directory")
    a = p.parse_args()
    Planted(a.people, a.seed).write(a.directory)


if __name__ == "__main__":
    main()
