"""Long text values of NDJSON, which do not pass through the engine's JSON functions.

These need about fifty times the length of a value in memory. A long value is therefore taken out of its line before
the engine reads it, decoded here, and put into the staged row. In between, a token stands for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

import duckdb

from offtake.lake.ingest.incoming import ARRIVING
from offtake.lake.tables import Table
from offtake.model.column_type import ColumnType
from offtake.sql_text import quote_identifier

LONG_BYTES = 1024 * 1024
_KEY = re.compile(rb'"(\w{1,64})"[ \t]*:[ \t]*\Z')
_KEY_BYTES = 256  # at most before a value: its key and blanks


@dataclass(frozen=True, slots=True, kw_only=True)
class LongValue:
    """A value that was taken out of a line: ``literal`` is its JSON text, ``token`` stands for it."""

    key: str
    token: str
    literal: bytes


def long_columns(table: Table) -> frozenset[str]:
    """Return the columns whose texts may be long: those for which the model has no rule beyond the type."""
    return frozenset(
        column.name
        for column in table.columns
        if column.type in {ColumnType.TEXT, ColumnType.ID} and not (column.values or column.matches or column.syntax)
    )


def take_out(line: bytes, keys: Collection[str]) -> tuple[bytes, list[LongValue]]:
    """Return the line with tokens in place of the long values of these keys, and the values.

    A value that is not valid JSON text stays, and the engine reports it.
    """
    kept: list[bytes] = []
    values: list[LongValue] = []
    start = 0
    for first, end in _long_strings(line):
        key = _KEY.search(line, max(start, first - _KEY_BYTES), first)
        literal = line[first:end]
        if key is None or key[1].decode("ascii", errors="replace") not in keys or _decoded(literal) is None:
            continue
        value = LongValue(key=key[1].decode(), token=f"long value {uuid4()}", literal=literal)
        kept += [line[start:first], json.dumps(value.token).encode()]
        values.append(value)
        start = end
    return b"".join([*kept, line[start:]]), values


def put_back(connection: duckdb.DuckDBPyConnection, values: Sequence[LongValue], columns: Mapping[str, str]) -> None:
    """Put the decoded values into the staged rows; ``columns`` are those of the table, by key of the source."""
    for value in values:
        column = quote_identifier(columns[value.key])
        connection.execute(
            f"UPDATE {ARRIVING} SET {column} = $text WHERE {column} = $token",  # noqa: S608
            {"text": _decoded(value.literal), "token": value.token},
        )


def restore(text: str, values: Sequence[LongValue]) -> str:
    """Return the text of a line, or a part of it, with the values in place of their tokens."""
    for value in values:
        if value.token in text:
            text = text.replace(json.dumps(value.token), value.literal.decode("utf-8", errors="replace"))
    return text


def _long_strings(line: bytes) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each string literal of more than ``LONG_BYTES``, with its quotes."""
    first = line.find(b'"')
    while first >= 0:
        last = line.find(b'"', first + 1)
        while last >= 0 and _is_escaped(line, last):
            last = line.find(b'"', last + 1)
        if last < 0:
            return
        if last - first > LONG_BYTES:
            yield first, last + 1
        first = line.find(b'"', last + 1)


def _is_escaped(line: bytes, position: int) -> bool:
    """Return whether an odd number of backslashes precedes the position."""
    start = position
    while line[start - 1 : start] == b"\\":
        start -= 1
    return (position - start) % 2 == 1


def _decoded(literal: bytes) -> str | None:
    try:
        text = str(json.loads(literal))
        text.encode()  # refuses a lone surrogate
    except ValueError:
        return None
    return text
