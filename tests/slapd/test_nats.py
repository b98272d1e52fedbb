"""The nats connector against Debian's nats-server: JetStream, TLS, and all that can go wrong on the way."""

import json
import signal
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import ldap
import pytest

from harness import make_pki, wait_until
from ldapclient import refused
from natsbroker import NatsServer, node
from receivers import NODE
from test_provd import ask, status, wait_state
from test_webhook import failed, keep, provctl

SECRET = "prov-secret"


@pytest.fixture
def nats(tmp_path, pki):
    """Make servers; all are stopped at the end."""
    made = []

    def make(name="nats", stream=True, **options):
        server = NatsServer(tmp_path / name, pki, **options)
        made.append(server)
        if stream and server.process:
            server.add_stream()
        return server

    yield make
    for server in made:
        server.stop()


def connect(s, pki, server, *, name="hook", secret=SECRET, option=(), user="prov", ca=None, target=None, **attrs):
    if secret is not None:
        attrs.setdefault("provSecretFile", str(keep(s, secret, name=f"secret-{name}")))
    attrs.setdefault("provTimeout", "5")
    options = [f"ca={ca or pki / 'ca.pem'}", "subject=prov.events", *([f"user={user}"] if user else []), *option]
    return s.connector(name, target or server.url, provConnectorType="nats", provOption=options, **attrs)


def again(s, n, name="hook", timeout=20):
    """Retry until n are delivered."""
    def finished():
        if (status(s, name) or {}).get("delivered", 0) < n:
            ask(s, cmd="retry", connector=name)
        return (status(s, name) or {}).get("delivered", 0) >= n
    wait_until(finished, timeout, f"{n} delivered; {status(s, name)}", every=0.3)


def delivered(s, n, timeout=10, name="hook"):
    wait_until(lambda: (status(s, name) or {}).get("delivered") == n, timeout, f"{n} delivered; {status(s, name)}")


def bodies(messages):
    return [json.loads(m["data"]) for m in messages]


def test_an_event_is_in_the_stream_under_its_account(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server, provAttribute=["mail"])
    slapd.provd_start()
    slapd.account("ann", mail="ann@example.com")
    [m] = server.wait(1)
    event = json.loads(m["data"])
    assert event["type"] == "org.slapo-provision.account.created" and event["data"]["uid"] == "ann"
    assert event["data"]["values"] == {"mail": ["ann@example.com"]} and "route" not in event
    uuid = slapd.admin.get(slapd.person_dn("ann"), "entryUUID")["entryUUID"][0]
    assert m["subject"] == f"prov.events.{uuid}" and event["subject"] == uuid
    assert m["headers"] == {"Nats-Msg-Id": event["id"], "Content-Type": "application/cloudevents+json",
                            "ce-type": event["type"]}
    delivered(slapd, 1, 5)


def test_a_later_event_of_the_account_has_the_same_subject(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server)
    slapd.provd_start()
    slapd.account("ann")
    slapd.account("bob")
    slapd.leave("ann")
    server.wait(4)
    subject = next(m["subject"] for m in server.messages() if "ann" in m["data"])
    of_ann = server.messages(filter=subject)
    assert [m["headers"]["ce-type"].rpartition(".")[2] for m in of_ann] == ["created", "terminated", "revoked"]
    assert {e["data"]["uid"] for e in bodies(of_ann)} == {"ann"}


def test_connections_are_kept(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server)
    slapd.provd_start()
    wait_state(slapd, "enabled")
    before = server.connections()
    for i in range(5):
        slapd.account(f"u{i}")
        delivered(slapd, i + 1)
    assert server.connections() == before + 1


def test_many_events_of_two_accounts_arrive_in_order(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server, provConcurrency="8")
    slapd.provd_start()
    for uid in ("ann", "bob"):
        slapd.account(uid)
    for i in range(60):
        for uid in ("ann", "bob"):
            slapd.set(uid, description=str(i))
    events = bodies(server.wait(122))
    for uid in ("ann", "bob"):
        seqs = [int(e["sequence"]) for e in events if e["data"]["uid"] == uid]
        assert seqs == sorted(seqs) and len(seqs) == 61
    assert status(slapd)["failed"] == 0


