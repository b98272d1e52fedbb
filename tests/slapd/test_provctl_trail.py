"""provctl audit and outbox: the trail read and verified without a server, events shown and moved."""

import hashlib
import json
import os
import subprocess

import lmdb
import pytest

from harness import PROVCTL, wait_until
from ldapclient import REASON, control
from statedb import State


@pytest.fixture
def s(slapd):
    slapd.group("sales")
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    slapd.connector("hook", "/bin/false", provMaxAttempts="1")
    slapd.account("ada", departmentNumber="sales", controls=[control(REASON, "Joiner CHG-1")])
    slapd.account("bob")
    slapd.set("ada", departmentNumber="it", controls=[control(REASON, "mover chg-2")])
    slapd.wait_relayed()
    return slapd


# -- audit --------------------------------------------------------------------------------------


def test_verify_needs_no_server(s):
    n = len(s.trail())
    s.stop()
    done = s.provctl_offline("audit", "verify", check=0)
    assert f"{n} records, unbroken" in done.stdout and "signatures not checked" in done.stdout
    [r] = [json.loads(x) for x in s.provctl_offline("audit", "verify", "--json", check=0).stdout.splitlines()]
    assert r["ok"] is True and r["records"] == n


def rewrite(s, change):
    """Change one row of the trail behind everybody's back."""
    env = lmdb.open(str(s.state / "state.mdb"), subdir=False, max_dbs=128)
    with env.begin(write=True) as txn:
        db = env.open_db(b"trail", txn=txn)
        rows = list(txn.cursor(db))
        change(txn, db, rows)
    env.close()


@pytest.mark.parametrize("what", ["altered", "deleted", "cut"])
def test_verify_finds_a_trail_that_was_tampered_with(s, what):
    s.stop()
    n = len(State(s.state).rows)

    def change(txn, db, rows):
        key, value = rows[2]
        if what == "altered":
            txn.put(key, value[:33] + value[33:].replace(b'"v":1', b'"v":2'), db=db)
        elif what == "deleted":
            txn.delete(key, db=db)
        else:
            txn.put(key, value[:10], db=db)

    rewrite(s, change)
    done = s.provctl_offline("audit", "verify", check=1)
    assert "BROKEN at record 3" in done.stdout
    [r] = [json.loads(x) for x in s.provctl_offline("audit", "verify", "--json", check=1).stdout.splitlines()]
    assert r["ok"] is False and r["badSeq"] == 3 and r["error"]
    assert n > 3


def test_a_state_directory_that_is_not_there_is_2(s):
    for what in (["audit", "verify"], ["audit", "show"], ["audit", "export"], ["outbox", "list"]):
        done = subprocess.run([PROVCTL, "--state", "/nonexistent", *what], capture_output=True, text=True)
        assert done.returncode == 2 and "/nonexistent" in done.stderr


def test_show_filters(s):
    def seqs(*args):
        return [r["seq"] for r in s.provctl_json("audit", "show", *args, check=0)]

    everything = seqs()
    records = s.trail()
    assert everything == list(range(1, len(records) + 1))

    def where(f):
        return [i for i, r in enumerate(records, 1) if f(r)]

    ada = where(lambda r: r["dn"] == s.person_dn("ada"))
    assert len(ada) >= 2
    assert seqs("--account", s.person_dn("ada").upper()) == ada
    assert seqs("--account", "Ada") == ada
    assert seqs("--limit", "2") == everything[-2:]
    assert seqs("--limit", "100000") == everything
    assert seqs("--reason", "CHG") == where(lambda r: "chg" in r.get("reason", "").lower())
    assert seqs("--group", s.group_dn("sales")) == where(
        lambda r: r["dn"] == s.group_dn("sales") or s.group_dn("sales") in
        r.get("groups", {}).get("gained", []) + r.get("groups", {}).get("lost", []))
    assert seqs("--change", records[ada[0] - 1]["id"]) == [ada[0]]
    assert seqs("--actor", s.rootdn) == where(lambda r: r["actor"]["authz"].lower() == s.rootdn)
    assert seqs("--actor", "cn=nobody") == []
    assert seqs("--since", "1h") == everything and seqs("--until", "1h") == []
    assert seqs("--since", "2000-01-01", "--until", "20010101000000Z") == []
    assert s.provctl("audit", "show", "--since", "yesterday-ish", check=2).stderr


def test_show_as_text(s):
    out = s.provctl("audit", "show", "--account", "ada", check=0).stdout
    assert "+cn=sales" in out and "-cn=sales" in out and "Joiner CHG-1" in out and "departmentNumber" in out
    assert "nothing" in s.provctl("audit", "show", "--account", "nobody", check=0).stdout
    change = s.record(op="add", dn=s.person_dn("ada"))["id"]
    out = s.provctl("audit", "show", "--change", change, check=0).stdout
    assert '"entryUUID"' in out and change in out


