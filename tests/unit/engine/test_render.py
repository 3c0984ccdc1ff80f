"""The table of renderings is total, and DuckDB shows every column type as the table specifies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from offtake.engine.render import render
from offtake.lake.tables import DUCKDB_TYPES
from offtake.model.column_type import ColumnType
from offtake.model.rendering import Empty, Rendering, fitting, in_cells

BOUND = {"zone": "Europe/Prague", "instant_pattern": "%d.%m.%Y %H:%M"}
# Ordinary and awkward values of each type, except null.
TYPES = {**DUCKDB_TYPES, ColumnType.DATE: "DATE"}  # no table of the lake has a date
SAMPLES: dict[ColumnType, tuple[Any, ...]] = {
    ColumnType.TEXT: ("", "a", "=1+1", "-1", "\t", "ž"),
    ColumnType.ID: ("", "c-1", "@x", "00012"),
    ColumnType.INTEGER: (0, -1, 2**62),
    ColumnType.DECIMAL: (0.0, -2.5, 1e300),
    ColumnType.BOOLEAN: (True, False),
    ColumnType.INSTANT: ("2026-03-29 00:59:59.999999+00", "1969-12-31 23:59:59+00"),
    ColumnType.SECONDS: (0, 6, 93_784, 10**9),
    ColumnType.MILLISECONDS: (0, 999, 93_784_001),
    ColumnType.DATE: ("2026-03-01", "1969-12-31", "9999-12-31"),
    ColumnType.LIST: ([], [""], ["a", "b"], ["=1"]),
}
_INSTANT = "2026-03-29 01:59:59.250999+00"  # the summer time of BOUND["zone"] began an hour earlier
_OLD_INSTANT = "1969-12-31 23:59:59+00"

# What a file shows for these values: at least one per rendering and column type, and a negative one for elapsed times.
EXACT: dict[Rendering, dict[ColumnType, list[tuple[Any, str]]]] = {
    Rendering.TEXT: {
        ColumnType.TEXT: [("a", "a"), ("", "")],
        ColumnType.ID: [("00012", "00012")],
    },
    Rendering.TEXT_OR_EMPTY: {
        ColumnType.TEXT: [("a", "a"), ("", "")],
        ColumnType.ID: [("00012", "00012")],
    },
    Rendering.EXACT_TEXT: {
        ColumnType.TEXT: [("a", "a"), ("", "")],
        ColumnType.ID: [("00012", "00012"), ("", "")],
    },
    Rendering.INT64: {
        ColumnType.INTEGER: [(-7, "-7"), (2**62, "4611686018427387904")],
        ColumnType.SECONDS: [(93_784, "93784"), (-61, "-61")],
        ColumnType.MILLISECONDS: [(93_784_999, "93784999"), (-61_999, "-61999")],
    },
    Rendering.INTEGER: {
        ColumnType.INTEGER: [(-7, "-7"), (2**62, "4611686018427387904")],
        ColumnType.SECONDS: [(93_784, "93784"), (-61, "-61")],
        ColumnType.MILLISECONDS: [(93_784_999, "93784999"), (-61_999, "-61999")],
    },
    Rendering.DECIMAL: {
        ColumnType.DECIMAL: [(-2.5, "-2.5"), (0.1, "0.1"), (3.0, "3.0")],
    },
    Rendering.DECIMAL_COMMA: {
        ColumnType.DECIMAL: [(-2.5, "-2,5"), (0.1, "0,1"), (3.0, "3,0"), (1e300, "1e+300")],
    },
    Rendering.BOOLEAN: {
        ColumnType.BOOLEAN: [(True, "true"), (False, "false")],
    },
    Rendering.YES_NO: {
        ColumnType.BOOLEAN: [(True, "Yes"), (False, "No")],
    },
    Rendering.YES_NO_CAPITALS: {
        ColumnType.BOOLEAN: [(True, "YES"), (False, "NO")],
    },
    Rendering.DAY_FRACTION: {
        ColumnType.SECONDS: [(6, "0.00006944444444444444"), (129_600, "1.5"), (-43_200, "-0.5")],
        ColumnType.MILLISECONDS: [(6, "6.944444444444444e-8"), (129_600_000, "1.5"), (-43_200_000, "-0.5")],
    },
    Rendering.DAYS_TO_SECONDS: {
        ColumnType.SECONDS: [(42, "0d 0h 0m 42s"), (93_784, "1d 2h 3m 4s"), (-61, "-0d 0h 1m 1s")],
        ColumnType.MILLISECONDS: [(999, "0d 0h 0m 0s"), (93_784_999, "1d 2h 3m 4s"), (-61_999, "-0d 0h 1m 1s")],
    },
    Rendering.HOURS_TO_SECONDS: {
        ColumnType.SECONDS: [
            (59, "00:00:59"),
            (93_784, "26:03:04"),
            (360_000, "100:00:00"),
            (-61, "-00:01:01"),
            (-93_784, "-26:03:04"),
        ],
        ColumnType.MILLISECONDS: [
            (999, "00:00:00"),
            (93_784_999, "26:03:04"),
            (-999, "00:00:00"),
            (-61_999, "-00:01:01"),
        ],
    },
    Rendering.INSTANT_Z: {
        ColumnType.INSTANT: [(_INSTANT, "2026-03-29T01:59:59Z"), (_OLD_INSTANT, "1969-12-31T23:59:59Z")],
    },
    Rendering.INSTANT_Z_OR_EMPTY: {
        ColumnType.INSTANT: [(_INSTANT, "2026-03-29T01:59:59Z"), (_OLD_INSTANT, "1969-12-31T23:59:59Z")],
    },
    Rendering.INSTANT_MICROSECONDS: {
        ColumnType.INSTANT: [
            (_INSTANT, "2026-03-29T01:59:59.250999Z"),
            (_OLD_INSTANT, "1969-12-31T23:59:59.000000Z"),
        ],
    },
    Rendering.INSTANT: {
        ColumnType.INSTANT: [(_INSTANT, "2026-03-29 01:59:59.250999+00"), (_OLD_INSTANT, "1969-12-31 23:59:59+00")],
    },
    Rendering.INSTANT_OFFSET: {
        ColumnType.INSTANT: [(_INSTANT, "2026-03-29T03:59:59+02:00"), (_OLD_INSTANT, "1970-01-01T00:59:59+01:00")],
    },
    Rendering.INSTANT_LOCALE: {
        ColumnType.INSTANT: [(_INSTANT, "29.03.2026 03:59"), (_OLD_INSTANT, "01.01.1970 00:59")],
    },
    Rendering.LOCAL_SECONDS: {
        ColumnType.INSTANT: [(_INSTANT, "2026-03-29 03:59:59"), (_OLD_INSTANT, "1970-01-01 00:59:59")],
    },
    Rendering.LOCAL_MILLISECONDS: {
        ColumnType.INSTANT: [(_INSTANT, "2026-03-29 03:59:59.250"), (_OLD_INSTANT, "1970-01-01 00:59:59.000")],
    },
    Rendering.LOCAL_INSTANT: {
        ColumnType.INSTANT: [(_INSTANT, "2026-03-29 03:59:59.250999"), (_OLD_INSTANT, "1970-01-01 00:59:59")],
    },
    Rendering.JOINED_PLUS: {
        ColumnType.LIST: [(["a", "b", "c"], "a+b+c"), ([], "")],
    },
    Rendering.JOINED_PLUS_OR_EMPTY: {
        ColumnType.LIST: [(["a", "b", "c"], "a+b+c"), ([], "")],
    },
    Rendering.JOINED_SPACED_PLUS: {
        ColumnType.LIST: [(["a", "b", "c"], "a + b + c"), ([], "")],
    },
    Rendering.JOINED_COMMA: {
        ColumnType.LIST: [(["a", "b", "c"], "a, b, c"), ([], "")],
    },
    Rendering.LIST: {
        ColumnType.LIST: [(["a", 'ž"'], '["a","ž\\""]'), ([], "[]")],
    },
    Rendering.LIST_TEXT: {
        ColumnType.LIST: [(["a", 'ž"'], '["a","ž\\""]'), ([], "[]")],
    },
    Rendering.DAY: {
        ColumnType.DATE: [("2026-03-01", "2026-03-01"), ("0999-12-31", "0999-12-31")],
    },
    Rendering.DATE: {
        ColumnType.DATE: [("2026-03-01", "2026-03-01"), ("0999-12-31", "0999-12-31")],
    },
    Rendering.DATE_OR_EMPTY: {
        ColumnType.DATE: [("2026-03-01", "2026-03-01")],
    },
    Rendering.PLAIN: {
        ColumnType.DATE: [("2026-03-01", "2026-03-01")],
        ColumnType.TEXT: [("a", "a"), ("", "")],
        ColumnType.ID: [("00012", "00012")],
        ColumnType.INTEGER: [(-7, "-7")],
        ColumnType.DECIMAL: [(-2.5, "-2.5"), (1e300, "1e+300")],
        ColumnType.BOOLEAN: [(True, "true"), (False, "false")],
        ColumnType.SECONDS: [(7, "7"), (-61, "-61")],
        ColumnType.MILLISECONDS: [(7, "7"), (-61_999, "-61999")],
    },
}
JSON_TYPES = {
    "VARCHAR": "string",
    "BIGINT": "integer",
    "UBIGINT": "integer",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "ARRAY": "array",
}
ACCEPTED = [
    pytest.param(rendering, column_type, id=f"{rendering}-{column_type}")
    for rendering in Rendering
    for column_type in ColumnType
    if column_type in rendering.row.accepts
]


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def shown(
    database: duckdb.DuckDBPyConnection, rendering: Rendering, column_type: ColumnType, value: object, **options: bool
) -> tuple[object, str | None]:
    """The value as the rendering shows it, as DuckDB's JSON writer has it, and its type there."""
    sql = render("a value", column_type, rendering, **options)
    bound = {name: value for name, value in BOUND.items() if f"${name}" in sql}
    found = database.execute(
        f"SELECT to_json(shown) ->> '$', json_type(to_json(shown)), shown IS NULL FROM (SELECT {sql} AS shown "
        f'FROM (SELECT CAST($value AS {TYPES[column_type]}) AS "a value"))',
        {**bound, "value": value},
    ).fetchone()
    assert found is not None
    text, json_type, is_null = found
    return (None, None) if is_null else (text, json_type)


