"""A generated company with defects of every kind (tests/bench/planted.py): a scan finds all of them and nothing else.

Of 3,000 people; PROV_SCAN_PEOPLE=100000 for more.
"""

import os
import sys
import threading

import pytest
from ldap.dn import str2dn

from directory import PEOPLE
from harness import TOP, wait_until

sys.path.insert(0, str(TOP / "tests/bench"))
import planted  # noqa: E402

PEOPLE_THERE = int(os.environ.get("PROV_SCAN_PEOPLE", "3000"))
ENDLESS = 3600


def folded(text):
    """DNs as the server writes them and as we do are the same."""
    if text is None:
        return None
    try:
        return tuple((a.lower(), v.lower()) for rdn in str2dn(text) for a, v, _ in rdn)
    except Exception:
        return text.lower()


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    where = tmp_path_factory.mktemp("planted")
    return planted.Planted(PEOPLE_THERE, seed=20261125).write(where), where


@pytest.fixture
def loaded(make_slapd, company):
    plan, where = company
    s = make_slapd(base=False, start=False, maxsize=1 << 34, provision={"provision-breaker": "100000 1"},
                   debug="none" if PEOPLE_THERE > 10000 else "stats")
    s.tool_timeout = ENDLESS
    s.tool("slapadd", "-q", "-b", planted.SUFFIX, "-l", where / "company.ldif")
    s.start()
    # of these leavers nobody is told
    s.connector("deaf", "/bin/true", provEvent="*", provFilter="(title=Told)")
    told = plan.plan()["told"]
    for uid in told:
        s.leave(uid)
    late = ("scan", "--check", "UNDELIVERED", "--undelivered", "0")
    wait_until(lambda: sum("id" in f for f in s.provctl_json(*late, timeout=ENDLESS)) == len(told), 120, every=0.5)
    return s


def scan(s, where):
    lines = s.provctl_json("--timeout", "300", "scan", *planted.options(where), check=1, timeout=ENDLESS)
    return sorted((f["id"], folded(f["dn"]), folded(f.get("related"))) for f in lines if "id" in f)


def expected(plan):
    told = [["UNDELIVERED", planted.person_dn(uid), "deaf"] for uid in plan.plan()["told"]]
    want = []
    for check, dn, related in plan.expected + told:
        if check in ("ORPHAN_TARGET", "MISSING_ACCOUNT", "DISPUTED"):
            related = ...  # told by what follows
        want.append((check, folded(dn), related if related is ... else folded(related)))
    return want


def compare(found, plan):
    """Precision and recall of each check are 1.0."""
    want = sorted((c, d) for c, d, _ in expected(plan))
    got = sorted((c, d) for c, d, _ in found)
    missed = [x for x in want if x not in set(got)]
    wrong = [x for x in got if x not in set(want)]
    assert not missed and not wrong, f"missed {missed[:10]}, wrong {wrong[:10]}"
    assert want == got
    exact = {(c, d): r for c, d, r in expected(plan) if r is not ... and r is not None and c != "DANGLING_REFERENCE"}
    for c, d, r in found:
        if (c, d) in exact:
            assert r == exact[c, d], (c, d, r)


def test_every_planted_defect_is_found_and_nothing_else(loaded, company):
    plan, where = company
    compare(scan(loaded, where), plan)


class Writers:
    """Movers, leavers, returners, joiners and their deletion, all in order, while somebody scans."""

    def __init__(self, s, plan):
        self.s, self.stop, self.done, self.errors = s, threading.Event(), [0, 0, 0], []
        busy = plan.plan()["busy"]
        self.threads = [threading.Thread(target=self.run, args=(n, busy[n::3], plan)) for n in range(3)]

    def run(self, n, mine, plan):
        try:
            self.write(n, mine, plan, self.s.client(self.s.rootdn, self.s.rootpw))
        except Exception as error:  # told by the test
            self.errors.append(error)

    def write(self, n, mine, plan, client):
        i = 0
        while not self.stop.is_set():
            uid = mine[i % len(mine)]
            if i % 5 == 0:
                client.modify(planted.person_dn(uid), replace={"provState": "suspended" if i % 2 else "active"})
            elif i % 5 == 1:
                name = f"svcw{n}x{i}"
                self.s.account(name, client=client, provType="service", manager=planted.person_dn("u0"),
                               departmentNumber=f"d{i % plan.departments}")
                client.delete(f"uid={name},{PEOPLE}")
            else:
                client.modify(planted.person_dn(uid), replace={"departmentNumber": f"d{(i * 7 + n) % plan.departments}"})
            i += 1
            self.done[n] = i

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()


def test_concurrent_writers_change_nothing_of_that(loaded, company):
    plan, where = company
    with Writers(loaded, plan) as w:
        before = list(w.done)
        for _ in range(3):
            compare(scan(loaded, where), plan)
        wait_until(lambda: min(b - a for a, b in zip(before, w.done)) > 3 or w.errors, 60)
    assert not w.errors, w.errors
    compare(scan(loaded, where), plan)


def test_the_same_seed_makes_the_same_company(tmp_path):
    files = []
    for n in range(2):
        where = tmp_path / str(n)
        where.mkdir()
        planted.Planted(1500, seed=3, now=1700000000).write(where)
        files.append({p.name: p.read_bytes() for p in where.iterdir()})
    assert files[0] == files[1]
    planted.Planted(1500, seed=4, now=1700000000).write(tmp_path / "1")
    assert files[0]["company.ldif"] != (tmp_path / "1/company.ldif").read_bytes()
