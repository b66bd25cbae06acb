"""What a route's cache does to an exchange; the rules are in `gslb.content`.

Laws:
1. Who is served from the cache asks no backend. Who may wait for another's answer to the same
   question waits for it, and looks again when that has landed; if there is nothing, it goes by
   itself. Where the other one's client has left, that says nothing of the answer: one of those who
   wait asks in its place.
2. Whoever flies for others lands: at the latest when its exchange is over, however it ends.
3. An old entry is better than an error where the backend has allowed it (RFC 5861 4).
4. What is refreshed behind an answer has no client; nobody waits for it.
"""

from __future__ import annotations

from time import monotonic
from time import time as unix_time
from typing import TYPE_CHECKING

from gslb.content.answer import entry_response
from gslb.content.cache import Cache, Lookup, Recording, revalidation
from gslb.content.cache_rules import Action
from gslb.content.entry import Entry
from gslb.content.flights import Flights, Seat
from gslb.http1.errors import BadAnswer
from gslb.model.proxy import CacheSettings

if TYPE_CHECKING:
    from gslb.content.answer import Answer
    from gslb.http1.answer import Response
    from gslb.http1.head import Request
    from gslb.proxy.exchange import Exchange

STRAY_304 = "stray_304"
"""The reason of a BadAnswer: the backend says that something holds which is not what was asked."""

ERRORS = (500, 502, 503, 504)
"""What a stale entry may stand in for (RFC 5861 4)."""


class RouteCache:
    """The cache of one route in one worker, and who waits for what is on its way into it."""

    def __init__(self, settings: CacheSettings) -> None:
        self.settings = settings
        self.cache = Cache(settings)
        self.flights: Flights[Exchange] = Flights()


