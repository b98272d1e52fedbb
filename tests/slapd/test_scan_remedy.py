"""The remedy that a scan of the generated company prints (--ldif), given to slapd: what it was for is gone."""

import json
import subprocess

from test_provctl_scan_out import validate
from test_scan_planted import company, loaded, planted  # noqa: F401 (fixtures)


def scan(s, where, *args, check=1):
    return s.provctl("--timeout", "300", "scan", *planted.options(where), *args, check=check).stdout


def findings(s, where):
    lines = validate([json.loads(line) for line in scan(s, where, "--json").splitlines()])
    assert len(lines) == lines[-1]["findings"] + 1
    return {f["key"]: f for f in lines[:-1]}


def test_slapd_takes_all_of_it_and_what_it_was_for_is_gone(loaded, company):
    s, (_, where) = loaded, company
    before = findings(s, where)
    remedied = {k for k, f in before.items() if "ldif" in f}
    assert len({before[k]["id"] for k in remedied}) >= 5, "of many kinds"
    text = scan(s, where, "--ldif")
    assert all("\n" + f["ldif"].strip() + "\n\n" in text for f in before.values() if "ldif" in f)
    done = subprocess.run(["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", s.ldapi], input=text, capture_output=True, text=True,
                          env=s.env)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    after = findings(s, where)
    left = {before[k]["id"] for k in remedied & set(after)}
    assert left <= {"ORPHAN_SOURCE"}, "suspended, and still to be decided about"
    for k in remedied & set(after):
        assert s.admin.get(before[k]["dn"], "provState")["provState"] == ["suspended"]
    assert len(remedied - set(after)) >= 20 and {before[k]["id"] for k in remedied - set(after)} >= {
        "LEAVER_ACTIVE", "DANGLING_MEMBER", "MISSING_GRANT"}
