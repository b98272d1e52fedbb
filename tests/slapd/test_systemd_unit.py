"""contrib/systemd: what systemd's own tools say of the files, and provd under what the unit denies."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness import TOP, wait_until
from receivers import NodeServer
from test_caep_poll import Site as PollSite, suspend
from test_own_user import GID, SEES_GROUP, UID, can_mount
from test_provd import Receiver, status, wait_state

CONTRIB = TOP / "contrib/systemd"
UNIT = CONTRIB / "provd.service"
EXEC_USER = CONTRIB / "exec-user.conf"


def test_the_unit_is_one_that_systemd_takes(tmp_path):
    here = tmp_path / "provd.service"
    here.write_text(UNIT.read_text().replace("/usr/sbin/provd", str(Path(harness.PROVD).resolve())))
    out = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", here],
                         capture_output=True, text=True)
    assert out.returncode == 0 and out.stderr == "", out
    here.write_text(UNIT.read_text().replace("PrivateTmp=yes", "PrivateTmp=perhaps"))
    out = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True)
    assert "perhaps" in out.stderr, "the tool does look"


def test_the_unit_gives_away_little():
    out = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=12", UNIT],
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stdout
    said = re.search(r"an exposure of ([0-9.]+)", (CONTRIB / "README.md").read_text())[1]
    assert f"Overall exposure level for provd.service: {said} " in out.stdout, "README.md says the same"


def test_users_and_directories_are_made_and_made_again(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("this needs root")
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        kept = [line for line in Path(f"/etc/{name}").read_text().splitlines() if line.startswith(("root:", "openldap:"))]
        (tmp_path / "etc" / name).write_text("\n".join(kept) + "\n")
    top = tmp_path / "var/lib/slapo-provision"
    for _ in range(2):
        for tool, file in ((["systemd-sysusers"], "sysusers"), (["systemd-tmpfiles", "--create"], "tmpfiles")):
            subprocess.run([*tool, f"--root={tmp_path}", CONTRIB / f"slapo-provision.{file}"], check=True,
                           capture_output=True)
        group = re.search(r"^slapo-provision:x:(\d+):(.*)$", (tmp_path / "etc/group").read_text(), re.M)
        provd = re.search(r"^provd:x:(\d+):(\d+):.*nologin$", (tmp_path / "etc/passwd").read_text(), re.M)
        assert group[2] == "openldap" and provd[2] == group[1]
        modes = {p.name: (p.stat().st_uid, p.stat().st_gid, p.stat().st_mode & 0o7777) for p in (top, *top.iterdir())}
        slapd = int(re.search(r"^openldap:x:(\d+):", (tmp_path / "etc/passwd").read_text(), re.M)[1])
        assert modes == {"slapo-provision": (0, 0, 0o755), "slapd": (slapd, int(group[1]), 0o2750),
                         "provd": (int(provd[1]), int(group[1]), 0o2750)}


# -- provd under the unit ----------------------------------------------------------------------------


RUN = 'mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift && exec "$@"'


@pytest.fixture
def s(slapd, tmp_path, monkeypatch):
    """slapd as it is, provd as a user of its own under the unit, with a file system that it cannot write."""
    if os.geteuid() != 0 or not can_mount(tmp_path):
        pytest.skip("this needs root, and the right to mount in a namespace of its own")
    for name in ("as_unit.py", "provd"):
        shutil.copy({"provd": harness.PROVD}.get(name, TOP / "tests/slapd" / name), slapd.dir)
    monkeypatch.setattr(harness, "PROVD", str(slapd.dir / "provd"))
    slapd.dir.chmod(0o755)
    (slapd.state / "provd").mkdir()
    os.chown(slapd.state / "provd", UID, GID)
    for path in (slapd.state, slapd.state / "provd"):
        os.chown(path, -1, GID)
        path.chmod(0o2750)
    slapd.restart()  # makes its files anew: shared
    wait_until(lambda: all(p.stat().st_gid == GID and p.stat().st_mode & 0o040
                           for p in slapd.state.glob("state.mdb*")), 10, "shared")
    under(slapd, UNIT)
    return slapd


def under(s, unit, *caps):
    own_users = ("unshare", "--user", f"--map-user={UID}", f"--map-group={GID}")  # PrivateUsers=
    s.provd_by = (*SEES_GROUP[:4], "sh", "-c", RUN, "sh", s.state, "setpriv", f"--reuid={UID}", f"--regid={GID}",
                  "--clear-groups", *(caps or ("--inh-caps=-all", "--bounding-set=-all", *own_users)), sys.executable,
                  s.dir / "as_unit.py", unit)
    s.provd_by = tuple(map(str, s.provd_by))


def done(s, name, n=1):
    wait_until(lambda: (st := status(s, name)) and (st["delivered"] >= n or st["lastError"] or st["problem"]), 15)
    assert status(s, name)["delivered"] >= n, status(s, name)


def test_a_program_delivers_and_cannot_write_where_it_must_not(s):
    open_dir = s.dir / "open"
    open_dir.mkdir()
    open_dir.chmod(0o777)
    s.connector("plain", f"/bin/sh -c 'grep -q ann && ! touch {open_dir}/x 2>/dev/null'")
    s.connector("limited", "/bin/sh -c 'test \"$(ulimit -n)\" = 20'", provOption=["files=20", "memory=200"])
    s.provd_start()
    s.account("ann")
    done(s, "plain")
    done(s, "limited")
    proc = Path(f"/proc/{s.provd_process.pid}/status").read_text()
    assert re.search(r"^Seccomp:\t2$", proc, re.M) and re.search(r"^NoNewPrivs:\t1$", proc, re.M)
    users = Path(f"/proc/{s.provd_process.pid}/uid_map").read_text().split()
    assert users == [str(UID), str(UID), "1"], "it knows no other users"


def test_the_unit_denies_what_it_says(s):
    """So that the other tests are not passed by a filter that lets everything through."""
    tries = {
        "nice": "nice -n 5 sh -c 'test $(nice) = 5'", "user": "setpriv --reuid=0 true", "netlink":
        "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'", "write and execute":
        "/usr/bin/python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'", "suid": "sh -c 'cp /bin/true $X && chmod u+s $X'",
        "mount": "mount -t tmpfs none /mnt"}
    for name, command in tries.items():
        path = s.state / "provd" / "x"
        done_ = subprocess.run([*s.provd_by, "/bin/sh", "-c", command.replace("$X", str(path))],
                               capture_output=True, text=True)
        assert done_.returncode != 0, f"{name}: {done_}"
    assert subprocess.run([*s.provd_by, "/bin/true"]).returncode == 0


def test_a_webhook_is_delivered(s, pki, tmp_path):
    node = NodeServer(tmp_path / "node", "webhook.mjs", cert=pki / "server.pem", key=pki / "server.key",
                      secret="whsec_" + "A" * 43 + "=")
    try:
        shutil.copy(pki / "ca.pem", s.dir)
        secret = s.dir / "secret"
        secret.write_text("whsec_" + "A" * 43 + "=\n")
        secret.chmod(0o600)
        os.chown(secret, UID, GID)
        s.connector("web", f"https://localhost:{node.port}/", provConnectorType="webhook", provSecretFile=str(secret),
                    provOption=[f"ca={s.dir}/ca.pem"])
        s.provd_start()
        s.account("ann")
        assert node.wait(1)[0]["hmac"] is True
        done(s, "web")
    finally:
        node.stop()


def test_a_receiver_may_poll(s, pki):
    site = PollSite(s, pki)
    shutil.copy(pki / "server.pem", s.dir)
    for name in ("keys.pem", "token", "server.key"):
        os.chown(s.dir / name, UID, GID)
    site.connect(provEvent=["account.suspended"], option={"cert": s.dir / "server.pem", "jwks": None})
    site.start()
    suspend(s, "ann")
    wait_until(lambda: site.sets()["sets"], 10)
    site.sets(ack=list(site.sets()["sets"]))
    done(s, "hook")


def test_a_program_runs_as_another_user_with_the_drop_in(s):
    judge = ('/bin/sh -c \'test "$(id -un)" = nobody && test "$(id -G)" = "$(id -G nobody)" && '
             'grep -Eq "^CapEff:[[:space:]]*0+$" /proc/self/status && grep -Eq "^CapAmb:[[:space:]]*0+$" /proc/self/status\'')
    s.connector("other", judge, provOption="user=nobody")
    under(s, f"{UNIT},{EXEC_USER}", "--inh-caps=-all,+setuid,+setgid", "--ambient-caps=-all,+setuid,+setgid",
          "--bounding-set=-all,+setuid,+setgid")
    s.provd_start()
    wait_state(s, "enabled", "other")
    s.account("ann")
    done(s, "other")


def test_without_the_drop_in_it_is_a_failed_attempt(s):
    s.connector("other", "/bin/true", provOption="user=nobody")
    s.provd_start()
    s.account("ann")
    wait_until(lambda: (st := status(s, "other")) and st["lastError"], 10)
    assert "setpriv" in status(s, "other")["lastError"]
