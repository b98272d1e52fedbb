"""The webhook connector: signed as Standard Webhooks say (checked by their own package), over TLS that is
always verified, and obedient to what the receiver answers."""

import base64
import json
import subprocess
import time

import ldap
import pytest

from harness import PROVCTL, make_pki, stays, wait_until
from ldapclient import refused
from receivers import NodeServer
from test_provd import Receiver, ask, status, wait_state


def secret(seed):
    return "whsec_" + base64.b64encode((seed * 32)[:32].encode()).decode()


OLD, NEW = secret("old"), secret("new")


@pytest.fixture
def hooks(tmp_path, pki):
    """Make receivers; all are stopped at the end."""
    made = []

    def make(name="web", **options):
        made.append(NodeServer(tmp_path / name, "webhook.mjs", **{"cert": pki / "server.pem", "key": pki / "server.key",
                                                                  "secret": NEW, **options}))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def keep(s, *secrets, name="secret"):
    file = s.dir / name
    file.write_text("".join(x + "\n" for x in secrets))
    file.chmod(0o600)
    return file


def connect(s, pki, server, *, name="hook", secrets=(NEW,), option=(), **attrs):
    attrs.setdefault("provSecretFile", str(keep(s, *secrets, name=f"secret-{name}")))
    attrs.setdefault("provTimeout", "5")
    s.connector(name, f"https://localhost:{server.port}/in", provConnectorType="webhook",
                provOption=[f"ca={pki}/ca.pem", *option], **attrs)


def failed(s, text, name="hook"):
    wait_until(lambda: text in ((status(s, name) or {}).get("lastError") or ""), 10,
               f"{text!r}; it says {status(s, name)}")


def test_an_event_arrives_signed(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web, provAttribute=["mail"])
    slapd.provd_start()
    wait_state(slapd, "enabled")
    slapd.account("ann", mail="ann@example.com")
    [r] = web.wait(1)
    assert r["hmac"] is True, r["hmac"]
    assert r["method"] == "POST" and r["url"] == "/in"
    assert r["headers"]["content-type"] == "application/cloudevents+json"
    assert r["headers"]["user-agent"].startswith("slapo-provision/")
    event = json.loads(r["body"])
    assert event["type"] == "org.slapo-provision.account.created" and event["data"]["uid"] == "ann"
    assert event["data"]["values"] == {"mail": ["ann@example.com"]} and "route" not in event
    assert r["headers"]["webhook-id"] == event["id"]
    assert abs(int(r["headers"]["webhook-timestamp"]) - time.time()) < 30
    wait_until(lambda: status(slapd)["delivered"] == 1, 5)


def test_connections_are_kept(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web, provConcurrency="1")
    slapd.provd_start()
    for i in range(5):
        slapd.account(f"u{i}")
    assert len({r["connection"] for r in web.wait(5)}) == 1


def test_as_many_connections_are_kept_as_attempts_run_at_a_time(slapd, pki, hooks):
    web = hooks()
    web.behave(delay=200)  # so that all of them are in use
    connect(slapd, pki, web, provConcurrency="24")
    slapd.provd_start()
    wait_state(slapd, "enabled")
    for i in range(72):
        slapd.account(f"u{i}")
    used = len({r["connection"] for r in web.wait(72, 20)})
    assert used <= 24, f"{used} connections for 24 attempts at a time"


@pytest.mark.parametrize("knows", [OLD, NEW])
def test_while_a_secret_rotates_both_are_good(slapd, pki, hooks, knows):
    web = hooks(secret=knows)
    connect(slapd, pki, web, secrets=("# since monday", NEW, "", OLD))
    slapd.provd_start()
    slapd.account("ann")
    assert web.wait(1)[0]["hmac"] is True


def test_a_changed_secret_file_counts_at_once(slapd, pki, hooks):
    web = hooks(secret=NEW)
    connect(slapd, pki, web, secrets=(OLD,))
    slapd.provd_start()
    slapd.account("ann")
    assert web.wait(1)[0]["hmac"] == "No matching signature found"
    keep(slapd, NEW, name="secret-hook")
    slapd.account("bob")
    assert web.wait(2)[1]["hmac"] is True


