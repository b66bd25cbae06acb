"""Sockets that a service manager has opened for the name server (sd_listen_fds(3)): who takes them
needs no right to bind a port.

Laws:
1. Descriptors are taken when LISTEN_PID is this process. The variables are taken out of the
   environment, and no program that is started later gets the descriptors.
2. The file says where the name server listens: the sockets must be those of `listen.dns`, one of
   UDP and one of TCP for each address, no more and no fewer. What does not fit is a ListenError
   that names all of it.
3. What a socket of our own would have set is set on these, too, but for what only their maker can
   do: an IPv6 socket that takes IPv4 as well is refused.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from gslb.errors import ListenError
from gslb.model.endpoint import Endpoint
from gslb.server.sockets import Pair, equip_tcp, equip_udp

FIRST = 3
"""The descriptor that the first of them has (SD_LISTEN_FDS_START)."""
MOST = 1024
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")

Key = tuple[str, str, int]
"""UDP or TCP, the address in its shortest form, the port."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """One socket that was handed over. name: what the manager calls it."""

    socket: socket.socket
    name: str


def take_inherited(environ: MutableMapping[str, str], pid: int) -> list[Inherited]:
    """All sockets that were handed to the process with this id (law 1); none is the usual case.

    environ: is changed. Raises ListenError for a descriptor that is no socket, and for variables
    that make no sense; both are the manager's fault.
    """
    told = {name: environ.pop(name, "") for name in _VARIABLES}
    if told["LISTEN_PID"] != str(pid):
        return []
    count = told["LISTEN_FDS"]
    if not count.isascii() or not count.isdigit() or int(count) > MOST:
        raise ListenError(f"LISTEN_FDS is {count!r:.40}, not a number of sockets")
    names = told["LISTEN_FDNAMES"].split(":") if told["LISTEN_FDNAMES"] else []
    names += ["unknown"] * (int(count) - len(names))
    numbers = range(FIRST, FIRST + int(count))
    return [
        Inherited(_adopt(number, name), name) for number, name in zip(numbers, names, strict=False)
    ]


def pair_inherited(endpoints: Iterable[Endpoint], inherited: Sequence[Inherited]) -> list[Pair]:
    """The inherited sockets in the order of the addresses, ready to serve. Raises ListenError."""
    wanted = {(kind, *_key(one)): one for one in endpoints for kind in ("UDP", "TCP")}
    found: dict[Key, Inherited] = {}
    faults: list[str] = []
    for one in inherited:
        key = _describe(one.socket)
        faults += _judge(one, key, is_wanted=key in wanted, is_second=key in found)
        found.setdefault(key, one)
    faults += [f"{_tell(key)} is not among them" for key in wanted if key not in found]
    if faults:
        raise ListenError(
            "the sockets of the service manager are not those of listen.dns: " + "; ".join(faults)
        )
    keys = list(wanted)
    return [
        (_equip(found[udp].socket), _equip(found[tcp].socket))
        for udp, tcp in zip(keys[::2], keys[1::2], strict=True)
    ]


def _adopt(number: int, name: str) -> socket.socket:
    try:
        adopted = socket.socket(fileno=number)
    except OSError as error:
        raise ListenError(f"descriptor {number} ({name:.80}) is not a socket: {error}") from error
    adopted.set_inheritable(False)
    adopted.setblocking(False)
    return adopted


def _judge(one: Inherited, key: Key, *, is_wanted: bool, is_second: bool) -> Iterator[str]:
    told = f"{_tell(key)} ({one.name:.80})"
    if not is_wanted:
        yield f"{told} is not in the file"
    elif is_second:
        yield f"{told} is there twice"
    elif key[0] == "TCP" and not one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        yield f"{told} does not listen"
    elif one.socket.family == socket.AF_INET6 and not one.socket.getsockopt(
        socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
    ):
        yield f"{told} takes IPv4, too: set BindIPv6Only=ipv6-only"


def _describe(opened: socket.socket) -> Key:
    """What a socket is. One of another family or kind has a key that no file can name."""
    name = opened.getsockname()
    if opened.family not in (socket.AF_INET, socket.AF_INET6):
        return (opened.family.name, str(name), 0)
    kinds = {socket.SOCK_DGRAM: "UDP", socket.SOCK_STREAM: "TCP"}
    kind = kinds.get(socket.SocketKind(opened.type), str(opened.type))
    return (kind, str(ip_address(name[0].partition("%")[0])), name[1])


def _key(endpoint: Endpoint) -> tuple[str, int]:
    return str(ip_address(endpoint.host)), endpoint.port


def _tell(key: Key) -> str:
    kind, host, port = key
    return f"{Endpoint(host, port)} ({kind})" if port else f"{host!r} ({kind})"


def _equip(opened: socket.socket) -> socket.socket:
    if opened.type == socket.SOCK_DGRAM:
        equip_udp(opened)
    else:
        equip_tcp(opened)
    return opened
