"""The form of an oracle: what a test needs to know of a report in order to check it against an independent calculation.

An oracle is written from the contract, the data model and the meanings of the columns, without a look at the report's
SQL, so that a mistake in either of the two shows as a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from offtake.model.audit import AuditRow
from offtake.model.request import ReportParameters
from offtake.model.timespan import Timespan
from tests.property.exporting import Export
from tests.strategies import Care, Row, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportCase:
    """One export request over the data of one tenant."""

    care: Care
    timespan: Timespan
    asked_at: datetime | None = None  # None: at the end of the timespan
    parameters: ReportParameters = field(default_factory=ReportParameters)
    server_audit: tuple[AuditRow, ...] = ()  # what the server recorded about all tenants

    @property
    def as_of(self) -> datetime:
        """The instant at which the request was accepted; nothing later is known."""
        return self.asked_at or self.timespan.end


def _tenants_as_drawn(scenario: Scenario) -> SearchStrategy[tuple[Care, ...]]:
    return st.just(scenario.tenants)


def _one_request_without_filters(care: Care, timespan: Timespan) -> SearchStrategy[Sequence[ReportParameters]]:
    return st.just((ReportParameters(),))


def _no_server_audit(scenario: Scenario) -> SearchStrategy[tuple[AuditRow, ...]]:
    return st.just(())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOracle:
    """The independent calculation of one report, and the data and requests with which the two are compared.

    ``expected_rows`` gives the report's rows in any order. ``check_file`` compares the files of an open export with
    these rows and draws options of the file, such as its header line.
    """

    report: str
    tables: tuple[str, ...]  # fact tables; the dimensions that they refer to are added
    expected_rows: Callable[[ExportCase], list[Row]]
    check_file: Callable[[Export, list[Row], st.DataObject], None]
    dialect: str = "talkdesk"
    max_rows: int = 10  # per fact table
    rounds: int = 1  # a report with rare branches is tested with several times as many examples
    tenants: Callable[[Scenario], SearchStrategy[tuple[Care, ...]]] = _tenants_as_drawn
    requests: Callable[[Care, Timespan], SearchStrategy[Sequence[ReportParameters]]] = _one_request_without_filters
    server_audit: Callable[[Scenario], SearchStrategy[tuple[AuditRow, ...]]] = _no_server_audit
