"""The end of a service manager: hands sockets to a program, and becomes it.

Run as `python activation.py NUMBER,NUMBER... PROGRAM ARGUMENT...`: the descriptors with these
numbers become 3, 4 and so on, and the program runs in this process, so LISTEN_PID is right.
"""

from __future__ import annotations

import os
import sys

FIRST = 3
ASIDE = 200  # numbers that none of them has, so that none is overwritten on the way to its own


def main() -> None:
    numbers = [int(number) for number in sys.argv[1].split(",")]
    for index, number in enumerate(numbers):
        os.dup2(number, ASIDE + index)
    for index in range(len(numbers)):
        os.dup2(ASIDE + index, FIRST + index)
        os.close(ASIDE + index)
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["LISTEN_FDS"] = str(len(numbers))
    os.environ["LISTEN_FDNAMES"] = ":".join(["gslb"] * len(numbers))
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
