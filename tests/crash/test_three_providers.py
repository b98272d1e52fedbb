"""Three providers and a consumer (mesh.py) under load, with kill -9, restarts and cut wires.

Afterwards all four hold the same, and every client's write is in one trail, once, with its events. The
providers write to accounts and groups of their own here, so nothing may be lost at all.

Not in make test: about one run in five of two rounds does not converge, as slapd's own providers do not always
(docs/replication.md). PROV_MESH_ROUNDS=6 to run it (make check-soak: 40), PROV_MESH_SEED to repeat one.
"""

import os
import random
import time
from collections import Counter

import pytest
from checker import Seen, check_accounts, check_outbox, check_replay, check_trail
from harness import wait_until
from mesh import Mesh
from writers import RoleEditor, Writer, prepare

ROUNDS = int(os.environ.get("PROV_MESH_ROUNDS", "0"))
SEED = int(os.environ.get("PROV_MESH_SEED", str(time.time_ns() % 10**6)))
KINDS = {"sales": ("sales", "staff"), "it": ("it", "staff", "git"), "lab": ("lab",)}
RANGES = [f"{i + 1} {i * 100000 + 1} {i * 100000 + 99999}" for i in range(3)]


def departments(i):
    return {"none": (), **{f"{d}{i}": tuple(f"{g}{i}" for g in groups) for d, groups in KINDS.items()}}


def groups(i):
    return [f"{g}{i}" for g in ("sales", "it", "lab", "staff", "git", "tennis")]


ALL = {d: g for i in range(3) for d, g in departments(i).items()}


def writers_of(mesh, i, name, rng):
    out = [Writer(mesh.providers[i], f"p{i}{name}w{k}", rng.random()) for k in range(2)]
    out.append(RoleEditor(mesh.providers[i], f"p{i}{name}role", rng.random()))
    for w in out:
        w.departments, w.groups, w.lab, w.surname = departments(i), groups(i), f"lab{i}", f"Same{i}"
        w.pause = 0.03
        w.start()
    return out


def followed(s, i):
    """All accounts of its own have the present text of their role."""
    seen = Seen(s, ALL)
    return all(e["description"] == [seen.texts[d.split(",")[0][3:]]] for e in seen.people.values()
               if e.one("uid").startswith(f"p{i}") for d in e["provEffectiveRole"])


class Load:
    """Writers at all providers; what they sent, for each provider."""

    def __init__(self, mesh, rng):
        self.mesh, self.rng, self.n = mesh, rng, 0
        self.writers = [[], [], []]
        self.answered, self.open = [[], [], []], [[], [], []]

    def begin(self, i):
        self.n += 1
        self.writers[i] = writers_of(self.mesh, i, f"n{self.n}", self.rng)

    def end(self, i):
        for w in self.writers[i]:
            w.stopping = True
        for w in self.writers[i]:
            w.join(60)
            assert not w.is_alive()
            w.client.close()
            assert w.error is None, f"{w.name}: {w.error!r}"
            self.answered[i] += w.answered
            self.open[i] += [w.open] if w.open else []
        self.writers[i] = []

    def round(self):
        """All write, then again with one of them cut off, and killed and started while it is."""
        i = self.rng.randrange(3)
        for cut in (False, True):
            if cut:
                self.mesh.part(i)
            for k in range(3):
                self.begin(k)
            time.sleep(self.rng.uniform(0.3, 0.8))
            if cut:
                self.mesh.providers[i].kill()
                self.end(i)
                self.mesh.consumer.restart(hard=True)
                self.mesh.providers[i].start()
                self.begin(i)
                time.sleep(self.rng.uniform(0.3, 0.8))
            for k in range(3):
                self.end(k)
            for k, s in enumerate(self.mesh.providers):
                wait_until(lambda s=s, k=k: followed(s, k), 60, "everybody has followed")
            self.mesh.heal()
            self.mesh.converged()
        return i


def check_events(mesh, load):
    """Each client's write in one trail, once, with its events; nothing that a client wrote in another."""
    everywhere = Counter()
    for i, s in enumerate(mesh.providers):
        seen = Seen(s, ALL)
        check_trail(seen, load.answered[i], load.open[i])
        check_outbox(seen)
        everywhere.update(r["reason"] for r in seen.records if "reason" in r and r["op"] not in ("follow", "clock"))
        s.provctl_offline("audit", "verify", check=0)
    assert all(n == 1 for n in everywhere.values()), [t for t, n in everywhere.items() if n != 1]
    assert mesh.consumer.trail() == [] and mesh.consumer.events() == []


def check_all(mesh, load):
    for s in mesh.servers:
        check_accounts(Seen(s, ALL))
    check_events(mesh, load)
    for i, s in enumerate(mesh.providers):
        seen = Seen(s, ALL)
        seen.people = {u: e for u, e in seen.people.items() if e.one("uid").startswith((f"p{i}", f"first{i}"))}
        check_replay(seen)
    *found, _ = mesh.providers[0].provctl_json("scan")
    assert not [f for f in found if f["id"] != "UNEXPLAINED"], found[:5]


@pytest.fixture
def mesh():
    m = Mesh()
    try:
        m.start()
        prepare(m.providers[0], ALL, [g for i in range(3) for g in groups(i)], provPoolRange=RANGES)
        m.converged()
        yield m
    except BaseException:
        m.close(check=False)
        raise
    m.close()


@pytest.mark.skipif(not ROUNDS, reason="PROV_MESH_ROUNDS is not set")
def test_nothing_is_lost_or_doubled(mesh):
    rng = random.Random(SEED)
    load = Load(mesh, rng)
    done = []
    for n in range(ROUNDS):
        done.append(load.round())
        try:
            mesh.converged()
            check_all(mesh, load)
        except AssertionError as error:
            raise AssertionError(f"round {n}, seed {SEED}, {done}: {error}") from None
    assert all(load.answered)
    print(f"seed {SEED}: {done}, {[len(a) for a in load.answered]} writes")
