"""Khoros files: instants as Babel writes them, and CSV and JSON files with the same rows.

Babel is an independent implementation here: the server renders the patterns inside the query.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import hypothesis
import pytest
from babel.dates import format_datetime
from hypothesis import strategies as st

from offtake.catalogue.macros import MACROS
from offtake.core.presentation import choose
from offtake.engine.duckdb import Session
from offtake.engine.plan import plan
from offtake.engine.render import render
from offtake.formats import format_named
from offtake.model.column_type import ColumnType
from offtake.model.query import Query
from offtake.model.rendering import Rendering
from offtake.model.report import Publication
from offtake.model.timespan import fixed_zone
from offtake.wire.khoros.presentation import label, presentation
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.khoros.tables import LANGUAGES
from tests.fixtures.row_comparison import assert_same_rows
from tests.property.exporting import Export, catalogue, limits, stored
from tests.strategies import FIRST, LAST, ZONES, Scenario, landmarks, scenarios
from tests.strategies import zone as locked_zone

REPORTS = sorted(report for dialect, report in catalogue().publications if dialect == "khoros")
SHOWN = render("instant", ColumnType.INSTANT, Rendering.INSTANT_LOCALE)
SQL = f"SELECT {SHOWN} AS shown FROM (SELECT make_timestamptz(unnest($micros)) AS instant) AS given"
SECOND = timedelta(seconds=1)
BOUNDS = [datetime(day.year, day.month, day.day) for day in (FIRST, LAST)]  # noqa: DTZ001 - given a zone below
# Fields of all lengths, literals and quotes; without AM and PM, whose names depend on the language.
PATTERNS = ["dd/MM/yyyy HH:mm:ss", "d.M.yy H:m:s", "yyyy-MM-dd'T'HH:mm:ss.SSS", "h 'o''clock' y 100%"]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(limits(tmp_path_factory.mktemp("session")), (), tenant="acme") as opened:
        opened.define(MACROS)
        yield opened


def shown(session: Session, given: list[datetime], zone: str, pattern: str) -> list[str]:
    """The instants as the engine shows them."""
    micros = [(at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for at in given]
    values = {"micros": micros, "zone": zone, "instant_pattern": pattern}
    return [row["shown"] for row in session.rows(Query(sql=SQL, values=values, columns=("shown",)))]


def anywhere() -> st.SearchStrategy[tuple[str, tzinfo]]:
    """A zone or a fixed offset in seconds, and the tzinfo for Babel."""
    offsets = st.timedeltas(min_value=timedelta(hours=-18), max_value=timedelta(hours=18)).map(
        lambda t: t // SECOND * SECOND
    )
    halves = st.integers(-24, 28).map(lambda number: number * timedelta(minutes=30))
    fixed = (offsets | halves).map(lambda offset: (fixed_zone(offset), timezone(offset)))
    return st.sampled_from(ZONES).map(lambda name: (name, locked_zone(name))) | fixed


def moments(clocks: tzinfo) -> st.SearchStrategy[datetime]:
    """Any instant, often near a change of clocks."""
    free = st.datetimes(*BOUNDS).map(lambda naive: naive.replace(tzinfo=UTC))
    if not hasattr(clocks, "key"):
        return free
    nudges = st.timedeltas(min_value=timedelta(hours=-2), max_value=timedelta(hours=2))
    return free | st.builds(lambda at, by: at + by, st.sampled_from(landmarks(clocks.key)), nudges)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(where=anywhere(), language=st.sampled_from(LANGUAGES), data=st.data())
def test_instants_are_written_as_babel_writes_them(
    session: Session, where: tuple[str, tzinfo], language: str, data: st.DataObject
) -> None:
    """Khoros contract 5.2, with the default patterns of the dialect."""
    name, clocks = where
    given = data.draw(st.lists(moments(clocks), min_size=1, max_size=40))
    settings = KhorosSettings()
    pattern = getattr(settings, f"pattern_{language}")
    wanted = [format_datetime(at, pattern, tzinfo=clocks, locale=language) for at in given]
    assert shown(session, given, name, settings.instant_pattern(language)) == wanted


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(where=anywhere(), pattern=st.sampled_from(PATTERNS), data=st.data())
def test_other_patterns_are_written_as_babel_writes_them(
    session: Session, where: tuple[str, tzinfo], pattern: str, data: st.DataObject
) -> None:
    """Pattern letters have their meaning in CLDR."""
    name, clocks = where
    given = data.draw(st.lists(moments(clocks), min_size=1, max_size=20))
    # CLDR truncates the fraction, Babel rounds it.
    whole = [at.replace(microsecond=at.microsecond // 1000 * 1000) for at in given]
    wanted = [format_datetime(at, pattern, tzinfo=clocks, locale="de") for at in whole]
    assert shown(session, whole, name, KhorosSettings(pattern_de=pattern).instant_pattern("de")) == wanted


def written(export: Export, publication: Publication, language: str, format_name: str, **settings: Any) -> bytes:
    """The file of an export, as the worker writes and counts it."""
    request = replace(export.request, format=format_name, locale=language)
    file_format = format_named(format_name)
    layout = presentation(KhorosSettings(**settings))(choose(publication, (), format_name), request)
    report = catalogue().reports[publication.report]
    query = plan(report, layout.shown, request, empty_text_is_null=file_format.empty_text_is_null)
    if query.order:
        query = export.session.sort(query, range_bytes=1_000)
    rows = file_format.write(export.session, query, export.file, framing=layout.framing)
    counter = file_format.counter(layout.framing, export.file)
    counter.feed(export.file.read_bytes())
    assert counter.records() == rows
    return export.file.read_bytes()


FACTS = {
    "brand_post": ("brand_post",),
    "raw_agent_states": ("agent_state", "agent", "team_member"),
    "raw_expert_help": ("help_request", "conversation"),
    "response_approval": ("response_approval", "conversation"),
    "team_performance": ("agent_state", "post", "conversation_action", "conversation"),
    "team_performance_interval": ("agent_state", "post", "conversation_action", "conversation"),
    "user": ("agent", "agent_state", "team_member"),
}
OTHERS = ("post", "conversation", "conversation_action", "conversation_tag")


@pytest.mark.timeout(900)  # Hypothesis reduces a failing example before it reports it
@pytest.mark.parametrize("report", REPORTS)
@hypothesis.settings(max_examples=4, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(data=st.data(), language=st.sampled_from(LANGUAGES), bom=st.booleans())
def test_csv_and_json_read_back_give_the_same_rows(report: str, data: st.DataObject, language: str, bom: bool) -> None:
    """Khoros contract 5.1, 5.5 and 5.6: all text, the same keys in every row, labels in the first line."""
    scenario: Scenario = data.draw(scenarios(*FACTS.get(report, OTHERS), max_rows=5))
    publication = catalogue().publication("khoros", report)
    assert publication is not None
    keys = [column.name for column in publication.columns]
    labels = {label(column, language): column.name for column in publication.columns if not column.formats}
    care, timespan = scenario.tenants[0], scenario.timespans[0]
    with stored((care,)) as here:
        with here.export(report, care, timespan, dialect="khoros") as export:
            wanted = export.shown(instant_pattern=KhorosSettings().instant_pattern(language))
            rows = json.loads(written(export, publication, language, "json"))
        with here.export(report, care, timespan, dialect="khoros") as export:  # a session sorts one file
            text = written(export, publication, language, "csv", csv_bom=bom)
    for row in rows:
        assert list(row) == keys
    assert all(isinstance(value, str) for row in rows for value in row.values())
    assert_same_rows(rows, wanted, key=export.shown_key)
    header, *lines = csv.reader(io.StringIO(text.decode("utf-8-sig" if bom else "utf-8"), newline=""), strict=True)
    assert text.endswith(b"\r\n")
    assert [labels[name] for name in header] == [column.name for column in publication.columns if not column.formats]
    kept = [{name: row[name] for name in labels.values()} for row in rows]
    cells = [dict(zip(labels.values(), line, strict=True)) for line in lines]
    assert_same_rows(cells, kept, key=export.shown_key)
