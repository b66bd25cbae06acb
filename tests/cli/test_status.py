"""`gslb status`: the picture from made-up data, the command against a real admin port."""

from __future__ import annotations

import copy
import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from gslb.cli import status as module
from gslb.cli.admin_client import AdminError
from gslb.cli.main import app
from gslb.cli.picture import describe_status, gist, site_word
from gslb.cli.status import watch_in_pipe, watch_on_terminal
from tests.admin.known import (
    NOW_AT,
    Known,
    admin_port,
    make_agent,
    make_order,
    make_site,
    make_status,
    make_view,
    three_by_three,
)

PICTURE = r"""
ns1: gslb 0.3.0, running for 3 d, configuration 1f2e3d4c5b6a, health 412
  store      redis 192.0.2.9:6379, connected for 2 h
  servers    ns2, heard 2 s ago
             ns3, heard 3 s ago, configuration 000000000000
  alert      agent sin has lost its vote: silent for 47 s

  site      state    for    fra 1 s  nyc 1 s    (sin 47 s)
  eu-west   up       3 h    up 12    up 88      (unknown)
  us-east   down     2 min  down     down       (up 230 -2)
  ap-south  drained  3 h    up 140   up 210 -1  (up 31)
  up 12: connects in 12 ms; -2: two results in a row against it; (up): does not count, see why

  site     why
  us-east  fra: HTTP status 503; nyc: connection refused

  orders
  ap-south is drained by anna until 2026-09-21T16:13:20Z (2 h left): new kernel
    applied here 2026-09-21T14:12:20Z

  agent  domain  vote  age   canaries  why
  fra    aws-eu  yes   1 s   3 of 3
  nyc    gcp-us  yes   1 s   3 of 3
  sin    gcp-ap  no    47 s  1 of 3    silent for 47 s (stale after 30 s)

  dropped    sin: 3 replayed
             tok\x1byo: 5 undeclared
             osaka: 6 undeclared
  strangers  osaka, tok\x1byo: not declared, not heard
"""


def lines(told, width=None) -> list[str]:
    return [line.plain for line in describe_status(told, NOW_AT, width)]


def run(known: Known, *arguments: str) -> Result:
    with admin_port(known) as port:
        return CliRunner().invoke(app, ["status", *arguments, "--admin", str(port)])


# ---------------------------------------------------------------- the picture


def test_all_is_in_the_picture():
    assert lines(three_by_three()) == PICTURE.strip("\n").splitlines()


def test_a_calm_node_is_told_in_a_few_lines():
    told = make_status(
        {"eu": make_site(since_at=0.0)},
        {},
        store=three_by_three()["store"] | {"kind": "memory", "target": "memory"},
    )
    assert lines(told) == [
        "ns1: gslb 0.3.0, running for 3 d, configuration 1f2e3d4c5b6a, health 412",
        "  store      memory, connected for 2 h",
        "",
        "  site  state  for",
        "  eu    up     -",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"store": three_by_three()["store"] | {"is_connected": False, "error": "timed out"}},
            "  store      redis 192.0.2.9:6379, away for 2 h: timed out",
        ),
        ({"own_probes": "active"}, "  probes     its own, because no agent is heard"),
        ({"restored_at": NOW_AT - 90}, "  restored   health is from the disk, 1 min old"),
        ({"reload_error": "x.yaml:1:2: no\n"}, "  reload     failed: x.yaml:1:2: no\\n"),
    ],
)
def test_what_is_wrong_with_the_node_is_said(changes, line):
    assert line in lines(three_by_three() | changes)


@pytest.mark.parametrize(
    ("site", "state"),
    [
        (make_site(), "up"),
        (make_site("unknown"), "unknown"),
        (make_site("down"), "down"),
        (make_site("down", held=True), "held"),
        (make_site(order=make_order("drain")), "drained"),
        (make_site("down", order=make_order("drain")), "drained (down)"),
        (make_site("down", order=make_order("up")), "forced up (down)"),
        (make_site("up", order=make_order("down")), "forced down (up)"),
        (make_site("down", held=True, order=make_order("down")), "forced down"),
    ],
)
def test_the_state_in_force_is_shown_and_the_observed_one_where_it_differs(site, state):
    told = make_status({"eu": site}, {})
    (row,) = [line for line in lines(told) if line.startswith("  eu  ") and "3 h" in line]
    assert row == f"  eu    {state:<5}  3 h"
    assert state.startswith(site_word(site))


