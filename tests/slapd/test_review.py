"""provctl review: the sheet of an access review, what a reviewer fills in, and what becomes of it in
the directory, in the trail and in the auditor's pack."""

import csv
import io
import random
import re
import select
import socket
import threading

import ldap
import pytest

from directory import PEOPLE
from harness import TOP
from ldapclient import REASON, control
from life import now
from test_sync_hostile import spoil

SECRET = "-pw"


def populate(s):
    """boss manages ada, bob, cleo; each has roles in another way."""
    for g in ("crm", "sales", "base", "vpn", "door"):
        s.group(g)
    s.account("boss")
    s.account("owner")
    s.role("base", provGroup="base")
    s.role("crm", provGroup="crm", provInclude="base", provRisk="70", provApprover=s.person_dn("owner"))
    s.role("sales", provGroup="sales", provAssignFilter="(departmentNumber=sales)")
    s.role("vpn", provGroup="vpn", provAssignFilter=["(title=guru)", "(title=gurus)"])
    s.role("door", provGroup="door")
    boss = s.person_dn("boss")
    s.account("ada", manager=boss, provAssignedRole=s.role_dn("crm"))
    s.account("bob", manager=boss, departmentNumber="sales",
              provTimedRole=f"- 20991231000000Z {s.role_dn('door')}")
    s.account("cleo", manager=boss, title="guru", provAssignedRole=s.role_dn("vpn"))
    s.account("dan", provAssignedRole=s.role_dn("door"))
    return s


@pytest.fixture
def s(slapd):
    return populate(slapd)


def sheet(s, *args, check=0):
    """The rows of review list, by (uid, role's cn)."""
    text = s.provctl("review", "list", *args, check=check).stdout
    return {(r["uid"], r["roleName"]): r for r in csv.DictReader(io.StringIO(text, newline=""), strict=True)}


class Sheet:
    """What a reviewer does: fills in the sheet, saves it, gives it to apply."""

    def __init__(self, s, *args):
        self.s, self.rows, self.path = s, sheet(s, *args), s.dir / "review.csv"

    def decide(self, uid, role, decision, reason=""):
        self.rows[uid, role].update(decision=decision, reason=reason)
        return self

    def text(self, **dialect):
        out = io.StringIO(newline="")
        rows = list(self.rows.values())
        w = csv.DictWriter(out, list(rows[0]), **dialect)
        w.writeheader()
        w.writerows(rows)
        return out.getvalue()

    def apply(self, *args, check=0, name="2026-q4", data=None, who=()):
        self.path.write_bytes(self.text().encode() if data is None else data)
        done = self.s.provctl(*who, "review", "apply", "--name", name, self.path, *args, check=check)
        self.s.wait_relayed()
        return done


def as_person(s, uid):
    return "-D", s.person_dn(uid), "-w", f"{uid}{SECRET}", "-b", s.suffix


def reviews(s):
    """(uid, reason) of the records of reviews."""
    return [(r["uid"], r["reason"]) for r in s.trail() if r.get("reason", "").startswith("review ")]


def figures(done):
    """The counts of the plan."""
    [line] = [line for line in done.stdout.splitlines() if re.match(r"\d+ keep, ", line)]
    return {text: int(n) for n, text in re.findall(r"(\d+) ([a-z ]+)(?:,|$)", line)}


def test_list_tells_how_each_role_is_held(s):
    rows = sheet(s)
    assert {k: r["held"] for k, r in rows.items()} == {
        ("ada", "crm"): "assigned",
        ("ada", "base"): f"included by {s.role_dn('crm')}",
        ("bob", "sales"): "filter (departmentNumber=sales)",
        ("bob", "door"): "timed until 2099-12-31T00:00:00.000000Z",
        ("cleo", "vpn"): "assigned; one of the filters (title=guru) (title=gurus)",
        ("dan", "door"): "assigned"}
    ada, bob = rows["ada", "crm"], rows["bob", "sales"]
    record = s.record(uid="ada", op="add")
    assert ada["account"] == s.person_dn("ada") and ada["name"] == "Ada" and ada["role"] == s.role_dn("crm")
    assert ada["manager"] == s.person_dn("boss") and ada["risk"] == "70" and ada["reviewer"] == s.person_dn("owner")
    assert ada["change"] == record["id"] and ada["by"] == s.rootdn
    assert ada["since"][:19] == record["time"][:19]
    assert bob["risk"] == "" and bob["reviewer"] == s.person_dn("boss")
    assert rows["dan", "door"]["reviewer"] == ""
    assert all(r["decision"] == r["reason"] == "" for r in rows.values())
    # the reasons that explain gives, one by one
    for (uid, role), r in rows.items():
        told = {x["dn"]: x["because"] for x in s.provctl_json("explain", uid, check=0)[0]["roles"]}[s.role_dn(role)]
        for word, mark in (("assigned", "given by hand"), ("timed", "for a time"), ("filter", "matches"), ("included", "included")):
            assert (word in r["held"]) == (mark in told), (r["held"], told)


