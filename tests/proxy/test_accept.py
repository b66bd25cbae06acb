"""Accepting over real sockets: who clients are, PROXY protocol headers, places, deadlines."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import struct
from ipaddress import IPv4Address, IPv6Address

import pytest

from gslb.proxy.announced import Refusal, begins_header
from gslb.proxy.gate import OTHER_DESCRIPTORS, Gate, fit_connections
from gslb.proxy.tls import ServerTls
from tests.proxy.tcp_world import (
    LOOPBACK,
    WAIT_S,
    Authority,
    accepting,
    asked,
    connected,
    on_both_loops,
    read_all,
    run,
    until,
)

V2_START = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 5555 443\r\n"
V1_UNKNOWN = b"PROXY UNKNOWN\r\n"
V2 = V2_START + struct.pack(
    "!BBH4s4sHH", 0x21, 0x11, 12, bytes([192, 0, 2, 1]), bytes([198, 51, 100, 7]), 5555, 443
)
V2_IPV6 = V2_START + struct.pack(
    "!BBH16s16sHH",
    0x21,
    0x21,
    36,
    IPv6Address("2001:db8::5").packed,
    IPv6Address("2001:db8::1").packed,
    5555,
    443,
)
V2_MAPPED = V2_START + struct.pack(
    "!BBH16s16sHH",
    0x21,
    0x21,
    36,
    IPv6Address("::ffff:192.0.2.1").packed,
    IPv6Address("2001:db8::1").packed,
    5555,
    443,
)
V2_LOCAL = V2_START + struct.pack("!BBH", 0x20, 0x00, 0)
V2_LONG = V2_START + struct.pack("!BBH", 0x20, 0x00, 4096) + b"\x04\x0f\xfd" + bytes(4093)

CLIENT = (IPv4Address("192.0.2.1"), 5555)
HEADERS = {
    "v1": (V1, CLIENT),
    "v1 of nobody": (V1_UNKNOWN, None),
    "v2": (V2, CLIENT),
    "v2 IPv6": (V2_IPV6, (IPv6Address("2001:db8::5"), 5555)),
    "v2 IPv4 in IPv6": (V2_MAPPED, CLIENT),
    "v2 of nobody": (V2_LOCAL, None),
}


def socket_name(writer: asyncio.StreamWriter) -> tuple[IPv4Address, int]:
    host, port = writer.get_extra_info("sockname")[:2]
    return IPv4Address(host), port


# Who the client is.


@pytest.mark.parametrize("trusted", [LOOPBACK, ()], ids=["trusted", "a stranger"])
@on_both_loops
def test_client_is_who_is_connected(loop, trusted):
    async def scenario():
        async with (
            accepting(trusted=trusted) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asked(reader, writer, b"x") == b"x"
            (peer,) = world.peers
            assert (peer.address, peer.port) == socket_name(writer)
            assert peer.direct == peer.address
            assert peer.is_trusted is bool(trusted)
            assert peer.local == (IPv4Address(world.address[0]), world.address[1])
            assert (peer.scheme, peer.server_name) == (b"http", None)

    run(loop, scenario())


@on_both_loops
def test_ipv4_client_of_ipv6_listener_is_ipv4(loop):
    async def scenario():
        async with accepting(host="::", trusted=LOOPBACK) as world:
            address = ("127.0.0.1", world.address[1])
            async with connected(address) as (reader, writer):
                assert await asked(reader, writer, b"x") == b"x"
                assert world.peers[0].address == IPv4Address("127.0.0.1")
                assert world.peers[0].local[0] == IPv4Address("127.0.0.1")
                assert world.peers[0].is_trusted

    run(loop, scenario())


# PROXY protocol headers.


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@on_both_loops
def test_header_of_trusted_peer_names_the_client(loop, header):
    octets, named = header

    async def scenario():
        async with (
            accepting(trusted=LOOPBACK, proxy_protocol=True) as world,
            connected(world.address) as (reader, writer),
        ):
            writer.write(octets)
            assert await asked(reader, writer, b"hello") == b"hello"
            (peer,) = world.peers
            assert (peer.address, peer.port) == (named or socket_name(writer))
            assert peer.direct == IPv4Address("127.0.0.1")
            # A client behind a proxy is not the proxy: what it says of others is not believed.
            assert peer.is_trusted is (named is None)

    run(loop, scenario())


@pytest.mark.parametrize("octets", [V1, V2], ids=["v1", "v2"])
@on_both_loops
def test_header_may_come_octet_by_octet(loop, octets):
    async def scenario():
        async with (
            accepting(trusted=LOOPBACK, proxy_protocol=True) as world,
            connected(world.address) as (reader, writer),
        ):
            for octet in octets + b"hello":
                writer.write(bytes([octet]))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            assert await asyncio.wait_for(reader.readexactly(5), WAIT_S) == b"hello"
            assert (world.peers[0].address, world.peers[0].port) == CLIENT

    run(loop, scenario())


@on_both_loops
def test_long_header_is_taken_out_whole(loop):
    async def scenario():
        async with (
            accepting(trusted=LOOPBACK, proxy_protocol=True) as world,
            connected(world.address) as (reader, writer),
        ):
            writer.write(V2_LONG)
            assert await asked(reader, writer, b"hello") == b"hello"

    run(loop, scenario())


@on_both_loops
def test_handshake_follows_the_header(loop, tmp_path):
    authority = Authority(tmp_path)

    async def scenario():
        tls = ServerTls([authority.issue("a.example")])
        async with accepting(tls, trusted=LOOPBACK, proxy_protocol=True) as world:
            plain = socket.create_connection(world.address)
            plain.sendall(V2)
            plain.setblocking(False)
            opening = asyncio.open_connection(
                sock=plain, ssl=authority.client(), server_hostname="a.example"
            )
            reader, writer = await asyncio.wait_for(opening, WAIT_S)
            assert await asked(reader, writer, b"hello") == b"hello"
            (peer,) = world.peers
            assert (peer.address, peer.server_name) == (CLIENT[0], "a.example")
            writer.transport.abort()

    run(loop, scenario())


REFUSED = {
    "trusted, no header": (LOOPBACK, b"GET / HTTP/1.1\r\n\r\n", Refusal.NO_HEADER),
    "trusted, almost a header": (LOOPBACK, b"PROXX", Refusal.NO_HEADER),
    "trusted, broken v1": (LOOPBACK, b"PROXY TCP4 what is this\r\n", Refusal.BAD_HEADER),
    "trusted, broken v2": (LOOPBACK, V2_START + b"\xff\xff\x00\x00", Refusal.BAD_HEADER),
    "stranger, v1": ((), V1 + b"hello", Refusal.UNTRUSTED_HEADER),
    "stranger, v2": ((), V2 + b"hello", Refusal.UNTRUSTED_HEADER),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
@on_both_loops
def test_connection_is_refused(loop, case):
    trusted, octets, refusal = case

    async def scenario():
        async with (
            accepting(trusted=trusted, proxy_protocol=True) as world,
            connected(world.address) as (reader, writer),
        ):
            writer.write(octets)
            assert await read_all(reader) == b""
            assert world.acceptor.refused == {refusal: 1}
            assert not world.peers

    run(loop, scenario())


@pytest.mark.parametrize("octets", [b"hello", b"PROXIES?", b"\r\n\r\nhello", b"P!"])
@on_both_loops
def test_stranger_without_header_is_served_as_himself(loop, octets):
    async def scenario():
        async with (
            accepting(proxy_protocol=True) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asked(reader, writer, octets) == octets
            assert (world.peers[0].address, world.peers[0].port) == socket_name(writer)

    run(loop, scenario())


@on_both_loops
def test_stranger_cannot_hide_a_header_in_pieces(loop):
    async def scenario():
        async with (
            accepting(proxy_protocol=True) as world,
            connected(world.address) as (reader, writer),
        ):
            for octet in V1:
                writer.write(bytes([octet]))
                await asyncio.sleep(0)
            assert await read_all(reader) == b""
            assert world.acceptor.refused == {Refusal.UNTRUSTED_HEADER: 1}

    run(loop, scenario())


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 192.0.2.1 "], ids=["silent", "half a header"])
@pytest.mark.parametrize("trusted", [LOOPBACK, ()], ids=["trusted", "a stranger"])
@on_both_loops
def test_header_has_a_deadline(loop, trusted, sent):
    if sent and not trusted:
        sent = b"PROX"

    async def scenario():
        async with (
            accepting(trusted=trusted, proxy_protocol=True, timeout_s=0.05) as world,
            connected(world.address) as (reader, writer),
        ):
            writer.write(sent)
            assert await read_all(reader) == b""
            assert world.acceptor.refused == {Refusal.HEADER_TIMEOUT: 1}

    run(loop, scenario())


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 192.0.2.1 "], ids=["silent", "half a header"])
@on_both_loops
def test_trusted_peer_that_leaves_is_counted(loop, sent):
    async def scenario():
        async with accepting(trusted=LOOPBACK, proxy_protocol=True) as world:
            async with connected(world.address) as (_, writer):
                writer.write(sent)
                writer.write_eof()
                await until(lambda: world.acceptor.refused)
            assert world.acceptor.refused == {Refusal.LEFT: 1}

    run(loop, scenario())


def test_first_octets_say_whether_they_begin_a_header():
    assert begins_header(b"") is None
    for whole in (b"PROXY ", V2_START):
        for size in range(1, len(whole)):
            assert begins_header(whole[:size]) is None
            assert begins_header(whole[:size] + b"#") is False
        assert begins_header(whole) is True
        assert begins_header(whole + b"more") is True


# Places.


@pytest.mark.parametrize("has_headers", [False, True], ids=["plain", "with headers"])
@on_both_loops
def test_who_finds_no_place_waits_for_one(loop, has_headers):
    async def scenario():
        async with (
            accepting(gate=Gate(2), proxy_protocol=has_headers) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asked(reader, writer, b"1") == b"1"
            async with connected(world.address) as (second, second_writer):
                assert await asked(second, second_writer, b"2") == b"2"
                assert world.gate.room == 0
                async with connected(world.address) as (third, third_writer):
                    third_writer.write(b"3")
                    for _ in range(10):  # rounds of the loop in which it would be accepted
                        assert await asked(reader, writer, b"again") == b"again"
                    assert world.acceptor.connections == 2
                    second_writer.close()
                    assert await asyncio.wait_for(third.readexactly(1), WAIT_S) == b"3"
                    assert world.acceptor.connections == 2

    run(loop, scenario())


@on_both_loops
def test_hundred_clients_at_a_gate_for_three_are_all_served(loop, tmp_path):
    authority = Authority(tmp_path)
    client = authority.client()
    most = []

    async def visit(world):
        async with connected(world.address, client) as (reader, writer):
            assert await asked(reader, writer, b"hello") == b"hello"
            most.append(world.acceptor.connections)

    async def scenario():
        tls = ServerTls([authority.issue("a.example")])
        async with accepting(tls, gate=Gate(3)) as world:
            await asyncio.gather(*(visit(world) for _ in range(100)))
            assert max(most) == 3
            assert world.acceptor.accepted == 100

    run(loop, scenario())


@on_both_loops
def test_two_listeners_share_the_places(loop):
    async def scenario():
        gate = Gate(1)
        async with accepting(gate=gate) as one, accepting(gate=gate) as other:
            async with connected(one.address) as (reader, writer):
                assert await asked(reader, writer, b"1") == b"1"
                assert gate.room == 0
            await until(lambda: gate.room == 1)
            async with connected(other.address) as (reader, writer):
                assert await asked(reader, writer, b"2") == b"2"
                assert gate.room == 0

    run(loop, scenario())


@pytest.mark.parametrize("has_headers", [False, True], ids=["plain", "with headers"])
@on_both_loops
def test_listener_that_starts_without_a_place_waits(loop, has_headers):
    async def scenario():
        gate = Gate(1)
        gate.enter()
        async with (
            accepting(gate=gate, proxy_protocol=has_headers) as world,
            connected(world.address) as (reader, writer),
        ):
            writer.write(b"x")
            async with accepting() as other, connected(other.address) as (there, there_writer):
                for _ in range(10):  # rounds of the loop in which it would be accepted
                    assert await asked(there, there_writer, b"y") == b"y"
            assert world.acceptor.accepted == 0
            gate.leave()
            assert await asyncio.wait_for(reader.readexactly(1), WAIT_S) == b"x"

    run(loop, scenario())


INFINITY = resource.RLIM_INFINITY
LIMITS = {
    "enough": (1000, 5000, 5000, 1000, None),
    "no limit": (1000, INFINITY, INFINITY, 1000, None),
    "raised": (1000, 1024, 5000, 1000, 2000 + OTHER_DESCRIPTORS),
    "raised without end": (1000, 1024, INFINITY, 1000, 2000 + OTHER_DESCRIPTORS),
    "too few": (1000, 1024, 1024, (1024 - OTHER_DESCRIPTORS) // 2, 1024),
    "hardly any": (1000, 64, 64, 1, 64),
}


@pytest.mark.parametrize("case", LIMITS.values(), ids=LIMITS)
def test_no_more_connections_than_descriptors(case, monkeypatch):
    wanted, soft, hard, fitting, raised_to = case
    calls = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, pair: calls.append(pair))
    assert fit_connections(wanted) == fitting
    assert calls == ([] if raised_to is None else [(raised_to, hard)])


# Stopping.


@pytest.mark.parametrize("has_headers", [False, True], ids=["plain", "with headers"])
@on_both_loops
def test_stop_leaves_clients_and_the_socket_alone(loop, has_headers):
    async def scenario():
        async with (
            accepting(proxy_protocol=has_headers) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asked(reader, writer, b"1") == b"1"
            world.acceptor.stop()
            async with connected(world.address) as (late, late_writer):
                late_writer.write(b"2")
                assert await asked(reader, writer, b"still") == b"still"
                assert world.acceptor.accepted == 1
                taken, _ = await asyncio.get_running_loop().sock_accept(world.listening)
                with taken:
                    taken.send(b"from another process")
                    assert await asyncio.wait_for(late.readexactly(4), WAIT_S) == b"from"

    run(loop, scenario())


@on_both_loops
def test_who_has_not_shaken_hands_in_time_is_closed(loop, tmp_path):
    authority = Authority(tmp_path)

    async def scenario():
        tls = ServerTls([authority.issue("a.example")])
        async with (
            accepting(tls, timeout_s=0.05) as world,
            connected(world.address) as (reader, _),
        ):
            assert world.acceptor.terms.tls_timeout_s == 0.05
            assert await read_all(reader) == b""
            await until(lambda: world.acceptor.refused == {Refusal.HANDSHAKE: 1})

    run(loop, scenario())


@on_both_loops
def test_pending_handshakes_can_be_dropped(loop, tmp_path):
    authority = Authority(tmp_path)

    async def scenario():
        tls = ServerTls([authority.issue("a.example")])
        async with accepting(tls) as world, connected(world.address) as (reader, _):
            await until(lambda: world.acceptor.connections == 1)
            world.acceptor.stop()
            await world.acceptor.drop_pending()
            assert await read_all(reader) == b""
            assert world.acceptor.connections == 0

    run(loop, scenario())


# When the system refuses.


@on_both_loops
def test_accept_goes_on_when_descriptors_are_back(loop, monkeypatch):
    plain_accept = socket.socket.accept
    failures = [errno.EMFILE, errno.ECONNABORTED, errno.ENFILE]

    def accept(self):
        if failures:
            raise OSError(failures.pop(), "made up")
        return plain_accept(self)

    async def scenario():
        async with accepting(proxy_protocol=True) as world:
            monkeypatch.setattr(socket.socket, "accept", accept)
            async with connected(world.address) as (reader, writer):
                assert await asked(reader, writer, b"x") == b"x"
            assert world.acceptor.failures == 2

    run(loop, scenario())


@on_both_loops
def test_fault_of_ours_ends_one_connection(loop):
    async def scenario():
        async with accepting(proxy_protocol=True) as world:
            make = world.acceptor._make
            world.acceptor._make = lambda arrival: 1 / 0
            async with connected(world.address) as (reader, writer):
                writer.write(b"x")
                assert await read_all(reader) == b""
            assert world.acceptor.refused == {Refusal.FAILED: 1}
            world.acceptor._make = make
            async with connected(world.address) as (reader, writer):
                assert await asked(reader, writer, b"x") == b"x"

    run(loop, scenario())
