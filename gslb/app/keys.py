"""Single keys from the terminal, without Enter."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def has_keyboard() -> bool:
    """Whether standard input is a terminal that this process may read: one in the background would
    be stopped for touching it.
    """
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # not the terminal that controls us, so nobody stops us
        return True


@contextmanager
def read_keys(press: Callable[[str], None]) -> Iterator[None]:
    """Hands every key to `press` from the running loop; the terminal is set back at the end.

    Ctrl-C still comes as SIGINT. Call it only when there is a keyboard.
    """
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()

    def read() -> None:
        octets = os.read(descriptor, 64)
        if not octets:  # the terminal is gone
            loop.remove_reader(descriptor)
        for key in octets.decode(errors="replace"):
            press(key)

    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
