"""A leaver at one provider, and another server: out within a second of the change's arrival there.

What is measured is never too small. The change has arrived some time after a search began that did not
show it; and how long somebody was let in goes by the last thing that began and was still allowed. On a
machine that stands still meanwhile (other work, not ours: see Watch.stalled) it may be too large; then it is
taken again, with other leavers.
"""

import contextlib
import itertools
import select
import threading
import time

import ldap
import pytest

from directory import PEOPLE, SUFFIX
from harness import SLOW, wait_until
from ldapclient import Client
from test_replication import consumer_of, provider_options, same, two_providers

LIMIT, STALL, ROUNDS = 1.0, 0.25, 3
WAYS = ("suspended", "terminated", "ended", "deleted")
LEAVERS = [[f"{how}-{i}-{n}" for how in WAYS for i in range(2)] for n in range(ROUNDS)]


class Watch:
    """What those who leave can still do at one server. All times by user name."""

    def __init__(self, server, uids):
        self.server, self.uids, self.over, self.threads = server, uids, threading.Event(), []
        self.not_yet, self.arrived = {}, set()  # when the last search began that did not show it
        self.bound, self.refused = {}, set()    # when the last bind began that was let in
        self.worked, self.ended = {}, set()     # when the last operation began that was let through
        self.cut = {}                           # when an idle connection was at its end
        self.stalled = 0                        # the longest time that this process slept too long
        self.idle = {u: server.client(server.person_dn(u), f"{u}-pw", uri=server.uri) for u in uids}
        self.active = {u: server.client(server.person_dn(u), f"{u}-pw", uri=server.uri) for u in uids}
        self.root = server.client(server.rootdn, server.rootpw, uri=server.uri)
        self.begin(self.feel)
        self.begin(self.see)
        self.begin(self.wait_for_end)
        for uid in uids:
            self.begin(self.bind, uid)
            self.begin(self.work, uid)

    def begin(self, what, *args):
        self.threads.append(threading.Thread(target=what, args=args))
        self.threads[-1].start()

    def feel(self):
        while not self.over.is_set():
            began = time.monotonic()
            time.sleep(0.01)
            self.stalled = max(self.stalled, time.monotonic() - began - 0.01)

    def see(self):
        wanted = "(|" + "".join(f"(uid={u})" for u in self.uids) + ")"
        while not self.over.is_set():
            began = time.monotonic()
            found = {e.one("uid"): e.one("provState") for e in self.root.search(PEOPLE, wanted, ("uid", "provState"))}
            for uid in self.uids:
                if uid in found and found[uid] in (None, "active"):
                    self.not_yet[uid] = began
                else:
                    self.arrived.add(uid)
            time.sleep(0.01)

    def wait_for_end(self):
        poll, fds = select.poll(), {c.ld.fileno(): u for u, c in self.idle.items()}
        for fd in fds:
            poll.register(fd, select.POLLRDHUP)
        while fds and not self.over.is_set():
            for fd, _ in poll.poll(50):
                self.cut[fds.pop(fd)] = time.monotonic()
                poll.unregister(fd)

    def bind(self, uid):
        while not self.over.is_set() and uid not in self.refused:
            began = time.monotonic()
            try:
                Client(self.server.uri, self.server.person_dn(uid), f"{uid}-pw").close()
                self.bound[uid] = began
            except ldap.INVALID_CREDENTIALS:
                self.refused.add(uid)
            time.sleep(0.02)

    def work(self, uid):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                self.active[uid].get(SUFFIX, "o")
                self.worked[uid] = began
            except (ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.STRONG_AUTH_REQUIRED, ldap.CONNECT_ERROR):
                self.ended.add(uid)
                return
            time.sleep(0.02)

    def out(self, cut=True):
        kinds = (self.arrived, self.refused, self.ended) + ((self.cut,) if cut else ())
        return all(len(k) == len(self.uids) for k in kinds)

    def end(self):
        self.over.set()
        for t in self.threads:
            t.join(30)

    def late(self):
        """The longest of each kind, in seconds after the change arrived, and whose."""
        return {kind: max((round(at - self.not_yet[u], 3), u) for u, at in times.items())
                for kind, times in (("bound", self.bound), ("worked", self.worked), ("cut", self.cut)) if times}


