"""Signed octets: what may be read at all, and that nothing is read before it is proved."""

import hashlib
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.errors import ReportError
from gslb.model.report import SiteReport
from gslb.store import envelope
from gslb.store.base import MAX_OCTETS
from gslb.store.envelope import MAGIC, MAX_PAYLOAD_OCTETS, seal, unseal
from gslb.store.payload import dump_report
from tests.store.reports import AGENT, KEY, OTHER_KEY, REPORT, many_sites

HEAD = len(MAGIC) + 64


def seal_octets(compressed, key=KEY):
    """What an agent could sign that is none of our making."""
    return MAGIC + key.sign(b"gslb report\x00" + MAGIC + compressed) + compressed


def drop_of(octets, agent=AGENT):
    with pytest.raises(ReportError) as raised:
        unseal(octets, agent)
    return raised.value.drop


def test_a_report_comes_back_as_it_was():
    assert unseal(seal(REPORT, KEY), AGENT) == REPORT


def test_the_layout_is_magic_signature_payload():
    octets = seal(REPORT, KEY)
    assert octets[:5] == b"GSLB1"
    assert zlib.decompress(octets[69:]) == dump_report(REPORT)
    KEY.public_key().verify(octets[5:69], b"gslb report\x00GSLB1" + octets[69:])


def test_every_flipped_bit_is_noticed():
    octets = seal(REPORT, KEY)
    drops = [
        drop_of(octets[:at] + bytes([octets[at] ^ 1 << bit]) + octets[at + 1 :])
        for at in range(len(octets))
        for bit in range(8)
    ]
    assert drops == ["malformed"] * 8 * len(MAGIC) + ["forged"] * 8 * (len(octets) - len(MAGIC))


def test_every_truncation_is_noticed():
    octets = seal(REPORT, KEY)
    drops = [drop_of(octets[:length]) for length in range(len(octets))]
    assert drops == ["malformed"] * (HEAD + 1) + ["forged"] * (len(octets) - HEAD - 1)


@given(st.binary(max_size=300))
def test_any_octets_are_a_report_or_a_report_error(octets):
    assert drop_of(octets) in ("malformed", "forged")


@given(st.binary(max_size=300))
def test_any_signed_octets_are_a_report_or_a_report_error(octets):
    assert drop_of(seal_octets(octets)) == "malformed"
    assert drop_of(seal_octets(zlib.compress(octets))) == "malformed"


def test_law_2_nothing_is_inflated_before_the_signature_holds(monkeypatch):
    def refuse(*_):
        raise AssertionError("inflated")

    monkeypatch.setattr(envelope.zlib, "decompressobj", refuse)
    assert drop_of(seal(REPORT, OTHER_KEY)) == "forged"
    with pytest.raises(AssertionError, match="inflated"):
        unseal(seal(REPORT, KEY), AGENT)


def test_law_2_the_size_is_checked_before_the_signature():
    octets = seal_octets(bytes(MAX_OCTETS))
    assert drop_of(octets) == "oversized"
    assert drop_of(octets[: MAX_OCTETS + 1]) == "oversized"  # as the Redis twin hands it over


def test_law_3_inflating_is_bounded():
    bomb = zlib.compress(bytes(100 * MAX_PAYLOAD_OCTETS // 10), 9)
    assert len(bomb) < MAX_OCTETS
    assert drop_of(seal_octets(bomb)) == "oversized"


def test_what_follows_the_payload_is_refused():
    compressed = zlib.compress(dump_report(REPORT))
    assert drop_of(seal_octets(compressed + b"more")) == "malformed"
    assert drop_of(seal_octets(compressed[:-1])) == "malformed"


def test_law_4_any_key_of_an_agent_may_sign():
    both = replace(
        AGENT, public_keys=(*AGENT.public_keys, OTHER_KEY.public_key().public_bytes_raw())
    )
    assert unseal(seal(REPORT, KEY), both) == unseal(seal(REPORT, OTHER_KEY), both) == REPORT


@pytest.mark.parametrize("keys", [(), (b"short",), (b"\xff" * 32,)], ids=["none", "short", "odd"])
def test_an_agent_without_a_usable_key_is_not_believed(keys):
    assert drop_of(seal(REPORT, KEY), replace(AGENT, public_keys=keys)) == "forged"


def test_law_5_a_report_in_the_name_of_another_agent_is_a_forgery():
    assert drop_of(seal(replace(REPORT, agent="sin"), KEY)) == "forged"


def test_a_signature_for_another_purpose_is_worth_nothing():
    compressed = zlib.compress(dump_report(REPORT))
    octets = MAGIC + KEY.sign(MAGIC + compressed) + compressed
    assert drop_of(octets) == "forged"


def test_a_report_that_comes_out_too_large_is_refused_where_it_is_made():
    sites = {
        f"site{number}": SiteReport(reason=hashlib.sha512(str(number).encode()).hexdigest())
        for number in range(5000)
    }
    with pytest.raises(ValueError, match=r"the report has \d+ octets; at most 262144 are allowed"):
        seal(replace(REPORT, sites=sites), KEY)


@pytest.mark.parametrize(("count", "most_octets"), [(10, 700), (100, 3_000), (1000, 27_000)])
def test_a_report_is_as_small_as_the_sizing_in_the_docs_says(count, most_octets):
    assert len(seal(many_sites(count), KEY)) < most_octets
