"""Movers: what no role supports any more goes, what a new role brings comes, and what a person
set by hand stays."""

import ldap
import pytest

from directory import GROUPS, NOBODY, PEOPLE
from harness import stays
from ldapclient import refused

MAIL = "default mail: {givenName|ascii|lower}.{sn|ascii|lower}{unique}@example.com"


@pytest.fixture
def s(slapd):
    for g in ("sales", "it", "staff", "tennis"):
        slapd.group(g)
    slapd.role("employee", provAssignFilter="(objectClass=inetOrgPerson)", provGroup="staff", provTemplate=MAIL)
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provEntitlement="crm:write",
               provTemplate=["add description: sells", "enforce businessCategory: Sales"])
    slapd.role("it", provAssignFilter="(departmentNumber=it)", provGroup="it", provEntitlement="root:sudo",
               provTemplate=["add description: mends", "enforce businessCategory: IT"])
    slapd.account("ada", sn="L", departmentNumber="sales")
    return slapd


def test_a_mover_loses_the_old_and_gets_the_new_in_one_commit(s):
    before = len(s.trail())
    s.set("ada", departmentNumber="it")
    e = s.person("ada")
    assert s.roles_of("ada") == ["employee", "it"]
    assert s.groups_of("ada") == ["it", "staff"]
    assert s.members("sales") == [] and s.members("it") == ["ada"]
    assert e["description"] == ["mends"] and e["businessCategory"] == ["IT"]
    records = s.trail()[before:]
    assert len(records) == 1
    r = records[0]
    assert r["op"] == "modify"
    assert r["roles"] == {"gained": [s.role_dn("it")], "lost": [s.role_dn("sales")]}
    assert r["groups"] == {"gained": [s.group_dn("it")], "lost": [s.group_dn("sales")]}
    assert r["entitlements"] == {"gained": ["root:sudo"], "lost": ["crm:write"]}
    kinds = [v["type"].removeprefix("org.slapo-provision.") for v in s.events() if v["data"]["changeId"] == r["id"]]
    assert kinds == ["account.updated", "role.granted", "role.revoked"]


def test_what_two_roles_gave_stays_until_the_last_one_goes(s):
    s.role("team", provAssignFilter="(departmentNumber=*)", provGroup="sales", provTemplate="add description: sells")
    s.account("bob", departmentNumber="sales")
    s.set("bob", departmentNumber="it")
    assert "bob" in s.members("sales")
    assert sorted(s.person("bob")["description"]) == ["mends", "sells"]
    s.set("bob", departmentNumber=None)
    assert "bob" not in s.members("sales")
    assert s.person("bob")["description"] == []


def test_values_set_by_hand_survive_a_mover(s):
    s.admin.modify(s.person_dn("ada"), add={"description": ["plays tennis"], "telephoneNumber": "+49 1"})
    s.admin.modify(s.group_dn("tennis"), add={"member": s.person_dn("ada")})
    s.set("ada", departmentNumber="it")
    e = s.person("ada")
    assert sorted(e["description"]) == ["mends", "plays tennis"]
    assert e.one("telephoneNumber") == "+49 1"
    assert s.members("tennis") == ["ada"] and s.groups_of("ada") == ["it", "staff", "tennis"]


def test_a_membership_given_by_hand_before_the_role_came_is_not_taken_away(s):
    s.admin.modify(s.group_dn("it"), add={"member": s.person_dn("ada")})
    s.set("ada", departmentNumber="it")
    assert [g.origin for g in s.grants("ada") if g.kind == "group" and g.what == s.group_dn("it")] == ["had"]
    s.set("ada", departmentNumber="sales")
    assert s.members("it") == ["ada"] and "it" in s.groups_of("ada")


def test_a_value_that_was_there_before_the_role_came_is_not_taken_away(s):
    s.admin.modify(s.person_dn("ada"), add={"description": "mends"})
    s.set("ada", departmentNumber="it")
    s.set("ada", departmentNumber="sales")
    assert sorted(s.person("ada")["description"]) == ["mends", "sells"]


def test_a_default_stays_when_its_role_goes(s):
    s.role("vip", provAssignFilter="(title=Dr)", provTemplate="default carLicense: VIP 1")
    s.set("ada", title="Dr")
    assert s.person("ada").one("carLicense") == "VIP 1"
    s.set("ada", title="Mr")
    assert s.person("ada").one("carLicense") == "VIP 1"


def test_a_default_once_changed_by_hand_stays_as_it_is(s):
    s.set("ada", mail="countess@example.com")
    s.set("ada", departmentNumber="it")
    assert s.person("ada")["mail"] == ["countess@example.com"]


