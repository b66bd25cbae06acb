"""A connection against a transport that the test plays: turns, bounds, and any octets in any
segments."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.model.system import DnsLimits
from gslb.server.tcp import TcpServer
from gslb.server.tcp_connection import Connection
from gslb.server.tcp_limits import TcpBudgets
from tests.server.tcp_client import frame, unframe
from tests.server.tcp_serving import echo, query, reply_to, until

SMALL = TcpBudgets(turn_queries=3, turn_octets=200, queries=20)


class PlayedTransport(asyncio.Transport):
    """A transport that keeps what is written, and asks for patience above a mark as the real one
    does."""

    def __init__(self, *, is_taken: bool = True, is_reset: bool = False) -> None:
        super().__init__(extra={"peername": ("192.0.2.7", 4711)})
        self.writes: list[bytes] = []
        self.is_taken, self.is_reset = is_taken, is_reset
        self.is_paused = self.is_ended = self.is_aborted = False
        self.connection: Connection | None = None

    def set_write_buffer_limits(self, high=None, low=None):
        self.high = high

    def get_write_buffer_size(self):
        return 0 if self.is_taken else sum(map(len, self.writes))

    def write(self, data):
        self.writes.append(data)
        if self.get_write_buffer_size() > self.high:
            self.connection.pause_writing()

    def write_eof(self):
        if self.is_reset:
            raise OSError("not connected")
        self.is_ended = True

    def abort(self):
        self.is_aborted = True

    def pause_reading(self):
        self.is_paused = True

    def resume_reading(self):
        self.is_paused = False


async def play(
    segments, *, budgets=SMALL, answer=echo, transport=None
) -> tuple[PlayedTransport, Connection, TcpServer]:
    """Feed segments to a new connection, each when it is read from again."""
    server = TcpServer(answer, DnsLimits(), budgets=budgets)
    transport = transport or PlayedTransport()
    connection = transport.connection = Connection(server)
    connection.connection_made(transport)
    for segment in segments:
        await feed(connection, transport, segment)
    return transport, connection, server


async def feed(connection, transport, octets) -> None:
    while octets:
        room = connection.get_buffer(-1)
        count = min(len(room), len(octets))
        room[:count] = octets[:count]
        connection.buffer_updated(count)
        octets = octets[count:]
        await until(
            lambda: not transport.is_paused or connection.look().stalled is not None, pause_s=0
        )
        if transport.is_paused:
            return


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(octets) + 1) for place in places} | {0, len(octets)})
    return [octets[start:end] for start, end in pairwise(marks)]


MESSAGES = st.one_of(
    st.binary(min_size=12, max_size=60).map(frame),
    st.integers(0, 0xFFFF).map(lambda number: frame(query(number))),
    st.just(frame(query(9, 5000))),
    st.binary(max_size=20).map(frame),
    st.binary(max_size=20),
)
STREAMS = st.lists(MESSAGES, max_size=25).map(b"".join)


def test_any_octets_cut_into_any_segments_give_the_replies_of_the_whole():
    with asyncio.Runner() as runner:

        @settings(max_examples=300, deadline=None)
        @given(STREAMS, st.lists(st.integers(0, 100_000), max_size=30))
        def holds(octets, places):
            whole, _, one = runner.run(play([octets] if octets else []))
            parts, _, other = runner.run(play(cut(octets, places)))
            assert b"".join(parts.writes) == b"".join(whole.writes)
            assert parts.is_ended == whole.is_ended
            assert other.counters == one.counters
            assert unframe(b"".join(whole.writes)) == expected_replies(octets)

        holds()


def expected_replies(octets: bytes) -> list[bytes]:
    """The rules said once more, in the plainest way."""
    replies: list[bytes] = []
    while len(octets) >= 2 and len(replies) < SMALL.queries:
        length = int.from_bytes(octets[:2], "big")
        message, octets = octets[2 : 2 + length], octets[2 + length :]
        if length < 12 or len(message) < length or (reply := echo(message, "")) is None:
            break
        replies.append(reply)
    return replies


def test_replies_leave_in_one_piece_and_a_turn_ends_after_its_queries():
    queries = [query(number, 20) for number in range(8)]
    transport, _, _ = asyncio.run(play([frame(*queries)]))
    assert [len(unframe(written)) for written in transport.writes] == [3, 3, 2]
    assert unframe(b"".join(transport.writes)) == [reply_to(each) for each in queries]


def test_turn_ends_after_its_octets():
    queries = [query(number, 150) for number in range(5)]
    transport, _, _ = asyncio.run(play([frame(*queries)]))
    assert [len(unframe(written)) for written in transport.writes] == [2, 2, 1]


def test_others_are_served_between_two_turns():
    async def scenario():
        order = []

        def answer(message, host):
            order.append(message[:2])
            return echo(message, host)

        server = TcpServer(answer, DnsLimits(), budgets=SMALL)
        for first in (10, 20):
            transport = PlayedTransport()
            connection = transport.connection = Connection(server)
            connection.connection_made(transport)
            octets = frame(*(query(first + number, 20) for number in range(4)))
            room = connection.get_buffer(-1)
            room[: len(octets)] = octets
            connection.buffer_updated(len(octets))
        await asyncio.sleep(0)
        return [int.from_bytes(each, "big") for each in order]

    assert asyncio.run(scenario()) == [10, 11, 12, 20, 21, 22, 13, 23]


def test_t11_nothing_is_answered_after_the_client_is_gone():
    async def scenario():
        server = TcpServer(echo, DnsLimits(), budgets=SMALL)
        transport = PlayedTransport()
        connection = transport.connection = Connection(server)
        connection.connection_made(transport)
        octets = frame(*(query(number, 20) for number in range(9)))
        connection.get_buffer(-1)[: len(octets)] = octets
        connection.buffer_updated(len(octets))
        connection.connection_lost(None)
        await asyncio.sleep(0)
        return server.counters.queries, len(server.roster), transport.is_paused

    assert asyncio.run(scenario()) == (3, 0, True)


def test_t13_write_buffer_stays_under_its_bound_whatever_is_asked():
    # Just not above write_high, then a turn that just goes on and ends with the longest reply.
    sizes = iter([0x10000 - 2, 0xFFFF - 2, 0xFFFF])
    budgets = TcpBudgets()
    octets = frame(*(query(number, 20) for number in range(50)))

    async def scenario():
        transport = PlayedTransport(is_taken=False)
        _, connection, server = await play(
            [octets],
            budgets=budgets,
            answer=lambda *_: bytes(next(sizes)),
            transport=transport,
        )
        assert transport.get_write_buffer_size() == 192 * 1024
        assert transport.is_paused
        assert connection.look().stalled is not None
        assert server.counters.queries == 3

    asyncio.run(scenario())
    assert budgets.write_high + budgets.turn_octets + 65_537 <= 256 * 1024


def test_what_waits_is_answered_when_the_client_takes_its_replies():
    async def scenario():
        transport = PlayedTransport(is_taken=False)
        budgets = TcpBudgets(turn_queries=100, write_high=100)
        octets = frame(*(query(number, 60) for number in range(4)))
        _, connection, _ = await play([octets + b"\x00"], budgets=budgets, transport=transport)
        assert (transport.is_paused, connection.look().message) == (True, None)
        transport.is_taken = True
        connection.resume_writing()
        assert not transport.is_paused
        assert connection.look().message is not None  # its time begins only now
        assert len(unframe(b"".join(transport.writes))) == 4

    asyncio.run(scenario())


def test_connection_that_was_reset_is_dropped_when_it_cannot_be_ended():
    async def scenario():
        transport, _, server = await play(
            [frame(query(1)) + b"\x00\x00"], transport=PlayedTransport(is_reset=True)
        )
        assert transport.is_aborted
        assert not len(server.roster)

    asyncio.run(scenario())


def test_connection_without_a_peer_is_dropped_at_once():
    async def scenario():
        server = TcpServer(echo, DnsLimits())
        transport = PlayedTransport()
        transport._extra["peername"] = None
        Connection(server).connection_made(transport)
        assert transport.is_aborted
        assert not len(server.roster)
        assert server.counters.accepted == 0

    asyncio.run(scenario())


def test_connection_that_was_accepted_just_before_the_close_is_refused():
    async def scenario():
        server = TcpServer(echo, DnsLimits())
        await server.close()
        transport = PlayedTransport()
        Connection(server).connection_made(transport)
        assert transport.is_aborted
        assert (len(server.roster), server.counters.refused) == (0, 1)

    asyncio.run(scenario())
