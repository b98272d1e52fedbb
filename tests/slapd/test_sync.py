"""provctl sync: the life of a company over many feeds, with a real slapd: who joins, moves, leaves, comes back."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest

from directory import PEOPLE
from harness import PROVCTL, TOP, wait_until
from ldapclient import OVERRIDE
from slapdconf import INDEX

MAP = f"""\
source hr
dates YYYY-MM-DD
key {{Nr|trim}}
match employeeNumber: {{Nr|trim}}
match mail: {{Mail|lower}}
rdn default uid: {{First|ascii|lower|first:1}}{{Last|ascii|lower}}{{unique}}
parent default {PEOPLE}
class inetOrgPerson
require cn: {{First|trim}} {{Last|trim}}
require sn: {{Last|trim}}
enforce givenName: {{First|trim}}
enforce employeeNumber: {{Nr|trim}}
enforce departmentNumber: {{Dept|lower}}
enforce title: {{Title|trim}}
default mail: {{Mail|lower}}
manager {{Boss}}
status {{Status}}
active here
active yes
suspended away
terminated left
start {{Start}}
end {{End}}
end-at 00:00
"""
HEAD = ["Nr", "First", "Last", "Dept", "Title", "Mail", "Boss", "Status", "Start", "End"]


def row(nr, first, last, dept="sales", title="", mail=None, boss="", status="here", start="", end=""):
    mail = f"{first}.{last}@example.com".lower() if mail is None else mail
    return dict(zip(HEAD, (nr, first, last, dept, title, mail, boss, status, start, end)))


class Company:
    """Rows by number, and the runs of the tool over them."""

    def __init__(self, s, mapping=MAP):
        self.s, self.rows, self.n = s, {}, 0
        self.map = s.dir / "hr.map"
        self.map.write_text(mapping)
        self.state = s.dir / "hr.state"
        self.feed = s.dir / "people.csv"

    def put(self, nr, *args, **kw):
        self.rows[nr] = row(nr, *args, **kw)

    def change(self, nr, **kw):
        self.rows[nr].update({k.capitalize(): v for k, v in kw.items()})

    def text(self):
        def cell(v):
            return '"%s"' % v.replace('"', '""') if re.search('[",\n]', v) else v
        lines = [",".join(HEAD)] + [",".join(cell(r[h]) for h in HEAD) for r in self.rows.values()]
        return "\n".join(lines) + "\n"

    def command(self, *args):
        return ("sync", "--feed", f"csv:{self.feed}", "--map", self.map, "--state-file", self.state, *args)

    def run(self, *args, check=0, text=None):
        """One run of the feed as it is now (or of this text), as JSON: changes and the rest."""
        text = self.text() if text is None else text
        self.feed.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Result(self.s.provctl_json(*self.command(*args), check=check))

    def apply(self, *args, check=0, **kw):
        return self.run("--apply", *args, check=check, **kw)

    def refused(self, *words, args=(), apply=True, **kw):
        """Nothing is applied, exit 3, and each of the words is said."""
        before, state = self.s.everything(), self.state.read_text() if self.state.exists() else None
        result = self.run(*(["--apply"] if apply else []), *args, check=3, **kw)
        assert self.s.everything() == before
        assert (self.state.read_text() if self.state.exists() else None) == state, "the state file was changed"
        said = "\n".join(f"row {p['row']}: {p['text']}" for p in result.problems)
        for word in words:
            assert word in said, said
        return result


class Result(dict):
    def __init__(self, lines):
        super().__init__()
        self.lines = lines
        self.changes = [x for x in lines if "change" in x]
        self.problems = [x for x in lines if "problem" in x]
        self.failed = [x for x in lines if "failed" in x]
        self.missing = [x for x in lines if "missing" in x]
        self.notes = [x for x in lines if "note" in x]
        summary = [x["summary"] for x in lines if "summary" in x]
        self.update(summary[0] if summary else {})

    def kinds(self):
        return {c["key"]: c["change"] for c in self.changes}

    def mods(self, key):
        [change] = [c for c in self.changes if c["key"] == key]
        return {m["attr"]: m.get("after") for m in change["mods"]}


def state(s, uid):
    return s.person(uid, "provState").one("provState") or "active"


def date(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * 86400))


@pytest.fixture
def s(make_slapd):
    s = make_slapd(index=INDEX + ["provSourceKey eq"])
    for g in ("sales", "it"):
        s.group(g)
        s.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g, provEntitlement=f"{g}:write")
    return s


@pytest.fixture
def co(s):
    co = Company(s)
    co.put("e1", "Ada", "Boss", dept="it", title="Head")
    co.put("e2", "Bob", "Lee", boss="e1")
    co.put("e3", "Cid", "Roe", boss="e2", title="Rep, \"senior\"")
    return co


# -- the life of a company ------------------------------------------------------------------------


def test_without_apply_everything_is_shown_and_nothing_is_done(s, co):
    before = s.everything()
    r = co.run()
    assert r.kinds() == {"e1": "joiner", "e2": "joiner", "e3": "joiner"}
    assert r["joiners"] == 3 and "applied" not in r
    assert r.mods("e3")["title"] == 'Rep, "senior"' and r.mods("e3")["manager"] == s.person_dn("blee")
    assert s.everything() == before and not co.state.exists()


def test_joiners_are_added_and_provisioned_for_the_reason_that_the_feed_is(s, co):
    r = co.apply()
    assert r["applied"] == {"done": 3, "failed": 0}
    e = s.person("croe")
    assert e.one("provSource") == "hr" and e.one("provSourceKey") == "e3" and e["manager"] == [s.person_dn("blee")]
    assert e.one("provCreateReason") == "sync people.csv row 4"
    assert s.members("sales") == ["blee", "croe"] and s.members("it") == ["aboss"]
    assert s.record(op="add", uid="croe")["reason"] == "sync people.csv row 4"


def test_the_same_feed_again_changes_nothing(s, co):
    co.apply()
    before = s.everything()
    r = co.apply()
    assert r.changes == [] and r["unchanged"] == 3 and r["applied"] == {"done": 0, "failed": 0}
    assert s.everything() == before


def test_movers_get_only_what_differs(s, co):
    co.apply()
    co.change("e3", dept="IT", boss="e1")
    co.change("e2", title="Rep")
    r = co.apply()
    assert r.kinds() == {"e2": "mover", "e3": "mover"}
    assert r.mods("e3") == {"departmentNumber": "it", "manager": s.person_dn("aboss")}
    assert r.mods("e2") == {"title": "Rep"}
    assert s.members("it") == ["aboss", "croe"] and s.groups_of("croe") == ["it"]
    assert s.person("croe").one("provChangeReason") == "sync people.csv row 4"


def test_enforce_takes_away_what_the_feed_no_longer_says_and_default_leaves_it(s, co):
    co.apply()
    s.set("aboss", mail="ada@other.example")
    co.change("e1", title="", mail="")
    r = co.apply()
    assert r.mods("e1") == {"title": None}
    assert s.person("aboss")["title"] == [] and s.person("aboss")["mail"] == ["ada@other.example"]


def test_a_leaver_by_status_loses_everything_and_keeps_the_entry(s, co):
    co.apply()
    connection = s.client()
    assert s.members("sales") == ["blee", "croe"] and connection.alive()
    co.change("e3", status="left", dept="", title="", boss="", end=date(-1))
    r = co.apply()
    assert r.kinds() == {"e3": "leaver"} and set(r.mods("e3")) == {"provState", "provEndTime"}
    assert state(s, "croe") == "terminated" and s.members("sales") == ["blee"]
    assert s.person("croe")["departmentNumber"] == ["sales"]  # a leaver's row says less, and that is no change
    assert co.apply().changes == []


def test_a_rehire_is_the_same_entry_again(s, co):
    co.apply()
    uuid = s.person("croe").one("entryUUID")
    co.change("e3", status="left", end=date(-1))
    co.apply()
    co.change("e3", status="here", end="", dept="it")
    r = co.apply()
    assert r.kinds() == {"e3": "rehire"}
    assert state(s, "croe") == "active" and s.person("croe").one("entryUUID") == uuid
    assert s.members("it") == ["aboss", "croe"] and s.person("croe")["provEndTime"] == []
    assert co.apply().changes == []


def test_a_rehire_in_the_future_is_pending(s, co):
    co.apply()
    co.change("e3", status="left", end=date(-1))
    co.apply()
    co.change("e3", status="here", start=date(30), end="")
    r = co.apply()
    assert r.kinds() == {"e3": "rehire"} and r.changes[0]["later"] is True
    assert state(s, "croe") == "pending" and s.members("sales") == ["blee"]
    assert co.apply().changes == []


def test_who_is_on_leave_is_suspended_and_comes_back(s, co):
    co.apply()
    co.change("e2", status="away")
    assert co.apply().kinds() == {"e2": "suspended"} and state(s, "blee") == "suspended"
    assert s.members("sales") == ["blee", "croe"]  # kept
    co.change("e2", status="here")
    assert co.apply().kinds() == {"e2": "mover"} and state(s, "blee") == "active"


def test_a_suspension_that_was_there_before_the_leave_outlives_it(s, co):
    co.apply()
    s.state_of("blee", "suspended")
    for status in ("away", "here"):
        co.change("e2", status=status)
        assert co.apply().changes == [] and state(s, "blee") == "suspended"
    co.put("e4", "Eve", "Away", status="away")
    co.apply()
    assert state(s, "eaway") == "suspended"
    co.change("e4", status="here")
    co.apply()
    assert state(s, "eaway") == "active"


def test_who_was_suspended_or_ended_by_somebody_else_stays_so(s, co):
    co.apply()
    s.state_of("blee", "suspended")
    s.leave("croe")
    co.change("e2", title="Rep")
    r = co.apply()
    assert r.mods("e2") == {"title": "Rep"} and state(s, "blee") == "suspended" and state(s, "croe") == "terminated"
    assert [n["row"] for n in r.notes] == [3, 4] and "--reactivate" in r.notes[0]["note"]
    r = co.apply("--reactivate")
    assert r.kinds() == {"e2": "mover", "e3": "rehire"} and state(s, "blee") == state(s, "croe") == "active"


def test_future_starts_and_ends_are_kept_by_slapd_itself(s, co):
    mapping = MAP.replace("end-at 00:00\n", "")
    soon = time.gmtime(time.time() + 4)
    minute = time.strftime("%H:%M", time.gmtime(time.time() + 60 if soon.tm_sec < 50 else time.time() + 120))
    today = date(0)
    if minute < "00:03":
        pytest.skip("the day ends")
    co.map.write_text(mapping + f"start-at {minute}\nend-at {minute}\n")
    co.put("e4", "Eve", "New", start=today)
    co.change("e3", start="2020-01-01", end=today)
    r = co.apply()
    assert {c["key"]: c.get("later") for c in r.changes} == {"e1": None, "e2": None, "e3": None, "e4": True}
    assert state(s, "enew") == "pending" and state(s, "croe") == "active"
    wait_until(lambda: state(s, "enew") == "active" and state(s, "croe") == "terminated", 150, "the minute came", 0.3)
    assert s.members("sales") == ["blee", "enew"]
    assert s.record(op="clock", uid="croe")["state"]["after"] == "terminated"
    assert co.apply().changes == [], "what the clock did is what the feed says"
    co.change("e3", end=date(30))  # the contract goes on after all
    assert co.apply().kinds() == {"e3": "rehire"} and state(s, "croe") == "active"


def test_an_end_that_has_passed_ends_whatever_the_status_says(s, co):
    co.apply()
    co.change("e2", start="2020-01-01", end=date(-3))
    assert co.apply().kinds() == {"e2": "leaver"} and state(s, "blee") == "terminated"
    co.put("e5", "Old", "Timer", start="2001-01-01", end="2002-01-01")
    r = co.apply()
    assert r.changes == [] and r["gone"] == 1 and s.person("otimer") is None


def test_names_that_are_taken_get_a_number(s, co):
    s.account("croe")  # an account that no row matches
    co.put("e4", "Carl", "Roe")
    co.apply()
    assert {s.person(u).one("provSourceKey") for u in ("croe2", "croe3")} == {"e3", "e4"}
    assert s.person("croe")["provSource"] == []


def test_a_manager_who_joins_comes_first_and_a_renamed_one_is_followed(s, co):
    co.map.write_text(MAP.replace("rdn default uid: {First|ascii|lower|first:1}{Last|ascii|lower}{unique}",
                                  "rdn enforce uid: {First|ascii|lower|first:1}{Last|ascii|lower}"))
    co.rows = dict(reversed(co.rows.items()))
    co.apply()
    assert s.person("croe")["manager"] == [s.person_dn("blee")]
    co.change("e2", last="Li")
    r = co.apply()
    assert r.kinds() == {"e2": "mover", "e3": "mover"}
    assert s.person("blee") is None and s.person("bli").one("provSourceKey") == "e2"
    assert s.person("bli")["sn"] == ["Li"] and s.person("croe")["manager"] == [s.person_dn("bli")]
    assert s.members("sales") == ["bli", "croe"] and co.apply().changes == []


def test_the_parent_is_followed_when_it_is_enforced(s, co):
    s.admin.add(f"ou=it,{PEOPLE}", {"objectClass": "organizationalUnit", "ou": "it"})
    s.admin.add(f"ou=sales,{PEOPLE}", {"objectClass": "organizationalUnit", "ou": "sales"})
    co.map.write_text(MAP.replace(f"parent default {PEOPLE}", f"parent enforce ou={{Dept|lower}},{PEOPLE}"))
    co.apply()
    uuid = s.admin.get(f"uid=croe,ou=sales,{PEOPLE}").one("entryUUID")
    co.change("e3", dept="it")
    assert co.apply().kinds() == {"e3": "mover"}
    assert s.admin.get(f"uid=croe,ou=it,{PEOPLE}").one("entryUUID") == uuid
    assert co.apply().changes == []


def test_what_is_special_in_a_name_is_data(s, co):
    co.rows["e3"].update(First="x+Y,=", Last='A"b\\ c#;<d>')
    co.map.write_text(MAP.replace("{First|ascii|lower|first:1}{Last|ascii|lower}{unique}", "{First}{Last}"))
    co.apply()
    [e] = s.admin.search(s.suffix, "(provSourceKey=e3)")
    assert e["uid"] == ['x+Y,=A"b\\ c#;<d>'] and co.apply().changes == []


# -- accounts that were there before -------------------------------------------------------------------


def test_accounts_without_a_key_are_adopted_by_what_is_unique(s, co):
    ada = s.account("ada", employeeNumber="E1", departmentNumber="it")
    bob = s.account("bob", mail="Bob.Lee@example.com")
    r = co.apply()
    assert {c["key"]: (c["change"], c.get("adopts")) for c in r.changes} == {
        "e1": ("mover", True), "e2": ("mover", True), "e3": ("joiner", None)}
    assert s.admin.get(ada).one("provSourceKey") == "e1" and s.admin.get(bob).one("provSourceKey") == "e2"
    assert s.admin.get(bob)["manager"] == [ada] and co.apply().changes == []


@pytest.mark.parametrize("accounts, words", [
    ({"ada": {"employeeNumber": "e1"}, "eve": {"employeeNumber": "e1"}}, ["row 2", "uid=ada", "uid=eve"]),
    ({"ada": {"employeeNumber": "e1"}, "eve": {"mail": "ada.boss@example.com"}}, ["row 2", "uid=ada", "uid=eve"]),
    ({"ada": {"employeeNumber": "e1", "mail": "bob.lee@example.com"}}, ["row 2", "row 3", "uid=ada"]),
    ({"ada": {"mail": "ada.boss@example.com", "provSource": "other", "provSourceKey": "7"}}, ["row 2", "uid=ada"]),
    ({"ada": {"provSource": "hr", "provSourceKey": "e1"}, "eve": {"provSource": "HR", "provSourceKey": "e1"}},
     ["row 2", "two accounts", "uid=ada", "uid=eve"]),
])
def test_an_ambiguous_match_is_never_guessed(s, co, accounts, words):
    for uid, attrs in accounts.items():
        s.account(uid, **attrs)
    co.refused(*words)


def test_rows_that_share_a_value_and_an_account_that_has_it_are_disputed(s, co):
    s.account("ada", mail="team@example.com")
    co.change("e1", mail="team@example.com")
    co.change("e2", mail="team@example.com")
    r = co.refused("row 2", "row 3")
    assert {p["row"] for p in r.problems if p["problem"] == "row"} == {2, 3}
    r = co.apply("--skip-bad", "2", check=1)
    assert r.kinds() == {"e3": "joiner"} and s.person("ada")["provSource"] == []


# -- missing rows ---------------------------------------------------------------------------------------


def test_a_missing_row_is_a_leaver_only_after_so_many_runs(s, co):
    co.apply()
    del co.rows["e3"]
    for run in (1, 2):
        co.run("--grace", "2")  # looking does not count
        r = co.apply("--grace", "2")
        assert r.changes == [] and r["missing"] == 1 and r.missing[0]["runs"] == run
        assert state(s, "croe") == "active"
    r = co.apply("--grace", "2")
    assert r.kinds() == {"e3": "leaver"} and r.changes[0]["row"] is None
    assert state(s, "croe") == "terminated" and s.person("croe").one("provChangeReason") == "sync people.csv no row"
    co.put("e3", "Cid", "Roe", boss="e2", title='Rep, "senior"')
    assert co.apply().kinds() == {"e3": "rehire"} and state(s, "croe") == "active"


def test_a_missing_row_is_a_leaver_only_after_so_many_days(s, co):
    co.apply()
    del co.rows["e3"]
    assert co.apply().changes == []
    old = json.loads(co.state.read_text())
    for days, kinds in ((2.9, {}), (3.1, {"e3": "leaver"})):
        old["missing"]["e3"]["since"] = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - days * 86400))
        co.state.write_text(json.dumps(old))
        assert co.apply().kinds() == kinds
    assert state(s, "croe") == "terminated"
    assert json.loads(co.state.read_text())["said"] == {"e3": "left"}


def test_a_row_that_comes_back_within_the_grace_begins_anew(s, co):
    co.apply()
    gone = co.rows.pop("e3")
    co.apply("--grace", "1")
    co.rows["e3"] = gone
    assert co.apply("--grace", "1").changes == []
    del co.rows["e3"]
    assert co.apply("--grace", "1").changes == []
    assert co.apply("--grace", "1").kinds() == {"e3": "leaver"}


def test_without_grace_or_a_state_file(s, co):
    co.apply()
    del co.rows["e3"]
    co.feed.write_text(co.text())
    args = ("sync", "--feed", f"csv:{co.feed}", "--map", co.map, "--apply")
    done = s.provctl(*args, check=0)
    assert "without --state-file" in done.stdout and state(s, "croe") == "active"
    s.provctl(*args, "--grace", "0", check=0)
    assert state(s, "croe") == "terminated"


# -- guards ------------------------------------------------------------------------------------------------


@pytest.fixture
def many(s):
    co = Company(s)
    for i in range(60):
        co.put(f"n{i}", "Ann", f"No{i}", mail="", dept="sales" if i % 2 else "it")
    co.apply()
    return co


def test_more_leavers_than_the_threshold_are_refused(s, many):
    for i in range(6):
        many.change(f"n{i}", status="left" if i % 2 else "away")
    many.refused("6 leavers, suspensions and ends within a week of 60 accounts", "--max-leavers")
    many.refused("more than 2", args=("--max-leavers", "2"))
    r = many.apply("--max-leavers", "10%")
    assert r["leavers"] == 3 and r["suspended"] == 3 and r["applied"]["done"] == 6


def test_ends_that_come_soon_count_as_leavers_for_the_threshold(s, many):
    for i in range(8):
        many.change(f"n{i}", end=date(2) if i < 6 else date(60))
    r = many.refused("6 leavers, suspensions and ends within a week")
    assert sum(c.get("ends_soon", False) for c in r.changes) == 6
    assert many.apply("--max-leavers", "6")["movers"] == 8
    for i in range(8):
        many.change(f"n{i}", end=date(3))  # later than it was for six: no danger in that
    assert sum(c.get("ends_soon", False) for c in many.apply().changes) == 2


def test_missing_rows_count_as_leavers_for_the_threshold(s, many):
    for i in range(6):
        del many.rows[f"n{i}"]
    many.refused("leavers", args=("--grace", "0"))


def test_more_changes_or_joiners_than_the_threshold_are_refused(s, many):
    for i in range(60):
        many.change(f"n{i}", title="all new")
    many.refused("60 changes of 60 accounts", "--max-changes")
    many.apply("--max-changes", "60")
    for i in range(60):
        many.rows[f"x{i}"] = row(f"x{i}", "Joe", f"Xo{i}", mail="")
    many.refused("60 joiners", "--max-joiners")
    assert many.apply("--max-joiners", "100%")["joiners"] == 60


def test_a_first_run_that_matches_nobody_does_not_double_everybody(s):
    co = Company(s)
    for i in range(60):
        s.account(f"old{i}", mail=f"old{i}@example.com")
        co.put(f"n{i}", "Ann", f"No{i}", mail=f"o{i}@example.com")
    co.refused("60 joiners beside accounts that no row matches", "--max-joiners")
    for i in range(60):
        co.change(f"n{i}", mail=f"old{i}@example.com")
    r = co.apply()
    assert r["joiners"] == 0 and r["movers"] == 60


def test_a_feed_that_shrank_is_refused(s, many):
    for i in range(10):
        del many.rows[f"n{i}"]
    many.refused("shrank from 60 rows to 50")
    r = many.apply("--max-shrink", "20")
    assert r["missing"] == 10 and r.changes == []
    many.refused("no rows", text=",".join(HEAD) + "\n")


def test_columns_that_changed_are_refused(s, co):
    co.apply()
    text = co.text().replace("Title", "Job", 1)
    co.refused('no column "Title"', text=text)
    more = "\n".join(line + (",Room" if i == 0 else ",1") for i, line in enumerate(co.text().splitlines())) + "\n"
    co.refused('"room" is new', text=more)
    assert co.apply("--new-columns", text=more).changes == []
    co.refused('"room" is gone')


BAD = [
    (lambda t: t.replace("e2,", ",", 1), ["row 3", "column Nr is empty"]),
    (lambda t: t.replace("e3,", "E2 ,", 1), ["row 4", "key E2 is in row 3"]),
    (lambda t: t.replace("here", "gone", 1), ["row 2", '"gone"']),
    (lambda t: t.replace("here", "", 1), ["row 2", "Status is empty"]),
    (lambda t: t.replace(",Lee,", ",,", 1), ["row 3", "cn: column Last is empty"]),
    (lambda t: t.replace("here,,", "here,30.02.2026,", 1), ["row 2", "30.02.2026"]),
    (lambda t: t.replace("here,,", "here,2026-02-30,", 1), ["row 2", "2026-02-30"]),
    (lambda t: t.replace("here,,", "here,2026-02-03,2026-02-02", 1), ["row 2", "ends before it starts"]),
    (lambda t: t.replace("e2,Bob", "e2;Bob", 1), ["row 3", "9 fields, the head has 10"]),
    (lambda t: t + "e4,Joe\n", ["row 5", "2 fields"]),
    (lambda t: t.replace("Bob", '"Bob', 1), ["row 3", "quote"]),
    (lambda t: t.replace("Bob", 'B"ob', 1), ["row 3", "quote"]),
    (lambda t: t.replace("Nr,First", "First,First", 1), ["row 1", "twice"]),
    (lambda t: t.replace(",", ";"), ["row 1", "delimiter"]),
    (lambda t: t.replace("Bob", "Bøb", 1).encode("latin-1"), ["row 3", "not UTF-8", "--encoding"]),
    (lambda t: t.encode("utf-16"), ["row 1", "UTF-16"]),
    (lambda t: t.encode("utf-16-le"), ["row 1", "UTF-16"]),
    (lambda t: t.replace("Bob", "Bøb", 1).encode().decode("latin-1"), ["row 3", "encoded twice"]),
    (lambda t: t.replace("Bob", "B\ufffdb", 1), ["row 3", "lost"]),
    (lambda t: t.replace("Bob", "B\x07b", 1), ["row 3", "control character"]),
    (lambda t: t.replace("Bob", "B\0b", 1), ["row 3", "control character"]),
    (lambda t: "", ["row 1", "empty"]),
    (lambda t: "\n\n", ["row 1", "empty"]),
]


@pytest.mark.parametrize("n", range(len(BAD)))
def test_a_feed_that_is_wrong_is_refused_with_its_rows(s, co, n):
    spoil, words = BAD[n]
    co.refused(*words, text=spoil(co.text()))


def test_several_things_that_are_wrong_are_said_at_once(s, co):
    text = co.text().replace("e2,Bob", ",Bob").replace("here", "gone", 1).replace('""senior""', "Zoë", 1)
    r = co.refused("row 2", "row 3", text=text)
    assert {p["problem"] for p in r.problems} == {"feed", "row"}
    done = s.provctl(*co.command("--apply"), check=3)
    assert "people.csv: row 3: key: column Nr is empty" in done.stderr and "nothing is applied" in done.stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "iso-8859-1", "utf-16", "windows-1252"])
def test_other_encodings_are_read_when_they_are_named(s, co, encoding):
    co.change("e2", first="Bøb")
    args = () if encoding == "utf-8-sig" else ("--encoding", encoding)
    co.apply(*args, text=co.text().encode(encoding))
    [e] = s.admin.search(s.suffix, "(provSourceKey=e2)")
    assert e["givenName"] == ["Bøb"]


def test_wrong_rows_can_be_left_alone(s, co):
    co.apply()
    co.change("e3", status="gone", title="other")
    co.change("e2", title="Rep")
    co.refused("row 4")
    r = co.apply("--skip-bad", "1", check=1)
    assert r.kinds() == {"e2": "mover"} and r["missing"] == 0 and r["bad"] == 1
    assert s.person("croe")["title"] == ['Rep, "senior"']


def test_the_breaker_of_the_server_stops_it_and_override_goes_on(make_slapd):
    s = make_slapd(provision={"provision-breaker": "3 3600"})
    co = Company(s)
    for i in range(8):
        co.put(f"n{i}", "Ann", f"No{i}", mail="")
    co.apply()
    for i in range(5):
        co.change(f"n{i}", status="left")
    co.change("n7", title="new")
    co.feed.write_text(co.text())
    done = s.provctl(*co.command("--apply"), check=3)
    assert OVERRIDE in done.stderr and "--override" in done.stderr and "3 applied" in done.stdout
    assert sum(state(s, f"ano{i}") == "terminated" for i in range(8)) == 3
    assert s.person("ano7")["title"] == [], "it stopped"
    r = co.apply("--override")
    assert r["leavers"] == 2 and sum(state(s, f"ano{i}") == "terminated" for i in range(8)) == 5
    assert s.person("ano7")["title"] == ["new"]


def test_override_does_not_get_past_the_tools_own_guards(s, many):
    for i in range(10):
        many.change(f"n{i}", status="left")
    many.refused("leavers", args=("--override",))


def test_two_runs_at_a_time_are_not_possible(s, co):
    co.apply()
    lock = subprocess.Popen(["flock", f"{co.state}.lock", "sh", "-c", "echo locked; cat"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    try:
        assert lock.stdout.readline() == b"locked\n"
        co.feed.write_text(co.text())
        assert "another run" in s.provctl(*co.command("--apply"), check=2).stderr
        s.provctl(*co.command(), check=0)
    finally:
        lock.stdin.close()
        lock.wait()


@pytest.mark.parametrize("text, word", [("{", "line 1"), ("[]", "state file"), ('{"version": 1, "source": "x", "missing": {}, "said": {}}', "source"),
                                        ('{"version": 9, "source": "hr", "missing": {}, "said": {}}', "version")])
def test_a_state_file_that_is_none_is_not_taken_for_one(s, co, text, word):
    co.feed.write_text(co.text())
    co.state.write_text(text)
    assert word in s.provctl(*co.command("--apply"), check=2).stderr
    assert co.state.read_text() == text and s.person("aboss") is None


# -- what fails --------------------------------------------------------------------------------------------


def test_what_fails_is_said_and_the_rest_goes_on(s, co):
    s.role("titled", provAssignFilter="(departmentNumber=it)", provTemplate="enforce title: Engineer")
    s.account("other")
    co.map.write_text(MAP.replace("{Last|ascii|lower}{unique}", "{Last|ascii|lower}"))
    co.put("e4", "Other", "", status="here")
    co.rows["e4"].update(First="o", Last="ther")
    co.put("e5", "Eve", "Last", boss="e4")
    co.change("e1", title="Head")
    s.wait_relayed()
    done_before = s.provctl_json("audit", "show")
    r = co.apply(check=1)
    assert r["applied"] == {"done": 3, "failed": 2}
    failed = {f["key"]: (f["row"], f["text"]) for f in r.failed}
    assert failed["e4"][0] == 5 and "exists" in failed["e4"][1]
    assert failed["e1"][0] == 2 and "titled" in failed["e1"][1]
    assert s.person("elast")["manager"] == [], "no manager who is not there"
    s.wait_relayed()
    assert len(s.provctl_json("audit", "show")) == len(done_before) + 3
    s.admin.delete(s.person_dn("other"))
    co.change("e1", title="Engineer")
    r = co.apply()
    assert r.kinds() == {"e1": "joiner", "e2": "mover", "e4": "joiner", "e5": "mover"}
    assert s.person("elast")["manager"] == [s.person_dn("other")] and co.apply().changes == []


def test_progress_is_shown_on_a_terminal_alone(s, co):
    for i in range(40):
        co.put(f"n{i}", "Ann", f"No{i}", mail="")
    co.feed.write_text(co.text())
    master, slave = pty.openpty()
    try:
        p = subprocess.Popen([PROVCTL, "-H", s.ldapi, *map(str, co.command("--apply"))], stdout=subprocess.DEVNULL,
                             stderr=slave, env=s.env)
        assert p.wait(60) == 0
        assert b"applied 32 of 43" in os.read(master, 65536)
    finally:
        os.close(master)
        os.close(slave)
    assert s.provctl(*co.command(), check=0).stderr == ""


def test_failures_are_lines_for_people(s, co):
    s.account("blee")
    co.map.write_text(MAP.replace("{Last|ascii|lower}{unique}", "{Last|ascii|lower}"))
    co.feed.write_text(co.text())
    done = s.provctl(*co.command("--apply"), check=1)
    assert "row 3, key e2: uid=blee" in done.stderr and "2 applied, 1 failed" in done.stdout


def test_killed_in_the_middle_and_run_again_it_comes_to_the_same_end(make_slapd):
    s = make_slapd(provision={"provision-breaker": "0 0"})
    end, kills = None, 0
    for round_ in range(4):
        co = Company(s)
        for i in range(150):
            co.put(f"n{i}", "Ann", f"No{i % 40}", mail="", boss=f"n{i // 2}" if i else "", dept="sales" if i % 2 else "it")
        co.feed.write_text(co.text())
        if round_:
            for e in s.admin.search(PEOPLE, "(provSource=hr)", ["1.1"]):
                s.admin.delete(e.dn)
            co.state.unlink()
        if round_:
            p = subprocess.Popen([PROVCTL, "-H", s.ldapi, *map(str, co.command("--apply", "--batch", "3"))],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=s.env)
            wait_until(lambda n=round_ * 30: p.poll() is not None or
                       len(s.admin.search(PEOPLE, "(provSource=hr)", ["1.1"])) >= n, 60)
            p.send_signal(signal.SIGKILL)
            kills += p.wait() == -signal.SIGKILL
            assert json.loads(co.state.read_text())["complete"] in (False, True)
        co.apply()
        found = sorted((e.one("uid"), e.one("provSourceKey"), e.one("manager"), *e["departmentNumber"], e.one("provState"))
                       for e in s.admin.search(PEOPLE, "(provSource=hr)"))
        assert len(found) == 150 and co.apply().changes == []
        assert end is None or found == end
        end = found
    assert kills >= 2, "the kills came too late to say anything"


def test_a_run_that_was_cut_off_does_not_count_twice_for_the_grace(s, co):
    co.apply()
    del co.rows["e3"]
    co.apply("--grace", "2")
    cut = json.loads(co.state.read_text())
    cut["complete"] = False  # what a kill leaves
    co.state.write_text(json.dumps(cut))
    assert co.apply("--grace", "2").missing[0]["runs"] == 1
    assert co.apply("--grace", "2").missing[0]["runs"] == 2


# -- the plan ------------------------------------------------------------------------------------------------


def test_the_plan_tells_what_the_policy_gives_and_takes(s, co):
    co.apply()
    co.change("e3", dept="it")
    co.put("e4", "Eve", "New")
    before = s.everything()
    r = co.run("--plan")
    plans = {c["key"]: c["plan"] for c in r.changes}
    assert plans["e3"]["groups"] == {"gained": [s.group_dn("it")], "lost": [s.group_dn("sales")]}
    assert plans["e4"]["groups"]["gained"] == [s.group_dn("sales")]
    assert s.everything() == before
    text = s.provctl(*co.command("--plan"), check=0).stdout
    assert "2 roles and 2 groups given, 1 and 1 taken" in text and "- group" in text


def test_the_plan_shows_what_would_be_refused(s, co):
    s.role("titled", provAssignFilter="(departmentNumber=it)", provTemplate="enforce title: Engineer")
    r = co.run("--plan", check=1)
    assert "titled" in {c["key"]: c.get("refused", "") for c in r.changes}["e1"]


# -- other feeds ---------------------------------------------------------------------------------------------


LDIF_MAP = f"""\
source hr2
key {{employeeNumber}}
rdn default uid: {{uid}}
parent default {PEOPLE}
class inetOrgPerson
require sn: {{sn}}
require cn: {{cn}}
enforce title: {{title}}
manager-id {{dn}}
manager {{manager}}
"""
OTHER = """\
dn: uid=zoe,ou=staff,o=other
objectClass: inetOrgPerson
uid: zoe
cn:: Wm/DqyBFbGQ=
sn: Eld
employeeNumber: 7
title: first
title: second

