"""A real consumer: it never applies policy again, and it blocks and cuts leavers all the same."""

import itertools
import re
import threading
import time

import ldap
import pytest

from directory import ARCHIVE, NOBODY, PEOPLE, POOLS
from harness import Slapd, stays, wait_until
from slapdconf import LOG_SUFFIX

DELTA = f' logbase="{LOG_SUFFIX}" logfilter="(&(objectClass=auditWriteObject)(reqResult=0))" syncdata=accesslog'


def provider_options(**kw):
    return dict(overlays=[("syncprov", {"syncprov-checkpoint": "1 1", "syncprov-sessionlog": "100"})], server_id=1, **kw)


def consumer_of(p, delta=False, cls=Slapd, **kw):
    line = (f'rid=001 provider={p.uri} binddn="{p.rootdn}" bindmethod=simple credentials={p.rootpw} '
            f'searchbase="{p.suffix}" type=refreshAndPersist retry="1 +" schemachecking=off')
    line += DELTA if delta else ""
    c = cls(base=False, server_id=None, database=[
        ("syncrepl", "olcSyncrepl", line), ("updateref", "olcUpdateRef", p.uri)], **kw)
    c.expect_log("syncrepl|do_sync|dn_callback|be_modify|is not in the list|consumer state|refreshDelete|null_callback|"
                 "operation for internal|slap_client_connect|conn=|rid=001")
    wait_until(lambda: c.admin.get(p.suffix) is not None, 20, "the consumer has the tree")
    return c


@pytest.fixture
def pair(make_slapd):
    p = make_slapd(**provider_options())
    for g in ("sales", "it"):
        p.group(g)
    p.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provTemplate="add description: sells")
    p.account("ada", departmentNumber="sales")
    c = consumer_of(p)
    wait_until(lambda: same(p, c), 20, "the consumer has everything")
    yield p, c
    c.close()


def same(p, c):
    def whole(s):
        return sorted((e.dn, sorted((a, tuple(sorted(map(str, v)))) for a, v in e.items()
                                    if a not in ("contextcsn", "auditcontext", "entrydn", "subschemasubentry",
                                                  "hassubordinates")))
                      for e in s.admin.search(p.suffix))
    try:
        return whole(p) == whole(c)
    except ldap.NO_SUCH_OBJECT:
        return False


def test_everything_is_replicated_exactly(pair):
    p, c = pair
    p.account("bob", departmentNumber="sales")
    p.set("ada", departmentNumber="it")
    p.admin.rename(p.person_dn("bob"), "uid=robert")
    wait_until(lambda: same(p, c), 10, "the consumer is the same")
    assert c.roles_of("robert") == ["sales"] and c.members("sales") == ["robert"]
    p.admin.delete(p.person_dn("robert"))
    wait_until(lambda: same(p, c), 10, "the consumer is the same")
    stays(lambda: same(p, c), 0.3)


def test_the_consumer_fires_no_events_and_writes_no_trail(pair):
    p, c = pair
    p.account("bob", departmentNumber="sales")
    p.leave("bob")
    wait_until(lambda: same(p, c))
    assert c.trail() == [] and c.events() == []


def test_a_leaver_is_cut_and_refused_on_the_consumer(pair):
    p, c = pair
    conn = c.client(p.person_dn("ada"), "ada-pw", uri=c.uri)
    scram = c.client(uri=c.uri)
    scram.scram("ada", "ada-pw")
    assert conn.whoami() == f"dn:{p.person_dn('ada')}"
    p.leave("ada")
    wait_until(conn.closed, 5, "cut on the consumer")
    wait_until(scram.closed, 5, "cut on the consumer")
    assert not c.may_bind("ada")
    with pytest.raises(ldap.LDAPError):
        c.client(uri=c.uri).scram("ada", "ada-pw")


@pytest.mark.parametrize("how", ["suspended", "delete"])
def test_other_ways_of_leaving_cut_on_the_consumer_too(pair, how):
    p, c = pair
    conn = c.client(p.person_dn("ada"), "ada-pw", uri=c.uri)
    if how == "delete":
        p.admin.delete(p.person_dn("ada"))
    else:
        p.state_of("ada", how)
    wait_until(conn.closed, 5, "cut on the consumer")
    assert not c.may_bind("ada")


def test_a_restored_account_can_bind_on_the_consumer_again(pair):
    p, c = pair
    p.state_of("ada", "suspended")
    wait_until(lambda: not c.may_bind("ada"))
    p.state_of("ada", "active")
    wait_until(lambda: c.may_bind("ada"))


def test_a_consumer_that_was_down_blocks_at_once_when_it_is_back(pair):
    p, c = pair
    c.stop()
    p.leave("ada")
    p.account("bob", departmentNumber="sales")
    c.start()
    wait_until(lambda: c.admin.get(p.suffix) is not None and same(p, c), 20)
    assert not c.may_bind("ada") and c.may_bind("bob")


