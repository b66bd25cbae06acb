"""This checkout as the interpreter runs it, and compiled as `make compiled` leaves it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
COMPILED: Final = ROOT / "build" / "compiled"
PYTHON_ARGV: Final = ("env", f"PYTHONPATH={ROOT}", sys.executable)
COMPILED_ARGV: Final = ("env", f"PYTHONPATH={COMPILED}", sys.executable, "-P")
TELL_VERSION: Final = "from gslb.app.build import VERSION; print(VERSION)"


def find_missing() -> str | None:
    """What must be done before the compiled build can be measured, None if it is there."""
    return None if COMPILED.is_dir() else "it is measured compiled, which it is not: make compiled"
