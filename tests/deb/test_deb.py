"""The Debian package, installed, upgraded, refused to go, removed and purged in a root of its own.

One story: the tests follow on each other in this order. slapd runs in the root, listens on ldapi
alone, and is ended by its own pid file. Nothing of the machine's own packages is touched.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
OUT = TOP / "build/deb"
SUFFIX = "dc=example,dc=com"
ADMIN = ("-x", "-D", f"cn=admin,{SUFFIX}", "-w", "secret")
ROOT = ("-Q", "-Y", "EXTERNAL")
STATE = "/var/lib/slapo-provision"
CONFIG = "/etc/ldap/slapd.d/cn=config"
HOOK = """mkdir -p "$1/usr/sbin"
printf '#!/bin/sh\\nexit 101\\n' >"$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
echo 'slapd slapd/domain string example.com' | chroot "$1" debconf-set-selections"""


class Box:
    """A small Debian. run() starts programs in it, with a /proc of their own."""

    def __init__(self, path):
        self.path = path

    def run(self, *args, check=True, input=None):
        script = 'mount --bind /proc "$0/proc" && exec chroot "$0" "$@"'
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, self.path, *map(str, args)], input=input,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                                   "LC_ALL": "C.UTF-8"})
        assert not check or done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}"
        return done

    def file(self, name):
        return self.path / name.lstrip("/")

    def install(self, deb):
        shutil.copy(deb, self.file("/tmp/this.deb"))
        return self.run("dpkg", "-i", "/tmp/this.deb").stdout

    def status(self):
        return self.run("dpkg-query", "-W", "-f", "${db:Status-Status}", "slapo-provision", check=False).stdout.strip()

    # -- slapd ----------------------------------------------------------------------------

    @property
    def pid(self):
        return int(self.file("/run/slapd/slapd.pid").read_text())

    def start(self):
        folder = self.file("/run/slapd")
        folder.mkdir(exist_ok=True)
        self.run("chown", "openldap:openldap", "/run/slapd")
        self.run("slapd", "-h", "ldapi:///", "-u", "openldap", "-g", "openldap", "-F", "/etc/ldap/slapd.d")
        self.wait(lambda: self.run("ldapwhoami", *ROOT, "-H", "ldapi:///", check=False).returncode == 0)

    def stop(self):
        pid = self.pid
        assert os.readlink(f"/proc/{pid}/root") == str(self.path)
        os.kill(pid, signal.SIGTERM)
        self.wait(lambda: not Path(f"/proc/{pid}").exists())

    def restart(self):
        self.stop()
        self.start()

    @staticmethod
    def wait(true, seconds=20):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end
            time.sleep(0.1)

    def search(self, base, *args, who=ROOT):
        return self.run("ldapsearch", *who, "-H", "ldapi:///", "-LLL", "-o", "ldif-wrap=no", "-b", base, *args).stdout

    def modify(self, ldif, who=ROOT):
        return self.run("ldapmodify", *who, "-H", "ldapi:///", input=ldif).stdout

    def modules(self):
        return [line.split(": ")[1] for line in self.search("cn=config", "(objectClass=olcModuleList)", "olcModuleLoad")
                .splitlines() if line.startswith("olcModuleLoad")]

    def data(self):
        return self.search(SUFFIX, "*", "+", who=ADMIN)


@pytest.fixture(scope="module")
def deb():
    found = [d for d in OUT.glob("slapo-provision_*.deb") if "+next" not in d.name]
    assert len(found) == 1, f"make deb: {found}"
    return found[0]


@pytest.fixture(scope="module")
def newer(deb, tmp_path_factory):
    """The same with a higher version, and another module file."""
    tree, out = tmp_path_factory.mktemp("newer") / "tree", OUT / "slapo-provision_+next.deb"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    lines = control.read_text().splitlines(keepends=True)
    control.write_text("".join(f"{line.rstrip()}+next\n" if line.startswith("Version:") else line for line in lines))
    with (tree / "usr/lib/ldap/provision.so").open("ab") as module:
        module.write(b"\0" * 16)  # behind what the loader reads
    (tree / "DEBIAN/md5sums").unlink()
    subprocess.run(["dpkg-deb", "-b", tree, out], check=True, stdout=subprocess.DEVNULL)
    return out


@pytest.fixture(scope="module")
def box(deb, tmp_path_factory):
    """slapd as Debian configures it, and all that the package depends on."""
    depends = subprocess.check_output(["dpkg-deb", "-f", deb, "Depends"], text=True).split(",")
    names = [d.split("|")[0].split("(")[0].strip() for d in depends if not d.strip().startswith("systemd")]
    names += ["systemd-standalone-sysusers", "systemd-standalone-tmpfiles"]
    path = tmp_path_factory.mktemp("deb") / "root"
    log = TOP / "build/results/mmdebstrap.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        subprocess.run(["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(names)}",
                        f"--essential-hook={HOOK}", "bookworm", path, "http://deb.debian.org/debian"],
                       check=True, stdout=out, stderr=out, timeout=900)
    box = Box(path.resolve())
    box.start()
    box.modify("dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\nreplace: olcRootPW\nolcRootPW: secret\n")
    yield box
    box.stop()
    subprocess.run(["rm", "-rf", "--one-file-system", box.path], check=True)


def test_it_depends_on_the_slapd_it_was_built_for(deb):
    depends = subprocess.check_output(["dpkg-deb", "-f", deb, "Depends"], text=True)
    slapd = subprocess.check_output(["dpkg-query", "-W", "-f", "${Version}", "slapd"], text=True)
    assert f"slapd (= {slapd})" in depends


def test_lintian_finds_no_error(deb):
    said = subprocess.run(["lintian", "--allow-root", "--fail-on=error", deb], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


def test_installing_loads_the_module_and_configures_nothing(box, deb):
    before, pid = box.data(), box.pid
    said = box.install(deb)
    assert "slapd has loaded the module; no overlay is configured" in said
    assert box.modules() == ["{0}back_mdb", "{1}provision"]
    assert box.data() == before and box.pid == pid
    assert "olcProvisionConfig" not in box.search("cn=config", "(objectClass=olcOverlayConfig)")
    assert not list(box.file("/etc/systemd/system").glob("*/provd.service"))
    assert "provd" in box.run("id", "provd").stdout and "slapo-provision" in box.run("id", "openldap").stdout
    assert {p.name for p in box.file(STATE).iterdir()} == {"slapd", "provd"}
    for name in ("/usr/share/man/man8/provd.8.gz", "/usr/share/slapo-provision/provision.schema",
                 "/usr/share/doc/slapo-provision/examples/hr/workday.map"):
        assert box.file(name).exists(), name


def test_installing_again_does_not_load_it_twice(box, deb):
    assert "goes on with the module of before" in box.install(deb)
    assert box.modules() == ["{0}back_mdb", "{1}provision"]


def test_a_joiner_is_provisioned(box):
    box.modify(f"""dn: ou=policy,{SUFFIX}