def test_export_can_be_verified_by_others(s):
    last = bytes(32)
    rows = s.provctl_json("audit", "export", check=0)
    assert len(rows) == len(s.trail())
    for row in rows:
        text = json.dumps(row["record"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        last = hashlib.sha256(last + row["seq"].to_bytes(8, "big") + text).digest()
        assert row["hash"] == last.hex()


def test_verify_with_a_key(make_slapd, tmp_path):
    for name in ("a", "b"):
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / f"{name}.pem"], check=True)
        os.chmod(tmp_path / f"{name}.pem", 0o600)
        subprocess.run(["openssl", "pkey", "-in", tmp_path / f"{name}.pem", "-pubout", "-out", tmp_path / f"{name}.pub"],
                       check=True)
    s = make_slapd(provision={"provision-key": str(tmp_path / "a.pem"), "provision-checkpoint": "2 60"})
    for i in range(5):
        s.account(f"u{i}")
    s.wait_relayed()
    wait_until(lambda: State(s.state).checkpoints, what="a checkpoint")
    done = s.provctl("audit", "verify", "--key", tmp_path / "a.pub", check=0)
    assert "signatures not checked" not in done.stdout
    s.provctl("audit", "verify", "--key", tmp_path / "b.pub", check=1)
    s.provctl("audit", "verify", "--key", tmp_path / "nothing.pub", check=2)


# -- outbox -------------------------------------------------------------------------------------


def outbox(s, *args, check=0):
    return s.provctl_json("outbox", "list", *args, check=check)


def test_events_wait_until_provd_runs(s):
    rows = outbox(s)
    assert rows and {r["state"] for r in rows} == {"ready"} and {r["connector"] for r in rows} == {"hook"}
    assert {r["seq"] for r in rows} <= {int(e["sequence"]) for e in s.events()}
    assert outbox(s, "--connector", "other") == [] and outbox(s, "--in", "parked") == []
    assert len(outbox(s, "--in", "ready")) == len(rows)
    s.provctl("outbox", "list", "--in", "limbo", check=2)
    assert f"{len(rows)} events" in s.provctl("outbox", "list", check=0).stdout


def test_show_an_event(s):
    seq = outbox(s)[0]["seq"]
    [got] = s.provctl_json("outbox", "show", seq, check=0)
    assert int(got["event"]["sequence"]) == seq and got["deliveries"][0]["state"] == "ready"
    s.provctl("outbox", "show", seq, check=0)
    s.provctl("outbox", "show", "99999", check=2)


@pytest.fixture
def parked(s):
    """A connector that fails: its events are parked."""
    s.provd_start()
    wait_until(lambda: outbox(s) and all(r["state"] == "parked" for r in outbox(s)), 20, "all parked")
    return s


def work(s):
    s.admin.modify("cn=hook,ou=connectors," + s.policy, replace={"provTarget": "/bin/true"})


def move(s):
    rows = outbox(s)
    assert len(rows) >= 2 and rows[0]["error"]
    first, second = rows[0]["seq"], rows[1]["seq"]
    s.provctl("outbox", "drop", "hook", first, check=2)  # no reason
    s.provctl("outbox", "drop", "hook", first, "--reason", "not wanted", check=0)
    assert first not in [r["seq"] for r in outbox(s)]
    [got] = s.provctl_json("outbox", "show", first, check=0)
    assert got["deliveries"][0]["state"] == "dropped" and "not wanted" in got["deliveries"][0]["error"]
    return rows, second


def test_retry_and_drop_through_provd(parked):
    rows, second = move(parked)
    assert parked.provctl("status", check=1).returncode == 1  # parked events want an admin
    work(parked)
    parked.provctl("outbox", "retry", "hook", second, check=0)
    parked.provctl("outbox", "retry", "hook", "--all", check=0)
    wait_until(lambda: outbox(parked) == [], 20, "all delivered")
    parked.provctl("outbox", "retry", "hook", second, check=2)
    parked.provctl("outbox", "retry", "nobody", second, check=2)


def test_retry_and_drop_without_provd(parked):
    parked.provd_stop()
    rows, second = move(parked)
    parked.provctl("outbox", "retry", "hook", second, check=0)
    assert {r["state"] for r in outbox(parked) if r["seq"] == second} == {"ready"}
    [n] = parked.provctl_json("outbox", "retry", "hook", "--all", check=0)
    assert n["retried"] == len(rows) - 2
    parked.provctl("outbox", "retry", "hook", "99999", check=2)
    work(parked)
    parked.provd_start()
    wait_until(lambda: outbox(parked) == [], 20, "all delivered")
