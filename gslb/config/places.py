"""Files that the configuration names and something else reads: are they where they should be?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gslb.config.build import BUNDLED
from gslb.config.build_health import REDIS_FILES, SECRET_FILES, resolve
from gslb.config.check_schema import CheckEntry
from gslb.config.files import tell
from gslb.config.finding import Finding
from gslb.config.finding import Path as At
from gslb.config.proxy_parts import Parts
from gslb.config.proxy_places import NamedFile, proxy_checks, proxy_files
from gslb.config.schema import MainFile

_OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


def look_at_places(
    main: MainFile, base: Path, parts: Mapping[str, Parts]
) -> tuple[list[Path], list[Finding]]:
    """The files that matter besides those that are read here, so that a change of one can be seen;
    and what is wrong with them. base: the main file's directory. parts: of each proxy, by name.
    """
    databases = [resolve(base, name) for name in main.geo.database if name != BUNDLED]
    named = [*_redis_files(main), *proxy_files(main, parts)]
    findings = (
        *_check_databases(main, base),
        *_check_named_files(named, base),
        *_check_state_dir(main, base),
        *_check_commands(main, base),
    )
    others = dict.fromkeys(resolve(base, one.name) for one in named)
    return [*databases, *others], list(findings)


def _check_databases(main: MainFile, base: Path) -> Iterator[Finding]:
    for index, name in enumerate(main.geo.database):
        if name != BUNDLED and (reason := _why_missing(resolve(base, name))):
            found = f"{name}: {reason}; allowed: bundled, or the path of an mmdb file"
            yield Finding(("geo", "database", index), found)


def _redis_files(main: MainFile) -> Iterator[NamedFile]:
    for key in REDIS_FILES:
        name = getattr(main.redis, key)
        if name is not None:
            yield NamedFile(("redis", key), name, key in SECRET_FILES)


def _check_named_files(files: Iterable[NamedFile], base: Path) -> Iterator[Finding]:
    """No name is repeated: where it is mistaken, it can be the password itself."""
    for key, name, is_secret in files:
        path = resolve(base, name)
        if reason := _why_missing(path) or _why_closed(path):
            found = f"{reason}; a path is absolute, or relative to the main file"
            yield Finding(key, found)
        elif is_secret and path.stat().st_mode & _OTHERS_MAY_READ:
            found = "other users may read the file; chmod 600 keeps it to its owner"
            yield Finding(key, found, is_warning=True)


def _why_closed(path: Path) -> str:
    return "" if os.access(path, os.R_OK) else "may not be read by this user"


def _check_commands(main: MainFile, base: Path) -> Iterator[Finding]:
    """Only warnings: agents and proxies run them, which may live elsewhere."""
    for path, check in (*_site_checks(main), *proxy_checks(main)):
        for index, part in enumerate(check.parts):
            if part.command is not None and (reason := _why_idle(resolve(base, part.command[0]))):
                of = () if part is check else ("of", index)
                found = f"{part.command[0]}: {reason} on this machine"
                yield Finding((*path, *of, "command", 0), found, is_warning=True)


def _site_checks(main: MainFile) -> Iterator[tuple[At, CheckEntry]]:
    for name, site in main.sites.items():
        if site.check:
            yield ("sites", name, "check"), site.check


def _why_idle(program: Path) -> str:
    """Why a program could not be run, empty if it could."""
    return _why_missing(program) or ("" if os.access(program, os.X_OK) else "is not executable")


def _check_state_dir(main: MainFile, base: Path) -> Iterator[Finding]:
    """It may be missing: it is made when something is kept."""
    if main.state_dir is None:
        return
    try:
        path = resolve(base, main.state_dir)
        reason = "is not a directory" if path.exists() and not path.is_dir() else ""
    except OSError as error:
        reason = tell(error)
    if reason:
        yield Finding(("state_dir",), f"{main.state_dir}: {reason}")


def _why_missing(path: Path) -> str:
    try:
        if path.is_file():
            return ""
        return "is not a regular file" if path.exists() else "there is no such file"
    except OSError as error:
        return tell(error)
