"""Writes the configuration of a throwaway slapd, as slapd.conf or as slapd.d.

One description (class Config), two forms, so that a test can run with either. It knows
our overlay's keywords and the stock overlays that the tests put on top of it. It never
starts anything: harness.py does.
"""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# Debian's slapd, or another one (make check-slapd26)
SLAPD = os.environ.get("SLAPD", "/usr/sbin/slapd")
SLAPD_MODULES = os.environ.get("SLAPD_MODULES", "/usr/lib/ldap")
SLAPD_SCHEMAS = os.environ.get("SLAPD_SCHEMAS", "/etc/ldap/schema")

SUFFIX = "dc=example,dc=com"
ROOTDN = f"cn=admin,{SUFFIX}"
ROOTPW = "secret"
POLICY = f"ou=provisioning,{SUFFIX}"
ACCOUNTS = f"ldap:///ou=people,{SUFFIX}??sub?(objectClass=inetOrgPerson)"
LOG_SUFFIX = "cn=log"
SCHEMAS = ("core", "cosine", "inetorgperson", "nis", "dyngroup")

# keyword of slapd.conf: attribute of cn=config
PROVISION = {
    "provision-policy": "olcProvisionPolicy",
    "provision-accounts": "olcProvisionAccounts",
    "provision-state": "olcProvisionState",
    "provision-on-delete": "olcProvisionOnDelete",
    "provision-archive": "olcProvisionArchive",
    "provision-breaker": "olcProvisionBreaker",
    "provision-memberof": "olcProvisionMemberOf",
    "provision-sessions": "olcProvisionSessions",
    "provision-checkpoint": "olcProvisionCheckpoint",
    "provision-key": "olcProvisionKey",
}

# stock overlays: class, then (keyword, attribute, default value or None)
STOCK = {
    "accesslog": ("olcAccessLogConfig", [
        ("logdb", "olcAccessLogDB", LOG_SUFFIX),
        ("logops", "olcAccessLogOps", "writes"),
        ("logsuccess", "olcAccessLogSuccess", "TRUE")]),
    "syncprov": ("olcSyncProvConfig", [
        ("syncprov-checkpoint", "olcSpCheckpoint", None),
        ("syncprov-sessionlog", "olcSpSessionlog", None)]),
    "ppolicy": ("olcPPolicyConfig", [
        ("ppolicy_default", "olcPPolicyDefault", None),
        ("ppolicy_hash_cleartext", "olcPPolicyHashCleartext", None)]),
    "unique": ("olcUniqueConfig", [("unique_uri", "olcUniqueURI", "ldap:///?mail?sub")]),
    "refint": ("olcRefintConfig", [
        ("refint_attributes", "olcRefintAttribute", "member uniqueMember manager")]),
    "memberof": ("olcMemberOf", [
        ("memberof-refint", "olcMemberOfRefint", "TRUE"),
        ("memberof-dn", "olcMemberOfDN", None)]),
    "sssvlv": ("olcSssVlvConfig", []),
    "dynlist": ("olcDynListConfig", [
        ("dynlist-attrset", "olcDynListAttrSet", "groupOfURLs memberURL member")]),
}

ACCESS = [
    'to attrs=userPassword by self write by dn.children="ou=apps,{s}" manage by anonymous auth by * none',
    'to * by dn.children="ou=apps,{s}" manage by self write by * read',
]

INDEX = [
    "objectClass,entryUUID,entryCSN eq",
    "uid,cn,mail,member,uniqueMember,memberUid,departmentNumber,employeeNumber eq",
    "provEffectiveRole,provState,provAssignedRole,provDue,memberOf eq",
]


