"""`gslb proxy-status`: the picture from made-up data, the command against a real admin port."""

from __future__ import annotations

import copy
import io
import json
import re
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from gslb.balance.pool_state import PoolState
from gslb.cli import proxy_status as module
from gslb.cli.admin_client import AdminError
from gslb.cli.main import app
from gslb.cli.proxy_picture import describe_proxy, measure_rates
from gslb.cli.proxy_status import watch_in_pipe, watch_on_terminal
from tests.admin.known import NOW_AT, Known, admin_port, make_order
from tests.balance.builders import backend
from tests.balance.builders import make_pool as real_pool

PICTURE = """
eu-west on l7-1: gslb 0.3.0, up 3 d, 2 workers, configuration 1f2e3d4c5b6a
  traffic    1,234 requests/s, 12 in flight, 40 connections, 0.05 % failed
  answers    90,210 2xx, 40 4xx, 3 5xx, 7 no HTTP, 2 not let in
  load       12 % of capacity, 3 ms late

  pool, backend    state              active  req/s  errors    p50   p95  weight
  web              2 of 4 healthy         12  1,234  0.05 %    5.2  14.0
    web1           up                  7/100    900       0   ~8.0             5
    web2           up, starting 37 %    4/37   41.5       3  ~12.0             3
    web3 (backup)  drained, 1 left         1    0.2       0      -             2
    web4           ejected 12 s            0      -      20   ~120             1
  times in ms; ~9: an average that follows peaks; errors: since the start

  orders
  web/web3 is drained by anna until 2026-09-21T16:13:20Z (2 h left): new kernel
"""


def make_backend(**changes: Any) -> dict[str, Any]:
    """One backend as the data plane tells of it."""
    return {
        "state": "up",
        "mode": "ready",
        "backup": False,
        "in_flight": 0,
        "active": 0.0,
        "limit": None,
        "weight": 1.0,
        "scale": 1.0,
        "ejected_for_s": 0.0,
        "ejections": 0,
        "ewma_ms": None,
        "requests": 0,
        "errors": 0,
    } | changes


def make_pool(backends: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "pool": "web",
        "algorithm": "least_connections",
        "in_flight": 12,
        "queued": 0,
        "retries": 0,
        "circuit": None,
        "panic": False,
        "leaving": [],
        "backends": backends,
    } | changes


def make_check(weight: int, **changes: Any) -> dict[str, Any]:
    """The same backend as checks and orders see it."""
    return {
        "address": "192.0.2.1:80",
        "weight": weight,
        "backup": False,
        "state": "up",
        "reason": "",
        "since_at": NOW_AT - 90,
        "rtt_ms": 1.0,
        "order": None,
        "in_flight": 0,
    } | changes


FOUR = {
    "web1": make_backend(active=7.0, limit=100, ewma_ms=8.0, requests=900),
    "web2": make_backend(active=4.0, limit=37, ewma_ms=11.96, scale=0.37, requests=50, errors=3),
    "web3": make_backend(mode="drain", backup=True, active=1.0, in_flight=1, requests=1),
    "web4": make_backend(state="ejected", ejected_for_s=12.2, ewma_ms=120.4, errors=20),
}


