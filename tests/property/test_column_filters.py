"""Filters and orders of a request: the engine selects and sorts the rows that Python does, whatever their values are.

``tests/catalogue/test_cases.py`` compares filters on every built-in report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan, plan_rows, with_instants
from offtake.errors import InvalidRequest
from offtake.model.column_filter import MOST_VALUES, ColumnFilter, FilterOperator, operators, read_filter
from offtake.model.column_type import ColumnType
from offtake.model.layout import ColumnLayout
from offtake.model.rendering import Rendering
from offtake.model.report import Column, Mark, PublishedColumn, Report
from offtake.model.request import ExportRequest
from offtake.model.sort_column import sort_column
from offtake.model.timespan import Timespan
from tests.fixtures.filtering import fulfils

SPAN = Timespan(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC), zone="UTC")
REQUEST = ExportRequest(dialect="native", report="any", format="json", timespan=SPAN, name="any")
TYPES = {
    "row_id": (ColumnType.ID, "VARCHAR"),
    "label": (ColumnType.TEXT, "VARCHAR"),
    "number": (ColumnType.INTEGER, "BIGINT"),
    "talk_seconds": (ColumnType.SECONDS, "INTEGER"),
    "score": (ColumnType.DECIMAL, "DOUBLE"),
    "share": (ColumnType.DECIMAL, "DOUBLE"),  # with two decimals
    "price": (ColumnType.DECIMAL, "DECIMAL(9, 2)"),
    "is_new": (ColumnType.BOOLEAN, "BOOLEAN"),
    "ended_at": (ColumnType.INSTANT, "TIMESTAMP WITH TIME ZONE"),
    "day": (ColumnType.DATE, "DATE"),
    "queue_names": (ColumnType.LIST, "VARCHAR[]"),
}
COLUMNS = tuple(
    Column(
        name=name,
        type=column_type,
        meaning="Any.",
        mark=Mark.PROPOSED,
        decimals=2 if name == "share" else None,
        is_double=sql_type == "DOUBLE",
    )
    for name, (column_type, sql_type) in TYPES.items()
)
# A report over rows in a table of the session.
REPORT = Report(
    name="any",
    title="Any",
    grain="One row per row.",
    window=None,
    key=("row_id",),
    tables=(),
    columns=COLUMNS,
    sql=f"SELECT {', '.join(TYPES)} FROM given_0 WHERE $start < $end",
)

TEXTS = st.sampled_from(["", "a", "A", "é", "e\u0301", "'", "$filter_0_0", "😀", "\uffff", "%", "null"])
VALUES: Mapping[ColumnType, st.SearchStrategy[Any]] = {
    ColumnType.TEXT: TEXTS,
    ColumnType.LIST: TEXTS,
    ColumnType.INTEGER: st.sampled_from([0, -1, 7, 2**53 + 1, 2**63 - 1, -(2**63)]),
    ColumnType.SECONDS: st.sampled_from([0, 1, 59, 2**31 - 1]),
    ColumnType.DECIMAL: st.sampled_from([0.0, 0.3, -2.5, 0.1, 1e6, 0.12, 0.13]),
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.INSTANT: st.sampled_from(
        [
            datetime(2026, 3, 29, 1, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC),
            datetime(1, 1, 1, tzinfo=UTC),
        ]
    ),
    ColumnType.DATE: st.sampled_from([date(2026, 3, 1), date(2026, 3, 2), date(1969, 12, 31)]),
}
# As sums of binary fractions are; files show 0.3, 0.12 and 0.13.
NOISY = {0.3: 0.1 + 0.2, 0.12: 0.1249, 0.13: 0.125}


def _cell(name: str) -> st.SearchStrategy[Any]:
    column_type, sql_type = TYPES[name]
    values = VALUES.get(column_type, TEXTS)
    if sql_type.startswith("DECIMAL"):
        values = values.map(lambda value: round(value, 2))
    if name == "share":
        values = values.map(lambda value: NOISY.get(value, value))
    elif name == "score":
        values = values.map(lambda value: NOISY[value] if value == 0.3 else value)
    return st.none() | (st.lists(values, max_size=3) if column_type is ColumnType.LIST else values)


ROWS = st.lists(st.fixed_dictionaries({name: _cell(name) for name in TYPES if name != "row_id"}), max_size=12).map(
    lambda rows: [{"row_id": f"r{number:03}", **row} for number, row in enumerate(rows)]
)


@st.composite
def column_filters(draw: st.DrawFn) -> ColumnFilter:
    """A filter on any column, with values that rows have or not."""
    column = draw(st.sampled_from(COLUMNS))
    operator = draw(st.sampled_from(operators(column.type)))
    value = VALUES.get(column.type, TEXTS)
    many = {
        FilterOperator.EQ: st.tuples(value),
        FilterOperator.IN: st.lists(value, min_size=1, max_size=4).map(tuple),
        FilterOperator.RANGE: st.tuples(value | st.none(), value | st.none()).filter(
            lambda bounds: any(v is not None for v in bounds)
        ),
        FilterOperator.IS_NULL: st.tuples(st.booleans()),
    }
    return ColumnFilter(column=column.name, operator=operator, values=draw(many[operator]))


class Given:
    """A session to which a test gives the rows of the report."""

    def __init__(self, folder: Path) -> None:
        limits = Limits(threads=1, memory_mb=128, temp_folder=folder / "spill", temp_mb=64)
        self.session = Session(limits, [], tenant="acme")
        self._tables = 0

    def report(self, rows: Sequence[Mapping[str, Any]]) -> Report:
        """Store the rows in a new table and return the report over it."""
        self._tables += 1
        columns = {name: sql_type for name, (_, sql_type) in TYPES.items()}
        batch = {name: [row[name] for row in rows] for name in TYPES}
        self.session.create_relation(f"given_{self._tables}", columns, [batch] if rows else [])
        return replace(REPORT, sql=REPORT.sql.replace("given_0", f"given_{self._tables}"))


@pytest.fixture(scope="module")
def given_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    """One session for many examples: opening one takes longer than the queries of an example."""
    given = Given(tmp_path_factory.mktemp("filters"))
    with given.session:
        yield given


def _shown(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as files show them: decimals without noise."""
    return [{name: _shown_value(name, value) for name, value in row.items()} for row in rows]


