"""How alerts and reasons put times."""

import pytest

from gslb.health.words import END_OF_9999, tell_utc


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1_700_000_000.9, "2023-11-14T22:13:20Z"),
        (END_OF_9999 - 0.5, "9999-12-31T23:59:59Z"),
        (END_OF_9999, "an unknown time"),
        (1e12, "an unknown time"),  # the latest that a report may say
        (-1.0, "an unknown time"),
    ],
)
def test_a_time_that_no_calendar_has_ends_nothing(at, told):
    assert tell_utc(at) == told
