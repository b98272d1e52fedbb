"""docs/threat-model.md: what somebody tries, and what stops him. The access rules are the document's own."""

import base64
import contextlib
import crypt
import csv
import datetime
import hashlib
import io
import re
import statistics
import subprocess
import time

import ldap
import pytest
from ldap.controls.ppolicy import PasswordPolicyControl
from ldap.controls.simple import ProxyAuthzControl

from directory import APPS, ARCHIVE, GROUPS, HR, NOBODY, PEOPLE, ROLES, SUFFIX
from harness import PROVD, TOP, stays, wait_until
from ldapclient import ADOPT, NOOP, OVERRIDE, PLAN, REASON, RELAX, control, refused
from test_provd import status

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
    text = warned(s, lambda c: c.modify(s.role_dn("r"), replace={"provAssignFilter": "(name=boss)"}))
    assert text == "accounts may write their own sn and so take this role; its templates read sn", "by a subtype"
    s.admin.modify(s.role_dn("r"), replace=back)
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
    {"departmentNumber": "sales"}, {"departmentNumber;lang-en": "sales"}, {"provAssignedRole": f"cn=vault,ou=roles,{POLICY}"},
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


def test_who_may_write_people_writes_no_group(office):
    """What the overlay gives it writes with its own rights; a role needs nobody who may write the group."""
    s, dn = office.s, office.s.group_dn("vault")
    for who, name in ((office.person("eve"), "eve"), (office.person("boss"), "boss"), (office.app("hr"), "eve"),
                      (office.app("policy"), "eve")):
        with refused(ldap.INSUFFICIENT_ACCESS):
            who.modify(dn, add={"member": s.person_dn(name)})
        with refused(ldap.INSUFFICIENT_ACCESS):
            who.delete(dn)
    office.app("hr").modify(s.person_dn("ada"), replace={"departmentNumber": "sales"})
    assert s.members("sales") == ["ada"] and s.members("vault") == []


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


# -- the answer to a leaver ---------------------------------------------------------------------------

PPOLICY = [("ppolicy", {"ppolicy_default": f"cn=default,{SUFFIX}"})]


def bind_answer(s, dn, pw, controls=None):
    """(result code, matched, text, controls) of one bind, and seconds."""
    c = s.client()
    began = time.perf_counter()
    try:
        answer = c.ld.result3(c.ld.simple_bind(dn, pw, serverctrls=controls))
        out = 0, answer[3]
    except ldap.LDAPError as error:
        e = error.args[0]
        out = e["result"], e.get("matched"), e.get("info"), e.get("ctrls")
    return out, time.perf_counter() - began


def test_a_leavers_right_password_is_answered_as_a_wrong_one(make_slapd):
    """Code, text, controls, and what ppolicy counts."""
    s = make_slapd(overlays=PPOLICY)
    s.expect_log("ppolicy_get: policy subentry .* missing")
    s.admin.add(f"cn=default,{SUFFIX}", {"objectClass": ["device", "pwdPolicy"], "cn": "default", "pwdAttribute": "userPassword",
                                         "pwdLockout": "TRUE", "pwdMaxFailure": "3", "pwdExpireWarning": "8000000",
                                         "pwdMaxAge": "8640000", "pwdMustChange": "TRUE"})
    for u in ("ada", "bob", "eve"):
        s.account(u)
    s.leave("ada")
    s.state_of("eve", "suspended")
    for round_ in range(4):  # the last one finds all three locked
        for controls in (None, [PasswordPolicyControl()]):
            if round_ == 3 or controls:
                got = [bind_answer(s, s.person_dn(u), pw, controls)[0] for u, pw in
                       (("ada", "ada-pw"), ("bob", "wrong"), ("eve", "eve-pw"), ("ada", "wrong"))]
                assert got[0] == got[1] == got[2] == got[3] and got[0][0] == 49, got
                assert bool(got[0][3]) == bool(controls)
        assert len({bool(s.person(u)["pwdAccountLockedTime"]) for u in ("ada", "bob", "eve")}) in (1, 2)
    assert all(s.person(u)["pwdFailureTime"] for u in ("ada", "bob", "eve"))


