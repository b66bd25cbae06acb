"""What happened: one line of the log and one entry of the event stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class EventKind(StrEnum):
    """What can happen that an operator may want to know afterwards."""

    SITE_CHANGED = "site changed"
    BACKEND_CHANGED = "backend changed"
    ORDER_GIVEN = "order given"
    ORDER_APPLIED = "order applied"
    ORDER_OVER = "order over"
    VOTE_LOST = "vote lost"
    VOTE_REGAINED = "vote regained"
    ALERT = "alert"
    ALERT_OVER = "alert over"
    STORE_LOST = "store lost"
    STORE_BACK = "store back"
    OWN_PROBES_BEGAN = "own probes began"
    OWN_PROBES_ENDED = "own probes ended"


WARNINGS = frozenset({EventKind.VOTE_LOST, EventKind.ALERT, EventKind.STORE_LOST})
"""The kinds that are logged as warnings; OWN_PROBES_BEGAN follows a warning anyway."""

Value = str | float | bool | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. at: Unix seconds. subject: the site, agent or store that it happened
    to, empty for the whole. fields: what else there is to say, in order.
    """

    kind: EventKind
    at: float
    subject: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)
