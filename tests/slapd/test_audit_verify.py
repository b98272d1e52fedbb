"""provctl audit verify: a trail that was altered, reordered, cut back or made anew is found and located;
and accounts whose stamps do not agree with it (--against ldap)."""

import hashlib
import json
import os
import subprocess
import threading

import lmdb
import pytest

from directory import PEOPLE
from ldapclient import OVERRIDE, REASON, control
from life import Life
from statedb import State


@pytest.fixture
def s(make_slapd, tmp_path):
    """Nine records or more, signed checkpoints among them, and some records after the last one."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key.pem"], check=True)
    os.chmod(tmp_path / "key.pem", 0o600)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "key.pem", "-pubout", "-out", tmp_path / "pub.pem"], check=True)
    s = make_slapd(provision={"provision-key": str(tmp_path / "key.pem"), "provision-checkpoint": "4 3600"})
    s.pub = tmp_path / "pub.pem"
    s.role("r", provAssignFilter="(title=*)", provEntitlement="e")
    for i in range(10):
        s.account(f"u{i}", controls=[control(REASON, f"joiner {i}")])
        s.wait_relayed()
    return s


def tamper(s, change):
    """change(rows, checkpoints) edits what python3-lmdb read; it is written back as it is."""
    env = lmdb.open(str(s.state / "state.mdb"), subdir=False, max_dbs=16)
    with env.begin(write=True) as txn:
        trail, points = (env.open_db(n, txn=txn, create=False) for n in (b"trail", b"checkpoint"))
        rows, cps = dict(txn.cursor(trail)), dict(txn.cursor(points))
        change(rows, cps)
        for db, now in ((trail, rows), (points, cps)):
            txn.drop(db, delete=False)
            for k, v in now.items():
                txn.put(k, v, db=db)
    env.close()


def key(n):
    return n.to_bytes(8, "big")


def verify(s, *args, check):
    done = s.provctl_offline("--json", "audit", "verify", *args, check=check)
    return json.loads(done.stdout.splitlines()[0])


def rechain(rows):
    """What an attacker without the key can do: every hash made anew."""
    last = bytes(32)
    for k in sorted(rows):
        last = hashlib.sha256(last + k + rows[k][33:]).digest()
        rows[k] = b"\x01" + last + rows[k][33:]


def test_an_edited_byte_is_located(s):
    s.stop()
    n = len(State(s.state).rows)
    row = State(s.state).rows[4][1]
    for at in (1, 20, 33, 40, len(row) - 1):  # in the hash, and in the record
        def change(rows, cps, at=at):
            rows[key(5)] = row[:at] + bytes([row[at] ^ 1]) + row[at + 1:]
        tamper(s, change)
        got = verify(s, check=1)
        assert got["ok"] is False and got["badSeq"] == 5, at
    tamper(s, lambda rows, cps: rows.update({key(5): row}))
    assert verify(s, "--key", s.pub, check=0)["records"] == n


def test_two_rows_swapped_are_located(s):
    s.stop()

    def swap(rows, cps):
        rows[key(6)], rows[key(7)] = rows[key(7)], rows[key(6)]
    tamper(s, swap)
    assert verify(s, check=1)["badSeq"] == 6


def test_a_row_in_the_middle_that_is_missing_is_located(s):
    s.stop()
    tamper(s, lambda rows, cps: rows.pop(key(3)))
    got = verify(s, check=1)
    assert got["badSeq"] == 3 and "missing" in got["error"]


def cut(rows, upto):
    for k in [k for k in rows if int.from_bytes(k, "big") > upto]:
        del rows[k]


def test_last_rows_cut_before_a_checkpoint_are_missed(s):
    s.stop()
    last = max(c["seq"] for c in State(s.state).checkpoints)
    tamper(s, lambda rows, cps: cut(rows, last - 2))
    got = verify(s, check=1)
    assert got["badSeq"] == last - 1 and "checkpoint stands after the end" in got["error"]


def test_last_rows_cut_with_their_checkpoints_are_found_in_the_directory(s):
    """The file alone is whole then, and says so: the accounts know better."""
    s.stop()
    n = len(State(s.state).rows)

    def change(rows, cps):
        cut(rows, n - 3)
        cut(cps, n - 3)
    tamper(s, change)
    assert verify(s, "--key", s.pub, check=0)["records"] == n - 3
    s.start()
    got = against(s, check=1)
    assert {f["check"] for f in got} == {"CUT_BACK"}
    assert {f["dn"] for f in got} == {s.person_dn(f"u{i}") for i in (7, 8, 9)}
    assert all(f"record {n - 3}" in f["text"] for f in got)


def forge(rows, cps):
    rows[key(4)] = rows[key(4)].replace(b"joiner", b"JOINER")
    rechain(rows)


def test_a_trail_made_anew_differs_from_the_signed_checkpoint(s):
    s.stop()
    first = min(c["seq"] for c in State(s.state).checkpoints if c["seq"] >= 4)
    tamper(s, forge)
    got = verify(s, check=1)
    assert got["badSeq"] == first and "differs from the checkpoint" in got["error"]


@pytest.mark.parametrize("how", ["unsigned", "one unsigned", "old signature", "none left"])
def test_checkpoints_made_anew_without_the_key_are_found_with_it(s, how):
    s.stop()
    bad = min(c["seq"] for c in State(s.state).checkpoints if c["seq"] >= 4)

    def change(rows, cps):
        forge(rows, cps)
        for k in sorted(cps):
            c = json.loads(cps[k])
            if how == "none left":
                del cps[k]
                continue
            c["hash"] = rows[k][1:33].hex()
            if how == "unsigned" or (how == "one unsigned" and c["seq"] >= bad):
                c.pop("sig")
                c.pop("key")
            cps[k] = json.dumps(c, sort_keys=True, separators=(",", ":")).encode()
    tamper(s, change)
    assert verify(s, check=0)["ok"] is True, "without the key it looks whole"
    got = verify(s, "--key", s.pub, check=1)
    assert got["ok"] is False and ("sign" in got["error"])
    if how == "old signature":
        assert got["badSeq"] == bad


def test_it_says_what_no_signature_covers_yet(s):
    st = s.state_now()
    last = max(c["seq"] for c in st.checkpoints)
    for n in range(5):
        s.set("u0", telephoneNumber=str(n))
    s.state_now()
    got = verify(s, "--key", s.pub, check=0)
    assert got["afterLastSigned"] == got["records"] - got["lastSigned"] and got["lastSigned"] >= last


# -- against the directory ---------------------------------------------------------------------------


def against(s, check):
    lines = s.provctl_json("audit", "verify", "--against", "ldap", check=check)
    assert lines[-1]["against"] == "ldap" and lines[-1]["ok"] is (check == 0)
    assert lines[-1]["findings"] == len(lines) - 2
    return lines[1:-1]


def offline_modify(s, ldif, tool="slapmodify"):
    s.stop()
    (s.dir / "behind.ldif").write_text(ldif)
    s.tool(tool, "-b", s.suffix, "-l", s.dir / "behind.ldif")
    s.start()


@pytest.mark.parametrize("memberof", ["on", "off"])
def test_a_random_life_agrees(make_slapd, memberof):
    s = make_slapd(provision={"provision-memberof": memberof})
    Life(s, 7).live(120, shots=2)
    assert against(s, check=0) == []
    assert "do not agree" in s.provctl("audit", "verify", "--against", "ldap", check=0).stdout


def test_it_agrees_while_writes_go_on(s):
    stop, errors = threading.Event(), []

    def write(n):
        c = s.client(s.rootdn, s.rootpw)
        i = 0
        try:
            while not stop.is_set():
                i += 1
                if i % 9 == 0:
                    s.account(f"w{n}-{i}", client=c)
                    c.delete(s.person_dn(f"w{n}-{i}"), [control(OVERRIDE)])
                elif i % 7 == 0:
                    c.rename(s.person_dn(f"u{n}"), f"uid=x{n}")
                    c.rename(s.person_dn(f"x{n}"), f"uid=u{n}")
                else:
                    s.set(f"u{n}", client=c, title=str(i) if i % 2 else [])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    try:
        rounds = [against(s, check=0) for _ in range(8)]
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not errors and rounds == [[]] * 8


def test_accounts_changed_with_slapmodify(s):
    s.account("gone")
    s.wait_relayed()
    offline_modify(s, f"""dn: {s.person_dn('u1')}
