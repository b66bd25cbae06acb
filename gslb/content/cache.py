"""A shared cache in memory (RFC 9111), for one route of one proxy.

1. Key: scheme, authority (lower case) and target; within it by Vary (gslb.content.vary). Only
   answers to GET are stored, for GET and HEAD. So hosts, methods and targets never mix; what may be
   stored and answered at all is in gslb.content.cache_rules.
2. What is held, recordings on the way included, never counts more than max_octets; the least
   recently used entries go first, and of one key the oldest beyond MAX_VARIANTS.
3. An unsafe request that was not refused takes away what is stored for its target, and for
   Location and Content-Location of the same origin, and ends recordings of these (4.4): what was
   asked for before it may be old.
4. A 304 renews the entry that was asked about, if it is about that one (4.3.4). Set-Cookie of a 304
   is for that client only: the renewed entry then answers this one request and is kept no more.
5. Any other answer below 500 to a revalidation means that the old entry is no longer so: it is
   replaced once the new one is whole, or goes at once if that is not stored.
6. A header that is neither in the key nor in Vary, but changes what backends say, poisons any
   shared cache. Those by which the client's origin is told (X-Forwarded-For, -Host, -Proto,
   X-Real-IP) are set by us and never come from strangers. A backend that reads others must name
   them in Vary.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from gslb.content.cache_rules import (
    Action,
    Refusal,
    Visit,
    decide,
    judge,
    judge_terms,
    may_serve_on_error,
    maybe_bypass,
)
from gslb.content.directives import read_wishes
from gslb.content.entry import Entry, Exchange, Key, head_octets, make_entry
from gslb.content.heads import is_tag, make_response, weakened, with_lines
from gslb.content.origin import same_origin_target
from gslb.content.vary import is_for, names_of, select
from gslb.http1.answer import Response
from gslb.http1.fields import name_of
from gslb.http1.head import Request
from gslb.model.proxy import CacheSettings

MAX_VARIANTS = 16
"""Of one key. A backend that varies by User-Agent fills this at once and gains nothing by more."""

_SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
_CONDITIONS = frozenset((b"if-none-match", b"if-modified-since"))
_OF_THE_BODY = frozenset(
    (b"content-length", b"content-encoding", b"content-type", b"content-range")
)


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the cache says to a request. entry: to answer with, to ask about, or None."""

    action: Action
    visit: Visit
    entry: Entry | None = None

    @property
    def may_serve_on_error(self) -> bool:
        """Whether the entry may answer if the backend fails (RFC 5861 4)."""
        return may_serve_on_error(self.entry, self.visit)

    @property
    def may_wait(self) -> bool:
        """Whether somebody else's answer may do for this request, too (collapsed forwarding)."""
        visit = self.visit
        return (
            self.action in (Action.FORWARD, Action.REVALIDATE)
            and visit.request.method == b"GET"
            and not visit.wishes.is_picky
            and not visit.wishes.no_store
            and b"authorization" not in visit.request.fields
        )


@dataclass(slots=True)
class Counts:
    """How often what happened since the cache was made. refused: by the reason."""

    hits: int = 0
    stale_hits: int = 0
    misses: int = 0
    revalidations: int = 0
    bypasses: int = 0
    stored: int = 0
    freshened: int = 0
    evicted: int = 0
    invalidated: int = 0
    refused: dict[Refusal, int] = field(default_factory=dict)


