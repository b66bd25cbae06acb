import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.probe.outcome import MAX_REASON, clean_text, describe_error, failed


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain ~ text", "plain ~ text"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[31mred\x7f\0", "\\x1b[31mred\\x7f\\x00"),
        ("caf\xe9 \u2603 \ud800", "caf\\xe9 \\u2603 \\ud800"),
        ("x" * 201, "x" * 200),
    ],
)
def test_clean_text(text, clean):
    assert clean_text(text) == clean


@given(st.text(st.characters(), max_size=400))
def test_a_reason_is_short_printable_ascii_whatever_was_said(text):
    reason = failed(text).reason
    assert len(reason) <= MAX_REASON
    assert all(" " <= letter <= "~" for letter in reason)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection refused"),
        (OSError(errno.EHOSTUNREACH, "x"), os.strerror(errno.EHOSTUNREACH).lower()),
        (ConnectionRefusedError("met itself"), "met itself"),
        (ValueError(), "ValueError"),
    ],
)
def test_describe_error(error, text):
    assert describe_error(error) == text
