"""Before it is timed, a server must answer some queries of each mix with the right content.

Laws:
1. A service answers one address of the asked family that belongs to a site; HTTPS has no data and
   the zone's SOA; any other name is NXDOMAIN with the zone's SOA. Replies are authoritative and
   repeat the question octet for octet.
2. A geographic server chooses the site that the database and the rules name for the client subnet,
   and says in the subnet's scope that it did.
3. What a server does otherwise is told in the table; it does not stop the measurement.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import maxminddb

from tests.bench.content import SERVICE_LABELS, SITES, BenchSite, site_for
from tests.bench.files import first_queries

CHECKED: Final = 20
_MISSING: Final = 4
_POOL: Final = 2000


def check_mix(
    mix: str, *, port: int, database: Path | None, is_geographic: bool
) -> tuple[str, ...]:
    """What is wrong with a server's answers to queries of a mix, each with its count; empty when
    all is right.
    """
    reader = maxminddb.open_database(database) if database and is_geographic else None
    found: Counter[str] = Counter()
    for octets in sample(mix):
        query = dns.message.from_wire(octets)
        try:
            reply = dns.query.udp(query, "127.0.0.1", port=port, timeout=2)
        except dns.exception.DNSException as error:
            found[f"no usable reply ({type(error).__name__})"] += 1
            continue
        found.update(judge(query, reply))
        if reader is not None:
            found.update(judge_place(query, reply, reader))
    return tuple(f"{text}: {count} of {CHECKED}" for text, count in found.items())


def sample(mix: str) -> list[bytes]:
    """CHECKED queries of a mix, names that do not exist among them where the mix has such."""
    if mix == "plain":
        return first_queries(mix, CHECKED)
    pool = first_queries(mix, _POOL)
    missing = [octets for octets in pool if not _is_service(octets)][:_MISSING]
    present = [octets for octets in pool if _is_service(octets)][: CHECKED - len(missing)]
    return present + missing


def judge(query: dns.message.Message, reply: dns.message.Message) -> list[str]:
    """What is wrong with a reply whatever the place of the client."""
    faults = []
    if not reply.flags & dns.flags.AA:
        faults.append("not authoritative")
    if str(reply.question[0].name) != str(query.question[0].name):
        faults.append("case of the question not kept")
    return faults + _judge_content(query, reply)


def judge_place(
    query: dns.message.Message, reply: dns.message.Message, reader: maxminddb.Reader
) -> list[str]:
    """What is wrong with the site and the scope that a geographic server chose."""
    subnet = _subnet(query)
    if subnet is None or not reply.answer:
        return []
    faults = []
    expected = _expected_site(subnet, reader)
    if expected is not None and not _addresses(reply) <= {expected.ipv4, expected.ipv6}:
        faults.append("wrong site")
    scope = _subnet(reply)
    if scope is None:
        faults.append("no client subnet in the reply")
    elif not scope.scopelen:
        faults.append("scope 0 in a geographic reply")
    return faults


def _judge_content(query: dns.message.Message, reply: dns.message.Message) -> list[str]:
    question = query.question[0]
    if not _is_service_name(str(question.name)):
        return _judge_negative(reply, dns.rcode.NXDOMAIN)
    if question.rdtype == dns.rdatatype.HTTPS:
        return _judge_negative(reply, dns.rcode.NOERROR)
    is_ipv4 = question.rdtype == dns.rdatatype.A
    wanted = {site.ipv4 if is_ipv4 else site.ipv6 for site in SITES}
    found = _addresses(reply)
    return [] if len(found) == 1 and found <= wanted else [f"wrong {question.rdtype.name} answer"]


def _judge_negative(reply: dns.message.Message, rcode: dns.rcode.Rcode) -> list[str]:
    faults = [] if reply.rcode() == rcode else [f"{reply.rcode().name} for {rcode.name}"]
    if reply.answer:
        faults.append("an answer where there is none")
    if not any(rrset.rdtype == dns.rdatatype.SOA for rrset in reply.authority):
        faults.append("no SOA in a negative reply")
    return faults


def _expected_site(subnet: dns.edns.ECSOption, reader: maxminddb.Reader) -> BenchSite | None:
    """The site of a client subnet; None where the database has no place or splits the subnet."""
    record, prefix = reader.get_with_prefix_len(subnet.address)
    if not isinstance(record, dict) or prefix > subnet.srclen:
        return None
    return site_for(_code(record, "continent", "code"), _code(record, "country", "iso_code"))


def _code(record: dict[str, object], part: str, key: str) -> str | None:
    found = record.get(part)
    code = found.get(key) if isinstance(found, dict) else None
    return code if isinstance(code, str) else None


def _addresses(reply: dns.message.Message) -> set[str]:
    wanted = (dns.rdatatype.A, dns.rdatatype.AAAA)
    return {rdata.address for rrset in reply.answer if rrset.rdtype in wanted for rdata in rrset}


def _subnet(message: dns.message.Message) -> dns.edns.ECSOption | None:
    return next(
        (option for option in message.options if isinstance(option, dns.edns.ECSOption)), None
    )


def _is_service(octets: bytes) -> bool:
    return _is_service_name(str(dns.message.from_wire(octets).question[0].name))


def _is_service_name(name: str) -> bool:
    return name.lower().partition(".")[0] in SERVICE_LABELS
