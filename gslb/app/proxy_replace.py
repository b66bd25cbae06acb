"""Taking the place of the process that runs, and what it has to hand over.

What is handed over beside sockets, as plain data: {affinity: {proxy: secret}, states: {proxy:
{pool/backend: up}}, orders: {site: [order]}}. A process of another version may lack any of it.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from gslb.app.proxy_files import ProxyFiles
from gslb.app.proxy_sockets import Sets
from gslb.errors import ListenError
from gslb.health.plain import dump_order, load_order
from gslb.model.order import Order
from gslb.proxy.handover import (
    CONTROL,
    Predecessor,
    Taken,
    control_address,
    find_predecessor,
)
from gslb.telemetry.logs import get_logger

ADMIN = "admin "
"""What stands before the address of an admin port among the sockets."""

log = get_logger(__name__)


@dataclass(slots=True)
class Inheritance:
    """What a process begins with: all empty, or the things of the process before it. Sockets that
    nobody has asked for are closed by `close`.
    """

    sockets: dict[str, dict[str, list[socket.socket]]] = field(default_factory=dict)
    known: Mapping[str, Any] = field(default_factory=dict)

    def listeners(self, proxy: str) -> Sets:
        """The listening sockets of a proxy, by address; they are the caller's now."""
        own = self.sockets.get(proxy, {})
        return {name: own.pop(name) for name in list(own) if not name.startswith(ADMIN)}

    def maybe_admin(self, proxy: str, address: str) -> socket.socket | None:
        """The socket of an admin port, if it was there; it is the caller's now."""
        found = self.sockets.get(proxy, {}).pop(ADMIN + address, [])
        return found[0] if found else None

    def maybe_control(self) -> socket.socket | None:
        """The control socket for hot restarts, if it was handed over; it is the caller's now."""
        found = self.sockets.get(CONTROL, {}).pop(CONTROL, [])
        return found[0] if found else None

    def maybe_affinity(self, proxy: str) -> bytes | None:
        """What signed the cookies of a proxy."""
        text = self._part("affinity", proxy)
        return base64.b64decode(text) if isinstance(text, str) else None

    def states(self, proxy: str) -> dict[str, bool]:
        """What checks knew of the backends of a proxy."""
        told = self._part("states", proxy)
        if not isinstance(told, dict):
            return {}
        return {str(name): up for name, up in told.items() if isinstance(up, bool)}

    def orders(self, site: str) -> list[Order]:
        """The orders of a region."""
        told = self._part("orders", site)
        return [load_order(one) for one in told] if isinstance(told, list) else []

    def close(self) -> None:
        """Lets go of the sockets that nobody wants any more."""
        for sets in self.sockets.values():
            for found in sets.values():
                for one in found:
                    one.close()
        self.sockets.clear()

    def _part(self, what: str, name: str) -> object:
        told = self.known.get(what)
        return told.get(name) if isinstance(told, dict) else None


class Takeover:
    """The way from the process that runs to this one. predecessor: None where there is none."""

    def __init__(self, address: str, predecessor: Predecessor | None, taken: Inheritance) -> None:
        self.address = address
        self.taken = taken
        self._predecessor = predecessor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the other process alone, if it was not released."""
        self.taken.close()
        if self._predecessor is not None:
            self._predecessor.close()

    async def release(self) -> None:
        """Tells the other process that this one serves. One that is gone needs not be told."""
        self.taken.close()
        if self._predecessor is None:
            return
        predecessor, self._predecessor = self._predecessor, None
        try:
            await asyncio.to_thread(predecessor.release)
        except ListenError as error:
            log.warning("the process before this one did not say goodbye", cause=str(error))
        else:
            log.info("replaced", pid=predecessor.pid)


def meet(files: ProxyFiles, *, replace: bool) -> Takeover:
    """Whoever runs the same proxies of the same node, and what it hands over. Raises ListenError
    when somebody does and is not to be replaced.
    """
    address = control_address(files.system.node, files.names)
    found = find_predecessor(address)
    if found is None:
        if replace:
            log.warning("there is nobody to replace: starting afresh")
        return Takeover(address, None, Inheritance())
    if not replace:
        found.close()
        raise ListenError(
            f"process {found.pid} runs {', '.join(files.proxies)} already: stop it, or take its"
            " place with --replace"
        )
    try:
        taken: Taken = found.take()
    except ListenError:
        found.close()
        raise
    return Takeover(address, found, Inheritance(taken.sockets, taken.known))


def tell_known(
    affinity: Mapping[str, bytes],
    states: Mapping[str, Mapping[str, bool]],
    orders: Mapping[str, Iterable[Order]],
) -> dict[str, Any]:
    """What a process hands over beside its sockets."""
    return {
        "affinity": {name: base64.b64encode(one).decode() for name, one in affinity.items()},
        "states": {name: dict(known) for name, known in states.items()},
        "orders": {site: [dump_order(one) for one in kept] for site, kept in orders.items()},
    }
