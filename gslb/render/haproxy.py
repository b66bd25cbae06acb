"""A proxy's file as a configuration of HAProxy 2.6, the second engine.

Laws:
1. What the file says is done, or told: nothing is left out in silence (gslb.render.features).
2. The text is for people, too: every section says which listener, route or pool it comes from.
3. It holds no secret: keys are files, and what would have to stand in the text is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gslb.model.proxy import HttpLimits, Proxy, ShedSettings, Timeouts
from gslb.render.actions import cache_section, rate_table
from gslb.render.backend import render_backends
from gslb.render.features import Grade, Missing, Notes
from gslb.render.frontend import render_frontends
from gslb.render.text import Section, milliseconds, name

MAX_THREADS = 64
_BUFFER = 16 * 1024
_REWRITING = 1024
_LIMITS = HttpLimits()
_TIMEOUTS = Timeouts()
_WITHOUT = "503 content-type text/plain string 'no backend' hdr Retry-After 2"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A configuration, and what it does not do as the file says: not at all, a little differently,
    or only after somebody has done what is told.
    """

    text: str
    missing: tuple[Missing, ...] = ()
    approximated: tuple[Missing, ...] = ()
    by_hand: tuple[Missing, ...] = ()


def render_haproxy(proxies: Sequence[Proxy]) -> Rendered:
    """One configuration for all of the proxies: one process runs them."""
    notes = {proxy.name: Notes(proxy.name) for proxy in proxies}
    sections = [str(_render_global(proxies, notes.values()))]
    for proxy in proxies:
        sections += map(str, _render_proxy(proxy, notes[proxy.name]))
    text = "\n".join([_HEADER, *sections])

    def told(grade: Grade) -> tuple[Missing, ...]:
        return tuple(one for each in notes.values() for one in each.of(grade))

    return Rendered(text, told(Grade.MISSING), told(Grade.APPROXIMATED), told(Grade.BY_HAND))


_HEADER = (
    "# For HAProxy 2.6, made by `gslb proxy --render haproxy`: change the file it is made of.\n"
)


def _render_proxy(proxy: Proxy, notes: Notes) -> Iterator[Section]:
    _tell_missing(proxy, notes)
    yield _render_defaults(proxy)
    for route in proxy.routes:
        yield from (each for each in (cache_section(proxy.name, route),) if each)
    yield from render_frontends(proxy, notes)
    for route in proxy.routes:
        yield from (each for each in (rate_table(proxy.name, route),) if each)
    yield from render_backends(proxy, notes)


def _render_global(proxies: Sequence[Proxy], notes: Iterable[Notes]) -> Section:
    """What HAProxy has once: the largest that a proxy asks for."""
    settings = [_globals_of(proxy) for proxy in proxies]
    if len(set(settings)) > 1:
        for each in notes:
            each.add("global")
    threads, buffer, headers, drain_ms = (max(values) for values in zip(*settings, strict=True))
    section = Section("global", "the process")
    section.add(
        f"nbthread {threads}",
        f"tune.bufsize {buffer}",
        f"tune.http.maxhdr {headers}",
        f"hard-stop-after {drain_ms}ms",
        "spread-checks 20",
    )
    return section


def _globals_of(proxy: Proxy) -> tuple[int, int, int, int]:
    limits = proxy.limits
    buffer = max(_BUFFER, limits.line_octets + limits.header_octets + _REWRITING)
    drain_ms = max(1, round(proxy.drain_timeout_s * 1000))
    return min(proxy.workers, MAX_THREADS), buffer, limits.headers, drain_ms


def _render_defaults(proxy: Proxy) -> Section:
    timeouts = proxy.timeouts
    section = Section(f"defaults {name(proxy.name)}", f"proxy {proxy.name} of site {proxy.site}")
    section.add("mode http")
    for phase, seconds in {
        "connect": timeouts.connect_s,
        "client": timeouts.body_idle_s,
        "server": timeouts.response_s,
        "http-request": timeouts.headers_s,
        "http-keep-alive": timeouts.keep_alive_s,
        "tunnel": timeouts.tunnel_idle_s,
    }.items():
        section.add(f"timeout {phase} {milliseconds(seconds)}")
    section.add(
        "http-error status 200 content-type text/plain string ok", f"http-error status {_WITHOUT}"
    )
    return section


def _tell_missing(proxy: Proxy, notes: Notes) -> None:
    """What is said of the whole proxy and cannot be done."""
    limits, timeouts = proxy.limits, proxy.timeouts
    notes.add("site", "site")
    for feature, is_asked in {
        "admin": proxy.admin is not None,
        "capacity": proxy.capacity is not None,
        "timeouts.total_s": timeouts.total_s != _TIMEOUTS.total_s,
        "timeouts.tls_s": timeouts.tls_s != _TIMEOUTS.tls_s,
        "timeouts.body_idle_s": timeouts.body_idle_s != timeouts.response_s,
        "limits.header_kb": True,
        "limits.headers": limits.headers != _LIMITS.headers,
        "limits.requests_per_connection": (
            limits.requests_per_connection != _LIMITS.requests_per_connection
        ),
        "limits.body_octets_per_s": limits.body_octets_per_s != _LIMITS.body_octets_per_s,
        "shed": proxy.shed != ShedSettings(),
    }.items():
        if is_asked:
            notes.add(feature, *feature.split("."))
