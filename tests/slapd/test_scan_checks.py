"""provctl scan, check by check: a planted defect is found, and the near miss beside it is not."""

import re
import subprocess
import time
from datetime import datetime, timedelta, timezone

import pytest

from directory import PEOPLE, SUFFIX
from harness import PROVCTL, wait_until


def ago(**how):
    return (datetime.now(timezone.utc) - timedelta(**how)).strftime("%Y%m%d%H%M%SZ")


def offline(s, *changes):
    """Behind the overlay's back: (dn, "replace"|"add"|"delete", attribute, value) by slapmodify."""
    s.stop()
    s.tool("slapmodify", "-q", "-b", SUFFIX, input="".join(
        f"dn: {dn}\nchangetype: modify\n{op}: {a}\n" + (f"{a}: {v}\n" if v is not None else "") + "\n"
        for dn, op, a, v in changes))
    s.start()


def scan(s, *args, check=None, only=None):
    more = [x for c in ([only] if only else []) for x in ("--check", c)]
    return [x for x in s.provctl_json("scan", *more, *args, check=check) if "id" in x]  # without the summary


def dns(found, id):
    return sorted(f["dn"] for f in found if f["id"] == id)


def csv(s, text, name="hr.csv", more=""):
    (s.dir / name).write_text(text)
    return f"csv:{s.dir / name}?key=employeeNumber{more}"


def ldapmodify(s, ldif):
    done = subprocess.run(["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", s.ldapi], input=ldif, text=True, capture_output=True,
                          env=s.env)
    assert done.returncode == 0, done.stderr + ldif


@pytest.fixture
def s(slapd):
    slapd.account("ada", employeeNumber="E0")
    slapd.account("bob", employeeNumber="E1")
    return slapd


# -- by the source ----------------------------------------------------------------------------------

HERE = "employeeNumber,status\nE0,active\nE1,active\n"


def test_a_leaver_of_the_source_who_works_is_found_and_one_who_is_suspended_is_not(s):
    s.account("eve", employeeNumber="E2")
    s.account("sue", employeeNumber="E3", provState="suspended")
    s.account("tom", employeeNumber="E4")
    source = csv(s, HERE + "E2,Left\nE3,left\nE4,\n", more="&status=status&left=left,gone")
    found = scan(s, "--source", source, check=1)
    assert [(f["id"], f["dn"], f["related"]) for f in found] == [("LEAVER_ACTIVE", s.person_dn("eve"), "E2")]
    assert found[0]["severity"] == "critical"


def test_a_record_without_an_account_is_missing_unless_it_left(s):
    source = csv(s, HERE + "E7,active\nE8,gone\n", more="&status=status&left=gone")
    [f] = scan(s, "--source", source, check=1)
    assert (f["id"], f["dn"]) == ("MISSING_ACCOUNT", "employeeNumber=E7")


def test_rules_correlate_what_has_no_key_and_dispute_what_is_ambiguous(s):
    s.account("eve", mail="eve@example.com")
    s.account("sam", cn="Sam Same")
    s.account("sam2", cn="Sam Same")
    s.account("nil", mail="nil@example.com")
    source = csv(s, "employeeNumber,address,name\nE0,,Ada\nE1,,Bob\nE2,EVE@example.com,Eve\nE3,,sam same\n")
    found = scan(s, "--source", source, "--match", "mail=address", "--match", "cn=name", check=1)
    assert dns(found, "DISPUTED") == sorted([s.person_dn("sam"), s.person_dn("sam2")])
    assert dns(found, "ORPHAN_SOURCE") == [s.person_dn("nil")]
    assert len(found) == 3  # and E3 is not missing


def test_a_rule_that_finds_a_record_of_somebody_else_is_disputed(s):
    s.account("ada2", mail="ada@example.com")
    source = csv(s, "employeeNumber,address\nE0,ada@example.com\nE1,bob@example.com\n")
    found = scan(s, "--source", source, "--match", "mail=address", check=1)
    assert [(f["id"], f["dn"]) for f in found] == [("DISPUTED", s.person_dn("ada2"))]


