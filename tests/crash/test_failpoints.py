"""Death at every arrow of the flow: slapd and provd are built with failpoints and kill themselves at each of them in turn
under mixed writers. Then the independent checkers must agree: what was answered is there once, all else wholly or not at all.

PROV_CRASH_SEED to repeat one.
"""

import contextlib
import os
import random
import time

import ldap
import pytest

from checker import Seen, check
from directory import PEOPLE
from failing import Failing, Syncer, Timed, check_reports, check_syncs, compiled_in, load, provd_dies
from harness import stays, wait_until
from ldapclient import refused
from test_provd_killed import Site
from test_replication import consumer_of, same
from writers import RoleEditor, ended, prepare

SEED = int(os.environ.get("PROV_CRASH_SEED", str(time.time_ns() % 10**6)))

# Name: between which passes it may act.
WRITES = {
    "write.begin": (1, 60), "write.begun": (1, 60), "write.csn": (1, 60), "write.applied": (1, 60), "write.groups": (1, 30),
    "write.done": (1, 60), "capture.put": (1, 60), "capture.trim": (1, 100), "write.commit": (1, 60),
    "write.committed": (1, 60), "write.replied": (1, 60), "write.publish": (1, 30), "write.show": (1, 30), "write.published": (1, 60),
    "relay.read": (4, 12), "relay.events": (2, 60), "relay.taken": (2, 60), "relay.commit": (2, 8),
    "relay.committed": (2, 8), "relay.noted": (2, 8), "checkpoint.begin": (1, 4), "checkpoint.signed": (1, 4),
    "again.one": (1, 30), "again.committed": (1, 4), "job.done": (1, 4),
}
SYNCS = {"sync.one": (1, 80), "sync.commit": (1, 4), "sync.committed": (1, 4)}
CLOCK = {"clock.found": (1, 2), "clock.evaluated": (1, 2)}
PROVD = {"provd.taken": (1, 60), "provd.started": (1, 60), "provd.ended": (1, 60), "provd.remote": (1, 60),
         "provd.report": (1, 8), "provd.save": (1, 8), "provd.saved": (1, 8)}
REPORT = {"relay.report": (1, 20)}


def params(table):
    return pytest.mark.parametrize("name", table)


def chosen(name, table):
    rng = random.Random(f"{SEED} {name}")
    return rng, rng.randint(*table[name])


@pytest.fixture
def s(tmp_path):
    # the breaker is off: these leavers are many, and meant
    with Failing(provision={"provision-breaker": "0 0", "provision-checkpoint": "20 1"}, debug="none") as s:
        s.expect_log("unclean shutdown", "^failpoint ", "provision: relay: ")
        prepare(s)
        yield s


def die_and_check(s, name, table, kinds=(RoleEditor,), settled=lambda: True):
    rng, count = chosen(name, table)
    s.stop()
    alive = s.start_armed(name, count)
    writers = load(s, "a", rng, kinds) if alive else []
    if alive:
        s.wait_died(name)
    answered, unknown = ended(writers)
    s.start()
    wait_until(lambda: s.monitor().one("provMonitorFollowPending") == "0" and settled(), 30, "everybody has followed")
    try:
        seen = check(s, answered, unknown)
        check_syncs(seen)
    except AssertionError as error:
        raise AssertionError(f"{name}:{count}, seed {SEED}: {error}") from None
    s.provctl_offline("audit", "verify", check=0)
    # and it goes on as ever
    s.account("after", sn="Same", givenName="Name", departmentNumber="it", provState="active")
    assert s.groups_of("after") == ["git", "it", "staff"]
    return answered


@params(WRITES)
def test_slapd_dies_there_and_everything_agrees(s, name):
    die_and_check(s, name, WRITES)


@params(SYNCS)
def test_slapd_dies_in_a_full_sync_and_tells_of_each_account_once(s, name):
    s.connector("sink", "/bin/true")
    for i in range(100):
        s.account(f"early{i}", sn="Same", givenName="Name", departmentNumber="it", provState="active")
    die_and_check(s, name, SYNCS, (RoleEditor, Syncer))


@params(CLOCK)
def test_slapd_dies_at_the_clock_and_whose_time_has_come_follows(s, name):
    die_and_check(s, name, CLOCK, (Timed, Timed), lambda: not s.admin.search(PEOPLE, "(provDue=*)"))
    assert any(r["op"] == "clock" for r in s.trail())


@pytest.mark.parametrize("name", ["write.committed", "write.replied", "write.publish"])
def test_a_consumer_misses_nothing_when_its_provider_dies_before_it_has_published(name):
    rng, count = chosen(name, WRITES)
    with Failing(provision={"provision-breaker": "0 0"}, debug="none", server_id=1,
                 overlays=[("syncprov", {"syncprov-checkpoint": "10 1", "syncprov-sessionlog": "100"})]) as p:
        p.expect_log("unclean shutdown", "^failpoint ")
        prepare(p)
        consumer = consumer_of(p)
        try:
            p.stop()
            assert p.start_armed(name, count + 20)
            writers = load(p, "a", rng)
            p.wait_died(name)
            ended(writers)
            p.start()
            wait_until(lambda: p.monitor().one("provMonitorFollowPending") == "0", 30)
            wait_until(lambda: same(p, consumer), 30, f"{name}:{count + 20}, seed {SEED}: the consumer is the same", every=0.2)
        finally:
            consumer.close()