def make_status(web: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    load = {"requests_per_s": 1234.4, "in_flight": 12, "error_share": 0.0005}
    times = {"p50_ms": 5.2, "p95_ms": 14.04, "p99_ms": 30.0}
    checks = {"web1": make_check(5), "web2": make_check(3), "web4": make_check(1)}
    checks["web3"] = make_check(2, backup=True, order=make_order())
    return {
        "node": "l7-1",
        "proxy": "eu-west",
        "site": "eu-west",
        "version": "0.3.0",
        "pid": 7,
        "started_at": NOW_AT - 3 * 86400,
        "is_draining": False,
        "configuration": "1f2e3d4c5b6a",
        "reload_error": None,
        "workers": 2,
        "neighbours": 1,
        "alerts": [],
        "store": {"target": "memory", "connected": True, "since_at": NOW_AT - 60, "error": None},
        "load": load
        | {"at": NOW_AT, "utilisation": 0.12}
        | {"pools": {"web": load | times | {"healthy": 2, "total": 4}}},
        "backends": {f"web/{name}": one for name, one in checks.items()},
        "tier": {
            "state": "serving",
            "unwell": None,
            "in_flight": 12,
            "clients": 40,
            "lag_ms": 3.2,
            "pools": {"web": web or make_pool(copy.deepcopy(FOUR))},
        },
        "counters": {
            "requests": {
                "default/web/web1/2xx": 90_000,
                "api/web/web2/2xx": 210,
                "default///4xx": 40,
                "default/web/web2/5xx": 3,
            },
            "refused": {"two_hosts": 3, "dot_segment": 4},
            "not_accepted": {"handshake": 2},
            "faults": 0,
        },
    } | changes


RATES = {"web/web1": 900.0, "web/web2": 41.46, "web/web3": 0.25}


def lines(told: dict[str, Any], rates: dict[str, float] | None = None) -> list[str]:
    return [line.plain for line in describe_proxy(told, NOW_AT, rates)]


def run(told: dict[str, Any], *arguments: str) -> Result:
    with admin_port(Known(told)) as port:
        return CliRunner().invoke(app, ["proxy-status", *arguments, "--admin", str(port)])


# ---------------------------------------------------------------- the picture


def test_all_is_in_the_picture():
    assert lines(make_status(), RATES) == PICTURE.strip("\n").splitlines()


def test_it_fits_a_terminal_of_80_columns():
    assert max(map(len, lines(make_status(), RATES))) <= 80


def test_a_real_pool_is_told():
    """What is made up here has the keys of what there is."""
    state = PoolState(real_pool(backend("web1"), backend("web2")), now=0.0)
    told = make_status(state.summary(0.0))
    assert set(state.summary(0.0)) == set(make_pool({}))
    assert set(state.summary(0.0)["backends"]["web1"]) == set(make_backend())
    assert any(line.startswith("    web2") for line in lines(told))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"queued": 1}, "    1 request in the queue"),
        ({"queued": 3, "retries": 2}, "    3 requests in the queue, retries on the way: 2"),
        ({"circuit": "half_open"}, "    circuit half open"),
        ({"panic": True}, "    panic: too few are healthy, so all are used"),
        ({"leaving": [("web9", 4)]}, "    web9 is leaving, 4 left"),
    ],
)
def test_law_2_what_is_wrong_with_a_pool_stands_below_it(changes, line):
    told = lines(make_status(make_pool({"web1": make_backend()}, **changes)))
    (row,) = [at for at, text in enumerate(told) if text.startswith("  web ")]
    assert told[row + 1] == line
    calm = lines(make_status(make_pool({"web1": make_backend()}, circuit="closed")))
    assert len(calm) == len(told) - 1


@pytest.mark.parametrize(
    ("one", "check", "state"),
    [
        ({}, {}, "up"),
        ({"state": "down"}, {}, "down"),
        ({"state": "unknown"}, {}, "unknown"),
        ({"state": "ejected", "ejected_for_s": 7.6}, {}, "ejected 8 s"),
        ({"state": "trial"}, {}, "trial"),
        ({"scale": 0.1}, {}, "up, starting 10 %"),
        ({"mode": "drain"}, {}, "drained"),
        ({"mode": "drain", "in_flight": 3}, {}, "drained, 3 left"),
        ({"mode": "drain", "state": "down"}, {"state": "down"}, "drained, check down"),
        ({"mode": "maint", "state": "down"}, {}, "in maintenance"),
        ({"mode": "maint", "state": "down", "in_flight": 1}, {}, "in maintenance, 1 left"),
        ({"mode": "down", "state": "down"}, {}, "forced down"),
        ({"mode": "up", "scale": 0.55}, {}, "forced up, starting 55 %"),
        ({"mode": "up"}, {"state": "down"}, "forced up, check down"),
    ],
)
def test_law_1_a_backend_is_told_by_what_all_comes_to(one, check, state):
    told = make_status(make_pool({"web1": make_backend(**one)}))
    told["backends"] = {"web/web1": make_check(5, **check)}
    (row,) = [line for line in lines(told) if line.startswith("    web1")]
    assert re.split(r" {2,}", row.strip())[1] == state


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"is_draining": True},
            "  draining   12 on their way, 40 connections left",
        ),
        ({"reload_error": "x.yaml:1:2: no\n"}, "  reload     failed: x.yaml:1:2: no\\n"),
        ({"alerts": ["the store is away: x"]}, "  alert      the store is away: x"),
        (
            {
                "store": {"target": "redis://r", "connected": True, "since_at": NOW_AT - 7200},
                "neighbours": 2,
            },
            "  store      redis://r, connected for 2 h, proxies in the region: 2",
        ),
        (
            {"counters": {"faults": 2, "log_dropped": 3}},
            "  trouble    2 faults of the proxy itself: see its log",
        ),
        (
            {"workers": 1},
            "eu-west on l7-1: gslb 0.3.0, up 3 d, configuration 1f2e3d4c5b6a",
        ),
    ],
)
def test_what_is_wrong_with_the_proxy_is_said(changes, line):
    assert line in lines(make_status() | changes)


