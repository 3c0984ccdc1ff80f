"""Makes the statements of an export from its manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from offtake_client.documents import Manifest, ManifestColumn
from offtake_client.errors import UnknownOption
from offtake_client.warehouses.dialects import WAREHOUSES, Warehouse, WarehouseName
from offtake_client.warehouses.loads import LOADS, Load

_SQL_TYPE = re.compile(r"[A-Za-z_](?:[\w <>\[\]]|\([\w ,]*\))*")
_LINE = re.compile(r"[^\n\r]+")


@dataclass(frozen=True)
class TableColumn:
    """A column of the table, with its SQL type."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Script:
    """SQL that creates ``table``, unless it exists, and appends the rows of ``files``."""

    warehouse: WarehouseName
    export: str
    table: str
    columns: tuple[TableColumn, ...]
    files: tuple[str, ...]
    statements: tuple[str, ...]

    @property
    def text(self) -> str:
        """The statements as a script. Commands of psql end with their line, without a semicolon."""
        return "".join(f"{each}\n" if each.startswith("\\") else f"{each};\n" for each in self.statements)


def load_script(
    manifest: Manifest,
    warehouse: WarehouseName,
    *,
    location: str,
    table: str | None = None,
    access: str | None = None,
    types: Mapping[str, str] | None = None,
) -> Script:
    """Return the statements that create a table and load the files of a manifest.

    ``location`` is the folder of the files as the warehouse sees it: a bucket, a stage or a path. ``table``: by default
    the name of the report; a database and a schema may precede it, with dots. ``access``: in Snowflake a storage
    integration, in Redshift the ARN of a role. ``types``: SQL types by column that replace those of the warehouse.

    Raises UnknownOption.
    """
    dialect = WAREHOUSES[warehouse]
    _require_loadable(manifest, dialect)
    _require_location(location, access, dialect)
    columns = _columns(manifest, dialect, types or {})
    name = _table(table or manifest.report, dialect)
    load = Load(
        warehouse=dialect,
        table=name,
        columns=[dialect.name(column.name) for column in columns],
        location=location,
        files=[file.name for file in manifest.files],
        access=access,
        csv=manifest.request.get("csv") or {},
        has_lists=any(column.type == "list" for column in manifest.columns),
    )
    statements = [*_definition(manifest, dialect, name, columns), *(LOADS[warehouse](load) if load.files else ())]
    return Script(
        warehouse=warehouse,
        export=manifest.export,
        table=name,
        columns=columns,
        files=tuple(load.folder + file for file in load.files),
        statements=tuple(statements),
    )


def _table(name: str, dialect: Warehouse) -> str:
    if not all(name.split(".")) or not _LINE.fullmatch(name):
        raise UnknownOption(f"{name!r} is no name of a table.", "Write one such as calls or care.calls.")
    return dialect.table(name)


def _require_loadable(manifest: Manifest, dialect: Warehouse) -> None:
    if not manifest.columns:
        raise UnknownOption(
            f"The manifest of {manifest.export} has no columns: an older release made the export.", "Create it again."
        )
    found = str(manifest.request.get("format"))
    if found != dialect.format:
        raise UnknownOption(
            f"{dialect.title} loads {dialect.format}, and the files of {manifest.export} are {found}.",
            f"Create the export with --format {dialect.format}.",
        )
    compression = manifest.request.get("compression")
    if found == "csv" and compression not in (None, "none"):
        raise UnknownOption(
            f"The files of {manifest.export} are compressed with {compression}, which {dialect.title} does not read.",
            "Create the export without compression.",
        )


def _require_location(location: str, access: str | None, dialect: Warehouse) -> None:
    if not _LINE.fullmatch(location):
        raise UnknownOption("The location is empty or has a line end.", "Name a folder, a bucket or a stage.")
    if dialect.locations and not location.startswith(dialect.locations):
        raise UnknownOption(
            f"{dialect.title} cannot read {location}.",
            f"Copy the files where it can, and name that place: --location {' or '.join(dialect.locations)}…",
        )
    if dialect.format == "csv" and "://" in location:
        raise UnknownOption(f"psql cannot read {location}.", "Name a folder of the machine on which psql runs.")
    if access and location.startswith("@"):
        raise UnknownOption("A stage has its own --access.", "Leave the option out, or name the bucket.")
    if access and not dialect.access:
        raise UnknownOption(
            f"{dialect.title} has no --access.", "It reads what the account that runs the SQL may read."
        )


def _columns(manifest: Manifest, dialect: Warehouse, types: Mapping[str, str]) -> tuple[TableColumn, ...]:
    known = {column.name for column in manifest.columns}
    for name, given in types.items():
        if name not in known:
            raise UnknownOption(f"The export has no column {name!r}.", f"It has {', '.join(sorted(known))}.")
        if not _SQL_TYPE.fullmatch(given):
            raise UnknownOption(f"{given!r} is no SQL type.", "Write one such as DECIMAL(18, 4).")
    for column in manifest.columns:
        if column.type not in dialect.types and column.name not in types:
            raise UnknownOption(
                f"The column {column.name} has the type {column.type}, which this release of the client does not know.",
                f"Upgrade it, or name its type: --type {column.name}=TYPE.",
            )
    return tuple(
        TableColumn(column.name, types.get(column.name) or dialect.types[column.type], _comment(column))
        for column in manifest.columns
    )


def _comment(column: ManifestColumn) -> str:
    """Return what a reader of the table should know of a column."""
    unit = f"Unit: {column.unit}" if column.unit else ""
    facts = (column.meaning.strip().rstrip("."), unit, "Personal data" if column.personal else "")
    return " ".join(f"{fact}." for fact in facts if fact)


def _definition(manifest: Manifest, dialect: Warehouse, table: str, columns: tuple[TableColumn, ...]) -> list[str]:
    purpose = dialect.text(f"Report {manifest.report} of Offtake")
    lines, comments = [], [f"COMMENT ON TABLE {table} IS {purpose}"]
    for column in columns:
        name, text = dialect.name(column.name), dialect.text(column.comment[: dialect.longest_comment])
        lines.append(f"    {name} {column.type}{dialect.column_comment.format(text) if column.comment else ''}")
        if column.comment:
            comments.append(f"COMMENT ON COLUMN {table}.{name} IS {text}")
    body = ",\n".join(lines)
    create = f"CREATE TABLE IF NOT EXISTS {table} (\n{body}\n){dialect.table_comment.format(purpose)}"
    return [create] if dialect.column_comment else [create, *comments]
