"""What slapd's transactions do to those who are not careful (docs/architecture.md): each hazard
has a test that fails without its guard."""

import threading
import time

import ldap
import pytest
from ldap.controls.readentry import PreReadControl

from directory import GROUPS, PEOPLE
from harness import stays, wait_until
from ldapclient import NOOP, Client, control, refused
from test_config import added
from test_overlays import Watch


def noop(call):
    with pytest.raises(ldap.LDAPError) as error:
        call([control(NOOP)])
    assert error.value.args[0]["result"] == 0x410E


# -- an aborted transaction that was the first to use an attribute -------------------------------


def assert_sound(s, attr, people):
    """Everything can be read: by search, by value, after a restart, by slapcat."""
    def read():
        return {e.one("uid"): e.one(attr) for e in s.admin.search(PEOPLE, f"({attr}=*)")}
    assert read() == people
    s.restart()
    assert read() == people
    s.stop()
    ldif = s.slapcat()
    assert all(f"uid: {u}\n" in ldif and f"{attr}: {v}\n" in ldif for u, v in people.items())
    assert ldif.count(f"\n{attr}: ") == len(people)
    s.start()


@pytest.mark.parametrize("attr", ["employeeNumber", "carLicense"])
def test_a_simulated_add_with_a_new_attribute_spoils_nothing(slapd, attr):
    noop(lambda c: slapd.account("ada", controls=c, **{attr: "1"}))
    slapd.account("bob", **{attr: "2"})
    slapd.account("carl", **{attr: "3"})
    assert_sound(slapd, attr, {"bob": "2", "carl": "3"})


def test_a_simulated_modify_with_a_new_attribute_spoils_nothing(slapd):
    slapd.account("ada")
    noop(lambda c: slapd.set("ada", carLicense="1", controls=c))
    slapd.set("ada", employeeNumber="2", roomNumber="4")
    slapd.account("bob", carLicense="3", employeeNumber="5")
    assert_sound(slapd, "carLicense", {"bob": "3"})
    assert_sound(slapd, "employeeNumber", {"ada": "2", "bob": "5"})


def test_a_no_op_of_what_is_no_account_spoils_nothing(slapd):
    """back-mdb's own does: what is written with the attribute later is not found any more."""
    ou, other = f"ou=a,{slapd.suffix}", f"ou=b,{slapd.suffix}"
    entry = {"objectClass": "organizationalUnit", "ou": "a", "street": "x"}
    noop(lambda c: slapd.admin.add(ou, entry, c))
    slapd.admin.add(other, {"objectClass": "organizationalUnit", "ou": "b"})
    noop(lambda c: slapd.admin.modify(other, replace={"postalCode": "1"}, controls=c))
    with refused(ldap.NO_SUCH_OBJECT):
        slapd.admin.modify(ou, replace={"st": "x"}, controls=[control(NOOP)])
    slapd.admin.add(ou, entry)
    slapd.admin.modify(other, replace={"postalCode": "1"})

    def read():
        return slapd.admin.get(ou).one("street"), slapd.admin.get(other).one("postalCode")
    assert read() == ("x", "1")
    slapd.restart()
    assert read() == ("x", "1")


def test_an_entry_that_cannot_be_read_harms_its_own_operations_only(make_slapd):
    """Left by a no-op while the overlay was not there."""
    s = make_slapd("config")
    s.expect_log("mdb_entry_decode: attribute index", "provision: relay: .* (is open in this process already|writable again)")
    config = s.config_client()
    config.delete(s.config.overlay_dn)
    ada, person = s.person_dn("ada"), {"objectClass": "inetOrgPerson", "uid": "ada", "cn": "A", "sn": "A", "userPassword": "pw", "carLicense": "1"}
    noop(lambda c: s.admin.add(ada, person, c))
    s.admin.add(ada, person)
    wait_until(lambda: added(config, s), 10, "the overlay is there again")
    for _ in range(20):  # by every thread
        with pytest.raises(ldap.OTHER):
            Client(s.ldapi, ada, "pw")
        with pytest.raises(ldap.OTHER):
            s.set("ada", title="Dr")
    assert s.admin.get(PEOPLE)


