"""Record counter of workbooks: counts rows from the bytes of the file, and verifies the zip package.

Every part is inflated and checked against its size and checksum, the central directory is checked against the parts,
and the file must end with the end record. Rows are the ``</row>`` tags in the data sheets, without one header each. A
truncated or damaged file is therefore rejected.
"""

from __future__ import annotations

from typing import cast

from isal import igzip_lib, isal_zlib

from offtake.formats.workbook import package as zip_file
from offtake.formats.workbook.package import Entry

DATA_PARTS = "xl/worksheets/sheet"  # prefix of the names of data sheet parts
_ROW_ENDS = b"</row>"
_SHEET_ENDS = b"</worksheet>"
_MAX_INFLATED = 1 << 20  # bytes inflated at a time; deflate compresses up to 1000:1
# The type stub of isal declares the error class as an instance.
_Damaged = cast("type[Exception]", igzip_lib.error)


class _Fault(Exception):
    """The file is not a complete workbook."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise _Fault(message)


class _PartReader:
    """Inflates one part, measures it and counts its rows."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.holds_data = entry.name.startswith(DATA_PARTS.encode())
        self.row_ends = 0
        self._crc = self._size = self._packed = 0
        self._last = b""
        self._inflate = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes of the file; return those after the part's end, or None if the part continues."""
        self._packed += len(data)
        while True:
            self._count(self._inflate.decompress(data, _MAX_INFLATED))
            if self._inflate.eof:
                rest = self._inflate.unused_data
                self._packed -= len(rest)
                return rest
            if self._inflate.needs_input:
                return None
            data = b""

    def _count(self, inflated: bytes) -> None:
        self._crc = isal_zlib.crc32(inflated, self._crc)
        self._size += len(inflated)
        if self.holds_data:
            # The kept tail is shorter than </row>, so no tag is counted twice.
            self.row_ends += (self._last[1 - len(_ROW_ENDS) :] + inflated).count(_ROW_ENDS)
            self._last = (self._last + inflated[-len(_SHEET_ENDS) :])[-len(_SHEET_ENDS) :]

    def measured(self) -> tuple[int, int, int]:
        """Return checksum, compressed and inflated size; a data sheet must be complete."""
        if self.holds_data:
            _require(self._last == _SHEET_ENDS and self.row_ends > 0, "a data sheet is incomplete")
        return self._crc, self._packed, self._size


