"""Listening sockets and the one line that an operator reads when there is none."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gslb.errors import ListenError
from gslb.model.endpoint import Endpoint
from gslb.server.sockets import describe_failure, open_both, open_tcp, open_udp

OPENERS = [pytest.param(open_udp, "UDP", id="udp"), pytest.param(open_tcp, "TCP", id="tcp")]
HOSTS = ["127.0.0.1", "::1"]
MTU_DISCOVER = {"127.0.0.1": (socket.IPPROTO_IP, 10), "::1": (socket.IPPROTO_IPV6, 23)}
CAPABILITY = "permission denied: run with CAP_NET_BIND_SERVICE or choose a port above 1023"


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


def needs(host: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")


@pytest.mark.parametrize("host", HOSTS)
def test_udp_socket_receives_and_is_ready_for_a_name_server(host):
    needs(host)
    with (
        open_udp(Endpoint(host, 0), share=False) as server,
        socket.socket(server.family, socket.SOCK_DGRAM) as client,
    ):
        assert not server.getblocking()
        assert server.getsockopt(*MTU_DISCOVER[host]) == 5
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
        default = client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > default
        client.sendto(b"hello", server.getsockname())
        assert server.recvfrom(100)[0] == b"hello"  # loopback delivers before sendto returns


def test_ipv6_sockets_take_no_ipv4_and_do_not_cut_datagrams():
    needs("::1")
    with (
        open_udp(Endpoint("::1", 0), share=False) as udp,
        open_tcp(Endpoint("::1", 0), share=False) as tcp,
    ):
        assert udp.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG) == 1
        for opened in (udp, tcp):
            assert opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


@pytest.mark.parametrize("host", HOSTS)
def test_tcp_socket_accepts_connections_that_send_at_once(host):
    needs(host)
    with open_tcp(Endpoint(host, 0), share=False) as server:
        assert not server.getblocking()
        with socket.create_connection(server.getsockname()[:2], timeout=5):
            accepted, _ = server.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_tcp_port_can_be_had_again_when_its_last_connection_has_not_expired():
    first = open_tcp(Endpoint("127.0.0.1", 0), share=False)
    port = first.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        first.accept()[0].close()  # closes first, so that TIME_WAIT is on this side
        assert client.recv(1) == b""
    first.close()
    open_tcp(Endpoint("127.0.0.1", port), share=False).close()


@pytest.mark.parametrize(("opener", "_name"), OPENERS)
def test_two_can_listen_when_both_share(opener, _name):
    with opener(Endpoint("127.0.0.1", 0), share=True) as first:
        endpoint = Endpoint("127.0.0.1", first.getsockname()[1])
        with opener(endpoint, share=True) as second:
            assert second.getsockname() == first.getsockname()


@pytest.mark.parametrize(("opener", "name"), OPENERS)
def test_port_in_use_is_one_clear_line(opener, name):
    with opener(Endpoint("127.0.0.1", 0), share=False) as first:
        port = first.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            opener(Endpoint("127.0.0.1", port), share=False)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port} ({name}): address already in use: "
        "another process (perhaps a running gslb) has the port"
    )


@pytest.mark.parametrize(("opener", "name"), OPENERS)
def test_foreign_address_is_one_clear_line(opener, name):
    with pytest.raises(ListenError) as caught:
        opener(Endpoint("192.0.2.1", 5300), share=False)
    assert str(caught.value) == (
        f"cannot listen on 192.0.2.1:5300 ({name}): no interface of this machine has that "
        "address: add it or use another one"
    )


@pytest.mark.parametrize(("opener", "_name"), OPENERS)
def test_name_instead_of_address_is_refused_without_resolving_it(opener, _name):
    with pytest.raises(ListenError) as caught:
        opener(Endpoint("localhost", 5300), share=False)
    assert str(caught.value) == "cannot listen on localhost:5300: not an IPv4 or IPv6 address"


FORBIDDEN_SCRIPT = """
import os
from gslb.errors import ListenError
from gslb.model.endpoint import Endpoint
from gslb.server.sockets import open_tcp, open_udp
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)  # drops every capability with the user
for opener in (open_udp, open_tcp):
    try:
        opener(Endpoint("127.0.0.1", 53), share=False)
    except ListenError as error:
        print(error)
"""


def test_port_below_1024_is_one_clear_line_when_the_user_may_not():
    lowest = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if lowest.exists() and int(lowest.read_text()) <= 53:
        pytest.skip("this machine lets everybody listen on port 53")
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORBIDDEN_SCRIPT],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
        text=True,
        timeout=30,
    )
    assert told.stdout.splitlines() == [
        f"cannot listen on 127.0.0.1:53 ({name}): {CAPABILITY}" for name in ("UDP", "TCP")
    ]


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EPERM, CAPABILITY),
        (errno.EAFNOSUPPORT, "this machine has no IPv6: enable it or remove the address"),
        (errno.EMFILE, "too many open files: raise the limit (ulimit -n, LimitNOFILE)"),
        (errno.ENOBUFS, "No buffer space available"),
    ],
)
def test_describe_failure_names_the_address_and_the_cure(number, cure):
    error = OSError(number, os.strerror(number))
    line = describe_failure(Endpoint("::1", 53), socket.SOCK_STREAM, error)
    assert line == f"cannot listen on [::1]:53 (TCP): {cure}"


def test_socket_is_closed_when_it_cannot_be_bound():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(ListenError):
            open_udp(Endpoint("192.0.2.1", 5300), share=False)
    assert len(os.listdir("/proc/self/fd")) == before


def test_both_when_a_later_one_cannot_be_had_leaves_none_open() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free, busy = Endpoint("127.0.0.1", 0), Endpoint("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(ListenError, match="already in use"):
            open_both((free, busy), share=False)  # a socket left open would be a ResourceWarning
