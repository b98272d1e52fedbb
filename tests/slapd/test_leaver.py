"""Leavers: everything revoked at once, by whatever way a person leaves; suspend, restore, rehire."""

import ldap
import pytest

from directory import ARCHIVE, NOBODY, PEOPLE
from ldapclient import refused


def people(s):
    for g in ("sales", "tennis", "it"):
        s.group(g)
    s.group("unique", cls="groupOfUniqueNames")
    s.group("posix", cls="posixGroup")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup=["sales", "unique", "posix"],
           provEntitlement="crm:write", provTemplate=["add description: sells", "default mail: {uid}{unique}@example.com"])
    s.role("vip", provGroup="it")
    s.account("ada", departmentNumber="sales", provAssignedRole=s.role_dn("vip"))
    for attr, group in (("member", "tennis"), ):
        s.admin.modify(s.group_dn(group), add={attr: s.person_dn("ada")})
    s.account("bob", departmentNumber="sales")
    return s


@pytest.fixture
def s(slapd):
    return people(slapd)


def assert_nothing_left(s, dn, uid, *but):
    everywhere = s.admin.search(s.suffix, f"(|(member={dn})(uniqueMember={dn})(memberUid={uid}))")
    assert [e.dn for e in everywhere] == list(but)


def test_a_terminated_account_keeps_nothing_that_it_was_given(s):
    before = len(s.trail())
    s.leave("ada")
    e = s.person("ada")
    assert_nothing_left(s, s.person_dn("ada"), "ada")
    assert e["memberOf"] == [] and e["provEffectiveRole"] == [] and e["provAssignedRole"] == []
    assert not [g for g in s.grants("ada") if g.kind in ("group", "entitlement", "add", "enforce")]
    assert e["description"] == [], "what a role added goes"
    assert e.one("mail") == "ada@example.com", "what a role gave by default stays"
    assert e.one("provState") == "terminated" and e.one("provStateSince") == e.one("provChangeTime")
    assert s.members("sales") == ["bob"], "others keep theirs"
    records = s.trail()[before:]
    assert len(records) == 1
    r = records[0]
    assert r["state"] == {"before": "active", "after": "terminated"}
    assert sorted(r["groups"]["lost"]) == sorted(map(s.group_dn, ("sales", "unique", "posix", "tennis", "it")))
    assert r["entitlements"]["lost"] == ["crm:write"]
    assert sorted(r["roles"]["lost"]) == sorted(map(s.role_dn, ("sales", "vip")))
    kinds = [v["type"].removeprefix("org.slapo-provision.") for v in s.events() if v["data"]["changeId"] == r["id"]]
    assert sorted(kinds) == ["account.terminated", "role.revoked", "session.revoked"]


def test_memberships_across_the_whole_suffix_go(s):
    s.admin.add(f"ou=far,{s.suffix}", {"objectClass": "organizationalUnit", "ou": "far"})
    s.group(f"cn=away,ou=far,{s.suffix}", ["ada", "bob"])
    s.leave("ada")
    assert_nothing_left(s, s.person_dn("ada"), "ada")
    assert s.members(f"cn=away,ou=far,{s.suffix}") == ["bob"]


def test_the_last_member_of_a_group_can_leave(s):
    s.admin.add(s.group_dn("lone"), {"objectClass": "groupOfNames", "cn": "lone", "member": s.person_dn("ada")})
    s.leave("ada")
    assert_nothing_left(s, s.person_dn("ada"), "ada")
    s.admin.modify(s.group_dn("lone"), add={"member": s.person_dn("bob")})
    assert "bob" in s.members("lone")


@pytest.mark.parametrize("state", ["terminated", "suspended", "archived", "pending"])
def test_who_is_not_active_cannot_bind_and_learns_nothing(s, state):
    assert s.may_bind("ada")
    s.state_of("ada", state)
    assert not s.may_bind("ada")
    assert not s.may_bind("ada", "wrong")
    assert s.may_bind("bob")


def test_a_suspended_account_keeps_everything_and_comes_back(s):
    before = s.person("ada")
    s.state_of("ada", "suspended")
    assert s.groups_of("ada") == ["it", "sales", "tennis", "unique"] and s.roles_of("ada") == ["sales", "vip"]
    s.state_of("ada", "active")
    e = s.person("ada")
    assert s.may_bind("ada")
    for a in ("provgrant", "memberof", "provassignedrole", "description", "mail"):
        assert sorted(e[a]) == sorted(before[a])
    kinds = [v["type"].removeprefix("org.slapo-provision.") for v in s.events() if v["subject"] == e.one("entryUUID")]
    assert [k for k in kinds if k.startswith("account.")][-2:] == ["account.suspended", "account.restored"]


def test_a_rehired_leaver_is_evaluated_anew(s):
    s.leave("ada")
    s.state_of("ada", "active")
    assert s.roles_of("ada") == ["sales"], "what was given explicitly does not come back by itself"
    assert s.groups_of("ada") == ["sales", "unique"] and s.members("tennis") == []
    assert s.person("ada")["description"] == ["sells"] and s.person("ada").one("mail") == "ada@example.com"
    assert s.may_bind("ada")


def test_a_rehired_leaver_in_another_department_gets_that_ones(s):
    s.role("it", provAssignFilter="(departmentNumber=it)", provGroup="it")
    s.leave("ada")
    s.set("ada", departmentNumber="it", provState="active")
    assert s.roles_of("ada") == ["it"] and s.groups_of("ada") == ["it"]