class WorkbookCounter:
    """A ``RecordCounter`` for workbooks; ``at`` is the file offset of the first bytes."""

    def __init__(self, *, at: int = 0) -> None:
        self._header = b""  # bytes of an incomplete header
        self._at = at  # file offset of the next bytes
        self._content: _PartReader | None = None
        self._entries: list[Entry] = []
        self._rows = 0  # in complete sheets
        self._awaits_descriptor = False  # the last part's data descriptor is still to come
        self._listed = 0  # parts listed in the directory so far
        self._central_directory = 0  # file offset of the directory
        self._is_zip64 = False
        self._ended = False
        self._fault: str | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._fault is None:
            try:
                self._take(chunk)
            except (_Fault, _Damaged) as fault:
                self._fault = str(fault)

    def seen(self) -> int:
        """Return the number of rows so far."""
        content = self._content
        return self._rows + (max(0, content.row_ends - 1) if content and content.holds_data else 0)

    def records(self) -> int:
        """Return the number of rows of all data sheets without headers."""
        if self._fault is not None:
            raise ValueError(self._fault)
        if not self._ended:
            raise ValueError("the file does not end with a complete zip directory")
        return self._rows

    def _take(self, chunk: bytes) -> None:
        while chunk or self._header:
            content = self._content
            if content is None:
                self._header += chunk
                if not self._read_header():
                    return
                chunk = self._take_content()
                continue
            rest = content.feed(chunk)
            self._at += len(chunk) - len(rest or b"")
            if rest is None:
                return
            self._finish(content)
            self._content, chunk = None, rest

    def _take_content(self) -> bytes:
        """Return the bytes after the local header of a part."""
        if self._content is None:
            return b""
        first, self._header = self._header, b""
        return first

    def _read_header(self) -> bool:
        """Read the next header; return False if it is incomplete."""
        sign = self._header[:4]
        if len(sign) < len(zip_file.LOCAL_SIGN):
            return False
        _require(not self._ended, "there are bytes after the end record")
        readers = {
            zip_file.LOCAL_SIGN: self._local,
            zip_file.DESCRIPTOR_SIGN: self._descriptor,
            zip_file.CENTRAL_SIGN: self._central,
            zip_file.END_64_SIGN: self._end_64,
            zip_file.LOCATOR_64_SIGN: self._locator_64,
            zip_file.END_SIGN: self._end,
        }
        _require(sign in readers, "a zip header is missing")
        _require(
            self._awaits_descriptor == (sign == zip_file.DESCRIPTOR_SIGN), "a data descriptor is missing or unexpected"
        )
        used = readers[sign](self._header)
        self._header = self._header[used:]
        self._at += used
        return used > 0

    def _local(self, header: bytes) -> int:
        if len(header) < zip_file.LOCAL.size:
            return 0
        _, _, flags, method, _, _, crc, packed, size, name_length, extra = zip_file.LOCAL.unpack_from(header)
        used = zip_file.LOCAL.size + int(name_length)
        if len(header) < used:
            return 0
        _require(method == zip_file.DEFLATED and not extra and not self._listed, "a local header has unexpected values")
        name = header[zip_file.LOCAL.size : used]
        self._content = _PartReader(Entry(name=name, flags=flags, crc=crc, packed=packed, size=size, offset=self._at))
        return used

    def _finish(self, content: _PartReader) -> None:
        """Verify a part that was read to its end."""
        entry = content.entry
        crc, packed, size = content.measured()
        self._awaits_descriptor = bool(entry.flags & zip_file.STREAMED)
        declared = (entry.crc, entry.packed, entry.size)
        _require(
            declared == ((0, 0, 0) if self._awaits_descriptor else (crc, packed, size)),
            "size or checksum of a part is wrong",
        )
        self._entries.append(
            Entry(name=entry.name, flags=entry.flags, crc=crc, packed=packed, size=size, offset=entry.offset)
        )
        self._rows += content.row_ends - 1 if content.holds_data else 0

    def _descriptor(self, header: bytes) -> int:
        if len(header) < zip_file.DESCRIPTOR.size:
            return 0
        _, *declared = zip_file.DESCRIPTOR.unpack_from(header)
        entry = self._entries[-1]
        _require(declared == [entry.crc, entry.packed, entry.size], "size or checksum of a part is wrong")
        self._awaits_descriptor = False
        return zip_file.DESCRIPTOR.size

    def _central(self, header: bytes) -> int:
        if len(header) < zip_file.CENTRAL.size:
            return 0
        fields = zip_file.CENTRAL.unpack_from(header)
        name_end = zip_file.CENTRAL.size + int(fields[10])
        used = name_end + int(fields[11])
        if len(header) < used:
            return 0
        _require(self._listed < len(self._entries), "the directory lists a part that does not exist")
        entry = self._entries[self._listed]
        is_plain = fields[4] == zip_file.DEFLATED and fields[12:14] == (0, 0)  # no comment, on the first disk
        _require(is_plain and fields[11] in (0, zip_file.OFFSET_64.size), "a directory entry has unexpected values")
        offset = zip_file.OFFSET_64.unpack(header[name_end:used])[2] if fields[11] else fields[16]
        declared = (header[zip_file.CENTRAL.size : name_end], fields[3], *fields[7:10], offset)
        actual = (entry.name, entry.flags, entry.crc, entry.packed, entry.size, entry.offset)
        _require(declared == actual, "a directory entry contradicts its part")
        if self._listed == 0:
            self._central_directory = self._at
        self._listed += 1
        return used

    def _end_64(self, header: bytes) -> int:
        if len(header) < zip_file.END_64.size:
            return 0
        fields = zip_file.END_64.unpack_from(header)
        _require(fields[4:6] == (0, 0), "the file spans several disks")
        self._check_end(fields[6:])
        self._is_zip64 = True
        return zip_file.END_64.size

    def _locator_64(self, header: bytes) -> int:
        if len(header) < zip_file.LOCATOR_64.size:
            return 0
        end = zip_file.LOCATOR_64.unpack_from(header)[2] + zip_file.END_64.size
        _require(self._is_zip64 and end == self._at, "the zip64 end record is not at the declared offset")
        return zip_file.LOCATOR_64.size

    def _end(self, header: bytes) -> int:
        if len(header) < zip_file.END.size:
            return 0
        _, disk, first_disk, here, count, size, offset, comment = zip_file.END.unpack_from(header)
        _require((disk, first_disk, comment) == (0, 0, 0), "the file spans several disks or has a comment")
        if self._is_zip64:
            _require(
                (here, count, offset) == (self._listed, self._listed, zip_file.FULL),
                "the end record contradicts the zip64 end record",
            )
        else:
            self._check_end((here, count, size, offset))
        self._ended = True
        return zip_file.END.size

    def _check_end(self, declared: tuple[int, ...]) -> None:
        here, count, size, offset = declared
        parts = len(self._entries)
        _require(parts == self._listed == here == count, "the directory is incomplete")
        _require(
            (self._central_directory, self._at - self._central_directory) == (offset, size),
            "the directory is not at the declared offset",
        )