def test_list_of_some(s):
    assert set(sheet(s, "--role", "door")) == {("bob", "door"), ("dan", "door")}
    assert set(sheet(s, "--role", s.role_dn("crm"), "--role", "vpn")) == {("ada", "crm"), ("cleo", "vpn")}
    assert set(sheet(s, "--manager", s.person_dn("boss"), "--role", "door")) == {("bob", "door")}
    assert set(sheet(s, "--filter", "title=guru")) == set(sheet(s, "--filter", "(title=guru)")) == {("cleo", "vpn")}
    assert set(sheet(s, "--base", s.person_dn("dan"))) == {("dan", "door")}
    assert len(sheet(s, "--base", PEOPLE)) == len(sheet(s, "--base", s.suffix)) == 6
    assert sheet(s, "--base", s.policy) == {} and sheet(s, "--before", "1") == {}
    lines = s.provctl_json("review", "list", "--role", "crm", check=0)
    assert [(x["uid"], x["risk"], x["held"]) for x in lines] == [("ada", "70", "assigned")]
    assert "no role nope" in s.provctl("review", "list", "--role", "nope", check=2).stderr
    s.provctl("review", "list", "--filter", "((", check=2)
    # scopes that overlap list nobody twice
    twice = s.provctl("--accounts", f"ldap:///{PEOPLE}??sub", "--accounts", f"ldap:///{s.suffix}??sub?(uid=*)", "review", "list")
    assert len(twice.stdout.splitlines()) == 1 + 6
    # nobody is proposed as the reviewer of himself
    s.set("owner", provAssignedRole=s.role_dn("crm"))
    assert sheet(s)["owner", "crm"]["reviewer"] == ""


def test_list_is_not_run_by_a_spreadsheet(s):
    bad = "=cmd|' /C calc'!A0"
    s.account("eve", cn=["Eve", bad], provAssignedRole=s.role_dn("door"))
    s.set("eve", cn=bad)
    s.account("fay", cn="  =1+1;x", provAssignedRole=s.role_dn("door"))
    text = s.provctl("review", "list", check=0).stdout
    rows = sheet(s)
    assert rows["eve", "door"]["name"] == "'" + bad and '"\'=cmd' in text
    assert rows["fay", "door"]["name"].lstrip("' ").startswith("=") and rows["fay", "door"]["name"][0] == "'"
    assert '=1+1;x"' in text