def test_an_account_with_two_peoples_keys_is_disputed(s):
    s.set("bob", employeeNumber=["E1"])
    s.account("two", carLicense=["E1", "E0"])
    s.set("ada", carLicense="E0")
    s.set("bob", carLicense="E1")
    (s.dir / "x.csv").write_text("k\nE0\nE1\n")
    found = scan(s, "--source", f"csv:{s.dir}/x.csv?key=carLicense&column=k", "--check", "DISPUTED", check=1)
    assert dns(found, "DISPUTED") == [s.person_dn("two")]


def test_a_required_attribute_that_a_person_lacks(s):
    s.set("ada", title="Dr")
    s.account("svc", provType="service", owner=None, manager=s.person_dn("ada"))
    [f] = scan(s, "--require", "title", "--require", "sn", check=1)
    assert f["id"] == "INCOMPLETE" and f["dn"] == s.person_dn("bob") and "title" in f["text"] and "sn" not in f["text"]


def test_checks_that_need_an_option_say_so(s):
    for check in ("ORPHAN_SOURCE", "LEAVER_ACTIVE", "MISSING_ACCOUNT", "DISPUTED", "INCOMPLETE", "ORPHAN_TARGET"):
        assert "needs --" in s.provctl("scan", "--check", check, check=2).stderr


# -- by its use -----------------------------------------------------------------------------------------


def aged(s, *names, days=400):
    """Accounts as a slapadd of a backup brings them."""
    s.stop()
    s.slapadd("".join(f"dn: {s.person_dn(n)}\nobjectClass: inetOrgPerson\nuid: {n}\ncn: {n}\nsn: {n}\n"
                      f"createTimestamp: {ago(days=days)}\n\n" for n in names))
    s.start()


def test_accounts_that_nobody_uses(s):
    s.account("new")
    aged(s, "old", "never", "asleep")
    s.state_of("asleep", "suspended")
    offline(s, (s.person_dn("ada"), "replace", "pwdLastSuccess", ago(days=89)),
            (s.person_dn("bob"), "replace", "pwdLastSuccess", ago(days=91)))
    found = scan(s, check=1)
    assert dns(found, "DORMANT") == [s.person_dn("bob")]
    assert dns(found, "NEVER_USED") == sorted([s.person_dn("never"), s.person_dn("old")])
    assert len(found) == 3
    [f] = [f for f in found if f["id"] == "DORMANT"]
    assert re.search(r"since \d{4}-\d\d-\d\d", f["text"])
    assert dns(scan(s, "--dormant", "95", "--check", "DORMANT", check=0), "DORMANT") == []


def test_kinds_of_accounts_have_limits_of_their_own(s):
    for name, kind in (("svc", "service"), ("svc2", "service"), ("adm", "admin"), ("glass", "admin")):
        s.account(name, provType=kind, manager=s.person_dn("ada"))
    use = {"ada": 1, "bob": 1, "svc": 100, "svc2": 190, "adm": 40, "glass": 300}
    offline(s, *[(s.person_dn(n), "replace", "pwdLastSuccess", ago(days=d)) for n, d in use.items()])
    glass = ("--break-glass", "(uid=glass)")
    assert dns(scan(s, *glass, check=1), "DORMANT") == sorted([s.person_dn("adm"), s.person_dn("svc2")])
    found = scan(s, *glass, "--dormant-break-glass", "200", "--dormant-service", "99", "--dormant-admin", "50", check=1)
    assert dns(found, "DORMANT") == sorted(s.person_dn(n) for n in ("glass", "svc", "svc2"))


def test_logins_elsewhere_count(s):
    aged(s, "eve", "kim")
    (s.dir / "sso.csv").write_text(f"user,last\nEVE,{(datetime.now(timezone.utc) - timedelta(days=2)).isoformat()[:10]}\n"
                                   f"eve,2001-01-01 10:00\nbob,1500000000\nkim,\n")
    logins = f"csv:{s.dir}/sso.csv?key=uid&column=user&time=last"
    found = scan(s, "--logins", logins, check=1)
    assert sorted((f["id"], f["dn"]) for f in found) == [("DORMANT", s.person_dn("bob")), ("NEVER_USED", s.person_dn("kim"))]
    (s.dir / "sso.csv").write_text("user,last\nada,yesterday\n")
    assert "no time" in s.provctl("scan", "--logins", logins, check=3).stderr


