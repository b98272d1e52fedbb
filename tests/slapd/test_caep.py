"""The caep connector: Security Event Tokens, pushed (RFC 8935) and verified by the jose package with the keys
that provd has published."""

import json
import subprocess
import time

import ldap
import pytest

from harness import wait_until
from ldapclient import refused
from receivers import NodeServer
from test_provd import status, wait_state
from test_webhook import failed, provctl

ISSUER = "https://directory.example.com"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"


def make_key(file, kind):
    args = {"ES256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "EdDSA": ["ed25519"], "RSA": ["RSA"],
            "P-384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]}[kind]
    return subprocess.run(["openssl", "genpkey", "-algorithm", *args], check=True, capture_output=True, text=True).stdout


class Site:
    def __init__(self, s, pki, where):
        self.s, self.pki = s, pki
        self.jwks, self.metadata, self.keys = s.dir / "jwks.json", s.dir / "ssf-configuration", s.dir / "keys.pem"
        self.node = NodeServer(where, "caep.mjs", cert=pki / "server.pem", key=pki / "server.key", jwks=self.jwks,
                               issuer=ISSUER, audience="https://rp.example.com")

    def keep(self, *pems):
        self.keys.touch(0o600)
        self.keys.write_text("".join(pems))

    def connect(self, *option, kind="ES256", **attrs):
        if not self.keys.exists():
            self.keep(make_key(self.keys, kind))
        return self.s.connector("hook", f"https://localhost:{self.node.port}/events", provConnectorType="caep",
                                provSecretFile=str(self.keys), provTimeout="5",
                                provOption=[f"ca={self.pki}/ca.pem", f"issuer={ISSUER}",
                                            "audience=https://rp.example.com", f"jwks={self.jwks}",
                                            "jwksUri=https://directory.example.com/jwks.json",
                                            f"metadata={self.metadata}", *option], **attrs)

    def start(self):
        self.s.provd_start()
        wait_state(self.s, "enabled")

    def tokens(self, n):
        got = self.node.wait(n)
        assert all(r["verified"] is True for r in got), got
        return [r["claims"] for r in got]


@pytest.fixture
def site(slapd, pki, tmp_path):
    made = Site(slapd, pki, tmp_path / "receiver")
    yield made
    made.node.stop()


@pytest.mark.parametrize("kind", ["ES256", "EdDSA"])
def test_a_leaver_is_told(site, kind):
    s = site.s
    site.connect(kind=kind)
    site.start()
    s.account("ann")
    s.leave("ann")
    claims = site.tokens(2)
    assert {uri for c in claims for uri in c["events"]} == {RISC + "account-disabled", CAEP + "session-revoked"}
    assert all(len(c["events"]) == 1 for c in claims), "one event in each token (SSF 1.0)"
    [uuid] = s.admin.get(s.person_dn("ann"), "entryUUID")["entryUUID"]
    for c in claims:
        assert c["sub_id"] == {"format": "opaque", "id": uuid}
        assert abs(c["iat"] - time.time()) < 60 and abs(c["toe"] - time.time()) < 60
        assert "exp" not in c and "sub" not in c
    assert len({c["jti"] for c in claims}) == 2 and len({c["txn"] for c in claims}) == 1
    revoked = next(c["events"][CAEP + "session-revoked"] for c in claims if CAEP + "session-revoked" in c["events"])
    assert revoked["initiating_entity"] == "admin" and abs(revoked["event_timestamp"] - time.time()) < 60
    [first, *_] = site.node.requests()
    assert first["method"] == "POST" and first["headers"]["content-type"] == "application/secevent+jwt"
    assert first["header"]["alg"] == kind and first["header"]["typ"] == "secevent+jwt"


def test_every_kind_of_security_event_and_no_other(site):
    s = site.s
    site.connect()
    site.start()
    s.account("ann")
    s.set("ann", title="Engineer")
    s.state_of("ann", "suspended")
    s.state_of("ann", "active")
    s.set("ann", userPassword="another-pw")
    s.admin.delete(s.person_dn("ann"))
    wait_until(lambda: any(RISC + "account-purged" in c["events"] for c in site.tokens(1)), 10)
    claims = site.tokens(1)
    order = [uri.rsplit("/", 1)[1] for c in claims for uri in c["events"]]
    assert [x for x in order if x != "session-revoked"] == ["account-disabled", "account-enabled", "credential-change",
                                                           "account-purged"]
    change = next(c["events"][CAEP + "credential-change"] for c in claims if CAEP + "credential-change" in c["events"])
    assert change["credential_type"] == "password" and change["change_type"] == "update"
    assert "another-pw" not in json.dumps(claims)
    assert 'note="not sent: no security event"' in s.provd_log.read_text()


@pytest.mark.parametrize("option, attribute, subject", [
    (("subject=email",), ["mail"], {"format": "email", "email": "ann@example.com"}),
    (("subject=iss_sub",), [], {"format": "iss_sub", "iss": ISSUER, "sub": "ann"}),
    (("subject=iss_sub", "subjectAttribute=employeeNumber", "subjectIssuer=https://idp.example.com"),
     ["employeeNumber"], {"format": "iss_sub", "iss": "https://idp.example.com", "sub": "4711"}),
])
def test_the_subject_is_named_as_the_receiver_knows_it(site, option, attribute, subject):
    s = site.s
    site.connect(*option, **({"provAttribute": attribute} if attribute else {}))
    site.start()
    s.account("ann", mail="ann@example.com", employeeNumber="4711")
    s.state_of("ann", "suspended")
    assert site.tokens(1)[0]["sub_id"] == subject
    s.admin.delete(s.person_dn("ann"))
    wait_until(lambda: any(RISC + "account-purged" in c["events"] for c in site.tokens(1)), 10)
    assert all(c["sub_id"] == subject for c in site.tokens(1)), "also when the entry is gone"


def test_an_account_without_the_name_fails_and_says_so(site):
    s = site.s
    site.connect("subject=email", provAttribute=["mail"])
    site.start()
    s.account("ann")
    s.state_of("ann", "suspended")
    failed(s, "the account has no mail to name it with")
    assert site.node.requests() == []


@pytest.mark.parametrize("option, attrs, text", [
    (("subject=email",), {}, "provAttribute does not list"),
    ({"jwks": "jwks.json"}, {}, "no absolute path"),
    ({"jwksUri": None}, {}, "jwksUri="),
    ({"jwksUri": "http://directory.example.com/jwks.json"}, {}, "does not begin with https://"),
    ({"issuer": f"{ISSUER}/?a=b"}, {}, "no query"),
])
def test_wrong_options_make_it_unusable_and_are_named(site, option, attrs, text):
    s = site.s
    dn = site.connect(*(option if isinstance(option, tuple) else ()), **attrs)
    if isinstance(option, dict):
        had = s.admin.get(dn, "provOption")["provOption"]
        s.admin.modify(dn, replace={"provOption": [v for v in had if v.split("=")[0] not in option] +
                                    [f"{k}={v}" for k, v in option.items() if v]})
    s.provd_start()
    wait_state(s, "unusable")
    assert text in status(s)["problem"]


def test_an_option_that_is_none_is_refused_when_it_is_written(site):
    with refused(ldap.CONSTRAINT_VIOLATION, "must be one of opaque|email|iss_sub"):
        site.connect("subject=phone")


def test_keys_and_metadata_are_published(site):
    site.keep(make_key(site.keys, "ES256"), make_key(site.keys, "EdDSA"))
    site.connect()
    site.start()
    wait_until(site.metadata.exists, 5)
    keys = json.loads(site.jwks.read_text())["keys"]
    assert [k["alg"] for k in keys] == ["ES256", "EdDSA"] and len({k["kid"] for k in keys}) == 2
    assert not any("d" in k for k in keys), "no private part"
    assert all(k["use"] == "sig" for k in keys)
    about = json.loads(site.metadata.read_text())
    # SSF 1.0, 7.1: endpoints that there are not are not named, and neither is an empty list
    assert about == {"spec_version": "1_0", "issuer": ISSUER, "jwks_uri": "https://directory.example.com/jwks.json",
                     "delivery_methods_supported": ["urn:ietf:rfc:8935"], "default_subjects": "ALL"}
    assert site.jwks.stat().st_mode & 0o777 == 0o644


def test_keys_rotate_without_a_restart(site):
    s = site.s
    old, new = make_key(site.keys, "ES256"), make_key(site.keys, "EdDSA")
    site.keep(old)
    site.connect(provEvent=["account.suspended", "account.restored"])
    site.start()
    s.account("ann")
    s.state_of("ann", "suspended")
    site.tokens(1)
    site.keep(new, old)
    s.state_of("ann", "active")
    site.tokens(2)
    assert [r["header"]["alg"] for r in site.node.requests()] == ["ES256", "EdDSA"]
    assert len(json.loads(site.jwks.read_text())["keys"]) == 2


@pytest.mark.parametrize("content, text", [("", "no private key"), ("not a key\n", "no private key"),
                                           ("RSA", "neither P-256 nor Ed25519"), ("P-384", "neither P-256 nor Ed25519"),
                                           ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                                            "cannot read key 1")])
