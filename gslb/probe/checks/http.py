"""The HTTP and HTTPS check: one request on a new connection, answered as told.

Laws:
1. Every check opens its own connection: a probe must prove that a new client can connect.
2. The connection goes to the site's address and nowhere else: no redirects, no proxies, no name
   look-ups.
3. Status and header fields decide; a body is read only when `expect_body` asks for it, and never
   past MAX_BODY octets.
4. What the site sends costs bounded memory: aiohttp ends a message with over 128 header fields, or
   one of over 8190 octets; bodies are read piece by piece and not decompressed.
5. `timeout_s` holds for everything together, so a site that drips octets is as dead as one that
   says nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import cache

import aiohttp
from yarl import URL

from gslb.model.check import HttpCheck
from gslb.model.place import Address
from gslb.probe.checks.connection import open_socket
from gslb.probe.outcome import Outcome, describe_error, failed

MAX_BODY = 65536
"""Octets of a body that are searched. Route 53 searches 5120; a status page with its styles may
need more.
"""
CLOSED = "the connection was closed without an answer"


async def check_http(kind: HttpCheck, address: Address, timeout_s: float) -> Outcome:
    """What one request to the site found."""
    rtt_ms: float | None = None
    try:
        async with asyncio.timeout(timeout_s):
            opened, rtt_ms = await open_socket(address, kind.port)
            complaint = await _ask(kind, address, opened)
    except TimeoutError:
        what = "connection" if rtt_ms is None else "answer"
        return failed(f"no {what} within {timeout_s:g} s", rtt_ms)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return failed(_describe(error), rtt_ms)
    return failed(complaint, rtt_ms) if complaint else Outcome(ok=True, rtt_ms=rtt_ms)


async def _ask(kind: HttpCheck, address: Address, opened: socket.socket) -> str:
    """Send the request over a connected socket, which is used up: what is wrong with the answer, or
    an empty text.
    """
    lent = _LentSocket(opened)
    try:
        async with (
            _open_session(lent) as session,
            session.get(
                _url(kind, address),
                headers=_headers(kind),
                allow_redirects=False,
                ssl=_tls_context(verify=kind.verify) if kind.scheme == "https" else False,
                server_hostname=_server_name(kind.host),
            ) as response,
        ):
            return await _judge(kind, response)
    finally:
        lent.close_if_unused()


async def _judge(kind: HttpCheck, response: aiohttp.ClientResponse) -> str:
    if response.status not in kind.expect_status:
        expected = ", ".join(map(str, kind.expect_status))
        return f"HTTP status {response.status}, expected {expected}"
    if kind.expect_body is None or await _has_text(response.content, kind.expect_body.encode()):
        return ""
    return f"{kind.expect_body!a} is not in the body"


async def _has_text(body: aiohttp.StreamReader, expected: bytes) -> bool:
    """Whether the first MAX_BODY octets hold the expected ones; reading stops as soon as that is
    clear.
    """
    seen = bytearray()
    while len(seen) < MAX_BODY:
        if expected in seen:
            return True
        piece = await body.read(MAX_BODY - len(seen))
        if not piece:
            break
        seen += piece
    return expected in seen


# ---------------------------------------------------------------- the request


def _open_session(lent: _LentSocket) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        force_close=True, happy_eyeballs_delay=None, socket_factory=lent.take
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=None
        ),  # check_http times everything, connecting included
        auto_decompress=False,
    )


def _url(kind: HttpCheck, address: Address) -> URL:
    """The address as the URL's host: aiohttp connects to that and looks nothing up.

    Raises ValueError on a path without its slash, which could name another host.
    """
    if not kind.path.startswith("/"):
        raise ValueError("the path of the check does not begin with /")
    host = f"[{address}]" if address.version == 6 else str(address)
    return URL(f"{kind.scheme}://{host}:{kind.port}{kind.path}", encoded=True)


def _headers(kind: HttpCheck) -> dict[str, str]:
    fields = {"User-Agent": "gslb-probe", "Accept": "*/*", "Accept-Encoding": "identity"}
    return fields if kind.host is None else fields | {"Host": kind.host}


def _server_name(host: str | None) -> str | None:
    """The name for TLS: the Host header without its port; None takes the address."""
    if host is None or host.startswith("["):
        return None
    return host.partition(":")[0]


@cache
def _tls_context(*, verify: bool) -> ssl.SSLContext:
    """One context for all checks. Reading the system's certificates takes some 20 ms, so it is done
    once, and a changed certificate store is seen after a restart.
    """
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _LentSocket:
    """Hands a connected socket to aiohttp once, so that the TCP handshake is timed by us and
    without TLS.
    """

    def __init__(self, opened: socket.socket) -> None:
        self._opened: socket.socket | None = opened

    def take(self, _info: object) -> socket.socket:
        """The socket; from here on aiohttp closes it.

        Raises ConnectionResetError the second time: aiohttp asks again when a connection is closed
        without an answer, and to a probe just that is the result.
        """
        if self._opened is None:
            raise ConnectionResetError(CLOSED)
        opened, self._opened = self._opened, None
        return _ConnectedSocket(opened.family, opened.type, opened.proto, fileno=opened.detach())

    def close_if_unused(self) -> None:
        """Close the socket unless aiohttp owns it."""
        if self._opened is not None:
            self._opened.close()


class _ConnectedSocket(socket.socket):
    """A socket that is connected already, for a library that insists on connecting."""

    def connect(self, _address: object, /) -> None:
        """Nothing is left to do."""


# ---------------------------------------------------------------- what went wrong


def _describe(error: Exception) -> str:
    """A failure in a few words, for the operator of the site."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"TLS: {error.certificate_error}"
        case aiohttp.ClientConnectorSSLError():
            return f"TLS: {error.os_error}"
        case aiohttp.ClientConnectorError():
            return describe_error(error.os_error)
        case aiohttp.ServerDisconnectedError():
            return CLOSED
        case aiohttp.ClientPayloadError():
            return f"the body broke off: {error}"
        case aiohttp.ClientResponseError():  # its message is a drawing of several lines
            return "not a valid HTTP answer: " + " ".join(error.message.split()).rstrip("^ ")
        case _:
            return describe_error(error)
