"""The DuckDB macros for the SQL of reports, which ``macros.sql`` defines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MACROS = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_TABLE_MACRO = re.compile(r"^CREATE TEMP MACRO (\w+)\(([^)]*)\) AS TABLE\n(.*?);$", re.DOTALL | re.MULTILINE)


def _table_macros() -> dict[str, tuple[str, ...]]:
    macros = {}
    for name, parameters, body in _TABLE_MACRO.findall(MACROS):
        names = [parameter.strip() for parameter in parameters.split(",")]
        relations = tuple(parameter for parameter in names if f"query_table({parameter})" in body)
        if relations != tuple(names[: len(relations)]):
            raise ValueError(f"macros.sql: {name} must take the names of its relations first")
        macros[name] = relations
    return macros


# The macros that return a table: their first parameters, which are names of relations.
TABLE_MACROS: Mapping[str, tuple[str, ...]] = _table_macros()
