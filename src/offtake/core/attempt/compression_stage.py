"""Compression of a file while it is written: a thread follows the growing file and writes the compressed one.

The writers of text files write at several offsets at once and append files to each other, so they cannot write into a
compressed stream. The thread reads what they wrote through the operating system, as the verification does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from offtake.core.attempt.growing_file import GrowingFile
from offtake.formats import Format
from offtake.formats.compression import CODECS, Compressor
from offtake.model.format_options import Compression


def written_file(staged: Path, file_format: Format) -> Path:
    """Return the path at which the writers write: that of the staging file, or of the file that is compressed to it."""
    return staged if file_format.stage is Compression.NONE else staged.with_name(f"{staged.name}.plain")


@contextmanager
def compressing(staged: Path, file_format: Format) -> Iterator[Path]:
    """Yield the path at which a writer must write. The staging file is complete when the block has ended.

    Raises OSError if the file cannot be read or the compressed file cannot be written.
    """
    path = written_file(staged, file_format)
    if path == staged:
        yield path
        return
    path.unlink(missing_ok=True)
    stage = _Stage(GrowingFile(path, in_order=file_format.in_order), staged, CODECS[file_format.stage].compressor())
    with stage:
        yield path
        stage.finish()
    path.unlink()


class _Stage:
    """The thread of one file."""

    def __init__(self, source: GrowingFile, target: Path, compressor: Compressor) -> None:
        self._source = source
        self._target = target
        self._compressor = compressor
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="compression", daemon=True)

    def finish(self) -> None:
        """Compress the rest of the file, which is complete."""
        self._source.finish()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            handle = self._source.open()
            if handle is None:
                return
            try:
                with self._target.open("wb") as file:
                    for chunk in self._source.chunks(handle):
                        file.write(self._compressor.compress(chunk))
                    file.write(self._compressor.flush())
            finally:
                os.close(handle)
        except OSError as error:
            self._error = error

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._source.abandon()
        self._thread.join()