class Visit:
    """An exchange's business with a cache. leads: others may wait for its answer."""

    __slots__ = ("_has_landed", "_recording", "_route", "is_over", "leads", "lookup")

    def __init__(self, route: RouteCache, lookup: Lookup) -> None:
        self.lookup = lookup
        self.leads = False
        self.is_over = False
        self._route = route
        self._has_landed = False
        self._recording: Recording | None = None

    def request(self, request: Request) -> Request:
        """What the backend is asked: whether an entry still holds, or for all of it."""
        return revalidation(self.lookup) if self._is_asking else request

    @property
    def _is_asking(self) -> bool:
        return self.lookup.action is Action.REVALIDATE and self.lookup.entry is not None

    def may_stand_in(self) -> bool:
        """Whether there is an old entry that may answer instead of an error (law 3)."""
        return self.lookup.may_serve_on_error

    def stale(self, request: Request) -> Answer:
        """That entry as the answer."""
        entry = self.lookup.entry
        assert entry is not None
        return entry_response(entry, request, at=unix_time())

    def take(self, exchange: Exchange, response: Response) -> Answer | None:
        """Hears the head of the answer: what to say in its place, None passes it on.

        Raises BadAnswer for a 304 about something else; the request is then one for all of it.
        """
        at = unix_time()
        cache = self._route.cache
        scheme = exchange.client.via.scheme
        cache.invalidate(exchange.request, response, scheme=scheme)
        if response.status == 304 and self._is_asking:
            entry = cache.freshen(self.lookup, response, at=at)
            if entry is None:
                self.lookup = Lookup(Action.FORWARD, self.lookup.visit)
                raise BadAnswer(STRAY_304)
            return entry_response(entry, exchange.request, at=at)
        if response.status in ERRORS and self.may_stand_in():
            return self.stale(exchange.request)
        if self.lookup.action is not Action.BYPASS:
            self._recording = cache.begin(self.lookup, response, at=at)
            if self._recording is None:
                self._land(exchange, is_shared=False)
        return None

    def feed(self, data: bytes) -> None:
        """Content of the answer."""
        if self._recording is not None:
            self._recording.feed(data)

    def finish(self) -> None:
        """The answer is whole."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.finish()

    def end(self, exchange: Exchange) -> None:
        """The exchange is over (law 2)."""
        if self.is_over:
            return
        self.is_over = True
        if self._recording is not None:
            self._recording.drop()
        self._route.flights.leave(self.lookup.visit.key, exchange)
        self._land(exchange, is_shared=True)

    def _land(self, exchange: Exchange, *, is_shared: bool) -> None:
        if not self.leads or self._has_landed:
            return
        self._has_landed = True
        flights, key = self._route.flights, self.lookup.visit.key
        waiting = flights.land(key) if is_shared else flights.land_alone(key, now=monotonic())
        look = take_over if exchange.ended_by == "client" else look_again
        for other in waiting:
            exchange.loop.call_soon(look, other)


def serve_from_cache(exchange: Exchange, route: RouteCache) -> bool:
    """Whether the cache takes care of a request: by an answer, or by having it wait for one."""
    lookup = _look(exchange, route)
    visit = exchange.visit = Visit(route, lookup)
    if _serve(exchange, lookup):
        return True
    if not lookup.may_wait:
        return False
    seat = route.flights.join(lookup.visit.key, exchange, now=monotonic())
    visit.leads = seat is Seat.LEADS
    if seat is Seat.WAITS:
        exchange.note("cache", "waited")
        exchange.await_answer(monotonic())
    return seat is Seat.WAITS


def look_again(exchange: Exchange) -> None:
    """What it waited for has landed (law 1)."""
    if exchange.is_done or exchange.lane is None:
        return
    route = exchange.tier.caches.get(exchange.lane.name)
    if route is not None:
        lookup = _look(exchange, route)
        exchange.visit = Visit(route, lookup)
        if _serve(exchange, lookup):
            return
    exchange.tier.forward(exchange)


def take_over(exchange: Exchange) -> None:
    """Who it waited for has left: the first of those who wait asks, the others wait for it."""
    if exchange.is_done or exchange.lane is None:
        return
    route = exchange.tier.caches.get(exchange.lane.name)
    if route is None or not serve_from_cache(exchange, route):
        exchange.tier.forward(exchange)


def refresh_entry(exchange: Exchange, route: RouteCache) -> bool:
    """Whether an exchange that nobody waits for asks about what was answered from the cache; not if
    another does already (law 4).
    """
    lookup = _look(exchange, route)
    seat = route.flights.join(lookup.visit.key, exchange, now=monotonic())
    if seat is not Seat.LEADS:
        route.flights.leave(lookup.visit.key, exchange)
        return False
    exchange.visit = Visit(route, Lookup(Action.REVALIDATE, lookup.visit, lookup.entry))
    exchange.visit.leads = True
    exchange.tier.forward(exchange)
    return True


def keep_or_make(known: RouteCache | None, settings: CacheSettings) -> RouteCache:
    """The cache of a route through a reload: the one that is known, if its settings are."""
    if known is not None and known.settings == settings:
        return known
    return RouteCache(settings)


def _look(exchange: Exchange, route: RouteCache) -> Lookup:
    return route.cache.lookup(exchange.request, at=unix_time(), scheme=exchange.client.via.scheme)


def _serve(exchange: Exchange, lookup: Lookup) -> bool:
    entry = lookup.entry
    if lookup.action is Action.REFUSE:
        exchange.refuse(504, "not in the cache", "only_if_cached")
        return True
    if lookup.action not in (Action.SERVE, Action.REFRESH) or entry is None:
        exchange.note("cache", str(lookup.action))
        return False
    if lookup.action is Action.REFRESH:  # first: the answer may begin the client's next request
        exchange.tier.refresh(exchange)
    _answer(exchange, entry)
    return True


def _answer(exchange: Exchange, entry: Entry) -> None:
    exchange.note("cache", "hit")
    exchange.answer_with(entry_response(entry, exchange.request, at=unix_time()))
