"""Joiners: one ldapadd brings everything that the person's roles give, in one commit."""

import threading

import ldap
import pytest

from directory import GROUPS, PEOPLE, POLICY
from ldapclient import refused

MAIL = "default mail: {givenName|ascii|lower}.{sn|ascii|lower}{unique}@example.com"


def sales(s, **more):
    for cn, cls in (("sales", "groupOfNames"), ("offers", "groupOfUniqueNames"), ("crm", "posixGroup")):
        s.group(cn, cls=cls)
    s.role("sales", provAssignFilter="(&(objectClass=inetOrgPerson)(departmentNumber=sales))",
           provTemplate=[MAIL, "add description: sells", "enforce businessCategory: Sales"],
           provGroup=["sales", "offers", "crm"], provEntitlement=["crm:write", "phone:abroad"], **more)


def together(n, work):
    """work(i) in n threads, begun at the same time; exceptions come back as results."""
    gate, out = threading.Barrier(n), [None] * n

    def run(i):
        gate.wait()
        try:
            out[i] = work(i)
        except ldap.LDAPError as error:
            out[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return out


def test_a_joiner_gets_everything_his_role_gives(make_slapd, style):
    s = make_slapd(style)
    sales(s)
    dn = s.account("ada", sn="Lovelace", departmentNumber="sales")
    e = s.person("ada")
    assert e.one("mail") == "ada.lovelace@example.com"
    assert e["description"] == ["sells"]
    assert e["businessCategory"] == ["Sales"]
    assert "provAccount" in e["objectClass"]
    assert s.roles_of("ada") == ["sales"]
    assert [s.members(g) for g in ("sales", "offers", "crm")] == [["ada"]] * 3
    assert s.groups_of("ada") == ["offers", "sales"], "a posixGroup has no DNs, so it is not in memberOf"
    kinds = sorted(g.kind for g in s.grants("ada"))
    assert kinds == ["add", "default", "enforce", "entitlement", "entitlement", "group", "group", "group"]
    assert all(g.role == s.role_dn("sales") for g in s.grants("ada"))
    assert e.dn == dn


def test_a_joiner_is_one_commit_with_one_record(slapd):
    sales(slapd)
    before = len(slapd.trail())
    slapd.account("ada", departmentNumber="sales")
    records = slapd.trail()[before:]
    assert len(records) == 1
    r = records[0]
    assert r["op"] == "add" and r["uid"] == "ada"
    assert r["roles"] == {"gained": [slapd.role_dn("sales")]}
    assert sorted(r["groups"]["gained"]) == sorted(f"cn={g},{GROUPS}" for g in ("sales", "offers", "crm"))
    assert sorted(r["entitlements"]["gained"]) == ["crm:write", "phone:abroad"]
    e = slapd.person("ada")
    assert r["entryUUID"] == e.one("entryUUID")
    assert r["id"] == e.one("provChangeId") == e.one("provCreateId")
    assert {g.change for g in slapd.grants("ada")} == {r["id"]}
    kinds = [v["type"] for v in slapd.events() if v["data"]["changeId"] == r["id"]]
    assert kinds == ["org.slapo-provision.account.created", "org.slapo-provision.role.granted"]
    assert slapd.state_now().chain() == before + 1


def test_the_records_csn_is_the_entrys(slapd):
    sales(slapd)
    slapd.account("ada", departmentNumber="sales")
    assert slapd.record(op="add", uid="ada")["csn"] == slapd.person("ada").one("entryCSN")


def test_an_account_without_any_role_is_stamped_and_recorded(slapd):
    sales(slapd)
    slapd.account("bob", departmentNumber="kitchen")
    e = slapd.person("bob")
    assert e["provEffectiveRole"] == [] and e["mail"] == []
    assert slapd.record(op="add", uid="bob")["id"] == e.one("provChangeId")


def test_entries_that_are_no_accounts_are_left_alone(slapd):
    sales(slapd)
    dn = f"cn=printer,{PEOPLE}"
    slapd.admin.add(dn, {"objectClass": "organizationalRole", "cn": "printer"})
    e = slapd.admin.get(dn)
    assert not [a for a in e if a.startswith("prov")]


def test_concurrent_joiners_of_the_same_name_get_different_addresses(slapd):
    sales(slapd)
    clients = [slapd.client(slapd.rootdn, slapd.rootpw) for _ in range(8)]
    for block in range(4):
        out = together(8, lambda i, b=block: slapd.account(f"ada{b}{i}", client=clients[i], givenName="Ada", sn="L",
                                                           departmentNumber="sales"))
        assert not [o for o in out if isinstance(o, Exception)], out
    mails = sorted(e.one("mail") for e in slapd.admin.search(PEOPLE, "(uid=ada*)"))
    want = sorted(["ada.l@example.com"] + [f"ada.l{n}@example.com" for n in range(2, 33)])
    assert mails == want


def test_concurrent_joiners_get_different_numbers_without_gaps(slapd):
    slapd.pool("uid", 1000)
    slapd.role("unix", provAssignFilter="(departmentNumber=it)",
               provTemplate=["add objectClass: posixAccount", "default uidNumber: {next:uid}",
                             "default gidNumber: 100", "default homeDirectory: /home/{uid}"])
    clients = [slapd.client(slapd.rootdn, slapd.rootpw) for _ in range(8)]
    for block in range(3):
        out = together(8, lambda i, b=block: slapd.account(f"u{b}{i}", client=clients[i], departmentNumber="it"))
        assert not [o for o in out if isinstance(o, Exception)], out
    numbers = sorted(int(e.one("uidNumber")) for e in slapd.admin.search(PEOPLE, "(objectClass=posixAccount)"))
    assert numbers == list(range(1000, 1024))


def test_a_refused_joiner_takes_no_number(slapd):
    slapd.pool("uid", 1000)
    slapd.role("unix", provAssignFilter="(departmentNumber=it)",
               provTemplate=["add employeeNumber: {next:uid}", "add description: {title}"])
    with refused(ldap.CONSTRAINT_VIOLATION, "unix", "title"):
        slapd.account("ada", departmentNumber="it")
    slapd.account("bob", departmentNumber="it", title="Dr")
    assert slapd.person("bob").one("employeeNumber") == "1000"


def test_a_pool_that_is_used_up_refuses_and_says_so(slapd):
    slapd.pool("uid", 7, 8)
    slapd.role("it", provAssignFilter="(departmentNumber=it)", provTemplate="default employeeNumber: {next:uid}")
    for uid in ("ada", "bob"):
        slapd.account(uid, departmentNumber="it")
    with pytest.raises(ldap.LDAPError) as error:
        slapd.account("carl", departmentNumber="it")
    info = error.value.args[0]["info"]
    assert "it" in info and "used up" in info
    assert slapd.person("carl") is None


def test_a_missing_attribute_refuses_and_names_role_line_and_attribute(slapd):
    slapd.group("staff")
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="staff",
               provTemplate=["add description: sells", "add roomNumber: {telephoneNumber|last:3}"])
    before = len(slapd.trail())
    with refused(ldap.CONSTRAINT_VIOLATION, "sales", "roomNumber", "telephoneNumber"):
        slapd.account("ada", departmentNumber="sales")
    assert slapd.person("ada") is None
    assert slapd.members("staff") == []
    assert len(slapd.trail()) == before, "a refused write has no record"