def test_a_policy_change_is_taken_over_by_the_consumer(pair):
    p, c = pair
    before = int(c.monitor().one("provMonitorPolicyGeneration"))
    p.role("it", provAssignFilter="(departmentNumber=it)", provGroup="it")
    wait_until(lambda: int(c.monitor().one("provMonitorPolicyGeneration")) > before)
    wait_until(lambda: same(p, c))


def test_a_write_to_the_consumer_is_referred(pair):
    p, c = pair
    with pytest.raises(ldap.REFERRAL):
        c.set("ada", departmentNumber="it")
    with pytest.raises(ldap.REFERRAL):
        c.account("carl", departmentNumber="sales")
    assert c.person("carl") is None


def test_a_preserved_account_is_moved_on_the_consumer_too(make_slapd):
    p = make_slapd(**provider_options(provision={"provision-on-delete": "preserve", "provision-archive": ARCHIVE}))
    p.group("sales")
    p.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    p.account("ada", departmentNumber="sales")
    c = consumer_of(p)
    try:
        wait_until(lambda: same(p, c), 20)
        conn = c.client(p.person_dn("ada"), "ada-pw")
        p.admin.delete(p.person_dn("ada"))
        wait_until(lambda: same(p, c), 10)
        assert c.admin.get(f"uid=ada,{ARCHIVE}").one("provState") == "archived"
        wait_until(conn.closed, 5, "cut on the consumer")
    finally:
        c.close()


def test_a_delta_consumer_follows_exactly(make_slapd):
    """delta-syncrepl takes its changes from accesslog: it must hold every one, in a good order."""
    p = make_slapd(overlays=["accesslog", "syncprov"], server_id=1, provision={"provision-breaker": "0 0"})
    for g in ("sales", "it"):
        p.group(g)
        p.role(g, provAssignFilter=f"(departmentNumber={g})", provGroup=g, provTemplate=f"add description: in {g}")
    p.account("ada", departmentNumber="sales")
    c = consumer_of(p, delta=True)
    try:
        wait_until(lambda: same(p, c), 20, "the consumer has everything")
        mark = c.mark()
        for i in range(30):
            p.account(f"u{i}", departmentNumber="sales")
        for i in range(30):
            p.set(f"u{i}", departmentNumber="it")
            if i % 3 == 0:
                p.leave(f"u{i}")
            if i % 5 == 0:
                p.admin.delete(p.person_dn(f"u{i}"))
            elif i % 7 == 1:
                p.admin.rename(p.person_dn(f"u{i}"), f"uid=r{i}")
        wait_until(lambda: same(p, c), 20, "the consumer is the same")
        assert "REFRESH" not in c.log_since(mark), "it had to begin anew"
        assert c.trail() == []
    finally:
        c.close()


def test_a_rename_that_changes_one_of_several_values_does_not_end_a_delta_consumer(make_slapd):
    """slapd gives the values in a logged rename no normalized form, and asserts that values agree in that."""
    p = make_slapd(overlays=["accesslog", "syncprov"], server_id=1)
    p.group("sales")
    p.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales", provTemplate="add description: is {uid}")
    p.account("ada", departmentNumber="sales", description="by hand")
    with consumer_of(p, delta=True) as c:
        wait_until(lambda: same(p, c), 20, "the consumer has everything")
        c.restart()  # with a cookie it begins with the log
        p.account("eve", departmentNumber="sales", description="by hand")
        wait_until(lambda: same(p, c), 20, "the consumer is the same")
        mark = c.mark()
        p.admin.rename(p.person_dn("ada"), "uid=adele")
        wait_until(lambda: not c.running or same(p, c), 10, "the consumer is the same")
        assert c.running, c.log()[-500:]
        assert sorted(c.person("adele")["description"]) == ["by hand", "is adele"]
        assert "REFRESH" not in c.log_since(mark), "it had to begin anew"


def test_a_consumer_keeps_up_with_concurrent_writers(pair):
    p, c = pair
    clients = [p.client(p.rootdn, p.rootpw) for _ in range(6)]

    def work(k):
        for i in range(25):
            p.account(f"u{k}x{i}", client=clients[k], departmentNumber="sales")
            clients[k].modify(p.person_dn(f"u{k}x{i}"), replace={"departmentNumber": "it" if i % 2 else "sales"})

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(p.members("sales")) == 1 + 6 * 13
    wait_until(lambda: same(p, c), 30, "the consumer is the same")
    assert c.trail() == []


