"""What a server under test is: how to find it, how to configure it, and what it can do."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Setup:
    """Where a server runs. directory: empty, its own; database: the country database that all of
    them read.
    """

    directory: Path
    port: int
    database: Path


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that can be measured.

    prepare: writes the configuration into the setup's directory and returns the command that stays
    in the foreground. settings: what was set other than by default, and why, for the report.
    modules: files that must exist besides the program, as globs. processes: how many share the
    port; more than one is not bound to a core.
    """

    name: str
    program: str
    version_argv: tuple[str, ...]
    packages: tuple[str, ...]
    settings: str
    prepare: Callable[[Setup], tuple[str, ...]]
    modules: tuple[str, ...] = ()
    is_geographic: bool = True
    processes: int = 1

    def is_installed(self) -> bool:
        """Whether the program and its modules are there."""
        return shutil.which(self.program) is not None and all(map(_exists, self.modules))

    def version(self) -> str:
        """The version that the program tells of itself."""
        done = subprocess.run(self.version_argv, capture_output=True, text=True, check=False)
        found = re.search(r"\d+\.\d+(\.\d+)?[\w.+~-]*", done.stdout + done.stderr)
        return found.group() if found else "unknown"


def _exists(pattern: str) -> bool:
    return any(Path("/").glob(pattern.lstrip("/")))
