"""Secrets stay in their files: not in the directory, a log, a command line, the figures, or what provctl shows, also
when a receiver refuses them and repeats in its answer what it was sent."""

import base64
import contextlib
import http.server
import json
import os
import signal
import ssl
import threading
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from harness import free_port, wait_until
from test_caep import ISSUER, make_key
from test_provd import status
from test_webhook import keep, provctl

TOKEN, CAEP_TOKEN, POLL_TOKEN = "t0ken/of+scim==", "t0ken-of-caep", "t0ken-of-polls"
CLIENT_SECRET, ACCESS_TOKEN = "cl1ent&secret/x", "acc3ss-token-from-there"
BIND_PASSWORD, WHSEC = "b1nd-pass word", "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()


class Parrot(http.server.BaseHTTPRequestHandler):
    """Refuses everything, and repeats everything, plain and decoded, as careless servers do."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        header = self.headers.get("Authorization", "")
        self.server.got.append((self.path, header, body))
        scheme, _, value = header.partition(" ")
        if scheme == "Basic":
            client, _, secret = base64.b64decode(value).decode().partition(":")
            header = f"{urllib.parse.unquote(secret)} {secret} {value}"  # a short text is shown
        status, extra = self.server.how.get(self.path, (401, {}))
        answer = {"detail": f"{header} {value} is wrong", "error": header, "status": str(status), **extra}
        data = json.dumps(answer, ensure_ascii=True).replace("/", self.server.slash).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Location", "https://localhost/?" + urllib.parse.urlencode({"h": header}))
        self.send_header("ETag", value.split(" ")[0])
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(server, pki):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def parrot(pki):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    server.daemon_threads = True
    server.got, server.how, server.slash = [], {}, "/"
    with serving(server, pki):
        yield server


class LdapParrot(http.server.socketserver.StreamRequestHandler):
    """Answers a simple bind with invalidCredentials (RFC 4511, 4.2.2), and the password in its text."""

    def handle(self):
        def element(tag, content):
            assert len(content) < 128
            return bytes([tag, len(content)]) + content
        request = self.request.recv(4096)
        at = request.rindex(b"\x80")  # authentication [0] simple
        password = request[at + 2:at + 2 + request[at + 1]]
        self.server.got.append(password.decode())
        said = element(0x0a, bytes([49])) + element(4, b"") + element(4, b"no: " + password + b" " + password)
        self.request.sendall(element(0x30, element(2, request[4:5]) + element(0x61, said)))
        self.request.recv(4096)


def files(s, pki):
    """The secrets and their files."""
    pem = make_key(None, "ES256")
    keep(s, pem, name="keys.pem")
    keep(s, TOKEN, name="token")
    keep(s, CAEP_TOKEN, name="caep-token")
    keep(s, POLL_TOKEN, name="poll-token")
    keep(s, CLIENT_SECRET, name="client-secret")
    keep(s, BIND_PASSWORD, name="bind-password")
    keep(s, WHSEC, name="webhook-secret")
    keep(s, (pki / "server.key").read_text(), name="server.key")
    key_lines = [line for text in (pem, (pki / "server.key").read_text()) for line in text.splitlines() if "-" not in line]
    quoted = urllib.parse.quote(CLIENT_SECRET, safe="")
    return [TOKEN, CAEP_TOKEN, POLL_TOKEN, CLIENT_SECRET, quoted, ACCESS_TOKEN, BIND_PASSWORD, WHSEC, WHSEC[6:],
            base64.b64encode(f"provd:{quoted}".encode()).decode(), *key_lines]


def shown(s, metrics, port):
    """{where: text} of all that leaves a trace."""
    out = {"provd's log": s.provd_log.read_text(), "slapd's log": s.log()}
    for pid in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (pid / "cmdline").read_bytes()
            if str(s.dir).encode() in line:
                out[f"command line of {pid.name}"] = line.replace(b"\0", b" ").decode(errors="replace")
    assert len([k for k in out if k.startswith("command line")]) >= 2, "slapd and provd"
    out["the directory"] = "\n".join(f"{e.dn}: {dict(e)}" for e in s.admin.search(s.suffix))
    out["the file of figures"] = metrics.read_text()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        out["the listener"] = answer.read().decode()
    for args in (("connector", "list"), ("--json", "connector", "list"), ("outbox", "list"),
                 ("--json", "outbox", "list"), ("status",), ("--json", "audit", "show")):
        out[" ".join(args)] = said(provctl(s, *args))
    for event in s.events():
        out[f"outbox show {event['sequence']}"] = said(provctl(s, "--json", "outbox", "show", str(int(event["sequence"]))))
    for name in os.listdir(s.state):
        if (s.state / name).is_file():
            out[name] = (s.state / name).read_bytes().decode("latin-1")
    return out


def said(done):
    return done.stdout + done.stderr


def check(secrets, texts):
    for where, text in texts.items():
        for form in (text, text.replace("\\/", "/"), urllib.parse.unquote(text)):
            for secret in secrets:
                assert secret not in form, f"{secret!r} in {where}: {form[max(0, form.index(secret) - 200):][:400]!r}"


def connectors(s, pki, url, ldap_url, poll_port):
    ca, usual = f"ca={pki}/ca.pem", {"provMaxAttempts": "2", "provTimeout": "5"}
    oauth = [ca, f"tokenUrl={url}/token", "clientId=provd"]
    caep = {"provSecretFile": str(s.dir / "keys.pem"), "provEvent": ["account.suspended"]}
    s.connector("webhook", f"{url}/webhook", provConnectorType="webhook", provOption=ca,
                provSecretFile=str(s.dir / "webhook-secret"), **usual)
    s.connector("scim", f"{url}/scim", provConnectorType="scim", provOption=ca, provSecretFile=str(s.dir / "token"),
                **usual)
    s.connector("oauth", f"{url}/oauth", provConnectorType="scim", provOption=oauth,
                provSecretFile=str(s.dir / "client-secret"), **usual)
    s.connector("push", f"{url}/caep", provConnectorType="caep", **caep, **usual,
                provOption=[ca, f"issuer={ISSUER}", f"token={s.dir}/caep-token"])
    s.connector("poll", f"https://localhost:{poll_port}/poll", provConnectorType="caep", **caep, **usual, provOption=[
        "delivery=poll", f"listen=127.0.0.1:{poll_port}", f"cert={pki}/server.pem", f"key={s.dir}/server.key",
        f"issuer={ISSUER}", f"token={s.dir}/poll-token"])
    s.connector("ldap", f"{ldap_url}/{s.suffix}", provConnectorType="ldap", provOption=[ca, "bindDn=cn=x"],
                provSecretFile=str(s.dir / "bind-password"), **usual)
    return ["webhook", "scim", "oauth", "push", "ldap"]


@pytest.mark.parametrize("slash", ["/", "\\/", "\\u002f"])
def test_what_a_receiver_repeats_is_masked(slapd, pki, parrot, slash):
    s = slapd
    parrot.slash = slash
    ldap_parrot = http.server.socketserver.ThreadingTCPServer(("127.0.0.1", 0), LdapParrot)
    ldap_parrot.daemon_threads, ldap_parrot.got = True, []
    secrets, metrics, port, poll_port = files(s, pki), s.dir / "provd.prom", free_port(), free_port()
    with serving(ldap_parrot, pki):
        names = connectors(s, pki, f"https://localhost:{parrot.server_port}",
                           f"ldaps://127.0.0.1:{ldap_parrot.server_address[1]}", poll_port)
        s.provd_start("--metrics-file", metrics, "--metrics-listen", port, "-D", s.rootdn, "-w", s.rootpw)
        s.account("ann", cn="Ann", sn="Ann")
        s.state_of("ann", "suspended")
        for name in names:
            wait_until(lambda: status(s, name) and status(s, name)["lastError"], 15, name)
            if name != "webhook":
                assert "***" in status(s, name)["lastError"], f"it is shown, masked: {status(s, name)}"
        tests = {f"connector test {n}": said(provctl(s, "connector", "test", n)) for n in names}
        assert all("***" in t for n, t in tests.items() if n != "connector test webhook"), tests
        parrot.how["/token"] = (200, {"access_token": ACCESS_TOKEN, "expires_in": 3600})
        provctl(s, "connector", "test", "oauth")
        wait_until(lambda: any(ACCESS_TOKEN in header for _, header, _ in parrot.got), 10)
        tests["oauth with a token"] = said(provctl(s, "connector", "test", "oauth"))
        parrot.how = {"/webhook": (302, {}), "/caep": (307, {})}
        for n in ("webhook", "push"):
            tests[f"redirected {n}"] = said(provctl(s, "connector", "test", n))
        assert "redirects are not followed" in tests["redirected push"]
        report_errors(s, pki, poll_port)
        # they were really sent
        headers = " ".join(header for _, header, _ in parrot.got)
        assert TOKEN in headers and CAEP_TOKEN in headers and "Basic " in headers
        assert BIND_PASSWORD in ldap_parrot.got
        check(secrets, {**tests, **shown(s, metrics, port)})
        for pid in (s.provd_process.pid,):
            assert b"\0" + s.rootpw.encode() + b"\0" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def report_errors(s, pki, port):
    """The receiver that polls repeats its own token in what it reports."""
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))

    def poll(body):
        request = urllib.request.Request(f"https://localhost:{port}/poll", json.dumps(body).encode(),
                                         {"Authorization": f"Bearer {POLL_TOKEN}"})
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return json.load(answer)["sets"]
    sets = wait_until(lambda: poll({"returnImmediately": True}), 10)
    for jti in sets:
        poll({"returnImmediately": True, "setErrs": {jti: {"err": "x", "description": f"you are {POLL_TOKEN}"}}})
    wait_until(lambda: "***" in (status(s, "poll")["lastError"] or ""), 10)


def test_a_file_that_others_may_read_is_not_used_and_its_content_is_not_told(slapd, pki, parrot):
    s = slapd
    secrets, metrics, port = files(s, pki), s.dir / "provd.prom", free_port()
    for name in ("keys.pem", "token", "caep-token", "client-secret", "bind-password", "webhook-secret"):
        (s.dir / name).chmod(0o640)
    names = connectors(s, pki, f"https://localhost:{parrot.server_port}", "ldaps://localhost:1", free_port())
    s.provd_start("--metrics-file", metrics, "--metrics-listen", port)
    s.account("ann")
    s.state_of("ann", "suspended")
    for name in set(names) - {"ldap"}:
        wait_until(lambda: status(s, name) and status(s, name)["lastError"], 15, name)
        assert "chmod 600" in status(s, name)["lastError"], status(s, name)
    assert parrot.got == []
    os.kill(s.provd_process.pid, signal.SIGHUP)
    check(secrets, shown(s, metrics, port))
