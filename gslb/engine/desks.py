"""All desks of a configuration, and the plans behind them.

Laws:
1. Services with the same candidates and filters share one client group, and what they decide.
2. A plan lives as long as the health snapshot it was made for; what outlives it is its turn, by the
   meaning of its key.
3. Plans of clients that are told apart by network are many: they are bounded, and forgotten all at
   once.
4. Other measurements give new desks to the services whose policy reads them; the others keep
   theirs, with all that is remembered of their clients.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace

from gslb.engine.clients import make_space, one_class
from gslb.engine.desk import Choices, Conditions, Desk, Plan, can_answer
from gslb.engine.division import Division, longest_prefixes
from gslb.engine.groups import ClientGroup, Key, OptionUse
from gslb.model.geotable import GeoTable
from gslb.model.service import Candidate, Service
from gslb.model.system import DnsLimits
from gslb.policy.base import NO_MEASUREMENTS, Measurements
from gslb.policy.registry import make_filter
from gslb.wire import codes
from gslb.wire.names import to_text
from gslb.zone.tree import Zone

MAX_PLANS = 16_384  # about a kilobyte each where clients are told apart by network

Turns = Mapping[Hashable, int]


class Desks:
    """The desks of one configuration, geography and table of measurements: what a new health
    snapshot does not change.

    by_place: the desks by owner and family. measured: divides the clients of those that read
    measurements.
    """

    def __init__(
        self,
        zones: Iterable[Zone],
        table: GeoTable,
        limits: DnsLimits,
        measurements: Measurements,
    ) -> None:
        self.measurements = measurements
        longest = (limits.ecs_max_ipv4, min(limits.ecs_max_ipv6, 64))
        use = OptionUse(ecs=limits.ecs, nsid=limits.nsid is not None)
        self._still = Division(make_space(table, longest), use, NO_MEASUREMENTS)
        self.measured = self._still.with_measurements(measurements)
        self._kinds: dict[Hashable, int] = {}
        self.by_place = {(d.owner, d.rtype): d for zone in zones for d in self._of_zone(zone)}
        if not any(map(reads_measurements, self.by_place.values())):  # none is divided anew
            self._still.settle()
            self.measured.settle()

    def get(self, owner: bytes, rtype: int) -> Desk | None:
        """The desk of a service's owner for A, AAAA or CNAME."""
        return self.by_place.get((owner, rtype))

    def with_measurements(self, measurements: Measurements) -> Desks:
        """The desks that go by other measurements (law 4); these very ones when none reads any."""
        if not any(map(reads_measurements, self.by_place.values())):
            return self
        made = copy(self)
        made.measurements = measurements
        made.measured = self.measured.with_measurements(measurements)
        made.by_place = {
            place: divide_anew(desk, made.measured) if reads_measurements(desk) else desk
            for place, desk in self.by_place.items()
        }
        return made

    def uniform_group(self) -> ClientGroup:
        """A group that tells no client from another, for static data."""
        return self._still.make_group(one_class(self._still.space.table))

    def _of_zone(self, zone: Zone) -> Iterator[Desk]:
        for node in zone.nodes.values():
            if node.service is not None:
                yield from self._of_service(node.name, node.service)

    def _of_service(self, owner: bytes, service: Service) -> Iterator[Desk]:
        filters = tuple(make_filter(spec) for spec in service.policy)
        reads = any(each.reads_measurements for each in filters)
        division = self.measured if reads else self._still
        for rtype in (codes.A, codes.AAAA, codes.CNAME):
            candidates = tuple(one for one in service.candidates if can_answer(one, rtype))
            if candidates:
                group = division.group(service.policy, filters, candidates)
                kind = self._kind(owner, rtype, service, candidates)
                yield Desk(owner, rtype, service, candidates, filters, group, kind)

    def _kind(
        self, owner: bytes, rtype: int, service: Service, candidates: tuple[Candidate, ...]
    ) -> int:
        """A number for all that a decision depends on besides the client and the conditions.

        Filters that read the client's network hash it with the service's name, so those services
        share nothing.
        """
        filters = (make_filter(spec) for spec in service.policy)
        alone = owner if longest_prefixes(filters) is not None else b""
        meaning = (alone, rtype, candidates, replace(service, name=""))
        return self._kinds.setdefault(meaning, len(self._kinds))


def reads_measurements(desk: Desk) -> bool:
    """Whether what a desk decides depends on measurements."""
    return any(each.reads_measurements for each in desk.filters)


def divide_anew(desk: Desk, division: Division) -> Desk:
    """The desk with its clients divided by another division."""
    return replace(desk, group=division.group(desk.service.policy, desk.filters, desk.candidates))


class Plans:
    """The plans of one health snapshot, made as clients come."""

    def __init__(self, conditions: Conditions, turns: Turns) -> None:
        self.conditions = conditions
        self._turns = turns
        self._of_desk: dict[Desk, dict[Key, Plan]] = defaultdict(dict)
        self._choices: dict[tuple[int, Key], Choices] = {}
        self._count = 0
        self._answered: Counter[tuple[str, str]] = Counter()  # by plans that were forgotten

    def of_desk(self, desk: Desk) -> dict[Key, Plan]:
        """The plans of one desk by client key: the same mapping as long as this object lives."""
        return self._of_desk[desk]

    def plan(self, desk: Desk, key: Key) -> Plan:
        """The plan of a desk for a client key (laws 2 and 3)."""
        plans = self._of_desk[desk]
        plan = plans.get(key)
        if plan is None:
            if self._count >= MAX_PLANS:
                self._forget()
            choices = self._choices.get((desk.kind, key))
            if choices is None:
                choices = self._choices[desk.kind, key] = Choices(desk, self.conditions, key)
            turn = self._turns.get(_meaning(desk, key), 0)
            plan = plans[key] = Plan(choices, turn % choices.period)
            self._count += 1
        return plan

    def turns(self) -> Turns:
        """The turns to go on from when the next snapshot comes."""
        turning = {
            _meaning(desk, key): plan.uses % plan.period
            for desk, key, plan in self._all()
            if plan.period > 1
        }
        return {**self._turns, **turning}

    def count_answers(self) -> Counter[tuple[str, str]]:
        """How many answers each (service, first candidate) got from these plans."""
        counts = self._answered.copy()
        for desk, plans in self._of_desk.items():
            name = to_text(desk.owner)
            for plan in plans.values():
                for first, times in plan.answers():
                    counts[name, first] += times
        return counts

    def _all(self) -> Iterator[tuple[Desk, Key, Plan]]:
        for desk, plans in self._of_desk.items():
            for key, plan in plans.items():
                yield desk, key, plan

    def _forget(self) -> None:
        self._turns = self.turns()
        self._answered = self.count_answers()
        self._count = 0
        self._choices.clear()
        for plans in self._of_desk.values():
            plans.clear()


def _meaning(desk: Desk, key: Key) -> Hashable:
    return desk.owner, desk.rtype, desk.group.signature(key)