def test_ed25519(slapd, pki, hooks):
    pem = pki / "ed.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", pem], check=True)
    der = subprocess.run(["openssl", "pkey", "-in", pem, "-outform", "DER"], check=True, capture_output=True).stdout
    pub = subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], check=True,
                         capture_output=True).stdout
    private, public = der[-32:], pub[-32:]
    web = hooks(public="whpk_" + base64.b64encode(public).decode())
    connect(slapd, pki, web, secrets=(NEW, "whsk_" + base64.b64encode(private).decode()))
    connect(slapd, pki, web, name="whole", secrets=("whsk_" + base64.b64encode(private + public).decode(),))
    slapd.provd_start()
    slapd.account("ann")
    got = web.wait(2)
    assert all(r["ed25519"] for r in got)
    assert sorted(str(r["hmac"]) for r in got) == ["No matching signature found", "True"]


@pytest.mark.parametrize("content", ["", "# nothing\n", "whsec_short", "whsec_" + "A" * 44 + "!", "password"])
def test_a_broken_secret_file_is_named_and_nothing_is_sent(slapd, pki, hooks, content):
    web = hooks()
    connect(slapd, pki, web, secrets=(content,))
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "secret file")
    if len(content) > 6:
        assert content not in slapd.provd_log.read_text()
    assert web.requests() == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606])
def test_a_secret_that_others_may_read_is_not_used(slapd, pki, hooks, mode):
    web = hooks()
    connect(slapd, pki, web)
    (slapd.dir / "secret-hook").chmod(mode)
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "chmod 600")
    assert web.requests() == []


def test_a_secret_may_be_a_credential_of_systemd(slapd, pki, hooks):
    web = hooks()
    where = slapd.dir / "credentials"
    where.mkdir()
    keep(slapd, NEW, name="credentials/hook").chmod(0o440)
    connect(slapd, pki, web, provSecretFile="credential:hook")
    slapd.env["CREDENTIALS_DIRECTORY"] = str(where)
    slapd.provd_start()
    slapd.account("ann")
    assert web.wait(1)[0]["hmac"] is True


def test_no_secret_is_shown(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web)
    web.behave(delay=1000)
    slapd.provd_start()
    slapd.account("ann")
    web.wait(1)
    pid = slapd.provd_process.pid  # (the receiver's own command line has it)
    ps = "".join(open(f"/proc/{pid}/{f}", encoding="utf8").read() for f in ("cmdline", "environ"))
    wait_until(lambda: status(slapd)["delivered"] == 1, 5)
    assert NEW[6:] not in ps and NEW[6:] not in slapd.provd_log.read_text()
    assert NEW[6:] not in json.dumps(ask(slapd, cmd="status"))


def test_a_certificate_of_an_unknown_authority_is_refused(slapd, pki, hooks, tmp_path):
    web = hooks()
    make_pki(tmp_path / "other")
    slapd.connector("hook", f"https://localhost:{web.port}/", provConnectorType="webhook",
                    provSecretFile=str(keep(slapd, NEW)), provOption=f"ca={tmp_path}/other/ca.pem")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "certificate")
    assert web.requests() == []


def test_a_changed_file_of_authorities_counts_at_the_next_connection(slapd, pki, hooks, tmp_path):
    web = hooks()
    make_pki(tmp_path / "other")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((tmp_path / "other/ca.pem").read_bytes())
    slapd.connector("hook", f"https://localhost:{web.port}/", provConnectorType="webhook",
                    provSecretFile=str(keep(slapd, NEW)), provOption=f"ca={trusted}")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "certificate")
    trusted.unlink()
    ask(slapd, cmd="retry", connector="hook")
    failed(slapd, f"{trusted}: no certificates of authorities")
    trusted.write_text("no certificate\n")
    ask(slapd, cmd="retry", connector="hook")
    wait_until(lambda: status(slapd)["failed"] == 3, 10)
    assert web.requests() == []
    trusted.write_bytes((pki / "ca.pem").read_bytes())
    ask(slapd, cmd="retry", connector="hook")
    assert web.wait(1)[0]["hmac"] is True


def test_the_name_in_the_certificate_counts(slapd, pki, hooks):
    web = hooks()
    slapd.connector("hook", f"https://127.0.0.2:{web.port}/", provConnectorType="webhook",
                    provSecretFile=str(keep(slapd, NEW)), provOption=f"ca={pki}/ca.pem")
    slapd.provd_start()
    slapd.account("ann")
    wait_until(lambda: (status(slapd) or {}).get("lastError"), 10)
    assert web.requests() == []


