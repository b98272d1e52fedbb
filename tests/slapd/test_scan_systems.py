"""provctl scan with sources and targets that others have written: a SCIM server, a domain controller."""

import os
import subprocess

import pytest

from directory import PEOPLE, SUFFIX
from sambadc import DOMAIN, STAFF, SambaDc
from test_scan_checks import dns, scan
from test_scim import ENTERPRISE, TOKEN, servers  # noqa: F401 (a fixture)


@pytest.fixture
def s(slapd):
    slapd.account("ada", employeeNumber="E0", mail="ada@example.com")
    slapd.account("bob", employeeNumber="E1", mail="bob@example.com")
    return slapd


@pytest.fixture
def scim(s, pki, servers):  # noqa: F811
    server = servers()
    (s.dir / "token").write_text(TOKEN + "\n")
    (s.dir / "token").chmod(0o600)
    return server, f"scim:https://localhost:{server.port}/scim?token={s.dir}/token&ca={pki}/ca.pem"


def seed(server, name, number, active=True):
    server.call("/seed", "POST", {"userName": name, "active": active, "emails": [{"value": f"{name}@example.com"}],
                                  "name": {"familyName": name.capitalize()}, ENTERPRISE: {"employeeNumber": number}})


def test_a_scim_server_as_a_source(s, scim):
    server, name = scim
    for n, person in enumerate(("ada", "bob", "new")):
        seed(server, person, f"E{n}", active=person != "bob")
    for column in (f"{ENTERPRISE}:employeeNumber",):
        source = f"{name}&key=employeeNumber&column={column}&status=active&left=false"
        found = scan(s, "--source", source, check=1)
        assert sorted((f["id"], f["dn"]) for f in found) == [("LEAVER_ACTIVE", s.person_dn("bob")),
                                                             ("MISSING_ACCOUNT", "employeeNumber=E2")]
    found = scan(s, "--source", f"{name}&key=mail&column=emails.value", check=1)
    assert dns(found, "MISSING_ACCOUNT") == ["mail=new@example.com"] and len(found) == 1


def test_a_scim_server_as_a_target(s, scim):
    server, name = scim
    for n, person in enumerate(("ada", "ghost", "off")):
        seed(server, person, f"E{n}", active=person != "off")
    assert dns(scan(s, "--target", name, check=1), "ORPHAN_TARGET") == ["ghost"]


def test_a_scim_server_that_is_broken_is_no_source(s, scim):
    server, name = scim
    seed(server, "ada", "E0")
    source = f"{name}&key=employeeNumber&column={ENTERPRISE}:employeeNumber"
    for how, code, word in (({"status": 500}, 2, "HTTP 500"), ({"fault": "nonsense"}, 3, "not JSON"),
                            ({"fault": "reset"}, 2, "")):
        server.behave(**how)
        done = s.provctl("scan", "--source", source, check=code)
        assert word in done.stderr and done.stdout == ""
    server.behave()
    (s.dir / "token").write_text("wrong")
    assert "HTTP 401" in s.provctl("scan", "--source", source, check=2).stderr
    (s.dir / "token").chmod(0o644)
    assert "chmod" in s.provctl("scan", "--source", source, check=2).stderr
    s.provctl("scan", "--source", source.replace("https:", "http:"), check=2)


