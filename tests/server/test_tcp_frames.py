"""Cutting octets into messages."""

from __future__ import annotations

import pytest

from gslb.server.tcp_frames import FIRST_OCTETS, MOST_OCTETS, FrameBuffer
from tests.server.tcp_client import frame


def put(frames: FrameBuffer, octets: bytes) -> None:
    """Fill the buffer as a transport does: as much as there is room for, again and again."""
    while octets:
        room = frames.room()
        count = min(len(room), len(octets))
        room[:count] = octets[:count]
        frames.add(count)
        octets = octets[count:]


def test_take_gives_messages_in_order_when_two_and_a_half_are_there():
    first, second, third = b"a" * 12, b"b" * 40, b"c" * 13
    frames = FrameBuffer()
    put(frames, frame(first, second, third)[:-1])
    assert [frames.take(), frames.take(), frames.take()] == [first, second, None]
    assert len(frames) == 2 + 12
    put(frames, b"c")
    assert [frames.take(), frames.take()] == [third, None]


@pytest.mark.parametrize("octets", [b"", b"\x00", b"\x00\x0c", b"\x00\x0cabcdefghijk"])
def test_take_gives_none_when_a_message_is_incomplete(octets):
    frames = FrameBuffer()
    put(frames, octets)
    assert frames.take() is None


@pytest.mark.parametrize("length", [0, 1, 11])
def test_take_gives_nothing_again_and_again_when_the_length_is_too_short(length):
    frames = FrameBuffer()
    put(frames, length.to_bytes(2, "big"))
    assert [frames.take(), frames.take()] == [b"", b""]


def test_room_stays_bounded_and_enough_when_the_longest_message_arrives():
    longest = bytes(range(256)) * 255 + bytes(255)
    frames = FrameBuffer()
    rest = frame(longest)
    sizes = []
    while rest:
        room = frames.room()
        sizes.append(len(frames) + len(room))
        count = min(len(room), len(rest), 1000)
        room[:count] = rest[:count]
        frames.add(count)
        rest = rest[count:]
    assert sorted(set(sizes)) == [4096, 8192, 16384, 32768, 65536, MOST_OCTETS]
    assert frames.take() == longest
    assert len(frames.room()) == FIRST_OCTETS


def test_room_survives_when_a_view_of_it_is_still_held():
    frames = FrameBuffer()
    held = frames.room()
    put(frames, frame(b"x" * 12) + b"\x00")
    assert frames.take() == b"x" * 12
    assert len(frames.room()) == FIRST_OCTETS - 1
    assert len(held) == FIRST_OCTETS