def test_why_the_health_path_fails_is_said():
    told = make_status()
    told["tier"] |= {"unwell": "no backend"}
    assert "  unwell     the health path answers 503: no backend" in lines(told)


def test_a_worker_that_has_not_spoken_yet_leaves_gaps():
    """Where no worker has said anything, there is no key of the data plane."""
    told = make_status(tier={"workers": [{"number": 0}]}, counters={"worker_restarts": 1})
    told["load"] = {"at": NOW_AT, "utilisation": None, "pools": {}}
    found = lines(told)
    assert "  traffic    0 requests/s, 0 in flight, 0 connections, 0 % failed" in found
    assert "  trouble    1 restarts of workers" in found


def test_why_a_backend_is_down_and_since_when():
    told = make_status()
    told["backends"]["web/web2"] |= {"state": "down", "reason": "HTTP status 503"}
    assert lines(told)[-6:-3] == [
        "",
        "  backend   for    why",
        "  web/web2  1 min  HTTP status 503",
    ]


def test_law_4_nothing_steers_the_terminal():
    bad = "\x1b[2J\n"
    told = make_status(alerts=[bad], reload_error=bad)
    told["tier"]["unwell"] = bad
    told["store"] |= {"target": bad}
    told["backends"]["web/web2"] |= {"state": "down", "reason": bad}
    told["backends"]["web/web3"]["order"] |= {"owner": bad, "reason": bad}
    text = "".join(lines(told))
    assert text.isprintable()
    assert text.count("\\x1b[2J\\n") == 7


# ---------------------------------------------------------------- rates


def later(told: dict[str, Any], seconds: float = 2.0, **more: int) -> dict[str, Any]:
    """The same proxy later, with more requests at its backends."""
    other = copy.deepcopy(told)
    other["load"]["at"] += seconds
    for name, count in more.items():
        other["tier"]["pools"]["web"]["backends"][name]["requests"] += count
    return other


def test_law_3_rates_are_what_happened_in_between():
    now = make_status()
    found = measure_rates(now, later(now, web1=1800, web2=83))
    assert found == {"web/web1": 900, "web/web2": 41.5, "web/web3": 0, "web/web4": 0}


@pytest.mark.parametrize(
    "after",
    [
        later(make_status(), seconds=0.0, web1=1),
        later(make_status(pid=8), web1=1),
    ],
    ids=["no time passed", "another process"],
)
def test_law_3_else_none_can_be_told(after):
    assert measure_rates(make_status(), after) == {}


def test_law_3_a_backend_that_began_anew_has_no_rate():
    now = make_status()
    assert measure_rates(now, later(now, web1=-900)).keys() == {
        *("web/web2", "web/web3", "web/web4")
    }


# ---------------------------------------------------------------- the command


def test_in_a_pipe_it_is_shown_once_and_plain(monkeypatch):
    monkeypatch.setattr(module.time, "time", lambda: NOW_AT)
    found = run(make_status())
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.splitlines() == lines(make_status())