@pytest.mark.parametrize("mech", ["SCRAM-SHA-1", "SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5"])
def test_with_sasl_a_leavers_right_password_is_answered_as_a_wrong_one(slapd, mech):
    s = slapd
    s.expect_log("^SASL .conn=")
    for u in ("ada", "bob", "eve"):
        s.account(u)
    s.leave("ada")
    s.state_of("eve", "suspended")

    def answer(uid, pw):
        try:
            s.client(uri=s.uri).scram(uid, pw, mech)
        except (ldap.AUTH_METHOD_NOT_SUPPORTED, ldap.AUTH_UNKNOWN):
            pytest.skip(f"this system has no {mech}")
        except ldap.LDAPError as error:
            return error.args[0]
    assert answer("ada", "ada-pw") == answer("ada", "wrong") == answer("bob", "wrong") == answer("eve", "eve-pw")
    assert answer("bob", "wrong")["result"] == 49 and answer("bob", "bob-pw") is None


SAMPLES = 150


@pytest.mark.parametrize("scheme, bound", [("crypt", 0.25), ("ssha", 0.5)])
def test_a_leavers_answer_takes_as_long_as_a_wrong_passwords(slapd, scheme, bound):
    """The hash is computed in both cases: with one that takes milliseconds, an answer without it would be much faster."""
    s = slapd
    salted = hashlib.sha1(b"rightsalt").digest() + b"salt"
    stored = {"crypt": "{CRYPT}" + crypt.crypt("right", "$6$rounds=20000$saltsalt"),
              "ssha": "{SSHA}" + base64.b64encode(salted).decode()}[scheme]
    for u in ("ada", "bob"):
        s.account(u, password=stored)
    s.leave("ada")
    ada, bob = s.person_dn("ada"), s.person_dn("bob")
    tries = {"leaver, right": (ada, "right"), "leaver, wrong": (ada, "wrong"), "active, wrong": (bob, "wrong"),
             "active, right": (bob, "right")}
    took = {name: [] for name in tries}
    for _ in range(SAMPLES):
        for name, (dn, pw) in tries.items():
            took[name].append(bind_answer(s, dn, pw)[1])
    middle = {name: statistics.median(t) for name, t in took.items()}
    quarter = {name: statistics.quantiles(t)[0] for name, t in took.items()}
    print(scheme, {n: f"{m * 1e6:.0f} us" for n, m in middle.items()}, {n: f"{m * 1e6:.0f} us" for n, m in quarter.items()})
    for of in (middle, quarter):
        wrong = of["active, wrong"]
        assert abs(of["leaver, right"] - wrong) < bound * wrong, (scheme, of)
        assert abs(of["leaver, wrong"] - wrong) < bound * wrong, (scheme, of)


# -- controls -------------------------------------------------------------------------------------------


def test_controls_give_nobody_more(office):
    """Whoever may write may give a reason. Plan, adopt and override want manage access; relax and proxied
    authorization give nothing that access rules do not."""
    s = office.s
    eve, dn, number = office.person("eve"), s.person_dn("eve"), {"telephoneNumber": "1"}
    before = s.everything()
    with refused(ldap.INSUFFICIENT_ACCESS, "plan control"):
        eve.modify(dn, replace=number, controls=[control(NOOP), control(PLAN)])
    with refused(ldap.INSUFFICIENT_ACCESS, "adopt control"):
        eve.modify(dn, replace=number, controls=[control(ADOPT)])
    for extra in (RELAX, OVERRIDE, ADOPT):
        with refused(ldap.INSUFFICIENT_ACCESS):
            eve.modify(dn, replace={"departmentNumber": "sales"}, controls=[control(extra)])
        with refused(ldap.INSUFFICIENT_ACCESS):
            eve.modify(s.person_dn("ada"), replace={"provState": "terminated"}, controls=[control(extra)])
    assert s.everything() == before
    eve.modify(dn, replace=number, controls=[control(REASON, "because")])
    assert s.person("eve").one("provChangeReason") == "because" and s.person("eve").one("provChangeBy") == dn
    with refused(ldap.INSUFFICIENT_ACCESS, "plan control"):  # hr writes, but does not manage
        office.app("hr").modify(dn, replace={"departmentNumber": "sales"}, controls=[control(NOOP), control(PLAN)])


def test_who_acts_for_another_has_his_rights_and_both_are_recorded(office):
    s = office.s
    hr, as_eve = office.app("hr"), [ProxyAuthzControl(True, f"dn:{s.person_dn('eve')}".encode())]
    with refused(ldap.INSUFFICIENT_ACCESS):
        hr.modify(s.person_dn("eve"), replace={"departmentNumber": "sales"}, controls=as_eve)
    hr.modify(s.person_dn("eve"), replace={"telephoneNumber": "1"}, controls=as_eve)
    actor = s.record(uid="eve", op="modify")["actor"]
    assert (actor["authz"], actor["authc"]) == (s.person_dn("eve"), HR)
    with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.PROXIED_AUTHORIZATION_DENIED)):
        office.person("eve").modify(s.person_dn("eve"), replace={"departmentNumber": "sales"},
                                    controls=[ProxyAuthzControl(True, f"dn:{HR}".encode())])


