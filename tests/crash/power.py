"""What a disk may hold after the power has failed, from what tests/crash/disk.c wrote down.

A write is on disk for sure once a sync of its file that began after it has returned, or when it
was made through a descriptor that writes durably. Of the others any may be there, and any not,
also in part: a disk writes sectors of 512 bytes wholly or not at all, and nothing larger.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

HEAD = struct.Struct("<IcxHQQ")
MAGIC, SECTOR = 0x4B534944, 512


@dataclass
class Record:
    kind: str  # as in disk.c
    path: str
    at: int
    data: bytes
    size: int
    end: int  # where it ends in the log


def read_log(path):
    raw, pos, out = Path(path).read_bytes(), 0, []
    while pos < len(raw):
        magic, kind, n, at, size = HEAD.unpack_from(raw, pos)
        assert magic == MAGIC, f"no record at {pos}"
        kind, pos = kind.decode(), pos + HEAD.size
        name, pos = raw[pos:pos + n].decode(), pos + n
        data = raw[pos:pos + size] if kind in "WMR" else b""
        pos += len(data)
        out.append(Record(kind, name, at, data, size, pos))
    return out


class File:
    def __init__(self, data=b""):
        self.sure, self.open = bytearray(data), []  # what is there, and what may be

    def copy(self):
        f = File(self.sure)
        f.open = list(self.open)
        return f

    def apply(self, r, torn=None):
        """torn: a random generator; some sectors of the write are missing then."""
        if r.kind == "T":
            del self.sure[r.size:]
            self.sure.extend(bytes(r.size - len(self.sure)))
            return
        if len(self.sure) < r.at + len(r.data):
            self.sure.extend(bytes(r.at + len(r.data) - len(self.sure)))
        first = 0
        while first < len(r.data):
            last = min(first + SECTOR - (r.at + first) % SECTOR, len(r.data))
            if torn is None or torn.random() < 0.5:
                self.sure[r.at + first:r.at + last] = r.data[first:last]
            first = last

    def take(self, r):
        if r.kind == "M":
            self.apply(r)
        elif r.kind in "WT":
            self.open.append(r)
        elif r.kind == "S":
            for w in self.open:
                self.apply(w)
            self.open.clear()


# What becomes of the writes that nobody has waited for.
def nothing(rng, _):
    return []


def everything(rng, writes):
    return [(w, None) for w in writes]


def some(rng, writes):
    return [(w, None) for w in writes if rng.random() < 0.5]


def torn(rng, writes):
    return [(w, rng) for w in writes]


FATES = {f.__name__: f for f in (nothing, everything, some, torn)}


class Disk:
    """start: {path: bytes} of the files as they were when the log began."""

    def __init__(self, start, records):
        self.files = {p: File(d) for p, d in start.items()}
        self.records, self.taken = records, 0

    def run(self, upto):
        assert upto >= self.taken, "time runs one way"
        for r in self.records[self.taken:upto]:
            if r.kind == "C":
                self.files[r.path] = File()
            elif r.kind == "R":  # by order of the calls: what was renamed was synced before, or is not whole
                self.files[r.data.decode()] = self.files.pop(r.path)
            elif r.kind == "U":
                self.files.pop(r.path, None)
            elif r.path in self.files:
                self.files[r.path].take(r)
        self.taken = upto

    def image(self, upto, fate, rng):
        """{path: bytes} when the power fails after `upto` records, the next being under way."""
        self.run(upto)
        copies = {p: f.copy() for p, f in self.files.items()}
        coming = self.records[upto] if upto < len(self.records) else None
        if coming and coming.kind in "WMT" and coming.path in copies:
            copies[coming.path].open.append(coming)
        for f in copies.values():
            for w, how in FATES[fate](rng, f.open):
                f.apply(w, how)
        return {p: bytes(f.sure) for p, f in copies.items()}


def cuts(records, n, rng):
    """Where the power fails: half of them just before a sync or a durable write has returned, half anywhere."""
    edges = [i for i, r in enumerate(records) if r.kind in "SM"]
    some = rng.sample(edges, min(n // 2, len(edges)))
    return sorted(some + [rng.randrange(1, len(records)) for _ in range(n - len(some))])
