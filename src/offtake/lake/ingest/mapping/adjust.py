"""Options of a command that take the place of small mappings, or change a part of a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from offtake.lake.ingest.mapping.definition import ColumnRule, MappingDefinition, Notation, notation_for
from offtake.lake.ingest.mapping.mapped import TENANT
from offtake.lake.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustments:
    """What the options say; None leaves the mapping as it is."""

    renamed: Mapping[str, str]  # source column by that of the table
    ignores_others: bool = False
    zone: str | None = None
    decimal: str | None = None
    reader: Mapping[str, Any] = field(default_factory=dict)  # fields of ``ReaderOptions``


def adjusted(mapping: MappingDefinition, table: Table, adjustments: Adjustments) -> MappingDefinition:
    """Return the mapping with the adjustments."""
    options = replace(mapping.options, **adjustments.reader)
    values = _notation(mapping.values, adjustments)
    by_name = {**table.by_name, TENANT.name: TENANT}
    columns = {
        name: replace(rule, notation=notation_for(by_name[name].type, _notation(rule.notation, adjustments)))
        for name, rule in mapping.columns.items()
    }
    for name, source in adjustments.renamed.items():
        rule = columns.get(name) or ColumnRule(notation=notation_for(by_name[name].type, values))
        columns[name] = replace(rule, source=source, expression=None, constant=None)
    ignores_others = mapping.ignores_others or adjustments.ignores_others
    return replace(
        mapping,
        options=options,
        values=values,
        columns=columns,
        ignores_others=ignores_others,
        renamed=mapping.renamed | adjustments.renamed.keys(),
    )


def _notation(notation: Notation, adjustments: Adjustments) -> Notation:
    if adjustments.zone is not None:
        notation = replace(notation, zone=adjustments.zone)
    if adjustments.decimal is not None:
        notation = replace(notation, decimal=adjustments.decimal)
    return notation
