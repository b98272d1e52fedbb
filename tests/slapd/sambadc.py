"""A domain controller of its own, Debian's Samba in a temporary directory, for the tests of the ldap connector.

It is provisioned anew, serves LDAP only, and listens on a loopback address of its own, since its
ports (389, 636) are fixed. That needs root. Nothing of the machine's own Samba is read or written.
"""

import random
import shutil
import socket
import subprocess

from harness import make_pki
from otherserver import OtherServer

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


class SambaDc(OtherServer):
    """One domain; close() ends and removes it. rootdn is its administrator."""

    rootdn, rootpw = ADMIN, ADMINPW

    def prepare(self):
        self.address = free_address()
        self.uri, self.ldaps = f"ldap://{self.address}", f"ldaps://{self.address}"
        make_pki(self.dir / "pki", f"IP:{self.address}")
        (self.dir / "none.conf").touch()
        done = subprocess.run(["/usr/bin/python3", "-c", PROVISION, str(self.dir), DOMAIN.upper(), ADMINPW],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        (self.dir / "run").mkdir()
        (self.dir / "smb.conf").write_text(CONF.format(dir=self.dir, address=self.address, realm=DOMAIN.upper()))

    def command(self):
        return [SAMBA, f"--configfile={self.dir}/smb.conf", "--foreground", "--no-process-group", "--model=single",
                "--debug-stdout"]

    def fill(self):
        for dn in (STAFF, TEAMS, OUT):
            self.admin.add(dn, {"objectClass": "organizationalUnit"})

    # -- for the tests ------------------------------------------------------------------

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
