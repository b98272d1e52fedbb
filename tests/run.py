#!/usr/bin/python3
"""Run test steps and add up what they counted.

Usage: tests/run.py STEP...   with STEP one of lint unit fuzz slapd slapd26 valgrind provd crash soak versions asan tsan deb

Every step runs, also when one before it has failed. The last line on standard
output is "N passed, N failed"; the exit status is 0 only when nothing failed and
something passed. A program that dies, times out or could not be built counts as
one failure more. Logs and results: build/results/.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
RESULTS = TOP / "build" / "results"
JOBS = f"-j{os.cpu_count() or 1}"


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.names = []  # of what failed

    def add(self, name, good, passed=1):
        if good:
            self.passed += passed
        else:
            self.failed += 1
            self.names.append(name)

    def merge(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.names += other.names

    def __str__(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def run(args, log, timeout, env=None):
    """Exit status (None: timed out) and output; the output goes to the log file too."""
    try:
        done = subprocess.run(
            args, cwd=TOP, timeout=timeout, stdin=subprocess.DEVNULL, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace")
        status, output = None, output + f"\ntimed out after {timeout} s\n"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output)
    return status, output


def say(good, text, seconds, output=""):
    print(f"  {'ok  ' if good else 'FAIL'} {text} ({seconds:.1f} s)", flush=True)
    if not good:
        for line in output.splitlines()[-60:]:
            print(f"       {line}")


def make(target, count):
    """Build; a failure counts once, what could be built is run all the same."""
    began = time.monotonic()
    status, output = run(
        [os.environ.get("MAKE", "make"), "--no-print-directory", "-k", JOBS, target],
        RESULTS / f"make-{target}.log", 900, {"MAKEFLAGS": ""})
    count.add(f"make {target}", status == 0)
    say(status == 0, f"make {target}", time.monotonic() - began, output)


def step_lint(count):
    make("all", count)
    for check in subprocess.check_output([TOP / "scripts/lint.sh", "--list"], text=True).split():
        began = time.monotonic()
        status, output = run(
            [TOP / "scripts/lint.sh", check], RESULTS / "lint" / f"{check}.log", 600)
        count.add(f"lint {check}", status == 0)
        say(status == 0, check, time.monotonic() - began, output)


def run_cmocka(name, variant, program, count):
    began = time.monotonic()
    env = {
        "CMOCKA_MESSAGE_OUTPUT": "TAP",
        "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        "TSAN_OPTIONS": "halt_on_error=1",
    }
    status, output = None, "not built"
    if program.exists():
        status, output = run([program], RESULTS / "unit" / f"{name}.{variant}.log", 120, env)
    good = len(re.findall(r"^ok \d+ (?!# SKIP)", output, re.M))
    skipped = len(re.findall(r"^(?:not )?ok \d+ # SKIP", output, re.M))
    bad = re.findall(r"^not ok \d+ -? ?(?!# SKIP)(.*)", output, re.M)
    if not bad and (status != 0 or good + skipped == 0):
        bad = [f"exit status {status}"]
    count.passed += good
    count.skipped += skipped
    for test in bad:
        count.add(f"{name} ({variant}): {test}", False)
    say(not bad, f"{name} {variant}: {good} tests", time.monotonic() - began, output)


def step_unit(count):
    make("unit-programs", count)
    for source in sorted((TOP / "tests/unit").glob("test_*.c")):
        name = source.stem
        run_cmocka(name, "plain", TOP / "build/bin" / name, count)
        run_cmocka(name, "asan", TOP / "build/asan/bin" / name, count)
        if name.endswith("_threads"):
            run_cmocka(name, "tsan", TOP / "build/tsan/bin" / name, count)


def step_fuzz(count):
    make("fuzz-programs", count)
    for source in sorted((TOP / "tests/fuzz").glob("fuzz_*.c")):
        began = time.monotonic()
        corpus = sorted((TOP / "tests/fuzz/corpus" / source.stem[len("fuzz_"):]).glob("*"))
        program = TOP / "build/asan/bin" / source.stem
        status, output = None, "not built, or no corpus"
        if program.exists() and corpus:
            status, output = run(
                [program, *corpus], RESULTS / "fuzz" / f"{source.stem}.log", 300)
        count.add(source.stem, status == 0)
        say(status == 0, f"{source.stem}: {len(corpus)} inputs", time.monotonic() - began, output)


def pytest(folder, count, timeout, args=(), env=None, name=None, together=False, by=()):
    """All tests of the folder, or the files that args name. together: one file more at a time than
    there are processors, as most wait most of the time (they share nothing: each test has servers and ports of its own). by: the
    command that runs them, in front."""
    if together:
        args = ["-n", str((os.cpu_count() or 1) + 1), "--dist", "loadfile", *args]
    xml = RESULTS / f"{name or folder}.xml"
    which = [] if any(str(a).endswith(".py") for a in args) else [f"tests/{folder}"]
    xml.unlink(missing_ok=True)
    make("all", count)
    try:
        # -p no:cacheprovider: nothing is written into the tree
        status = subprocess.run(
            [*by, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short",
             f"--junitxml={xml}", *args, *which],
            cwd=TOP, timeout=timeout, stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {}), "PYTHONDONTWRITEBYTECODE": "1"}).returncode
    except subprocess.TimeoutExpired:
        status = None
    failed = count.failed
    if xml.exists():
        for case in ElementTree.parse(xml).getroot().iter("testcase"):
            if case.find("skipped") is not None:
                count.skipped += 1
            else:
                good = case.find("failure") is None and case.find("error") is None
                count.add(f"{case.get('classname')}.{case.get('name')}", good)
    if not xml.exists() or (status != 0 and count.failed == failed):  # none collected, aborted, ...
        count.add(f"pytest tests/{name or folder}: exit status {status}", False)


def step_slapd(count):
    make("node-modules", count)
    make("build/bin/test_provctl_findings", count)  # prints findings for those tests that look at them
    pytest("slapd", count, 1200, together=True)


def step_slapd26(count):
    """The same and the crash tests with OpenLDAP 2.6 (make slapd26), and the module that was compiled for it."""
    make("node-modules", count)
    make("build/bin/test_provctl_findings", count)
    make("slapd26", count)
    make("crash26-programs", count)
    by = [TOP / "scripts/with26.sh"]
    pytest("slapd", count, 2400, name="slapd26", together=True, by=by)
    pytest("crash", count, 1200, ["-n", str(os.cpu_count() or 1)], name="crash26", by=by)


def step_valgrind(count):
    """slapd below valgrind: every module that does not look at speed or at others' programs. Hours."""
    others = re.compile(r"_(389|ad|kafka|nats|scim|caep\w*|provctl\w*|scan\w*|review|audit\w*|explain\w*|harness|"
                        r"man_examples|metrics|secrets|provd|outbox\w*|sync\w*|own_user|dead_destination)\.py$")
    modules = [f"tests/slapd/{m.name}" for m in sorted((TOP / "tests/slapd").glob("test_*.py")) if not others.search(m.name)]
    pytest("slapd", count, None, modules, {"PROV_VALGRIND": "1", "PROV_SLOW": "10"}, "valgrind", together=True)