dn: uid=max,ou=staff,o=other
uid: max
cn: Max Minor
sn: Minor
employeeNumber: 8
manager: uid=zoe, ou=sta
 ff,o=other
"""


def test_an_ldif_feed(s):
    (s.dir / "x.map").write_text(LDIF_MAP)
    (s.dir / "x.ldif").write_text("version: 1\n# a comment\n" + OTHER)
    args = ("sync", "--feed", f"ldif:{s.dir}/x.ldif", "--map", s.dir / "x.map")
    s.provctl(*args, "--apply", check=0)
    e = s.person("zoe")
    assert e["cn"] == ["Zoë Eld"] and e["title"] == ["first"] and e.one("provCreateReason") == "sync x.ldif row 3"
    assert s.provctl_json(*args, check=0)[-1]["summary"]["unchanged"] == 2


@pytest.mark.parametrize("spoil, word", [
    (lambda t: t.replace("title: first", "title:< file:///etc/passwd"), "not read"),
    (lambda t: t.replace("title: first", "title:\n < file:///etc/passwd"), "not read"),
    (lambda t: "include: file:///etc/passwd\n\n" + t, "include"),
    (lambda t: t.replace("sn: Eld", "sn Eld"), "without"),
    (lambda t: t.replace("dn: uid=max", "uid: max"), "begins with dn"),
    (lambda t: t.replace("Wm/D", "Wm/*"), "LDIF"),
    (lambda t: t.replace("objectClass: inetOrgPerson", "changetype: delete"), "changes"),
    (lambda t: t.replace("sn: Eld", "sn:: 6Q=="), "not UTF-8"),
    (lambda t: t.replace("employeeNumber: 8", "employeeNumber: 7"), "is in row"),
    (lambda t: t.replace("employeeNumber: 8", "x: 7"), "is empty"),
    (lambda t: "", "no rows"),
])
def test_a_hostile_ldif_feed_is_refused(s, spoil, word):
    (s.dir / "x.map").write_text(LDIF_MAP)
    (s.dir / "x.ldif").write_text(spoil(OTHER))
    before = s.everything()
    done = s.provctl("sync", "--feed", f"ldif:{s.dir}/x.ldif", "--map", s.dir / "x.map", "--apply", check=3)
    assert word in done.stderr and "root:" not in done.stdout + done.stderr and s.everything() == before


def test_a_feed_from_another_directory(s, make_slapd):
    other = make_slapd(provision=None)
    other.account("zoe", employeeNumber="7", title="first", cn="Zoë Eld")
    other.account("max", employeeNumber="8", manager=other.person_dn("zoe"))
    (other.dir / "pw").write_text(other.rootpw)
    (other.dir / "pw").chmod(0o600)
    (s.dir / "x.map").write_text(LDIF_MAP)
    url = f"ldap:{other.uri}/{PEOPLE}??one?(objectClass=inetOrgPerson)"
    args = ("sync", "--feed", url, "--map", s.dir / "x.map", "--feed-bind-dn", other.rootdn, "--feed-password-file", other.dir / "pw")
    s.provctl(*args, "--apply", check=0)
    assert s.person("zoe")["cn"] == ["Zoë Eld"] and s.person("max")["manager"] == [s.person_dn("zoe")]
    assert s.provctl_json(*args, check=0)[-1]["summary"]["unchanged"] == 2
    other.stop()
    s.provctl(*args, "--apply", check=2)


def test_a_search_that_the_other_server_cuts_short_is_no_feed(s, make_slapd):
    other = make_slapd(provision=None, globals=[("sizelimit", "olcSizeLimit", "1")])
    for uid, nr in (("zoe", "7"), ("max", "8")):
        other.account(uid, employeeNumber=nr)
    who = other.account("reader")
    (other.dir / "pw").write_text("reader-pw")
    (other.dir / "pw").chmod(0o600)
    (s.dir / "x.map").write_text(LDIF_MAP)
    done = s.provctl("sync", "--feed", f"{other.uri}/{PEOPLE}??one?(employeeNumber=*)", "--map", s.dir / "x.map", "--apply",
                     "--feed-bind-dn", who, "--feed-password-file", other.dir / "pw", check=2)
    assert "limit" in done.stderr and s.person("zoe") is None


def test_a_feed_from_another_subtree_of_the_same_directory(s):
    s.admin.add(f"ou=source,{s.suffix}", {"objectClass": "organizationalUnit", "ou": "source"})
    for uid, nr in (("zoe", "7"), ("max", "8")):
        s.account(f"uid={uid},ou=source,{s.suffix}", employeeNumber=nr)
    (s.dir / "x.map").write_text(LDIF_MAP)
    s.provctl("sync", "--feed", f"ldap:///ou=source,{s.suffix}??one", "--map", s.dir / "x.map", "--apply", check=0)
    assert s.person("zoe").one("provSourceKey") == "7" and s.person("max").one("provSourceKey") == "8"


# -- usage, mappings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [[], ["--feed", "csv:x"], ["--map", "x"], ["--feed", "xls:x", "--map", "x"],
                                  ["--feed", "csv:x", "--map", "x", "--grace", "soon"],
                                  ["--feed", "csv:x", "--map", "x", "--max-leavers", "200%"],
                                  ["--feed", "csv:x", "--map", "x", "--max-changes", "many"],
                                  ["--feed", "csv:x", "--map", "x", "--batch", "0"],
                                  ["--feed", "csv:x", "--map", "x", "--max-shrink", "101"],
                                  ["--feed", "csv:x", "--map", "/nonexistent"]])
def test_wrong_usage_is_2(args):
    done = subprocess.run([PROVCTL, "sync", *args], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and "provctl" in done.stderr


def test_a_feed_that_cannot_be_read_is_2(s, co):
    assert "people.csv" in s.provctl(*co.command("--apply"), check=2).stderr


@pytest.mark.parametrize("product", ["workday", "bamboohr"])
def test_the_sample_exports_work_with_their_mappings(s, product):
    folder = TOP / "contrib/hr"
    args = ("sync", "--feed", f"csv:{folder}/{product}.csv", "--map", folder / f"{product}.map")
    s.provctl(*args, "--apply", check=0)
    assert s.provctl_json(*args, check=0)[-1]["summary"]["joiners"] == 0
    people = {e.one("provSourceKey"): e for e in s.admin.search(PEOPLE, f"(provSource={product})")}
    if product == "workday":
        assert sorted(people) == ["100001", "100002", "100003", "100004", "100006"]
        assert people["100002"]["uid"] == ["boneill"] and people["100002"]["title"] == ["Director, Sales"]
        assert people["100003"].one("provState") == "suspended" and people["100006"].one("provState") == "pending"
        assert people["100004"].one("provEndTime") == "20990630220000Z"  # midnight in Berlin, in summer
        assert people["100003"]["manager"] == [people["100002"].dn]
    else:
        assert sorted(people) == ["12", "15", "23", "7"]
        assert people["23"]["uid"] == ["robert.obrien"] and people["23"]["title"] == ['Support, "tier 2"']
        assert people["23"].one("provState") == "pending" and people["7"]["provEndTime"] == []
        assert people["15"]["manager"] == [people["12"].dn]


def literal(page, before):
    """The literal block behind this line of the page, as it is printed."""
    text = page.split(before, 1)[1].split(".Bd -literal -offset indent\n", 1)[1].split(".Ed", 1)[0]
    return re.sub(r"\\\[u([0-9A-F]+)\]", lambda m: chr(int(m[1], 16)), text)


def test_the_worked_example_of_the_man_page(s):
    page = (TOP / "docs/provctl.1").read_text().split(".Ss Worked example")[1]
    files = {"/etc/slapo-provision/hr.map": s.dir / "hr.map", "/srv/hr/people.csv": s.dir / "people.csv",
             "/var/lib/hr-sync.json": s.dir / "hr-sync.json"}
    for name in list(files)[:2]:
        files[name].write_text(literal(page, f".Pa {name} :"))
    plan, apply, rest = [line for line in literal(page, "nothing):").splitlines() if line.startswith("provctl ")]
    for old, new in files.items():
        plan, apply, rest = (line.replace(old, str(new)) for line in (plan, apply, rest))
    done = s.provctl(*plan.split()[1:], check=0)
    assert "2 joiners" in done.stdout and f"+ group       {s.group_dn('sales')}" in done.stdout
    assert "2 applied, 0 failed" in s.provctl(*apply.split()[1:], check=0).stdout
    assert "2 unchanged" in s.provctl(*rest.split()[1:], check=0).stdout
    zoe = s.person("zroe")
    assert zoe["cn"] == ["Zoë Roe"] and zoe["manager"] == [s.person_dn("aeld")] and s.members("sales") == ["zroe"]
    assert zoe.one("provEndTime") == "21000101000000Z"