def test_where_no_use_is_known_nobody_is_unused(s):
    aged(s, "eve")
    assert scan(s, check=0) == []
    assert "nobody knows" in s.provctl("scan", "--check", "NEVER_USED", check=0).stderr


# -- by its state ----------------------------------------------------------------------------------------


def test_past_its_end_and_working_or_suspended_too_long(s):
    for name in ("late", "soon", "ended", "stale", "fresh"):
        s.account(name, objectClass=["inetOrgPerson", "provAccount"])
    s.state_of("stale", "suspended")
    s.state_of("fresh", "suspended")
    s.set("soon", provEndTime=(datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y%m%d%H%M%SZ"))
    s.leave("ended")
    offline(s, (s.person_dn("late"), "replace", "provEndTime", ago(days=3)),
            (s.person_dn("ended"), "replace", "provEndTime", ago(days=3)),
            (s.person_dn("stale"), "replace", "provStateSince", ago(days=181)),
            (s.person_dn("fresh"), "replace", "provStateSince", ago(days=179)))
    found = scan(s, check=1)
    assert sorted((f["id"], f["dn"]) for f in found) == [("EXPIRED_ACTIVE", s.person_dn("late")),
                                                         ("STALE_SUSPENDED", s.person_dn("stale"))]
    assert scan(s, "--stale-suspended", "0", "--check", "STALE_SUSPENDED", check=0) == []


# -- by what it refers to ---------------------------------------------------------------------------------


def test_machines_without_a_live_owner(s):
    s.account("gone")
    s.account("asleep")
    machines = {"none": None, "ours": "ada", "theirs": "gone", "lost": "nobody-here", "lent": "asleep"}
    for name, owner in machines.items():
        s.account(name, provType="shared", manager=owner and s.person_dn(owner))
    s.account("two", provType="service", manager=[s.person_dn("gone"), s.person_dn("ada")])
    s.account("app", provType="admin", manager=f"cn=hr,ou=apps,{SUFFIX}")
    s.account("left", provType="service")
    s.leave("gone")
    s.leave("left")
    s.state_of("asleep", "suspended")
    found = scan(s, check=1)
    assert dns(found, "OWNERLESS") == sorted(s.person_dn(n) for n in ("none", "theirs", "lost"))
    assert dns(found, "DANGLING_REFERENCE") == [s.person_dn("lost")] and len(found) == 4
    [f] = [f for f in found if f["dn"] == s.person_dn("theirs")]
    assert f["related"] == s.person_dn("gone") and "left since" in f["text"]


def test_the_remedy_for_what_a_leaver_has_left_takes_all_of_it(s):
    """Roles given by hand, too: as when an account ends under the overlay."""
    s.group("staff")
    s.role("staff", provGroup="staff")
    s.role("project")
    day = f"20260101000000Z - {s.role_dn('project')}"
    s.account("eve", provAssignedRole=s.role_dn("staff"), provTimedRole=day)
    s.leave("bob")
    offline(s, (s.person_dn("eve"), "replace", "provState", "terminated"),  # and all it had stays
            (s.person_dn("bob"), "add", "provAssignedRole", s.role_dn("staff")),
            (s.person_dn("bob"), "add", "provTimedRole", day))
    found = {f["dn"]: f for f in scan(s, check=1) if f["id"] == "LEAVER_LEFTOVER" and "ldif" in f}
    assert sorted(found) == [s.person_dn("bob"), s.person_dn("eve")]
    ldapmodify(s, s.provctl("scan", "--ldif", check=1).stdout)
    assert scan(s, check=0) == []
    for name in ("bob", "eve"):
        assert s.person(name)["provAssignedRole"] == s.person(name)["provTimedRole"] == []
    assert s.members("staff") == []


def test_references_to_what_is_not_there(s):
    s.role("staff")
    s.account("eve", manager=s.person_dn("ada"), seeAlso=[f"cn=nobody,{SUFFIX}", s.role_dn("staff")])
    s.account("zoë", manager=s.person_dn("ghost"), seeAlso=f"cn=nothing,{SUFFIX}")
    s.group("owned", owner=s.person_dn("ghost2"))
    s.group("ours", owner=s.person_dn("ada"), seeAlso=s.group_dn("owned"))
    s.account("rôle", provAssignedRole=s.role_dn("staff"))
    offline(s, (s.person_dn("bob"), "add", "provAssignedRole", s.role_dn("never")),
            (s.role_dn("staff"), "add", "provInclude", s.role_dn("lost")))
    s.expect_log("provision: .*")
    found = scan(s, check=1)
    refs = {(f["dn"].split(",")[0], f["related"].split(",")[0]) for f in found if f["id"] == "DANGLING_REFERENCE"}
    zoe = s.admin.search(PEOPLE, "(uid=zoë)", ["1.1"])[0].dn.split(",")[0]
    assert {r for r in refs if r[0] not in (zoe,)} == {("cn=owned", "uid=ghost2"), ("uid=bob", "cn=never"), ("cn=staff", "cn=lost")}
    assert {r[1] for r in refs if r not in (("cn=owned", "uid=ghost2"), ("uid=bob", "cn=never"), ("cn=staff", "cn=lost"))} == {
        "uid=ghost", "cn=nothing"}
    assert {f["id"] for f in found} == {"DANGLING_REFERENCE"}


def test_drift_what_a_role_gives_and_is_not_there(s):
    s.group("sales")
    s.group("unix", cls="posixGroup")
    s.group("unique", cls="groupOfUniqueNames")
    s.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup=["sales", "unix", "unique"],
           provTemplate=["add description: sells $ things", "enforce title: Seller", "default mobile: 1"])
    s.role("again", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    for name in ("eve", "kim", "lee", "max"):
        s.account(name, departmentNumber="sales")
    assert scan(s, check=0) == []
    offline(s, (s.group_dn("sales"), "delete", "member", s.person_dn("eve")),
            (s.group_dn("unix"), "delete", "memberUid", "lee"),
            (s.group_dn("unique"), "delete", "uniqueMember", s.person_dn("max")),
            (s.person_dn("kim"), "delete", "description", None), (s.person_dn("kim"), "delete", "mobile", None))
    found = scan(s, check=1)
    assert {f["id"] for f in found} == {"MISSING_GRANT"}
    assert sorted((f["dn"].split(",")[0], f["related"].split(",")[0]) for f in found) == [
        ("uid=eve", "cn=sales"), ("uid=kim", "description: sells $ things"), ("uid=lee", "cn=unix"),
        ("uid=max", "cn=unique")]


# -- twice ---------------------------------------------------------------------------------------------------


def pairs(found):
    return sorted((f["id"], *(x.split(",")[0].split("=")[1] for x in (f["dn"], f["related"]))) for f in found)


def test_the_same_person_twice(s):
    s.account("k1", provSource="hr", provSourceKey="7")
    s.account("k2", provSource="hr", provSourceKey="7")
    s.account("k3", provSource="other", provSourceKey="7")
    s.account("m1", mail="same@example.com")
    s.account("m2", mail="Same@Example.com")
    s.account("n1", givenName="Zoë", sn="Müller-Groß", employeeNumber="9")
    s.account("n2", givenName="ZOE", sn="Muller Gross", employeeNumber="9")
    s.account("n3", givenName="Zoë", sn="Müller-Groß", employeeNumber="10")
    s.account("b1", givenName="Al", sn="Bo", carLicense="2001-02-03")
    s.account("b2", givenName="Al", sn="Bo", carLicense="2001-02-03")
    s.account("b3", givenName="Al", sn="Bo", carLicense="2001-02-04")
    s.account("gone", mail="old@example.com", provSource="hr", provSourceKey="8")
    s.account("back", provSource="hr", provSourceKey="8")
    s.leave("gone")
    found = scan(s, "--birth-date", "carLicense", check=1)
    assert pairs(found) == sorted(("DUPLICATE", a, b) for x, y in (("k1", "k2"), ("m1", "m2"), ("n1", "n2"), ("b1", "b2"))
                                  for a, b in ((x, y), (y, x)))


def test_the_key_of_the_source_twice(s):
    s.account("ada2", employeeNumber="e0")
    found = scan(s, "--source", csv(s, "employeeNumber\nE0\nE1\n"), check=1)
    assert pairs(found) == [("DUPLICATE", "ada", "ada2"), ("DUPLICATE", "ada2", "ada")]


def test_numbers_and_addresses_that_two_have(s):
    posix = {"objectClass": ["inetOrgPerson", "posixAccount"], "gidNumber": "100", "homeDirectory": "/"}
    s.account("p1", uidNumber="5001", **posix)
    s.account("p2", uidNumber="5001", **posix)
    s.account("p3", uidNumber="5002", **posix)
    s.admin.add(f"ou=more,{PEOPLE}", {"objectClass": ["organizationalUnit"], "ou": "more"})
    s.account(f"uid=ada,ou=more,{PEOPLE}")
    s.set("bob", mail="it@example.com")
    s.account("svc", provType="service", manager=s.person_dn("ada"),
              mail="it@example.com")
    s.group("g1", cls="posixGroup", gidNumber="7001")
    s.group("g2", cls="posixGroup", gidNumber="7001")
    s.group("g3", cls="posixGroup", gidNumber="5001")  # a group may have an account's number
    found = scan(s, check=1)
    assert pairs(found) == sorted(("ID_COLLISION", *p) for p in (
        ("p1", "p2"), ("p2", "p1"), ("ada", "ada"), ("ada", "ada"), ("bob", "svc"), ("svc", "bob"), ("g1", "g2"), ("g2", "g1")))


# -- elsewhere --------------------------------------------------------------------------------------------------


def test_a_leaver_of_whom_a_system_was_not_told(s):
    s.connector("deaf", "/bin/false", provEvent="*", provMaxAttempts="1")
    s.account("eve")
    s.account("kim")
    s.provd_start()
    s.leave("eve")
    s.provctl("outbox", "list", check=0)
    wait_until(lambda: sum("parked" in line for line in s.provctl("outbox", "list").stdout.splitlines()) >= 2, 20)
    found = wait_until(lambda: [f for f in scan(s) if f["id"] == "UNDELIVERED"], 20)
    assert [(f["dn"], f["related"]) for f in found] == [(s.person_dn("eve"), "deaf")]  # kim's are parked, and kim is here
    s.admin.delete(s.person_dn("kim"))
    wait_until(lambda: dns(scan(s), "UNDELIVERED") == [s.person_dn("eve"), s.person_dn("kim")], 20)
    for row in s.provctl_json("outbox", "list"):
        s.provctl("outbox", "drop", "deaf", row["seq"], "--reason", "test")
    assert scan(s, check=0) == []


def test_events_that_wait_are_late_after_a_while(s):
    s.connector("slow", "/bin/true", provEvent="*")
    s.leave("bob")
    wait_until(lambda: s.provctl_json("outbox", "list"), 10)
    assert scan(s, check=0) == []
    wait_until(lambda: dns(scan(s, "--undelivered", "0"), "UNDELIVERED") == [s.person_dn("bob")], 10)


def test_accounts_of_a_machine_that_nobody_owns(s):
    s.account("left")
    s.leave("left")
    (s.dir / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nada:x:1001:100::/home/ada:/bin/sh\n"
                                  "left:x:1002:100::/:/bin/sh\nghost:x:1003:100::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    target = f"passwd:{s.dir}/passwd"
    found = scan(s, "--target", target, check=1)
    assert [(f["id"], f["dn"]) for f in found] == [("ORPHAN_TARGET", "ghost"), ("ORPHAN_TARGET", "left")]
    assert dns(scan(s, "--target", target, "--min-uid", "1003", check=1), "ORPHAN_TARGET") == ["ghost"]
    (s.dir / "passwd").write_text("root:x:0\n")
    assert "seven fields" in s.provctl("scan", "--target", target, check=3).stderr


def test_accounts_of_a_file_that_nobody_owns(s):
    (s.dir / "app.csv").write_text("login,on\nada@example.com,yes\nghost@example.com,yes\noff@example.com,no\n")
    s.set("ada", mail="ada@example.com")
    found = scan(s, "--target", f"csv:{s.dir}/app.csv?key=mail&column=login&status=on&left=no", check=1)
    assert dns(found, "ORPHAN_TARGET") == ["ghost@example.com"]


# -- other kinds of sources --------------------------------------------------------------------------------------------


def test_ldif_as_a_source(s):
    path = s.dir / "hr.ldif"
    path.write_text("version: 1\n\ndn: cn=a,o=hr\nobjectClass: person\nnr: E0\nstate: in\n\n"
                    "# a comment\ndn: cn=b,o=hr\nobjectClass: person\nnr:: RTE=\nstate: o\n ut\n")
    source = f"ldif:{path}?key=employeeNumber&column=nr&status=state&left=out"
    assert dns(scan(s, "--source", source, check=1), "LEAVER_ACTIVE") == [s.person_dn("bob")]
    for bad, word in (("dn: cn=a,o=hr\nnr:< file:///etc/passwd\n", "URL"), ("dn: cn=a\nchangetype: delete\n", "change"),
                      ("", "empty"), ("nr: E0\n", "does not begin"), ("dn: cn=a,o=hr\nnr: \n", "key is empty"),
                      ("dn: cn=a,o=hr\n", "nothing else"), ("dn: cn=a,o=hr\nnr:: *\n", "parse")):
        path.write_text(bad)
        assert word in s.provctl("scan", "--source", source, check=3).stderr, bad


def test_another_directory_as_a_source_and_as_a_target(s, make_slapd):
    other = make_slapd(provision=None)
    other.account("x", employeeNumber="E0", employeeType="staff")
    other.account("y", employeeNumber="E1", employeeType="former")
    (s.dir / "pw").write_text("secret")
    (s.dir / "pw").chmod(0o600)
    who = f"bind=cn=admin%2C{SUFFIX}&password={s.dir}/pw"
    url = f"{other.uri}/{PEOPLE}??sub?(objectClass=inetOrgPerson)"
    source = f"ldap:{url}?key=employeeNumber&status=employeeType&left=former&{who}"
    found = scan(s, "--source", source, check=1)
    assert [(f["id"], f["dn"]) for f in found] == [("LEAVER_ACTIVE", s.person_dn("bob"))]
    found = scan(s, "--target", f"ldap:{url}?key=employeeNumber&{who}", check=0)
    other.account("z", employeeNumber="E9")
    found = scan(s, "--target", f"ldap:{url}?key=employeeNumber&{who}", check=1)
    assert dns(found, "ORPHAN_TARGET") == [f"uid=z,{PEOPLE}"]
    assert "No such object" in s.provctl("scan", "--source", f"ldap:{other.uri}/ou=none,{SUFFIX}?key=uid&{who}", check=2).stderr
    (s.dir / "pw").write_text("wrong")
    assert "credentials" in s.provctl("scan", "--source", source, check=2).stderr


# -- a source that shrank ------------------------------------------------------------------------------------------------


def test_a_source_that_shrank_is_refused_and_nothing_is_told(s):
    rows = "".join(f"X{i},a\n" for i in range(8))
    sizes = ("--sizes", s.dir / "sizes.json")
    assert len(dns(scan(s, "--source", csv(s, HERE + rows), *sizes, check=1), "MISSING_ACCOUNT")) == 8
    for _ in range(2):  # a refused one does not count
        done = s.provctl("scan", "--source", csv(s, HERE + rows[:25]), *sizes, check=3)
        assert "shrank" in done.stderr and done.stdout == ""
    scan(s, "--source", csv(s, HERE + rows[:30]), *sizes, check=1)
    scan(s, "--source", csv(s, HERE), *sizes, "--max-shrink", "80", check=0)
    scan(s, "--source", csv(s, HERE), *sizes, check=0)
    (s.dir / "sizes.json").write_text("{")
    s.provctl("scan", "--source", csv(s, HERE), *sizes, check=2)


def test_sizes_are_kept_in_the_state_directory(s):
    scan(s, "--source", csv(s, HERE + "X0,a\nX1,a\n"), check=1)
    assert (s.state / "scan.json").exists()
    s.provctl("scan", "--source", csv(s, HERE), check=3)


# -- progress ---------------------------------------------------------------------------------------------------


def test_progress_is_told_to_a_terminal_only(s):
    done = s.provctl("scan", check=0)
    assert done.stderr == ""
    out = s.dir / "typescript"
    subprocess.run(["script", "-qec", f"{__import__('harness').PROVCTL} -H {s.ldapi} scan", str(out)], check=True,
                   stdin=subprocess.DEVNULL, capture_output=True, env=s.env, timeout=60)
    assert "0 findings" in out.read_text()


# -- segregation of duties ---------------------------------------------------------------------------

def held_together(s, *roles, wait=1.1, **more):
    """eve holds them, one after the other, before the rule comes."""
    for n, r in enumerate(roles):
        s.role(r, provEntitlement=r, **more.get(r, {}))
        if n == 0:
            s.account("eve", provAssignedRole=s.role_dn(r))
        elif "provAssignFilter" not in more.get(r, {}):
            time.sleep(wait)
            s.admin.modify(s.person_dn("eve"), add={"provAssignedRole": s.role_dn(r)})
    wait_until(lambda: s.roles_of("eve") == sorted(roles))


def rule(s, cn, *roles, limit=None):
    s.admin.add(s.role_dn(cn), {"objectClass": "provSodSet", "cn": cn, "provSodRole": [s.role_dn(r) for r in roles],
                                "provSodLimit": limit})


def test_roles_in_conflict_are_found_and_the_later_one_can_be_taken_away(s):
    held_together(s, "pay", "order")
    s.account("sue", provAssignedRole=s.role_dn("pay"))
    for a, b in (("order", "pay"), ("pay", "order")):  # said by both: one finding
        s.admin.modify(s.role_dn(a), add={"provConflict": s.role_dn(b)})
    [f] = scan(s, check=1)
    assert (f["id"], f["severity"], f["dn"]) == ("SOD_VIOLATION", "high", s.person_dn("eve"))
    assert f["related"] == f"{s.role_dn('order')} + {s.role_dn('pay')}"
    assert "in conflict since 20" in f["text"] and f"{s.role_dn('pay')} (assigned)" in f["text"]
    assert f["since"] > s.person("eve").one("createTimestamp")[:4]
    ldapmodify(s, s.provctl("scan", "--ldif", check=1).stdout)
    assert s.roles_of("eve") == ["pay"] and scan(s, check=0) == []


@pytest.mark.parametrize("limit, wrong", [(None, True), (2, True), (3, False)])
def test_a_set_with_too_many_is_found(s, limit, wrong):
    for r in "abcd":
        s.role(r)
    s.account("eve", provAssignedRole=[s.role_dn(r) for r in "abc"])
    rule(s, "few", *"abcd", limit=limit)
    found = scan(s, check=1 if wrong else 0)
    assert [(f["id"], f["related"]) for f in found] == ([("SOD_VIOLATION", s.role_dn("few"))] if wrong else [])
    if wrong:
        assert f"3 roles of a set that allows {limit or 1}" in found[0]["text"]
        out = s.provctl("scan", "--ldif", check=1).stdout
        assert "changetype" not in out and "SOD_VIOLATION" in out, "nobody knows which came last"


@pytest.mark.parametrize("how", ["filter", "timed", "service"])
def test_which_role_goes_is_a_persons_to_say_where_it_is_not_plain(s, how):
    more = {"order": {"provAssignFilter": "(uid=eve)"}} if how == "filter" else {}
    held_together(s, "pay", "order", **more)
    if how == "timed":
        s.set("eve", provTimedRole=f"- 20400101000000Z {s.role_dn('order')}")
    if how == "service":
        s.set("eve", provType="service", manager=s.person_dn("ada"))
    rule(s, "two", "pay", "order")
    [f] = scan(s, check=1)
    assert f["id"] == "SOD_VIOLATION"
    if how == "filter":
        assert "(by a filter or another role)" in f["text"]
    assert "changetype" not in s.provctl("scan", "--ldif", check=1).stdout


def test_a_leaver_or_one_whose_role_has_ended_breaks_no_rule(s):
    held_together(s, "pay", "order")
    rule(s, "two", "pay", "order")
    s.admin.modify(s.role_dn("order"), replace={"provStatus": "retired"})
    wait_until(lambda: s.roles_of("eve") == ["pay"])
    assert scan(s, check=0) == []
