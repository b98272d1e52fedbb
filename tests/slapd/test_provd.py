"""provd against a real slapd: order, retries, parking, limits, restarts, connectors followed live."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import PROVD, stays, wait_until

HOOK = r"""
d=$1
cat >"$d/body.$$"
echo "$PROV_SEQUENCE $PROV_EVENT_ID $PROV_ATTEMPT $PROV_EVENT_TYPE" >>"$d/tries"
[ -f "$d/behave" ] && . "$d/behave"
cat "$d/body.$$" >>"$d/got"
rm "$d/body.$$"
"""


class Receiver:
    """A connected system: a hook that appends what it gets to a file, or behaves as told."""

    def __init__(self, where, name):
        self.dir = where / name
        self.dir.mkdir()
        self.name = name
        (self.dir / "hook.sh").write_text(HOOK)
        self.target = f"/bin/sh {self.dir}/hook.sh {self.dir}"

    def behave(self, script):
        new = self.dir / "behave.new"
        new.write_text(script + "\n")
        new.rename(self.dir / "behave")

    def got(self):
        file = self.dir / "got"
        whole = file.read_text().rpartition("\n")[0] if file.exists() else ""  # the last line may be on its way
        return [json.loads(x) for x in whole.splitlines()]

    def tries(self):
        file = self.dir / "tries"
        return [x.split() for x in file.read_text().splitlines()] if file.exists() else []

    def types(self):
        return [e["type"].removeprefix("org.slapo-provision.") for e in self.got()]

    def uids(self):
        return [e["data"].get("uid") for e in self.got()]

    def wait(self, n, timeout=10):
        wait_until(lambda: len(self.got()) >= n, timeout, f"{n} events at {self.name}, got {len(self.got())}")
        return self.got()


@pytest.fixture
def s(slapd):
    yield slapd


@pytest.fixture
def hook(s):
    r = Receiver(s.dir, "hook")
    s.connector("hook", r.target)
    return r


def ask(s, **request):
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(10)
        c.connect(str(s.place("provd") / "provd.ctl"))
        c.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(c.makefile().readline())


def status(s, name="hook"):
    return next((c for c in ask(s, cmd="status")["connectors"] if c["name"] == name), None)


def wait_state(s, state, name="hook"):
    return wait_until(lambda: (st := status(s, name)) and st["state"] == state and st, 10, f"{name} is {state}")


def test_a_joiner_reaches_the_hook_at_once(s, hook):
    s.provd_start()
    wait_state(s, "enabled")
    began = time.monotonic()
    s.account("ann", mail="ann@example.com")
    [event] = hook.wait(1)
    assert time.monotonic() - began < 5, "woken, not polled"
    assert event["type"] == "org.slapo-provision.account.created" and event["specversion"] == "1.0"
    assert event["data"]["uid"] == "ann" and event["subject"]
    assert "route" not in event and "values" not in event and "values" not in event["data"]
    assert "ann-pw" not in json.dumps(event)


def test_only_the_listed_attributes_leave(s):
    r = Receiver(s.dir, "attrs")
    s.connector("attrs", r.target, provAttribute=["mail", "givenName"])
    s.provd_start()
    s.account("ann", mail="ann@example.com", description="private")
    [event] = r.wait(1)
    assert event["data"]["values"]["mail"] == ["ann@example.com"]
    assert set(event["data"]["values"]) <= {"mail", "givenName"}
    assert "private" not in json.dumps(event)


def test_events_of_one_account_arrive_in_order(s, hook):
    hook.behave("sleep 0.02")
    s.provd_start()
    for uid in ("ann", "bob", "cid"):
        s.account(uid)
    for i in range(10):
        for uid in ("ann", "bob", "cid"):
            s.set(uid, description=str(i))
    s.leave("bob")
    got = hook.wait(3 + 30 + 1, 30)
    for subject in {e["subject"] for e in got}:
        seqs = [int(e["sequence"]) for e in got if e["subject"] == subject]
        assert seqs == sorted(seqs)
    assert len({e["id"] for e in got}) == len(got)


def test_accounts_are_served_in_parallel_up_to_the_concurrency(s):
    r = Receiver(s.dir, "par")
    r.behave('echo x >"$d/run.$$"; ls "$d" | grep -c ^run >>"$d/most"; sleep 0.2; rm "$d/run.$$"')
    s.connector("par", r.target, provConcurrency="3")
    for i in range(9):
        s.account(f"u{i}")
    s.provd_start()
    r.wait(9)
    assert max(int(x) for x in (r.dir / "most").read_text().split()) in (2, 3)


def test_seventyfive_is_tried_again_and_holds_back_only_that_account(s, hook):
    hook.behave('grep -q \'"uid":"ann"\' "$d/body.$$" && [ ! -f "$d/ready" ] && { echo later; exit 75; }')
    s.provd_start()
    s.account("ann")
    wait_until(lambda: (st := status(s)) and st["deferred"], 10, "deferred")
    s.set("ann", description="second")
    s.account("bob")
    hook.wait(1)
    assert hook.uids() == ["bob"]
    [row] = [x for x in s.provctl_json("outbox", "list") if x["state"] == "deferred"]
    assert row["error"] == "exit status 75: later" and row["attempts"] == 0
    (hook.dir / "ready").touch()
    assert ask(s, cmd="retry", connector="hook", seq=row["seq"])["ok"]
    hook.wait(3)
    assert hook.uids() == ["bob", "ann", "ann"]
    assert hook.types()[1:] == ["account.created", "account.updated"]
    ids = [t[1] for t in hook.tries() if t[0] == str(row["seq"])]
    assert len(ids) >= 2 and len(set(ids)) == 1, "the same id in every attempt"


def test_an_event_that_fails_too_often_is_parked_and_can_be_retried(s):
    r = Receiver(s.dir, "park")
    r.behave("echo no such host >&2; exit 1")
    s.connector("park", r.target, provMaxAttempts="1")
    s.provd_start()
    s.account("ann")
    wait_until(lambda: (st := status(s, "park")) and st["parked"] == 1, 10, "parked")
    r.behave(":")
    s.set("ann", description="later ones go on")
    r.wait(1)
    assert r.types() == ["account.updated"]
    [row] = [x for x in s.provctl_json("outbox", "list") if x["state"] == "parked"]
    assert row["error"] == "exit status 1: no such host" and row["attempts"] == 1
    assert ask(s, cmd="retry", connector="park")["count"] == 1
    r.wait(2)
    assert r.types() == ["account.updated", "account.created"]
    wait_until(lambda: status(s, "park")["parked"] == 0, 10, "nothing parked")


def test_a_parked_event_is_dropped_with_a_reason_only(s):
    r = Receiver(s.dir, "park")
    r.behave("exit 1")
    s.connector("park", r.target, provMaxAttempts="1")
    s.provd_start()
    s.account("ann")
    wait_until(lambda: (st := status(s, "park")) and st["parked"] == 1, 10, "parked")
    [row] = s.provctl_json("outbox", "list")
    assert ask(s, cmd="drop", connector="park", seq=row["seq"])["code"] == "badRequest"
    assert ask(s, cmd="drop", connector="park", seq=row["seq"], reason="gone")["ok"]
    st = status(s, "park")
    assert (st["parked"], st["dropped"]) == (0, 1)
    assert ask(s, cmd="drop", connector="park", seq=row["seq"], reason="gone")["code"] == "notParked"
    assert ask(s, cmd="retry", connector="park", seq=999)["code"] == "noSuchEvent"
    assert ask(s, cmd="retry", connector="none")["code"] == "noSuchConnector"
    assert ask(s, cmd="nonsense")["code"] == "badRequest"


def test_the_time_limit_ends_the_hook_and_its_children(s):
    r = Receiver(s.dir, "slow")
    r.behave('echo waiting; sleep 600 & echo $! >"$d/child"; wait')
    s.connector("slow", r.target, provTimeout="1", provMaxAttempts="1")
    s.provd_start()
    s.account("ann")
    wait_until(lambda: (st := status(s, "slow")) and st["parked"] == 1, 15, "parked")
    assert status(s, "slow")["lastError"] == "no end within 1 s, stopped: waiting"
    child = int((r.dir / "child").read_text())
    stat = Path(f"/proc/{child}/stat")
    wait_until(lambda: not stat.exists() or stat.read_text().split()[2] == "Z", 5, "the child is gone")


def test_endless_output_does_no_harm(s):
    r = Receiver(s.dir, "loud")
    r.behave("yes shouting | head -c 30000000 >&2; exit 1")
    s.connector("loud", r.target, provMaxAttempts="1")
    s.provd_start()
    s.account("ann")
    wait_until(lambda: (st := status(s, "loud")) and st["parked"] == 1, 20, "parked")
    assert status(s, "loud")["lastError"] == "exit status 1: shouting"
    rss = int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{s.provd_process.pid}/status").read_text())[1])
    assert rss < 65536, "memory stays flat"


def test_one_dead_connector_slows_no_other(s, hook):
    dead = Receiver(s.dir, "dead")
    dead.behave("exit 1")
    s.connector("dead", dead.target)
    s.provd_start()
    for i in range(20):
        s.account(f"u{i}")
    hook.wait(20, 15)
    assert status(s, "dead")["state"] == "throttled"
    assert len(dead.tries()) < 20


def test_killed_provd_resumes_where_it_was(s, hook):
    hook.behave("sleep 0.01")
    uids = [f"u{i}" for i in range(12)]
    for uid in uids:
        s.account(uid)
    for round_ in range(6):
        for uid in uids:
            s.set(uid, description=str(round_))
    total = len(uids) * 7
    for _ in range(8):
        before = len(hook.got())
        s.provd_start()
        wait_until(lambda: len(hook.got()) > before, 10, "goes on")
        s.provd_stop(hard=True)
    s.provd_start()
    wait_until(lambda: len({e["id"] for e in hook.got()}) == total, 30, "all of them")
    wait_until(lambda: (st := status(s)) and not (st["ready"] or st["inFlight"]), 10, "done")
    got = hook.got()
    for subject in {e["subject"] for e in got}:
        firsts = list(dict.fromkeys(int(e["sequence"]) for e in got if e["subject"] == subject))
        assert firsts == sorted(firsts), "in order, duplicates apart"
    assert len(got) - total <= 8 * 4 * 2, "only what was under way at a kill comes twice"
    [st] = ask(s, cmd="status")["connectors"]
    assert (st["deferred"], st["parked"]) == (0, 0)


def test_sigterm_lets_running_deliveries_end(s, hook):
    hook.behave('touch "$d/begun"; sleep 1')
    s.provd_start()
    s.account("ann")
    s.account("bob")
    wait_until(lambda: (hook.dir / "begun").exists(), 10, "begun")
    s.provd_stop()
    n = len(hook.got())
    assert n >= 1
    assert not (s.state / "provd.ctl").exists() and not (s.state / "provd.pid").exists()
    s.provd_start()
    hook.wait(2)
    time.sleep(0.3)
    assert sorted(hook.uids()) == ["ann", "bob"], "none twice after a clean stop"


def test_a_second_provd_says_so_and_ends(s, hook):
    s.provd_start()
    began = time.monotonic()
    done = subprocess.run([PROVD, "--foreground", "--state", str(s.state), "-H", s.ldapi], capture_output=True,
                          text=True, env=s.env, timeout=30)
    assert done.returncode == 2 and "delivering" in done.stderr
    assert time.monotonic() - began < 20


def test_connectors_are_followed_live(s, hook):
    s.provd_start()
    s.account("ann")
    hook.wait(1)
    late = Receiver(s.dir, "late")
    dn = s.connector("late", late.target, provEvent="account.created")
    s.account("bob")  # right after: nothing may slip between
    late.wait(1)
    assert late.uids() == ["bob"]
    s.admin.modify(dn, replace={"provEnabled": "FALSE"})
    wait_state(s, "disabled", "late")
    s.account("cid")
    hook.wait(3)
    stays(lambda: len(late.got()) == 1, 0.3, "a disabled connector's events wait")
    s.admin.modify(dn, replace={"provEnabled": "TRUE"})
    late.wait(2)
    assert late.uids() == ["bob", "cid"]
    s.admin.delete(dn)
    wait_state(s, "gone", "late")
    s.account("dan")
    hook.wait(4)
    assert late.uids() == ["bob", "cid"]


def test_slapd_away_does_not_stop_deliveries(s, hook):
    hook.behave('while [ ! -f "$d/go" ]; do sleep 0.05; done')
    s.account("ann")
    s.account("bob")
    s.provd_start()
    wait_until(lambda: len(hook.tries()) == 2, 10, "begun")
    s.stop()
    os.kill(s.provd_process.pid, signal.SIGHUP)
    (hook.dir / "go").touch()
    hook.wait(2)
    wait_until(lambda: "event=load-failed" in s.provd_log.read_text(), 10, "said so")
    s.start()
    s.account("cid")
    hook.wait(3)


def test_provd_waits_for_slapd_to_make_the_state_directory(s, hook, tmp_path):
    missing = tmp_path / "later"
    with s.provd_log.open("ab") as log:
        p = subprocess.Popen([PROVD, "--foreground", "--state", str(missing), "-H", s.ldapi], stdout=log, stderr=log,
                             env=s.env)
    try:
        wait_until(lambda: "event=wait" in s.provd_log.read_text(), 10, "says that it waits")
        s.account("ann")
        s.wait_relayed()
        missing.symlink_to(s.state)
        hook.wait(1)
        p.terminate()
        assert p.wait(10) == 0
    finally:
        p.kill()
        p.wait()


def test_provd_stops_while_it_waits(tmp_path):
    p = subprocess.Popen([PROVD, "--foreground", "--state", str(tmp_path / "x")], stderr=subprocess.PIPE, text=True)
    assert "waiting for slapd" in p.stderr.readline()
    p.terminate()
    assert p.wait(5) == 0
    p.stderr.close()


def test_the_state_directory_is_asked_from_the_server(s, hook):
    with s.provd_log.open("ab") as log:
        s.provd_process = subprocess.Popen([PROVD, "--foreground", "-H", s.ldapi, "-D", s.rootdn, "-w", s.rootpw],
                                           stdout=log, stderr=log, env=s.env)
    s.account("ann")
    wait_until(lambda: hook.got() or s.provd_process.poll() is not None, 10, "delivered or ended")
    if s.provd_process.poll() is not None:  # cn=config is closed to that identity: said so
        s.provd_process = None
        assert "use --state" in s.provd_log.read_text()


def test_the_daemon_goes_into_the_background_once_it_is_well(s, hook):
    config = s.dir / "provd.conf"
    config.write_text(f"# options\nstate {s.state}\nuri {s.ldapi}\ndrain 5\n")
    done = subprocess.run([PROVD, "--config", str(config)], capture_output=True, text=True, env=s.env, timeout=20)
    assert done.returncode == 0, done.stderr
    wait_until((s.state / "provd.pid").exists, 10, "it is well also while it waits for slapd's files")
    pid = int((s.state / "provd.pid").read_text())
    try:
        s.account("ann")
        hook.wait(1)
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not (s.state / "provd.pid").exists(), 10, "ended")


def test_wrong_options_are_refused():
    for args, says in ((["--nonsense"], "unrecognized option"), (["stray"], "stray"),
                       (["--drain", "x"], "not a number"), (["--config", "/no/such"], "No such file")):
        done = subprocess.run([PROVD, "--foreground", *args], capture_output=True, text=True, timeout=10)
        assert done.returncode == 2 and says in done.stderr
    done = subprocess.run([PROVD, "--help"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 and "--foreground" in done.stdout


def test_an_idle_provd_sleeps(s, hook):
    s.provd_start()
    s.account("ann")
    hook.wait(1)
    time.sleep(0.5)

    def switches():
        text = Path(f"/proc/{s.provd_process.pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])

    before = switches()
    time.sleep(2)
    assert switches() - before <= 6, "no busy polling"


# -- limits and the user of exec ------------------------------------------------------------------


def limited(s, script, *options, **attrs):
    """A connector whose program is this script, whose exit status is what a test reads, and an event for it."""
    s.connector("limited", f"/bin/sh -c '{script}'", provOption=list(options), **attrs)
    s.provd_start()
    wait_state(s, "enabled", "limited")
    s.account("ann")


def test_a_program_runs_as_another_user(s):
    # The program judges itself: a directory for what it finds would have to be open to nobody all the way.
    limited(s, 'test "$(id -un)" = nobody && case " $(id -G) " in *" 0 "*) exit 1; esac && '
               'grep -Eq "^NoNewPrivs:[[:space:]]*1" /proc/self/status && '
               'grep -Eq "^CapEff:[[:space:]]*0+$" /proc/self/status', "user=nobody")
    wait_until(lambda: (st := status(s, "limited"))["delivered"] or st["lastError"], 10)
    assert status(s, "limited")["delivered"] == 1, status(s, "limited")


@pytest.mark.parametrize("option, script", [
    ("files=20", 'test "$(ulimit -n)" = 20'),
    ("memory=200", 'test "$(ulimit -v)" = 204800'),
    ("cpu=7", 'test "$(ulimit -t)" = 7'),
    ("processes=4000", 'test "$(ulimit -u 2>/dev/null || ulimit -p)" = 4000'),
    ("filesize=1", 'test "$(ulimit -f)" = 2048'),
])
def test_a_program_has_limits(s, option, script):
    limited(s, script + ' && test "$(ulimit -c)" = 0', option)
    wait_until(lambda: (st := status(s, "limited"))["delivered"] or st["lastError"], 10)
    assert status(s, "limited")["delivered"] == 1, status(s, "limited")


def test_a_program_that_eats_too_much_is_a_failed_attempt(s):
    limited(s, "while :; do :; done", "cpu=1", provTimeout="60")
    wait_until(lambda: status(s, "limited")["failed"] == 1, 20)


@pytest.mark.parametrize("option, word", [("user=no-such-user", "no such user"), ("user=--help", "no such user"),
                                          ("cpu=0", "cpu"), ("memory=lots", "memory"), ("files=1x", "files")])
def test_bad_limits_make_it_unusable_and_are_named(s, option, word):
    s.connector("limited", "/bin/true", provOption=option)
    s.provd_start()
    wait_state(s, "unusable", "limited")
    assert word in status(s, "limited")["problem"]
