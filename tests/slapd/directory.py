"""What the tests' directory looks like, and short words for putting things into it.

A mixin of harness.Slapd: everything here goes over LDAP as the rootdn, unless said
otherwise. Names are short: account("ada") is uid=ada,ou=people,..., group("staff") is
cn=staff,ou=groups,...; a name that holds "=" is taken as a DN.
"""

import ldap

SUFFIX = "dc=example,dc=com"
PEOPLE, GROUPS, APPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}", f"ou=apps,{SUFFIX}"
ARCHIVE = f"ou=archive,{SUFFIX}"
POLICY = f"ou=provisioning,{SUFFIX}"
ROLES, POOLS, CONNECTORS = f"ou=roles,{POLICY}", f"ou=pools,{POLICY}", f"ou=connectors,{POLICY}"
# groupOfNames wants a member: an entry that is no account takes the place
NOBODY = f"cn=nobody,{SUFFIX}"
HR = f"cn=hr,{APPS}"

BASE = f"""\
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

""" + "".join(f"dn: {dn}\nobjectClass: organizationalUnit\nou: {dn.split(',')[0][3:]}\n\n" for dn in (
    PEOPLE, GROUPS, APPS, ARCHIVE)) + f"""\
dn: {NOBODY}
objectClass: organizationalRole
cn: nobody

""" + "".join(f"""\
dn: cn={name},{APPS}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: {name}
userPassword: {name}-secret
authzTo: ldap:///{SUFFIX}??sub?(objectClass=*)

""" for name in ("hr", "desk"))

POLICY_TREE = "".join(f"dn: {dn}\nobjectClass: organizationalUnit\nou: {dn.split(',')[0][3:]}\n\n" for dn in (
    POLICY, ROLES, POOLS, CONNECTORS))


def dn_of(name, attr, parent):
    return name if "=" in name else f"{attr}={name},{parent}"


