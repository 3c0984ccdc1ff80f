"""Every report yields the rows and the files that its oracle calculates, for any data and any filters."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.core.attempt.reconciliation import count_rows
from tests.fixtures.row_comparison import assert_same_rows
from tests.property.exporting import catalogue, microseconds, stored, without_noise
from tests.property.oracle_exports import exported
from tests.property.oracles import ORACLES
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.strategies import Care, Row, Scenario, scenarios

# An example loads a lake and exports from it, which takes about a third of a second.
EXAMPLES = 25
COUNTED = 5  # one in so many exports is also counted, because a count is another query
ROUNDS = [
    pytest.param(oracle, id=oracle.report if oracle.rounds == 1 else f"{oracle.report}-{number}")
    for oracle in ORACLES
    for number in range(1, oracle.rounds + 1)
]


class OracleColumnsError(BaseException):
    """The oracle calculates other columns than the report has. Hypothesis lets it pass, so the test ends at once."""


@pytest.mark.timeout(900)  # Hypothesis reduces a failing example before it reports it
@pytest.mark.parametrize("oracle", ROUNDS)
@hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(data=st.data())
def test_the_report_yields_what_the_oracle_calculates(oracle: ReportOracle, data: st.DataObject) -> None:
    scenario = data.draw(scenarios(*oracle.tables, max_rows=oracle.max_rows), label="scenario")
    cares = data.draw(oracle.tenants(scenario), label="tenants")
    with stored(cares) as here:
        for number, case in enumerate(_cases(oracle, scenario, cares, data)):
            expected = without_noise(oracle.expected_rows(case))
            _check_columns(oracle, expected)
            with exported(here, oracle, case) as export:
                assert_same_rows(export.rows(), microseconds(expected), key=export.key)
                if number % COUNTED == 0:
                    counted = count_rows(export.session, catalogue().reports[oracle.report], export.request)
                    assert counted in (None, len(expected))
                oracle.check_file(export, expected, data)


def _check_columns(oracle: ReportOracle, expected: list[Row]) -> None:
    columns = {column.name for column in catalogue().reports[oracle.report].columns}
    calculated = set(expected[0]) if expected else columns
    if calculated != columns:
        module = sys.modules[oracle.expected_rows.__module__].__file__
        lacks, adds = sorted(columns - calculated), sorted(calculated - columns)
        raise OracleColumnsError(f"the oracle of {oracle.report} in {module} lacks the columns {lacks} and adds {adds}")


def _cases(
    oracle: ReportOracle, scenario: Scenario, cares: tuple[Care, ...], data: st.DataObject
) -> Iterator[ExportCase]:
    """Every tenant, timespan and variant of the request; parameters are drawn as each is reached."""
    server_audit = data.draw(oracle.server_audit(scenario), label="server audit")
    for care in cares:
        for timespan in scenario.timespans:
            for parameters in data.draw(oracle.requests(care, timespan), label="requests"):
                yield ExportCase(
                    care=care,
                    timespan=timespan,
                    asked_at=scenario.asked_at,
                    parameters=parameters,
                    server_audit=server_audit,
                )
