"""A leaver's live connections end within a second, whatever kind they are."""

import threading
import time

import ldap
import ldap.controls.simple
import ldap.syncrepl
import pytest
from ldap.controls.psearch import PersistentSearchControl
from ldap.controls.simple import ProxyAuthzControl
from ldap.syncrepl import SyncRequestControl

from directory import HR, PEOPLE
from harness import stays, wait_until
from ldapclient import Client

SECOND = 1.0


@pytest.fixture(scope="module")
def tls_slapd():
    from harness import Slapd
    with Slapd(tls=True, overlays=["syncprov"]) as s:
        yield s


@pytest.fixture
def s(tls_slapd, request):
    """A fresh person for every test of the same server."""
    s = tls_slapd
    s.uid = f"ada{abs(hash(request.node.nodeid)) % 10**9}"
    s.account(s.uid, password="ada-pw")
    s.account(f"not-{s.uid}", password="ada-pw")
    return s


def plain(s, uid):
    return s.client(s.person_dn(uid), "ada-pw", uri=s.uri)


def ldapi(s, uid):
    return s.client(s.person_dn(uid), "ada-pw")


def ldaps(s, uid):
    return s.client(s.person_dn(uid), "ada-pw", uri=s.ldaps)


def start_tls(s, uid):
    return s.client(s.person_dn(uid), "ada-pw", uri=s.uri, start_tls=True)


def scram(s, uid):
    c = s.client(uri=s.uri)
    c.scram(uid, "ada-pw")
    return c


def scram_tls(s, uid):
    c = s.client(uri=s.ldaps)
    c.scram(uid, "ada-pw")
    return c


KINDS = [plain, ldapi, ldaps, start_tls, scram, scram_tls]


def end(s, uid, how):
    if how == "delete":
        s.admin.delete(s.person_dn(uid))
    else:
        s.state_of(uid, how)


def cut_in_time(c):
    began = time.monotonic()
    wait_until(c.closed, 5, "the connection ends", every=0.005)
    took = time.monotonic() - began
    assert took < SECOND, f"cut after {took:.2f} s"


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_an_idle_connection_is_cut(s, kind):
    c, other = kind(s, s.uid), kind(s, f"not-{s.uid}")
    assert c.whoami() == f"dn:{s.person_dn(s.uid)}"
    end(s, s.uid, "terminated")
    cut_in_time(c)
    assert other.alive(), "somebody else's connection stays"


@pytest.mark.parametrize("how", ["terminated", "suspended", "archived", "pending", "delete"])
def test_every_way_of_leaving_cuts(s, how):
    c = plain(s, s.uid)
    end(s, s.uid, how)
    cut_in_time(c)
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        plain(s, s.uid)


def test_all_connections_of_a_leaver_are_cut(s):
    many = [KINDS[i % len(KINDS)](s, s.uid) for i in range(24)]
    end(s, s.uid, "terminated")
    for c in many:
        cut_in_time(c)


def test_sasl_external_by_certificate_is_cut_and_refused(tls_slapd):
    s = tls_slapd
    cert = (s.dir / "pki/client.pem", s.dir / "pki/client.key")
    s.account("cert")
    c = Client(s.ldaps, ca=s.dir / "pki/ca.pem", cert=cert)
    c.external()
    assert c.whoami() == "dn:uid=cert,ou=people,dc=example,dc=com"
    s.leave("cert")
    cut_in_time(c)
    again = Client(s.ldaps, ca=s.dir / "pki/ca.pem", cert=cert)
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        again.external()


def test_sasl_external_over_ldapi_is_cut_and_refused(make_slapd):
    s = make_slapd(peer=f"uid=ada,{PEOPLE}")
    s.account("ada")
    c = s.client()
    c.external()
    assert c.whoami() == f"dn:uid=ada,{PEOPLE}"
    s.leave("ada")
    cut_in_time(c)
    with pytest.raises(ldap.INVALID_CREDENTIALS) as error:
        s.client().external()
    assert not error.value.args[0].get("info")


