"""The operator's files, read whole and within bounds."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_YAML_OCTETS = 2_000_000
MAX_MASTER_OCTETS = 64_000_000


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was read. path: absolute. shown: the path as the user gave it. modified_at: Unix
    seconds.
    """

    path: Path
    shown: str
    octets: bytes
    modified_at: int


def read_file(path: Path, limit: int, *, inside: Path | None = None) -> Content:
    """The content of a regular file of at most limit octets; inside: the directory it must lie
    under.

    Raises OSError with a reason for people.
    """
    if inside is not None and not is_inside(path, inside):
        raise OSError(0, f"it lies outside the main file's directory {inside}")
    if path.exists() and not path.is_file():
        raise OSError(0, "it is not a regular file")
    with path.open("rb") as opened:
        modified_at = int(os.fstat(opened.fileno()).st_mtime)
        octets = opened.read(limit + 1)
    if len(octets) > limit:
        raise OSError(0, f"it is larger than {limit // 1_000_000} MB")
    return Content(absolute(path), str(path), octets, modified_at)


def absolute(path: Path) -> Path:
    """The path from the root, without `..`; symbolic links are kept."""
    return Path(os.path.abspath(path))  # noqa: PTH100  Path.absolute keeps `..`


def match_files(base: Path, pattern: str) -> list[Path]:
    """The files that a pattern of the operator's names, in order of their names; relative to base
    unless absolute.

    A path without `*`, `?` and `[` is returned whether or not it exists, so that reading it says
    what is wrong.
    """
    if not glob.has_magic(pattern):
        return [base / pattern]
    return list(_files(base, sorted(glob.glob(pattern, root_dir=base))))  # noqa: PTH207  Path.glob takes no absolute one


def _files(base: Path, names: list[str]) -> Iterator[Path]:
    return (path for path in (base / name for name in names) if path.is_file())


def is_inside(path: Path, directory: Path) -> bool:
    """Whether a path lies in a directory or below, symbolic links followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory))


def tell(error: OSError) -> str:
    """Why a file cannot be read, in a few words."""
    return f"cannot be read: {error.strerror or error}"
