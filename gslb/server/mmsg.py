"""recvmmsg(2) and sendmmsg(2) with their structures, as Linux on 64-bit machines has them."""

from __future__ import annotations

import ctypes
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)
recvmmsg, sendmmsg = _libc.recvmmsg, _libc.sendmmsg
recvmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]


class Iovec(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def point(vector: Iovec, memory: ctypes.Array[ctypes.c_char], at: int, length: int) -> None:
    """Lets a vector hold so many octets of a memory."""
    vector.base = ctypes.addressof(memory) + at
    vector.length = length


class Header(ctypes.Structure):
    """struct mmsghdr: 64 octets, so 16 of the integers that memory views of it count in."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("padding", ctypes.c_int),
        ("length", ctypes.c_uint32),
    )


HEADER_OCTETS: Final = 64
assert ctypes.sizeof(Header) == HEADER_OCTETS, "struct mmsghdr of another machine"
