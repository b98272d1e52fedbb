"""The ldap connector against Active Directory: a Samba domain controller, one for all, so each test has its own people."""

import os
import shutil

import ldap
import pytest

import manual
from directory import PEOPLE
from harness import wait_until
from sambadc import BASE, DOMAIN, OUT, STAFF, TEAMS, SambaDc
from test_ldap_connector import ATTRS, connect as connect_any
from test_provd import ask, status, wait_state
from test_scim import settled
from test_webhook import failed, keep, provctl

DISABLED, NEVER_EXPIRES = 0x2, 0x10000
CROWD = int(os.environ.get("PROV_AD_PEOPLE", "12"))  # of the test that kills provd
PASSWORD = "Correct-Horse-7"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a domain controller's ports need root")


@pytest.fixture(scope="module")
def there():
    t = SambaDc()
    yield t
    t.close()


@pytest.fixture
def s(make_slapd):
    return make_slapd(provision={"provision-on-delete": "allow"})


def connect(s, there, *, base=STAFF, option=(), **kw):
    kw.setdefault("provTimeout", "10")
    connect_any(s, there, base=base, option=("dialect=ad", *option), **kw)


def control(there, login):
    return int(there.person(login, "userAccountControl").one("userAccountControl"))


def may_bind(there, login, password=PASSWORD):
    """Logged on by userPrincipalName; a refusal must be that of a disabled account (data 533)."""
    try:
        c = there.client(f"{login}@{DOMAIN}", password)
    except ldap.INVALID_CREDENTIALS as refusal:
        assert "data 533" in refusal.args[0]["info"], refusal
        return False
    return c.search(BASE, f"(sAMAccountName={login})", ["cn"]) != []


@pytest.mark.parametrize("scheme", ["ldaps", "uri"])
def test_joiner_mover_leaver_and_back(s, there, scheme):
    ann = f"ann-{scheme}"
    connect(s, there, url=getattr(there, scheme))
    s.account(ann, cn=f"Änne Bjørk {scheme}", sn="Bjørk", mail=["a@x", "b@x"], departmentNumber=["sales", "it"])
    settled(s)
    e = there.person(ann)
    assert e.dn.endswith(STAFF) and e["cn"] == [f"Änne Bjørk {scheme}"] and e["sn"] == ["Bjørk"]
    assert e["userPrincipalName"] == [f"{ann}@{DOMAIN}"] and e["mail"] == ["a@x"], "it takes one value there"
    assert sorted(e["departmentNumber"]) == ["it", "sales"]
    assert {"top", "person", "organizationalPerson", "user"} == set(e["objectClass"])
    assert e["userAccountControl"] == ["512"] and e.one("pwdLastSet") != "0", "enabled, and has a password"
    there.set_password(ann, PASSWORD)
    assert may_bind(there, ann)

    s.set(ann, mail="c@x", title="Dr", departmentNumber=None)
    settled(s)
    e = there.person(ann)
    assert e["mail"] == ["c@x"] and e["title"] == ["Dr"] and not e["departmentNumber"] and may_bind(there, ann)

    s.leave(ann)
    settled(s)
    assert e["userAccountControl"] == ["512"] and control(there, ann) == 514 and not may_bind(there, ann)
    assert "locked, proven by reading it back" in s.provd_log.read_text()

    s.state_of(ann, "active")
    settled(s)
    assert control(there, ann) == 512 and may_bind(there, ann)
    assert status(s)["failed"] == 0


def test_the_other_bits_of_userAccountControl_are_kept(s, there):
    connect(s, there)
    s.account("bits")
    settled(s)
    there.admin.modify(there.person("bits").dn, replace={"userAccountControl": str(0x200 | NEVER_EXPIRES)})
    s.state_of("bits", "suspended")
    settled(s)
    assert control(there, "bits") == 0x200 | NEVER_EXPIRES | DISABLED
    s.state_of("bits", "active")
    settled(s)
    assert control(there, "bits") == 0x200 | NEVER_EXPIRES


def test_nobody_learns_the_first_password(s, there):
    connect(s, there)
    s.account("secret", password="what-they-have-here")
    settled(s)
    s.set("secret", title="Dr")
    settled(s)
    before = there.person("secret", "pwdLastSet").one("pwdLastSet")
    s.state_of("secret", "suspended")
    s.state_of("secret", "active")
    settled(s)
    assert there.person("secret", "pwdLastSet").one("pwdLastSet") == before != "0", "it was given once"
    for guess in ("what-they-have-here", "secret", "secret-pw"):
        with pytest.raises(ldap.INVALID_CREDENTIALS) as refusal:
            there.client(f"secret@{DOMAIN}", guess)
        assert "data 52e" in refusal.value.args[0]["info"], "enabled, with another password"
    assert "unicodePwd" not in s.provd_log.read_text()


