"""The examples of the man pages, so that tests can use what the administrator reads."""

from harness import TOP


def example(section, page="provd.8"):
    """The first entry of a section: {attribute: [values]}, without dn, objectClass and cn."""
    text = (TOP / "docs" / page).read_text()
    assert text.count(f".Ss {section}\n") == 1
    text = text.split(f".Ss {section}\n")[1].split("\n.S")[0]
    lines = text.split("\n.Bd -literal -offset indent\n")[1].split("\n.Ed")[0].splitlines()
    entry = {}
    for line in lines:
        name, _, value = line.partition(": ")
        entry.setdefault(name, []).append(value)
    return {n: v for n, v in entry.items() if n not in ("dn", "objectClass", "cn")}


def at(entry, host, there, secret):
    """The example at work: the host, the files and nothing else are those of the test."""
    entry = dict(entry)
    (target,), (_,) = entry.pop("provTarget"), entry["provSecretFile"]
    assert host in target
    option = [f"ca={there.dir}/pki/ca.pem" if o.startswith("ca=") else o for o in entry["provOption"]]
    assert option != entry["provOption"]
    return target.replace(f"ldaps://{host}", there.ldaps), {**entry, "provOption": option, "provSecretFile": secret}
