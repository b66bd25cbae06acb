"""A report as canonical JSON and back: the one text form that is signed.

1. The same report gives the same octets: keys are sorted, there are no spaces, all is ASCII.
2. A site is a short array, in the order of `SiteReport`; nothing else is read from it.
3. Numbers are kept to the thousandth: finer ones are noise, and cost most of the octets.
4. What others have a say in is cut to what readers take, so that one odd site never costs the word
   about the others: a reason to MAX_REASON_CHARACTERS of printable ASCII, counts to their maximum.
5. Reading is strict: a wrong type, a number out of range, a name that nobody could have configured,
   a key too many or too few refuses the whole report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from functools import lru_cache
from typing import Any, NoReturn

from gslb.config.fields import parse_label
from gslb.model.report import Report, SiteReport

VERSION = 1
MAX_REASON_CHARACTERS = 200
MAX_STREAK = 1000
MAX_SAMPLES = 255
MAX_SITES = 10_000
MAX_CANARIES = 1000
MAX_SEQUENCE = 2**53
"""Above it JSON readers in other languages lose digits."""
MAX_NUMBER = 1e12
"""Of every time: the year 33658, or 31 years in milliseconds."""

_KEYS = frozenset({"agent", "at", "boot", "canaries", "sequence", "sites", "version"})
_BOOT = re.compile("[A-Za-z0-9_-]{1,64}")
_UNPRINTABLE = re.compile("[^ -~]")
_SITES = '"sites":{'
MAX_HEAD_CHARACTERS = 4096
"""Of a report beside its sites, which are read apart; 300 are usual."""

Texts = dict[str, tuple[str, SiteReport]]
"""Of each site: its part of a report's text, and what that says."""


def dump_report(report: Report) -> bytes:
    """A report as canonical JSON.

    Raises ValueError when it holds what no reader would take: a fault of the agent.
    """
    sites = {name: _compose_site(site) for name, site in report.sites.items()}
    text = json.dumps(
        {
            "agent": report.agent,
            "at": _rounded(report.at),
            "boot": report.boot,
            "canaries": report.canaries,
            "sequence": report.sequence,
            "sites": sites,
            "version": VERSION,
        },
        allow_nan=False,
        separators=(",", ":"),
        sort_keys=True,
    )
    return text.encode("ascii")


def load_report(octets: bytes) -> Report:
    """The report that canonical JSON spells. Raises ValueError, which says what is wrong."""
    steps = load_report_in_slices(octets, {}, slice_sites=MAX_SITES)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: Report = end.value[0]
            return report


