"""What a shared cache may store, and what it may answer with (RFC 9111 3, 4, 5.2; RFC 5861).

Storing. Refused is, in this order of looking:
1. a request that is not a plain GET: another method, a body, Range, If-Range, If-Match or
   If-Unmodified-Since; or one that says no-store;
2. a status that this cache does not understand: 206 and 304 are parts, of the others only those
   in _BY_ITSELF and _IF_TOLD; the latter only with an explicit lifetime (3, RFC 9110 15.1);
3. no-store (but not beside must-understand, 5.2.2.3) and private, qualified or not;
4. `Vary: *` (4.1), or by a field that we set ourselves, such as X-Forwarded-For: what the backend
   got there is not what the client sent; or a coded body that does not vary by Accept-Encoding:
   who asks for a plain one next must not get it;
5. Set-Cookie: what it sets is for one client. RFC 9111 7.3 allows storing; we never do;
6. an answer to Authorization, unless the backend says public or s-maxage (3.5); must-revalidate
   would do there, too, and is not used: with a lifetime one user's answer would go to others;
7. a body whose end proves nothing: one that ends with the connection (3.3);
8. what could never be answered with: no lifetime and no validator.

Answering. With a stored response that fits by key and Vary:
9. Authorization in a request is met only by what the backend allowed everybody (as 6).
10. no-cache, on either side, is revalidated (5.2.1.4, 5.2.2.4); so is what is older than the
    request's max-age or not fresh for its min-fresh (5.2.1.1, 5.2.1.3).
11. Stale is served within max-stale (5.2.1.2), or within stale-while-revalidate while one is sent
    to revalidate it (RFC 5861 3), and after an error within stale-if-error (RFC 5861 4); none of
    these beside must-revalidate, proxy-revalidate, s-maxage or no-cache (4.2.4).
12. only-if-cached that would have to ask the backend is 504 (5.2.1.7).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gslb.content.directives import Terms, Wishes, read_terms
from gslb.content.entry import Entry, Key, is_explicit, is_public, lifetime_s, validators
from gslb.content.heads import Fields
from gslb.content.vary import names_of
from gslb.http1.answer import Response
from gslb.http1.framing import UNTIL_CLOSE
from gslb.http1.head import Request

REFRESH_AGAIN_S = 30.0
"""When nothing came of a revalidation behind an answer, somebody else is told to try after this."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request as the cache sees it. at: Unix seconds."""

    request: Request
    key: Key
    wishes: Wishes
    at: float


class Action(StrEnum):
    """What to do with a request."""

    SERVE = "serve"  # answer with the entry
    REFRESH = "refresh"  # answer with the entry, and revalidate it behind the answer
    REVALIDATE = "revalidate"  # ask the backend whether the entry is still good
    FORWARD = "forward"  # nothing fits: ask the backend
    BYPASS = "bypass"  # no business of the cache
    REFUSE = "refuse"  # answer 504


class Refusal(StrEnum):
    """Why a response is not stored; the order is that of the laws."""

    METHOD = "method"
    BODY_OR_CONDITION = "body_or_condition"
    REQUEST_NO_STORE = "request_no_store"
    STATUS = "status"
    NO_STORE = "no_store"
    PRIVATE = "private"
    VARY = "vary"
    SET_COOKIE = "set_cookie"
    AUTHORIZATION = "authorization"
    UNTIL_CLOSE = "until_close"
    USELESS = "useless"
    TOO_LARGE = "too_large"
    NO_ROOM = "no_room"  # recordings on the way hold all that may be held


# 206 is left to the backend. 405 and 414 may come of what is not in the key (a method override, a
# long header), so they need a word of the backend as well.
_BY_ITSELF = frozenset((200, 203, 204, 300, 301, 308, 404, 410))
_IF_TOLD = frozenset((302, 303, 307, 405, 414, 451, 501))
_UNDERSTOOD = _BY_ITSELF | _IF_TOLD

# What of a request asks for a part, or for one that the backend must compare itself.
_PARTIAL = frozenset((b"range", b"if-range", b"if-match", b"if-unmodified-since"))


def maybe_bypass(request: Request) -> Refusal | None:
    """Why a request is no business of the cache, None if it is (law 1, but for HEAD, which is
    answered from it).
    """
    if request.method not in (b"GET", b"HEAD"):
        return Refusal.METHOD
    if request.body != 0 or not _PARTIAL.isdisjoint(request.fields):
        return Refusal.BODY_OR_CONDITION
    return None


