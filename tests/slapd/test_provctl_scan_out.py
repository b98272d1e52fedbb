"""What provctl scan says and remembers: every form is read by a program of others, LDIF by slapd itself."""

import base64
import csv
import io
import json
import re
import shutil
import subprocess
import time

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness import PROVCTL, TOP, stays, wait_until
from test_provctl_scan import HR
from test_provctl_scan import csv as source
from test_provctl_scan import s  # noqa: F401 (a fixture)
from test_provd import Receiver, wait_state

SCHEMA = json.loads((TOP / "docs/scan.schema.json").read_text())
EVERY = SCHEMA["$defs"]["check"]["enum"]


def scan(s, *args, check=None):
    """Findings and summary."""
    *found, summary = s.provctl_json("scan", *args, check=check)
    validate(found + [summary])
    return found, summary


def validate(lines):
    one = jsonschema.Draft202012Validator(SCHEMA)
    for line in lines:
        one.validate(line)
    return lines


def form(name, *findings):
    """A form of findings that no scan has made: of hostile values, say."""
    made = subprocess.run(["make", "--no-print-directory", "-s", "build/bin/test_provctl_findings"], cwd=TOP,
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    text = "".join(json.dumps({"text": "it is so", "fix": "do this", **f}) + "\n" for f in findings)
    return subprocess.run([TOP / "build/bin/test_provctl_findings", name], input=text, capture_output=True, text=True,
                          check=True).stdout


def join(s, *uids, group="book club"):
    """Memberships that no role gives: a finding each."""
    s.admin.modify(s.group_dn(group), add={"member": [s.person_dn(u) for u in uids]})


def exempt(s, *rows, name="exempt.csv"):
    path = s.dir / name
    with path.open("w", newline="") as f:
        csv.writer(f).writerows([("check", "dn", "pattern", "reason", "owner", "expires"), *rows])
    return path


# -- JSON -----------------------------------------------------------------------------------------


def test_every_line_is_as_the_schema_says(s):
    join(s, "ada", "bob", "zoë")
    s.admin.modify(s.group_dn("book club"), add={"member": s.person_dn("ghost")})
    file = exempt(s, ("UNEXPLAINED", s.person_dn("ada"), "", "on loan", "Bob", "2999-12-31"),
                  ("UNEXPLAINED", s.person_dn("bob"), "", "was on loan", "Bob", "2026-01-01"),
                  ("DORMANT", "uid=nobody", "", "x", "Bob", "2999-12-31"))
    found, summary = scan(s, "--exemptions", file, "--new", "--source", source(s, HR), check=1)
    assert [f["id"] for f in found] == ["UNEXPLAINED"] * 3 + ["DANGLING_MEMBER"]
    by_dn = {f["dn"]: f for f in found}
    assert by_dn[s.person_dn("ada")]["exempt"] == {"line": 2, "reason": "on loan", "owner": "Bob",
                                                   "expires": "3000-01-01T00:00:00.000000Z"}
    assert by_dn[s.person_dn("bob")]["exemptionExpired"]["line"] == 3 and "exempt" not in by_dn[s.person_dn("bob")]
    assert summary["findings"] == 3 and summary["exempt"] == 1 and summary["exemptionsExpired"] == 1
    assert summary["exemptionsUnused"] == [4] and summary["new"] == 3 and "lastScan" not in summary
    assert summary["byCheck"]["UNEXPLAINED"] == 2 and summary["bySeverity"]["medium"] == 2
    assert summary["accounts"] == 4 and summary["groups"] == 3 and summary["suffix"] == s.suffix
    assert set(summary["byCheck"]) <= set(EVERY)


def test_the_schema_does_refuse(s):
    found, summary = scan(s)
    join(s, "ada")
    [f], summary = scan(s)
    for wrong in ({**f, "id": "NOTHING"}, {**f, "surprise": 1}, {k: v for k, v in f.items() if k != "key"},
                  {**f, "risk": 101}, {**f, "since": "yesterday"}, {**summary, "v": 2}, {**summary, "findings": -1}, {}):
        with pytest.raises(jsonschema.ValidationError):
            validate([wrong])


def test_the_schema_knows_every_check():
    source_text = (TOP / "tools/provctl/finding.c").read_text()
    assert sorted(EVERY) == sorted(re.findall(r'\] = \{ "([A-Z_]+)"', source_text)) and len(EVERY) > 15


def test_the_weights_are_as_documented():
    text = (TOP / "tools/provctl/finding.c").read_text()
    wanted = re.findall(r'\] = \{ "([A-Z_]+)", FINDING_([A-Z]+), (\d+),', text)
    table = re.findall(r"^\| `([A-Z_]+)` \| (\w+) \| (\d+) \|", (TOP / "docs/formats.md").read_text(), re.M)
    assert sorted((i, s.lower(), w) for i, s, w in wanted) == sorted(table) and len(table) == len(EVERY)


def test_the_scorecard_adds_up(s):
    for g in ("one", "two"):
        s.group(g)
        join(s, "ada", group=g)
    join(s, "ada", "bob")
    *entries, summary = validate(s.provctl_json("scan", "--scorecard", check=1))
    assert [(e["dn"], e["risk"]) for e in entries] == [(s.person_dn("ada"), 36), (s.person_dn("bob"), 30)]
    assert [p["points"] for p in entries[0]["parts"]] == [30, 3, 3]
    assert summary["risk"]["directory"] == (36 + 30) / 4 == sum(summary["risk"]["byCheck"].values())
    text = s.provctl("scan", "--scorecard", check=1).stdout
    assert re.search(r"^36 +uid=ada,\S+ +UNEXPLAINED 30 \+ UNEXPLAINED 3 \+ UNEXPLAINED 3$", text, re.M)
    assert "risk 16.500 of 100, the mean over 4 accounts: UNEXPLAINED 16.500" in text
    assert "risk 16.500 of 100" in s.provctl("scan", check=1).stdout


# -- CSV, table, mail -------------------------------------------------------------------------------


def test_csv_is_read_back(s):
    s.account('a b', cn="x")
    join(s, 'a b', "zoë")
    done = s.provctl("scan", "--csv", check=1)
    rows = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    found, _ = scan(s)
    assert [(r["check"], r["dn"], r["finding"], r["key"]) for r in rows] == \
        [(f["id"], f["dn"], f["text"], f["key"]) for f in found] and len(rows) == 2
    assert all(r["new"] == "" and r["weight"] == "30" and r["risk"] == "30" for r in rows)
    assert subprocess.run([PROVCTL, "-H", s.ldapi, "scan", "--csv"], capture_output=True).stdout.count(b"\r\n") == 3


@pytest.mark.parametrize("value", ["=HYPERLINK(1)", "+1", "-1", "@x", "\uff1d1"])
def test_no_cell_is_a_formula(value):
    text = form("csv", {"id": "DORMANT", "dn": value, "uid": value, "text": value, "fix": value, "related": value})
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert [row[c] for c in ("dn", "uid", "finding", "fix", "related")] == ["'" + value] * 5


def test_a_mail_has_its_subject_first_and_nothing_may_be_said(s):
    assert s.provctl("scan", "--summary", check=0).stdout.splitlines()[0] == \
        f"provctl scan of {s.suffix}: no findings"
    join(s, "ada", "bob")
    mail = s.provctl("scan", "--summary", check=1).stdout.splitlines()
    assert mail[0] == f"provctl scan of {s.suffix}: 2 findings (2 medium)" and mail[1] == ""
    assert re.match(r" +2  medium +UNEXPLAINED  ", mail[2])
    done = s.provctl("scan", "--quiet", "--exemptions", exempt(s, ("*", "uid=x", "", "r", "o", "2999-01-01")), check=1)
    assert done.stdout == "" == done.stderr


def test_one_form_at_a_time(s):
    for args in (("--csv", "--ldif"), ("--json", "--csv"), ("--html", "-", "--summary"), ("--quiet", "--scorecard")):
        assert "only one of" in s.provctl("scan", *args, check=2).stderr
    s.provctl("scan", "--html", s.dir / "x.html", "--csv", check=0)
    assert (s.dir / "x.html").stat().st_mode & 0o777 == 0o600, "it names people"


# -- exit status ----------------------------------------------------------------------------------


def test_only_from_a_severity_on_it_is_1(s):
    join(s, "ada")  # medium
    for severity, status in (("low", 1), ("medium", 1), ("High", 0), ("critical", 0)):
        s.provctl("scan", "--fail-on", severity, check=status)
    assert "--fail-on" in s.provctl("scan", "--fail-on", "all", check=2).stderr


def test_output_that_cannot_be_written_is_2_and_is_not_remembered(s):
    join(s, "ada")
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROVCTL, "-H", s.ldapi, "scan", "--new"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "cannot write" in done.stderr
    s.provctl("scan", "--new", "--html", s.dir / "no/such/x.html", check=2)
    s.provctl("scan", "--new", "--metrics-file", s.dir / "no/such/x.prom", check=2)
    assert len(scan(s, "--new", check=1)[0]) == 1


# -- what was there before --------------------------------------------------------------------------


def test_what_the_last_scan_had_is_not_told_again(s):
    join(s, "ada", "bob")
    found, summary = scan(s, "--new", check=1)
    assert len(found) == 2 and all(f["new"] for f in found)
    file = s.state / "scan-history.jsonl"
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"ada" not in file.read_bytes(), "it names nobody"
    found, summary = scan(s, "--new", check=0)
    assert found == [] and summary["leftOut"] == 2 and summary["new"] == 0 and summary["lastScan"]
    s.admin.modify(s.group_dn("book club"), delete={"member": s.person_dn("ada")})
    join(s, "eve")
    before = file.read_bytes()
    assert len(scan(s, check=1)[0]) == 2 and file.read_bytes() == before, "who does not ask does not take away"
    scan(s, "--new", "--check", "LEAVER_LEFTOVER", check=0)
    [f], summary = scan(s, "--new", check=1)
    assert f["dn"] == s.person_dn("eve") and summary["gone"] == 1 and summary["leftOut"] == 1
    assert [p.name for p in s.state.iterdir() if "history" in p.name] == [file.name], "nothing is left beside it"


def test_what_was_first_found_since(s):
    file = s.dir / "h"
    join(s, "ada")
    [f], _ = scan(s, "--history", file, check=1)
    assert f["new"] and f["first"]
    head, row = map(json.loads, file.read_text().splitlines())
    file.write_text("\n".join(json.dumps({**x, k: "2026-01-02T00:00:00Z"}) for x, k in ((head, "time"), (row, "first"))))
    join(s, "bob")
    assert len(scan(s, "--history", file, "--since", "2026-01-02", check=1)[0]) == 2
    [f], summary = scan(s, "--history", file, "--since", "1d", check=1)
    assert f["dn"] == s.person_dn("bob") and not f["new"] and summary["leftOut"] == 1
    s.provctl("scan", "--since", "then", check=2)


def test_a_history_that_is_broken_or_of_another_directory_is_2(s):
    file = s.dir / "h"
    join(s, "ada")
    scan(s, "--history", file)
    whole = file.read_text()
    for text, word in ((whole[:-20], "damaged"), ("", "damaged"), ("{}\n", "not a history"),
                       (whole.replace(s.suffix, "dc=other"), "dc=other")):
        file.write_text(text)
        assert word in s.provctl("scan", "--history", file, check=2).stderr
        assert file.read_text() == text
    s.provctl("scan", "--history", s.dir / "no/such/h", check=2)


# -- exemptions -------------------------------------------------------------------------------------


def test_what_somebody_answers_for_does_not_count(s):
    join(s, "ada", "bob")
    file = exempt(s, ("unexplained", "", f"UID=*,OU=People,{s.suffix}", "a trial", "Eve", "2999-01-01"))
    done = s.provctl("scan", "--exemptions", file, check=0)
    assert "2 exempt\n" in done.stdout and done.stdout.endswith(" 0 findings\n") and "risk" not in done.stdout
    lines = s.dir / "exempt.jsonl"
    lines.write_text(json.dumps({"check": "*", "dn": s.person_dn("ada"), "reason": "r", "owner": "o", "expires": "2999-01-01"}))
    assert scan(s, "--exemptions", lines, check=1)[1]["exempt"] == 1


def test_an_exemption_that_is_over_counts_again_and_one_of_no_use_is_said(s):
    join(s, "ada")
    file = exempt(s, ("UNEXPLAINED", s.person_dn("ada"), "", "r", "Eve", time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))),
                  ("UNEXPLAINED", s.person_dn("bob"), "", "r", "Eve", "2999-01-01"))
    done = s.provctl("scan", "--exemptions", file, check=1)
    assert re.search(r"UNEXPLAINED.*uid=ada.*\(exemption of Eve expired on ", done.stdout)
    assert "1 counts again: the exemption has expired" in done.stdout
    assert re.search(r"exempt.csv: line 3 excuses nothing", done.stderr) and "line 2" not in done.stderr


