"""Rules over several keys of one file: pure functions from entries to findings.

What one value may be is in gslb.config.fields and the schemas; rules over two files are in
gslb.config.load.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from gslb.config.check_rules import check_check
from gslb.config.fields import MAX_NAME_CHARACTERS
from gslb.config.finding import Finding, Path, dotted
from gslb.config.health_rules import Known, check_health, check_location
from gslb.config.schema import MainFile, SiteEntry
from gslb.config.shape import check_shape
from gslb.config.words import did_you_mean, one_of, shown
from gslb.config.zone_schema import AnswerEntry, ServiceEntry, TtlEntry, ZoneFile
from gslb.model.place import Address, Network
from gslb.policy.registry import FILTERS


@dataclass(frozen=True, slots=True)
class Names:
    """The names that zone files may use: of sites and of maps, those with faults included.

    unplaced: the sites without coordinates.
    """

    sites: Collection[str]
    maps: Collection[str]
    unplaced: Collection[str] = ()


def check_main(main: MainFile, known: Known) -> Iterator[Finding]:
    """What is wrong in the main file beyond its shape."""
    yield from _check_listen(main, known)
    yield from _check_maps(main)
    yield from _check_addresses(main)
    for name, site in main.sites.items():
        yield from _check_site(site, ("sites", name))
    yield from check_health(main, known)
    if not main.zones and not main.proxies:
        yield Finding(("zones",), "no zones: every query will be refused", is_warning=True)


def _check_listen(main: MainFile, known: Known) -> Iterator[Finding]:
    for index, endpoint in enumerate(main.listen.dns):
        if endpoint in main.listen.dns[:index]:
            yield Finding(("listen", "dns", index), f"{endpoint} is listed twice")
    admin = main.listen.admin
    is_open = not main.admin.tokens and "admin" not in known.broken
    if admin and is_open and not ip_address(admin.host).is_loopback:
        yield Finding(
            ("listen", "admin"),
            f"{admin} is not a loopback address: that needs a token in admin.tokens; "
            "`gslb token` makes one",
        )
    if admin in main.listen.dns:
        yield Finding(("listen", "admin"), f"{admin} is used by listen.dns already")


def _check_maps(main: MainFile) -> Iterator[Finding]:
    owners: dict[Network, Path] = {}
    for name, networks in main.geo.maps.items():
        for index, network in enumerate(networks):
            first = owners.setdefault(network, path := ("geo", "maps", name, index))
            if first != path:
                yield Finding(path, f"{network} is listed twice, first at {dotted(first)}")


def _check_addresses(main: MainFile) -> Iterator[Finding]:
    owners: dict[Address, Path] = {}
    for name, site in main.sites.items():
        for index, address in enumerate(site.addresses):
            first = owners.setdefault(address, path := ("sites", name, "addresses", index))
            if first != path:
                yield Finding(path, f"{address} is listed twice, first at {dotted(first)}")


def _check_site(site: SiteEntry, path: Path) -> Iterator[Finding]:
    yield from check_location(site.location, path)
    if site.check:
        yield from check_check(site.check, (*path, "check"))


def check_zone(zone: ZoneFile, names: Names) -> Iterator[Finding]:
    """What is wrong in a zone file beyond its shape."""
    yield from _check_twins(zone.nameservers, ("nameservers",), "name server")
    yield from _check_twins(zone.services, ("services",), "service")
    for name, service in zone.services.items():
        path = ("services", name)
        yield from _check_service_name(name, zone.zone, path)
        yield from check_ttl(service.ttl, (*path, "ttl"))
        yield from check_policy(service, path)
        yield from _check_answers(service, path, names)
        yield from _check_cnames(service, path)
        yield from _check_places(service, path, names)


def _check_twins(keys: Iterable[str], path: Path, noun: str) -> Iterator[Finding]:
    """Names that differ in case or in a final dot only."""
    seen: dict[str, str] = {}
    for key in keys:
        first = seen.setdefault(key.lower().removesuffix("."), key)
        if first != key:
            yield Finding(
                (*path, key), f"the same {noun} as {first}: case does not count", at_key=True
            )


def _check_service_name(name: str, origin: str, path: Path) -> Iterator[Finding]:
    if name == "@":
        return
    if len(name) + 1 + len(origin) > MAX_NAME_CHARACTERS:
        yield Finding(
            path, f"{name}.{origin} is longer than {MAX_NAME_CHARACTERS} characters", at_key=True
        )
    if f".{name.lower()}".endswith(f".{origin}"):
        yield Finding(
            path,
            f"service names are relative: this one is {name}.{origin}",
            at_key=True,
            is_warning=True,
        )


def check_ttl(ttl: TtlEntry, path: Path) -> Iterator[Finding]:
    """A floor above the ceiling."""
    if ttl.min is not None and ttl.min > ttl.max:
        yield Finding((*path, "min"), f"must be at most max ({ttl.max}), not {ttl.min}")


def check_policy(service: ServiceEntry, path: Path) -> Iterator[Finding]:
    """Options that a filter does not take, filters that stand twice, and filters with nothing to
    choose by.
    """
    names = [step.name for step in service.policy]
    for index, step in enumerate(service.policy):
        at = (*path, "policy", index)
        yield from check_shape(FILTERS[step.name].Options, step.options, (*at, step.name))[1]
        if step.name in names[:index]:
            yield Finding(at, f"the filter {step.name} stands twice in this policy")
    yield from _check_order(service, names, path)
    answers = service.answers.values()
    serves = any(answer.serves for answer in answers)
    if "geo" in names and answers and not serves:
        yield Finding(
            (*path, "policy", names.index("geo")),
            "geo has nothing to choose by: no answer has serves",
        )
    if "geo" not in names and serves:
        yield Finding(
            (*path, "answers"), "serves is not read: geo is not in the policy", is_warning=True
        )
    shares = next((name for name in names if name in ("weighted", "sticky")), None)
    if shares and answers and not any(answer.weight for answer in answers):
        yield Finding((*path, "answers"), f"no answer can be chosen: {shares} with every weight 0")


_ORDERING = ("weighted", "round_robin", "sticky")
_READS_CLIENT = ("geo", "nearest", "latency", "sticky")


def _check_order(service: ServiceEntry, names: Sequence[str], path: Path) -> Iterator[Finding]:
    """Filters that undo each other, or that choose before health has spoken."""
    ordering = [name for name in names if name in _ORDERING]
    if len(ordering) > 1:
        yield Finding(
            (*path, "policy", names.index(ordering[1])),
            f"{ordering[0]} has ordered the answers already: one of {one_of(_ORDERING)}",
        )
    early = names[: names.index("health")] if "health" in names else ()
    reader = next((name for name in early if name in _READS_CLIENT), None)
    if reader is None:
        return
    at = (*path, "policy", names.index("health"))
    if service.when_all_down.rule == "nodata":
        # Resolvers keep a negative answer for everybody (RFC 7871 7.4).
        message = f"must stand before {reader} where when_all_down is nodata: no answer is for all"
        yield Finding(at, message)
    else:
        message = f"stands behind {reader}: a client whose sites are down gets no other sites"
        yield Finding(at, message, is_warning=True)


def _check_answers(service: ServiceEntry, path: Path, names: Names) -> Iterator[Finding]:
    path = (*path, "answers")
    if not service.answers:
        yield Finding(path, "no answers: name at least one site, or any other name with a cname")
    for name, answer in service.answers.items():
        yield from _check_answer(name, answer, (*path, name), names)


def _check_answer(name: str, answer: AnswerEntry, path: Path, names: Names) -> Iterator[Finding]:
    if answer.cname is None and name not in names.sites:
        hint = did_you_mean(name, names.sites)
        allowed = f"allowed: {one_of(names.sites)}, or any other name with a cname"
        yield Finding(path, f"unknown site {shown(name)}; {allowed}{hint}", at_key=True)
    if answer.cname is not None and name in names.sites:
        found = (
            f"{name} is a site and has a cname: only one of them can be answered; rename the answer"
        )
        yield Finding((*path, "cname"), found)
    for index, place in enumerate(answer.serves):
        level, _, value = place.partition(":")
        if level == "map" and value not in names.maps:
            hint = did_you_mean(value, names.maps)
            yield Finding(
                (*path, "serves", index),
                f"unknown map {shown(value)}; allowed: {one_of(names.maps)}{hint}",
            )


def _check_places(service: ServiceEntry, path: Path, names: Names) -> Iterator[Finding]:
    asks = next((step.name for step in service.policy if step.name in ("nearest", "latency")), None)
    if asks is None:
        return
    for name in service.answers:
        if name in names.unplaced:
            found = f"{name} has no latitude and longitude: {asks} cannot tell how far it is"
            yield Finding((*path, "answers", name), found, at_key=True, is_warning=True)


def _check_cnames(service: ServiceEntry, path: Path) -> Iterator[Finding]:
    aliases = [key for key, answer in service.answers.items() if answer.cname is not None]
    if aliases and service.max_answers > 1:
        yield Finding(
            (*path, "max_answers"),
            f"must be 1 where an answer is a cname, not {service.max_answers}",
        )
