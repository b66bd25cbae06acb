"""What the documentation names is there: files, anchors, make targets, commands, options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from gslb.cli.main import COMMANDS, GROUPS, app
from tests.docs.pages import KINDS, ROOT, anchors, code_spans, every_fence, fences, links, pages

ROOT_COMMAND = typer.main.get_command(app)
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE)
OUR_FILE = re.compile(r"(?:gslb|tests|docs|zones|geodata|compose)/[\w./-]+\.\w+")


def lines_of_code(page: str) -> Iterator[str]:
    """Everything on a page that is meant to be typed."""
    yield from code_spans(page)
    for fence in fences("console", "sh"):
        if fence.page == page:
            yield from (command for command, _ in fence.commands)


def gslb_calls(line: str) -> Iterator[list[str]]:
    """The arguments of every call of gslb in a line of shell."""
    if "gslb " not in line:
        return
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    call: list[str] | None = None
    for word in [*words, ";"]:
        if re.fullmatch(r"[|;&()<>]+", word):
            if call is not None:
                yield call
            call = None
        elif call is not None:
            call.append(word)
        elif Path(word).name == "gslb":
            call = []


CALLS = [
    (page, call) for page in pages() for line in lines_of_code(page) for call in gslb_calls(line)
]


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    for link in links(page):
        if re.match(r"https?:|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent.joinpath(name).resolve() if name else ROOT / page
        assert target.exists(), f"{page}: {link} is not there"
        if anchor:
            assert anchor in anchors(str(target.relative_to(ROOT))), f"{page}: no heading {link}"


@pytest.mark.parametrize("page", pages())
def test_every_file_of_ours_that_is_named_exists(page: str) -> None:
    named = [span for span in code_spans(page) if OUR_FILE.fullmatch(span) and "NAME" not in span]
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", pages())
def test_every_make_target_exists(page: str) -> None:
    code = "\n".join(lines_of_code(page))
    assert set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", code)) <= set(TARGETS)


def test_every_make_target_is_named() -> None:
    told = " ".join(code_spans("CONTRIBUTING.md"))
    assert [name for name in TARGETS if name != "help" and f"make {name}" not in told] == []


@pytest.mark.parametrize(
    ("page", "call"), CALLS, ids=lambda each: each if isinstance(each, str) else " ".join(each)[:60]
)
def test_every_command_and_option_exists(page: str, call: list[str]) -> None:
    command = ROOT_COMMAND
    words = iter(call)
    while hasattr(command, "commands") and not call[0].startswith("-"):
        word = next(words, None)
        if word is None:
            break
        assert word in command.commands, f"{page}: gslb {' '.join(call)}"
        command = command.commands[word]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{page}: gslb {' '.join(call)}"


def test_every_command_is_named() -> None:
    named = {call[0] for _, call in CALLS if call}
    commands = {command.__name__.replace("_", "-") for command in COMMANDS}
    assert commands | set(GROUPS) <= named
    for name, group in GROUPS.items():
        told = {call[1] for _, call in CALLS if call[0] == name and len(call) > 1}
        wanted = {one.name or one.callback.__name__ for one in group.registered_commands}
        assert wanted <= told


def test_every_fence_has_a_kind() -> None:
    assert [one.place for one in every_fence() if one.kind not in KINDS] == []
