"""The HTTP and HTTPS check: one request on a new connection, answered as told.

Laws:
1. Every check opens its own connection: a probe must prove that a new client can connect.
2. The connection goes to the check's address and nowhere else: no redirects, no proxies, no name
   look-ups.
3. Status and header fields decide; a body is read only when `expect_body`, `expect_json` or
   `max_ms` asks for it, and never past MAX_ANSWER octets.
4. What the site sends costs bounded memory: aiohttp ends a message with over 128 header fields, or
   one of over 8190 octets; bodies are read piece by piece and not decompressed; a connection that
   brings over MAX_RECEIVED octets is closed, whatever they are (1xx answers without end, say).
5. `timeout_s` (and `max_ms`, if that is less) holds for everything together, so a site that drips
   octets is as dead as one that says nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from gslb.model.check import HttpCheck
from gslb.model.place import Address
from gslb.probe.checks.connection import MAX_ANSWER, Search, address_of, limit_of, open_socket
from gslb.probe.checks.document import find_difference
from gslb.probe.outcome import Findings, Outcome, describe_error
from gslb.probe.target import Target

MAX_RECEIVED = 8 * MAX_ANSWER
"""Octets of one connection, TLS not counted: room for a body in chunks of one octet."""
CLOSED = "the connection was closed without an answer"


async def check_http(kind: HttpCheck, target: Target, timeout_s: float) -> Outcome:
    """What one request to the site found."""
    findings = Findings()
    limit_s = limit_of(kind, timeout_s)
    try:
        async with asyncio.timeout(limit_s):
            complaint = await _ask(kind, address_of(kind, target), findings)
    except TimeoutError:
        what = "connection" if findings.rtt_ms is None else "answer"
        complaint = f"no {what} within {limit_s:g} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        complaint = _describe(error)
    return findings.conclude(complaint)


async def _ask(kind: HttpCheck, address: Address, findings: Findings) -> str:
    """Connect and send the request: what is wrong with the answer, or an empty text."""
    url, fields = _url(kind, address), _fields(kind)
    started = asyncio.get_running_loop().time()
    line = await _open_line(kind, address, findings)
    try:
        async with (
            _open_session(line) as session,
            session.request(kind.method, url, headers=fields, allow_redirects=False) as response,
        ):
            return await _judge(kind, response)
    except aiohttp.ClientError:
        if line.is_flooded:
            return f"it sent over {MAX_RECEIVED} octets"
        raise
    finally:
        if line.first_byte_at is not None:
            findings.first_byte_ms = (line.first_byte_at - started) * 1000
        line.hang_up()


# ---------------------------------------------------------------- the answer


async def _judge(kind: HttpCheck, response: aiohttp.ClientResponse) -> str:
    if response.status not in kind.expect_status:
        expected = ", ".join(map(str, kind.expect_status))
        return f"HTTP status {response.status}, expected {expected}"
    if kind.expect_body is None and not kind.expect_json and kind.max_ms is None:
        return ""
    search = await _read_body(kind, response.content)
    if kind.expect_body is not None and not search.is_found:
        return f"{kind.expect_body!a} is not in the body"
    if kind.expect_json:
        return await _judge_document(kind, search, response.content)
    return ""


async def _read_body(kind: HttpCheck, body: aiohttp.StreamReader) -> Search:
    """The first MAX_ANSWER octets, or as far as the expected text if nothing else is asked."""
    search = Search(None if kind.expect_body is None else kind.expect_body.encode())
    is_text_enough = not kind.expect_json and kind.max_ms is None
    while search.room and not (is_text_enough and search.is_found):
        piece = await body.read(search.room)
        if not piece:
            break
        search.add(piece)
    return search


async def _judge_document(kind: HttpCheck, search: Search, body: aiohttp.StreamReader) -> str:
    if not search.room and await body.read(1):
        return f"the body is too long for JSON: over {MAX_ANSWER} octets"
    return find_difference(bytes(search.seen), kind.expect_json)


# ---------------------------------------------------------------- the request


def _url(kind: HttpCheck, address: Address) -> URL:
    """The address as the URL's host: what is sent as Host where the check names none.

    Raises ValueError on a path without its slash, which could name another host.
    """
    if not kind.path.startswith("/"):
        raise ValueError("the path of the check does not begin with /")
    host = f"[{address}]" if address.version == 6 else str(address)
    return URL(f"{kind.scheme}://{host}:{kind.port}{kind.path}", encoded=True)


def _fields(kind: HttpCheck) -> list[tuple[str, str]]:
    """Header fields: the check's own, then ours where it says nothing else."""
    ours = {"User-Agent": "gslb-probe", "Accept": "*/*", "Accept-Encoding": "identity"}
    if kind.host is not None:
        ours["Host"] = kind.host
    own = {name.lower() for name, _ in kind.headers}
    return [
        *kind.headers,
        *((name, text) for name, text in ours.items() if name.lower() not in own),
    ]


