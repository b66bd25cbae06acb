"""Rules over health, agents, orders and the store: pure functions from entries to findings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from gslb.config.check_rules import check_canary
from gslb.config.finding import Finding, Path, dotted
from gslb.config.health_schema import AgentEntry, AgentLocationEntry, LocationEntry
from gslb.config.schema import MainFile
from gslb.config.urls import StoreUrl, parse_store_url, webhook_host
from gslb.config.words import did_you_mean, one_of, shown
from gslb.model.place import Address

_SENTINEL_KEYS = ("sentinel_username", "sentinel_password_file")
_TLS_KEYS = ("ca_file", "certificate_file", "key_file")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides the entries that are judged.

    sites: the names of all sites, those with faults included. broken: the top-level keys that were
    left out for their faults, so nothing can be said of them. at: Unix seconds now.
    """

    sites: Collection[str]
    broken: Collection[str] = ()
    at: float = 0.0


def check_health(main: MainFile, known: Known) -> Iterator[Finding]:
    """What is wrong with health, agents, orders and the store beyond their shape."""
    yield from _check_limits(main, known)
    yield from _check_canaries(main)
    for name in main.agents:
        yield from _check_agent(main, name, known)
    yield from _check_keys(main)
    yield from _check_orders(main, known)
    if "store" not in known.broken:
        yield from _check_store(main)
    yield from _check_webhook(main)


def _check_limits(main: MainFile, known: Known) -> Iterator[Finding]:
    health = main.health
    if health.flap_hold_s > health.flap_hold_max_s:
        if "flap_hold_s" in health.model_fields_set:
            path, bound = "flap_hold_s", f"at most flap_hold_max_s ({health.flap_hold_max_s:g})"
        else:
            path, bound = "flap_hold_max_s", f"at least flap_hold_s ({health.flap_hold_s:g})"
        yield Finding(("health", path), f"must be {bound}, not {getattr(health, path):g}")
    yield from _check_domains(main)
    is_checked = any(site.check for site in main.sites.values())
    if is_checked and not (health.own_probes or main.agents or "agents" in known.broken):
        found = "nothing is checked: own_probes is false, and there are no agents"
        yield Finding(("health", "own_probes"), found, is_warning=True)
    for name, site in main.sites.items():
        if site.check and site.check.interval_s > health.stale_after_s:
            found = (
                f"{site.check.interval_s:g} is longer than health.stale_after_s "
                f"({health.stale_after_s:g}): what is reported is stale before it is checked again"
            )
            yield Finding(("sites", name, "check", "interval_s"), found, is_warning=True)


def _check_domains(main: MainFile) -> Iterator[Finding]:
    domains = {agent.failure_domain or name for name, agent in main.agents.items()}
    needed = main.health.min_domains
    if domains and needed is not None and needed > len(domains):
        declared = f"more than the failure domains that are declared ({len(domains)})"
        found = f"{declared}: no report can take a site down"
        yield Finding(("health", "min_domains"), found, is_warning=True)


def _check_canaries(main: MainFile) -> Iterator[Finding]:
    owners = {address: name for name, site in main.sites.items() for address in site.addresses}
    for index, canary in enumerate(main.health.canaries):
        yield from check_canary(canary, ("health", "canaries", index), owners)


def check_location(where: LocationEntry | AgentLocationEntry, path: Path) -> Iterator[Finding]:
    """Half of a point."""
    if (where.latitude is None) is not (where.longitude is None):
        yield Finding((*path, "location"), "latitude and longitude must be given together")


def _check_agent(main: MainFile, name: str, known: Known) -> Iterator[Finding]:
    agent, path = main.agents[name], ("agents", name)
    yield from check_location(agent.location, path)
    if name == main.node:
        found = f"{name} is the node's own name, under which its own probes report; rename one"
        yield Finding(path, found, at_key=True)
    for index, site in enumerate(agent.sites or ()):
        if site not in known.sites:
            yield unknown_site(site, (*path, "sites", index), known.sites)
    if not agent.public_key and "store" not in known.broken:
        yield _keyless(name, path, store=main.store)


def _keyless(name: str, path: Path, *, store: str) -> Finding:
    found = f"no public_key: make one with `gslb agent-key {name}`"
    if store == "memory":
        found += "; until then its reports are not signed"
    return Finding(path, found, at_key=True, is_warning=store == "memory")


