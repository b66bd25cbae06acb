"""The long fuzz run: `python -m tests.fuzz.wire --seconds N [--seed S]`.

Valid queries are bent, cut, joined and filled with what hurts, and asked every way there is. Every
reply is held to the invariants of `tests.engine.conformance.invariants`; both paths must say the
same. The first failure ends the run: exit status 1, and a file that `--replay FILE` asks again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

from gslb.engine.fast import FastPath
from tests.engine.conformance.asking import World, compile_text, rel_world
from tests.engine.conformance.invariants import check_reply
from tests.engine.conformance.octets import message, name, opt, question, record
from tests.engine.conformance.test_any_octets import NAMES, OPTIONS, TYPES
from tests.engine.conformance.zones import RFC4592

Case = tuple[bytes, bytes]
"""(query, packed source address)"""

EDGES = (0x00, 0x01, 0x29, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF)
SOURCES = tuple(ip_address(a).packed for a in ("127.0.0.1", "8.8.8.8", "193.0.6.1", "2001:600::1"))
PROGRESS_S = 5.0
CASES_BEFORE_A_LOOK_AT_THE_CLOCK = 50


def make_query(draw: random.Random) -> bytes:
    """A well formed query, usual or odd."""
    asked = question(_spell(draw), draw.choice(TYPES), draw.choice((1, 1, 1, 1, 3, 255)))
    flags = draw.choice((0, 0x0100, 0x0110, 0x0120, draw.getrandbits(15)))
    additional = []
    if draw.random() < 0.8:
        options = draw.choices(OPTIONS, k=draw.randrange(4))
        version = draw.choice((0, 0, 0, 0, 1, 255))
        size = draw.choice((0, 512, 1232, 65535))
        bits = draw.choice((0, 0x8000, draw.getrandbits(16)))
        additional.append(opt(*options, size=size, version=version, flags=bits))
    if draw.random() < 0.1:
        additional.append(record(draw.choice((b"\0", name("x."), b"\xc0\x0c"))))
    return message(asked, flags=flags, additional=tuple(additional))


def _spell(draw: random.Random) -> bytes:
    """A name of the zones or near one, in random case."""
    octets = name(draw.choice(NAMES))
    if draw.random() < 0.4:
        label = draw.randbytes(draw.randrange(1, 64))
        octets = bytes((len(label),)) + label + octets
    if len(octets) > 255:
        return b"\0"
    # Length octets are no letters (the longest is 63), so they stay as they are.
    small = bytes(c for c in b"abcdefghijklmnopqrstuvwxyz" if draw.random() < 0.3)
    return octets.translate(bytes.maketrans(small, small.upper()))


def _flip(octets: bytearray, draw: random.Random) -> None:
    octets[draw.randrange(len(octets))] ^= 1 << draw.randrange(8)


def _set_edge(octets: bytearray, draw: random.Random) -> None:
    octets[draw.randrange(len(octets))] = draw.choice(EDGES)


def _set_count(octets: bytearray, draw: random.Random) -> None:
    at = draw.choice((4, 6, 8, 10))
    octets[at : at + 2] = draw.choice((0, 1, 2, 65535)).to_bytes(2, "big")


def _cut(octets: bytearray, draw: random.Random) -> None:
    del octets[draw.randrange(len(octets)) :]


def _take_out(octets: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(octets))
    del octets[at : at + draw.randrange(1, 12)]


def _put_in(octets: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(octets) + 1)
    octets[at:at] = draw.randbytes(draw.randrange(1, 20))


def _repeat(octets: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(octets))
    piece = octets[at : at + draw.randrange(1, 40)]
    octets[at:at] = piece * draw.randrange(1, 9)


def _splice(octets: bytearray, draw: random.Random) -> None:
    other = make_query(draw)
    octets[draw.randrange(len(octets)) :] = other[draw.randrange(len(other)) :]


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _set_edge, _set_count, _cut, _take_out, _put_in, _repeat, _splice),
)


def make_case(draw: random.Random) -> Case:
    """A query, bent up to five times; sometimes not at all, sometimes nothing but noise."""
    if draw.random() < 0.02:
        return draw.randbytes(draw.randrange(400)), draw.choice(SOURCES)
    octets = bytearray(make_query(draw))
    for _ in range(draw.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        if len(octets) > 12:
            draw.choice(MUTATIONS)(octets, draw)
    return bytes(octets), draw.choice(SOURCES)


def make_worlds() -> tuple[World, ...]:
    """The zones that are asked: one with everything in it, and one under a short name."""
    return rel_world(), World(compile_text(RFC4592, "example"), nsid="fuzz", ecs=False)


def check_case(world: World, case: Case) -> None:
    """Raises when a path raises, breaks an invariant, or says something else than another one."""
    query, source = case
    world.octets(query, source)
    check_reply(query, FastPath(world.engine).answer(query, source))
    check_reply(query, world.engine.answer(query, source, is_tcp=True), is_tcp=True)


def run(worlds: Sequence[World], *, seconds: float, seed: int, folder: Path) -> int:
    """Asks until the time is over; returns the exit status."""
    draw = random.Random(seed)
    started = told = time.monotonic()
    count, now = 0, started
    while now - started < seconds:
        for _ in range(CASES_BEFORE_A_LOOK_AT_THE_CLOCK):
            case = make_case(draw)
            count += 1
            for world in worlds:
                try:
                    check_case(world, case)
                except Exception:  # noqa: BLE001  whatever it is, it is what this run looks for
                    _write_reproducer(folder / f"fuzz-{seed}-{count}.txt", case, count)
                    return 1
        now = time.monotonic()
        if now - told >= PROGRESS_S:
            told = now
            _tell(f"{now - started:6.0f} s  {count:9,} queries  {count / (now - started):,.0f}/s")
    _tell(f"seed {seed}: {count:,} queries in {now - started:.1f} s, no failure")
    return 0


def replay(worlds: Sequence[World], path: Path) -> int:
    """Asks the query of a reproducer file again; raises what it raised, or returns 0."""
    fields = dict(line.split(": ", 1) for line in path.read_text().split("\n\n")[0].splitlines())
    case = bytes.fromhex(fields["query"]), bytes.fromhex(fields["source"])
    for world in worlds:
        check_case(world, case)
    _tell(f"{path}: no failure")
    return 0


def _write_reproducer(path: Path, case: Case, count: int) -> None:
    told = traceback.format_exc()
    path.write_text(f"query: {case[0].hex()}\nsource: {case[1].hex()}\n\n{told}")
    _tell(f"{told}\nfailure at query {count:,}: python -m tests.fuzz.wire --replay {path}")


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.wire", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to run")
    parser.add_argument("--seed", type=int, help="repeats a run; without it, a new one each time")
    parser.add_argument("--folder", type=Path, default=Path(), help="where a reproducer goes")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="asks one reproducer again")
    told = parser.parse_args(arguments)
    if told.replay is not None:
        return replay(make_worlds(), told.replay)
    seed = random.SystemRandom().getrandbits(32) if told.seed is None else told.seed
    _tell(f"seed {seed}")
    return run(make_worlds(), seconds=told.seconds, seed=seed, folder=told.folder)


if __name__ == "__main__":
    sys.exit(main())
