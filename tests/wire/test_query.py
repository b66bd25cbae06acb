"""What of a query is read into which field; what is answered stands in tests/engine/conformance."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.wire import codes
from gslb.wire.query import Query, parse_query
from tests.engine.conformance.octets import DO, ID, ecs, message, opt, option, question, record

WWW = question("WwW.Test.")


def parse(octets: bytes, **more) -> Query:
    query = parse_query(octets, **more)
    assert query is not None
    return query


def test_a_question_keeps_its_octets_and_compares_in_lower_case():
    query = parse(message(question("WwW.\\200\\232.", "AAAA", rclass=3), flags=0x0130))
    assert query.question is not None
    assert query.question.octets == b"\3WwW\2\xc8\xe8\0\0\x1c\0\3"
    assert query.question.qname == b"\3www\2\xc8\xe8\0"
    assert (query.question.qtype, query.question.qclass) == (28, 3)
    assert (query.id, query.flags, query.opcode, query.rcode) == (ID, 0x0130, 0, codes.NOERROR)
    assert (query.edns, query.trailing) == (None, 0)


def test_opt_is_read_whole():
    options = (option(3, b"x"), option(11), ecs(1, 24, b"\1\2\3"), option(999, b"y"))
    query = parse(message(WWW, additional=(opt(*options, size=4000, flags=DO | 1),)))
    edns = query.edns
    assert edns is not None
    assert (edns.size, edns.version, edns.dnssec_ok) == (4000, 0, True)
    assert (edns.wants_nsid, edns.wants_keepalive) == (True, True)
    assert edns.subnet is not None
    assert edns.subnet.address == ip_address("1.2.3.0")


def test_opt_without_options():
    edns = parse(message(WWW, additional=(opt(size=0),))).edns
    assert edns is not None
    assert (edns.size, edns.dnssec_ok, edns.subnet) == (0, False, None)
    assert (edns.wants_nsid, edns.wants_keepalive) == (False, False)


@pytest.mark.parametrize("trailing", [0, 1, 200])
def test_octets_behind_the_message_are_counted(trailing):
    assert parse(message(WWW, additional=(opt(),)) + b"x" * trailing).trailing == trailing
    assert parse(message(WWW) + b"x" * trailing).trailing == trailing


@pytest.mark.parametrize(
    ("octets", "has_question", "has_edns"),
    [
        (message(additional=(opt(),)), False, True),
        (message(WWW, WWW, additional=(opt(),)), False, False),
        (message(WWW, additional=(opt(), opt())), True, True),
        (message(WWW, additional=(opt(length=5),)), True, True),
        (message(WWW, additional=(record(b"\0")[:-1],)), True, False),
        (message(WWW, counts=(1, 0, 0, 1)), True, False),
    ],
)
def test_a_format_error_keeps_what_came_before(octets, has_question, has_edns):
    query = parse(octets)
    assert query.rcode == codes.FORMERR
    assert (query.question is not None, query.edns is not None) == (has_question, has_edns)
    assert query.trailing == 0


def test_badvers_comes_before_the_options():
    query = parse(message(WWW, additional=(opt(b"\0", version=3),)))
    assert query.rcode == codes.BADVERS
    assert query.edns is not None
    assert (query.edns.version, query.edns.subnet) == (3, None)


@pytest.mark.parametrize("payload", [ecs(1, 24, b"\1\2\3"), ecs(7, 99, b"\1"), option(8)])
def test_a_client_subnet_that_nobody_reads_may_hold_anything(payload):
    query = parse(message(WWW, additional=(opt(payload),)), reads_ecs=False)
    assert query.rcode == codes.NOERROR
    assert query.edns is not None
    assert query.edns.subnet is None


@pytest.mark.parametrize("opcode", range(1, 16))
def test_other_opcodes_are_not_read_further(opcode):
    query = parse(message(WWW, flags=opcode << 11, additional=(opt(),)))
    assert query == Query(ID, opcode << 11, codes.NOTIMP)
    assert query.opcode == opcode


@pytest.mark.parametrize("octets", [b"", b"\0" * 11, message(WWW, flags=0x8000)])
def test_silence(octets):
    assert parse_query(octets) is None


def test_a_message_of_65535_octets_full_of_options_is_read():
    options = (option(65001),) * 16_000
    assert parse(message(WWW, additional=(opt(*options),))).rcode == codes.NOERROR


@given(st.binary(max_size=300))
def test_any_octets_are_a_query_or_silence(octets):
    query = parse_query(octets)
    assert (query is None) is (len(octets) < 12 or octets[2] > 127)
    if query is not None and query.rcode == codes.NOERROR:
        assert query.question is not None
