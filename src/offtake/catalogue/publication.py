"""``wire.<dialect>.toml`` becomes a ``Publication``: a report in one dialect's words."""

from __future__ import annotations

from pathlib import Path

from offtake.catalogue.toml_reader import TomlTable, nearest, open_table
from offtake.model.column_type import ColumnType
from offtake.model.rendering import Rendering, fitting
from offtake.model.report import Mark, Publication, PublishedColumn, Report


def dialect_of(path: Path) -> str:
    """The middle word of ``wire.<dialect>.toml``."""
    return path.name.removeprefix("wire.").removesuffix(".toml")


def read_publication(path: Path, report: Report, faults: list[str]) -> Publication | None:
    """The publication of ``report`` that the file describes, or None where a fault was noted."""
    before = len(faults)
    table = open_table(path, faults)
    publication = _publication(table, report) if table else None
    return publication if len(faults) == before else None


def _publication(table: TomlTable, report: Report) -> Publication:
    table.only("slug", "aliases", "title", "columns", "order")
    return Publication(
        dialect=dialect_of(table.file.path),
        report=report.name,
        slug=table.text("slug"),
        title=table.text("title"),
        aliases=table.texts("aliases"),
        columns=_columns(table, report),
        order=_order(table, report),
    )


def _order(table: TomlTable, report: Report) -> tuple[str, ...]:
    """Columns to sort by. Rows that are equal in them would have no order, so the report's key is among them; and null
    has no place in an order."""
    names = table.texts("order")
    known = {column.name: column for column in report.columns}
    for index, name in enumerate(names):
        if name not in known:
            table.fault(f"the report has no column {name!r}; {nearest(name, known)}", "order", index)
        elif known[name].nullable:
            table.fault(f"rows cannot be sorted by {name!r}, which may be null", "order", index)
    missing = [name for name in report.key if names and name not in names]
    if missing:
        table.fault(f"rows alike in {', '.join(names)} have no order; add {', '.join(missing)}", "order")
    return names


def _columns(table: TomlTable, report: Report) -> tuple[PublishedColumn, ...]:
    types = {column.name: column.type for column in report.columns}
    columns: list[PublishedColumn] = []
    for row in table.rows("columns"):
        column = _column(row)
        _check_source(row, column, types)
        if column.name in {each.name for each in columns}:
            row.fault(f"two columns are published as {column.name!r}; rename or remove one", "name")
        columns.append(column)
    return tuple(columns)


def _column(row: TomlTable) -> PublishedColumn:
    row.only("name", "from", "as", "mark", "label", "legacy", "hidden", "formats")
    return PublishedColumn(
        name=row.text("name"),
        source=row.text("from"),
        rendering=row.word("as", Rendering),
        mark=row.word("mark", Mark),
        label=row.optional_text("label"),
        legacy=row.flag("legacy", default=False),
        hidden=row.flag("hidden", default=False),
        formats=row.texts("formats"),
    )


def _check_source(row: TomlTable, column: PublishedColumn, types: dict[str, ColumnType]) -> None:
    kind = types.get(column.source)
    if kind is None:
        if column.source:
            row.fault(f"the report has no column {column.source!r}; {nearest(column.source, types)}", "from")
    elif column.rendering == row.data.get("as") and kind not in column.rendering.row.accepts:
        row.fault(
            f"{column.source!r} is {kind.value} and cannot be shown as {column.rendering.value!r}; "
            f"fitting are: {', '.join(sorted(fitting(kind)))}",
            "as",
        )
