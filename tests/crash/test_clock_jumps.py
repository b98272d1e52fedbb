"""Somebody sets the system's clock, forward and back, while slapd and provd run (wrongclock.c): nothing is lost or done twice,
nothing begins before its time, nothing spins, and what is due by the clock that is shown then is done."""

import calendar
import os
import struct
import time
from contextlib import contextmanager

import ldap
import pytest

from checker import check
from harness import TOP, Slapd, stays, wait_until
from test_clock import state
from test_provd import Receiver, status, wait_state
from test_replication import consumer_of, provider_options, same
from writers import Writer, ended, prepare

HOUR, DAY = 3600, 86400
# how far a clock is off that has been set: more than a role or a retry is away from now
JUMPS = (-DAY, 40 * DAY, HOUR)


class Clock:
    """The clock that slapd and provd see."""

    def __init__(self, path):
        self.path = path
        self.set(0)

    def env(self):
        return {"LD_PRELOAD": str(TOP / "build/crash/wrongclock.so"), "PROV_CLOCK": str(self.path)}

    def set(self, seconds):
        self.off = seconds
        with open(self.path, "r+b" if self.path.exists() else "wb") as f:  # the file is mapped
            f.write(struct.pack("=q", int(seconds * 10**9)))

    def now(self):
        return time.time() + self.off

    def at(self, seconds):
        return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(self.now() + seconds))


@contextmanager
def wrong(tmp_path, **kw):
    clock = Clock(tmp_path / "clock")
    s = Slapd(start=False, **kw)
    try:
        s.env.update(clock.env())
        s.expect_log("provision: the clock was set by ")
        s.start()
        yield s, clock
        s.close()
    finally:
        s.close(check=False) if s.dir.exists() else None


