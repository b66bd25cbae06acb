"""What a probe is told to do: the check of a site, without how it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gslb.model.place import Address

JsonScalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """An HTTP or HTTPS request that must be answered as told.

    address: who is asked; None asks the site's own first address. host: the Host header (and the
    TLS server name); None sends the address. headers: (name, value) pairs that are sent besides.
    expect_body: a substring of the first 64 KiB; None takes any body. expect_json: (path, value)
    pairs that must hold in a JSON body; a path is keys and indexes joined with dots. max_ms: the
    whole answer must have come by then; None leaves it to the check's timeout. verify: the
    certificate must be valid for the host.
    """

    port: int
    scheme: Literal["http", "https"] = "http"
    path: str = "/"
    host: str | None = None
    address: Address | None = None
    method: Literal["GET", "HEAD", "POST", "OPTIONS"] = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    expect_status: tuple[int, ...] = (200,)
    expect_body: str | None = None
    expect_json: tuple[tuple[str, JsonScalar], ...] = ()
    max_ms: float | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """A TCP connection that must be accepted.

    address: as for HttpCheck. send: text that is sent once connected. expect: text that the first
    64 KiB of the answer must hold. max_ms: as for HttpCheck.
    """

    port: int
    address: Address | None = None
    send: str | None = None
    expect: str | None = None
    max_ms: float | None = None


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A program that must end with status 0. argv: the program and its arguments; no shell reads
    them.
    """

    argv: tuple[str, ...]


CheckKind = HttpCheck | TcpCheck | CommandCheck


@dataclass(frozen=True, slots=True)
class Check:
    """How often a site is asked, and how many answers in a row change its state.

    kinds: what is asked in each round, all at once. need: how many of them must pass for the round
    to pass. fast_interval_s: the pace while results contradict the state; None keeps the pace.
    """

    kinds: tuple[CheckKind, ...]
    interval_s: float = 5.0
    timeout_s: float = 2.0
    fall: int = 3
    rise: int = 2
    need: int = 1
    fast_interval_s: float | None = None
