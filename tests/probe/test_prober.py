import asyncio
import itertools
import logging
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.app.backends import start_backend
from gslb.errors import StoreError
from gslb.model.check import Check, HttpCheck, TcpCheck
from gslb.model.service import Site
from gslb.probe import prober
from gslb.probe.outcome import Outcome, failed
from gslb.probe.prober import COALESCE_S, HEARTBEAT_S, Clock, Prober, Target, pick_target
from gslb.store.memory import MemoryStore
from tests.probe.servers import LOOPBACK, Script, free_port, serve
from tests.probe.virtual import run_virtually

PASSED = Outcome(ok=True, rtt_ms=1.0)
DEADLINE_S = 5.0
FAST = Check(TcpCheck(1), interval_s=0.05, timeout_s=0.05, fall=3, rise=2)


def site(name="a", check=FAST, address="127.0.0.1"):
    return Site(name, (ip_address(address),), check=check)


def named(*sites):
    return {site.name: site for site in sites}


def tcp(port, **pace):
    return replace(FAST, kind=TcpCheck(port), **pace)


@asynccontextmanager
async def running(prober):
    """A prober that runs, and is cancelled at the end."""
    task = asyncio.create_task(prober.run(), name="prober under test")
    try:
        yield task
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def wait_for(store, condition):
    """The first stored view of the sites that fulfils a condition."""
    seen = 0
    async with asyncio.timeout(DEADLINE_S):
        while True:
            seen = await store.changed(seen)
            for report in await store.snapshot():
                if condition(report.sites):
                    return report


# ---------------------------------------------------------------- over real sockets


def test_a_backend_that_is_killed_is_seen_down_after_fall_checks_and_up_after_rise():
    async def run():
        backend = await start_backend("127.0.0.1", 0, site="a")
        kind = HttpCheck(backend.port, path="/healthz", expect_body="ok")
        store = MemoryStore()
        loop = asyncio.get_running_loop()
        checked = site(check=replace(FAST, kind=kind))
        async with running(Prober(named(checked), store, "ns1", clock=Clock(at=loop.time))):
            report = await wait_for(store, lambda sites: sites["a"].up)
            assert report.sites["a"].rtt_ms > 0
            await backend.stop()
            killed_at = loop.time()
            down = (await wait_for(store, lambda sites: sites["a"].up is False)).sites["a"]
            assert down.reason == "connection refused"
            assert down.since_at - killed_at > 2 * 0.95 * 0.05 - 0.01  # fall checks, not fewer
            await backend.start()
            started_at = loop.time()
            up = (await wait_for(store, lambda sites: sites["a"].up)).sites["a"]
            assert up.since_at - started_at > 1 * 0.95 * 0.05 - 0.01  # rise checks, not fewer
            assert up.reason == ""
        await backend.stop()

    asyncio.run(run())


def test_a_site_that_hangs_delays_no_other_and_is_not_asked_twice_at_once():
    async def run():
        hung, well = Script(hold=True), Script(b"", before_request=True)
        store = MemoryStore()
        async with serve(hung) as hung_port, serve(well) as well_port:
            slow = replace(FAST, kind=HttpCheck(hung_port), timeout_s=60.0)
            sites = named(site("slow", slow), site("well", tcp(well_port)))
            async with running(Prober(sites, store, "ns1")):
                report = await wait_for(store, lambda _: well.connections >= 8)
        assert hung.connections == 1
        assert (report.sites["slow"].up, report.sites["well"].up) == (None, True)

    asyncio.run(run())


def test_a_dead_site_is_down_with_its_first_result():
    async def run():
        store = MemoryStore()
        async with running(Prober(named(site(check=tcp(free_port()))), store, "ns1")):
            report = await wait_for(store, lambda sites: sites["a"].up is not None)
        view = report.sites["a"]
        assert (view.up, view.rtt_ms, view.reason) == (False, None, "connection refused")

    asyncio.run(run())


# ---------------------------------------------------------------- what is asked


