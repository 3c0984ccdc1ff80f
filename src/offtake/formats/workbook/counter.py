"""Counts the rows of a workbook in the bytes of its file, as they come.

The whole package is read: every part is inflated and checked against the size and checksum that stand with it, the
directory against the parts, and the file must end where its end record says. Rows are the ``</row>`` in the parts of
the data's sheets, without one header each. So a file that is cut, or changed anywhere that matters, is none.
"""

from __future__ import annotations

from typing import cast

from isal import igzip_lib, isal_zlib

from offtake.formats.workbook import package as zip_file
from offtake.formats.workbook.package import Entry

DATA_PARTS = "xl/worksheets/sheet"  # how the names of the parts begin that hold rows of the data
_ROW_ENDS = b"</row>"
_SHEET_ENDS = b"</worksheet>"
_MOST = 1 << 20  # bytes inflated at a time: a part may inflate to a thousand times its size
# The library's stub says of its error class that it is an error.
_Damaged = cast("type[Exception]", igzip_lib.error)


class _Fault(Exception):
    """The bytes are no whole workbook."""


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise _Fault(what)


class _Content:
    """One part while it is inflated."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.holds_data = entry.name.startswith(DATA_PARTS.encode())
        self.ends = 0  # of rows
        self._crc = self._size = self._packed = 0
        self._last = b""
        self._inflate = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)

    def feed(self, data: bytes) -> bytes | None:
        """Take the next bytes of the file; those behind the part's end, or None when there may be more of it."""
        self._packed += len(data)
        while True:
            self._take(self._inflate.decompress(data, _MOST))
            if self._inflate.eof:
                behind = self._inflate.unused_data
                self._packed -= len(behind)
                return behind
            if self._inflate.needs_input:
                return None
            data = b""

    def _take(self, found: bytes) -> None:
        self._crc = isal_zlib.crc32(found, self._crc)
        self._size += len(found)
        if self.holds_data:
            # The bytes kept are too few to hold an end that was counted before.
            self.ends += (self._last[1 - len(_ROW_ENDS) :] + found).count(_ROW_ENDS)
            self._last = (self._last + found[-len(_SHEET_ENDS) :])[-len(_SHEET_ENDS) :]

    def measured(self) -> tuple[int, int, int]:
        """Checksum and sizes as found; a sheet must be whole."""
        if self.holds_data:
            _require(self._last == _SHEET_ENDS and self.ends > 0, "a sheet is not whole")
        return self._crc, self._packed, self._size


