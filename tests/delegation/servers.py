"""The other people's servers: NSD and Knot for the parent zone, Unbound and BIND as resolvers.

Each runs in the foreground, in a folder of its own, as a process of the test, and is ended by its
id. What docs/delegation.md tells to set is read from there, with our addresses in place of those
of the page; what is added is where to listen and where to begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.message
import dns.query

from tests.bench.process import running
from tests.docs.pages import fences

PAGE = "docs/delegation.md"

_NSD = """
server:
  server-count: 1
  ip-address: {host}@53
  username: ""
  database: ""
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: ""
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""

_KNOT = """
server:
  rundir: "{folder}/run"
  listen: {host}@53
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: "{folder}/run"
log:
  - target: stderr
    any: warning
zone:
"""

_UNBOUND = """
{page}
server:
  interface: {host}
  port: {port}
  outgoing-interface: {source}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-not-query-localhost: no
  root-hints: "{folder}/hints"
  num-threads: 1
  do-daemonize: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
remote-control:
  control-enable: no
"""

_BIND = """
{page}
controls {{ }};
zone "." {{ type hint; file "hints"; }};
"""
_BIND_MORE = """
  directory "{folder}";
  pid-file none;
  session-keyfile "{folder}/session.key";
  listen-on port {port} {{ {host}; }};
  listen-on-v6 {{ none; }};
  dnssec-validation no;
"""


class Place(NamedTuple):
    """Where a server lives. source: from which address it asks others."""

    folder: Path
    host: str
    port: int = 53
    source: str = ""


def page_settings(file: str, addresses: Mapping[str, str]) -> str:
    """The settings that the page shows for a file, with other addresses."""
    (found,) = (one.text for one in fences("conf") if one.page == PAGE and one.file == file)
    for theirs, ours in addresses.items():
        assert theirs in found, f"{PAGE}: {file} has no {theirs}"
        found = found.replace(theirs, ours)
    return found


@contextmanager
def nsd(place: Place, zones: Mapping[str, str]) -> Iterator[None]:
    """NSD with zones: master files by origin."""
    config = _NSD.format(folder=place.folder, host=place.host)
    for origin, file in _write_zones(place.folder, zones).items():
        config += f"zone:\n  name: {origin}\n  zonefile: {file}\n"
    with _started(place, ("nsd", "-d", "-c"), config):
        yield


@contextmanager
def knot(place: Place, zones: Mapping[str, str]) -> Iterator[None]:
    """Knot with the same."""
    config = _KNOT.format(folder=place.folder, host=place.host)
    for origin, file in _write_zones(place.folder, zones).items():
        config += f'  - domain: {origin}\n    file: "{place.folder}/{file}"\n'
    (place.folder / "run").mkdir()
    with _started(place, ("knotd", "-c"), config):
        yield


@contextmanager
def unbound(place: Place, root: str, name_servers: Mapping[str, str]) -> Iterator[None]:
    """Unbound with the page's settings. root: the address of a root server. name_servers: by the
    addresses that the page has for them.
    """
    _write_hints(place.folder, root)
    page = page_settings("unbound.conf", name_servers)
    config = _UNBOUND.format(page=page, **place._asdict())
    with _started(place, ("unbound", "-d", "-c"), config):
        yield


@contextmanager
def bind(place: Place, root: str, source: str) -> Iterator[None]:
    """BIND's resolver with the page's settings. source: the address of the page's resolver."""
    _write_hints(place.folder, root)
    page = page_settings("named.conf", {source: place.source})
    more = _BIND_MORE.format(**place._asdict())
    config = _BIND.format(page=page.replace("options {", "options {" + more, 1))
    with _started(place, ("named", "-g", "-n", "1", "-c"), config):
        yield


@contextmanager
def _started(place: Place, command: Sequence[str], config: str) -> Iterator[None]:
    file = place.folder / "server.conf"
    file.write_text(config)
    argv = (*command, str(file))
    with running(argv, directory=place.folder, port=place.port, answers=lambda _: _answers(place)):
        yield


def _answers(place: Place) -> bool:
    """Whether there is a reply to a query that needs nobody else."""
    query = dns.message.make_query(".", "NS")
    with suppress(dns.exception.DNSException, OSError):
        dns.query.udp(query, place.host, port=place.port, timeout=0.5)
        return True
    return False


def _write_zones(folder: Path, zones: Mapping[str, str]) -> dict[str, str]:
    """The name of the file of each zone, by origin."""
    files = {}
    for number, (origin, text) in enumerate(zones.items()):
        files[origin] = f"zone{number}"
        (folder / files[origin]).write_text(text)
    return files


def _write_hints(folder: Path, root: str) -> None:
    (folder / "hints").write_text(f". 3600 NS a.root.\na.root. 3600 A {root}\n")
