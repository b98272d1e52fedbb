"""The disk is full where provd keeps its progress: it says so once, starts no delivery, idles, and goes on
when there is room. Nothing is lost and nothing is parked."""

import os
import re
import signal
import subprocess
from pathlib import Path

import ldap
import pytest

from delivered import check_progress
from harness import stays, wait_until
from ldapclient import refused
from statedb import Delivery
from test_provd import Receiver, ask, status, wait_state
from test_scim import TOKEN, Scim
from test_scim import connect as scim_connect
from test_state_dir import BACKLOG, mounted

LONG = "no room for this account in the system that is connected here, please try again " * 2
GATE = 'while [ ! -f "$d/go" ]; do sleep 0.02; done; '


class Disk:
    """The state directory is a small file system of its own."""

    def __init__(self, s, size):
        self.s = s
        if not mounted(s.state, size):
            pytest.skip("this needs the right to mount a file system")
        self.filler = s.state / "filler"

    def fill(self):
        with self.filler.open("ab", buffering=0) as f:
            for size in (65536, 4096, 512, 1):
                while True:
                    try:
                        f.write(b"x" * size)
                    except OSError:
                        break
        assert os.statvfs(self.s.state).f_bavail == 0

    def make_room(self):
        self.filler.unlink()

    def gone(self):
        subprocess.run(["umount", "-l", self.s.state], check=True)


@pytest.fixture
def s(make_slapd):
    return make_slapd(start=False, database=[("dbnosync", "olcDbNoSync", "TRUE")])


@pytest.fixture
def disk(s):
    made = Disk(s, "8m")
    s.start()
    yield made
    s.provd_stop(hard=True)
    s.stop()
    made.gone()


