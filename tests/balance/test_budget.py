import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.balance.budget import RetryBudget, retry_delay_s
from gslb.model.proxy import RetrySettings


def count_granted(requests, *, share=1.0, **settings):
    budget = RetryBudget(RetrySettings(**settings), share=share)
    return sum(budget.begin(requests) for _ in range(100))


@pytest.mark.parametrize(
    ("requests", "share", "granted"),
    [
        pytest.param(0, 1.0, 3, id="min_retries in any case"),
        pytest.param(15, 1.0, 3, id="where both are equal"),
        pytest.param(19, 1.0, 3, id="3.8 is 3"),
        pytest.param(20, 1.0, 4, id="a fifth"),
        pytest.param(100, 1.0, 20, id="a fifth of many"),
        pytest.param(0, 0.5, 2, id="half of min_retries is 2"),
        pytest.param(0, 1 / 3, 1, id="a third is 1"),
        pytest.param(0, 1 / 16, 1, id="never under 1"),
    ],
)
def test_how_many_are_granted(requests, share, granted):
    assert count_granted(requests, share=share, budget=0.2, min_retries=3) == granted


def test_none_without_budget_and_minimum():
    assert count_granted(100, budget=0.0, min_retries=0) == 0


def test_end_gives_the_place_back():
    budget = RetryBudget(RetrySettings(budget=0.0, min_retries=1))
    assert [budget.begin(0), budget.begin(0)] == [True, False]
    budget.end()
    assert budget.begin(0)


def test_end_without_begin_is_our_fault():
    with pytest.raises(AssertionError):
        RetryBudget(RetrySettings()).end()


def test_other_settings_keep_what_is_on_the_way():
    budget = RetryBudget(RetrySettings(budget=0.0, min_retries=2))
    budget.begin(0)
    budget.change(RetrySettings(budget=0.0, min_retries=1))
    assert not budget.begin(0)


@pytest.mark.parametrize(
    ("attempt", "longest_s"),
    [(1, 0.025), (2, 0.075), (3, 0.175), (4, 0.25), (9, 0.25), (10_000, 0.25)],
)
def test_delay_is_a_share_of_the_longest(attempt, longest_s):
    assert [retry_delay_s(attempt, draw) for draw in (0.0, 0.5)] == [
        0.0,
        pytest.approx(longest_s / 2),
    ]


def test_connections_that_failed_are_retried_at_once():
    assert retry_delay_s(3, 0.9, connect_failed=True) == 0.0


@given(
    st.floats(0, 1),
    st.integers(0, 5),
    st.lists(st.tuples(st.sampled_from("be"), st.integers(0, 60)), max_size=80),
)
def test_never_beyond_the_budget(share, least, steps):
    budget = RetryBudget(RetrySettings(budget=share, min_retries=least))
    for step, requests in steps:
        if step == "b" and budget.begin(requests):
            assert budget.on_the_way <= max(least, share * requests)
        elif step == "e" and budget.on_the_way:
            budget.end()
        assert budget.on_the_way >= 0
