"""Configuration: both forms, every value there and back, every bad value refused and nothing changed."""

import itertools
import os
import re
import subprocess
import threading

import ldap
import pytest

from harness import ConfigRefused, StartFailed, wait_until
from ldapclient import ADOPT, NOOP, OVERRIDE, PLAN, REASON, control, refused
from slapdconf import ACCOUNTS, POLICY, PROVISION, ROOTPW, SUFFIX

OTHER_ACCOUNTS = f"ldap:///ou=apps,{SUFFIX}??one?(|(objectClass=account)(cn=a b))"
USUAL = {
    "olcProvisionOnDelete": ["allow"], "olcProvisionBreaker": ["100 3600"], "olcProvisionMemberOf": ["FALSE"],
    "olcProvisionSessions": ["TRUE"], "olcProvisionCheckpoint": ["1000 3600"],
}


def make_key(path, algorithm="ed25519"):
    subprocess.run(["openssl", "genpkey", "-algorithm", algorithm, "-out", str(path)], check=True, capture_output=True)
    path.chmod(0o600)
    return str(path)


def everything(s):
    """A value other than the default for every keyword."""
    return {
        "provision-policy": f"ou=provisioning,{SUFFIX}",
        "provision-accounts": [ACCOUNTS, OTHER_ACCOUNTS],
        "provision-state": str(s.state),
        "provision-on-delete": "preserve",
        "provision-archive": f"ou=archive,{SUFFIX}",
        "provision-breaker": "7 60",
        "provision-memberof": "on",
        "provision-sessions": "off",
        "provision-checkpoint": "50 600",
        "provision-key": make_key(s.dir / "key.pem"),
    }


def as_attributes(keywords):
    found = {}
    for k, v in keywords.items():
        values = v if isinstance(v, list) else [v]
        found[PROVISION[k]] = [{"on": "TRUE", "off": "FALSE"}.get(x, x) for x in values]
    return found


def olc(entry):
    """The olcProvision... attributes of an Entry or of LDIF text."""
    if isinstance(entry, str):
        unfolded, found = entry.replace("\n ", ""), {}
        for name, value in re.findall(r"^(olcProvision\w+): (.*)$", unfolded, re.M):
            found.setdefault(name, []).append(value)
        return found
    names = {a.lower(): a for a in PROVISION.values()}
    return {names[a]: v for a, v in entry.items() if a in names}


def overlay(s):
    return olc(s.config_client().get(s.config.overlay_dn))


def change(s, **kw):
    s.config_client().modify(s.config.overlay_dn, **kw)


def both_forms_with(make_slapd, style, keywords):
    """A server whose overlay has exactly these keywords; keywords: function of the Slapd."""
    s = make_slapd(style, start=False, base=False)
    s.config.provision = keywords(s)
    if style == "config":
        subprocess.run(["rm", "-r", str(s.dir / "slapd.d")], check=True)
    s.configure()
    return s


# -- there and back -----------------------------------------------------------------------


def test_every_keyword_comes_back_as_its_attribute(make_slapd, style):
    s = both_forms_with(make_slapd, style, everything)
    s.start()
    wanted = as_attributes(s.config.provision)
    assert overlay(s) == wanted
    if style == "config":
        s.stop()
        assert olc(s.tool("slapcat", "-n0").stdout) == wanted


def test_slapd_conf_converts_to_cn_config_and_starts_from_it(make_slapd):
    s = both_forms_with(make_slapd, "conf", everything)
    s.slapadd(s.base_ldif())
    (s.dir / "converted").mkdir()
    s.tool("slaptest", "-F", s.dir / "converted")
    s.config_args = ["-F", str(s.dir / "converted")]
    assert olc(s.tool("slapcat", "-n0").stdout) == as_attributes(s.config.provision)
    s.start()
    assert overlay(s) == as_attributes(s.config.provision)


def test_what_is_not_said_has_its_default_and_is_shown(make_slapd):
    s = both_forms_with(make_slapd, "conf", lambda s: {"provision-state": str(s.state)})
    s.start()
    assert overlay(s) == {"olcProvisionState": [str(s.state)], **USUAL}


