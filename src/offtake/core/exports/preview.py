"""Preview: the first rows of a request, at once and without a job.

The query runs in the server process, so it has little memory, no temporary files and little time. If the rows of the
timespan are those of its parts, the preview reads a short part first and then longer ones, until it has enough rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from math import isfinite

from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.exports.acceptance import accept, request_entry
from offtake.core.exports.notices import notices
from offtake.core.presentation import layout_of
from offtake.core.query import filters
from offtake.core.query.preparation import prepare
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.first_rows import any_rows, sorted_rows
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan, plan_order
from offtake.errors import (
    AttemptInterrupted,
    MemoryExhausted,
    PreviewTooLarge,
    ResourceExhausted,
    StorageUnavailable,
    Unavailable,
)
from offtake.lake.snapshot import Located, local_views, locate, narrow, rows_between
from offtake.model.layout import Layout
from offtake.model.notice import Notice
from offtake.model.report import PublishedColumn, reads_buckets
from offtake.model.request import ExportRequest
from offtake.model.sort_column import sort_column
from offtake.model.tenant import Scope
from offtake.model.timespan import Timespan
from offtake.store import audit

MOST_ROWS = 100
_MOST_BYTES = 4 * 1024 * 1024  # of all values
_FORMAT = "json"  # its renderings are the values of previews
_ROWS_OF_FIRST_PART = 5_000  # rows of the lake, from their average over the timespan
_GROWTH = 4  # of the next part
_SHORTEST_PART = timedelta(minutes=1)
_ROWS_OF_PARTITION = 200_000  # rows of the lake that one partition of a preview joins and groups
_RETRY_SECONDS = 5
_REMEDY = "ask for a shorter timespan, or create the export"

Value = str | int | float | bool | list[object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The first rows of a request, as the dialect shows them in JSON."""

    columns: tuple[PublishedColumn, ...]
    rows: tuple[Mapping[str, Value], ...]  # by the names of the columns, in their order
    truncated: bool  # whether the request may have more rows
    notices: tuple[Notice, ...]  # about tables without rows


def preview(request: ExportRequest, by: Caller, on: Services, rows: int = MOST_ROWS) -> Preview:
    """Return the first rows of a request, at most ``MOST_ROWS``, in its order if it has one.

    If the time is over, the rows found so far are returned. The audit log records the preview.
    Raises NotPermitted, InvalidRequest, TimespanTooLong, PreviewTooLarge, AuditUnavailable, and Unavailable if too many
    previews run or the lake cannot be read.
    """
    require(by.principal, Scope.READ)  # it shows rows, as a download does
    now = on.clock()
    as_values = replace(request, format=_FORMAT, compression=None, format_options=None, split=None)
    request = accept(as_values, by, on, now=now)
    with on.previews.take(by.principal.tenant):
        with on.database.write() as connection:
            audit.record(connection, request_entry("report.preview", request, by, on), now=now)
        try:
            return _Preview(request, by.principal.tenant, on, max(1, min(rows, MOST_ROWS))).run()
        except MemoryExhausted as error:
            raise PreviewTooLarge(f"The preview needs more memory than previews may have; {_REMEDY}.") from error
        except AttemptInterrupted as error:
            raise PreviewTooLarge(f"The preview takes longer than previews may; {_REMEDY}.") from error
        except (StorageUnavailable, ResourceExhausted) as error:
            message = f"The lake cannot be read at the moment; retry after {_RETRY_SECONDS} seconds."
            raise Unavailable(message, retry_after=_RETRY_SECONDS) from error


