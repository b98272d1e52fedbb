"""Roles: bad ones are refused when they are written, with a text that names them; drafts grant nothing."""

import ldap
import pytest

from directory import CONNECTORS, POLICY, POOLS, ROLES
from harness import stays, wait_until
from ldapclient import refused

OK = (ldap.CONSTRAINT_VIOLATION, ldap.UNWILLING_TO_PERFORM, ldap.INVALID_SYNTAX)


def refuses(s, *words, cn="bad", **attrs):
    """The role must be refused, by adding and by modifying, and nothing may change."""
    generation = s.monitor().one("provMonitorPolicyGeneration")
    with pytest.raises(OK) as error:
        s.role(cn, **attrs)
    info = error.value.args[0].get("info", "")
    for w in (f"cn={cn}", *words):
        assert w.lower() in info.lower(), f"{w!r} is not in {info!r}"
    assert s.admin.get(s.role_dn(cn)) is None
    s.role("fine", description="x")
    with pytest.raises(OK) as error:
        s.admin.modify(s.role_dn("fine"), add={a: v for a, v in attrs.items()})
    assert "cn=fine" in error.value.args[0].get("info", "")
    s.admin.delete(s.role_dn("fine"))
    assert s.monitor().one("provMonitorPolicyError") is None
    assert int(s.monitor().one("provMonitorPolicyGeneration")) >= int(generation)
    s.account("still-works")


@pytest.mark.parametrize("text", ["(departmentNumber=sales", "departmentNumber", "(&)(", "(noSuchAttribute=1)",
                                  "(uidNumber=abc)", "(cn:caseExactMatch:=x)", ""])
def test_a_filter_that_does_not_compile_is_refused(slapd, text):
    if not text:
        with pytest.raises(OK):
            slapd.role("bad", provAssignFilter=" ")
        return
    refuses(slapd, "filter", provAssignFilter=text)


@pytest.mark.parametrize("line, word", [
    ("give mail: x", "give"), ("add mail", "add mail"), ("add noSuchAttribute: x", "noSuchAttribute"),
    ("add mail: {givenName", "{"), ("add mail: {noSuchAttribute}", "noSuchAttribute"),
    ("add mail: {givenName|shout}", "shout"), ("add mail: {givenName|first:x}", "first"),
    ("add mail: }x", "}"), ("add uidNumber: {next:nowhere}", "nowhere"), ("add uidNumber: abc", "uidNumber"),
    ("add mail: {random:0}", "random"), ("add description: {now+3y}", "now"), ("add entryCSN: x", "entryCSN"),
    ("add provGrant: x", "provGrant"), ("enforce mail: {unique", "{"),
])
def test_a_template_that_does_not_compile_is_refused(slapd, line, word):
    refuses(slapd, word, provTemplate=line)


def test_an_unknown_group_is_refused(slapd):
    refuses(slapd, "cn=ghost", provGroup=slapd.group_dn("ghost"))


def test_a_group_that_is_no_group_is_refused(slapd):
    refuses(slapd, "ou=people", provGroup=f"ou=people,{slapd.suffix}")


def test_an_unknown_included_role_is_refused(slapd):
    refuses(slapd, "cn=ghost", provInclude=slapd.role_dn("ghost"))


def test_an_include_cycle_is_refused_and_shown(slapd):
    slapd.role("a")
    slapd.role("b", provInclude="a")
    slapd.role("c", provInclude="b")
    with pytest.raises(OK) as error:
        slapd.admin.modify(slapd.role_dn("a"), add={"provInclude": slapd.role_dn("c")})
    info = error.value.args[0]["info"]
    assert "a > c > b > a" in info
    with pytest.raises(OK):
        slapd.admin.modify(slapd.role_dn("a"), add={"provInclude": slapd.role_dn("a")})
    assert slapd.admin.get(slapd.role_dn("a"))["provInclude"] == []


def test_an_included_role_cannot_be_deleted(slapd):
    slapd.role("a")
    slapd.role("b", provInclude="a")
    with pytest.raises(OK) as error:
        slapd.admin.delete(slapd.role_dn("a"))
    assert "cn=b" in error.value.args[0]["info"]


def test_a_bad_status_is_refused(slapd):
    refuses(slapd, "provStatus", provStatus="maybe")


@pytest.mark.parametrize("attr, value", [("provMaxMembers", "3"), ("provPrerequisite", f"cn=x,{ROLES}")])
def test_what_is_for_later_is_refused_and_says_so(slapd, attr, value):
    refuses(slapd, attr, "not supported yet", **{attr: value})


def test_enforced_values_that_must_clash_are_refused_when_written(slapd):
    slapd.role("a", provAssignFilter="(title=*)", provTemplate="enforce preferredLanguage: de")
    refuses(slapd, "preferredLanguage", cn="b", provInclude=slapd.role_dn("a"),
            provTemplate="enforce preferredLanguage: fr")


def test_a_pool_in_use_cannot_be_deleted(slapd):
    slapd.pool("uid")
    slapd.role("a", provTemplate="default employeeNumber: {next:uid}")
    with pytest.raises(OK) as error:
        slapd.admin.delete(f"cn=uid,{POOLS}")
    assert "cn=a" in error.value.args[0]["info"]


