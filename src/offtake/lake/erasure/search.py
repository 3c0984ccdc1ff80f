"""Search of a tenant's tables for the rows of a person, in a session of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable

from offtake.lake.delta import Lake, storage_faults
from offtake.lake.erasure.rules import GOES, MENTION, VALUES, belongs, changed_rows, normal
from offtake.lake.staging import Staging
from offtake.lake.tables import Table, tables
from offtake.model.data_subject import EMAIL, PERSON_IDS, PHONE, DataSubject
from offtake.sql_text import quote_identifier, quote_literal, select_typed

_FILES = "searched_files"  # session variable
_IDENTIFIERS = (EMAIL, PHONE, *PERSON_IDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFindings:
    """What an erasure changes in one table; ``months`` are those of changed rows, none in a dimension."""

    table: str
    searched: int
    removed: int
    blanked: int
    months: frozenset[str] = frozenset()

    @property
    def changed(self) -> int:
        """Number of rows that change or go."""
        return self.removed + self.blanked


class SubjectSearch:
    """Searches the newest versions of a tenant's tables for a person."""

    def __init__(self, area: Staging, lake: Lake, *, tenant: str, subject: DataSubject) -> None:
        self.area = area
        self.lake = lake
        self.tenant = tenant
        self._connection = area.connection
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {VALUES} (identifier VARCHAR, value VARCHAR, PRIMARY KEY (identifier, value))"
        )
        for identifier, value in subject.values():
            row = {"identifier": identifier, "value": value}
            self._connection.execute(f"INSERT INTO {VALUES} VALUES ($identifier, $value)", row)  # noqa: S608
        self._set_variables()

    def follow(self) -> DataSubject:
        """Add the ids that the person's rows lead to, until there are no more, and return all values."""
        leading = [table for table in tables().values() if table.leads_to]
        while any(self._follow(table) for table in leading):
            self._set_variables()
        self._set_variables()
        return self._subject()

    def identifiers_of(self, value: str) -> list[str]:
        """Return whom the id identifies, by the tables that have a row with that key."""
        found = []
        for table in tables().values():
            columns = [column for column in table.columns if column.name in table.key]
            identifiers = {
                identifier for column in columns for identifier in column.identifies if identifier in PERSON_IDS
            }
            if len(table.key) == 1 and identifiers and self._has_key(table, value):
                found += sorted(identifiers)
        return found

    def count(self, table: Table) -> TableFindings:
        """Return what an erasure would change in a table. Raises StorageUnavailable."""
        with self.rows(table) as rows:
            if rows is None:
                return TableFindings(table=table.name, searched=0, removed=0, blanked=0)
            month = "month" if table.event_time else "NULL"
            found = self._all(
                f"SELECT {month}, count(*) FILTER ({GOES}), count(*) FILTER (NOT {GOES}) "  # noqa: S608
                f"FROM ({changed_rows(table, rows)}) GROUP BY ALL"
            )
            searched = self._all(f"SELECT count(*) FROM ({rows})")[0][0]  # noqa: S608
        return TableFindings(
            table=table.name,
            searched=searched,
            removed=sum(row[1] for row in found),
            blanked=sum(row[2] for row in found),
            months=frozenset(row[0] for row in found if row[0] is not None),
        )

    @contextmanager
    def rows(self, table: Table, delta: DeltaTable | None = None) -> Iterator[str | None]:
        """Yield a SELECT of the tenant's stored rows, valid while the block runs; None without a file."""
        delta = delta or self.lake.open(table)
        files = () if delta is None else self.lake.files(delta, table, self.tenant)
        if not files:
            yield None
            return
        with self.lake.local(files) as local, storage_faults(table):
            self._connection.execute(f"SET VARIABLE {_FILES} = $files", {"files": [file.path for file in local]})
            yield select_typed(table.stored_columns, files=_FILES)

    def _follow(self, table: Table) -> bool:
        """Add the ids that the person's rows of a table lead to. Return whether there was a new one."""
        before = self._number_of_values()
        with self.rows(table) as rows:
            if rows is None:
                return False
            own = f"SELECT * FROM ({rows}) WHERE {belongs(table)}"  # noqa: S608
            for name in table.leads_to:
                for identifier in table.by_name[name].identifies:
                    if identifier == PHONE:  # several persons may share a number
                        continue
                    column = quote_identifier(name)
                    condition = f"{column} LIKE '%@%'" if identifier == EMAIL else f"{column} <> ''"
                    self._connection.execute(
                        f"INSERT OR IGNORE INTO {VALUES} SELECT DISTINCT {quote_literal(identifier)}, "  # noqa: S608
                        f"{normal(column, identifier)} FROM ({own}) WHERE {condition}"
                    )
        return self._number_of_values() > before

    def _number_of_values(self) -> int:
        return int(self._all(f"SELECT count(*) FROM {VALUES}")[0][0])  # noqa: S608

    def _has_key(self, table: Table, value: str) -> bool:
        key = quote_identifier(table.key[0])
        with self.rows(table) as rows:
            if rows is None:
                return False
            statement = f"SELECT count(*) FROM ({rows}) WHERE {key} = $value"  # noqa: S608
            return bool(self._connection.execute(statement, {"value": value}).fetchall()[0][0])

    def _subject(self) -> DataSubject:
        found: dict[str, set[str]] = {}
        for identifier, value in self._all(f"SELECT identifier, value FROM {VALUES}"):  # noqa: S608
            found.setdefault(identifier, set()).add(value)
        emails, phones = found.pop(EMAIL, set()), found.pop(PHONE, set())
        ids = {identifier: frozenset(values) for identifier, values in found.items()}
        return DataSubject(emails=frozenset(emails), phones=frozenset(phones), ids=ids)

    def _set_variables(self) -> None:
        subject = self._subject()
        self._connection.execute(f"SET VARIABLE {MENTION} = $pattern", {"pattern": subject.mention})
        values = dict.fromkeys(_IDENTIFIERS, [""][:0])
        for identifier, value in subject.values():
            if identifier in values:
                values[identifier] = [*values[identifier], value]
        for identifier, listed in values.items():
            self._connection.execute(f"SET VARIABLE {VALUES}_{identifier} = $values::VARCHAR[]", {"values": listed})

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()
