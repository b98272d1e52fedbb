"""The kafka connector, as far as it can be seen without a broker: provd against librdkafka's own mock cluster
(plaintext, on this machine), and against TLS servers that look at who comes. Faults of brokers are
also in tests/unit/test_provd_kafka.c."""

import json
import socket
import ssl
import threading
import time

import ldap
import pytest

from harness import make_pki, wait_until
from kafkamock import NOT_ENOUGH_REPLICAS, TOPIC_AUTHORIZATION_FAILED, MockCluster
from ldapclient import refused
from test_nats import again, bodies, delivered
from test_provd import status, wait_state
from test_webhook import failed, keep, provctl


@pytest.fixture
def kafka():
    cluster = MockCluster()
    yield cluster
    cluster.stop()


def connect(s, target, *option, name="hook", **attrs):
    attrs.setdefault("provTimeout", "10")
    return s.connector(name, target, provConnectorType="kafka", provOption=["topic=events", *option], **attrs)


def check_order(records):
    """First arrivals of an account are in order; what comes again has come before."""
    for subject in {r["key"] for r in records}:
        seen, seqs = set(), []
        for e in bodies([r for r in records if r["key"] == subject]):
            if e["id"] not in seen:
                seen.add(e["id"])
                seqs.append(int(e["sequence"]))
        assert seqs == sorted(seqs)


def test_an_event_is_a_record_under_its_account(slapd, kafka):
    connect(slapd, kafka.servers, "tls=no", provAttribute=["mail"])
    slapd.provd_start()
    slapd.account("ann", mail="ann@example.com")
    delivered(slapd, 1)
    [r] = kafka.records()
    event = json.loads(r["data"])
    assert event["type"] == "org.slapo-provision.account.created" and event["data"]["uid"] == "ann"
    assert event["data"]["values"] == {"mail": ["ann@example.com"]} and "route" not in event
    assert r["key"] == event["subject"] == slapd.admin.get(slapd.person_dn("ann"), "entryUUID")["entryUUID"][0]
    assert r["headers"] == {"content-type": "application/cloudevents+json", "ce_id": event["id"], "ce_type": event["type"]}


def test_events_of_an_account_are_in_one_partition_and_in_order(slapd, kafka):
    connect(slapd, kafka.servers, "tls=no", provConcurrency="8")
    slapd.provd_start()
    for uid in ("ann", "bob", "cid"):
        slapd.account(uid)
    for i in range(30):
        for uid in ("ann", "bob", "cid"):
            slapd.set(uid, description=str(i))
    delivered(slapd, 93, 30)
    records = kafka.records()
    check_order(records)
    assert len(records) == 93 and status(slapd)["failed"] == 0
    assert all(len({r["partition"] for r in records if r["key"] == k}) == 1 for k in {r["key"] for r in records})


def test_a_refusal_is_a_failed_attempt_and_the_order_is_kept(slapd, kafka):
    connect(slapd, kafka.servers, "tls=no")
    slapd.provd_start()
    kafka.refuse(TOPIC_AUTHORIZATION_FAILED)
    slapd.account("ann")
    slapd.set("ann", description="x")
    failed(slapd, "Topic authorization failed")
    again(slapd, 2)
    got = bodies(kafka.records())
    assert [e["type"].rpartition(".")[2] for e in got] == ["created", "updated"]