def test_a_token(slapd, pki, nats):
    server = nats(auth='authorization { token: "prov-secret" }', access={"token": SECRET})
    connect(slapd, pki, server, user=None)
    slapd.provd_start()
    slapd.account("ann")
    server.wait(1)


def test_a_credentials_file(slapd, pki, nats, tmp_path):
    jwts = node("jwts")
    preload = "\n".join(f'  {key}: "{jwt}"' for key, jwt in jwts["resolver"].items())
    (tmp_path / "provd.creds").write_text(jwts["creds"])
    server = nats(auth=f'operator: "{jwts["operator"]}"\nsystem_account: "{jwts["system"]}"\nresolver: MEMORY\n'
                       f'resolver_preload: {{\n{preload}\n}}\n', access={"creds": tmp_path / "provd.creds"})
    connect(slapd, pki, server, user=None, secret=jwts["creds"])
    slapd.provd_start()
    slapd.account("ann")
    server.wait(1)
    seed = jwts["creds"].split("SEED-----")[1].split()[0]
    assert seed.startswith("SU") and seed not in slapd.provd_log.read_text() + json.dumps(ask(slapd, cmd="status"))


def test_half_a_credentials_file_is_named(slapd, pki, nats):
    server = nats()
    creds = node("jwts")["creds"]
    connect(slapd, pki, server, user=None, secret=creds.split("-----BEGIN USER NKEY")[0])
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "it has no seed of a user's key")


def test_a_client_certificate_is_enough(slapd, pki, nats):
    server = nats(start=False, auth='authorization { users: [ { user: "localhost" } ] }')
    conf = server.where / "nats.conf"
    conf.write_text(conf.read_text().replace("verify: false", "verify_and_map: true"))
    server.start()
    # the user of the certificate's name has no stream, but is let in and answered
    connect(slapd, pki, server, secret=None, user=None, option=(f"cert={pki}/client.pem", f"key={pki}/client.key"))
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "there is no stream for the subject")
    connect(slapd, pki, server, name="bare", user=None, secret=SECRET)
    slapd.account("bob")
    failed(slapd, "certificate", "bare")


def test_wrong_credentials_are_refused_and_not_shown(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server, secret="prov-wrong")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "Authorization Violation")
    assert "prov-wrong" not in slapd.provd_log.read_text() + json.dumps(ask(slapd, cmd="status"))
    keep(slapd, SECRET, name="secret-hook")
    again(slapd, 1)
    assert len(server.messages()) == 1 and SECRET not in slapd.provd_log.read_text()


@pytest.mark.parametrize("change, text", [({"mode": 0o644}, "chmod 600"), ({"secret": "\n"}, "first line is empty"),
                                          ({"gone": True}, "No such file")])
def test_a_secret_that_cannot_be_used_is_named(slapd, pki, nats, change, text):
    server = nats()
    connect(slapd, pki, server, secret=change.get("secret", SECRET))
    file = slapd.dir / "secret-hook"
    file.chmod(change.get("mode", 0o600))
    if change.get("gone"):
        file.unlink()
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, text)
    assert server.messages() == []


def test_a_certificate_of_an_unknown_authority_is_refused(slapd, pki, nats, tmp_path):
    server = nats()
    make_pki(tmp_path / "other")
    connect(slapd, pki, server, ca=tmp_path / "other/ca.pem")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "unable to get local issuer certificate")
    assert server.messages() == []