@pytest.mark.parametrize(
    ("addresses", "asked"),
    [
        (["192.0.2.1", "192.0.2.2"], "192.0.2.1"),
        (["2001:db8::1", "192.0.2.2", "192.0.2.1"], "192.0.2.2"),
        (["2001:db8::2", "2001:db8::1"], "2001:db8::2"),
    ],
)
def test_the_first_ipv4_address_stands_for_a_site(addresses, asked):
    checked = Site("a", tuple(map(ip_address, addresses)), check=FAST)
    assert pick_target(checked) == Target(ip_address(asked), FAST)


def test_a_site_without_check_or_address_is_not_asked():
    assert pick_target(Site("a", (LOOPBACK,))) is None
    assert pick_target(Site("a", (), check=FAST)) is None


# ---------------------------------------------------------------- in virtual time


class Network:
    """Answers checks instead of the network, and keeps when each address was asked."""

    def __init__(self, answer=None):
        self.asked = []
        self.on_the_way = self.most_on_the_way = 0
        self._answer = answer

    async def __call__(self, check, address):
        loop = asyncio.get_running_loop()
        self.asked.append((loop.time(), str(address), check))
        self.on_the_way += 1
        self.most_on_the_way = max(self.most_on_the_way, self.on_the_way)
        try:
            return PASSED if self._answer is None else await self._answer(check, address)
        finally:
            self.on_the_way -= 1

    def times(self, address="127.0.0.1"):
        return [time for time, asked, _ in self.asked if asked == address]


class Recorder(MemoryStore):
    """A store that keeps all it was given; it fails while `is_broken`."""

    def __init__(self):
        super().__init__()
        self.reports = []
        self.is_broken = False

    async def put(self, report):
        if self.is_broken:
            raise StoreError("the store is away")
        self.reports.append(report)
        await super().put(report)


def probe_virtually(sites, network, *, for_s, draw=lambda: 0.0, meanwhile=None, **options):
    """The reports of a prober that ran for some virtual seconds. meanwhile: a coroutine function
    of (prober, store) that runs beside it.
    """

    async def run():
        loop = asyncio.get_running_loop()
        store = Recorder()
        clock = Clock(at=loop.time, draw=draw)
        probing = Prober(sites, store, "ns1", clock=clock, **options)
        async with running(probing):
            if meanwhile is not None:
                await meanwhile(probing, store)
            await asyncio.sleep(for_s - loop.time())
        return store.reports

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prober, "run_check", network)
        return run_virtually(run())


def after(seconds):
    return asyncio.sleep(seconds - asyncio.get_running_loop().time())


def test_without_jitter_checks_are_one_interval_apart():
    network = Network()
    probe_virtually(named(site(check=replace(FAST, interval_s=2.0))), network, for_s=9.0)
    assert network.times() == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_jitter_only_shortens_the_interval():
    network = Network()
    draws = itertools.cycle([0.0, 0.5, 0.75])
    checked = named(site(check=replace(FAST, interval_s=2.0)))
    probe_virtually(checked, network, for_s=6.0, draw=lambda: next(draws))
    assert network.times() == pytest.approx([0.0, 1.95, 1.95 + 1.925, 1.95 + 1.925 + 2.0])


def test_the_first_round_is_spread_over_a_fifth_of_a_second():
    network = Network()
    draws = iter([0.0, 0.25, 0.5])
    sites = [site(f"s{n}", replace(FAST, interval_s=60.0), f"127.0.0.{n}") for n in (1, 2, 3)]
    probe_virtually(named(*sites), network, for_s=1.0, draw=lambda: next(draws, 0.0))
    assert [time for time, _, _ in network.asked] == pytest.approx([0.0, 0.05, 0.1])


def test_a_check_longer_than_its_interval_is_followed_at_once_and_missed_ones_are_not_made_up():
    async def slow(check, address):
        await asyncio.sleep(5.0 if asyncio.get_running_loop().time() < 5.0 else 0.0)
        return PASSED

    network = Network(slow)
    probe_virtually(named(site(check=replace(FAST, interval_s=2.0))), network, for_s=10.0)
    assert network.times() == [0.0, 5.0, 7.0, 9.0]
    assert network.most_on_the_way == 1


