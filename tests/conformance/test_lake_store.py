"""Storage of a lake: a folder, and object storage on two S3 servers.

rclone ignores the conditional writes that a commit requires, so a lake cannot be written through it. There the lake is
written into the folder that rclone serves, and read through rclone.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import obstore
import pytest
from deltalake import DeltaTable

from offtake.errors import AttemptInterrupted, LakeError, LakeVersionGone, StorageUnavailable
from offtake.lake.changes import CHANGED, DELETED, change_views, locate_changes
from offtake.lake.compact import compact
from offtake.lake.delta import Lake, LakeFile
from offtake.lake.erasure.rewrite import drop_tombstones, remove_old_files, rewrite
from offtake.lake.erasure.search import SubjectSearch
from offtake.lake.ingest.delete import delete_where
from offtake.lake.ingest.load import load
from offtake.lake.ingest.row_filter import parse_row_filter
from offtake.lake.ingest.undo import undo_change
from offtake.lake.ingest.upsert import Change
from offtake.lake.seed import SeedPlan, seed
from offtake.lake.snapshot import snapshot
from offtake.lake.staging import staging
from offtake.lake.storage import BucketTableStorage, FolderTableStorage
from offtake.lake.tables import Table, tables
from offtake.lake.tombstones import sweep_tombstones
from offtake.model.data_subject import parse_subject
from offtake.model.report import Prune, TableUse
from offtake.model.timespan import Timespan
from tests.fixtures.buckets import S3Server

TEAM, STATE, CUSTOMER = tables()["team"], tables()["agent_state"], tables()["customer"]
CACHE = 64 * 1024 * 1024
PREFIX = "care/lake"


@dataclass(frozen=True, slots=True)
class Both:
    """The same lake opened for writing and for reading."""

    writer: Lake
    reader: Lake
    cache: Path

    def load(self, folder: Path, table: Table, content: str, *, tenant: str = "acme") -> None:
        """Upsert lines of CSV."""
        file = folder / "rows.csv"
        file.write_text(content)
        load(self.writer, table, [file], tenant=tenant)

    def rows(self, table: Table, columns: str, *, tenant: str = "acme") -> list[tuple[object, ...]]:
        """Return the rows that a report reads, sorted."""
        uses = [TableUse(table=table.name, prune=Prune.ALL)]
        with snapshot(self.reader, uses, tenant=tenant) as (view,):
            assert view.rows == _count(view.files)
            if not view.files:
                return []
            with duckdb.connect() as connection:
                found = connection.execute(
                    f"SELECT {columns} FROM read_parquet({list(view.files)!r}, hive_partitioning = true, "
                    "union_by_name = true) ORDER BY ALL"
                )
                return found.fetchall()


def _count(files: tuple[str, ...]) -> int:
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT count(*) FROM read_parquet({list(files)!r})").fetchone() if files else (0,)
    return int(found[0]) if found else 0


def bucket_lake(server: S3Server, name: str, cache: Path, *, limit: int = CACHE) -> Lake:
    """Return a lake in the bucket."""
    return Lake(BucketTableStorage(server.bucket(name, PREFIX), cache, limit))


@pytest.fixture(params=["folder", "moto", "rclone"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Both:
    """An empty lake."""
    cache = tmp_path / "cache"
    if request.param == "folder":
        lake = Lake(FolderTableStorage(tmp_path / "lake"))
        return Both(lake, lake, cache)
    server: S3Server = request.getfixturevalue(request.param)
    name = server.fresh_bucket()
    lake = bucket_lake(server, name, cache)
    if server.folder is None:
        return Both(lake, lake, cache)
    return Both(Lake(FolderTableStorage(server.folder / name / PREFIX)), lake, cache)


@pytest.fixture
def remote(moto: S3Server, tmp_path: Path) -> Both:
    """An empty lake in object storage that can be written."""
    lake = bucket_lake(moto, moto.fresh_bucket(), tmp_path / "cache")
    return Both(lake, lake, tmp_path / "cache")


def test_rows_that_were_loaded_are_read(both: Both, tmp_path: Path) -> None:
    both.load(tmp_path, TEAM, "team_id,name\na,one\nb,two\n")
    both.load(tmp_path, TEAM, "team_id,name\nx,other\n", tenant="bolt")
    assert both.rows(TEAM, "team_id, name, tenant") == [("a", "one", "acme"), ("b", "two", "acme")]
    assert both.rows(TEAM, "team_id", tenant="bolt") == [("x",)]


def test_a_table_that_was_never_loaded_is_empty(both: Both) -> None:
    assert both.rows(TEAM, "team_id") == []


def test_a_report_reads_the_files_of_its_months_only(both: Both, tmp_path: Path) -> None:
    lines = "".join(f"a,2026-{month:02}-15T00:00:00Z,x\n" for month in (1, 2, 3))
    both.load(tmp_path, STATE, "agent_id,started_at,state\n" + lines)
    timespan = Timespan(start=datetime(2026, 2, 1, tzinfo=UTC), end=datetime(2026, 3, 1, tzinfo=UTC), zone="UTC")
    uses = [TableUse(table="agent_state", prune=Prune.WINDOW)]
    with snapshot(both.reader, uses, tenant="acme", start=timespan.start, end=timespan.end) as (view,):
        (file,) = view.files
        assert file.split("/")[-4:-1] == ["agent_state", "tenant=acme", "month=2026-02"]
        assert Path(file).is_file()


def test_an_upsert_replaces_and_a_compaction_keeps(remote: Both, tmp_path: Path) -> None:
    for number in range(5):
        remote.load(tmp_path, TEAM, f"team_id,name\nsame,{number}\nt{number},x\n")
    before = remote.rows(TEAM, "team_id, name")
    assert before == [("same", "4"), *((f"t{number}", "x") for number in range(5))]
    for number in range(5, 8):
        remote.load(tmp_path, TEAM, f"team_id,name\nt{number},x\n")
    assert compact(remote.writer, TEAM, tenant="acme", max_files=1) == 1
    delta = remote.reader.open(TEAM)
    assert delta is not None
    assert len(remote.reader.files(delta, TEAM, "acme")) == 1
    assert len(remote.rows(TEAM, "team_id")) == 9


def test_a_deletion_leaves_tombstones_and_can_be_undone(remote: Both, tmp_path: Path) -> None:
    remote.load(tmp_path, TEAM, "team_id,name\na,1\nb,1\n")
    change = Change()
    where = parse_row_filter(TEAM, 'team_id = "b"')
    deleted = delete_where(remote.writer, TEAM, where, tenant="acme", change=change)
    assert deleted.version is not None
    found = locate_changes(remote.writer, TEAM, tenant="acme", after=deleted.version - 1)
    with duckdb.connect() as connection, change_views(remote.writer, TEAM, found, connection):
        gone = connection.execute(f"SELECT team_id, version, change_id FROM {DELETED}").fetchall()
        assert gone == [("b", deleted.version, change.id)]
        assert connection.execute(f"SELECT * FROM {CHANGED}").fetchall() == []
    assert remote.rows(TEAM, "team_id") == [("a",)]
    undone = undo_change(remote.writer, TEAM, tenant="acme", version=deleted.version, undone=(), change=Change())
    assert undone.stored is not None
    assert undone.stored.counts.inserted == 1
    assert remote.rows(TEAM, "team_id") == [("a",), ("b",)]
    assert remote.writer.discard(TEAM, tenant="acme", change_id="unknown") == 0


@pytest.fixture(params=["folder", "moto"])
def writable(request: pytest.FixtureRequest, tmp_path: Path) -> Both:
    """An empty lake that can be written, in a folder and in object storage."""
    if request.param == "moto":
        found: Both = request.getfixturevalue("remote")
        return found
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    return Both(lake, lake, tmp_path / "cache")


def _erase(lake: Lake, person: str) -> None:
    """Erase a person's customers."""
    subject = parse_subject(person)
    assert subject is not None
    with staging(lake.storage.staging) as area:
        search = SubjectSearch(area, lake, tenant="acme", subject=subject)
        search.follow()
        rewrite(search, CUSTOMER)
        drop_tombstones(search, CUSTOMER)
    remove_old_files(lake, CUSTOMER, tenant="acme")


