"""The caep connector when the receiver fetches the tokens itself (RFC 8936)."""

import base64
import http.client
import json
import signal
import socket
import ssl
import threading
import time

import pytest

from harness import free_port, make_pki, wait_until
from receivers import NodeServer
from test_caep import CAEP, ISSUER, RISC, make_key
from test_provd import status, wait_state
from test_webhook import provctl


class Site:
    def __init__(self, s, pki):
        self.s, self.pki, self.port = s, pki, free_port()
        self.jwks = s.dir / "jwks.json"
        self.keep("keys.pem", make_key(None, "ES256"))
        self.keep("token", "poll-token\n")
        self.keep("server.key", (pki / "server.key").read_text())

    def keep(self, name, text):
        file = self.s.dir / name
        file.touch(0o600)
        file.write_text(text)
        return file

    def options(self, **change):
        every = {"delivery": "poll", "listen": f"127.0.0.1:{self.port}", "cert": self.pki / "server.pem",
                 "key": self.s.dir / "server.key", "token": self.s.dir / "token", "issuer": ISSUER,
                 "audience": "https://rp.example.com", "jwks": self.jwks, **change}
        return [f"{k}={v}" for k, v in every.items() if v is not None]

    def connect(self, name="hook", *, option=None, **attrs):
        attrs.setdefault("provEvent", ["account.suspended", "account.restored", "session.revoked"])
        return self.s.connector(name, f"https://localhost:{self.port}/poll", provConnectorType="caep",
                                provSecretFile=str(self.s.dir / "keys.pem"), provOption=self.options(**(option or {})),
                                **attrs)

    def start(self):
        self.s.provd_start()
        wait_state(self.s, "enabled")

    def ask(self, body=None, *, method="POST", path="/poll", token="poll-token", raw=None, cert=None):
        tls = ssl.create_default_context(cafile=self.pki / "ca.pem")
        if cert:
            tls.load_cert_chain(*cert)
        c = http.client.HTTPSConnection("localhost", self.port, context=tls, timeout=40)
        try:
            c.request(method, path, raw if raw is not None else json.dumps(body or {}),
                      {"Authorization": f"Bearer {token}"} if token else {})
            r = c.getresponse()
            text = r.read()
            return r.status, json.loads(text) if text else None
        finally:
            c.close()

    def sets(self, **body):
        code, answer = self.ask({"returnImmediately": True, **body})
        assert code == 200
        return answer

    def out(self):
        """Ids of the tokens that are out; none while nobody listens."""
        try:
            return list(self.sets()["sets"])
        except OSError:
            return []


@pytest.fixture
def site(slapd, pki):
    return Site(slapd, pki)


def suspend(s, *names):
    for name in names:
        s.account(name)
        s.state_of(name, "suspended")


def test_a_receiver_fetches_verifies_and_acknowledges(site, tmp_path):
    s = site.s
    site.connect(provEvent=["account.*", "session.revoked"])
    site.start()
    node = NodeServer(tmp_path / "node", "poll.mjs", url=f"https://localhost:{site.port}/poll", ca=site.pki / "ca.pem",
                      token="poll-token", jwks=site.jwks, issuer=ISSUER, audience="https://rp.example.com")
    try:
        s.account("ann")
        s.leave("ann")
        got = node.wait(2)
        wait_until(lambda: status(s)["delivered"] == 3, 10, "all acknowledged")
    finally:
        node.stop()
    assert all(r["verified"] for r in got)
    assert {uri for r in got for uri in r["claims"]["events"]} == {RISC + "account-disabled", CAEP + "session-revoked"}
    assert 'note="fetched and acknowledged"' in s.provd_log.read_text()


def test_a_token_is_given_until_it_is_acknowledged(site):
    s = site.s
    site.connect()
    site.start()
    suspend(s, "ann")
    wait_until(lambda: site.sets()["sets"], 10)
    first = site.sets()
    assert site.sets() == first and first["moreAvailable"] is False and status(s)["delivered"] == 0
    [jti] = first["sets"]
    assert jti not in site.sets(ack=[jti])["sets"]
    wait_until(lambda: status(s)["delivered"] == 1, 10)