@pytest.mark.parametrize("host, good", [("localhost", True), ("127.0.0.1", True), ("127.0.0.2", False)])
def test_the_name_in_the_certificate_counts(slapd, pki, nats, host, good):
    server = nats(start=False)
    conf = server.where / "nats.conf"
    conf.write_text(conf.read_text().replace("127.0.0.1:", "0.0.0.0:"))
    server.start()
    server.add_stream()
    connect(slapd, pki, server, target=f"tls://{host}:{server.port}")
    slapd.provd_start()
    slapd.account("ann")
    if good:
        server.wait(1)
    else:
        failed(slapd, "mismatch")
        assert server.messages() == []


def test_a_server_without_tls_gets_nothing(slapd, pki, nats):
    server = nats(tls=False, stream=False)
    connect(slapd, pki, server)
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "the server offers no TLS")
    assert "prov-secret" not in server.log_file.read_text()


def test_a_missing_stream_is_a_failed_attempt(slapd, pki, nats):
    server = nats(stream=False)
    connect(slapd, pki, server)
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "there is no stream for the subject prov.events.")
    server.add_stream()
    again(slapd, 1)
    assert len(server.messages()) == 1


def test_who_answers_and_is_no_stream_does_not_count(slapd, pki, nats):
    server = nats(stream=False)
    helper = subprocess.Popen(["node", "nats.mjs", json.dumps({
        "do": "reply", "subject": "prov.>", "url": server.url, "ca": str(pki / "ca.pem"), **server.access})],
        cwd=NODE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert helper.stdout.readline() == '"listens"\n'
        connect(slapd, pki, server)
        slapd.provd_start()
        slapd.account("ann")
        failed(slapd, "no stream of JetStream: hello")
    finally:
        helper.stdin.close()
        helper.wait(10)


def test_a_full_stream_refuses_and_is_tried_again(slapd, pki, nats):
    server = nats(stream=False)
    server.add_stream(max_msgs=2, discard="new")
    connect(slapd, pki, server)
    slapd.provd_start()
    for name in ("ann", "bob", "cid"):
        slapd.account(name)
    failed(slapd, "the stream PROV refuses it: maximum messages exceeded")
    assert len(server.messages()) == 2 and status(slapd)["delivered"] == 2
    server.ask("purge", stream="PROV")
    again(slapd, 3)
    assert len(server.messages()) == 1


def test_the_stream_may_be_named_and_another_one_is_not_taken(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server, option=("stream=OTHER",))
    connect(slapd, pki, server, name="good", option=("stream=PROV",))
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "expected stream does not match")
    wait_until(lambda: (status(slapd, "good") or {}).get("delivered") == 1, 10)
    assert len(server.messages()) == 1


def test_what_may_not_be_published_is_told(slapd, pki, nats):
    server = nats()
    server.ask("update", stream="PROV", config={"subjects": ["prov.>", "secret.>"]})
    dn = connect(slapd, pki, server, provTimeout="60")
    options = slapd.admin.get(dn, "provOption")["provOption"]
    slapd.admin.modify(dn, replace={"provOption": [o.replace("prov.events", "secret") for o in options]})
    slapd.provd_start()
    began = time.monotonic()
    slapd.account("ann")
    failed(slapd, "Permissions Violation for Publish to")
    assert time.monotonic() - began < 20, "it does not wait for its time limit"


def test_who_may_not_hear_the_acknowledgement_is_told(slapd, pki, nats):
    server = nats(start=False)
    conf = server.where / "nats.conf"
    conf.write_text(conf.read_text().replace('subscribe: ["_INBOX.>"]', 'subscribe: ["other.>"]'))
    server.start()
    server.add_stream()
    connect(slapd, pki, server, provTimeout="60")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "Permissions Violation for Subscription to")


def test_a_message_that_is_too_large_fails_and_holds_up_nobody(slapd, pki, nats):
    server = nats(start=False)
    conf = server.where / "nats.conf"
    conf.write_text(conf.read_text().replace("max_payload: 1MB", "max_payload: 2KB"))
    server.start()
    server.add_stream()
    connect(slapd, pki, server, provAttribute=["description"])
    slapd.provd_start()
    slapd.account("ann", description="x" * 3000)
    failed(slapd, "the server takes 2048 (max_payload)")
    slapd.account("bob")
    assert bodies(server.wait(1))[0]["data"]["uid"] == "bob"


