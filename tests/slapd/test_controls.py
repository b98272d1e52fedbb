"""Controls of LDAP and of ours: no-op, plan, reason, pre-read, post-read, assert, relax, proxied
authorization, and transactions (RFC 5805), which are refused."""

import json
import subprocess

import ldap
import ldap.extop
import pytest
from ldap.controls.readentry import PostReadControl, PreReadControl
from ldap.controls.simple import ProxyAuthzControl
from ldap.controls.libldap import AssertionControl

from directory import HR
from harness import stays
from ldapclient import NOOP, PLAN, REASON, RELAX, b64, control, refused

TXN_START, TXN_SPEC, TXN_END = "1.3.6.1.1.21.1", "1.3.6.1.1.21.2", "1.3.6.1.1.21.3"


@pytest.fixture
def s(slapd):
    for g in ("sales", "it"):
        slapd.group(g)
    slapd.pool("uid", 1000)
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provEntitlement="crm:write",
               provTemplate=["add description: sells", "default employeeNumber: {next:uid}"])
    slapd.role("it", provAssignFilter="(departmentNumber=it)", provGroup="it")
    slapd.account("ada", departmentNumber="sales")
    return slapd


def values(read):
    """The entry of a pre- or post-read control, as text."""
    return {a: [v.decode() for v in vs] for a, vs in read.entry.items()}


class NoOp(ldap.LDAPError):
    pass


def simulate(s, call, *controls):
    """Run with the no-op control: it must answer noOperation (0x410e) and change nothing.
    Returns the plan, when there is one."""
    before, trail = s.everything(), len(s.trail())
    ld = s.admin.ld
    sent = [control(NOOP), *controls]
    with pytest.raises(ldap.LDAPError) as error:
        call(sent)
    assert error.value.args[0].get("result") == 0x410E, error.value
    assert s.everything() == before
    assert len(s.trail()) == trail
    assert ld
    for oid, _, value in error.value.args[0].get("ctrls", []):
        if oid == PLAN:
            return json.loads(value)
    return None


@pytest.mark.parametrize("name, call", [
    ("add", lambda s, c: s.account("bob", departmentNumber="sales", controls=c)),
    ("modify", lambda s, c: s.set("ada", departmentNumber="it", controls=c)),
    ("delete", lambda s, c: s.admin.delete(s.person_dn("ada"), controls=c)),
    ("rename", lambda s, c: s.admin.rename(s.person_dn("ada"), "uid=eva", controls=c)),
    ("leave", lambda s, c: s.leave("ada", controls=c)),
    ("group", lambda s, c: s.admin.modify(s.group_dn("sales"), delete={"member": s.person_dn("ada")}, controls=c)),
    ("group delete", lambda s, c: s.admin.delete(f"cn=nobody,{s.suffix}", controls=c)),
    ("role", lambda s, c: s.role("new", provAssignFilter="(uid=*)", provGroup="it", controls=c)),
    ("role modify", lambda s, c: s.admin.modify(s.role_dn("sales"), delete={"provGroup": None}, controls=c)),
])
def test_no_op_changes_nothing(s, name, call):
    simulate(s, lambda c: call(s, c))
    stays(lambda: s.members("sales") == ["ada"], 0.2)
    s.account("bob", departmentNumber="sales")
    assert s.members("sales") == ["ada", "bob"], "the policy in force is the old one"
    assert s.person("bob").one("employeeNumber") == "1001", "no number was used up"


def test_no_op_cuts_nobody(s):
    c = s.client(s.person_dn("ada"), "ada-pw")
    simulate(s, lambda ctrl: s.leave("ada", controls=ctrl))
    stays(lambda: not c.closed(), 0.3)
    assert c.alive()


def test_a_refused_write_is_refused_with_no_op_too(s):
    s.role("odd", provAssignFilter="(title=Dr)", provTemplate="add description: {carLicense}")
    with refused(ldap.CONSTRAINT_VIOLATION, "odd", "carLicense"):
        s.set("ada", title="Dr", controls=[control(NOOP)])


@pytest.mark.parametrize("call", [
    lambda s, c: s.role("odd", provAssignFilter="(broken", controls=c),
    lambda s, c: s.admin.modify(s.role_dn("sales"), add={"provAssignFilter": "(broken"}, controls=c),
])
def test_a_refused_role_is_refused_with_no_op_too(s, call):
    with refused(ldap.CONSTRAINT_VIOLATION, "filter"):
        call(s, [control(NOOP)])
    simulate(s, lambda c: s.role("new", controls=c))


