"""Words that the `why` lines of several filters share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from gslb.model.service import Candidate

END_OF_9999 = 253402300800
"""Where datetime ends. A clock that is this wrong must not cost an answer."""


def join_names(candidates: Iterable[Candidate]) -> str:
    """The names of candidates, for people: `eu-west, us-east`."""
    return ", ".join(candidate.name for candidate in candidates)


def tell_time(at: float) -> str:
    """A moment in Unix seconds as people read it: `2026-01-31 12:03:11Z`."""
    if not 0 < at < END_OF_9999:
        return "an unknown time"
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
