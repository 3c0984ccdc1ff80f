"""Loading: values arrive unchanged, keys stay unique, and a load is atomic."""

from __future__ import annotations

import csv
import gzip
import io
import json
import multiprocessing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from offtake.errors import LakeError, LoadRejected, StorageUnavailable
from offtake.lake.delta import Lake
from offtake.lake.ingest.counts import LoadCounts
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from tests.fixtures.storage_paths import lake_folder
from tests.unit.lake.stored import AGENT, CALL, STATE, TEAM, seen, stored, version, written

TRICKY = [
    "",
    " ",
    "null",
    "NULL",
    "a,b",
    'say "hi"',
    '"',
    '""',
    "two\nlines",
    "windows\r\nlines",
    "carriage\rreturn",
    "\ttab\t",
    "=1+1",
    "#x",
    "👩🏽‍💻 𠮷 é e\u0301",
    "Иван 王 مريم נועה",
    "back\\slash \\n",
    "\u2028 \u200b\ufeff",
    "x" * 100_000,
    "true",
    "1.50",
    "[1]",
    "{}",
]
COUNTS = LoadCounts(read=0, inserted=0, updated=0, superseded=0, rejected=0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _tricky_file(folder: Path, suffix: str) -> Path:
    rows = [[f"t{n}", text] for n, text in enumerate(TRICKY)]
    path = folder / f"team{suffix}"
    lines = "".join(json.dumps({"team_id": key, "name": name}) + "\n" for key, name in rows).encode()
    content = {
        ".csv": _csv([["team_id", "name"], *rows]),
        ".csv.gz": gzip.compress(_csv([["team_id", "name"], *rows])),
        ".ndjson": lines,
        ".jsonl": lines,
        ".ndjson.gz": gzip.compress(lines),
    }
    if suffix in content:
        return written(path, content[suffix])
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (team_id VARCHAR, name VARCHAR)")
        connection.executemany("INSERT INTO t VALUES ($1, $2)", rows)
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".ndjson", ".jsonl", ".ndjson.gz", ".parquet"])
def test_difficult_texts_are_loaded_unchanged(lake: Lake, tmp_path: Path, suffix: str) -> None:
    counts = load(lake, TEAM, [_tricky_file(tmp_path, suffix)], tenant="acme")
    assert counts == LoadCounts(read=len(TRICKY), inserted=len(TRICKY), updated=0, superseded=0, rejected=0)
    rows = stored(lake, TEAM)
    assert [rows[(f"t{n}",)]["name"] for n in range(len(TRICKY))] == TRICKY


def test_an_empty_csv_field_is_null_and_quotes_make_it_an_empty_text(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'agent_id,name,email,is_active,team_id\na,"",e,TRUE,\nb,n,e,false,""\n')
    load(lake, AGENT, [path], tenant="acme")
    rows = stored(lake, AGENT)
    assert (rows[("a",)]["name"], rows[("a",)]["team_id"], rows[("a",)]["is_active"]) == ("", None, True)
    assert (rows[("b",)]["team_id"], rows[("b",)]["is_active"]) == ("", False)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_mark_blank_lines_and_line_ends(lake: Lake, tmp_path: Path, end: str) -> None:
    text = end.join(["\ufeffteam_id,name", "a,x", "", "b,y"])
    assert load(lake, TEAM, [written(tmp_path / "a.csv", text)], tenant="acme").inserted == 2
    assert {key: row["name"] for key, row in stored(lake, TEAM).items()} == {("a",): "x", ("b",): "y"}


def test_values_of_every_type(lake: Lake, tmp_path: Path) -> None:
    lines = [
        "agent_id,started_at,ended_at,state,queue_ids",
        'a,2026-01-01T00:30:00+01:00,2026-01-01 00:00:00.123456Z,x,"[""q,1"",""😀""]"',
        "a,2026-01-31T23:59:59.999999-0000,,x,[]",
    ]
    load(lake, STATE, [written(tmp_path / "s.csv", "\n".join(lines))], tenant="acme")
    first, second = (row for _, row in sorted(stored(lake, STATE).items()))
    assert (first["started_at"], first["ended_at"]) == ("2025-12-31T23:30:00.000000Z", "2026-01-01T00:00:00.123456Z")
    assert (first["month"], second["month"]) == ("2025-12", "2026-01")
    assert (first["queue_ids"], second["queue_ids"], second["team_id"]) == (["q,1", "😀"], [], None)