def test_a_server_that_comes_gets_it_once(slapd, pki, nats):
    server = nats(start=False)
    connect(slapd, pki, server)
    slapd.provd_start()
    slapd.account("ann")
    slapd.set("ann", description="x")
    wait_until(lambda: (status(slapd) or {}).get("failed"), 10)
    assert status(slapd)["lastError"] == f"localhost port {server.port}: Connection refused"
    server.start()
    server.add_stream()
    again(slapd, 2)
    got = server.messages()
    assert [m["headers"]["ce-type"].rpartition(".")[2] for m in got] == ["created", "updated"]


def test_a_server_that_is_killed_between_events_is_found_again(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server)
    slapd.provd_start()
    for i in range(5):
        slapd.account(f"u{i}")
        if i:
            slapd.set(f"u{i - 1}", description="x")
        if i % 2:
            server.stop(hard=True)
            server.start()
    again(slapd, 9, timeout=40)
    events = bodies(server.messages())
    assert len(events) == len({e["id"] for e in events}) == 9
    for uid in {e["data"]["uid"] for e in events}:
        seqs = [int(e["sequence"]) for e in events if e["data"]["uid"] == uid]
        assert seqs == sorted(seqs)
    assert status(slapd)["parked"] == 0


def test_the_next_server_of_the_list_is_asked(slapd, pki, nats):
    gone, server = nats("gone", start=False), nats()
    connect(slapd, pki, server, target=f"tls://localhost:{gone.port},localhost:{server.port}")
    slapd.provd_start()
    slapd.account("ann")
    server.wait(1)
    delivered(slapd, 1, 5)
    assert status(slapd)["failed"] == 0


def test_a_server_that_stops_answering_is_left_for_the_next(slapd, pki, nats):
    first, second = nats("first"), nats("second")
    connect(slapd, pki, first, target=f"{first.url},{second.url}", provTimeout="4")
    slapd.provd_start()
    slapd.account("ann")
    first.wait(1)
    first.signal(signal.SIGSTOP)
    slapd.account("bob")
    delivered(slapd, 2, 10)
    assert [e["data"]["uid"] for e in bodies(second.messages())] == ["bob"] and status(slapd)["failed"] == 0
    slapd.account("cid")
    began = time.monotonic()
    delivered(slapd, 3, 10)
    assert time.monotonic() - began < 1, "it has learnt where to call"


def test_what_was_late_is_not_there_twice(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server, provTimeout="2")
    slapd.provd_start()
    slapd.account("ann")
    server.wait(1)
    delivered(slapd, 1, 5)
    server.signal(signal.SIGSTOP)
    slapd.account("bob")  # it is in the server's socket, and is read when that goes on
    failed(slapd, "no answer in time")
    server.signal(signal.SIGCONT)
    again(slapd, 2)
    assert [e["data"]["uid"] for e in bodies(server.messages())] == ["ann", "bob"]


def test_sent_again_after_a_kill_it_is_dropped_by_the_stream(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server)
    slapd.account("ann")
    slapd.provd_start()
    server.wait(1)
    slapd.provd_stop(hard=True)
    (slapd.state / "delivery.mdb").unlink()  # as if it had died before it could save that
    slapd.provd_start()
    delivered(slapd, 1, 10)
    assert len(server.messages()) == 1
    assert 'note="the stream had it already"' in slapd.provd_log.read_text()


def test_killed_often_under_load_every_event_is_there_once_and_in_order(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server, provConcurrency="8")
    slapd.provd_start()
    for i in range(60):
        slapd.account(f"u{i % 6}") if i < 6 else slapd.set(f"u{i % 6}", description=str(i))
        if i % 3 == 2:
            slapd.provd_stop(hard=True)
            slapd.provd_start()
    events = bodies(server.wait(60, 30))
    assert len(events) == 60 and len({e["id"] for e in events}) == 60
    for subject in {e["subject"] for e in events}:
        seqs = [int(e["sequence"]) for e in events if e["subject"] == subject]
        assert seqs == sorted(seqs) and len(seqs) == 10


