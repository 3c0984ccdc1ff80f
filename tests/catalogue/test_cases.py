"""Every report yields the rows of its cases, through the real lake and the real engine.

A case is data; ``docs/reference/report-folder.md`` describes its files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from random import Random

import pytest

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import load_catalogue
from offtake.core.attempt.reconciliation import count_rows
from offtake.core.presentation import choose
from offtake.core.query import intermediate
from offtake.core.report_cases.case import TENANT, Case, Row, cases_of
from offtake.core.report_cases.empty_tables import Trial, add_case
from offtake.core.report_cases.run import FilledCase, entries_query, fill, rows_query
from offtake.engine.duckdb import Session
from offtake.lake.tables import DUCKDB_TYPES, TableKind, tables
from offtake.model.column_filter import ColumnFilter, FilterOperator, require_filters
from offtake.model.report import Prune, Report, TableUse
from offtake.model.request import changed_parameters
from offtake.settings import Settings
from offtake.wire import PRESENTATIONS as BUILDERS
from tests.fixtures.filtering import fulfils, random_filter
from tests.fixtures.row_comparison import are_same_rows, assert_same_rows

CATALOGUE = load_catalogue(
    BUILT_IN,
    tables={name: dict(table.stored_columns) for name, table in tables().items()},
    dialects=list(BUILDERS),
)
ALL = [case for name in CATALOGUE.reports for case in cases_of(name, BUILT_IN / name)]
CASES = [pytest.param(case, id=case.id) for case in ALL]
SHOWN = [
    pytest.param(case, dialect, id=f"{case.id}-{dialect}")
    for case in ALL
    for dialect in sorted({dialect for dialect, _ in CATALOGUE.publications})
    if case.shown(dialect) is not None
]
PRESENTATIONS = {name: build(Settings().table(name)) for name, build in BUILDERS.items()}
PARTITIONS = 3
FILTERED_REQUESTS = 8


Filled = Callable[[Case], FilledCase]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The lake of a case, filled when the first test of that case needs it."""

    @cache
    def filled_case(case: Case) -> FilledCase:
        return fill(case, CATALOGUE, tmp_path_factory.mktemp("case"))

    return filled_case


@pytest.mark.parametrize("case", CASES)
def test_the_report_gives_the_expected_rows(case: Case, filled: Filled) -> None:
    report = CATALOGUE.reports[case.report]
    with filled(case).open() as (session, request):
        assert_same_rows(session.rows(rows_query(report, request)), case.expected(report), key=report.key)
        counted = count_rows(session, report, request)
        assert counted in (None, len(case.expected(report)))
        # Only a filter that the count does not apply leaves a request uncounted.
        assert (counted is None) <= (report.count is None or bool(changed_parameters(request.parameters)))


DIVIDED = [pytest.param(case, id=case.id) for case in ALL if CATALOGUE.reports[case.report].partition_by is not None]


@pytest.mark.parametrize("case", DIVIDED)
def test_the_partitions_together_hold_the_rows_of_the_whole(case: Case, filled: Filled) -> None:
    report = CATALOGUE.reports[case.report]
    with filled(case).open(partitions=PARTITIONS) as (session, request):
        query = rows_query(report, request)
        rows = [row for partition in range(session.partitions) for row in session.rows(query, partition=partition)]
        assert_same_rows(rows, case.expected(report), key=report.key)
        assert count_rows(session, report, request, query_partitions=1) in (None, len(rows))


@pytest.mark.parametrize(("case", "dialect"), SHOWN)
def test_the_dialect_shows_the_expected_entries(case: Case, dialect: str, filled: Filled) -> None:
    publication = CATALOGUE.publication(dialect, case.report)
    assert publication is not None
    report = CATALOGUE.reports[case.report]
    with filled(case).open() as (session, request):
        columns = choose(publication, request.columns, "json").columns
        key = [column.name for column in columns if column.source in report.key]
        query = entries_query(report, PRESENTATIONS[dialect](publication, request), columns, request)
        assert_same_rows(session.rows(query), case.shown(dialect) or [], key=key)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in ALL if case.folder.name == "other_tenant"])
def test_views_hide_foreign_rows_in_their_files(case: Case, filled: Filled) -> None:
    """The condition in the views suffices alone: here they are given every tenant's files."""
    report = CATALOGUE.reports[case.report]
    with filled(case).open(tenants=(TENANT, "globex")) as (session, request):
        assert_same_rows(session.rows(rows_query(report, request)), case.expected(report), key=report.key)


def _largest_case(report: str) -> Case:
    """The case of a report with the most rows."""
    return max(
        (case for case in ALL if case.report == report), key=lambda case: len(case.expected(CATALOGUE.reports[report]))
    )


@pytest.mark.parametrize("name", sorted(CATALOGUE.reports))
def test_filters_on_any_column_select_the_rows_that_fulfil_them(name: str, filled: Filled) -> None:
    """DuckDB pushes the filters into the report's query; the rows are those that Python selects from all rows."""
    report, case, chance = CATALOGUE.reports[name], _largest_case(name), Random(name)
    rows = case.expected(report)
    varied = [column for column in report.columns if len({str(row[column.name]) for row in rows}) > 1]
    partitions = PARTITIONS if report.partition_by is not None else 1
    selected = 0
    with filled(case).open(partitions=partitions) as (session, request):
        for number in range(FILTERED_REQUESTS):
            filters = tuple(random_filter(column, rows, chance) for column in chance.sample(varied, 1 + number % 2))
            require_filters(report, filters, ())
            query = rows_query(report, dataclasses.replace(request, filters=filters))
            found = [row for each in range(session.partitions) for row in session.rows(query, partition=each)]
            expected = [row for row in rows if fulfils(row, filters)]
            assert_same_rows(found, expected, key=report.key)
            selected += 0 < len(expected) < len(rows)
    assert selected > 0, "no filter selected some of the rows only"


