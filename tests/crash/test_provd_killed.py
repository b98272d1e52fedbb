"""provd is killed (kill -9) again and again under steady changes, with receivers that misbehave; slapd with it.
Then every event must have arrived at least once and in order, with one body, and nothing may be left.

PROV_PROVD_KILLS=1000 for more (200 otherwise), PROV_CRASH_SEED to repeat one.
"""

import os
import random
import signal
import subprocess
import time

import pytest
from delivered import (HOOK, Receipt, check_accounts, check_progress, check_receipts, hook_receipts, wanted,
                       web_receipts)
from steady import Steady

from directory import PEOPLE
from harness import PROVD, Slapd, make_pki, wait_until
from receivers import NodeServer
from statedb import Delivery
from test_provd import ask, status
from test_scim import TOKEN, Scim
from test_webhook import NEW, keep

KILLS = int(os.environ.get("PROV_PROVD_KILLS", "200"))
SEED = int(os.environ.get("PROV_CRASH_SEED", str(time.time_ns() % 10**6)))
NAMES = ("hook", "web", "scim")
MIX = ["ok"] * 30 + ["slow"] * 3 + ["hangup", "reset", "error", "refuse"]


class Site:
    """A directory, a program, a webhook that misbehaves by chance, a SCIM service, and who writes."""

    def __init__(self, s, where):
        self.s, self.where, self.made = s, where, []
        pki = where / "pki"
        make_pki(pki)
        self.web = NodeServer(where / "web", "webhook.mjs", cert=pki / "server.pem", key=pki / "server.key", secret=NEW)
        self.scim = Scim(where / "scim", pki, token=TOKEN)
        self.web.behave(mix=MIX)
        (where / "hook.sh").write_text(HOOK)
        (where / "log").touch()
        s.connector("hook", f"/bin/sh {where}/hook.sh {where}", provConcurrency="8", provEvent="account.*")
        s.connector("web", f"https://localhost:{self.web.port}/in", provConnectorType="webhook", provTimeout="5",
                    provSecretFile=str(keep(s, NEW, name="secret-web")), provOption=f"ca={pki}/ca.pem",
                    provAttribute=["title"], provConcurrency="8")
        s.connector("scim", f"https://localhost:{self.scim.port}/scim", provConnectorType="scim", provTimeout="5",
                    provSecretFile=str(keep(s, TOKEN, name="secret-scim")), provOption=f"ca={pki}/ca.pem",
                    provAttribute=["title"], provConcurrency="8")

    def writers(self, rng, pause):
        self.made = [Steady(self.s, f"w{i}", 12, rng.random(), pause) for i in range(4)]
        for w in self.made:
            w.start()
        return self.made

    def finish(self):
        """The receivers behave; all that is left is delivered, and provd stopped cleanly."""
        s = self.s
        self.web.behave()
        s.provd_start()
        last = max(int(e["sequence"]) for e in s.events())

        def done():
            ask(s, cmd="retry", connector="web")
            ask(s, cmd="retry", connector="hook")
            return all((st := status(s, n)) and st["passed"] >= last and not (st["ready"] or st["inFlight"] or st["deferred"])
                       for n in NAMES)
        try:
            wait_until(done, 120, every=0.3)
        except AssertionError:
            raise AssertionError(f"seed {SEED}: not all were delivered: {ask(s, cmd='status')}") from None
        s.provd_stop()

    def check(self):
        s, events, progress = self.s, self.s.events(), Delivery(self.s.state)
        check_receipts("hook", events, hook_receipts(self.where))
        check_receipts("web", events, web_receipts(self.web))
        for name in NAMES:
            check_progress(name, events, progress)
        check_accounts(s.admin.search(PEOPLE, "(objectClass=inetOrgPerson)"), self.scim.call("/dump")["users"])
        return len(wanted(events, "web"))

    def tell(self, title, began, events):
        got = web_receipts(self.web)
        twice = sum(not r.good for r in got) - events
        print(f"{title}, seed {SEED}: {events} events, {twice} requests more than events, {time.monotonic() - began:.0f} s")

    def stop(self):
        for w in self.made:
            w.over.set()
            w.join(30)
        self.web.stop()
        self.scim.stop()


@pytest.fixture
def site(tmp_path):
    with Slapd(debug="none", provision={"provision-breaker": "0 0"}, database=[("dbnosync", "olcDbNoSync", "TRUE")]) as s:
        made = Site(s, tmp_path)
        try:
            yield made
        finally:
            made.stop()


def taken(web):
    return sum(r.good for r in web_receipts(web))


def killed_after(s, seconds):
    """One life of provd; the end may come before it has even begun to work."""
    with s.provd_log.open("ab") as log:
        p = subprocess.Popen([PROVD, "--foreground", "--state", str(s.state), "-H", s.ldapi], stdin=subprocess.DEVNULL,
                             stdout=log, stderr=log, env=s.env)
    time.sleep(seconds)  # the moment of the crash: any
    died = p.poll()
    p.send_signal(signal.SIGKILL)
    p.wait(30)
    assert died is None, f"provd had ended by itself with {died}: {s.provd_log.read_text()[-2000:]}"


