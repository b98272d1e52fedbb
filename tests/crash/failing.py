"""A slapd and a provd with failpoints (overlay/store/failpoint.h): they die where the test says."""

import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import ldap

from directory import PEOPLE
from harness import MODULE, TOP, Slapd, StartFailed, wait_until
from ldapclient import ADOPT, REASON, control
from test_clock import at
from writers import RoleEditor, Writer

ROOMS = ("overlay/slapd", "overlay/store", "tools/provd", "tools/common", "tools/provctl", "overlay/core")


def compiled_in():
    """The names of all failpoints in the source."""
    text = "".join(f.read_text() for room in ROOMS for f in (TOP / room).glob("*.c"))
    names = re.findall(r'PROV_FAILPOINT(?:_RC)?\("([^"]+)"\)', text)
    assert len(names) == len(set(names)), "a name twice"
    return set(names)


class Failing(Slapd):
    module = str(Path(MODULE).parent / "failpoints/provision.so")
    provd = str(TOP / "build/failpoints/bin/provd")

    def arm(self, name, count=1, action="kill"):
        self.env["PROV_FAILPOINT"] = f"{name}:{count}={action}"

    def disarm(self):
        del self.env["PROV_FAILPOINT"]

    def start_armed(self, *what):
        """False: it has died already."""
        self.arm(*what)
        try:
            self.start()
        except StartFailed as failed:
            assert f"failpoint {what[0]}\n" in str(failed), failed
            return False
        finally:
            self.disarm()
        return True

    def start_with(self, *points):
        """Several: (name, count, action) each."""
        self.env["PROV_FAILPOINT"] = ",".join(f"{name}:{count}={action}" for name, count, action in points)
        try:
            self.start()
        finally:
            self.disarm()

    def acted(self, name):
        return f"failpoint {name}\n" in self.log()

    def wait_died(self, name, timeout=20):
        wait_until(lambda: self.process.poll() is not None, timeout, f"{name} is reached")
        assert self.process.poll() == -signal.SIGKILL and self.acted(name), f"{self.process.poll()}: {self.log()[-2000:]}"
        self.kill()


def provd_dies(s, name, count, timeout=30):
    s.arm(name, count)
    try:
        with s.provd_log.open("ab") as log:
            p = subprocess.Popen([s.provd, "--foreground", "--state", str(s.state), "-H", s.ldapi],
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=s.env)
    finally:
        s.disarm()
    try:
        wait_until(lambda: p.poll() is not None, timeout, f"{name} is reached")
    finally:
        p.kill()
        p.wait()
    text = s.provd_log.read_text()
    assert p.returncode == -signal.SIGKILL and f"failpoint {name}\n" in text, f"{p.returncode}: {text[-2000:]}"


class Syncer(Writer):
    """Asks for full syncs of a connector that nobody delivers for, one after the other."""

    def step(self):
        self.n += 1
        token = self.open = f"{self.name}-{self.n}"
        self.client.modify(f"cn=sink,{self.connectors}", replace={"description": token},
                           controls=[control(REASON, token), control(ADOPT)])
        self.answered.append(token)
        self.open = None
        wait_until(lambda: "full sync" not in (self.s.monitor().one("provMonitorInfo") or ""), 5)

    def run(self):
        from directory import CONNECTORS
        self.connectors = CONNECTORS
        super().run()


class Timed(Writer):
    """Joiners that leave, or begin, by themselves a second later."""

    def step(self):
        name = f"{self.name}n{self.n}"
        time = {"provEndTime": at(1)} if self.n % 2 else {"provStartTime": at(1)}
        self.send(self.client.add, f"uid={name},{PEOPLE}", {
            "objectClass": ["inetOrgPerson", "provAccount"], "uid": name, "cn": name, "sn": "Same", "givenName": "Name",
            "departmentNumber": "it", **time})


def load(s, name, rng, kinds=(RoleEditor,), most=4):
    """Writers at work; fewer, when slapd has died before they were there."""
    made = []
    for i, kind in enumerate([*kinds, *[Writer] * most]):
        try:
            made.append(kind(s, f"{name}{kind.__name__.lower()}{i}", rng.random()))
        except (ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.CONNECT_ERROR):
            break
        made[-1].start()
    return made


def check_syncs(seen):
    """A full sync tells of no account twice, and the last one of every account that was and is there."""
    told = Counter((r["reason"], r["entryUUID"]) for r in seen.records if r["op"] == "sync")
    assert all(n == 1 for n in told.values()), "an account twice in one sync"
    asked = [i for i, r in enumerate(seen.records) if r["op"] == "policy" and r["dn"].startswith("cn=sink,")]
    if not asked:
        return
    last = seen.records[asked[-1]]["id"]
    before = {r["entryUUID"] for r in seen.records[:asked[-1]] if r["op"] == "add" and r.get("entryUUID") in seen.people}
    have = {uuid for reason, uuid in told if last in reason}
    assert before <= have, f"{len(before - have)} of {len(before)} accounts are not in the last sync"


def check_reports(s):
    """Each end of somebody's access that was delivered is told of once in the trail."""
    takes = ("account.suspended", "account.terminated", "account.deleted", "role.revoked")

    def told():
        return Counter((r["delivery"]["connector"], r["delivery"]["event"]) for r in s.state_now().records
                       if r["op"] == "delivery")
    want = {(name, e["id"]) for e in s.events() for name in e["route"] if e["type"].endswith(takes)}
    wait_until(lambda: set(told()) >= want, 10, f"{len(want)} ends are told of")
    assert set(told()) == want and set(told().values()) <= {1}
    return len(want)
