"""The rules that every report of the catalogue follows."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pytest

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue
from offtake.catalogue.publication import NATIVE, default_publication
from offtake.lake.tables import TableKind, tables
from offtake.model.column_type import ColumnType
from offtake.model.rendering import Rendering, fitting
from offtake.model.report import Mark, Prune, Publication, Report
from offtake.wire import PRESENTATIONS
from tests.property.oracles import ORACLES

ROOT = Path(__file__).parents[2]
LOCK: dict[str, Any] = tomllib.loads(Path(__file__).with_name("columns.lock.toml").read_text(encoding="utf-8"))
CATALOGUE: Catalogue = load_catalogue(
    BUILT_IN,
    tables={name: dict(table.stored_columns) for name, table in tables().items()},
    dialects=PRESENTATIONS.keys(),
)
REPORTS = [pytest.param(report, id=name) for name, report in CATALOGUE.reports.items()]
PUBLICATIONS = [
    pytest.param(publication, id=f"{report}-{dialect}")
    for (dialect, report), publication in CATALOGUE.publications.items()
]
OF_VENDORS = [parameter for parameter in PUBLICATIONS if not str(parameter.id).endswith(f"-{NATIVE}")]
# Facts that a report reads whatever their instants are: what a row refers to may be later than the row, a smart view
# selects conversations by their current tags, and the state at an instant may follow from what happened after it.
READ_WHOLE = {
    ("user", "agent_state"),
    ("conversation_actions", "post"),
    ("conversation_history_action", "conversation_action"),
    ("conversation_history_action", "post"),
    ("conversation", "conversation_action"),
    ("conversation", "conversation_tag"),
    ("response", "conversation_tag"),
    ("combined", "conversation_tag"),
    ("inbox_conversations", "conversation_action"),
    ("messaging_traffic", "messaging_contact"),
} | {(name, "conversation") for name in CATALOGUE.reports}
# Reports per dialect, as the contracts list them.
EXPORTS_OF_VENDORS = {"khoros": 14, "talkdesk": 14, "loop": 1}
TICK = timedelta(microseconds=1)
_COMMENT = re.compile(r"--[^\n]*")
_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def _texts(report: Report) -> list[str]:
    return [*(intermediate.sql for intermediate in report.intermediate_tables), report.sql]


def test_every_column_of_a_vendor_has_a_mark() -> None:
    """It may be omitted in reports of operators only."""
    for path in BUILT_IN.glob("*/*.toml"):
        columns = tomllib.loads(path.read_text("utf-8"))["columns"]
        assert [column["name"] for column in columns if "mark" not in column] == [], path


def test_every_folder_is_a_report() -> None:
    assert {path.name for path in BUILT_IN.iterdir() if path.is_dir()} == {*CATALOGUE.reports, "_intermediate"}


def test_every_shared_intermediate_table_is_used() -> None:
    shared = {path.stem for path in (BUILT_IN / "_intermediate").iterdir()}
    assert shared <= {
        intermediate.name for report in CATALOGUE.reports.values() for intermediate in report.intermediate_tables
    }


def test_every_export_of_the_vendors_exists() -> None:
    """Khoros contract 3, Talkdesk contract 2.1, Loop contract 12.2."""
    found = Counter(dialect for dialect, _ in CATALOGUE.publications if dialect != NATIVE)
    for dialect, expected in EXPORTS_OF_VENDORS.items():
        published = sorted(report for publisher, report in CATALOGUE.publications if publisher == dialect)
        assert found.pop(dialect, 0) == expected, (
            f"{dialect} publishes {len(published)} reports, EXPORTS_OF_VENDORS has {expected}. If a report was added, "
            f"add it to docs/reference/contracts/{dialect}.md and its number here; a published report is never "
            f"removed. Published: {', '.join(published)}"
        )
    assert not found, f"EXPORTS_OF_VENDORS lacks a number for {', '.join(found)}"
    assert len(CATALOGUE.publications["loop", "inbox_conversations"].columns) == 27
    users = CATALOGUE.publications["khoros", "user"].columns
    in_json_only = [column.name for column in users if column.formats == ("json",)]
    assert len(in_json_only) == 5
    assert all(name.endswith("_MILLIS") for name in in_json_only)


@pytest.mark.parametrize("report", REPORTS)
def test_column_names_follow_their_types(report: Report) -> None:
    for column in report.columns:
        assert _SNAKE_CASE.fullmatch(column.name)
        assert re.search(r"_at$|^instant_", column.name) or column.type is not ColumnType.INSTANT
        assert re.search(r"^is_|_disconnected$", column.name) or column.type is not ColumnType.BOOLEAN
        assert column.name.endswith("_seconds") == (column.type is ColumnType.SECONDS)
        assert column.name.endswith("_milliseconds") == (column.type is ColumnType.MILLISECONDS)
        assert column.name.endswith("_id") == (column.type is ColumnType.ID)


# Their rows are agents with work in the timespan, which only the joined intermediate tables tell.
WITHOUT_COUNT = {"team_performance", "team_performance_interval"}


def test_the_rows_of_every_report_are_counted_unless_only_its_joins_tell_their_number() -> None:
    assert {name for name, report in CATALOGUE.reports.items() if report.count is None} == WITHOUT_COUNT


@pytest.mark.parametrize("report", REPORTS)
def test_descriptions_are_sentences(report: Report) -> None:
    assert report.grain.startswith("One row per ")
    assert report.grain.count(".") == 1
    for column in report.columns:
        assert column.meaning.endswith("."), f"{column.name}: a meaning is a sentence"


@pytest.mark.parametrize("report", REPORTS)
def test_the_key_is_never_null(report: Report) -> None:
    columns = {column.name: column for column in report.columns}
    assert not any(columns[name].nullable for name in report.key)


@pytest.mark.parametrize("report", REPORTS)
def test_the_query_and_each_intermediate_table_is_one_deterministic_select(report: Report) -> None:
    bound: set[str] = set()
    for sql in _texts(report):
        statements = duckdb.extract_statements(sql)
        assert [statement.type for statement in statements] == [duckdb.StatementType.SELECT]
        bound |= statements[0].named_parameters
        words = set(re.findall(r"[a-z_]+", _COMMENT.sub("", sql).lower()))
        # No clock and no randomness: a repeated attempt yields the same rows. Sorting is not promised and costs memory.
        assert not words & {"now", "current_timestamp", "current_date", "today", "random", "uuid", "limit", "sample"}
        assert not re.search(r"ORDER BY[^()]*$", _COMMENT.sub("", sql), re.IGNORECASE)
    assert {"start", "end"} <= bound


@pytest.mark.parametrize("report", REPORTS)
def test_every_declared_table_is_read_and_no_query_names_the_tenant(report: Report) -> None:
    """The view of each table shows the tenant's rows only; a condition in a query would be a second place for that."""
    sql = _COMMENT.sub("", "\n".join(_texts(report)))
    for use in report.tables:
        assert re.search(rf"\b(?:FROM|JOIN)\s+{use.table}\b", sql, re.IGNORECASE), f"{use.table} is never read"
    assert "tenant" not in sql


