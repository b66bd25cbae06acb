"""Who may use the admin port: rules over plain values. No sockets; the clock is an argument.

Laws:
1. /livez and /readyz are everybody's: those who ask them hold no secrets, and they tell none.
2. With tokens, every other page needs one of them as `Authorization: Bearer`. Only SHA-256 digests
   are kept, and all of them are compared, in a time that tells nothing.
3. After MAX_FAILURES wrong tokens in a minute from one address (IPv6: one /64) everything it sends
   is refused until that minute is over, right tokens too, or guessing would go on. A request
   without a token guesses nothing and is not counted. At most MAX_ADDRESSES are remembered; the one
   that failed first is forgotten.
4. Without tokens the port is on loopback, where every web page that a browser on this machine shows
   can reach it. So the Host must be this machine's (a page that had its own name point here sends
   that name: DNS rebinding), and a POST with an Origin comes from a page, and is refused.
5. A POST is application/json, tokens or not: no form of a page can send that.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_address

from gslb.model.system import AdminSettings

MAX_FAILURES = 10
WINDOW_S = 60.0
MAX_ADDRESSES = 10_000
"""Some MB at most, and far more addresses than mistype a token in a minute."""

OPEN_PAGES = frozenset({"/livez", "/readyz"})
JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not done. status: of HTTP. reason: the word it is counted under. message:
    for people.
    """

    status: int
    reason: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What access is judged by. hosts, origins: the values of these headers, in order."""

    method: str
    path: str
    peer: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    authorization: str | None = None
    content_type: str = ""


class Access:
    """Judges requests. clock: monotonic seconds."""

    def __init__(self, settings: AdminSettings, clock: Callable[[], float]) -> None:
        self._digests = tuple(text.lower().encode() for text in settings.token_sha256)
        self._failures = Failures(clock)

    def maybe_refuse(self, asked: Asked) -> Refusal | None:
        """Why a request is refused, or None."""
        if asked.path in OPEN_PAGES:
            return None
        refusal = self._judge_token(asked) if self._digests else _judge_locality(asked)
        if refusal is None and asked.method == "POST" and asked.content_type != JSON_TYPE:
            return Refusal(415, "content_type", f"a POST must be {JSON_TYPE}")
        return refusal

    def _judge_token(self, asked: Asked) -> Refusal | None:
        wait_s = self._failures.wait_s(asked.peer)
        if wait_s > 0:
            headers = {"Retry-After": str(int(wait_s) + 1)}
            message = f"too many wrong tokens from {asked.peer}; try again in {int(wait_s) + 1} s"
            return Refusal(429, "rate", message, headers)
        if asked.authorization is not None and self._is_known(asked.authorization):
            return None
        if asked.authorization is None:
            message = "this port asks for a token: Authorization: Bearer TOKEN"
        else:
            self._failures.add(asked.peer)
            message = "the token is not one of this server's"
        return Refusal(401, "token", message, {"WWW-Authenticate": "Bearer"})

    def _is_known(self, authorization: str) -> bool:
        """Whether a header holds one of the tokens (law 2)."""
        scheme, _, token = authorization.partition(" ")
        digest = sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest().encode()
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return any(matches) and scheme.lower() == "bearer"


def _judge_locality(asked: Asked) -> Refusal | None:
    """Law 4."""
    if len(asked.hosts) != 1 or not _is_here(asked.hosts[0]):
        message = "the Host is not a loopback address or localhost; other names need a token"
        return Refusal(403, "host", message)
    if asked.method == "POST" and asked.origins:
        return Refusal(403, "origin", "a POST from a web page needs a token")
    return None


def _is_here(host: str) -> bool:
    """Whether a Host header names this machine to itself, with or without a port."""
    is_ipv6 = host.startswith("[")
    name = host[1:].partition("]")[0] if is_ipv6 else host.partition(":")[0]
    return name.lower() == "localhost" or is_loopback(name)


def is_loopback(text: str) -> bool:
    """Whether text is an address of the loopback interface."""
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False


class Failures:
    """Wrong tokens by address, each in a window that begins with the first (law 3)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows: dict[bytes, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def wait_s(self, peer: str) -> float:
        """How long an address has to wait; 0 if it need not."""
        began, count = self._windows.get(_group(peer), (0.0, 0))
        return max(0.0, began + WINDOW_S - self._clock()) if count >= MAX_FAILURES else 0.0

    def add(self, peer: str) -> None:
        """Counts one wrong token."""
        now, group = self._clock(), _group(peer)
        began, count = self._windows.get(group, (now, 0))
        if now - began >= WINDOW_S:
            del self._windows[group]  # a new window goes to the end of the queue
            began, count = now, 0
        elif group not in self._windows and len(self._windows) >= MAX_ADDRESSES:
            del self._windows[next(iter(self._windows))]
        self._windows[group] = (began, count + 1)


def _group(peer: str) -> bytes:
    """What counts as one client: an IPv4 address, an IPv6 /64, else the text itself."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer.encode()
    return address.packed if address.version == 4 else address.packed[:8]
