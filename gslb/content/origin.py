"""Whether Location or Content-Location names something of the same origin (RFC 9111 4.4)."""

from __future__ import annotations

import re

from gslb.content.entry import Key

_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


def same_origin_target(key: Key, reference: bytes) -> bytes | None:
    """The target that a reference leads to from a key, None if it is of another origin.

    RFC 3986 5.2, without the fragment. User information counts as another origin.
    """
    scheme, authority, target = key
    rest = reference.partition(b"#")[0]
    absolute = _ABSOLUTE.fullmatch(rest)
    if absolute is not None:
        if absolute[1].lower() != scheme:
            return None
        rest = absolute[2]
        if not rest.startswith(b"//"):
            return None
    if rest.startswith(b"//"):
        found, slash, path = rest[2:].partition(b"/")
        found, _, query = found.partition(b"?")
        if found.lower() != authority:
            return None
        rest = slash + path if slash else b"/" + (b"?" + query if query else b"")
    return _resolved(target, rest)


def _resolved(target: bytes, rest: bytes) -> bytes:
    """A reference without scheme and authority, seen from a target."""
    base, _, _ = target.partition(b"?")
    path, mark, query = rest.partition(b"?")
    if not path:
        return base + mark + query if mark else target
    if not path.startswith(b"/"):
        path = base[: base.rfind(b"/") + 1] + path
    return _without_dots(path) + mark + query


def _without_dots(path: bytes) -> bytes:
    """A path without `.` and `..` (RFC 3986 5.2.4)."""
    kept: list[bytes] = []
    *folders, last = path.split(b"/")[1:]
    for folder in folders:
        if folder == b"..":
            del kept[-1:]
        elif folder != b".":
            kept.append(folder)
    if last == b"..":
        del kept[-1:]
    if last in (b".", b".."):
        last = b""
    return b"/" + b"/".join((*kept, last))