def test_keep_is_recorded_and_changes_nothing(s):
    seen = s.dir / "events"
    s.connector("all", "/bin/true")
    before = {e.dn: {a: v for a, v in e.items() if not re.match("provchange|entrycsn|modif", a)} for e in s.admin.search(s.suffix)}
    sh = Sheet(s).decide("ada", "crm", "keep", "needs it").decide("ada", "base", "keep").decide("bob", "door", "KEEP ", "so\r\nbe it") \
        .decide("bob", "sales", "keep", "sells").decide("cleo", "vpn", "keep", "guru: yes")
    n, events = len(s.trail()), len(s.events())
    plan = sh.apply()
    assert figures(plan)["keep"] == 5 and figures(plan)["undecided"] == 1 and "nothing is done yet" in plan.stdout
    assert len(s.trail()) == n and reviews(s) == []
    assert "5 kept, 0 revoked, 0 failed" in sh.apply("--apply").stdout
    at = {r: s.role_dn(r) for r in ("crm", "base", "door", "sales", "vpn")}
    assert reviews(s) == [
        ("ada", f"review 2026-q4: keep {at[r]}{t}") if u == "ada" else (u, f"review 2026-q4: keep {at[r]}{t}")
        for u, r, t in sorted([("ada", "crm", ": needs it"), ("ada", "base", ""), ("bob", "door", ": so be it"),
                               ("bob", "sales", ": sells"), ("cleo", "vpn", ": guru: yes")],
                              key=lambda x: list(sh.rows).index(x[:2]))]
    for r in s.trail()[n:]:
        assert r["op"] == "modify" and r["attributes"] == ["provAssignedRole"]
        assert not {"roles", "groups", "entitlements", "members", "exceptions"} & set(r)
        # a connector that wants all hears that the account was updated, and nothing else
        assert [e["type"] for e in r["events"]] == ["account.updated"]
    assert len(s.events()) == events + 5 and not seen.exists()
    after = {e.dn: {a: v for a, v in e.items() if not re.match("provchange|entrycsn|modif", a)} for e in s.admin.search(s.suffix)}
    assert after == before
    # the index as well
    assert [e.dn for e in s.admin.search(PEOPLE, f"(provAssignedRole={at['crm']})")] == [s.person_dn("ada")]
    assert s.admin.search(PEOPLE, f"(provAssignedRole={at['sales']})") == []
    # once more: the trail has it
    again = sh.apply("--apply")
    assert figures(again)["recorded already"] == 5 and figures(again)["keep"] == 0 and len(s.trail()) == n + 5
    # another review is another one
    assert "5 kept" in sh.apply("--apply", name="2027-q1").stdout


def test_events_of_access_do_not_come_from_keep(s):
    s.connector("access", "/bin/true", provEvent=["role.*", "account.terminated", "account.suspended", "session.revoked"])
    Sheet(s).decide("ada", "crm", "keep").apply("--apply")
    assert [e["route"] for e in s.trail()[-1]["events"]] == [[]]


def test_revoke_takes_it_away_in_the_same_commit(s):
    s.admin.modify(s.person_dn("bob"), add={"provTimedRole": f"20980101000000Z - {s.role_dn('door')}"})
    sh = Sheet(s).decide("ada", "crm", "revoke", "left the team").decide("ada", "base", "revoke") \
        .decide("bob", "door", "revoke", "not needed").decide("dan", "door", "keep")
    # base comes with crm: alone it could not be revoked, and with crm it goes
    plan = sh.apply(check=1)
    assert figures(plan) == {"keep": 1, "revoke": 2, "undecided": 2, "recorded already": 0, "not held any more": 0,
                             "cannot be revoked here": 1, "with an unknown decision": 0, "there twice": 0}
    n = len(s.trail())
    assert "1 kept, 2 revoked, 0 failed" in sh.apply("--apply").stdout
    ada, bob, dan = s.trail()[n:]
    assert ada["reason"] == f"review 2026-q4: revoke {s.role_dn('crm')}: left the team"
    assert sorted(ada["roles"]["lost"]) == sorted([s.role_dn("base"), s.role_dn("crm")])
    assert sorted(ada["groups"]["lost"]) == sorted([s.group_dn("base"), s.group_dn("crm")])
    assert bob["groups"]["lost"] == [s.group_dn("door")] and "roles" not in dan
    assert s.groups_of("ada") == [] and s.roles_of("bob") == ["sales"]
    assert s.person("bob")["provTimedRole"] == [] and s.roles_of("dan") == ["door"]
    # nothing twice, and it is no failure
    again = sh.apply("--apply")
    assert figures(again)["not held any more"] == 3 and figures(again)["recorded already"] == 1
    assert len(s.trail()) == n + 3


def test_what_the_policy_gives_cannot_be_revoked_here(s):
    before = s.everything()
    sh = Sheet(s).decide("bob", "sales", "revoke").decide("ada", "base", "revoke").decide("cleo", "vpn", "revoke")
    for args in ((), ("--apply",)):
        done = sh.apply(*args, check=1)
        assert figures(done)["cannot be revoked here"] == 3
        for how in ("filter (departmentNumber=sales)", f"included by {s.role_dn('crm')}", "one of the filters (title=guru)"):
            assert how in done.stdout
    assert s.everything() == before
    outcome = {r["row"]: r for r in s.provctl_json("review", "apply", "--name", "x", sh.path, check=1) if "row" in r}
    assert {r["outcome"] for r in outcome.values()} == {"cannot be revoked here"} and len(outcome) == 3


