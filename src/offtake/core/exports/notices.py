"""Notices about tables without rows: a report that reads one has no rows, fewer rows, or columns without values."""

from __future__ import annotations

from offtake.core.presentation import choose
from offtake.core.services import Services
from offtake.lake.snapshot import Located
from offtake.model.notice import Notice, NoticeCode
from offtake.model.report import IfEmpty, RowsIfEmpty, TableUse
from offtake.model.request import ExportRequest
from offtake.model.sort_column import sort_column


def notices(request: ExportRequest, located: Located, on: Services) -> tuple[Notice, ...]:
    """Return the notices about an export of the request that reads the located files, in the order of the tables.

    A table whose lack changes none of the rows and columns of the request has none.
    """
    report = on.catalogue.reports[request.report]
    used = _used_columns(request, on)
    return tuple(
        notice
        for use, files in zip(located.uses, located.files, strict=True)
        if not files and use.table in {each.table for each in report.tables}
        if (notice := _notice(use, used, has_other_months=use.table in located.filled)) is not None
    )


def consequence(found: IfEmpty | None) -> str:
    """Return in sentences what is missing if a table is empty."""
    if found is None:
        return "What is missing then is not declared (if_empty in report.toml)."
    rows = {RowsIfEmpty.NONE: "There are no rows.", RowsIfEmpty.FEWER: "Rows may be missing.", RowsIfEmpty.SAME: ""}
    sentences = [
        rows[found.rows],
        f"Null: {', '.join(found.null)}." if found.null else "",
        f"Other values, such as ids, 0 or empty text: {', '.join(found.other)}." if found.other else "",
    ]
    return " ".join(filter(None, sentences)) or "The rows stay as they are."


def _notice(use: TableUse, used: frozenset[str], *, has_other_months: bool) -> Notice | None:
    found = use.if_empty
    if found is not None:
        found = IfEmpty(
            rows=found.rows,
            null=tuple(name for name in found.null if name in used),
            other=tuple(name for name in found.other if name in used),
        )
        if found.rows is RowsIfEmpty.SAME and not found.null and not found.other:
            return None
    where = " in the months that the report reads" if has_other_months else ""
    return Notice(
        code=NoticeCode.TABLE_EMPTY_IN_TIMESPAN if has_other_months else NoticeCode.TABLE_EMPTY,
        table=use.table,
        columns=() if found is None else (*found.null, *found.other),
        message=f"The table {use.table} has no rows{where}. {consequence(found)}",
    )


def _used_columns(request: ExportRequest, on: Services) -> frozenset[str]:
    """Return the columns of the report that the files contain, or by which rows are selected or sorted."""
    publication = on.catalogue.publications[request.dialect, request.report]
    shown = choose(publication, request.columns, request.format).columns
    return frozenset(
        {
            *(column.source for column in shown),
            *(each.column for each in request.filters),
            *(sort_column(text).name for text in request.order),
        }
    )
