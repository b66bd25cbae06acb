"""The last events of this process, for a screen on which log lines would get in the way."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gslb.telemetry.logs import TextFormatter

KEPT = 50
"""More than any screen shows."""

Listener = Callable[[str], None]


class Events(logging.Handler):
    """Collects log lines: `07:31:02 site changed site=eu-west state=down`, in local time.

    lines: the last ones, oldest first. listener: is handed each line when it comes.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=KEPT)
        self._listener = listener
        self.setFormatter(TextFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one line; the date and the level are dropped, a bad level is told as a word."""
        _, level, text = self.format(record).split(" ", 2)
        mark = "" if record.levelno <= logging.INFO else f"{level}: "
        line = f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {mark}{text}"
        self.lines.append(line)
        if self._listener is not None:
            self._listener(line)


@contextmanager
def collect_events(listener: Listener | None = None) -> Iterator[Events]:
    """Collects what is logged inside the context, from level info on, instead of writing it."""
    root, ours = logging.getLogger(), logging.getLogger("gslb")
    events, level = Events(listener), ours.level
    root.addHandler(events)
    ours.setLevel(logging.INFO)
    try:
        yield events
    finally:
        root.removeHandler(events)
        ours.setLevel(level)
