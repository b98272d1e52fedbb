"""Feeds that somebody broke: 200 CSV files, spoilt from a good one, are each refused or read right; and a large good one.

What is right is said by a second reader, Python's own csv module, put through the same rules here. Nothing is in
between: after a refusal the directory is as it was, to the last operational attribute.
"""

import csv
import io
import random
import re
import subprocess
import time
import unicodedata
from pathlib import Path

import pytest

from directory import PEOPLE
from harness import PROVCTL
from slapdconf import INDEX
from test_sync import Company, HEAD, MAP

SEED, FILES = 20261125, 200
RULES = MAP.replace("{unique}", "{Nr|lower}").replace("active yes\n", "")


def good(n=12):
    rng = random.Random(SEED)
    rows = [HEAD]
    for i in range(n):
        last = rng.choice(["O'Neill", "Müller-Lüdenscheid", 'La"Fleur', "Roe", "van, Dam", "Ng", "Åström"])
        rows.append([f"e{i}", rng.choice(["Ada", "Zoë", "Bo b"]), last, rng.choice(["sales", "it", ""]),
                     rng.choice(["", "Head, of\nall", "Rep"]), f"p{i}@example.com", f"e{i // 2}" if i else "",
                     rng.choice(["here", "away", "left"]), rng.choice(["", "2020-01-31"]), rng.choice(["", "2099-12-31"])])
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def spoil(rng, data):
    """One to three small accidents."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randint(1, 30))
        kind = rng.randrange(11)
        if kind == 0:
            data = data[:at]  # cut off
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif kind == 3:
            data = data[:at] + bytes([rng.randrange(256)]) + data[at:]
        elif kind == 4:
            data = data[:at] + rng.choice([b'"', b',', b'\n', b'\r', b'""', b';', b'\0', b'\xff', b'\xc3']) + data[at:]
        elif kind == 5:
            data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:] if at < len(data) else data
        elif kind == 6:
            lines = data.split(b"\n")
            a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[a], lines[b] = lines[b], lines[a]
            data = b"\n".join(lines)
        elif kind == 7:
            lines = data.split(b"\n")
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            data = b"\n".join(lines)
        elif kind == 8:
            data = data.replace(b"\n", b"\r\n")
        elif kind == 9:
            data = rng.choice([lambda d: d.decode(errors="replace").encode("latin-1", "replace"),
                               lambda d: d.decode(errors="replace").encode("utf-16"),
                               lambda d: b"\xef\xbb\xbf" + d,
                               lambda d: d.decode("latin-1").encode()])(data)
        else:
            data = data.replace(*rng.choice([(b"here", b"gone"), (b"2020-01-31", b"31.01.2020"), (b"e3,", b"e4,"),
                                             (b"2099-12-31", b"2019-12-31"), (b",", b";"), (b"Nr", b"Number")]), 1)
    return data


class Unreadable(Exception):
    pass


def trim(value):
    return value.strip(" \t")


def read(data):
    """{key: {column: value}} by the second reader; Unreadable where it sees something that nobody should act on."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("encoding") from None
    if "\0" in text:
        raise Unreadable("NUL")
    try:
        rows = [r for r in csv.reader(io.StringIO(text, newline=""), strict=True) if r and (len(r) > 1 or trim(r[0]))]
    except csv.Error as error:
        raise Unreadable(str(error)) from None
    if not rows:
        raise Unreadable("empty")
    head = [trim(h).lower() for h in rows[0]]
    if len(set(head)) != len(head) or not {h.lower() for h in HEAD} <= set(head):
        raise Unreadable("head")
    found = {}
    for r in rows[1:]:
        if len(r) != len(head):
            raise Unreadable("fields")
        row = {h: trim(r[head.index(h.lower())]) for h in HEAD}
        if not row["Nr"] or row["Nr"].lower() in found or row["Status"].lower() not in ("here", "away", "left"):
            raise Unreadable("row")
        found[row["Nr"].lower()] = row
    return found


def ascii_of(text):
    return "".join(c for c in unicodedata.normalize("NFKD", text) if ord(c) < 128)


