"""The scim connector against scimmy-routers: a SCIM server that is not ours, strict and over TLS."""

import json
import ssl
import urllib.request

import ldap
import pytest

from harness import stays, wait_until
from ldapclient import refused
from receivers import NodeServer
from test_provd import ask, status, wait_state
from test_webhook import failed, keep, provctl

TOKEN = "a.bearer-token_1"
ATTRS = ["mail", "givenName", "sn", "title", "departmentNumber", "employeeNumber", "displayName"]
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class Scim(NodeServer):
    def __init__(self, where, pki, **options):
        self.pki = pki
        super().__init__(where, "scim.mjs", cert=pki / "server.pem", key=pki / "server.key", **options)

    def call(self, path, method="GET", body=None):
        context = ssl.create_default_context(cafile=str(self.pki / "ca.pem"))
        context.load_cert_chain(self.pki / "client.pem", self.pki / "client.key")
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return json.load(answer)

    def users(self):
        return {u["userName"]: u for u in self.call("/dump")["users"]}

    def groups(self):
        """Group name to the sorted ids of its members."""
        return {g["displayName"]: sorted(m["value"] for m in g.get("members", []))
                for g in self.call("/dump")["groups"]}

    def writes(self):
        return [f"{r['method']} {r['url'].split('/')[2].split('?')[0]}" for r in self.requests()
                if r["method"] != "GET" and r["url"].startswith("/scim/")]


@pytest.fixture
def servers(tmp_path, pki):
    made = []

    def make(**options):
        made.append(Scim(tmp_path / f"scim{len(made)}", pki, **{"token": TOKEN, **options}))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def connect(s, pki, server, *, name="hook", option=(), secret=TOKEN, **attrs):
    if secret:
        attrs.setdefault("provSecretFile", str(keep(s, secret, name=f"secret-{name}")))
    attrs.setdefault("provAttribute", ATTRS)
    s.connector(name, f"https://localhost:{server.port}/scim/", provConnectorType="scim", provTimeout="5",
                provOption=[f"ca={pki}/ca.pem", *option], **attrs)
    s.provd_start()
    wait_state(s, "enabled", name)


def settled(s, name="hook", timeout=10):
    """Everything that was written is delivered."""
    last = max((int(e["sequence"]) for e in s.events()), default=0)

    def done():
        st = status(s, name)
        return last and st["passed"] >= last and not (st["ready"] or st["inFlight"] or st["deferred"])
    wait_until(done, timeout, "all delivered")


@pytest.fixture
def s(slapd):
    return slapd


def uuid(s, uid):
    return s.admin.get(s.person_dn(uid), "entryUUID").one("entryUUID")


