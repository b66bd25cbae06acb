import asyncio
import logging
import socket
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

import gslb
from gslb.app.assemble import assemble
from gslb.app.client import Client
from gslb.app.events import collect_events
from gslb.app.stage import backend_endpoints, example_file, fit, open_stage
from gslb.errors import ListenError
from gslb.model.check import Check, HttpCheck, TcpCheck
from gslb.model.service import Site
from gslb.model.system import Endpoint
from gslb.telemetry.logs import get_logger
from tests.app.example import ROOT, write_example


def test_the_example_is_that_of_the_checkout():
    assert example_file() == ROOT / "zones" / "gslb.yaml"


def test_the_example_of_an_installation_comes_with_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(gslb, "__file__", str(tmp_path / "gslb" / "__init__.py"))
    installed = tmp_path / "gslb" / "data" / "example" / "gslb.yaml"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert example_file() == installed
    assert '"zones" = "gslb/data/example"' in Path(ROOT / "pyproject.toml").read_text()


def site(name, *addresses, check):
    return Site(name, tuple(map(ip_address, addresses)), check=check)


def test_law_2_sites_with_an_http_check_on_loopback_get_a_backend():
    web = Check(HttpCheck(8080))
    sites = [
        site("loopback", "::1", "127.0.1.1", check=web),
        site("elsewhere", "192.0.2.1", check=web),
        site("tcp", "127.0.2.1", check=Check(TcpCheck(80))),
        site("unchecked", "127.0.3.1", check=None),
    ]
    assert backend_endpoints({one.name: one for one in sites}) == {
        "loopback": Endpoint("127.0.1.1", 8080)
    }


def test_law_1_one_process_and_only_the_families_that_the_machine_has(monkeypatch, tmp_path):
    path, _ = write_example(tmp_path)
    assembled = assemble(path)
    ipv4, ipv6 = Endpoint("127.0.0.1", 5300), Endpoint("::1", 5300)
    system = replace(assembled.system, dns=(ipv4, ipv6), workers=2)
    assembled = replace(assembled, configuration=replace(assembled.configuration, system=system))

    class NoIpv6(socket.socket):
        def __init__(self, family=socket.AF_INET, *rest):
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *rest)

    monkeypatch.setattr("gslb.app.stage.socket.socket", NoIpv6)
    assert (fit(assembled).system.dns, fit(assembled).system.workers) == ((ipv4,), 1)


def test_a_stage_answers_and_is_gone_afterwards(tmp_path):
    path, ports = write_example(tmp_path)

    async def run():
        async with open_stage(path) as stage:
            reply = await Client(stage.dns).ask("mail.gslb.shop.example")
            assert reply.data == ("192.0.2.25",)
            assert {name: one.is_running for name, one in stage.backends.items()} == {
                "eu-west": True,
                "us-east": True,
                "ap-south": True,
            }
        assert not any(backend.is_running for backend in stage.backends.values())
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())
    for host, port in (("127.0.0.1", ports.dns), ("127.0.0.1", ports.admin)):
        socket.create_server((host, port)).close()


def test_law_3_a_stage_that_is_cancelled_closes_everything(tmp_path):
    path, ports = write_example(tmp_path)

    async def run():
        entered = asyncio.Event()

        async def act():
            async with open_stage(path):
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.ensure_future(act())
        await entered.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())
    for host, port in (("127.0.0.1", ports.dns), ("127.0.1.1", ports.web)):
        socket.create_server((host, port)).close()


def test_law_3_a_backend_port_in_use_is_told_and_leaves_nothing_open(tmp_path):
    path, ports = write_example(tmp_path)

    async def run():
        async with open_stage(path):
            pytest.fail("it cannot be set up")

    with (
        socket.create_server(("127.0.3.1", ports.web)),
        pytest.raises(ListenError, match=rf"cannot listen on 127\.0\.3\.1:{ports.web} \(TCP\)"),
    ):
        asyncio.run(run())
    for host in ("127.0.1.1", "127.0.2.1"):
        socket.create_server((host, ports.web)).close()


def test_events_are_collected_instead_of_written(capsys):
    log, told = get_logger("gslb.app.x"), []
    level = logging.getLogger("gslb").level
    with collect_events(told.append) as events:
        log.debug("too small")
        log.info("site changed", site="eu", reason="checks pass")
        log.warning("alert", text="x")
    log.info("afterwards")
    assert [line[9:] for line in events.lines] == [
        'site changed site=eu reason="checks pass"',
        "warning: alert text=x",
    ]
    assert told == list(events.lines)
    assert logging.getLogger("gslb").level == level
    assert capsys.readouterr() == ("", "")
