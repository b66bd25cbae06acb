"""Does a file have the shape of its model? Findings in an operator's words, and what is left
without the bad parts.

Laws:
1. Every fault of shape is found in one pass.
2. A unit with a fault (one site, agent, order or service, one route, pool, listener or key of a
   proxy, or a top-level key) is left out, and the rest is still judged, so that rules over several
   keys and files report at the same time as faults of shape. A proxy that lacks what it needs
   without such a part is left out whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gslb.config.finding import Finding, Path
from gslb.config.words import allowed_by, branches_of, did_you_mean, one_of, schema_at, shown

# The parts of a file that stand for themselves.
UNITS = ("sites", "agents", "orders", "services", "proxies")
PARTS = ("routes", "pools", "listen")
"""The keys of a proxy whose entries stand for themselves."""
_AT_KEY = "[key]"  # what pydantic puts behind a key that is wrong itself

_DEEPEST = 4  # proxies.NAME.routes.0

M = TypeVar("M", bound=BaseModel)


def check_shape(model: type[M], data: object, path: Path = ()) -> tuple[M | None, list[Finding]]:
    """Data as a model without its bad units, or None where that is not possible. path: where data
    stands.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    findings = [_explain(one, path, _schema(model)) for one in details]
    return _without_bad_units(model, data, details), findings


def _without_bad_units(model: type[M], data: object, details: list[ErrorDetails]) -> M | None:
    """What is left without the smallest units that can go, and without the larger ones of those
    that cannot.
    """
    if not isinstance(data, dict):
        return None
    cuts = {_part_of(path) for path in _places(details)}
    try:
        return model.model_validate(_prune(data, cuts))
    except ValidationError as error:
        cuts |= {_unit_of(path) for path in _places(error.errors(include_url=False))}
    try:
        return model.model_validate(_prune(data, cuts))
    except ValidationError:
        return None


def _places(details: list[ErrorDetails]) -> list[Path]:
    return [tuple(key for key in one["loc"] if key != _AT_KEY) for one in details]


def _unit_of(path: Path) -> Path:
    return path[:2] if path[:1] and path[0] in UNITS else path[:1]


def _part_of(path: Path) -> Path:
    if path[:1] != ("proxies",) or len(path) < 3:
        return _unit_of(path)
    return path[:4] if path[2] in PARTS else path[:3]


def _prune(value: object, cuts: AbstractSet[Path], at: Path = ()) -> object:
    """A copy of plain data without what stands at the cuts; none of them is deeper than a part."""
    if len(at) == _DEEPEST:
        return value
    if isinstance(value, dict):
        places = {key: (*at, key) for key in value}
        return {
            key: _prune(one, cuts, places[key])
            for key, one in value.items()
            if places[key] not in cuts
        }
    if isinstance(value, list):
        kept = ((index, one) for index, one in enumerate(value) if (*at, index) not in cuts)
        return [_prune(one, cuts, (*at, index)) for index, one in kept]
    return value


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _explain(detail: ErrorDetails, base: Path, root: dict[str, Any]) -> Finding:
    """One of pydantic's errors in an operator's words."""
    loc: Path = detail["loc"]
    at_key = _AT_KEY in loc
    loc = tuple(key for key in loc if key != _AT_KEY)
    match detail["type"]:
        case "missing":
            return Finding((*base, *loc[:-1]), _tell_missing(loc, root), at_key=True)
        case "extra_forbidden":
            return Finding((*base, *loc), _tell_unknown(loc, root), at_key=True)
        case "value_error":
            return Finding((*base, *loc), str(detail["ctx"]["error"]), at_key=at_key)
    allowed = allowed_by(schema_at(loc, root), root)
    return Finding((*base, *loc), f"must be {allowed}, not {_tell_found(detail)}", at_key=at_key)


def _tell_found(detail: ErrorDetails) -> str:
    found = detail["input"]
    if detail["type"] in ("too_long", "too_short") and isinstance(found, (list, dict)):
        return f"{len(found)} of them" if found else "an empty one"
    return shown(found)


def _tell_missing(loc: Path, root: dict[str, Any]) -> str:
    about = (
        " ".join(str(schema_at(loc, root).get("description", "")).split())
        .partition(". ")[0]
        .rstrip(".")
    )
    return f"the key {loc[-1]} is missing{': ' + about if about else ''}"


def _tell_unknown(loc: Path, root: dict[str, Any]) -> str:
    allowed = list(_allowed_keys(loc[:-1], root))
    return f"unknown key; allowed: {one_of(allowed)}{did_you_mean(str(loc[-1]), allowed)}"


def _allowed_keys(path: Path, root: dict[str, Any]) -> Iterator[str]:
    for branch in branches_of(schema_at(path, root), root):
        yield from branch.get("properties", {})
