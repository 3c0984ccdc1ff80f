"""Reads Arrow IPC, files (Feather) and streams: typed columns in record batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from offtake.errors import LakeError
from offtake.lake.engine_path import descriptor_path
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.ingest.readers.batches import batch_source, numbered
from offtake.lake.ingest.readers.source import ReaderOptions, Source, SourceFormat
from offtake.lake.staging import Staging

if TYPE_CHECKING:
    import pyarrow as pa

_FILE_MAGIC = b"ARROW1"  # first and last bytes of a file; a stream has none


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del options
    import pyarrow as pa

    is_file = file.start(len(_FILE_MAGIC)) == _FILE_MAGIC
    try:
        if is_file:
            stored = file.opened.enter_context(pa.memory_map(descriptor_path(file.on_disk(staging))))
            reader = file.opened.enter_context(pa.ipc.open_file(stored))
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            reader = file.opened.enter_context(pa.ipc.open_stream(pa.PythonFile(_Bytes(file), mode="r")))
            batches = iter(reader)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file.name, error) from error
    return batch_source(staging, file.name, ARROW, reader.schema, numbered(_checked(file.name, batches)))


def _checked(name: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches. Raises LakeError for one whose offsets would lead out of its bytes, or that is cut off."""
    import pyarrow as pa

    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
        except (pa.ArrowException, OSError, EOFError, MemoryError) as error:
            raise _damaged(name, error) from error
        yield batch


def _damaged(name: str, error: BaseException) -> LakeError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return LakeError(f"{name}: this is not a whole Arrow file or stream ({reason}). Copy or write the file again.")


class _Bytes:
    """The content of an input as pyarrow reads it: ``read`` returns as many bytes as it is asked for."""

    closed = False

    def __init__(self, file: InputFile) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        found = bytearray()
        while len(found) < size and (block := self._file.read(size - len(found))):
            found += block
        return bytes(found)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


ARROW = SourceFormat(name="Arrow", suffixes=(".arrow", ".arrows", ".feather", ".ipc"), open=_open, has_lines=False)
