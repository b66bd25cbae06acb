"""The servers that are measured, in the order of the table."""

from tests.bench.peers import bind, gdnsd, knot, nsd, ours, powerdns
from tests.bench.peers.base import Peer

PEERS: tuple[Peer, ...] = (
    ours.GSLB,
    ours.INTERPRETED,
    gdnsd.GDNSD,
    knot.KNOT,
    powerdns.GEOIP,
    powerdns.LUA,
    powerdns.LUA_SHARED,
    bind.BIND,
    nsd.NSD,
)
