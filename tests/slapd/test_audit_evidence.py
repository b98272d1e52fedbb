"""provctl audit evidence: a planted life, and the pack's figures against those counted by hand."""

import csv
import datetime
import hashlib
import html.parser
import json

import pytest

from harness import wait_until
from ldapclient import OVERRIDE, REASON, control
from life import now
from test_ldap_connector import connect, there  # noqa: F401  (a fixture)

XSS = "<script>alert(1)</script> =1+1 & \"it's\""


def when(record):
    return datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00"))


def outcomes(s):
    return {(r["delivery"]["connector"], r["uid"], r["delivery"]["outcome"])
            for r in s.state_now().records if r["op"] == "delivery" and r["delivery"].get("event")}


@pytest.fixture
def life(slapd, there):  # noqa: F811
    s = slapd
    s.group("sales")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    s.connector("told", "/bin/true", provFilter="(employeeType=told)", provEvent="account.terminated")
    for name in ("bad", "drop"):
        s.connector(name, "/bin/false", provFilter=f"(employeeType={name})", provMaxAttempts="1", provEvent="account.terminated")
    connect(s, there, provFilter="(employeeType=ldap)")
    s.account("old")
    s.account("early")
    s.leave("early")
    s.since = now()
    s.account("ada", employeeType="ldap")                                               # joined 1
    s.account("bob", employeeType="told")                                               # joined 2
    s.account("cleo", employeeType="bad")                                               # joined 3
    s.account("dan", employeeType="drop")                                               # joined 4
    s.account("eve")                                                                    # joined 5
    s.account("fay", provState="pending")                                               # joined 6
    s.account("gil")                                                                    # joined 7
    s.state_of("fay", "active")                                                         # started 1
    s.set("ada", departmentNumber="sales", controls=[control(REASON, XSS)])             # mover 1
    s.set("ada", telephoneNumber="1")                                                   # nothing
    s.state_of("bob", "suspended")                                                      # mover 2, suspended 1
    s.state_of("bob", "active")                                                         # mover 3, resumed 1
    s.admin.modify(s.role_dn("sales"), add={"provEntitlement": "crm"},
                   controls=[control(REASON, "POL-1")])                                 # policy 1, mover 4 (ada follows)
    wait_until(lambda: any(r["op"] == "follow" for r in s.state_now().records), 20, "ada has followed")
    s.leave("gil", controls=[control(REASON, "gone")])                                  # leaver 1: no connected system
    s.state_of("gil", "active")                                                         # rehired 1
    s.leave("old")                                                                      # leaver 2: no connected system
    s.admin.delete(s.person_dn("old"), [control(OVERRIDE)])                             # had left before
    s.admin.delete(s.person_dn("eve"), [control(OVERRIDE)])                             # leaver 3: no connected system
    for uid in ("ada", "bob", "cleo", "dan"):                                           # leavers 4 to 7
        s.leave(uid)
    want = {("hook", "ada", "proven"), ("told", "bob", "delivered"), ("bad", "cleo", "unproven"), ("drop", "dan", "unproven")}
    wait_until(lambda: want <= outcomes(s), 30, "all deliveries have ended")
    [row] = s.provctl_json("outbox", "list", "--connector", "drop", check=0)
    s.provctl("outbox", "drop", "drop", row["seq"], "--reason", "the system is gone", check=0)
    wait_until(lambda: ("drop", "dan", "dropped") in outcomes(s), 20, "the drop is in the trail")
    s.until = now()
    s.account("hana")
    s.leave("hana")
    s.provd_stop()
    s.state_now()
    return s


def table(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f, strict=True))