def test_every_column_type_has_a_rendering_and_every_rendering_a_column_type() -> None:
    assert all(fitting(column_type) for column_type in ColumnType)
    assert all(rendering.row.accepts for rendering in Rendering)
    assert set().union(*map(fitting, ColumnType)) == set(Rendering)


@pytest.mark.parametrize(("rendering", "column_type"), ACCEPTED)
def test_values_have_the_json_type_in_the_table_of_renderings(
    database: duckdb.DuckDBPyConnection, rendering: Rendering, column_type: ColumnType
) -> None:
    for value in SAMPLES[column_type]:
        _, json_type = shown(database, rendering, column_type, value)
        assert json_type is not None, value
        assert JSON_TYPES[json_type] == rendering.row.json, value


@pytest.mark.parametrize(("rendering", "column_type"), ACCEPTED)
def test_values_are_shown_exactly_so(
    database: duckdb.DuckDBPyConnection, rendering: Rendering, column_type: ColumnType
) -> None:
    exact = EXACT.get(rendering, {}).get(column_type, [])
    entry = f"EXACT[Rendering.{rendering.name}][ColumnType.{column_type.name}] in {Path(__file__).name}"
    assert exact, f"add a value, and the text that a file shows for it, to {entry}"
    is_elapsed = column_type in (ColumnType.SECONDS, ColumnType.MILLISECONDS)
    assert not is_elapsed or any(value < 0 for value, _ in exact), f"add a negative elapsed time to {entry}"
    for value, text in exact:
        found, _ = shown(database, rendering, column_type, value)
        assert found == text, f"{rendering} shows {value!r} as {found!r}; {entry} has {text!r}"


