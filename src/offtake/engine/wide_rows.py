"""Wide rows: their detection while the engine encodes rows, and queries that leave their encoding to the format.

The engine encodes up to 2,048 rows at a time, and ``to_json`` needs about twelve times their text (DuckDB 2.0).
Therefore a fast writer runs over a query with a check, which fails at the first row that is too wide for it. The format
then writes the file again, one row at a time: from lines, where the engine encodes all rows but the wide ones, or from
raw cells, where it encodes none, because even one copy of a row may exceed the memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from offtake.engine.row_length import is_fixed_size, row_length
from offtake.model.format_options import CsvOptions
from offtake.model.query import Query
from offtake.sql_text import quote_identifier, quote_literal

VECTOR_ROWS = 2_048  # rows that DuckDB processes at a time
GROUP_LENGTH = 2 * 1024 * 1024  # characters of rows that are rendered at a time
_PARAMETER = re.compile(r"\$([a-z_0-9]+)\b")
_ROW_SHARE = 32  # of the memory that a row in ``lines`` may have, because it is copied twice
_MARK = "a row is wider than the fast writer accepts"


def longest_row(memory_bytes: int, *, threads: int, copies: int) -> int:
    """Return how many bytes a row may have, so that one vector per thread takes at most half of the memory.

    ``copies`` is the memory that a writer needs for a vector, as a multiple of the vector's bytes.
    """
    return memory_bytes // (2 * threads * VECTOR_ROWS * copies)


def checked(query: Query, types: Mapping[str, str], longest: int) -> Query:
    """Return a query for the same rows that fails if a row has more than ``longest`` bytes before it is rendered.

    ``types`` are those of the columns of ``unrendered(query)`` by name.
    """
    source = unrendered(query)
    names = [quote_identifier(name) for name in source.columns]
    length = row_length(names, [types[name] for name in source.columns])
    first = f"{_unless_wide(length, longest, names[0])} AS {names[0]}"
    # The text contains identifiers and the report's query; values of the request are bound.
    sql = f"SELECT {', '.join([first, *names[1:]])} FROM (\n{source.sql}\n)"  # noqa: S608
    return _with_source(query, sql)


def unrendered(query: Query) -> Query:
    """Return the query for the rows before they are rendered."""
    return query.source or query


def used_columns(source: Query) -> Query:
    """Return a query for the columns of the rows that their rendering uses."""
    columns = ", ".join(quote_identifier(name) for name in source.columns)
    return replace(source, sql=f"SELECT {columns} FROM (\n{source.sql}\n)")  # noqa: S608


def rendered_group(query: Query, types: Mapping[str, str], rows: Sequence[Sequence[object]]) -> Query:
    """Return a query that renders these rows of ``used_columns(query.source)``, all of them bound."""
    source = unrendered(query)
    lists = {f"column_{number}": [row[number] for row in rows] for number in range(len(source.columns))}
    columns = (
        f"unnest(CAST(${parameter} AS {types[name]}[])) AS {quote_identifier(name)}"
        for parameter, name in zip(lists, source.columns, strict=True)
    )
    rendered = _with_source(query, f"SELECT {', '.join(columns)}")
    used = set(_PARAMETER.findall(rendered.sql))  # DuckDB rejects values that the text does not name
    values = {name: value for name, value in query.values.items() if name in used}
    return replace(rendered, values={**values, **lists})


def groups(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows in groups of about ``GROUP_LENGTH`` characters."""
    group: list[tuple[Any, ...]] = []
    length = 0
    for row in rows:
        group.append(row)
        length += sum(map(value_length, row))
        if length > GROUP_LENGTH:
            yield group
            group, length = [], 0
    if group:
        yield group


def value_length(value: object) -> int:
    """Return the characters or bytes of a value that a row holds; 16 if it has a fixed size."""
    if isinstance(value, list):
        return 16 + sum(map(value_length, value))
    return 16 + (len(value) if isinstance(value, str | bytes) else 0)


