"""Rows of tables with a group key have a bucket, files are sorted by its ranges, and a partition skips the others."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from offtake.catalogue.macros import MACROS
from offtake.core.query import filters
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.lake.buckets import ROW_GROUP_ROWS
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.snapshot import view
from offtake.lake.storage import FolderTableStorage
from offtake.model.query import Query
from offtake.model.report import reads_buckets
from offtake.model.view import BUCKET, TableView
from tests.property.exporting import catalogue
from tests.unit.lake.stored import TABLES, seen, written

TAG, CONVERSATION = TABLES["conversation_tag"], TABLES["conversation"]
OLD = replace(CONVERSATION, group_key=None)  # as an earlier release wrote the table
HEADER = "conversation_id,created_at,status,direction\n"
KEYS = ["k1", "k2", "ž", "会話", "a" * 300]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _bucket_of(key: str) -> int:
    """The bucket by its documentation."""
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[:2], "big")


def _stored(view: TableView) -> list[tuple[str, int | None]]:
    sql = f"SELECT conversation_id, {BUCKET} FROM read_parquet($files, union_by_name = true) ORDER BY ALL"
    return duckdb.execute(sql, {"files": list(view.files)}).fetchall()


def _conversations(folder: Path, ids: Sequence[str], *, month: int = 1, status: str = "open") -> Path:
    lines = "".join(f'"{each}",2026-0{month}-05T00:00:00Z,{status},inbound\n' for each in ids)
    return written(folder / f"conversations-{month}-{status}.csv", HEADER + lines)


def test_every_row_has_the_documented_bucket(lake: Lake, tmp_path: Path) -> None:
    load(lake, CONVERSATION, [_conversations(tmp_path, KEYS)], tenant="acme")
    view = seen(lake, CONVERSATION)
    assert view.bucketed_by == "conversation_id"
    assert _stored(view) == sorted((key, _bucket_of(key)) for key in KEYS)


def test_a_partition_reads_only_row_groups_of_its_buckets(lake: Lake, tmp_path: Path) -> None:
    """The rows of a month arrive in the order of time; the file has ranges of buckets, each in the order of time."""
    number = 9 * ROW_GROUP_ROWS
    file = tmp_path / "tags.parquet"
    duckdb.execute(
        "COPY (SELECT 'c' || i AS conversation_id, 't' AS tag_id, TIMESTAMPTZ '2026-01-01 00:00:00Z' + "
        f"to_seconds(i) AS attached_at FROM range({number}) AS rows (i)) TO '{file}' (FORMAT parquet)"
    )
    load(lake, TAG, [file], tenant="acme")
    view = seen(lake, TAG)
    groups = duckdb.execute(
        "SELECT path_in_schema, row_group_id, stats_min_value, stats_max_value FROM parquet_metadata($file) "
        "WHERE path_in_schema IN ('_bucket', 'attached_at') ORDER BY row_group_id",
        {"file": view.files[0]},
    ).fetchall()
    bounds = [(int(low), int(high)) for name, _, low, high in groups if name == BUCKET]
    halves = [(low // 32_768, high // 32_768) for low, high in bounds]
    assert sum(low != high for low, high in halves) <= 1  # only the row group at the border has both
    times = [low for name, _, low, _ in groups if name == "attached_at"]
    assert sum(later < earlier for earlier, later in itertools.pairwise(times)) == 1  # one border
    with _session(tmp_path, view, partitions=2) as session:
        query = Query(
            sql="SELECT conversation_id FROM conversation_tag WHERE in_partition(conversation_id)",
            values={},
            columns=("conversation_id",),
        )
        found = [{row["conversation_id"] for row in session.rows(query, partition=each)} for each in (0, 1)]
        plan = session.rows(replace(query, sql=f"EXPLAIN ANALYZE {query.sql}", columns=("key", "value")))
    assert [len(rows) for rows in found] == [
        sum(_bucket_of(f"c{i}") // 32_768 == n for i in range(number)) for n in (0, 1)
    ]
    assert found[0].isdisjoint(found[1])
    assert BUCKET in plan[0]["value"]  # the scan itself has the condition


def test_a_row_that_an_outer_join_makes_is_in_one_partition(lake: Lake, tmp_path: Path) -> None:
    load(lake, CONVERSATION, [_conversations(tmp_path, KEYS)], tenant="acme")
    query = Query(
        sql="SELECT id FROM (VALUES ('absent'), ('k1')) AS asked (id) "
        "LEFT JOIN conversation ON conversation.conversation_id = id WHERE in_partition(conversation.conversation_id)",
        values={},
        columns=("id",),
    )
    with _session(tmp_path, seen(lake, CONVERSATION), partitions=3) as session:
        found = [row["id"] for partition in range(3) for row in session.rows(query, partition=partition)]
    assert sorted(found) == ["absent", "k1"]


def test_every_report_of_the_product_with_partitions_divides_by_buckets() -> None:
    divided = [report for report in catalogue().reports.values() if report.partition_by is not None]
    assert len(divided) >= 9
    for report in divided:
        views = [view(TABLES[use.table], []) for use in (*report.tables, *filters.tables(report))]
        assert reads_buckets(report, views), report.name


def _session(folder: Path, view: TableView, *, partitions: int) -> Session:
    limits = Limits(threads=1, memory_mb=256, temp_folder=folder / "temp", temp_mb=64)
    session = Session(limits, [view], tenant="acme", partitions=partitions, by_buckets=True)
    session.define(MACROS)
    return session


def test_rows_of_an_earlier_release_get_buckets_when_they_are_stored_again(lake: Lake, tmp_path: Path) -> None:
    """An update of one month writes its other rows again; compaction brings the other months over, some at a time."""
    for month in range(1, 7):
        load(lake, OLD, [_conversations(tmp_path, [f"m{month}-{key}" for key in "abc"], month=month)], tenant="acme")
    assert seen(lake, OLD).bucketed_by is None
    everything = sorted(f"m{month}-{key}" for month in range(1, 7) for key in "abc")

    load(lake, CONVERSATION, [_conversations(tmp_path, ["m2-b"], month=2, status="closed")], tenant="acme")
    view = seen(lake, CONVERSATION)
    assert view.bucketed_by is None  # one month is left
    assert [key for key, _ in _stored(view)] == everything
    assert {key for key, stored in _stored(view) if stored is None} == {"m1-a", "m1-b", "m1-c"}

    load(lake, CONVERSATION, [_conversations(tmp_path, ["new"], month=7)], tenant="acme")
    view = seen(lake, CONVERSATION)
    assert view.bucketed_by == "conversation_id"
    assert _stored(view) == sorted((key, _bucket_of(key)) for key in [*everything, "new"])