# -- policy, connectors, monitor --------------------------------------------------------------------------


def test_connectors_are_for_who_runs_programs_and_nobody_else(office):
    s, hook = office.s, f"cn=hook,ou=connectors,{POLICY}"
    new = {"objectClass": "provConnector", "cn": "hook", "provConnectorType": "exec", "provTarget": "/bin/true",
           "provSecretFile": "/etc/x"}
    for who in (office.person("eve"), office.app("hr"), office.app("policy"), office.app("auditor"), office.app("provd")):
        for at in (hook, f"cn=hook,ou=roles,{POLICY}"):
            with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
                who.add(at, new)
    office.app("connectors").add(hook, new)
    for who in (office.person("eve"), office.app("hr"), office.app("policy"), office.app("auditor")):
        assert who.get(hook) is None
        with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
            who.modify(hook, replace={"provTarget": "/bin/sh"})
        with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
            who.delete(hook)
        with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NO_SUCH_OBJECT)):
            who.rename(hook, "cn=x")
    assert office.app("provd").get(hook).one("provTarget") == "/bin/true"
    with refused(ldap.INSUFFICIENT_ACCESS):
        office.app("provd").modify(hook, replace={"provTarget": "/bin/sh"})


@pytest.mark.parametrize("kind, target", [
    ("webhook", "file:///etc/passwd"), ("webhook", "http://127.0.0.1/"), ("webhook", "gopher://localhost/"),
    ("scim", "file:///etc/passwd"), ("scim", "http://localhost/"), ("caep", "file:///x"), ("ldap", "file:///x"),
    ("nats", "file:///x"), ("kafka", "file:///x")])
def test_a_target_has_the_scheme_of_its_kind(slapd, kind, target):
    with refused(ldap.CONSTRAINT_VIOLATION, "cn=hook"):
        slapd.connector("hook", target, provConnectorType=kind, provSecretFile="/etc/x")


def test_policy_stamps_and_figures_are_not_everybodys_to_read(office):
    s = office.s
    office.app("hr").modify(s.person_dn("ada"), replace={"departmentNumber": "sales"})
    eve = office.person("eve")
    assert eve.search(SUFFIX, "(objectClass=provRole)") == [] and eve.get(POLICY) is None
    assert eve.search(PEOPLE, "(provEffectiveRole=*)") == [] and eve.search(PEOPLE, "(provChangeFrom=*)", attrs=["1.1"]) == [
        e for e in eve.search(PEOPLE, "(provChangeFrom=*)", attrs=["1.1"]) if e.dn == s.person_dn("eve")]
    assert not [a for a in eve.get(s.person_dn("ada")) if a.startswith("prov")]
    with contextlib.suppress(ldap.NO_SUCH_OBJECT, ldap.INSUFFICIENT_ACCESS):
        assert eve.search("cn=Monitor") == []
    auditor = office.app("auditor")
    assert auditor.search("cn=Databases,cn=Monitor", "(objectClass=provMonitor)")
    assert len(auditor.search(POLICY, "(objectClass=provRole)")) == 2
    assert auditor.get(s.person_dn("ada"))["provEffectiveRole"] == [office.role_dn("sales")]
    assert office.person("ada").get(s.person_dn("ada"))["provEffectiveRole"] == [office.role_dn("sales")]


def policy_is_whole(s):
    s.set("ada", departmentNumber="lab")
    assert s.members("sales") == []
    s.set("ada", departmentNumber="sales")
    assert s.members("sales") == ["ada"] and s.roles_of("ada") == ["sales"]


@pytest.fixture
def sales(slapd):
    slapd.group("sales")
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    slapd.account("ada", departmentNumber="sales")
    return slapd


@pytest.mark.parametrize("dn, rdn, parent", [
    (ROLES.partition(",")[2], "ou=other", None), (ROLES.partition(",")[2], "ou=provisioning", ARCHIVE),
    (ROLES, "ou=other", None), (ROLES, "ou=roles", SUFFIX), (f"cn=sales,{ROLES}", "cn=other", None),
    (f"cn=sales,{ROLES}", "cn=sales", SUFFIX), (f"OU=Roles, {ROLES.partition(',')[2].upper()}", "ou=other", None)])
