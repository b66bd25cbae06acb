"""Copies of the project's example that tests can run: on free ports, with quick checks."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from tests.geo.samples import write
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
INTERVAL_S = 0.4
NETWORKS = {
    "8.8.8.0/24": {"continent": {"code": "NA"}, "country": {"iso_code": "US"}},
    "133.11.0.0/24": {"continent": {"code": "AS"}, "country": {"iso_code": "JP"}},
    "193.0.6.0/24": {"continent": {"code": "EU"}, "country": {"iso_code": "NL"}},
    "200.160.2.0/24": {"continent": {"code": "SA"}, "country": {"iso_code": "BR"}},
}


class Ports(NamedTuple):
    dns: int
    admin: int
    web: int


def write_example(folder: Path, *, is_bundled: bool = False) -> tuple[Path, Ports]:
    """The main file of a copy in a folder, and its ports. It listens on IPv4 only.

    is_bundled: with the bundled database, which takes a second to load, not with a few networks.
    """
    ports = Ports(
        free_port("127.0.0.1"),
        free_port("127.0.0.1"),
        free_port("127.0.1.1", "127.0.2.1", "127.0.3.1"),
    )
    shutil.copytree(ROOT / "zones", folder / "zones")
    path = folder / "zones" / "gslb.yaml"
    text = path.read_text()
    changes = {
        '["127.0.0.1:5300", "[::1]:5300"]': f'["127.0.0.1:{ports.dns}"]',
        "127.0.0.1:8053": f"127.0.0.1:{ports.admin}",
        "port: 8080": f"port: {ports.web}",
        "interval_s: 2": f"interval_s: {INTERVAL_S}",
        "timeout_s: 1": f"timeout_s: {INTERVAL_S}",
    }
    if not is_bundled:
        changes["database: bundled"] = f"database: {write(folder / 'geo.mmdb', NETWORKS)}"
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    return path, ports
