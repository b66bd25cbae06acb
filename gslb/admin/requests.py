"""The body of `POST /api/v1/orders`, from octets of anybody to an order that is wanted. Pure.

Laws:
1. Any octets give an OrderRequest or ValueError with words for people, in time linear in their
   number: depth is bounded before JSON is read.
2. Nothing is guessed: a key that is unknown or stands twice, a wrong type and NaN are errors.
3. What people will read later (reason, owner) is one line of bounded length without characters that
   steer terminals.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from gslb.model.order import OrderKind

MAX_BODY_OCTETS = 64 * 1024
MAX_DEPTH = 8
MAX_SITE_CHARACTERS = 253
MAX_OWNER_CHARACTERS = 100
MAX_REASON_CHARACTERS = 500
END_OF_TIME_AT = 253_402_300_800
"""The year 10000, which people's calendars do not reach."""

_TEXTS = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)  # the end is optional: never walks back
_KEYS = ("site", "do", "reason", "owner", "until_at", "force")


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order that somebody wants. until_at: Unix seconds, None for until it is taken back.
    is_forced: even where it leaves less capacity than `health.min_capacity`.
    """

    site: str
    kind: OrderKind
    reason: str
    owner: str = ""
    until_at: float | None = None
    is_forced: bool = False


def parse_order_request(octets: bytes) -> OrderRequest:
    """The order that a body asks for. Raises ValueError, by the client's fault."""
    fields = _read_object(octets)
    unknown = sorted(set(fields) - set(_KEYS))
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r:.60}; allowed: {', '.join(_KEYS)}")
    return OrderRequest(
        site=_text(fields, "site", MAX_SITE_CHARACTERS, is_required=True),
        kind=_kind(fields.get("do")),
        reason=_text(fields, "reason", MAX_REASON_CHARACTERS, is_required=True),
        owner=_text(fields, "owner", MAX_OWNER_CHARACTERS),
        until_at=_moment(fields.get("until_at")),
        is_forced=_flag(fields.get("force", False)),
    )


def _read_object(octets: bytes) -> dict[str, Any]:
    try:
        text = octets.decode()
    except UnicodeDecodeError as error:
        raise ValueError("the body is not UTF-8") from error
    if _depth(text) > MAX_DEPTH:
        raise ValueError(f"the body is nested deeper than {MAX_DEPTH}")
    try:
        read = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise ValueError("the body must be a JSON object")
    return read


def _depth(text: str) -> int:
    """How deep brackets are nested, those in strings apart."""
    depth = deepest = 0
    for character in _TEXTS.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in the body")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _text(fields: dict[str, Any], key: str, limit: int, *, is_required: bool = False) -> str:
    text = fields.get(key, "")
    if not isinstance(text, str):
        raise ValueError(f"{key} must be text")
    text = text.strip()
    if is_required and not text:
        raise ValueError(f"{key} must not be empty")
    if len(text) > limit:
        raise ValueError(f"{key} is longer than {limit} characters")
    if not text.isprintable():
        raise ValueError(f"{key} must be one line of printable characters")
    return text


def _kind(do: object) -> OrderKind:
    try:
        return OrderKind(do)  # type: ignore[arg-type]  # what is no kind raises
    except ValueError:
        raise ValueError(f"do must be one of {', '.join(OrderKind)}") from None


def _moment(value: Any) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < END_OF_TIME_AT:
        raise ValueError("until_at must be Unix seconds or null")
    return float(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("force must be true or false")
    return value
