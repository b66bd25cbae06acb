"""A small DNS client: one query over UDP or TCP, with a client subnet if wanted, and its reply.

It asks an authoritative server directly, so RD is 0. What is not the reply to the query (another
id, another question, no message at all) is passed over, as a resolver does (RFC 5452 4).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Literal, NamedTuple

import dns.rcode
from dnslib import EDNS0, QTYPE, DNSError, DNSRecord, EDNSOption

from gslb.model.endpoint import Endpoint
from gslb.wire import codes

Transport = Literal["udp", "tcp"]

UDP_SIZE = 1232
"""Octets of a reply that the query offers to take: what everybody can (RFC 9715)."""


class Record(NamedTuple):
    """One record of a reply. name: absolute. data: in master file form."""

    name: str
    ttl: int
    rtype: str
    data: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said. scope: the prefix length for which the answer holds (RFC 7871 6), None
    without the option.
    """

    rcode: str
    is_authoritative: bool
    is_truncated: bool
    answer: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    scope: int | None

    @property
    def data(self) -> tuple[str, ...]:
        """The data of the answer's records."""
        return tuple(record.data for record in self.answer)


@dataclass(frozen=True, slots=True)
class Client:
    """Asks one server, each time over a socket of its own."""

    server: Endpoint
    transport: Transport = "udp"
    timeout_s: float = 2.0

    async def ask(self, name: str, rtype: str = "A", *, subnet: str | None = None) -> Reply:
        """The reply to one query, which is sent once.

        subnet: a network in text form, sent as EDNS Client Subnet. Raises OSError (TimeoutError
        among them) when no reply comes.
        """
        query = compose_question(name, rtype, subnet)
        exchange = _exchange_udp if self.transport == "udp" else _exchange_tcp
        async with asyncio.timeout(self.timeout_s):
            return await exchange(self.server, query)


def compose_question(name: str, rtype: str, subnet: str | None) -> DNSRecord:
    """A query with a random id and an OPT. Raises ValueError for a subnet that is no network."""
    query = DNSRecord.question(name, rtype)
    query.header.id = secrets.randbelow(1 << 16)
    query.header.rd = 0
    options = [] if subnet is None else [EDNSOption(codes.OPTION_ECS, _compose_subnet(subnet))]
    query.add_ar(EDNS0(udp_len=UDP_SIZE, opts=options))
    return query


def read_reply(octets: bytes, query: DNSRecord) -> Reply | None:
    """The reply in these octets, or None when they are not the reply to the query."""
    try:
        message = DNSRecord.parse(octets)
    except DNSError:
        return None
    header = message.header
    if header.id != query.header.id or not header.qr or message.questions != query.questions:
        return None
    opts = [record for record in message.ar if record.rtype == codes.OPT]
    extended = (opts[0].ttl >> 24) << 4 if opts else 0  # the upper bits of RCODE (RFC 6891 6.1.3)
    return Reply(
        rcode=dns.rcode.to_text(dns.rcode.Rcode(extended | header.rcode)),
        is_authoritative=bool(header.aa),
        is_truncated=bool(header.tc),
        answer=_read_records(message.rr),
        authority=_read_records(message.auth),
        additional=_read_records([record for record in message.ar if record.rtype != codes.OPT]),
        scope=_read_scope(opts[0].rdata if opts else ()),
    )


def _compose_subnet(subnet: str) -> bytes:
    network = ip_network(subnet)
    octets = network.network_address.packed[: (network.prefixlen + 7) // 8]
    family = 1 if network.version == 4 else 2
    return family.to_bytes(2, "big") + bytes((network.prefixlen, 0)) + octets


def _read_records(records: Sequence[Any]) -> tuple[Record, ...]:
    return tuple(
        Record(str(each.rname), each.ttl, str(QTYPE.get(each.rtype)), str(each.rdata))
        for each in records
    )


def _read_scope(options: Sequence[Any]) -> int | None:
    for option in options:
        if option.code == codes.OPTION_ECS and len(option.data) >= 4:
            return int(option.data[3])
    return None


async def _exchange_udp(server: Endpoint, query: DNSRecord) -> Reply:
    """Sends and waits for ever, over a connected socket: only the server can be heard."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as opened:
        opened.connect((server.host, server.port))
        await loop.sock_sendall(opened, bytes(query.pack()))
        while True:
            reply = read_reply(await loop.sock_recv(opened, 65535), query)
            if reply is not None:
                return reply


async def _exchange_tcp(server: Endpoint, query: DNSRecord) -> Reply:
    """Sends and reads messages until the reply is among them. Raises ConnectionError when the
    server hangs up before.
    """
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        octets = bytes(query.pack())
        writer.write(len(octets).to_bytes(2, "big") + octets)
        while True:
            length = int.from_bytes(await reader.readexactly(2), "big")
            reply = read_reply(await reader.readexactly(length), query)
            if reply is not None:
                return reply
    except asyncio.IncompleteReadError as error:
        raise ConnectionError("the server hung up before its reply was complete") from error
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
