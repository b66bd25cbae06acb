"""What several workers say of one proxy, as one.

Laws:
1. Numbers add up, but for times (the slowest worker's), shares (weighted by requests), and what all
   workers have in common (NOT_ADDED): there the largest.
2. Words and truths are the first worker's that has them; lists are joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Plain = Mapping[str, Any]

NOT_ADDED = frozenset({"healthy", "total", "weight", "limit_s", "lag_ms"})
WEIGHT = "requests_per_s"


def add_counters(each: Iterable[Plain]) -> dict[str, Any]:
    """The sums by name, of what is counted by something else, too."""
    total: dict[str, Any] = {}
    for counted in each:
        for name, found in counted.items():
            if isinstance(found, Mapping):
                total[name] = add_counters([total.get(name, {}), found])
            else:
                total[name] = total.get(name, 0) + found
    return total


def add_plain(told: Sequence[Plain]) -> dict[str, Any]:
    """One mapping of all (laws 1 and 2)."""
    said = [one for one in told if one]
    keys = dict.fromkeys(key for one in said for key in one)
    return {key: _add(key, [one for one in said if key in one]) for key in keys}


def _add(key: str, said: Sequence[Plain]) -> Any:
    values = [one[key] for one in said if one[key] is not None]
    if not values:
        return None
    if all(isinstance(value, Mapping) for value in values):
        return add_plain(values)
    if all(isinstance(value, list) for value in values):
        return [item for value in values for item in value]
    if not all(_is_number(value) for value in values):
        return values[0]
    if key.endswith("_share"):
        return _weigh(key, said)
    if key.endswith("_ms") or key in NOT_ADDED:
        return max(values)
    return sum(values)


def _weigh(key: str, said: Sequence[Plain]) -> float:
    pairs = [(float(one[key]), float(one.get(WEIGHT) or 0)) for one in said if one[key] is not None]
    weight = sum(part for _, part in pairs)
    if not weight:
        return max(share for share, _ in pairs)
    return sum(share * part for share, part in pairs) / weight


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
