"""Destinations of every kind that hang, drip, pour, break off, talk nonsense or have the wrong certificate: a failed
attempt within the time limit, no memory lost, and afterwards everything arrives in order."""

import contextlib
import json
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from broken import Broken, Proxy, drip, pour, reset, say
from directory import CONNECTORS, PEOPLE
from harness import PROVD, make_pki, wait_until
from receivers import NodeServer
from test_caep import ISSUER, make_key
from test_caep_poll import Site as PollSite
from test_caep_poll import suspend
from test_ldap_connector import connect as ldap_connect
from test_provd import ask, status, wait_state
from test_scim import TOKEN, Scim, settled
from test_scim import connect as scim_connect
from test_webhook import NEW, keep

TIMEOUT = 1  # seconds an attempt may take
ROOM = 65536 * (16 if "san/" in PROVD else 1)  # KiB that provd may need more; sanitizers keep what was freed
HTTP = b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\n"


def ber(tag, *parts):
    body = b"".join(parts)
    return bytes([tag, 0x84]) + len(body).to_bytes(4, "big") + body


# A message of 2 GiB begins; and one of many entries that nobody has asked for.
HUGE = b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01" + b"x" * 65536
ENTRY = ber(0x30, b"\x02\x01\x01", ber(0x64, ber(0x04, b"cn=x"), ber(0x30, ber(0x30, ber(0x04, b"cn"), ber(
    0x31, ber(0x04, b"x" * 10000))))))

# What comes in place of an answer, by protocol: talk, and the byte-by-byte one.
NONSENSE = {"http": b"\x00\x01 this is no HTTP\r\n\r\n", "ldap": b"\x30\x03\x02\x01\x01" + b"nonsense" * 100}
DRIP = {"http": HTTP + b"X-Pad: " + b"x" * 5000, "ldap": b"\x30\x82\x13\x88\x02\x01\x01" + b"x" * 5000}
POUR = {"http": {"pour": HTTP + b"\r\n" + b"x" * 65536},
        "ldap": {"a message of 2 GiB": HUGE, "entries without an end": ENTRY}}


@pytest.fixture
def s(slapd):
    return slapd


def certificates(pki):
    """The right one, one that has expired, one of an unknown authority, one for another host."""
    def sign(name, days, extensions):
        subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out",
                        name, "-days", str(days), "-extfile", extensions], cwd=pki, check=True, capture_output=True)
    (pki / "else.cnf").write_text("subjectAltName=DNS:elsewhere.example.com\n")
    sign("expired.pem", 0, "san.cnf")
    sign("else.pem", 2, "else.cnf")
    make_pki(pki / "unknown")
    return {"good": (pki / "server.pem", pki / "server.key"), "expired": (pki / "expired.pem", pki / "server.key"),
            "elsewhere": (pki / "else.pem", pki / "server.key"),
            "unknown": (pki / "unknown/server.pem", pki / "unknown/server.key")}


def faults(talk, tls):
    """Name and server of each fault, made when its turn comes; the expired certificate last."""
    good = tls["good"]
    yield "takes connections and hangs", lambda: Broken()
    yield "resets at once", lambda: Broken(reset)
    yield "is no TLS", lambda: Broken(say(NONSENSE[talk]))
    yield "says nothing", lambda: Broken(lambda c: c.recv(4096) and c.recv(65536) and c.recv(65536), good)
    yield "resets instead of an answer", lambda: Broken(reset, good)
    yield "talks nonsense", lambda: Broken(say(NONSENSE[talk]), good)
    yield "answers byte by byte", lambda: Broken(drip(DRIP[talk]), good)
    for name, bytes_ in POUR[talk].items():
        yield name, lambda b=bytes_: Broken(pour(b), good)
    for name in ("unknown", "elsewhere", "expired"):
        yield f"has a certificate that is {name}", lambda n=name: Broken(say(HTTP), tls[n])


