"""Which route a request takes: the first that matches.

Law: routes are judged in the operator's order, by nothing but the request, its client and the time,
so a log replays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gslb.model.place import Address
from gslb.model.proxy import Route
from gslb.route.lane import Lane
from gslb.route.match import Check, Conditions, compile_match

if TYPE_CHECKING:
    from gslb.http1.head import Request

__all__ = ["Lane", "Router"]


Row = tuple[bytes, bytes | None, tuple[Check, ...], Lane]
"""What every path of a route begins with, a header it needs, its rules, and its lane."""


class Router:
    """The routes of a proxy, compiled.

    keys: the octets of each key file that a route names. Raises ValueError, the operator's fault,
    naming the route whose key, pattern or replacement cannot be used.
    """

    __slots__ = ("_conditions", "_others", "_tables", "lanes")

    def __init__(self, routes: Sequence[Route], *, keys: Mapping[str, bytes]) -> None:
        compiled = [_compile(route, keys) for route in routes]
        self.lanes = tuple(lane for lane, _ in compiled)
        self._conditions = tuple(conditions for _, conditions in compiled)
        rows = [
            (each.begins, each.needed, tuple(rule.check for rule in each.rules), lane)
            for lane, each in compiled
        ]
        segments = {_first_segment(row[0]) for row in rows}
        self._others = _narrow(rows, b"")
        self._tables = {segment: _narrow(rows, segment) for segment in segments}

    def pick(self, request: Request, *, client: Address, at: float) -> Lane | None:
        """The lane of the first route that matches, None if none does.

        at: Unix seconds, for the tokens' times. Costs 1 us for the last of eight routes, less where
        they name a first segment that the path does not have: those are not looked at.
        """
        path, fields = request.path, request.fields
        for begins, needed, checks, lane in self._tables.get(_first_segment(path), self._others):
            if not path.startswith(begins) or (needed is not None and needed not in fields):
                continue
            for check in checks:
                if not check(request, client, at):
                    break
            else:
                return lane
        return None

    def explain(self, request: Request, *, client: Address, at: float) -> list[tuple[str, str]]:
        """Each route up to the one that is taken, and why it is not taken (`matches` for the one
        that is).
        """
        told = []
        for lane, conditions in zip(self.lanes, self._conditions, strict=True):
            failed = (each for each in conditions.rules if not each.check(request, client, at))
            rule = next(failed, None)
            told.append((lane.name, "matches" if rule is None else rule.tell(request, client, at)))
            if rule is None:
                break
        return told


def _first_segment(path: bytes) -> bytes:
    """The first segment of a path that goes on behind it, empty for any other path."""
    end = path.find(b"/", 1)
    return path[1:end] if end > 0 else b""


def _narrow(rows: Sequence[Row], segment: bytes) -> tuple[Row, ...]:
    """The routes, in their order, that may match a path with this first segment: those that ask for
    it, and those that ask for none.
    """
    return tuple(row for row in rows if _first_segment(row[0]) in (b"", segment))


def _compile(route: Route, keys: Mapping[str, bytes]) -> tuple[Lane, Conditions]:
    try:
        return Lane(route), compile_match(route.match, keys)
    except ValueError as error:
        raise ValueError(f"route {route.name}: {error}") from error
