"""The ldap connector: accounts of another directory, a plain slapd with ppolicy, kept over TLS."""

import ldap
import pytest

from directory import GROUPS, HR, PEOPLE
from harness import make_pki, wait_until
from ldapclient import refused
from test_provd import ask, status, wait_state
from test_scim import settled
from test_webhook import failed, keep, provctl

ATTRS = ["cn", "sn", "givenName", "mail", "title", "departmentNumber", "employeeNumber"]
LOCK = "pwdAccountLockedTime"


@pytest.fixture
def there(make_slapd):
    dn = f"cn=default,{GROUPS}"
    t = make_slapd(provision=None, tls=True, overlays=[("ppolicy", {"ppolicy_default": dn})])
    t.expect_log("ppolicy_get: policy subentry .* missing")  # while the policy itself is added
    t.admin.add(dn, {"objectClass": ["device", "pwdPolicy"], "cn": "default", "pwdAttribute": "userPassword",
                     "pwdLockout": "TRUE"})
    return t


@pytest.fixture
def s(slapd):
    return slapd


def connect(s, there, *, url=None, base=PEOPLE, option=(), wait=True, tls=True, binds=None, **attrs):
    dn, password = binds or (there.rootdn, there.rootpw)
    attrs.setdefault("provSecretFile", str(keep(s, password)))
    attrs.setdefault("provAttribute", ATTRS)
    attrs.setdefault("provTimeout", "5")
    option = [*([f"ca={there.dir}/pki/ca.pem"] if tls else []), f"bindDn={dn}", *option]
    s.connector("hook", f"{url or there.ldaps}/{base}", provConnectorType="ldap", provOption=option, **attrs)
    s.provd_start()
    if wait:
        wait_state(s, "enabled")


def entry(there, uid):
    return there.admin.get(there.person_dn(uid), "*", "+")


@pytest.mark.parametrize("scheme", ["ldaps", "uri", "ldapi"])
def test_joiner_mover_leaver(s, there, scheme):
    connect(s, there, url=getattr(there, scheme))
    s.account("ann", cn="Änne Bjørk", sn="Bjørk", mail=["a@x", "b@x"], departmentNumber="sales")
    settled(s)
    ann = entry(there, "ann")
    assert ann["cn"] == ["Änne Bjørk"] and sorted(ann["mail"]) == ["a@x", "b@x"] and ann.one("departmentNumber") == "sales"
    s.set("ann", mail="c@x", title="Dr", departmentNumber=None)
    settled(s)
    ann = entry(there, "ann")
    assert ann["mail"] == ["c@x"] and ann.one("title") == "Dr" and not ann["departmentNumber"]
    s.leave("ann")
    settled(s)
    assert entry(there, "ann")[LOCK] == ["000001010000Z"]
    assert "locked, proven by reading it back" in s.provd_log.read_text()
    assert status(s)["failed"] == 0


def test_a_locked_account_cannot_bind_there_and_a_restored_one_can(s, there):
    connect(s, there)
    s.account("ann")
    settled(s)
    there.admin.modify(there.person_dn("ann"), replace={"userPassword": "there"})
    assert there.client(there.person_dn("ann"), "there")
    s.state_of("ann", "suspended")
    settled(s)
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        there.client(there.person_dn("ann"), "there")
    s.state_of("ann", "active")
    settled(s)
    assert there.client(there.person_dn("ann"), "there")


def test_only_what_differs_is_written(s, there):
    connect(s, there)
    s.account("ann", mail="a@x")
    settled(s)
    before = entry(there, "ann").one("entryCSN")
    s.set("ann", description="of no concern")
    settled(s)
    assert entry(there, "ann").one("entryCSN") == before


def test_what_is_theirs_stays(s, there):
    connect(s, there)
    s.account("ann", mail="a@x")
    settled(s)
    there.admin.modify(there.person_dn("ann"), add={"description": "theirs", "carLicense": "B 1"})
    s.set("ann", mail="b@x")
    settled(s)
    ann = entry(there, "ann")
    assert ann.one("description") == "theirs" and ann.one("carLicense") == "B 1" and ann["mail"] == ["b@x"]