def test_a_bad_key_is_named_and_nothing_is_sent(site, content, text):
    s = site.s
    site.keep(make_key(site.keys, content) if content in ("RSA", "P-384") else content)
    site.connect()
    site.start()
    s.account("ann")
    s.state_of("ann", "suspended")
    failed(s, text)
    assert "keys.pem" in status(s)["lastError"] and site.node.requests() == []


def test_what_the_receiver_says_is_shown_and_it_is_tried_again(site):
    s = site.s
    site.connect(provEvent=["account.suspended"])
    site.node.behave(err="authentication_failed")
    site.start()
    s.account("ann")
    s.state_of("ann", "suspended")
    failed(s, "HTTP 400: {'err':'authentication_failed'")
    site.node.behave()
    wait_until(lambda: status(s)["delivered"] == 1, 20)
    assert len({c["jti"] for c in site.tokens(2)}) == 1, "the same token id in every attempt"


def test_a_bearer_token_goes_with_it(site):
    s = site.s
    token = s.dir / "token"
    token.touch(0o600)
    token.write_text("s3cret-token\n")
    site.connect(f"token={token}", provEvent=["account.suspended"])
    site.start()
    s.account("ann")
    s.state_of("ann", "suspended")
    site.tokens(1)
    assert site.node.requests()[0]["headers"]["authorization"] == "Bearer s3cret-token"
    assert "s3cret-token" not in s.provd_log.read_text()


def test_a_test_event_is_a_verification(site):
    s = site.s
    site.connect()
    site.start()
    out = provctl(s, "connector", "test", "hook")
    assert out.returncode == 0 and "HTTP 202" in out.stdout, out
    [claims] = site.tokens(1)
    assert list(claims["events"]) == ["https://schemas.openid.net/secevent/ssf/event-type/verification"]
