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
from gslb.health.smooth import smooth
from gslb.model.check import Check, CommandCheck, HttpCheck, TcpCheck
from gslb.model.service import Site
from gslb.probe import prober
from gslb.probe.checks import registry
from gslb.probe.outcome import Outcome, failed
from gslb.probe.prober import HEARTBEAT_S, PACE_S, Clock, Prober, pace_s
from gslb.probe.target import Target, pick_target
from tests.ports import free_port
from tests.probe.servers import LOOPBACK, Script, serve
from tests.probe.virtual import run_virtually

PASSED = Outcome(ok=True, rtt_ms=1.0)
DEADLINE_S = 5.0
FAST = Check((TcpCheck(1),), interval_s=0.05, timeout_s=0.05, fall=3, rise=2)


def site(name="a", check=FAST, address="127.0.0.1"):
    return Site(name, (ip_address(address),), check=check)


def named(*sites):
    return {site.name: site for site in sites}


def tcp(port, **pace):
    return replace(FAST, kinds=(TcpCheck(port),), **pace)


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


class Recorder:
    """Takes reports and keeps them all; it fails while `is_broken`."""

    def __init__(self):
        self.reports = []
        self.is_broken = False
        self._came = asyncio.Event()

    async def __call__(self, report):
        if self.is_broken:
            raise StoreError("the store is away")
        self.reports.append(report)
        self._came.set()

    async def first(self, condition):
        """The next report whose sites fulfil a condition, or the last one if that does."""
        async with asyncio.timeout(DEADLINE_S):
            while not (self.reports and condition(self.reports[-1].sites)):
                self._came.clear()
                await self._came.wait()
        return self.reports[-1]


# ---------------------------------------------------------------- over real sockets


def test_a_backend_that_is_killed_is_seen_down_after_fall_checks_and_up_after_rise():
    async def run():
        backend = await start_backend("127.0.0.1", 0, site="a")
        kind = HttpCheck(backend.port, path="/healthz", expect_body="ok")
        store = Recorder()
        loop = asyncio.get_running_loop()
        checked = site(check=replace(FAST, kinds=(kind,)))
        async with running(Prober(named(checked), store, "ns1", clock=Clock(at=loop.time))):
            report = await store.first(lambda sites: sites["a"].up)
            assert report.sites["a"].rtt_ms > 0
            await backend.stop()
            killed_at = loop.time()
            down = (await store.first(lambda sites: sites["a"].up is False)).sites["a"]
            assert down.reason == "connection refused"
            assert down.since_at - killed_at > 2 * 0.95 * 0.05 - 0.01  # fall checks, not fewer
            await backend.start()
            started_at = loop.time()
            up = (await store.first(lambda sites: sites["a"].up)).sites["a"]
            assert up.since_at - started_at > 1 * 0.95 * 0.05 - 0.01  # rise checks, not fewer
            assert up.reason == ""
        await backend.stop()

    asyncio.run(run())


def test_a_site_that_hangs_delays_no_other_and_is_not_asked_twice_at_once():
    async def run():
        hung, well = Script(hold=True), Script(b"", before_request=True)
        store = Recorder()
        async with serve(hung) as hung_port, serve(well) as well_port:
            slow = replace(FAST, kinds=(HttpCheck(hung_port),), timeout_s=60.0)
            sites = named(site("slow", slow), site("well", tcp(well_port)))
            async with running(Prober(sites, store, "ns1")):
                report = await store.first(lambda _: well.connections >= 8)
        assert hung.connections == 1
        assert (report.sites["slow"].up, report.sites["well"].up) == (None, True)

    asyncio.run(run())


def test_a_dead_site_is_down_with_its_first_result():
    async def run():
        store = Recorder()
        async with running(Prober(named(site(check=tcp(free_port()))), store, "ns1")):
            report = await store.first(lambda sites: sites["a"].up is not None)
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
    assert pick_target(checked) == Target("a", ip_address(asked), FAST)


def test_a_site_without_check_or_address_is_not_asked():
    assert pick_target(Site("a", (LOOPBACK,))) is None
    assert pick_target(Site("a", (), check=FAST)) is None


def test_a_site_without_address_is_asked_if_no_kind_needs_one():
    own = (TcpCheck(1, address=LOOPBACK), HttpCheck(1, address=LOOPBACK), CommandCheck(("true",)))
    check = Check(own, need=3)
    assert pick_target(Site("a", (), check=check)) == Target("a", None, check)
    assert pick_target(Site("a", (), check=Check((*own, TcpCheck(1))))) is None


# ---------------------------------------------------------------- in virtual time


