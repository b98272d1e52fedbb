"""Segregation of duties: what an account must not hold together is refused, withheld from what
comes by itself, and never in the way of what takes access away."""

import re
import threading
import time

import ldap
import pytest

from directory import ROLES
from harness import TOP, stays, wait_until
from ldapclient import NOOP, PLAN, control, refused
from manual import in_text, parse
from test_clock import at
from test_controls import simulate
from test_follow import settled
from test_replication import consumer_of, provider_options, same

BAD = ldap.CONSTRAINT_VIOLATION


def sod_set(s, cn, roles, limit=None, **more):
    """provSodSet cn of these roles (short names)."""
    dn = f"cn={cn},{ROLES}"
    s.admin.add(dn, {"objectClass": "provSodSet", "cn": cn, "provSodRole": [s.role_dn(r) for r in roles],
                     "provSodLimit": limit, **more})
    return dn


def conflict(s, a, b):
    s.admin.modify(s.role_dn(a), add={"provConflict": s.role_dn(b)})


def assign(s, uid, *roles, client=None, controls=None):
    return s.set(uid, client=client, controls=controls, provAssignedRole=[s.role_dn(r) for r in roles])


@pytest.fixture
def s(slapd):
    """pay and order may not meet; order comes by filter, too; boss includes pay."""
    for g in ("pay", "order"):
        slapd.group(g)
    slapd.role("order", provAssignFilter="(departmentNumber=buying)", provGroup="order")
    slapd.role("pay", provConflict="order", provGroup="pay")
    slapd.role("boss", provInclude="pay")
    return slapd


@pytest.mark.parametrize("first, second", [("pay", "order"), ("order", "pay"), ("order", "boss")])
def test_the_second_of_two_is_refused_and_nothing_changes(s, first, second):
    s.account("ann", provAssignedRole=s.role_dn(first))
    before, trail = s.everything(), len(s.trail())
    with refused(BAD, "cn=pay", "cn=order", "(assigned)", "must not be held together", "take one away"):
        assign(s, "ann", first, second)
    with refused(BAD, "cn=order"):
        s.account("bob", provAssignedRole=[s.role_dn(first), s.role_dn(second)])
    assert s.everything() == before and len(s.trail()) == trail
    s.wait_log('op=modify dn="uid=ann,.*refused=19 reason=".*must not be held together')


def test_how_each_role_came_is_told(s):
    s.account("ann", departmentNumber="buying")
    with refused(BAD, "(by its filter)", "(included in boss)"):
        assign(s, "ann", "boss")
    with refused(BAD, "(by its filter)", "(for a time)"):
        s.set("ann", provTimedRole=f"- {at(100)} {s.role_dn('pay')}")
    assert s.roles_of("ann") == ["order"] and s.groups_of("ann") == ["order"]


def test_a_mover_swaps_in_one_write(s):
    s.account("ann", departmentNumber="buying")
    s.set("ann", departmentNumber="finance", provAssignedRole=s.role_dn("pay"))
    assert s.roles_of("ann") == ["pay"] and s.members("order") == [] and s.members("pay") == ["ann"]
    s.admin.modify(s.person_dn("ann"), add={"provAssignedRole": s.role_dn("order")},
                   delete={"provAssignedRole": s.role_dn("pay")})
    assert s.roles_of("ann") == ["order"]


@pytest.mark.parametrize("limit", [None, 1, 2])
def test_a_set_is_counted(s, limit):
    for r in "abc":
        s.role(r)
    most = limit or 1
    sod_set(s, "three", "abc", limit)
    s.account("ann", provAssignedRole=[s.role_dn(r) for r in "abc"[:most]])
    with refused(BAD, f"cn=three,{ROLES}", f"allows an account {most} of its roles, not {most + 1}", "a (assigned), b"):
        assign(s, "ann", *"abc"[:most + 1])
    assert s.roles_of("ann") == list("abc"[:most])
    assign(s, "ann", *"bca"[:most])
    assert s.roles_of("ann") == sorted("bca"[:most])


def test_the_example_of_the_manual(slapd):
    page = (TOP / "docs/slapo-provision.5").read_text().split(".Sh SEGREGATION OF DUTIES")[1]
    [text] = in_text(page.split("\n.Sh ")[0], "provSodSet")
    three = ["clerk", "approver", "cashier"]
    for r in three:
        slapd.role(r)
    slapd.admin.add(*parse(text.replace("ou=policy,dc=example,dc=com", ROLES)))
    slapd.account("ann", provAssignedRole=[slapd.role_dn(r) for r in three[:2]])
    with refused(BAD, "cn=invoices", "2 of its roles, not 3"):
        assign(slapd, "ann", *three)


