"""Every error that crosses a package border, in families by whose fault it is.

The client's (`WireError`, carries the RCODE), the operator's (`ConfigError`, carries every problem
with its place; `OrderError`), an agent's (`ReportError`, carries the reason that is counted), a
dependency's (`StoreError`, `GeoError`). Ours is `AssertionError`. Expected
outcomes are values, never errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class GslbError(Exception):
    """The parent of every error that this project raises on purpose."""


class WireError(GslbError):
    """The client's octets break a rule of the protocol.

    rcode: what to answer (RFC 1035 4.1.1). offset: the octet of the message at which reading
    stopped.
    """

    def __init__(self, message: str, *, rcode: int, offset: int = 0) -> None:
        super().__init__(message)
        self.rcode = rcode
        self.offset = offset


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in the operator's files: `file:line:column: path: what is wrong and
    what is allowed`.

    line and column count from 1; 0 says that the problem belongs to the whole file.
    path: the keys that lead there, joined with dots; empty for the file itself.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = self.file + (f":{self.line}:{self.column}" if self.line else "")
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigError(GslbError):
    """The operator's files cannot be used. problems holds all that was found, in the order of the
    files.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


class OrderError(GslbError):
    """An order that is refused; the message says why and what is allowed."""


class ReportError(GslbError):
    """A report that is dropped. drop: the reason that it is counted under (gslb.health.intake)."""

    def __init__(self, message: str, *, drop: str) -> None:
        super().__init__(message)
        self.drop = drop


class GeoError(GslbError):
    """A geographic database is missing, broken, or of a shape that says nothing about places."""


class StoreError(GslbError):
    """The store did not do what was asked; what was known before still holds."""


class ListenError(GslbError):
    """An address cannot be listened on; the message names it and says what to do."""
