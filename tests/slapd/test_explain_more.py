"""provctl explain: why an account has something not, who else has it, and who has a role through what."""

import datetime

import pytest

from ldapclient import REASON, control


@pytest.fixture
def s(slapd):
    slapd.group("sales")
    slapd.group("club", members=["cleo"])
    slapd.group("unix", cls="posixGroup")
    slapd.role("sales", provAssignFilter="(&(departmentNumber=sales)(|(title=Dr)(title=Prof))(!(employeeType=temp)))",
               provGroup="sales", provEntitlement="crm:user", provTemplate="add description: seller")
    slapd.role("boss", provInclude="sales", provAssignFilter="(title=Boss)", provGroup="unix")
    slapd.role("draft", provStatus="draft", provGroup="club", provAssignFilter="(uid=*)")
    slapd.role("hand", provEntitlement="safe")
    slapd.account("ada", departmentNumber="sales", title="Dr")
    slapd.account("bob", departmentNumber="it", title="Dr")
    slapd.account("cleo", departmentNumber="sales", title="Boss")
    slapd.account("dan", departmentNumber="sales", title="Dr", employeeType="temp")
    return slapd


def lacks(s, who, value, check=1):
    [x] = s.provctl_json("explain", who, "--lacks", value, check=check)
    return x


def test_lacks_names_the_attribute_that_does_not_match(s):
    x = lacks(s, "bob", s.group_dn("sales"))
    assert x["present"] is False and x["exceptions"] == []
    first, second = x["roles"]
    assert first["role"] == s.role_dn("sales") and second["role"] == s.role_dn("boss")
    assert second["includes"] == s.role_dn("sales")
    [f] = first["filters"]
    assert f["matches"] is False
    [why] = [b for b in f["because"] if "departmentNumber" in b]
    assert '"it"' in why and "(departmentNumber=sales)" in why
    assert not any("title" in b for b in f["because"]), "what matches is not complained of"
    assert any("departmentNumber" in c for c in first["change"])
    assert any("provAssignedRole" in c for c in first["change"])
    assert any('title is "Dr"' in b for b in second["filters"][0]["because"])
    # what it says would help does help
    s.set("bob", departmentNumber="sales")
    assert lacks(s, "bob", s.group_dn("sales"), check=0)["present"] is True


def test_lacks_tells_of_what_is_excluded_and_of_no_value_at_all(s):
    [role, _] = lacks(s, "dan", "crm:user")["roles"]
    assert any("employeeType" in b and "excluded" in b for b in role["filters"][0]["because"])
    s.set("dan", employeeType=[], title=[])
    [role, _] = lacks(s, "dan", "crm:user")["roles"]
    because = role["filters"][0]["because"]
    assert any("none of these" in b for b in because) and any("has no title" in b for b in because)
    assert sum("wanted is (title=" in b for b in because) == 2


def test_lacks_tells_of_draft_state_and_exception(s):
    [role] = lacks(s, "ada", s.group_dn("club"))["roles"]
    assert role["status"] == "draft" and "the role is draft" in role["because"]
    assert any("provStatus" in c for c in role["change"]) and role["filters"][0]["matches"] is True
    s.admin.modify(s.group_dn("sales"), delete={"member": s.person_dn("ada")})
    x = lacks(s, "ada", s.group_dn("sales"))
    assert len(x["exceptions"]) == 1 and "delete that provException" in x["exceptions"][0]
    assert x["roles"][0]["because"] == ["it is in force"]
    s.leave("cleo")
    x = lacks(s, "cleo", s.role_dn("boss"))
    assert x["state"] == "terminated" and "the account is terminated" in x["roles"][0]["because"]
    assert "set provState to active" in x["roles"][0]["change"]
    s.role("old", provStatus="retired", provEntitlement="old:thing")
    assert "the role is retired" in lacks(s, "ada", "old:thing")["roles"][0]["because"]