def step_provd(count):
    """provd with the thread sanitizer, and with that for memory, delivers again: where threads meet
    with the first, what is read from the outside with the second."""
    # the threads of librdkafka are C11's, of which the thread sanitizer knows nothing
    variants = (
        ("tsan", {"TSAN_OPTIONS": "halt_on_error=1"}, ("provd", "webhook", "caep_poll", "scim", "nats", "metrics")),
        ("asan", {}, ("provd", "caep", "scim", "ldap_connector", "ldap_ad", "nats", "kafka", "secrets")),
    )
    for variant, options, modules in variants:
        make(f"build/{variant}/bin/provd", count)
        pytest("slapd", count, 600, [f"tests/slapd/test_{t}.py" for t in modules],
               {"PROVD": str(TOP / f"build/{variant}/bin/provd"), **options}, f"provd-{variant}", together=True)


def step_crash(count):
    make("node-modules", count)
    make("crash-programs", count)
    pytest("crash", count, 600, ["-n", str(os.cpu_count() or 1)])


def step_soak(count):
    """Many accounts of Active Directory, then the crash tests for hours: PROV_CRASH_ROUNDS,
    PROV_PROVD_KILLS, PROV_POWER_IMAGES, PROV_NOMEM_STEP and PROV_MESH_ROUNDS, and what they say as they go."""
    make("node-modules", count)
    make("crash-programs", count)
    pytest("slapd", count, 3600, ["tests/slapd/test_ldap_ad.py"], {"PROV_AD_PEOPLE": "240"}, "soak-ad")
    pytest("crash", count, None, ["-s"], {"PROV_CRASH_ROUNDS": os.environ.get("PROV_CRASH_ROUNDS", "1000"),
                                          "PROV_PROVD_KILLS": os.environ.get("PROV_PROVD_KILLS", "2000"),
                                          "PROV_NOMEM_STEP": os.environ.get("PROV_NOMEM_STEP", "1"),
                                          "PROV_POWER_IMAGES": os.environ.get("PROV_POWER_IMAGES", "1000"),
                                          "PROV_MESH_ROUNDS": os.environ.get("PROV_MESH_ROUNDS", "40")})


