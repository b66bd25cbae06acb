"""A proxy's status as people read it: what comes, pools with their backends, what is wrong. Pure.

Laws:
1. Every backend stands in one row below its pool, with what orders, checks and traffic come to.
2. What is as it should be takes no line: a queue, a circuit, an alert shows when there is one.
3. Rates of backends are what happened between two statuses; from one alone none can be told.
4. What others wrote (reasons, errors of the system) is escaped: no text steers the terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from gslb.app.board import tell_age
from gslb.cli.orders import describe_order
from gslb.cli.output import Styled, count, styled
from gslb.cli.table import Row, align, column_widths, section, width_of
from gslb.telemetry.logs import escape

Told = Mapping[str, Any]
Rates = Mapping[str, float]

HEADS = ("pool, backend", "state", "active", "req/s", "errors", "p50", "p95", "weight")
LEFT = 2
"""Columns that begin at the left; the others hold numbers, and end at the right."""

_MODES = {
    "drain": ("drained", "bold cyan"),
    "maint": ("in maintenance", "bold magenta"),
    "up": ("forced up", "bold magenta"),
    "down": ("forced down", "bold magenta"),
}
_TAKES_AWAY = ("drain", "maint", "down")
_STATES = {
    "up": "green",
    "down": "bold red",
    "unknown": "yellow",
    "ejected": "bold red",
    "trial": "bold yellow",
}
_LEGEND = "times in ms; ~9: an average that follows peaks; errors: since the start"


def describe_proxy(told: Told, at: float, rates: Rates | None = None) -> Iterator[Text]:
    """The whole picture as lines. at: Unix seconds. rates: of `measure_rates`, None for none."""
    yield _describe_head(told, at)
    yield from section("traffic", [_describe_traffic(told)])
    yield from section("answers", list(_describe_answers(told["counters"])))
    yield from section("load", [_describe_load(told)])
    yield from _describe_end(told)
    yield from _describe_troubles(told, at)
    yield Text("")
    yield from _describe_pools(told, rates or {})
    yield styled((f"  {_LEGEND}", "dim"))
    yield from _describe_whys(told, at)
    yield from _describe_orders(told, at)


def measure_rates(before: Told, now: Told) -> Rates:
    """Requests a second of each `pool/backend` between two statuses. None of a backend that began
    anew, as those of another process do.
    """
    passed_s = now["load"]["at"] - before["load"]["at"]
    if passed_s <= 0 or before["pid"] != now["pid"]:
        return {}
    earlier = dict(_each_backend(before))
    return {
        name: (one["requests"] - earlier[name]["requests"]) / passed_s
        for name, one in _each_backend(now)
        if name in earlier and one["requests"] >= earlier[name]["requests"]
    }


def _each_backend(told: Told) -> Iterator[tuple[str, Told]]:
    """The backends as the data plane sees them, by `pool/backend`."""
    for pool, one in told["tier"].get("pools", {}).items():
        for backend, found in one["backends"].items():
            yield f"{pool}/{backend}", found


# ---------------------------------------------------------------- the proxy


def _describe_head(told: Told, at: float) -> Text:
    age = tell_age(max(0.0, at - told["started_at"]))
    workers = "" if told["workers"] == 1 else f", {count(told['workers'], 'worker')}"
    return styled(
        (told["proxy"], "bold"),
        f" on {told['node']}: gslb {told['version']}, up {age}{workers},"
        f" configuration {told['configuration']}",
    )


def _describe_traffic(told: Told) -> str:
    load, tier = told["load"], told["tier"]
    parts = [
        f"{_tell_rate(load.get('requests_per_s', 0.0))} requests/s",
        f"{load.get('in_flight', 0):,} in flight",
        f"{tier.get('clients', 0):,} connections",
        f"{_tell_share(load.get('error_share', 0.0))} failed",
    ]
    return ", ".join(parts)


def _describe_answers(counters: Told) -> Iterator[str]:
    """Requests by the class of their answers, and what was refused, since the start."""
    classes: Counter[str] = Counter()
    for name, number in counters.get("requests", {}).items():
        classes[name.rpartition("/")[2]] += number
    parts = [f"{number:,} {name}" for name, number in sorted(classes.items())]
    for key, text in (("refused", "no HTTP"), ("not_accepted", "not let in")):
        number = sum(counters.get(key, {}).values())
        if number:
            parts.append(f"{number:,} {text}")
    if parts:
        yield ", ".join(parts)


def _describe_load(told: Told) -> str:
    share = told["load"]["utilisation"]
    late = f"{told['tier'].get('lag_ms', 0.0):.0f} ms late"
    return late if share is None else f"{_tell_share(share)} of capacity, {late}"


def _describe_end(told: Told) -> Iterator[Text]:
    """How far a drain of the whole proxy is."""
    tier = told["tier"]
    if told["is_draining"] or tier.get("state") == "draining":
        left = f"{tier.get('in_flight', 0):,} on their way, {tier.get('clients', 0):,} connections"
        yield from section("draining", [(f"{left} left", "bold cyan")])
    elif tier.get("unwell"):
        words = f"the health path answers 503: {escape(tier['unwell'])}"
        yield from section("unwell", [(words, "bold red")])


def _describe_troubles(told: Told, at: float) -> Iterator[Text]:
    yield from section("alert", [(escape(text), "bold yellow") for text in told["alerts"]])
    if told["reload_error"]:
        yield from section("reload", [(f"failed: {escape(told['reload_error'])}", "bold red")])
    store = told["store"]
    if store["target"] != "memory" and store["connected"]:
        age = tell_age(max(0.0, at - store["since_at"]))
        shared = f"connected for {age}, proxies in the region: {told['neighbours']:,}"
        yield from section("store", [f"{escape(store['target'])}, {shared}"])
    yield from section("trouble", [(text, "yellow") for text in _list_troubles(told)])


def _list_troubles(told: Told) -> Iterator[str]:
    """What was counted that should not have been, since the start."""
    counters = told["counters"]
    for key, text in (
        ("faults", "faults of the proxy itself: see its log"),
        ("log_dropped", "lines of the access log lost: its disk is too slow"),
        ("log_failed", "writes of the access log failed"),
        ("worker_restarts", "restarts of workers"),
    ):
        if counters.get(key):
            yield f"{counters[key]:,} {text}"


# ---------------------------------------------------------------- pools


def _describe_pools(told: Told, rates: Rates) -> Iterator[Text]:
    """One table of all pools; what is wrong with a pool stands in a line below it."""
    rows: list[Row] = [[(head, "bold") for head in HEADS]]
    notes: dict[int, str] = {}
    for pool, one in told["tier"].get("pools", {}).items():
        rows.append(_describe_pool(pool, one, told["load"]["pools"].get(pool, {})))
        note = ", ".join(_list_notes(one))
        if note:
            notes[len(rows) - 1] = note
        for backend, found in one["backends"].items():
            name = f"{pool}/{backend}"
            check = told["backends"].get(name, {})
            rows.append(_describe_backend(backend, found, check, rates.get(name)))
    for index, line in enumerate(align(_put_right(rows))):
        yield line
        if index in notes:
            yield styled(("    " + notes[index], "bold yellow"))


def _put_right(rows: Sequence[Row]) -> list[Row]:
    """Cells of numbers filled up at their left."""
    widths = column_widths(rows)
    return [
        [
            cell if at < LEFT else _pad(cell, widths[at] - width_of(cell))
            for at, cell in enumerate(row)
        ]
        for row in rows
    ]


def _pad(cell: Styled, room: int) -> Styled:
    return " " * room + cell if isinstance(cell, str) else (" " * room + cell[0], cell[1])


def _describe_pool(name: str, pool: Told, load: Told) -> Row:
    healthy, total = load.get("healthy", 0), load.get("total", 0)
    style = "" if healthy == total else "yellow" if healthy else "bold red"
    cells: list[Styled] = [
        f"{pool['in_flight']:,}",
        _tell_rate(load.get("requests_per_s", 0.0)),
        _tell_share(load.get("error_share", 0.0)),
        _tell_ms(load.get("p50_ms")),
        _tell_ms(load.get("p95_ms")),
    ]
    return [(name, "bold"), (f"{healthy} of {total} healthy", style), *cells]


def _list_notes(pool: Told) -> Iterator[str]:
    """What is out of the ordinary in a pool."""
    if pool["panic"]:
        yield "panic: too few are healthy, so all are used"
    if pool["circuit"] not in (None, "closed"):
        yield f"circuit {pool['circuit'].replace('_', ' ')}"
    if pool["queued"]:
        yield f"{count(pool['queued'], 'request')} in the queue"
    if pool["retries"]:
        yield f"retries on the way: {pool['retries']}"
    for name, left in pool["leaving"]:
        yield f"{name} is leaving, {left} left"


def _describe_backend(name: str, one: Told, check: Told, rate: float | None) -> Row:
    errors = f"{one['errors']:,}"
    limit = "" if one["limit"] is None else f"/{one['limit']:g}"
    return [
        f"  {name} (backup)" if one["backup"] else f"  {name}",
        _tell_state(one, check),
        f"{one['active']:g}{limit}",
        "-" if rate is None else _tell_rate(rate),
        (errors, "yellow") if one["errors"] else errors,
        "-" if one["ewma_ms"] is None else f"~{_tell_ms(one['ewma_ms'])}",
        "",
        f"{check.get('weight', one['weight']):g}",
    ]


def _tell_state(one: Told, check: Told) -> Styled:
    """What orders, checks and traffic come to, and how far it is on its way to somewhere else."""
    mode, state = one["mode"], str(one["state"])
    word, style = _MODES.get(mode, (state, _STATES.get(state, "")))
    if mode == "ready" and state == "ejected":
        word += f" {one['ejected_for_s']:.0f} s"
    elif state == "up" and one["scale"] < 1:
        word += f", starting {_tell_share(one['scale'])}"
    elif mode in _TAKES_AWAY and one["in_flight"]:
        word += f", {one['in_flight']:,} left"
    elif mode in ("drain", "up") and check.get("state") == "down":
        word += ", check down"
    return (word, style)


# ---------------------------------------------------------------- what stands below


def _describe_whys(told: Told, at: float) -> Iterator[Text]:
    """Why backends fail their checks, and since when."""
    rows: list[Row] = [
        [name, tell_age(max(0.0, at - one["since_at"])) if one["since_at"] else "-", reason]
        for name, one in told["backends"].items()
        if (reason := escape(one["reason"])) and one["state"] != "up"
    ]
    if rows:
        yield Text("")
        yield from align([[("backend", "bold"), ("for", "bold"), ("why", "bold")], *rows])


def _describe_orders(told: Told, at: float) -> Iterator[Text]:
    ordered = {name: one["order"] for name, one in told["backends"].items() if one["order"]}
    if ordered:
        yield Text("")
        yield styled(("  orders", "bold"))
    for name, order in ordered.items():
        yield styled("  ", describe_order(name, order, at))


def _tell_rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 or not rate else f"{rate:.1f}"


def _tell_ms(time_ms: float | None) -> str:
    if time_ms is None:
        return "-"
    return f"{time_ms:,.0f}" if time_ms >= 100 else f"{time_ms:.1f}"


def _tell_share(share: float) -> str:
    """A share in percent; a small one is never called none."""
    percent = share * 100
    return "0 %" if not percent else f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"
