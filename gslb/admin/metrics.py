"""The status of a node as metrics for Prometheus.

Laws:
1. A page is made of one status; nothing is kept between two scrapes.
2. Labels hold only names that the operator has configured, and words of ours: never what a client,
   a resolver or an undeclared agent sent. So the number of series is bounded by the configuration.
3. Base units (seconds, Unix seconds), 0 or 1 for what is not or is; what is not known has no
   sample, because 0 would say that it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST

Status = Mapping[str, Any]
Rows = Iterable[tuple[tuple[str, ...], float | None]]
Describe = Callable[[Status], Iterator[Metric]]

STRANGERS = "undeclared"
"""The label of all agents that the configuration does not name (law 2)."""


def compose_page(status: Status, refused: Counter[str], describe: Describe) -> bytes:
    """The text that Prometheus reads. refused: requests to the admin port, by reason. describe:
    what the status becomes, describe_name_server or gslb.admin.proxy_metrics.describe_proxy.

    1,000 sites and 3 agents take 70 ms: call it in a thread, and give it what nobody changes.
    """
    registry = CollectorRegistry()
    registry.register(_StatusCollector(status, refused, describe))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _StatusCollector(Collector):
    """A status as metrics (law 1)."""

    def __init__(self, status: Status, refused: Counter[str], describe: Describe) -> None:
        self._status = status
        self._refused = refused
        self._describe = describe

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry would collect everything once more to know the names."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """All metrics of ours."""
        yield from self._describe(self._status)
        yield counter(
            "gslb_admin_refused_total",
            "Requests to the admin port that were not done, by reason.",
            ("reason",),
            [((reason,), count) for reason, count in sorted(self._refused.items())],
        )


def describe_name_server(status: Status) -> Iterator[Metric]:
    """The metrics of a name server."""
    yield from _describe_node(status)
    yield from _describe_traffic(status)
    yield from _describe_sites(status["sites"])
    yield from _describe_agents(status)
    yield from _describe_store(status)


# ---------------------------------------------------------------- what a row of the tables becomes


def gauge(name: str, text: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    """A gauge with a sample for each row whose value is known (law 3)."""
    return _fill(GaugeMetricFamily(name, text, labels=labels), rows)


def counter(name: str, text: str, labels: tuple[str, ...], rows: Rows) -> Metric:
    """A counter, likewise."""
    return _fill(CounterMetricFamily(name, text, labels=labels), rows)


def _fill(family: GaugeMetricFamily | CounterMetricFamily, rows: Rows) -> Metric:
    for values, number in rows:
        if number is not None:
            family.add_metric(values, number)
    return family


def _one(number: float | None) -> Rows:
    """The rows of a metric without labels."""
    return [((), number)]


# ---------------------------------------------------------------- the node


def _describe_node(status: Status) -> Iterator[Metric]:
    version = (status["version"], status["node"])
    yield gauge(
        "gslb_build_info",
        "Always 1; the labels say which version runs, and the node's name.",
        ("version", "node"),
        [(version, 1)],
    )
    yield gauge(
        "gslb_start_time_seconds", "When this node started.", (), _one(status["started_at"])
    )
    yield gauge(
        "gslb_reload_failed",
        "Whether the files were last found unusable, so that older ones hold.",
        (),
        _one(status["reload_error"] is not None),
    )
    yield gauge(
        "gslb_reload_timestamp_seconds",
        "When the configuration in force was taken up.",
        (),
        _one(status["applied_at"]),
    )
    yield gauge(
        "gslb_health_generation",
        "The number of the health snapshot in force; it grows with each change.",
        (),
        _one(status["health_generation"]),
    )
    yield gauge(
        "gslb_health_restored",
        "Whether health still comes from the disk, as the last run saved it.",
        (),
        _one(status["restored_at"] is not None),
    )
    yield gauge(
        "gslb_alerts", "How many alerts the status shows now.", (), _one(len(status["alerts"]))
    )


class _Count(NamedTuple):
    """A metric made of counters of the status. rows: label value to counter; none for no label."""

    name: str
    text: str
    label: str
    rows: Mapping[str, str]


_COUNTS = (
    _Count(
        "gslb_queries_total",
        "DNS messages that came, by transport.",
        "transport",
        {"udp": "udp_queries", "tcp": "tcp_queries"},
    ),
    _Count(
        "gslb_queries_slow_path_total",
        "Queries over UDP that the general path answered: the fast path did not know them.",
        "",
        {"": "udp_general"},
    ),
    _Count(
        "gslb_queries_with_trailing_data_total",
        "Queries over UDP with data behind the message.",
        "",
        {"": "udp_trailing"},
    ),
    _Count(
        "gslb_queries_lost_total",
        "Datagrams without a reply: met with silence because they are no query, or not sent.",
        "reason",
        {"silent": "udp_silent", "unsent": "udp_unsent"},
    ),
    _Count(
        "gslb_answer_failures_total",
        "Answers that raised, which no octets may bring about: a fault of ours.",
        "",
        {"": "failed"},
    ),
    _Count(
        "gslb_tcp_connections_accepted_total",
        "TCP connections that were accepted.",
        "",
        {"": "tcp_accepted"},
    ),
    _Count(
        "gslb_tcp_connections_ended_total",
        "TCP connections that this side ended or refused, by reason.",
        "reason",
        {
            "refused": "tcp_refused",
            "evicted": "tcp_evicted",
            "timed_out": "tcp_timed_out",
            "malformed": "tcp_malformed",
            "aborted": "tcp_aborted",
        },
    ),
    _Count(
        "gslb_decisions_logged_total",
        "Sampled decisions, by what became of their line.",
        "result",
        {"written": "decisions_written", "lost": "decisions_lost"},
    ),
    _Count(
        "gslb_events_total",
        "Events of this node, by whether the store has them or never will.",
        "result",
        {"stored": "events_written", "dropped": "events_dropped"},
    ),
    _Count(
        "gslb_webhook_failures_total",
        "Events that the webhook never took.",
        "",
        {"": "webhook_failed"},
    ),
)


def _describe_traffic(status: Status) -> Iterator[Metric]:
    counters: Mapping[str, int] = status["counters"]
    for name, text, label, rows in _COUNTS:
        labels = (label,) if label else ()
        numbers = [((value,) if label else (), counters.get(key)) for value, key in rows.items()]
        yield counter(name, text, labels, numbers)
    yield gauge(
        "gslb_tcp_connections",
        "TCP connections that are open.",
        (),
        _one(counters.get("tcp_connections")),
    )
    yield counter(
        "gslb_answers_total",
        "Answers of a service, by the candidate that came first.",
        ("service", "site"),
        [((one["service"], one["site"]), one["count"]) for one in status["answers"]],
    )


# ---------------------------------------------------------------- sites


def _describe_sites(sites: Mapping[str, Status]) -> Iterator[Metric]:
    def site_gauge(name: str, text: str, value: Callable[[Status], float | None]) -> Metric:
        rows = [((site,), value(told)) for site, told in sites.items()]
        return gauge(f"gslb_site_{name}", text, ("site",), rows)

    yield site_gauge(
        "up",
        "Whether a site is up as observed, whatever is ordered; no sample while that is unknown.",
        lambda told: {"up": 1, "down": 0}.get(told["state"]),
    )
    yield site_gauge("serving", "Whether a site may be answered.", lambda told: told["is_serving"])
    yield site_gauge(
        "drained", "Whether only a drain keeps it back.", lambda told: told["is_drained"]
    )
    yield site_gauge(
        "held", "Whether it is down but a withdrawal limit keeps it.", lambda t: t["held"]
    )
    yield site_gauge(
        "since_timestamp_seconds",
        "When a site's state last changed.",
        lambda told: told["since_at"] or None,
    )
    yield site_gauge("capacity", "The capacity that is configured.", lambda told: told["capacity"])
    yield site_gauge(
        "flaps", "How often it went down shortly after coming back.", lambda told: told["flaps"]
    )
    yield gauge(
        "gslb_site_order",
        "1 for the order that is in force for a site; no sample without one.",
        ("site", "kind"),
        [
            ((site, told["order"]["kind"]), 1)
            for site, told in sites.items()
            if told["order"] is not None
        ],
    )
    yield gauge(
        "gslb_certificate_expiry_timestamp_seconds",
        "When the certificate that a site shows expires, the earliest that an agent was shown.",
        ("site",),
        [((site,), _first_expiry(told["agents"])) for site, told in sites.items()],
    )


def _first_expiry(agents: Mapping[str, Status]) -> float | None:
    moments = (told["certificate_until_at"] for told in agents.values())
    return min((moment for moment in moments if moment is not None), default=None)


# ---------------------------------------------------------------- agents, store


def _describe_agents(status: Status) -> Iterator[Metric]:
    agents: Mapping[str, Status] = status["agents"]
    yield gauge(
        "gslb_agent_vote",
        "Whether an agent's word counts.",
        ("agent",),
        [((name,), told["has_vote"]) for name, told in agents.items()],
    )
    yield gauge(
        "gslb_agent_age_seconds",
        "The age of an agent's last report; no sample before the first.",
        ("agent",),
        [((name,), told["age_s"]) for name, told in agents.items()],
    )
    yield _describe_times(status, "rtt", "rtt_ms", "to connect to a site")
    yield _describe_times(status, "first_byte", "first_byte_ms", "to the first octet of its answer")
    drops: Counter[tuple[str, ...]] = Counter()
    for drop in status["drops"]:
        name = drop["agent"] if drop["agent"] in agents else STRANGERS
        drops[name, drop["reason"]] += drop["count"]
    yield counter(
        "gslb_reports_dropped_total",
        "Reports that were not believed, by reason.",
        ("agent", "reason"),
        sorted(drops.items()),
    )


def _describe_times(status: Status, name: str, key: str, text: str) -> Metric:
    """What the agents measured, in seconds."""
    return gauge(
        f"gslb_agent_{name}_seconds",
        f"The smoothed time that an agent needs {text}.",
        ("agent", "site"),
        [
            ((agent, site), None if told[key] is None else told[key] / 1000)
            for site, site_told in status["sites"].items()
            for agent, told in site_told["agents"].items()
        ],
    )


def _describe_store(status: Status) -> Iterator[Metric]:
    store: Status = status["store"]
    yield gauge(
        "gslb_store_connected",
        "Whether the store answers; answers to clients do not depend on it.",
        ("kind",),
        [((store["kind"],), store["is_connected"])],
    )
    yield gauge(
        "gslb_store_since_timestamp_seconds",
        "Since when the store answers or does not.",
        (),
        _one(store["since_at"]),
    )
    yield gauge(
        "gslb_own_probes_active",
        "Whether this node probes by itself because no agent is heard.",
        (),
        _one(status["own_probes"] == "active"),
    )
    yield gauge(
        "gslb_nodes",
        "How many name servers say of themselves that they are there, this one included.",
        (),
        _one(len(status["nodes"])),
    )
