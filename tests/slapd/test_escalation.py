"""Ways past the policy that were found once: each stays shut."""

import ldap
import pytest
from ldap.controls.libldap import AssertionControl

from directory import ARCHIVE, HR, PEOPLE
from harness import wait_until
from ldapclient import NOOP, PLAN, control, refused


def sales(s, **role):
    s.group("sales")
    accounts = {"carLicense": "A 1"} if "carLicense" in str(role) else {}
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", **role)
    for u in ("ada", "bob"):
        s.account(u, departmentNumber="sales", **accounts)
    return s


def test_an_empty_member_list_in_the_change_switches_nothing_off(make_slapd):
    s = sales(make_slapd(provision={"provision-breaker": "1 3600"}), provTemplate="enforce title: Seller")
    hr, bob = s.client(HR, "hr-secret"), s.client(s.person_dn("bob"), "bob-pw")
    with refused(ldap.CONSTRAINT_VIOLATION):
        bob.modify(s.person_dn("bob"), replace={"title": "CEO", "memberUid": None})
    hr.modify(s.person_dn("ada"), replace={"provState": "terminated", "member": None})
    assert s.members("sales") == ["bob"] and s.roles_of("ada") == []
    with refused(ldap.UNWILLING_TO_PERFORM, "breaker"):
        hr.modify(s.person_dn("bob"), replace={"provState": "terminated", "member": None})
    assert s.members("sales") == ["bob"]


def test_a_state_in_the_name_is_a_leaver_like_any_other(make_slapd):
    s = sales(make_slapd(provision={"provision-breaker": "1 3600"}))
    hr, ada = s.client(HR, "hr-secret"), s.client(s.person_dn("ada"), "ada-pw")
    hr.rename(s.person_dn("ada"), "uid=ada+provState=terminated")
    wait_until(ada.closed, 2)
    with refused(ldap.UNWILLING_TO_PERFORM, "breaker"):
        hr.rename(s.person_dn("bob"), "uid=bob+provState=terminated")


def test_a_renamed_account_does_not_keep_its_connection(slapd):
    slapd.account("ada")
    c = slapd.client(slapd.person_dn("ada"), "ada-pw")
    slapd.admin.rename(slapd.person_dn("ada"), "uid=eva")
    slapd.leave("eva")
    wait_until(c.closed, 2)


def test_a_changed_uid_takes_the_unix_groups_along(slapd):
    slapd.group("unix", cls="posixGroup")
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="unix")
    dn = f"cn=Ada L,{PEOPLE}"
    slapd.admin.add(dn, {"objectClass": "inetOrgPerson", "cn": "Ada L", "sn": "L", "uid": "alee",
                         "departmentNumber": "sales"})
    unix = slapd.group_dn("unix")
    slapd.admin.modify(dn, replace={"uid": "alovelace"})
    assert slapd.admin.get(unix)["memberUid"] == ["alovelace"]
    slapd.admin.modify(dn, replace={"provState": "terminated"})
    assert slapd.admin.get(unix)["memberUid"] == []


def test_what_a_role_enforces_has_no_exception(slapd):
    s = sales(slapd, provTemplate="enforce title: Seller")
    a = s.client(s.person_dn("ada"), "ada-pw")
    held = next(v for v in s.person("ada")["provGrant"] if v.startswith("enforce"))
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        a.modify(s.person_dn("ada"), add={"provException": held})
    with refused(ldap.CONSTRAINT_VIOLATION):
        a.modify(s.person_dn("ada"), replace={"title": "CEO"})
    assert s.person("ada").one("title") == "Seller"


def test_a_template_gives_no_secret(slapd):
    with refused(ldap.CONSTRAINT_VIOLATION, "userPassword"):
        slapd.role("bad", provAssignFilter="(uid=*)", provTemplate="default userPassword: {random:12}")


