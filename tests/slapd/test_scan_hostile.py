"""200 feeds damaged by a seed: each is refused, or read as Python's csv reads it; never in part."""

import csv
import io
import json
import random

import pytest

FEEDS = 200


def good(rng):
    rows = [["employeeNumber", "name", "status"]]
    for i in range(rng.randrange(3, 40)):
        name = rng.choice(["Ada", "Zoë", 'The "Boss"', "Smith, John", "two\nlines", "", " blank ", "=1+1", "张伟"])
        rows.append([f"E{i}", name, rng.choice(["here", "left", "LEFT", ""])])
    out = io.StringIO()
    csv.writer(out, lineterminator=rng.choice(["\n", "\r\n"]), quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])).writerows(rows)
    return out.getvalue().encode()


def damage(data, rng):
    how, at = rng.randrange(16), rng.randrange(len(data))
    lines = data.split(b"\n")
    line = rng.randrange(len(lines))
    if how == 0:
        return data[:at]
    if how == 1:
        return data[:at] + data[at + 1:]
    if how == 2:
        return data[:at] + b'"' + data[at:]
    if how == 3:
        return data[:at] + rng.choice([b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\r", b"\n", b","]) + data[at:]
    if how == 4:
        return b"\n".join(lines[:line] + lines[line + 1:])
    if how == 5:
        return b"\n".join(lines[:line] + [lines[line]] + lines[line:])
    if how == 6:
        return data.decode(errors="replace").encode("utf-16")
    if how == 7:
        return data.decode().encode("latin-1", errors="replace")
    if how == 8:
        return b"\xef\xbb\xbf" + data
    if how == 9:
        return data.replace(b",", b";")
    if how == 10:
        return data + data
    if how == 11:
        return data[:at] + data[:at] + data[at:]
    if how == 12:
        return b"\n\n" + data.replace(b"\n", b"\n\n")
    if how == 13:
        return data[:at] + bytes(rng.randrange(256) for _ in range(8)) + data[at + 8:]
    if how == 14:
        return data.replace(b"E1", b"E1" + b"x" * 100000, 1)
    return data  # one in sixteen is as good as it was


def as_python_reads(data):
    """Keys of the records that are here. AssertionError: no careful reader takes this."""
    text = data.decode("utf-8-sig")
    assert "\0" not in text
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    head = [h.lower() for h in rows[0]]
    assert head.count("employeenumber") == 1 and head.count("status") == 1
    assert all(len(row) == len(head) for row in rows)
    keys = [row[head.index("employeenumber")] for row in rows[1:]]
    assert keys and all(k.strip() for k in keys) and len({k.strip().lower() for k in keys}) == len(keys)
    return sorted(" ".join(k.split()) for k, row in zip(keys, rows[1:]) if row[head.index("status")].strip().lower() != "left")


@pytest.mark.parametrize("part", range(4))
def test_a_damaged_feed_is_refused_or_read_right(slapd, part):
    read = refused = 0
    for n in range(part * FEEDS // 4, (part + 1) * FEEDS // 4):
        rng = random.Random(n)
        data = damage(good(rng), rng)
        (slapd.dir / "hr.csv").write_bytes(data)
        done = slapd.provctl("--json", "scan", "--source", f"csv:{slapd.dir}/hr.csv?key=employeeNumber&status=status&left=left",
                             "--max-shrink", "100", "--check", "MISSING_ACCOUNT")
        if done.returncode == 3:
            assert done.stdout == "" and "hr.csv" in done.stderr
            refused += 1
            continue
        assert done.returncode in (0, 1), (n, done.stderr)
        found = [f["dn"] for f in map(json.loads, done.stdout.splitlines()) if "dn" in f]
        assert sorted(" ".join(dn.split("=", 1)[1].split()) for dn in found) == as_python_reads(data), n
        read += 1
    assert read > 5 and refused > 5, (read, refused)
