r"""Domain names as uncompressed octets: length-prefixed labels and the root (RFC 1035 3.1).

Keys are lower case in ASCII only: octets from 0x80 on compare exactly (RFC 4343). Text is
dnspython's business, because its escapes (`\.`, `\000`) are right.
"""

from __future__ import annotations

from collections.abc import Iterator

import dns.exception
import dns.name

ROOT = b"\0"
MAX_NAME_OCTETS = 255
MAX_LABEL_OCTETS = 63


class Name(bytes):
    """Octets that are a name: inside rdata they mark what a composer may compress."""

    __slots__ = ()


def from_text(text: str, origin: bytes = ROOT) -> Name:
    """The name that text spells, relative to origin unless it ends with a dot; `@` is origin
    itself.

    Raises ValueError, with a reason for people, when text is no name.
    """
    try:
        base = dns.name.from_wire(origin, 0)[0]
        return from_parsed(dns.name.from_text(text, base))
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{text!r} is not a domain name: {error}") from error


def from_parsed(parsed: dns.name.Name) -> Name:
    """The octets of a name that dnspython holds; it must be absolute."""
    octets = parsed.to_wire()
    assert octets is not None
    return Name(octets)


def to_text(name: bytes) -> str:
    """The name in master file form with its final dot; special octets are escaped."""
    return dns.name.from_wire(name, 0)[0].to_text()


def parent(name: bytes) -> bytes:
    """The name without its first label. The root has no parent and must not be asked for it."""
    return name[name[0] + 1 :]


def ancestors(name: bytes) -> Iterator[bytes]:
    """Every name above, nearest first, down to the root."""
    while name != ROOT:
        name = parent(name)
        yield name


def is_under(name: bytes, top: bytes) -> bool:
    """Whether name is top or lies below it. Both lower case."""
    if name == top:
        return True
    return name.endswith(top) and any(above == top for above in ancestors(name))
