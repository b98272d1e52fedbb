"""Random LDAP operations (generate.py) against a slapd that was built with sanitizers (make check-asan).

PROV_ASAN_OPERATIONS says how many, PROV_ASAN_SEED which ones. A report of a sanitizer, an
end of the server, or one that does not answer for a minute fails the test. Then slapd's log, which has the
reports, a stack of an assertion that failed and all operations with their threads, and what each connection
had sent last (in hex) are left in build/results/asan.
"""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from generate import furnish
from harness import TOP, Slapd
from sender import Sender

OPERATIONS = int(os.environ.get("PROV_ASAN_OPERATIONS", "20000"))
SEED = int(os.environ.get("PROV_ASAN_SEED", "1"))
CONNECTIONS = 4
LEFT = TOP / "build/results/asan"
KNOWN = {line.strip() for line in (Path(__file__).parent / "known").read_text().splitlines() if line[:1] not in "#"}
REPORT = re.compile(r"^.*(ERROR: AddressSanitizer|runtime error:|DEADLYSIGNAL|Assertion .* failed).*$", re.M)
SAID = re.compile(r"^[0-9a-f]{8}\.[0-9a-f]{8} 0x[0-9a-f]+ .*\n", re.M)
FAST = [("dbnosync", "olcDbNoSync", "TRUE")]
# without a checkpoint for a while, so that the trail's own writes are not all there is
MODES = {
    "own": dict(provision={"provision-breaker": "0 0"}, overlays=["accesslog", "syncprov", "refint", "unique", "sssvlv"]),
    "stock": dict(provision={"provision-memberof": "off", "provision-breaker": "0 0"}, overlays=["memberof", "dynlist", "ppolicy", "sssvlv"]),
}
if os.environ.get("PROV_ASAN_BARE"):  # to see what is OpenLDAP's own
    MODES["bare"] = dict(provision=None, overlays=["memberof", "accesslog", "syncprov", "dynlist", "ppolicy", "refint", "unique", "sssvlv"])


def known(report):
    """Is it OpenLDAP's own, by where it happened? Only the first stack of a report tells."""
    stack = re.findall(r"^ +#\d+ \S+ in (\S+) (\S+)", report.split("\n\n")[0], re.M)[:8]
    return "AddressSanitizer" in report and not any(where.startswith("overlay/") for _, where in stack) and \
        any(function in KNOWN for function, _ in stack)


def reports(s):
    """The sanitizers' reports in slapd's log that are not known, each with the lines that follow it."""
    text = SAID.sub("", s.log())  # comes in between
    found = [text[m.start():m.start() + 6000] for m in REPORT.finditer(text)]
    return [r for r in found if not known(r)]


def send(s, operations, seed, **source):
    overlay = [(a, [{"on": "TRUE", "off": "FALSE"}.get(v, v)]) for _, a, v in s.config.provision_lines()]
    senders = [Sender(str(s.dir / "sock"), seed * 1000 + n, operations // CONNECTIONS, overlay_dn=s.config.overlay_dn, overlay=overlay, **source)
               for n in range(CONNECTIONS)]
    Sender.bare = False
    for t in senders:
        t.start()
    for t in senders:
        t.join()
    return senders


def check(s, senders, mode, seed):
    found, left = reports(s), LEFT / f"{mode}-{seed}"
    if found or not s.running or any(t.error for t in senders):
        left.mkdir(parents=True, exist_ok=True)
        (left / "slapd.log").write_text(s.log())
        (left / "sent").write_text("".join(f"connection {n}: {t.error!r}\n" + "".join(f"{r.hex()}\n" for r in t.recent)
                                           for n, t in enumerate(senders)))
    assert not found, f"seed {seed}: {len(found)} reports (all: {left}), the first:\n{found[0]}"
    assert s.running, f"seed {seed}: slapd ended (see {left})"
    assert not any(t.error for t in senders), f"seed {seed}: no answer (see {left}): {[t.error for t in senders]}"


@pytest.mark.parametrize("mode", MODES)
def test_random_operations_end_in_no_report_of_a_sanitizer(mode):
    with Slapd("config", database=FAST, debug="stats", maxsize=8 << 30, **MODES[mode]) as s:
        s.expect_log("")  # wild requests are talked about at length
        furnish(s)
        senders = send(s, OPERATIONS, SEED, entry_reads="memberof" not in MODES[mode]["overlays"])
        check(s, senders, mode, SEED)
        show(mode, senders)
        s.stop()
        assert not reports(s), reports(s)[0]
        if s.config.module:
            s.provctl_offline("audit", "verify", check=0)


def show(mode, senders):
    """What was sent and answered; and not all may be refused at the door."""
    sent, results = sum((t.sent for t in senders), Counter()), sum((t.results for t in senders), Counter())
    print(f"\n{mode}: {sum(sent.values())} operations {dict(sent)}\nslowest {max(t.slowest for t in senders):.1f} s, not answered "
          f"{sum(t.unanswered for t in senders)}")
    for kind in sorted({k for k, _ in results}):
        print(f"  {kind}: " + " ".join(f"{c}={n}" for (k, c), n in sorted(results.items(), key=lambda x: -x[1]) if k == kind))
    for kind in ("add", "modify", "delete", "rename", "search", "bind", "extended", "compare"):
        good = sum(n for (k, c), n in results.items() if k == kind and c in (0, 5, 6))
        assert good * 100 > sent[kind], f"only {good} of {sent[kind]} {kind} were carried out"