@pytest.mark.skipif(os.geteuid() != 0, reason="a domain controller's ports need root")
def test_accounts_of_a_domain_that_nobody_owns(s):
    dc = SambaDc()
    try:
        for login, control in (("ada", "544"), ("ghost", "544"), ("off", "546")):
            dc.admin.add(f"CN={login},{STAFF}", {"objectClass": "user", "sAMAccountName": login,
                                                 "userPrincipalName": f"{login}@{DOMAIN}", "userAccountControl": control})
        (s.dir / "pw").write_text(dc.rootpw)
        (s.dir / "pw").chmod(0o600)
        who = f"bind={dc.rootdn}&password={s.dir}/pw&ca={dc.dir}/pki/ca.pem"
        url = f"ldap:{dc.ldaps}/{STAFF}??sub?(objectCategory=person)?"
        found = scan(s, "--target", f"{url}key=uid&column=sAMAccountName&{who}", check=1)
        assert [(f["dn"], f["id"]) for f in found] == [(f"CN=ghost,{STAFF}", "ORPHAN_TARGET")]
        s.account("ghost", mail=f"ghost@{DOMAIN}")
        found = scan(s, "--target", f"{url}key=mail&column=userPrincipalName&{who}", check=1)
        assert dns(found, "ORPHAN_TARGET") == [f"CN=ada,{STAFF}"]
        wrong = f"bind={dc.rootdn}&password={s.dir}/pw"  # whose certificate nobody vouches for
        s.provctl("scan", "--target", f"{url}key=uid&column=sAMAccountName&{wrong}", check=2)
    finally:
        dc.close()


def test_remedies_do_what_they_say(s):
    """Each goes into ldapmodify as it is, and what it was for is no finding any more."""
    s.group("sales")
    s.group("unix", cls="posixGroup")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup=["sales", "unix"],
           provTemplate=["add description: sells: zoë"])
    for name in ("eve", "kim", "lee", "late", "gone", "left"):
        s.account(name, departmentNumber="sales")
    s.account("svc", provType="service", manager=s.person_dn("ada"), employeeNumber="E9")
    s.set("bob", manager=s.person_dn("ghost"))
    s.admin.modify(s.group_dn("sales"), add={"member": s.person_dn("ghöst")})
    s.set("late", provEndTime="20991231000000Z")
    s.stop()
    s.tool("slapmodify", "-q", "-b", SUFFIX, input="".join(f"dn: {dn}\nchangetype: modify\n{how}\n\n" for dn, how in (
        (s.group_dn("sales"), f"delete: member\nmember: {s.person_dn('eve')}"), (s.group_dn("unix"), "delete: memberUid\nmemberUid: lee"),
        (s.person_dn("kim"), "delete: description"), (s.person_dn("late"), "replace: provEndTime\nprovEndTime: 20200101000000Z"),
        (s.person_dn("gone"), "replace: provState\nprovState: terminated"))))
    s.start()
    (s.dir / "hr.csv").write_text("employeeNumber,s\nE0,here\nE1,left\nE9,left\n")
    args = ("--source", f"csv:{s.dir}/hr.csv?key=employeeNumber&status=s&left=left")
    found = scan(s, *args, check=1)
    assert {f["id"] for f in found} == {"LEAVER_ACTIVE", "EXPIRED_ACTIVE", "ORPHAN_SOURCE", "MISSING_GRANT", "DANGLING_MEMBER",
                                        "DANGLING_REFERENCE", "LEAVER_LEFTOVER"}
    by_hand = [f for f in found if not f.get("ldif")]  # a service; groups that go with the leaver's roles
    assert {(f["id"], f["dn"]) for f in by_hand} == {("LEAVER_ACTIVE", s.person_dn("svc")),
                                                     ("LEAVER_LEFTOVER", s.person_dn("gone"))}
    ldif = "".join(f.get("ldif", "") for f in found)
    assert "changetype: delete" not in ldif
    done = subprocess.run(["ldapmodify", "-c", "-Q", "-Y", "EXTERNAL", "-H", s.ldapi], input=ldif, text=True, capture_output=True,
                          env=s.env, timeout=60)
    assert done.returncode == 0, done.stderr + ldif
    found = scan(s, *args, check=1)  # who has no record is suspended now, and a person has to go on
    assert dns(found, "LEAVER_ACTIVE") == [s.person_dn("svc")]
    assert dns(found, "ORPHAN_SOURCE") == [s.person_dn(n) for n in ("eve", "kim", "lee", "left")] and len(found) == 5
    assert not any("ldif" in f for f in found)
    assert s.person("bob", "provState").one("provState") == "suspended"
    assert s.exceptions("eve") == [] and f"uid=eve,{PEOPLE}" in s.admin.get(s.group_dn("sales"), "member")["member"]