def violator(s):
    """ann holds both when the rule comes."""
    s.group("g")
    for r in "abcd":
        s.role(r, provEntitlement=r)
    s.account("ann", provAssignedRole=[s.role_dn("a"), s.role_dn("b")])
    return sod_set(s, "late", "abc")


def test_who_held_them_before_the_rule_goes_on_but_gets_no_more(slapd):
    s = slapd
    violator(s)
    s.set("ann", title="Dr")
    s.admin.rename(s.person_dn("ann"), "uid=anna")
    assert s.roles_of("anna") == ["a", "b"]
    with refused(BAD, "cn=late", "not 3"):
        assign(s, "anna", "a", "b", "c")
    with refused(BAD, "cn=late", "not 2"):
        assign(s, "anna", "a", "c")
    assign(s, "anna", "a", "b", "d")
    s.state_of("anna", "suspended")
    s.state_of("anna", "active")
    assert s.roles_of("anna") == ["a", "b", "d"]
    assign(s, "anna", "b")
    with refused(BAD, "cn=late"):
        assign(s, "anna", "a", "b")


@pytest.mark.parametrize("end", ["terminated", "deleted"])
def test_who_breaks_a_rule_can_leave(slapd, end):
    violator(slapd)
    if end == "deleted":
        slapd.admin.delete(slapd.person_dn("ann"))
        return
    slapd.leave("ann")
    assert slapd.roles_of("ann") == [] and not slapd.may_bind("ann")
    with refused(BAD, "cn=late"):
        slapd.set("ann", provState="active", provAssignedRole=[slapd.role_dn("a"), slapd.role_dn("b")])


def test_the_plan_control_tells_the_refusal(s):
    s.account("ann", departmentNumber="buying")
    before = s.everything()
    with refused(BAD, "must not be held together"):
        assign(s, "ann", "pay", controls=[control(NOOP), control(PLAN)])
    assert s.everything() == before


@pytest.mark.parametrize("attrs, words", [
    ({"provSodRole": ["pay", "ghost"]}, ["provSodRole", "cn=ghost", "there is no such role"]),
    ({"provSodRole": ["pay", "order"], "provSodLimit": "0"}, ["provSodLimit", "less than 1"]),
    ({"provSodRole": ["pay", "order"], "provSodLimit": "-3"}, ["provSodLimit", "less than 1"]),
    ({"provSodRole": ["pay", "order"], "provSodLimit": "2"}, ["provSodLimit", "never apply"]),
    ({"provSodRole": ["pay"]}, ["never apply"]),
    ({}, ["never apply"]),
    ({"provSodRole": ["pay", "boss"]}, ["cn=boss", "nobody could hold it"]),
])
def test_a_bad_set_is_refused_by_adding_and_by_modifying(s, attrs, words):
    attrs = {a: [s.role_dn(r) for r in v] if a == "provSodRole" else v for a, v in attrs.items()}
    s.role("other")
    good = sod_set(s, "good", ["pay", "other"])
    before, generation = s.everything(), s.monitor().one("provMonitorPolicyGeneration")
    with refused(BAD, "cn=bad" if "boss" not in str(attrs) else "set", *words):
        s.admin.add(f"cn=bad,{ROLES}", {"objectClass": "provSodSet", "cn": "bad", **attrs})
    with refused(BAD, *words):
        s.admin.modify(good, replace={"provSodRole": None, "provSodLimit": None, **attrs})
    assert s.everything() == before
    assert s.monitor().one("provMonitorPolicyGeneration") == generation
    s.account("ann", provAssignedRole=s.role_dn("pay"))
    with refused(BAD, "cn=good"):
        assign(s, "ann", "pay", "other")


@pytest.mark.parametrize("other, words", [
    ("ghost", ["provConflict", "there is no such role"]), ("pay", ["itself"]), ("boss", ["nobody could hold it"])])
def test_a_bad_conflict_is_refused(s, other, words):
    before = s.everything()
    with refused(BAD, "cn=pay", *words):
        conflict(s, "pay", other)
    assert s.everything() == before


