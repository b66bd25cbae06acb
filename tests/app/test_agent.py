"""Probe agents; the module's laws bear their numbers. Those in processes of their own come last."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gslb.app import reload
from gslb.app.agent import ProbeAgent, identify, load_assignment
from gslb.config.load import load
from gslb.errors import ConfigError, StoreError
from gslb.model.report import Report
from gslb.store.envelope import unseal
from gslb.store.memory import MemoryStore
from gslb.store.signing import compose_public_key, load_key, make_key
from tests.app.agents import AgentFiles, listening, probing
from tests.app.world import ROOT, until, wait_for
from tests.redis_servers import Server, running

HOSTS = ("127.0.1.1", "127.0.2.1", "127.0.3.1")


@pytest.fixture
def files(tmp_path: Path) -> AgentFiles:
    return AgentFiles(tmp_path)


# ---------------------------------------------------------------- in this process


class WatchedStore(MemoryStore):
    """Hangs on demand, and keeps all that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[bytes] = []
        self.tries = self.at_once = self.most_at_once = 0
        self.free = asyncio.Event()
        self.free.set()

    async def put_report(self, agent: str, octets: bytes) -> None:
        self.tries += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.free.wait()
            await super().put_report(agent, octets)
            self.taken.append(octets)
        finally:
            self.at_once -= 1


class World:
    """An agent at work, its store and its files."""

    def __init__(self, files: AgentFiles, name: str) -> None:
        self.files = files
        self.name = name
        self.store = WatchedStore()
        self.first = load_assignment(files.main)
        identity = identify(self.first, name, files.key(name))
        self.agent = ProbeAgent(self.first, identity, self.store)

    def reports(self) -> list[Report]:
        """All that were taken, verified."""
        declared = self.first.system.agents[self.name]
        return [unseal(octets, declared) for octets in self.store.taken]

    def states(self) -> dict[str, bool | None]:
        """What the last one says."""
        reports = self.reports()
        return {name: site.up for name, site in reports[-1].sites.items()} if reports else {}

    async def reload(self) -> bool:
        return await self.agent.reloader.reload()


def run(
    files: AgentFiles, script: Callable[[World], Awaitable[None]], *, name: str = "fra"
) -> World:
    """Runs a script while an agent probes; the agent must end by itself when it is told to."""
    world: World

    async def main() -> None:
        nonlocal world
        world = World(files, name)
        task = asyncio.create_task(world.agent.run())
        try:
            await script(world)
        finally:
            world.agent.stop()
            async with asyncio.timeout(5):
                await task

    asyncio.run(main())
    return world


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, object]]]:
    names = ("gslb.app.agent", "gslb.probe.prober")
    ours = [one for one in caplog.records if one.name in names]
    return [(one.getMessage(), getattr(one, "gslb_fields", {})) for one in ours]


@pytest.mark.parametrize(("name", "given"), [("fra", {"eu", "us"}), ("iad", {"us"})])
def test_reports_are_signed_and_tell_of_the_sites_it_was_given(files, name: str, given: set[str]):
    async def script(world: World) -> None:
        await until(lambda: True in world.states().values())
        last = world.reports()[-1]
        assert (last.agent, last.sites.keys()) == (name, given)

    with listening(*HOSTS) as files.port:
        files.write()
        run(files, script, name=name)


def test_the_store_is_closed_at_the_end(files):
    async def script(world: World) -> None:
        await until(lambda: world.store.taken)

    world = run(files, script)
    with pytest.raises(StoreError):
        asyncio.run(world.store.read(()))


def test_law_1_a_store_that_hangs_gets_one_report_at_a_time_and_then_the_newest(files, caplog):
    async def script(world: World) -> None:
        await until(lambda: world.store.taken)
        world.store.free.clear()
        taken, tries = len(world.store.taken), world.store.tries
        await until(lambda: world.store.tries >= tries + 3)  # given up twice
        newest = world.agent.prober._sequence
        world.store.free.set()
        await until(lambda: len(world.store.taken) > taken)
        assert world.reports()[taken].sequence >= newest
        assert world.store.most_at_once == 1
        await until(lambda: told(caplog)[-1][0] == "reports are stored again")

    files.timeout_s = 0.05
    files.write()
    with caplog.at_level(logging.INFO, logger="gslb"):
        run(files, script)
    assert [event for event, _ in told(caplog) if "stored" in event] == [
        "reports are not stored",
        "reports are stored again",
    ]


