import asyncio
import socket
from contextlib import asynccontextmanager

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.app.client import Client, Record, compose_question, read_reply
from gslb.model.endpoint import Endpoint

NAME = "www.example."


def question(rtype="A", subnet=None):
    """A query, and its octets."""
    query = compose_question(NAME, rtype, subnet)
    return query, bytes(query.pack())


def answer(octets, *, scope=None, rcode="NOERROR"):
    """A reply as dnspython makes it; with an ECS option if there is a scope."""
    query = dns.message.from_wire(octets)
    options = [dns.edns.ECSOption("192.0.2.0", 24, scope)] if scope is not None else []
    made = dns.message.make_response(query)
    made.use_edns(0, options=options)
    made.flags |= dns.flags.AA
    made.set_rcode(dns.rcode.from_text(rcode))
    made.answer.append(dns.rrset.from_text(NAME, 30, "IN", "A", "192.0.2.1"))
    made.authority.append(dns.rrset.from_text("example.", 60, "IN", "NS", "ns.example."))
    made.additional.append(dns.rrset.from_text("ns.example.", 90, "IN", "AAAA", "2001:db8::1"))
    return made


# ---------------------------------------------------------------- the query


@pytest.mark.parametrize(
    ("subnet", "option"),
    [
        (None, ()),
        ("192.0.2.0/24", (dns.edns.ECSOption("192.0.2.0", 24, 0),)),
        ("192.0.0.0/17", (dns.edns.ECSOption("192.0.0.0", 17, 0),)),
        ("2001:db8::/56", (dns.edns.ECSOption("2001:db8::", 56, 0),)),
        ("0.0.0.0/0", (dns.edns.ECSOption("0.0.0.0", 0, 0),)),
    ],
)
def test_a_query_is_what_dnspython_reads(subnet, option):
    read = dns.message.from_wire(question("AAAA", subnet)[1])
    assert str(read.question[0]) == f"{NAME} IN AAAA"
    assert (read.flags, read.edns, read.payload) == (0, 0, 1232)
    assert read.options == option


def test_a_subnet_with_bits_beyond_its_prefix_is_a_value_error():
    with pytest.raises(ValueError, match="has host bits set"):
        question("A", "192.0.2.1/24")


# ---------------------------------------------------------------- the reply


def test_a_reply_is_read_section_by_section():
    query, asked = question()
    reply = read_reply(answer(asked, scope=20).to_wire(), query)
    assert reply.answer == (Record(NAME, 30, "A", "192.0.2.1"),)
    assert reply.data == ("192.0.2.1",)
    assert reply.authority == (Record("example.", 60, "NS", "ns.example."),)
    assert reply.additional == (Record("ns.example.", 90, "AAAA", "2001:db8::1"),)
    assert (reply.rcode, reply.is_authoritative, reply.is_truncated) == ("NOERROR", True, False)
    assert reply.scope == 20


@pytest.mark.parametrize("rcode", ["NXDOMAIN", "REFUSED", "BADVERS", "BADCOOKIE"])
def test_the_rcode_is_that_of_header_and_opt(rcode):
    query, asked = question()
    reply = read_reply(answer(asked, rcode=rcode).to_wire(), query)
    assert (reply.rcode, reply.scope) == (rcode, None)


def test_what_is_not_the_reply_is_passed_over():
    query, asked = question()
    octets = answer(asked).to_wire()
    wrong_id = bytes((octets[0] ^ 1,)) + octets[1:]
    wrong_name = octets.replace(b"\x03www", b"\x03wwx", 1)
    for other in (wrong_id, wrong_name, asked, octets[:30], b"", b"\0" * 12):
        assert read_reply(other, query) is None
    assert read_reply(octets, query) is not None


@given(st.binary(max_size=80))
def test_any_octets_are_a_reply_or_none(octets):
    query, asked = question()
    head = answer(asked).to_wire()[:29]  # the header and the question
    read_reply(octets, query)
    read_reply(head + octets, query)


# ---------------------------------------------------------------- over sockets


@asynccontextmanager
async def udp_server(replies):
    """A server that sends what replies makes of each query."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.setblocking(False)
        opened.bind(("127.0.0.1", 0))

        async def serve():
            while True:
                octets, client = await loop.sock_recvfrom(opened, 4096)
                for reply in replies(octets):
                    await loop.sock_sendto(opened, reply, client)

        task = asyncio.ensure_future(serve())
        try:
            yield Endpoint(*opened.getsockname())
        finally:
            task.cancel()
            await asyncio.wait([task])


def test_udp_waits_for_the_reply_behind_others():
    def replies(octets):
        good = answer(octets).to_wire()
        return [b"", b"junk", bytes((good[0] ^ 1,)) + good[1:], good]

    async def run():
        async with udp_server(replies) as server:
            return await Client(server).ask(NAME)

    assert asyncio.run(run()).data == ("192.0.2.1",)


def test_silence_is_a_timeout():
    async def run():
        async with udp_server(lambda _: []) as server:
            await Client(server, timeout_s=0.05).ask(NAME)

    with pytest.raises(TimeoutError):
        asyncio.run(run())


def test_nobody_there_is_a_refused_connection():
    async def run(transport):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            server = Endpoint(*taken.getsockname())
        await Client(server, transport).ask(NAME)

    for transport in ("udp", "tcp"):
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(run(transport))


async def ask_tcp(serve):
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        return await Client(Endpoint(*server.sockets[0].getsockname()), "tcp").ask(NAME)
    finally:
        server.close()
        await server.wait_closed()


def test_tcp_reads_a_reply_that_comes_in_pieces():
    async def serve(reader, writer):
        size = int.from_bytes(await reader.readexactly(2), "big")
        octets = answer(await reader.readexactly(size)).to_wire()
        for piece in (len(octets).to_bytes(2, "big"), octets[:9], octets[9:]):
            writer.write(piece)
            await writer.drain()
        writer.close()

    assert asyncio.run(ask_tcp(serve)).data == ("192.0.2.1",)


def test_tcp_that_is_cut_off_is_a_connection_error():
    async def serve(reader, writer):
        await reader.readexactly(2)
        writer.write(b"\x00\xff1234")
        writer.close()

    with pytest.raises(ConnectionError):
        asyncio.run(ask_tcp(serve))
