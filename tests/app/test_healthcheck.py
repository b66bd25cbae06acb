"""What is asked, against servers that misbehave by script."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from gslb.app.healthcheck import Asked, ask_all, judge_health_answer, plan, reach
from gslb.config.outline import ListenerOutline, Outline, ProxyOutline
from gslb.model.endpoint import Endpoint
from tests.ports import free_port

HOST = "127.0.9.21"
ZONES = ("a.test", "b.test")
TIMEOUT_S = 0.5
SOA = "ns.test. hostmaster.test. 1 7200 900 1209600 30"


def answer(octets: bytes, rcode: int = 0) -> bytes:
    """A right answer, but for its RCODE."""
    reply = dns.message.make_response(dns.message.from_wire(octets))
    reply.flags |= dns.flags.AA
    reply.answer.append(dns.rrset.from_text(reply.question[0].name, 60, "IN", "SOA", SOA))
    reply.set_rcode(rcode)
    return reply.to_wire()


Udp = Callable[[bytes, int], list[bytes]]
"""From a query and how many came before it: what is sent back."""


def well(octets: bytes, _number: int) -> list[bytes]:
    return [answer(octets)]


@contextmanager
def name_server(udp: Udp, tcp: Udp = well) -> Iterator[Outline]:
    """A server that follows its scripts, and the outline that says where it is."""
    port = free_port(HOST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind((HOST, port))
        with socket.create_server((HOST, port)) as listener:
            runs = (lambda: _serve_udp(datagrams, udp), lambda: _serve_tcp(listener, tcp))
            threads = [threading.Thread(target=run) for run in runs]
            for thread in threads:
                thread.start()
            try:
                yield _outline(port)
            finally:
                datagrams.sendto(b"", (HOST, port))
                listener.shutdown(socket.SHUT_RDWR)
                for thread in threads:
                    thread.join()


def _outline(port: int, proxy: ProxyOutline | None = None) -> Outline:
    proxies = {} if proxy is None else {"eu": proxy}
    return Outline((Endpoint(HOST, port),), ZONES, proxies, (Path("gslb.yaml"),))


def _serve_udp(opened: socket.socket, script: Udp) -> None:
    for number in range(1000):
        octets, client = opened.recvfrom(4096)
        if not octets:
            return
        for reply in script(octets, number):
            opened.sendto(reply, client)


def _serve_tcp(listener: socket.socket, script: Udp) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            number = 0
            while size := connection.recv(2):
                octets = connection.recv(struct.unpack("!H", size)[0])
                replies = script(octets, number)
                for reply in replies:
                    connection.sendall(struct.pack("!H", len(reply)) + reply)
                if not replies:
                    break
                number += 1


def problems(outline: Outline) -> dict[str, str]:
    """What was wrong, by transport and zone."""
    asked = ask_all(plan(outline), TIMEOUT_S)
    return {one.what.partition("(")[2]: one.problem for one in asked}


def refused(octets: bytes, _number: int) -> list[bytes]:
    return [answer(octets, dns.rcode.REFUSED)]


def first_is_lost(octets: bytes, number: int) -> list[bytes]:
    return [] if number == 0 else [answer(octets)]


def silent(_octets: bytes, _number: int) -> list[bytes]:
    return []


def others_first(octets: bytes, _number: int) -> list[bytes]:
    """Answers to queries that nobody sent, then the right one."""
    return [b"", b"\0", bytes([octets[0] ^ 1]) + answer(octets)[1:], answer(octets)]


def echo(octets: bytes, _number: int) -> list[bytes]:
    return [octets]


BOTH = {"UDP): a.test": "", "UDP): b.test": "", "TCP): a.test": "", "TCP): b.test": ""}


@pytest.mark.parametrize(
    ("udp", "tcp", "found"),
    [
        (well, well, BOTH),
        (first_is_lost, well, BOTH),
        (others_first, well, BOTH),
        (refused, well, {**BOTH, **dict.fromkeys(list(BOTH)[:2], "answered REFUSED")}),
        (well, refused, {**BOTH, **dict.fromkeys(list(BOTH)[2:], "answered REFUSED")}),
    ],
)
def test_name_server_that_answers(udp, tcp, found):
    with name_server(udp, tcp) as outline:
        assert problems(outline) == found


@pytest.mark.parametrize(
    ("udp", "tcp", "what", "problem"),
    [
        (silent, well, "UDP): a.test", "no answer within 0.5 s"),
        (echo, well, "UDP): a.test", "no answer within 0.5 s"),
        (well, silent, "TCP): a.test", "the connection was closed without an answer"),
        (well, echo, "TCP): a.test", "answered something else"),
    ],
)
def test_name_server_that_does_not_answer(udp, tcp, what, problem):
    with name_server(udp, tcp) as outline:
        assert problems(outline)[what] == problem


def test_name_server_that_is_not_there():
    assert problems(_outline(free_port(HOST))) == {
        "UDP): a.test": "connection refused",
        "TCP)": "connection refused",
    }


def test_the_time_is_for_all_zones_of_a_socket():
    """A second socket is asked at the same time."""
    with name_server(silent) as first, name_server(silent) as second:
        both = replace(first, dns=first.dns + second.dns)
        asked = [one for one in ask_all(plan(both), TIMEOUT_S) if "UDP" in one.what]
    assert [one.problem for one in asked] == ["no answer within 0.5 s"] * 2


@pytest.mark.parametrize(
    ("listens", "reached"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("192.0.2.53", "192.0.2.53"),
        ("2001:db8::53", "2001:db8::53"),
    ],
)
def test_where_an_address_is_reached(listens, reached):
    assert reach(Endpoint(listens, 53)) == (reached, 53)


# ---------------------------------------------------------------- proxies


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nok\n", ""),
        (b"HTTP/1.0 200\r\n\r\n", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\n", "HTTP status 503: draining"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP status 404"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n\x1b[2J", "HTTP status 404"),
        (b"HTTP/1.1 404\r\n\r\n" + b"x" * 200, "HTTP status 404: " + "x" * 80),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP answer"),
        (b"HTTP/1.1", "no HTTP answer"),
        (b"", "no HTTP answer"),
    ],
)
def test_what_is_wrong_with_a_health_answer(octets, problem):
    assert judge_health_answer(octets) == problem


def test_proxy_that_hangs():
    """The kernel accepts for it: a health path is not answered, a TCP listener looks well."""
    port = free_port(HOST)
    web = ListenerOutline(Endpoint(HOST, port))
    tcp = ListenerOutline(Endpoint(HOST, port), is_tcp=True)
    with socket.create_server((HOST, port)):
        asked = ask_all(plan(_outline(port, ProxyOutline((web, tcp), "/healthz")), "eu"), TIMEOUT_S)
    assert asked == [
        Asked(f"{HOST}:{port} (HTTP): /healthz", "no answer within 0.5 s"),
        Asked(f"{HOST}:{port} (TCP)", ""),
    ]


def _hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def test_proxy_that_speaks_no_tls():
    port = free_port(HOST)
    web = ListenerOutline(Endpoint(HOST, port), is_tls=True)
    with socket.create_server((HOST, port)) as listener:
        thread = threading.Thread(target=_hang_up, args=(listener,))
        thread.start()
        (asked,) = ask_all(plan(_outline(port, ProxyOutline((web,), "/healthz")), "eu"), TIMEOUT_S)
        thread.join()
    assert asked.what == f"{HOST}:{port} (HTTPS): /healthz"
    assert asked.problem