def test_a_renamed_account_is_renamed_there(s, there):
    connect(s, there)
    s.account("ann")
    settled(s)
    uuid = entry(there, "ann").one("entryUUID")
    s.admin.rename(s.person_dn("ann"), "uid=eva")
    settled(s)
    assert entry(there, "ann") is None and entry(there, "eva").one("entryUUID") == uuid


def test_one_that_was_moved_there_is_found_again(s, there):
    connect(s, there)
    s.account("ann")
    settled(s)
    there.admin.add(f"ou=deep,{PEOPLE}", {"objectClass": "organizationalUnit", "ou": "deep"})
    there.admin.rename(there.person_dn("ann"), "uid=ann", f"ou=deep,{PEOPLE}")
    s.leave("ann")
    settled(s)
    assert there.admin.get(f"uid=ann,ou=deep,{PEOPLE}", LOCK)[LOCK]
    assert entry(there, "ann") is None


@pytest.mark.parametrize("option, there_is", [((), True), (("delete=remove",), False)])
def test_deleting_locks_unless_told_to_remove(make_slapd, there, option, there_is):
    s = make_slapd(provision={"provision-on-delete": "allow"})
    connect(s, there, option=option)
    s.account("ann")
    settled(s)
    s.admin.delete(s.person_dn("ann"))
    settled(s)
    ann = entry(there, "ann")
    assert bool(ann) == there_is and (not ann or ann[LOCK])


def test_an_account_that_is_there_is_adopted(s, there):
    there.admin.add(there.person_dn("ann"), {"objectClass": "inetOrgPerson", "uid": "ann", "cn": "x", "sn": "x",
                                             "description": "old"})
    connect(s, there)
    s.account("ann", cn="Ann", sn="A")
    settled(s)
    assert entry(there, "ann")["cn"] == ["Ann"] and entry(there, "ann").one("description") == "old"


def test_with_an_id_attribute_nobody_elses_account_is_taken(s, there):
    there.admin.add(there.person_dn("ann"), {"objectClass": "inetOrgPerson", "uid": "ann", "cn": "x", "sn": "x",
                                             "carLicense": "another"})
    connect(s, there, option=("idAttribute=carLicense",))
    s.account("bob")
    s.account("ann")
    failed(s, "another account there")
    assert entry(there, "ann")["cn"] == ["x"]
    wait_until(lambda: status(s)["delivered"] == 1, 10)
    assert entry(there, "bob").one("carLicense") == s.admin.get(s.person_dn("bob"), "entryUUID").one("entryUUID")


def test_one_that_vanished_is_made_again_and_a_leaver_is_not(s, there):
    connect(s, there)
    for uid in ("ann", "bob"):
        s.account(uid)
    settled(s)
    for uid in ("ann", "bob"):
        there.admin.delete(there.person_dn(uid))
    s.set("ann", mail="a@x")
    s.leave("bob")
    settled(s)
    assert entry(there, "ann")["mail"] == ["a@x"] and entry(there, "bob") is None


@pytest.mark.parametrize("cls, member", [("groupOfNames", "member"), ("groupOfUniqueNames", "uniqueMember"),
                                         ("posixGroup", "memberUid")])
def test_groups_follow(s, there, cls, member):
    for g in ("sales", "it"):
        s.group(g)
        s.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g)
    if cls == "posixGroup":
        for i, g in enumerate(("sales", "it")):
            there.admin.add(there.group_dn(g), {"objectClass": cls, "cn": g, "gidNumber": str(1000 + i)})
    connect(s, there, option=(f"groups={GROUPS}", f"member={member}"))

    def members(g):
        e = there.admin.get(there.group_dn(g))
        return sorted(v.split(",")[0].removeprefix("uid=") for v in e[member] if v) if e else None
    for uid in ("ann", "bob"):
        s.account(uid, departmentNumber="sales")
    settled(s)
    assert members("sales") == ["ann", "bob"]
    s.set("ann", departmentNumber="it")
    settled(s)
    assert members("sales") == ["bob"] and members("it") == ["ann"]
    s.leave("bob")
    settled(s)
    assert members("sales") == [] and status(s)["failed"] == 0