def test_a_value_that_breaks_the_syntax_refuses(slapd):
    slapd.role("unix", provAssignFilter="(departmentNumber=it)",
               provTemplate=["add objectClass: posixAccount", "default uidNumber: {sn}", "default gidNumber: 100",
                             "default homeDirectory: /home/{uid}"])
    with refused(ldap.CONSTRAINT_VIOLATION, "unix", "uidNumber"):
        slapd.account("ada", departmentNumber="it")
    assert slapd.person("ada") is None


def test_a_value_that_the_schema_does_not_allow_here_refuses_and_leaves_nothing(slapd):
    slapd.group("staff")
    slapd.role("odd", provAssignFilter="(departmentNumber=it)", provTemplate="default uidNumber: 5", provGroup="staff")
    with pytest.raises(ldap.OBJECT_CLASS_VIOLATION):
        slapd.account("ada", departmentNumber="it")
    assert slapd.person("ada") is None and slapd.members("staff") == []


def test_a_default_leaves_the_clients_own_value(slapd):
    sales(slapd)
    slapd.account("ada", departmentNumber="sales", mail="countess@example.com")
    assert slapd.person("ada").one("mail") == "countess@example.com"


def test_an_enforced_attribute_refuses_the_clients_other_value(slapd):
    sales(slapd)
    with refused(ldap.CONSTRAINT_VIOLATION, "sales", "businessCategory"):
        slapd.account("ada", departmentNumber="sales", businessCategory="Pirates")
    slapd.account("bob", departmentNumber="sales", businessCategory="Sales")
    assert slapd.person("bob")["businessCategory"] == ["Sales"]


