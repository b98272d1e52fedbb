"""The state directory is missing, not a directory, or full: writes go on while the database can
keep their records, then they are refused with a clear text. Nothing is ever lost."""

import contextlib
import os
import subprocess

import ldap
import lmdb
import pytest

from harness import PROVD, wait_until
from ldapclient import refused
from statedb import captured

BACKLOG = 8192


def away(s):
    """Something else is in the place of the state directory."""
    s.state.rename(s.dir / "elsewhere")
    s.state.write_text("not a directory")


def back(s):
    s.state.unlink()
    (s.dir / "elsewhere").rename(s.state)


def uids(s):
    return [r["uid"] for r in s.trail() if r["op"] == "add"]


@pytest.fixture
def s(make_slapd):
    s = make_slapd(start=False)
    s.expect_log("provision: relay: state=")
    return s


def test_a_missing_directory_does_not_stop_the_server_and_loses_nothing(s):
    s.state.rmdir()
    s.start()
    for i in range(20):
        s.account(f"u{i:02}")
    assert s.monitor().one("provMonitorBacklog") == "20"
    assert str(s.state) in s.log() and s.monitor()["provMonitorInfo"]
    s.state.mkdir(mode=0o700)
    s.wait_relayed(40)
    assert uids(s) == [f"u{i:02}" for i in range(20)]
    assert s.monitor()["provMonitorInfo"] == []


def test_what_waits_in_the_database_survives_a_restart(s):
    away(s)
    s.start()
    for i in range(20):
        s.account(f"u{i:02}")
    s.restart()
    for i in range(20, 25):
        s.account(f"u{i:02}")
    s.kill()
    s.expect_log("unclean shutdown")
    back(s)
    s.start()
    s.wait_relayed(40)
    assert uids(s) == [f"u{i:02}" for i in range(25)]
    assert s.state_now().chain() == 25


def test_a_directory_that_goes_away_while_it_runs_loses_nothing(s):
    s.start()
    s.account("u00")
    s.wait_relayed()
    s.config_client()
    away(s)
    for i in range(1, 10):
        s.account(f"u{i:02}")
    s.stop()
    back(s)
    s.start()
    s.wait_relayed(40)
    assert uids(s) == [f"u{i:02}" for i in range(10)]


def test_a_full_backlog_refuses_writes_with_a_clear_text_and_reads_go_on(make_slapd):
    s = make_slapd(start=False, database=[("dbnosync", "olcDbNoSync", "TRUE")], debug="none")
    s.expect_log("provision: relay: state=", "")
    away(s)
    s.start()
    s.account("ada")
    dn = s.person_dn("ada")
    done = 1
    with pytest.raises(ldap.UNWILLING_TO_PERFORM) as error:
        while done <= BACKLOG + 10:
            s.admin.modify(dn, replace={"title": str(done)})
            done += 1
    assert "state directory" in error.value.args[0]["info"]
    assert done == BACKLOG
    assert s.person("ada").one("title") == str(done - 1) and s.may_bind("ada")
    with refused(ldap.UNWILLING_TO_PERFORM, "state directory"):
        s.leave("ada")
    s.admin.add(f"cn=printer,ou=apps,{s.suffix}", {"objectClass": "organizationalRole", "cn": "printer"})
    back(s)
    wait_until(lambda: s.monitor().one("provMonitorBacklog") == "0", 60, "everything is in the trail")
    s.set("ada", title="after")
    records = s.trail()
    assert len(records) == BACKLOG + 1
    state = s.state_now()
    assert state.chain() == BACKLOG + 1
    s.account("bob")
    s.stop()
    assert len(captured(s.dir / "db")) < BACKLOG, "rows that the trail has are trimmed with later writes"


def mounted(where, size):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", where],
                          capture_output=True).returncode == 0


def test_a_full_file_system_loses_nothing(make_slapd):
    s = make_slapd(start=False, database=[("dbnosync", "olcDbNoSync", "TRUE")])
    if not mounted(s.state, "400k"):
        pytest.skip("this needs the right to mount a file system")
    try:
        s.expect_log("provision: relay: state=")
        s.start()
        for i in range(600):
            s.account(f"u{i:03}", description="x" * 300)
        assert int(s.monitor().one("provMonitorBacklog")) > 0, "it is not full"
        wait_until(lambda: s.monitor()["provMonitorInfo"], 30, "the relay tells why")
        subprocess.run(["mount", "-o", "remount,size=200m", s.state], check=True)
        s.wait_relayed(60)
        assert uids(s) == [f"u{i:03}" for i in range(600)]
        s.state_now().chain()
        s.stop()
    finally:
        subprocess.run(["umount", "-l", s.state], check=True)