def test_a_receiver_may_take_a_few_at_a_time(site):
    s = site.s
    site.connect(provConcurrency="8", provEvent=["account.suspended"])
    site.start()
    suspend(s, "ann", "bob", "cid")
    wait_until(lambda: len(site.sets()["sets"]) == 3, 10)
    some = site.sets(maxEvents=2)
    assert len(some["sets"]) == 2 and some["moreAvailable"] is True
    assert site.sets(maxEvents=0) == {"sets": {}, "moreAvailable": True}
    rest = site.sets(ack=list(some["sets"]))
    assert len(rest["sets"]) == 1 and rest["moreAvailable"] is False


def test_events_of_one_account_come_in_order(site):
    s = site.s
    site.connect(provEvent=["account.suspended", "account.restored"])
    site.start()
    suspend(s, "ann")
    s.state_of("ann", "active")
    s.state_of("ann", "suspended")
    kinds, ack = [], []
    while len(kinds) < 3:
        code, answer = site.ask({"ack": ack})
        assert code == 200 and len(answer["sets"]) == 1, answer
        ack = list(answer["sets"])
        body = answer["sets"][ack[0]].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        kinds += [uri.rsplit("/", 1)[1] for uri in claims["events"]]
    assert kinds == ["account-disabled", "account-enabled", "account-disabled"]


def test_a_poll_waits_for_something_to_come(site):
    s = site.s
    site.connect()
    site.start()
    s.account("ann")
    got = []
    waiting = threading.Thread(target=lambda: got.append((site.ask({}), time.monotonic())))
    began = time.monotonic()
    waiting.start()
    time.sleep(0.5)
    s.state_of("ann", "suspended")
    waiting.join(20)
    (code, answer), ended = got[0]
    assert code == 200 and len(answer["sets"]) >= 1 and 0.5 <= ended - began < 15


def test_what_the_receiver_does_not_like_is_a_failed_attempt(site):
    s = site.s
    site.connect(provEvent=["account.suspended"])
    site.start()
    suspend(s, "ann")
    wait_until(lambda: site.sets()["sets"], 10)
    [jti] = site.sets()["sets"]
    site.sets(setErrs={jti: {"err": "invalid_audience", "description": "not for us"}})
    wait_until(lambda: status(s)["lastError"] == "the receiver says: invalid_audience: not for us", 10)
    wait_until(lambda: list(site.sets()["sets"]) == [jti], 20, "it is offered again")


@pytest.mark.parametrize("how, code", [({"token": None}, 401), ({"token": "poll-toke"}, 401),
                                       ({"token": "poll-token2"}, 401), ({"method": "GET"}, 405),
                                       ({"path": "/"}, 404), ({"raw": "no json"}, 400), ({"raw": "[]"}, 400),
                                       ({"raw": "x" * 70000}, 413)])
def test_others_get_nothing(site, how, code):
    site.connect()
    site.start()
    suspend(site.s, "ann")
    wait_until(lambda: site.sets()["sets"], 10)
    got, answer = site.ask(**how)
    assert got == code and "sets" not in (answer or {})


@pytest.mark.parametrize("body", [{"ack": ["nothing"]}, {"ack": "x"}, {"ack": [1, None]}, {"setErrs": {"x": 1}},
                                  {"setErrs": []}, {"maxEvents": -1}, {"maxEvents": "x"}, {"maxEvents": 1e9}])
def test_odd_requests_end_nothing(site, body):
    site.connect(provEvent=["account.suspended"])
    site.start()
    suspend(site.s, "ann")
    wait_until(lambda: site.sets()["sets"], 10)
    code, _ = site.ask({"returnImmediately": True, **body})
    assert code == 200 and len(site.sets()["sets"]) == 1 and status(site.s)["failed"] == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_stop_is_prompt_and_nothing_is_lost(site, how):
    s = site.s
    site.connect(provEvent=["account.suspended"])
    site.start()
    suspend(s, "ann", "bob")
    wait_until(lambda: len(site.sets()["sets"]) == 2, 10)
    before = site.sets()["sets"]
    s.provd_process.send_signal(how)
    s.provd_process.wait(8)
    s.provd_process = None
    s.provd_start()
    wait_until(lambda: sorted(site.out()) == sorted(before), 15)
    assert status(s)["failed"] == 0


def test_what_nobody_fetches_is_parked_in_the_end(site):
    s = site.s
    site.connect(provEvent=["account.suspended"], provMaxAge="2")
    site.start()
    suspend(s, "ann")
    wait_until(lambda: status(s)["parked"] == 1, 10)
    assert "nobody has fetched it in 2 s" in status(s)["lastError"] and site.sets()["sets"] == {}


