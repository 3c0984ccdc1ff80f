"""Figures for Prometheus.

What workers do is kept in the store (``store/counters.py``) and read from there, so every server of an installation
shows the same sums, whichever process did the work and however it ended. What this server answers is counted here.
Tenants are no labels: there may be any number of them, their names are nobody's business who only watches, and a series
each for a thousand tenants would cost more than it tells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from offtake.core import counters as names
from offtake.core.admin import worker_registry
from offtake.core.services import Services
from offtake.errors import Unavailable
from offtake.http.access_log import CompletedRequest
from offtake.model.job import OPEN, Status
from offtake.store import counters
from offtake.store.counters import CounterValue, OpenJobs

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOWHERE = "(none)"  # the route of a path that leads nowhere; such paths are as many as callers like
_ALIVE = timedelta(seconds=30)

# name, name of the figure, what its kind is called, help
_SUMS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("offtake_attempts", names.ATTEMPTS, ("dialect", "outcome"), "Attempts at jobs that said how they ended."),
    ("offtake_jobs_ended", names.JOBS_ENDED, ("dialect", "status"), "Jobs that ended, by how."),
    ("offtake_exported_rows", names.ROWS, ("dialect",), "Rows of published files."),
    ("offtake_exported_bytes", names.BYTES, ("dialect",), "Bytes of published files."),
    ("offtake_leases_lost", names.LEASES_LOST, ("dialect",), "Leases taken back from workers that died or hung."),
    ("offtake_sweeps", names.SWEEPS, ("task",), "Times that a chore of upkeep was done."),
    ("offtake_swept_files", names.SWEPT, ("task",), "Files that a chore of upkeep removed."),
    ("offtake_unswept_files", names.UNSWEPT, ("task",), "Files that a chore of upkeep could not remove."),
)


class Metrics:
    """Counts this server's answers, and shows those with the store's figures."""

    def __init__(self, on: Services, dialects: Sequence[str]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "offtake_http_requests", "Answered requests.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "offtake_http_request_duration_seconds",
            "Time until the last byte was handed to the connection.",
            ["route"],
            buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600),
            registry=self._registry,
        )
        self._bytes = Counter(
            "offtake_http_response_bytes", "Bytes of bodies sent.", ["route"], registry=self._registry
        )
        self._cut = Counter(
            "offtake_http_responses_cut", "Answers whose client left early.", ["route"], registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Stored(on, dialects))

    def record_request(self, answered: CompletedRequest) -> None:
        """Count an answer."""
        method = answered.method if answered.method in _METHODS else "other"
        route = answered.route or _NOWHERE
        self._requests.labels(method, route, str(answered.status)).inc()
        self._seconds.labels(route).observe(answered.seconds)
        self._bytes.labels(route).inc(answered.bytes)
        if answered.cut:
            self._cut.labels(route).inc()

    def exposition(self) -> Response:
        """Everything, as text."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Stored(Collector):
    """The figures of the store, read at every scrape. They are left out while the store cannot be reached."""

    def __init__(self, on: Services, dialects: Sequence[str]) -> None:
        self._on = on
        self._dialects = dialects

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering must not read the store."""
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("offtake_store_up", "Whether the state database could be read for these figures.")
        try:
            with self._on.database.read() as connection:
                stored = counters.read(connection)
            with self._on.database.read() as connection:
                unfinished, now = counters.open_jobs(connection), self._on.now(connection)
            alive = worker_registry.count_alive(self._on, within=_ALIVE)
        except (Unavailable, SQLAlchemyError):
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        workers = GaugeMetricFamily("offtake_workers", f"Workers alive in the last {_ALIVE.total_seconds():g} seconds.")
        workers.add_metric([], alive)
        yield workers
        yield from _queue(unfinished, self._dialects, now=now)
        yield from _sums(stored)
        yield _durations(stored, self._dialects)


def _queue(unfinished: Sequence[OpenJobs], dialects: Sequence[str], *, now: datetime) -> Iterator[Metric]:
    """Zeros are said, too: a series that comes and goes cannot be watched."""
    found = {(each.dialect, each.status): each for each in unfinished}
    jobs = GaugeMetricFamily("offtake_open_jobs", "Jobs that have not ended.", labels=["dialect", "status"])
    help_ = "How long the first job that may run has been waiting for a worker."
    age = GaugeMetricFamily("offtake_queue_age_seconds", help_, labels=["dialect"])
    for dialect in dialects:
        for status in sorted(OPEN):
            each = found.get((dialect, status))
            jobs.add_metric([dialect, status], each.number if each else 0)
        queued = found.get((dialect, Status.QUEUED))
        age.add_metric([dialect], max(0.0, (now - queued.due_at).total_seconds()) if queued else 0)
    yield jobs
    yield age


def _sums(stored: Sequence[CounterValue]) -> Iterator[Metric]:
    for name, figure, labels, help_ in _SUMS:
        family = CounterMetricFamily(name, help_, labels=labels)
        for one in stored:
            if one.name == figure:
                known = {"dialect": one.dialect, "outcome": one.kind, "status": one.kind, "task": one.kind}
                family.add_metric([known[label] for label in labels], one.value)
        yield family


def _durations(stored: Sequence[CounterValue], dialects: Sequence[str]) -> Metric:
    """Attempts by how long they took, each bucket with all that were quicker."""
    family = HistogramMetricFamily("offtake_attempt_duration_seconds", "How long attempts took.", labels=["dialect"])
    values: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    values.update({(one.name, one.dialect, one.kind): one.value for one in stored})
    for dialect in dialects:
        below, buckets = 0, []
        for bound in (*map(str, names.SECONDS), names.LONGER):
            below += values[names.ATTEMPTS_WITHIN, dialect, bound]
            buckets.append((bound, float(below)))
        family.add_metric([dialect], buckets, values[names.ATTEMPT_MILLISECONDS, dialect, ""] / 1000)
    return family
