"""What the replay holds answers to: a judge that finds nothing would prove nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.app.failstatic.load import Answer, View
from tests.partition.observer import Look, Observer, client_of

ADDRESSES = {"eu": "192.0.2.1", "us": "192.0.2.2"}
BOTH, US = frozenset(ADDRESSES.values()), frozenset({"192.0.2.2"})
UP, DOWN = View("up"), View("down")


class _Server:
    dns_port = 0


def decided(number: int, sites: frozenset[str], decision: str) -> dict[str, Any]:
    """A line of a decision log."""
    answer = [f"all.w.test. 2 IN A {address}" for address in sorted(sites)]
    return {"client": f"{client_of(number)}/32", "answer": answer, "decision_id": decision}


def answered(number: int, sites: frozenset[str]) -> Answer:
    return Answer(1.0, 1.1, "NOERROR", sites, 2, number)


def judge(
    folder: Path, answers: list[Answer], decisions: list[dict[str, Any]], *looks: Look
) -> list[str]:
    """What the observer says of a run."""
    observer = Observer(_Server(), "all.w.test", folder / "decisions")
    lines = "".join(json.dumps(one) + "\n" for one in decisions)
    (folder / "decisions").write_text(lines)
    observer.load.answers += answers
    observer.recorder.looks += looks
    return observer.find_faults(ADDRESSES)


LAWFUL = [decided(1, BOTH, "c-g-h3-t0"), decided(2, US, "c-g-h4-t0"), decided(3, US, "c-g-h4-t0")]
ANSWERS = [answered(1, BOTH), answered(2, US), answered(3, US)]
LOOKS = (Look(3, {"eu": UP, "us": UP}), Look(4, {"eu": DOWN, "us": UP}))


def test_what_is_lawful_has_no_fault(tmp_path: Path):
    assert judge(tmp_path, ANSWERS, LAWFUL, *LOOKS) == []


@pytest.mark.parametrize(
    ("answers", "decisions", "told"),
    [
        pytest.param([answered(1, US)], LAWFUL, "is not what was decided", id="another answer"),
        pytest.param([answered(9, US)], LAWFUL, "nothing was decided for", id="not decided"),
        pytest.param([], [LAWFUL[0], LAWFUL[0]], "2 decisions of 1 queries", id="decided twice"),
        pytest.param([], LAWFUL[::-1], "snapshot 3 came back after 4", id="an old snapshot"),
        pytest.param(
            [],
            [LAWFUL[1], decided(4, BOTH, "c-g-h4-t0")],
            "c-g-h4-t0 is ",
            id="one snapshot, two answers",
        ),
        pytest.param([], [decided(1, US, "c-g-h3-t0")], "the status says", id="a site too few"),
        pytest.param([], [decided(1, BOTH, "c-g-h4-t0")], "the status says", id="a dead site"),
    ],
)
def test_what_is_against_a_law_is_a_fault(
    tmp_path: Path, answers: list[Answer], decisions: list[dict[str, Any]], told: str
):
    assert told in " ".join(judge(tmp_path, answers, decisions, *LOOKS))


def test_a_status_that_does_not_come_is_a_fault(tmp_path: Path):
    observer = Observer(_Server(), "all.w.test", tmp_path / "decisions")
    observer.recorder.failure = OSError("refused")
    assert observer.find_faults(ADDRESSES) == ["no status: refused"]
