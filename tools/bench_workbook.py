"""Write one workbook from a Parquet file with one writer, and print its time and peak memory.

``bench_xlsx.py`` runs it: with the server's environment for ``offtake``, with that of the group ``bench`` for others.
Every writer gets the same rows (lists joined, instants as wall time), reads them in its fastest way, and writes what
Offtake writes: a bold, frozen, filtered header, and dates as dates.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from process_memory import peak_mb

THREADS, MEMORY_MB = 2, 256  # of the query: the defaults of the settings
DATES = "yyyy-mm-dd hh:mm:ss"
BATCH = 2048


def _offtake(source: str, target: Path) -> int:
    """An attempt's way: query, workbook, and at the same time the verification that reads the file back."""
    from offtake.core.attempt.verification import FileVerification
    from offtake.engine.duckdb import Session
    from offtake.engine.locked_database import Limits
    from offtake.formats.xlsx import XLSX
    from offtake.model.layout import Framing
    from offtake.model.query import Query
    from offtake.model.view import TableView

    found = duckdb.connect().execute(f"DESCRIBE {_query(source)}").fetchall()
    columns = tuple((str(name), str(sql_type)) for name, sql_type, *_ in found)
    view = TableView(table="rows", files=(source,), columns=columns, rows=0)
    query = Query(sql="SELECT * EXCLUDE (tenant) FROM rows", values={}, columns=tuple(name for name, _ in columns))
    with tempfile.TemporaryDirectory() as temp:
        limits = Limits(threads=THREADS, memory_mb=MEMORY_MB, temp_folder=Path(temp), temp_mb=1000)
        with (
            Session(limits, [view], tenant="bench", writable=(target,)) as session,
            FileVerification(target, XLSX.counter(Framing(), target), in_order=XLSX.in_order) as verification,
        ):
            written = XLSX.write(session, query, target, framing=Framing())
            if verification.finish().rows != written:
                raise SystemExit("the file does not have the rows that were written")
    return written


def _query(source: str) -> str:
    return f"SELECT * FROM read_parquet('{source}', hive_partitioning = false)"


def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": THREADS, "memory_limit": f"{MEMORY_MB}MiB"})


def _rows(source: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    cursor = _connection().execute(_query(source))
    names = [column[0] for column in cursor.description or ()]

    def rows() -> Iterator[tuple[Any, ...]]:
        while batch := cursor.fetchmany(BATCH):
            yield from batch

    return names, rows()


def _jetxl(source: str, target: Path) -> int:
    """This writer takes the whole table at once."""
    table = _connection().sql(_query(source)).to_arrow_table()
    import_module("jetxl").write_sheet_arrow(
        table, str(target), sheet_name="Export", auto_filter=True, freeze_rows=1, styled_headers=True
    )
    return int(table.num_rows)


def _rustpy_xlsxwriter(source: str, target: Path) -> int:
    """This writer is fastest with a reader of Arrow batches."""
    connection = _connection()
    found = connection.sql(f"SELECT count(*) FROM read_parquet('{source}')").fetchall()
    reader = connection.sql(_query(source)).to_arrow_reader(BATCH)
    options = {"freeze_row": 1, "bold_headers": True, "autofilter": True, "datetime_format": DATES}
    import_module("rustpy_xlsxwriter").write_worksheet(reader, str(target), sheet_name="Export", **options)
    return int(found[0][0])


def _xlsxwriter(source: str, target: Path) -> int:
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = import_module("xlsxwriter").Workbook(str(target), options)
    sheet = book.add_worksheet("Export")
    bold, dates = book.add_format({"bold": True}), book.add_format({"num_format": DATES})
    names, rows = _rows(source)
    sheet.freeze_panes(1, 0)
    sheet.write_row(0, 0, names, bold)
    number = 0
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row):
            if isinstance(value, datetime):
                sheet.write_datetime(number, column, value, dates)
            elif value is not None:
                sheet.write(number, column, value)
    sheet.autofilter(0, 0, number, len(names) - 1)
    book.close()
    return number


def _openpyxl(source: str, target: Path) -> int:
    book = import_module("openpyxl").Workbook(write_only=True)
    sheet = book.create_sheet("Export")
    names, rows = _rows(source)
    sheet.freeze_panes = "A2"
    sheet.append(names)
    written = 0
    for row in rows:
        sheet.append(row)
        written += 1
    book.save(str(target))
    return written


WRITERS: dict[str, Callable[[str, Path], int]] = {
    "offtake": _offtake,
    "jetxl": _jetxl,
    "rustpy-xlsxwriter": _rustpy_xlsxwriter,
    "xlsxwriter, constant memory": _xlsxwriter,
    "openpyxl, write only": _openpyxl,
}


def main() -> None:
    """``bench_workbook.py WRITER SOURCE TARGET``"""
    name, source, target = sys.argv[1:]
    Path(target).unlink(missing_ok=True)  # the verification follows a new file, like a staging file
    began, used = time.perf_counter(), time.process_time()
    rows = WRITERS[name](source, Path(target))
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    found = {"seconds": seconds, "processor": processor, "rows": rows, "peak_mb": peak_mb(["self"])}
    json.dump({**found, "bytes": Path(target).stat().st_size}, sys.stdout)


if __name__ == "__main__":
    main()
