"""docs/threat-model.md: what somebody tries, and what stops him. The access rules are the document's own."""

import contextlib
import re
import statistics
import subprocess
import time

import ldap
import pytest
from ldap.controls.ppolicy import PasswordPolicyControl
from ldap.controls.simple import ProxyAuthzControl

from directory import APPS, ARCHIVE, GROUPS, HR, NOBODY, PEOPLE, SUFFIX
from harness import TOP, stays, wait_until
from ldapclient import ADOPT, NOOP, OVERRIDE, PLAN, REASON, RELAX, control, refused

POLICY = f"ou=policy,{SUFFIX}"
DOCUMENT = (TOP / "docs/threat-model.md").read_text()


# -- the document's rules, as written --------------------------------------------------------------


class Office:
    """A directory with the document's rules, and somebody of each kind."""

    def __init__(self, s):
        self.s = s
        for dn in (POLICY, f"ou=roles,{POLICY}", f"ou=connectors,{POLICY}"):
            s.admin.add(dn, {"objectClass": "organizationalUnit", "ou": dn.split(",")[0][3:]})
        for name in ("policy", "connectors", "auditor", "provd"):
            s.admin.add(f"cn={name},{APPS}", {"objectClass": ["organizationalRole", "simpleSecurityObject"], "cn": name,
                                              "userPassword": f"{name}-secret"})
        for name in ("sales", "vault"):
            s.group(name)
        s.account("boss")
        s.account("ada", departmentNumber="lab", manager=s.person_dn("boss"))
        s.account("eve")
        self.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
        self.role("vault", provGroup="vault", provApprover=s.person_dn("boss"))
        [rules] = re.findall(r"^```ldif\n(.*?)^```", DOCUMENT, re.M | re.S)
        done = subprocess.run(["ldapmodify", "-H", s.ldapi, "-D", "cn=config", "-w", s.rootpw], input=rules,
                              capture_output=True, text=True, env=s.env)
        assert done.returncode == 0, done.stderr

    def role_dn(self, name):
        return f"cn={name},ou=roles,{POLICY}"

    def role(self, name, **attrs):
        return self.s.role(self.role_dn(name), **attrs)

    def person(self, name):
        return self.s.client(self.s.person_dn(name), f"{name}-pw")

    def app(self, name):
        return self.s.client(f"cn={name},{APPS}", f"{name}-secret")


@pytest.fixture
def office(make_slapd):
    return Office(make_slapd(style="config", provision={"provision-policy": POLICY}))


# -- attributes that a role looks at ------------------------------------------------------------------


def warned(s, call):
    """What the log and the answer to this write warn of; both say the same."""
    mark, client = s.mark(), s.client(s.rootdn, s.rootpw)
    call(client)
    lines = re.findall(r'warning="(.*)"$', s.log_since(mark), re.M)
    told = client.ld.get_option(ldap.OPT_DIAGNOSTIC_MESSAGE) or b""
    told = (told.decode() if isinstance(told, bytes) else told).removeprefix("provision: warning: ")
    assert [told] == (lines or [""])
    return told


SELF = ['to attrs=userPassword by anonymous auth by * none',
        'to dn.subtree="ou=people,{s}" attrs=departmentNumber by self write by * read',
        'to dn.subtree="ou=people,{s}" attrs=sn by self =a by * read', 'to * by users read']


