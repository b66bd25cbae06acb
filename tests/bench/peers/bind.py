"""BIND with static records: it has no client subnet, so it measures what an answer without
geography costs.
"""

from __future__ import annotations

from tests.bench.content import ZONE, static_zone
from tests.bench.peers.base import Peer, Setup

_CONFIG = """
options {{
  directory "{directory}";
  pid-file none;
  session-keyfile "{directory}/session.key";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion no;
  dnssec-validation no;
  notify no;
  minimal-responses yes;
}};
controls {{ }};
zone "{zone}" {{ type primary; file "zone"; }};
"""


def prepare(setup: Setup) -> tuple[str, ...]:
    """Write the configuration and the static zone."""
    (setup.directory / "zone").write_text(static_zone())
    config = setup.directory / "named.conf"
    config.write_text(_CONFIG.format(directory=setup.directory, port=setup.port, zone=ZONE))
    return ("named", "-g", "-c", str(config), "-n", "1", "-p", str(setup.port))


BIND = Peer(
    name="bind static",
    program="named",
    version_argv=("named", "-v"),
    packages=("bind9",),
    settings="-n 1 (default: by cores); recursion no; minimal-responses yes, as the others do; "
    "cookies on (default)",
    prepare=prepare,
    is_geographic=False,
)