def cpu(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle(*pids):
    before = [cpu(p) for p in pids]
    time.sleep(1.5)
    used = [cpu(p) - b for p, b in zip(pids, before)]
    assert max(used) < 0.3, f"it turns round and round: {used} s of processor in 1.5 s"


def utc(text):
    return calendar.timegm(time.strptime(text[:14], "%Y%m%d%H%M%S"))


@pytest.fixture
def sc(tmp_path):
    with wrong(tmp_path) as (s, clock):
        s.group("sales")
        s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
        yield s, clock


def test_starts_and_ends_follow_the_clock_that_is_shown(sc):
    s, clock = sc
    s.account("next-day", departmentNumber="sales", provStartTime=clock.at(DAY))
    s.account("next-month", departmentNumber="sales", provStartTime=clock.at(30 * DAY))
    s.account("till-tomorrow", departmentNumber="sales", provEndTime=clock.at(DAY))
    connection = s.client(s.person_dn("till-tomorrow"), "till-tomorrow-pw")
    stays(lambda: s.members("sales") == ["till-tomorrow"], 1, "nothing begins before its time")
    clock.set(-10 * DAY)
    stays(lambda: s.members("sales") == ["till-tomorrow"], 4, "nor when it is set back")
    # what is set by the clock as it is shown now, begins and ends by it
    s.account("soon", departmentNumber="sales", provStartTime=clock.at(3))
    assert state(s, "soon") == "pending"
    wait_until(lambda: state(s, "soon") == "active", 10, "soon has begun, an hour by the old clock before it rings")
    clock.set(DAY + 60)
    wait_until(lambda: state(s, "next-day") == "active" and state(s, "till-tomorrow") == "terminated", 8, "a day is over")
    wait_until(connection.closed, 5, "the leaver is cut")
    assert s.members("sales") == ["next-day", "soon"] and state(s, "next-month") == "pending"
    clock.set(0)
    stays(lambda: s.members("sales") == ["next-day", "soon"] and state(s, "till-tomorrow") == "terminated", 3,
          "what has been done stays")
    idle(s.process.pid)
    counted = [r["uid"] for r in s.trail() if r["op"] == "clock"]
    assert sorted(counted) == ["next-day", "soon", "till-tomorrow"], "each once"
    s.provctl_offline("audit", "verify", check=0)


def test_what_comes_due_by_other_ways_is_found_after_the_clock_was_set_back(sc):
    """A time that no write of this server told of: only looking finds it, and the next look was to be a day later."""
    s, clock = sc
    s.account("ann", departmentNumber="sales", provEndTime=clock.at(-DAY + 5 + 8))
    assert state(s, "ann") == "terminated"
    clock.set(-DAY)
    s.admin.modify(s.person_dn("ann"), replace={"provState": "active", "provEndTime": clock.at(6)})
    wait_until(lambda: state(s, "ann") == "terminated", 12)


@pytest.mark.parametrize("jump", JUMPS)
def test_a_started_server_with_a_wrong_clock_that_is_put_right(tmp_path, jump):
    """As after a boot without a battery. One of several providers, which waits for the others' turn at its start."""
    with wrong(tmp_path, **provider_options()) as (s, clock):
        s.stop()
        clock.set(jump)
        s.start()
        clock.set(0)
        s.account("ann", provEndTime=clock.at(4))
        wait_until(lambda: state(s, "ann") == "terminated", 12, "ann's end has come")
        idle(s.process.pid)


def calm(writers):
    """They end without anything under way."""
    def down():
        raise ldap.SERVER_DOWN
    for w in writers:
        w.step = down
    for w in writers:
        w.join(30)


def jumps_under_writers(s, clock, jumps, end):
    prepare(s)
    writers = [Writer(s, f"w{i}", i) for i in range(3)]
    for w in writers:
        w.start()
    for jump in jumps:
        clock.set(jump)
        time.sleep(0.4)
        assert all(w.is_alive() for w in writers), [w.error for w in writers]
    end(writers)
    answered, unknown = ended(writers)
    assert len(answered) > 50
    if not s.running:
        s.start()
    check(s, answered, unknown)


def test_writers_while_the_clock_is_set_back_and_forth(tmp_path):
    """Every write is answered, and in trail and outbox once."""
    with wrong(tmp_path, provision={"provision-breaker": "0 0"}, debug="none") as (s, clock):
        s.expect_log("")
        jumps_under_writers(s, clock, (HOUR, -DAY, 40 * DAY, 0, -1, 5, 0), lambda _: s.kill())


def test_writers_and_a_consumer_while_the_clock_is_set_forward(tmp_path):
    """Only forward: slapd takes its CSNs from the clock as it is, and consumers pass over older ones."""
    with wrong(tmp_path, **provider_options(provision={"provision-breaker": "0 0"}), debug="none") as (s, clock):
        s.expect_log("")
        c = consumer_of(s)
        try:
            jumps_under_writers(s, clock, (5, HOUR, 40 * DAY), calm)
            order = [r["csn"] for r in s.state_now().records if r.get("csn")]
            assert order == sorted(order), "CSNs grow in the order of commits"
            if "PROV_MESH_ROUNDS" in os.environ:  # on a busy machine a consumer may miss a change (docs/slapd-notes.md)
                wait_until(lambda: same(s, c), 30, "the consumer is the same")
        finally:
            c.close()


def test_retries_and_reports_of_provd_wait_as_long_as_they_would_have(sc):
    s, clock = sc
    hook = Receiver(s.dir, "hook")
    s.connector("hook", hook.target, provMaxAge="3600")
    s.provd_start()
    s.account("ann")
    hook.wait(1)
    for jump in (-10 * DAY, 0, 40 * DAY):
        n, tries = len(hook.got()), len(hook.tries())
        hook.behave("exit 1")
        s.set("ann", title=str(jump))
        wait_until(lambda: status(s, "hook")["deferred"] == 1, 10, "it failed once")
        clock.set(jump)
        time.sleep(1)
        assert len(hook.tries()) <= tries + 2, "a jump is no reason to try again"
        hook.behave("")
        hook.wait(n + 1, 20)
        st = status(s, "hook")
        assert st["parked"] == st["deferred"] == 0, st
    idle(s.process.pid, s.provd_process.pid)
    clock.set(-10 * DAY)
    s.leave("ann")
    wait_until(lambda: any(r["op"] == "delivery" for r in s.trail()), 10, "the trail hears of the delivery at once")
    events = [e["id"] for e in s.events()]
    wait_until(lambda: len(hook.got()) >= len(events), 10)
    assert [e["id"] for e in hook.got()] == events, "each once, in order"
    assert "event=clock-set" in s.provd_log.read_text()
    s.provctl_offline("audit", "verify", check=0)


def test_rows_of_provd_from_a_clock_that_was_ahead_do_not_wait_for_it(sc):
    s, clock = sc
    hook = Receiver(s.dir, "hook")
    s.connector("hook", hook.target)
    hook.behave("exit 1")
    clock.set(30 * DAY)
    s.provd_start()
    s.account("ann")
    wait_state(s, "enabled")
    wait_until(lambda: status(s, "hook")["deferred"] == 1, 10)
    s.provd_stop()
    clock.set(0)
    hook.behave("")
    s.provd_start()
    hook.wait(1, 15)


def test_stamps_and_times_of_the_trail_are_those_that_the_clock_shows(sc):
    s, clock = sc
    for jump in (0, -DAY, 40 * DAY):
        clock.set(jump)
        s.account(f"u{jump}")
        stamp = utc(s.person(f"u{jump}").one("provChangeTime"))
        told = utc(s.record(uid=f"u{jump}")["time"].replace("-", "").replace("T", "").replace(":", ""))
        assert abs(stamp - clock.now()) < 5 and abs(told - clock.now()) < 5
    assert s.provctl_json("audit", "verify", check=0)[0]["ok"]
    s.provctl("audit", "verify", "--against", "ldap", check=0)
