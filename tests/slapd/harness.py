"""Starts Debian's slapd in a temporary directory, and all that a test needs around it.

    with Slapd() as s:
        s.role("sales", provAssignFilter="(departmentNumber=sales)")
        s.account("ada", departmentNumber="sales")

A Slapd owns its directory, its processes (slapd, provd) and its connections; close()
ends and removes them. Nothing outside the directory is touched, and only processes that it
started itself are signalled, by process id. Log lines that nobody expected fail the test
(see check_log). Waiting is polling: wait_until().
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import ldap
import races
import valgrind

from directory import Directory
from ldapclient import Client
from slapdconf import (ACCOUNTS, LOG_SUFFIX, POLICY, ROOTDN, ROOTPW, SLAPD, SUFFIX, Config, ConfigRefused)
from statedb import State

TOP = Path(__file__).resolve().parent.parent.parent
MODULE = os.environ.get("PROVISION_SO", str(TOP / "build/provision.so"))
PROVCTL = os.environ.get("PROVCTL", str(TOP / "build/provctl"))
PROVD = os.environ.get("PROVD", str(TOP / "build/provd"))
BIN = {"slapadd": "-Ta", "slapcat": "-Tc", "slapindex": "-Ti", "slaptest": "-Tt", "slapmodify": "-Tm"}

# What slapd says of itself when all is well, at debug level "stats".
USUAL = [re.compile(p) for p in (
    r"^\s*$",
    r"@\(#\) \$OpenLDAP: slapd",
    r"^\s+.*<pkg-openldap-devel@lists\.alioth\.debian\.org>",
    r"listener initialization failed",  # stopped in the moment after its start
    r"slapd (starting|shutdown: |stopped\.)",
    r"^[0-9a-f.]+ (0x[0-9a-f]+ )?daemon: shutdown requested",
    r"conn=-?\d+ (op=-?\d+ )?(fd=\d+ )?(ACCEPT|BIND|UNBIND|SRCH|SEARCH|ADD|MOD|MODRDN|DEL|CMP|EXT|RESULT|ABANDON|STARTTLS|TLS|"
    r"WHOAMI|PASSMOD|TXN|do_\w+: get_ctrls failed|slap_read_controls|closed|PROXYAUTHZ|CANCEL|INTERM|ENTRY|DISCONNECT|do_syncrep\d|syncprov)",
    r"conn=-?\d+ op=-?\d+ (SRCH attr|attr)=",
    r"conn=\d+ op=\d+ DISCONNECT",
    r"provision: change=\S+ op=",
    r"provision: contextCSN=",
    r"provision: (bind refused|cut|refused) dn=",
    r"mdb_db_open: database \".*\": unclean shutdown detected|mdb_monitor_db_open",
    r"<= (mdb|bdb)_\w+_candidates: \([\w;-]+\) not indexed",
    r"mdb_opinfo_get|config error processing", # the second is followed by its own error
    r"=> mdb_idl|=> access_allowed",
    r"syncprov_\w+|syncrepl_\w+ rid=|do_syncrep\w+: rid=|slap_queue_csn|slap_graduate_commit_csn",
    r"^.*warning: cannot assess the validity of the ACL scope|is present in the (list|module)",
    r"^Entry \(.*\)(:|,) .*(requires attribute|not allowed)|^entry failed schema check",
    # slapd 2.5.13 says so when the last child of an entry goes in a joined transaction (ITS#10304)
    r"^mdb_delete: txn_(commit|abort \(no-op\)) failed: MDB_NOTFOUND",
    r"connection_(read\(\d+\): no connection!|input: conn=\d+ deferring operation: )",
    r"^send_(ldap_response|search_entry): (conn \d+ )? ?ber write failed",  # a cut connection's last answer
)]


SLOW = float(os.environ.get("PROV_SLOW", "1"))  # what runs is so many times slower than it should be


def wait_until(predicate, timeout=10, what=None, every=0.02):
    """Poll until predicate() gives something true, and return that."""
    end = time.monotonic() + timeout * SLOW
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what or getattr(predicate, '__name__', 'the condition')}"
                                 f" (last: {result!r})")
        time.sleep(every)


def stays(predicate, seconds=0.5, what=None, every=0.05):
    """predicate() must be true now and all the time for some seconds: for what must not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert predicate(), what or "it did not stay so"
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class StartFailed(Exception):
    """slapd ended instead of listening; the text is its log."""


