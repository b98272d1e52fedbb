"""provctl against a directory with joiners, movers and leavers: status, explain, plan, role,
connector, adopt, and what every command has in common."""

import json
import subprocess

import pytest

from directory import GROUPS, NOBODY, PEOPLE, POLICY, ROLES, SUFFIX
from harness import PROVCTL, wait_until
from ldapclient import REASON, control


@pytest.fixture
def s(slapd):
    for g in ("sales", "it", "book club"):
        slapd.group(g)
    slapd.role("staff", provTemplate="default mail: {uid}@example.com")
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provInclude="staff",
               provEntitlement="crm:write", provTemplate="add description: sells")
    slapd.role("it", provAssignFilter="(departmentNumber=it)", provGroup="it")
    slapd.role("lab", provStatus="draft", provGroup="it", provEntitlement="lab:key")
    slapd.account("ada", departmentNumber="sales", controls=[control(REASON, "CHG-4711")])
    return slapd


# -- what all commands share ------------------------------------------------------------------


@pytest.mark.parametrize("args", [[], ["frobnicate"], ["scan", "too", "much"], ["plan"], ["audit", "burn"],
                                  ["outbox"], ["outbox", "drop", "hook", "1"], ["explain"], ["--no-such"],
                                  ["scan", "--check", "NOPE"], ["scan", "--check", "ORPHAN_SOURCE"],
                                  ["adopt", "--batch", "0"], ["outbox", "show", "x"]])
def test_wrong_usage_is_2_and_says_so(args):
    done = subprocess.run([PROVCTL, *args], capture_output=True, text=True)
    assert done.returncode == 2, done
    assert done.stdout == "" and "provctl" in done.stderr


@pytest.mark.parametrize("command", ["status", "explain", "plan", "scan", "audit", "outbox", "adopt", "connector",
                                     "role", "sync"])
