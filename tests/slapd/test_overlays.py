"""Stock overlays on top keep working, each with what we do below it."""

import subprocess
import threading

import ldap
import pytest
from ldap.syncrepl import SyncRequestControl, SyncStateControl

from directory import GROUPS, PEOPLE, POLICY, ROLES
from harness import MODULE, Slapd, StartFailed, wait_until

STACK = ["accesslog", "syncprov", "ppolicy", "unique", "refint", "dynlist"]


def fill(s):
    s.group("sales")
    s.group("it")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provTemplate="add description: sells")
    s.role("it", provAssignFilter="(departmentNumber=it)", provGroup="it")
    s.account("ada", departmentNumber="sales")
    return s


def test_the_whole_stack_on_top_and_the_main_job_runs(make_slapd, style):
    s = fill(make_slapd(style, overlays=STACK))
    s.set("ada", departmentNumber="it")
    assert s.groups_of("ada") == ["it"] and s.members("sales") == []
    c = s.client(s.person_dn("ada"), "ada-pw")
    s.leave("ada")
    wait_until(c.closed, 2)
    assert not s.may_bind("ada") and s.members("it") == []
    s.admin.delete(s.person_dn("ada"))
    s.restart()
    assert s.person("ada") is None
    s.state_now().chain()


# -- accesslog ------------------------------------------------------------------------------


def changes(s, dn, *types):
    """Log entries of a DN, oldest first. With types: once these are what has been logged
    (group writes are shown to accesslog after the client has its answer)."""
    def logged():
        return sorted(s.admin.search(s.log_suffix, f"(reqDN={dn})"), key=lambda e: e.one("reqStart"))
    if types:
        wait_until(lambda: [e.one("reqType") for e in logged()] == list(types), 5, f"{dn} has {types} in the log")
    return logged()


def test_accesslog_logs_the_users_write_and_each_group_write(make_slapd):
    s = fill(make_slapd(overlays=["accesslog"]))
    (add,) = changes(s, s.person_dn("ada"))
    assert add.one("reqType") == "add" and add.one("reqResult") == "0"
    assert any(m.startswith("provEffectiveRole:+") for m in add["reqMod"])
    group = changes(s, s.group_dn("sales"), "add", "modify")
    assert f"member:+ {s.person_dn('ada')}" in group[1]["reqMod"]
    s.set("ada", departmentNumber="it")
    assert f"member:- {s.person_dn('ada')}" in changes(s, s.group_dn("sales"), "add", "modify", "modify")[-1]["reqMod"]
    assert f"member:+ {s.person_dn('ada')}" in changes(s, s.group_dn("it"), "add", "modify")[-1]["reqMod"]
    s.admin.delete(s.person_dn("ada"))
    changes(s, s.person_dn("ada"), "add", "modify", "delete")
    assert f"member:- {s.person_dn('ada')}" in changes(s, s.group_dn("it"), "add", "modify", "modify")[-1]["reqMod"]


def test_the_log_grows_in_the_order_of_csns(make_slapd):
    """Or a delta consumer passes changes over as too old."""
    s = fill(make_slapd(overlays=["accesslog"]))
    clients = [s.client(s.rootdn, s.rootpw) for _ in range(4)]

    def work(k):
        for i in range(15):
            s.account(f"u{k}x{i}", client=clients[k], departmentNumber="sales")
            clients[k].modify(s.person_dn(f"u{k}x{i}"), replace={"departmentNumber": "it"})

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    wait_until(lambda: len(s.admin.search(s.log_suffix, f"(reqDN={s.group_dn('it')})")) == 61)
    written = [e.one("entryCSN") for e in s.admin.search(s.log_suffix, "(reqType=*)")]  # as they were added
    assert written == sorted(written) and len(set(written)) == len(written)
    ada = s.person("ada").one("entryCSN")
    assert changes(s, s.person_dn("ada"), "add")[0].one("entryCSN") == ada


def test_a_refused_write_is_not_logged_as_done(make_slapd):
    s = fill(make_slapd(overlays=["accesslog"]))
    s.role("odd", provAssignFilter="(title=Dr)", provTemplate="add description: {carLicense}", provGroup="it")
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        s.account("bob", title="Dr")
    assert changes(s, s.person_dn("bob")) == []
    assert len(changes(s, s.group_dn("it"))) == 1


