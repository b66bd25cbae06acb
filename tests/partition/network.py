"""Machines that share one network, as network namespaces around a bridge, and ways to part them.

Laws:
1. Names hold the process id, so that runs beside each other do not meet; `with` takes all away.
2. No interface and no rule is made outside of these namespaces.
3. A thread that was started `inside` one stays there, and so does a process.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

_CLONE_NEWNET: Final = 0x40000000
_HUB: Final = "hub"
_TABLE = """
table inet parted {
  chain heard { type filter hook input priority 0; }
  chain said { type filter hook output priority 0; }
}
"""


class Network:
    """The machines by name, with their addresses, all in one /24."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        self.hosts = hosts

    def __enter__(self) -> Network:
        _skip_unless_possible()
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Has what this thread opens and starts be on a machine (law 3)."""
        with Path("/proc/thread-self/ns/net").open() as home, _path(name).open() as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    # ------------------------------------------------------------ partitions

    def cut(self, one: str, *others: str) -> None:
        """Nothing passes between a machine and others, in either direction."""
        for other in others:
            self._add(one, f"heard ip saddr {self.hosts[other]} drop")
            self._add(one, f"said ip daddr {self.hosts[other]} drop")

    def deafen(self, one: str, other: str) -> None:
        """A machine hears nothing of what another one says, which hears it as before."""
        self._add(one, f"heard ip saddr {self.hosts[other]} drop")

    def lose(self, one: str, other: str, percent: int) -> None:
        """Of what passes between two machines, each direction loses a share."""
        for rule in (f"heard ip saddr {self.hosts[other]}", f"said ip daddr {self.hosts[other]}"):
            self._add(one, f"{rule} numgen random mod 100 < {percent} drop")

    def heal(self) -> None:
        """Everything passes everywhere."""
        for name in self.hosts:
            self._nft(name, "flush table inet parted")

    def _add(self, name: str, rule: str) -> None:
        self._nft(name, f"add rule inet parted {rule}")

    def _nft(self, name: str, text: str) -> None:
        with self.inside(name):
            _run("nft", "-f", "-", stdin=text)

    # ------------------------------------------------------------ making

    def _make(self) -> None:
        for name in (_HUB, *self.hosts):
            _run("ip", "netns", "add", _full(name))
        with self.inside(_HUB):
            _run("ip", "-batch", "-", stdin="link add bridge type bridge\nlink set bridge up")
        for name, address in self.hosts.items():
            self._join(name, address)

    def _join(self, name: str, address: str) -> None:
        """A cable from the bridge to a machine."""
        with self.inside(_HUB):
            lines = (
                f"link add to-{name} type veth peer name eth0 netns {_full(name)}",
                f"link set to-{name} master bridge",
                f"link set to-{name} up",
            )
            _run("ip", "-batch", "-", stdin="\n".join(lines))
        with self.inside(name):
            lines = (f"address add {address}/24 dev eth0", "link set eth0 up", "link set lo up")
            _run("ip", "-batch", "-", stdin="\n".join(lines))
            _run("nft", "-f", "-", stdin=_TABLE)

    def _remove(self) -> None:
        for name in (_HUB, *self.hosts):
            if _path(name).exists():
                _run("ip", "netns", "delete", _full(name))


def _full(name: str) -> str:
    return f"gslb-{os.getpid()}-{name}"


def _path(name: str) -> Path:
    return Path("/run/netns") / _full(name)


def _enter(descriptor: int) -> None:
    """Moves this thread into a network namespace; `os.setns` is there from Python 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _run(*argv: str, stdin: str | None = None) -> None:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip()}"


def _skip_unless_possible() -> None:
    missing = [name for name in ("ip", "nft") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (packages of .ci/run)")
    if os.geteuid() != 0:
        pytest.skip("network namespaces take root")
    trial = _full("trial")
    done = subprocess.run(
        ["ip", "netns", "add", trial], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"network namespaces are not allowed here: {done.stderr.strip()}")
    argv = ["ip", "netns", "exec", trial, "nft", "add", "table", "inet", "parted"]
    filters = subprocess.run(argv, capture_output=True, text=True, check=False)
    _run("ip", "netns", "delete", trial)
    if filters.returncode != 0:
        pytest.skip(f"nft filters nothing here: {filters.stderr.strip()}")
