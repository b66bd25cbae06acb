"""The demo's table: from what a node says of itself to what people see. Pure.

Laws:
1. A rate is the difference of two samples over the time between them; it is 0 while there is one.
2. What is in force is shown, not what was observed: an order before a state, and a site that is
   down but held says so, because it still gets answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

EVENTS_SHOWN = 4

_STYLES = {
    "up": "green",
    "down": "bold red",
    "held": "bold yellow",
    "unknown": "dim",
    "drained": "bold cyan",
    "forced up": "bold magenta",
    "forced down": "bold magenta",
}
_ORDERED = {"drain": "drained", "up": "forced up", "down": "forced down"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A node's status (`NodeInsight.status`), and when it was taken in monotonic seconds."""

    status: Mapping[str, Any]
    now: float


@dataclass(frozen=True, slots=True)
class Row:
    """One site. state: up, down, held, unknown, drained, forced up or forced down. since_s: the age
    of what was observed, None while there is none.

    flip_s: seconds to the earliest possible change, which is the longest TTL that answers get;
    None when none is due. answers: those that began with this site.
    """

    name: str
    state: str
    since_s: float | None
    flip_s: float | None
    answers: int
    answers_per_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Voice:
    """One agent. age_s: of its last word, None before the first. why: what cost it its vote."""

    name: str
    has_vote: bool
    age_s: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Board:
    """What is shown. store: in a few words, and whether it is there. queries: messages over UDP and
    TCP together.
    """

    rows: tuple[Row, ...]
    voices: tuple[Voice, ...]
    store: str
    has_store: bool
    queries: int
    answers: int
    answers_per_s: float
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notes:
    """What stands under the table. own: the demo's own queries, in a line. keys: what may be
    pressed, in lines.
    """

    own: str = ""
    clients: Mapping[str, str] | None = None
    events: Sequence[str] = ()
    keys: Sequence[str] = ()


def compose_board(older: Sample, newer: Sample, at: float) -> Board:
    """The board of a moment in Unix seconds, with rates since the older sample (law 1)."""
    span_s = newer.now - older.now
    before, after = _answers(older.status), _answers(newer.status)

    def rate(grown: int) -> float:
        return grown / span_s if span_s > 0 else 0.0

    rows = tuple(
        Row(
            name=name,
            state=_tell_state(site),
            since_s=max(0.0, at - site["since_at"]) if site["since_at"] else None,
            flip_s=site["flip_s"],
            answers=after[name],
            answers_per_s=rate(after[name] - before[name]),
            reason=_tell_reason(site),
        )
        for name, site in newer.status["sites"].items()
    )
    return Board(
        rows=rows,
        voices=tuple(
            Voice(name, agent["has_vote"], agent["age_s"], agent["why"])
            for name, agent in newer.status["agents"].items()
        ),
        store=_tell_store(newer.status, at),
        has_store=newer.status["store"]["is_connected"],
        queries=_queries(newer.status),
        answers=after.total(),
        answers_per_s=rate(after.total() - before.total()),
        alerts=tuple(newer.status["alerts"]),
    )


def _tell_state(site: Mapping[str, Any]) -> str:
    if site["order"] is not None:
        return _ORDERED[site["order"]["kind"]]
    return "held" if site["held"] else str(site["state"])


def _tell_reason(site: Mapping[str, Any]) -> str:
    """Why a site is what it is: who ordered it, else what was observed."""
    order = site["order"]
    if order is None:
        return str(site["reason"])
    who = f"by {order['owner']}" if order["owner"] else "ordered"
    return f"{who}: {order['reason']}"


def _tell_store(status: Mapping[str, Any], at: float) -> str:
    store = status["store"]
    age = tell_age(max(0.0, at - store["since_at"]))
    if store["is_connected"]:
        found = f"{store['target']}, there for {age}"
    else:
        found = f"{store['target']}, away for {age}: {store['error']}"
    return f"{found}; own probes {status['own_probes']}"


def _answers(status: Mapping[str, Any]) -> Counter[str]:
    """Answers by the site that they began with, of all services."""
    counts: Counter[str] = Counter()
    for entry in status["answers"]:
        counts[entry["site"]] += entry["count"]
    return counts