changetype: add
objectClass: organizationalUnit

dn: ou=people,{SUFFIX}
changetype: add
objectClass: organizationalUnit
""", who=ADMIN)
    box.modify(f"""dn: olcOverlay=provision,olcDatabase={{1}}mdb,cn=config
changetype: add
objectClass: olcOverlayConfig
objectClass: olcProvisionConfig
olcOverlay: provision
olcProvisionPolicy: ou=policy,{SUFFIX}
olcProvisionAccounts: ldap:///ou=people,{SUFFIX}??sub?(objectClass=inetOrgPerson)
olcProvisionState: {STATE}

dn: olcDatabase={{1}}mdb,cn=config
changetype: modify
add: olcDbIndex
olcDbIndex: provEffectiveRole eq
""")
    box.modify(f"""dn: cn=sales,ou=policy,{SUFFIX}
changetype: add
objectClass: provRole
provAssignFilter: (departmentNumber=sales)
provTemplate: default mail: {{uid}}@example.com

dn: uid=ada,ou=people,{SUFFIX}
changetype: add
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: Lovelace
departmentNumber: sales
""", who=ADMIN)
    assert "mail: ada@example.com" in box.data()
    assert "sales" in box.run("provctl", "-H", "ldapi:///", *ADMIN[1:], "explain", f"uid=ada,ou=people,{SUFFIX}").stdout


def test_an_upgrade_leaves_slapd_running(box, newer):
    before, pid = box.data(), box.pid
    said = box.install(newer)
    assert "to take the new one: systemctl restart slapd" in said
    assert box.pid == pid and box.data() == before
    assert "provision.so (deleted)" in Path(f"/proc/{pid}/maps").read_text()  # the old one, as before
    box.restart()
    assert box.data() == before
    assert "provision.so (deleted)" not in Path(f"/proc/{box.pid}/maps").read_text()


def refused(box, *said):
    before = box.run("sh", "-c", f"cat {CONFIG}/*.ldif").stdout
    done = box.run("dpkg", "-r", "slapo-provision", check=False)
    assert done.returncode != 0 and "still needs the module" in done.stdout
    for text in said:
        assert text in done.stdout
    assert box.status() == "installed" and box.file("/usr/lib/ldap/provision.so").exists()
    assert box.run("sh", "-c", f"cat {CONFIG}/*.ldif").stdout == before
    box.restart()


def test_it_does_not_go_while_the_overlay_is_configured(box):
    refused(box, "provision")


def test_nor_while_an_index_names_its_attributes(box):
    box.run("ldapdelete", *ROOT, "-H", "ldapi:///", "olcOverlay={0}provision,olcDatabase={1}mdb,cn=config")
    refused(box, "provEffectiveRole")


def test_removed_slapd_starts_without_it_and_all_data_stays(box):
    box.modify("dn: olcDatabase={1}mdb,cn=config\nchangetype: modify\ndelete: olcDbIndex\n"
               "olcDbIndex: provEffectiveRole eq\n")
    state = sorted(str(p) for p in box.file(STATE).rglob("*"))
    assert any(p.endswith("/slapd/state.mdb") for p in state)
    before, pid = box.search(SUFFIX, "uid", "mail", "sn", who=ADMIN), box.pid
    said = box.run("dpkg", "-r", "slapo-provision").stdout
    assert "does not load the module any more from its next start on" in said
    assert box.pid == pid and box.search(SUFFIX, "uid", "mail", "sn", who=ADMIN) == before
    assert not box.file("/usr/lib/ldap/provision.so").exists()
    module = next(box.file(CONFIG).glob("cn=module*.ldif"))
    assert module.stat().st_uid == box.file("/etc/ldap/slapd.d").stat().st_uid and module.stat().st_mode & 0o777 == 0o600
    box.restart()
    assert box.modules() == ["{0}back_mdb"]
    assert box.search(SUFFIX, "uid", "mail", "sn", who=ADMIN) == before
    assert "provGrant" in box.data().replace("PROVGRANT", "provGrant")  # what was written is there
    box.modify("dn: cn=module{0},cn=config\nchangetype: modify\nadd: olcModuleLoad\nolcModuleLoad: syncprov\n")
    box.restart()
    assert box.modules() == ["{0}back_mdb", "{1}syncprov"]
    assert sorted(str(p) for p in box.file(STATE).rglob("*")) == state


def test_installed_while_slapd_is_down_it_says_what_to_do(box, deb):
    box.stop()
    try:
        said = box.install(deb)
    finally:
        box.start()
    assert "slapd does not answer on ldapi:///" in said and "to load the module:" in said
    assert box.modules() == ["{0}back_mdb", "{1}syncprov"]
    assert box.status() == "installed"


def test_the_data_is_provisioned_on_when_it_comes_back(box, deb):
    box.install(deb)
    assert box.modules()[-1] == "{2}provision"


def test_purged_nothing_of_the_directory_or_the_state_is_gone(box):
    state = sorted(str(p) for p in box.file(STATE).rglob("*"))
    before = box.search(SUFFIX, "uid", "mail", "sn", who=ADMIN)
    box.run("dpkg", "-P", "slapo-provision")
    assert box.status() != "installed"
    assert sorted(str(p) for p in box.file(STATE).rglob("*")) == state
    box.restart()
    assert box.modules() == ["{0}back_mdb", "{1}syncprov"]
    assert box.search(SUFFIX, "uid", "mail", "sn", who=ADMIN) == before
