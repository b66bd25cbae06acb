"""A node's status as people read it: sites by agents, orders, agents, the store. Pure.

Laws:
1. Every site stands in one row, with its state in force and what each agent says of it.
2. A word that does not count stands in brackets, and the agents' table says why.
3. What others wrote (reasons, names of strangers) is escaped: no text steers the terminal.
4. With a width, agents that do not fit beside each other stand in further tables below.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from gslb.app.board import tell_age
from gslb.cli.moments import tell_moment
from gslb.cli.orders import describe_order
from gslb.cli.output import Styled, count, styled
from gslb.cli.table import GAP, Row, align, column_widths, section
from gslb.telemetry.logs import escape

Told = Mapping[str, Any]

_STYLES = {
    "up": "green",
    "down": "bold red",
    "unknown": "yellow",
    "held": "bold yellow",
    "drained": "bold cyan",
    "forced up": "bold magenta",
    "forced down": "bold magenta",
    "in maintenance": "bold magenta",
}
_ORDERED = {
    "drain": ("drained", "up"),
    "up": ("forced up", "up"),
    "down": ("forced down", "down"),
    "maint": ("in maintenance", "down"),
}
_LEGEND = (
    "up 12: connects in 12 ms; -2: two results in a row against it; (up): does not count, see why"
)


def describe_status(told: Told, at: float, width: int | None = None) -> Iterator[Text]:
    """The whole picture as lines. at: Unix seconds. width: of the terminal; None for a pipe."""
    yield _describe_head(told, at)
    yield from _describe_store(told, at)
    yield from section("alert", [(escape(text), "bold yellow") for text in told["alerts"]])
    yield Text("")
    yield from _describe_sites(told, at, width)
    yield from _describe_whys(told["sites"])
    yield from _describe_orders(told["sites"], at)
    if told["agents"]:
        yield Text("")
        yield from _describe_agents(told["agents"])
    yield from _describe_oddities(told)


def gist(told: Told) -> Any:
    """What must differ for a status to be news: no ages, no times that were measured."""
    return (
        {
            name: (
                site_word(site),
                site["order"] and site["order"]["version"],
                {agent: (view["state"], view["counts"]) for agent, view in site["agents"].items()},
            )
            for name, site in told["sites"].items()
        },
        {name: (agent["has_vote"], agent["why"]) for name, agent in told["agents"].items()},
        [told[key] for key in ("alerts", "strangers", "own_probes", "configuration")],
        [told["reload_error"], told["restored_at"] is None, told["store"]["is_connected"]],
        sorted(told["nodes"]),
    )


# ---------------------------------------------------------------- the node


def _describe_head(told: Told, at: float) -> Text:
    age = tell_age(at - told["started_at"])
    return styled(
        (told["node"], "bold"),
        f": gslb {told['version']}, running for {age}, configuration {told['configuration']},"
        f" health {told['health_generation']}",
    )


def _describe_store(told: Told, at: float) -> Iterator[Text]:
    store = told["store"]
    where = (
        store["kind"] if store["kind"] == store["target"] else f"{store['kind']} {store['target']}"
    )
    age = tell_age(at - store["since_at"])
    if store["is_connected"]:
        yield from section("store", [f"{where}, connected for {age}"])
    else:
        cause = f": {escape(store['error'])}" if store["error"] else ""
        yield from section("store", [(f"{where}, away for {age}{cause}", "bold yellow")])
    yield from section("servers", _describe_nodes(told, at))
    has_agents = any(agent["is_declared"] for agent in told["agents"].values())
    if told["own_probes"] == "active" and has_agents:
        yield from section("probes", [("its own, because no agent is heard", "bold yellow")])
    if told["restored_at"] is not None:
        age = tell_age(at - told["restored_at"])
        yield from section("restored", [(f"health is from the disk, {age} old", "bold yellow")])
    if told["reload_error"]:
        yield from section("reload", [(f"failed: {escape(told['reload_error'])}", "bold red")])


def _describe_nodes(told: Told, at: float) -> list[Styled]:
    """The other name servers, if there are any; those with another configuration stand out."""
    lines: list[Styled] = []
    for name, node in sorted(told["nodes"].items()):
        if name == told["node"]:
            continue
        text = f"{escape(name)}, heard {tell_age(max(0.0, at - node['at']))} ago"
        if node["configuration"] != told["shared_configuration"]:
            lines.append((f"{text}, configuration {escape(str(node['configuration']))}", "yellow"))
        else:
            lines.append(text)
    return lines


# ---------------------------------------------------------------- sites by agents


def site_word(site: Told) -> str:
    """What is in force: up, down, unknown, held, drained, forced up, forced down."""
    if site["order"] is not None:
        return _ORDERED[site["order"]["kind"]][0]
    return "held" if site["held"] else str(site["state"])


def _describe_sites(told: Told, at: float, width: int | None) -> Iterator[Text]:
    """The tables; law 4."""
    sites, agents = told["sites"], told["agents"]
    fixed: list[Row] = [[("site", "bold"), ("state", "bold"), ("for", "bold")]]
    fixed += [_describe_site(name, site, at) for name, site in sites.items()]
    columns = [
        [_head_cell(name, agents[name])] + [_cell(site, name) for site in sites.values()]
        for name in agents
    ]
    for index, block in enumerate(_fit(fixed, columns, width)):
        if index:
            yield Text("")
        yield from align([[*row, *cells] for row, *cells in zip(fixed, *block, strict=True)])
    if agents:
        yield styled((f"  {_LEGEND}", "dim"))


def _fit(
    fixed: Sequence[Row], columns: Sequence[list[Styled]], width: int | None
) -> Iterator[Sequence[list[Styled]]]:
    """Columns in blocks that fit beside the fixed ones: one column a block at least, one block at
    least.
    """
    room = None if width is None else width - 2 - sum(each + GAP for each in column_widths(fixed))
    block: list[list[Styled]] = []
    taken = 0
    for column in columns:
        needed = column_widths([[cell] for cell in column])[0] + GAP
        if block and room is not None and taken + needed - GAP > room:
            yield block
            block, taken = [], 0
        block.append(column)
        taken += needed
    yield block


def _describe_site(name: str, site: Told, at: float) -> Row:
    word = site_word(site)
    text = word
    if site["order"] is not None and site["state"] != _ORDERED[site["order"]["kind"]][1]:
        text += f" ({site['state']})"
    age = tell_age(max(0.0, at - site["since_at"])) if site["since_at"] else "-"
    return [name, (text, _STYLES[word]), age]


def _head_cell(name: str, agent: Told) -> Styled:
    """An agent's name and the age of its word, in brackets without a vote."""
    text = name if agent["age_s"] is None else f"{name} {tell_age(agent['age_s'])}"
    return (text, "bold") if agent["has_vote"] else (f"({text})", "dim")


