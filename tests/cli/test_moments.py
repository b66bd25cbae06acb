from __future__ import annotations

import pytest

from gslb.cli.moments import parse_until, tell_moment, tell_remaining

AT = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45s", AT + 45),
        ("30m", AT + 1800),
        ("2h", AT + 7200),
        ("1d", AT + 86400),
        ("1h30m", AT + 5400),
        ("2026-09-21T14:13:20Z", AT),
        ("2026-09-21T16:13:20+02:00", AT),
        ("2026-09-21 14:13:20+00:00", AT),
    ],
)
def test_an_end_is_a_duration_or_a_time_with_its_zone(text, expected):
    assert parse_until(text, AT) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no time; allowed: a duration such as 30m"),
        ("30", "is no time"),
        ("30min", "is no time"),
        ("-1h", "is no time"),
        ("tomorrow", "is no time"),
        ("9999999h", "is no time"),
        ("2026-09-21T13:33", "says no zone; allowed: 2026-09-21T13:33Z"),
    ],
)
def test_anything_else_says_what_is_allowed(text, why):
    with pytest.raises(ValueError, match="allowed") as refused:
        parse_until(text, AT)
    assert why in str(refused.value)


def test_a_moment_is_told_in_utc():
    assert tell_moment(AT) == "2026-09-21T14:13:20Z"


@pytest.mark.parametrize(("at", "told"), [(1e300, "1e+300"), (-1e20, "-1e+20"), (1e12, "1e+12")])
def test_what_no_calendar_has_is_told_as_a_number(at, told):
    assert tell_moment(at) == told


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "0 s"),
        (45.4, "45 s"),
        (60, "1 min"),
        (3541, "1 h"),
        (3540, "59 min"),
        (7199.2, "2 h"),
        (7200, "2 h"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_what_is_left_is_told_in_two_units(seconds, expected):
    assert tell_remaining(seconds) == expected
