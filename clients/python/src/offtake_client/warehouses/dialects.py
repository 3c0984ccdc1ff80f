"""The SQL of each warehouse as data: the types of columns, how names and texts are quoted, where comments go.

The table of types is the only place that maps a type of a report's column to one of a warehouse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

WarehouseName = Literal["snowflake", "bigquery", "redshift", "databricks", "duckdb", "postgres"]
_TYPES: Mapping[str, tuple[str, str, str, str, str, str]] = {
    # type:        snowflake,        bigquery,        redshift,         databricks,     duckdb,       postgres
    "text":         ("VARCHAR", "STRING", "VARCHAR(65535)", "STRING", "VARCHAR", "text"),
    "id":           ("VARCHAR", "STRING", "VARCHAR(65535)", "STRING", "VARCHAR", "text"),
    "integer":      ("BIGINT", "INT64", "BIGINT", "BIGINT", "BIGINT", "bigint"),
    "seconds":      ("BIGINT", "INT64", "BIGINT", "BIGINT", "BIGINT", "bigint"),
    "milliseconds": ("BIGINT", "INT64", "BIGINT", "BIGINT", "BIGINT", "bigint"),
    "decimal":      ("DOUBLE", "FLOAT64", "DOUBLE PRECISION", "DOUBLE", "DOUBLE", "double precision"),
    "boolean":      ("BOOLEAN", "BOOL", "BOOLEAN", "BOOLEAN", "BOOLEAN", "boolean"),
    "instant":      ("TIMESTAMP_LTZ(6)", "TIMESTAMP", "TIMESTAMP", "TIMESTAMP", "TIMESTAMPTZ", "timestamptz"),
    "date":         ("DATE", "DATE", "DATE", "DATE", "DATE", "date"),
    "list":         ("ARRAY", "ARRAY<STRING>", "SUPER", "ARRAY<STRING>", "VARCHAR[]", "jsonb"),
}  # fmt: skip
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def _doubled(quote: str) -> Callable[[str], str]:
    return lambda text: f"{quote}{text.replace(quote, quote * 2)}{quote}"


def _backslashed(quote: str) -> Callable[[str], str]:
    def write(text: str) -> str:
        escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
        return quote + escaped.replace("\n", "\\n").replace("\r", "\\r") + quote

    return write


def _text_with_backslashes(text: str) -> str:
    """Return a text for a warehouse that knows doubled quotes and also interprets backslashes."""
    return _doubled("'")(text.replace("\\", "\\\\"))


def _upper_case(name: str) -> str:
    """Return a name so that queries need no quotes for it: Snowflake reads names without quotes in upper case."""
    return _doubled('"')(name.upper() if _PLAIN.fullmatch(name) else name)


@dataclass(frozen=True)
class Warehouse:
    """The SQL of one warehouse.

    ``column_comment`` and ``table_comment`` are what follows the definition of a column and of a table, with {} for the
    text; "" if comments are statements of their own. ``locations``: how a location may begin; () if any folder may be
    one. ``access``: what --access names; "" if the warehouse has no such thing.
    """

    title: str
    types: Mapping[str, str]
    name: Callable[[str], str]
    text: Callable[[str], str]
    column_comment: str = ""
    table_comment: str = ""
    locations: tuple[str, ...] = ()
    access: str = ""
    format: Literal["parquet", "csv"] = "parquet"
    longest_comment: int | None = None  # characters

    def table(self, name: str) -> str:
        """Return the quoted name of a table, which may have a database and a schema before it."""
        return ".".join(self.name(part) for part in name.split("."))


def _types(index: int) -> Mapping[str, str]:
    return {kind: names[index] for kind, names in _TYPES.items()}


WAREHOUSES: Mapping[WarehouseName, Warehouse] = {
    "snowflake": Warehouse(
        "Snowflake",
        _types(0),
        _upper_case,
        _text_with_backslashes,
        column_comment=" COMMENT {}",
        table_comment=" COMMENT = {}",
        locations=("@", "s3://", "gs://", "gcs://", "azure://"),
        access="the storage integration",
    ),
    "bigquery": Warehouse(
        "BigQuery",
        _types(1),
        _backslashed("`"),
        _backslashed("'"),
        column_comment=" OPTIONS (description = {})",
        table_comment=" OPTIONS (description = {})",
        locations=("gs://",),  # other clouds need a connection
        longest_comment=1024,
    ),
    "redshift": Warehouse(
        "Redshift",
        _types(2),
        _doubled('"'),
        _text_with_backslashes,
        locations=("s3://",),
        access="the ARN of the IAM role",
    ),
    "databricks": Warehouse(
        "Databricks",
        _types(3),
        _doubled("`"),
        _backslashed("'"),
        column_comment=" COMMENT {}",
        table_comment=" COMMENT {}",
        locations=("s3://", "gs://", "abfss://", "r2://", "/Volumes/", "dbfs:/"),
    ),
    "duckdb": Warehouse("DuckDB", _types(4), _doubled('"'), _doubled("'")),
    "postgres": Warehouse("PostgreSQL", _types(5), _doubled('"'), _doubled("'"), format="csv"),
}
