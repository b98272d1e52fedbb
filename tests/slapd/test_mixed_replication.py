"""Replication between servers of which not all have the overlay (docs/architecture.md, Replication)."""

import pytest

from directory import SUFFIX
from harness import TOP, Slapd, stays, wait_until
from test_replication import consumer_of, provider_options, same

NOISE = ("syncrepl|do_sync|rid=|dn_callback|be_modify|null_callback|slap_client_connect|consumer state|is not in the list|findbase failed",)
# what a server without the overlay needs to hold what it gets: our schema, and who defines memberOf
BARE = {"provision": None, "extra_modules": ["memberof.so"], "globals": [("include", "", f"{TOP}/schema/provision.schema")]}


def roles(p):
    p.group("sales")
    p.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provTemplate="add description: sells")


def overlay_goes(s):
    s.stop()
    s.config.module, s.config.provision = None, {}
    s.config.extra_modules, s.config.globals = BARE["extra_modules"], BARE["globals"]
    s.configure()
    s.start()


def overlay_comes(s):
    full = Slapd(start=False, base=False)
    full.close()
    s.stop()
    s.config.module = s.module
    s.config.provision = {k: str(s.state) if k == "provision-state" else v for k, v in full.config.provision.items()}
    s.config.globals, s.config.extra_modules = [], []
    s.configure()
    s.start()


def test_a_consumer_without_the_overlay_has_everything_and_blocks_nobody(make_slapd):
    p = make_slapd(**provider_options())
    roles(p)
    p.account("ada", departmentNumber="sales")
    c = consumer_of(p, **BARE)
    try:
        wait_until(lambda: same(p, c), 20, "the consumer has everything")
        p.account("bob", departmentNumber="sales")
        p.leave("ada")
        wait_until(lambda: same(p, c), 10, "the consumer is the same")
        assert c.members("sales") == ["bob"] and c.roles_of("bob") == ["sales"]
        assert not p.may_bind("ada")
        assert c.may_bind("ada"), "nobody is there who would refuse it"
    finally:
        c.close()


def test_a_provider_that_gets_the_overlay_later(make_slapd):
    p = make_slapd(**provider_options(**BARE))
    p.group("sales")
    p.account("old", departmentNumber="sales")
    c = consumer_of(p)
    try:
        wait_until(lambda: same(p, c), 20, "the consumer has everything")
        overlay_comes(p)
        p.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
        wait_until(lambda: p.monitor().one("provMonitorFollowPending") == "0" and p.members("sales") == ["old"], 10,
                   "a new role is followed by those who were there")
        p.account("new", departmentNumber="sales")
        wait_until(lambda: same(p, c), 20, "the consumer is the same")
        assert c.roles_of("old") == ["sales"] and c.members("sales") == ["new", "old"]
        p.provctl("adopt", "--apply", check=0)
        p.leave("old")
        wait_until(lambda: same(p, c) and not c.may_bind("old"), 10)
        assert c.trail() == [] and [r["op"] for r in p.trail()][0] == "policy"
        p.state_now().chain()
    finally:
        c.close()


def test_an_overlay_that_is_removed_from_one_of_two_providers(make_slapd):
    a = make_slapd(start=False, server_id=1, overlays=["syncprov"])
    b = make_slapd(start=False, server_id=2, overlays=["syncprov"], base=False)
    for me, other, rid in ((a, b, "001"), (b, a, "002")):
        me.config.database += [
            ("syncrepl", "olcSyncrepl",
             f'rid={rid} provider={other.uri} binddn="{me.rootdn}" bindmethod=simple credentials={me.rootpw} '
             f'searchbase="{SUFFIX}" type=refreshAndPersist retry="1 +"'),
            ("multiprovider", "olcMultiProvider", "on")]
        me.configure()
        me.expect_log(*NOISE)
    a.start()
    roles(a)
    b.start()
    wait_until(lambda: b.admin.get(a.role_dn("sales")) is not None and same(a, b), 20, "b has everything")
    b.account("ada", departmentNumber="sales")
    wait_until(lambda: same(a, b) and a.members("sales") == ["ada"], 10)
    overlay_goes(b)
    b.account("bob", departmentNumber="sales")
    b.set("ada", departmentNumber="it")
    wait_until(lambda: same(a, b), 20)
    stays(lambda: a.roles_of("bob") == [] and a.members("sales") == ["ada"], 0.5, "what b writes is nobody's to provision")
    assert not [r for r in a.trail() if r.get("uid") == "bob"]
    a.set("ada", departmentNumber="hr")
    assert a.members("sales") == [], "the next write at a server with the overlay brings it"
    a.provctl("adopt", "--apply", check=0)
    assert a.members("sales") == ["bob"] and a.roles_of("bob") == ["sales"]
    wait_until(lambda: same(a, b), 20)
    found = a.provctl_json("audit", "verify", "--against", "ldap")[1:]
    assert not found[:-1], found[0]["text"]