def test_a_write_that_no_role_looks_at_leaves_everything_alone(s):
    csn = s.admin.get(s.group_dn("sales")).one("entryCSN")
    grants = sorted(map(repr, s.grants("ada")))
    s.set("ada", telephoneNumber="+49 2")
    assert sorted(map(repr, s.grants("ada"))) == grants
    assert s.admin.get(s.group_dn("sales")).one("entryCSN") == csn
    assert s.record(uid="ada", op="modify")["attributes"] == ["telephoneNumber"]


def test_an_enforced_value_cannot_be_changed_while_the_role_is_held(s):
    with refused(ldap.CONSTRAINT_VIOLATION, "sales", "businessCategory"):
        s.set("ada", businessCategory="Pirates")
    with refused(ldap.CONSTRAINT_VIOLATION, "sales", "businessCategory"):
        s.admin.modify(s.person_dn("ada"), delete={"businessCategory": None})
    with refused(ldap.CONSTRAINT_VIOLATION, "sales", "businessCategory"):
        s.admin.modify(s.person_dn("ada"), add={"businessCategory": "Pirates"})
    s.set("ada", businessCategory="Sales")
    assert s.person("ada")["businessCategory"] == ["Sales"]


def test_an_enforced_value_follows_the_attributes_it_is_made_of(s):
    s.role("home", provAssignFilter="(departmentNumber=*)", provTemplate="enforce homePostalAddress: desk {roomNumber|or:none}")
    s.account("bob", departmentNumber="it")
    assert s.person("bob").one("homePostalAddress") == "desk none"
    s.set("bob", roomNumber="7")
    assert s.person("bob")["homePostalAddress"] == ["desk 7"]


def test_an_added_value_follows_the_attributes_it_is_made_of(s):
    s.role("t", provAssignFilter="(title=*)", provTemplate="add description: is {title}")
    s.set("ada", title="Dr")
    s.set("ada", title="Prof")
    assert sorted(s.person("ada")["description"]) == ["is Prof", "sells"]
    s.set("ada", title=None)
    assert s.person("ada")["description"] == ["sells"]


def test_an_attribute_that_a_class_requires_stays_when_its_role_goes(s):
    s.role("names", provAssignFilter="(title=Dr)", provTemplate="add sn: Doctor")
    s.admin.add(s.person_dn("bob"), {"objectClass": "inetOrgPerson", "uid": "bob", "cn": "Bob", "title": "Dr", "sn": "B",
                                     "givenName": "Bob"})
    assert sorted(s.person("bob")["sn"]) == ["B", "Doctor"]
    s.admin.modify(s.person_dn("bob"), delete={"sn": "B"})
    s.set("bob", title="Mr")
    assert s.person("bob")["sn"] == ["Doctor"]


@pytest.mark.parametrize("how", ["move", "terminate", "suspend and delete"])
def test_a_class_that_a_role_added_stays_while_a_value_that_stays_needs_it(s, how):
    s.pool("uid", 1000)
    s.role("unix", provAssignFilter="(title=Dr)", provTemplate=[
        "add objectClass: posixAccount", "default uidNumber: {next:uid}", "default gidNumber: 100",
        "enforce homeDirectory: /home/{uid}"])
    s.set("ada", title="Dr")
    if how == "move":
        s.set("ada", title="Mr")
    elif how == "terminate":
        s.leave("ada")
    else:
        s.state_of("ada", "suspended")
        s.admin.delete(s.person_dn("ada"))
        return
    e = s.person("ada")
    assert e.one("uidNumber") == "1000", "a default stays"
    assert "posixAccount" in e["objectClass"] and s.roles_of("ada") == (["employee", "sales"] if how == "move" else [])


def test_a_class_that_a_role_added_goes_when_nothing_needs_it(s):
    s.role("extra", provAssignFilter="(title=Dr)", provTemplate=["add objectClass: labeledURIObject",
                                                               "add labeledURI: http://x/{uid}"])
    s.set("ada", title="Dr")
    assert "labeledURIObject" in s.person("ada")["objectClass"]
    s.set("ada", title="Mr")
    assert "labeledURIObject" not in s.person("ada")["objectClass"] and s.person("ada")["labeledURI"] == []


def test_a_number_once_given_is_kept(s):
    s.pool("uid", 1000)
    s.role("n", provAssignFilter="(title=*)", provTemplate="add employeeNumber: {next:uid}")
    s.set("ada", title="Dr")
    assert s.person("ada").one("employeeNumber") == "1000"
    s.set("ada", title="Prof")
    assert s.person("ada").one("employeeNumber") == "1000"