def test_the_plan_control_tells_what_would_happen(s):
    plan = simulate(s, lambda c: s.set("ada", departmentNumber="it", controls=c), control(PLAN))
    assert plan["roles"] == {"gained": [s.role_dn("it")], "lost": [s.role_dn("sales")]}
    assert plan["groups"] == {"gained": [s.group_dn("it")], "lost": [s.group_dn("sales")]}
    plan = simulate(s, lambda c: s.account("bob", departmentNumber="sales", controls=c), control(PLAN))
    assert plan["roles"]["gained"] == [s.role_dn("sales")] and plan["entitlements"]["gained"] == ["crm:write"]
    plan = simulate(s, lambda c: s.leave("ada", controls=c), control(PLAN))
    assert plan["state"] == {"before": "active", "after": "terminated"}


def test_the_plan_control_without_no_op_is_refused(s):
    before = s.everything()
    with pytest.raises(ldap.LDAPError) as error:
        s.set("ada", departmentNumber="it", controls=[control(PLAN)])
    assert "no-op" in error.value.args[0].get("info", "")
    assert s.everything() == before


def test_the_plan_with_the_stock_client(s):
    out = subprocess.run(["ldapmodify", "-H", s.ldapi, "-D", s.rootdn, "-w", s.rootpw, "-e", "!noop", "-e", f"!{PLAN}"],
                         input=f"dn: {s.person_dn('ada')}\nchangetype: modify\nreplace: departmentNumber\ndepartmentNumber: it\n",
                         capture_output=True, text=True)
    assert PLAN in out.stdout + out.stderr
    assert s.roles_of("ada") == ["sales"]


def test_the_reason_is_kept_on_the_account_and_in_the_trail(s):
    s.set("ada", departmentNumber="it", controls=[control(REASON, "CHG-4711")])
    assert s.person("ada").one("provChangeReason") == "CHG-4711"
    assert s.record(uid="ada", op="modify")["reason"] == "CHG-4711"
    assert [v for v in s.events() if v["data"].get("reason") == "CHG-4711"]
    s.set("ada", title="Dr")
    assert s.person("ada")["provChangeReason"] == [], "a change without a reason has none"


def test_the_reason_with_the_stock_client_is_base64(s):
    out = subprocess.run(["ldapmodify", "-H", s.ldapi, "-D", s.rootdn, "-w", s.rootpw, "-e", f"{REASON}={b64('Umzug nach Köln')}"],
                         input=f"dn: {s.person_dn('ada')}\nchangetype: modify\nreplace: title\ntitle: Dr\n",
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert s.person("ada").one("provChangeReason") == "Umzug nach Köln"


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"\xed\xa0\x80", b"a\nb", "a\u2028b".encode(), b"x" * 5000],
                         ids=["none", "empty", "not UTF-8", "half a pair", "two lines", "two lines of Unicode", "too long"])
def test_a_reason_that_is_no_text_is_refused(s, value):
    with pytest.raises(ldap.PROTOCOL_ERROR):
        s.set("ada", title="Dr", controls=[control(REASON, value)])
    assert s.person("ada")["title"] == []


def test_pre_read_and_post_read_show_the_entry_as_it_was_and_is(s):
    dn = s.person_dn("ada")
    r = s.admin.modify(dn, replace={"departmentNumber": "it"}, controls=[
        PreReadControl(True, ["memberOf", "provEffectiveRole"]), PostReadControl(True, ["memberOf", "provEffectiveRole", "entryCSN"])])
    pre, post = (next(c for c in r if isinstance(c, k)) for k in (PreReadControl, PostReadControl))
    assert values(pre)["memberOf"] == [s.group_dn("sales")] and values(post)["memberOf"] == [s.group_dn("it")]
    assert values(post)["provEffectiveRole"] == [s.role_dn("it")]
    assert values(post)["entryCSN"] == [s.person("ada").one("entryCSN")]


def test_post_read_of_an_add_and_pre_read_of_a_delete(s):
    r = s.account("bob", departmentNumber="sales", controls=None)
    r = s.admin.add(s.person_dn("carl"), {"objectClass": "inetOrgPerson", "uid": "carl", "cn": "C", "sn": "C",
                                         "departmentNumber": "sales"}, [PostReadControl(True, ["description", "employeeNumber"])])
    assert values(r[0]) == {"description": ["sells"], "employeeNumber": ["1002"]}
    r = s.admin.delete(s.person_dn("carl"), [PreReadControl(True, ["description"])])
    assert values(r[0]) == {"description": ["sells"]}


