"""Which requests one stored response is for, beside its key (RFC 9111 4.1).

1. `Vary: *` is for no other request at all; nor is what varies by a field that we set (http1's
   FORWARDED), for what a client sends there is not what the backend saw.
2. Two values are the same when their meaning surely is: lines joined, outer blanks gone; for lists
   of which every server knows the meaning (Accept and its kin), inner blanks and case as well, and
   for Accept-Encoding the order, too.
3. A field that is missing is a value of its own: it matches only where it is missing again.
"""

from __future__ import annotations

from gslb.content.heads import Fields, members
from gslb.http1.fields import FORWARDED

Selector = tuple[tuple[bytes, bytes | None], ...]
"""Names with the values that a request must have for them."""

MAX_NAMES = 16
"""In one Vary: each request is compared by all of them. Real ones have one to five."""

_LISTS = frozenset((b"accept", b"accept-charset", b"accept-encoding", b"accept-language"))


def names_of(fields: Fields) -> tuple[bytes, ...] | None:
    """The names that a response varies by, lower case. None if nobody else can be told to have the
    same: `*`, a field that a proxy sets, more than MAX_NAMES.
    """
    value = fields.get(b"vary")
    if value is None:
        return ()
    names = tuple(sorted({name.lower() for name in members(value)}))
    if b"*" in names or len(names) > MAX_NAMES or not FORWARDED.isdisjoint(names):
        return None
    return names


def select(names: tuple[bytes, ...], request: Fields) -> Selector:
    """What a request has for names."""
    return tuple((name, normal(name, request.get(name))) for name in names)


def is_for(selector: Selector, request: Fields) -> bool:
    """Whether a response with this selector is for a request."""
    return all(normal(name, request.get(name)) == value for name, value in selector)


def normal(name: bytes, value: bytes | None) -> bytes | None:
    """A field's value in the one form of all that mean the same (law 2)."""
    if value is None:
        return None
    if name not in _LISTS:
        return value.strip(b" \t")
    found = [member.replace(b" ", b"").replace(b"\t", b"") for member in members(value.lower())]
    return b",".join(sorted(found) if name == b"accept-encoding" else found)