@dataclass
class Config:
    dir: Path
    module: str | None  # provision.so, or None: bare slapd
    provision: dict = field(default_factory=dict)  # keyword: value or list of values
    overlays: list = field(default_factory=list)  # names, or (name, {keyword: value})
    tls: bool = False
    peer: str = ROOTDN  # who SASL EXTERNAL over ldapi is
    peer_id: str = "gidNumber=.*"  # and which users that is for
    access: list = field(default_factory=lambda: list(ACCESS))
    index: list = field(default_factory=lambda: list(INDEX))
    database: list = field(default_factory=list)  # more lines of the database: (keyword, attribute, value)
    globals: list = field(default_factory=list)  # the same, global
    extra_modules: list = field(default_factory=list)
    maxsize: int = 1 << 30
    server_id: int | None = None

    # -- what both forms are made of ----------------------------------------------------

    def modules(self):
        names = ["back_mdb.so"]
        names += [f"{name}.so" for name, _ in self.stock()]
        names += self.extra_modules
        # An absolute name as libltdl takes it.
        return names + ([self.module] if self.module else [])

    def stock(self):
        return [(o, {}) if isinstance(o, str) else o for o in self.overlays]

    def provision_lines(self):
        for keyword, value in self.provision.items():
            for v in value if isinstance(value, (list, tuple)) else [value]:
                yield keyword, PROVISION[keyword], v

    def stock_lines(self, name, options):
        known = STOCK[name][1]
        for keyword, attribute, default in known:
            value = options.get(keyword, default)
            for v in value if isinstance(value, (list, tuple)) else [value]:
                if v is not None:
                    yield keyword, attribute, v
        unknown = set(options) - {k for k, _, _ in known}
        assert not unknown, f"overlay {name}: unknown options {unknown}"

    def global_lines(self):
        yield "pidfile", "olcPidFile", str(self.dir / "slapd.pid")
        yield "argsfile", "olcArgsFile", str(self.dir / "slapd.args")
        yield "threads", "olcThreads", "16"
        yield "authz-policy", "olcAuthzPolicy", "to"
        yield "sasl-secprops", "olcSaslSecProps", "none"
        yield "authz-regexp", "olcAuthzRegexp", f'"^{self.peer_id},cn=peercred,cn=external,cn=auth$" "{self.peer}"'
        yield "authz-regexp", "olcAuthzRegexp", f'"^uid=([^,]+),cn=[^,]+,cn=auth$" "uid=$1,ou=people,{SUFFIX}"'
        if self.server_id is not None:
            yield "serverID", "olcServerID", str(self.server_id)
        if self.tls:
            pki = self.dir / "pki"
            yield "TLSCACertificateFile", "olcTLSCACertificateFile", str(pki / "ca.pem")
            yield "TLSCertificateFile", "olcTLSCertificateFile", str(pki / "server.pem")
            yield "TLSCertificateKeyFile", "olcTLSCertificateKeyFile", str(pki / "server.key")
            yield "TLSVerifyClient", "olcTLSVerifyClient", "try"
        yield from self.globals

    def database_lines(self):
        yield "suffix", "olcSuffix", SUFFIX
        yield "rootdn", "olcRootDN", ROOTDN
        yield "rootpw", "olcRootPW", ROOTPW
        yield "directory", "olcDbDirectory", str(self.dir / "db")
        yield "maxsize", "olcDbMaxSize", str(self.maxsize)
        for line in self.index:
            # without our module there are no such attributes
            if self.module or "prov" not in line:
                yield "index", "olcDbIndex", line
        for line in self.access:
            yield "access", "olcAccess", line.format(s=SUFFIX, r=ROOTDN)
        yield from self.database

    def log_lines(self):
        yield "suffix", "olcSuffix", LOG_SUFFIX
        yield "rootdn", "olcRootDN", ROOTDN
        yield "directory", "olcDbDirectory", str(self.dir / "log")
        yield "maxsize", "olcDbMaxSize", str(self.maxsize)
        yield "index", "olcDbIndex", "entryCSN,objectClass,reqStart,reqEnd,reqResult eq"
        yield "access", "olcAccess", 'to * by * read'

    def has_log(self):
        return any(name == "accesslog" for name, _ in self.stock())

    @property
    def database_dn(self):
        return "olcDatabase={%d}mdb,cn=config" % (2 if self.has_log() else 1)

    @property
    def overlay_dn(self):
        return f"olcOverlay={{0}}provision,{self.database_dn}"

    # -- slapd.conf ---------------------------------------------------------------------

    def write_conf(self):
        lines = [f"include {SLAPD_SCHEMAS}/{s}.schema" for s in SCHEMAS]
        lines += [f"modulepath {SLAPD_MODULES}"]
        lines += [f"moduleload {m}" for m in self.modules()]
        lines += [f"{k} {v}" for k, _, v in self.global_lines()]
        lines += ["", "database config", "rootdn cn=config", f"rootpw {ROOTPW}",
                  f'access to * by dn.exact="{ROOTDN}" manage by * none']
        if self.has_log():
            lines += ["", "database mdb"] + [f"{k} {v}" for k, _, v in self.log_lines()]
            lines += ["overlay syncprov", "syncprov-nopresent TRUE", "syncprov-reloadhint TRUE"] if "syncprov" in dict(self.stock()) else []
        lines += ["", "database mdb"] + [f"{k} {v}" for k, _, v in self.database_lines()]
        if self.module:
            lines += ["", "overlay provision"]
            lines += [f"{k} {quote(v)}" for k, _, v in self.provision_lines()]
        for name, options in self.stock():
            lines += ["", f"overlay {name}"]
            lines += [f"{k} {quote_stock(k, v)}" for k, _, v in self.stock_lines(name, options)]
        lines += ["", "database monitor", "access to * by * read"]
        path = self.dir / "slapd.conf"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)
        return path

    # -- slapd.d ------------------------------------------------------------------------

    def ldif(self):
        def entry(dn, *pairs):
            return "\n".join([f"dn: {dn}"] + [f"{a}: {v}" for a, v in pairs]) + "\n"

        pairs = [(a, v) for _, a, v in self.global_lines()]
        out = [entry("cn=config", ("objectClass", "olcGlobal"), ("cn", "config"), *number(pairs))]
        out.append(entry("cn=module{0},cn=config", ("objectClass", "olcModuleList"),
                         ("cn", "module{0}"), ("olcModulePath", SLAPD_MODULES),
                         *[("olcModuleLoad", "{%d}%s" % (i, m)) for i, m in enumerate(self.modules())]))
        out.append(entry("cn=schema,cn=config", ("objectClass", "olcSchemaConfig"), ("cn", "schema")))
        out += [Path(f"{SLAPD_SCHEMAS}/{s}.ldif").read_text() for s in SCHEMAS]
        out.append(entry("olcDatabase={-1}frontend,cn=config", ("objectClass", "olcDatabaseConfig"),
                         ("objectClass", "olcFrontendConfig"), ("olcDatabase", "{-1}frontend")))
        out.append(entry("olcDatabase={0}config,cn=config", ("objectClass", "olcDatabaseConfig"),
                         ("olcDatabase", "{0}config"), ("olcRootDN", "cn=config"), ("olcRootPW", ROOTPW),
                         ("olcAccess", f'{{0}}to * by dn.exact="{ROOTDN}" manage by * none')))
        n = 1

        def mdb(lines):
            return entry("olcDatabase={%d}mdb,cn=config" % n, ("objectClass", "olcDatabaseConfig"),
                         ("objectClass", "olcMdbConfig"), ("olcDatabase", "{%d}mdb" % n),
                         *number([(a, v) for _, a, v in lines]))

        def overlay(i, name, cls, pairs):
            return entry("olcOverlay={%d}%s,olcDatabase={%d}mdb,cn=config" % (i, name, n),
                         ("objectClass", "olcOverlayConfig"), ("objectClass", cls),
                         ("olcOverlay", "{%d}%s" % (i, name)), *pairs)

        if self.has_log():
            out.append(mdb(self.log_lines()))
            if "syncprov" in dict(self.stock()):
                out.append(overlay(0, "syncprov", "olcSyncProvConfig", [("olcSpNoPresent", "TRUE"), ("olcSpReloadHint", "TRUE")]))
            n += 1
        out.append(mdb(self.database_lines()))
        i = 0
        if self.module:
            pairs = [(a, {"on": "TRUE", "off": "FALSE"}.get(v, v)) for _, a, v in self.provision_lines()]
            out.append(overlay(i, "provision", "olcProvisionConfig", pairs))
            i += 1
        for name, options in self.stock():
            pairs = [(a, v) for _, a, v in self.stock_lines(name, options)]
            out.append(overlay(i, name, STOCK[name][0], number(pairs)))
            i += 1
        out.append(entry("olcDatabase={%d}monitor,cn=config" % (n + 1), ("objectClass", "olcDatabaseConfig"),
                         ("olcDatabase", "{%d}monitor" % (n + 1)), ("olcAccess", "{0}to * by * read")))
        return "\n".join(out)

    def write_config(self, env=None):
        path = self.dir / "slapd.d"
        path.mkdir(exist_ok=True)
        (self.dir / "config.ldif").write_text(self.ldif())
        done = subprocess.run([SLAPD, "-Ta", "-n0", "-F", path, "-l", self.dir / "config.ldif"],
                              capture_output=True, text=True, errors="replace", env=env)
        if done.returncode:
            raise ConfigRefused(done.stdout + done.stderr)
        return path


class ConfigRefused(Exception):
    """slapadd did not take the configuration; the text is what it said."""


def quote(value):
    """One value of slapd.conf that is one argument, except where it is several words."""
    return value if " " not in value or "=" not in value else f'"{value}"'


def quote_stock(keyword, value):
    return value.lower() if value in ("TRUE", "FALSE") else quote(value) if keyword != "unique_uri" else value


def number(pairs):
    """Values of ordered attributes get their {n}."""
    seen = {}
    for a, v in pairs:
        if a in ("olcAccess", "olcAuthzRegexp", "olcDynListAttrSet"):
            yield a, "{%d}%s" % (seen.get(a, 0), v)
            seen[a] = seen.get(a, 0) + 1
        else:
            yield a, v
