"""DuckDB as the engine: one private in-memory database per attempt, with its own limits.

Two independent barriers separate tenants, and both hold for every query, a custom report's included. After the views
are made the database is locked: it reads the files named by the views, writes the one staging file, and DuckDB refuses
every other path. And each view shows the rows of the session's tenant only, whatever its files hold.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from offtake.engine.external_sort import ExternalSort
from offtake.errors import AttemptError, AttemptInterrupted, QueryFailed, ResourceExhausted, StorageUnavailable
from offtake.model.query import Query
from offtake.model.view import TableView
from offtake.sql_text import quote_identifier, quote_literal, select_typed

# The first row that fits decides. Texts of the driver may quote rows, so ours say only what kind of thing happened.
_ERRORS: tuple[tuple[type[duckdb.Error], type[AttemptError], str], ...] = (
    (duckdb.InterruptException, AttemptInterrupted, "The query was interrupted."),
    (duckdb.OutOfMemoryException, ResourceExhausted, "The query needs more memory or temporary space than it may use."),
    (duckdb.IOException, StorageUnavailable, "A file of the lake or the staging folder cannot be read or written."),
    (duckdb.HTTPException, StorageUnavailable, "The lake's storage did not answer."),
    (duckdb.Error, QueryFailed, "The report's query failed."),
)
_BATCH = 256  # rows that are Python objects at a time; more are not faster, and wide rows are megabytes
_NO_SPACE = ("No space left", "max_temp_directory_size", "Disk quota")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one attempt may use."""

    threads: int
    memory_mb: int
    temp_folder: Path
    temp_mb: int


