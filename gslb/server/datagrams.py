"""Batches of datagrams through recvmmsg(2) and sendmmsg(2): memory that the kernel fills and sends.

A batch owns its memory once; nothing is allocated for a datagram but its octets. Clients' addresses
and packet information stay where the kernel put them and are sent back from there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Callable
from typing import Final, NamedTuple

from gslb.model.system import MAX_UDP_SIZE
from gslb.server.mmsg import HEADER_OCTETS, Header, Iovec, point, recvmmsg, sendmmsg

BATCH: Final = 64  # datagrams a call; more makes TCP and timers wait, fewer costs system calls
MAX_DATAGRAM: Final = 1232  # what our OPT says we take; a longer query is dropped
_SLOT: Final = MAX_DATAGRAM + 1  # a datagram that fills it was longer, and was cut

_MSG_DONTWAIT: Final = 0x40
_NAME_OCTETS: Final = 28  # struct sockaddr_in6; sockaddr_in has 16
_CONTROL_OCTETS: Final = 64  # room for one struct in6_pktinfo and its header

_INTS: Final = HEADER_OCTETS // 4
_CONTROL_LENGTH_AT: Final = 40 // 8  # in 64-bit units
_LENGTH_AT: Final = 56 // 4


Answer = Callable[[bytes, bytes], bytes | None]
"""(octets of a message, packed address of the client) -> at most MAX_UDP_SIZE octets of a reply, or
None for silence.
"""

Failed = Callable[[Exception], None]


Slot = tuple[int, int, int, int, int, int, int]


class Exchange(NamedTuple):
    """What one call did. silent: met with silence. unsent: replies that the socket refused."""

    received: int
    silent: int
    unsent: int


NOTHING: Final = Exchange(0, 0, 0)


class Batch:
    """The memory of one socket."""

    def __init__(self, sock: socket.socket, *, with_control: bool) -> None:
        """with_control: the socket asks for packet information, which a reply must carry back."""
        self._descriptor = sock.fileno()
        self._is_ipv6 = sock.family == socket.AF_INET6
        self._with_control = with_control
        names = ctypes.create_string_buffer(BATCH * _NAME_OCTETS)
        control = ctypes.create_string_buffer(BATCH * _CONTROL_OCTETS)
        received = ctypes.create_string_buffer(BATCH * _SLOT)
        replies = ctypes.create_string_buffer(BATCH * MAX_UDP_SIZE)
        in_vectors, out_vectors = (Iovec * BATCH)(), (Iovec * BATCH)()
        in_headers, out_headers = (Header * BATCH)(), (Header * BATCH)()
        for i in range(BATCH):
            point(in_vectors[i], received, i * _SLOT, _SLOT)
            point(out_vectors[i], replies, i * MAX_UDP_SIZE, MAX_UDP_SIZE)
            for header, vector in (
                (in_headers[i], in_vectors[i]),
                (out_headers[i], out_vectors[i]),
            ):
                header.name = ctypes.addressof(names) + i * _NAME_OCTETS
                header.name_length = _NAME_OCTETS if self._is_ipv6 else 16
                header.iov = ctypes.addressof(vector)
                header.iov_count = 1
                if with_control:
                    header.control = ctypes.addressof(control) + i * _CONTROL_OCTETS
        self._slots = _slots(is_ipv6=self._is_ipv6)
        self._in_address = ctypes.addressof(in_headers)
        self._out_address = ctypes.addressof(out_headers)
        self._keep = (control, in_vectors, in_headers, out_headers)
        self._received = memoryview(received).cast("B")
        self._replies = memoryview(replies).cast("B")
        self._names = memoryview(names).cast("B")
        self._in_ints = memoryview(in_headers).cast("B").cast("I")
        self._in_longs = memoryview(in_headers).cast("B").cast("Q")
        self._out_longs = memoryview(out_headers).cast("B").cast("Q")
        self._out_sizes = memoryview(out_vectors).cast("B").cast("Q")

    def exchange(self, answer: Answer, failed: Failed) -> Exchange:
        """Receives what waits, up to BATCH, answers each datagram, and sends the replies.

        answer: what it raises is passed to failed and met with silence. Raises OSError for what
        the socket says on receiving, besides "nothing there".
        """
        count = self._receive()
        if not count:
            return NOTHING
        # One copy of the whole batch; slices of bytes are cheaper than slices of memory views.
        octets = self._received[: count * _SLOT].tobytes()
        names = self._names[: count * _NAME_OCTETS].tobytes()
        ints, replies, sizes = self._in_ints, self._replies, self._out_sizes
        silent = []
        for i, at, length_at, source, source_end, reply_at, size_at in self._slots[:count]:
            length = ints[length_at]
            reply = None
            if length < _SLOT:
                try:
                    reply = answer(octets[at : at + length], names[source:source_end])
                except Exception as error:  # noqa: BLE001  the border: the next one must be read
                    failed(error)
            if reply is None:
                silent.append(i)
            else:
                size = len(reply)
                replies[reply_at : reply_at + size] = reply
                sizes[size_at] = size
        return Exchange(count, len(silent), self._send(count, silent))

    def _receive(self) -> int:
        """How many datagrams came; 0 when none waits."""
        if self._with_control:
            for i in range(BATCH):
                self._in_longs[i * 8 + _CONTROL_LENGTH_AT] = _CONTROL_OCTETS
        count: int = recvmmsg(self._descriptor, self._in_address, BATCH, _MSG_DONTWAIT, None)
        if count >= 0:
            return count
        code = ctypes.get_errno()
        if code in (errno.EAGAIN, errno.EINTR):
            return 0
        raise OSError(code, os.strerror(code))

    def _send(self, count: int, silent: list[int]) -> int:
        """Sends all replies of a batch but the silent ones; returns how many the socket refused."""
        if self._with_control:
            for i in range(count):
                received = self._in_longs[i * 8 + _CONTROL_LENGTH_AT]
                self._out_longs[i * 8 + _CONTROL_LENGTH_AT] = received
        unsent = start = 0
        for stop in (*silent, count):
            unsent += self._send_run(start, stop)
            start = stop + 1
        return unsent

    def _send_run(self, start: int, stop: int) -> int:
        """Sends replies from start up to stop; returns how many were refused.

        One that is refused is passed over, a full socket ends the run.
        """
        unsent = 0
        while start < stop:
            address = self._out_address + start * HEADER_OCTETS
            sent = sendmmsg(self._descriptor, address, stop - start, _MSG_DONTWAIT)
            if sent > 0:
                start += sent
            elif ctypes.get_errno() == errno.EAGAIN:
                return unsent + stop - start
            elif (
                ctypes.get_errno() != errno.EINTR
            ):  # this client cannot be reached: port 0, no route
                unsent += 1
                start += 1
        return unsent


def _slots(*, is_ipv6: bool) -> tuple[Slot, ...]:
    """For each datagram of a batch: its number, and where in the batch's memory are its octets, its
    length, its source address and the end of that, its reply and the reply's size.
    """
    start, stop = (8, 24) if is_ipv6 else (4, 8)  # the address within a sockaddr
    return tuple(
        (
            i,
            i * _SLOT,
            i * _INTS + _LENGTH_AT,
            i * _NAME_OCTETS + start,
            i * _NAME_OCTETS + stop,
            i * MAX_UDP_SIZE,
            i * 2 + 1,
        )
        for i in range(BATCH)
    )
