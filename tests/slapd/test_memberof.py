"""provision-memberof on: memberOf is right after every group write, in the same commit."""

import ldap
import pytest

from directory import GROUPS, NOBODY
from harness import wait_until


@pytest.fixture
def s(slapd):
    for uid in ("ada", "bob", "carl"):
        slapd.account(uid)
    return slapd


def agree(s):
    """memberOf of everybody against all groups, by reading everything."""
    want = {}
    for g in s.admin.search(s.suffix, "(|(member=*)(uniqueMember=*))"):
        for m in g["member"] + g["uniqueMember"]:
            if m:
                want.setdefault(m.lower(), set()).add(g.dn.lower())
    for e in s.admin.search(s.suffix, attrs=["memberOf"]):
        assert {d.lower() for d in e["memberOf"]} == want.get(e.dn.lower(), set()), e.dn


def test_a_group_added_with_members(s):
    s.group("staff", ["ada", "bob"])
    assert s.groups_of("ada") == ["staff"] and s.groups_of("carl") == []
    assert s.admin.get(NOBODY, "memberOf")["memberOf"] == [s.group_dn("staff")], "not accounts only"
    agree(s)


@pytest.mark.parametrize("cls, attr", [("groupOfNames", "member"), ("groupOfUniqueNames", "uniqueMember")])
def test_members_added_deleted_and_replaced(s, cls, attr):
    s.group("staff", cls=cls)
    dn = s.group_dn("staff")
    s.admin.modify(dn, add={attr: [s.person_dn("ada"), s.person_dn("bob")]})
    assert s.groups_of("ada") == s.groups_of("bob") == ["staff"]
    s.admin.modify(dn, delete={attr: s.person_dn("ada")})
    assert s.groups_of("ada") == []
    s.admin.modify(dn, replace={attr: [NOBODY, s.person_dn("carl")]})
    assert s.groups_of("bob") == [] and s.groups_of("carl") == ["staff"]
    agree(s)
    s.admin.ld.modify_s(dn, [(ldap.MOD_DELETE, attr, s.person_dn("carl").encode()),
                             (ldap.MOD_ADD, attr, s.person_dn("ada").encode()),
                             (ldap.MOD_ADD, attr, s.person_dn("bob").encode())])
    agree(s)


def test_one_modify_that_deletes_and_adds_the_same_member(s):
    s.group("staff", ["ada"])
    s.admin.ld.modify_s(s.group_dn("staff"), [(ldap.MOD_DELETE, "member", s.person_dn("ada").encode()),
                                              (ldap.MOD_ADD, "member", s.person_dn("ada").encode())])
    assert s.groups_of("ada") == ["staff"]
    agree(s)


def test_a_deleted_group(s):
    s.group("staff", ["ada"])
    s.group("tennis", ["ada"])
    s.admin.delete(s.group_dn("staff"))
    assert s.groups_of("ada") == ["tennis"]
    agree(s)


def test_a_renamed_and_a_moved_group(s):
    s.group("staff", ["ada"])
    s.admin.rename(s.group_dn("staff"), "cn=crew")
    assert s.groups_of("ada") == ["crew"]
    s.admin.add(f"ou=sub,{GROUPS}", {"objectClass": "organizationalUnit", "ou": "sub"})
    s.admin.rename(s.group_dn("crew"), "cn=crew", f"ou=sub,{GROUPS}")
    assert s.person("ada")["memberOf"] == [f"cn=crew,ou=sub,{GROUPS}"]
    agree(s)


def test_a_renamed_folder_of_groups(s):
    s.admin.add(f"ou=sub,{GROUPS}", {"objectClass": "organizationalUnit", "ou": "sub"})
    for g in ("a", "b"):
        s.group(f"cn={g},ou=sub,{GROUPS}", ["ada", "bob"])
    s.admin.rename(f"ou=sub,{GROUPS}", "ou=below")
    assert sorted(s.person("ada")["memberOf"]) == [f"cn={g},ou=below,{GROUPS}" for g in ("a", "b")]
    agree(s)


def test_a_group_in_a_group(s):
    s.group("inner", ["ada"])
    s.group("outer", [s.group_dn("inner")])
    assert s.admin.get(s.group_dn("inner"))["memberOf"] == [s.group_dn("outer")]
    agree(s)


def test_a_member_that_is_not_there_is_no_error(s):
    s.group("staff", ["ghost", "uid=x,dc=elsewhere"])
    s.admin.modify(s.group_dn("staff"), delete={"member": s.person_dn("ghost")})
    agree(s)


