#!/usr/bin/python3
"""Run a program under what a systemd unit denies, without a systemd: as_unit.py UNIT[,DROP-IN] PROGRAM [ARGUMENT]...

The kernel enforces the same: system calls that SystemCallFilter= does not let through, memory that is written and
executed, other address families, set-user-ID bits, privileges, core dumps. Mounts and capabilities are the caller's.
"""

import ctypes
import errno
import os
import resource
import socket
import subprocess
import sys

import seccomp

PR_SET_NO_NEW_PRIVS = 38
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000


class Unit:
    """What a unit says; a name may come more than once."""

    def __init__(self, paths):
        self.values = {}
        for path in paths:
            with open(path, encoding="utf-8") as f:
                for line in f:
                    name, found, value = line.strip().partition("=")
                    if found and not name.startswith("#"):
                        self.values.setdefault(name, []).append(value)

    def all(self, name):
        return self.values.get(name, [])

    def on(self, name):
        return self.all(name)[-1:] == ["yes"]


def calls(word):
    """What a group such as @system-service stands for; a plain name stands for itself."""
    if not word.startswith("@"):
        return {word}
    out = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True).stdout
    found = set()
    for line in out.splitlines()[1:]:
        if line.strip() and not line.strip().startswith("#"):
            found |= calls(line.strip())
    return found


def deny_calls(lines):
    allowed = calls("@default")
    for line in lines:
        for word in line.lstrip("~").split():
            allowed = allowed - calls(word) if line.startswith("~") else allowed | calls(word)
    f = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in allowed:
        try:
            f.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError, OSError):
            pass  # not of this machine
    f.load()


def deny_arguments(unit):
    f = seccomp.SyscallFilter(seccomp.ALLOW)
    eperm = seccomp.ERRNO(errno.EPERM)
    if unit.on("MemoryDenyWriteExecute"):
        both = PROT_WRITE | PROT_EXEC
        f.add_rule(eperm, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, both, both))
        f.add_rule(eperm, "shmat", seccomp.Arg(2, seccomp.MASKED_EQ, SHM_EXEC, SHM_EXEC))
        for name in ("mprotect", "pkey_mprotect"):
            f.add_rule(eperm, name, seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, PROT_EXEC))
    families = unit.all("RestrictAddressFamilies")
    if families:
        allowed = {int(getattr(socket, name)) for name in families[-1].split()}
        for family in set(range(46)) - allowed:
            f.add_rule(seccomp.ERRNO(errno.EAFNOSUPPORT), "socket", seccomp.Arg(0, seccomp.EQ, family))
    if unit.on("RestrictSUIDSGID"):
        for name, at in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2), ("open", 2),
                         ("openat", 3)):
            for bit in (0o4000, 0o2000):
                f.add_rule(eperm, name, seccomp.Arg(at, seccomp.MASKED_EQ, bit, bit))
    f.load()


def main():
    unit, program = Unit(sys.argv[1].split(",")), sys.argv[2:]
    os.umask(int(unit.all("UMask")[-1], 8))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    assert ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    deny_arguments(unit)
    deny_calls(unit.all("SystemCallFilter"))
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
