"""docs/threats.md: every proof that it names is there."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, code_spans, pages

PAGE = "docs/threats.md"
PROOFS = [span for span in code_spans(PAGE) if span.startswith("tests/")]


@pytest.mark.parametrize("proof", PROOFS)
def test_the_proof_is_there(proof: str) -> None:
    file, _, name = proof.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()


def test_every_threat_has_its_proof() -> None:
    tables = re.findall(r"\| threat \|.*?\n\n", pages()[PAGE], re.DOTALL)
    assert len(tables) == 5
    rows = [line for table in tables for line in table.splitlines()[2:] if line]
    assert [row for row in rows if len(re.findall(r"`tests/\S+::test_\w+`", row)) != 1] == []
    assert len(rows) == len(PROOFS)