def measure(p, other, cut=True):
    for uids in LEAVERS:
        watch = Watch(other, uids)
        try:
            time.sleep(0.3)  # all of them at work
            leave(p, uids)
            wait_until(lambda: watch.out(cut), 20, "all are out")
            assert cut or not watch.cut
        finally:
            watch.end()
        late = watch.late()
        print(f"longest after the arrival: {late}; stalled: {watch.stalled:.3f}")
        if max(seconds for seconds, _ in late.values()) < LIMIT * SLOW:
            return
        assert watch.stalled > STALL, late
    raise AssertionError(f"too late in each of {ROUNDS} rounds: {late}")


@contextlib.contextmanager
def busy(p, other, writable):
    """Writers at the one; at the other searches, one who does not read what he asked for, many connections,
    and writers, where they may."""
    over, threads = threading.Event(), []

    def write(s, k):
        # groups of their own: an entry that two providers write at once can hold up slapd's replication
        here, then = ("sales", "it") if s is p else ("ops", "hr")
        client = Client(s.uri, s.rootdn, s.rootpw)
        for i in itertools.count():
            if over.is_set():
                break
            dn = s.account(f"{k}x{i}", client=client, departmentNumber=here)
            client.modify(dn, replace={"departmentNumber": then})
        client.close()

    def search(s):
        client = Client(s.uri, s.rootdn, s.rootpw)
        while not over.is_set():
            client.search(s.suffix, "(description=*e*)", ("cn",))
        client.close()

    for _ in range(200):
        other.client(uri=other.uri)
    deaf = other.client(other.rootdn, other.rootpw, uri=other.uri)
    for _ in range(60):
        deaf.ld.search_ext(other.suffix, ldap.SCOPE_SUBTREE)
    work = [(write, p, f"p{k}") for k in range(3)] + [(search, other) for _ in range(2)]
    work += [(write, other, f"o{k}") for k in range(2 if writable else 0)]
    for f, *args in work:
        threads.append(threading.Thread(target=f, args=args))
        threads[-1].start()
    try:
        yield
    finally:
        over.set()
        for t in threads:
            t.join(30)


@pytest.fixture(params=["consumer", "delta consumer", "provider"])
def servers(request, make_slapd):
    """Where people leave, and the other server."""
    no_breaker = {"provision": {"provision-breaker": "0 0"}}
    if request.param == "provider":
        p, other = two_providers(make_slapd, **no_breaker)
    elif request.param == "consumer":
        p = make_slapd(**provider_options(**no_breaker))
    else:
        p = make_slapd(overlays=["accesslog", "syncprov"], server_id=1, **no_breaker)
    for g in ("sales", "it", "ops", "hr"):
        p.group(g)
        p.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g, provTemplate=f"add description: is in {g}")
    for uid in sum(LEAVERS, []):
        p.account(uid, departmentNumber="sales", objectClass=["inetOrgPerson", "provAccount"])
    if request.param == "provider":
        other.start()
    else:
        other = consumer_of(p, delta=request.param == "delta consumer")
    wait_until(lambda: other.admin.get(p.person_dn(LEAVERS[-1][-1])) is not None and same(p, other), 20, "the other has everything")
    yield p, other
    if request.param != "provider":
        other.close()


def leave(p, uids):
    """All at once, each in a way of his own."""
    clients = {uid: Client(p.uri, p.rootdn, p.rootpw) for uid in uids}

    def go(uid):
        how, dn = uid.split("-")[0], p.person_dn(uid)
        if how == "deleted":
            clients[uid].delete(dn)
        elif how == "ended":
            clients[uid].modify(dn, replace={"provEndTime": "20200101000000Z"})
        else:
            clients[uid].modify(dn, replace={"provState": how})
        clients[uid].close()

    threads = [threading.Thread(target=go, args=(uid,)) for uid in uids]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)


@pytest.mark.parametrize("load", [False, True], ids=["idle", "busy"])
def test_leavers_are_out_within_a_second_of_the_arrival(servers, load):
    p, other = servers
    with busy(p, other, other.config.server_id is not None) if load else contextlib.nullcontext():
        measure(p, other)


def test_operations_are_refused_within_a_second_where_connections_are_not_cut(make_slapd):
    p = make_slapd(**provider_options(provision={"provision-breaker": "0 0"}))
    for uid in sum(LEAVERS, []):
        p.account(uid, objectClass=["inetOrgPerson", "provAccount"])
    with consumer_of(p, provision={"provision-sessions": "off"}) as c:
        wait_until(lambda: same(p, c), 20, "the consumer has everything")
        measure(p, c, cut=False)
