"""The operator's files as one checked value, or every problem in all of them at once.

Laws:
1. `load` returns a Configuration or raises ConfigError, whatever the files hold.
2. A fault in one place hides no fault elsewhere: what is broken is left out, and the rest is still
   judged.
3. Two loads of the same content have the same digest, whatever the files are called and whenever
   they were written.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gslb.config.build import ZoneTexts, build_site, build_system, build_zone
from gslb.config.files import (
    MAX_MASTER_OCTETS,
    MAX_YAML_OCTETS,
    Content,
    absolute,
    match_files,
    read_file,
    tell,
)
from gslb.config.finding import Finding
from gslb.config.health_rules import Known, check_store_names
from gslb.config.places import look_at_places
from gslb.config.proxy_parts import read_parts
from gslb.config.proxy_rules import check_proxies
from gslb.config.rules import Names, check_main, check_zone
from gslb.config.schema import MainFile
from gslb.config.shape import UNITS, check_shape
from gslb.config.yaml_tree import Tree, read_tree
from gslb.config.zone_schema import ZoneFile
from gslb.errors import ConfigError, Problem
from gslb.model.service import Site
from gslb.model.system import System
from gslb.zone.compile import ZoneFault, compile_zone
from gslb.zone.tree import Zone

DIGEST_DIGITS = 12
_SHARED_KEYS = ("geo", "health", "zones", "sites", "agents", "orders")


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that a process starts from. warnings: what is allowed but doubtful."""

    system: System
    zones: tuple[Zone, ...]
    warnings: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Desk:
    """What loading has read and found so far. places: the files that it depends on without reading
    them.
    """

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    contents: list[Content] = field(default_factory=list)
    places: list[Path] = field(default_factory=list)

    def report(self, tree: Tree, findings: Iterable[Finding]) -> None:
        """Takes findings in one file to where they belong."""
        for finding in findings:
            (self.warnings if finding.is_warning else self.problems).append(tree.problem(finding))

    def read(self, path: Path, limit: int, *, inside: Path | None = None) -> Content:
        """The content of a file, which is part of the configuration from now on. Raises OSError."""
        content = read_file(path, limit, inside=inside)
        self.contents.append(content)
        return content


@dataclass(frozen=True, slots=True)
class _Main:
    """The main file, read: its good parts, and the names that zone files may use. base: its
    directory.
    """

    tree: Tree
    entry: MainFile
    base: Path
    sites: Mapping[str, Site]
    names: Names


def load(path: Path, *, at: float | None = None) -> Configuration:
    """The configuration of a main file and all files that it names. at: Unix seconds, by which
    orders have expired; left out: now.

    Raises ConfigError with all problems of all files; they are the operator's.
    """
    desk = _Desk()
    main = _load_main(desk, path, time.time() if at is None else at)
    zones = _load_zones(desk, main) if main else []
    if main:
        _judge_store(desk, main, zones)
    if desk.problems or main is None:
        raise ConfigError(_without_echoes(desk.problems))
    system = replace(
        build_system(main.entry, main.base),
        zones=tuple(zone.source for zone in zones),
        files=tuple(str(found) for found in (*(one.path for one in desk.contents), *desk.places)),
        digest=_digest(one.octets for one in desk.contents),
        shared_digest=_shared_digest(main.entry, desk.contents[1:]),
    )
    return Configuration(system, tuple(zones), tuple(_without_echoes(sorted(desk.warnings))))


def _without_echoes(problems: Iterable[Problem]) -> list[Problem]:
    """Problems without those that an alias repeats: the same words about the same place under
    another path.
    """
    firsts: dict[tuple[str, int, int, str], Problem] = {}
    for one in problems:
        firsts.setdefault((one.file, one.line, one.column, one.message), one)
    return list(firsts.values())


def _digest(parts: Iterable[bytes]) -> str:
    sha = hashlib.sha256()
    for octets in parts:
        sha.update(len(octets).to_bytes(8, "big") + octets)
    return sha.hexdigest()[:DIGEST_DIGITS]


def _shared_digest(main: MainFile, others: Iterable[Content]) -> str:
    """The digest of what name servers of one system share: not of who and where each of them is."""
    shared = main.model_dump(include=set(_SHARED_KEYS))
    return _digest([repr(shared).encode(), *(one.octets for one in others)])


def _load_main(desk: _Desk, path: Path, at: float) -> _Main | None:
    try:
        content = desk.read(path, MAX_YAML_OCTETS)
    except OSError as error:
        desk.problems.append(Problem(str(path), 0, 0, "", tell(error)))
        return None
    tree = read_tree(content.octets, content.shown)
    desk.problems += tree.problems
    if tree.data is None and tree.problems:
        return None
    entry, findings = check_shape(MainFile, tree.data)
    if entry is not None:
        known = Known(_keys(tree.data, "sites"), _left_out(findings), at)
        parts = read_parts(tree.data, findings)
        findings += check_main(entry, known)
        findings += check_proxies(entry, known, parts)
        places, faults = look_at_places(entry, path.parent, parts)
        desk.places += places
        findings += faults
    desk.report(tree, findings)
    if entry is None:
        return None
    return _know(tree, entry, path.parent, _faulty("sites", findings))


