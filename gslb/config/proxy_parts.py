"""What the file says of a proxy where parts of it were left out for their faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gslb.config.finding import Finding, Key, Path
from gslb.config.shape import PARTS


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a proxy that rules point at.

    pools: the names of all pools, those with faults included. routes, listen: where each one that
    was not left out stands in the file. is_whole: none of them was. broken: the keys that were left
    out, so nothing can be said of them.
    """

    pools: tuple[str, ...] = ()
    routes: tuple[int, ...] = ()
    listen: tuple[int, ...] = ()
    is_whole: bool = True
    broken: frozenset[Key] = frozenset()

    def has(self, key: str) -> bool:
        """Whether the value of a key is what the file says."""
        return key not in self.broken


def read_parts(data: object, findings: Iterable[Finding]) -> dict[str, Parts]:
    """The parts of each proxy in a main file's plain data. findings: its faults of shape."""
    proxies = data.get("proxies") if isinstance(data, dict) else None
    faults = [one.path[1:] for one in findings if one.path[:1] == ("proxies",)]
    return {
        name: _read(raw, {path[1:] for path in faults if path[:1] == (name,)})
        for name, raw in (proxies.items() if isinstance(proxies, dict) else ())
        if isinstance(raw, dict)
    }


def _read(raw: dict[str, Any], faults: set[Path]) -> Parts:
    pools = raw.get("pools")
    broken = {path[0] for path in faults if path and (len(path) == 1 or path[0] not in PARTS)}
    bad = {path[:2] for path in faults if len(path) > 1}
    kept = {key: raw.get(key) for key in PARTS if key not in broken}
    return Parts(
        pools=tuple(pools) if isinstance(pools, dict) else (),
        routes=_places(kept, "routes", bad),
        listen=_places(kept, "listen", bad),
        is_whole=not any(path[:1] and path[0] in ("routes", "listen") for path in faults),
        broken=frozenset(broken),
    )


def _places(raw: dict[str, Any], key: str, bad: set[Path]) -> tuple[int, ...]:
    entries = raw.get(key)
    count = len(entries) if isinstance(entries, list) else 0
    return tuple(index for index in range(count) if (key, index) not in bad)
