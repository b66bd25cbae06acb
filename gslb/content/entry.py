"""One stored response, and how old and how good it is (RFC 9111 4.2).

1. Lifetime: s-maxage, else max-age, else Expires - Date, else a tenth of the age that Last-Modified
   had then, at most HEURISTIC_MAX_S (4.2.1, 4.2.2); else none.
2. Age: the larger of what Date and what Age say, the time that the exchange took added to the
   latter, and the time since (4.2.3). A clock that goes back makes nothing younger than it was.
3. An entry is never changed but for what the cache notes about it: new headers are a new entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gslb.content.directives import Terms, maybe_seconds, read_terms
from gslb.content.heads import Fields, compose_date, is_tag, maybe_date, members
from gslb.content.vary import Selector
from gslb.http1.answer import Response
from gslb.http1.fields import HOP_BY_HOP, list_named, name_of

HEURISTIC_SHARE = 0.1
HEURISTIC_MAX_S = 3600.0
"""What is fresh without a word from the backend, at most. A tenth is what RFC 9111 4.2.2 names; the
hour is shorter than elsewhere (mod_cache a day, Squid three), because the backends are ours: they
can say how long, and asking them again is near.
"""
ENTRY_OCTETS = 1024
"""Counted for each entry beside its octets: its object and the tables that name it."""
LINE_OCTETS = 128
"""Counted for each line beside its octets: two objects and their places."""

Key = tuple[bytes, bytes, bytes]
"""Scheme, authority and target: parts, so that no authority can be read as part of a target."""

# Of one connection (RFC 9110 7.6.1, RFC 9111 3.1), or said anew with each answer.
_NOT_KEPT = HOP_BY_HOP | {b"proxy-authentication-info", b"content-length", b"age"}


@dataclass(eq=False, slots=True)
class Entry:
    """A response that was stored. at: when its head came, Unix seconds. raw: its lines, without Age
    and Content-Length.

    selector: see gslb.content.vary. is_public: the backend allowed everybody to have it. is_stored:
    a cache holds it. refreshed_at: when somebody was last told to revalidate it behind an answer.
    """

    key: Key
    selector: Selector
    status: int
    reason: bytes
    raw: tuple[bytes, ...]
    body: bytes
    at: float
    age_at_s: float
    lifetime_s: float
    terms: Terms
    etag: bytes | None
    modified: bytes | None
    is_public: bool
    is_stored: bool = False
    refreshed_at: float | None = None

    @property
    def octets(self) -> int:
        """What it counts against the bound of its cache."""
        return len(self.body) + head_octets(self.key, self.selector, self.raw)

    def age_s(self, at: float) -> float:
        """Its age (law 2)."""
        return self.age_at_s + max(0.0, at - self.at)

    def fresh_s(self, at: float) -> float:
        """How long it is fresh yet; what is not above 0 is how long it has been stale."""
        return self.lifetime_s - self.age_s(at)

    @property
    def may_be_stale(self) -> bool:
        """Whether it may be served stale at all (4.2.4): s-maxage forbids it, too (5.2.2.10)."""
        terms = self.terms
        return not (terms.no_cache or terms.must_revalidate or terms.s_maxage_s is not None)


@dataclass(frozen=True, slots=True)
class Exchange:
    """When it was asked for and when the head came, Unix seconds."""

    asked_at: float
    at: float


def make_entry(key: Key, selector: Selector, response: Response, exchange: Exchange) -> Entry:
    """What is stored of a response, without its body."""
    fields = response.fields
    terms = read_terms(fields)
    etag, modified = validators(fields)
    return Entry(
        key=key,
        selector=selector,
        status=response.status,
        reason=response.reason,
        raw=kept_lines(response.raw, fields, exchange.at),
        body=b"",
        at=exchange.at,
        age_at_s=age_at_s(fields, exchange),
        lifetime_s=lifetime_s(terms, fields, exchange.at),
        terms=terms,
        etag=etag,
        modified=modified,
        is_public=is_public(terms),
    )


def is_public(terms: Terms) -> bool:
    """Whether those with Authorization and those without may have one answer (RFC 9111 3.5)."""
    return terms.public or terms.s_maxage_s is not None


def is_explicit(terms: Terms, fields: Fields) -> bool:
    """Whether the backend said how long a shared cache may keep it."""
    return terms.s_maxage_s is not None or terms.max_age_s is not None or b"expires" in fields


def lifetime_s(terms: Terms, fields: Fields, at: float) -> float:
    """How long a response is fresh, from its Date on (law 1). at: when it came."""
    if terms.s_maxage_s is not None:
        return terms.s_maxage_s
    if terms.max_age_s is not None:
        return terms.max_age_s
    date = maybe_date(fields.get(b"date"))
    date = at if date is None else date
    if b"expires" in fields:
        expires = maybe_date(fields[b"expires"])
        return max(0.0, expires - date) if expires is not None else 0.0  # `0` is the past (5.3)
    modified = maybe_date(fields.get(b"last-modified"))
    if modified is None:
        return 0.0
    return min(max(0.0, date - modified) * HEURISTIC_SHARE, HEURISTIC_MAX_S)


def age_at_s(fields: Fields, exchange: Exchange) -> float:
    """How old a response was when it came (4.2.3). Of several Age values the first counts (5.1)."""
    date = maybe_date(fields.get(b"date"))
    apparent = 0.0 if date is None else max(0.0, exchange.at - date)
    said = members(fields.get(b"age", b""))
    age = (maybe_seconds(said[0]) or 0.0) if said else 0.0
    return max(apparent, age + max(0.0, exchange.at - exchange.asked_at))


def kept_lines(raw: Sequence[bytes], fields: Fields, at: float) -> tuple[bytes, ...]:
    """The lines of a response that are stored; a Date is added where there is none."""
    gone = _NOT_KEPT | list_named(fields.get(b"connection", b""))
    kept = tuple(line for line in raw if name_of(line) not in gone)
    return kept if b"date" in fields else (*kept, b"Date: " + compose_date(at))


def validators(fields: Fields) -> tuple[bytes | None, bytes | None]:
    """The entity tag and the Last-Modified of a response, each None where it is none."""
    etag, modified = fields.get(b"etag"), fields.get(b"last-modified")
    return (
        etag if etag is not None and is_tag(etag) else None,
        modified if maybe_date(modified) is not None else None,
    )


def head_octets(key: Key, selector: Selector, raw: Sequence[bytes]) -> int:
    """What an entry counts beside its body."""
    named = sum(len(name) + len(value or b"") for name, value in selector)
    lines = LINE_OCTETS * (len(selector) + len(raw))
    return ENTRY_OCTETS + sum(map(len, key)) + named + sum(map(len, raw)) + lines
