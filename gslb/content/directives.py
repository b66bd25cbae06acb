"""Cache-Control as values: what a client wishes, what a backend allows (RFC 9111 5.2, RFC 5861).

1. Names without regard to case; `max-age="5"` reads as `max-age=5` (RFC 9111 5.2).
2. A number that is none, or that comes twice and differs, is 0: careful, that is stale (4.2.1).
   Large ones are MAX_SECONDS (1.2.2).
3. `no-cache="..."` and `private="..."` hold for the whole response, as 5.2.2 allows.
4. `Pragma: no-cache` is `no-cache` where a request has no Cache-Control (5.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from gslb.content.heads import Fields, members, unquoted

MAX_SECONDS = 2**31
"""What larger numbers are read as: 68 years, RFC 9111 1.2.2."""

_MAX_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a request says. Seconds; None is not said. max_stale: inf for any."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age_s: float | None = None
    min_fresh_s: float = 0.0
    max_stale_s: float = 0.0
    if_error_s: float = 0.0

    @property
    def is_picky(self) -> bool:
        """Whether it asks for something fresher than what is merely fresh."""
        return self.no_cache or self.max_age_s is not None or self.min_fresh_s > 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What a response says. Seconds; None is not said."""

    no_store: bool = False
    no_cache: bool = False
    private: bool = False
    public: bool = False
    must_revalidate: bool = False
    must_understand: bool = False
    max_age_s: float | None = None
    s_maxage_s: float | None = None
    while_s: float = 0.0
    if_error_s: float = 0.0


NO_WISHES = Wishes()


def read_wishes(fields: Fields) -> Wishes:
    """What a request's fields say about caches."""
    value = fields.get(b"cache-control")
    if value is None:
        value = fields.get(b"pragma")
        has_pragma = value is not None and b"no-cache" in _directives(value)
        return Wishes(no_cache=True) if has_pragma else NO_WISHES
    found = _directives(value)
    # Without a number it takes any staleness (5.2.1.2).
    max_stale = inf if found.get(b"max-stale", b"") is None else _maybe_s(found, b"max-stale")
    return Wishes(
        no_cache=b"no-cache" in found,
        no_store=b"no-store" in found,
        only_if_cached=b"only-if-cached" in found,
        max_age_s=_maybe_s(found, b"max-age"),
        min_fresh_s=_maybe_s(found, b"min-fresh") or 0.0,
        max_stale_s=max_stale or 0.0,
        if_error_s=_maybe_s(found, b"stale-if-error") or 0.0,
    )


def read_terms(fields: Fields) -> Terms:
    """What a response's fields say about caches."""
    value = fields.get(b"cache-control")
    if value is None:
        return Terms()
    found = _directives(value)
    return Terms(
        no_store=b"no-store" in found,
        no_cache=b"no-cache" in found,
        private=b"private" in found,
        public=b"public" in found,
        must_revalidate=b"must-revalidate" in found or b"proxy-revalidate" in found,
        must_understand=b"must-understand" in found,
        max_age_s=_maybe_s(found, b"max-age"),
        s_maxage_s=_maybe_s(found, b"s-maxage"),
        while_s=_maybe_s(found, b"stale-while-revalidate") or 0.0,
        if_error_s=_maybe_s(found, b"stale-if-error") or 0.0,
    )


def maybe_seconds(value: bytes | None) -> float | None:
    """A number of seconds, None for what is none (RFC 9111 1.2.2)."""
    if value is None or not value.isdigit():
        return None
    return float(min(int(value), MAX_SECONDS)) if len(value) <= _MAX_DIGITS else MAX_SECONDS


def _directives(value: bytes) -> dict[bytes, bytes | None]:
    """Names to arguments; None has none, and what is contradicted is empty (law 2)."""
    found: dict[bytes, bytes | None] = {}
    for member in members(value):
        name, has_argument, argument = member.partition(b"=")
        name = name.strip(b" \t").lower()
        said = unquoted(argument.strip(b" \t")) if has_argument else None
        found[name] = said if found.get(name, said) == said else b""
    return found


def _maybe_s(found: dict[bytes, bytes | None], name: bytes) -> float | None:
    """Seconds of a directive; None without it, 0 where its number is none (law 2)."""
    return (maybe_seconds(found[name]) or 0.0) if name in found else None