def test_a_role_that_changes_gives_a_leaver_nothing(s):
    s.leave("ada")
    s.set("ada", title="Dr", departmentNumber="sales")
    assert s.roles_of("ada") == [] and s.groups_of("ada") == []
    s.admin.modify(s.role_dn("sales"), add={"provGroup": s.group_dn("tennis")})
    s.account("carl", departmentNumber="sales")
    assert s.roles_of("ada") == [] and "ada" not in s.members("tennis")


def test_a_leaver_added_as_such_gets_nothing(s):
    s.account("carl", departmentNumber="sales", provState="terminated")
    assert s.roles_of("carl") == [] and s.groups_of("carl") == [] and not s.may_bind("carl")


def test_nobody_can_give_a_leaver_a_role_that_counts(s):
    s.leave("ada")
    try:
        s.admin.modify(s.person_dn("ada"), add={"provAssignedRole": s.role_dn("vip")})
    except ldap.LDAPError:
        pass
    assert s.roles_of("ada") == [] and "ada" not in s.members("it")


# -- ldapdelete ---------------------------------------------------------------------------


def test_a_deleted_account_is_gone_with_all_its_memberships(s):
    uuid = s.person("ada").one("entryUUID")
    before = len(s.trail())
    s.admin.delete(s.person_dn("ada"))
    assert s.person("ada") is None
    assert_nothing_left(s, s.person_dn("ada"), "ada")
    records = s.trail()[before:]
    assert len(records) == 1 and records[0]["op"] == "delete" and records[0]["entryUUID"] == uuid
    kinds = [v["type"].removeprefix("org.slapo-provision.") for v in s.events() if v["data"]["changeId"] == records[0]["id"]]
    assert sorted(kinds) == ["account.deleted", "role.revoked", "session.revoked"]


def test_deny_refuses_and_says_what_to_do(make_slapd, style):
    s = people(make_slapd(style, provision={"provision-on-delete": "deny"}))
    with refused(ldap.UNWILLING_TO_PERFORM, "provState"):
        s.admin.delete(s.person_dn("ada"))
    assert s.members("sales") == ["ada", "bob"] and s.may_bind("ada")


def test_preserve_moves_the_account_to_the_archive(make_slapd, style):
    s = people(make_slapd(style, provision={"provision-on-delete": "preserve", "provision-archive": ARCHIVE}))
    uuid = s.person("ada").one("entryUUID")
    before = len(s.trail())
    s.admin.delete(s.person_dn("ada"))
    assert s.person("ada") is None
    e = s.admin.get(f"uid=ada,{ARCHIVE}")
    assert e.one("entryUUID") == uuid and e.one("provState") == "archived"
    assert e["provEffectiveRole"] == [] and e["memberOf"] == [] and e["provAssignedRole"] == []
    assert_nothing_left(s, s.person_dn("ada"), "ada")
    assert_nothing_left(s, e.dn, "ada")
    assert not s.may_bind(e.dn, "ada-pw")
    records = s.trail()[before:]
    assert len(records) == 1 and records[0]["op"] == "delete"
    assert records[0]["state"]["after"] == "archived" and records[0]["newDn"] == e.dn


def test_preserve_refuses_when_the_name_is_taken_in_the_archive(make_slapd):
    s = people(make_slapd(provision={"provision-on-delete": "preserve", "provision-archive": ARCHIVE}))
    s.admin.delete(s.person_dn("ada"))
    s.account("ada", departmentNumber="sales")
    with pytest.raises(ldap.LDAPError):
        s.admin.delete(s.person_dn("ada"))
    assert "ada" in s.members("sales") and s.may_bind("ada")


def test_preserve_needs_the_right_to_delete(make_slapd):
    s = people(make_slapd(provision={"provision-on-delete": "preserve", "provision-archive": ARCHIVE}))
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        s.client(s.person_dn("bob"), "bob-pw").delete(s.person_dn("ada"))
    assert "ada" in s.members("sales")


def test_an_archived_account_can_be_deleted_for_good(make_slapd):
    s = people(make_slapd(provision={"provision-on-delete": "preserve", "provision-archive": ARCHIVE}))
    s.admin.delete(s.person_dn("ada"))
    s.admin.delete(f"uid=ada,{ARCHIVE}")
    assert s.admin.get(f"uid=ada,{ARCHIVE}") is None


def test_a_delete_that_may_not_be_changes_nothing(s):
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        s.client(s.person_dn("bob"), "bob-pw").delete(s.person_dn("ada"))
    assert "ada" in s.members("sales") and "ada" in s.members("tennis")


def test_an_entry_with_others_below_is_not_deleted(s):
    s.admin.add(f"cn=key,{s.person_dn('ada')}", {"objectClass": "organizationalRole", "cn": "key"})
    with pytest.raises(ldap.NOT_ALLOWED_ON_NONLEAF):
        s.admin.delete(s.person_dn("ada"))
    assert "ada" in s.members("sales")


def test_entries_that_are_no_accounts_are_deleted_as_ever(s):
    s.admin.add(f"cn=printer,{PEOPLE}", {"objectClass": "organizationalRole", "cn": "printer"})
    s.admin.delete(f"cn=printer,{PEOPLE}")
    s.admin.delete(NOBODY)
    assert s.admin.get(NOBODY) is None


def test_the_name_of_a_deleted_account_can_be_used_again(s):
    s.admin.delete(s.person_dn("ada"))
    s.account("ada", departmentNumber="sales")
    assert s.roles_of("ada") == ["sales"] and s.members("tennis") == [] and s.may_bind("ada")
