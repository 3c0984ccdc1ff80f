"""Is every report filled by the sample data, and equal to its independent calculation there?

Random data is short and odd; this is the longer and ordinary kind, with every table in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from offtake.core.attempt import server_audit
from offtake.lake.delta import Lake
from offtake.lake.tables import Table, tables
from offtake.model.report import ColumnType, Prune, TableUse
from offtake.model.request import ReportParameters, Selection
from offtake.model.timespan import Timespan
from tests.fixtures.places import views_of
from tests.fixtures.sample import PLAN, Sample
from tests.property import (
    oracle,
    oracle_actions,
    oracle_conversation,
    oracle_flow,
    oracle_inbox,
    oracle_messaging,
    oracle_people,
    oracle_posts,
    oracle_voice,
    oracle_workforce,
    test_audit_logs_rows,
)
from tests.property.exporting import EPOCH, Stored, catalogue, in_any_order, microseconds
from tests.strategies import Care, Row

END = PLAN.end
SPAN = Timespan(start=END - timedelta(days=31), end=END, zone="Europe/Lisbon")
DAILY = ReportParameters(interval_milliseconds=86_400_000)
EVER = Timespan(start=datetime(1, 1, 1, tzinfo=UTC), end=datetime(9999, 12, 31, tzinfo=UTC), zone="UTC")


def asked(care: Care, parameters: ReportParameters) -> oracle_people.Asked:
    return oracle_people.Asked(care=care, timespan=SPAN, as_of=END, parameters=parameters)


Calculation = Callable[[Care, ReportParameters], list[Row]]
CALCULATIONS: Mapping[str, Calculation] = {
    "adherence": lambda care, _: oracle_workforce.adherence(care, SPAN),
    "audit_logs": lambda care, _: test_audit_logs_rows.history(care, SPAN),
    "author": lambda care, wanted: oracle_posts.author(care, SPAN, wanted),
    "brand_post": lambda care, wanted: oracle_posts.brand_post(care, SPAN, wanted),
    "calls": lambda care, _: oracle.calls(care, SPAN),
    "combined": lambda care, wanted: oracle_posts.combined(care, SPAN, wanted),
    "contacts": lambda care, _: oracle_voice.contacts(care, SPAN),
    "conversation": lambda care, wanted: oracle_conversation.conversations(care, SPAN, wanted),
    "conversation_actions": lambda care, wanted: oracle_actions.conversation_actions(care, SPAN, wanted),
    "conversation_history_action": lambda care, wanted: oracle_actions.conversation_history_action(
        care, SPAN, wanted, END
    ),
    "feedback": lambda care, _: oracle_flow.feedback(care, SPAN),
    "inbox_conversations": lambda care, wanted: oracle_inbox.inbox_conversations(care, SPAN, wanted),
    "incoming_post": lambda care, wanted: oracle_posts.incoming_post(care, SPAN, wanted),
    "interaction_custom_fields": lambda care, _: oracle_voice.interaction_custom_fields(care, SPAN),
    "messaging_contacts": lambda care, _: oracle_messaging.messaging_contacts(care, SPAN),
    "messaging_traffic": lambda care, _: oracle_messaging.messaging_traffic(care, SPAN),
    "outbound_dialer_calls": lambda care, _: oracle_flow.outbound_dialer_calls(care, SPAN),
    "qm_evaluation_analysis": lambda care, _: oracle_workforce.qm_evaluation_analysis(care, SPAN),
    "raw_agent_states": lambda care, wanted: oracle_people.raw_agent_states(care, SPAN, END, wanted),
    "raw_expert_help": lambda care, wanted: oracle_actions.raw_expert_help(care, SPAN, wanted),
    "response": lambda care, wanted: oracle_posts.response(care, SPAN, wanted),
    "response_approval": lambda care, wanted: oracle_actions.response_approval(care, SPAN, wanted),
    "ring_attempts": lambda care, _: oracle_voice.ring_attempts(care, SPAN),
    "studio_flow_execution": lambda care, _: oracle_flow.studio_flow_execution(care, SPAN),
    "team_performance": lambda care, wanted: oracle_people.team_performance(asked(care, wanted)),
    "team_performance_interval": lambda care, wanted: oracle_people.team_performance_interval(asked(care, wanted)),
    "timeseries_report": lambda care, _: oracle_workforce.timeseries_report(care, SPAN),
    "user": lambda care, wanted: oracle_people.user(care, SPAN, END, wanted),
    "user_status": lambda care, _: oracle.user_status(care, SPAN, END),
}
ASKED = [
    pytest.param(name, selection, id=name if name != "conversation" else f"{name}-{selection.value}")
    for name in CALCULATIONS
    for selection in (Selection if name == "conversation" else [Selection.OPEN_AT_END])
]


@pytest.fixture(scope="module")
def sampled(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stored, Care]:
    """The sample's lake, and the same rows as Python values."""
    rows = {name: tuple(_rows(sample.lake, table)) for name, table in tables().items()}
    assert [name for name, found in rows.items() if not found] == [], "the sample data fills every table"
    here = Stored(lake=sample.lake, folder=tmp_path_factory.mktemp("exports"))
    return here, Care(tenant=PLAN.tenant, zone="Europe/Lisbon", rows=rows)


def test_every_report_has_a_calculation() -> None:
    assert set(CALCULATIONS) == set(catalogue().reports)


@pytest.mark.parametrize(("report", "selection"), ASKED)
def test_the_sample_fills_the_report_and_the_calculation_agrees(
    report: str, selection: Selection, sampled: tuple[Stored, Care]
) -> None:
    here, care = sampled
    wanted = ReportParameters(selection=selection, interval_milliseconds=DAILY.interval_milliseconds)
    dialect = next(dialect for dialect, name in catalogue().publications if name == report)
    with here.export(report, care, SPAN, as_of=END, dialect=dialect, parameters=wanted) as export:
        if catalogue().reports[report].server_audit:
            server_audit.fill(export.session, [])
        found = export.rows()
    assert found
    assert in_any_order(found) == in_any_order(microseconds(CALCULATIONS[report](care, wanted)))


def _rows(lake: Lake, table: Table) -> Iterator[Row]:
    """All rows of a table, instants as Python has them."""
    view = views_of(lake, [TableUse(table=table.name, prune=Prune.ALL)], tenant=PLAN.tenant, timespan=EVER)[0]
    names = [column.name for column in table.columns]
    instants = {column.name for column in table.columns if column.type is ColumnType.INSTANT}
    shown = ", ".join(f'epoch_us("{name}")' if name in instants else f'"{name}"' for name in names)
    if not view.files:
        return
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(
            f"SELECT {shown} FROM read_parquet($files, hive_partitioning = true, hive_types_autocast = false)",
            {"files": list(view.files)},
        )
        for row in found.fetchall():
            yield {name: _value(value, is_instant=name in instants) for name, value in zip(names, row, strict=True)}


def _value(value: Any, *, is_instant: bool) -> Any:
    return EPOCH + timedelta(microseconds=value) if is_instant and value is not None else value
