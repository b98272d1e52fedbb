"""provctl audit at and who: what the trail says was so, against what the directory said then."""

import json

import pytest

from directory import GROUPS, NOBODY, PEOPLE
from ldapclient import REASON, control
from life import Life, norm, now


def at(s, when, who, check=None):
    done = s.provctl_offline("--json", "audit", "at", when, who, check=check)
    return json.loads(done.stdout)


def who(s, when, group, check=None):
    return json.loads(s.provctl_offline("--json", "audit", "who", when, group, check=check).stdout)


def dns(items):
    return {norm(i["dn"]) for i in items}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_life_is_replayed_as_the_directory_showed_it(slapd, seed):
    life = Life(slapd, seed)
    life.live(120)
    assert len(life.snapshots) >= 3 and len(life.counts) >= 10, life.counts
    names = {dn for _, people, _ in life.snapshots for dn in people} | {norm(slapd.person_dn("p0"))}
    groups = {g for _, _, found in life.snapshots for g in found}
    seen = 0
    for when, people, found in life.snapshots:
        for dn in names:
            got = at(slapd, when, dn, check=0 if dn in people else 1)
            want = people.get(dn)
            if want is None:
                assert got["exists"] is False
                continue
            assert got["certain"] is True, got["notes"]
            assert got["entryUUID"] == want["uuid"] and got["state"] == want["state"], (when, dn)
            assert dns(got["roles"]) == want["roles"], (when, dn)
            assert dns(got["groups"]) == want["groups"], (when, dn)
            assert {e["what"] for e in got["entitlements"]} == want["entitlements"], (when, dn)
            if want["since"]:
                assert got["stateSince"][:19] == "{}-{}-{}T{}:{}:{}".format(
                    want["since"][:4], *(want["since"][i:i + 2] for i in range(4, 14, 2))), (when, dn)
            seen += 1
        for dn in groups:
            got = who(slapd, when, dn, check=0 if dn in found else 1)
            members = {norm(m.get("dn") or m["uid"]) for m in got["members"]}
            want = {m if "=" in m else next((d for d in people if d.startswith(f"uid={m},")), m)
                    for m in found.get(dn, ())}
            assert members == want, (when, dn)
            assert got["certain"] is True, got["notes"]
    assert seen > 20


def test_before_the_joiner_and_after_the_leaver(slapd):
    s = slapd
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provEntitlement="crm")
    start = now()
    s.account("ada", departmentNumber="sales", controls=[control(REASON, "CHG-1")])
    joined = now()
    s.leave("ada")
    left = now()
    s.admin.delete(s.person_dn("ada"))
    s.wait_relayed()
    assert at(s, start, "ada", check=1)["exists"] is False
    got = at(s, joined, "ada", check=0)
    assert dns(got["roles"]) == {norm(s.role_dn("sales"))} and [e["what"] for e in got["entitlements"]] == ["crm"]
    assert got["groups"][0]["by"] == "role" and "departmentNumber" in [a["name"] for a in got["attributes"]]
    record = s.trail()[got["record"] - 1]
    assert record["uid"] == "ada" and record["op"] == "add" and record["id"] == got["change"]
    gone = at(s, left, s.person_dn("ada"), check=0)
    assert gone["state"] == "terminated" and gone["roles"] == gone["groups"] == gone["entitlements"] == []
    nobody = at(s, now(), "ada", check=1)
    assert s.trail()[nobody["endedByRecord"] - 1]["op"] == "delete"
    text = s.provctl_offline("audit", "at", joined, "ada", check=0).stdout
    assert "cn=sales" in text and "crm" in text and "written" in text and "not certain" not in text
    assert "no account" in s.provctl_offline("audit", "at", now(), "ada", check=1).stdout


def test_a_name_that_somebody_else_has_now(slapd):
    s = slapd
    s.group("club")
    s.account("ada")
    s.admin.modify(s.group_dn("club"), add={"member": s.person_dn("ada")})
    first = now()
    s.admin.rename(s.person_dn("ada"), "uid=eve")
    s.account("ada")
    second = now()
    s.wait_relayed()
    a, b = at(s, first, "ada", check=0), at(s, second, "ada", check=0)
    assert a["entryUUID"] != b["entryUUID"] and dns(a["groups"]) == {norm(s.group_dn("club"))} and b["groups"] == []
    assert at(s, second, "eve", check=0)["entryUUID"] == a["entryUUID"]
    assert dns(at(s, second, "eve", check=0)["groups"]) == {norm(s.group_dn("club"))}
    assert dns(who(s, second, s.group_dn("club"), check=0)["members"]) == {norm(s.person_dn("eve")), norm(NOBODY)}


