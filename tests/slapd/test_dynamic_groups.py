"""Large roles: a dynamic group over provEffectiveRole (slapo-dynlist) instead of a member list.

docs/large-roles.md recommends it; what it says is tried here.
"""

from directory import GROUPS, PEOPLE, ROLES

ROLE = f"cn=everybody,{ROLES}"


def start(make_slapd):
    s = make_slapd(overlays=["dynlist"])
    s.role("everybody", provAssignFilter="(employeeType=staff)", provEntitlement="building:door")
    s.admin.add(f"cn=everybody,{GROUPS}", {
        "objectClass": ["groupOfURLs"], "cn": "everybody",
        "memberURL": f"ldap:///{PEOPLE}??sub?(provEffectiveRole={ROLE})"})
    return s


def members(s):
    return sorted(s.admin.get(f"cn=everybody,{GROUPS}", "member")["member"])


def test_a_dynamic_group_over_the_effective_role_follows_joiner_mover_and_leaver(make_slapd):
    s = start(make_slapd)
    s.account("ada", employeeType="staff")
    s.account("bob", employeeType="guest")
    assert members(s) == [s.person_dn("ada")]
    s.set("bob", employeeType="staff")
    assert members(s) == [s.person_dn("ada"), s.person_dn("bob")]
    s.leave("ada")
    assert members(s) == [s.person_dn("bob")]


def test_a_joiner_of_such_a_role_writes_no_group_entry(make_slapd):
    s = start(make_slapd)
    before = s.admin.get(f"cn=everybody,{GROUPS}", "entryCSN").one("entryCSN")
    s.account("ada", employeeType="staff")
    assert members(s) == [s.person_dn("ada")]
    assert s.admin.get(f"cn=everybody,{GROUPS}", "entryCSN").one("entryCSN") == before
