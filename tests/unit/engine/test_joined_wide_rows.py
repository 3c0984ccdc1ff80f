"""Joins of wide rows stay within the memory of the session."""

from __future__ import annotations

from pathlib import Path

import duckdb

from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.model.query import Query
from offtake.model.view import TableView
from process_memory import peak_mb, reset_peaks

ROWS, LENGTH, MEMORY_MB = 12, 16_000_000, 128


def test_joined_rows_of_16_megabytes_take_no_memory_beyond_the_limit(tmp_path: Path) -> None:
    """DuckDB's cache of an operator holds rows of several vectors, and the limit does not count it."""
    folder = tmp_path / "tenant=acme"
    folder.mkdir()
    files = tuple(str(folder / f"{number}.parquet") for number in range(ROWS))
    with duckdb.connect() as connection:
        for number, file in enumerate(files):
            row = f"SELECT CAST({number} AS BIGINT) AS id, repeat('x', {LENGTH}) AS body"
            connection.execute(f"COPY ({row}) TO '{file}' (FORMAT parquet)")
    view = TableView(table="message", files=files, columns=(("id", "BIGINT"), ("body", "VARCHAR")), rows=ROWS)
    joined = Query(
        sql="SELECT message.* FROM message LEFT JOIN range(100) AS a (n) ON a.n = id "
        "LEFT JOIN range(100) AS b (n) ON b.n = id",
        values={},
        columns=("id", "body"),
    )
    limits = Limits(
        threads=1, memory_mb=MEMORY_MB, temp_folder=tmp_path / "spill", temp_mb=1_000, fixed_join_sides=True
    )
    with Session(limits, [view], tenant="acme") as session:
        reset_peaks(["self"])
        before = peak_mb(["self"])
        session.create_table("joined", joined, divided=False)
        used = peak_mb(["self"]) - before
        count = Query(sql="SELECT count(*) AS rows FROM joined", values={}, columns=("rows",))
        assert session.rows(count) == [{"rows": ROWS}]
    assert used < MEMORY_MB + 64
