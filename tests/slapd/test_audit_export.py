"""provctl audit export: CSV and CEF read back by readers of their own, against the JSON Lines; filters."""

import csv
import datetime
import io
import json
import re
import subprocess

import pytest

from directory import PEOPLE
from harness import PROVCTL, wait_until
from ldapclient import REASON, control

NASTY = ["=HYPERLINK(\"http://x\";\"a\")", "+1+1", "-2", "@SUM(A1)", " =1", "'quoted", "\u202e=x", "＝1",
         "quoted \"so\", he said", "a|b\\c=d", "\\n is no newline", "=\\|", "ünï–códe ✓", "plain"]
LINES = ["two\nlines, \"quoted\" = \\", "\r\n=end", "\ttab"]


@pytest.fixture
def s(slapd):
    slapd.group("sales")
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provEntitlement=["=cmd|' /C calc'!A0", *LINES])
    slapd.connector("good", "/bin/true", provEvent="account.terminated")
    slapd.connector("bad", "/bin/false", provEvent="account.terminated", provMaxAttempts="1")
    slapd.account("ada", departmentNumber="sales")
    for n, text in enumerate(NASTY):
        slapd.set("ada", telephoneNumber=str(n), controls=[control(REASON, text)])
    slapd.admin.add(f"uid=\\3D1\\2B1|x,{PEOPLE}", {"objectClass": "inetOrgPerson", "uid": "=1+1|x", "cn": "X", "sn": "X",
                                                    "departmentNumber": "sales"})
    slapd.admin.modify(slapd.group_dn("sales"), add={"member": "cn=some\\, body\\=\\\\x,dc=example,dc=com"})
    slapd.admin.rename(f"uid=\\3D1\\2B1|x,{PEOPLE}", "uid=-bob")
    slapd.provd_start()
    slapd.leave("ada")
    wait_until(lambda: sum(r["op"] == "delivery" for r in slapd.state_now().records) >= 2, 20, "two deliveries are told")
    slapd.provd_stop()
    slapd.wait_relayed()
    return slapd


def export(s, *args, **kw):
    # bytes: the ends of lines matter
    done = subprocess.run([PROVCTL, "--state", str(s.state), "audit", "export", *args], capture_output=True, env=s.env)
    assert done.returncode == kw.get("check", 0), done.stderr
    return done.stdout


def rows(s, *args):
    return [json.loads(line) for line in export(s, *args).decode().splitlines()]


def plain(cell):
    """A spreadsheet's defused cell as the value it was."""
    assert not re.match(r"\s*[=+\-@\t\r\n＝＋－＠]", cell), f"a formula: {cell!r}"
    return cell[1:] if cell.startswith("'") else cell


def listed(record, what, which):
    return "\n".join(record.get(what, {}).get(which, []))


def test_csv_reads_back(s):
    data = export(s, "--format", "csv").decode()
    assert data.endswith("\r\n") and "\n" not in re.sub(r'"(?:[^"]|"")*"', "", data).replace("\r\n", "")
    got = list(csv.DictReader(io.StringIO(data, newline=""), strict=True))
    want = rows(s)
    assert len(got) == len(want) > len(NASTY)
    for g, w in zip(got, want):
        r = w["record"]
        g = {k: plain(v) for k, v in g.items()}
        assert g["seq"] == str(w["seq"]) and g["hash"] == w["hash"]
        for name, member in (("time", "time"), ("op", "op"), ("changeId", "id"), ("dn", "dn"), ("newDn", "newDn"),
                             ("uid", "uid"), ("entryUUID", "entryUUID"), ("reason", "reason")):
            assert g[name] == r.get(member, ""), name
        assert g["actor"] == r["actor"].get("authz", "") and g["from"] == r["actor"].get("from", "")
        assert g["stateBefore"] == r.get("state", {}).get("before", "")
        for what in ("roles", "groups", "entitlements"):
            assert g[f"{what}Gained"] == listed(r, what, "gained") and g[f"{what}Lost"] == listed(r, what, "lost")
        assert g["membersAdded"] == "\n".join(m["dn"] for m in r.get("members", []) if m["add"])
        assert g["attributes"] == "\n".join(r.get("attributes", []))
        assert g["outcome"] == r.get("delivery", {}).get("outcome", "")
    assert {plain(g["reason"]) for g in got} >= set(NASTY)
    assert any(plain(g["outcome"]) == "unproven" for g in got)


