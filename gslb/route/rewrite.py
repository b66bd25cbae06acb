"""What becomes of a target on its way to a backend, and where a redirect leads.

Laws:
1. Only the path is rewritten; the query goes on octet by octet.
2. A prefix is stripped at the border of a segment only: `/shop` from `/shop` and `/shop/x`, never
   from `/shopping`.
3. A regular expression is replaced wherever it matches, as Python's `re.sub` does.
4. A rewritten path begins with `/`. What a path must not hold is escaped where it comes from the
   operator's text, so a replacement can end neither the path nor the line; the rest is as http1
   took it. One that has a segment `.` or `..` now, as a regular expression may make one of what a
   client sent, is refused.
5. A target that is no path (`OPTIONS *`) is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from gslb.model.proxy import Redirect, Rewrite

if TYPE_CHECKING:
    from gslb.http1.head import Request

PathChange = Callable[[bytes], bytes]

_NOT_IN_PATH = re.compile(rb"[^!-~]|[?#]")
_NOT_IN_TARGET = re.compile(rb"[^!-~]|#")
_PORT = re.compile(rb":[0-9]*\Z")
_SLASHES = re.compile(rb"\A/{2,}")


def compile_rewrite(rewrite: Rewrite) -> PathChange | None:
    """What rewrites paths, None where there is nothing to do.

    Raises ValueError, the operator's fault, for a pattern or replacement that is none.
    """
    strip = _compile_strip(rewrite.strip_prefix)
    replace = _compile_regex(rewrite.regex, rewrite.replacement)
    add = _compile_add(rewrite.add_prefix)
    steps = [step for step in (strip, replace, add) if step is not None]
    if len(steps) <= 1:
        return steps[0] if steps else None

    def change(path: bytes) -> bytes:
        for step in steps:
            path = step(path)
        return path

    return change


def _compile_strip(prefix: str | None) -> PathChange | None:
    octets = (prefix or "").rstrip("/").encode()
    if not octets:
        return None
    border, length = octets + b"/", len(octets)

    def strip(path: bytes) -> bytes:
        if path.startswith(border):
            return path[length:]
        return b"/" if path == octets else path

    return strip


def _compile_regex(regex: str | None, replacement: str) -> PathChange | None:
    if regex is None:
        return None
    template = replacement.encode()
    try:
        pattern = re.compile(regex.encode())
        pattern.sub(template, b"")  # a group that there is not is found here
    except (re.error, IndexError) as error:
        raise ValueError(f"rewrite: {regex!r} -> {replacement!r}: {error}") from error

    def replace(path: bytes) -> bytes:
        if path[:1] != b"/":
            return path
        path = _escape(pattern.sub(template, path), _NOT_IN_PATH)
        return path if path[:1] == b"/" else b"/" + path

    return replace


def _compile_add(prefix: str | None) -> PathChange | None:
    octets = _escape((prefix or "").rstrip("/").encode(), _NOT_IN_PATH)
    if not octets:
        return None
    if octets[:1] != b"/":
        octets = b"/" + octets
    return lambda path: octets + path if path[:1] == b"/" else path


def _escape(text: bytes, unsafe: re.Pattern[bytes]) -> bytes:
    return unsafe.sub(lambda found: b"%%%02X" % found[0][0], text)


def compose_location(redirect: Redirect, request: Request, *, scheme: bytes) -> bytes:
    """The Location of a redirect, an absolute one unless the request names no host.

    scheme: the request's. A path of the redirect keeps the query of the request unless it brings
    its own. A port is kept with the scheme that it is of.
    """
    target = _escape(_redirected_target(redirect, request), _NOT_IN_TARGET)
    new_scheme = redirect.scheme.encode() if redirect.scheme else scheme
    if redirect.host:
        authority = redirect.host.encode()
    elif new_scheme == scheme:
        authority = request.authority
    else:
        authority = _PORT.sub(b"", request.authority)
    if not authority:  # `//there` would be another host
        return _SLASHES.sub(b"/", target)
    return b"%b://%b%b" % (new_scheme, _escape(authority, _NOT_IN_TARGET), target)


def _redirected_target(redirect: Redirect, request: Request) -> bytes:
    if redirect.path is None:
        target = request.target
        return target if target[:1] == b"/" else b"/"
    path = redirect.path.encode()
    if path[:1] != b"/":
        path = b"/" + path
    return path if b"?" in path else path + request.target[len(request.path) :]
