"""What a request says in one cookie, one query parameter, or as its languages.

Laws:
1. These readers are lenient: what makes no sense is skipped, nothing is refused and nothing raises.
   What is forwarded is never what they made of it.
2. The first cookie and the first parameter of a name counts, as browsers send the most specific
   cookie first.
3. What is read has a bound: COOKIE_OCTETS, PARAMETERS and LANGUAGES; the rest is as if not there.
"""

from __future__ import annotations

import re

COOKIE_OCTETS = 16 * 1024
"""What is read of all cookies: browsers keep some 4 KiB for each. nginx and HAProxy read as much as
their buffers hold, 8 to 32 KiB."""

PARAMETERS = 1000
"""Query parameters that are read; PHP reads as many."""

LANGUAGES = 32
"""Languages that are read; browsers send some five."""

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_QUALITY = re.compile(rb"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def find_cookie(field: bytes, name: bytes) -> bytes | None:
    """The value of a cookie in a Cookie field, without the quotes around it; None without one.

    The names of cookies differ by case (RFC 6265 5.3).
    """
    if name not in field:
        return None
    for pair in field[:COOKIE_OCTETS].split(b";"):
        found, equals, value = pair.partition(b"=")
        if equals and found.strip() == name:
            return _unquote(value.strip())
    return None


def _unquote(value: bytes) -> bytes:
    if len(value) >= 2 and value[:1] == value[-1:] == b'"':
        return value[1:-1]
    return value


def find_parameter(query: bytes, name: bytes) -> bytes | None:
    """The decoded value of a query parameter, empty without `=`; None without one.

    name: decoded.
    """
    if not query:
        return None
    for pair in query.split(b"&", PARAMETERS)[:PARAMETERS]:
        found, _, value = pair.partition(b"=")
        if found == name or decode_percent(found) == name:
            return decode_percent(value)
    return None


def decode_percent(text: bytes) -> bytes:
    """The octets that a part of a query stands for; escapes that are none stay as they are."""
    if b"+" in text:
        text = text.replace(b"+", b" ")
    if b"%" not in text:
        return text
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), text)


def find_language(field: bytes) -> bytes | None:
    """The language tag that an Accept-Language field likes best, in lower case (RFC 9110 12.5.4).

    Of equals the first. `*` and a quality of 0 name no language; None where none is named.
    """
    best, best_quality = None, 0.0
    for part in field.split(b",", LANGUAGES)[:LANGUAGES]:
        tag, _, weight = part.partition(b";")
        tag, quality = tag.strip().lower(), _read_quality(weight.strip())
        if quality > best_quality and tag and tag != b"*":
            best, best_quality = tag, quality
    return best


def _read_quality(weight: bytes) -> float:
    """The quality that `q=0.8` says; 1 without one, 0 for what is none."""
    if not weight:
        return 1.0
    name, _, value = weight.partition(b"=")
    if name.strip().lower() != b"q" or not _QUALITY.fullmatch(value.strip()):
        return 0.0
    return float(value)
