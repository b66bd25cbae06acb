"""`gslb events` against a real admin port; --follow with a clock that is a list."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from gslb.cli import events as module
from gslb.cli.admin_client import AdminError
from gslb.cli.events import describe_event, follow_on, pick_new
from gslb.cli.main import app
from tests.admin.known import NOW_AT, Known, admin_port


def make_event(number: int = 0, **changes):
    return {
        "node": "ns1",
        "at": NOW_AT + number,
        "kind": "site changed",
        "subject": "eu",
        "fields": {"state": "down", "held": False, "reason": "HTTP status 503"},
    } | changes


def run(known: Known, *arguments: str) -> Result:
    with admin_port(known) as port:
        return CliRunner().invoke(app, ["events", *arguments, "--admin", str(port)])


def test_the_last_events_are_told_a_line_each():
    known = Known(happened=[make_event(number) for number in range(80)])
    found = run(known, "--count", "2")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.splitlines() == [
        f"2026-09-21T14:14:{second}Z  ns1  site changed      eu  state=down  held=false"
        '  reason="HTTP status 503"'
        for second in (38, 39)
    ]
    assert len(run(known).stdout.splitlines()) == 50
    assert json.loads(run(known, "--count", "1", "--json").stdout) == [make_event(79)]


@pytest.mark.parametrize("count", ["0", "1001", "x"])
def test_a_count_out_of_bounds_is_status_2(count):
    assert run(Known(), "--count", count).exit_code == 2


def test_what_others_wrote_steers_no_terminal():
    event = make_event(
        kind="\x1bk",
        subject="\x1bs",
        node="\x1bn",
        fields={"\x1bw": "\x1b[2J", "list": ["\x9b", "\x7f"]},
    )
    assert describe_event(event).plain.isprintable()


def test_moments_among_the_fields_are_told_as_such():
    event = make_event(fields={"until_at": NOW_AT, "since_at": None, "is_at": True})
    assert describe_event(event).plain.endswith(
        "until_at=2026-09-21T14:13:20Z  since_at=null  is_at=true"
    )


A, B, C, D = (make_event(number) for number in range(4))


@pytest.mark.parametrize(
    ("seen", "batch", "new"),
    [
        ([], [], []),
        ([], [A], [A]),
        ([A, B], [A, B], []),
        ([A, B], [A, B, C], [C]),
        ([A, B], [B, C, D], [C, D]),
        ([A, B], [C, D], [C, D]),
        ([A, A], [A, A, A], [A]),
        ([A, B, C], [], []),
        ([A, B], [D], [D]),
    ],
)
def test_only_what_is_new_is_told(seen, batch, new):
    assert list(pick_new(seen, batch)) == new


def test_follow_goes_on_after_a_server_was_away(capsys):
    steps = iter([[A, B], AdminError("gone"), AdminError("gone"), [A, B, C], [C, D]])

    def fetch():
        step = next(steps)
        if isinstance(step, AdminError):
            raise step
        return step

    following = follow_on([A], fetch, lambda: None)
    assert [list(next(following)) for _ in range(3)] == [[B], [C], [D]]
    assert capsys.readouterr().err.count("gone") == 1


def test_follow_prints_what_was_and_what_comes(monkeypatch):
    known = Known(happened=[A, B])

    def sleep(_seconds: float) -> None:
        if C in known.happened:
            raise KeyboardInterrupt
        known.happened = [A, B, C]

    monkeypatch.setattr(module.time, "sleep", sleep)
    found = run(known, "--follow", "--count", "1", "--json")
    assert found.exit_code == 0
    assert [json.loads(line) for line in found.stdout.splitlines()] == [B, C]
