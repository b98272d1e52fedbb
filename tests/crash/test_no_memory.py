"""Memory is used up in the module (nomemory.c): the write that needed it is refused and says why, nothing is half there,
slapd lives, and the next write is as always. Each allocation of each kind of write fails once."""

import contextlib
import os
import re
import struct
import subprocess
import time
from pathlib import Path

import ldap
import pytest

from checker import check
from directory import CONNECTORS, GROUPS, PEOPLE, ROLES
from harness import MODULE, TOP, Slapd, StartFailed, wait_until
from ldapclient import REASON, control, refused
from test_provd import Receiver, status
from test_replication import same, start_with_sales, two_providers
from writers import MAIL, prepare

OBJECTS = f"{Path(MODULE).name}:libjansson:libunistring:libcrypto"
# in one run each STEPth allocation, so that it does not take long; the runs begin at different ones
STEP = int(os.environ.get("PROV_NOMEM_STEP", "7"))


class Memory:
    """What the preloaded object is told (struct control)."""

    def __init__(self, path):
        self.file = path.open("w+b", buffering=0)
        self.trace = Path(f"{path}.trace")
        self.write(0, 0, 0, 0)

    def env(self, objects=OBJECTS):
        return {"LD_PRELOAD": str(TOP / "build/crash/nomemory.so"), "PROV_NOMEM": self.file.name, "PROV_NOMEM_FOR": objects}

    def write(self, at, *values):
        os.pwrite(self.file.fileno(), struct.pack(f"={len(values)}q", *values), 8 * at)

    def arm(self, after, count=1):
        self.write(2, 0)
        self.trace.write_bytes(b"")
        self.write(0, after)
        self.write(1, count)

    def off(self):
        self.write(1, 0)

    def failed(self):
        return struct.unpack("=q", os.pread(self.file.fileno(), 8, 16))[0]

    def where(self):
        """The functions that the allocation was missing to, innermost first."""
        at = re.findall(re.escape(MODULE) + r"\(\+(0x[0-9a-f]+)\)", self.trace.read_text())
        text = subprocess.check_output(["addr2line", "-f", "-i", "-s", "-e", MODULE, *(hex(int(a, 16) - 1) for a in at)], text=True) if at else ""
        return " < ".join(f"{f} {line}" for f, line in zip(*[iter(text.split("\n"))] * 2))


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "memory")


@pytest.fixture
def slapd_of_ours():
    with Slapd() as s:
        yield s


@pytest.fixture
def s(memory):
    with Slapd(provision={"provision-breaker": "0 0"}, start=False) as s:
        s.expect_log("provision: .*memory", "provision: relay: ")
        s.env.update(memory.env())
        s.start()
        prepare(s)
        s.account("ann", sn="Same", givenName="Name", departmentNumber="it", provState="active")
        s.account("bob", sn="Same", givenName="Name", departmentNumber="lab", provState="active")
        s.connector("nobody", "/bin/true", provFilter="(uid=nobody)")
        s.connector("hook", "/bin/true", provFilter="(uid=ann)")
        s.wait_relayed()
        yield s


def modify(s, n, **kw):
    s.set("ann", departmentNumber=("sales", "it", "lab")[n % 3], **kw)


def join(s, n, **kw):
    s.account(f"n{n}", sn=f"Joiner{n}", givenName="Name", departmentNumber="it", provState="active", **kw)


def leave(s, n, **kw):
    s.set("ann", provState=("terminated", "active")[n % 2], **kw)


def rename(s, n, **kw):
    dn = s.admin.search(PEOPLE, "(|(uid=bob*))", ["1.1"])[0].dn
    s.admin.rename(dn, f"uid=bob{n}", **kw)


def by_hand(s, n, **kw):
    member = f"uid=ann,{PEOPLE}"
    there = member in s.admin.get(f"cn=tennis,{GROUPS}")["member"]
    s.admin.modify(f"cn=tennis,{GROUPS}", **{"delete" if there else "add": {"member": member}}, **kw)


def role(s, n, **kw):
    s.admin.modify(f"cn=lab,{ROLES}", replace={"provTemplate": [
        MAIL, f"add description: works in lab {n}", "default employeeNumber: {next:uid}"]}, **kw)


def join_and_go(s, n, **kw):
    if not s.admin.search(PEOPLE, "(uid=gone)", ["1.1"]):
        s.account("gone", sn="Same", givenName="Name", departmentNumber="lab", provState="active")
    s.admin.delete(f"uid=gone,{PEOPLE}", **kw)


def connector(s, n, **kw):
    """If it were kept without its filter, which was not wholly read, it would get events."""
    s.admin.modify(f"cn=nobody,{CONNECTORS}", replace={"provTimeout": str(n % 60 + 1)}, **kw)


@pytest.mark.parametrize("write", [modify, join, leave, rename, by_hand, role, connector, join_and_go], ids=lambda f: f.__name__)
def test_each_allocation_of_a_write_fails_once(s, memory, write):
    answered, refusals, n = [], 0, 0
    first = sum(write.__name__.encode()) % STEP
    while True:
        token = f"{write.__name__}-{n}"
        memory.arm(first + n * STEP)
        try:
            write(s, n, controls=[control(REASON, token)])
            answered.append(token)
        except ldap.LDAPError as error:
            assert type(error) is ldap.OTHER, f"{memory.where()}: {n} {error}"
            assert "memory" in error.args[0].get("info", ""), (n, error, memory.where())
            refusals += 1
        finally:
            memory.off()
        assert s.process.poll() is None, f"{n}: slapd ended, {memory.where()}"
        if not memory.failed():
            break
        if write is connector:
            s.set("bob", title=str(n))
        if n % 10 == 0:
            s.wait_relayed()
        n += 1
    s.wait_relayed()
    check(s, answered, [])
    routes = {r for e in s.events() for r in e["route"]}
    assert routes <= {"hook"}, f"events for {routes}"
    assert refusals > n // 2, f"{refusals} refused of {n} that lacked memory"


