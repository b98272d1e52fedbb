"""Where threads of slapd and ours meet, with slapd and the module built with the thread sanitizer (make check-tsan).

PROV_TSAN_SECONDS says for how long each. What the sanitizer reports fails the test when it is ours: tests/slapd/races.py.
"""

import os
import random
import threading
import time

import ldap
import ldap.sasl
from ldap.controls.simple import ProxyAuthzControl
from ldap.syncrepl import SyncRequestControl

from changing import SETUP, change_under_writers
from directory import CONNECTORS, HR
from harness import Slapd, wait_until
from ldapclient import ADOPT, Client, control
from slapdconf import SUFFIX
from writers import RoleEditor, Writer, prepare

SECONDS = int(os.environ.get("PROV_TSAN_SECONDS", "20"))
PEOPLE = 8
GONE = (ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.STRONG_AUTH_REQUIRED, ldap.CONNECT_ERROR, ldap.INVALID_CREDENTIALS,
        ldap.PROXIED_AUTHORIZATION_DENIED, ldap.INSUFFICIENT_ACCESS, ldap.OTHER)


class Loop(threading.Thread):
    """Calls step() until it is told to stop; what slapd does to who is not allowed in (any longer) is no error."""

    def __init__(self, s, seed):
        super().__init__()
        self.s, self.rng, self.over, self.error = s, random.Random(seed), False, None
        self.done = self.refused = 0
        self.own = None

    def run(self):
        try:
            while not self.over:
                try:
                    self.step()
                    self.done += 1
                except GONE:
                    self.refused += 1
        except Exception as error:  # noqa: BLE001 - shown by who waits for the thread
            self.error = error

    def someone(self):
        return f"ada{self.rng.randrange(PEOPLE)}"

    def admin(self):
        """A connection as rootdn, of this thread's own."""
        if self.own is None:
            self.own = Client(self.s.ldapi, self.s.rootdn, self.s.rootpw, timeout=60)
        return self.own


class User(Loop):
    """Binds as one of them, in each way, works, and goes."""

    def step(self):
        uid = self.someone()
        c = Client(self.rng.choice((self.s.ldapi, self.s.uri)), timeout=60)
        try:
            self.bind(c, uid)
            for _ in range(self.rng.randrange(4)):
                c.search(SUFFIX, "(uid=ada1)", ["cn"])
            if self.rng.random() < 0.3:
                c.ld.search_ext(SUFFIX, ldap.SCOPE_SUBTREE, "(uid=nobody)", serverctrls=[SyncRequestControl(True, None, "refreshAndPersist")])
                c.whoami()
        finally:
            c.close()

    def bind(self, c, uid):
        how = self.rng.randrange(4)
        if how == 0:
            c.scram(uid, f"{uid}-pw")
        elif how == 1:  # authenticated and authorized
            auth = ldap.sasl.sasl({ldap.sasl.CB_AUTHNAME: uid, ldap.sasl.CB_USER: f"dn:{self.s.person_dn(uid)}",
                                   ldap.sasl.CB_PASS: f"{uid}-pw"}, "SCRAM-SHA-1")
            c.ld.sasl_interactive_bind_s("", auth)
        else:
            c.bind(self.s.person_dn(uid), f"{uid}-pw")
            if how == 3:  # and again, as another
                other = self.someone()
                c.bind(self.s.person_dn(other), f"{other}-pw")


class Proxy(Loop):
    """An application that acts for them, on one connection for as long as that lives."""

    def step(self):
        c = Client(self.s.uri, HR, "hr-secret", timeout=60)
        try:
            while not self.over:
                name = f"dn:{self.s.person_dn(self.someone())}".encode()
                c.ld.search_ext(SUFFIX, ldap.SCOPE_SUBTREE, "(uid=ada1)", ["cn"], serverctrls=[ProxyAuthzControl(True, name)])
                c.search(SUFFIX, "(uid=ada2)", ["cn"], controls=[ProxyAuthzControl(True, name)])
                self.done += 1
        finally:
            c.close()


class Officer(Loop):
    """Ends accounts and begins them again."""

    def step(self):
        uid = self.someone()
        self.s.set(uid, client=self.admin(), provState="terminated")
        self.s.set(uid, client=self.admin(), provState="active")


def finish(loops):
    time.sleep(SECONDS)
    for t in loops:
        t.over = True
    for t in loops:
        t.join(60)
        assert not t.is_alive() and t.error is None, f"{type(t).__name__}: {t.error!r}"
    print("\n" + ", ".join(f"{type(t).__name__} {t.done} done, {t.refused} refused" for t in loops))


def test_leavers_are_cut_while_they_and_others_bind_and_act():
    with Slapd(overlays=["syncprov"], debug="0", provision={"provision-breaker": "0 0"}, database=SETUP["database"]) as s:
        s.expect_log("")
        for i in range(PEOPLE):
            s.account(f"ada{i}", provState="active")
        loops = [User(s, i) for i in range(5)] + [Proxy(s, 10), Proxy(s, 11), Officer(s, 20), Officer(s, 21)]
        for t in loops:
            t.start()
        finish(loops)
        assert all(t.done for t in loops)
        assert sum(t.refused for t in loops) > 10, "hardly anybody was cut"


class Onlooker(Loop):
    """Reads what slapd's threads say of themselves, and asks for full syncs."""

    def step(self):
        for _ in range(20):
            self.s.monitor()
            self.admin().search(SUFFIX, "(provState=active)", ["provEffectiveRole", "memberOf"])
            time.sleep(0.02)
        self.admin().modify(f"cn=all,{CONNECTORS}", replace={"description": str(self.done)}, controls=[control(ADOPT)])


class Timekeeper(Loop):
    """Accounts that begin and end by themselves in a moment."""

    def step(self):
        def at(seconds):
            return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))

        uid = f"t{self.rng.randrange(20)}"
        try:
            self.s.account(uid, client=self.admin(), departmentNumber="it", provStartTime=at(1), provEndTime=at(3))
        except ldap.ALREADY_EXISTS:
            self.s.set(uid, client=self.admin(), provState="active", provEndTime=at(2))
        time.sleep(0.2)


def test_writers_roles_jobs_and_the_clock_meet():
    with Slapd(overlays=["accesslog", "syncprov"], debug="0", provision={"provision-breaker": "0 0", "provision-checkpoint": "20 1"},
               database=SETUP["database"], maxsize=4 << 30) as s:
        s.expect_log("")
        prepare(s)
        s.connector("all", "/bin/true")
        loops = [Onlooker(s, 1), Timekeeper(s, 2)]
        writers = [Writer(s, f"w{i}", i) for i in range(4)] + [RoleEditor(s, "role", 7)]
        for t in loops + writers:
            t.start()
        finish(loops)
        for w in writers:
            w.stopping = True
            w.join(60)
            assert not w.is_alive() and w.error is None, f"{w.name}: {w.error!r}"
        wait_until(lambda: s.monitor().one("provMonitorFollowPending") == "0", 60, "everybody has followed")
        print(f"{sum(len(w.answered) for w in writers)} writes")
        assert len(writers[-1].answered) > 5


def test_the_configuration_changes_under_writers():
    with Slapd(**SETUP) as s:
        s.expect_log("")
        change_under_writers(s, SECONDS)
