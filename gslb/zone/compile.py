"""A zone's source to its tree, or everything that is wrong with it.

Order of the work: records of the master file; SOA and NS, made where the file has none; the name
servers' own addresses; services; then what can only be seen in the whole: zone cuts, CNAME beside
other data, targets that lead nowhere. A fault keeps the zone from loading, a warning does not.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import dns.rdatatype

from gslb.model.service import Service
from gslb.model.zone import ZoneSource
from gslb.wire import codes
from gslb.wire.names import Name, ancestors, from_text, is_under, to_text
from gslb.zone.master import read_master
from gslb.zone.records import Record, RRset, address_rrset, canonical, soa_minimum
from gslb.zone.tree import Node, Zone, negative_soa, service_owner

SOA_TTL = 3600
NS_TTL = 3600  # of made NS and glue; the parent's copy is what resolvers mostly use
_SOA_TIMERS = (
    7200,
    900,
    1_209_600,
)  # refresh, retry, expire: RIPE-203's advice for a small stable zone
_TOLERATED_NEGATIVE_TTL = (
    30  # the default of negative_ttl; many services have a shorter TTL than that
)
_MAX_RRSET_OCTETS = 60_000  # more could never be answered, even over TCP
_PRESIGNED = frozenset({46, 47, 50, 51})  # RRSIG, NSEC, NSEC3, NSEC3PARAM


@dataclass(frozen=True, slots=True)
class ZoneFault:
    """One thing wrong with a zone.

    master: whether line counts in the master file; otherwise path names the key in the zone's YAML
    file.
    """

    master: bool
    line: int
    path: str
    message: str
    is_warning: bool = False


@dataclass(slots=True)
class _Build:
    """The zone while it is put together."""

    source: ZoneSource
    origin: bytes
    nodes: dict[bytes, Node] = field(default_factory=dict)
    lines: dict[tuple[bytes, int], int] = field(default_factory=dict)
    faults: list[ZoneFault] = field(default_factory=list)
    unreachable: set[bytes] = field(default_factory=set)  # name servers reported already

    def node(self, name: bytes) -> Node:
        """The node of a name, made with all empty non-terminals above it."""
        if name not in self.nodes:
            self.nodes[name] = Node(name)
            for above in ancestors(name):
                if above in self.nodes or not is_under(above, self.origin):
                    break
                self.nodes[above] = Node(above)
        return self.nodes[name]

    def fault(self, path: str, message: str, *, warning: bool = False) -> None:
        """Notes a fault of the YAML file."""
        self.faults.append(ZoneFault(False, 0, path, message, warning))

    def line_fault(self, line: int, message: str, *, warning: bool = False) -> None:
        """Notes a fault of the master file."""
        self.faults.append(ZoneFault(True, line, "", message, warning))

    def record_fault(
        self, owner: bytes, rtype: int, message: str, *, warning: bool = False
    ) -> None:
        """Notes a fault of an RRset: in the master file if it is from there, else under
        `nameservers`.
        """
        line = self.lines.get((owner, rtype))
        if line is None:
            self.fault("nameservers", message, warning=warning)
        else:
            self.line_fault(line, message, warning=warning)


def compile_zone(source: ZoneSource) -> tuple[Zone | None, tuple[ZoneFault, ...]]:
    """The zone and its warnings, or None and everything that is wrong."""
    try:
        origin = from_text(source.origin).lower()
    except ValueError as error:
        return None, (ZoneFault(False, 0, "zone", str(error)),)
    build = _Build(source, origin)
    build.node(origin)
    _add_master(build)
    _add_apex(build)
    _add_services(build)
    _mark_cuts(build)
    _check_whole(build)
    if any(not fault.is_warning for fault in build.faults):
        return None, tuple(build.faults)
    soa = build.nodes[origin].rrsets[codes.SOA]
    return Zone(origin, source, build.nodes, soa, negative_soa(soa)), tuple(build.faults)


# --- records --------------------------------------------------------------------------------------


def _add_master(build: _Build) -> None:
    if build.source.master is None:
        return
    records, line_faults = read_master(build.source.master, build.origin)
    for fault in line_faults:
        build.line_fault(fault.line, fault.message)
    groups: dict[tuple[bytes, int], list[Record]] = defaultdict(list)
    for record in records:
        if reason := _refusal(build, record):
            build.line_fault(record.line, reason)
        else:
            groups[record.owner, record.rtype].append(record)
    for (owner, rtype), group in groups.items():
        build.lines[owner, rtype] = group[0].line
        build.node(owner).rrsets[rtype] = _to_rrset(build, rtype, group)


def _refusal(build: _Build, record: Record) -> str | None:
    """Why a record cannot be served, or None."""
    rtype = record.rtype
    text = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rtype))
    if rtype in _PRESIGNED:
        return f"{text} is not allowed: this server does not serve zones that were signed elsewhere"
    if rtype == codes.DNAME:
        return "DNAME is not supported; allowed: CNAME for one name, a wildcard CNAME for many"
    if rtype in (0, codes.OPT) or codes.NXNAME <= rtype <= codes.ANY:
        return f"{text} is a type of queries, not of data"
    if rtype == codes.SOA and record.owner != build.origin:
        return f"SOA belongs at {to_text(build.origin)} only"
    if rtype == codes.NS and record.owner.startswith(b"\1*"):
        return "NS at a wildcard has no meaning (RFC 4592 4.2); name the delegated child"
    return None


def _to_rrset(build: _Build, rtype: int, group: list[Record]) -> RRset:
    unique = {canonical(record.rdata): record.rdata for record in group}
    ttl = min(record.ttl for record in group)
    first = group[0]
    if any(record.ttl != ttl for record in group):
        message = f"records of one name and type have different TTLs; all get the lowest, {ttl}"
        build.line_fault(first.line, message, warning=True)
    if rtype in (codes.SOA, codes.CNAME) and len(unique) > 1:
        text = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rtype))
        build.line_fault(
            group[1].line, f"a second {text} at {to_text(first.owner)}; one is allowed"
        )
    if sum(len(octets) + 12 for octets in unique) > _MAX_RRSET_OCTETS:
        build.line_fault(first.line, f"more than {_MAX_RRSET_OCTETS} octets at one name and type")
    return RRset(rtype, ttl, tuple(unique.values()))


def _add_apex(build: _Build) -> None:
    """SOA, NS and the name servers' addresses, where the master file leaves them open."""
    apex = build.nodes[build.origin]
    names = _nameserver_names(build)
    if codes.NS not in apex.rrsets and names:
        apex.rrsets[codes.NS] = RRset(codes.NS, NS_TTL, tuple((name,) for name in names))
    for text, name in zip(build.source.nameservers, names, strict=False):
        _add_nameserver_addresses(build, text, name)
    if codes.NS not in apex.rrsets and not _is_at_fault(build, "nameservers"):
        build.fault(
            "nameservers",
            "the zone needs name servers: here, or as NS in the master file",
        )
    if codes.SOA not in apex.rrsets:
        _make_soa(build, names)