def _cell(site: Told, agent: str) -> tuple[str, str]:
    """What an agent says of a site: state, ms to connect, results against it."""
    view = site["agents"].get(agent)
    if view is None:
        return ("-", "dim")
    text = str(view["state"])
    if view["rtt_ms"] is not None and view["state"] != "down":
        text += f" {view['rtt_ms']:.{0 if view['rtt_ms'] >= 10 else 1}f}"
    if view["streak"]:
        text += f" -{view['streak']}"
    return (text, _STYLES[view["state"]]) if view["counts"] else (f"({text})", "dim")


# ---------------------------------------------------------------- what stands below


def _describe_whys(sites: Mapping[str, Told]) -> Iterator[Text]:
    """Why sites are not simply up."""
    rows: list[Row] = [
        [name, _flaps(site) + escape(site["reason"])]
        for name, site in sites.items()
        if site["state"] != "up" or site["held"] or site["flaps"]
    ]
    if rows:
        yield Text("")
        yield from align([[("site", "bold"), ("why", "bold")], *rows])


def _flaps(site: Told) -> str:
    return f"flapped {count(site['flaps'], 'time')}; " if site["flaps"] else ""


def _describe_orders(sites: Mapping[str, Told], at: float) -> Iterator[Text]:
    ordered = {name: site["order"] for name, site in sites.items() if site["order"] is not None}
    if ordered:
        yield Text("")
        yield styled(("  orders", "bold"))
    for name, order in ordered.items():
        yield styled("  ", describe_order(name, order, at))
        yield styled((f"    {_origin(order)}", "dim"))


def _origin(order: Told) -> str:
    """Where an order comes from, or when this node applied it."""
    if order["version"] == 0:
        return "in the configuration"
    if order["applied_at"] is None:
        return f"given {tell_moment(order['created_at'])}"
    return f"applied here {tell_moment(order['applied_at'])}"


def _describe_agents(agents: Mapping[str, Told]) -> Iterator[Text]:
    heads = ("agent", "domain", "vote", "age", "canaries", "why")
    rows: list[Row] = [[(head, "bold") for head in heads]]
    for name, agent in agents.items():
        up, total = agent["canaries"]
        rows.append(
            [
                name,
                agent["failure_domain"],
                ("yes", "green") if agent["has_vote"] else ("no", "bold red"),
                "never" if agent["age_s"] is None else tell_age(agent["age_s"]),
                (f"{up} of {total}", "" if up == total else "yellow") if total else "-",
                escape(agent["why"]) + ("" if agent["is_declared"] else _undeclared(agent["why"])),
            ]
        )
    yield from align(rows)


def _undeclared(why: str) -> str:
    return f"{'; ' if why else ''}this server's own probes"


def _describe_oddities(told: Told) -> Iterator[Text]:
    """What came that should not have come."""
    drops: dict[str, list[str]] = defaultdict(list)
    for drop in told["drops"]:
        drops[drop["agent"]].append(f"{drop['count']} {drop['reason']}")
    lines = [f"{escape(name)}: {escape(', '.join(each))}" for name, each in drops.items()]
    if lines or told["strangers"]:
        yield Text("")
    yield from section("dropped", lines)
    if told["strangers"]:
        names = escape(", ".join(told["strangers"]))
        yield from section("strangers", [(f"{names}: not declared, not heard", "yellow")])
