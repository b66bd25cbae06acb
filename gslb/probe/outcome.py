"""What a single check found, as a value: a probe that fails is an expected outcome, never an
exception.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

MAX_REASON = 200
"""Reasons hold what strangers' servers said: bounded, so that no log or page is flooded through
them.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one check.

    rtt_ms: the time that the TCP connection took, None when there was none. reason: why it failed,
    printable ASCII of at most MAX_REASON characters; empty when it passed.
    """

    ok: bool
    rtt_ms: float | None
    reason: str = ""


def failed(reason: str, rtt_ms: float | None = None) -> Outcome:
    """A failure, its reason made safe to print."""
    return Outcome(ok=False, rtt_ms=rtt_ms, reason=clean_text(reason))


def clean_text(text: str) -> str:
    """Text as printable ASCII on one line, anything else escaped, cut to MAX_REASON characters."""
    head = text[:MAX_REASON]  # escaping only makes it longer
    safe = "".join(
        letter if " " <= letter <= "~" else letter.encode("unicode_escape").decode()
        for letter in head
    )
    return safe[:MAX_REASON]


def describe_error(error: BaseException) -> str:
    """An error in a few words: the system's own text for an errno, else what the error says, else
    its kind.
    """
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