class Cache:
    """What a route has stored, and the rules of it. Every time is Unix seconds."""

    def __init__(self, settings: CacheSettings) -> None:
        self.counts = Counts()
        self._settings = settings
        self._entries: dict[Key, list[Entry]] = {}
        self._by_use: OrderedDict[Entry, None] = OrderedDict()
        self._recordings: dict[Key, set[Recording]] = {}
        self._octets = 0
        self._recorded = 0

    @property
    def octets(self) -> int:
        """What is held, recordings included."""
        return self._octets

    def __len__(self) -> int:
        return len(self._by_use)

    # ---------------------------------------------------------------- asking

    def lookup(self, request: Request, *, at: float, scheme: bytes = b"http") -> Lookup:
        """What to do with a request. A hit costs 5 us."""
        visit = Visit(request, key_of(request, scheme), read_wishes(request.fields), at)
        if maybe_bypass(request) is not None:
            self.counts.bypasses += 1
            action = Action.REFUSE if visit.wishes.only_if_cached else Action.BYPASS
            return Lookup(action, visit)
        entry = self._find(visit)
        action = decide(entry, visit)
        self._count(action, entry, at)
        if entry is not None:
            self._by_use.move_to_end(entry)
        return Lookup(action, visit, entry)

    def _find(self, visit: Visit) -> Entry | None:
        """The newest entry that fits; law 9 of the rules."""
        is_authorized = b"authorization" in visit.request.fields
        for entry in reversed(self._entries.get(visit.key, ())):
            if (entry.is_public or not is_authorized) and is_for(
                entry.selector, visit.request.fields
            ):
                return entry
        return None

    def _count(self, action: Action, entry: Entry | None, at: float) -> None:
        counts = self.counts
        if action in (Action.SERVE, Action.REFRESH):
            counts.hits += 1
            counts.stale_hits += entry is not None and entry.fresh_s(at) <= 0
        elif action is Action.REVALIDATE:
            counts.revalidations += 1
        else:
            counts.misses += 1

    # ---------------------------------------------------------------- storing

    def begin(self, lookup: Lookup, response: Response, *, at: float) -> Recording | None:
        """What takes the body of a response as it streams by, None if it is not to be stored.

        Whoever gets one ends it by `finish` or `drop`. at: now that the head is here.
        """
        refusal = self._judge(lookup, response, at)
        if refusal is not None:
            if lookup.visit.request.method == b"GET" and response.status < 500:
                self._discard(lookup.entry)  # law 5
            self._refuse(refusal)
            return None
        entry = _compose_entry(lookup.visit, response, at)
        octets = head_octets(entry.key, entry.selector, entry.raw)
        if not self.reserve(octets):
            self._refuse(Refusal.NO_ROOM)
            return None
        recording = Recording(self, entry, expected=response.body, octets=octets)
        self._recordings.setdefault(entry.key, set()).add(recording)
        return recording

    def _refuse(self, refusal: Refusal) -> None:
        refused = self.counts.refused
        refused[refusal] = refused.get(refusal, 0) + 1

    def _judge(self, lookup: Lookup, response: Response, at: float) -> Refusal | None:
        refusal = judge(lookup.visit, response, at)
        if refusal is None and response.body > self.max_entry_octets:
            return Refusal.TOO_LARGE
        return refusal

    @property
    def max_entry_octets(self) -> int:
        """How long a body may be."""
        return min(self._settings.max_entry_octets, self._settings.max_octets)

    def reserve(self, octets: int) -> bool:
        """Count octets of a recording, False if there is no room. For recordings."""
        if not self._make_room(octets):
            return False
        self._octets += octets
        self._recorded += octets
        return True

    def end(self, recording: Recording, entry: Entry | None) -> None:
        """Take what a recording has counted out, and its entry in. For recordings."""
        self._octets -= recording.octets
        self._recorded -= recording.octets
        among = self._recordings[recording.key]
        among.discard(recording)
        if not among:
            del self._recordings[recording.key]
        if entry is not None and self._store(entry):
            self.counts.stored += 1

    def _make_room(self, octets: int) -> bool:
        """Evict what was not used for longest until octets fit; False, and nobody goes, if they
        cannot.
        """
        if self._recorded + octets > self._settings.max_octets:
            return False
        while self._octets + octets > self._settings.max_octets:
            self._remove(next(iter(self._by_use)))
            self.counts.evicted += 1
        return True

    def _store(self, entry: Entry) -> bool:
        variants = self._entries.get(entry.key, [])
        for old in [each for each in variants if each.selector == entry.selector]:
            self._remove(old)
        for old in list(self._entries.get(entry.key, ()))[: 1 - MAX_VARIANTS]:
            self._remove(old)
            self.counts.evicted += 1
        octets = entry.octets
        if not self._make_room(octets):
            return False
        self._octets += octets
        entry.is_stored = True
        self._entries.setdefault(entry.key, []).append(entry)
        self._by_use[entry] = None
        return True

    def _remove(self, entry: Entry) -> None:
        entry.is_stored = False
        self._octets -= entry.octets
        del self._by_use[entry]
        variants = self._entries[entry.key]
        variants.remove(entry)
        if not variants:
            del self._entries[entry.key]

    def _discard(self, entry: Entry | None) -> None:
        if entry is not None and entry.is_stored:
            self._remove(entry)

    # ---------------------------------------------------------------- revalidating

    def freshen(self, lookup: Lookup, response: Response, *, at: float) -> Entry | None:
        """What a 304 makes of the entry that was asked about: answer with it (law 4).

        None: the 304 is about something else, and the entry is gone; ask again without conditions.
        """
        entry = lookup.entry
        assert entry is not None
        fields = response.fields
        if not _is_about(entry, fields.get(b"etag")):
            self._discard(entry)
            return None
        renewed = _renew(entry, lookup.visit, response, at)
        is_kept = judge_terms(lookup.visit, entry.status, renewed.terms, fields) is None
        was_stored = entry.is_stored
        self._discard(entry)
        if is_kept and was_stored:  # what was evicted or invalidated meanwhile stays away
            self.counts.freshened += self._store(renewed)
        return renewed

    # ---------------------------------------------------------------- invalidating

    def invalidate(self, request: Request, response: Response, *, scheme: bytes = b"http") -> None:
        """Forget what a request has changed, if it has (law 3). For every answer of the route."""
        if request.method in _SAFE or not 200 <= response.status < 400:
            return
        key = key_of(request, scheme)
        fields = response.fields
        named = (fields.get(b"location"), fields.get(b"content-location"))
        targets = {same_origin_target(key, value) for value in named if value is not None}
        for target in {key[2], *targets}:
            if target is not None:
                self._forget((key[0], key[1], target))

    def _forget(self, key: Key) -> None:
        for entry in list(self._entries.get(key, ())):
            self._remove(entry)
            self.counts.invalidated += 1
        for recording in list(self._recordings.get(key, ())):
            recording.drop()


