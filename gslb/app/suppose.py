"""Health as somebody supposes it: to explain what would be answered if a site went down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gslb.health.evidence import Evidence, Heard
from gslb.health.merge import merge
from gslb.health.snapshot import HealthSnapshot
from gslb.model.agent import Agent
from gslb.model.report import Report, SiteReport
from gslb.model.system import System

REASON = "supposed"
OBSERVER = Agent(REASON, failure_domain=REASON)


def suppose_health(system: System, down: Sequence[str], at: float) -> HealthSnapshot:
    """The snapshot in which every site is up and calm, but those in down are not.

    down: in the order in which they went, a second apart and the last one at this moment (Unix
    seconds), because the withdrawal budget holds those that go when it is used up. The pace of
    withdrawals is left out: what is explained is where it leads. Orders of the configuration hold.
    Raises ValueError for what cannot go down.
    """
    names = list(dict.fromkeys(down))
    _require_checked(system, names)
    settings = replace(system.health, max_withdrawn_per_min=1.0)
    health = HealthSnapshot()
    for count in range(len(names) + 1):
        moment = at - len(names) + count
        report = _report(system, names[:count], sequence=count + 1, at=moment)
        evidence = Evidence(
            agents=(OBSERVER,),
            heard=(Heard(OBSERVER, report, age_s=0.0),),
            at=moment,
            orders=system.orders,
            order_at=at,
            is_alone=True,
        )
        health = merge(evidence, system.sites, settings, health)
    return health


def _require_checked(system: System, names: Sequence[str]) -> None:
    for name in names:
        if name not in system.sites:
            raise ValueError(f"there is no site {name!r}; allowed: {', '.join(system.sites)}")
        if system.sites[name].check is None:
            raise ValueError(f"{name} has no check, so it is always up")


def _report(system: System, down: Sequence[str], *, sequence: int, at: float) -> Report:
    """What an observer says who sees exactly these sites down."""
    sites = {
        name: SiteReport(up=False, reason=REASON) if name in down else SiteReport(up=True)
        for name in system.sites
    }
    return Report(agent=REASON, boot=REASON, sequence=sequence, at=at, sites=sites)