class Network:
    """Answers checks instead of the network, and keeps when each address was asked."""

    def __init__(self, answer=None):
        self.asked = []
        self.on_the_way = self.most_on_the_way = 0
        self._answer = answer

    async def __call__(self, target, slots):
        check, address = target.check, target.address
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
    draws = itertools.chain([0.0, 0.0], itertools.cycle([0.5, 0.75, 0.0]))
    checked = named(site(check=replace(FAST, interval_s=2.0)))
    probe_virtually(checked, network, for_s=8.0, draw=lambda: next(draws))
    assert network.times() == pytest.approx([0.0, 2.0, 3.95, 3.95 + 1.925, 3.95 + 1.925 + 2.0])


def test_the_second_check_comes_at_any_time_within_the_interval():
    network = Network()
    draws = itertools.chain([0.0, 0.75], itertools.repeat(0.0))
    checked = named(site(check=replace(FAST, interval_s=2.0)))
    probe_virtually(checked, network, for_s=5.0, draw=lambda: next(draws))
    assert network.times() == [0.0, 0.5, 2.5, 4.5]


def test_the_first_round_is_spread_over_a_fifth_of_a_second():
    network = Network()
    draws = iter([0.0, 0.25, 0.5])
    sites = [site(f"s{n}", replace(FAST, interval_s=60.0), f"127.0.0.{n}") for n in (1, 2, 3)]
    probe_virtually(named(*sites), network, for_s=1.0, draw=lambda: next(draws, 0.0))
    assert [time for time, _, _ in network.asked] == pytest.approx([0.0, 0.05, 0.1])


def test_the_first_round_of_many_sites_takes_2500_us_each_but_no_longer_than_the_interval():
    addresses = [f"127.0.{n // 250}.{n % 250 + 1}" for n in range(2000)]
    for interval_s, takes_s in ((60.0, 5.0), (1.5, 1.5)):
        check = replace(FAST, interval_s=interval_s)
        sites = [site(address, check, address) for address in addresses]
        network = Network()
        probe_virtually(named(*sites), network, for_s=takes_s / 2 + 0.001, draw=lambda: 0.5)
        assert [time for time, _, _ in network.asked] == [takes_s / 2] * 2000


def test_a_check_longer_than_its_interval_is_followed_at_once_and_missed_ones_are_not_made_up():
    async def slow(check, address):
        await asyncio.sleep(5.0 if asyncio.get_running_loop().time() < 5.0 else 0.0)
        return PASSED

    network = Network(slow)
    probe_virtually(named(site(check=replace(FAST, interval_s=2.0))), network, for_s=10.0)
    assert network.times() == [0.0, 5.0, 7.0, 9.0]
    assert network.most_on_the_way == 1


def hour_of_checks(dead, **pace):
    """How often each address is asked in an hour, and how many reports there are. dead: how many
    sites of ten fail, and take their time over it.
    """

    async def answer(check, address):
        if int(address) & 0xFF > dead:
            return PASSED
        await asyncio.sleep(check.timeout_s)
        return failed("dead")

    check = replace(FAST, interval_s=30.0, timeout_s=2.0, **pace)
    sites = [site(f"s{n}", check, f"127.0.0.{n}") for n in range(1, 11)]
    network = Network(answer)
    reports = probe_virtually(named(*sites), network, for_s=3600.0, draw=lambda: 0.5)
    return [len(network.times(f"127.0.0.{n}")) for n in range(1, 11)], len(reports)


def test_r14_the_work_of_an_hour_is_the_same_whatever_fails():
    """R14: as many checks at 0 %, 50 % and 100 % failing, and as many reports within 10 %."""
    calm, half, all_dead = (hour_of_checks(dead) for dead in (0, 5, 10))
    assert calm[0] == half[0] == all_dead[0]
    assert 3600 / 30 <= calm[0][0] <= 3600 / (30 * 0.95)
    assert half[1] == pytest.approx(calm[1], rel=0.1)
    assert all_dead[1] == pytest.approx(calm[1], rel=0.1)


def test_r14_the_fast_pace_costs_only_while_a_state_is_in_doubt():
    calm, dead = hour_of_checks(0, fast_interval_s=1.0), hour_of_checks(10, fast_interval_s=1.0)
    assert dead[0] == calm[0]  # dead from the start: no doubt


def test_while_a_state_is_in_doubt_the_next_check_comes_after_the_fast_interval():
    async def answer(check, address):
        now = asyncio.get_running_loop().time()
        return failed("dead") if 15.0 < now < 45.0 else PASSED

    network = Network(answer)
    check = replace(FAST, interval_s=10.0, fast_interval_s=2.0, fall=3, rise=2)
    reports = probe_virtually(named(site(check=check)), network, for_s=75.0)
    fast_down, fast_up = [20.0, 22.0, 24.0], [54.0, 56.0]
    assert network.times() == [0.0, 10.0, *fast_down, 34.0, 44.0, *fast_up, 66.0]
    changes = {view.since_at for view in (report.sites["a"] for report in reports)}
    assert changes == {0.0, 24.0, 56.0}


