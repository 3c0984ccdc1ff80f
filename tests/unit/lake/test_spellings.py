"""What `offtake tables describe` says is what a load accepts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.ingest.spellings import SPELLINGS, csv_template, example_row
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import Table, TableColumn, tables
from offtake.model.column_type import ColumnType


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def test_every_example_row_is_accepted_as_csv_and_as_json(lake: Lake, tmp_path: Path) -> None:
    """Both are the same row, so the second load replaces the first; the ids of references are those of their tables."""
    rows = {name: example_row(table) for name, table in tables().items()}
    for table in tables().values():
        template, line = tmp_path / f"{table.name}.csv", tmp_path / f"{table.name}.ndjson"
        template.write_text(csv_template(table), "utf-8")
        line.write_text(json.dumps(rows[table.name]), "utf-8")
        counts = load(lake, table, [template, line], tenant="acme")
        assert (counts.read, counts.inserted, counts.superseded) == (2, 1, 1), table.name
        for column in table.columns:
            value = rows[table.name][column.name]
            assert value not in ("", [], None)
            if column.references:
                (key,) = tables()[column.references].key
                assert rows[column.references][key] in value if isinstance(value, list) else [value]


def _plain_column(column_type: ColumnType) -> tuple[Table, TableColumn]:
    """A column of the type without other rules, in a table without references in its key."""
    return next(
        (table, column)
        for table in tables().values()
        for column in table.columns
        if column.type is column_type
        and column.name not in table.not_null
        and not column.values
        and column.matches is column.syntax is column.not_before is None
        and (column.minimum is None or not any(text.startswith("-") for text in SPELLINGS[column_type].examples))
    )


def test_every_example_of_a_type_is_accepted(lake: Lake, tmp_path: Path) -> None:
    assert SPELLINGS.keys() == {column.type for table in tables().values() for column in table.columns}
    for column_type, spelling in SPELLINGS.items():
        table, column = _plain_column(column_type)
        header, values = csv.reader(csv_template(table).splitlines())
        row = dict(zip(header, values, strict=True))
        file = tmp_path / "rows.csv"
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.DictWriter(opened, header)
            writer.writeheader()
            writer.writerows(row | {column.name: text} for text in spelling.examples)
        counts = load(lake, table, [file], tenant="acme")
        assert counts.inserted + counts.updated == 1, f"{table.name}.{column.name}"
        assert counts.read == len(spelling.examples)
