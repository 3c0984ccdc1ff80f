"""Input files of a load: opened once by name, read completely, and refused if anything in them is lost or damaged."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import signal
import stat
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from offtake.errors import LakeError, LoadRejected
from offtake.lake.delta import Lake
from offtake.lake.ingest.chunks import MAX_ROW_BYTES
from offtake.lake.ingest.incoming import Incoming
from offtake.lake.ingest.inputs.input_file import local_input
from offtake.lake.ingest.load import load, open_mapped
from offtake.lake.ingest.rejects import BadRows
from offtake.lake.ingest.stage import stage_chunk
from offtake.lake.staging import staging
from offtake.lake.storage import FolderTableStorage
from tests.fixtures.storage_paths import lake_folder
from tests.unit.lake.stored import TEAM, stored, version, written

LINE = b"team_id,name\n"
MIB = 1024 * 1024


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _csv(path: Path, name: str) -> None:
    path.write_bytes(LINE + f"a,{name}\n".encode())


def _csv_gz(path: Path, name: str) -> None:
    path.write_bytes(gzip.compress(LINE + f"a,{name}\n".encode()))


def _ndjson(path: Path, name: str) -> None:
    path.write_text(json.dumps({"team_id": "a", "name": name}) + "\n")


def _ndjson_gz(path: Path, name: str) -> None:
    path.write_bytes(gzip.compress(json.dumps({"team_id": "a", "name": name}).encode()))


def _parquet(path: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "rows.parquet"
        duckdb.sql(f"COPY (SELECT 'a' AS team_id, '{name}' AS name) TO '{plain}' (FORMAT parquet)")
        path.write_bytes(plain.read_bytes())


FORMATS: dict[str, Callable[[Path, str], None]] = {
    ".csv": _csv,
    ".csv.gz": _csv_gz,
    ".ndjson": _ndjson,
    ".jsonl.gz": _ndjson_gz,
    ".parquet": _parquet,
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("asked", "others"),
    [
        ("rows[1]", ["rows1"]),
        ("rows*", ["rows", "rows2"]),
        ("rows?", ["rows3"]),
        ("**", ["rows4"]),
        ("month=2026-01", ["rows5"]),
        ("{a,b}", ["a", "b"]),
        ("back\\slash", ["backslash"]),
        ("a b%41#?q=1'\"", ["aA"]),
    ],
)
def test_a_name_is_no_pattern(lake: Lake, tmp_path: Path, suffix: str, asked: str, others: list[str]) -> None:
    for other in others:
        FORMATS[suffix](tmp_path / f"{other}{suffix}", "wrong")
    FORMATS[suffix](tmp_path / f"{asked}{suffix}", "right")
    load(lake, TEAM, [tmp_path / f"{asked}{suffix}"], tenant="acme")
    assert {row["name"] for row in stored(lake, TEAM).values()} == {"right"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_pattern_that_only_other_files_match_is_not_found(lake: Lake, tmp_path: Path, suffix: str) -> None:
    FORMATS[suffix](tmp_path / f"rows1{suffix}", "wrong")
    with pytest.raises(LakeError, match="file not found"):
        load(lake, TEAM, [tmp_path / f"rows*{suffix}"], tenant="acme")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_is_replaced_while_it_is_loaded_is_read_as_it_was_opened(
    lake: Lake, tmp_path: Path, suffix: str
) -> None:
    path, later = tmp_path / f"rows{suffix}", tmp_path / f"later{suffix}"
    FORMATS[suffix](path, "opened")
    FORMATS[suffix](later, "later")
    with staging(lake.storage.staging) as area:
        incoming = Incoming(area, TEAM)
        bad = BadRows(area.path("bad"), keep=False)
        with open_mapped(area, TEAM, local_input(path)) as source:
            later.replace(path)
            assert sum(stage_chunk(incoming, source, chunk, bad, tenant="acme") for chunk in source.chunks()) == 1
        found = area.connection.execute(f"SELECT name FROM ({incoming.rows()})").fetchall()
    assert found == [("opened",)]


def test_only_regular_files_are_loaded(lake: Lake, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "folder.csv"):
        with pytest.raises(LakeError, match=rf"{name}: this is not a regular file"):
            load(lake, TEAM, [tmp_path / name], tenant="acme")
    (tmp_path / "link.csv").symlink_to(written(tmp_path / "target.csv", LINE + b"a,b\n"))
    assert load(lake, TEAM, [tmp_path / "link.csv"], tenant="acme").inserted == 1


LINES = {
    ".csv.gz": LINE + b"a,Boris\n" * 50,
    ".ndjson.gz": b'{"team_id":"a","name":"Boris"}\n' * 50,
    ".jsonl.gz": b'{"team_id":"a","name":"Boris"}\n' * 50,
}


@pytest.mark.parametrize("suffix", LINES)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda good: good[:-8] + bytes([good[-8] ^ 1]) + good[-7:], "CRC check failed"),
        (lambda good: good[:-1] + bytes([good[-1] ^ 1]), "Incorrect length"),
        (lambda good: good[:-1], "ends too early"),
        (lambda good: good[:-9], "ends too early"),
        (lambda good: good[: len(good) // 2], "ends too early"),
        (lambda good: good + good[:-1], "ends too early"),
        (lambda good: good + b"a,more text that is not compressed\n", "other bytes follow the end"),
        (lambda good: good + b"\n", "a single byte follows its end"),
    ],
    ids=["checksum", "length", "trailer", "data", "half", "second member", "garbage", "line end"],
)
def test_a_damaged_compressed_file_is_refused(
    lake: Lake, tmp_path: Path, suffix: str, damage: Callable[[bytes], bytes], message: str
) -> None:
    path = written(tmp_path / f"rows{suffix}", damage(gzip.compress(LINES[suffix])))
    with pytest.raises(LakeError, match=rf"rows{suffix}: .*{message}"):
        load(lake, TEAM, [path], tenant="acme", reject_to=tmp_path / "bad")
    assert version(lake, TEAM) == -1


def test_the_members_of_a_compressed_file_are_read_one_after_the_other(lake: Lake, tmp_path: Path) -> None:
    members = gzip.compress(LINE + b"a,1\nb,2") + gzip.compress(b"2\nc,3\n") + bytes(512)  # padding, as on tapes
    assert load(lake, TEAM, [written(tmp_path / "rows.csv.gz", members)], tenant="acme").inserted == 3
    assert stored(lake, TEAM)[("b",)]["name"] == "22"


@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_csv_row_over_the_limit_is_refused_with_its_line(lake: Lake, tmp_path: Path, quote: bytes) -> None:
    """DuckDB 2.0 leaves out a record that exceeds its buffer, and counts it nowhere (duckdb/duckdb#25825)."""
    long = quote + b"x" * MAX_ROW_BYTES + quote
    path = written(tmp_path / "rows.csv", LINE + b"a,1\n\nb," + long + b"\nc,3\n")
    with pytest.raises(LakeError, match=r"rows\.csv:4: the row is longer than 64 MiB, .*reject-to cannot"):
        load(lake, TEAM, [path], tenant="acme", reject_to=tmp_path / "bad")
    assert version(lake, TEAM) == -1


def test_an_ndjson_row_over_the_limit_is_refused_with_its_line(lake: Lake, tmp_path: Path) -> None:
    rows = [{"team_id": "a", "name": "1"}, {"team_id": "b", "name": "x" * MAX_ROW_BYTES}]
    path = written(tmp_path / "rows.ndjson", "\n".join(json.dumps(row) for row in rows))
    with pytest.raises(LakeError, match=r"rows\.ndjson:2: the row is longer than 64 MiB, .*reject-to cannot"):
        load(lake, TEAM, [path], tenant="acme")


@pytest.mark.parametrize("suffix", [".ndjson", ".parquet"])
def test_rows_that_the_engine_loses_stop_the_load(lake: Lake, tmp_path: Path, suffix: str) -> None:
    """The records are counted without the engine: here it reads one row less than the file has."""
    path = tmp_path / f"rows{suffix}"
    FORMATS[suffix](path, "one")
    with staging(lake.storage.staging) as area:
        incoming = Incoming(area, TEAM)
        with open_mapped(area, TEAM, local_input(path)) as source:
            lossy = replace(source, relation=f"SELECT * FROM ({source.relation}) LIMIT 0")
            (chunk,) = source.chunks()
            with pytest.raises(LakeError, match=r"rows.*: 1 rows were not read"):
                stage_chunk(incoming, lossy, chunk, BadRows(area.path("bad"), keep=False), tenant="acme")


def test_a_misplaced_quote_breaks_its_own_record_only(lake: Lake, tmp_path: Path) -> None:
    """DuckDB 2.0 fails after some of them, refuses good records after others, and reports the text of another one."""
    records = [b'a,"one"two', b'"b"c",1', b"c,good", b'd,5"" pipe', b'"e","3" 4', b'"f","a, ""b"""', b'"g","h']
    path = written(tmp_path / "rows.csv", LINE + b"\n".join(records) + b"\n")
    bad = tmp_path / "bad"
    counts = load(lake, TEAM, [path], tenant="acme", reject_to=bad)
    assert (counts.read, counts.inserted, counts.rejected) == (7, 3, 4)
    found = [json.loads(line) for line in bad.read_text().splitlines()]
    assert [(one["line"], one["row"]["text"].removesuffix("\n")) for one in found] == [
        (line, records[line - 2].decode()) for line in (2, 3, 6, 8)
    ]
    names = {key[0]: row["name"] for key, row in stored(lake, TEAM).items()}
    assert names == {"c": "good", "d": '5"" pipe', "f": 'a, "b"'}


def test_blanks_around_quotes_and_a_last_comma_are_no_part_of_a_row(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", LINE + b' "a" , "1,1" \nb,2,\n')
    load(lake, TEAM, [path], tenant="acme")
    assert {key[0]: row["name"] for key, row in stored(lake, TEAM).items()} == {"a": "1,1", "b": "2"}


def test_a_byte_order_mark_after_the_header_is_text(lake: Lake, tmp_path: Path) -> None:
    """DuckDB takes the mark at the start of a chunk for that of the file."""
    path = written(tmp_path / "rows.csv", LINE + "\ufeffa,1\n\ufeffb,2\n".encode())
    load(lake, TEAM, [path], tenant="acme")
    assert set(stored(lake, TEAM)) == {("\ufeffa",), ("\ufeffb",)}


def test_a_record_that_the_engine_cannot_read_is_a_bad_row(lake: Lake, tmp_path: Path) -> None:
    """Whatever confuses the engine's parser, only the records that it cannot read alone are refused."""
    path = written(tmp_path / "rows.csv", LINE + b"a,1\nb,2\nc,3\n")
    bad = tmp_path / "bad"
    with staging(lake.storage.staging) as area:
        incoming, rows = Incoming(area, TEAM), BadRows(bad, keep=True)
        with open_mapped(area, TEAM, local_input(path)) as source:
            lossy = replace(source, relation=f"SELECT * FROM ({source.relation}) WHERE c2 <> '2'")
            (chunk,) = source.chunks()
            assert stage_chunk(incoming, lossy, chunk, rows, tenant="acme") == 3
    (row,) = map(json.loads, bad.read_text().splitlines())
    assert (row["line"], row["row"]) == (3, {"text": "b,2"})


def test_a_carriage_return_outside_quotes_is_reported_with_its_line(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", b'team_id,name\na,"one\rline"\nb,two\rparts\n"c\n",x\rd,4\r\ne,5\n')
    with pytest.raises(
        LoadRejected, match=r"rows\.csv:3: a carriage return \(CR\) is outside quotes; .*1 more bad row"
    ):
        load(lake, TEAM, [path], tenant="acme")
    bad = tmp_path / "bad"
    counts = load(lake, TEAM, [path], tenant="acme", reject_to=bad)
    assert (counts.read, counts.inserted, counts.rejected) == (4, 2, 2)
    found = [json.loads(line) for line in bad.read_text().splitlines()]
    assert [(one["line"], one["row"]["text"]) for one in found] == [(3, "b,two\rparts"), (4, '"c\n",x\rd,4')]
    assert {key[0]: row["name"] for key, row in stored(lake, TEAM).items()} == {"a": "one\rline", "e": "5"}


def test_a_file_whose_lines_end_with_cr_only_is_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"rows\.csv:1: a carriage return .*end every line with LF or CRLF"):
        load(lake, TEAM, [written(tmp_path / "rows.csv", b"team_id,name\ra,1\r")], tenant="acme")


def test_line_ends_may_be_mixed(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", b'team_id,name\na,1\r\nb,"2\r\n2"\nc,3\r\n\r\n\nd,4')
    assert load(lake, TEAM, [path], tenant="acme").inserted == 4
    assert {key[0]: row["name"] for key, row in stored(lake, TEAM).items()} == {
        "a": "1",
        "b": "2\r\n2",
        "c": "3",
        "d": "4",
    }


def test_a_header_of_a_gigabyte_is_refused_in_little_memory(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv.gz", gzip.compress(b"x" * 16 * MIB) * 64)
    tracemalloc.start()
    try:
        with pytest.raises(LakeError, match=r"rows\.csv\.gz:1: the header is longer than 1 MiB"):
            load(lake, TEAM, [path], tenant="acme")
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()


def _load_until_killed(root: Path, path: Path) -> None:
    load(
        Lake(FolderTableStorage(root)),
        TEAM,
        [path],
        tenant="acme",
        progress=lambda rows: os.kill(os.getpid(), signal.SIGKILL),
    )


def test_a_killed_load_leaves_only_private_files_and_a_sweep_removes_them(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", LINE + b"a,1\n")
    process = multiprocessing.get_context("spawn").Process(target=_load_until_killed, args=(lake_folder(lake), path))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    parent = lake.storage.staging
    (left,) = (folder for folder in parent.iterdir() if folder.is_dir())
    assert any(left.glob("*.parquet"))
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (parent, left)] == [0o700, 0o700]
    assert lake.sweep_staging(only_count=True) == 1
    assert left.exists()
    assert lake.sweep_staging() == 1
    assert not left.exists()
    with staging(parent) as area:
        assert lake.sweep_staging() == 0
        assert area.folder.exists()
    assert not [folder for folder in parent.iterdir() if folder.is_dir()]


def test_loads_leave_nothing_in_the_staging_folder(lake: Lake, tmp_path: Path) -> None:
    load(lake, TEAM, [written(tmp_path / "rows.csv", LINE + b"a,1\n")], tenant="acme")
    with pytest.raises(LoadRejected):
        load(lake, TEAM, [written(tmp_path / "bad.csv", LINE + b",1\n")], tenant="acme")
    assert {path.name for path in lake.storage.staging.iterdir()} == {"lock"}