def test_a_later_row_replaces_an_earlier_one_across_files(lake: Lake, tmp_path: Path) -> None:
    files = [
        written(tmp_path / "1.csv", "team_id,name\na,1\nb,1\na,2\n"),
        written(tmp_path / "2.csv", "name,team_id\n3,a\n"),
    ]
    counts = load(lake, TEAM, files, tenant="acme")
    assert counts == LoadCounts(read=4, inserted=2, updated=0, superseded=2, rejected=0)
    assert stored(lake, TEAM)[("a",)]["name"] == "3"
    counts = load(lake, TEAM, [written(tmp_path / "3.csv", "team_id,name\nb,9\nc,9\n")], tenant="acme")
    assert counts == LoadCounts(read=2, inserted=1, updated=1, superseded=0, rejected=0)
    assert {key[0]: row["name"] for key, row in stored(lake, TEAM).items()} == {"a": "3", "b": "9", "c": "9"}


def test_a_changed_event_time_moves_the_row_to_its_new_month(lake: Lake, tmp_path: Path) -> None:
    call = (
        '{{"call_id":"{id}","carrier_call_id":"x","kind":"missed","started_at":"2025-01-01T00:00:00Z","ended_at":"{at}",'
        '"company_number":"","customer_number":"","total_seconds":1,"talk_seconds":0,"wait_seconds":1,"hold_seconds":0,'
        '"abandon_seconds":0,"ringing_seconds":0,"is_in_business_hours":true,"is_transfer":false,'
        '"is_external_transfer":false,"is_no_answer_rule":false,"is_forwarded":false,"is_damaged":false}}\n'
    )
    both = call.format(id="a", at="2026-01-31T23:59:59Z") + call.format(id="b", at="2026-01-31T23:59:59Z")
    load(lake, CALL, [written(tmp_path / "1.ndjson", both)], tenant="acme")
    moved = written(tmp_path / "2.ndjson", call.format(id="a", at="2026-02-01T00:00:00Z"))
    assert load(lake, CALL, [moved], tenant="acme").updated == 1
    assert {key[0]: row["month"] for key, row in stored(lake, CALL).items()} == {"a": "2026-02", "b": "2026-01"}
    load(lake, CALL, [written(tmp_path / "3.ndjson", call.format(id="b", at="2026-02-01T00:00:00Z"))], tenant="acme")
    assert {key[0]: row["month"] for key, row in stored(lake, CALL).items()} == {"a": "2026-02", "b": "2026-02"}
    assert not [file for file in seen(lake, CALL).files if "month=2026-01" in file]


def test_one_call_is_one_commit_and_a_bad_second_file_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    good = written(tmp_path / "good.csv", "team_id,name\na,1\n")
    bad = written(tmp_path / "bad.csv", "team_id,name\nb,1\n,2\n")
    with pytest.raises(
        LoadRejected, match=r"bad\.csv:3: column team_id: is required but has no value\. Nothing was loaded\."
    ):
        load(lake, TEAM, [good, bad], tenant="acme")
    assert version(lake, TEAM) == -1
    load(lake, TEAM, [good], tenant="acme")
    before = version(lake, TEAM)
    with pytest.raises(LoadRejected):
        load(lake, TEAM, [written(tmp_path / "good2.csv", "team_id,name\na,changed\nz,1\n"), bad], tenant="acme")
    assert version(lake, TEAM) == before
    assert {key: row["name"] for key, row in stored(lake, TEAM).items()} == {("a",): "1"}
    changed = written(tmp_path / "changed.csv", "team_id,name\na,2\n")
    load(lake, TEAM, [changed, changed], tenant="acme")
    assert version(lake, TEAM) == before + 1