def test_one_result_that_agrees_ends_the_fast_pace():
    async def answer(check, address):
        return failed("hiccup") if asyncio.get_running_loop().time() == 10.0 else PASSED

    network = Network(answer)
    check = replace(FAST, interval_s=10.0, fast_interval_s=1.0)
    probe_virtually(named(site(check=check)), network, for_s=35.0)
    assert network.times() == [0.0, 10.0, 11.0, 21.0, 31.0]


def test_checks_on_the_way_are_bounded():
    async def slow(check, address):
        await asyncio.sleep(0.04)
        return PASSED

    sites = [site(f"s{n}", replace(FAST, interval_s=1.0), f"127.0.0.{n}") for n in range(1, 21)]
    network = Network(slow)

    async def ask(kind, target, timeout_s):
        return await network(target, None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "CHECKS", {TcpCheck: ask})
        probe_virtually(named(*sites), registry.run_check, for_s=0.9, concurrency=3)
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
    check = Check((TcpCheck(1),), interval_s=1.0, timeout_s=timeout_s, fall=fall)
    reports = probe_virtually(
        named(site(check=check)), Network(mortal), for_s=15.0, draw=lambda: next(chance)
    )
    first_down = next(report for report in reports if report.sites["a"].up is False)
    assert first_down.sites["a"].streak == 0
    assert first_down.at <= dies_at + fall * 1.0 + timeout_s + PACE_S + 1e-9
    assert first_down.at >= dies_at + (fall - 1) * 0.95


def test_reports_are_at_least_50_ms_and_at_most_a_second_apart():
    sites = [site(f"s{n}", address=f"127.0.0.{n}") for n in range(1, 41)]
    draws = itertools.cycle(n / 41 for n in range(41))
    reports = probe_virtually(named(*sites), Network(), for_s=1.0, draw=lambda: next(draws))
    gaps = [b.at - a.at for a, b in itertools.pairwise(reports)]
    assert min(gaps) >= PACE_S - 1e-9
    assert len(reports) > 15

    calm = named(site(check=replace(FAST, interval_s=60.0)))
    reports = probe_virtually(calm, Network(), for_s=10.0)
    gaps = [b.at - a.at for a, b in itertools.pairwise(reports)]
    assert max(gaps) <= HEARTBEAT_S + PACE_S + 1e-9


@pytest.mark.parametrize(
    ("sites", "gap_s"), [(0, 0.05), (250, 0.05), (1000, 0.2), (2000, 0.4), (50_000, 1.0)]
)
def test_the_more_sites_the_rarer_the_reports(sites, gap_s):
    assert pace_s(sites) == pytest.approx(gap_s)


def test_reports_on_many_sites_are_as_far_apart_as_their_pace():
    sites = [site(f"s{n}", address=f"127.0.{n // 250}.{n % 250 + 1}") for n in range(500)]
    draws = itertools.cycle(n / 41 for n in range(41))
    reports = probe_virtually(named(*sites), Network(), for_s=1.05, draw=lambda: next(draws))
    gaps = [b.at - a.at for a, b in itertools.pairwise(reports)]
    assert gaps == pytest.approx([0.1] * 10)


def test_reports_carry_agent_boot_and_a_growing_sequence():
    reports = probe_virtually(named(site()), Network(), for_s=1.0)
    assert {report.agent for report in reports} == {"ns1"}
    assert len({report.boot for report in reports}) == 1
    assert [report.sequence for report in reports] == list(range(1, len(reports) + 1))


def views_of(outcomes):
    """What is reported of a site after each of some outcomes."""
    left = iter(outcomes)

    async def answer(check, address):
        return next(left)

    check = replace(FAST, interval_s=1.0)
    for_s = len(outcomes) - 0.5
    reports = probe_virtually(named(site(check=check)), Network(answer), for_s=for_s)
    at = [report.at for report in reports]
    return [
        reports[max(i for i, t in enumerate(at) if t < n + 0.9)].sites["a"]
        for n in range(len(outcomes))
    ]


