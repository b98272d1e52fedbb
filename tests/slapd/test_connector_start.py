"""Where a new connector begins: at now, at the beginning of the outbox, or with all accounts that are there."""

import threading

import ldap
import pytest

from harness import stays, wait_until
from test_provd import Receiver, wait_state

PREFIX = "org.slapo-provision."


def company(s, n=20):
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provEntitlement="crm:use")
    for i in range(n):
        s.account(f"u{i:03}", departmentNumber="sales" if i % 2 else "it", mail=f"u{i}@example.com")


def synced(s):
    wait_until(lambda: s.monitor().one("provMonitorFollowPending") == "0" and not jobs(s), 30, "the sync is done")


def jobs(s):
    """Is a sync under way? The monitor names it as long as it has not come to its end."""
    return "full sync" in (s.monitor().one("provMonitorInfo") or "")


def by_account(events):
    found = {}
    for e in events:
        found.setdefault(e["subject"], []).append(e)
    return found


def test_a_new_connector_hears_of_nothing_that_was_before(slapd):
    company(slapd, 4)
    r = Receiver(slapd.dir, "late")
    slapd.connector("late", r.target)
    slapd.provd_start()
    wait_state(slapd, "enabled", "late")
    slapd.account("new")
    assert [e["data"]["uid"] for e in r.wait(1)] == ["new"]
    stays(lambda: len(r.got()) == 1)


def test_from_the_beginning_it_hears_all_that_the_outbox_has(slapd):
    company(slapd, 6)
    slapd.leave("u001")
    r = Receiver(slapd.dir, "late")
    slapd.connector("late", r.target, provOption="start=beginning", provEvent="account.*")
    slapd.account("new")
    slapd.provd_start()
    slapd.account("newer")
    want = [e["id"] for e in slapd.events() if e["type"].startswith(PREFIX + "account.")]
    assert len(want) == 9
    r.wait(len(want))
    stays(lambda: sorted(e["id"] for e in r.got()) == sorted(want))
    for events in by_account(r.got()).values():
        assert [e["sequence"] for e in events] == sorted(e["sequence"] for e in events)


def test_from_the_beginning_goes_on_where_it_was_after_a_restart(slapd):
    company(slapd, 30)
    r = Receiver(slapd.dir, "late")
    r.behave("sleep 0.05")
    slapd.connector("late", r.target, provOption="start=beginning", provConcurrency="1")
    slapd.provd_start()
    r.wait(3)
    slapd.provd_stop(hard=True)
    slapd.provd_start()
    want = {e["id"] for e in slapd.events()}
    wait_until(lambda: {e["id"] for e in r.got()} == want, 20, "all have come")


def test_a_parked_event_of_a_late_comer_is_listed(slapd):
    company(slapd, 1)
    r = Receiver(slapd.dir, "late")
    r.behave("exit 1")
    slapd.connector("late", r.target, provOption="start=beginning", provMaxAttempts="1")
    slapd.provd_start()
    wait_until(lambda: [e["state"] for e in slapd.provctl_json("outbox", "list")] == ["parked"], 10, "it is parked")


@pytest.mark.parametrize("attrs, why", [
    ({"provFilter": "(uid=u*)"}, "start=beginning does not go with provFilter"),
    ({"provConnectorType": "scim", "provTarget": "https://localhost/scim", "provSecretFile": "/x"},
     "start=beginning is not for a connector that keeps accounts"),
])
def test_a_beginning_that_cannot_be_told_right_is_refused(slapd, attrs, why):
    with pytest.raises(ldap.CONSTRAINT_VIOLATION) as refused:
        slapd.connector("late", attrs.pop("provTarget", "/bin/true"), provOption="start=beginning", **attrs)
    assert why in refused.value.args[0]["info"]


def test_an_unknown_start_is_refused(slapd):
    with pytest.raises(ldap.CONSTRAINT_VIOLATION) as refused:
        slapd.connector("late", "/bin/true", provOption="start=never")
    assert "must be one of now|beginning|sync" in refused.value.args[0]["info"]


def test_a_full_sync_tells_of_every_account_once_and_wholly(slapd):
    company(slapd, 150)
    slapd.leave("u003")
    r = Receiver(slapd.dir, "late")
    slapd.provd_start()
    slapd.connector("late", r.target, provOption="start=sync", provAttribute="mail", provConcurrency="16")
    synced(slapd)
    r.wait(150, 30)
    stays(lambda: len(r.got()) == 150)
    events = {e["data"]["uid"]: e for e in r.got()}
    assert len(events) == 150 and {e["type"] for e in r.got()} == {PREFIX + "account.snapshot"}
    one = events["u001"]["data"]
    assert one["stateAfter"] == "active" and "stateBefore" not in one
    assert one["groups"] == {"gained": [slapd.group_dn("sales")]}
    assert one["roles"] == {"gained": [slapd.role_dn("sales")]} and one["entitlements"] == {"gained": ["crm:use"]}
    assert one["values"] == {"mail": ["u1@example.com"]}
    assert events["u003"]["data"]["stateAfter"] == "terminated" and "groups" not in events["u003"]["data"]
    assert "full sync of connector late" in one["reason"]
    # the trail says to whom it went, and does not claim that anybody gained anything
    record = slapd.record(op="sync", uid="u001")
    assert record["present"]["groups"] == [slapd.group_dn("sales")] and "groups" not in record
    assert [e["route"] for e in record["events"]] == [["late"]]
    slapd.provctl_offline("audit", "verify", check=0)