def test_one_ldapadd_makes_the_overlay_in_any_order_of_its_attributes(make_slapd):
    s = make_slapd("config", provision=None, base=False, start=False)
    from harness import MODULE
    s.config.module = MODULE
    s.config.provision_lines = lambda: iter(())
    s.config.overlays = []
    subprocess.run(["rm", "-r", str(s.dir / "slapd.d")], check=True)
    keep = s.config.ldif

    def without_overlay():
        return "\n\n".join(b for b in keep().split("\n\n") if "olcOverlay={0}provision" not in b) + "\n"

    s.config.ldif = without_overlay
    s.configure()
    s.start()
    wanted = as_attributes(everything(s))
    for names in (list(wanted), list(reversed(wanted))):
        c = s.config_client()
        c.add(f"olcOverlay=provision,{s.config.database_dn}", {
            "objectClass": ["olcOverlayConfig", "olcProvisionConfig"], "olcOverlay": "provision",
            **{a: wanted[a] for a in names}})
        assert overlay(s) == wanted
        s.restart()
        assert overlay(s) == wanted
        s.config_client().delete(s.config.overlay_dn)
        assert s.config_client().get(s.config.overlay_dn) is None


# -- bad values ---------------------------------------------------------------------------

BAD = [
    ("provision-policy", "not a dn", "is not a DN|takes one value"),
    ("provision-policy", "ou=provisioning,dc=example,dc=org", "outside this database's suffix"),
    ("provision-policy", SUFFIX, "is the suffix itself"),
    ("provision-archive", "ou=archive,dc=example,dc=org", "outside this database's suffix"),
    ("provision-accounts", "ou=people,dc=example,dc=com", "begin with ldap:///|is not an LDAP URL"),
    ("provision-accounts", f"ldap://elsewhere/{SUFFIX}??sub", "must not name a host"),
    ("provision-accounts", f"ldap://:390/{SUFFIX}??sub", "must not name a host"),
    ("provision-accounts", f"ldaps:///{SUFFIX}??sub", "begin with ldap:///"),
    ("provision-accounts", f"ldap:///{SUFFIX}?cn?sub", "must not name attributes"),
    ("provision-accounts", f"ldap:///{SUFFIX}??sub?(cn=a)?x-some", "must not have extensions"),
    ("provision-accounts", f"ldap:///{SUFFIX}???(cn=a)", "does not say its scope"),
    ("provision-accounts", f"ldap:///{SUFFIX}", "does not say its scope"),
    ("provision-accounts", f"ldap:///{SUFFIX}??deep", "unknown scope"),
    ("provision-accounts", "ldap:///dc=example,dc=org??sub", "outside this database's suffix"),
    ("provision-accounts", "ldap:///people??sub", "base that is not a DN"),
    ("provision-accounts", f"ldap:///{SUFFIX}??sub?(cn=a", "filter that does not parse"),
    ("provision-accounts", f"ldap:///{SUFFIX}??sub?(&(cn=a)(!(nonesuch=b)))", "schema does not know"),
    ("provision-accounts", f"ldap:///{SUFFIX}??sub?(uidNumber=many)", "schema does not know"),
    ("provision-state", "state", "must be an absolute path"),
    ("provision-on-delete", "maybe", "is not allow, preserve or deny"),
    ("provision-breaker", "100", "takes two numbers, not 1"),
    ("provision-breaker", "100 3600 1", "takes two numbers, not 3"),
    ("provision-breaker", "0 60", "or neither is"),
    ("provision-breaker", "5 0", "or neither is"),
    ("provision-breaker", "-1 60", "is not a number from 0"),
    ("provision-breaker", "1x 60", "is not a number from 0"),
    ("provision-breaker", "99999999999999999999 60", "is not a number from 0"),
    ("provision-memberof", "perhaps", "is not on or off"),
    ("provision-sessions", "sometimes", "is not on or off"),
    ("provision-checkpoint", "0 60", "is not a number from 1"),
    ("provision-checkpoint", "60 31536001", "is not a number from 1"),
    ("provision-key", "key.pem", "must be an absolute path"),
    ("provision-key", "/nonexistent/key.pem", "/nonexistent/key.pem"),
]


@pytest.mark.parametrize("keyword,value,why", BAD)
def test_a_bad_value_keeps_slapd_conf_from_starting_and_says_why(make_slapd, keyword, value, why):
    def keywords(s):
        usual = {"provision-state": str(s.state)}
        usual[keyword] = f'"{value}"' if "(" in value or value == "not a dn" else value
        return usual
    s = both_forms_with(make_slapd, "conf", keywords)
    s.expect_log("")
    with pytest.raises(StartFailed) as failed:
        s.start()
    assert re.search(why, str(failed.value))
    assert f"<{keyword}>" in str(failed.value)


