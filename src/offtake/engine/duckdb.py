"""DuckDB as the engine: one private in-memory database per attempt, with its own limits.

Two independent barriers separate tenants in every query, also in those of custom reports. First, the database is locked
once the views exist: it reads only the files of the views and writes only the staging file, and DuckDB refuses every
other path. Second, each view shows only the files in the folders of the session's tenant (``tenant=…/``), whichever
files it is given.

The rows of a file belong to the tenant of its folder; a column ``tenant`` inside the file has no effect. A load refuses
rows of other tenants, and the lake's writer stores the tenant in the path only. The second barrier needs queries that
read nothing but the views, so the catalogue refuses all others (``catalogue/permitted_sql.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb

from offtake.engine import arrow_batches, wide_rows
from offtake.engine.external_sort import ExternalSort
from offtake.errors import (
    AttemptError,
    AttemptInterrupted,
    MemoryExhausted,
    QueryFailed,
    ResourceExhausted,
    StorageUnavailable,
)
from offtake.model.format_options import CsvOptions
from offtake.model.query import Query, RowTooWideError
from offtake.model.view import TableView
from offtake.sql_text import quote_identifier, quote_literal, select_typed

if TYPE_CHECKING:
    import pyarrow as pa

# The first matching row applies. Messages of the driver may quote rows, so these name only the kind of the failure.
_ERRORS: tuple[tuple[type[duckdb.Error], type[AttemptError], str], ...] = (
    (duckdb.InterruptException, AttemptInterrupted, "The query was interrupted."),
    (duckdb.OutOfMemoryException, MemoryExhausted, "The query needs more memory than its limit allows."),
    (duckdb.IOException, StorageUnavailable, "A file of the lake or the staging folder cannot be read or written."),
    (duckdb.HTTPException, StorageUnavailable, "The lake's storage did not answer."),
    (duckdb.Error, QueryFailed, "The report's query failed."),
)
_BATCH_SIZE = 256  # rows held as Python objects; larger batches are not faster, and wide rows take megabytes
_DISK_FULL_TEXTS = ("No space left", "Disk quota")
_TEMPORARY_SPACE_TEXT = "max_temp_directory_size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of one attempt.

    A query with ``fixed_join_sides`` keeps in memory the table of a join that it names last. DuckDB's estimates would
    sometimes choose the other one with its long rows.
    """

    threads: int
    memory_mb: int
    temp_folder: Path
    temp_mb: int
    fixed_join_sides: bool = False