def load_report_in_slices(
    octets: bytes, known: Texts, *, slice_sites: int
) -> Generator[None, None, tuple[Report, Texts]]:
    """As `load_report`, pausing after each slice_sites sites; and what the next call may know.

    known: of the agent's report before, or empty. A site whose text is still the same is not read
    again: half a microsecond instead of five.
    """
    head, mark, rest = octets.decode("ascii").partition(_SITES)
    if len(head) > MAX_HEAD_CHARACTERS:
        raise ValueError(f"more than {MAX_HEAD_CHARACTERS} characters before the sites")
    yield
    found: Texts = {}
    sites: dict[str, SiteReport] = {}
    try:
        end = 0
        for site_end in _read_sites(rest, known, found, sites) if mark else ():
            end = site_end
            if len(found) % slice_sites == 0:
                yield
        tree = json.loads(head + mark + rest[end:], parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("lists within lists without end") from None
    report = _parse_report(tree, sites if mark else None)  # None: not as `dump_report` writes it
    return report, found


def _read_sites(
    text: str, known: Texts, found: Texts, sites: dict[str, SiteReport]
) -> Iterator[int]:
    """Where each site ends in the text behind the brace that opens them; found and sites grow."""
    at = 0
    while not text.startswith("}", at):
        at += bool(found) and text.startswith(",", at)
        colon = text.index('":', at)
        name = text[at + 1 : colon]
        if name in found:  # it would be read again and again within one slice
            raise ValueError("a name stands twice")
        one = known.get(name)
        if one is None or not text.startswith(one[0], at):
            if not text.startswith('"', at):
                raise ValueError("a name must be text")
            tree, end = _DECODER.raw_decode(text, colon + 2)
            one = text[at:end], _parse_site(tree)
            _parse_name(name)
        found[name], sites[name] = one, one[1]
        if len(found) > MAX_SITES:
            raise ValueError(f"more than {MAX_SITES} sites")
        at += len(one[0])
        if not text.startswith((",", "}"), at):
            raise ValueError("sites must be told apart by commas")
        yield at


def _parse_report(tree: object, sites: dict[str, SiteReport] | None) -> Report:
    """sites: those that were read apart from the tree; None where the tree has them."""
    if not isinstance(tree, dict):
        raise ValueError("not a mapping")
    if tree.get("version") != VERSION:
        raise ValueError(f"version {tree.get('version')!a:.40}; this reader takes {VERSION}")
    if tree.keys() != _KEYS:
        raise ValueError("a key is missing or unknown")
    return Report(
        agent=_parse_name(tree["agent"]),
        boot=_parse_boot(tree["boot"]),
        sequence=_parse_count(tree["sequence"], MAX_SEQUENCE),
        at=_parse_number(tree["at"]),
        sites=_parse_sites(tree["sites"]) if sites is None else sites,
        canaries=_parse_canaries(tree["canaries"]),
    )


def _compose_site(site: SiteReport) -> list[Any]:
    return [
        site.up,
        min(site.streak, MAX_STREAK),
        _rounded(site.since_at),
        _rounded(site.rtt_ms),
        _rounded(site.first_byte_ms),
        min(site.samples, MAX_SAMPLES),
        _rounded(site.certificate_until_at),
        _UNPRINTABLE.sub("?", site.reason[:MAX_REASON_CHARACTERS]),
    ]


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(float(number), 3)


def _parse_sites(tree: object) -> dict[str, SiteReport]:
    if not isinstance(tree, dict):
        raise ValueError("sites must be a mapping")
    if len(tree) > MAX_SITES:
        raise ValueError(f"{len(tree)} sites; at most {MAX_SITES} are allowed")
    return {_parse_name(name): _parse_site(site) for name, site in tree.items()}


def _parse_site(tree: object) -> SiteReport:
    if not isinstance(tree, list) or len(tree) != 8:
        raise ValueError("a site must be a list of 8")
    up, streak, since_at, rtt_ms, first_byte_ms, samples, certificate_until_at, reason = tree
    if not (up is None or up is True or up is False):
        raise ValueError("up must be true, false or null")
    return SiteReport(
        up=up,
        streak=_parse_count(streak, MAX_STREAK),
        since_at=_parse_number(since_at),
        rtt_ms=_maybe_number(rtt_ms),
        first_byte_ms=_maybe_number(first_byte_ms),
        samples=_parse_count(samples, MAX_SAMPLES),
        certificate_until_at=_maybe_number(certificate_until_at),
        reason=_parse_reason(reason),
    )


def _parse_name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a name must be text")
    return _parse_label(value)


# The same few thousand names come with every report.
_parse_label = lru_cache(maxsize=2 * MAX_SITES)(parse_label)


def _parse_boot(value: object) -> str:
    if not isinstance(value, str) or not _BOOT.fullmatch(value):
        raise ValueError("boot must be 1 to 64 letters, digits, '-' or '_'")
    return value


def _parse_reason(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_REASON_CHARACTERS:
        raise ValueError(f"a reason must be at most {MAX_REASON_CHARACTERS} characters")
    if not (value.isascii() and value.isprintable()):
        raise ValueError("a reason must be printable ASCII")
    return value


def _parse_canaries(value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("canaries must be a list of 2")
    answering, configured = (_parse_count(count, MAX_CANARIES) for count in value)
    if answering > configured:
        raise ValueError("more canaries answer than there are")
    return answering, configured


def _parse_count(value: object, maximum: int) -> int:
    if type(value) is not int or not 0 <= value <= maximum:  # a bool is an int, too
        raise ValueError(f"a count must be a whole number from 0 to {maximum}")
    return value


def _maybe_number(value: object) -> float | None:
    return None if value is None else _parse_number(value)


def _parse_number(value: object) -> float:
    if not isinstance(value, float) or not 0.0 <= value <= MAX_NUMBER:
        raise ValueError(f"a time must be a number with a point, from 0 to {MAX_NUMBER:.0f}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
