"""What a main file says is listening: addresses, zones, proxies; nothing else is read or judged.

`gslb healthcheck` asks by this. Loading the whole configuration takes a second, and a fault in a
part that has nothing to do with listening must not make a server that works look ill.

Laws:
1. For every file that loads, the outline says what the configuration says.
2. What cannot be understood is a ConfigError, never a guess: who wants to know more asks `gslb
   check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from gslb.config.endpoints import DEFAULT_DNS, parse_endpoint
from gslb.config.files import MAX_YAML_OCTETS, match_files, read_file, tell
from gslb.config.finding import Key, dotted
from gslb.config.finding import Path as At
from gslb.config.yaml_tree import read_tree
from gslb.errors import ConfigError, Problem
from gslb.model.endpoint import Endpoint
from gslb.model.place import Network


@dataclass(frozen=True, slots=True)
class ListenerOutline:
    """Where a proxy takes clients. is_tcp: whole connections are handed on, so nobody there speaks
    HTTP.
    """

    endpoint: Endpoint
    is_tls: bool = False
    is_tcp: bool = False
    proxy_protocol: bool = False


@dataclass(frozen=True, slots=True)
class ProxyOutline:
    """trusted: who must begin with a PROXY header where the listener wants one."""

    listeners: tuple[ListenerOutline, ...]
    health_path: str | None = None
    trusted: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """dns: of the name server. zones: their names, lower case, without a final dot. files: all that
    were read.
    """

    dns: tuple[Endpoint, ...]
    zones: tuple[str, ...]
    proxies: Mapping[str, ProxyOutline] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def read_outline(path: Path) -> Outline:
    """The outline of a main file and its zone files. Raises ConfigError."""
    main = _Reader(path)
    patterns = [main.text(*at) for at in main.places("zones")]
    zone_files = dict.fromkeys(
        found for pattern in patterns for found in match_files(path.parent, pattern)
    )
    return Outline(
        dns=tuple(main.endpoint(*at) for at in main.places("listen", "dns")) or DEFAULT_DNS,
        zones=tuple(map(_read_zone, zone_files)),
        proxies={name: _read_proxy(main, ("proxies", name)) for name in main.mapping("proxies")},
        files=(path, *zone_files),
    )


def _read_zone(path: Path) -> str:
    return _Reader(path).text("zone").lower().removesuffix(".")


def _read_proxy(main: _Reader, at: At) -> ProxyOutline:
    has_path = main.at(*at, "health_path") is not None
    return ProxyOutline(
        listeners=tuple(_read_listener(main, one) for one in main.places(*at, "listen")),
        health_path=main.text(*at, "health_path") if has_path else None,
        trusted=tuple(main.network(*one) for one in main.places(*at, "trusted_proxies")),
    )


def _read_listener(main: _Reader, at: At) -> ListenerOutline:
    return ListenerOutline(
        endpoint=main.endpoint(*at, "address"),
        is_tls=main.at(*at, "tls") is not None,
        is_tcp=main.at(*at, "mode") == "tcp",
        proxy_protocol=main.at(*at, "proxy_protocol") is True,
    )


class _Reader:
    """One YAML file, and what stands at a path of it. Raises ConfigError."""

    def __init__(self, path: Path) -> None:
        try:
            self._tree = read_tree(read_file(path, MAX_YAML_OCTETS).octets, str(path))
        except OSError as error:
            raise ConfigError([Problem(str(path), 0, 0, "", tell(error))]) from error
        if self._tree.problems:
            raise ConfigError(self._tree.problems)

    def at(self, *path: Key) -> Any:
        """The value there, or None."""
        found = self._tree.data
        for key in path:
            if isinstance(key, int):
                found = found[key]
            else:
                found = found.get(key) if isinstance(found, dict) else None
        return found

    def places(self, *path: Key) -> list[At]:
        """The paths of all entries of the list there; none where there is nothing."""
        found = self.at(*path)
        if found is not None and not isinstance(found, list):
            raise self._complain(path, "must be a list")
        return [(*path, index) for index in range(len(found or ()))]

    def mapping(self, *path: Key) -> dict[str, Any]:
        """The mapping there; empty where there is nothing."""
        found = self.at(*path)
        if found is not None and not isinstance(found, dict):
            raise self._complain(path, "must hold keys and values")
        return found or {}

    def text(self, *path: Key) -> str:
        """What must be text there."""
        found = self.at(*path)
        if not isinstance(found, str):
            raise self._complain(path, "must be text")
        return found

    def endpoint(self, *path: Key) -> Endpoint:
        """What must be an address and port there."""
        try:
            return parse_endpoint(self.at(*path))
        except ValueError as error:
            raise self._complain(path, str(error)) from error

    def network(self, *path: Key) -> Network:
        """What must be a network there."""
        try:
            return ip_network(self.text(*path), strict=False)
        except ValueError as error:
            raise self._complain(path, str(error)) from error

    def _complain(self, path: At, message: str) -> ConfigError:
        line, column = self._tree.values.get(self._tree.known(path), (0, 0))
        return ConfigError([Problem(self._tree.file, line, column, dotted(path), message)])
