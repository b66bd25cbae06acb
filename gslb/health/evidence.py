"""What the merge goes by: the last word of each observer, how old it is, and the orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gslb.model.agent import Agent
from gslb.model.order import Order
from gslb.model.report import Report


@dataclass(frozen=True, slots=True)
class Heard:
    """The last accepted report of an observer.

    age_s: how long ago it was made, by a clock that never steps. fault: why its votes do not count
    whatever they say (its clock, its twin); empty for none.
    """

    agent: Agent
    report: Report
    age_s: float
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known at a moment.

    agents: the observers that are declared, heard or not. heard: at most one of each. orders: at
    most one of each site. at: Unix seconds of a clock that never steps. order_at: Unix seconds as
    people read them, for the expiry of orders. is_alone: this name server's own probes have taken
    over, so their word is enough.
    """

    agents: Sequence[Agent]
    heard: Sequence[Heard]
    at: float
    orders: Sequence[Order] = ()
    order_at: float = 0.0
    is_alone: bool = False