def test_assert_is_honoured(s):
    with pytest.raises(ldap.ASSERTION_FAILED):
        s.set("ada", departmentNumber="it", controls=[AssertionControl(True, "(departmentNumber=lab)")])
    assert s.roles_of("ada") == ["sales"] and s.members("it") == []
    s.set("ada", departmentNumber="it", controls=[AssertionControl(True, "(departmentNumber=sales)")])
    assert s.roles_of("ada") == ["it"]
    with pytest.raises(ldap.ASSERTION_FAILED):
        s.admin.delete(s.person_dn("ada"), [AssertionControl(True, "(departmentNumber=lab)")])
    assert s.members("it") == ["ada"]


def test_the_assertion_does_not_apply_to_what_we_write_ourselves(s):
    """A filter that is true of the person only must not be asked of the group."""
    s.set("ada", departmentNumber="it", controls=[AssertionControl(True, "(uid=ada)")])
    assert s.members("it") == ["ada"]


def test_relax_works_and_reaches_no_further(s):
    s.admin.modify(s.person_dn("ada"), replace={"departmentNumber": "it"}, controls=[control(RELAX)])
    assert s.members("it") == ["ada"]
    s.role("sub", provAssignFilter="(title=*)", provTemplate="default mail: {uid}@example.com")
    s.admin.add(s.person_dn("bob"), {"objectClass": "inetOrgPerson", "uid": "bob", "cn": "B", "sn": "B", "title": "x",
                                     "entryUUID": "00000000-1111-2222-3333-444444444444"}, [control(RELAX)])
    assert s.person("bob").one("entryUUID") == "00000000-1111-2222-3333-444444444444"
    assert s.person("bob").one("mail") == "bob@example.com"


def test_proxied_authorization_counts_as_the_one_acted_for(s):
    me = [ProxyAuthzControl(True, f"dn:{s.person_dn('ada')}".encode())]
    hr = s.client(HR, "hr-secret")
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        s.account("bob", client=hr, controls=me, departmentNumber="sales")
    hr.modify(s.person_dn("ada"), replace={"telephoneNumber": "1"}, controls=me)
    e = s.person("ada")
    assert e.one("provChangeBy") == s.person_dn("ada") and e.one("provChangeAuth") == HR
    a = s.record(uid="ada", op="modify")["actor"]
    assert a["authz"] == s.person_dn("ada") and a["authc"] == HR


class TxnStart(ldap.extop.ExtendedRequest):
    def __init__(self):
        super().__init__(TXN_START, None)

    def encodedRequestValue(self):
        return None


class TxnEnd(ldap.extop.ExtendedRequest):
    """txnEndReq ::= SEQUENCE { commit BOOLEAN DEFAULT TRUE, identifier OCTET STRING }"""

    def __init__(self, identifier):
        super().__init__(TXN_END, None)
        self.identifier = identifier

    def encodedRequestValue(self):
        value = b"\x04" + bytes([len(self.identifier)]) + self.identifier
        return b"\x30" + bytes([len(value)]) + value


def test_a_transaction_is_refused_with_a_text_when_its_first_write_comes(s):
    before = s.everything()
    ld = s.admin.ld
    _, identifier = ld.extop_s(TxnStart())
    spec = [control(TXN_SPEC, identifier)]
    with refused(ldap.UNWILLING_TO_PERFORM, "transactions"):
        s.set("ada", departmentNumber="it", controls=spec)
    with pytest.raises(ldap.LDAPError):
        ld.extop_s(TxnEnd(identifier))
    assert s.everything() == before
    s.set("ada", departmentNumber="it")
    assert s.members("it") == ["ada"]


def test_manage_dsa_it_and_unknown_uncritical_controls_do_no_harm(s):
    s.expect_log("slap_global_control: unrecognized control")
    s.set("ada", departmentNumber="it", controls=[control("2.16.840.1.113730.3.4.2"), control("1.2.3.4.5", b"x", critical=False)])
    assert s.members("it") == ["ada"]
    with pytest.raises(ldap.UNAVAILABLE_CRITICAL_EXTENSION):
        s.set("ada", departmentNumber="sales", controls=[control("1.2.3.4.5", b"x")])


def test_our_controls_are_listed_in_the_root_dse(s):
    e = s.admin.get("", "supportedControl")
    assert {REASON, PLAN} <= set(e["supportedControl"])


def test_permissive_modify_does_not_upset_members(s):
    permissive = control("1.2.840.113556.1.4.1413")
    s.admin.modify(s.group_dn("sales"), add={"member": s.person_dn("ada")}, controls=[permissive])
    assert s.groups_of("ada") == ["sales"]
    assert s.members("sales") == ["ada"] and s.exceptions("ada") == []
    s.admin.modify(s.group_dn("sales"), delete={"member": s.person_dn("ada")}, controls=[permissive])
    assert s.groups_of("ada") == [] and len(s.exceptions("ada")) == 1
