import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.health.track import Track, checks_left, seconds_left, step
from gslb.model.check import Check, TcpCheck

CHECK = Check((TcpCheck(80),), fall=3, rise=2)


def fold(results, check=CHECK):
    """The states after each of the results (`.` passed, `x` failed), which come a second apart."""
    track, tracks = Track(), []
    for second, result in enumerate(results, start=1):
        track = step(track, ok=result == ".", check=check, at=float(second))
        tracks.append(track)
    return tracks


def states(results, check=CHECK):
    return "".join("+" if track.up else "-" for track in fold(results, check))


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param(".", "+", id="first result up"),
        pytest.param("x", "-", id="first result down"),
        pytest.param(".xxx", "+++-", id="fall failures"),
        pytest.param(".xx.xx.", "+++++++", id="agreement clears doubt while up"),
        pytest.param("x..", "--+", id="rise successes"),
        pytest.param("x.x.x.", "------", id="agreement clears doubt while down"),
        pytest.param(".xxx..xxx", "+++--+++-", id="there and back and there"),
    ],
)
def test_state_after_results(results, expected):
    assert states(results) == expected


def test_fall_1_and_rise_1_follow_every_result():
    assert states(".x.x", Check((TcpCheck(80),), fall=1, rise=1)) == "+-+-"


def test_since_at_is_the_time_of_the_result_that_changed_the_state():
    assert [track.since_at for track in fold(".xxx..")] == [1.0, 1.0, 1.0, 4.0, 4.0, 6.0]


def test_checks_left_counts_down_to_the_earliest_flip():
    assert [checks_left(track, CHECK) for track in fold(".xxx..")] == [3, 2, 1, 2, 1, 3]


def test_checks_left_while_unknown_is_one():
    assert checks_left(Track(), CHECK) == 1


def test_checks_left_after_a_reload_with_a_lower_fall_is_never_under_one():
    doubtful = Track(up=True, streak=4)
    check = Check((TcpCheck(80),), fall=2, rise=2)
    assert checks_left(doubtful, check) == 1
    assert step(doubtful, ok=False, check=check, at=9.0) == Track(up=False, since_at=9.0)


@pytest.mark.parametrize(
    ("up", "streak", "fast_s", "expected"),
    [
        pytest.param(True, 0, None, 30.0, id="calm: fall x interval"),
        pytest.param(True, 1, None, 20.0, id="in doubt without a fast pace"),
        pytest.param(False, 0, None, 20.0, id="down: rise x interval"),
        pytest.param(None, 0, None, 10.0, id="unknown: the next check decides"),
        pytest.param(True, 0, 1.0, 12.0, id="calm: one interval, then fast"),
        pytest.param(True, 1, 1.0, 2.0, id="in doubt all are fast"),
        pytest.param(True, 2, 1.0, 1.0, id="the last one"),
        pytest.param(False, 0, 1.0, 11.0, id="down and calm"),
        pytest.param(None, 0, 1.0, 10.0, id="unknown is not in doubt"),
        pytest.param(True, 9, 1.0, 1.0, id="never under one check"),
        pytest.param(True, 0, 60.0, 30.0, id="a fast pace that is slower is none"),
    ],
)
def test_law_5_seconds_left(up, streak, fast_s, expected):
    check = Check((TcpCheck(80),), interval_s=10.0, fall=3, rise=2, fast_interval_s=fast_s)
    assert seconds_left(Track(up, streak), check) == expected


@given(
    ok=st.booleans(),
    streak=st.integers(0, 4),
    fall=st.integers(1, 5),
    rise=st.integers(1, 5),
    fast_s=st.none() | st.integers(1, 20).map(float),
)
def test_law_5_seconds_left_is_when_checks_that_all_contradict_change_the_state(
    ok, streak, fall, rise, fast_s
):
    """The model: each next check comes as late as its pace allows, and contradicts."""
    check = Check((TcpCheck(80),), interval_s=10.0, fall=fall, rise=rise, fast_interval_s=fast_s)
    track = Track(ok, min(streak, (fall if ok else rise) - 1))
    claimed, passed, state = seconds_left(track, check), 0.0, track
    while state.up is ok:
        passed += min(fast_s or 10.0, 10.0) if state.streak else 10.0
        state = step(state, ok=not ok, check=check, at=passed)
    assert claimed == passed


def test_a_calm_track_is_not_copied():
    calm = Track(up=True, since_at=1.0)
    assert step(calm, ok=True, check=CHECK, at=2.0) is calm


@given(
    results=st.text(alphabet=".x", min_size=1, max_size=60),
    fall=st.integers(1, 5),
    rise=st.integers(1, 5),
)
def test_fold_equals_a_search_through_the_whole_history(results, fall, rise):
    """The model: walk the history, and change when the last `needed` results all contradict."""
    up = results[0] == "."
    begins = 1  # results before this index took part in the last change
    for end in range(1, len(results) + 1):
        needed, against = (fall, "x") if up else (rise, ".")
        if end - begins >= needed and results[end - needed : end] == against * needed:
            up, begins = not up, end
    last = fold(results, Check((TcpCheck(80),), fall=fall, rise=rise))[-1]
    assert last.up is up
    assert 0 <= last.streak < (fall if up else rise)
