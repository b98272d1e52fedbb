"""When a role changes, the accounts it concerns follow in the background."""

import time

import pytest

from directory import ROLES
from harness import stays, wait_until


def company(s, n, **role):
    s.group("sales")
    s.group("more")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", **role)
    for i in range(n):
        s.account(f"u{i:03}", departmentNumber="sales")


def settled(s):
    m = s.monitor()
    return m.one("provMonitorFollowPending") == "0"


def test_a_group_added_to_a_role_reaches_all_who_hold_it(slapd):
    company(slapd, 70)
    slapd.account("other", departmentNumber="it")
    slapd.admin.modify(slapd.role_dn("sales"), add={"provGroup": slapd.group_dn("more"),
                                                    "provTemplate": "add description: sells",
                                                    "provEntitlement": "crm:write"})
    wait_until(lambda: len(slapd.members("more")) == 70 and settled(slapd))
    assert slapd.members("more") == slapd.members("sales")
    assert slapd.groups_of("u000") == ["more", "sales"] and slapd.person("u069")["description"] == ["sells"]
    assert slapd.groups_of("other") == []
    follow = [r for r in slapd.trail() if r["op"] == "follow"]
    assert len(follow) == 70
    assert all(r["groups"]["gained"] == [slapd.group_dn("more")] for r in follow)
    assert all("cn=sales" in r["reason"] for r in follow), "the record says which role"
    assert all(g.change != "" for g in slapd.grants("u001"))


def test_what_a_role_no_longer_gives_is_taken_from_all(slapd):
    company(slapd, 40, provTemplate="add description: sells", provEntitlement="crm:write")
    slapd.admin.modify(slapd.role_dn("sales"), delete={"provGroup": None, "provTemplate": None})
    wait_until(lambda: slapd.members("sales") == [] and settled(slapd))
    assert all(e["description"] == [] and e["memberOf"] == [] for e in slapd.admin.search(slapd.suffix, "(uid=u*)"))
    assert [g.kind for g in slapd.grants("u000")] == ["entitlement"]


def test_a_changed_filter_moves_people_in_and_out(slapd):
    company(slapd, 10)
    for i in range(5):
        slapd.account(f"i{i}", departmentNumber="it")
    slapd.admin.modify(slapd.role_dn("sales"), replace={"provAssignFilter": "(departmentNumber=it)"})
    wait_until(lambda: slapd.members("sales") == [f"i{i}" for i in range(5)])
    assert slapd.roles_of("u000") == []


def test_a_new_role_reaches_the_accounts_that_are_there(slapd):
    company(slapd, 5)
    slapd.role("late", provAssignFilter="(uid=u*)", provGroup="more")
    wait_until(lambda: len(slapd.members("more")) == 5)


def test_a_deleted_role_is_taken_from_all(slapd):
    company(slapd, 5)
    slapd.admin.delete(slapd.role_dn("sales"))
    wait_until(lambda: slapd.members("sales") == [])
    assert slapd.roles_of("u001") == []


def test_those_who_hold_a_role_through_another_follow_too(slapd):
    slapd.group("sales")
    slapd.role("base")
    slapd.role("top", provInclude="base", provAssignFilter="(title=Dr)")
    slapd.account("ada", title="Dr")
    slapd.admin.modify(slapd.role_dn("base"), add={"provGroup": slapd.group_dn("sales")})
    wait_until(lambda: slapd.members("sales") == ["ada"])


def test_exceptions_are_kept_when_a_role_changes(slapd):
    company(slapd, 3)
    slapd.admin.modify(slapd.group_dn("sales"), delete={"member": slapd.person_dn("u001")})
    slapd.admin.modify(slapd.role_dn("sales"), add={"provGroup": slapd.group_dn("more")})
    wait_until(lambda: slapd.members("more") == ["u000", "u001", "u002"])
    assert slapd.members("sales") == ["u000", "u002"]


def test_leavers_do_not_follow(slapd):
    company(slapd, 3)
    slapd.leave("u001")
    slapd.admin.modify(slapd.role_dn("sales"), add={"provGroup": slapd.group_dn("more")})
    wait_until(lambda: slapd.members("more") == ["u000", "u002"])
    assert slapd.roles_of("u001") == []


def test_one_account_that_cannot_follow_does_not_hold_up_the_others(slapd):
    company(slapd, 40)
    slapd.set("u007", roomNumber="7")
    slapd.expect_log("follow .*refused|follow .*failed")
    slapd.admin.modify(slapd.role_dn("sales"), add={"provTemplate": "enforce preferredLanguage: {title|or:de}",
                                                    "provGroup": slapd.group_dn("more")})
    wait_until(lambda: len(slapd.members("more")) == 40 and settled(slapd))
    slapd.role("odd", provAssignFilter="(roomNumber=7)", provTemplate="add description: {carLicense}")
    slapd.wait_log("u007")
    slapd.admin.modify(slapd.role_dn("sales"), add={"provEntitlement": "x"})
    wait_until(lambda: settled(slapd) and [g for g in slapd.grants("u039") if g.what == "x"])
    assert not [g for g in slapd.grants("u007") if g.what == "x"]


