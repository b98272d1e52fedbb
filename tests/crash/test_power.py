"""The power fails: from what slapd, the relay and provd have written and synced, disks are made as they may be then, and slapd
starts on each. Whatever a client was told must be there, and nothing that nobody sent; trail, outbox and progress must agree.

PROV_POWER_IMAGES=400 for more (40 otherwise), PROV_CRASH_SEED to repeat one.
"""

import os
import random
import shutil
import time
from collections import Counter

import ldap
import pytest

from checker import check
from harness import TOP, Slapd, StartFailed, wait_until
from power import FATES, SECTOR, Disk, File, Record, cuts, read_log
from statedb import Delivery
from test_provd import ask, status
from writers import RoleEditor, Writer, prepare

IMAGES = int(os.environ.get("PROV_POWER_IMAGES", "40"))
EACH = 20  # images of one recording
SEED = int(os.environ.get("PROV_CRASH_SEED", str(time.time_ns() % 10**6)))
FILES = {"db": ("data.mdb",), "state": ("state.mdb", "delivery.mdb")}
HOOK = r"""
pos=$(stat -c %s "$1/disk.log")
case $PROV_EVENT_ID in *7) [ "$PROV_ATTEMPT" = 1 ] && exit 1;; esac
printf '%s %s %s\n' "$PROV_EVENT_ID" "$PROV_SEQUENCE" "$pos" >>"$1/received"
"""


class Recorder:
    """Runs writers and provd on a recorded disk; then makes the disk as it was at any time."""

    def __init__(self, s):
        self.s, self.log = s, s.dir / "disk.log"
        self.sent, self.acked, self.refused = {}, {}, set()

    def now(self):
        return self.log.stat().st_size

    def read(self):
        """(slapadd -q has made the database as long as it may become: hence a small maxsize.)"""
        return {str(d / n): (d / n).read_bytes() for d, names in self.dirs() for n in names if (d / n).exists()}

    def dirs(self):
        return [(self.s.dir / d, names) for d, names in FILES.items()]

    def begin(self):
        s = self.s
        (s.dir / "hook.sh").write_text(HOOK)
        (s.dir / "received").touch()
        s.connector("hook", f"/bin/sh {s.dir}/hook.sh {s.dir}", provConcurrency="8", provEvent="account.*")
        s.wait_relayed()
        s.stop()
        self.start = self.read()
        s.env.update(self.watched())
        s.start()
        s.provd_start()

    def watched(self):
        return {"LD_PRELOAD": str(TOP / "build/crash/disk.so"), "PROV_DISK_DIR": str(self.s.dir), "PROV_DISK_LOG": str(self.log)}

    def load(self, rng, seconds):
        writers = [Noting(self, f"w{i}", rng.random()) for i in range(8)] + [NotingEditor(self, "role", rng.random())]
        for w in writers:
            w.start()
        time.sleep(seconds)
        self.s.kill()
        self.s.provd_stop(hard=True)
        for w in writers:
            w.join(30)
            w.client.close()
            assert not w.is_alive() and w.error is None, f"{w.name}: {w.error!r}"
        for name in self.watched():
            del self.s.env[name]
        whole = read_log(self.log)
        wanted = {str(d / n) for d, names in self.dirs() for n in names}
        self.records = [r for r in whole if r.path in wanted]
        self.disk = Disk(self.start, self.records)
        self.received = [(i, int(n), int(pos)) for i, n, pos in map(str.split, self.receipts())]

    def receipts(self):
        return (self.s.dir / "received").read_text().splitlines()

    def put(self, image):
        """The files stay the same ones: others in their place would be noted as a restore."""
        for d, _ in self.dirs():
            for f in d.iterdir():
                if str(f) not in image:
                    f.unlink()
        for path, data in image.items():
            with open(path, "r+b" if os.path.exists(path) else "wb") as f:
                f.write(data)
                f.truncate()
            os.chmod(path, 0o600)

    def known(self, pos):
        """Tokens that must be there, and those that may."""
        answered = [t for t, p in self.acked.items() if p <= pos]
        return answered, [t for t, p in self.sent.items() if p <= pos and t not in self.refused and t not in answered]


