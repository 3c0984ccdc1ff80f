"""What a reader yields: the columns of a file and how SQL reads its rows.

A reader knows nothing of the table that the rows go to. A mapping asks a ``Source`` for the columns that it needs, and
gets the SQL of each and its kind; then it asks for the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from offtake.lake.ingest.chunks import Chunk
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.staging import Staging
from offtake.sql_text import quote_identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderOptions:
    """How to read files, where their names and contents do not tell it. A reader ignores what does not concern it."""

    delimiter: str | None = None  # one ASCII character; None: a comma, or a tab in .tsv
    quote: str = '"'  # one ASCII character, or empty if the file has no quotes
    encoding: str | None = None  # of text; None: UTF-8
    header: tuple[str, ...] | None = None  # names of the columns of a file without a header line; None: it has one
    sheet: str | None = None  # of a workbook; None: its only one
    records: str | None = None  # path of keys to the array of records in a JSON file; None: the whole file
    query: str | None = field(default=None, repr=False)  # of a database


class SourceKind(Enum):
    """How the values of a source column are encoded."""

    TEXT = "text"
    JSON = "JSON"
    TYPED = "typed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceValue:
    """One column of a source, as SQL over the rows of a chunk; null means that there is no value."""

    name: str
    kind: SourceKind
    sql: str  # the text of a text or JSON value, or the typed value
    json: str = ""  # SQL of the JSON value, of the kind JSON
    duckdb_type: str = "VARCHAR"  # of ``sql``


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a mapping reads of a source.

    ``columns`` are names that ``Source.column`` accepted. If rows have keys of their own and ``permitted`` is not None,
    a row with another key is faulty. ``long`` are the keys whose texts may be taken out of a row (``long_values.py``).
    """

    columns: Sequence[str]
    permitted: Collection[str] | None = None
    long: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """The rows of a source. SQL refers to ``$path``, a chunk, and ``$size``, the bytes of its longest record."""

    chunks: Callable[[], Iterator[Chunk]]
    relation: str  # SELECT of a chunk's rows
    raw: str  # the row as JSON text, for the reject file
    row_fault: str = "NULL"  # why a row as a whole cannot be read, or NULL
    unknown_keys: str | None = None  # the list of a row's keys that are not permitted, or NULL
    engine_names: Mapping[str, str] = field(default_factory=dict)  # name of each column by that in ``relation``


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One open input; ``path`` is its name in messages."""

    path: str
    form: SourceFormat
    names: tuple[str, ...] | None  # of the columns, in order; None if each row has keys of its own
    column: Callable[[str], SourceValue | None]  # None if the source has no such column
    rows: Callable[[Wanted], SourceRows]
    location: str  # of the names of the columns


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFormat:
    """A format that ``load`` accepts, recognised by the suffix of a file's name before that of its compression."""

    name: str
    suffixes: tuple[str, ...]  # none: what is no file
    open: Callable[[Staging, InputFile, ReaderOptions], Source]
    reports_broken_records: bool = False  # the engine lists the records that it cannot parse (``csv.BROKEN``)
    has_lines: bool = True  # a row is located by its line, otherwise by its number


def typed_value(name: str, sql: str, duckdb_type: str) -> SourceValue:
    """Return the column of a typed source. Text is parsed as that of CSV, and JSON values count as their text."""
    if duckdb_type == "VARCHAR":
        return SourceValue(name=name, kind=SourceKind.TEXT, sql=sql)
    if duckdb_type == "JSON":
        return SourceValue(name=name, kind=SourceKind.TEXT, sql=f"CAST({sql} AS VARCHAR)")
    return SourceValue(name=name, kind=SourceKind.TYPED, sql=sql, duckdb_type=duckdb_type)


def row_as_json(columns: Sequence[tuple[str, str]]) -> str:
    """Return SQL for the raw row as JSON, every value as text, for the reject file: name and SQL of each column.

    DuckDB compares names without regard to case, so a name that occurs again gets its number.
    """
    seen: set[str] = set()
    fields = []
    for number, (name, sql) in enumerate(columns, start=1):
        label = name if name and name.lower() not in seen else f"{name or 'column'} ({number})"
        seen.add(label.lower())
        fields.append(f"{quote_identifier(label)} := CAST({sql} AS VARCHAR)")
    return f"CAST(to_json(struct_pack({', '.join(fields)})) AS VARCHAR)"
