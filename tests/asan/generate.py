"""Random LDAP requests from a seed: valid ones, nearly valid ones and wild ones.

A Source belongs to one connection's thread. It knows the names that the directory has at the start
(furnish()) and draws from them, so that most requests find what they name; what another request
has taken away comes back, because each name is added again once in a while. It keeps no account of
what the server has: the same seed gives the same requests whatever is answered.
"""

import random
import time

import wire
from directory import APPS, ARCHIVE, CONNECTORS, GROUPS, NOBODY, PEOPLE, POLICY, POOLS, ROLES, SUFFIX
from ldapclient import ADOPT, MANAGE_DSA_IT, NOOP, OID, OVERRIDE, PLAN, REASON, RELAX
from slapdconf import ROOTDN, ROOTPW

PERSONS, GROUPS_OF_EACH, RULES = 120, 8, 12
ASSERT, PRE_READ, POST_READ = "1.3.6.1.1.12", "1.3.6.1.1.13.1", "1.3.6.1.1.13.2"
PAGED, SORT, VLV = "1.2.840.113556.1.4.319", "1.2.840.113556.1.4.473", "2.16.840.1.113730.3.4.9"
PERMISSIVE, PROXY, TREE_DELETE = "1.2.840.113556.1.4.1413", "2.16.840.1.113730.3.4.18", "1.2.840.113556.1.4.805"
SUBENTRIES, DOMAIN_SCOPE, MATCHED = "1.3.6.1.4.1.4203.1.10.1", "1.2.840.113556.1.4.1339", "1.2.826.0.1.3344810.2.3"
TXN, SYNC, PPOLICY = "1.3.6.1.1.21.2", "1.3.6.1.4.1.4203.1.9.1.1", "1.3.6.1.4.1.42.2.27.8.5.1"
DEREF, DONT_USE_COPY, SESSION = "1.3.6.1.4.1.4203.666.5.16", "1.3.6.1.1.22", "1.3.6.1.4.1.21008.108.63.1"
PASSWORD, WHOAMI, CANCEL = "1.3.6.1.4.1.4203.1.11.1", "1.3.6.1.4.1.4203.1.11.3", "1.3.6.1.1.8"
TXN_END, REFRESH = "1.3.6.1.1.21.3", "1.3.6.1.4.1.1466.101.119.1"
EVERY_CONTROL = (REASON, PLAN, OVERRIDE, ADOPT, f"{OID}.5.9", NOOP, RELAX, MANAGE_DSA_IT, ASSERT, PRE_READ, POST_READ, PAGED, SORT, VLV,
                 PERMISSIVE, PROXY, TREE_DELETE, SUBENTRIES, DOMAIN_SCOPE, MATCHED, TXN, SYNC, PPOLICY, DEREF, DONT_USE_COPY, SESSION)
# not TXN_START: slapd does not survive a connection that ends just then (docs/slapd-notes.md)
EVERY_EXTENSION = (PASSWORD, WHOAMI, CANCEL, TXN_END, REFRESH, f"{OID}.5.1", "1.3.6.1.4.1.1466.20036")

DEPARTMENTS = ("sales", "it", "lab", "none", "Verkauf Süd", "")
STATES = ("pending", "active", "active", "active", "suspended", "terminated", "archived", "Active", "gone")
TEMPLATES = (
    "default mail: {givenName|ascii|lower}.{sn|ascii|lower}{unique}@example.com", "add description: works in {departmentNumber|or:none}",
    "enforce title: {departmentNumber|upper}", "default employeeNumber: {next:uid}", "default displayName: {cn} ({uid|first:3|pad:5})",
    "add telephoneNumber: +49 {random:6}", "enforce o: Example", "default homePostalAddress: {now}$x{now+90d}", "enforce title: {title|or:boss}",
    "add seeAlso: {manager}", "default labeledURI: http://x/{uid|replace:u:U}", "enforce employeeType: {{x}}", "add objectClass: posixAccount",
    "default uidNumber: {next:uid}", "default gidNumber: 100", "default homeDirectory: /home/{uid|ascii|lower}", "add cn: {cn|trim|last:2}",
    "enforce userPassword: {random:12}", "add mail: {nothing}", "add mail {uid}", "{", "enforce sn: {sn|nope}", "default provState: active",
    "add uid: {uid}", "default mail: {cn|first:99999999999999999999}", "add description: " + "x" * 3000, "add description: {unique}{unique}")
