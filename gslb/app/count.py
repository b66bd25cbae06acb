"""The counters of one process that answers."""

from __future__ import annotations

from collections import Counter

from gslb.app.node import Node


def count_node(node: Node) -> Counter[str]:
    """The counters of one process, by name."""
    counts: Counter[str] = Counter(
        udp_general=node.fast.counts.general,
        udp_trailing=node.fast.counts.trailing,
        tcp_connections=len(node.tcp.roster),
    )
    for server in node.udp:
        counts["udp_queries"] += server.counters.queries
        counts["udp_silent"] += server.counters.silent
        counts["udp_unsent"] += server.counters.unsent
        counts["failed"] += server.counters.failed
    tcp = node.tcp.counters
    counts["tcp_queries"] += tcp.queries
    counts["tcp_accepted"] += tcp.accepted
    counts["tcp_refused"] += tcp.refused
    counts["tcp_evicted"] += tcp.evicted
    counts["tcp_timed_out"] += tcp.timed_out
    counts["tcp_malformed"] += tcp.malformed
    counts["tcp_aborted"] += tcp.aborted
    counts["failed"] += tcp.failed
    if node.decisions is not None:
        counts["decisions_written"] += node.decisions.counts.written
        counts["decisions_lost"] += node.decisions.counts.dropped + node.decisions.counts.failed
    return counts