def test_a_read_only_file_system_loses_nothing(make_slapd):
    s = make_slapd(start=False)
    if not mounted(s.state, "50m"):
        pytest.skip("this needs the right to mount a file system")
    try:
        s.expect_log("provision: relay: state=")
        s.start()
        s.account("u0")
        s.wait_relayed()
        s.stop()
        subprocess.run(["mount", "-o", "remount,ro", s.state], check=True)
        s.start()
        for i in range(1, 5):
            s.account(f"u{i}")
        assert int(s.monitor().one("provMonitorBacklog")) >= 4
        subprocess.run(["mount", "-o", "remount,rw", s.state], check=True)
        s.wait_relayed(60)
        assert uids(s) == [f"u{i}" for i in range(5)]
        s.stop()
    finally:
        subprocess.run(["umount", "-l", s.state], check=True)


def test_a_directory_without_write_permission(make_slapd):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    s = make_slapd(start=False)
    s.expect_log("provision: relay: state=")
    s.state.chmod(0o500)
    s.start()
    s.account("ada")
    assert s.monitor().one("provMonitorBacklog") == "1"
    s.state.chmod(0o700)
    s.wait_relayed(40)
    assert uids(s) == ["ada"]


def test_our_files_are_nobody_elses_to_read(slapd):
    slapd.account("ada")
    slapd.wait_relayed()
    for f in slapd.state.iterdir():
        assert f.stat().st_mode & 0o077 == 0, f


def test_the_state_directory_can_be_changed_while_it_runs(make_slapd, style):
    s = make_slapd(style)
    s.account("ada")
    s.wait_relayed()
    new = s.dir / "new"
    new.mkdir(mode=0o700)
    s.config_client().modify(s.config.overlay_dn, replace={"olcProvisionState": str(new)})
    s.account("bob")
    s.wait_relayed()
    s.state = new
    assert "bob" in uids(s)


def test_after_many_changes_writes_do_not_wait_for_the_relay_to_begin(make_slapd):
    """How many rows wait is known before the relay has opened its files, and when it cannot."""
    s = make_slapd(debug="none", database=[("dbnosync", "olcDbNoSync", "TRUE")])
    s.account("ann")
    for i in range(BACKLOG + 50):
        s.set("ann", title=str(i))
    s.wait_relayed()
    s.stop()
    (s.state / "state.mdb").rename(s.dir / "kept")
    (s.state / "state.mdb").write_text("no database")
    s.expect_log("provision: relay: state=")
    s.start()
    s.set("ann", title="without")
    wait_until(lambda: "state.mdb" in s.log(), 10, "the relay complains")
    s.set("ann", title="a trail")
    (s.dir / "kept").rename(s.state / "state.mdb")
    wait_until(lambda: s.monitor().one("provMonitorBacklog") == "0", 40, "the relay goes on")
    assert s.state_now().chain() == BACKLOG + 53


def test_a_state_directory_of_a_newer_format_is_left_alone_and_said(slapd):
    """As after a downgrade over a change of format: changes wait in the database, provd refuses to run."""
    s = slapd

    def mark(number):
        with contextlib.closing(lmdb.open(str(s.place("slapd") / "state.mdb"), subdir=False, max_dbs=16)) as env:
            with env.begin(write=True, db=env.open_db(b"meta", create=False)) as txn:
                txn.put(b"format", number.to_bytes(8, "big"))

    s.account("ada")
    s.wait_relayed()
    s.stop()
    mark(2)
    before = (s.place("slapd") / "state.mdb").read_bytes()
    s.start()
    s.expect_log("format 2, this program knows 1")
    s.wait_log("state.mdb: format 2, this program knows 1")
    s.account("bob")
    assert "format 2, this program knows 1" in s.monitor().one("provMonitorInfo")
    assert "format 2, this program knows 1" in s.provctl("status").stdout
    done = subprocess.run([PROVD, "--foreground", "--state", s.state, "-H", s.ldapi], capture_output=True, text=True,
                          env=s.env, timeout=20)
    assert done.returncode == 2 and "format 2, this program knows 1" in done.stdout + done.stderr
    s.stop()
    assert (s.place("slapd") / "state.mdb").read_bytes() == before
    mark(1)
    s.start()
    assert [r["uid"] for r in s.trail()] == ["ada", "bob"]
