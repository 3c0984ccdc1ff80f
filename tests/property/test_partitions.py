"""The partitions of a report hold together every row of the whole report once, for any data and any filters."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypedDict, Unpack

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.core.attempt.reconciliation import count_rows
from offtake.lake.tables import TableKind, tables
from offtake.model.report import Report
from offtake.model.request import ReportParameters, Selection
from offtake.model.timespan import Timespan
from tests.fixtures.row_comparison import assert_same_rows
from tests.property.exporting import Stored, catalogue, stored
from tests.property.oracles.conversation_filters import conversation_parameters, with_accounts
from tests.property.oracles.threads import with_threads
from tests.strategies import Care, Row, Scenario, scenarios

DIVIDED = tuple(report for report in catalogue().reports.values() if report.partition_by is not None)


class _Asked(TypedDict):
    as_of: datetime | None
    parameters: ReportParameters
    partitions: int
    threads: int
    by_buckets: bool


# Fact tables that refer to each other by ids of conversations and posts, and the states of agents.
FACTS = ("conversation", "conversation_action", "post", "conversation_tag", "agent_state")


def test_the_tables_below_are_those_that_partitioned_reports_read() -> None:
    read = {use.table for report in DIVIDED for use in report.tables}
    assert {name for name in read if tables()[name].kind is TableKind.FACT} == set(FACTS)


@pytest.mark.parametrize("report", DIVIDED, ids=lambda report: report.name)
@pytest.mark.timeout(900)  # Hypothesis reduces a failing example before it reports it
@hypothesis.settings(max_examples=5, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(scenario=scenarios(*FACTS), partitions=st.integers(2, 4), data=st.data())
def test_the_partitions_together_hold_the_rows_of_the_whole(
    report: Report, scenario: Scenario, partitions: int, data: st.DataObject
) -> None:
    cares = data.draw(with_threads(data.draw(with_accounts(scenario.tenants))), label="tenants")
    timespan = scenario.timespans[0]
    with stored(cares) as here:
        for care in cares:
            wanted = replace(
                data.draw(conversation_parameters(care), label="parameters"),
                selection=data.draw(st.sampled_from(Selection), label="selection"),
                actions_cap=data.draw(st.sampled_from((1, 2, 500)), label="cap"),
                interval_milliseconds=data.draw(st.sampled_from((3_600_000, 86_400_000)), label="interval"),
            )
            whole, by_buckets, by_hash = (
                _rows(
                    here,
                    report,
                    care,
                    timespan,
                    as_of=scenario.asked_at,
                    parameters=wanted,
                    partitions=number,
                    threads=threads,
                    by_buckets=stored,
                )
                for number, threads, stored in ((1, 2, False), (partitions, 1, True), (partitions, 1, False))
            )
            assert_same_rows(by_buckets, whole, key=report.key)
            assert_same_rows(by_hash, whole, key=report.key)


def _rows(here: Stored, report: Report, care: Care, timespan: Timespan, **asked: Unpack[_Asked]) -> list[Row]:
    with here.export(report.name, care, timespan, dialect="khoros", **asked) as export:
        rows = export.rows()
        assert count_rows(export.session, report, export.request, query_partitions=1) in (None, len(rows))
        return rows