class Directory:
    def base_ldif(self):
        return BASE + POLICY_TREE

    # -- names --------------------------------------------------------------------------

    def person_dn(self, name):
        return dn_of(name, "uid", PEOPLE)

    def group_dn(self, name):
        return dn_of(name, "cn", GROUPS)

    def role_dn(self, name):
        return dn_of(name, "cn", ROLES)

    # -- things -------------------------------------------------------------------------

    def account(self, uid, *, client=None, controls=None, password=None, **attrs):
        """Add a person. Attributes given replace the usual ones; None leaves one out."""
        dn = self.person_dn(uid)
        name = dn.split(",")[0].split("=")[1]
        entry = {"objectClass": ["inetOrgPerson"], "uid": name, "cn": name.capitalize(), "sn": name.capitalize(),
                 "givenName": name.capitalize(), "userPassword": password or f"{name}-pw"}
        entry.update(attrs)
        if any(a.startswith("prov") for a in entry):
            entry["objectClass"] = list(entry["objectClass"]) + ["provAccount"]
        (client or self.admin).add(dn, entry, controls)
        return dn

    def group(self, cn, members=(), cls="groupOfNames", **attrs):
        """groupOfNames and groupOfUniqueNames begin with cn=nobody; posixGroup takes uids."""
        dn = self.group_dn(cn)
        entry = {"objectClass": [cls], "cn": dn.split(",")[0][3:]}
        if cls == "groupOfNames":
            entry["member"] = [NOBODY, *map(self.person_dn, members)]
        elif cls == "groupOfUniqueNames":
            entry["uniqueMember"] = [NOBODY, *map(self.person_dn, members)]
        elif cls == "posixGroup":
            entry.update(gidNumber=attrs.pop("gidNumber", "5000"))
            if members:
                entry["memberUid"] = list(members)
        entry.update(attrs)
        self.admin.add(dn, entry)
        return dn

    def role(self, cn, *, client=None, controls=None, **attrs):
        """provGroup, provInclude, ... may be short names. Without provStatus a role is active."""
        dn = self.role_dn(cn)
        entry = {"objectClass": ["provRole"], "cn": dn.split(",")[0][3:]}
        entry.update(attrs)
        for a, full in (("provGroup", self.group_dn), ("provInclude", self.role_dn), ("provConflict", self.role_dn),
                        ("provPrerequisite", self.role_dn)):
            if a in entry:
                v = entry[a]
                entry[a] = [full(x) for x in (v if isinstance(v, (list, tuple)) else [v])]
        (client or self.admin).add(dn, entry, controls)
        return dn

    def pool(self, cn, first=1000, last=None, **attrs):
        dn = dn_of(cn, "cn", POOLS)
        entry = {"objectClass": ["provPool"], "cn": cn, "provPoolNext": first}
        if last is not None:
            entry["provPoolMax"] = last
        self.admin.add(dn, {**entry, **attrs})
        return dn

    def connector(self, cn, target, **attrs):
        dn = dn_of(cn, "cn", CONNECTORS)
        self.admin.add(dn, {"objectClass": ["provConnector"], "cn": cn, "provConnectorType": "exec",
                            "provTarget": target, **attrs})
        return dn

    # -- changes ------------------------------------------------------------------------

    def set(self, uid, *, client=None, controls=None, **attrs):
        """Replace attributes of a person."""
        return (client or self.admin).modify(self.person_dn(uid), replace=attrs, controls=controls)

    def leave(self, uid, *, client=None, controls=None, state="terminated"):
        return self.state_of(uid, state, client=client, controls=controls)

    def state_of(self, uid, state, *, client=None, controls=None):
        dn = self.person_dn(uid)
        e = self.admin.get(dn, "objectClass")
        if "provaccount" not in [c.lower() for c in e["objectClass"]]:
            return (client or self.admin).modify(dn, add={"objectClass": "provAccount"}, replace={"provState": state},
                                                 controls=controls)
        return (client or self.admin).modify(dn, replace={"provState": state}, controls=controls)

    # -- questions ----------------------------------------------------------------------

    def person(self, uid, *attrs):
        return self.admin.get(self.person_dn(uid), *attrs)

    def members(self, group):
        """Members of a group by short name where they have one, without cn=nobody."""
        e = self.admin.get(self.group_dn(group))
        found = e["member"] + e["uniqueMember"] + e["memberUid"]
        return sorted(m.split(",")[0][4:] if m.startswith("uid=") and m.endswith(PEOPLE) else m
                      for m in found if m and m != NOBODY)

    def groups_of(self, uid):
        """cn of the groups that memberOf tells."""
        return sorted(dn.split(",")[0][3:] for dn in self.person(uid, "memberOf")["memberOf"])

    def roles_of(self, uid):
        """cn of the roles in force."""
        return sorted(dn.split(",")[0][3:] for dn in self.person(uid, "provEffectiveRole")["provEffectiveRole"])

    def grants(self, uid):
        return [Grant(v) for v in self.person(uid, "provGrant")["provGrant"]]

    def exceptions(self, uid):
        return [Grant(v) for v in self.person(uid, "provException")["provException"]]

    def may_bind(self, uid, password=None, **kw):
        """True or False; any other failure than invalid credentials is an error, and so is a text."""
        name = self.person_dn(uid).split(",")[0].split("=")[1]
        try:
            self.client(self.person_dn(uid), password or f"{name}-pw", **kw)
            return True
        except ldap.INVALID_CREDENTIALS as error:
            assert not error.args[0].get("info"), f"the refusal tells something: {error}"
            return False

    def monitor(self):
        """The overlay's figures below cn=Monitor: one Entry."""
        found = self.admin.search("cn=Databases,cn=Monitor", "(objectClass=provMonitor)")
        assert len(found) == 1, [e.dn for e in found]
        return found[0]


class Grant:
    """A provGrant or provException value, taken apart (docs/formats.md)."""

    def __init__(self, value):
        fields = [f.replace("\\24", "$").replace("\\5C", "\\").replace("\\5c", "\\") for f in value.split("$")]
        assert len(fields) == 7, f"not 7 fields: {value!r}"
        self.kind, self.origin, self.since, self.change, self.role, self.tag, self.what = fields
        self.role_cn = self.role.split(",")[0][3:]

    def __repr__(self):
        return f"<{self.kind} {self.origin} {self.role_cn}: {self.what}>"
