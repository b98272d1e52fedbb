"""slapd as openldap and provd as a user of its own, without privileges, as contrib/systemd has it: each writes its
own directory, and the group that both are in lets each read what the other has written.

The group is only in a copy of /etc/group that slapd alone sees, in a mount namespace of its own; provd's user is
only a number."""

import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import lmdb
import pytest

import harness
from harness import stays, wait_until
from slapdconf import POLICY, SUFFIX
from test_provd import Receiver, status

UID, GID = 61001, 61002  # of nobody here

PEER = f"^gidNumber=[0-9]+[+]uidNumber={UID},cn=peercred,cn=external,cn=auth$"
ACCESS = [  # as provd(8) has it; the last one is stricter than anybody's
    f'to dn.subtree="{POLICY}" filter="(objectClass=provConnector)" by dn.regex="{PEER}" read by * break',
    f'to dn.base="{SUFFIX}" attrs=entry by dn.regex="{PEER}" search by * break',
    'to * by * none',
]
SEES_GROUP = ("unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc/group && exec "$@"')
PROVD_USER = ("setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups", "--no-new-privs", "--inh-caps=-all",
              "--bounding-set=-all", "sh", "-c", 'umask 0077; exec "$0" "$@"')

try:
    OPENLDAP = pwd.getpwnam("openldap")
except KeyError:
    OPENLDAP = None


def can_mount(where):
    (where / "group").write_text(Path("/etc/group").read_text())
    return subprocess.run([*SEES_GROUP, where / "group", "true"], capture_output=True).returncode == 0


@pytest.fixture
def programs(monkeypatch):
    """What both users run, where both may read it."""
    if os.geteuid() != 0 or not OPENLDAP:
        pytest.skip("this needs root and the user openldap")
    where = Path(tempfile.mkdtemp(prefix="programs-"))
    where.chmod(0o755)
    if not can_mount(where):
        shutil.rmtree(where)
        pytest.skip("this needs the right to mount in a namespace of its own")
    for name in ("PROVD", "MODULE"):
        shutil.copy(getattr(harness, name), where)
        monkeypatch.setattr(harness, name, str(where / Path(getattr(harness, name)).name))
    yield where
    shutil.rmtree(where)


@pytest.fixture
def s(programs, make_slapd):
    s = make_slapd(start=False, access=ACCESS, peer_id="gidNumber=0.uidNumber=0",
                   database=[("dbnosync", "olcDbNoSync", "TRUE")])
    group = (programs / "group")
    group.write_text(re.sub(r"^(slapo-provision|[^:]*:x:61002):.*\n", "", group.read_text(), flags=re.M)
                     + f"slapo-provision:x:{GID}:openldap\n")
    s.slapd_by, s.slapd_options = (*SEES_GROUP, group), ("-u", "openldap", "-g", "openldap")
    s.provd_by = PROVD_USER
    subprocess.run(["chown", "-R", "openldap:openldap", s.dir], check=True)
    s.dir.chmod(0o711)
    own(s.state, 0, 0, 0o755)
    for name, uid in (("slapd", OPENLDAP.pw_uid), ("provd", UID)):
        (s.state / name).mkdir()
        own(s.state / name, uid, GID, 0o2750)
    s.start()
    return s


def own(path, uid, gid, mode):
    os.chown(path, uid, gid)
    path.chmod(mode)  # after chown, which takes the bit away


def hook_for(s):
    hook = Receiver(s.dir, "hook")
    os.chown(hook.dir, UID, GID)
    s.connector("hook", hook.target, provEvent=["account.created"])
    return hook


@pytest.fixture
def hook(s):
    return hook_for(s)


def as_provd(*command, **kw):
    return subprocess.run(command, user=UID, group=GID, extra_groups=[], capture_output=True, text=True, **kw)


def files(s):
    """{name: (user, group, mode)} of all that is in the state directory."""
    out = {}
    for path in s.state.rglob("*"):
        st = path.lstat()
        out[path.name] = ({OPENLDAP.pw_uid: "slapd", UID: "provd"}.get(st.st_uid, st.st_uid), st.st_gid,
                          st.st_mode & 0o7777)
    return out


SHARED = {"slapd": ("slapd", GID, 0o2750), "provd": ("provd", GID, 0o2750), "state.mdb": ("slapd", GID, 0o640),
          "state.mdb-lock": ("slapd", GID, 0o660), "delivery.mdb": ("provd", GID, 0o640),
          "delivery.mdb-lock": ("provd", GID, 0o660), "delivery.lock": ("provd", GID, 0o600),
          "provd.wake": ("provd", GID, 0o660), "provd.ctl": ("provd", GID, 0o600), "provd.pid": ("provd", GID, 0o600)}


def test_events_are_delivered_and_each_has_its_own_files(s, hook):
    s.provd_start()
    s.account("ann")
    assert hook.wait(1)[0]["data"]["uid"] == "ann"
    assert files(s) == SHARED
    proc = Path(f"/proc/{s.provd_process.pid}/status").read_text()
    assert re.search(rf"^Uid:\t{UID}\t{UID}\t{UID}\t{UID}$", proc, re.M)
    assert re.search(r"^CapEff:\t0+$", proc, re.M) and re.search(r"^CapBnd:\t0+$", proc, re.M)
    assert re.search(rf"^Groups:.*\b{GID}\b", Path(f"/proc/{s.process.pid}/status").read_text(), re.M)


def test_slapd_wakes_provd(s, hook):
    """Not the look that provd takes every 30 seconds anyway."""
    s.provd_start()
    for i in range(5):
        s.account(f"u{i}")
        hook.wait(i + 1, 5)


def test_either_may_be_restarted_and_nothing_is_lost(s, hook):
    s.provd_start()
    s.account("ann")
    hook.wait(1)
    s.restart()
    s.account("bob")
    hook.wait(2)
    s.provd_stop()
    s.account("cid")
    s.provd_start()
    hook.wait(3)
    s.provd_stop(hard=True)
    s.restart(hard=True)
    s.expect_log("unclean shutdown")
    s.account("dan")
    s.provd_start()  # which may deliver once more what it had no time to write down
    wait_until(lambda: set(hook.uids()) == {"ann", "bob", "cid", "dan"}, 10)
    assert files(s) == SHARED


def test_provd_cannot_write_or_remove_what_is_slapds(s, hook):
    s.provd_start()
    s.account("ann")
    hook.wait(1)
    before = files(s)
    script = """
import os, sys
for name in ("state.mdb", "provd-was-here"):
    path = sys.argv[1] + "/slapd/" + name
    for what in (lambda: os.open(path, os.O_RDWR | os.O_CREAT), lambda: os.unlink(path),
                 lambda: os.rename(path, path + "2"), lambda: os.chmod(path, 0o666)):
        try:
            what()
            print("did it:", path)
        except (PermissionError, FileNotFoundError):
            pass
for what in (lambda: os.rename(sys.argv[1] + "/slapd", sys.argv[1] + "/x"), lambda: os.mkdir(sys.argv[1] + "/x"),
             lambda: os.rmdir(sys.argv[1] + "/slapd")):
    try:
        what()
        print("did it")
    except OSError:
        pass
os.close(os.open(sys.argv[1] + "/slapd/state.mdb", os.O_RDONLY))
print("end")
"""
    done = as_provd("/usr/bin/python3", "-c", script, str(s.state))
    assert done.stdout == "end\n", done
    assert files(s) == before


def test_the_control_socket_is_for_provds_user_and_root(s, hook):
    s.provd_start()
    path = str(s.place("provd") / "provd.ctl")
    done = subprocess.run(["/usr/bin/python3", "-c", "import socket,sys; socket.socket(1).connect(sys.argv[1])", path],
                          user="openldap", group=GID, extra_groups=[], capture_output=True, text=True)
    assert "PermissionError" in done.stderr
    with socket.socket(socket.AF_UNIX) as c:
        c.connect(path)  # root


def test_root_works_on_both_with_provctl(s, hook):
    s.account("ann")
    s.provd_start()
    hook.wait(1)
    hook.behave("exit 1")
    listed = s.provctl("--state", s.state, "connector", "list", check=0).stdout
    assert "hook" in listed and "enabled" in listed
    s.provctl("--state", s.state, "audit", "verify", check=0)
    assert s.provctl("--state", s.state, "connector", "test", "hook").returncode == 1
    s.account("bob")
    wait_until(lambda: "deferred" in s.provctl("--state", s.state, "outbox", "list").stdout, 10)
    s.provd_stop()
    hook.behave("true")
    before = files(s)
    s.provctl("--state", s.state, "outbox", "retry", "--connector", "hook")
    assert files(s) == before, "root leaves no file of its own behind"
    s.provd_start()
    hook.wait(2)


def test_what_root_makes_first_belongs_to_provd(s):
    s.account("ann")
    s.wait_relayed()
    s.provctl("--state", s.state, "outbox", "drop", "--all", "--connector", "hook", "--reason", "test")
    hook = hook_for(s)
    s.provd_start()
    s.account("bob")
    hook.wait(1)
    assert files(s) == SHARED


def test_the_relay_reads_what_provd_wrote_and_trims(s, hook):
    """The newest 100,000 events stay, so events are numbered on from 200,000 here."""
    s.provd_start()
    s.account("ann")
    hook.wait(1)
    s.stop()
    assert [int(e["sequence"]) for e in s.events()] == [1]
    env = lmdb.open(str(s.place("slapd") / "state.mdb"), subdir=False, max_dbs=8)
    with env.begin(env.open_db(b"meta"), write=True) as txn:
        assert txn.get(b"outbox") == struct.pack(">Q", 1)
        txn.put(b"outbox", struct.pack(">Q", 200000))
    env.close()
    s.start()
    s.account("bob")
    hook.wait(2)
    dn = s.person_dn("bob")
    for i in range(1100):
        s.admin.modify(dn, replace={"description": str(i)})
    wait_until(lambda: int(s.events()[0]["sequence"]) > 200000, 20, "the first one is trimmed")


def test_provd_sees_connectors_and_nothing_else(s, hook):
    s.account("ann")
    s.role("staff", provAssignFilter="(objectClass=person)")
    for base in (SUFFIX, POLICY):
        done = as_provd("ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL", "-H", s.ldapi, "-b", base, "dn", env=s.env)
        seen = re.findall(r"^dn: (.*)$", done.stdout, re.M)
        assert seen == ([f"cn=hook,ou=connectors,{POLICY}"] if base == SUFFIX else []), done
    done = as_provd("ldapsearch", "-LLL", "-Q", "-Y", "EXTERNAL", "-H", s.ldapi, "-b", SUFFIX,
                    "(objectClass=provConnector)", "provTarget", env=s.env)
    assert f"dn: cn=hook,ou=connectors,{POLICY}" in done.stdout and "provTarget" in done.stdout
    done = as_provd("ldapwhoami", "-Q", "-Y", "EXTERNAL", "-H", s.ldapi, env=s.env)
    assert done.stdout.strip() == f"dn:gidNumber={GID}+uidNumber={UID},cn=peercred,cn=external,cn=auth"


def test_nothing_is_delivered_by_a_provd_that_may_not_read_them(programs, s, hook):
    s.stop()
    s.config.access = ["to * by * none"]
    s.configure()
    os.chown(s.dir / "slapd.conf", OPENLDAP.pw_uid, OPENLDAP.pw_gid)
    s.start()
    s.provd_start()
    s.account("ann")
    wait_until(lambda: "event=load-failed" in s.provd_log.read_text(), 10)
    stays(lambda: not hook.got(), 0.5)


def test_a_program_may_be_limited_without_privileges(s):
    s.connector("limited", "/bin/sh -c 'test \"$(ulimit -v)\" = 204800 && test \"$(id -u)\" = %d'" % UID,
                provOption=["memory=200"])
    s.provd_start()
    s.account("ann")
    wait_until(lambda: (st := status(s, "limited")) and (st["delivered"] or st["lastError"]), 10)
    assert status(s, "limited")["delivered"] == 1, status(s, "limited")


def test_an_outsider_gets_nothing(s, hook):
    s.provd_start()
    s.account("ann")
    hook.wait(1)

    def readable(uid, gid):
        out = subprocess.run(["find", s.state, "-mindepth", "1", "(", "-readable", "-o", "-writable", ")"], user=uid,
                             group=gid, extra_groups=[], capture_output=True, text=True).stdout
        return sorted(Path(line).name for line in out.splitlines())
    assert readable(61003, 61003) == []
    assert readable(61003, GID) == ["delivery.mdb", "delivery.mdb-lock", "provd", "provd.wake", "slapd", "state.mdb",
                                    "state.mdb-lock"]