def _followed(lake: Lake, known: set[str], after: int) -> tuple[set[str], int, bool]:
    """Return the keys that a reader of changes has afterwards, the version, and whether it read the whole table."""
    delta = lake.open(CUSTOMER)
    assert delta is not None
    with duckdb.connect() as connection:
        try:
            found = locate_changes(lake, CUSTOMER, tenant="acme", after=after)
        except LakeVersionGone:
            with lake.local(lake.files(delta, CUSTOMER, "acme")) as files:
                rows = connection.execute(
                    f"SELECT customer_id FROM read_parquet({[file.path for file in files]!r})"
                ).fetchall()
            return {row[0] for row in rows}, delta.version(), True
        with change_views(lake, CUSTOMER, found, connection):
            gone = {row[0] for row in connection.execute(f"SELECT customer_id FROM {DELETED}").fetchall()}
            new = {row[0] for row in connection.execute(f"SELECT customer_id FROM {CHANGED}").fetchall()}
    return (known - gone) | new, found.until, False


def test_a_reader_of_changes_continues_after_erasures_and_a_sweep(writable: Both, tmp_path: Path) -> None:
    """It reads the whole table where a tombstone with an erased address was removed, and only then."""
    lake = writable.writer
    names = {"ann@customer.example", "bob", "eve", "kim"}
    lines = "".join(f"{name},{name.partition('@')[0]}@customer.example\n" for name in sorted(names))
    writable.load(tmp_path, CUSTOMER, "customer_id,email\n" + lines)
    first, version, _ = _followed(lake, set(), 0)
    assert first == names
    delete_where(lake, CUSTOMER, parse_row_filter(CUSTOMER, 'customer_id = "eve"'), tenant="acme", change=Change())
    second, deleted_in, _ = _followed(lake, first, version)
    assert second == names - {"eve"}

    _erase(lake, "bob@customer.example")  # the id stays in the tombstones, so that readers learn of it
    by_id = _followed(lake, second, deleted_in)
    assert by_id == ({"ann@customer.example", "kim"}, deleted_in + 1, False)
    _erase(lake, "Ann@Customer.example")
    for known, after in ((first, version), (second, deleted_in), by_id[:2]):
        assert _followed(lake, known, after) == ({"kim"}, deleted_in + 2, True)
    writable.load(tmp_path, CUSTOMER, "customer_id,email\nnew,new@customer.example\n")
    assert _followed(lake, {"kim"}, deleted_in + 2) == ({"kim", "new"}, deleted_in + 3, False)

    delete_where(lake, CUSTOMER, parse_row_filter(CUSTOMER, 'customer_id = "new"'), tenant="acme", change=Change())
    now = datetime.now(UTC)
    assert sweep_tombstones(lake, CUSTOMER, now=now) == 0
    assert _followed(lake, {"kim", "new"}, deleted_in + 3) == ({"kim"}, deleted_in + 4, False)
    later = now + lake.tombstone_life + timedelta(minutes=1)
    assert sweep_tombstones(lake, CUSTOMER, now=later, only_count=True) == 3
    assert sweep_tombstones(lake, CUSTOMER, now=later) == 3
    assert _followed(lake, {"kim", "new"}, deleted_in + 3) == ({"kim"}, deleted_in + 4, True)
    assert _followed(lake, {"kim"}, deleted_in + 4) == ({"kim"}, deleted_in + 4, False)
    assert not list(tmp_path.rglob("cache/lake/files/**/*deleted-*"))


