"""Rules over several keys of a check: pure functions from entries to findings."""

from __future__ import annotations

from collections.abc import Iterator

from gslb.config.check_schema import KINDS, CheckEntry, HttpEntry, KindEntry, TcpCheckEntry
from gslb.config.finding import Finding, Path
from gslb.config.words import one_of
from gslb.model.place import Address

DEFAULT_TIMEOUT_S = 2.0


def check_check(check: CheckEntry, path: Path) -> Iterator[Finding]:
    """What is wrong in a check beyond its shape."""
    yield from _check_forms(check, path)
    yield from _check_need(check, path)
    yield from _check_times(check, path)
    for part, where in _parts(check, path):
        yield from _check_kind(part, where, timeout_s_of(check))


def check_canary(check: CheckEntry, path: Path, owners: dict[Address, str]) -> Iterator[Finding]:
    """What is wrong in a canary, which belongs to no site. owners: the sites' addresses."""
    yield from check_check(check, path)
    for part, where in _parts(check, path):
        if part.command is not None:
            found = "a canary cannot be a command: what it must reach is an address"
            yield Finding((*where, "command"), found)
        for name in ("http", "https", "tcp"):
            entry = getattr(part, name)
            if entry is not None:
                yield from _check_target(entry.address, (*where, name), owners)


def _check_target(
    address: Address | None, path: Path, owners: dict[Address, str]
) -> Iterator[Finding]:
    if address is None:
        found = "the key address is missing: a canary belongs to no site"
        yield Finding(path, found, at_key=True)
    elif address in owners:
        found = f"{address} belongs to the site {owners[address]}: a canary must not fail with it"
        yield Finding((*path, "address"), found, is_warning=True)


def timeout_s_of(check: CheckEntry) -> float:
    """Seconds that a check may take, as given or by default."""
    if check.timeout_s is None:
        return min(DEFAULT_TIMEOUT_S, check.interval_s)
    return check.timeout_s


def _parts(check: CheckEntry, path: Path) -> Iterator[tuple[KindEntry, Path]]:
    """What is asked in each round, with the path of each."""
    for index, part in enumerate(check.parts):
        yield part, path if check.of is None else (*path, "of", index)


def _check_forms(check: CheckEntry, path: Path) -> Iterator[Finding]:
    forms = (*check.kinds, *(("of",) if check.of is not None else ()))
    if len(forms) != 1:
        yield _not_one(forms, (*KINDS, "of"), path)
    for part, where in _parts(check, path):
        if part is not check and len(part.kinds) != 1:
            yield _not_one(part.kinds, KINDS, where)


def _not_one(found: tuple[str, ...], allowed: tuple[str, ...], path: Path) -> Finding:
    said = " and ".join(found) or "none of them"
    message = f"must hold exactly one of {one_of(allowed)}, not {said}"
    return Finding(path, message, at_key=True)


def _check_need(check: CheckEntry, path: Path) -> Iterator[Finding]:
    if check.of is None:
        if "need" in check.model_fields_set:
            yield Finding((*path, "need"), "is read only where the check has of", at_key=True)
    elif isinstance(check.need, int) and check.need > len(check.of):
        found = f"must be at most {len(check.of)}, as of has so many entries, not {check.need}"
        yield Finding((*path, "need"), found)


def _check_times(check: CheckEntry, path: Path) -> Iterator[Finding]:
    for name in ("timeout_s", "fast_interval_s"):
        found = getattr(check, name)
        if found is not None and found > check.interval_s:
            message = f"must be at most interval_s ({check.interval_s:g}), not {found:g}"
            yield Finding((*path, name), message)


def _check_kind(part: KindEntry, path: Path, timeout_s: float) -> Iterator[Finding]:
    for name in ("http", "https", "tcp"):
        entry = getattr(part, name)
        if entry is None:
            continue
        yield from _check_max_ms(entry, (*path, name), timeout_s)
        if isinstance(entry, HttpEntry):
            yield from _check_http(entry, (*path, name))


def _check_max_ms(
    entry: HttpEntry | TcpCheckEntry, path: Path, timeout_s: float
) -> Iterator[Finding]:
    if entry.max_ms is not None and entry.max_ms >= timeout_s * 1000:
        found = f"has no effect: the check ends after timeout_s ({timeout_s:g}) anyway"
        yield Finding((*path, "max_ms"), found, is_warning=True)


def _check_http(entry: HttpEntry, path: Path) -> Iterator[Finding]:
    if entry.method == "HEAD":
        for name in ("expect_body", "expect_json"):
            if getattr(entry, name):
                found = "cannot hold: the answer to HEAD has no body"
                yield Finding((*path, name), found, at_key=True)
    seen: dict[str, str] = {}
    for name in entry.headers:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            found = f"the same header as {first}: case does not count"
            yield Finding((*path, "headers", name), found, at_key=True)