def test_mutual_tls(slapd, pki, hooks):
    web = hooks(ca=pki / "ca.pem")
    connect(slapd, pki, web, option=(f"cert={pki}/client.pem", f"key={pki}/client.key"))
    connect(slapd, pki, web, name="bare")
    slapd.provd_start()
    slapd.account("ann")
    assert web.wait(1)[0]["peer"] == "cert"
    wait_until(lambda: (status(slapd, "bare") or {}).get("lastError"), 10)
    assert len(web.requests()) == 1


def test_redirects_are_not_followed(slapd, pki, hooks):
    web, other = hooks(), hooks("other")
    connect(slapd, pki, web)
    web.behave(status=307, headers={"Location": f"https://localhost:{other.port}/"})
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "redirects are not followed")
    assert other.requests() == []


def test_a_long_answer_is_cut_off_and_does_no_harm(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web)
    web.behave(size=50_000_000)
    slapd.provd_start()
    slapd.account("ann")
    wait_until(lambda: (status(slapd) or {}).get("delivered") == 1, 10)
    with open(f"/proc/{slapd.provd_process.pid}/status", encoding="ascii") as f:
        peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1])
    assert peak < 60_000, f"{peak} kB"


def test_a_slow_receiver_meets_the_time_limit(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web, provTimeout="1")
    web.behave(delay=20_000)
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "timed out")
    web.behave()
    assert ask(slapd, cmd="retry", connector="hook")["ok"]
    wait_until(lambda: status(slapd)["delivered"] == 1, 10)
    first, second = web.wait(2)[:2]
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"], "the receiver can drop what it has had"
    assert first["headers"]["webhook-timestamp"] != second["headers"]["webhook-timestamp"], "fresh at each attempt"
    assert second["hmac"] is True


def test_gone_means_no_more(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web)
    web.behave(status=410, text="moved away")
    slapd.provd_start()
    slapd.account("ann")
    wait_state(slapd, "refused")
    assert "moved away" in status(slapd)["lastError"] and "wants no more" in slapd.provd_log.read_text()
    web.behave()
    slapd.account("bob")
    stays(lambda: len(web.requests()) == 1, 1)
    slapd.admin.modify("cn=hook,ou=connectors,ou=provisioning,dc=example,dc=com", replace={"description": "mended"})
    wait_until(lambda: "bob" in "".join(r["body"] for r in web.requests()), 10)
    ask(slapd, cmd="retry", connector="hook")
    wait_until(lambda: status(slapd)["delivered"] == 2, 10)


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_honoured_for_all_accounts(slapd, pki, hooks, code):
    web = hooks()
    connect(slapd, pki, web)
    web.behave(status=code, headers={"Retry-After": "3"})
    slapd.provd_start()
    slapd.account("ann")
    web.wait(1)
    began = time.monotonic()
    wait_until(lambda: (status(slapd) or {}).get("throttledUntil"), 5)
    web.behave()
    slapd.account("bob")
    slapd.account("cid")
    stays(lambda: len(web.requests()) == 1, 1.5)
    web.wait(3, 10)
    assert time.monotonic() - began > 2
    assert status(slapd)["parked"] == 0


def test_other_refusals_park_after_the_attempts(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web, provMaxAttempts="2")
    web.behave(status=400, text="no such field")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "HTTP 400: no such field")
    ask(slapd, cmd="retry", connector="hook")
    wait_until(lambda: status(slapd)["parked"] == 1, 10)
    assert len(web.requests()) == 2


def test_a_dead_destination_slows_no_other(slapd, pki, hooks):
    web, dead = hooks(), hooks("dead")
    connect(slapd, pki, dead, name="dead", provTimeout="60")
    connect(slapd, pki, web)
    prompt = Receiver(slapd.dir, "prompt")
    slapd.connector("prompt", prompt.target)
    dead.behave(delay=60_000)
    slapd.provd_start()
    for i in range(20):
        slapd.account(f"u{i}")
    began = time.monotonic()
    web.wait(20)
    prompt.wait(20)
    assert time.monotonic() - began < 10
    assert status(slapd, "dead")["inFlight"] == 4, "its concurrency, and no more"


