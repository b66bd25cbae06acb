"""Hot restart: a process that begins gets the listening sockets of the one that runs, over a local
control socket, and tells it when to go.

    -> {"do": "hello"}    <- {"pid": 12}
    -> {"do": "take"}     <- {"sockets": [[proxy, address, number], ...], "known": {...}}, sockets;
                             the control socket is among them, as that of the proxy CONTROL
    -> {"do": "ready"}    <- {"done": true}

A message is four octets of length (network order) and JSON. Sockets follow theirs, at most
MAX_RIGHTS beside each octet of filling.

Laws:
1. Either end goes on only with a peer of the same user, or of root: the kernel says who it is.
2. Until `ready` nothing has changed for the process that runs; a peer that goes away before has
   asked for nothing.
3. One process at a time takes over; another one is refused meanwhile.
4. The control socket is handed over with the others, and the one who runs stops accepting from it
   before it says `done`: whoever asks meanwhile waits, and is served by the next. So one restart
   can follow the other at once, and never finds nobody.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from gslb.errors import ListenError
from gslb.telemetry.logs import get_logger

TIMEOUT_S = 10.0
"""For one answer. A process that is busy answers within milliseconds."""
CONTROL = ""
"""No proxy has this name."""
MAX_RIGHTS = 128
"""Sockets in one message; the kernel takes 253."""
MAX_SOCKETS = 16_384
MAX_OCTETS = 64 * 1024 * 1024
"""Of a message: the health of 100,000 backends takes 4 MB."""
MAX_REQUEST_OCTETS = 1024

_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

log = get_logger(__name__)

Message = Mapping[str, Any]
Sockets = dict[str, dict[str, list[socket.socket]]]
"""By proxy, then by address in text form, one for each worker."""


class Taken(NamedTuple):
    """What was taken over. known: plain data, as the process before offered them."""

    sockets: Sockets
    known: Message


class Offer(NamedTuple):
    """What a process that runs hands out. The sockets stay open here, too."""

    sockets: Mapping[str, Mapping[str, Iterable[socket.socket]]]
    known: Message


def control_address(node: str, proxies: Iterable[str]) -> str:
    """The abstract address of whoever runs these proxies of a node as this user."""
    names = json.dumps([node, *sorted(proxies)]).encode()
    digest = hashlib.sha256(names).hexdigest()[:24]
    return f"\0gslb-proxy-{os.geteuid()}-{digest}"


# ---------------------------------------------------------------- the process that begins


class Predecessor:
    """The process that runs, as the one that begins sees it. Every call waits for its answer;
    ListenError says that there is none, and then nothing has changed there.
    """

    def __init__(self, line: socket.socket, pid: int) -> None:
        self._line = line
        self.pid = pid

    def greet(self) -> None:
        """Learns who it is; it answers, so it is one of ours. Raises ListenError."""
        self.pid = int(self._ask("hello")["pid"])

    def take(self) -> Taken:
        """Its sockets, which belong to the caller, and what it knows. Raises ListenError."""
        told = self._ask("take")
        names = [(str(proxy), str(address)) for proxy, address, _ in told["sockets"]]
        counts = [int(number) for _, _, number in told["sockets"]]
        with _words(self.pid):
            received = _receive_sockets(self._line, sum(counts))
        sockets: Sockets = {}
        for (proxy, address), count in zip(names, counts, strict=True):
            sockets.setdefault(proxy, {})[address] = received[:count]
            del received[:count]
        return Taken(sockets, told["known"])

    def release(self) -> None:
        """Tells it to drain and go: the caller serves. Raises ListenError."""
        self._ask("ready")
        self.close()

    def close(self) -> None:
        """Leaves it alone; without `release` it goes on as before."""
        self._line.close()

    def _ask(self, do: str) -> Message:
        with _words(self.pid):
            _send(self._line, {"do": do})
            told = _receive(self._line)
        if "error" in told:
            raise ListenError(f"the process {self.pid} that runs says: {told['error']}")
        return told


def find_predecessor(address: str) -> Predecessor | None:
    """The process that listens at a control address; None where nobody does, or one of another
    user (law 1). Raises ListenError when it does not answer.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(TIMEOUT_S)
        line.connect(address)
    except ConnectionRefusedError:
        line.close()
        return None
    except OSError as error:
        line.close()
        raise ListenError(f"the control socket cannot be reached: {error.strerror}") from error
    pid, uid = peer_of(line)
    if not is_trusted(uid):
        line.close()
        log.error("a stranger has the control socket for hot restarts", pid=pid, uid=uid)
        return None
    found = Predecessor(line, pid)
    try:
        found.greet()
    except ListenError:
        found.close()
        raise
    return found


