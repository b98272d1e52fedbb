"""The independent checker: do accounts, groups, memberOf, grants, trail and outbox agree exactly?

Reads accounts and groups over LDAP and trail and outbox with python3-lmdb; shares no code
with the overlay. Every check raises AssertionError with what it found.
"""

from collections import Counter

from directory import GROUPS, PEOPLE
from writers import DEPARTMENTS

PREFIX = "org.slapo-provision."


def norm(dn):
    return dn.lower().replace(", ", ",")


class Seen:
    """What the server has now."""

    def __init__(self, s, departments=DEPARTMENTS):
        self.departments = departments
        self.people = {e.one("entryUUID"): e for e in s.admin.search(PEOPLE, "(objectClass=inetOrgPerson)")}
        self.groups = {norm(e.dn): e for e in s.admin.search(GROUPS, "(objectClass=groupOfNames)")}
        self.texts = {d: next(t.split(": ", 1)[1] for t in s.admin.get(s.role_dn(d))["provTemplate"]
                              if t.startswith("add description")) for d, groups in departments.items() if groups}
        state = s.state_now()
        self.rows = state.chain()
        self.records, self.events = state.records, state.events


def check_accounts(seen):
    """Accounts against groups, memberOf, grants, roles: each pair exactly."""
    member_of = {}
    for dn, g in seen.groups.items():
        for m in g["member"]:
            if norm(m).endswith(PEOPLE):
                member_of.setdefault(norm(m), set()).add(dn)
    mails, numbers = Counter(), Counter()
    for e in seen.people.values():
        here = member_of.pop(norm(e.dn), set())
        assert {norm(d) for d in e["memberOf"]} == here, f"{e.dn}: memberOf {e['memberOf']} but groups {here}"
        active = e.one("provState") == "active"
        dept = e.one("departmentNumber")
        role = dept if active and seen.departments[dept] else None
        assert [d.split(",")[0] for d in e["provEffectiveRole"]] == ([f"cn={role}"] if role else []), \
            f"{e.dn}: {dept} {e['provState']} has roles {e['provEffectiveRole']}"
        grants = [g.split("$") for g in e["provGrant"]]
        exceptions = {x.split("$")[6] for x in e["provException"]}
        granted = {norm(g[6]) for g in grants if g[0] == "group"}
        wanted = {norm(f"cn={g},{GROUPS}") for g in seen.departments[role] if f"cn={g},{GROUPS}" not in exceptions} if role else set()
        assert granted == wanted, f"{e.dn}: granted {granted}, wanted {wanted}, exceptions {exceptions}"
        assert [g[6] for g in grants if g[0] == "add"] == [f"description: {d}" for d in e["description"]], e.dn
        assert granted <= here, f"{e.dn}: granted {granted} but in {here}"
        assert {g[6] for g in grants if g[0] == "entitlement"} == ({f"{role}:use"} if role else set()), e.dn
        text = seen.texts.get(role)
        assert e["description"] == ([text] if text else []), f"{e.dn}: {role} has {e['description']}, wanted {text}"
        if not active:
            assert not here, f"the leaver {e.dn} is in {here}"
        mails.update(e["mail"])
        numbers.update(e["employeeNumber"])
    assert not member_of, f"members that are no accounts: {member_of}"
    assert not [m for m, n in mails.items() if n > 1], f"addresses held twice: {mails}"
    assert not [m for m, n in numbers.items() if n > 1], f"numbers held twice: {numbers}"


def check_trail(seen, answered, open_tokens):
    """Every answered write is in the trail once, no other than the open ones besides."""
    tokens = Counter(r["reason"] for r in seen.records if r["op"] not in ("follow", "clock", "delivery", "import", "sync") and "reason" in r)
    for t in answered:
        assert tokens[t] == 1, f"{t} was answered and is {tokens[t]} times in the trail"
    extra = set(tokens) - set(answered)
    assert extra <= set(open_tokens), f"in the trail without having been sent or after a refusal: {extra - set(open_tokens)}"
    assert all(n == 1 for n in tokens.values())
    ids = Counter(r["id"] for r in seen.records)
    assert not [i for i, n in ids.items() if n > 1], "an id twice"


def replay(records):
    """uuid: {"dn", "groups", "state", "id"} as the trail alone tells it; and who was deleted."""
    now, by_dn, gone = {}, {}, set()
    for r in records:
        dn = norm(r["dn"])
        if r["op"] == "group":
            for m in r.get("members", []):
                uuid = by_dn.get(norm(m["dn"]))
                if uuid and m["add"]:
                    now[uuid]["groups"].add(dn)
                elif uuid:
                    now[uuid]["groups"].discard(dn)
                    now[uuid]["touched"].add(r["id"])
            continue
        uuid = r.get("entryUUID")
        if r["op"] in ("policy", "delivery", "import", "sync") or not uuid:
            continue
        if r["op"] == "delete":
            assert uuid in now, f"deleted without having been added: {r}"
            by_dn.pop(now.pop(uuid)["dn"])
            gone.add(uuid)
            continue
        assert uuid not in gone, f"a change after the delete: {r}"
        if r["op"] == "add":
            assert uuid not in now, f"added twice: {r}"
            now[uuid] = {"groups": set(), "touched": set()}
        a = now[uuid]
        if "dn" in a:
            by_dn.pop(a["dn"], None)
        a["dn"] = norm(r.get("newDn", r["dn"]))
        by_dn[a["dn"]] = uuid
        a["id"] = r["id"]
        a["groups"] |= {norm(g) for g in r.get("groups", {}).get("gained", [])}
        a["groups"] -= {norm(g) for g in r.get("groups", {}).get("lost", [])}
    return now, gone


def check_replay(seen):
    """The trail told from the start ends in what is there now."""
    now, gone = replay(seen.records)
    assert set(now) == set(seen.people), f"only in the trail: {set(now) - set(seen.people)}, only in the directory: " \
                                         f"{set(seen.people) - set(now)}"
    assert not gone & set(seen.people)
    for uuid, a in now.items():
        e = seen.people[uuid]
        assert a["dn"] == norm(e.dn)
        assert e.one("provChangeId") in {a["id"]} | a["touched"], f"{e.dn}: the last change is not in the trail"
        assert a["groups"] == {norm(d) for d in e["memberOf"]}, f"{e.dn}: {a['groups']} by the trail, has {e['memberOf']}"


def check_outbox(seen):
    """Every event of every record once, in order, and none besides."""
    want = [(r["id"], v["id"], PREFIX + v["type"]) for r in seen.records for v in r.get("events", [])]
    have = [(v["data"]["changeId"], v["id"], v["type"]) for v in seen.events]
    assert have == want, next(f"event {i}: {a} instead of {b}" for i, (a, b) in enumerate(zip(have + [None], want + [None])) if a != b)
    sequence = [int(v["sequence"]) for v in seen.events]
    assert sequence == sorted(set(sequence))


def check(s, answered, open_tokens):
    seen = Seen(s)
    check_accounts(seen)
    check_trail(seen, answered, open_tokens)
    check_replay(seen)
    check_outbox(seen)
    return seen