changetype: modify
replace: description
description: behind

dn: {s.person_dn('gone')}
changetype: delete

dn: {s.person_dn('new')}
changetype: add
objectClass: inetOrgPerson
uid: new
cn: New
sn: New

""")
    s.set("u7", title="after that")
    got = {f["dn"]: f for f in against(s, check=1)}
    want = {"u1": "CHANGED_BEHIND", "new": "ADDED_BEHIND", "gone": "GONE"}
    assert {d: f["check"] for d, f in got.items()} == {s.person_dn(u): c for u, c in want.items()}
    assert s.trail()[got[s.person_dn("gone")]["record"] - 1]["uid"] == "gone"
    text = s.provctl("audit", "verify", "--against", "ldap", check=1).stdout
    assert "CHANGED_BEHIND" in text and "3 do not agree" in text


def reload(s, edit):
    """The database dumped, edited entry by entry (DN to lines), and loaded anew."""
    s.stop()
    entries = {}
    for block in s.slapcat("-o", "ldif-wrap=no").strip().split("\n\n"):
        lines = block.split("\n")
        entries[lines[0][4:]] = lines
    edit(entries)
    for f in ("data.mdb", "lock.mdb"):
        (s.dir / "db" / f).unlink()
    s.slapadd("\n\n".join("\n".join(lines) for lines in entries.values()) + "\n")
    s.start()


def test_stamps_changed_in_a_dump_that_is_loaded_again(s):
    s.set("u8", title="has a role")
    old = s.person("u6").one("provChangeId")
    s.set("u6", telephoneNumber="1")
    s.state_now()

    def edit(entries):
        def sub(uid, attr, value):
            lines = entries[s.person_dn(uid)]
            at = [i for i, l in enumerate(lines) if l.startswith(attr + ":")]
            for i in reversed(at):
                del lines[i]
            if value:
                lines.append(f"{attr}: {value}")
        sub("u1", "entryCSN", "20300101000000.000000Z#000000#000#000000")
        sub("u2", "provEffectiveRole", s.role_dn("r"))
        sub("u3", "provState", "suspended")
        sub("u4", "provChangeId", None)
        sub("u5", "provChangeTime", "20200101000000Z")
        sub("u6", "provChangeId", old)
        sub("u7", "provStateSince", "20200101000000Z")
        sub("u8", "provEffectiveRole", None)
        del entries[s.person_dn("u9")]
    s.expect_log("restore: the database is another one")
    reload(s, edit)
    got = {f["dn"]: f for f in against(s, check=1)}
    want = {"u1": "CHANGED_BEHIND", "u2": "STAMP_DIFFERS", "u3": "STAMP_DIFFERS", "u4": "CHANGED_BEHIND",
            "u5": "STAMP_DIFFERS", "u6": "ENTRY_OLDER", "u7": "STAMP_DIFFERS", "u8": "STAMP_DIFFERS", "u9": "GONE"}
    assert {d: f["check"] for d, f in got.items()} == {s.person_dn(u): c for u, c in want.items()}
    for uid, attr in (("u2", "provEffectiveRole"), ("u3", "provState "), ("u5", "provChangeTime"),
                      ("u7", "provStateSince"), ("u8", "provEffectiveRole")):
        assert attr in got[s.person_dn(uid)]["text"]


def test_a_record_that_is_missing_is_found_though_the_chain_was_made_anew(s):
    s.set("u3", title="x", controls=[control(REASON, "secret deal")])
    s.set("u4", title="y")
    s.state_now()
    s.stop()

    def change(rows, cps):
        n = next(k for k, v in rows.items() if b"secret deal" in v)
        later = sorted(k for k in rows if k > n)
        for k in later:
            rows[key(int.from_bytes(k, "big") - 1)] = rows[k]
        del rows[later[-1]]
        rechain(rows)
        cps.clear()
    tamper(s, change)
    assert verify(s, check=0)["ok"] is True
    s.start()
    [f] = against(s, check=1)
    assert f["check"] == "RECORD_MISSING" and f["dn"] == s.person_dn("u3")
    assert s.person("u3").one("provChangeId") in f["text"]


def test_accounts_older_than_the_trail_are_no_finding(s):
    s.stop()
    env = s.dir / "state"
    s.slapadd(f"dn: {s.person_dn('old')}\nobjectClass: inetOrgPerson\nuid: old\ncn: Old\nsn: Old\n"
              "createTimestamp: 20200101000000Z\nmodifyTimestamp: 20200101000000Z\n")
    assert env.is_dir()
    s.start()
    assert against(s, check=0) == []
    assert "1 are older" in s.provctl("audit", "verify", "--against", "ldap", check=0).stdout


def test_below_a_renamed_tree_and_in_the_archive(make_slapd):
    s = make_slapd(provision={"provision-on-delete": "preserve", "provision-archive": "ou=archive,dc=example,dc=com"})
    s.admin.add(f"ou=a,{PEOPLE}", {"objectClass": "organizationalUnit", "ou": "a"})
    s.account(f"uid=ada,ou=a,{PEOPLE}")
    s.admin.rename(f"ou=a,{PEOPLE}", "ou=b")
    s.account("bob")
    s.admin.delete(s.person_dn("bob"))
    assert s.admin.get("uid=bob,ou=archive,dc=example,dc=com")
    assert against(s, check=0) == []
    s.provctl("audit", "verify", "--against", "sql", check=2)
