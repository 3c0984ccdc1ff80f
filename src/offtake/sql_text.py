"""Names, literals and repeated shapes inside DuckDB's SQL text.

Only what comes from the data model, the catalogue, or a file header that was checked against the model is written into
SQL text. Values of rows, names of files and of tenants are bound, or stand in variables of the session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def quote_identifier(name: str, *, of: str | None = None) -> str:
    """``name`` as an SQL identifier, of the relation ``of`` if given.

    Any text is valid, because wire names contain dots.
    """
    quoted = '"' + name.replace('"', '""') + '"'
    return quoted if of is None else f"{quote_identifier(of)}.{quoted}"


def quote_literal(text: str) -> str:
    """``text`` as an SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def comma_separated(items: Iterable[str]) -> str:
    """The items of a list, one per line so that a failing statement can be read."""
    return ",\n    ".join(items)


def comparison(column: str, operator: str, values: Sequence[str]) -> str:
    """A comparison of a filter expression, which is never null: a null equals no value and differs from every value.

    ``values`` are SQL; only ``=`` takes several.
    """
    if operator == "contains":
        return f"coalesce(contains({column}, {values[0]}), false)"
    if operator == "!=":
        return f"({column} IS DISTINCT FROM {values[0]})"
    if operator == "=":
        return f"coalesce({column} IN ({', '.join(values)}), false)"
    return f"coalesce({column} {operator} {values[0]}, false)"


def select_typed(columns: Iterable[tuple[str, str]], *, files: str | None, condition: str | None = None) -> str:
    """A SELECT of the rows in a table's Parquet files, with exactly these columns: name and DuckDB type.

    The first branch has the types and no rows, so a column that the files lack is null, and the columns exist even
    without files. ``files`` names the session variable that lists the files (hive-partitioned, ``tenant=…/``);
    ``condition`` is SQL that every row fulfils. The parts of the result are bound at each use, so a view can use this
    SELECT.
    """
    typed = ", ".join(f"CAST(NULL AS {sql_type}) AS {quote_identifier(name)}" for name, sql_type in columns)
    sql = f"SELECT {typed} WHERE false"
    if files is None:
        return sql
    options = "hive_partitioning = true, hive_types_autocast = false, union_by_name = true"
    sql += f" UNION ALL BY NAME SELECT * FROM read_parquet(getvariable({quote_literal(files)}), {options})"  # noqa: S608
    return sql if condition is None else f"{sql} WHERE {condition}"