def _with_source(query: Query, sql: str) -> Query:
    """Return the query over other SQL for its rows before they are rendered."""
    if query.source is None:
        return replace(query, sql=sql)
    source = replace(query.source, sql=sql)
    return replace(query, sql=query.sql.replace(query.source.sql, sql, 1), source=source)


def _unless_wide(length: str, longest: int, value: str) -> str:
    return f"CASE WHEN {length} > {longest} THEN error({quote_literal(_MARK)}) ELSE {value} END"


def is_too_wide(error: Exception) -> bool:
    """Return whether a checked query failed because of a wide row."""
    return _MARK in str(error)


def lines(query: Query, types: Sequence[str], *, csv: CsvOptions | None, longest: int, memory_bytes: int) -> Query:
    """Return a query for the same rows: each as a line, or as null and its raw cells if it exceeds ``longest`` bytes.

    A line is the row as bytes: a CSV record with these options without its line end, or a JSON object if there are
    none. The cells of other rows are null.
    The query fails if a row is too wide to be copied.
    """
    columns = [f"shown.{quote_identifier(name)}" for name in query.columns]
    encode = "to_json(shown)" if csv is None else _csv_record(columns, types, csv)
    line = f"CASE WHEN length <= {longest} THEN encode(CAST({encode} AS VARCHAR)) END"
    cells = ", ".join(
        f"CASE WHEN length > {longest} THEN {_raw_cell(column, sql_type, csv is None)} END"
        for column, sql_type in zip(columns, types, strict=True)
    )
    sql = (
        f"SELECT {_unless_wide('length', memory_bytes // _ROW_SHARE, line)}, {cells}\n"  # noqa: S608
        f"FROM (SELECT shown, {row_length(columns, types)} AS length FROM (\n{query.sql}\n) AS shown)"
    )
    return Query(sql=sql, values=query.values, columns=("line", *query.columns))


def _csv_record(columns: Sequence[str], types: Sequence[str], csv: CsvOptions) -> str:
    """Return the SQL for a CSV record that equals the one of COPY, except for its line end."""
    fields = (_csv_field(column, sql_type, csv) for column, sql_type in zip(columns, types, strict=True))
    return f"concat({f', {quote_literal(csv.delimiter)}, '.join(fields)})"


def _csv_field(column: str, sql_type: str, csv: CsvOptions) -> str:
    text = column if sql_type == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    field = text
    if not is_fixed_size(sql_type):
        quote = quote_literal(csv.quote)
        quoted = f"concat({quote}, replace({text}, {quote}, {quote_literal(csv.quote * 2)}), {quote})"
        marks = quote_literal(f"[{re.escape(csv.delimiter)}{csv.quote}\\r\\n]")
        is_null_word = f"{text} = {quote_literal(csv.null)}"
        field = f"CASE WHEN {is_null_word} OR regexp_matches({text}, {marks}) THEN {quoted} ELSE {text} END"
    return f"coalesce({field}, {quote_literal(csv.null)})" if csv.null else field


def raw_cells(query: Query, types: Sequence[str], *, as_json: bool) -> Query:
    """Return a query for the same rows: null, then the values as bytes, lists of bytes, or null.

    Text, also in lists, is raw UTF-8, because encoding it would copy it; other values are their text, or their JSON.
    """
    aliases = [f"c{number}" for number in range(len(types))]
    cells = ", ".join(_raw_cell(alias, sql_type, as_json) for alias, sql_type in zip(aliases, types, strict=True))
    sql = f"SELECT NULL, {cells} FROM (\n{query.sql}\n) AS shown ({', '.join(aliases)})"  # noqa: S608
    return Query(sql=sql, values=query.values, columns=("line", *query.columns))


def _raw_cell(column: str, sql_type: str, as_json: bool) -> str:
    if sql_type == "VARCHAR":
        return f"encode({column})"
    if sql_type == "VARCHAR[]" and as_json:
        return f"list_transform({column}, lambda item: encode(item))"
    return f"encode(CAST({f'to_json({column})' if as_json else column} AS VARCHAR))"