def test_a_stop_does_not_wait_for_who_does_not_answer(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web, provTimeout="300")
    web.behave(delay=60_000)
    slapd.provd_start("--drain", "1")
    slapd.account("ann")
    web.wait(1)
    began = time.monotonic()
    slapd.provd_stop()
    assert time.monotonic() - began < 8
    web.behave()
    slapd.provd_start()
    wait_until(lambda: (status(slapd) or {}).get("delivered") == 1, 10)
    ids = [r["headers"]["webhook-id"] for r in web.requests()]
    assert len(ids) == 2 and len(set(ids)) == 1


def test_nothing_is_lost_when_provd_is_killed(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web)
    web.behave(delay=30)
    slapd.provd_start()
    for i in range(40):
        slapd.account(f"u{i}")
        if i % 10 == 9:
            slapd.provd_stop(hard=True)
            slapd.provd_start()

    def arrived():
        return {json.loads(r["body"])["data"]["uid"] for r in web.requests()}
    wait_until(lambda: len(arrived()) == 40, 20, f"40 accounts, {len(arrived())}")
    assert all(r["hmac"] is True for r in web.requests())


def test_a_receiver_that_comes_back_gets_it_all(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web)
    web.stop()
    slapd.provd_start()
    for i in range(3):
        slapd.account(f"u{i}")
    wait_until(lambda: (status(slapd) or {}).get("failed", 0) >= 1, 10)
    web.start()
    ask(slapd, cmd="retry", connector="hook")
    wait_until(lambda: len(web.requests()) >= 3, 25)


@pytest.mark.parametrize("fault", ["hangup", "reset", "drip", "garbage"])
def test_a_broken_answer_is_a_failed_attempt_and_comes_again(slapd, pki, hooks, fault):
    web = hooks()
    connect(slapd, pki, web, provTimeout="2")
    web.behave(**{fault: True})
    slapd.provd_start()
    slapd.account("ann")
    slapd.set("ann", description="x")
    wait_until(lambda: (status(slapd) or {}).get("failed"), 10)
    assert status(slapd)["lastError"] and status(slapd)["delivered"] == 0
    web.behave()
    ask(slapd, cmd="retry", connector="hook")
    wait_until(lambda: status(slapd)["delivered"] == 2, 15)
    got = web.requests()
    assert got[0]["headers"]["webhook-id"] == got[-2]["headers"]["webhook-id"] != got[-1]["headers"]["webhook-id"]
    assert [json.loads(r["body"])["type"].rpartition(".")[2] for r in got[-2:]] == ["created", "updated"], "in order"


@pytest.mark.parametrize("code, delivered", [(200, 1), (500, 0)])
def test_an_answer_without_an_end_is_cut_off(slapd, pki, hooks, code, delivered):
    web = hooks()
    connect(slapd, pki, web, provTimeout="20")
    web.behave(endless=True, status=code)
    slapd.provd_start()
    began = time.monotonic()
    slapd.account("ann")
    wait_until(lambda: (st := status(slapd)) and st["delivered"] + st["failed"] == 1, 10)
    assert status(slapd)["delivered"] == delivered and time.monotonic() - began < 8


def test_an_expired_certificate_is_refused(slapd, pki, hooks):
    subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "0",
                    "-out", "expired.pem", "-extfile", "san.cnf"], cwd=pki, check=True, capture_output=True)
    time.sleep(1.5)
    web = hooks(cert=pki / "expired.pem")
    connect(slapd, pki, web)
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "expired")
    assert web.requests() == []


def test_errors_for_a_while_lose_nothing_and_keep_the_order(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web)
    web.behave(status=502)
    slapd.provd_start()
    for i in range(3):
        slapd.account(f"u{i}")
        for k in range(3):
            slapd.set(f"u{i}", description=str(k))
    wait_until(lambda: (status(slapd) or {}).get("failed", 0) >= 3, 20)
    web.behave()

    def finished():
        ask(slapd, cmd="retry", connector="hook")
        return status(slapd)["delivered"] == 12
    wait_until(finished, 20)
    assert status(slapd)["parked"] == 0
    good = web.requests()[-12:]
    for subject in {json.loads(r["body"])["subject"] for r in good}:
        seqs = [int(e["sequence"]) for e in map(lambda r: json.loads(r["body"]), good) if e["subject"] == subject]
        assert seqs == sorted(seqs) and len(seqs) == 4


