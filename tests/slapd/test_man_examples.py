"""The examples of provd(8), taken from the page as it is printed there: each is added and delivers to the real thing.

Only what names a place is replaced: hosts, files, and where the policy is.
"""

import re
import stat

import pytest

from harness import TOP, wait_until
from manual import PAGE, examples, parse, sections
from natsbroker import node
from test_caep import Site
from test_ldap_connector import entry, there  # noqa: F401 (a fixture)
from test_nats import nats  # noqa: F401
from test_provd import Receiver, status, wait_state
from test_scim import TOKEN, servers, settled  # noqa: F401
from test_webhook import NEW, hooks, keep  # noqa: F401

OF_TABLE = (TOP / "overlay/core/connector_kind.c").read_text()


def add(s, text, **replaced):
    """The example, with places that exist here."""
    text = text.replace("ou=connectors,ou=policy,dc=example,dc=com", f"ou=connectors,{s.policy}")
    for old, new in replaced.pop("places").items():
        assert old in text, f"the example has no {old} any more"
        text = text.replace(old, str(new))
    dn, attributes = parse(text)
    s.admin.add(dn, attributes)
    s.provd_start()
    name = attributes["cn"][0].decode()
    wait_state(s, "enabled", name)
    return name


def test_exec(slapd):
    r = Receiver(slapd.dir, "badges")
    script = slapd.dir / "on-access-change"
    script.write_text(f'#!/bin/sh\necho "$@" >{slapd.dir}/arguments\nexec {r.target}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    [text] = examples("exec")
    add(slapd, text, places={"/usr/local/sbin/on-access-change": script})
    slapd.account("ann")
    [event] = r.wait(1)
    assert event["type"].endswith("account.created")
    assert (slapd.dir / "arguments").read_text() == "--site main building\n"


def test_webhook(slapd, pki, hooks):  # noqa: F811
    web = hooks()
    [text] = examples("webhook")
    add(slapd, text, places={"https://hr.example.com/in": f"https://localhost:{web.port}/in",
                             "/etc/slapo-provision/hr.secret": keep(slapd, NEW),
                             "/etc/ssl/certs/example-ca.pem": pki / "ca.pem"})
    slapd.account("ann", mail="ann@example.com")
    [r] = web.wait(1)
    assert r["hmac"] is True and "ann@example.com" in r["body"]


def test_caep(slapd, pki, tmp_path):
    site = Site(slapd, pki, tmp_path / "receiver")
    try:
        from test_caep import make_key
        site.keep(make_key(site.keys, "ES256"))
        text = examples("caep")[0]
        add(slapd, text, places={"https://rp.example.com/events": f"https://localhost:{site.node.port}/events",
                                 "/etc/slapo-provision/rp.pem": site.keys, "/var/www/html/jwks.json": site.jwks,
                                 "/var/www/html/ssf-configuration": site.metadata,
                                 "/etc/ssl/certs/example-ca.pem": pki / "ca.pem"})
        slapd.account("ann")
        slapd.leave("ann")
        assert any("account-disabled" in uri for c in site.tokens(2) for uri in c["events"])
    finally:
        site.node.stop()


def test_ldap(slapd, there):  # noqa: F811
    text = examples("ldap")[0]
    name = add(slapd, text, places={"ldaps://branch.example.com": there.ldaps,
                                    "/etc/slapo-provision/branch.secret": keep(slapd, there.rootpw),
                                    "/etc/ssl/certs/example-ca.pem": there.dir / "pki/ca.pem"})
    slapd.account("ann", mail="ann@example.com")
    settled(slapd, name)
    assert entry(there, "ann").one("mail") == "ann@example.com"


def test_scim(slapd, pki, servers):  # noqa: F811
    server = servers()
    [text] = examples("scim")
    name = add(slapd, text, places={"https://app.example.com/scim/v2": f"https://localhost:{server.port}/scim/",
                                    "/etc/slapo-provision/app.token": keep(slapd, TOKEN),
                                    "/etc/ssl/certs/example-ca.pem": pki / "ca.pem"})
    slapd.account("ann", mail="ann@example.com", givenName="Ann", sn="Ample")
    settled(slapd, name)
    assert server.users()["ann"]["emails"][0]["value"] == "ann@example.com"
    wait_until(lambda: status(slapd, name)["failed"] == 0)


def test_nats(slapd, pki, nats, tmp_path):  # noqa: F811
    jwts = node("jwts")
    preload = "\n".join(f'  {key}: "{jwt}"' for key, jwt in jwts["resolver"].items())
    creds = tmp_path / "provd.creds"
    creds.write_text(jwts["creds"])
    server = nats(auth=f'operator: "{jwts["operator"]}"\nsystem_account: "{jwts["system"]}"\nresolver: MEMORY\n'
                       f'resolver_preload: {{\n{preload}\n}}\n', access={"creds": creds}, stream=False)
    server.add_stream(subjects=("corp.accounts.>",))
    [text] = examples("nats")
    add(slapd, text, places={"tls://nats1.example.com,nats2.example.com": server.url,
                             "/etc/slapo-provision/bus.creds": keep(slapd, jwts["creds"]),
                             "/etc/ssl/certs/example-ca.pem": pki / "ca.pem"})
    slapd.account("ann", mail="ann@example.com")
    [message] = server.wait(1)
    assert "ann@example.com" in message["data"]


def options_of(table):
    block = re.search(rf"^static const char \*const {table}\[\] = {{(.*?)}};", OF_TABLE, re.M | re.S)
    return {n.split("=")[0] for n in re.findall(r'"([^"]+)"', block[1])}


@pytest.mark.parametrize("kind", sorted(sections()))
def test_every_option_of_a_kind_is_on_the_page(kind):
    table = re.search(rf'^\t{{ "{kind}",.*?(\w+_options),', OF_TABLE, re.M | re.S)[1]
    names = options_of(table)
    assert names, table
    missing = {n for n in names if f"{n}=" not in sections()[kind] and not (n in ("ca", "cert", "key") and "cert=" in PAGE)}
    assert not missing, f"{kind}: {sorted(missing)} are not in provd(8)"


def test_every_kind_has_a_section_with_an_example():
    kinds = set(re.findall(r'^\t{ "(\w+)", (?:true|false)', OF_TABLE, re.M))
    assert {"exec", "webhook", "scim", "ldap", "caep"} <= kinds
    for kind in kinds:
        examples(kind)
