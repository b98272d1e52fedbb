"""An older version of the overlay beside this one, before it and after it (make check-versions OLD=REF).

docs/upgrading.md has what is promised. PROV_OLD is the directory that scripts/old-version.sh has filled.
"""

import contextlib
import os
import re
from pathlib import Path

import ldap
import pytest

from harness import MODULE, PROVD, TOP, Slapd, wait_until
from ldapclient import refused
from slapdconf import INDEX
from statedb import State
from test_provd import Receiver
from test_replication import consumer_of, provider_options, same, two_providers

OLD = Path(os.environ["PROV_OLD"])


def definitions(path):
    """name: definition, of the attributes in a schema file."""
    text = path.read_text()
    return {re.search(r"NAME '(\w+)'", d)[1]: d for d in re.findall(r"^attributetype .*?(?=^\S|\Z)", text, re.M | re.S)}


NEW_ATTRIBUTES = {n: d for n, d in definitions(TOP / "schema/provision.schema").items()
                  if n not in definitions(OLD / "provision.schema")}


class Versioned(Slapd):
    """One that can become the other version, with the files that it has."""

    def __init__(self, *args, old, **kw):
        self.take(old)
        super().__init__(*args, index=self.indexes(), **kw)

    def take(self, old):
        self.old = old
        self.module, self.provd = (str(OLD / "provision.so"), str(OLD / "provd")) if old else (MODULE, PROVD)

    def indexes(self):
        drop = "|".join(NEW_ATTRIBUTES) if self.old else ""
        return [re.sub(f"({drop}),|,({drop})\\b", "", line) if drop else line for line in INDEX]

    def define(self):
        """The attributes that the older version lacks, in a schema file."""
        (self.dir / "more.schema").write_text("".join(NEW_ATTRIBUTES.values()))
        self.config.globals.append(("include", "", str(self.dir / "more.schema")))
        self.configure()

    def forget(self):
        """While slapd is down, with this version: the database made anew, without such attributes. (slapmodify would
        give the entries another entryUUID.)"""
        ldif = self.tool("slapcat", "-b", self.suffix, "-o", "ldif-wrap=no").stdout
        for f in (self.dir / "db").iterdir():
            f.unlink()
        self.slapadd(re.sub(f"^({'|'.join(NEW_ATTRIBUTES)}):.*\n", "", ldif, flags=re.M))

    def become(self, old, hard=False, forget=False):
        had_provd = self.provd_process is not None
        self.provd_stop()
        self.kill() if hard else self.stop()
        if forget:
            self.forget()
        self.take(old)
        self.config.module, self.config.index = self.module, self.indexes()
        self.configure()
        if "provDue" in NEW_ATTRIBUTES and not old:
            self.tool("slapindex", "-q", "-b", self.suffix, "provDue")
        self.expect_log("unclean shutdown|recover")
        self.start()
        if had_provd:
            self.provd_start()


@pytest.fixture
def start():
    with contextlib.ExitStack() as stack:
        yield lambda *a, **kw: stack.enter_context(Versioned(*a, **kw))


def company(s, names=("ada", "bob", "eve")):
    for g in ("sales", "it", "all"):
        s.group(g)
    s.pool("uid", 1000)
    s.role("everybody", provAssignFilter="(objectClass=inetOrgPerson)", provGroup="all",
           provTemplate="default employeeNumber: {next:uid}")
    for g in ("sales", "it"):
        s.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g, provInclude="everybody",
               provTemplate=f"add description: is in {g}", provEntitlement=f"{g}:write")
    for n in names:
        s.account(n, departmentNumber="sales")


def life(s, n):
    """A bit of everything at this server. Each call has names of its own; the groups are as told."""
    s.account(f"a{n}", departmentNumber="sales")
    s.account(f"b{n}", departmentNumber="sales")
    s.account(f"c{n}", departmentNumber="it")
    s.set(f"a{n}", departmentNumber="it")                                           # a mover
    s.leave(f"b{n}")                                                                # a leaver
    s.admin.modify(s.group_dn("all"), delete={"member": s.person_dn(f"c{n}")})      # an exception
    s.admin.rename(s.person_dn(f"c{n}"), f"uid=d{n}")
    s.admin.modify(s.role_dn("it"), replace={"provTemplate": f"add description: text {n}"})
    wait_until(lambda: s.person(f"a{n}")["description"] == [f"text {n}"], 10, "the role's change is followed")