@pytest.mark.parametrize("member, cls", [("member", "groupOfNames"), ("memberUid", "posixGroup")])
def test_a_rename_that_changes_groups_uses_the_right_names(s, there, member, cls):
    for i, g in enumerate(("old", "new")):
        s.group(g)
        s.role(g, provAssignFilter="(uid=ann)" if g == "old" else "(uid=eva)", provGroup=[g])
        if cls == "posixGroup":
            there.admin.add(there.group_dn(g), {"objectClass": cls, "cn": g, "gidNumber": str(1000 + i)})
    connect(s, there, option=(f"groups={GROUPS}", f"member={member}"))
    s.account("ann")
    settled(s)
    name = (lambda uid: uid) if member == "memberUid" else there.person_dn
    assert name("ann") in there.admin.get(there.group_dn("old"))[member]
    s.admin.rename(s.person_dn("ann"), "uid=eva")
    settled(s)
    assert there.admin.get(there.group_dn("new"))[member] == [name("eva")]
    assert name("ann") not in there.admin.get(there.group_dn("old"))[member]
    assert status(s)["failed"] == 0


def keepers(s, there, member, **kw):
    """A role that everybody has, with a group; and a group there that nobody here knows of."""
    cls = {"member": "groupOfNames", "uniqueMember": "groupOfUniqueNames", "memberUid": "posixGroup"}[member]
    s.group("keepers")
    s.role("keepers", provAssignFilter="(uid=*)", provGroup="keepers")
    for i, g in enumerate(("keepers", "theirs") if cls == "posixGroup" else ()):
        there.admin.add(there.group_dn(g), {"objectClass": cls, "cn": g, "gidNumber": str(1000 + i)})
    connect(s, there, option=(f"groups={GROUPS}", f"member={member}", "delete=remove"), **kw)
    s.account("ann")
    settled(s)
    name = (lambda uid: uid) if member == "memberUid" else there.person_dn
    theirs = there.group_dn("theirs")
    if cls == "posixGroup":
        there.admin.modify(theirs, add={member: name("ann")})
    else:
        there.admin.add(theirs, {"objectClass": cls, "cn": "theirs", member: [name("ann")]})
    return name


@pytest.mark.parametrize("member", ["member", "uniqueMember", "memberUid"])
def test_a_renamed_account_keeps_its_groups_there(s, there, member):
    name = keepers(s, there, member)
    s.admin.rename(s.person_dn("ann"), "uid=eva")
    settled(s)
    for g in ("keepers", "theirs"):
        assert there.admin.get(there.group_dn(g))[member] == [name("eva")], g
    assert status(s)["failed"] == 0


def test_groups_that_the_server_keeps_itself_are_no_failure(s, make_slapd):
    there = make_slapd(provision=None, tls=True, overlays=[("refint", {"refint_attributes": "member"})])
    there.expect_log("refint_repair: ")
    name = keepers(s, there, "member")
    s.admin.rename(s.person_dn("ann"), "uid=eva")
    settled(s)
    for g in ("keepers", "theirs"):
        wait_until(lambda: there.admin.get(there.group_dn(g))["member"] == [name("eva")], 10, g)  # refint is slower
    assert status(s)["failed"] == 0


def test_groups_there_that_are_not_ours_to_write_are_left_alone(s, make_slapd):
    there = make_slapd(provision=None, tls=True, access=[
        'to dn.base="cn=theirs,ou=groups,{s}" by * read', 'to * by dn.children="ou=apps,{s}" manage by * read'])
    name = keepers(s, there, "member", binds=(HR, "hr-secret"))
    s.admin.rename(s.person_dn("ann"), "uid=eva")
    settled(s)
    assert there.admin.get(there.group_dn("keepers"))["member"] == [name("eva")]
    assert there.admin.get(there.group_dn("theirs"))["member"] == [name("ann")]
    assert status(s)["failed"] == 0


