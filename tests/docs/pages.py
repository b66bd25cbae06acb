"""The pages of documentation, cut into what the tests look at: fences, code spans, links, headings.

A fence is a block between two lines of three backquotes. Its kind, the word behind the first of
them, says what is done with it:

- `yaml`: configuration, which is loaded; its first line is a comment with the name of its file
  (test_configuration.py);
- `console`: a transcript, which is run; `$ ` begins a command, the rest is its output
  (test_transcripts.py). `<!-- state: eu-west is down -->` on the line before brings the example
  into that state first (stage.py);
- `sh`: commands for people; they are not run, but what they name must exist (test_names.py);
- `zone`, `json`, `ini`: the same facts in other programs' forms (test_delegation.py);
- `conf`: files of a Redis, which is started with them (test_redis.py), or of a resolver
  (tests/delegation);
- `text`: pictures, and lines that tests of their own compare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
KINDS = ("yaml", "console", "sh", "zone", "json", "ini", "conf", "text")

_STATE = re.compile(r"<!-- state: (.+) -->")


@dataclass(frozen=True, slots=True)
class Fence:
    """One fence. line: of its first backquotes, from 1. state: of the example, "" as it is."""

    page: str
    line: int
    kind: str
    text: str
    state: str

    @property
    def place(self) -> str:
        """`docs/policies.md:12`, where an editor finds it."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that the first line names, as in `# zones/example.yaml`."""
        found = re.match(r"# (\S+\.(?:yaml|conf|acl))\n", self.text)
        return found.group(1) if found else None

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Of a transcript or of `sh`: each command and its output; a backslash joins lines."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.replace("\\\n", "").splitlines():
            if self.kind == "sh" or line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
        return found


@cache
def pages() -> dict[str, str]:
    """Every page: its path from the root, and its text."""
    folders = (ROOT.glob("*.md"), ROOT.glob("docs/**/*.md"), ROOT.glob("*/README.md"))
    paths = sorted(path.relative_to(ROOT) for folder in folders for path in folder)
    return {str(path): (ROOT / path).read_text("utf-8") for path in paths}


def fences(*kinds: str) -> list[Fence]:
    """All fences of these kinds, in the order of the pages."""
    return [one for page, text in pages().items() for one in _cut(page, text) if one.kind in kinds]


def every_fence() -> Iterator[Fence]:
    """All of them, whatever they are."""
    for page, text in pages().items():
        yield from _cut(page, text)


def _cut(page: str, text: str) -> Iterator[Fence]:
    before, start, kind, inside = "", 0, "", []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("```"):
            if start:
                inside.append(line + "\n")
            else:
                before = line
        elif start:
            state = _STATE.fullmatch(before)
            yield Fence(page, start, kind, "".join(inside), state.group(1) if state else "")
            before, start, inside = "", 0, []
        else:
            start, kind = number, line.removeprefix("```")
    assert not start, f"{page}:{start}: this fence never ends"


def prose(page: str) -> str:
    """A page without its fences."""
    return re.sub(r"^```.*?^```$", "", pages()[page], flags=re.MULTILINE | re.DOTALL)


def code_spans(page: str) -> list[str]:
    """What stands in single backquotes outside of fences."""
    return [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", prose(page))]


def links(page: str) -> list[str]:
    """The targets of links outside of fences and code."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]+`", "", prose(page)))


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as its host makes them of their words."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {word.strip().replace(" ", "-") for word in words}
