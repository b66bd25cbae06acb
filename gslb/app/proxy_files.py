"""The operator's files as `gslb proxy` needs them: the proxies it runs, and the keys they name.

Laws:
1. Keys are read once, beside the files that name them: a worker never looks for them again.
2. Two loads are the same when no file behind them looks different, certificates included.
3. What is loaded can be used: keys fit their tokens, certificates their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from gslb.app.assemble import look
from gslb.config.load import Configuration, load
from gslb.errors import ConfigError, Problem
from gslb.geo.watch import Stamp, stamp
from gslb.model.proxy import Proxy
from gslb.model.system import System
from gslb.proxy.tls import ServerTls
from gslb.route.router import Router

MAX_KEY_OCTETS = 64 * 1024


@dataclass(frozen=True, slots=True)
class ProxyFiles:
    """A configuration and the proxies of it that run. names: as they were asked for, empty for all.
    keys: the octets of each key file that a route or an affinity names, by path. stamp: what the
    files looked like right after they were read.
    """

    path: Path
    names: tuple[str, ...]
    configuration: Configuration
    proxies: Mapping[str, Proxy]
    keys: Mapping[str, bytes]
    stamp: Stamp

    @property
    def system(self) -> System:
        """What the files say."""
        return self.configuration.system

    @property
    def stale(self) -> str | None:
        """Nothing is ever taken up by halves."""
        return None

    def as_read(self) -> Stamp:
        """What the files looked like when they were read."""
        return self.stamp

    def look(self) -> Stamp:
        """What they look like now."""
        return look(self.configuration) + stamp(map(Path, self.keys))

    def load_again(self) -> ProxyFiles:
        """The same files, read anew. Raises ConfigError."""
        return load_proxies(self.path, self.names)

    def is_same(self, other: ProxyFiles) -> bool:
        """Whether no file behind them differs (law 2). A folder does when a log begins in it."""
        return self._marks() == other._marks() and self.keys == other.keys

    def summary(self) -> Mapping[str, object]:
        """What the log says of it."""
        return {"digest": self.system.digest, "proxies": ", ".join(self.proxies)}

    def _marks(self) -> Stamp:
        return tuple(one for one in self.stamp if one[0] in self.system.files)

    def keys_of(self, proxy: Proxy) -> dict[str, bytes]:
        """The keys that one proxy names."""
        return {path: self.keys[path] for path in key_paths([proxy])}


def load_proxies(path: Path, names: Sequence[str] = ()) -> ProxyFiles:
    """What a main file says of the proxies with these names, or of all. Raises ConfigError."""
    configuration = load(path)
    seen = look(configuration)
    proxies = _pick(path, configuration.system.proxies, names)
    keys, marks = _read_keys(path, proxies.values())
    _rehearse(path, proxies.values(), keys)
    return ProxyFiles(path, tuple(names), configuration, proxies, keys, seen + marks)


def _rehearse(path: Path, proxies: Iterable[Proxy], keys: Mapping[str, bytes]) -> None:
    """Makes what can be found wrong only in the making, so that no worker fails at it later (law
    3). Raises ConfigError.
    """
    problems: list[Problem] = []
    for proxy in proxies:
        try:
            Router(proxy.routes, keys=keys)
        except ValueError as error:
            problems.append(Problem(str(path), 0, 0, f"proxies.{proxy.name}.routes", str(error)))
        for listener in proxy.listeners:
            try:
                _ = ServerTls(listener.certificates) if listener.certificates else None
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)


def _pick(path: Path, known: Mapping[str, Proxy], names: Sequence[str]) -> Mapping[str, Proxy]:
    if not known:
        raise ConfigError([Problem(str(path), 0, 0, "proxies", "the file names no proxy to run")])
    problems = [_complain(path, name, known) for name in names if name not in known]
    if problems:
        raise ConfigError(problems)
    return {name: proxy for name, proxy in known.items() if not names or name in names}


def _complain(path: Path, name: str, known: Mapping[str, Proxy]) -> Problem:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"allowed: {', '.join(known)}"
    return Problem(str(path), 0, 0, "proxies", f"there is no proxy {name!r:.80}; {hint:.400}")


def key_paths(proxies: Iterable[Proxy]) -> Iterator[str]:
    """Every key file that the proxies name, each once."""
    proxies = list(proxies)
    tokens = (route.match.jwt for proxy in proxies for route in proxy.routes)
    yield from dict.fromkeys(
        [
            *(one.key_file for one in tokens if one is not None),
            *(
                pool.affinity.secret_file
                for proxy in proxies
                for pool in proxy.pools.values()
                if pool.affinity is not None and pool.affinity.secret_file is not None
            ),
        ]
    )


def _read_keys(path: Path, proxies: Iterable[Proxy]) -> tuple[dict[str, bytes], Stamp]:
    """The octets of all key files, and what these looked like before. Raises ConfigError."""
    keys: dict[str, bytes] = {}
    problems: list[Problem] = []
    paths = list(key_paths(proxies))
    seen = stamp(map(Path, paths))
    for name in paths:
        try:
            keys[name] = _read_key(Path(name))
        except (OSError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            problems.append(Problem(str(path), 0, 0, "proxies", f"{name}: {words}"))
    if problems:
        raise ConfigError(problems)
    return keys, seen


def _read_key(path: Path) -> bytes:
    with path.open("rb") as file:
        octets = file.read(MAX_KEY_OCTETS + 1)
    if not octets or len(octets) > MAX_KEY_OCTETS:
        raise ValueError(f"a key has 1 to {MAX_KEY_OCTETS} octets")
    return octets