def _shown_value(name: str, value: Any) -> Any:
    if isinstance(value, float):
        exact = {noisy: clean for clean, noisy in NOISY.items()} if name in ("score", "share") else {}
        return exact.get(value, value)
    return value


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, filters=st.lists(column_filters(), min_size=1, max_size=3).map(tuple))
def test_the_engine_selects_the_rows_that_python_selects(
    given_rows: Given, rows: list[dict[str, Any]], filters: tuple[ColumnFilter, ...]
) -> None:
    found = [row["row_id"] for row in _rows(given_rows, rows, filters)]
    assert sorted(found) == [row["row_id"] for row in _shown(rows) if fulfils(row, filters)]


def _rows(given_rows: Given, rows: list[dict[str, Any]], filters: tuple[ColumnFilter, ...]) -> list[dict[str, Any]]:
    report = given_rows.report(rows)
    return given_rows.session.rows(
        with_instants(plan_rows(report, replace(REQUEST, filters=filters)), report, _as_text)
    )


def _as_text(instant: str) -> str:
    return f"strftime({instant} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"


ORDERS = st.lists(
    st.sampled_from([name for name in TYPES if name not in ("row_id", "queue_names")]),
    min_size=1,
    max_size=3,
    unique=True,
).flatmap(lambda names: st.tuples(*(st.sampled_from([name, f"-{name}"]) for name in names)))


