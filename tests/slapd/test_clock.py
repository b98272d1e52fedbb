"""Accounts and roles that begin and end by themselves, at the second, done by slapd."""

import time

import ldap
import pytest

from harness import free_port, stays, wait_until
from ldapclient import refused
from test_provd import Receiver
from test_replication import same

LONG = "20400101000000Z"


def at(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


def state(s, uid):
    return s.person(uid, "provState").one("provState")


@pytest.fixture
def s(make_slapd):
    s = make_slapd()
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    return s


def test_an_account_begins_when_its_time_comes(s):
    s.account("ann", departmentNumber="sales", provStartTime=at(3))
    assert state(s, "ann") == "pending" and not s.may_bind("ann") and s.members("sales") == []
    wait_until(lambda: state(s, "ann") == "active", 15, "ann has begun")
    assert time.time() >= ldap_time(s.person("ann").one("provStartTime")), "not before"
    assert s.members("sales") == ["ann"] and s.may_bind("ann")
    record = s.record(op="clock", uid="ann")
    assert record["state"] == {"before": "pending", "after": "active"} and record["groups"]["gained"] == [s.group_dn("sales")]
    assert not s.person("ann", "provDue")["provDue"]


def ldap_time(text):
    import calendar
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def test_an_account_ends_when_its_time_comes(s):
    r = Receiver(s.dir, "hook")
    s.connector("hook", r.target)
    s.provd_start()
    s.account("ann", departmentNumber="sales", provEndTime=at(4))
    connection = s.client(s.person_dn("ann"), "ann-pw")
    assert s.person("ann", "provDue").one("provDue") == s.person("ann").one("provEndTime")
    assert s.members("sales") == ["ann"]
    wait_until(lambda: state(s, "ann") == "terminated", 15, "ann has left")
    assert time.time() >= ldap_time(s.person("ann").one("provEndTime"))
    assert s.members("sales") == [] and not s.may_bind("ann") and s.person("ann", "memberOf")["memberOf"] == []
    with pytest.raises(ldap.SERVER_DOWN):
        connection.search(s.suffix, "(uid=ann)")
    wait_until(lambda: "account.terminated" in r.types() and "session.revoked" in r.types(), 10, "all are told")
    s.provctl_offline("audit", "verify", check=0)


def test_what_came_due_while_slapd_was_down_is_caught_up(s):
    s.account("ann", departmentNumber="sales", provEndTime=at(2))
    s.account("bob", departmentNumber="sales", provStartTime=at(2))
    s.stop()
    time.sleep(2.5)
    s.start()
    wait_until(lambda: state(s, "ann") == "terminated" and state(s, "bob") == "active", 10)
    assert s.members("sales") == ["bob"]


def test_a_role_is_held_for_a_time(s):
    s.group("vip")
    vip = s.role("vip", provGroup="vip")
    s.account("ann", provTimedRole=f"{at(2)} {at(6)} {vip}")
    s.account("bob", provTimedRole=f"- {at(4)} {vip}")
    s.account("cid", provTimedRole=f"20200101000000Z - {vip}")
    assert s.roles_of("ann") == [] and s.members("vip") == ["bob", "cid"]
    wait_until(lambda: s.members("vip") == ["ann", "bob", "cid"], 10, "ann's time has come")
    wait_until(lambda: s.members("vip") == ["ann", "cid"], 10, "bob's time is over")
    wait_until(lambda: s.members("vip") == ["cid"], 10, "ann's, too")
    s.set("cid", provTimedRole=f"20200101000000Z 20210101000000Z {vip}")
    assert s.members("vip") == []


@pytest.mark.parametrize("value, why", [
    ("tomorrow - cn=vip", "is not of the form"), ("- -", "is not of the form"), ("", None),
    (f"{LONG} 20300101000000Z ROLE", "ends before it begins"),
    ("- - cn=nobody,ou=roles,dc=example,dc=com", "there is no such role"),
])
def test_a_role_for_no_time_is_refused(s, value, why):
    vip = s.role("vip")
    with pytest.raises((ldap.CONSTRAINT_VIOLATION, ldap.INVALID_SYNTAX)) as error:
        s.account("ann", provTimedRole=value.replace("ROLE", vip))
    assert why is None or why in error.value.args[0]["info"], error.value


def test_an_end_that_has_passed_ends_at_once(s):
    s.account("ann", departmentNumber="sales")
    s.set("ann", provEndTime=at(-100))
    assert state(s, "ann") == "terminated" and s.members("sales") == [] and not s.may_bind("ann")
    # and nobody comes back without a new one
    with refused(ldap.CONSTRAINT_VIOLATION, "provEndTime", "has passed"):
        s.state_of("ann", "active")
    s.set("ann", provState="active", provEndTime=None)
    assert s.members("sales") == ["ann"] and s.may_bind("ann")


def test_an_end_before_the_start_is_refused(s):
    with refused(ldap.CONSTRAINT_VIOLATION, "is not after provStartTime"):
        s.account("ann", provStartTime=LONG, provEndTime="20390101000000Z")


def test_ends_that_are_near_count_for_the_breaker(make_slapd):
    s = make_slapd(provision={"provision-breaker": "2 3600"})
    for uid in ("a", "b", "c", "d"):
        s.account(uid)
    s.set("a", provEndTime=at(3600))
    s.set("b", provEndTime=at(3600))
    with refused(ldap.UNWILLING_TO_PERFORM, "breaker"):
        s.set("c", provEndTime=at(3600))
    s.set("d", provEndTime=LONG)  # planned long before: no leaver yet


def test_ends_planned_long_before_are_not_held_up_by_the_breaker(make_slapd):
    s = make_slapd(provision={"provision-breaker": "2 3600"})
    for i in range(8):
        s.account(f"u{i}", provEndTime=at(3))  # new accounts with a short life are nobody's leavers
    wait_until(lambda: all(state(s, f"u{i}") == "terminated" for i in range(8)), 15)


def test_many_end_at_once_in_few_commits(s):
    for i in range(70):
        s.account(f"u{i:02}", departmentNumber="sales", provEndTime=at(6))
    assert len(s.members("sales")) == 70
    wait_until(lambda: s.members("sales") == [], 20, "all have left")
    assert len([r for r in s.trail() if r["op"] == "clock"]) == 70


def test_who_is_refused_by_the_clock_is_told_of_once_and_again_when_something_has_changed(s):
    """The clock rings for others, too, and looks at all whose time has come."""
    s.expect_log("clock dn=.*ann.* refused", "follow dn=.*ann.* refused")

    def told():
        return s.log().count('clock dn="uid=ann')

    def another_ends(n):
        s.account(f"o{n}", provEndTime=at(1))
        wait_until(lambda: state(s, f"o{n}") == "terminated", 15)

    s.account("ann", title="Dr", provStartTime=at(3))
    s.role("car", provAssignFilter="(title=*)", provTemplate="add description: {carLicense}")
    wait_until(lambda: told() == 1, 15, "the log says so")
    another_ends(1)
    another_ends(2)
    assert told() == 1 and state(s, "ann") == "pending"
    info = s.monitor().one("provMonitorInfo")
    assert "carLicense" in info and info.startswith("2 times"), "following the role, and by the clock"
    s.admin.modify(s.role_dn("car"), replace={"provTemplate": "add description: {employeeType}"})
    another_ends(3)
    assert told() == 2 and "employeeType" in s.monitor().one("provMonitorInfo")
    s.admin.modify(s.role_dn("car"), replace={"provTemplate": "add description: {title}"})
    wait_until(lambda: state(s, "ann") == "active", 15, "nothing is in the way")
    assert s.person("ann")["description"] == ["Dr"]


def test_without_an_index_the_log_says_so_once_and_it_works(make_slapd):
    slapd = make_slapd(index=["objectClass,uid,entryUUID eq"])
    slapd.expect_log("provDue has no index")
    slapd.account("ann", provEndTime=at(2))
    wait_until(lambda: state(slapd, "ann") == "terminated", 15)
    slapd.account("bob", provEndTime=at(2))
    wait_until(lambda: state(slapd, "bob") == "terminated", 15)
    assert slapd.log().count("provDue has no index") == 1




@pytest.fixture
def providers(make_slapd):
    """Two, each the other's consumer, that have both taken a write."""
    ports = [free_port(), free_port()]

    def provider(n):
        line = (f'rid=00{2 - n} provider=ldap://127.0.0.1:{ports[1 - n]} binddn="cn=admin,dc=example,dc=com" bindmethod=simple '
                f'credentials=secret searchbase="dc=example,dc=com" type=refreshAndPersist retry="1 +" schemachecking=off')
        return make_slapd(base=n == 0, start=False, server_id=n + 1, overlays=[("syncprov", {"syncprov-checkpoint": "1 1"})],
                          database=[("syncrepl", "olcSyncrepl", line), ("multiprovider", "olcMultiProvider", "TRUE")],
                          port=ports[n])
    one, two = provider(0), provider(1)
    for s in (one, two):
        s.expect_log("syncrepl|do_sync|dn_callback|be_modify|is not in the list|consumer state|refreshDelete|null_callback|"
                     "operation for internal|slap_client_connect|conn=|rid=00|findbase failed")
        s.start()
    one.account("first")
    wait_until(lambda: two.admin.get(one.suffix) and two.person("first"), 20, "they replicate")
    two.account("second")
    wait_until(lambda: one.person("second"), 20, "both ways")
    return one, two


def by_the_clock(s):
    return [r["uid"] for r in s.trail() if r["op"] == "clock"]


def test_one_of_two_providers_does_it(providers):
    one, two = providers
    one.account("ann", provEndTime=at(4))
    two.account("bob", provEndTime=at(4))
    wait_until(lambda: all(state(s, u) == "terminated" for s in providers for u in ("ann", "bob")), 30)
    wait_until(lambda: same(one, two), 10)
    assert sorted(by_the_clock(one)) == ["ann", "bob"] and by_the_clock(two) == []


def test_another_provider_takes_over_when_the_first_is_gone(providers):
    one, two = providers
    one.account("ann", provEndTime=at(5))
    wait_until(lambda: two.person("ann"), 10, "ann is known at both")
    one.kill()
    due = time.time() + 5
    stays(lambda: state(two, "ann") == "active", 20)  # that is not its turn yet
    wait_until(lambda: state(two, "ann") == "terminated", 75, "the second provider takes over")
    assert 55 < time.time() - due < 75
    one.start()
    wait_until(lambda: state(one, "ann") == "terminated", 20, "the first one hears of it")
    wait_until(lambda: same(one, two), 10)
    one.account("bob", provEndTime=at(3))
    wait_until(lambda: two.person("bob") and state(two, "bob") == "terminated", 20, "and has its turn back")
    assert by_the_clock(two) == ["ann"] and by_the_clock(one) == ["bob"]
