"""What an admin does to deliveries, and what of it the trail tells: drop, forget, export and import, proofs."""

import json

import pytest

from harness import Slapd, stays, wait_until
from test_provd import Receiver, status, wait_state
from test_scim import ATTRS, connect as connect_scim, servers, settled  # noqa: F401 (a fixture)
from test_webhook import connect as connect_webhook, hooks  # noqa: F401

ROOT = "gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth"


def deliveries(s, n=1, op="delivery"):
    """The trail's records about deliveries, once there are n. Asks nobody to hurry."""
    found = wait_until(lambda: len(r := [x for x in s.trail() if x["op"] == op]) >= n and r, 15,
                       f"{n} records of {op} in the trail")
    assert len({r["id"] for r in found}) == len(found)
    s.provctl_offline("audit", "verify", check=0)
    return found


@pytest.fixture
def parked(slapd):
    r = Receiver(slapd.dir, "hook")
    r.behave("exit 1")
    slapd.connector("hook", r.target, provMaxAttempts="1", provEvent="account.*")
    slapd.provd_start()
    slapd.account("ann")
    slapd.account("bob")
    wait_until(lambda: status(slapd) and status(slapd)["parked"] == 2, 10, "both are parked")
    slapd.hook = r
    return slapd


@pytest.mark.parametrize("running", [True, False])
def test_who_drops_an_event_and_why_is_in_the_trail(parked, running):
    if not running:
        parked.provd_stop()
    first = parked.events()[0]
    parked.provctl("outbox", "drop", "hook", int(first["sequence"]), "--reason", "CHG-17 not wanted", check=0)
    [record] = deliveries(parked)
    assert record["reason"] == "CHG-17 not wanted" and record["actor"]["authz"] == ROOT
    assert record["dn"] == parked.person_dn("ann") and record["entryUUID"] == first["subject"]
    d = record["delivery"]
    assert (d["outcome"], d["connector"], d["event"], d["sequence"]) == ("dropped", "hook", first["id"], int(first["sequence"]))
    assert d["changeId"] == first["data"]["changeId"] and d["committed"] == first["time"]
    shown = parked.provctl_json("audit", "show", "--account", parked.person_dn("ann"), check=0)
    assert [x["record"]["op"] for x in shown] == ["add", "delivery"]
    if not running:
        parked.provd_start()
    parked.set("ann", description="so that provd saves once more")
    stays(lambda: len([x for x in parked.trail() if x["op"] == "delivery"]) == 1, what="told once")


def test_a_drop_that_nobody_may_make_leaves_no_record(parked):
    parked.provctl("outbox", "drop", "hook", 99, "--reason", "x", check=2)
    stays(lambda: not [x for x in parked.trail() if x["op"] == "delivery"], 3)


def test_a_record_survives_both_being_killed(parked):
    parked.expect_log("unclean shutdown")
    parked.provctl("outbox", "drop", "hook", 1, "--reason", "x", check=0)
    parked.kill()
    parked.provd_stop(hard=True)
    parked.start()
    assert len(deliveries(parked)) == 1


def test_a_leaver_is_proven_gone_where_it_can_be_looked_at(slapd, pki, servers):  # noqa: F811
    server = servers()
    slapd.group("sales")
    slapd.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    connect_scim(slapd, pki, server, option=["groups=yes"])
    slapd.account("ann", mail="ann@example.com", departmentNumber="sales")
    settled(slapd)
    slapd.leave("ann")
    settled(slapd)
    found = deliveries(slapd, 2)
    assert {r["delivery"]["type"].removeprefix("org.slapo-provision.") for r in found} == \
        {"role.revoked", "account.terminated"}
    assert {r["delivery"]["outcome"] for r in found} == {"proven"}
    told = next(r for r in found if r["delivery"]["type"].endswith("account.terminated"))
    assert "proven by reading it back" in told["delivery"]["note"] and told["uid"] == "ann"
    assert told["delivery"]["changeId"] == slapd.record(op="modify", uid="ann")["id"]


def test_a_leaver_who_cannot_be_looked_at_was_told(slapd):
    r = Receiver(slapd.dir, "hook")
    slapd.connector("hook", r.target, provEvent="account.*")
    slapd.provd_start()
    slapd.account("ann")
    slapd.leave("ann")
    [record] = deliveries(slapd)
    assert record["delivery"]["outcome"] == "delivered"