def test_progress_is_shown_and_ends(slapd):
    company(slapd, 200)
    slapd.admin.modify(slapd.role_dn("sales"), add={"provGroup": slapd.group_dn("more")})
    wait_until(lambda: settled(slapd) and len(slapd.members("more")) == 200)
    m = slapd.monitor()
    assert m.one("provMonitorFollowDone") == m.one("provMonitorFollowTotal") == "200"


def test_nothing_is_pending_only_when_all_have_followed(slapd):
    """Not before the accounts of a change have been looked for, either."""
    company(slapd, 60)
    for i in range(40):
        slapd.admin.modify(slapd.role_dn("sales"), replace={"provTemplate": f"add description: text {i}"})
        pending = slapd.monitor().one("provMonitorFollowPending")
        if i % 2:  # what comes while another change is being spread waits, too
            wait_until(lambda: settled(slapd))
            pending = "0"
        have = {e.one("description") for e in slapd.admin.search(slapd.suffix, "(uid=u*)", ["description"])}
        assert pending != "0" or have == {f"text {i}"}, (i, pending, have)


@pytest.mark.parametrize("hard", [False, True], ids=["stop", "kill"])
def test_a_restart_in_the_middle_resumes(make_slapd, hard):
    s = make_slapd()
    company(s, 400)
    s.expect_log("unclean shutdown|recover")
    s.admin.modify(s.role_dn("sales"), add={"provGroup": s.group_dn("more")})
    s.restart(hard=hard)
    wait_until(lambda: len(s.members("more")) == 400 and settled(s), 30)
    groups = [r["groups"]["gained"] for r in s.trail() if r["op"] == "follow"]
    assert groups == [[s.group_dn("more")]] * 400, "each account followed exactly once"
    s.state_now().chain()


def log_database_last(s, between):
    """Opened after the accounts' database, and after some others."""
    path = s.dir / "slapd.conf"
    first, *databases = path.read_text().split("\ndatabase ")
    log = next(d for d in databases if f"suffix {s.log_suffix}\n" in d)
    databases.remove(log)
    for i in range(between):
        (s.dir / f"x{i}").mkdir()
        databases.append(f"mdb\nsuffix dc=x{i}\ndirectory {s.dir}/x{i}\nmaxsize 1048576\n")
    path.write_text("\ndatabase ".join([first, *databases, log]))


def test_a_job_is_taken_up_when_slapd_has_started(make_slapd):
    """And not before accesslog's database is open: it would miss the job's first writes."""
    s = make_slapd(overlays=["accesslog"], start=False)
    log_database_last(s, 80)
    s.start()
    company(s, 100)
    s.admin.modify(s.role_dn("sales"), add={"provGroup": s.group_dn("more")})
    s.restart()
    wait_until(lambda: len(s.members("more")) == 100 and settled(s), 30)
    logged = s.admin.search(s.log_suffix, "(objectClass=auditModify)")
    given = [e for e in logged if any(str(m).startswith("provGrant:+") and "cn=more" in str(m) for m in e["reqMod"])]
    assert len(given) == 100


def test_writes_go_on_while_accounts_follow(slapd):
    company(slapd, 300)
    slapd.admin.modify(slapd.role_dn("sales"), add={"provGroup": slapd.group_dn("more")})
    worst = 0
    for i in range(20):
        began = time.monotonic()
        slapd.account(f"n{i}", departmentNumber="it")
        worst = max(worst, time.monotonic() - began)
    assert worst < 1
    wait_until(lambda: len(slapd.members("more")) == 300 and settled(slapd))


def test_cn_config_can_be_changed_while_accounts_follow(make_slapd):
    s = make_slapd("config")
    company(s, 300)
    c = s.config_client()
    s.admin.modify(s.role_dn("sales"), add={"provGroup": s.group_dn("more")})
    for i in range(5):
        c.modify(s.config.overlay_dn, replace={"olcProvisionBreaker": f"{100 + i} 3600"})
    wait_until(lambda: len(s.members("more")) == 300 and settled(s))


def test_several_changes_in_a_row_end_in_the_last_one(slapd):
    company(slapd, 100)
    for i in range(10):
        slapd.admin.modify(slapd.role_dn("sales"), replace={"provTemplate": f"add description: text {i}"})
    wait_until(lambda: settled(slapd) and all(
        e["description"] == ["text 9"] for e in slapd.admin.search(slapd.suffix, "(uid=u*)")))
    # the jobs that are left find nothing to do, one after the other, and then there is none
    wait_until(lambda: all(settled(slapd) and not time.sleep(0.02) for _ in range(15)), 10, "it has settled")


def test_a_change_that_concerns_nobody_costs_nothing(slapd):
    company(slapd, 5)
    csn = sorted(e.one("entryCSN") for e in slapd.admin.search(slapd.suffix, "(uid=u*)"))
    slapd.admin.modify(slapd.role_dn("sales"), replace={"description": "salespeople", "provRisk": "5"})
    wait_until(lambda: settled(slapd))
    stays(lambda: sorted(e.one("entryCSN") for e in slapd.admin.search(slapd.suffix, "(uid=u*)")) == csn, 0.3)
    assert slapd.admin.get(f"cn=sales,{ROLES}")["description"] == ["salespeople"]
