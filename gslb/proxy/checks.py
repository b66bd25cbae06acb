"""Checks of backends: the prober of the global tier, with a backend in the place of a site.

Laws:
1. A backend is told of when its state becomes known, and with every change after; never twice the
   same.
2. A reload leaves alone what is checked as before: its state and its place in the round.
3. A backend without a check is never told of, nor is one that is left out (maintenance).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from gslb.model.place import Address
from gslb.model.proxy import Backend, Pool
from gslb.model.report import Report, SiteReport
from gslb.model.service import Site
from gslb.probe.prober import Clock, Prober


@dataclass(frozen=True, slots=True)
class CheckChanged:
    """A backend's state became known, or changed. reason: of the failure, empty when up."""

    pool: str
    backend: str
    up: bool
    reason: str = ""


def backend_key(pool: str, backend: str) -> str:
    """The name under which a backend is checked and ordered: `pool/backend`."""
    return f"{pool}/{backend}"


def list_sites(pools: Iterable[Pool]) -> dict[str, Site]:
    """All backends as sites, in order; a site's capacity is the backend's weight."""
    found: dict[str, Site] = {}
    for pool in pools:
        for backend in pool.backends:
            name = backend_key(pool.name, backend.name)
            found[name] = Site(
                name,
                _addresses(backend),
                capacity=float(backend.weight),
                check=backend.check,
            )
    return found


def _addresses(backend: Backend) -> tuple[Address, ...]:
    try:
        return (ip_address(backend.address.host),)
    except ValueError:  # a host name: the check names an address, or is not run
        return ()


class Checks:
    """Checks the backends of some pools. told: is handed each change."""

    def __init__(
        self,
        pools: Iterable[Pool],
        told: Callable[[CheckChanged], None],
        *,
        name: str,
        clock: Clock | None = None,
    ) -> None:
        self._told = told
        self._left_out: frozenset[str] = frozenset()
        self._sites = list_sites(pools)
        self.reports: Mapping[str, SiteReport] = {}
        self._up: dict[str, bool] = {}
        self._prober = Prober(self._checked(), self._take, name, clock=clock or Clock())

    @property
    def states(self) -> Mapping[str, bool]:
        """Whether each backend is up, by `pool/backend`; those that are known."""
        return self._up

    def begin_with(self, states: Mapping[str, bool]) -> None:
        """Takes these states as known, and tells of them at once (a process before this one has
        checked them).
        """
        known = {
            name: up for name, up in states.items() if name in self._sites and name not in self._up
        }
        self._prober.begin_with(known)
        for name, up in known.items():
            self._tell(name, SiteReport(up=up, reason="" if up else "down before the restart"))

    def reconfigure(self, pools: Iterable[Pool]) -> None:
        """Checks the backends of these pools from now on (law 2)."""
        before, self._sites = self._sites, list_sites(pools)
        for name in self._up.keys() - self._sites.keys():
            del self._up[name]
        for name, site in self._sites.items():
            if name in before and (site.check is None or site.addresses != before[name].addresses):
                self._up.pop(name, None)
        self._prober.reconfigure(self._checked())

    def leave_out(self, names: Collection[str]) -> None:
        """Checks these no more, and those again that were left out until now."""
        if self._left_out != names:
            self._left_out = frozenset(names)
            self._prober.reconfigure(self._checked())

    async def run(self) -> None:
        """Checks until cancelled."""
        await self._prober.run()

    def _checked(self) -> dict[str, Site]:
        return {name: site for name, site in self._sites.items() if name not in self._left_out}

    async def _take(self, report: Report) -> None:
        self.reports = report.sites
        for name, found in report.sites.items():
            if found.up is not None and self._up.get(name) is not found.up:
                self._tell(name, found)

    def _tell(self, name: str, found: SiteReport) -> None:
        self._up[name] = bool(found.up)
        pool, _, backend = name.partition("/")
        reason = "" if found.up else found.reason
        self._told(CheckChanged(pool, backend, bool(found.up), reason))