def test_seeding_twice_adds_nothing(remote: Both) -> None:
    plan = SeedPlan(tenant="acme", days=3, until=date(2026, 3, 31), calls=50, seed=7)
    first = seed(remote.writer, plan, only=("agent", "call"))
    once = remote.rows(tables()["call"], "call_id")
    assert seed(remote.writer, plan, only=("agent", "call")) == first
    assert remote.rows(tables()["call"], "call_id") == once
    assert len(once) == first["call"] > 0


def _load_in_process(server: S3Server, name: str, cache: Path, path: Path) -> None:
    load(bucket_lake(server, name, cache), TEAM, [path], tenant="acme")


def test_processes_on_several_machines_upserting_the_same_keys_make_no_duplicate(
    moto: S3Server, tmp_path: Path
) -> None:
    """With separate caches the processes share no lock, as on separate hosts; only the table's log coordinates them."""
    context, name = multiprocessing.get_context("spawn"), moto.fresh_bucket()
    server = S3Server(program=moto.program, url=moto.url, access=moto.access)
    processes = []
    for number in range(3):
        file = tmp_path / f"{number}.csv"
        file.write_text("team_id,name\n" + "".join(f"t{row},from {number}\n" for row in range(200)))
        arguments = (server, name, tmp_path / f"machine-{number}", file)
        processes.append(context.Process(target=_load_in_process, args=arguments))
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=200)
        assert process.exitcode == 0
    lake = bucket_lake(moto, name, tmp_path / "cache")
    rows = Both(lake, lake, tmp_path).rows(TEAM, "team_id, name")
    assert len({row[0] for row in rows}) == len(rows) == 200
    assert len({row[1] for row in rows}) == 1, "one whole load came last"