def test_a_changed_entry_counts_and_what_is_out_stays(site):
    s = site.s
    dn = site.connect(provEvent=["account.suspended"])
    site.start()
    suspend(s, "ann")
    wait_until(lambda: site.sets()["sets"], 10)
    [jti] = site.sets()["sets"]
    site.port = free_port()
    s.admin.modify(dn, replace={"provOption": site.options()})
    wait_until(lambda: site.out() == [jti], 15)
    site.sets(ack=[jti])
    wait_until(lambda: status(s)["delivered"] == 1, 10)
    assert status(s)["failed"] == 0


def test_another_change_of_the_policy_leaves_it_alone(site):
    s = site.s
    site.connect(provEvent=["account.suspended"])
    site.start()
    before = s.provd_log.read_text().count("connector=hook")
    s.role("other")
    suspend(s, "ann")
    wait_until(lambda: site.sets()["sets"], 10)
    assert s.provd_log.read_text().count("connector=hook") == before


@pytest.mark.parametrize("change, text", [
    ({"listen": None}, "listen="), ({"listen": "here"}, "want ADDRESS:PORT"), ({"listen": "::1:99"}, "want ADDRESS:PORT"),
    ({"token": None}, "token= is missing"), ({"cert": None}, "cert= is missing"), ({"cert": "/no/such"}, "/no/such"),
    ({"key": "/no/such"}, "/no/such"), ({"clientCa": "/no/such"}, "/no/such"),
])
def test_wrong_options_make_it_unusable_and_are_named(site, change, text):
    site.connect(option=change)
    site.s.provd_start()
    wait_state(site.s, "unusable")
    assert text in status(site.s)["problem"]


def test_two_cannot_listen_at_one_place(site):
    s = site.s
    site.connect()
    site.connect("second")
    s.provd_start()
    wait_until(lambda: {(status(s, n) or {}).get("state") for n in ("hook", "second")} == {"enabled", "unusable"}, 10)
    assert "listens there already" in (status(s, "second")["problem"] or status(s, "hook")["problem"])


def test_a_taken_address_is_named(site):
    with socket.socket() as other:
        other.bind(("127.0.0.1", site.port))
        other.listen()
        site.connect()
        site.s.provd_start()
        wait_state(site.s, "unusable")
    assert "cannot listen" in status(site.s)["problem"]


def test_a_test_event_waits_for_the_receiver(site):
    s = site.s
    site.connect(provTimeout="10")
    site.start()
    stop = threading.Event()

    def receive():
        ack = []
        while not stop.is_set():
            ack = list(site.sets(ack=ack)["sets"])
            time.sleep(0.1)
    receiver = threading.Thread(target=receive)
    receiver.start()
    try:
        out = provctl(s, "connector", "test", "hook")
    finally:
        stop.set()
        receiver.join()
    assert out.returncode == 0 and "fetched and acknowledged" in out.stdout, out


# -- strangers, certificates -----------------------------------------------------------------------------


def stranger(site, source="127.0.0.1"):
    c = socket.create_connection(("127.0.0.1", site.port), 10, (source, 0))
    c.settimeout(20)
    return c


def ended(c):
    """Has the other side ended it? Nothing is waited for."""
    c.setblocking(False)
    try:
        return c.recv(1) == b""
    except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def test_a_stranger_has_five_seconds_whatever_he_does(site):
    site.connect()
    site.start()
    silent = stranger(site)
    tls = ssl.create_default_context(cafile=site.pki / "ca.pem").wrap_socket(stranger(site), server_hostname="localhost")
    tls.sendall(b"POST /poll HTTP/1.1\r\nHost: localhost\r\n")
    began = time.monotonic()
    talked = 0
    while not (ended(silent) and ended(tls)) and time.monotonic() - began < 15:
        try:
            tls.sendall(b"X-A: b\r\n")  # never idle, never done
            talked += 1
        except OSError:
            pass
        time.sleep(0.2)
    assert 3 < time.monotonic() - began < 9 and talked > 10
    silent.close()
    tls.close()


def test_a_receiver_may_wait_longer(site):
    s = site.s
    site.connect(provEvent=["account.suspended"])
    site.start()
    s.account("ann")
    got = []
    waiting = threading.Thread(target=lambda: got.append(site.ask({})))
    waiting.start()
    time.sleep(8)
    assert not got
    s.state_of("ann", "suspended")
    waiting.join(20)
    assert got[0][0] == 200 and len(got[0][1]["sets"]) == 1


