"""A domain controller of its own, Debian's Samba in a temporary directory, for the tests of the ldap connector.

It is provisioned anew, serves LDAP only, and listens on a loopback address of its own, since its
ports (389, 636) are fixed. That needs root. Nothing of the machine's own Samba is read or written.
"""

import os
import random
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import ldap

from harness import make_pki, wait_until
from ldapclient import Client

SAMBA = shutil.which("samba", path="/usr/sbin:/usr/bin")
DOMAIN = "ad.example.com"
BASE = "DC=ad,DC=example,DC=com"
STAFF, TEAMS, OUT = f"OU=staff,{BASE}", f"OU=teams,{BASE}", f"OU=elsewhere,{BASE}"
ADMIN, ADMINPW = f"CN=Administrator,CN=Users,{BASE}", "Administrator-1"

# What `samba-tool domain provision` does, but for the access lists of files, which we do not serve
# and not every file system has.
PROVISION = """
import logging, sys
from samba import dsdb
from samba.auth import system_session
from samba.param import LoadParm
from samba.provision import provision
where, realm, password = sys.argv[1:]
none = LoadParm()
none.load(where + "/none.conf")  # else it goes by the machine's smb.conf
provision(logging.getLogger(), system_session(), lp=none, smbconf=where + "/dc/etc/smb.conf",
          targetdir=where + "/dc", realm=realm, domain="EXAMPLE", hostname="dc1", hostip="127.0.0.1",
          serverrole="active directory domain controller", dns_backend="NONE", adminpass=password,
          dom_for_fun_level=dsdb.DS_DOMAIN_FUNCTION_2008_R2, use_rfc2307=True, skip_sysvolacl=True)
"""

CONF = """\
[global]
netbios name = DC1
realm = {realm}
workgroup = EXAMPLE
server role = active directory domain controller
server services = ldap
interfaces = {address}/8
bind interfaces only = yes
private dir = {dir}/dc/private
lock directory = {dir}/dc
state directory = {dir}/dc/state
cache directory = {dir}/dc/cache
pid directory = {dir}/run
ncalrpc dir = {dir}/run/ncalrpc
binddns dir = {dir}/dc/bind-dns
log file = {dir}/log
tls certfile = {dir}/pki/server.pem
tls keyfile = {dir}/pki/server.key
tls cafile = {dir}/pki/ca.pem
"""


def free_address():
    """An address of 127/8 where nobody listens for LDAP."""
    while True:
        address = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"
        try:
            for port in (389, 636, 3268, 3269):
                with socket.socket() as s:
                    s.bind((address, port))
            return address
        except OSError:
            continue


class SambaDc:
    """One domain; close() ends and removes it. rootdn is its administrator."""

    rootdn, rootpw = ADMIN, ADMINPW

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="samba-"))
        self.address = free_address()
        self.uri, self.ldaps = f"ldap://{self.address}", f"ldaps://{self.address}"
        self.process, self._clients, self._admin = None, [], None
        try:
            self._provision()
            self.start()
            for dn in (STAFF, TEAMS, OUT):
                self.admin.add(dn, {"objectClass": "organizationalUnit"})
        except BaseException:
            self.close()
            raise

    def _provision(self):
        make_pki(self.dir / "pki", f"IP:{self.address}")
        (self.dir / "none.conf").touch()
        done = subprocess.run(["/usr/bin/python3", "-c", PROVISION, str(self.dir), DOMAIN.upper(), ADMINPW],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        (self.dir / "run").mkdir()
        (self.dir / "smb.conf").write_text(CONF.format(dir=self.dir, address=self.address, realm=DOMAIN.upper()))

    def start(self):
        with (self.dir / "out").open("ab") as out:
            self.process = subprocess.Popen(
                [SAMBA, f"--configfile={self.dir}/smb.conf", "--foreground", "--no-process-group", "--model=single",
                 "--debug-stdout"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until(self._listening, 60, "samba listens")

    def _listening(self):
        assert self.process.poll() is None, (self.dir / "out").read_text()
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

    # -- for the tests ------------------------------------------------------------------

    def client(self, dn, pw):
        c = Client(self.ldaps, dn, pw, ca=self.dir / "pki/ca.pem")
        self._clients.append(c)
        return c

    @property
    def admin(self):
        if self._admin is None:
            self._admin = self.client(ADMIN, ADMINPW)
        return self._admin

    def person(self, login, *attrs):
        """The account of that sAMAccountName, wherever it is; or None."""
        found = self.admin.search(BASE, f"(sAMAccountName={login})", attrs or ("*",))
        assert len(found) <= 1, found
        return found[0] if found else None

    def set_password(self, login, password):
        self.admin.modify(self.person(login).dn, replace={"unicodePwd": f'"{password}"'.encode("utf-16-le")})

    def members(self, group):
        """The RDNs' values of a group's members; None: there is no such group."""
        g = self.admin.get(f"CN={group},{TEAMS}")
        return sorted(v.split(",")[0][3:] for v in g["member"]) if g else None