def test_reported_times_are_smoothed_and_kept_over_failures():
    views = views_of(
        [
            Outcome(ok=True, rtt_ms=10.0, first_byte_ms=30.0),
            Outcome(ok=True, rtt_ms=20.0, first_byte_ms=20.0),
            failed("refused"),
            Outcome(ok=False, rtt_ms=10.0, reason="status"),
        ]
    )
    first_byte_ms = smooth(30.0, 20.0)
    assert [(view.rtt_ms, view.first_byte_ms, view.samples) for view in views] == [
        (10.0, 30.0, 1),
        (20.0, first_byte_ms, 2),
        (20.0, first_byte_ms, 2),
        (smooth(20.0, 10.0), first_byte_ms, 3),
    ]
    assert [(view.streak, view.reason) for view in views] == [
        (0, ""),
        (0, ""),
        (1, "refused"),
        (2, "status"),
    ]


def test_samples_are_counted_up_to_255():
    assert [view.samples for view in views_of([PASSED] * 258)][-5:] == [254, 255, 255, 255, 255]


def test_the_end_of_the_last_certificate_that_was_shown_is_reported():
    views = views_of(
        [
            failed("refused"),
            Outcome(ok=True, certificate_until_at=100.0),
            failed("refused"),
            Outcome(ok=True, certificate_until_at=900.0),
        ]
    )
    assert [view.certificate_until_at for view in views] == [None, 100.0, 100.0, 900.0]


# ---------------------------------------------------------------- canaries


def canary(number, **pace):
    return Check((TcpCheck(number, address=ip_address("192.0.2.1")),), interval_s=1.0, **pace)


def test_canaries_are_counted_with_rise_and_fall_and_are_no_sites():
    async def answer(check, address):
        now = asyncio.get_running_loop().time()
        if check.kinds[0].port == 1 and 2.5 < now < 6.5:
            return failed("gone")
        return PASSED

    pair = [canary(number, fall=2, rise=2) for number in (1, 2)]
    reports = probe_virtually(named(site()), Network(answer), for_s=10.0, canaries=pair)
    assert all(report.sites.keys() == {"a"} for report in reports)
    changes = [
        (after_.at, after_.canaries)
        for before, after_ in itertools.pairwise(reports)
        if before.canaries != after_.canaries
    ]
    assert [counts for _, counts in changes] == [(1, 2), (2, 2)]
    assert [at for at, _ in changes] == pytest.approx([4.0, 8.0], abs=2 * PACE_S)


def test_a_canary_without_a_result_counts_as_up():
    async def hang(check, address):
        await asyncio.sleep(1.0)
        return failed("gone")

    reports = probe_virtually(named(), Network(hang), for_s=1.5, canaries=[canary(1), canary(2)])
    assert (reports[0].canaries, reports[-1].canaries) == ((2, 2), (0, 2))


def test_without_canaries_none_is_counted():
    assert probe_virtually(named(site()), Network(), for_s=0.2)[-1].canaries == (0, 0)


def test_reconfigure_keeps_canaries_that_are_still_wanted_and_stops_the_others():
    async def answer(check, address):
        return failed("gone")

    async def reload(probing, store):
        await after(3.5)
        assert store.reports[-1].canaries == (0, 2)
        probing.reconfigure(named(), [canary(3), canary(2)])
        await after(3.5)
        assert probing._count_canaries() == (1, 2)  # the new one has no result yet

    network = Network(answer)
    probe_virtually(named(), network, for_s=6.2, meanwhile=reload, canaries=[canary(1), canary(2)])
    asked = [(time, check.kinds[0].port) for time, _, check in network.asked]
    assert [time for time, port in asked if port == 1] == [0.0, 1.0, 2.0, 3.0]
    assert [time for time, port in asked if port == 2] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert [time for time, port in asked if port == 3] == [3.5, 4.5, 5.5]


# ---------------------------------------------------------------- a store that fails


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
        "reports are not stored",
        "reports are stored again",
    ]


def test_a_store_that_hangs_delays_no_check_and_gets_the_newest_report_afterwards():
    network = Network()
    sent = []

    async def hang(report):
        sent.append(report)
        await asyncio.sleep(4.25)

    async def run():
        loop = asyncio.get_running_loop()
        clock = Clock(at=loop.time, draw=lambda: 0.0)
        checked = named(site(check=replace(FAST, interval_s=1.0)))
        async with running(Prober(checked, hang, "ns1", clock=clock)):
            await asyncio.sleep(8.5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prober, "run_check", network)
        run_virtually(run())
    assert network.times() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert [report.at for report in sent] == pytest.approx([0.0, 4.3], abs=0.01)
    assert sent[1].sites["a"].samples == 5


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
        pytest.param(site(check=replace(FAST, kinds=(TcpCheck(2),))), False, id="port"),
        pytest.param(site(check=replace(FAST, need=0)), False, id="need"),
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
        probing = Prober(named(site("a")), Recorder(), "ns1")
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
        probing = Prober(named(site("a"), site("b")), Recorder(), "ns1")
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