class Kind:
    """A connector of a kind to nowhere yet, and the real destination that it gets in the end."""

    def __init__(self, kind, s, pki, tmp_path, make_slapd, real=True):
        self.kind, self.s, self.talk = kind, s, "ldap" if kind == "ldap" else "http"
        self.real = None
        if kind == "ldap":
            self.real = make_slapd(provision=None, tls=True)
            pki = self.real.dir / "pki"
        self.tls = certificates(pki) if real else None
        secret, option, attrs, self.path = NEW, [], {}, "/in"
        tls = {"cert": pki / "server.pem", "key": pki / "server.key"}
        if kind == "webhook" and real:
            self.real = NodeServer(tmp_path / "real", "webhook.mjs", secret=NEW, **tls)
        if kind == "scim":
            self.real, secret, self.path = Scim(tmp_path / "real", pki, token=TOKEN) if real else None, TOKEN, "/scim"
        if kind == "caep":
            secret, attrs = make_key(None, "ES256"), {"provEvent": ["account.suspended", "account.restored"]}
            option = [f"issuer={ISSUER}", "audience=https://rp.example.com", f"jwks={s.dir}/jwks.json"]
            if real:
                self.real = NodeServer(tmp_path / "real", "caep.mjs", jwks=s.dir / "jwks.json", issuer=ISSUER,
                                       audience="https://rp.example.com", **tls)
        if kind == "ldap":
            secret, self.path = self.real.rootpw, f"/{PEOPLE}"
            option, attrs = [f"bindDn={self.real.rootdn}", "disable=description=locked"], {"provAttribute": ["cn", "sn"]}
        self.dn = s.connector("hook", self.url(9), provConnectorType=kind, provTimeout=str(TIMEOUT), provMaxAttempts="1000",
                              provSecretFile=str(keep(s, secret)), provOption=[f"ca={pki}/ca.pem", *option], **attrs)

    def url(self, port):
        # (libldap takes "localhost" in a certificate for the name of this machine)
        return f"{'ldaps://127.0.0.1' if self.talk == 'ldap' else 'https://localhost'}:{port}{self.path}"

    def point_to(self, port):
        self.s.admin.modify(self.dn, replace={"provTarget": self.url(port)})

    def suspended_there(self):
        """What the real one knows in the end."""
        if self.kind == "scim":
            return [name for name, u in self.real.users().items() if not u["active"]]
        if self.kind == "ldap":
            return [e.one("uid") for e in self.real.admin.search(PEOPLE, "(description=locked)")]
        got = self.real.requests()
        kinds = [json.loads(r["body"])["type"].rpartition(".")[2] if self.kind == "webhook"
                 else [u.rsplit("/", 1)[1] for u in r["claims"]["events"]][0] for r in got]
        assert kinds in (["created", "suspended", "revoked", "restored", "suspended", "revoked"],
                         ["account-disabled", "account-enabled", "account-disabled"]), kinds
        return ["ann"]


