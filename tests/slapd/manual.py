"""The examples of provd(8), so that tests can use what the administrator reads."""

import io
import re

import ldif

from harness import TOP

PAGE = (TOP / "docs/provd.8").read_text()


def sections():
    """Name of each kind and the text of its sections: "ldap" and "ldap to Active Directory" are one kind."""
    found = {}
    for kind, text in re.findall(r"^\.Ss (\w+)[^\n]*$(.*?)(?=^\.S[sh] )", PAGE, re.M | re.S):
        found[kind] = found.get(kind, "") + text
    return found


def in_text(text, what):
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(dn: .*?)^\.Ed$", text, re.M | re.S)
    assert blocks, f"provd(8) has no example of {what}"
    return blocks


def examples(kind):
    """All of them, as LDIF."""
    return in_text(sections()[kind], kind)


def parse(text):
    """dn, {attribute: [bytes]}"""
    parser = ldif.LDIFRecordList(io.StringIO(text))
    parser.parse()
    [record] = parser.all_records
    return record


def example(section):
    """The entry of a section, by its whole title: {attribute: [values]}, without objectClass and cn."""
    assert PAGE.count(f".Ss {section}\n") == 1
    text = in_text(PAGE.split(f".Ss {section}\n")[1].split("\n.S")[0], section)[0]
    return {a: [v.decode() for v in values] for a, values in parse(text)[1].items() if a not in ("objectClass", "cn")}


def at(entry, host, there, secret):
    """The example at work: the host, the files and nothing else are those of the test."""
    entry = dict(entry)
    (target,), (_,) = entry.pop("provTarget"), entry["provSecretFile"]
    assert host in target
    option = [f"ca={there.dir}/pki/ca.pem" if o.startswith("ca=") else o for o in entry["provOption"]]
    assert option != entry["provOption"]
    return target.replace(f"ldaps://{host}", there.ldaps), {**entry, "provOption": option, "provSecretFile": secret}
