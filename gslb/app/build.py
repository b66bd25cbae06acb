"""Which build this is."""

from __future__ import annotations

from typing import Final

from gslb import __version__
from gslb.http1 import head

IS_COMPILED: Final = not str(head.__file__).endswith(".py")
"""Whether what a request passes through is compiled to C: docs/decisions/0007-compiled.md."""

VERSION: Final = f"{__version__}+compiled" if IS_COMPILED else __version__
"""What a running process says of itself."""