def test_an_add_that_fails_in_a_group_spoils_nothing(slapd):
    """The account itself is written before the group refuses: here, for lack of a uid."""
    slapd.group("posix", cls="posixGroup")
    slapd.role("r", provAssignFilter="(title=Dr)", provGroup="posix", provTemplate="add carLicense: {cn}")
    dn = f"cn=nameless,{PEOPLE}"
    with refused(ldap.CONSTRAINT_VIOLATION, "cn=posix"):
        slapd.admin.add(dn, {"objectClass": "inetOrgPerson", "cn": "nameless", "sn": "x", "title": "Dr",
                             "employeeNumber": "1"})
    assert slapd.admin.get(dn) is None
    slapd.account("bob", employeeNumber="2")
    slapd.account("carl", employeeNumber="3", title="Dr")
    assert_sound(slapd, "employeeNumber", {"bob": "2", "carl": "3"})
    assert_sound(slapd, "carLicense", {"carl": "Carl"})


def test_aborts_among_readers_and_writers_spoil_nothing(slapd):
    """Refused, simulated and good writes with ever new attributes, beside readers."""
    slapd.role("r", provAssignFilter="(title=*)", provTemplate="add description: {carLicense}")
    attrs = ["employeeNumber", "roomNumber", "pager", "mobile", "street", "st", "postalCode", "initials", "homePhone",
             "physicalDeliveryOfficeName", "postOfficeBox", "preferredLanguage", "registeredAddress", "labeledURI"]
    slapd.account("ada")
    stop, failed = threading.Event(), []

    def run(work):
        c = Client(slapd.ldapi, slapd.rootdn, slapd.rootpw)
        try:
            while not stop.is_set():
                work(c)
        except Exception as error:  # noqa: BLE001 - handed to the main thread
            failed.append(error)
        c.close()

    def read(c):
        assert c.get(slapd.person_dn("ada")).one("uid") == "ada"

    def refuse(c):
        with pytest.raises(ldap.CONSTRAINT_VIOLATION):
            c.modify(slapd.person_dn("ada"), replace={"title": "Dr"})

    def simulate(c):
        noop(lambda ctrl: c.modify(slapd.person_dn("ada"), replace={attrs[0]: "1"}, controls=ctrl))

    threads = [threading.Thread(target=run, args=(w,)) for w in (read, read, refuse, refuse, simulate, simulate)]
    for t in threads:
        t.start()
    for i in range(120):
        a = attrs[i % len(attrs)]
        noop(lambda c, a=a, i=i: slapd.account(f"n{i}", controls=c, **{a: "1"}))
        slapd.account(f"u{i}", **{a: "1"})
    stop.set()
    for t in threads:
        t.join(20)
    assert not failed, failed[0]
    slapd.restart()
    assert len(slapd.admin.search(PEOPLE, "(uid=u*)")) == 120
    slapd.stop()
    assert slapd.slapcat().count(f",{PEOPLE}\n") == 121


# -- deleting the last child of an entry ----------------------------------------------------------


def test_the_last_account_of_a_folder_can_be_deleted(slapd):
    slapd.group("staff")
    slapd.role("r", provAssignFilter="(title=*)", provGroup="staff")
    for _ in range(3):
        slapd.account("ada", title="Dr")
        slapd.admin.delete(slapd.person_dn("ada"))
        assert slapd.person("ada") is None and slapd.members("staff") == []
    slapd.admin.delete(PEOPLE)
    assert slapd.admin.get(PEOPLE) is None
    slapd.restart()
    assert slapd.admin.get(PEOPLE) is None


def test_the_last_group_and_the_last_role_can_be_deleted(slapd):
    slapd.group("staff")
    slapd.role("r")
    slapd.admin.delete(slapd.group_dn("staff"))
    slapd.admin.delete(slapd.role_dn("r"))
    slapd.admin.delete(GROUPS)
    assert slapd.admin.get(GROUPS) is None


def test_the_last_account_is_preserved_in_the_archive(make_slapd):
    s = make_slapd(provision={"provision-on-delete": "preserve", "provision-archive": "ou=archive,dc=example,dc=com"})
    s.account("ada")
    s.admin.delete(s.person_dn("ada"))
    assert s.admin.get(f"uid=ada,ou=archive,{s.suffix}")