@pytest.fixture
def site(tmp_path):
    with Failing(debug="none", provision={"provision-breaker": "0 0"}) as s:
        s.expect_log("unclean shutdown", "^failpoint ")
        made = Site(s, tmp_path)
        made.web.behave()
        try:
            yield made
        finally:
            made.stop()


def finish(site):
    wait_until(lambda: sum(w.written for w in site.made) > 250, 20, "enough is written")
    for w in site.made:
        w.stop()
    site.finish()
    assert site.check() > 20
    assert check_reports(site.s) > 3


@params(PROVD)
def test_provd_dies_there_and_every_event_arrives(site, name):
    rng, count = chosen(name, PROVD)
    site.writers(rng, 0.01)
    provd_dies(site.s, name, count)
    finish(site)


@params(REPORT)
def test_slapd_dies_over_a_report_and_the_trail_has_each_once(site, name):
    rng, count = chosen(name, REPORT)
    s = site.s
    s.stop()
    assert s.start_armed(name, count)
    s.provd_start()
    site.writers(rng, 0.01)
    s.wait_died(name)
    s.start()
    time.sleep(0.3)  # some more, by writers that have come back
    s.provd_stop()
    finish(site)


# -- places that fail instead ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["capture.put", "write.commit"])
def test_a_write_that_cannot_be_kept_is_refused_and_leaves_nothing(s, name):
    s.account("ann", sn="Same", givenName="Name", departmentNumber="sales", provState="active")
    before = (s.everything(), len(s.trail()))
    s.stop()
    s.start_armed(name, 1, "fail")
    with refused(ldap.OTHER):
        s.set("ann", departmentNumber="it")
    assert s.acted(name)
    assert (s.everything(), len(s.trail())) == before
    s.set("ann", departmentNumber="it")
    assert s.groups_of("ann") == ["git", "it", "staff"] and len(s.trail()) == before[1] + 1
    check(s, [], [])


@pytest.mark.parametrize("name", ["relay.taken", "relay.commit"])
def test_a_relay_that_fails_comes_back_and_takes_each_row_once(s, name):
    s.stop()
    s.start_armed(name, 2, "fail")
    for i in range(30):
        s.account(f"u{i}", sn="Same", givenName="Name", departmentNumber="it", provState="active")
    wait_until(lambda: s.acted(name), 10)
    s.wait_relayed()
    check(s, [], [])
    assert "writable again" in s.log()


@pytest.mark.parametrize("times", [1, 5])
def test_accounts_follow_later_when_they_cannot_be_recorded(s, times):
    for i in range(20):
        s.account(f"u{i}", sn="Same", givenName="Name", departmentNumber="lab", provState="active")
    s.stop()
    s.expect_log('provision: follow dn=".*" failed')
    s.start_armed("capture.put", 3, f"fail {times}")  # the role, the first account, and then
    lab = dict(s.admin.get(s.role_dn("lab")))
    s.admin.modify(s.role_dn("lab"), replace={"provTemplate": [
        t.replace("works in lab", "works in the lab") for t in lab["provtemplate"]]})
    wait_until(lambda: s.acted("capture.put"), 10)

    def followed():
        with contextlib.suppress(ldap.OTHER):  # a write takes it up again; this one may be what fails
            s.admin.modify(s.role_dn("sales"), replace={"description": str(time.time())})
        return s.monitor().one("provMonitorFollowPending") == "0"
    wait_until(followed, 10, "everybody has followed", every=0.1)
    check(s, [], [])


def test_a_relay_that_sleeps_keeps_no_writer_waiting(s):
    s.stop()
    s.start_armed("relay.commit", 2, "sleep 3000")
    s.account("ann", sn="Same", givenName="Name", departmentNumber="it", provState="active")
    wait_until(lambda: s.acted("relay.commit"), 10)
    began = time.monotonic()
    for i in range(20):
        s.set("ann", title=str(i))
    assert time.monotonic() - began < 2
    check(s, [], [])


def test_provd_that_cannot_save_starts_nothing_and_then_goes_on(site):
    s = site.s
    s.arm("provd.save", 3, "fail")
    s.provd_start()
    s.disarm()
    site.writers(random.Random(SEED), 0.01)
    wait_until(lambda: "event=save-works" in s.provd_log.read_text(), 20)
    s.provd_stop()
    finish(site)


# -- the tests themselves ----------------------------------------------------------------------


def test_there_is_a_test_for_every_failpoint():
    assert compiled_in() == {*WRITES, *SYNCS, *CLOCK, *PROVD, *REPORT}


def test_a_failpoint_that_is_not_reached_fails_the_test(s):
    s.stop()
    s.start_armed("nothing of this name")
    s.account("ann", sn="Same", givenName="Name", departmentNumber="it", provState="active")
    stays(lambda: s.running)
    with pytest.raises(AssertionError, match="is reached"):
        s.wait_died("nothing of this name", 0.5)
    assert len(Seen(s).people) == 1


def test_the_checker_of_syncs_sees_what_is_wrong():
    class Fake:
        people = {"1": None, "2": None}
        records = [{"op": "add", "entryUUID": "1"}, {"op": "add", "entryUUID": "2"},
                   {"op": "policy", "dn": "cn=sink,ou=x", "id": "c1"},
                   {"op": "sync", "entryUUID": "1", "reason": "by c1"}, {"op": "sync", "entryUUID": "2", "reason": "by c1"}]
    check_syncs(Fake)
    whole = list(Fake.records)
    for bad in (whole[:-1], whole + whole[-1:]):
        Fake.records = bad
        with pytest.raises(AssertionError):
            check_syncs(Fake)
