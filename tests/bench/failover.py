"""`python -m tests.bench.failover`: how long a dead site is answered, and a recovered one is not.

Everything is a process of its own and real: a Redis, three agents, one name server, and a backend
for each of three sites. A client asks for all sites that are up, every few milliseconds.

Laws:
1. Time to leave begins when the signal that ends the backend has been sent, and ends when the first
   reply without the site is there. Time to return begins when the backend says that its port takes
   connections (by the clock that all processes of a machine share), and ends with the first reply
   with it.
2. A backend is touched only when all agents have had the time to agree on it, and then at a random
   moment of an interval: no phase of the schedules is preferred.
3. Neither time may be longer than fall (or rise) x interval + timeout + MARGIN_S: with three agents
   the second that sees the change decides, so this bounds the second slowest.
4. Between the changes the client goes on asking: a lost query, and an answer that a site has left
   or joined for no reason, make the run fail as a missed bar does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import dns.message
from rich.console import Console
from rich.table import Table

from gslb.store.signing import make_key, write_key
from tests import redis_servers
from tests.app.agents import probing
from tests.app.world import ROOT, serving
from tests.bench.report import describe_machine
from tests.ports import free_port

KILLS: Final = 30
MARGIN_S: Final = 0.3
"""What reports, store, merge and swap may take beyond what the checks take."""
ASK_EVERY_S: Final = 0.003
REPLY_DEADLINE_S: Final = 1.0
AGENTS: Final = ("ams", "iad", "sin")
SITES: Final = {
    "eu": IPv4Address("127.0.1.1"),
    "us": IPv4Address("127.0.2.1"),
    "ap": IPv4Address("127.0.3.1"),
}
FAULTS: Final = {"kill": signal.SIGKILL, "hang": signal.SIGSTOP}
"""A killed backend's port refuses; a hung one's takes connections and says nothing, so that each
check takes its whole timeout.
"""
_NAME: Final = "all.failover.test"
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"

_MAIN: Final = """node: ns-bench
listen: {{dns: ["127.0.0.1:{dns}"], admin: "127.0.0.1:{admin}"}}
store: {store}
zones: [zone.yaml]
health: {{flap_hold_s: 0, own_probes: false}}
agents: {agents}
sites: {sites}
"""
_ZONE: Final = """zone: failover.test
nameservers: {ns1.failover.test: [192.0.2.53]}
contact: hostmaster@failover.test
services:
  all: {answers: {eu: {}, us: {}, ap: {}}, policy: [health, round_robin], max_answers: 8}
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How sites are checked: times in seconds, as in `Check`."""

    interval_s: float = 1.0
    timeout_s: float = 0.5
    fall: int = 2
    rise: int = 1

    @property
    def leave_bar_s(self) -> float:
        """The latest that a dead site may be answered (law 3)."""
        return self.fall * self.interval_s + self.timeout_s + MARGIN_S

    @property
    def return_bar_s(self) -> float:
        """The latest that a recovered site may be missing."""
        return self.rise * self.interval_s + self.timeout_s + MARGIN_S


@dataclass(frozen=True, slots=True)
class Kill:
    """One backend's end and return. Times to leave and to return in seconds."""

    site: str
    leave_s: float
    return_s: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Times in seconds and the bar that the largest of them must hold."""

    what: str
    least_s: float
    median_s: float
    p95_s: float
    most_s: float
    bar_s: float

    @property
    def is_held(self) -> bool:
        """Whether none was later than the bar."""
        return self.most_s <= self.bar_s


@dataclass(slots=True)
class Log:
    """What was measured. strays: answers that nothing explains (law 4)."""

    kills: list[Kill] = field(default_factory=list)
    asked: int = 0
    lost: int = 0
    strays: list[str] = field(default_factory=list)


class BenchError(Exception):
    """A process did not do what the benchmark needs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status: 0 both bars held, 1 not, 2 it could not be measured."""
    options = _parser().parse_args(arguments)
    if options.backend:
        asyncio.run(_serve_backend(*options.backend))
        return 0
    console = Console()
    pace = Pace(options.interval, options.timeout, options.fall, options.rise)
    try:
        log = measure(pace, options, console)
    except (BenchError, AssertionError, redis_servers.ServerError) as error:
        console.print(str(error), markup=False)
        return 2
    spreads = summarise(log.kills, pace)
    console.print(_table(spreads, log, pace))
    faults = find_faults(spreads, log)
    for fault in faults:
        console.print(fault, markup=False)
    if options.json:
        options.json.write_text(json.dumps(_document(spreads, log, pace), indent=2) + "\n")
    return 1 if faults else 0


def summarise(kills: Sequence[Kill], pace: Pace) -> list[Spread]:
    """The spread of both times over all kills, of which there is at least one."""
    return [
        _spread("leave", [kill.leave_s for kill in kills], pace.leave_bar_s),
        _spread("return", [kill.return_s for kill in kills], pace.return_bar_s),
    ]


def find_faults(spreads: Sequence[Spread], log: Log) -> list[str]:
    """What makes a run fail, in words."""
    faults = [
        f"bar missed: to {one.what} took {one.most_s:.3f} s, at most {one.bar_s:.3f} s"
        for one in spreads
        if not one.is_held
    ]
    if log.lost:
        faults.append(f"{log.lost} of {log.asked} queries were not answered")
    return faults + log.strays


def _spread(what: str, times_s: Sequence[float], bar_s: float) -> Spread:
    p95_s = quantiles(times_s, n=20, method="inclusive")[18] if len(times_s) > 1 else times_s[0]
    return Spread(what, min(times_s), median(times_s), p95_s, max(times_s), bar_s)


# ---------------------------------------------------------------- the measurement


def measure(pace: Pace, options: argparse.Namespace, console: Console) -> Log:
    """Kills backends and has them return, one after the other."""
    log = Log()
    fault = FAULTS[options.fault]
    draw = random.Random(options.seed)
    with _running_world(pace) as (port, backends), Client(port, log) as client:
        client.await_answer(frozenset(SITES), time.monotonic() + 10)
        for number in range(1, options.kills + 1):
            site = draw.choice(tuple(SITES))
            kill = _measure_one(backends[site], client, pace, fault, draw)
            log.kills.append(kill)
            console.print(
                f"{number:3} of {options.kills}: {site} left after {kill.leave_s:.3f} s, "
                f"returned after {kill.return_s:.3f} s",
                highlight=False,
            )
    return log


def _measure_one(
    backend: Backend, client: Client, pace: Pace, fault: signal.Signals, draw: random.Random
) -> Kill:
    everywhere = frozenset(SITES)
    settle_s = pace.rise * pace.interval_s + pace.timeout_s + MARGIN_S
    client.expect(everywhere, settle_s + draw.random() * pace.interval_s)
    died = backend.fail(fault)
    left = client.await_answer(everywhere - {backend.site}, died + 10 * pace.leave_bar_s)
    rest_s = max(0.0, died + pace.leave_bar_s - left)  # the slowest agent sees it, too
    client.expect(everywhere - {backend.site}, rest_s + draw.random() * pace.interval_s)
    lived = backend.recover()
    returned = client.await_answer(everywhere, lived + 10 * pace.return_bar_s)
    return Kill(backend.site, left - died, returned - lived)


class Client:
    """Asks for the sites that are answered, and keeps count."""

    def __init__(self, port: int, log: Log) -> None:
        self._query = bytearray(dns.message.make_query(_NAME, "A").to_wire())
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(REPLY_DEADLINE_S)
        self._log = log

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def await_answer(self, sites: frozenset[str], deadline: float) -> float:
        """When the first reply with just these sites was there. Raises BenchError."""
        while (now := time.monotonic()) < deadline:
            if self._ask() == sites:
                return time.monotonic()
            self._pause(now)
        raise BenchError(f"the answer never became {', '.join(sorted(sites))}")

    def expect(self, sites: frozenset[str], seconds: float) -> None:
        """Asks for a time; whatever else is answered is noted, once."""
        until, is_noted = time.monotonic() + seconds, False
        while (now := time.monotonic()) < until:
            found = self._ask()
            if found is not None and found != sites and not is_noted:
                is_noted = True
                self._log.strays.append(f"answered {sorted(found)} instead of {sorted(sites)}")
            self._pause(now)

    def _ask(self) -> frozenset[str] | None:
        """The sites in the answer; None when the query was lost."""
        self._log.asked += 1
        self._query[:2] = (self._log.asked & 0xFFFF).to_bytes(2, "big")
        self._socket.send(self._query)
        try:
            while True:
                reply = self._socket.recv(4096)
                if reply[:2] == self._query[:2]:
                    return read_sites(reply)
        except OSError:
            self._log.lost += 1
            return None

    def _pause(self, began: float) -> None:
        time.sleep(max(0.0, began + ASK_EVERY_S - time.monotonic()))


def read_sites(reply: bytes) -> frozenset[str]:
    """The sites whose addresses a reply has: the data of an A record behind its length."""
    return frozenset(site for site, address in SITES.items() if b"\0\x04" + address.packed in reply)


# ---------------------------------------------------------------- the processes


@contextmanager
def _running_world(pace: Pace) -> Iterator[tuple[int, Mapping[str, Backend]]]:
    """The name server's port and the backends, everything running; ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="gslb-failover-") as name, ExitStack() as stack:
        folder = Path(name)
        web = free_port(*map(str, SITES.values()))
        backends = {
            site: stack.enter_context(Backend(site, str(address), web))
            for site, address in SITES.items()
        }
        store = stack.enter_context(redis_servers.running(folder))
        port, admin = free_port("127.0.0.1"), free_port("127.0.0.1")
        main = _write_files(folder, pace, store=store.url, web=web, dns=port, admin=admin)
        for agent in AGENTS:
            stack.enter_context(probing(main, agent))
        stack.enter_context(serving(main, dns_port=port, admin_port=admin))
        yield port, backends