def _is_at_fault(build: _Build, path: str) -> bool:
    return any(fault.path.startswith(path) for fault in build.faults)


def _nameserver_names(build: _Build) -> list[Name]:
    names = []
    for text in build.source.nameservers:
        try:
            names.append(from_text(text))
        except ValueError as error:
            build.fault(f"nameservers.{text}", str(error))
    return names


def _add_nameserver_addresses(build: _Build, text: str, name: Name) -> None:
    key, addresses = name.lower(), build.source.nameservers[text]
    if not is_under(key, build.origin):
        return
    node = build.node(key)
    for rtype in (codes.A, codes.AAAA):
        rrset = address_rrset(rtype, NS_TTL, addresses)
        if rrset and not {rtype, codes.CNAME} & node.rrsets.keys():
            node.rrsets[rtype] = rrset
    if not _has_address(node) and codes.CNAME not in node.rrsets:
        message = "lies inside the zone, so it needs addresses: the parent must hold them as glue"
        build.fault(f"nameservers.{text}", message)
        build.unreachable.add(key)


def _make_soa(build: _Build, names: list[Name]) -> None:
    source, apex = build.source, build.nodes[build.origin]
    servers: list[bytes] = [*names] or [
        rdata[0] for rdata in apex.rrsets.get(codes.NS, _NO_RRSET).rdatas
    ]
    if not servers:
        return
    try:
        rname = _contact_name(source.contact or f"hostmaster@{source.origin}")
    except ValueError as error:
        build.fault("contact", f"{error}; allowed: a mail address")
        return
    fields = struct.pack("!IIIII", source.serial, *_SOA_TIMERS, source.negative_ttl)
    apex.rrsets[codes.SOA] = RRset(codes.SOA, SOA_TTL, ((servers[0], rname, fields),))


_NO_RRSET = RRset(0, 0, ())


def _contact_name(mail: str) -> Name:
    """A mail address as SOA has it: the part before @ is the first label (RFC 1035 8)."""
    local, at, domain = mail.rpartition("@")
    if not at or not local or not domain:
        raise ValueError(f"{mail!r} is no mail address")
    return from_text(
        local.replace("\\", "\\\\").replace(".", "\\.") + "." + domain.rstrip(".") + "."
    )


# --- services -------------------------------------------------------------------------------------


