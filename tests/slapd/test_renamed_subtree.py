"""A renamed subtree: every account below it has its own record and event."""

from directory import PEOPLE


def moved_subtree(s):
    for ou in ("north", "south"):
        s.admin.add(f"ou={ou},{PEOPLE}", {"objectClass": "organizationalUnit", "ou": ou})
    old = [s.account(f"uid=n{i},ou=north,{PEOPLE}") for i in range(3)]
    s.admin.rename(f"ou=north,{PEOPLE}", "ou=nord", f"ou=south,{PEOPLE}")
    return dict(zip(old, [f"uid=n{i},ou=nord,ou=south,{PEOPLE}" for i in range(3)]))


def test_each_account_below_has_a_record_of_the_one_change(make_slapd):
    s = make_slapd()
    names = moved_subtree(s)
    records = [r for r in s.trail() if r["op"] == "rename"]
    assert {r["dn"]: r["newDn"] for r in records if r["dn"] in names} == names
    assert len({r["id"] for r in records}) == 1


def test_each_account_below_has_an_event_with_both_names(make_slapd):
    s = make_slapd()
    names = moved_subtree(s)
    events = [e for e in s.events() if e["type"].endswith("account.renamed")]
    assert {e["data"]["oldDn"]: e["data"]["dn"] for e in events} == names
    assert {e["subject"] for e in events} == {s.admin.get(dn).one("entryUUID") for dn in names.values()}