def test_with_password_none_an_account_waits_for_its_first_one(s, there):
    connect(s, there, option=("password=none",))
    s.account("waits")
    settled(s)
    assert control(there, "waits") == 514 and there.person("waits")["pwdLastSet"] == ["0"]
    s.set("waits", title="Dr")
    settled(s)
    assert control(there, "waits") == 514 and there.person("waits")["title"] == ["Dr"]
    assert "waits there for its first password" in s.provd_log.read_text()
    there.set_password("waits", PASSWORD)
    s.set("waits", title="Prof")
    settled(s)
    assert control(there, "waits") == 512 and may_bind(there, "waits")
    s.leave("waits")
    settled(s)
    assert not may_bind(there, "waits")
    s.state_of("waits", "active")
    settled(s)
    assert may_bind(there, "waits") and status(s)["failed"] == 0


def test_one_that_was_made_and_got_no_further_gets_its_password_the_next_time(s, there):
    there.admin.add(f"CN=Half,{STAFF}", {"objectClass": "user", "sAMAccountName": "half", "userAccountControl": "514"})
    connect(s, there)
    s.account("half")
    settled(s)
    assert control(there, "half") == 512 and there.person("half").one("pwdLastSet") != "0"
    assert status(s)["failed"] == 0


def test_what_was_disabled_from_here_is_enabled_from_here(s, there):
    """Also when the password that somebody there gave must still be changed (pwdLastSet is 0 then, too)."""
    connect(s, there, option=("password=none",))
    s.account("first")
    settled(s)
    there.set_password("first", PASSWORD)
    there.admin.modify(there.person("first").dn, replace={"pwdLastSet": "0", "userAccountControl": "512"})
    s.state_of("first", "suspended")
    settled(s)
    assert control(there, "first") == 514 and there.person("first")["pwdLastSet"] == ["0"]
    s.state_of("first", "active")
    settled(s)
    assert control(there, "first") == 512


def test_a_renamed_account_keeps_its_id_and_its_groups(s, there):
    s.group("keepers")
    s.role("keepers", provAssignFilter="(sn=Kay)", provGroup="keepers")
    connect(s, there, option=(f"groups={TEAMS}",))
    s.account("old", cn="Old Kay", sn="Kay")
    settled(s)
    guid = there.person("old", "objectGUID")["objectGUID"]
    s.admin.rename(s.person_dn("old"), "uid=new")
    settled(s)
    e = there.person("new")
    assert there.person("old") is None and e["objectGUID"] == guid and e["userPrincipalName"] == [f"new@{DOMAIN}"]
    s.set("new", cn="New, Kay", sn="Kay")
    settled(s)
    e = there.person("new")
    assert e["cn"] == ["New, Kay"] and e["objectGUID"] == guid and e["memberOf"] == [f"CN=keepers,{TEAMS}"]
    assert there.admin.get(f"CN=keepers,{TEAMS}")["member"] == [e.dn] and status(s)["failed"] == 0


def test_one_that_was_moved_out_of_our_sight_is_found_again(s, there):
    connect(s, there)
    s.account("moved")
    settled(s)
    there.admin.rename(there.person("moved").dn, "CN=by hand", OUT)
    there.admin.modify(f"CN=by hand,{OUT}", replace={"sAMAccountName": "by-hand"})
    s.leave("moved")
    settled(s)
    e = there.person("moved")
    assert e.dn.endswith(OUT) and int(e.one("userAccountControl")) & DISABLED
    assert there.person("by-hand") is None


def test_groups_follow(s, there):
    for g in ("sales", "it"):
        s.group(g)
        s.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g)
    connect(s, there, option=(f"groups={TEAMS}",))
    for uid in ("gus", "hal"):
        s.account(uid, departmentNumber="sales")
    settled(s)
    assert there.members("sales") == ["Gus", "Hal"]
    g = there.admin.get(f"CN=sales,{TEAMS}")
    assert g["groupType"] == ["-2147483646"] and g["sAMAccountName"] == ["sales"]
    s.set("gus", departmentNumber="it")
    settled(s)
    assert there.members("sales") == ["Hal"] and there.members("it") == ["Gus"]
    s.leave("hal")
    settled(s)
    assert there.members("sales") == [] and not there.person("hal")["memberOf"] and status(s)["failed"] == 0


