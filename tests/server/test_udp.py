"""DNS over UDP: batches, addresses, what is met with silence, and what an engine's fault does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from gslb.model.endpoint import Endpoint
from gslb.server.datagrams import BATCH, MAX_DATAGRAM
from gslb.server.sockets import open_udp
from gslb.server.udp import UdpServer

DEADLINE_S = 5.0
Answer = Callable[[bytes, bytes], bytes | None]


def echo(octets: bytes, source: bytes) -> bytes:
    return octets + source


@contextmanager
def asker(family: socket.AddressFamily = socket.AF_INET) -> Iterator[socket.socket]:
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE_S)
        yield client


def serve(
    answer: Answer, talk: Callable[[UdpServer, tuple[str, int]], None], host: str = "127.0.0.1"
) -> UdpServer:
    """Runs talk in a thread against a server of answer."""

    async def run() -> UdpServer:
        sock = open_udp(Endpoint(host, 0), share=False)
        server = UdpServer(sock, answer)
        address = sock.getsockname()[:2]
        server.start()
        await asyncio.to_thread(talk, server, address)
        server.close()
        return server

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "family"),
    [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)],
    ids=["IPv4", "IPv6"],
)
def test_a_reply_comes_back_with_the_client_seen_as_packed_octets(
    host: str, family: socket.AddressFamily
) -> None:
    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker(family) as client:
            client.sendto(b"question", address)
            assert client.recvfrom(2000)[0] == b"question" + ip_address(host).packed

    server = serve(echo, talk, host)
    assert (server.counters.queries, server.counters.silent) == (1, 0)


def test_more_than_a_batch_is_answered_each_to_its_own_client() -> None:
    count = BATCH * 3 + 7

    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker() as one, asker() as two:
            for n in range(count):
                one.sendto(b"one %d" % n, address)
                two.sendto(b"two %d" % n, address)
            for client, word in ((one, b"one"), (two, b"two")):
                got = {client.recv(2000)[:-4] for _ in range(count)}
                assert got == {b"%s %d" % (word, n) for n in range(count)}

    assert serve(echo, talk).counters.queries == count * 2


def test_silence_falls_on_single_messages_of_a_batch() -> None:
    def odd(octets: bytes, _: bytes) -> bytes | None:
        return octets if octets[0] % 2 else None

    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker() as client:
            for n in range(100):
                client.sendto(bytes((n,)), address)
            assert [client.recv(10)[0] for _ in range(50)] == list(range(1, 100, 2))

    server = serve(odd, talk)
    assert (server.counters.queries, server.counters.silent) == (100, 50)


@pytest.mark.parametrize("size", [1, 511, 512, 513, MAX_DATAGRAM])
def test_a_datagram_of_any_size_that_we_take_arrives_whole(size: int) -> None:
    octets = bytes(n % 251 for n in range(size))

    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker() as client:
            client.sendto(octets, address)
            assert client.recv(2000) == octets[:1000]

    serve(lambda got, _: got[:1000] if got == octets else b"damaged", talk)


def test_a_longer_datagram_is_met_with_silence_and_the_next_is_answered() -> None:
    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker() as client:
            client.sendto(bytes(MAX_DATAGRAM + 1), address)
            client.sendto(b"next", address)
            assert client.recv(2000) == b"next"

    server = serve(lambda got, _: got, talk)
    assert (server.counters.queries, server.counters.silent) == (2, 1)


def test_an_empty_datagram_reaches_the_engine() -> None:
    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker() as client:
            client.sendto(b"", address)
            assert client.recv(2000) == b"nothing"

    serve(lambda got, _: got or b"nothing", talk)


def test_an_answer_that_raises_is_counted_and_the_next_is_given(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail_on_bang(octets: bytes, _: bytes) -> bytes:
        if octets == b"!":
            raise ZeroDivisionError("bang")
        return octets

    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker() as client:
            client.sendto(b"!", address)
            client.sendto(b"fine", address)
            assert client.recv(2000) == b"fine"

    server = serve(fail_on_bang, talk)
    assert (server.counters.failed, server.counters.silent) == (1, 1)
    assert "answer failed" in caplog.text


def test_a_swapped_answer_serves_the_next_query() -> None:
    def talk(server: UdpServer, address: tuple[str, int]) -> None:
        with asker() as client:
            client.sendto(b"x", address)
            assert client.recv(2000) == b"old"
            server.answer = lambda _octets, _source: b"new"
            client.sendto(b"x", address)
            assert client.recv(2000) == b"new"

    serve(lambda _octets, _source: b"old", talk)


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.77"])
def test_a_wildcard_socket_answers_from_the_address_that_was_asked(asked: str) -> None:
    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker() as client:
            for _ in range(3):  # the second and third batch reuse the memory of the first
                client.sendto(b"x", (asked, address[1]))
                assert client.recvfrom(2000)[1] == (asked, address[1])

    serve(echo, talk, "0.0.0.0")


def test_a_wildcard_socket_of_ipv6_answers() -> None:
    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with asker(socket.AF_INET6) as client:
            client.sendto(b"x", ("::1", address[1]))
            assert client.recvfrom(2000)[1][:2] == ("::1", address[1])

    serve(echo, talk, "::")


def test_closing_answers_what_waits_already() -> None:
    async def run() -> None:
        sock = open_udp(Endpoint("127.0.0.1", 0), share=False)
        server = UdpServer(sock, echo)
        server.start()
        with asker() as client:
            for n in range(BATCH + 5):
                client.sendto(bytes((n,)), sock.getsockname())
            server.close()  # before the loop ran once
            assert {client.recv(10)[0] for _ in range(BATCH + 5)} == set(range(BATCH + 5))

    asyncio.run(run())


def test_a_reply_to_port_0_is_counted_and_harms_nobody_else() -> None:
    if not hasattr(socket, "SOCK_RAW"):
        pytest.skip("no raw sockets")
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    except PermissionError:
        pytest.skip("raw sockets need CAP_NET_RAW, to send from port 0")

    def talk(_: UdpServer, address: tuple[str, int]) -> None:
        with raw, asker() as client:
            header = (0).to_bytes(2, "big") + address[1].to_bytes(2, "big") + b"\0\x09\0\0"
            raw.sendto(header + b"x", (address[0], 0))
            client.sendto(b"fine", address)
            assert client.recv(2000)[:4] == b"fine"

    server = serve(echo, talk)
    assert (server.counters.queries, server.counters.unsent) == (2, 1)