def test_a_full_sync_keeps_to_the_filter(slapd):
    company(slapd, 10)
    r = Receiver(slapd.dir, "late")
    slapd.connector("late", r.target, provOption="start=sync", provFilter="(departmentNumber=sales)")
    slapd.provd_start()
    synced(slapd)
    r.wait(5)
    assert {e["data"]["uid"] for e in r.got()} == {"u001", "u003", "u005", "u007", "u009"}
    stays(lambda: len(r.got()) == 5)


def test_others_are_told_nothing_of_a_full_sync(slapd):
    company(slapd, 5)
    other, late = Receiver(slapd.dir, "other"), Receiver(slapd.dir, "late")
    slapd.connector("other", other.target, provOption="start=beginning")
    slapd.provd_start()
    other.wait(len(slapd.events()))
    had = len(other.got())
    slapd.connector("late", late.target, provOption="start=sync")
    late.wait(5)
    stays(lambda: len(other.got()) == had)


def test_beside_writers_a_snapshot_comes_first_and_nothing_after_it_is_missing(slapd):
    """Accounts change, move, leave and join while the sync goes on; the receiver rebuilds what is there."""
    company(slapd, 1000)
    r = Receiver(slapd.dir, "late")
    slapd.provd_start()
    stop, failures, written = threading.Event(), [], []

    def writer(k):
        c = slapd.client(slapd.rootdn, slapd.rootpw)
        n = 0
        try:
            while not stop.is_set() and n < 1000:
                uid = f"u{(k * 97 + n * 31) % 990:03}"
                slapd.set(uid, client=c, mail=f"w{k}n{n}@example.com")
                written.append(uid)
                if n % 20 == 5:
                    slapd.account(f"new{k}x{n}", client=c, mail=f"new{k}x{n}@example.com")
                n += 1
        except Exception as error:  # reported below
            failures.append(error)

    writers = [threading.Thread(target=writer, args=(k,)) for k in range(3)]
    for w in writers:
        w.start()
    wait_until(lambda: len(written) > 10)
    slapd.connector("late", r.target, provOption="start=sync", provAttribute="mail", provConcurrency="32")
    slapd.leave("u999")
    slapd.admin.delete(slapd.person_dn("u998"))
    slapd.admin.rename(slapd.person_dn("u997"), "uid=moved")
    synced(slapd)
    had = len(written)
    wait_until(lambda: len(written) > had + 10)
    stop.set()
    for w in writers:
        w.join()
    assert not failures
    people = {e.one("entryUUID"): e for e in slapd.admin.search("ou=people," + slapd.suffix, "(objectClass=inetOrgPerson)",
                                                               ["entryUUID", "mail", "uid", "provState"])}
    want = [e["id"] for e in slapd.events() if "late" in e["route"]]
    wait_until(lambda: {e["id"] for e in r.got()} == set(want), 60, "all have come")
    told = by_account(told_in_order(r))
    assert set(people) <= set(told)
    created_later = {e["data"]["uid"] for e in r.got() if e["type"].endswith("account.created")}
    for uuid, events in told.items():
        first = events[0]["type"].removeprefix(PREFIX)
        last = events[-1]
        if uuid not in people:
            continue
        entry = people[uuid]
        if entry.one("provState") != "terminated":
            assert first == ("account.created" if entry.one("uid") in created_later else "account.snapshot"), entry.dn
        assert last["data"]["values"]["mail"] == entry["mail"], f"{entry.dn}: the receiver's last word"
        assert sum(e["type"].endswith("snapshot") for e in events) <= 1
    trail = slapd.trail()
    begun, ended = (f(i for i, x in enumerate(trail) if x["op"] == "sync") for f in (min, max))
    held = [x for x in trail[begun:ended] if x["op"] == "modify" and "late" not in x["events"][0]["route"]]
    assert held, "nothing was written while the sync went on: this shows nothing"


def told_in_order(r):
    return sorted(r.got(), key=lambda e: e["sequence"])


def test_a_full_sync_goes_on_after_slapd_was_killed(slapd):
    slapd.expect_log("unclean shutdown")
    company(slapd, 300)
    r = Receiver(slapd.dir, "late")
    slapd.connector("late", r.target, provOption="start=sync", provConcurrency="32")
    slapd.kill()  # wherever it was
    slapd.start()
    slapd.provd_start()
    synced(slapd)
    wait_until(lambda: len({e["subject"] for e in r.got()}) == 300, 30, "all accounts are told")
    stays(lambda: len(r.got()) == 300, what="each once: the place is kept in the same commit")


def test_an_admin_asks_for_a_full_sync_again(slapd):
    company(slapd, 8)
    r = Receiver(slapd.dir, "hook")
    slapd.connector("hook", r.target)
    slapd.provd_start()
    slapd.provctl("connector", "sync", "hook", check=0)
    synced(slapd)
    r.wait(8)
    slapd.leave("u002")
    wait_until(lambda: "account.terminated" in r.types(), 10)
    assert r.types().count("account.snapshot") == 8


def test_only_who_manages_it_asks_for_a_full_sync(slapd):
    r = Receiver(slapd.dir, "hook")
    slapd.connector("hook", r.target)
    slapd.account("ann")
    done = slapd.provctl("-D", slapd.person_dn("ann"), "-w", "ann-pw", "connector", "sync", "hook")
    assert done.returncode == 2 and done.stderr
    assert not [x for x in slapd.trail() if x["op"] == "sync"]


def test_a_sync_of_a_connector_that_is_not_there_says_so(slapd):
    done = slapd.provctl("connector", "sync", "nobody")
    assert done.returncode == 2 and "nobody: no such connector" in done.stderr
