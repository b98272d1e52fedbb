"""Who did it, from where, how and why: on the account, in the trail, in the events."""

import re
import time

import ldap
import pytest
from ldap.controls.simple import ProxyAuthzControl

from directory import HR
from ldapclient import REASON, control
from statedb import State

UUID7 = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
WHO = ("By", "Auth", "From", "Via", "Reason", "Id", "Time")


def test_create_and_change_attributes_are_the_same_after_an_add(slapd):
    slapd.account("ada", controls=[control(REASON, "JOIN-1")])
    e = slapd.person("ada")
    for w in WHO:
        assert e[f"provChange{w}"] == e[f"provCreate{w}"]
    assert e.one("provChangeBy") == slapd.rootdn and e["provChangeAuth"] == []
    assert e.one("provChangeReason") == "JOIN-1"
    assert UUID7.match(e.one("provChangeId"))
    assert "sock" in e.one("provChangeFrom") and "simple" in e.one("provChangeVia").lower()


def test_later_changes_leave_the_create_attributes_alone(slapd):
    slapd.account("ada")
    created = slapd.person("ada")
    slapd.set("ada", client=slapd.client(HR, "hr-secret"), title="Dr", controls=[control(REASON, "MOVE-1")])
    e = slapd.person("ada")
    for w in WHO:
        assert e[f"provCreate{w}"] == created[f"provCreate{w}"]
    assert e.one("provChangeBy") == HR and e.one("provChangeReason") == "MOVE-1"
    assert e.one("provChangeId") != created.one("provChangeId")


def test_ids_are_in_the_order_of_time(slapd):
    for i in range(5):
        slapd.account(f"u{i}")
        time.sleep(0.002)  # version 7 orders by the millisecond
    ids = [r["id"] for r in slapd.trail() if r["op"] == "add"]
    assert ids == sorted(ids) and len(set(ids)) == 5


@pytest.mark.parametrize("kind", ["tls", "scram", "external", "proxied"])
def test_how_he_came_is_kept(make_slapd, kind):
    s = make_slapd(tls=True)
    s.account("ada")
    s.account("bob")
    controls = None
    if kind == "tls":
        c = s.client(HR, "hr-secret", uri=s.ldaps)
        want = {"by": HR, "via": ["tls=yes"], "from": "127.0.0.1"}
    elif kind == "scram":
        s.admin.modify(s.person_dn("bob"), replace={"userPassword": "bob-pw"})
        c = s.client(uri=s.uri)
        c.scram("bob", "bob-pw")
        want = {"by": s.person_dn("bob"), "via": ["SCRAM-SHA-1"], "from": "127.0.0.1"}
    elif kind == "external":
        c = s.client()
        c.external()
        want = {"by": s.rootdn, "via": ["EXTERNAL"], "from": "sock"}
    else:
        c = s.client(HR, "hr-secret")
        controls = [ProxyAuthzControl(True, f"dn:{s.person_dn('bob')}".encode())]
        want = {"by": s.person_dn("bob"), "auth": HR, "via": ["simple"], "from": "sock"}
    target = "bob" if want["by"] == s.person_dn("bob") else "ada"
    s.set(target, client=c, controls=controls, telephoneNumber="+49 7")
    e = s.person(target)
    assert e.one("provChangeBy") == want["by"] and e["provChangeAuth"] == ([want["auth"]] if "auth" in want else [])
    assert all(w.lower() in e.one("provChangeVia").lower() for w in want["via"]), e.one("provChangeVia")
    assert want["from"] in e.one("provChangeFrom")
    a = s.record(op="modify", uid=target)["actor"]
    assert a["authz"] == want["by"] and a.get("authc", "") == want.get("auth", "")
    assert want["from"] in a["from"]


def test_internal_writes_are_done_for_the_requester(slapd):
    slapd.group("staff")
    slapd.role("r", provAssignFilter="(title=*)", provGroup="staff")
    slapd.account("ada", client=slapd.client(HR, "hr-secret"), title="Dr")
    g = slapd.admin.get(slapd.group_dn("staff"))
    assert g.one("modifiersName") in (HR, slapd.rootdn)
    assert slapd.record(op="add", uid="ada")["actor"]["authz"] == HR


def test_secrets_never_reach_trail_outbox_or_log(slapd):
    slapd.connector("hook", "/bin/true", provAttribute=["mail", "description"])
    slapd.account("ada", password="TOP-SECRET-1", mail="ada@example.com")
    slapd.set("ada", userPassword="TOP-SECRET-2")
    slapd.admin.ld.passwd_s(slapd.person_dn("ada"), None, "TOP-SECRET-3")
    slapd.leave("ada")
    state = slapd.state_now()
    everything = repr(state.rows) + repr(state.events) + slapd.log()
    assert "TOP-SECRET" not in everything
    assert "ada@example.com" in repr(state.events), "what a connector lists may leave"