def _write_files(folder: Path, pace: Pace, *, web: int, **values: object) -> Path:
    agents = {}
    for agent in AGENTS:
        pem, public_key = make_key()
        write_key(folder / f"{agent}.key", pem)
        agents[agent] = {"public_key": public_key, "failure_domain": agent}
    check = {"http": {"port": web, "expect_body": "ok"}} | asdict(pace)
    sites = {site: {"addresses": [str(at)], "check": check} for site, at in SITES.items()}
    main = folder / "gslb.yaml"
    main.write_text(_MAIN.format(agents=json.dumps(agents), sites=json.dumps(sites), **values))
    (folder / "zone.yaml").write_text(_ZONE)
    return main


class Backend:
    """The application of one site, a process that can fail and recover."""

    def __init__(self, site: str, host: str, port: int) -> None:
        self.site = site
        self._place = (host, str(port))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Backend:
        self.recover()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def fail(self, fault: signal.Signals) -> float:
        """Send it a signal; when it had been sent."""
        assert self._process is not None
        self._process.send_signal(fault)
        return time.monotonic()

    def recover(self) -> float:
        """Start it anew, or let it go on; since when it takes connections."""
        if self._process is not None:
            self._end()
        argv = [sys.executable, "-m", "tests.bench.failover", "--backend", *self._place]
        self._process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"the backend of {self.site} does not listen")
        return float(line)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


