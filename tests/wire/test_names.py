from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.wire.names import (
    MAX_LABEL_OCTETS,
    MAX_NAME_OCTETS,
    ROOT,
    ancestors,
    from_text,
    is_under,
    parent,
    to_text,
)

ORIGIN = from_text("shop.example.")


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("www", b"\3www\4shop\7example\0"),
        ("WwW", b"\3WwW\4shop\7example\0"),
        ("www.", b"\3www\0"),
        ("@", b"\4shop\7example\0"),
        (".", b"\0"),
        ("*.a", b"\1*\1a\4shop\7example\0"),
        ("a\\.b.", b"\3a.b\0"),
        ("a\\000b.", b"\3a\0b\0"),
        ("\\200\\255.", b"\2\xc8\xff\0"),
        ("bücher.", b"\x0dxn--bcher-kva\0"),
    ],
)
def test_from_text_reads_master_file_form(text, octets):
    assert from_text(text, ORIGIN) == octets


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a..b.", "A DNS label is empty."),
        ("a" * 64 + ".", "A DNS label is > 63 octets long."),
        (".".join(["a" * 63] * 4) + ".", "A DNS name is > 255 octets long."),
        ("a\\300.", "An escaped code in a text format of DNS name is invalid."),
        ("a\\", "An escaped code in a text format of DNS name is invalid."),
    ],
)
def test_from_text_says_what_is_wrong(text, told):
    with pytest.raises(ValueError, match="is not a domain name") as error:
        from_text(text)
    assert str(error.value) == f"{text!r} is not a domain name: {told}"


labels = st.lists(st.binary(min_size=1, max_size=63), max_size=4).filter(
    lambda found: sum(len(label) + 1 for label in found) < MAX_NAME_OCTETS
)


@given(labels)
def test_any_octets_in_labels_come_back_from_text(found):
    octets = b"".join(bytes((len(label),)) + label for label in found) + ROOT
    assert from_text(to_text(octets)) == octets


def test_the_limits_are_those_of_rfc_1035():
    assert len(from_text(".".join(["a" * MAX_LABEL_OCTETS] * 3 + ["a" * 61]))) == MAX_NAME_OCTETS
    assert len(list(ancestors(from_text("a." * 127)))) == 127


def test_ancestors_run_to_the_root():
    assert list(ancestors(from_text("a.b."))) == [b"\1b\0", ROOT]
    assert list(ancestors(ROOT)) == []
    assert parent(b"\1a\1b\0") == b"\1b\0"


@pytest.mark.parametrize(
    ("name", "top", "expected"),
    [
        ("a.b.", "b.", True),
        ("b.", "b.", True),
        ("b.", ".", True),
        (".", ".", True),
        (".", "b.", False),
        ("ab.", "b.", False),
        ("b.", "a.b.", False),
        # The octets of `\001b` end as the name `b` does: 3 'a' 1 'b' 0.
        ("a\\001b.", "b.", False),
    ],
)
def test_is_under_keeps_to_label_borders(name, top, expected):
    assert is_under(from_text(name), from_text(top)) is expected