def test_pre_read_of_the_last_child(slapd):
    slapd.account("ada", title="Dr")
    r = slapd.admin.delete(slapd.person_dn("ada"), [PreReadControl(True, ["title"])])
    assert [c.entry for c in r] == [{"title": [b"Dr"]}]


# -- tables, order, locks -------------------------------------------------------------------------


def test_an_abort_as_the_very_first_write_leaves_the_tables_usable(make_slapd):
    s = make_slapd()
    noop(lambda c: s.account("ada", controls=c))
    s.account("bob")
    assert [r["uid"] for r in s.trail() if r["op"] == "add"] == ["bob"]
    s.restart()
    s.account("carl")
    assert [r["uid"] for r in s.trail() if r["op"] == "add"] == ["bob", "carl"]


def test_log_entries_carry_the_uuid_of_their_own_entry(make_slapd):
    """accesslog keeps one slot for it, so writes must be shown to it one after the other."""
    s = make_slapd(overlays=["accesslog"])
    for g in ("a", "b", "c"):
        s.group(g)
    s.role("r", provAssignFilter="(title=*)", provGroup=["a", "b", "c"])
    s.account("ada", title="Dr")
    s.set("ada", title=None)
    wanted = {dn: s.admin.get(dn).one("entryUUID") for dn in map(s.group_dn, "abc")}
    wanted[s.person_dn("ada")] = s.person("ada").one("entryUUID")
    wait_until(lambda: len(s.admin.search(s.log_suffix, f"(reqDN={s.group_dn('c')})")) == 3)
    for dn, uuid in wanted.items():
        for e in s.admin.search(s.log_suffix, f"(reqDN={dn})"):
            assert e.one("reqEntryUUID") in (uuid, None), f"{dn}: {e}"


def test_no_deadlock_between_joiners_group_editors_and_a_persistent_search(make_slapd):
    s = make_slapd(overlays=["syncprov", "accesslog"], provision={"provision-breaker": "0 0"})
    for g in ("a", "b"):
        s.group(g)
    s.role("r", provAssignFilter="(title=*)", provGroup=["a", "b"])
    s.account("x")
    w = Watch(s)
    failed = []

    def run(n, work):
        c = Client(s.ldapi, s.rootdn, s.rootpw, timeout=20)
        try:
            for i in range(60):
                work(c, n, i)
        except Exception as error:  # noqa: BLE001 - handed to the main thread
            failed.append(error)
        c.close()

    def join_and_leave(c, n, i):
        s.account(f"u{n}x{i}", client=c, title="Dr")
        if i % 2:
            c.delete(s.person_dn(f"u{n}x{i}"))

    def edit(c, n, i):
        c.modify(s.group_dn("ab"[i % 2]), replace={"description": f"{n} {i}"})

    def in_and_out(c, n, i):
        op = {"add" if i % 2 == 0 else "delete": {"member": s.person_dn("x")}}
        c.modify(s.group_dn("a"), **op)

    threads = [threading.Thread(target=run, args=(n, work)) for n, work in
               enumerate([join_and_leave] * 4 + [edit] * 3 + [in_and_out])]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
        assert not t.is_alive(), "somebody waits for ever"
    assert not failed, failed[0]
    want = {m.encode() for m in s.admin.get(s.group_dn("a"))["member"]}
    wait_until(lambda: w.read() or set(w.entries[s.group_dn("a")]["member"]) == want, 10,
               "the search was told the last state")
    assert len(s.members("a")) == 120


