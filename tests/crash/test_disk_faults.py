"""The disk fails under slapd or provd (EIO, by disk.c), has become read-only, or there are no more readers or descriptors: it is
said clearly, nothing is half there, and things go on when the cause is gone, or after a restart where LMDB asks for one."""

import errno
import resource
import subprocess

import ldap
import lmdb
import pytest

from checker import check
from harness import TOP, Slapd, wait_until
from ldapclient import refused
from test_provd import Receiver, ask, wait_state
from test_state_dir import mounted
from writers import prepare


@pytest.fixture
def s():
    with Slapd(provision={"provision-breaker": "0 0"}, debug="none", start=False, maxsize=1 << 26) as s:
        s.expect_log("unclean shutdown", "provision: relay: ", "^mdb_\\w+: ", "txn_commit failed", "id2entry.c", "daemon: accept")
        s.fault = s.dir / "fault"
        s.env.update(LD_PRELOAD=str(TOP / "build/crash/disk.so"), PROV_DISK_DIR=str(s.dir), PROV_DISK_FAULT=str(s.fault))
        s.start()
        prepare(s)
        person(s, "ann")
        s.wait_relayed()
        yield s
        s.fault.unlink(missing_ok=True)


def person(s, uid, dept="it"):
    s.account(uid, sn="Same", givenName="Name", departmentNumber=dept, provState="active")


def break_(s, kind, file, error=errno.EIO):
    new = s.dir / "fault.new"
    new.write_text(f"{kind} {file} {error}\n")
    new.rename(s.fault)


def whole(s):
    check(s, [], [])
    s.provctl_offline("audit", "verify", check=0)


@pytest.mark.parametrize("kind", ["write", "sync", "meta"])
def test_the_trail_cannot_be_written_for_a_while(s, kind):
    break_(s, kind, "state.mdb")
    for i in range(20):
        person(s, f"u{i}")
    wait_until(lambda: "Input/output error" in (s.monitor().one("provMonitorInfo") or ""), 10, "the monitor tells")
    assert s.monitor().one("provMonitorBacklog") != "0"
    s.fault.unlink()
    wait_until(lambda: s.monitor().one("provMonitorBacklog") == "0", 40, "everything is in the trail")
    whole(s)
    log = s.log()
    assert "Input/output error" in log and "writable again" in log
    s.restart(hard=True)
    whole(s)


@pytest.mark.parametrize("kind", ["write", "sync", "meta"])
def test_the_database_cannot_be_written(s, kind):
    before = s.everything()
    break_(s, kind, "data.mdb")
    with refused(ldap.OTHER, "provision:", "Input/output error"):
        s.set("ann", departmentNumber="sales")
    if kind == "meta":
        # LMDB begins no transaction any more, and back-mdb aborts when that is one of a reader
        with refused(ldap.OTHER, "provision:", "restart slapd"):
            s.set("ann", departmentNumber="sales")
        s.fault.unlink()
        s.kill()
        s.start()
        assert s.everything() == before
    else:
        for _ in range(3):
            with refused(ldap.OTHER, "provision:", "Input/output error"):
                s.set("ann", departmentNumber="sales")
        assert s.everything() == before
        s.fault.unlink()
    s.set("ann", departmentNumber="sales")
    assert s.groups_of("ann") == ["sales", "staff"]
    whole(s)
    s.restart(hard=True)
    assert s.groups_of("ann") == ["sales", "staff"]
    whole(s)


@pytest.mark.parametrize("kind", ["write", "sync", "meta"])
def test_progress_cannot_be_written(s, kind):
    r = Receiver(s.dir, "hook")
    s.connector("hook", r.target)
    s.provd_start()
    wait_state(s, "enabled")
    break_(s, kind, "delivery.mdb")
    person(s, "bob")
    wait_until(lambda: "event=save-failed" in s.provd_log.read_text(), 10, "it cannot save")
    assert "Input/output error" in s.provd_log.read_text() and not ask(s, cmd="status")["saving"]
    s.fault.unlink()
    if kind == "meta":  # LMDB itself writes no more until it is opened anew
        s.provd_stop()
        s.provd_start()
    wait_until(lambda: ask(s, cmd="status")["saving"], 10, "it saves again")
    person(s, "cid")
    wait_until(lambda: "cid" in r.uids(), 10)
    assert "bob" in r.uids()
    whole(s)


def test_the_state_directory_is_read_only(s):
    s.stop()
    if not mounted(s.state, "8m"):
        pytest.skip("this needs the right to mount a file system")
    try:
        subprocess.run(["mount", "-o", "remount,ro", s.state], check=True)
        s.start()
        person(s, "bob")
        wait_until(lambda: "Read-only file system" in (s.monitor().one("provMonitorInfo") or ""), 10, "the monitor tells")
        subprocess.run(["mount", "-o", "remount,rw", s.state], check=True)
        wait_until(lambda: s.monitor().one("provMonitorBacklog") == "0", 40, "the relay goes on")
        assert [r["uid"] for r in s.trail() if r["op"] == "add"][-1] == "bob"
        s.stop()
    finally:
        subprocess.run(["umount", "-l", s.state], check=True)


def test_all_places_of_readers_are_taken(s):
    s.provd_start()
    env = lmdb.open(str(s.state / "state.mdb"), subdir=False, readonly=True, max_dbs=8, max_spare_txns=0)
    taken = []
    with pytest.raises(lmdb.ReadersFullError):
        while len(taken) < 1000:
            taken.append(env.begin())
    done = s.provctl_offline("audit", "show")
    assert done.returncode != 0 and "READERS_FULL" in done.stderr, done
    person(s, "bob")
    wait_until(lambda: s.monitor().one("provMonitorBacklog") == "0", 10, "the relay is no reader")
    wait_until(lambda: "event=read-failed" in s.provd_log.read_text(), 10)
    for t in taken:
        t.abort()
    env.close()
    s.provctl_offline("audit", "show", check=0)
    r = Receiver(s.dir, "hook")
    s.connector("hook", r.target)
    person(s, "cid")
    wait_until(lambda: "cid" in r.uids(), 40, "provd goes on")
    whole(s)


def test_slapd_has_no_descriptor_left(s):
    old = resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE, (3, old[1]))
    with pytest.raises(ldap.LDAPError):
        s.client(s.rootdn, s.rootpw, timeout=1)
    for i in range(10):
        person(s, f"u{i}")
    s.wait_relayed()
    resource.prlimit(s.process.pid, resource.RLIMIT_NOFILE, old)
    person(s, "after")  # on the connection that there is: slapd itself takes a minute until it listens again
    whole(s)