def test_constant_work_a_failing_site_is_asked_as_often_as_a_healthy_one():
    async def fail(check, address):
        return failed("dead")

    sites = named(site(check=replace(FAST, interval_s=2.0)))
    well, dead = Network(), Network(fail)
    probe_virtually(sites, well, for_s=60.0)
    probe_virtually(sites, dead, for_s=60.0)
    assert dead.times() == well.times()


def test_checks_on_the_way_are_bounded():
    async def slow(check, address):
        await asyncio.sleep(0.04)
        return PASSED

    sites = [site(f"s{n}", replace(FAST, interval_s=1.0), f"127.0.0.{n}") for n in range(1, 21)]
    network = Network(slow)
    probe_virtually(named(*sites), network, for_s=0.9, concurrency=3)
    assert network.most_on_the_way == 3
    assert len(network.asked) == 20


@settings(max_examples=60, deadline=None)
@given(
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
    fall=st.integers(1, 4),
    timeout_s=st.sampled_from([0.1, 0.5, 1.0]),
    dies_at=st.floats(5.0, 7.0),
)
def test_a_site_that_dies_is_reported_within_fall_intervals_and_a_timeout(
    draws, fall, timeout_s, dies_at
):
    """The worst case: each check that begins after the death takes the whole timeout."""

    async def mortal(check, address):
        if asyncio.get_running_loop().time() < dies_at:
            return PASSED
        await asyncio.sleep(check.timeout_s)
        return failed("dead")

    chance = itertools.cycle(draws)
    check = Check(TcpCheck(1), interval_s=1.0, timeout_s=timeout_s, fall=fall)
    reports = probe_virtually(
        named(site(check=check)), Network(mortal), for_s=15.0, draw=lambda: next(chance)
    )
    first_down = next(report for report in reports if report.sites["a"].up is False)
    assert first_down.sites["a"].streak == 0
    assert first_down.at <= dies_at + fall * 1.0 + timeout_s + COALESCE_S + 1e-9
    assert first_down.at >= dies_at + (fall - 1) * 0.95


def test_reports_are_at_least_50_ms_and_at_most_a_second_apart():
    sites = [site(f"s{n}", address=f"127.0.0.{n}") for n in range(1, 41)]
    draws = itertools.cycle(n / 41 for n in range(41))
    reports = probe_virtually(named(*sites), Network(), for_s=1.0, draw=lambda: next(draws))
    gaps = [b.at - a.at for a, b in itertools.pairwise(reports)]
    assert min(gaps) >= COALESCE_S - 1e-9
    assert len(reports) > 15

    calm = named(site(check=replace(FAST, interval_s=60.0)))
    reports = probe_virtually(calm, Network(), for_s=10.0)
    gaps = [b.at - a.at for a, b in itertools.pairwise(reports)]
    assert max(gaps) <= HEARTBEAT_S + COALESCE_S + 1e-9


def test_reports_carry_agent_boot_and_a_growing_sequence():
    reports = probe_virtually(named(site()), Network(), for_s=1.0)
    assert {report.agent for report in reports} == {"ns1"}
    assert len({report.boot for report in reports}) == 1
    assert [report.sequence for report in reports] == list(range(1, len(reports) + 1))


def test_a_report_keeps_the_last_connect_time_over_failures():
    outcomes = iter([Outcome(True, 3.0), failed("refused"), failed("status", 4.0)])

    async def answer(check, address):
        return next(outcomes)

    check = replace(FAST, interval_s=1.0)
    reports = probe_virtually(named(site(check=check)), Network(answer), for_s=2.5)
    views = [(view.rtt_ms, view.streak, view.reason) for view in (r.sites["a"] for r in reports)]
    assert list(dict.fromkeys(views[1:])) == [
        (3.0, 0, ""),
        (3.0, 1, "refused"),
        (4.0, 2, "status"),
    ]