def test_law_1_checks_go_on_while_the_store_hangs(files):
    async def script(world: World) -> None:
        await until(lambda: world.states() == {"eu": True, "us": True})
        world.store.free.clear()
        files.port = 1
        files.write()
        assert await world.reload()
        watch = world.agent.prober._sites["eu"]
        await until(lambda: watch.report.up is False)
        world.store.free.set()
        await until(lambda: world.states()["eu"] is False)

    files.timeout_s = 60.0
    with listening(*HOSTS) as files.port:
        files.write()
        run(files, script)


def test_a_report_that_no_store_takes_is_told_and_the_agent_goes_on(files, monkeypatch, caplog):
    async def script(world: World) -> None:
        await until(lambda: world.store.taken)
        monkeypatch.setattr("gslb.store.envelope.MAX_OCTETS", 100)
        await until(lambda: any("not stored" in event for event, _ in told(caplog)))
        monkeypatch.undo()
        taken = len(world.store.taken)
        await until(lambda: len(world.store.taken) > taken)

    run(files, script)
    assert "at most 100 are allowed" in str([record.__dict__ for record in caplog.records])


def test_law_2_a_reload_swaps_sites_checks_and_canaries(files):
    async def script(world: World) -> None:
        await until(lambda: world.states() == {"eu": False, "us": False})
        assert world.reports()[-1].canaries == (0, 0)
        files.port = port
        canary = f"{{tcp: {{port: {port}, address: 127.0.1.1}}, interval_s: 0.2}}"
        files.write(
            "  ap: {addresses: [127.0.3.1], check: *tcp}\n"
            f"health: {{canaries: [{canary}, {canary.replace('.1.1', '.4.1')}]}}\n"
        )
        assert await world.reload()
        await until(lambda: world.states() == {"eu": True, "us": True, "ap": True})
        await until(lambda: world.reports()[-1].canaries == (1, 2))

    with listening(*HOSTS) as port:
        run(files, script)


def test_law_2_a_reload_swaps_what_the_agent_was_given(files):
    async def script(world: World) -> None:
        await until(lambda: world.states().keys() == {"us"})
        files.agents["iad"]["sites"] = ["eu"]
        files.write()
        assert await world.reload()
        await until(lambda: world.states().keys() == {"eu"})

    run(files, script, name="iad")


def test_law_2_a_bad_file_changes_nothing(files, caplog):
    async def script(world: World) -> None:
        await until(lambda: world.store.taken)
        files.write("foo: 1\n")
        assert not await world.reload()
        taken = len(world.store.taken)
        await until(lambda: len(world.store.taken) > taken)
        assert len({report.boot for report in world.reports()}) == 1
        assert world.states().keys() == {"eu", "us"}

    run(files, script)
    (refused,) = [one for one in caplog.records if one.name == "gslb.app.reload"]
    assert refused.gslb_fields["problem"].startswith(f"{files.main}:")


def test_law_2_what_needs_a_restart_is_said(files, caplog):
    async def script(world: World) -> None:
        files.store, files.timeout_s = "redis://127.0.0.1:2", 9.0
        files.agents["fra"]["public_key"] = [
            files.agents["fra"]["public_key"],
            files.make_key("fra"),
        ]
        files.write("log: {level: debug}\n")
        assert await world.reload()

    run(files, script)
    keys = [fields["key"] for event, fields in told(caplog) if event.startswith("needs a restart")]
    assert keys == ["store", "redis", "log", str(files.key("fra"))]


def test_law_2_a_key_file_that_is_gone_is_said_and_the_agent_goes_on(files, caplog):
    async def script(world: World) -> None:
        files.key("fra").unlink()
        assert await world.reload()
        taken = len(world.store.taken)
        await until(lambda: len(world.store.taken) > taken)

    run(files, script)
    ((event, fields),) = [line for line in told(caplog) if "key file" in line[0]]
    assert event == "key file cannot be used at the next start"
    assert fields["problem"] == f"{files.key('fra')}: cannot be read: No such file or directory"


def test_law_3_an_agent_that_is_no_longer_declared_goes_on_and_says_so(files, caplog):
    async def script(world: World) -> None:
        del files.agents["iad"]
        files.write("  ap: {addresses: [127.0.3.1], check: *tcp}\n")
        assert await world.reload()
        taken = len(world.store.taken)
        await until(lambda: len(world.store.taken) > taken)
        assert world.states().keys() == {"us"}  # what it was given last

    run(files, script, name="iad")
    warned = [line for line in told(caplog) if "declared" in line[0]]
    assert warned == [("no longer declared, reports will not count", {"agent": "iad"})]


