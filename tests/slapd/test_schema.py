"""Our schema: as the module registers it, as schema/ ships it, and beside that of others."""

import re
import subprocess
from pathlib import Path

import ldap
import ldap.schema
import pytest

from harness import TOP, StartFailed
from ldapclient import OID, refused
from slapdconf import SLAPD_SCHEMAS

SCHEMA = TOP / "schema"
OPERATIONAL = re.compile(r" NO-USER-MODIFICATION USAGE directoryOperation| USAGE directoryOperation")


def subschema(s):
    """(number, definition) of what is ours and visible, attribute types and classes apart."""
    e = s.admin.search("cn=Subschema", attrs=("attributeTypes", "objectClasses"), scope=ldap.SCOPE_BASE)[0]
    found = []
    for attr, arc in (("attributetypes", ".1."), ("objectclasses", ".2.")):
        of_arc = {}
        for definition in e[attr]:
            oid = definition.split()[1]
            if oid.startswith(OID + arc):
                of_arc[int(oid.rsplit(".", 1)[1])] = definition
        found.append(of_arc)
    return found


def operational(definition):
    return "NO-USER-MODIFICATION" in definition


def as_in_a_file(definition):
    return re.sub(r" NO-USER-MODIFICATION| USAGE directoryOperation", "", definition)


def plain_server(make_slapd, style):
    """Without the module, with the schema from its file."""
    s = make_slapd(style, provision=None, start=False, base=False)
    if style == "conf":
        conf = s.dir / "slapd.conf"
        text = conf.read_text().replace("modulepath", f"include {SCHEMA}/provision.schema\nmodulepath", 1)
        conf.write_text(text)
    else:
        s.tool("slapadd", "-n0", "-l", SCHEMA / "provision.ldif")
    s.start()
    return s


def test_the_files_define_what_the_module_defines(make_slapd, style):
    ours = subschema(make_slapd(style, base=False))
    files = subschema(plain_server(make_slapd, style))
    for with_module, from_file in zip(ours, files):
        assert len(with_module) >= 5
        assert {n: as_in_a_file(d) for n, d in with_module.items()} == from_file


def test_operational_attributes_are_operational_with_the_module(slapd):
    types, _ = subschema(slapd)
    marked = set(re.findall(r"# operational\nattributetype \( \S+\n\tNAME '(\w+)'",
                            (SCHEMA / "provision.schema").read_text()))
    assert {re.search(r"NAME '(\w+)'", d)[1] for d in types.values() if operational(d)} == marked
    assert {"provEffectiveRole", "provGrant", "provStateSince", "provChangeId", "provCreateReason"} <= marked
    dn = slapd.account("ada")
    with refused(ldap.CONSTRAINT_VIOLATION, "provEffectiveRole"):
        slapd.admin.modify(dn, add={"provEffectiveRole": slapd.role_dn("x")})


def test_every_number_is_in_the_registry_once(slapd):
    registry = (SCHEMA / "OIDS.md").read_text()
    for arc, found in zip("12", subschema(slapd)):
        section = registry.split(f"## .{arc} ")[1].split("\n## ")[0]
        rows = dict((int(n), name) for n, name in re.findall(r"^\| (\d+) \| `(\w+)`", section, re.M))
        names = re.findall(r"^\| \d+ \| `(\w+)`", section, re.M)
        assert len(names) == len(set(names)) == len(rows)
        for number, definition in found.items():
            assert rows[number] == re.search(r"NAME '(\w+)'", definition)[1]
        free = int(re.search(rf"^\| `\.{arc}` \| .* \| (\d+) \|", registry, re.M)[1])
        assert free == max(rows) + 1


def test_numbers_of_the_configuration_are_in_the_registry(slapd):
    registry = (SCHEMA / "OIDS.md").read_text()
    e = slapd.admin.search("cn=Subschema", attrs=("attributeTypes", "objectClasses"), scope=ldap.SCOPE_BASE)[0]
    found = {}
    for d in e["attributetypes"] + e["objectclasses"]:
        if "olcProvision" in d.split("DESC")[0]:
            found[d.split()[1]] = re.search(r"NAME '(\w+)'", d)[1]
    if not found:  # cn=config's schema is hidden from cn=subschema
        text = (TOP / "overlay/slapd/config.c").read_text()
        found = {f"{OID}.3.{n}": name for n, name in re.findall(r'AT\("(\d+)",\s*"(\w+)"', text)}
    assert len(found) >= 10
    for oid, name in found.items():
        arc, number = oid[len(OID) + 1:].split(".")
        assert re.search(rf"^\| {number} \| `{name}`", registry.split(f"## .{arc} ")[1], re.M)


def test_owner_and_manager_are_allowed_though_their_schema_loads_after_the_module(make_slapd, style):
    s = make_slapd(style)
    s.role("clerk", owner=s.rootdn)
    dn = s.account("ada")
    s.admin.add(f"cn=robot,ou=people,{s.suffix}", {
        "objectClass": ["organizationalRole", "provAccount"], "cn": "robot", "provType": "service",
        "owner": dn, "manager": dn})
    assert s.admin.get(f"cn=robot,ou=people,{s.suffix}").one("owner") == dn


def test_our_attributes_can_be_searched_by_value(slapd):
    slapd.role("clerk", provStatus="draft", provEntitlement="Wiki:Write")
    find = slapd.admin.search
    assert len(find(slapd.policy, "(provStatus=DRAFT)")) == 1
    assert len(find(slapd.policy, "(provEntitlement=Wiki:*)")) == 1
    assert not find(slapd.policy, "(provEntitlement=wiki:write)")
    slapd.account("ada", provEndTime="20300101000000Z", provSourceKey="A7")
    assert len(find(slapd.suffix, "(provEndTime<=20300101000001Z)")) == 1
    assert not find(slapd.suffix, "(provEndTime<=20291231235959Z)")


