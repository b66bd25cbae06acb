"""The query files: built once for a set of arguments, kept in the system's directory for temporary
files.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench import content, queries

MIXES: Final = ("plain", "resolver")
WARM_UP_S: Final = 1.0
RATE_CEILING: Final = 200_000
"""Queries per second that the resolver file must feed; one core runs dnsperf at about 150,000. A
run that still reaches the end of the file is marked, because datagrams then repeat.
"""

_BATCH: Final = 10_000


@dataclass(frozen=True, slots=True)
class QueryFile:
    """A file for `dnsperf -B`. is_endless: the mix may be sent again from its start."""

    path: Path
    count: int
    is_endless: bool


@dataclass(frozen=True, slots=True)
class Mix:
    """A mix of queries: what is timed, and what is sent before to warm the server up."""

    name: str
    timed: QueryFile
    warm_up: QueryFile


def build_mix(name: str, *, seconds: float) -> Mix:
    """The files of a mix, long enough for a run of so many seconds."""
    if name == "plain":
        file = _build("plain", queries.PLAIN_NETWORKS, start=0)
        return Mix(name, file, file)
    timed = int(RATE_CEILING * seconds)
    warm_up = int(RATE_CEILING * WARM_UP_S)
    return Mix(name, _build(name, timed, start=0), _build(name, warm_up, start=timed))


def first_queries(name: str, count: int) -> list[bytes]:
    """The first messages of a mix, without their lengths."""
    frames = queries.plain_queries(count) if name == "plain" else queries.resolver_queries(count)
    return [frame[2:] for frame in frames]


def _build(name: str, count: int, *, start: int) -> QueryFile:
    directory = Path(tempfile.gettempdir()) / f"gslb-bench-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / f"{name}-{count}-{start}-{_source_digest()}.queries"
    if not path.exists():
        frames = (
            queries.plain_queries(count)
            if name == "plain"
            else queries.resolver_queries(count, start=start)
        )
        _write_whole(path, frames)
    return QueryFile(path, count, is_endless=name == "plain")


def _source_digest() -> str:
    """A name for the code that made a file, so that a file of older code is never used."""
    digest = hashlib.sha256()
    for module in (queries, content):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


def _write_whole(path: Path, frames: Iterable[bytes]) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        for batch in _batches(frames):
            file.write(b"".join(batch))
    part.replace(path)


def _batches(frames: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(frames)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch
