"""The rules of ``tables.toml`` as SQL: which rows belong to the person, and what each column becomes.

The session has the person's values in the table ``subject_value`` and the pattern of mentions in the variable
``mention``, which is null if there is none.
"""

from __future__ import annotations

from offtake.lake.tables import DUCKDB_TYPES, Table, TableColumn
from offtake.model.column_type import ColumnType
from offtake.model.data_subject import EMAIL, PERSON_IDS, PHONE
from offtake.sql_text import comma_separated, quote_identifier, quote_literal

VALUES, MENTION = "subject_value", "mention"
GOES = "_goes"  # column: whether the row is removed
_OWN, _OF_AGENT, _OLD = "_own", "_of_agent", "old "
_AGENT = "agent"
_ERASED_IDENTIFIERS = frozenset({EMAIL, PHONE, *PERSON_IDS})  # the others only lead to rows
_TEXTS = frozenset({ColumnType.TEXT, ColumnType.ID, ColumnType.LIST})


def normal(column: str, identifier: str) -> str:
    """Return SQL for a value in the form in which such values are compared."""
    if identifier == EMAIL:
        return f"lower(trim({column}))"
    return f"ltrim(regexp_replace({column}, '[^0-9]', '', 'g'), '0')" if identifier == PHONE else column


def belongs(table: Table) -> str:
    """Return SQL: the row belongs to the person."""
    found = [
        _is_value(quote_identifier(column.name), identifier)
        for column in table.columns
        for identifier in column.identifies
        if identifier != _AGENT and column.type is not ColumnType.LIST
    ]
    if table.name == _AGENT:
        found.append(_is_value(quote_identifier(table.key[0]), _AGENT))
    return _any(found)


def changed_rows(table: Table, rows: str) -> str:
    """Return a SELECT of the rows that change or go, with their new values, the column ``GOES`` and, in facts, month.

    ``rows`` is a SELECT of the stored rows.
    """
    names = [quote_identifier(column.name) for column in table.columns]
    new = [f"{_new_value(table, column)} AS {quote_identifier(column.name)}" for column in table.columns]
    old = [
        f"{name} AS {quote_identifier(_OLD + column.name)}" for name, column in zip(names, table.columns, strict=True)
    ]
    month = ["month"] if table.event_time else []
    differs = [
        f"{name} IS DISTINCT FROM {quote_identifier(_OLD + column.name)}"
        for name, column in zip(names, table.columns, strict=True)
    ]
    marked = f"SELECT *, {belongs(table)} AS {_OWN}, {_of_agent(table)} AS {_OF_AGENT} FROM ({rows})"  # noqa: S608
    valued = f"SELECT {comma_separated([*month, *new, *old, f'{_goes(table)} AS {GOES}'])} FROM ({marked})"  # noqa: S608
    return f"SELECT {comma_separated([*month, *names, GOES])} FROM ({valued}) WHERE {GOES} OR {_any(differs)}"  # noqa: S608


def mentions_in_key(table: Table) -> str:
    """Return SQL: a column of the key mentions the person."""
    return _any([_mentions(table.by_name[name]) for name in table.key])


def _goes(table: Table) -> str:
    """Return SQL: the row is removed, by the rule of the table or because a value in it cannot be blanked."""
    reasons = [
        _any([_is_erased_value(column), _mentions(column)])
        for column in table.columns
        if not can_be_blanked(table, column)
    ]
    if table.erases_row:
        reasons.append(_OWN)
    return _any(reasons)


def _new_value(table: Table, column: TableColumn) -> str:
    name = quote_identifier(column.name)
    if not can_be_blanked(table, column):
        return name
    reasons = [_is_erased_value(column), _mentions(column)]
    if column.name in table.erased_columns:
        reasons.append(_OWN)
    if column.name in table.erased_columns_of_agent:
        reasons.append(_OF_AGENT)
    if column.type is ColumnType.LIST:
        kept = f"list_filter({name}, lambda item: NOT {_item_is_erased(column)})"
        return f"CASE WHEN {_any(reasons)} THEN NULL ELSE {kept} END"
    condition = _any(reasons)
    if condition == "false":
        return name
    empty = "''" if column.required else f"CAST(NULL AS {DUCKDB_TYPES[column.type]})"
    return f"CASE WHEN {condition} THEN {empty} ELSE {name} END"


def can_be_blanked(table: Table, column: TableColumn) -> bool:
    """Whether the column may be null, or is a text without a form of its own."""
    if column.name in table.key or column.name == table.event_time:
        return False
    if not column.required:
        return True
    is_reference = any(identifier in PERSON_IDS for identifier in column.identifies)
    has_form = bool(column.values or column.matches or column.syntax)
    return column.type is ColumnType.TEXT and not has_form and not is_reference


def _is_erased_value(column: TableColumn) -> str:
    """Return SQL: the column identifies the person."""
    identifiers = [identifier for identifier in column.identifies if identifier in _ERASED_IDENTIFIERS]
    if column.type is ColumnType.LIST:
        return "false"  # its items are erased one by one
    return _any([_is_value(quote_identifier(column.name), identifier) for identifier in identifiers])


def _of_agent(table: Table) -> str:
    return _any(
        [
            _is_value(quote_identifier(column.name), _AGENT)
            for column in table.columns
            if _AGENT in column.identifies and column.type is not ColumnType.LIST
        ]
    )


def _mentions(column: TableColumn) -> str:
    if column.type not in _TEXTS or column.type is ColumnType.LIST or column.values:
        return "false"
    return _mention_in(quote_identifier(column.name))


def _mention_in(text: str) -> str:
    return f"coalesce(regexp_matches({text}, getvariable({quote_literal(MENTION)})), false)"


def _is_value(column: str, identifier: str) -> str:
    values = f"SELECT value FROM {VALUES} WHERE identifier = {quote_literal(identifier)}"  # noqa: S608
    return f"coalesce({normal(column, identifier)} IN ({values}), false)"


def _item_is_erased(column: TableColumn) -> str:
    """Return SQL: ``item``, of a list, identifies or mentions the person. A lambda cannot have a subquery."""
    values = [
        f"coalesce(list_contains({_variable(identifier)}, {normal('item', identifier)}), false)"
        for identifier in column.identifies
        if identifier in _ERASED_IDENTIFIERS
    ]
    return _any([*values, _mention_in("item")])


def _any(conditions: list[str]) -> str:
    real = [condition for condition in conditions if condition != "false"]
    return f"({' OR '.join(real)})" if real else "false"


def _variable(identifier: str) -> str:
    return f"getvariable({quote_literal(f'{VALUES}_{identifier}')})"
