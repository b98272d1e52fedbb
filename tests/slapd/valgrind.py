"""slapd below valgrind's memcheck: PROV_VALGRIND=1 (make check-valgrind).

Its report is a file for each process in the directory that slapd runs in. Each wrong access counts, wherever it
happens. A leak is ours when a function of ours has asked for the memory: slapd calls back-mdb through the overlay, which is
therefore below almost everything, so that only the frames before slapd's own are looked at.
"""
import os
import re

WANTED = os.environ.get("PROV_VALGRIND", "0") != "0"
INNER = 12  # frames: a malloc in libc or liblber, called by a helper of ours
LEAK = "definitely lost"
# LMDB writes whole pages, of which it has filled a part
THEIRS = re.compile(r"Syscall param (pwrite64|pwritev|writev|write)\(.*uninitialised")


def command():
    if not WANTED:
        return ()
    return ("valgrind", "--tool=memcheck", "--log-file=valgrind.%p", "--num-callers=40", "--leak-check=full",
            "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite", "--track-fds=no", "--child-silent-after-fork=yes",
            "--keep-debuginfo=yes", "--fair-sched=yes")


def records(text):
    """Each report as (title, frames), innermost frame first; of a leak that is where it was allocated."""
    for block in re.split(r"^==\d+== ?\n", text, flags=re.M):
        lines = [re.sub(r"^==\d+== ?", "", line) for line in block.splitlines()]
        frames = [line.strip() for line in lines if re.match(r"\s+(at|by) 0x", line)]
        title = next((line.strip() for line in lines if line.strip() and not re.match(r"\s+(at|by) 0x", line)), "")
        if frames:
            yield title, frames


def ours(frames):
    if any("prov_type_of" in frame for frame in frames[:3]):
        return False  # interned for the life of the process (types.h); the table goes with the module
    for frame in frames[:INNER]:
        if "provision.so" in frame or "(in /usr/lib/ldap/provision" in frame or re.search(r"\bprov_\w+ \(", frame):
            return True
        if re.search(r"back_mdb|\(in /usr/sbin/slapd\)", frame):
            return False
    return False


def check(directory):
    """Fails with what is ours. Of a slapd that was killed the leaks are not known."""
    found = []
    for name in sorted(os.listdir(directory)) if WANTED else ():
        if not name.startswith("valgrind."):
            continue
        with open(os.path.join(directory, name), errors="replace") as f:
            text = f.read()
        found += [title + "\n  " + "\n  ".join(frames) for title, frames in records(text)
                  if not THEIRS.search(title) and (LEAK not in title or ours(frames))]
    assert not found, "valgrind:\n" + "\n".join(found[:10])