async def _serve_backend(host: str, port: str) -> None:
    """Answer every request with `ok`, until killed; prints when it began to listen."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, host, int(port))
    sys.stdout.write(f"{time.monotonic()}\n")
    sys.stdout.flush()
    await server.serve_forever()


# ---------------------------------------------------------------- what is told


def _table(spreads: Sequence[Spread], log: Log, pace: Pace) -> Table:
    table = Table(
        title=f"{len(log.kills)} kills; interval {pace.interval_s:g} s, timeout "
        f"{pace.timeout_s:g} s, fall {pace.fall}, rise {pace.rise}; seconds",
        caption=f"{log.asked:,} queries, {log.lost} lost, {len(log.strays)} strays",
    )
    table.add_column("time to")
    for heading in ("min", "median", "p95", "max", "bar"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for one in spreads:
        times_s = (one.least_s, one.median_s, one.p95_s, one.most_s, one.bar_s)
        verdict = "held" if one.is_held else "MISSED"
        table.add_row(one.what, *(f"{time_s:.3f}" for time_s in times_s), verdict)
    return table


def _document(spreads: Sequence[Spread], log: Log, pace: Pace) -> dict[str, object]:
    return {
        "machine": describe_machine(),
        "pace": asdict(pace),
        "agents": len(AGENTS),
        "summary": [asdict(one) | {"is_held": one.is_held} for one in spreads],
        **asdict(log),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.failover", description=__doc__)
    parser.add_argument("--kills", type=_count, default=KILLS, help=f"how many (default {KILLS})")
    parser.add_argument("--fault", choices=FAULTS, default="kill", help="what befalls a backend")
    pace = Pace()
    parser.add_argument("--interval", type=float, default=pace.interval_s, help="seconds")
    parser.add_argument("--timeout", type=float, default=pace.timeout_s, help="seconds")
    parser.add_argument("--fall", type=_count, default=pace.fall)
    parser.add_argument("--rise", type=_count, default=pace.rise)
    parser.add_argument("--seed", type=int, help="of the order of sites and the moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all times here")
    parser.add_argument("--backend", nargs=2, help=argparse.SUPPRESS)
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
