"""A snapshot holds the files of one tenant and of the needed months, with every column."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from deltalake import write_deltalake

from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import Table, TableColumn, tables
from offtake.model.column_type import ColumnType
from offtake.model.query import Query
from offtake.model.report import Prune, TableUse
from offtake.model.timespan import Timespan
from tests.fixtures.storage_paths import views_of
from tests.unit.lake.stored import STATE, TEAM, changed_in, database, seen, stored, version, written

MONTHS = ["2025-12", "2026-01", "2026-02", "2026-03"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(FolderTableStorage(tmp_path / "lake"))
    for tenant in ("acme", "acme-2", "bolt"):
        lines = "".join(f"{tenant},{month}-15T00:00:00Z,x\n" for month in MONTHS)
        path = written(tmp_path / f"{tenant}.csv", "agent_id,started_at,state\n" + lines)
        load(made, STATE, [path], tenant=tenant)
    return made


def _utc(*parts: int) -> datetime:
    return datetime(*parts).replace(tzinfo=UTC)  # type: ignore[arg-type]  # noqa: DTZ001


def _months(lake: Lake, prune: Prune, start: datetime, end: datetime) -> list[str]:
    timespan = Timespan(start=start, end=end, zone="UTC")
    (view,) = views_of(lake, [TableUse(table="agent_state", prune=prune)], tenant="acme", timespan=timespan)
    folders = [Path(file).parent for file in view.files]
    assert {folder.parent.name for folder in folders} <= {"tenant=acme"}
    assert all(Path(file).is_absolute() and Path(file).is_file() for file in view.files)
    return [folder.name.removeprefix("month=") for folder in folders]


@pytest.mark.parametrize(
    ("prune", "start", "end", "months"),
    [
        (Prune.WINDOW, _utc(2026, 1, 1), _utc(2026, 2, 1), MONTHS[1:2]),
        (Prune.WINDOW, _utc(2026, 1, 31, 23, 59, 59), _utc(2026, 2, 1, 0, 0, 0, 1), MONTHS[1:3]),
        (Prune.WINDOW, _utc(2024, 1, 1), _utc(2024, 2, 1), []),
        (Prune.UNTIL, _utc(2026, 2, 10), _utc(2026, 3, 1), MONTHS[:3]),
        (Prune.UNTIL, _utc(2026, 2, 10), _utc(2026, 3, 1, 0, 0, 0, 1), MONTHS),
        (Prune.ALL, _utc(2026, 2, 10), _utc(2026, 2, 11), MONTHS),
    ],
)
def test_months_that_a_report_needs(
    lake: Lake, prune: Prune, start: datetime, end: datetime, months: list[str]
) -> None:
    assert _months(lake, prune, start, end) == months


def test_another_tenants_file_is_never_listed(lake: Lake) -> None:
    for tenant in ("acme", "acme-2", "bolt"):
        view = seen(lake, STATE, tenant)
        assert {part for file in view.files for part in Path(file).parts if part.startswith("tenant=")} == {
            f"tenant={tenant}"
        }
        assert {row["agent_id"] for row in stored(lake, STATE, tenant).values()} == {tenant}
    for unknown in ("", "ac", "acme-", "*", "unknown"):
        assert seen(lake, STATE, unknown).files == ()


@pytest.mark.parametrize("name", list(tables()))
def test_a_table_never_loaded_is_empty_and_typed(tmp_path: Path, name: str) -> None:
    table = tables()[name]
    view = seen(Lake(FolderTableStorage(tmp_path / "none")), table)
    assert view.files == ()
    assert [column for column, _ in view.columns] == [column.name for column in table.columns] + list(
        table.partition_columns
    )
    with database(view) as connection:
        assert connection.execute(f'SELECT count(*) FROM "{name}"').fetchone() == (0,)
    assert not (tmp_path / "none").exists(), "looking makes nothing"


@pytest.mark.parametrize("name", list(tables()))
def test_stored_types_are_the_models(tmp_path: Path, name: str) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    delta = lake.create(tables()[name])
    with duckdb.connect() as connection:
        typed = ", ".join(f'CAST(NULL AS {sql_type}) AS "{column}"' for column, sql_type in tables()[name].file_columns)
        connection.execute(f"CREATE TABLE t AS SELECT {typed} WHERE false")
        columns = {row[0]: row[1] for row in connection.execute("DESCRIBE t").fetchall()}
    assert {field.name for field in delta.schema().fields} == set(columns)
    assert delta.metadata().partition_columns == list(tables()[name].partition_columns)


NOTHING = dict.fromkeys(column.name for column in TEAM.columns)


def _grown(table: Table) -> Table:
    new = TableColumn(name="nickname", type=ColumnType.TEXT, meaning="New.")
    parts = TableColumn(name="skills", type=ColumnType.LIST, meaning="New.")
    return replace(table, columns=(*table.columns, new, parts))


def test_a_table_grows_by_the_models_new_columns(tmp_path: Path) -> None:
    lake, grown = Lake(FolderTableStorage(tmp_path / "lake")), _grown(TEAM)
    load(lake, TEAM, [written(tmp_path / "1.csv", "team_id,name\na,1\nb,1\n")], tenant="acme")
    old = seen(lake, TEAM)
    assert stored(lake, TEAM)[("a",)] == NOTHING | {"team_id": "a", "name": "1", "tenant": "acme"}
    load(lake, grown, [written(tmp_path / "2.csv", 'team_id,name,nickname,skills\nc,2,x,"[""s""]"\n')], tenant="acme")
    view = replace(seen(lake, TEAM), columns=grown.stored_columns)
    with database(view) as connection:
        found = connection.execute("SELECT team_id, nickname, skills FROM team ORDER BY 1").fetchall()
    assert found == [("a", None, None), ("b", None, None), ("c", "x", ["s"])]
    load(lake, grown, [written(tmp_path / "3.csv", "team_id,name,nickname\na,3,y\n")], tenant="acme")
    view = replace(seen(lake, TEAM), columns=grown.stored_columns)
    with database(view) as connection:
        found = connection.execute("SELECT team_id, name, nickname, skills FROM team ORDER BY 1").fetchall()
    assert found == [("a", "3", "y", None), ("b", "1", None, None), ("c", "2", "x", ["s"])]
    assert old.files, "the first snapshot is still whole"
    assert all(Path(file).is_file() for file in old.files)


def test_a_table_of_an_earlier_release_gets_the_hidden_columns(tmp_path: Path) -> None:
    """Its rows have null there until they change, and the query of a report never sees the columns."""
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    columns = ", ".join(f"NULL::VARCHAR AS {column.name}" for column in TEAM.columns[2:])
    sql = f"SELECT unnest(['a', 'b']) AS team_id, '1' AS name, {columns}, 'acme' AS tenant"
    with duckdb.connect() as connection:
        write_deltalake(tmp_path / "lake" / "team", connection.sql(sql).arrow(), partition_by=["tenant"])
    load(lake, TEAM, [written(tmp_path / "2.csv", "team_id,name\na,1\nb,2\nc,1\n")], tenant="acme")
    now = version(lake, TEAM)
    assert changed_in(lake, TEAM) == {("a",): (None, None), ("b",): (now, now), ("c",): (now, now)}
    limits = Limits(threads=1, memory_mb=64, temp_folder=tmp_path / "temp", temp_mb=16)
    with Session(limits, [seen(lake, TEAM)], tenant="acme") as session:
        query = Query(sql="SELECT * FROM team ORDER BY team_id", values={}, columns=tuple(dict(TEAM.stored_columns)))
        found = session.rows(query)
        assert [row["name"] for row in found] == ["1", "2", "1"]


def test_an_older_model_keeps_unknown_columns(tmp_path: Path) -> None:
    lake, grown = Lake(FolderTableStorage(tmp_path / "lake")), _grown(TEAM)
    load(lake, grown, [written(tmp_path / "1.csv", "team_id,name,nickname\na,1,x\nb,1,y\n")], tenant="acme")
    load(lake, TEAM, [written(tmp_path / "2.csv", "team_id,name\nb,2\nc,2\n")], tenant="acme")
    view = replace(seen(lake, TEAM), columns=grown.stored_columns)
    with database(view) as connection:
        found = connection.execute("SELECT team_id, name, nickname FROM team ORDER BY 1").fetchall()
    assert found == [("a", "1", "x"), ("b", "2", None), ("c", "2", None)]


def test_compaction_keeps_every_row_and_earlier_readers(tmp_path: Path) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    for n in range(5):
        content = f"agent_id,started_at,state\na{n},2026-01-0{n + 1}T00:00:00Z,x\na{n},2026-02-01T00:00:00Z,y\n"
        load(lake, STATE, [written(tmp_path / "s.csv", content)], tenant="acme")
        load(lake, STATE, [written(tmp_path / "s.csv", content)], tenant="bolt")
    before, rows, others = seen(lake, STATE), stored(lake, STATE), seen(lake, STATE, "bolt").files
    versions = changed_in(lake, STATE)
    assert len({version for version, _ in versions.values()}) == 5
    assert len(before.files) == 10
    assert compact(lake, STATE, tenant="acme", max_files=5) == 0
    assert compact(lake, STATE, tenant="acme", max_files=4) == 2
    assert len(seen(lake, STATE).files) == 2
    assert (stored(lake, STATE), changed_in(lake, STATE)) == (rows, versions)
    assert seen(lake, STATE, "bolt").files == others
    assert all(Path(file).is_file() for file in before.files), "an export that runs goes on reading them"
    assert compact(lake, TEAM, tenant="acme") == 0


def test_many_small_loads_compact_by_themselves(tmp_path: Path) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    for n in range(17):
        load(lake, TEAM, [written(tmp_path / "t.csv", f"team_id,name\nt{n},x\n")], tenant="acme")
    assert len(seen(lake, TEAM).files) == 1
    assert len(stored(lake, TEAM)) == 17
    assert version(lake, TEAM) > 17
