"""An export in several partitions is one complete file, or several files that have its rows, each once."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import python_calamine

from offtake.core.attempt import output
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.attempt.resource_plan import resource_plan
from offtake.core.attempt.run import run_attempt
from offtake.core.exports.create import create_export
from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.errors import AttemptInterrupted, RowLimitExceeded, TooManyFiles
from offtake.formats import FORMATS, partition_file
from offtake.formats.csv import CSV
from offtake.model.artifact import ArtifactFile, artifact_of
from offtake.model.job import Lease
from offtake.model.layout import Framing
from offtake.model.query import Query
from offtake.model.request import Split
from offtake.model.view import TableView
from offtake.store import job_claims, job_queries, manifests
from tests.fixtures.columnar import COLUMNAR, read_columns
from tests.fixtures.exports import EXPORT, NOON, caller
from tests.fixtures.storage_paths import artifact_path
from tests.fixtures.taggings import tagging_services

TAGGINGS = 40


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Services]:
    """Services with a report of 40 rows, and attempts that divide it into partitions of 9 rows."""
    services = tagging_services(tmp_path, rows=TAGGINGS)
    yield replace(services, attempt=replace(services.attempt, partition_rows=9))
    services.database.close()


def _leased(
    on: Services,
    *,
    format_name: str = "csv",
    row_limit: int | None = None,
    split: Split | None = None,
    order: tuple[str, ...] = (),
) -> Lease:
    request = replace(EXPORT, report="taggings", format=format_name, row_limit=row_limit, split=split, order=order)
    create_export(request, caller(), on)
    now = on.clock()
    with on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
    assert lease is not None
    return lease


@pytest.mark.parametrize("format_name", [file_format.name for file_format in FORMATS])
def test_an_attempt_joins_its_partitions_into_one_published_file(on: Services, format_name: str) -> None:
    artifact = run_attempt(_leased(on, format_name=format_name), on, Cancellation())
    data = artifact_path(on, artifact.key).read_bytes()
    assert artifact.rows == TAGGINGS
    assert artifact.bytes == len(data)
    found = _tags(data, format_name)
    assert sorted(found) == sorted(f"t{number}" for number in range(TAGGINGS))
    assert found != _tags(
        _in_one_partition(on, format_name), format_name
    )  # partitions change the order, so there were several
    assert list(on.artifacts.found()) == [each for each in on.artifacts.found() if not each.staged]


def _in_one_partition(on: Services, format_name: str) -> bytes:
    whole = replace(on, attempt=replace(on.attempt, partition_rows=TAGGINGS))
    return artifact_path(
        on, run_attempt(_leased(whole, format_name=format_name), whole, Cancellation()).key
    ).read_bytes()


def _tags(data: bytes, format_name: str) -> list[str]:
    if format_name == "xlsx":
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        return [str(tag) for (tag,) in book.get_sheet_by_name("Export").to_python()[1:]]
    if format_name in COLUMNAR:
        return list(read_columns(format_name, data)["tag"].to_pylist())
    text = data.decode()
    if format_name == "csv":
        return text.splitlines()[1:]
    rows = json.loads(text)["entries"] if format_name == "json" else [json.loads(line) for line in text.splitlines()]
    return [row["tag"] for row in rows]


def test_a_row_limit_applies_to_all_partitions_together(on: Services) -> None:
    with pytest.raises(RowLimitExceeded):
        run_attempt(_leased(on, row_limit=TAGGINGS - 1), on, Cancellation())
    assert list(on.artifacts.found()) == []
    assert run_attempt(_leased(on, row_limit=TAGGINGS), on, Cancellation()).rows == TAGGINGS


def _split(
    on: Services, split: Split | None, format_name: str, order: tuple[str, ...] = ()
) -> tuple[list[ArtifactFile], list[list[str]]]:
    """The published files of an export, and the rows of each."""
    lease = _leased(on, format_name=format_name, split=split, order=order)
    artifact = run_attempt(lease, on, Cancellation())
    with on.database.read() as connection:
        job = job_queries.get(connection, lease.job.id)
        assert job is not None
        files = list(manifests.files(connection, job))
    assert artifact == job.artifact == artifact_of(files)
    assert [file.number for file in files] == list(range(artifact.files))
    data = [artifact_path(on, file.key).read_bytes() for file in files]
    assert [file.bytes for file in files] == list(map(len, data))
    assert {each.key for each in on.artifacts.found()} >= {file.key for file in files}
    assert not any(each.staged for each in on.artifacts.found())
    return files, [_tags(each, format_name) for each in data]


@pytest.mark.parametrize(
    ("format_name", "rows", "expected"),
    [
        *((file_format.name, 7, [7, 7, 7, 7, 7, 5]) for file_format in FORMATS),
        ("csv", 20, [20, 20]),
        ("csv", TAGGINGS, [TAGGINGS]),
        ("csv", TAGGINGS + 1, [TAGGINGS]),
    ],
)
def test_a_split_by_rows_has_exactly_that_many_rows_in_each_file_but_the_last(
    on: Services, format_name: str, rows: int, expected: list[int]
) -> None:
    files, found = _split(on, Split(rows=rows), format_name)
    assert [file.rows for file in files] == list(map(len, found)) == expected
    assert sorted(tag for tags in found for tag in tags) == sorted(f"t{number}" for number in range(TAGGINGS))


@pytest.mark.parametrize("format_name", [file_format.name for file_format in FORMATS])
def test_no_file_of_a_split_by_bytes_is_larger_than_that(on: Services, format_name: str) -> None:
    whole = run_attempt(_leased(on, format_name=format_name), on, Cancellation()).bytes
    files, found = _split(on, Split(bytes=whole - 1), format_name)
    assert len(files) > 1
    assert all(file.bytes < whole for file in files)
    assert sorted(tag for tags in found for tag in tags) == sorted(f"t{number}" for number in range(TAGGINGS))


def test_a_file_of_a_split_by_bytes_has_at_least_one_row(on: Services) -> None:
    files, _ = _split(on, Split(bytes=1), "csv")
    assert [file.rows for file in files] == [1] * TAGGINGS


@pytest.mark.parametrize("split", [None, Split(rows=15)], ids=["whole", "split"])
def test_the_files_of_a_sorted_export_say_where_they_begin_and_end(on: Services, split: Split | None) -> None:
    tags = sorted((f"t{number}" for number in range(TAGGINGS)), reverse=True)
    files, found = _split(on, split, "csv", order=("-tag_id",))
    assert [tag for each in found for tag in each] == tags
    assert [file.first_key for file in files] == [(each[0],) for each in found]
    assert [file.last_key for file in files] == [(each[-1],) for each in found]


def test_a_split_export_without_rows_is_one_file(on: Services) -> None:
    earlier = replace(EXPORT.timespan, start=NOON - timedelta(days=9), end=NOON - timedelta(days=8))
    create_export(replace(EXPORT, report="taggings", timespan=earlier, split=Split(rows=5)), caller(), on)
    with on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=on.clock(), until=on.clock() + timedelta(minutes=1))
    assert lease is not None
    artifact = run_attempt(lease, on, Cancellation())
    assert (artifact.files, artifact.rows) == (1, 0)
    assert artifact_path(on, artifact.key).read_text() == "Tag\n"


def test_limits_apply_to_all_files_of_a_split_export_together(on: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RowLimitExceeded):
        run_attempt(_leased(on, row_limit=TAGGINGS - 1, split=Split(rows=5)), on, Cancellation())
    assert list(on.artifacts.found()) == []
    monkeypatch.setattr(output, "MAX_FILES", 7)
    with pytest.raises(TooManyFiles, match="more than 7 files"):
        run_attempt(_leased(on, split=Split(rows=5)), on, Cancellation())
    assert list(on.artifacts.found()) == []


class _StoppedAfterOne(Session):
    """A session that is interrupted after its first partition and before its second."""

    def copy(self, query: Query, path: Path, *, options: str, as_json: bool, partition: int = 0) -> int:
        """Write the partition, then interrupt the session."""
        found = super().copy(query, path, options=options, as_json=as_json, partition=partition)
        self.interrupt()
        return found


def test_an_interrupt_between_two_partitions_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "staged"
    limits = Limits(threads=1, memory_mb=128, temp_folder=tmp_path / "temp", temp_mb=16)
    query = Query(sql="SELECT getvariable('partition') AS partition", values={}, columns=("partition",))
    with (
        _StoppedAfterOne(limits, [], tenant="acme", writable=(file, partition_file(file)), partitions=3) as session,
        pytest.raises(AttemptInterrupted),
    ):
        CSV.write(session, query, file, framing=Framing())
    assert file.read_text() == "partition\n0\n"


def test_discarding_an_attempt_removes_its_partition_file(on: Services) -> None:
    staged, other = on.artifacts.staging("job", 1, "csv"), on.artifacts.staging("job", 10, "csv")
    assert partition_file(staged).name == f"{staged.name}.partition"
    for path in (staged, partition_file(staged), other):
        path.write_text("x")
    on.artifacts.discard("job", 1)
    assert list(staged.parent.iterdir()) == [other]


@pytest.mark.parametrize(("rows", "partitions"), [(0, 1), (9, 1), (10, 2), (18, 2), (19, 3)])
def test_the_number_of_partitions_follows_the_rows_of_the_partitioned_table(
    on: Services, rows: int, partitions: int
) -> None:
    report = on.catalogue.reports["taggings"]
    views = [
        TableView(table="conversation_tag", files=(), columns=(("tag_id", "VARCHAR"),), rows=rows),
        TableView(table="agent", files=(), columns=(("agent_id", "VARCHAR"),), rows=1000),
    ]
    assert resource_plan(report, views, on.attempt, is_sorted=False).partitions == partitions
    whole = replace(report, partition_by=None)
    assert resource_plan(whole, views, on.attempt, is_sorted=False).partitions == 1
