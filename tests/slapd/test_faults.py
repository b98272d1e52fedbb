"""Destinations of every kind that hang, drip, pour, break off, talk nonsense or have the wrong certificate: a failed
attempt within the time limit, no memory lost, and afterwards everything arrives in order."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from broken import Broken, Proxy, drip, pour, reset, say
from directory import PEOPLE
from harness import make_pki, wait_until
from receivers import NodeServer
from test_caep import ISSUER, make_key
from test_ldap_connector import there  # noqa: F401 (a fixture)
from test_ldap_connector import connect as ldap_connect
from test_ldap_connector import entry
from test_provd import ask, status, wait_state
from test_scim import TOKEN, Scim, settled
from test_scim import connect as scim_connect
from test_webhook import NEW, keep

TIMEOUT = 1  # seconds an attempt may take
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
                # one account, so one attempt at a time: at the second the first one has failed
                wait_until(lambda: retry(s) or server.taken >= 2, 4 * TIMEOUT + 6, f"{kind}: {name}: two attempts", every=0.1)
                st = status(s)
                assert st["delivered"] == 0 and st["lastError"], f"{kind}: {name}: {st}"
                assert peak(s) < size + 65536, f"{kind}: {name}: {peak(s)} KiB, {size} before"
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