def test_killed_two_hundred_times_under_load_every_event_arrives_in_order(site):
    rng, began = random.Random(SEED), time.monotonic()
    writers = site.writers(rng, 0.1)
    for _ in range(KILLS):
        killed_after(site.s, min(rng.expovariate(1 / 0.15), 0.8) + 0.02)
    for w in writers:
        w.stop()
    in_time = taken(site.web)
    site.finish()
    events = site.check()
    assert events > KILLS and in_time > events / 4, "they were delivered between the kills, not after them"
    if KILLS >= 100:
        assert {r.get("fault") for r in site.web.requests()} >= set(MIX), "not every fault has happened"
    site.tell(f"{KILLS} kills of provd", began, events)


def test_killed_together_with_slapd_every_event_arrives_in_order(site):
    rng, began = random.Random(SEED + 1), time.monotonic()
    s = site.s
    s.expect_log("unclean shutdown")
    writers = site.writers(rng, 0.02)
    for n in range(max(KILLS // 25, 2)):
        killed_after(s, rng.uniform(0.05, 0.5))
        if n % 2:
            s.provd_start()  # this one lives while slapd dies
        s.kill()
        s.start()
        if n % 2:
            time.sleep(rng.uniform(0, 0.3))
            s.provd_stop(hard=True)
    for w in writers:
        w.stop()
    site.finish()
    events = site.check()
    site.tell(f"{max(KILLS // 25, 2)} kills of slapd and provd", began, events)


def test_slapd_may_stop_and_die_under_deliveries_and_provd_goes_on_with_what_it_knows(site):
    rng, began, s = random.Random(SEED + 2), time.monotonic(), site.s
    s.expect_log("unclean shutdown")
    site.web.behave()
    s.provd_start()
    pid = s.provd_process.pid
    writers = site.writers(rng, 0.01)
    for n in range(max(KILLS // 25, 2)):
        site.web.behave(**({"delay": 500} if n < 2 else {"mix": MIX}))  # at first events shall wait, and none fail
        time.sleep(rng.uniform(0.3, 0.6))
        if n % 2:
            s.kill()
        else:
            s.stop()
        if n < 2:  # nobody writes now: what there is goes on being delivered
            got = taken(site.web)
            os.kill(pid, signal.SIGHUP)  # and it cannot ask for its connectors either
            site.web.behave()
            wait_until(lambda g=got: taken(site.web) > g + 10, 10, "more deliveries without slapd than were under way")
        s.start()
    for w in writers:
        w.stop()
    assert s.provd_process.pid == pid and s.provd_process.poll() is None
    s.provd_stop()
    site.finish()
    site.tell(f"{max(KILLS // 25, 2)} ends of slapd", began, site.check())


def test_the_checker_sees_what_is_wrong():
    """A check that cannot fail is no check: break one thing at a time."""
    events = [{"id": f"e{n}", "sequence": f"{n:020}", "subject": "ab"[n % 2], "route": ["web"]} for n in range(1, 7)]
    events.append({"id": "e7", "sequence": f"{7:020}", "subject": "a", "route": ["other"]})
    body = {e["id"]: '{{"id":"{id}","sequence":"{sequence}","subject":"{subject}"}}'.format(**e) for e in events}

    def good():
        out = []
        for e in events[:6]:
            out += [Receipt(e["id"], False, body[e["id"]]), Receipt(e["id"], False, body[e["id"]]), Receipt(e["id"], True)]
        return out
    check_receipts("web", events, good())

    def broken(change):
        bad = good()
        change(bad)
        with pytest.raises(AssertionError):
            check_receipts("web", events, bad)
    broken(lambda b: b.pop())  # the last one was never taken
    broken(lambda b: b.clear())
    broken(lambda b: b.append(Receipt("e7", False, body["e7"])))  # not for it
    broken(lambda b: b.append(Receipt("e9", False, "{}")))
    broken(lambda b: b.append(Receipt("e1", False, body["e1"] + " ")))  # another body
    broken(lambda b: b.append(Receipt("e1", False, body["e1"], signed=False)))
    broken(lambda b: b.append(Receipt("e1", False, body["e1"], late=60)))
    broken(lambda b: b.insert(2, Receipt("e3", False, body["e3"])))  # before e1 was taken
    broken(lambda b: b.insert(0, b.pop(6)))
    broken(lambda b: [setattr(r, "body", body["e2"]) for r in b if r.id == "e1"])
    check_receipts("web", events, good() + good()[:3])  # again, and late: allowed

    class Progress:
        rows, cursor = [], {"web": 6}
    check_progress("web", events, Progress)
    for rows, cursor in (([{"connector": "web", "seq": 3, "state": "parked"}], {"web": 6}), ([], {"web": 5}), ([], {})):
        Progress.rows, Progress.cursor = rows, cursor
        with pytest.raises(AssertionError):
            check_progress("web", events, Progress)


def test_the_checker_of_accounts_sees_what_is_wrong():
    class Person(dict):
        def one(self, name):
            return self[name]
    people = [Person(entryUUID="1", uid="a", title="x", provState="active"),
              Person(entryUUID="2", uid="b", title="y", provState="suspended")]
    a = {"externalId": "1", "userName": "a", "title": "x", "active": True}
    b = {"externalId": "2", "userName": "b", "title": "y", "active": False}
    check_accounts(people, [a, b])
    for users in ([b], [a, a, b], [{**a, "title": "z"}, b], [a, {**b, "active": True}], [a, b, {**b, "externalId": "3"}]):
        with pytest.raises(AssertionError):
            check_accounts(people, users)
