"""Sockets of a service manager: taken once, matched to the file, or refused in one line."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

import pytest

from gslb.errors import ListenError
from gslb.model.endpoint import Endpoint
from gslb.server.inherited import FIRST, Inherited, pair_inherited, take_inherited
from tests.ports import free_port

HOST, OTHER = "127.0.9.41", "127.0.9.42"
UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM


@pytest.fixture
def opened():
    """Makes sockets as a service manager does; closes them at the end."""
    with ExitStack() as stack:

        def make(host: str, port: int, kind: int, *, listens: bool = True, v6only: bool = True):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            one = stack.enter_context(socket.socket(family, kind))
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
            one.bind((host, port))
            if kind == TCP and listens:
                one.listen()
            return Inherited(one, "dns")

        yield make


def test_pairs_come_in_the_order_of_the_file(opened):
    port = free_port(HOST, OTHER)
    inherited = [
        opened(*each)
        for each in (
            (OTHER, port, TCP),
            (HOST, port, UDP),
            (OTHER, port, UDP),
            (HOST, port, TCP),
        )
    ]
    pairs = pair_inherited([Endpoint(HOST, port), Endpoint(OTHER, port)], inherited)
    assert [[(one.type, one.getsockname()[0]) for one in pair] for pair in pairs] == [
        [(UDP, HOST), (TCP, HOST)],
        [(UDP, OTHER), (TCP, OTHER)],
    ]


def test_what_a_socket_of_our_own_has_is_set(opened):
    port = free_port(HOST)
    inherited = [opened(HOST, port, kind) for kind in (UDP, TCP)]
    ((udp, tcp),) = pair_inherited([Endpoint(HOST, port)], inherited)
    assert udp.getsockopt(socket.IPPROTO_IP, 10) == 5  # IP_MTU_DISCOVER, IP_PMTUDISC_OMIT
    assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_ipv6_address_is_found_however_it_is_written(opened):
    port = free_port("127.0.0.1")
    inherited = [opened("::1", port, kind) for kind in (UDP, TCP)]
    pairs = pair_inherited([Endpoint("0:0:0:0:0:0:0:1", port)], inherited)
    assert len(pairs) == 1


BAD = "the sockets of the service manager are not those of listen.dns: "


@pytest.mark.parametrize(
    ("handed", "told"),
    [
        ([(HOST, UDP)], "{host}:{port} (TCP) is not among them"),
        ([(HOST, TCP)], "{host}:{port} (UDP) is not among them"),
        (
            [(HOST, UDP), (HOST, TCP), (OTHER, TCP)],
            "{other}:{port} (TCP) (dns) is not in the file",
        ),
        (
            [(OTHER, UDP)],
            (
                "{other}:{port} (UDP) (dns) is not in the file; "
                "{host}:{port} (UDP) is not among them; {host}:{port} (TCP) is not among them"
            ),
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(opened, handed, told):
    port = free_port(HOST, OTHER)
    inherited = [opened(host, port, kind) for host, kind in handed]
    with pytest.raises(ListenError) as raised:
        pair_inherited([Endpoint(HOST, port)], inherited)
    assert str(raised.value) == BAD + told.format(host=HOST, other=OTHER, port=port)


def test_a_socket_that_is_there_twice(opened):
    port = free_port(HOST)
    one, tcp = opened(HOST, port, UDP), opened(HOST, port, TCP)
    with pytest.raises(ListenError, match=r"\(UDP\) \(dns\) is there twice"):
        pair_inherited([Endpoint(HOST, port)], [one, one, tcp])


def test_a_tcp_socket_that_does_not_listen(opened):
    port = free_port(HOST)
    inherited = [opened(HOST, port, UDP), opened(HOST, port, TCP, listens=False)]
    with pytest.raises(ListenError, match=r"\(TCP\) \(dns\) does not listen"):
        pair_inherited([Endpoint(HOST, port)], inherited)


def test_an_ipv6_socket_that_takes_ipv4(opened):
    port = free_port("127.0.0.1")
    inherited = [opened("::", port, kind, v6only=False) for kind in (UDP, TCP)]
    with pytest.raises(ListenError, match="set BindIPv6Only=ipv6-only"):
        pair_inherited([Endpoint("::", port)], inherited)


def test_a_socket_of_another_family(tmp_path):
    with socket.socket(socket.AF_UNIX, UDP) as one:
        one.bind(str(tmp_path / "s"))
        with pytest.raises(ListenError, match=r"s' \(AF_UNIX\) \(dns\) is not in the file"):
            pair_inherited([], [Inherited(one, "dns")])


# ---------------------------------------------------------------- the variables


def test_nothing_is_taken_that_is_for_somebody_else():
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "HOME": "/"}
    assert take_inherited(environ, 2) == []
    assert environ == {"HOME": "/"}


def test_nothing_is_taken_where_nothing_is_said():
    assert take_inherited({}, 2) == []


@pytest.mark.parametrize("count", ["", "two", "-1", "1025", "\u0662"])
def test_variables_that_make_no_sense(count):
    with pytest.raises(ListenError, match="not a number of sockets"):
        take_inherited({"LISTEN_PID": "2", "LISTEN_FDS": count}, 2)


def test_a_descriptor_that_is_no_socket(tmp_path, monkeypatch):
    with (tmp_path / "file").open("w") as file:
        monkeypatch.setattr("gslb.server.inherited.FIRST", file.fileno())
        with pytest.raises(ListenError, match=r"descriptor \d+ \(dns\) is not a socket"):
            take_inherited({"LISTEN_PID": "2", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "dns"}, 2)


def test_descriptors_are_taken_with_their_names_and_go_to_nobody_else(opened, monkeypatch):
    made = opened(HOST, free_port(HOST), UDP).socket
    number = os.dup(made.fileno())
    os.set_inheritable(number, True)
    monkeypatch.setattr("gslb.server.inherited.FIRST", number)
    (one,) = take_inherited({"LISTEN_PID": "2", "LISTEN_FDS": "1"}, 2)
    with one.socket:
        assert one.name == "unknown"
        assert one.socket.getsockname() == made.getsockname()
        assert not one.socket.getblocking()
        assert not os.get_inheritable(number)


def test_the_first_descriptor_is_the_protocols():
    assert FIRST == 3