def test_a_leaver_who_was_given_up_is_unproven(slapd):
    r = Receiver(slapd.dir, "hook")
    r.behave("echo the server is on fire; exit 1")
    slapd.connector("hook", r.target, provEvent="account.terminated", provMaxAttempts="1")
    slapd.provd_start()
    slapd.account("ann")
    slapd.leave("ann")
    [record] = deliveries(slapd)
    assert record["delivery"]["outcome"] == "unproven" and "on fire" in record["delivery"]["note"]


def test_a_receiver_that_wants_no_more_gets_no_more_after_a_restart(slapd, pki, hooks):  # noqa: F811
    web = hooks()
    web.behave(status=410, text="moved away")
    connect_webhook(slapd, pki, web)
    slapd.provd_start()
    wait_state(slapd, "enabled")
    slapd.account("ann")
    wait_state(slapd, "refused")
    had = len(web.requests())
    slapd.provd_stop(hard=True)
    slapd.provd_start()
    wait_state(slapd, "refused")
    slapd.account("bob")
    stays(lambda: len(web.requests()) == had)
    # an admin has looked after it
    web.behave(status=200)
    slapd.provctl("outbox", "retry", "hook", "--all", check=0)
    wait_until(lambda: len(web.requests()) >= had + 2, 10)
    slapd.provd_stop()
    slapd.provd_start()
    wait_state(slapd, "enabled")


def test_a_connector_that_is_gone_is_forgotten_with_a_reason_only(parked):
    done = parked.provctl("connector", "forget", "hook", "--reason", "x")
    assert done.returncode == 2 and "is in the directory" in done.stderr
    parked.admin.delete(f"cn=hook,ou=connectors,{parked.policy}")
    wait_until(lambda: status(parked)["state"] == "gone")
    assert "--reason" in parked.provctl("connector", "forget", "hook", check=2).stderr
    done = parked.provctl("connector", "forget", "hook", "--reason", "CHG-18", check=0)
    assert "with 2 events that waited or were parked" in done.stdout
    assert status(parked) is None
    [record] = deliveries(parked)
    assert record["reason"] == "CHG-18" and record["delivery"]["outcome"] == "forgotten"
    # one of the same name is a new one
    parked.connector("hook", parked.hook.target, provMaxAttempts="1")
    parked.account("cid")
    wait_until(lambda: status(parked) and status(parked)["parked"], 10)


def test_forgetting_works_without_provd_and_says_when_there_is_nothing(parked):
    parked.admin.delete(f"cn=hook,ou=connectors,{parked.policy}")
    parked.provd_stop()
    assert "nothing is kept of it" in parked.provctl("connector", "forget", "other", "--reason", "x", check=2).stderr
    parked.provctl("connector", "forget", "hook", "--reason", "x", check=0)
    assert all(e["state"] == "ready" for e in parked.provctl_json("outbox", "list"))


# -- a lost server's events ---------------------------------------------------------------


def export(s, *args):
    done = s.provctl_offline("outbox", "export", *args, check=0)
    return done.stdout, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def other(slapd):
    """Another server with the same policy, whose provd delivers."""
    with Slapd() as s:
        yield s


@pytest.mark.parametrize("running", [True, False])
def test_what_a_lost_server_did_not_deliver_is_delivered_by_another(slapd, other, running):
    lost = Receiver(slapd.dir, "hook")
    lost.behave("exit 1")
    slapd.connector("hook", lost.target)
    slapd.provd_start()
    for uid in ("ann", "bob"):
        slapd.account(uid)
    slapd.leave("ann")
    wait_until(lambda: status(slapd) and status(slapd)["deferred"] >= 2, 10)
    waiting = [e["id"] for e in slapd.events()]
    slapd.provd_stop(hard=True)
    slapd.kill()
    text, lines = export(slapd)
    assert lines[0]["format"] == "slapo-provision outbox" and [e["id"] for e in lines[1:]] == waiting
    r = Receiver(other.dir, "hook")
    other.connector("hook", r.target, provConcurrency="1")
    if running:
        other.provd_start()
        wait_state(other, "enabled")
    file = other.dir / "export.jsonl"
    file.write_text(text)
    assert f"{len(waiting)} events would be taken" in other.provctl("outbox", "import", "--dry-run", file, check=0).stdout
    assert f"{len(waiting)} events taken, 0 known" in other.provctl("outbox", "import", file, check=0).stdout
    again = other.provctl("outbox", "import", file, check=0).stdout
    assert f"0 events taken, {len(waiting)} known" in again, "taken in twice it does nothing more"
    if not running:
        other.provd_start()
    got = r.wait(len(waiting), 15)
    stays(lambda: len(r.got()) == len(waiting))
    assert [e["id"] for e in got] == waiting and all(e["imported"] for e in got)
    records = deliveries(other, len(waiting), "import")
    assert [x["event"]["id"] for x in records] == waiting and records[0]["actor"]["authz"] == ROOT
    assert f"0 events taken, {len(waiting)} known" in other.provctl("outbox", "import", file, check=0).stdout