def two_providers(make_slapd, delta=False, **kw):
    """a with the tree, b that gets it from there."""
    overlays = ["accesslog", "syncprov"] if delta else ["syncprov"]
    a = make_slapd(start=False, server_id=1, overlays=overlays, **kw)
    b = make_slapd(start=False, server_id=2, overlays=overlays, base=False, debug="sync", **kw)
    for me, other, rid in ((a, b, "001"), (b, a, "002")):
        me.config.database += [
            ("syncrepl", "olcSyncrepl",
             f'rid={rid} provider={other.uri} binddn="{me.rootdn}" bindmethod=simple credentials={me.rootpw} '
             f'searchbase="{me.suffix}" type=refreshAndPersist retry="1 +"' + (DELTA if delta else "")),
            ("multiprovider", "olcMultiProvider", "on")]
        me.configure()
        me.expect_log("syncrepl|do_sync|rid=|dn_callback|be_modify|null_callback|slap_client_connect|consumer state|slap_|"
                      "conn=|is not in the list|syncprov_|accesslog_|log purge|UNKNOWN|findbase failed")
    a.start()
    return a, b


def start_with_sales(a, b):
    """A role and its group at a, then b, which gets them."""
    a.group("sales")
    a.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    b.start()
    wait_until(lambda: b.admin.get(a.role_dn("sales")) is not None and same(a, b), 20, "b has everything")


def test_two_providers_each_act_on_their_own_writes_only(make_slapd):
    """Multi-provider: policy and events where the client wrote, nowhere else."""
    a, b = two_providers(make_slapd)
    start_with_sales(a, b)
    a.account("ada", departmentNumber="sales")
    wait_until(lambda: same(a, b), 10)
    b.account("bob", departmentNumber="sales")
    wait_until(lambda: same(a, b) and a.members("sales") == ["ada", "bob"], 10)
    assert [r["uid"] for r in a.trail() if r["op"] == "add"] == ["ada"]
    assert [r["uid"] for r in b.trail() if r["op"] == "add"] == ["bob"]
    conn = a.client(f"uid=ada,{PEOPLE}", "ada-pw", uri=a.uri)
    b.leave("ada")
    wait_until(conn.closed, 5, "cut at the other provider")
    wait_until(lambda: same(a, b) and a.members("sales") == ["bob"], 10)
    assert not [r for r in a.trail() if r.get("state", {}).get("after") == "terminated"]


def test_a_delta_provider_misses_no_change_that_was_shown_late(make_slapd):
    """Among several providers, one drops a logged change whose CSN is older than another that it has seen.

    memberOf of one entry changes with each new group; the client's next write comes at once."""
    a, b = two_providers(make_slapd, delta=True)
    b.start()
    wait_until(lambda: b.admin.get(b.suffix) is not None and same(a, b), 20, "b has everything")
    b.account("first")  # a provider takes its place with its first write
    numbers = itertools.count()

    def by_the_log():
        n = next(numbers)
        a.account(f"n{n}")
        if n % 10 == 0:
            b.restart()  # when it was being filled: with a cookie it begins with the log
        return "syncrepl_message_to_op" in b.log()

    wait_until(by_the_log, 20, "b takes what the log says", every=0.1)
    mark = b.mark()
    clients = [a.client(a.rootdn, a.rootpw) for _ in range(3)]

    def work(k):
        for i in range(20):
            clients[k].add(a.group_dn(f"g{k}x{i}"), {"objectClass": ["groupOfNames"], "cn": f"g{k}x{i}", "member": NOBODY})

    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert len(a.admin.get(NOBODY)["memberOf"]) == 60
    wait_until(lambda: same(a, b), 10, "b is the same")
    assert not re.search("REFRESH|CSN too old, ignoring", b.log_since(mark)), "it had to begin anew"


def test_the_context_is_the_csn_of_the_last_change(make_slapd):
    """The groups' changes are shown after the answer, with the CSN of their commit when nobody wrote since."""
    p = make_slapd(overlays=["syncprov"], server_id=1)
    p.group("sales")
    p.role("sales", provAssignFilter="(departmentNumber=sales)", provGroup="sales")
    with consumer_of(p) as c:
        p.account("bob", departmentNumber="sales")
        wait_until(lambda: same(p, c), 10, "the consumer is the same")
        newest = max(v for e in p.admin.search(p.suffix) for v in e["entryCSN"])
        wait_until(lambda: p.admin.get(p.suffix)["contextCSN"] == [newest], 5, "contextCSN is the newest entry's")


