"""The rows of a lake, read through a snapshot as reports read them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from offtake.lake.delta import Lake
from offtake.lake.tables import Table, tables
from offtake.model.report import Prune, TableUse
from offtake.model.timespan import Timespan
from offtake.model.view import TableView
from tests.fixtures.storage_paths import views_of

TABLES = tables()
TEAM, AGENT, CALL, STATE = (TABLES[name] for name in ("team", "agent", "call", "agent_state"))
EVER = Timespan(start=datetime(1, 1, 1, tzinfo=UTC), end=datetime(9999, 12, 31, tzinfo=UTC), zone="UTC")

Stored = dict[tuple[object, ...], dict[str, object]]


def seen(lake: Lake, table: Table, tenant: str = "acme") -> TableView:
    """One tenant's table with all its months."""
    return views_of(lake, [TableUse(table=table.name, prune=Prune.ALL)], tenant=tenant, timespan=EVER)[0]


def database(view: TableView) -> duckdb.DuckDBPyConnection:
    """A database with the table as a view, instants as text (``…Z``)."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    typed = ", ".join(f'CAST(NULL AS {sql_type}) AS "{name}"' for name, sql_type in view.columns)
    files = (
        f" UNION ALL BY NAME SELECT * FROM read_parquet({list(view.files)!r}, hive_partitioning = true, "
        "hive_types_autocast = false, union_by_name = true)"
    )
    connection.execute(f"CREATE VIEW typed AS SELECT {typed} WHERE false{files if view.files else ''}")
    shown = ", ".join(
        f'strftime("{name}", \'%Y-%m-%dT%H:%M:%S.%fZ\') AS "{name}"'
        if sql_type.startswith("TIMESTAMP")
        else f'"{name}"'
        for name, sql_type in view.columns
    )
    connection.execute(f'CREATE VIEW "{view.table}" AS SELECT {shown} FROM typed')
    return connection


def stored(lake: Lake, table: Table, tenant: str = "acme") -> Stored:
    """All rows of a tenant by key; a duplicate key is an error."""
    view = seen(lake, table, tenant)
    with database(view) as connection:
        found = connection.execute(f'SELECT * FROM "{table.name}"')
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    by_key = {tuple(row[name] for name in table.key): row for row in rows}
    assert len(by_key) == len(rows), "a key is stored twice"
    assert all(row["tenant"] == tenant for row in rows)
    return by_key


def written(path: Path, content: str | bytes) -> Path:
    """A file with exactly these bytes."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def version(lake: Lake, table: Table) -> int:
    """The number of the newest commit; -1 before the first."""
    delta = lake.open(table)
    return -1 if delta is None else delta.version()


def changed_in(lake: Lake, table: Table, tenant: str = "acme") -> dict[tuple[object, ...], tuple[object, object]]:
    """The hidden columns of a tenant's rows by key: versions of the last change, and of the load of the values."""
    delta = lake.open(table)
    assert delta is not None
    keys = ", ".join(
        f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ')" if name.endswith("_at") else name for name in table.key
    )
    with lake.local(lake.files(delta, table, tenant)) as files, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        columns = f"{keys}, _version, _load_version"
        found = [
            row
            for file in files
            for row in connection.execute(f"SELECT {columns} FROM read_parquet($f)", {"f": file.path}).fetchall()
        ]
    return {row[:-2]: row[-2:] for row in found}