def test_memberships_that_changed_there_by_hand_are_no_failure(s, there):
    for g in ("left", "joined"):
        s.group(g)
        s.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g)
        there.admin.add(f"CN=team {g},{TEAMS}", {"objectClass": "group", "sAMAccountName": g})
    connect(s, there, option=(f"groups={TEAMS}",))
    s.account("ivy", departmentNumber="left")
    settled(s)
    dn = there.person("ivy").dn
    there.admin.modify(f"CN=team left,{TEAMS}", delete={"member": dn})
    there.admin.modify(f"CN=team joined,{TEAMS}", add={"member": dn})
    s.set("ivy", departmentNumber="joined")
    settled(s)
    assert there.members("team left") == [] and there.members("team joined") == ["Ivy"] and status(s)["failed"] == 0


@pytest.mark.parametrize("option, there_is", [((), True), (("delete=remove",), False)])
def test_deleting_disables_unless_told_to_remove(s, there, option, there_is):
    uid = f"jim{there_is}"
    connect(s, there, option=option)
    s.account(uid)
    settled(s)
    s.admin.delete(s.person_dn(uid))
    settled(s)
    e = there.person(uid)
    assert bool(e) == there_is and (not e or int(e.one("userAccountControl")) & DISABLED)


def test_one_that_cannot_be_deleted_is_disabled_at_least(s, there):
    connect(s, there, option=("delete=remove",))
    s.account("stuck")
    settled(s)
    dn = there.person("stuck").dn
    there.admin.add(f"CN=device,{dn}", {"objectClass": "classStore"})
    s.admin.delete(s.person_dn("stuck"))
    failed(s, "delete the account: Operation not allowed on non-leaf")
    assert control(there, "stuck") & DISABLED
    there.admin.delete(f"CN=device,{dn}")
    ask(s, cmd="retry", connector="hook")
    settled(s)
    assert there.person("stuck") is None


def test_an_account_that_is_there_is_adopted_and_a_group_is_not(s, there):
    there.admin.add(f"CN=Kim There,{STAFF}", {"objectClass": "user", "sAMAccountName": "kim", "description": "old"})
    there.admin.add(f"CN=lee,{STAFF}", {"objectClass": "group", "sAMAccountName": "lee"})
    connect(s, there)
    s.account("kim", cn="Kim Here")
    settled(s)
    e = there.person("kim")
    assert e["cn"] == ["Kim Here"] and e["description"] == ["old"]
    s.account("lee", cn="Lee Lee")
    failed(s, "create the account: Already exists")
    assert "group" in there.person("lee")["objectClass"]


def test_with_an_id_attribute_nobody_elses_account_is_taken(s, there):
    there.admin.add(f"CN=Mia,{STAFF}", {"objectClass": "user", "sAMAccountName": "mia", "adminDescription": "another"})
    connect(s, there, option=("idAttribute=adminDescription",))
    s.account("nora")
    settled(s)
    assert there.person("nora")["adminDescription"] == [s.person("nora", "entryUUID").one("entryUUID")]
    s.account("mia", title="Dr")
    failed(s, "another account there")
    assert not there.person("mia")["title"]


def test_a_namesake_is_not_taken_for_the_account(s, there):
    there.admin.add(f"CN=Otto Alt,{STAFF}", {"objectClass": "user", "sAMAccountName": "somebody"})
    connect(s, there)
    s.account("otto", cn="Otto Alt", title="Dr")
    failed(s, "create the account: Already exists")
    assert there.person("otto") is None and not there.person("somebody")["title"]


def test_a_leaver_whose_name_cannot_be_changed_is_disabled_all_the_same(s, there):
    there.admin.add(f"CN=Taken,{STAFF}", {"objectClass": "user", "sAMAccountName": "taken"})
    connect(s, there)
    s.account("paul")
    settled(s)
    s.set("paul", cn="Taken", provState="terminated")
    failed(s, "rename the account: Already exists")
    assert control(there, "paul") & DISABLED


