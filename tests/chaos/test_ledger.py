import pytest

from tests.chaos.clients import OK, RESET_ON_REUSE, Record
from tests.chaos.ledger import (
    Account,
    account,
    quantile,
    read_executions,
    summarise_steps,
)


def record(method="GET", outcome=OK, *, ident="r1", step="s", spent_s=0.01):
    return Record(method, ident, step, outcome, spent_s)


@pytest.mark.parametrize(
    ("outcome", "times", "account_wanted", "is_whole"),
    [
        pytest.param(OK, 1, Account(answered_once=1), True, id="answered and executed"),
        pytest.param("502", 1, Account(failed_once=1), True, id="executed, and nobody knows"),
        pytest.param("502", 0, Account(failed_never=1), True, id="refused"),
        pytest.param(OK, 0, Account(answered_never=1), False, id="answered by nobody"),
        pytest.param(OK, 2, Account(twice=1), False, id="answered, executed twice"),
        pytest.param("502", 2, Account(twice=1), False, id="failed, executed twice"),
    ],
)
def test_a_post_is_accounted_for_when_it_was_executed_as_its_answer_says(
    outcome, times, account_wanted, is_whole
):
    found = account([record("POST", outcome), record("GET", "502")], {"r1": times} if times else {})
    assert found == account_wanted
    assert found.is_whole is is_whole


def test_what_nobody_asked_for_is_a_fault():
    assert account([record("POST")], {"r1": 1, "r7": 1}) == Account(answered_once=1, unasked=1)
    assert not Account(unasked=1).is_whole


def test_executions_are_counted_over_all_backends_and_only_what_was_begun(tmp_path):
    (tmp_path / "a").write_text("begun r1\ndone r1\nbegun r2\n")
    (tmp_path / "b").write_text("begun r1\n")
    paths = [tmp_path / name for name in ("a", "b", "never written")]
    assert read_executions(paths) == {"r1": 2, "r2": 1}


def test_steps_are_told_in_order_with_what_failed_by_kind():
    records = [
        record(step="kill"),
        record(outcome=RESET_ON_REUSE, step="kill", spent_s=0.2),
        record("POST", "502", step="kill", spent_s=0.03),
        record(step="drain"),
    ]
    kill, drain = summarise_steps(records)
    assert (kill.step, kill.requests, kill.max_ms) == ("kill", 3, 200.0)
    assert kill.get_failures == {RESET_ON_REUSE: 1}
    assert kill.post_failures == {"502": 1}
    assert kill.reset_on_reuse == 1
    assert (drain.step, drain.get_failures, drain.post_failures) == ("drain", {}, {})


def test_a_quantile_is_a_value_that_was_measured():
    values = [float(value) for value in range(1, 101)]
    assert [quantile(values, share) for share in (0, 0.5, 0.99, 1)] == [1, 51, 100, 100]
    assert quantile([7.0], 0.99) == 7
