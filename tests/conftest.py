"""What all tests share."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from gslb.app.build import IS_COMPILED
from gslb.wire import codes

# `make test` tries the same examples each time, so that a failure is there for everybody; `make
# fuzz` looks for new ones. A slow machine is no failure: what must be fast is measured by `make
# bench-dns`.
settings.register_profile("gslb", deadline=None, derandomize=True)
settings.load_profile("gslb")


def pytest_configure(config: pytest.Config) -> None:
    """Has the processes that tests start run without coverage: it doubles the time that a server
    takes to load, and what they run is covered in-process.
    """
    if os.environ.get("GSLB_TESTS_EXPECT") == "compiled" and not IS_COMPILED:
        raise pytest.UsageError(f"these modules are not compiled: {codes.__file__}")
    if hasattr(config, "workerinput"):  # the workers of pytest-xdist themselves are measured
        for name in [name for name in os.environ if name.startswith("COVERAGE_PROCESS")]:
            del os.environ[name]
