"""`gslb drain`, `undrain`, `force`, `unforce`, `maint`, `unmaint`: what people order for a site, or
for a backend of a proxy (`pool/backend`, or its name alone), whatever is observed.

A site has one order at a time; a new one replaces it. Each is taken back by its own word: `undrain`
ends a drain, `unforce` a force and `unmaint` maintenance, and none ends another one, so that nobody
brings a site back that somebody else has taken down for a reason.

Any server takes an order and applies it at once; the others learn of it from the store.

Exit status: 0 it holds; 1 it was refused, or no server was reached; 2 the command line makes no
sense.
"""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator
from typing import Annotated, Literal

import typer
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
from gslb.cli.moments import parse_until, tell_moment, tell_remaining
from gslb.cli.output import AsJson, complain, show, styled
from gslb.telemetry.logs import escape

PAGE = "/api/v1/orders"
TAKEN_BACK = "taken back"

Site = Annotated[
    str, typer.Argument(help="The site, or the backend of a proxy.", show_default=False)
]
Reason = Annotated[
    str, typer.Option(help="Why, for those who read the status later.", show_default=False)
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="When it ends by itself: 30m, 2h, 1d, or 2026-01-31T12:00Z.",
        show_default=False,
    ),
]
Owner = Annotated[str | None, typer.Option(help="Who orders it; else your user name.")]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Even if it leaves less than health.min_capacity, or a pool nobody."
    ),
]


def drain(  # noqa: PLR0917 - typer reads options from the signature
    site: Site,
    reason: Reason,
    until: Until = None,
    owner: Owner = None,
    force: Force = False,
    config: Config = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Send no new clients to a site while another one can take them."""
    wanted = compose_order(site, "drain", reason=reason, owner=owner, until=until)
    _place(make_client(admin, config, token_file), {**wanted, "force": force}, as_json=as_json)


def force(  # noqa: PLR0917 - typer reads options from the signature
    site: Site,
    state: Annotated[Literal["up", "down"], typer.Argument(help="up or down.")],
    reason: Reason,
    until: Until = None,
    owner: Owner = None,
    force: Force = False,
    config: Config = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Have a site count as up or down, whatever its checks say."""
    wanted = compose_order(site, state, reason=reason, owner=owner, until=until)
    _place(make_client(admin, config, token_file), {**wanted, "force": force}, as_json=as_json)


def maint(  # noqa: PLR0917 - typer reads options from the signature
    site: Site,
    reason: Reason,
    until: Until = None,
    owner: Owner = None,
    force: Force = False,
    config: Config = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a backend out for maintenance: no clients, and no checks."""
    wanted = compose_order(site, "maint", reason=reason, owner=owner, until=until)
    _place(make_client(admin, config, token_file), {**wanted, "force": force}, as_json=as_json)


def undrain(  # noqa: PLR0917 - typer reads options from the signature
    site: Site,
    reason: Reason = TAKEN_BACK,
    owner: Owner = None,
    config: Config = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a drain back."""
    wanted = compose_order(site, "none", reason=reason, owner=owner)
    _take_back(make_client(admin, config, token_file), wanted, ("drain",), as_json=as_json)


def unforce(  # noqa: PLR0917 - typer reads options from the signature
    site: Site,
    reason: Reason = TAKEN_BACK,
    owner: Owner = None,
    config: Config = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a forced state back: the checks decide again."""
    wanted = compose_order(site, "none", reason=reason, owner=owner)
    _take_back(make_client(admin, config, token_file), wanted, ("up", "down"), as_json=as_json)


def unmaint(  # noqa: PLR0917 - typer reads options from the signature
    site: Site,
    reason: Reason = TAKEN_BACK,
    owner: Owner = None,
    config: Config = CONFIG,
    admin: Admin = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """End a maintenance: the checks decide again."""
    wanted = compose_order(site, "none", reason=reason, owner=owner)
    _take_back(make_client(admin, config, token_file), wanted, ("maint",), as_json=as_json)


def compose_order(
    site: str, do: str, *, reason: str, owner: str | None, until: str | None = None
) -> Told:
    """The order as the admin port takes it."""
    try:
        until_at = None if until is None else parse_until(until, time.time())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--until") from error
    owner = find_user() if owner is None else owner
    return {"site": site, "do": do, "reason": reason, "owner": owner, "until_at": until_at}


def find_user() -> str:
    """Who gives the command, also behind sudo and where the user has no name."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number alone
        return f"uid {os.getuid()}"


def _take_back(client: AdminClient, wanted: Told, kinds: tuple[str, ...], *, as_json: bool) -> None:
    """Ends the site's order if it is of these kinds; one that is not there is over already."""
    with answered():
        order = _maybe_order(client.get(PAGE, "orders")["orders"], wanted["site"])
        if order is not None and order["kind"] not in kinds:
            word = _UNDONE_BY[order["kind"]]
            raise AdminError(f"{describe_order(wanted['site'], order)}; see gslb {word}")
    _place(client, wanted, as_json=as_json)
    if order is None:
        complain(f"{client.endpoint} knew of no order for {wanted['site']}")


def _place(client: AdminClient, wanted: Told, *, as_json: bool) -> None:
    with answered():
        told = client.post(PAGE, wanted, "order", "store_error")
    show(told, _describe(told), as_json=as_json)
    if told["store_error"]:
        complain(
            f"{client.endpoint} keeps it, the other servers do not know it yet: the store is away"
            f" ({escape(told['store_error'])})"
        )


def _describe(told: Told) -> Iterator[Text]:
    order = told["order"]
    yield styled((describe_order(order["site"], order), "bold"))
    left = told.get("in_flight")
    if left and order["kind"] != "none":
        yield Text(f"requests on their way there: {left}")


def _maybe_order(orders: Told, name: str) -> Told | None:
    """The order of a site, or of the only `pool/backend` with an order whose backend that is."""
    found = [one for site, one in orders.items() if site.partition("/")[2] == name]
    order: Told | None = orders.get(name, found[0] if len(found) == 1 else None)
    return order


_WORDS = {
    "drain": "drained",
    "up": "forced up",
    "down": "forced down",
    "maint": "in maintenance",
}
_UNDONE_BY = {"drain": "undrain", "up": "unforce", "down": "unforce", "maint": "unmaint"}


def describe_order(site: str, order: Told, at: float | None = None) -> str:
    """An order in a line: `eu is drained by anna until 2026-01-31T12:00:00Z (2 h left): why`."""
    owner = f" by {order['owner']}" if order["owner"] else ""
    if order["kind"] == "none":
        why = "" if order["reason"] == TAKEN_BACK else f": {order['reason']}"
        return escape(f"{site}: its order was taken back{owner}{why}")
    end = _describe_end(order["until_at"], time.time() if at is None else at)
    return escape(f"{site} is {_WORDS[order['kind']]}{owner}{end}: {order['reason']}")


def _describe_end(until_at: float | None, at: float) -> str:
    if until_at is None:
        return " until it is taken back"
    return f" until {tell_moment(until_at)} ({tell_remaining(until_at - at)} left)"
