"""Debian's nats-server with JetStream and TLS, in a directory of its own on loopback."""

import json
import signal
import socket
import subprocess

from harness import free_port, wait_until
from receivers import NODE

SERVER = "/usr/sbin/nats-server"


def node(what, check=True, **options):
    """Something done by tests/node/nats.mjs, and its result; None: it failed, and that may be."""
    done = subprocess.run(["node", "nats.mjs", json.dumps({"do": what, **options}, default=str)], cwd=NODE,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else None


class NatsServer:
    """
    auth     lines of the configuration that say who may what; without: user prov with password prov-secret
    verify   clients must show a certificate
    access   how the test itself binds
    """

    def __init__(self, where, pki, *, auth=None, verify=False, access=None, tls=True, start=True):
        where.mkdir(exist_ok=True)
        self.where, self.pki, self.port = where, pki, free_port()
        self.url = f"tls://localhost:{self.port}"
        self.access = access or {"user": "root", "pass": "root-secret"}
        self.process = None
        self.log_file = where / "nats.log"
        cert = f"""tls {{
  cert_file: "{pki}/server.pem"
  key_file: "{pki}/server.key"
  ca_file: "{pki}/ca.pem"
  verify: {str(verify).lower()}
  timeout: 10
}}
""" if tls else ""
        (where / "nats.conf").write_text(f"""
listen: "127.0.0.1:{self.port}"
server_name: "test"
max_payload: 1MB
debug: true
jetstream {{ store_dir: "{where}/store", max_file_store: 100MB, max_memory_store: 10MB }}
{cert}{auth or '''authorization { users: [
  { user: "root", password: "root-secret" }
  { user: "prov", password: "prov-secret", permissions: { publish: ["prov.>"], subscribe: ["_INBOX.>"] } }
] }'''}
""")
        if start:
            self.start()

    def start(self):
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen([SERVER, "-c", self.where / "nats.conf"], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or self.answers(), 20, "nats-server listens")
        assert self.process.poll() is None, self.log_file.read_text()

    def answers(self):
        with socket.socket() as c:
            return c.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, hard=False):
        process, self.process = self.process, None
        if process:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
            process.wait(20)

    def ask(self, what, check=True, **options):
        return node(what, check, url=self.url.replace("localhost", "127.0.0.1"), ca=self.pki / "ca.pem", **self.access, **options)

    def add_stream(self, name="PROV", subjects=("prov.>",), **config):
        return self.ask("add", config={"name": name, "subjects": list(subjects), "storage": "file", **config})

    def messages(self, stream="PROV", **options):
        return self.ask("messages", stream=stream, **options)

    def wait(self, n, timeout=15, stream="PROV"):
        """At least n messages, and all that are there."""
        wait_until(lambda: len(self.messages(stream)) >= n, timeout, f"{n} messages", every=0.1)
        return self.messages(stream)

    def connections(self):
        """How many clients the log tells of."""
        return self.log_file.read_text().count("Client connection created")