def test_a_group_that_named_the_account_before_it_was_there(slapd):
    s = slapd
    s.group("club", members=["ada"])
    s.group("unix", cls="posixGroup", members=["ada"])
    s.account("ada")
    s.wait_relayed()
    assert dns(at(s, now(), "ada", check=0)["groups"]) == {norm(s.group_dn("club")), norm(s.group_dn("unix"))}
    [m] = who(s, now(), s.group_dn("unix"), check=0)["members"]
    assert m["uid"] == "ada" and norm(m["dn"]) == norm(s.person_dn("ada")) and m["by"] == "hand"


def test_accounts_and_groups_below_a_renamed_entry(slapd):
    s = slapd
    s.admin.add(f"ou=a,{PEOPLE}", {"objectClass": "organizationalUnit", "ou": "a"})
    s.admin.add(f"ou=a,{GROUPS}", {"objectClass": "organizationalUnit", "ou": "a"})
    s.account(f"uid=ada,ou=a,{PEOPLE}")
    s.group(f"cn=team,ou=a,{GROUPS}", members=[f"uid=ada,ou=a,{PEOPLE}"])
    before = now()
    s.admin.rename(f"ou=a,{PEOPLE}", "ou=b")
    s.admin.rename(f"ou=a,{GROUPS}", "ou=b")
    s.wait_relayed()
    assert dns(at(s, now(), f"uid=ada,ou=b,{PEOPLE}", check=0)["groups"]) == {norm(f"cn=team,ou=b,{GROUPS}")}
    assert dns(at(s, before, f"uid=ada,ou=a,{PEOPLE}", check=0)["groups"]) == {norm(f"cn=team,ou=a,{GROUPS}")}
    at(s, now(), f"uid=ada,ou=a,{PEOPLE}", check=1)
    for when, ou in ((before, "a"), (now(), "b")):
        got = who(s, when, f"cn=team,ou={ou},{GROUPS}", check=0)
        assert dns(got["members"]) == {norm(f"uid=ada,ou={ou},{PEOPLE}"), norm(NOBODY)} and got["certain"]


def test_what_the_trail_cannot_know_is_said(slapd):
    s = slapd
    s.stop()
    s.slapadd(f"dn: {s.person_dn('old')}\nobjectClass: inetOrgPerson\nuid: old\ncn: Old\nsn: Old\n\n"
              f"dn: {s.group_dn('old')}\nobjectClass: groupOfNames\ncn: old\nmember: {s.person_dn('old')}\n")
    s.start()
    s.set("old", title="Dr")
    s.account("new")
    s.admin.modify(s.group_dn("old"), add={"member": s.person_dn("new")})
    s.wait_relayed()
    got = at(s, now(), "old", check=0)
    assert got["certain"] is False and "not known" in got["notes"][0]
    got = who(s, now(), s.group_dn("old"), check=0)
    assert got["certain"] is False and dns(got["members"]) == {norm(s.person_dn("new"))}
    assert "not certain" in s.provctl_offline("audit", "who", now(), s.group_dn("old"), check=0).stdout
    assert at(s, now(), "new", check=0)["certain"] is True


def test_a_database_from_a_backup_makes_it_uncertain(slapd):
    s = slapd
    s.account("ada")
    s.wait_relayed()
    s.stop()
    backup = (s.dir / "db/data.mdb").read_bytes()
    s.start()
    s.account("bob")
    s.account("cleo")
    s.wait_relayed()
    s.stop()
    (s.dir / "db/data.mdb").write_bytes(backup)
    s.expect_log("restore|older|database")
    s.start()
    s.set("ada", title="Dr")
    s.wait_relayed()
    assert any(r["op"] == "restore" for r in s.trail())
    got = at(s, now(), "ada", check=0)
    assert got["certain"] is False and any("replaced" in n for n in got["notes"])


def test_wrong_questions_are_2(slapd):
    slapd.account("ada")
    slapd.wait_relayed()
    for args in (["at"], ["at", "2d"], ["at", "soon", "ada"], ["who", "1d", "sales"], ["who", "1d"],
                 ["at", "1d", "ada", "more"]):
        assert slapd.provctl_offline("audit", *args, check=2).stderr
    slapd.provctl_offline("audit", "at", "2d", "ada", check=1)
    slapd.provctl_offline("audit", "who", "1d", "cn=none,dc=x", check=1)
