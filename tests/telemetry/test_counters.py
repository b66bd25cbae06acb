"""Counts and their names."""

from __future__ import annotations

import dns.rcode

from gslb.telemetry.counters import RCODE_NAMES, ServerCounters


def test_names_of_rcodes_agree_with_dnspython():
    known = {code: name for code, name in enumerate(RCODE_NAMES) if not name.startswith("RCODE")}
    # dnspython gives 16 the TSIG name that shares the number (RFC 6895 2.3).
    expected = {code: dns.rcode.to_text(dns.rcode.Rcode(code)) for code in known if code != 16}
    assert known == expected | {16: "BADVERS"}


def test_fresh_counters_are_zero():
    counts = ServerCounters().as_mapping()
    assert counts.pop("answers") == {}
    assert set(counts.values()) == {0}


def test_instances_do_not_share_their_tables():
    first, second = ServerCounters(), ServerCounters()
    first.answers[0] += 1
    assert second.answers[0] == 0


def test_mapping_names_what_was_counted():
    counters = ServerCounters(udp=3, tcp=1, fast=2)
    counters.answers[3] += 2
    counters.answers[0] += 1
    counts = counters.as_mapping()
    assert counts["queries"] == 4
    assert (counts["udp"], counts["tcp"], counts["fast"]) == (3, 1, 2)
    assert counts["answers"] == {"NOERROR": 1, "NXDOMAIN": 2}