def test_what_a_persistent_search_was_told_last_is_what_is_there(make_slapd):
    """A group write is shown after its commit, so another one may have come in between."""
    s = make_slapd(overlays=["syncprov"])
    s.group("a")
    s.role("r", provAssignFilter="(title=*)", provGroup="a")
    w = Watch(s)
    clients = [Client(s.ldapi, s.rootdn, s.rootpw) for _ in range(6)]
    threads = [threading.Thread(target=lambda k=k: [s.account(f"u{k}x{i}", client=clients[k], title="Dr") for i in range(30)])
               for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    want = {m.encode() for m in s.admin.get(s.group_dn("a"))["member"]}
    assert len(want) == 181
    wait_until(lambda: w.read() or set(w.entries[s.group_dn("a")]["member"]) == want, 10)
    stays(lambda: w.read() or set(w.entries[s.group_dn("a")]["member"]) == want, 0.3)
    for c in clients:
        c.close()


def test_after_a_crash_the_provider_is_not_older_than_its_entries(make_slapd):
    s = make_slapd(overlays=["syncprov"])
    s.expect_log("unclean shutdown")
    s.group("a")
    s.role("r", provAssignFilter="(title=*)", provGroup="a")
    for i in range(20):
        s.account(f"u{i}", title="Dr")
    s.restart(hard=True)
    newest = max(e.one("entryCSN") for e in s.admin.search(s.suffix, attrs=["entryCSN"]))
    assert s.admin.get(s.suffix, "contextCSN").one("contextCSN") >= newest


# -- a database that is full -----------------------------------------------------------------------


def test_a_full_database_refuses_and_stays_whole(make_slapd):
    s = make_slapd(maxsize=600_000, index=["objectClass,uid eq"])
    s.expect_log("MDB_MAP_FULL|mdb_\\w+: |=> mdb_|mdb_id2entry|dn2id_add|index_generate|txn_commit")
    s.group("a")
    s.role("r", provAssignFilter="(title=*)", provGroup="a")
    added = []
    with pytest.raises(ldap.LDAPError) as error:
        for i in range(3000):
            s.account(f"u{i:04}", title="Dr", description="x" * 500)
            added.append(f"u{i:04}")
    assert not isinstance(error.value, ldap.SERVER_DOWN), error.value
    assert added
    assert s.members("a") == added
    assert [e.one("uid") for e in s.admin.search(PEOPLE, "(uid=*)")] == added
    assert [r["uid"] for r in s.trail() if r["op"] == "add"] == added
    s.restart()
    assert s.members("a") == added
    assert s.state_now().chain() == len(added) + 2


# -- what an internal write must not inherit --------------------------------------------------------


def test_the_clients_controls_do_not_reach_our_own_writes(slapd):
    """Checked for each control in test_controls.py; here all at once."""
    from ldap.controls.libldap import AssertionControl
    from ldap.controls.readentry import PostReadControl
    slapd.group("a")
    slapd.role("r", provAssignFilter="(title=*)", provGroup="a")
    slapd.account("ada")
    r = slapd.set("ada", title="Dr", controls=[AssertionControl(True, "(uid=ada)"), PreReadControl(True, ["uid"]),
                                               PostReadControl(True, ["title"])])
    assert len(r) == 2 and slapd.members("a") == ["ada"]
    assert all(c.dn == slapd.person_dn("ada") for c in r)


def test_an_abandoned_or_broken_connection_leaves_no_half(slapd):
    slapd.group("a")
    slapd.role("r", provAssignFilter="(title=*)", provGroup="a")
    for i in range(60):
        c = Client(slapd.ldapi, slapd.rootdn, slapd.rootpw)
        c.ld.add_ext(slapd.person_dn(f"u{i}"), [(a, v if isinstance(v, list) else [v]) for a, v in {
            "objectClass": b"inetOrgPerson", "uid": f"u{i}".encode(), "cn": b"x", "sn": b"x", "title": b"Dr"}.items()])
        if i % 2:
            c.ld.abandon_ext(c.ld.add_ext(slapd.person_dn(f"v{i}"), [(a, [v]) for a, v in {
                "objectClass": b"inetOrgPerson", "uid": f"v{i}".encode(), "cn": b"x", "sn": b"x", "title": b"Dr"}.items()]))
        c.close()
    time.sleep(0.3)  # what was sent is read or was lost with its connection
    wait_until(lambda: len(slapd.members("a")) == len(slapd.admin.search(PEOPLE, "(title=Dr)")))
    people = sorted(e.one("uid") for e in slapd.admin.search(PEOPLE, "(title=Dr)"))
    assert slapd.members("a") == people
    assert sorted(r["uid"] for r in slapd.trail() if r["op"] == "add") == people
