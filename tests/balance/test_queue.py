import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.balance.queue import Queue
from gslb.balance.words import Refusal
from gslb.model.proxy import Priority

LOW, NORMAL, HIGH = Priority.LOW, Priority.NORMAL, Priority.HIGH


def put(queue, item, priority=NORMAL, now=0.0, timeout_s=2.0, cost=1.0):
    return queue.put(item, priority=priority, now=now, timeout_s=timeout_s, cost=cost)


def drain(queue):
    items = []
    while (item := queue.pop()) is not None:
        items.append(item)
    return items


def test_higher_priority_first_then_who_came_first():
    queue = Queue(10)
    for item, priority in [("a", LOW), ("b", NORMAL), ("c", HIGH), ("d", NORMAL), ("e", HIGH)]:
        assert put(queue, item, priority) == ()
    assert (len(queue), queue.peek()) == (5, "c")
    assert drain(queue) == ["c", "e", "b", "d", "a"]
    assert (len(queue), queue.peek(), queue.cost) == (0, None, 0.0)


@pytest.mark.parametrize(
    ("waiting", "newcomer", "left"),
    [
        pytest.param([LOW, LOW], NORMAL, (1,), id="the newest of the lowest"),
        pytest.param([NORMAL, LOW], HIGH, (1,), id="the lowest, not the oldest"),
        pytest.param([LOW, NORMAL], HIGH, (0,), id="the lowest, not the newest"),
        pytest.param([NORMAL, NORMAL], NORMAL, Refusal.FULL, id="not its like"),
        pytest.param([HIGH, NORMAL], LOW, Refusal.FULL, id="not the higher"),
    ],
)
def test_full_queue_makes_room_for_the_higher(waiting, newcomer, left):
    queue = Queue(2)
    for item, priority in enumerate(waiting):
        put(queue, item, priority)
    assert put(queue, "new", newcomer) == left
    assert len(queue) == 2


def test_size_0_takes_none():
    assert put(Queue(0), "a") is Refusal.FULL


def test_costly_item_takes_as_many_places_and_evicts_as_many():
    queue = Queue(4)
    for item in "abcd":
        put(queue, item, LOW)
    assert put(queue, "x", HIGH, cost=3.0) == ("d", "c", "b")
    assert queue.cost == 4.0
    assert drain(queue) == ["x", "a"]


def test_nobody_is_evicted_in_vain():
    queue = Queue(4)
    for item, priority in [("a", LOW), ("b", HIGH), ("c", HIGH), ("d", HIGH)]:
        put(queue, item, priority)
    assert put(queue, "x", HIGH, cost=3.0) is Refusal.FULL
    assert drain(queue) == ["b", "c", "d", "a"]


def test_empty_queue_takes_what_costs_more_than_its_size():
    queue = Queue(2)
    assert put(queue, "a", LOW, cost=5.0) == ()
    assert put(queue, "b", HIGH, cost=5.0) == ("a",)
    assert put(queue, "c", HIGH) is Refusal.FULL


def test_expire_returns_who_waited_too_long():
    queue = Queue(10)
    put(queue, "a", LOW, now=0.0, timeout_s=2.0)
    put(queue, "b", HIGH, now=1.0, timeout_s=2.0)
    put(queue, "c", LOW, now=1.0, timeout_s=0.5)
    assert queue.expire(1.4) == []
    assert queue.expire(2.0) == ["a", "c"]
    assert drain(queue) == ["b"]


def test_remove_tells_whether_it_waited():
    queue = Queue(10)
    put(queue, "a", cost=2.0)
    put(queue, "b")
    assert queue.remove("a")
    assert not queue.remove("a")
    assert queue.cost == 1.0
    assert drain(queue) == ["b"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "pop", "remove", "expire"]),
        st.sampled_from(Priority),
        st.sampled_from([0.5, 1.0, 3.0]),
    ),
    max_size=60,
)


@given(st.integers(0, 6), STEPS)
def test_no_item_is_lost_and_the_bound_holds(size, steps):
    queue, waiting = Queue(size), {}
    for turn, (step, priority, cost) in enumerate(steps):
        if step == "put":
            left = put(queue, turn, priority, now=turn, timeout_s=9.0, cost=cost)
            if left is not Refusal.FULL:
                assert all(waiting[item][0] < priority for item in left)
                waiting[turn] = (priority, cost, turn + 9.0)
                waiting = {item: of for item, of in waiting.items() if item not in left}
        elif step == "pop":
            best = min(waiting, key=lambda item: (-waiting[item][0], item), default=None)
            assert queue.pop() == best
            waiting.pop(best, None)
        elif step == "remove":
            assert queue.remove(turn - 5) is (waiting.pop(turn - 5, None) is not None)
        else:
            late = sorted(item for item, (_, _, late_at) in waiting.items() if turn >= late_at)
            assert sorted(queue.expire(turn)) == late
            waiting = {item: of for item, of in waiting.items() if item not in late}
        assert len(queue) == len(waiting)
        assert queue.cost == sum(cost for _, cost, _ in waiting.values())
        assert queue.cost <= size or len(queue) == 1
