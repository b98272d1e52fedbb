"""The ldap connector against 389 Directory Server: one instance for all, so each test has its own people."""

import ldap
import pytest

import manual
from directory import GROUPS, PEOPLE, SUFFIX
from ds389 import Ds389
from harness import wait_until
from test_ldap_connector import connect as connect_any
from test_provd import status, wait_state
from test_scim import settled
from test_webhook import failed, keep

LOCK = "nsAccountLock"


@pytest.fixture(scope="module")
def there():
    t = Ds389()
    yield t
    t.close()


@pytest.fixture
def s(slapd):
    return slapd


def connect(s, there, *, option=(), **kw):
    connect_any(s, there, option=(f"disable={LOCK}=true", *option), **kw)


def members(there, group, member="member"):
    return sorted(v.split(",")[0].removeprefix("uid=") for v in there.admin.get(there.group_dn(group))[member] if v)


@pytest.mark.parametrize("scheme", ["ldaps", "uri"])
def test_joiner_mover_leaver(s, there, scheme):
    uid = f"ann-{scheme}"
    connect(s, there, url=getattr(there, scheme))
    s.account(uid, cn="Änne Bjørk", sn="Bjørk", mail=["a@x", "b@x"], departmentNumber="sales")
    settled(s)
    ann = there.entry(uid)
    assert ann["cn"] == ["Änne Bjørk"] and sorted(ann["mail"]) == ["a@x", "b@x"] and not ann[LOCK]
    s.set(uid, mail="c@x", title="Dr", departmentNumber=None)
    settled(s)
    ann = there.entry(uid)
    assert ann["mail"] == ["c@x"] and ann.one("title") == "Dr" and not ann["departmentNumber"]
    s.leave(uid)
    settled(s)
    assert there.entry(uid)[LOCK] == ["true"]
    assert "locked, proven by reading it back" in s.provd_log.read_text() and status(s)["failed"] == 0


def test_a_disabled_account_cannot_bind_there_and_a_restored_one_can(s, there):
    connect(s, there)
    s.account("bob")
    settled(s)
    dn = there.person_dn("bob")
    there.admin.modify(dn, replace={"userPassword": "bob-there-1"})
    assert there.client(dn, "bob-there-1").whoami()
    s.state_of("bob", "suspended")
    settled(s)
    with pytest.raises(ldap.UNWILLING_TO_PERFORM) as refusal:
        there.client(dn, "bob-there-1")
    assert "inactivated" in refusal.value.args[0]["info"]
    s.state_of("bob", "active")
    settled(s)
    assert there.client(dn, "bob-there-1").whoami() and not there.entry("bob")[LOCK]


def test_only_what_differs_is_written(s, there):
    connect(s, there)
    s.account("carl", mail="a@x")
    settled(s)
    there.admin.modify(there.person_dn("carl"), add={"carLicense": "theirs"}, replace={"description": "theirs"})
    before = there.entry("carl").one("modifyTimestamp"), there.entry("carl").one("modifiersName")
    s.set("carl", description="of no concern")
    settled(s)
    carl = there.entry("carl")
    assert (carl.one("modifyTimestamp"), carl.one("modifiersName")) == before
    assert carl.one("carLicense") == "theirs" and "nothing to change" in s.provd_log.read_text()


def test_a_renamed_account_is_renamed_there_and_keeps_its_id(s, there):
    connect(s, there)
    s.account("dora")
    settled(s)
    was = there.entry("dora").one("nsUniqueId")
    s.admin.rename(s.person_dn("dora"), "uid=eva")
    settled(s)
    assert there.entry("dora") is None and there.entry("eva").one("nsUniqueId") == was


def test_one_that_was_moved_there_is_found_again_by_nsUniqueId(s, there):
    connect(s, there)
    s.account("fred")
    settled(s)
    deep = f"ou=deep,{PEOPLE}"
    there.admin.add(deep, {"objectClass": "organizationalUnit", "ou": "deep"})
    there.admin.rename(there.person_dn("fred"), "uid=moved-by-hand", deep)
    s.leave("fred")
    settled(s)
    assert there.admin.get(f"uid=fred,{deep}", LOCK)[LOCK] == ["true"] and there.entry("fred") is None
    assert there.admin.get(f"uid=moved-by-hand,{deep}") is None, "it has got its name back"


