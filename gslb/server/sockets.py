"""Sockets to listen on, made ready for a name server; Linux only.

Laws:
1. A socket that cannot be had raises ListenError with one line: the address, the cause, what to do.
   None is leaked.
2. A reply over UDP is never cut into fragments by what somebody claims about the path (RFC 9715):
   on IPv4 the path MTU that ICMP reports is ignored, on IPv6 also a datagram too long for the
   interface is not cut but not sent.
3. IPv4 and IPv6 never share a socket, so a client address always has one form.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address

from gslb.errors import ListenError
from gslb.model.endpoint import Endpoint

# From linux/in.h and linux/in6.h; the socket module does not name them.
IP_MTU_DISCOVER = 10
IPV6_MTU_DISCOVER = 23
PMTUDISC_OMIT = 5

# Room for some 10,000 queries while the process is busy (the kernel books about 768 octets for each
# and doubles what is asked); net.core.rmem_max may grant less.
RECEIVE_OCTETS = 4 * 1024 * 1024

_TAKEN = "another process (perhaps a running gslb) has the port"
_FORBIDDEN = "run with CAP_NET_BIND_SERVICE or choose a port above 1023"
_CURES = {
    errno.EADDRINUSE: f"address already in use: {_TAKEN}",
    errno.EACCES: f"permission denied: {_FORBIDDEN}",
    errno.EPERM: f"permission denied: {_FORBIDDEN}",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address: add it or use another one",
    errno.EAFNOSUPPORT: "this machine has no IPv6: enable it or remove the address",
    errno.EMFILE: "too many open files: raise the limit (ulimit -n, LimitNOFILE)",
}


def open_udp(endpoint: Endpoint, *, share: bool) -> socket.socket:
    """A bound, non-blocking UDP socket.

    share: other processes may bind the same address, each gets its part. Raises ListenError, by the
    operator's fault.
    """
    return _open(endpoint, socket.SOCK_DGRAM, partial(_prepare_udp, endpoint=endpoint, share=share))


def open_tcp(endpoint: Endpoint, *, share: bool, backlog: int = 256) -> socket.socket:
    """A listening, non-blocking TCP socket; what it accepts sends at once (TCP_NODELAY).

    share: as for UDP. backlog: connections that wait to be accepted. Raises ListenError, by the
    operator's fault.
    """
    prepare = partial(_prepare_tcp, endpoint=endpoint, share=share, backlog=backlog)
    return _open(endpoint, socket.SOCK_STREAM, prepare)


Pair = tuple[socket.socket, socket.socket]
"""The UDP and the listening TCP socket of one address."""


def open_both(endpoints: Iterable[Endpoint], *, share: bool) -> list[Pair]:
    """A UDP and a listening TCP socket for each address, or none at all and a ListenError."""
    with ExitStack() as opened:
        both = [
            (
                opened.enter_context(open_udp(one, share=share)),
                opened.enter_context(open_tcp(one, share=share)),
            )
            for one in endpoints
        ]
        opened.pop_all()
    return both


def describe_failure(endpoint: Endpoint, kind: socket.SocketKind, error: OSError) -> str:
    """One line for the operator: what cannot be listened on, why, and what to do."""
    transport = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    cause = _CURES.get(error.errno or 0) or error.strerror or str(error)
    return f"cannot listen on {endpoint} ({transport}): {cause}"


def _open(
    endpoint: Endpoint, kind: socket.SocketKind, prepare: Callable[[socket.socket], None]
) -> socket.socket:
    """A socket of the address' family after prepare; closed again if that fails."""
    try:
        family = _family(endpoint)
        opened = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            prepare(opened)
        except BaseException:
            opened.close()
            raise
    except OSError as error:
        raise ListenError(describe_failure(endpoint, kind, error)) from error
    return opened


def _family(endpoint: Endpoint) -> socket.AddressFamily:
    """The family of an address. A name is refused: to resolve it might mean to ask ourselves."""
    try:
        version = ip_address(endpoint.host).version
    except ValueError as error:
        raise ListenError(f"cannot listen on {endpoint}: not an IPv4 or IPv6 address") from error
    return socket.AF_INET if version == 4 else socket.AF_INET6


def equip_udp(opened: socket.socket) -> None:
    """Sets what a UDP socket needs to serve names (law 2), bound or not. Raises OSError."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_OCTETS)
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_OMIT)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_OMIT)


def equip_tcp(opened: socket.socket) -> None:
    """Sets what a TCP socket hands on to what it accepts. Raises OSError."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _prepare_udp(opened: socket.socket, *, endpoint: Endpoint, share: bool) -> None:
    _share(opened, share=share)
    equip_udp(opened)
    opened.bind((endpoint.host, endpoint.port))


def _prepare_tcp(opened: socket.socket, *, endpoint: Endpoint, share: bool, backlog: int) -> None:
    _share(opened, share=share)
    # A restart must not wait for the connections of the process before to expire.
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    equip_tcp(opened)
    opened.bind((endpoint.host, endpoint.port))
    opened.listen(backlog)


def _share(opened: socket.socket, *, share: bool) -> None:
    if share:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
