"""The presentation of a report in one dialect, as a ``Publication``.

It is read from ``wire.<dialect>.toml``. In the product's own dialect, a report without such a file is published as
``report.toml`` defines it.
"""

from __future__ import annotations

from pathlib import Path

from offtake.model.column_type import ColumnType
from offtake.model.rendering import Rendering, fitting
from offtake.model.report import Mark, Publication, PublishedColumn, Report
from offtake.model.typed_values import TYPED_VALUES
from offtake.toml_reader import TomlTable, nearest, open_table

NATIVE = "native"  # the product's own dialect


def default_publication(report: Report) -> Publication:
    """Return the publication of a report in the product's own dialect: every column under its own name, unsorted.

    The values are typed; ``core.presentation.present_typed`` renders them for the format of a request.
    """
    return Publication(
        dialect=NATIVE,
        report=report.name,
        slug=report.name,
        title=report.title,
        aliases=(),
        columns=tuple(
            PublishedColumn(
                name=column.name, source=column.name, rendering=TYPED_VALUES[column.type].columns, mark=column.mark
            )
            for column in report.columns
        ),
    )


def dialect_of(path: Path) -> str:
    """Return the dialect in a file name ``wire.<dialect>.toml``."""
    return path.name.removeprefix("wire.").removesuffix(".toml")


def read_publication(path: Path, report: Report, faults: list[str]) -> Publication | None:
    """Return the publication of ``report`` in the file, or None after a fault."""
    before = len(faults)
    table = open_table(path, faults)
    publication = _publication(table, report) if table else None
    return publication if len(faults) == before else None


def _publication(table: TomlTable, report: Report) -> Publication:
    table.allow("slug", "aliases", "title", "columns", "order")
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
    """Return the columns to sort by.

    They must include the report's key, because rows that are equal in all of them would have no defined order, and must
    not be nullable.
    """
    names = table.texts("order")
    known = {column.name: column for column in report.columns}
    for index, name in enumerate(names):
        if name not in known:
            table.fault(f"the report has no column {name!r}; {nearest(name, known)}", "order", index)
        elif known[name].nullable:
            table.fault(f"{name!r} may be null, so rows cannot be sorted by it; remove it", "order", index)
    missing = [name for name in report.key if names and name not in names]
    if missing:
        table.fault(f"rows with equal {', '.join(names)} have no defined order; add {', '.join(missing)}", "order")
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
    row.allow("name", "from", "as", "mark", "label", "legacy", "hidden", "formats")
    return PublishedColumn(
        name=row.text("name"),
        source=row.text("from"),
        rendering=row.word("as", Rendering),
        mark=row.optional_word("mark", Mark, default=Mark.PROPOSED),
        label=row.optional_text("label"),
        legacy=row.flag("legacy", default=False),
        hidden=row.flag("hidden", default=False),
        formats=row.texts("formats"),
    )


def _check_source(row: TomlTable, column: PublishedColumn, types: dict[str, ColumnType]) -> None:
    column_type = types.get(column.source)
    if column_type is None:
        if column.source:
            row.fault(f"the report has no column {column.source!r}; {nearest(column.source, types)}", "from")
    elif column.rendering == row.data.get("as") and column_type not in column.rendering.row.accepts:
        row.fault(
            f"{column.source!r} is {column_type.value} and cannot be rendered as {column.rendering.value!r}; "
            f"allowed are: {', '.join(sorted(fitting(column_type)))}",
            "as",
        )
