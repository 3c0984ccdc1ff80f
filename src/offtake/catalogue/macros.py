"""The DuckDB macros for the SQL of reports, which ``macros.sql`` defines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

MACROS = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_COMMENT = re.compile(r"[ \t]*--[^\n]*")
_TABLE_MACRO = re.compile(r"^CREATE TEMP MACRO (\w+)\(([^)]*)\) AS TABLE\n(.*?);$", re.DOTALL | re.MULTILINE)
_RELATION = re.compile(r"\bquery_table\((\w+)\)")
_READS_BY_NAME = re.compile(r"\bquery(?:_table)?\"?\s*\(", re.IGNORECASE)


def parse_table_macros(text: str) -> dict[str, tuple[str, ...]]:
    """Return the macros of ``text`` that return a table: their first parameters, which are names of relations.

    Raises:
        ValueError: a macro uses the name of a relation in a way that this function does not recognise.
    """
    text = _COMMENT.sub("", text)
    macros, recognised = {}, 0
    for name, parameters, body in _TABLE_MACRO.findall(text):
        names = [parameter.strip() for parameter in parameters.split(",")]
        uses = [use for use in _RELATION.findall(body) if use in names]
        relations = tuple(parameter for parameter in names if parameter in uses)
        if relations != tuple(names[: len(relations)]):
            raise ValueError(f"macros.sql: {name} must take the names of its relations first")
        if len(uses) != len(_READS_BY_NAME.findall(body)):
            raise ValueError(
                f"macros.sql: {name} must name its relations as query_table(parameter), without expressions"
            )
        macros[name] = relations
        recognised += len(uses)
    if recognised != len(_READS_BY_NAME.findall(text)):
        raise ValueError(
            "macros.sql: query_table outside a table macro; begin it with 'CREATE TEMP MACRO name(parameters) AS TABLE'"
        )
    for name in macros:
        if len(re.findall(rf"\b{name}\"?\s*\(", text, re.IGNORECASE)) > 1:
            raise ValueError(f"macros.sql: a macro calls {name}; repeat its body, so that its relations are checked")
    return macros


# The macros that return a table: their first parameters, which are names of relations.
TABLE_MACROS: Mapping[str, tuple[str, ...]] = parse_table_macros(MACROS)
