import pytest

from gslb.config.load import load
from gslb.model.proxy import Algorithm
from tests.bench.l7 import AIM, PARTS, _parser, make_plan
from tests.bench.l7_engines import BARE, ENGINES, FULL, HAPROXY, Ports
from tests.bench.l7_load import Load, parse_report
from tests.bench.l7_memory import Idle, Sink, Transfer, _upload
from tests.bench.l7_place import HUGE_OCTETS, make_place
from tests.bench.l7_report import (
    MAIN,
    PACED,
    judge_idle,
    judge_load,
    judge_transfer,
    ratio_to_haproxy,
    summarise,
)
from tests.bench.l7_rounds import Run
from tests.bench.process import BenchError

REPORT = """Running 1s test @ http://127.0.0.1:9100/small
  1 threads and 32 connections
RESULT {"requests":50000,"duration_us":2000000,"octets":9,"connect":1,"read":2,"write":3,\
"status":4,"timeout":5,"p50_us":500,"p95_us":900,"p99_us":1200,"max_us":9000}
"""


def run(engine, *, number=1, cpu_us=20.0, p99_us=1000.0, case=MAIN, errors=0):
    return Run(
        engine=engine,
        case=case.name,
        round=number,
        requests=1000,
        errors=errors,
        run_s=2.0,
        cpu_s=cpu_us * 1000 / 1e6,
        p50_us=500,
        p95_us=800,
        p99_us=p99_us,
        max_us=5000,
        rss_octets=50 << 20,
    )


def test_the_line_of_our_script_is_read_and_every_kind_of_error_counted():
    assert parse_report(REPORT) == Load(50_000, 2.0, 15, 500, 900, 1200, 9000)
    with pytest.raises(BenchError, match="no result"):
        parse_report("Running 1s test\nunable to connect\n")


def test_a_ratio_is_the_median_of_the_ratios_of_each_round():
    runs = [run(HAPROXY, number=n, cpu_us=c) for n, c in ((1, 10), (2, 20), (3, 40))]
    runs += [run(BARE, number=n, cpu_us=c) for n, c in ((1, 30), (2, 30), (3, 48))]
    assert ratio_to_haproxy("cpu_us", BARE, MAIN.name, runs) == pytest.approx(1.5)
    assert ratio_to_haproxy("cpu_us", FULL, MAIN.name, runs) is None
    assert ratio_to_haproxy("cpu_us", BARE, PACED.name, runs) is None
    haproxy, bare = summarise(runs)
    assert (haproxy.engine, haproxy.cpu_us, haproxy.ratio) == (HAPROXY, 20.0, 1.0)
    assert (bare.cpu_us, bare.rate, bare.rss_mib) == (30.0, 500.0, 50.0)


@pytest.mark.parametrize(
    ("cpu_us", "p99_us", "errors", "missed"),
    [
        pytest.param(30.0, 2000.0, 0, [], id="each just held"),
        pytest.param(30.2, 2000.0, 0, ["CPU per request"], id="CPU over 1.5"),
        pytest.param(30.0, 2001.0, 0, ["p99"], id="p99 over 2"),
        pytest.param(30.0, 2000.0, 1, ["went wrong"], id="an error"),
    ],
)
def test_each_bar_is_held_up_to_its_number(cpu_us, p99_us, errors, missed):
    bars = judge_load([run(HAPROXY), run(BARE, cpu_us=cpu_us, p99_us=p99_us, errors=errors)])
    assert [bar.what for bar in bars if not bar.is_held] == [
        bar.what for bar in bars for word in missed if word in bar.what
    ]
    assert len(bars) == 3
    assert [("MISSED" in str(bar)) for bar in bars] == [not bar.is_held for bar in bars]


def test_bars_that_were_not_measured_are_not_told():
    assert judge_load([]) == []
    assert [bar.what for bar in judge_load([run(BARE)])] == [
        "requests that went wrong through gslb"
    ]


def test_memory_is_reckoned_for_the_aim_and_the_bar_says_so():
    bar = judge_idle(Idle(2000, AIM, 80.0, 130.0, 330.0, 500.0))
    assert bar.is_held
    assert "reckoned from 2000" in bar.what
    assert not judge_idle(Idle(AIM, AIM, 80.0, 400.5, 400.5, 500.0)).is_held
    assert Idle(1024, AIM, 80.0, 100.0, 0, 0).each_kib == 20.0
    assert [
        judge_transfer(Transfer("upload", 1 << 30, mib, 4.0)).is_held for mib in (16, 16.1)
    ] == [
        True,
        False,
    ]


def test_quick_measures_every_bar_with_less():
    whole, quick = (make_plan(_parser().parse_args(words)) for words in ([], ["--quick"]))
    assert whole.parts == quick.parts == PARTS
    assert {MAIN, PACED} <= set(quick.cases) < set(whole.cases)
    assert (whole.connections, whole.transfer_octets) == (AIM, HUGE_OCTETS)
    assert len(whole.engines) == len(ENGINES)
    one = make_plan(_parser().parse_args(["--only", BARE, "--part", "load"]))
    assert [engine.name for engine in one.engines] == [BARE]


def test_both_configurations_of_ours_are_what_they_are_called(tmp_path):
    place = make_place(tmp_path)
    known = {engine.name: engine for engine in ENGINES}
    proxies = {}
    for name in (BARE, FULL):
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        known[name].prepare(place, folder, Ports(8080, 8443))
        (proxies[name],) = load(folder / "gslb.yaml").system.proxies.values()
    bare, full = proxies[BARE], proxies[FULL]
    assert (len(bare.routes), bare.access_log) == (1, None)
    assert bare.pools["web"].balance.algorithm is Algorithm.ROUND_ROBIN
    assert len(full.routes) == 8
    assert full.access_log is not None
    assert full.pools["web"].balance.algorithm is Algorithm.LEAST_CONNECTIONS
    assert full.pools["web"].passive is not None
    assert [len(one.pools["web"].backends) for one in (bare, full)] == [3, 3]


def test_the_sink_counts_what_it_takes(tmp_path):
    place = make_place(tmp_path)
    with Sink(place.sink):
        _upload(place.sink, 2 << 20)