class Recording:
    """A body on its way into a cache. Nothing of it is seen before `finish`."""

    __slots__ = ("_body", "_cache", "_entry", "_expected", "is_over", "key", "octets")

    def __init__(self, cache: Cache, entry: Entry, *, expected: int, octets: int) -> None:
        self._cache = cache
        self._entry = entry
        self._expected = expected
        self._body = bytearray()
        self.key = entry.key
        self.octets = octets
        self.is_over = False

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Add octets of the body; one that grows too large is given up."""
        if self.is_over:
            return
        if len(self._body) + len(data) > self._cache.max_entry_octets:
            self.drop()
        elif self._take(len(data)):
            self._body += data

    def finish(self) -> bool:
        """Store it now that the body ended well, and say whether it was (RFC 9111 3.3)."""
        if self.is_over:
            return False
        if 0 <= self._expected != len(self._body):
            self.drop()
            return False
        self.is_over = True
        self._entry.body = bytes(self._body)
        self._cache.end(self, self._entry)
        self._body = bytearray()
        return self._entry.is_stored

    def drop(self) -> None:
        """Store nothing: it was broken off, or is old by now."""
        if not self.is_over:
            self.is_over = True
            self._body = bytearray()
            self._cache.end(self, None)

    def _take(self, octets: int) -> bool:
        if self._cache.reserve(octets):
            self.octets += octets
            return True
        self.drop()
        return False


def key_of(request: Request, scheme: bytes) -> Key:
    """What a request is stored under (law 1)."""
    return (scheme, request.authority.lower(), request.target)


def revalidation(lookup: Lookup) -> Request:
    """The request that asks the backend about an entry, with our conditions instead of the client's
    (4.3.1); without an entry to ask about, the request as it is.
    """
    entry, request = lookup.entry, lookup.visit.request
    if entry is None or lookup.action not in (Action.REVALIDATE, Action.REFRESH):
        return request
    raw = [line for line in request.raw if name_of(line) not in _CONDITIONS]
    if entry.etag is not None:
        raw.append(b"If-None-Match: " + entry.etag)
    if entry.modified is not None:
        raw.append(b"If-Modified-Since: " + entry.modified)
    return with_lines(request, raw)


def _compose_entry(visit: Visit, response: Response, at: float) -> Entry:
    names = names_of(response.fields)
    assert names is not None  # judged before
    return make_entry(
        visit.key, select(names, visit.request.fields), response, Exchange(visit.at, at)
    )


def _is_about(entry: Entry, etag: bytes | None) -> bool:
    """Whether a 304 with this tag can be about an entry: the tag, if any, is the entry's."""
    if etag is None or not is_tag(etag):
        return True
    return entry.etag is not None and weakened(etag) == weakened(entry.etag)


def _renew(entry: Entry, visit: Visit, response: Response, at: float) -> Entry:
    """The entry with the headers of a 304 (3.2): its own where the 304 has none of that name, but
    for Date, which would make it as old as it was. What describes the stored body stays.
    """
    new = [line for line in response.raw if name_of(line) not in _OF_THE_BODY]
    named = {name_of(line) for line in new} | {b"date"}
    raw = [*(line for line in entry.raw if name_of(line) not in named), *new]
    head = make_response(entry.status, entry.reason, raw, body=len(entry.body))
    names = names_of(head.fields)
    selector = entry.selector if names is None else select(names, visit.request.fields)
    renewed = make_entry(entry.key, selector, head, Exchange(visit.at, at))
    renewed.body = entry.body
    return renewed