class Session:
    """A locked DuckDB database over one tenant's files. Use as a context manager; any thread may call ``interrupt``.

    Its views show only rows of ``tenant``. A query that calls ``in_partition`` is divided into ``partitions``; ``copy``
    writes one of them.
    """

    def __init__(
        self,
        limits: Limits,
        views: Sequence[TableView],
        *,
        tenant: str,
        writable: Sequence[Path] = (),
        partitions: int = 1,
    ) -> None:
        self.tenant = tenant
        self.partitions = partitions
        self._memory_bytes = limits.memory_mb * 1024 * 1024
        self._threads = limits.threads
        self._interrupted = threading.Event()
        self._external_sort: ExternalSort | None = None  # set by ``sort``; its ranges are then the partitions
        self._connection = duckdb.connect(
            config={
                "threads": limits.threads,
                # The thread that runs the query also writes the file. With separate writer threads, an interrupt can
                # cause a deadlock (DuckDB 2.0: with one thread after four interrupts, with eight once in hundreds).
                "async_threads": 0,
                "memory_limit": f"{limits.memory_mb}MiB",
                "temp_directory": str(limits.temp_folder),
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            }
        )
        try:
            self._prepare(views, writable, limits)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, views: Sequence[TableView], writable: Sequence[Path], limits: Limits) -> None:
        with _translate_errors():
            self._connection.execute("SET TimeZone = 'UTC'")
            # As an option of the connection, DuckDB reports this limit but does not enforce it (1.5 to 2.0).
            self._connection.execute("SET max_temp_directory_size = $size", {"size": f"{limits.temp_mb}MiB"})
            self._connection.execute("SET VARIABLE tenant = $tenant", {"tenant": self.tenant})
            for view in views:
                self._create_view(view)
            # An operator would copy the rows of small vectors together, up to 2,048, in memory that DuckDB does not
            # count (2.0: after two joins, 12 rows of 16 MB take 250 MB beyond the limit).
            self._connection.execute("SET enable_caching_operators = false")
            if limits.fixed_join_sides:
                self._connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
            self._select_partitions()
            allowed = [*(file for view in views for file in view.files), *map(str, writable)]
            self._connection.execute("SET allowed_paths = $paths", {"paths": allowed})
            self._connection.execute("SET enable_external_access = false")
            self._connection.execute("SET lock_configuration = true")

    def _create_view(self, view: TableView) -> None:
        """Create the view of a table: the rows in those of its files that are in the tenant's folders.

        When DuckDB plans a query, it compares the tenant with the names of the files (``tenant=…/``). So it does not
        scan files of another tenant, and the condition costs nothing on the tenant's own files. Hidden columns of the
        files are left out.

        The names of the files are in a variable. In the text of the view, 3,000 names would take 17 MiB more memory,
        and would not be secret either: a query that can read variables can read the texts of views.
        """
        variable = f"files of {view.table}" if view.files else None
        if variable is not None:
            self._connection.execute(f"SET VARIABLE {quote_identifier(variable)} = $files", {"files": list(view.files)})
        rows = select_typed(view.columns, files=variable, condition="tenant = getvariable('tenant')")
        names = ", ".join(quote_identifier(name) for name, _ in view.columns)  # the files have hidden columns, too
        self._connection.execute(f"CREATE TEMP VIEW {quote_identifier(view.table)} AS SELECT {names} FROM ({rows})")  # noqa: S608

    def define(self, sql: str) -> None:
        """Run statements that define macros or views for later queries. They must not contain text from a request."""
        with _translate_errors():
            self._connection.execute(sql)

    def set_variable(self, name: str, value: object) -> None:
        """Set a session variable, which queries read with ``getvariable``."""
        with _translate_errors():
            self._connection.execute(f"SET VARIABLE {quote_identifier(name)} = $value", {"value": value})

    def select_variable(self, name: str, sql: str) -> None:
        """Set a session variable to the single value that a query returns."""
        with _translate_errors():
            self._connection.execute(f"SET VARIABLE {quote_identifier(name)} = (\n{sql}\n)")

    def create_relation(self, name: str, columns: Mapping[str, str], batches: Iterable[Mapping[str, object]]) -> None:
        """Create a table from batches of rows, which spills if it exceeds the memory.

        ``columns`` maps names to DuckDB types. A batch maps each name to the list of its values.
        """
        declared = ", ".join(f"{quote_identifier(column)} {sql_type}" for column, sql_type in columns.items())
        lists = ", ".join(f"unnest(CAST(${column} AS {sql_type}[]))" for column, sql_type in columns.items())
        with _translate_errors():
            self._connection.execute(f"CREATE TEMP TABLE {quote_identifier(name)} ({declared})")
            for batch in batches:
                self._connection.execute(f"INSERT INTO {quote_identifier(name)} SELECT {lists}", dict(batch))

    def rows(self, query: Query, *, partition: int = 0) -> list[dict[str, Any]]:
        """Return all rows of one partition as dicts: for tests and previews, never for an export."""
        with _translate_errors():
            self._select_partition(partition)
            rows = self._connection.execute(query.sql, dict(query.values)).fetchall()
        return [dict(zip(query.columns, row, strict=True)) for row in rows]

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool, partition: int = 0) -> int:
        """Write the rows of one partition to ``path`` with DuckDB's writer; return the number of rows that it reports.

        ``options`` are those of the format; with ``as_json``, each row becomes one JSON object. Raises
        AttemptInterrupted also if ``interrupt`` was called between two partitions, and RowTooWideError.
        """
        self._raise_if_interrupted()
        rows = f"SELECT to_json(shown) FROM (\n{query.sql}\n) AS shown" if as_json else query.sql  # noqa: S608
        with _translate_errors():
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
            with _translate_errors():
                self._select_partition(partition)
                start = (
                    f"INSERT INTO {quote_identifier(name)}"
                    if partition
                    else f"CREATE TEMP TABLE {quote_identifier(name)} AS"
                )
                self._connection.execute(f"{start}\n{query.sql}", dict(query.values))

    def merge_partitions(self) -> None:
        """Continue with one partition that contains all rows, once the partitioned tables have been created."""
        self.divide(1)

    def divide(self, partitions: int) -> None:
        """Divide later queries into so many partitions. Not after ``sort``, whose ranges are the partitions."""
        self.partitions = partitions
        with _translate_errors():
            self._select_partitions()

    def sort(self, query: Query, *, range_bytes: int, keep_order: bool = False) -> Query:
        """Sort the rows of a query that has an order. Return a query whose partitions contain the rows in that order.

        The rows of each partition are stored in tables that spill. Each partition of the result is a sort range of at
        most ``range_bytes`` bytes (or one row), and is sorted separately. ``order_bounds`` needs ``keep_order``.
        """
        ranges = ExternalSort(self._connection, check=self._raise_if_interrupted)
        for partition in range(self.partitions):
            with _translate_errors():
                self._select_partition(partition)
                ranges.store(query, partition=partition, keep_order=keep_order)
        with _translate_errors():
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
        with _translate_errors():
            self._external_sort.select_rows(first, number)
            self.partitions = len(self._external_sort)

    def order_bounds(self) -> tuple[tuple[object, ...], tuple[object, ...]] | None:
        """Return the values of the order in the first and the last row of the sorted query; None if unknown."""
        if self._external_sort is None:
            return None
        with _translate_errors():
            return self._external_sort.bounds()

    def types(self, query: Query) -> Sequence[str]:
        """Return DuckDB's type names of the query's columns, in order, without running the query."""
        return [sql_type for _, sql_type in self._types(query)]

    def _types(self, query: Query) -> list[tuple[str, str]]:
        with _translate_errors():
            columns = self._connection.execute(f"DESCRIBE\n{query.sql}", dict(query.values)).fetchall()
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
        group: list[tuple[Any, ...]] = []
        length = 0
        for row in self.stream(wide_rows.used_columns(query.source), partition=partition):
            group.append(row)
            length += sum(map(wide_rows.value_length, row))
            if length > wide_rows.GROUP_LENGTH:
                yield from self.evaluate(encode(wide_rows.rendered_group(query, types, group)))
                group, length = [], 0
        if group:
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
        with _translate_errors():
            self._select_partition(partition)
            reader = self._connection.sql(query.sql, params=dict(query.values)).to_arrow_reader(size)
        try:
            is_empty = True
            while True:
                with _translate_errors(), arrow_batches.errors_of_the_engine():
                    batch = next(reader, None)
                if batch is None:
                    break
                is_empty = False
                yield batch
            if is_empty:
                yield arrow_batches.empty_batch(reader.schema)
        finally:
            reader.close()  # before the connection's next statement

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
        with _translate_errors():
            self._select_partition(partition)
            streamed = self._connection.execute(query.sql, dict(query.values))
        while True:
            with _translate_errors():
                batch: list[Any] = streamed.fetchmany(size)
            if not batch:
                return
            yield batch

    def evaluate(self, query: Query) -> list[tuple[Any, ...]]:
        """Return the rows of a small query that reads no table. Rows of another query may be streamed meanwhile."""
        with _translate_errors(), self._connection.cursor() as cursor:
            return cursor.execute(query.sql, dict(query.values)).fetchall()

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


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise an AttemptError in place of an error of the driver, which becomes its cause."""
    try:
        yield
    except duckdb.Error as error:
        if wide_rows.is_too_wide(error):
            raise RowTooWideError from None
        if any(text in str(error) for text in _DISK_FULL_TEXTS):
            raise ResourceExhausted("There is no space left to write to.") from error
        if _TEMPORARY_SPACE_TEXT in str(error):
            message = "The query needs more temporary space than its limit allows."
            raise MemoryExhausted(message, is_temporary_space=True) from error
        error_class, message = next(
            (error_class, message) for caught, error_class, message in _ERRORS if isinstance(error, caught)
        )
        raise error_class(message) from error