class Silent:
    """A server that greets and then says nothing more, or nothing at all."""

    def __init__(self, greeting, tls=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"tls://localhost:{self.port}"
        self.greeting, self.tls, self.taken = greeting, tls, []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.listener.accept()
                c.sendall(self.greeting)
                self.taken.append(self.tls.wrap_socket(c, server_side=True) if self.tls else c)
            except ssl.SSLError:
                pass
            except OSError:
                return

    def stop(self):
        self.listener.close()
        for c in self.taken:
            c.close()


INFO = json.dumps({"server_id": "x", "version": "2.9.10", "proto": 1, "headers": True, "max_payload": 1048576,
                   "tls_required": True, "host": "0.0.0.0", "port": 4222})
GREETING = f"INFO {INFO}\r\n".encode()


@pytest.fixture
def silent(pki):
    made = []

    def make(how):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pki / "server.pem", pki / "server.key")
        made.append(Silent(b"" if how == "nothing" else GREETING, tls if how == "after TLS" else None))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.mark.parametrize("how", ["nothing", "in TLS", "after TLS"])
def test_a_server_that_falls_silent_meets_the_time_limit(slapd, pki, nats, silent, how):
    server = silent(how)
    connect(slapd, pki, server, provTimeout="2")
    slapd.provd_start()
    began = time.monotonic()
    slapd.account("ann")
    wait_until(lambda: (status(slapd) or {}).get("failed"), 10)
    assert 1.5 < time.monotonic() - began < 5
    good = nats()
    slapd.admin.modify("cn=hook,ou=connectors,ou=provisioning,dc=example,dc=com", replace={"provTarget": good.url})
    wait_state(slapd, "enabled")
    again(slapd, 1)


@pytest.mark.parametrize("greeting, text", [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no server of NATS"),
    (b"INFO no json\r\n", "no server of NATS"),
    (b"INFO {}\r\n", "offers no TLS"),
    (b"x" * 70000, "says too much"),
    (GREETING + b"PONG\r\n", "speaks before TLS"),
])
def test_who_speaks_otherwise_is_told(slapd, pki, greeting, text):
    server = Silent(greeting)
    try:
        connect(slapd, pki, server)
        slapd.provd_start()
        slapd.account("ann")
        failed(slapd, text)
    finally:
        server.stop()


@pytest.mark.parametrize("how", ["nothing", "in TLS", "after TLS"])
def test_a_stop_does_not_wait_for_who_falls_silent(slapd, pki, silent, how):
    server = silent(how)
    connect(slapd, pki, server, provTimeout="300", provConcurrency="4")
    slapd.provd_start("--drain", "1")
    for i in range(4):
        slapd.account(f"u{i}")
    wait_until(lambda: (status(slapd) or {}).get("inFlight") == 4, 10)
    began = time.monotonic()
    slapd.provd_stop()
    assert time.monotonic() - began < 4


def test_a_stop_does_not_wait_for_an_acknowledgement(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server, provTimeout="300")
    slapd.provd_start("--drain", "1")
    slapd.account("ann")
    server.wait(1)
    delivered(slapd, 1, 5)
    server.signal(signal.SIGSTOP)
    slapd.account("bob")
    wait_until(lambda: status(slapd)["inFlight"] == 1, 5)
    began = time.monotonic()
    slapd.provd_stop()
    assert time.monotonic() - began < 4
    server.signal(signal.SIGCONT)
    slapd.provd_start()
    delivered(slapd, 1, 10)
    assert [e["data"]["uid"] for e in bodies(server.messages())] == ["ann", "bob"]


