"""The harness itself, on a bare slapd: what the other tests rely on."""

import time

import ldap
import pytest

from harness import Slapd, StartFailed, wait_until
from ldapclient import refused

STACK = ["accesslog", "syncprov", "ppolicy", "unique", "refint", "memberof", "dynlist"]


def test_a_bare_slapd_with_the_stock_stack_starts_and_stops_in_both_forms(make_slapd, style):
    s = make_slapd(style, provision=None, overlays=STACK)
    s.account("ada")
    s.group("staff", ["ada"])
    assert s.groups_of("ada") == ["staff"]
    assert s.may_bind("ada") and not s.may_bind("ada", "wrong")
    s.restart()
    assert s.members("staff") == ["ada"]
    s.restart(hard=True)
    assert s.members("staff") == ["ada"]


def test_every_kind_of_connection_works(make_slapd):
    s = make_slapd(provision=None, tls=True)
    dn = s.account("ada")
    plain = s.client(dn, "ada-pw", uri=s.uri)
    tls = s.client(dn, "ada-pw", uri=s.ldaps)
    start_tls = s.client(dn, "ada-pw", uri=s.uri, start_tls=True)
    scram = s.client(uri=s.uri)
    scram.scram("ada", "ada-pw")
    for c in (plain, tls, start_tls, scram):
        assert c.whoami() == f"dn:{dn}"
        assert not c.closed()
    external = s.client()
    external.external()
    assert external.whoami() == f"dn:{s.rootdn}"
    s.process.kill()
    wait_until(lambda: all(c.closed() for c in (plain, tls, start_tls, scram)), 5)
    s.kill()
    s.expect_log("")


def test_an_unexpected_log_line_fails_a_test():
    s = Slapd(provision=None)
    with s.log_file.open("a") as log:
        log.write("6b051232.3a5d8e49 0x7f57b5dfe6c0 provision: something odd\n")
    with pytest.raises(AssertionError, match="something odd"):
        s.close()


def test_a_server_that_does_not_start_says_why(make_slapd):
    s = make_slapd(provision=None, start=False, database=[("nonsense", "olcNonsense", "x")], base=False)
    with pytest.raises(StartFailed, match="nonsense"):
        s.start()
    s.expect_log("nonsense", "slapd.conf", "nothing to destroy")


def test_refused_tells_another_outcome():
    with pytest.raises(AssertionError, match="not refused"):
        with refused(ldap.BUSY):
            pass
    with pytest.raises(AssertionError, match="instead of"):
        with refused(ldap.BUSY):
            raise ldap.OTHER({"info": "x"})
    with pytest.raises(AssertionError, match="not in the text"):
        with refused(ldap.BUSY, "role"):
            raise ldap.BUSY({"info": "x"})


def test_waiting_ends_with_an_error_that_says_what_did_not_come():
    began = time.monotonic()
    with pytest.raises(AssertionError, match="the moon"):
        wait_until(lambda: False, 0.2, "the moon")
    assert time.monotonic() - began < 2
