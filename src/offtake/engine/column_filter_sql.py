"""Translates the filters of a request into SQL over the columns of a report. Their values are bound, never pasted."""

from __future__ import annotations

from collections.abc import Sequence

from offtake.model.column_filter import ColumnFilter, FilterOperator, FilterValue
from offtake.model.column_type import ColumnType


def filter_parameters(filters: Sequence[ColumnFilter]) -> list[list[str]]:
    """Return the names under which the values of each filter are bound, without ``$``."""
    return [
        [f"filter_{number}_{position}" for position in range(len(each.values))] for number, each in enumerate(filters)
    ]


def filter_values(filters: Sequence[ColumnFilter]) -> dict[str, FilterValue]:
    """Return the values by these names. A bound that is missing and the flag of ``is_null`` are part of the text."""
    return {
        name: value
        for each, names in zip(filters, filter_parameters(filters), strict=True)
        for name, value in zip(names, each.values, strict=True)
        if value is not None and each.operator is not FilterOperator.IS_NULL
    }


def column_condition(of: ColumnFilter, value: str, column_type: ColumnType, names: Sequence[str]) -> str:
    """Return the condition of a filter. ``value`` is the SQL of the column's value; ``names`` are those of the filter's
    values."""
    parameters = [f"${name}" for name in names]
    is_list = column_type is ColumnType.LIST
    match of.operator:
        case FilterOperator.IS_NULL:
            return f"({value} IS {'' if of.values[0] else 'NOT '}NULL)"
        case FilterOperator.EQ:
            return f"list_contains({value}, {parameters[0]})" if is_list else f"({value} = {parameters[0]})"
        case FilterOperator.IN:
            listed = ", ".join(parameters)
            return f"list_has_any({value}, [{listed}])" if is_list else f"({value} IN ({listed}))"
        case FilterOperator.RANGE:
            bounds = [
                f"{value} {comparison} {parameter}"
                for comparison, parameter, bound in zip((">=", "<"), parameters, of.values, strict=True)
                if bound is not None
            ]
            return f"({' AND '.join(bounds)})"
