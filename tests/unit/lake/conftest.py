"""The sample data as tables of a database, made once for all tests that query it."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tests.fixtures.sample import Sample
from tests.unit.lake.stored import TABLES, seen


@pytest.fixture(scope="session")
def sample_tables(sample: Sample) -> Iterator[duckdb.DuckDBPyConnection]:
    """The typed rows of all tables: ``call``, ``agent_state`` and so on, instants as instants."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in sample.counts:
            files = list(seen(sample.lake, TABLES[name]).files)
            options = "hive_partitioning = true, hive_types_autocast = false"
            connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM read_parquet({files!r}, {options})')
        yield connection


@pytest.fixture
def db(sample_tables: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own; its temporary tables end with it."""
    with sample_tables.cursor() as session:
        session.execute("SET TimeZone = 'UTC'")
        yield session
