"""DNS over TCP over real loopback sockets: the rules T1 to T13 and what else ends a connection."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading

import pytest

from gslb.model.system import DnsLimits
from gslb.server.tcp_limits import TcpBudgets
from tests.server.tcp_client import (
    ask_tcp,
    ask_tcp_async,
    frame,
    read_message,
    unframe,
)
from tests.server.tcp_serving import (
    connected,
    echo,
    query,
    read_end,
    reply_to,
    serving,
    until,
)


def now() -> float:
    return asyncio.get_running_loop().time()


async def trickle(writer: asyncio.StreamWriter, octets: bytes, pause_s: float) -> None:
    """Send octet by octet, until the other side has enough."""
    try:
        for octet in octets:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(pause_s)
    except ConnectionError:
        pass


def test_t1_hundred_queries_in_one_segment_are_all_answered():
    async def scenario():
        queries = [query(number) for number in range(100)]
        async with serving() as (server, address), connected(address) as (reader, writer):
            writer.write(frame(*queries))
            replies = [await read_message(reader) for _ in queries]
            assert replies == [reply_to(each) for each in queries]
            assert server.counters.queries == 100

    asyncio.run(scenario())


def test_t2_clients_match_replies_by_id_whatever_the_sizes():
    def answer(message, host):
        return reply_to(message) + bytes(60_000 if message[:2] == b"\x00\x07" else 0)

    async def scenario():
        queries = [query(number) for number in (7, 3, 9)]
        async with serving(answer) as (_, address):
            replies = await ask_tcp_async(address, *queries)
        assert [(reply[:2], len(reply)) for reply in replies] == [
            (b"\x00\x07", 60_030),
            (b"\x00\x03", 30),
            (b"\x00\x09", 30),
        ]

    asyncio.run(scenario())


@pytest.mark.parametrize("count", [1, 250])
def test_t3_half_closed_connection_is_answered_then_closed(count):
    async def scenario():
        queries = [query(number) for number in range(count)]
        async with serving() as (server, address), connected(address) as (reader, writer):
            writer.write(frame(*queries))
            writer.write_eof()
            octets = await reader.read(-1)
            assert unframe(octets) == [reply_to(each) for each in queries]
            await until(lambda: not len(server.roster))

    asyncio.run(scenario())


def test_t4_query_octet_by_octet_is_answered_within_the_budget():
    async def scenario():
        limits = DnsLimits(tcp_message_s=2.0)
        async with serving(limits=limits) as (_, address), connected(address) as (reader, writer):
            asked = asyncio.create_task(trickle(writer, frame(query(5)), 0.002))
            assert await read_message(reader) == reply_to(query(5))
            await asked

    asyncio.run(scenario())


def test_t5_slowloris_is_closed_when_the_message_budget_is_used_up():
    async def scenario():
        limits = DnsLimits(tcp_message_s=0.2)
        async with (
            serving(limits=limits) as (server, address),
            connected(address) as (
                reader,
                writer,
            ),
        ):
            begun = now()
            sender = asyncio.create_task(trickle(writer, frame(query(5, 500)), 0.02))
            assert await read_end(reader) == b""
            assert 0.2 <= now() - begun < 1.0
            assert server.counters.timed_out == 1
            sender.cancel()

    asyncio.run(scenario())


def test_t5_idle_timer_is_not_reset_by_octets():
    async def scenario():
        limits = DnsLimits(tcp_idle_s=0.3, tcp_message_s=60.0)
        async with serving(limits=limits) as (_, address), connected(address) as (reader, writer):
            begun = now()
            sender = asyncio.create_task(trickle(writer, frame(query(5, 500)), 0.02))
            assert await read_end(reader) == b""
            assert 0.3 <= now() - begun < 1.5
            sender.cancel()

    asyncio.run(scenario())


def test_t6_silent_connection_is_closed_when_idle_and_a_query_begins_the_time_anew():
    async def scenario():
        limits = DnsLimits(tcp_idle_s=0.3)
        async with (
            serving(limits=limits) as (server, address),
            connected(address) as (
                reader,
                writer,
            ),
        ):
            await asyncio.sleep(0.15)
            begun = now()
            writer.write(frame(query(1)))
            assert await read_message(reader) == reply_to(query(1))
            assert await read_end(reader) == b""
            assert 0.3 <= now() - begun < 1.5
            assert server.counters.timed_out == 1
            assert server.counters.aborted == 0

    asyncio.run(scenario())


def test_t6_silent_connections_are_closed_sooner_under_pressure():
    async def scenario():
        limits = DnsLimits(tcp_connections=4, tcp_idle_s=60.0)
        budgets = TcpBudgets(busy_idle_s=0.2)
        async with serving(limits=limits, budgets=budgets) as (server, address):
            assert server.idle_s == 60.0
            async with connected(address) as first, connected(address), connected(address):
                await until(lambda: len(server.roster) == 3)
                assert server.idle_s == 60.0
                async with connected(address):
                    await until(lambda: len(server.roster) == 4)
                    assert server.idle_s == 0.2
                    assert await read_end(first[0]) == b""

    asyncio.run(scenario())


@pytest.mark.parametrize("bad", [b"\x00\x00", b"\x00\x01a", b"\x00\x0b" + bytes(11), b"\x00\x05"])
def test_t7_message_shorter_than_a_header_closes_after_what_came_before(bad):
    async def scenario():
        async with serving() as (server, address), connected(address) as (reader, writer):
            writer.write(frame(query(1)) + bad + frame(query(2)))
            assert unframe(await read_end(reader)) == [reply_to(query(1))]
            assert server.counters.malformed == 1
            assert server.counters.queries == 1

    asyncio.run(scenario())


def test_t8_formerr_is_answered_and_the_connection_goes_on():
    async def scenario():
        broken = query(1)[:12] + b"\xff"
        async with serving() as (server, address):
            replies = await ask_tcp_async(address, broken, query(2))
            assert replies == [b"\x00\x01\x80\x01" + bytes(8), reply_to(query(2))]
            assert server.counters.malformed == 0

    asyncio.run(scenario())


def test_t9_silence_of_the_engine_closes():
    async def scenario():
        response = reply_to(query(1))
        async with serving() as (server, address), connected(address) as (reader, writer):
            writer.write(frame(response, query(2)))
            assert await read_end(reader) == b""
            assert server.counters.malformed == 1
            assert server.counters.queries == 0

    asyncio.run(scenario())


def test_t11_client_that_resets_leaves_nothing_behind():
    async def scenario():
        budgets = TcpBudgets(queries=100_000)
        async with serving(lambda message, host: bytes(60_000), budgets=budgets) as (
            server,
            address,
        ):
            client = socket.create_connection(address)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(frame(*(query(number) for number in range(2000))))
            await until(lambda: server.counters.queries > 0)
            client.close()
            await until(lambda: not len(server.roster))
            asked = server.counters.queries
            assert asked < 2000
            await asyncio.sleep(0)
            assert server.counters.queries == asked

    asyncio.run(scenario())


def test_t12_full_server_evicts_the_connection_that_was_silent_longest():
    async def scenario():
        limits = DnsLimits(tcp_connections=2)
        async with serving(limits=limits) as (server, address), connected(address) as first:
            reader_1, writer_1 = first
            await until(lambda: server.counters.accepted == 1)
            async with connected(address) as (reader_2, _):
                await until(lambda: server.counters.accepted == 2)
                writer_1.write(frame(query(1)))
                await read_message(reader_1)
                assert await ask_tcp_async(address, query(3)) == [reply_to(query(3))]
                assert await read_end(reader_2) == b""
                writer_1.write(frame(query(4)))
                assert await read_message(reader_1) == reply_to(query(4))
                assert server.counters.evicted == 1
                assert server.counters.refused == 0

    asyncio.run(scenario())


def test_t12_full_server_spares_the_connection_that_is_busy():
    async def scenario():
        limits = DnsLimits(tcp_connections=2)
        async with serving(limits=limits) as (server, address), connected(address) as first:
            reader_1, writer_1 = first
            writer_1.write(frame(query(1))[:-1])
            await until(lambda: is_busy(server))
            async with connected(address) as (reader_2, _):
                await until(lambda: server.counters.accepted == 2)
                assert await ask_tcp_async(address, query(3)) == [reply_to(query(3))]
                assert await read_end(reader_2) == b""
                writer_1.write(frame(query(1))[-1:])
                assert await read_message(reader_1) == reply_to(query(1))

    def is_busy(server):
        return any(connection.look().message is not None for connection in server.roster)

    asyncio.run(scenario())


def test_t12_client_network_over_its_share_is_refused_and_others_are_not():
    async def scenario():
        limits = DnsLimits(tcp_per_client=2)
        async with serving(limits=limits) as (server, address):
            async with connected(address), connected(address, source="127.0.0.9"):
                await until(lambda: server.counters.accepted == 2)
                async with connected(address, source="127.0.0.77") as (reader, _):
                    assert await read_end(reader) == b""
                assert server.counters.refused == 1
                async with connected(address, source="127.0.1.1") as (reader, writer):
                    writer.write(frame(query(1)))
                    assert await read_message(reader) == reply_to(query(1))
            await until(lambda: not len(server.roster))
            assert await ask_tcp_async(address, query(2)) == [reply_to(query(2))]

    asyncio.run(scenario())


def test_t13_client_that_reads_nothing_is_not_read_and_dropped():
    async def scenario():
        budgets = TcpBudgets(stall_s=0.3)
        big = serving(lambda message, host: bytes(60_000), budgets=budgets, send_octets=65536)
        async with big as (server, address):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.settimeout(5)
            client.connect(address)
            client.sendall(frame(*(query(number) for number in range(500))))
            begun = now()
            await until(lambda: server.counters.aborted == 1)
            assert now() - begun < 2.0
            assert 0 < server.counters.queries < 50
            assert not len(server.roster)
            client.close()

    asyncio.run(scenario())


def test_t13_client_that_reads_slowly_gets_every_reply():
    async def scenario():
        count, size = 60, 60_000
        slow = serving(lambda message, host: message[:2] + bytes(size - 2), send_octets=65536)
        async with slow as (server, address):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, address)
            await loop.sock_sendall(client, frame(*(query(number) for number in range(count))))
            octets = bytearray()
            while len(octets) < count * (size + 2):
                octets += await loop.sock_recv(client, 40_000)
                await asyncio.sleep(0.001)
            client.close()
            assert [reply[:2] for reply in unframe(bytes(octets))] == [
                number.to_bytes(2, "big") for number in range(count)
            ]
            assert server.counters.aborted == 0

    asyncio.run(scenario())


def test_connection_ends_after_its_last_query_and_no_reply_is_lost():
    async def scenario():
        budgets = TcpBudgets(queries=150)
        async with (
            serving(budgets=budgets) as (server, address),
            connected(address) as (
                reader,
                writer,
            ),
        ):
            queries = [query(number) for number in range(1000)]
            writer.write(frame(*queries))
            octets = await reader.read(-1)
            assert unframe(octets) == [reply_to(each) for each in queries[:150]]
            assert server.counters.queries == 150

    asyncio.run(scenario())


def test_connection_ends_when_it_is_too_old_though_it_asks_on():
    async def scenario():
        budgets = TcpBudgets(lifetime_s=0.3)
        async with (
            serving(budgets=budgets) as (server, address),
            connected(address) as (
                reader,
                writer,
            ),
        ):

            async def ask_for_ever():
                while True:
                    writer.write(frame(query(1)))
                    await read_message(reader)
                    await asyncio.sleep(0.01)

            begun = now()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await ask_for_ever()
            assert 0.3 <= now() - begun < 1.5
            assert server.counters.timed_out == 1

    asyncio.run(scenario())


def test_connection_is_dropped_when_the_client_does_not_close_after_its_end():
    async def scenario():
        budgets = TcpBudgets(linger_s=0.2)
        async with (
            serving(budgets=budgets) as (server, address),
            connected(address) as (
                reader,
                writer,
            ),
        ):
            begun = now()
            writer.write(frame(query(1)) + b"\x00\x00")
            assert unframe(await reader.read(-1)) == [reply_to(query(1))]
            assert len(server.roster) == 1
            await until(lambda: not len(server.roster))
            assert 0.2 <= now() - begun < 1.5
            assert server.counters.aborted == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("reply", [ValueError("broken"), bytes(65536)], ids=["raises", "too long"])
def test_engine_that_fails_costs_one_connection_and_one_line(reply, caplog):
    def answer(message, host):
        if message[:2] != b"\x00\x02":
            return echo(message, host)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def scenario():
        async with serving(answer) as (server, address):
            for _ in range(3):
                async with connected(address) as (reader, writer):
                    writer.write(frame(query(1), query(2), query(3)))
                    assert unframe(await read_end(reader)) == [reply_to(query(1))]
            assert await ask_tcp_async(address, query(4)) == [reply_to(query(4))]
            assert server.counters.failed == 3
            assert server.counters.malformed == 0

    asyncio.run(scenario())
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_swapped_answer_is_used_by_connections_that_are_open():
    async def scenario():
        async with serving() as (server, address), connected(address) as (reader, writer):
            writer.write(frame(query(1)))
            assert await read_message(reader) == reply_to(query(1))
            server.answer = lambda message, host: message[:2] + host.encode()
            writer.write(frame(query(2)))
            assert await read_message(reader) == b"\x00\x02127.0.0.1"

    asyncio.run(scenario())


def test_close_lets_replies_be_taken_and_accepts_nobody_else():
    async def scenario():
        count, size = 40, 60_000
        budgets = TcpBudgets(linger_s=0.1)
        slow = serving(lambda message, host: bytes(size), budgets=budgets, send_octets=65536)
        async with slow as (server, address), connected(address) as (reader, writer):
            writer.write(frame(*(query(number) for number in range(count))))
            await until(lambda: server.counters.queries > 0)
            closing = asyncio.create_task(server.close())
            await asyncio.sleep(0)
            assert server.idle_s == 0.0
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*address)
            octets = await reader.read(-1)
            assert [len(reply) for reply in unframe(octets)] == [size] * count
            await closing
            assert server.counters.aborted == 0

    asyncio.run(scenario())


def test_close_drops_who_takes_nothing_after_its_deadline():
    async def scenario():
        budgets = TcpBudgets(drain_s=0.2)
        stuck = serving(lambda message, host: bytes(60_000), budgets=budgets, send_octets=65536)
        async with stuck as (server, address):
            client = socket.create_connection(address, timeout=5)
            client.sendall(frame(*(query(number) for number in range(500))))
            await until(lambda: any(each.look().stalled for each in server.roster))
            begun = now()
            await server.close()
            assert 0.2 <= now() - begun < 1.5
            assert not len(server.roster)
            assert server.counters.aborted == 1
            client.close()

    asyncio.run(scenario())


def test_blocking_client_is_answered_by_a_server_elsewhere():
    address, done = [], threading.Event()

    async def scenario():
        async with serving() as (_, bound):
            address.append(bound)
            ready.set()
            await until(done.is_set)

    ready = threading.Event()
    server = threading.Thread(target=lambda: asyncio.run(scenario()))
    server.start()
    try:
        assert ready.wait(5)
        assert ask_tcp(address[0], query(2), query(1)) == [reply_to(query(2)), reply_to(query(1))]
        with pytest.raises(ConnectionError):
            ask_tcp(address[0], reply_to(query(1)))
    finally:
        done.set()
        server.join()