def test_who_writes_a_role_is_told_what_accounts_can_give_themselves(make_slapd):
    s = make_slapd(access=SELF)
    new = {"objectClass": "provRole", "cn": "r", "provAssignFilter": "(&(departmentNumber=x)(!(title=y)))"}
    assert "departmentNumber and so take this role" in warned(s, lambda c: c.add(s.role_dn("r"), new)), "before there is any account"
    s.account("ada")
    assert warned(s, lambda c: c.modify(s.role_dn("r"), replace={"provAssignFilter": "(title=y)"})) == ""
    text = warned(s, lambda c: c.modify(s.role_dn("r"), replace={"provTemplate": "enforce mail: {sn}@example.com"}))
    assert text == "accounts may write their own sn, which its templates read"
    back = {"provAssignFilter": "(|(title=y)(departmentNumber=1*))"}
    text = warned(s, lambda c: c.modify(s.role_dn("r"), replace=back))
    assert text == "accounts may write their own departmentNumber and so take this role; its templates read sn"
    assert warned(s, lambda c: c.modify(s.role_dn("r"), replace={"provStatus": "retired"})) == ""
    with pytest.raises(ldap.LDAPError) as answer:
        s.admin.modify(s.role_dn("r"), replace={"provStatus": "draft"}, controls=[control(NOOP)])
    assert "departmentNumber" in answer.value.args[0]["info"], "a simulation warns, too"
    ldif = f"dn: {s.role_dn('r')}\nchangetype: modify\nreplace: provStatus\nprovStatus: active\n"
    assert "! accounts may write their own departmentNumber" in \
        s.provctl("plan", "-f", "-", input="".join(f"{line}\n" for line in ldif.splitlines()), check=0).stdout.replace(
            "provision: warning: ", "")


def test_whoever_may_write_his_own_roles_is_warned_of(make_slapd):
    s = make_slapd(access=['to attrs=provTimedRole by self write', 'to * by users read'])
    text = warned(s, lambda c: s.role("r", client=c))
    assert text == "accounts may write their own provTimedRole and so take this role"


def test_the_rules_of_the_manual_leave_nothing_to_warn_of(office):
    s = office.s
    assert warned(s, lambda c: s.role(office.role_dn("it"), client=c, provAssignFilter="(departmentNumber=it)",
                                      provTemplate="default mail: {uid}@example.com")) == ""
    assert "telephoneNumber" in warned(s, lambda c: s.role(office.role_dn("z"), client=c, provAssignFilter="(telephoneNumber=1)"))


@pytest.mark.parametrize("change", [
    {"departmentNumber": "sales"}, {"provAssignedRole": f"cn=vault,ou=roles,{POLICY}"},
    {"provTimedRole": f"- - cn=vault,ou=roles,{POLICY}"}, {"provState": "active"}, {"provEndTime": "20990101000000Z"},
    {"provException": "x"}, {"provType": "admin"}, {"uid": "boss"}, {"authzTo": "dn.regex:.*"},
    {"objectClass": ["inetOrgPerson", "provAccount", "posixAccount"]}, {"manager": f"uid=eve,{PEOPLE}"}])
def test_an_account_gives_itself_nothing(office, change):
    s = office.s
    eve, dn = office.person("eve"), s.person_dn("eve")
    with refused(ldap.INSUFFICIENT_ACCESS):
        eve.modify(dn, add=change)
    with refused(ldap.INSUFFICIENT_ACCESS):
        eve.modify(dn, replace=change)
    with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
        eve.rename(dn, "uid=eve+departmentNumber=sales")
    eve.modify(dn, replace={"telephoneNumber": "1"})
    assert s.members("sales") == s.members("vault") == [] and s.roles_of("eve") == []


# -- who decides --------------------------------------------------------------------------------------


def test_a_manager_proposes_and_an_approver_gives(office):
    """A role without provApprover is given by nobody (but the rootdn) by hand; its filter gives it."""
    s = office.s
    ada, vault, sales = s.person_dn("ada"), office.role_dn("vault"), office.role_dn("sales")
    boss, hr, policy = office.person("boss"), office.app("hr"), office.app("policy")
    for c, role in ((hr, vault), (hr, sales), (boss, sales), (policy, vault), (office.person("ada"), vault),
                    (boss, "CN=sales, OU=roles," + POLICY), (boss, "cn=s\\61les,ou=roles," + POLICY)):
        with refused(ldap.INSUFFICIENT_ACCESS):
            c.modify(ada, add={"provAssignedRole": role})
    with refused(ldap.INSUFFICIENT_ACCESS):
        boss.modify(ada, add={"provTimedRole": f"- - {vault}"})
    with refused(ldap.INSUFFICIENT_ACCESS):
        boss.modify(ada, add={"provAssignedRole": [vault, sales]})
    boss.modify(ada, add={"provAssignedRole": f"CN=Vault,OU=Roles,{POLICY}"})
    assert s.members("vault") == ["ada"]
    with refused(ldap.INSUFFICIENT_ACCESS):
        boss.modify(ada, replace={"provAssignedRole": [vault, sales]})
    with refused(ldap.INSUFFICIENT_ACCESS):
        boss.modify(s.role_dn(sales), add={"provApprover": s.person_dn("boss")})
    boss.modify(ada, delete={"provAssignedRole": vault})
    assert s.members("vault") == [] and s.record(uid="ada", op="modify")["actor"]["authz"] == s.person_dn("boss")


