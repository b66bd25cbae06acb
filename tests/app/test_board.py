import io

import pytest
from rich.console import Console

from gslb.app.board import (
    Notes,
    Sample,
    Voice,
    board_lines,
    compose_board,
    render_board,
    tell_age,
    tell_horizon,
)


def site(state="up", *, held=False, since_at=1000.0, flip_s=6.0, reason="checks pass", order=None):
    return {
        "order": order,
        "state": state,
        "held": held,
        "since_at": since_at,
        "flip_s": flip_s,
        "reason": reason,
    }


def order(kind, owner="anna", reason="new racks"):
    return {"kind": kind, "owner": owner, "reason": reason}


def agent(*, has_vote=True, age_s=0.4, why=""):
    return {"has_vote": has_vote, "age_s": age_s, "why": why}


def store(error=None, target="memory"):
    return {"is_connected": error is None, "since_at": 1030.0, "error": error, "target": target}


def status(*answers, sites=None, alerts=(), udp=0, tcp=0, agents=None, told=None):
    return {
        "agents": agents or {},
        "store": told or store(),
        "own_probes": "idle",
        "sites": sites or {"eu": site(), "us": site("down", reason="connection refused")},
        "answers": [
            {"service": service, "site": name, "count": count} for service, name, count in answers
        ],
        "alerts": list(alerts),
        "counters": {"udp_queries": udp, "tcp_queries": tcp, "failed": 0},
    }


BEFORE = Sample(status(("www.", "eu", 10), ("api.", "eu", 5), ("www.", "us", 7)), 50.0)
AFTER = Sample(
    status(("www.", "eu", 20), ("api.", "eu", 15), ("www.", "us", 12), udp=40, tcp=8), 52.0
)


def test_answers_are_summed_over_services_and_rates_are_differences_over_time():
    board = compose_board(BEFORE, AFTER, at=1042.0)
    assert [(row.name, row.answers, row.answers_per_s) for row in board.rows] == [
        ("eu", 35, 10.0),
        ("us", 12, 2.5),
    ]
    assert (board.answers, board.answers_per_s, board.queries) == (47, 12.5, 48)


def test_law_1_one_sample_has_no_rate():
    board = compose_board(AFTER, AFTER, at=1042.0)
    assert [row.answers_per_s for row in board.rows] == [0.0, 0.0]
    assert board.answers_per_s == 0.0


def test_law_2_a_held_site_says_so():
    held = status(sites={"eu": site("down", held=True)})
    (row,) = compose_board(Sample(held, 0.0), Sample(held, 1.0), at=0.0).rows
    assert row.state == "held"


@pytest.mark.parametrize(
    ("kind", "state"), [("drain", "drained"), ("up", "forced up"), ("down", "forced down")]
)
def test_law_2_an_order_beats_what_was_observed(kind, state):
    sites = {"eu": site("down", held=True, order=order(kind)), "us": site(order=order(kind, ""))}
    sample = Sample(status(sites=sites), 0.0)
    rows = compose_board(sample, sample, at=0.0).rows
    assert [(row.state, row.reason) for row in rows] == [
        (state, "by anna: new racks"),
        (state, "ordered: new racks"),
    ]


def test_agents_and_the_store_are_told():
    agents = {"fra": agent(), "iad": agent(has_vote=False, age_s=None, why="a lie")}
    sample = Sample(status(agents=agents, told=store("refused", "redis://h")), 0.0)
    board = compose_board(sample, sample, at=1042.0)
    assert board.voices == (Voice("fra", True, 0.4, ""), Voice("iad", False, None, "a lie"))
    assert (board.store, board.has_store) == (
        "redis://h, away for 12 s: refused; own probes idle",
        False,
    )
    assert list(board_lines(board, Notes()))[-3:] == [
        "  agent fra: heard 0 s ago, has a vote",
        "  agent iad: no vote: a lie",
        "  store redis://h, away for 12 s: refused; own probes idle",
    ]


def test_the_age_of_a_state_is_that_at_the_moment_and_none_before_the_first():
    sites = {"eu": site(since_at=1000.0), "us": site("unknown", since_at=0.0)}
    sample = Sample(status(sites=sites), 0.0)
    assert [row.since_s for row in compose_board(sample, sample, at=1042.5).rows] == [42.5, None]


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "-"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86400 * 3, "3 d"),
    ],
)
def test_tell_age(seconds, told):
    assert tell_age(seconds) == told