@settings(max_examples=40, deadline=None)
@given(
    rows=ROWS,
    order=ORDERS,
    filters=st.lists(column_filters(), max_size=1).map(tuple),
    room=st.sampled_from([100, 10**9]),
)
def test_the_engine_sorts_as_python_does(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    order: tuple[str, ...],
    filters: tuple[ColumnFilter, ...],
    room: int,
) -> None:
    """Rows without a value come last in both directions, and the key decides between equal rows."""
    shown = ColumnLayout(
        columns=(PublishedColumn(name="id", source="row_id", rendering=Rendering.TEXT, mark=Mark.PROPOSED),),
        headers=("id",),
        order=order,
    )
    given = Given(tmp_path_factory.getbasetemp())
    with given.session as session:
        query = session.sort(plan(given.report(rows), shown, replace(REQUEST, filters=filters)), range_bytes=room)
        partitions = [session.rows(query, partition=partition) for partition in range(session.partitions)]
    found = [row["id"] for partition in partitions for row in partition]
    expected = [row for row in _shown(rows) if fulfils(row, filters)]
    for by in reversed([sort_column(text) for text in order]):
        present = [row for row in expected if row[by.name] is not None]
        # ``reverse`` keeps the order of equal rows.
        present.sort(key=lambda row: _comparable(row[by.name]), reverse=by.descending)
        expected = [*present, *(row for row in expected if row[by.name] is None)]
    assert found == [row["row_id"] for row in expected]


def _comparable(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


COLUMN_NAMES = st.sampled_from([*TYPES, "row", "", "-label", 'x"y'])
JSON_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=1)


@given(
    name=COLUMN_NAMES,
    operator=st.sampled_from(FilterOperator),
    values=st.lists(JSON_VALUES | st.just("2026-03-01") | st.just("2026-03-01T08:00:00+01:00"), max_size=3),
)
def test_values_from_json_are_typed_or_refused(name: str, operator: FilterOperator, values: list[Any]) -> None:
    """A refusal names a member of the filter and never quotes a value."""
    try:
        made = read_filter(REPORT, name, operator, values, field="filters/0")
    except InvalidRequest as error:
        (fault,) = error.fields
        assert fault.name in ("filters/0/column", "filters/0/op", "filters/0/value")
    else:
        assert operator in operators(TYPES[made.column][0])
        assert not any(isinstance(value, float) and not math.isfinite(value) for value in made.values)


@pytest.mark.parametrize(
    ("name", "operator", "values", "field"),
    [
        ("labels", FilterOperator.EQ, ["a"], "column"),
        ("queue_names", FilterOperator.RANGE, ["a", "b"], "op"),
        ("is_new", FilterOperator.RANGE, [False, True], "op"),
        ("number", FilterOperator.EQ, [True], "value"),
        ("number", FilterOperator.EQ, [2**63], "value"),
        ("number", FilterOperator.EQ, [1.0], "value"),
        ("score", FilterOperator.EQ, [math.inf], "value"),
        ("label", FilterOperator.EQ, ["a\0"], "value"),
        ("label", FilterOperator.EQ, ["\ud800"], "value"),
        ("label", FilterOperator.EQ, [], "value"),
        ("label", FilterOperator.IN, [], "value"),
        ("number", FilterOperator.IN, list(range(MOST_VALUES + 1)), "value"),
        ("number", FilterOperator.RANGE, [None, None], "value"),
        ("number", FilterOperator.RANGE, [1], "value"),
        ("number", FilterOperator.RANGE, [2, 1], "value"),
        ("number", FilterOperator.IS_NULL, [1], "value"),
        ("ended_at", FilterOperator.EQ, ["2026-03-01T08:00:00"], "value"),
        ("ended_at", FilterOperator.EQ, ["0001-01-01T00:00:00+23:00"], "value"),
        ("ended_at", FilterOperator.EQ, ["2026-W09-1T08:00:00Z"], "value"),
        ("day", FilterOperator.EQ, ["2026-02-30"], "value"),
    ],
)
def test_a_filter_that_does_not_fit_the_column_is_refused(
    name: str, operator: FilterOperator, values: list[Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_filter(REPORT, name, operator, values)
    assert [fault.name for fault in caught.value.fields] == [f"filter/{field}"]


def test_many_values_are_one_filter(given_rows: Given) -> None:
    wanted = read_filter(REPORT, "number", FilterOperator.IN, list(range(MOST_VALUES)))
    rows = [{**dict.fromkeys(TYPES), "row_id": f"r{number}", "number": number} for number in (-1, 0, MOST_VALUES)]
    assert [row["row_id"] for row in _rows(given_rows, rows, (wanted,))] == ["r0"]
