"""What one observer says about sites: the unit that stores keep and that the merge reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteReport:
    """One observer's view of one site, after rise and fall.

    up: None before the first result. streak: consecutive results that contradict `up`. since_at:
    Unix seconds of the last change of `up`. rtt_ms: the last connect time. reason: the last failure
    in a few words, empty when it passed.
    """

    up: bool | None = None
    streak: int = 0
    since_at: float = 0.0
    rtt_ms: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that one agent saw last. sequence: grows with every report of one boot. at: Unix
    seconds.
    """

    agent: str
    boot: str
    sequence: int
    at: float
    sites: Mapping[str, SiteReport]