@pytest.mark.parametrize("uid, word", [("a" * 21, "longer than 20"), ("a+b", "a character"), ("dot.", "ends with a dot")])
def test_a_name_that_cannot_be_is_refused_clearly(s, there, uid, word):
    connect(s, there)
    dn = ldap.dn.dn2str([[("uid", uid, ldap.AVA_STRING)]]) + "," + PEOPLE
    s.admin.add(dn, {"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": "x"})
    failed(s, word)
    assert "cannot be a sAMAccountName" in status(s)["lastError"]
    assert not there.admin.search(STAFF, "(sn=x)")


@pytest.mark.parametrize("attrs, words", [
    ({"initials": "much-too-long"}, "a value is not what the attribute takes"),
    ({"uid": "unique2"}, "another account"),
])
def test_refusals_are_explained(s, there, attrs, words):
    connect(s, there, provAttribute=[*ATTRS, "initials"])
    if "uid" in attrs:
        there.admin.add(f"CN=unique2,{OUT}", {"objectClass": "user", "sAMAccountName": "unique2"})
        words = "the name is taken there"
    s.account(attrs.pop("uid", "unique1"), **attrs)
    failed(s, words)


def test_names_with_special_characters(s, there):
    name = 'Quinn, "Q" \\ <x>; #1+1=2 (ö*)'
    s.group("odd")
    s.role("odd", provAssignFilter="(uid=quinn)", provGroup="odd")
    connect(s, there, option=(f"groups={TEAMS}",))
    s.account("quinn", cn=name)
    settled(s)
    e = there.person("quinn")
    assert e["cn"] == [name] and there.admin.get(f"CN=odd,{TEAMS}")["member"] == [e.dn]
    s.set("quinn", cn="#" + name)
    settled(s)
    assert there.person("quinn")["cn"] == ["#" + name]
    s.leave("quinn")
    settled(s)
    assert there.members("odd") == [] and control(there, "quinn") & DISABLED and status(s)["failed"] == 0


def test_the_mapping(s, there):
    connect(s, there, option=("upnSuffix=example.com", "map=cn=uid", "map=department=departmentNumber",
                              "map=departmentNumber=", "map=sAMAccountName=employeeNumber", "class=user"))
    s.account("ruth", cn="Ruth", departmentNumber="sales", employeeNumber="e4711")
    settled(s)
    e = there.person("e4711")
    assert e["cn"] == ["ruth"] and e["userPrincipalName"] == ["ruth@example.com"]
    assert e["department"] == ["sales"] and not e["departmentNumber"]
    assert there.person("ruth") is None


def test_the_manuals_example_does_as_it_is_written(s, there):
    sync = f"CN=sync,OU=services,{BASE}"
    there.admin.add(f"OU=services,{BASE}", {"objectClass": "organizationalUnit"})
    there.admin.add(sync, {"objectClass": "user", "sAMAccountName": "sync", "userAccountControl": "512",
                           "unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le")})
    there.admin.modify(f"CN=Account Operators,CN=Builtin,{BASE}", add={"member": sync})
    target, attrs = manual.at(manual.example("ldap to Active Directory"), "dc1.ad.example.com", there,
                              str(keep(s, PASSWORD)))
    for g in ("east", "west"):
        s.group(g)
        s.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g)
    s.connector("hook", target, **{**attrs, "provOption": [*attrs["provOption"], "delete=remove"]})
    s.provd_start()
    wait_state(s, "enabled")
    s.account("wilma", cn="Wilma Wu", departmentNumber="east")
    settled(s)
    e = there.person("wilma")
    assert e["department"] == ["east"] and e["memberOf"] == [f"CN=east,{TEAMS}"]
    s.set("wilma", cn="Wilma Xu", departmentNumber="west")
    settled(s)
    e = there.person("wilma")
    assert e.dn == f"CN=Wilma Xu,{STAFF}" and e["memberOf"] == [f"CN=west,{TEAMS}"]
    s.leave("wilma")
    settled(s)
    assert control(there, "wilma") & DISABLED and not there.person("wilma")["memberOf"]
    s.state_of("wilma", "active")
    s.admin.delete(s.person_dn("wilma"))
    settled(s)
    assert there.person("wilma") is None and status(s)["failed"] == 0


def test_a_group_whose_name_another_account_has_is_told(s, there):
    there.admin.add(f"CN=clash,{OUT}", {"objectClass": "user", "sAMAccountName": "clash"})
    s.group("clash")
    s.role("clash", provAssignFilter="(uid=xena)", provGroup="clash")
    connect(s, there, option=(f"groups={TEAMS}",))
    s.account("xena")
    failed(s, "create the group: Already exists: the name is taken there")
    assert there.members("clash") is None


