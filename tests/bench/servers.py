"""The servers that the benches compare: configuration, accounts, start and end."""
import os
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SLAPD = os.environ.get("SLAPD", "/usr/sbin/slapd")
MODULES = os.environ.get("SLAPD_MODULES", "/usr/lib/ldap")
SCHEMAS = os.environ.get("SLAPD_SCHEMAS", "/etc/ldap/schema")
ACCOUNTS = int(os.environ.get("BENCH_ACCOUNTS", "10000"))
SUFFIX = "dc=example,dc=com"
ROOTDN = "cn=admin," + SUFFIX

INDEXES = """index objectClass,uid,mail,member,uniqueMember,departmentNumber eq
index entryUUID,entryCSN eq
"""

STACK = """overlay memberof
memberof-refint TRUE
overlay refint
refint_attributes member manager
overlay unique
unique_uri ldap:///?mail?sub?
overlay accesslog
logdb cn=log
logops writes
logsuccess TRUE
"""

OURS = """overlay provision
provision-policy ou=provisioning,%(suffix)s
provision-accounts ldap:///ou=people,%(suffix)s??sub?(objectClass=inetOrgPerson)
provision-state %(dir)s/state
provision-memberof %(memberof)s
provision-breaker 0 0
"""


class Server:
    module = os.environ.get("PROVISION_SO", TOP + "/build/provision.so")

    def __init__(self, name, port, work):
        self.name, self.dir = name, os.path.join(work, name)
        self.uri = "ldap://127.0.0.1:%d/" % port
        os.makedirs(self.dir + "/db")
        os.makedirs(self.dir + "/log")
        os.makedirs(self.dir + "/state", mode=0o700)
        with open(self.dir + "/slapd.conf", "w") as f:
            f.write(self.config())

    def config(self):
        ours = self.name.startswith("provision")
        parts = ["include %s/%s.schema\n" % (SCHEMAS, name) for name in ("core", "cosine", "inetorgperson", "nis")]
        parts.append("modulepath %s\nmoduleload back_mdb\n" % MODULES)
        if self.name == "stack":
            parts.append("".join("moduleload %s\n" % m for m in ("memberof", "refint", "unique", "accesslog")))
        if self.name == "provision-dynlist":
            parts.append("moduleload dynlist\ninclude %s/dyngroup.schema\n" % SCHEMAS)
        if ours:
            parts.append("moduleload %s\n" % self.module)
        parts.append("pidfile %s/pid\nthreads 8\nsizelimit unlimited\nloglevel none\n" % self.dir)
        if self.name == "stack":
            parts.append("database mdb\nsuffix cn=log\nrootdn %s\ndirectory %s/log\nmaxsize 8589934592\n"
                         "index reqStart,objectClass eq\n" % (ROOTDN, self.dir))
        parts.append("database mdb\nsuffix %s\nrootdn %s\nrootpw secret\ndirectory %s/db\n"
                     "maxsize 8589934592\n%s" % (SUFFIX, ROOTDN, self.dir, INDEXES))
        if ours:
            parts.append("index provEffectiveRole,provAssignedRole eq\n")
        parts.append("access to * by dn=%s manage by self write by * read\n" % ROOTDN)
        if ours:
            parts.append(OURS % {"suffix": SUFFIX, "dir": self.dir,
                                 "memberof": "off" if self.name.endswith("plain") else "on"})
        if self.name == "stack":
            parts.append(STACK)
        if self.name == "provision-dynlist":
            parts.append("overlay dynlist\ndynlist-attrset groupOfURLs memberURL member\n")
        return "".join(parts)

    def load_ldif(self, path):
        subprocess.run([SLAPD, "-Ta", "-q", "-f", self.dir + "/slapd.conf", "-b", SUFFIX, "-l", path],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        self.process = subprocess.Popen([SLAPD, "-h", self.uri, "-f", self.dir + "/slapd.conf", "-d", "0"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if subprocess.run(["ldapwhoami", "-x", "-H", self.uri], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise SystemExit("bench: %s did not start: run %s -d 1 -f %s/slapd.conf" % (self.name, SLAPD, self.dir))

    def memory(self):
        with open("/proc/%d/smaps_rollup" % self.process.pid) as f:
            rows = dict(line.split(":", 1) for line in f if line.count(":") == 1)
        # the database's own map is file memory: what the process itself needs is anonymous
        return int(rows["Anonymous"].split()[0]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def base_ldif(path, accounts=ACCOUNTS, groups=3, big=None):
    with open(path, "w") as f:
        f.write("dn: %s\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n" % SUFFIX)
        for ou in ("people", "groups"):
            f.write("dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %s\n\n" % (ou, SUFFIX, ou))
        for n in range(accounts):
            f.write("dn: uid=u%d,ou=people,%s\nobjectClass: inetOrgPerson\nuid: u%d\ncn: Person %d\nsn: %d\n"
                    "mail: u%d@example.com\ndepartmentNumber: none\nuserPassword: secret\n\n"
                    % (n, SUFFIX, n, n, n, n))
        for g in range(groups):
            f.write("dn: cn=bench%d,ou=groups,%s\nobjectClass: groupOfNames\ncn: bench%d\nmember: uid=u0,ou=people,%s\n\n"
                    % (g, SUFFIX, g, SUFFIX))
        if big:
            f.write("dn: cn=big,ou=groups,%s\nobjectClass: groupOfNames\ncn: big\n" % SUFFIX)
            f.writelines("member: uid=m%d,ou=people,%s\n" % (n, SUFFIX) for n in range(big))
            f.write("\n")


def policy_ldif(groups):
    text = ""
    for dn in ("ou=provisioning,", "ou=roles,ou=provisioning,"):
        text += "dn: %s%s\nobjectClass: organizationalUnit\nou: %s\n\n" % (dn, SUFFIX, dn.split("=")[1].split(",")[0])
    text += ("dn: cn=bench,ou=roles,ou=provisioning,%s\nobjectClass: provRole\ncn: bench\n"
             "provAssignFilter: (departmentNumber=bench)\n" % SUFFIX)
    return text + "".join("provGroup: %s\n" % g for g in groups) + "\n"


def ldapadd(server, text):
    subprocess.run(["ldapadd", "-x", "-H", server.uri, "-D", ROOTDN, "-w", "secret"], input=text.encode(),
                   check=True, stdout=subprocess.DEVNULL)