class WorkbookCounter:
    """A record counter (``formats.format.RecordCounter``); ``at`` is where in the file the first bytes are from."""

    def __init__(self, *, at: int = 0) -> None:
        self._held = b""  # bytes of a header that is not complete
        self._at = at  # where in the file they begin
        self._content: _Content | None = None
        self._entries: list[Entry] = []
        self._rows = 0  # in whole sheets
        self._undescribed = False  # the last part still owes its sizes
        self._listed = 0  # parts in the directory
        self._directory = 0  # where it begins
        self._far = False
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
        """Rows so far."""
        content = self._content
        return self._rows + (max(0, content.ends - 1) if content and content.holds_data else 0)

    def records(self) -> int:
        """Rows of all data sheets without their headers."""
        if self._fault is not None:
            raise ValueError(self._fault)
        if not self._ended:
            raise ValueError("the file does not end with a whole directory")
        return self._rows

    def _take(self, chunk: bytes) -> None:
        while chunk or self._held:
            content = self._content
            if content is None:
                self._held += chunk
                if not self._read_header():
                    return
                chunk = self._first_of_content()
                continue
            behind = content.feed(chunk)
            self._at += len(chunk) - len(behind or b"")
            if behind is None:
                return
            self._finish(content)
            self._content, chunk = None, behind

    def _first_of_content(self) -> bytes:
        """The bytes behind a header that begins a part."""
        if self._content is None:
            return b""
        first, self._held = self._held, b""
        return first

    def _read_header(self) -> bool:
        """Read the header that is next; False when it is not complete yet."""
        sign = self._held[:4]
        if len(sign) < len(zip_file.LOCAL_SIGN):
            return False
        _require(not self._ended, "there are bytes behind the end")
        readers = {
            zip_file.LOCAL_SIGN: self._local,
            zip_file.DESCRIPTOR_SIGN: self._descriptor,
            zip_file.CENTRAL_SIGN: self._central,
            zip_file.END_64_SIGN: self._end_64,
            zip_file.LOCATOR_64_SIGN: self._locator_64,
            zip_file.END_SIGN: self._end,
        }
        _require(sign in readers, "there is no header where one must be")
        _require(self._undescribed == (sign == zip_file.DESCRIPTOR_SIGN), "sizes are missing, or out of place")
        used = readers[sign](self._held)
        self._held = self._held[used:]
        self._at += used
        return used > 0

    def _local(self, held: bytes) -> int:
        if len(held) < zip_file.LOCAL.size:
            return 0
        _, _, flags, method, _, _, crc, packed, size, name_length, extra = zip_file.LOCAL.unpack_from(held)
        used = zip_file.LOCAL.size + int(name_length)
        if len(held) < used:
            return 0
        _require(method == zip_file.DEFLATED and not extra and not self._listed, "a part is not as it must be")
        name = held[zip_file.LOCAL.size : used]
        self._content = _Content(Entry(name=name, flags=flags, crc=crc, packed=packed, size=size, offset=self._at))
        return used

    def _finish(self, content: _Content) -> None:
        """The part is read to its end."""
        begun = content.entry
        crc, packed, size = content.measured()
        self._undescribed = bool(begun.flags & zip_file.STREAMED)
        said = (begun.crc, begun.packed, begun.size)
        _require(said == ((0, 0, 0) if self._undescribed else (crc, packed, size)), "a part is damaged")
        self._entries.append(
            Entry(name=begun.name, flags=begun.flags, crc=crc, packed=packed, size=size, offset=begun.offset)
        )
        self._rows += content.ends - 1 if content.holds_data else 0

    def _descriptor(self, held: bytes) -> int:
        if len(held) < zip_file.DESCRIPTOR.size:
            return 0
        _, *said = zip_file.DESCRIPTOR.unpack_from(held)
        entry = self._entries[-1]
        _require(said == [entry.crc, entry.packed, entry.size], "a part is damaged")
        self._undescribed = False
        return zip_file.DESCRIPTOR.size

    def _central(self, held: bytes) -> int:
        if len(held) < zip_file.CENTRAL.size:
            return 0
        fields = zip_file.CENTRAL.unpack_from(held)
        name_end = zip_file.CENTRAL.size + int(fields[10])
        used = name_end + int(fields[11])
        if len(held) < used:
            return 0
        _require(self._listed < len(self._entries), "the directory lists a part that is not there")
        entry = self._entries[self._listed]
        plain = fields[4] == zip_file.DEFLATED and fields[12:14] == (0, 0)  # no comment, on the first disk
        _require(plain and fields[11] in (0, zip_file.OFFSET_64.size), "the directory says more than it must")
        offset = zip_file.OFFSET_64.unpack(held[name_end:used])[2] if fields[11] else fields[16]
        said = (held[zip_file.CENTRAL.size : name_end], fields[3], *fields[7:10], offset)
        found = (entry.name, entry.flags, entry.crc, entry.packed, entry.size, entry.offset)
        _require(said == found, "the directory says other than the parts")
        if self._listed == 0:
            self._directory = self._at
        self._listed += 1
        return used

    def _end_64(self, held: bytes) -> int:
        if len(held) < zip_file.END_64.size:
            return 0
        fields = zip_file.END_64.unpack_from(held)
        _require(fields[4:6] == (0, 0), "there is more than one disk")
        self._check_end(fields[6:])
        self._far = True
        return zip_file.END_64.size

    def _locator_64(self, held: bytes) -> int:
        if len(held) < zip_file.LOCATOR_64.size:
            return 0
        behind = zip_file.LOCATOR_64.unpack_from(held)[2] + zip_file.END_64.size
        _require(self._far and behind == self._at, "the directory's end is not where it should be")
        return zip_file.LOCATOR_64.size

    def _end(self, held: bytes) -> int:
        if len(held) < zip_file.END.size:
            return 0
        _, disk, first_disk, here, count, size, offset, comment = zip_file.END.unpack_from(held)
        _require((disk, first_disk, comment) == (0, 0, 0), "there is more than one disk, or a comment")
        if self._far:
            _require(
                (here, count, offset) == (self._listed, self._listed, zip_file.FULL), "the end is not as it must be"
            )
        else:
            self._check_end((here, count, size, offset))
        self._ended = True
        return zip_file.END.size

    def _check_end(self, said: tuple[int, ...]) -> None:
        here, count, size, offset = said
        parts = len(self._entries)
        _require(parts == self._listed == here == count, "the directory is not whole")
        _require(
            (self._directory, self._at - self._directory) == (offset, size), "the directory is not where it should be"
        )
