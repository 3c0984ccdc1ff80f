"""Estimate of an export's rows, bytes and seconds, from the numbers of rows in the lake and from earlier exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from offtake.core.auth.caller import Caller
from offtake.core.exports.acceptance import accept, request_entry
from offtake.core.exports.notices import notices
from offtake.core.presentation import choose
from offtake.core.services import Services
from offtake.errors import StorageUnavailable, Unavailable
from offtake.formats import format_named
from offtake.lake.snapshot import Located, locate, rows_between
from offtake.model.column_type import ColumnType
from offtake.model.format_options import Compression
from offtake.model.notice import Notice
from offtake.model.report import Prune, Report, TableUse
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.timespan import Timespan
from offtake.store import audit, earlier_runs
from offtake.store.earlier_runs import EarlierRun

_RUNS = 20  # newest finished exports of the tenant, the dialect and the report
_OVERHEAD = timedelta(seconds=1)  # of every export, whatever its rows are
_ROWS_PER_SECOND = 100_000  # without earlier exports; measured with wide reports on one thread
_RETRY_SECONDS = 5
# Characters of a value in csv; without earlier exports.
_CHARACTERS = {
    ColumnType.TEXT: 12,
    ColumnType.ID: 24,
    ColumnType.INTEGER: 3,
    ColumnType.DECIMAL: 5,
    ColumnType.BOOLEAN: 5,
    ColumnType.INSTANT: 24,
    ColumnType.SECONDS: 3,
    ColumnType.MILLISECONDS: 6,
    ColumnType.DATE: 10,
    ColumnType.LIST: 16,
}
_NAME_CHARACTERS = 6  # around a name in JSON: quotes, colon, comma, quotes of a text
_ANY_TIMESPAN = Timespan(start=datetime(1970, 1, 1, tzinfo=UTC), end=datetime(1970, 1, 2, tzinfo=UTC), zone="UTC")
_COMPRESSED = 0.25  # size of compressed text and of formats that are not text, as a share of the text


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an export is expected to have. None: there is nothing to estimate it from.

    Without an earlier export with the same filters, all rows of the timespan are expected to fulfil them.
    """

    rows: int | None
    bytes: int | None
    seconds: int | None
    notices: tuple[Notice, ...]  # about tables without rows


def estimate(request: ExportRequest, by: Caller, on: Services) -> Estimate:
    """Estimate an export of the request, which is validated as for its creation. Nothing is created or read from files.

    Raises NotPermitted, InvalidRequest, TimespanTooLong, and Unavailable if the lake cannot be read.
    """
    now, tenant = on.clock(), by.principal.tenant
    request = accept(request, by, on, now=now)
    report = on.catalogue.reports[request.report]
    with on.database.write() as connection:
        audit.record(connection, request_entry("report.estimate", request, by, on), now=now)
    with on.database.read() as connection:
        runs = earlier_runs.newest(
            connection, tenant=tenant, dialect=request.dialect, report=request.report, limit=_RUNS
        )
    viewer = request.parameters.viewer_email
    if viewer is not None:  # how many rows others have, and how long these are, is not for one person
        runs = [run for run in runs if run.request.parameters.viewer_email == viewer]
    rows = _rows(request, report, runs, _lake_rows(report, tenant, on, now))
    read = _locate(report.tables, request, tenant, on)
    return Estimate(
        rows=rows,
        bytes=None if rows is None else round(rows * _bytes_per_row(request, report, runs, on)),
        seconds=None if rows is None else _seconds(rows, runs),
        notices=notices(request, read, on),
    )


def _lake_rows(report: Report, tenant: str, on: Services, now: datetime) -> Callable[[ExportRequest], int]:
    """Return a function that counts the rows of the report's first table in the timespan of a request."""
    first = [replace(use, prune=Prune.ALL) for use in report.tables[:1]]
    files = [file for listed in _locate(first, None, tenant, on).files for file in listed]
    return lambda request: rows_between(files, start=request.timespan.start, end=request.effective_end, now=now)


def _locate(uses: Sequence[TableUse], request: ExportRequest | None, tenant: str, on: Services) -> Located:
    """Locate the files of tables, in the timespan of a request if one is given. Raises Unavailable."""
    start, end = (request.timespan.start, request.effective_end) if request else (None, None)
    try:
        return locate(on.lake, uses, tenant=tenant, start=start, end=end)
    except StorageUnavailable as error:
        message = f"The lake cannot be read at the moment; retry after {_RETRY_SECONDS} seconds."
        raise Unavailable(message, retry_after=_RETRY_SECONDS) from error


def _rows(
    request: ExportRequest, report: Report, runs: Sequence[EarlierRun], lake_rows: Callable[[ExportRequest], int]
) -> int | None:
    """Return the expected rows.

    If the rows of a timespan are those of its parts, they are in proportion to those of the report's first table, whose
    rows the report is about; for one person, in proportion to the length of the timespan. Otherwise, the earlier export
    with the most similar timespan has about as many.
    """
    alike = [run for run in runs if _selection(run.request) == _selection(request)]
    if report.window is None or report.consecutive is not None:
        length = request.timespan.length()
        nearest = min(alike, key=lambda run: abs(run.request.timespan.length() - length), default=None)
        return None if nearest is None else nearest.rows
    if request.parameters.viewer_email is not None:  # the rows of the lake are those of all people
        days = sum((run.request.timespan.length() for run in alike), timedelta(0))
        return round(sum(run.rows for run in alike) * (request.timespan.length() / days)) if days else None
    expected, read = lake_rows(request), sum(lake_rows(run.request) for run in alike)
    if read:
        return round(expected * sum(run.rows for run in alike) / read)
    return expected


def _selection(request: ExportRequest) -> tuple[object, ...]:
    """Return what selects rows besides the timespan."""
    return (frozenset(request.filters), request.parameters)


def _bytes_per_row(request: ExportRequest, report: Report, runs: Sequence[EarlierRun], on: Services) -> float:
    same_file = [run for run in runs if run.rows and _file_options(run.request) == _file_options(request)]
    if same_file:
        return sum(run.bytes for run in same_file) / sum(run.rows for run in same_file)
    types = {column.name: column.type for column in report.columns}
    publication = choose(on.catalogue.publications[request.dialect, report.name], request.columns, request.format)
    is_text = format_named(request.format).is_text and request.compression in (None, Compression.NONE)
    names = request.format.startswith("json")
    text = sum(
        _CHARACTERS[types[column.source]] + (len(column.name) + _NAME_CHARACTERS if names else 1)
        for column in publication.columns
    )
    return text if is_text else text * _COMPRESSED


def _file_options(request: ExportRequest) -> ExportRequest:
    """Return the request without what determines the number of rows: the rest determines how a row is written."""
    return replace(
        request,
        timespan=_ANY_TIMESPAN,
        name="",
        split=None,
        row_limit=None,
        as_of=None,
        watermark=None,
        account_zone="",
        filters=(),
        order=(),
        parameters=ReportParameters(),
    )


def _seconds(rows: int, runs: Sequence[EarlierRun]) -> int:
    counted = [run for run in runs if run.rows]
    took = sum((max(run.duration - _OVERHEAD, timedelta(0)) for run in counted), timedelta(0))
    per_row = took / sum(run.rows for run in counted) if counted else timedelta(seconds=1) / _ROWS_PER_SECOND
    return -(-(_OVERHEAD + rows * per_row) // timedelta(seconds=1))
