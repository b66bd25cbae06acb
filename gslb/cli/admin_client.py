"""How commands ask a running server: its admin port, the token, and what can go wrong.

Laws:
1. The port is the one that was named (--admin), else listen.admin of the main file (--config), else
   the admin port of the only proxy there.
2. The token is that of --token-file, else of the file that GSLB_TOKEN_FILE names, else GSLB_TOKEN;
   never an argument, which every user of the machine could read.
3. Whatever stands at the other end, it ends in an answer or an AdminError of one line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import typer

from gslb.cli.output import complain
from gslb.errors import GslbError
from gslb.telemetry.logs import escape

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from gslb.model.endpoint import Endpoint

TIMEOUT_S = 5.0
"""The admin port is near; five seconds are a hang. kubectl and dig wait as long."""
ORDER_TIMEOUT_S = 12.0
"""An order waits for the store; the server gives up after 10 s."""
MAX_ANSWER_OCTETS = 64 * 1024 * 1024
"""The status of 10,000 sites and 20 agents."""

Told = Mapping[str, Any]

Config = Annotated[Path, typer.Option(help="The main file, whose listen.admin is asked.")]
Admin = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Ask the server with this admin port instead."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        envvar="GSLB_TOKEN_FILE",
        help="The file with the token that the admin port asks for (or GSLB_TOKEN itself).",
        show_default=False,
    ),
]

CONFIG = Path("gslb.yaml")


class AdminError(GslbError):
    """A server did not do what it was asked; one line says why."""


class NoAnswerError(AdminError):
    """A server was asked, and nobody knows what it made of it."""


class AdminClient:
    """Asks one admin port."""

    def __init__(self, endpoint: Endpoint, token: str | None = None) -> None:
        self.endpoint = endpoint
        self._token = token

    def get(self, path: str, *needed: str, **query: str) -> Told:
        """A page as JSON, which has the keys that are needed. Raises AdminError; ValueError for a
        bad question.
        """
        whole = f"{path}?{urlencode(query)}" if query else path
        return self._require(self._ask("GET", whole, None, TIMEOUT_S), needed)

    def post(self, path: str, data: Told, *needed: str) -> Told:
        """The answer to what is sent. Raises AdminError; ValueError for what makes no sense."""
        try:
            told = self._ask("POST", path, json.dumps(data), ORDER_TIMEOUT_S)
        except NoAnswerError as error:
            raise AdminError(
                f"{error}; it may be done all the same: look at gslb status"
            ) from error
        return self._require(told, needed)

    def _require(self, told: Told, needed: Sequence[str]) -> Told:
        missing = [key for key in needed if key not in told]
        if missing:
            words = "it is no gslb or one of another version"
            raise AdminError(f"{self.endpoint} says nothing of {missing[0]}: {words}")
        return told

    def _ask(self, method: str, path: str, body: str | None, timeout_s: float) -> Told:
        from http.client import HTTPConnection, HTTPException

        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        where = self.endpoint
        try:
            with closing(HTTPConnection(where.host, where.port, timeout=timeout_s)) as connection:
                connection.request(method, path, body, headers)
                with connection.getresponse() as response:
                    return self._read(response)
        except (OSError, HTTPException) as error:
            cause = " ".join(str(error).split()) or type(error).__name__
            kind = AdminError if isinstance(error, ConnectionRefusedError) else NoAnswerError
            raise kind(f"no answer from {where}: {escape(cause)}") from error

    def _read(self, response: HTTPResponse) -> Told:
        octets = response.read(MAX_ANSWER_OCTETS + 1)
        told = _maybe_read_object(octets)
        if response.status == 200 and told is not None:
            return told
        words = escape(str((told or {}).get("error", "")))
        if response.status == 400 and words:
            raise ValueError(words)
        if response.status == 401 and words:
            words += "; give it with --token-file or GSLB_TOKEN_FILE"
        if response.status == 200:
            raise AdminError(f"{self.endpoint} says what is not JSON")
        raise AdminError(f"{self.endpoint} says: {words or f'HTTP status {response.status}'}")


def _maybe_read_object(octets: bytes) -> Told | None:
    try:
        told = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def make_client(admin: str | None, config: Path, token_file: Path | None) -> AdminClient:
    """The client for the port and the token that the command line names (laws 1 and 2)."""
    try:
        return AdminClient(_find_admin(admin, config), _find_token(token_file))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _find_admin(text: str | None, config: Path) -> Endpoint:
    from gslb.config.endpoints import parse_endpoint
    from gslb.config.load import load

    if text is not None:
        return parse_endpoint(text)
    if not config.exists():
        raise ValueError(f"there is no {config}: name the main file (--config) or a port (--admin)")
    system = load(config).system
    proxies = {name: one.admin for name, one in system.proxies.items() if one.admin is not None}
    if system.admin is None and len(proxies) > 1:
        told = ", ".join(f"{name} {port}" for name, port in proxies.items())
        raise ValueError(f"{config} has several proxies: name one's port with --admin ({told})")
    found = system.admin or next(iter(proxies.values()), None)
    if found is None:
        raise ValueError(f"{config} has no listen.admin: there is no server to ask")
    return found


def _find_token(path: Path | None) -> str | None:
    """The token, or None. Raises ValueError for a file that holds none."""
    if path is None:
        return os.environ.get("GSLB_TOKEN") or None
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} does not hold a token") from error
    if len(token.split()) != 1:
        raise ValueError(f"{path} must hold one token and nothing else")
    return token


@contextmanager
def answered() -> Iterator[None]:
    """Ends the command in one line: status 1 when a server was not reached or refused, 2 when what
    was asked makes no sense.
    """
    try:
        yield
    except AdminError as error:
        complain(str(error))
        raise typer.Exit(1) from error
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