def check_life(s, n):
    assert s.roles_of(f"a{n}") == ["everybody", "it"] and s.groups_of(f"a{n}") == ["all", "it"]
    assert s.roles_of(f"b{n}") == [] and not s.may_bind(f"b{n}") and s.may_bind(f"a{n}")
    assert s.groups_of(f"d{n}") == ["it"] and [x.what for x in s.exceptions(f"d{n}")] == [s.group_dn("all")]
    assert f"b{n}" not in s.members("all") + s.members("sales")


def uids(s, *ops):
    return [r["uid"] for r in s.trail() if r["op"] in ops]


@pytest.mark.parametrize("delta", [False, True], ids=["plain", "delta"])
@pytest.mark.parametrize("old_one", [1, 2], ids=["the old one first", "the new one first"])
def test_two_providers_of_different_versions(start, old_one, delta):
    a, b = two_providers(lambda **kw: start(old=kw["server_id"] == old_one, **kw), delta)
    company(a)
    b.expect_log("the replicated policy does not compile")  # what comes first names what comes later
    b.start()
    wait_until(lambda: b.admin.get(a.person_dn("eve")) is not None and same(a, b), 20, "b has everything")
    assert [s.old for s in (a, b)] == [old_one == 1, old_one == 2]
    for n, (here, there) in enumerate([(a, b), (b, a), (a, b), (b, a)]):
        life(here, n)
        wait_until(lambda: same(a, b), 20, "both are the same")
        check_life(here, n)
        check_life(there, n)
    for here, there, who in ((a, b, "ada"), (b, a, "bob")):
        conn = there.client(there.person_dn(who), f"{who}-pw", uri=there.uri)
        here.leave(who)
        wait_until(conn.closed, 10, "cut at the other")
        wait_until(lambda: same(a, b), 20)
        assert not there.may_bind(who)
    assert uids(a, "add") == ["ada", "bob", "eve", "a0", "b0", "c0", "a2", "b2", "c2"]
    assert uids(b, "add") == ["a1", "b1", "c1", "a3", "b3", "c3"]
    for s in (a, b):
        s.state_now().chain()
        s.provctl_offline("audit", "verify", check=0)


@pytest.mark.parametrize("first", ["consumer", "provider"])
@pytest.mark.parametrize("delta", [False, True], ids=["plain", "delta"])
def test_a_provider_and_a_consumer_are_upgraded_one_after_the_other(start, first, delta):
    p = start(old=True, **(dict(server_id=1, overlays=["accesslog", "syncprov"]) if delta else provider_options()))
    company(p)
    c = consumer_of(p, delta, cls=lambda **kw: start(old=True, **kw))
    wait_until(lambda: same(p, c), 20, "the consumer has everything")
    order = [c, p] if first == "consumer" else [p, c]
    for n, s in enumerate([None, *order]):
        if s:
            s.become(old=False)
        wait_until(lambda: c.admin.get(p.suffix) is not None, 20)
        life(p, n)
        wait_until(lambda: same(p, c), 20, "the consumer is the same")
        check_life(c, n)
        conn = c.client(c.person_dn(f"a{n}"), f"a{n}-pw", uri=c.uri)
        p.leave(f"a{n}")
        wait_until(conn.closed, 10, "cut on the consumer")
        assert not c.may_bind(f"a{n}")
    assert c.trail() == []
    p.state_now().chain()


@pytest.mark.skipif(not NEW_ATTRIBUTES, reason="both versions have the same attributes")
@pytest.mark.parametrize("remedy", ["schema", "upgrade"])
def test_an_attribute_that_the_older_server_does_not_know_stops_it(start, remedy):
    """slapd fails to add it to an entry that is there (80) and tries that for ever; nothing that comes later arrives."""
    assert "provDue" in NEW_ATTRIBUTES, NEW_ATTRIBUTES
    a, b = two_providers(lambda **kw: start(old=kw["server_id"] == 2, **kw))
    b.expect_log("UNKNOWN attributeDescription", "the replicated policy does not compile")
    company(a)
    b.start()
    wait_until(lambda: b.admin.get(a.person_dn("eve")) is not None and same(a, b), 20, "what it knows it takes")
    mark = b.mark()
    a.set("ada", provEndTime="20990101000000Z")
    a.leave("bob")
    b.wait_log(r"be_modify failed \(80\)(.*\n)+.*be_modify failed \(80\)", 20, mark)
    assert b.person("bob")["provState"] == [] and b.may_bind("bob")
    if remedy == "upgrade":
        b.become(old=False)
    else:
        b.stop()
        b.define()
        b.start()
    wait_until(lambda: same(a, b), 20, "both are the same")
    assert b.person("ada")["provDue"] == ["20990101000000Z"] and not b.may_bind("bob")
    for n, here in enumerate((a, b)):
        life(here, n)
        wait_until(lambda: same(a, b), 20, "both are the same")