def test_a_bad_value_is_refused_by_cn_config_and_changes_nothing(make_slapd):
    s = both_forms_with(make_slapd, "config", everything)
    s.start()
    s.expect_log("olcProvision")
    before = overlay(s)
    for keyword, value, why in BAD:
        attribute = PROVISION[keyword]
        for how in ("replace", "add"):
            try:
                change(s, **{how: {attribute: value}})
            except ldap.LDAPError as error:
                # a second value of a single-valued attribute, or a bad syntax, slapd refuses itself
                if how == "replace" and not isinstance(error, ldap.INVALID_SYNTAX):
                    assert re.search(why, error.args[0].get("info", "")), (keyword, value, error)
            else:
                pytest.fail(f"{how} {attribute}: {value!r} was taken")
            assert overlay(s) == before, (keyword, value)
    s.restart()
    assert overlay(s) == before


def test_a_bad_value_refuses_the_good_ones_that_came_with_it(make_slapd):
    s = both_forms_with(make_slapd, "config", everything)
    s.start()
    s.expect_log("olcProvision")
    before = overlay(s)
    for good, bad in (({"olcProvisionBreaker": "9 9"}, {"olcProvisionOnDelete": "maybe"}),
                      ({"olcProvisionAccounts": f"ldap:///ou=groups,{SUFFIX}??sub"}, {"olcProvisionState": "x"}),
                      ({"olcProvisionMemberOf": "FALSE"}, {"olcProvisionCheckpoint": "0 0"})):
        with refused(ldap.OTHER, "<olcProvision"):
            change(s, replace={**good, **bad})
        assert overlay(s) == before
    # as the instance has it, not only as the entry shows it
    s.stop()
    assert olc(s.tool("slapcat", "-n0").stdout) == before


@pytest.mark.parametrize("keyword,values", [
    ("provision-accounts", [ACCOUNTS, ACCOUNTS]),
    ("provision-policy", [POLICY, f"ou=other,{SUFFIX}"]),
    ("provision-archive", [f"ou=a,{SUFFIX}", f"ou=b,{SUFFIX}"]),
])
def test_a_keyword_is_not_taken_twice(make_slapd, keyword, values):
    s = both_forms_with(make_slapd, "conf", lambda s: {"provision-state": str(s.state), keyword: values})
    s.expect_log("")
    with pytest.raises(StartFailed, match="given twice"):
        s.start()


def test_the_suffix_must_come_first(make_slapd):
    s = make_slapd(start=False, base=False)
    conf = s.dir / "slapd.conf"
    text = conf.read_text()
    suffix = re.search(rf"^suffix {SUFFIX}\nrootdn .*\nrootpw .*\n", text, re.M)[0]
    conf.write_text(text.replace(suffix, "", 1).replace("\ndatabase monitor", f"\n{suffix}\ndatabase monitor"))
    s.expect_log("")
    with pytest.raises(StartFailed, match="must come after the database's suffix"):
        s.start()


# -- what belongs together ----------------------------------------------------------------


def test_preserve_without_an_archive_is_refused_in_both_forms(make_slapd, style):
    s = both_forms_with(make_slapd, style, lambda s: {"provision-state": str(s.state)})
    if style == "config":
        s.start()
        with refused(ldap.OTHER, "needs provision-archive"):
            change(s, replace={"olcProvisionOnDelete": "preserve"})
        s.expect_log("configuration refused")
        assert "olcProvisionOnDelete" not in overlay(s)
        # together, in either order, they are fine
        change(s, replace={"olcProvisionOnDelete": "preserve"}, add={"olcProvisionArchive": f"ou=archive,{SUFFIX}"})
        with refused(ldap.OTHER, "needs provision-archive"):
            change(s, delete={"olcProvisionArchive": None})
        assert overlay(s)["olcProvisionArchive"] == [f"ou=archive,{SUFFIX}"]
        change(s, delete={"olcProvisionArchive": None, "olcProvisionOnDelete": None})
        return
    for order in ((), ("provision-on-delete", "provision-archive"), ("provision-archive", "provision-on-delete")):
        values = {"provision-on-delete": "preserve", "provision-archive": f"ou=archive,{SUFFIX}"}
        s.config.provision = {"provision-state": str(s.state), **{k: values[k] for k in order or ["provision-on-delete"]}}
        s.configure()
        if order:
            s.start()
            s.stop()
        else:
            s.expect_log("")
            with pytest.raises(StartFailed, match="needs provision-archive"):
                s.start()