class Noting(Writer):
    """Keeps where the log of the disk was when a write was sent, and when it was answered."""

    def __init__(self, recorder, name, seed):
        super().__init__(recorder.s, name, seed)
        self.recorder = recorder

    def send(self, call, *args, **kw):
        r, token = self.recorder, f"{self.name}-{self.n + 1}"
        r.sent[token] = r.now()
        try:
            super().send(call, *args, **kw)
        except (ldap.TYPE_OR_VALUE_EXISTS, ldap.NO_SUCH_ATTRIBUTE):
            r.refused.add(token)
            raise
        r.acked[token] = r.now()


class NotingEditor(Noting, RoleEditor):
    pass


def check_progress(s, received, pos):
    """What provd has written down as done was delivered before, and is in the outbox of this disk."""
    if not (s.state / "delivery.mdb").exists():
        return
    progress, events = Delivery(s.state), s.events()
    cursor = progress.cursor.get("hook", 0)
    last = max((int(e["sequence"]) for e in events), default=0)
    assert cursor <= last, f"provd is at {cursor}, the outbox ends at {last}"
    waits = {r["seq"] for r in progress.rows if r["state"] != "done"}
    got = {i for i, _, p in received if p <= pos}
    for e in events:
        seq = int(e["sequence"])
        if seq <= cursor and "hook" in e["route"] and seq not in waits:
            assert e["id"] in got, f"event {seq} counts as delivered and was not"


def check_image(r, pos, deliver):
    s = r.s
    s.start()
    wait_until(lambda: s.monitor().one("provMonitorFollowPending") == "0", 30, "everybody has followed")
    answered, unknown = r.known(pos)
    seen = check(s, answered, unknown)
    check_progress(s, r.received, pos)
    s.provctl_offline("audit", "verify", check=0)
    if deliver:
        before = [i for i, _, p in r.received if p <= pos]
        mark = len(r.receipts())
        s.provd_start()
        last = max((int(e["sequence"]) for e in seen.events), default=0)

        def done():
            ask(s, cmd="retry", connector="hook")
            st = status(s)
            return st and st["passed"] >= last and not (st["ready"] or st["inFlight"] or st["deferred"])
        wait_until(done, 40, every=0.1)
        s.provd_stop()
        got = set(before) | {line.split()[0] for line in r.receipts()[mark:]}
        missing = [e["sequence"] for e in seen.events if "hook" in e["route"] and e["id"] not in got]
        assert not missing, f"never delivered: {missing[:10]}"


def check_images(r, rng, n):
    seen, began = Counter(), time.monotonic()
    fates = list(FATES)
    for k, cut in enumerate(cuts(r.records, n, rng)):
        fate = fates[k % len(fates)]
        pos = r.records[cut - 1].end if cut else 0
        r.put(r.disk.image(cut, fate, rng))
        try:
            check_image(r, pos, k % 10 == 9)
        except (AssertionError, StartFailed, ldap.LDAPError) as error:
            if os.environ.get("PROV_KEEP"):
                shutil.copytree(r.s.dir / "db", r.s.dir / f"bad{cut}-{fate}")
            raise AssertionError(f"power fails after {cut} of {len(r.records)} ({fate}), seed {SEED}: {error!r}") from None
        r.s.kill()
        seen[fate] += 1
    print(f"seed {SEED}: {len(r.records)} records, {len(r.acked)} answered, {dict(seen)}, {time.monotonic() - began:.0f} s")


@pytest.fixture
def recorder(request):
    with Slapd(provision={"provision-breaker": "0 0", "provision-checkpoint": "20 1"}, debug="none", maxsize=1 << 26,
               database=getattr(request, "param", [])) as s:
        s.expect_log("unclean shutdown", *(["the database is an older copy"] if s.config.database else []))
        prepare(s)
        made = Recorder(s)
        made.begin()
        yield made
        s.kill()


@pytest.mark.parametrize("first", range(0, IMAGES, EACH))
def test_after_power_loss_everything_that_was_answered_is_there(recorder, first):
    rng = random.Random(SEED + first)
    recorder.load(rng, 1.5)
    r = recorder.records
    names = {p.rpartition("/")[2] for p in (x.path for x in r)}
    assert names == {"data.mdb", "state.mdb", "delivery.mdb"} and len(recorder.acked) > 50
    assert {x.kind for x in r} >= {"W", "M", "S"}
    check_images(recorder, rng, min(EACH, IMAGES - first))