def _queries(status: Mapping[str, Any]) -> int:
    counters = status["counters"]
    return int(counters.get("udp_queries", 0) + counters.get("tcp_queries", 0))


# ---------------------------------------------------------------- on a terminal


def render_board(board: Board, notes: Notes) -> RenderableType:
    """The board as it is drawn on a terminal; EVENTS_SHOWN lines are kept for events, so that the
    picture does not jump.
    """
    events = list(notes.events)[-EVENTS_SHOWN:]
    lines = [
        Text(f"store {board.store}", style="" if board.has_store else "bold yellow"),
        Text(f"{board.answers:,} answers, {board.answers_per_s:.1f}/s; {board.queries:,} queries"),
        Text(notes.own),
        Text("  ".join(f"{label} > {site}" for label, site in (notes.clients or {}).items())),
        *(Text(f"ALERT {alert}", style="bold yellow") for alert in board.alerts),
        Text("events", style="bold"),
        *(Text(f"  {line}", style="dim") for line in events),
        *(Text("") for _ in range(EVENTS_SHOWN - len(events))),
        *(Text(line, style="bold") for line in notes.keys),
    ]
    for line in lines:
        line.no_wrap, line.overflow = not line.plain.startswith("ALERT"), "ellipsis"
    tables = [_draw_sites(board.rows)]
    if board.voices:
        tables.append(_draw_agents(board.voices))
    return Group(*tables, *lines)


def _draw_sites(rows: Sequence[Row]) -> Table:
    table = _make_table()
    for name in ("#", "site", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("since", "TTL up to", "answers", "per s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why")
    for number, row in enumerate(rows, start=1):
        state = Text(row.state, style=_STYLES[row.state])
        cells = (tell_age(row.since_s), tell_horizon(row.flip_s), f"{row.answers:,}")
        table.add_row(
            str(number), row.name, state, *cells, f"{row.answers_per_s:.1f}", _cut(row.reason)
        )
    return table


def _draw_agents(voices: Sequence[Voice]) -> Table:
    table = _make_table()
    for name in ("agent", "vote"):
        table.add_column(name, no_wrap=True)
    table.add_column("heard", justify="right", no_wrap=True)
    table.add_column("why")
    for voice in voices:
        vote = Text("yes", style="green") if voice.has_vote else Text("no", style="bold red")
        table.add_row(voice.name, vote, tell_age(voice.age_s), _cut(voice.why))
    return table


def _make_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline")


def _cut(text: str) -> Text:
    """A cell that ends where the terminal does, and is the only one to be made narrower."""
    return Text(text, no_wrap=True, overflow="ellipsis")


# ---------------------------------------------------------------- in a pipe


def board_lines(board: Board, notes: Notes) -> Iterator[str]:
    """The board as lines of text: one for all, one a site, an agent, the store, an alert."""
    yield f"answers={board.answers} per_s={board.answers_per_s:.1f} queries={board.queries}" + (
        f" ({notes.own})" if notes.own else ""
    )
    for row in board.rows:
        yield (
            f"  {row.name}: {row.state} for {tell_age(row.since_s)}, TTL up to"
            f" {tell_horizon(row.flip_s)}, answers={row.answers}"
            f" per_s={row.answers_per_s:.1f}, {row.reason}"
        )
    for voice in board.voices:
        vote = "has a vote" if voice.has_vote else f"no vote: {voice.why}"
        heard = "" if voice.age_s is None else f"heard {tell_age(voice.age_s)} ago, "
        yield f"  agent {voice.name}: {heard}{vote}"
    yield f"  store {board.store}"
    for alert in board.alerts:
        yield f"  ALERT {alert}"


def tell_age(seconds: float | None) -> str:
    """A time that has passed, as people say it: `42 s`, `7 min`, `3 h`, `2 d`; `-` for none."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def tell_horizon(flip_s: float | None) -> str:
    """The time to the earliest possible change: `6 s`, or `max` when none is due."""
    return "max" if flip_s is None else f"{flip_s:g} s"