def test_a_filter_is_pushed_down_to_the_scan_of_the_table(filled: Filled) -> None:
    """So the engine reads only the row groups that may have such rows."""
    report, case = CATALOGUE.reports["calls"], _largest_case("calls")
    call = case.expected(report)[0]["call_id"]
    wanted = ColumnFilter(column="call_id", operator=FilterOperator.EQ, values=(call,))
    with filled(case).open() as (session, request):
        query = rows_query(report, dataclasses.replace(request, filters=(wanted,)))
        (row,) = session.rows(dataclasses.replace(query, sql=f"EXPLAIN {query.sql}", columns=("kind", "text")))
    scans = [block for block in row["text"].split("╭") if "READ_PARQUET" in block and "Filters:" in block]
    assert f"call_id = '{call}'" in scans[0]


@pytest.mark.parametrize("name", sorted(CATALOGUE.reports))
def test_the_folder_declares_what_is_missing_if_a_table_is_empty(name: str, filled: Filled) -> None:
    """``tools/empty_tables.py`` writes ``if_empty`` from all cases; here they run until they show all that it says."""
    report = CATALOGUE.reports[name]
    columns = [column.name for column in report.columns]
    declared = {use.table: use.if_empty for use in report.tables}
    trials: dict[str, Trial] = {}
    for case in sorted((each for each in ALL if each.report == name), key=lambda each: each.folder.name != "ordinary"):
        shown = {table: trial.result(columns) for table, trial in trials.items()}
        unseen = {table for table in declared if shown.get(table) != declared[table]}
        add_case(trials, filled(case), only=unseen)
    assert {table: trial.result(columns) for table, trial in trials.items()} == declared


# What a value of a personal column becomes, by its type in DuckDB: text that no case contains, in any letter case.
MARKED = {
    "VARCHAR": "'¶' || {name} || '¶'",
    "VARCHAR[]": "list_transform({name}, lambda each: '¶' || each || '¶')",
    "BIGINT": "{name} * 0 + 987654321",
    "DOUBLE": "{name} * 0 + 98765.5",
    "TIMESTAMP WITH TIME ZONE": "if({name} IS NULL, NULL, TIMESTAMPTZ '2001-02-03 04:05:06+00')",
}
TRACES = ("¶", "987654321", "98765.5", "2001-02-03T04:05:06")
PERSONAL_ONLY_HERE = {("messaging_contacts", "virtual_agent_name")}  # the name may be a person's, as an agent's is


@pytest.mark.parametrize("name", sorted(CATALOGUE.reports))
def test_a_column_is_personal_if_it_has_personal_data_of_the_lake(name: str, filled: Filled) -> None:
    """Every personal value of the lake is marked; exactly the report's personal columns show marks."""
    report, found = CATALOGUE.reports[name], set[str]()
    personal = {
        column.name for column in report.columns if column.personal and (name, column.name) not in PERSONAL_ONLY_HERE
    }
    cases = sorted((case for case in ALL if case.report == name), key=lambda case: -len(case.expected(report)))
    for case in cases:
        with filled(case).open() as (session, request):
            for use in report.tables:
                _mark_personal(session, use.table)
            for each in report.intermediate_tables:
                session.define(f"DROP TABLE {each.name}")
            intermediate.create_tables(session, report, request)
            for row in session.rows(rows_query(report, request)):
                found |= {column for column, value in row.items() if any(trace in str(value) for trace in TRACES)}
        if found >= personal:
            break
    assert found == personal


def _mark_personal(session: Session, table: str) -> None:
    """Let the view of a table show marked values in its personal columns."""
    marked = [
        f"{MARKED[DUCKDB_TYPES[column.type]].format(name=name)} AS {name}"
        for name, column in tables()[table].by_name.items()
        if column.personal
    ]
    if marked:
        session.define(f"ALTER VIEW {table} RENAME TO stored_{table}")
        session.define(f"CREATE TEMP VIEW {table} AS SELECT * REPLACE ({', '.join(marked)}) FROM stored_{table}")


NARROWER = {Prune.UNTIL: Prune.WINDOW, Prune.ALL: Prune.UNTIL}
HISTORIES = [
    pytest.param(report, use, id=f"{report.name}-{use.table}")
    for report in CATALOGUE.reports.values()
    for use in report.tables
    if tables()[use.table].kind is TableKind.FACT and use.prune in NARROWER
]


@pytest.mark.parametrize(("report", "use"), HISTORIES)
def test_history_that_is_read_is_needed(report: Report, use: TableUse, filled: Filled) -> None:
    """Some case yields other rows if fewer months of the table are read; otherwise reading them is unnecessary."""
    narrower = dataclasses.replace(use, prune=NARROWER[use.prune])
    uses = tuple(narrower if each is use else each for each in report.tables)
    differing = (
        case
        for case in ALL
        if case.report == report.name
        and _reaches_out(case, use.table)
        and not are_same_rows(_rows(filled(case), uses), case.expected(report))
    )
    assert next(differing, None) is not None


def _reaches_out(case: Case, table: str) -> bool:
    """Whether the table has rows of other months than the timespan."""
    event_time, start = tables()[table].event_time or "", case.request("").timespan.start
    instants = (row[event_time] for name, _, _, rows in case.inputs() if name == table for row in rows)
    return any(instant[:7] != f"{start:%Y-%m}" for instant in instants)


def _rows(filled: FilledCase, uses: tuple[TableUse, ...]) -> list[Row]:
    with filled.open(uses=uses) as (session, request):
        return session.rows(rows_query(filled.report, request))
