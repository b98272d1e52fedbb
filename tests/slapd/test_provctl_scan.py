"""provctl scan: each check finds what it is for and nothing else; bad sources are refused."""

import threading

import pytest

from directory import PEOPLE, SUFFIX


@pytest.fixture
def s(slapd):
    for g in ("sales", "book club"):
        slapd.group(g)
    slapd.group("unique", cls="groupOfUniqueNames")
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales",
               provTemplate=["add description: sells", "default mail: {uid|ascii}@example.com"])
    for i, name in enumerate(("ada", "bob", "eve", "zoë")):
        slapd.account(name, departmentNumber="sales", employeeNumber=f"E{i}")
    return slapd


def csv(s, text, name="hr.csv", raw=False):
    path = s.dir / name
    path.write_bytes(text if raw else text.encode())
    return f"csv:{path}?key=employeeNumber"


def scan(s, *args, check=None):
    *found, summary = s.provctl_json("scan", *args, check=check)
    assert summary["type"] == "summary" and summary["findings"] == len(found)
    return found


def ids(found):
    return sorted({(f["id"], f["dn"]) for f in found})


def test_a_clean_directory_has_no_findings(s):
    assert scan(s, check=0) == []
    done = s.provctl("scan", check=0)
    assert done.stdout.endswith("4 accounts, 3 groups, 0 findings\n")


def test_a_member_that_does_not_exist_is_dangling(s):
    ghost = s.person_dn("ghost")
    s.admin.modify(s.group_dn("book club"), add={"member": ghost})
    s.admin.modify(s.group_dn("unique"), add={"uniqueMember": f"{s.person_dn('gone')}#'0101'B"})
    found = scan(s, check=1)
    assert ids(found) == [("DANGLING_MEMBER", s.group_dn("book club")), ("DANGLING_MEMBER", s.group_dn("unique"))]
    assert found[0]["severity"] == "low" and found[0]["fix"]
    assert {f["related"].split("#")[0] for f in found} == {ghost, s.person_dn("gone")}


def test_a_group_in_a_group_and_an_empty_member_are_not_dangling(s):
    s.group("outer", member=[s.group_dn("sales"), ""])
    assert scan(s, check=0) == []


def test_names_that_differ_in_case_or_spaces_are_the_same(s):
    s.group("odd", member=[f"UID=Ada, OU=People,  {SUFFIX.upper()}"])
    found = scan(s, "--check", "DANGLING_MEMBER", check=0)
    assert found == []
    assert ids(scan(s, check=1)) == [("UNEXPLAINED", s.person_dn("ada"))]


def test_a_membership_by_hand_is_unexplained(s):
    s.admin.modify(s.group_dn("book club"), add={"member": s.person_dn("zoë")})
    [f] = scan(s, check=1)
    assert f["id"] == "UNEXPLAINED" and f["related"] == s.group_dn("book club") and "zo" in f["dn"]


def test_the_text_table_is_aligned_for_wide_names(s):
    s.account("李小龍", cn="李小龍", sn="李")
    s.admin.modify(s.group_dn("book club"), add={"member": [s.person_dn("李小龍"), s.person_dn("ada")]})
    lines = s.provctl("scan", check=1).stdout.splitlines()
    rows = [line for line in lines if line.startswith("medium")]

    def column(line):  # where FINDING begins, in terminal columns: those characters are two wide
        at = line.index("is a member")
        return at + sum(ord(c) > 0x2E80 for c in line[:at])

    assert len(rows) == 2 and column(rows[0]) == column(rows[1]) == lines[0].index("FINDING")


def test_a_leaver_with_something_left(s):
    s.leave("ada")
    assert scan(s, check=0) == []
    # behind the overlay's back, as a restored backup would
    s.stop()
    s.tool("slapmodify", "-b", SUFFIX,
           input=f"dn: uid=bob,{PEOPLE}\nchangetype: modify\nreplace: provState\nprovState: terminated\n")
    s.start()
    found = scan(s, check=1)
    assert {f["id"] for f in found} == {"LEAVER_LEFTOVER"} and {f["dn"] for f in found} == {s.person_dn("bob")}
    assert len(found) == 2  # the account itself, and its group
    assert all(f["severity"] == "high" for f in found)


def test_only_the_checks_asked_for(s):
    s.admin.modify(s.group_dn("book club"), add={"member": [s.person_dn("ada"), s.person_dn("ghost")]})
    assert {f["id"] for f in scan(s, "--check", "UNEXPLAINED", check=1)} == {"UNEXPLAINED"}
    assert {f["id"] for f in scan(s, "--check", "dangling_member", check=1)} == {"DANGLING_MEMBER"}
    assert len(scan(s, "--check", "UNEXPLAINED", "--check", "DANGLING_MEMBER", check=1)) == 2
    assert scan(s, "--check", "LEAVER_LEFTOVER", check=0) == []