def test_a_store_that_fails_delays_no_check_and_is_logged_once(caplog):
    caplog.set_level(logging.INFO, logger="gslb.probe.prober")

    async def break_and_repair(probing, store):
        store.is_broken = True
        await after(5.5)
        store.is_broken = False

    network = Network()
    check = replace(FAST, interval_s=1.0)
    reports = probe_virtually(
        named(site(check=check)), network, for_s=8.5, meanwhile=break_and_repair
    )
    assert network.times() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert reports[0].at > 5.5
    assert [record.getMessage() for record in caplog.records] == [
        "reports are not stored: the store is away",
        "reports are stored again",
    ]


# ---------------------------------------------------------------- reconfiguration


def test_reconfigure_does_not_disturb_unchanged_checks():
    slow = replace(FAST, interval_s=2.0)

    async def reload(probing, store):
        await after(3.0)
        probing.reconfigure(named(site("b", slow, "127.0.0.2"), site("a", slow)))

    network = Network()
    reports = probe_virtually(named(site("a", slow)), network, for_s=6.5, meanwhile=reload)
    assert network.times("127.0.0.1") == [0.0, 2.0, 4.0, 6.0]
    assert network.times("127.0.0.2") == [3.0, 5.0]
    assert reports[-1].sites["a"].since_at == 0.0
    assert reports[-1].sites["b"].since_at == 3.0


def test_reconfigure_forgets_removed_sites_and_stops_their_checks():
    async def hang(check, address):
        if str(address) == "127.0.0.2":
            await asyncio.sleep(1000)
        return PASSED

    async def reload(probing, store):
        await after(3.0)
        probing.reconfigure(named(site("a")))
        await after(3.01)
        assert "probe b" not in {task.get_name() for task in asyncio.all_tasks()}

    sites = named(site("a"), site("b", address="127.0.0.2"))
    reports = probe_virtually(sites, Network(hang), for_s=4.0, meanwhile=reload)
    assert reports[-1].sites.keys() == {"a"}


@pytest.mark.parametrize(
    ("changed", "is_kept"),
    [
        pytest.param(site(check=replace(FAST, interval_s=50.0, fall=9)), True, id="pace"),
        pytest.param(site(check=replace(FAST, kind=TcpCheck(2))), False, id="port"),
        pytest.param(site(address="127.0.0.9"), False, id="address"),
    ],
)
def test_reconfigure_keeps_the_state_only_if_the_same_is_asked(changed, is_kept):
    async def hang_later(check, address):
        if asyncio.get_running_loop().time() > 2.0:
            await asyncio.sleep(1000)
        return PASSED

    async def reload(probing, store):
        await after(3.0)
        probing.reconfigure(named(changed))

    network = Network(hang_later)
    reports = probe_virtually(named(site()), network, for_s=4.0, meanwhile=reload)
    assert reports[-1].sites["a"].up is (True if is_kept else None)
    assert network.asked[-1][2] == changed.check


def test_reconfigure_before_the_run_changes_what_is_asked():
    async def run():
        probing = Prober(named(site("a")), MemoryStore(), "ns1")
        probing.reconfigure(named(site("b", address="127.0.0.2")))
        async with running(probing):
            await asyncio.sleep(1.0)

    network = Network()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prober, "run_check", network)
        run_virtually(run())
    assert {address for _, address, _ in network.asked} == {"127.0.0.2"}


def test_every_task_is_named_and_ends_with_the_run():
    async def run():
        probing = Prober(named(site("a"), site("b")), MemoryStore(), "ns1")
        async with running(probing):
            await asyncio.sleep(0.5)
            names = {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}
        return names, len(asyncio.all_tasks())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prober, "run_check", Network())
        names, left = run_virtually(run())
    assert names == {"prober under test", "probe report ns1", "probe a", "probe b"}
    assert left == 1


def test_a_prober_can_run_again_after_it_was_cancelled():
    async def run():
        store = Recorder()
        probing = Prober(named(site()), store, "ns1")
        for _ in range(2):
            async with running(probing):
                await asyncio.sleep(0.5)
        return len(network.asked)

    network = Network()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prober, "run_check", network)
        assert run_virtually(run()) > 15