class Slapd(Directory):
    """
    style      "conf" (slapd.conf) or "config" (slapd.d)
    provision  keywords and values that differ from the defaults below; None: bare slapd
    overlays   stock overlays on top, innermost first: names or (name, {keyword: value})
    base       load the usual tree (people, groups, apps, policy) first
    others     as in slapdconf.Config
    """

    # what is started, and what slapd and provd are started through (test_own_user.py)
    module, provd = MODULE, PROVD
    slapd_by, slapd_options, provd_by = valgrind.command(), (), ()
    tool_timeout = 120

    def __init__(self, style="conf", provision=(), overlays=(), *, base=True, start=True, debug="stats", port=None, **config):
        self.dir = Path(tempfile.mkdtemp(prefix="slapd-"))
        self.style, self.debug = style, debug
        self.suffix, self.rootdn, self.rootpw, self.policy = SUFFIX, ROOTDN, ROOTPW, POLICY
        self.log_suffix = LOG_SUFFIX
        self.process = self.provd_process = None
        self.expected, self.log_checked, self._clients, self._admin = [], 0, [], None
        self.log_file, self.provd_log = self.dir / "slapd.log", self.dir / "provd.log"
        self.state = self.dir / "state"
        for name in ("db", "log", "state"):
            (self.dir / name).mkdir(mode=0o700)
        self.log_file.touch()
        keywords, module = {}, None
        if provision is not None:
            module = self.module
            keywords = {"provision-policy": POLICY, "provision-accounts": ACCOUNTS,
                        "provision-state": str(self.state), "provision-memberof": "on"}
            keywords.update(dict(provision))
            keywords = {k: v for k, v in keywords.items() if v is not None}
        self.config = Config(self.dir, module, keywords, list(overlays), **config)
        self.ldapi = "ldapi://" + str(self.dir / "sock").replace("/", "%2F")
        self.take_ports(port)
        self.env = {**os.environ, "LDAPNOINIT": "1", "LC_ALL": "C.UTF-8", **races.environment(self.dir)}
        try:
            if self.config.tls:
                make_pki(self.dir / "pki")
            self.configure()
            if base:
                self.slapadd(self.base_ldif())
            if start:
                self.first_start(port)
        except BaseException:
            self.close(check=False)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(check=kind is None)

    # -- configuration and tools --------------------------------------------------------

    def configure(self):
        if self.style == "config":
            self.config_args = ["-F", str(self.config.write_config(self.env))]
        else:
            self.config_args = ["-f", str(self.config.write_conf())]

    def tool(self, name, *args, input=None, check=True):
        """slapadd, slapcat, slapindex, slaptest with our configuration."""
        done = subprocess.run([SLAPD, BIN[name], *self.config_args, *map(str, args)], input=input,
                              capture_output=True, text=True, env=self.env, timeout=self.tool_timeout)
        assert not check or done.returncode == 0, f"{name}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def slapadd(self, ldif, *args):
        (self.dir / "load.ldif").write_text(ldif)
        return self.tool("slapadd", "-q", "-b", SUFFIX, "-l", self.dir / "load.ldif", *args)

    def slapcat(self, *args):
        return self.tool("slapcat", "-b", SUFFIX, *args).stdout

    # -- slapd's life -------------------------------------------------------------------

    def take_ports(self, port=None):
        self.port, self.tls_port = port or free_port(), free_port()
        self.uri, self.ldaps = f"ldap://127.0.0.1:{self.port}", f"ldaps://127.0.0.1:{self.tls_port}"

    def first_start(self, port):
        """Another program may have taken a port since it was found free: then others are tried."""
        for last in (False, False, True):
            try:
                return self.start()
            except StartFailed as failed:
                if last or port or "Address already in use" not in str(failed):
                    raise
                self.log_file.write_text("")
                self.take_ports()

    def start(self):
        assert self.process is None
        uris = [self.ldapi, self.uri] + ([self.ldaps] if self.config.tls else [])
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.slapd_by, SLAPD, "-d", self.debug, *self.slapd_options, "-h",
                 " ".join(u + "/" for u in uris), *self.config_args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, cwd=self.dir)
        wait_until(self._listening, 20, "slapd listens")

    def _listening(self):
        status = self.process.poll()
        if status is not None:
            self.process = None
            raise StartFailed(f"slapd ended with {status}: {self.log()}")
        try:
            probe = ldap.initialize(self.ldapi)
            probe.simple_bind_s()
            probe.unbind_ext_s()
            return True
        except (ldap.SERVER_DOWN, ldap.UNAVAILABLE):
            return False

    def _end(self, sig, timeout):
        process, self.process = self.process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(sig)
        try:
            return process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"slapd did not stop within {timeout} s") from None
        finally:
            self._drop_clients()

    def stop(self):
        """A clean stop. slapd must end with 0."""
        if self.process is None:
            return
        died = self.process.poll()
        status = self._end(signal.SIGTERM, 30)
        assert died is None, f"slapd had ended by itself with {died}: {self.log()[-3000:]}"
        # slapd 2.5 says 1 when it is stopped in the moment after its start
        early = "listener initialization failed" in self.log()[-2000:]
        # One without our module died once of SIGSEGV after its last word (docs/slapd-notes.md).
        theirs = status == -signal.SIGSEGV and not self.config.module and self.log().rstrip().endswith("slapd stopped.")
        assert status == 0 or early or theirs, f"slapd ended with {status}: {self.log()[-3000:]}"

    def kill(self):
        """kill -9: what a crash looks like to the files."""
        self._end(signal.SIGKILL, 30)

    def restart(self, hard=False):
        self.kill() if hard else self.stop()
        self.start()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def close(self, check=True):
        try:
            with contextlib.suppress(Exception) if not check else contextlib.nullcontext():
                self.provd_stop()
                if self.process is not None:
                    self.stop()
                if check:
                    self.check_log()
                    valgrind.check(self.dir)
                    races.check(self.dir)
        finally:
            for p in (self.process, self.provd_process):
                if p is not None and p.poll() is None:
                    p.kill()
                    p.wait()
            self._drop_clients()
            if os.environ.get("PROV_KEEP"):
                print(f"kept: {self.dir}")
            else:
                shutil.rmtree(self.dir, onerror=make_removable)

    # -- connections --------------------------------------------------------------------

    def client(self, dn=None, pw=None, uri=None, **kw):
        """A new connection, closed with the Slapd."""
        if kw.get("start_tls") or (uri or "").startswith("ldaps"):
            kw.setdefault("ca", self.dir / "pki/ca.pem")
        c = Client(uri or self.ldapi, dn, pw, **kw)
        self._clients.append(c)
        return c

    @property
    def admin(self):
        """A connection bound as rootdn, made when first used."""
        if self._admin is None:
            self._admin = self.client(ROOTDN, ROOTPW)
        return self._admin

    def config_client(self):
        return self.client("cn=config", ROOTPW)

    def _drop_clients(self):
        for c in self._clients:
            c.close()
        self._clients, self._admin = [], None

    # -- the log ------------------------------------------------------------------------

    def log(self):
        return self.log_file.read_text(errors="replace")

    def mark(self):
        """A place in the log, for log_since."""
        return self.log_file.stat().st_size

    def log_since(self, mark):
        with self.log_file.open("rb") as f:
            f.seek(mark)
            return f.read().decode(errors="replace")

    def wait_log(self, pattern, timeout=10, since=0):
        return wait_until(lambda: re.search(pattern, self.log_since(since), re.M), timeout, f"log has {pattern!r}")

    def expect_log(self, *patterns):
        """Lines that this test causes on purpose."""
        self.expected += [re.compile(p) for p in patterns]

    def unexpected(self):
        for line in self.log().splitlines():
            said = re.sub(r"^[0-9a-f]{8,}(\.[0-9a-f]+)? (0x[0-9a-f]+ )?", "", line)
            if not any(p.search(said) or p.search(line) for p in USUAL + self.expected):
                yield line

    def check_log(self):
        lines = list(self.unexpected())
        assert not lines, "unexpected lines in slapd's log:\n" + "\n".join(lines[:40])

    # -- our programs -------------------------------------------------------------------

    def provctl(self, *args, check=None, input=None, timeout=60):
        """Runs provctl over ldapi with SASL EXTERNAL (the rootdn). check: the exit status wanted."""
        done = subprocess.run([PROVCTL, "-H", self.ldapi, *map(str, args)], input=input, capture_output=True,
                              text=True, env=self.env, timeout=timeout)
        assert check is None or done.returncode == check, \
            f"provctl {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def provctl_json(self, *args, check=None, **more):
        """The lines of JSON that provctl --json prints."""
        done = self.provctl("--json", *args, check=check, **more)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def provctl_offline(self, *args, check=None):
        """With --state only: no server is asked."""
        done = subprocess.run([PROVCTL, "--state", str(self.state), *map(str, args)], capture_output=True,
                              text=True, env=self.env, timeout=60)
        assert check is None or done.returncode == check, \
            f"provctl {args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def provd_start(self, *args):
        assert self.provd_process is None
        with self.provd_log.open("ab") as log:
            self.provd_process = subprocess.Popen(
                [*self.provd_by, self.provd, "--foreground", "--state", str(self.state), "-H", self.ldapi,
                 *map(str, args)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        wait_until(lambda: self.provd_process.poll() is not None or self.provd_answers(), 10, "provd is there")
        assert self.provd_process.poll() is None, self.provd_log.read_text()

    def provd_answers(self):
        """The file alone may be there already, or still from one that was killed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as c:
            return c.connect_ex(str(self.place("provd") / "provd.ctl")) == 0

    def place(self, whose):
        """Where "slapd" or "provd" keeps its files: in a directory of its own, when there is one."""
        own = self.state / whose
        return own if own.is_dir() else self.state

    def provd_stop(self, hard=False):
        process, self.provd_process = self.provd_process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        try:
            status = process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("provd did not stop within 40 s") from None
        assert hard or status == 0, f"provd ended with {status}: {self.provd_log.read_text()[-3000:]}"

    def everything(self):
        """Every entry with its attributes, to compare."""
        return sorted((e.dn, sorted((a, sorted(map(str, v))) for a, v in e.items())) for e in self.admin.search(self.suffix))

    # -- trail and outbox: read from the files, so that no code of ours is believed ---------

    def state_now(self):
        """The state environment once it has taken everything that was committed."""
        self.wait_relayed()
        return State(self.place("slapd"))

    def wait_relayed(self, timeout=10):
        if self.running:
            wait_until(lambda: self.monitor().one("provMonitorBacklog") == "0", timeout, "no backlog")

    def trail(self):
        """The records of the trail, oldest first."""
        return self.state_now().records

    def events(self):
        """The events of the outbox, oldest first."""
        return self.state_now().events

    def record(self, **members):
        """The newest record whose members are equal to these."""
        fits = [r for r in self.trail() if all(r.get(k) == v for k, v in members.items())]
        assert fits, f"no record with {members}; the last are {self.trail()[-3:]}"
        return fits[-1]


def make_removable(function, path, _):
    """What a test has made unwritable; never the directory that all tests' are in."""
    if os.path.dirname(path) != tempfile.gettempdir():
        os.chmod(os.path.dirname(path), 0o700)
    function(path)


def make_pki(where, names="IP:127.0.0.1,DNS:localhost"):
    """A throwaway CA, a certificate for the server and one for a client (uid=cert,ou=people)."""
    where.mkdir(mode=0o700)

    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=where)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Throwaway CA")
    (where / "san.cnf").write_text(f"subjectAltName={names}\n")
    for name, subject in (("server", "/CN=localhost"), ("client", "/DC=com/DC=example/OU=people/UID=cert")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                "-out", f"{name}.csr", "-subj", subject)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-out", f"{name}.pem", "-extfile", "san.cnf")


__all__ = ["Slapd", "StartFailed", "ConfigRefused", "make_pki", "wait_until", "stays", "MODULE", "PROVCTL", "PROVD", "TOP"]
