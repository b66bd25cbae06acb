"""Servers on loopback for the checks to meet: well-behaved, broken and hostile."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

from gslb.model.check import Check
from gslb.probe.target import Target

LOOPBACK = ip_address("127.0.0.1")


def at(address, site="a"):
    """A target whose own check is of no interest."""
    return Target(site, address, Check(()))


HERE = at(LOOPBACK)


class Script:
    """A server that reads a request's head and then does as its script says; it keeps the heads."""

    def __init__(self, *pieces, pause_s=0.0, hold=False, repeat=False, before_request=False):
        self.pieces = pieces
        self.pause_s = pause_s
        self.hold = hold
        self.repeat = repeat
        self.before_request = before_request
        self.heads = []
        self.connections = 0

    async def __call__(self, reader, writer):
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if not self.before_request:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await self._send(writer)
            if self.hold:
                await reader.read()
        writer.transport.abort() if self.repeat else writer.close()

    async def _send(self, writer):
        while True:
            for piece in self.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(self.pause_s)
            if not self.repeat:
                return


class Unclosed:
    """A writer that its script cannot close, so that another may go on."""

    def __init__(self, writer):
        self.write, self.drain = writer.write, writer.drain

    def close(self):
        pass


@asynccontextmanager
async def serve(script, host="127.0.0.1", ssl=None):
    """The port of a server that runs a script on each connection."""
    tasks = set()

    async def handle(reader, writer):
        tasks.add(asyncio.current_task())
        with suppress(asyncio.CancelledError):  # asyncio logs a cancelled connection as a fault
            await script(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(handle, host, 0, ssl=ssl)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)  # aborted transports are closed in the next turn of the loop


@asynccontextmanager
async def silent_port():
    """A port whose server never accepts: its queue is full, so that connecting hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.socket() as filler:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            with socket.socket() as second:
                second.setblocking(False)
                second.connect_ex(listener.getsockname())
                yield listener.getsockname()[1]
