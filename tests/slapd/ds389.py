"""A 389 Directory Server of its own, in a temporary directory, for the tests of the ldap connector.

ns-slapd is started directly, with a configuration made from the template that it ships, so
nothing of the machine's own instances is read or written, and no systemd is needed.
"""

import base64
import hashlib
import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from directory import GROUPS, PEOPLE, SUFFIX
from harness import free_port, make_pki
from otherserver import OtherServer

NS_SLAPD = shutil.which("ns-slapd", path="/usr/sbin:/usr/bin")
TEMPLATE = Path("/usr/share/dirsrv/data/template-dse.ldif")
ROOTDN, ROOTPW = "cn=Directory Manager", "Directory-Manager-1"


def ssha(password, salt=b"saltsalt"):
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


class Ds389(OtherServer):
    """One instance, TLS and plain, on loopback; close() ends and removes it."""

    rootdn, rootpw = ROOTDN, ROOTPW

    def _run(self, *args):
        done = subprocess.run([str(a) for a in args], capture_output=True, text=True)
        assert done.returncode == 0, f"{args}: {done.stdout}{done.stderr}"

    def _certificates(self, conf):
        """What NSS wants: a database with our key, and the password that opens it."""
        make_pki(self.dir / "pki")
        pki, secret = self.dir / "pki", conf / "secret"
        secret.write_text("nss-secret\n")
        (conf / "pin.txt").write_text("Internal (Software) Token:nss-secret\n")
        self._run("certutil", "-N", "-d", conf, "-f", secret)
        self._run("openssl", "pkcs12", "-export", "-in", pki / "server.pem", "-inkey", pki / "server.key",
                  "-name", "Server-Cert", "-passout", "pass:", "-out", conf / "server.p12")
        self._run("pk12util", "-i", conf / "server.p12", "-d", conf, "-k", secret, "-W", "")
        self._run("certutil", "-A", "-d", conf, "-n", "CA", "-t", "CT,,", "-a", "-i", pki / "ca.pem", "-f", secret)

    def prepare(self):
        self.port, self.tls_port = free_port(), free_port()
        self.uri, self.ldaps = f"ldap://127.0.0.1:{self.port}", f"ldaps://127.0.0.1:{self.tls_port}"
        for name in ("conf/schema", "lock", "tmp", "ldif", "bak", "run", "log", "db", "dbhome"):
            (self.dir / name).mkdir(parents=True)
        conf, d = self.dir / "conf", self.dir
        # what a new instance gets from /etc/dirsrv, which only root may read
        (conf / "schema/99user.ldif").write_text("dn: cn=schema\nobjectClass: top\nobjectClass: ldapSubentry\n"
                                                 "objectClass: subschema\ncn: schema\n")
        (conf / "certmap.conf").write_text("certmap default default\n")
        (conf / "slapd-collations.conf").touch()
        self._certificates(conf)
        places = {
            "schema_dir": conf / "schema", "lock_dir": d / "lock", "tmp_dir": d / "tmp", "cert_dir": conf,
            "ldif_dir": d / "ldif", "bak_dir": d / "bak", "run_dir": d / "run", "inst_dir": d, "log_dir": d / "log",
            "config_dir": conf, "db_dir": d / "db", "db_home_dir": d / "dbhome", "db_lib": "bdb", "fqdn": "localhost",
            "ds_port": self.port, "ds_user": pwd.getpwuid(os.geteuid()).pw_name, "rootdn": ROOTDN,
            "ds_passwd": ssha(ROOTPW), "ldapi_enabled": "off", "ldapi": d / "sock", "ldapi_autobind": "off",
            "ds_suffix": SUFFIX}
        text = re.sub(r"%(\w+)%", lambda m: str(places[m[1]]), TEMPLATE.read_text())
        port = f"nsslapd-port: {self.port}\n"
        assert port in text
        text = text.replace(port, f"{port}nsslapd-secureport: {self.tls_port}\nnsslapd-security: on\n"
                                  "nsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\n")
        (conf / "dse.ldif").write_text(text)

    def command(self):
        return [NS_SLAPD, "-D", self.dir / "conf", "-i", self.dir / "run/pid", "-d", "0"]

    def logs(self):
        errors = self.dir / "log/errors"
        return super().logs() + (errors.read_text() if errors.exists() else "")

    def fill(self):
        """A database for the suffix, and the usual tree."""
        self.admin.add("cn=main,cn=ldbm database,cn=plugins,cn=config", {
            "objectClass": ["extensibleObject", "nsBackendInstance"], "cn": "main", "nsslapd-suffix": SUFFIX})
        name = SUFFIX.replace("=", "\\3D").replace(",", "\\2C")
        self.admin.add(f"cn={name},cn=mapping tree,cn=config", {
            "objectClass": ["extensibleObject", "nsMappingTree"], "cn": SUFFIX, "nsslapd-state": "backend",
            "nsslapd-backend": "main"})
        self.admin.add(SUFFIX, {"objectClass": "domain", "dc": "example"})
        for dn in (PEOPLE, GROUPS):
            self.admin.add(dn, {"objectClass": "organizationalUnit", "ou": dn.split(",")[0][3:]})

    # -- for the tests ------------------------------------------------------------------

    def person_dn(self, uid):
        return f"uid={uid},{PEOPLE}"

    def group_dn(self, cn):
        return f"cn={cn},{GROUPS}"

    def entry(self, uid, *attrs):
        return self.admin.get(self.person_dn(uid), *(attrs or ("*", "+", "nsAccountLock")))