@pytest.mark.parametrize("by", ["set", "conflict"])
def test_a_role_that_a_rule_names_is_not_deleted(s, by):
    s.role("other")
    rule = sod_set(s, "rule", ["boss", "other"]) if by == "set" else s.role_dn("pay")
    with refused(BAD, "there is no such role", rule):
        s.admin.delete(s.role_dn("other" if by == "set" else "order"))
    if by == "set":
        s.admin.delete(rule)
        s.admin.delete(s.role_dn("other"))
    else:
        s.admin.modify(rule, delete={"provConflict": None})
        s.admin.delete(s.role_dn("order"))


def test_a_set_counts_from_its_commit_on(s):
    s.role("other")
    s.account("ann", provAssignedRole=s.role_dn("other"))
    dn = sod_set(s, "rule", ["boss", "other"])
    with refused(BAD, dn):
        assign(s, "ann", "other", "boss")
    s.admin.rename(dn, "cn=renamed")
    with refused(BAD, "cn=renamed"):
        assign(s, "ann", "other", "boss")
    s.restart()
    with refused(BAD, "cn=renamed"):
        assign(s, "ann", "other", "boss")
    s.admin.delete(f"cn=renamed,{ROLES}")
    assign(s, "ann", "other", "boss")
    assert s.roles_of("ann") == ["boss", "other", "pay"]


def test_a_role_that_would_reach_violators_is_withheld_from_them_only(s):
    for i in range(40):
        s.account(f"u{i:02}", provAssignedRole=s.role_dn("pay") if i == 7 else None, title="Dr")
    s.expect_log("withheld role")
    s.group("club")
    s.role("club", provAssignFilter="(title=Dr)", provGroup="club")
    wait_until(lambda: len(s.members("club")) == 40 and settled(s))
    s.admin.modify(s.role_dn("order"), add={"provAssignFilter": "(title=Dr)"})
    wait_until(lambda: len(s.members("order")) == 39 and settled(s))
    assert s.roles_of("u07") == ["club", "pay"]
    s.wait_log('provision: .*op=follow dn="uid=u07,.*withheld role="cn=order,.*must not be held together')
    assert "u07" in s.monitor().one("provMonitorInfo") and "1 times" in s.monitor().one("provMonitorInfo")
    why = s.provctl("explain", "u07", "--lacks", s.role_dn("order"), check=1).stdout
    assert "a rule of segregation of duties" in why
    # it is in nobody's way: what the account loses it loses, and what else is written is written
    s.admin.modify(s.role_dn("club"), delete={"provGroup": None})
    wait_until(lambda: s.members("club") == [] and settled(s))
    s.set("u07", departmentNumber="x")
    plan = simulate(s, lambda c: s.set("u07", departmentNumber="y", controls=c), control(PLAN))
    assert plan["withheld"]["roles"] == [s.role_dn("order")] and "must not be" in plan["withheld"]["reason"]
    (s.dir / "plan.ldif").write_text(
        f"dn: {s.person_dn('u07')}\nchangetype: modify\nreplace: departmentNumber\ndepartmentNumber: z\n")
    shown = s.provctl("plan", "-f", s.dir / "plan.ldif", check=0).stdout
    assert re.search(r"! withheld +cn=order,.*\n.*because +roles .* must not be held together", shown), shown
    s.state_of("u07", "suspended")
    s.state_of("u07", "active")
    # and is given as soon as it may be
    assign(s, "u07")
    assert s.roles_of("u07") == ["club", "order"] and "u07" in s.members("order")


@pytest.mark.parametrize("rule", ["set", "conflict"])
def test_what_was_withheld_is_given_when_the_rule_goes(slapd, rule):
    s = slapd
    s.expect_log("withheld role")
    s.role("a")
    s.role("b", provStatus="draft", provAssignFilter="(title=Dr)")
    dn = sod_set(s, "rule", "ab") if rule == "set" else conflict(s, "a", "b") or s.role_dn("a")
    s.account("ann", title="Dr", provAssignedRole=s.role_dn("a"))
    s.admin.modify(s.role_dn("b"), replace={"provStatus": "active"})
    s.wait_log("withheld role")
    wait_until(lambda: settled(s))
    assert s.roles_of("ann") == ["a"]
    if rule == "set":
        s.admin.delete(dn)
    else:
        s.admin.modify(dn, delete={"provConflict": None})
    wait_until(lambda: s.roles_of("ann") == ["a", "b"])
    assert ("set cn=rule" if rule == "set" else "role cn=a") in s.record(op="follow")["reason"]


