"""What a probe is told to do: the check of a site, without how it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """An HTTP or HTTPS request that must be answered as told.

    host: the Host header (and the TLS server name); None sends the address. expect_body: a
    substring of the first 64 KiB; None takes any body.
    """

    port: int
    scheme: Literal["http", "https"] = "http"
    path: str = "/"
    host: str | None = None
    expect_status: tuple[int, ...] = (200,)
    expect_body: str | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """A TCP connection that must be accepted."""

    port: int


@dataclass(frozen=True, slots=True)
class Check:
    """How often a site is asked, and how many answers in a row change its state."""

    kind: HttpCheck | TcpCheck
    interval_s: float = 5.0
    timeout_s: float = 2.0
    fall: int = 3
    rise: int = 2