def _check_keys(main: MainFile) -> Iterator[Finding]:
    owners: dict[bytes, Path] = {}
    for path, key in _keys(main.agents):
        first = owners.setdefault(key, path)
        if first != path:
            yield Finding(path, f"the same key as {dotted(first)}: each agent needs its own")


def _keys(agents: dict[str, AgentEntry]) -> Iterator[tuple[Path, bytes]]:
    for name, agent in agents.items():
        for index, key in enumerate(agent.public_key):
            yield ("agents", name, "public_key", index), key


def unknown_site(name: str, path: Path, sites: Collection[str], *, at_key: bool = False) -> Finding:
    """That a name is no site's."""
    found = f"unknown site {shown(name)}; allowed: {one_of(sites)}{did_you_mean(name, sites)}"
    return Finding(path, found, at_key=at_key)


def _check_orders(main: MainFile, known: Known) -> Iterator[Finding]:
    for name, order in main.orders.items():
        if name not in known.sites:
            yield unknown_site(name, ("orders", name), known.sites, at_key=True)
        if order.until is not None and order.until.timestamp() <= known.at:
            found = f"expired at {order.until.isoformat()}: it orders nothing any more"
            yield Finding(("orders", name, "until"), found, is_warning=True)


def _check_store(main: MainFile) -> Iterator[Finding]:
    redis = main.redis
    if (redis.certificate_file is None) is not (redis.key_file is None):
        yield Finding(("redis",), "certificate_file and key_file must be given together")
    given = sorted(redis.model_fields_set)
    if main.store == "memory":
        if given:
            found = f"not read: store is memory ({one_of(given)})"
            yield Finding(("redis",), found, is_warning=True)
        return
    url = parse_store_url(main.store)
    yield from _check_credentials(main, url)
    yield from _check_unread(url, given)
    if main.state_dir is None and (main.sites or not main.proxies):
        found = "no state_dir: a name server that restarts without Redis begins with unknown health"
        yield Finding(("state_dir",), found, is_warning=True)


def _check_credentials(main: MainFile, url: StoreUrl) -> Iterator[Finding]:
    redis = main.redis
    if url.username and redis.username is not None:
        yield Finding(("redis", "username"), "store has a user name, too: give one of them")
    if url.password is not None and redis.password_file is not None:
        yield Finding(("redis", "password_file"), "store has a password, too: give one of them")
    elif url.password is not None:
        found = "the URL holds a password that every reader of this file sees; "
        yield Finding(("store",), found + "use redis.password_file", is_warning=True)


def _check_unread(url: StoreUrl, given: Iterable[str]) -> Iterator[Finding]:
    for key in given:
        if key in _SENTINEL_KEYS and not url.is_sentinel:
            found = f"not read: store is {url.scheme}://, without Sentinel"
            yield Finding(("redis", key), found, at_key=True, is_warning=True)
        if key in _TLS_KEYS and not url.is_tls:
            found = f"not read: store is {url.scheme}://, without TLS"
            yield Finding(("redis", key), found, at_key=True, is_warning=True)


def check_store_names(store: str, origins: Collection[str]) -> Iterator[Finding]:
    """Hosts of the store that are names: they must not need the zones served here (rule R17).
    origins: those zones.
    """
    names = [host.host for host in parse_store_url(store).hosts if not _is_fixed(host.host)]
    for name in dict.fromkeys(names):
        inside = next((one for one in origins if f".{name}".endswith(f".{one}")), None)
        if inside is not None:
            found = f"a host lies in the zone {inside}, which is served here: name its address"
            yield Finding(("store",), found)
    if names:
        found = "a host is a name: whoever resolves it must not need the zones served here"
        yield Finding(("store",), found, is_warning=True)


def _is_fixed(host: str) -> bool:
    """Whether a host is an address, or the name of this machine."""
    return host == "localhost" or _maybe_address(host) is not None


def _is_here(host: str) -> bool:
    address = _maybe_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _maybe_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_webhook(main: MainFile) -> Iterator[Finding]:
    url = main.events.webhook
    if url is not None and url.startswith("http://") and not _is_here(webhook_host(url)):
        found = "http sends events unencrypted to another machine: use https"
        yield Finding(("events", "webhook"), found, is_warning=True)
