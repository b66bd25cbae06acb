"""TCP mode over real sockets: octets both ways, half-close, other backends, queue, drain, audit."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from gslb.balance.pool_state import Mode
from gslb.model.proxy import (
    AffinitySettings,
    Algorithm,
    BalanceSpec,
    Pool,
    QueueSettings,
    RetrySettings,
    Timeouts,
    UpstreamTls,
)
from gslb.proxy.tcp_relay import HIGH_WATER
from gslb.proxy.tls import ServerTls
from tests.proxy.tcp_world import (
    LOOPBACK,
    WAIT_S,
    Authority,
    asked,
    backend,
    connected,
    dead_backend,
    echo,
    fronting,
    on_both_loops,
    read_all,
    run,
    silent_backend,
    until,
)

MEBI = 1024 * 1024
ONE_READ = 256 * 1024
"""The most that either loop reads at once."""

IN_TURN = BalanceSpec(Algorithm.ROUND_ROBIN)


def pool_of(*backends, **settings):
    return Pool("db", backends, balance=IN_TURN, **settings)


def name_only(name: str):
    """A backend that says who it is, then echoes."""

    async def serve(reader, writer):
        writer.write(name.encode())
        await echo(reader, writer)

    return serve


# Octets.


@on_both_loops
def test_octets_pass_and_are_told_of(loop):
    async def scenario():
        async with backend("b1") as b1, fronting(pool_of(b1)) as world:
            async with connected(world.address) as (reader, writer):
                name = writer.get_extra_info("sockname")
                assert await asked(reader, writer, b"hello") == b"hello"
                assert world.pool.state.in_flight == 1
                writer.write_eof()
                assert await read_all(reader) == b""
            record = await world.record()
            assert (record.client, record.port) == name
            assert (record.pool, record.backend, record.ended_by) == ("db", "b1", "client")
            assert (record.octets_in, record.octets_out, record.attempts) == (5, 5, ())
            assert [one.name for one in record.candidates] == ["b1"]
            assert 0 < record.connect_ms < record.total_ms < WAIT_S * 1000
            assert world.pool.results == [("b1", "ok")]

    run(loop, scenario())


@on_both_loops
def test_64_mebioctets_each_way_wait_nowhere(loop):
    piece = bytes(range(256)) * 256
    pieces = 64 * MEBI // len(piece)
    most = 0

    async def send(writer):
        for _ in range(pieces):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    async def scenario():
        nonlocal most
        async with backend("b1") as b1, fronting(pool_of(b1)) as world:
            async with connected(world.address) as (reader, writer):
                sending = asyncio.ensure_future(send(writer))
                got = 0
                while octets := await asyncio.wait_for(reader.read(ONE_READ), WAIT_S):
                    start = got % 256
                    assert octets[:256] == (piece[start:] + piece)[: len(octets[:256])]
                    got += len(octets)
                    most = max(most, *(unsent(one) for one in world.front.connections), 0)
                await sending
            assert got == 64 * MEBI
            record = await world.record()
            assert (record.octets_in, record.octets_out) == (got, got)
            assert most <= 2 * (HIGH_WATER + ONE_READ)

    run(loop, scenario())


def unsent(connection) -> int:
    """What a connection of the front holds for its client and its backend."""
    ends = [connection, connection.other] if connection.other else [connection]
    return sum(end.transport.get_write_buffer_size() for end in ends)


@on_both_loops
def test_backend_that_takes_nothing_stops_the_client(loop):
    async def never_read(reader, writer):
        writer.transport.pause_reading()
        await asyncio.Event().wait()

    async def scenario():
        async with (
            backend("b1", never_read) as b1,
            fronting(pool_of(b1)) as world,
            connected(world.address) as (_, writer),
        ):
            writer.write(bytes(64 * MEBI))
            await until(lambda: any(one.octets for one in world.front.connections))
            (one,) = world.front.connections
            before = -1
            while before != one.octets:  # until nothing moves for a while
                before = one.octets
                await asyncio.sleep(0.1)
            assert one.octets < 32 * MEBI  # the kernel's buffers hold some
            assert HIGH_WATER < unsent(one) <= HIGH_WATER + ONE_READ

    run(loop, scenario())


# Half-close.


@on_both_loops
def test_client_that_has_sent_all_still_gets_its_answer(loop):
    async def count(reader, writer):
        octets = await reader.read()
        writer.write(b"%d octets" % len(octets))

    async def scenario():
        async with (
            backend("b1", count) as b1,
            fronting(pool_of(b1)) as world,
            connected(world.address) as (reader, writer),
        ):
            writer.write(bytes(1_000_000))
            writer.write_eof()
            assert await read_all(reader) == b"1000000 octets"
            assert (await world.record()).ended_by == "client"

    run(loop, scenario())


@on_both_loops
def test_backend_that_has_sent_all_still_hears_the_client(loop):
    heard = []

    async def greet(reader, writer):
        writer.write(b"greeting")
        writer.write_eof()
        heard.append(await reader.read())

    async def scenario():
        async with (
            backend("b1", greet) as b1,
            fronting(pool_of(b1)) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await read_all(reader) == b"greeting"
            writer.write(b"late")
            writer.write_eof()
            await until(lambda: heard)
            assert heard == [b"late"]
            assert (await world.record()).ended_by == "backend"

    run(loop, scenario())


@on_both_loops
def test_answer_of_backend_that_closes_at_once_is_whole(loop):
    async def flood(reader, writer):
        writer.write(bytes(8 * MEBI))

    async def scenario():
        async with (
            backend("b1", flood) as b1,
            fronting(pool_of(b1)) as world,
            connected(world.address) as (reader, _),
        ):
            assert len(await read_all(reader)) == 8 * MEBI

    run(loop, scenario())


@on_both_loops
def test_request_and_end_may_come_before_the_backend_is_there(loop):
    async def count(reader, writer):
        writer.write(b"%d octets" % len(await reader.read()))

    async def scenario():
        with silent_backend("silent") as silent:
            async with (
                backend("b2", count) as b2,
                fronting(pool_of(silent, b2), timeouts=Timeouts(connect_s=0.3)) as world,
                connected(world.address) as (reader, writer),
            ):
                writer.write(bytes(1_000_000))
                writer.write_eof()
                assert await read_all(reader) == b"1000000 octets"

    run(loop, scenario())


@pytest.mark.parametrize("who", ["client", "backend"])
@on_both_loops
def test_reset_breaks_the_other_end(loop, who):
    ends = []

    async def serve(reader, writer):
        writer.write(b"x")
        ends.append(writer)
        await reader.read()

    def reset(writer):
        tcp = writer.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def scenario():
        async with (
            backend("b1", serve) as b1,
            fronting(pool_of(b1)) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asyncio.wait_for(reader.readexactly(1), WAIT_S) == b"x"
            reset(writer if who == "client" else ends[0])
            record = await world.record()
            assert record.ended_by == who
            assert record.reason == "connection reset by peer"
            assert world.pool.results == [("b1", "ok")]

    run(loop, scenario())


@on_both_loops
def test_backend_that_resets_before_any_octet_has_failed(loop):
    async def slam(reader, writer):
        tcp = writer.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def scenario():
        async with (
            backend("b1", slam) as b1,
            fronting(pool_of(b1)) as world,
            connected(world.address) as (reader, _),
        ):
            assert await read_all(reader) == b""
            assert (await world.record()).ended_by == "backend"
            assert world.pool.results == [("b1", "reset")]

    run(loop, scenario())


# Backends.


@on_both_loops
def test_dead_backend_is_replaced(loop):
    async def scenario():
        with dead_backend("dead") as dead:
            async with (
                backend("b2") as b2,
                fronting(pool_of(dead, b2)) as world,
                connected(world.address) as (reader, writer),
            ):
                assert await asked(reader, writer, b"hello") == b"hello"
                writer.close()
                record = await world.record()
                assert record.backend == "b2"
                ((name, result, spent_ms, reason),) = record.attempts
                assert (name, result, reason) == ("dead", "connect_failed", "connection refused")
                assert 0 < spent_ms < record.total_ms
                assert world.pool.results == [("dead", "connect_failed"), ("b2", "ok")]

    run(loop, scenario())


@on_both_loops
def test_silent_backend_is_replaced_after_connect_timeout(loop):
    async def scenario():
        with silent_backend("silent") as silent:
            async with (
                backend("b2") as b2,
                fronting(pool_of(silent, b2), timeouts=Timeouts(connect_s=0.3)) as world,
                connected(world.address) as (reader, writer),
            ):
                assert await asked(reader, writer, b"hello") == b"hello"
                writer.close()
                record = await world.record()
                ((name, result, spent_ms, reason),) = record.attempts
                assert (name, result, reason) == ("silent", "connect_failed", "connect timeout")
                assert spent_ms > 40  # the clock of uvloop counts in milliseconds

    run(loop, scenario())


@pytest.mark.parametrize(("attempts", "tried"), [(0, 1), (1, 2), (5, 3)])
@on_both_loops
def test_without_any_backend_the_client_is_closed(loop, attempts, tried):
    async def scenario():
        with dead_backend("d1") as d1, dead_backend("d2") as d2, dead_backend("d3") as d3:
            settings = RetrySettings(attempts=attempts, min_retries=10)
            async with (
                fronting(pool_of(d1, d2, d3, retry=settings)) as world,
                connected(world.address) as (reader, _),
            ):
                assert await read_all(reader) == b""
                record = await world.record()
                assert (record.backend, record.ended_by) == (None, "error")
                assert record.reason == "connection refused"
                assert len(record.attempts) == tried
                assert len({name for name, *_ in record.attempts}) == tried

    run(loop, scenario())


@on_both_loops
def test_pool_that_is_down_closes_the_client(loop):
    async def scenario():
        with dead_backend("d1") as d1:
            async with fronting(pool_of(d1)) as world:
                world.pool.state.take_mode("d1", Mode.DOWN, now=0.0)
                async with connected(world.address) as (reader, _):
                    assert await read_all(reader) == b""
                record = await world.record()
                assert (record.ended_by, record.reason) == ("error", "all_down")
                assert record.attempts == ()

    run(loop, scenario())


@on_both_loops
def test_client_that_leaves_while_connecting_frees_the_slot(loop, tmp_path):
    authority = Authority(tmp_path)  # behind TLS its leaving is seen, for its octets are read

    async def scenario():
        tls = ServerTls([authority.issue("a.example")], protocols=())
        with silent_backend("silent") as silent:
            async with fronting(pool_of(silent), tls=tls) as world:
                async with connected(world.address, authority.client()):
                    await until(lambda: world.pool.state.in_flight == 1)
                world.front.close()
                record = await world.record()
                assert record.backend is None
                assert world.pool.results == [("silent", "cancelled")]

    run(loop, scenario())


@on_both_loops
def test_client_stays_at_its_backend(loop):
    async def scenario():
        async with (
            backend("b1", name_only("b1")) as b1,
            backend("b2", name_only("b2")) as b2,
            fronting(pool_of(b1, b2, affinity=AffinitySettings())) as world,
        ):
            for count, expected in enumerate(["miss", "hit", "hit", "broken", "hit"], 1):
                if expected == "broken":
                    world.pool.state.take_mode("b1", Mode.DOWN, now=0.0)
                async with connected(world.address) as (reader, _):
                    named = (await asyncio.wait_for(reader.readexactly(2), WAIT_S)).decode()
                await until(lambda many=count: len(world.records) == many)
                assert world.records[-1].affinity == expected
                assert named == world.records[-1].backend == ("b1" if count < 4 else "b2")

    run(loop, scenario())


# The ceiling.


@on_both_loops
def test_client_waits_for_a_free_slot(loop):
    async def scenario():
        async with backend("b1", max_connections=1) as b1:
            pool = pool_of(b1, queue=QueueSettings(size=1, timeout_s=60.0))
            async with fronting(pool) as world:
                async with connected(world.address) as (reader, writer):
                    assert await asked(reader, writer, b"1") == b"1"
                    async with connected(world.address) as (second, second_writer):
                        second_writer.write(b"2")
                        await until(lambda: len(world.pool.queue) == 1)
                        async with connected(world.address) as (third, _):
                            assert await read_all(third) == b""
                            assert (await world.record()).reason == "queue_full"
                        writer.close()
                        assert await asyncio.wait_for(second.readexactly(1), WAIT_S) == b"2"
                await until(lambda: len(world.records) == 3)
                assert [one.queue_ms > 0 for one in world.records] == [False, False, True]

    run(loop, scenario())


@on_both_loops
def test_client_that_waits_too_long_is_closed(loop):
    async def scenario():
        async with backend("b1", max_connections=1) as b1:
            pool = pool_of(b1, queue=QueueSettings(size=1, timeout_s=60.0))
            async with fronting(pool) as world, connected(world.address) as (reader, writer):
                assert await asked(reader, writer, b"1") == b"1"
                async with connected(world.address) as (second, _):
                    await until(lambda: len(world.pool.queue) == 1)
                    now = asyncio.get_running_loop().time()
                    world.pool.expire(now + 59.0)
                    assert not world.records
                    world.pool.expire(now + 61.0)
                    assert await read_all(second) == b""
                record = await world.record()
                assert (record.ended_by, record.reason) == ("timeout", "queue_timeout")
                assert await asked(reader, writer, b"still") == b"still"

    run(loop, scenario())


@on_both_loops
def test_without_a_queue_the_client_is_closed(loop):
    async def scenario():
        async with (
            backend("b1", max_connections=1) as b1,
            fronting(pool_of(b1)) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asked(reader, writer, b"1") == b"1"
            async with connected(world.address) as (second, _):
                assert await read_all(second) == b""
            assert (await world.record()).reason == "full"

    run(loop, scenario())


# Drain and time.


@pytest.mark.parametrize("how", ["drain", "maint", "gone from the file"])
@on_both_loops
def test_drained_backend_keeps_its_connections_for_a_time(loop, how):
    async def scenario():
        async with (
            backend("b1", name_only("b1")) as b1,
            backend("b2", name_only("b2")) as b2,
            fronting(pool_of(b1, b2, drain_timeout_s=30.0)) as world,
            connected(world.address) as (reader, writer),
            connected(world.address) as (other, other_writer),
        ):
            assert await asyncio.wait_for(reader.readexactly(2), WAIT_S) == b"b1"
            assert await asyncio.wait_for(other.readexactly(2), WAIT_S) == b"b2"
            now = asyncio.get_running_loop().time()
            world.front.tick(now)
            if how == "gone from the file":
                world.pool.state.reconfigure(replace(world.pool.pool, backends=(b2,)), now=now)
            else:
                world.pool.state.take_mode("b1", Mode(how), now=now)
            world.front.tick(now)
            world.front.tick(now + 29.9)
            assert await asked(reader, writer, b"still here") == b"still here"
            world.front.tick(now + 30.1)
            assert await read_all(reader) == b""
            record = await world.record()
            assert (record.backend, record.ended_by) == ("b1", "drain")
            assert await asked(other, other_writer, b"not me") == b"not me"

    run(loop, scenario())


@on_both_loops
def test_front_that_is_retired_loses_its_connections_in_time(loop):
    async def scenario():
        async with (
            backend("b1") as b1,
            fronting(pool_of(b1, drain_timeout_s=30.0)) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asked(reader, writer, b"1") == b"1"
            now = asyncio.get_running_loop().time()
            world.front.tick(now)
            world.front.retire()
            world.front.tick(now)
            world.front.tick(now + 29.9)
            assert await asked(reader, writer, b"still here") == b"still here"
            world.front.tick(now + 30.1)
            assert await read_all(reader) == b""
            assert (await world.record()).ended_by == "drain"

    run(loop, scenario())


@on_both_loops
def test_drain_that_is_taken_back_closes_nobody(loop):
    async def scenario():
        async with (
            backend("b1") as b1,
            fronting(pool_of(b1, drain_timeout_s=30.0)) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asked(reader, writer, b"1") == b"1"
            now = asyncio.get_running_loop().time()
            steps = [(0, Mode.DRAIN), (20, Mode.READY), (25, Mode.DRAIN), (50, Mode.DRAIN)]
            for later_s, mode in steps:
                world.pool.state.take_mode("b1", mode, now=now + later_s)
                world.front.tick(now + later_s)
            assert await asked(reader, writer, b"still here") == b"still here"
            world.front.tick(now + 55)
            assert await read_all(reader) == b""

    run(loop, scenario())


@on_both_loops
def test_silence_ends_a_connection(loop):
    async def scenario():
        async with (
            backend("b1") as b1,
            fronting(pool_of(b1), timeouts=Timeouts(tunnel_idle_s=0.05)) as world,
            connected(world.address) as (reader, _),
        ):
            assert await read_all(reader) == b""
            record = await world.record()
            assert (record.ended_by, record.reason) == ("timeout", "idle")

    run(loop, scenario())


@on_both_loops
def test_every_octet_moves_the_deadline(loop):
    async def scenario():
        async with (
            backend("b1") as b1,
            fronting(pool_of(b1), timeouts=Timeouts(tunnel_idle_s=100.0)) as world,
            connected(world.address) as (reader, writer),
        ):
            assert await asked(reader, writer, b"1") == b"1"
            (one,) = world.front.connections
            now = asyncio.get_running_loop().time()
            assert now + 99.0 < one.deadline <= now + 100.0
            one.deadline = now + 1.0
            assert await asked(reader, writer, b"2") == b"2"
            assert one.deadline > now + 99.0

    run(loop, scenario())


@on_both_loops
def test_client_that_does_not_take_the_rest_is_closed(loop):
    async def flood(reader, writer):
        writer.write(bytes(16 * MEBI))
        await reader.read()

    async def scenario():
        async with (
            backend("b1", flood) as b1,
            fronting(pool_of(b1), timeouts=Timeouts(body_idle_s=0.05)) as world,
            connected(world.address) as (_, writer),
        ):
            writer.transport.pause_reading()
            await until(lambda: any(unsent(one) > HIGH_WATER for one in world.front.connections))
            (one,) = world.front.connections
            one.other.transport.abort()
            record = await world.record()
            assert (record.ended_by, record.reason) == ("timeout", "not taken")
            assert record.octets_out > HIGH_WATER

    run(loop, scenario())


# Headers and TLS.


V1_OF_CLIENT = b"PROXY TCP4 192.0.2.1 198.51.100.7 5555 443\r\n"


@pytest.mark.parametrize("version", [1, 2])
@on_both_loops
def test_backend_is_told_who_the_client_is(loop, version):
    heard = []

    async def listen(reader, writer):
        heard.append(await reader.readuntil(b"hello"))
        writer.write(b"!")

    async def scenario():
        async with (
            backend("b1", listen) as b1,
            fronting(pool_of(b1, send_proxy=version), trusted=LOOPBACK) as world,
            connected(world.address) as (reader, writer),
        ):
            writer.write(V1_OF_CLIENT + b"hello")
            assert await asyncio.wait_for(reader.readexactly(1), WAIT_S) == b"!"
            port = world.address[1]
            line = b"PROXY TCP4 192.0.2.1 127.0.0.1 5555 %d\r\nhello" % port
            binary = (
                b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
                + IPv4Address("192.0.2.1").packed
                + IPv4Address("127.0.0.1").packed
                + struct.pack("!HH", 5555, port)
                + b"hello"
            )
            assert heard == [line if version == 1 else binary]
            writer.close()
            assert (await world.record()).client == "192.0.2.1"

    run(loop, scenario())


@on_both_loops
def test_tls_ends_here(loop, tmp_path):
    authority = Authority(tmp_path)

    async def scenario():
        tls = ServerTls([authority.issue("db.example")], protocols=())
        async with backend("b1") as b1, fronting(pool_of(b1), tls=tls) as world:
            client = authority.client()
            async with connected(world.address, client, "db.example") as (reader, writer):
                octets = bytes(range(256)) * 4096
                assert await asked(reader, writer, octets) == octets
                writer.close()
                await writer.wait_closed()
            record = await world.record()
            assert record.server_name == "db.example"
            assert (record.octets_in, record.octets_out) == (len(octets), len(octets))
            assert (record.ended_by, record.reason) == ("client", "")

    run(loop, scenario())


@on_both_loops
def test_header_goes_before_the_handshake_with_a_backend(loop, tmp_path):
    authority = Authority(tmp_path)
    certificate = authority.issue("db.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)

    def serve(listening: socket.socket) -> tuple[bytes, bytes]:
        taken, _ = listening.accept()
        with taken:
            line = b""
            while not line.endswith(b"\r\n"):
                line += taken.recv(1)
            with context.wrap_socket(taken, server_side=True) as secure:
                asked_for = secure.recv(5)
                secure.sendall(b"secret")
                return line, asked_for

    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            async with backend("b1") as b1:
                address = replace(b1.address, port=listening.getsockname()[1])
                pool = pool_of(
                    replace(b1, address=address),
                    send_proxy=1,
                    tls=UpstreamTls(server_name="db.example", verify=False),
                )
                serving = asyncio.ensure_future(asyncio.to_thread(serve, listening))
                async with (
                    fronting(pool) as world,
                    connected(world.address) as (reader, writer),
                ):
                    writer.write(b"hello")
                    assert await asyncio.wait_for(reader.readexactly(6), WAIT_S) == b"secret"
                    line, asked_for = await asyncio.wait_for(serving, WAIT_S)
                    assert line.startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
                    assert asked_for == b"hello"

    run(loop, scenario())