def test_who_may_add_accounts_adds_none_with_more_than_he_may_write(office):
    s = office.s
    hr, new = office.app("hr"), {"objectClass": ["inetOrgPerson", "provAccount"], "cn": "N", "sn": "N"}
    with refused(ldap.INSUFFICIENT_ACCESS):
        hr.add(s.person_dn("nina"), {**new, "uid": "nina", "provAssignedRole": office.role_dn("vault")})
    assert s.person("nina") is None and s.members("vault") == []
    hr.add(s.person_dn("nina"), {**new, "uid": "nina", "departmentNumber": "sales"})
    assert s.members("sales") == ["nina"]
    s.config_client().modify(s.config.database_dn, replace={"olcAddContentAcl": "FALSE"})  # slapd's default
    hr.add(s.person_dn("otto"), {**new, "uid": "otto", "provAssignedRole": office.role_dn("vault")})
    assert s.members("vault") == ["otto"], "which is why the rules need it"


# -- stamps ---------------------------------------------------------------------------------------------

STAMPS = {"provEffectiveRole": f"cn=vault,ou=roles,{POLICY}", "provStateSince": "20200101000000Z", "provDue": "20990101000000Z",
          "provGrant": f"group$new$20200101000000Z$00000000-0000-0000-0000-000000000000$cn=vault,ou=roles,{POLICY}$$cn=vault,{GROUPS}",
          "memberOf": f"cn=vault,{GROUPS}"}
for _which in ("Change", "Create"):
    STAMPS |= {f"prov{_which}Id": "00000000-0000-0000-0000-000000000000", f"prov{_which}Time": "20200101000000Z",
               f"prov{_which}By": NOBODY, f"prov{_which}Auth": NOBODY, f"prov{_which}From": "IP=192.0.2.1",
               f"prov{_which}Via": "mech=simple", f"prov{_which}Reason": "because"}


@pytest.mark.parametrize("attr", STAMPS)
def test_nobody_writes_a_stamp(slapd, attr):
    """Not the account, not an application with manage access, not the rootdn, not with relax."""
    s, value = slapd, {attr: STAMPS[attr]}
    s.admin.add(f"ou=roles,{SUFFIX}", {"objectClass": "organizationalUnit", "ou": "roles"})
    s.account("ada", provState="active")
    before = s.person("ada")
    for c in (s.client(s.person_dn("ada"), "ada-pw"), s.client(HR, "hr-secret"), s.admin):
        for extra in ([], [control(RELAX)], [control(ADOPT)]):
            for how in ("add", "replace", "delete"):
                with pytest.raises((ldap.CONSTRAINT_VIOLATION, ldap.INSUFFICIENT_ACCESS)):
                    c.modify(s.person_dn("ada"), **{how: value}, controls=extra)
        if c is s.admin:
            with pytest.raises(ldap.CONSTRAINT_VIOLATION):
                s.account("bob", client=c, controls=[control(RELAX)], **value)
    assert s.person("ada") == before and s.person("bob") is None


def test_a_forged_exception_names_who_wrote_it_only_in_the_trail(slapd):
    """provException can be written by whoever may: what it says of who and when is his word, the trail's is not."""
    s = slapd
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    s.account("ada", departmentNumber="sales")
    c = s.client(s.person_dn("ada"), "ada-pw")
    [grant] = s.person("ada")["provGrant"]
    c.modify(s.person_dn("ada"), add={"provException": grant})
    assert s.members("sales") == []
    r = s.record(uid="ada", op="modify")
    assert r["actor"]["authz"] == s.person_dn("ada") and "provException" in r["attributes"]