@pytest.mark.parametrize("mech", ["SCRAM-SHA-1", "SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN"])
def test_no_sasl_mechanism_lets_a_leaver_in(s, mech):
    s.expect_log("^SASL .conn=")
    c = s.client(uri=s.uri)
    try:
        c.scram(s.uid, "ada-pw", mech)
    except (ldap.AUTH_METHOD_NOT_SUPPORTED, ldap.AUTH_UNKNOWN):
        pytest.skip(f"this system has no {mech}")
    end(s, s.uid, "suspended")
    with pytest.raises(ldap.INVALID_CREDENTIALS):
        s.client(uri=s.uri).scram(s.uid, "ada-pw", mech)
    end(s, s.uid, "active")
    s.client(uri=s.uri).scram(s.uid, "ada-pw", mech)


def test_a_persistent_search_ends(s):
    c = plain(s, s.uid)
    c.ld.search_ext(s.suffix, ldap.SCOPE_SUBTREE, "(uid=nobody)",
                    serverctrls=[SyncRequestControl(True, None, "refreshAndPersist")])
    assert c.ld.whoami_s()
    end(s, s.uid, "terminated")
    began = time.monotonic()
    with pytest.raises((ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.STRONG_AUTH_REQUIRED, ldap.CONNECT_ERROR)):
        while time.monotonic() - began < 5:
            c.ld.result3(ldap.RES_ANY, all=0, timeout=5)
    assert time.monotonic() - began < SECOND


def test_who_acts_for_a_leaver_is_stopped(s):
    hr = s.client(HR, "hr-secret")
    as_ada = [ProxyAuthzControl(True, f"dn:{s.person_dn(s.uid)}".encode())]
    assert hr.search(s.suffix, "(uid=x)", controls=as_ada) == []
    end(s, s.uid, "terminated")
    with pytest.raises((ldap.PROXIED_AUTHORIZATION_DENIED, ldap.STRONG_AUTH_REQUIRED, ldap.SERVER_DOWN)):
        hr.search(s.suffix, "(uid=x)", controls=as_ada)
    hr = s.client(HR, "hr-secret")
    with pytest.raises(ldap.PROXIED_AUTHORIZATION_DENIED):
        hr.search(s.suffix, "(uid=x)", controls=as_ada)
    assert hr.search(s.suffix, "(uid=x)") == [], "hr himself goes on"


def test_a_connection_with_a_search_in_somebodys_name_ends_with_him(s):
    hr = s.client(HR, "hr-secret")
    hr.ld.search_ext(s.suffix, ldap.SCOPE_SUBTREE, "(uid=nobody)", serverctrls=[
        ProxyAuthzControl(True, f"dn:{s.person_dn(s.uid)}".encode()),
        SyncRequestControl(True, None, "refreshAndPersist")])
    hr.whoami()
    end(s, s.uid, "terminated")
    wait_until(hr.closed, SECOND + 1, "the connection ends")


def test_each_of_several_searches_in_others_names_counts_while_it_runs(s):
    hr = s.client(HR, "hr-secret")
    kept = [s.uid, f"not-{s.uid}"]
    for uid in kept:
        hr.ld.search_ext(s.suffix, ldap.SCOPE_SUBTREE, "(uid=nobody)", serverctrls=[
            ProxyAuthzControl(True, f"dn:{s.person_dn(uid)}".encode()), SyncRequestControl(True, None, "refreshAndPersist")])
    s.account(f"past-{s.uid}")
    for _ in range(3):
        hr.search(s.suffix, "(uid=x)", controls=[ProxyAuthzControl(True, f"dn:{s.person_dn(f'past-{s.uid}')}".encode())])
    end(s, f"past-{s.uid}", "terminated")
    stays(lambda: not hr.closed(), 0.3, "that search was over")
    end(s, s.uid, "terminated")
    wait_until(hr.closed, SECOND + 1, "the connection ends")