def test_the_state_directory_is_needed(make_slapd):
    s = both_forms_with(make_slapd, "conf", lambda s: {"provision-policy": POLICY})
    s.expect_log("")
    with pytest.raises(StartFailed, match="provision-state .* is missing"):
        s.start()


def test_the_state_directory_cannot_be_taken_from_a_running_server(make_slapd):
    s = both_forms_with(make_slapd, "config", everything)
    s.start()
    s.expect_log("configuration refused")
    before = overlay(s)
    with refused(ldap.OTHER, "provision-state"):
        change(s, delete={"olcProvisionState": None})
    assert overlay(s) == before


# -- while it runs ------------------------------------------------------------------------


def test_every_value_can_be_set_changed_and_deleted_while_slapd_runs(make_slapd):
    s = both_forms_with(make_slapd, "config", lambda s: {"provision-state": str(s.state)})
    s.start()
    wanted = as_attributes(everything(s))
    order = [a for a in wanted if a != "olcProvisionState"]
    order.sort(key=lambda a: a == "olcProvisionOnDelete")  # after the archive
    for attribute in order:
        change(s, replace={attribute: wanted[attribute]})
        assert overlay(s)[attribute] == wanted[attribute]
    assert overlay(s) == wanted
    s.restart()
    assert overlay(s) == wanted
    for attribute in reversed(order):
        change(s, delete={attribute: None})
        assert attribute not in overlay(s)
    s.restart()
    assert overlay(s) == {"olcProvisionState": [str(s.state)]}


def test_values_of_accounts_are_deleted_and_added_one_by_one(make_slapd):
    urls = [f"ldap:///ou={ou},{SUFFIX}??sub?(objectClass=account)" for ou in ("people", "apps", "groups")]
    s = both_forms_with(make_slapd, "config", lambda s: {"provision-state": str(s.state), "provision-accounts": urls})
    s.start()
    change(s, delete={"olcProvisionAccounts": urls[1]})
    assert overlay(s)["olcProvisionAccounts"] == [urls[0], urls[2]]
    change(s, delete={"olcProvisionAccounts": [urls[2], urls[0]]}, add={"olcProvisionAccounts": urls[1]})
    assert overlay(s)["olcProvisionAccounts"] == [urls[1]]
    change(s, add={"olcProvisionAccounts": [urls[0], urls[2]]})
    s.restart()
    assert overlay(s)["olcProvisionAccounts"] == [urls[1], urls[0], urls[2]]
    with refused(ldap.TYPE_OR_VALUE_EXISTS):
        change(s, add={"olcProvisionAccounts": urls[0]})
    with refused(ldap.NO_SUCH_ATTRIBUTE):
        change(s, delete={"olcProvisionAccounts": OTHER_ACCOUNTS})
    s.expect_log("olcProvisionAccounts")


def test_a_directory_that_cannot_be_used_is_refused_while_slapd_runs(make_slapd):
    if os.geteuid() == 0:
        where = "/proc/nowhere"  # root may write everywhere else
    else:
        where = "/nowhere"
    s = both_forms_with(make_slapd, "config", everything)
    s.start()
    s.expect_log("provision: ")
    before = overlay(s)
    with refused(ldap.OTHER, where):
        change(s, replace={"olcProvisionState": where, "olcProvisionBreaker": "3 3"})
    assert overlay(s) == before
    s.restart()
    assert overlay(s) == before


def test_a_key_of_another_kind_or_open_to_others_is_refused(make_slapd):
    s = both_forms_with(make_slapd, "config", everything)
    s.start()
    s.expect_log("olcProvisionKey")
    before = overlay(s)
    rsa = make_key(s.dir / "rsa.pem", "rsa")
    shared = make_key(s.dir / "shared.pem")
    os.chmod(shared, 0o644)
    for path in (rsa, shared):
        with refused(ldap.OTHER, path):
            change(s, replace={"olcProvisionKey": path})
        assert overlay(s) == before
    other = make_key(s.dir / "other.pem")
    change(s, replace={"olcProvisionKey": other})
    assert overlay(s)["olcProvisionKey"] == [other]


# -- where it may stand -------------------------------------------------------------------


def test_it_cannot_be_a_global_overlay(make_slapd):
    s = make_slapd(start=False, base=False)
    conf = s.dir / "slapd.conf"
    conf.write_text(conf.read_text().replace("\ndatabase config", "\noverlay provision\n\ndatabase config", 1))
    s.expect_log("")
    with pytest.raises(StartFailed, match='"provision" cannot be global'):
        s.start()


