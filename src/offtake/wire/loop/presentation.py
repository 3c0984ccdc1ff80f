"""The layout of the dialect's files: section 12 of contracts/loop.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from offtake.core.presentation import CELLS, Layout, Presentation
from offtake.engine.plan import Shown
from offtake.formats import Fact, Tally
from offtake.model.job import Job
from offtake.model.report import Publication, PublishedColumn
from offtake.model.request import ExportRequest
from offtake.model.timespan import clocks
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.loop.tables import COLUMNS_VERSION

_NO_FILTER = "all"


def presentation(settings: LoopSettings) -> Presentation:
    """A bare array of flat objects, or a workbook with a last sheet about the export; no setting changes it."""
    del settings

    def present(publication: Publication, request: ExportRequest) -> Layout:
        columns = publication.columns
        if request.format == "xlsx":
            cells = tuple(
                replace(column, rendering=CELLS.get(column.rendering, column.rendering)) for column in columns
            )
            headers = tuple(map(_header, columns))
            return Layout(shown=Shown(columns=cells, headers=headers, order=publication.order), facts=about)
        names = tuple(column.name for column in columns)
        return Layout(shown=Shown(columns=columns, headers=names, order=publication.order))

    return present


def _header(column: PublishedColumn) -> str:
    return column.label or column.name


def about(job: Job, made_at: datetime) -> tuple[Fact, ...]:
    """The sheet ``About`` (section 12.4): instants in UTC, start and end also in the zone of the export."""
    request = job.request
    span, wanted = request.timespan, request.parameters
    local = clocks(span.zone)
    return (
        Fact(label="Export ID", value=job.id),
        Fact(label="Workspace", value=job.tenant),
        Fact(label="Time zone", value=span.zone),
        Fact(label="Start", value=_instant(span.start)),
        Fact(label="Start (local)", value=_reading(span.start.astimezone(local))),
        Fact(label="End", value=_instant(span.end)),
        Fact(label="End (local)", value=_reading(span.end.astimezone(local))),
        Fact(label="Tag IDs", value=_filter(wanted.tag_ids)),
        Fact(label="Shared inbox IDs", value=_filter(wanted.inbox_ids)),
        Fact(label="Teammates", value=_filter(wanted.agent_emails)),
        Fact(label="Customers", value=_filter(wanted.customer_emails)),
        Fact(label="Rows", value=Tally.ROWS),
        Fact(label="Truncated cells", value=Tally.CUT_CELLS),
        Fact(label="Generated at", value=_instant(made_at)),
        Fact(label="Column version", value=COLUMNS_VERSION),
    )


def _instant(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _reading(reading: datetime) -> str:
    return f"{reading:%Y-%m-%d %H:%M:%S}"


def _filter(values: tuple[str, ...] | None) -> str:
    return _NO_FILTER if values is None else "; ".join(values)