FILTERS = ("(departmentNumber=sales)", "(&(departmentNumber=it)(!(title=boss)))", "(|(uid=u1*)(uid=*7))", "(objectClass=inetOrgPerson)",
           "(employeeNumber>=5)", "(departmentNumber:caseIgnoreMatch:=lab)", "(title=*)", "(uid=u1)", "(provState=active)", "(memberOf=*)",
           "(&)", "(|)", "(!(uid=u2))", "(nothing=1)", "departmentNumber=sales", "((uid=x))", "(" * 60 + "uid=x" + ")" * 60, "(cn=\\zz)",
           "(!" * 40 + "(uid=x)" + ")" * 40, "(manager:dn:2.5.13.1:=x)", "(uid=\\00*\\2a)")
CONFIG_VALUES = {
    "olcProvisionPolicy": (POLICY, POLICY, POLICY, f"ou=policy2,{SUFFIX}", f"ou=archive,{SUFFIX}", "", "x", "dc=else", PEOPLE),
    "olcProvisionOnDelete": ("allow", "preserve", "deny", "Allow", "no", ""),
    "olcProvisionArchive": (ARCHIVE, ARCHIVE, PEOPLE, "", "x", "dc=else"),
    "olcProvisionBreaker": ("0 0", "0 0", "3 60", "1000 10", "-1 5", "1", "99999999999 1", "x y"),
    "olcProvisionMemberOf": ("TRUE", "TRUE", "FALSE", "maybe"),
    "olcProvisionSessions": ("TRUE", "FALSE", "x"),
    "olcProvisionCheckpoint": ("100 10", "1 1", "0 0", "5", "-1 -1", "x"),
    "olcProvisionState": ("/nowhere/at/all", "", "relative"),
    "olcProvisionKey": ("/nowhere", "/etc/passwd", ""),
}
ACCOUNTS = f"ldap:///{PEOPLE}??sub?(objectClass=inetOrgPerson)"
ACCOUNT_URLS = (ACCOUNTS, ACCOUNTS, f"ldap:///{ARCHIVE}??one?(uid=*)", f"ldap:///{SUFFIX}??sub?(objectClass=person)", "ldap:///dc=else??sub?(uid=*)",
                "ldap:///x", "http://x", f"ldap:///{PEOPLE}??sub?(((", f"ldap:///{PEOPLE}?uid?sub?(uid=*)", "")


def person_dn(n):
    return f"uid=u{n},{PEOPLE}"


def stamp(rng):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(rng.choice((0, 2 ** 31)) if rng.random() < 0.1 else time.time() + rng.randint(-5, 20)))