def pack(s, out, *args, check=0):
    s.provctl_offline("audit", "evidence", "--since", s.since, "--until", s.until, "--out", out, *args, check=check)
    return {p.name: table(p) for p in out.iterdir() if p.suffix == ".csv"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_figures_are_those_of_the_planted_life(life, tmp_path):
    s = life
    got = pack(s, tmp_path / "pack")
    figure = {r["figure"]: r["value"] for r in got["summary.csv"]}
    longest, median = figure.pop("Longest time from leaver to last revocation"), \
        figure.pop("Median time from leaver to last revocation")
    assert figure == {
        "Joiners: joined": "7", "Joiners: rehired": "1", "Joiners: started": "1",
        "Movers: changes of access or state": "4", "Movers: suspended": "1", "Movers: resumed": "1",
        "Leavers": "7", "Leavers: revocation proven everywhere": "1",
        "Leavers: all systems told, not all can prove it": "1", "Leavers: revocation unproven": "1",
        "Leavers: revocation dropped by an admin": "1", "Leavers: revocation not finished": "0",
        "Leavers: no connected system": "3", "Changes of the policy": "1", "Deliveries dropped or unproven": "3",
        "Reviews": "0", "Reviews: decisions": "0", "Reviews: kept": "0", "Reviews: revoked": "0", "Reviews: own access": "0",
        "Reviews: revoked, but the role did not go": "0", "Reviews: kept, but not by a write of the role": "0",
        "Segregation of duties: rules at the end of the period": "0",
        "Segregation of duties: accounts' violations in the period": "0",
        "Segregation of duties: violations at the end of the period": "0"}
    assert [r["uid"] for r in got["joiners.csv"]] == ["ada", "bob", "cleo", "dan", "eve", "fay", "gil", "fay", "gil"]
    assert [(r["uid"], r["what"]) for r in got["movers.csv"]] == [
        ("ada", "access changed"), ("bob", "suspended"), ("bob", "resumed"), ("ada", "access changed")]
    leavers = {r["uid"]: r for r in got["leavers.csv"]}
    assert {u: r["revocation"].split(";")[0] for u, r in leavers.items()} == {
        "gil": "no connected system", "old": "no connected system", "eve": "no connected system", "ada": "proven",
        "bob": "told", "cleo": "unproven", "dan": "dropped by an admin"}
    assert leavers["eve"]["what"] == "deleted" and leavers["old"]["what"] == "terminated"
    # the times, from the trail by hand
    records = s.trail()

    def took(uid, connector):
        left = next(r for r in records if r.get("uid") == uid and r.get("state", {}).get("after") == "terminated")
        last = max(when(r) for r in records if r["op"] == "delivery" and r["uid"] == uid
                   and r["delivery"]["connector"] == connector and r["delivery"]["changeId"] == left["id"])
        return (last - when(left)).total_seconds()
    times = {"ada": took("ada", "hook"), "bob": took("bob", "told")}
    for uid, seconds in times.items():
        assert abs(float(leavers[uid]["secondsToLast"]) - seconds) < 0.002
    assert abs(float(longest.split()[0]) - max(times.values())) < 0.002
    assert abs(float(median.split()[0]) - min(times.values())) < 0.002
    assert all(not leavers[u]["secondsToLast"] for u in ("cleo", "dan", "eve", "gil", "old"))
    admin = [(r["outcome"], r["connector"]) for r in got["deliveries.csv"]]
    assert sorted(admin) == [("dropped", "drop"), ("unproven", "bad"), ("unproven", "drop")]
    [dropped] = [r for r in got["deliveries.csv"] if r["outcome"] == "dropped"]
    assert dropped["reason"] == "the system is gone" and dropped["by"]
    assert [(r["dn"], r["reason"]) for r in got["policy.csv"]] == [(s.role_dn("sales"), "POL-1")]


def test_each_row_is_a_record_and_the_sums_hold(life, tmp_path):
    s = life
    out = tmp_path / "pack"
    got = pack(s, out)
    records = s.trail()
    kept = {r["seq"]: r for r in map(json.loads, (out / "records.jsonl").read_text().splitlines())}
    for name in ("joiners", "movers", "leavers", "policy", "deliveries"):
        for row in got[f"{name}.csv"]:
            r = records[int(row["record"]) - 1]
            assert r["time"] == row["time"] and kept[int(row["record"])]["record"] == r
            if "uid" in row:
                assert r["uid"] == row["uid"]
    for seq, r in kept.items():
        assert r["hash"] == s.state_now().rows[seq - 1][1][1:33].hex()
    for row in got["leavers.csv"]:
        for line in filter(None, row["deliveries"].split("\n")):
            n = int(line.rsplit("record ", 1)[1].rstrip(")"))
            assert records[n - 1]["op"] == "delivery" and line.startswith(records[n - 1]["delivery"]["connector"])
            assert n in kept
    sums = dict(reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {p.name for p in out.iterdir()} - {"SHA256SUMS"}
    for name, value in sums.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == value
    assert out.stat().st_mode & 0o777 == 0o700


def test_the_page_stands_alone_and_nothing_in_it_runs(life, tmp_path):
    pack(life, tmp_path / "pack")
    text = (tmp_path / "pack/index.html").read_text()
    page = Page()
    page.feed(text)
    assert "script" not in page.tags and page.links == [] and "url(" not in text and "@import" not in text
    assert XSS in page.text and "@media print" in text
    assert "unbroken" in page.text and "No account is known to have held roles against a rule" in page.text
    assert "Nothing was reviewed." in page.text and "no key was given" in page.text
    assert ("Newest checkpoint" if life.state_now().checkpoints else "no checkpoint yet") in page.text
    [row] = [r for r in table(tmp_path / "pack/movers.csv") if "script" in r["reason"]]
    assert row["reason"] == XSS


def test_a_broken_trail_is_said_first_and_a_pack_is_never_written_over(slapd, tmp_path):
    import lmdb
    s = slapd
    s.since = now()
    s.account("ada")
    s.until = now()
    s.state_now()
    s.stop()
    env = lmdb.open(str(s.state / "state.mdb"), subdir=False, max_dbs=16)
    with env.begin(write=True) as txn:
        db = env.open_db(b"trail", txn=txn, create=False)
        k, v = list(txn.cursor(db))[-1]
        txn.put(k, v.replace(b'"ada"', b'"eda"'), db=db)
    env.close()
    pack(s, tmp_path / "pack", check=1)
    assert "BROKEN at record" in (tmp_path / "pack/index.html").read_text()
    pack(s, tmp_path / "pack", check=2)
    for args in ([], ["--since", "1d", "--out", tmp_path / "x"],
                 ["--since", "1d", "--until", "2d", "--out", tmp_path / "x"]):
        s.provctl_offline("audit", "evidence", *args, check=2)
    assert not (tmp_path / "x").exists()


def test_roles_held_against_a_rule_are_told_by_their_records(slapd, tmp_path):
    """Rules come, change and go; who broke one in the period is there, from when to when and by which records."""
    s = slapd

    def write(uid, *roles):
        s.set(uid, provAssignedRole=[s.role_dn(r) for r in roles])
        return len(s.trail())

    for r in "abcd":
        s.role(r)
    for uid in ("before", "into", "fine", "both", "late"):
        s.account(uid, provAssignedRole=s.role_dn("a"))
    gave = {uid: write(uid, "a", "b") for uid in ("before", "into", "both")}
    write("fine", "a", "d")
    dn = s.role_dn("pair")
    s.admin.add(dn, {"objectClass": "provSodSet", "cn": "pair", "provSodRole": [s.role_dn("a"), s.role_dn("b")]})
    rule = len(s.trail())
    write("before", "a")                                              # ended before the period
    s.since = now()
    s.admin.modify(s.role_dn("a"), add={"provConflict": s.role_dn("c")})
    s.admin.modify(s.role_dn("c"), add={"provConflict": s.role_dn("a")})  # said twice
    conflict = len(s.trail()) - 1
    s.admin.modify(dn, replace={"description": "as it was"})
    ended = write("into", "b")
    s.admin.rename(s.person_dn("both"), "uid=renamed")
    s.admin.rename(dn, "cn=couple")
    s.until = now()
    s.admin.delete(s.role_dn("couple"))                               # after the period
    s.state_now()
    got = pack(s, tmp_path / "pack")
    rows = got["sod.csv"]
    text = f"provSodSet {s.role_dn('couple')} (record {rule})"
    assert [(r["uid"], int(r["record"]), r["what"], r["rule"], r["ended"]) for r in rows] == [
        ("into", rule, "rule written", text, str(ended)), ("renamed", rule, "rule written", text, "")]
    a = next(i for i, r in enumerate(s.trail(), 1) if r.get("uid") == "both" and r["op"] == "add")
    assert rows[1]["roles"] == f"{s.role_dn('a')} (record {a})\n{s.role_dn('b')} (record {gave['both']})"
    figure = {r["figure"]: r for r in got["summary.csv"]}
    assert figure["Segregation of duties: accounts' violations in the period"]["value"] == "2"
    assert figure["Segregation of duties: violations at the end of the period"]["value"] == "1"
    rules = figure["Segregation of duties: rules at the end of the period"]
    assert rules["value"] == "2" and rules["records"] == f"records.jsonl: seq {rule}, {conflict}"
    kept = [json.loads(x)["seq"] for x in (tmp_path / "pack/records.jsonl").read_text().splitlines()]
    assert {rule, conflict, a, gave["both"], gave["into"], ended} <= set(kept) and kept == sorted(set(kept))
    assert gave["before"] not in kept


def test_a_violation_that_a_write_brought_is_told_with_who_wrote(slapd, tmp_path):
    """It takes a rule that only the trail has forgotten; here: one account holds two roles while the rule is away."""
    s = slapd
    for r in "ab":
        s.role(r)
    s.admin.modify(s.role_dn("a"), add={"provConflict": s.role_dn("b")})
    s.since = now()
    s.account("ada", provAssignedRole=s.role_dn("a"))
    s.admin.modify(s.role_dn("a"), delete={"provConflict": None})
    s.set("ada", provAssignedRole=[s.role_dn("a"), s.role_dn("b")])
    s.admin.modify(s.role_dn("a"), add={"provConflict": s.role_dn("b")}, controls=[control(REASON, XSS)])
    back = len(s.trail())
    s.admin.delete(s.person_dn("ada"), [control(OVERRIDE)])
    s.until = now()
    s.state_now()
    [row] = pack(s, tmp_path / "pack")["sod.csv"]
    assert (int(row["record"]), row["ended"], row["by"], row["reason"]) == (back, str(back + 1), s.rootdn, XSS)
    assert row["rule"] == f"provConflict of {s.role_dn('a')} (record {back})"