def test_half_a_list_of_exemptions_is_none(s):
    join(s, "ada")
    good = ("UNEXPLAINED", s.person_dn("ada"), "", "r", "Eve", "2999-01-01")
    for i, word in enumerate(("check", "no dn", "", "reason", "owner", "expires")):
        row = list(good)
        row[i] = ""
        if word:
            done = s.provctl("scan", "--exemptions", exempt(s, good, row), check=2)
            assert "line 3" in done.stderr and word in done.stderr and done.stdout == ""
    s.provctl("scan", "--exemptions", s.dir / "nothing", check=2)


# -- LDIF ---------------------------------------------------------------------------------------------


def apply(s, text, *args):
    return subprocess.run(["ldapmodify", "-x", "-H", s.ldapi, "-D", s.rootdn, "-w", s.rootpw, *args], input=text,
                          capture_output=True, text=True, env=s.env)


def test_slapd_takes_the_remedy_the_most_careful_change_first(s):
    group, ghost = s.group_dn("book club"), f"uid=ghost\\2C \u202ex,ou=people,{s.suffix}"
    s.admin.modify(group, add={"member": ghost})
    s.account("gone")
    [member] = [m for m in s.admin.get(group, "member")["member"] if "ghost" in m]
    drop = f"dn: {group}\nchangetype: modify\ndelete: member\nmember:: {base64.b64encode(member.encode()).decode()}\n"
    hostile = "x\n\ndn: cn=config\nchangetype: delete\n\n# \x1b[2J\u202e"
    text = form("ldif",
                {"id": "LEAVER_ACTIVE", "dn": s.person_dn("gone"), "text": hostile, "fix": hostile,
                 "ldif": f"dn: {s.person_dn('gone')}\nchangetype: delete\n"},
                {"id": "DANGLING_MEMBER", "dn": group, "related": member, "text": hostile, "ldif": drop},
                {"id": "DANGLING_REFERENCE", "dn": group, "text": "the same in other words", "ldif": drop},
                {"id": "DORMANT", "dn": s.person_dn("ada"), "ldif":
                 f"dn: {s.person_dn('ada')}\nchangetype: modify\nreplace: provState\nprovState: suspended\n-\n"},
                {"id": "DUPLICATE", "dn": hostile, "text": hostile})
    done = apply(s, text, "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    order = re.findall(r'^(?:modifying|deleting|adding) (?:rdn of )?entry "(.*)"$', done.stdout, re.M)
    assert order == [s.person_dn("ada"), group, s.person_dn("gone")]
    assert s.admin.get(s.person_dn("ada"), "provState")["provState"] == ["suspended"]
    assert member not in s.admin.get(group, "member")["member"]
    assert not s.admin.search(s.suffix, "(uid=gone)")


def test_what_a_scan_prints_as_ldif_is_ldif_to_its_last_comment(s):
    join(s, "ada")
    text = s.provctl("scan", "--ldif", check=1).stdout
    assert "# why: is a member of " in text
    done = apply(s, text, "-n")
    assert done.returncode == 0, done.stderr


# -- figures -----------------------------------------------------------------------------------------


def figures(file):
    out = {}
    for family in text_string_to_metric_families(file.read_text()):
        assert family.documentation and family.type == "gauge"
        for x in family.samples:
            out[x.name.removeprefix("provctl_scan_"), x.labels.get("check") or x.labels.get("severity")] = x.value
    return out


def test_figures_for_prometheus(s):
    join(s, "ada", "bob")
    file = s.dir / "scan.prom"
    s.provctl("scan", "--new", "--quiet", "--metrics-file", file, check=1)
    assert file.stat().st_mode & 0o777 == 0o644
    s.provctl("scan", "--new", "--quiet", "--metrics-file", file, check=0)
    m = figures(file)
    assert m["findings", "UNEXPLAINED"] == 2, "of all that stand, though none is new"
    assert m["new_findings", None] == 0 and m["findings", "DANGLING_MEMBER"] == 0
    assert m["accounts", None] == 4 and m["groups", None] == 3 and m["risk", None] == 15
    assert m["risk_part", "UNEXPLAINED"] == 15 and m["risk_entries", "medium"] == 2
    assert abs(m["timestamp_seconds", None] - time.time()) < 60 and 0 < m["duration_seconds", None] < 60
    assert ("findings", "ORPHAN_SOURCE") not in m, "it did not run: there is no source"
    assert "uid=" not in file.read_text()
    s.provctl("scan", "--quiet", "--check", "LEAVER_LEFTOVER", "--metrics-file", file, check=0)
    assert [k for k in figures(file) if k[0] == "findings"] == [("findings", "LEAVER_LEFTOVER")]


# -- events ------------------------------------------------------------------------------------------


def finding_events(r):
    return [e for e in r.got() if e["type"] == "org.slapo-provision.scan.finding"]


@pytest.mark.parametrize("running", [True, False])
def test_a_finding_is_told_to_who_wants_it_once(s, running):
    hooks = {name: Receiver(s.dir, name) for name in ("tickets", "everything", "accounts", "only-eve")}
    for name, more in (("tickets", {"provEvent": "scan.*"}), ("everything", {}), ("accounts", {"provEvent": "account.*"}),
                       ("only-eve", {"provEvent": "scan.finding", "provFilter": "(uid=eve)"})):
        s.connector(name, hooks[name].target, **more)
    s.provd_start()
    for name in hooks:
        wait_state(s, "enabled", name)
    if not running:
        s.provd_stop()
    join(s, "ada", "eve")
    s.admin.modify(s.group_dn("book club"), add={"member": s.person_dn("ghost")})
    found, _ = scan(s, "--emit", check=1)
    assert len(found) == 3
    assert [json.loads(x).get("sent") for x in (s.state / "scan-history.jsonl").read_text().splitlines()[1:]] == [True] * 3
    join(s, "bob")
    scan(s, "--emit", check=1)
    if not running:
        s.provd_start()
    hooks["tickets"].wait(4)
    got = finding_events(hooks["tickets"])
    assert sorted((e["data"]["check"], e["data"]["dn"]) for e in got) == sorted(
        [("UNEXPLAINED", s.person_dn(u)) for u in ("ada", "eve", "bob")] + [("DANGLING_MEMBER", s.group_dn("book club"))])
    ada = next(e for e in got if e["data"]["dn"] == s.person_dn("ada"))
    assert ada["subject"] == s.admin.get(s.person_dn("ada"), "entryUUID")["entryUUID"][0] and ada["specversion"] == "1.0"
    assert ada["data"]["key"] == next(f["key"] for f in found if f["dn"] == s.person_dn("ada"))
    assert ada["data"]["severity"] == "medium" and ada["data"]["related"] == s.group_dn("book club")
    [eve] = hooks["only-eve"].wait(1)
    assert eve["data"]["dn"] == s.person_dn("eve") and eve["id"] == next(
        e["id"] for e in got if e["data"]["dn"] == s.person_dn("eve"))
    stays(lambda: len(finding_events(hooks["tickets"])) == 4 and not finding_events(hooks["everything"]) and
          not finding_events(hooks["accounts"]) and len(hooks["only-eve"].got()) == 1, 1)
    s.provctl_offline("audit", "verify", check=0)


def test_an_event_nobody_wants_is_an_error_and_is_told_later(s):
    r = Receiver(s.dir, "hook")
    s.connector("hook", r.target)
    join(s, "ada")
    assert "scan.*" in s.provctl("scan", "--new", "--emit", check=2).stderr
    s.connector("tickets", r.target, provEvent="scan.*")
    s.provd_start()
    wait_state(s, "enabled", "tickets")
    s.provctl("scan", "--new", "--emit", check=0)  # it is not new any more, and was not told yet
    wait_until(lambda: len(finding_events(r)) == 1, 10)


# -- contrib -----------------------------------------------------------------------------------------

CONTRIB = TOP / "contrib/scan"


def test_systemd_takes_service_and_timer(tmp_path):
    for name in ("provctl-scan.service", "provctl-scan.timer"):
        text = (CONTRIB / name).read_text().replace("/usr/bin/provctl", PROVCTL)
        (tmp_path / name).write_text(text)
    files = sorted(map(str, tmp_path.iterdir()))
    out = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *files], capture_output=True,
                         text=True)
    assert out.returncode == 0 and out.stderr == "", out
    (tmp_path / "provctl-scan.timer").write_text(text.replace("OnCalendar=", "OnCalendar=someday "))
    out = subprocess.run(["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True)
    assert "someday" in out.stderr, "the tool does look"


def test_the_service_gives_away_little():
    out = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", CONTRIB / "provctl-scan.service"],
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stdout


def test_the_command_of_the_service_and_of_cron_runs(s):
    """The options are those of the files; places are of this test."""
    join(s, "ada")
    [line] = re.findall(r"^ExecStart=(.*)$", (CONTRIB / "provctl-scan.service").read_text().replace("\\\n", ""), re.M)
    state = s.dir / "scans"
    state.mkdir()
    words = line.replace("${OPTIONS}", "").replace("$OPTIONS", "").replace("/var/lib/prometheus/node-exporter", str(s.dir)) \
        .replace("/var/lib/provctl-scan", str(state)).replace("/usr/bin/provctl", PROVCTL).split()
    done = subprocess.run([*words, "-H", s.ldapi], capture_output=True, text=True, env=s.env)
    assert done.returncode == 1 and "1 finding" in done.stdout, done
    assert {p.name for p in state.iterdir()} == {"history.jsonl", "scan.html"}
    assert figures(s.dir / "provctl-scan.prom")["findings", "UNEXPLAINED"] == 1
    assert re.search(r"^SuccessExitStatus=1$", (CONTRIB / "provctl-scan.service").read_text(), re.M)
    script = (CONTRIB / "provctl-scan.cron").read_text()
    assert subprocess.run(["sh", "-n", CONTRIB / "provctl-scan.cron"]).returncode == 0 and "--summary" in script


def test_cron_mails_what_is_new_and_only_that(s):
    box = s.dir / "box"
    box.mkdir()
    mail = s.dir / "mail"
    mail.write_text(f'#!/bin/sh\nprintf "%s|" "$@" >"{box}/args"\ncat >"{box}/body"\n')
    mail.chmod(0o755)
    for name in ("hr.csv", "exemptions.csv"):
        (s.dir / name).write_text("employeeNumber\nE0\nE1\nE2\nE3\n" if name == "hr.csv" else "check,dn,reason,owner,expires\n")
    env = {**s.env, "PROVCTL": f"{PROVCTL} -H {s.ldapi}", "MAIL": str(mail), "HISTORY": str(s.dir / "h"), "TO": "iam@example.com",
           "OPTIONS": ""}

    def run():
        for p in box.iterdir():
            p.unlink()
        return subprocess.run(["sh", CONTRIB / "provctl-scan.cron"], env=env, capture_output=True, text=True)

    done = run()
    assert done.returncode == 0 and not list(box.iterdir()) and done.stdout + done.stderr == ""
    join(s, "ada")
    done = run()
    assert (box / "args").read_text() == f"-s|provctl scan of {s.suffix}: 1 finding (1 medium)|iam@example.com|", done
    assert "UNEXPLAINED" in (box / "body").read_text() and done.stdout + done.stderr == ""
    assert run().returncode == 0 and not list(box.iterdir()), "it is not new any more"
    env["OPTIONS"] = "--source csv:/no/such.csv?key=uid"
    done = run()
    assert (box / "args").read_text().startswith("-s|provctl scan failed (2)|") and "no/such" in (box / "body").read_text()


def test_the_alerts_ask_for_figures_that_are_given(s):
    asked = set(re.findall(r"\bprovctl_scan_[a-z_]+", (CONTRIB / "scan-alerts.yml").read_text()))
    file = s.dir / "scan.prom"
    s.provctl("scan", "--history", s.dir / "h", "--quiet", "--metrics-file", file, check=0)
    given = {x.name for family in text_string_to_metric_families(file.read_text()) for x in family.samples}
    assert asked and asked <= given
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")
    for args in (("check", "rules", "scan-alerts.yml"), ("test", "rules", "scan-alerts.test.yml")):
        done = subprocess.run(["promtool", *args], cwd=CONTRIB, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
