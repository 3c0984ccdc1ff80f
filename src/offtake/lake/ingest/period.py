"""A period of a table's event time that a load replaces: it becomes exactly what the files say."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from offtake.errors import LakeError
from offtake.lake.tables import Table
from offtake.model.timespan import Timespan
from offtake.sql_text import quote_identifier

_IN_PERIOD = "({value} >= getvariable('period_start') AND {value} < getvariable('period_end'))"


def in_period(connection: duckdb.DuckDBPyConnection, table: Table, period: Timespan) -> str:
    """Set the period in the session, and return the condition that a stored row is in it, as SQL.

    Raises LakeError if the table has no event time.
    """
    if table.event_time is None:
        raise LakeError(
            f"The table {table.name} has no event time, so it has no period that a load could replace; use "
            "--delete-column, or offtake delete."
        )
    for name, bound in (("period_start", period.start), ("period_end", period.end)):
        connection.execute(f"SET VARIABLE {name} = CAST($value AS TIMESTAMPTZ)", {"value": bound})
    return _IN_PERIOD.format(value=quote_identifier(table.event_time))


def period_rule(table: Table) -> Mapping[str, tuple[str, str]]:
    """Return the rule that a row outside the period of the session is not accepted."""
    if table.event_time is None:
        return {}
    return {table.event_time: (f"NOT {_IN_PERIOD}", "is outside the period that this load replaces")}
