"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# `make test` tries the same examples each time, so that a failure is there for everybody; `make
# fuzz` looks for new ones. A slow machine is no failure: what must be fast is measured by `make
# bench-dns`.
settings.register_profile("gslb", deadline=None, derandomize=True)
settings.load_profile("gslb")