class _words:  # noqa: N801  reads as a statement
    """Turns what goes wrong on the line into ListenError."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError | ValueError):
            cause = str(error) or type(error).__name__
            raise ListenError(f"the process {self._pid} that runs does not answer: {cause}")


# ---------------------------------------------------------------- the process that runs


def open_control(address: str) -> socket.socket:
    """A control socket; who connects to it waits until it is served. Raises ListenError when
    somebody has the address.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        cause = "another process has it" if taken else error.strerror
        raise ListenError(f"no control socket for hot restarts: {cause}") from error
    listener.listen(8)
    return listener


class HandoverServer:
    """Answers at a control socket, which stays its maker's to close.

    offer: what can be taken now. released: called when somebody else serves.
    """

    def __init__(
        self, listener: socket.socket, offer: Callable[[], Offer], released: Callable[[], None]
    ) -> None:
        self._listener = listener
        self._offer = offer
        self._released = released
        self._taker: int | None = None
        self._lines: set[socket.socket] = set()
        self._is_released = asyncio.Event()
        self._accepting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answers until somebody has taken over, or cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._accepting = group.create_task(self._accept(group), name="hot restart")
                await self._is_released.wait()
        finally:
            for line in self._lines:  # of peers that were not even greeted
                line.close()

    async def _accept(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            line, _ = await loop.sock_accept(self._listener)
            self._lines.add(line)
            group.create_task(self._serve(line), name="hot restart of a peer")

    async def _serve(self, line: socket.socket) -> None:
        """One peer. The border: what it does wrong ends its line and nothing else."""
        pid, uid = peer_of(line)
        try:
            line.setblocking(False)
            if is_trusted(uid):
                while not self._is_released.is_set():
                    await self._answer(line, pid)
            else:
                log.warning("hot restart refused", pid=pid, uid=uid)
        except (OSError, ValueError) as error:
            if self._taker == pid:
                log.warning("hot restart given up by the other side", pid=pid, cause=str(error))
        finally:
            if self._taker == pid:
                self._taker = None
            self._lines.discard(line)
            line.close()

    async def _answer(self, line: socket.socket, pid: int) -> None:
        wanted = (await _hear(line)).get("do")
        if wanted == "hello":
            await _tell(line, {"pid": os.getpid()})
        elif self._taker not in {None, pid}:
            await _tell(line, {"error": f"process {self._taker} is taking over already"})
        elif wanted == "take":
            self._taker = pid
            log.info("hot restart begins", pid=pid)
            line.settimeout(TIMEOUT_S)
            await asyncio.to_thread(_give, line, self._offer_all())
            line.setblocking(False)
        elif wanted == "ready" and self._taker == pid:
            await self._stop_accepting()  # law 4
            with suppress(OSError):  # whether it still hears us changes nothing
                await _tell(line, {"done": True})
            self._released()
            self._is_released.set()
        else:
            raise ValueError(f"asked for {wanted!r:.40}")

    def _offer_all(self) -> Offer:
        sockets, known = self._offer()
        return Offer({**sockets, CONTROL: {CONTROL: [self._listener]}}, known)

    async def _stop_accepting(self) -> None:
        assert self._accepting is not None
        self._accepting.cancel()
        await asyncio.wait([self._accepting])


async def _hear(line: socket.socket) -> Message:
    """The next message, however long it takes to come."""
    (length,) = _LENGTH.unpack(await _hear_exactly(line, _LENGTH.size))
    if length > MAX_REQUEST_OCTETS:
        raise ValueError(f"a request of {length} octets")
    return _load(await _hear_exactly(line, length))


async def _hear_exactly(line: socket.socket, count: int) -> bytes:
    loop, octets = asyncio.get_running_loop(), b""
    while len(octets) < count:
        part = await loop.sock_recv(line, count - len(octets))
        if not part:
            raise ConnectionResetError("it has closed the line")
        octets += part
    return octets


async def _tell(line: socket.socket, message: Message) -> None:
    await asyncio.get_running_loop().sock_sendall(line, _dump(message))


def _give(line: socket.socket, offer: Offer) -> None:
    named = [
        (proxy, address, list(found))
        for proxy, sets in offer.sockets.items()
        for address, found in sets.items()
    ]
    told = [[proxy, address, len(found)] for proxy, address, found in named]
    _send(line, {"sockets": told, "known": offer.known})
    _send_sockets(line, [one for _, _, found in named for one in found])


# ---------------------------------------------------------------- octets and rights


def peer_of(line: socket.socket) -> tuple[int, int]:
    """Process id and user of the other end, as the kernel knows them."""
    octets = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(octets)
    return pid, uid


def is_trusted(uid: int) -> bool:
    """Whether a user may take over from this process, or hand over to it (law 1)."""
    return uid in (0, os.geteuid())


def _send(line: socket.socket, message: Message) -> None:
    line.sendall(_dump(message))


def _dump(message: Message) -> bytes:
    octets = json.dumps(message).encode()
    return _LENGTH.pack(len(octets)) + octets


def _load(octets: bytes) -> Message:
    told = json.loads(octets)
    if not isinstance(told, dict):
        raise ValueError("a message that is no object")
    return told


def _receive(line: socket.socket) -> Message:
    """The next message. Raises OSError and ValueError."""
    (length,) = _LENGTH.unpack(_receive_exactly(line, _LENGTH.size))
    if length > MAX_OCTETS:
        raise ValueError(f"a message of {length} octets")
    return _load(_receive_exactly(line, length))


def _receive_exactly(line: socket.socket, count: int) -> bytes:
    octets = bytearray()
    while len(octets) < count:
        part = line.recv(min(count - len(octets), 1 << 20))
        if not part:
            raise ConnectionResetError("it has closed the line")
        octets += part
    return bytes(octets)


def _send_sockets(line: socket.socket, sockets: list[socket.socket]) -> None:
    for start in range(0, len(sockets), MAX_RIGHTS):
        numbers = [one.fileno() for one in sockets[start : start + MAX_RIGHTS]]
        socket.send_fds(line, [b"."], numbers)


def _receive_sockets(line: socket.socket, count: int) -> list[socket.socket]:
    """So many sockets. Raises OSError and ValueError; then none is left open."""
    if not 0 <= count <= MAX_SOCKETS:
        raise ValueError(f"{count} sockets")
    with ExitStack() as opened:
        received: list[socket.socket] = []
        while len(received) < count:
            numbers = _receive_rights(line)
            received += [opened.enter_context(_adopt(number)) for number in numbers]
        opened.pop_all()
    return received


def _receive_rights(line: socket.socket) -> list[int]:
    octets, numbers, flags, _ = socket.recv_fds(line, 1, MAX_RIGHTS)
    if octets and numbers and not flags & socket.MSG_CTRUNC:
        return numbers
    for number in numbers:
        os.close(number)
    raise ConnectionResetError("it has not sent all its sockets")


def _adopt(number: int) -> socket.socket:
    os.set_inheritable(number, False)
    one = socket.socket(fileno=number)
    one.setblocking(False)
    return one


def send_sockets(line: socket.socket, sockets: Iterable[socket.socket]) -> None:
    """Lends sockets to the process at the other end of a pair."""
    _send_sockets(line, list(sockets))


def receive_sockets(line: socket.socket, count: int) -> list[socket.socket]:
    """So many sockets that the other end lends, non-blocking. Raises OSError and ValueError."""
    return _receive_sockets(line, count)