def test_values_leave_only_for_those_that_list_them(slapd):
    slapd.connector("hook", "/bin/true", provAttribute=["mail"])
    slapd.account("ada", mail="ada@example.com", telephoneNumber="+49 123")
    text = repr(slapd.events())
    assert "ada@example.com" in text and "+49 123" not in text


def test_events_are_routed_by_type_and_filter(slapd):
    slapd.connector("all", "/bin/true")
    slapd.connector("leavers", "/bin/true", provEvent=["account.terminated", "account.deleted"])
    slapd.connector("sales", "/bin/true", provFilter="(departmentNumber=sales)")
    slapd.account("ada", departmentNumber="sales")
    slapd.account("bob", departmentNumber="it")
    slapd.set("ada", departmentNumber="it")
    slapd.leave("bob")
    routes = {(e["data"]["uid"], e["type"].rsplit("provision.", 1)[1]): sorted(e["route"]) for e in slapd.events()}
    assert routes["ada", "account.created"] == ["all", "sales"]
    assert routes["bob", "account.created"] == ["all"]
    assert routes["ada", "account.updated"] == ["all", "sales"], "a connector hears of one who leaves its filter"
    assert routes["bob", "account.terminated"] == ["all", "leavers"]


def test_the_events_are_cloudevents(slapd):
    slapd.account("ada", controls=[control(REASON, "JOIN-1")])
    e = next(v for v in slapd.events() if v["type"].endswith("account.created"))
    assert e["specversion"] == "1.0" and e["datacontenttype"] == "application/json"
    assert UUID7.match(e["id"]) and e["subject"] == slapd.person("ada").one("entryUUID")
    assert e["source"].startswith("ldap") and e["source"].endswith(slapd.suffix)
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", e["time"])
    assert e["sequence"].isdigit() and len(e["sequence"]) == 20
    d = e["data"]
    assert d["dn"] == slapd.person_dn("ada") and d["uid"] == "ada" and d["reason"] == "JOIN-1"
    assert d["stateAfter"] == "active" and "cn" in d["attributes"]


def test_the_trail_survives_a_restart_and_goes_on(slapd):
    slapd.account("ada")
    rows = slapd.state_now().rows
    slapd.restart()
    slapd.account("bob")
    state = slapd.state_now()
    assert state.rows[:len(rows)] == rows and state.chain() == len(rows) + 1


def test_checkpoints_are_signed(make_slapd, tmp_path):
    import subprocess
    key, pub = tmp_path / "key.pem", tmp_path / "pub.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    key.chmod(0o600)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", pub], check=True, capture_output=True)
    s = make_slapd(provision={"provision-key": str(key), "provision-checkpoint": "5 3600"})
    for i in range(12):
        s.account(f"u{i}")
        s.wait_relayed()
    state = s.state_now()
    assert len(state.checkpoints) >= 2
    hashes = dict((n, v[1:33].hex()) for n, v in state.rows)
    for c in state.checkpoints:
        assert c["hash"] == hashes[c["seq"]] and c["sig"] and c["key"]
        message = tmp_path / "message"
        message.write_bytes(b"slapo-provision checkpoint v1\n" + c["seq"].to_bytes(8, "big")
                            + bytes.fromhex(c["hash"]) + c["time"].encode())
        import base64
        (tmp_path / "sig").write_bytes(base64.b64decode(c["sig"]))
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", pub, "-rawin", "-in", message, "-sigfile",
                        tmp_path / "sig"], check=True, capture_output=True)
    s.provctl("audit", "verify", "--key", pub, check=0)


def test_a_tampered_trail_is_found(slapd):
    import lmdb
    for i in range(5):
        slapd.account(f"u{i}")
    slapd.state_now()
    slapd.stop()
    env = lmdb.open(str(slapd.state / "state.mdb"), subdir=False, max_dbs=8)
    with env.begin(write=True) as txn:
        db = env.open_db(b"trail", txn=txn, create=False)
        key = (3).to_bytes(8, "big")
        row = txn.get(key, db=db)
        txn.put(key, row[:40] + bytes([row[40] ^ 1]) + row[41:], db=db)
    env.close()
    done = slapd.provctl_offline("audit", "verify")
    assert done.returncode == 1 and "3" in done.stdout + done.stderr
    with pytest.raises(AssertionError, match="row 3"):
        State(slapd.state).chain()


def test_a_refused_change_leaves_no_trace_on_the_account(slapd):
    slapd.account("ada")
    before = slapd.person("ada")
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        slapd.state_of("ada", "sleeping")
    assert slapd.person("ada") == before
