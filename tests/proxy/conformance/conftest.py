"""Both engines, started once for all scenarios; HAProxy only where it is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.proxy.conformance.engines import GSLB, HAPROXY, Engine, running
from tests.proxy.conformance.world import LISTENERS, World, write_world


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="package", params=[GSLB, HAPROXY])
def engine(request: pytest.FixtureRequest, world: World, folder: Path) -> Iterator[Engine]:
    if request.param == HAPROXY and shutil.which(HAPROXY) is None:
        pytest.skip("haproxy is not installed")
    ports = {name: free_port() for name in LISTENERS}
    file = write_world(world, folder, ports)
    with running(request.param, file, ports) as found:
        yield found
