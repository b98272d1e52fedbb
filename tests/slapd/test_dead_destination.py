"""One destination is dead, or says 503 for a while, with the settings that connectors have by default: no other is
slower for it, memory stays within its bound, and nothing is parked."""

import json
import time

import pytest

from broken import Broken
from harness import wait_until
from receivers import NodeServer
from test_full_disk import rss
from test_provd import status, wait_state
from test_webhook import NEW, connect


@pytest.fixture
def s(make_slapd):
    return make_slapd(debug="none", database=[("dbnosync", "olcDbNoSync", "TRUE")])


@pytest.fixture
def web(tmp_path, pki):
    server = NodeServer(tmp_path / "web", "webhook.mjs", cert=pki / "server.pem", key=pki / "server.key", secret=NEW)
    yield server
    server.stop()


@pytest.fixture
def dead():
    server = Broken()
    yield server
    server.stop()


def arrived(web):
    return web.log.read_bytes().count(b'"method"')


def pace(s, web, first, n):
    """Seconds until the events of n new accounts have arrived."""
    before, began = arrived(web), time.monotonic()
    for i in range(first, first + n):
        s.account(f"u{i}")
    wait_until(lambda: arrived(web) >= before + n, 120, f"{n} events")
    return time.monotonic() - began


@pytest.mark.parametrize("concurrency, queued", [("4", 2000), ("64", 18000)])
def test_one_that_hangs_slows_no_other_and_costs_no_memory(s, pki, web, dead, concurrency, queued):
    connect(s, pki, web, name="web", provEvent="account.created", provConcurrency="8")
    connect(s, pki, dead, name="dead", provConcurrency=concurrency, provTimeout="300", provEnabled="FALSE")
    s.provd_start("--drain", "0")
    wait_state(s, "enabled", "web")
    alone = pace(s, web, 0, 2000)
    for i in range(queued):
        s.set(f"u{i % 2000}", title=str(i))
    wait_until(lambda: status(s, "web")["passed"] >= 2000 + queued, 60, "the others are not for it")
    small = rss(s.provd_process.pid)
    s.admin.modify("cn=dead,ou=connectors," + s.policy, replace={"provEnabled": "TRUE"})
    wait_until(lambda: status(s, "dead")["inFlight"] == int(concurrency), 20, "as many attempts hang as may")
    wait_until(lambda: dead.taken == int(concurrency), 20)
    beside = pace(s, web, 2000, 2000)
    st = status(s, "dead")
    print(f"2000 events: {alone:.1f} s alone, {beside:.1f} s beside {concurrency} attempts that hang; "
          f"{small} KiB before, {rss(s.provd_process.pid)} KiB then")
    assert beside < 2 * alone + 1, f"{beside:.1f} s beside it, {alone:.1f} s alone"
    assert st["inFlight"] == int(concurrency) and st["delivered"] == st["failed"] == 0
    assert st["ready"] + st["inFlight"] + st["lag"] == 2000 + queued + 2000, "all of them wait"
    assert st["ready"] <= 4096, "and most of them on disk"
    assert rss(s.provd_process.pid) < small + 65536
    assert status(s, "web")["failed"] == 0


def test_some_seconds_of_503_lose_and_park_nothing_and_need_nobody(s, pki, web):
    connect(s, pki, web, provTimeout="30")
    web.behave(status=503)
    s.provd_start()
    wait_state(s, "enabled")
    for i in range(30):
        s.account(f"u{i}")
        s.set(f"u{i}", title="x")
    wait_until(lambda: status(s)["state"] == "throttled", 10)
    time.sleep(8)  # the outage
    tried = arrived(web)
    assert tried <= 12, "one probe at a time, at growing distances"
    web.behave()
    wait_until(lambda: status(s)["delivered"] == 60, 60, "all of them, without anybody's help")
    assert status(s)["parked"] == 0
    good = [json.loads(r["body"]) for r in web.requests()[tried:]]
    assert len({e["id"] for e in good}) == 60
    first = {}
    for e in good:
        first.setdefault(e["subject"], []).append(int(e["sequence"]))
    assert all(x == sorted(x) for x in first.values())
