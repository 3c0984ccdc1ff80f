"""The draft of ``[rows]``: hints for keys that have no value or occur several times in the sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from offtake.lake.ingest.mapping.draft.content import NULL_WORDS, ColumnContent, notation_of
from offtake.lake.ingest.mapping.draft.match import Match
from offtake.lake.ingest.mapping.draft.sample import Sample
from offtake.lake.tables import Table
from offtake.model.column_type import ColumnType
from offtake.sql_text import quote_identifier, quote_literal


@dataclass(frozen=True, slots=True, kw_only=True)
class RowHint:
    """A line of ``[rows]`` to consider: the reason, and an expression if the key has one."""

    reason: str
    key: str
    value: str


def row_hints(
    table: Table, sample: Sample, found: Mapping[str, Match], contents: Mapping[str, ColumnContent]
) -> Iterator[RowHint]:
    """Yield the hints. A table whose key is not found in the file has none."""
    if any(name not in found for name in table.key):
        return
    sources = [found[name].source for name in table.key]
    rows = list(zip(*([_given(text) for text in sample.columns[name]] for name in sources), strict=True))
    names, total = ", ".join(table.key), f"{len(rows):,} rows of the sample"
    without = sum(None in row for row in rows)
    if without:
        reason = f"{without:,} of {total} have no value in the key ({names}) and are rejected, unless"
        words = [word for name in sources for word in contents[name].null_words]
        yield RowHint(reason=reason, key="filter", value=_has_values(sources, words))
    repeated = sum(count - 1 for row, count in Counter(rows).items() if None not in row)
    if repeated:
        event = found.get(table.event_time or "")
        reason = f"{repeated:,} of {total} repeat a key ({names}); the last row is stored, unless"
        yield RowHint(reason=reason, key="keep", value="first")
        if event is not None:
            reason = "or unless an expression sorts the rows of a key, such as"
            yield RowHint(reason=reason, key="by", value=_sortable(event.source, contents[event.source]))


def _given(text: str | None) -> str | None:
    value = (text or "").strip()
    return None if not value or value.lower() in NULL_WORDS else value


def _has_values(sources: list[str], words: list[str]) -> str:
    refused = ", ".join(quote_literal(word) for word in dict.fromkeys(["", *words]))
    return " AND ".join(f"trim(CAST({quote_identifier(name)} AS VARCHAR)) NOT IN ({refused})" for name in sources)


def _sortable(source: str, content: ColumnContent) -> str:
    time = str((notation_of(content, ColumnType.INSTANT) or {}).get("time", ""))
    column = quote_identifier(source)
    return f"strptime({column}, {quote_literal(time)})" if "%" in time else column