# -- templates ------------------------------------------------------------------------------------------

HOSTILE = ["{userPassword}", "{random:20}{now}", "x,ou=evil", "x+cn=y", "\\2c", " x ", "#04024869", "a\nprovState: terminated",
           "$(id)", "`id`;|&", "'\"<>=", "x\ty", "*)(uid=*", "ada, ou=people", "x" * 2000, "\u202eevil", "../../root"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_is_never_an_expression(slapd, value):
    """What a template puts in is text; in a DN, one value of one part of it."""
    s = slapd
    s.role("r", provAssignFilter="(uid=*)", provTemplate=["enforce displayName: <{employeeType}>",
                                                          f"add seeAlso: cn={{employeeType}},{PEOPLE}"])
    s.account("ada", employeeType=value)
    e = s.person("ada")
    assert e.one("displayName") == f"<{value}>"
    parts = ldap.dn.str2dn(e.one("seeAlso"))
    assert [p[0][:2] for p in parts] == [("cn", value), ("ou", "people"), ("dc", "example"), ("dc", "com")]
    assert all(len(p) == 1 for p in parts) and e["provState"] == []


@pytest.mark.parametrize("line, word", [
    ("add userPassword: x", "secret"), ("add description: {userPassword}", "secret"),
    ("default description: {cn}{userPassword|first:20}", "secret"), ("add authzTo: dn:{manager}", "act for others"),
    ("add authzFrom: dn.regex:.*", "act for others"), ("add provGrant: x", "provGrant"),
    ("enforce entryUUID: x", "entryUUID"), ("add memberOf: x", "memberOf"), ("enforce creatorsName: {manager}", "creatorsName")])
def test_a_template_neither_gives_nor_shows_what_is_secret_or_power(slapd, line, word):
    with refused(ldap.CONSTRAINT_VIOLATION, word):
        slapd.role("bad", provAssignFilter="(uid=*)", provTemplate=line)


# -- names ------------------------------------------------------------------------------------------------


@pytest.fixture
def two(slapd):
    """Two roles that exclude one another, with a group each."""
    for n in ("clerk", "cashier"):
        slapd.group(n)
        slapd.role(n, provGroup=n, **({"provConflict": "clerk"} if n == "cashier" else {}))
    slapd.account("ada", provAssignedRole=slapd.role_dn("clerk"))
    return slapd


def spelled(name):
    policy = "ou=provisioning,dc=example,dc=com"
    return [f"CN={name.upper()},OU=Roles,{policy}", f"cn = {name} , ou = roles , {policy}",
            f"cn=\\{ord(name[0]):02x}{name[1:]},ou=roles,{policy}", f"2.5.4.3={name},ou=roles,{policy}",
            f"cn=#0{4}{len(name):02x}{name.encode().hex()},ou=roles,{policy}", f"commonName={name};ou=roles,{policy}",
            f"cn=  {name},ou=roles,{policy}"]


@pytest.mark.parametrize("n", range(7))
def test_a_role_by_another_spelling_is_the_same_role(two, n):
    s, other = two, spelled("cashier")[n]
    for how in ({"provAssignedRole": other}, {"provTimedRole": f"- - {other}"}):
        with pytest.raises((ldap.CONSTRAINT_VIOLATION, ldap.INVALID_SYNTAX)) as refusal:
            s.admin.modify(s.person_dn("ada"), add=how)
        if refusal.type is ldap.CONSTRAINT_VIOLATION:
            assert re.search("cashier|there is no such role", refusal.value.args[0]["info"], re.I)
    same = spelled("clerk")[n]
    try:
        s.admin.modify(s.person_dn("ada"), delete={"provAssignedRole": same})
        assert s.members("clerk") == [], "taken by another spelling"
    except (ldap.INVALID_DN_SYNTAX, ldap.INVALID_SYNTAX):
        assert s.members("clerk") == ["ada"]


