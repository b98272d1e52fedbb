"""slapadd, slapcat, slapindex, slaptest and slapmodify with the module loaded; adopting what came that way."""

import re

import pytest

from directory import PEOPLE, ROLES
from harness import wait_until

PERSON = f"dn: uid={{u}},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {{u}}\ncn: {{u}}\nsn: {{u}}\ndepartmentNumber: sales\n\n"


def fill(s):
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provTemplate="add description: sells")
    s.account("ada", departmentNumber="sales")
    s.leave("ada")
    s.account("bob", departmentNumber="sales")
    return s


def entries(ldif):
    ldif = ldif.replace("\n ", "")
    return {m.group(1): sorted(block.splitlines()) for block in ldif.split("\n\n")
            if (m := re.match(r"dn: (.*)", block))}


def test_slaptest_takes_the_configuration(make_slapd, style):
    s = make_slapd(style)
    s.stop()
    done = s.tool("slaptest", "-u")
    assert "succeeded" in done.stdout + done.stderr
    s.tool("slaptest")


def test_slaptest_converts_slapd_conf_to_slapd_d(make_slapd):
    s = fill(make_slapd())
    s.stop()
    (s.dir / "new").mkdir()
    s.tool("slaptest", "-F", s.dir / "new")
    s.config_args = ["-F", str(s.dir / "new")]
    s.start()
    s.account("carl", departmentNumber="sales")
    assert s.members("sales") == ["bob", "carl"]


def test_what_slapcat_writes_slapadd_loads(make_slapd, style):
    s = fill(make_slapd(style))
    s.stop()
    ldif = s.slapcat()
    t = make_slapd(style, base=False, start=False)
    t.slapadd(ldif)
    assert entries(t.slapcat()) == entries(ldif)
    t.start()
    assert t.roles_of("bob") == ["sales"] and t.members("sales") == ["bob"]
    assert not t.may_bind("ada") and t.may_bind("bob")
    t.set("bob", departmentNumber="it")
    assert t.members("sales") == []
    assert [r["op"] for r in t.trail()] == ["modify"]


def test_slapcat_works_while_slapd_runs(slapd):
    fill(slapd)
    assert f"uid=bob,{PEOPLE}" in slapd.slapcat()


def test_slapcat_of_our_tables_shows_nothing_strange(slapd):
    fill(slapd)
    slapd.stop()
    assert "provCapture" not in slapd.slapcat()


def test_slapindex_makes_the_indexes_anew(slapd):
    fill(slapd)
    slapd.stop()
    slapd.tool("slapindex", "-b", slapd.suffix)
    slapd.start()
    assert [e.dn for e in slapd.admin.search(slapd.suffix, f"(provEffectiveRole={slapd.role_dn('sales')})")] == \
        [slapd.person_dn("bob")]
    slapd.state_now().chain()


def test_slapadd_applies_no_policy_and_adopt_brings_it(slapd):
    fill(slapd)
    slapd.stop()
    slapd.slapadd("".join(PERSON.format(u=f"old{i}") for i in range(7)))
    slapd.start()
    assert slapd.roles_of("old0") == []
    shown = slapd.provctl("adopt")
    assert "old0" in shown.stdout and slapd.roles_of("old0") == [], "it only shows"
    slapd.provctl("adopt", "--apply", check=0)
    assert slapd.members("sales") == sorted(["bob"] + [f"old{i}" for i in range(7)])
    assert slapd.roles_of("old6") == ["sales"] and slapd.person("old6")["description"] == ["sells"]
    before = len(slapd.trail())
    slapd.provctl("adopt", "--apply", check=0)
    assert len(slapd.trail()) == before, "those that are done cost nothing"


def test_adopted_values_that_were_there_are_not_ours(slapd):
    fill(slapd)
    slapd.stop()
    slapd.slapadd(PERSON.format(u="old").rstrip() + "\ndescription: sells\n\n")
    slapd.start()
    slapd.provctl("adopt", "--apply", check=0)
    slapd.set("old", departmentNumber="it")
    assert slapd.person("old")["description"] == ["sells"]


def test_an_account_that_came_by_slapadd_is_managed_from_its_first_write_on(slapd):
    fill(slapd)
    slapd.stop()
    slapd.slapadd(PERSON.format(u="old"))
    slapd.start()
    slapd.set("old", title="Dr", departmentNumber="sales")
    assert slapd.roles_of("old") == ["sales"]
    slapd.leave("old")
    assert not slapd.may_bind("old")


def test_a_role_that_came_by_slapadd_is_in_force(make_slapd):
    s = make_slapd(start=False)
    s.slapadd(f"dn: cn=r,{ROLES}\nobjectClass: provRole\ncn: r\nprovAssignFilter: (title=Dr)\n")
    s.start()
    s.account("ada", title="Dr")
    assert s.roles_of("ada") == ["r"]


@pytest.mark.parametrize("hard", [False, True], ids=["stop", "kill"])
def test_slapcat_after_an_end_of_any_kind(slapd, hard):
    fill(slapd)
    slapd.kill() if hard else slapd.stop()
    assert f"dn: uid=bob,{PEOPLE}" in slapd.slapcat()
    slapd.expect_log("unclean shutdown")
    slapd.start()
    wait_until(lambda: slapd.state_now().chain() > 0)


def test_a_database_restored_from_a_backup_is_noted_in_the_trail(slapd):
    """The database goes back in time, the trail does not: it says so and goes on."""
    fill(slapd)
    slapd.stop()
    backup = slapd.slapcat()
    slapd.start()
    slapd.account("carl", departmentNumber="sales")
    slapd.wait_relayed()
    slapd.stop()
    for f in (slapd.dir / "db").iterdir():
        f.unlink()
    slapd.slapadd(backup)
    slapd.expect_log("provision: relay: restore: the database is another one")
    slapd.start()
    slapd.account("dora", departmentNumber="sales")
    ops = [(r["op"], r.get("uid")) for r in slapd.trail()]
    assert ("add", "carl") in ops and ops[-1] == ("add", "dora") and ("restore", None) in ops
    assert slapd.members("sales") == ["bob", "dora"]
    slapd.state_now().chain()