def test_who_is_authorized_as_a_leaver_is_cut(s):
    """Authenticated as somebody else, and idle."""
    s.account(f"for-{s.uid}", authzTo=f"dn.exact:{s.person_dn(s.uid)}")
    c = s.client(uri=s.uri)
    auth = ldap.sasl.sasl({ldap.sasl.CB_AUTHNAME: f"for-{s.uid}", ldap.sasl.CB_USER: f"dn:{s.person_dn(s.uid)}",
                           ldap.sasl.CB_PASS: f"for-{s.uid}-pw"}, "SCRAM-SHA-1")
    c.ld.sasl_interactive_bind_s("", auth)
    assert c.whoami() == f"dn:{s.person_dn(s.uid)}"
    end(s, s.uid, "terminated")
    cut_in_time(c)


def test_a_sasl_authorization_identity_is_cut(s):
    """Authenticated as hr, authorized as the person."""
    c = s.client(uri=s.uri)
    auth = ldap.sasl.sasl({ldap.sasl.CB_AUTHNAME: s.uid, ldap.sasl.CB_USER: f"dn:{s.person_dn(s.uid)}",
                           ldap.sasl.CB_PASS: "ada-pw"}, "SCRAM-SHA-1")
    c.ld.sasl_interactive_bind_s("", auth)
    end(s, s.uid, "terminated")
    cut_in_time(c)


def test_a_busy_connection_is_cut(s):
    c = plain(s, s.uid)
    stop, ended = threading.Event(), []

    def work():
        try:
            while not stop.is_set():
                c.search(PEOPLE, "(objectClass=*)", ["cn"])
        except ldap.LDAPError as error:
            ended.append((time.monotonic(), error))

    t = threading.Thread(target=work)
    t.start()
    time.sleep(0.1)
    end(s, s.uid, "terminated")
    left = time.monotonic()
    t.join(5)
    stop.set()
    assert ended, "it went on"
    assert ended[0][0] - left < SECOND


def test_a_bind_in_flight_does_not_slip_through(s):
    """Binds as fast as they go while the state changes: nobody stays bound afterwards."""
    held, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                held.append(Client(s.uri, s.person_dn(s.uid), "ada-pw"))
            except ldap.LDAPError:
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    time.sleep(0.15)
    end(s, s.uid, "terminated")
    stop.set()
    for t in threads:
        t.join(10)
    assert held
    time.sleep(SECOND)
    for c in held:
        with pytest.raises(ldap.LDAPError):
            c.search(PEOPLE, "(objectClass=*)", ["cn"])
        c.close()


def test_a_cut_connection_can_bind_as_somebody_else(s):
    c = plain(s, s.uid)
    end(s, s.uid, "terminated")
    cut_in_time(c)
    assert plain(s, f"not-{s.uid}").alive()


def test_a_connection_that_was_bound_as_somebody_else_since_is_not_cut(s):
    c = plain(s, s.uid)
    c.bind(s.person_dn(f"not-{s.uid}"), "ada-pw")
    end(s, s.uid, "terminated")
    stays(lambda: not c.closed(), 0.3)
    assert c.alive()


def test_anonymous_connections_stay(s):
    c = s.client(uri=s.uri)
    c.bind("", "")
    end(s, s.uid, "terminated")
    stays(c.alive, 0.2)


def test_one_who_ends_his_own_account_gets_his_answer(make_slapd):
    s = make_slapd(access=["to * by self manage by dn.children=\"ou=apps,{s}\" manage by anonymous auth by * read"])
    s.account("ada", provState="active")
    me = s.client(s.person_dn("ada"), "ada-pw")
    me.modify(s.person_dn("ada"), replace={"provState": "terminated"})
    cut_in_time(me)


def test_sessions_off_leaves_connections_but_not_their_operations(make_slapd):
    s = make_slapd(provision={"provision-sessions": "off"})
    s.account("ada")
    c = s.client(s.person_dn("ada"), "ada-pw")
    s.leave("ada")
    stays(lambda: not c.closed(), 0.3)
    assert not s.may_bind("ada")


def test_sessions_can_be_switched_while_it_runs(make_slapd, style):
    s = make_slapd(style, provision={"provision-sessions": "off"})
    s.account("ada")
    s.config_client().modify(s.config.overlay_dn, replace={"olcProvisionSessions": "TRUE"})
    c = s.client(s.person_dn("ada"), "ada-pw")
    s.leave("ada")
    cut_in_time(c)
