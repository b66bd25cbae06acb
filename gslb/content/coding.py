"""Compressing answers for clients that take it (RFC 9110 8.4, 12.5.3).

1. The client chooses by q; where it likes several the same, the order of CODINGS does. What it
   does not name it does not get, unless it says `*`. If it prefers identity, it gets that.
2. Compressed is what is text by its type, of a final answer with a whole body of MIN_OCTETS or
   more, or of unknown length, that no backend has coded already and that no-transform does not
   protect. Event streams are not: what they win is small, and they must never wait.
3. What could be compressed says `Vary: Accept-Encoding`, also to those who get it plain, or caches
   behind us would hand the one to the other.
4. The octets are others than the backend's, so a strong entity tag is made weak, and what describes
   or numbers octets goes: Content-Length, Accept-Ranges, Content-MD5 and the digests. If-None-Match
   with the weak tag still works at the backend (weak comparison); If-Range needs a strong one, so
   nobody glues a range of the plain octets to compressed ones.
5. Answers from the cache are compressed after it: it holds one plain copy.

BREACH: a page that shows both a secret and something that an attacker may choose tells the secret
by its compressed length, over TLS, too. So nothing is compressed but on routes that ask for it,
and those should be of files, not of pages with tokens.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from gslb.content.encoder import HAS_BROTLI, HAS_ZSTD
from gslb.content.heads import make_response, members, weakened
from gslb.http1.answer import Response
from gslb.http1.fields import list_tokens, name_of
from gslb.http1.framing import CHUNKED
from gslb.http1.head import Request

MIN_OCTETS = 1024
"""What is shorter fits into one packet as it is. nginx starts at 20 octets, Caddy at 512."""


class Coding(StrEnum):
    """How a body is compressed; the value is its name in Content-Encoding."""

    ZSTD = "zstd"
    BROTLI = "br"
    GZIP = "gzip"


_IS_THERE = {Coding.ZSTD: HAS_ZSTD, Coding.BROTLI: HAS_BROTLI, Coding.GZIP: True}
CODINGS = tuple(coding for coding in Coding if _IS_THERE[coding])
"""What this process can do, the best first: zstd costs the least, brotli is the smallest."""

_STATUSES = frozenset((200, 201, 202, 203, 403, 404, 410))
_TYPES = frozenset(
    b"application/" + name
    for name in (
        *(b"atom+xml", b"geo+json", b"graphql", b"javascript", b"json", b"ld+json", b"rss+xml"),
        *(b"manifest+json", b"problem+json", b"wasm", b"x-javascript", b"x-ndjson", b"xml"),
        *(b"vnd.ms-fontobject", b"xhtml+xml", b"yaml"),
    )
) | {b"image/svg+xml", b"image/bmp", b"image/x-icon", b"font/ttf", b"font/otf"}
_TOLD_OF_OCTETS = frozenset(
    (
        *(b"accept-ranges", b"content-digest", b"content-encoding", b"content-length"),
        *(b"content-md5", b"digest", b"etag", b"repr-digest"),
    )
)
_WEIGHT = re.compile(rb"[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
_REMEMBERED_OCTETS = 256
"""Browsers send some 30; longer values are read anew, so that nobody fills the memory of them."""


def pick_coding(accept_encoding: bytes | None) -> Coding | None:
    """The coding for an Accept-Encoding value, None for a plain body (law 1). 0.3 us, or 4 anew."""
    if not accept_encoding:
        return None
    if len(accept_encoding) <= _REMEMBERED_OCTETS:
        return _pick_remembered(accept_encoding)
    return pick_among(accept_encoding, CODINGS)


def pick_among(accept_encoding: bytes, codings: tuple[Coding, ...]) -> Coding | None:
    """As `pick_coding`, of the codings given, the best first."""
    weights = _weights(accept_encoding)
    others = weights.get(b"*", 0.0)
    best, best_weight = None, max(0.0, weights.get(b"identity", 0.0))
    for coding in codings:
        weight = weights.get(coding.value.encode(), others)
        # A coding as good as identity is taken; one as good as a coding before it is not.
        if weight > best_weight or (best is None and weight >= best_weight > 0):
            best, best_weight = coding, weight
    return best


_pick_remembered = lru_cache(maxsize=256)(lambda value: pick_among(value, CODINGS))


def may_compress(request: Request, response: Response) -> bool:
    """Whether an answer is one to compress for those who take it (law 2).

    HEAD is not: its answer names the plain length (RFC 9110 9.3.2 allows that).
    """
    fields = response.fields
    if response.status not in _STATUSES or request.method == b"HEAD":
        return False
    if (
        0 <= response.body < MIN_OCTETS
        or b"content-encoding" in fields
        or b"content-range" in fields
    ):
        return False
    if b"no-transform" in list_tokens(fields.get(b"cache-control", b"")):
        return False
    return is_text(fields.get(b"content-type", b""))


def is_text(content_type: bytes) -> bool:
    """Whether a type is one that gets smaller (law 2)."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind.startswith(b"text/"):
        return kind != b"text/event-stream"
    return kind in _TYPES or kind.endswith((b"+json", b"+xml"))


def compressed_head(response: Response, coding: Coding | None) -> Response:
    """The head of an answer that `may_compress`, for a client with this coding (laws 3 and 4).

    Its body is CHUNKED with a coding; a client of HTTP/1.0 needs UNTIL_CLOSE instead.
    """
    fields = response.fields
    vary = _vary_lines(response)
    if coding is None:
        return make_response(response.status, response.reason, vary, body=response.body)
    raw = [line for line in vary if name_of(line) not in _TOLD_OF_OCTETS]
    raw.append(b"Content-Encoding: " + coding.value.encode())
    if b"etag" in fields:
        raw.append(b"ETag: " + weakened(fields[b"etag"]))
    return make_response(response.status, response.reason, raw, body=CHUNKED)


def unchanged_head(response: Response, coding: Coding | None) -> Response:
    """A 304 for what would be compressed for a client: the tag that it knows, and Vary."""
    raw = _vary_lines(response)
    etag = response.fields.get(b"etag")
    if coding is not None and etag is not None:
        raw = [line for line in raw if name_of(line) != b"etag"]
        raw.append(b"ETag: " + weakened(etag))
    return make_response(response.status, response.reason, raw, body=response.body)


def _vary_lines(response: Response) -> list[bytes]:
    """The lines with Accept-Encoding in Vary, once; `*` says it already."""
    names = list_tokens(response.fields.get(b"vary", b""))
    if b"*" in names or b"accept-encoding" in names:
        return list(response.raw)
    return [*response.raw, b"Vary: Accept-Encoding"]  # several lines are one list


def _weights(accept_encoding: bytes) -> dict[bytes, float]:
    """Codings in lower case to their q; what is malformed is left out."""
    found: dict[bytes, float] = {}
    for member in members(accept_encoding):
        name, has_weight, text = member.partition(b";")
        weight = _WEIGHT.fullmatch(text.strip(b" \t")) if has_weight else None
        if has_weight and weight is None:
            continue
        coding = name.strip(b" \t").lower().removeprefix(b"x-")  # x-gzip: RFC 9110 8.4.1.3
        found[coding] = float(weight[1]) if weight is not None else 1.0
    return found