class Session:
    """A locked DuckDB database over one tenant's files. Use as a context manager; ``interrupt`` from any thread.

    It shows rows of ``tenant`` only. ``partitions`` is the number of partitions of a query that calls ``in_partition``;
    ``copy`` writes one of them.
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
        self._interrupted = threading.Event()
        self._external_sort: ExternalSort | None = None  # what parts are once rows have been sorted
        self._connection = duckdb.connect(
            config={
                # What a join or a group must at least hold, every thread holds: a query so large that it is made in
                # parts has no memory left for a second one (DuckDB 2.0: two threads fail in 256 MiB where one fits).
                "threads": limits.threads if partitions == 1 else 1,
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
            self._prepare(views, writable, temp_mb=limits.temp_mb)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, views: Sequence[TableView], writable: Sequence[Path], *, temp_mb: int) -> None:
        with _as_ours():
            self._connection.execute("SET TimeZone = 'UTC'")
            # Given when connecting, this limit is shown as set but not obeyed (DuckDB 1.5 to 2.0).
            self._connection.execute("SET max_temp_directory_size = $size", {"size": f"{temp_mb}MiB"})
            self._connection.execute("SET VARIABLE tenant = $tenant", {"tenant": self.tenant})
            for view in views:
                self._expose(view)
            if self.partitions > 1:
                # A part fits when the side that a query names second is kept, as its author meant. From what DuckDB
                # guesses of a part it would at times keep the long rows of the other side.
                self._connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
            self._connection.execute(
                "SET VARIABLE partitions = CAST($partitions AS UBIGINT)", {"partitions": self.partitions}
            )
            allowed = [*(file for view in views for file in view.files), *map(str, writable)]
            self._connection.execute("SET allowed_paths = $paths", {"paths": allowed})
            self._connection.execute("SET enable_external_access = false")
            self._connection.execute("SET lock_configuration = true")

    def _expose(self, view: TableView) -> None:
        """Make the view of a table: the rows of the tenant in its files.

        DuckDB applies the tenant to the names of the files (``tenant=…/``) while it plans: it does not scan another
        tenant's file, and the condition costs nothing on the tenant's own.
        """
        files = f"files of {view.table}" if view.files else None
        if files is not None:
            self._connection.execute(f"SET VARIABLE {quote_identifier(files)} = $files", {"files": list(view.files)})
        rows = select_typed(view.columns, files=files, condition="tenant = getvariable('tenant')")
        self._connection.execute(f"CREATE TEMP VIEW {quote_identifier(view.table)} AS {rows}")

    def define(self, sql: str) -> None:
        """Run statements that define macros or views for later queries. They must not contain text of a caller."""
        with _as_ours():
            self._connection.execute(sql)

    def set_variable(self, name: str, value: object) -> None:
        """Set a session variable, which queries read with ``getvariable``."""
        with _as_ours():
            self._connection.execute(f"SET VARIABLE {quote_identifier(name)} = $value", {"value": value})

    def select_variable(self, name: str, sql: str) -> None:
        """Set a session variable to the single value that a query returns."""
        with _as_ours():
            self._connection.execute(f"SET VARIABLE {quote_identifier(name)} = (\n{sql}\n)")

    def create_relation(self, name: str, columns: Mapping[str, str], batches: Iterable[Mapping[str, object]]) -> None:
        """Create a table from batches of rows; the engine spills it if it exceeds the memory.

        ``columns`` maps names to DuckDB types. A batch maps each name to the list of its values.
        """
        declared = ", ".join(f"{quote_identifier(column)} {kind}" for column, kind in columns.items())
        lists = ", ".join(f"unnest(CAST(${column} AS {kind}[]))" for column, kind in columns.items())
        with _as_ours():
            self._connection.execute(f"CREATE TEMP TABLE {quote_identifier(name)} ({declared})")
            for batch in batches:
                self._connection.execute(f"INSERT INTO {quote_identifier(name)} SELECT {lists}", dict(batch))

    def rows(self, query: Query, *, partition: int = 0) -> list[dict[str, Any]]:
        """All rows of one part as dicts: for tests and previews, never for an export."""
        with _as_ours():
            self._choose(partition)
            found = self._connection.execute(query.sql, dict(query.values)).fetchall()
        return [dict(zip(query.columns, row, strict=True)) for row in found]

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool, partition: int = 0) -> int:
        """Write the rows of one part to ``path`` with DuckDB's own writer and return how many it says it wrote.

        ``options`` is text of a format, ``as_json`` makes one JSON object of each row. Raises AttemptInterrupted when
        the session was interrupted before, so that no interrupt is lost between two parts.
        """
        self._check()
        rows = f"SELECT to_json(shown) FROM (\n{query.sql}\n) AS shown" if as_json else query.sql  # noqa: S608
        with _as_ours():
            self._choose(partition)
            statement = f"COPY (\n{rows}\n) TO {quote_literal(str(path))} ({options}, USE_TMP_FILE false)"
            found = self._connection.execute(statement, dict(query.values)).fetchone()
        if found is None:
            raise QueryFailed("The writer did not say how many rows it wrote.")
        return int(found[0])

    def create_table(self, name: str, query: Query, *, divided: bool) -> None:
        """Make a table of the rows of a query, part by part if it is divided, that later queries may name. It spills.

        Raises AttemptInterrupted as ``copy`` does.
        """
        for partition in range(self.partitions if divided else 1):
            self._check()
            with _as_ours():
                self._choose(partition)
                start = (
                    f"INSERT INTO {quote_identifier(name)}"
                    if partition
                    else f"CREATE TEMP TABLE {quote_identifier(name)} AS"
                )
                self._connection.execute(f"{start}\n{query.sql}", dict(query.values))

    def merge_partitions(self) -> None:
        """What had to be made in parts is kept; from now on there is one, which has everything."""
        self.partitions = 1
        with _as_ours():
            self._connection.execute("SET VARIABLE partitions = CAST(1 AS UBIGINT)")

    def sort(self, query: Query, *, range_bytes: int) -> Query:
        """Sort the rows of a query that has an order. Return a query whose partitions contain them in that order.

        The rows are stored partition by partition in tables that spill. Each partition of the result is a sort range of
        at most ``range_bytes`` bytes (or one row), sorted alone.
        """
        ranges = ExternalSort(self._connection, check=self._check)
        for partition in range(self.partitions):
            with _as_ours():
                self._choose(partition)
                ranges.keep(query, partition=partition)
        with _as_ours():
            in_order = ranges.cut(query, room=range_bytes)
            self._external_sort, self.partitions = ranges, len(ranges)
            self._choose(0)
        return in_order

    def types(self, query: Query) -> Sequence[str]:
        """DuckDB's names of the types of the query's columns, in order; nothing is run."""
        with _as_ours():
            found = self._connection.execute(f"DESCRIBE\n{query.sql}", dict(query.values)).fetchall()
        return [row[1] for row in found]

    def encoded(self, query: Query, *, partition: int = 0) -> Iterator[Sequence[tuple[bytes, int]]]:
        """The rows of one part of a query of two columns, a BLOB and a number, in batches; the result is never held as
        a whole. Raises AttemptInterrupted as ``copy`` does.

        Bytes and not text: Python would decode it only to encode it again.
        """
        self._check()
        with _as_ours():
            self._choose(partition)
            streamed = self._connection.execute(query.sql, dict(query.values))
        while True:
            with _as_ours():
                batch: list[tuple[bytes, int]] = streamed.fetchmany(_BATCH)
            if not batch:
                return
            yield batch

    def _check(self) -> None:
        if self._interrupted.is_set():
            raise AttemptInterrupted("The attempt was asked to stop.")

    def _choose(self, partition: int) -> None:
        self._connection.execute("SET VARIABLE partition = CAST($partition AS UBIGINT)", {"partition": partition})
        if self._external_sort is not None:
            self._external_sort.choose(partition)

    def interrupt(self) -> None:
        """Stop whatever runs; the running call raises AttemptInterrupted, and so does every later ``copy``."""
        self._interrupted.set()
        self._connection.interrupt()

    def close(self) -> None:
        """Close the database; temporary files go with it."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def _as_ours() -> Iterator[None]:
    """The one seam where the driver's errors become ours, the cause kept."""
    try:
        yield
    except duckdb.Error as error:
        if any(sign in str(error) for sign in _NO_SPACE):
            raise ResourceExhausted("There is no space left to write to.") from error
        ours, message = next((ours, message) for theirs, ours, message in _ERRORS if isinstance(error, theirs))
        raise ours(message) from error