def test_it_is_configured_once_a_database(make_slapd):
    s = make_slapd(start=False, base=False)
    conf = s.dir / "slapd.conf"
    conf.write_text(conf.read_text().replace("\noverlay provision\n", "\noverlay provision\noverlay provision\n", 1))
    s.expect_log("")
    with pytest.raises(StartFailed, match="already in list"):
        s.start()


@pytest.mark.parametrize("tool", ["slaptest", "slapcat", "slapindex"])
def test_slapds_tools_take_the_configuration(make_slapd, style, tool):
    s = both_forms_with(make_slapd, style, everything)
    s.slapadd(s.base_ldif())
    os.chmod(s.dir / "key.pem", 0)
    s.tool(tool, *(["-b", SUFFIX] if tool != "slaptest" else ["-u"]))
    os.chmod(s.dir / "key.pem", 0o600)
    s.start()


def test_slapadd_refuses_a_bad_value_in_cn_config(make_slapd):
    s = make_slapd(start=False, base=False)
    s.config.provision["provision-breaker"] = "many 60"
    s.expect_log("")
    with pytest.raises(ConfigRefused, match="is not a number"):
        s.config.write_config(s.env)


# -- controls -----------------------------------------------------------------------------


def test_the_root_dse_names_our_controls(slapd):
    e = slapd.admin.search("", attrs=("supportedControl",), scope=ldap.SCOPE_BASE)[0]
    assert {REASON, PLAN, OVERRIDE, ADOPT} <= set(e["supportedControl"])


@pytest.mark.parametrize("controls,why", [
    ([control(REASON)], "without a text"),
    ([control(REASON, b"")], "without a text"),
    ([control(REASON, b"\xff\xfe")], "not UTF-8"),
    ([control(REASON, "two\nlines")], "not UTF-8 text on one line"),
    ([control(REASON, "x" * 1025)], "longer than 1024"),
    ([control(REASON, "a"), control(REASON, "b")], "more than once"),
    ([control(PLAN)], "without the no-op control"),
    ([control(PLAN, "x"), control(NOOP)], "takes no value"),
    ([control(PLAN), control(PLAN), control(NOOP)], "more than once"),
    ([control(OVERRIDE, "x")], "takes no value"),
    ([control(ADOPT, "x")], "takes no value"),
    ([control(ADOPT), control(ADOPT)], "more than once"),
])
def test_a_malformed_control_is_a_protocol_error(slapd, controls, why):
    slapd.expect_log("get_ctrls failed")
    dn = slapd.account("ada")
    with refused(ldap.PROTOCOL_ERROR, why):
        slapd.admin.modify(dn, replace={"title": "x"}, controls=controls)
    assert not slapd.person("ada")["title"]


def test_well_formed_controls_are_taken_wherever_they_belong(slapd):
    reason = control(REASON, "Prüfung " + "x" * 1015)
    dn = slapd.account("ada", controls=[reason, control(OVERRIDE)])
    slapd.admin.modify(dn, replace={"title": "x"}, controls=[reason, control(ADOPT), control(OVERRIDE)])
    slapd.admin.rename(dn, "uid=ida", controls=[reason])
    slapd.admin.delete(slapd.person_dn("ida"), controls=[reason, control(OVERRIDE)])
    slapd.account("eve", controls=[control(REASON, "not critical", critical=False)])


def test_a_control_that_does_not_fit_the_operation_is_refused_when_critical(slapd):
    slapd.expect_log("get_ctrls failed")
    dn = slapd.account("ada")
    with refused(ldap.UNAVAILABLE_CRITICAL_EXTENSION):
        slapd.admin.delete(dn, controls=[control(ADOPT)])
    with refused(ldap.UNAVAILABLE_CRITICAL_EXTENSION):
        slapd.admin.search(slapd.suffix, controls=[control(REASON, "x")])


def test_the_order_of_plan_and_no_op_does_not_matter(slapd):
    dn = slapd.account("ada")
    for controls in ([control(PLAN), control(NOOP)], [control(NOOP), control(PLAN)]):
        with pytest.raises(ldap.LDAPError) as error:
            slapd.admin.modify(dn, replace={"title": "x"}, controls=controls)
        assert error.value.args[0].get("result") in (0x410E, 16654), error.value
    assert not slapd.person("ada")["title"]


# -- cn=Monitor ---------------------------------------------------------------------------