def test_one_that_vanished_is_made_again_and_a_leaver_is_not(s, there):
    connect(s, there)
    for uid in ("sam", "tom"):
        s.account(uid)
    settled(s)
    for uid in ("sam", "tom"):
        there.admin.delete(there.person(uid).dn)
    s.set("sam", mail="a@x")
    s.leave("tom")
    settled(s)
    assert there.person("sam")["mail"] == ["a@x"] and there.person("tom") is None


def test_killed_on_the_way_and_told_everything_twice(s, there):
    s.group("crowd")
    s.role("crowd", provAssignFilter="(departmentNumber=crowd)", provGroup="crowd")
    connect(s, there, option=(f"groups={TEAMS}", "idAttribute=adminDescription"))
    s.provd_stop()
    shutil.copy(s.state / "delivery.mdb", s.dir / "before")
    s.provd_start()
    uids = [f"u{i}" for i in range(CROWD)]
    for i, uid in enumerate(uids):
        s.account(uid, departmentNumber="crowd")
        if i % 4 == 3:
            s.provd_stop(hard=True)
            s.provd_start()
    for uid in uids[::3]:
        s.leave(uid)
    s.admin.rename(s.person_dn("u1"), "uid=v1")
    s.provd_stop(hard=True)
    s.provd_start()
    settled(s, timeout=30 + CROWD)

    def all_there():
        return {e.one("sAMAccountName"): (e.one("objectGUID"), e.one("userAccountControl"), sorted(e["memberOf"]))
                for e in there.admin.search(STAFF, "(|(sAMAccountName=u*)(sAMAccountName=v1))")
                if e.one("cn").lower() in uids}
    wanted = {uid: "514" if uid in uids[::3] else "512" for uid in (*uids, "v1") if uid != "u1"}
    once = all_there()
    assert {uid: e[1] for uid, e in once.items()} == wanted
    assert there.members("crowd") == sorted(u.capitalize() for u in uids if u not in uids[::3])
    s.provd_stop()
    shutil.copy(s.dir / "before", s.state / "delivery.mdb")
    s.provd_start()
    settled(s, timeout=30 + CROWD)
    assert status(s)["delivered"] >= CROWD + 5 and status(s)["failed"] == 0
    assert all_there() == once, "all of it over again changes nothing"


def test_a_controller_that_comes_back(s, there):
    connect(s, there)
    s.account("uwe")
    settled(s)
    there.stop()
    s.set("uwe", mail="a@x")
    wait_until(lambda: status(s)["failed"] >= 1, 15)
    there.start()
    ask(s, cmd="retry", connector="hook")
    settled(s, timeout=20)
    assert there.person("uwe")["mail"] == ["a@x"]


def test_a_wrong_password_is_told_and_not_shown(s, there):
    connect(s, there, provSecretFile=str(keep(s, "sesame-open", name="other")))
    s.account("vera")
    failed(s, "bind: Invalid credentials: wrong password")
    assert "sesame-open" not in s.provd_log.read_text()


def test_the_test_event_only_looks(s, there):
    connect(s, there)
    out = provctl(s, "connector", "test", "hook")
    assert out.returncode == 0 and "the base was read" in out.stdout, out


def test_no_password_is_sent_without_tls(s, make_slapd):
    """ldapi has none, and a plain slapd is enough to see that nothing is added."""
    plain = make_slapd(provision=None)
    s.connector("hook", f"{plain.ldapi}/{PEOPLE}", provConnectorType="ldap", provAttribute=ATTRS,
                provSecretFile=str(keep(s, plain.rootpw)), provOption=["dialect=ad", f"bindDn={plain.rootdn}"])
    s.provd_start()
    wait_state(s, "enabled")
    s.account("wim")
    failed(s, "a password is not sent over a connection without TLS")
    assert " ADD " not in plain.log().split("BIND")[-1]


@pytest.mark.parametrize("option, word", [
    (["dialect=ad", "rdn=uid"], "rdn"), (["dialect=ad", "disable=a=b"], "disable"),
    (["dialect=ad", "member=memberUid"], "member"), (["password=none"], "dialect=ad"),
    (["upnSuffix=x"], "dialect=ad"),
])
def test_options_that_do_not_go_together_make_it_unusable(s, option, word):
    s.connector("hook", f"ldaps://h/{PEOPLE}", provConnectorType="ldap", provOption=option)
    s.provd_start()
    wait_state(s, "unusable")
    assert word in status(s)["problem"]