def test_a_timed_start_that_would_break_a_rule_is_withheld_once(s):
    """and the other times of the account are kept."""
    s.expect_log("withheld role")
    s.role("guest")
    s.account("ann", departmentNumber="buying")
    s.set("ann", provTimedRole=[f"{at(2)} {at(600)} {s.role_dn('pay')}", f"- {at(5)} {s.role_dn('guest')}"])
    s.wait_log('op=clock dn="uid=ann,.*withheld role="cn=pay,', 15)
    assert s.roles_of("ann") == ["guest", "order"] and s.members("pay") == []
    wait_until(lambda: s.roles_of("ann") == ["order"], 15, "guest is over")
    due = s.person("ann", "provDue").one("provDue")
    assert due > time.strftime("%Y%m%d%H%M%SZ", time.gmtime()), "not looked at again and again"
    n = s.log().count("withheld role")
    stays(lambda: s.log().count("withheld role") == n, 2)
    s.set("ann", departmentNumber="x")
    assert s.roles_of("ann") == ["pay"]


def test_an_account_begins_without_what_it_may_not_hold(slapd):
    s = slapd
    s.expect_log("withheld role")
    for r in "abc":
        s.role(r)
    s.account("ann", provStartTime=at(3), provAssignedRole=[s.role_dn(r) for r in "abc"])
    sod_set(s, "rule", "ab")
    s.set("ann", title="Dr")
    wait_until(lambda: s.person("ann").one("provState") == "active", 15)
    assert s.roles_of("ann") == ["c"]
    assert not s.person("ann", "provDue")["provDue"]


def test_one_of_two_concurrent_writers_gets_through(s):
    for i in range(15):
        uid = f"u{i}"
        s.account(uid)
        s.set(uid, objectClass=["inetOrgPerson", "provAccount"])
        results = []

        def grant(role, uid=uid, results=results):
            c = s.client(s.rootdn, s.rootpw)
            gate.wait()
            try:
                c.modify(s.person_dn(uid), add={"provAssignedRole": s.role_dn(role)})
                results.append(role)
            except BAD:
                results.append(None)

        gate = threading.Barrier(2)
        writers = [threading.Thread(target=grant, args=(r,)) for r in ("pay", "order")]
        for t in writers:
            t.start()
        for t in writers:
            t.join()
        assert len(results) == 2 and results.count(None) == 1, results
        assert s.roles_of(uid) == [r for r in results if r]


def test_a_replicated_write_is_never_refused(make_slapd):
    """The rule is applied where the write comes in; what is older than the rule is replicated, too."""
    p = make_slapd(**provider_options())
    violator(p)
    c = consumer_of(p)
    try:
        wait_until(lambda: same(p, c), 20)
        assert c.roles_of("ann") == ["a", "b"]
        p.set("ann", title="Dr")
        p.account("bob", provAssignedRole=p.role_dn("a"))
        with refused(BAD, "cn=late"):
            assign(p, "bob", "a", "b")
        wait_until(lambda: same(p, c), 10)
        # while the consumer is away the provider lets it pass; the consumer only ever knows the rule as it is
        c.stop()
        p.admin.modify(f"cn=late,{ROLES}", replace={"provSodLimit": "2"})
        assign(p, "bob", "a", "b")
        p.admin.modify(f"cn=late,{ROLES}", replace={"provSodLimit": None})
        c.start()
        wait_until(lambda: same(p, c) and c.roles_of("bob") == ["a", "b"], 20)
        p.leave("bob")
        wait_until(lambda: same(p, c) and c.roles_of("bob") == [], 10)
    finally:
        c.close()


def test_the_trail_has_what_the_rules_are(s):
    assert s.record(op="policy", dn=s.role_dn("pay"))["values"] == {"provConflict": [s.role_dn("order")]}
    assert "values" not in s.record(op="policy", dn=s.role_dn("order"))
    s.role("other")
    dn = sod_set(s, "rule", ["boss", "other"])
    assert s.record(op="policy", dn=dn)["values"] == {"provSodRole": [s.role_dn("boss"), s.role_dn("other")]}
    s.admin.modify(dn, add={"provSodRole": s.role_dn("order"), "provSodLimit": "2"})
    assert s.record(op="policy", dn=dn)["values"]["provSodLimit"] == ["2"]
    s.admin.rename(dn, "cn=renamed")
    record = s.record(op="policy", dn=dn)
    assert record["newDn"] == f"cn=renamed,{ROLES}" and len(record["values"]["provSodRole"]) == 3
    s.admin.delete(record["newDn"])
    assert "values" not in s.record(op="policy", dn=record["newDn"])