def cpu(pid):
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss(pid):
    """Memory of a process, in KiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def saving(s):
    return ask(s, cmd="status")["saving"]


def accounts(s, n, events=1):
    for i in range(n):
        s.account(f"u{i:03}")
        for k in range(1, events):
            s.set(f"u{i:03}", description=str(k))
    s.wait_relayed()


def held(s, n=150, **attrs):
    """A program that waits for a sign and then refuses every second account, so that progress needs room."""
    r = Receiver(s.dir, "hook")
    r.behave(GATE + f'[ -f "$d/well" ] || case $PROV_EVENT_ID in *[13579bdf]) echo "{LONG}"; exit 1;; esac')
    s.connector("hook", r.target, provConcurrency="8", **attrs)
    s.provd_start()
    wait_state(s, "enabled")
    accounts(s, n, 2)
    wait_until(lambda: status(s)["inFlight"] == 8 and status(s)["ready"] == 2 * n - 8, 10)
    return r


def check_all(s, r):
    events = s.events()
    want = {e["id"] for e in events if "hook" in e["route"]}
    ids = [e["id"] for e in r.got()]
    assert set(ids) == want, f"{len(want - set(ids))} events never arrived"
    first = list(dict.fromkeys(ids))
    order = {e["id"]: int(e["sequence"]) for e in events}
    for subject in {e["subject"] for e in events}:
        seqs = [order[i] for i in first if next(e for e in events if e["id"] == i)["subject"] == subject]
        assert seqs == sorted(seqs), "in order"
    s.provd_stop()
    check_progress("hook", events, Delivery(s.state))


def finish(s, r):
    if r:
        (r.dir / "well").touch()

    def done():
        ask(s, cmd="retry", connector="hook")
        st = status(s)
        return not (st["ready"] or st["inFlight"] or st["deferred"] or st["lag"])
    wait_until(done, 40, "all delivered", every=0.2)
    assert status(s)["parked"] == 0


def test_deliveries_stop_and_go_on_when_there_is_room(s, disk):
    r = held(s)
    before, pid = rss(s.provd_process.pid), s.provd_process.pid
    disk.fill()
    (r.dir / "go").touch()
    wait_until(lambda: not saving(s), 10, "it cannot save")
    wait_until(lambda: status(s)["inFlight"] == 0, 10)
    tries, used = len(r.tries()), cpu(pid)
    stays(lambda: not saving(s), 7, "it is full all the time", every=0.5)
    assert len(r.tries()) == tries, "nothing is started that could not be written down"
    assert cpu(pid) - used < 0.25, "it does not turn round and round"
    assert rss(pid) < before + 16384
    log = s.provd_log.read_text()
    assert log.count("event=save-failed") == 1 and "No space left" in log and "event=save-works" not in log
    shown = s.provctl("--state", s.state, "status", check=1).stdout
    assert "cannot save" in shown, shown
    disk.make_room()
    wait_until(lambda: saving(s), 10, "it saves again")
    assert s.provd_log.read_text().count("event=save-works") == 1
    finish(s, r)
    ids = [e["id"] for e in r.got()]
    assert len(ids) == len(set(ids)), "nothing twice: provd knew all the time"
    check_all(s, r)


def test_killed_while_the_disk_is_full_it_goes_on_later(s, disk):
    r = held(s)
    disk.fill()
    (r.dir / "go").touch()
    wait_until(lambda: not saving(s), 10, "it cannot save")
    s.provd_stop(hard=True)
    s.provd_start()
    wait_state(s, "enabled")
    wait_until(lambda: not saving(s), 20, "still full")
    s.provd_stop()  # a clean stop cannot save either, and does not hang
    s.provd_start()
    disk.make_room()
    wait_until(lambda: saving(s), 10)
    finish(s, r)
    check_all(s, r)


def test_what_was_done_and_could_not_be_written_down_is_done_again_and_found_done(s, disk, pki, tmp_path):
    scim = Scim(tmp_path / "scim", pki, token=TOKEN)
    try:
        scim_connect(s, pki, scim, provConcurrency="16")
        scim.behave(fault="late", method="POST", path="/Users")
        accounts(s, 16)
        wait_until(lambda: len(scim.writes()) == 16, 10)
        disk.fill()
        wait_until(lambda: "carried out, but not written down" in s.provd_log.read_text(), 10)
        wait_until(lambda: status(s)["inFlight"] == 0 and not saving(s), 10)
        assert len(scim.users()) == 16 and status(s)["delivered"] < 16
        scim.behave()
        disk.make_room()
        wait_until(lambda: saving(s), 10)
        finish(s, None)
        assert len(scim.users()) == 16 and len(scim.writes()) == 16, "nothing was to change"
        progress = Delivery(s.state)
        assert {r[1]: i for r, i in progress.remote.items()} == {u["externalId"]: u["id"] for u in scim.users().values()}
    finally:
        scim.stop()


def test_a_connector_that_is_made_while_the_disk_is_full_waits_for_room(s, disk):
    s.expect_log("provision: relay: state=")
    hook = Receiver(s.dir, "hook")
    s.connector("hook", hook.target)
    s.provd_start()
    wait_state(s, "enabled")
    disk.fill()
    late = [Receiver(s.dir, f"late{i}") for i in range(60)]
    for r in late:
        s.connector(r.name, r.target)
    s.provd_process.send_signal(signal.SIGHUP)  # the relay has no room to tell it
    wait_until(lambda: "event=load-failed" in s.provd_log.read_text() or s.provd_process.poll() is not None, 10)
    assert s.provd_process.poll() is None, s.provd_log.read_text()[-1000:]
    assert "No space left" in s.provd_log.read_text() and status(s)["state"] == "enabled"
    s.account("ann")
    disk.make_room()
    wait_state(s, "enabled", "late59")
    for r in (hook, late[0], late[59]):
        r.wait(1, 40)
        assert r.uids() == ["ann"]


def test_when_the_trail_has_no_room_writes_are_refused_in_the_end_and_go_on_later(make_slapd):
    s = make_slapd(start=False, debug="none", database=[("dbnosync", "olcDbNoSync", "TRUE")])
    s.expect_log("provision: relay: state=", "")
    disk = Disk(s, "64m")
    try:
        s.start()
        s.account("ann")
        s.wait_relayed()
        disk.fill()
        done, pid = 0, s.process.pid
        with refused(ldap.UNWILLING_TO_PERFORM, "state directory"):
            while done < BACKLOG + 2000:
                s.set("ann", title=str(done))
                done += 1
        assert BACKLOG <= done < BACKLOG + 1000, "what the trail still had room for, and as many rows as may wait"
        assert "No space left" in s.monitor().one("provMonitorInfo")
        used = cpu(pid)
        stays(lambda: s.person("ann").one("title") == str(done - 1), 2, "reads go on", every=0.5)
        assert cpu(pid) - used < 0.25, "it does not turn round and round"
        disk.make_room()
        wait_until(lambda: s.monitor().one("provMonitorBacklog") == "0", 60, "everything is in the trail")
        s.set("ann", title="after")
        assert s.state_now().chain() == done + 2
        s.stop()
    finally:
        disk.gone()
