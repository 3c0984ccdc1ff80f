"""Statements of one row that every poll executes, on the connection of the driver.

The engine's overhead for a statement is several times as large as the statement of a point read.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
from sqlalchemy import ColumnElement, Connection, Dialect, FromClause, select
from sqlalchemy.exc import DBAPIError

Convert = Callable[[Any], Any] | None


class PointRead:
    """A SELECT of at most one row, compiled once for each kind of database.

    Its columns are given in parts, whose names need to be unique within a part only. Each part becomes a named tuple.
    """

    def __init__(
        self, *parts: Iterable[ColumnElement[Any]], source: FromClause, where: Sequence[ColumnElement[bool]]
    ) -> None:
        self._parts = [tuple(part) for part in parts]
        columns = [column for part in self._parts for column in part]
        self._statement = select(*columns).select_from(source).where(*where)
        self._compiled: dict[str, _Compiled] = {}

    def first(self, connection: Connection, values: dict[str, Any]) -> list[Any] | None:
        """Return the parts of the row, or None without one. Raises DBAPIError."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._statement, self._parts, dialect)
        return compiled.first(connection, values)


class _Compiled:
    """A statement in the words of a database, with the conversions of its values."""

    def __init__(self, statement: Any, parts: Sequence[tuple[ColumnElement[Any], ...]], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._positions: Sequence[str] | None = compiled.positiontup
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        types = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
        bound = {name: type_.bind_processor(dialect) for name, type_ in types.items()}
        self._bound = {name: convert for name, convert in bound.items() if convert is not None}
        for name in self._bound.keys() & self._constants.keys():
            self._constants[name] = self._bound[name](self._constants[name])
        self._parts = []
        first = 0
        for part in parts:
            row = namedtuple("Row", [column.name for column in part])  # type: ignore[misc]
            self._parts.append((row._make, slice(first, first + len(part))))
            first += len(part)
        columns = [column for part in parts for column in part]
        results = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._results: list[tuple[int, Callable[[Any], Any]]] = [
            (number, convert) for number, convert in enumerate(results) if convert is not None
        ]

    def first(self, connection: Connection, values: dict[str, Any]) -> list[Any] | None:
        sent = self._constants | values
        for name, convert in self._bound.items():
            if name in values:
                sent[name] = convert(values[name])
        row = self._fetch(connection, sent if self._positions is None else [sent[name] for name in self._positions])
        if row is None:
            return None
        read = list(row)
        for number, convert in self._results:
            if read[number] is not None:
                read[number] = convert(read[number])
        return [make(read[part]) for make, part in self._parts]

    def _fetch(self, connection: Connection, sent: Any) -> Any:
        driver: Any = connection.connection.driver_connection
        try:
            return driver.execute(self._sql, sent).fetchone()
        except (sqlite3.Error, psycopg.Error) as error:
            dialect, base = connection.dialect, sqlite3.Error if isinstance(error, sqlite3.Error) else psycopg.Error
            is_lost = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
            if is_lost:
                connection.invalidate(error)
            raise DBAPIError.instance(
                self._sql, None, error, base, hide_parameters=True, connection_invalidated=is_lost, dialect=dialect
            ) from error