class _Preview:
    """One preview, which collects rows from part to part of the timespan until it has one more than it shows."""

    def __init__(self, request: ExportRequest, tenant: str, on: Services, rows: int) -> None:
        self._request, self._tenant, self._on = request, tenant, on
        self._report = on.catalogue.reports[request.report]
        publication = on.catalogue.publications[request.dialect, request.report]
        self._layout: Layout = layout_of(publication, request, on.presentations[request.dialect].of(tenant))
        self._wanted = rows
        self._found: list[Mapping[str, Value]] = []
        self._bytes = 0
        self._ends_at = time.monotonic() + on.previews.policy.time.total_seconds()

    def run(self) -> Preview:
        """Return the rows. Raises AttemptInterrupted if there are none when the time is over."""
        uses = (*self._report.tables, *filters.tables(self._report))
        span, end = self._request.timespan, self._request.effective_end
        located = locate(self._on.lake, uses, tenant=self._tenant, start=span.start, end=end)
        is_over = False
        try:
            for part in self._parts(located):
                self._read(part, located)
                if self._is_full():
                    break
        except AttemptInterrupted:
            if not self._found:
                raise
            is_over = True
        return Preview(
            columns=self._layout.shown.columns,
            rows=tuple(self._found[: self._wanted]),
            truncated=is_over or self._is_full(),
            notices=notices(self._request, located, self._on),
        )

    def _is_full(self) -> bool:
        return len(self._found) > self._wanted or self._bytes > _MOST_BYTES

    def _parts(self, located: Located) -> Iterator[Timespan]:
        """Yield the timespan, or consecutive parts of it: the earliest ones first, or the latest ones first if the rows
        are sorted so."""
        span = self._request.timespan
        if not self._can_be_divided():
            yield span
            return
        order = self._request.order
        if self._request.effective_end <= span.start:
            return
        yield from _parts(
            replace(span, end=self._request.effective_end),
            first=_first_part(self._request, located, self._on.clock()),
            latest_first=bool(order) and sort_column(order[0]).descending,
        )

    def _can_be_divided(self) -> bool:
        """Whether the rows of parts of the timespan together are its rows, and come in the requested order."""
        report, request = self._report, self._request
        if report.window is None or report.consecutive is not None:
            return False
        order = self._layout.shown.order
        used = {
            *(column.source for column in self._layout.shown.columns),
            *(each.column for each in request.filters),
            *(sort_column(text).name for text in order),
        }
        if any(column.varies for column in report.columns if column.name in used):
            return False
        return not order or sort_column(order[0]).name == report.window

    def _read(self, part: Timespan, located: Located) -> None:
        """Add the rows of a part of the timespan, until there are enough."""
        request = replace(self._request, timespan=part)
        wanted = self._wanted + 1 - len(self._found)
        files = narrow(located, start=part.start, end=request.effective_end)
        policy = self._on.previews.policy
        # temp_mb=0 forbids temporary files, so the folder stays empty.
        limits = Limits(
            threads=policy.threads if self._layout.shown.order else 1,  # without a sort, one thread finds the same rows
            memory_mb=policy.memory_mb,
            temp_folder=self._on.artifacts.spill("preview", 0),
            temp_mb=0,
            fixed_join_sides=True,
        )
        self._check_time()
        with local_views(self._on.lake, files, self._check_time) as views:
            rows_read = sum(view.rows for view in views)
            partitions = 1 if self._report.partition_by is None else 1 + rows_read // _ROWS_OF_PARTITION
            with (
                Session(
                    limits,
                    views,
                    tenant=self._tenant,
                    partitions=partitions,
                    by_buckets=reads_buckets(self._report, views),
                ) as session,
                _time_limit(session, self._ends_at - time.monotonic()),
            ):
                request = prepare(session, self._report, request, self._on.database)
                for cells in self._rows(session, request, wanted):
                    self._add(cells)
                    if self._is_full():
                        return

    def _rows(self, session: Session, request: ExportRequest, wanted: int) -> Iterable[Sequence[object]]:
        """Return the first rows of all partitions, in the order of the request if it has one."""
        query = plan(self._report, self._layout.shown, request)
        if query.order:
            return sorted_rows(session, query, wanted, order=plan_order(self._report, self._layout.shown, request))
        found = any_rows(query, wanted)
        return chain.from_iterable(session.stream(found, partition=number) for number in range(session.partitions))

    def _add(self, cells: Sequence[object]) -> None:
        values = [_json_value(cell) for cell in cells]
        self._bytes += sum(map(_size, values))
        self._found.append(dict(zip(self._layout.shown.headers, values, strict=True)))

    def _check_time(self) -> None:
        if time.monotonic() >= self._ends_at:
            raise AttemptInterrupted("The time of the preview is over.")


@contextmanager
def _time_limit(session: Session, seconds: float) -> Iterator[None]:
    """Interrupt the session after some seconds, unless the block ends before."""
    timer = threading.Timer(seconds, session.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # it must not interrupt a closed session


def _parts(span: Timespan, *, first: timedelta, latest_first: bool) -> Iterator[Timespan]:
    """Yield consecutive parts of a timespan, each longer than the one before."""
    start, end, length = span.start, span.end, first
    while start < end:
        if latest_first:
            begun = max(start, end - length) if end - start > length else start
            yield replace(span, start=begun, end=end)
            end = begun
        else:
            ended = start + length if end - start > length else end
            yield replace(span, start=start, end=ended)
            start = ended
        length *= _GROWTH


def _first_part(request: ExportRequest, located: Located, now: datetime) -> timedelta:
    """Return the length of the first part, from the average number of rows of the report's first table."""
    start, end = request.timespan.start, request.effective_end
    rows = rows_between(located.files[0], start=start, end=end, now=now)
    wanted = _ROWS_OF_FIRST_PART * (_GROWTH if request.filters else 1)
    return end - start if rows <= wanted else max(_SHORTEST_PART, (end - start) * (wanted / rows))


def _json_value(cell: object) -> Value:
    """Return the value of a cell for JSON, which has no decimals and no infinite numbers."""
    if isinstance(cell, Decimal):
        cell = float(cell)
    if isinstance(cell, float) and not isfinite(cell):
        return None
    value: Value = cell if isinstance(cell, str | int | float | list) else None if cell is None else str(cell)
    return value


def _size(value: Value) -> int:
    if isinstance(value, list):
        return sum(len(str(each)) for each in value)
    return len(value) if isinstance(value, str) else 8
