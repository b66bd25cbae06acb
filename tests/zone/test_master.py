"""What the master file reader takes, and what it says of what it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.wire.names import from_text
from gslb.zone import master
from gslb.zone.master import read_master

ORIGIN = from_text("z.test.")
A1, A2 = (b"\xc0\0\2\1",), (b"\xc0\0\2\2",)


def read(text: str) -> list[tuple[bytes, int, int, tuple[bytes, ...], int]]:
    records, faults = read_master(text, ORIGIN)
    assert faults == []
    return [(one.owner[: -len(ORIGIN)], one.rtype, one.ttl, one.rdata, one.line) for one in records]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("www 300 A 192.0.2.1\n", [(b"\3www", 1, 300, A1, 1)]),
        ("www 300 A 192.0.2.1", [(b"\3www", 1, 300, A1, 1)]),
        ("$TTL 60\r\nwww A 192.0.2.1\r\n", [(b"\3www", 1, 60, A1, 2)]),
        ("WWW IN 300 A 192.0.2.1\n", [(b"\3www", 1, 300, A1, 1)]),
        ("www 1h30m A 192.0.2.1\n", [(b"\3www", 1, 5400, A1, 1)]),
        ("www 2147483647 A 192.0.2.1\n", [(b"\3www", 1, 2147483647, A1, 1)]),
        ("www 0 A 192.0.2.1\n", [(b"\3www", 1, 0, A1, 1)]),
        ("@ 5 A 192.0.2.1\n  6 A 192.0.2.2\n", [(b"", 1, 5, A1, 1), (b"", 1, 6, A2, 2)]),
        ("; note\n\nwww 300 A 192.0.2.1 ; note\n", [(b"\3www", 1, 300, A1, 3)]),
        ("$ORIGIN b.z.test.\na 5 A 192.0.2.1\n", [(b"\1a\1b", 1, 5, A1, 2)]),
        ("www 5 MX ( 10\n m.\n )\nx 6 A 192.0.2.2\n",
            [(b"\3www", 15, 5, (b"\0\x0a", b"\1m\0"), 1), (b"\1x", 1, 6, A2, 4)]),
        ("w\\.w\\000 5 A 192.0.2.1\n", [(b"\4w.w\0", 1, 5, A1, 1)]),
        ("* 5 A 192.0.2.1\n", [(b"\1*", 1, 5, A1, 1)]),
        ("x 5 TYPE65280 \\# 4 0A000001\n", [(b"\1x", 65280, 5, (b"\x0a\0\0\1",), 1)]),
        ("x 5 TYPE65280 \\# 0\n", [(b"\1x", 65280, 5, (b"",), 1)]),
        ("x 5 TYPE1 \\# 4 C0000201\n", [(b"\1x", 1, 5, A1, 1)]),
        ("x 5 A \\# 4 C0000201\n", [(b"\1x", 1, 5, A1, 1)]),
        ("$GENERATE 1-2 h$ 5 A 192.0.2.$\n", [(b"\2h1", 1, 5, A1, 1), (b"\2h2", 1, 5, A2, 1)]),
        ("", []),
    ],
)  # fmt: skip
def test_what_is_read(text, expected):
    assert read(text) == expected


LONG_LABEL, LONG_NAME = "a" * 64, ".".join(["a" * 60] * 5)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("www A 192.0.2.1\n", 1, "Missing default TTL value"),
        ("ok 5 A 192.0.2.1\nwww 5 A 192.0.2.256\n", 2, "Text input is malformed."),
        ("www 5 A\n", 1, "expecting an identifier"),
        ("www 5 AAAA 192.0.2.1\n", 1, "Text input is malformed."),
        ("www 5 CH TXT x\n", 1, "RR class is not zone's class"),
        ("www 2147483648 A 192.0.2.1\n", 1, "TTL 2147483648 is above 2147483647"),
        ("www -5 A 192.0.2.1\n", 1, "unknown rdatatype '-5'"),
        ("$TTL x\n", 1, "DNS TTL value is not well-formed."),
        (f'www 5 TXT "{"a" * 256}"\n', 1, "string too long"),
        (f"{LONG_LABEL} 5 A 192.0.2.1\n", 1, "A DNS label is > 63 octets long."),
        (f"{LONG_NAME} 5 A 192.0.2.1\n", 1, "A DNS name is > 255 octets long."),
        (f"www 5 CNAME {LONG_LABEL}\n", 1, "A DNS label is > 63 octets long."),
        ("\n\n$INCLUDE other.zone\n", 3, "zone file directive '$INCLUDE' is not allowed"),
        ("www.other. 5 A 192.0.2.1\n", 1, "www.other. is outside the zone z.test."),
        ("xz.test. 5 A 192.0.2.1\n", 1, "xz.test. is outside the zone z.test."),
        ("$ORIGIN test.\nwww 5 A 192.0.2.1\n", 2, "www.test. is outside the zone z.test."),
        ("x 5 TYPE65280 \\# 4 0A0000\n", 1, "generic rdata hex data has wrong length"),
        ("x 5 TYPE1 \\# 3 0A0000\n", 1, None),
        ("x 5 FOO bar\n", 1, "unknown rdatatype 'FOO'"),
        ("x 5 TXT ( a\n b\n", 1, "unbalanced parentheses"),
        ('x 5 TXT "a\n', 1, "newline in quoted string"),
        ("x 5 A 192.0.2.1 192.0.2.2\n", 1, 'expected EOL or EOF, got 3 "192.0.2.2"'),
        ("x 5 HTTPS 1 . mandatory=port\n", 1, "key 3 declared mandatory but not present"),
        ("x 5 SVCB 1 . alpn=h2 alpn=h3\n", 1, 'duplicate key "1"'),
        ("x..y 5 A 192.0.2.1\n", 1, "A DNS label is empty."),
        ("\0\1 \2\n", 1, None),
    ],
)  # fmt: skip
def test_what_is_refused_says_where_and_why(text, line, told):
    _, (fault,) = read_master(text, ORIGIN)
    assert fault.line == line
    assert fault.message
    assert told is None or fault.message == told


def test_reading_goes_on_behind_a_bad_line():
    text = (
        "a 5 A 192.0.2.1\nb 5 A nonsense\nc 5 MX (\n 10\n oops..name )\nd 5 A 192.0.2.2\n"
        "e 5 NOTYPE x\nf.other. 5 A 192.0.2.1\n"
    )
    records, faults = read_master(text, ORIGIN)
    assert [(one.owner[1:2], one.line) for one in records] == [(b"a", 1), (b"d", 6)]
    assert [fault.line for fault in faults] == [2, 3, 7, 8]


def test_the_number_of_faults_is_bounded(monkeypatch):
    monkeypatch.setattr(master, "MAX_FAULTS", 3)
    _, faults = read_master("x 5 FOO\n" * 50, ORIGIN)
    assert [fault.line for fault in faults] == [1, 2, 3]


def test_generate_is_bounded(monkeypatch):
    monkeypatch.setattr(master, "MAX_RECORDS", 10)
    records, faults = read_master("$GENERATE 1-99999999 h$ 5 A 192.0.2.1\n", ORIGIN)
    assert len(records) == 10
    assert [fault.message for fault in faults] == ["more than 10 records"]


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_gives_records_and_faults(text):
    read_master(text, ORIGIN)


TOKENS = [
    "www",
    "@",
    "*",
    "5",
    "IN",
    "A",
    "TXT",
    "192.0.2.1",
    '"',
    "(",
    ")",
    "\n",
    "\t",
    ";",
    "\\#",
]
TOKENS += [
    "$TTL",
    "$ORIGIN",
    "$GENERATE",
    "1-3",
    "h$",
    "${0,3,d}",
    "\\",
    "\\000",
    "\r\n",
    "TYPE9",
    " ",
]


@given(st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join))
def test_any_tokens_give_records_and_faults(text):
    read_master(text, ORIGIN)