def peak(s):
    """The most memory that provd ever had, in KiB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{s.provd_process.pid}/status").read_text())[1])


def retry(s):
    ask(s, cmd="retry", connector="hook")


@pytest.mark.parametrize("kind", ["webhook", "scim", "caep", "ldap"])
def test_whatever_the_destination_does_it_is_a_failed_attempt_and_all_arrives_later(s, pki, tmp_path, make_slapd, kind):
    k = Kind(kind, s, pki, tmp_path, make_slapd)
    try:
        s.provd_start()
        wait_state(s, "enabled")
        s.account("ann")
        for state in ("suspended", "active", "suspended"):
            s.state_of("ann", state)
        wait_until(lambda: status(s)["failed"], 10, "nobody is there: refused")
        size = peak(s)
        for name, make in faults(k.talk, k.tls):
            server = make()
            try:
                k.point_to(server.port)
                # one account, so one attempt at a time
                wait_until(lambda: retry(s) or server.taken, 10, f"{kind}: {name}: an attempt", every=0.1)
                wait_until(lambda: not status(s)["inFlight"], TIMEOUT + 5, f"{kind}: {name}: the end of it")
                st = status(s)
                assert st["delivered"] == 0 and st["lastError"], f"{kind}: {name}: {st}"
                assert peak(s) < size + ROOM, f"{kind}: {name}: {peak(s)} KiB, {size} before"
                if k.talk == "http" and "certificate" in name:
                    assert "certificate" in st["lastError"], f"{name}: {st['lastError']}"
            finally:
                server.stop()
        k.point_to(k.real.tls_port if kind == "ldap" else k.real.port)
        wait_until(lambda: retry(s) or status(s)["delivered"] == (3 if kind == "caep" else 6), 20, every=0.2)
        assert status(s)["parked"] == 0 and k.suspended_there() == ["ann"]
    finally:
        if kind != "ldap":
            k.real.stop()


@pytest.mark.parametrize("kind", ["webhook", "scim", "caep", "ldap"])
def test_a_stop_does_not_wait_for_one_that_hangs_in_the_middle_of_tls(s, pki, tmp_path, make_slapd, kind):
    server = Broken()
    k = Kind(kind, s, pki, tmp_path, make_slapd, real=False)
    s.admin.modify(k.dn, replace={"provTarget": k.url(server.port), "provTimeout": "300"})
    try:
        s.provd_start("--drain", "1")
        s.account("ann")
        s.state_of("ann", "suspended")
        wait_until(lambda: server.taken, 10)
        began = time.monotonic()
        s.provd_stop()
        assert time.monotonic() - began < 8
    finally:
        server.stop()


# -- in the middle of what a scim connector does, which takes several requests --------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_a_scim_service_may_break_at_any_request_and_no_account_is_lost_or_doubled(s, pki, tmp_path, method):
    scim = Scim(tmp_path / "scim", pki, token=TOKEN)
    try:
        scim_connect(s, pki, scim, provMaxAttempts="1000")
        s.admin.modify(f"cn=hook,{CONNECTORS}", replace={"provTimeout": str(TIMEOUT)})
        for n, fault in enumerate(("reset", "nonsense", "endless", "drip", "hang", "lost")):
            uid = f"u{n}"
            if method == "PATCH":
                s.account(uid)
                settled(s)
                scim.behave(fault=fault, method=method)
                s.leave(uid)
            else:
                scim.behave(fault=fault, method=method)
                s.account(uid)
            before = status(s)["failed"]
            wait_until(lambda b=before: status(s)["failed"] > b, 10, f"{fault}: a failed attempt")
            scim.behave()
            wait_until(lambda: retry(s) or not status(s)["deferred"] + status(s)["inFlight"], 10, fault, every=0.1)
            settled(s)
            users = scim.call("/dump")["users"]
            assert [u["userName"] for u in users] == [f"u{i}" for i in range(n + 1)], fault
            assert users[-1]["active"] is (method != "PATCH"), fault
        assert status(s)["parked"] == 0
    finally:
        scim.stop()


# -- connections that are cut at any byte -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["scim", "ldap"])
def test_connections_cut_at_any_byte_lose_and_double_nothing(s, pki, tmp_path, make_slapd, kind):
    if kind == "scim":
        real = Scim(tmp_path / "scim", pki, token=TOKEN)
        proxy = Proxy(real.port)
    else:
        real = make_slapd(provision=None, tls=True)
        real.expect_log("TLS: can't accept")
        proxy = Proxy(real.tls_port)
    proxy.how = "cut"
    try:
        if kind == "scim":
            scim_connect(s, pki, real, provMaxAttempts="1000", provConcurrency="8")
            target = f"https://localhost:{proxy.port}/scim"
        else:
            ldap_connect(s, real, provMaxAttempts="1000", provConcurrency="8", option=("disable=description=locked",))
            target = f"ldaps://127.0.0.1:{proxy.port}/{PEOPLE}"
        s.admin.modify(f"cn=hook,{CONNECTORS}", replace={"provTarget": target})
        s.account("first")
        # until the new address counts
        wait_until(lambda: s.set("first", title=str(time.monotonic())) and retry(s) or proxy.taken, 10, every=0.1)
        for i in range(12):
            s.account(f"u{i}", title="old")
            s.set(f"u{i}", title=f"title {i}")
            if i % 2:
                s.leave(f"u{i}")
        wait_until(lambda: retry(s) or (proxy.cuts >= 30 and status(s)["delivered"] >= 12), 30, "cuts", every=0.1)
        proxy.how = "pass"
        wait_until(lambda: retry(s) or not status(s)["deferred"] + status(s)["inFlight"] + status(s)["ready"], 20, every=0.1)
        settled(s, timeout=20)
        st = status(s)
        assert st["failed"] >= 10 and st["parked"] == 0, st
        want = {f"u{i}": (f"title {i}", not i % 2) for i in range(12)}
        if kind == "scim":
            have = {u["userName"]: (u.get("title"), u["active"]) for u in real.call("/dump")["users"]}
            assert len(real.call("/dump")["users"]) == 13
        else:
            have = {e.one("uid"): (e.one("title"), not e["description"])
                    for e in real.admin.search(PEOPLE, "(objectClass=inetOrgPerson)")}
        have.pop("first")
        assert have == want
    finally:
        proxy.stop()
        if kind == "scim":
            real.stop()


# -- a receiver that fetches --------------------------------------------------------------------------------------


def tls_to(site):
    context = ssl.create_default_context(cafile=site.pki / "ca.pem")
    return context.wrap_socket(socket.create_connection(("localhost", site.port)), server_hostname="localhost")


def test_receivers_that_hang_drip_pour_or_break_off_keep_no_other_from_fetching(s, pki):
    site = PollSite(s, pki)
    site.connect(provEvent=["account.suspended"], provConcurrency="8")
    site.start()
    names = [f"u{i}" for i in range(6)]
    suspend(s, *names)
    wait_until(lambda: len(site.out()) == 6, 10)
    head = (b"POST /poll HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer poll-token\r\n"
            b"Content-Type: application/json\r\n")
    quiet = [socket.create_connection(("localhost", site.port)) for _ in range(6)]  # no TLS yet
    quiet += [tls_to(site) for _ in range(4)]  # no request yet
    over, pouring = threading.Event(), tls_to(site)
    dripping = tls_to(site)

    def pour_on():
        with contextlib.suppress(OSError):
            pouring.sendall(head + b"Content-Length: 100000000000\r\n\r\n")
            while not over.is_set():
                pouring.sendall(b" " * 65536)

    def drip_on():
        with contextlib.suppress(OSError):
            for i in range(len(head)):
                dripping.sendall(head[i:i + 1])
                if over.wait(0.1):
                    return
    threads = [threading.Thread(target=t) for t in (pour_on, drip_on)]
    for t in threads:
        t.start()
    try:
        before = peak(s)
        for c in [tls_to(site) for _ in range(3)]:  # asks, waits, and goes without having read the answer
            c.sendall(head + b"Content-Length: 2\r\n\r\n{}")
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        out = site.out()
        assert len(out) == 6 and status(s)["delivered"] == 0, "who has not acknowledged has not got it"
        site.sets(ack=out[:3])
        site.sets(ack=out[3:])
        wait_until(lambda: status(s)["delivered"] == 6, 10)
        st = status(s)
        assert (st["failed"], st["parked"]) == (0, 0) and peak(s) < before + ROOM
        began = time.monotonic()
        s.provd_stop()
        assert time.monotonic() - began < 8
    finally:
        over.set()
        for c in quiet + [pouring, dripping]:
            c.close()
        for t in threads:
            t.join(10)


def test_while_our_certificate_has_expired_nobody_fetches_and_nothing_is_lost(s, pki):
    site = PollSite(s, pki)
    made = certificates(pki)
    (pki / "ours.pem").write_text(made["expired"][0].read_text())
    site.connect(provEvent=["account.suspended"], option={"cert": pki / "ours.pem"})
    site.start()
    suspend(s, "ann")
    wait_until(lambda: status(s)["inFlight"] == 1, 10)

    def refused_for(word):
        try:
            site.sets()
        except ssl.SSLCertVerificationError as error:
            return word in str(error)
        return False
    wait_until(lambda: refused_for("expired"), 10, "the receiver refuses us")
    assert (status(s)["failed"], status(s)["delivered"]) == (0, 0)
    (pki / "ours.pem").write_text(made["good"][0].read_text())
    s.provd_process.send_signal(signal.SIGHUP)
    [jti] = wait_until(site.out, 15)
    site.sets(ack=[jti])
    wait_until(lambda: status(s)["delivered"] == 1, 10)
    assert (status(s)["failed"], status(s)["parked"]) == (0, 0)
