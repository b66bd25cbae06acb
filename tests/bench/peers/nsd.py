"""NSD with static records: what an answer without geography costs at the least."""

from __future__ import annotations

from tests.bench.content import ZONE, static_zone
from tests.bench.peers.base import Peer, Setup

_CONFIG = """
server:
  server-count: 1
  ip-address: 127.0.0.1@{port}
  username: ""
  database: ""
  zonesdir: "{directory}"
  zonelistfile: "{directory}/zone.list"
  xfrdfile: "{directory}/xfrd.state"
  xfrdir: "{directory}"
  pidfile: ""
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: {zone}
  zonefile: zone
"""


def prepare(setup: Setup) -> tuple[str, ...]:
    """Write the configuration and the static zone."""
    (setup.directory / "zone").write_text(static_zone())
    config = setup.directory / "nsd.conf"
    config.write_text(_CONFIG.format(directory=setup.directory, port=setup.port, zone=ZONE))
    return ("nsd", "-d", "-c", str(config))


NSD = Peer(
    name="nsd static",
    program="nsd",
    version_argv=("nsd", "-v"),
    packages=("nsd",),
    settings="server-count 1; rrl-ratelimit 0 (default 200 a second, which would drop the load); "
    "cookies off (default)",
    prepare=prepare,
    is_geographic=False,
)