@pytest.mark.skipif(not NEW_ATTRIBUTES, reason="both versions have the same attributes")
def test_after_a_downgrade_entries_with_an_attribute_of_the_newer_version_cannot_be_written(start):
    """So it is taken from them before, or the newer version comes back."""
    s = start(old=False)
    s.expect_log("UNKNOWN attributeDescription", "the database is another or older one than the trail")
    for who in ("ada", "bob"):
        s.account(who, provEndTime="20990101000000Z")
    s.account("eve")
    s.leave("bob")
    s.become(old=True)
    assert not s.may_bind("bob") and s.may_bind("ada"), "it is read all the same"
    s.leave("eve")
    for attempt in (lambda: s.set("ada", title="Dr"), lambda: s.leave("ada")):
        with refused(ldap.OTHER, "entry update failed"):
            attempt()
    s.become(old=False)
    s.set("ada", title="Dr")
    uuid = s.person("ada")["entryUUID"]
    s.become(old=True, forget=True)
    s.leave("ada")
    assert s.person("ada")["entryUUID"] == uuid and s.person("bob")["provState"] == ["terminated"]
    assert not s.may_bind("ada")


def compare_trail(before, after):
    """What was there is there, byte for byte, and the chain holds."""
    assert after.rows[:len(before.rows)] == before.rows
    assert after.events[:len(before.events)] == before.events
    after.chain()


@pytest.mark.parametrize("hard", [False, True], ids=["stop", "kill"])
@pytest.mark.parametrize("way", ["up", "down", "down and up"])
def test_one_server_changes_its_version_in_place(start, way, hard):
    s = start(old=way == "up")
    steps = {"up": [False], "down": [True], "down and up": [True, False]}[way]
    company(s, names=[f"u{i:03}" for i in range(150)])
    if way == "up" or not NEW_ATTRIBUTES:  # else see the test above
        s.account("timed", departmentNumber="it", provEndTime="20990101000000Z")
    r = Receiver(s.dir, "hook")
    s.connector("hook", r.target)
    r.behave('case $PROV_EVENT_TYPE in *terminated) exit 75;; esac')  # these wait
    s.provd_start()
    life(s, 0)
    s.account("gone", departmentNumber="sales")
    s.leave("gone")
    wait_until(lambda: "gone" in r.uids(), 10, "events come")
    for n, old in enumerate(steps, 1):
        before, entries, tries = s.state_now(), s.everything(), len(r.tries())
        # a role's change that has not been followed, or not by all
        s.admin.modify(s.role_dn("sales"), add={"provTemplate": f"add roomNumber: R{n}"})
        s.become(old, hard)
        wait_until(lambda: all(f"R{n}" in s.person(f"u{i:03}")["roomNumber"] for i in (0, 75, 149)), 30,
                   "the job is taken up")
        wait_until(lambda: len(r.tries()) > tries, 20, "provd goes on")
        compare_trail(before, s.state_now())
        assert [dn for dn, _ in s.everything()] == [dn for dn, _ in entries]
        check_life(s, n - 1)
        life(s, n)
        check_life(s, n)
        if s.person("timed"):
            s.set("timed", departmentNumber="sales" if n % 2 else "it")
            assert s.roles_of("timed") == ["everybody", "sales" if n % 2 else "it"]
        s.provctl_offline("audit", "verify", check=0)
    if not s.old and s.person("timed"):
        assert s.person("timed")["provDue"] == ["20990101000000Z"]
    r.behave("")
    s.provctl("outbox", "retry", "--all")

    def all_there():
        wanted = [e["id"] for e in s.events() if "hook" in e["route"]]
        got = [e["id"] for e in r.got()]
        return wanted and set(got) == set(wanted) and len(wanted)

    wait_until(all_there, 60, "every event is delivered", every=0.5)
    for uid in ("b0", "gone"):
        types = [e["type"].rpartition(".")[2] for e in r.got() if e["data"]["uid"] == uid]
        assert types[0] == "created" and "terminated" in types, types
    state = State(s.place("slapd"))
    state.chain()
    odd = [rec for rec in state.records if rec["op"] in ("restore", "undecodable")]
    assert not odd, odd
    doubts = s.provctl_json("audit", "verify", "--against", "ldap")[1:]
    assert not doubts[:-1], doubts[0]["text"]