def _server_name(kind: HttpCheck, address: Address) -> str:
    """The name for TLS: the Host without its port, else the address. Addresses are compared with
    the certificate, too, but are never sent (RFC 6066 3).
    """
    if kind.host is None or kind.host.startswith("["):
        return str(address)
    return kind.host.partition(":")[0]


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


# ---------------------------------------------------------------- the connection


async def _open_line(kind: HttpCheck, address: Address, findings: Findings) -> _Line:
    """A new connection, with TLS done if asked. Raises OSError, also ssl.SSLError."""
    loop = asyncio.get_running_loop()
    opened, findings.rtt_ms = await open_socket(address, kind.port)
    line = _Line(loop)
    is_plain = kind.scheme == "http"
    try:
        connection, _ = await loop.create_connection(
            lambda: line if is_plain else asyncio.Protocol(), sock=opened
        )
    except BaseException:
        opened.close()
        raise
    line.connection = connection
    if not is_plain:
        await _start_tls(line, connection, kind=kind, server_name=_server_name(kind, address))
        findings.certificate_until_at = line.certificate_until_at()
    return line


async def _start_tls(
    line: _Line, connection: asyncio.Transport, *, kind: HttpCheck, server_name: str
) -> None:
    """Put TLS between a connection and aiohttp's end of it.

    Done in two steps, because asyncio leaves a connection open, and its descriptor registered for
    ever, when it is cancelled just as the handshake is to begin.
    """
    loop = asyncio.get_running_loop()
    context = _tls_context(verify=kind.verify)
    try:
        secured = await loop.start_tls(connection, line, context, server_hostname=server_name)
    except BaseException:
        connection.abort()
        raise
    assert secured is not None, "only a closing loop gives none"
    line.connection_made(secured)


class _Line(ResponseHandler):
    """aiohttp's end of a connection that notes when the first octet came, and how many did.

    first_byte_at: in the loop's time. is_flooded: there were too many. connection: what is below
    TLS; aiohttp forgets its own when it begins to end it politely.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.first_byte_at: float | None = None
        self.is_flooded = False
        self._octets = 0
        self.connection: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        """Note the time, count, and read as ever."""
        if self.first_byte_at is None:
            self.first_byte_at = self._loop.time()
        self._octets += len(data)
        if self._octets > MAX_RECEIVED:
            self.is_flooded = True
            self.hang_up()
        else:
            super().data_received(data)

    def certificate_until_at(self) -> float | None:
        """When the peer's certificate expires; None without one, or when it cannot be read."""
        tls = None if self.transport is None else self.transport.get_extra_info("ssl_object")
        octets = None if tls is None else tls.getpeercert(binary_form=True)
        if octets is None:
            return None
        from cryptography import x509  # 17 MiB that only https needs

        try:
            return x509.load_der_x509_certificate(octets).not_valid_after_utc.timestamp()
        except ValueError:  # without `verify` anything may come
            return None

    def hang_up(self) -> None:
        """Close at once, without waiting for the other side to agree, as TLS would."""
        if self.connection is not None:
            self.connection.abort()


class _OneLine(aiohttp.BaseConnector):
    """Gives aiohttp one open connection, once: when that is closed without an answer, aiohttp asks
    for another, and to a probe just that is the result.
    """

    def __init__(self, line: _Line) -> None:
        super().__init__(force_close=True)
        self._line: _Line | None = line

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: object,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the name that aiohttp gives
    ) -> ResponseHandler:
        line, self._line = self._line, None
        if line is None:
            raise aiohttp.ServerDisconnectedError
        return line


def _open_session(line: _Line) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_OneLine(line),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # check_http times it, connecting included
        auto_decompress=False,
    )


# ---------------------------------------------------------------- what went wrong


def _describe(error: Exception) -> str:
    """A failure in a few words, for the operator of the site."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"TLS: {error.verify_message}"
        case ssl.SSLError():
            return "TLS: " + (error.reason or str(error)).lower().replace("_", " ")
        case aiohttp.ServerDisconnectedError() | ConnectionError(errno=None, args=()):
            return CLOSED
        case aiohttp.ClientPayloadError():
            return f"the body broke off: {error}"
        case aiohttp.ClientResponseError():  # its message is a drawing of several lines
            return "not a valid HTTP answer: " + " ".join(error.message.split()).rstrip("^ ")
        case _:
            return describe_error(error)
