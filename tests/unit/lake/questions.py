"""Assertions over the sample data: no such row, some such row, every value and a null."""

from __future__ import annotations

from collections.abc import Collection

import duckdb

from tests.unit.lake.stored import TABLES


def none(db: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Check that the query returns no row; a failure shows some of the rows."""
    assert db.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({sql})").fetchmany(3) == []


def never(db: duckdb.DuckDBPyConnection, table: str, *conditions: str) -> None:
    """Check that no row meets any of the conditions."""
    for condition in conditions:
        none(db, f"SELECT * FROM {table} WHERE {condition}")


def some(db: duckdb.DuckDBPyConnection, table: str, *conditions: str) -> None:
    """Check that at least one row meets each condition."""
    for condition in conditions:
        found = db.execute(f"SELECT count(*) > 0 FROM {table} WHERE {condition}").fetchone()
        assert found == (True,), condition


def values_and_gaps(db: duckdb.DuckDBPyConnection, table: str, *, never_null: Collection[str] = ()) -> None:
    """Every nullable column, except those of ``never_null``, is null in some rows and not in others."""
    for column in TABLES[table].columns:
        if column.name not in TABLES[table].not_null:
            counted = f'SELECT count("{column.name}") > 0, count("{column.name}") < count(*) FROM "{table}"'
            assert db.execute(counted).fetchone() == (True, column.name not in never_null), column.name


def every_word(db: duckdb.DuckDBPyConnection, table: str) -> None:
    """Every column with a fixed set of values uses all of them."""
    for column in TABLES[table].columns:
        if column.values:
            found = db.execute(f'SELECT DISTINCT "{column.name}" FROM "{table}"').fetchall()
            assert {value for (value,) in found} - {None} == set(column.values), column.name