def test_a_renamed_account_keeps_its_memberships_under_its_new_name(s):
    s.admin.modify(s.group_dn("tennis"), add={"member": s.person_dn("ada")})
    s.admin.rename(s.person_dn("ada"), "uid=ada.l")
    assert s.members("sales") == ["ada.l"] and s.members("tennis") == ["ada.l"] and s.members("staff") == ["ada.l"]
    assert s.groups_of("ada.l") == ["sales", "staff", "tennis"]
    assert s.roles_of("ada.l") == ["employee", "sales"]
    r = s.record(op="rename")
    assert r["dn"] == s.person_dn("ada") and r["newDn"] == s.person_dn("ada.l")
    kinds = [v["type"] for v in s.events() if v["data"]["changeId"] == r["id"]]
    assert "org.slapo-provision.account.renamed" in kinds


def test_a_rename_that_makes_a_mover_is_evaluated(s):
    s.role("admins", provAssignFilter="(uid=adm-*)", provGroup="it")
    s.admin.rename(s.person_dn("ada"), "uid=adm-ada")
    assert s.roles_of("adm-ada") == ["admins", "employee", "sales"] and s.members("it") == ["adm-ada"]
    s.admin.rename(s.person_dn("adm-ada"), "uid=ada")
    assert s.roles_of("ada") == ["employee", "sales"] and s.members("it") == []


def test_a_rename_changes_memberuid_and_uniquemember_too(s):
    s.group("posix", cls="posixGroup")
    s.group("unique", cls="groupOfUniqueNames")
    s.role("more", provAssignFilter="(departmentNumber=it)", provGroup=["posix", "unique"])
    s.set("ada", departmentNumber="it")
    s.admin.rename(s.person_dn("ada"), "uid=eva")
    assert s.members("posix") == ["eva"] and s.members("unique") == ["eva"]


def test_a_renamed_subtree_takes_the_memberships_of_all_its_accounts_along(s):
    for ou in ("north", "south"):
        s.admin.add(f"ou={ou},{PEOPLE}", {"objectClass": "organizationalUnit", "ou": ou})
    dns = [s.account(f"uid=n{i},ou=north,{PEOPLE}", departmentNumber="sales") for i in range(5)]
    s.admin.modify(s.group_dn("tennis"), add={"member": dns[0]})
    s.admin.rename(f"ou=north,{PEOPLE}", "ou=nord", f"ou=south,{PEOPLE}")
    new = [f"uid=n{i},ou=nord,ou=south,{PEOPLE}" for i in range(5)]
    assert set(s.admin.get(s.group_dn("sales"))["member"]) == {NOBODY, s.person_dn("ada"), *new}
    assert set(s.admin.get(s.group_dn("tennis"))["member"]) == {NOBODY, new[0]}
    assert set(s.admin.get(new[0])["memberOf"]) == {s.group_dn(g) for g in ("sales", "staff", "tennis")}


def test_an_account_that_leaves_the_accounts_by_rename_loses_what_it_was_given(s):
    s.admin.rename(s.person_dn("ada"), "uid=ada", f"ou=archive,{s.suffix}")
    e = s.admin.get(f"uid=ada,ou=archive,{s.suffix}")
    assert e["provEffectiveRole"] == [] and e["provGrant"] == []
    assert s.members("sales") == [] and s.members("staff") == []


def test_the_password_exop_is_recorded_and_changes_no_role(s):
    s.admin.ld.passwd_s(s.person_dn("ada"), None, "new-pw")
    assert s.may_bind("ada", "new-pw") and not s.may_bind("ada", "ada-pw")
    r = s.record(op="modify", uid="ada")
    assert "userPassword" in r["attributes"]
    assert "new-pw" not in str(s.state_now().rows)
    assert s.roles_of("ada") == ["employee", "sales"]


def test_a_group_taken_away_by_hand_stays_away_as_an_exception(s):
    s.admin.modify(s.group_dn("sales"), delete={"member": s.person_dn("ada")})
    assert s.members("sales") == [] and "sales" not in s.groups_of("ada")
    (x,) = s.exceptions("ada")
    assert (x.kind, x.what, x.role) == ("group", s.group_dn("sales"), s.rootdn)
    assert not [g for g in s.grants("ada") if g.what == s.group_dn("sales")]
    s.set("ada", title="Dr", departmentNumber="sales")
    stays(lambda: s.members("sales") == [], 0.3)
    assert s.record(op="group", dn=s.group_dn("sales"))["actor"]["authz"] == s.rootdn


