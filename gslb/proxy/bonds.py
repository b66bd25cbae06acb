"""What binds a client to a backend: a cookie, or a note of its address.

A cookie holds in every worker and every proxy that has the secret. A note of an address holds in
the worker that made it; where there are several of them, `balance: ip_hash` gives all the same
choice, and the note keeps clients at a backend that drains.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gslb.http1.fields import name_of
from gslb.model.proxy import Pool
from gslb.route.affinity import Affinity, AffinityCookie
from gslb.route.keys import client_hash

if TYPE_CHECKING:
    from gslb.http1.head import Request
    from gslb.model.place import Address

MAX_NOTES = 100_000
"""Clients whose backend is noted; of more, the longest unseen are forgotten. Some 15 MB."""

Found = tuple[str, str | None]
"""hit, miss or broken, and the backend of a hit."""


class Bonds(Protocol):
    """Which backend a client belongs to."""

    def read(self, request: Request, client: Address) -> Found:
        """What a request says, or its client's address. What says it is taken from the lines that
        go on: it is no business of a backend's.
        """

    def bind(self, client: Address, backend: str, *, is_secure: bool) -> bytes:
        """The client belongs to a backend now; field lines that its answer must carry."""


class CookieBonds:
    """By a signed cookie."""

    def __init__(self, pool: Pool, secret: bytes) -> None:
        assert pool.affinity is not None
        if pool.affinity.secret_file is not None:
            secret = Path(pool.affinity.secret_file).read_bytes()
        names = [backend.name for backend in pool.backends]
        self._cookie = AffinityCookie(pool.affinity, secret=secret, pool=pool.name, backends=names)

    def read(self, request: Request, client: Address) -> Found:
        """See Bonds."""
        found, backend = self._cookie.read(request.fields.get(b"cookie"))
        if found is not Affinity.MISS:
            request.raw = [line for line in map(self._strip, request.raw) if line]
            request.keys = [name_of(line) for line in request.raw]
        return str(found), backend

    def _strip(self, line: bytes) -> bytes:
        """A line without our cookie, empty where it says nothing else."""
        name, _, value = line.partition(b":")
        if name.lower() != b"cookie":
            return line
        value = self._cookie.strip(value.strip())
        return name + b": " + value if value else b""

    def bind(self, client: Address, backend: str, *, is_secure: bool) -> bytes:
        """See Bonds."""
        return self._cookie.issue(backend, is_secure=is_secure)


class AddressBonds:
    """By a note of the client's address; an IPv6 client is its /64."""

    def __init__(self) -> None:
        self._notes: OrderedDict[int, str] = OrderedDict()

    def read(self, request: Request, client: Address) -> Found:
        """See Bonds."""
        backend = self.find(client)
        return str(Affinity.MISS if backend is None else Affinity.HIT), backend

    def find(self, client: Address) -> str | None:
        """The backend that was noted for an address."""
        key = client_hash(client)
        backend = self._notes.get(key)
        if backend is not None:
            self._notes.move_to_end(key)
        return backend

    def bind(self, client: Address, backend: str, *, is_secure: bool) -> bytes:
        """See Bonds."""
        self._notes[client_hash(client)] = backend
        if len(self._notes) > MAX_NOTES:
            self._notes.popitem(last=False)
        return b""


def make_bonds(pool: Pool, secret: bytes) -> Bonds | None:
    """What the pool's affinity asks for; None for none. Raises OSError for a secret file."""
    if pool.affinity is None:
        return None
    return CookieBonds(pool, secret) if pool.affinity.cookie else AddressBonds()