def test_a_preserved_account_is_logged(make_slapd):
    s = fill(make_slapd(overlays=["accesslog"], provision={"provision-on-delete": "preserve",
                                                           "provision-archive": "ou=archive,dc=example,dc=com"}))
    s.admin.delete(s.person_dn("ada"))
    assert f"member:- {s.person_dn('ada')}" in changes(s, s.group_dn("sales"), "add", "modify", "modify")[-1]["reqMod"]
    assert changes(s, s.person_dn("ada"))[-1].one("reqType") == "modrdn", "the entry is still there, so it was no delete"


# -- syncprov -------------------------------------------------------------------------------


KNOWN = {SyncStateControl.controlType: SyncStateControl}


class Watch:
    """A refreshAndPersist search that notes what it is told: (state, dn)."""

    def __init__(self, s, filter="(objectClass=*)"):
        self.c = s.client(s.rootdn, s.rootpw)
        self.id = self.c.ld.search_ext(s.suffix, ldap.SCOPE_SUBTREE, filter, ["*", "+"], serverctrls=[
            SyncRequestControl(True, None, "refreshAndPersist")])
        self.told, self.entries = [], {}
        wait_until(lambda: self.read() or f"ou=people,{s.suffix}" in self.entries, 10)
        self.told.clear()

    def read(self):
        while True:
            try:
                _, data, _, _, _, _ = self.c.ld.result4(self.id, all=0, timeout=0, add_ctrls=1, add_intermediates=1,
                                                        resp_ctrl_classes=KNOWN)
            except (ldap.TIMEOUT, TypeError):  # the latter is python-ldap's way to say: nothing yet
                return False
            if not data:
                return False
            for dn, attrs, controls in data:
                for c in controls or []:
                    if isinstance(c, SyncStateControl):
                        self.told.append((c.state, dn))
                        self.entries[dn] = attrs

    def wait(self, *wanted):
        wait_until(lambda: self.read() or set(wanted) <= set(self.told), 5, f"told {wanted}; has {self.told}")


def test_a_persistent_search_is_told_of_the_user_and_of_the_groups(make_slapd):
    s = fill(make_slapd(overlays=["syncprov"]))
    w = Watch(s)
    s.account("bob", departmentNumber="sales")
    w.wait(("add", s.person_dn("bob")), ("modify", s.group_dn("sales")))
    assert s.person_dn("bob").encode() in w.entries[s.group_dn("sales")]["member"]
    w.told.clear()
    s.set("bob", departmentNumber="it")
    w.wait(("modify", s.person_dn("bob")), ("modify", s.group_dn("sales")), ("modify", s.group_dn("it")))
    assert w.entries[s.person_dn("bob")]["memberOf"] == [s.group_dn("it").encode()]
    w.told.clear()
    s.admin.delete(s.person_dn("bob"))
    w.wait(("delete", s.person_dn("bob")), ("modify", s.group_dn("it")))


def test_a_persistent_search_is_told_nothing_of_a_refused_write(make_slapd):
    s = fill(make_slapd(overlays=["syncprov"]))
    s.role("odd", provAssignFilter="(title=Dr)", provTemplate="add description: {carLicense}", provGroup="it")
    w = Watch(s)
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        s.account("bob", title="Dr")
    s.account("carl")
    w.wait(("add", s.person_dn("carl")))
    assert [t for t in w.told if "bob" in t[1] or "cn=it" in t[1]] == []


def test_contextcsn_is_as_new_as_every_entry(make_slapd):
    s = fill(make_slapd(overlays=["syncprov"]))
    s.set("ada", departmentNumber="it")
    newest = max(e.one("entryCSN") for e in s.admin.search(s.suffix, attrs=["entryCSN"]))
    wait_until(lambda: s.admin.get(s.suffix, "contextCSN").one("contextCSN") >= newest, 5)
    context = s.admin.get(s.suffix, "contextCSN").one("contextCSN")
    s.restart()
    assert s.admin.get(s.suffix, "contextCSN").one("contextCSN") == context


# -- ppolicy, unique, refint, memberof, dynlist ------------------------------------------------


PPOLICY = f"cn=default,ou=apps,dc=example,dc=com"