def test_a_role_is_not_moved_away_from_under_its_accounts(sales, dn, rdn, parent):
    """Else the accounts would keep what it gave, and nothing would take it away any more."""
    with pytest.raises((ldap.UNWILLING_TO_PERFORM, ldap.NO_SUCH_OBJECT, ldap.CONSTRAINT_VIOLATION)):
        sales.admin.rename(dn, rdn, parent)
    policy_is_whole(sales)


def test_a_role_is_not_moved_in_with_its_parent(sales):
    s = sales
    s.admin.add(f"ou=x,{SUFFIX}", {"objectClass": "organizationalUnit", "ou": "x"})
    s.admin.add(f"cn=all,ou=x,{SUFFIX}", {"objectClass": "provRole", "cn": "all", "provAssignFilter": "(uid=*)", "provGroup": s.group_dn("sales")})
    with refused(ldap.UNWILLING_TO_PERFORM, "cn=all"):
        s.admin.rename(f"ou=x,{SUFFIX}", "ou=x", ROLES)
    policy_is_whole(s)


def test_rules_below_an_entry_are_not_moved_with_it(sales):
    s, sets = sales, f"ou=sets,{ROLES.partition(',')[2]}"
    s.role("it")
    s.admin.add(sets, {"objectClass": "organizationalUnit", "ou": "sets"})
    s.admin.add(f"cn=one,{sets}", {"objectClass": "provSodSet", "cn": "one", "provSodRole": [s.role_dn("it"), s.role_dn("sales")]})
    with refused(ldap.UNWILLING_TO_PERFORM, "cn=one"):
        s.admin.rename(sets, "ou=sets", SUFFIX)
    with refused(ldap.CONSTRAINT_VIOLATION, "cn=one"):
        s.admin.modify(s.person_dn("ada"), add={"provAssignedRole": s.role_dn("it")})


def test_who_writes_the_tree_but_not_the_policy_does_not_delete_it(make_slapd):
    """The rule of the policy stands before the rule of the tree. Deleting a whole subtree at once is not offered."""
    s = make_slapd(access=['to attrs=userPassword by anonymous auth by * none', f'to dn.subtree="{ROLES.partition(",")[2]}" by * read',
                           f'to * by dn.exact="{HR}" manage by * read'])
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    s.account("ada", departmentNumber="sales")
    hr, policy = s.client(HR, "hr-secret"), ROLES.partition(",")[2]
    for dn in (f"cn=sales,{ROLES}", ROLES, policy):
        with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.NOT_ALLOWED_ON_NONLEAF)):
            hr.delete(dn)
        with pytest.raises(ldap.UNAVAILABLE_CRITICAL_EXTENSION):
            hr.delete(dn, controls=[control("1.2.840.113556.1.4.805")])
        with pytest.raises((ldap.INSUFFICIENT_ACCESS, ldap.UNWILLING_TO_PERFORM)):
            hr.rename(dn, dn.split(",")[0], ARCHIVE)
    with refused(ldap.INSUFFICIENT_ACCESS):
        hr.modify(f"cn=sales,{ROLES}", replace={"provStatus": "retired"})
    policy_is_whole(s)
    s.admin.delete(f"cn=sales,{ROLES}")
    wait_until(lambda: s.members("sales") == [], 10, "who deletes a role takes it from all")
    assert s.record(op="policy", dn=f"cn=sales,{ROLES}")["actor"]["authz"] == s.rootdn


def test_an_account_goes_in_and_out_of_the_policy_with_what_it_has(office):
    s = office.s
    office.app("hr").modify(s.person_dn("ada"), replace={"departmentNumber": "sales"})
    for who in (office.person("ada"), office.app("hr"), office.app("policy")):
        with pytest.raises(ldap.INSUFFICIENT_ACCESS):
            who.rename(s.person_dn("ada"), "uid=ada", ARCHIVE)
    s.admin.rename(s.person_dn("ada"), "uid=ada", ARCHIVE)
    assert s.members("sales") == []
    s.admin.rename(f"uid=ada,{ARCHIVE}", "uid=ada", PEOPLE)
    assert s.members("sales") == ["ada"] and s.roles_of("ada") == ["sales"]


# -- logs, sizes ------------------------------------------------------------------------------------------

FORGED = "x\n6b06aed2.24b67571 0x7fb39e8fc6c0 conn=1 op=1 provision: change=1 op=modify dn=\"uid=forged\"\x1b[31m"


