"""Every algorithm by the word that files use: the one list to add one to.

An algorithm is one module here, one line below, one test file
`tests/balance/algorithms/test_<name>.py` and one section in docs/algorithms.md; a test refuses an
algorithm that lacks one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from gslb.balance.algorithms.base import Algorithm
from gslb.balance.algorithms.consistent_hash import ConsistentHash
from gslb.balance.algorithms.ip_hash import IpHash
from gslb.balance.algorithms.least_connections import LeastConnections
from gslb.balance.algorithms.least_response_time import LeastResponseTime
from gslb.balance.algorithms.maglev import Maglev
from gslb.balance.algorithms.power_of_two import PowerOfTwo
from gslb.balance.algorithms.round_robin import RoundRobin
from gslb.balance.member import Member
from gslb.model.proxy import Algorithm as Word
from gslb.model.proxy import BalanceSpec

Factory = Callable[[BalanceSpec], Algorithm]

ALGORITHMS: Mapping[Word, Factory] = MappingProxyType(
    {
        Word.ROUND_ROBIN: lambda _: RoundRobin(),
        Word.LEAST_CONNECTIONS: lambda _: LeastConnections(),
        Word.LEAST_RESPONSE_TIME: lambda _: LeastResponseTime(),
        Word.POWER_OF_TWO: lambda _: PowerOfTwo(),
        Word.IP_HASH: lambda _: IpHash(),
        Word.CONSISTENT_HASH: lambda spec: ConsistentHash(spec.bounded_load),
        Word.MAGLEV: lambda spec: Maglev(spec.bounded_load),
    }
)


def make_algorithm(spec: BalanceSpec, members: Sequence[Member]) -> Algorithm:
    """What picks for a pool with this setting. members: all that are configured; it may pick any
    of them until renew() tells it otherwise.
    """
    algorithm = ALGORITHMS[spec.algorithm](spec)
    algorithm.rebuild(members)
    algorithm.renew(members)
    return algorithm
