"""`gslb serve` on port 53 as an ordinary user: by an ambient capability, and by sockets that a
service manager has opened.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import dns.message
import dns.query
import pytest

from gslb.store.signing import make_key, write_key
from tests.app.proxy_world import ProxyFiles, backends
from tests.app.world import DEADLINE_S, ROOT, make_query, records, wait_for
from tests.packaging.managed import (
    HOST,
    Manager,
    Served,
    handing,
    serve,
    served,
    sockets,
    write_files,
)
from tests.packaging.ordinary import FILES, as_ordinary_user, need_root_and_tools
from tests.ports import free_port

OTHER = "127.0.9.52"
UNFIT = "gslb: the sockets of the service manager are not those of listen.dns: "
NET_BIND_SERVICE = 1 << 10


# ---------------------------------------------------------------- an ordinary user, port 53


@pytest.fixture
def port_53() -> int:
    need_root_and_tools()
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as trial:
            try:
                trial.bind((HOST, 53))
            except OSError as error:
                pytest.skip(f"port 53 of {HOST} cannot be had: {error}")
    return 53


def assert_ordinary(server: Served, capabilities: int) -> None:
    assert server.status("Uid") == "65534"
    assert {int(server.status(f"Cap{which}"), 16) for which in ("Eff", "Prm", "Bnd")} == {
        capabilities
    }
    assert server.ask() == server.ask(dns.query.tcp) == ["127.0.1.1", "127.0.2.1"]


def test_an_ambient_capability_is_enough_for_port_53(tmp_path, port_53):
    files = write_files(tmp_path, port_53, where=FILES)
    argv = as_ordinary_user(
        tmp_path, "serve", f"{FILES}/gslb.yaml", capabilities="net_bind_service"
    )
    with served(files, port_53, argv) as server:
        assert_ordinary(server, NET_BIND_SERVICE)


def test_inherited_sockets_need_no_capability(tmp_path, port_53):
    files = write_files(tmp_path, port_53, where=FILES)
    argv = as_ordinary_user(tmp_path, "serve", f"{FILES}/gslb.yaml")
    with sockets(HOST, port=port_53) as opened:
        whole, numbers = handing(opened, argv)
        with served(files, port_53, whole, pass_fds=numbers) as server:
            assert_ordinary(server, 0)


def test_neither_is_told_in_one_line(tmp_path, port_53):
    files = write_files(tmp_path, port_53, where=FILES)
    argv = as_ordinary_user(tmp_path, "serve", f"{FILES}/gslb.yaml")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"gslb: cannot listen on {HOST}:{port_53} (UDP): permission denied: run with "
        "CAP_NET_BIND_SERVICE or choose a port above 1023\n"
    )
    assert files.main.exists()


# ---------------------------------------------------------------- inherited sockets


@pytest.fixture
def port() -> int:
    return free_port(HOST)


def test_a_restart_between_two_queries_loses_none(tmp_path, port):
    """The manager keeps the sockets: what comes while nobody runs waits in them."""
    files = write_files(tmp_path, port)
    with (
        sockets(HOST, port=port) as opened,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
    ):
        argv, numbers = handing(opened, serve(files))
        with served(files, port, argv, pass_fds=numbers) as server:
            assert server.ask() == ["127.0.1.1", "127.0.2.1"]
        query = make_query("split.w.test")
        udp.sendto(query.to_wire(), (HOST, port))
        tcp.connect((HOST, port))
        with served(files, port, argv, pass_fds=numbers):
            udp.settimeout(DEADLINE_S)
            assert records(dns.message.from_wire(udp.recv(4096)))
            tcp.settimeout(DEADLINE_S)
            dns.query.send_tcp(tcp, query)
            assert records(dns.query.receive_tcp(tcp)[0])


@pytest.mark.parametrize(
    ("hosts", "strangers", "missing"),
    [([HOST, OTHER], [OTHER], []), ([OTHER], [OTHER], [HOST])],
)
def test_sockets_that_are_not_the_files(tmp_path, port, hosts, strangers, missing):
    files = write_files(tmp_path, port)
    with sockets(*hosts, port=port) as opened:
        argv, numbers = handing(opened, serve(files))
        done = subprocess.run(
            argv, cwd=ROOT, pass_fds=numbers, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    both = ("UDP", "TCP")
    told = [
        f"{one}:{port} ({kind}) (gslb) is not in the file" for one in strangers for kind in both
    ]
    told += [f"{one}:{port} ({kind}) is not among them" for one in missing for kind in both]
    assert done.stderr == f"{UNFIT}{'; '.join(told)}\n"


def test_systemds_own_launcher_is_understood(tmp_path, port):
    """It can open sockets of one kind only, so this ends in the line that says which are missing;
    that they were taken is what is seen.
    """
    program = shutil.which("systemd-socket-activate")
    if program is None:
        pytest.skip("systemd-socket-activate is not installed (systemd)")
    files = write_files(tmp_path, port)
    argv = [program, "--listen", f"{HOST}:{port}", "--fdname", "dns", *serve(files)]
    process = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: _connects(port))
        told = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert told.splitlines()[-1] == f"{UNFIT}{HOST}:{port} (UDP) is not among them"


def _connects(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


# ---------------------------------------------------------------- workers


def test_workers_share_the_inherited_sockets(tmp_path, port):
    """Any of them takes a query, so one that hangs or dies keeps none from being answered."""
    files = write_files(tmp_path, port, workers=2)
    manager = Manager(tmp_path)
    environ = {**os.environ, "NOTIFY_SOCKET": str(manager.path)}
    with sockets(HOST, port=port) as opened:
        argv, numbers = handing(opened, serve(files))
        with served(files, port, argv, pass_fds=numbers, env=environ) as server:
            wait_for(lambda: manager.told() == ["READY=1"], within_s=60)
            first, second = server.children()
            for stopped in (first, second):
                os.kill(stopped, signal.SIGSTOP)
                try:
                    for exchange in (dns.query.udp, dns.query.tcp):
                        assert server.ask(exchange) == ["127.0.1.1", "127.0.2.1"]
                finally:
                    os.kill(stopped, signal.SIGCONT)
            os.kill(first, signal.SIGKILL)
            assert server.ask() == ["127.0.1.1", "127.0.2.1"]
            wait_for(lambda: len(set(server.children()) - {first}) == 2, within_s=60)
            assert server.ask(dns.query.tcp) == ["127.0.1.1", "127.0.2.1"]
    manager.close()


# ---------------------------------------------------------------- what the manager is told


def test_the_manager_hears_of_the_whole_life(tmp_path, port):
    files = write_files(tmp_path, port)
    manager = Manager(tmp_path)
    environ = {
        **os.environ,
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": "100000",
    }
    with served(files, port, serve(files), env=environ) as server:
        wait_for(lambda: manager.told() == ["READY=1"])
        assert server.ask() == ["127.0.1.1", "127.0.2.1"]
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: manager.told() == ["READY=1", "RELOADING=1", "READY=1"])
        files.main.write_text(files.main.read_text() + "wrong: true\n")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: manager.told()[3:] == ["RELOADING=1", "READY=1"])
        beats = manager.beats
        wait_for(lambda: manager.beats > beats + 3)
        server.process.terminate()
        wait_for(lambda: manager.told()[5:] == ["STOPPING=1"])
    manager.close()


def test_the_manager_hears_of_proxies(tmp_path):
    files = ProxyFiles(tmp_path)
    argv = [sys.executable, "-m", "gslb", "proxy", str(files.main)]
    with backends(files.web):
        assert_heard_of(tmp_path, argv)


def test_the_manager_hears_of_agents(tmp_path):
    """Whatever becomes of the store, an agent probes."""
    pem, public_key = make_key()
    write_key(tmp_path / "fra.key", pem)
    main = tmp_path / "gslb.yaml"
    main.write_text(f"store: redis://{OTHER}:1/0\nagents: {{fra: {{public_key: {public_key}}}}}\n")
    argv = [sys.executable, "-m", "gslb", "probe", str(main), "--agent", "fra"]
    assert_heard_of(tmp_path, argv)


def assert_heard_of(folder: Path, argv: list[str]) -> None:
    """That a manager is told when a process serves and when it stops, and that it lives."""
    manager = Manager(folder)
    environ = {**os.environ, "NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "100000"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=environ, stderr=log)
    try:
        wait_for(lambda: manager.told() or process.poll() is not None, within_s=60)
        assert manager.told() == ["READY=1"], (folder / "log").read_text()
        wait_for(lambda: manager.beats > 2)
        process.terminate()
        wait_for(lambda: manager.told() == ["READY=1", "STOPPING=1"])
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
        manager.close()
