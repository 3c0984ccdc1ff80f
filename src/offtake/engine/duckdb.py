"""A session of the engine: runs queries over one tenant's files in DuckDB, in partitions, sorted, until interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from offtake.engine import arrow_batches, wide_rows
from offtake.engine.driver_errors import translate_errors
from offtake.engine.external_sort import ExternalSort
from offtake.engine.locked_database import Limits, open_database
from offtake.errors import AttemptInterrupted, QueryFailed
from offtake.model.format_options import CsvOptions
from offtake.model.query import Query
from offtake.model.report import with_buckets
from offtake.model.view import TableView, with_bucket_column
from offtake.sql_text import quote_identifier, quote_literal

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_SIZE = 256  # rows held as Python objects; larger batches are not faster, and wide rows take megabytes


class Session:
    """A locked DuckDB database over one tenant's files. Use as a context manager; any thread may call ``interrupt``.

    Its views show only rows of ``tenant``. A query that calls ``in_partition`` is divided into ``partitions``; ``copy``
    writes one of them. With ``by_buckets``, it is divided by the buckets that the files store, so that a partition
    reads its part of the files (``reads_buckets``).
    """

    def __init__(
        self,
        limits: Limits,
        views: Sequence[TableView],
        *,
        tenant: str,
        writable: Sequence[Path] = (),
        partitions: int = 1,
        by_buckets: bool = False,
    ) -> None:
        self.tenant = tenant
        self._by_buckets = by_buckets and partitions > 1
        self.partitions = partitions
        self._memory_bytes = limits.memory_mb * 1024 * 1024
        self._threads = limits.threads
        self._interrupted = threading.Event()
        self._external_sort: ExternalSort | None = None  # set by ``sort``; its ranges are then the partitions
        shown = [with_bucket_column(view) for view in views] if self._by_buckets else views
        self._connection = open_database(limits, shown, tenant=tenant, writable=writable)
        try:
            with translate_errors():
                self._select_partitions()
        except BaseException:
            self._connection.close()
            raise

    def define(self, sql: str) -> None:
        """Run statements that define macros or views for later queries. They must not contain text from a request."""
        with translate_errors():
            self._connection.execute(self._text(sql))

    def set_variable(self, name: str, value: object) -> None:
        """Set a session variable, which queries read with ``getvariable``."""
        with translate_errors():
            self._connection.execute(f"SET VARIABLE {quote_identifier(name)} = $value", {"value": value})

    def select_variable(self, name: str, sql: str) -> None:
        """Set a session variable to the single value that a query returns."""
        with translate_errors():
            self._connection.execute(f"SET VARIABLE {quote_identifier(name)} = (\n{sql}\n)")

    def create_relation(self, name: str, columns: Mapping[str, str], batches: Iterable[Mapping[str, object]]) -> None:
        """Create a table from batches of rows, which spills if it exceeds the memory.

        ``columns`` maps names to DuckDB types. A batch maps each name to the list of its values.
        """
        declared = ", ".join(f"{quote_identifier(column)} {sql_type}" for column, sql_type in columns.items())
        lists = ", ".join(f"unnest(CAST(${column} AS {sql_type}[]))" for column, sql_type in columns.items())
        with translate_errors():
            self._connection.execute(f"CREATE TEMP TABLE {quote_identifier(name)} ({declared})")
            for batch in batches:
                self._connection.execute(f"INSERT INTO {quote_identifier(name)} SELECT {lists}", dict(batch))

    def rows(self, query: Query, *, partition: int = 0) -> list[dict[str, Any]]:
        """Return all rows of one partition as dicts: for tests and previews, never for an export."""
        with translate_errors():
            self._select_partition(partition)
            rows = self._connection.execute(self._text(query.sql), dict(query.values)).fetchall()
        return [dict(zip(query.columns, row, strict=True)) for row in rows]

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool, partition: int = 0) -> int:
        """Write the rows of one partition to ``path`` with DuckDB's writer; return the number of rows that it reports.

        ``options`` are those of the format; with ``as_json``, each row becomes one JSON object. Raises
        AttemptInterrupted also if ``interrupt`` was called between two partitions, and RowTooWideError.
        """
        self._raise_if_interrupted()
        sql = self._text(query.sql)
        rows = f"SELECT to_json(shown) FROM (\n{sql}\n) AS shown" if as_json else sql  # noqa: S608
        with translate_errors():
            self._select_partition(partition)
            statement = f"COPY (\n{rows}\n) TO {quote_literal(str(path))} ({options}, USE_TMP_FILE false)"
            result = self._connection.execute(statement, dict(query.values)).fetchone()
        if result is None:
            raise QueryFailed("DuckDB did not return the number of rows that it wrote.")
        return int(result[0])

    def create_table(self, name: str, query: Query, *, divided: bool) -> None:
        """Create a table of the rows of a query, which later queries may name. The table spills.

        If ``divided``, the query runs once for each partition. Raises AttemptInterrupted as ``copy`` does.
        """
        for partition in range(self.partitions if divided else 1):
            self._raise_if_interrupted()
            with translate_errors():
                self._select_partition(partition)
                start = (
                    f"INSERT INTO {quote_identifier(name)}"
                    if partition
                    else f"CREATE TEMP TABLE {quote_identifier(name)} AS"
                )
                self._connection.execute(f"{start}\n{self._text(query.sql)}", dict(query.values))

    def merge_partitions(self) -> None:
        """Continue with one partition that contains all rows, once the partitioned tables have been created."""
        self.divide(1)

    def divide(self, partitions: int) -> None:
        """Divide later queries into so many partitions. Not after ``sort``, whose ranges are the partitions."""
        self.partitions = partitions
        with translate_errors():
            self._select_partitions()

    def sort(self, query: Query, *, range_bytes: int, keep_order: bool = False) -> Query:
        """Sort the rows of a query that has an order. Return a query whose partitions contain the rows in that order.

        The rows of each partition are stored in tables that spill. Each partition of the result is a sort range of at
        most ``range_bytes`` bytes (or one row), and is sorted separately. ``order_bounds`` needs ``keep_order``.
        """
        query = replace(query, sql=self._text(query.sql))
        ranges = ExternalSort(self._connection, check=self._raise_if_interrupted)
        for partition in range(self.partitions):
            with translate_errors():
                self._select_partition(partition)
                ranges.store(query, partition=partition, keep_order=keep_order)
        with translate_errors():
            sorted_query = ranges.divide(query, range_bytes=range_bytes)
            self._external_sort, self.partitions = ranges, len(ranges)
            self._select_partition(0)
        return sorted_query

    def sorted_size(self) -> tuple[int, int]:
        """Return the number of rows that ``sort`` has stored, and their bytes before they are written in a format."""
        return (0, 0) if self._external_sort is None else (self._external_sort.rows, self._external_sort.size)

    def select_rows(self, first: int, number: int) -> None:
        """Restrict the sorted query to ``number`` rows from row ``first`` on, counted from 0, after ``sort``."""
        if self._external_sort is None:
            raise ValueError("the rows are not sorted")
        with translate_errors():
            self._external_sort.select_rows(first, number)
            self.partitions = len(self._external_sort)

    def order_bounds(self) -> tuple[tuple[object, ...], tuple[object, ...]] | None:
        """Return the values of the order in the first and the last row of the sorted query; None if unknown."""
        if self._external_sort is None:
            return None
        with translate_errors():
            return self._external_sort.bounds()

    def types(self, query: Query) -> Sequence[str]:
        """Return DuckDB's type names of the query's columns, in order, without running the query."""
        return [sql_type for _, sql_type in self._types(query)]

    def _types(self, query: Query) -> list[tuple[str, str]]:
        with translate_errors():
            columns = self._connection.execute(f"DESCRIBE\n{self._text(query.sql)}", dict(query.values)).fetchall()
        return [(column[0], column[1]) for column in columns]

    def checked(self, query: Query, *, copies: int) -> Query:
        """Return a query for the same rows that raises RowTooWideError before a vector of rows exceeds the memory.

        ``copies`` is the memory that a writer needs for a vector, as a multiple of the vector's bytes.
        """
        types = self._types(wide_rows.unrendered(query))
        return wide_rows.checked(query, dict(types), self._longest_row(copies))

    def lines(
        self, query: Query, *, csv: CsvOptions | None, copies: int, in_groups: bool = False, partition: int = 0
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of one partition one by one: a line and nulls or, for a wide row, null and its raw cells.

        A line is a CSV record with these options as bytes, or a JSON object if there are none. With ``in_groups``, few
        rows are rendered at a time. Raises RowTooWideError, and AttemptInterrupted as ``copy``.
        """
        types, longest = self.types(query), self._longest_row(copies)

        def encode(query: Query) -> Query:
            return wide_rows.lines(query, types, csv=csv, longest=longest, memory_bytes=self._memory_bytes)

        if in_groups:
            yield from self.stream_in_groups(query, encode, partition=partition)
        else:
            yield from self.stream(encode(query), partition=partition)

    def stream_in_groups(
        self, query: Query, encode: Callable[[Query], Query], *, partition: int = 0
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of ``encode(query)`` for one partition, but render and encode only a few rows at a time.

        Rows may share long texts, such as the name of a queue, and rendering copies a text for each row. A query whose
        rows are stored already rendered runs as it is.
        """
        if query.source is None:
            yield from self.stream(encode(query), partition=partition)
            return
        types = dict(self._types(query.source))
        for group in wide_rows.groups(self.stream(wide_rows.used_columns(query.source), partition=partition)):
            yield from self.evaluate(encode(wide_rows.rendered_group(query, types, group)))

    def raw_rows(self, query: Query, *, as_json: bool, partition: int = 0) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of one partition one by one: null and the raw cells, as ``lines`` does for a wide row.

        Text is raw UTF-8, also in lists; other values are their text or, with ``as_json``, their JSON.
        """
        yield from self.stream(wide_rows.raw_cells(query, self.types(query), as_json=as_json), partition=partition)

    def batches(self, query: Query, *, size: int, partition: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the rows of one partition as Arrow batches of ``size`` rows, the last one smaller.

        A partition without rows has one empty batch, so its types are known. Raises AttemptInterrupted and
        RowTooWideError as ``copy`` does.
        """
        self._raise_if_interrupted()
        with translate_errors():
            self._select_partition(partition)
            reader = self._connection.sql(self._text(query.sql), params=dict(query.values)).to_arrow_reader(size)
        yield from arrow_batches.read(reader)

    @property
    def buffer_bytes(self) -> int:
        """Bytes of rows that a writer may collect before it writes them: an eighth of the memory for all threads."""
        return self._memory_bytes // (8 * self._threads)

    def _longest_row(self, copies: int) -> int:
        return wide_rows.longest_row(self._memory_bytes, threads=self._threads, copies=copies)

    def stream(self, query: Query, *, partition: int = 0) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of one partition one by one. Raises AttemptInterrupted as ``copy`` does."""
        for batch in self._batches(query, partition=partition, size=1):
            yield from batch

    def encoded(self, query: Query, *, partition: int = 0) -> Iterator[Sequence[tuple[bytes, int]]]:
        """Yield the rows of one partition in batches, so that memory never holds the whole result.

        The query has two columns, a BLOB and a number. The text is already encoded, because Python would decode it
        only to encode it again. Raises AttemptInterrupted and RowTooWideError as ``copy`` does.
        """
        return self._batches(query, partition=partition, size=_BATCH_SIZE)

    def _batches(self, query: Query, *, partition: int, size: int) -> Iterator[list[Any]]:
        self._raise_if_interrupted()
        with translate_errors():
            self._select_partition(partition)
            streamed = self._connection.execute(self._text(query.sql), dict(query.values))
        while True:
            with translate_errors():
                batch: list[Any] = streamed.fetchmany(size)
            if not batch:
                return
            yield batch

    def evaluate(self, query: Query) -> list[tuple[Any, ...]]:
        """Return the rows of a small query that reads no table. Rows of another query may be streamed meanwhile."""
        with translate_errors(), self._connection.cursor() as cursor:
            return cursor.execute(query.sql, dict(query.values)).fetchall()

    def _text(self, sql: str) -> str:
        return with_buckets(sql) if self._by_buckets else sql

    def _raise_if_interrupted(self) -> None:
        if self._interrupted.is_set():
            raise AttemptInterrupted("The attempt was interrupted.")

    def _select_partitions(self) -> None:
        self._connection.execute("SET VARIABLE partitions = CAST($number AS UBIGINT)", {"number": self.partitions})

    def _select_partition(self, partition: int) -> None:
        self._connection.execute("SET VARIABLE partition = CAST($partition AS UBIGINT)", {"partition": partition})
        if self._external_sort is not None:
            self._external_sort.select(partition)

    def interrupt(self) -> None:
        """Interrupt the running statement: its call raises AttemptInterrupted, and so does every later ``copy``."""
        self._interrupted.set()
        self._connection.interrupt()

    def close(self) -> None:
        """Close the database and remove its temporary files."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_class: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