@pytest.mark.parametrize("entries", ["one entry", "an entry each"])
def test_two_providers_never_hand_out_the_same_number(make_slapd, entries):
    ranges = ["1 1000 1999", "2 2000 2999"]
    for sid, first in ((1, "1000"), (2, "2000")):
        s = make_slapd(server_id=sid)
        if entries == "one entry":
            s.pool("uid", 1, provPoolRange=ranges)
        for i, r in enumerate(ranges if entries == "an entry each" else ()):
            s.admin.add(f"cn=server{i + 1},{POOLS}", {"objectClass": "provPool", "cn": [f"server{i + 1}", "uid"], "provPoolRange": r})
        s.role("n", provAssignFilter="(title=*)", provTemplate="default employeeNumber: {next:uid}")
        s.account("ada", title="Dr")
        s.account("bob", title="Dr")
        assert s.person("ada").one("employeeNumber") == first
        assert s.person("bob").one("employeeNumber") == str(int(first) + 1)
        s.restart()
        s.account("carl", title="Dr")
        assert s.person("carl").one("employeeNumber") == str(int(first) + 2)
        if entries == "an entry each":  # and nobody writes another's
            assert s.admin.get(f"cn=server{3 - sid},{POOLS}")["provPoolRange"] == [ranges[2 - sid]]


def test_a_range_that_comes_back_as_it_was_is_not_used_again(slapd):
    """Another provider that takes a number from its own range replicates the whole pool, with ours as it knew it."""
    slapd.pool("uid", 1, provPoolRange=["0 1000 1999", "2 2000 2999"])
    slapd.role("n", provAssignFilter="(title=*)", provTemplate="default employeeNumber: {next:uid}")
    slapd.account("ada", title="Dr")
    slapd.account("bob", title="Dr")
    dn = f"cn=uid,{POOLS}"
    slapd.admin.modify(dn, replace={"provPoolRange": ["0 1000 1999", "2 2007 2999"]})
    slapd.account("carl", title="Dr")
    assert slapd.person("carl").one("employeeNumber") == "1002"
    slapd.restart()
    slapd.admin.modify(dn, replace={"provPoolRange": ["0 1001 1999", "2 2008 2999"]})
    slapd.account("dora", title="Dr")
    assert slapd.person("dora").one("employeeNumber") == "1003"
    assert sorted(slapd.admin.get(dn)["provPoolRange"]) == ["0 1004 1999", "2 2008 2999"]
    # a new range begins where it says
    slapd.admin.modify(dn, replace={"provPoolRange": ["0 500 599"]})
    slapd.account("eve", title="Dr")
    assert slapd.person("eve").one("employeeNumber") == "500"


def test_many_roles_at_once_are_compiled_few_times_on_the_consumer(make_slapd):
    """Or else whoever leaves behind them waits for a compilation of the whole policy for each."""
    n = 600
    p = make_slapd(start=False, **provider_options())
    p.slapadd("".join(f"dn: {p.role_dn(f'r{i}')}\nobjectClass: provRole\ncn: r{i}\nprovAssignFilter: (departmentNumber=d{i})\n\n"
                      for i in range(n)))
    p.start()
    with consumer_of(p) as c:
        wait_until(lambda: c.admin.get(p.role_dn(f"r{n - 1}")) is not None, 60, "all roles are there")
        p.role("last", provAssignFilter="(title=*)")
        wait_until(lambda: c.admin.get(p.role_dn("last")) is not None, 20)
        assert int(c.monitor().one("provMonitorPolicyGeneration")) < n / 2


def test_a_write_right_after_a_replicated_role_is_evaluated_with_it(make_slapd):
    a, b = two_providers(make_slapd)
    a.group("sales")
    b.start()
    wait_until(lambda: b.admin.get(a.group_dn("sales")) is not None and same(a, b), 20, "b has everything")
    b.account("first")
    for i in range(20):
        a.role(f"r{i}", provAssignFilter=f"(title=t{i})", provGroup="sales")
        wait_until(lambda: b.admin.get(a.role_dn(f"r{i}")) is not None, 10, every=0.001)
        time.sleep(0.001 * (i % 5))  # b is a moment behind its answer
        b.account(f"u{i}", title=f"t{i}")
        assert b.roles_of(f"u{i}") == [f"r{i}"], i


def test_a_role_whose_group_arrives_after_it_is_in_force_then(make_slapd):
    """A refresh brings entries in the order in which they were made: a role may have got a newer group since."""
    a, b = two_providers(make_slapd)
    a.group("old")
    a.role("sales", provAssignFilter="(title=*)", provGroup="old")
    a.group("new")
    a.admin.modify(a.role_dn("sales"), replace={"provGroup": a.group_dn("new")})
    b.expect_log("the replicated policy does not compile: .*cn=new")
    b.start()
    wait_until(lambda: b.admin.get(a.group_dn("new")) is not None and same(a, b), 20, "b has everything")
    wait_until(lambda: not b.monitor()["provMonitorPolicyError"], 5, "the policy is whole")
    b.account("ada", title="Dr")
    assert b.members("new") == ["ada"]