def judge(visit: Visit, response: Response, at: float) -> Refusal | None:
    """Why a response must not be stored, None if it may (laws 1 to 8). at: when its head came."""
    request, fields = visit.request, response.fields
    if request.method != b"GET":
        return Refusal.METHOD
    bypassed = maybe_bypass(request)
    if bypassed is not None:
        return bypassed
    if visit.wishes.no_store:
        return Refusal.REQUEST_NO_STORE
    terms = read_terms(fields)
    return (
        _judge_status(response.status, terms, fields)
        or judge_terms(visit, response.status, terms, fields)
        or _judge_use(response, terms, fields, at)
    )


def judge_terms(visit: Visit, status: int, terms: Terms, fields: Fields) -> Refusal | None:
    """Why nobody else may have a response, None if others may (laws 3 to 6)."""
    if terms.no_store and not (terms.must_understand and status in _UNDERSTOOD):
        return Refusal.NO_STORE
    if terms.private:
        return Refusal.PRIVATE
    names = names_of(fields)
    if names is None or (b"content-encoding" in fields and b"accept-encoding" not in names):
        return Refusal.VARY
    if b"set-cookie" in fields:
        return Refusal.SET_COOKIE
    if b"authorization" in visit.request.fields and not is_public(terms):
        return Refusal.AUTHORIZATION
    return None


def _judge_status(status: int, terms: Terms, fields: Fields) -> Refusal | None:
    if status in _BY_ITSELF or (status in _IF_TOLD and is_explicit(terms, fields)):
        return None
    return Refusal.STATUS


def _judge_use(response: Response, terms: Terms, fields: Fields, at: float) -> Refusal | None:
    if response.body == UNTIL_CLOSE:
        return Refusal.UNTIL_CLOSE
    if validators(fields) == (None, None) and (
        terms.no_cache or lifetime_s(terms, fields, at) <= 0
    ):
        return Refusal.USELESS
    return None


# ---------------------------------------------------------------- answering


def decide(entry: Entry | None, visit: Visit) -> Action:
    """What to do with a request, given the entry that fits (laws 9 to 12). Notes in the entry whom
    it told to refresh it: one at a time.
    """
    wishes = visit.wishes
    if entry is None:
        return Action.REFUSE if wishes.only_if_cached else Action.FORWARD
    if entry.terms.no_cache or wishes.no_cache or not _is_wished(entry, visit):
        return _ask_backend(visit)
    stale_s = -entry.fresh_s(visit.at)
    if stale_s < 0:
        return Action.SERVE
    if not entry.may_be_stale:
        return _ask_backend(visit)
    if _is_within(stale_s, entry.terms.while_s):
        return Action.SERVE if wishes.only_if_cached else _refresh(entry, visit.at)
    return Action.SERVE if _is_within(stale_s, wishes.max_stale_s) else _ask_backend(visit)


def may_serve_on_error(entry: Entry | None, visit: Visit) -> bool:
    """Whether a request may be answered with an entry after the backend failed: a 500, 502, 503 or
    504, or none at all (law 11).
    """
    if entry is None or not entry.may_be_stale or visit.wishes.is_picky:
        return False
    allowed_s = max(entry.terms.if_error_s, visit.wishes.if_error_s)
    return _is_within(-entry.fresh_s(visit.at), allowed_s)


def _is_within(stale_s: float, allowed_s: float) -> bool:
    """Whether something may be so stale: 0 allows nothing, not even what turns stale just now."""
    return 0 < allowed_s >= stale_s


def _is_wished(entry: Entry, visit: Visit) -> bool:
    wishes = visit.wishes
    if wishes.max_age_s is not None and entry.age_s(visit.at) > wishes.max_age_s:
        return False
    return not wishes.min_fresh_s or entry.fresh_s(visit.at) >= wishes.min_fresh_s


def _ask_backend(visit: Visit) -> Action:
    return Action.REFUSE if visit.wishes.only_if_cached else Action.REVALIDATE


def _refresh(entry: Entry, at: float) -> Action:
    told_at = entry.refreshed_at
    if told_at is not None and 0 <= at - told_at < REFRESH_AGAIN_S:
        return Action.SERVE
    entry.refreshed_at = at
    return Action.REFRESH