def test_a_dead_server_takes_no_memory_and_slows_no_other(slapd, pki, nats, silent):
    dead, server = silent("nothing"), nats()
    connect(slapd, pki, dead, name="dead", provTimeout="60")
    connect(slapd, pki, server)
    slapd.provd_start("--drain", "1")
    for i in range(100):
        slapd.account(f"u{i}")
    delivered(slapd, 100, 20)
    assert status(slapd, "dead")["inFlight"] == 4, "its concurrency, and no more"
    threads = len(list((Path(f"/proc/{slapd.provd_process.pid}/task")).iterdir()))
    assert threads < 30, f"{threads} threads"


def test_threads_and_descriptors_do_not_grow(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server)
    slapd.provd_start()
    slapd.account("ann")
    delivered(slapd, 1, 10)

    def held():
        base = Path(f"/proc/{slapd.provd_process.pid}")
        return len(list((base / "fd").iterdir())), len(list((base / "task").iterdir()))
    before = held()
    for i in range(10):
        server.stop(hard=True)
        server.start()
        slapd.set("ann", description=str(i))
        again(slapd, 2 + i)
    wait_until(lambda: all(now <= was for now, was in zip(held(), before)), 5, f"no more than {before}, as before")


def test_a_changed_entry_counts_at_once(slapd, pki, nats):
    one, two = nats("one"), nats("two")
    dn = connect(slapd, pki, one)
    slapd.provd_start()
    slapd.account("ann")
    one.wait(1)
    slapd.admin.modify(dn, replace={"provTarget": two.url})
    slapd.account("bob")
    wait_until(lambda: two.messages() or one.messages()[1:], 10, every=0.1)
    slapd.account("cid")
    delivered(slapd, 3, 10)
    assert "cid" in {e["data"]["uid"] for e in bodies(two.messages())}


def test_a_test_event_and_what_came_back(slapd, pki, nats):
    server = nats()
    connect(slapd, pki, server)
    slapd.provd_start()
    wait_state(slapd, "enabled")
    out = provctl(slapd, "connector", "test", "hook")
    assert out.returncode == 0 and "delivered" in out.stdout and "stream PROV, sequence 1" in out.stdout, out
    [m] = server.messages()
    assert m["subject"] == "prov.events.test" and m["headers"]["ce-type"] == "org.slapo-provision.connector.test"
    server.ask("remove", stream="PROV")
    out = provctl(slapd, "connector", "test", "hook")
    assert out.returncode == 1 and "there is no stream" in out.stdout + out.stderr, out
    assert status(slapd)["failed"] == 0, "a test is no delivery"


@pytest.mark.parametrize("subject, text", [("prov.*", "wildcard"), ("a b", "blank"), (".a", "empty part"),
                                           ("a..b", "empty part"), ("a.", "empty part"), ("$JS.x", "NATS itself")])
def test_a_wrong_subject_makes_it_unusable(slapd, subject, text):
    slapd.connector("hook", "tls://localhost", provConnectorType="nats", provSecretFile="/etc/x",
                    provOption=f"subject={subject}")
    slapd.provd_start()
    wait_state(slapd, "unusable")
    assert text in status(slapd)["problem"]


@pytest.mark.parametrize("attrs, word", [
    ({"provTarget": "nats://localhost"}, "tls://"),
    ({"provTarget": "tls://"}, "host"),
    ({"provTarget": "tls://joe:pw@localhost"}, "provSecretFile"),
    ({"provTarget": "tls://localhost:99999"}, "port"),
    ({"provSecretFile": None}, "provSecretFile"),
    ({"provOption": "insecure=yes"}, "insecure"),
])
def test_a_bad_entry_is_refused_when_it_is_written(slapd, attrs, word):
    whole = {k: v for k, v in {"provTarget": "tls://localhost", "provSecretFile": "/etc/x", **attrs}.items() if v}
    target = whole.pop("provTarget")
    with refused(ldap.CONSTRAINT_VIOLATION, word, "cn=hook"):
        slapd.connector("hook", target, provConnectorType="nats", **whole)
