"""Rows of any length up to the limit are loaded, rewritten and compacted in the memory of one load."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.chunks import MAX_ROW_BYTES
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from tests.unit.lake.stored import TABLES, TEAM, seen, stored, written

POST = TABLES["post"]
KIB, MIB = 1024, 1024 * 1024
GROUP_BYTES = 20 * MIB  # a row group, with the values that are no text


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _posts(rows: int, size: int, *, body: str = "b") -> Iterator[dict[str, object]]:
    """Posts of ``size`` bytes in a random order of time."""
    for number in random.Random(7).sample(range(rows), rows):
        yield {
            "post_id": f"p{number}",
            "conversation_id": "c",
            "kind": "incoming",
            "happened_at": f"2026-11-{1 + number % 28:02}T10:{number % 60:02}:00Z",
            "body": f"{number} " + body * size,
        }


def _file(folder: Path, suffix: str, rows: Iterator[dict[str, object]]) -> Path:
    path, lines = folder / f"posts{suffix}", folder / "lines.ndjson"
    if suffix == ".csv":
        with path.open("w") as out:
            out.write("post_id,conversation_id,kind,happened_at,body\n")
            out.writelines(",".join(map(str, row.values())) + "\n" for row in rows)
        return path
    with lines.open("w") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    if suffix == ".ndjson":
        return lines
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "COPY (SELECT * REPLACE (CAST(happened_at AS TIMESTAMPTZ) AS happened_at) "
            f"FROM read_json('{lines}', maximum_object_size = {MAX_ROW_BYTES})) TO '{path}' (ROW_GROUP_SIZE 20480)"
        )
    return path


def _check(lake: Lake, rows: int, size: int, *, body: str = "b") -> None:
    """All posts are stored, sorted by time in each file, in row groups that a reader can hold."""
    with duckdb.connect() as connection:
        files = list(seen(lake, POST).files)
        found = connection.execute(
            "SELECT count(*), count(DISTINCT post_id), "
            "bool_and(body = ltrim(post_id, 'p') || ' ' || repeat($body, $size)) FROM read_parquet($files)",
            {"files": files, "body": body, "size": size},
        ).fetchone()
        assert found == (rows, rows, True)
        for file in files:
            times = connection.execute("SELECT epoch_us(happened_at) FROM read_parquet($f)", {"f": file}).fetchall()
            assert times == sorted(times)
        groups = connection.execute(
            "SELECT max(row_group_bytes), max(row_group_num_rows) FROM parquet_metadata($f)", {"f": files[0]}
        ).fetchone()
    assert groups is not None
    assert groups[0] <= GROUP_BYTES or groups[1] == 1


@pytest.mark.parametrize(
    ("suffix", "rows", "size"),
    [
        (".ndjson", 5000, 10 * KIB),
        (".ndjson", 100, 250 * KIB),
        (".ndjson", 1, 60 * MIB),
        (".csv", 1, 60 * MIB),
        (".parquet", 300, 250 * KIB),
    ],
)
def test_wide_rows_are_loaded(lake: Lake, tmp_path: Path, suffix: str, rows: int, size: int) -> None:
    path = _file(tmp_path, suffix, _posts(rows, size))
    assert load(lake, POST, [path], tenant="acme").inserted == rows
    _check(lake, rows, size)


def test_a_repeated_wide_value_of_a_parquet_dictionary_is_loaded(lake: Lake, tmp_path: Path) -> None:
    """The file has the value once; 2,048 copies of it would need more memory than a load has."""
    path = tmp_path / "teams.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT 't' || n AS team_id, repeat('x', {150 * KIB}) AS name FROM range(2048) r(n)) TO '{path}'"
        )
    assert path.stat().st_size < 4 * MIB
    assert load(lake, TEAM, [path], tenant="acme").inserted == 2048


def test_long_json_values_keep_their_text_and_their_faults(lake: Lake, tmp_path: Path) -> None:
    text = 'say "hi"\\ \n\u00e9\U0001f469 ' * 80_000
    rows = [
        {"team_id": "a", "name": text},
        {"name": text, "team_id": None},
        {"team_id": "b", "name": text, "tenant": "other"},
        {"team_id": "c", "name": [text]},
        {"team_id": "d" + text, "name": "d"},
    ]
    lines = [
        json.dumps(rows[0]),
        *(json.dumps(row, ensure_ascii=False) for row in rows[1:]),
        '{"name":' + json.dumps(text)[:-1],
        '{"team_id":"e","name":' + json.dumps(text) + "}}",
    ]
    path = written(tmp_path / "teams.ndjson", "\n".join(lines))
    bad = tmp_path / "bad"
    counts = load(lake, TEAM, [path], tenant="acme", reject_to=bad)
    assert (counts.inserted, counts.rejected) == (2, 5)
    assert {key[0]: row["name"] for key, row in stored(lake, TEAM).items()} == {"a": text, "d" + text: "d"}
    found = [json.loads(line) for line in bad.read_text().splitlines()]
    assert [(one["line"], one["column"]) for one in found[:3]] == [(2, "team_id"), (3, "tenant"), (4, "name")]
    assert [one["row"] for one in found[:3]] == rows[1:4]
    assert [one["row"] for one in found[3:]] == [{"text": line} for line in lines[-2:]]
    assert "long value" not in bad.read_text()


def test_wide_rows_are_replaced_and_compacted(lake: Lake, tmp_path: Path) -> None:
    rows, size = 36, 2 * MIB
    load(lake, POST, [_file(tmp_path, ".csv", _posts(rows, size))], tenant="acme")
    counts = load(lake, POST, [_file(tmp_path, ".csv", _posts(rows // 2, size, body="c"))], tenant="acme")
    assert (counts.updated, counts.inserted) == (rows // 2, 0)
    load(lake, POST, [_file(tmp_path, ".csv", _posts(rows, size, body="d"))], tenant="acme")
    _check(lake, rows, size, body="d")
    assert compact(lake, POST, tenant="acme", max_files=0) == 1
    _check(lake, rows, size, body="d")


def test_a_row_that_needs_more_memory_than_a_load_has_is_named(lake: Lake, tmp_path: Path) -> None:
    """JSON of many small values needs about 50 times its size in memory."""
    values = '{"team_id":"b","name":[' + "1," * (12 * MIB) + "1]}"
    path = written(tmp_path / "teams.ndjson", f'{{"team_id":"a","name":"1"}}\n{values}\n')
    with pytest.raises(Exception, match=r"teams\.ndjson:2: the row needs more than the 512 MiB of memory of a load"):
        load(lake, TEAM, [path], tenant="acme")
