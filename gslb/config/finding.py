"""What a check says about the operator's files before it is known where that stands in a file."""

from __future__ import annotations

from dataclasses import dataclass

Key = str | int
Path = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong (or doubtful: is_warning) at a path of one file.

    path: the keys and list positions that lead there. at_key: point at the key, even where its
    value is on the same line.
    """

    path: Path
    message: str
    at_key: bool = False
    is_warning: bool = False


def dotted(path: Path) -> str:
    """A path for people: keys and list positions joined with dots."""
    return ".".join(map(str, path))