def followed(s, n):
    people = s.admin.search(PEOPLE, "(departmentNumber=it)")
    return len(people) == 31 and all(e["description"] == [f"works in it {n}"] for e in people)


def test_those_that_follow_a_role_do_so_though_memory_was_missing(s, memory):
    for i in range(30):
        join(s, i)
    n = 0
    while n < 20 // STEP:
        s.admin.modify(s.role_dn("it"), replace={"provTemplate": [
            MAIL, f"add description: works in it {n}", "default employeeNumber: {next:uid}"]})
        memory.arm(n * STEP * 20, 3)
        wait_until(lambda: followed(s, n), 30, "everybody has followed, without another write")
        memory.off()
        n += 1
    s.wait_relayed(40)
    check(s, [], [])


def test_as_long_as_there_is_none_nothing_is_written_and_nobody_let_in(s, memory):
    s.account("eve", sn="Same", givenName="Name", userPassword="eve-pw", provState="terminated")
    s.wait_relayed()
    before = s.everything()
    memory.arm(0, 1 << 40)
    for i in range(10):
        with refused(ldap.OTHER, "memory"):
            s.set("ann", departmentNumber="sales")
        with refused(ldap.OTHER, "memory"):
            s.account(f"n{i}", sn="Same", provState="active")
        with refused(ldap.OTHER, "memory"):
            s.admin.delete(f"uid=bob,{PEOPLE}")
        assert not s.may_bind("eve", "eve-pw")
    assert s.everything() == before and memory.failed() > 30
    memory.off()
    modify(s, 0)
    s.wait_relayed(40)
    check(s, [], [])
    assert s.process.poll() is None and not s.may_bind("eve", "eve-pw")


def test_slapd_starts_whole_or_not_at_all(s, memory):
    """With a policy that was not wholly read, accounts would lose what it gives; what starts without one reads it later."""
    s.expect_log("bi_db_open failed", "provision: the policy is in force again")
    n = started = 0
    while True:
        s.stop()
        memory.arm(n * STEP * 3)
        try:
            s.start()
            started += 1
        except StartFailed as failed:
            assert "memory" in str(failed), (memory.where(), failed)
        memory.off()
        if not memory.failed():
            break
        if not s.running:
            s.start()
        modify(s, n)
        s.set("bob", title=str(n))
        s.wait_relayed(40)
        n += 1
    check(s, [], [])
    assert n > 2 and started


def test_a_replicated_policy_that_could_not_be_read_is_read_with_the_next_write(memory):
    """Until then accounts are refused: neither with the policy of before nor with half of the new one."""
    with contextlib.ExitStack() as stack:
        replicated(memory, *two_providers(lambda **kw: stack.enter_context(Slapd(**kw))))


def replicated(memory, a, b):
    b.env.update(memory.env())
    b.expect_log("provision: relay: .*(memory|writable again)", "provision: the replicated policy does not compile: .*memory",
                 "provision: the policy is in force again")
    start_with_sales(a, b)
    b.account("ann", departmentNumber="sales")
    wait_until(lambda: same(a, b), 10)
    memory.arm(0, 1 << 40)
    a.admin.modify(a.role_dn("sales"), replace={"provTemplate": "add description: sells"})
    wait_until(lambda: "does not compile" in b.log() or memory.failed() > 20, 10, "b has heard of it")
    wait_until(lambda: b.admin.get(a.role_dn("sales"))["provTemplate"], 10)
    with refused(ldap.OTHER, "memory"):
        b.account("bob", departmentNumber="sales")
    memory.off()
    b.account("bob", departmentNumber="sales")
    assert b.person("bob")["description"] == ["sells"]
    wait_until(lambda: same(a, b), 10)


def test_provd_delivers_everything_when_there_is_memory_again(slapd_of_ours, memory):
    s = slapd_of_ours
    hook = Receiver(s.dir, "hook")
    s.connector("hook", hook.target)
    s.account("ann")
    s.env.update(memory.env("(program):libjansson"))
    for n in range(1, 400, STEP * 3):
        if not s.provd_process:
            s.provd_start()
        memory.arm(n)
        for i in range(3):
            s.set("ann", title=f"{n}-{i}")
        time.sleep(0.15)
        memory.off()
        if s.provd_process.poll() is not None:
            assert s.provd_process.returncode == 2 and "memory" in s.provd_log.read_text().splitlines()[-1], memory.where()
            s.provd_process = None
    if not s.provd_process:
        s.provd_start()
    want = [e["id"] for e in s.events()]
    wait_until(lambda: {e["id"] for e in hook.got()} == set(want), 60, "all have arrived")
    got = [e["id"] for e in hook.got()]
    assert list(dict.fromkeys(got)) == want, "in the order of their commits"
    wait_until(lambda: status(s)["deferred"] == 0, 60, "nothing waits")
    assert status(s)["parked"] == 0
    s.provd_stop()
