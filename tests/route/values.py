"""What the route tests share: requests as the parser makes them, the contract's routes as nouns."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gslb.http1.head import Request, parse_request
from gslb.model.proxy import (
    CacheSettings,
    Fault,
    HeaderChanges,
    HttpLimits,
    JwtMatch,
    Match,
    Priority,
    RateLimit,
    Rewrite,
    Route,
    TextMatch,
    TextTest,
)

CLIENT = ip_address("203.0.113.7")
NOON = 1_800_000_000.0
KEY_FILE = "tls/jwt.pub"


def ask(
    target: str = "/", *fields: str, host: str = "shop.example", method: str = "GET"
) -> Request:
    """A request. fields: `Name: value`."""
    lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", *fields, "", "")
    return parse_request("\r\n".join(lines).encode("latin-1"), HttpLimits())


@cache
def signer(name: str = "issuer") -> Ed25519PrivateKey:
    """An Ed25519 key, the same for the same name."""
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def public_pem(name: str = "issuer") -> bytes:
    return signer(name).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def token(claims: dict[str, object], *, by: str = "issuer") -> str:
    return jwt.encode(claims, signer(by), algorithm="EdDSA")


KEYS = {KEY_FILE: public_pem()}

CONTRACT = (
    Route("canary", Match(headers={"X-Version": TextMatch(TextTest.EXACT, "v2")}), {"web-v2": 1}),
    Route(
        "api",
        Match(hosts=("www.gslb.shop.example", "*.api.example"), path_prefix="/api/"),
        {"api": 1},
        rate_limit=RateLimit(100, 1.0, 200),
        priority=Priority.HIGH,
        cost=3.0,
    ),
    Route(
        "static", Match(path_prefix="/static/"), {"web": 1}, cache=CacheSettings(), compress=True
    ),
    Route("sockets", Match(path_prefix="/ws/"), {"web": 1}),
    Route("drill", Match(path_prefix="/drill/"), {"web": 1}, fault=Fault(200.0, 0.1, 503, 0.01)),
    Route("beta", Match(jwt=JwtMatch(KEY_FILE, {"plan": "beta"})), {"web-v2": 1}),
    Route(
        "default",
        Match(),
        {"web": 95, "web-v2": 5},
        request_headers=HeaderChanges(set={"X-Region": "eu-west"}, remove=("X-Debug",)),
        response_headers=HeaderChanges(set={"Strict-Transport-Security": "max-age=63072000"}),
        rewrite=Rewrite(strip_prefix="/shop"),
    ),
)
"""The routes of the contract's proxy."""