def test_json_is_the_status():
    assert json.loads(run(make_status(), "--json").stdout) == make_status()


def test_a_name_server_is_no_proxy():
    with admin_port(Known()) as port:
        found = CliRunner().invoke(app, ["proxy-status", "--admin", str(port)])
    assert found.exit_code == 1
    assert "says nothing of tier" in found.stderr


def test_no_proxy_is_one_line_and_status_1():
    found = CliRunner().invoke(app, ["proxy-status", "--admin", "127.0.0.1:9"])
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.startswith("gslb: no answer from 127.0.0.1:9: ")


MAIN = """
node: l7
proxies:
  one:
    site: eu
    listen: [{{address: "127.0.0.1:9"}}]
    admin: "{admin}"
    routes: [{{name: all, pool: web}}]
    pools: {{web: {{backends: {{a: {{address: "127.0.0.1:10"}}}}}}}}
  two:
    site: us
    listen: [{{address: "127.0.0.1:11"}}]
    routes: [{{name: all, pool: web}}]
    pools: {{web: {{backends: {{a: {{address: "127.0.0.1:10"}}}}}}}}
"""


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ([], 0, "eu-west on l7-1"),
        (["one"], 0, "eu-west on l7-1"),
        (["two"], 2, "has no proxies.two.admin to ask"),
        (["three"], 2, "has no proxy 'three': one, two"),
    ],
)
def test_the_file_says_where_the_proxy_is(tmp_path, name, status, told):
    main = tmp_path / "gslb.yaml"
    with admin_port(Known(make_status())) as port:
        main.write_text(MAIN.format(admin=port))
        found = CliRunner().invoke(app, ["proxy-status", *name, "--config", str(main)])
    assert found.exit_code == status
    shown = " ".join((found.stdout + found.stderr).replace("│", " ").split())
    assert told in shown


# ---------------------------------------------------------------- the watch


class Steps:
    """Gives a status after another, and ends the watch after the last."""

    def __init__(self, *steps: dict[str, Any] | Exception) -> None:
        self._steps = list(steps)

    def fetch(self) -> dict[str, Any]:
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def pause(self) -> None:
        if not self._steps:
            raise KeyboardInterrupt


def watched(watch, *steps, **options) -> str:
    made = Steps(*steps)
    out = io.StringIO()
    console = Console(file=out, width=100, height=40, **options.pop("console", {}))
    with pytest.raises(KeyboardInterrupt):
        watch(made.fetch, console, made.pause, **options)
    return out.getvalue()


GONE = AdminError("no answer from here: refused")


def test_in_a_pipe_a_block_comes_each_time(capsys):
    now = make_status()
    out = watched(watch_in_pipe, now, GONE, GONE, later(now, web1=1800), as_json=False)
    assert out.count("eu-west on l7-1") == 2
    assert [line.split()[3] for line in out.splitlines() if "    web1 " in line] == ["-", "900"]
    assert "\x1b" not in out
    (told,) = capsys.readouterr().err.splitlines()
    assert told.endswith("no answer from here: refused")


def test_in_a_pipe_json_is_a_line_each_time():
    now = make_status()
    out = watched(watch_in_pipe, now, later(now), as_json=True)
    assert [json.loads(line) for line in out.splitlines()] == [now, later(now)]


def test_on_a_terminal_the_last_picture_stays_while_the_proxy_is_away():
    terminal = {"force_terminal": True, "color_system": "standard", "legacy_windows": False}
    now = make_status()
    out = watched(watch_on_terminal, now, later(now, web1=1800), GONE, console=terminal)
    last = out.rpartition("\x1b[H")[2]
    assert "no answer from here: refused; this is what was known last" in last
    assert "900" in last
    assert "\x1b[1;36mdrained, 1 left" in last


def test_ctrl_c_ends_a_watch_with_status_0(monkeypatch):
    def sleep(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", sleep)
    found = run(make_status(), "--watch")
    assert found.exit_code == 0
    assert found.stdout.count("eu-west on l7-1") == 1
