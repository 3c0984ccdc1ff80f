"""Consecutive timespans together have what one timespan has, in every report and under every filter.

A daily pipeline relies on it: a row that is in neither of two days is lost for good. The definition of a report states
the exceptions (``consecutive``, and ``varies`` of its columns); the checks below are these statements.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import hypothesis
import pytest
from hypothesis import strategies as st

from offtake.model.report import Report
from offtake.model.request import ReportParameters, Selection
from tests.property.exporting import Stored, catalogue, microseconds, stored
from tests.property.oracle_exports import exported
from tests.property.oracles import ORACLES
from tests.property.oracles.people import buckets
from tests.property.oracles.report_oracle import ExportCase, ReportOracle
from tests.strategies import TICK, Care, Row, scenarios

Rows = list[Row]
Rowing = Callable[[ExportCase], Rows]
# The oracle's rows cost little, and test_report_rows.py checks that they are those of the report.
CALCULATED, EXPORTED = 10, 1
MOST_CUTS = 30
BUCKETS = "team_performance_interval"  # its timespans must meet at the start of a bucket
BY_REPORT = {oracle.report: oracle for oracle in ORACLES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The rows of a timespan, and those of the two timespans into which it was cut."""

    report: Report
    parameters: ReportParameters
    parts: tuple[Rows, Rows]
    whole: Rows

    def stable(self, row: Row) -> str:
        """The values of a row that do not depend on the timespan, as one text."""
        names = [column.name for column in self.report.columns if not column.varies]
        return _text({name: row[name] for name in names})

    def union(self) -> Rows:
        return [row for part in self.parts for row in part]


@pytest.mark.parametrize("oracle", BY_REPORT.values(), ids=list(BY_REPORT))
@pytest.mark.timeout(900)  # Hypothesis reduces a failing example before it reports it
@hypothesis.settings(
    max_examples=CALCULATED, deadline=None, suppress_health_check=list(hypothesis.HealthCheck), database=None
)
@hypothesis.given(data=st.data())
def test_the_rows_of_the_contract(oracle: ReportOracle, data: st.DataObject) -> None:
    case = data.draw(cases(oracle), label="case")
    _check(oracle, case, _cuts(oracle.report, case)[:MOST_CUTS], oracle.expected_rows)


@pytest.mark.parametrize("oracle", BY_REPORT.values(), ids=list(BY_REPORT))
@pytest.mark.timeout(900)
@hypothesis.settings(
    max_examples=EXPORTED,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    database=None,
    phases=[hypothesis.Phase.generate],
)
@hypothesis.given(data=st.data())
def test_the_rows_of_the_report(oracle: ReportOracle, data: st.DataObject) -> None:
    case = data.draw(cases(oracle), label="case")
    cuts = _cuts(oracle.report, case)
    at = data.draw(st.lists(st.sampled_from(cuts), min_size=1, max_size=1) if cuts else st.just([]), label="cut at")
    with stored((case.care,)) as here:
        _check(oracle, case, at, lambda one: _exported(here, oracle, one))


def test_every_statement_is_checked() -> None:
    stated = {name for name, report in catalogue().reports.items() if report.consecutive is not None}
    assert stated == STATEMENTS.keys() | {"audit_logs"}  # only one column of it varies, and no row


@st.composite
def cases(draw: st.DrawFn, oracle: ReportOracle) -> ExportCase:
    """A tenant, a timespan and a request; the timespan has all rows, unless it is divided into buckets."""
    scenario = draw(scenarios(*oracle.tables, max_rows=oracle.max_rows))
    care, timespan = draw(oracle.tenants(scenario))[0], scenario.timespans[0]
    known = _instants(care)
    if known and oracle.report != BUCKETS:
        timespan = replace(timespan, start=known[0], end=known[-1] + TICK)
    parameters = draw(st.sampled_from(list(draw(oracle.requests(care, timespan)))))
    recorded = draw(oracle.server_audit(scenario))
    asked_at = scenario.asked_at or timespan.end
    return ExportCase(care=care, timespan=timespan, asked_at=asked_at, parameters=parameters, server_audit=recorded)


def _check(oracle: ReportOracle, case: ExportCase, cuts: Iterable[datetime], rows: Rowing) -> None:
    report, whole = catalogue().reports[oracle.report], microseconds(rows(case))
    for at in cuts:
        halves = (replace(case.timespan, end=at), replace(case.timespan, start=at))
        first, second = (microseconds(rows(replace(case, timespan=half))) for half in halves)
        cut = Cut(report=report, parameters=case.parameters, parts=(first, second), whole=whole)
        STATEMENTS.get(oracle.report, same_rows)(cut)


