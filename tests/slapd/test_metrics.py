"""provd's figures for Prometheus, and what it tells systemd."""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import PROVD, TOP, free_port, stays, wait_until
from test_provd import Receiver, ask, status, wait_state


def parse(text):
    """The text format (version 0.0.4), as Prometheus' own client reads it: {(name, connector): value}. What that
    forgives is checked here: every family once, with HELP and TYPE, in one block; every line ended."""
    out = {}
    assert text.endswith("\n") and "\r" not in text
    heads = re.findall(r"^# (HELP|TYPE) (\S+) ", text, re.M)
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge")
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            assert heads.count(("HELP", sample.name)) == 1 and heads.count(("TYPE", sample.name)) == 1
            key = sample.name.removeprefix("provd_"), sample.labels.get("connector")
            assert key not in out and not sample.timestamp, key
            out[key] = sample.value
    names = [line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert [n for i, n in enumerate(names) if i == 0 or names[i - 1] != n] == [n for kind, n in heads if kind == "HELP"
                                                                            and n in names]
    return out


@pytest.fixture
def hook(slapd):
    r = Receiver(slapd.dir, "hook")
    slapd.connector("hook", r.target, provMaxAttempts="1")
    return r


def test_the_file_tells_how_deliveries_go(slapd, hook):
    file = slapd.dir / "provd.prom"
    slapd.provd_start("--metrics-file", file)
    slapd.account("ann")
    hook.wait(1)
    wait_until(lambda: parse(file.read_text()).get(("connector_delivered_total", "hook")) == 1, 5)
    m = parse(file.read_text())
    assert m["connector_usable", "hook"] == 1 and m["directory_reachable", None] == 1 and m["saving", None] == 1
    assert abs(m["connector_last_success_timestamp_seconds", "hook"] - time.time()) < 30
    hook.behave("exit 1")
    slapd.account("bob")
    wait_until(lambda: parse(file.read_text())["connector_parked_events", "hook"] == 1, 5)
    assert parse(file.read_text())["connector_failed_attempts_total", "hook"] == 1
    assert parse(file.read_text())["connector_failing_since_timestamp_seconds", "hook"] == 0, "it does not wait"
    assert file.stat().st_mode & 0o777 == 0o644
    assert not [f for f in os.listdir(slapd.dir) if f.startswith("provd.prom.")], "no half file is left"
    slapd.provd_stop()
    assert not file.exists(), "figures of a provd that does not run would lie"


def test_the_listener_gives_them_to_this_machine(slapd, hook):
    port = free_port()
    slapd.provd_start("--metrics-listen", port)
    wait_state(slapd, "enabled")
    slapd.account("ann")
    hook.wait(1)

    def get(path="/metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return parse(answer.read().decode())
    wait_until(lambda: get().get(("connector_delivered_total", "hook")) == 1, 5)
    with pytest.raises(urllib.error.HTTPError):
        get("/other")
    with open(f"/proc/{slapd.provd_process.pid}/net/tcp", encoding="ascii") as f:
        mine = [line.split()[1] for line in f if line.split()[1].endswith(f":{port:04X}") and " 0A " in line]
    assert mine == [f"0100007F:{port:04X}"]


@pytest.mark.parametrize("where", ["0.0.0.0:9000", "localhost", "0", "70000", "[::]:9000", "127.0.0.1:x"])
def test_no_other_address_is_listened_on(slapd, where):
    done = subprocess.run([PROVD, "--foreground", "--state", slapd.state, "-H", slapd.ldapi,
                           f"--metrics-listen={where}"], capture_output=True, text=True, env=slapd.env, timeout=20)
    assert done.returncode == 2 and where in done.stderr and "127.0.0.1:PORT" in done.stderr


def test_a_name_with_quotes_is_escaped(slapd):
    file = slapd.dir / "provd.prom"
    r = Receiver(slapd.dir, "odd")
    slapd.admin.add('cn=a\\"b\\\\c,ou=connectors,ou=provisioning,dc=example,dc=com',
                    {"objectClass": "provConnector", "cn": 'a"b\\c', "provConnectorType": "exec", "provTarget": r.target})
    slapd.provd_start("--metrics-file", file)
    wait_until(lambda: file.exists() and r'connector="a\"b\\c"' in file.read_text(), 5)
    assert parse(file.read_text())["connector_usable", 'a"b\\c'] == 1


def test_nothing_is_rendered_while_nothing_happens(slapd, hook):
    file = slapd.dir / "provd.prom"
    slapd.provd_start("--metrics-file", file)
    wait_state(slapd, "enabled")
    time.sleep(6)  # slapd looks every 2 s who has begun to deliver, and wakes provd when that is news
    before = file.stat().st_mtime_ns
    stays(lambda: file.stat().st_mtime_ns == before, 3)


def test_a_file_that_cannot_be_written_stops_no_delivery(slapd, hook):
    slapd.provd_start("--metrics-file", slapd.dir / "missing" / "provd.prom")
    slapd.account("ann")
    hook.wait(1)
    wait_until(lambda: "metrics-failed" in slapd.provd_log.read_text(), 5)


def test_systemd_is_told(slapd, hook):
    path = str(slapd.dir / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(10)
        slapd.env.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="1000000")
        slapd.provd_start()
        said = s.recv(4096).decode().split("\n")
        assert "READY=1" in said and f"MAINPID={slapd.provd_process.pid}" in said
        began = time.monotonic()
        for _ in range(4):
            assert s.recv(4096) == b"WATCHDOG=1"
        assert time.monotonic() - began < 4
        assert ask(slapd, cmd="status")["running"] and status(slapd) is not None
        slapd.provd_stop()
        said = b""
        while b"STOPPING=1" not in said:
            said = s.recv(4096)


def test_the_alerts_ask_for_figures_that_there_are(slapd, hook):
    file = slapd.dir / "provd.prom"
    slapd.provd_start("--metrics-file", file)
    wait_until(lambda: file.exists() and "provd_connector_usable{" in file.read_text(), 10)
    asked = set(re.findall(r"\bprovd_[a-z_]+", (TOP / "contrib/prometheus/provd-alerts.yml").read_text()))
    assert asked and asked <= {f"provd_{name}" for name, _ in parse(file.read_text())} | {"provd_info"}


def test_it_is_told_since_when_an_event_fails(slapd):
    file, hook = slapd.dir / "provd.prom", Receiver(slapd.dir, "hook")
    slapd.connector("hook", hook.target)
    slapd.provd_start("--metrics-file", file)
    wait_state(slapd, "enabled")
    hook.behave("exit 1")
    slapd.account("ann")
    wait_until(lambda: parse(file.read_text()).get(("connector_failing_since_timestamp_seconds", "hook")), 5)
    assert abs(parse(file.read_text())["connector_failing_since_timestamp_seconds", "hook"] - time.time()) < 10
    hook.behave("true")
    wait_until(lambda: parse(file.read_text())["connector_failing_since_timestamp_seconds", "hook"] == 0, 20)


def test_the_alerts_go_off_when_they_should():
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    for args in (("check", "rules", "provd-alerts.yml"), ("test", "rules", "provd-alerts.test.yml")):
        done = subprocess.run(["promtool", *args], cwd=TOP / "contrib/prometheus", capture_output=True, text=True)
        assert done.returncode == 0, done
