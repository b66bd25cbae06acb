"""`python -m tests.bench.memory`: whether the memory of a server stays flat over millions of random
queries.

It starts a server of its own, sends bursts small enough for a socket buffer, and waits after each
for the answer to a plain question, so that the server has read all that was sent. Flat is: less
than FLAT_MIB more at the end than after the first million.
"""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench import builds, process
from tests.bench.dns import BUNDLED_DATABASE, whole_path
from tests.bench.noise import noise
from tests.bench.peers.base import Setup
from tests.bench.peers.ours import GSLB
from tests.bench.queries import plain_queries
from tests.ports import free_port

QUERIES: Final = 5_000_000
SETTLED_AFTER: Final = 1_000_000
SAMPLE_EVERY: Final = 500_000
FLAT_MIB: Final = 2.0
CEILING_MIB: Final = 100.0
_SOURCE_PORTS: Final = 64
_BURST: Final = 100
_SEED: Final = 7
_REPLY_DEADLINE_S: Final = 2.0
_MIB: Final = 1024 * 1024
_QUESTION: Final = slice(12, 39)  # the name of the plain service, type and class


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory after so many queries."""

    queries: int
    rss_mib: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status: 0 flat and under the ceiling, 1 not, 2 it could not be
    measured.
    """
    options = _parser().parse_args(arguments)
    console = Console()
    samples: list[Sample] = []
    unbuilt = builds.find_missing()
    if unbuilt:
        console.print(unbuilt, markup=False)
        return 2
    try:
        for sample in watch_memory(options.queries, limit_s=options.limit, database=options.geo):
            samples.append(sample)
            console.print(
                f"{sample.queries:>10,} queries  {sample.rss_mib:7.1f} MiB", highlight=False
            )
    except process.BenchError as error:
        console.print(str(error), markup=False)
        return 2
    text, is_good = judge(samples)
    console.print(text)
    if options.json:
        document = {"samples": [[one.queries, one.rss_mib] for one in samples], "verdict": text}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if is_good else 1


def watch_memory(queries: int, *, limit_s: float, database: Path) -> Iterator[Sample]:
    """Samples of a server's memory: before, after every SAMPLE_EVERY queries, and at the end.

    Ends early, after a last sample, when limit_s seconds are over. Raises BenchError when the
    server stops answering.
    """
    deadline = time.monotonic() + limit_s
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as name:
        setup = Setup(Path(name), free_port(), database)
        argv = GSLB.prepare(setup)
        with process.running(argv, directory=setup.directory, port=setup.port) as pid:
            yield Sample(0, process.rss_octets(pid) / _MIB)
            for sent in send_noise(setup.port, queries):
                is_over = time.monotonic() > deadline
                if sent % SAMPLE_EVERY == 0 or sent == queries or is_over:
                    yield Sample(sent, process.rss_octets(pid) / _MIB)
                if is_over:
                    return


def send_noise(port: int, count: int) -> Iterator[int]:
    """Send count random datagrams from many ports; yields how many were sent after each burst."""
    clients = [_connect(port) for _ in range(_SOURCE_PORTS)]
    question = next(iter(plain_queries(1)))[2:]
    datagrams = noise(count, seed=_SEED)
    sent = 0
    try:
        for client in itertools.cycle(clients):
            burst = list(itertools.islice(datagrams, _BURST))
            if not burst:
                return
            for datagram in burst:
                client.send(datagram)
            _await_answer(client, question)
            sent += len(burst)
            yield sent
    finally:
        for client in clients:
            client.close()


def judge(samples: Sequence[Sample]) -> tuple[str, bool]:
    """The verdict in words, and whether it is good."""
    settled = [sample for sample in samples if sample.queries >= SETTLED_AFTER]
    highest = max(sample.rss_mib for sample in samples)
    if len(settled) < 2:
        return "too few queries in the time to say whether memory is flat", False
    growth = settled[-1].rss_mib - settled[0].rss_mib
    span = f"{settled[0].queries:,} to {settled[-1].queries:,} queries"
    word = "flat" if growth < FLAT_MIB else "NOT FLAT"
    size = "under" if highest < CEILING_MIB else "NOT UNDER"
    text = f"{word}: {growth:+.1f} MiB from {span}; "
    text += f"highest {highest:.1f} MiB, {size} {CEILING_MIB:.0f}"
    return text, growth < FLAT_MIB and highest < CEILING_MIB


def _connect(port: int) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", port))
    return client


def _await_answer(client: socket.socket, question: bytes) -> None:
    """Ask until the answer to this very question is there, and read all that came before it."""
    for attempt in range(1, 4):
        identity = b"\xff" + bytes((attempt,))
        client.settimeout(_REPLY_DEADLINE_S)
        client.send(identity + question[2:])
        with suppress(TimeoutError):
            while not _is_answer(client.recv(4096), identity, question):
                pass
            return
    raise process.BenchError("the server has stopped answering")


def _is_answer(reply: bytes, identity: bytes, question: bytes) -> bool:
    return reply[:2] == identity and reply[_QUESTION] == question[_QUESTION]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--queries", type=int, default=QUERIES, help="how many (default 5 million)")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds at most (default 900)")
    parser.add_argument("--geo", type=whole_path, default=BUNDLED_DATABASE, help="country database")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the samples here")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
