"""`gslb drain`, `undrain`, `force`, `unforce` against a real admin port."""

from __future__ import annotations

import json
import time

import pytest
from typer.testing import CliRunner, Result

from gslb.admin.requests import OrderRequest
from gslb.cli import orders
from gslb.cli.main import app
from gslb.cli.orders import describe_order
from gslb.errors import OrderError
from gslb.model.order import OrderKind
from tests.admin.known import NOW_AT, Known, admin_port, make_order


def run(known: Known, *arguments: str, **environment: str) -> Result:
    with admin_port(known) as port:
        runner = CliRunner()
        return runner.invoke(app, [*arguments, "--admin", str(port)], env=environment)


def known_with(order: dict | None) -> Known:
    known = Known()
    known.told["sites"]["eu-west"]["order"] = order
    return known


def test_a_drain_is_ordered_with_all_that_was_said():
    known = Known()
    before = time.time()
    found = run(
        known, "drain", "eu-west", "--reason", "new kernel", "--until", "2h", "--owner", "anna",
        "--force",
    )  # fmt: skip
    assert (found.exit_code, found.stderr) == (0, "")
    (placed,) = known.placed
    assert before + 7200 <= placed.until_at <= time.time() + 7200
    assert placed == OrderRequest(
        "eu-west", OrderKind.DRAIN, "new kernel", "anna", placed.until_at, is_forced=True
    )
    assert found.stdout.startswith("eu-west is drained by anna until 2")
    assert found.stdout.endswith(" (2 h left): new kernel\n")


@pytest.mark.parametrize(("state", "kind"), [("up", OrderKind.UP), ("down", OrderKind.DOWN)])
def test_a_state_is_forced(state, kind):
    known = Known()
    found = run(known, "force", "eu-west", state, "--reason", "r", "--owner", "o")
    assert found.exit_code == 0
    assert known.placed == [OrderRequest("eu-west", kind, "r", "o")]
    assert found.stdout == f"eu-west is forced {state} by o until it is taken back: r\n"


@pytest.mark.parametrize(
    ("environment", "owner"),
    [({"SUDO_USER": "anna", "LOGNAME": "root"}, "anna"), ({"SUDO_USER": "", "LOGNAME": "b"}, "b")],
)
def test_the_owner_is_who_gives_the_command(environment, owner):
    known = Known()
    assert run(known, "drain", "eu-west", "--reason", "r", **environment).exit_code == 0
    assert known.placed[0].owner == owner


def test_a_user_without_a_name_is_told_by_number(monkeypatch):
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 5")

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr(orders.getpass, "getuser", nobody)
    monkeypatch.setattr(orders.os, "getuid", lambda: 5)
    assert orders.find_user() == "uid 5"


@pytest.mark.parametrize(
    ("command", "order"),
    [
        ("undrain", make_order("drain")),
        ("unforce", make_order("up")),
        ("unforce", make_order("down")),
        ("undrain", None),
        ("unforce", None),
    ],
)
def test_an_order_is_taken_back_by_its_own_word(command, order):
    known = known_with(order)
    found = run(known, command, "eu-west", "--owner", "bob")
    assert found.exit_code == 0
    assert known.placed == [OrderRequest("eu-west", OrderKind.NONE, "taken back", "bob")]
    assert found.stdout == "eu-west: its order was taken back by bob\n"
    assert ("knew of no order for eu-west" in found.stderr) is (order is None)


@pytest.mark.parametrize(
    ("command", "kind", "hint"),
    [
        ("undrain", "down", "see gslb unforce"),
        ("undrain", "up", "see gslb unforce"),
        ("unforce", "drain", "see gslb undrain"),
    ],
)
def test_an_order_is_not_taken_back_by_the_other_word(command, kind, hint):
    known = known_with(make_order(kind, until_at=None))
    found = run(known, command, "eu-west", "--owner", "bob")
    assert found.exit_code == 1
    assert known.placed == []
    (line,) = found.stderr.splitlines()
    assert line.startswith("gslb: eu-west is ")
    assert "by anna until it is taken back: new kernel" in line
    assert line.endswith(hint)


def test_a_refused_order_is_one_line_and_status_1():
    known = Known(error=OrderError("eu-west is half of the capacity"))
    found = run(known, "drain", "eu-west", "--reason", "r")
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.startswith("gslb: 127.0.0.1:")
    assert found.stderr.endswith(" says: eu-west is half of the capacity\n")


def test_what_makes_no_sense_to_the_server_is_status_2():
    known = Known(error=ValueError("there is no site 'x'"))
    found = run(known, "drain", "x", "--reason", "r")
    assert found.exit_code == 2
    assert "there is no site 'x'" in found.stderr


def test_a_store_that_is_away_is_said_and_the_order_is_done():
    found = run(Known(store_error="timed\x1b out"), "drain", "eu-west", "--reason", "r")
    assert found.exit_code == 0
    (line,) = found.stderr.splitlines()
    assert "the other servers do not know it yet: the store is away (timed\\x1b out)" in line


def test_json_is_what_the_server_said():
    found = run(Known(), "drain", "eu-west", "--reason", "r", "--json")
    told = json.loads(found.stdout)
    assert (told["order"]["kind"], told["store_error"]) == ("drain", None)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("drain", "eu-west"), "--reason"),
        (("drain", "--reason", "r"), "argument 'site'"),
        (("drain", "eu-west", "--reason", " "), "reason must not be empty"),
        (("drain", "eu-west", "--reason", "r", "--until", "soon"), "is no time"),
        (("drain", "eu-west", "--reason", "r", "--until", "2026-01-31T12:00"), "says no zone"),
        (("force", "eu-west", "--reason", "r"), "argument 'state'"),
        (("force", "eu-west", "sideways", "--reason", "r"), "sideways"),
    ],
)
def test_a_senseless_command_line_is_status_2(arguments, why):
    known = Known()
    found = run(known, *arguments)
    assert found.exit_code == 2
    assert why in " ".join(found.stderr.replace("│", " ").split())
    assert known.placed == []


def test_an_order_is_told_in_a_line_that_steers_no_terminal():
    order = make_order("up", owner="", reason="\x1b[2J", until_at=NOW_AT + 60)
    assert describe_order("eu", order, NOW_AT) == (
        "eu is forced up until 2026-09-21T14:14:20Z (1 min left): \\x1b[2J"
    )
