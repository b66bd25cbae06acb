"""Who asks: what is believed of what a request says of it, and what backends are told.

Laws:
1. What a client says of itself counts only if it is trusted; all else is taken away.
2. Who is trusted is settled by the address of the connection, before X-Forwarded-For moves `src`.
"""

from __future__ import annotations

from collections.abc import Iterator

from gslb.http1.fields import FORWARDED
from gslb.model.proxy import Proxy
from gslb.render.actions import ADDRESS
from gslb.render.text import word

HOPS = 5
"""Trusted proxies in a row that X-Forwarded-For is followed through."""

_OURS = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip")
_ID = r"\A[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\z"


def render_client(proxy: Proxy) -> Iterator[str]:
    """Puts aside who asks and for what."""
    yield "http-request set-var(txn.peer) src"
    if proxy.trusted_proxies:
        yield "http-request set-var(txn.is_trusted) bool(true) if trusted"
        yield "acl from_trusted var(txn.is_trusted) -m bool"
        for hop in range(1, HOPS + 1):
            chain = f"req.hdr(x-forwarded-for,-{hop})"
            yield f"http-request set-src {chain} if trusted {{ {chain} -m found }}"
    yield f"http-request set-var(txn.client) {ADDRESS}"
    yield "http-request set-var(txn.scheme) str(http)"
    yield "http-request set-var(txn.scheme) str(https) if { ssl_fc }"
    yield "http-request set-var(txn.host) req.hdr(host),host_only,lower,rtrim(.)"
    yield "http-request set-var(txn.path) path"
    yield "http-request set-var(txn.target) pathq"


def render_forwarding(proxy: Proxy) -> Iterator[str]:
    """The X- headers that backends get."""
    stranger = " if !from_trusted" if proxy.trusted_proxies else ""
    for header in sorted(each.decode() for each in FORWARDED):
        if not (proxy.trusted_proxies and header in _OURS):
            yield f"http-request del-header {header}{stranger}"
    if proxy.trusted_proxies:
        known = "{ req.fhdr(x-forwarded-proto) -m str -i http https }"
        token = f"{{ req.fhdr(x-request-id) -m reg {word(_ID)} }}"
        yield "http-request del-header x-forwarded-for if !from_trusted"
        yield f"http-request del-header x-forwarded-proto if !from_trusted or !{known}"
        yield "http-request del-header x-forwarded-host if !from_trusted"
        yield f"http-request del-header x-request-id if !from_trusted or !{token}"
    else:
        yield "http-request del-header x-request-id"
    yield "http-request add-header X-Forwarded-For %[var(txn.peer)]"
    yield "http-request set-header X-Real-IP %[src]"
    for header, value, condition in (
        ("X-Forwarded-Proto", "%[var(txn.scheme)]", ""),
        ("X-Forwarded-Host", "%[req.hdr(host)]", " { req.hdr(host) -m found }"),
        ("X-Request-ID", "%[uuid()]", ""),
    ):
        new = f"if !{{ req.hdr({header}) -m found }}{condition}"
        yield f"http-request set-header {header} {value} {new}"
    yield "http-request set-var(txn.id) req.hdr(x-request-id)"
