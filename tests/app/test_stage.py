import asyncio
import logging
import shutil
import socket
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
import redis

import gslb
from gslb.app.assemble import assemble
from gslb.app.client import Client
from gslb.app.events import collect_events
from gslb.app.stage import Props, backend_endpoints, example_file, fit, open_stage
from gslb.errors import ListenError
from gslb.model.check import Check, HttpCheck, TcpCheck
from gslb.model.endpoint import Endpoint
from gslb.model.service import Site
from gslb.store.signing import make_key
from gslb.telemetry.logs import get_logger
from tests.app.example import ROOT, write_example
from tests.app.world import until


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
    web = Check((HttpCheck(8080),))
    sites = [
        site("loopback", "::1", "127.0.1.1", check=web),
        site("elsewhere", "192.0.2.1", check=web),
        site("tcp", "127.0.2.1", check=Check((TcpCheck(80),))),
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
    fitted = fit(assembled, Props({})).system
    assert (fitted.dns, fitted.workers) == ((ipv4,), 1)


# ---------------------------------------------------------------- agents


def on_stage(path, act, *, has_redis=False):
    async def run():
        async with open_stage(path, has_redis=has_redis) as stage:
            return await act(stage)

    return asyncio.run(run())


def health(stage):
    return stage.server.node.health


async def until_all_are_up(stage):
    await until(lambda: all(one.up for one in health(stage).sites.values()))


def test_law_3_three_agents_of_its_own_are_heard_through_the_store(tmp_path):
    path, _ = write_example(tmp_path)

    async def act(stage):
        await until(lambda: all(one.has_vote for one in health(stage).agents.values()))
        await until_all_are_up(stage)
        status = stage.server.insight.status()
        held = await stage.server.store.read(list(stage.agents))
        return status, held.reports

    status, reports = on_stage(path, act)
    assert list(status["agents"]) == list(reports) == ["fra", "iad", "sin"]
    assert {site: set(told["agents"]) for site, told in status["sites"].items()} == {
        site: set(reports) for site in ("eu-west", "us-east", "ap-south")
    }
    assert (status["store"]["kind"], status["own_probes"], status["drops"]) == (
        "memory",
        "idle",
        [],
    )


def test_law_3_agents_that_are_declared_are_the_only_ones(tmp_path):
    path, _ = write_example(tmp_path)
    _, public_key = make_key()
    path.write_text(path.read_text() + f"agents: {{ber: {{public_key: {public_key}}}}}\n")

    async def act(stage):
        return dict(stage.agents), dict(stage.system.agents)

    own, declared = on_stage(path, act)
    assert (own, list(declared)) == ({}, ["ber"])


def test_law_4_a_reload_keeps_agents_and_store_and_is_silent_about_them(tmp_path):
    path, _ = write_example(tmp_path)

    async def act(stage):
        await until_all_are_up(stage)
        path.write_text(path.read_text().replace("ap-south:", "sa-east:", 1))
        for zone in (path.parent / "zones").glob("*.yaml"):
            zone.write_text(zone.read_text().replace("ap-south", "sa-east"))
        assert await stage.server.reloader.reload()
        await until(lambda: "sa-east" in health(stage).sites and health(stage).of("sa-east").up)
        await until(lambda: len(stage.server.insight.status()["sites"]["sa-east"]["agents"]) == 3)
        return stage.server.insight.status()

    with collect_events() as events:
        status = on_stage(path, act, has_redis=shutil.which("redis-server") is not None)
    assert {*status["sites"]["sa-east"]["agents"]} == {"fra", "iad", "sin"}
    assert status["store"]["is_connected"]
    assert [line for line in events.lines if "restart" in line or "error" in line] == []
    assert any("reloaded" in line for line in events.lines)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_with_redis_everything_goes_through_one_of_its_own(tmp_path, monkeypatch):
    path, _ = write_example(tmp_path)
    monkeypatch.setenv("GSLB_REDIS_USERNAME", "somebody else's")

    async def act(stage):
        await until_all_are_up(stage)
        with redis.Redis.from_url(stage.redis.url, protocol=2) as client:
            names = {key.decode() for key in client.scan_iter()}
        return stage.server.insight.status()["store"], names, stage.redis

    store, names, server = on_stage(path, act, has_redis=True)
    assert (store["kind"], store["is_connected"]) == ("redis", True)
    assert store["target"] == f"redis://:***@127.0.0.1:{server.port}/0"
    assert {f"{{gslb}}:report:{name}" for name in ("fra", "iad", "sin")} <= names
    assert not server.is_running


# ---------------------------------------------------------------- beginning and end


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


def test_law_5_a_stage_that_is_cancelled_closes_everything(tmp_path):
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


def test_law_5_a_backend_port_in_use_is_told_and_leaves_nothing_open(tmp_path):
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