def test_groups_follow_when_provd_ended_between_the_renaming_and_them(s, there):
    name = keepers(s, there, "member")
    s.provd_stop()
    s.admin.rename(s.person_dn("ann"), "uid=eva")
    there.admin.rename(there.person_dn("ann"), "uid=eva")  # as far as it had come
    s.provd_start()
    settled(s)
    for g in ("keepers", "theirs"):
        assert there.admin.get(there.group_dn(g))["member"] == [name("eva")], g


def test_and_not_when_somebody_else_has_the_name_by_then(s, there):
    name = keepers(s, there, "member")
    s.provd_stop()
    s.admin.rename(s.person_dn("ann"), "uid=eva")
    there.admin.rename(there.person_dn("ann"), "uid=eva")
    there.admin.add(there.person_dn("ann"), {"objectClass": "inetOrgPerson", "uid": "ann", "cn": "x", "sn": "x"})
    s.provd_start()
    settled(s)
    assert there.admin.get(there.group_dn("theirs"))["member"] == [name("ann")]


@pytest.mark.parametrize("member", ["member", "memberUid"])
def test_who_gets_the_name_of_a_removed_account_does_not_get_its_groups(make_slapd, there, member):
    s = make_slapd(provision={"provision-on-delete": "allow"})
    name = keepers(s, there, member)
    s.admin.delete(s.person_dn("ann"))
    settled(s)
    assert entry(there, "ann") is None and status(s)["failed"] == 0
    for g in ("keepers", "theirs"):
        assert name("ann") not in there.admin.get(there.group_dn(g))[member], g


def test_a_leaver_is_locked_though_the_server_refuses_the_rest(s, there):
    connect(s, there, provAttribute=[*ATTRS, "labeledURI"], option=("map=seeAlso=labeledURI",))
    s.account("ann")
    settled(s)
    s.set("ann", labeledURI="no-dn", provState="terminated")
    failed(s, "change the account: Invalid syntax")
    assert entry(there, "ann")[LOCK]


def test_groups_are_left_though_the_server_refuses_the_lock(s, make_slapd):
    there = make_slapd(provision=None, tls=True)  # without ppolicy
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    connect(s, there, option=(f"groups={GROUPS}",))
    s.account("ann", departmentNumber="sales")
    settled(s)
    s.leave("ann")
    failed(s, "lock the account: Undefined attribute type")
    assert there.admin.get(there.group_dn("sales"))["member"] == [""]


def test_one_that_cannot_be_deleted_is_locked_at_least(make_slapd, there):
    s = make_slapd(provision={"provision-on-delete": "allow"})
    connect(s, there, option=("delete=remove",))
    s.account("ann")
    settled(s)
    there.admin.add(f"cn=device,{there.person_dn('ann')}", {"objectClass": "device", "cn": "device"})
    s.admin.delete(s.person_dn("ann"))
    failed(s, "delete the account: Operation not allowed on non-leaf")
    assert entry(there, "ann")[LOCK]


def test_the_mapping(s, there):
    connect(s, there, option=("rdn=cn", "map=cn=uid", "map=uid=", "map=description=title", "map=displayName=cn",
                              "class=person", "class=extensibleObject"))
    s.account("ann", cn="Ann Lee", sn="Lee", title="Dr")
    settled(s)
    ann = there.admin.get(f"cn=ann,{PEOPLE}")
    assert ann["description"] == ["Dr"] and ann["displayName"] == ["Ann Lee"] and ann["title"] == ["Dr"]
    assert "person" in ann["objectClass"] and "inetOrgPerson" not in ann["objectClass"]


def test_special_characters_in_names(s, there):
    uid = 'a,b+c"d\\e<f>;#g=h*(i)'
    connect(s, there)
    dn = ldap.dn.dn2str([[("uid", uid, ldap.AVA_STRING)]]) + "," + PEOPLE
    s.admin.add(dn, {"objectClass": "inetOrgPerson", "uid": uid, "cn": uid, "sn": "x"})
    settled(s)
    assert there.admin.get(dn)["uid"] == [uid]
    s.admin.modify(dn, replace={"provState": "terminated"})
    settled(s)
    assert there.admin.get(dn, LOCK)[LOCK]