class Source:
    def __init__(self, seed, overlay_dn, overlay, entry_reads=True, wildness=0.12):
        self.rng = random.Random(seed)
        self.overlay_dn, self.overlay, self.wildness = overlay_dn, overlay, wildness
        self.entry_reads = entry_reads  # pre- and post-read: slapd's memberof does not survive them (docs/slapd-notes.md)
        self.number = 0
        self.cookie = b""

    # -- names ----------------------------------------------------------------------------

    def pick(self, values):
        return self.rng.choice(values)

    def chance(self, p):
        return self.rng.random() < p

    def person(self):
        return person_dn(self.rng.randrange(PERSONS))

    def group(self):
        return f"cn={self.pick(('g', 'g', 'g', 'q', 'p'))}{self.rng.randrange(GROUPS_OF_EACH)},{GROUPS}"

    def role(self):
        return f"cn=r{self.rng.randrange(RULES)},{ROLES}"

    def policy_entry(self):
        n = self.rng.randrange(4)
        return self.pick((self.role(), self.role(), self.role(), f"cn=uid,{POOLS}", f"cn=pool{n},{POOLS}", f"cn=c{n},{CONNECTORS}",
                          f"cn=sod{n},{ROLES}"))

    def other(self):
        return self.pick((SUFFIX, PEOPLE, GROUPS, ROLES, POLICY, ARCHIVE, APPS, NOBODY, f"cn=hr,{APPS}", "", "cn=Subschema", "cn=Monitor",
                          "cn=Databases,cn=Monitor", "cn=log", "cn=config", self.overlay_dn, "dc=else", f"ou=sub,{PEOPLE}", "cn=schema,cn=config",
                          f"uid=u1,ou=sub,{PEOPLE}", f"uid=u{self.rng.randrange(PERSONS)},{ARCHIVE}", self.odd_dn()))

    def odd_dn(self):
        dn = self.person()
        return self.pick((dn.upper(), dn.replace(",", " , "), f"uid=u1+cn=U1,{PEOPLE}", f"uid=\\75\\31,{PEOPLE}", f"uid=,{PEOPLE}", f"=x,{PEOPLE}",
                          f"uid=u1,,{PEOPLE}", f"uid=#04027531,{PEOPLE}", f"2.5.4.3=x,{PEOPLE}", "uid=" + "x" * 900 + f",{PEOPLE}", f"uid=u\\00x,{PEOPLE}",
                          f"uid=ü,{PEOPLE}", dn + ",", ",".join(["ou=x"] * 200) + "," + PEOPLE, f"member={dn}, {GROUPS}"))

    def anything(self):
        x = self.rng.random()
        return self.person() if x < 0.5 else self.group() if x < 0.7 else self.policy_entry() if x < 0.88 else self.other()

    # -- values -----------------------------------------------------------------------------

    def odd_value(self):
        return self.pick((b"", b"\0", b"\xff\xfe", "ü" * 20, "x" * self.rng.choice((1, 255, 256, 1023, 1024, 1025, 70000)), "$$$$$$", "\n", "a\tb", " x ",
                          "{uid}", "-1", "99999999999999999999", "TRUE", bytes(self.rng.randrange(256) for _ in range(self.rng.randrange(40))),
                          self.odd_dn(), self.pick(TEMPLATES), self.pick(FILTERS), "20260101000000Z", "00000000000000Z"))

    def value(self, name):
        r = self.rng
        if self.chance(0.03):
            return self.odd_value()
        simple = {
            "departmentNumber": lambda: self.pick(DEPARTMENTS), "title": lambda: self.pick(("boss", "SALES", "clerk", "x")),
            "provState": lambda: self.pick(STATES), "provAssignedRole": self.role, "provStartTime": lambda: stamp(r),
            "provEndTime": lambda: stamp(r), "manager": self.person, "member": self.anything, "uniqueMember": self.anything,
            "memberUid": lambda: f"u{r.randrange(PERSONS)}", "provGroup": self.group, "provInclude": self.role, "provConflict": self.role,
            "provPrerequisite": self.role, "provSodRole": self.role, "provTemplate": lambda: self.pick(TEMPLATES),
            "provTimedRole": lambda: f"{self.pick(('-', stamp(r)))} {self.pick(('-', stamp(r)))} {self.role()}",
            "provAssignFilter": lambda: self.pick(FILTERS), "provStatus": lambda: self.pick(("active", "active", "active", "draft", "retired", "x")),
            "provEntitlement": lambda: f"github:org/{r.randrange(9)}", "provRisk": lambda: r.randint(-1, 101),
            "provMaxMembers": lambda: r.randint(0, 9), "provSodLimit": lambda: r.randint(0, 3), "provPoolNext": lambda: r.choice((0, 1, 1000, 2 ** 31, -1)),
            "provPoolMax": lambda: r.choice((5, 10 ** 6, 2 ** 63)), "provType": lambda: self.pick(("person", "service", "shared", "admin", "x")),
            "provConnectorType": lambda: self.pick(("exec", "webhook", "scim", "ldap", "caep", "nats", "kafka", "x")),
            "provTarget": lambda: self.pick(("/bin/true", "/bin/true 'a", "https://localhost:1/", "ldap://localhost:1", "x")),
            "provEvent": lambda: self.pick(("account.*", "*", "role.granted", "[", "x")), "provFilter": lambda: self.pick(FILTERS),
            "provAttribute": lambda: self.pick(("mail", "uid", "userPassword", "cn", "nothing")), "provEnabled": lambda: self.pick(("TRUE", "FALSE")),
            "provOption": lambda: self.pick(("start=sync", "start=beginning", "start=x", "a=b", "=", "map=x=y")),
            "provTimeout": lambda: r.randint(-1, 99), "mail": lambda: f"m{r.randrange(40)}@example.com", "employeeNumber": lambda: r.randrange(50),
            "objectClass": lambda: self.pick(("provAccount", "posixAccount", "inetOrgPerson", "groupOfNames", "provRole", "extensibleObject", "top", "x")),
            "userPassword": lambda: self.pick((f"u{r.randrange(9)}-pw", "{SSHA}xxxx", "{CLEARTEXT}x")), "uid": lambda: f"u{r.randrange(PERSONS)}",
            "cn": lambda: self.pick(("U1", "Ada", "Zoë")), "uidNumber": lambda: r.randrange(9), "gidNumber": lambda: r.randrange(9),
            "homeDirectory": lambda: "/home/x", "memberURL": lambda: f"ldap:///{PEOPLE}??sub?{self.pick(FILTERS)}",
            "provException": lambda: "group$x$20260101000000Z$x$$$" + self.group(), "provGrant": lambda: "group$x$20260101000000Z$x$" + self.role() + "$$x",
            "provEffectiveRole": self.role, "memberOf": self.group, "entryUUID": lambda: "11111111-2222-3333-4444-555555555555",
            "entryCSN": lambda: "20260101000000.000000Z#000000#000#000000", "provChangeReason": lambda: "x", "provDue": lambda: stamp(r),
        }
        return simple[name]() if name in simple else self.pick(("x", "Text", "Zoë", "7"))

    PERSON = ("departmentNumber", "title", "provState", "provAssignedRole", "provStartTime", "provEndTime", "provTimedRole", "manager", "mail",
              "employeeNumber", "sn", "givenName", "description", "userPassword", "provType", "provSource", "provSourceKey", "objectClass", "uid", "cn",
              "uidNumber", "gidNumber", "homeDirectory", "telephoneNumber", "o", "displayName", "provException")
    OPERATIONAL = ("provGrant", "provEffectiveRole", "memberOf", "entryUUID", "entryCSN", "provChangeReason", "provDue", "creatorsName",
                   "structuralObjectClass", "pwdChangedTime", "nothing", "cn;lang-de", "cn;binary", "2.5.4.3", "", "*", "1.1")
    ROLE = ("provAssignFilter", "provTemplate", "provTemplate", "provGroup", "provGroup", "provInclude", "provEntitlement", "provStatus", "provConflict",
            "provPrerequisite", "provRisk", "provMaxMembers", "description", "owner", "provApprover")
    POOL = ("provPoolNext", "provPoolMax", "provPoolRange")
    CONNECTOR = ("provConnectorType", "provTarget", "provEvent", "provFilter", "provAttribute", "provEnabled", "provOption", "provTimeout",
                 "provMaxAttempts", "provConcurrency")
    SOD = ("provSodRole", "provSodLimit")

    def names_for(self, dn):
        if self.chance(0.03):
            return self.OPERATIONAL
        if dn.endswith(PEOPLE):
            return self.PERSON
        if dn.endswith(GROUPS):
            return ("uniqueMember",) if dn.startswith("cn=q") else ("memberUid", "gidNumber") if dn.startswith("cn=p") else ("member",)
        if dn.endswith(POOLS):
            return self.POOL
        if dn.endswith(CONNECTORS):
            return self.CONNECTOR
        if dn.endswith(ROLES):
            return self.SOD if dn.startswith("cn=sod") else self.ROLE
        return ("description", "ou", "o", "seeAlso")

    def some(self, names, most=4):
        return [(n, [self.value(n) for _ in range(1 + (self.rng.random() < 0.2) * self.rng.randrange(4))])
                for n in self.rng.sample(names, min(len(names), self.rng.randint(0, most)))]

    def entry(self, dn):
        """What an entry of this name usually has."""
        rdn = dn.split(",")[0].split("=", 1)
        value = rdn[1] if len(rdn) > 1 else ""
        once = {}
        if dn.endswith(PEOPLE) or dn.endswith(ARCHIVE):
            classes = ["inetOrgPerson"] + (["provAccount"] if self.chance(0.8) else [])
            base = [("objectClass", classes), ("uid", [value]), ("cn", [value.upper() or "x"]), ("sn", [self.pick(("Same", "Berg", "Łoś"))]),
                    ("givenName", [self.pick(("Ann", "Zoë", "B"))]), ("userPassword", [f"{value}-pw"]), ("departmentNumber", [self.pick(DEPARTMENTS[:4])])]
            more = self.some(self.PERSON, 3) if self.chance(0.5) else []
            if "provAccount" not in classes:
                more = [(a, v) for a, v in more if not a.startswith("prov")]
        elif dn.endswith(GROUPS):
            kind = dn[3:4]
            base = [("cn", [value])] + ([("objectClass", ["groupOfUniqueNames"]), ("uniqueMember", [NOBODY])] if kind == "q" else
                                        [("objectClass", ["posixGroup"]), ("gidNumber", [5000])] if kind == "p" else
                                        [("objectClass", ["groupOfNames"]), ("member", [NOBODY])])
            more = self.some(self.names_for(dn), 1)
        elif dn.endswith(POLICY):
            cls = ("provPool" if dn.endswith(POOLS) else "provConnector" if dn.endswith(CONNECTORS) else
                   "provSodSet" if dn.startswith("cn=sod") else "provRole")
            base = [("objectClass", [cls]), ("cn", [value])]
            if cls == "provPool":
                base.append(("provPoolNext", [1000]))
            if cls == "provConnector":
                base += [("provConnectorType", ["exec"]), ("provTarget", ["/bin/true"])]
            more = self.some(self.names_for(dn), 3)
        else:
            base = [("objectClass", ["organizationalUnit"]), ("ou", [value])]
            more = []
        for a, v in base + more:
            once.setdefault(a, v)
        return list(once.items())

    # -- controls ---------------------------------------------------------------------------

    def good_control(self, oid):
        r = self.rng
        value = None
        if oid in (PRE_READ, POST_READ) and not self.entry_reads:
            oid = MANAGE_DSA_IT
        if oid == REASON:
            value = self.pick(("CHG-4711", "x" * 1024, "Grund: Süd"))
        elif oid == ASSERT:
            value = self.condition()
        elif oid in (PRE_READ, POST_READ):
            value = wire.strings(self.pick((["*"], ["+"], ["*", "+"], ["cn", "sn"], ["1.1"], [])))  # known names: see unsafe()
        elif oid == PAGED:
            value = wire.seq(wire.integer(r.randint(0, 9)), wire.string(self.cookie if self.chance(0.5) else b""))
        elif oid == SORT:
            value = wire.seq(wire.seq(wire.string(self.pick(("cn", "uid", "provDue", "nothing"))), wire.boolean(True, 0x81) if self.chance(0.3) else b""))
        elif oid == VLV:
            value = wire.seq(wire.integer(r.randint(0, 3)), wire.integer(r.randint(0, 3)),
                             wire.seq(wire.integer(r.randint(0, 9)), wire.integer(r.randint(0, 99)), tag=0xa0))
        elif oid == PROXY:
            value = self.pick(("", f"dn:{self.person()}", f"dn:{ROOTDN}", f"dn:cn=hr,{APPS}", "u:u1", "dn:", "x"))
        elif oid == SUBENTRIES:
            value = wire.boolean(self.chance(0.5))
        elif oid == MATCHED:
            value = wire.seq(self.condition())
        elif oid == TXN:
            value = b""
        elif oid == SYNC:
            # refreshOnly: slapd does not survive a connection that ends with a persistent one (docs/slapd-notes.md)
            value = wire.seq(wire.integer(1, 0x0a), wire.string("rid=001") if self.chance(0.2) else b"")
        elif oid == DEREF:
            value = wire.seq(wire.seq(wire.string(self.pick(("member", "manager", "memberOf"))), wire.strings(["cn", "provState"])))
        elif oid == SESSION:
            value = wire.seq(wire.string("::1"), wire.string("h"), wire.string("1.2.3"), wire.string("u"))
        return wire.control(oid, value, self.chance(0.5))

    def controls(self, usual=()):
        """usual: those that make sense with this request; others come, too."""
        x = self.rng.random()
        if x < 0.6:
            return []
        if x < 0.85 and usual:
            chosen = [self.pick(usual)]
            if PLAN in chosen:
                chosen.append(NOOP)
            return [self.good_control(o) for o in chosen]
        count = self.rng.randint(1, 4)
        return [self.good_control(o) if self.chance(0.7) or o in (PRE_READ, POST_READ, SYNC) else wire.control(o, self.pick((None, b"", self.odd_value())), self.chance(0.5))
                for o in (self.pick(EVERY_CONTROL) for _ in range(count))]

    WRITES = (REASON, REASON, PLAN, OVERRIDE, ADOPT, NOOP, RELAX, MANAGE_DSA_IT, ASSERT, PRE_READ, POST_READ, PERMISSIVE, PROXY, TXN)
    READS = (PAGED, PAGED, SORT, VLV, SYNC, MATCHED, SUBENTRIES, DOMAIN_SCOPE, DEREF, PROXY, ASSERT, MANAGE_DSA_IT, DONT_USE_COPY)

    # -- requests ---------------------------------------------------------------------------

    def condition(self, depth=0):
        r = self.rng
        name = self.pick(self.PERSON + self.ROLE + self.OPERATIONAL)
        x = r.random()
        if depth < 4 and x < 0.25:
            return wire.combined(self.pick((0xa0, 0xa1)), *(self.condition(depth + 1) for _ in range(r.randrange(4))))
        if depth < 4 and x < 0.32:
            return wire.combined(0xa2, self.condition(depth + 1))
        if x < 0.5:
            return wire.present(self.pick(("objectClass", name)))
        if x < 0.85:
            return wire.matching(self.pick((0xa3, 0xa3, 0xa3, 0xa5, 0xa6, 0xa8)), name, self.value(name))
        if x < 0.95:
            return wire.substrings(name, *((self.pick((0x80, 0x81, 0x82)), self.pick(("u", "1", "", "x"))) for _ in range(r.randint(0, 3))))
        return wire.extensible(self.pick((None, "caseIgnoreMatch", "2.5.13.1", "x")), self.pick((None, name)), self.value(name), self.chance(0.3))

    def do_add(self):
        dn = self.anything()
        if dn.endswith("cn=config"):  # slapd refuses it with a text that is gone (docs/slapd-notes.md)
            dn = self.person()
        return wire.add(dn, self.entry(dn)), self.controls(self.WRITES)

    def do_modify(self):
        dn = self.anything()
        names = self.names_for(dn)
        mods = []
        for _ in range(self.rng.choice((1, 1, 1, 2, 3, 8))):
            name = self.pick(names)
            op = self.pick((0, 1, 2, 2, 2, 3)) if self.chance(0.9) else self.rng.randint(0, 4)
            count = 0 if op in (1, 2) and self.chance(0.15) else 1 if self.chance(0.8) else self.rng.randrange(5)
            mods.append((op, name, [self.value(name) for _ in range(count)]))
        return wire.modify(dn, mods), self.controls(self.WRITES)

    def do_delete(self):
        dn = self.anything()
        if dn.endswith("cn=config"):  # see do_config
            dn = self.person()
        return wire.delete(dn), self.controls(self.WRITES + (TREE_DELETE,))

    def do_rename(self):
        dn = self.anything()
        kind = dn.split("=")[0]
        new = self.anything().split(",")[0] if self.chance(0.8) else self.pick((f"uid=u1+cn=x", "x", "", f"{kind}=ü", "sn=x", "ou=x"))
        parent = None if self.chance(0.7) else self.pick((PEOPLE, PEOPLE, ARCHIVE, GROUPS, ROLES, POLICY, SUFFIX, f"ou=sub,{PEOPLE}", "", "dc=else", dn))
        return wire.rename(dn, new, self.chance(0.8), parent), self.controls(self.WRITES)

    def do_search(self):
        base = self.pick((SUFFIX, PEOPLE, GROUPS, ROLES)) if self.chance(0.5) else self.anything()
        attrs = self.pick((["*"], ["+"], ["*", "+"], ["1.1"], [], ["memberOf", "provGrant"], ["nothing", ""]))
        return wire.search(base, self.pick((0, 0, 1, 2, 2, 3)), self.condition(), attrs, self.pick((0, 0, 1, 5)), self.chance(0.1),
                           self.rng.randrange(4)), self.controls(self.READS)

    def do_compare(self):
        dn = self.anything()
        name = self.pick(self.names_for(dn))
        return wire.compare(dn, name, self.value(name)), self.controls((ASSERT, PROXY, MANAGE_DSA_IT))

    def do_bind(self):
        x = self.rng.random()
        if x < 0.4:
            return wire.bind(ROOTDN, ROOTPW), []
        if x < 0.6:
            return wire.bind(f"cn=hr,{APPS}", "hr-secret"), []
        if x < 0.85:
            dn = self.person()
            return wire.bind(dn, f"{dn.split(',')[0][4:]}-pw"), self.controls((PPOLICY,))
        if x < 0.95:
            return wire.bind(self.anything(), self.pick(("", "x", self.odd_value()))), self.controls()
        return wire.sasl(self.pick(("EXTERNAL", "PLAIN", "DIGEST-MD5", "SCRAM-SHA-1", "x", "")), self.pick((None, b"", b"\0u1\0u1-pw", b"dn:" + ROOTDN.encode()))), []

    def do_extended(self):
        oid = self.pick(EVERY_EXTENSION)
        value = None
        if oid == PASSWORD:
            dn = self.person()
            value = wire.seq(wire.string(self.pick((dn, f"dn:{dn}", "u:u1", "", self.odd_dn())), 0x80) if self.chance(0.8) else b"",
                             wire.string(f"{dn.split(',')[0][4:]}-pw", 0x81) if self.chance(0.3) else b"",
                             wire.string(f"{dn.split(',')[0][4:]}-pw", 0x82) if self.chance(0.8) else b"")
        elif oid == CANCEL:
            # of none; see cancelled()
            value = wire.seq(wire.integer(0x7ffffff1))
        elif oid == TXN_END:
            value = wire.seq(b"" if self.chance(0.5) else wire.boolean(self.chance(0.5)), wire.string(self.pick((b"", b"x"))))
        elif oid == REFRESH:
            value = wire.seq(wire.string(self.anything(), 0x80), wire.integer(60, 0x81))
        if self.chance(0.1) and oid != CANCEL:
            value = self.odd_value()
        return wire.extended(oid, value), self.controls((REASON, PROXY, TXN))

    def do_end(self):
        """Of our overlay; do_begin() adds it again."""
        return wire.delete(self.overlay_dn), []

    def do_begin(self):
        return wire.add(self.overlay_dn, [("objectClass", ["olcOverlayConfig", "olcProvisionConfig"]), ("olcOverlay", ["{0}provision"]),
                                          *self.overlay]), []

    def do_config(self):
        """Attributes of its entry in cn=config; half of the time what the others need."""
        if self.chance(0.5):
            return wire.modify(self.overlay_dn, [(2, "olcProvisionPolicy", [POLICY]), (2, "olcProvisionAccounts", [ACCOUNTS]),
                                                 (2, "olcProvisionBreaker", ["0 0"]), (2, "olcProvisionMemberOf", ["TRUE"]),
                                                 (2, "olcProvisionOnDelete", ["allow"])]), []
        name = self.pick((*CONFIG_VALUES, "olcProvisionAccounts", "olcProvisionAccounts"))
        values = ACCOUNT_URLS if name == "olcProvisionAccounts" else CONFIG_VALUES[name]
        count = 0 if self.chance(0.15) else 1 if self.chance(0.8) else 2
        return wire.modify(self.overlay_dn, [(self.pick((0, 1, 2, 2, 2)), name, [self.pick(values) for _ in range(count)])]), self.controls((NOOP, MANAGE_DSA_IT))

    KINDS = (("modify", 34), ("add", 20), ("search", 16), ("delete", 8), ("rename", 6), ("compare", 3), ("bind", 6), ("extended", 5))

    def request(self):
        """(kind, bytes, whether an answer is due). The bytes are one message, or something wild."""
        self.number = self.number % 0x7ffffff0 + 1
        if self.chance(0.02):
            return "abandon", wire.message(self.number, wire.abandon(max(1, self.number - self.rng.randrange(5)))), False
        if self.chance(0.002):
            return "unbind", wire.message(self.number, wire.UNBIND), False
        if self.chance(0.01):
            return self.cancelled()
        x = self.rng.random()
        if x < 0.004:
            kind = "end" if x < 0.0002 else "begin" if x < 0.0012 else "config"
        else:
            kind = self.rng.choices([k for k, _ in self.KINDS], [w for _, w in self.KINDS])[0]
        operation, controls = getattr(self, f"do_{kind}")()
        data = wire.message(self.number, operation, controls)
        if b"cn=log" in data and NOOP.encode() in data:  # our overlay is not there (docs/slapd-notes.md)
            data = wire.message(self.number, operation)
        if kind != "end" and self.chance(self.wildness) and not self.unsafe(data):
            return "wild", self.wild(data), False
        return kind, data, not self.endless(kind, data)

    def cancelled(self):
        """An operation and its cancel; of an entry that is there, or slapd does not survive it (docs/slapd-notes.md)."""
        what = self.pick((wire.search(SUFFIX, 2, self.condition(), ["*"]), wire.modify(SUFFIX, [(2, "description", [self.value("description")])])))
        data = wire.message(self.number, what)
        self.number += 1
        return "cancel", data + wire.message(self.number, wire.extended(CANCEL, wire.seq(wire.integer(self.number - 1)))), False

    @staticmethod
    def endless(kind, data):
        """A request that may take the answer from another."""
        return CANCEL.encode() in data or TXN.encode() in data

    @staticmethod
    def unsafe(data):
        """What slapd itself does not survive, or may not, when it is not quite right (docs/slapd-notes.md)."""
        return any(oid.encode() in data for oid in (PRE_READ, POST_READ, CANCEL, SYNC))

    def wild(self, data):
        """A few bytes of it are other ones; mostly inside, so that the outermost length still holds."""
        out = bytearray(data)
        for _ in range(self.rng.choice((1, 1, 1, 2, 5))):
            at = self.rng.randrange(2, len(out)) if len(out) > 2 and self.chance(0.95) else self.rng.randrange(len(out))
            how = self.rng.randrange(5)
            if how == 0:
                out[at] = self.rng.randrange(256)
            elif how == 1:
                out[at] ^= 1 << self.rng.randrange(8)
            elif how == 2:
                out[at] = self.pick((0, 1, 0x7f, 0x80, 0x84, 0xff, 0x30, 0x04, 0x0a))
            elif how == 3:
                end = min(len(out), at + self.rng.randint(1, 9))
                out[at:end] = bytes(end - at)
            else:
                size = min(self.rng.randint(1, 30), len(out) - at)
                out[at:at + size] = out[at:at + size][::-1]
        return bytes(out)


def furnish(s):
    """What the requests name: people, groups, roles."""
    s.admin.add(f"ou=policy2,{SUFFIX}", {"objectClass": "organizationalUnit", "ou": "policy2"})
    s.admin.add(f"ou=sub,{PEOPLE}", {"objectClass": "organizationalUnit", "ou": "sub"})
    for n in range(GROUPS_OF_EACH):
        s.group(f"g{n}")
        s.group(f"q{n}", cls="groupOfUniqueNames")
        s.group(f"p{n}", cls="posixGroup")
    if s.config.module:
        s.pool("uid", 1)
        for n, d in enumerate(("sales", "it", "lab")):
            s.role(f"r{n}", provAssignFilter=f"(departmentNumber={d})", provGroup=[f"g{n}", f"q{n}", f"p{n}", "g7"], provEntitlement=f"{d}:use",
                   provTemplate=list(TEMPLATES[:2]))
    for n in range(0, PERSONS, 2):
        s.account(f"u{n}", departmentNumber=DEPARTMENTS[n % 3])
