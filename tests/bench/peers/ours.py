"""This server, from this checkout, run by the Python that runs the benchmark: compiled, and not."""

from __future__ import annotations

import sys
from functools import partial
from typing import Final

from tests.bench.builds import COMPILED_ARGV, PYTHON_ARGV, TELL_VERSION
from tests.bench.content import NEGATIVE_TTL, SERVICE_LABELS, SITES, TTL, ZONE, zone_head
from tests.bench.peers.base import Peer, Setup

_CONFIG: Final = """node: bench
listen: {{dns: ["127.0.0.1:{port}"]}}
workers: {workers}
geo: {{database: "{database}"}}
zones: [bench.yaml]
sites:
"""
_ZONE: Final = f"""zone: {ZONE}
records: bench.zone
negative_ttl: {NEGATIVE_TTL}
services:
"""


def prepare(
    setup: Setup, *, workers: int = 1, python: tuple[str, ...] = COMPILED_ARGV
) -> tuple[str, ...]:
    """Write the main file, the zone file and the master file; the command that serves them."""
    config = setup.directory / "gslb.yaml"
    main = _CONFIG.format(port=setup.port, workers=workers, database=setup.database)
    config.write_text(main + _sites())
    (setup.directory / "bench.yaml").write_text(_ZONE + "".join(map(_service, SERVICE_LABELS)))
    (setup.directory / "bench.zone").write_text(zone_head())
    return (*python, "-m", "gslb", "serve", str(config))


def with_workers(workers: int) -> Peer:
    """This server as so many processes that share the port."""
    name = "gslb" if workers == 1 else f"gslb x{workers}"
    return _make(name, COMPILED_ARGV, workers)


def _make(name: str, python: tuple[str, ...], workers: int) -> Peer:
    return Peer(
        name=name,
        program=sys.executable,
        version_argv=(*python, "-c", TELL_VERSION),
        packages=(),
        settings=f"workers {workers}; policy health, geo; no checks, admin port or decision log",
        prepare=partial(prepare, workers=workers, python=python),
        processes=workers,
    )


def _sites() -> str:
    return "".join(
        f'  {site.name}: {{addresses: ["{site.ipv4}", "{site.ipv6}"]}}\n' for site in SITES
    )


def _service(label: str) -> str:
    return f"  {label}:\n    ttl: {TTL}\n    policy: [health, geo]\n    answers:\n{_answers()}"


def _answers() -> str:
    lines = []
    for site in SITES:
        places = [f"country:{code}" for code in site.countries]
        places += [f"continent:{code}" for code in site.continents]
        places += ["default"] if site is SITES[0] else []
        lines.append(f"      {site.name}: {{serves: [{', '.join(places)}]}}\n")
    return "".join(lines)


GSLB = with_workers(1)
INTERPRETED = _make("gslb python", PYTHON_ARGV, 1)
