"""Structured logs on the standard library's logging: text on a terminal, JSON lines otherwise.

1. One event is one line, whatever its fields hold: control characters and broken Unicode are
   escaped.
2. Octets are written as hexadecimal digits, never raw.
3. Every line has `at` (ISO 8601, UTC), `level` and `event`; then come the fields, in the order they
   were given.
4. A stream that cannot be written to loses lines and disturbs nobody.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from gslb.telemetry.rate import Limiter

if TYPE_CHECKING:
    from gslb.model.system import LogSettings

# Ten lines a second of one event tell a person all there is, and cost a loaded server nothing.
LINES_PER_SECOND = 10

_FIELDS = "gslb_fields"
_RESERVED = ("at", "level", "event")
# C0, C1 and DEL steer terminals; line and paragraph separators and lone surrogates break readers of
# lines; the bidirectional marks make a line look like another one.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NEEDS_QUOTES = re.compile(r'[\s"=\\]|^$')


class Log:
    """Where one module says what happened: `log.info("zone loaded", records=12)`.

    An event is a few constant words; what varies goes into the fields. With a limiter, an event
    that comes too often is suppressed, and the next one that is written says how many were
    (`suppressed`).
    """

    def __init__(self, logger: logging.Logger, limiter: Limiter | None = None) -> None:
        self._logger = logger
        self._limiter = limiter

    def debug(self, event: str, /, **fields: object) -> None:
        """Write what only somebody who searches a fault wants to read."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Write what an operator wants to see in the course of a day."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Write what works still, but should be looked at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Write what did not work. An exception goes into a field, usually `cause`."""
        self._write(logging.ERROR, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        suppressed = self._limiter.admit(event) if self._limiter else 0
        if suppressed is None:
            return
        if suppressed:
            fields["suppressed"] = suppressed
        self._logger.log(level, "%s", event, extra={_FIELDS: fields})


def get_logger(name: str) -> Log:
    """The log of a module, given its `__name__`, for events that are rare by nature."""
    return Log(logging.getLogger(name))


def get_limited_logger(name: str) -> Log:
    """The log of a module for what a stranger can cause: at most LINES_PER_SECOND of an event."""
    return Log(logging.getLogger(name), Limiter(LINES_PER_SECOND, clock=time.monotonic))


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Send the log lines of this process to a stream (standard error), formatted as told.

    What libraries log comes out in the same form from warnings on. Calling it again replaces what
    was set before.
    """
    handler = _LineHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(settings.format, handler.stream))
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _LineHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger("gslb").setLevel(settings.level.upper())


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines and keeps quiet when it cannot (law 4)."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the library's name)
        """Lose the line: nothing is left to report that to."""


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z info zone loaded zone=example.com records=12`."""

    def format(self, record: logging.LogRecord) -> str:
        """The event as one line for people."""
        pairs = (f"{escape(key)}={_quoted(value)}" for key, value in _fields(record))
        head = (_at(record), _level(record), escape(record.getMessage()))
        return " ".join((*head, *pairs))


class JsonFormatter(logging.Formatter):
    """`{"at": "2026-01-31T12:00:00.000Z", "level": "info", "event": "reloaded", "zones": 12}`."""

    def format(self, record: logging.LogRecord) -> str:
        """The event as one JSON object."""
        head = {"at": _at(record), "level": _level(record), "event": record.getMessage()}
        return dump_line(head | dict(_fields(record)))


def dump_line(mapping: Mapping[str, Any]) -> str:
    """A mapping as one line of ASCII JSON; octets as hexadecimal digits, others as their text."""
    # JSON in ASCII escapes all that ends a line; DEL is the one control character that it lets
    # through.
    return json.dumps(mapping, default=_plain).replace("\x7f", "\\u007f")


def escape(text: str) -> str:
    r"""Text that is safe to print: what ends lines or steers terminals comes as `\n` or `\x1b`."""
    return _UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)


def _formatter(form: str, stream: TextIO) -> logging.Formatter:
    if form == "auto":
        form = "text" if stream.isatty() else "json"
    return TextFormatter() if form == "text" else JsonFormatter()


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """The fields of our own events; of a library's, who it was; of both, the traceback if any."""
    given: Mapping[str, object] | None = getattr(record, _FIELDS, None)
    if given is None:
        yield "logger", record.name
    for key, value in (given or {}).items():
        yield (f"{key}_" if key in _RESERVED else key), value
    if record.exc_info and record.exc_info[0]:
        yield "trace", logging.Formatter().formatException(record.exc_info)


def _at(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _level(record: logging.LogRecord) -> str:
    return record.levelname.lower()


def _quoted(value: object) -> str:
    """A field's value in text form, in quotes where its end could not be seen otherwise."""
    text = str(_plain(value))
    if not _NEEDS_QUOTES.search(text):
        return escape(text)
    return '"' + escape(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _plain(value: object) -> object:
    """A value as something that JSON has."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}" if str(value) else type(value).__name__
    return str(value)