def test_tenants_share_keys_but_not_rows(lake: Lake, tmp_path: Path) -> None:
    load(lake, TEAM, [written(tmp_path / "1.csv", "team_id,name,tenant\na,1,acme\n")], tenant="acme")
    assert load(lake, TEAM, [written(tmp_path / "2.csv", "team_id,name\na,2\n")], tenant="bolt").inserted == 1
    assert load(lake, TEAM, [written(tmp_path / "3.csv", "team_id,name\na,3\n")], tenant="acme").updated == 1
    assert stored(lake, TEAM, "acme")[("a",)]["name"] == "3"
    assert stored(lake, TEAM, "bolt")[("a",)]["name"] == "2"
    with pytest.raises(LoadRejected, match="column tenant: 'acme' is not the tenant of this load, bolt"):
        load(lake, TEAM, [tmp_path / "1.csv"], tenant="bolt")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", "", "unknown file format"),
        ("a.csv", "", ":1: the header is missing; .*team_id, name"),
        ("a.csv", "team_id,nane\n", ":1: unknown column 'nane' of table team; did you mean 'name'"),
        ("a.csv", "team_id,name,name\n", ":1: column name occurs twice"),
        ("a.csv", "team_id\n", ":1: required columns of team are missing; add name"),
        ("a.csv", b"team_id,\xff\n", "unknown column .*the columns are: team_id, name"),
        (
            "a.ndjson",
            '{"team_id":"a","name":"b"}\n{"team_id":"a","nmae":"b"}\n',
            r":2: unknown column 'nmae' of table .*did you mean 'name'",
        ),
    ],
)
def test_a_file_that_does_not_match_the_table_is_named_with_its_fault(
    lake: Lake, tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(LakeError, match=message) as caught:
        load(lake, TEAM, [written(tmp_path / name, content)], tenant="acme", reject_to=tmp_path / "bad.ndjson")
    assert str(tmp_path / name) in caught.value.message
    assert version(lake, TEAM) == -1
    assert not list(tmp_path.glob("bad.ndjson*"))


def test_a_missing_file_and_no_file(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="file not found"):
        load(lake, TEAM, [tmp_path / "none.csv"], tenant="acme")
    with pytest.raises(LakeError, match="no file"):
        load(lake, TEAM, [], tenant="acme")


def test_files_without_rows_load_nothing(lake: Lake, tmp_path: Path) -> None:
    files = [written(tmp_path / "a.csv", "team_id,name\n"), written(tmp_path / "b.ndjson", "\n \n")]
    assert load(lake, TEAM, files, tenant="acme") == COUNTS
    assert version(lake, TEAM) == -1


def test_progress_counts_the_rows_read(lake: Lake, tmp_path: Path) -> None:
    files = [written(tmp_path / f"{n}.csv", f"team_id,name\n{n},x\n{n},y\n") for n in range(3)]
    said: list[int] = []
    load(lake, TEAM, files, tenant="acme", progress=said.append)
    assert said == [2, 4, 6]


def test_a_damaged_table_is_reported_as_unavailable(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "team_id,name\na,1\n")
    load(lake, TEAM, [path], tenant="acme")
    for entry in (lake_folder(lake) / "team" / "_delta_log").glob("*.json"):
        entry.write_text("{")
    with pytest.raises(StorageUnavailable, match="team") as caught:
        seen(lake, TEAM)
    assert caught.value.__cause__ is not None


def test_an_invalid_tenant_name_never_reaches_the_lake(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "team_id,name\na,1\n")
    with pytest.raises(ValueError, match="tenant"):
        load(lake, TEAM, [path], tenant="../other")


def _load_in_process(root: Path, path: Path) -> None:
    load(Lake(FolderTableStorage(root)), TEAM, [path], tenant="acme")


def test_two_processes_loading_the_same_keys_make_no_duplicate(lake: Lake, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    files = [
        written(tmp_path / f"{n}.csv", "team_id,name\n" + "".join(f"t{row},from {n}\n" for row in range(500)))
        for n in range(3)
    ]
    processes = [context.Process(target=_load_in_process, args=(lake_folder(lake), path)) for path in files]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    rows = stored(lake, TEAM)
    assert len(rows) == 500
    assert len({row["name"] for row in rows.values()}) == 1, "one whole load came last"


def test_rows_are_sorted_by_event_time_in_their_files(lake: Lake, tmp_path: Path) -> None:
    lines = [f"a,2026-01-{(n * 7) % 28 + 1:02}T{(n * 5) % 24:02}:{n % 60:02}:00Z,x\n" for n in range(300)]
    for first in (0, 200):
        content = "agent_id,started_at,state\n" + "".join(lines[first : first + 200])
        load(lake, STATE, [written(tmp_path / "s.csv", content)], tenant="acme")
    with duckdb.connect() as connection:
        for file in seen(lake, STATE).files:
            found = connection.execute("SELECT epoch_us(started_at) FROM read_parquet($f)", {"f": file}).fetchall()
            assert found == sorted(found)


def test_a_commit_whose_response_was_lost_keeps_its_files(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repetition of the request finds the version taken, by the commit itself."""
    commit = DeltaTable.create_write_transaction

    def lost(delta: DeltaTable, *args: Any, **options: Any) -> None:
        commit(delta, *args, **options)
        raise CommitFailedError("version 1 exists")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", lost)
    file = written(tmp_path / "rows.csv", "team_id,name\na,1\n")
    counts = load(lake, TEAM, [file], tenant="acme")
    assert (counts.inserted, counts.updated) == (1, 0)
    assert set(stored(lake, TEAM)) == {("a",)}
