"""Backup and restore: the commands are those of docs/backup.md, run as they stand there.

Only what names a place is replaced, and systemctl starts and stops the slapd and provd of the test.
"""

import re
import shutil
import subprocess
import threading
import time

import pytest

from directory import PEOPLE
from harness import PROVCTL, TOP, wait_until
from slapdconf import SLAPD
from statedb import State
from test_provd import Receiver, status

DOC = (TOP / "docs/backup.md").read_text()


def blocks(title):
    """The commands of a section, a list of lines each."""
    [text] = re.findall(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", DOC, re.M | re.S)
    found = [b.splitlines() for b in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)]
    assert found, title
    return found


class Site:
    def __init__(self, s, backup):
        self.s, self.backup, self.said, self.before = s, backup, "", None
        self.sink = Receiver(s.dir, "sink")

    def begin(self, n=5):
        self.s.connector("sink", self.sink.target)
        self.s.provd_start()
        self.more("a", n)
        self.settled()

    def more(self, name, n=5):
        for i in range(n):
            self.s.account(f"{name}{i}")

    def settled(self):
        """Everything is in the trail, and delivered, and the relay knows that it is."""
        s = self.s
        s.wait_relayed()
        last = max((int(e["sequence"]) for e in s.events()), default=0)
        wait_until(lambda: status(s, "sink")["cursor"] >= last and not status(s, "sink")["ready"], 10, "all is delivered")
        wait_until(lambda: self.known() == self.saves(), 10, "the relay has looked")

    def greeted(self):
        """slapd is a moment ahead of its relay: then nothing has been compared yet."""
        file = self.s.state / "state.mdb"
        return file.exists() and State(self.s.state).meta.get("lineage") not in (None, self.before)

    def known(self):
        return State(self.s.state).meta.get("saves", b"")[:8]

    def saves(self):
        from statedb import tables
        return dict(tables(self.s.state / "delivery.mdb", ("meta",))["meta"]).get(b"saves", b"")

    def systemctl(self, action, *units):
        if (action, units[-1]) == ("stop", "slapd"):
            file = self.s.state / "state.mdb"
            self.before = State(self.s.state).meta["lineage"] if file.exists() else None
        for unit in units:
            {("start", "slapd"): self.s.start, ("stop", "slapd"): self.s.stop, ("start", "provd"): self.s.provd_start,
             ("stop", "provd"): self.s.provd_stop}[action, unit]()

    def run(self, title, which=0):
        """The commands of a section; what provctl said of restores is in said."""
        s = self.s
        self.said = ""
        for line in blocks(title)[which]:
            if line.startswith("systemctl "):
                self.systemctl(*line.split()[1:])
                continue
            if line.startswith("provctl ") and s.running:
                wait_until(self.greeted, 10, "the relay has begun")
            line = line.replace("/var/lib/ldap", str(s.dir / "db")).replace("/backup", str(self.backup))
            line = line.replace("/var/lib/slapo-provision", str(s.state))
            tools = "".join(f'{n}() {{ {SLAPD} {o} {" ".join(s.config_args)} "$@"; }}\n'
                            for n, o in (("slapcat", "-Tc"), ("slapadd", "-Ta")))
            server = "" if "--state" in line else f"-H {s.ldapi}"
            done = subprocess.run(["bash", "-euc", f'{tools}provctl() {{ {PROVCTL} {server} "$@"; }}\n{line}'],
                                  capture_output=True, text=True, env=s.env)
            assert done.returncode == 0, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
            self.said += done.stdout
        return self.said

    def restores(self):
        return [r for r in self.s.trail() if r["op"] == "restore"]

    def told(self):
        """verify and show tell of as many restores as the trail has; returns their reasons."""
        had = self.restores()
        assert all(r["id"] and r["time"] and r["actor"]["authz"] in ("slapd", "provd") for r in had)
        [said] = self.s.provctl_json("audit", "verify", check=0)
        assert [self.s.trail()[n - 1] for n in said["restores"]] == had
        plain = self.s.provctl("audit", "verify", check=0).stdout
        assert (f"{len(had)} times something was restored" in plain) == bool(had)
        shown = self.s.provctl_json("audit", "show", "--op", "restore", check=0)
        assert [v["record"] for v in shown] == had
        return [r["reason"] for r in had]

    def uids(self):
        return {e.one("uid") for e in self.s.admin.search(PEOPLE, "(uid=*)")}

    def got(self):
        return [e["id"] for e in self.sink.got()]

    def works_on(self):
        """A write, its record and its event."""
        n = len(self.sink.got())
        self.s.account(f"after{n}")
        wait_until(lambda: f"after{n}" in self.sink.uids()[n:], 10, "its event arrives")
        assert self.s.record(op="add", uid=f"after{n}")
        self.s.state_now().chain()


