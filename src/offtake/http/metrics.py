"""Prometheus metrics.

Workers keep their counters in the store (``store/counters.py``). Every server of an installation reads them at each
scrape, so all servers export the same job metrics. HTTP metrics count this server process only.
The tenant is not a label: its cardinality is unbounded, and monitoring need not see tenant names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from offtake.core import counters as names
from offtake.core.admin import worker_registry
from offtake.core.services import Services
from offtake.core.sources import records
from offtake.errors import Unavailable
from offtake.http.access_log import CompletedRequest
from offtake.http.traffic import Traffic
from offtake.model.job import OPEN, Status
from offtake.model.source import FileState, SourceSummary
from offtake.store import counters, leaders
from offtake.store.counters import CounterValue, OpenJobs

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ROUTE = "(none)"  # one label for all unknown paths, because callers could invent any number of them
_WORKER_TIMEOUT = timedelta(seconds=30)

# metric, counter in the store, labels, help
_COUNTERS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("offtake_attempts", names.ATTEMPTS, ("dialect", "outcome"), "Attempts at jobs that reported an outcome."),
    ("offtake_jobs_ended", names.JOBS_ENDED, ("dialect", "status"), "Jobs that reached a final status."),
    ("offtake_exported_rows", names.ROWS, ("dialect",), "Rows of published files."),
    ("offtake_exported_bytes", names.BYTES, ("dialect",), "Bytes of published files."),
    ("offtake_leases_lost", names.LEASES_LOST, ("dialect",), "Expired leases of workers that died or hung."),
    (
        "offtake_sweeps",
        names.SWEEPS,
        ("task",),
        "Runs of the tasks that remove files: expire, sweep, and local_sweep if it found files to remove.",
    ),
    ("offtake_swept_files", names.SWEPT, ("task",), "Files that a maintenance task removed."),
    ("offtake_unswept_files", names.UNSWEPT, ("task",), "Files that a maintenance task could not remove."),
    ("offtake_source_files", names.SOURCE_FILES, ("source",), "Files of unattended sources that were loaded."),
    ("offtake_source_rows", names.SOURCE_ROWS, ("source",), "Rows of these files."),
)


class Metrics:
    """Counts this server's responses and exports them together with the store's counters."""

    def __init__(self, on: Services, dialects: Sequence[str], traffic: Traffic) -> None:
        self._registry = CollectorRegistry()
        self._children = lru_cache(maxsize=None)(self._labelled)  # as many as the registry holds
        self._traffic = traffic
        self._requests = Counter(
            "offtake_http_requests", "HTTP requests completed.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "offtake_http_request_duration_seconds",
            "Time until the last byte was handed to the connection.",
            ["route"],
            buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600),
            registry=self._registry,
        )
        self._bytes = Counter(
            "offtake_http_response_bytes", "Bytes of response bodies sent.", ["route"], registry=self._registry
        )
        self._cut = Counter(
            "offtake_http_responses_cut",
            "Responses cut short because the client disconnected.",
            ["route"],
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_TrafficCollector(traffic))
        self._registry.register(_StoreCollector(on, dialects))

    def record_request(self, request: CompletedRequest) -> None:
        """Count a completed request."""
        method = request.method if request.method in _METHODS else "other"
        route = request.route or _NO_ROUTE
        requests, seconds, sent_bytes = self._children(method, route, request.status)
        requests.inc()
        seconds.observe(request.seconds)
        sent_bytes.inc(request.bytes)
        if request.cut:
            self._cut.labels(route).inc()
        if request.refusal is not None:
            self._traffic.refusals[request.refusal] += 1

    def _labelled(self, method: str, route: str, status: int) -> tuple[Counter, Histogram, Counter]:
        """Return the metrics of a response with their labels, which take longer to find than to count."""
        return (
            self._requests.labels(method, route, str(status)),
            self._seconds.labels(route),
            self._bytes.labels(route),
        )

    def exposition(self) -> Response:
        """Return all metrics in Prometheus text format."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _TrafficCollector(Collector):
    """Reads the present load of this server and its refusals at every scrape."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def describe(self) -> list[Metric]:
        """Return nothing; the names do not collide."""
        return []

    def collect(self) -> Iterator[Metric]:
        traffic = self._traffic
        for name, value, help_ in (
            ("offtake_http_connections", len(traffic.connections), "Open connections."),
            ("offtake_http_requests_running", traffic.running, "Requests that have no complete response yet."),
            ("offtake_http_downloads_running", traffic.downloads, "Files that are being sent."),
        ):
            yield GaugeMetricFamily(name, help_, value=value)
        help_ = "Requests and connections that a limit refused or ended, by limit."
        refusals = CounterMetricFamily("offtake_http_refusals", help_, labels=["reason"])
        for reason, number in list(traffic.refusals.items()):
            refusals.add_metric([reason], number)
        yield refusals


class _StoreCollector(Collector):
    """Reads the counters of the store at every scrape; yields only ``offtake_store_up`` 0 while it is unreachable."""

    def __init__(self, on: Services, dialects: Sequence[str]) -> None:
        self._on = on
        self._dialects = dialects

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("offtake_store_up", "Whether the state database could be read at this scrape.")
        try:
            with self._on.database.read() as connection:
                stored = counters.read(connection)
            with self._on.database.read() as connection:
                open_jobs, now = counters.open_jobs(connection), self._on.now(connection)
                is_led = leaders.is_held(connection, leaders.MAINTENANCE, now=now)
            sources = records.list_sources(self._on)
            alive = worker_registry.count_alive(self._on, within=_WORKER_TIMEOUT)
        except (Unavailable, SQLAlchemyError):
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        workers = GaugeMetricFamily(
            "offtake_workers", f"Workers alive in the last {_WORKER_TIMEOUT.total_seconds():g} seconds."
        )
        workers.add_metric([], alive)
        yield workers
        leader = GaugeMetricFamily("offtake_maintenance_leader", "1 if a process runs the maintenance tasks.")
        leader.add_metric([], is_led)
        yield leader
        yield from _queue(open_jobs, self._dialects, now=now)
        yield from _sums(stored)
        yield from _sources(sources, now=now)
        yield _durations(stored, self._dialects)


def _sources(found: Sequence[SourceSummary], *, now: datetime) -> Iterator[Metric]:
    """Yield what sources keep waiting; sources of several tenants with one name are one."""
    waiting, quarantined, last = defaultdict[str, int](int), defaultdict[str, int](int), dict[str, datetime]()
    for each in found:
        name = each.source.name
        waiting[name] += each.files.get(FileState.WAITING, 0) + each.files.get(FileState.LOADING, 0)
        quarantined[name] += each.files.get(FileState.QUARANTINED, 0)
        if each.last_success is not None:
            last[name] = max(each.last_success, last.get(name, each.last_success))
    ages = {name: max(0.0, (now - at).total_seconds()) for name, at in last.items()}
    for name, values, help_ in (
        ("offtake_source_waiting_files", waiting, "Files of sources that are not loaded yet."),
        ("offtake_source_quarantined_files", quarantined, "Files of sources that are in quarantine."),
        ("offtake_source_seconds_since_success", ages, "Time since a file of the source was loaded last."),
    ):
        family = GaugeMetricFamily(name, help_, labels=["source"])
        for source, value in values.items():
            family.add_metric([source], value)
        yield family


def _queue(open_jobs: Sequence[OpenJobs], dialects: Sequence[str], *, now: datetime) -> Iterator[Metric]:
    """Yield queue metrics, zeros included: an alert cannot watch a series that is sometimes absent."""
    by_status = {(each.dialect, each.status): each for each in open_jobs}
    jobs = GaugeMetricFamily("offtake_open_jobs", "Jobs that are not in a final status.", labels=["dialect", "status"])
    help_ = "How long the oldest runnable job has been waiting for a worker, in seconds."
    age = GaugeMetricFamily("offtake_queue_age_seconds", help_, labels=["dialect"])
    for dialect in dialects:
        for status in sorted(OPEN):
            each = by_status.get((dialect, status))
            jobs.add_metric([dialect, status], each.number if each else 0)
        queued = by_status.get((dialect, Status.QUEUED))
        age.add_metric([dialect], max(0.0, (now - queued.due_at).total_seconds()) if queued else 0)
    yield jobs
    yield age


def _sums(stored: Sequence[CounterValue]) -> Iterator[Metric]:
    for name, counter, labels, help_ in _COUNTERS:
        family = CounterMetricFamily(name, help_, labels=labels)
        for one in stored:
            if one.name == counter:
                values = {"dialect": one.dialect, "outcome": one.label, "status": one.label, "task": one.label}
                values["source"] = one.label
                family.add_metric([values[label] for label in labels], one.value)
        yield family


def _durations(stored: Sequence[CounterValue], dialects: Sequence[str]) -> Metric:
    """Return the histogram of attempt durations, with cumulative buckets."""
    family = HistogramMetricFamily(
        "offtake_attempt_duration_seconds", "Duration of attempts, in seconds.", labels=["dialect"]
    )
    values: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    values.update({(one.name, one.dialect, one.label): one.value for one in stored})
    for dialect in dialects:
        cumulative, buckets = 0, []
        for bound in (*map(str, names.SECONDS), names.LONGER):
            cumulative += values[names.ATTEMPTS_WITHIN, dialect, bound]
            buckets.append((bound, float(cumulative)))
        family.add_metric([dialect], buckets, values[names.ATTEMPT_MILLISECONDS, dialect, ""] / 1000)
    return family