def cef(line):
    """Common Event Format, as its specification has it: header fields and extensions."""
    assert line.startswith("CEF:") and "\n" not in line and "\r" not in line
    fields, at = [], 0
    for _ in range(7):
        text = ""
        while line[at] != "|":
            if line[at] == "\\":
                at += 1
                assert line[at] in "\\|", f"a header escape that is none: {line[at - 1:at + 1]!r}"
            text += line[at]
            at += 1
        fields.append(text)
        at += 1
    rest, out = line[at:], {}
    # a key stands at the beginning or after a space, and its = is not escaped
    marks = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", rest))
    marks = [m for m in marks if not rest[:m.end() - 1].endswith("\\")]
    for m, following in zip(marks, [*marks[1:], None]):
        raw = rest[m.end():following.start() if following else len(rest)]
        assert not re.search(r"(?<!\\)(\\\\)*=", raw), f"a bare = in {raw!r}"
        value = re.sub(r"\\(.)", lambda e: {"n": "\n", "r": "\r"}.get(e[1], e[1]), raw)
        assert m[1] not in out
        out[m[1]] = value
    return fields, out


@pytest.mark.parametrize("form, version", [("cef", "CEF:0"), ("cef1", "CEF:1")])
def test_cef_reads_back(s, form, version):
    lines = export(s, "--format", form).decode().split("\n")
    assert lines.pop() == ""
    want = rows(s)
    assert len(lines) == len(want)
    for line, w in zip(lines, want):
        head, x = cef(line)
        r = w["record"]
        assert head[0] == version and head[1:3] == ["slapo-provision", "slapo-provision"]
        assert head[4] == r["op"] and head[5] and 0 <= int(head[6]) <= 10
        when = datetime.datetime.fromisoformat(r["time"].replace("Z", "+00:00"))
        assert x["rt"] == str(int(when.timestamp()) * 1000 + when.microsecond // 1000)
        assert x["cn1"] == str(w["seq"]) and x["cn1Label"] == "record" and x["cs6"] == w["hash"]
        assert x.get("reason", "") == r.get("reason", "") and x.get("cs1", "") == r["dn"]
        assert x.get("duser", "") == r.get("uid", "") and x.get("suser", "") == r["actor"].get("authz", "")
        ents = r.get("entitlements", {})
        assert x.get("cs4", "") == "; ".join(["+" + e for e in ents.get("gained", [])] + ["-" + e for e in ents.get("lost", [])])
        assert x.get("cs5", "") == "; ".join(("+" if m["add"] else "-") + m["dn"] for m in r.get("members", []))
        assert x.get("outcome", "") == r.get("delivery", {}).get("outcome", "")
        if r["actor"].get("from", "").startswith("IP="):
            assert x["src"] == "127.0.0.1" and x["spt"].isdigit()
    severities = {cef(line)[0][4]: int(cef(line)[0][6]) for line in lines}
    assert severities["policy"] > severities["add"]


def test_filters_of_deliveries_and_of_the_kind(s):
    every = rows(s)

    def where(f):
        return [w["seq"] for w in every if f(w["record"])]

    def seqs(*args):
        return [w["seq"] for w in rows(s, *args)]

    assert seqs("--connector", "BAD") == where(lambda r: r.get("delivery", {}).get("connector") == "bad") != []
    assert seqs("--outcome", "unproven") == where(lambda r: r.get("delivery", {}).get("outcome") == "unproven") != []
    assert seqs("--connector", "good", "--outcome", "unproven") == []
    assert seqs("--op", "policy") == where(lambda r: r["op"] == "policy") != []
    uuid = next(w["record"]["entryUUID"] for w in every if w["record"].get("uid") == "ada")
    assert seqs("--account", uuid.upper()) == where(lambda r: r.get("entryUUID") == uuid)
    shown = [json.loads(x)["seq"] for x in s.provctl_offline(
        "--json", "audit", "show", "--outcome", "delivered", check=0).stdout.splitlines()]
    assert shown == where(lambda r: r.get("delivery", {}).get("outcome") == "delivered") != []
    assert "unproven account.terminated of bad" in s.provctl_offline(
        "audit", "show", "--connector", "bad", check=0).stdout
    csv_seqs = [r["seq"] for r in csv.DictReader(io.StringIO(
        export(s, "--format", "csv", "--op", "policy").decode(), newline=""))]
    assert csv_seqs == [str(n) for n in where(lambda r: r["op"] == "policy")]
    export(s, "--format", "xml", check=2)
