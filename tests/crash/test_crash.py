"""slapd is killed (kill -9) under 16 writers, round after round; each time everything must agree.

PROV_CRASH_ROUNDS=200 for more (60 otherwise; make check-soak: 1000), PROV_CRASH_SEED to repeat one.
"""

import os
import random
import time

import pytest
from checker import check, check_accounts, Seen
from harness import Slapd, wait_until
from writers import RoleEditor, Writer, ended, prepare

ROUNDS = int(os.environ.get("PROV_CRASH_ROUNDS", "60"))
SEED = int(os.environ.get("PROV_CRASH_SEED", str(time.time_ns() % 10**6)))
EACH = 6 if ROUNDS <= 60 else 20  # rounds on one database: it grows, and checking with it


def killed_rounds(s, rng, rounds, first):
    answered, unknown, states = [], [], {}
    for n in range(first, first + rounds):
        writers = [Writer(s, f"r{n}w{i}", rng.random()) for i in range(16)] + [RoleEditor(s, f"r{n}role", rng.random())]
        for w in writers:
            w.start()
        time.sleep(rng.uniform(0.05, 0.6))  # the moment of the crash: any
        s.kill()
        try:
            told, open_ = ended(writers)
            answered += told
            unknown += open_
            s.start()
            wait_until(lambda: s.monitor().one("provMonitorFollowPending") == "0", 60, "everybody has followed")
            seen = check(s, answered, unknown)
        except AssertionError as error:
            raise AssertionError(f"round {n}, seed {SEED}: {error}") from None
        s.provctl_offline("audit", "verify", check=0)
        s.provctl("audit", "verify", check=0)
        states[n] = (len(seen.people), len(seen.records), len(answered))
    return states


@pytest.mark.parametrize("first", range(0, ROUNDS, EACH))
def test_after_kill_9_everything_agrees(first):
    rng = random.Random(SEED + first)
    # the breaker is off: these leavers are many, and meant
    with Slapd(provision={"provision-breaker": "0 0"}, debug="none") as s:
        s.expect_log("unclean shutdown")
        prepare(s)
        rounds = min(EACH, ROUNDS - first)
        states = killed_rounds(s, rng, rounds, first)
        assert sum(n for _, _, n in states.values()) > 0
        print(f"seed {SEED}: {states}")
        # and it goes on as ever
        s.account("after", sn="Same", givenName="Name", departmentNumber="it", provState="active")
        assert s.groups_of("after") == ["git", "it", "staff"]
        s.restart()
        assert s.slapcat().count("\ndn: uid=") == len(Seen(s).people)


def test_the_checker_sees_what_is_wrong():
    """A check that cannot fail is no check: break one thing at a time under the overlay."""
    with Slapd(provision={"provision-breaker": "0 0"}, debug="none") as s:
        prepare(s)
        for i in range(4):
            s.account(f"u{i}", sn="Same", givenName="Name", departmentNumber="it", provState="active")
        check(s, [], [])
        seen = Seen(s)
        one = next(iter(seen.people.values()))

        def broken(change):
            bad = Seen(s)
            change(bad)
            with pytest.raises(AssertionError):
                check_accounts(bad)
                from checker import check_outbox, check_replay, check_trail
                check_trail(bad, [], [])
                check_replay(bad)
                check_outbox(bad)

        uuid = one.one("entryUUID")
        broken(lambda b: b.people[uuid].update(memberof=one["memberOf"][1:]))
        broken(lambda b: b.people[uuid].update(provgrant=[g for g in one["provGrant"] if not g.startswith("add$")]))
        broken(lambda b: b.people[uuid].update(provgrant=[g for g in one["provGrant"] if not g.startswith("group$")]))
        broken(lambda b: b.people[uuid].update(provexception=[one["provGrant"][0]]) or b.people[uuid].update(
            proveffectiverole=[]))
        broken(lambda b: b.people[uuid].update(provchangeid=["x"]))
        broken(lambda b: b.people[uuid].update(description=[]))
        broken(lambda b: b.people.pop(uuid))
        broken(lambda b: b.records.pop())
        broken(lambda b: b.records.append(b.records[-1]))
        broken(lambda b: b.events.pop())
        broken(lambda b: b.events.append(b.events[0]))
        broken(lambda b: b.events.reverse())
        broken(lambda b: next(iter(b.groups.values())).update(member=["uid=ghost,ou=people,dc=example,dc=com"]))