@pytest.mark.parametrize("scheme", ["ldaps", "uri"])
def test_the_certificate_is_verified(s, there, tmp_path, scheme):
    make_pki(tmp_path / "other")
    connect(s, there, url=getattr(there, scheme), tls=False, option=(f"ca={tmp_path}/other/ca.pem",))
    s.account("ann")
    wait_until(lambda: (status(s) or {}).get("lastError"), 10)
    assert entry(there, "ann") is None


def test_a_server_without_tls_is_not_spoken_to(s, make_slapd):
    plain = make_slapd(provision=None)
    plain.expect_log('unsupported operation "1.3.6.1.4.1.1466.20037"')
    connect(s, plain, url=plain.uri, tls=False)
    s.account("ann")
    failed(s, "StartTLS")
    assert plain.admin.get(plain.person_dn("ann")) is None
    refusing = next(line.split("conn=")[1].split()[0] for line in plain.log().splitlines() if "1466.20037" in line)
    assert f"conn={refusing} op=1 BIND" not in plain.log(), "no password over the open"


def test_a_wrong_password_is_told_and_not_shown(s, there):
    connect(s, there, provSecretFile=str(keep(s, "sesame-open", name="other")))
    s.account("ann")
    failed(s, "bind: Invalid credentials")
    assert "sesame-open" not in s.provd_log.read_text()


def test_refusals_have_the_servers_words(s, there):
    connect(s, there, provAttribute=["mail"])
    s.account("ann")
    failed(s, "create the account: Object class violation")


def test_a_server_that_comes_back(s, there):
    connect(s, there)
    s.account("ann")
    settled(s)
    there.stop()
    s.set("ann", mail="a@x")
    wait_until(lambda: status(s)["failed"] >= 1, 10)
    there.start()
    ask(s, cmd="retry", connector="hook")
    settled(s, timeout=20)
    assert entry(there, "ann")["mail"] == ["a@x"]


def test_the_test_event_only_looks(s, there):
    connect(s, there)
    out = provctl(s, "connector", "test", "hook")
    assert out.returncode == 0 and "the base was read" in out.stdout, out


@pytest.mark.parametrize("attrs, word", [
    ({"provTarget": "https://x/"}, "ldaps://"), ({"provTarget": "ldaps://h/"}, "base DN"),
    ({"provTarget": "ldaps:///dc=x"}, "host"), ({"provOption": "member=x"}, "memberUid"),
    ({"provOption": "ssl=no"}, "ssl"),
])
def test_a_bad_entry_is_refused_when_it_is_written(s, attrs, word):
    whole = {"provTarget": f"ldaps://h/{PEOPLE}", **attrs}
    target = whole.pop("provTarget")
    with refused(ldap.CONSTRAINT_VIOLATION, word):
        s.connector("hook", target, provConnectorType="ldap", **whole)


@pytest.mark.parametrize("option", ["bindDn=cn=x", "map=a b=c", "disable=x"])
def test_what_only_provd_can_tell_makes_it_unusable(s, option):
    s.connector("hook", f"ldaps://h/{PEOPLE}", provConnectorType="ldap", provOption=option)
    s.provd_start()
    wait_state(s, "unusable")
    assert option.partition("=")[0] in status(s)["problem"]


def test_a_parked_event_that_is_tried_again_undoes_nothing(s, there):
    connect(s, there, provMaxAttempts="1")
    s.account("ann")
    settled(s)
    there.stop()
    s.set("ann", mail="a@x")
    wait_until(lambda: status(s)["parked"] == 1, 10)
    there.start()
    s.leave("ann")
    settled(s)
    ask(s, cmd="retry", connector="hook")
    wait_until(lambda: status(s)["parked"] == 0 and not status(s)["ready"] and not status(s)["inFlight"], 10)
    assert entry(there, "ann")[LOCK] and "a later event" in s.provd_log.read_text()
