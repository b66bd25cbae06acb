"""Which build this is, and how another process of the same one is started."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from gslb import __version__
from gslb.wire import codes

IS_COMPILED: Final = not str(codes.__file__).endswith(".py")
"""Whether what requests and queries pass through is compiled: docs/decisions/0007-compiled.md."""

VERSION: Final = f"{__version__}+compiled" if IS_COMPILED else __version__
"""What a running process says of itself."""


def command_of(module: str) -> list[str]:
    """The command that runs a module of this build. It imports nothing from the folder that it is
    started in, unless this build lies there.
    """
    is_here = Path(__file__).parents[2] == Path.cwd()
    return [sys.executable, *([] if is_here else ["-P"]), "-m", module]