@pytest.mark.parametrize("given, sn, mail", [
    ("Jörg", "Müller-Lüdenscheidt", "jorg.muller-ludenscheidt@example.com"),
    ("Łukasz", "Weiß", "lukasz.weiss@example.com"),
    ("Søren", "Ångström", "soren.angstrom@example.com"),
    ("Zoë", "Nguyễn", "zoe.nguyen@example.com"),
])
def test_names_with_accents_become_plain_addresses(slapd, given, sn, mail):
    sales(slapd)
    slapd.account("x", givenName=given, sn=sn, cn=f"{given} {sn}", departmentNumber="sales")
    assert slapd.person("x").one("mail") == mail


def test_dn_values_are_escaped(slapd):
    slapd.role("r", provAssignFilter="(departmentNumber=it)",
               provTemplate="default seeAlso: cn={sn},ou=apps,dc=example,dc=com")
    slapd.account("ada", sn="Love,lace+x=y", departmentNumber="it")
    rdn = ldap.dn.str2dn(slapd.person("ada").one("seeAlso"))[0]
    assert rdn == [("cn", "Love,lace+x=y", 1)]


def test_a_role_given_explicitly_works_like_one_from_a_filter(slapd):
    slapd.group("staff")
    slapd.role("vip", provGroup="staff", provTemplate="add description: important")
    slapd.account("ada", provAssignedRole=slapd.role_dn("vip"))
    assert slapd.roles_of("ada") == ["vip"] and slapd.members("staff") == ["ada"]
    assert slapd.person("ada")["description"] == ["important"]


def test_an_assigned_role_that_is_not_there_refuses_and_names_it(slapd):
    with refused(ldap.CONSTRAINT_VIOLATION, "cn=ghost"):
        slapd.account("ada", provAssignedRole=slapd.role_dn("ghost"))
    assert slapd.person("ada") is None


def test_a_bad_state_refuses(slapd):
    with refused(ldap.CONSTRAINT_VIOLATION, "provState"):
        slapd.account("ada", provState="sleeping")


def test_an_included_role_is_in_force_too(slapd):
    slapd.group("staff")
    slapd.group("sales")
    slapd.role("employee", provGroup="staff")
    slapd.role("sales", provInclude="employee", provGroup="sales", provAssignFilter="(departmentNumber=sales)")
    slapd.account("ada", departmentNumber="sales")
    assert slapd.roles_of("ada") == ["employee", "sales"]
    assert slapd.groups_of("ada") == ["sales", "staff"]


def test_two_roles_that_give_the_same_thing_both_have_a_grant(slapd):
    slapd.group("staff")
    slapd.role("a", provGroup="staff", provAssignFilter="(departmentNumber=it)")
    slapd.role("b", provGroup="staff", provAssignFilter="(title=Dr)")
    slapd.account("ada", departmentNumber="it", title="Dr")
    assert slapd.members("staff") == ["ada"]
    assert sorted(g.role_cn for g in slapd.grants("ada") if g.kind == "group") == ["a", "b"]