@pytest.mark.parametrize(("rendering", "column_type"), ACCEPTED)
def test_null_and_empty_text_are_shown_as_in_the_table_of_renderings(
    database: duckdb.DuckDBPyConnection, rendering: Rendering, column_type: ColumnType
) -> None:
    of_null, _ = shown(database, rendering, column_type, None)
    texts = [shown(database, rendering, column_type, value)[0] for value in SAMPLES[column_type]]
    match rendering.row.empty:
        case Empty.NEVER:
            assert of_null is None
            assert "" not in texts
        case Empty.KEPT | Empty.EXACT:
            assert of_null is None
            assert "" in texts
        case Empty.FOR_NULL:
            assert of_null == ""
    assert rendering.row.empty is Empty.NEVER or rendering.row.json == "string"


@pytest.mark.parametrize(("rendering", "column_type"), ACCEPTED)
def test_a_format_without_empty_text_never_gets_one(
    database: duckdb.DuckDBPyConnection, rendering: Rendering, column_type: ColumnType
) -> None:
    for value in (None, *SAMPLES[column_type]):
        plain, _ = shown(database, rendering, column_type, value)
        nulled, _ = shown(database, rendering, column_type, value, empty_text_is_null=True)
        assert nulled == (plain if rendering.row.empty is Empty.EXACT else plain or None)


@pytest.mark.parametrize(("rendering", "column_type"), ACCEPTED)
def test_free_text_is_not_written_as_a_formula(
    database: duckdb.DuckDBPyConnection, rendering: Rendering, column_type: ColumnType
) -> None:
    """Numbers, instants and flags stay as they are: ``-1`` of a number column is no formula."""
    typed = column_type in (ColumnType.TEXT, ColumnType.ID, ColumnType.LIST) and rendering.row.json == "string"
    for value in (None, *SAMPLES[column_type]):
        plain, _ = shown(database, rendering, column_type, value)
        prefixed, _ = shown(database, rendering, column_type, value, guard_formulas=True)
        is_formula = isinstance(plain, str) and plain.startswith(
            ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
        )
        assert prefixed == (f"'{plain}" if typed and is_formula else plain)


def test_instants_become_dates_in_a_workbook_and_other_values_stay() -> None:
    for rendering in Rendering:
        is_instant = rendering.row.accepts == {ColumnType.INSTANT}
        assert in_cells(rendering) is (Rendering.LOCAL_INSTANT if is_instant else rendering)
