"""A timestamping authority (RFC 3161) made of openssl ts behind a small HTTPS server on loopback."""

import http.server
import ssl
import subprocess
import threading

CONFIG = """\
[ req ]
distinguished_name = dn
prompt = no
[ dn ]
CN = Timestamps
[ tsa ]
default_tsa = one
[ one ]
serial = {d}/serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
accuracy = secs:1
tsa_name = no
ess_cert_id_alg = sha256
[ stamping ]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ other ]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = serverAuth
[ authority ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
"""


class Authority:
    """fault: what it does wrong, by name; see answer()."""

    def __init__(self, directory, pki):
        self.dir, self.fault, self.asked, self.last = directory, None, [], b""
        directory.mkdir()
        (directory / "conf").write_text(CONFIG.format(d=directory))
        (directory / "serial").write_text("01\n")
        self.make_ca("ca")
        self.make_ca("stranger")
        for name, ext in (("tsa", "stamping"), ("server", "other")):
            self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                         "-config", "conf", "-subj", f"/CN={name}")
            self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                         "-days", "2", "-extfile", "conf", "-extensions", ext, "-out", f"{name}.pem")
        handler = type("Handler", (http.server.BaseHTTPRequestHandler,), {
            "do_POST": lambda h: self.answer(h), "log_message": lambda *a: None})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pki / "server.pem", pki / "server.key")
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def make_ca(self, name):
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                     "-config", "conf", "-extensions", "authority", "-days", "2", "-subj", f"/CN={name}")

    def openssl(self, *args, check=True, **kw):
        done = subprocess.run(["openssl", *args], cwd=self.dir, capture_output=True, **kw)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done

    def reply(self, query):
        (self.dir / "query").write_bytes(query)
        signer = "server" if self.fault == "a signer that may not" else "tsa"
        self.openssl("ts", "-reply", "-config", "conf", "-queryfile", "query", "-signer", f"{signer}.pem",
                     "-inkey", f"{signer}.key", "-out", "reply", check=self.fault is None)
        return (self.dir / "reply").read_bytes() if (self.dir / "reply").exists() else b""

    def answer(self, h):
        query = h.rfile.read(int(h.headers["Content-Length"]))
        self.asked.append((h.headers["Content-Type"], query))
        code, kind, body = 200, "application/timestamp-reply", b""
        if self.fault == "an earlier answer":
            body = self.last
        elif self.fault == "not found":
            code = 404
        elif self.fault == "a page":
            kind, body = "text/html", b"<p>hello"
        elif self.fault == "rubbish":
            body = b"\x30\x82\x01"
        elif self.fault == "too much":
            body = bytes(300000)
        else:
            body = self.last = self.reply(query)
        h.send_response(code)
        h.send_header("Content-Type", kind)
        h.send_header("Content-Length", str(len(body)))
        h.end_headers()
        h.wfile.write(body)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
