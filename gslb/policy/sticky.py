"""`sticky`: a client network always meets the same site. Weighted rendezvous hashing (DESIGN
section 1, law 4).

Laws:
1. The score of a candidate is -weight / ln(u), with u in (0, 1) from a hash of (client network,
   service, candidate): a candidate is first for the share of all networks that its weight is of the
   sum. The highest score is first.
2. A score depends on no other candidate: a lost site moves its own clients only, and they spread by
   weight.
3. Nothing is remembered: every server, restart and version gives the same order. Change nothing in
   `_draw`.
4. Weight 0 takes no part, unless all weights are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import ip_address
from math import log
from typing import ClassVar

from pydantic import Field

from gslb.model.service import Candidate
from gslb.policy.base import ClientBlind, Context, Options, Step
from gslb.policy.weights import drop_drained
from gslb.policy.words import join_names


class StickyOptions(Options):
    """How large a client network is that is sent to one site as a whole."""

    ipv4_prefix: int = Field(
        default=24,
        ge=1,
        le=32,
        description="Prefix length of the IPv4 client networks that stay together.",
    )
    ipv6_prefix: int = Field(
        default=56,
        ge=1,
        le=64,
        description="Prefix length of the IPv6 client networks that stay together.",
    )


@dataclass(frozen=True, slots=True)
class Sticky(ClientBlind):
    """Orders the candidates by the client's network, without state."""

    name: ClassVar[str] = "sticky"
    Options: ClassVar[type[StickyOptions]] = StickyOptions

    options: StickyOptions

    @property
    def client_prefix(self) -> tuple[int, int] | None:
        """The prefix lengths of the client network that is hashed."""
        return self.options.ipv4_prefix, self.options.ipv6_prefix

    def apply(self, candidates: Sequence[Candidate], context: Context) -> Step:
        """The candidates with a weight, the client's own first."""
        if not candidates:
            return Step((), "sticky: no candidates")
        taking_part, weights = drop_drained(candidates)
        scores = {
            one.name: -weight / log(_draw(context.network, context.service, one.name))
            for one, weight in zip(taking_part, weights, strict=True)
        }
        kept = tuple(sorted(taking_part, key=lambda one: (-scores[one.name], one.name)))
        return Step(kept, f"sticky: {self._tell_network(context.network)} -> {join_names(kept)}")

    def _tell_network(self, network: bytes) -> str:
        if not network:
            return "client without an address"
        length = self.options.ipv4_prefix if len(network) == 4 else self.options.ipv6_prefix
        return f"{ip_address(network)}/{length}"


def _draw(network: bytes, service: str, candidate: str) -> float:
    """A number in (0, 1), the same for the same arguments for ever.

    Each argument is hashed behind its length in two octets, so that no two triples give the same
    octets. The middles of 2**52 intervals: each is an exact float, and none is 0 or 1.
    """
    parts = (network, service.encode(), candidate.encode())
    octets = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    number = int.from_bytes(blake2b(octets, digest_size=8).digest(), "big") >> 12
    return (number + 0.5) / 2**52