@pytest.mark.parametrize("attribute,value", [
    ("provEndTime", "tomorrow"), ("provAssignedRole", "not a dn"), ("provState", ""),
])
def test_a_value_of_another_syntax_is_refused(slapd, attribute, value):
    dn = slapd.account("ada")
    with refused(ldap.INVALID_SYNTAX):
        slapd.admin.modify(dn, add={"objectClass": "provAccount", attribute: value})


def test_the_module_does_not_load_where_a_file_has_defined_its_schema(make_slapd):
    s = make_slapd(start=False, base=False)
    conf = s.dir / "slapd.conf"
    conf.write_text(conf.read_text().replace("modulepath", f"include {SCHEMA}/provision.schema\nmodulepath", 1))
    with pytest.raises(StartFailed, match="take provision.schema or provision.ldif out of this server's configuration"):
        s.start()
    s.expect_log("")


def test_a_server_with_the_module_does_not_take_the_file(make_slapd):
    s = make_slapd("config", base=False)
    done = subprocess.run(["ldapadd", "-H", s.ldapi, "-x", "-D", "cn=config", "-w", s.rootpw, "-f",
                           str(SCHEMA / "provision.ldif")], capture_output=True, text=True)
    assert done.returncode and "Duplicate attributeType" in done.stderr
    s.expect_log("Duplicate attributeType", "config_add_internal")
    s.restart()


# -- memberOf ---------------------------------------------------------------------------


def memberof_of(s):
    e = s.admin.search("cn=Subschema", attrs=("attributeTypes",), scope=ldap.SCOPE_BASE)[0]
    return [d for d in e["attributetypes"] if "NAME 'memberOf'" in d]


@pytest.mark.parametrize("order", ["before", "after", "none"])
def test_memberof_is_defined_once_beside_the_stock_module(make_slapd, style, order):
    s = make_slapd(style, start=False, base=False)
    if order != "none":
        s.config.extra_modules.append("memberof.so")
        if order == "after":
            usual = s.config.modules
            s.config.modules = lambda: ["back_mdb.so", s.config.module, "memberof.so"]
            assert set(usual()) == set(s.config.modules())
        if style == "config":
            subprocess.run(["rm", "-r", str(s.dir / "slapd.d")], check=True)
        s.configure()
    s.start()
    assert len(memberof_of(s)) == 1
    assert "NO-USER-MODIFICATION" in memberof_of(s)[0]
    s.restart()


def msuser(s):
    """The schema files that Active Directory's users come with define memberOf, too."""
    names = [p for p in (f"{SLAPD_SCHEMAS}/msuser.ldif", f"{SLAPD_SCHEMAS}/msuser.schema") if Path(p).exists()]
    if len(names) < 2:
        pytest.skip("this slapd has no msuser schema")
    return names


def test_memberof_of_a_schema_file_without_an_equality_rule_cannot_be_kept(make_slapd):
    for keep in ("on", "off"):
        s = make_slapd(provision={"provision-memberof": keep}, start=False, base=False, index=[])
        _, schema = msuser(s)
        conf = s.dir / "slapd.conf"
        conf.write_text(conf.read_text().replace("modulepath", f"include {schema}\nmodulepath", 1))
        if keep == "on":
            with pytest.raises(StartFailed, match="equality rule, so it cannot be kept"):
                s.start()
            s.expect_log("")
        else:
            s.start()
            assert len(memberof_of(s)) == 1 and "NO-USER-MODIFICATION" not in memberof_of(s)[0]


def test_a_server_whose_cn_config_holds_that_file_loads_the_module_without_memberof(make_slapd):
    s = make_slapd("config", {"provision-memberof": None}, start=False, base=False, index=[])
    ldif, _ = msuser(s)
    subprocess.run(["rm", "-r", str(s.dir / "slapd.d")], check=True)
    s.config.module += " without-memberof"
    s.configure()
    s.tool("slapadd", "-n0", "-l", ldif)
    s.start()
    assert len(memberof_of(s)) == 1
    with refused(ldap.OTHER, "memberOf"):
        s.config_client().modify(s.config.overlay_dn, replace={"olcProvisionMemberOf": "TRUE"})
    s.expect_log("cannot be kept", "cannot use memberOf")
    s.restart()


def test_memberof_is_there_when_it_is_first_needed_later(make_slapd):
    s = make_slapd("config", {"provision-memberof": None}, start=False, base=False, index=[])
    subprocess.run(["rm", "-r", str(s.dir / "slapd.d")], check=True)
    s.config.module += " without-memberof"
    s.configure()
    s.start()
    assert not memberof_of(s)
    s.config_client().modify(s.config.overlay_dn, replace={"olcProvisionMemberOf": "TRUE"})
    assert len(memberof_of(s)) == 1
    s.restart()
    assert s.config_client().get(s.config.overlay_dn).one("olcProvisionMemberOf") == "TRUE"


def test_an_unknown_module_argument_is_refused(make_slapd):
    s = make_slapd(start=False, base=False)
    conf = s.dir / "slapd.conf"
    conf.write_text(re.sub(r"(moduleload \S*provision\S*)", r"\1 quickly", conf.read_text()))
    with pytest.raises(StartFailed, match='unknown module argument "quickly"'):
        s.start()
    s.expect_log("")