def test_leaders_that_move_and_lack_replicas_lose_nothing(slapd, kafka):
    connect(slapd, kafka.servers, "tls=no")
    slapd.provd_start()
    for i in range(30):
        slapd.account(f"u{i % 6}") if i < 6 else slapd.set(f"u{i % 6}", description=str(i))
        if i % 3 == 0:
            kafka.refuse(NOT_ENOUGH_REPLICAS)
            kafka.lead(i // 3 % 3 + 1)
    again(slapd, 30, timeout=40)
    records = kafka.records()
    check_order(records)
    assert len({e["id"] for e in bodies(records)}) == 30


def test_brokers_that_come_back_get_it_all(slapd, kafka):
    kafka.each("set_down")
    connect(slapd, kafka.servers, "tls=no", provTimeout="2")
    slapd.provd_start()
    began = time.monotonic()
    for i in range(3):
        slapd.account(f"u{i}")
    wait_until(lambda: (status(slapd) or {}).get("failed"), 10)
    assert time.monotonic() - began < 6 and "127.0.0.1" in status(slapd)["lastError"]
    kafka.each("set_up")
    again(slapd, 3, timeout=30)
    assert {e["data"]["uid"] for e in bodies(kafka.records())} == {"u0", "u1", "u2"}


def test_killed_under_load_every_event_is_there_in_order(slapd, kafka):
    connect(slapd, kafka.servers, "tls=no", provConcurrency="8")
    slapd.provd_start()
    for i in range(30):
        slapd.account(f"u{i % 6}") if i < 6 else slapd.set(f"u{i % 6}", description=str(i))
        if i % 5 == 4:
            slapd.provd_stop(hard=True)
            slapd.provd_start()
    wait_until(lambda: len({e["id"] for e in bodies(kafka.records())}) == 30, 30, every=0.3)
    check_order(kafka.records())


def test_a_stop_does_not_wait_for_a_report(slapd, kafka):
    kafka.each("set_rtt", 60000)
    connect(slapd, kafka.servers, "tls=no", provTimeout="300")
    slapd.provd_start("--drain", "1")
    slapd.account("ann")
    wait_until(lambda: (status(slapd) or {}).get("inFlight") == 1, 10)
    began = time.monotonic()
    slapd.provd_stop()
    assert time.monotonic() - began < 6


def test_a_test_event_and_what_came_back(slapd, kafka):
    connect(slapd, kafka.servers, "tls=no")
    slapd.provd_start()
    wait_state(slapd, "enabled")
    out = provctl(slapd, "connector", "test", "hook")
    assert out.returncode == 0 and "topic events, partition" in out.stdout, out
    [r] = kafka.records()
    assert r["key"] == "test" and json.loads(r["data"])["type"] == "org.slapo-provision.connector.test"


class Listener:
    """Takes TLS connections and keeps what it is told first."""

    def __init__(self, pki, client_ca=None, host="127.0.0.1"):
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(pki / "server.pem", pki / "server.key")
        if client_ca:
            self.tls.load_verify_locations(client_ca)
            self.tls.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        self.said, self.raw = [], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            try:
                c.settimeout(5)
                self.raw.append(c.recv(1, socket.MSG_PEEK))
                with self.tls.wrap_socket(c, server_side=True) as t:
                    self.said.append((t.recv(4096), t.getpeercert()))
            except OSError:
                c.close()

    def stop(self):
        self.listener.close()


@pytest.fixture
def listen(pki):
    made = []

    def make(**how):
        made.append(Listener(pki, **how))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def test_the_first_word_is_said_within_tls(slapd, pki, listen):
    server = listen(client_ca=pki / "ca.pem")
    connect(slapd, f"localhost:{server.port}", f"ca={pki}/ca.pem", f"cert={pki}/client.pem", f"key={pki}/client.key")
    slapd.provd_start("--drain", "1")
    slapd.account("ann")
    wait_until(lambda: any(b"slapo-provision" in said and peer for said, peer in server.said), 10)
    assert all(first == b"\x16" for first in server.raw), "a TLS handshake, always"


def test_a_password_is_not_given_before_tls_and_not_shown(slapd, pki, listen):
    server = listen()
    connect(slapd, f"localhost:{server.port}", f"ca={pki}/ca.pem", "user=prov", "sasl=PLAIN",
            provSecretFile=str(keep(slapd, "prov-secret")), provTimeout="2")
    slapd.provd_start()
    slapd.account("ann")
    wait_until(lambda: (status(slapd) or {}).get("failed"), 10)
    assert any(b"slapo-provision" in said for said, _ in server.said)
    assert all(first == b"\x16" for first in server.raw)
    assert "prov-secret" not in slapd.provd_log.read_text() + json.dumps(status(slapd))


def test_a_certificate_of_an_unknown_authority_is_refused(slapd, pki, listen, tmp_path):
    server = listen()
    make_pki(tmp_path / "other")
    connect(slapd, f"localhost:{server.port}", f"ca={tmp_path}/other/ca.pem", provTimeout="2")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "certificate verify failed")
    assert server.said == []


def test_the_name_in_the_certificate_counts(slapd, pki, listen):
    server = listen(host="127.0.0.2")
    connect(slapd, f"127.0.0.2:{server.port}", f"ca={pki}/ca.pem", provTimeout="2")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "certificate verify failed")
    assert server.said == [] and server.raw


@pytest.mark.parametrize("mode, text", [(0o644, "chmod 600"), (None, "No such file")])
def test_a_secret_that_cannot_be_used_is_named(slapd, pki, mode, text):
    file = keep(slapd, "prov-secret")
    file.unlink() if mode is None else file.chmod(mode)
    connect(slapd, "localhost:1", f"ca={pki}/ca.pem", "user=prov", provSecretFile=str(file))
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, text)


def test_a_missing_file_is_named(slapd):
    connect(slapd, "localhost:1", "ca=/no/such.pem")
    slapd.provd_start()
    slapd.account("ann")
    failed(slapd, "ssl.ca.location")


@pytest.mark.parametrize("target, option, text", [
    ("kafka.example.com", "tls=no", "tls=no is for tests"),
    ("kafka.example.com", "user=prov", "provSecretFile is missing"),
    ("kafka.example.com", "topic=a b", "topic=a b"),
])
def test_wrong_options_make_it_unusable(slapd, target, option, text):
    slapd.connector("hook", target, provConnectorType="kafka", provOption=option)
    slapd.provd_start()
    wait_state(slapd, "unusable")
    assert text in status(slapd)["problem"]


@pytest.mark.parametrize("attrs, word", [
    ({"provTarget": "kafka://a:9092"}, "port"),
    ({"provTarget": "a:9092/x"}, "hosts and ports"),
    ({"provTarget": "a,,b"}, "host"),
    ({"provTarget": "u:p@a:9092"}, "provSecretFile"),
    ({"provOption": "sasl=GSSAPI"}, "SCRAM-SHA-512"),
    ({"provOption": "insecure=yes"}, "insecure"),
])
def test_a_bad_entry_is_refused_when_it_is_written(slapd, attrs, word):
    whole = {"provTarget": "a:9092", **attrs}
    target = whole.pop("provTarget")
    with refused(ldap.CONSTRAINT_VIOLATION, word, "cn=hook"):
        slapd.connector("hook", target, provConnectorType="kafka", **whole)
