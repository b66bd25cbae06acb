"""The cookie that keeps a client at its backend.

Laws:
1. A cookie's value is the first ID_OCTETS of HMAC-SHA-256(secret, pool and backend): it names no
   address and no backend, and only who has the secret can make one.
2. It is compared by looking the whole of it up in a table of the pool's values. How long that takes
   tells nothing: a guess with a right beginning is no nearer than any other, since the table is
   found by a keyed hash of the guess.
3. Proxies with the same secret understand each other's cookies; a backend keeps its value when
   others come and go.
4. A value that is not in the table is broken (its backend is gone, or somebody made it up): the
   client gets another backend and a new cookie, never an error.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from enum import StrEnum

from gslb.model.proxy import AffinitySettings

ID_OCTETS = 16
"""128 bits: nobody guesses one; 22 characters."""

SECRET_OCTETS = 16
"""Of fewer, say of an empty file, anybody could make cookies."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Affinity(StrEnum):
    """What a request says of its backend."""

    HIT = "hit"
    MISS = "miss"
    BROKEN = "broken"


MISSED = (Affinity.MISS, None)
BROKEN = (Affinity.BROKEN, None)


class AffinityCookie:
    """The cookie of one pool. secret: what it is made with, law 3.

    Raises ValueError, the operator's fault, for a name that no cookie can have (RFC 6265 4.1.1) and
    for a secret that can be guessed.
    """

    __slots__ = ("_found", "_lines", "_name", "_pairs")

    def __init__(
        self, settings: AffinitySettings, *, secret: bytes, pool: str, backends: Iterable[str]
    ) -> None:
        name = settings.cookie or ""
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"affinity: {name!r} is no name of a cookie")
        if len(secret) < SECRET_OCTETS:
            raise ValueError(
                f"affinity of pool {pool}: the secret has {len(secret)} octets, "
                f"{SECRET_OCTETS} at least are needed"
            )
        ids = {backend: _make_id(secret, pool, backend) for backend in backends}
        self._name = name.encode()
        self._pairs = re.compile(rb"(?:^|;)[ \t]*" + re.escape(self._name) + rb'="?([^;"\s]*)')
        self._found = {value: (Affinity.HIT, backend) for backend, value in ids.items()}
        self._lines = {
            (backend, is_secure): _compose(settings, value, is_secure=is_secure)
            for backend, value in ids.items()
            for is_secure in (False, True)
        }

    def read(self, field: bytes | None) -> tuple[Affinity, str | None]:
        """What a Cookie field says, with the backend of a hit. Of several cookies of the name any
        that is known counts. Costs 0.8 us.
        """
        if field is None or self._name not in field:
            return MISSED
        values = self._pairs.findall(field)
        for value in values:
            hit = self._found.get(value)
            if hit is not None:
                return hit
        return BROKEN if values else MISSED

    def issue(self, backend: str, *, is_secure: bool) -> bytes:
        """The Set-Cookie line, with its end, that binds a client to a backend of the pool.

        is_secure: the client came by TLS, and the cookie is for TLS only.
        """
        return self._lines[backend, is_secure]

    def strip(self, field: bytes) -> bytes:
        """A Cookie field without this cookie, which is no business of a backend's; empty when
        nothing is left.
        """
        if self._name not in field:
            return field
        kept = [pair for pair in field.split(b";") if pair.partition(b"=")[0].strip() != self._name]
        return b";".join(kept).strip()


def _make_id(secret: bytes, pool: str, backend: str) -> bytes:
    named = b"%d:%b%b" % (len(pool.encode()), pool.encode(), backend.encode())
    octets = hmac.digest(secret, named, "sha256")[:ID_OCTETS]
    return urlsafe_b64encode(octets).rstrip(b"=")


def _compose(settings: AffinitySettings, value: bytes, *, is_secure: bool) -> bytes:
    name = (settings.cookie or "").encode()
    line = b"Set-Cookie: %b=%b; Path=/; HttpOnly; SameSite=Lax" % (name, value)
    if is_secure:
        line += b"; Secure"
    if settings.max_age_s is not None:
        line += b"; Max-Age=%d" % settings.max_age_s
    return line + b"\r\n"
