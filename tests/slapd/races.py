"""slapd and the module with the thread sanitizer: PROV_TSAN=DIRECTORY (make check-tsan).

The reports of each process are files in the directory that slapd runs in, and are kept in DIRECTORY. slapd has
races of its own, so a report counts when

- one of the two accesses is in a function of ours, and the other not in one that sets a flag ("flag:" there) or, while
  ours is in pending.c, copies a database ("copy:"), or
- the memory was asked for by one, or
- a function of ours has called one of those that met, and none of these is in tests/tsan/known.

Frames of the sanitizer, of libc and of the functions that only pass memory on are looked through.
"""
import os
import re
import shutil
from pathlib import Path

KEPT = os.environ.get("PROV_TSAN")
TOP = Path(__file__).resolve().parent.parent.parent
LISTED = {line.strip() for line in (TOP / "tests/tsan/known").read_text().splitlines() if line[:1] not in "#"}
COPIES = {line.removeprefix("copy: ") for line in LISTED if line.startswith("copy: ")}
FLAGS = {line.removeprefix("flag: ") for line in LISTED if line.startswith("flag: ")}
KNOWN = LISTED | FLAGS
REPORT = re.compile(r"^={18}\nWARNING: ThreadSanitizer: (.*?) \(pid.*?^={18}$", re.S | re.M)
FRAME = re.compile(r"^ +#\d+ (\S+) (\S+)", re.M)
THROUGH = re.compile(r"(ch|ber)_(mem)?(m|c|re)?(alloc|free)(_x)?$|(ch_strdup|ber_strdup_x|ber_dupbv(_x)?|ber_mem\w+|slap_sl_\w+)$")


def environment(directory):
    if not KEPT:
        return {}
    # not at the first one, and with slapd's own exit status
    return {"TSAN_OPTIONS": f"halt_on_error=0 exitcode=0 history_size=7 log_path={directory}/tsan",
            "LD_PRELOAD": str(TOP / "build/tsan/pause.so")}


def inner(frames):
    """Where it happened: (function, file)."""
    for function, place in frames:
        if "libsanitizer" not in place and not THROUGH.match(function):
            return function, place
    return "?", "?"


def is_ours(place):
    return place.startswith("overlay/")


class Report:
    def __init__(self, kind, text):
        self.kind, self.text = kind, text
        paragraphs = [(p.lstrip("=\n"), FRAME.findall(p)) for p in text.split("\n\n")]
        where = [(re.sub(r"WARNING.*\n", "", p).strip(), frames) for p, frames in paragraphs if frames]
        told = [(head, frames) for head, frames in where if not re.match(r"Thread T|Location|Mutex M\d+ \(|As if synchronized", head)]
        memory = [frames for head, frames in where if head.startswith("Location")]
        self.met = [inner(frames) for _, frames in told]
        ours = any(is_ours(place) for _, place in self.met + [inner(f) for f in memory])
        touched = any(is_ours(place) for _, frames in told for _, place in frames)
        functions = {function for function, _ in self.met}
        copied = functions & COPIES and {place.split(":")[0] for _, place in self.met if is_ours(place)} <= {"overlay/slapd/pending.c"}
        self.counts = not functions & FLAGS and not copied and (ours or touched and not functions & KNOWN)
        self.whose = "ours" if self.counts else "known" if touched else "slapd's"

    def __str__(self):
        return f"{self.whose}: {self.kind}: " + " / ".join(sorted(f"{f} {p.split('/')[-1]}" for f, p in self.met))


def reports(directory):
    for path in sorted(Path(directory).glob("tsan.*")):
        for m in REPORT.finditer(path.read_text(errors="replace")):
            yield Report(m.group(1), m.group(0))


def check(directory):
    """Fails with what is ours."""
    if not KEPT:
        return
    found = [r.text for r in reports(directory) if r.counts]
    for path in Path(directory).glob("tsan.*"):
        shutil.copy(path, KEPT)
    assert not found, f"{len(found)} reports of the thread sanitizer (all: {KEPT}), the first:\n{found[0]}"


def main(directory):
    """All that was reported, by kind, most first."""
    seen = {}
    for r in reports(directory):
        seen[str(r)] = seen.get(str(r), 0) + 1
    for kind, n in sorted(seen.items(), key=lambda x: -x[1]):
        print(f"{n:6} {kind}")


if __name__ == "__main__":
    import sys
    main(sys.argv[1])
