"""The column of a change feed that tells which rows are to be deleted."""

from __future__ import annotations

from dataclasses import replace

from offtake.errors import LakeError
from offtake.lake.ingest.readers.source import Source, SourceRows, Wanted
from offtake.sql_text import quote_literal
from offtake.toml_reader import nearest

DELETE_WORDS = ("true", "t", "yes", "y", "1", "d", "delete", "deleted")
KEEP_WORDS = ("", "false", "f", "no", "n", "0", "c", "create", "i", "insert", "u", "update", "upsert", "r", "read")
_REASON = (
    "the value of {name} is neither a word for a row to delete (true, D, delete) nor for another one (false, I, U, or "
    "no value)"
)


def separate_marks(source: Source, name: str) -> tuple[Source, str]:
    """Return the source without the column ``name``, and SQL: whether the column marks a row for deletion.

    A row with another word is faulty. Raises LakeError if the source has no such column.
    """
    value = source.column(name)
    if value is None:
        hint = "." if source.names is None else f"; {nearest(name, source.names, introduction='it has')}"
        raise LakeError(f"{source.location}: there is no column {name!r}, which --delete-column names{hint}")
    word = f"lower(trim(coalesce(CAST({value.sql} AS VARCHAR), '')))"
    known_words = ", ".join(quote_literal(each) for each in (*DELETE_WORDS, *KEEP_WORDS))
    fault = f"CASE WHEN {word} NOT IN ({known_words}) THEN {quote_literal(_REASON.format(name=name))} END"

    def rows(wanted: Wanted) -> SourceRows:
        permitted = None if wanted.permitted is None else [*wanted.permitted, name]
        found = source.rows(replace(wanted, columns=[*wanted.columns, name], permitted=permitted))
        return replace(found, row_fault=f"coalesce({found.row_fault}, {fault})")

    names = None if source.names is None else tuple(each for each in source.names if each != name)
    marked = f"{word} IN ({', '.join(quote_literal(each) for each in DELETE_WORDS)})"
    return replace(source, names=names, rows=rows), marked
