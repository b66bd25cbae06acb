"""Ports for servers that are processes of their own and bind by themselves."""

from __future__ import annotations

import random
import socket


def free_port(*hosts: str) -> int:
    """A port that is free for UDP and TCP on all hosts, 127.0.0.1 unless others are named. It is
    none that the kernel gives to connections, so nobody has it before the server does.
    """
    while True:
        port = random.randrange(12_000, 30_000)
        if all(is_free(host, port) for host in hosts or ("127.0.0.1",)):
            return port


def is_free(host: str, port: int) -> bool:
    """Whether nobody has a port, over UDP or over TCP."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as trial:
            try:
                trial.bind((host, port))
            except OSError:
                return False
    return True
