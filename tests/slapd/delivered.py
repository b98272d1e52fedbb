"""The independent checker of deliveries: what the outbox held against what receivers noted.

Reads outbox and progress with python3-lmdb, and what the receivers wrote down themselves; shares
no code with provd. Every check raises AssertionError with what it found.
"""

import json


class Receipt:
    """One line of a receiver: an event that came in, or (good) that it was answered as taken."""

    def __init__(self, id_, good, body=None, signed=True, late=0.0):
        self.id, self.good, self.body, self.signed, self.late = id_, good, body, signed, late


def web_receipts(server):
    """Of tests/node/webhook.mjs, in the order in which they happened."""
    out = []
    for line in server.log.read_text().rpartition("\n")[0].splitlines():  # the last may be half written
        r = json.loads(line)
        if "answered" in r:
            out.append(Receipt(r["answered"], True))
        elif "method" in r:
            h = r["headers"]
            out.append(Receipt(h["webhook-id"], False, r["body"], r["hmac"] is True,
                               abs(r["at"] / 1000 - int(h["webhook-timestamp"]))))
    return out


# One line when it begins, one when all is done; each is one write to a file opened for appending.
HOOK = r"""
IFS= read -r body
printf 'begin %s %s\n' "$PROV_EVENT_ID" "$body" >>"$1/log"
case $PROV_EVENT_ID in *7) [ "$PROV_ATTEMPT" = 1 ] && exit 1;; esac
printf 'end %s\n' "$PROV_EVENT_ID" >>"$1/log"
"""


def hook_receipts(where):
    out = []
    for line in (where / "log").read_text().splitlines():
        kind, _, rest = line.partition(" ")
        id_, _, body = rest.partition(" ")
        out.append(Receipt(id_, kind == "end", body or None))
    return out


def wanted(events, name):
    """Events of the outbox that are for this connector, oldest first."""
    return [e for e in events if name in e["route"]]


def check_receipts(name, events, receipts):
    """Each at least once, nothing else, the same body each time, signed and fresh, in order."""
    want = {e["id"]: e for e in wanted(events, name)}
    first, taken, body = {}, {}, {}
    for n, r in enumerate(receipts):
        assert r.id in want, f"{name}: {r.id} is not in the outbox for it"
        if r.good:
            taken.setdefault(r.id, n)
            continue
        first.setdefault(r.id, n)
        assert r.signed, f"{name}: {r.id}: the signature is wrong"
        assert r.late < 10, f"{name}: {r.id}: the timestamp of the attempt is {r.late} s off"
        assert body.setdefault(r.id, r.body) == r.body, f"{name}: {r.id} has come with two bodies"
        said = json.loads(r.body)
        assert (said["id"], said["sequence"], said["subject"]) == tuple(want[r.id][k] for k in ("id", "sequence", "subject"))
    missing = [e["sequence"] for i, e in want.items() if i not in taken]
    assert not missing, f"{name}: {len(missing)} of {len(want)} events never arrived: {missing[:10]}"
    before = {}
    for e in want.values():
        last = before.get(e["subject"])
        if last:
            assert first[e["id"]] > taken[last["id"]], \
                f"{name}: {e['sequence']} came before {last['sequence']} of the same account was delivered"
        before[e["subject"]] = e


def check_progress(name, events, progress):
    """Nothing parked, nothing left."""
    left = [r for r in progress.rows if r["connector"] == name]
    assert not left, f"{name}: {len(left)} events are not done: {left[:3]}"
    last = max((int(e["sequence"]) for e in wanted(events, name)), default=0)
    assert progress.cursor.get(name, 0) >= last, f"{name}: the cursor is at {progress.cursor.get(name)}, not {last}"


def check_accounts(people, users):
    """Accounts at the SCIM service (its own list) against the directory: each one, once, as it is now."""
    here = {e.one("entryUUID"): (e.one("uid"), e.one("title"), e.one("provState") == "active") for e in people}
    there = {u["externalId"]: (u["userName"], u.get("title"), u["active"]) for u in users}
    assert len(users) == len(there), "one account is there twice"
    for uuid in here:
        if uuid in there or here[uuid][2]:
            assert there.get(uuid) == here[uuid], f"{uuid}: {here[uuid]} here, {there.get(uuid)} there"
    assert not set(there) - set(here), "accounts there that are none here"
