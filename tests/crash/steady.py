"""Clients that change their own accounts at a steady pace until they are told to stop, also through
restarts of the server."""

import random
import threading

import ldap

from ldapclient import Client

STATES = ("active", "suspended", "terminated")


class Steady(threading.Thread):
    """One client with `accounts` accounts of its own. pause: seconds between two writes."""

    def __init__(self, s, name, accounts, seed, pause):
        super().__init__(name=name, daemon=True)
        self.s, self.rng, self.pause = s, random.Random(seed), pause
        self.accounts = [f"{name}-{i}" for i in range(accounts)]
        self.there = set()
        self.client = None
        self.over = threading.Event()
        self.written = 0
        self.error = None

    def run(self):
        try:
            while not self.over.is_set():
                try:
                    self.step()
                    self.written += 1
                    self.over.wait(self.pause)
                except (ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.CONNECT_ERROR):
                    self.client = None  # it comes back
                    self.over.wait(0.05)
        except ldap.LDAPError as error:
            self.error = error
        finally:
            if self.client:
                self.client.close()

    def stop(self):
        self.over.set()
        self.join(30)
        assert not self.is_alive() and self.error is None, f"{self.name}: {self.error!r}"

    def step(self):
        if self.client is None:
            self.client = Client(self.s.ldapi, self.s.rootdn, self.s.rootpw)
        uid = self.rng.choice(self.accounts)
        if uid not in self.there:
            try:
                self.s.account(uid, client=self.client, title="0", provState="active")
            except ldap.ALREADY_EXISTS:
                pass  # the answer was lost when the server died
            self.there.add(uid)
        elif self.rng.random() < 0.8:
            self.s.set(uid, client=self.client, title=str(self.rng.randrange(10**6)))
        else:
            self.client.modify(self.s.person_dn(uid), replace={"provState": self.rng.choice(STATES)})
