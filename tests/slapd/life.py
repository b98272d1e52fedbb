"""A random life of a small company, seeded, and snapshots of it over LDAP.

Several writers go on at once; a snapshot is taken at a moment at which none of them is in the middle
of a write and slapd has nothing left to do by itself. What is in a snapshot is read from the directory
alone, so that the trail can be held against it.
"""

import contextlib
import datetime
import random
import threading
import time

import ldap

from directory import GROUPS, NOBODY, PEOPLE, Grant
from harness import wait_until
from ldapclient import REASON, control

DEPARTMENTS = ("sales", "it", "ops", "hr")
HAND = ("club", "choir", "unix-friends")


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def norm(dn):
    return ",".join(p.strip() for p in dn.lower().split(","))


class Life:
    def __init__(self, slapd, seed, people=10, writers=3):
        self.s, self.people, self.writers = slapd, people, writers
        self.random = random.Random(seed)
        self.permits = threading.Semaphore(writers)
        self.snapshots, self.errors, self.counts, self.done = [], [], {}, 0
        s = slapd
        s.admin.add(f"ou=teams,{GROUPS}", {"objectClass": "organizationalUnit", "ou": "teams"})
        s.group("sales")
        s.group("it", cls="groupOfUniqueNames")
        s.group("staff", cls="posixGroup")
        s.group("club")
        s.group("choir", cls="groupOfUniqueNames")
        s.group("unix-friends", cls="posixGroup")
        s.group(f"cn=team,ou=teams,{GROUPS}")
        s.role("base", provAssignFilter="(uid=*)", provGroup="staff", provEntitlement="vpn")
        s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provEntitlement="crm:user")
        s.role("it", provAssignFilter="(departmentNumber=it)", provGroup="it", provInclude="sales")
        s.role("extra", provEntitlement="safe:key")

    # -- writes: each may be refused (somebody else was there first), which changes nothing ----------

    def join(self, c, rnd, uid):
        self.s.account(uid, client=c, departmentNumber=rnd.choice(DEPARTMENTS), controls=[control(REASON, f"join {uid}")])

    def move(self, c, rnd, uid):
        self.s.set(uid, client=c, departmentNumber=rnd.choice(DEPARTMENTS))

    def plain(self, c, rnd, uid):
        self.s.set(uid, client=c, telephoneNumber=str(rnd.randrange(10**6)))

    def state(self, c, rnd, uid):
        c.modify(self.s.person_dn(uid), replace={"provState": rnd.choice(("active", "suspended", "active", "terminated"))})

    def delete(self, c, rnd, uid):
        c.delete(self.s.person_dn(uid))

    def rename(self, c, rnd, uid):
        c.rename(self.s.person_dn(uid), f"uid=p{rnd.randrange(self.people)}")

    def assign(self, c, rnd, uid):
        c.modify(self.s.person_dn(uid), **{rnd.choice(("add", "delete")): {"provAssignedRole": self.s.role_dn("extra")}})

    def hand(self, c, rnd, uid):
        group = rnd.choice((*HAND, "sales", "it", "staff", f"cn=team,ou=teams,{GROUPS}", f"cn=team,ou=crews,{GROUPS}"))
        dn = self.s.group_dn(group)
        e = c.get(dn)
        if e is None:
            return
        classes = [o.lower() for o in e["objectClass"]]
        attr, value = (("memberUid", uid) if "posixgroup" in classes else
                       ("uniqueMember", self.s.person_dn(uid)) if "groupofuniquenames" in classes else
                       ("member", self.s.person_dn(uid)))
        if rnd.random() < 0.2:  # the whole list anew
            some = [self.s.person_dn(f"p{i}") if attr != "memberUid" else f"p{i}"
                    for i in range(self.people) if rnd.random() < 0.3]
            c.modify(dn, replace={attr: some + ([NOBODY] if attr != "memberUid" else [])})
        else:
            c.modify(dn, **{rnd.choice(("add", "add", "delete")): {attr: value}})

    def remake(self, c, rnd, uid):
        """A group goes and comes again, empty but for one."""
        c.delete(self.s.group_dn("club"))
        c.add(self.s.group_dn("club"), {"objectClass": "groupOfNames", "cn": "club",
                                        "member": [NOBODY, self.s.person_dn(uid)]})

    def rename_group(self, c, rnd, uid):
        a, b = rnd.sample(("choir", "band"), 2)
        c.rename(self.s.group_dn(a), f"cn={b}")

    def move_teams(self, c, rnd, uid):
        a, b = rnd.sample(("teams", "crews"), 2)
        c.rename(f"ou={a},{GROUPS}", f"ou={b}")

    def policy(self, c, rnd, uid):
        c.modify(self.s.role_dn("sales"), **{rnd.choice(("add", "delete")): {
            "provEntitlement": "crm:report"}})

    WEIGHTS = {"join": 6, "move": 6, "plain": 2, "state": 4, "delete": 2, "rename": 3, "assign": 3, "hand": 9,
               "remake": 1, "rename_group": 1, "move_teams": 1, "policy": 1}

    def one(self, c, rnd):
        what = rnd.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
        try:
            getattr(self, what)(c, rnd, f"p{rnd.randrange(self.people)}")
            self.counts[what] = self.counts.get(what, 0) + 1
        except (ldap.NO_SUCH_OBJECT, ldap.ALREADY_EXISTS, ldap.TYPE_OR_VALUE_EXISTS, ldap.NO_SUCH_ATTRIBUTE,
                ldap.OBJECT_CLASS_VIOLATION):
            pass

    def writer(self, seed, steps):
        rnd = random.Random(seed)
        c = self.s.client(self.s.rootdn, self.s.rootpw)
        try:
            for _ in range(steps):
                with self.permits:
                    self.one(c, rnd)
                    self.done += 1
        except Exception as error:  # told to the test below
            self.errors.append(error)

    # -- snapshots -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def quiet(self):
        for _ in range(self.writers):
            self.permits.acquire()
        try:
            yield
        finally:
            self.permits.release(self.writers)

    def read(self):
        s, people, groups = self.s, {}, {}
        for e in s.admin.search(GROUPS, "(|(member=*)(uniqueMember=*)(objectClass=posixGroup))"):
            groups[norm(e.dn)] = {norm(m) for m in e["member"] + e["uniqueMember"] + e["memberUid"]}
        for e in s.admin.search(PEOPLE, "(objectClass=inetOrgPerson)"):
            dn, uid = norm(e.dn), e.one("uid")
            people[dn] = {
                "state": e.one("provState") or "active", "since": e.one("provStateSince"),
                "roles": {norm(r) for r in e["provEffectiveRole"]},
                "groups": {g for g, m in groups.items() if dn in m or uid in m},
                "entitlements": {g.what for g in map(Grant, e["provGrant"]) if g.kind == "entitlement"},
                "uuid": e.one("entryUUID")}
        return people, groups

    def snapshot(self):
        s = self.s
        wait_until(lambda: s.monitor().one("provMonitorFollowPending") == "0", 20, "nobody has to follow")
        s.wait_relayed()
        while True:
            n = len(s.state_now().rows)
            before = now()
            got = self.read()
            time.sleep(0.05)  # a write of slapd's own that began before would show up now: once more then
            s.wait_relayed()
            if len(s.state_now().rows) == n:
                break
        self.snapshots.append((before, *got))

    def live(self, steps, shots=8):
        threads = [threading.Thread(target=self.writer, args=(self.random.random(), steps)) for _ in range(self.writers)]
        for t in threads:
            t.start()
        for n in range(1, shots):
            wait_until(lambda n=n: self.done >= n * steps * self.writers // shots or self.errors, 60, "they go on")
            with self.quiet():
                self.snapshot()
        for t in threads:
            t.join()
        assert not self.errors, self.errors
        self.snapshot()
