"""How alerts and reasons put names and times, so that none of them grows with the number of sites
or changes by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import floor

END_OF_9999 = 253402300800
"""Where datetime ends. Times come from agents, and the clock of one must not end merging."""
NAMES_TOLD = 5
"""Names in one alert: 1,000 sites that fail at once are one line, not a page."""


def join_names(names: Sequence[str]) -> str:
    """`a, b, c`, and how many more there are."""
    told = ", ".join(names[:NAMES_TOLD])
    return f"{told} and {len(names) - NAMES_TOLD} more" if len(names) > NAMES_TOLD else told


def tell_utc(at: float) -> str:
    """Unix seconds for people: the same text for the same whole second."""
    if not 0 <= at < END_OF_9999:
        return "an unknown time"
    return datetime.fromtimestamp(floor(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tell_share(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.3g} %"


def quantise(seconds: float) -> float:
    """A time that is left, rounded down so that it changes rarely: to 1 s under a minute, 10 s
    under ten minutes, else 60 s. Each change makes a new snapshot, which costs the caches of
    answers.
    """
    unit = 1 if seconds < 60 else 10 if seconds < 600 else 60
    return float(max(0, floor(seconds / unit) * unit))