def step_versions(count):
    """An older version of the overlay beside this one, before it and after it: PROV_OLD (scripts/old-version.sh)."""
    pytest("versions", count, 1200, together=True)


def step_asan(count):
    """Random LDAP operations, and slapd and the module with sanitizers (make slapd-asan)."""
    make("slapd-asan", count)
    there = TOP / "build/openldap-asan/inst/libexec"
    pytest("asan", count, None, ["-s"], {
        "SLAPD": str(there / "slapd"), "SLAPD_MODULES": str(there / "ldap"),
        "PROVISION_SO": str(TOP / "build/asan/provision.so"),
        # no leaks: see scripts/slapd-asan.sh
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1:halt_on_error=0:handle_abort=1:quarantine_size_mb=64",
        "UBSAN_OPTIONS": f"print_stacktrace=1:suppressions={TOP}/tests/asan/ubsan.supp"})


def step_tsan(count):
    """Threads of slapd and the module, with the thread sanitizer (make slapd-tsan); tests/slapd/races.py reads the reports."""
    make("slapd-tsan", count)
    kept = RESULTS / "tsan"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    there = TOP / "build/openldap-tsan/inst/libexec"
    env = {"SLAPD": str(there / "slapd"), "SLAPD_MODULES": str(there / "ldap"), "PROVISION_SO": str(TOP / "build/tsan/provision.so"),
           "PROV_TSAN": str(kept), "PROV_SLOW": "5"}
    modules = ("sessions", "leaver", "follow", "config", "connector_start", "breaker", "memberof")
    pytest("tsan", count, None, ["-s"], env)
    pytest("slapd", count, None, [f"tests/slapd/test_{m}.py" for m in modules], env, "slapd-tsan", together=True)
    print(subprocess.run([sys.executable, "-B", "tests/slapd/races.py", kept], cwd=TOP, capture_output=True, text=True).stdout)


def step_deb(count):
    """The Debian package, in a root of its own (mmdebstrap): needs root, and a mirror of Debian."""
    make("deb", count)
    pytest("deb", count, 1200)


def main():
    steps = {name[len("step_"):]: f for name, f in globals().items() if name.startswith("step_")}
    unknown = [name for name in sys.argv[1:] if name not in steps]
    if unknown or len(sys.argv) < 2:
        sys.exit(f"{__doc__}\nunknown: {' '.join(unknown)}")
    sys.stdout.reconfigure(line_buffering=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    total = Count()
    for name in sys.argv[1:]:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        count = Count()
        steps[name](count)
        print(f"== {name}: {count} in {time.monotonic() - began:.0f} s", flush=True)
        total.merge(count)
    for name in total.names:
        print(f"failed: {name}")
    print(total)
    sys.exit(0 if total.passed and not total.failed else 1)


if __name__ == "__main__":
    main()