def test_preserve_is_refused_where_a_delete_would_be(make_slapd):
    s = sales(make_slapd(provision={"provision-on-delete": "preserve", "provision-archive": ARCHIVE}))
    kid = f"uid=kid,{s.person_dn('ada')}"
    s.account(kid, departmentNumber="sales")
    with pytest.raises(ldap.NOT_ALLOWED_ON_NONLEAF):
        s.admin.delete(s.person_dn("ada"))
    with pytest.raises(ldap.ASSERTION_FAILED):
        s.admin.delete(s.person_dn("bob"), controls=[AssertionControl(True, "(title=no such)")])
    assert s.admin.search(ARCHIVE, "(uid=*)") == []
    s.admin.delete(kid)
    s.admin.delete(s.person_dn("ada"))
    assert len(s.admin.search(ARCHIVE, "(uid=ada)")) == 1


CLOSED = ['to dn.subtree="ou=people,{s}" by self write by anonymous auth by * none',
          'to dn.subtree="ou=groups,{s}" by * none', 'to * by anonymous auth by * none']


def test_who_may_not_write_learns_nothing_of_the_policy(make_slapd):
    s = sales(make_slapd(provision={"provision-on-delete": "deny"}, access=CLOSED),
              provTemplate="add description: {carLicense}")
    c = s.client(s.person_dn("ada"), "ada-pw")
    tries = {"delete": lambda: c.delete(s.person_dn("bob")),
             "delete group": lambda: c.delete(s.group_dn("sales")),
             "rename role": lambda: c.rename(s.role_dn("sales"), "cn=z"),
             "rename group": lambda: c.rename(s.group_dn("sales"), "cn=z"),
             "add": lambda: c.add(s.person_dn("new"), {"objectClass": "inetOrgPerson", "uid": "new", "cn": "n",
                                                       "sn": "n", "departmentNumber": "sales"})}
    for what, attempt in tries.items():
        with pytest.raises((ldap.NO_SUCH_OBJECT, ldap.INSUFFICIENT_ACCESS)) as refusal:
            attempt()
        assert "provision" not in refusal.value.args[0].get("info", ""), what


def test_a_plan_is_for_who_manages_the_account(slapd):
    s = sales(slapd)
    a = s.client(s.person_dn("ada"), "ada-pw")
    with pytest.raises(ldap.INSUFFICIENT_ACCESS) as refusal:
        a.modify(s.person_dn("ada"), replace={"departmentNumber": "x"}, controls=[control(NOOP), control(PLAN)])
    assert not refusal.value.args[0].get("ctrls")
    assert s.person("ada").one("departmentNumber") == "sales"


def test_taking_a_member_out_leaves_a_waiting_role_change_whole(slapd):
    s = slapd
    for g in "abc":
        s.group(g)
    s.role("r", provAssignFilter="(departmentNumber=x)", provGroup=["a", "b"])
    last = "u299"
    for i in range(300):
        s.account(f"u{i:03}", departmentNumber="x")
    s.admin.modify(s.role_dn("r"), delete={"provGroup": s.group_dn("b")}, add={"provGroup": s.group_dn("c")})
    s.admin.modify(s.group_dn("a"), delete={"member": s.person_dn(last)})
    wait_until(lambda: s.monitor().one("provMonitorFollowPending") == "0", 30)
    assert [last in s.members(g) for g in "abc"] == [False, False, True]
    assert [g.what for g in s.grants(last)] == [s.group_dn("c")]
    assert [x.what for x in s.exceptions(last)] == [s.group_dn("a")]


def test_a_state_with_an_option_locks_out_as_well(slapd):
    slapd.account("ada")
    slapd.admin.modify(slapd.person_dn("ada"), add={"provState;lang-en": "terminated"})
    assert not slapd.may_bind("ada")


def test_accounts_are_not_moved_out_of_the_policy_by_their_parent(slapd):
    s = slapd
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    s.admin.add(f"ou=x,{PEOPLE}", {"objectClass": "organizationalUnit", "ou": "x"})
    ada = f"uid=ada,ou=x,{PEOPLE}"
    s.account(ada, departmentNumber="sales")
    with refused(ldap.UNWILLING_TO_PERFORM, ada, "provision-accounts"):
        s.admin.rename(f"ou=x,{PEOPLE}", "ou=x", ARCHIVE)
    s.admin.rename(ada, "uid=ada", ARCHIVE)
    assert s.members("sales") == []
    s.admin.rename(f"ou=x,{PEOPLE}", "ou=x", ARCHIVE)
