"""A file that is not what its name says is refused by what it is, with the remedy."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from offtake.errors import LakeError
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from tests.unit.lake.stored import TEAM, version, written
from tests.unit.lake.stored import stored as all_stored

TEXT = {".csv": "team_id,name\na,Zoë\n", ".ndjson": '{"team_id": "a", "name": "Zoë"}\n'}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _refused(lake: Lake, path: Path, content: bytes) -> str:
    with pytest.raises(LakeError) as caught:
        load(lake, TEAM, [written(path, content)], tenant="acme", reject_to=path.with_name("bad"))
    assert version(lake, TEAM) == -1
    assert caught.value.message.startswith(f"{path}: ")
    return caught.value.message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", TEXT)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["UTF-16-LE", "UTF-16-BE", "UTF-32-LE", "UTF-32-BE"])
def test_text_in_another_encoding_is_read_by_its_mark_and_never_by_a_guess(
    lake: Lake, tmp_path: Path, suffix: str, mark: str, encoding: str
) -> None:
    content = (mark + TEXT[suffix]).encode(encoding)
    for path, content_stored in ((f"rows{suffix}", content), (f"rows{suffix}.gz", gzip.compress(content))):
        if mark:
            load(lake, TEAM, [written(tmp_path / path, content_stored)], tenant="acme")
            assert [row["name"] for row in all_stored(lake, TEAM).values()] == ["Zoë"]
        else:
            message = _refused(lake, tmp_path / path, content_stored)
            assert f"the file is text in {encoding}, without a byte order mark" in message
            assert f"--encoding {encoding.lower()}" in message


@pytest.mark.parametrize("suffix", TEXT)
def test_gzip_under_the_name_of_a_text_is_named_with_its_suffix(lake: Lake, tmp_path: Path, suffix: str) -> None:
    once = gzip.compress(TEXT[suffix].encode())
    assert f"so that its name ends with {suffix}.gz" in _refused(lake, tmp_path / f"rows{suffix}", once)
    assert "with gzip twice" in _refused(lake, tmp_path / f"rows{suffix}.gz", gzip.compress(once))
    plain = TEXT[suffix].encode()
    assert "Remove .gz from its name" in _refused(lake, tmp_path / f"plain{suffix}.gz", plain)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\x28\xb5\x2f\xfd", "with zstd"),
        (b"BZh91AY&SY", "with bzip2"),
        (b"\xfd7zXZ\0", "with xz"),
        (b"PK\x03\x04", "Excel workbook"),
    ],
)
@pytest.mark.parametrize("suffix", [*TEXT, ".parquet"])
def test_another_format_is_named(lake: Lake, tmp_path: Path, suffix: str, start: bytes, message: str) -> None:
    assert message in _refused(lake, tmp_path / f"rows{suffix}", start + bytes(100))


@pytest.mark.parametrize("suffix", TEXT)
def test_parquet_under_the_name_of_a_text_is_named_with_its_suffix(lake: Lake, tmp_path: Path, suffix: str) -> None:
    assert "ends with .parquet" in _refused(lake, tmp_path / f"rows{suffix}", b"PAR1" + bytes(100))


def test_what_is_no_parquet_file_is_refused_without_the_inner_words_of_the_engine(lake: Lake, tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    duckdb.sql(f"COPY (SELECT 'a' AS team_id) TO '{whole}' (FORMAT parquet)")
    content = whole.read_bytes()
    assert "ends with .parquet.gz" in _refused(lake, tmp_path / "a.parquet", gzip.compress(content))
    assert "not a Parquet file" in _refused(lake, tmp_path / "b.parquet", TEXT[".csv"].encode())
    assert "not a Parquet file" in _refused(lake, tmp_path / "c.parquet", b"")
    assert "the end of the Parquet file is missing" in _refused(lake, tmp_path / "d.parquet", content[:-9])
    damaged = content[:-30] + bytes(20) + content[-10:]
    assert "/proc/" not in _refused(lake, tmp_path / "e.parquet", damaged)
