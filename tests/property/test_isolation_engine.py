"""SQL in a session reaches only the files of its own tenant, and spilling works in the locked session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import duckdb
import pytest

from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.errors import QueryFailed, ResourceExhausted
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import tables
from offtake.model.query import Query
from offtake.model.report import Prune, TableUse
from offtake.model.timespan import Timespan
from tests.fixtures.storage_paths import views_of

REFUSALS = (duckdb.PermissionException, duckdb.InvalidInputException)  # the errors of a locked DuckDB


class _Options(TypedDict):
    options: str
    as_json: bool


SECRET = "globex-secret-7f3a"
CSV: _Options = {"options": "FORMAT csv", "as_json": False}
SPAN = Timespan(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 2, 1, tzinfo=UTC), zone="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Files of two tenants, and the paths that must be unreachable."""

    own: Path
    foreign: Path
    folder: Path

    @property
    def staged(self) -> Path:
        """The one file the session may write."""
        return self.folder / "staged"

    def attempts(self) -> tuple[str, ...]:
        """Statements that would read or write files of others."""
        reads = tuple(f"SELECT * FROM {source}" for spelling in self._spellings() for source in self.readers(spelling))
        return (*reads, *self._others())

    def _spellings(self) -> tuple[str, ...]:
        """Other spellings of the foreign file: a relative path, a link, a pattern, a URL."""
        detour = self.own.parent / ".." / self.own.parent.name / Path(*[".."] * len(self.own.parts[1:-1]))
        link = self.folder / "link.parquet"
        if not link.is_symlink():
            link.symlink_to(self.foreign)
        return (
            str(self.foreign),
            f"{self.own.parent}/../{self.foreign.parent.name}/{self.foreign.name}",
            f"{detour}{self.foreign}",
            f"{self.own}/../../{self.foreign.parent.name}/{self.foreign.name}",
            f"/{self.foreign}",
            str(link),
            f"{self.foreign.parent}/*.parquet",
            f"{self.foreign.parents[1]}/**/*.parquet",
            f"file://{self.foreign}",
        )

    def readers(self, spelling: str) -> tuple[str, ...]:
        """Every function that reads a file of that name."""
        text = spelling.replace("'", "''")
        return (
            f"read_parquet('{text}')",
            f"read_parquet(['{self.own}', '{text}'], union_by_name = true)",
            f"parquet_metadata('{text}')",
            f"parquet_scan('{text}')",
            f"glob('{text}')",
            f"sniff_csv('{text}')",
            f"parquet_schema('{text}')",
            f"parquet_kv_metadata('{text}')",
            f"read_text('{text}')",
            f"read_blob('{text}')",
            f"read_csv('{text}', ignore_errors = true)",
            f"read_json_objects('{text}')",
            f"'{text}'",
        )

    def _others(self) -> tuple[str, ...]:
        out, data = self.folder / "stolen", self.foreign
        return (
            f"COPY (SELECT * FROM agent) TO '{out}.csv'",
            f"COPY (SELECT * FROM agent) TO '{out}.parquet' (FORMAT parquet)",
            f"COPY agent TO '{out}' (FORMAT parquet, PARTITION_BY (tenant))",
            f"COPY (SELECT 1) TO '{data}' (FORMAT parquet)",
            f"COPY (SELECT 1) TO '{self.own.parent}/more.parquet' (FORMAT parquet)",
            f"ATTACH '{out}.db' AS other",
            f"ATTACH '{data}' AS other",
            f"CREATE TABLE taken AS SELECT * FROM '{data}'",
            f"CREATE VIEW taken AS SELECT * FROM read_parquet('{data}')",
            f"CREATE TABLE taken (line VARCHAR); COPY taken FROM '{data}'",
            f"EXPORT DATABASE '{out}'",
            f"IMPORT DATABASE '{self.folder}'",
            "SET enable_external_access = true",
            "SET GLOBAL enable_external_access = true",
            "RESET enable_external_access",
            f"SET allowed_paths = ['{data}']",
            f"SET allowed_directories = ['{self.folder}']",
            f"SET temp_directory = '{self.folder}'",
            "SET memory_limit = '100GB'",
            "SET threads = 64",
            "SET lock_configuration = false",
            "RESET lock_configuration",
            "PRAGMA enable_external_access = true",
            "INSTALL httpfs",
            f"INSTALL '{out}.duckdb_extension'",
            "LOAD httpfs",
            f"LOAD '{out}.duckdb_extension'",
            f"SET VARIABLE \"files of agent\" = ['{data}']; SELECT * FROM agent",
            f"CREATE SECRET stolen (TYPE s3); SELECT * FROM read_parquet('s3://x/{data.name}')",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_text('/proc/self/environ')",
        )


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A lake in which two tenants have one agent each."""
    folder = tmp_path_factory.mktemp("sandbox")
    lake = Lake(FolderTableStorage(folder / "lake"))
    for tenant, name in (("acme", "Ann"), ("globex", SECRET)):
        rows = folder / f"{tenant}.jsonl"
        rows.write_text(f'{{"agent_id": "a", "name": "{name}", "email": "{name}", "is_active": true}}\n')
        load(lake, tables()["agent"], [rows], tenant=tenant)
    own, foreign = (Path(_files(lake, tenant)[0]) for tenant in ("acme", "globex"))
    return Sandbox(own=own, foreign=foreign, folder=folder)


def _files(lake: Lake, tenant: str) -> tuple[str, ...]:
    return views_of(lake, [TableUse(table="agent", prune=Prune.ALL)], tenant=tenant, timespan=SPAN)[0].files


@contextmanager
def _session(sandbox: Sandbox) -> Iterator[Session]:
    """The session of an export of the tenant acme, with its staging file."""
    lake = Lake(FolderTableStorage(sandbox.folder / "lake"))
    views = views_of(lake, [TableUse(table="agent", prune=Prune.ALL)], tenant="acme", timespan=SPAN)
    limits = Limits(threads=1, memory_mb=128, temp_folder=sandbox.folder / "temp", temp_mb=16)
    with Session(limits, views, tenant="acme", writable=(sandbox.staged,)) as session:
        yield session


# Reports run as one SELECT through Session.rows, count or copy; the lock must hold against any statement.
def _execute(session: Session, statement: str) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = session._connection.execute(statement).fetchall()
    return rows


def test_no_statement_reads_or_writes_files_outside_the_tenants(sandbox: Sandbox) -> None:
    """The lock refuses each statement; no statement fails for another reason."""
    attempts = sandbox.attempts()
    before = _contents(sandbox.folder)
    for statement in attempts:
        with _session(sandbox) as session, pytest.raises(REFUSALS) as refusal:
            pytest.fail(f"{statement} gave {_execute(session, statement)}")
        assert SECRET not in str(refusal.value), statement
    assert _contents(sandbox.folder) == before


def test_a_refusal_is_a_failed_query_without_any_of_the_text(sandbox: Sandbox) -> None:
    for source in sandbox.readers(str(sandbox.foreign)):
        query = Query(sql=f"SELECT * FROM {source}", values={}, columns=("any",))
        with _session(sandbox) as session:
            for run in (session.rows, lambda query, on=session: on.copy(query, sandbox.staged, **CSV)):
                with pytest.raises(QueryFailed) as caught:
                    run(query)
                assert "globex" not in str(caught.value)


def test_no_variable_of_the_program_is_a_table(sandbox: Sandbox) -> None:
    loot = duckdb.sql(f"SELECT '{SECRET}' AS secret")
    assert loot is not None
    assert loot.fetchall() == [(SECRET,)]
    with _session(sandbox) as session, pytest.raises(QueryFailed):
        session.rows(Query(sql="SELECT * FROM loot", values={}, columns=("secret",)))


def test_the_tenants_own_files_and_the_staging_file_are_accessible(sandbox: Sandbox) -> None:
    """The control: the lock is not simply shut."""
    query = Query(sql="SELECT name FROM agent", values={}, columns=("name",))
    with _session(sandbox) as session:
        assert session.rows(query) == [{"name": "Ann"}]
        assert _execute(session, f"SELECT name FROM read_parquet('{sandbox.own}')") == [("Ann",)]
        assert session.copy(query, sandbox.staged, **CSV) == 1
    assert sandbox.staged.read_text() == "name\nAnn\n"
    sandbox.staged.unlink()


# Text that does not compress, so that the spilled size is known.
ROWS = 1_500_000
HUNGRY = {
    "sort": f"SELECT md5(n::VARCHAR) || md5((n + 1)::VARCHAR) AS text, n FROM range({ROWS}) AS t(n) ORDER BY text",
    "aggregate": f"SELECT md5(n::VARCHAR) AS text, count(*), max(n) FROM range({ROWS}) AS t(n) GROUP BY text",
    "window": f"SELECT n, row_number() OVER (ORDER BY md5(n::VARCHAR)) AS rank FROM range({ROWS}) AS t(n)",
    "join": f"SELECT a.n FROM range({ROWS}) AS a(n) JOIN (SELECT md5(n::VARCHAR) AS text FROM range({ROWS}) AS t(n)) "
    "AS b ON md5(a.n::VARCHAR) = b.text",
}


@pytest.mark.parametrize("shape", HUNGRY)
def test_rows_that_exceed_the_memory_are_spilled_to_the_temporary_folder(shape: str, tmp_path: Path) -> None:
    with _hungry(tmp_path, temp_mb=2048) as session:
        assert session.copy(_query(shape), tmp_path / "staged", **CSV) == ROWS
    assert (tmp_path / "staged").read_bytes().count(b"\n") == ROWS + 1
    assert not list((tmp_path / "temp").glob("*"))  # removed with the session


@pytest.mark.parametrize("shape", HUNGRY)
def test_too_little_temporary_space_is_resource_exhausted(shape: str, tmp_path: Path) -> None:
    with _hungry(tmp_path, temp_mb=1) as session, pytest.raises(ResourceExhausted):
        session.copy(_query(shape), tmp_path / "staged", **CSV)
    assert not list((tmp_path / "temp").glob("*"))


def _query(shape: str) -> Query:
    return Query(sql=HUNGRY[shape], values={}, columns=())


def _hungry(folder: Path, *, temp_mb: int) -> Session:
    limits = Limits(threads=2, memory_mb=100, temp_folder=folder / "temp", temp_mb=temp_mb)
    return Session(limits, [], tenant="acme", writable=(folder / "staged",))


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "temp" not in path.parts}
