"""Clients that make joiners, movers and leavers as fast as they can, until the server dies.

Each writer has its own accounts and its own connection. Every write carries a token in the
reason control, and is noted before it is sent and again when it was answered: so afterwards
it is known which writes must be there, and which one per writer may or may not be.
"""

import random
import threading
import time

import ldap

from directory import GROUPS, PEOPLE, ROLES
from ldapclient import OVERRIDE, REASON, Client, control

DEPARTMENTS = {"sales": ("sales", "staff"), "it": ("it", "staff", "git"), "lab": ("lab",), "none": ()}
GROUP_NAMES = ("sales", "it", "lab", "staff", "git", "tennis")
MAIL = "default mail: {givenName|ascii|lower}.{sn|ascii|lower}{unique}@example.com"


def prepare(s, departments=DEPARTMENTS, groups=GROUP_NAMES, **pool):
    for g in groups:
        s.group(g)
    s.pool("uid", 1, **pool)
    for d, groups in departments.items():
        if groups:
            s.role(d, provAssignFilter=f"(departmentNumber={d})", provGroup=list(groups), provEntitlement=f"{d}:use",
                   provTemplate=[MAIL, f"add description: works in {d}", "default employeeNumber: {next:uid}"])


class Writer(threading.Thread):
    departments, groups, lab, surname = DEPARTMENTS, GROUP_NAMES, "lab", "Same"
    pause = 0

    def __init__(self, s, name, seed, again=()):
        super().__init__(name=name)
        self.s, self.rng = s, random.Random(seed)
        self.client = Client(s.ldapi, s.rootdn, s.rootpw)
        self.accounts = dict(again)  # name: "active", "terminated"
        self.n = 0
        self.answered, self.open = [], None  # tokens
        self.error, self.stopping = None, False

    def run(self):
        try:
            while not self.stopping:
                self.step()
                if self.pause:
                    time.sleep(self.pause)
        except (ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.CONNECT_ERROR):
            pass
        except ldap.LDAPError as error:
            self.error = error

    def send(self, call, *args, **kw):
        self.n += 1
        token = f"{self.name}-{self.n}"
        self.open = token
        kw["controls"] = [control(REASON, token)]
        call(*args, **kw)
        self.answered.append(token)
        self.open = None

    def step(self):
        names = list(self.accounts)
        kind = self.rng.random()
        if kind < 0.35 or not names:
            return self.joiner()
        name = self.rng.choice(names)
        dn = f"uid={name},{PEOPLE}"
        if self.accounts[name] == "terminated":
            if kind < 0.7:
                self.send(self.client.delete, dn)
                del self.accounts[name]
            else:
                self.send(self.client.modify, dn, replace={"provState": "active"})
                self.accounts[name] = "active"
        elif kind < 0.65:
            self.send(self.client.modify, dn, replace={"departmentNumber": self.rng.choice(list(self.departments))})
        elif kind < 0.75:
            self.send(self.client.modify, dn, replace={"provState": "terminated"})
            self.accounts[name] = "terminated"
        elif kind < 0.82:
            self.send(self.client.delete, dn)
            del self.accounts[name]
        elif kind < 0.9:
            new = f"{name}r"
            self.accounts[new] = self.accounts.pop(name)
            self.send(self.client.rename, dn, f"uid={new}")
        else:
            self.by_hand(dn)

    def joiner(self):
        name = f"{self.name}n{self.n}"
        self.accounts[name] = "active"
        self.send(self.client.add, f"uid={name},{PEOPLE}", {
            "objectClass": ["inetOrgPerson", "provAccount"], "uid": name, "cn": name, "sn": self.surname, "givenName": "Name",
            "departmentNumber": self.rng.choice(list(self.departments)), "provState": "active"})

    def by_hand(self, dn):
        """A membership that somebody sets or takes away himself."""
        group = f"cn={self.rng.choice(self.groups)},{GROUPS}"
        try:
            if self.rng.random() < 0.5:
                self.send(self.client.modify, group, add={"member": dn})
            else:
                self.send(self.client.modify, group, delete={"member": dn})
        except (ldap.TYPE_OR_VALUE_EXISTS, ldap.NO_SUCH_ATTRIBUTE):
            self.open = None  # refused: it must not be there


class RoleEditor(Writer):
    """Changes a role again and again, so that accounts follow while the server dies."""

    def step(self):
        self.send(self.client.modify, f"cn={self.lab},{ROLES}", replace={"provTemplate": [
            MAIL, f"add description: works in {self.lab} {self.n}", "default employeeNumber: {next:uid}"]})
        threading.Event().wait(0.15)


__all__ = ["Writer", "RoleEditor", "prepare", "DEPARTMENTS", "OVERRIDE"]


def ended(writers):
    """(answered, unknown) of writers whose server has died."""
    answered, unknown = [], []
    for w in writers:
        w.join(30)
        assert not w.is_alive()
        w.client.close()
        assert w.error is None, f"{w.name}: {w.error!r}"
        answered += w.answered
        unknown += [w.open] if w.open else []
    return answered, unknown