def _know(tree: Tree, entry: MainFile, base: Path, faulty: Collection[str]) -> _Main:
    sites = {
        name: build_site(name, site, base)
        for name, site in entry.sites.items()
        if name not in faulty
    }
    unplaced = [name for name, site in sites.items() if site.point is None]
    names = Names(_keys(tree.data, "sites"), _keys(tree.data, "geo", "maps"), unplaced)
    return _Main(tree, entry, base, sites, names)


def _keys(data: object, *path: str) -> tuple[str, ...]:
    """The keys of a mapping in plain data, in order; none where there is no mapping."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return tuple(data) if isinstance(data, dict) else ()


def _faulty(unit: str, findings: Iterable[Finding]) -> set[str]:
    """The names under a top-level key whose entries have faults."""
    faults = (one.path for one in findings if not one.is_warning)
    return {str(path[1]) for path in faults if path[0:1] == (unit,) and len(path) > 1}


def _left_out(findings: Iterable[Finding]) -> set[str]:
    """The top-level keys that findings about shape have cost their values."""
    faults = (one.path for one in findings if not one.is_warning and one.path)
    return {str(path[0]) for path in faults if len(path) == 1 or path[0] not in UNITS}


def _judge_store(desk: _Desk, main: _Main, zones: Iterable[Zone]) -> None:
    if main.entry.store != "memory":
        origins = [zone.source.origin for zone in zones]
        desk.report(main.tree, check_store_names(main.entry.store, origins))


def _load_zones(desk: _Desk, main: _Main) -> list[Zone]:
    zones: list[Zone] = []
    files: dict[str, str] = {}  # origin -> the first file that has it
    for index, path in _zone_files(desk, main):
        try:
            content = desk.read(path, MAX_YAML_OCTETS)
        except OSError as error:
            found = Finding(("zones", index), f"{path}: {tell(error)}")
            desk.report(main.tree, [found])
            continue
        zone = _load_zone(desk, main, content, files)
        if zone is not None:
            zones.append(zone)
    return zones


def _zone_files(desk: _Desk, main: _Main) -> list[tuple[int, Path]]:
    """Each zone file once, with the index of the pattern that names it."""
    found: dict[Path, tuple[int, Path]] = {}
    for index, pattern in enumerate(main.entry.zones):
        paths = match_files(main.base, pattern)
        if not paths:
            missing = f"{pattern} matches no file in {main.base}"
            desk.report(main.tree, [Finding(("zones", index), missing)])
        for path in paths:
            found.setdefault(absolute(path), (index, path))
    return list(found.values())


def _load_zone(desk: _Desk, main: _Main, content: Content, files: dict[str, str]) -> Zone | None:
    tree = read_tree(content.octets, content.shown)
    desk.problems += tree.problems
    if tree.data is None and tree.problems:
        return None
    entry, findings = check_shape(ZoneFile, tree.data)
    if entry is not None:
        findings += check_zone(entry, main.names)
        first = files.setdefault(entry.zone, content.shown)
        if first != content.shown:
            findings.append(Finding(("zone",), f"{entry.zone} is the zone of {first} already"))
    desk.report(tree, findings)
    return _compile(desk, main, content, (tree, entry, findings)) if entry else None


def _compile(
    desk: _Desk, main: _Main, content: Content, read: tuple[Tree, ZoneFile, list[Finding]]
) -> Zone | None:
    """The zone compiled from what has no fault yet; its own faults are added to the others."""
    tree, entry, findings = read
    texts = _read_master(desk, main, content, (tree, entry))
    if texts is None:
        return None
    faulty = _faulty("services", findings)
    services = {name: found for name, found in entry.services.items() if name not in faulty}
    source = build_zone(entry.model_copy(update={"services": services}), texts, main.sites)
    zone, faults = compile_zone(source)
    hidden = {str(one.path[0]) for one in findings if one.path and not one.is_warning} - {
        "services"
    }
    _report_faults(
        desk, tree, texts, [fault for fault in faults if fault.path.split(".")[0] not in hidden]
    )
    return zone


def _report_faults(desk: _Desk, tree: Tree, texts: ZoneTexts, faults: Iterable[ZoneFault]) -> None:
    for fault in faults:
        if fault.master and texts.master_file is not None:
            found = Problem(texts.master_file, fault.line, 1, "", fault.message)
            (desk.warnings if fault.is_warning else desk.problems).append(found)
        else:
            path = tree.path_of(fault.path)
            desk.report(tree, [Finding(path, fault.message, is_warning=fault.is_warning)])


def _read_master(
    desk: _Desk, main: _Main, zone: Content, read: tuple[Tree, ZoneFile]
) -> ZoneTexts | None:
    """What the zone is made from, or None (and a problem) when its master file cannot be used."""
    tree, entry = read
    if entry.records is None:
        return ZoneTexts(zone.shown, zone.modified_at)
    path = Path(zone.shown).parent / entry.records
    try:
        content = desk.read(path, MAX_MASTER_OCTETS, inside=main.base)
    except OSError as error:
        desk.report(tree, [Finding(("records",), f"{path}: {tell(error)}")])
        return None
    return _decode_master(desk, zone, content)


def _decode_master(desk: _Desk, zone: Content, content: Content) -> ZoneTexts | None:
    try:
        text = content.octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content.octets[: error.start]
        place = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        found = "not UTF-8 text; write other octets as \\DDD"
        desk.problems.append(Problem(content.shown, *place, "", found))
        return None
    newest = max(zone.modified_at, content.modified_at)
    return ZoneTexts(zone.shown, newest, content.shown, text)
