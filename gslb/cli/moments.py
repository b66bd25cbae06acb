"""Moments and durations as people write and read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import ceil

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,6}[smhd])+")
_PART = re.compile(r"([0-9]+)([smhd])")


def parse_until(text: str, at: float) -> float:
    """Unix seconds of `30m`, `2h`, `1d`, `1h30m` from a moment on, or of an ISO 8601 time with its
    zone. Raises ValueError.
    """
    if _DURATION.fullmatch(text):
        return at + sum(int(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no time; allowed: a duration such as 30m, 2h or 1d, or a time such as"
            " 2026-01-31T12:00Z"
        ) from error
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} says no zone; allowed: {text}Z, {text}+01:00, ...")
    return moment.timestamp()


def tell_moment(at: float) -> str:
    """`2026-01-31T12:00:00Z`; what is no moment of a calendar as its number."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return f"{at:g}"


def tell_remaining(seconds: float) -> str:
    """A time that is left: `45 s`, `30 min`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 60:
        return f"{max(0, round(seconds))} s"
    minutes = ceil(seconds / 60)  # so that an order for 2 h begins with 2 h
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"