def test_an_imported_event_does_not_undo_a_later_one(slapd, other, pki, servers):  # noqa: F811
    """ann left at the other server after the lost one had changed her: she must not come back."""
    slapd.connector("hook", "https://localhost:1/scim/", provConnectorType="scim", provSecretFile="/nowhere",
                    provAttribute=ATTRS)
    slapd.provd_start()
    slapd.account("ann", mail="ann@example.com")
    wait_until(lambda: status(slapd) and status(slapd)["deferred"], 10)
    slapd.provd_stop()
    text, lines = export(slapd)
    server = servers()
    connect_scim(other, pki, server)
    other.account("ann", mail="new@example.com")
    settled(other)
    other.leave("ann")
    settled(other)
    subject = other.person("ann", "entryUUID").one("entryUUID")
    for e in lines[1:]:
        e["subject"] = subject  # replicated, the account has one entryUUID
    file = other.dir / "export.jsonl"
    file.write_text("".join(json.dumps(x) + "\n" for x in lines))
    other.provctl("outbox", "import", file, check=0)
    wait_until(lambda: any(e.get("imported") for e in other.events()), 10)
    settled(other)
    assert server.users()["ann"]["active"] is False and server.users()["ann"]["emails"][0]["value"] == "new@example.com"
    assert "not sent: a later event of this account was carried out" in other.provd_log.read_text()


@pytest.mark.parametrize("spoil, why", [
    (lambda t: "", "is empty"),
    (lambda t: t.split("\n", 1)[1], "line 1: not the head of an exported outbox"),
    (lambda t: t.replace('"v":1', '"v":7', 1), "line 1: of a version"),
    (lambda t: t + "{\n", "line 3:"),
    (lambda t: t + "[]\n", "line 3: not a JSON object"),
    (lambda t: t.replace('"type"', '"tipe"'), 'line 2: no event: "type" is missing'),
    (lambda t: t.replace('"route":["hook"]', '"route":["elsewhere"]'), "connector elsewhere, which is not here"),
])
def test_a_spoilt_export_is_refused_whole(slapd, spoil, why):
    r = Receiver(slapd.dir, "hook")
    slapd.connector("hook", r.target)
    slapd.account("ann")
    slapd.wait_relayed()
    text, _ = export(slapd)
    assert len(text.splitlines()) == 2
    file = slapd.dir / "export.jsonl"
    file.write_text(spoil(text.replace(slapd.events()[0]["id"], "01a21031-0000-7000-8000-000000000000")))
    done = slapd.provctl("outbox", "import", file)
    assert done.returncode == 2 and why in done.stderr, done.stderr
    assert not [x for x in slapd.trail() if x["op"] == "import"]


def test_an_export_names_only_the_connectors_that_lack_an_event(slapd):
    done, dead = Receiver(slapd.dir, "done"), Receiver(slapd.dir, "dead")
    dead.behave("exit 1")
    slapd.connector("done", done.target)
    slapd.connector("dead", dead.target)
    slapd.provd_start()
    slapd.account("ann")
    done.wait(1)
    wait_until(lambda: status(slapd, "dead")["deferred"] == 1 and status(slapd, "done")["delivered"] == 1, 10)
    slapd.provd_stop()
    _, lines = export(slapd)
    assert [e["route"] for e in lines[1:]] == [["dead"]]
    assert len(export(slapd, "--connector", "done")[1]) == 1, "the head alone"
