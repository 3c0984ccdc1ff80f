"""The statements that load the files of an export: one function for each warehouse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offtake_client.errors import UnknownOption
from offtake_client.warehouses.dialects import Warehouse, WarehouseName

_MOST_FILES = 1000  # of one statement, in Snowflake and in Databricks
_PATTERN = re.compile(r"[*?\[]")
_CSV: Mapping[str, Any] = {"delimiter": ",", "quote": '"', "header": True, "null": ""}  # the server's defaults


@dataclass(frozen=True)
class Load:
    """What is loaded: the quoted ``table``, its quoted ``columns``, and ``files`` in ``location``, a folder."""

    warehouse: Warehouse
    table: str
    columns: Sequence[str]
    location: str
    files: Sequence[str]
    access: str | None
    csv: Mapping[str, Any]
    has_lists: bool

    @property
    def folder(self) -> str:
        """The location with a slash at its end."""
        return f"{self.location.rstrip('/')}/"

    def text(self, value: str) -> str:
        """Return a quoted text."""
        return self.warehouse.text(value)

    def groups(self) -> Iterator[str]:
        """Iterate over the quoted names of files, as many as one statement may name."""
        for begin in range(0, len(self.files), _MOST_FILES):
            yield ", ".join(map(self.text, self.files[begin : begin + _MOST_FILES]))


def _snowflake(load: Load) -> list[str]:
    source = load.folder.replace("gs://", "gcs://", 1) if load.folder.startswith("gs://") else load.folder
    integration = f"\n    STORAGE_INTEGRATION = {load.warehouse.name(load.access)}" if load.access else ""
    return [
        f"COPY INTO {load.table}\n    FROM {load.text(source)}{integration}\n    FILES = ({names})\n"
        "    FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE USE_VECTORIZED_SCANNER = TRUE)\n"
        "    MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
        for names in load.groups()
    ]


def _bigquery(load: Load) -> list[str]:
    urls = ", ".join(load.text(load.folder + name) for name in load.files)
    return [
        f"LOAD DATA INTO {load.table}\nFROM FILES (\n    format = 'PARQUET',\n    enable_list_inference = true,\n"
        f"    uris = [{urls}]\n)"
    ]


def _redshift(load: Load) -> list[str]:
    """Columns of Parquet are loaded by their position. One COPY names one file, as the prefix of keys."""
    role = f"IAM_ROLE {load.text(load.access)}" if load.access else "IAM_ROLE DEFAULT"
    lists = " SERIALIZETOJSON" if load.has_lists else ""
    copies = [
        f"COPY {load.table} ({', '.join(load.columns)})\n    FROM {load.text(load.folder + name)}\n    {role}\n"
        f"    FORMAT AS PARQUET{lists}"
        for name in load.files
    ]
    return ["BEGIN", *copies, "COMMIT"]


def _databricks(load: Load) -> list[str]:
    return [
        f"COPY INTO {load.table}\n    FROM {load.text(load.folder)}\n    FILEFORMAT = PARQUET\n    FILES = ({names})"
        for names in load.groups()
    ]


def _duckdb(load: Load) -> list[str]:
    """DuckDB reads paths as patterns, in which a bracket stands for itself in brackets."""
    paths = ", ".join(load.text(_PATTERN.sub(r"[\g<0>]", load.folder + name)) for name in load.files)
    return [f"INSERT INTO {load.table} BY NAME\nSELECT * FROM read_parquet([{paths}])"]


def _postgres(load: Load) -> list[str]:
    """``\\copy`` of psql reads files where psql runs. It must be one line."""
    csv = {**_CSV, **{name: value for name, value in load.csv.items() if value is not None}}
    if csv.get("decimal_mark", ".") != "." or (csv.get("bom") and not csv["header"]):
        raise UnknownOption(
            "PostgreSQL reads no CSV with a decimal comma, or with a byte order mark and no header.",
            "Create the export again without these options.",
        )
    options = (
        f"FORMAT csv, HEADER {'true' if csv['header'] else 'false'}, DELIMITER {load.text(csv['delimiter'])},"
        f" QUOTE {load.text(csv['quote'])}, NULL {load.text(csv['null'])}, ENCODING 'UTF8'"
    )
    columns = ", ".join(load.columns)
    copies = [
        f"\\copy {load.table} ({columns}) FROM {load.text(load.folder + name)} WITH ({options})" for name in load.files
    ]
    return ["BEGIN", *copies, "COMMIT"]


LOADS: Mapping[WarehouseName, Callable[[Load], list[str]]] = {
    "snowflake": _snowflake,
    "bigquery": _bigquery,
    "redshift": _redshift,
    "databricks": _databricks,
    "duckdb": _duckdb,
    "postgres": _postgres,
}