def test_joiner_mover_leaver(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    s.account("ann", givenName="Änne", sn="Bjørk", mail="ann@example.com", departmentNumber="sales")
    settled(s)
    ann = scim.users()["ann"]
    assert ann["externalId"] == uuid(s, "ann") and ann["active"] is True
    assert ann["name"]["givenName"] == "Änne" and ann["name"]["familyName"] == "Bjørk"
    assert [(e["type"], e["value"]) for e in ann["emails"]] == [("work", "ann@example.com")]
    assert ann[ENTERPRISE]["department"] == "sales"
    s.set("ann", departmentNumber="it", mail="ann@new.example", title="Dr")
    settled(s)
    ann = scim.users()["ann"]
    assert ann["title"] == "Dr" and ann[ENTERPRISE]["department"] == "it"
    assert [e["value"] for e in ann["emails"]] == ["ann@new.example"]
    s.set("ann", title=None)
    settled(s)
    assert not scim.users()["ann"].get("title")
    s.leave("ann")
    settled(s)
    assert scim.users()["ann"]["active"] is False
    assert scim.users()["ann"]["id"] == ann["id"]
    assert "proven by reading it back" in s.provd_log.read_text()


def test_only_what_differs_is_sent(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    s.account("ann", mail="ann@example.com")
    settled(s)
    assert scim.writes() == ["POST Users"]
    s.set("ann", description="of no concern")
    settled(s)
    assert scim.writes() == ["POST Users"]


def test_suspend_restore_and_rename(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    s.account("ann")
    s.state_of("ann", "suspended")
    settled(s)
    assert scim.users()["ann"]["active"] is False
    s.state_of("ann", "active")
    settled(s)
    assert scim.users()["ann"]["active"] is True
    s.admin.rename(s.person_dn("ann"), "uid=eva")
    settled(s)
    assert list(scim.users()) == ["eva"] and scim.users()["eva"]["active"] is True


@pytest.mark.parametrize("option, left", [((), ["ann"]), (("delete=remove",), [])])
def test_deleting_disables_unless_told_to_remove(make_slapd, pki, servers, option, left):
    s = make_slapd(provision={"provision-on-delete": "allow"})
    scim = servers()
    connect(s, pki, scim, option=option)
    s.account("ann")
    settled(s)
    s.admin.delete(s.person_dn("ann"))
    settled(s)
    assert list(scim.users()) == left
    assert not left or scim.users()["ann"]["active"] is False
    assert "proven" in s.provd_log.read_text()


def test_replace_instead_of_patch(s, pki, servers):
    scim = servers()
    connect(s, pki, scim, option=("update=put",))
    s.account("ann", mail="ann@example.com", title="Dr")
    s.set("ann", mail="a@b", title=None)
    s.leave("ann")
    settled(s)
    assert set(scim.writes()) == {"POST Users", "PUT Users"}
    ann = scim.users()["ann"]
    assert ann["active"] is False and ann["emails"][0]["value"] == "a@b" and not ann.get("title")


def test_a_server_without_patch_gets_put(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    scim.behave(status=501, method="PATCH", times=1000)
    s.account("ann")
    s.leave("ann")
    settled(s)
    assert scim.users()["ann"]["active"] is False


def test_an_account_that_is_there_is_adopted(s, pki, servers):
    scim = servers()
    scim.call("/seed", "POST", {"userName": "Ann", "active": True, "nickName": "Annie", "schemas": []})
    connect(s, pki, scim)
    s.account("ann", mail="ann@example.com")
    settled(s)
    [ann] = scim.users().values()
    assert ann["externalId"] == uuid(s, "ann") and ann["nickName"] == "Annie"
    assert ann["emails"][0]["value"] == "ann@example.com"


def test_a_409_adopts_what_no_search_had_shown(s, pki, servers):
    scim = servers()
    scim.call("/seed", "POST", {"userName": "ann", "active": True, "schemas": []})
    connect(s, pki, scim)
    scim.behave(status=400, method="GET", path="/Users", times=2)  # both searches
    s.account("ann")
    settled(s)
    assert len(scim.users()) == 1 and scim.users()["ann"]["externalId"] == uuid(s, "ann")


def test_somebody_elses_account_is_not_taken(s, pki, servers):
    scim = servers()
    scim.call("/seed", "POST", {"userName": "ann", "externalId": "hr-7", "active": True, "schemas": []})
    connect(s, pki, scim)
    s.account("ann")
    failed(s, "another account there")
    assert scim.users()["ann"]["externalId"] == "hr-7" and scim.writes() == []


def test_an_account_that_vanished_there_is_made_again(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    s.account("ann")
    settled(s)
    scim.call("/wipe/" + scim.users()["ann"]["id"], "POST", {})
    s.set("ann", mail="ann@example.com")
    settled(s)
    assert scim.users()["ann"]["emails"][0]["value"] == "ann@example.com"


def test_a_leaver_who_is_not_there_is_not_made(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    s.account("ann")
    settled(s)
    scim.call("/wipe/" + scim.users()["ann"]["id"], "POST", {})
    s.leave("ann")
    settled(s)
    assert scim.users() == {} and "no such account" in s.provd_log.read_text()


def test_the_remote_id_is_kept(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    s.account("ann")
    settled(s)
    s.provd_stop(hard=True)
    seen = len(scim.requests())
    s.provd_start()
    s.set("ann", mail="ann@example.com")
    wait_until(lambda: scim.users()["ann"].get("emails"), 10)
    settled(s)
    assert not [r for r in scim.requests()[seen:] if "filter" in r["url"]], "no search"


def test_versions_are_heeded_and_a_lost_race_is_run_again(s, pki, servers):
    scim = servers()
    scim.behave(etag=True)
    connect(s, pki, scim)
    s.account("ann")
    s.set("ann", mail="ann@example.com")
    settled(s)
    assert scim.users()["ann"]["emails"][0]["value"] == "ann@example.com"
    scim.behave(status=412, method="PATCH", times=2)
    s.set("ann", mail="a@b")
    settled(s)
    assert scim.users()["ann"]["emails"][0]["value"] == "a@b"
    assert status(s)["failed"] == 0


def test_a_server_that_lies_about_a_leaver_is_caught(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    s.account("ann")
    settled(s)
    scim.behave(lie=True)
    s.leave("ann")
    failed(s, "still active there")
    scim.behave()
    ask(s, cmd="retry", connector="hook")
    settled(s)
    assert scim.users()["ann"]["active"] is False


@pytest.mark.parametrize("dialect", [{"deaf": True}, {"words": True}])
def test_dialects(s, pki, servers, dialect):
    scim = servers()
    scim.behave(**dialect)
    connect(s, pki, scim)
    for uid in ("ann", "bob"):
        s.account(uid, mail=f"{uid}@example.com")
    settled(s)
    s.leave("ann")
    settled(s)
    assert scim.users()["ann"]["active"] is False and scim.users()["bob"]["active"] is True
    assert status(s)["failed"] == 0


def test_refusals_are_told_with_the_servers_words(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    scim.behave(status=400, method="POST", detail="nickName is required", times=1000)
    s.account("ann")
    failed(s, "create the account: HTTP 400: nickName is required")


def test_too_many_requests(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    scim.behave(status=429, headers={"Retry-After": "2"})
    s.account("ann")
    wait_until(lambda: status(s)["throttledUntil"], 5)
    seen = len(scim.requests())
    stays(lambda: len(scim.requests()) == seen, 0.8)
    wait_until(lambda: "ann" in scim.users(), 10)


def test_a_wrong_token(s, pki, servers):
    scim = servers()
    connect(s, pki, scim, secret="another")
    s.account("ann")
    failed(s, "HTTP 401")
    assert "another" not in s.provd_log.read_text()


def test_client_credentials(s, pki, servers):
    scim = servers(token=None, client="prov d", password="s3cret/%")
    connect(s, pki, scim, secret="s3cret/%",
            option=(f"tokenUrl=https://localhost:{scim.port}/token", "clientId=prov d"))
    for uid in ("ann", "bob"):
        s.account(uid)
    settled(s)
    asked = [r for r in scim.requests() if r["url"] == "/token"]
    assert len(asked) == 1, "the token is kept"
    scim.call("/revoke", "POST", {})
    s.account("cid")
    settled(s)
    assert len([r for r in scim.requests() if r["url"] == "/token"]) == 2 and "cid" in scim.users()
    assert status(s)["failed"] == 0


def test_mutual_tls_instead_of_a_token(s, pki, servers):
    scim = servers(token=None, ca=pki / "ca.pem")
    connect(s, pki, scim, secret=None, option=(f"cert={pki}/client.pem", f"key={pki}/client.key"))
    s.account("ann")
    settled(s)
    assert "ann" in scim.users() and "authorization" not in scim.requests()[-1]["headers"]


def test_groups_follow(s, pki, servers):
    scim = servers()
    connect(s, pki, scim, option=("groups=yes",))
    for g in ("sales", "it"):
        s.group(g)
        s.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g)
    for uid in ("ann", "bob"):
        s.account(uid, departmentNumber="sales")
    settled(s)
    ids = {u: scim.users()[u]["id"] for u in ("ann", "bob")}
    assert scim.groups() == {"sales": sorted(ids.values())}
    s.set("ann", departmentNumber="it")
    settled(s)
    assert scim.groups() == {"sales": [ids["bob"]], "it": [ids["ann"]]}
    s.leave("bob")
    settled(s)
    assert scim.groups()["sales"] == []


def test_the_mapping(s, pki, servers):
    scim = servers()
    connect(s, pki, scim, option=("map=userName=mail", "map=nickName=givenName", "map=name.formatted=cn",
                                  "map=emails[home]=mail", "map=emails[work]="), provAttribute=["mail", "givenName"])
    s.account("ann", mail="ann@example.com", givenName="Annie", title="secret")
    settled(s)
    [(name, ann)] = scim.users().items()
    assert name == "ann@example.com" and ann["nickName"] == "Annie"
    assert [(e["type"], e["value"]) for e in ann["emails"]] == [("home", "ann@example.com")]
    assert "formatted" not in ann.get("name", {}), "cn is not listed in provAttribute"
    assert "secret" not in json.dumps(ann)


@pytest.mark.parametrize("option", ["map=userName=", "map=a b=c", "map=name.=x", "map=x"])
def test_a_bad_mapping_makes_the_connector_unusable_and_says_so(s, pki, servers, option):
    scim = servers()
    file = keep(s, TOKEN)
    s.connector("hook", f"https://localhost:{scim.port}/scim", provConnectorType="scim", provSecretFile=str(file),
                provOption=option)
    s.provd_start()
    wait_state(s, "unusable")
    assert option.partition("=")[2].rstrip("=") in status(s)["problem"]


@pytest.mark.parametrize("attrs, word", [
    ({"provSecretFile": None}, "client certificate"), ({"provOption": "update=delete"}, "patch|put"),
    ({"provTarget": "ldap://x"}, "https://"),
])
def test_a_bad_entry_is_refused_when_it_is_written(s, attrs, word):
    whole = {k: v for k, v in {"provSecretFile": "/etc/x", "provTarget": "https://h/", **attrs}.items() if v}
    target = whole.pop("provTarget")
    with refused(ldap.CONSTRAINT_VIOLATION, word):
        s.connector("hook", target, provConnectorType="scim", **whole)


def test_the_test_event_only_looks(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    out = provctl(s, "connector", "test", "hook")
    assert out.returncode == 0 and "ServiceProviderConfig was read" in out.stdout, out
    assert scim.users() == {} and scim.writes() == []


def test_killed_on_the_way_nothing_is_doubled_or_lost(s, pki, servers):
    scim = servers()
    connect(s, pki, scim)
    for i in range(30):
        s.account(f"u{i}", mail=f"u{i}@example.com")
        if i % 10 == 9:
            s.provd_stop(hard=True)
            s.provd_start()
    for i in range(0, 30, 3):
        s.leave(f"u{i}")
    s.provd_stop(hard=True)
    s.provd_start()
    wait_until(lambda: len(scim.users()) == 30, 20)
    settled(s, timeout=20)
    users = scim.call("/dump")["users"]
    assert len(users) == 30 and len({u["externalId"] for u in users}) == 30
    assert {u["userName"] for u in users if not u["active"]} == {f"u{i}" for i in range(0, 30, 3)}


def test_a_parked_event_that_is_tried_again_undoes_nothing(s, pki, servers):
    scim = servers()
    connect(s, pki, scim, provMaxAttempts="1")
    s.account("ann")
    settled(s)
    scim.behave(status=400, method="PATCH", times=1)
    s.set("ann", mail="a@x")
    wait_until(lambda: status(s)["parked"] == 1, 10)
    s.leave("ann")
    settled(s)
    assert scim.users()["ann"]["active"] is False
    ask(s, cmd="retry", connector="hook")
    wait_until(lambda: status(s)["parked"] == 0 and not status(s)["ready"] and not status(s)["inFlight"], 10)
    assert scim.users()["ann"]["active"] is False
    assert "a later event of this account was carried out" in s.provd_log.read_text()
