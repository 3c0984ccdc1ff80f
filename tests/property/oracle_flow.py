"""What `studio_flow_execution` must yield, worked out row by row in plain Python.

Written from the contract (contracts/talkdesk.md 5, 6.4), the data model and the meanings of the columns, without a look
at the reports' SQL, so that a mistake in one of the two shows as a difference.
"""

from __future__ import annotations

from datetime import datetime

from offtake.model.timespan import Timespan
from tests.property.oracle import Shape, Shown
from tests.strategies import Care, Row, zone


def studio_flow_execution(care: Care, timespan: Timespan) -> list[Row]:
    """One row per step of a run that ended in the timespan; a run that lasts has not ended."""
    ended = [step for step in care.rows["flow_step"] if step["flow_ended_at"] is not None]
    return [dict(step) for step in ended if timespan.start <= step["flow_ended_at"] < timespan.end]


# How the contract's tables type a column.


def _same(value: object, _: str) -> Shown:
    assert value is None or isinstance(value, str | int | float)
    return value


def _d(value: object, name: str) -> Shown:
    assert isinstance(value, datetime)
    return f"{value.astimezone(zone(name)):%Y-%m-%d %H:%M:%S}"


def _dayf(value: object, _: str) -> Shown:
    assert isinstance(value, int)
    return float(value) / 86_400_000  # milliseconds of a day


STUDIO_FLOW_EXECUTION: Shape = (
    ("call_sid", "carrier_call_id", _same),
    ("interaction_id", "interaction_id", _same),
    ("destination_number", "destination_number", _same),
    ("origin_number", "origin_number", _same),
    ("flow_name", "flow_name", _same),
    ("flow_id", "flow_id", _same),
    ("component_title", "component", _same),
    ("step_name", "step_name", _same),
    ("exit", "exit", _same),
    ("time_in_step", "step_milliseconds", _dayf),
    ("timestamp", "started_at", _d),
    ("studio_flow_executions_aggregated.flow_execution_finished_time", "flow_ended_at", _d),
    ("step_execution_order", "step_order", _same),
    ("flow_execution_id", "flow_execution_id", _same),
)


def csv_header(shape: Shape) -> list[str]:
    """Section 5.2: the field name split on ``_``, each word capitalised; a dot splits no words."""
    return [" ".join(word[0].upper() + word[1:] for word in name.split("_")) for name, _, _ in shape]
