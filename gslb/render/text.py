"""Words and sections of an HAProxy configuration.

Laws:
1. Whatever the operator wrote is one word, or one argument of a fetch, and nothing else: it can
   neither end a line nor begin a comment, a variable or a format.
2. A line holds fewer words than HAProxy takes (64); longer lists become several lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

PATTERNS = 40
"""Patterns of one `acl` line, which leaves room for the rest of its 64 words."""

_BARE = re.compile(r"[A-Za-z0-9_.:/@,=+*\-\[\]()]+")
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.\-]")


def word(text: str) -> str:
    """A text as one word of a line."""
    assert not set(text) & set("\r\n\0"), "no value of a configuration holds a line's end"
    if _BARE.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def argument(text: str) -> str:
    """A text as an argument of a fetch or converter; the expression around it needs `word`."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def literal(text: str) -> str:
    """A text as a word that HAProxy reads as a format, meaning itself."""
    return word(text.replace("%", "%%"))


def fetch(method: str, key: str) -> str:
    """A fetch of what has a name: `req.fhdr(X-User)`."""
    return f"{method}({key})" if _PLAIN.fullmatch(key) else word(f"{method}({argument(key)})")


def name(*parts: str) -> str:
    """A name of a section or a rule. No part keeps a colon, so no two are the same."""
    return ":".join(_NOT_IN_NAME.sub(_escape, part) for part in parts)


def _escape(found: re.Match[str]) -> str:
    return f":{ord(found[0]):x}:"


def milliseconds(seconds: float) -> str:
    """A duration; HAProxy takes 0 for none at all, so there is always one."""
    return f"{max(1, round(seconds * 1000))}ms"


def acl(title: str, test: str, patterns: Iterable[str]) -> Iterator[str]:
    """Lines of one rule that holds when one of the patterns does. test: fetch and flags."""
    patterns = list(patterns)
    for chunk in _chunks(patterns):
        yield f"acl {title} {test} " + " ".join(["--", *map(word, chunk)])


def _chunks(patterns: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(patterns), PATTERNS):
        yield patterns[at : at + PATTERNS]


class Section:
    """One section: its title and its lines, in order. about: what of the file it stands for."""

    def __init__(self, title: str, about: str) -> None:
        self._lines = [f"# {_one_line(about)}", title]

    def add(self, *lines: str) -> None:
        """Lines at the end; empty ones are left out."""
        self._lines += [f"    {line}" for line in lines if line]

    def tell(self, comment: str) -> None:
        """A comment, after an empty line."""
        self._lines += ["", f"    # {_one_line(comment)}"]

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
