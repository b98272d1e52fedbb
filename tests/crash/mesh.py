"""Three providers and a read-only consumer in a star, with a wire to the hub that can be cut for each.

The hub is the others' provider and consumer (plain refreshAndPersist); all four have the overlay. A wire is a
TCP proxy on loopback: cut, it ends what runs over it and takes nothing new.
"""

import select
import socket
import threading

from harness import Slapd, free_port, wait_until

LOG = ("syncrepl|do_sync|dn_callback|be_modify|is not in the list|consumer state|refreshDelete|null_callback|"
       "operation for internal|slap_client_connect|conn=|rid=|findbase failed|unclean shutdown|"
       "UNKNOWN attributeDescription|nonpresent_callback|slap_sl_|accesslog_|log purge")
ACCIDENTAL = {"contextcsn", "auditcontext", "entrydn", "subschemasubentry", "hassubordinates"}


class Wire:
    def __init__(self, to):
        self.to, self.port = to, free_port()
        self.lock, self.listener, self.pairs, self.up = threading.Lock(), None, [], False
        self.join()

    def join(self):
        if self.up:
            return
        listener = socket.create_server(("127.0.0.1", self.port))
        self.up, self.listener = True, listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self):
        with self.lock:
            self.up = False
            gone, self.pairs = self.pairs, []
        # the thread that accepts is woken by this; a plain close would leave it waiting
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in gone:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.to), 2)
            except OSError:
                near.close()
                continue
            with self.lock:
                if not self.up:
                    near.close()
                    far.close()
                    continue
                self.pairs += [near, far]
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near, far):
        other = {near: far, far: near}
        try:
            while True:
                for s in select.select([near, far], [], [])[0]:
                    data = s.recv(65536)
                    if not data:
                        return
                    other[s].sendall(data)
        except OSError:
            pass
        finally:
            with self.lock:
                self.pairs = [s for s in self.pairs if s not in other]
            for s in other:
                s.close()


class Mesh:
    def __init__(self):
        self.ports = [free_port() for _ in range(4)]
        # wires[i, j]: over which server i hears what happens at provider j
        self.wires = {(i, j): Wire(self.ports[j]) for i in range(4) for j in range(3)
                      if i != j and 0 in (i, j)}
        self.servers = []
        for i in range(4):
            self.servers.append(self._server(i))
        self.providers, self.consumer = self.servers[:3], self.servers[3]

    def _server(self, i):
        database = []
        for j in range(3):
            if (i, j) not in self.wires:
                continue
            line = (f'rid=00{j + 1} provider=ldap://127.0.0.1:{self.wires[i, j].port} binddn="cn=admin,dc=example,dc=com" '
                    'bindmethod=simple credentials=secret searchbase="dc=example,dc=com" type=refreshAndPersist '
                    'retry="1 +" schemachecking=off')
            database.append(("syncrepl", "olcSyncrepl", line))
        if i < 3:
            database.append(("multiprovider", "olcMultiProvider", "TRUE"))
        # no session log: with several providers it loses deletes
        overlays = [("syncprov", {"syncprov-checkpoint": "100 1"})]
        s = Slapd(start=False, base=i == 0, debug="sync", server_id=i + 1 if i < 3 else None, port=self.ports[i],
                  overlays=overlays if i < 3 else [], database=database, provision={"provision-breaker": "0 0"})
        s.expect_log(LOG)
        return s

    def start(self):
        for s in self.servers:
            s.start()
        wait_until(lambda: all(s.admin.get(s.suffix) is not None for s in self.servers), 30, "all have the tree")
        # a provider takes its place among the others with its first write
        for i, s in enumerate(self.providers):
            s.account(f"first{i}", provState="active", departmentNumber="none")
            wait_until(lambda: all(t.person(f"first{i}") for t in self.servers), 30, "they replicate")

    def part(self, i):
        """Provider i hears nobody, and nobody hears it."""
        for (a, b), wire in self.wires.items():
            if i in (a, b):
                wire.cut()

    def heal(self):
        """The hub hears everybody first; the others hear it when it has all: see docs/replication.md."""
        for (i, _), wire in self.wires.items():
            if i == 0:
                wire.join()
        wait_until(lambda: all(self._own(p, i + 1) <= self._own(self.providers[0], i + 1)
                               for i, p in enumerate(self.providers)), 30, "the hub has heard everybody")
        for wire in self.wires.values():
            wire.join()

    @staticmethod
    def _own(server, sid):
        return max((v for v in server.admin.get(server.suffix)["contextCSN"] if f"#{sid:03x}#" in v), default="")

    def wholes(self):
        return [{e.dn: sorted((a, tuple(sorted(map(str, v)))) for a, v in e.items() if a not in ACCIDENTAL)
                 for e in s.admin.search(s.suffix)} for s in self.servers]

    def differences(self):
        first, *rest = self.wholes()
        return [(i, dn, set(first.get(dn, ())) ^ set(w.get(dn, ()))) for i, w in enumerate(rest, 1)
                for dn in first.keys() | w.keys() if first.get(dn) != w.get(dn)]

    def converged(self, timeout=20):
        try:
            wait_until(lambda: not self.differences(), timeout, "all four are the same", every=0.5)
        except AssertionError:
            raise AssertionError(f"after {timeout} s they differ: {[(i, dn, sorted(a for a, _ in d)) for i, dn, d in self.differences()[:8]]}") from None

    def close(self, check=True):
        problems = []
        for s in reversed(self.servers):
            try:
                s.close(check)
            except AssertionError as error:
                problems.append(str(error))
        for wire in self.wires.values():
            if wire.up:
                wire.cut()
        assert not problems, "\n".join(problems)
