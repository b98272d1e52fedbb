"""A server that has no schema but slapd's own when our overlay is configured, and gets it while it runs."""

import subprocess

import ldap
import pytest

from harness import MODULE, SLAPD, free_port, wait_until
from ldapclient import Client
from slapdconf import SLAPD_MODULES

CONFIG = """\
dn: cn=config
objectClass: olcGlobal
cn: config

dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: {modules}
olcModuleLoad: back_mdb.so
olcModuleLoad: {module}

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcRootPW: secret

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcSuffix: cn=top
olcRootDN: cn=admin,cn=top
olcRootPW: secret
olcDbDirectory: {dir}/db

dn: olcOverlay=provision,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcProvisionConfig
olcOverlay: provision
olcProvisionPolicy: cn=policy,cn=top
olcProvisionAccounts: ldap:///cn=people,cn=top??sub?(cn=*)
olcProvisionState: {dir}/state
olcProvisionMemberOf: TRUE
"""


@pytest.fixture
def uri(tmp_path):
    for name in ("slapd.d", "db", "state"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "config.ldif").write_text(CONFIG.format(dir=tmp_path, modules=SLAPD_MODULES, module=MODULE))
    subprocess.run([SLAPD, "-Ta", "-n0", "-F", tmp_path / "slapd.d", "-l", tmp_path / "config.ldif"], check=True)
    where = f"ldap://127.0.0.1:{free_port()}"
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([SLAPD, "-d", "stats", "-h", where, "-F", tmp_path / "slapd.d"], stdout=log, stderr=log)

    def answers():
        assert server.poll() is None, (tmp_path / "log").read_text()
        try:
            Client(where, "cn=config", "secret").close()
            return True
        except ldap.SERVER_DOWN:
            return False
    try:
        wait_until(answers, 10, "slapd listens")
        yield where
        server.terminate()
        assert server.wait(20) == 0, (tmp_path / "log").read_text()[-2000:]
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def test_groups_are_known_as_soon_as_their_schema_is(uri):
    admin = Client(uri, "cn=admin,cn=top", "secret")
    for dn in ("cn=top", "cn=people,cn=top"):  # of a class of ours: there is no other yet
        admin.add(dn, {"objectClass": ["provRole"], "cn": dn.split(",")[0][3:]})
    done = subprocess.run(["ldapadd", "-x", "-D", "cn=config", "-w", "secret", "-H", uri, "-f", "/etc/ldap/schema/core.ldif"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    admin.add("cn=ada,cn=people,cn=top", {"objectClass": ["person"], "cn": "ada", "sn": "ada"})
    admin.add("cn=sales,cn=top", {"objectClass": ["groupOfNames"], "cn": "sales", "member": ["cn=ada,cn=people,cn=top"]})
    assert admin.get("cn=ada,cn=people,cn=top", "memberOf")["memberOf"] == ["cn=sales,cn=top"]
    admin.delete("cn=ada,cn=people,cn=top")
    admin.close()
