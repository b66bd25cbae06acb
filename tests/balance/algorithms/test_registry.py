from __future__ import annotations

import re
from pathlib import Path

import pytest

from gslb.balance.algorithms.registry import ALGORITHMS, make_algorithm
from gslb.model.proxy import Algorithm as Word
from gslb.model.proxy import BalanceSpec
from tests.balance.algorithms.values import crew, pick

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "algorithms.md").read_text("utf-8")


def test_every_word_of_the_model_has_its_algorithm():
    assert list(ALGORITHMS) == list(Word)


@pytest.mark.parametrize("word", Word)
def test_an_algorithm_is_a_module_a_test_file_and_a_section(word):
    assert (ROOT / "gslb" / "balance" / "algorithms" / f"{word}.py").exists()
    assert (ROOT / "tests" / "balance" / "algorithms" / f"test_{word}.py").exists()
    assert re.search(rf"^## `{word}`$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("word", Word)
def test_a_made_one_picks_at_once(word):
    members = crew(a=1)
    algorithm = make_algorithm(BalanceSpec(word), members)
    assert pick(algorithm, members, key=7, draw=0.5) == "a"
    assert algorithm.score(members[0], 0.0) <= 0.01