def test_a_deleted_exception_gives_the_thing_back(s):
    s.admin.modify(s.group_dn("sales"), delete={"member": s.person_dn("ada")})
    s.admin.modify(s.person_dn("ada"), delete={"provException": None})
    assert s.members("sales") == ["ada"] and s.exceptions("ada") == [] and "sales" in s.groups_of("ada")


def test_a_replaced_member_list_makes_exceptions_for_those_who_are_gone(s):
    s.account("bob", departmentNumber="sales")
    s.admin.modify(s.group_dn("sales"), replace={"member": [NOBODY, s.person_dn("bob")]})
    assert s.members("sales") == ["bob"]
    assert [x.what for x in s.exceptions("ada")] == [s.group_dn("sales")]
    assert s.exceptions("bob") == []
    assert s.groups_of("ada") == ["staff"] and s.groups_of("bob") == ["sales", "staff"]


def test_a_memberuid_taken_away_by_hand_is_an_exception_too(s):
    s.group("posix", cls="posixGroup")
    s.role("p", provAssignFilter="(departmentNumber=sales)", provGroup="posix")
    s.account("bob", departmentNumber="sales")
    s.admin.modify(s.group_dn("posix"), delete={"memberUid": "bob"})
    assert [x.what for x in s.exceptions("bob")] == [s.group_dn("posix")]
    s.set("bob", departmentNumber="sales", title="Dr")
    assert "bob" not in s.members("posix")


def test_an_added_value_taken_away_by_hand_stays_away_as_an_exception(s):
    s.admin.modify(s.person_dn("ada"), delete={"description": "sells"})
    assert s.person("ada")["description"] == []
    (x,) = s.exceptions("ada")
    assert (x.kind, x.what) == ("add", "description: sells")
    s.set("ada", departmentNumber="sales", title="Dr")
    assert s.person("ada")["description"] == []
    s.admin.modify(s.person_dn("ada"), delete={"provException": None})
    assert s.person("ada")["description"] == ["sells"]


def test_a_mover_is_refused_whole_when_a_new_role_cannot_be_applied(s):
    s.role("needs", provAssignFilter="(departmentNumber=lab)", provTemplate="add description: {carLicense}", provGroup="it")
    before, trail = s.person("ada"), len(s.trail())
    with refused(ldap.CONSTRAINT_VIOLATION, "needs", "carLicense"):
        s.set("ada", departmentNumber="lab")
    assert s.person("ada") == before
    assert s.members("sales") == ["ada"] and s.members("it") == []
    assert len(s.trail()) == trail


def test_a_modify_that_the_backend_refuses_changes_nothing(s):
    before, trail = s.person("ada"), len(s.trail())
    with pytest.raises(ldap.NO_SUCH_ATTRIBUTE):
        s.admin.modify(s.person_dn("ada"), delete={"title": "Dr"}, replace={"departmentNumber": "it"})
    with pytest.raises(ldap.OBJECT_CLASS_VIOLATION):
        s.admin.modify(s.person_dn("ada"), delete={"sn": None}, replace={"departmentNumber": "it"})
    assert s.person("ada") == before and len(s.trail()) == trail
    with pytest.raises(ldap.NO_SUCH_OBJECT):
        s.set("ghost", departmentNumber="it")


def test_who_may_not_write_learns_nothing_of_the_policy(s):
    me = s.client(s.person_dn("ada"), "ada-pw")
    s.account("bob", departmentNumber="sales")
    with pytest.raises(ldap.INSUFFICIENT_ACCESS) as error:
        s.set("bob", client=me, businessCategory="Pirates")
    assert "sales" not in error.value.args[0].get("info", "")


def test_an_account_that_stops_being_one_loses_what_it_was_given(make_slapd):
    s = make_slapd(provision={"provision-accounts": f"ldap:///ou=people,dc=example,dc=com??sub?(employeeType=staff)"})
    s.group("staff")
    s.role("e", provAssignFilter="(objectClass=*)", provGroup="staff")
    s.account("ada", employeeType="staff")
    assert s.members("staff") == ["ada"]
    s.set("ada", employeeType="guest")
    assert s.members("staff") == [] and s.roles_of("ada") == []
    s.set("ada", employeeType="staff")
    assert s.members("staff") == ["ada"]


def test_an_empty_group_is_filled_and_emptied(s):
    """A groupOfNames must have a member: the overlay copes when it takes the last one."""
    s.admin.add(f"cn=lone,{GROUPS}", {"objectClass": "groupOfNames", "cn": "lone", "member": s.person_dn("ada")})
    s.account("bob", departmentNumber="x")
    s.set("ada", departmentNumber="it")
    s.leave("ada")
    left = s.admin.get(f"cn=lone,{GROUPS}")["member"]
    assert s.person_dn("ada") not in left