@pytest.mark.parametrize("option, there_is", [((), True), (("delete=remove",), False)])
def test_deleting_locks_unless_told_to_remove(make_slapd, there, option, there_is):
    s = make_slapd(provision={"provision-on-delete": "allow"})
    uid = f"gus{there_is}"
    connect(s, there, option=option)
    s.account(uid)
    settled(s)
    s.admin.delete(s.person_dn(uid))
    settled(s)
    gus = there.entry(uid)
    assert bool(gus) == there_is and (not gus or gus[LOCK] == ["true"])


def test_with_an_id_attribute_nobody_elses_account_is_taken(s, there):
    there.admin.add(there.person_dn("hanna"), {"objectClass": "inetOrgPerson", "uid": "hanna", "cn": "x", "sn": "x",
                                               "carLicense": "another"})
    connect(s, there, option=("idAttribute=carLicense",))
    s.account("hanna")
    failed(s, "another account there")
    assert there.entry("hanna")["cn"] == ["x"]
    s.account("ida")
    wait_until(lambda: status(s)["delivered"] == 1, 10)
    uuid = s.person("ida", "entryUUID").one("entryUUID")
    assert there.entry("ida")["carLicense"] == [uuid]


@pytest.mark.parametrize("member, cls", [("member", "groupOfNames"), ("uniqueMember", "groupOfUniqueNames"),
                                         ("memberUid", "posixGroup")])
def test_groups_follow(s, there, member, cls):
    sales, it = f"sales-{member}", f"it-{member}"
    for i, g in enumerate((sales, it)):
        s.group(g)
        s.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g)
        if cls == "posixGroup":
            there.admin.add(there.group_dn(g), {"objectClass": cls, "cn": g, "gidNumber": str(1000 + i)})
    connect(s, there, option=(f"groups={GROUPS}", f"member={member}"))
    one, two = f"jo-{member}", f"kim-{member}"
    for uid in (one, two):
        s.account(uid, departmentNumber=sales)
    settled(s)
    assert members(there, sales, member) == [one, two]
    s.set(one, departmentNumber=it)
    settled(s)
    assert members(there, sales, member) == [two] and members(there, it, member) == [one]
    s.leave(two)
    settled(s)
    assert members(there, sales, member) == [], "the last one has left"
    assert status(s)["failed"] == 0


@pytest.mark.parametrize("member", ["member", "uniqueMember"])
def test_a_renamed_account_keeps_its_groups_there(s, there, member):
    """The instance's referential integrity plugin is off, as it is by default."""
    s.group(f"keep-{member}")
    s.role("keep", provAssignFilter="(uid=*)", provGroup=f"keep-{member}")
    connect(s, there, option=(f"groups={GROUPS}", f"member={member}"))
    old, new = f"lea-{member}", f"max-{member}"
    s.account(old)
    settled(s)
    assert members(there, f"keep-{member}", member) == [old]
    s.admin.rename(s.person_dn(old), f"uid={new}")
    settled(s)
    assert members(there, f"keep-{member}", member) == [new] and status(s)["failed"] == 0


def test_the_manuals_example_does_as_it_is_written(s, there):
    sync = f"uid=sync,ou=services,{SUFFIX}"
    there.admin.add(f"ou=services,{SUFFIX}", {"objectClass": "organizationalUnit", "ou": "services"})
    there.admin.add(sync, {"objectClass": "account", "uid": "sync"})
    there.admin.modify(sync, add={"objectClass": "simpleSecurityObject", "userPassword": "sync-pw-1"})
    there.admin.modify(SUFFIX, add={"aci": f'(targetattr="*")(version 3.0; acl "sync"; allow (all) '
                                           f'userdn="ldap:///{sync}";)'})
    target, attrs = manual.at(manual.example("ldap to 389 Directory Server"), "campus.example.com", there,
                              str(keep(s, "sync-pw-1")))
    s.group("campus")
    s.role("campus", provAssignFilter="(uid=nils)", provGroup="campus")
    s.connector("hook", target, **attrs)
    s.provd_start()
    wait_state(s, "enabled")
    s.account("nils", mail="n@x")
    settled(s)
    assert there.entry("nils")["mail"] == ["n@x"] and members(there, "campus", "uniqueMember") == ["nils"]
    s.leave("nils")
    settled(s)
    assert there.entry("nils")[LOCK] == ["true"] and members(there, "campus", "uniqueMember") == []
    assert status(s)["failed"] == 0