@pytest.mark.parametrize("attrs, word", [
    ({"provConnectorType": "pigeon"}, "pigeon"), ({"provFilter": "(nonsense"}, "provFilter"),
    ({"provAttribute": "userPassword"}, "userPassword"), ({"provAttribute": "noSuchAttribute"}, "noSuchAttribute"),
    ({"provTimeout": "0"}, "provTimeout"),
])
def test_a_bad_connector_is_refused_and_named(slapd, attrs, word):
    with pytest.raises(OK) as error:
        slapd.connector("bad", "/bin/true", **attrs)
    assert word in error.value.args[0]["info"] and "cn=bad" in error.value.args[0]["info"]
    assert slapd.admin.get(f"cn=bad,{CONNECTORS}") is None


def test_other_entries_below_the_policy_are_passed_over(slapd):
    slapd.admin.add(f"cn=note,{POLICY}", {"objectClass": "organizationalRole", "cn": "note"})
    slapd.admin.delete(f"cn=note,{POLICY}")


def test_a_role_can_be_changed_and_deleted_by_an_application_that_may(slapd):
    hr = slapd.client(f"cn=hr,ou=apps,{slapd.suffix}", "hr-secret")
    slapd.role("a", client=hr, provAssignFilter="(title=Dr)")
    hr.modify(slapd.role_dn("a"), replace={"provAssignFilter": "(title=Prof)"})
    assert slapd.record(op="policy")["actor"]["authz"] == f"cn=hr,ou=apps,{slapd.suffix}"
    hr.delete(slapd.role_dn("a"))
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        slapd.account("ada")
        slapd.role("b", client=slapd.client(slapd.person_dn("ada"), "ada-pw"))


def test_a_role_is_not_renamed(slapd):
    slapd.role("a")
    with refused(ldap.UNWILLING_TO_PERFORM, "cn=a"):
        slapd.admin.rename(slapd.role_dn("a"), "cn=b")


def test_a_group_that_a_role_grants_is_neither_deleted_nor_renamed(slapd):
    slapd.group("staff")
    slapd.role("a", provGroup="staff")
    with refused(ldap.UNWILLING_TO_PERFORM, "cn=a"):
        slapd.admin.delete(slapd.group_dn("staff"))
    with refused(ldap.UNWILLING_TO_PERFORM, "cn=a"):
        slapd.admin.rename(slapd.group_dn("staff"), "cn=crew")
    slapd.admin.modify(slapd.role_dn("a"), delete={"provGroup": None})
    slapd.admin.delete(slapd.group_dn("staff"))


@pytest.mark.parametrize("status", ["draft", "retired"])
def test_a_role_that_is_not_active_grants_nothing(slapd, status):
    slapd.group("staff")
    slapd.role("a", provStatus=status, provAssignFilter="(title=Dr)", provGroup="staff", provTemplate="add description: x")
    slapd.account("ada", title="Dr")
    assert slapd.roles_of("ada") == [] and slapd.members("staff") == [] and slapd.person("ada")["description"] == []
    slapd.role("b", provInclude="a", provAssignFilter="(title=Dr)")
    slapd.account("bob", title="Dr")
    assert slapd.roles_of("bob") == ["b"] and slapd.members("staff") == []


def test_a_draft_that_becomes_active_is_granted_and_a_retired_role_goes(slapd):
    slapd.group("staff")
    slapd.role("a", provStatus="draft", provAssignFilter="(title=Dr)", provGroup="staff")
    slapd.account("ada", title="Dr")
    slapd.admin.modify(slapd.role_dn("a"), replace={"provStatus": "active"})
    wait_until(lambda: slapd.members("staff") == ["ada"])
    slapd.admin.modify(slapd.role_dn("a"), replace={"provStatus": "retired"})
    wait_until(lambda: slapd.members("staff") == [] and slapd.roles_of("ada") == [])


def test_a_draft_may_be_changed_freely_and_nobody_notices(slapd):
    slapd.role("a", provStatus="draft", provAssignFilter="(title=Dr)", provTemplate="add description: x")
    slapd.account("ada", title="Dr")
    csn = slapd.person("ada").one("entryCSN")
    slapd.admin.modify(slapd.role_dn("a"), replace={"provTemplate": "add description: y"})
    stays(lambda: slapd.person("ada").one("entryCSN") == csn, 0.3)


def test_a_policy_that_was_broken_underneath_refuses_writes_and_can_be_mended(make_slapd):
    """slapadd asks nobody: such a policy must not be half in force."""
    s = make_slapd(start=False)
    s.slapadd(f"dn: cn=bad,{ROLES}\nobjectClass: provRole\ncn: bad\nprovAssignFilter: (nonsense\n")
    s.expect_log("does not compile")
    s.start()
    assert "cn=bad" in s.monitor().one("provMonitorPolicyError")
    with refused(ldap.UNWILLING_TO_PERFORM, "cn=bad"):
        s.account("ada")
    s.admin.modify(s.role_dn("bad"), replace={"provAssignFilter": "(title=Dr)"})
    assert s.monitor().one("provMonitorPolicyError") is None
    s.account("ada", title="Dr")
    assert s.roles_of("ada") == ["bad"]


def test_policy_changes_count_for_the_next_write(slapd):
    slapd.group("staff")
    slapd.role("a", provAssignFilter="(title=Dr)", provGroup="staff")
    for i in range(20):
        slapd.admin.modify(slapd.role_dn("a"), replace={"provAssignFilter": f"(title=T{i})"})
        slapd.account(f"u{i}", title=f"T{i}")
        assert slapd.roles_of(f"u{i}") == ["a"]
