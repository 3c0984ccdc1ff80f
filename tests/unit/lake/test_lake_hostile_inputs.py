"""Inputs that are made to exhaust or deceive a load: clear errors, bounded memory, and the rows as they are."""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from offtake.errors import LakeError, LoadRejected
from offtake.lake.delta import Lake
from offtake.lake.ingest import json_scanner
from offtake.lake.ingest.expand import InputExpander
from offtake.lake.ingest.inputs import archive, compression
from offtake.lake.ingest.load import load
from offtake.lake.ingest.mapping.definition import MappingDefinition
from offtake.lake.ingest.readers import workbook
from offtake.lake.ingest.readers.source import ReaderOptions
from offtake.lake.storage import FolderTableStorage
from offtake.objects.bucket import Bucket
from offtake.objects.location import ObjectLocation
from tests.unit.lake.stored import TABLES, TEAM, stored, written

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DEEP = 100_000
MIB = 1024 * 1024


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _no_bucket(location: ObjectLocation) -> Bucket:
    raise AssertionError(location)


def _load(lake: Lake, path: Path) -> None:
    load(lake, TEAM, InputExpander(form=None, bucket=_no_bucket).expand([str(path)]).inputs, tenant="acme")


def _refused(lake: Lake, path: Path) -> str:
    with pytest.raises(LakeError) as caught:
        _load(lake, path)
    assert stored(lake, TEAM) == {}
    return caught.value.message


def _zip(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, content)
    return out.getvalue()


def _sheet(text: str) -> bytes:
    out = io.BytesIO()
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["team_id", "name"], *([f"t{number}", text] for number in range(4_000))):
        sheet.append(row)
    book.save(out)
    return out.getvalue()


def test_a_decompression_bomb_is_refused_with_its_remedy(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (compression.MAX_RATIO, compression.FREE_BYTES) == (200, 256 * MIB)
    monkeypatch.setattr(compression, "FREE_BYTES", MIB)
    lines = b"team_id,name\n" + b"\n" * 20 * MIB
    bombs = {
        "a.csv.gz": gzip.compress(lines),
        "b.csv.zst": zstd.compress(lines),
        "c.zip": _zip("d.csv", lines),
        "e.parquet.gz": gzip.compress(b"PAR1" + bytes(20 * MIB)),
        "f.zip": _zip("g.csv.gz", gzip.compress(gzip.compress(lines))),
    }
    for name, content in bombs.items():
        message = _refused(lake, written(tmp_path / name, content))
        if name != "f.zip":
            assert f"{tmp_path / name}" in message
            assert "more than 200 times its compressed size" in message
            assert "decompress it and load the result" in message


def test_a_workbook_with_a_huge_part_or_a_far_row_is_refused(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = _sheet("x" * 50)
    monkeypatch.setattr(workbook, "_HELD_BYTES", 1024)
    assert "has more than 0 MiB, the most that a load holds in memory" in _refused(
        lake, written(tmp_path / "a.xlsx", book)
    )
    monkeypatch.undo()
    far = _edited(book, lambda sheet: sheet.replace('<row r="3"', '<row r="300000000000"'))
    assert "more than 1,048,576 rows" in _refused(lake, written(tmp_path / "b.xlsx", far))
    lying = _edited(book, lambda sheet: re.sub(r'<dimension ref="[^"]*"', '<dimension ref="A1:A2"', sheet))
    _load(lake, written(tmp_path / "c.xlsx", lying))
    assert len(stored(lake, TEAM)) == 4_000


def _edited(book: bytes, edit: Callable[[str], str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, edit(content.decode()) if "sheet1" in name else content)
    return out.getvalue()


def test_an_archive_with_a_huge_directory_is_refused(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_MAX_DIRECTORY_BYTES", 40)
    path = written(tmp_path / "a.zip", _zip("teams.csv", b"team_id,name\n"))
    assert "the archive's directory has more than" in _refused(lake, path)


@pytest.mark.parametrize("wrap", ["{}\n{}\n", "[{},\n{}]"], ids=["ndjson", "json"])
def test_deep_nesting_is_a_bad_row_with_its_line(lake: Lake, tmp_path: Path, wrap: str) -> None:
    deep = '{"team_id":"b","name":' + "[" * DEEP + "]" * DEEP + "}"
    path = tmp_path / ("rows.json" if wrap.startswith("[") else "rows.ndjson")
    written(path, wrap.format('{"team_id":"a","name":"[[[\\"{{{"}', deep))
    with pytest.raises(LoadRejected, match=r":2: the record is nested more than 1,000 levels deep"):
        load(lake, TEAM, [path], tenant="acme")
    bad = tmp_path / "bad"
    assert load(lake, TEAM, [path], tenant="acme", reject_to=bad).rejected == 1
    assert stored(lake, TEAM)[("a",)]["name"] == '[[["{{{'
    assert json.loads(bad.read_text())["line"] == 2
    assert bad.read_text().count("[") > DEEP


def test_a_json_record_over_the_limit_is_refused_and_one_outside_the_array_is_passed_over(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_scanner, "MAX_ROW_BYTES", MIB)
    monkeypatch.setattr(json_scanner, "CHUNK_BYTES", MIB // 8)
    long = "x" * MIB
    path = written(tmp_path / "rows.json", f'[{{"team_id":"a"}},\n{{"team_id":"{long}"}}]')
    assert ":2: the row is longer than 64 MiB" in _refused(lake, path)
    written(path, f'{{"more": "{long}\\\\", "rows": [{{"team_id": "a", "name": "A"}}]}}')
    assert "If the records are in an array within an object, name it with --records." in _refused(lake, path)
    assert (
        load(
            lake, TEAM, [path], tenant="acme", mapping=MappingDefinition(options=ReaderOptions(records="rows"))
        ).inserted
        == 1
    )


def test_the_rows_of_a_parquet_file_count_and_not_its_statistics(lake: Lake, tmp_path: Path) -> None:
    """DuckDB believes that no count is negative if the statistics say so, and that a value is a count."""
    path = tmp_path / "rows.parquet"
    rows = pa.table(
        {"author_id": ["a", "b"], "network": ["chat", "chat"], "notes_count": pa.array([5, -77_777], pa.int64())}
    )
    parquet.write_table(rows, path, compression="none", use_dictionary=False)
    content = path.read_bytes()
    length = struct.unpack("<I", content[-8:-4])[0]
    data, footer = content[: -8 - length], content[-8 - length :]
    path.write_bytes(data + footer.replace(struct.pack("<q", -77_777), struct.pack("<q", 4)))
    assert parquet.read_metadata(path).row_group(0).column(2).statistics.min == 4
    with pytest.raises(LoadRejected, match=r"row 2: column notes_count: '-77777' is less than the minimum 0"):
        load(lake, TABLES["author"], [path], tenant="acme")


def test_a_name_with_a_line_end_is_one_line_in_messages(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "a\nb*.csv"
    written(path, b"team_id,name\na\n")
    assert _refused(lake, path).startswith(f"{tmp_path}/a\\nb*.csv:2: column name: the line has fewer fields")
    written(path, b"team_id,name\na,A\n")
    _load(lake, path)
    assert len(stored(lake, TEAM)) == 1
