"""Tables of any columns and values, as queries for the tests of formats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hypothesis import strategies as st

from offtake.engine.duckdb import Session
from offtake.formats import Format
from offtake.model.layout import Framing
from offtake.model.query import Query, RowTooWideError
from offtake.sql_text import quote_identifier
from tests.strategies import texts

Value = str | int | float | bool | datetime | list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Named and typed columns, and rows of values."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def query(self, *, empty_text_is_null: bool) -> Query:
        """A SELECT of these rows, every value bound."""
        shown = (self._cell(index, empty_text_is_null) for index in range(len(self.names)))
        columns = [[row[index] for row in self.rows] for index in range(len(self.types))]
        lists = (f"unnest(CAST($v{index} AS {sql_type}[])) AS c{index}" for index, sql_type in enumerate(self.types))
        values = {f"v{index}": column for index, column in enumerate(columns)}
        source = Query(
            sql=f"SELECT {', '.join(lists)}",
            values=values,
            columns=tuple(f"c{index}" for index in range(len(self.names))),
        )
        sql = f"SELECT {', '.join(shown)} FROM ({source.sql})"
        return Query(sql=sql, values=values, columns=self.names, source=source)

    def _cell(self, index: int, empty_text_is_null: bool) -> str:
        as_null = empty_text_is_null and self.types[index] == "VARCHAR"
        value = f"nullif(c{index}, '')" if as_null else f"c{index}"
        return f"{value} AS {quote_identifier(self.names[index])}"


def names() -> st.SearchStrategy[str]:
    """Names of columns: never empty, but with dots, question marks and other scripts, as in the catalogue."""
    return st.sampled_from(("call_id", "in_business_hours?", "a.b", "it's", 'the "name"', "a,b", "Žluťoučký")) | texts(
        max_size=4
    ).filter(bool)


def staged(session: Session) -> Path:
    """The file that the session may write; the second writable path is for its partitions."""
    (found,) = session.rows(
        Query(sql="SELECT list_sort(current_setting('allowed_paths'))[1]", values={}, columns=("path",))
    )
    return Path(str(found["path"]))


def write(file_format: Format, session: Session, query: Query, path: Path, framing: Framing) -> int:
    """Write a file as an attempt does: with the first writer that accepts the widest row; returns the rows."""
    for writer in (file_format.write, *file_format.write_wide):
        try:
            return writer(session, query, path, framing=framing)
        except RowTooWideError:
            continue
    raise AssertionError("no writer accepts the widest row")