def test_each_command_has_help(command):
    done = subprocess.run([PROVCTL, command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and command in done.stdout and "--json" in done.stdout


def test_help_lists_the_commands():
    done = subprocess.run([PROVCTL, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    for name in ("explain", "outbox", "scan"):
        assert name in done.stdout


def test_a_server_that_is_not_there_is_2():
    done = subprocess.run([PROVCTL, "-H", "ldapi://%2Fnonexistent", "status"], capture_output=True, text=True)
    assert done.returncode == 2 and "nonexistent" in done.stderr


def test_options_stand_before_and_after_the_command(s):
    before = s.provctl("--json", "role", "list", check=0).stdout
    assert before == s.provctl("role", "list", "--json", check=0).stdout
    assert before


def test_simple_bind_with_a_password_file(s):
    (s.dir / "pw").write_text(s.rootpw)
    (s.dir / "pw").chmod(0o600)
    done = subprocess.run([PROVCTL, "-H", s.uri, "-D", s.rootdn, "-y", s.dir / "pw", "--policy", POLICY, "role",
                           "list"], capture_output=True, text=True)
    assert done.returncode == 0 and "sales" in done.stdout


# -- status, role, connector --------------------------------------------------------------------


def test_status_tells_server_policy_trail_and_connectors(s):
    s.connector("hook", "/bin/true")
    s.account("bob", departmentNumber="it")
    s.wait_relayed()
    [st] = s.provctl_json("status")
    assert st["suffix"] == SUFFIX
    assert st["policy"] == POLICY
    assert st["state"] == str(s.state)
    assert st["monitor"]["Backlog"] == "0"
    assert int(st["monitor"]["PolicyGeneration"]) > 0
    assert st["trail"]["records"] == len(s.trail())
    assert st["provd"]["running"] is False
    assert st["connectors"]["hook"]["lag"] > 0
    done = s.provctl("status", check=1)  # events wait, and nobody delivers
    assert "not running" in done.stdout and SUFFIX in done.stdout


def test_status_is_fine_when_nothing_waits(s):
    s.wait_relayed()
    assert "all accounts follow" in s.provctl("status", check=0).stdout


def test_status_with_provd_running(s):
    s.connector("hook", "/bin/true")
    s.provd_start()
    s.account("bob")
    wait_until(lambda: s.provctl_json("status")[0].get("connectors", {}).get("hook", {}).get("lag") == 0)
    [st] = s.provctl_json("status", check=0)
    assert st["provd"]["running"] is True and st["provd"]["pid"] == s.provd_process.pid
    assert "running" in s.provctl("status", check=0).stdout


def test_role_list(s):
    roles = {r["cn"]: r for r in s.provctl_json("role", "list", "--count", check=0)}
    assert set(roles) == {"staff", "sales", "it", "lab"}
    assert roles["lab"]["status"] == "draft" and roles["sales"]["status"] == "active"
    assert roles["sales"]["provGroup"] == [s.group_dn("sales")]
    assert roles["sales"]["accounts"] == 1 and roles["it"]["accounts"] == 0
    text = s.provctl("role", "list", check=0).stdout
    assert text.splitlines()[0].startswith("ROLE") and len(text.splitlines()) == 5


def test_connector_list(s):
    s.connector("hook", "/bin/true -x", provEvent="account.*")
    s.connector("off", "/bin/true", provEnabled="FALSE")
    got = {c["cn"]: c for c in s.provctl_json("connector", "list", check=0)}
    assert got["hook"]["enabled"] is True and got["hook"]["events"] == ["account.*"]
    assert got["off"]["enabled"] is False
    assert "/bin/true -x" in s.provctl("connector", "list", check=0).stdout


# -- explain ------------------------------------------------------------------------------------


def test_explain_names_role_filter_template_and_change(s):
    s.wait_relayed()
    [x] = s.provctl_json("explain", s.person_dn("ada"), check=0)
    roles = {r["dn"]: r["because"] for r in x["roles"]}
    assert "(departmentNumber=sales)" in roles[s.role_dn("sales")]
    assert f"included by {s.role_dn('sales')}" in roles[s.role_dn("staff")]
    given = {g["what"]: g for g in x["given"]}
    group = given[s.group_dn("sales")]
    assert group["kind"] == "group" and group["role"] == s.role_dn("sales") and group["present"]
    assert group["by"] == s.rootdn and group["reason"] == "CHG-4711" and group["when"]
    assert given["crm:write"]["kind"] == "entitlement"
    assert given["description: sells"]["template"] == "add description: sells"
    assert given["mail: ada@example.com"]["mode"] == "default"
    assert x["unexplained"] == [] and x["exceptions"] == []


def test_explain_as_text_and_by_uid(s):
    s.wait_relayed()
    out = s.provctl("explain", "ada", check=0).stdout
    for word in (s.person_dn("ada"), "active", "departmentNumber=sales", "CHG-4711", "crm:write"):
        assert word in out
    assert "Unexplained" not in out


def test_explain_shows_who_put_somebody_into_a_group_by_hand(s):
    s.admin.modify(s.group_dn("book club"), add={"member": s.person_dn("ada")},
                   controls=[control(REASON, "likes books")])
    s.wait_relayed()
    [x] = s.provctl_json("explain", "ada", check=0)
    [u] = x["unexplained"]
    assert u["what"] == s.group_dn("book club") and u["by"] == s.rootdn and u["reason"] == "likes books"
    done = s.provctl("explain", "ada", s.group_dn("book club"), check=1)
    assert "no role" in done.stdout and "likes books" in done.stdout


@pytest.mark.parametrize("value", ["GROUP", "sales", "description=sells", "description: sells", "crm:write",
                                   "mail=ada@example.com", "sells"])
def test_explain_one_value_that_a_role_gives(s, value):
    value = s.group_dn("sales") if value == "GROUP" else value
    [x] = s.provctl_json("explain", "ada", value, check=0)
    assert x["present"] and x["explained"] and x["because"][0]["role"]


def test_explain_a_value_set_by_hand(s):
    s.set("ada", title="Boss", controls=[control(REASON, "promoted")])
    s.wait_relayed()
    done = s.provctl("explain", "ada", "title=Boss", check=1)
    assert "no role gives it" in done.stdout and "promoted" in done.stdout


def test_explain_why_not_tells_of_filter_and_draft(s):
    [x] = s.provctl_json("explain", "ada", s.group_dn("it"), check=1)
    assert not x["present"] and x["because"] == []
    why = "\n".join(x["whyNot"])
    assert "does not match (departmentNumber=it)" in why and "draft" in why


def test_explain_why_not_tells_of_an_exception(s):
    s.admin.modify(s.group_dn("sales"), delete={"member": s.person_dn("ada")})
    assert s.exceptions("ada")
    [x] = s.provctl_json("explain", "ada", s.group_dn("sales"), check=1)
    assert any("exception" in w and s.rootdn in w for w in x["whyNot"])
    assert "Exceptions" in s.provctl("explain", "ada", check=0).stdout


def test_explain_a_role(s):
    assert "in force" in s.provctl("explain", "ada", s.role_dn("sales"), check=0).stdout
    assert "not in force" in s.provctl("explain", "ada", s.role_dn("it"), check=1).stdout


def test_explain_of_nobody_is_2(s):
    s.provctl("explain", s.person_dn("nobody"), check=2)
    s.provctl("explain", "nobody", check=2)
    assert "neither" in s.provctl("explain", "ada", "what is this", check=2).stderr


def test_explain_without_the_state_directory_still_explains(s):
    done = s.provctl("explain", "ada", "--state", s.dir / "nowhere", check=0)
    assert "departmentNumber=sales" in done.stdout and "trail cannot be read" in done.stderr


# -- plan ---------------------------------------------------------------------------------------


def plan(s, ldif, check, *args):
    before, trail = s.everything(), len(s.trail())
    (s.dir / "plan.ldif").write_text(ldif)
    done = s.provctl("plan", "-f", s.dir / "plan.ldif", *args, check=check)
    assert s.everything() == before and len(s.trail()) == trail, "plan changed something"
    return done.stdout


MOVER = f"dn: uid=ada,{PEOPLE}\nchangetype: modify\nreplace: departmentNumber\ndepartmentNumber: it\n-\n"
JOINER = f"""dn: uid=bob,{PEOPLE}
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: B
departmentNumber: sales
"""


def test_plan_shows_a_mover_and_changes_nothing(s):
    out = plan(s, MOVER, 0)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == f"modify uid=ada,{PEOPLE}"
    assert f"+ role {s.role_dn('it')}" in lines and f"- role {s.role_dn('sales')}" in lines
    assert f"+ group {s.group_dn('it')}" in lines and f"- group {s.group_dn('sales')}" in lines
    assert "- entitlement crm:write" in lines
    assert "- value description: sells" in lines


def test_plan_of_a_joiner_without_changetype_and_of_a_leaver(s):
    out = plan(s, JOINER + "\n" + f"dn: uid=ada,{PEOPLE}\nchangetype: delete\n", 0, "--json")
    joiner, leaver = map(json.loads, out.splitlines())
    assert joiner["op"] == "add" and joiner["plan"]["groups"]["gained"] == [s.group_dn("sales")]
    assert leaver["op"] == "delete" and leaver["plan"]["groups"]["lost"] == [s.group_dn("sales")]


def test_plan_shows_a_rename(s):
    out = plan(s, f"dn: uid=ada,{PEOPLE}\nchangetype: modrdn\nnewrdn: uid=ida\ndeleteoldrdn: 1\n", 0)
    assert out.startswith(f"rename uid=ada,{PEOPLE}")


def test_plan_tells_what_would_be_refused(s):
    s.role("strict", provAssignFilter="(departmentNumber=strict)", provTemplate="enforce title: {employeeType}")
    out = plan(s, MOVER.replace(": it", ": strict"), 1)
    assert "REFUSED" in out and "strict" in out and "employeeType" in out


def test_plan_of_what_concerns_no_role(s):
    assert "nothing follows" in plan(s, f"dn: uid=ada,{PEOPLE}\nchangetype: modify\nreplace: title\ntitle: x\n", 0)


def test_plan_reads_standard_input(s):
    assert "group" in s.provctl("plan", "-f", "-", input=MOVER, check=0).stdout


@pytest.mark.parametrize("text", ["", "# nothing\n", "dn: uid=ada,ou=people\nchangetype: explode\n", "rubbish\n"])
def test_plan_of_a_bad_file_is_2(s, text):
    plan(s, text, 2)


def test_plan_against_a_bare_slapd_is_2_and_changes_nothing(make_slapd):
    bare = make_slapd(provision=None)
    done = bare.provctl("plan", "-f", "-", input=JOINER, check=2)
    assert "overlay" in done.stderr
    assert bare.admin.get(f"uid=bob,{PEOPLE}") is None


# -- adopt --------------------------------------------------------------------------------------


OLD = f"""\
dn: cn=sales,{GROUPS}
objectClass: groupOfNames
cn: sales
member: {NOBODY}

""" + "".join(f"""\
dn: uid=old{i},{PEOPLE}
objectClass: inetOrgPerson
uid: old{i}
cn: Old {i}
sn: Old
departmentNumber: {'sales' if i % 2 else 'none'}

""" for i in range(25))


def role_ldif(cn, *lines):
    return f"dn: cn={cn},{ROLES}\nobjectClass: provRole\ncn: {cn}\n" + "\n".join(lines) + "\n\n"


def from_slapadd(make_slapd, *roles):
    """A directory that the overlay sees for the first time: nothing of it is managed yet."""
    s = make_slapd(start=False)
    s.slapadd(OLD + "".join(roles))
    s.start()
    return s


@pytest.fixture
def old(make_slapd):
    return from_slapadd(make_slapd, role_ldif("sales", "provAssignFilter: (departmentNumber=sales)",
                                              f"provGroup: cn=sales,{GROUPS}"))


def test_adopt_shows_first_and_changes_nothing(old):
    before = old.everything()
    done = old.provctl("adopt", check=0)
    assert old.everything() == before
    assert "25 to adopt, 12 of them would change" in done.stdout and f"uid=old1,{PEOPLE}" in done.stdout


def test_adopt_does_it_in_batches_and_only_once(old):
    assert "25 adopted, 0 failed" in old.provctl("adopt", "--apply", "--batch", "4", check=0).stdout
    assert len(old.members("sales")) == 12
    assert old.roles_of("old1") == ["sales"] and old.roles_of("old2") == []
    before = old.everything()
    assert "0 adopted" in old.provctl("adopt", "--apply", check=0).stdout
    assert old.everything() == before


def test_adopt_goes_on_past_a_failure_and_says_which(make_slapd):
    s = from_slapadd(make_slapd, role_ldif("old", "provAssignFilter: (sn=Old)"),
                     role_ldif("strict", "provAssignFilter: (uid=old5)", "provTemplate: add title: {employeeType}"))
    done = s.provctl("adopt", "--apply", check=1)
    assert "24 adopted, 1 failed" in done.stdout
    assert f"uid=old5,{PEOPLE}" in done.stderr and "employeeType" in done.stderr
    assert s.roles_of("old1") == ["old"] and s.roles_of("old5") == []
