r"""Request targets and hosts: which are taken, and what they come to (RFC 9112 3.2, RFC 9110 4.2).

Laws:
1. A target that is taken goes on octet for octet: what a route judged is what the backend reads.
2. A host is lower case without port and final dot, so that every way to write it finds its route.
3. No segment of a path is `.` or `..`, however it is written (`%2e`, after `\` or `%2F`, before
   `;`): routes judge a path by how it begins, backends by where it leads. Browsers and curl resolve
   such segments before they send. Envoy merges them, nginx judges one form and forwards another.
4. The authority of an absolute target is the Host; where a Host line says another, 400.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from gslb.http1.errors import HttpError

_AUTHORITY = re.compile(
    rb"(?:([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?|(\[[0-9a-f:.]{2,45}\]))(?::([0-9]{1,5}))?"
)
_LONGEST_AUTHORITY = 253 + 1 + 6
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)

_DOT_SEGMENT = re.compile(
    rb"(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\;]|%2f|%5c|%3b|\Z)", re.IGNORECASE
)


def has_dot_segment(path: bytes) -> bool:
    """Whether a segment of a path is `.` or `..` (law 3). 0.1 µs without dots or escapes."""
    if b"." not in path and b"%" not in path:
        return False
    return _DOT_SEGMENT.search(path) is not None


@lru_cache(maxsize=1024)
def host_of(authority: bytes) -> bytes:
    """The host that a Host value or an authority names. At most 1024 of 260 octets are remembered:
    a proxy reads the same few all day (0.05 µs against 1 µs).

    Raises: HttpError 400, the client's.
    """
    found = (
        _AUTHORITY.fullmatch(authority.lower()) if len(authority) <= _LONGEST_AUTHORITY else None
    )
    if b"," in authority:
        raise HttpError(400, "two_hosts")
    if found is None or int(found[3] or 0) > 65535 or not _is_literal(found[2]):
        raise HttpError(400, "bad_host")
    return found[1] or found[2]


def _is_literal(literal: bytes | None) -> bool:
    if literal is None:
        return True
    try:
        IPv6Address(literal[1:-1].decode("ascii"))
    except AddressValueError:
        return False
    return True


def resolve_target(target: bytes, method: bytes) -> tuple[bytes, bytes | None]:
    """A target that does not begin with a slash to its origin form, and the authority it names.

    Raises: HttpError 400, the client's.
    """
    if target == b"*" and method == b"OPTIONS":
        return target, None
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise HttpError(400, "bad_target")
    authority, rest = found[1], found[2]
    if not rest and method == b"OPTIONS":
        return b"*", authority
    return (rest if rest[:1] == b"/" else b"/" + rest), authority
