"""The status of a proxy as metrics for Prometheus; the laws are those of gslb.admin.metrics.

Labels are names of the configuration and words of ours: what clients send has no part in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import HistogramMetricFamily, Metric

from gslb.admin.metrics import Rows, Status, counter, gauge

ORDERS = ("drain", "up", "down", "maint")
_PLAIN_COUNTS = {
    "accepted": "Connections of clients that were accepted.",
    "faults": "Faults of ours that ended a connection; each is in the log with its cause.",
    "log_written": "Lines of the access log that were written.",
    "log_dropped": "Lines of the access log that were dropped because the disk was too slow.",
    "log_failed": "Lines of the access log that could not be written.",
    "worker_restarts": "Workers that ended by themselves and were started again.",
}
STATES = ("up", "down", "unknown", "unchecked")


def describe_proxy(status: Status) -> Iterator[Metric]:
    """The metrics of a proxy."""
    yield from _describe_process(status)
    yield from _describe_load(status["load"])
    yield from _describe_backends(status["backends"])
    yield from _describe_counters(status["counters"])


def _describe_process(status: Status) -> Iterator[Metric]:
    info = (status["version"], status["node"], status["proxy"], status["site"])
    yield gauge(
        "gslb_proxy_info",
        "Always 1; the labels say which version runs, of which proxy.",
        ("version", "node", "proxy", "site"),
        [(info, 1)],
    )
    for name, text, number in (
        ("start_time_seconds", "When this process started.", status["started_at"]),
        ("workers", "Processes that serve.", status["workers"]),
        ("neighbours", "Proxies of the region that are known.", status["neighbours"]),
        ("draining", "Whether it is about to end.", status["is_draining"]),
        ("reload_failed", "Whether files were refused.", status["reload_error"] is not None),
        ("store_connected", "Whether the store is there.", status["store"]["connected"]),
    ):
        yield gauge(f"gslb_proxy_{name}", text, (), [((), number)])


def _describe_load(load: Status) -> Iterator[Metric]:
    for name, key, text, scale in (
        ("requests_in_flight", "in_flight", "Requests on their way.", 1.0),
        ("requests_per_second", "requests_per_s", "Of the last seconds.", 1.0),
        ("error_ratio", "error_share", "The share of failed attempts.", 1.0),
        ("response_p50_seconds", "p50_ms", "Half of the answers begin within this.", 1e-3),
        ("response_p95_seconds", "p95_ms", "95 % of the answers do.", 1e-3),
        ("response_p99_seconds", "p99_ms", "99 % of the answers do.", 1e-3),
    ):
        rows = [((), _scaled(load.get(key), scale))]
        yield gauge(f"gslb_proxy_{name}", text, (), rows)
        pools = [
            ((pool,), _scaled(one.get(key), scale)) for pool, one in load.get("pools", {}).items()
        ]
        yield gauge(f"gslb_proxy_pool_{name}", f"{text} By pool.", ("pool",), pools)
    yield gauge(
        "gslb_proxy_utilisation_ratio",
        "The share of its capacity that is on its way; no sample without a limit.",
        (),
        [((), load.get("utilisation"))],
    )


def _describe_backends(backends: Mapping[str, Status]) -> Iterator[Metric]:
    split = [((*name.split("/", 1),), one) for name, one in backends.items()]
    yield gauge(
        "gslb_proxy_backend_state",
        "1 for the state that checks give a backend, 0 for the others.",
        ("pool", "backend", "state"),
        [((*names, state), one["state"] == state) for names, one in split for state in STATES],
    )
    yield gauge(
        "gslb_proxy_backend_order",
        "1 for what is ordered for a backend, 0 for what is not.",
        ("pool", "backend", "order"),
        [
            ((*names, kind), one["order"] is not None and one["order"]["kind"] == kind)
            for names, one in split
            for kind in ORDERS
        ],
    )
    yield gauge(
        "gslb_proxy_backend_in_flight",
        "Requests on their way at a backend.",
        ("pool", "backend"),
        [(names, one["in_flight"]) for names, one in split],
    )


def _describe_counters(counters: Mapping[str, Any]) -> Iterator[Metric]:
    requests: Rows = [
        (tuple(key.split("/")), number) for key, number in counters.get("requests", {}).items()
    ]
    yield counter(
        "gslb_proxy_requests_total",
        "Requests, by route, pool, the backend that answered, and class of the status.",
        ("route", "pool", "backend", "status"),
        requests,
    )
    for name, text in (("refused", "as no request"), ("not_accepted", "before a request")):
        yield counter(
            f"gslb_proxy_{name}_total",
            f"What clients sent that was refused {text}, by reason.",
            ("reason",),
            [((str(reason),), count) for reason, count in counters.get(name, {}).items()],
        )
    for name, text in _PLAIN_COUNTS.items():
        yield counter(f"gslb_proxy_{name}_total", text, (), [((), counters.get(name))])
    yield from _describe_caches(counters.get("caches", {}))
    yield _describe_times(counters.get("answer_times", {}))


def _describe_caches(caches: Mapping[str, Status]) -> Iterator[Metric]:
    yield counter(
        "gslb_proxy_cache_total",
        "What became of requests to a cache, by route.",
        ("route", "result"),
        [
            ((route, result), count)
            for route, counted in caches.items()
            for result, count in counted.items()
            if result != "refused"
        ],
    )
    yield counter(
        "gslb_proxy_cache_refused_total",
        "Answers that a cache did not store, by reason.",
        ("route", "reason"),
        [
            ((route, str(reason)), count)
            for route, counted in caches.items()
            for reason, count in counted.get("refused", {}).items()
        ],
    )


def _describe_times(times: Mapping[str, Mapping[str, float]]) -> Metric:
    metric = HistogramMetricFamily(
        "gslb_proxy_answer_seconds", "How long answers of a pool took to begin.", labels=("pool",)
    )
    for pool, told in times.items():
        buckets = [(bound, number) for bound, number in told.items() if bound != "sum"]
        metric.add_metric((pool,), buckets, told["sum"])
    return metric


def _scaled(number: float | None, scale: float) -> float | None:
    return None if number is None else number * scale