def test_ppolicy_works_beside_us(make_slapd):
    s = make_slapd(overlays=[("ppolicy", {"ppolicy_default": PPOLICY})])
    s.expect_log("ppolicy_get: policy subentry .* missing")
    s.admin.add(PPOLICY, {"objectClass": ["device", "pwdPolicy"], "cn": "default", "pwdAttribute": "userPassword",
                          "pwdLockout": "TRUE", "pwdMaxFailure": "2", "pwdMinLength": "5", "pwdCheckQuality": "2"})
    s.role("e", provAssignFilter="(title=*)", provTemplate="add description: x")
    s.account("ada", title="Dr", password="long-enough")
    assert not s.may_bind("ada", "wrong") and not s.may_bind("ada", "wrong2")
    assert not s.may_bind("ada", "long-enough"), "locked by ppolicy"
    s.admin.modify(s.person_dn("ada"), delete={"pwdAccountLockedTime": None})
    assert s.may_bind("ada", "long-enough")
    me = s.client(s.person_dn("ada"), "long-enough")
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        me.ld.passwd_s(s.person_dn("ada"), None, "abc")
    me.ld.passwd_s(s.person_dn("ada"), None, "other-long")
    assert s.may_bind("ada", "other-long")
    s.leave("ada")
    assert not s.may_bind("ada", "other-long")
    assert s.person("ada")["pwdChangedTime"]


def test_what_ppolicy_writes_is_no_event(make_slapd):
    """A failed login is no change of the account by anybody."""
    s = make_slapd(overlays=[("ppolicy", {"ppolicy_default": PPOLICY})])
    s.expect_log("ppolicy_get: policy subentry .* missing")
    s.admin.add(PPOLICY, {"objectClass": ["device", "pwdPolicy"], "cn": "default", "pwdAttribute": "userPassword",
                          "pwdLockout": "TRUE", "pwdMaxFailure": "5"})
    s.account("ada")
    change = s.person("ada").one("provChangeId")
    assert not s.may_bind("ada", "wrong")
    assert s.person("ada")["pwdFailureTime"]
    assert s.person("ada").one("provChangeId") == change


def test_unique_refuses_as_ever(make_slapd):
    s = make_slapd(overlays=["unique"])
    s.role("e", provAssignFilter="(title=*)", provTemplate="default mail: {uid}{unique}@example.com")
    s.account("ada", title="Dr")
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        s.account("bob", mail="ada@example.com")
    assert s.person("bob") is None
    s.account("bob", title="Dr")
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        s.set("bob", mail="ada@example.com")


def test_refint_works_beside_us(make_slapd):
    s = make_slapd(overlays=["refint"])
    s.role("e", provAssignFilter="(title=*)", provTemplate="add description: x")
    s.account("boss")
    s.account("ada", manager=s.person_dn("boss"), title="Dr")
    s.group("staff", ["ada", "boss"])
    s.admin.rename(s.person_dn("boss"), "uid=chief")
    wait_until(lambda: s.person("ada")["manager"] == [s.person_dn("chief")])
    assert s.members("staff") == ["ada", "chief"]
    s.admin.delete(s.person_dn("chief"))
    wait_until(lambda: s.person("ada")["manager"] == [])
    assert s.members("staff") == ["ada"] and s.groups_of("ada") == ["staff"]


def test_the_stock_memberof_works_when_ours_is_off(make_slapd):
    s = make_slapd(overlays=["memberof"], provision={"provision-memberof": "off"})
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    s.account("bob")
    s.admin.modify(s.group_dn("sales"), add={"member": s.person_dn("bob")})
    assert s.groups_of("bob") == ["sales"]
    s.account("ada", departmentNumber="sales")
    wait_until(lambda: s.groups_of("ada") == ["sales"])
    s.set("ada", departmentNumber="it")
    wait_until(lambda: s.groups_of("ada") == [])


def test_a_dynamic_group_over_effective_roles(make_slapd):
    """The recommended way for large roles."""
    s = make_slapd(overlays=["dynlist"])
    s.role("employee", provAssignFilter="(employeeType=employee)")
    for i in range(5):
        s.account(f"u{i}", employeeType="employee")
    s.account("guest")
    s.admin.add(f"cn=everyone,{GROUPS}", {"objectClass": "groupOfURLs", "cn": "everyone", "memberURL":
                                          f"ldap:///{PEOPLE}??sub?(provEffectiveRole={s.role_dn('employee')})"})
    assert s.members("everyone") == [f"u{i}" for i in range(5)]
    s.leave("u0")
    s.admin.delete(s.person_dn("u1"))
    assert s.members("everyone") == ["u2", "u3", "u4"]


# -- where the overlay refuses to be -----------------------------------------------------------


def test_not_innermost_is_refused_with_what_to_do(make_slapd):
    s = make_slapd(start=False)
    conf = s.dir / "slapd.conf"
    text = conf.read_text()
    conf.write_text(text.replace("\noverlay provision", "\noverlay syncprov\n\noverlay provision", 1)
                    .replace("moduleload back_mdb.so", "moduleload back_mdb.so\nmoduleload syncprov.so"))
    s.expect_log("innermost", "")
    with pytest.raises(StartFailed, match="innermost"):
        s.start()


