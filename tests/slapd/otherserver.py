"""A directory server of somebody else's, as a process of its own in a temporary directory."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import ldap

from harness import wait_until
from ldapclient import Client


class OtherServer:
    """TLS with a certificate from dir/pki. A kind has rootdn, rootpw, command() and prepare(), which
    must set ldaps, and says in logs() why it ended. close() ends and removes it."""

    rootdn = rootpw = None

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self.process, self._clients, self._admin = None, [], None
        try:
            self.prepare()
            self.start()
            self.fill()
        except BaseException:
            self.close()
            raise

    def logs(self):
        return (self.dir / "out").read_text()

    def start(self):
        with (self.dir / "out").open("ab") as out:
            self.process = subprocess.Popen([str(a) for a in self.command()], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=out)
        wait_until(self._listening, 60, f"{type(self).__name__} listens")

    def _listening(self):
        assert self.process.poll() is None, self.logs()
        try:
            return self.admin.alive()
        except ldap.SERVER_DOWN:
            return False

    def stop(self):
        for c in self._clients:
            c.close()
        self._clients, self._admin = [], None
        process, self.process = self.process, None
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self):
        self.stop()
        if os.environ.get("PROV_KEEP"):
            print(f"kept: {self.dir}")
        else:
            shutil.rmtree(self.dir)

    def client(self, dn, pw):
        c = Client(self.ldaps, dn, pw, ca=self.dir / "pki/ca.pem")
        self._clients.append(c)
        return c

    @property
    def admin(self):
        if self._admin is None:
            self._admin = self.client(self.rootdn, self.rootpw)
        return self._admin
