"""The layout of the dialect's files: Loop contract 12."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from offtake.core.presentation import Presentation
from offtake.model.job import Job
from offtake.model.layout import AboutEntry, ColumnLayout, FinalCount, Layout
from offtake.model.rendering import in_cells
from offtake.model.report import Publication, PublishedColumn
from offtake.model.request import ExportRequest
from offtake.model.timespan import tzinfo_of
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.loop.tables import COLUMNS_VERSION

_NO_FILTER = "all"


def presentation(settings: LoopSettings) -> Presentation:
    """A bare array of flat objects, or a workbook with a last sheet about the export; no setting changes it."""
    del settings

    def present(publication: Publication, request: ExportRequest) -> Layout:
        columns = publication.columns
        if request.format == "xlsx":
            cells = tuple(replace(column, rendering=in_cells(column.rendering)) for column in columns)
            headers = tuple(map(_header, columns))
            return Layout(shown=ColumnLayout(columns=cells, headers=headers, order=publication.order), about=about)
        names = tuple(column.name for column in columns)
        return Layout(shown=ColumnLayout(columns=columns, headers=names, order=publication.order))

    return present


def _header(column: PublishedColumn) -> str:
    return column.label or column.name


def about(job: Job, made_at: datetime) -> tuple[AboutEntry, ...]:
    """The sheet ``About`` (Loop contract 12.4): instants in UTC, start and end also in the zone of the export."""
    request = job.request
    span, wanted = request.timespan, request.parameters
    local = tzinfo_of(span.zone)
    return (
        AboutEntry(label="Export ID", value=job.id),
        AboutEntry(label="Workspace", value=job.tenant),
        AboutEntry(label="Time zone", value=span.zone),
        AboutEntry(label="Start", value=_instant(span.start)),
        AboutEntry(label="Start (local)", value=_wall_time(span.start.astimezone(local))),
        AboutEntry(label="End", value=_instant(span.end)),
        AboutEntry(label="End (local)", value=_wall_time(span.end.astimezone(local))),
        AboutEntry(label="Tag IDs", value=_filter(wanted.tag_ids)),
        AboutEntry(label="Shared inbox IDs", value=_filter(wanted.inbox_ids)),
        AboutEntry(label="Teammates", value=_filter(wanted.agent_emails)),
        AboutEntry(label="Customers", value=_filter(wanted.customer_emails)),
        AboutEntry(label="Rows", value=FinalCount.ROWS),
        AboutEntry(label="Truncated cells", value=FinalCount.CUT_CELLS),
        AboutEntry(label="Generated at", value=_instant(made_at)),
        AboutEntry(label="Column version", value=COLUMNS_VERSION),
    )


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _wall_time(wall_time: datetime) -> str:
    return f"{wall_time:%Y-%m-%d %H:%M:%S}"


def _filter(values: tuple[str, ...] | None) -> str:
    return _NO_FILTER if values is None else "; ".join(values)