def test_strangers_keep_no_receiver_out(site):
    """All at once from several addresses, and again as soon as one of them is cut off."""
    s = site.s
    site.connect(provEvent=["account.suspended"])
    site.start()
    suspend(s, "ann")
    wait_until(lambda: site.sets()["sets"], 10)
    crowd, stop = [], threading.Event()

    def throng():
        while not stop.is_set():
            crowd[:] = [c for c in crowd if not ended(c)]
            while len(crowd) < 60:
                try:
                    crowd.append(stranger(site, f"127.0.0.{2 + len(crowd) % 8}"))
                except OSError:
                    break
            time.sleep(0.1)
    crush = threading.Thread(target=throng)
    crush.start()
    try:
        time.sleep(1)
        began = time.monotonic()
        served = sum(len(site.out()) for _ in range(10))
        assert served >= 8 and time.monotonic() - began < 10
    finally:
        stop.set()
        crush.join()
        for c in crowd:
            c.close()


def test_who_has_no_token_is_sent_away_before_he_has_sent_anything_more(site):
    site.connect()
    site.start()
    tls = ssl.create_default_context(cafile=site.pki / "ca.pem").wrap_socket(stranger(site), server_hostname="localhost")
    tls.sendall(b"POST /poll HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\nContent-Length: 60000\r\n\r\n")
    began = time.monotonic()
    said = b""
    while part := tls.recv(4096):
        said += part
    assert said.startswith(b"HTTP/1.1 401 ") and time.monotonic() - began < 3
    tls.close()


@pytest.mark.parametrize("token", [True, False])
def test_a_receiver_shows_a_certificate(site, token, tmp_path):
    make_pki(tmp_path / "other")
    site.connect(option={"clientCa": site.pki / "ca.pem", "token": site.s.dir / "token" if token else None},
                 provEvent=["account.suspended"])
    site.start()
    suspend(site.s, "ann")
    cert, foreign = ((where / "client.pem", where / "client.key") for where in (site.pki, tmp_path / "other"))
    body = {"returnImmediately": True}
    wait_until(lambda: site.ask(body, cert=cert)[1]["sets"], 10)
    assert site.ask(body)[0] == 403 and site.ask(body, cert=foreign)[0] == 403
    assert site.ask(body, cert=cert, token=None)[0] == (401 if token else 200)


def test_a_new_certificate_is_used_without_being_told(site, tmp_path):
    s = site.s
    site.keep("server.pem", (site.pki / "server.pem").read_text())
    site.connect(option={"cert": s.dir / "server.pem"}, provEvent=["account.suspended"])
    site.start()
    s.account("ann")
    make_pki(tmp_path / "new")
    site.keep("server.pem", (tmp_path / "new/server.pem").read_text())  # the key is still the old one
    wait_until(lambda: "is it a certificate with its key?" in s.provd_log.read_text(), 15)
    assert site.sets()["sets"] == {}, "what was there stays"
    got = []

    def poll():
        try:
            got.append(site.ask({}))
        except OSError as error:
            got.append(error)  # cut off: it asks again
    waiting = threading.Thread(target=poll)
    waiting.start()
    time.sleep(0.5)
    site.keep("server.key", (tmp_path / "new/server.key").read_text())
    waiting.join(12)
    assert got, "a poll that waits holds nothing up"
    site.pki = tmp_path / "new"
    s.state_of("ann", "suspended")
    wait_until(site.out, 15, "with the new one")
    site.sets(ack=site.out())
    wait_until(lambda: status(s)["delivered"] == 1, 10)
    assert status(s)["failed"] == 0


def test_the_metadata_says_how_to_poll(site):
    s = site.s
    site.connect(option={"metadata": s.dir / "ssf", "jwksUri": "https://directory.example.com/jwks.json"})
    site.start()
    wait_until((s.dir / "ssf").exists, 5)
    assert json.loads((s.dir / "ssf").read_text()) == {
        "spec_version": "1_0", "issuer": ISSUER, "jwks_uri": "https://directory.example.com/jwks.json",
        "delivery_methods_supported": ["urn:ietf:rfc:8936"], "default_subjects": "ALL",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6750"}]}
