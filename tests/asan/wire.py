"""LDAP requests as bytes (RFC 4511, encoded as in X.690), made without a library that would refuse to.

Every value may be what no client would send: nothing here is checked.
"""


def tlv(tag, body):
    n = len(body)
    if n < 0x80:
        return bytes((tag, n)) + body
    size = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def octets(value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def string(value, tag=0x04):
    return tlv(tag, octets(value))


def integer(value, tag=0x02):
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def boolean(value, tag=0x01):
    return bytes((tag, 1, 0xff if value else 0))


def seq(*parts, tag=0x30):
    return tlv(tag, b"".join(parts))


def strings(values, tag=0x30):
    return seq(*map(string, values), tag=tag)


def control(oid, value=None, critical=False):
    return seq(string(oid), boolean(True) if critical else b"", b"" if value is None else string(value))


def message(number, operation, controls=()):
    return seq(integer(number), operation, seq(*controls, tag=0xa0) if controls else b"")


# -- operations -----------------------------------------------------------------------------

def bind(dn, password):
    return seq(integer(3), string(dn), string(password, 0x80), tag=0x60)


def sasl(mechanism, credentials=None):
    return seq(integer(3), string(""), seq(string(mechanism), b"" if credentials is None else string(credentials), tag=0xa3), tag=0x60)


UNBIND = tlv(0x42, b"")


def attribute(name, values):
    return seq(string(name), strings(values, 0x31))


def add(dn, attrs):
    return seq(string(dn), seq(*(attribute(a, v) for a, v in attrs)), tag=0x68)


def modify(dn, mods):
    """mods: (0 add, 1 delete, 2 replace, 3 increment; name; values)."""
    return seq(string(dn), seq(*(seq(integer(op, 0x0a), attribute(a, v)) for op, a, v in mods)), tag=0x66)


def delete(dn):
    return string(dn, 0x4a)


def rename(dn, rdn, delete_old=True, parent=None):
    return seq(string(dn), string(rdn), boolean(delete_old), b"" if parent is None else string(parent, 0x80), tag=0x6c)


def compare(dn, name, value):
    return seq(string(dn), seq(string(name), string(value)), tag=0x6e)


def search(base, scope, condition, attrs, size=0, types_only=False, deref=0):
    return seq(string(base), integer(scope, 0x0a), integer(deref, 0x0a), integer(size), integer(0), boolean(types_only), condition,
               strings(attrs), tag=0x63)


def abandon(number):
    return integer(number, 0x50)


def extended(oid, value=None):
    return seq(string(oid, 0x80), b"" if value is None else string(value, 0x81), tag=0x77)


# -- filters ----------------------------------------------------------------------------------

def present(name):
    return string(name, 0x87)


def matching(tag, name, value):
    """tag: 0xa3 equality, 0xa5 at least, 0xa6 at most, 0xa8 approximately."""
    return seq(string(name), string(value), tag=tag)


def substrings(name, *parts):
    """parts: (0x80 initial, 0x81 any, 0x82 final; text)."""
    return seq(string(name), seq(*(string(v, t) for t, v in parts)), tag=0xa4)


def extensible(rule, name, value, dn=False):
    return seq(b"" if rule is None else string(rule, 0x81), b"" if name is None else string(name, 0x82), string(value, 0x83),
               boolean(dn, 0x84), tag=0xa9)


def combined(tag, *filters):
    """tag: 0xa0 and, 0xa1 or, 0xa2 not."""
    return seq(*filters, tag=tag)


# -- answers ----------------------------------------------------------------------------------

MORE = {0x64, 0x73, 0x79}  # an entry, a reference, an intermediate response: not the last of its request


class Answers:
    """Takes a stream of answers apart: (message id, tag, result code) of each."""

    def __init__(self):
        self.buffer = b""

    @staticmethod
    def header(data, at):
        """(tag, length, where the contents begin), or None when there is not enough yet."""
        if len(data) < at + 2:
            return None
        n, begin = data[at + 1], at + 2
        if n & 0x80:
            begin += n & 0x7f
            if len(data) < begin:
                return None
            n = int.from_bytes(data[at + 2:begin], "big")
        return data[at], n, begin

    def feed(self, data):
        self.buffer += data
        at, out = 0, []
        while True:
            head = self.header(self.buffer, at)
            if head is None or len(self.buffer) < head[2] + head[1]:
                break
            _, length, begin = head
            _, n, body = self.header(self.buffer, begin)
            number = int.from_bytes(self.buffer[body:body + n], "big", signed=True)
            tag, _, inner = self.header(self.buffer, body + n)
            code = self.buffer[inner + 2] if tag not in MORE else None
            if code is not None:
                size = self.buffer[inner + 1]
                code = int.from_bytes(self.buffer[inner + 2:inner + 2 + size], "big")
            out.append((number, tag, code))
            at = begin + length
        self.buffer = self.buffer[at:]
        return out