def test_the_databases_monitor_entry_has_our_figures_in_both_forms(make_slapd, style):
    s = make_slapd(style)
    e = s.monitor()
    assert e.dn.startswith("cn=Database") and SUFFIX in e["namingcontexts"]
    for name in ("FollowPending", "FollowDone", "FollowTotal", "Backlog", "PolicyGeneration", "Relayed"):
        assert int(e.one(f"provMonitor{name}")) >= 0
    assert len(s.admin.search(e.dn, "(provMonitorBacklog>=0)", scope=ldap.SCOPE_BASE)) == 1
    assert int(s.monitor().one("olmMDBEntries")) > 0


def test_figures_come_and_go_with_the_overlay(make_slapd):
    s = make_slapd("config")
    assert s.monitor()
    attributes = overlay(s)
    s.config_client().delete(s.config.overlay_dn)
    # slapd answers, then closes the overlay
    wait_until(lambda: not s.admin.search("cn=Databases,cn=Monitor", "(objectClass=provMonitor)"))
    assert not s.admin.search("cn=Databases,cn=Monitor", "(provMonitorBacklog=*)")
    s.config_client().add(f"olcOverlay=provision,{s.config.database_dn}", {
        "objectClass": ["olcOverlayConfig", "olcProvisionConfig"], "olcOverlay": "provision", **attributes})
    wait_until(lambda: s.monitor())
    s.restart()
    assert s.monitor()


def test_it_starts_without_a_monitor(make_slapd):
    s = make_slapd(start=False, base=False)
    conf = s.dir / "slapd.conf"
    conf.write_text(conf.read_text().split("\ndatabase monitor")[0] + "\n")
    s.start()
    with pytest.raises(ldap.NO_SUCH_OBJECT):
        s.admin.search("cn=Monitor")
    assert ROOTPW


def overlay_entry(s):
    pairs = [(a, {"on": "TRUE", "off": "FALSE"}.get(v, v)) for _, a, v in s.config.provision_lines()]
    return {"objectClass": ["olcOverlayConfig", "olcProvisionConfig"], "olcOverlay": "{0}provision", **dict(pairs)}


def test_the_overlay_takes_its_controls_with_it_when_it_is_deleted(make_slapd):
    s = make_slapd("config")
    config = s.config_client()
    reason = [control(REASON, "CHG-1")]
    s.account("ada", controls=reason)
    for _ in range(2):  # and brings them again
        config.delete(s.config.overlay_dn)
        wait_until(lambda: unknown(s, reason), 10, "the controls are gone, too")  # a little after the answer
        config.add(s.config.overlay_dn, overlay_entry(s))
        s.set("ada", title="y", controls=reason)
    assert s.record(reason="CHG-1")["dn"] == s.person_dn("ada")


def unknown(s, controls):
    try:
        s.set("ada", title="x", controls=controls)
        return False
    except ldap.UNAVAILABLE_CRITICAL_EXTENSION:
        return True


def test_the_overlay_can_be_deleted_and_added_while_everybody_follows_a_role_and_others_bind(make_slapd):
    s = make_slapd("config", provision={"provision-breaker": "0 0"}, database=[("dbnosync", "olcDbNoSync", "TRUE")], debug="none")
    # of the new one while the old one still has it; it tries again
    s.expect_log("provision: relay: .* (is open in this process already|writable again)")
    s.group("staff")
    s.role("staff", provAssignFilter="(objectClass=inetOrgPerson)", provGroup="staff", provTemplate="add description: 0")
    for n in range(60):
        s.account(f"u{n}")
    config, stop = s.config_client(), threading.Event()
    binds, trouble = itertools.count(), []

    def bind():
        try:
            while not stop.is_set():
                s.may_bind(f"u{next(binds) % 60}")
        except Exception as error:  # noqa: BLE001  whatever it is, the test fails
            trouble.append(error)

    others = [threading.Thread(target=bind) for _ in range(2)]
    for t in others:
        t.start()
    for n in range(1, 16):
        s.admin.modify(s.role_dn("staff"), replace={"provTemplate": f"add description: {n}"})
        config.delete(s.config.overlay_dn)
        wait_until(lambda: added(config, s), 10, "the overlay is there again")
    stop.set()
    for t in others:
        t.join()
    assert not trouble and next(binds) > 20
    wait_until(lambda: all(s.person(f"u{n}", "description")["description"] == ["15"] for n in range(60)), 20, "everybody has followed")
    s.wait_relayed(20)


def added(config, s):
    """The answer to the delete comes before the old one has given its files back."""
    try:
        config.add(s.config.overlay_dn, overlay_entry(s))
        return True
    except (ldap.OTHER, ldap.ALREADY_EXISTS):
        return False
