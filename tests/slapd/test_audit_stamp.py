"""provctl audit stamp: timestamps of checkpoints by a real authority (openssl ts), and their checking."""

import json

import lmdb
import pytest

from harness import wait_until
from tsa import Authority


@pytest.fixture
def tsa(tmp_path, pki):
    a = Authority(tmp_path / "tsa", pki)
    yield a
    a.close()


@pytest.fixture
def s(make_slapd, pki, tsa):
    s = make_slapd(provision={"provision-checkpoint": "3 3600"})
    s.tsa, s.pki = tsa, pki
    s.account("first")
    s.wait_relayed()
    grow(s, "a")
    return s


def grow(s, name):
    before = checkpoints(s)
    for i in range(4):
        s.account(f"{name}{i}")
        s.wait_relayed()
    wait_until(lambda: set(checkpoints(s)) > set(before), 10, "another checkpoint")


def checkpoints(s):
    env = lmdb.open(str(s.state / "state.mdb"), subdir=False, readonly=True, max_dbs=16)
    with env.begin() as txn:
        db = env.open_db(b"checkpoint", txn=txn, create=False)
        got = {int.from_bytes(k, "big"): bytes(v) for k, v in txn.cursor(db)}
    env.close()
    return got


def stamp(s, *args, check=0, ca="ca"):
    return s.provctl_offline("--json", "audit", "stamp", "--tsa", s.tsa.url, "--ca", s.pki / "ca.pem",
                             "--tsa-ca", s.tsa.dir / f"{ca}.pem", *args, check=check)


def verify(s, *args, check=0, ca="ca"):
    done = s.provctl_offline("--json", "audit", "verify", "--timestamps", "--tsa-ca", s.tsa.dir / f"{ca}.pem", *args,
                             check=check)
    return [json.loads(line) for line in done.stdout.splitlines()][1:]


def files(s):
    folder = s.state / "timestamps"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_the_newest_checkpoint_is_stamped_and_openssl_agrees(s):
    got = json.loads(stamp(s).stdout)
    newest = max(checkpoints(s))
    assert got["checkpoint"] == newest and files(s) == [f"{newest:020}.tsr"]
    assert s.tsa.asked[-1][0] == "application/timestamp-query"
    (s.tsa.dir / "checkpoint").write_bytes(checkpoints(s)[newest])
    done = s.tsa.openssl("ts", "-verify", "-data", "checkpoint", "-in", s.state / "timestamps" / files(s)[0],
                         "-CAfile", "ca.pem")
    assert b"Verification: OK" in done.stdout + done.stderr
    [v] = verify(s)
    assert v["timestamps"] == 1 and v["broken"] == 0 and v["last"] == newest and v["time"] == got["time"]
    grow(s, "b")
    stamp(s)
    assert len(files(s)) == 2 and verify(s)[-1]["timestamps"] == 2
    assert "2 timestamps hold" in s.provctl_offline(
        "audit", "verify", "--timestamps", "--tsa-ca", s.tsa.dir / "ca.pem", check=0).stdout


@pytest.mark.parametrize("fault", ["an earlier answer", "not found", "a page", "rubbish", "too much",
                                   "a signer that may not"])
def test_a_wrong_answer_is_refused_and_nothing_is_kept(s, fault):
    stamp(s)
    had = files(s)
    grow(s, "b")
    s.tsa.fault = fault
    assert stamp(s, check=2).stderr.strip()
    assert files(s) == had and verify(s)[-1]["timestamps"] == 1


def test_an_authority_that_is_not_trusted_is_refused(s):
    assert "certif" in stamp(s, ca="stranger", check=2).stderr
    assert files(s) == []
    done = s.provctl_offline("audit", "stamp", "--tsa", s.tsa.url, "--ca", s.tsa.dir / "ca.pem", "--tsa-ca",
                             s.tsa.dir / "ca.pem", check=2)  # not the one that signed the server's certificate
    assert s.tsa.url in done.stderr and files(s) == []


def test_what_is_altered_afterwards_is_found(s):
    stamp(s)
    path = s.state / "timestamps" / files(s)[0]
    good = path.read_bytes()
    assert verify(s, ca="stranger", check=1)[-1]["broken"] == 1
    for at in (30, len(good) // 2, len(good) - 5):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        assert verify(s, check=1)[-1]["broken"] == 1, at
    path.write_bytes(good + b"x")
    verify(s, check=1)
    path.write_bytes(good)
    verify(s)
    # a trail made anew has other checkpoints than those that were stamped
    s.stop()
    env = lmdb.open(str(s.state / "state.mdb"), subdir=False, max_dbs=16)
    with env.begin(write=True) as txn:
        db = env.open_db(b"checkpoint", txn=txn, create=False)
        for k, v in list(txn.cursor(db)):
            c = json.loads(v)
            c["time"] = "2026-01-01T00:00:00.000000Z"
            txn.put(k, json.dumps(c, sort_keys=True, separators=(",", ":")).encode(), db=db)
    env.close()
    [bad, v] = verify(s, check=1)
    assert v["broken"] == 1 and path.name in bad["timestamp"]


def test_no_checkpoint_no_timestamp_and_wrong_use(make_slapd, pki, tsa):
    s = make_slapd(provision={"provision-checkpoint": "1000 3600"})
    s.tsa, s.pki = tsa, pki
    s.account("ada")
    s.wait_relayed()
    assert "no checkpoint" in stamp(s, check=2).stderr
    assert verify(s, check=1) == [{"timestamps": 0, "broken": 0, "last": 0, "time": ""}]
    s.provctl_offline("audit", "stamp", "--tsa", tsa.url, check=2)
    s.provctl_offline("audit", "verify", "--timestamps", check=2)
    tsa_away = "http://127.0.0.1:9/"
    s.provctl_offline("audit", "stamp", "--tsa", tsa_away, "--tsa-ca", tsa.dir / "ca.pem", check=2)
