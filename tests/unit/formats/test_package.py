"""The ZIP container of a workbook: its local and central headers, and the counter that verifies them."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from offtake.formats.workbook.counter import WorkbookCounter
from offtake.formats.workbook.package import Package

SHEET = b"<worksheet><sheetData><row></row>\n<row></row>\n</sheetData></worksheet>"


def _packed(*, at: int = 0) -> bytes:
    written: list[bytes] = []
    package = Package(written.append, at=at)
    package.add("_rels/.rels", b"<Relationships/>")
    part = package.begin("xl/worksheets/sheet1.xml")
    part.write(SHEET[:30])
    part.write(SHEET[30:])
    package.end(part)
    package.close()
    return b"".join(written)


def _count(data: bytes, *, at: int = 0) -> int:
    counter = WorkbookCounter(at=at)
    counter.feed(data)
    return counter.records()


def test_a_package_is_a_zip_file_of_1980() -> None:
    found = zipfile.ZipFile(io.BytesIO(_packed()))
    assert found.testzip() is None
    assert found.namelist() == ["_rels/.rels", "xl/worksheets/sheet1.xml"]
    assert found.read("xl/worksheets/sheet1.xml") == SHEET
    assert {entry.date_time for entry in found.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {(entry.extract_version, entry.extra) for entry in found.infolist()} == {(20, b"")}  # no zip64
    assert _count(_packed()) == 1
    assert _packed() == _packed()


def test_a_package_beyond_four_gigabytes_has_zip64_in_its_directory_only(tmp_path: Path) -> None:
    """The file is sparse: five gigabytes before its first entry take no space on the disk."""
    path, hole = tmp_path / "far.zip", 5 * 2**30
    with path.open("wb") as file:
        file.seek(hole)
        file.write(_packed(at=hole))
    with zipfile.ZipFile(path) as found:
        assert found.testzip() is None
        assert [entry.header_offset for entry in found.infolist()] == [hole, hole + 30 + 11 + _packed_size(found)]
        assert {entry.extract_version for entry in found.infolist()} == {45}
        assert found.read("xl/worksheets/sheet1.xml") == SHEET
    assert struct.unpack_from("<4s2H", _packed(at=hole))[1] == 20
    assert _count(_packed(at=hole), at=hole) == 1
    with pytest.raises(ValueError, match="contradicts its part"):
        _count(_packed(at=hole), at=hole + 1)


def _packed_size(found: zipfile.ZipFile) -> int:
    return found.infolist()[0].compress_size


def test_a_changed_byte_that_affects_the_result_is_detected() -> None:
    """Dates, versions and attributes are free; any other changed byte is refused or does not change the result."""
    whole = _packed()
    believed = [changed for changed in map(_changed, range(len(whole))) if _is_believed(changed)]
    assert 0 < len(believed) < len(whole) // 4
    for data in believed:
        assert zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml") == SHEET


def _changed(offset: int) -> bytes:
    data = bytearray(_packed())
    data[offset] ^= 0x21
    return bytes(data)


def _is_believed(data: bytes) -> bool:
    try:
        return _count(data) == 1
    except ValueError:
        return False


@pytest.mark.parametrize(
    "content",
    [b"", b"<worksheet><sheetData></sheetData></worksheet>", SHEET[:-1], SHEET + b"\n"],
    ids=["nothing", "no header row", "cut", "more"],
)
def test_an_incomplete_sheet_is_refused(content: bytes) -> None:
    written: list[bytes] = []
    package = Package(written.append)
    package.add("xl/worksheets/sheet1.xml", content)
    package.close()
    with pytest.raises(ValueError, match="data sheet is incomplete"):
        _count(b"".join(written))


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(ValueError, match="after the end record"):
        _count(_packed() + b"PK\x03\x04")
