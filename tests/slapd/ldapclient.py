"""A small LDAP client for the tests: python-ldap with text instead of bytes.

Owns one connection. Errors are python-ldap's own exceptions; refused() checks one.
"""

import base64
import contextlib
import select

import ldap
import ldap.controls
import ldap.modlist
import ldap.sasl

OID = "2.25.138208666745501617578682107937749081279"
REASON, PLAN, OVERRIDE, ADOPT = f"{OID}.5.1", f"{OID}.5.2", f"{OID}.5.3", f"{OID}.5.4"
NOOP = "1.3.6.1.4.1.4203.666.5.2"
RELAX = "1.3.6.1.4.1.4203.666.5.12"
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"


class Entry(dict):
    """Attributes by lower-case name, values as text (bytes when not UTF-8). e["mail"] is a
    list, empty when there is none; e.one("mail") is the single value or None."""

    def __init__(self, dn, attrs):
        super().__init__()
        self.dn = dn
        for name, values in attrs.items():
            self[name.lower()] = [text(v) for v in values]

    def __missing__(self, name):
        return dict.get(self, name.lower(), [])

    def one(self, name):
        values = self[name.lower()]
        assert len(values) <= 1, f"{self.dn}: {name} has {len(values)} values: {values}"
        return values[0] if values else None


def text(value):
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def octets(value):
    values = value if isinstance(value, (list, tuple, set)) else [value]
    return [v if isinstance(v, bytes) else str(v).encode() for v in values]


def control(oid, value=None, critical=True):
    value = value.encode() if isinstance(value, str) else value
    return ldap.controls.RequestControl(oid, critical, value)


class Client:
    """One connection. dn None: anonymous (or not bound yet)."""

    def __init__(self, uri, dn=None, pw=None, *, ca=None, cert=None, start_tls=False, timeout=20):
        self.ld = ldap.ldapobject.SimpleLDAPObject(uri)
        self.ld.set_option(ldap.OPT_REFERRALS, 0)
        self.ld.set_option(ldap.OPT_NETWORK_TIMEOUT, timeout)
        self.ld.set_option(ldap.OPT_TIMEOUT, timeout)
        if ca:
            self.ld.set_option(ldap.OPT_X_TLS_CACERTFILE, str(ca))
            if cert:
                self.ld.set_option(ldap.OPT_X_TLS_CERTFILE, str(cert[0]))
                self.ld.set_option(ldap.OPT_X_TLS_KEYFILE, str(cert[1]))
            self.ld.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        if start_tls:
            self.ld.start_tls_s()
        if dn is not None:
            self.bind(dn, pw)

    def bind(self, dn, pw):
        self.ld.simple_bind_s(dn, pw)

    def external(self, authz=""):
        self.ld.sasl_interactive_bind_s("", ldap.sasl.external(authz))

    def scram(self, user, pw, mech="SCRAM-SHA-1"):
        auth = ldap.sasl.sasl({ldap.sasl.CB_AUTHNAME: user, ldap.sasl.CB_USER: "", ldap.sasl.CB_PASS: pw}, mech)
        self.ld.sasl_interactive_bind_s("", auth)

    def whoami(self, controls=None):
        return self.ld.whoami_s(controls)

    # -- writes: each returns the response controls --------------------------------------

    def add(self, dn, attrs, controls=None):
        mods = [(a, octets(v)) for a, v in attrs.items() if v is not None and v != []]
        return self.ld.add_ext_s(dn, mods, controls)[3]

    def modify(self, dn, *, add=None, delete=None, replace=None, controls=None):
        """delete {"attr": None} takes the whole attribute. In this order: delete, add, replace."""
        mods = []
        for op, changes in ((ldap.MOD_DELETE, delete), (ldap.MOD_ADD, add), (ldap.MOD_REPLACE, replace)):
            for a, v in (changes or {}).items():
                mods.append((op, a, None if v is None or v == [] else octets(v)))
        return self.ld.modify_ext_s(dn, mods, controls)[3]

    def delete(self, dn, controls=None):
        return self.ld.delete_ext_s(dn, controls)[3]

    def rename(self, dn, rdn, parent=None, keep_old=False, controls=None):
        return self.ld.rename_s(dn, rdn, parent, 0 if keep_old else 1, controls)[3]

    # -- reads ---------------------------------------------------------------------------

    def search(self, base, filter="(objectClass=*)", attrs=("*", "+"), scope=ldap.SCOPE_SUBTREE, controls=None):
        found = self.ld.search_ext_s(base, scope, filter, list(attrs), serverctrls=controls)
        return [Entry(dn, a) for dn, a in found if dn is not None]

    def get(self, dn, *attrs):
        """The entry, or None."""
        try:
            found = self.search(dn, attrs=attrs or ("*", "+"), scope=ldap.SCOPE_BASE)
        except ldap.NO_SUCH_OBJECT:
            return None
        return found[0] if found else None

    def alive(self):
        """Does the server still answer on this connection?"""
        try:
            self.ld.search_s("", ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"])
            return True
        except ldap.SERVER_DOWN:
            return False
        except ldap.LDAPError as error:  # it was told the end before
            if isinstance(error, (ldap.UNAVAILABLE, ldap.CONNECT_ERROR)):
                return False
            raise

    def closed(self):
        """Has the server closed its end (seen without sending or reading anything)?"""
        fd = self.ld.fileno()
        if fd < 0:
            return True
        poll = select.poll()
        poll.register(fd, select.POLLRDHUP)
        return bool(poll.poll(0))

    def close(self):
        with contextlib.suppress(ldap.LDAPError):
            self.ld.unbind_ext_s()


@contextlib.contextmanager
def refused(code, *words):
    """The block must fail with this exception class, and each word must be in its text."""
    try:
        yield
    except ldap.LDAPError as error:
        info = error.args[0].get("info", "") if error.args else ""
        assert type(error) is code, f"refused with {error!r} instead of {code.__name__}"
        for word in words:
            assert word in info, f"{word!r} is not in the text: {info!r}"
    else:
        raise AssertionError(f"not refused with {code.__name__}")


def b64(value):
    return base64.b64encode(value.encode()).decode()
