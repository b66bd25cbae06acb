"""How the clients of services are told apart, under one table of measurements.

Laws:
1. Each distinct division of clients has one group, and what the group remembers of its clients.
2. A division under other measurements shares nothing with this one but the geography: it can be
   made in another thread while this one answers, and this one is forgotten whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

from gslb.engine.clients import Classifier, ClientClasses, Space
from gslb.engine.groups import ClientGroup, Memory, OptionUse
from gslb.model.geotable import Ranges
from gslb.model.service import Candidate
from gslb.policy.base import Filter, Measurements

NO_RANGES = Ranges(array("Q"), array("I"))


class Division:
    """Makes the client groups of services, each distinct one once."""

    def __init__(self, space: Space, use: OptionUse, measurements: Measurements) -> None:
        self.space = space
        self._use = use
        self._measurements = measurements
        self._classifier = Classifier(space)
        self._memory = Memory()
        self._groups: dict[Hashable, ClientGroup] = {}

    def with_measurements(self, measurements: Measurements) -> Division:
        """An empty division under other measurements (law 2)."""
        return Division(self.space, self._use, measurements)

    def settle(self) -> None:
        """Lets go of the address space as ranges, some 4 MiB: for when all groups are made."""
        self.space = replace(self.space, ipv4=NO_RANGES, ipv6=NO_RANGES)
        self._classifier = Classifier(self.space)

    def group(
        self, policy: Hashable, filters: Sequence[Filter], candidates: tuple[Candidate, ...]
    ) -> ClientGroup:
        """The group that filters make of all clients. policy: equal for equal filters."""
        classes = self._classifier.classes(filters, candidates, self._measurements, key=policy)
        networks = longest_prefixes(filters)
        key = (id(classes), networks)
        if key not in self._groups:
            self._groups[key] = self.make_group(classes, networks)
        return self._groups[key]

    def make_group(
        self, classes: ClientClasses, networks: tuple[int, int] | None = None
    ) -> ClientGroup:
        """A new group. networks: the prefixes of the client network in its keys, if any."""
        return ClientGroup(
            classes,
            longest=self.space.longest,
            networks=networks,
            use=self._use,
            memory=self._memory,
        )


def longest_prefixes(filters: Iterable[Filter]) -> tuple[int, int] | None:
    """The longest IPv4 and IPv6 prefixes that filters read of a client's address, or None if none
    does.
    """
    asked = [each.client_prefix for each in filters if each.client_prefix is not None]
    if not asked:
        return None
    return max(ipv4 for ipv4, _ in asked), max(ipv6 for _, ipv6 in asked)
