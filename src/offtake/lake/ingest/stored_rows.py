"""The stored rows of a tenant, compared with the incoming ones: which are equal, which change and which go.

The tables below belong to one attempt of an upsert, which reads one version of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from offtake.lake.buckets import file_content
from offtake.lake.changes import expose
from offtake.lake.delta import LakeFile
from offtake.lake.ingest.incoming import INCOMING, MARKED_KEYS, POSITION, Incoming, scalar
from offtake.lake.tables import DUCKDB_TYPES, TableColumn
from offtake.lake.writer import key_columns
from offtake.model.column_type import ColumnType
from offtake.sql_text import quote_identifier, quote_literal

STORED = "stored"  # view of the stored rows; the columns are those of the files
_EXISTING = "existing"  # table of the incoming keys that are stored
_UNCHANGED = "unchanged"  # table of the key and position of each incoming row that equals the stored one
_GONE = "gone"  # table of the stored rows that are replaced or deleted: key, event time and month
_LONG = 256  # bytes of a text


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDifferences:
    """What an upsert changes; ``months`` are those of which stored rows change or go."""

    updated: int
    unchanged: int
    deleted: int
    months: frozenset[str | None]

    @property
    def is_new(self) -> str:
        """SQL: the condition that an incoming row differs from the stored ones."""
        return f"{POSITION} NOT IN (SELECT {POSITION} FROM {_UNCHANGED})" if self.unchanged else "true"  # noqa: S608


class StoredRows:
    """The rows in ``files``. ``deleted`` is a condition on the rows that go unless they are incoming, as SQL."""

    def __init__(self, incoming: Incoming, files: Sequence[LakeFile], *, deleted: str | None) -> None:
        self._incoming = incoming
        self._connection = incoming.connection
        self._table = incoming.table
        self._files = files
        self._deleted = deleted
        self._keys = key_columns(self._table)

    def compare(self) -> RowDifferences:
        """Find out what the upsert changes."""
        if not self._files:
            return RowDifferences(updated=0, unchanged=0, deleted=0, months=frozenset())
        expose_stored(self._incoming, self._files)
        existing = self._find_existing()
        unchanged = self._find_unchanged(existing)
        deleted = self._find_gone()
        rows = self._connection.execute(f"SELECT DISTINCT month FROM {_GONE}").fetchall()  # noqa: S608
        return RowDifferences(
            updated=existing - unchanged,
            unchanged=unchanged,
            deleted=deleted,
            months=frozenset(row[0] for row in rows),
        )

    def kept(self, files: Sequence[LakeFile]) -> str:
        """Return a SELECT of the rows in these files that stay, with all columns that the files have."""
        expose_stored(self._incoming, files)
        # By name and all of them: a newer model may have added columns, which stay.
        columns = file_content(self._table)
        return f"SELECT {columns} FROM {STORED} ANTI JOIN {_GONE} USING ({self._keys})"  # noqa: S608

    def tombstones(self, version: int, change_id: str) -> str:
        """Return a SELECT of the key and event time of each deleted row, with the version and the change."""
        return (
            f"SELECT {self._keys}, event_time, {version}::BIGINT AS version, "  # noqa: S608
            f"{quote_literal(change_id)} AS change_id FROM {_GONE} WHERE is_deleted ORDER BY ALL"
        )

    def _find_existing(self) -> int:
        """Find the incoming keys that are stored, and return their number."""
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_EXISTING} AS SELECT DISTINCT {self._keys}, {self._event_time}, "  # noqa: S608
            f"{self._month} FROM {STORED} SEMI JOIN {INCOMING} USING ({self._keys})"
        )
        return scalar(
            self._connection,
            f"SELECT count(*) FROM {INCOMING} SEMI JOIN {_EXISTING} USING ({self._keys})",  # noqa: S608
        )

    def _find_unchanged(self, existing: int) -> int:
        """Find the incoming rows that equal the stored ones in every column, and return their number."""
        if not existing:
            nothing = f"SELECT {self._keys}, {POSITION} FROM {INCOMING} WHERE false"  # noqa: S608
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {_UNCHANGED} AS {nothing}")
            return 0
        names = [name for name in self._table.by_name if name not in self._table.key]
        equal = [f"incoming.{name} IS NOT DISTINCT FROM stored.{name}" for name in map(quote_identifier, names)]
        known = f"SEMI JOIN {_EXISTING} USING ({self._keys})"
        values = ", ".join([self._keys, *(_comparable(self._table.by_name[name]) for name in names)])
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_UNCHANGED} AS SELECT {self._keys}, {POSITION} "  # noqa: S608
            f"FROM (SELECT {values}, {POSITION} FROM ({self._incoming.rows()}) {known}) AS incoming "
            f"JOIN (SELECT {values} FROM {STORED} {known}) AS stored USING ({self._keys}) "
            f"WHERE {' AND '.join(equal) or 'true'}"
        )
        return scalar(self._connection, f"SELECT count(*) FROM {_UNCHANGED}")  # noqa: S608

    def _find_gone(self) -> int:
        """Find the stored rows that are replaced or deleted, and return how many are deleted."""
        row = f"{self._keys}, {self._event_time}, {self._month}"
        deleted = [f"SELECT {row} FROM {STORED} SEMI JOIN {MARKED_KEYS} USING ({self._keys})"]  # noqa: S608
        if self._deleted is not None:
            deleted.append(
                f"SELECT {row} FROM {STORED} ANTI JOIN {INCOMING} USING ({self._keys}) WHERE {self._deleted}"  # noqa: S608
            )
        updated = f"SELECT {self._keys}, event_time, month FROM {_EXISTING} ANTI JOIN {_UNCHANGED} USING ({self._keys})"  # noqa: S608
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_GONE} AS SELECT *, false AS is_deleted FROM ({updated}) "  # noqa: S608
            f"UNION ALL SELECT *, true AS is_deleted FROM ({' UNION '.join(deleted)})"
        )
        return scalar(self._connection, f"SELECT count(*) FROM {_GONE} WHERE is_deleted")  # noqa: S608

    @property
    def _event_time(self) -> str:
        time = self._table.event_time
        return f"{quote_identifier(time) if time else 'NULL::TIMESTAMPTZ'} AS event_time"

    @property
    def _month(self) -> str:
        return "month" if self._table.event_time else "NULL::VARCHAR AS month"


def expose_stored(incoming: Incoming, files: Sequence[LakeFile]) -> None:
    """The tenant's rows in these files as ``stored``: older files that lack a column of the model have null there."""
    expose(incoming.connection, STORED, incoming.table.file_columns, files)


def _comparable(column: TableColumn) -> str:
    """Return SQL for a value that two rows have in common if and only if they have the column's value in common.

    A join holds its rows in memory, so a long text is replaced by its SHA-256, with a prefix that makes it longer than
    a text that is not replaced.
    """
    name = quote_identifier(column.name)
    if DUCKDB_TYPES[column.type] not in ("VARCHAR", "VARCHAR[]"):
        return name
    text = f"CAST(to_json({name}) AS VARCHAR)" if column.type is ColumnType.LIST else name
    digest = quote_literal("sha256:".ljust(_LONG, "_"))
    shortened = f"if(strlen({text}) > {_LONG}, {digest} || sha256({text}), {text})"
    return f"CASE WHEN {name} IS NOT NULL THEN {shortened} END AS {name}"
