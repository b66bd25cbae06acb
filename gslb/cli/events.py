"""`gslb events [--count N] [--follow]`: what happened, oldest first.

Exit status: 0 shown; 1 no server was reached or it refused; 2 the command line makes no sense.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gslb.cli.admin_client import (
    CONFIG,
    Admin,
    AdminClient,
    AdminError,
    Config,
    TokenFile,
    Told,
    answered,
    make_client,
)
from gslb.cli.moments import tell_moment
from gslb.cli.output import AsJson, complain, show, styled
from gslb.telemetry.logs import escape

PAGE = "/api/v1/events"
PERIOD_S = 1.0
FOLLOWED = 200
"""How many are asked for each time: more than happen in PERIOD_S, or some go unseen."""

_STYLES = {
    "vote lost": "yellow",
    "alert": "bold yellow",
    "store lost": "bold yellow",
    "order given": "cyan",
    "order applied": "cyan",
    "order over": "cyan",
    "own probes began": "yellow",
}


def events(  # noqa: PLR0917 - typer reads options from the signature
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many of the last ones.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until Ctrl-C.")] = False,
    config: Config = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what happened: changes of sites, orders, lost votes, alerts."""
    client = make_client(admin, config, token_file)
    if follow:
        _follow(client, count, as_json=as_json)
        return
    with answered():
        found = _fetch(client, count)
    show(found, map(describe_event, found), as_json=as_json)


def _fetch(client: AdminClient, count: int) -> list[Told]:
    return list(client.get(PAGE, "events", count=str(count))["events"])


def _follow(client: AdminClient, count: int, *, as_json: bool) -> None:
    def pause() -> None:
        time.sleep(PERIOD_S)

    wanted = max(count, FOLLOWED)
    try:
        with answered():
            first = _fetch(client, wanted)
        _print(first[-count:], as_json=as_json)
        for new in follow_on(first, lambda: _fetch(client, wanted), pause):
            _print(new, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def follow_on(
    seen: Sequence[Told], fetch: Callable[[], Sequence[Told]], pause: Callable[[], None]
) -> Iterator[Sequence[Told]]:
    """What is new each time, for ever. A server that does not answer is told of once."""
    is_away = False
    while True:
        pause()
        try:
            batch = fetch()
        except AdminError as error:
            if not is_away:
                complain(f"{tell_moment(time.time())} {error}")
            is_away = True
            continue
        is_away = False
        yield pick_new(seen, batch)
        seen = batch


def pick_new(seen: Sequence[Told], batch: Sequence[Told]) -> Sequence[Told]:
    """The events of a batch that were not seen: a later window of the same list overlaps with the
    earlier one, unless more happened than fits.
    """
    for begin in range(len(seen)):
        overlap = seen[begin:]
        if list(batch[: len(overlap)]) == list(overlap):
            return batch[len(overlap) :]
    return batch


def _print(found: Sequence[Told], *, as_json: bool) -> None:
    """A line an event, at once: somebody waits for it."""
    console = Console(highlight=False, markup=False, emoji=False)
    for event in found:
        line = json.dumps(event, ensure_ascii=False) if as_json else describe_event(event)
        console.print(line, soft_wrap=True)


def describe_event(event: Told) -> Text:
    """`2026-01-31T12:00:00Z  ns1  site changed   eu  state=down reason=refused`."""
    fields = "  ".join(
        f"{escape(key)}={_plain(key, value)}" for key, value in event["fields"].items()
    )
    kind = escape(event["kind"])
    return styled(
        (tell_moment(event["at"]), "dim"),
        f"  {escape(event['node'])}  ",
        (f"{kind:<16}", _STYLES.get(kind, "bold")),
        f"  {escape(event['subject'])}  " if event["subject"] else "  ",
        fields,
    )


def _plain(key: str, value: object) -> str:
    """A field's value: a moment as such, text that has spaces in quotes."""
    if isinstance(value, str):
        text = escape(value)
        return f'"{text}"' if " " in text or not text else text
    if key.endswith("_at") and isinstance(value, int | float) and not isinstance(value, bool):
        return tell_moment(value)
    return escape(json.dumps(value))
