"""A JSON document from a stranger, compared with what a check expects of it.

Laws:
1. A path is keys and indexes joined with dots; at an array a part is an index from 0, at an object
   a key.
2. Values are compared strictly: true is not 1 and "1" is not 1, but 1 is 1.0, since JSON has one
   kind of number.
3. A document that is broken, nested too deep, or not JSON (NaN) differs from every expectation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from gslb.model.check import JsonScalar


def find_difference(octets: bytes, expected: Iterable[tuple[str, JsonScalar]]) -> str:
    """The first thing in which a document is not as expected, or an empty text.

    expected: (path, value) pairs. octets: bounded by the caller.
    """
    try:
        document = json.loads(octets, parse_constant=_refuse_constant)
    except RecursionError:
        return "the body is not acceptable JSON: nested too deep"
    except ValueError as error:
        return f"the body is not JSON: {error}"
    for path, value in expected:
        try:
            found = _find(document, path)
        except LookupError:
            return f"JSON: there is no {path}"
        if not _is_same(found, value):
            return f"JSON: {path} is {_show(found)}, expected {_show(value)}"
    return ""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _find(document: Any, path: str) -> Any:
    """The value at a path. Raises LookupError."""
    for part in path.split("."):
        match document:
            case dict():
                document = document[part]
            case list() if part.isascii() and part.isdigit() and len(part) <= 9:
                document = document[int(part)]
            case _:
                raise LookupError(part)
    return document


def _is_same(found: Any, expected: JsonScalar) -> bool:
    if isinstance(found, bool) or isinstance(expected, bool) or found is None or expected is None:
        return found is expected
    if isinstance(found, int | float) and isinstance(expected, int | float):
        return found == expected
    return isinstance(found, str) and isinstance(expected, str) and found == expected


def _show(value: Any) -> str:
    """A value as JSON; of one that holds others only its kind."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case _:
            return json.dumps(value)
