"""Writers go on while cn=config changes, the overlay is deleted and added again, and a role is rewritten."""

import sys
import threading
import time
from pathlib import Path

import ldap

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "crash"))
from checker import check  # noqa: E402
from harness import wait_until  # noqa: E402
from slapdconf import ACCOUNTS  # noqa: E402
from writers import RoleEditor, Writer, prepare  # noqa: E402

# of the Slapd; nothing waits for a disk
SETUP = dict(style="config", provision={"provision-breaker": "0 0"}, database=[("dbnosync", "olcDbNoSync", "TRUE")], debug="0", maxsize=4 << 30)


class Gate:
    """Writers pass one step at a time, and none while it is shut: a write between the overlay's end and
    its new beginning is not evaluated, and would rightly not be in the trail."""

    def __init__(self):
        self.cond, self.inside, self.is_shut, self.over = threading.Condition(), 0, False, False

    def __enter__(self):
        with self.cond:
            self.cond.wait_for(lambda: not self.is_shut)
            self.inside += 1

    def __exit__(self, *_):
        with self.cond:
            self.inside -= 1
            self.cond.notify_all()

    def shut(self):
        with self.cond:
            self.is_shut = True
            self.cond.wait_for(lambda: not self.inside)

    def open(self):
        with self.cond:
            self.is_shut = False
            self.cond.notify_all()


def gated(base):
    class Gated(base):
        gate = None

        def run(self):
            try:
                while not self.gate.over:
                    with self.gate:
                        self.step()
            except ldap.LDAPError as error:
                self.error = error
            except AssertionError as error:
                self.error = error

    return Gated


def replace_overlay(s, config):
    config.delete(s.config.overlay_dn)
    pairs = [(a, {"on": "TRUE", "off": "FALSE"}.get(v, v)) for _, a, v in s.config.provision_lines()]
    entry = {"objectClass": ["olcOverlayConfig", "olcProvisionConfig"], "olcOverlay": "{0}provision", **dict(pairs)}

    def added():
        try:
            config.add(s.config.overlay_dn, entry)
            return True
        except (ldap.OTHER, ldap.ALREADY_EXISTS):  # the old one is not gone yet
            return False

    wait_until(added, 30, "the overlay is there again")


def change(s, config, n):
    """What leaves every account's roles as they are."""
    dn = s.config.overlay_dn
    config.modify(dn, replace=[{"olcProvisionCheckpoint": f"{n % 50 + 1} 1"}, {"olcProvisionSessions": "FALSE" if n % 2 else "TRUE"},
                               {"olcProvisionAccounts": ACCOUNTS}, {"olcProvisionPolicy": s.policy}, {"olcProvisionOnDelete": "allow"}][n % 5])


def change_under_writers(s, seconds):
    """For so long. At the end everything agrees, as after a crash (tests/crash/checker.py)."""
    prepare(s)
    config, gate = s.config_client(), Gate()
    writers = [gated(Writer)(s, f"w{i}", i) for i in range(6)] + [gated(RoleEditor)(s, "role", 7)]
    for w in writers:
        w.gate = gate
        w.start()
    end, changes, replaced = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        change(s, config, changes)
        changes += 1
        time.sleep(0.05)
        if changes % 10 == 0:
            gate.shut()
            replace_overlay(s, config)
            s.wait_relayed(30)
            replaced += 1
            gate.open()
    gate.over = True
    for w in writers:
        w.join(60)
        assert not w.is_alive() and w.error is None, f"{w.name}: {w.error!r}"
    wait_until(lambda: s.monitor().one("provMonitorFollowPending") == "0", 60, "everybody has followed")
    answered = [t for w in writers for t in w.answered]
    seen = check(s, answered, [])
    print(f"\n{len(answered)} writes, {changes} changes of the configuration, the overlay replaced {replaced} times, {len(seen.records)} records")
    assert replaced and len(answered) > 20 * replaced