def test_nobody_reviews_himself(s):
    s.admin.modify(s.person_dn("boss"), add={"provAssignedRole": s.role_dn("door")})
    before = s.everything()
    for decision in ("keep", "revoke"):
        sh = Sheet(s).decide("boss", "door", decision).decide("dan", "door", "keep")
        done = sh.apply("--apply", check=3, who=as_person(s, "boss"))
        assert "nobody reviews his own access" in done.stderr and re.search(r"row \d+", done.stderr)
    # spelled otherwise it is the same one
    sh.rows["boss", "door"]["account"] = s.person_dn("boss").upper().replace("UID=", "userid=")
    sh.apply("--apply", check=3, who=as_person(s, "boss"))
    assert s.everything() == before
    sh.decide("boss", "door", "")
    assert "Insufficient access" in sh.apply("--apply", check=1, who=as_person(s, "boss")).stderr


def test_who_may_not_write_is_told_row_by_row(s):
    sh = Sheet(s).decide("dan", "door", "revoke").decide("bob", "door", "keep")
    before = s.everything()
    done = sh.apply("--apply", check=1, who=as_person(s, "boss"))
    failed = [line for line in done.stderr.splitlines() if "Insufficient access" in line]
    assert len(failed) == 2 and any("dan" in f and "revoke" in f for f in failed) and any("bob" in f and "keep" in f for f in failed)
    assert "cannot be read" in done.stderr and "recorded again" in done.stderr
    assert "0 kept, 0 revoked, 2 failed" in done.stdout
    assert s.everything() == before


def test_a_manager_who_may_give_roles_needs_nothing_else(make_slapd):
    s = populate(make_slapd(access=[
        'to attrs=userPassword by anonymous auth by * none',
        'to attrs=provAssignedRole,provTimedRole by dnattr=manager write by * read', 'to * by * read']))
    Sheet(s).decide("ada", "crm", "revoke", "gone").decide("bob", "sales", "keep", "sells").decide("bob", "door", "revoke") \
        .decide("dan", "door", "revoke").apply("--apply", check=1, who=as_person(s, "boss"))
    assert s.roles_of("ada") == [] and s.roles_of("bob") == ["sales"] and s.roles_of("dan") == ["door"]
    assert [u for u, _ in reviews(s)] == ["ada", "bob", "bob"]
    assert {r["actor"]["authz"] for r in s.trail() if r.get("reason", "").startswith("review ")} == {s.person_dn("boss")}


def test_damaged_sheets_are_refused_or_read_right(s):
    """Files that somebody broke: nothing in between, and what is written is what Python's csv reads."""
    for i in range(4):
        s.account(f"p{i}", provAssignedRole=s.role_dn("door"), cn=f"P, \"{i}\"\nx")
    sh = Sheet(s)
    for uid, role in sh.rows:
        sh.decide(uid, role, "keep" if len(uid) == 3 else "", "so, \"it\"\nis")
    text, rng, refused, read = sh.text().encode(), random.Random(20261125), 0, 0
    for i in range(60):
        data = spoil(rng, text)
        n = len(s.trail())
        done = sh.apply("--apply", name=f"n{i}", data=data, check=None)
        new = s.trail()[n:]
        assert done.returncode in (0, 1, 3), done.stderr
        if done.returncode == 3:
            refused += 1
            assert new == [] and "nothing is applied" in done.stderr
            continue
        read += 1
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
        want = {(r["account"].strip().lower(), r["role"].strip().lower()) for r in rows if r["decision"].strip().lower() == "keep"}
        got = {(r["dn"].lower(), r["reason"].split(": ")[1].removeprefix("keep ").lower()) for r in new}
        assert got <= want and (done.returncode or len(got) + done.stdout.count("not held any more  row") == len(want))
    assert refused > 10 and read > 5


def test_rows_that_are_stale(s):
    sh = Sheet(s).decide("ada", "crm", "revoke").decide("dan", "door", "keep").decide("cleo", "vpn", "keep")
    s.admin.modify(s.person_dn("ada"), delete={"provAssignedRole": s.role_dn("crm")})
    s.admin.rename(s.person_dn("cleo"), "uid=cleopatra")
    done = sh.apply("--apply")
    assert figures(done)["not held any more"] == 2 and "there is no such account" in done.stdout
    assert "1 kept" in done.stdout and [u for u, _ in reviews(s)] == ["dan"]