def _cuts(report: str, case: ExportCase) -> list[datetime]:
    """Instants within the timespan: those of rows, to the microsecond, or the starts of buckets."""
    whole = case.timespan
    if report == BUCKETS:
        return [start for start, _ in buckets(whole, case.parameters.interval_milliseconds)[1:]]
    near = {at + by for at in _instants(case.care) for by in (timedelta(), TICK)}
    return sorted(at for at in near if whole.start < at < whole.end)


def _instants(care: Care) -> list[datetime]:
    values = (value for rows in care.rows.values() for row in rows for value in row.values())
    return sorted({value for value in values if isinstance(value, datetime)})


def _exported(here: Stored, oracle: ReportOracle, case: ExportCase) -> Rows:
    with exported(here, oracle, case) as export:
        return export.rows()


def same_rows(cut: Cut) -> None:
    """The rows of the whole timespan, each once."""
    assert Counter(map(cut.stable, cut.union())) == Counter(map(cut.stable, cut.whole))


def same_rows_repeated(cut: Cut) -> None:
    """The rows of the whole timespan; some are in both parts."""
    assert set(map(cut.stable, cut.union())) == set(map(cut.stable, cut.whole))


def conversation(cut: Cut) -> None:
    if cut.parameters.selection is Selection.CREATED:
        same_rows(cut)
    elif cut.parameters.selection is Selection.CLOSED:
        same_rows_repeated(cut)
    else:
        assert _all(cut.parts[1]) == _all(cut.whole)


def author(cut: Cut) -> None:
    same_rows_repeated(cut)
    _add_up(cut, {"posts_count": 0, "responses_count": None})


def qm_evaluation_analysis(cut: Cut) -> None:
    newest: dict[str, int] = {}
    for row in cut.union():
        newest[row["evaluation_id"]] = max(row["version"], newest.get(row["evaluation_id"], 0))
    kept = [row for row in cut.union() if row["version"] == newest[row["evaluation_id"]]]
    assert {_text(row) for row in kept} == {_text(row) for row in cut.whole}


def raw_agent_states(cut: Cut) -> None:
    same_rows_repeated(cut)
    _add_up(cut, {"state_seconds": 1})


def team_performance(cut: Cut) -> None:
    same_rows_repeated(cut)
    counts = dict.fromkeys(("responses", "notes", "actions"), 0)
    _add_up(cut, counts | dict.fromkeys((f"{name}_seconds" for name in _TIMES), 1))


def team_performance_interval(cut: Cut) -> None:
    missing = _all(cut.whole) - _all(cut.union())
    assert not _all(cut.union()) - _all(cut.whole)
    for row in map(json.loads, missing):
        assert row["agent_name"] is None
        assert row["actions"] == row["responses"] == row["logged_in_seconds"] == row["mobile_seconds"] == 0


def user(cut: Cut) -> None:
    for part in cut.parts:
        assert Counter(map(cut.stable, part)) == Counter(map(cut.stable, cut.whole))
    _add_up(cut, {f"{name}_{unit}": 1 for name in _TIMES for unit in ("seconds", "milliseconds")})


def inbox_conversations(cut: Cut) -> None:
    if cut.parameters.tag_ids is None and cut.parameters.agent_emails is None:
        same_rows_repeated(cut)


STATEMENTS: Mapping[str, Callable[[Cut], None]] = {
    "conversation": conversation,
    "author": author,
    "qm_evaluation_analysis": qm_evaluation_analysis,
    "raw_agent_states": raw_agent_states,
    "conversation_history_action": same_rows_repeated,
    "team_performance": team_performance,
    "team_performance_interval": team_performance_interval,
    "user": user,
    "inbox_conversations": inbox_conversations,
}
_TIMES = ("logged_in", "green", "yellow", "red", "mobile")


def _add_up(cut: Cut, columns: Mapping[str, int | None]) -> None:
    """The numbers of both parts are those of the whole; less by at most so many for each row, or None for any."""
    whole, parts = _sums(cut, cut.whole, columns), _sums(cut, cut.union(), columns)
    rows = Counter(map(cut.stable, cut.whole))
    for row, totals in whole.items():
        for name, most in columns.items():
            lost = totals[name] - parts[row][name]
            assert lost >= 0, name
            assert most is None or lost <= most * rows[row], name


def _sums(cut: Cut, rows: Sequence[Row], columns: Mapping[str, int | None]) -> dict[str, Counter[str]]:
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for name in columns:
            sums[cut.stable(row)][name] += row[name]
    return sums


def _all(rows: Sequence[Row]) -> Counter[str]:
    return Counter(map(_text, rows))


def _text(row: Row) -> str:
    return json.dumps(row, sort_keys=True, ensure_ascii=True)