def test_a_name_makes_no_line_in_the_log(sales):
    """What the overlay says of an entry is one line, whatever its name and values hold."""
    s = sales
    rdn = "uid=" + "".join(f"\\{ord(ch):02x}" if not ch.isalnum() else ch for ch in FORGED)
    s.role("bad", provAssignFilter="(title=Dr)", provTemplate="add mail: {carLicense}{cn}")
    dn, mark = f"{rdn},{PEOPLE}", s.mark()
    s.admin.add(dn, {"objectClass": "inetOrgPerson", "uid": FORGED, "cn": FORGED, "sn": FORGED, "departmentNumber": "sales",
                     "userPassword": "pw"})
    for change in ({"title": "Dr"}, {"provState": FORGED}, {"provAssignedRole": dn}):
        with pytest.raises(ldap.LDAPError):
            s.admin.modify(dn, replace=change)
    s.client(dn, "pw")
    s.admin.modify(dn, replace={"provState": "terminated"})
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        s.client(dn, "pw")
    s.admin.delete(dn)
    s.expect_log(r"conn.3D1 op.3D1 provision")  # slapd's own lines are broken by such a name
    ours = re.findall(r"^\S+ \S+ conn=\d+ (?:op=\d+ )?provision: (.*)$", s.log_since(mark), re.M)
    assert len([line for line in ours if "uid=x\\0A6b06" in line]) == len(ours) >= 8, ours
    assert "\x1b" not in "".join(ours) and all(re.search(r'(groups=\S+|reason=".*"|dn=".*")$', line) for line in ours)


def test_large_values_and_wild_filters_end_soon(slapd):
    s = slapd
    with refused(ldap.CONSTRAINT_VIOLATION):
        s.role("deep", provAssignFilter="(!" * 20000 + "(uid=*)" + ")" * 20000)
    wild = "*a" * 200 + "*b"
    s.role("wild", provAssignFilter=[f"(description={wild})", "(|" + f"(description={wild})" * 200 + ")"],
           provTemplate=["add displayName: {description|first:20}"])
    began = time.monotonic()
    s.account("ada", description=["a" * 1_000_000] + [f"{'a' * 200}{i}" for i in range(2000)])
    s.set("ada", carLicense=[f"x{i}" for i in range(20000)])
    s.set("ada", description="small")
    assert time.monotonic() - began < 10
    s.wait_relayed()
    with pytest.raises((ldap.CONSTRAINT_VIOLATION, ldap.PROTOCOL_ERROR)):
        s.set("ada", title="x", controls=[control(REASON, "x" * 100_000)])
    assert s.roles_of("ada") == []


def test_the_machine_says_which_programs_and_secrets_connectors_may_name(slapd, tmp_path):
    """Whoever may write connectors, provd runs and reads only what lies where its admin put it."""
    s = slapd
    for d in ("programs", "secrets"):
        (tmp_path / d).mkdir()
    told = s.dir / "told"
    for name, text in (("programs/good", f"touch {told}-good\n"), ("outside", f"touch {told}-bad\n")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "programs/link").symlink_to(tmp_path / "outside")
    (tmp_path / "secrets/link").symlink_to("/etc/shadow")
    (tmp_path / "secrets-too").touch(0o600)
    s.connector("good", f"{tmp_path}/programs/good")
    bad = {"shell": f"/bin/sh -c 'touch {told}-bad'", "path": f"sh -c 'touch {told}-bad'", "link": f"{tmp_path}/programs/link",
           "dots": f"{tmp_path}/programs/../outside", "away": f"{tmp_path}/programs/none"}
    for name, target in bad.items():
        s.connector(name, target)
    for name in ("secrets-too", "secrets/link", "secrets/../secrets-too"):
        s.connector(f"read-{name.replace('/', '-')}", "https://127.0.0.1:1/", provConnectorType="webhook", provMaxAttempts="1",
                    provSecretFile=f"{tmp_path}/{name}")
    s.provd_start("--programs", tmp_path / "programs", "--secrets", tmp_path / "secrets")
    s.account("ann")
    wait_until((s.dir / "told-good").exists, 10)
    why = "not below .* .provd --(programs|secrets)|No such file"
    for name in [*bad, "read-secrets-too", "read-secrets-link", "read-secrets-..-secrets-too"]:
        wait_until(lambda name=name: re.search(why, str(status(s, name))), 15, name)
    assert not (s.dir / "told-bad").exists()
    s.provd_stop()
    done = subprocess.run([PROVD, "--foreground", "--programs", "/no/such"], capture_output=True, text=True)
    assert done.returncode == 2 and "/no/such" in done.stderr


