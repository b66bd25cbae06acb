"""What one observer says about sites: the unit that is signed, stored and merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteReport:
    """One observer's view of one site, after rise and fall.

    up: None before the first result. streak: consecutive results that contradict `up`. since_at:
    Unix seconds of the last change of `up`. rtt_ms, first_byte_ms: smoothed times to connect and to
    the first octet of the answer. samples: how many results stand behind them, counted up to 255.
    certificate_until_at: Unix seconds at which the certificate that was shown expires. reason: the
    last failure in a few words, empty when it passed.
    """

    up: bool | None = None
    streak: int = 0
    since_at: float = 0.0
    rtt_ms: float | None = None
    first_byte_ms: float | None = None
    samples: int = 0
    certificate_until_at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All that one agent saw last.

    boot: a random name of this run of the agent. sequence: grows with every report of one boot. at:
    Unix seconds. canaries: how many of its canaries answer, and how many it has.
    """

    agent: str
    boot: str
    sequence: int
    at: float
    sites: Mapping[str, SiteReport]
    canaries: tuple[int, int] = (0, 0)
