"""A source whose columns are mapped to those of a table: what the validation of rows works with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from offtake.errors import LakeError
from offtake.lake.ingest.chunks import Chunk
from offtake.lake.ingest.parsing import ParseExpressions
from offtake.lake.ingest.readers.source import SourceFormat
from offtake.lake.tables import TableColumn
from offtake.model.column_type import ColumnType

TENANT = TableColumn(name="tenant", type=ColumnType.ID, meaning="The row's tenant; optional.")
NEVER = "false"
UNKNOWN_COLUMN = "unknown column"  # reason of the fault of a key that nothing uses


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedSource:
    """One open source of a load; ``path`` is its name in messages."""

    path: str
    form: SourceFormat
    chunks: Callable[[], Iterator[Chunk]]
    relation: str  # SQL: SELECT of a chunk's rows
    expressions: Mapping[str, ParseExpressions]  # by column of the table
    raw: str  # SQL: the row as JSON text
    row_fault: str  # SQL: why a row as a whole cannot be read, or NULL
    unknown_keys: str | None  # SQL: the list of a row's keys that nothing uses, or NULL
    engine_names: Mapping[str, str]  # name of each column of the source by that in ``relation``
    long_columns: Mapping[str, str]  # by key of the source whose long texts are taken out of rows: the table's column
    unknown_column: Callable[[str, str], LakeError]  # the error for a location and an unknown column
    left_out: str = NEVER  # SQL: whether the filter leaves the row out
    rank: str | None = None  # SQL: sorts rows with the same key; None: their order does
    origins: Mapping[str, str] = field(default_factory=dict)  # source column by that of the table, if it is another
    marked: str = "false"  # SQL: whether the row is to be deleted; of such a row, only the key is checked
    # By column: SQL with {value}, which is true if the load does not accept the value, and the reason.
    rules: Mapping[str, tuple[str, str]] = field(default_factory=dict)
