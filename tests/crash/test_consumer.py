"""What a consumer gets of a provider that is held up or killed between the commit of a write and its showing.

The places are failpoints: where a provider sleeps, others go on; where it dies, all later is lost but the commit.
"""

import threading
import time

import ldap
import pytest

from failing import Failing
from harness import wait_until
from test_replication import consumer_of, same

SESSIONLOG = {"syncprov-checkpoint": "100 10", "syncprov-sessionlog": "100"}
PLAIN = {"syncprov-checkpoint": "100 10"}


def provider(syncprov):
    p = Failing(provision={"provision-breaker": "0 0"}, server_id=1, overlays=[("syncprov", syncprov)])
    p.expect_log("unclean shutdown", "^failpoint ")
    p.group("sales")
    p.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    for name in ("ada", "bob", "eve"):
        p.account(name, departmentNumber="sales" if name == "eve" else "none")
    return p


def newest_csn(p):
    return max(v for e in p.admin.search(p.suffix) for v in e["entryCSN"])


@pytest.fixture
def pair(request):
    with provider(getattr(request, "param", PLAIN)) as p, consumer_of(p) as c:
        wait_until(lambda: same(p, c), 20, "the consumer has everything")
        p.stop()  # both have the same contextCSN now, also on disk
        yield p, c


def heard(p, c):
    """The consumer is back: it hears what is written now."""
    number = time.time_ns()
    p.set("ada", title=str(number))
    wait_until(lambda: c.person("ada")["title"] == [str(number)], 20, "the consumer hears it")


CHANGES = {
    "modify": lambda p, client: p.set("bob", client=client, title="Dr"),
    "leaver": lambda p, client: p.leave("eve", client=client),
    "add": lambda p, client: p.account("new", client=client),
    "rename": lambda p, client: client.rename(p.person_dn("bob"), "uid=robert"),
    "delete": lambda p, client: client.delete(p.person_dn("bob")),
    "delete of a member": lambda p, client: client.delete(p.person_dn("eve")),
}


def dying(call):
    """A call after which there is no server to answer."""
    with pytest.raises((ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.CONNECT_ERROR)):
        call()


@pytest.mark.parametrize(("pair", "what"), [*((PLAIN, w) for w in CHANGES), (SESSIONLOG, "modify"), (SESSIONLOG, "delete")],
                         indirect=["pair"], ids=lambda v: v if isinstance(v, str) else "log" if v is SESSIONLOG else "plain")
def test_what_was_committed_and_never_shown_reaches_the_consumer(pair, what):
    p, c = pair
    assert p.start_armed("write.committed", 2)
    heard(p, c)
    client = p.client(p.rootdn, p.rootpw)
    dying(lambda: CHANGES[what](p, client))
    p.wait_died("write.committed")
    p.start()
    wait_until(lambda: same(p, c), 20, "the consumer is the same without another write")
    heard(p, c)
    assert same(p, c)


def test_the_context_after_a_kill_is_that_of_the_last_commit(pair):
    p, c = pair
    p.start()
    for name in ("ada", "bob"):
        p.set(name, title="Dr")
    p.kill()
    p.start()
    assert p.admin.get(p.suffix)["contextCSN"] == [newest_csn(p)]
    before = newest_csn(p)
    p.admin.delete(p.person_dn("ada"))
    [deleted] = p.admin.get(p.suffix)["contextCSN"]
    assert deleted > before == newest_csn(p)
    p.kill()
    p.start()
    assert p.admin.get(p.suffix)["contextCSN"] == [deleted], "no entry tells of the delete"


@pytest.fixture
def late():
    """The groups of the first write are shown late."""
    with provider(PLAIN) as p, consumer_of(p) as c:
        wait_until(lambda: same(p, c), 20, "the consumer has everything")
        p.stop()

        def first(ms, *points):
            p.start_with(("write.publish", 1, f"sleep {ms}"), *points)
            heard(p, c)  # a write without groups
            p.account("first", departmentNumber="sales")
        yield p, c, first


def test_a_write_that_waits_while_another_is_shown_reaches_the_consumer(late):
    """Its CSN is older than all that is taken while the other is shown; a consumer that was told of a newer one passes it over."""
    p, c, first = late
    first(800, ("write.csn", 4, "sleep 1600"), ("write.show", 1, "sleep 1600"), ("write.applied", 4, "sleep 1600"))
    p.set("bob", title="Dr")
    waits = threading.Thread(target=p.account, args=("waits",), kwargs={"client": p.client(p.rootdn, p.rootpw)})
    waits.start()
    # its CSN is taken, the other is about to be shown; it is done, the other is shown; it is committed
    for name in ("write.csn", "write.show", "write.applied"):
        wait_until(lambda name=name: p.acted(name), 10)
    wait_until(lambda: "first" in c.members("sales"), 10, "the first is shown")
    assert waits.is_alive(), "too slow: committed before"
    waits.join(10)
    wait_until(lambda: same(p, c), 10, "the consumer is the same")
    assert c.person("waits") is not None


ANSWERED = {"of an account": lambda p: p.leave("bob"),
            "of no account": lambda p: p.admin.modify(f"ou=apps,{p.suffix}", replace={"description": "new"})}


@pytest.mark.parametrize("what", ANSWERED)
def test_the_context_reaches_what_was_answered_while_another_was_not_shown(late, what):
    """A consumer that asks now and then gets what the context has reached."""
    p, c, first = late
    first(1500)
    ANSWERED[what](p)
    assert c.members("sales") == ["eve"], "too slow: shown before"
    wait_until(lambda: same(p, c), 10, "the consumer is the same")
    for s in (p, c):
        wait_until(lambda s=s: s.admin.get(s.suffix)["contextCSN"] == [newest_csn(p)], 5, "the context is the newest entry's")