@pytest.mark.parametrize("report", REPORTS)
def test_dimensions_are_read_whole_and_facts_by_month(report: Report) -> None:
    for use in report.tables:
        whole = tables()[use.table].kind is TableKind.DIMENSION or (report.name, use.table) in READ_WHOLE
        assert (use.prune is Prune.ALL) == whole


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_has_the_required_cases(report: Report) -> None:
    cases = {path.name for path in _cases(report)}
    missing = {"ordinary", "empty", "edges"} - cases
    assert not missing, f"reports/{report.name}/cases has no {', '.join(sorted(missing))}"
    assert len(cases) > 3, f"reports/{report.name}/cases has only the three required cases: add one of its own"


@pytest.mark.parametrize("report", REPORTS)
def test_cases_have_rows_within_a_microsecond_of_both_bounds(report: Report) -> None:
    """Some row lies at each bound and some row one microsecond from it, at the start on either side."""
    met: set[tuple[str, int]] = set()
    for case in _cases(report):
        request = tomllib.loads((case / "request.toml").read_text(encoding="utf-8"))
        for path in (case / "input").glob("*.jsonl"):
            texts = re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', path.read_text(encoding="utf-8"))
            for instant in map(datetime.fromisoformat, texts):
                met |= {(bound, (instant - request[bound]) // TICK) for bound in ("start", "end")}
    assert {("start", 0), ("end", 0), ("end", -1)} <= met
    assert {("start", -1), ("start", 1)} & met or report.window is None


def test_every_report_has_one_oracle() -> None:
    """``tests/property/test_report_rows.py`` compares each report with the oracle of this registry."""
    oracles = Counter(oracle.report for oracle in ORACLES)
    for report in CATALOGUE.reports:
        assert oracles.pop(report, 0) == 1, (
            f"{report} needs one oracle: a ReportOracle in the ORACLES of a module in tests/property/oracles, which "
            "tests/property/oracles/__init__.py adds to the registry"
        )
    assert not oracles, f"oracles of reports that do not exist: {', '.join(oracles)}"


@pytest.mark.parametrize("publication", PUBLICATIONS)
def test_wire_names_and_labels_are_unique(publication: Publication) -> None:
    names = [column.name for column in publication.columns]
    labels = [column.label or _default_label(column.name) for column in publication.columns]
    assert len(set(names)) == len(names)
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("publication", PUBLICATIONS)
def test_a_publication_shows_every_column_once_in_order(publication: Publication) -> None:
    report = CATALOGUE.reports[publication.report]
    assert [column.source for column in publication.columns] == [column.name for column in report.columns]
    assert [column.mark for column in publication.columns] == [column.mark for column in report.columns]


@pytest.mark.parametrize("report", REPORTS)
def test_columns_are_append_only(report: Report) -> None:
    now = [f"{column.name}: {column.type.value}" for column in report.columns]
    _is_recorded(_locked(report.name)["columns"], now, table=report.name)


@pytest.mark.parametrize("report", REPORTS)
def test_every_report_is_published_natively_as_it_is_defined(report: Report) -> None:
    """So the recorded columns of the report are also those of the native dialect."""
    publication = CATALOGUE.publication(NATIVE, report.name)
    assert publication == default_publication(report) == CATALOGUE.by_slug(NATIVE, report.name)
    types = {column.name: column.type for column in report.columns}
    assert [column.name for column in publication.columns] == list(types)
    for column in publication.columns:
        assert types[column.source] in column.rendering.row.accepts
        assert not column.hidden


@pytest.mark.parametrize("publication", OF_VENDORS)
def test_wire_names_are_append_only(publication: Publication) -> None:
    lock = _locked(publication.report, publication.dialect)
    assert publication.slug == lock["slug"] or lock["slug"] in publication.aliases
    now = [column.name for column in publication.columns]
    _is_recorded(lock["columns"], now, table=f"{publication.report}.{publication.dialect}")


def test_a_published_report_is_never_removed() -> None:
    removed = set(LOCK) - set(CATALOGUE.reports)
    assert not removed, (
        f"columns.lock.toml has reports that are no longer in the catalogue: {', '.join(sorted(removed))}"
    )


def test_the_manual_lists_every_word_of_report_files() -> None:
    page = (ROOT / "docs/reference/report-folder.md").read_text(encoding="utf-8")
    for word in (*ColumnType, *Mark, *Prune, *Rendering):
        found = f"`{word.value}`" in page
        assert found, f"docs/reference/report-folder.md has no `{word.value}`: add a row with its meaning"
    for column_type in ColumnType:
        rows = [line for line in page.split("\n") if line.startswith(f"| `{column_type.value}` |")]
        assert rows, f"docs/reference/report-folder.md has no row for the type `{column_type.value}`"
        listed = set(re.findall(r"`(\w+)`", rows[0].split("|")[4]))
        missing, refused = fitting(column_type) - listed, listed - fitting(column_type)
        assert not missing, (
            f"report-folder.md: add {', '.join(sorted(missing))} to the row of the type `{column_type.value}`"
        )
        assert not refused, (
            f"report-folder.md: the type `{column_type.value}` does not allow {', '.join(sorted(refused))}"
        )


def test_the_append_only_check_finds_every_change() -> None:
    for now in (["a"], ["b", "a"], ["a", "c"]):
        with pytest.raises(AssertionError, match="append-only"):
            _is_recorded(["a", "b"], now, table="report")
    with pytest.raises(AssertionError, match="record"):
        _is_recorded(["a", "b"], ["a", "b", "c"], table="report")
    _is_recorded(["a", "b"], ["a", "b"], table="report")


def _cases(report: Report) -> list[Path]:
    """The case folders of a report."""
    folder = BUILT_IN / report.name / "cases"
    assert folder.is_dir(), f"{report.name} has no cases/: docs/reference/report-folder.md describes the cases to add"
    return list(folder.iterdir())


def _locked(report: str, dialect: str | None = None) -> dict[str, Any]:
    """The recorded columns of a report or of its publication."""
    found = LOCK.get(report) if dialect is None else LOCK.get(report, {}).get(dialect)
    table, content = (report, "its columns") if dialect is None else (f"{report}.{dialect}", "its slug and its columns")
    assert found, f"add [{table}] with {content} to tests/catalogue/columns.lock.toml"
    recorded: dict[str, Any] = found
    return recorded


def _is_recorded(promised: list[str], now: list[str], *, table: str) -> None:
    kept = now[: len(promised)]
    moved = [f"{old!r} is now {new!r}" for old, new in zip_longest(promised, kept) if old != new]
    assert not moved, f"columns are append-only, readers rely on names and order: {'; '.join(moved[:5])}"
    appended = now[len(promised) :]
    assert not appended, f"record the new columns at the end of [{table}] in columns.lock.toml: {appended}"


def _default_label(name: str) -> str:
    return " ".join(word.capitalize() for word in name.split("_"))