def test_posix_groups_by_uid(slapd):
    slapd.account("ada")
    slapd.group("posix", ["ada", "ghost"], cls="posixGroup")
    found = scan(slapd, check=1)
    assert {(f["id"], f["related"]) for f in found} == {("DANGLING_MEMBER", "ghost"),
                                                       ("UNEXPLAINED", slapd.group_dn("posix"))}


def test_more_accounts_than_a_page(s):
    s.stop()
    s.slapadd("".join(f"dn: uid=p{i},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: p{i}\ncn: P\nsn: P\n\n"
                      for i in range(1300)))
    s.start()
    s.group("crowd", [f"p{i}" for i in range(1300)])
    assert len(scan(s, check=1)) == 1300


def test_a_scan_beside_joiners_movers_and_leavers_finds_nothing(s):
    stop, done = threading.Event(), []

    def write(n):
        client = s.client(s.rootdn, s.rootpw)
        i = 0
        while not stop.is_set() and i < 400:
            name = f"w{n}x{i}"
            s.account(name, client=client, departmentNumber="sales")
            if i % 3 == 1:
                s.set(name, client=client, departmentNumber="other")
            elif i % 9 == 2:  # 88 leavers at most: the breaker opens at 100
                s.leave(name, client=client)
            i += 1
        done.append(i)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    for t in threads:
        t.start()
    try:
        found = [scan(s, check=0) for _ in range(6)]
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert found == [[]] * 6 and len(done) == 2 and min(done) > 0


# -- sources ------------------------------------------------------------------------------------

HR = "employeeNumber,name\nE0,Ada\nE1,Bob\nE2,Eve\nE3,Zoë\n"


def test_a_complete_source_finds_nobody(s):
    assert scan(s, "--source", csv(s, HR), check=0) == []


def test_an_account_that_the_source_lacks(s):
    s.account("hal", provType="service", manager=s.person_dn("ada"))
    s.account("nil")
    s.leave("eve")
    source = csv(s, HR.replace("E2,Eve\n", ""))
    found = scan(s, "--source", source, check=1)
    assert ids(found) == [("ORPHAN_SOURCE", s.person_dn("nil"))]  # the service and the leaver are no findings
    source = csv(s, HR.replace("E1,Bob\n", "E9,New\n"))
    found = scan(s, "--source", source, "--max-missing", "40", check=1)
    assert ids(found) == [("MISSING_ACCOUNT", "employeeNumber=E9"), ("ORPHAN_SOURCE", s.person_dn("bob")),
                          ("ORPHAN_SOURCE", s.person_dn("nil"))]


def test_another_column_quotes_a_bom_and_case(s):
    text = '\ufeff"Nr","Name, full"\r\ne0,"Lovelace, ""Ada"""\r\n E1 ,B\r\n"E2",E\r\nE3,Z\r\n'
    assert scan(s, "--source", csv(s, text) + "&column=nr", check=0) == []


@pytest.mark.parametrize("text, word", [
    ("", "empty"), ("employeeNumber,name\n", "empty"), ("nr,name\nE0,Ada\n", "no column"),
    (HR + "E1,Bob again\n", "was there already"), (HR + "e1,Bob again\n", "was there already"),
    (HR + ",Nobody\n", "is empty"), (HR + '" ",Nobody\n', "is empty"), (HR + "E9\n", "fields"),
    (HR + 'E9,"cut of', "row 6"), ("employeeNumber,name\nE0,A\nE1,B\nE2,C\n", "more than 20%"), ("employeeNumber\nX\n", "more than 20%"),
    ("employeeNumber,employeenumber\nE0,E1\n", "twice"),
])
def test_a_broken_source_is_refused_with_3(s, text, word):
    done = s.provctl("scan", "--source", csv(s, text), check=3)
    assert word in done.stderr and done.stdout == ""


def test_a_source_that_is_not_utf8_is_refused(s):
    done = s.provctl("scan", "--source", csv(s, HR.encode("latin-1"), raw=True), check=3)
    assert "UTF-8" in done.stderr


def test_a_source_that_is_not_there_or_not_named_is_2(s):
    s.provctl("scan", "--source", f"csv:{s.dir}/nothing.csv?key=employeeNumber", check=2)
    for bad in ("hr.csv", "csv:hr.csv", "csv:hr.csv?key=", "csv:hr.csv?column=x", "csv:hr.csv?key=a&b=c", "sql:x"):
        s.provctl("scan", "--source", bad, check=2)
