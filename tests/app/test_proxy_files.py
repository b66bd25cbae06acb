"""What a proxy is made of: the files, plans that go to workers, and sockets."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from gslb.app.proxy_files import load_proxies
from gslb.app.proxy_front import Plan, dump_plan, load_plan, mode_of
from gslb.app.proxy_sockets import Listening, count_workers
from gslb.balance.words import Mode
from gslb.errors import ConfigError, ListenError
from gslb.model.endpoint import Endpoint
from gslb.model.order import Order, OrderKind
from tests.app.proxy_world import ProxyFiles
from tests.ports import free_port

HOST = "127.0.9.31"


@pytest.fixture
def files(tmp_path: Path) -> ProxyFiles:
    return ProxyFiles(tmp_path)


def test_a_log_beside_the_files_is_no_change_of_them(files):
    loaded = load_proxies(files.main)
    (files.folder / "access.log").write_text("{}\n")
    assert loaded.is_same(loaded.load_again())
    files.workers = 2
    files.write()
    assert not loaded.is_same(loaded.load_again())


def test_a_key_that_cannot_be_read_or_used_is_the_operators_fault(files):
    key = files.folder / "jwt.pub"
    beta = f"{{name: beta, jwt: {{key: {key}, claims: {{plan: beta}}}}, pool: web}}"
    files.main.write_text(files.main.read_text().replace("{name: d", f"{beta}, {{name: d"))
    with pytest.raises(ConfigError, match="there is no such file"):
        load_proxies(files.main)
    key.write_text("no key")
    with pytest.raises(ConfigError, match=r"proxies.eu.routes: .*jwt.pub"):
        load_proxies(files.main)


def test_a_plan_comes_through_a_pipe_as_it_was(files):
    proxy = load_proxies(files.main).proxies["eu"]
    plan = Plan(proxy, {"/k": b"\0\xff"}, b"secret", workers=3, generation="7")
    assert load_plan(dump_plan(plan)) == plan
    assert "secret" not in repr(replace(plan, store="redis://:secret@h"))


@pytest.mark.parametrize("kind", [kind for kind in OrderKind if kind is not OrderKind.NONE])
def test_every_kind_of_order_is_a_mode(kind):
    assert mode_of(Order("web/a", kind, 1)).value == kind.value


def test_without_an_order_checks_decide():
    assert mode_of(None) is Mode.READY


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_each_worker_has_a_socket_of_each_address_and_none_is_left_open():
    before = descriptors()
    one, other = (Endpoint(HOST, free_port(HOST)) for _ in range(2))
    listening = Listening([one, other], 2)
    assert [sock.getsockname()[1] for sock in listening.of([other, one], 1)] == [
        other.port,
        one.port,
    ]
    assert listening.of([one], 0)[0] is not listening.of([one], 1)[0]
    kept = listening.of([one], 0)[0]
    listening.listen([one])
    assert listening.of([one], 0)[0] is kept
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, other.port))
    listening.close()
    assert descriptors() == before


def test_addresses_that_cannot_be_had_change_nothing():
    one = Endpoint(HOST, free_port(HOST))
    listening = Listening([one], 1)
    with socket.create_server((HOST, 0)) as taken:
        before = descriptors()
        with pytest.raises(ListenError, match="address already in use"):
            listening.listen([one, Endpoint(HOST, taken.getsockname()[1])])
        assert descriptors() == before
    socket.create_connection((HOST, one.port)).close()
    listening.close()


def test_sockets_of_the_process_before_are_taken_and_more_workers_get_more():
    one = Endpoint(HOST, free_port(HOST))
    with socket.create_server((HOST, one.port)) as old:
        inherited = {str(one): [old.dup()], "127.0.9.31:1": [socket.socket()]}
        listening = Listening([one], 2, inherited)
        assert len(listening.all()[str(one)]) == 2
        assert list(listening.all()) == [str(one)]
        listening.close()


@pytest.mark.parametrize(
    ("inherited", "workers", "expected"), [({}, 2, 2), ({"a": [1, 2, 3]}, 1, 3), ({"a": [1]}, 4, 4)]
)
def test_there_is_a_worker_for_every_socket(inherited, workers, expected):
    assert count_workers(inherited, workers) == expected
