"""The staging files of an attempt: written in the format of the request, verified, and within all limits.

An export is one file, or several if the request splits it. The rows of a split export are stored and numbered first
(``Session.sort``), so in every format a file is a range of row numbers. By rows, every file but the last has exactly
the requested number. By bytes, the size of a file is known only when it is written: a file that is larger than
requested is written again with fewer rows, until it fits or has one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from offtake.core.attempt.cancellation import Cancellation, CancelReason
from offtake.core.attempt.compression_stage import compressing
from offtake.core.attempt.progress import AttemptProgress
from offtake.core.attempt.verification import FileStats, FileVerification
from offtake.core.exports import budget
from offtake.core.exports.budget import FileAllowance
from offtake.engine.duckdb import Session
from offtake.errors import ArtifactMismatch, MemoryExhausted, TenantBudgetExhausted, TooManyFiles
from offtake.formats import Format, Writer
from offtake.model.format_options import Compression
from offtake.model.layout import Framing
from offtake.model.query import Query, RowTooWideError
from offtake.model.request import Split

MAX_FILES = 10_000
_FILL_FACTOR = 0.9  # of the requested bytes; rows differ in length, so a fuller file would often be written twice
_SHRINK_FACTOR = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A verified file that is not published yet."""

    path: Path
    stats: FileStats
    first_key: tuple[object, ...] | None = None  # values of the order in the first row, as JSON; None: unordered
    last_key: tuple[object, ...] | None = None


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What all files together may have. Exceeding it cancels the attempt while the file grows."""

    row_limit: int | None
    allowed: FileAllowance
    cancellation: Cancellation
    progress: AttemptProgress

    def watch(self, before: Sequence[StagedFile]) -> Callable[[int, int], None]:
        """Return a callback for the file behind those that are written; it also notes the progress."""
        rows_before, bytes_before = sum(each.stats.rows for each in before), sum(each.stats.bytes for each in before)

        def check(rows: int, size: int) -> None:
            rows, size = rows_before + rows, bytes_before + size
            self.progress.write(rows)
            if self.row_limit is not None and rows > self.row_limit:
                self.cancellation.request(CancelReason.TOO_MANY_ROWS)
            try:
                budget.check(size, rows, self.allowed)
            except TenantBudgetExhausted:
                self.cancellation.request(CancelReason.OVER_BUDGET)

        return check


@dataclass(slots=True)
class Output:
    """Writes the rows of a query to files. ``staged`` is the file of which the session may write the plain form."""

    file_format: Format
    session: Session
    query: Query
    framing: Framing
    staged: Path
    limits: FileLimits
    _done: list[StagedFile] = field(default_factory=list)  # complete files of a split export

    def write_whole(self) -> list[StagedFile]:
        """Write all rows to the one staging file."""
        return [self._staged(self.staged, self._write_file())]

    def _write_file(self) -> FileStats:
        """Write and verify a file with the first of the format's writers that has enough memory for the rows.

        If the query itself needs more memory, the fast writer fails with MemoryExhausted, and no other one is tried.
        """
        *others, last = self.file_format.write_wide
        try:
            return self._write(self.file_format.write)
        except RowTooWideError:
            for wide in others:
                with suppress(RowTooWideError, MemoryExhausted):
                    return self._write(wide)
            return self._write(last)

    def write_split(self, split: Split, path_of: Callable[[int], Path]) -> list[StagedFile]:
        """Write the rows of a sorted query to several files, at least one. ``path_of`` names them by their numbers.

        Raises TooManyFiles.
        """
        rows, size = self.session.sorted_size()
        if split.rows is not None:
            self._split_by_rows(split.rows, rows, path_of)
        elif split.bytes is not None:
            self._split_by_bytes(split.bytes, rows, size, path_of)
        return self._done

    def _split_by_rows(self, each: int, rows: int, path_of: Callable[[int], Path]) -> None:
        _require_few(-(-rows // each))
        for first in range(0, rows or 1, each):
            self._keep(self._window(first, min(each, rows - first)), path_of)

    def _split_by_bytes(self, limit: int, rows: int, size: int, path_of: Callable[[int], Path]) -> None:
        first, row_bytes = 0, max(1.0, size / max(1, rows))
        while first < rows or not self._done:
            _require_few(len(self._done) + 1)
            number = min(rows - first, max(1, int(limit * _FILL_FACTOR / row_bytes)))
            stats = self._window(first, number)
            while stats.bytes > limit and number > 1:
                number = max(1, min(number - 1, int(number * limit / stats.bytes * _SHRINK_FACTOR)))
                stats = self._window(first, number)
            self._keep(stats, path_of)
            first, row_bytes = first + number, max(1.0, stats.bytes / max(1, number))

    def _window(self, first: int, number: int) -> FileStats:
        """Write ``number`` rows from row ``first`` on."""
        self.session.select_rows(first, number)
        stats = self._write_file()
        if stats.rows != number:
            raise ArtifactMismatch(f"The file should have {number} rows, and has {stats.rows}.")
        return stats

    def _keep(self, stats: FileStats, path_of: Callable[[int], Path]) -> None:
        self._done.append(self._staged(self.staged.rename(path_of(len(self._done))), stats))

    def _staged(self, path: Path, stats: FileStats) -> StagedFile:
        bounds = self.session.order_bounds()
        first, last = (None, None) if bounds is None else (tuple(map(_as_json, values)) for values in bounds)
        return StagedFile(path=path, stats=stats, first_key=first, last_key=last)

    def _write(self, writer: Writer) -> FileStats:
        self.staged.unlink(missing_ok=True)
        watch, file_format = self.limits.watch(self._done), self.file_format
        in_order = file_format.in_order or file_format.stage is not Compression.NONE
        counter = file_format.counter(self.framing, self.staged)
        with FileVerification(self.staged, counter, watch, in_order=in_order) as verification:
            with compressing(self.staged, file_format) as path:
                written = writer(self.session, self.query, path, framing=self.framing)
            stats = verification.finish()
        if written != stats.rows:
            raise ArtifactMismatch(f"The writer reported {written} rows, the file has {stats.rows}.")
        return stats


def _as_json(value: object) -> object:
    """Return a value of the order as the native API writes it: instants in UTC with microseconds."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _require_few(files: int) -> None:
    if files > MAX_FILES:
        raise TooManyFiles(f"The export would have more than {MAX_FILES} files; ask for larger files.")