def test_an_order_in_the_configuration_is_told_apart():
    order = make_order("down", version=0, until_at=None, applied_at=None)
    told = lines(make_status({"eu": make_site(order=order)}, {}))
    assert told[-2:] == [
        "  eu is forced down by anna until it is taken back: new kernel",
        "    in the configuration",
    ]
    order = make_order("down", applied_at=None)
    told = lines(make_status({"eu": make_site(order=order)}, {}))
    assert told[-1] == "    given 2026-09-21T14:12:20Z"


def test_agents_that_were_never_heard_and_own_probes_are_shown():
    agents = {
        "a": make_agent("x", has_vote=False, age_s=None, why="never heard", canaries=[0, 0]),
        "ns1": make_agent("ns1", is_declared=False, canaries=[0, 0]),
    }
    told = lines(make_status({"eu": make_site(flaps=2, reason="well again")}, agents))
    assert "  site  state  for  (a)  ns1 1 s" in told
    assert "  eu    up     3 h  -    -" in told
    assert "  eu    flapped 2 times; well again" in told
    assert told[-2:] == [
        "  a      x       no    never  -         never heard",
        "  ns1    ns1     yes   1 s    -         this server's own probes",
    ]


def test_own_probes_are_no_warning_where_no_agent_is_declared():
    own = {"ns1": make_agent("ns1", is_declared=False)}
    told = make_status({"eu": make_site()}, own, own_probes="active")
    assert not [line for line in lines(told) if "no agent is heard" in line]


def test_short_times_keep_a_digit():
    views = {"a": make_view(rtt_ms=0.42), "b": make_view(rtt_ms=9.96)}
    told = lines(make_status({"eu": make_site(agents=views)}, dict.fromkeys("ab", make_agent("x"))))
    assert "  eu    up     3 h  up 0.4  up 10.0" in told


def thirty_by_five():
    names = ["fra", "nyc", "sin", "sao", "tokyo"]
    view = make_view(rtt_ms=123.4)
    sites = {
        f"site-{number:02d}-eu": make_site(agents=dict.fromkeys(names, view))
        for number in range(30)
    }
    sites["site-07-eu"]["order"] = make_order("down")
    sites["site-08-eu"]["agents"] = dict.fromkeys(names, make_view(rtt_ms=123.4, streak=2))
    return make_status(sites, {name: make_agent(name) for name in names})


def test_thirty_sites_and_five_agents_fit_a_terminal_of_100():
    told = lines(thirty_by_five(), 100)
    rows = [line for line in told if line.startswith("  site-")][:30]
    assert all(line.count("up 123") == 5 for line in rows)
    assert max(map(len, rows)) <= 100


def test_law_4_agents_that_do_not_fit_stand_below():
    told = lines(thirty_by_five(), 60)
    heads = [line.split("for")[1].split() for line in told if line.startswith("  site  ")]
    assert [[word for word in head if word.isalpha() and word != "s"] for head in heads] == [
        ["fra", "nyc"],
        ["sin", "sao"],
        ["tokyo"],
    ]
    rows = [line for line in told if line.startswith("  site-")]
    assert max(len(line) for line in rows if "up 123" in line) <= 60
    assert len(lines(thirty_by_five(), 10)) > len(told)  # however narrow, it ends


def test_law_3_nothing_steers_the_terminal():
    bad = "\x1b[2J\n"
    told = three_by_three()
    told["alerts"] = [bad]
    told["reload_error"] = bad
    told["store"] |= {"is_connected": False, "error": bad}
    told["nodes"] = {bad: {"at": NOW_AT, "configuration": bad}}
    told["agents"]["sin"]["why"] = bad
    told["drops"] = [{"agent": bad, "reason": bad, "count": 1}]
    told["sites"]["us-east"]["reason"] = bad
    told["sites"]["ap-south"]["order"] |= {"owner": bad, "reason": bad}
    text = "".join(lines(told))
    assert text.isprintable()
    assert text.count("\\x1b[2J\\n") == 11