def test_tell_horizon():
    assert [tell_horizon(each) for each in (6.0, 0.4, None)] == ["6 s", "0.4 s", "max"]


def test_lines_for_a_pipe():
    board = compose_board(BEFORE, AFTER, at=1042.0)
    assert list(board_lines(board, Notes(own="2 asked"))) == [
        "answers=47 per_s=12.5 queries=48 (2 asked)",
        "  eu: up for 42 s, TTL up to 6 s, answers=35 per_s=10.0, checks pass",
        "  us: down for 42 s, TTL up to 6 s, answers=12 per_s=2.5, connection refused",
        "  store memory, there for 12 s; own probes idle",
    ]


def test_lines_tell_alerts():
    sample = Sample(status(alerts=["budget used up"]), 0.0)
    assert list(board_lines(compose_board(sample, sample, at=0.0), Notes()))[-1] == (
        "  ALERT budget used up"
    )


def draw(board, notes, width):
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(render_board(board, notes))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


NOTES = Notes(
    own="own traffic: 3 asked",
    clients={"NL": "eu", "US": "us"},
    events=[f"12:00:0{number} event" for number in range(6)],
    keys=("keys: q quit", "      t traffic"),
)


def test_the_picture_at_80_columns():
    sites = {"eu": site(order=order("drain")), "us": site("down", reason="connection refused")}
    agents = {
        "fra": agent(),
        "iad": agent(has_vote=False, age_s=70, why="it contradicts the other failure domains"),
    }
    after = Sample(AFTER.status | {"sites": sites, "agents": agents}, AFTER.now)
    assert draw(compose_board(BEFORE, after, at=1042.0), NOTES, 80) == [
        "#  site  state    since  TTL up to  answers  per s  why",
        "1  eu    drained   42 s        6 s       35   10.0  by anna: new racks",
        "2  us    down      42 s        6 s       12    2.5  connection refused",
        "agent  vote  heard  why",
        "fra    yes     0 s",
        "iad    no    1 min  it contradicts the other failure domains",
        "store memory, there for 12 s; own probes idle",
        "47 answers, 12.5/s; 48 queries",
        "own traffic: 3 asked",
        "NL > eu  US > us",
        "events",
        "  12:00:02 event",
        "  12:00:03 event",
        "  12:00:04 event",
        "  12:00:05 event",
        "keys: q quit",
        "      t traffic",
    ]


def test_the_picture_keeps_its_height_without_events():
    board = compose_board(BEFORE, AFTER, at=1042.0)
    bare = Notes(keys=NOTES.keys)
    assert len(draw(board, bare, 80)) == len(draw(board, NOTES, 80))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_reasons_and_events_are_cut_and_alerts_are_told_whole(width):
    words = " ".join(["word"] * 40)
    sites, agents = {"eu": site(reason=words)}, {"fra": agent(has_vote=False, why=words)}
    sample = Sample(status(sites=sites, agents=agents, alerts=[words], told=store(words)), 0.0)
    lines = draw(compose_board(sample, sample, at=1042.0), Notes(events=[words]), width)
    assert max(map(len, lines)) <= width
    cut = [line for line in lines if line.endswith("…")]
    assert len(cut) == 4
    told = [line for line in lines if line.startswith(("ALERT", "word"))]
    assert " ".join(told).split() == ["ALERT", *words.split()]


@pytest.mark.parametrize("width", [80, 100])
def test_a_long_reason_makes_no_other_column_narrower(width):
    words = " ".join(["word"] * 40)
    sites = {"ap-south": site("forced down", order=order("down", reason=words))}
    after = Sample(status(("www.", "ap-south", 1_234_567), sites=sites), 2.0)
    head, row, *_ = draw(compose_board(after, after, at=1042.0), Notes(), width)
    assert head == "#  site      state        since  TTL up to    answers  per s  why"
    assert row.startswith("1  ap-south  forced down   42 s        6 s  1,234,567    0.0  by anna: ")
    assert len(row) == width


def test_what_others_say_is_not_read_as_markup():
    sample = Sample(status(sites={"eu": site(reason="[red]x[/red]")}), 0.0)
    lines = draw(compose_board(sample, sample, at=1042.0), Notes(own="[b]"), 80)
    assert lines[1].endswith("[red]x[/red]")
    assert "[b]" in lines