def test_lacks_as_text_and_what_no_role_gives(s):
    out = s.provctl("explain", "bob", "--lacks", "cn=sales,ou=groups," + s.suffix, check=1).stdout
    assert "does not have it" in out and 'departmentNumber is "it"' in out and "would have to change" in out
    out = s.provctl("explain", "bob", "--lacks", "telephoneNumber=1", check=1).stdout
    assert "no role gives it" in out
    assert "has it" in s.provctl("explain", "ada", "--lacks", "crm:user", check=0).stdout
    for args in (["bob", "--lacks", "x", "y"], ["bob", "--others"], ["--role", "sales", "bob"], ["--role", "none"]):
        s.provctl("explain", *args, check=2)


def others(s, who, *args, check=0):
    rows = s.provctl_json("explain", who, *args, "--others", check=check)
    return {r["dn"]: r["through"] for r in rows if "through" in r}


def test_others_that_have_a_group_an_entitlement_a_role_a_value(s):
    got = others(s, "ada", s.group_dn("sales"))
    assert got.pop("cn=nobody," + s.suffix) == "no account"
    assert got == {s.person_dn("cleo"): f"role {s.role_dn('sales')}"}
    s.admin.modify(s.group_dn("sales"), add={"member": s.person_dn("bob")})
    assert others(s, "ada", s.group_dn("sales"))[s.person_dn("bob")] == "by hand"
    assert others(s, "bob", "--lacks", "crm:user", check=1) == {
        s.person_dn("ada"): f"role {s.role_dn('sales')}", s.person_dn("cleo"): f"role {s.role_dn('sales')}"}
    assert set(others(s, "ada", s.role_dn("sales"))) == {s.person_dn("cleo")}
    assert others(s, "ada", "description=seller") == {s.person_dn("cleo"): f"role {s.role_dn('sales')}"}
    assert others(s, "bob", "title=Dr", check=1) == {s.person_dn("ada"): "by hand", s.person_dn("dan"): "by hand"}
    assert others(s, "bob", "--lacks", "safe", check=1) == {}
    s.admin.modify(s.group_dn("unix"), add={"memberUid": "dan"})
    assert others(s, "ada", "--lacks", s.group_dn("unix"), check=1) == {
        s.person_dn("cleo"): f"role {s.role_dn('boss')}", s.person_dn("dan"): "by hand"}
    assert "by hand" in s.provctl("explain", "ada", s.group_dn("sales"), "--others", check=0).stdout


def holders(s, role):
    rows = s.provctl_json("explain", "--role", role, check=0)
    return [(r["through"], r["detail"], r["dn"]) for r in rows[:-1]], rows[-1]


def test_who_has_a_role_and_through_what(s):
    s.admin.modify(s.person_dn("bob"), add={"provAssignedRole": s.role_dn("sales")}, controls=[control(REASON, "x")])
    year = datetime.datetime.now(datetime.timezone.utc).year + 1
    s.admin.modify(s.person_dn("dan"), add={"provTimedRole": [f"- {year}0101000000Z {s.role_dn('sales')}",
                                                              f"{year}0101000000Z - {s.role_dn('hand')}"]})
    got, last = holders(s, "sales")
    assert last["accounts"] == 4 and last["role"] == s.role_dn("sales") and last["status"] == "active"
    filt = s.admin.get(s.role_dn("sales")).one("provAssignFilter")
    assert sorted(got) == sorted([
        ("matches", filt, s.person_dn("ada")),
        ("given by hand (provAssignedRole)", "", s.person_dn("bob")),
        ("included by", s.role_dn("boss"), s.person_dn("cleo")),
        ("given for a time (provTimedRole)", "", s.person_dn("dan"))])
    assert holders(s, s.role_dn("hand"))[1]["accounts"] == 0
    out = s.provctl("explain", "--role", "SALES", check=0).stdout
    assert "4 accounts have the role" in out and "included by" in out
    # the account itself says the same
    [x] = s.provctl_json("explain", "dan", check=0)
    assert [r["because"] for r in x["roles"]] == ["given for a time (provTimedRole)"]


def test_more_accounts_than_a_page(s):
    for i in range(620):
        s.account(f"m{i}", departmentNumber="sales", title="Prof")
    got, last = holders(s, "sales")
    assert last["accounts"] == 622 and len(got) == 622 and len({g[2] for g in got}) == 622
    assert len(others(s, "ada", s.group_dn("sales"))) == 622  # with cn=nobody, without ada