# ---------------------------------------------------------------- the command


def test_in_a_pipe_the_picture_is_plain(monkeypatch):
    monkeypatch.setattr(module.time, "time", lambda: NOW_AT)
    found = run(Known())
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.splitlines() == PICTURE.strip("\n").splitlines()


def test_json_is_the_status():
    assert json.loads(run(Known(), "--json").stdout) == three_by_three()


def test_no_server_is_one_line_and_status_1():
    found = CliRunner().invoke(app, ["status", "--admin", "127.0.0.1:9"])
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.startswith("gslb: no answer from 127.0.0.1:9: ")


# ---------------------------------------------------------------- the watch


class Steps:
    """Gives a status after another, and ends the watch after the last."""

    def __init__(self, *steps: dict | Exception) -> None:
        self._steps = list(steps)

    def fetch(self) -> dict:
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


def later(told):
    """The same a moment later: times have changed, nothing else."""
    other = copy.deepcopy(told)
    other["sites"]["eu-west"]["agents"]["fra"] |= {"rtt_ms": 99.0, "age_s": 3.0, "streak": 1}
    other["agents"]["fra"] |= {"age_s": 3.0, "sequence": 8}
    other["health_generation"] += 1
    other["counters"]["udp_queries"] += 1
    return other


def changed(told, **changes):
    other = copy.deepcopy(told)
    other["sites"]["eu-west"] |= changes
    return other


def test_in_a_pipe_a_block_comes_when_something_changed():
    calm = three_by_three()
    down = changed(calm, state="down")
    out = watched(watch_in_pipe, calm, later(calm), down, down, calm, as_json=False)
    assert out.count("ns1: gslb") == 3
    assert "\x1b" not in out


def test_in_a_pipe_json_is_a_line_when_something_changed():
    calm = three_by_three()
    down = changed(calm, state="down")
    out = watched(watch_in_pipe, calm, later(calm), down, as_json=True)
    assert [json.loads(line)["sites"]["eu-west"]["state"] for line in out.splitlines()] == [
        "up",
        "down",
    ]


def test_a_watch_goes_on_while_the_server_is_away(capsys):
    calm, gone = three_by_three(), AdminError("no answer from here: refused")
    out = watched(watch_in_pipe, gone, gone, calm, gone, calm, as_json=False)
    assert out.count("ns1: gslb") == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all(line.endswith("no answer from here: refused") for line in told)


def test_on_a_terminal_the_last_picture_stays_while_the_server_is_away():
    terminal = {"force_terminal": True, "color_system": "standard", "legacy_windows": False}
    gone = AdminError("no answer from here: refused")
    out = watched(watch_on_terminal, three_by_three(), gone, console=terminal)
    last = out.rpartition("\x1b[H")[2]
    assert "no answer from here: refused; this is what was known last" in last
    assert "us-east" in last
    assert "\x1b[1;31mdown" in last


def test_ctrl_c_ends_a_watch_with_status_0(monkeypatch):
    def sleep(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", sleep)
    found = run(Known(), "--watch")
    assert found.exit_code == 0
    assert found.stdout.count("ns1: gslb") == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["sites"]["eu-west"].update(order=make_order("up", version=5)),
        lambda told: told["sites"]["ap-south"]["order"].update(version=9),
        lambda told: told["sites"]["eu-west"]["agents"]["fra"].update(state="down"),
        lambda told: told["sites"]["eu-west"]["agents"]["sin"].update(counts=True),
        lambda told: told["agents"]["fra"].update(has_vote=False, why="clock"),
        lambda told: told["alerts"].append("more"),
        lambda told: told["store"].update(is_connected=False),
        lambda told: told.update(own_probes="active"),
        lambda told: told.update(configuration="other"),
        lambda told: told.update(reload_error="bad"),
        lambda told: told.update(restored_at=NOW_AT),
        lambda told: told["nodes"].pop("ns2"),
    ],
)
def test_each_of_these_is_news(change):
    told = three_by_three()
    change(told)
    assert gist(told) != gist(three_by_three())
    assert gist(later(told)) == gist(told)