def test_another_kind_of_database_is_refused():
    with Slapd(provision=None, base=False, start=False) as s:
        s.expect_log("")
        conf = s.dir / "slapd.conf"
        conf.write_text(conf.read_text().replace("moduleload back_mdb.so", f"moduleload back_mdb.so\nmoduleload back_null.so\nmoduleload {MODULE}")
                        + f"\ndatabase null\nsuffix dc=null\noverlay provision\nprovision-policy ou=p,dc=null\n"
                          f"provision-state {s.state}\n")
        with pytest.raises(StartFailed, match="mdb"):
            s.start()


def test_a_global_overlay_is_refused():
    with Slapd(provision=None, base=False, start=False) as s:
        s.expect_log("")
        conf = s.dir / "slapd.conf"
        conf.write_text(conf.read_text().replace(
            "\ndatabase config", f"\nmoduleload {MODULE}\noverlay provision\n\ndatabase config", 1))
        with pytest.raises(StartFailed, match="global"):
            s.start()


def test_the_module_exports_one_name_and_no_lmdb():
    names = subprocess.run(["nm", "-D", "--defined-only", MODULE], capture_output=True, text=True, check=True).stdout
    assert [line.split()[2] for line in names.splitlines()] == ["init_module"]
    assert POLICY and ROLES


def test_a_log_with_our_overlay_below_it_is_purged(make_slapd):
    """accesslog deletes without a CSN, and not with an omitted one: with an empty one."""
    s = fill(make_slapd("config", overlays=["accesslog"]))
    (s.dir / "logstate").mkdir(mode=0o700)
    config = s.config_client()
    config.add("olcOverlay=provision,olcDatabase={1}mdb,cn=config", {
        "objectClass": ["olcOverlayConfig", "olcProvisionConfig"], "olcOverlay": "provision",
        "olcProvisionPolicy": f"cn=policy,{s.log_suffix}", "olcProvisionState": str(s.dir / "logstate"),
        "olcProvisionAccounts": f"ldap:///{s.log_suffix}??sub?(cn=nobody)"})
    s.set("ada", departmentNumber="it")

    def logged():
        return s.admin.search(s.log_suffix, "(objectClass=auditWriteObject)")

    assert len(logged()) >= 5
    config.modify("olcOverlay={1}accesslog,olcDatabase={2}mdb,cn=config", replace={"olcAccessLogPurge": "00:00:01 00:00:01"})
    wait_until(lambda: not logged(), 10, "the log is purged", every=0.3)
    s.leave("ada")
    assert s.running


# -- databases below --------------------------------------------------------------------------

def glued(make_slapd, below, more=()):
    """A database of its own for ou=partner, inside what is searched for accounts."""
    dn = f"ou=partner,{PEOPLE}"
    s = make_slapd(start=False)
    (s.dir / "below").mkdir(mode=0o700)
    s.config.globals = [(k, None, v) for k, v in (("database", "mdb"), ("suffix", dn), ("rootdn", f"cn=admin,{dn}"),
                                                 ("directory", s.dir / "below"), *below)] + list(more)
    s.configure()
    entries = f"dn: {dn}\nobjectClass: organizationalUnit\nou: partner\n\n" + "".join(
        f"dn: uid={u},{dn}\nobjectClass: inetOrgPerson\nobjectClass: provAccount\ncn: {u}\nsn: {u}\nuserPassword: {u}-pw\n"
        f"provState: {state}\n\n" for u, state in (("pat", "active"), ("lea", "terminated")))
    (s.dir / "below.ldif").write_text(entries)
    s.tool("slapadd", "-q", "-b", dn, "-l", s.dir / "below.ldif")
    s.start()
    return s, dn


@pytest.mark.parametrize("glue", [True, False])
def test_who_is_in_a_database_below_is_let_in(make_slapd, glue):
    """It has no entry in ours, but that does not mean that it was deleted."""
    s, dn = glued(make_slapd, [("subordinate", "")] if glue else [])
    c = s.client(f"uid=pat,{dn}", "pat-pw", uri=s.uri)
    s.account("ada")
    assert c.get(s.person_dn("ada"), "cn").one("cn") == "Ada"
    # somebody whose entry is gone from ours is refused as ever
    mine = s.client(s.person_dn("ada"), "ada-pw", uri=s.uri)
    s.admin.delete(s.person_dn("ada"))
    wait_until(mine.closed, 2)