def test_two_enforced_values_for_one_attribute_refuse_and_name_both_roles(slapd):
    slapd.role("a", provAssignFilter="(departmentNumber=it)", provTemplate="enforce preferredLanguage: {l}")
    slapd.role("b", provAssignFilter="(title=Dr)", provTemplate="enforce preferredLanguage: {st}")
    with refused(ldap.CONSTRAINT_VIOLATION, "cn=a,", "cn=b,", "preferredLanguage"):
        slapd.account("ada", departmentNumber="it", title="Dr", l="de", st="fr")


def test_a_template_may_build_on_what_another_gives(slapd):
    slapd.role("a", provAssignFilter="(departmentNumber=it)",
               provTemplate=["default labeledURI: mailto:{mail}", MAIL])
    slapd.account("ada", sn="L", departmentNumber="it")
    assert slapd.person("ada").one("labeledURI") == "mailto:ada.l@example.com"


def test_a_pending_joiner_has_his_values_but_no_access_yet(slapd):
    sales(slapd)
    slapd.account("ada", departmentNumber="sales", provState="pending")
    e = slapd.person("ada")
    assert e.one("mail") == "ada.ada@example.com"
    assert e["provEffectiveRole"] == [] and slapd.members("sales") == [] and slapd.groups_of("ada") == []
    assert not [g for g in slapd.grants("ada") if g.kind in ("group", "entitlement")]
    assert not slapd.may_bind("ada")
    slapd.state_of("ada", "active")
    assert slapd.roles_of("ada") == ["sales"] and slapd.members("sales") == ["ada"] and slapd.may_bind("ada")


@pytest.mark.parametrize("attr", ["provGrant", "provEffectiveRole", "provChangeId", "provStateSince"])
def test_nobody_sets_what_only_the_overlay_sets(slapd, attr):
    value = {"provEffectiveRole": slapd.role_dn("x"), "provStateSince": "20260101000000Z",
             "provChangeId": "01234567-89ab-7def-8123-456789abcdef"}.get(attr, "x")
    with pytest.raises((ldap.CONSTRAINT_VIOLATION, ldap.INSUFFICIENT_ACCESS)):
        slapd.account("ada", **{attr: value})
    slapd.account("bob")
    with pytest.raises((ldap.CONSTRAINT_VIOLATION, ldap.INSUFFICIENT_ACCESS)):
        slapd.admin.modify(slapd.person_dn("bob"), replace={attr: value})


def test_an_add_that_the_backend_refuses_leaves_nothing(slapd):
    sales(slapd)
    slapd.account("ada", departmentNumber="sales")
    before = len(slapd.trail())
    with pytest.raises(ldap.ALREADY_EXISTS):
        slapd.account("ada", departmentNumber="sales")
    with pytest.raises(ldap.NO_SUCH_OBJECT):
        slapd.account(f"uid=bob,ou=nowhere,{PEOPLE}", departmentNumber="sales")
    with pytest.raises(ldap.OBJECT_CLASS_VIOLATION):
        slapd.account("carl", departmentNumber="sales", cn=None)
    assert slapd.members("sales") == ["ada"]
    assert len(slapd.trail()) == before


def test_who_may_not_add_is_refused_as_without_the_overlay(slapd):
    sales(slapd)
    slapd.account("ada", departmentNumber="sales")
    me = slapd.client(slapd.person_dn("ada"), "ada-pw")
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        slapd.account("bob", client=me, departmentNumber="sales")
    assert slapd.members("sales") == ["ada"]


def test_a_writer_needs_no_rights_on_the_groups(make_slapd):
    s = make_slapd(access=['to dn.subtree="ou=people,{s}" by dn.children="ou=apps,{s}" manage by anonymous auth by * read',
                           'to * by * read'])
    sales(s)
    s.account("ada", client=s.client(f"cn=hr,ou=apps,{s.suffix}", "hr-secret"), departmentNumber="sales")
    assert s.members("sales") == ["ada"]
    assert POLICY in s.person("ada").one("provEffectiveRole")