def _add_services(build: _Build) -> None:
    for service in build.source.services:
        path = f"services.{service.name}"
        try:
            owner = service_owner(service, build.origin)
        except ValueError as error:
            build.fault(path, str(error))
            continue
        reason = _service_refusal(build, service, owner)
        if reason:
            build.fault(path, reason)
        else:
            build.node(owner).service = service


def _service_refusal(build: _Build, service: Service, owner: bytes) -> str | None:
    """Why a service cannot stand at its name, or None."""
    if not is_under(owner, build.origin):
        return f"{to_text(owner)} is outside the zone {to_text(build.origin)}"
    node = build.nodes.get(owner) or Node(owner)
    if node.service is not None:
        return f"the same name as service {node.service.name!r}"
    answers_names = any(candidate.cname for candidate in service.candidates)
    if answers_names and owner == build.origin:
        return "answers with cname are not allowed at the zone's own name (RFC 1034 3.6.2)"
    taken = (
        set(node.rrsets)
        if answers_names
        else {codes.A, codes.AAAA, codes.CNAME} & node.rrsets.keys()
    )
    if taken:
        types = ", ".join(
            sorted(dns.rdatatype.to_text(dns.rdatatype.RdataType.make(t)) for t in taken)
        )
        return f"the master file or nameservers already hold {types} at {to_text(owner)}"
    return None


# --- the whole ------------------------------------------------------------------------------------


def _mark_cuts(build: _Build) -> None:
    for name, node in build.nodes.items():
        chain = [name, *ancestors(name)]
        inside = (
            above for above in reversed(chain) if above in build.nodes and above != build.origin
        )
        node.cut = next((above for above in inside if codes.NS in build.nodes[above].rrsets), None)


def _check_whole(build: _Build) -> None:
    for node in build.nodes.values():
        _check_cname(build, node)
        _check_cut(build, node)
        for owner, rtype, target in _targets(node):
            _check_target(build, owner, rtype, target)
    _check_negative_ttl(build)


def _check_cname(build: _Build, node: Node) -> None:
    if codes.CNAME in node.rrsets and len(node.rrsets) > 1:
        message = f"{to_text(node.name)} has a CNAME and other data; a CNAME must stand alone"
        build.record_fault(node.name, codes.CNAME, message)


def _check_cut(build: _Build, node: Node) -> None:
    if node.cut is None:
        return
    if node.service is not None:
        message = (
            f"lies in the delegated zone {to_text(node.cut)}, where this server answers nothing"
        )
        build.fault(f"services.{node.service.name}", message)
    allowed = (
        {codes.NS, codes.DS, codes.A, codes.AAAA}
        if node.name == node.cut
        else {codes.A, codes.AAAA}
    )
    for rtype in node.rrsets.keys() - allowed:
        message = f"never answered: {to_text(node.cut)} is delegated"
        build.record_fault(node.name, rtype, message, warning=True)


def _targets(node: Node) -> Iterator[tuple[bytes, int, bytes]]:
    for rtype in (codes.NS, codes.MX):
        for rdata in node.rrsets.get(rtype, _NO_RRSET).rdatas:
            yield node.name, rtype, rdata[-1].lower()


def _check_target(build: _Build, owner: bytes, rtype: int, target: bytes) -> None:
    """Names that NS and MX point to must have addresses and be no alias (RFC 2181 10.3)."""
    if not is_under(target, build.origin) or target == b"\0":
        return
    node = build.nodes.get(target)
    if node is not None and codes.CNAME in node.rrsets:
        message = f"points to {to_text(target)}, which is a CNAME (RFC 2181 10.3)"
        build.record_fault(owner, rtype, message, warning=True)
    elif rtype == codes.NS and not _has_address(node) and target not in build.unreachable:
        at_apex = owner == build.origin
        message = f"name server {to_text(target)} has no address in the zone"
        build.record_fault(owner, rtype, message, warning=not at_apex)


def _has_address(node: Node | None) -> bool:
    if node is None:
        return False
    return bool({codes.A, codes.AAAA} & node.rrsets.keys())


def _check_negative_ttl(build: _Build) -> None:
    soa = build.nodes[build.origin].rrsets.get(codes.SOA)
    shortest = min((service.ttl_max for service in build.source.services), default=None)
    if soa is None or shortest is None or len(soa.rdatas[0]) != 3:
        return
    negative = min(soa.ttl, soa_minimum(soa))
    if negative > max(shortest, _TOLERATED_NEGATIVE_TTL):
        message = (
            f"negative answers live {negative} s, longer than a service's answer ({shortest} s)"
        )
        if (build.origin, codes.SOA) in build.lines:
            build.record_fault(build.origin, codes.SOA, message, warning=True)
        else:
            build.fault("negative_ttl", message, warning=True)
