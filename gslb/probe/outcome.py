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

    rtt_ms: the time that the TCP connection took. reason: why it failed, printable ASCII of at most
    MAX_REASON characters; empty when it passed. first_byte_ms: from the start of the check to the
    first octet of the answer. certificate_until_at: Unix seconds at which the certificate expires
    that was shown. None: the check did not get that far, or its kind has no such thing.
    """

    ok: bool
    rtt_ms: float | None = None
    reason: str = ""
    first_byte_ms: float | None = None
    certificate_until_at: float | None = None


@dataclass(slots=True)
class Findings:
    """What a check has found so far: it grows while the check goes on, so that one that fails late
    still tells what came before. The fields are those of Outcome.
    """

    rtt_ms: float | None = None
    first_byte_ms: float | None = None
    certificate_until_at: float | None = None

    def conclude(self, complaint: str) -> Outcome:
        """The outcome: a failure if there is a complaint, which is made safe to print."""
        return Outcome(
            ok=not complaint,
            rtt_ms=self.rtt_ms,
            reason=clean_text(complaint),
            first_byte_ms=self.first_byte_ms,
            certificate_until_at=self.certificate_until_at,
        )


def failed(reason: str) -> Outcome:
    """A failure that found nothing else, its reason made safe to print."""
    return Outcome(ok=False, reason=clean_text(reason))


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