@pytest.mark.parametrize("part", range(4))
def test_spoilt_feeds_are_refused_or_read_right(make_slapd, part):
    s = make_slapd(index=INDEX + ["provSourceKey eq"], provision={"provision-breaker": "0 0"})
    co = Company(s, RULES)
    base = good()
    open_ = ("--max-leavers", "100%", "--max-changes", "100%", "--max-joiners", "100%", "--max-shrink", "100",
             "--reactivate", "--new-columns", "--grace", "0")
    co.apply(*open_, text=base)
    refused = taken = 0
    for i in range(part * FILES // 4, (part + 1) * FILES // 4):
        data = spoil(random.Random(SEED + i), base)
        co.feed.write_bytes(data)
        before, state = s.everything(), co.state.read_text()
        done = s.provctl(*co.command("--apply", *open_))
        assert done.returncode in (0, 3), f"file {i}: {done}"
        if done.returncode == 3:
            assert s.everything() == before and co.state.read_text() == state, f"file {i}"
            assert done.stderr.count("provctl: people.csv: ") >= 1, f"file {i}: refused without a reason"
            refused += 1
            continue
        taken += 1
        people = {e.one("provSourceKey").lower(): e for e in s.admin.search(PEOPLE, "(provSource=hr)")}
        for key, row in read(data).items():  # Unreadable: then it should have been refused
            if row["Status"].lower() == "left" and key not in people:
                continue
            e = people.pop(key)
            state = e.one("provState") or "active"
            ended = row["Status"].lower() == "left" or "" < row["End"] < "2026"
            assert state == ("terminated" if ended else "suspended" if row["Status"].lower() == "away" else "active"), (i, key)
            if ended:
                continue
            assert e["sn"] == [row["Last"]] and e["givenName"] == ([row["First"]] if row["First"] else []), (i, key)
            assert e["cn"] == [f"{row['First']} {row['Last']}"] and e["title"] == ([row["Title"]] if row["Title"] else []), (i, key)
            assert e["departmentNumber"] == ([row["Dept"].lower()] if row["Dept"] else []), (i, key)
        for key, e in people.items():
            assert e.one("provState") == "terminated", f"file {i}: {key} is not in the feed"
        co.apply(*open_, text=base)  # all as it was
    assert refused >= FILES // 16 and taken >= FILES // 40, (refused, taken)


def test_ten_thousand_rows(make_slapd):
    """Joiners, nothing, movers. Memory: what docs/hr-feed.md says."""
    s = make_slapd(index=INDEX + ["provSourceKey eq"], database=[("dbnosync", "olcDbNoSync", "TRUE")])
    co = Company(s)
    for i in range(10000):
        co.put(f"n{i}", "Ann", f"No{i}", mail="", boss=f"n{i // 10}" if i else "", dept="sales" if i % 2 else "it")
    co.feed.write_text(co.text())

    def run(*args):
        began = time.monotonic()
        with open(s.dir / "out", "w+") as out:
            p = subprocess.Popen([PROVCTL, "-H", s.ldapi, "--json", *map(str, co.command(*args))], stdout=out, env=s.env)
            peak = 0
            while p.poll() is None:  # of the program alone: what wait4() tells has Python's own in it
                found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{p.pid}/status").read_text())
                peak = int(found[1]) >> 10 if found else peak
                time.sleep(0.005)
            assert p.returncode == 0
            out.seek(0)
            return time.monotonic() - began, out.read().splitlines()[-1], peak

    joined, last, most = run("--apply")
    assert '"joiners":10000' in last and '"failed":0' in last
    again, last, least = run("--apply")
    assert '"unchanged":10000' in last
    for i in range(0, 10000, 10):
        co.change(f"n{i}", title="Lead")
    co.feed.write_text(co.text())
    moved, last, _ = run("--apply")
    assert '"movers":1000' in last and '"failed":0' in last
    print(f"10,000 joiners {joined:.1f} s and {most} MiB, no change {again:.1f} s and {least} MiB, 1,000 movers {moved:.1f} s")
    assert most < 40 and least < 24, (most, least)
    assert joined < 120 and again < 20 and moved < 40
