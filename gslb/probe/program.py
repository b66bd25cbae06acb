"""A program that the operator names: run without a shell, in bounded time, read in bounded memory.

Laws:
1. No shell reads the arguments; the program gets an empty standard input, the root directory, and
   of the environment only PATH, LANG=C and what it is handed.
2. It is a session of its own. When it ends, when its time is over, when it says too much and when
   it is given up, what is left of its process group is killed: no signal is asked for first, so
   none can be ignored. Only a child that leaves the session on purpose gets away.
3. The group is killed before its leader is reaped: until then the kernel gives its id to nobody
   else.
4. At most MAX_OUTPUT octets are read, and only the first of them are kept.
5. A program ends when its process does, even if a child of it still holds the output open.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gslb.probe.outcome import describe_error
from gslb.telemetry.logs import get_limited_logger

log = get_limited_logger(__name__)

MAX_OUTPUT = 1024 * 1024
"""Octets that a program may print: far more than any answer, and a bound to what a mad
one costs.
"""
REAP_S = 1.0
"""How long a killed process is waited for. One that hangs in the kernel for longer is reaped when
the next program starts.
"""
_PIECE = 65536  # what a pipe holds
_HEAD = 4096
_REAP_PACE_S = 0.005


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. problem: why it did not end well, "" for exit status 0. output: the
    beginning of what it printed, as text.
    """

    problem: str
    output: str = ""


async def run_program(argv: Sequence[str], variables: Mapping[str, str], timeout_s: float) -> Ended:
    """Runs a program. variables: of its environment, besides law 1's."""
    try:
        process = _start(argv, variables)
    except FileNotFoundError:
        return Ended(f"{argv[0]}: not found")
    except PermissionError:
        return Ended(f"{argv[0]}: not executable")
    except (OSError, ValueError) as error:
        return Ended(f"{argv[0]}: {describe_error(error)}")
    try:
        async with asyncio.timeout(timeout_s):
            head = await _listen(process)
    except TimeoutError:
        return Ended(f"no end within {timeout_s:g} s")
    finally:
        await _end(process)
    if head is None:
        return Ended(f"it printed over {MAX_OUTPUT} octets")
    return _judge(process.returncode, head.decode(errors="replace"))


def _judge(status: int, output: str) -> Ended:
    """How a program ended by itself. status: negative for a signal."""
    if status == 0:
        return Ended("", output)
    line = output.lstrip().partition("\n")[0].rstrip()
    return Ended(line or (f"exit status {status}" if status > 0 else f"signal {-status}"), output)


# ---------------------------------------------------------------- the beginning


def _start(argv: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the program, which takes the loop about a millisecond. Raises OSError, ValueError."""
    process = subprocess.Popen(  # noqa: S603 - the operator's own words, and no shell
        argv,
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", **variables},
        start_new_session=True,
    )
    with suppress(OSError):  # it has ended already
        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
    return process


# ---------------------------------------------------------------- meanwhile


async def _listen(process: subprocess.Popen[bytes]) -> bytes | None:
    """Wait for the end: the first octets that were printed, None as soon as they are too many."""
    assert process.stdout is not None
    output = process.stdout.fileno()
    os.set_blocking(output, False)
    end = os.pidfd_open(process.pid)  # readable once the process has ended
    try:
        return await _listen_to(process.pid, output, end)
    finally:
        os.close(end)


async def _listen_to(pid: int, output: int, end: int) -> bytes | None:
    head, octets, watched = b"", 0, {output, end}
    while octets <= MAX_OUTPUT:
        has_ended = _has_ended(pid)  # asked first, so that all it printed is read afterwards
        piece = _read(output) if output in watched else None
        if piece:
            octets += len(piece)
            head += piece[: _HEAD - len(head)]
        elif has_ended:
            return head
        else:
            if piece is not None:  # closed; the program goes on
                watched.remove(output)
            await _wait_readable(watched)
    return None


def _has_ended(pid: int) -> bool:
    """Whether a child waits to be reaped, which is left to be done."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, pid, options) is not None


def _read(descriptor: int) -> bytes | None:
    """What can be read now: nothing at the end, None when it is too early."""
    try:
        return os.read(descriptor, _PIECE)
    except BlockingIOError:
        return None


async def _wait_readable(descriptors: Iterable[int]) -> None:
    """Return when one of them can be read."""
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    for descriptor in descriptors:
        loop.add_reader(descriptor, is_ready.set)
    try:
        await is_ready.wait()
    finally:
        for descriptor in descriptors:
            loop.remove_reader(descriptor)


# ---------------------------------------------------------------- the end


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the program's group, then reap the program (law 3)."""
    with suppress(OSError):  # nothing is left that may be killed
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    deadline = asyncio.get_running_loop().time() + REAP_S
    while process.poll() is None:
        if asyncio.get_running_loop().time() > deadline:
            log.warning("process does not end although it was killed", pid=process.pid)
            return
        await asyncio.sleep(_REAP_PACE_S)
