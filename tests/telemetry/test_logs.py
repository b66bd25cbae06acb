"""Log lines: their form, and that nothing in a field can break out of its line."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.system import LogSettings
from gslb.telemetry.logs import Log, configure, dump_line, escape, get_limited_logger, get_logger
from gslb.telemetry.rate import Limiter

AT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("gslb")
    handlers, level = list(root.handlers), ours.level
    yield
    root.handlers[:] = handlers
    ours.setLevel(level)


def text_of(event: str, /, **fields: object) -> str:
    """The line that a terminal gets, without its time."""
    stream = Terminal()
    configure(LogSettings(), stream)
    get_logger("gslb.test").info(event, **fields)
    at, rest = stream.getvalue().split(" ", 1)
    assert AT.match(at)
    assert rest.endswith("\n")
    return rest[:-1]


def json_of(event: str, /, **fields: object) -> dict[str, object]:
    stream = io.StringIO()
    configure(LogSettings(), stream)
    get_logger("gslb.test").info(event, **fields)
    return json.loads(stream.getvalue())


def test_a_terminal_gets_text():
    assert text_of("zone loaded", zone="a.example", records=12) == (
        "info zone loaded zone=a.example records=12"
    )


def test_anything_else_gets_json_lines():
    line = json_of("zone loaded", zone="a.example", records=12)
    assert AT.match(str(line.pop("at")))
    assert line == {"level": "info", "event": "zone loaded", "zone": "a.example", "records": 12}


def test_the_first_fields_of_json_are_at_level_event():
    assert list(json_of("x", b=1, a=2)) == ["at", "level", "event", "b", "a"]


@pytest.mark.parametrize(
    ("form", "stream", "start"), [("text", io.StringIO(), "2"), ("json", Terminal(), "{")]
)
def test_a_form_that_is_set_wins_over_the_kind_of_stream(form: str, stream, start: str):
    configure(LogSettings(format=form), stream)
    get_logger("gslb.test").info("x")
    assert stream.getvalue().startswith(start)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ('say "no"', '"say \\"no\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("a=b", '"a=b"'),
        ("one\ntwo\r", '"one\\ntwo\\r"'),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("line\u2028separator", '"line\\u2028separator"'),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\udcff", "\\udcff"),
        ("Zürich", "Zürich"),
        (b"\x00\xff", "00ff"),
        (IPv4Address("192.0.2.1"), "192.0.2.1"),
        (None, "None"),
        (1.5, "1.5"),
        (OSError("no room"), '"OSError: no room"'),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_text_values_end_where_they_seem_to(value: object, written: str):
    assert text_of("x", v=value) == f"info x v={written}"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("one\ntwo\x7f\u2028", "one\ntwo\x7f\u2028"),
        (b"\x00\xff", "00ff"),
        (IPv4Address("192.0.2.1"), "192.0.2.1"),
        (OSError("no room"), "OSError: no room"),
        (None, None),
        ([1, "a"], [1, "a"]),
    ],
)
def test_json_values_come_back_as_they_were(value: object, kept: object):
    assert json_of("x", v=value)["v"] == kept


@pytest.mark.parametrize("key", ["at", "level", "event"])
def test_a_field_cannot_take_the_place_of_a_fixed_one(key: str):
    line = json_of("x", **{key: "mine"})
    assert line[f"{key}_"] == "mine"
    assert line["event"] == "x"
    assert line["level"] == "info"


@given(st.text())
def test_escaped_text_is_one_line_of_printable_characters(text: str):
    escaped = escape(text)
    assert len(escaped.splitlines()) <= 1
    assert escaped.encode("utf-8").decode("utf-8") == escaped  # no lone surrogate is left
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in escaped)


@given(st.dictionaries(st.text(), st.text() | st.binary() | st.integers()))
def test_a_dumped_mapping_is_one_line_of_printable_ascii(mapping: dict[str, object]):
    line = dump_line(mapping)
    assert all(0x20 <= ord(each) < 0x7F for each in line)
    assert list(json.loads(line)) == list(mapping)


def test_an_exception_with_its_trace_is_one_line():
    stream = io.StringIO()
    configure(LogSettings(), stream)
    try:
        raise OSError("broken")
    except OSError:
        logging.getLogger("some.library").exception("it %s", "failed")
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["level"], event["event"], event["logger"]) == (
        "error",
        "it failed",
        "some.library",
    )
    assert "Traceback" in event["trace"]
    assert event["trace"].endswith("OSError: broken")


def test_lines_under_the_level_are_not_written():
    stream = io.StringIO()
    configure(LogSettings(level="warning"), stream)
    log = get_logger("gslb.test")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["c", "d"]


def test_debug_is_written_when_asked_for():
    stream = io.StringIO()
    configure(LogSettings(level="debug"), stream)
    get_logger("gslb.test").debug("a")
    assert json.loads(stream.getvalue())["level"] == "debug"


def test_libraries_are_heard_from_warnings_on():
    stream = io.StringIO()
    configure(LogSettings(level="debug"), stream)
    library = logging.getLogger("some.library")
    library.info("chatter")
    library.warning("%d left", 3)
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["3 left"]


def test_configuring_again_replaces_the_stream():
    first, second = io.StringIO(), io.StringIO()
    configure(LogSettings(), first)
    configure(LogSettings(), second)
    get_logger("gslb.test").info("x")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1


def test_a_broken_stream_disturbs_nobody(capsys: pytest.CaptureFixture[str]):
    stream = io.StringIO()
    configure(LogSettings(), stream)
    stream.close()
    get_logger("gslb.test").info("x")
    assert capsys.readouterr() == ("", "")


def test_a_limited_event_says_how_many_were_suppressed():
    stream, now = io.StringIO(), [0.0]
    configure(LogSettings(), stream)
    log = Log(logging.getLogger("gslb.test"), Limiter(1, clock=lambda: now[0]))
    for _ in range(5):
        log.warning("bad packet", octets=b"\x00")
    now[0] = 1.0
    log.warning("bad packet", octets=b"\x01")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert "suppressed" not in first
    assert (second["octets"], second["suppressed"]) == ("01", 4)


def test_lines_under_the_level_take_nothing_from_the_allowance():
    stream = io.StringIO()
    configure(LogSettings(level="error"), stream)
    log = Log(logging.getLogger("gslb.test"), Limiter(1, clock=lambda: 0.0))
    log.warning("x")
    log.error("x")
    assert json.loads(stream.getvalue())["level"] == "error"


def test_a_flood_of_one_event_leaves_a_few_lines():
    stream = io.StringIO()
    configure(LogSettings(), stream)
    log = get_limited_logger("gslb.test")
    first = int(time.monotonic())
    for _ in range(1000):
        log.warning("bad packet")
    seconds = int(time.monotonic()) - first + 1
    assert 10 <= len(stream.getvalue().splitlines()) <= 10 * seconds