class Before:
    """Between provctl and slapd: runs act() once, just before the first modify goes to the server."""

    def __init__(self, s, act):
        self.s, self.act = s, act
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"ldap://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with self.listener, self.listener.accept()[0] as tool, socket.create_connection(("127.0.0.1", self.s.port)) as server:
            while True:
                for a in select.select([tool, server], [], [])[0]:
                    data = a.recv(65536)
                    if not data:
                        return
                    if a is tool and self.act and re.match(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02(?:\x01.|\x02..)\x66", data, re.S):
                        act, self.act = self.act, None
                        act()
                    (server if a is tool else tool).sendall(data)


@pytest.mark.parametrize("uid, role, decision, act", [
    ("dan", "door", "keep", {"delete": {"provAssignedRole": None}}),
    ("dan", "door", "revoke", {"delete": {"provAssignedRole": None}}),
    ("bob", "door", "keep", {"delete": {"provTimedRole": None}}),
    ("bob", "door", "revoke", {"delete": {"provTimedRole": None}}),
    ("bob", "sales", "keep", {"replace": {"departmentNumber": "it"}}),
])
def test_a_role_that_goes_between_reading_and_writing(s, uid, role, decision, act):
    sh = Sheet(s).decide(uid, role, decision)
    client = s.client(s.rootdn, s.rootpw)
    way = Before(s, lambda: client.modify(s.person_dn(uid), **act))
    done = sh.apply("--apply", check=1, who=("-H", way.uri, "-D", s.rootdn, "-w", s.rootpw))
    assert way.act is None and "not held any more, or not in the same way" in done.stderr
    assert reviews(s) == [] and role not in s.roles_of(uid)


def test_a_role_that_goes_meanwhile_is_not_recorded_as_kept(s):
    """Somebody takes the roles away while the review is being written: each record is of a role that was held."""
    uids = [f"p{i}" for i in range(60)]
    for uid in uids:
        s.account(uid, provAssignedRole=s.role_dn("door"))
    sh = Sheet(s, "--role", "door")
    for uid in uids:
        sh.decide(uid, "door", "keep")
    client = s.client(s.rootdn, s.rootpw)
    started = threading.Event()

    def take():
        started.wait(10)
        for uid in reversed(uids):
            client.modify(s.person_dn(uid), delete={"provAssignedRole": None})
    thread = threading.Thread(target=take)
    thread.start()
    started.set()
    sh.path.write_text(sh.text(), newline="")
    s.provctl("review", "apply", "--name", "race", sh.path, "--apply")
    thread.join()
    s.wait_relayed()
    gone, kept = set(), 0
    for r in s.trail():
        if r.get("roles", {}).get("lost"):
            gone.add(r["uid"])
        if r.get("reason", "").startswith("review race: keep"):
            assert r["uid"] not in gone
            kept += 1
    assert len(gone) == len(uids) and all(not s.roles_of(u) for u in uids)


GUARDS = [
    ("an unknown word", lambda t: t.replace(",revoke,", ",remove,"), ["want keep, revoke", "row 2"]),
    ("no column decision", lambda t: t.replace("decision", "verdict"), ['no column "decision"']),
    ("no column account", lambda t: t.replace("account", "who"), ['no column "account"']),
    ("Latin-1", lambda t: t.replace("why", "wäre").encode("latin-1"), ["not UTF-8"]),
    ("UTF-16", lambda t: t.encode("utf-16"), ["UTF-16"]),
    ("another number of cells", lambda t: t.rstrip() + ",x\r\n", ["fields, the head has"]),
    ("a quote without an end", lambda t: t + '"', ["quote"]),
    ("semicolons", lambda t: t.replace(",", ";"), ["delimiter"]),
    ("two decisions", lambda t: t + t.splitlines(True)[1].replace(",revoke,", ",keep,"), ["another decision than in row 2"]),
    ("decided and undecided", lambda t: t + t.splitlines(True)[1].replace(",revoke,", ",,"), ["another decision than in row 2"]),
    ("an account that is no DN", lambda t: t.replace('"uid=ada', '"ada'), ["not a DN"]),
    ("no role", lambda t: re.sub(r'"cn=crm[^"]*"', "", t, count=1), ["the role is not a DN"]),
    ("a reason without an end", lambda t: t.replace("why", "why " * 400), ["too long", "row 2"]),
    ("a control character", lambda t: t.replace("why", "w\x1bhy"), ["control character"]),
    ("nothing in it", lambda t: t.splitlines(True)[0], ["no rows"]),
]


def test_guards(s):
    """Each refuses all of the file, and names the row."""
    sh = Sheet(s, "--role", "crm").decide("ada", "crm", "revoke", "why")
    rest = Sheet(s, "--role", "door").decide("dan", "door", "keep")
    text = sh.text() + rest.text().split("\r\n", 1)[1]
    before, n = s.everything(), len(s.trail())
    for what, harm, words in GUARDS:
        data = harm(text)
        assert data != text, what
        done = sh.apply("--apply", check=3, data=data if isinstance(data, bytes) else data.encode())
        for word in [*words, "nothing is applied"]:
            assert word in done.stderr, (what, done.stderr)
        assert s.everything() == before and len(s.trail()) == n, what
    # the same decision twice is once
    done = sh.apply("--apply", data=(text + text.splitlines(True)[1]).encode())
    assert figures(done)["there twice"] == 1 and "1 kept, 1 revoked" in done.stdout


def test_too_many_to_be_revoked(s):
    for i in range(8):
        s.account(f"p{i}", provAssignedRole=s.role_dn("door"))
    sh = Sheet(s, "--role", "door")
    for i in range(8):
        sh.decide(f"p{i}", "door", "revoke")
    before = s.everything()
    assert "8 roles to be revoked of 10 rows, more than 5" in sh.apply("--apply", check=3).stderr
    sh.apply("--apply", "--max-revoke", "7", check=3)
    sh.apply("--apply", "--max-revoke", "79%", check=3)
    assert s.everything() == before
    assert "8 revoked" in sh.apply("--apply", "--max-revoke", "80%").stdout


def test_as_spreadsheets_save_it(s):
    """Byte order mark and CRLF; ";" and Latin-1; the apostrophe of a guarded cell saved with it."""
    sh = Sheet(s).decide("ada", "crm", "keep", "für; \"immer\"").decide("dan", "door", "keep")
    sh.apply("--apply", name="bom", data=b"\xef\xbb\xbf" + sh.text().encode())
    sh.apply("--apply", "--delimiter", ";", "--encoding", "WINDOWS-1252", name="semi",
             data=sh.text(delimiter=";", lineterminator="\n").encode("cp1252"))
    sh.apply("--apply", "--encoding", "UTF-16", name="wide", data=sh.text().encode("utf-16"))
    for row in sh.rows.values():
        row["account"] = "'" + row["account"]
    sh.apply("--apply", name="quoted")
    for name in ("bom", "semi", "wide", "quoted"):
        assert ("ada", f"review {name}: keep {s.role_dn('crm')}: für; \"immer\"") in reviews(s)
        assert ("dan", f"review {name}: keep {s.role_dn('door')}") in reviews(s)


def test_a_role_with_a_colon_in_its_name(s):
    s.group("odd")
    s.role("a: keep b", provGroup="odd")
    s.account("eve", provAssignedRole=s.role_dn("a: keep b"))
    Sheet(s).decide("eve", "a: keep b", "revoke", "x: y").apply("--apply")
    [(uid, reason)] = reviews(s)
    dn = reason.split(": ")[1].removeprefix("revoke ")
    assert uid == "eve" and reason == f"review 2026-q4: revoke {dn}: x: y" and ":" not in dn
    assert ldap.dn.str2dn(dn) == ldap.dn.str2dn(s.role_dn("a: keep b"))


def test_usage(s):
    for args in (["review"], ["review", "list", "x"], ["review", "apply", "x.csv"], ["review", "apply", "--name", "n"],
                 ["review", "apply", "--name", "a b", "x.csv"], ["review", "apply", "--name", "n:", "x.csv"],
                 ["review", "apply", "--name", "n", "--max-revoke", "x", "x.csv"],
                 ["review", "apply", "--name", "n", "--delimiter", ";;", "x.csv"],
                 ["review", "apply", "--name", "n", s.dir / "no.csv"]):
        s.provctl(*args, check=2)
    assert "review apply --name" in s.provctl("review", "--help", check=0).stdout


# -- the auditor's pack -----------------------------------------------------------------------------


def pack(s, since, out):
    s.provctl_offline("audit", "evidence", "--since", since, "--until", now(), "--out", out, check=0)
    return {p.name: list(csv.DictReader(p.open(newline="", encoding="utf-8"), strict=True))
            for p in out.iterdir() if p.suffix == ".csv"}


def test_the_pack_has_the_reviews(s, tmp_path):
    since = now()
    s.set("ada", telephoneNumber="1", controls=[control(REASON, "review of nothing: keep calm")])
    Sheet(s).decide("ada", "crm", "revoke", "=left").decide("dan", "door", "keep", "ok").apply("--apply")
    Sheet(s).decide("bob", "sales", "keep").apply("--apply", name="other")
    # somebody who writes what the tool would refuse
    s.admin.modify(s.person_dn("dan"), add={"provAssignedRole": s.role_dn("vpn")})
    own = f"review own: keep {s.role_dn('door')}: because"
    s.client(s.person_dn("dan"), "dan-pw").modify(s.person_dn("dan"), replace={"telephoneNumber": "2"}, controls=[control(REASON, own)])
    vain = f"review own: revoke {s.role_dn('door')}"
    s.set("bob", telephoneNumber="3", controls=[control(REASON, vain)])
    s.wait_relayed()
    got = pack(s, since, tmp_path / "pack")
    rows = got["reviews.csv"]
    assert [(r["review"], r["decision"], r["dn"], r["role"], r["reason"], r["note"]) for r in rows] == [
        ("2026-q4", "revoke", s.person_dn("ada"), s.role_dn("crm"), "'=left", ""),
        ("2026-q4", "keep", s.person_dn("dan"), s.role_dn("door"), "ok", ""),
        ("other", "keep", s.person_dn("bob"), s.role_dn("sales"), "", ""),
        ("own", "keep", s.person_dn("dan"), s.role_dn("door"), "because", "own access; not a write of the role"),
        ("own", "revoke", s.person_dn("bob"), s.role_dn("door"), "", "the role did not go")]
    assert [r["by"] for r in rows] == [s.rootdn] * 3 + [s.person_dn("dan"), s.rootdn]
    records = s.trail()
    for r in rows:
        record = records[int(r["record"]) - 1]
        assert record["time"] == r["time"] and record["reason"].startswith(f"review {r['review']}: {r['decision']} ")
    figure = {r["figure"]: r["value"] for r in got["summary.csv"]}
    assert figure["Reviews"] == "3" and figure["Reviews: decisions"] == "5"
    assert figure["Reviews: kept"] == "3" and figure["Reviews: revoked"] == "2"
    assert figure["Reviews: own access"] == "1" and figure["Reviews: revoked, but the role did not go"] == "1"
    assert figure["Reviews: kept, but not by a write of the role"] == "1"
    page = (tmp_path / "pack/index.html").read_text()
    assert "reviewed his own access" in page and "class=bad" in page and "this version has none" not in page
    assert "reviews.csv" in (tmp_path / "pack/SHA256SUMS").read_text()


def test_a_pack_without_reviews(s, tmp_path):
    got = pack(s, "1d", tmp_path / "pack")
    assert got["reviews.csv"] == [] and {r["figure"]: r["value"] for r in got["summary.csv"]}["Reviews"] == "0"
    page = (tmp_path / "pack/index.html").read_text()
    assert "Nothing was reviewed." in page and "own access" not in page.split("Figures")[0]


def test_the_example_of_the_page(s):
    """As it is printed in provctl(1), with the site's own names."""
    page = (TOP / "docs/provctl.1").read_text()
    block = page.split(".Sh REVIEW\n")[1].split(".Bd -literal -offset indent\n")[1].split(".Ed")[0]
    command = [line for line in block.splitlines() if line.startswith("provctl ")]
    assert len(command) == 3
    list_, show, apply = ([str(s.dir / "crm.csv") if w.endswith("crm.csv") else w for w in c.split()[1:]] for c in command)
    assert list_[-2] == ">"
    text = s.provctl(*list_[:-2], check=0).stdout
    assert text.startswith("account,uid,") and "uid=ada" in text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    rows[0].update(decision="keep", reason="needs it")
    with open(list_[-1], "w", newline="") as f:
        w = csv.DictWriter(f, rows[0])
        w.writeheader()
        w.writerows(rows)
    s.provctl(*show, check=0)
    assert reviews(s) == []
    s.provctl(*apply, check=0)
    assert reviews(s) == [("ada", f"review 2026-q4: keep {s.role_dn('crm')}: needs it")]
