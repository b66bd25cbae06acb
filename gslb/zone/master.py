"""Master file text (RFC 1035 5, RFC 3597 5) to records, with the line of each.

dnspython reads the grammar: TTL units, escapes, parentheses, generic types. Ours are the limits: no
$INCLUDE, a bound on $GENERATE by the number of records, names outside the zone are faults instead
of being dropped, and reading goes on after a bad line so that an operator sees all of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import dns.exception
import dns.name
import dns.rdataclass
import dns.tokenizer
import dns.transaction
import dns.ttl
import dns.zonefile

from gslb.wire import codes
from gslb.zone.records import Record, to_rdata

MAX_RECORDS = 1_000_000  # bounds $GENERATE; BIND caps its range alike
MAX_FAULTS = 100  # enough to see the pattern
_ALLOWED_DIRECTIVES = ("$ORIGIN", "$TTL", "$GENERATE")
_SOURCE = "master"


class LineFault(NamedTuple):
    """One line that cannot be used."""

    line: int
    message: str


class _Tokenizer(dns.tokenizer.Tokenizer):
    """Remembers the line on which the current entry starts, as a line of the whole file."""

    def __init__(self, lines: list[str], first_line: int) -> None:
        super().__init__("\n".join(lines[first_line - 1 :]), _SOURCE)
        self._offset = first_line - 1
        self.entry_line = first_line

    def get(  # the signature is dnspython's
        self,
        want_leading: bool = False,  # noqa: FBT001, FBT002
        want_comment: bool = False,  # noqa: FBT001, FBT002
    ) -> dns.tokenizer.Token:
        """The next token; the reader asks for both kinds of extras only where an entry starts."""
        if want_leading and want_comment:
            self.entry_line = self.line_number + self._offset
        return super().get(want_leading, want_comment)


class _Collector:
    """What dnspython's reader asks of a transaction: takes record by record."""

    def __init__(self, tokenizer: _Tokenizer, origin: dns.name.Name) -> None:
        self.manager = self
        self.tokenizer = tokenizer
        self._origin = origin
        self.records: list[Record] = []
        self.faults: list[LineFault] = []

    def origin_information(self) -> tuple[dns.name.Name, bool, dns.name.Name]:
        """The root as the limit, so that no record is dropped in silence."""
        return dns.name.root, False, dns.name.root

    def check_put_rdataset(self, check: Any) -> None:
        """CNAME beside other data is judged by the compiler, which knows the services too."""

    def _set_origin(self, origin: dns.name.Name | None) -> None:
        """$ORIGIN moves the reader only."""

    def add(self, *args: Any) -> None:
        """Keeps one record: (owner, ttl, rdata) as the reader gives it."""
        owner, ttl, parsed = args
        line = self.tokenizer.entry_line
        if not owner.is_subdomain(self._origin):
            self.faults.append(LineFault(line, f"{owner} is outside the zone {self._origin}"))
        elif ttl > codes.MAX_TTL:
            self.faults.append(LineFault(line, f"TTL {ttl} is above {codes.MAX_TTL}"))
        elif len(self.records) >= MAX_RECORDS:
            raise ValueError(f"more than {MAX_RECORDS} records")
        else:
            octets = owner.to_wire().lower()
            self.records.append(Record(octets, int(parsed.rdtype), ttl, to_rdata(parsed), line))


def read_master(text: str, origin: bytes) -> tuple[list[Record], list[LineFault]]:
    """The records of a master file and what is wrong with its other lines. origin: the zone's name,
    octets.
    """
    zone = dns.name.from_wire(origin, 0)[0]
    lines = text.split("\n")
    tokenizer = _Tokenizer(lines, 1)
    collector = _Collector(tokenizer, zone)
    reader = dns.zonefile.Reader(
        tokenizer,
        dns.rdataclass.IN,
        cast(dns.transaction.Transaction, collector),
        allow_directives=_ALLOWED_DIRECTIVES,
    )
    reader.current_origin = reader.last_name = zone
    while fault := _read_until_fault(reader, tokenizer):
        collector.faults.append(fault)
        resume_at = _line_after(lines, fault.line, in_parentheses=tokenizer.multiline > 0)
        if resume_at > len(lines) or len(collector.faults) >= MAX_FAULTS:
            break
        reader.tok = collector.tokenizer = tokenizer = _Tokenizer(lines, resume_at)
    return collector.records, collector.faults


def _read_until_fault(reader: dns.zonefile.Reader, tokenizer: _Tokenizer) -> LineFault | None:
    try:
        reader.read()
    except (dns.exception.DNSException, ValueError) as error:
        # The reader puts "source:line: " before what it says; the line stands in the fault already.
        message = str(error).partition(f"{_SOURCE}:")[2].partition(": ")[2] or str(error)
        return LineFault(tokenizer.entry_line, message)
    return None


def _line_after(lines: list[str], line: int, *, in_parentheses: bool) -> int:
    """The first line behind a faulty entry; one that stands open in parentheses ends where they
    close.
    """
    if not in_parentheses:
        return line + 1
    closing = (n for n in range(line, len(lines)) if ")" in lines[n])
    return next(closing, len(lines)) + 2