def test_killed_often_under_load_every_event_arrives_in_order(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web, provConcurrency="8")
    web.behave(delay=5)
    slapd.provd_start()
    for i in range(60):
        slapd.account(f"u{i % 6}") if i < 6 else slapd.set(f"u{i % 6}", description=str(i))
        if i % 3 == 2:
            slapd.provd_stop(hard=True)
            slapd.provd_start()

    def events():
        return [json.loads(r["body"]) for r in web.requests()]
    wait_until(lambda: len({e["id"] for e in events()}) == 60, 30, f"60 events, {len(events())} requests")
    for subject in {e["subject"] for e in events()}:
        first, seen = [], set()
        for e in events():
            if e["subject"] == subject and e["id"] not in seen:
                seen.add(e["id"])
                first.append(int(e["sequence"]))
        assert first == sorted(first), "the first arrivals are in order"


@pytest.mark.parametrize("attrs, word", [
    ({"provTarget": "http://localhost/"}, "https://"),
    ({"provTarget": "https:///x"}, "host"),
    ({"provTarget": "https://joe:pw@localhost/"}, "provSecretFile"),
    ({"provTarget": "https://localhost/a b"}, "blank"),
    ({"provTarget": "https://localhost/#x"}, "fragment"),
    ({"provSecretFile": None}, "provSecretFile"),
    ({"provSecretFile": "relative"}, "absolute"),
    ({"provOption": "ca"}, "name=value"),
    ({"provOption": "insecure=yes"}, "insecure"),
])
def test_a_bad_entry_is_refused_when_it_is_written(slapd, attrs, word):
    good = {"provTarget": "https://localhost/in", "provSecretFile": "/etc/x"}
    whole = {k: v for k, v in {**good, **attrs}.items() if v}
    target = whole.pop("provTarget")
    with refused(ldap.CONSTRAINT_VIOLATION, word, "cn=hook"):
        slapd.connector("hook", target, provConnectorType="webhook", **whole)


def provctl(s, *args):
    return subprocess.run([PROVCTL, "-H", s.ldapi, "-D", s.rootdn, "-w", s.rootpw, "--state", s.state, *args],
                          capture_output=True, text=True, env=s.env)


def test_a_test_event_and_what_came_back(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web)
    slapd.provd_start()
    wait_state(slapd, "enabled")
    web.behave(text="welcome")
    out = provctl(slapd, "connector", "test", "hook")
    assert out.returncode == 0 and "delivered" in out.stdout and "HTTP 200: welcome" in out.stdout, out
    [r] = web.requests()
    assert r["hmac"] is True and json.loads(r["body"])["type"] == "org.slapo-provision.connector.test"
    web.behave(status=500, text="broken")
    out = provctl(slapd, "--json", "connector", "test", "hook")
    assert out.returncode == 1 and json.loads(out.stdout)["reply"] == "HTTP 500: broken"
    assert status(slapd)["failed"] == 0, "a test is no delivery"
    out = provctl(slapd, "connector", "test", "nobody")
    assert out.returncode == 2 and "no such connector" in out.stderr
    slapd.provd_stop()
    out = provctl(slapd, "connector", "test", "hook")
    assert out.returncode == 2 and "provd does not run" in out.stderr


def test_connectors_are_listed_with_how_they_do(slapd, pki, hooks):
    web = hooks()
    connect(slapd, pki, web)
    slapd.provd_start()
    slapd.account("ann")
    web.wait(1)
    wait_until(lambda: status(slapd)["delivered"] == 1, 5)
    out = provctl(slapd, "connector", "list")
    assert "hook" in out.stdout and "webhook" in out.stdout and "enabled" in out.stdout, out
    [row] = [json.loads(x) for x in provctl(slapd, "--json", "connector", "list").stdout.splitlines()]
    assert row["delivery"]["delivered"] == 1 and row["type"] == "webhook" and row["options"] == [f"ca={pki}/ca.pem"]
    slapd.provd_stop()
    out = provctl(slapd, "connector", "list")
    assert out.returncode == 0 and "provd does not run" in out.stdout
