"""Names and literals of any spelling are quoted correctly, and tables have the expected columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from offtake.sql_text import quote_identifier, quote_literal, select_typed

AWKWARD = ("plain", "two words", "a.b", 'say "so"', "it's", '""', "';--", "select", "ended?", "ü", "line\nbreak")
COLUMNS = (("call_id", "VARCHAR"), ("seconds", "BIGINT"), ("tenant", "VARCHAR"), ("added later", "DOUBLE"))


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        yield connection


@pytest.mark.parametrize("text", AWKWARD)
def test_any_text_can_be_a_name_and_a_literal(database: duckdb.DuckDBPyConnection, text: str) -> None:
    name = quote_identifier(text)
    database.execute(f"CREATE TABLE {name} ({name} VARCHAR)")
    database.execute(f"INSERT INTO {name} VALUES ({quote_literal(text)})")
    found = database.execute(f"SELECT {quote_identifier(text, of=text)} FROM {name}")
    assert [column[0] for column in found.description] == [text]
    assert found.fetchall() == [(text,)]


def test_a_table_without_files_has_its_columns(database: duckdb.DuckDBPyConnection) -> None:
    found = database.execute(select_typed(COLUMNS, files=None, condition="tenant = 'acme'"))
    assert [(column[0], str(column[1])) for column in found.description] == list(COLUMNS)
    assert found.fetchall() == []


def test_a_view_of_files_has_the_declared_columns_for_any_files(
    database: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    files = []
    for tenant, columns in (("acme", "'c1' AS call_id, 7 AS seconds"), ("007", "8 AS seconds, 'c2' AS call_id")):
        folder = tmp_path / f"tenant={tenant}"
        folder.mkdir()
        files.append(str(folder / "rows.parquet"))
        database.execute(f"COPY (SELECT {columns}) TO {quote_literal(files[-1])} (FORMAT parquet)")
    database.execute('SET VARIABLE "it\'s files" = $files', {"files": files})
    for condition, expected in (
        (None, [("c1", 7, "acme", None), ("c2", 8, "007", None)]),
        ("tenant = '007'", [("c2", 8, "007", None)]),
    ):
        rows = select_typed(COLUMNS, files="it's files", condition=condition)
        database.execute(f"CREATE OR REPLACE TEMP VIEW call AS {rows}")
        assert database.execute("SELECT * FROM call ORDER BY call_id").fetchall() == expected
