"""What a query is answered with, before it is a message: the values that resolving makes and
composing reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from gslb.engine.desk import Plan
from gslb.wire import codes
from gslb.wire.compose import Owned
from gslb.zone.records import RRset


@dataclass(frozen=True, slots=True)
class Body:
    """The sections of an answer and what EDNS says of it.

    scope: for the client subnet option (RFC 7871 7.2.1). error: an extended error (RFC 8914).
    plan, turn: what chose the answer, None and 0 for static data.
    """

    rcode: int = codes.NOERROR
    is_authoritative: bool = False
    answer: tuple[Owned, ...] = ()
    authority: tuple[Owned, ...] = ()
    glue: tuple[Owned, ...] = ()
    extra: tuple[Owned, ...] = ()
    scope: int = 0
    error: int | None = None
    plan: Plan | None = None
    turn: int = 0


def owned(owner: bytes, rrset: RRset) -> Owned:
    """An RRset at an owner: its own, or the name asked for when a wildcard speaks for it."""
    return Owned(owner, rrset.rtype, rrset.ttl, rrset.rdatas)


REFUSED_NOT_OURS = Body(codes.REFUSED, error=codes.EDE_NOT_AUTHORITATIVE)