def test_law_3_a_key_that_is_no_longer_declared_is_said(files, caplog):
    own = files.agents["fra"]["public_key"]

    async def script(world: World) -> None:
        files.agents["fra"]["public_key"] = make_key()[1]
        files.write()
        assert await world.reload()
        await until(lambda: world.store.taken)

    run(files, script)
    warned = [line for line in told(caplog) if "declared" in line[0]]
    assert warned == [("key is no longer declared, reports will not count", {"public_key": own})]


def test_changed_files_are_taken_up_by_themselves(files, monkeypatch):
    monkeypatch.setattr(reload, "TICK_S", 0.02)

    async def script(world: World) -> None:
        await until(lambda: world.states().keys() == {"eu", "us"})
        files.write("  ap: {addresses: [127.0.3.1], check: *tcp}\n")
        await until(lambda: world.states().keys() == {"eu", "us", "ap"})

    run(files, script)


# ---------------------------------------------------------------- what keeps it from starting

NO_STORE = (
    "memory is inside one process; an agent needs one that name servers can read, "
    "such as redis://192.0.2.1:6379"
)


def why_not(files: AgentFiles, name: str, key_file: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as found:
        identify(load_assignment(files.main), name, key_file or files.key(name))
    return str(found.value).splitlines()


def test_an_undeclared_agent_does_not_start(files):
    assert why_not(files, "lon") == [f"{files.main}: agents: there is no lon; declared: fra, iad"]
    files.agents = {}
    files.store = "memory"
    files.write()
    assert why_not(files, "lon") == [
        f"{files.main}: agents: there is no lon; declared: none",
        f"{files.main}: store: {NO_STORE}",
    ]


def test_an_agent_without_its_key_does_not_start(files):
    files.key("fra").unlink()
    assert why_not(files, "fra") == [
        f"{files.key('fra')}: cannot be read: No such file or directory"
    ]


def test_an_agent_whose_key_others_may_read_does_not_start(files):
    files.key("fra").chmod(0o640)
    (line,) = why_not(files, "fra")
    assert line.startswith(f"{files.key('fra')}: may be used by others (mode 0640); do: chmod 600 ")


def test_an_agent_with_another_ones_key_does_not_start(files):
    own, other = (files.agents[name]["public_key"] for name in ("fra", "iad"))
    (line,) = why_not(files, "fra", files.key("iad"))
    path = f"{files.main}: agents.fra.public_key"
    assert line == f"{path}: {files.key('iad')} belongs to {other}; declared: {own}"


def test_a_store_in_memory_stops_the_start_of_an_agent(files):
    files.store = "memory"
    files.agents["fra"] = {}
    files.write()
    own = compose_public_key(load_key(files.key("fra")))
    path = f"{files.main}: agents.fra.public_key"
    assert why_not(files, "fra") == [
        f"{path}: {files.key('fra')} belongs to {own}; declared: none",
        f"{files.main}: store: {NO_STORE}",
    ]


def test_what_keeps_an_agent_from_starting_is_a_line_each_and_status_1(files):
    files.store = "memory"
    files.write()
    files.key("fra").unlink()
    command = [sys.executable, "-m", "gslb", "probe", str(files.main), "--agent", "fra"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines() == [
        f"gslb: {files.key('fra')}: cannot be read: No such file or directory",
        f"gslb: {files.main}: store: {NO_STORE}",
    ]


# ---------------------------------------------------------------- processes and a real Redis


@pytest.fixture
def redis(files: AgentFiles, tmp_path: Path) -> Iterator[Server]:
    """A server that the files name, with a password in its URL that must not be shown."""
    with running(tmp_path) as server:
        with server.client() as client:
            client.execute_command("ACL", "SETUSER", "agent", "on", ">secret", "~*", "&*", "+@all")
        files.store = server.url.replace("://", "://agent:secret@")
        files.write()
        yield server


class Reader:
    """Reads what agents left in a Redis, as a name server would."""

    def __init__(self, server: Server, files: AgentFiles) -> None:
        self._client = server.client()
        self._agents = load(files.main).system.agents

    def maybe_report(self, name: str) -> Report | None:
        octets = self._client.get(f"{{gslb}}:report:{name}")
        return None if octets is None else unseal(octets, self._agents[name])

    def states(self, name: str) -> dict[str, bool | None]:
        report = self.maybe_report(name)
        return {} if report is None else {key: site.up for key, site in report.sites.items()}


@contextmanager
def reading(server: Server, files: AgentFiles) -> Iterator[Reader]:
    reader = Reader(server, files)
    try:
        yield reader
    finally:
        reader._client.close()


def test_two_agents_report_into_a_redis_and_their_last_reports_stay(files, redis):
    with (
        listening(*HOSTS) as files.port,
        probing(_written(files), "fra") as fra,
        probing(files.main, "iad") as iad,
        reading(redis, files) as reader,
    ):
        wait_for(lambda: reader.states("fra") == {"eu": True, "us": True})
        wait_for(lambda: reader.states("iad") == {"us": True})
        (line,) = fra.log("probing")
        assert line["store"] == redis.url.replace("://", "://agent:***@")
        assert (line["agent"], line["sites"], line["canaries"]) == ("fra", 2, 0)
        assert line["public_key"] == files.agents["fra"]["public_key"]
        assert fra.stop() == 0
        assert iad.stop(signal.SIGINT) == 0
        assert [agent.log()[-1]["event"] for agent in (fra, iad)] == ["stopped", "stopped"]
        assert "secret" not in json.dumps(fra.log())
        last = reader.maybe_report("fra")
        assert last is not None  # law 4
        assert last.sites["eu"].up is True
    assert wait_for(lambda: not redis_clients(redis))


def _written(files: AgentFiles) -> Path:
    files.write()
    return files.main


def redis_clients(server: Server) -> list[dict[str, str]]:
    """Connections of agents."""
    with server.client() as client:
        return [one for one in client.client_list() if one["user"] == "agent"]


def test_a_redis_that_hangs_is_told_once_and_found_again(files, redis):
    with probing(files.main, "fra") as agent, reading(redis, files) as reader:
        wait_for(lambda: reader.maybe_report("fra"))
        redis.pause()
        wait_for(lambda: agent.log("reports are not stored"))
        before = time.time()
        redis.resume()
        wait_for(lambda: agent.log("reports are stored again"))
        wait_for(lambda: reader.maybe_report("fra").at > before)
        redis.kill()
        wait_for(lambda: len(agent.log("reports are not stored")) == 2)
        assert len(agent.log("reports are stored again")) == 1
        assert agent.stop() == 0


def test_an_agent_ends_at_once_while_redis_hangs(files, redis):
    files.timeout_s = 30.0
    files.write()
    with probing(files.main, "fra") as agent, reading(redis, files) as reader:
        wait_for(lambda: reader.maybe_report("fra"))
        redis.pause()
        assert agent.stop(within_s=5.0) == 0
        assert agent.log()[-1]["event"] == "stopped"


def test_an_agent_starts_while_redis_is_away(files, redis):
    redis.kill()
    with probing(files.main, "fra") as agent:
        wait_for(lambda: agent.log("reports are not stored"))
        redis.start()
        with redis.client() as client:
            client.execute_command("ACL", "SETUSER", "agent", "on", ">secret", "~*", "&*", "+@all")
        wait_for(lambda: agent.log("reports are stored again"))


def test_sighup_reloads_and_a_bad_file_changes_nothing(files, redis):
    with probing(files.main, "fra") as agent, reading(redis, files) as reader:
        wait_for(lambda: reader.states("fra").keys() == {"eu", "us"})
        files.write("foo: 1\n")
        agent.send(signal.SIGHUP)
        (line,) = wait_for(lambda: agent.log("reload refused"))
        assert ": foo: unknown key" in line["problem"]
        files.write("  ap: {addresses: [127.0.3.1], check: *tcp}\n")
        agent.send(signal.SIGHUP)
        wait_for(lambda: reader.states("fra").keys() == {"eu", "us", "ap"})
        assert [line["digest"] for line in agent.log("reloaded")] == [
            load(files.main).system.digest
        ]
        assert agent.stop() == 0


def test_the_user_of_the_environment_beats_that_of_the_configuration(files, redis, tmp_path):
    (tmp_path / "password").write_text("other\n")
    with redis.client() as client:
        client.execute_command("ACL", "SETUSER", "other", "on", ">other", "~*", "&*", "+@all")
    environ = {
        "GSLB_REDIS_USERNAME": "other",
        "GSLB_REDIS_PASSWORD_FILE": str(tmp_path / "password"),
    }
    with probing(files.main, "fra", **environ), reading(redis, files) as reader:
        wait_for(lambda: reader.maybe_report("fra"))
        assert redis_clients(redis) == []