def test_who_takes_anothers_uid_neither_ends_nor_inherits_his_groups(slapd):
    """Groups that list uids do not say whose: what is bob's stays bob's, whatever becomes of who called himself so."""
    s, mal = slapd, f"cn=Mal,{PEOPLE}"
    s.group("unix", cls="posixGroup")
    s.group("hand", cls="posixGroup", members=["bob"])
    s.role("unix", provAssignFilter="(title=x)", provGroup="unix")
    s.account("bob", title="x")

    def bobs():
        return s.members("unix") == s.members("hand") == ["bob"] and not s.exceptions("bob")
    s.admin.add(mal, {"objectClass": "inetOrgPerson", "cn": "Mal", "sn": "M", "uid": "mal"})
    s.admin.modify(mal, replace={"uid": "bob"})
    s.admin.modify(mal, replace={"uid": "mal2"})
    assert bobs(), "not inherited"
    s.admin.add(f"ou=x,{PEOPLE}", {"objectClass": "organizationalUnit", "ou": "x"})
    s.account(f"uid=bob,ou=x,{PEOPLE}")
    s.admin.rename(f"uid=bob,ou=x,{PEOPLE}", "uid=mal3")
    assert bobs(), "nor by a rename"
    s.admin.modify(mal, replace={"uid": "bob", "title": "x"})
    s.admin.modify(mal, replace={"title": "y"})
    assert bobs(), "a mover takes nothing of his"
    s.admin.modify(mal, replace={"provState": "terminated"})
    assert bobs(), "nor a leaver"
    s.admin.delete(mal)
    assert bobs(), "nor a delete"
    s.set("bob", title="y")
    assert s.members("unix") == [] and s.members("hand") == ["bob"]
    s.leave("bob")
    assert s.members("hand") == []


def test_the_parts_of_a_name_stand_in_any_order(slapd):
    """An account whose RDN has two values is the same member, however a group spells it."""
    s = slapd
    ada, turned = f"uid=ada+cn=Ada L,{PEOPLE}", f"CN=ada  l + UID=Ada, {PEOPLE.upper()}"
    for g in ("sales", "hand"):
        s.group(g)
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    s.admin.add(ada, {"objectClass": "inetOrgPerson", "uid": "ada", "cn": "Ada L", "sn": "L", "departmentNumber": "sales"})
    s.admin.modify(s.group_dn("hand"), add={"member": turned})
    assert {dn.partition(",")[0] for dn in s.admin.get(ada)["memberOf"]} == {"cn=sales", "cn=hand"}
    s.admin.modify(s.group_dn("sales"), delete={"member": turned})
    assert s.members("sales") == [] and len(s.admin.get(ada)["provException"]) == 1
    s.admin.modify(turned, replace={"provState": "terminated"})
    assert s.members("hand") == [] and s.admin.get(ada)["memberOf"] == []


def test_an_evidence_pack_holds_no_formula(slapd, tmp_path):
    s = slapd
    since = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    s.role("r", provAssignFilter="(uid=*)", provEntitlement=["=cmd|' /C calc'!A0", "@SUM(1)", "<script>x</script>"])
    for n, name in enumerate(("=1+1", "+1", "-1", "@x", "\t=1", "<b>x</b>")):
        rdn = f"uid={ldap.dn.escape_dn_chars(name)}"
        s.admin.add(f"{rdn},{PEOPLE}", {"objectClass": "inetOrgPerson", "uid": name, "cn": "x", "sn": "x"},
                    [control(REASON, f"={n}+HYPERLINK(\"x\")")])
        s.admin.modify(f"{rdn},{PEOPLE}", replace={"provState": "terminated"}, controls=[control(REASON, "+1")])
    until = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    s.wait_relayed()
    s.provctl_offline("audit", "evidence", "--since", since, "--until", until, "--out", tmp_path / "pack", check=0)
    cells = [c for f in (tmp_path / "pack").glob("*.csv") for row in csv.reader(io.StringIO(f.read_text(), newline="")) for c in row]
    assert len([c for c in cells if re.match(r"'\s*[=+\-@]", c)]) > 20
    assert not [c for c in cells if re.match(r"\s*[=+\-@\t]", c)]
    page = (tmp_path / "pack/index.html").read_text()
    assert "&lt;b&gt;x" in page and "<b>x" not in page and "<script" not in page
