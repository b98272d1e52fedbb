"""The breaker: one identity ends only so many accounts in a while, and the rest is refused."""

import threading
import time

import ldap
import ldap.controls.simple
import pytest

from directory import HR, APPS
from ldapclient import OVERRIDE, control, refused


def start(make_slapd, limit="3 3600", n=8, **kw):
    s = make_slapd(provision={"provision-breaker": limit}, **kw)
    for i in range(n):
        s.account(f"u{i}", provState="active")
    return s


def test_more_leavers_than_the_limit_are_refused_with_a_way_to_go_on(make_slapd, style):
    s = start(make_slapd, style=style)
    hr = s.client(HR, "hr-secret")
    for i in range(3):
        s.leave(f"u{i}", client=hr)
    with refused(ldap.UNWILLING_TO_PERFORM, HR, OVERRIDE, "provision-breaker"):
        s.leave("u3", client=hr)
    assert s.may_bind("u3") and s.person("u3").one("provState") == "active"
    with refused(ldap.UNWILLING_TO_PERFORM, OVERRIDE):
        hr.delete(s.person_dn("u3"))
    assert s.person("u3")


def test_the_override_control_goes_on(make_slapd):
    s = start(make_slapd, "1 3600")
    hr = s.client(HR, "hr-secret")
    s.leave("u0", client=hr)
    s.leave("u1", client=hr, controls=[control(OVERRIDE)])
    hr.delete(s.person_dn("u2"), controls=[control(OVERRIDE)])
    with refused(ldap.UNWILLING_TO_PERFORM):
        s.leave("u3", client=hr)


def test_the_rootdn_is_not_exempt(make_slapd):
    s = start(make_slapd, "1 3600")
    s.leave("u0")
    with refused(ldap.UNWILLING_TO_PERFORM, s.rootdn):
        s.leave("u1")


def test_identities_are_counted_apart(make_slapd):
    s = start(make_slapd, "1 3600")
    s.leave("u0", client=s.client(HR, "hr-secret"))
    s.leave("u1", client=s.client(f"cn=desk,{APPS}", "desk-secret"))
    with refused(ldap.UNWILLING_TO_PERFORM):
        s.leave("u2", client=s.client(HR, "hr-secret"))


def test_the_authorized_identity_counts(make_slapd):
    s = start(make_slapd, "1 3600")
    hr = s.client(HR, "hr-secret")
    desk = [ldap.controls.simple.ProxyAuthzControl(True, f"dn:cn=desk,{APPS}".encode())]
    s.leave("u0", client=hr, controls=desk)
    with refused(ldap.UNWILLING_TO_PERFORM, "cn=desk"):
        s.leave("u1", client=hr, controls=desk)
    s.leave("u1", client=hr)


def test_deletes_and_leavers_count_together(make_slapd):
    s = start(make_slapd, "2 3600")
    s.leave("u0")
    s.admin.delete(s.person_dn("u1"))
    with refused(ldap.UNWILLING_TO_PERFORM):
        s.leave("u2")
    with refused(ldap.UNWILLING_TO_PERFORM):
        s.admin.delete(s.person_dn("u2"))


def test_other_writes_do_not_count_and_are_not_stopped(make_slapd):
    s = start(make_slapd, "1 3600")
    s.leave("u0")
    s.state_of("u1", "suspended")
    s.state_of("u1", "active")
    s.set("u2", title="Dr")
    s.account("u9")
    s.set("u0", title="gone")
    s.admin.delete(s.group("g"))


def test_a_refused_or_simulated_leaver_does_not_count(make_slapd):
    s = start(make_slapd, "1 3600")
    from ldapclient import NOOP
    with pytest.raises(ldap.LDAPError):
        s.leave("u0", controls=[control(NOOP)])
    with pytest.raises(ldap.NO_SUCH_ATTRIBUTE):
        s.admin.modify(s.person_dn("u0"), replace={"provState": "terminated"}, delete={"title": "x"})
    s.leave("u1")


def test_the_window_slides(make_slapd):
    s = start(make_slapd, "1 2")
    s.leave("u0")
    with refused(ldap.UNWILLING_TO_PERFORM):
        s.leave("u1")
    time.sleep(3.1)  # the window is what is tested: there is nothing to poll for
    s.leave("u1")


def test_zero_is_off(make_slapd):
    s = start(make_slapd, "0 0", n=20)
    for i in range(20):
        s.leave(f"u{i}")


def test_the_limit_can_be_raised_while_it_runs(make_slapd, style):
    s = start(make_slapd, "1 3600", style=style)
    s.leave("u0")
    with refused(ldap.UNWILLING_TO_PERFORM):
        s.leave("u1")
    s.config_client().modify(s.config.overlay_dn, replace={"olcProvisionBreaker": "5 3600"})
    s.leave("u1")


def test_concurrent_leavers_do_not_pass_the_limit(make_slapd):
    s = start(make_slapd, "5 3600", n=32)
    clients = [s.client(HR, "hr-secret") for _ in range(8)]
    done = []

    def work(k):
        for i in range(k, 32, 8):
            try:
                clients[k].modify(s.person_dn(f"u{i}"), replace={"provState": "terminated"})
                done.append(i)
            except ldap.UNWILLING_TO_PERFORM:
                pass

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(done) == 5


def test_the_override_control_is_for_who_manages_the_account_only(make_slapd):
    access = [f'to * by dn.exact="{HR}" write by anonymous auth by * read']
    s = start(make_slapd, "1 3600", access=access)
    hr = s.client(HR, "hr-secret")
    s.leave("u0", client=hr)
    with refused(ldap.UNWILLING_TO_PERFORM, OVERRIDE):
        s.leave("u1", client=hr, controls=[control(OVERRIDE)])
    assert s.person("u1").one("provState") == "active"