@pytest.fixture
def site(slapd, tmp_path):
    slapd.expect_log("provision: relay: restore: ", "conn=|provision: relay: state=")
    return Site(slapd, tmp_path)


def test_a_hot_backup_while_writers_run_is_whole_and_is_restored(site):
    s = site.s
    site.begin()
    stop = threading.Event()
    written = []

    def write(k):
        client = s.client(s.rootdn, s.rootpw)
        while not stop.is_set():
            uid = f"w{k}x{len(written)}-{time.monotonic_ns()}"
            s.account(uid, client=client)
            written.append(uid)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    wait_until(lambda: len(written) > 50)
    assert "unbroken" in site.run("Backup while everything runs")
    sure, most = list(written)[:30], len(written) + 200
    wait_until(lambda: len(written) > most, 20)
    stop.set()
    for t in threads:
        t.join()
    site.settled()
    copy = State(site.backup / "today")
    assert copy.chain() > 50
    delivered = site.got()
    assert "restore" in site.run("Restore everything")
    assert set(sure) <= site.uids() and len(site.uids()) < most
    assert s.everything() and s.state_now().rows[:len(copy.rows)] == copy.rows
    # every account that is there has its record
    assert site.uids() <= {r.get("uid") for r in s.trail() if r["op"] == "add"}
    site.works_on()
    site.settled()
    # every event of the backup's outbox was delivered, before or after, and repeated under its id
    assert {e["id"] for e in copy.events if "sink" in e["route"]} <= set(site.got())
    assert set(site.got()[:len(delivered)]) == set(delivered)
    [reason] = [r for r in site.told() if not r.startswith("provd's")]
    # the second when nothing was relayed between the two copies
    assert "the database is an older copy" in reason or "is a copy" in reason


def test_all_of_one_moment_restored_is_noted_although_nothing_differs(site):
    site.begin()
    site.run("Backup while everything runs")
    trail = len(site.s.trail())
    site.run("Restore everything")
    assert len(site.s.trail()) == trail + 1 and site.told() == [
        "a file of the database or of the trail is a copy: what was written after it was made, and is in neither, is lost"]
    site.works_on()
    assert len(site.told()) == 1
    site.s.restart()
    site.works_on()
    assert len(site.told()) == 1, "a restart is no restore"


def test_the_directory_only_older_than_the_trail(site):
    s = site.s
    site.begin()
    site.run("Backup while everything runs")
    site.more("lost")
    site.settled()
    before, delivered = s.trail(), site.got()
    site.run("Restore the directory only")
    assert "lost0" not in site.uids() and "a4" in site.uids()
    assert s.trail()[:len(before)] == before
    [reason] = site.told()
    assert re.search(r"older copy: rows 7 to 11 of the trail", reason), reason
    site.works_on()
    site.settled()
    assert site.got()[:len(delivered)] == delivered and len(set(site.got())) == len(site.got()), "nothing comes twice"
    found = s.provctl_json("audit", "verify", "--against", "ldap", check=1)
    assert len([f for f in found if f.get("check") == "GONE"]) == 5, found


def test_the_directory_only_and_rows_wait_before_the_trail_is_there(site):
    """As many rows as the trail has come from the older copy before anybody can compare."""
    s = site.s
    site.begin()
    site.run("Backup while everything runs")
    site.more("lost")
    site.settled()
    s.provd_stop()
    s.stop()
    shutil.move(s.state, s.dir / "away")
    s.state.write_text("not a directory")
    shutil.copy(site.backup / "today/ldap/data.mdb", s.dir / "db/data.mdb")
    s.start()
    site.more("new", 12)
    s.state.unlink()
    shutil.move(s.dir / "away", s.state)
    s.wait_relayed(40)
    s.provd_start()
    assert site.told() == ["the database is an older copy: rows 7 to 11 of the trail are not in it"]
    assert [r["uid"] for r in s.trail() if r["op"] == "add"][-12:] == [f"new{i}" for i in range(12)]
    site.settled()
    assert sorted(u for u in site.sink.uids() if u.startswith("new")) == sorted(f"new{i}" for i in range(12))


def test_the_state_directory_only_older_than_the_directory(site):
    s = site.s
    site.begin()
    site.run("Backup while everything runs")
    site.more("kept", 3)
    site.settled()
    delivered = site.got()
    site.run("Restore the state directory only")
    assert {"kept0", "kept2"} <= {r.get("uid") for r in s.trail()}, "the database still had the rows"
    site.works_on()
    site.settled()
    again = site.got()[len(delivered):]
    assert set(again[:-1]) <= set(delivered), "the same ids"
    reasons = site.told()
    assert [r for r in reasons if "missing" in r] == [] and reasons, reasons