def a_first_life(s, r):
    """What the disk is told while slapd and provd make their files, and take one change."""
    s.env.update(r.watched())
    s.start()
    s.provd_start()
    s.account("ann")
    s.wait_relayed()
    s.provd_stop()
    s.stop()
    for name in r.watched():
        del s.env[name]
    return read_log(r.log)


def test_power_fails_while_the_files_are_made():
    """Half a new file must not be in the way for ever."""
    rng = random.Random(SEED)
    with Slapd(debug="none", maxsize=1 << 26, start=False) as s:
        # a file that an image has not is made anew for the next one
        s.expect_log("unclean shutdown", "restore: a file of the database or of the trail is a copy")
        r = Recorder(s)
        r.start = r.read()
        log = [x for x in a_first_life(s, r) if x.path.startswith((str(s.dir / "db"), str(s.state)))]
        first = [i for i, x in enumerate(log) if x.path.startswith(str(s.state)) and x.kind in "CWMSR"]
        provd = [i for i in first if "delivery.mdb" in log[i].path]
        for fate in FATES:
            disk = Disk(r.start, log)
            for cut in sorted({*first[:8], *provd[:8]}):
                image = disk.image(cut, fate, rng)
                r.put(image)
                s.start()
                s.provd_start()
                s.account("bob")
                wait_until(lambda: s.monitor().one("provMonitorBacklog") == "0", 10, f"{cut} {fate}: the relay goes on")
                assert s.state_now().chain() and [e["data"]["uid"] for e in s.events()][-1] == "bob"
                s.provd_stop(hard=True)
                s.kill()


def test_new_files_are_synced_with_their_directory(tmp_path):
    """Else the file of the trail, and all that the relay has put into it, may be gone with its name."""
    with Slapd(debug="none", maxsize=1 << 26, start=False) as s:
        r = Recorder(s)
        log = a_first_life(s, r)
        for name in ("state.mdb", "delivery.mdb"):
            made = [i for i, x in enumerate(log) if x.kind == "R" and x.data.decode() == str(s.state / name)]
            assert len(made) == 1
            assert any(x.kind == "S" and x.path == str(s.state) for x in log[made[0]:]), name


@pytest.mark.parametrize("recorder", [[("dbnosync", "olcDbNoSync", "TRUE")]], indirect=True)
def test_what_is_never_synced_is_missed(recorder):
    """The test sees it when a disk loses what was answered: with dbnosync nobody waits for the database."""
    rng = random.Random(SEED)
    recorder.load(rng, 1)
    last = len(recorder.records)
    recorder.put(recorder.disk.image(last, "nothing", rng))
    with pytest.raises(AssertionError):
        check_image(recorder, recorder.records[-1].end, False)


def test_a_write_is_sure_after_a_sync_and_torn_by_sectors():
    def write(data, at=0, kind="W"):
        return Record(kind, "f", at, data, len(data), 0)
    sync = Record("S", "f", 0, b"", 0, 0)
    start, rng = {"f": b"a" * 2048}, random.Random(1)
    log = [write(b"b" * 1024), sync, write(b"c" * 1024, 512), write(b"m" * 8, 2040, "M")]
    assert Disk(start, log).image(1, "nothing", rng)["f"] == b"a" * 2048
    assert Disk(start, log).image(2, "nothing", rng)["f"] == b"b" * 1024 + b"a" * 1024
    assert Disk(start, log).image(4, "nothing", rng)["f"] == b"b" * 1024 + b"a" * 1016 + b"m" * 8
    assert Disk(start, log).image(3, "everything", rng)["f"] == b"b" * 512 + b"c" * 1024 + b"a" * 504 + b"m" * 8
    seen = {Disk(start, log[:3]).image(3, "torn", rng)["f"] for _ in range(64)}
    assert len(seen) == 4 and all({len(set(x[i:i + SECTOR])) for i in range(0, 2048, SECTOR)} == {1} for x in seen)
    f = File(b"abc")
    f.apply(Record("T", "f", 0, b"", 5, 0))
    assert f.sure == b"abc\0\0"
