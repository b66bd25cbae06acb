"""The manual's table is the renderer's list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gslb.render.features import FEATURES, Grade
from tests.proxy.conformance.test_verdicts import VERDICTS

PAGE = Path(__file__).parents[2] / "docs" / "haproxy.md"


def compose_table() -> str:
    rows = (
        f"| `{key}` | {grade} | {_cell(how)} |"
        for wanted in Grade
        for key, (grade, how) in FEATURES.items()
        if grade is wanted
    )
    return "\n".join(["| key | grade | with HAProxy |", "|---|---|---|", *rows])


def _cell(how: str) -> str:
    return how.replace("|", "\\|")


def test_the_table_is_the_list():
    assert PAGE.read_text().partition("<!-- features -->\n")[2].strip() == compose_table()


def test_a_line_that_the_page_shows_is_one_that_is_told():
    shown = re.findall(r"^(\S+): proxies\.[\w.-]+: (.+)$", PAGE.read_text(), re.MULTILINE)
    assert len(shown) == 2
    assert set(shown) <= {(str(grade), how) for grade, how in FEATURES.values()}


@pytest.mark.parametrize("name", [name for name, verdict in VERDICTS.items() if verdict.why])
def test_a_verdict_that_differs_is_on_the_page(name: str):
    words = {
        "length-and-chunks": "Content-Length beside Transfer-Encoding",
        "two-equal-lengths": "equal lengths twice",
        "folded-line": "folded lines",
        "bare-line-feeds": "a bare LF",
    }
    assert words[name] in " ".join(PAGE.read_text().split())
