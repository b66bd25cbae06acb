"""A made-up fleet: any number of sites and agents, in files as an operator has them; and the
agents, all in one process, which check nothing but report for real.

    python -m tests.bench.fleet FOLDER/gslb.yaml

Laws:
1. An agent here is a `Prober` at its usual pace with a `Courier`, a key and a store of its own.
   Only the checks are left out: each is over at once, with a time that is drawn.
2. The addresses are never asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from gslb.app.agent import Identity, identify, load_assignment
from gslb.app.courier import Courier
from gslb.model.service import Site
from gslb.model.system import System
from gslb.probe import prober
from gslb.probe.outcome import Outcome
from gslb.probe.target import Target
from gslb.store.open import open_store
from gslb.store.signing import make_key, write_key
from tests.app.world import ROOT

SERVICES: Final = 100
"""Each answers from as many neighbouring sites as SITES_OF_ONE, so that all of them serve."""
SITES_OF_ONE: Final = 10
ZONE: Final = "fleet.test"
_FIRST_ADDRESS: Final = int(IPv4Address("127.64.0.1"))
_RTT_MS: Final = (1.0, 250.0)

_MAIN: Final = """node: ns-bench
listen: {{dns: ["127.0.0.1:{dns}"], admin: "127.0.0.1:{admin}"}}
store: {store}
redis: {{prefix: {prefix}}}
zones: [zone.yaml]
health: {{own_probes: false}}
agents: {agents}
sites: {sites}
"""
_ZONE_HEAD: Final = f"""zone: {ZONE}
nameservers: {{ns1.{ZONE}: [192.0.2.53]}}
contact: hostmaster@{ZONE}
services:
"""


def service_names(sites: int) -> list[str]:
    """The names that a fleet of so many sites answers."""
    return [f"s{number}.{ZONE}" for number in range(min(SERVICES, sites))]


def write_fleet(folder: Path, *, sites: int, agents: int, **listen: object) -> tuple[Path, Path]:
    """The main file of name servers, and one of agents that report to where nobody reads: the same
    store, under another prefix.

    listen: dns and admin, ports; store, a URL.
    """
    declared = {}
    for number in range(agents):
        pem, public_key = make_key()
        name = f"agent-{number}"
        (folder / f"{name}.key").unlink(missing_ok=True)
        write_key(folder / f"{name}.key", pem)
        declared[name] = {"public_key": public_key, "failure_domain": f"domain-{number}"}
    fields = {"agents": json.dumps(declared), "sites": json.dumps(_sites(sites)), **listen}
    paths = folder / "gslb.yaml", folder / "elsewhere.yaml"
    for path, prefix in zip(paths, ("gslb", "elsewhere"), strict=True):
        path.write_text(_MAIN.format(prefix=prefix, **fields))
    (folder / "zone.yaml").write_text(_ZONE_HEAD + "".join(_services(sites)))
    return paths


@contextmanager
def reporting(main: Path) -> Iterator[int]:
    """The agents of a file, reporting; the id of their process."""
    argv = [sys.executable, "-m", "tests.bench.fleet", str(main)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), "the agents have not begun"
            yield process.pid
        finally:
            process.kill()


def main(arguments: Sequence[str]) -> None:
    """Report as all agents of a file, until killed."""
    asyncio.run(_report_all(Path(arguments[0])))


def _sites(count: int) -> dict[str, object]:
    check = {"tcp": {"port": 9}}
    return {
        f"site-{number}": {"addresses": [str(IPv4Address(_FIRST_ADDRESS + number))], "check": check}
        for number in range(count)
    }


def _services(sites: int) -> Iterator[str]:
    for number, name in enumerate(service_names(sites)):
        chosen = {(number * SITES_OF_ONE + offset) % sites for offset in range(SITES_OF_ONE)}
        answers = ", ".join(f"site-{site}: {{}}" for site in sorted(chosen))
        label = name.partition(".")[0]
        yield f"  {label}: {{answers: {{{answers}}}, policy: [health, round_robin]}}\n"


async def _report_all(path: Path) -> None:
    assignment = load_assignment(path)
    system = assignment.system
    prober.run_check = _pass
    async with asyncio.TaskGroup() as group:
        for name in system.agents:
            identity = identify(assignment, name, path.with_name(f"{name}.key"))
            group.create_task(_report(system, identity, system.sites), name=name)
        sys.stdout.write("reporting\n")
        sys.stdout.flush()


async def _report(system: System, identity: Identity, sites: dict[str, Site]) -> None:
    store = open_store(system, os.environ)
    deliver = Courier(store, identity.key, system.redis.timeout_s).deliver
    await prober.Prober(sites, deliver, identity.name).run()


async def _pass(_target: Target, _slots: asyncio.Semaphore) -> Outcome:
    rtt_ms = random.uniform(*_RTT_MS)
    return Outcome(ok=True, rtt_ms=rtt_ms, first_byte_ms=rtt_ms * 1.5)


if __name__ == "__main__":
    main(sys.argv[1:])