def test_a_concurrent_commit_is_not_overwritten(
    moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first writer commits after the second one has read the table; the second one must read it again."""
    name, files = moto.fresh_bucket(), Lake.files
    first, second = (bucket_lake(moto, name, tmp_path / machine) for machine in ("first", "second"))
    Both(first, first, tmp_path).load(tmp_path, TEAM, "team_id,name\nz,x\n")
    met: list[int] = []

    def meanwhile(lake: Lake, delta: DeltaTable, table: Table, tenant: str) -> tuple[LakeFile, ...]:
        found = files(lake, delta, table, tenant)
        if lake is second and not met:
            met.append(1)
            Both(first, first, tmp_path).load(tmp_path, TEAM, "team_id,name\na,first\n")
        return found

    monkeypatch.setattr(Lake, "files", meanwhile)
    file = tmp_path / "second.csv"
    file.write_text("team_id,name\na,second\n")
    counts = load(second, TEAM, [file], tenant="acme")
    assert (counts.inserted, counts.updated) == (0, 1)
    assert Both(second, second, tmp_path).rows(TEAM, "team_id, name") == [("a", "second"), ("z", "x")]


def test_storage_that_ignores_conditions_is_not_written(rclone: S3Server, tmp_path: Path) -> None:
    lake = bucket_lake(rclone, rclone.fresh_bucket(), tmp_path / "cache")
    with pytest.raises(LakeError, match="ignores If-None-Match"):
        Both(lake, lake, tmp_path).load(tmp_path, TEAM, "team_id,name\na,x\n")


def test_refused_credentials_are_not_an_empty_lake(rclone: S3Server, tmp_path: Path) -> None:
    name = rclone.fresh_bucket()
    wrong = {"AWS_ACCESS_KEY_ID": "another-client", "AWS_SECRET_ACCESS_KEY": "another-client"}
    lake = Lake(BucketTableStorage(rclone.bucket(name, PREFIX, secrets=wrong), tmp_path / "cache", CACHE))
    with pytest.raises(StorageUnavailable, match="team"):
        lake.open(TEAM)


def test_an_unreachable_lake_is_not_an_empty_lake(moto: S3Server, tmp_path: Path) -> None:
    away = moto.bucket("any", PREFIX, endpoint="http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="team"):
        Lake(BucketTableStorage(away, tmp_path / "cache", CACHE)).open(TEAM)


def test_a_missing_bucket_is_not_an_empty_lake(moto: S3Server, tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="team"):
        bucket_lake(moto, "missing-bucket", tmp_path / "cache").open(TEAM)


def test_a_removed_file_ends_the_attempt(both: Both, tmp_path: Path) -> None:
    both.load(tmp_path, TEAM, "team_id,name\na,one\n")
    delta = both.writer.open(TEAM)
    assert delta is not None
    (file,) = both.writer.files(delta, TEAM, "acme")
    if isinstance(both.writer.storage, FolderTableStorage):
        (both.writer.storage.root / file.path).unlink()
    else:
        assert isinstance(both.writer.storage, BucketTableStorage)
        obstore.delete(both.writer.storage.bucket.store, file.path)
    with pytest.raises((StorageUnavailable, duckdb.IOException)):  # the engine converts the latter to the former
        both.rows(TEAM, "team_id")


def test_local_files_are_not_copied_to_the_cache(tmp_path: Path) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    both = Both(lake, lake, tmp_path / "cache")
    both.load(tmp_path, TEAM, "team_id,name\na,one\n")
    with snapshot(lake, [TableUse(table="team", prune=Prune.ALL)], tenant="acme") as (view,):
        assert all(Path(file).is_relative_to(tmp_path / "lake") for file in view.files)
    assert not both.cache.exists()


def test_a_cancellation_interrupts_the_transfer_of_files(remote: Both, tmp_path: Path) -> None:
    remote.load(tmp_path, TEAM, "team_id,name\na,one\n")
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        raise AttemptInterrupted("The attempt was asked to stop.")

    uses = [TableUse(table="team", prune=Prune.ALL)]
    seen = snapshot(remote.reader, uses, tenant="acme", check=check)
    with pytest.raises(AttemptInterrupted), seen:
        pytest.fail("the transfer was not interrupted")
    assert checks
    assert list((remote.cache / "held").iterdir()) == []