def test_a_member_in_other_spelling_is_the_same(s):
    s.group("staff")
    s.admin.modify(s.group_dn("staff"), add={"member": s.person_dn("ada").upper().replace(",", " , ")})
    assert s.groups_of("ada") == ["staff"]
    s.admin.modify(s.group_dn("staff"), delete={"member": s.person_dn("ada")})
    assert s.groups_of("ada") == []


def test_the_class_of_the_group_does_not_matter(s):
    s.admin.add(f"cn=loose,{GROUPS}", {"objectClass": ["device", "extensibleObject"], "cn": "loose",
                                       "member": s.person_dn("ada")})
    assert s.groups_of("ada") == ["loose"]


def test_a_refused_group_write_changes_no_memberof(s):
    s.group("staff", ["ada"])
    with pytest.raises(ldap.TYPE_OR_VALUE_EXISTS):
        s.admin.modify(s.group_dn("staff"), add={"member": [s.person_dn("bob"), s.person_dn("ada")]})
    with pytest.raises(ldap.NO_SUCH_ATTRIBUTE):
        s.admin.modify(s.group_dn("staff"), delete={"member": [s.person_dn("ada"), s.person_dn("bob")]})
    with pytest.raises(ldap.OBJECT_CLASS_VIOLATION):
        s.admin.modify(s.group_dn("staff"), delete={"member": None})
    assert s.groups_of("ada") == ["staff"] and s.groups_of("bob") == []
    agree(s)


def test_a_person_added_after_being_named_in_a_group(s):
    s.group("staff", ["dora"])
    s.account("dora")
    agree(s)


def test_group_writes_are_recorded_with_their_members(s):
    s.group("staff")
    s.admin.modify(s.group_dn("staff"), add={"member": s.person_dn("ada")})
    r = s.record(op="group", dn=s.group_dn("staff"))
    assert r["members"] == [{"dn": s.person_dn("ada"), "add": True}]
    s.admin.modify(s.group_dn("staff"), delete={"member": s.person_dn("ada")})
    assert s.record(op="group", dn=s.group_dn("staff"))["members"] == [{"dn": s.person_dn("ada"), "add": False}]


def test_clients_cannot_write_memberof(s):
    s.group("staff")
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        s.admin.modify(s.person_dn("ada"), add={"memberOf": s.group_dn("staff")})


def test_off_leaves_memberof_alone(make_slapd):
    s = make_slapd(provision={"provision-memberof": "off"})
    s.group("staff")
    s.role("r", provAssignFilter="(title=Dr)", provGroup="staff")
    s.account("ada", title="Dr")
    assert s.members("staff") == ["ada"] and s.person("ada")["memberOf"] == []


def test_it_can_be_switched_on_while_it_runs(make_slapd, style):
    s = make_slapd(style, provision={"provision-memberof": "off"})
    s.account("ada")
    s.config_client().modify(s.config.overlay_dn, replace={"olcProvisionMemberOf": "TRUE"})
    s.group("staff", ["ada"])
    wait_until(lambda: s.groups_of("ada") == ["staff"])


def test_everything_at_once_agrees_in_the_end(s):
    for g in ("a", "b"):
        s.group(g)
    s.role("dr", provAssignFilter="(title=Dr)", provGroup=["a", "b"])
    for i in range(10):
        s.account(f"u{i}", title="Dr" if i % 2 else "Mr")
    s.admin.modify(s.group_dn("a"), add={"member": [s.person_dn("u0"), s.person_dn("u2")]},
                   delete={"member": s.person_dn("u1")})
    s.set("u3", title="Mr")
    s.leave("u5")
    s.admin.delete(s.person_dn("u7"))
    s.admin.rename(s.person_dn("u9"), "uid=u9x")
    agree(s)


def test_an_entry_that_is_account_and_group_at_once(s):
    team = s.person_dn("team")
    s.admin.add(team, {"objectClass": ["inetOrgPerson", "extensibleObject"], "uid": "team", "cn": "team", "sn": "t",
                       "member": [s.person_dn("ada"), s.person_dn("bob")]})
    agree(s)
    assert s.admin.get(s.person_dn("ada"), "memberOf")["memberOf"] == [team]
    s.admin.modify(team, add={"member": s.person_dn("carl")}, delete={"member": s.person_dn("ada")})
    agree(s)
    s.admin.modify(team, replace={"member": [team, s.person_dn("ada")], "title": "x"})
    agree(s)
    assert s.admin.get(team, "memberOf")["memberOf"] == [team]
    s.admin.modify(team, delete={"member": None})
    agree(s)
