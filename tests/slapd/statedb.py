"""Reads our LMDB files as docs/formats.md describes them, without any of our own code.

So the tests do not have to believe provctl. Everything is read-only; chain() raises
AssertionError where the trail does not hold together.
"""

import hashlib
import json
import struct
from pathlib import Path

import lmdb


def tables(path, names, subdir=False):
    """The named tables of an environment as {name: [(key, value), ...]}."""
    env = lmdb.open(str(path), subdir=subdir, readonly=True, max_dbs=128, lock=True, readahead=False)
    try:
        out = {}
        with env.begin() as txn:
            for name in names:
                try:
                    db = env.open_db(name.encode(), txn=txn, create=False)
                except lmdb.NotFoundError:
                    out[name] = []
                    continue
                out[name] = list(txn.cursor(db))
        return out
    finally:
        env.close()


class State:
    """What the state environment holds now."""

    def __init__(self, directory):
        raw = tables(Path(directory) / "state.mdb", ("meta", "trail", "checkpoint", "outbox"))
        self.meta = {k.decode(): v for k, v in raw["meta"]}
        self.rows = [(struct.unpack(">Q", k)[0], v) for k, v in raw["trail"]]
        self.checkpoints = [json.loads(v) for _, v in raw["checkpoint"]]
        self.events = []
        for k, v in raw["outbox"]:
            assert v[0] == 1, f"outbox row {k.hex()}: version {v[0]}"
            event = json.loads(v[1:])
            assert int(event["sequence"]) == struct.unpack(">Q", k)[0]
            self.events.append(event)

    @property
    def records(self):
        return [json.loads(v[33:]) for _, v in self.rows]

    def chain(self):
        """Check every hash; returns the number of records."""
        last = bytes(32)
        for n, (seq, row) in enumerate(self.rows, 1):
            assert seq == n, f"trail row {n} has number {seq}"
            assert row[0] == 1, f"trail row {n}: version {row[0]}"
            last = hashlib.sha256(last + struct.pack(">Q", seq) + row[33:]).digest()
            assert row[1:33] == last, f"trail row {n}: the hash is wrong"
        return len(self.rows)


class Delivery:
    """What the delivery environment holds now: how far each connector has come."""

    def __init__(self, directory):
        raw = tables(Path(directory) / "delivery.mdb", ("cursor", "exception", "remote"))
        self.cursor = {k.decode(): struct.unpack(">Q", v)[0] for k, v in raw["cursor"]}
        self.remote = {tuple(k.decode().split("\0")): v[8:].partition(b"\0")[0].decode() for k, v in raw["remote"]}
        self.rows = []  # what is not simply done: JSON of the row, with "connector" and "seq"
        for k, v in raw["exception"]:
            name, _, seq = k.partition(b"\0")
            assert v[0] == 1, f"row {k!r}: version {v[0]}"
            self.rows.append({**json.loads(v[1:]), "connector": name.decode(), "seq": struct.unpack(">Q", seq)[0]})


def captured(directory):
    """Capture rows of a database (back-mdb's directory): {sequence: record}."""
    rows = tables(directory, ("provCapture",), subdir=True)["provCapture"]
    out = {}
    for k, v in rows:
        assert v[0] == 1, f"capture row {k.hex()}: version {v[0]}"
        out[struct.unpack(">Q", k)[0]] = json.loads(v[1:])
    return out
