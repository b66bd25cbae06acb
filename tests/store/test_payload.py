"""Canonical JSON of a report: the same octets for the same report, and strict reading."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.model.report import Report, SiteReport
from gslb.store.payload import dump_report, load_report, load_report_in_slices
from tests.store.reports import REPORT

TIMES = st.floats(0, 1e11).map(lambda value: round(value, 3))
NAMES = st.from_regex("[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
SITES = st.builds(
    SiteReport,
    up=st.sampled_from([True, False, None]),
    streak=st.integers(0, 1000),
    since_at=TIMES,
    rtt_ms=st.none() | TIMES,
    first_byte_ms=st.none() | TIMES,
    samples=st.integers(0, 255),
    certificate_until_at=st.none() | TIMES,
    reason=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200),
)
REPORTS = st.builds(
    Report,
    agent=NAMES,
    boot=st.from_regex("[A-Za-z0-9_-]{1,64}", fullmatch=True),
    sequence=st.integers(0, 2**53),
    at=TIMES,
    sites=st.dictionaries(NAMES, SITES, max_size=5),
    canaries=st.integers(0, 9).map(lambda count: (count, 9)),
)
TREE = json.loads(dump_report(REPORT))
SITE = TREE["sites"]["us-east"]
TEXT = json.dumps(SITE, separators=(",", ":")).encode()


@given(REPORTS)
def test_any_report_comes_back_as_it_was(report):
    assert load_report(dump_report(report)) == report


def test_law_1_the_octets_are_canonical():
    report = Report("fra", "b", 1, 2.0, {"b": SiteReport(), "a": SiteReport(True, 1, 2.5)}, (1, 1))
    assert dump_report(report) == (
        b'{"agent":"fra","at":2.0,"boot":"b","canaries":[1,1],"sequence":1,"sites":'
        b'{"a":[true,1,2.5,null,null,0,null,""],"b":[null,0,0.0,null,null,0,null,""]},"version":1}'
    )
    backwards = replace(report, sites=dict(reversed(report.sites.items())))
    assert dump_report(backwards) == dump_report(report)


def test_law_3_numbers_are_kept_to_the_thousandth():
    site = SiteReport(True, since_at=1.23456, rtt_ms=0.0004, first_byte_ms=2.0005001)
    report = load_report(dump_report(replace(REPORT, at=9.87654, sites={"a": site})))
    found = report.sites["a"]
    assert (report.at, found.since_at, found.rtt_ms, found.first_byte_ms) == (
        9.877,
        1.235,
        0,
        2.001,
    )


def test_law_4_what_others_have_a_say_in_is_cut():
    odd = SiteReport(False, streak=5000, samples=300, reason="\x1b[2Jü" + "x" * 300)
    found = load_report(dump_report(replace(REPORT, sites={"a": odd}))).sites["a"]
    assert (found.streak, found.samples) == (1000, 255)
    assert found.reason == "?[2J?" + "x" * 195


@pytest.mark.parametrize("field", ["at", "sequence", "boot", "agent", "sites", "canaries"])
def test_law_5_a_key_too_few_is_refused(field):
    assert_refused({key: value for key, value in TREE.items() if key != field})


@pytest.mark.parametrize("version", [0, 2, None, "1", [1]])
def test_an_unknown_version_is_refused_before_all_else(version):
    with pytest.raises(ValueError, match="this reader takes 1"):
        load_report(json.dumps({"version": version, "future": 1}).encode())


BAD = {
    "agent": ["", "a b", "-a", "x" * 64, 1, None, "ü"],
    "boot": ["", "a b", "x" * 65, 1, None],
    "sequence": [-1, 2**53 + 1, 1.0, True, "1", None],
    "at": [-0.001, 1, 1e13, True, "1", None, 10**400, [], math.inf, math.nan],
    "canaries": [[1], [1, 2, 3], [2, 1], [-1, 1], [1, 1001], None, {}, [True, 1]],
    "sites": [None, [], "x", {"a b": SITE}, {"a": None}, {"a": SITE[:-1]}, {"a": [*SITE, 1]}],
    "more": [1],
}
BAD_SITE = [
    [0, 1, "true", [], 1.0],  # up
    [-1, 1001, 1.0, True, None],  # streak
    [-1.0, 1e13, None, "1", True, math.inf],  # since_at
    [-1.0, "1", False, math.nan],  # rtt_ms
    [-1.0, {}, 1e400],  # first_byte_ms
    [-1, 256, 1.0, None],  # samples
    [-1.0, "1"],  # certificate_until_at
    [None, 1, "x" * 201, "a\nb", "ü", "\x7f"],  # reason
]


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in BAD.items() for value in values], ids=repr
)
def test_law_5_a_value_out_of_range_is_refused(key, value):
    assert_refused(TREE | {key: value})


@pytest.mark.parametrize(
    ("at", "value"),
    [(at, value) for at, values in enumerate(BAD_SITE) for value in values],
    ids=repr,
)
def test_law_5_a_value_of_a_site_out_of_range_is_refused(at, value):
    assert_refused(TREE | {"sites": {"a": [*SITE[:at], value, *SITE[at + 1 :]]}})


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe{}",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        dump_report(REPORT) + b"x",
        dump_report(REPORT).replace(b"us-east", "ü".encode()),
        dump_report(REPORT).replace(b'"sequence":7', b'"sequence":' + b"9" * 5000),
        dump_report(REPORT).replace(b'"at":', b'"at":1e'),
        dump_report(REPORT).replace(b'"sites":{', b'"sites":{"us-east":' + TEXT + b","),
    ],
    ids=range(12),
)
def test_law_5_what_is_no_canonical_json_is_refused(octets):
    with pytest.raises(ValueError):
        load_report(octets)


def test_law_5_too_many_sites_are_refused():
    assert_refused(TREE | {"sites": {f"s{number}": SITE for number in range(10_001)}})


def test_the_tables_above_break_one_thing_only():
    assert load_report(json.dumps(TREE).encode()) == REPORT
    assert load_report(json.dumps(TREE | {"sites": {"a": SITE}}).encode()).sites.keys() == {"a"}


def assert_refused(tree):
    with pytest.raises(ValueError):
        load_report(json.dumps(tree).encode())


# ---------------------------------------------------------------- in slices


def read_in_slices(octets, known, slice_sites=1):
    """(the report, what is known after it, the pauses)."""
    steps, pauses = load_report_in_slices(octets, known, slice_sites=slice_sites), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return *end.value, pauses
        pauses += 1


@given(st.lists(REPORTS, max_size=4))
def test_what_was_read_before_changes_nothing(reports):
    known = {}
    for report in reports:
        read, known, _ = read_in_slices(dump_report(report), known)
        assert read == report
        assert known.keys() == report.sites.keys()


def test_a_site_whose_text_is_the_same_is_not_read_again():
    changed = {**REPORT.sites, "us-east": replace(REPORT.sites["us-east"], rtt_ms=81.0)}
    first, known, _ = read_in_slices(dump_report(REPORT), {})
    later = replace(REPORT, sequence=8, sites=changed)
    second, _, _ = read_in_slices(dump_report(later), known)
    assert second == later
    same = {name for name in changed if second.sites[name] is first.sites[name]}
    assert same == {"eu-west", "new"}


def test_what_is_known_does_not_excuse_a_fault_elsewhere():
    _, known, _ = read_in_slices(dump_report(REPORT), {})
    for old, new in ((b"]}", b"],}"), (b"],", b"];"), (b'"us-east":', b'us-east":')):
        with pytest.raises(ValueError):
            read_in_slices(dump_report(REPORT).replace(old, new), known)


@pytest.mark.parametrize(("slice_sites", "pauses"), [(1, 4), (2, 2), (3, 2), (9, 1)])
def test_reading_pauses_after_so_many_sites_and_once_before_them(slice_sites, pauses):
    assert len(REPORT.sites) == 3
    assert read_in_slices(dump_report(REPORT), {}, slice_sites)[2] == pauses