def test_a_state_directory_from_before_what_the_database_still_has(site):
    s = site.s
    site.begin()
    site.run("Backup while everything runs")
    for i in range(400):
        s.set("a0", title=str(i))
    site.settled()
    site.run("Restore the state directory only")
    assert "missing" in site.said
    first = next(r for r in s.trail()[7:] if r["op"] == "modify")
    [reason] = [r for r in site.told() if "missing" in r]
    a, b = map(int, re.search(r"rows (\d+) to (\d+)", reason).groups())
    assert a == 7 and 100 < b < 406, reason
    assert len([r for r in s.trail() if r["op"] == "modify"]) == 406 - b and first["attributes"] == ["title"]
    site.works_on()


def test_state_mdb_alone_is_older_than_the_deliveries_and_has_grown_past_them(site):
    """provd must not take new events for those that it has delivered under their numbers."""
    s = site.s
    site.begin()
    site.run("Backup while everything runs")
    for i in range(150):
        s.set("a0", title=str(i))
    site.settled()
    s.provd_stop()
    s.stop()
    (s.state / "state.mdb").unlink()
    shutil.copy(site.backup / "today/state.mdb", s.state)
    s.start()
    for i in range(200):
        s.set("a1", title=f"new {i}")
    s.wait_relayed()
    n = len(site.got())
    s.provd_start()
    site.settled()
    new = [e for e in s.events() if e["data"]["uid"] == "a1" and e["type"].endswith("updated")]
    assert len(new) == 200
    assert set(site.got()[n:]) >= {e["id"] for e in new}
    assert any("the outbox is an older copy" in r for r in site.told()), site.told()
    assert "event=progress-reset" in s.provd_log.read_text()


def test_the_state_directory_is_lost(site):
    s = site.s
    s.role("all", provAssignFilter="(uid=a*)", provEntitlement="all:use")
    site.begin()
    for i in range(200):
        s.set("a0", title=str(i))
    site.settled()
    site.run("The state directory is lost")
    assert "missing" in site.said
    first = s.trail()[0]
    assert first["op"] == "restore" and "rows 1 to" in first["reason"] and first["missing"] > 0  # how many depends on when rows were trimmed
    site.works_on()
    # who has a role from before has it rightly
    s.set("a1", title="x")
    found = s.provctl_json("audit", "verify", "--against", "ldap", check=1)
    assert {f["check"] for f in found[1:-1]} == {"CHANGED_BEHIND"} and "uid=a1," not in str(found), found
    assert len(site.told()) == 1


def test_provds_environment_only(site):
    s = site.s
    site.begin()
    site.run("Backup while everything runs")
    site.more("again")
    site.settled()
    delivered = site.got()
    site.run("Restore provd's environment only")
    wait_until(lambda: len(site.got()) >= len(delivered) + 5, 10)
    site.settled()
    assert sorted(set(site.got())) == sorted(delivered) and set(site.got()[len(delivered):]) == set(delivered[-5:])
    wait_until(site.restores, 10)
    assert site.told() == ["provd's environment is an older copy or a new one: events may be delivered again"]
    s.provd_stop(hard=True)
    s.provd_start()
    site.works_on()
    site.settled()
    assert len(site.told()) == 1, "a restart is no restore"


@pytest.mark.parametrize("state", ["with", "without"])
def test_slapcat_and_slapadd(site, state):
    s = site.s
    site.begin()
    (site.backup / "today").mkdir()
    site.run("slapcat and slapadd", 0)
    before = s.everything()
    site.more("lost", 2)
    site.settled()
    if state == "without":
        site.systemctl("stop", "provd", "slapd")
        shutil.rmtree(s.state)
        s.state.mkdir(mode=0o700)
    site.run("slapcat and slapadd", 1)
    assert [x for x in s.everything() if x[0] != s.suffix] == [x for x in before if x[0] != s.suffix]
    if state == "with":
        [reason] = site.told()
        assert reason.startswith("the database is another one")
        site.works_on()
    else:
        assert site.told() == []
        s.account("after")
        assert s.trail()[-1]["uid"] == "after"
        found = s.provctl_json("audit", "verify", "--against", "ldap", check=1)
        assert [f["check"] for f in found[1:-1]] == ["CHANGED_BEHIND"] * 5 and found[-1]["agree"] == 1
